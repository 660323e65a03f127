//! The world: machines, clients and a network in one time, driven by one seed.
//!
//! ```text
//!                 ┌────────────── State ──────────────┐
//!   actors ──────▶│ future: the heap of events to come │
//!   (nodes,       │ machines: disk, clocks, process    │◀──── faults strike and end
//!    clients)     │ network: when what arrives         │
//!      ▲          │ ledger: what happened, and checks  │
//!      │          └───────────────┬───────────────────┘
//!      └────── pump: takes the next event, gives its receiver a turn
//! ```
//!
//! One pump owns the heap. It delivers one event, and the next only when the receiver waits again; while an actor runs,
//! time stands still at the time of the event delivered to it. The pump polls actors itself, so there is no executor whose
//! order could matter, and a run is a function of scenario, system and seed. Around it lies madsim's runtime: code that
//! asks the standard library for time or randomness gets the seed's as well.

pub mod actor;
mod answers;
mod calls;
mod client;
mod effects;
mod event;
mod faults;
mod heal;
mod heap;
mod host;
mod ledger;
mod machine;
mod operator;
mod pump;
mod select;
mod traffic;
mod wishes;
mod words;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lockstep_node::host::Input;

use crate::check::Check;
use crate::choice::Stream;
use crate::history;
use crate::network::Network;
use crate::record::{Machine, Phase, What};
use crate::run::Counts;
use crate::scenario::model::Scenario;
use crate::trace::Trace;

pub use client::SimClient;
pub use host::SimHost;
pub use ledger::Standing;
pub use pump::Limit;

use calls::Calls;
use event::Event;
use faults::Faults;
use heal::Rest;
use heap::Heap;
use ledger::Ledger;
use machine::Node;
use traffic::Traffic;

/// A handle on the world. Clones share it.
#[derive(Clone)]
pub struct World(Arc<Mutex<State>>);

/// Everything there is.
pub struct State {
    /// The time since the world began.
    pub now: Duration,
    /// When the setup was over: the times that people see count from here.
    zero: Duration,
    future: Heap<Event>,
    /// The machines; `n1` is the first.
    pub machines: Vec<Node>,
    clients: Vec<client::Mailbox>,
    network: Network,
    calls: Calls,
    traffic: Traffic,
    faults: Faults,
    rest: Rest,
    /// What happened.
    pub ledger: Ledger,
    /// The phase that the run is in.
    pub phase: Phase,
    /// When an operation was last acknowledged, or a fault last began or ended.
    pub quiet_since: Duration,
    /// How much happened.
    pub counts: Counts,
    trace: Trace,
    seed: u64,
    scenario: Arc<Scenario>,
    /// Whether every datagram and disk call is recorded.
    detailed: bool,
    /// The machine that ran last: SQLite's own generator is reseeded when another one runs.
    ran_last: Option<Machine>,
}

impl World {
    /// A world with the scenario's machines, all off.
    ///
    /// Faults of the kind that is `blunt` strike and do nothing.
    pub fn new(
        scenario: &Arc<Scenario>,
        seed: u64,
        trace: &Trace,
        checks: Vec<Box<dyn Check>>,
        blunt: Option<&str>,
    ) -> World {
        let machines = (0..scenario.cluster.machines()).map(|n| Node::new(Machine(n), scenario, seed, trace)).collect();
        World(Arc::new(Mutex::new(State {
            now: Duration::ZERO,
            zero: Duration::MAX,
            future: Heap::new(seed),
            machines,
            clients: Vec::new(),
            network: Network::new(scenario.network.clone(), seed, trace),
            calls: Calls::default(),
            traffic: Traffic::default(),
            faults: Faults::new(scenario, seed, trace, blunt),
            rest: Rest::default(),
            ledger: Ledger::new(checks),
            phase: Phase::Setup,
            quiet_since: Duration::ZERO,
            counts: Counts::default(),
            trace: trace.clone(),
            seed,
            scenario: scenario.clone(),
            detailed: false,
            ran_last: None,
        })))
    }

    /// Records every datagram and disk call from now on. Nothing else changes by it.
    pub fn show_details(&self) {
        let mut state = self.lock();
        state.detailed = true;
        state.machines.iter().for_each(|node| node.disk.watch());
    }

    /// Ends everything that runs: actors hold the world, and the world holds them.
    pub fn end(&self) {
        let actors: Vec<_> = {
            let mut state = self.lock();
            state.machines.iter().for_each(|node| node.disk.kill());
            let processes: Vec<_> = state.machines.iter_mut().filter_map(|node| node.process.take()).collect();
            let clients = state.clients.iter().filter_map(|client| client.actor.clone());
            processes.into_iter().map(|process| process.actor).chain(clients).collect()
        };
        for actor in actors {
            actor.abandon();
        }
    }

    /// The state. The lock is free whenever no actor's call on the world is in progress.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no call on the world panics")
    }
}

impl State {
    /// The time that people see: since the setup was over, and 0 before that.
    pub fn time(&self) -> Duration {
        self.now.saturating_sub(self.zero)
    }

    /// The setup is over: clients begin, and faults may strike.
    pub fn begin_faults(&mut self) {
        self.zero = self.now;
        let is_wrong = |node: &&Node| !node.clock.is_right(self.now);
        self.counts.clocks_wrong = self.machines.iter().filter(is_wrong).count() as u64;
        self.enter_phase(Phase::Faults);
        self.schedule_faults();
    }

    /// Begins a phase.
    pub fn enter_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.record(What::Phase(phase));
    }

    /// Makes sure that time reaches a moment of the time that people see, even if nothing happens then.
    pub fn wait_until(&mut self, time: Duration) {
        self.future.push(self.zero + time, entity::WORLD, Event::Nothing);
    }

    /// A stream of choices.
    pub fn stream(&self, site: &'static str, entity: u64) -> Stream {
        Stream::new(&self.trace, self.seed, site, entity)
    }

    /// Counts what clients were told, and what the disks did.
    pub fn count_outcomes(&mut self) {
        let counts = &mut self.counts;
        for operation in &self.ledger.history.operations {
            match &operation.outcome {
                history::Outcome::Acknowledged { reply, .. } => {
                    counts.acknowledged += 1;
                    counts.sql_errors += reply.results.iter().filter(|result| result.is_err()).count() as u64;
                }
                history::Outcome::NotExecuted { .. } => counts.not_executed += 1,
                history::Outcome::Unknown { .. } => counts.unknown += 1,
            }
        }
        counts.disk_calls = self.machines.iter().map(|node| node.disk.calls()).sum();
        counts.syncs = self.machines.iter().map(|node| node.disk.syncs()).sum();
    }

    /// The machines that were switched on and not off for good since.
    pub fn in_use(&self) -> Vec<Machine> {
        let all = (0..).map(Machine).zip(&self.machines);
        all.filter(|(_, node)| node.in_use).map(|(machine, _)| machine).collect()
    }

    /// The machines that ought to hold what the cluster holds: those of its members, or all in use if nodes do not say who is
    /// one.
    pub fn members(&self) -> Vec<Machine> {
        match self.ledger.members().configuration() {
            Some(_) => self.ledger.members().machines().into_iter().collect(),
            None => self.in_use(),
        }
    }

    fn machine(&mut self, machine: Machine) -> &mut Node {
        &mut self.machines[machine.0 as usize]
    }

    /// Schedules an input of a machine.
    fn schedule(&mut self, after: Duration, machine: Machine, event: Event) {
        self.future.push(self.now + after, entity::machine(machine), event);
    }
}

/// Numbers for those that events are for.
mod entity {
    use super::Machine;

    pub const WORLD: u64 = 1 << 32;
    pub const FAULT: u64 = 2 << 32;
    pub const CLIENT: u64 = 3 << 32;

    pub fn machine(machine: Machine) -> u64 {
        u64::from(machine.0)
    }
}

/// The address of a machine: its label.
fn find_machine(state: &State, address: &str) -> Option<Machine> {
    let number: u32 = address.strip_prefix('n')?.parse().ok()?;
    let machine = Machine(number.checked_sub(1)?);
    ((machine.0 as usize) < state.machines.len()).then_some(machine)
}

/// An input for a node, which its actor takes in its next turn.
type Inbox = Option<Input>;
