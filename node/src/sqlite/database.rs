//! A connection on which the same statements do the same everywhere.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OpenFlags, StatementStatus, ffi};

use super::authorizer::Authorizer;
pub use super::authorizer::Seen;
use super::budget::Budget;
use super::functions;
use super::limits::Limits;
use super::random::RandomSource;
use super::text;
use super::tracker::Tracker;
use super::vfs::Vfs;
use super::views::Views;
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

/// A connection with pinned clock and randomness, an authorizer, a budget, and a digest that follows its rows.
///
/// The order of the fields is the order in which they are dropped: the connection goes before what it points into.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    tracker: Tracker,
    authorizer: Authorizer,
    budget: Budget,
    random: RandomSource,
    vfs: Vfs,
    wal_frames: Arc<AtomicU32>,
    limits: Cell<Limits>,
    views: RefCell<Views>,
    touched: Cell<Touched>,
}

/// Since when the schema may have changed.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    /// Since the unit began.
    unit: bool,
    /// Since the transaction began.
    transaction: bool,
}

/// Begins every statement of Lockstep's own that is cached. User statements that begin so are refused, so that none of
/// them finds in the cache what was prepared without the authorizer.
pub const MARK: &str = "/*lockstep*/";

/// Maximum bytes of a statement in the cache. There are as many as [`Options::cached_statements`] says.
const STATEMENT_BYTES_MAX: u32 = 256 << 10;

/// Why a statement was not prepared.
#[derive(Debug)]
pub enum Unfit {
    /// For a reason of Lockstep's own.
    Refused(String),
    /// What SQLite reports.
    Sqlite(rusqlite::Error),
}

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
        let vfs = Vfs::register(vfs).map_err(OpenError::Vfs)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags_and_vfs(path, flags, vfs.name())?;

        // The tracker must see every statement, and functions must be there before the schema is read.
        let tracker = Tracker::install(&connection);
        let random = RandomSource::install(&connection)?;
        functions::install(&connection)?;
        lay_out(&connection)?;
        fix_behaviour(&connection, options)?;
        let authorizer = Authorizer::install(&mut connection)?;
        let budget = Budget::install(&mut connection)?;

        let wal_frames = Arc::new(AtomicU32::new(0));
        let frames = wal_frames.clone();
        let count = move |_: &mut rusqlite::hooks::Wal, total| {
            frames.store(u32::try_from(total).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(count))?;
        let (limits, views) = (Cell::new(Limits::default()), RefCell::default());
        let touched = Cell::default();
        let database =
            Database { connection, tracker, authorizer, budget, random, vfs, wal_frames, limits, views, touched };
        database.set_limits(Limits::default());
        database.read_views()?;
        Ok(database)
    }

    /// Sets what a statement of a user's may cost from here on.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.set(limits);
        self.vfs.limit_temporary(limits.temporary_bytes);
    }

    /// What a statement of a user's may cost.
    pub fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// Sets what "now" and the random functions give from here on. Without a time, "now" is the machine's.
    pub fn begin_entry(&self, time_us: Option<u64>, seed: u64) {
        match time_us {
            Some(time_us) => self.vfs.pin(time_us),
            None => self.vfs.unpin(),
        }
        self.random.seed(seed);
    }

    /// Prepares a user's statement, or finds it in the cache. Also returns what the authorizer saw.
    ///
    /// # Errors
    /// What SQLite reports, and [`Unfit`] for a text that is not one statement, or one of unbounded cost.
    pub fn prepare<'a>(&'a self, sql: &str) -> (Result<CachedStatement<'a>, Unfit>, Seen) {
        // Before SQLite sees it: what it would take long to prepare, or recurse for.
        if let Some(refusal) = self.views.borrow().refusal(sql) {
            return (Err(Unfit::Refused(refusal)), Seen::default());
        }
        if text::may_go_on(sql)
            && let (Err(unfit), _) = self.as_user(&Seen::default(), |connection| text::check_single(connection, sql))
        {
            return (Err(unfit), Seen::default());
        }

        let (prepared, seen) = self.as_user(&Seen::default(), |connection| connection.prepare_cached(sql));
        let prepared = match prepared {
            Err(error) => return (Err(Unfit::Sqlite(error)), seen),
            // What comes from the cache was looked at when it went there.
            Ok(prepared) if !seen.prepared => return (Ok(prepared), seen),
            Ok(prepared) => prepared,
        };
        match text::name_refusal(sql, seen.alters.is_some()) {
            None => (Ok(prepared), seen),
            Some(refusal) => {
                prepared.discard();
                (Err(Unfit::Refused(refusal)), seen)
            }
        }
    }

    /// Binds and steps a user's statement, of which `before` was seen while it was prepared. `steps` is how many instructions
    /// it may take, and is lowered by those that it took; one that alters a table takes none. Also returns what the authorizer saw.
    pub fn step<'a, T>(
        &'a self,
        prepared: &mut CachedStatement<'a>,
        before: &Seen,
        steps: &mut u64,
        work: impl FnOnce(&mut CachedStatement<'a>) -> T,
    ) -> (T, Seen) {
        // When SQLite looks at the budget follows from this counter, which a statement keeps while it is in the cache.
        prepared.reset_status(StatementStatus::VmStep);
        let allowed = (*steps).min(self.limits.get().statement_steps);
        // While it alters a table SQLite checks rows by looking at pages, and counts these: that depends on the file.
        if before.alters.is_none() {
            self.budget.begin(allowed);
        }
        let done = self.as_user(before, |_| work(prepared));
        if before.alters.is_none() {
            *steps -= allowed - self.budget.end(allowed);
        }
        done
    }

    /// Gives a statement back to the cache, unless it is one that takes much memory.
    pub fn keep(&self, prepared: CachedStatement<'_>, seen: &Seen) {
        let bytes = |prepared: &CachedStatement<'_>| prepared.get_status(StatementStatus::MemUsed).unsigned_abs();
        // What comes from the cache was small enough when it went there.
        if seen.prepared && bytes(&prepared) > STATEMENT_BYTES_MAX {
            prepared.discard();
        }
    }

    /// Prepares or steps something under a user's rules, without a budget: everything that SQLite prepares meanwhile is checked
    /// by the authorizer. `before` is what that saw of the statement so far, nothing while it is prepared. Also returns what
    /// it saw now.
    pub fn as_user<'a, T>(&'a self, before: &Seen, work: impl FnOnce(&'a Connection) -> T) -> (T, Seen) {
        self.limits.get().enter(&self.connection);
        let done = self.authorizer.as_user(before, || work(&self.connection));
        Limits::leave(&self.connection);
        done
    }

    /// How many calls of functions that draw random numbers were prepared under a user's rules so far.
    pub fn draws(&self) -> usize {
        self.authorizer.draws()
    }

    /// Takes note that a statement of a user's changed the schema, or tried to.
    pub fn touch_schema(&self) {
        self.touched.set(Touched { unit: true, transaction: true });
    }

    /// Forgets what was noted by [`Database::touch_schema`] before a unit that can be undone, or before a transaction.
    pub fn begin_unit(&self, transaction: bool) {
        let before = self.touched.get();
        self.touched.set(Touched { unit: false, transaction: before.transaction && !transaction });
    }

    /// Makes what SQLite knows of the schema what the file says, after a unit was undone, or a whole transaction.
    ///
    /// SQLite should see to it itself. But where a statement that alters a table fails late, it forgets that there are changes to
    /// be undone, and a later rollback leaves in its memory what is not in the file.
    ///
    /// # Errors
    /// What SQLite reports.
    pub fn undo_schema(&self, transaction: bool) -> rusqlite::Result<()> {
        let touched = self.touched.get();
        if !(touched.unit || transaction && touched.transaction) {
            return Ok(());
        }
        self.connection.flush_prepared_statement_cache();
        // That makes SQLite read the schema anew, and writes to it stay forbidden.
        self.connection.execute_batch("PRAGMA writable_schema = RESET")?;
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        self.read_views()
    }

    /// Takes note of views that changed. To be called whenever the schema may have.
    ///
    /// # Errors
    /// What SQLite reports.
    pub fn read_views(&self) -> rusqlite::Result<()> {
        let views = Views::read(&self.connection)?;
        *self.views.borrow_mut() = views;
        Ok(())
    }

    /// The views, and what it costs to use them.
    pub fn views(&self) -> std::cell::Ref<'_, Views> {
        self.views.borrow()
    }

    /// How many calls the disk has failed so far. An error is the disk's if this grew meanwhile, and only then.
    pub fn disk_failures(&self) -> u64 {
        self.vfs.failures()
    }

    /// Whether a statement failed since the last call because it held too much in between.
    pub fn take_temporary_refused(&self) -> bool {
        self.vfs.take_temporary_refused()
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
    /// executed, says so, instead of counting a budget. This is for those who execute what nobody has looked at, beside a node.
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
    Limits::fix(connection)?;
    for (config, value) in CONFIG {
        connection.set_db_config(config, value)?;
    }
    connection.set_prepared_statement_cache_capacity(options.cached_statements);
    // The connection's VFS keeps temporary files in memory, and counts them.
    connection.pragma_update(None, "temp_store", "FILE")?;
    connection.pragma_update(None, "recursive_triggers", false)?;
    connection.pragma_update(None, "automatic_index", true)?;
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    connection.pragma_update(None, "defer_foreign_keys", false)?;
    Ok(())
}

const CONFIG: [(DbConfig, bool); 13] = [
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, true),
    (DbConfig::SQLITE_DBCONFIG_DQS_DML, true),
    // A "string" in an index would become a column once there is one of that name.
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a statement comes from the cache when it is prepared for the second time.
    fn is_kept(sql: &str) -> bool {
        let database = Database::in_memory(Options::default()).unwrap();
        let prepare = || {
            let (prepared, seen) = database.prepare(sql);
            database.keep(prepared.unwrap(), &seen);
            seen.prepared
        };
        assert!(prepare());
        !prepare()
    }

    #[test]
    fn the_cache_is_bounded_by_bytes() {
        assert!(is_kept("SELECT 1"));
        let literal = format!("SELECT '{}'", "x".repeat(900_000));
        assert!(!is_kept(&literal));
        let many = format!("SELECT {}", ["abs(1)"; 900].join(", "));
        assert!(!is_kept(&many), "a short text may make a long program");
    }
}
