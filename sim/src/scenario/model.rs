//! What a scenario says, every default filled in. [`parse`](super::parse) makes it from a file; nothing after that reads TOML.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_node::api::Value;

/// One scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its path below the scenarios folder without the extension: `disk/torn-write`.
    pub name: String,
    /// The path of its file as the user gave it; empty for one made in memory.
    pub path: String,
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
    /// How long the two phases last.
    pub phases: Phases,
    /// Tables or queries whose contents at the end are a snapshot.
    pub finals: Vec<String>,
    /// What the run must show beside safety.
    pub expect: Expect,
    /// When to give up.
    pub limits: Limits,
}

/// `[cluster]`: who takes part.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The name of the system under test.
    pub system: String,
    /// How many voters the cluster starts with: `n1`, `n2` …
    pub voters: u32,
    /// Raft's timing.
    pub raft: RaftTiming,
}

/// `[cluster] raft`: timing, in whole milliseconds, of which there are at least five: nodes count them.
#[derive(Clone, Debug, PartialEq)]
pub struct RaftTiming {
    /// The shortest and the longest election timeout.
    pub election: (Duration, Duration),
    /// The time between two heartbeats.
    pub heartbeat: Duration,
}

/// `[network]`: how messages travel between any two machines.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// One way.
    pub latency: Distribution,
    /// The chance that a peer message is lost.
    pub loss: Probability,
    /// The chance that a peer message arrives twice.
    pub duplicate: Probability,
    /// The chance that a peer message is held back so that later ones overtake it. All others keep a link's order.
    pub reorder: Probability,
}

/// `[clock]`: how far the nodes' clocks are off. Each node draws its own values, either sign.
#[derive(Clone, Debug, PartialEq)]
pub struct Clock {
    /// The greatest difference of a wall clock from true time.
    pub offset: Duration,
    /// The greatest difference of a clock's rate from true time, in parts per million.
    pub drift_ppm: u32,
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
}

/// `[[workload]]`: what some clients do.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// How many clients share it.
    pub clients: u32,
    /// How much they do in all.
    pub amount: Amount,
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
    /// Whether it only reads: then it is sent as a query.
    pub read: bool,
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

/// `[[event]]`: a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it strikes.
    pub trigger: Trigger,
    /// What it does.
    pub fault: Fault,
    /// How long it lasts; `None` until the fault phase ends.
    pub lasts: Option<Duration>,
    /// The line of the file on which it stands, from 1.
    pub line: u32,
}

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// At a time drawn evenly from the two, both included.
    At(Duration, Duration),
    /// When any node has applied this index.
    Applied(u64),
    /// At the n-th disk call, from 1, that the node makes from the start during this kind of work.
    Io {
        /// Which call.
        nth: u64,
        /// The kind of work.
        during: During,
        /// On which node. A role is resolved when the fault phase begins, not at the strike: `leader` is who leads then,
        /// and its calls go on being counted when another one leads.
        node: Selector,
    },
    /// When a mark is reached for the n-th time, from 1.
    Mark {
        /// Its name.
        mark: String,
        /// On which node; `None` on any.
        node: Option<String>,
        /// Which time.
        nth: u64,
    },
}

/// Kinds of work during which a disk call can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum During {
    /// SQLite's, while it executes and commits entries.
    Commit,
    /// SQLite's, during a checkpoint.
    Checkpoint,
    /// The log's, while it writes.
    Append,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Machines lose power: what was not synced is lost, kept or torn. They boot again when it ends.
    PowerCut(Vec<Selector>),
    /// Processes are killed; the operating system keeps what they wrote. They start again when it ends.
    Kill(Vec<Selector>),
    /// Machines in different groups do not hear each other. A node in no group is in a group of its own.
    Partition(Vec<Vec<Selector>>),
    /// Messages from some nodes to others are dropped; the other way too unless `one_way`.
    Cut {
        /// From these.
        from: Vec<Selector>,
        /// To these.
        to: Vec<Selector>,
        /// Only in this direction.
        one_way: bool,
    },
    /// Every sync and access takes so many times as long.
    SlowDisk {
        /// On these nodes.
        target: Vec<Selector>,
        /// How many times.
        factor: u32,
    },
    /// No sync completes and no job's disk access ends until it is over.
    StallDisk(Vec<Selector>),
}

/// Names nodes at the moment a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The node that leads in the newest term.
    Leader,
    /// One live node, drawn.
    Any,
    /// One live node that does not lead, drawn.
    Follower,
    /// All nodes.
    All,
    /// A minority drawn from all nodes.
    Minority,
    /// A majority drawn from all nodes.
    Majority,
    /// Every node that the other selectors of the same fault do not name.
    Rest,
    /// This one: `n3`.
    Node(String),
}

/// `[phases]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phases {
    /// How long faults last. `None`: until every event has ended and every operation has returned. Where an event without
    /// `for` keeps operations from returning, until none has been acknowledged for as long as `settle`.
    pub faults: Option<Duration>,
    /// Within this time after the heal the cluster must elect, commit and converge.
    pub settle: Duration,
}

/// `[expect]`: what the run must show beside safety.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// So many acknowledged operations between two times.
    pub progress: Option<Progress>,
    /// The longest time for which a majority that is up and connected may be without a leader.
    pub leaderless: Option<Duration>,
    /// Marks that every run must reach.
    pub sometimes: Vec<String>,
    /// Systems on which this scenario must fail, and the property that must fail first.
    pub fails: BTreeMap<String, String>,
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

/// When to give up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// After this simulated time.
    pub time: Duration,
    /// After so many events of the world.
    pub events: u64,
}
