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

/// Looks at a table that is about to be altered.
///
/// # Errors
/// What SQLite reports.
pub fn before(connection: &Connection, table: &str) -> rusqlite::Result<Before> {
    Ok(Before { table: table.to_owned(), columns: schema::columns(connection, table)? })
}

/// Looks at the table after it was altered, and writes all of its rows once more if it has more stored columns. Nothing of them
/// changes: neither triggers nor foreign keys nor constraints have a say. Returns how many rows it has, if it still has its name.
///
/// # Errors
/// What SQLite reports; also what a generated column reports for a row that is there.
pub fn complete_rows(connection: &Connection, before: &Before) -> rusqlite::Result<u64> {
    let Before { table, columns: earlier } = before;
    let columns = schema::columns(connection, table)?;
    let stored = |columns: &[Column]| columns.iter().filter(|column| !column.is_virtual).count();
    if stored(&columns) <= stored(earlier) {
        // It has another name, or its rows were looked at.
        let sql = format!("SELECT count(*) FROM main.{}", schema::quote(table));
        let rows: i64 = if columns.is_empty() { 0 } else { connection.query_row(&sql, [], |row| row.get(0))? };
        return Ok(rows.unsigned_abs());
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
    written.map(|rows| rows as u64)
}
