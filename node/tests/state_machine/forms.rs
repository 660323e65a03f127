//! Every form is a row: each statement by which replicas are known to come to differ, or might, stands in a table
//! with what becomes of it, and is executed in every history that a replica may have ([`histories::HISTORIES`]).
//!
//! A form converges, or it is refused by Lockstep, or it fails with an error of SQLite: whichever it is, results, digests
//! and contents are the same in all histories, and the digest is that of the contents after every entry.

#[path = "forms/bad_input.rs"]
mod bad_input;
#[path = "forms/histories.rs"]
mod histories;
#[path = "forms/table.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use histories::{HISTORIES, History, Outcome, Stopped};
use lockstep_node::api::{Batch, StatementResult, Value};
use lockstep_node::raft::Entry;
use lockstep_node::state_machine::{Command, StateMachine};
use table::{Expected, Form, Section};

use super::{Machine, command, log, results, vfs};

/// Executes a file of the table in every history.
fn hold(name: &str) {
    hold_sections(name, &table::read(name));
}

fn hold_sections(name: &str, sections: &[Section]) {
    println!("{name}: {}, in each of {} histories", Count::of(sections), HISTORIES.len());
    let findings = sections.iter().flat_map(findings).collect::<Vec<_>>();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// What is wrong with the forms of a section.
fn findings(section: &Section) -> Vec<String> {
    let log = entries(&section.forms);
    let reference = match History::EntryByEntry.run(&log) {
        Ok(outcome) => outcome,
        Err(stopped) => return vec![describe(section, &stopped)],
    };
    let mut findings = Vec::new();
    let mut before = None;
    for (form, applied) in section.forms.iter().zip(&reference.applied) {
        let result = &results(applied)[0];
        if result.is_err() && before.is_some_and(|digest| digest != applied.digest) {
            findings.push(format!("{form}\n    failed, and left something behind"));
        }
        before = Some(applied.digest);
        if !form.expected.matches(result) {
            findings.push(format!("{form}\n    expected: {}\n    found: {}", form.expected, shown(result)));
        }
    }

    // Where several histories go another way than the first, they mostly do so at the same form.
    let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for history in &HISTORIES[1..] {
        let finding = match history.run(&log) {
            Ok(outcome) => difference(section, &reference, &outcome),
            Err(stopped) => Some(describe(section, &stopped)),
        };
        if let Some(finding) = finding {
            others.entry(finding).or_default().push(format!("{history:?}"));
        }
    }
    findings
        .extend(others.into_iter().map(|(finding, histories)| format!("{finding}\n    in: {}", histories.join(", "))));
    findings
}

/// One entry a form, each with a time and seed of its own.
fn entries(forms: &[Form]) -> Vec<Entry> {
    log(forms.iter().map(|form| Command {
        batch: Batch { statements: vec![form.statement.clone()], atomic: false },
        ..command(&[], false)
    }))
}

fn describe(section: &Section, stopped: &Stopped) -> String {
    let form = section.forms.get(stopped.after).or(section.forms.last()).expect("a section has forms");
    format!("{form}\n    {}", stopped.reason)
}

/// The first entry at which a history went another way.
fn difference(section: &Section, reference: &Outcome, other: &Outcome) -> Option<String> {
    let mut pairs = section.forms.iter().zip(&reference.applied).zip(&other.applied);
    if let Some(((form, left), right)) = pairs.find(|((_, left), right)| left != right) {
        return Some(match (&results(left)[0], &results(right)[0]) {
            (left, right) if left == right => format!("{form}\n    the contents after it differ"),
            (left, right) => format!("{form}\n    the results differ: {}\n    and: {}", shown(left), shown(right)),
        });
    }
    let form = section.forms.last().expect("a section has forms");
    (reference.dump != other.dump).then(|| format!("{form}\n    the contents differ, and not their digests"))
}

fn shown(result: &StatementResult) -> String {
    let text = match result {
        Ok(rows) => format!("{rows:?}"),
        Err(error) if error.code == 0 => format!("refused: {}", error.message),
        Err(error) => format!("error {}: {}", error.code, error.message),
    };
    text.chars().take(300).collect()
}

/// Forms by outcome.
#[derive(Default)]
struct Count {
    converge: usize,
    refused: usize,
    fail: usize,
}

impl Count {
    fn of(sections: &[Section]) -> Count {
        let mut count = Count::default();
        for form in sections.iter().flat_map(|section| &section.forms) {
            match form.expected {
                Expected::Converges => count.converge += 1,
                Expected::Refused(_) => count.refused += 1,
                Expected::Fails(..) => count.fail += 1,
            }
        }
        count
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Count { converge, refused, fail } = self;
        write!(f, "{converge} forms converge, {refused} are refused, {fail} fail")
    }
}

/// One test a file, and the list of all files.
macro_rules! files {
    ($($test:ident),* $(,)?) => {
        const FILES: &[&str] = &[$(concat!(stringify!($test), ".sql")),*];
        $(
            #[test]
            fn $test() {
                hold(concat!(stringify!($test), ".sql"));
            }
        )*
    };
}

#[test]
fn every_file_of_the_table_is_executed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/state_machine/forms");
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let found = names.filter(|name| name.ends_with(".sql")).collect::<BTreeSet<_>>();
    let listed = FILES.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found, listed);

    let sections = FILES.iter().flat_map(|name| table::read(name)).collect::<Vec<_>>();
    println!("the table of forms: {}, in each of {} histories", Count::of(&sections), HISTORIES.len());
}

files! {
    alter,
    connection,
    constraints,
    internal,
    names,
    queries,
    schema,
    sequence,
    text,
    randomness,
    regressions,
    time,
    triggers,
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
