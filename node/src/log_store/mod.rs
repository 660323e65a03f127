//! The durable log, the hard state and the superblock of a node, on its [`Disk`](crate::host::Disk).
//!
//! | file | holds |
//! |---|---|
//! | `superblock-a`, `superblock-b` | who this disk is, and where its log begins; two slots |
//! | `hard-state-a`, `hard-state-b` | term and vote; two slots |
//! | `log-<number, 16 hexadecimal digits>` | a segment of the log, numbered from 1 in the order of writing |
//!
//! # The log on disk
//!
//! A segment is a row of batches, each begun at a multiple of 512 bytes and padded with zeros. All numbers are little
//! endian; lengths and offsets are bytes.
//!
//! ```text
//! batch   0          8         12         16         24        32       40             48        52        56
//!        ┌──────────┬─────────┬──────────┬──────────┬─────────┬────────┬──────────────┬─────────┬─────────┬──────────┐
//!        │ checksum │ "LSLB"  │ version  │ segment  │ offset  │ first  │ chain before │ records │ length  │ records …│
//!        └──────────┴─────────┴──────────┴──────────┴─────────┴────────┴──────────────┴─────────┴─────────┴──────────┘
//! record  0          8         12        20        28       36      37
//!        ┌──────────┬─────────┬─────────┬─────────┬────────┬───────┬─────────────┐
//!        │ checksum │ length  │ chain   │ index   │ term   │ kind  │ payload …   │
//!        └──────────┴─────────┴─────────┴─────────┴────────┴───────┴─────────────┘
//! ```
//!
//! The header's checksum covers the header and is seeded with the node's id; a record's covers the record and is seeded
//! with the header's checksum. So neither a block of another disk, nor one that belongs elsewhere, nor a client's
//! payload that looks like a batch is taken for a part of this log. The chain at an entry is a hash of the chain before
//! it and of its index, term, kind and payload: logs that agree in it agree on the whole prefix, on whatever nodes they
//! are.
//!
//! # Nothing is overwritten
//!
//! A batch says: the log below `first` is the one with this chain, and from `first` on it is these records. A
//! truncation is therefore a batch like any other, at the end of the newest segment, and the log is what a replay of
//! all batches in the order of writing yields. There is no order of writes in which a removed suffix could come back
//! behind what replaced it: a batch that was kept by a power cut removes it, and where the batch was lost, so was what
//! replaced the suffix.
//!
//! One batch is on its way to the disk at a time, and a segment is begun when all before it is durable. Hence the
//! invariants that recovery rests on:
//!
//! - **Durable below.** When a batch is written, everything below its `first` is durable: every header is a mark. A
//!   sync that no batch follows is followed by a mark alone, a batch without records; it is not synced itself.
//! - **Agreement.** Replay agrees in index and chain with every sound header. Where it does not, something that was
//!   durable is gone ([`Corruption`]), unless a later header agrees again: what is gone was no part of the log any more.
//!   Reading goes on past what is bad, sector by sector, so the greatest mark of the whole log counts.
//! - **Torn tail.** What cannot be read and no later header contradicts was never known to be durable. It is trimmed,
//!   whole batches at a time.
//! - **Known corruption.** A corrupt log is trimmed to its sound part, too, but before that the superblock durably says
//!   that the node is recovering. It says so until the node is told that it has everything again.
//! - **Proof.** Nothing read at boot is taken for durable. Only the last segment and one slot of a pair can be
//!   otherwise; they are written anew, the segment by way of [`prove`](crate::prove), before [`open`] returns.
//!
//! # The log forgets
//!
//! The superblock says where the log begins: after its base, an index with the chain there, and with its first segment.
//! It is updated in both slots before anything that it makes void is removed. Removals are not synced: a boot finds any
//! selection of what was removed, and removes it again.
//!
//! - Below the base, the oldest segments are removed as long as nothing in them, neither record nor mark, reaches above
//!   it. Any selection of them can be read or missing, and the log above the base is the same.
//! - A received database takes the place of a log that does not lead to it: base, first segment and generation of the
//!   database change in one update, and all segments before the first one are void from then on.

mod batch;
mod boot;
mod chains;
mod keeper;
mod recovery;
mod segment;
mod slots;
mod store;
mod superblock;
#[cfg(test)]
mod tests;

pub use boot::{Opened, Peeked, SEGMENT_BYTES_MAX, bootstrap, format, open, peek, read_superblock_of};
pub use store::{Completed, LogStore};
pub use superblock::{Base, ClusterId, Superblock};

use crate::host::{Dead, DiskError};
use crate::raft::Index;

/// Why a node cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// This boot is over.
    #[error("this boot of the node is over")]
    Dead,
    /// The disk failed.
    #[error("{0}; the node cannot start before the disk works again")]
    Disk(DiskError),
    /// The disk holds no node.
    #[error("the disk is not formatted: format it to make it that of a new node")]
    NotFormatted,
    /// The disk holds a node already.
    #[error("the disk holds a node already, and a node's id is never given anew; to start over, use an empty disk")]
    AlreadyFormatted,
    /// The node belongs to another cluster, or its log is not what bootstrapping would write.
    #[error("the node has a log already{}; to found a cluster, use a newly formatted disk", membership(.cluster))]
    AlreadyBootstrapped {
        /// The cluster that it belongs to, or none if only its log is another.
        cluster: ClusterId,
    },
    /// Both slots are bad: the node does not know any more who it is or what it promised.
    #[error(
        "neither {} nor {} can be read: the node may have forgotten a vote and must not take part again; \
         replace it by a new node on an empty disk", .files[0], .files[1]
    )]
    Amnesia {
        /// The slots.
        files: [&'static str; 2],
    },
    /// A file was written by another version of this program.
    #[error("{file} is in format {version}, which this program does not know: use the version that wrote it")]
    UnknownFormat {
        /// The file.
        file: String,
        /// The version of its format.
        version: u32,
    },
}

/// A part of the log cannot be read that was durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{segment} is corrupt at offset {offset}: the log was durable up to index {mark}, but the entry {index} cannot be \
     read; the node neither votes nor campaigns until it has the log again from the others"
)]
pub struct Corruption {
    /// The segment's file.
    pub segment: String,
    /// Where in the segment the first unreadable or contradicting block stands.
    pub offset: u64,
    /// The first index that is known to be unreadable or wrong.
    pub index: Index,
    /// The index up to which the log is known to have been durable.
    pub mark: Index,
}

/// The disk failed under a running node. It must stop: what the disk holds is known again after a boot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log cannot be made durable: {0}")]
pub struct LogError(pub DiskError);

impl From<Dead> for BootError {
    fn from(_: Dead) -> Self {
        BootError::Dead
    }
}

impl From<DiskError> for BootError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Dead => BootError::Dead,
            other => BootError::Disk(other),
        }
    }
}

impl From<LogError> for BootError {
    fn from(error: LogError) -> Self {
        error.0.into()
    }
}

fn membership(cluster: &ClusterId) -> String {
    match *cluster {
        ClusterId::NONE => String::new(),
        cluster => format!(" and belongs to cluster {cluster}"),
    }
}
