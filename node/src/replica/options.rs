//! How a node is set up.

use std::time::Duration;

use crate::log_store;

/// The least of [`Options::remove_dead_after`], in longest election timeouts. A leader counts its peers once an election
/// timeout, and for a few of them anybody may be silent who restarts, waits for a disk or was cut off for a moment.
pub const DEAD_ELECTIONS_MIN: u32 = 5;

/// How a node is set up. Every node of a cluster should have the same.
#[derive(Clone, Debug)]
pub struct Options {
    /// The shortest election timeout.
    pub election_min: Duration,
    /// The longest election timeout. Each is drawn between the two.
    pub election_max: Duration,
    /// The time between two heartbeats of a leader that has nothing else to say.
    pub heartbeat: Duration,
    /// Whether a leader answers linearizable reads on its own for a while after a majority confirmed that it leads. It must
    /// be the same on all nodes, and it trusts their monotonic clocks to run equally fast within a tenth each.
    pub lease: bool,
    /// A leader that has heard nothing at all from a member for so long removes it, as if somebody had asked for it; `None`
    /// if only people remove members. It waits for at least [`DEAD_ELECTIONS_MIN`] of the longest election timeouts, and
    /// should wait for longer than any repair takes, the reading of a database at boot, or the taking up of a copy: both go
    /// on in silence.
    pub remove_dead_after: Option<Duration>,
    /// The most bytes of payload in one append message; a single larger entry still travels.
    pub append_bytes_max: usize,
    /// The most append messages to one peer that wait for their answer.
    pub inflight_max: usize,
    /// The most bytes of payload to one peer that wait for their answer, but always at least one message.
    pub inflight_bytes_max: usize,
    /// A learner that lacks more entries than this cannot be made a voter.
    pub promote_lag: u64,
    /// The most bytes of payload that wait to be committed. Beyond it clients are told that the node is busy.
    pub uncommitted_bytes_max: usize,
    /// The time from a request's arrival to its answer, a millisecond at least: what has no result by then is answered as
    /// unknown, or as unavailable if nothing was done. It should be shorter than clients wait.
    pub answer: Duration,
    /// The most bytes of one encoded request, of whatever kind. At most [`PAYLOAD_BYTES_MAX`](crate::wire::PAYLOAD_BYTES_MAX)
    /// whatever this says.
    pub request_bytes_max: usize,
    /// The most entries executed in one transaction.
    pub apply_entries_max: usize,
    /// SQLite's log is copied into the database file when it has grown by so many frames.
    pub checkpoint_frames: u32,
    /// The log forgets what the database has durably, once that is so many entries.
    pub compact_every: u64,
    /// It keeps so many of them for followers that are a little behind.
    pub compact_keep: u64,
    /// Pages of the database that are copied in one go for a node that needs more than the log has. A commit waits for one
    /// such step at most.
    pub copy_pages: u32,
    /// The bytes of one chunk of a copy.
    pub copy_chunk_bytes: usize,
    /// After so long without an answer a chunk is sent again.
    pub copy_patience: Duration,
    /// Maximum instructions of SQLite per read beside the log, in thousands rounded down. While a read runs it keeps its
    /// connection, and SQLite's log cannot be copied as a whole. They should take about as long as [`Options::answer`], since
    /// after that nobody waits for the read.
    pub read_instructions_max: u64,
    /// How many reads beside the log run at once, each on a connection of its own; at least 1. What comes while all are busy
    /// waits and is read together.
    pub read_connections: usize,
    /// The size of a database page in bytes, for a new database.
    pub page_bytes: u32,
    /// The length in bytes at which a segment of the log is followed by a new one.
    pub segment_bytes_max: u64,
    /// Replicas report their digest at every index that this divides.
    pub digest_every: u64,
    /// A client's session that was not used for so many entries expires.
    pub session_entries: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
            heartbeat: Duration::from_millis(50),
            lease: false,
            remove_dead_after: None,
            append_bytes_max: 1 << 20,
            inflight_max: 64,
            inflight_bytes_max: 16 << 20,
            promote_lag: 1000,
            uncommitted_bytes_max: 64 << 20,
            answer: Duration::from_millis(800),
            request_bytes_max: 8 << 20,
            apply_entries_max: 256,
            checkpoint_frames: 1000,
            compact_every: 100_000,
            compact_keep: 10_000,
            copy_pages: 256,
            copy_chunk_bytes: 256 << 10,
            copy_patience: Duration::from_millis(300),
            read_instructions_max: 100_000_000,
            read_connections: 4,
            page_bytes: 4096,
            segment_bytes_max: log_store::SEGMENT_BYTES_MAX,
            digest_every: 64,
            session_entries: 1_000_000,
        }
    }
}
