//! One run, driven from Rust: set a breakpoint anywhere in the node and debug this test.

use std::path::Path;

use lockstep_sim::cases;
use lockstep_sim::report;
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems;
use lockstep_sim::systems::lockstep::LOCKSTEP;

#[test]
fn a_scenario_runs_under_a_debugger() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/steady/bank.toml");
    let scenario = cases::load_file(&file, systems::ALL).unwrap_or_else(|report| panic!("{report}"));
    let run = simulate(&LOCKSTEP, &scenario, 7, &Options::default());
    assert_eq!(report::failure(&run), None);
    assert_eq!(run.vacuous, Vec::<String>::new());
    assert_eq!(run.evidence.counts.acknowledged, 200);
}
