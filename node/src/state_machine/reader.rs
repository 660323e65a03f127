//! Reads beside the log: a connection of their own, that sees what the state machine has committed and changes nothing.
//!
//! Several requests are read in one transaction, which also reads how far the log was applied: so each answer says exactly
//! which index it is of. Time and randomness are the node's own at the moment of the read, not those of an entry.

use rusqlite::ffi;

use super::execute::{self, Meter};
use super::fatal::{Failure, Fatal, fitted, refused};
use super::store;
use super::{Options, RESULT_BYTES_MAX};
use crate::api::{Batch, StatementResult};
use crate::host::SqliteVfs;
use crate::raft::Position;
use crate::sqlite::database::{Database, OpenError};
use crate::sqlite::limits::Limits;

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    database: Database,
    /// How many instructions a batch may take.
    steps_max: u64,
    /// SQLite's counter of schema changes, as it was when views were read last.
    schema_version: i64,
}

/// What was read in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The last entry that was applied to what was read.
    pub position: Position,
    /// The results of each batch.
    pub results: Vec<Vec<StatementResult>>,
}

impl Reader {
    /// Opens a database that a state machine has opened before. A batch that takes more than about `steps_max` of SQLite's
    /// instructions fails.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn open(vfs: &SqliteVfs, file: &str, options: Options, steps_max: u64) -> Result<Reader, Fatal> {
        let failed = Fatal::own("opening the database for reads");
        let database = Database::open_reader(vfs, file, options).map_err(|error| match error {
            OpenError::Sqlite(error) => failed(error),
            OpenError::Vfs(reason) => Fatal::Open { file: file.to_owned(), reason },
        })?;
        // A statement of a batch may use all of it.
        database.set_limits(Limits { statement_steps: steps_max, entry_steps: steps_max, ..database.limits() });
        Ok(Reader { database, steps_max, schema_version: 0 })
    }

    /// Executes batches of statements that only read, at this time and with this seed. In an atomic batch the first error
    /// is the last result. What of a batch comes after a statement that ended the transaction fails.
    ///
    /// # Errors
    /// [`Fatal`]. None of the batches has a result: SQLite may have ended the transaction in which all of them are read. The
    /// connection must not be used again.
    pub fn read(&mut self, batches: &[Batch], time_us: u64, seed: u64) -> Result<Read, Fatal> {
        let position = self.begin()?;
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            self.database.begin_entry(Some(time_us), seed);
            let result = self.batch(batch)?;
            results.push(result);
        }
        if self.is_open() {
            self.own("/*lockstep*/ COMMIT", "ending a read")?;
        }
        Ok(Read { position, results })
    }

    /// Begins a transaction. Returns the last entry that was applied to what it sees.
    fn begin(&mut self) -> Result<Position, Fatal> {
        self.own("/*lockstep*/ BEGIN", "beginning a read")?;
        let connection = self.database.connection();
        let stored = store::load(connection).map_err(Fatal::own("reading the applied position"))?;
        let version = connection.query_row("PRAGMA main.schema_version", [], |row| row.get(0));
        let version = version.map_err(Fatal::own("reading the version of the schema"))?;
        if version != self.schema_version {
            self.database.read_views().map_err(Fatal::own("reading the views"))?;
            self.schema_version = version;
        }
        Ok(stored.map(|stored| stored.applied).unwrap_or_default())
    }

    fn is_open(&self) -> bool {
        !self.database.connection().is_autocommit()
    }

    fn batch(&self, batch: &Batch) -> Result<Vec<StatementResult>, Fatal> {
        let mut meter = Meter { bytes: RESULT_BYTES_MAX, steps: self.steps_max };
        let mut results = Vec::with_capacity(batch.statements.len());
        for statement in &batch.statements {
            let result = match self.is_open() {
                true => execute::run(&self.database, statement, true, &mut meter),
                // A statement that failed for want of space ended the transaction, and with it the moment that is read.
                false => Err(Failure::refused(ENDED)),
            };
            let result = match result {
                Ok(done) => Ok(done.rows),
                Err(Failure::Sql(error)) if error.code == ffi::SQLITE_INTERRUPT => Err(refused(TOO_LONG)),
                Err(Failure::Sql(error)) => Err(error),
                Err(Failure::Fatal(fatal)) => return Err(fatal),
            };
            let failed = result.is_err();
            results.push(result.map_err(|error| fitted(error, &mut meter.bytes)));
            if failed && batch.atomic {
                break;
            }
        }
        Ok(results)
    }

    fn own(&self, sql: &'static str, doing: &'static str) -> Result<(), Fatal> {
        self.database.own(sql).and_then(|mut statement| statement.raw_execute()).map_err(Fatal::own(doing)).map(|_| ())
    }
}

const ENDED: &str = "the read was stopped because it, or one that was read at the same moment, holds too much in between: ask for \
                     less, in parts";
const TOO_LONG: &str = "the read was stopped because it takes too long: ask for less, or add an index";
