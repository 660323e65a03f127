//! The chain at every index of the log.

use crate::raft::Index;

/// The chain hashes of the log, from its base on. The chain at an index is a hash of that entry and all before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chains {
    base: Index,
    /// The chain at `base`, then one an entry.
    chains: Vec<u64>,
}

impl Chains {
    /// The chains of a log that begins after `base`.
    pub fn new(base: Index, chain: u64) -> Self {
        Chains { base, chains: vec![chain] }
    }

    /// The index before the first entry.
    pub fn base(&self) -> Index {
        self.base
    }

    /// The last index.
    pub fn last(&self) -> Index {
        Index(self.base.0 + self.chains.len() as u64 - 1)
    }

    /// The chain at an index, if it is in the log or the base.
    pub fn at(&self, index: Index) -> Option<u64> {
        let place = index.0.checked_sub(self.base.0)?;
        self.chains.get(usize::try_from(place).ok()?).copied()
    }

    /// Adds the chain at the next index.
    pub fn push(&mut self, chain: u64) {
        self.chains.push(chain);
    }

    /// Moves the base up to an index that is in the log.
    pub fn forget_below(&mut self, base: Index) {
        assert!(self.base <= base && base <= self.last(), "the base moves from {} to {base}", self.base);
        self.chains.drain(..(base.0 - self.base.0) as usize);
        self.base = base;
    }

    /// Removes an index and all after it.
    pub fn cut(&mut self, from: Index) {
        assert!(from > self.base, "the log is cut from {from}, at or below its base {}", self.base);
        self.chains.truncate((from.0 - self.base.0) as usize);
    }
}
