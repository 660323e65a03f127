//! `[[event]]`: what goes wrong, when, and to whom.

use std::time::Duration;

use super::Wish;

/// `[[event]]`: a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it strikes.
    pub trigger: Trigger,
    /// What it does.
    pub fault: Fault,
    /// How long it lasts as the file says; `None` until the fault phase ends. See [`Event::length`].
    pub lasts: Option<Duration>,
    /// The nemesis whose strike it is, in the order of the file from 0; `None` for one that the file names.
    pub nemesis: Option<usize>,
    /// The line of the file on which it stands, from 1.
    pub line: u32,
}

/// When a fault strikes. Where there are two ends, both included, each seed draws between them.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// At a time.
    At(Duration, Duration),
    /// When any node has applied this index.
    Applied((u64, u64)),
    /// At the n-th disk call, from 1, that the node makes from the start during this kind of work.
    Io {
        /// Which call.
        nth: (u64, u64),
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
        nth: (u64, u64),
    },
}

/// Kinds of work during which a disk call can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum During {
    /// SQLite's, while it executes and commits entries.
    Commit,
    /// SQLite's, during a checkpoint.
    Checkpoint,
    /// The log's, while it writes; and the node's own, while it receives a copy of a database.
    Append,
    /// SQLite's, while it copies the database for another node.
    Copy,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Machines lose power: what was not synced is lost, kept or torn. They boot again when it ends.
    PowerCut(Vec<Selector>),
    /// Processes are killed; the operating system keeps what they wrote. They start again when it ends.
    Kill(Vec<Selector>),
    /// Processes are killed and start again at once.
    Restart(Vec<Selector>),
    /// Processes are killed as soon as they have been up for a while, again and again.
    CrashLoop {
        /// On these machines, all at the same times.
        target: Vec<Selector>,
        /// How often they are killed.
        times: u32,
        /// How long they stay down each time.
        down: Duration,
        /// How long they stay up in between.
        up: Duration,
    },
    /// Processes get no turn, as after SIGSTOP. What arrives waits, and is taken in order when it ends.
    Pause(Vec<Selector>),
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
    /// The others are two halves, drawn, that do not hear each other; all of them and this node do.
    Bridge {
        /// The node that both halves share.
        node: Selector,
        /// The second half hears the first, but not the other way round.
        one_way: bool,
    },
    /// The nodes stand in a ring, in an order that is drawn, and each hears only its two neighbours.
    Ring {
        /// Each hears only the one before it.
        one_way: bool,
    },
    /// Nodes hear nobody, and nobody hears them.
    Isolate {
        /// These, each by itself.
        target: Vec<Selector>,
        /// They hear all, but nobody hears them.
        one_way: bool,
    },
    /// Messages between some nodes are delayed; none is lost.
    Clog {
        /// From these.
        from: Vec<Selector>,
        /// To these.
        to: Vec<Selector>,
        /// Only in this direction.
        one_way: bool,
        /// Each takes so much longer; `None`: all wait until it ends.
        by: Option<Duration>,
    },
    /// The links of nodes clog one node after the other during the first half, and clear in another order during the second.
    Swizzle {
        /// These nodes, in an order that is drawn.
        target: Vec<Selector>,
        /// Only what they send waits.
        one_way: bool,
    },
    /// Single peer messages, chosen by what they are and whom they go to, meet with something as they arrive.
    Messages {
        /// What.
        fate: MessageFault,
        /// The kind that the system under test gives them; `None` for all.
        kind: Option<String>,
        /// From these.
        from: Vec<Selector>,
        /// To these.
        to: Vec<Selector>,
        /// The first one that it meets, from 1, counted from the strike.
        nth: u64,
        /// How many in a row; `None` for all.
        count: Option<u64>,
    },
    /// Wall clocks are set forward or back, and right again when it ends. Monotonic clocks go on as they were.
    ClockJump {
        /// On these machines.
        target: Vec<Selector>,
        /// By so much, in nanoseconds.
        by_ns: i64,
    },
    /// Both clocks run faster or slower. When it ends the rate is right again, and what was gained or lost stays.
    ClockDrift {
        /// On these machines.
        target: Vec<Selector>,
        /// By so much, in parts per million.
        by_ppm: i64,
    },
    /// Wall clocks stand still, and are right again when it ends. Monotonic clocks go on: on no real machine do they stop
    /// while processes run.
    ClockFreeze(Vec<Selector>),
    /// Every sync and access takes so many times as long.
    SlowDisk {
        /// On these nodes.
        target: Vec<Selector>,
        /// How many times.
        factor: u32,
    },
    /// Machines lose power and their disks are emptied. They boot when it ends, as nodes that nobody knows.
    Wipe(Vec<Selector>),
    /// An operator wishes something of the members.
    Wish(Wish),
    /// No sync completes and no job's disk access ends until it is over.
    StallDisk(Vec<Selector>),
}

/// What a single message meets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFault {
    /// It is lost.
    Drop,
    /// It takes so much longer, and what was sent after it may overtake it.
    Delay(Duration),
}

/// Names nodes at the moment a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The node that leads in the newest term.
    Leader,
    /// One live node, drawn. Machines that have not joined are never meant by this and what follows.
    Any,
    /// One live node that does not lead, drawn.
    Follower,
    /// All nodes.
    All,
    /// One or more nodes; how many and which is drawn.
    Some,
    /// So many nodes, drawn.
    Count(u32),
    /// A minority drawn from all nodes.
    Minority,
    /// A majority drawn from all nodes.
    Majority,
    /// Every node that the other selectors of the same fault do not name, and those that join while it lasts.
    Rest,
    /// This one: `n3`.
    Node(String),
}

impl Event {
    /// How long it goes on from when it strikes; `None` until the fault phase ends.
    pub fn length(&self) -> Option<Duration> {
        match self.fault {
            Fault::Restart(_) => Some(Duration::ZERO),
            Fault::CrashLoop { times, down, up, .. } => Some(down * times + up * (times - 1)),
            _ => self.lasts,
        }
    }
}

impl Fault {
    /// What `do` calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::PowerCut(_) => "power-cut",
            Fault::Kill(_) => "kill",
            Fault::Restart(_) => "restart",
            Fault::CrashLoop { .. } => "crash-loop",
            Fault::Pause(_) => "pause",
            Fault::Partition(_) => "partition",
            Fault::Cut { .. } => "cut",
            Fault::Bridge { .. } => "bridge",
            Fault::Ring { .. } => "ring",
            Fault::Isolate { .. } => "isolate",
            Fault::Clog { .. } => "clog",
            Fault::Swizzle { .. } => "swizzle",
            Fault::Messages { fate: MessageFault::Drop, .. } => "drop",
            Fault::Messages { fate: MessageFault::Delay(_), .. } => "delay",
            Fault::ClockJump { .. } => "clock-jump",
            Fault::ClockDrift { .. } => "clock-drift",
            Fault::ClockFreeze(_) => "clock-freeze",
            Fault::SlowDisk { .. } => "slow-disk",
            Fault::StallDisk(_) => "stall-disk",
            Fault::Wipe(_) => "wipe",
            Fault::Wish(wish) => wish.name(),
        }
    }
}
