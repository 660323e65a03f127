//! Copies of a database that goes on meanwhile, and files that only look like copies.

use std::fs;

use lockstep_node::raft::Position;
use lockstep_node::state_machine::{Copied, Copier, Fatal, Summing, verify_copy};

use super::*;

/// A machine with some hundred pages of everything that a copy must keep: rowids with gaps, counters, an index, freed
/// pages, a membership.
fn furnished() -> Machine {
    let mut machine = Machine::new();
    let fill = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)";
    machine.run(&[
        "CREATE TABLE plain(a, b)",
        "CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, a)",
        "CREATE INDEX plain_b ON plain(b)",
        &format!("{fill} INSERT INTO plain SELECT i, printf('%0200d', i * 7919 % 2003) FROM n"),
        &format!("{fill} INSERT INTO counted(a) SELECT i FROM n"),
        "DELETE FROM plain WHERE a % 3 = 0",
        "DELETE FROM counted WHERE id > 1990",
        "DROP INDEX plain_b",
        "CREATE VIEW both AS SELECT * FROM plain JOIN counted USING (a)",
    ]);
    let next = machine.machine.applied().index.next();
    machine.machine.apply(&[entry(next, EntryKind::Configuration, membership())]).unwrap();
    machine
}

fn path(machine: &Machine, file: &str) -> std::path::PathBuf {
    machine.directory.path().join(file)
}

fn begin(machine: &Machine) -> Copier {
    Copier::begin(&vfs(&machine.directory), "db", "copy").unwrap()
}

fn complete(mut copier: Copier) -> Summing {
    while copier.step(10).unwrap().remaining > 0 {}
    copier.finish()
}

fn pragma(directory: &TempDir, file: &str, name: &str) -> i64 {
    let connection = open_reader(&vfs(directory), file).unwrap();
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_copy_is_of_the_moment_when_it_was_begun() {
    for checkpoint_before in [false, true] {
        let mut machine = furnished();
        if checkpoint_before {
            machine.machine.checkpoint().unwrap();
        }
        let (position, digest, contents) = (machine.machine.applied(), machine.machine.digest(), machine.dump());
        let version = pragma(&machine.directory, "db", "schema_version");
        let mut copier = begin(&machine);
        let (mut steps, mut remaining) = (0, u32::MAX);
        while remaining > 0 {
            let progress = copier.step(7).unwrap();
            assert!(progress.remaining <= remaining, "the copy began anew");
            (steps, remaining) = (steps + 1, progress.remaining);
            machine.run(&["UPDATE plain SET b = b || 'x'", "INSERT INTO counted(a) VALUES (0)"]);
            if steps == 2 {
                machine.run(&["ALTER TABLE plain ADD COLUMN c", "DROP VIEW both"]);
            }
            if steps % 3 == 0 {
                assert_eq!(machine.machine.checkpoint().unwrap().durable, None, "the copy still reads the log");
            }
        }
        assert!(steps > 20, "{steps} steps leave little time to interfere");
        assert_eq!(copier.position(), position);
        copier.finish();
        assert!(machine.machine.checkpoint().unwrap().durable.is_some());

        let verified = verify_copy(&vfs(&machine.directory), "copy").unwrap();
        assert_eq!((verified.position, verified.digest), (position, digest));
        assert_eq!(verified.membership, machine.machine.membership().unwrap());
        let mut files: Vec<_> =
            fs::read_dir(machine.directory.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["copy", "db", "db-shm", "db-wal"], "a copy is one file");

        let copy = open_reader(&vfs(&machine.directory), "copy").unwrap();
        assert_eq!(dump(&copy).unwrap(), contents);
        assert_eq!(pragma(&machine.directory, "copy", "schema_version"), version);
        assert_eq!(pragma(&machine.directory, "copy", "page_size"), 4096);
    }
}

#[test]
fn a_machine_goes_on_from_a_copy_as_the_original_does() {
    let mut original = furnished();
    complete(begin(&original));
    let mut copy = StateMachine::open(&vfs(&original.directory), "copy", Correct).unwrap();
    let statements = ["INSERT INTO counted(a) VALUES (1) RETURNING id", "INSERT INTO plain VALUES (random(), 2)"];
    let next = entry(original.machine.applied().index.next(), EntryKind::Data, command(&statements, false).encode());
    assert_eq!(copy.apply(std::slice::from_ref(&next)).unwrap(), original.machine.apply(&[next]).unwrap());
    copy.verify().unwrap();
    assert_eq!(copy.digest(), original.machine.digest());
    assert!(copy.checkpoint().unwrap().durable.is_some());
}

#[test]
fn a_sum_is_of_the_whole_file_in_whatever_chunks() {
    let machine = furnished();
    let mut summing = complete(begin(&machine));
    let bytes = fs::read(path(&machine, "copy")).unwrap();
    bytes.chunks(1000).for_each(|chunk| summing.add(chunk));
    assert_eq!(summing.length_bytes(), bytes.len() as u64);
    let copied = summing.finish();
    let sum = |bytes: &[u8]| {
        let mut summing = Summing::new(machine.machine.applied());
        summing.add(bytes);
        summing.finish()
    };
    assert_eq!(copied, sum(&bytes));
    assert_ne!(copied, sum(&bytes[..bytes.len() - 1]));
    let Copied { position, length_bytes, .. } = copied;
    assert_eq!((position, length_bytes), (machine.machine.applied(), bytes.len() as u64));
}

#[test]
fn a_copy_is_not_made_over_another_file() {
    let machine = furnished();
    complete(begin(&machine));
    let error = Copier::begin(&vfs(&machine.directory), "db", "copy").unwrap_err().to_string();
    assert!(error.contains("copy has") && error.contains("pages already"), "{error}");
}

#[test]
fn a_copy_that_was_left_unfinished_or_cut_short_is_found_out() {
    let machine = furnished();
    let mut copier = begin(&machine);
    copier.step(20).unwrap();
    drop(copier);
    verify_copy(&vfs(&machine.directory), "copy").unwrap_err();

    fs::remove_file(path(&machine, "copy")).unwrap();
    complete(begin(&machine));
    let whole = fs::read(path(&machine, "copy")).unwrap();
    for pages in [0, 1, 5, whole.len() / 4096 - 1] {
        fs::write(path(&machine, "copy"), &whole[..pages * 4096]).unwrap();
        verify_copy(&vfs(&machine.directory), "copy").unwrap_err();
    }
    fs::remove_file(path(&machine, "copy")).unwrap();
    let error = verify_copy(&vfs(&machine.directory), "copy").unwrap_err();
    assert!(matches!(error, Fatal::Open { .. }), "{error}");
    assert!(!path(&machine, "copy").exists());
}

#[test]
fn a_value_that_was_changed_in_a_copy_is_found_out() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES ('truth')"]);
    complete(begin(&machine));
    let mut bytes = fs::read(path(&machine, "copy")).unwrap();
    let at = bytes.windows(5).position(|window| window == b"truth").unwrap();
    bytes[at..at + 5].copy_from_slice(b"wrong");
    fs::write(path(&machine, "copy"), bytes).unwrap();
    let error = verify_copy(&vfs(&machine.directory), "copy").unwrap_err();
    assert!(matches!(error, Fatal::Contents { .. }), "{error}");
}

#[test]
fn a_generated_column_that_cannot_be_computed_is_no_damage() {
    let mut machine = Machine::new();
    let results = machine.run(&[
        "CREATE TABLE t(a)",
        "INSERT INTO t VALUES ('not JSON'), ('{}')",
        "ALTER TABLE t ADD COLUMN b AS (a ->> '$.b') NOT NULL",
        "ALTER TABLE t ADD COLUMN c AS (a ->> '$.b')",
        "CREATE TABLE exact(a TEXT, b INTEGER AS (a ->> '$') STORED, c INTEGER AS (abs(d)), d INTEGER) STRICT",
        "INSERT INTO exact(a) VALUES ('7')",
    ]);
    assert!(results[3].is_ok(), "{results:?}");
    complete(begin(&machine));
    verify_copy(&vfs(&machine.directory), "copy").unwrap();
}

#[test]
fn a_database_that_is_no_state_machines_is_refused() {
    let machine = Machine::new();
    let other = rusqlite::Connection::open(path(&machine, "other")).unwrap();
    other.execute_batch("CREATE TABLE t(a)").unwrap();
    for error in [
        verify_copy(&vfs(&machine.directory), "other").unwrap_err(),
        Copier::begin(&vfs(&machine.directory), "other", "copy").unwrap_err(),
    ] {
        assert!(error.to_string().contains("it is not a state machine's"), "{error}");
    }
}

#[test]
#[should_panic(expected = "before it was complete")]
fn a_copy_that_is_not_complete_is_not_finished() {
    let mut copier = begin(&furnished());
    copier.step(1).unwrap();
    assert_ne!(copier.position(), Position::default());
    copier.finish();
}
