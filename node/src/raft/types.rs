//! Ids, terms, indexes, entries and the hard state.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A node: a random number drawn when its disk is formatted, never used again for another disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u64);

/// An election term. 0 is before the first election.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Term(pub u64);

/// The place of an entry in the log, from 1. 0 is before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Index(pub u64);

/// An index and the term of the entry there. The order is the election restriction's: term first (Raft, section 5.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The term of the entry.
    pub term: Term,
    /// The index of the entry.
    pub index: Index,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Its place.
    pub index: Index,
    /// The term in which a leader created it.
    pub term: Term,
    /// What kind of payload it carries.
    pub kind: EntryKind,
    /// Opaque to Raft, but for configurations.
    pub payload: Bytes,
}

/// The kinds of entries. The list is closed: what comes later is already in it, so that nothing on disk changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntryKind {
    /// Empty; a new leader appends it to commit what came before (Raft, section 8).
    Noop,
    /// A client's statements.
    Data,
    /// A configuration of the cluster.
    Configuration,
    /// The registration of a client session.
    Session,
    /// A digest that a majority agrees on.
    Digest,
}

/// What Raft must remember across restarts beside the log (Raft, figure 2). Term and vote are written together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// The current term.
    pub term: Term,
    /// Who got this node's vote in that term.
    pub vote: Option<NodeId>,
}

/// What a node is in its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Answers leaders and candidates.
    Follower,
    /// Asks whether it would win, without raising its term (Raft dissertation, section 9.6).
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Orders the log.
    Leader,
}

impl Entry {
    /// Where the entry stands.
    pub fn position(&self) -> Position {
        Position { term: self.term, index: self.index }
    }
}

impl Index {
    /// The index after this one.
    pub fn next(self) -> Index {
        Index(self.0 + 1)
    }

    /// The index before this one; the one before 0 is 0.
    pub fn previous(self) -> Index {
        Index(self.0.saturating_sub(1))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}
