//! The end of the fault phase: everybody is healed, or a core first, for as long as the rest stays broken.

use super::effects::{Effect, harm};
use super::{State, World};
use crate::record::{FaultRecord, Harm, Machine, Phase, What};

/// What keeps the rest broken while the core is well.
#[derive(Default)]
pub(super) struct Rest {
    effects: Vec<Effect>,
}

impl World {
    /// The fault phase is over: everything that goes on ends, and what has not struck never will.
    pub fn heal(&self) {
        self.end_faults();
        let effects = self.lock().mend_rest();
        effects.into_iter().for_each(|effect| self.end_effect(effect));
        self.lock().enter_phase(Phase::Settle);
    }

    /// The fault phase is over for so many members, drawn from all, or more if these have no majority: everything ends that
    /// goes on, but each of the others is down or cut off from everybody until all are [healed](World::heal). Returns the
    /// core.
    pub fn heal_core(&self, size: u32) -> Vec<Machine> {
        self.end_faults();
        // The core has a majority of those who take part now. What was asked too late to be seen must not change who does.
        self.lock().recall_operators_requests();
        let (core, effects) = self.lock().break_rest(size);
        effects.into_iter().for_each(|effect| self.begin_effect(effect));
        self.lock().break_cut_calls();
        self.lock().enter_phase(Phase::Core);
        core
    }

    fn end_faults(&self) {
        let active = self.lock().close_faults();
        active.into_iter().for_each(|fault| self.end_fault(fault));
    }
}

impl State {
    /// Draws a core, and how each of the others is broken.
    fn break_rest(&mut self, size: u32) -> (Vec<Machine>, Vec<Effect>) {
        let mut choices = self.stream("core", 0);
        let mut core = self.members();
        choices.shuffle(&mut core);
        let enough = |count: &usize| *count >= size as usize && self.decide(&core[..*count]);
        let count = (0..core.len()).find(enough).unwrap_or(core.len());
        let mut rest = core.split_off(count);
        core.sort_unstable();
        rest.sort_unstable();
        let (down, alone): (Vec<Machine>, Vec<Machine>) = rest.iter().partition(|_| choices.below(2) == 0);
        let ways = self.pairs(|from, to| alone.contains(from) || alone.contains(to));
        let cut = ways.into_iter().map(|(from, to)| Effect::Cut(from, to));
        let effects: Vec<Effect> = down.iter().copied().map(Effect::Kill).chain(cut).collect();
        let word = |machine: &Machine| format!("{machine} {}", if down.contains(machine) { "down" } else { "cut off" });
        let words: Vec<String> = rest.iter().map(word).collect();
        self.rest.effects.clone_from(&effects);
        self.record_rest(
            true,
            format!("leave {}", if words.is_empty() { "nobody broken".to_owned() } else { words.join(", ") }),
            harm(&effects),
        );
        (core, effects)
    }

    /// Whether these machines can elect a leader among them, as far as nodes say who votes: by the leader's configuration, and
    /// by each one's own, since the leader's may not have come to them before it is broken.
    fn decide(&self, machines: &[Machine]) -> bool {
        let members = self.ledger.members();
        let own = machines.iter().filter_map(|machine| members.configuration_on(*machine));
        let mut configurations = members.configuration().into_iter().chain(own);
        configurations.all(|configuration| members.decide(configuration, |one| machines.contains(&one)))
    }

    /// What ends now that all are healed.
    fn mend_rest(&mut self) -> Vec<Effect> {
        let effects = std::mem::take(&mut self.rest.effects);
        if !effects.is_empty() {
            self.record_rest(false, "mend the rest".into(), Harm::default());
        }
        effects
    }

    /// It is a fault that no scenario lists: its place comes after theirs.
    fn record_rest(&mut self, struck: bool, text: String, harm: Harm) {
        let event = self.scenario.events.len();
        self.record(What::Fault(FaultRecord { event, struck, text, harm }));
    }
}
