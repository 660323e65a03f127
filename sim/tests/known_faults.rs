//! The table of known faults is exact: each naive system fails the scenarios that name it, on all their seeds and with the
//! properties that they name, and no others. The README shows the table.
//!
//! One test for each scenario on each system: `network/minority@bully`. This program is also its own worker.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use lockstep_sim::scenario::model::Scenario;
use lockstep_sim::status::Status;
use lockstep_sim::systems::{self, System};
use lockstep_sim::worker::{self, Wants, Worker};
use lockstep_sim::{cases, scenario};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if worker::was_asked_for() {
        return worker::serve(systems::ALL);
    }
    let arguments = Arguments::from_args();
    std::env::set_current_dir(root()).expect("the workspace is a folder");
    let scenarios = match scenarios() {
        Ok(scenarios) => scenarios,
        Err(message) => {
            eprintln!("{message}");
            return Status::Bad.into();
        }
    };
    let exact = scenarios.iter().flat_map(|scenario| {
        others(scenario).filter(|system| !is_shown(scenario, system.name())).map(|system| {
            let scenario = scenario.clone();
            Trial::test(format!("{}@{}", scenario.name, system.name()), move || exact(&scenario, system.name()))
        })
    });
    let mut trials: Vec<Trial> = exact.collect();
    trials.push(Trial::test("the_readme_shows_the_table", move || the_readme_shows_the_table(&scenarios)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn scenarios() -> Result<Vec<Arc<Scenario>>, String> {
    let files = scenario::discover(&["scenarios".into()])?;
    files.iter().map(|file| cases::load_file(file, systems::ALL).map_err(|report| report.render(false))).collect()
}

/// The systems that a scenario is not written for.
fn others(scenario: &Scenario) -> impl Iterator<Item = &'static dyn System> {
    systems::ALL.iter().copied().filter(|system| system.name() != scenario.cluster.system)
}

/// Whether the tests of scenarios show it: there a system that is named with one property fails with it on every seed.
fn is_shown(scenario: &Scenario, system: &str) -> bool {
    scenario.expect.fails.get(system).is_some_and(|properties| properties.len() == 1)
}

/// Runs all seeds of a scenario on a system and compares what fails first with what the scenario names.
fn exact(scenario: &Arc<Scenario>, system: &str) -> Result<(), Failed> {
    let case = cases::on(scenario, system, systems::ALL)?;
    let mut worker = Worker::default();
    let mut seen = BTreeSet::new();
    let mut told = String::new();
    for seed in &scenario.seeds {
        let answer = worker.ask(&case.task(*seed, Wants::default(), false).job)?;
        let failed = match answer.status {
            Status::Failed => answer.property,
            // Where faults find nobody to strike, as those of a leader whom no node names, nothing is shown.
            Status::Pass | Status::Vacuous => None,
            _ => return Err(format!("seed {seed}: {}\n{}", answer.headline, answer.details.join("\n")).into()),
        };
        told += &format!("  {}\n  {}\n", answer.headline, case.replay(*seed));
        seen.insert(failed);
    }
    let named: BTreeSet<Option<String>> = match case.expected.as_slice() {
        [] => [None].into(),
        properties => properties.iter().cloned().map(Some).collect(),
    };
    if seen == named {
        return Ok(());
    }
    let remedy = match seen.iter().cloned().collect::<Option<Vec<String>>>() {
        Some(all) => format!("every seed fails, so name all that fails first: {system} = {all:?}"),
        None if seen.len() == 1 => format!("no seed fails, so do not name {system}"),
        None => {
            "some seeds fail and others do not: list other seeds, or change the scenario until all are alike".to_owned()
        }
    };
    Err(format!("[expect] fails of {} is not what {system} does: {remedy}\n{told}", scenario.given).into())
}

fn the_readme_shows_the_table(scenarios: &[Arc<Scenario>]) -> Result<(), Failed> {
    let table = table(scenarios);
    insta::with_settings!({
        snapshot_path => root().join("snapshots/teeth"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("known_faults", table) });
    let readme = fs::read_to_string("README.md")?;
    let (_, rest) =
        readme.split_once("<!-- known faults -->\n").ok_or("the README does not mark where the table begins")?;
    let (shown, _) = rest.split_once("<!-- end -->").ok_or("the README does not mark where the table ends")?;
    match shown.trim() == table.trim() {
        true => Ok(()),
        false => Err("copy the table from snapshots/teeth/known_faults.snap into README.md".into()),
    }
}

/// A row for every scenario that a system fails, a column for every such system.
fn table(scenarios: &[Arc<Scenario>]) -> String {
    let failing = scenarios.iter().flat_map(|scenario| scenario.expect.fails.keys()).collect::<BTreeSet<_>>();
    let columns: Vec<&str> =
        systems::ALL.iter().map(|system| system.name()).filter(|name| failing.iter().any(|one| one == name)).collect();
    let mut table =
        format!("| scenario | what happens | {} |\n|---|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for scenario in scenarios.iter().filter(|scenario| !scenario.expect.fails.is_empty()) {
        let about = scenario.about.first().map_or("", |line| line.as_str());
        let cell = |system: &&str| {
            let properties = scenario.expect.fails.get(*system).map(Vec::as_slice).unwrap_or_default();
            properties.iter().map(|property| format!("`{property}`")).collect::<Vec<_>>().join(" or ")
        };
        let cells = columns.iter().map(cell).collect::<Vec<_>>();
        table += &format!("| {} | {about} | {} |\n", scenario.name, cells.join(" | "));
    }
    table
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}
