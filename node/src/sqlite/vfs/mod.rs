//! The SQLite VFS of one connection: what lies between SQLite and a node's disk.
//!
//! It is a copy of the disk's own VFS, with three things of ours:
//! - **the time** that every form of "now" in SQL asks for (functions without a time, `CURRENT_TIMESTAMP`, column defaults,
//!   triggers) is the one that it was told ([`Vfs::pin`]);
//! - **the disk's word**: it counts the calls that the disk failed ([`Vfs::failures`]), since SQLite's result codes do not tell
//!   a disk that is full from a counter that is exhausted (`file`);
//! - **temporary files** stay in memory, and are bounded (`temporary`).
//!
//! Files with names go to the disk unchanged. Each connection has a VFS of its own, so each has its own time.

#[cfg(test)]
pub mod failing;
mod file;
mod temporary;

use std::ffi::{CString, c_char, c_int};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use rusqlite::ffi;

use temporary::Space;

/// A registered VFS. The connections that use it must be closed before it is dropped.
#[derive(Debug)]
pub struct Vfs(NonNull<Shim>);

/// What SQLite sees is the first field; it hands us its address back, and so we find the others.
#[repr(C)]
struct Shim {
    vfs: ffi::sqlite3_vfs,
    base: *mut ffi::sqlite3_vfs,
    /// Milliseconds since the Julian epoch, which is how SQLite counts.
    now_ms: AtomicI64,
    pinned: AtomicBool,
    /// How many calls the disk failed.
    failures: AtomicU64,
    space: Space,
    /// Keeps the memory that `vfs.zName` points to.
    name: CString,
}

/// 1970-01-01 00:00 UTC in milliseconds since the Julian epoch.
const UNIX_EPOCH_MS: i64 = 210_866_760_000_000;
/// 9999-12-31 23:59:59.999, the last time that SQLite knows. Beyond it, 'now' would be NULL.
const LAST_MS: i64 = 464_269_060_799_999;

impl Vfs {
    /// Registers a VFS that reaches files through the VFS named `base`.
    ///
    /// The methods of `base` are called with the copy's address: they must find their state through `pAppData`.
    ///
    /// # Errors
    /// A sentence, when there is no such VFS, or it is of an interface older than SQLite 3.6.
    pub fn register(base: &str) -> Result<Vfs, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let base_name = CString::new(base).map_err(|_| "the name of a VFS contains a NUL character".to_owned())?;
        // SAFETY: the name is NUL-terminated and outlives the call.
        let base_vfs = unsafe { ffi::sqlite3_vfs_find(base_name.as_ptr()) };
        if base_vfs.is_null() {
            return Err(format!("there is no SQLite VFS named {base:?}"));
        }
        // SAFETY: a registered VFS is a valid structure until it is unregistered, which its owner does after we are gone.
        let mut vfs = unsafe { *base_vfs };
        if vfs.iVersion < 2 {
            return Err(format!("the SQLite VFS {base:?} is of version {}; 2 is needed", vfs.iVersion));
        }

        let name = CString::new(format!("{base}-pinned-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
            .expect("a name without NUL and a number have no NUL");
        vfs.zName = name.as_ptr();
        vfs.pNext = null_mut();
        vfs.szOsFile = file::SIZE + vfs.szOsFile.max(0);
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xCurrentTime = Some(current_time);
        vfs.xCurrentTimeInt64 = Some(current_time_int64);
        let shim = Box::new(Shim {
            vfs,
            base: base_vfs,
            now_ms: AtomicI64::new(UNIX_EPOCH_MS),
            pinned: AtomicBool::new(true),
            failures: AtomicU64::new(0),
            space: Space::default(),
            name,
        });

        let shim = NonNull::from(Box::leak(shim));
        // SAFETY: the structure stays where it is until `drop` has unregistered it.
        let code = unsafe { ffi::sqlite3_vfs_register(shim.as_ptr().cast(), 0) };
        assert_eq!(code, ffi::SQLITE_OK, "registering a VFS fails only when SQLite cannot initialise");
        Ok(Vfs(shim))
    }

    /// The name to open connections with.
    pub fn name(&self) -> &str {
        self.shim().name.to_str().expect("the name was made of text")
    }

    /// Sets the time that "now" is from here on: microseconds since 1970-01-01 00:00 UTC. SQLite sees milliseconds. Times
    /// after the year 9999 become its last moment.
    pub fn pin(&self, unix_us: u64) {
        let unix_ms = i64::try_from(unix_us / 1000).expect("a thousandth of a u64 fits an i64");
        self.shim().now_ms.store(unix_ms.saturating_add(UNIX_EPOCH_MS).min(LAST_MS), Ordering::Relaxed);
        self.shim().pinned.store(true, Ordering::Relaxed);
    }

    /// Lets "now" be the time of the machine again.
    pub fn unpin(&self) {
        self.shim().pinned.store(false, Ordering::Relaxed);
    }

    /// How many calls the disk has failed so far. An error of a statement is the disk's if this grew meanwhile, and only then.
    pub fn failures(&self) -> u64 {
        self.shim().failures.load(Ordering::Relaxed)
    }

    /// Sets how many bytes all temporary files may hold together.
    pub fn limit_temporary(&self, bytes: u64) {
        self.shim().space.set_limit(bytes);
    }

    /// Whether temporary files would have held more since the last call: what needed them failed as if a disk were full.
    pub fn take_temporary_refused(&self) -> bool {
        self.shim().space.take_refused()
    }

    fn shim(&self) -> &Shim {
        // SAFETY: the shim lives until `drop`, and nothing ever takes a mutable reference to it.
        unsafe { self.0.as_ref() }
    }
}

impl Shim {
    /// Takes note of what the disk answered, and returns it. That a lock is held by somebody else, that a file ends where it
    /// is read and that one to be removed is not there are answers, not failures.
    fn heard(&self, code: c_int) -> c_int {
        let answers = [ffi::SQLITE_OK, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_DELETE_NOENT];
        if !answers.contains(&code) && code & 0xff != ffi::SQLITE_BUSY {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        code
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: it was registered in `register` and leaked from a box there; its connections are closed by contract.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.0.as_ptr().cast());
            drop(Box::from_raw(self.0.as_ptr()));
        }
    }
}

// SAFETY: what a shim shares with SQLite are atomics; the rest does not change between registering and dropping.
unsafe impl Send for Vfs {}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this only with the address that was registered, which is that of a live `Shim`.
    let shim = unsafe { &*vfs.cast::<Shim>() };
    if path.is_null() {
        // SAFETY: SQLite hands over szOsFile writable bytes, aligned for pointers.
        unsafe { temporary::open(&shim.space, file, flags, out_flags) };
        return ffi::SQLITE_OK;
    }
    // SAFETY: as SQLite gave them.
    unsafe { file::open(shim, path, file, flags, out_flags) }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: as in `open`.
    let shim = unsafe { &*vfs.cast::<Shim>() };
    // SAFETY: the base outlives the shim; it is given what SQLite gave.
    shim.heard(unsafe {
        (*shim.base).xDelete.map_or(ffi::SQLITE_IOERR_DELETE, |method| method(shim.base, path, sync_directory))
    })
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: as in `open`.
    let shim = unsafe { &*vfs.cast::<Shim>() };
    // SAFETY: the base outlives the shim; it is given what SQLite gave.
    shim.heard(unsafe {
        (*shim.base).xAccess.map_or(ffi::SQLITE_IOERR_ACCESS, |method| method(shim.base, path, flags, out))
    })
}

unsafe extern "C" fn current_time_int64(vfs: *mut ffi::sqlite3_vfs, now: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this only with the address that was registered, which is that of a live `Shim`.
    let shim = unsafe { &*vfs.cast::<Shim>() };
    if shim.pinned.load(Ordering::Relaxed) {
        // SAFETY: SQLite passes a valid place for the result.
        unsafe { *now = shim.now_ms.load(Ordering::Relaxed) };
        return ffi::SQLITE_OK;
    }
    // SAFETY: the base outlives the shim, and its version says that the method is there.
    unsafe { (*shim.base).xCurrentTimeInt64.map_or(ffi::SQLITE_ERROR, |method| method(shim.base, now)) }
}

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, now: *mut f64) -> c_int {
    let mut ms = 0;
    // SAFETY: the same contract as this function's own.
    let code = unsafe { current_time_int64(vfs, &mut ms) };
    // SAFETY: SQLite passes a valid place for the result.
    unsafe { *now = ms as f64 / 86_400_000.0 };
    code
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags};

    use super::*;

    fn now(connection: &Connection) -> String {
        connection.query_row("SELECT strftime('%Y-%m-%d %H:%M:%f')", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn each_clock_tells_its_own_time() {
        let clocks = [Vfs::register("unix").unwrap(), Vfs::register("unix").unwrap()];
        let open = |clock: &Vfs| Connection::open_with_flags_and_vfs(":memory:", OpenFlags::default(), clock.name());
        let connections = [open(&clocks[0]).unwrap(), open(&clocks[1]).unwrap()];
        clocks[0].pin(1_000_000);
        clocks[1].pin(u64::MAX);
        assert_eq!(now(&connections[0]), "1970-01-01 00:00:01.000");
        assert_eq!(now(&connections[1]), "9999-12-31 23:59:59.999");
        clocks[0].unpin();
        assert!(now(&connections[0]).as_str() > "2020", "an unpinned clock is the machine's");
        drop(connections);
    }

    #[test]
    fn an_unknown_base_is_an_error() {
        assert_eq!(Vfs::register("no such").unwrap_err(), "there is no SQLite VFS named \"no such\"");
    }
}
