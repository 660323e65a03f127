//! Everything that happens in a run, in order: what nodes say, what faults do, what phases begin.

use std::time::Duration;

use bytes::Bytes;
use lockstep_node::event::Event;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// When, in the world's time since its beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// A machine of the world, from 0: machine 0 is called `n1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Machine(pub u32);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A node said this of itself.
    Node(Machine, Event),
    /// A fault struck or ended.
    Fault(FaultRecord),
    /// The process on a machine ended; or it had ended before, and now power is lost with what it had not synced.
    Down(Machine, Down),
    /// A machine's process was started.
    Up(Machine),
    /// A machine's disk was emptied. What runs on it from now on is another node.
    Wiped(Machine),
    /// A client's operation was acknowledged.
    Acknowledged {
        /// The client, from 1.
        client: u32,
        /// The index it was told.
        index: u64,
    },
    /// A request waited for longer than the scenario allows.
    Late(Late),
    /// A phase began.
    Phase(Phase),
    /// A detail that is kept only where somebody wants to see all: it enters neither digest nor verdicts.
    Detail(Detail),
}

/// What happens all the time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// A datagram left.
    Sent {
        /// Its sender.
        from: Machine,
        /// Its receiver.
        to: Machine,
        /// What it holds; the system under test can read it.
        bytes: Bytes,
        /// How long it and its copies take; nothing if it is lost.
        takes: Vec<Duration>,
    },
    /// A call on a disk, in words.
    Disk(Machine, String),
}

/// Why a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Down {
    /// It was killed; the page cache stays.
    Killed,
    /// The machine lost power.
    PowerCut {
        /// Writes that no completed sync covered: how many were kept, forgotten and torn.
        kept: u64,
        /// Forgotten.
        lost: u64,
        /// Torn.
        torn: u64,
    },
    /// The node stopped by its own decision.
    Stopped(String),
    /// The node's code panicked.
    Panicked(String),
}

/// A fault that struck or ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FaultRecord {
    /// The fault, as listed in the scenario, from 0.
    pub event: usize,
    /// Whether it struck (or else ended).
    pub struck: bool,
    /// In words, with the machines it was resolved to: `power-cut n2 for 1s`.
    pub text: String,
    /// What the fault harms from now on, until its next record: nothing once it is over.
    pub harm: Harm,
}

/// What a fault harms as long as it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Harm {
    /// The machines to which it does something.
    pub machines: Vec<Machine>,
    /// The directions, from a machine to another, in which nothing gets through.
    pub cut: Vec<(Machine, Machine)>,
    /// The directions in which it delays messages, or loses single ones.
    pub disturbed: Vec<(Machine, Machine)>,
}

/// A request that a process did not answer in time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Late {
    /// The machine to which it came.
    pub machine: Machine,
    /// Who sent it: `client 3`, or a node that passed it on.
    pub from: String,
    /// When it came.
    pub arrived: Duration,
    /// How long it waited by the machine's own clock, without the time in which the process was paused or the disk stalled.
    pub waited: Duration,
    /// Whether it was answered then. Otherwise the connection broke, the process ended, or the run was over.
    pub answered: bool,
}

/// The phases of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The schema is being set up on a healthy cluster.
    Setup,
    /// Clients work, faults strike.
    Faults,
    /// A core is healed and the rest stays broken; the core must converge.
    Core,
    /// Everything is healed; the cluster must converge.
    Settle,
    /// Replicas are compared.
    Inspect,
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Late { machine, from, arrived, waited, answered } = self;
        let came = if *answered { "was answered" } else { "had no answer" };
        write!(
            f,
            "the request of {from} that came to {machine} at {:.3}s {came} after {:.3}s",
            arrived.as_secs_f64(),
            waited.as_secs_f64()
        )
    }
}

impl Harm {
    /// Whether nothing is harmed.
    pub fn is_none(&self) -> bool {
        *self == Harm::default()
    }
}

impl Machine {
    /// The machine with this label: `n1` is the first.
    pub fn of_label(label: &str) -> Option<Machine> {
        let number: u32 = label.strip_prefix('n')?.parse().ok()?;
        Some(Machine(number.checked_sub(1)?))
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "n{}", self.0 + 1)
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
