//! An error is either part of the result or the end of the node.

use crate::api::SqlError;
use crate::raft::Position;
use crate::sqlite::database::Database;
use crate::sqlite::limits::Limits;
use crate::sqlite::{Digest, integrity};
use rusqlite::ffi;

/// Why a node cannot go on, unless it was only reading and [may](Fatal::spares_readers): its own disk, memory or file failed
/// it, so that its result would not be the others'. The state machine must be dropped; nothing of the entries that were being
/// applied is durable or visible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The database cannot be opened.
    #[error("the database {file} does not open: {reason}")]
    Open {
        /// The file's name.
        file: String,
        /// Why.
        reason: String,
    },
    /// SQLite failed for a reason that is this machine's.
    #[error("{doing} failed: {message} (SQLite code {code})")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// SQLite's extended result code.
        code: i32,
        /// What SQLite says.
        message: String,
    },
    /// An entry's payload cannot be read.
    #[error("the entry at {position} cannot be read: {reason}")]
    Entry {
        /// Where it stands.
        position: Position,
        /// Why.
        reason: String,
    },
    /// The tables are not what the digest beside them says.
    #[error(
        "the contents have the digest {found}, but {stored} was stored with them at {position}: the file is damaged"
    )]
    Contents {
        /// The applied position.
        position: Position,
        /// The digest that was kept.
        stored: Digest,
        /// The digest of what is there.
        found: Digest,
    },
}

impl Fatal {
    /// An error of a statement that is Lockstep's own: whatever it is, it is not the user's fault.
    pub fn own(doing: &'static str) -> impl Fn(rusqlite::Error) -> Fatal {
        move |error| {
            let (code, message) = describe(error);
            Fatal::Sqlite { doing, code, message }
        }
    }

    /// Whether a node that met this while it only read may go on: memory, space or a lock was wanting, or the device did not
    /// give back a page. What the node has promised is as safe as before, and whoever needs that page to change something
    /// stops. A damaged file, and a write or a sync that failed, leave no such choice.
    pub fn spares_readers(&self) -> bool {
        let Fatal::Sqlite { code, .. } = self else { return false };
        match code & 0xff {
            ffi::SQLITE_NOMEM | ffi::SQLITE_FULL | ffi::SQLITE_CANTOPEN => true,
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => true,
            ffi::SQLITE_IOERR => OF_READING.contains(code),
            _ => false,
        }
    }
}

/// The I/O errors that come of reading, of locks and of shared memory: nothing was to become durable.
const OF_READING: [i32; 9] = [
    ffi::SQLITE_IOERR_READ,
    ffi::SQLITE_IOERR_NOMEM,
    ffi::SQLITE_IOERR_FSTAT,
    ffi::SQLITE_IOERR_LOCK,
    ffi::SQLITE_IOERR_RDLOCK,
    ffi::SQLITE_IOERR_SHMOPEN,
    ffi::SQLITE_IOERR_SHMSIZE,
    ffi::SQLITE_IOERR_SHMLOCK,
    ffi::SQLITE_IOERR_SHMMAP,
];

/// Why a user's statement did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// For a reason that is the same on every replica.
    Sql(SqlError),
    /// For a reason that is this node's.
    Fatal(Fatal),
}

impl Failure {
    /// A refusal of Lockstep's own.
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure::Sql(refused(message))
    }
}

/// Tells errors of a user's statement from those of this node, on which it must not depend what a statement comes to.
///
/// SQLite's codes do not tell: it says that the disk is full when a counter is exhausted, and that a file is malformed when a
/// schema is. So an error is the node's own only if the disk or the allocator below SQLite said so while the statement ran.
pub struct Judge<'a> {
    database: &'a Database,
    /// What the disk had failed before.
    failures: u64,
}

impl<'a> Judge<'a> {
    /// To be made before the statement is prepared.
    pub fn new(database: &'a Database) -> Self {
        database.take_temporary_refused();
        Judge::since(database, database.disk_failures())
    }

    /// Of what happened since the disk had failed so many calls.
    pub fn since(database: &'a Database, failures: u64) -> Self {
        Judge { database, failures }
    }

    /// Sorts what SQLite reported.
    pub fn failure(&self, error: rusqlite::Error) -> Failure {
        let (code, message) = describe(error);
        if self.is_environment(code) {
            return Failure::Fatal(Fatal::Sqlite { doing: "a statement", code, message });
        }
        let limits = self.database.limits();
        let told = |message: String| Failure::Sql(SqlError { code, message });
        match code & 0xff {
            ffi::SQLITE_ERROR if message == "local time unavailable" => Failure::refused(LOCAL_TIME),
            ffi::SQLITE_ERROR if message == "cannot VACUUM from within a transaction" => Failure::refused(VACUUM),
            ffi::SQLITE_ERROR if message == "LIKE or GLOB pattern too complex" => {
                told(format!("{message}: it may have {} bytes", limits.pattern_bytes))
            }
            ffi::SQLITE_INTERRUPT => told(too_long(&limits)),
            ffi::SQLITE_FULL if self.database.take_temporary_refused() => told(format!(
                "the statement holds too much in between: what it sorts, groups or joins may take {} bytes; ask for less",
                limits.temporary_bytes
            )),
            ffi::SQLITE_FULL => told(EXHAUSTED.to_owned()),
            ffi::SQLITE_TOOBIG if message == "string or blob too big" => {
                told(format!("{message}: a value, and a row, may have {} bytes", limits.value_bytes))
            }
            _ => told(message),
        }
    }

    /// Whether an error of this code is the node's own.
    fn is_environment(&self, code: i32) -> bool {
        if self.database.disk_failures() != self.failures {
            return true;
        }
        match code & 0xff {
            // No limit lets a statement ask for more than there may be: only the allocator says so.
            ffi::SQLITE_NOMEM => true,
            // Who holds a lock is this machine's affair.
            ffi::SQLITE_BUSY | ffi::SQLITE_PROTOCOL => true,
            // Bytes that are not what was written are seen by nobody but SQLite. It says the same of a schema that it
            // cannot make sense of, and such a one would be the same everywhere.
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => {
                !matches!(integrity::page_damage(self.database.connection()), Ok(None))
            }
            _ => false,
        }
    }
}

const EXHAUSTED: &str = "an AUTOINCREMENT counter stands at 9223372036854775807: no row can be inserted after it; lower the \
                         counter in sqlite_sequence";

/// Maximum characters of the message of an error that is part of a result: it may name what the user wrote, or say what the
/// user computed.
const MESSAGE_CHARACTERS_MAX: usize = 1000;

/// The error with a message that is not too long to be kept and sent. `budget` is how many bytes results may still take.
pub fn fitted(mut error: SqlError, budget: &mut usize) -> SqlError {
    if let Some((end, _)) = error.message.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
        error.message.truncate(end);
        error.message.push('…');
    }
    match budget.checked_sub(error.message.len()) {
        Some(rest) => *budget = rest,
        // Only its code, then: a batch has thousands of statements.
        None => error.message = "the message of this error is left out: the results are too large".to_owned(),
    }
    error
}

/// The error of a statement for which nothing is left of its entry's budget.
pub fn used_up(limits: &Limits) -> SqlError {
    SqlError { code: ffi::SQLITE_INTERRUPT, message: too_long(limits) }
}

fn too_long(limits: &Limits) -> String {
    format!(
        "this takes too long: a statement may take {} of SQLite's instructions, and an entry {}; write less at once, or add an \
         index",
        limits.statement_steps, limits.entry_steps
    )
}

/// A refusal of Lockstep's own.
pub fn refused(message: impl Into<String>) -> SqlError {
    SqlError { code: 0, message: message.into() }
}

const LOCAL_TIME: &str = "the modifiers 'localtime' and 'utc' are refused: both ask for the machine's time zone, even 'utc', which \
                          takes its input for local time; times are UTC without them, convert in the client";
const VACUUM: &str = "VACUUM is refused: it numbers rows and schema anew, in one replica's file";

fn describe(error: rusqlite::Error) -> (i32, String) {
    match error {
        rusqlite::Error::SqliteFailure(error, message) => {
            (error.extended_code, message.unwrap_or_else(|| error.to_string()))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg),
        other => (ffi::SQLITE_INTERNAL, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Batch, Statement};
    use crate::host::SqliteVfs;
    use crate::raft::{Correct, Entry, EntryKind, Index, Term};
    use crate::sqlite::vfs::failing::Failing;
    use crate::state_machine::{Command, StateMachine};

    fn entry(index: u64, sql: &str) -> Entry {
        let batch = Batch { statements: vec![Statement::new(sql)], atomic: false };
        let command = Command { time_us: 0, seed: 0, session: None, read_only: false, batch };
        Entry { index: Index(index), term: Term(1), kind: EntryKind::Data, payload: command.encode() }
    }

    /// More than the cache holds, so that pages are written in the middle of the statement.
    const LARGE: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
        INSERT INTO t SELECT randomblob(100000) FROM n";

    #[test]
    fn whatever_the_disk_answers_ends_the_machine_before_the_index_moves() {
        let (disk, directory) = (Failing::take(), tempfile::tempdir().unwrap());
        let vfs = SqliteVfs { name: Failing::NAME.into(), prefix: format!("{}/", directory.path().display()) };
        StateMachine::open(&vfs, "db", Correct).unwrap().apply(&[entry(1, "CREATE TABLE t(a)")]).unwrap();
        // Also a code that looks as if the statement were wrong.
        let codes = [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_ERROR, ffi::SQLITE_CONSTRAINT];
        for (index, code) in (1..).zip(codes) {
            let mut machine = StateMachine::open(&vfs, "db", Correct).unwrap();
            let next = entry(index + 1, LARGE);
            let fatal = disk.answer(code, || machine.apply(std::slice::from_ref(&next))).unwrap_err();
            assert!(matches!(&fatal, Fatal::Sqlite { .. }), "{fatal}");
            assert_eq!(machine.applied().index, Index(index));

            drop(machine);
            let mut machine = StateMachine::open(&vfs, "db", Correct).unwrap();
            assert_eq!(machine.applied().index, Index(index), "after {code}");
            assert!(machine.apply(&[next]).unwrap()[0].reply.as_ref().unwrap().as_ref().unwrap().results[0].is_ok());
        }
    }

    #[test]
    fn what_a_reader_may_outlive_says_nothing_against_the_disk() {
        let met = |code| Fatal::Sqlite { doing: "a statement", code, message: String::new() }.spares_readers();
        assert!(
            [ffi::SQLITE_NOMEM, ffi::SQLITE_FULL, ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_NOMEM].into_iter().all(met)
        );
        assert!(![ffi::SQLITE_CORRUPT, ffi::SQLITE_CORRUPT_INDEX, ffi::SQLITE_NOTADB].into_iter().any(met));
        assert!(![ffi::SQLITE_IOERR, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_FSYNC].into_iter().any(met));
    }
}
