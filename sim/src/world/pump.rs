//! Drives the world: takes the next event, delivers it, waits until its receiver waits again.

use std::time::Duration;

use lockstep_node::host::Input;
use madsim::time::TimeHandle;

use super::actor::{Actor, Ended};
use super::calls::Caller;
use super::client::Letter;
use super::effects::{Effect, Step};
use super::machine::{Asked, Process, Waiting};
use super::{Event, SimHost, State, World};
use crate::disk::Struck;
use crate::record::{Detail, Down, Machine, What};
use crate::systems::System;

/// What ended a run before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// The scenario's limit of simulated time.
    #[error("the limit of simulated time was reached (`limits.time`)")]
    Time,
    /// The scenario's limit of events.
    #[error("the limit of events was reached (`limits.events`)")]
    Events,
    /// Nothing is left that could happen.
    #[error("nothing was left that could happen")]
    Silence,
}

impl World {
    /// Lets the world go on until something holds, which is asked before each event.
    ///
    /// # Errors
    /// The limit that ended the run first.
    pub fn run_until(&self, system: &dyn System, done: impl Fn(&mut State) -> bool) -> Result<(), Limit> {
        let clock = TimeHandle::current();
        loop {
            let (at, event) = {
                let mut state = self.lock();
                if done(&mut state) {
                    return Ok(());
                }
                let Some((at, event)) = state.future.pop() else { return Err(Limit::Silence) };
                state.counts.events += 1;
                let limits = state.scenario.limits;
                if at.saturating_sub(state.zero) > limits.time {
                    return Err(Limit::Time);
                }
                if state.counts.events > limits.events {
                    return Err(Limit::Events);
                }
                state.now = at;
                state.enter_delivery(&event);
                (at, state.let_pass(system, event))
            };
            // Actors see the world's time only. madsim's clock follows it, so that code which reads the time past all
            // rules still sees a time that the seed decides.
            if clock.elapsed() < at {
                clock.advance(at - clock.elapsed());
            }
            if let Some(event) = event {
                self.deliver(system, event);
            }
        }
    }

    /// Lets a system make the machines' disks ready: each is booted once for it, and is off again afterwards.
    ///
    /// # Errors
    /// The limit that was reached first.
    pub fn found(&self, system: &dyn System) -> Result<(), Limit> {
        let actor = {
            let mut state = self.lock();
            let machines = state.in_use();
            let boots: Vec<_> = machines.iter().map(|machine| state.machine(*machine).disk.boot()).collect();
            let host =
                |(machine, disk): (&Machine, &crate::disk::Boot)| SimHost::new(self.clone(), *machine, 0, disk.clone());
            let hosts = machines.iter().zip(&boots).map(host).collect();
            let actor = Actor::new(system.found(hosts, &state.scenario.cluster));
            for (machine, disk) in machines.iter().zip(boots) {
                let actor = actor.clone();
                state.machine(*machine).process = Some(Process::new(0, actor, disk));
            }
            actor
        };
        actor.take_turn();
        self.run_until(system, |_| actor.has_ended())?;
        if let Some(Ended::Panicked(message)) = actor.take_turn() {
            panic!("the cluster cannot be founded: {message}");
        }
        let mut state = self.lock();
        for node in &mut state.machines {
            node.disk.kill();
            node.process = None;
        }
        Ok(())
    }

    /// Switches the founders' machines on.
    pub fn boot_all(&self) {
        let mut state = self.lock();
        for machine in state.in_use() {
            state.schedule(Duration::ZERO, machine, Event::Boot(machine));
        }
    }

    fn deliver(&self, system: &dyn System, event: Event) {
        match event {
            Event::Boot(machine) => self.boot(system, machine),
            Event::Message { from, to, bytes, .. } => {
                if self.lock().gets_through(from, to) {
                    self.give(to, Input::Message { from: from.to_string(), bytes });
                }
            }
            Event::Request { call } => {
                let arrived = self.lock().request_arrives(call);
                if let Some((machine, input)) = arrived {
                    self.give(machine, input);
                }
            }
            Event::Answer { call, answer } => self.answer_arrives(call, answer),
            Event::Timer { machine, boot, number } => {
                let due = self.lock().timer_is_due(machine, boot, number);
                if due && self.lock().let_wait(machine, Waiting::Timer(number)).is_some() {
                    self.take(machine, Input::Timer);
                }
            }
            Event::Completed { machine, boot, number } => {
                let completed = self.lock().disk_completes(machine, boot, number);
                if let Some((machine, input)) = completed {
                    self.give(machine, input);
                }
            }
            Event::Client { client, number } => self.send_letter(client, Letter::Wake(number)),
            Event::Fault { event, strikes: true } => self.strike(event),
            Event::Fault { event, strikes: false } => {
                if self.lock().fault_is_active(event) {
                    self.end_fault(event);
                }
            }
            Event::Step { event, number } => self.step(event, number),
            Event::Switch { machine, on } => self.switch(machine, on),
            Event::Nothing => {}
        }
    }

    /// Switches a machine on with an empty disk, or off for good.
    fn switch(&self, machine: Machine, on: bool) {
        self.lock().machine(machine).disk.kill();
        self.bury(machine, Down::Killed);
        if on {
            self.wipe(machine);
        }
        let mut state = self.lock();
        state.machine(machine).in_use = on;
        if on {
            state.schedule(Duration::ZERO, machine, Event::Boot(machine));
        }
    }

    fn wipe(&self, machine: Machine) {
        let mut state = self.lock();
        state.machine(machine).disk.wipe();
        state.record(What::Wiped(machine));
    }

    /// Starts a machine's process, unless a fault still keeps it down.
    fn boot(&self, system: &dyn System, machine: Machine) {
        {
            let mut state = self.lock();
            let node = state.machine(machine);
            if !node.in_use || node.held_down > 0 || node.process.is_some() {
                return;
            }
            if node.pauses > 0 {
                node.boot_waits = true;
                return;
            }
            node.boots += 1;
            let (boot, disk) = (node.boots, node.disk.boot());
            let host = SimHost::new(self.clone(), machine, boot, disk.clone());
            let settings = state.scenario.cluster.clone();
            let actor = Actor::new(system.boot(host, &settings));
            let process = Process::new(boot, actor, disk);
            state.machine(machine).process = Some(process);
            state.record(What::Up(machine));
        }
        self.turn(machine);
    }

    /// Lets a running process take an input, as soon as it has turns.
    fn give(&self, machine: Machine, input: Input) {
        let input = self.lock().let_wait(machine, Waiting::Input(input));
        if let Some(Waiting::Input(input)) = input {
            self.take(machine, input);
        }
    }

    /// Puts an input into a running process's inbox and gives it a turn.
    fn take(&self, machine: Machine, input: Input) {
        {
            let mut state = self.lock();
            let Some(process) = &mut state.machine(machine).process else { return };
            assert!(process.inbox.is_none(), "{machine} did not take its last input");
            process.inbox = Some(input);
        }
        self.turn(machine);
    }

    /// Lets a process run until it waits again, and deals with what became of it.
    fn turn(&self, machine: Machine) {
        let actor = self.lock().prepare_turn(machine);
        let ended = actor.take_turn();
        let (struck, founded) = self.lock().finish_turn(machine);
        if let Some(struck) = struck {
            let resolved = struck.resolved;
            let how = Down::PowerCut { kept: resolved.kept, lost: resolved.lost, torn: resolved.torn };
            self.lock().begin_strike(struck.strike.event, machine);
            self.bury(machine, how);
        } else if let Some(ended) = ended
            && founded
        {
            let how = match ended {
                Ended::Returned => Down::Stopped("the node stopped".into()),
                Ended::Panicked(message) => Down::Panicked(message),
            };
            self.lock().machine(machine).disk.kill();
            self.bury(machine, how);
        }
    }

    /// A process's boot is over: lets its code see that, and forgets it.
    fn bury(&self, machine: Machine, how: Down) {
        let actor = self.lock().machine(machine).process.as_ref().map(|process| process.actor.clone());
        let Some(actor) = actor else {
            // The process was gone already, but a loss of power takes what it left unsynced.
            if matches!(how, Down::PowerCut { kept, lost, torn } if kept + lost + torn > 0) {
                self.lock().record(What::Down(machine, how));
            }
            return;
        };
        // What the code of a dead boot does has no effect; if it panics over the errors it gets, nobody cares. Code that
        // then waits for anything else waits in vain.
        if actor.take_turn().is_none() {
            actor.abandon();
        }
        let mut state = self.lock();
        let node = state.machine(machine);
        node.process = None;
        state.break_calls_of(machine);
        state.record(What::Down(machine, how));
    }

    fn strike(&self, fault: usize) {
        let Some(effects) = self.lock().strike(fault) else { return };
        effects.into_iter().for_each(|effect| self.begin(fault, effect));
        self.lock().break_cut_calls();
    }

    fn step(&self, fault: usize, number: usize) {
        let step = self.lock().take_step(fault, number);
        match step {
            Some((effect, true)) => self.begin(fault, effect),
            Some((effect, false)) => self.finish(fault, effect),
            None => {}
        }
    }

    pub(super) fn end_fault(&self, fault: usize) {
        let effects = self.lock().end_fault(fault);
        effects.into_iter().for_each(|effect| self.finish(fault, effect));
    }

    fn begin(&self, fault: usize, effect: Effect) {
        let blunt = self.lock().faults.is_blunt(fault);
        match effect {
            _ if blunt => {}
            Effect::Choose(from, to) => self.lock().begin_choice(fault, from, to),
            Effect::Send(errand) => self.send_operator(fault, errand),
            other => self.begin_effect(other),
        }
    }

    fn finish(&self, fault: usize, effect: Effect) {
        let blunt = self.lock().faults.is_blunt(fault);
        match effect {
            _ if blunt => {}
            Effect::Choose(..) => self.lock().end_choice(fault),
            // The operator sees that nobody wishes it any more.
            Effect::Send(_) => {}
            other => self.end_effect(other),
        }
    }

    /// Begins an effect that is the same whatever fault it belongs to.
    pub(super) fn begin_effect(&self, effect: Effect) {
        match effect {
            Effect::PowerCut(machine) => {
                self.lock().machine(machine).held_down += 1;
                let resolved = self.lock().machine(machine).disk.power_cut();
                let how = Down::PowerCut { kept: resolved.kept, lost: resolved.lost, torn: resolved.torn };
                self.bury(machine, how);
            }
            Effect::Wipe(machine) => {
                self.begin_effect(Effect::PowerCut(machine));
                self.wipe(machine);
            }
            Effect::Kill(machine) => {
                self.lock().machine(machine).held_down += 1;
                self.lock().machine(machine).disk.kill();
                self.bury(machine, Down::Killed);
            }
            Effect::Pause(machine) => self.lock().pause(machine),
            other => self.lock().change(&other, true),
        }
    }

    /// Ends such an effect.
    pub(super) fn end_effect(&self, effect: Effect) {
        match effect {
            Effect::PowerCut(machine) | Effect::Wipe(machine) | Effect::Kill(machine) => {
                let mut state = self.lock();
                let node = state.machine(machine);
                node.held_down = node.held_down.checked_sub(1).expect("a fault ends once");
                state.schedule(Duration::ZERO, machine, Event::Boot(machine));
            }
            Effect::Pause(machine) => {
                if self.lock().end_pause(machine) {
                    self.resume(machine);
                }
            }
            other => self.lock().change(&other, false),
        }
    }

    /// Gives a process everything that waited for it, one turn for each, as fast as it takes them.
    fn resume(&self, machine: Machine) {
        loop {
            let Some(input) = self.lock().waited(machine) else { return };
            self.take(machine, input);
        }
    }

    fn answer_arrives(&self, call: u64, answer: Result<bytes::Bytes, super::calls::NoAnswer>) {
        let Some((caller, answer)) = self.lock().close_call(call, answer) else { return };
        match caller {
            Caller::Client { client, number } => self.send_letter(client, Letter::Answer(number, answer)),
            Caller::Node { machine, boot, call } => {
                let runs = self.lock().machine(machine).runs(boot);
                if runs {
                    let answer = answer.map_err(|_| lockstep_node::host::Broken);
                    self.give(machine, Input::Response { call, answer });
                }
            }
        }
    }

    fn send_letter(&self, client: u32, letter: Letter) {
        let actor = {
            let mut state = self.lock();
            let mailbox = state.mailbox(client);
            if mailbox.finished {
                return;
            }
            mailbox.letters.push_back(letter);
            mailbox.actor.clone().expect("a client has an actor before it gets letters")
        };
        if let Some(Ended::Panicked(message)) = actor.take_turn() {
            panic!("client {client} panicked: {message}");
        }
    }
}

impl State {
    /// Begins or ends an effect that gives nobody a turn.
    fn change(&mut self, effect: &Effect, begins: bool) {
        let sign = if begins { 1 } else { -1 };
        match *effect {
            Effect::Cut(from, to) => self.network.cut(from, to, begins),
            Effect::Clog(from, to) => self.clog(from, to, begins),
            Effect::ClogAround(..) => {
                let directions = self.pairs(|from, to| effect.clogs(*from, *to));
                directions.into_iter().for_each(|(from, to)| self.clog(from, to, begins));
            }
            Effect::SlowLink(from, to, by) => self.network.slow(from, to, by, begins),
            Effect::Jump(machine, by_ns) => self.turn_clock(machine, begins, |clock, _| clock.jump(sign * by_ns)),
            Effect::Drift(machine, by_ppm) => {
                self.turn_clock(machine, begins, |clock, now| clock.drift(sign * by_ppm, now));
                self.set_timer(machine);
            }
            Effect::Freeze(machine) => self.turn_clock(machine, begins, |clock, now| clock.freeze(begins, now)),
            Effect::Slow(machine, factor) => self.slow_disk(machine, factor, begins),
            Effect::Stall(machine) => self.stall_disk(machine, begins),
            Effect::PowerCut(_)
            | Effect::Wipe(_)
            | Effect::Kill(_)
            | Effect::Pause(_)
            | Effect::Choose(..)
            | Effect::Send(_) => {
                unreachable!("{effect:?} is more than a change of the state")
            }
        }
    }

    fn enter_delivery(&mut self, event: &Event) {
        self.trace.deliver(self.time(), &(self.now, event.key()), || event.to_string());
    }

    /// Before a node runs: SQLite's own generator is the node's, and its wall clock is the node's.
    fn prepare_turn(&mut self, machine: Machine) -> Actor {
        let now = self.now;
        let alone = self.ran_last.replace(machine) == Some(machine);
        let node = self.machine(machine);
        node.disk.begin_turn(node.clock.wall(now), alone);
        let process = node.process.as_ref().expect("only a running process gets a turn");
        let (actor, clock_faults) = (process.actor.clone(), node.clock_faults);
        if clock_faults > 0 {
            self.count_bites(|effect| effect.turns_clock(machine));
        }
        actor
    }

    /// After a node has run: records what it did to its disk, if details are wanted. Returns the strike that cut its power, and
    /// whether its process is one of the cluster's, not the one that founds it.
    fn finish_turn(&mut self, machine: Machine) -> (Option<Struck>, bool) {
        let node = self.machine(machine);
        let founded = node.process.as_ref().is_some_and(|process| process.boot > 0);
        let (struck, calls) = node.disk.end_turn();
        for call in calls {
            self.detail(|_| Detail::Disk(machine, call));
        }
        (struck, founded)
    }

    /// Whether a datagram that arrives now gets to a process.
    fn gets_through(&mut self, from: Machine, to: Machine) -> bool {
        if self.network.is_cut(from, to) {
            self.counts.messages_dropped += 1;
            self.count_bites(|effect| *effect == Effect::Cut(from, to));
            return false;
        }
        self.machine(to).process.is_some()
    }

    /// A request arrives: at a process that listens, or at a closed door.
    fn request_arrives(&mut self, call: u64) -> Option<(Machine, Input)> {
        let to = self.open_call_mut(call)?.to;
        if !self.machine(to).process.as_ref().is_some_and(|process| process.listens) {
            self.answer_call(call, Err(super::calls::NoAnswer::Refused));
            return None;
        }
        let arrival = self.arrival(to);
        let open = self.open_call_mut(call).expect("looked up above");
        open.arrived = Some(arrival);
        let bytes = std::mem::take(&mut open.request);
        Some((to, Input::Request { id: lockstep_node::host::RequestId(call), bytes }))
    }

    fn timer_is_due(&mut self, machine: Machine, boot: u64, number: u64) -> bool {
        let node = self.machine(machine);
        node.runs(boot) && node.process.as_ref().is_some_and(|process| process.timer == number)
    }

    /// A sync or a job of a boot that still runs completes, unless its disk is stalled, or got faster and was done before.
    fn disk_completes(&mut self, machine: Machine, boot: u64, number: u64) -> Option<(Machine, Input)> {
        let node = self.machine(machine);
        if !node.runs(boot) {
            return None;
        }
        if node.stalls > 0 {
            self.count_hindered(machine);
            return None;
        }
        let process = node.process.as_mut().expect("a live boot has a process");
        let input = match process.under_way.remove(&number)?.what {
            Asked::Sync(ticket) => Input::Synced { ticket, result: process.disk.complete_sync(ticket) },
            Asked::Job(outcome) => Input::Finished(outcome),
        };
        Some((machine, input))
    }

    /// A disk's strike is a fault like any other: it holds the machine down for as long as the scenario says.
    fn begin_strike(&mut self, fault: usize, machine: Machine) {
        self.machines.iter().for_each(|node| node.disk.disarm(fault));
        self.machine(machine).held_down += 1;
        self.begin_fault(fault, vec![Step::at_once(Effect::PowerCut(machine))]);
    }
}
