//! Rows that lack a column are given it.
//!
//! `ALTER TABLE ADD COLUMN` leaves the rows as they are: whoever reads one gets the column's default in its place. But not
//! everybody gets the same. The preupdate hook hands out an integer where a scan of a REAL column sees a float, and nothing
//! at all for a row that was copied as it is from one table into another. So no short row is left: the statement that adds a
//! column also writes all rows of its table once more.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::schema::{self, Column};

/// A table as it is before a statement alters it.
#[derive(Debug)]
pub struct Before {
    table: String,
    columns: Vec<Column>,
}

/// What altering a table did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Altered {
    /// So many of its rows were written or looked at.
    Rows(u64),
    /// It has a column of this name now, which meant something else before.
    Meaning(String),
}

/// Names that mean something in expressions of a table that has no column of that name: a constraint or an index would come to
/// mean another thing, and rows and indexes that are there would not be what they say. Those of the rowid SQLite refuses itself.
const WITH_MEANING: [&str; 2] = ["true", "false"];

/// Looks at a table that is about to be altered.
///
/// # Errors
/// What SQLite reports.
pub fn before(connection: &Connection, table: &str) -> rusqlite::Result<Before> {
    Ok(Before { table: table.to_owned(), columns: schema::columns(connection, table)? })
}

/// Looks at the table after it was altered, and writes all of its rows once more if it has more stored columns. Nothing of them
/// changes: neither triggers nor foreign keys nor constraints have a say.
///
/// # Errors
/// What SQLite reports; also what a generated column reports for a row that is there.
pub fn complete_rows(connection: &Connection, before: &Before) -> rusqlite::Result<Altered> {
    let Before { table, columns: earlier } = before;
    let columns = schema::columns(connection, table)?;
    let is_new = |column: &&Column| earlier.iter().all(|other| !other.name.eq_ignore_ascii_case(&column.name));
    let has_meaning = |column: &&Column| WITH_MEANING.iter().any(|name| column.name.eq_ignore_ascii_case(name));
    if let Some(column) = columns.iter().filter(is_new).find(has_meaning) {
        return Ok(Altered::Meaning(column.name.clone()));
    }
    let stored = |columns: &[Column]| columns.iter().filter(|column| !column.is_virtual).count();
    if stored(&columns) <= stored(earlier) {
        // It has another name, or its rows were looked at.
        let sql = format!("SELECT count(*) FROM main.{}", schema::quote(table));
        let rows: i64 = if columns.is_empty() { 0 } else { connection.query_row(&sql, [], |row| row.get(0))? };
        return Ok(Altered::Rows(rows.unsigned_abs()));
    }

    let added = columns.iter().rfind(|column| !column.is_virtual).expect("it has more stored columns than before");
    let set = |enabled: bool| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, enabled)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, enabled)?;
        connection.pragma_update(None, "ignore_check_constraints", !enabled)
    };
    set(false)?;
    let added = schema::quote(&added.name);
    let written = connection.execute(&format!("UPDATE main.{} SET {added} = {added}", schema::quote(table)), []);
    set(true)?;
    written.map(|rows| Altered::Rows(rows as u64))
}
