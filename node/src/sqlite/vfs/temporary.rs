//! Temporary files: what SQLite sorts, groups or holds in between, beyond its cache. They are in memory, and what a
//! connection has in them is bounded, since a statement of few instructions can hold a great many large rows.
//!
//! What SQLite puts there follows from the statement and the tables, so all replicas meet the bound at the same point. The
//! journals from which it undoes a statement are not counted: they hold pages, and which those are is the file's affair.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::ffi;

/// How much all temporary files of a connection hold, and may hold.
#[derive(Debug)]
pub(super) struct Space {
    used: AtomicU64,
    limit: AtomicU64,
    refused: AtomicBool,
}

impl Default for Space {
    fn default() -> Self {
        Space { used: AtomicU64::new(0), limit: AtomicU64::new(u64::MAX), refused: AtomicBool::new(false) }
    }
}

impl Space {
    pub(super) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn take_refused(&self) -> bool {
        self.refused.swap(false, Ordering::Relaxed)
    }

    /// Takes so many bytes, or none.
    fn take(&self, bytes: u64) -> bool {
        let used = self.used.load(Ordering::Relaxed) + bytes;
        let fits = used <= self.limit.load(Ordering::Relaxed);
        if fits {
            self.used.store(used, Ordering::Relaxed);
        } else {
            self.refused.store(true, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A file grows by blocks, so that nothing is moved when it does.
const BLOCK_BYTES: usize = 64 << 10;

/// A file. What SQLite sees is the first field.
#[repr(C)]
struct File {
    methods: ffi::sqlite3_file,
    content: *mut Content,
}

const _: () = assert!(size_of::<File>() as c_int <= super::file::SIZE, "SQLite provides room for a file of the disk");

struct Content {
    space: *const Space,
    counted: bool,
    blocks: Vec<Box<[u8]>>,
    length: u64,
}

impl Content {
    /// Grows to hold so many bytes. Returns false if there is no space for that.
    fn grow(&mut self, length: u64) -> bool {
        while ((self.blocks.len() * BLOCK_BYTES) as u64) < length {
            // SAFETY: the space is a part of the shim, which outlives its files.
            if self.counted && !unsafe { &*self.space }.take(BLOCK_BYTES as u64) {
                return false;
            }
            self.blocks.push(vec![0; BLOCK_BYTES].into());
        }
        self.length = self.length.max(length);
        true
    }

    fn cut(&mut self, length: u64) {
        self.length = self.length.min(length);
        let kept = usize::try_from(self.length).expect("it is in memory").div_ceil(BLOCK_BYTES);
        let released = self.blocks.len().saturating_sub(kept);
        self.blocks.truncate(kept);
        // Should the file grow again, what was cut off reads as zeros.
        if let Some(last) = self.blocks.last_mut() {
            let begin = (self.length % BLOCK_BYTES as u64) as usize;
            if begin > 0 {
                last[begin..].fill(0);
            }
        }
        if self.counted {
            // SAFETY: as in `grow`.
            unsafe { &*self.space }.give_back((released * BLOCK_BYTES) as u64);
        }
    }

    /// Calls `with` for each part of a block in the range, and where in the range it begins.
    fn parts(&mut self, offset: u64, length: usize, mut with: impl FnMut(usize, &mut [u8])) {
        let offset = usize::try_from(offset).expect("it is in memory");
        let mut done = 0;
        while done < length {
            let (block, begin) = ((offset + done) / BLOCK_BYTES, (offset + done) % BLOCK_BYTES);
            let end = BLOCK_BYTES.min(begin + length - done);
            with(done, &mut self.blocks[block][begin..end]);
            done += end - begin;
        }
    }
}

static METHODS: Methods = Methods(ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(succeed),
    xFileSize: Some(file_size),
    xLock: Some(succeed),
    xUnlock: Some(succeed),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
});

/// A table of functions that never changes.
struct Methods(ffi::sqlite3_io_methods);

// SAFETY: it holds addresses of functions and numbers, and is never written to.
unsafe impl Sync for Methods {}

/// Opens an empty file.
///
/// # Safety
/// The arguments are those of SQLite's xOpen, and the space outlives the file.
pub(super) unsafe fn open(space: &Space, file: *mut ffi::sqlite3_file, flags: c_int, out_flags: *mut c_int) {
    let counted = flags & ffi::SQLITE_OPEN_SUBJOURNAL == 0;
    let content = Box::new(Content { space, counted, blocks: Vec::new(), length: 0 });
    let methods = ffi::sqlite3_file { pMethods: &METHODS.0 };
    // SAFETY: there is room for a File, as asserted above; `out_flags` is null or writable.
    unsafe {
        file.cast::<File>().write(File { methods, content: Box::into_raw(content) });
        if let Some(out) = out_flags.as_mut() {
            *out = flags;
        }
    }
}

/// # Safety
/// The file is open, and nothing else uses its content meanwhile: SQLite's connections are used by one thread at a time.
unsafe fn content<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Content {
    // SAFETY: by this function's contract; the content was leaked from a box in `open`.
    unsafe { &mut *(*file.cast::<File>()).content }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once; the content was leaked from a box in `open`.
    unsafe {
        content(file).cut(0);
        drop(Box::from_raw((*file.cast::<File>()).content));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, buffer: *mut c_void, amount: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open, and SQLite passes `amount` writable bytes.
    let (content, buffer) = unsafe {
        (content(file), std::slice::from_raw_parts_mut(buffer.cast::<u8>(), usize::try_from(amount).unwrap_or(0)))
    };
    let offset = offset as u64;
    let there = content.length.saturating_sub(offset).min(buffer.len() as u64) as usize;
    content.parts(offset, there, |at, part| buffer[at..at + part.len()].copy_from_slice(part));
    buffer[there..].fill(0);
    if there < buffer.len() { ffi::SQLITE_IOERR_SHORT_READ } else { ffi::SQLITE_OK }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, buffer: *const c_void, amount: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open, and SQLite passes `amount` readable bytes.
    let (content, buffer) = unsafe {
        (content(file), std::slice::from_raw_parts(buffer.cast::<u8>(), usize::try_from(amount).unwrap_or(0)))
    };
    let offset = offset as u64;
    if !content.grow(offset + buffer.len() as u64) {
        return ffi::SQLITE_FULL;
    }
    content.parts(offset, buffer.len(), |at, part| part.copy_from_slice(&buffer[at..at + part.len()]));
    ffi::SQLITE_OK
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: the file is open.
    unsafe { content(file) }.cut(size as u64);
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: the file is open, and SQLite passes a writable number.
    unsafe { *size = content(file).length as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn succeed(_file: *mut ffi::sqlite3_file, _argument: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite passes a writable integer.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _operation: c_int, _argument: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    0
}
