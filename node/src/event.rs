//! What a node says of itself: one vocabulary for metrics, verdicts, traces and reports.
//!
//! An event is a fact, recorded after it happened. Verdicts are computed from them, so each says exactly when it is recorded.

use std::time::Duration;

use bytes::Bytes;

use crate::raft::{Configuration, Index, NodeId, Role, Term};
use crate::sqlite::Digest;
use crate::sqlite::fingerprint::Fingerprint;

/// Something that happened inside a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The node read its disk and begins to take part. Recorded once a boot, before any message leaves.
    Booted {
        /// The node's id, drawn when its disk was formatted.
        id: NodeId,
        /// The number of this boot, from 1.
        epoch: u64,
        /// The term read from disk.
        term: Term,
        /// The last index of the log read from disk.
        last: Index,
        /// The applied index found in the database.
        applied: Index,
    },
    /// The node took on a role in a term. Recorded when the core decides, before a message of that role leaves.
    Role {
        /// The role.
        role: Role,
        /// The term.
        term: Term,
    },
    /// The node learned who leads this term.
    Follows {
        /// The leader.
        leader: NodeId,
        /// The term.
        term: Term,
    },
    /// The node grants its vote. Recorded each time that the grant leaves, after the vote became durable; a candidate's own
    /// once, when its requests for votes leave. A cluster of one has no need to tell anybody, and records none.
    Voted {
        /// Who asked for it.
        candidate: NodeId,
        /// The term.
        term: Term,
    },
    /// An entry was written to the log; it is not yet durable.
    Appended {
        /// Its index.
        index: Index,
        /// Its term.
        term: Term,
        /// A hash of this entry and all before it: two logs that agree here agree on the whole prefix.
        chain: u64,
    },
    /// The log was cut: this index and all after it are gone.
    Truncated {
        /// The first index that is gone.
        from: Index,
    },
    /// Another configuration is in effect: its entry was appended, or one that came after it was cut from the log, or the
    /// node booted with it. Recorded before anything that follows from it, a commit for instance.
    Members {
        /// The index of its entry.
        index: Index,
        /// Who takes part.
        configuration: Configuration,
    },
    /// The node leads, and has begun to remove a member of which it heard nothing for as long as it was told to wait. The
    /// entry without that member is in its log.
    RemovesDead {
        /// The member.
        member: NodeId,
        /// Where it listened.
        address: String,
        /// For how long nothing was heard of it.
        silence: Duration,
    },
    /// All entries up to this index are durable on this node.
    Persisted {
        /// The index.
        index: Index,
    },
    /// The node learned that all entries up to this index are committed.
    Committed {
        /// The index.
        index: Index,
    },
    /// An entry was executed, and the transaction that holds its effects was committed.
    Applied {
        /// Its index.
        index: Index,
        /// Its term.
        term: Term,
        /// A hash of the entry's term, kind and payload.
        entry: u64,
        /// The digest of the database's contents after it.
        digest: Digest,
        /// What the entry carries.
        payload: Bytes,
    },
    /// An entry was not executed, since its session had expired. Recorded after [`Event::Applied`].
    SessionExpired {
        /// Its index.
        index: Index,
    },
    /// An entry that opened a session removed expired ones. Recorded after [`Event::Applied`].
    SessionsRemoved {
        /// Its index.
        index: Index,
    },
    /// A client's request was passed on to the leader.
    Forwarded {
        /// The leader's address.
        to: String,
    },
    /// SQLite's write-ahead log was copied into the database file.
    Checkpointed {
        /// The applied index that is now durable, if the checkpoint proves one.
        durable: Option<Index>,
    },
    /// The log's tail was found torn at boot and trimmed; nothing of it was ever reported durable.
    TornTail {
        /// The first index that may have been lost.
        from: Index,
    },
    /// The log forgot its beginning, which a durable database holds.
    Compacted {
        /// The last index that it forgot.
        to: Index,
    },
    /// A copy of the database is complete, and is sent to who needs it.
    Copied {
        /// The applied index of the copy.
        at: Index,
    },
    /// A chunk of a copy came and was written.
    ChunkReceived {
        /// How much of the copy is there.
        bytes: u64,
    },
    /// A copy that was received is not used.
    CopyDiscarded {
        /// Why.
        why: String,
    },
    /// A copy that was received is this node's database from now on, durably.
    Installed {
        /// Its applied index, after which the log begins.
        at: Index,
        /// The term of the entry there.
        term: Term,
        /// The chain of the log there.
        chain: u64,
        /// The end of the log: it is empty unless it went on after `at` as before.
        last: Index,
    },
    /// A part of the log was found corrupt at boot that had been durable. The node has trimmed it, and neither votes nor
    /// campaigns until it holds everything again that it may have acknowledged.
    Corrupt {
        /// What was found, and where.
        what: String,
    },
    /// The node holds everything again that it may have acknowledged before its log was found corrupt.
    Recovered,
    /// A peer is of another build than this node: what it says is not taken. Recorded once a boot and peer.
    OtherBuild {
        /// The peer.
        peer: NodeId,
        /// The fingerprint of its build.
        fingerprint: Fingerprint,
    },
    /// The node stops by its own decision: it must not go on.
    Stopped {
        /// Why.
        reason: String,
    },
}
