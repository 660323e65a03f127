//! What clients asked and what they saw.

use std::fmt;
use std::time::Duration;

use lockstep_node::api::{Batch, Command, ReadLevel, Reply};
use lockstep_node::client::Resend;

/// All operations of a run, in the order in which they were called.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The operations.
    pub operations: Vec<Operation>,
}

impl History {
    /// The number after those of a workload's operations.
    pub fn next_number(&self, workload: u32) -> u64 {
        let numbers = self.operations.iter().filter(|operation| operation.workload == workload);
        numbers.map(|operation| operation.number + 1).max().unwrap_or(0)
    }
}

/// One operation of one client. It may have been sent several times.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The client, from 1.
    pub client: u32,
    /// The workload it belongs to, as listed in the scenario, from 0.
    pub workload: u32,
    /// The operation's number within its workload, from 0: with the workload it names the operation.
    pub number: u64,
    /// What was asked: statements.
    pub command: Command,
    /// When it was first sent.
    pub called: Duration,
    /// How often it was sent; 0 as long as its client goes on trying.
    pub attempts: u32,
    /// Whether it might be sent again, where nodes keep no sessions, while its outcome was unknown.
    pub resend: Resend,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was executed and acknowledged.
    Acknowledged {
        /// What the client saw.
        reply: Reply,
        /// When.
        returned: Duration,
    },
    /// It was not executed, and never will be.
    NotExecuted {
        /// What the client was told last.
        reason: String,
        /// When.
        returned: Duration,
    },
    /// It may have been executed, or may still be.
    Unknown {
        /// What the client knows.
        reason: String,
    },
}

impl Operation {
    /// Its statements.
    pub fn batch(&self) -> &Batch {
        match &self.command {
            Command::Execute(batch) | Command::Query(batch, _) => batch,
            other => unreachable!("{other:?} is no operation of a workload"),
        }
    }

    /// Whether it was sent as a query.
    pub fn reads(&self) -> bool {
        matches!(self.command, Command::Query(..))
    }

    /// Whether it goes through the log. A read that does not is answered at the index that was applied where it was read.
    pub fn is_logged(&self) -> bool {
        matches!(self.command, Command::Execute(_) | Command::Query(_, ReadLevel::Strong))
    }

    /// Whether its answer may be older than what was acknowledged before it was asked.
    pub fn may_be_stale(&self) -> bool {
        matches!(self.command, Command::Query(_, ReadLevel::None | ReadLevel::Weak))
    }

    /// The reply that its client saw and when, if it was acknowledged.
    pub fn reply(&self) -> Option<(&Reply, Duration)> {
        match &self.outcome {
            Outcome::Acknowledged { reply, returned } => Some((reply, *returned)),
            Outcome::NotExecuted { .. } | Outcome::Unknown { .. } => None,
        }
    }

    /// How often it may have been executed, by what its client was told.
    pub fn executions_max(&self) -> u64 {
        match (&self.outcome, self.resend) {
            (Outcome::NotExecuted { .. }, _) => 0,
            (_, Resend::Never) => 1,
            (_, Resend::Idempotent) if self.attempts == 0 => u64::MAX,
            (_, Resend::Idempotent) => u64::from(self.attempts),
        }
    }
}

impl fmt::Display for Operation {
    /// Names it: `client 3, operation 17`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}, operation {}", self.client, self.number)
    }
}
