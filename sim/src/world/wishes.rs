//! What an operator is sent to do: a wish whose selectors are resolved to machines.

use super::effects::Effect;
use super::{State, find_machine};
use crate::record::{FaultRecord, Harm, Machine, What};
use crate::scenario::model::{Selector, Wish};

/// A wish about certain machines.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Errand {
    /// A machine with an empty disk joins, as a voter in the end or as a learner.
    Join { machine: Machine, learner: bool },
    /// The learner on a machine is to vote.
    Promote(Machine),
    /// The node on a machine takes part no more; then the machine is switched off, or it is not.
    Remove { machine: Machine, off: bool },
    /// A machine with an empty disk takes the place of the node on another one, which is then switched off, or is not.
    Replace { machine: Machine, by: Machine, off: bool },
    /// The node on a machine is to lead.
    Transfer(Machine),
}

impl std::fmt::Display for Errand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Errand::Join { machine, learner: false } => write!(f, "join {machine}"),
            Errand::Join { machine, learner: true } => write!(f, "join {machine} as a learner"),
            Errand::Promote(machine) => write!(f, "promote {machine}"),
            Errand::Remove { machine, off: false } => write!(f, "remove {machine}"),
            Errand::Remove { machine, off: true } => write!(f, "leave {machine}"),
            Errand::Replace { machine, by, .. } => write!(f, "replace {machine} by {by}"),
            Errand::Transfer(machine) => write!(f, "transfer to {machine}"),
        }
    }
}

impl State {
    /// Who is to do what for a wish to come true, or `None` as long as it does not fit those who take part.
    pub(super) fn plan_wish(&mut self, place: usize, wish: &Wish) -> Option<Errand> {
        Some(match wish {
            Wish::Join { node, learner } => Errand::Join { machine: self.newcomer(node)?, learner: *learner },
            Wish::Promote(node) => Errand::Promote(self.chosen(place, node)?),
            Wish::Remove(node) => Errand::Remove { machine: self.chosen(place, node)?, off: false },
            Wish::Leave(node) => Errand::Remove { machine: self.chosen(place, node)?, off: true },
            Wish::Transfer(to) => Errand::Transfer(self.chosen(place, to)?),
            Wish::Replace { node, by } => {
                Errand::Replace { machine: self.chosen(place, node)?, by: self.newcomer(by)?, off: false }
            }
            Wish::Churn { least } => return self.plan_churn(place, *least),
        })
    }

    /// A machine whose disk may be emptied: it hosts no member.
    fn newcomer(&self, label: &str) -> Option<Machine> {
        find_machine(self, label).filter(|machine| !self.ledger.members().machines().contains(machine))
    }

    /// The machine that a selector names, if a member is known by its address.
    fn chosen(&mut self, place: usize, selector: &Selector) -> Option<Machine> {
        let [machine] = self.resolve_one(place, std::slice::from_ref(selector))?[..] else { return None };
        let Some(configuration) = self.ledger.members().configuration() else { return Some(machine) };
        let address = machine.to_string();
        let listens = |id| configuration.address(id) == Some(&address);
        configuration.members().into_iter().any(listens).then_some(machine)
    }

    /// Something that can be done with those who take part now; nothing while another draw of it is under way.
    fn plan_churn(&mut self, place: usize, least: u32) -> Option<Errand> {
        if self.faults.churns() {
            return None;
        }
        let configuration = self.ledger.members().configuration().filter(|configuration| !configuration.is_joint())?;
        let voters: Vec<Machine> =
            configuration.voters.values().filter_map(|label| find_machine(self, label)).collect();
        let members = self.ledger.members().machines();
        let free: Vec<Machine> =
            (0..self.machines.len() as u32).map(Machine).filter(|machine| !members.contains(machine)).collect();
        let may_go = voters.len() > least as usize;
        let choices = self.faults.choices(place);
        let voter = *choices.pick(&voters);
        let mut errands = vec![Errand::Transfer(voter)];
        if may_go {
            errands.push(Errand::Remove { machine: voter, off: true });
        }
        if !free.is_empty() {
            let machine = *choices.pick(&free);
            errands.push(Errand::Join { machine, learner: false });
            errands.push(Errand::Replace { machine: voter, by: machine, off: true });
        }
        Some(choices.pick(&errands).clone())
    }

    /// A wish came true, or the cluster refuses it once and for all.
    pub(super) fn end_wish(&mut self, place: usize, errand: &Errand, refusal: Option<&str>) {
        let text = match refusal {
            None => format!("done: {errand}"),
            Some(reason) => format!("refused: {errand}: {reason}"),
        };
        if refusal.is_none() {
            self.count_bite(place);
        }
        self.faults.close(place);
        self.record(What::Fault(FaultRecord { event: place, struck: false, text, harm: Harm::default() }));
    }
}

/// The errand among the effects of a wish.
pub(super) fn errand(effects: &[Effect]) -> Option<&Errand> {
    effects.iter().find_map(|effect| if let Effect::Send(errand) = effect { Some(errand) } else { None })
}
