//! The future: one heap of events, keyed by time and a named tie-break.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Events to come, the next one first.
///
/// Two events at one moment are ordered by a number drawn from the seed, the entity they are for, and how many events
/// that entity had before: so an event more for one machine leaves the order of all others as it was.
#[derive(Debug)]
pub struct Heap<T> {
    seed: u64,
    events: BinaryHeap<Reverse<Keyed<T>>>,
    counts: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Keyed<T> {
    key: (Duration, u64, u64, u64),
    event: T,
}

impl<T> Heap<T> {
    /// An empty future.
    pub fn new(seed: u64) -> Self {
        Heap { seed, events: BinaryHeap::new(), counts: BTreeMap::new() }
    }

    /// Adds an event for an entity.
    pub fn push(&mut self, at: Duration, entity: u64, event: T) {
        let count = self.counts.entry(entity).or_default();
        *count += 1;
        let mut name = [0; 16];
        name[..8].copy_from_slice(&entity.to_le_bytes());
        name[8..].copy_from_slice(&count.to_le_bytes());
        let tie = xxh3_64_with_seed(&name, self.seed);
        self.events.push(Reverse(Keyed { key: (at, tie, entity, *count), event }));
    }

    /// Takes the next event and its time.
    pub fn pop(&mut self) -> Option<(Duration, T)> {
        self.events.pop().map(|Reverse(keyed)| (keyed.key.0, keyed.event))
    }
}

impl<T> PartialEq for Keyed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Keyed<T> {}

impl<T> PartialOrd for Keyed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Keyed<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(extra: bool) -> Vec<u32> {
        let mut heap = Heap::new(7);
        let at = Duration::from_secs(1);
        for event in 0..20 {
            heap.push(at, u64::from(event % 4), event);
        }
        if extra {
            heap.push(at, 99, 1000);
        }
        std::iter::from_fn(|| heap.pop()).map(|(_, event)| event).filter(|event| *event < 1000).collect()
    }

    #[test]
    fn time_comes_first() {
        let mut heap = Heap::new(7);
        heap.push(Duration::from_secs(2), 1, "later");
        heap.push(Duration::from_secs(1), 1, "sooner");
        assert_eq!(heap.pop(), Some((Duration::from_secs(1), "sooner")));
    }

    #[test]
    fn a_tie_is_broken_by_the_seed_and_no_other_event_changes_it() {
        assert_ne!(order(false), (0..20).collect::<Vec<_>>());
        assert_eq!(order(false), order(true));
    }
}
