//! What clients asked and what they saw.

use std::time::Duration;

use lockstep_node::api::{Reply, Request};

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
    /// What was asked.
    pub request: Request,
    /// When it was first sent.
    pub called: Duration,
    /// How often it was sent.
    pub attempts: u32,
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
