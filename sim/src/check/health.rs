//! Who is well, who hears whom and who leads, as the records tell.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::event::Event;
use lockstep_node::raft::Role;

use crate::members::Members;
use crate::record::{Harm, Machine, Phase, Recorded, What};

/// The state of a cluster.
#[derive(Debug)]
pub(super) struct Health {
    machines: u32,
    members: Members,
    up: BTreeSet<Machine>,
    leaders: BTreeSet<Machine>,
    /// What the faults in force harm, by their place in the scenario.
    faults: BTreeMap<usize, Harm>,
}

impl Health {
    /// A cluster founded by so many machines, all of them off.
    pub fn new(machines: u32) -> Health {
        Health {
            machines,
            members: Members::default(),
            up: BTreeSet::new(),
            leaders: BTreeSet::new(),
            faults: BTreeMap::new(),
        }
    }

    /// Follows what happens. Returns whether it may have changed anything.
    pub fn observe(&mut self, recorded: &Recorded) -> bool {
        self.members.observe(&recorded.what);
        match &recorded.what {
            What::Node(_, Event::Members { .. }) | What::Wiped(_) => true,
            What::Up(machine) => self.up.insert(*machine),
            What::Down(machine, _) => {
                self.leaders.remove(machine);
                self.up.remove(machine)
            }
            What::Node(machine, Event::Booted { .. }) => self.up.insert(*machine),
            What::Node(machine, Event::Role { role: Role::Leader, .. }) => self.leaders.insert(*machine),
            What::Node(machine, Event::Role { .. }) => self.leaders.remove(machine),
            What::Fault(fault) if fault.harm.is_none() => self.faults.remove(&fault.event).is_some(),
            What::Fault(fault) => self.faults.insert(fault.event, fault.harm.clone()).as_ref() != Some(&fault.harm),
            What::Phase(Phase::Settle) => {
                self.faults.clear();
                true
            }
            _ => false,
        }
    }

    /// Whether a majority of the voters, or of the founders where nodes do not say who votes, are up, not struck by a fault, and hear each other.
    pub fn has_majority(&self) -> bool {
        self.majority_with(None)
    }

    /// Whether such a majority has a leader among it.
    pub fn is_led(&self) -> bool {
        self.leaders.iter().any(|leader| self.majority_with(Some(*leader)))
    }

    fn majority_with(&self, member: Option<Machine>) -> bool {
        let struck: BTreeSet<&Machine> = self.faults.values().flat_map(|harm| &harm.machines).collect();
        let disturbed = |harm: &Harm, way| harm.cut.contains(&way) || harm.disturbed.contains(&way);
        let hears = |from, to| !self.faults.values().any(|harm| disturbed(harm, (from, to)));
        let well: Vec<Machine> = self.up.iter().filter(|machine| !struck.contains(machine)).copied().collect();
        if member.is_some_and(|member| !well.contains(&member)) {
            return false;
        }
        let mut together: Vec<Machine> = member.into_iter().collect();
        grow(&mut together, &well, &|group| self.decide(group), &|one, other| hears(one, other) && hears(other, one))
    }

    fn decide(&self, group: &[Machine]) -> bool {
        match self.members.configuration() {
            Some(configuration) => self.members.decide(configuration, |machine| group.contains(&machine)),
            None => group.len() > self.machines as usize / 2,
        }
    }
}

/// Whether machines that all hear each other can be made enough with these others.
fn grow(
    together: &mut Vec<Machine>,
    others: &[Machine],
    enough: &dyn Fn(&[Machine]) -> bool,
    hear: &dyn Fn(Machine, Machine) -> bool,
) -> bool {
    if enough(together) {
        return true;
    }
    others.iter().enumerate().any(|(place, next)| {
        if together.contains(next) || !together.iter().all(|one| hear(*one, *next)) {
            return false;
        }
        together.push(*next);
        let grown = grow(together, &others[place + 1..], enough, hear);
        together.pop();
        grown
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{at, fault, lead};
    use crate::record::Down;

    fn health(records: &[Recorded]) -> Health {
        let mut health = Health::new(3);
        for recorded in (0..3).map(|machine| at(0.0, What::Up(Machine(machine)))).chain(records.iter().cloned()) {
            health.observe(&recorded);
        }
        health
    }

    #[test]
    fn a_majority_is_up_unharmed_and_connected() {
        assert!(health(&[]).has_majority());
        let down = at(1.0, What::Down(Machine(0), Down::Killed));
        assert!(health(std::slice::from_ref(&down)).has_majority());
        assert!(!health(&[down.clone(), fault(1.0, true, "stall-disk n2")]).has_majority());
        assert!(!health(&[down.clone(), fault(1.0, true, "cut n2→n3")]).has_majority());
        assert!(health(&[down, fault(1.0, true, "cut n2→n3"), fault(2.0, false, "end of cut n2→n3")]).has_majority());
        assert!(!health(&[fault(1.0, true, "partition n1–n2 n1–n3 n2–n3")]).has_majority());
    }

    #[test]
    fn a_leader_that_hears_no_majority_leads_none() {
        let cut_off = fault(1.0, true, "partition n1–n2 n1–n3");
        assert!(health(&[lead(0, 1)]).is_led());
        assert!(!health(&[lead(0, 1), cut_off.clone()]).is_led());
        assert!(health(&[lead(0, 1), cut_off, lead(2, 2)]).is_led());
    }
}
