//! The whole of the testbed in one function: [`simulate`] runs a scenario on a system with a seed.

use std::sync::Arc;
use std::time::Duration;

use lockstep_node::raft::{Configuration, Role};

use crate::check;
use crate::inspect::{executed, inspect};
use crate::record::{Machine, Phase};
use crate::run::{Core, Evidence, Run};
use crate::scenario::lower;
use crate::scenario::model::{ClockError, Network, Phases, Probability, Scenario};
use crate::systems::System;
use crate::trace::{Listener, Trace};
use crate::workload;
use crate::world::{Limit, State, World};

/// How a run is made. None of it may change what happens in the run, `blunt` aside.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Faults of this kind strike and do nothing, as `do` names it; or the setting of the network or the clocks that this
    /// names has no effect ([`SETTINGS`]). To see whether a testbed whose faults do not work would be taken for a green one.
    pub blunt: Option<&'static str>,
    /// The seed of madsim's own scheduling and randomness; by default the run's. A run must not depend on it.
    pub madsim_seed: Option<u64>,
    /// Nothing is judged while the run goes on, so that it goes on past a violation: to see what nodes do about one.
    pub unwatched: bool,
    /// Whether every datagram and disk call is recorded, for people who want to see all.
    pub details: bool,
    /// Who is told everything that enters the digest, as it happens.
    pub listener: Option<Listener>,
}

/// The settings that [`Options::blunt`] may name.
pub const SETTINGS: [&str; 6] = ["loss", "duplicate", "reorder", "bandwidth", "offset", "drift"];

/// After the last operation, how long a fault that waits for something to happen may still wait. An operator's wish has as
/// long as `phases.settle`.
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
    let scenario = &Arc::new(lower(scenario, seed, &trace));
    let checks = if options.unwatched { Vec::new() } else { check::all(scenario) };
    let world = World::new(&without_setting(scenario, options.blunt), seed, &trace, checks, options.blunt);
    if options.details {
        world.show_details();
    }
    let mut settling = Settling::default();
    let gave_up = drive(&world, system, scenario, &mut settling).err();
    world.lock().end_waits();
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
            log: executed(system, &state.ledger.executed, &records, &replicas),
            records,
            replicas,
            counts: state.counts.clone(),
            ended: state.time(),
            core: settling.core,
            settled_after: settling.all,
            gave_up,
            struck: state.struck(),
            bites: state.bites(),
            marks: state.ledger.marks(),
            members: state.ledger.members().clone(),
        };
        (state.ledger.take_checks(), state.ledger.violated.take(), evidence)
    };
    world.end();
    let verdicts = check::judge(checks, seen, &evidence);
    let vacuous = check::vacuous(&evidence);
    Run { evidence, verdicts, vacuous, digest: trace.digest() }
}

/// The scenario with a setting that has no effect.
fn without_setting(scenario: &Arc<Scenario>, setting: Option<&str>) -> Arc<Scenario> {
    let Some(setting) = setting.filter(|setting| SETTINGS.contains(setting)) else { return scenario.clone() };
    let mut without = Scenario::clone(scenario);
    let Network { all, links } = &mut without.network;
    match setting {
        "loss" => {
            all.loss = Probability(0);
            links.iter_mut().for_each(|link| link.loss = None);
        }
        "duplicate" => {
            all.duplicate = Probability(0);
            links.iter_mut().for_each(|link| link.duplicate = None);
        }
        "reorder" => {
            all.reorder = Probability(0);
            links.iter_mut().for_each(|link| link.reorder = None);
        }
        "bandwidth" => {
            all.bandwidth = None;
            links.iter_mut().for_each(|link| link.bandwidth = None);
        }
        "offset" => without.clock.offset_ns = ClockError::UpTo(0),
        _ => without.clock.drift_ppm = ClockError::UpTo(0),
    }
    Arc::new(without)
}

/// How the cluster found together after the faults.
#[derive(Default)]
struct Settling {
    /// The nodes that were healed first, if the scenario has such, and what came of them.
    core: Option<Core>,
    /// How long after the heal all had settled, if they did in time.
    all: Option<Duration>,
}

/// Takes the world through its phases.
fn drive(world: &World, system: &dyn System, scenario: &Scenario, settling: &mut Settling) -> Result<(), String> {
    let limit = |limit: Limit| limit.to_string();
    world.found(system).map_err(limit)?;
    world.boot_all();
    let setup = workload::setup(world, scenario);
    let over = |state: &mut State| setup.lock().expect("nothing panics with this lock").is_some() || violated(state);
    world.run_until(system, over).map_err(limit)?;
    if violated(&world.lock()) {
        return Ok(());
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

    if let Some(size) = scenario.phases.core.filter(|_| !violated(&world.lock())) {
        let machines = world.heal_core(size);
        workload::probe(world);
        let settled_after = settle(world, system, scenario, Some(&machines))?;
        settling.core = Some(Core { machines, settled_after });
    }
    if !violated(&world.lock()) {
        world.heal();
        workload::read_once_more(world, scenario);
        settling.all = settle(world, system, scenario, None)?;
    }
    Ok(())
}

/// Lets the world go on until all members have settled, or those of them that are the core, or the scenario's bound is over. Returns how long it took them.
fn settle(
    world: &World,
    system: &dyn System,
    scenario: &Scenario,
    core: Option<&[Machine]>,
) -> Result<Option<Duration>, String> {
    let healed = world.lock().time();
    let bound = healed + scenario.phases.settle;
    world.lock().wait_until(bound);
    let (reports, settled_at) = (system.reports_events(), std::cell::Cell::new(None));
    let over = |state: &mut State| {
        if settled_at.get().is_none() && reports && settled(state, core) {
            settled_at.set(Some(state.time() - healed));
        }
        violated(state) || settled_at.get().is_some() || state.time() >= bound
    };
    world.run_until(system, over).map_err(|limit| limit.to_string())?;
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
    let patience = match state.wishes_go_on() {
        true => phases.settle,
        false if state.faults_wait() => LAST_CHANCE,
        false => return true,
    };
    let now = state.time();
    let since = idle_since.get().unwrap_or(now);
    if idle_since.replace(Some(since)).is_none() {
        state.wait_until(since + patience);
    }
    now >= since + patience
}

/// Whether every client has done its work and the members on these machines hold the same: all are up, one of them leads,
/// and all have executed its whole log. As long as the members change, nothing has settled.
fn settled(state: &State, core: Option<&[Machine]>) -> bool {
    if !state.clients_finished() || state.ledger.members().configuration().is_some_and(Configuration::is_joint) {
        return false;
    }
    let mut machines = state.members();
    machines.retain(|machine| core.is_none_or(|core| core.contains(machine)));
    let standings = state.ledger.standings();
    let leads = |machine: &&Machine| {
        standings.get(machine).is_some_and(|standing| standing.up && standing.role == Role::Leader)
    };
    let Some(leader) = machines.iter().filter(leads).max_by_key(|machine| standings[machine].term) else {
        return false;
    };
    let (last, term) = (standings[leader].last, standings[leader].term);
    let caught_up = |standing: &crate::world::Standing| {
        standing.up && standing.term == term && standing.last == last && standing.applied == last
    };
    machines.iter().all(|machine| standings.get(machine).is_some_and(caught_up))
}
