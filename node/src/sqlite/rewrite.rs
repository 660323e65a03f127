//! Rows that lack a column are given it.
//!
//! `ALTER TABLE ADD COLUMN` leaves the rows as they are: whoever reads one gets the column's default in its place. But not
//! everybody gets the same. The preupdate hook hands out an integer where a scan of a REAL column sees a float, and nothing
//! at all for a row that was copied as it is from one table into another. So no short row is left: the statement that adds a
//! column also writes all rows of its table once more.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::schema;

/// The names of the stored columns of a table; none if there is no such table.
///
/// # Errors
/// What SQLite reports.
pub fn stored_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let columns = schema::columns(connection, table)?;
    Ok(columns.into_iter().filter(|column| !column.is_virtual).map(|column| column.name).collect())
}

/// Writes all rows of a table once more, if it has more stored columns than these, and returns how many there are. Nothing of
/// them changes: neither triggers nor foreign keys nor constraints have a say.
///
/// # Errors
/// What SQLite reports; also what a generated column reports for a row that is there.
pub fn complete_rows(connection: &Connection, table: &str, before: &[String]) -> rusqlite::Result<usize> {
    let columns = stored_columns(connection, table)?;
    let Some(added) = columns.last().filter(|_| columns.len() > before.len()) else { return Ok(0) };
    let set = |enabled: bool| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, enabled)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, enabled)?;
        connection.pragma_update(None, "ignore_check_constraints", !enabled)
    };
    set(false)?;
    let added = schema::quote(added);
    let written = connection.execute(&format!("UPDATE main.{} SET {added} = {added}", schema::quote(table)), []);
    set(true)?;
    written
}
