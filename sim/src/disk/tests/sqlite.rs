//! SQLite on the disk: shared memory, time, randomness, strikes, dead boots.

use std::time::Duration;

use lockstep_node::host::Work;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::*;

pub(super) fn connect(boot: &Boot) -> rusqlite::Result<Connection> {
    let vfs = boot.vfs();
    Connection::open_with_flags_and_vfs(format!("{}db", vfs.prefix), OpenFlags::default(), vfs.name.as_str())
}

fn wal(boot: &Boot) -> Connection {
    let db = connect(boot).expect("the VFS opens files");
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).expect("WAL is possible");
    assert_eq!(mode, "wal");
    db.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE IF NOT EXISTS t(a)")
        .expect("a table can be made");
    db
}

fn count(db: &Connection) -> i64 {
    db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("the table can be read")
}

/// What a checkpoint says: busy, frames in the log, frames copied.
fn checkpoint(db: &Connection, mode: &str) -> (i64, i64, i64) {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("a checkpoint runs")
}

#[test]
fn a_reader_and_a_writer_share_the_log_and_a_checkpoint_stops_at_the_reader() {
    let disk = disk(1);
    let boot = disk.boot();
    let writer = wal(&boot);
    writer.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    let reader = connect(&boot).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&reader), 1);

    writer.execute_batch("INSERT INTO t VALUES(2)").unwrap();
    assert_eq!(count(&reader), 1, "a read transaction keeps its snapshot");
    let (_, log, copied) = checkpoint(&writer, "PASSIVE");
    assert!(copied < log, "the reader still needs the older page: {copied} of {log} frames copied");
    assert_eq!(checkpoint(&writer, "TRUNCATE").0, 1, "busy");

    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&reader), 2);
    assert_eq!(checkpoint(&writer, "TRUNCATE"), (0, 0, 0));
    assert_eq!(boot.len("db-wal").unwrap(), Some(0));
}

#[test]
fn two_writers_exclude_each_other() {
    let disk = disk(1);
    let boot = disk.boot();
    let (one, two) = (wal(&boot), wal(&boot));
    one.execute_batch("BEGIN IMMEDIATE").unwrap();
    two.busy_timeout(Duration::ZERO).unwrap();
    let refused = two.execute_batch("BEGIN IMMEDIATE").unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    one.execute_batch("INSERT INTO t VALUES(1); COMMIT").unwrap();
    two.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(2); COMMIT").unwrap();
    assert_eq!(count(&one), 2);
}

#[test]
fn a_busy_writer_sleeps_in_simulated_time_only() {
    let disk = disk(1);
    let boot = disk.boot();
    let (one, two) = (wal(&boot), wal(&boot));
    one.execute_batch("BEGIN IMMEDIATE").unwrap();
    two.busy_timeout(Duration::from_secs(3600)).unwrap();
    boot.begin_work(Work::Commit);
    two.execute_batch("BEGIN IMMEDIATE").unwrap_err();
    assert!(boot.end_work() > Duration::from_secs(3500));
}

#[test]
fn a_rollback_journal_works_with_locks_of_its_own() {
    let disk = disk(1);
    let boot = disk.boot();
    let (one, two) = (connect(&boot).unwrap(), connect(&boot).unwrap());
    one.execute_batch("CREATE TABLE t(a); BEGIN EXCLUSIVE; INSERT INTO t VALUES(1)").unwrap();
    two.busy_timeout(Duration::ZERO).unwrap();
    assert!(two.prepare("SELECT * FROM t").is_err(), "the schema cannot be read under an exclusive lock");
    one.execute_batch("ROLLBACK").unwrap();
    assert_eq!(count(&two), 0);
    assert_eq!(boot.list().unwrap(), ["db"]);
}

#[test]
fn large_sorts_spill_to_temporary_files_that_vanish() {
    let disk = disk(1);
    let boot = disk.boot();
    let db = wal(&boot);
    db.execute_batch("PRAGMA temp_store = FILE; PRAGMA cache_size = 10; PRAGMA cache_spill = 1").unwrap();
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO t SELECT printf('%0100d', i * 7919 % 20011) FROM n ORDER BY 1",
    )
    .unwrap();
    assert_eq!(count(&db), 20_000);
    assert_eq!(boot.list().unwrap(), ["db", "db-wal"]);
}

#[test]
fn time_is_the_machines_and_work_takes_the_time_of_its_accesses() {
    let disk = disk(1);
    let boot = disk.boot();
    let db = wal(&boot);
    disk.begin_turn(Duration::from_millis(1_000_000_000_250), true);
    let now: String = db.query_row("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')", [], |row| row.get(0)).unwrap();
    assert_eq!(now, "2001-09-09 01:46:40.250");

    boot.begin_work(Work::Commit);
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    let normal = boot.end_work();
    assert!(normal >= Duration::from_micros(40), "a page and its header were written: {normal:?}");
    assert!(normal < Duration::from_micros(200), "no sync under NORMAL: {normal:?}");
    db.execute_batch("PRAGMA synchronous = FULL").unwrap();
    boot.begin_work(Work::Commit);
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    assert!(boot.end_work() > Duration::from_micros(240), "FULL waits for a sync");
}

#[test]
fn of_two_strikes_at_one_call_of_a_commit_the_second_waits_for_another_commit() {
    let disk = disk(1);
    let boot = disk.boot();
    let db = wal(&boot);
    [4, 5].into_iter().for_each(|event| disk.arm(Strike { event, nth: 1, during: During::Commit }));
    boot.begin_work(Work::Commit);
    assert!(db.execute_batch("INSERT INTO t VALUES(1)").is_err());
    boot.end_work();
    assert_eq!(disk.end_turn().0.map(|struck| struck.strike.event), Some(4));
    let next = disk.boot();
    next.write("log", 0, b"x").expect("an append is no commit");
    let db = wal(&next);
    next.begin_work(Work::Commit);
    assert!(db.execute_batch("INSERT INTO t VALUES(2)").is_err());
    next.end_work();
    assert_eq!(disk.end_turn().0.map(|struck| struck.strike.event), Some(5));
}

#[test]
fn a_strike_inside_a_commit_kills_the_connection_and_the_next_boot_opens_the_database() {
    let disk = disk(1);
    let boot = disk.boot();
    let db = wal(&boot);
    checkpoint(&db, "TRUNCATE");
    disk.arm(Strike { event: 0, nth: 2, during: During::Commit });
    db.execute_batch("INSERT INTO t VALUES(1)").expect("outside of a commit nothing counts");
    boot.begin_work(Work::Commit);
    let failed = db.execute_batch("INSERT INTO t VALUES(2)").unwrap_err();
    assert_eq!(failed.sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    assert_eq!(boot.end_work(), Duration::ZERO);
    assert!(disk.end_turn().0.is_some());

    let calls = disk.calls();
    let next = disk.boot();
    let reopened = connect(&next).unwrap();
    assert!((0..=1).contains(&count(&reopened)));
    let used = disk.calls();
    assert!(used > calls);
    assert!(db.query_row("SELECT count(*) FROM t", [], |_| Ok(())).is_err());
    assert!(connect(&boot).is_err(), "a dead boot opens nothing");
    drop(db);
    assert_eq!(disk.calls(), used, "a dead connection closes without a call on the disk");
    assert_eq!(count(&reopened), count(&connect(&next).unwrap()));
}

#[test]
fn a_kill_keeps_committed_transactions_that_were_never_synced() {
    let disk = disk_with(&Trace::default(), 1, 1_000_000, 0);
    let boot = disk.boot();
    let db = wal(&boot);
    checkpoint(&db, "TRUNCATE");
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    disk.kill();
    let boot = disk.boot();
    let survivor = connect(&boot).unwrap();
    assert_eq!(count(&survivor), 1);
    disk.power_cut();
    assert_eq!(count(&connect(&disk.boot()).unwrap()), 0);
    drop((db, survivor));
}

#[test]
fn a_failed_sync_fails_the_checkpoint_that_asked_for_it() {
    let disk = disk(1);
    let boot = disk.boot();
    let db = wal(&boot);
    db.execute_batch("INSERT INTO t VALUES(1)").unwrap();
    disk.inject_sync_error(1);
    let failed = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap_err();
    assert_eq!(failed.sqlite_error().map(|error| error.extended_code), Some(rusqlite::ffi::SQLITE_IOERR_FSYNC));
}

#[test]
fn a_connection_may_outlive_its_disk() {
    let disk = disk(1);
    let db = wal(&disk.boot());
    drop(disk);
    assert!(db.execute_batch("INSERT INTO t VALUES(1)").is_err());
    drop(db);
}

#[test]
fn a_vfs_is_lent_again_only_when_its_files_are_closed() {
    let disk = disk(1);
    let boot = disk.boot();
    let (name, db) = (boot.vfs().name, wal(&boot));
    disk.kill();
    let next = disk.boot();
    assert_ne!(next.vfs().name, name, "a dead connection still uses it");
    assert_eq!(next.vfs(), next.vfs());
    drop(db);
}

/// The journal is in memory: its salt on disk would come from SQLite's generator, which parallel tests share.
#[test]
fn equal_seeds_give_sqlite_equal_traces_times_and_images() {
    let run = |seed| {
        let trace = Trace::default();
        let disk = disk_with(&trace, seed, 333_333, 333_333);
        let boot = disk.boot();
        let db = connect(&boot).unwrap();
        boot.begin_work(Work::Commit);
        db.execute_batch("PRAGMA journal_mode = MEMORY; CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(20000))")
            .unwrap();
        let took = boot.end_work();
        db.execute_batch("PRAGMA synchronous = OFF; INSERT INTO t VALUES(zeroblob(20000))").unwrap();
        drop(db);
        let resolved = disk.power_cut();
        let boot = disk.boot();
        (took, resolved, boot.read("db", 0, usize::MAX).ok(), trace.digest())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).3, run(2).3);
}

/// An empty journal left by a power cut must not be taken for one to roll back.
#[test]
fn sqlite_takes_an_empty_file_for_none() {
    let disk = disk(1);
    let boot = disk.boot();
    let vfs = std::ffi::CString::new(boot.vfs().name).unwrap();
    let exists = |name: &std::ffi::CStr| {
        let mut found = -1;
        // SAFETY: the VFS is registered for good, and all three are what xAccess takes.
        unsafe {
            let vfs = rusqlite::ffi::sqlite3_vfs_find(vfs.as_ptr());
            (*vfs).xAccess.unwrap()(vfs, name.as_ptr(), rusqlite::ffi::SQLITE_ACCESS_EXISTS, &mut found);
        }
        found
    };
    assert_eq!(exists(c"db-journal"), 0);
    boot.write("db-journal", 0, b"").unwrap();
    assert_eq!(exists(c"db-journal"), 0);
    boot.write("db-journal", 0, b"x").unwrap();
    assert_eq!(exists(c"db-journal"), 1);
}
