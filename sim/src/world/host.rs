//! The node's `host` traits, simulated. A handle belongs to one boot of one machine; when that boot is over every call
//! fails with [`Dead`] or does nothing, draws no choice and records nothing.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use lockstep_node::event::Event as NodeEvent;
use lockstep_node::host::{
    CallId, Clock, Dead, Disk, DiskError, Entropy, Host, Input, Job, Network, RequestId, SqliteVfs, Ticket, Work,
};

use super::calls::Caller;
use super::effects::Effect;
use super::machine::{Asked, Node};
use super::{Event, State, World, find_machine};
use crate::disk::{Boot, SimDisk};
use crate::record::{Detail, Machine, What};
use crate::trace::Item;

/// The world as one boot of one node sees it.
pub struct SimHost {
    world: World,
    machine: Machine,
    boot: u64,
    disk: Boot,
}

impl SimHost {
    pub(super) fn new(world: World, machine: Machine, boot: u64, disk: Boot) -> Self {
        SimHost { world, machine, boot, disk }
    }

    /// The machine's label, which is also its address.
    pub fn label(&self) -> String {
        self.machine.to_string()
    }

    /// The machine's disk.
    pub(crate) fn device(&self) -> &SimDisk {
        self.disk.disk()
    }

    /// How long after its arrival a request must be answered (`limits.answer`).
    pub fn answer_limit(&self) -> Duration {
        self.world.lock().scenario.limits.answer
    }

    /// Takes requests from now on. A node that reports events does so by saying that it booted, if it did not before.
    pub fn listen(&mut self) {
        let machine = self.machine;
        self.alive(|state| state.machine(machine).process.as_mut().expect("a live boot has a process").listens = true);
    }

    /// Does something to the world, unless this boot is over.
    fn alive<T>(&self, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut state = self.world.lock();
        state.machine(self.machine).runs(self.boot).then(|| act(&mut state))
    }

    fn with_node<T>(&self, ask: impl FnOnce(&Node, Duration) -> T) -> T {
        let state = self.world.lock();
        ask(&state.machines[self.machine.0 as usize], state.now)
    }
}

impl Host for SimHost {
    fn next(&mut self) -> impl Future<Output = Result<Input, Dead>> + Send {
        poll_fn(|_| {
            let waiting = self.alive(|state| {
                let process = state.machine(self.machine).process.as_mut().expect("a live boot has a process");
                process.inbox.take()
            });
            match waiting {
                None => Poll::Ready(Err(Dead)),
                Some(Some(input)) => Poll::Ready(Ok(input)),
                Some(None) => Poll::Pending,
            }
        })
    }

    fn run(&mut self, what: Work, job: Job) {
        if self.alive(|_| ()).is_none() {
            return;
        }
        // SQLite calls back into the disk while the job runs: the world is not locked.
        self.disk.begin_work(what);
        let outcome = job();
        let took = self.disk.end_work();
        let machine = self.machine;
        self.alive(|state| state.ask_disk(machine, took, Asked::Job(outcome)));
    }

    fn record(&mut self, event: NodeEvent) {
        if matches!(event, NodeEvent::Booted { .. }) {
            self.listen();
        }
        let machine = self.machine;
        self.alive(|state| state.record(What::Node(machine, event)));
    }
}

impl Network for SimHost {
    fn send(&mut self, to: &str, bytes: Bytes) {
        let from = self.machine;
        self.alive(|state| {
            let Some(to) = find_machine(state, to) else { return };
            let place = u64::from(from.0) << 32 | u64::from(to.0);
            state.trace.enter(Item::Message, place, &bytes, || format!("datagram from {from} to {to}"));
            if state.network.is_cut(from, to) {
                state.count_bites(|effect| *effect == Effect::Cut(from, to));
            }
            state.count_slowed(from, to);
            let State { network, counts, now, .. } = state;
            let arrivals = network.datagram(from, to, bytes.len(), *now, counts);
            state.detail(|state| {
                let takes = arrivals.iter().map(|at| *at - state.now).collect();
                Detail::Sent { from, to, bytes: bytes.clone(), takes }
            });
            for at in arrivals {
                state.schedule(at - state.now, to, Event::Message { from, to, bytes: bytes.clone(), late: false });
            }
        });
    }

    fn call(&mut self, to: &str, call: CallId, bytes: Bytes) {
        let caller = Caller::Node { machine: self.machine, boot: self.boot, call };
        self.alive(|state| state.open_call(caller, to, bytes));
    }

    fn respond(&mut self, request: RequestId, bytes: Bytes) {
        self.alive(|state| state.answer_call(request.0, Ok(bytes)));
    }
}

impl Clock for SimHost {
    fn monotonic(&self) -> Duration {
        self.with_node(|node, now| node.clock.monotonic(now))
    }

    fn wall(&self) -> Duration {
        self.with_node(|node, now| node.clock.wall(now))
    }

    fn wake_at(&mut self, at: Duration) {
        let machine = self.machine;
        self.alive(|state| {
            let process = state.machine(machine).process.as_mut().expect("a live boot has a process");
            process.wake_at = Some(at);
            state.set_timer(machine);
        });
    }
}

impl Entropy for SimHost {
    fn entropy(&mut self, site: &'static str) -> u64 {
        let machine = self.machine;
        self.alive(|state| state.node_draw(machine, site)).unwrap_or(0)
    }
}

impl Disk for SimHost {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        self.disk.list()
    }

    fn len(&mut self, file: &str) -> Result<Option<u64>, DiskError> {
        self.disk.len(file)
    }

    fn read(&mut self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.disk.read(file, offset, length)
    }

    fn write(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.disk.write(file, offset, bytes)
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        self.disk.truncate(file, length)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.disk.remove(file)
    }

    fn sync(&mut self, files: &[&str], directory: bool) -> Ticket {
        let (ticket, takes) = self.disk.begin_sync(files, directory);
        let machine = self.machine;
        self.alive(|state| state.ask_disk(machine, takes, Asked::Sync(ticket)));
        ticket
    }

    fn sqlite_vfs(&self) -> SqliteVfs {
        self.disk.vfs()
    }
}
