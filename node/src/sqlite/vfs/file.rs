//! Files of the disk, as SQLite sees them: each call goes to the disk's own file, and its answer is listened to.
//!
//! The disk's file lies right behind ours in the memory that SQLite provides for both.

use std::ffi::{c_char, c_int, c_void};

use rusqlite::ffi;

use super::Shim;

/// A file. What SQLite sees is the first field.
#[repr(C)]
struct File {
    methods: ffi::sqlite3_file,
    shim: *const Shim,
}

/// Bytes that a file takes before those of the disk's own.
pub(super) const SIZE: c_int = size_of::<File>() as c_int;

const METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Without the third version SQLite never maps a file into memory.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

static METHODS_OF_ALL: Methods = Methods(METHODS);

/// A table of functions that never changes.
struct Methods(ffi::sqlite3_io_methods);

// SAFETY: it holds addresses of functions and numbers, and is never written to.
unsafe impl Sync for Methods {}

/// Opens a file of the disk.
///
/// # Safety
/// The arguments are those of SQLite's xOpen, and the shim outlives the file.
pub(super) unsafe fn open(
    shim: &Shim,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: `file` has room for a File and the disk's own behind it; the base is called as SQLite would call it. A file
    // that failed to open but has methods is closed, as SQLite would do.
    unsafe {
        (*file).pMethods = std::ptr::null();
        let (base, below) = (shim.base, below(file));
        (*below).pMethods = std::ptr::null();
        let code = (*base).xOpen.map_or(ffi::SQLITE_CANTOPEN, |open| open(base, path, below, flags, out_flags));
        if code == ffi::SQLITE_OK {
            let methods = ffi::sqlite3_file { pMethods: &METHODS_OF_ALL.0 };
            file.cast::<File>().write(File { methods, shim });
        } else if let Some(close) = (*below).pMethods.as_ref().and_then(|methods| methods.xClose) {
            close(below);
        }
        shim.heard(code)
    }
}

/// The disk's own file.
///
/// # Safety
/// `file` is in memory of the size that the shim's VFS names.
unsafe fn below(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: by this function's contract.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// The shim, the disk's own file, and its methods.
///
/// # Safety
/// `file` was opened by [`open`] and not closed yet.
unsafe fn parts<'a>(file: *mut ffi::sqlite3_file) -> (&'a Shim, *mut ffi::sqlite3_file, &'a ffi::sqlite3_io_methods) {
    // SAFETY: an open file has the shim's address, and behind it an open file with methods.
    unsafe {
        let below = below(file);
        (&*(*file.cast::<File>()).shim, below, &*(*below).pMethods)
    }
}

/// Passes calls on to the disk's own method of the same name, and listens to the answer.
macro_rules! pass_on {
    ($($name:ident => $method:ident($($argument:ident: $type:ty),*);)*) => {$(
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) -> c_int {
            // SAFETY: SQLite calls methods of open files only.
            let (shim, below, methods) = unsafe { parts(file) };
            // SAFETY: the disk's method is called with its own file and what SQLite gave.
            shim.heard(methods.$method.map_or(ffi::SQLITE_IOERR, |method| unsafe { method(below $(, $argument)*) }))
        }
    )*};
}

pass_on! {
    close => xClose();
    read => xRead(buffer: *mut c_void, amount: c_int, offset: ffi::sqlite3_int64);
    write => xWrite(buffer: *const c_void, amount: c_int, offset: ffi::sqlite3_int64);
    truncate => xTruncate(size: ffi::sqlite3_int64);
    sync => xSync(flags: c_int);
    file_size => xFileSize(size: *mut ffi::sqlite3_int64);
    lock => xLock(level: c_int);
    unlock => xUnlock(level: c_int);
    check_reserved_lock => xCheckReservedLock(out: *mut c_int);
    shm_map => xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void);
    shm_lock => xShmLock(offset: c_int, count: c_int, flags: c_int);
    shm_unmap => xShmUnmap(delete: c_int);
}

/// What a file does not know is no failure.
unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: as in the methods above.
    let (_, below, methods) = unsafe { parts(file) };
    // SAFETY: as in the methods above.
    methods.xFileControl.map_or(ffi::SQLITE_NOTFOUND, |method| unsafe { method(below, operation, argument) })
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: as in the methods above.
    let (_, below, methods) = unsafe { parts(file) };
    // SAFETY: as in the methods above.
    methods.xSectorSize.map_or(0, |method| unsafe { method(below) })
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: as in the methods above.
    let (_, below, methods) = unsafe { parts(file) };
    // SAFETY: as in the methods above.
    methods.xDeviceCharacteristics.map_or(0, |method| unsafe { method(below) })
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: as in the methods above.
    let (_, below, methods) = unsafe { parts(file) };
    if let Some(method) = methods.xShmBarrier {
        // SAFETY: as in the methods above.
        unsafe { method(below) };
    }
}
