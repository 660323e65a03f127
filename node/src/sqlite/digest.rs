//! The content digest: a sum of hashes, one for each row of the user's and of client sessions, each object of the user's
//! schema and each AUTOINCREMENT counter.
//!
//! A sum does not depend on order, so a changed row costs two hashes: one subtracted, one added (AdHash, Bellare and
//! Micciancio 1997). The hash is not cryptographic: it tells replicas that went apart from ones that did not, not an
//! honest database from a forged one.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use xxhash_rust::xxh3::xxh3_128;

use super::{Digest, is_internal, schema};

/// The three sums that make up a digest. Sums wrap at 2^128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Over all rows of the user's tables and of client sessions.
    pub rows: u128,
    /// Over the rows of `sqlite_schema` that are not Lockstep's own. Their rowids count: they are the order in which a
    /// query of `sqlite_schema` sees them.
    pub schema: u128,
    /// Over `sqlite_sequence`.
    pub sequence: u128,
}

impl Sums {
    /// The digest.
    pub fn digest(&self) -> Digest {
        Digest(self.rows.wrapping_add(self.schema).wrapping_add(self.sequence))
    }
}

/// Computes the digest from nothing but the tables.
///
/// # Errors
/// What SQLite reports.
pub fn scan(connection: &Connection) -> rusqlite::Result<Digest> {
    Ok(Sums {
        rows: scan_rows(connection)?,
        schema: scan_schema(connection)?,
        sequence: scan_sequence(connection)?.sum,
    }
    .digest())
}

/// The sum over all rows of the user's tables and of client sessions.
///
/// # Errors
/// What SQLite reports.
pub(crate) fn scan_rows(connection: &Connection) -> rusqlite::Result<u128> {
    let mut sum = 0u128;
    let mut row_hash = RowHash::default();
    for table in schema::hashed_tables(connection)? {
        let mut statement = connection.prepare(&table.select())?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = match table.key {
                schema::Key::Rowid(_) => row.get(0)?,
                schema::Key::Primary(_) => 0,
            };
            row_hash.begin(table.name.as_bytes(), key);
            for column in table.key_width()..width {
                row_hash.push(row.get_ref(column)?);
            }
            sum = sum.wrapping_add(row_hash.finish());
        }
    }
    Ok(sum)
}

/// The sum over the user's part of `sqlite_schema`.
///
/// # Errors
/// What SQLite reports.
pub(crate) fn scan_schema(connection: &Connection) -> rusqlite::Result<u128> {
    let mut statement = connection.prepare("SELECT rowid, type, name, tbl_name, sql FROM main.sqlite_schema")?;
    let mut rows = statement.query([])?;
    let mut sum = 0u128;
    let mut row_hash = RowHash::default();
    while let Some(row) = rows.next()? {
        if is_internal(row.get_ref(3)?.as_str()?) {
            continue;
        }
        row_hash.begin(b"sqlite_schema", row.get(0)?);
        (1..5).try_for_each(|column| row.get_ref(column).map(|value| row_hash.push(value)))?;
        sum = sum.wrapping_add(row_hash.finish());
    }
    Ok(sum)
}

/// What [`scan_sequence`] found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sequence {
    /// The sum over all rows; 0 without a table.
    pub sum: u128,
    /// Whether a counter or a rowid is the largest there is: the next insert would fail, or get a random rowid.
    pub exhausted: bool,
}

/// Reads `sqlite_sequence`, which exists once a table has an AUTOINCREMENT column.
///
/// # Errors
/// What SQLite reports.
pub(crate) fn scan_sequence(connection: &Connection) -> rusqlite::Result<Sequence> {
    let exists = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'sqlite_sequence'";
    if !connection.prepare(exists)?.exists([])? {
        return Ok(Sequence::default());
    }
    read_sequence(&mut connection.prepare(READ_SEQUENCE)?)
}

/// The query that [`read_sequence`] runs.
pub(crate) const READ_SEQUENCE: &str = "/*lockstep*/ SELECT rowid, name, seq, CAST(seq AS INTEGER) = 9223372036854775807 \
     OR rowid = 9223372036854775807 FROM main.sqlite_sequence";

/// Reads `sqlite_sequence` with a prepared [`READ_SEQUENCE`].
///
/// # Errors
/// What SQLite reports.
pub(crate) fn read_sequence(statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<Sequence> {
    let mut rows = statement.query([])?;
    let mut sequence = Sequence::default();
    let mut row_hash = RowHash::default();
    while let Some(row) = rows.next()? {
        row_hash.begin(b"sqlite_sequence", row.get(0)?);
        (1..3).try_for_each(|column| row.get_ref(column).map(|value| row_hash.push(value)))?;
        sequence.sum = sequence.sum.wrapping_add(row_hash.finish());
        sequence.exhausted |= row.get::<_, Option<bool>>(3)? == Some(true);
    }
    Ok(sequence)
}

/// Hashes a row: table, key and values, each so that no two rows give the same bytes.
#[derive(Debug, Default)]
pub(super) struct RowHash(Vec<u8>);

impl RowHash {
    /// Begins a row. The key is the rowid, or 0 in a table without one.
    pub fn begin(&mut self, table: &[u8], key: i64) {
        self.0.clear();
        self.bytes(0, table);
        self.0.extend_from_slice(&key.to_le_bytes());
    }

    /// Adds the next column.
    pub fn push(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.0.push(1),
            ValueRef::Integer(value) => self.number(2, value.to_le_bytes()),
            ValueRef::Real(value) => self.number(3, value.to_bits().to_le_bytes()),
            ValueRef::Text(text) => self.bytes(4, text),
            ValueRef::Blob(blob) => self.bytes(5, blob),
        }
    }

    /// The hash of the row.
    pub fn finish(&self) -> u128 {
        xxh3_128(&self.0)
    }

    fn number(&mut self, tag: u8, bytes: [u8; 8]) {
        self.0.push(tag);
        self.0.extend_from_slice(&bytes);
    }

    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.number(tag, (bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }
}
