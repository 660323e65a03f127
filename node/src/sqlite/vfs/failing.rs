//! For tests: a disk that answers writes as it is told.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock};

use rusqlite::ffi;

/// What writes to write-ahead logs on the VFS "failing" answer; 0 to write.
static ANSWER: AtomicI32 = AtomicI32::new(0);
/// The methods of SQLite's own write-ahead logs, and the same with another write.
static METHODS: OnceLock<(ffi::sqlite3_io_methods, ffi::sqlite3_io_methods)> = OnceLock::new();
/// One test at a time tells the disk what to answer.
static TURN: Mutex<()> = Mutex::new(());

/// The disk, in the hands of one test.
pub struct Failing(#[expect(dead_code, reason = "held until the test is over")] MutexGuard<'static, ()>);

impl Failing {
    /// The name of its VFS.
    pub const NAME: &'static str = "failing";

    /// Waits until no other test has it.
    pub fn take() -> Failing {
        static ONCE: Once = Once::new();
        // SAFETY: SQLite's own VFS exists from the start; the copy is leaked and so never goes away.
        ONCE.call_once(|| unsafe {
            let own = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            let failing = ffi::sqlite3_vfs {
                zName: c"failing".as_ptr(),
                pNext: std::ptr::null_mut(),
                pAppData: own.cast(),
                xOpen: Some(open),
                ..*own
            };
            ffi::sqlite3_vfs_register(Box::leak(Box::new(failing)), 0);
        });
        Failing(TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Answers writes with this code while `work` is done.
    pub fn answer<T>(&self, code: c_int, work: impl FnOnce() -> T) -> T {
        ANSWER.store(code, Ordering::SeqCst);
        let done = work();
        ANSWER.store(0, Ordering::SeqCst);
        done
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, amount: c_int, offset: i64) -> c_int {
    match ANSWER.load(Ordering::SeqCst) {
        // SAFETY: called by SQLite for a file that `open` opened, with what it would pass to the file's own method.
        0 => unsafe { METHODS.get().unwrap().0.xWrite.unwrap()(file, bytes, amount, offset) },
        answer => answer,
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: the user data is SQLite's own VFS; a file that was opened has methods.
    unsafe {
        let own = (*vfs).pAppData.cast::<ffi::sqlite3_vfs>();
        let code = (*own).xOpen.unwrap()(own, path, file, flags, out_flags);
        // SQLite's own files have other methods, depending on what they are for.
        if code == ffi::SQLITE_OK && flags & ffi::SQLITE_OPEN_WAL != 0 {
            let methods = *(*file).pMethods;
            let (_, failing) =
                METHODS.get_or_init(|| (methods, ffi::sqlite3_io_methods { xWrite: Some(write), ..methods }));
            (*file).pMethods = failing;
        }
        code
    }
}
