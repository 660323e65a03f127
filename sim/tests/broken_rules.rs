//! Lockstep with one rule broken fails the scenario that is made for that rule; Lockstep itself passes it.

use std::path::Path;
use std::sync::Arc;

use lockstep_sim::cases;
use lockstep_sim::run::{Finding, Run};
use lockstep_sim::scenario::model::Scenario;
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems;
use lockstep_sim::systems::System;
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::zoo;

/// A broken rule must be found within so many seeds, from 1.
const SEEDS_MAX: u64 = 60;

/// What is broken, the scenario that shows it, and the property that fails first.
const BROKEN: &[(&dyn System, &str, &str)] = &[
    (&zoo::ANSWERS_BEFORE_SYNC, "rules/answer-before-sync", "commit-durable"),
    (&zoo::FORGETS_VOTES, "rules/forgotten-vote", "election-safety"),
    (&zoo::SKIPS_PREVIOUS_TERM, "rules/previous-term", "log-matching"),
    (&zoo::READS_OWN_CLOCK, "rules/own-clock", "state-machine-safety"),
    (&zoo::EXECUTES_EXPIRED, "sessions/expired-meanwhile", "exactly-once"),
    (&zoo::NeverSyncs, "steady/bank", "commit-durable"),
];

#[test]
fn every_broken_rule_is_found_and_lockstep_holds() {
    assert_eq!(BROKEN.len(), zoo::ALL.len(), "every system of the zoo is put to the test");
    let mut table = "| system | scenario | fails | at seed |\n|---|---|---|---|\n".to_owned();
    for &(system, name, property) in BROKEN {
        let scenario = load(name);
        let (seed, failed) = find(system, &scenario);
        assert_eq!(failed, property, "{} on {name}, seed {seed}", system.name());
        assert_eq!(failure(&simulate(&LOCKSTEP, &scenario, seed, &Options::default())), None, "{name}, seed {seed}");
        table += &format!("| {} | {name} | {property} | {seed} |\n", system.name());
    }
    insta::with_settings!({
        snapshot_path => root().join("snapshots/teeth"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("broken_rules", table) });
}

/// The first seed that fails, and the property.
fn find(system: &dyn System, scenario: &Arc<Scenario>) -> (u64, &'static str) {
    let failed = |seed| Some((seed, failure(&simulate(system, scenario, seed, &Options::default()))?));
    let found = (1..=SEEDS_MAX).find_map(failed);
    found.unwrap_or_else(|| panic!("{} passes {} on seeds 1 to {SEEDS_MAX}", system.name(), scenario.name))
}

fn failure(run: &Run) -> Option<&'static str> {
    let violated = run.verdicts.iter().find(|verdict| matches!(verdict.result, Finding::Violated(_)));
    violated.map(|verdict| verdict.property)
}

fn load(name: &str) -> Arc<Scenario> {
    let file = root().join("scenarios").join(name).with_extension("toml");
    cases::load_file(&file, systems::ALL).unwrap_or_else(|report| panic!("{report}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}
