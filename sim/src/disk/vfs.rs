//! The VFS: how SQLite finds files, time and randomness. What it does with an open file is in `file.rs`.
//!
//! Each boot has a VFS of its own name, so a connection of an older boot cannot reach a newer one. A registered VFS is
//! never freed, because SQLite keeps its address in connections that may outlive boot and disk; it is lent to a later boot
//! when no file that was opened through it is open any more. Names never enter the trace.
//!
//! All state is reached from `pAppData`, so a copy of the `sqlite3_vfs` with other functions in some places works: that is
//! how a node pins its time.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use lockstep_node::host::DiskError;
use rusqlite::ffi;

use super::file::{self, SimFile};
use super::state::{Caller, Epoch, State};

/// The longest name of a file, in bytes.
const NAME_MAX: c_int = 512;

/// 1970-01-01 in milliseconds of the Julian day, SQLite's beginning of time.
const UNIX_EPOCH_JULIAN_MS: i64 = 210_866_760_000_000;

/// A VFS in the hands of one boot. The boot and every file opened through it hold it.
pub(super) struct Mount {
    shell: &'static Shell,
    state: Weak<Mutex<State>>,
    pub(super) epoch: Epoch,
}

/// A registered VFS, whoever has it.
struct Shell {
    name: CString,
    mount: Mutex<Weak<Mount>>,
}

/// Shells that nobody has.
static FREE: Mutex<Vec<&'static Shell>> = Mutex::new(Vec::new());

impl Mount {
    pub(super) fn new(state: Weak<Mutex<State>>, epoch: Epoch) -> Arc<Mount> {
        let free = FREE.lock().expect("the list's lock is never held across a panic").pop();
        let shell = free.unwrap_or_else(register);
        let mount = Arc::new(Mount { shell, state, epoch });
        *shell.mount.lock().expect("a shell's lock is never held across a panic") = Arc::downgrade(&mount);
        mount
    }

    pub(super) fn name(&self) -> String {
        self.shell.name.to_str().expect("the names are ASCII").to_owned()
    }

    /// Runs a call on the disk, alive or dead.
    pub(super) fn with<T>(&self, call: impl FnOnce(&mut State) -> Result<T, c_int>) -> Result<T, c_int> {
        let state = self.state.upgrade().ok_or(ffi::SQLITE_IOERR)?;
        let mut state = state.lock().map_err(|_| ffi::SQLITE_IOERR)?;
        call(&mut state)
    }

    /// Runs a call that a dead boot may not make.
    pub(super) fn with_live<T>(&self, call: impl FnOnce(&mut State) -> Result<T, c_int>) -> Result<T, c_int> {
        self.with(|state| {
            state.enter(self.epoch).map_err(|_| ffi::SQLITE_IOERR)?;
            call(state)
        })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Ok(mut free) = FREE.lock() {
            free.push(self.shell);
        }
    }
}

/// Turns the result of a callback into SQLite's code. A panic must not reach C: it becomes an I/O error, and the disk's
/// poisoned lock brings it to light in the world's next call.
pub(super) fn code(callback: impl FnOnce() -> Result<(), c_int>) -> c_int {
    match catch_unwind(AssertUnwindSafe(callback)) {
        Ok(Ok(())) => ffi::SQLITE_OK,
        Ok(Err(code)) => code,
        Err(_) => ffi::SQLITE_IOERR,
    }
}

/// SQLite's code for a call that failed: of a dead boot, or by an injected fault.
pub(super) fn io(code: c_int) -> impl FnOnce(DiskError) -> c_int {
    move |_| code
}

/// Seeds the generator that all connections of the process share.
pub(super) fn reseed(number: u64) {
    // 0 would stand for the operating system's randomness.
    let seed = (number as c_int) | 1;
    // SAFETY: this test control takes an int and a connection, which may be null; SQLite guards the generator by a mutex.
    unsafe { ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, seed, std::ptr::null_mut::<ffi::sqlite3>()) };
}

fn register() -> &'static Shell {
    static REGISTERED: AtomicU64 = AtomicU64::new(0);
    let number = REGISTERED.fetch_add(1, Ordering::Relaxed);
    let name = CString::new(format!("lockstep-sim-{number}")).expect("no zero byte in it");
    let shell: &'static Shell = Box::leak(Box::new(Shell { name, mount: Mutex::new(Weak::new()) }));
    let vfs = Box::leak(Box::new(ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<SimFile>() as c_int,
        mxPathname: NAME_MAX,
        pNext: std::ptr::null_mut(),
        zName: shell.name.as_ptr(),
        pAppData: std::ptr::from_ref(shell).cast_mut().cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: Some(dl_open),
        xDlError: Some(dl_error),
        xDlSym: Some(dl_sym),
        xDlClose: Some(dl_close),
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time_ms),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }));
    // SAFETY: the structure, its name and what pAppData points to are leaked, so they outlive every use SQLite makes of them.
    let result = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
    assert_eq!(result, ffi::SQLITE_OK, "SQLite refused to register a VFS");
    shell
}

/// The mount behind a VFS, or behind a copy of one.
///
/// # Safety
/// `vfs` is a `sqlite3_vfs` whose pAppData was set by [`register`].
unsafe fn mount(vfs: *mut ffi::sqlite3_vfs) -> Result<Arc<Mount>, c_int> {
    // SAFETY: pAppData points to a Shell that is never freed and only ever shared.
    let shell = unsafe { &*(*vfs).pAppData.cast::<Shell>() };
    let mount = shell.mount.lock().map_err(|_| ffi::SQLITE_IOERR)?;
    mount.upgrade().ok_or(ffi::SQLITE_IOERR)
}

/// A file's name as SQLite gives it; `None` for the null pointer that asks for a temporary file.
///
/// # Safety
/// `name` is null or points to a string that ends with a zero byte and outlives the call.
unsafe fn name<'a>(name: *const c_char) -> Result<Option<&'a str>, c_int> {
    if name.is_null() {
        return Ok(None);
    }
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(name) }.to_str().map(Some).map_err(|_| ffi::SQLITE_CANTOPEN)
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands over szOsFile writable bytes. Without methods it does not close a file that failed to open.
    unsafe { (*file).pMethods = std::ptr::null() };
    code(|| {
        // SAFETY: SQLite calls with the VFS that was registered or a copy of it, and with a string or null.
        let (mount, name) = unsafe { (mount(vfs)?, name(path)?) };
        let handle = mount.clone().with_live(|state| file::open(state, mount, name, flags))?;
        // SAFETY: `file` has room for a SimFile by szOsFile; `out_flags` is null or writable.
        unsafe {
            file::install(file, handle);
            if !out_flags.is_null() {
                *out_flags = flags;
            }
        }
        Ok(())
    })
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync_directory: c_int) -> c_int {
    code(|| {
        // SAFETY: as in `open`.
        let (mount, name) = unsafe { (mount(vfs)?, name(path)?.ok_or(ffi::SQLITE_IOERR_DELETE)?) };
        mount.with_live(|state| {
            state.files.find(name).ok_or(ffi::SQLITE_IOERR_DELETE_NOENT)?;
            state.remove(Caller::Sqlite, name).map_err(io(ffi::SQLITE_IOERR_DELETE))?;
            if sync_directory != 0 {
                state.sync_directory_now().map_err(io(ffi::SQLITE_IOERR_DIR_FSYNC))?;
            }
            Ok(())
        })
    })
}

/// An empty file counts as absent, as in SQLite's VFS for Unix: an empty journal is no journal.
unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    code(|| {
        // SAFETY: as in `open`.
        let (mount, name) = unsafe { (mount(vfs)?, name(path)?.ok_or(ffi::SQLITE_IOERR_ACCESS)?) };
        let found = mount.with_live(|state| {
            let id = state.look(name);
            Ok(id.is_some_and(|id| flags != ffi::SQLITE_ACCESS_EXISTS || !state.files.get(id).content().is_empty()))
        })?;
        // SAFETY: SQLite passes a writable integer.
        unsafe { *out = c_int::from(found) };
        Ok(())
    })
}

/// There is one directory, so a name is its own full path.
unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a string that ends with a zero byte.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
    if bytes.len() > usize::try_from(size).unwrap_or(0) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `out` has `size` writable bytes, which were just compared, in a buffer of SQLite's own.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, size: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite passes `size` writable bytes.
    let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), usize::try_from(size).unwrap_or(0)) };
    out.fill(0);
    code(|| {
        // SAFETY: as in `open`.
        let mount = unsafe { mount(vfs)? };
        mount.with_live(|state| {
            for bytes in out.chunks_mut(8) {
                bytes.copy_from_slice(&state.randomness.number().to_le_bytes()[..bytes.len()]);
            }
            Ok(())
        })
    });
    size
}

/// No time passes here; what SQLite meant to sleep counts as part of its work.
unsafe extern "C" fn sleep(vfs: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    let time = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    code(|| {
        // SAFETY: as in `open`.
        let mount = unsafe { mount(vfs)? };
        mount.with_live(|state| {
            state.pass(time);
            Ok(())
        })
    });
    micros
}

unsafe extern "C" fn current_time_ms(vfs: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    code(|| {
        // SAFETY: as in `open`.
        let mount = unsafe { mount(vfs)? };
        let wall = mount.with(|state| Ok(state.wall))?;
        let ms = i64::try_from(wall.as_millis()).map_err(|_| ffi::SQLITE_ERROR)?;
        // SAFETY: SQLite passes a writable integer.
        unsafe { *out = UNIX_EPOCH_JULIAN_MS + ms };
        Ok(())
    })
}

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    let mut ms = 0;
    // SAFETY: `vfs` as given, and an integer of our own.
    let result = unsafe { current_time_ms(vfs, &mut ms) };
    // SAFETY: SQLite passes a writable number.
    unsafe { *out = ms as f64 / 86_400_000.0 };
    result
}

/// There are no extensions to load, and SQLite calls these four without asking whether they exist.
unsafe extern "C" fn dl_open(_vfs: *mut ffi::sqlite3_vfs, _path: *const c_char) -> *mut c_void {
    std::ptr::null_mut()
}

unsafe extern "C" fn dl_error(_vfs: *mut ffi::sqlite3_vfs, size: c_int, out: *mut c_char) {
    let message = c"a simulated machine has no extensions to load".to_bytes_with_nul();
    if message.len() <= usize::try_from(size).unwrap_or(0) {
        // SAFETY: `out` has `size` writable bytes, which were just compared.
        unsafe { std::ptr::copy_nonoverlapping(message.as_ptr().cast(), out, message.len()) };
    }
}

unsafe extern "C" fn dl_sym(
    _vfs: *mut ffi::sqlite3_vfs,
    _library: *mut c_void,
    _symbol: *const c_char,
) -> Option<unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *mut c_void, *const c_char)> {
    None
}

unsafe extern "C" fn dl_close(_vfs: *mut ffi::sqlite3_vfs, _library: *mut c_void) {}
