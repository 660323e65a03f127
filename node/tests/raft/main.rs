//! Tests of the Raft core.
//!
//! | file | judges the core by |
//! |---|---|
//! | `scripts/`, `script`, `show` | golden scripts, one behaviour each |
//! | `random` | random clusters in which everything goes wrong |
//! | `model`, `scopes`, `shared` | every state that small clusters can reach |
//! | `fuzz` | messages that no correct peer would send |
//! | `properties` | majorities and changes of the members, by enumeration |
//! | `cluster`, `disk`, `checker` | a cluster to do it with, and Raft's safety properties |
//!
//! A script in `scripts/` holds commands, each on a line that begins with `> `, and below them what the nodes did. With
//! `UPDATE=1` in the environment the outputs are written anew; what they say must then be reviewed. `script.rs` lists the
//! commands.

mod checker;
mod cluster;
mod disk;
mod fuzz;
mod model;
mod properties;
mod random;
mod scopes;
mod script;
mod shared;
mod show;

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = scripts().into_iter().map(script_trial).collect();
    let others: [(&str, fn()); 8] = [
        ("fuzz::garbage_does_not_panic", fuzz::garbage_does_not_panic),
        ("model::broken_rules_are_found", scopes::broken_rules_are_found),
        ("model::the_core_is_safe_in_small_scopes", scopes::the_core_is_safe_in_small_scopes),
        (
            "properties::changes_lead_through_majorities_that_intersect",
            properties::changes_lead_through_majorities_that_intersect,
        ),
        (
            "properties::majorities_are_those_of_a_naive_definition",
            properties::majorities_are_those_of_a_naive_definition,
        ),
        (
            "properties::what_is_held_is_what_those_who_reached_it_decide",
            properties::what_is_held_is_what_those_who_reached_it_decide,
        ),
        ("random::broken_rules_are_noticed", random::broken_rules_are_noticed),
        ("random::clusters_stay_safe_and_recover", random::clusters_stay_safe_and_recover),
    ];
    for (name, test) in others {
        trials.push(Trial::test(name, move || {
            test();
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/raft/scripts");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder entry").path()).collect();
    paths.sort();
    paths
}

fn script_trial(path: PathBuf) -> Trial {
    let name = path.file_name().expect("a script has a name").to_string_lossy().into_owned();
    Trial::test(name, move || run_script(&path))
}

fn run_script(path: &Path) -> Result<(), Failed> {
    let expected = fs::read_to_string(path)?;
    let actual = script::run(&expected)?;
    if actual == expected {
        return Ok(());
    }
    if std::env::var_os("UPDATE").is_some() {
        return Ok(fs::write(path, actual)?);
    }
    let line = expected.lines().zip(actual.lines()).take_while(|(expected, actual)| expected == actual).count();
    let shown = |text: &str| text.lines().skip(line).take(8).collect::<Vec<_>>().join("\n");
    Err(format!(
        "{}:{}: the nodes did something else.\nexpected:\n{}\nactual:\n{}\nUPDATE=1 cargo test -p lockstep-node --test raft writes it anew",
        path.display(),
        line + 1,
        shown(&expected),
        shown(&actual)
    )
    .into())
}
