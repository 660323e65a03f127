//! What SQLite does with an open file: the methods of `sqlite3_file`, version 2.
//!
//! Every file has the methods for shared memory, and none for exclusive locking or memory mapping: a database has readers.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use rusqlite::ffi;

use super::files::FileId;
use super::inode::SECTOR;
use super::locks::Level;
use super::shm::{Mapping, REGION, SLOTS};
use super::state::{Call, Caller, State};
use super::vfs::{Mount, code, io};

/// The files whose creation SQLite's VFS for Unix makes durable with their first sync.
const JOURNALS: c_int = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;

/// What SQLite allocates for an open file.
#[repr(C)]
pub(super) struct SimFile {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

/// One open file of one connection.
pub(super) struct Handle {
    mount: Arc<Mount>,
    file: FileId,
    /// Tells handles apart where they lock.
    number: u64,
    level: Level,
    /// Whether the next sync is to cover the directory: the handle created a journal.
    sync_directory: bool,
    /// The name to remove when the handle is closed.
    temporary: Option<String>,
    mapping: Option<Mapping>,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
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

/// Opens a file as the flags say: creating it, refusing one that exists, removing it when it is closed.
pub(super) fn open(state: &mut State, mount: Arc<Mount>, name: Option<&str>, flags: c_int) -> Result<Handle, c_int> {
    let found = name.and_then(|name| state.files.find(name));
    let (may_create, must_create) = (flags & ffi::SQLITE_OPEN_CREATE != 0, flags & ffi::SQLITE_OPEN_EXCLUSIVE != 0);
    let file = match found {
        Some(_) if may_create && must_create => return Err(ffi::SQLITE_CANTOPEN),
        Some(file) => {
            state.note(Call::Open, file, 0, name.unwrap_or_default().as_bytes());
            file
        }
        None if may_create || name.is_none() => state.create(Caller::Sqlite, name).map_err(io(ffi::SQLITE_CANTOPEN))?,
        None => return Err(ffi::SQLITE_CANTOPEN),
    };
    state.files.get_mut(file).open += 1;
    state.handles += 1;
    Ok(Handle {
        mount,
        file,
        number: state.handles,
        level: Level::None,
        sync_directory: found.is_none() && flags & JOURNALS != 0,
        temporary: name.filter(|_| flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0).map(str::to_owned),
        mapping: None,
    })
}

/// Makes a handle out of the memory that SQLite allocated.
///
/// # Safety
/// `file` points to `size_of::<SimFile>()` writable bytes, aligned as SQLite allocates.
pub(super) unsafe fn install(file: *mut ffi::sqlite3_file, handle: Handle) {
    let handle = Box::into_raw(Box::new(handle));
    // SAFETY: by this function's contract. The handle is freed by `close`, which SQLite calls once.
    unsafe { file.cast::<SimFile>().write(SimFile { base: ffi::sqlite3_file { pMethods: &METHODS }, handle }) };
}

/// The handle behind a file.
///
/// # Safety
/// `file` was installed, was not closed, and no other reference to its handle is in use: SQLite uses a file from one
/// connection, and a connection from one thread at a time.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: by this function's contract.
    unsafe { &mut *(*file.cast::<SimFile>()).handle }
}

impl Handle {
    /// Runs a call that a dead boot may not make.
    fn live<T>(&mut self, call: impl FnOnce(&mut Handle, &mut State) -> Result<T, c_int>) -> Result<T, c_int> {
        let mount = self.mount.clone();
        mount.with_live(|state| call(self, state))
    }

    /// Gives back everything that the handle holds in its boot.
    fn release(&mut self, state: &mut State) -> Result<(), c_int> {
        self.unmap(state);
        self.lower(state, Level::None);
        let inode = state.files.get_mut(self.file);
        inode.open -= 1;
        let unused = inode.open == 0;
        if let Some(name) = self.temporary.take().filter(|name| state.files.find(name) == Some(self.file)) {
            state.remove(Caller::Sqlite, &name).map_err(io(ffi::SQLITE_IOERR_CLOSE))?;
        }
        if unused {
            state.locks.remove(&self.file);
            state.files.drop_unreachable();
        }
        Ok(())
    }

    fn lower(&mut self, state: &mut State, to: Level) {
        if let Some(locks) = state.locks.get_mut(&self.file) {
            locks.lower(self.number, &mut self.level, to);
        }
    }

    fn unmap(&mut self, state: &mut State) {
        if let (Some(mapping), Some(shm)) = (self.mapping.take(), state.shm.get_mut(&self.file))
            && shm.unmap(mapping)
        {
            state.shm.remove(&self.file);
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: `install` made the handle of a box, and SQLite closes a file once.
    let mut handle = unsafe { Box::from_raw((*file.cast::<SimFile>()).handle) };
    code(|| {
        // A dead boot has nothing left to give back.
        let _ = handle.live(Handle::release);
        Ok(())
    })
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, out: *mut c_void, length: c_int, offset: i64) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file and `length` writable bytes.
        let (handle, out) = unsafe {
            (self::handle(file), std::slice::from_raw_parts_mut(out.cast::<u8>(), usize::try_from(length).unwrap_or(0)))
        };
        handle.live(|handle, state| {
            if let Some(code) = state.read_error() {
                return Err(code);
            }
            let found = state.read(handle.file, offset as u64, out.len());
            let (data, rest) = out.split_at_mut(found.len());
            data.copy_from_slice(found);
            // SQLite relies on zeros after the end.
            rest.fill(0);
            if rest.is_empty() { Ok(()) } else { Err(ffi::SQLITE_IOERR_SHORT_READ) }
        })
    })
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, length: c_int, offset: i64) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file and `length` readable bytes.
        let (handle, bytes) = unsafe {
            (self::handle(file), std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(length).unwrap_or(0)))
        };
        handle.live(|handle, state| {
            state.write(Caller::Sqlite, handle.file, offset as u64, bytes).map_err(io(ffi::SQLITE_IOERR_WRITE))
        })
    })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file.
        unsafe { handle(file) }.live(|handle, state| {
            state.truncate(Caller::Sqlite, handle.file, length as u64).map_err(io(ffi::SQLITE_IOERR_TRUNCATE))
        })
    })
}

/// The first sync of a journal that this handle created covers the directory too, as SQLite's VFS for Unix does it; that
/// makes the names of all files durable, the database's included.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file.
        unsafe { handle(file) }.live(|handle, state| {
            state.sync_now(handle.file, handle.sync_directory).map_err(io(ffi::SQLITE_IOERR_FSYNC))?;
            handle.sync_directory = false;
            Ok(())
        })
    })
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file.
        let size = unsafe { handle(file) }.live(|handle, state| Ok(state.files.get(handle.file).content().len()))?;
        // SAFETY: SQLite passes a writable integer.
        unsafe { *out = size as i64 };
        Ok(())
    })
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file.
        unsafe { handle(file) }.live(|handle, state| {
            let locks = state.locks.entry(handle.file).or_default();
            locks.raise(handle.number, &mut handle.level, Level::of(level)).map_err(|_| ffi::SQLITE_BUSY)
        })
    })
}

/// Unlocking never fails: a dead boot has no locks left.
unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file.
        let _ = unsafe { handle(file) }.live(|handle, state| {
            handle.lower(state, Level::of(level));
            Ok(())
        });
        Ok(())
    })
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file.
        let reserved = unsafe { handle(file) }
            .live(|handle, state| Ok(state.locks.get(&handle.file).is_some_and(|locks| locks.reserved())))?;
        // SAFETY: SQLite passes a writable integer.
        unsafe { *out = c_int::from(reserved) };
        Ok(())
    })
}

/// Every request is one that a VFS may leave to SQLite.
unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _operation: c_int, _argument: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    SECTOR as c_int
}

/// Any more that a device promises lets SQLite leave out syncs.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file.
        let found = unsafe { handle(file) }.live(|handle, state| {
            if usize::try_from(size) != Ok(REGION) {
                return Err(ffi::SQLITE_IOERR_SHMSIZE);
            }
            let mapping = handle.mapping.get_or_insert_with(|| state.shm.entry(handle.file).or_default().map());
            Ok(mapping.region(usize::try_from(region).unwrap_or(0), extend != 0))
        })?;
        // SAFETY: SQLite passes a writable pointer, and unmaps before it closes the file, which holds the mapping.
        unsafe { *out = found.unwrap_or(std::ptr::null_mut()) };
        Ok(())
    })
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    code(|| {
        let first = usize::try_from(offset).unwrap_or(SLOTS);
        let slots = first..first + usize::try_from(count).unwrap_or(SLOTS);
        if slots.end > SLOTS {
            return Err(ffi::SQLITE_IOERR_SHMLOCK);
        }
        // SAFETY: SQLite passes an open file.
        unsafe { handle(file) }.live(|handle, state| {
            let (Some(mapping), Some(shm)) = (&mut handle.mapping, state.shm.get_mut(&handle.file)) else {
                return Err(ffi::SQLITE_IOERR_SHMLOCK);
            };
            if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
                shm.unlock(mapping, slots);
                return Ok(());
            }
            let locked = if flags & ffi::SQLITE_SHM_SHARED != 0 {
                shm.lock_shared(mapping, slots)
            } else {
                shm.lock_exclusive(mapping, slots)
            };
            locked.map_err(|_| ffi::SQLITE_BUSY)
        })
    })
}

/// The connections of a machine share one thread at a time; the fence keeps the compiler honest.
unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    code(|| {
        // SAFETY: SQLite passes an open file.
        let handle = unsafe { handle(file) };
        let _ = handle.live(|handle, state| {
            handle.unmap(state);
            Ok(())
        });
        // A dead boot's shared memory is gone from the state; this lets go of the memory itself.
        handle.mapping = None;
        Ok(())
    })
}
