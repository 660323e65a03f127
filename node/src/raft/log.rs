//! The log in memory, and how much of it the host was told to write.

use super::{Configuration, Entry, EntryKind, Index, Position, Term};

/// All entries from index 1, and the configurations among them.
///
/// Invariants: the entry at place `i` has index `i + 1`; the first entry is a configuration; every configuration entry
/// decodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Log {
    entries: Vec<Entry>,
    /// The configurations in the log with their indexes, in order. Below them lies the empty one of an empty log, so that
    /// the last one is always the one in effect.
    configurations: Vec<(Index, Configuration)>,
    /// The host was given the entries up to here.
    handed_out: Index,
    /// The host is to remove entries from here on first.
    truncate_from: Option<Index>,
}

impl Log {
    /// Takes up a log that the host already holds.
    pub(super) fn new(entries: Vec<Entry>) -> Log {
        let configurations = vec![(Index(0), Configuration::default())];
        let mut log = Log {
            entries: Vec::with_capacity(entries.len()),
            configurations,
            handed_out: Index(0),
            truncate_from: None,
        };
        entries.into_iter().for_each(|entry| log.append(entry));
        log.handed_out = log.last().index;
        log
    }

    /// The end of the log.
    pub(super) fn last(&self) -> Position {
        self.entries.last().map(Entry::position).unwrap_or_default()
    }

    /// The term of the entry at an index; of index 0 it is 0.
    pub(super) fn term_at(&self, index: Index) -> Option<Term> {
        match index {
            Index(0) => Some(Term(0)),
            Index(i) => self.entries.get(usize::try_from(i - 1).ok()?).map(|entry| entry.term),
        }
    }

    /// The entries from `first` to `last`, both included; empty when `last` is before `first`.
    ///
    /// # Panics
    /// If `first` is 0 or `last` is beyond the end.
    pub(super) fn entries(&self, first: Index, last: Index) -> &[Entry] {
        if last < first {
            return &[];
        }
        assert!(first > Index(0) && last <= self.last().index, "no entries {first} to {last}: {}", self.last());
        &self.entries[first.0 as usize - 1..last.0 as usize]
    }

    /// The greatest position at or below `index` whose term is at most `term`: no entry above it can match a log that has
    /// `term` at `index`, since terms never fall along a log.
    pub(super) fn may_match(&self, index: Index, term: Term) -> Position {
        let end = index.min(self.last().index);
        let candidates = &self.entries[..end.0 as usize];
        let count = candidates.partition_point(|entry| entry.term <= term);
        candidates[..count].last().map(Entry::position).unwrap_or_default()
    }

    /// The configuration in effect: the latest one in the log.
    pub(super) fn configuration(&self) -> &Configuration {
        &self.configurations.last().expect("the empty configuration lies below all others").1
    }

    /// Adds the next entry.
    ///
    /// # Panics
    /// If it is not the next one, if it is the first and no configuration, or if it is a configuration that does not decode.
    pub(super) fn append(&mut self, entry: Entry) {
        let next = self.last().index.next();
        assert_eq!(entry.index, next, "the log has no gaps");
        assert!(next > Index(1) || entry.kind == EntryKind::Configuration, "the first entry is a configuration");
        if entry.kind == EntryKind::Configuration {
            let configuration = Configuration::decode(&entry.payload)
                .unwrap_or_else(|error| panic!("configuration at index {next} of the log: {error}"));
            self.configurations.push((next, configuration));
        }
        self.entries.push(entry);
    }

    /// Removes an index and all after it.
    pub(super) fn truncate(&mut self, from: Index) {
        assert!(from > Index(0), "there is nothing at index 0 to remove");
        self.entries.truncate(from.0 as usize - 1);
        while self.configurations.last().is_some_and(|(index, _)| *index >= from) {
            self.configurations.pop();
        }
        if from <= self.handed_out {
            self.truncate_from = Some(from);
            self.handed_out = from.previous();
        }
    }

    /// What the host has not been given yet: from where to cut its log, and what to append then.
    pub(super) fn hand_out(&mut self) -> (Option<Index>, Vec<Entry>) {
        let unwritten = self.entries[self.handed_out.0 as usize..].to_vec();
        self.handed_out = self.last().index;
        (self.truncate_from.take(), unwritten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::NodeId;
    use bytes::Bytes;

    fn configuration(index: u64, voter: u64) -> Entry {
        let voters = [(NodeId(voter), String::new())].into_iter().collect();
        let payload = Configuration::of_voters(voters).encode();
        Entry { index: Index(index), term: Term(index), kind: EntryKind::Configuration, payload }
    }

    fn noop(index: u64, term: u64) -> Entry {
        Entry { index: Index(index), term: Term(term), kind: EntryKind::Noop, payload: Bytes::new() }
    }

    #[test]
    fn the_latest_configuration_is_in_effect_and_truncation_brings_the_older_one_back() {
        let mut log = Log::new(vec![]);
        assert!(log.configuration().voters.is_empty());
        log.append(configuration(1, 1));
        log.append(configuration(2, 2));
        assert!(log.configuration().is_voter(NodeId(2)));
        log.truncate(Index(2));
        assert!(log.configuration().is_voter(NodeId(1)));
        log.truncate(Index(1));
        assert!(log.configuration().voters.is_empty());
    }

    #[test]
    fn the_host_is_told_to_cut_only_what_it_was_given() {
        let mut log = Log::new(vec![configuration(1, 1), noop(2, 1)]);
        log.append(noop(3, 1));
        log.truncate(Index(3));
        assert_eq!(log.hand_out(), (None, vec![]));
        log.append(noop(3, 2));
        log.truncate(Index(2));
        log.append(noop(2, 3));
        assert_eq!(log.hand_out(), (Some(Index(2)), vec![noop(2, 3)]));
        assert_eq!(log.hand_out(), (None, vec![]));
    }

    #[test]
    fn the_hint_skips_terms_that_cannot_match() {
        let log = Log::new(vec![configuration(1, 1), noop(2, 3), noop(3, 3), noop(4, 7)]);
        let table = [
            (9, 9, (4, 7)),
            (9, 7, (4, 7)),
            (9, 6, (3, 3)),
            (3, 9, (3, 3)),
            (2, 3, (2, 3)),
            (4, 2, (1, 1)),
            (4, 0, (0, 0)),
        ];
        for (index, term, (expected_index, expected_term)) in table {
            let expected = Position { index: Index(expected_index), term: Term(expected_term) };
            assert_eq!(log.may_match(Index(index), Term(term)), expected, "index {index}, term {term}");
        }
    }
}
