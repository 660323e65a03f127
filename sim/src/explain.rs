//! What first went wrong in a run, shown: the entry with its SQL, who executed it to what effect, the rows that differ,
//! and what happened just before.

use crate::check::{Execution, Executions, differences};
use crate::history::{Operation, Outcome};
use crate::record::{Recorded, What};
use crate::report::trace::line;
use crate::report::words::{cut, seconds};
use crate::run::{Evidence, Finding, Verdict, Violation};

/// Lines are cut at this width.
const WIDTH: usize = 110;

/// So many differing rows are shown, their header included.
const ROWS_MAX: usize = 10;

/// So many records before the violation are shown.
const RECORDS_MAX: usize = 6;

/// Explains the first violated verdict; nothing if all hold.
pub fn explain(evidence: &Evidence, verdicts: &[Verdict]) -> Vec<String> {
    let violated = verdicts.iter().find_map(|verdict| match &verdict.result {
        Finding::Violated(violation) => Some((verdict.property, violation)),
        Finding::Holds(_) | Finding::NotApplicable => None,
    });
    let Some((property, violation)) = violated else { return Vec::new() };
    let mut lines = vec![format!("{property}: {}", violation.summary)];
    if let Some(index) = violation.index {
        lines.extend(entry(evidence, index));
        lines.extend(executions(evidence, index));
    }
    let rows = if violation.details.is_empty() { differences(evidence) } else { violation.details.clone() };
    lines.extend(first(rows, ROWS_MAX).into_iter().map(|row| format!("  {row}")));
    lines.extend(before(evidence, violation));
    lines.into_iter().map(|line| cut(&line, WIDTH)).collect()
}

/// The entry at an index, as the client that was told of it knows it.
fn entry(evidence: &Evidence, index: u64) -> Vec<String> {
    let at = Executions::of(&evidence.records);
    let term = at.at(index).map_or(String::new(), |execution| format!("  term {}", execution.term));
    let told = |operation: &&Operation| match &operation.outcome {
        Outcome::Acknowledged { reply, .. } => reply.index == index,
        _ => false,
    };
    let Some(operation) = evidence.history.operations.iter().find(told) else {
        return vec![format!("index {index}{term}  no client was told of this entry, so its SQL is not known")];
    };
    let Operation { client, number, .. } = operation;
    let mut lines = vec![format!(
        "index {index}{term}  client {client}, operation {number}, called at {}",
        seconds(operation.called)
    )];
    let batch = operation.batch();
    lines.extend(
        first(batch.statements.iter().map(ToString::to_string).collect(), 3).into_iter().map(|sql| format!("  {sql}")),
    );
    lines
}

/// Who executed an index, when, and to what effect; `<` marks what differs from the first.
fn executions(evidence: &Evidence, index: u64) -> Vec<String> {
    let all = evidence.records.iter().filter_map(Execution::of).filter(|execution| execution.index == index);
    let mut earliest = None;
    let lines = all
        .map(|execution| {
            let agrees = earliest.get_or_insert(execution).agrees(&execution);
            let Execution { at, machine, term, entry, digest, .. } = execution;
            let mark = if agrees { "" } else { "  <" };
            format!("  {machine} at {}  term {term}  entry {entry:016x}  digest {digest}{mark}", seconds(at))
        })
        .collect();
    first(lines, 5)
}

/// The last records up to the violation, those of its machine if it is about one.
fn before(evidence: &Evidence, violation: &Violation) -> Vec<String> {
    let Some(at) = violation.at else { return Vec::new() };
    let here = |recorded: &&Recorded| match &recorded.what {
        What::Node(machine, _) => violation.machine.is_none_or(|about| about == *machine),
        What::Acknowledged { .. } => false,
        _ => true,
    };
    let mut last: Vec<String> = evidence
        .records
        .iter()
        .rev()
        .filter(|recorded| recorded.at <= at)
        .filter(here)
        .take(RECORDS_MAX)
        .map(|recorded| format!("  {}", line(recorded)))
        .collect();
    last.reverse();
    last.insert(0, "just before".into());
    last
}

/// The first lines, and how many more there are.
fn first(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        let more = lines.len() - most;
        lines.truncate(most);
        lines.push(format!("… and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::testing::{acknowledged_transfer, apply, bank_evidence, set_balance};
    use crate::record::Machine;

    #[test]
    fn a_divergence_is_shown_with_its_sql_and_its_rows() {
        let mut evidence = bank_evidence(&[&[7], &[7], &[7]]);
        set_balance(&mut evidence, 2, 2, 70);
        evidence.history.operations.push(acknowledged_transfer(7, 5));
        evidence.records.extend([apply(0, 5, 1, 10), apply(1, 5, 1, 10), apply(2, 5, 1, 99)]);
        let violation = Violation {
            summary: "n1 and n3 execute the same entry at index 5 to different effects".into(),
            at: Some(Duration::from_secs(1)),
            index: Some(5),
            machine: Some(Machine(2)),
            ..Violation::default()
        };
        let verdict = Verdict { property: "state-machine-safety", result: Finding::Violated(violation) };
        let lines = explain(&evidence, &[verdict]);
        println!("{}", lines.join("\n"));
        let text = lines.join("\n");
        assert!(text.contains("index 5  term 1  client 1, operation 7"));
        assert!(text.contains(
            "INSERT INTO transfers VALUES (?1, ?2, ?3, ?4) ON CONFLICT(operation) DO NOTHING  [7, 1, 2, 30]"
        ));
        assert!(text.contains("digest 00000000000000000000000000000063  <"));
        assert!(text.contains("2       balance   100    100     70<"));
        assert!(text.contains("just before") && text.contains("executes index 5"));
        assert!(lines.len() <= 25);
    }

    #[test]
    fn there_is_nothing_to_explain_where_all_holds() {
        let verdict = Verdict { property: "settled", result: Finding::Holds(String::new()) };
        assert_eq!(explain(&bank_evidence(&[&[]]), &[verdict]), [""; 0]);
    }
}
