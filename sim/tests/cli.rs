//! The tool as people use it: what it prints where, and how it ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A working directory with one scenario, the one that `new` writes.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = lockstep(folder.path(), &["new", "join/mine"]);
    assert!(made.status.success(), "{}", stderr(&made));
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

fn lockstep(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the tool starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn bad_input_is_told_on_stderr_and_runs_nothing() {
    let folder = workplace();
    let cases: &[(&[&str], &str)] = &[
        (&["run", "--seed", "seven"], "write a whole number"),
        (&["run", "--seeds", "9..3"], "write `3..9`"),
        (&["run", "--seed", "1", "--seeds", "1..2"], "cannot be used with"),
        (&["run", "--jobs", "0"], "--jobs"),
        (&["run", "--system", "locksetp"], "did you mean `lockstep`?"),
        (&["run", "nowhere"], "nowhere"),
        (&["replay", "scenarios/join/mine.toml"], "--seed"),
        (&["replay", "scenarios", "--seed", "1"], "is a folder"),
        (&["replay", "scenarios/join/mine.toml", "--seed", "1", "--from", "3"], "3"),
        (&["replay", "scenarios/join/mine.toml", "--seed", "1", "--from", "3s", "--until", "2s"], "before --from"),
        (&["replay", "scenarios/join/mine.toml", "--seed", "1", "--only", "rafft"], "did you mean `raft`?"),
        (&["replay", "scenarios/join/mine.toml", "--seed", "1", "--node", "leader"], "n1"),
        (&["new", "../outside"], "no name for a scenario"),
        (&["new", "join/mine"], "exists already"),
        (&["demo"], "workspace"),
        (&["run", "--schema", "nowhere.sql", "--workload", "ops.sql"], "--schema: cannot read `nowhere.sql`"),
        (&["run", "--schema", "my.sql"], "--workload"),
        (&["run", "scenarios", "--schema", "my.sql", "--workload", "ops.sql"], "cannot be used with"),
        (&["run", "--voters", "5"], "--schema"),
        (&["replay", "--seed", "1"], "FILE"),
        (&["frobnicate"], "frobnicate"),
    ];
    for (arguments, remedy) in cases {
        let output = lockstep(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert!(stderr(&output).contains(remedy), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn one_malformed_scenario_keeps_all_from_running() {
    let folder = workplace();
    std::fs::write(folder.path().join("scenarios/join/broken.toml"), "seeds = \n").expect("the file is written");
    for command in ["run", "check", "list"] {
        let output = lockstep(folder.path(), &[command]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).contains("scenarios/join/broken.toml"), "{}", stderr(&output));
    }
}

#[test]
fn a_new_scenario_passes_and_is_never_overwritten() {
    let folder = workplace();
    let file = folder.path().join("scenarios/join/mine.toml");
    let run = lockstep(folder.path(), &["run", "scenarios/join/mine.toml"]);
    assert_eq!(run.status.code(), Some(0), "{}{}", stdout(&run), stderr(&run));
    assert!(stdout(&run).starts_with("pass  join/mine"), "{}", stdout(&run));
    std::fs::write(&file, "# mine\n").expect("the file is written");
    lockstep(folder.path(), &["new", "join/mine"]);
    assert_eq!(std::fs::read_to_string(&file).expect("it is still there"), "# mine\n");
}

#[test]
fn json_is_one_object_a_run_and_nothing_else() {
    let folder = workplace();
    let output = lockstep(folder.path(), &["run", "--json", "--seeds", "1..2"]);
    let text = stdout(&output);
    let objects = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("one object a line"));
    let seeds: Vec<_> = objects.map(|object| object["seed"].clone()).collect();
    assert_eq!(seeds, [1, 2]);
    assert_eq!(stderr(&output), "");
}

#[test]
fn two_runs_print_the_same() {
    let folder = workplace();
    let run = || stdout(&lockstep(folder.path(), &["run", "scenarios/join/mine.toml", "--seed", "5"]));
    assert_eq!(run(), run());
    assert!(!run().contains('\x1b'), "colours are for terminals");
}

#[test]
fn a_reader_that_goes_away_is_not_worth_a_word() {
    let folder = workplace();
    let mut child = command(folder.path(), &["list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the tool ends");
    assert_eq!(stderr(&output), "");
}

/// A working directory with tables and operations, and no scenario.
fn own_sql() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let schema = "CREATE TABLE stock(item INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 100 CHECK (n >= 0));\n\
                  CREATE TABLE sales(id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES stock, token TEXT);\n\
                  INSERT INTO stock(item) VALUES (1), (2), (3);\n";
    let operations = "-- :item = 1..3\n\
                      BEGIN;\n\
                      UPDATE stock SET n = n - 1 WHERE item = :item;\n\
                      INSERT INTO sales(item, token) VALUES (:item, hex(randomblob(4)));\n\
                      COMMIT;\n\
                      SELECT sum(n) FROM stock WHERE n < :bound;\n";
    std::fs::write(folder.path().join("my tables.sql"), schema).expect("the file is written");
    std::fs::write(folder.path().join("ops.sql"), operations).expect("the file is written");
    folder
}

const OWN_SQL: &[&str] = &["run", "--schema", "my tables.sql", "--workload", "ops.sql"];

fn digest(output: &Output) -> String {
    let object: serde_json::Value = serde_json::from_str(&stdout(output)).expect("one object");
    object["digest"].as_str().expect("a run has a digest").to_owned()
}

#[test]
fn own_sql_runs_without_a_scenario_file() {
    let folder = own_sql();
    let run = lockstep(folder.path(), &[OWN_SQL, &["--ops", "60", "--seeds", "1..2"]].concat());
    assert_eq!(run.status.code(), Some(0), "{}{}", stdout(&run), stderr(&run));
    assert!(stdout(&run).starts_with("pass  ops  2 seeds\n"), "{}", stdout(&run));
    let alone = lockstep(folder.path(), &[OWN_SQL, &["--ops", "60", "--voters", "1", "--seeds", "1"]].concat());
    assert_eq!(alone.status.code(), Some(0), "{}{}", stdout(&alone), stderr(&alone));
}

#[test]
fn the_scenario_that_own_sql_makes_can_be_saved_and_gives_the_same() {
    let folder = own_sql();
    let size = ["--voters", "5", "--clients", "2", "--ops", "60"];
    let shown = stdout(&lockstep(folder.path(), &[OWN_SQL, &size, &["--show"]].concat()));
    assert!(shown.contains("voters = 5") && shown.contains("\"bound\" = \"1..100\""), "{shown}");
    std::fs::write(folder.path().join("saved.toml"), shown).expect("the file is written");
    let saved = digest(&lockstep(folder.path(), &["run", "saved.toml", "--seed", "7", "--json"]));
    let own = digest(&lockstep(folder.path(), &[OWN_SQL, &size, &["--seed", "7", "--json"]].concat()));
    assert_eq!(saved, own);
}

#[test]
fn a_failure_of_own_sql_ends_with_a_command_that_replays_it() {
    let folder = own_sql();
    let arguments = [OWN_SQL, &["--ops", "60", "--seeds", "3..4", "--system", "statement-shipping"]].concat();
    let failing = lockstep(folder.path(), &arguments);
    assert_eq!(failing.status.code(), Some(1), "{}{}", stdout(&failing), stderr(&failing));
    let first = stdout(&failing).lines().next().expect("it says what failed").to_owned();
    let replay = "replay --schema 'my tables.sql' --workload ops.sql --ops 60 --seed 3 --system statement-shipping";
    assert!(stdout(&failing).contains(&format!("cargo sim {replay}\n")), "{}", stdout(&failing));
    let words: Vec<&str> = replay.split(' ').map(|word| word.trim_matches('\'')).collect();
    let (before, after) = (&words[..2], &words[4..]);
    let replayed = lockstep(folder.path(), &[before, &["my tables.sql"], after].concat());
    assert_eq!(replayed.status.code(), Some(1), "{}", stderr(&replayed));
    assert!(stdout(&replayed).contains(&first), "{first}\nis not in\n{}", stdout(&replayed));
    let directly = command(folder.path(), &arguments).env_remove("CARGO").output().expect("the tool starts");
    let program = env!("CARGO_BIN_EXE_lockstep");
    assert!(stdout(&directly).contains(&format!("{program} {replay}\n")), "{}", stdout(&directly));
}

#[test]
fn mistakes_in_own_sql_are_shown_at_their_places() {
    let folder = own_sql();
    let tables = "CREATE TABLE stock(item);\n";
    for (schema, operations, place, remedy) in [
        (tables, "SELECT 1;\nUPDATE stok SET item = :item;\n", "ops.sql:2:8", "did you mean `stock`?"),
        (tables, "-- :itm = 1..3\nUPDATE stock SET item = :item;\n", "ops.sql:1:4", "did you mean `:item`?"),
        (tables, "BEGIN;\nSELECT 1;\n", "ops.sql:1:1", "COMMIT;"),
        ("PRAGMA foreign_keys = ON;\n", "SELECT 1;\n", "tables.sql:1:1", "PRAGMA foreign_keys is refused"),
        (tables, "SELECT 1;\nSELECT last_insert_rowid();\n", "ops.sql:2:8", "RETURNING rowid"),
    ] {
        std::fs::write(folder.path().join("tables.sql"), schema).expect("the file is written");
        std::fs::write(folder.path().join("ops.sql"), operations).expect("the file is written");
        let output = lockstep(folder.path(), &["run", "--schema", "tables.sql", "--workload", "ops.sql"]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""), "{}", stderr(&output));
        assert!(stderr(&output).contains(place) && stderr(&output).contains(remedy), "{}", stderr(&output));
    }
}

#[test]
fn help_lists_what_people_need_first() {
    let folder = workplace();
    let help = stdout(&lockstep(folder.path(), &["--help"]));
    let place = |word: &str| help.find(word).unwrap_or_else(|| panic!("no `{word}` in:\n{help}"));
    assert!(place("\n  run ") < place("\n  replay ") && place("\n  replay ") < place("\n  new "));
    assert!(help.contains("Examples:") && help.contains("Exit codes:"));
}
