//! What a run leaves behind: the evidence that verdicts are made of, and the verdicts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lockstep_node::api::Value;
use lockstep_node::sqlite::dump::Dump;
use lockstep_node::state_machine::Command;

use crate::history::History;
use crate::members::Members;
use crate::record::{Machine, Recorded};
use crate::scenario::model::Scenario;
use crate::systems::{DurableLog, Reopened};

/// The evidence of a run, complete once the world has stopped.
#[derive(Debug)]
pub struct Evidence {
    /// The scenario that was run, on whatever system.
    pub scenario: Arc<Scenario>,
    /// The system under test.
    pub system: String,
    /// The seed.
    pub seed: u64,
    /// Everything that happened, in order.
    pub records: Vec<Recorded>,
    /// What clients asked and saw.
    pub history: History,
    /// What each replica holds at the end: those of the members, where nodes say who is one.
    pub replicas: BTreeMap<Machine, Replica>,
    /// The entries that were executed, by index, as the first node executed them that said so, or as they stand in the
    /// durable logs; `None` for one that is no client's. An index is missing if neither tells what was executed there. Empty if the system has no log, or reports no events.
    pub log: BTreeMap<u64, Option<Command>>,
    /// How many events, messages and disk operations there were.
    pub counts: Counts,
    /// When the world stopped.
    pub ended: Duration,
    /// The nodes that were healed first, and what came of them; `None` if all were healed at once, or the run ended before.
    pub core: Option<Core>,
    /// How long after the heal all replicas had applied the same index and every client had finished; `None` if they
    /// did not within the bound.
    pub settled_after: Option<Duration>,
    /// Which limit ended the run early, in words, if one did.
    pub gave_up: Option<String>,
    /// Which of the scenario's events struck, by their place in its list.
    pub struck: Vec<bool>,
    /// How often each of the scenario's events changed something: a message that it stopped or held up, an input that had to
    /// wait, a turn that a node took by a wrong clock, a disk call. Not counted for what ends processes.
    pub bites: Vec<u64>,
    /// How often each mark was reached.
    pub marks: BTreeMap<String, u64>,
    /// Who takes part at the end, as far as nodes say.
    pub members: Members,
}

/// The nodes that were healed first, while the others stayed broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// Which.
    pub machines: Vec<Machine>,
    /// How long after that one of them led, all of them had executed its log, and every client had finished, one among them
    /// that began only then; `None` if that did not come to pass within the bound.
    pub settled_after: Option<Duration>,
}

/// What one replica holds at the end.
#[derive(Debug)]
pub struct Replica {
    /// The user's tables, or why they cannot be read.
    pub dump: Result<Dump, String>,
    /// What `PRAGMA integrity_check` says: `ok`, or the damage.
    pub integrity: String,
    /// The value of each of the scenario's invariants, in its order, or the error.
    pub invariants: Vec<Result<Value, String>>,
    /// The rows of each of the scenario's final tables or queries, in its order, or the error.
    pub finals: Vec<Result<Rows, String>>,
    /// The entries of its log that would survive a loss of power now, or why it could not boot then; `None` for a system
    /// without a log.
    pub durable_log: Option<Result<DurableLog, String>>,
    /// What its database holds once its machine has lost power, after all else was read, or why it cannot be opened then.
    /// Asked of one machine, drawn. Where there is no database then, nothing was executed. `None` for a system whose
    /// databases do not know.
    pub reopened: Option<Result<Reopened, String>>,
    /// The applied index, for a system that has one.
    pub applied: Option<u64>,
    /// Whether its process is up at the end.
    pub up: bool,
}

/// The rows of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
}

/// How much happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Events of the world that were delivered.
    pub events: u64,
    /// Peer messages that were sent.
    pub messages: u64,
    /// Peer messages that did not arrive: lost by chance or by a fault, or for lack of room before a link.
    pub messages_dropped: u64,
    /// Those of them that were lost by chance.
    pub messages_lost: u64,
    /// Peer messages that crossed a link whose bandwidth has a bound.
    pub messages_throttled: u64,
    /// Peer messages that arrived twice.
    pub messages_duplicated: u64,
    /// Peer messages that later ones overtook.
    pub messages_reordered: u64,
    /// Disk calls, SQLite's included.
    pub disk_calls: u64,
    /// Disk syncs that completed.
    pub syncs: u64,
    /// Operations of clients that were acknowledged.
    pub acknowledged: u64,
    /// Operations that were not executed.
    pub not_executed: u64,
    /// Operations of unknown outcome.
    pub unknown: u64,
    /// Statements that failed with an SQL error as their result.
    pub sql_errors: u64,
    /// Leaders that were elected.
    pub elections: u64,
    /// Requests that came to a process, those that nodes passed on among them.
    pub requests: u64,
    /// The longest time in microseconds in which one of them was answered, as [`What::Late`](crate::record::What::Late)
    /// counts it.
    pub answer_longest_us: u64,
    /// Machines whose wall clocks do not show the true time when the faults begin.
    pub clocks_wrong: u64,
}

/// What one check says of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The property: `tables-equal`.
    pub property: &'static str,
    /// What came of it.
    pub result: Finding,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// It holds; what was looked at, in a few words: `1,204 entries on 3 replicas`.
    Holds(String),
    /// It does not hold.
    Violated(Violation),
    /// It says nothing: the system does not report what the check needs, or another violation ended the run first.
    NotApplicable,
}

/// How a property was violated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Violation {
    /// One line: what is wrong, at which index, on which node.
    pub summary: String,
    /// Lines that show it: rows side by side, the entry with its SQL, operations that contradict.
    pub details: Vec<String>,
    /// When it was seen.
    pub at: Option<Duration>,
    /// The index it is about.
    pub index: Option<u64>,
    /// The machine it is about.
    pub machine: Option<Machine>,
}

/// A finished run.
#[derive(Debug)]
pub struct Run {
    /// The evidence.
    pub evidence: Evidence,
    /// One verdict a check, in a fixed order; the first violated one is the run's failure.
    pub verdicts: Vec<Verdict>,
    /// Reasons why a run that violates nothing says nothing: faults that never bit, no commits, marks never reached.
    pub vacuous: Vec<String>,
    /// The digest over every choice, message, disk operation and event. Equal for equal runs.
    pub digest: u128,
}
