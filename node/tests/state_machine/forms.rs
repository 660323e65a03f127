//! Every form in which SQL is known to make replicas differ: it converges, or it is refused and the refusal says why.

use lockstep_node::api::{Statement, Value};
use lockstep_node::state_machine::{Command, StateMachine};

use super::{Machine, command, converge, log, message, results, vfs};

const TABLES: &[&str] = &[
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b)",
    "CREATE TABLE at(a INTEGER PRIMARY KEY, ts DEFAULT CURRENT_TIMESTAMP, d DEFAULT CURRENT_DATE, r DEFAULT (random()))",
    "CREATE TABLE auto(a INTEGER PRIMARY KEY AUTOINCREMENT, b)",
    "CREATE TABLE seen(b, ts)",
    "CREATE TRIGGER watch AFTER INSERT ON t BEGIN INSERT INTO seen VALUES (new.b, strftime('%f')), (random(), CURRENT_TIME); END",
    "CREATE VIEW clock AS SELECT datetime('now') AS now, random() AS r",
    "CREATE INDEX seen_ts ON seen(ts)",
    "INSERT INTO t(b) VALUES (1), (2), (3), ('now')",
];

/// Each of these gives the same result and the same contents on every replica.
const CONVERGE: &[&str] = &[
    "INSERT INTO at(a) VALUES (1), (2)",
    "INSERT INTO t(b) VALUES (CURRENT_TIMESTAMP), (CURRENT_DATE), (CURRENT_TIME)",
    "INSERT INTO t(b) VALUES (date()), (time()), (datetime()), (julianday()), (unixepoch()), (strftime('%s'))",
    "INSERT INTO t(b) VALUES (datetime ('now')), (random ()), (datetime/**/('now')), (\"datetime\"('now')), ([random]())",
    "INSERT INTO t(b) VALUES (datetime('n' || 'ow')), (unixepoch('subsec')), (timediff('now', '2024-01-01'))",
    "INSERT INTO t(b) SELECT datetime(b) FROM t WHERE b = 'now'",
    "INSERT INTO t(b) VALUES (randomblob(1 + 1)), (randomblob('3')), (randomblob(NULL)), (abs(random()) % 1000)",
    "INSERT INTO seen SELECT b, a FROM t ORDER BY random() LIMIT 3",
    "INSERT INTO seen SELECT * FROM clock",
    "INSERT INTO auto(b) VALUES (random()), (random()) RETURNING a, b",
    "UPDATE t SET b = random() WHERE a % 2 ON CONFLICT DO NOTHING",
    "UPDATE t SET b = random() WHERE a % 2",
    "INSERT INTO t VALUES (1, random()) ON CONFLICT (a) DO UPDATE SET b = excluded.b || random()",
    "SELECT count(*), group_concat(quote(b)) FROM (SELECT b FROM seen ORDER BY random())",
    "SELECT datetime('now', 'utc'), date('now', '+1 month')",
    "SELECT type, name, tbl_name, sql FROM sqlite_schema",
    "INSERT INTO seen SELECT rowid, name FROM sqlite_master",
    "SELECT sum(b), avg(b), total(b) FROM t WHERE typeof(b) = 'integer' AND abs(b) < 1000",
    "CREATE TABLE copy AS SELECT *, random() AS r FROM t",
    "CREATE TABLE few AS SELECT 1 AS a, 2 AS a, 3 AS a",
    "SELECT * FROM (SELECT 1 AS a, 2 AS a, 3 AS a)",
    "SELECT a AS \"a:99\" FROM t",
    "DROP TABLE copy",
    "ALTER TABLE seen ADD COLUMN more DEFAULT 5",
    "ALTER TABLE seen RENAME COLUMN more TO less",
    "ALTER TABLE seen DROP COLUMN less",
    "ALTER TABLE few RENAME TO fewer",
    "CREATE TABLE exact(a INTEGER CHECK (a < 100)) STRICT",
    "INSERT INTO exact VALUES (7)",
    "ALTER TABLE exact ADD COLUMN b TEXT NOT NULL DEFAULT 'x' CHECK (length(b) < 5)",
    "ALTER TABLE exact ADD COLUMN c INTEGER NOT NULL GENERATED ALWAYS AS (a + 1) VIRTUAL",
    "ALTER TABLE seen ADD CONSTRAINT sane CHECK (length(b) < 100)",
    "ALTER TABLE seen DROP CONSTRAINT sane",
    "ALTER TABLE seen ALTER COLUMN ts SET NOT NULL",
    "CREATE TRIGGER twice AFTER DELETE ON t BEGIN DELETE FROM seen WHERE b = old.b; END",
    "DROP TRIGGER twice",
    "CREATE VIEW v2 AS SELECT a FROM t",
    "DROP VIEW v2",
    "CREATE TABLE IF NOT EXISTS t(z)",
    "DROP TABLE IF EXISTS absent",
    "REPLACE INTO t VALUES (1, NULL), (2, 5)",
    "DELETE FROM t WHERE a = 2 RETURNING *, random()",
    "WITH w AS MATERIALIZED (SELECT a, row_number() OVER (ORDER BY b) AS n FROM t) SELECT * FROM w",
    "UPDATE t SET b = s.n FROM (SELECT a, count(*) AS n FROM t GROUP BY a) AS s WHERE s.a = t.a",
    "SELECT b ->> '$', format('%08.3f', 1.5), 1e0 / 3, CAST(0.1 + 0.2 AS TEXT) FROM (SELECT '[1]' AS b)",
    "CREATE INDEX by_b ON t(b)",
    "DROP INDEX by_b",
    "SELECT value FROM json_each('[1, 2]')",
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n FROM c",
];

/// Each of these is refused with a sentence that has these words.
const REFUSED: &[(&str, &str)] = &[
    ("SELECT datetime('now', 'localtime')", "time zone"),
    ("SELECT datetime('2024-01-01', 'utc')", "time zone"),
    ("SELECT last_insert_rowid()", "RETURNING rowid"),
    ("SELECT changes()", "RETURNING"),
    ("INSERT INTO t(b) VALUES (total_changes())", "RETURNING"),
    ("SELECT sqlite_version()", "differs between builds"),
    ("SELECT sqlite_source_id()", "differs between builds"),
    ("SELECT sqlite_compileoption_get(0)", "differs between builds"),
    ("SELECT load_extension('x')", "load_extension() is refused"),
    ("SELECT fts5_source_id()", "differs between builds"),
    ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys is refused"),
    ("PRAGMA recursive_triggers = ON", "PRAGMA recursive_triggers is refused"),
    ("PRAGMA case_sensitive_like = ON", "PRAGMA case_sensitive_like is refused"),
    ("PRAGMA reverse_unordered_selects = ON", "PRAGMA reverse_unordered_selects is refused"),
    ("PRAGMA optimize", "PRAGMA optimize is refused"),
    ("SELECT * FROM pragma_table_info('t')", "read sqlite_schema"),
    ("PRAGMA quick_check", "PRAGMA quick_check is refused"),
    ("SELECT * FROM pragma_quick_check('t')", "pragma_quick_check is refused"),
    ("CREATE TABLE checked AS SELECT * FROM pragma_quick_check('t')", "pragma_quick_check is refused"),
    ("SELECT count(*) FROM pragma_page_count", "pragma_page_count is refused"),
    ("SELECT * FROM dbstat", "dbstat is refused"),
    ("SELECT rootpage FROM sqlite_schema", "name the columns you need"),
    ("CREATE TABLE roots AS SELECT rootpage FROM sqlite_schema", "name the columns you need"),
    ("SELECT * FROM sqlite_master", "name the columns you need"),
    ("ATTACH ':memory:' AS other", "ATTACH and DETACH are refused"),
    ("DETACH main", "ATTACH and DETACH are refused"),
    ("BEGIN", "one atomic batch"),
    ("COMMIT", "one atomic batch"),
    ("ROLLBACK", "one atomic batch"),
    ("SAVEPOINT unit", "one atomic batch"),
    ("RELEASE unit", "one atomic batch"),
    ("ROLLBACK TO unit", "one atomic batch"),
    ("CREATE TEMP TABLE z(a)", "temporary objects are refused"),
    ("CREATE TABLE temp.z(a)", "temporary objects are refused"),
    ("CREATE TEMP VIEW z AS SELECT 1", "temporary objects are refused"),
    ("CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN SELECT 1; END", "temporary objects are refused"),
    ("VACUUM", "VACUUM is refused"),
    ("VACUUM INTO '/nowhere/else'", "VACUUM is refused"),
    ("ANALYZE", "ANALYZE is refused"),
    ("REINDEX", "REINDEX is refused"),
    ("REINDEX seen", "REINDEX is refused"),
    ("CREATE VIRTUAL TABLE z USING fts5(a)", "virtual tables (fts5) are refused"),
    ("EXPLAIN SELECT 1", "EXPLAIN is refused"),
    ("EXPLAIN QUERY PLAN SELECT 1", "EXPLAIN is refused"),
    ("INSERT INTO t VALUES (9223372036854775807, 1)", "rowid 9223372036854775807 is refused"),
    ("INSERT INTO t(a) VALUES (9223372036854775807), (NULL)", "rowid 9223372036854775807 is refused"),
    ("INSERT INTO auto(a) VALUES (9223372036854775807), (NULL)", "rowid 9223372036854775807 is refused"),
    ("UPDATE t SET a = 9223372036854775807 WHERE a = 1", "rowid 9223372036854775807 is refused"),
    ("INSERT INTO sqlite_sequence VALUES ('auto', 9223372036854775807)", "sqlite_sequence is refused"),
    ("INSERT INTO sqlite_sequence VALUES ('auto', 1e30)", "sqlite_sequence is refused"),
    ("CREATE TABLE many AS SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a, 6 AS a, 7 AS a", "named a are refused"),
    ("SELECT * FROM (SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a, 6 AS a, 7 AS a)", "named a are refused"),
    ("CREATE TABLE h(rowid, oid, _rowid_)", "leave one of rowid, oid and _rowid_ free"),
    ("SELECT * FROM _lockstep_state", "Lockstep keeps its own state"),
    ("UPDATE _LOCKSTEP_state SET applied = 7", "Lockstep keeps its own state"),
    ("DELETE FROM main.\"_lockstep_state\"", "Lockstep keeps its own state"),
    ("DROP TABLE _lockstep_state", "Lockstep keeps its own state"),
    ("ALTER TABLE _lockstep_state ADD COLUMN x", "Lockstep keeps its own state"),
    ("ALTER TABLE t RENAME TO _lockstep_t", "Lockstep's own"),
    ("CREATE TABLE _lockstep_mine(a)", "Lockstep keeps its own state"),
    ("CREATE INDEX i ON _lockstep_state(applied)", "Lockstep keeps its own state"),
    ("CREATE TRIGGER z AFTER UPDATE ON _lockstep_state BEGIN SELECT 1; END", "Lockstep keeps its own state"),
    ("CREATE TABLE child(a REFERENCES _lockstep_state(applied))", "foreign key to _lockstep_state"),
    ("/*lockstep*/ COMMIT", "Lockstep's own mark"),
    ("SELECT 1; SELECT 2", "one at a time"),
    ("", "empty"),
    (" -- nothing\n", "empty"),
    ("SELECT 1\0", "NUL"),
    ("SELECT CAST(x'ff' AS TEXT) AS c", "CAST(… AS BLOB)"),
    ("SELECT randomblob(100000000)", "too big"),
    ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT zeroblob(1000) FROM c", "LIMIT"),
    ("UPDATE sqlite_schema SET sql = ''", "may not be modified"),
];

#[test]
fn what_can_be_pinned_converges() {
    let parameters = ["now", "2024-01-01"].map(|when| {
        let mut bound = command(&[], false);
        bound
            .batch
            .statements
            .push(Statement::with("INSERT INTO t(b) VALUES (datetime(?)), (random())", [Value::from(when)]));
        bound
    });
    let commands = TABLES.iter().chain(CONVERGE).map(|sql| command(&[sql], false)).chain(parameters);
    let (applied, _) = converge(&log(commands));
    for (applied, sql) in applied.iter().zip(TABLES.iter().chain(CONVERGE)) {
        let failed = results(applied)[0].is_err();
        assert_eq!(failed, sql.contains("b = random() WHERE a % 2 ON CONFLICT"), "{sql}: {:?}", applied.reply);
    }
}

#[test]
fn what_cannot_be_pinned_is_refused_and_leaves_nothing_behind() {
    let mut machine = Machine::new();
    machine.run(TABLES).iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
    let (digest, dump) = (machine.machine.digest(), machine.dump());
    for (sql, words) in REFUSED {
        let result = machine.one(sql);
        assert!(result.is_err(), "{sql} was not refused");
        assert!(message(&result).contains(words), "{sql}: {result:?}");
        assert_eq!(machine.machine.digest(), digest, "{sql} left something behind");
    }
    assert_eq!(machine.dump(), dump);
    let refused = REFUSED.iter().map(|(sql, _)| command(&[sql], false));
    converge(&log(TABLES.iter().map(|sql| command(&[sql], false)).chain(refused)));
}

#[test]
fn triggers_and_views_are_no_way_around_a_refusal() {
    let mut machine = Machine::new();
    machine.run(&[
        "CREATE TABLE t(a)",
        "CREATE TRIGGER deep AFTER INSERT ON t BEGIN UPDATE _lockstep_state SET applied = 0; END",
        "CREATE VIEW peek AS SELECT applied FROM _lockstep_state",
        "CREATE VIEW version AS SELECT sqlite_version() AS v",
    ]);
    assert!(message(&machine.one("INSERT INTO t VALUES (1)")).contains("Lockstep keeps its own state"));
    assert!(message(&machine.one("SELECT * FROM peek")).contains("Lockstep keeps its own state"));
    assert!(message(&machine.one("SELECT * FROM version")).contains("differs between builds"));
}

#[test]
fn now_is_the_entrys_time_and_never_goes_back() {
    let mut machine = Machine::new();
    let query = "SELECT strftime('%Y-%m-%d %H:%M:%f')";
    assert_eq!(machine.value(query), Value::from("2023-11-14 22:13:20.123"));
    let earlier = Command { time_us: 5, ..command(&[query], false) };
    let result = machine.reopen().run_command(earlier).remove(0).unwrap();
    assert_eq!(result.rows, [[Value::from("2023-11-14 22:13:20.123")]]);
}

#[test]
fn a_machine_that_breaks_the_clock_rule_tells_its_own_time() {
    use lockstep_node::raft::{Rule, Rules};
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct OwnTime;
    impl Rules for OwnTime {
        fn breaks(&self, rule: Rule) -> bool {
            rule == Rule::PinClock
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let mut machine = StateMachine::open(&vfs(&directory), "db", OwnTime).unwrap();
    let applied = machine.apply(&log([command(&["SELECT CAST(strftime('%Y') AS INTEGER)"], false)])).unwrap();
    let rows = &results(&applied[0])[0].as_ref().unwrap().rows;
    assert!(matches!(rows[0][0], Value::Integer(year) if year > 2023), "{rows:?}");
}
