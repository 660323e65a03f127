//! Whether the pages of a database are in order.

use rusqlite::{Connection, ffi};

/// What is wrong with the pages of a database, in SQLite's words; `None` if they are in order.
///
/// SQLite first looks at all pages, and then at each row, where it computes generated columns. What a user's expression
/// reports there is no damage: a column that reads JSON fails for a text that is none.
///
/// # Errors
/// What SQLite reports, unless it is of the database's contents.
pub fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let checked = connection.query_row("PRAGMA main.quick_check(1)", [], |row| row.get::<_, String>(0));
    match checked {
        Ok(answer) => Ok((answer != "ok").then_some(answer)),
        Err(rusqlite::Error::SqliteFailure(error, message)) => match error.extended_code & 0xff {
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Ok(Some(message.unwrap_or_else(|| error.to_string()))),
            ffi::SQLITE_ERROR | ffi::SQLITE_TOOBIG | ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH => Ok(None),
            _ => Err(rusqlite::Error::SqliteFailure(error, message)),
        },
        Err(other) => Err(other),
    }
}
