//! The log in memory, and how much of it the host was told to write.

use super::{Configuration, Entry, EntryKind, Index, NodeId, Position, Term};

/// All entries after the base, and the configurations among them.
///
/// Invariants: the entry at place `i` has index `base + 1 + i`; the entry at index 1 is a configuration; every
/// configuration entry decodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Log {
    /// The position before the first entry. What is at or below it was executed, and is held by the database only.
    base: Position,
    entries: Vec<Entry>,
    /// The configurations in the log with their indexes, in order. The first is the one in effect at the base: the empty
    /// one, if nothing lies below the log. So the last one is always the one in effect.
    configurations: Vec<(Index, Configuration)>,
    /// The host was given the entries up to here.
    handed_out: Index,
    /// The host is to remove entries from here on first.
    truncate_from: Option<Index>,
}

impl Log {
    /// Takes up a log that the host already holds, from the entry after `base`. `configuration` is the one in effect at
    /// the base, with its index; a newer one that lies in the entries as well does no harm.
    pub(super) fn new(base: Position, configuration: (Index, Configuration), entries: Vec<Entry>) -> Log {
        let mut log = Log {
            base,
            entries: Vec::with_capacity(entries.len()),
            configurations: vec![configuration],
            handed_out: base.index,
            truncate_from: None,
        };
        entries.into_iter().for_each(|entry| log.append(entry));
        log.handed_out = log.last().index;
        log
    }

    /// The position before the first entry.
    pub(super) fn base(&self) -> Position {
        self.base
    }

    /// The end of the log.
    pub(super) fn last(&self) -> Position {
        self.entries.last().map_or(self.base, Entry::position)
    }

    /// The term of the entry at an index, at the base or above it; of index 0 it is 0.
    pub(super) fn term_at(&self, index: Index) -> Option<Term> {
        if index <= self.base.index {
            return (index == self.base.index).then_some(self.base.term);
        }
        self.entries.get(self.place(index)).map(|entry| entry.term)
    }

    /// Where the entry of an index above the base stands.
    fn place(&self, index: Index) -> usize {
        usize::try_from(index.0 - self.base.index.0 - 1).expect("a log fits into memory")
    }

    /// The entries from `first` to `last`, both included; empty when `last` is before `first`.
    ///
    /// # Panics
    /// If `first` is not above the base or `last` is beyond the end.
    pub(super) fn entries(&self, first: Index, last: Index) -> &[Entry] {
        if last < first {
            return &[];
        }
        let (base, end) = (self.base, self.last());
        assert!(first > base.index && last <= end.index, "no entries {first} to {last} between {base} and {end}");
        &self.entries[self.place(first)..=self.place(last)]
    }

    /// The greatest position at or below `index` whose term is at most `term`: no entry above it can match a log that has
    /// `term` at `index`, since terms never fall along a log. `None` if that lies below the base.
    pub(super) fn may_match(&self, index: Index, term: Term) -> Option<Position> {
        if index < self.base.index || term < self.base.term {
            return None;
        }
        let end = index.min(self.last().index);
        let candidates = self.entries(self.base.index.next(), end);
        let count = candidates.partition_point(|entry| entry.term <= term);
        Some(candidates[..count].last().map_or(self.base, Entry::position))
    }

    /// The configuration in effect: the latest one in the log.
    pub(super) fn configuration(&self) -> &Configuration {
        &self.configurations.last().expect("the configuration at the base lies below all others").1
    }

    /// The index of the configuration in effect.
    pub(super) fn configuration_index(&self) -> Index {
        self.configurations.last().expect("the configuration at the base lies below all others").0
    }

    /// Whether the node votes in a configuration that may be in effect somewhere: the latest one at or below `commit`, or
    /// one after it.
    pub(super) fn may_be_voter(&self, id: NodeId, commit: Index) -> bool {
        let uncommitted = self.configurations.iter().rev().take_while(|(index, _)| *index > commit).count();
        let possible = self.configurations.iter().rev().take(uncommitted + 1);
        possible.map(|(_, configuration)| configuration).any(|configuration| configuration.is_voter(id))
    }

    /// Forgets the entries up to `to`, which the host was given.
    pub(super) fn compact(&mut self, to: Index) {
        assert!(to <= self.handed_out, "entry {to} is to be forgotten before it was written");
        let Some(term) = self.term_at(to) else { return };
        self.entries.drain(..self.place(to.next()));
        self.base = Position { term, index: to };
        let below = self.configurations.iter().take_while(|(index, _)| *index <= to).count();
        self.configurations.drain(..below.saturating_sub(1));
    }

    /// Begins anew at a position that the database has reached. Entries above it stay if they follow it; what the host was
    /// not given yet it is not given any more, as far as the database holds it.
    pub(super) fn install(&mut self, at: Position, configuration: (Index, Configuration)) {
        if self.term_at(at.index) != Some(at.term) {
            *self = Log::new(at, configuration, Vec::new());
            return;
        }
        if self.handed_out < at.index {
            self.handed_out = at.index;
            self.truncate_from = None;
        }
        self.compact(at.index);
    }

    /// Adds the next entry.
    ///
    /// # Panics
    /// If it is not the next one, if it is the first and no configuration, or if it is a configuration that does not decode.
    pub(super) fn append(&mut self, entry: Entry) {
        let next = self.last().index.next();
        assert_eq!(entry.index, next, "the log has no gaps");
        assert!(next > Index(1) || entry.kind == EntryKind::Configuration, "the first entry is a configuration");
        if entry.kind == EntryKind::Configuration && next > self.configuration_index() {
            let configuration = Configuration::decode(&entry.payload)
                .unwrap_or_else(|error| panic!("configuration at index {next} of the log: {error}"));
            self.configurations.push((next, configuration));
        }
        self.entries.push(entry);
    }

    /// Removes an index and all after it.
    pub(super) fn truncate(&mut self, from: Index) {
        assert!(from > self.base.index, "there is nothing at index {from} to remove: the log begins at {}", self.base);
        self.entries.truncate(self.place(from));
        // The first one is in effect at the base, though its entry may lie in the log: the database executed it.
        while self.configurations.len() > 1 && self.configuration_index() >= from {
            self.configurations.pop();
        }
        if from <= self.handed_out {
            self.truncate_from = Some(from);
            self.handed_out = from.previous();
        }
    }

    /// What the host has not been given yet: from where to cut its log, and what to append then.
    pub(super) fn hand_out(&mut self) -> (Option<Index>, Vec<Entry>) {
        let unwritten = self.entries(self.handed_out.next(), self.last().index).to_vec();
        self.handed_out = self.last().index;
        (self.truncate_from.take(), unwritten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn configuration(index: u64, voter: u64) -> Entry {
        let voters = [(NodeId(voter), String::new())].into_iter().collect();
        let payload = Configuration::of_voters(voters).encode();
        Entry { index: Index(index), term: Term(index), kind: EntryKind::Configuration, payload }
    }

    fn from_the_first(entries: Vec<Entry>) -> Log {
        Log::new(Position::default(), Default::default(), entries)
    }

    fn noop(index: u64, term: u64) -> Entry {
        Entry { index: Index(index), term: Term(term), kind: EntryKind::Noop, payload: Bytes::new() }
    }

    #[test]
    fn the_latest_configuration_is_in_effect_and_truncation_brings_the_older_one_back() {
        let mut log = from_the_first(vec![]);
        assert!(log.configuration().voters.is_empty());
        log.append(configuration(1, 1));
        log.append(configuration(2, 2));
        log.append(configuration(3, 3));
        assert!(log.configuration().is_voter(NodeId(3)));
        log.truncate(Index(2));
        assert!(log.configuration().is_voter(NodeId(1)));
        log.truncate(Index(1));
        assert!(log.configuration().voters.is_empty());
    }

    #[test]
    fn what_the_database_executed_stays_in_effect_though_the_log_lost_it() {
        let executed = Configuration::decode(&configuration(3, 3).payload).expect("it was encoded just now");
        let mut log = Log::new(Position::default(), (Index(3), executed), vec![configuration(1, 1)]);
        log.append(noop(2, 1));
        log.append(configuration(3, 3));
        log.append(configuration(4, 4));
        log.truncate(Index(2));
        assert!(log.configuration().is_voter(NodeId(3)));
    }

    #[test]
    fn a_database_may_hold_what_the_host_was_not_given_yet() {
        let mut log = from_the_first(vec![configuration(1, 1), noop(2, 1), noop(3, 1)]);
        log.truncate(Index(2));
        log.append(noop(2, 2));
        log.append(noop(3, 2));
        log.append(noop(4, 2));
        log.install(Position { term: Term(2), index: Index(3) }, Default::default());
        assert_eq!(log.hand_out(), (None, vec![noop(4, 2)]));
    }

    #[test]
    fn the_host_is_told_to_cut_only_what_it_was_given() {
        let mut log = from_the_first(vec![configuration(1, 1), noop(2, 1)]);
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
        let log = from_the_first(vec![configuration(1, 1), noop(2, 3), noop(3, 3), noop(4, 7)]);
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
            assert_eq!(log.may_match(Index(index), Term(term)), Some(expected), "index {index}, term {term}");
        }
    }

    #[test]
    fn what_is_forgotten_matches_nothing_and_its_configuration_stays() {
        let mut log = from_the_first(vec![configuration(1, 1), noop(2, 3), configuration(3, 2), noop(4, 7)]);
        log.compact(Index(2));
        assert_eq!((log.base().index, log.last().index), (Index(2), Index(4)));
        assert_eq!((log.term_at(Index(1)), log.term_at(Index(2))), (None, Some(Term(3))));
        assert_eq!(log.may_match(Index(1), Term(9)), None);
        assert_eq!(log.may_match(Index(9), Term(2)), None);
        assert_eq!(log.may_match(Index(2), Term(3)), Some(log.base()));
        log.truncate(Index(3));
        assert!(log.configuration().is_voter(NodeId(1)));
        assert_eq!(log.last(), log.base());
        assert_eq!(log.hand_out(), (Some(Index(3)), vec![]));
    }

    #[test]
    fn a_log_that_does_not_hold_what_is_installed_begins_anew() {
        let kept = |at: Position| {
            let mut log = from_the_first(vec![configuration(1, 1), noop(2, 1), noop(3, 2)]);
            log.install(at, (Index(1), Configuration::default()));
            (log.base(), log.last().index)
        };
        let [same, other] = [1, 2].map(|term| Position { term: Term(term), index: Index(2) });
        assert_eq!(kept(same), (same, Index(3)));
        assert_eq!(kept(other), (other, Index(2)));
    }
}
