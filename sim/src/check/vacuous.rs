//! Reasons why a run that violates nothing says nothing.

use crate::history::Outcome;
use crate::record::{Down, What};
use crate::run::Evidence;
use crate::scenario::model::{Event, Fault, Trigger, WorkloadKind};

/// The reasons, each with its remedy; none for a run that means something.
pub fn vacuous(evidence: &Evidence) -> Vec<String> {
    [idle_workloads(evidence), unstruck(evidence), toothless(evidence), unreached(evidence), empty(evidence)].concat()
}

fn idle_workloads(evidence: &Evidence) -> Vec<String> {
    let acknowledged = |place: usize| {
        evidence.history.operations.iter().any(|operation| {
            operation.workload as usize == place && matches!(operation.outcome, Outcome::Acknowledged { .. })
        })
    };
    let name = |kind: &WorkloadKind| match kind {
        WorkloadKind::Bank { .. } => "bank",
        WorkloadKind::Sql { .. } => "sql",
    };
    let workloads = evidence.scenario.workloads.iter().enumerate().filter(|(place, _)| !acknowledged(*place));
    let reason = |(place, workload): (usize, &crate::scenario::model::Workload)| {
        let kind = name(&workload.kind);
        format!(
            "no operation of workload {} ({kind}) was acknowledged; let it begin before the faults, or last longer",
            place + 1
        )
    };
    workloads.map(reason).collect()
}

fn unstruck(evidence: &Evidence) -> Vec<String> {
    let struck = |place: usize| evidence.struck.get(place).copied().unwrap_or(false);
    let events = evidence.scenario.events.iter().enumerate().filter(|(place, _)| !struck(*place));
    events.map(|(_, event)| format!("{} never struck: {}", named(event), remedy(&event.trigger))).collect()
}

/// An event as a person finds it: what it does, and its line.
fn named(event: &Event) -> String {
    let what = match event.fault {
        Fault::PowerCut(_) => "power-cut",
        Fault::Kill(_) => "kill",
        Fault::Partition(_) => "partition",
        Fault::Cut { .. } => "cut",
        Fault::SlowDisk { .. } => "slow-disk",
        Fault::StallDisk(_) => "stall-disk",
    };
    format!("the {what} on line {}", event.line)
}

fn remedy(trigger: &Trigger) -> String {
    match trigger {
        Trigger::At(from, _) => format!(
            "it is due at {} s, and needs a node that fits its target before the faults end; make `phases.faults` longer",
            from.as_secs_f64()
        ),
        Trigger::Applied(index) => {
            format!("no node executed index {index} while faults were on; ask for more operations")
        }
        Trigger::Io { nth, .. } => format!("there was no disk call number {nth} of that kind; choose a smaller number"),
        Trigger::Mark { mark, nth: 1, .. } => format!("the mark `{mark}` was not reached"),
        Trigger::Mark { mark, nth, .. } => {
            format!("the mark `{mark}` was not reached {nth} times; choose a smaller number")
        }
    }
}

/// Faults that struck and changed nothing.
fn toothless(evidence: &Evidence) -> Vec<String> {
    let struck = |fault: fn(&Fault) -> bool| {
        let events = evidence.scenario.events.iter().zip(&evidence.struck);
        events.filter(|(event, struck)| **struck && fault(&event.fault)).map(|(event, _)| named(event)).next()
    };
    let mut reasons = Vec::new();
    if evidence.counts.messages_dropped == 0
        && let Some(event) = struck(|fault| matches!(fault, Fault::Partition(_) | Fault::Cut { .. }))
    {
        reasons.push(format!("{event} dropped no message; let it last longer than a heartbeat"));
    }
    let went_down = |recorded: &&crate::record::Recorded| {
        matches!(recorded.what, What::Down(_, Down::Killed | Down::PowerCut { .. }))
    };
    if !evidence.records.iter().any(|recorded| went_down(&recorded))
        && let Some(event) = struck(|fault| matches!(fault, Fault::PowerCut(_) | Fault::Kill(_)))
    {
        reasons.push(format!("{event} ended no process; choose a target that is up"));
    }
    reasons
}

fn unreached(evidence: &Evidence) -> Vec<String> {
    let reached = |mark: &&String| evidence.marks.get(*mark).is_some_and(|times| *times > 0);
    let marks = evidence.scenario.expect.sometimes.iter().filter(|mark| !reached(mark));
    marks
        .map(|mark| format!("the mark `{mark}` was never reached; `expect.sometimes` demands it of every run"))
        .collect()
}

/// Tables that are to be compared and hold nothing.
fn empty(evidence: &Evidence) -> Vec<String> {
    let mut dumps = evidence.replicas.values().filter_map(|replica| replica.dump.as_ref().ok()).peekable();
    let asked = !evidence.scenario.schema.is_empty() || !evidence.scenario.workloads.is_empty();
    if asked && dumps.peek().is_some() && dumps.all(|dump| dump.tables.iter().all(|table| table.rows.is_empty())) {
        return vec![
            "no table holds a row at the end, so equal tables mean nothing; let a workload insert some".into(),
        ];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::check::testing::{acknowledged_transfer, bank_evidence, power_cut_event};

    #[test]
    fn a_run_in_which_something_happened_is_not_vacuous() {
        let mut evidence = bank_evidence(&[&[1]]);
        evidence.history.operations.push(acknowledged_transfer(1, 1));
        assert_eq!(vacuous(&evidence), [""; 0]);
    }

    #[test]
    fn each_reason_is_named() {
        let mut evidence = bank_evidence(&[&[]]);
        let scenario = Arc::get_mut(&mut evidence.scenario).unwrap();
        scenario.events = vec![power_cut_event(12), power_cut_event(13)];
        scenario.expect.sometimes = vec!["leader.changed".into()];
        evidence.struck = vec![false, true];
        evidence.replicas.values_mut().next().unwrap().dump.as_mut().unwrap().tables.clear();
        let reasons = vacuous(&evidence).join("\n");
        for part in [
            "no operation of workload 1 (bank)",
            "the power-cut on line 12 never struck: it is due at 2 s",
            "the power-cut on line 13 ended no process",
            "`leader.changed` was never reached",
            "no table holds a row",
        ] {
            assert!(reasons.contains(part), "{part} is missing in:\n{reasons}");
        }
    }
}
