//! When a leader reports an entry committed, a majority of the voters holds it durably: of both halves while the leader's
//! configuration is joint, and of all machines where nodes do not say who votes.
//!
//! While the world runs, what is durable is what nodes say is. At its end the disks themselves are asked: if power were lost
//! everywhere and all that no sync covered with it, what clients were told would still be in the logs of a majority.
//!
//! Of the entries before a log's base no disk keeps the terms, only that the database holds what they did. So one of them
//! counts as held by its index alone. What stands behind that: a log forgets only what is committed and executed, durably
//! (`database-durable`); all nodes executed the same entries, terms included (`state-machine-safety`); and the one at the
//! acknowledged index is what the client had asked (`exactly-once`), with the results it was told (`model-replay`).

use lockstep_node::event::Event;
use lockstep_node::raft::{Configuration, Index, Position, Term};

use super::logs::Logs;
use super::{Check, violation};
use crate::history::Outcome;
use crate::members::{Members, majority};
use crate::record::{Machine, Recorded, What};
use crate::run::{Evidence, Finding, Replica, Violation};
use crate::systems::DurableLog;

/// Follows what is durable where.
pub(super) struct CommitDurable {
    logs: Logs,
    members: Members,
    machines: u32,
    commits: u64,
}

impl CommitDurable {
    /// A check for a cluster that so many machines found.
    pub fn new(machines: u32) -> Self {
        CommitDurable { logs: Logs::default(), members: Members::default(), machines, commits: 0 }
    }

    fn commit(&mut self, leader: Machine, index: u64) -> Result<(), Violation> {
        let Some(log) = self.logs.of(leader).filter(|log| log.leads.is_some()) else { return Ok(()) };
        self.commits += 1;
        let entry = log.entry(index);
        let holds =
            |log: &super::logs::Log| log.durable >= index && entry.is_none_or(|entry| log.may_hold(index, entry));
        let holders: Vec<_> = self.logs.iter().filter(|(_, log)| holds(log)).map(|(machine, _)| machine).collect();
        let configuration = self.members.configuration_on(leader);
        let enough = match configuration {
            Some(configuration) => majority(configuration, &self.logs.nodes(holds)),
            None => self.is_majority(&holders),
        };
        if enough {
            return Ok(());
        }
        let few = self.too_few(configuration, &holders);
        let summary = format!("{leader} reports index {index} committed while it is durable {few}");
        Err(violation(summary, leader, index))
    }

    /// Everything that was acknowledged is on the disks of a majority. Returns how many acknowledgements that are.
    fn on_disks<'e>(&self, evidence: &'e Evidence) -> Result<usize, Violation> {
        let log = |replica: &'e Replica| replica.durable_log.as_ref()?.as_ref().ok();
        let logs = evidence.replicas.iter().filter_map(|(machine, replica)| Some((*machine, log(replica)?)));
        let logs: Vec<(Machine, &DurableLog)> = logs.collect();
        let mut acknowledged = 0;
        for operation in evidence.history.operations.iter().filter(|operation| operation.is_logged()) {
            let Outcome::Acknowledged { reply, .. } = &operation.outcome else { continue };
            acknowledged += 1;
            let told = Position { index: Index(reply.index), term: Term(reply.term) };
            let holders = logs.iter().filter(|(_, log)| holds(log, told)).map(|(machine, _)| *machine);
            let holders: Vec<Machine> = holders.collect();
            let configuration = evidence.members.configuration();
            let enough = match configuration {
                Some(configuration) => evidence.members.decide(configuration, |machine| holders.contains(&machine)),
                None => self.is_majority(&holders),
            };
            if !enough {
                let (client, number) = (operation.client, operation.number);
                let summary = format!(
                    "client {client} was told that its operation {number} is entry {} of term {}, which is on disk {}",
                    reply.index,
                    reply.term,
                    self.too_few(configuration, &holders)
                );
                return Err(Violation { details: unreadable(evidence), ..violation(summary, None, reply.index) });
            }
        }
        Ok(acknowledged)
    }

    fn is_majority(&self, holders: &[Machine]) -> bool {
        holders.len() as u32 > self.machines / 2
    }

    /// `only on n1 and n2, of 5 machines`.
    fn too_few(&self, configuration: Option<&Configuration>, holders: &[Machine]) -> String {
        let names: Vec<_> = holders.iter().map(Machine::to_string).collect();
        let place = if names.is_empty() { "nowhere".into() } else { format!("only on {}", names.join(" and ")) };
        let of = match configuration {
            Some(configuration) if configuration.is_joint() => {
                let (old, new) = (configuration.outgoing.len(), configuration.voters.len());
                format!("{old} voters and {new} jointly")
            }
            Some(configuration) => format!("{} voters", configuration.voters.len()),
            None => format!("{} machines", self.machines),
        };
        format!("{place}, of {of}")
    }
}

/// Whether a disk holds an entry: in its log, or in the database that the log goes on from.
fn holds(log: &DurableLog, entry: Position) -> bool {
    match entry.index.0.checked_sub(log.base.index.0) {
        None => true,
        Some(0) => log.base == entry,
        Some(place) => log.entries.get(place as usize - 1).is_some_and(|found| found.position == entry),
    }
}

/// The logs that no boot could read.
fn unreadable(evidence: &Evidence) -> Vec<String> {
    let reason = |replica: &Replica| replica.durable_log.as_ref()?.as_ref().err().cloned();
    let reasons = evidence.replicas.iter().filter_map(|(machine, replica)| Some((machine, reason(replica)?)));
    reasons.map(|(machine, reason)| format!("{machine} could not boot from its disk: {reason}")).collect()
}

impl Check for CommitDurable {
    fn property(&self) -> &'static str {
        "commit-durable"
    }

    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        self.logs.observe(recorded);
        self.members.observe(&recorded.what);
        match recorded.what {
            What::Node(machine, Event::Committed { index }) => self.commit(machine, index.0),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        if !evidence.replicas.values().any(|replica| replica.durable_log.is_some()) {
            return match self.commits {
                0 => Finding::NotApplicable,
                commits => Finding::Holds(format!("{commits} commits")),
            };
        }
        match self.on_disks(evidence) {
            Ok(acknowledged) => {
                Finding::Holds(format!("{} commits, {acknowledged} acknowledgements on disk", self.commits))
            }
            Err(violation) => Finding::Violated(violation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{
        acknowledged_transfer, append, boot, commit, evidence, lead, persist, summary, truncate, violated,
    };
    use crate::systems::Logged;

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

    #[test]
    fn the_disks_are_asked_for_what_was_acknowledged() {
        let mut evidence = evidence();
        evidence.history.operations = vec![acknowledged_transfer(8, 2)];
        let log = |terms: &[u64]| {
            let entry = |(term, index): (&u64, u64)| Logged {
                position: Position { term: Term(*term), index: Index(index) },
                payload: Default::default(),
            };
            DurableLog { base: Position::default(), entries: terms.iter().zip(1..).map(entry).collect() }
        };
        let mut told = |logs: [Result<&[u64], &str>; 3]| {
            for (replica, found) in evidence.replicas.values_mut().zip(logs) {
                replica.durable_log = Some(found.map(log).map_err(str::to_owned));
            }
            summary(CommitDurable::new(3), &evidence)
        };
        assert_eq!(told([Ok(&[1, 1, 2]), Err("rot"), Ok(&[1, 1])]), None);
        let only_n1 = "client 1 was told that its operation 8 is entry 2 of term 1, which is on disk only on n1";
        assert!(told([Ok(&[1, 1]), Ok(&[1]), Ok(&[])]).unwrap().starts_with(only_n1), "the others end before it");
        assert!(told([Ok(&[1, 1]), Ok(&[1, 2]), Err("rot")]).unwrap().starts_with(only_n1), "or have another");
    }

    #[test]
    fn a_log_that_has_forgotten_an_entry_holds_it_unless_its_base_is_another_there() {
        let at = |term, index| Position { term: Term(term), index: Index(index) };
        let log = DurableLog { base: at(2, 5), entries: Vec::new() };
        assert!(holds(&log, at(2, 5)) && holds(&log, at(2, 4)) && holds(&log, at(1, 4)));
        assert!(!holds(&log, at(1, 5)) && !holds(&log, at(2, 6)));
    }
}
