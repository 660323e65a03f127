//! An error is either part of the result or the end of the node.

use crate::api::SqlError;
use crate::raft::Position;
use crate::sqlite::Digest;
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
    /// Sorts what SQLite reported for a user's statement.
    pub fn of_user(error: rusqlite::Error) -> Failure {
        let (code, message) = describe(error);
        match code & 0xff {
            ffi::SQLITE_ERROR if message == "local time unavailable" => Failure::refused(LOCAL_TIME),
            ffi::SQLITE_ERROR if message == "cannot VACUUM from within a transaction" => Failure::refused(VACUUM),
            ffi::SQLITE_ERROR
            | ffi::SQLITE_TOOBIG
            | ffi::SQLITE_CONSTRAINT
            | ffi::SQLITE_MISMATCH
            | ffi::SQLITE_AUTH => Failure::Sql(SqlError { code, message }),
            _ => Failure::Fatal(Fatal::Sqlite { doing: "a statement", code, message }),
        }
    }

    /// A refusal of Lockstep's own.
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure::Sql(refused(message))
    }
}

/// The longest message of an error that is part of a result, in characters: it may name what the user wrote, or say what
/// the user computed.
const MESSAGE_CHARACTERS_MAX: usize = 1000;

/// The error with a message that is not too long to be kept and sent.
pub fn shortened(mut error: SqlError) -> SqlError {
    if let Some((end, _)) = error.message.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
        error.message.truncate(end);
        error.message.push('…');
    }
    error
}

/// A refusal of Lockstep's own.
pub fn refused(message: impl Into<String>) -> SqlError {
    SqlError { code: 0, message: message.into() }
}

const LOCAL_TIME: &str = "the modifiers 'localtime' and 'utc' are refused: they depend on the machine's time zone; store UTC, \
                          and convert in the client";
const VACUUM: &str = "VACUUM is refused: it numbers rows and schema anew, in one replica's file";

fn describe(error: rusqlite::Error) -> (i32, String) {
    match error {
        rusqlite::Error::SqliteFailure(error, message) => {
            (error.extended_code, message.unwrap_or_else(|| error.to_string()))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg),
        rusqlite::Error::MultipleStatement => {
            (ffi::SQLITE_ERROR, "more than one statement: send one at a time, several in one batch".to_owned())
        }
        other => (ffi::SQLITE_INTERNAL, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Batch, Statement};
    use crate::host::SqliteVfs;
    use crate::raft::{Correct, Entry, EntryKind, Index, Term};
    use crate::state_machine::{Command, StateMachine};

    fn insert(index: u64, sql: &str) -> Entry {
        let batch = Batch { statements: vec![Statement::new(sql)], atomic: false };
        let command = Command { time_us: 0, seed: 0, session: None, read_only: false, batch };
        Entry { index: Index(index), term: Term(1), kind: EntryKind::Data, payload: command.encode() }
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

    #[test]
    fn a_full_disk_ends_the_node_and_a_value_too_large_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let vfs = SqliteVfs { name: "unix".into(), prefix: format!("{}/", directory.path().display()) };
        let mut machine = StateMachine::open(&vfs, "db", Correct).unwrap();
        machine.apply(&[insert(1, "CREATE TABLE t(a)")]).unwrap();
        let applied = machine.apply(&[insert(2, "INSERT INTO t VALUES (zeroblob(1000000000))")]).unwrap().remove(0);
        assert_eq!(applied.reply.unwrap().unwrap().results[0].as_ref().unwrap_err().code, ffi::SQLITE_TOOBIG);

        machine.database.connection().pragma_update_and_check(None, "max_page_count", 5, |_| Ok(())).unwrap();
        let fatal = machine.apply(&[insert(3, "INSERT INTO t VALUES (zeroblob(100000))")]).unwrap_err();
        assert!(matches!(&fatal, Fatal::Sqlite { code: ffi::SQLITE_FULL, .. }), "{fatal}");
        assert_eq!(machine.applied().index, Index(2));
        drop(machine);
        assert_eq!(StateMachine::open(&vfs, "db", Correct).unwrap().applied().index, Index(2));
    }
}
