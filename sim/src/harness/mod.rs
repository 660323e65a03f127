//! The test harness: one test a scenario and seed, without a line of Rust.
//!
//! A test is called `join/leader-cut::seed_7`, or `join/leader-cut@bully::seed_7` on a system on which the scenario is
//! expected to fail. Every seed runs in two processes, one that has run other seeds before and a fresh one, and must end
//! with the same digest in both. A run that passes is also compared with the scenario's snapshot, if its seed is the
//! first that the file lists. `LOCKSTEP_SEEDS=100..200` runs other seeds, on the scenarios' own systems.
//!
//! The program works under `cargo test` and, a process a test, under `cargo nextest`: listing reads scenario files and
//! starts nothing.

mod failure;
mod snapshot;
pub mod tables;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::cases::{self, Case};
use crate::scenario;
use crate::scenario::model::Scenario;
use crate::seeds::Seeds;
use crate::status::Status;
use crate::systems::System;
use crate::worker::{self, Wants, Worker};
use snapshot::Snapshots;

/// The variable that names other seeds than the scenarios' own.
const SEEDS_VARIABLE: &str = "LOCKSTEP_SEEDS";

/// Where the tests find things and leave things.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The folder that holds `scenarios` and `snapshots`; paths are shown as seen from it.
    pub root: PathBuf,
    /// Cargo's `CARGO_TARGET_TMPDIR`. Failures go to `lockstep/failures` beside it.
    pub target_tmp: PathBuf,
}

/// The whole test program: returns the exit code.
pub fn main(systems: &'static [&'static dyn System], folders: &Folders) -> ExitCode {
    if worker::was_asked_for() {
        return worker::serve(systems);
    }
    let arguments = Arguments::from_args();
    let trials = std::env::set_current_dir(&folders.root)
        .map_err(|error| format!("{}: {error}", folders.root.display()))
        .and_then(|()| trials(systems, folders));
    match trials {
        Ok(trials) => {
            // A failed test says so itself; what insta panics with would be a second, worse message.
            std::panic::set_hook(Box::new(|_| {}));
            libtest_mimic::run(&arguments, trials).exit_code()
        }
        Err(message) => {
            eprintln!("error: {message}");
            Status::Bad.into()
        }
    }
}

fn trials(systems: &'static [&'static dyn System], folders: &Folders) -> Result<Vec<Trial>, String> {
    let seeds = other_seeds()?;
    let target = folders.target_tmp.parent().ok_or("CARGO_TARGET_TMPDIR has no parent folder")?;
    let bench = Arc::new(Bench {
        workers: Mutex::default(),
        snapshots: Snapshots::new(folders.root.join("snapshots")),
        failures: target.join("lockstep").join("failures"),
    });
    let mut trials = Vec::new();
    let mut with_snapshot = Vec::new();
    for file in scenario::discover(&[PathBuf::from("scenarios")])? {
        match cases::load_file(&file, systems) {
            Ok(scenario) => {
                if !scenario.finals.is_empty() {
                    with_snapshot.push(scenario.name.clone());
                }
                trials.extend(trials_of(&scenario, seeds, &bench));
            }
            Err(report) => {
                let name = scenario::discover::name_of(&file);
                with_snapshot.push(name.clone());
                let text = report.render(false);
                trials.push(Trial::test(name, move || Err(Failed::from(text))));
            }
        }
    }
    trials.push(Trial::test("snapshots::no_orphans", move || bench.snapshots.no_orphans(&with_snapshot)));
    Ok(trials)
}

fn other_seeds() -> Result<Option<Seeds>, String> {
    match std::env::var(SEEDS_VARIABLE) {
        Err(std::env::VarError::NotPresent) => Ok(None),
        Ok(text) => text.parse().map(Some).map_err(|reason| format!("{SEEDS_VARIABLE}: {reason}")),
        Err(error) => Err(format!("{SEEDS_VARIABLE}: {error}")),
    }
}

fn trials_of(scenario: &Arc<Scenario>, seeds: Option<Seeds>, bench: &Arc<Bench>) -> Vec<Trial> {
    let own_seeds = seeds.is_none();
    let seeds: Vec<u64> = seeds.map_or_else(|| scenario.seeds.clone(), |seeds| seeds.iter().collect());
    let test = |case: Case, seed: u64| {
        let bench = bench.clone();
        Trial::test(format!("{}::seed_{seed}", case.name()), move || bench.test(&case, seed))
    };
    // Which of the known faults another seed would show, no scenario says.
    let cases: Vec<Case> = cases::of(scenario).into_iter().filter(|case| own_seeds || case.is_own_system()).collect();
    cases.iter().flat_map(|case| seeds.iter().map(|seed| test(case.clone(), *seed))).collect()
}

/// What tests share.
struct Bench {
    /// Workers that are not at work.
    workers: Mutex<Vec<Worker>>,
    snapshots: Snapshots,
    failures: PathBuf,
}

impl Bench {
    fn test(&self, case: &Case, seed: u64) -> Result<(), Failed> {
        let with_snapshot = case.is_own_system() && case.scenario.seeds.first() == Some(&seed);
        let task = case.task(seed, Wants { finals: with_snapshot, ..Wants::default() }, true);
        let mut worker = self.workers.lock().expect("no test panics here").pop().unwrap_or_default();
        if worker.answered() == 0 {
            // One of the two processes must have run something else before.
            worker.ask(&case.task(seed.wrapping_add(1), Wants::default(), false).job)?;
        }
        let answer = task.run(&mut worker)?;
        self.workers.lock().expect("no test panics here").push(worker);
        if answer.status != Status::Pass {
            return Err(failure::describe(&self.failures, case, seed, &answer).into());
        }
        match answer.finals.filter(|_| with_snapshot) {
            None => Ok(()),
            Some(Ok(tables)) => self.snapshots.compare(case, &tables),
            Some(Err(reason)) => Err(format!("final tables: {reason}\n{}", case.replay(seed)).into()),
        }
    }
}
