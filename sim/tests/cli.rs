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

#[test]
fn help_lists_what_people_need_first() {
    let folder = workplace();
    let help = stdout(&lockstep(folder.path(), &["--help"]));
    let place = |word: &str| help.find(word).unwrap_or_else(|| panic!("no `{word}` in:\n{help}"));
    assert!(place("\n  run ") < place("\n  replay ") && place("\n  replay ") < place("\n  new "));
    assert!(help.contains("Examples:") && help.contains("Exit codes:"));
}
