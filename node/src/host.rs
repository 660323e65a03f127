//! What a node asks of the world: a network, a clock, a disk, randomness, and someone to tell what happens.
//!
//! A node has one asynchronous call, [`Host::next`]. Everything else returns at once: reads and writes of the disk are
//! synchronous, a sync is a [`Ticket`] whose completion comes back as an [`Input`], and so does the outcome of a [`Job`].
//! That is why a slow disk or a long statement never holds up a heartbeat, and why a node needs no `select!`.
//!
//! **Invariant:** nothing random and nothing timed reaches a node but through these traits.

use std::any::Any;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::event::Event;

/// The world as one boot of one node sees it.
pub trait Host: Network + Clock + Disk + Entropy + Send {
    /// Waits for the next thing that happens to the node. Inputs come one at a time, in the order in which they happened.
    ///
    /// # Errors
    /// [`Dead`] when this boot is over: the machine lost power or the process was killed. The node must return.
    fn next(&mut self) -> impl Future<Output = Result<Input, Dead>> + Send;

    /// Runs work that may take long away from the node's loop; its outcome comes back as [`Input::Finished`].
    /// `what` names the kind of work, for faults that strike during it.
    fn run(&mut self, what: Work, job: Job);

    /// Tells the world what happened. Costs next to nothing and never fails.
    fn record(&mut self, event: Event);
}

/// This boot of the node is over. Every call on the world fails with it or does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this boot of the node is over")]
pub struct Dead;

/// What happens to a node.
#[derive(Debug)]
pub enum Input {
    /// A datagram from the node at this address; its bytes were not checked.
    Message {
        /// The sender's address.
        from: String,
        /// An encoded message.
        bytes: Bytes,
    },
    /// A request of a client, or one that another node passed on. It may come as soon as the process runs, before the node
    /// has booted. Answer it with [`Network::respond`].
    Request {
        /// Names the request in the answer.
        id: RequestId,
        /// The encoded request.
        bytes: Bytes,
    },
    /// The answer to [`Network::call`]. An error means that the connection broke: the request may have arrived.
    Response {
        /// As given to [`Network::call`].
        call: CallId,
        /// The encoded answer.
        answer: Result<Bytes, Broken>,
    },
    /// The time given to [`Clock::wake_at`] has come.
    Timer,
    /// A sync is complete.
    Synced {
        /// As returned by [`Disk::sync`].
        ticket: Ticket,
        /// An error means that any of what the sync was to make durable may be lost, now or later.
        result: Result<(), DiskError>,
    },
    /// A job is done; this is what it returned.
    Finished(Outcome),
}

/// A request that a node is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A call that a node made on another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A connection broke before the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection broke before the answer came")]
pub struct Broken;

/// Datagrams between nodes, and connections for requests.
pub trait Network {
    /// Sends a datagram. It may be lost, delayed, duplicated and overtaken.
    fn send(&mut self, to: &str, bytes: Bytes);

    /// Sends a request to another node on a connection: in order, at most once. The answer, or the news that the
    /// connection broke, comes as [`Input::Response`].
    fn call(&mut self, to: &str, call: CallId, bytes: Bytes);

    /// Answers a request. The second answer to one request and the answer to an unknown one are ignored.
    fn respond(&mut self, request: RequestId, bytes: Bytes);
}

/// The node's own clocks.
pub trait Clock {
    /// Time since an arbitrary moment before this boot. It never goes back; it may run fast or slow.
    fn monotonic(&self) -> Duration;

    /// Time since 1970-01-01 00:00 UTC as this machine believes. It may be wrong, and may jump both ways.
    fn wall(&self) -> Duration;

    /// Asks for one [`Input::Timer`] when [`Clock::monotonic`] reaches `at`. It replaces the wish before it.
    fn wake_at(&mut self, at: Duration);
}

/// Randomness of the world's own choosing.
pub trait Entropy {
    /// A number that is different on every call. `site` names what it is for.
    fn entropy(&mut self, site: &'static str) -> u64;
}

/// The node's own disk: one flat directory of files.
///
/// **Contract:** a write, a creation, a truncation, a rename or a removal is durable only after a sync that was asked for
/// later has completed without an error. Until then a loss of power may keep it, forget it, or keep a part of it; two
/// changes that no sync separates may be kept in either order.
pub trait Disk {
    /// The names of all files, sorted.
    fn list(&mut self) -> Result<Vec<String>, DiskError>;

    /// The length of a file in bytes, or `None` if there is no such file.
    fn len(&mut self, file: &str) -> Result<Option<u64>, DiskError>;

    /// Reads up to `length` bytes from `offset`. Fewer come back only at the end of the file.
    fn read(&mut self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError>;

    /// Writes at `offset`, growing the file with zeros where needed, creating it where it is missing.
    fn write(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Cuts a file to `length` bytes.
    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError>;

    /// Renames a file over another one, if there is one of that name.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Removes a file.
    fn remove(&mut self, file: &str) -> Result<(), DiskError>;

    /// Begins to make durable what was written to these files so far, and with `directory` the creations, renames and
    /// removals as well. Completion comes as [`Input::Synced`].
    fn sync(&mut self, files: &[&str], directory: bool) -> Ticket;

    /// The name of the SQLite VFS, registered in this process, through which SQLite reaches the files of this disk, and
    /// what it puts before a file's name to make a path of it.
    fn sqlite_vfs(&self) -> SqliteVfs;
}

/// How SQLite reaches a node's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteVfs {
    /// The registered name of the VFS.
    pub name: String,
    /// What stands before the name of a file: `""` or a directory with its trailing slash.
    pub prefix: String,
}

/// A sync that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Why the disk did not do as told. The node stops: a disk that failed once has told nothing about what it still holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// This boot of the node is over.
    #[error("this boot of the node is over")]
    Dead,
    /// The disk is full.
    #[error("disk full while writing {file}")]
    Full {
        /// The file that was to grow.
        file: String,
    },
    /// The device or the file system failed.
    #[error("{operation} of {file} failed: {reason}")]
    Io {
        /// The operation that failed: `read`, `write`, `sync` …
        operation: &'static str,
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
}

/// A kind of work that runs away from the node's loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// Opening the database and reading its applied index.
    Open,
    /// Executing committed entries in one transaction.
    Commit,
    /// Copying SQLite's write-ahead log into the database file.
    Checkpoint,
    /// Reading beside the log.
    Read,
    /// Copying pages of the database for another node.
    Copy,
    /// Reading all of a received database.
    Verify,
}

/// Work that may take long. It owns what it needs and hands it back in its outcome.
pub type Job = Box<dyn FnOnce() -> Outcome + Send>;

/// What a job returned. Whoever started it knows the type.
pub struct Outcome(pub Box<dyn Any + Send>);

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outcome")
    }
}
