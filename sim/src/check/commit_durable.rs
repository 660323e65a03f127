//! When a leader reports an entry committed, a majority of the machines holds it durably.

use lockstep_node::event::Event;

use super::logs::Logs;
use super::{Check, violation};
use crate::record::{Machine, Recorded, What};
use crate::run::{Evidence, Finding, Violation};

/// Follows what is durable where.
pub(super) struct CommitDurable {
    logs: Logs,
    machines: u32,
    commits: u64,
}

impl CommitDurable {
    /// A check for a cluster whose voters are so many machines.
    pub fn new(machines: u32) -> Self {
        CommitDurable { logs: Logs::default(), machines, commits: 0 }
    }

    fn commit(&mut self, leader: Machine, index: u64) -> Result<(), Violation> {
        let Some(log) = self.logs.of(leader).filter(|log| log.leads.is_some()) else { return Ok(()) };
        self.commits += 1;
        let entry = log.entry(index);
        let holds =
            |log: &super::logs::Log| log.durable >= index && entry.is_none_or(|entry| log.may_hold(index, entry));
        let holders: Vec<_> = self.logs.iter().filter(|(_, log)| holds(log)).map(|(machine, _)| machine).collect();
        if holders.len() as u32 > self.machines / 2 {
            return Ok(());
        }
        let names: Vec<_> = holders.iter().map(Machine::to_string).collect();
        let where_durable =
            if names.is_empty() { "nowhere".into() } else { format!("only on {}", names.join(" and ")) };
        let summary = format!(
            "{leader} reports index {index} committed while it is durable {where_durable}, of {} machines",
            self.machines
        );
        Err(violation(summary, leader, index))
    }
}

impl Check for CommitDurable {
    fn property(&self) -> &'static str {
        "commit-durable"
    }

    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        self.logs.observe(recorded);
        match recorded.what {
            What::Node(machine, Event::Committed { index }) => self.commit(machine, index.0),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, _: &Evidence) -> Finding {
        match self.commits {
            0 => Finding::NotApplicable,
            commits => Finding::Holds(format!("{commits} commits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{append, boot, commit, lead, persist, truncate, violated};

    fn led_and_appended() -> Vec<Recorded> {
        vec![lead(0, 1), append(0, 1, 1, 10), append(1, 1, 1, 10), append(2, 1, 1, 10), persist(0, 1)]
    }

    #[test]
    fn two_of_three_are_enough() {
        let records = [led_and_appended(), vec![persist(2, 1), commit(0, 1)]].concat();
        assert_eq!(violated(CommitDurable::new(3), records), None);
    }

    #[test]
    fn a_commit_that_only_the_leader_holds_is_seen() {
        let records = [led_and_appended(), vec![commit(0, 1)]].concat();
        let text = "n1 reports index 1 committed while it is durable only on n1, of 3 machines";
        assert_eq!(violated(CommitDurable::new(3), records).as_deref(), Some(text));
    }

    #[test]
    fn what_was_cut_or_replaced_does_not_count() {
        let cut = [led_and_appended(), vec![persist(1, 1), truncate(1, 1), commit(0, 1)]].concat();
        assert!(violated(CommitDurable::new(3), cut).is_some());
        let other = [led_and_appended(), vec![append(1, 1, 2, 20), persist(1, 1), commit(0, 1)]].concat();
        assert!(violated(CommitDurable::new(3), other).is_some());
    }

    #[test]
    fn what_a_restart_read_is_durable_and_what_it_lost_is_not() {
        let kept = [led_and_appended(), vec![boot(1, 2, 1, 0), commit(0, 1)]].concat();
        assert_eq!(violated(CommitDurable::new(3), kept), None);
        let lost = [led_and_appended(), vec![persist(1, 1), boot(1, 2, 0, 0), commit(0, 1)]].concat();
        assert!(violated(CommitDurable::new(3), lost).is_some());
    }
}
