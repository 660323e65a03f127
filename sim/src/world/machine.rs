//! A machine: a disk and clocks that stay, and a process that comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::actor::Actor;
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
    /// How many faults keep it down.
    pub(super) held_down: u32,
    /// How many faults stall its disk.
    pub(super) stalls: u32,
    /// Disk completions that wait for a stall to end.
    pub(super) stalled: Vec<Event>,
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
    /// Numbers its wishes to be woken; only the newest counts.
    pub(super) timer: u64,
}

impl Process {
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
            clock: Clock::new(&scenario.clock, &mut stream("clock")),
            process: None,
            boots: 0,
            held_down: 0,
            stalls: 0,
            stalled: Vec::new(),
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

    /// Slows a disk down, or takes one slowdown back.
    pub(super) fn slow_disk(&mut self, machine: Machine, factor: u32, begins: bool) {
        let node = self.machine(machine);
        if begins {
            node.slowness.push(factor);
        } else {
            let place = node.slowness.iter().position(|active| *active == factor);
            node.slowness.remove(place.expect("a slowdown ends once"));
        }
        node.disk.set_slowness(node.slowness.iter().product());
    }

    /// Stalls a disk, or ends one stall: after the last one what waited happens.
    pub(super) fn stall_disk(&mut self, machine: Machine, begins: bool) {
        let node = self.machine(machine);
        if begins {
            node.stalls += 1;
            return;
        }
        node.stalls = node.stalls.checked_sub(1).expect("a stall ends once");
        if node.stalls == 0 {
            for event in std::mem::take(&mut self.machine(machine).stalled) {
                self.schedule(Duration::ZERO, machine, event);
            }
        }
    }
}
