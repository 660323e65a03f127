//! At most one leader a term, and at most one vote of a node a term, across restarts (Raft, section 5.2).

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_node::event::Event;
use lockstep_node::raft::{NodeId, Role, Term};

use super::{Check, violation};
use crate::record::{Machine, Recorded, What};
use crate::report::words::seconds;
use crate::run::{Evidence, Finding, Violation};

/// Remembers who led each term, and who got each node's vote.
#[derive(Default)]
pub(super) struct ElectionSafety {
    /// The id of the node on each machine, and the number of its boot.
    boots: BTreeMap<Machine, (NodeId, u64)>,
    /// The machine of each term's leader, the node and its boot, and since when.
    leaders: BTreeMap<Term, (Machine, (NodeId, u64), Duration)>,
    /// Who got the vote, in which boot and when, by term and voter.
    votes: BTreeMap<(Term, NodeId), (NodeId, u64, Duration)>,
}

impl Check for ElectionSafety {
    fn property(&self) -> &'static str {
        "election-safety"
    }

    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        let What::Node(machine, event) = &recorded.what else { return Ok(()) };
        match *event {
            Event::Booted { id, epoch, .. } => {
                self.boots.insert(*machine, (id, epoch));
                Ok(())
            }
            Event::Role { role: Role::Leader, term } => self.leads(*machine, term, recorded.at),
            Event::Voted { candidate, term } => self.votes(*machine, candidate, term, recorded.at),
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
    fn leads(&mut self, machine: Machine, term: Term, at: Duration) -> Result<(), Violation> {
        let boots = self.boots.get(&machine).copied().unwrap_or_default();
        let Some((first, booted, since)) = self.leaders.insert(term, (machine, boots, at)) else { return Ok(()) };
        if (first, booted) == (machine, boots) {
            return Ok(());
        }
        let summary = match first == machine {
            true => format!("{machine} leads term {term} again after a restart"),
            false => format!("{first} and {machine} both lead term {term}"),
        };
        let line = |machine, boot, at| format!("{machine} in its boot {boot} leads since {}", seconds(at));
        let details = vec![line(first, booted.1, since), line(machine, boots.1, at)];
        Err(Violation { details, ..violation(summary, machine, None) })
    }

    fn votes(&mut self, machine: Machine, candidate: NodeId, term: Term, at: Duration) -> Result<(), Violation> {
        let (voter, epoch) = self.boots.get(&machine).copied().unwrap_or_default();
        let (first, boot, before) = *self.votes.entry((term, voter)).or_insert((candidate, epoch, at));
        if first == candidate {
            return Ok(());
        }
        let [first, second] = [first, candidate].map(|id| self.name(id));
        let line = |name, boot, at| format!("{machine} in its boot {boot} votes for {name} at {}", seconds(at));
        let details = vec![line(&first, boot, before), line(&second, epoch, at)];
        let summary = format!("{machine} votes twice in term {term}: for {first}, then for {second}");
        Err(Violation { details, ..violation(summary, machine, None) })
    }

    fn name(&self, id: NodeId) -> String {
        let machine = self.boots.iter().find(|(_, (node, _))| *node == id).map(|(machine, _)| machine.to_string());
        machine.unwrap_or_else(|| format!("node {id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{boot, lead, violated, vote};

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
    fn a_vote_counts_after_a_restart() {
        let boots = [boot(0, 1, 0, 0), boot(1, 1, 0, 0), boot(2, 1, 0, 0)];
        let votes = [vote(0, 1, 4), boot(0, 2, 0, 0), vote(0, 2, 4)];
        let seen = violated(ElectionSafety::default(), boots.into_iter().chain(votes));
        assert_eq!(seen.as_deref(), Some("n1 votes twice in term 4: for n2, then for n3"));
    }
}
