//! Executes committed entries on a database, in one transaction for as many as come at once.
//!
//! **Invariants**
//! - The effects of entries, the applied position, the time, the membership, the sessions and the digest commit together.
//! - An entry has the same results, effects and digest in whatever batch it ran, and however often the machine was
//!   reopened in between: nothing of a connection's state reaches it, each unit of it runs in a savepoint, and where a
//!   statement ends the transaction each entry is applied again in its own.
//! - What an entry may cost is bounded, and the bound is reached at the same statement everywhere (`sqlite::limits`).
//! - A request of a client's session is executed once, and its outcome commits with its effects (`sessions`).
//! - An error of a statement leaves nothing behind; any other error is [`Fatal`], before the applied position moves.

mod apply;
mod command;
mod copy;
mod execute;
mod fatal;
mod reader;
mod sessions;
mod store;

use bytes::Bytes;

pub use apply::{Applied, entry_hash};
pub use command::{Command, DecodeError, Registration};
pub use copy::{Copied, Copier, Progress, Summing, Verified, verify_copy};
pub use execute::RESULT_BYTES_MAX;
pub use fatal::Fatal;
pub use reader::{Read, Reader};
pub use sessions::OUTCOME_BYTES_MAX;

use crate::host::SqliteVfs;
use crate::raft::{Correct, Index, Position, Rules};
use crate::sqlite::Digest;
use crate::sqlite::database::Database;
pub use crate::sqlite::database::Options;
use crate::sqlite::digest::{self, Sums};
use crate::sqlite::fingerprint::fingerprint;
use crate::sqlite::inspector::Inspector;
use crate::sqlite::limits::Limits;
use store::Stored;

/// A database, and how far the log was applied to it. It may move between threads, but is used by one at a time.
#[derive(Debug)]
pub struct StateMachine<R: Rules = Correct> {
    database: Database,
    rules: R,
    state: State,
    inspector: Inspector,
}

/// What is kept in memory. It is set back together with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    applied: Position,
    time_us: u64,
    sums: Sums,
    /// SQLite's counter of schema changes in this file.
    schema_version: i64,
    /// The schema changed: the sums over rows and schema must be computed anew.
    stale: bool,
    /// `sqlite_sequence` exists.
    has_sequence: bool,
    /// What statements may cost, as the newest configuration says that was applied.
    limits: Limits,
}

/// How far a checkpoint came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Pages in SQLite's write-ahead log that are not yet copied into the database file, because a reader needs them.
    pub wal_frames: u32,
    /// The applied index that is now durable, if the checkpoint proves one.
    pub durable: Option<Index>,
}

impl<R: Rules> StateMachine<R> {
    /// Opens the database in a file of a node's disk, or creates one.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn open(vfs: &SqliteVfs, file: &str, rules: R) -> Result<Self, Fatal> {
        Self::open_with(vfs, file, rules, Options::default())
    }

    /// As [`StateMachine::open`], with options.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn open_with(vfs: &SqliteVfs, file: &str, rules: R, options: Options) -> Result<Self, Fatal> {
        let failed = |reason: String| Fatal::Open { file: file.to_owned(), reason };
        let database = Database::open(vfs, file, options).map_err(|error| failed(error.to_string()))?;
        let stored = store::load(database.connection()).map_err(|error| failed(error.to_string()))?;
        if let Some(refusal) = stored.and_then(|stored| stored.refusal()) {
            return Err(failed(refusal));
        }
        let mut state = State::load(&database).map_err(|error| failed(error.to_string()))?;
        let membership = store::load_membership(database.connection()).map_err(|error| failed(error.to_string()))?;
        if let Some((_, payload)) = membership {
            state.limits = apply::limits(&payload).map_err(failed)?;
        }
        database.set_limits(state.limits);
        Ok(StateMachine { database, rules, state, inspector: Inspector::default() })
    }

    /// The last entry that was applied.
    pub fn applied(&self) -> Position {
        self.state.applied
    }

    /// The digest of the contents after it.
    pub fn digest(&self) -> Digest {
        self.state.sums.digest()
    }

    /// The newest configuration that was applied, encoded as in its entry, and that entry's index.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn membership(&self) -> Result<Option<(Index, Bytes)>, Fatal> {
        store::load_membership(self.database.connection()).map_err(Fatal::own("reading the membership"))
    }

    /// Reads all tables and compares them with the digest. The time it takes grows with the database.
    ///
    /// # Errors
    /// [`Fatal::Contents`] if they differ.
    pub fn verify(&self) -> Result<(), Fatal> {
        let found = digest::scan(self.database.connection()).map_err(Fatal::own("reading all tables"))?;
        let (position, stored) = (self.applied(), self.digest());
        if found == stored { Ok(()) } else { Err(Fatal::Contents { position, stored, found }) }
    }

    /// Pages in SQLite's write-ahead log after the last commit. It grows without bound unless [`StateMachine::checkpoint`]
    /// is called.
    pub fn wal_frames(&self) -> u32 {
        self.database.wal_frames()
    }

    /// Copies SQLite's write-ahead log into the database file, as far as readers allow, without waiting for them.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn checkpoint(&mut self) -> Result<Checkpoint, Fatal> {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        let result = self.database.connection().query_row("PRAGMA main.wal_checkpoint(PASSIVE)", [], read);
        let (busy, log, copied) = result.map_err(Fatal::own("a checkpoint"))?;
        // Success alone proves nothing: with a reader open it may have copied a part.
        let complete = busy == 0 && log >= 0 && log == copied;
        if complete {
            self.database.forget_wal_frames();
        }
        let wal_frames = u32::try_from(log - copied).unwrap_or(0);
        Ok(Checkpoint { wal_frames, durable: complete.then_some(self.state.applied.index) })
    }
}

impl State {
    /// Reads the state of a database, or makes it a state machine's.
    fn load(database: &Database) -> rusqlite::Result<State> {
        let connection = database.connection();
        let stored = match store::load(connection)? {
            Some(stored) => stored,
            None => {
                let stored = Stored {
                    applied: Position::default(),
                    time_us: 0,
                    digest: digest::scan(connection)?,
                    fingerprint: fingerprint(),
                };
                store::create(connection, &stored)?;
                stored
            }
        };
        let (schema, sequence) = (digest::scan_schema(connection)?, digest::scan_sequence(connection)?.sum);
        let rows = stored.digest.0.wrapping_sub(schema).wrapping_sub(sequence);
        database.tracker().set_rows(rows);
        Ok(State {
            applied: stored.applied,
            time_us: stored.time_us,
            sums: Sums { rows, schema, sequence },
            schema_version: schema_version(database)?,
            stale: false,
            has_sequence: has_sequence(database)?,
            limits: Limits::default(),
        })
    }

    fn stored(&self) -> Stored {
        let (digest, fingerprint) = (self.sums.digest(), fingerprint());
        Stored { applied: self.applied, time_us: self.time_us, digest, fingerprint }
    }
}

fn schema_version(database: &Database) -> rusqlite::Result<i64> {
    database.connection().query_row("PRAGMA main.schema_version", [], |row| row.get(0))
}

fn has_sequence(database: &Database) -> rusqlite::Result<bool> {
    database.connection().table_exists(Some("main"), "sqlite_sequence")
}
