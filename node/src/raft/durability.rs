//! What the host's disk is known to hold.

use std::collections::VecDeque;

use super::{Batch, HardState, Index};

/// Batches that were handed out, and what is durable once each of them is.
///
/// An index alone does not name what was written there: the entry may be replaced while its write is under way. So a
/// truncation lowers what every batch before it can prove, and a late completion never vouches for the replacement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Durability {
    /// The log in memory is durable up to here.
    index: Index,
    /// This hard state is durable.
    hard_state: HardState,
    newest: Batch,
    outstanding: VecDeque<Outstanding>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Outstanding {
    batch: Batch,
    index: Index,
    hard_state: HardState,
}

impl Durability {
    /// Everything read from the disk at boot was proven durable.
    pub(super) fn new(index: Index, hard_state: HardState) -> Durability {
        Durability { index, hard_state, newest: Batch(0), outstanding: VecDeque::new() }
    }

    /// The log in memory is durable up to here.
    pub(super) fn index(&self) -> Index {
        self.index
    }

    /// The hard state on disk.
    pub(super) fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The number of the newest batch.
    pub(super) fn newest(&self) -> Batch {
        self.newest
    }

    /// Whether every batch is durable.
    pub(super) fn is_settled(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Numbers a new batch, after which the log ends at `index` and the hard state is `hard_state`.
    pub(super) fn hand_out(&mut self, index: Index, hard_state: HardState) -> Batch {
        self.newest.0 += 1;
        self.outstanding.push_back(Outstanding { batch: self.newest, index, hard_state });
        self.newest
    }

    /// The log was cut: what was or is being written from there on proves nothing any more.
    pub(super) fn truncate(&mut self, from: Index) {
        let before = from.previous();
        self.index = self.index.min(before);
        for outstanding in &mut self.outstanding {
            outstanding.index = outstanding.index.min(before);
        }
    }

    /// The log now begins at `base`, which is durable; `kept` says whether it goes on as it was from there.
    pub(super) fn install(&mut self, base: Index, kept: bool) {
        let moved = |index: Index| if kept { index.max(base) } else { base };
        self.index = moved(self.index);
        for outstanding in &mut self.outstanding {
            outstanding.index = moved(outstanding.index);
        }
    }

    /// Everything up to this batch is durable. A batch that was durable already changes nothing.
    ///
    /// # Panics
    /// If the batch was never handed out.
    pub(super) fn persisted(&mut self, batch: Batch) {
        assert!(batch <= self.newest, "batch {} is durable, but only {} were handed out", batch.0, self.newest.0);
        while self.outstanding.front().is_some_and(|oldest| oldest.batch <= batch) {
            let durable = self.outstanding.pop_front().expect("there is an oldest one");
            self.index = durable.index;
            self.hard_state = durable.hard_state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_completion_does_not_vouch_for_a_replaced_entry() {
        let mut durability = Durability::new(Index(3), HardState::default());
        let first = durability.hand_out(Index(6), HardState::default());
        durability.truncate(Index(5));
        let second = durability.hand_out(Index(6), HardState::default());
        durability.persisted(first);
        assert_eq!(durability.index(), Index(4));
        durability.persisted(second);
        assert_eq!(durability.index(), Index(6));
        assert!(durability.is_settled());
    }

    #[test]
    fn a_truncation_below_what_is_durable_lowers_it() {
        let mut durability = Durability::new(Index(9), HardState::default());
        durability.truncate(Index(4));
        assert_eq!(durability.index(), Index(3));
    }
}
