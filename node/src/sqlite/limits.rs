//! What a statement may cost. Every replica must stop at the same point, so the limits travel in the cluster's configuration
//! and count nothing that differs between machines: no time, no memory, only SQLite's instructions and lengths.
//!
//! | limit | counts | what exceeds it |
//! |---|---|---|
//! | [`Limits::statement_steps`], [`Limits::entry_steps`] | instructions of SQLite's virtual machine | fails with code 9, `SQLITE_INTERRUPT` |
//! | [`Limits::value_bytes`] | the length of a text, blob or row | fails with code 18, `SQLITE_TOOBIG` |
//! | [`Limits::pattern_bytes`] | the length of a pattern of LIKE and GLOB | fails with code 1 |
//! | [`Limits::temporary_bytes`] | what one connection sorts and holds in between, beyond its cache | fails with code 13, `SQLITE_FULL` |
//!
//! The rest is the same in every cluster: it bounds how long SQLite takes to prepare a statement, how deep it
//! recurses, and keeps tables to what the node's own queries can read back.

use bytes::Bytes;
use rusqlite::Connection;
use rusqlite::limits::Limit;
use serde::{Deserialize, Serialize};

/// The instructions between two looks at whether a statement has used up its budget. Budgets are multiples of it.
pub const LOOK_EVERY: u32 = 1000;

/// What a statement of a user's may cost, and an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum instructions of SQLite's virtual machine per statement, rounded down to thousands.
    pub statement_steps: u64,
    /// Maximum instructions per entry, over all its statements.
    pub entry_steps: u64,
    /// Maximum bytes of a text, a blob or a row.
    pub value_bytes: u32,
    /// Maximum bytes of a pattern of LIKE or GLOB: the time they take is its length times that of the value.
    pub pattern_bytes: u32,
    /// Maximum bytes that a connection keeps outside of its cache while it sorts, groups or holds rows in between.
    pub temporary_bytes: u64,
}

/// Bytes that are no limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its limits for statements cannot be read: another release wrote them")]
pub struct BadLimits;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            statement_steps: 10_000_000,
            entry_steps: 40_000_000,
            // A value of 1 MiB, and the rest of its row.
            value_bytes: (1 << 20) + (64 << 10),
            pattern_bytes: 64,
            temporary_bytes: 256 << 20,
        }
    }
}

/// The longest name of a table, column, index, view or trigger, in bytes. The node's queries name every column of a table
/// once or twice.
pub const NAME_BYTES_MAX: usize = 255;

/// Maximum foreign keys of a table. SQLite looks at each for each, whenever a statement that writes is prepared.
pub const FOREIGN_KEYS_MAX: usize = 200;

/// Maximum bytes of all definitions in a schema: the node looks at each when one changes.
pub const SCHEMA_BYTES_MAX: usize = 8 << 20;

/// Columns of a table or a result. The node's own queries return a table's key beside its columns, and SQLite returns no more
/// than twice this.
const COLUMNS_MAX: i32 = 1000;

/// Limits of SQLite that are the same for users and for the node.
const SQLITE: [(Limit, i32); 13] = [
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 1000),
    // SQLite compares each of their columns with each term of the order.
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    (Limit::SQLITE_LIMIT_VDBE_OP, 250_000_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 32_766),
    // Each level holds the rows it changes, before and after.
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    (Limit::SQLITE_LIMIT_PARSER_DEPTH, 2500),
    (Limit::SQLITE_LIMIT_SCHEMA, 100_000),
    (Limit::SQLITE_LIMIT_TRIGGER_STEPS, 65_000),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50_000),
];

/// What the node's own statements may read and write: whatever users could, and what it keeps beside.
const OWN: [(Limit, i32); 2] = [(Limit::SQLITE_LIMIT_LENGTH, 64 << 20), (Limit::SQLITE_LIMIT_COLUMN, 2 * COLUMNS_MAX)];

impl Limits {
    /// The limits as the settings of a configuration carry them.
    pub fn encode(&self) -> Bytes {
        postcard::to_stdvec(self).expect("numbers always encode").into()
    }

    /// Reads them back.
    ///
    /// # Errors
    /// When the bytes are no limits: another release wrote them.
    pub fn decode(bytes: &[u8]) -> Result<Limits, BadLimits> {
        postcard::from_bytes(bytes).map_err(|_| BadLimits)
    }

    /// Sets what is the same for everybody, and the rest for the node's own statements.
    ///
    /// # Errors
    /// None is known.
    pub(super) fn fix(connection: &Connection) -> rusqlite::Result<()> {
        SQLITE.iter().chain(&OWN).try_for_each(|(limit, value)| connection.set_limit(*limit, *value).map(|_| ()))
    }

    /// Sets what holds for a user's statement.
    pub(super) fn enter(&self, connection: &Connection) {
        let bytes = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        set(connection, Limit::SQLITE_LIMIT_LENGTH, bytes(self.value_bytes).min(OWN[0].1));
        set(connection, Limit::SQLITE_LIMIT_COLUMN, COLUMNS_MAX);
        set(connection, Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, bytes(self.pattern_bytes));
    }

    /// Sets what holds for the node's own statements again.
    pub(super) fn leave(connection: &Connection) {
        OWN.iter().for_each(|(limit, value)| set(connection, *limit, *value));
    }
}

fn set(connection: &Connection, limit: Limit, value: i32) {
    connection.set_limit(limit, value).expect("SQLite knows these limits, and none of the values is negative");
}
