//! What each machine's log holds, as far as its events tell.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::event::Event;
use lockstep_node::raft::{NodeId, Role, Term};

use crate::record::{Machine, Recorded, What};

/// The logs of all machines.
#[derive(Debug, Default)]
pub(super) struct Logs {
    machines: BTreeMap<Machine, Log>,
    /// The logs of nodes whose disks were emptied.
    lost: Vec<Log>,
}

/// One machine's log.
#[derive(Debug, Default)]
pub(super) struct Log {
    node: Option<NodeId>,
    /// By index, from 1. `None` where a restart left open which entry it is.
    entries: Vec<Option<LogEntry>>,
    /// Up to here the entries are durable.
    pub durable: u64,
    /// The term in which the node leads at present.
    pub leads: Option<Term>,
}

/// An entry, named well enough to tell it from any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub term: Term,
    /// The hash of this entry and all before it.
    pub chain: u64,
}

/// What each machine's log held last at an index, or at the first one before it at which two of them differ.
pub fn logs_at(records: &[Recorded], index: u64) -> Vec<String> {
    let mut logs = Logs::default();
    records.iter().for_each(|recorded| logs.observe(recorded));
    let differ = |index: &u64| {
        let mut known = logs.iter().filter_map(|(_, log)| log.entry(*index));
        let first = known.next();
        known.any(|entry| Some(entry) != first)
    };
    let index = (1..index).find(differ).unwrap_or(index);
    let line = |(machine, log): (Machine, &Log)| match log.entry(index) {
        Some(LogEntry { term, chain }) => {
            let durable = if log.durable >= index { "durable" } else { "not durable" };
            format!("  {machine} has an entry of term {term}, chain {chain:016x}, {durable}")
        }
        None if index <= log.last() => format!("  {machine} has one that it read when it booted"),
        None => format!("  {machine} ends at index {}", log.last()),
    };
    std::iter::once(format!("the logs at index {index}, as their nodes say")).chain(logs.iter().map(line)).collect()
}

impl Logs {
    /// Follows what happens.
    pub fn observe(&mut self, recorded: &Recorded) {
        match &recorded.what {
            What::Wiped(machine) => self.lost.extend(self.machines.remove(machine)),
            What::Node(machine, event) => self.machines.entry(*machine).or_default().observe(event),
            What::Down(machine, _) => self.machines.entry(*machine).or_default().leads = None,
            _ => {}
        }
    }

    /// All logs.
    pub fn iter(&self) -> impl Iterator<Item = (Machine, &Log)> {
        self.machines.iter().map(|(machine, log)| (*machine, log))
    }

    /// The log of a machine that has said something.
    pub fn of(&self, machine: Machine) -> Option<&Log> {
        self.machines.get(&machine)
    }

    /// The nodes in whose logs something holds or once held: what an emptied disk had acknowledged before was true then, and
    /// may be heard later.
    pub fn nodes(&self, holds: impl Fn(&Log) -> bool) -> BTreeSet<NodeId> {
        self.machines.values().chain(&self.lost).filter(|log| holds(log)).filter_map(|log| log.node).collect()
    }
}

impl Log {
    fn observe(&mut self, event: &Event) {
        match *event {
            Event::Booted { id, last, .. } => {
                if self.node.replace(id) != Some(id) {
                    *self = Log { node: Some(id), ..Log::default() };
                }
                // What was not durable may be lost, and what was cut from it may be back.
                self.cut_after(self.durable.min(last.0));
                self.entries.resize(last.0 as usize, None);
                (self.durable, self.leads) = (last.0, None);
            }
            Event::Role { role, term } => self.leads = (role == Role::Leader).then_some(term),
            Event::Appended { index, term, chain } => {
                self.cut_after(index.previous().0);
                self.entries.resize(index.previous().0 as usize, None);
                self.entries.push(Some(LogEntry { term, chain }));
            }
            Event::Installed { at, term, chain, last } => {
                let (begins, ends) = (at.0 as usize, last.0 as usize);
                self.entries.truncate(ends);
                self.entries.resize(ends, None);
                if begins > 0 {
                    // What lies below is in the database, whatever the log held there.
                    self.entries[..begins].fill(None);
                    self.entries[begins - 1] = Some(LogEntry { term, chain });
                }
                self.durable = self.durable.clamp(at.0, last.0);
            }
            Event::Truncated { from } => self.cut_after(from.previous().0),
            Event::Persisted { index } => self.durable = index.0,
            _ => {}
        }
    }

    fn cut_after(&mut self, index: u64) {
        self.entries.truncate(index as usize);
        self.durable = self.durable.min(index);
    }

    /// The last index.
    pub fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The entry at an index, if there is one and it is known.
    pub fn entry(&self, index: u64) -> Option<LogEntry> {
        self.entries.get(index.checked_sub(1)? as usize).copied().flatten()
    }

    /// Whether the log may hold this entry at this index: it surely holds no other.
    pub fn may_hold(&self, index: u64, entry: LogEntry) -> bool {
        index <= self.last() && self.entry(index).is_none_or(|held| held == entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{append, boot, persist};

    #[test]
    fn logs_are_shown_where_they_first_differ() {
        let records = [
            append(0, 1, 1, 7),
            append(0, 2, 1, 8),
            append(0, 3, 3, 9),
            append(1, 1, 1, 7),
            append(1, 2, 2, 5),
            persist(1, 2),
        ];
        let shown = logs_at(&records, 3);
        assert_eq!(shown[0], "the logs at index 2, as their nodes say");
        assert_eq!(shown[1], "  n1 has an entry of term 1, chain 0000000000000008, not durable");
        assert_eq!(shown[2], "  n2 has an entry of term 2, chain 0000000000000005, durable");
        let shown = logs_at(&[append(0, 1, 1, 7), boot(1, 2, 1, 0), boot(2, 1, 0, 0)], 1);
        assert_eq!(shown[2..], ["  n2 has one that it read when it booted", "  n3 ends at index 0"]);
    }
}
