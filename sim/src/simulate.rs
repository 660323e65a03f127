//! The whole of the testbed in one function: [`simulate`] runs a scenario on a system with a seed.

use std::sync::Arc;
use std::time::Duration;

use crate::check;
use crate::inspect::{executed, inspect};
use crate::record::Phase;
use crate::run::{Evidence, Run};
use crate::scenario::model::{Phases, Scenario};
use crate::systems::System;
use crate::trace::{Listener, Trace};
use crate::workload;
use crate::world::{Limit, State, World};

/// How a run is made. None of it may change what happens in the run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The seed of madsim's own scheduling and randomness; by default the run's. A run must not depend on it.
    pub madsim_seed: Option<u64>,
    /// Whether every datagram and disk call is recorded, for people who want to see all.
    pub details: bool,
    /// Who is told everything that enters the digest, as it happens.
    pub listener: Option<Listener>,
}

/// After the last operation, how long a fault that waits for something to happen may still wait.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// Runs a scenario on a system with a seed, on a fresh thread of its own.
///
/// Equal arguments give equal runs, byte for byte, in whatever process and whatever ran before. One run at a time in a
/// process: SQLite's own generator is shared by all of it.
///
/// # Panics
/// If the testbed itself has a bug. A panic of a node is part of the run.
pub fn simulate(system: &dyn System, scenario: &Arc<Scenario>, seed: u64, options: &Options) -> Run {
    let madsim_seed = options.madsim_seed.unwrap_or(seed);
    std::thread::scope(|scope| {
        // The standard library keeps hashing keys a thread, which madsim can seed only once.
        let thread = scope.spawn(|| {
            let runtime = madsim::runtime::Runtime::with_seed_and_config(madsim_seed, madsim::Config::default());
            runtime.block_on(async { run(system, scenario, seed, options) })
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn run(system: &dyn System, scenario: &Arc<Scenario>, seed: u64, options: &Options) -> Run {
    let trace = Trace::told_to(options.listener);
    let world = World::new(scenario, seed, &trace, check::all(scenario));
    if options.details {
        world.show_details();
    }
    let (gave_up, settled_after) = match drive(&world, system, scenario) {
        Ok(settled_after) => (None, settled_after),
        Err(reason) => (Some(reason), None),
    };
    world.lock().enter_phase(Phase::Inspect);
    let replicas = inspect(&world, system, scenario);
    let (checks, seen, evidence) = {
        let mut state = world.lock();
        state.count_outcomes();
        let records = std::mem::take(&mut state.ledger.records);
        let evidence = Evidence {
            scenario: scenario.clone(),
            system: system.name().to_owned(),
            seed,
            history: std::mem::take(&mut state.ledger.history),
            log: executed(system, &records, &replicas),
            records,
            replicas,
            counts: state.counts.clone(),
            ended: state.time(),
            settled_after,
            gave_up,
            struck: state.struck(),
            stopped: state.stopped(),
            marks: state.ledger.marks(),
        };
        (state.ledger.take_checks(), state.ledger.violated.take(), evidence)
    };
    world.end();
    let verdicts = check::judge(checks, seen, &evidence);
    let vacuous = check::vacuous(&evidence);
    Run { evidence, verdicts, vacuous, digest: trace.digest() }
}

/// Takes the world through its phases. Returns how long after the heal it had settled, if it did in time.
fn drive(world: &World, system: &dyn System, scenario: &Scenario) -> Result<Option<Duration>, String> {
    let limit = |limit: Limit| limit.to_string();
    world.found(system).map_err(limit)?;
    world.boot_all();
    let setup = workload::setup(world, scenario);
    let over = |state: &mut State| setup.lock().expect("nothing panics with this lock").is_some() || violated(state);
    world.run_until(system, over).map_err(limit)?;
    if violated(&world.lock()) {
        return Ok(None);
    }
    setup.lock().expect("nothing panics with this lock").take().unwrap_or(Ok(()))?;

    world.lock().begin_faults();
    workload::start(world, &Arc::new(scenario.clone()));
    if let Some(faults) = scenario.phases.faults {
        world.lock().wait_until(faults);
    }
    let idle_since = std::cell::Cell::new(None);
    let over = |state: &mut State| violated(state) || faults_over(state, &scenario.phases, &idle_since);
    world.run_until(system, over).map_err(limit)?;
    if violated(&world.lock()) {
        return Ok(None);
    }

    world.heal();
    workload::read_once_more(world, scenario);
    let healed = world.lock().time();
    let bound = healed + scenario.phases.settle;
    world.lock().wait_until(bound);
    let (reports, settled_at) = (system.reports_events(), std::cell::Cell::new(None));
    let over = |state: &mut State| {
        if settled_at.get().is_none() && reports && settled(state) {
            settled_at.set(Some(state.time() - healed));
        }
        violated(state) || settled_at.get().is_some() || state.time() >= bound
    };
    world.run_until(system, over).map_err(limit)?;
    if !reports && world.lock().clients_finished() {
        settled_at.set(Some(scenario.phases.settle));
    }
    Ok(settled_at.get())
}

fn violated(state: &State) -> bool {
    state.ledger.violated.is_some()
}

/// Whether the fault phase is over: at its time, or when every fault has ended and every operation has returned. A fault
/// that lasts until the heal may let none return: then the phase is over after as long a silence as `phases.settle`.
fn faults_over(state: &mut State, phases: &Phases, idle_since: &std::cell::Cell<Option<Duration>>) -> bool {
    if let Some(phase) = phases.faults {
        return state.time() >= phase;
    }
    if !state.timed_faults_over() {
        return false;
    }
    if !state.clients_finished() {
        return state.fault_lasts() && state.time() >= state.quiet_since + phases.settle;
    }
    if !state.faults_wait() {
        return true;
    }
    let now = state.time();
    let since = idle_since.get().unwrap_or(now);
    if idle_since.replace(Some(since)).is_none() {
        state.wait_until(since + LAST_CHANCE);
    }
    now >= since + LAST_CHANCE
}

/// Whether everybody has done their work and all replicas hold the same: every node is up and has executed the whole log
/// of the leader.
fn settled(state: &State) -> bool {
    let standings = state.ledger.standings();
    let Some(leader) = state.ledger.leader() else { return false };
    let (last, term) = (standings[&leader].last, standings[&leader].term);
    let caught_up = |standing: &crate::world::Standing| {
        standing.up && standing.term == term && standing.last == last && standing.applied == last
    };
    standings.len() == state.machines.len() && standings.values().all(caught_up) && state.clients_finished()
}
