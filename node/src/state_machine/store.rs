//! What the state machine remembers beside the user's data, in one row of its own table. Its other tables are those of
//! client sessions.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::sessions;
use crate::raft::{Index, Position, Term};
use crate::sqlite::database::Database;
use crate::sqlite::fingerprint::{Fingerprint, fingerprint};
use crate::sqlite::{Digest, INTERNAL_TABLES};

/// The row, but for the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The last entry that was applied.
    pub applied: Position,
    /// The time of the last entry of statements, in microseconds since 1970.
    pub time_us: u64,
    /// The digest of the contents.
    pub digest: Digest,
    /// The fingerprint of the build that applied all of it.
    pub fingerprint: Fingerprint,
}

impl Stored {
    /// Why this build may not go on from it; `None` if it may.
    pub fn refusal(&self) -> Option<String> {
        (self.fingerprint != fingerprint()).then(|| {
            format!(
                "it was written by a build with the fingerprint {}, and this one has {}: SQLite, its options or this release \
                 differ, and so may results; run the build that wrote it, or let the node take up a copy from nodes of this one",
                self.fingerprint,
                fingerprint()
            )
        })
    }
}

/// Reads the row. `None` means that the database is new.
///
/// # Errors
/// What SQLite reports.
pub fn load(connection: &Connection) -> rusqlite::Result<Option<Stored>> {
    if !connection.table_exists(Some("main"), INTERNAL_TABLES[0])? {
        return Ok(None);
    }
    let sql = "SELECT applied, term, time_us, digest, fingerprint FROM main._lockstep_state";
    let stored = connection.query_row(sql, [], |row| {
        Ok(Stored {
            applied: Position { index: Index(number(row, 0)?), term: Term(number(row, 1)?) },
            time_us: number(row, 2)?,
            digest: Digest(u128::from_be_bytes(row.get(3)?)),
            fingerprint: Fingerprint(row.get(4)?),
        })
    });
    stored.map(Some)
}

/// Creates the tables and the row in a new database.
///
/// # Errors
/// What SQLite reports.
pub fn create(connection: &Connection, stored: &Stored) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute_batch(
        "CREATE TABLE _lockstep_state(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            applied INTEGER NOT NULL,
            term INTEGER NOT NULL,
            time_us INTEGER NOT NULL,
            digest BLOB NOT NULL,
            fingerprint BLOB NOT NULL,
            membership_at INTEGER,
            membership BLOB
        ) STRICT",
    )?;
    connection.execute_batch(sessions::SCHEMA)?;
    let sql = "INSERT INTO main._lockstep_state VALUES (1, 0, 0, 0, ?1, ?2, NULL, NULL)";
    connection.execute(sql, params![stored.digest.0.to_be_bytes(), stored.fingerprint.0])?;
    connection.execute_batch("COMMIT")
}

/// Writes the row, inside the transaction whose effects it describes.
///
/// # Errors
/// What SQLite reports.
pub fn save(database: &Database, stored: &Stored) -> rusqlite::Result<()> {
    let sql = "/*lockstep*/ UPDATE main._lockstep_state SET applied = ?1, term = ?2, time_us = ?3, digest = ?4";
    let Stored { applied, time_us, digest, .. } = stored;
    let values = params![applied.index.0 as i64, applied.term.0 as i64, *time_us as i64, digest.0.to_be_bytes()];
    database.own(sql)?.execute(values).map(|_| ())
}

/// Writes the membership, inside the same transaction.
///
/// # Errors
/// What SQLite reports.
pub fn save_membership(database: &Database, at: Index, membership: &[u8]) -> rusqlite::Result<()> {
    let sql = "/*lockstep*/ UPDATE main._lockstep_state SET membership_at = ?1, membership = ?2";
    database.own(sql)?.execute(params![at.0 as i64, membership]).map(|_| ())
}

/// The newest configuration that was applied, encoded as in its entry, and that entry's index.
///
/// # Errors
/// What SQLite reports.
pub fn load_membership(connection: &Connection) -> rusqlite::Result<Option<(Index, Bytes)>> {
    let sql = "SELECT membership_at, membership FROM main._lockstep_state WHERE membership_at IS NOT NULL";
    let membership = |row: &rusqlite::Row<'_>| Ok((Index(number(row, 0)?), Bytes::from(row.get::<_, Vec<u8>>(1)?)));
    connection.query_row(sql, [], membership).optional()
}

/// SQLite's integers are signed; ours keep their bits.
fn number(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|value| value as u64)
}
