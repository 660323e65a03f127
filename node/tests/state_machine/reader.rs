//! Reads beside the log: of the schema as it is, bounded, and without an end for the node.

use lockstep_node::state_machine::{Options, Reader};

use super::*;

/// Instructions that a read may take in these tests.
const STEPS_MAX: u64 = 100_000;

fn reader(machine: &Machine) -> Reader {
    Reader::open(&vfs(&machine.directory), "db", Options::default(), STEPS_MAX).unwrap()
}

fn read(reader: &mut Reader, statements: &[&str]) -> Vec<StatementResult> {
    let statements = statements.iter().map(|sql| Statement::new(*sql)).collect();
    let read = reader.read(&[Batch { statements, atomic: false }], 1_700_000_000_000_000, 7).unwrap();
    read.results.into_iter().next().unwrap()
}

fn columns(reader: &mut Reader, query: &str) -> Vec<String> {
    read(reader, &[query]).remove(0).unwrap().columns
}

#[test]
fn a_query_that_was_read_before_has_the_columns_that_there_are_now() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a, b)", "INSERT INTO t VALUES (1, 2)", "CREATE VIEW v AS SELECT a FROM t"]);
    let mut reader = reader(&machine);
    assert_eq!(columns(&mut reader, "SELECT * FROM t"), ["a", "b"]);
    assert_eq!(columns(&mut reader, "SELECT * FROM v"), ["a"]);
    for (change, expected) in [
        ("ALTER TABLE t ADD COLUMN c", &["a", "b", "c"][..]),
        ("ALTER TABLE t RENAME COLUMN b TO z", &["a", "z", "c"]),
        ("ALTER TABLE t DROP COLUMN z", &["a", "c"]),
        ("DELETE FROM t", &["a", "c"]),
        ("ALTER TABLE t DROP COLUMN c", &["a"]),
    ] {
        machine.one(change).unwrap();
        let result = read(&mut reader, &["SELECT * FROM t"]).remove(0).unwrap();
        assert_eq!(result.columns, expected, "{change}");
        assert!(result.rows.iter().all(|row| row.len() == expected.len()), "{change}");
    }
    machine.run(&["DROP VIEW v", "CREATE VIEW v AS SELECT 1 AS x, 2 AS y"]);
    assert_eq!(columns(&mut reader, "SELECT * FROM v"), ["x", "y"]);
}

#[test]
fn a_read_that_takes_too_long_leaves_the_reader_as_it_was() {
    let machine = Machine::new();
    let mut reader = reader(&machine);
    let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
    // More often than the transaction's own statements could be looked at if they counted.
    for _ in 0..2_000 {
        let results = read(&mut reader, &[endless, "SELECT 1"]);
        assert!(message(&results[0]).contains("takes too long"), "{results:?}");
    }
    assert!(read(&mut reader, &["SELECT 1"])[0].is_ok());
}

#[test]
fn a_read_that_holds_too_much_ends_for_itself_alone() {
    let mut machine = Machine::new();
    machine.one("CREATE TABLE t(a)").unwrap();
    let mut reader = reader(&machine);
    let held = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 600) SELECT n FROM c ORDER BY zeroblob(500000 + n)";
    let results = read(&mut reader, &[held, "SELECT 1"]);
    assert!(message(&results[0]).contains("holds too much in between"), "{results:?}");
    assert!(results[1].is_ok(), "{results:?}");
    machine.one("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(read(&mut reader, &["SELECT a FROM t"])[0].as_ref().unwrap().rows, [[Value::Integer(1)]]);
}

#[test]
fn views_are_weighed_for_reads_as_they_are_now() {
    let mut machine = Machine::new();
    machine.one("CREATE VIEW v0 AS SELECT 1 AS a").unwrap();
    let mut reader = reader(&machine);
    assert!(read(&mut reader, &["SELECT * FROM v0"])[0].is_ok());
    for level in 1..=8 {
        machine.one(&format!("CREATE VIEW v{level} AS SELECT x.a FROM v{0} AS x, v{0} AS y", level - 1)).unwrap();
    }
    assert!(message(&read(&mut reader, &["SELECT * FROM v8, v8 AS w"])[0]).contains("1000 is the most"));
}
