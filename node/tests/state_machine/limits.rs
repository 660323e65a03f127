//! What a statement may cost, and that all machines stop it at the same point.

use lockstep_node::api::{Parameters, Statement, Value};
use lockstep_node::sqlite::limits::Limits;
use rusqlite::ffi;

use super::*;

/// A query that never ends.
const ENDLESS: &str = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

/// A log whose first entry is a configuration with these limits.
fn limited(limits: Limits, commands: impl IntoIterator<Item = Command>) -> Vec<Entry> {
    let configuration = Configuration { settings: limits.encode(), ..Configuration::decode(&membership()).unwrap() };
    let mut entries = log(std::iter::once(command(&["SELECT 1"], false)).chain(commands));
    entries[0] = entry(Index(1), EntryKind::Configuration, configuration.encode());
    entries
}

fn few_steps() -> Limits {
    Limits { statement_steps: 100_000, entry_steps: 150_000, ..Limits::default() }
}

fn code(result: &StatementResult) -> i32 {
    result.as_ref().map_or_else(|error| error.code, |_| 0)
}

#[test]
fn a_statement_that_never_ends_is_stopped_on_every_machine_alike() {
    let counting = |rows: u32| {
        format!(
            "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) SELECT n FROM c"
        )
    };
    // Around the limit, where a step more or less would make a difference.
    let is_stopped = |rows: u32| {
        let mut machine = Machine::new();
        let log = limited(few_steps(), [command(&["CREATE TABLE t(a)", &counting(rows)], false)]);
        code(&results(&machine.machine.apply(&log).unwrap()[1])[1]) == ffi::SQLITE_INTERRUPT
    };
    let (mut least, mut most) = (1_000, 10_000);
    while most - least > 1 {
        let middle = (least + most) / 2;
        if is_stopped(middle) { most = middle } else { least = middle }
    }
    let near: Vec<String> = (most - 100..most + 100).step_by(4).map(counting).collect();
    let mut commands = vec![command(&["CREATE TABLE t(a)", ENDLESS], false)];
    commands.extend(near.iter().map(|sql| command(&[sql, "SELECT count(*) FROM t"], false)));
    // The same text again, from the cache, and after the schema changed.
    commands.push(command(&["CREATE TABLE u(a)"], false));
    commands.extend(near.iter().rev().map(|sql| command(&[sql, sql, "DELETE FROM t"], false)));
    let (applied, _) = converge(&limited(few_steps(), commands));
    assert_eq!(code(&results(&applied[1])[1]), ffi::SQLITE_INTERRUPT);
    let stopped = applied[2..].iter().filter(|applied| code(&results(applied)[0]) == ffi::SQLITE_INTERRUPT).count();
    assert!((40..60).contains(&stopped), "{stopped} of {} were stopped", applied.len());
}

#[test]
fn what_is_stopped_leaves_nothing_behind_and_the_rest_goes_on() {
    let endless_insert =
        "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c";
    let commands = [
        command(&["CREATE TABLE t(a)", "INSERT INTO t VALUES (1)", endless_insert, "INSERT INTO t VALUES (2)"], false),
        command(&["INSERT INTO t VALUES (3)", endless_insert, "INSERT INTO t VALUES (4)"], true),
        command(&["SELECT group_concat(a) FROM t"], false),
    ];
    let (applied, _) = converge(&limited(few_steps(), commands));
    assert_eq!(results(&applied[1]).iter().map(code).collect::<Vec<_>>(), [0, 0, ffi::SQLITE_INTERRUPT, 0]);
    assert!(message(&results(&applied[1])[2]).contains("a statement may take 100000 of SQLite's instructions"));
    assert_eq!(results(&applied[3])[0].as_ref().unwrap().rows, [["1,2".into()]]);
}

#[test]
fn an_entry_has_a_budget_beside_those_of_its_statements() {
    let commands = [command(&["CREATE TABLE t(a)", ENDLESS, ENDLESS, "INSERT INTO t VALUES (1)"], false)];
    let (applied, dump) = converge(&limited(few_steps(), commands));
    assert_eq!(results(&applied[1]).iter().map(code).collect::<Vec<_>>(), [0, 9, 9, 9]);
    assert!(dump.tables[0].rows.is_empty());
}

#[test]
fn a_statement_that_ends_the_transaction_is_found_out_few_times_an_entry() {
    let mut statements = vec!["CREATE TABLE t(a PRIMARY KEY)", "INSERT INTO t VALUES (0)"];
    statements.extend(["INSERT OR ROLLBACK INTO t VALUES (0)"; 10_000 - 2]);
    let (applied, dump) = converge(&log([command(&statements, false), command(&["INSERT INTO t VALUES (1)"], false)]));
    let results = results(&applied[0]);
    assert_eq!(results.iter().filter(|result| code(result) == ffi::SQLITE_CONSTRAINT_PRIMARYKEY).count(), 4);
    assert!(message(&results[7]).contains("not executed: too many statements before it ended"));
    assert_eq!(dump.tables[0].rows.len(), 2);
}

#[test]
fn what_a_statement_holds_in_between_is_bounded() {
    let limits = Limits { temporary_bytes: 8 << 20, ..Limits::default() };
    let fill = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200)";
    let held = [
        format!("{fill} SELECT n FROM c ORDER BY zeroblob(500000 + n)"),
        format!("{fill} SELECT count(DISTINCT zeroblob(500000 + n)) FROM c"),
        format!("INSERT INTO t {fill} SELECT n FROM c GROUP BY randomblob(500000 + n)"),
        "WITH RECURSIVE c(n, b) AS (SELECT 1, x'00' UNION SELECT n + 1, zeroblob(500000 + n) FROM c WHERE n < 200) SELECT count(*) FROM c"
            .to_owned(),
        format!("{fill} SELECT max(r) FROM (SELECT row_number() OVER (PARTITION BY zeroblob(500000 + n) ORDER BY n) AS r FROM c)"),
    ];
    let mut commands = vec![command(&["CREATE TABLE t(a)"], false)];
    commands.extend(held.iter().map(|sql| command(&["INSERT INTO t VALUES (7)", sql, "SELECT 1"], false)));
    let (applied, dump) = converge(&limited(limits, commands));
    for (applied, sql) in applied[2..].iter().zip(&held) {
        let results = results(applied);
        assert_eq!(code(&results[1]), ffi::SQLITE_FULL, "{sql}: {results:?}");
        assert!(message(&results[1]).contains("holds too much in between"), "{results:?}");
        assert!(results[0].is_ok() && results[2].is_ok(), "{sql}: {results:?}");
    }
    assert_eq!(dump.tables[0].rows.len(), held.len());
}

#[test]
fn values_patterns_and_names_have_lengths() {
    let mut machine = Machine::new();
    machine.one("CREATE TABLE t(a)").unwrap();
    for (sql, code, words) in [
        ("SELECT length(zeroblob(2000000))", ffi::SQLITE_TOOBIG, "may have 1114112 bytes"),
        ("SELECT length(randomblob(2000000))", ffi::SQLITE_TOOBIG, "may have 1114112 bytes"),
        ("SELECT hex(zeroblob(1000000))", ffi::SQLITE_TOOBIG, "may have"),
        ("SELECT replace(hex(zeroblob(10000)), '0', hex(zeroblob(10000)))", ffi::SQLITE_TOOBIG, "may have"),
        ("SELECT 'a' LIKE hex(zeroblob(40))", ffi::SQLITE_ERROR, "may have 64 bytes"),
        ("SELECT 'a' GLOB hex(zeroblob(40))", ffi::SQLITE_ERROR, "may have 64 bytes"),
        ("INSERT INTO t VALUES (zeroblob(1200000))", ffi::SQLITE_TOOBIG, "may have"),
    ] {
        let result = machine.one(sql);
        assert_eq!(self::code(&result), code, "{sql}: {result:?}");
        assert!(message(&result).contains(words), "{sql}: {result:?}");
    }
    let long = "x".repeat(256);
    for sql in [
        format!("CREATE TABLE {long}(a)"),
        format!("CREATE TABLE u({long})"),
        format!("CREATE INDEX {long} ON t(a)"),
        format!("CREATE VIEW {long} AS SELECT 1"),
        format!("ALTER TABLE t RENAME TO {long}"),
        format!("ALTER TABLE t RENAME a TO {long}"),
        format!("ALTER TABLE t ADD {long}"),
        format!("CREATE TRIGGER {long} AFTER INSERT ON t BEGIN SELECT 1; END"),
    ] {
        let result = machine.one(&sql);
        assert!(message(&result).contains("255 is the most"), "{result:?}");
    }
    machine.reopen().one("SELECT * FROM t").unwrap();
}

#[test]
fn a_value_that_is_bound_has_the_same_length() {
    let mut machine = Machine::new();
    let bound = |bytes: usize| {
        let mut bound = command(&[], false);
        bound.batch.statements = vec![Statement::with("SELECT length(?)", [Value::Text("x".repeat(bytes))])];
        bound
    };
    assert!(machine.run_command(bound(1_000_000))[0].is_ok());
    assert_eq!(code(&machine.run_command(bound(2_000_000))[0]), ffi::SQLITE_TOOBIG);
}

#[test]
fn tables_are_as_wide_as_the_node_can_read() {
    let mut machine = Machine::new();
    let columns = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
    machine.one(&format!("CREATE TABLE wide({})", columns(1000))).unwrap();
    machine.one(&format!("CREATE TABLE keyed({0}, PRIMARY KEY({0})) WITHOUT ROWID", columns(1000))).unwrap();
    assert!(machine.one(&format!("CREATE TABLE wider({})", columns(1001))).is_err());
    assert!(machine.one(&format!("CREATE TABLE wider({0}, PRIMARY KEY({0})) WITHOUT ROWID", columns(1001))).is_err());
    assert!(machine.one("ALTER TABLE wide ADD COLUMN one_more").is_err());
    machine.one("INSERT INTO wide(c7) VALUES (1)").unwrap();
    machine.one("INSERT INTO keyed SELECT * FROM wide").unwrap_err();
    machine.reopen().one("UPDATE wide SET c999 = 2").unwrap();
}

#[test]
fn thousands_of_statements_in_one_text_and_of_parameters_take_no_long() {
    let mut machine = Machine::new();
    assert!(message(&machine.one(&"SELECT 1;".repeat(7_000))).contains("one at a time"));
    let names: Vec<String> = (0..16_000).map(|n| format!("p{n}")).collect();
    let text = names.iter().map(|name| format!(":{name}")).collect::<Vec<_>>().join(", ");
    let values = names.iter().rev().map(|name| (name.clone(), Value::Integer(1))).collect();
    let mut bound = command(&[], false);
    let sql = format!("SELECT 1 IN ({text})");
    bound.batch.statements = vec![Statement { sql, parameters: Parameters::Named(values) }];
    assert_eq!(machine.run_command(bound)[0].as_ref().unwrap().rows, [[Value::Integer(1)]]);
}

#[test]
fn a_pattern_of_wildcards_takes_no_stack() {
    let mut machine = Machine::new();
    for sql in [
        format!("SELECT 'a' LIKE '{}'", "%a".repeat(19_000)),
        format!("SELECT 'a' GLOB '{}'", "*a".repeat(19_000)),
        format!("SELECT hex(zeroblob(500000)) LIKE '{}'", "%0".repeat(31)),
    ] {
        let result = machine.one(&sql);
        assert!(result.is_ok() || message(&result).contains("may have 64 bytes"), "{result:?}");
    }
}

#[test]
fn thousands_of_tables_in_one_entry_take_seconds_and_then_stop_at_its_budget() {
    let names: Vec<String> = (0..3_000).map(|n| format!("CREATE TABLE t{n}(a)")).collect();
    let texts: Vec<&str> = names.iter().map(String::as_str).collect();
    let count = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 't%'";
    let log = log([command(&texts, false), command(&[count], false)]);
    let mut machine = Machine::new();
    let applied = machine.machine.apply(&log).unwrap();
    let made = results(&applied[0]).iter().filter(|result| result.is_ok()).count();
    assert!((2_000..3_000).contains(&made), "{made} tables");
    assert!(results(&applied[0]).iter().filter_map(|result| result.as_ref().err()).all(|error| error.code == 9));
    assert_eq!(results(&applied[1])[0].as_ref().unwrap().rows, [[Value::Integer(made as i64)]]);
}

#[test]
fn views_of_views_of_views_are_refused_before_they_double_too_often() {
    let mut machine = Machine::new();
    machine.one("CREATE TABLE t(a)").unwrap();
    machine.one("CREATE VIEW v0 AS SELECT a FROM t").unwrap();
    let next = |n: usize| format!("CREATE VIEW v{n} AS SELECT x.a FROM v{0} AS x, \"V{0}\" AS y LIMIT 5", n - 1);
    let made = (1..20).take_while(|n| machine.one(&next(*n)).is_ok()).count();
    assert_eq!(made, 8);
    assert!(message(&machine.one(&next(9))).contains("expand to 1022 views"));
    let trigger = "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT * FROM v8, v8 AS w, v7; END";
    assert!(message(&machine.one(trigger)).contains("1000 is the most"));
    assert!(message(&machine.one("SELECT * FROM v8, v8 AS w")).contains("1000 is the most"));
    let mut machine = machine.reopen();
    assert!(message(&machine.one("SELECT * FROM v8, v8 AS w")).contains("1000 is the most"));
    machine.one("SELECT count(*) FROM v7").unwrap();
}

#[test]
fn errors_count_as_results() {
    let mut machine = Machine::new();
    machine.one("CREATE TABLE t(a)").unwrap();
    let long = format!("SELECT {}", "é".repeat(1_000));
    let results = machine.run(&vec![&*long; 2_000]);
    assert!(message(&results[0]).contains("no such column"));
    assert!(message(&results[1_999]).contains("left out"));
    assert!(results.iter().map(|result| message(result).len()).sum::<usize>() < 1_200_000);
}

#[test]
fn a_group_of_large_values_is_no_larger_than_a_value() {
    let mut machine = Machine::new();
    let fill = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)";
    for function in [
        "json_group_array(hex(zeroblob(400000 + n)))",
        "jsonb_group_array(hex(zeroblob(400000 + n)))",
        "json_group_object(n, hex(zeroblob(400000 + n)))",
        "group_concat(hex(zeroblob(400000 + n)))",
    ] {
        let result = machine.one(&format!("{fill} SELECT length({function}) FROM c"));
        assert_eq!(code(&result), ffi::SQLITE_TOOBIG, "{function}: {result:?}");
    }
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

#[test]
fn the_work_of_checking_rows_is_charged_alike_for_all_page_sizes() {
    let limits = Limits { statement_steps: 40_000, entry_steps: 400_000, ..Limits::default() };
    let fill = "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1500) SELECT zeroblob(400) FROM c";
    let mut commands = vec![command(&["CREATE TABLE t(a)"], false)];
    commands.extend(vec![command(&[fill], false); 5]);
    let add = |n: usize| format!("ALTER TABLE t ADD COLUMN c{n} CHECK (c{n} IS NULL)");
    let all: Vec<String> = (0..8).map(add).collect();
    commands.push(command(&all.iter().map(String::as_str).collect::<Vec<_>>(), false));
    let log = limited(limits, commands);
    let codes = |page_size: u32| {
        let directory = tempfile::tempdir().unwrap();
        let options = lockstep_node::state_machine::Options { page_size, ..Default::default() };
        let mut machine = StateMachine::open_with(&vfs(&directory), "db", Correct, options).unwrap();
        results(machine.apply(&log).unwrap().last().unwrap()).iter().map(code).collect::<Vec<_>>()
    };
    let reference = codes(4096);
    assert_eq!(reference, [0, 0, 0, 9, 9, 9, 9, 9]);
    [512, 1024, 65536].into_iter().for_each(|page_size| assert_eq!(codes(page_size), reference, "{page_size}"));
}

#[test]
fn foreign_keys_of_a_table_and_bytes_of_a_schema_are_bounded() {
    let mut machine = Machine::new();
    let keys = |count: usize| "a REFERENCES k(a)".to_owned() + &", FOREIGN KEY(a) REFERENCES k(a)".repeat(count - 1);
    assert!(
        machine
            .one(&format!("CREATE TABLE k(a INTEGER PRIMARY KEY, b, {})", keys(200).replacen("a REF", "c REF", 1)))
            .is_ok()
    );
    let many =
        machine.one(&format!("CREATE TABLE l(a INTEGER PRIMARY KEY, b, {})", keys(201).replacen("a REF", "c REF", 1)));
    assert!(message(&many).contains("201 foreign keys"), "{many:?}");
    let text = "x ".repeat(450_000);
    let made = (0..12).take_while(|n| machine.one(&format!("CREATE VIEW v{n} AS SELECT '{text}'")).is_ok()).count();
    assert_eq!(made, 9);
    machine.one("DROP VIEW v0").unwrap();
}
