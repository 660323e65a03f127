//! An entry committed in a term is in the log of the leader of every later term (Raft, section 5.4).

use lockstep_node::event::Event;
use lockstep_node::raft::{Role, Term};

use super::logs::{LogEntry, Logs};
use super::{Check, violation};
use crate::record::{Machine, Recorded, What};
use crate::run::{Evidence, Finding, Violation};

/// Remembers what leaders committed.
#[derive(Default)]
pub(super) struct LeaderCompleteness {
    logs: Logs,
    /// By index, from 1.
    committed: Vec<Commit>,
    elections: u64,
}

/// An entry that a leader reported committed.
struct Commit {
    /// `None` where the leader's log is not known.
    entry: Option<LogEntry>,
    /// The term of the leader that committed it.
    term: Term,
    by: Machine,
}

impl Check for LeaderCompleteness {
    fn property(&self) -> &'static str {
        "leader-completeness"
    }

    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        self.logs.observe(recorded);
        match recorded.what {
            What::Node(machine, Event::Committed { index }) => self.commit(machine, index.0),
            What::Node(machine, Event::Role { role: Role::Leader, term }) => return self.elect(machine, term),
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, _: &Evidence) -> Finding {
        match self.committed.len() {
            0 => Finding::NotApplicable,
            entries => Finding::Holds(format!("{entries} committed, {} elections", self.elections)),
        }
    }
}

impl LeaderCompleteness {
    fn commit(&mut self, by: Machine, index: u64) {
        let Some(log) = self.logs.of(by) else { return };
        // Only a leader's word tells the term of the commitment.
        let Some(term) = log.leads else { return };
        for index in self.committed.len() as u64 + 1..=index.min(log.last()) {
            self.committed.push(Commit { entry: log.entry(index), term, by });
        }
    }

    fn elect(&mut self, machine: Machine, term: Term) -> Result<(), Violation> {
        self.elections += 1;
        let Some(log) = self.logs.of(machine) else { return Ok(()) };
        let missing = (1..).zip(&self.committed).find_map(|(index, commit)| {
            let entry = commit.entry.filter(|entry| commit.term < term && !log.may_hold(index, *entry))?;
            Some((index, entry, commit))
        });
        let Some((index, entry, commit)) = missing else { return Ok(()) };
        let found = match log.entry(index) {
            Some(other) if other.term != entry.term => format!("has one of term {} there", other.term),
            Some(_) => "has another one there".to_owned(),
            None => format!("ends at index {}", log.last()),
        };
        let Commit { term: committed, by, .. } = commit;
        let summary = format!(
            "{machine} leads term {term} without the entry at index {index} (term {}), which {by} committed in term \
             {committed}: its log {found}",
            entry.term
        );
        Err(violation(summary, machine, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{append, boot, commit, lead, truncate, violated};

    #[test]
    fn a_later_leader_that_holds_what_was_committed_is_complete() {
        let records = [append(1, 1, 1, 10), lead(0, 1), append(0, 1, 1, 10), commit(0, 1), lead(1, 2)];
        assert_eq!(violated(LeaderCompleteness::default(), records), None);
    }

    #[test]
    fn a_later_leader_whose_log_ends_early_is_seen() {
        let seen = violated(
            LeaderCompleteness::default(),
            [lead(0, 1), append(0, 1, 1, 10), append(0, 2, 1, 11), commit(0, 2), append(1, 1, 1, 10), lead(1, 2)],
        );
        let text = "n2 leads term 2 without the entry at index 2 (term 1), which n1 committed in term 1: its log ends at index 1";
        assert_eq!(seen.as_deref(), Some(text));
    }

    #[test]
    fn a_later_leader_that_overwrote_the_entry_is_seen() {
        let records = [lead(0, 1), append(0, 1, 1, 10), commit(0, 1), append(1, 1, 2, 20), lead(1, 3)];
        assert!(violated(LeaderCompleteness::default(), records).unwrap().contains("has one of term 2 there"));
    }

    #[test]
    fn a_leader_of_an_older_term_that_is_elected_late_owes_nothing() {
        let records = [lead(0, 5), append(0, 1, 5, 10), commit(0, 1), lead(1, 4)];
        assert_eq!(violated(LeaderCompleteness::default(), records), None);
    }

    #[test]
    fn entries_that_a_restart_left_open_are_not_held_against_a_leader() {
        let records = [
            append(1, 1, 1, 10),
            truncate(1, 1),
            lead(0, 1),
            append(0, 1, 1, 10),
            commit(0, 1),
            boot(1, 2, 1, 0),
            lead(1, 2),
        ];
        assert_eq!(violated(LeaderCompleteness::default(), records), None);
    }
}
