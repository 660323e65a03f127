//! A connection for looking at a database beside its state machine.

use rusqlite::{Connection, OpenFlags};

use crate::host::SqliteVfs;

/// Opens a database for reading. It sees what is committed, and every statement that would write fails. "Now" is the
/// machine's time.
///
/// The file is opened for writing all the same: a reader of a database in WAL mode takes locks in shared memory.
///
/// # Errors
/// When the file does not exist or is not a database.
pub fn open_reader(vfs: &SqliteVfs, file: &str) -> rusqlite::Result<Connection> {
    let path = format!("{}{file}", vfs.prefix);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(path, flags, vfs.name.as_str())?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
