//! The preupdate hook: SQLite tells of every row that it is about to change, and the digest follows.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ffi};

use super::digest::RowHash;
use super::schema;

/// Follows the changes of a connection's rows.
///
/// Work that SQLite undoes is not subtracted again: whoever rolls back sets [`Tracker::rows`] back as well. A tracker must
/// be dropped after its connection.
///
/// **Invariant:** no row is shorter than its table. SQLite hands out the default of a column that a row lacks as it is
/// written, while a scan sees it as it is stored; so whoever adds a column rewrites the rows (`rewrite`).
#[derive(Debug)]
pub struct Tracker(Box<State>);

#[derive(Debug, Default)]
struct State {
    rows: Cell<u128>,
    largest_rowid: Cell<bool>,
    /// The code with which a changed row could not be read.
    failure: Cell<c_int>,
    row_hash: RefCell<RowHash>,
}

impl Tracker {
    /// Sets the hook. It must be set before any statement is prepared: a `DELETE` without `WHERE` that was prepared
    /// before does not call it.
    pub fn install(connection: &Connection) -> Tracker {
        let tracker = Tracker(Box::default());
        let state: *const State = &raw const *tracker.0;
        // SAFETY: the connection is open. The state stays in its box as long as the tracker lives,
        // which is longer than the connection.
        unsafe { ffi::sqlite3_preupdate_hook(connection.handle(), Some(on_change), state.cast_mut().cast()) };
        tracker
    }

    /// The sum over all rows, given that it was right when it was last set.
    pub fn rows(&self) -> u128 {
        self.0.rows.get()
    }

    /// Sets the sum.
    pub fn set_rows(&self, rows: u128) {
        self.0.rows.set(rows);
    }

    /// Whether a row got the largest rowid since the last call. After it SQLite would draw rowids at random.
    pub fn take_largest_rowid(&self) -> bool {
        self.0.largest_rowid.take()
    }

    /// SQLite's code if it did not hand out a row that changed since the last call: the sum over all rows is not known then.
    pub fn take_failure(&self) -> Option<i32> {
        Some(self.0.failure.take()).filter(|code| *code != ffi::SQLITE_OK)
    }
}

impl State {
    fn add(&self, hash: u128) {
        self.rows.set(self.rows.get().wrapping_add(hash));
    }

    fn heard(&self, code: c_int) {
        if code != ffi::SQLITE_OK {
            self.failure.set(code);
        }
    }
}

unsafe extern "C" fn on_change(
    context: *mut c_void,
    connection: *mut ffi::sqlite3,
    operation: c_int,
    database: *const c_char,
    table: *const c_char,
    old_key: ffi::sqlite3_int64,
    new_key: ffi::sqlite3_int64,
) {
    // SAFETY: the context is the state that `install` passed, alive while the hook is set, and shared by reference only.
    let state = unsafe { &*context.cast::<State>() };
    // SAFETY: SQLite passes NUL-terminated names that live as long as this call.
    let (database, table) = unsafe { (CStr::from_ptr(database), CStr::from_ptr(table)) };
    if database != c"main" {
        return;
    }
    // Also in sqlite_sequence, which is a table like any other to whoever writes it by hand.
    if operation != ffi::SQLITE_DELETE {
        state.largest_rowid.set(state.largest_rowid.get() || new_key == i64::MAX);
    }
    if !is_hashed(table) {
        return;
    }
    let table = table.to_bytes();
    let mut row_hash = state.row_hash.borrow_mut();
    if operation != ffi::SQLITE_INSERT {
        state.heard(hash_row(&mut row_hash, table, old_key, connection, ffi::sqlite3_preupdate_old));
        state.add(row_hash.finish().wrapping_neg());
    }
    if operation != ffi::SQLITE_DELETE {
        state.heard(hash_row(&mut row_hash, table, new_key, connection, ffi::sqlite3_preupdate_new));
        state.add(row_hash.finish());
    }
}

/// Whether the rows of a table are part of the digest through the hook. `sqlite_sequence` is read whole instead.
fn is_hashed(table: &CStr) -> bool {
    let Ok(name) = table.to_str() else { return true };
    schema::is_hashed(name) && !name.as_bytes().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"sqlite_"))
}

type GetColumn = unsafe extern "C" fn(*mut ffi::sqlite3, c_int, *mut *mut ffi::sqlite3_value) -> c_int;

/// Hashes a row. Returns SQLite's code if it does not hand out a value of it.
fn hash_row(row_hash: &mut RowHash, table: &[u8], key: i64, connection: *mut ffi::sqlite3, get: GetColumn) -> c_int {
    row_hash.begin(table, key);
    // SAFETY: we are inside the hook of this connection.
    let columns = unsafe { ffi::sqlite3_preupdate_count(connection) };
    for column in 0..columns {
        let mut value = null_mut();
        // SAFETY: inside the hook, for an operation that has this row; the column is in range.
        let code = unsafe { get(connection, column, &mut value) };
        match code {
            ffi::SQLITE_OK if value.is_null() => return ffi::SQLITE_NOMEM,
            // SAFETY: SQLite just returned the value; it stays valid while the hook runs.
            ffi::SQLITE_OK => row_hash.push(unsafe { value_ref(value) }),
            // A virtual generated column is counted but has no stored value.
            ffi::SQLITE_RANGE => {}
            code => return code,
        }
    }
    ffi::SQLITE_OK
}

/// # Safety
/// The value must be valid for the lifetime that the caller gives the result.
unsafe fn value_ref<'a>(value: *mut ffi::sqlite3_value) -> ValueRef<'a> {
    // SAFETY: the caller vouches for the value; its bytes are asked for before their number, as SQLite demands, and there
    // is no call in between that would change their encoding.
    unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => ValueRef::Text(bytes(value)),
            ffi::SQLITE_BLOB => ValueRef::Blob(bytes(value)),
            _ => ValueRef::Null,
        }
    }
}

/// # Safety
/// As for [`value_ref`]; the value is text or a blob.
unsafe fn bytes<'a>(value: *mut ffi::sqlite3_value) -> &'a [u8] {
    // SAFETY: SQLite returns that many bytes at that address; for none it may return no address.
    unsafe {
        let start = ffi::sqlite3_value_blob(value);
        let length = ffi::sqlite3_value_bytes(value);
        if start.is_null() { &[] } else { std::slice::from_raw_parts(start.cast(), length as usize) }
    }
}
