//! A machine: a disk and clocks that stay, and a process that comes and goes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use lockstep_node::host::{Input, Outcome, Ticket};

use super::actor::Actor;
use super::answers::Hindered;
use super::effects::Effect;
use super::{Event, Inbox, State};
use crate::choice::Stream;
use crate::clock::Clock;
use crate::disk::{Boot, SimDisk};
use crate::record::Machine;
use crate::scenario::model::Scenario;
use crate::trace::Trace;

/// A machine and what runs on it.
pub struct Node {
    /// Its disk.
    pub disk: SimDisk,
    /// Its clocks.
    pub clock: Clock,
    /// The process that runs on it, if one does.
    pub process: Option<Process>,
    /// Counts the boots of this machine.
    pub(super) boots: u64,
    /// Whether it takes part in the scenario: it is a founder's, or has joined, and has not left for good.
    pub(super) in_use: bool,
    /// How many faults keep it down.
    pub(super) held_down: u32,
    /// How many faults let its process have no turn.
    pub(super) pauses: u32,
    /// Whether it was to boot while it had no turn.
    pub(super) boot_waits: bool,
    /// How many faults have its clocks in hand.
    pub(super) clock_faults: u32,
    /// How many faults stall its disk.
    pub(super) stalls: u32,
    /// For how long it could do nothing.
    pub(super) hindered: Hindered,
    /// How many times slower the active faults make its disk, each.
    pub(super) slowness: Vec<u32>,
    /// Draws of the node's own, by what they are for.
    pub(super) entropy: BTreeMap<&'static str, Stream>,
}

/// A process: one boot of a node.
pub struct Process {
    /// Its number on this machine, from 1.
    pub boot: u64,
    pub(super) actor: Actor,
    /// What this boot holds of the disk.
    pub(super) disk: Boot,
    pub(super) inbox: Inbox,
    /// Whether it takes requests: from when it has booted.
    pub(super) listens: bool,
    /// What came while it had no turn, in order.
    pub(super) waiting: VecDeque<Waiting>,
    /// When it wants to be woken, on its own clock.
    pub(super) wake_at: Option<Duration>,
    /// Numbers its wishes to be woken; only the newest counts.
    pub(super) timer: u64,
    /// What it waits for from its disk, by number.
    pub(super) under_way: BTreeMap<u64, UnderWay>,
    /// Numbers what it waits for from its disk.
    pub(super) asked: u64,
}

/// Something that came for a process that had no turn.
#[derive(Debug)]
pub(super) enum Waiting {
    /// An input.
    Input(Input),
    /// The timer of this number, unless what came before it sets another one.
    Timer(u64),
}

/// Something that a disk does.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// When it is done, unless the disk stalls or becomes faster.
    due: Duration,
    pub(super) what: Asked,
}

/// What a process asked of its disk.
#[derive(Debug)]
pub(super) enum Asked {
    /// A sync.
    Sync(Ticket),
    /// A job, which was done at once and whose outcome takes its time.
    Job(Outcome),
}

impl Process {
    pub(super) fn new(boot: u64, actor: Actor, disk: Boot) -> Self {
        Process {
            boot,
            actor,
            disk,
            inbox: None,
            listens: false,
            waiting: VecDeque::new(),
            wake_at: None,
            timer: 0,
            under_way: BTreeMap::new(),
            asked: 0,
        }
    }

    /// What this boot holds of the disk.
    pub fn disk(&self) -> &Boot {
        &self.disk
    }
}

impl Node {
    pub(super) fn new(machine: Machine, scenario: &Scenario, seed: u64, trace: &Trace) -> Self {
        let number = u64::from(machine.0);
        let stream = |site| Stream::new(trace, seed, site, number);
        Node {
            disk: SimDisk::new(trace, seed, machine, scenario.disk.clone()),
            clock: Clock::new(&scenario.clock, machine, &mut stream("clock")),
            process: None,
            boots: 0,
            in_use: machine.0 < scenario.cluster.voters,
            held_down: 0,
            pauses: 0,
            boot_waits: false,
            clock_faults: 0,
            stalls: 0,
            hindered: Hindered::default(),
            slowness: Vec::new(),
            entropy: BTreeMap::new(),
        }
    }

    /// Whether this boot still runs. A strike of the disk ends it in the middle of the node's own code.
    pub(super) fn runs(&self, boot: u64) -> bool {
        self.process.as_ref().is_some_and(|process| process.boot == boot) && self.disk.is_up()
    }
}

impl State {
    /// A number of a node's own choosing.
    pub(super) fn node_draw(&mut self, machine: Machine, site: &'static str) -> u64 {
        if !self.machine(machine).entropy.contains_key(site) {
            let stream = self.stream(site, u64::from(machine.0));
            self.machine(machine).entropy.insert(site, stream);
        }
        self.machine(machine).entropy.get_mut(site).expect("inserted above").number()
    }

    /// Wakes a process when its own clock has reached the time that it named last, at the clock's present rate.
    pub(super) fn set_timer(&mut self, machine: Machine) {
        let now = self.now;
        let node = self.machine(machine);
        let Some(process) = &mut node.process else { return };
        let Some(at) = process.wake_at else { return };
        process.timer += 1;
        let (boot, number) = (process.boot, process.timer);
        let after = node.clock.world(at).saturating_sub(now);
        self.schedule(after, machine, Event::Timer { machine, boot, number });
    }

    /// Lets something wait for a process that has no turn. Gives it back if the process has turns.
    pub(super) fn let_wait(&mut self, machine: Machine, waiting: Waiting) -> Option<Waiting> {
        let node = self.machine(machine);
        if node.pauses == 0 {
            return Some(waiting);
        }
        let Some(process) = &mut node.process else { return Some(waiting) };
        process.waiting.push_back(waiting);
        self.count_bites(|effect| *effect == Effect::Pause(machine));
        None
    }

    /// What waits first for a process that has turns again.
    pub(super) fn waited(&mut self, machine: Machine) -> Option<Input> {
        loop {
            let node = self.machine(machine);
            let process = node.process.as_mut().filter(|_| node.pauses == 0)?;
            match process.waiting.pop_front()? {
                Waiting::Input(input) => return Some(input),
                Waiting::Timer(number) if process.timer == number => return Some(Input::Timer),
                Waiting::Timer(_) => {}
            }
        }
    }

    /// Takes turns from a process. What it has begun goes on: its disk works, and its clocks run.
    pub(super) fn pause(&mut self, machine: Machine) {
        let now = self.now;
        let node = self.machine(machine);
        node.pauses += 1;
        node.count_hindrance(now);
    }

    /// Ends one pause. Whether the process has turns again.
    pub(super) fn end_pause(&mut self, machine: Machine) -> bool {
        let now = self.now;
        let node = self.machine(machine);
        node.pauses = node.pauses.checked_sub(1).expect("a pause ends once");
        node.count_hindrance(now);
        let over = node.pauses == 0;
        if over && std::mem::take(&mut node.boot_waits) {
            self.schedule(Duration::ZERO, machine, Event::Boot(machine));
        }
        over
    }

    /// Begins or ends what a fault does to a machine's clocks.
    pub(super) fn turn_clock(&mut self, machine: Machine, begins: bool, change: impl FnOnce(&mut Clock, Duration)) {
        let now = self.now;
        let node = self.machine(machine);
        change(&mut node.clock, now);
        let faults = if begins { node.clock_faults.checked_add(1) } else { node.clock_faults.checked_sub(1) };
        node.clock_faults = faults.expect("what a fault does to a clock ends once");
    }

    /// Lets a process's disk be done with something after a time.
    pub(super) fn ask_disk(&mut self, machine: Machine, takes: Duration, what: Asked) {
        self.count_hindered(machine);
        let due = self.now + takes;
        let process = self.machine(machine).process.as_mut().expect("only a running process asks its disk");
        process.asked += 1;
        let (boot, number) = (process.boot, process.asked);
        process.under_way.insert(number, UnderWay { due, what });
        self.schedule(takes, machine, Event::Completed { machine, boot, number });
    }

    /// Counts disk work that a fault slows down or stalls.
    pub(super) fn count_hindered(&mut self, machine: Machine) {
        let node = self.machine(machine);
        if node.stalls > 0 || !node.slowness.is_empty() {
            self.count_bites(|effect| matches!(effect, Effect::Slow(of, _) | Effect::Stall(of) if *of == machine));
        }
    }

    /// Slows a disk down, or takes one slowdown back. What is under way then goes on at the new pace: a fault that is
    /// over holds up nothing. What is under way when a disk gets slower ends as planned.
    pub(super) fn slow_disk(&mut self, machine: Machine, factor: u32, begins: bool) {
        let node = self.machine(machine);
        if begins {
            node.slowness.push(factor);
        } else {
            let place = node.slowness.iter().position(|active| *active == factor);
            node.slowness.remove(place.expect("a slowdown ends once"));
        }
        node.disk.set_slowness(node.slowness.iter().fold(1, |all, factor| all.saturating_mul(*factor)));
        if !begins {
            self.hasten(machine, factor);
        }
    }

    /// Lets what is under way take so many times less of the time that is left.
    fn hasten(&mut self, machine: Machine, factor: u32) {
        let now = self.now;
        let Some(process) = &mut self.machine(machine).process else { return };
        let boot = process.boot;
        let mut hastened = Vec::new();
        for (number, under_way) in &mut process.under_way {
            let left = under_way.due.saturating_sub(now) / factor;
            under_way.due = now + left;
            hastened.push((left, Event::Completed { machine, boot, number: *number }));
        }
        // The events that were planned come later and find nothing to complete.
        hastened.into_iter().for_each(|(left, event)| self.schedule(left, machine, event));
    }

    /// Stalls a disk, or ends one stall: after the last one what was due meanwhile happens.
    pub(super) fn stall_disk(&mut self, machine: Machine, begins: bool) {
        let now = self.now;
        let node = self.machine(machine);
        if begins {
            node.stalls += 1;
            return node.count_hindrance(now);
        }
        node.stalls = node.stalls.checked_sub(1).expect("a stall ends once");
        node.count_hindrance(now);
        let (0, Some(process)) = (node.stalls, &node.process) else { return };
        let boot = process.boot;
        let due = process.under_way.iter().filter(|(_, under_way)| under_way.due <= now);
        let due: Vec<u64> = due.map(|(number, _)| *number).collect();
        for number in due {
            self.schedule(Duration::ZERO, machine, Event::Completed { machine, boot, number });
        }
    }
}
