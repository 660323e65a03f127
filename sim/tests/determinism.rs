//! A seed is a run: the same in whatever order, on whatever thread, and whatever madsim's own scheduler decides.

use std::path::Path;
use std::sync::{Arc, Mutex};

use lockstep_sim::cases;
use lockstep_sim::scenario::model::Scenario;
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems;
use lockstep_sim::systems::lockstep::LOCKSTEP;

/// A quiet day, restarts of all nodes, and a power cut of all disks.
const SCENARIOS: &[&str] = &["steady/bank", "rules/forgotten-vote", "rules/answer-before-sync"];

#[test]
fn a_run_does_not_depend_on_the_scheduler_under_it() {
    for name in SCENARIOS {
        for seed in 1..=3 {
            let digests = [0, 1, 99].map(|madsim_seed| digest(name, seed, Some(madsim_seed)));
            assert!(digests.iter().all(|digest| *digest == digests[0]), "{name}, seed {seed}: {digests:x?}");
        }
    }
}

#[test]
fn a_run_does_not_depend_on_what_ran_before() {
    let first = digest("steady/bank", 1, None);
    for name in SCENARIOS {
        digest(name, 2, None);
    }
    assert_eq!(digest("steady/bank", 1, None), first);
}

#[test]
fn a_run_does_not_depend_on_its_thread() {
    let here = digest("steady/bank", 1, None);
    #[expect(clippy::disallowed_methods, reason = "the test is about threads")]
    let there = std::thread::spawn(|| digest("steady/bank", 1, None)).join().expect("the run ends");
    assert_eq!(here, there);
}

#[test]
fn another_seed_is_another_run() {
    for name in SCENARIOS {
        assert_ne!(digest(name, 1, None), digest(name, 2, None), "{name}");
    }
}

fn digest(name: &str, seed: u64, madsim_seed: Option<u64>) -> u128 {
    /// One run at a time in a process.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    simulate(&LOCKSTEP, &load(name), seed, &Options { madsim_seed, ..Options::default() }).digest
}

fn load(name: &str) -> Arc<Scenario> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml");
    cases::load_file(&file, systems::ALL).unwrap_or_else(|report| panic!("{report}"))
}
