//! What applying promises: atomicity, results, durability, and when it stops.

use lockstep_node::api::{Parameters, Statement, Value};
use lockstep_node::raft::{Correct, EntryKind, Index};
use lockstep_node::sqlite::reader::open_reader;
use lockstep_node::state_machine::{Command, Fatal, RESULT_BYTES_MAX, StateMachine};

use super::{Machine, affected, command, converge, entry, log, message, results, vfs};

#[test]
fn an_atomic_batch_leaves_all_or_nothing() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a INTEGER PRIMARY KEY, b)"]);
    let batch = ["INSERT INTO t VALUES (1, 1)", "INSERT INTO t VALUES (1, 2)", "INSERT INTO t VALUES (3, 3)"];
    let results = machine.run_command(command(&batch, true));
    assert_eq!(results.len(), 2, "it ends with the failing statement");
    assert_eq!(results[1].as_ref().unwrap_err().code, 1555);
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(0));

    let results = machine.run_command(command(&batch, false));
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(2));
}

#[test]
fn a_statement_that_fails_half_way_leaves_nothing() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (5)"]);
    let digest = machine.machine.digest();
    for conflict in ["ABORT", "FAIL", "ROLLBACK"] {
        let result = machine.one(&format!("INSERT OR {conflict} INTO t VALUES (1), (2), (5)"));
        assert_eq!(message(&result), "UNIQUE constraint failed: t.a");
        assert_eq!(machine.machine.digest(), digest, "{conflict}");
    }
}

#[test]
fn statements_that_end_the_transaction_fail_alone_in_whatever_batch() {
    let commands = [
        command(&["CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "INSERT INTO t VALUES (1, random())"], false),
        command(&["CREATE TRIGGER stop BEFORE DELETE ON t BEGIN SELECT RAISE(ROLLBACK, 'never'); END"], false),
        command(&["INSERT INTO t VALUES (2, datetime())"], false),
        command(
            &["INSERT INTO t VALUES (3, 0)", "INSERT OR ROLLBACK INTO t VALUES (1, 0)", "INSERT INTO t VALUES (4, 0)"],
            false,
        ),
        command(&["INSERT INTO t VALUES (5, 0)", "INSERT OR ROLLBACK INTO t VALUES (1, 0)"], true),
        command(&["DELETE FROM t"], false),
        command(&["INSERT INTO t VALUES (6, datetime())"], false),
        command(&["CREATE TABLE u(a)", "DELETE FROM t WHERE a = 1", "INSERT INTO u VALUES (random())"], false),
    ];
    let (applied, dump) = converge(&log(commands));
    let failed = |entry: usize| results(&applied[entry]).iter().map(Result::is_err).collect::<Vec<_>>();
    assert_eq!(failed(3), [false, true, false]);
    assert_eq!(failed(4), [false, true]);
    assert_eq!(failed(5), [true]);
    let table = dump.tables.iter().find(|table| table.name == "t").unwrap();
    let keys = table.rows.iter().map(|row| row.key[0].clone()).collect::<Vec<_>>();
    assert_eq!(keys, [1, 2, 3, 4, 6].map(Value::Integer));
}

#[test]
fn a_deferred_foreign_key_fails_its_own_entry_and_no_other() {
    let commands = [
        command(&["CREATE TABLE p(a INTEGER PRIMARY KEY)"], false),
        command(&["CREATE TABLE c(a REFERENCES p DEFERRABLE INITIALLY DEFERRED)"], false),
        command(&["INSERT INTO c VALUES (1)"], false),
        command(&["INSERT INTO c VALUES (2)", "INSERT INTO p VALUES (2)"], true),
        command(&["INSERT INTO c VALUES (3)", "SELECT 1"], true),
        command(&["INSERT INTO p VALUES (4)", "INSERT INTO c VALUES (9)", "INSERT INTO c VALUES (4)"], false),
    ];
    let (applied, dump) = converge(&log(commands));
    let results = |entry: usize| results(&applied[entry]);
    assert_eq!(message(&results(2)[0]), "FOREIGN KEY constraint failed");
    assert!(results(3).iter().all(Result::is_ok));
    assert_eq!(results(4).iter().map(Result::is_err).collect::<Vec<_>>(), [false, true]);
    assert_eq!(results(5).iter().map(Result::is_err).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(dump.tables[0].rows.len(), 2);
}

#[test]
fn rows_affected_are_the_statements_own() {
    let mut machine = Machine::new();
    let results = machine.run(&[
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b)",
        "CREATE TABLE audit(a)",
        "CREATE TRIGGER watch AFTER INSERT ON t BEGIN INSERT INTO audit VALUES (new.a), (new.a); END",
        "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)",
        "SELECT * FROM t",
        "UPDATE t SET b = 0 WHERE a = 9",
        "DELETE FROM t WHERE a < 3",
        "CREATE TABLE u AS SELECT * FROM audit",
        "DROP TABLE audit",
    ]);
    assert_eq!(results.iter().map(affected).collect::<Vec<_>>(), [0, 0, 0, 3, 0, 0, 2, 0, 0]);
    let returning = machine.one("INSERT INTO u VALUES (7) RETURNING a, rowid AS r");
    assert_eq!(affected(&returning), 1);
    assert_eq!(returning.unwrap().columns, ["a", "r"]);
}

#[test]
fn parameters_that_do_not_fit_are_named() {
    let mut machine = Machine::new();
    let mut run = |sql: &str, parameters| {
        let mut command = command(&[], false);
        command.batch.statements.push(Statement { sql: sql.into(), parameters });
        machine.run_command(command).remove(0)
    };
    let one = || Value::Integer(1);
    let named = |names: &[&str]| Parameters::Named(names.iter().map(|name| ((*name).to_owned(), one())).collect());
    let failed = run("SELECT ?, ?", Parameters::Positional(vec![one()]));
    assert_eq!(message(&failed), "the statement has 2 parameters, and 1 values were given");
    assert_eq!(message(&run("SELECT :a, @b", named(&["a"]))), "no value was given for parameter b");
    assert_eq!(message(&run("SELECT :a", named(&["a", "z"]))), "the statement has no parameter z; it has: a");
    assert_eq!(message(&run("SELECT :a", named(&["a", "a"]))), "parameter a was given twice");
    assert_eq!(message(&run("SELECT ?", named(&["a"]))), "parameter 1 has no name: give the values in order");
    assert!(run("SELECT :a, @b, $c, :a", named(&["c", "b", "a"])).is_ok());
    let values = vec![Value::Real(f64::NAN), Value::from("a\0b"), Value::Blob(vec![0xff].into()), Value::Null];
    let rows = run("SELECT ?, ?, ?, ?", Parameters::Positional(values.clone())).unwrap().rows;
    assert_eq!(rows[0][0], Value::Null);
    assert_eq!(rows[0][1..], values[1..]);
}

#[test]
fn what_an_entry_answers_is_bounded_in_names_and_messages_too() {
    let mut machine = Machine::new();
    let name = "n".repeat(100_000);
    let results = machine.run(&[format!("SELECT 1 AS {name}").as_str(); 20]);
    let fit = results.iter().take_while(|result| result.is_ok()).count();
    assert_eq!(fit, RESULT_BYTES_MAX / name.len());
    assert!(results[fit].as_ref().unwrap_err().message.contains("are larger than"), "{:?}", results[fit]);
    let error = machine.one(&format!("SELECT * FROM {name}")).unwrap_err();
    assert!(error.message.starts_with("no such table: nnn") && error.message.chars().count() <= 1001, "{error}");
}

#[test]
fn a_query_cannot_write() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a)"]);
    let query =
        Command { read_only: true, ..command(&["SELECT random()", "INSERT INTO t VALUES (1)", "SELECT 2"], false) };
    let results = machine.run_command(query);
    assert!(message(&results[1]).contains("must not write"));
    assert!(results[0].is_ok() && results[2].is_ok());
}

#[test]
fn a_cached_statement_sees_the_schema_as_it_is() {
    let commands = [
        command(&["CREATE TABLE t(a)", "INSERT INTO t VALUES (1)"], false),
        command(&["SELECT * FROM t"], false),
        command(&["ALTER TABLE t ADD COLUMN b DEFAULT 'x'"], false),
        command(&["SELECT * FROM t"], false),
        command(&["DROP TABLE t", "INSERT INTO nowhere VALUES (1)"], true),
        command(&["SELECT * FROM t", "DROP TABLE t"], false),
        Command { read_only: true, ..command(&["SELECT * FROM t", "CREATE TABLE t(z)"], false) },
        command(&["CREATE TABLE t(z)", "SELECT * FROM t", "CREATE TABLE IF NOT EXISTS t(z)"], false),
        command(&["CREATE TABLE u(a)", "INSERT INTO u VALUES (1)", "INSERT INTO nowhere VALUES (1)"], true),
        Command { read_only: true, ..command(&["INSERT INTO u VALUES (1)", "CREATE TABLE w(a)"], false) },
        command(&["CREATE TABLE w(a)", "INSERT INTO w VALUES (1)"], false),
    ];
    let (applied, _) = converge(&log(commands));
    let columns = |entry: usize, at: usize| results(&applied[entry])[at].as_ref().unwrap().columns.clone();
    assert_eq!(
        (columns(1, 0), columns(3, 0), columns(5, 0)),
        (vec!["a".into()], vec!["a".into(), "b".into()], columns(3, 0))
    );
    assert_eq!(columns(7, 1), ["z"]);
    assert_eq!(message(&results(&applied[6])[0]), "no such table: t");
}

#[test]
fn position_digest_and_membership_survive_a_restart() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT)", "INSERT INTO t VALUES (5)"]);
    machine.machine.apply(&[entry(Index(2), EntryKind::Configuration, super::membership())]).unwrap();
    machine.machine.apply(&[entry(Index(3), EntryKind::Noop, Default::default())]).unwrap();
    let (applied, digest) = (machine.machine.applied(), machine.machine.digest());
    let machine = machine.reopen();
    assert_eq!((machine.machine.applied(), machine.machine.digest()), (applied, digest));
    assert_eq!(machine.machine.membership().unwrap(), Some((Index(2), super::membership())));
    machine.machine.verify().unwrap();
}

#[test]
fn a_checkpoint_is_durable_only_when_it_copied_everything() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES (1)"]);
    assert!(machine.machine.wal_frames() > 0);
    let reader = open_reader(&vfs(&machine.directory), "db").unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
    reader.query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
    machine.run(&["INSERT INTO t VALUES (2)"]);
    let partial = machine.machine.checkpoint().unwrap();
    assert!(partial.durable.is_none() && partial.wal_frames > 0, "{partial:?}");
    reader.execute_batch("COMMIT").unwrap();
    let complete = machine.machine.checkpoint().unwrap();
    assert_eq!((complete.durable, complete.wal_frames), (Some(Index(2)), 0));
    assert_eq!(machine.machine.wal_frames(), 0);
    assert!(reader.execute("INSERT INTO t VALUES (3)", []).is_err(), "a reader does not write");
}

#[test]
fn a_digest_that_is_not_that_of_the_tables_is_found() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES (1)"]);
    let other = rusqlite::Connection::open(machine.directory.path().join("db")).unwrap();
    other.execute("UPDATE t SET a = 2", []).unwrap();
    assert!(matches!(machine.machine.verify(), Err(Fatal::Contents { .. })));
}

#[test]
fn a_busy_file_stops_the_machine_before_anything_is_applied() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a)"]);
    let directory = &machine.directory;
    let other = rusqlite::Connection::open(directory.path().join("db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let entries = [entry(Index(2), EntryKind::Data, command(&["INSERT INTO t VALUES (1)"], false).encode())];
    let fatal = machine.machine.apply(&entries).unwrap_err();
    assert!(matches!(&fatal, Fatal::Sqlite { code: 5, .. }), "{fatal}");
    assert_eq!(machine.machine.applied().index, Index(1));
    other.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn what_is_not_a_database_does_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let open = |file: &str| StateMachine::open(&vfs(&directory), file, Correct).map(|_| ()).unwrap_err().to_string();
    let other = rusqlite::Connection::open(directory.path().join("db")).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE t(a)").unwrap();
    assert_eq!(open("db"), "the database db does not open: database is locked");
    let missing = open("no/such/place");
    assert!(missing.starts_with("the database no/such/place does not open: unable to open database file"), "{missing}");
}

#[test]
fn a_payload_of_another_version_stops_the_machine() {
    let mut machine = Machine::new();
    let fatal = machine.machine.apply(&[entry(Index(1), EntryKind::Data, b"\x09".as_slice().into())]).unwrap_err();
    assert!(fatal.to_string().starts_with("the entry at 1@3 cannot be read: its format is 9"), "{fatal}");
}

#[test]
fn a_state_machine_may_move_to_another_thread() {
    fn movable<T: Send>() {}
    movable::<StateMachine>();
}

#[test]
fn a_database_of_another_build_is_neither_opened_nor_taken_up() {
    let mut machine = Machine::new();
    machine.one("CREATE TABLE t(a)").unwrap();
    let Machine { machine, directory } = machine;
    drop(machine);
    let connection = rusqlite::Connection::open(directory.path().join("db")).unwrap();
    connection.execute_batch("UPDATE _lockstep_state SET fingerprint = x'0102030405060708'").unwrap();
    connection.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    drop(connection);
    let words = "a build with the fingerprint 0102030405060708";
    let opened = StateMachine::open(&vfs(&directory), "db", Correct).map(|_| ()).unwrap_err();
    assert!(matches!(opened, Fatal::Open { .. }) && opened.to_string().contains(words), "{opened}");
    let verified = lockstep_node::state_machine::verify_copy(&vfs(&directory), "db").unwrap_err();
    assert!(verified.to_string().contains(words), "{verified}");
}

/// SQLite forgets what it has to undo in its memory of the schema when a statement that alters a table fails late.
#[test]
fn what_a_lost_transaction_created_is_forgotten_at_the_second_attempt() {
    let alone = |sql: &str| command(&[sql], false);
    let together = ["CREATE INDEX i17 ON t2(a)", "ALTER TABLE t6 DROP d", "INSERT OR ROLLBACK INTO t1 VALUES (1), (1)"];
    let mut commands: Vec<Command> =
        ["CREATE TABLE t1(d PRIMARY KEY)", "CREATE TABLE t2(a)", "CREATE TABLE t6(d, b)", "CREATE INDEX i15 ON t6(d)"]
            .map(alone)
            .into();
    commands.extend(together.map(alone));
    commands.push(command(&together, true));
    commands.push(command(
        &["SELECT name FROM sqlite_schema", "CREATE INDEX i18 ON t2(a)", "INSERT INTO t2 VALUES (1)"],
        false,
    ));
    let log = log(commands);
    let (applied, _) = converge(&log);
    assert!(results(&applied[4])[0].is_ok() && results(&applied[5])[0].is_err() && results(&applied[6])[0].is_err());
    for first in 4..7 {
        let mut machine = Machine::new();
        let mut all = machine.machine.apply(&log[..first]).unwrap();
        all.extend(machine.machine.apply(&log[first..]).unwrap());
        machine.machine.verify().unwrap();
        assert_eq!(all, applied, "a batch from entry {first} on");
    }
}
