//! What was acknowledged is in the log where its client was told, and nothing is executed more often than it was asked for.
//!
//! A write may be in the log as often as it was sent, but its session has it executed once. Where there are no sessions a
//! client sends an operation again while its outcome is unknown only if a second execution changes nothing. So it was
//! executed as often as it was sent, or once, or not at all ([`Operation::executions_max`]). Operations may be equal: what
//! the log executes more often than all those together allow was executed against somebody's word.

use std::collections::BTreeMap;

use lockstep_node::api::Batch;
use lockstep_node::state_machine::Command;
use xxhash_rust::xxh3::xxh3_128;

use super::skipped::{Skipped, skipped};
use super::{Check, violation};
use crate::history::{Operation, Outcome};
use crate::run::{Evidence, Finding, Violation};

/// Compares what clients asked and were told with what stands in the log.
pub(super) struct ExactlyOnce;

impl Check for ExactlyOnce {
    fn property(&self) -> &'static str {
        "exactly-once"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        if !evidence.log.values().any(Option::is_some) {
            return Finding::NotApplicable;
        }
        let skipped = skipped(evidence);
        match where_told(evidence, &skipped).and_then(|()| not_too_often(evidence, &skipped)) {
            Ok(()) => Finding::Holds(summary(evidence, &skipped)),
            Err(violation) => Finding::Violated(violation),
        }
    }
}

/// `300 operations, 5 retries`, and how many came too late for their sessions, if any did.
fn summary(evidence: &Evidence, skipped: &BTreeMap<u64, Skipped>) -> String {
    let count = |of| skipped.values().filter(|why| **why == of).count();
    let (operations, retries) = (evidence.history.operations.len(), count(Skipped::Retry));
    let expired = match count(Skipped::Expired) {
        0 => String::new(),
        expired => format!(", {expired} of expired sessions"),
    };
    format!("{operations} operations, {retries} retries{expired}")
}

/// The entry at the index that a client was told is what it asked.
fn where_told(evidence: &Evidence, skipped: &BTreeMap<u64, Skipped>) -> Result<(), Violation> {
    for operation in evidence.history.operations.iter().filter(|operation| operation.is_logged()) {
        let Some((reply, _)) = operation.reply() else { continue };
        let problem = match evidence.log.get(&reply.index) {
            Some(Some(_)) if skipped.get(&reply.index) == Some(&Skipped::Retry) => {
                "comes again in its session and was not executed"
            }
            Some(Some(_)) if skipped.get(&reply.index) == Some(&Skipped::Expired) => {
                "is of an expired session and must not be executed"
            }
            Some(Some(command)) if is_of(command, operation) => continue,
            Some(Some(_)) => "is another request",
            Some(None) => "is no client's",
            None => "is on no disk",
        };
        let summary = format!("{operation} was acknowledged as entry {}, which {problem}", reply.index);
        let mut violation = violation(summary, None, reply.index);
        if let Some(Some(command)) = evidence.log.get(&reply.index) {
            violation.details =
                std::iter::once("the log holds there".to_owned()).chain(texts(&command.batch)).collect();
        }
        return Err(violation);
    }
    Ok(())
}

fn is_of(command: &Command, operation: &Operation) -> bool {
    // A value that is no number is not equal to itself, but its bytes are.
    let same_bytes = || {
        let [one, other] = [&command.batch, operation.batch()].map(|batch| name(batch, false, &mut Vec::new()));
        one == other
    };
    command.read_only == operation.reads() && (command.batch == *operation.batch() || same_bytes())
}

/// Equal operations, and where they are in the log.
struct Asked<'e> {
    /// How often they may have been executed, by what their clients were told.
    executions_max: u64,
    /// One of them, rather one that was not executed.
    operation: &'e Operation,
    indexes: Vec<u64>,
}

fn not_too_often(evidence: &Evidence, skipped: &BTreeMap<u64, Skipped>) -> Result<(), Violation> {
    let mut bytes = Vec::new();
    let mut asked: BTreeMap<u128, Asked<'_>> = BTreeMap::new();
    for operation in evidence.history.operations.iter().filter(|operation| operation.is_logged()) {
        let new = Asked { executions_max: 0, operation, indexes: Vec::new() };
        let equal = asked.entry(name(operation.batch(), operation.reads(), &mut bytes)).or_insert(new);
        equal.executions_max = equal.executions_max.saturating_add(operation.executions_max());
        if matches!(operation.outcome, Outcome::NotExecuted { .. }) {
            equal.operation = operation;
        }
    }
    for (index, command) in evidence.log.iter().filter(|(index, _)| !skipped.contains_key(index)) {
        let Some(command) = command else { continue };
        if let Some(asked) = asked.get_mut(&name(&command.batch, command.read_only, &mut bytes)) {
            asked.indexes.push(*index);
        }
    }
    match asked.values().find_map(executed_too_often) {
        Some(violation) => Err(violation),
        None => Ok(()),
    }
}

/// A short name for statements and how they were sent: floating point numbers have no order to sort by.
fn name(batch: &Batch, reads: bool, bytes: &mut Vec<u8>) -> u128 {
    bytes.clear();
    *bytes = postcard::to_extend(&(batch, reads), std::mem::take(bytes)).expect("postcard can write all of a batch");
    xxh3_128(bytes)
}

fn executed_too_often(asked: &Asked<'_>) -> Option<Violation> {
    let Asked { executions_max: most, operation, indexes } = asked;
    let index = *indexes.get(usize::try_from(*most).ok()?)?;
    let summary = match &operation.outcome {
        Outcome::NotExecuted { reason, .. } if *most == 0 => {
            format!("{operation} was answered that it was not executed ({reason}), but it is entry {index}")
        }
        _ => {
            let times = indexes.len();
            format!(
                "{operation} was executed again as entry {index}: what was sent like it may be executed {most} times at \
                 most, and was {times} times"
            )
        }
    };
    Some(Violation { details: texts(operation.batch()).collect(), ..violation(summary, None, index) })
}

fn texts(batch: &Batch) -> impl Iterator<Item = String> {
    batch.statements.iter().map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lockstep_node::api::SessionSequence;
    use lockstep_node::client::Resend;

    use super::*;
    use crate::check::testing::{acknowledged_transfer, evidence, logged, read_total, refused_transfer, summary};

    /// Evidence of these operations, whose log holds these of them from index 4 on.
    fn evidence_of(operations: &[Operation], log: &[usize]) -> Evidence {
        let mut evidence = evidence();
        evidence.log = (4..).zip(log.iter().map(|place| Some(logged(&operations[*place])))).collect();
        evidence.history.operations = operations.to_vec();
        evidence
    }

    #[test]
    fn operations_that_are_there_as_often_as_they_were_asked_hold() {
        let operations = [acknowledged_transfer(7, 4), acknowledged_transfer(7, 5), refused_transfer(8)];
        assert_eq!(summary(ExactlyOnce, &evidence_of(&operations, &[0, 1])), None);
    }

    #[test]
    fn an_operation_that_was_refused_and_executed_is_seen() {
        let evidence = evidence_of(&[acknowledged_transfer(7, 4), refused_transfer(8)], &[0, 1]);
        let told = "client 1, operation 8 was answered that it was not executed (busy), but it is entry 5";
        assert_eq!(summary(ExactlyOnce, &evidence).as_deref(), Some(told));
    }

    #[test]
    fn an_operation_that_was_executed_twice_is_seen() {
        let told = summary(ExactlyOnce, &evidence_of(&[acknowledged_transfer(7, 4)], &[0, 0])).unwrap();
        assert!(told.starts_with("client 1, operation 7 was executed again as entry 5"), "{told}");
    }

    #[test]
    fn a_write_that_comes_again_in_its_session_is_executed_once() {
        let mut evidence = evidence_of(&[acknowledged_transfer(7, 4)], &[0, 0]);
        let told = "client 1, operation 7 was executed again as entry 5: what was sent like it may be executed 1 times at \
                    most, and was 2 times";
        assert_eq!(summary(ExactlyOnce, &evidence).as_deref(), Some(told));
        for command in evidence.log.values_mut().flatten() {
            command.session = Some(SessionSequence { session: 2, sequence: 1, done_below: 1 });
        }
        assert_eq!(summary(ExactlyOnce, &evidence), None);
        evidence.history.operations = vec![acknowledged_transfer(7, 5)];
        let told =
            "client 1, operation 7 was acknowledged as entry 5, which comes again in its session and was not executed";
        assert_eq!(summary(ExactlyOnce, &evidence).as_deref(), Some(told));
    }

    #[test]
    fn a_write_of_an_expired_session_that_was_executed_is_seen() {
        let mut evidence = evidence_of(&[acknowledged_transfer(7, 4)], &[0]);
        let session = SessionSequence { session: 2, sequence: 1, done_below: 1 };
        evidence.log.values_mut().flatten().for_each(|command| command.session = Some(session));
        Arc::get_mut(&mut evidence.scenario).unwrap().cluster.session_lifetime = 2;
        assert_eq!(summary(ExactlyOnce, &evidence), None);
        Arc::get_mut(&mut evidence.scenario).unwrap().cluster.session_lifetime = 1;
        let told = "client 1, operation 7 was acknowledged as entry 4, which is of an expired session and must not be \
                    executed";
        assert_eq!(summary(ExactlyOnce, &evidence).as_deref(), Some(told));
    }

    #[test]
    fn what_may_be_sent_again_is_executed_as_often_as_it_was_sent_at_most() {
        let mut sent = Operation { attempts: 2, resend: Resend::Idempotent, ..read_total(300) };
        if let Outcome::Acknowledged { reply, .. } = &mut sent.outcome {
            reply.index = 4;
        }
        assert_eq!(summary(ExactlyOnce, &evidence_of(std::slice::from_ref(&sent), &[0, 0])), None);
        assert!(summary(ExactlyOnce, &evidence_of(&[sent], &[0, 0, 0])).is_some());
    }

    #[test]
    fn an_entry_that_is_not_what_its_client_asked_is_seen() {
        let mut evidence = evidence_of(&[acknowledged_transfer(7, 4), acknowledged_transfer(8, 5)], &[1, 0]);
        let told = "client 1, operation 7 was acknowledged as entry 4, which is another request";
        assert_eq!(summary(ExactlyOnce, &evidence).as_deref(), Some(told));
        evidence.log.insert(4, None);
        assert!(summary(ExactlyOnce, &evidence).unwrap().ends_with("which is no client's"));
        evidence.log.remove(&4);
        assert!(summary(ExactlyOnce, &evidence).unwrap().ends_with("which is on no disk"));
    }
}
