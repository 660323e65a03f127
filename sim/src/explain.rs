//! What first went wrong in a run, shown on less than a page: the entry with its SQL, who executed it to what effect, where
//! the logs stand, the rows that differ, and what happened just before or meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_node::event::Event;

use crate::check::{Execution, Executions, differences, logs_at};
use crate::history::Operation;
use crate::record::{Phase, Recorded, What};
use crate::report::trace::line;
use crate::report::words::{cut, seconds};
use crate::run::{Evidence, Finding, Verdict, Violation};

/// Lines are cut at this width.
const WIDTH: usize = 110;

/// So many statements of an entry are shown.
const STATEMENTS_MAX: usize = 3;

/// So many executions of an entry are shown.
const EXECUTIONS_MAX: usize = 5;

/// So many lines of what a check found, or of differing rows, are shown.
const DETAILS_MAX: usize = 9;

/// So many faults are shown that were in force during an operation.
const FAULTS_MAX: usize = 4;

/// So many records before the violation are shown.
const RECORDS_MAX: usize = 6;

/// The properties of logs: what they are about is seen in the logs rather than in the tables.
const OF_LOGS: &[&str] = &["log-matching", "leader-completeness", "commit-durable"];

/// Explains the first violated verdict; nothing if all hold. The first line is the verdict itself.
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
    let details = match violation.index {
        _ if !violation.details.is_empty() => violation.details.clone(),
        Some(index) if OF_LOGS.contains(&property) => logs_at(&evidence.records, index),
        _ => differences(evidence, violation),
    };
    lines.extend(first(details, DETAILS_MAX).into_iter().map(|line| format!("  {line}")));
    lines.extend(match violation.at {
        Some(at) => before(evidence, violation, at),
        None => meanwhile(evidence, violation),
    });
    lines.into_iter().map(|line| cut(&line, WIDTH)).collect()
}

/// The entry at an index: who asked for it, and its statements as the client or the log has them.
fn entry(evidence: &Evidence, index: u64) -> Vec<String> {
    let term = Executions::of(&evidence.records).at(index).map(|execution| format!("  term {}", execution.term));
    let heading = |about: String| format!("index {index}{}  {about}", term.unwrap_or_default());
    let (heading, batch) = match (told_of(evidence, index), evidence.log.get(&index)) {
        (Some(operation), _) => {
            let (called, returned) = (seconds(operation.called), operation.reply().map(|(_, at)| seconds(at)));
            let until = returned.map_or(String::new(), |returned| format!(" to {returned}"));
            (heading(format!("{operation}, {called}{until}")), Some(operation.batch()))
        }
        (None, Some(Some(command))) => (heading("no client was told of this entry".into()), Some(&command.batch)),
        (None, Some(None)) => (heading("an entry of the cluster's own".into()), None),
        (None, None) => (heading("no client was told of this entry, and it is not in the executed log".into()), None),
    };
    let statements = batch.map_or(Vec::new(), |batch| batch.statements.iter().map(ToString::to_string).collect());
    let statements = first(statements, STATEMENTS_MAX).into_iter().map(|statement| format!("  {statement}"));
    std::iter::once(heading).chain(statements).collect()
}

/// The operation whose client was told of an index.
fn told_of(evidence: &Evidence, index: u64) -> Option<&Operation> {
    let told = |operation: &&Operation| operation.reply().is_some_and(|(reply, _)| reply.index == index);
    evidence.history.operations.iter().find(told)
}

/// Who executed an index, when, and to what effect; `<` marks what differs from the first. Hashes are cut to what tells them
/// apart.
fn executions(evidence: &Evidence, index: u64) -> Vec<String> {
    let all = evidence.records.iter().filter_map(Execution::of).filter(|execution| execution.index == index);
    let mut earliest = None;
    let lines = all
        .map(|execution| {
            let agrees = earliest.get_or_insert(execution).agrees(&execution);
            let Execution { at, machine, term, entry, digest, .. } = execution;
            let (entry, digest) = (entry >> 32, digest.0 >> 96);
            let mark = if agrees { "" } else { "  <" };
            format!(
                "  {machine} at {}  term {term}  entry {entry:08x}  tables after it {digest:08x}{mark}",
                seconds(at)
            )
        })
        .collect();
    first(lines, EXECUTIONS_MAX)
}

/// The last records up to the violation, those of its machine if it is about one.
fn before(evidence: &Evidence, violation: &Violation, at: Duration) -> Vec<String> {
    let here = |recorded: &&Recorded| match &recorded.what {
        What::Node(machine, _) => violation.machine.is_none_or(|about| about == *machine),
        What::Acknowledged { .. } | What::Phase(Phase::Inspect) | What::Detail(_) => false,
        _ => true,
    };
    let past = evidence.records.iter().rev().filter(|recorded| recorded.at <= at);
    let last: Vec<&Recorded> = past.filter(here).take(RECORDS_MAX).collect();
    let labels = labels(&evidence.records);
    let lines = last.into_iter().rev().map(|recorded| {
        labels.iter().fold(format!("  {}", line(recorded)), |line, (id, label)| line.replace(id, label))
    });
    std::iter::once("just before".to_owned()).chain(lines).collect()
}

/// The labels of nodes that records call by their ids.
fn labels(records: &[Recorded]) -> BTreeMap<String, String> {
    let label = |recorded: &Recorded| match recorded.what {
        What::Node(machine, Event::Booted { id, .. }) => Some((format!("node {id}"), machine.to_string())),
        _ => None,
    };
    records.iter().filter_map(label).collect()
}

/// The faults that were in force while the operation that the violation is about went on.
fn meanwhile(evidence: &Evidence, violation: &Violation) -> Vec<String> {
    let Some(operation) = violation.index.and_then(|index| told_of(evidence, index)) else { return Vec::new() };
    let returned = operation.reply().map_or(evidence.ended, |(_, returned)| returned);
    let mut struck = BTreeMap::new();
    let mut faults: Vec<(Duration, Duration, &str)> = Vec::new();
    for recorded in &evidence.records {
        let What::Fault(fault) = &recorded.what else { continue };
        if fault.struck {
            struck.insert(fault.event, (recorded.at, fault.text.as_str()));
        } else if let Some((since, text)) = struck.remove(&fault.event) {
            faults.push((since, recorded.at, text));
        }
    }
    faults.extend(struck.into_values().map(|(since, text)| (since, evidence.ended, text)));
    faults.retain(|(from, to, _)| *from <= returned && *to >= operation.called);
    let line =
        |(from, to, text): &(Duration, Duration, &str)| format!("  {} to {}  {text}", seconds(*from), seconds(*to));
    let lines = first(faults.iter().map(line).collect(), FAULTS_MAX);
    if lines.is_empty() { lines } else { [vec!["meanwhile".to_owned()], lines].concat() }
}

/// The first lines, and how many more there are, of a list whose own last line may say that it was cut before.
fn first(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        let cut_before = lines.last().and_then(|last| last.strip_prefix("… and ")?.strip_suffix(" more")?.parse().ok());
        let more = lines.len() - most + cut_before.map_or(1, |cut_before: usize| cut_before);
        lines.truncate(most - 1);
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
        assert!(text.contains("index 5  term 1  client 1, operation 7, 0.000s to 5.000s"), "{text}");
        assert!(text.contains(
            "INSERT INTO transfers VALUES (?1, ?2, ?3, ?4) ON CONFLICT(operation) DO NOTHING  [7, 1, 2, 30]"
        ));
        assert!(text.contains("tables after it 00000000  <"));
        assert!(text.contains("2       balance   100    100     70<"));
        assert!(text.contains("just before") && text.contains("executes index 5"));
        assert!(lines.len() <= 25);
    }

    #[test]
    fn a_list_that_is_cut_twice_counts_all_that_is_missing() {
        let lines = |count: usize| (1..=count).map(|line| line.to_string()).collect::<Vec<_>>();
        assert_eq!(first(lines(3), 3), lines(3));
        assert_eq!(first(lines(4), 3), ["1", "2", "… and 2 more"]);
        let cut = [lines(4), vec!["… and 10 more".into()]].concat();
        assert_eq!(first(cut, 3), ["1", "2", "… and 12 more"]);
    }

    #[test]
    fn there_is_nothing_to_explain_where_all_holds() {
        let verdict = Verdict { property: "settled", result: Finding::Holds(String::new()) };
        assert_eq!(explain(&bank_evidence(&[&[]]), &[verdict]), [""; 0]);
    }
}
