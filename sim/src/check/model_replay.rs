//! One database that executes the log from its beginning gives every result that clients saw, and ends with the tables that
//! the replicas hold.
//!
//! The log is the witness of strict serializability: its order respects real time (`real-time`), it holds what was
//! acknowledged and nothing twice (`exactly-once`), and here each entry in it is found to have done what one database does
//! that executes them one after the other. Errors are compared by their codes, for their texts are not SQLite's alone. What
//! Lockstep says it refused is taken as refused.

use lockstep_node::api::{Rows, StatementResult, Value};
use lockstep_node::sqlite::dump::Dump;

use super::differences::{Holder, Truth, compare, render};
use super::model::{Model, told, told_beside};
use super::replicas::caught_up;
use super::{Check, violation};
use crate::history::Operation;
use crate::run::{Evidence, Finding, Violation};

/// Executes the log once more.
pub(super) struct ModelReplay;

/// So many rows of a result are shown on either side.
const ROWS_MAX: usize = 4;

impl Check for ModelReplay {
    fn property(&self) -> &'static str {
        "model-replay"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        // What follows entries that are gone cannot be executed.
        if !evidence.log.values().any(Option::is_some) || !evidence.log.contains_key(&1) {
            return Finding::NotApplicable;
        }
        match replay(evidence) {
            Ok(results) => Finding::Holds(format!("{} entries, {results} results", evidence.log.len())),
            Err(violation) => Finding::Violated(violation),
        }
    }
}

/// Returns how many results were compared.
fn replay(evidence: &Evidence) -> Result<usize, Violation> {
    let (told, beside) = (told(evidence), told_beside(evidence));
    let mut model = Model::new(&evidence.scenario.cluster);
    let mut compared = 0;
    for (expected, (index, command)) in (1..).zip(&evidence.log) {
        if *index != expected {
            let summary = format!("the entry at index {expected} was executed, and no disk holds it");
            return Err(violation(summary, None, expected));
        }
        if let Some(command) = command {
            let told = told.get(index);
            let results = model.execute(*index, command, told.map(|(_, results)| *results));
            if let Some((operation, told)) = told {
                compared += told.len();
                same_results(operation, *index, told, &results)?;
            }
        }
        for (operation, told) in beside.get(index).into_iter().flatten() {
            compared += told.len();
            same_results(operation, *index, told, &model.read(operation.batch()))?;
        }
    }
    let last = evidence.log.last_key_value().map_or(0, |(index, _)| *index);
    same_tables(evidence, last, &model.dump()).map(|()| compared)
}

fn same_results(
    operation: &Operation,
    index: u64,
    told: &[StatementResult],
    results: &[StatementResult],
) -> Result<(), Violation> {
    let differs = told.iter().zip(results).position(|(told, result)| !same(told, result));
    let place = match differs {
        Some(place) => place,
        None if told.len() == results.len() => return Ok(()),
        None => told.len().min(results.len()),
    };
    let (told, result) = (told.get(place), results.get(place));
    let summary = format!("{operation} was told {} at index {index}; the log gives {}", short(told), short(result));
    let mut violation = violation(summary, None, index);
    let statement = operation.batch().statements.get(place).map(ToString::to_string).unwrap_or_default();
    violation.details = [vec![statement], shown("told", told), shown("the log gives", result)].concat();
    Err(violation)
}

fn same(told: &StatementResult, result: &StatementResult) -> bool {
    match (told, result) {
        (Ok(told), Ok(result)) => told == result,
        (Err(told), Err(result)) => told.code == result.code,
        _ => false,
    }
}

/// A result in a few words.
fn short(result: Option<&StatementResult>) -> String {
    let count = |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    match result {
        None => "nothing".into(),
        Some(Err(error)) => format!("error {}", error.code),
        Some(Ok(Rows { columns, rows_affected, .. })) if columns.is_empty() => {
            format!("{} changed", count(*rows_affected, "row"))
        }
        Some(Ok(Rows { rows, .. })) => match rows.as_slice() {
            [row] if row.len() == 1 => row[0].to_string(),
            rows => count(rows.len() as u64, "row"),
        },
    }
}

/// A result in full, as far as it is short.
fn shown(whose: &str, result: Option<&StatementResult>) -> Vec<String> {
    let row = |row: &Vec<Value>| format!("  {}", row.iter().map(Value::to_string).collect::<Vec<_>>().join(", "));
    match result {
        None => vec![format!("{whose}: nothing")],
        Some(Err(error)) => vec![format!("{whose}: error {}, {error}", error.code)],
        Some(Ok(Rows { columns, rows, rows_affected })) => {
            let affected = if *rows_affected == 0 { String::new() } else { format!("  ({rows_affected} changed)") };
            let mut lines = vec![format!("{whose}: {}{affected}", columns.join(", "))];
            lines.extend(rows.iter().take(ROWS_MAX).map(row));
            if rows.len() > ROWS_MAX {
                lines.push(format!("  … and {} more", rows.len() - ROWS_MAX));
            }
            lines
        }
    }
}

/// Replicas that have executed the log to its end hold what the model holds.
fn same_tables(evidence: &Evidence, last: u64, model: &Dump) -> Result<(), Violation> {
    let at_end = caught_up(evidence).filter(|(_, replica)| replica.applied == Some(last));
    let readable = at_end.filter_map(|(machine, replica)| Some((machine, replica.dump.as_ref().ok()?)));
    let Some((machine, dump)) = readable.into_iter().find(|(_, dump)| *dump != model) else { return Ok(()) };
    let dumps = [(Holder::Log, model), (Holder::Replica(machine), dump)];
    let lines = compare(&dumps, Truth::First);
    let Some(first) = lines.first() else { return Ok(()) };
    let summary = format!(
        "{machine} does not hold what the log gives: {} value{} differ{}, the first in {} at key {}",
        lines.len(),
        if lines.len() == 1 { "" } else { "s" },
        if lines.len() == 1 { "s" } else { "" },
        first.table,
        first.key
    );
    Err(Violation { details: render(&lines, &dumps), ..violation(summary, machine, None) })
}

#[cfg(test)]
mod tests {
    use lockstep_node::api::{Batch, Command as Asked, ReadLevel, Statement};
    use lockstep_node::state_machine::Command;

    use std::collections::BTreeMap;

    use super::*;
    use crate::check::testing::{evidence, logged, read_total, set_balance, summary};
    use crate::history::Outcome;
    use crate::workload::bank_schema::bank_schema;

    /// Three accounts with 100 each as the log sets them up, on replicas that executed all of it, and a read of the total
    /// at index 3 that was told this result.
    fn evidence_of(told: StatementResult) -> Evidence {
        let mut evidence = evidence();
        let mut read = read_total(300);
        if let Outcome::Acknowledged { reply, .. } = &mut read.outcome {
            (reply.index, reply.results) = (3, vec![told]);
        }
        let statements = bank_schema(3, 100).into_iter().map(Statement::new).collect();
        let setup = Command { batch: Batch { statements, atomic: true }, read_only: false, ..logged(&read) };
        evidence.log = BTreeMap::from([(1, None), (2, Some(setup)), (3, Some(logged(&read)))]);
        evidence.history.operations = vec![read];
        let mut model = Model::new(&evidence.scenario.cluster);
        evidence.log.values().flatten().for_each(|command| drop(model.execute(1, command, None)));
        for replica in evidence.replicas.values_mut() {
            (replica.dump, replica.applied) = (Ok(model.dump()), Some(3));
        }
        evidence
    }

    fn total(value: i64) -> StatementResult {
        Ok(Rows { columns: vec!["total".into()], rows: vec![vec![Value::Integer(value)]], rows_affected: 0 })
    }

    #[test]
    fn results_and_tables_that_the_log_gives_hold() {
        assert_eq!(summary(ModelReplay, &evidence_of(total(300))), None);
    }

    #[test]
    fn a_result_that_the_log_does_not_give_is_seen() {
        let text = "client 1, operation 1 was told 299 at index 3; the log gives 300";
        assert_eq!(summary(ModelReplay, &evidence_of(total(299))).as_deref(), Some(text));
        let busy = Err(lockstep_node::api::SqlError { code: 5, message: "database is locked".into() });
        let text = "client 1, operation 1 was told error 5 at index 3; the log gives 300";
        assert_eq!(summary(ModelReplay, &evidence_of(busy)).as_deref(), Some(text));
    }

    #[test]
    fn a_count_of_changed_rows_and_a_missing_result_are_seen() {
        let mut evidence = evidence_of(total(300));
        let write = Statement::new("UPDATE accounts SET balance = balance");
        let told = Rows { rows_affected: 2, ..Rows::default() };
        let operation = &mut evidence.history.operations[0];
        operation.command = Asked::Execute(Batch { statements: vec![write], atomic: true });
        let Outcome::Acknowledged { reply, .. } = &mut operation.outcome else { unreachable!() };
        reply.results = vec![Ok(told)];
        evidence.log.insert(3, Some(logged(operation)));
        let text = "client 1, operation 1 was told 2 rows changed at index 3; the log gives 3 rows changed";
        assert_eq!(summary(ModelReplay, &evidence).as_deref(), Some(text));
        let Outcome::Acknowledged { reply, .. } = &mut evidence.history.operations[0].outcome else { unreachable!() };
        reply.results.clear();
        let text = "client 1, operation 1 was told nothing at index 3; the log gives 3 rows changed";
        assert_eq!(summary(ModelReplay, &evidence).as_deref(), Some(text));
    }

    #[test]
    fn a_read_of_another_moment_is_seen() {
        let mut evidence = evidence_of(total(300));
        let sql = Statement::new("SELECT count(*) FROM accounts");
        let command = Asked::Query(Batch { statements: vec![sql], atomic: true }, ReadLevel::Strong);
        evidence.history.operations[0].command = command;
        evidence.log.insert(3, Some(logged(&evidence.history.operations[0])));
        assert!(summary(ModelReplay, &evidence).unwrap().ends_with("was told 300 at index 3; the log gives 3"));
    }

    #[test]
    fn tables_that_the_log_does_not_give_are_seen_even_if_all_replicas_agree() {
        let mut evidence = evidence_of(total(300));
        (0..3).for_each(|machine| set_balance(&mut evidence, machine, 2, 70));
        let text = "n1 does not hold what the log gives: 1 value differs, the first in accounts at key 2";
        assert_eq!(summary(ModelReplay, &evidence).as_deref(), Some(text));
    }

    #[test]
    fn an_entry_that_was_executed_and_is_on_no_disk_is_seen() {
        let mut evidence = evidence_of(total(300));
        evidence.log.remove(&2);
        let text = "the entry at index 2 was executed, and no disk holds it";
        assert_eq!(summary(ModelReplay, &evidence).as_deref(), Some(text));
    }
}
