//! What a scenario says, every default filled in. [`parse`](super::parse) makes it from a file; nothing after that reads TOML.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_node::sqlite::limits::Limits as SqlLimits;

use lockstep_node::api::{ReadLevel, Value};

mod fault;
mod nemesis;
mod wish;

use super::Given;
pub use fault::{During, Event, Fault, MessageFault, Selector, Trigger};
pub use nemesis::{Nemesis, Strikes};
pub use wish::Wish;

/// One scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its path below the scenarios folder without the extension: `disk/torn-write`.
    pub name: String,
    /// What it was made of.
    pub given: Given,
    /// The comment lines at its head, without the `#`.
    pub about: Vec<String>,
    /// The seeds that `cargo test` runs, in the order in which they are listed.
    pub seeds: Vec<u64>,
    /// Who takes part.
    pub cluster: Cluster,
    /// How messages travel.
    pub network: Network,
    /// How clocks go wrong.
    pub clock: Clock,
    /// How disks behave.
    pub disk: Disk,
    /// SQL statements that set up the tables before any workload begins, one a list item.
    pub schema: Vec<String>,
    /// What clients do. Empty if nothing.
    pub workloads: Vec<Workload>,
    /// What must hold on every replica.
    pub invariants: Vec<Invariant>,
    /// What goes wrong, and when.
    pub events: Vec<Event>,
    /// What goes wrong at random. None are left in a scenario that is [lowered](super::lower).
    pub nemeses: Vec<Nemesis>,
    /// How long the two phases last.
    pub phases: Phases,
    /// Tables or queries whose contents at the end are a snapshot.
    pub finals: Vec<String>,
    /// What the run must show beside safety.
    pub expect: Expect,
    /// What a run and its parts may take.
    pub limits: Limits,
}

/// `[cluster]`: who takes part.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The name of the system under test.
    pub system: String,
    /// How many voters the cluster starts with: `n1`, `n2` …
    pub voters: u32,
    /// How many machines there are beside the founders. They are off and empty until they join.
    pub spares: u32,
    /// A client's session that was not used for so many entries expires.
    pub session_lifetime: u32,
    /// Raft's timing.
    pub raft: RaftTiming,
    /// What statements may cost.
    pub sql: SqlLimits,
}

impl Cluster {
    /// The lifetime of sessions where the scenario does not say: no run has so many entries.
    pub const SESSION_LIFETIME: u32 = 1_000_000;

    /// How many machines there are.
    pub fn machines(&self) -> u32 {
        self.voters + self.spares
    }
}

/// `[cluster] raft`: timing, in whole milliseconds, of which there are at least five: nodes count them.
#[derive(Clone, Debug, PartialEq)]
pub struct RaftTiming {
    /// The shortest and the longest election timeout.
    pub election: (Duration, Duration),
    /// The time between two heartbeats.
    pub heartbeat: Duration,
    /// After so many entries the log forgets what the database has durably; `None` if it keeps all.
    pub compact_every: Option<u64>,
    /// Whether a leader answers reads on its own for a while after a majority confirmed that it leads.
    pub lease: bool,
    /// A leader removes a member of which it has heard nothing for so long; `None` if it removes nobody on its own.
    pub remove_dead_after: Option<Duration>,
}

/// `[network]`: how messages travel.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Every link.
    pub all: Link,
    /// Links that differ, in the order of the file: a later one wins.
    pub links: Vec<LinkRule>,
}

/// One direction between two machines, or between a machine and a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// One way.
    pub latency: Distribution,
    /// The chance that a peer message is lost.
    pub loss: Probability,
    /// The chance that a peer message arrives twice.
    pub duplicate: Probability,
    /// The chance that a peer message is held back so that later ones overtake it. All others keep a link's order.
    pub reorder: Probability,
    /// How many bytes a second it carries; `None` for any number.
    pub bandwidth: Option<u64>,
    /// How many bytes may wait until the link is free. A peer message that finds less room is lost. `None` for any number.
    pub queue: Option<u64>,
}

/// `[[network.link]]`: what is different on some links between machines.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRule {
    /// The labels of the senders; `None` for all machines.
    pub from: Option<Vec<String>>,
    /// The labels of the receivers; `None` for all machines.
    pub to: Option<Vec<String>>,
    /// Only in this direction.
    pub one_way: bool,
    /// One way.
    pub latency: Option<Distribution>,
    /// The chance that a peer message is lost.
    pub loss: Option<Probability>,
    /// The chance that a peer message arrives twice.
    pub duplicate: Option<Probability>,
    /// The chance that a peer message is overtaken.
    pub reorder: Option<Probability>,
    /// How many bytes a second the link carries.
    pub bandwidth: Option<u64>,
    /// How many bytes may wait until the link is free.
    pub queue: Option<u64>,
}

/// `[clock]`: how far the nodes' clocks are off.
#[derive(Clone, Debug, PartialEq)]
pub struct Clock {
    /// How far the wall clocks are off, in nanoseconds.
    pub offset_ns: ClockError,
    /// How much faster the clocks run, in parts per million.
    pub drift_ppm: ClockError,
}

/// How far clocks are off true time or its rate.
#[derive(Clone, Debug, PartialEq)]
pub enum ClockError {
    /// Each node draws its own error, either sign, up to this.
    UpTo(u64),
    /// The errors of these nodes; the others have none.
    Each(BTreeMap<String, i64>),
}

/// `[disk]`: how disks behave.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// How long a sync takes.
    pub fsync: Distribution,
    /// How long any other access takes when SQLite waits for it.
    pub access: Distribution,
    /// What a power cut does to writes that were not synced.
    pub power_cut: PowerCut,
    /// How many disks may lose data at once: power cuts beyond that wait. `None` for any number. What strikes in the middle
    /// of a disk call counts, and cannot wait.
    pub budget: Option<u32>,
}

/// `[disk] power_cut`: the fate of each write that no completed sync covers. What is neither lost nor torn is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerCut {
    /// The chance that a write is forgotten as a whole.
    pub lost: Probability,
    /// The chance that only some of a write's 512-byte sectors are kept.
    pub torn: Probability,
}

/// A chance, in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probability(pub u32);

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(Duration),
    /// Evenly spread.
    Uniform {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// Mostly short, with a long tail that is cut at `max`.
    Exponential {
        /// The least.
        min: Duration,
        /// The average before the cut.
        mean: Duration,
        /// The most.
        max: Duration,
    },
    /// Usually one, now and then the other; evenly spread within each.
    Bimodal {
        /// The least and the most, usually.
        usual: (Duration, Duration),
        /// The least and the most, now and then.
        slow: (Duration, Duration),
        /// How often it is slow.
        chance: Probability,
    },
}

/// `[[workload]]`: what some clients do.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// How many clients share it.
    pub clients: u32,
    /// How much they do in all.
    pub amount: Amount,
    /// The level of their reads, unless it is said with each operation.
    pub level: Option<ReadLevel>,
    /// What they do.
    pub kind: WorkloadKind,
}

/// How much a workload does, over all its clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many operations, each until its outcome is known or it may not be sent again.
    Ops(u64),
    /// So many operations a second, in thousandths, until the fault phase ends.
    RateMilli(u64),
}

/// The kinds of workloads.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadKind {
    /// Transfers between accounts whose total never changes.
    Bank {
        /// How many accounts.
        accounts: u32,
        /// What each holds at first.
        balance: i64,
    },
    /// Additions to a few counters, and reads of them. Every counter begins at 0.
    Counter {
        /// How many counters.
        keys: u32,
        /// The least and the most that is added at once.
        add: (u32, u32),
        /// The chance that an operation reads.
        reads: Probability,
    },
    /// Reads, writes and compare-and-set of a few registers. Every register begins at 0.
    Register {
        /// How many registers.
        keys: u32,
        /// How many values there are, from 0. The fewer, the more often a compare-and-set finds what it expects.
        values: u32,
        /// The chance that an operation reads.
        reads: Probability,
        /// The chance that an operation that does not read is a compare-and-set.
        compare_and_set: Probability,
    },
    /// Transactions that append to lists and read them.
    Append {
        /// How many lists are in use at a time.
        keys: u32,
        /// How lists are stored.
        layout: Layout,
        /// The least and the most appends and reads of a transaction.
        length: (u32, u32),
        /// The chance that a part of a transaction reads.
        reads: Probability,
    },
    /// The user's own statements.
    Sql {
        /// The operations to choose from.
        mix: Vec<Mixed>,
        /// The values from which named parameters are drawn.
        values: BTreeMap<String, Values>,
    },
    /// Statements of every kind, drawn at random.
    Generated {
        /// How many tables there are.
        tables: u32,
        /// The longest text or blob that is bound to a parameter, in bytes.
        value_bytes: u64,
        /// The chance that a statement changes the schema.
        ddl: Probability,
    },
    /// Changes of the schema, one after the other, by one client.
    Migrate {
        /// The statements of each step: they are executed as one atomic batch.
        steps: Vec<Vec<String>>,
        /// The least and the most time before each step.
        pause: (Duration, Duration),
    },
}

impl WorkloadKind {
    /// The kind as scenario files name it.
    pub fn name(&self) -> &'static str {
        match self {
            WorkloadKind::Bank { .. } => "bank",
            WorkloadKind::Counter { .. } => "counter",
            WorkloadKind::Register { .. } => "register",
            WorkloadKind::Append { .. } => "append",
            WorkloadKind::Sql { .. } => "sql",
            WorkloadKind::Generated { .. } => "generated",
            WorkloadKind::Migrate { .. } => "migrate",
        }
    }

    /// The most time that its pauses may take together; only a migration has any.
    pub fn pauses_max(&self) -> Duration {
        match self {
            WorkloadKind::Migrate { steps, pause: (_, longest) } => *longest * steps.len() as u32,
            _ => Duration::ZERO,
        }
    }
}

/// How the lists of an append workload are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A list is one text, to which an append adds.
    Text,
    /// An item is a row; the order is that of an AUTOINCREMENT key.
    Rows,
}

/// One operation of a mix.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixed {
    /// How often it is chosen, relative to the others.
    pub weight: u32,
    /// Its statements.
    pub sql: Vec<Template>,
    /// Whether the first failing statement undoes all.
    pub atomic: bool,
    /// The level at which it reads, if it only does that: then it is sent as a query.
    pub read: Option<ReadLevel>,
}

/// A statement whose parameters are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its text.
    pub sql: String,
    /// The names of its parameters, without the `:`.
    pub parameters: Vec<String>,
}

/// The values that a named parameter takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Integers from the first to the second, both included.
    Range(i64, i64),
    /// Integers from the first to the second, both included: the n-th of them about n times as seldom as the first.
    Zipf(i64, i64),
    /// One of these.
    OneOf(Vec<Value>),
    /// Text of at least the first and at most the second number of characters.
    Text(u32, u32),
    /// At least the first and at most the second number of bytes.
    Blob(u32, u32),
}

/// `[[invariant]]`: a query that must give one value on every replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Invariant {
    /// What the user calls it.
    pub name: String,
    /// A query of one row and one column.
    pub sql: String,
    /// The value.
    pub expect: Value,
}

/// `[phases]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phases {
    /// How long faults last. `None`: until every event has ended and every operation has returned. Where an event without
    /// `for` keeps operations from returning, until none has been acknowledged for as long as `settle`.
    pub faults: Option<Duration>,
    /// How many nodes are healed first, a majority at least, drawn from all: as long as the others are down or cut off they
    /// must elect, commit and converge, within `settle`. `None`: all are healed at once.
    pub core: Option<u32>,
    /// Within this time after the heal the cluster must elect, commit and converge.
    pub settle: Duration,
}

/// `[expect]`: what the run must show beside safety.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// So many acknowledged operations between two times, for each of these.
    pub progress: Vec<Progress>,
    /// The longest time for which a majority that is up and connected may be without a leader.
    pub leaderless: Option<Duration>,
    /// Marks that every run must reach.
    pub sometimes: Vec<String>,
    /// Systems on which this scenario must fail, and the properties of which one must fail first; there is at least one.
    pub fails: BTreeMap<String, Vec<String>>,
}

/// `progress = "50 commits in 2s..5s"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// At least so many.
    pub commits: u64,
    /// From this time.
    pub from: Duration,
    /// To this time.
    pub to: Duration,
}

/// What a run and its parts may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The run is given up after this simulated time.
    pub time: Duration,
    /// It is given up after so many events of the world.
    pub events: u64,
    /// A process answers each request within this time.
    pub answer: Duration,
}
