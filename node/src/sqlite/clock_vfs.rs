//! A SQLite VFS that tells the time it was told.
//!
//! Every form of "now" in SQL (functions without a time, `CURRENT_TIMESTAMP`, column defaults, triggers) asks the VFS of
//! its connection. [`ClockVfs`] is a copy of another VFS with that one question answered from a value of ours; files go
//! to the other VFS unchanged. Each state machine registers one of its own, so that each has its own time.

use std::ffi::{CString, c_int};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use rusqlite::ffi;

/// A registered VFS with a pinned clock. The connections that use it must be closed before it is dropped.
#[derive(Debug)]
pub struct ClockVfs(NonNull<Shim>);

/// What SQLite sees is the first field; it hands us its address back, and so we find the others.
#[repr(C)]
struct Shim {
    vfs: ffi::sqlite3_vfs,
    base: *mut ffi::sqlite3_vfs,
    /// Milliseconds since the Julian epoch, which is how SQLite counts.
    now_ms: AtomicI64,
    pinned: AtomicBool,
    /// Keeps the memory that `vfs.zName` points to.
    name: CString,
}

/// 1970-01-01 00:00 UTC in milliseconds since the Julian epoch.
const UNIX_EPOCH_MS: i64 = 210_866_760_000_000;
/// 9999-12-31 23:59:59.999, the last time that SQLite knows. Beyond it, 'now' would be NULL.
const LAST_MS: i64 = 464_269_060_799_999;

impl ClockVfs {
    /// Registers a VFS that reaches files through the VFS named `base`.
    ///
    /// The methods of `base` are called with the copy's address: they must find their state through `pAppData`.
    ///
    /// # Errors
    /// A sentence, when there is no such VFS, or it is of an interface older than SQLite 3.6.
    pub fn register(base: &str) -> Result<ClockVfs, String> {
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
        vfs.xCurrentTime = Some(current_time);
        vfs.xCurrentTimeInt64 = Some(current_time_int64);
        let now_ms = AtomicI64::new(UNIX_EPOCH_MS);
        let shim = Box::new(Shim { vfs, base: base_vfs, now_ms, pinned: AtomicBool::new(true), name });
        let shim = NonNull::from(Box::leak(shim));
        // SAFETY: the structure stays where it is until `drop` has unregistered it.
        let code = unsafe { ffi::sqlite3_vfs_register(shim.as_ptr().cast(), 0) };
        assert_eq!(code, ffi::SQLITE_OK, "registering a VFS fails only when SQLite cannot initialise");
        Ok(ClockVfs(shim))
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

    fn shim(&self) -> &Shim {
        // SAFETY: the shim lives until `drop`, and nothing ever takes a mutable reference to it.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for ClockVfs {
    fn drop(&mut self) {
        // SAFETY: it was registered in `register` and leaked from a box there; its connections are closed by contract.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.0.as_ptr().cast());
            drop(Box::from_raw(self.0.as_ptr()));
        }
    }
}

// SAFETY: what a shim shares with SQLite are atomics; the rest does not change between registering and dropping.
unsafe impl Send for ClockVfs {}

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
        let clocks = [ClockVfs::register("unix").unwrap(), ClockVfs::register("unix").unwrap()];
        let open =
            |clock: &ClockVfs| Connection::open_with_flags_and_vfs(":memory:", OpenFlags::default(), clock.name());
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
        assert_eq!(ClockVfs::register("no such").unwrap_err(), "there is no SQLite VFS named \"no such\"");
    }
}
