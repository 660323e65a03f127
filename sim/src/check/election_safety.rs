//! At most one leader a term, and at most one vote of a node a term, across restarts (Raft, section 5.2).

use std::collections::BTreeMap;

use lockstep_node::event::Event;
use lockstep_node::raft::{Index, NodeId, Role, Term};

use super::{Check, violation};
use crate::record::{Machine, Recorded, What};
use crate::run::{Evidence, Finding, Violation};

/// Remembers who led each term, and who got each node's vote.
#[derive(Default)]
pub(super) struct ElectionSafety {
    nodes: BTreeMap<Machine, Boot>,
    /// The leader of each term, and its boot.
    leaders: BTreeMap<Term, (Machine, u64)>,
    /// By term and voter. A vote counts across restarts once it is certain that it was durable.
    votes: BTreeMap<(Term, NodeId), NodeId>,
}

/// One boot of a machine.
#[derive(Default)]
struct Boot {
    id: NodeId,
    epoch: u64,
    /// Votes of this boot, and the first entry appended after each: when that is durable, so is the vote, since batches
    /// become durable in order. A vote alone may be lost with the power before it is known to anybody.
    pending: Vec<(Term, NodeId, Option<Index>)>,
}

impl Check for ElectionSafety {
    fn property(&self) -> &'static str {
        "election-safety"
    }

    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        let What::Node(machine, event) = &recorded.what else { return Ok(()) };
        match *event {
            Event::Booted { id, epoch, .. } => {
                self.nodes.insert(*machine, Boot { id, epoch, pending: Vec::new() });
                Ok(())
            }
            Event::Role { role: Role::Leader, term } => self.leads(*machine, term),
            Event::Voted { candidate, term } => self.votes(*machine, candidate, term),
            Event::Appended { index, .. } => {
                for (.., after) in &mut self.nodes.entry(*machine).or_default().pending {
                    after.get_or_insert(index);
                }
                Ok(())
            }
            Event::Persisted { index } => {
                self.persisted(*machine, index);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, _: &Evidence) -> Finding {
        match self.leaders.len() {
            0 => Finding::NotApplicable,
            1 => Finding::Holds("1 leader".into()),
            leaders => Finding::Holds(format!("{leaders} leaders")),
        }
    }
}

impl ElectionSafety {
    fn leads(&mut self, machine: Machine, term: Term) -> Result<(), Violation> {
        let epoch = self.nodes.entry(machine).or_default().epoch;
        match self.leaders.insert(term, (machine, epoch)) {
            None => Ok(()),
            Some(same) if same == (machine, epoch) => Ok(()),
            Some((other, _)) if other == machine => {
                Err(violation(format!("{machine} leads term {term} again after a restart"), machine, None))
            }
            Some((other, _)) => Err(violation(format!("{other} and {machine} both lead term {term}"), machine, None)),
        }
    }

    fn votes(&mut self, machine: Machine, candidate: NodeId, term: Term) -> Result<(), Violation> {
        let boot = self.nodes.entry(machine).or_default();
        let earlier = boot.pending.iter().find(|(voted, ..)| *voted == term).map(|(_, candidate, _)| *candidate);
        let earlier = earlier.or_else(|| self.votes.get(&(term, boot.id)).copied());
        if let Some(earlier) = earlier.filter(|earlier| *earlier != candidate) {
            let [first, second] = [earlier, candidate].map(|id| self.name(id));
            let summary = format!("{machine} votes twice in term {term}: for {first}, then for {second}");
            return Err(violation(summary, machine, None));
        }
        if earlier.is_none() {
            boot.pending.push((term, candidate, None));
        }
        Ok(())
    }

    fn persisted(&mut self, machine: Machine, index: Index) {
        let boot = self.nodes.entry(machine).or_default();
        for &(term, candidate, after) in &boot.pending {
            if after.is_some_and(|after| after <= index) {
                self.votes.insert((term, boot.id), candidate);
            }
        }
        boot.pending.retain(|(.., after)| after.is_none_or(|after| after > index));
    }

    fn name(&self, id: NodeId) -> String {
        let machine = self.nodes.iter().find(|(_, boot)| boot.id == id).map(|(machine, _)| machine.to_string());
        machine.unwrap_or_else(|| format!("node {id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{append, boot, lead, persist, violated, vote};

    #[test]
    fn one_leader_a_term_holds() {
        assert_eq!(violated(ElectionSafety::default(), [lead(0, 1), lead(1, 2), lead(0, 3)]), None);
    }

    #[test]
    fn two_leaders_of_a_term_are_seen() {
        let seen = violated(ElectionSafety::default(), [lead(0, 1), lead(1, 1)]);
        assert_eq!(seen.as_deref(), Some("n1 and n2 both lead term 1"));
    }

    #[test]
    fn a_machine_may_not_lead_a_term_in_two_boots() {
        let records = [boot(0, 1, 0, 0), lead(0, 1), boot(0, 2, 0, 0), lead(0, 1)];
        assert_eq!(
            violated(ElectionSafety::default(), records).as_deref(),
            Some("n1 leads term 1 again after a restart")
        );
    }

    #[test]
    fn a_second_vote_is_seen() {
        let records = [boot(0, 1, 0, 0), boot(1, 1, 0, 0), boot(2, 1, 0, 0), vote(0, 1, 4), vote(0, 2, 4)];
        let seen = violated(ElectionSafety::default(), records);
        assert_eq!(seen.as_deref(), Some("n1 votes twice in term 4: for n2, then for n3"));
        assert_eq!(violated(ElectionSafety::default(), [vote(0, 1, 4), vote(0, 1, 4), vote(0, 2, 5)]), None);
    }

    #[test]
    fn a_durable_vote_counts_after_a_restart_and_a_lost_one_does_not() {
        let [first, again] = [boot(0, 1, 0, 0), boot(0, 2, 1, 0)];
        let durable = [first.clone(), vote(0, 1, 4), append(0, 1, 4, 9), persist(0, 1), again.clone(), vote(0, 2, 4)];
        assert!(violated(ElectionSafety::default(), durable).is_some());
        let lost = [first, append(0, 1, 3, 9), vote(0, 1, 4), persist(0, 1), again, vote(0, 2, 4)];
        assert_eq!(violated(ElectionSafety::default(), lost), None);
    }
}
