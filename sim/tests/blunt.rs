//! Faults that strike and do nothing are noticed: a scenario whose faults of one kind are blunt is vacuous, not green. One
//! test a scenario.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use lockstep_sim::check::PROPERTIES;
use lockstep_sim::run::Finding;
use lockstep_sim::scenario::model::{ClockError, Event, Probability, Scenario};
use lockstep_sim::scenario::{self, Known};
use lockstep_sim::simulate::{Options, SETTINGS, simulate};
use lockstep_sim::systems;
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::trace::Trace;

/// A seed of these has each of a scenario's nemeses.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=40;

/// So many strikes of a nemesis are no bad luck.
const STRIKES: usize = 4;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace");
    let files = scenario::discover(&[root.join("scenarios")]).expect("the scenarios can be listed");
    let trial = |file: PathBuf| {
        let scenario = load(&file);
        Trial::test(scenario.name.clone(), move || blunted(&scenario))
    };
    libtest_mimic::run(&Arguments::from_args(), files.into_iter().map(trial).collect()).exit_code()
}

fn load(file: &Path) -> Arc<Scenario> {
    let names: Vec<&str> = systems::ALL.iter().map(|system| system.name()).collect();
    let known = Known { systems: &names, properties: PROPERTIES, kinds: &systems::kinds(systems::ALL) };
    Arc::new(scenario::load(file, &known).unwrap_or_else(|report| panic!("{report}")))
}

/// Runs a scenario with each kind of its faults blunt, and wants each run to be vacuous.
fn blunted(scenario: &Arc<Scenario>) -> Result<(), Failed> {
    let events = scenario.events.iter().map(|event| event.fault.name());
    let faults: BTreeSet<&'static str> =
        events.chain(scenario.nemeses.iter().map(|nemesis| nemesis.fault.name())).collect();
    for blunt in faults.into_iter().chain(settings(scenario)) {
        let seed = SEEDS.into_iter().find(|seed| has(scenario, *seed, blunt));
        let seed = seed.ok_or_else(|| format!("no seed of {SEEDS:?} has a {blunt}"))?;
        let run = simulate(&LOCKSTEP, scenario, seed, &Options { blunt: Some(blunt), ..Options::default() });
        let violated = run.verdicts.iter().find(|verdict| matches!(verdict.result, Finding::Violated(_)));
        if violated.is_none() && run.vacuous.is_empty() {
            return Err(format!("seed {seed} is green, although no {blunt} did anything").into());
        }
    }
    Ok(())
}

/// The settings that change something, often enough to be missed.
fn settings(scenario: &Scenario) -> Vec<&'static str> {
    let network = &scenario.network.all;
    let off = |error: &ClockError| !matches!(error, ClockError::UpTo(0));
    // A chance below this meets too few messages in a short run for anybody to tell bad luck from a broken testbed.
    let often = |chance: Probability| chance.0 >= 5000;
    let changes = |setting: &&'static str| match *setting {
        "loss" => often(network.loss),
        "duplicate" => often(network.duplicate),
        "reorder" => often(network.reorder),
        "bandwidth" => {
            network.bandwidth.is_some() || scenario.network.links.iter().any(|link| link.bandwidth.is_some())
        }
        // With a drift they are wrong without an offset as well, and the other way round.
        "offset" => off(&scenario.clock.offset_ns) && !off(&scenario.clock.drift_ppm),
        _ => off(&scenario.clock.drift_ppm) && !off(&scenario.clock.offset_ns),
    };
    SETTINGS.into_iter().filter(changes).collect()
}

/// Whether a seed has enough faults of this kind, or the setting has an effect on all seeds.
fn has(scenario: &Scenario, seed: u64, blunt: &str) -> bool {
    let events = scenario::lower(scenario, seed, &Trace::default()).events;
    let of_kind = |event: &&Event| event.fault.name() == blunt;
    let strikes = |nemesis| events.iter().filter(of_kind).filter(|event| event.nemesis == Some(nemesis)).count();
    SETTINGS.contains(&blunt)
        || events.iter().filter(of_kind).any(|event| event.nemesis.is_none_or(|nemesis| strikes(nemesis) >= STRIKES))
}
