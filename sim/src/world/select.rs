//! Resolves selectors to machines at the moment at which a fault strikes.

use super::{State, find_machine};
use crate::record::Machine;
use crate::scenario::model::Selector;

impl State {
    /// Resolves groups of selectors to machines. No machine is in two groups; `rest` takes what the others leave.
    pub(super) fn resolve(&mut self, place: usize, groups: &[Vec<Selector>]) -> Option<Vec<Vec<Machine>>> {
        let mut resolved = vec![Vec::new(); groups.len()];
        let mut taken = Vec::new();
        let (named, rest): (Vec<_>, Vec<_>) = groups
            .iter()
            .enumerate()
            .flat_map(|(group, list)| list.iter().map(move |one| (group, one)))
            .partition(|(_, one)| **one != Selector::Rest);
        for (group, selector) in named.into_iter().chain(rest) {
            let machines = self.select(place, selector, &taken);
            if machines.is_empty() {
                return None;
            }
            taken.extend(&machines);
            resolved[group].extend(machines);
        }
        Some(resolved)
    }

    /// Resolves selectors that stand alone.
    pub(super) fn resolve_one(&mut self, place: usize, selectors: &[Selector]) -> Option<Vec<Machine>> {
        self.resolve(place, &[selectors.to_vec()])?.pop()
    }

    /// The machines that a selector names, without those already taken.
    fn select(&mut self, place: usize, selector: &Selector, taken: &[Machine]) -> Vec<Machine> {
        let free = |machine: &Machine| !taken.contains(machine);
        let all: Vec<Machine> = self.in_use().into_iter().filter(free).collect();
        let total = self.in_use().len();
        let leader = self.ledger.leader().filter(free);
        let live = |machine: &Machine| self.machines[machine.0 as usize].process.is_some();
        let candidates: Vec<Machine> = match selector {
            Selector::Leader => return leader.into_iter().collect(),
            Selector::Node(label) => {
                let named = find_machine(self, label).filter(free);
                return named.filter(|machine| self.machines[machine.0 as usize].in_use).into_iter().collect();
            }
            Selector::All => return all,
            // Who joins later is on this side.
            Selector::Rest => return (0..self.machines.len() as u32).map(Machine).filter(free).collect(),
            Selector::Any => all.into_iter().filter(live).collect(),
            Selector::Follower => all.into_iter().filter(live).filter(|machine| Some(*machine) != leader).collect(),
            Selector::Some | Selector::Count(_) | Selector::Minority | Selector::Majority => all,
        };
        let count = match selector {
            // Where nobody is left to choose, nobody is chosen, and the fault waits.
            Selector::Some if candidates.is_empty() => 0,
            Selector::Some => self.faults.choices(place).between(1, candidates.len() as u64) as usize,
            Selector::Count(count) => *count as usize,
            Selector::Minority => (total - 1) / 2,
            Selector::Majority => total / 2 + 1,
            _ => 1,
        };
        let mut chosen = candidates;
        self.faults.choices(place).shuffle(&mut chosen);
        chosen.truncate(count);
        chosen.sort_unstable();
        chosen
    }
}
