//! A connection on which the same statements do the same everywhere.

use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{CachedStatement, Connection, OpenFlags, ffi};

use super::authorizer::Authorizer;
pub use super::authorizer::Seen;
use super::clock_vfs::ClockVfs;
use super::random::RandomSource;
use super::tracker::Tracker;
use crate::host::SqliteVfs;

/// How a database is laid out and cached. Nothing of it changes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes a page when the file is created: a power of two from 512 to 65536. Small pages write less for a small change.
    pub page_size: u32,
    /// Prepared statements kept for the next time.
    pub cached_statements: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { page_size: 4096, cached_statements: 128 }
    }
}

/// A connection with pinned clock and randomness, an authorizer, and a digest that follows its rows.
///
/// The order of the fields is the order in which they are dropped: the connection goes before what it points into.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    tracker: Tracker,
    authorizer: Authorizer,
    random: RandomSource,
    clock: ClockVfs,
    wal_frames: Arc<AtomicU32>,
    /// How often it was looked whether the statements of an entry take too long.
    looks: Arc<AtomicU64>,
}

/// Begins every statement of Lockstep's own that is cached. User statements that begin so are refused, so that none of
/// them finds in the cache what was prepared without the authorizer.
pub const MARK: &str = "/*lockstep*/";

/// Why a database does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk's VFS cannot be used.
    #[error("{0}")]
    Vfs(String),
    /// What SQLite reports.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl Database {
    /// Opens a database in WAL mode, or creates one.
    ///
    /// # Errors
    /// When the VFS is unknown, the file is not a database, or WAL mode is impossible on its disk.
    pub fn open(vfs: &SqliteVfs, file: &str, options: Options) -> Result<Database, OpenError> {
        Self::connect(&vfs.name, &format!("{}{file}", vfs.prefix), options, |connection| lay_out(connection, options))
    }

    /// Opens a database for reading beside the connection that writes it: every statement that would write fails.
    ///
    /// # Errors
    /// When the VFS is unknown, or the file is not a database.
    pub fn open_reader(vfs: &SqliteVfs, file: &str, options: Options) -> Result<Database, OpenError> {
        Self::connect(&vfs.name, &format!("{}{file}", vfs.prefix), options, |connection| {
            connection.busy_timeout(Duration::ZERO)?;
            connection.pragma_update(None, "query_only", true)
        })
    }

    /// Creates a database in memory that behaves as one on a disk does, for those who execute statements beside a node.
    ///
    /// # Errors
    /// When SQLite is out of memory.
    pub fn in_memory(options: Options) -> Result<Database, OpenError> {
        Self::connect("memdb", ":memory:", options, |_| Ok(()))
    }

    fn connect(
        vfs: &str,
        path: &str,
        options: Options,
        lay_out: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Database, OpenError> {
        refuse_local_time();
        let clock = ClockVfs::register(vfs).map_err(OpenError::Vfs)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags_and_vfs(path, flags, clock.name())?;
        let tracker = Tracker::install(&connection);
        lay_out(&connection)?;
        fix_behaviour(&connection, options)?;
        let random = RandomSource::install(&connection)?;
        let authorizer = Authorizer::install(&mut connection)?;
        let wal_frames = Arc::new(AtomicU32::new(0));
        let frames = wal_frames.clone();
        let count = move |_: &mut rusqlite::hooks::Wal, total| {
            frames.store(u32::try_from(total).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(count))?;
        let looks = Arc::new(AtomicU64::new(0));
        Ok(Database { connection, tracker, authorizer, random, clock, wal_frames, looks })
    }

    /// Sets what "now" and the random functions give from here on. Without a time, "now" is the machine's.
    pub fn begin_entry(&self, time_us: Option<u64>, seed: u64) {
        match time_us {
            Some(time_us) => self.clock.pin(time_us),
            None => self.clock.unpin(),
        }
        self.random.seed(seed);
        self.looks.store(0, Ordering::Relaxed);
    }

    /// Prepares or steps a user's statement: everything that SQLite prepares meanwhile is checked by the authorizer. `before`
    /// is what that saw of the statement so far, nothing while it is prepared. Also returns what it saw now.
    pub fn as_user<'a, T>(&'a self, before: &Seen, work: impl FnOnce(&'a Connection) -> T) -> (T, Seen) {
        self.authorizer.as_user(before, || work(&self.connection))
    }

    /// One of Lockstep's own statements, from the cache. It must begin with [`MARK`].
    ///
    /// # Errors
    /// What SQLite reports.
    pub fn own(&self, sql: &'static str) -> rusqlite::Result<CachedStatement<'_>> {
        assert!(sql.starts_with(MARK), "{sql:?} must begin with {MARK}: a user's statement could find it in the cache");
        self.connection.prepare_cached(sql)
    }

    /// The connection, for Lockstep's own use.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Has every statement fail as interrupted while `over`, which is asked each time so many of SQLite's instructions were
    /// executed, says so. This is for those who execute what nobody has looked at; on a replica it would make a difference.
    ///
    /// # Errors
    /// None is known.
    pub fn interrupt_when(
        &mut self,
        instructions: i32,
        over: impl FnMut() -> bool + Send + 'static,
    ) -> rusqlite::Result<()> {
        self.connection.progress_handler(instructions, Some(over))
    }

    /// Has statements fail as interrupted once the instructions since [`Database::begin_entry`] are more than
    /// `instructions` times `looks_max`. This is for readers: on a replica it would make a difference.
    ///
    /// # Errors
    /// None is known.
    pub fn limit_each_entry(&mut self, instructions: i32, looks_max: u64) -> rusqlite::Result<()> {
        let looks = self.looks.clone();
        self.interrupt_when(instructions, move || looks.fetch_add(1, Ordering::Relaxed) >= looks_max)
    }

    /// Follows the changes of rows.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// How many pages SQLite's write-ahead log held after the last commit of this connection.
    pub fn wal_frames(&self) -> u32 {
        self.wal_frames.load(Ordering::Relaxed)
    }

    /// Says that the write-ahead log was copied as a whole: the next write begins it anew.
    pub fn forget_wal_frames(&self) {
        self.wal_frames.store(0, Ordering::Relaxed);
    }

    /// Whether a deferred foreign key is violated at the moment: a commit would fail.
    pub fn violates_foreign_keys(&self) -> bool {
        let (mut current, mut highest) = (0, 0);
        // SAFETY: the connection is open, and both results are valid places.
        let code = unsafe {
            let handle = self.connection.handle();
            ffi::sqlite3_db_status(handle, ffi::SQLITE_DBSTATUS_DEFERRED_FKS, &mut current, &mut highest, 0)
        };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite knows this counter in every build");
        current != 0
    }
}

/// Makes the modifiers 'localtime' and 'utc' fail: they depend on the machine's time zone, and the authorizer does not see
/// arguments. SQLite has one such switch for the whole process.
fn refuse_local_time() {
    static ONCE: Once = Once::new();
    // SAFETY: the operation takes one int, and it is set before this process opens a database through this module.
    ONCE.call_once(|| unsafe {
        ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_LOCALTIME_FAULT, 1i32);
    });
}

/// Sets how the file is laid out and written.
fn lay_out(connection: &Connection, options: Options) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "encoding", "UTF-8")?;
    connection.pragma_update(None, "page_size", options.page_size)?;
    connection.pragma_update(None, "auto_vacuum", "NONE")?;
    let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    if mode != "wal" {
        let message = format!("the disk cannot hold a database in WAL mode, only in mode {mode:?}");
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), Some(message)));
    }
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    // A VFS that cannot map files answers with no row.
    connection.execute_batch("PRAGMA mmap_size = 0")
}

/// Sets everything that changes results, so that it depends neither on SQLite's defaults nor on how it was built.
fn fix_behaviour(connection: &Connection, options: Options) -> rusqlite::Result<()> {
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value)?;
    }
    for (config, value) in CONFIG {
        connection.set_db_config(config, value)?;
    }
    connection.set_prepared_statement_cache_capacity(options.cached_statements);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "recursive_triggers", false)?;
    connection.pragma_update(None, "automatic_index", true)?;
    connection.pragma_update(None, "case_sensitive_like", false)?;
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    connection.pragma_update(None, "defer_foreign_keys", false)?;
    Ok(())
}

/// SQLite's own defaults, but for lengths: what a statement may need is bounded by what an entry may carry.
const LIMITS: [(Limit, i32); 15] = [
    (Limit::SQLITE_LIMIT_LENGTH, 64 << 20),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
    (Limit::SQLITE_LIMIT_COLUMN, 2000),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 1000),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 500),
    (Limit::SQLITE_LIMIT_VDBE_OP, 250_000_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50_000),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 32_766),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1000),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    (Limit::SQLITE_LIMIT_PARSER_DEPTH, 2500),
    (Limit::SQLITE_LIMIT_SCHEMA, 100_000),
    (Limit::SQLITE_LIMIT_TRIGGER_STEPS, 65_000),
];

const CONFIG: [(DbConfig, bool); 13] = [
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, true),
    (DbConfig::SQLITE_DBCONFIG_DQS_DML, true),
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, true),
    (DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, false),
    (DbConfig::SQLITE_DBCONFIG_REVERSE_SCANORDER, false),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, true),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_COMMENTS, true),
    // Neither sqlite_schema nor the pages of the file can be written, whatever else is allowed.
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    // A plan does not depend on the values bound to a statement when it was prepared.
    (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
    // Checkpoints are the node's: SQLite would swallow their errors.
    (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
];
