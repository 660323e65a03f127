//! The superblock: who this disk is, and where what it holds begins.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::slots::Kind;
use crate::raft::{Index, NodeId, Term};

/// A cluster: a number chosen when it is bootstrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterId(pub u64);

impl ClusterId {
    /// The node belongs to no cluster yet.
    pub const NONE: ClusterId = ClusterId(0);
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a node knows of itself and of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Superblock {
    /// The cluster that the node belongs to, or [`ClusterId::NONE`].
    pub cluster: ClusterId,
    /// The node's id, drawn when the disk was formatted.
    pub node: NodeId,
    /// The number of this boot, from 1; 0 before the first.
    pub epoch: u64,
    /// Where the log begins.
    pub base: Base,
    /// The number of the first segment that belongs to the log. What older segments hold is void.
    pub segment: u64,
    /// A durable part of the log was found corrupt: the node neither votes nor campaigns until it has it again.
    pub recovering: bool,
    /// The database is the file `db-<generation>`.
    pub generation: u64,
}

impl Superblock {
    /// That of a disk which was just formatted.
    pub(super) fn new(node: NodeId) -> Self {
        let (cluster, base) = (ClusterId::NONE, Base::default());
        Superblock { cluster, node, epoch: 0, base, segment: 1, recovering: false, generation: 0 }
    }
}

/// The position before the first entry of the log: all zero until the log is compacted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Base {
    /// The index before the first entry.
    pub index: Index,
    /// The term of the entry that was there.
    pub term: Term,
    /// The chain there.
    pub chain: u64,
}

/// The slots of the superblock.
pub(super) const SUPERBLOCK: Kind = Kind { files: ["superblock-a", "superblock-b"], magic: *b"LSSB", version: 2 };

/// The slots of the hard state.
pub(super) const HARD_STATE: Kind = Kind { files: ["hard-state-a", "hard-state-b"], magic: *b"LSHS", version: 1 };
