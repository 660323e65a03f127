//! How the fault phase ends, and what faults leave behind: the testbed's own behaviour, seen from outside.

use std::path::Path;
use std::sync::Arc;

use lockstep_sim::report::failure;
use lockstep_sim::run::Run;
use lockstep_sim::scenario::{Known, Origin, parse};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems::lockstep::LOCKSTEP;

fn run(source: &str, seed: u64) -> Run {
    let origin = Origin { name: "test".into(), path: "test.toml".into(), folder: Path::new(".").to_owned() };
    let scenario = parse(source, &origin, &Known { systems: &["lockstep"], properties: &[] });
    let scenario = scenario.unwrap_or_else(|report| panic!("{}", report.render(false)));
    simulate(&LOCKSTEP, &Arc::new(scenario), seed, &Options::default())
}

/// The run ends in good order, and says of each of so many faults that it never struck.
fn missed(run: &Run, faults: usize) {
    assert_eq!(run.evidence.gave_up, None);
    assert_eq!(failure(run), None);
    assert_eq!(run.vacuous.len(), faults, "{:?}", run.vacuous);
    assert!(run.vacuous.iter().all(|reason| reason.contains("never struck")), "{:?}", run.vacuous);
}

#[test]
fn a_fault_whose_moment_never_comes_is_missed_even_where_nothing_else_happens() {
    // A cluster of one has no heartbeats: once its clients are done, nothing moves time on.
    let kill = "{ when = { mark = \"leader.elected\", nth = 9 }, do = \"kill\" }";
    missed(&run(&format!("workload = [{{ ops = 5 }}]\nevent = [{kill}]\n[cluster]\nvoters = 1"), 1), 1);
}

#[test]
fn a_fault_whose_target_never_comes_is_missed() {
    let events =
        "{ at = \"3s\", do = \"kill\", target = \"all\" }, { at = \"3.1s\", do = \"kill\", target = \"leader\" }";
    missed(&run(&format!("workload = [{{ ops = 2 }}]\nevent = [{events}]"), 1), 1);
}
