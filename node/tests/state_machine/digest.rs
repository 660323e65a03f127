//! The digest that follows every change is the digest of what is there.

use lockstep_node::sqlite::Digest;
use lockstep_node::sqlite::dump::Dump;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Machine, command, converge, log, results};

const SCHEMA: &[&str] = &[
    "CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT UNIQUE, score REAL)",
    "CREATE TABLE child(id INTEGER PRIMARY KEY AUTOINCREMENT, parent INT REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, n NUMERIC)",
    "CREATE TABLE pair(a TEXT COLLATE NOCASE, b INT, c BLOB, d REAL, PRIMARY KEY (b DESC, a)) WITHOUT ROWID",
    "CREATE TABLE made(x INT, double AS (x * 2) VIRTUAL, y REAL, triple AS (x * 3) STORED, z TEXT)",
    "CREATE TABLE strict_one(k TEXT PRIMARY KEY, r REAL, a ANY) STRICT",
    "CREATE TABLE audit(what, n)",
    "CREATE UNIQUE INDEX made_x ON made(x)",
    "CREATE TRIGGER added AFTER INSERT ON parent BEGIN INSERT INTO audit VALUES ('added', new.id); END",
    "CREATE TRIGGER gone BEFORE DELETE ON child BEGIN INSERT INTO audit VALUES ('gone', old.n); UPDATE made SET y = y + 1; END",
];

/// A statement of a family that reaches every way in which rows change. Many fail, and that is part of it.
fn statement(random: &mut ChaCha8Rng) -> String {
    let mut below = |n: u64| random.next_u64() % n;
    let (i, j, k) = (below(12), below(12), below(40));
    let conflict = ["", " OR REPLACE", " OR IGNORE", " OR FAIL", " OR ABORT"][below(5) as usize];
    let value = ["7", "-0.0", "2.0", "1e300", "'12'", "'x'", "NULL", "x'00ff'", "random()", "9007199254740993"]
        [below(10) as usize];
    match below(30) {
        0..3 => format!("INSERT{conflict} INTO parent VALUES ({i}, 'n{j}', {value}), ({j}, 'n{k}', {i})"),
        3..6 => format!("INSERT{conflict} INTO child(parent, n) VALUES ({i}, {value}), ({j}, 1)"),
        6..8 => format!("INSERT{conflict} INTO pair VALUES ('A{i}', {j}, {value}, {value}), ('a{i}', {i}, 1, 2)"),
        8..10 => format!("INSERT{conflict} INTO made(x, y, z) VALUES ({i}, {value}, {value}), ({k}, 3, 4)"),
        10..12 => format!("INSERT{conflict} INTO strict_one VALUES ('k{i}', {j}, {value})"),
        12 => format!("UPDATE{conflict} parent SET id = id + {i} WHERE id > {j}"),
        13 => format!("UPDATE{conflict} parent SET score = {value}, name = name || 'z' WHERE id % 3 = {i} % 3"),
        14 => format!("UPDATE{conflict} pair SET b = b + 1, d = {value} WHERE b < {i}"),
        15 => format!("UPDATE{conflict} made SET x = x + {i}, y = {value}"),
        16 => format!("UPDATE strict_one SET r = {i}, a = {value}"),
        17 => format!("UPDATE child SET n = {value} WHERE parent = {i}"),
        18 => format!("DELETE FROM parent WHERE id = {i}"),
        19 => format!("DELETE FROM pair WHERE b > {k}"),
        20 => format!("DELETE FROM {}", ["audit", "made", "child", "strict_one"][below(4) as usize]),
        21 => format!(
            "INSERT INTO parent VALUES ({i}, 'u{j}', 1) ON CONFLICT DO UPDATE SET score = {value}, name = 'u{k}'"
        ),
        22 => format!("INSERT INTO audit SELECT name, score FROM parent ORDER BY id LIMIT {i}"),
        23 => "INSERT INTO audit SELECT * FROM audit LIMIT 5".to_owned(),
        24 => format!("UPDATE sqlite_sequence SET seq = seq + {i} WHERE name = 'child'"),
        25 => format!("ALTER TABLE audit ADD COLUMN c{i} DEFAULT {k}"),
        26 => format!("ALTER TABLE audit {} COLUMN c{i}", ["DROP", "RENAME"][below(2) as usize])
            .replace("RENAME COLUMN c", "RENAME COLUMN what TO what_c"),
        27 => format!("CREATE TABLE made_up{i} AS SELECT *, {value} AS v FROM child"),
        28 => format!("DROP TABLE made_up{i}"),
        _ => format!("INSERT OR ROLLBACK INTO parent VALUES ({i}, 'n{j}', 0)"),
    }
}

fn statements(seed: u64, count: usize) -> Vec<String> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| statement(&mut random)).collect()
}

#[test]
fn the_digest_that_follows_every_statement_is_that_of_a_full_scan() {
    let mut succeeded = 0;
    for seed in 0..4 {
        let mut machine = Machine::new();
        machine.run(SCHEMA).iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
        for (at, unit) in statements(seed, 1500).chunks(3).enumerate() {
            let unit = unit.iter().map(String::as_str).collect::<Vec<_>>();
            // `run_command` compares the digest with a full scan.
            let results = machine.run_command(command(&unit, at % 4 == 0));
            succeeded += results.iter().filter(|result| result.is_ok()).count();
        }
    }
    assert!(succeeded > 2000, "only {succeeded} statements succeeded: the family proves too little");
}

#[test]
fn random_statements_converge_in_whatever_batches() {
    let texts = statements(99, 400);
    let units = texts.chunks(4).enumerate().map(|(at, unit)| {
        let unit = unit.iter().map(String::as_str).collect::<Vec<_>>();
        command(&unit, at % 3 == 0)
    });
    let (applied, _) = converge(&log(SCHEMA.iter().map(|sql| command(&[sql], false)).chain(units)));
    assert!(applied[..SCHEMA.len()].iter().all(|applied| results(applied)[0].is_ok()));
}

#[test]
fn equal_contents_have_equal_digests_however_they_came_about() {
    let state = |statements: &[&str]| -> (Digest, Dump) {
        let mut machine = Machine::new();
        machine.run(statements).iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
        (machine.machine.digest(), machine.dump())
    };
    let table = "CREATE TABLE t(a INTEGER PRIMARY KEY, b)";
    let direct = state(&[table, "INSERT INTO t VALUES (1, 'x'), (2, 'y')"]);
    let detour = state(&[
        table,
        "INSERT INTO t VALUES (2, 'q'), (7, 1), (1, 'x')",
        "DELETE FROM t WHERE a = 7",
        "UPDATE t SET b = 'y' WHERE a = 2",
    ]);
    assert_eq!(direct, detour);
    for other in [
        "INSERT INTO t VALUES (1, 'x'), (3, 'y')",
        "INSERT INTO t VALUES (1, x'78'), (2, 'y')",
        "INSERT INTO t VALUES (1, 'x')",
    ] {
        assert_ne!(direct.0, state(&[table, other]).0, "{other}");
    }
    assert_ne!(state(&[table]).0, state(&["CREATE TABLE t(a INTEGER PRIMARY KEY, c)"]).0, "the schema counts");
    let auto = "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT)";
    let used = state(&[auto, "INSERT INTO t VALUES (NULL)", "DELETE FROM t"]);
    assert_ne!(state(&[auto]).0, used.0, "the counter counts");
}
