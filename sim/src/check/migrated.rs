//! Every step of a migration that its client was told of happened, whole and once; every other one once or not at all.

use std::collections::BTreeMap;

use lockstep_node::api::Value;

use super::replicas::{dumps, operations, table, workload};
use super::{Check, violation};
use crate::history::{Operation, Outcome};
use crate::run::{Evidence, Finding, Violation};
use crate::scenario::model::WorkloadKind;
use crate::workload::migrate::Ended;

/// Compares what the migrating client was told with the steps that the replicas hold.
pub(super) struct Migrated;

/// What is known of a step that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Executed,
    Unknown,
}

impl Check for Migrated {
    fn property(&self) -> &'static str {
        "migrated"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let Some(steps) = steps(evidence) else { return Finding::NotApplicable };
        let judged = begun(evidence).and_then(|begun| Ok((replicas(evidence, steps, &begun)?, begun)));
        match judged {
            Ok((replicas, begun)) => Finding::Holds(format!("{} steps on {replicas} replicas", begun.len())),
            Err(violation) => Finding::Violated(violation),
        }
    }
}

/// Reasons why a run says nothing of a step: it was never executed.
pub(super) fn missing(evidence: &Evidence) -> Vec<String> {
    let Ok(begun) = begun(evidence) else { return Vec::new() };
    let missing = (1..=steps(evidence).unwrap_or(0)).filter(|step| begun.get(step) != Some(&Known::Executed));
    let reason = |step| {
        format!("step {step} of the migration was never executed; shorten `pause`, or let the faults last longer")
    };
    missing.map(reason).collect()
}

/// How many steps the scenario's migration has.
fn steps(evidence: &Evidence) -> Option<i64> {
    workload(evidence, |kind| match kind {
        WorkloadKind::Migrate { steps, .. } => Some(steps.len() as i64),
        _ => None,
    })
}

/// What the client knows of each step that it began, by number from 1.
fn begun(evidence: &Evidence) -> Result<BTreeMap<i64, Known>, Violation> {
    let mut begun = BTreeMap::new();
    for operation in operations(evidence, |kind| matches!(kind, WorkloadKind::Migrate { .. })) {
        if let Some(known) = known(operation)? {
            begun.insert(operation.number as i64 + 1, known);
        }
    }
    Ok(begun)
}

fn known(operation: &Operation) -> Result<Option<Known>, Violation> {
    let step = operation.number + 1;
    let reply = match &operation.outcome {
        Outcome::Acknowledged { reply, .. } => reply,
        Outcome::Unknown { .. } => return Ok(Some(Known::Unknown)),
        Outcome::NotExecuted { .. } => return Ok(None),
    };
    match Ended::of(reply) {
        Ended::Executed => Ok(Some(Known::Executed)),
        Ended::Before if operation.attempts > 1 => Ok(Some(Known::Executed)),
        Ended::Before => {
            let summary = format!("step {step} of the migration was found executed when it was first sent");
            Err(violation(summary, None, reply.index))
        }
        Ended::Failed(place, error) => {
            let summary = format!("step {step} of the migration failed with its statement {place}: {error}");
            let details = operation.batch().statements.get(place).map(ToString::to_string).into_iter().collect();
            Err(Violation { details, ..violation(summary, None, reply.index) })
        }
    }
}

/// Returns how many replicas were looked at.
fn replicas(evidence: &Evidence, steps: i64, begun: &BTreeMap<i64, Known>) -> Result<usize, Violation> {
    let mut replicas = 0;
    for (machine, dump) in dumps(evidence) {
        let rows = table(dump, "migrations").map_or(&[][..], |table| &table.rows[..]);
        let finished: BTreeMap<i64, i64> = rows.iter().filter_map(|row| pair(&row.values)).collect();
        for step in 1..=steps {
            let wrong = match (begun.get(&step), finished.get(&step)) {
                (Some(_), Some(1)) | (Some(Known::Unknown) | None, None) => continue,
                (Some(Known::Executed), None) => "is lost".to_owned(),
                (None, Some(_)) => "was never asked for, and is there".to_owned(),
                (Some(_), Some(0)) => "is half done".to_owned(),
                (Some(_), Some(times)) => format!("happened {times} times"),
            };
            return Err(violation(format!("step {step} of the migration {wrong} on {machine}"), machine, None));
        }
        replicas += 1;
    }
    Ok(replicas)
}

fn pair(values: &[Value]) -> Option<(i64, i64)> {
    match *values {
        [Value::Integer(step), Value::Integer(finished)] => Some((step, finished)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockstep_node::api::{Rows, SqlError};

    use super::*;
    use crate::check::testing::{acknowledged, hold, summary, unknown, workload_evidence};
    use crate::workload::migrate;

    const TAKEN: i32 = rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY;

    fn statements() -> Vec<String> {
        vec!["ALTER TABLE t ADD COLUMN a".into(), "CREATE INDEX i ON t(a)".into()]
    }

    /// A step that was answered with the error of one of its statements, or with success.
    fn step(number: u64, attempts: u32, failed: Option<(usize, i32)>) -> Operation {
        let mut operation = acknowledged(migrate::step(number, &statements()), Rows::default(), (1, 2 + number));
        (operation.number, operation.attempts) = (number, attempts);
        if let (Outcome::Acknowledged { reply, .. }, Some((place, code))) = (&mut operation.outcome, failed) {
            reply.results = vec![Ok(Rows::default()); place];
            reply.results.push(Err(SqlError { code, message: "no".into() }));
        }
        operation
    }

    /// What is said of these operations, where every replica holds this of two steps.
    fn judged(operations: Vec<Operation>, rows: [i64; 2]) -> Option<String> {
        summary(Migrated, &evidence_of(operations, rows))
    }

    fn evidence_of(operations: Vec<Operation>, rows: [i64; 2]) -> Evidence {
        let steps = vec![statements(); 2];
        let kind = WorkloadKind::Migrate { steps, pause: (Duration::ZERO, Duration::ZERO) };
        let mut evidence = workload_evidence(kind, operations);
        hold(&mut evidence, "migrations", &["step", "finished"], &[rows; 3]);
        evidence
    }

    #[test]
    fn a_step_that_happened_once_holds_however_often_it_was_sent() {
        assert_eq!(judged(vec![step(0, 1, None)], [1, 1]), None);
        assert_eq!(judged(vec![step(0, 3, Some((0, TAKEN)))], [1, 1]), None);
        let open = Operation { number: 1, ..unknown(migrate::step(1, &statements()), 5) };
        assert_eq!(judged(vec![step(0, 1, None), open], [1, 1]), None);
    }

    #[test]
    fn a_step_that_is_lost_half_done_or_doubled_is_seen() {
        let told = |rows| judged(vec![step(0, 1, None)], rows);
        assert_eq!(told([9, 1]).as_deref(), Some("step 1 of the migration is lost on n1"));
        assert_eq!(told([1, 0]).as_deref(), Some("step 1 of the migration is half done on n1"));
        assert_eq!(told([1, 2]).as_deref(), Some("step 1 of the migration happened 2 times on n1"));
        let made_up = judged(Vec::new(), [2, 1]);
        assert_eq!(made_up.as_deref(), Some("step 2 of the migration was never asked for, and is there on n1"));
    }

    #[test]
    fn a_step_that_was_there_before_it_was_sent_is_seen() {
        let told = judged(vec![step(0, 1, Some((0, TAKEN)))], [1, 1]);
        assert_eq!(told.as_deref(), Some("step 1 of the migration was found executed when it was first sent"));
    }

    #[test]
    fn a_step_that_fails_is_seen_with_its_statement() {
        let told = judged(vec![step(0, 1, Some((2, 1)))], [9, 1]).unwrap();
        assert_eq!(told, "step 1 of the migration failed with its statement 2: no");
    }

    #[test]
    fn a_step_that_was_never_executed_says_nothing() {
        assert_eq!(missing(&evidence_of(vec![step(0, 1, None), step(1, 1, None)], [1, 1])), [""; 0]);
        let missing = missing(&evidence_of(vec![step(0, 1, None)], [1, 1]));
        assert!(missing[0].starts_with("step 2 of the migration was never executed"), "{missing:?}");
    }
}
