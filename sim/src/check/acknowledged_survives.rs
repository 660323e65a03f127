//! Every acknowledged operation took effect where the client was told, and what was refused did not.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::api::{Command, Parameters, Statement, Value};

use super::differences::{Truth, compare, render};
use super::replicas::{bank, bank_operations, column, dumps, table};
use super::{Check, Executions, violation};
use crate::history::{Operation, Outcome};
use crate::record::Machine;
use crate::run::{Evidence, Finding, Violation};

/// Compares the clients' history with what was executed and with what the replicas hold.
pub(super) struct AcknowledgedSurvives;

impl Check for AcknowledgedSurvives {
    fn property(&self) -> &'static str {
        "acknowledged-survives"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let executions = Executions::of(&evidence.records);
        let indexed = executions.count() > 0;
        if !indexed && bank(evidence).is_none() {
            return Finding::NotApplicable;
        }
        let executed = if indexed { executed_where_told(evidence, &executions) } else { Ok(()) };
        match executed.and_then(|()| transfers_survive(evidence)) {
            Ok(()) => Finding::Holds(format!("{} operations", acknowledged(evidence).count())),
            Err(violation) => Finding::Violated(violation),
        }
    }
}

fn acknowledged(evidence: &Evidence) -> impl Iterator<Item = (&Operation, u64, u64)> {
    evidence.history.operations.iter().filter_map(|operation| match &operation.outcome {
        Outcome::Acknowledged { reply, .. } if operation.is_logged() => Some((operation, reply.index, reply.term)),
        _ => None,
    })
}

fn executed_where_told(evidence: &Evidence, executions: &Executions) -> Result<(), Violation> {
    let mut claims = BTreeMap::new();
    for (operation, index, term) in acknowledged(evidence) {
        let client = operation.client;
        let told =
            format!("client {client} was told that its operation {} is entry {index} of term {term}", operation.number);
        match executions.at(index) {
            // A node that is killed after it executed an entry, and before it says so, never says it again.
            None if evidence.log.contains_key(&index) => {}
            None => return Err(violation(format!("{told}, which no replica executed"), None, index)),
            Some(execution) if execution.term.0 != term => {
                let summary = format!("{told}, but {} executed that of term {}", execution.machine, execution.term);
                return Err(violation(summary, execution.machine, index));
            }
            Some(_) => {}
        }
        if let Some(other) = claims.insert(index, client) {
            return Err(violation(format!("{told}, and so was client {other} of another operation"), None, index));
        }
    }
    Ok(())
}

fn transfers_survive(evidence: &Evidence) -> Result<(), Violation> {
    if bank(evidence).is_none() {
        return Ok(());
    }
    let held: Vec<(Machine, BTreeSet<i64>)> = dumps(evidence)
        .map(|(machine, dump)| (machine, table(dump, "transfers").map(ids).unwrap_or_default()))
        .collect();
    for operation in bank_operations(evidence) {
        let Some(id) = transfer_id(&operation.command) else { continue };
        let (client, number) = (operation.client, operation.number);
        match &operation.outcome {
            Outcome::Acknowledged { reply, .. } if reply.results.iter().all(Result::is_ok) => {
                if let Some((machine, _)) = held.iter().find(|(_, ids)| !ids.contains(&id)) {
                    let index = reply.index;
                    let what = format!("transfer {id} of client {client}, acknowledged at index {index}");
                    let summary = format!("{what}, is missing on {machine}");
                    return Err(Violation { details: row(evidence, id), ..violation(summary, *machine, index) });
                }
            }
            Outcome::NotExecuted { reason, .. } => {
                if let Some((machine, _)) = held.iter().find(|(_, ids)| ids.contains(&id)) {
                    let told = format!("client {client} was told that operation {number} was not executed ({reason})");
                    let summary = format!("{told}, but {machine} holds its transfer {id}");
                    return Err(Violation { details: row(evidence, id), ..violation(summary, *machine, None) });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A transfer's row on all replicas, side by side.
fn row(evidence: &Evidence, id: i64) -> Vec<String> {
    let dumps: Vec<_> = dumps(evidence).collect();
    let mut lines = compare(&dumps, Truth::Most);
    lines.retain(|line| line.table == "transfers" && line.key == id.to_string());
    render(&lines, &dumps)
}

/// The ids of the transfers in the table.
fn ids(transfers: &lockstep_node::sqlite::dump::Table) -> BTreeSet<i64> {
    let place = column(transfers, "operation").unwrap_or(0);
    let id = |value: &Value| if let Value::Integer(id) = value { Some(*id) } else { None };
    transfers.rows.iter().filter_map(|row| row.values.get(place).and_then(id)).collect()
}

/// The id of the transfer that a request makes.
fn transfer_id(command: &Command) -> Option<i64> {
    let Command::Execute(batch) = command else { return None };
    let transfer =
        batch.statements.iter().find(|statement: &&Statement| statement.sql.starts_with("INSERT INTO transfers"))?;
    let id = match &transfer.parameters {
        Parameters::Positional(values) => values.first()?,
        Parameters::Named(values) => &values.iter().find(|(name, _)| name == "operation")?.1,
    };
    if let Value::Integer(id) = id { Some(*id) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{acknowledged_transfer, apply, bank_evidence, refused_transfer, summary};

    #[test]
    fn transfers_that_are_where_they_should_be_hold() {
        let mut evidence = bank_evidence(&[&[7, 8], &[7, 8]]);
        evidence.records.extend([apply(0, 4, 1, 10), apply(0, 5, 1, 11)]);
        evidence.history.operations =
            vec![acknowledged_transfer(7, 4), acknowledged_transfer(8, 5), refused_transfer(9)];
        assert_eq!(summary(AcknowledgedSurvives, &evidence), None);
    }

    #[test]
    fn a_lost_transfer_is_seen() {
        let mut evidence = bank_evidence(&[&[7, 8], &[7]]);
        evidence.history.operations = vec![acknowledged_transfer(7, 4), acknowledged_transfer(8, 5)];
        let text = "transfer 8 of client 1, acknowledged at index 5, is missing on n2";
        assert_eq!(summary(AcknowledgedSurvives, &evidence).as_deref(), Some(text));
    }

    #[test]
    fn a_refused_transfer_that_happened_is_seen() {
        let mut evidence = bank_evidence(&[&[9], &[9]]);
        evidence.history.operations = vec![refused_transfer(9)];
        assert!(summary(AcknowledgedSurvives, &evidence).unwrap().contains("but n1 holds its transfer 9"));
    }

    #[test]
    fn an_acknowledgement_of_another_entry_is_seen() {
        let mut evidence = bank_evidence(&[&[7], &[7]]);
        evidence.records.push(apply(0, 4, 2, 10));
        evidence.history.operations = vec![acknowledged_transfer(7, 4)];
        assert!(summary(AcknowledgedSurvives, &evidence).unwrap().ends_with("but n1 executed that of term 2"));
        evidence.history.operations = vec![acknowledged_transfer(7, 6)];
        assert!(summary(AcknowledgedSurvives, &evidence).unwrap().ends_with("which no replica executed"));
    }

    #[test]
    fn two_operations_told_one_index_are_seen() {
        let mut evidence = bank_evidence(&[&[7, 8]]);
        evidence.records.push(apply(0, 4, 1, 10));
        evidence.history.operations = vec![acknowledged_transfer(7, 4), acknowledged_transfer(8, 4)];
        assert!(
            summary(AcknowledgedSurvives, &evidence).unwrap().ends_with("and so was client 1 of another operation")
        );
    }
}
