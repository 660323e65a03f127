//! Whether the pages of a database are in order, and its indexes.

use rusqlite::{Connection, ffi};

/// What is wrong with the pages of a database or with its indexes, in SQLite's words; `None` if they are in order.
///
/// SQLite first looks at all pages, and then at each row, where it computes generated columns. What a user's expression
/// reports there is no damage: a column that reads JSON fails for a text that is none. Nor is a row that does not meet a
/// constraint any more: it was written when it did.
///
/// # Errors
/// What SQLite reports, unless it is of the database's contents.
pub fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let checked = connection.query_row("PRAGMA main.quick_check(1)", [], |row| row.get::<_, String>(0));
    match checked {
        Ok(answer) => Ok((is_of_pages(&answer) || answer.contains("index")).then_some(answer)),
        Err(rusqlite::Error::SqliteFailure(error, message)) => match error.extended_code & 0xff {
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Ok(Some(message.unwrap_or_else(|| error.to_string()))),
            ffi::SQLITE_ERROR | ffi::SQLITE_TOOBIG | ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH => Ok(None),
            _ => Err(rusqlite::Error::SqliteFailure(error, message)),
        },
        Err(other) => Err(other),
    }
}

/// What is wrong with the pages of a database alone, in SQLite's words. Between a row that does not stand in an index and one that
/// a statement was about to write there it makes no difference: this may be asked in the middle of one.
///
/// # Errors
/// As for [`damage`].
pub fn page_damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    Ok(damage(connection)?.filter(|answer| is_of_pages(answer)))
}

/// Whether SQLite says it of a page: it names the database before.
fn is_of_pages(answer: &str) -> bool {
    answer.starts_with("*** in database") || !answer.contains(" index ") && answer.contains("malformed")
}
