//! Reads beside the log: a connection of their own, that sees what the state machine has committed and changes nothing.
//!
//! Several requests are read in one transaction, which also reads how far the log was applied: so each answer says exactly
//! which index it is of. Time and randomness are the node's own at the moment of the read, not those of an entry.

use rusqlite::ffi;

use super::execute;
use super::fatal::{Failure, Fatal, refused, shortened};
use super::store;
use super::{Options, RESULT_BYTES_MAX};
use crate::api::{Batch, StatementResult};
use crate::host::SqliteVfs;
use crate::raft::Position;
use crate::sqlite::database::{Database, OpenError};

/// SQLite's instructions between two looks at whether a read goes on too long.
const LOOK_EVERY: u32 = 10_000;

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    database: Database,
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
    /// Opens a database that a state machine has opened before. A batch that takes more than about so many of SQLite's
    /// instructions fails.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn open(vfs: &SqliteVfs, file: &str, options: Options, instructions_max: u64) -> Result<Reader, Fatal> {
        let failed = Fatal::own("opening the database for reads");
        let mut database = Database::open_reader(vfs, file, options).map_err(|error| match error {
            OpenError::Sqlite(error) => failed(error),
            OpenError::Vfs(reason) => Fatal::Open { file: file.to_owned(), reason },
        })?;
        let looks_max = instructions_max / u64::from(LOOK_EVERY);
        database.limit_each_entry(LOOK_EVERY as i32, looks_max).map_err(failed)?;
        Ok(Reader { database })
    }

    /// Executes batches of statements that only read, at this time and with this seed. In an atomic batch the first error
    /// is the last result.
    ///
    /// # Errors
    /// [`Fatal`]. None of the batches has a result: SQLite may have ended the transaction in which all of them are read. The
    /// connection must not be used again.
    pub fn read(&mut self, batches: &[Batch], time_us: u64, seed: u64) -> Result<Read, Fatal> {
        self.own("/*lockstep*/ BEGIN", "beginning a read")?;
        let stored = store::load(self.database.connection()).map_err(Fatal::own("reading the applied position"))?;
        let position = stored.map(|stored| stored.applied).unwrap_or_default();
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            self.database.begin_entry(Some(time_us), seed);
            results.push(self.batch(batch)?);
        }
        self.own("/*lockstep*/ COMMIT", "ending a read")?;
        Ok(Read { position, results })
    }

    fn batch(&self, batch: &Batch) -> Result<Vec<StatementResult>, Fatal> {
        let mut budget = RESULT_BYTES_MAX;
        let mut results = Vec::with_capacity(batch.statements.len());
        for statement in &batch.statements {
            let result = match execute::run(&self.database, statement, true, &mut budget) {
                Ok(done) => Ok(done.rows),
                Err(Failure::Sql(error)) => Err(shortened(error)),
                Err(Failure::Fatal(Fatal::Sqlite { code: ffi::SQLITE_INTERRUPT, .. })) => Err(refused(TOO_LONG)),
                Err(Failure::Fatal(fatal)) => return Err(fatal),
            };
            let failed = result.is_err();
            results.push(result);
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

const TOO_LONG: &str = "the read was stopped because it takes too long: ask for less, or add an index";
