//! An error is the environment's if the disk said so, and only then.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock};

use lockstep_node::state_machine::Fatal;
use rusqlite::ffi;

use super::*;

/// What writes to the write-ahead log on the VFS "failing" answer; 0 to write.
static ANSWER: AtomicI32 = AtomicI32::new(0);
/// The methods of SQLite's own write-ahead logs, and the same with another write.
static METHODS: OnceLock<(ffi::sqlite3_io_methods, ffi::sqlite3_io_methods)> = OnceLock::new();
/// One test at a time tells the disk what to answer.
static TURN: Mutex<()> = Mutex::new(());

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

/// A machine on a disk whose writes can fail.
fn machine(directory: &tempfile::TempDir) -> StateMachine {
    static ONCE: std::sync::Once = std::sync::Once::new();
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
    let vfs = SqliteVfs { name: "failing".into(), prefix: format!("{}/", directory.path().display()) };
    StateMachine::open(&vfs, "db", Correct).unwrap()
}

#[test]
fn a_full_disk_ends_the_machine_before_the_index_moves() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let directory = tempfile::tempdir().unwrap();
    let mut machine = machine(&directory);
    let entries = log([command(&["CREATE TABLE t(a)"], false), command(&[&large_insert()], false)]);
    machine.apply(&entries[..1]).unwrap();

    ANSWER.store(ffi::SQLITE_FULL, Ordering::SeqCst);
    let fatal = machine.apply(&entries[1..]).unwrap_err();
    ANSWER.store(0, Ordering::SeqCst);
    assert!(matches!(&fatal, Fatal::Sqlite { code: ffi::SQLITE_FULL, .. }), "{fatal}");
    assert_eq!(machine.applied().index, Index(1));

    drop(machine);
    let mut machine = self::machine(&directory);
    assert_eq!(machine.applied().index, Index(1));
    machine.apply(&entries[1..]).unwrap();
}

/// More than the cache holds, so that pages are written in the middle of the statement.
fn large_insert() -> String {
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
     INSERT INTO t SELECT randomblob(100000) FROM n"
        .to_owned()
}

#[test]
fn an_error_that_looks_like_the_statements_is_the_disks_if_it_failed_meanwhile() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let directory = tempfile::tempdir().unwrap();
    let mut machine = machine(&directory);
    let entries = log([command(&["CREATE TABLE t(a)"], false), command(&[&large_insert()], false)]);
    machine.apply(&entries[..1]).unwrap();
    ANSWER.store(ffi::SQLITE_ERROR, Ordering::SeqCst);
    let fatal = machine.apply(&entries[1..]).unwrap_err();
    ANSWER.store(0, Ordering::SeqCst);
    assert!(matches!(&fatal, Fatal::Sqlite { .. }), "{fatal}");
}

#[test]
fn a_counter_that_is_exhausted_is_no_full_disk() {
    let mut machine = Machine::new();
    machine.run(&[
        "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, v UNIQUE)",
        "INSERT INTO a(id, v) VALUES (9223372036854775806, 'first')",
    ]);
    for sql in
        ["INSERT OR IGNORE INTO a(v) VALUES ('x'), ('x')", "INSERT INTO a(v) VALUES (1)", "INSERT INTO a(v) VALUES (1)"]
    {
        let result = machine.one(sql);
        assert!(message(&result).contains("9223372036854775807"), "{result:?}");
    }
    machine.one("DELETE FROM sqlite_sequence").unwrap();
    machine.reopen().one("SELECT 1").unwrap();
}
