//! Copying a database page by page while others write to it, by SQLite's backup API.

use std::ptr::NonNull;

use rusqlite::{Connection, OpenFlags, ffi};

use super::reader::open_reader;
use crate::host::SqliteVfs;

/// A copy in the making. It is of the moment when it was begun: its reader holds one read transaction open, which also
/// keeps checkpoints from being complete as long as it lives.
#[derive(Debug)]
pub struct Backup {
    handle: NonNull<ffi::sqlite3_backup>,
    /// What `handle` points into. It is dropped after the handle was given back.
    source: Connection,
    destination: Connection,
}

// SAFETY: the handle and the two connections that it points into move together, are used by whoever has the one `&mut`,
// and SQLite is compiled to be called from any thread.
unsafe impl Send for Backup {}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pages that are still to be copied. At 0 the copy is complete.
    pub remaining: u32,
    /// Pages of the database.
    pub total: u32,
}

impl Backup {
    /// Begins to copy a database into a file of the same disk that does not exist yet or is empty. Nothing is copied
    /// before the first step.
    ///
    /// # Errors
    /// What SQLite reports; also when the destination is not empty.
    pub fn begin(vfs: &SqliteVfs, source: &str, destination: &str) -> rusqlite::Result<Backup> {
        let source = open_reader(vfs, source)?;
        source.execute_batch("BEGIN")?;
        let page_size: u32 = source.query_row("PRAGMA main.page_size", [], |row| row.get(0))?;
        // A first read: the transaction is of this moment.
        let schema_version: u32 = source.query_row("PRAGMA main.schema_version", [], |row| row.get(0))?;
        let destination = open_destination(vfs, destination, page_size, schema_version)?;
        let main = c"main".as_ptr();
        // SAFETY: both connections are open, and outlive the handle: `drop` gives it back before they are closed.
        let handle = unsafe { ffi::sqlite3_backup_init(destination.handle(), main, source.handle(), main) };
        match NonNull::new(handle) {
            Some(handle) => Ok(Backup { handle, source, destination }),
            // SAFETY: the connection is open.
            None => Err(failure(&destination, unsafe { ffi::sqlite3_extended_errcode(destination.handle()) })),
        }
    }

    /// The connection whose transaction sees what is being copied.
    pub fn source(&self) -> &Connection {
        &self.source
    }

    /// Copies so many pages, or those that remain if they are fewer.
    ///
    /// # Errors
    /// What SQLite reports. The copy is of no use then.
    ///
    /// # Panics
    /// If `pages` is 0: the copy would never end.
    pub fn step(&mut self, pages: u32) -> rusqlite::Result<Progress> {
        assert!(pages > 0, "a step copies at least one page");
        let pages = i32::try_from(pages).unwrap_or(i32::MAX);
        // SAFETY: the handle is valid until `drop`.
        let (code, remaining, total) = unsafe {
            let code = ffi::sqlite3_backup_step(self.handle.as_ptr(), pages);
            let remaining = ffi::sqlite3_backup_remaining(self.handle.as_ptr());
            (code, remaining, ffi::sqlite3_backup_pagecount(self.handle.as_ptr()))
        };
        let count = |pages: i32| u32::try_from(pages).expect("SQLite does not count pages below zero");
        match code {
            // The last step of all also ends the transaction in the destination, so it may follow the last page.
            ffi::SQLITE_OK => Ok(Progress { remaining: count(remaining).max(1), total: count(total) }),
            ffi::SQLITE_DONE => Ok(Progress { remaining: 0, total: count(total) }),
            code => Err(failure(&self.destination, code)),
        }
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        // SAFETY: the handle was returned by sqlite3_backup_init and is given back once. What it returns is the error of
        // the last step, which was returned before.
        unsafe { ffi::sqlite3_backup_finish(self.handle.as_ptr()) };
    }
}

/// Opens an empty database that needs no journal: a copy that is not complete is of no use anyway.
///
/// A complete copy gets the schema version after its destination's, so the destination begins just below the source's.
fn open_destination(vfs: &SqliteVfs, file: &str, page_size: u32, schema_version: u32) -> rusqlite::Result<Connection> {
    let path = format!("{}{file}", vfs.prefix);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(path, flags, vfs.name.as_str())?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    let pages: u32 = connection.query_row("PRAGMA main.page_count", [], |row| row.get(0))?;
    if pages > 0 {
        let message = format!("a database is copied into a new file, but {file} has {pages} pages already");
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), Some(message)));
    }
    connection.pragma_update(None, "page_size", page_size)?;
    connection.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    // Pages are written as they come: a cache would keep them all for the last step, which would then take long.
    connection.pragma_update(None, "cache_size", 1)?;
    connection.pragma_update(None, "schema_version", schema_version.wrapping_sub(1))?;
    Ok(connection)
}

/// What SQLite says of a result code of this connection.
fn failure(connection: &Connection, code: i32) -> rusqlite::Error {
    // SAFETY: the connection is open, and the message is copied before it is used again.
    let message = unsafe { std::ffi::CStr::from_ptr(ffi::sqlite3_errmsg(connection.handle())) };
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(message.to_string_lossy().into_owned()))
}
