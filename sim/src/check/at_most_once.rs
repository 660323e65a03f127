//! A write of the user's own SQL is in the log at most once, and not at all if its client was told that it was not executed.
//!
//! Such a write is not made to be executed twice, so a client sends it again only after a node has said that it was not
//! and will not be executed. Two writes may be equal; what the log holds more often than they were asked was executed
//! against somebody's word.

use std::collections::BTreeMap;

use lockstep_node::api::{Batch, Command};

use super::{Check, violation};
use crate::history::{Operation, Outcome};
use crate::run::{Evidence, Finding, Violation};
use crate::scenario::model::WorkloadKind;

/// Compares what clients asked with what stands in the log.
pub(super) struct AtMostOnce;

/// Equal writes, and where they are in the log.
struct Asked<'e> {
    /// How many of them were or may have been executed, by what their clients were told.
    may_be_executed: usize,
    /// One of them, rather one that was not executed.
    operation: &'e Operation,
    indexes: Vec<u64>,
}

impl Check for AtMostOnce {
    fn property(&self) -> &'static str {
        "at-most-once"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        if evidence.requests.is_empty() {
            return Finding::NotApplicable;
        }
        let mut writes = asked(evidence);
        for (index, batch) in &evidence.requests {
            if let Some(asked) = writes.get_mut(&key(batch)) {
                asked.indexes.push(*index);
            }
        }
        match writes.values().find_map(executed_too_often) {
            Some(violation) => Finding::Violated(violation),
            None => Finding::Holds(format!("{} writes", sql_writes(evidence).count())),
        }
    }
}

/// The writes of SQL workloads.
fn sql_writes(evidence: &Evidence) -> impl Iterator<Item = (&Operation, &Batch)> {
    evidence.history.operations.iter().filter_map(|operation| {
        let workload = evidence.scenario.workloads.get(operation.workload as usize)?;
        match (&workload.kind, &operation.request.command) {
            (WorkloadKind::Sql { .. }, Command::Execute(batch)) => Some((operation, batch)),
            _ => None,
        }
    })
}

/// The writes by their contents.
fn asked(evidence: &Evidence) -> BTreeMap<Vec<u8>, Asked<'_>> {
    let mut writes = BTreeMap::new();
    for (operation, batch) in sql_writes(evidence) {
        let refused = matches!(operation.outcome, Outcome::NotExecuted { .. });
        let new = Asked { may_be_executed: 0, operation, indexes: Vec::new() };
        let asked = writes.entry(key(batch)).or_insert(new);
        asked.may_be_executed += usize::from(!refused);
        if refused {
            asked.operation = operation;
        }
    }
    writes
}

/// The bytes of a batch: floating point numbers have no order to sort by.
fn key(batch: &Batch) -> Vec<u8> {
    postcard::to_stdvec(batch).expect("a batch holds nothing that postcard cannot write")
}

fn executed_too_often(asked: &Asked<'_>) -> Option<Violation> {
    let (may, index) = (asked.may_be_executed, *asked.indexes.get(asked.may_be_executed)?);
    let Operation { client, number, request, outcome, .. } = asked.operation;
    let summary = match outcome {
        Outcome::NotExecuted { reason, .. } if may == 0 => {
            format!(
                "client {client} was told that its operation {number} was not executed ({reason}), but it is entry {index}"
            )
        }
        _ => {
            let times = asked.indexes.len();
            format!(
                "operation {number} of client {client} was executed again as entry {index}: writes like it were asked \
                 {may} times and are in the log {times} times"
            )
        }
    };
    let Command::Execute(batch) = &request.command else { unreachable!("only writes were gathered") };
    let details = batch.statements.iter().map(|statement| statement.sql.clone()).collect();
    Some(Violation { details, ..violation(summary, None, index) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::check::testing::{acknowledged_transfer, evidence, refused_transfer, summary};

    /// Evidence of one SQL workload with these operations, whose log holds these of them from index 4 on.
    fn logged(operations: &[Operation], log: &[usize]) -> Evidence {
        let mut evidence = evidence();
        let scenario = Arc::get_mut(&mut evidence.scenario).expect("the only holder");
        scenario.workloads[0].kind = WorkloadKind::Sql { mix: Vec::new(), values: BTreeMap::new() };
        let batch = |place: &usize| match &operations[*place].request.command {
            Command::Execute(batch) | Command::Query(batch, _) => batch.clone(),
        };
        evidence.requests = (4..).zip(log.iter().map(batch)).collect();
        evidence.history.operations = operations.to_vec();
        evidence
    }

    #[test]
    fn writes_that_are_there_as_often_as_they_were_asked_hold() {
        let operations = [acknowledged_transfer(7, 4), acknowledged_transfer(7, 6), refused_transfer(8)];
        assert_eq!(summary(AtMostOnce, &logged(&operations, &[0, 1])), None);
    }

    #[test]
    fn a_write_that_was_refused_and_executed_is_seen() {
        let told = "client 1 was told that its operation 8 was not executed (busy), but it is entry 5";
        let evidence = logged(&[acknowledged_transfer(7, 4), refused_transfer(8)], &[0, 1]);
        assert_eq!(summary(AtMostOnce, &evidence).as_deref(), Some(told));
    }

    #[test]
    fn a_write_that_was_executed_twice_is_seen() {
        let told = summary(AtMostOnce, &logged(&[acknowledged_transfer(7, 4)], &[0, 0])).unwrap();
        assert!(told.starts_with("operation 7 of client 1 was executed again as entry 5"), "{told}");
    }
}
