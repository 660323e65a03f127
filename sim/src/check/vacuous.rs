//! Reasons why a run that violates nothing says nothing.

use super::{linearizable, migrated};
use crate::history::Outcome;
use crate::record::{Down, FaultRecord, Recorded, What};
use crate::run::Evidence;
use crate::scenario::model::{Event, Fault, Trigger};

/// The reasons, each with its remedy; none for a run that means something.
pub fn vacuous(evidence: &Evidence) -> Vec<String> {
    let nothing_asked = [idle_workloads(evidence), unstruck(evidence), toothless(evidence)].concat();
    [nothing_asked, migrated::missing(evidence), unreached(evidence), empty(evidence), undecided(evidence)].concat()
}

/// What a check gave up on.
fn undecided(evidence: &Evidence) -> Vec<String> {
    let reason = |register| {
        format!(
            "the operations on register {register} have too many possible orders to judge; use more `keys`, or fewer \
             `clients`, or faults that leave fewer outcomes unknown"
        )
    };
    linearizable::undecided(evidence).into_iter().map(reason).collect()
}

fn idle_workloads(evidence: &Evidence) -> Vec<String> {
    let acknowledged = |place: usize| {
        evidence.history.operations.iter().any(|operation| {
            operation.workload as usize == place && matches!(operation.outcome, Outcome::Acknowledged { .. })
        })
    };
    let workloads = evidence.scenario.workloads.iter().enumerate().filter(|(place, _)| !acknowledged(*place));
    let reason = |(place, workload): (usize, &crate::scenario::model::Workload)| {
        let kind = workload.kind.name();
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
    format!("the {} on line {}", event.fault.name(), event.line)
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

/// Faults that struck and changed nothing, each judged by itself.
fn toothless(evidence: &Evidence) -> Vec<String> {
    let events = evidence.scenario.events.iter().zip(&evidence.struck).enumerate();
    let reason = |(place, (event, struck)): (usize, (&Event, &bool))| {
        let (without_effect, remedy) = match event.fault {
            Fault::PowerCut(_) | Fault::Kill(_) | Fault::Restart(_) | Fault::CrashLoop { .. } => {
                (!took_something(evidence, place), "ended no process and lost no write; choose a target that is up")
            }
            _ => (evidence.bites.get(place) == Some(&0), idle(&event.fault)),
        };
        (*struck && without_effect).then(|| format!("{} {remedy}", named(event)))
    };
    events.filter_map(reason).collect()
}

/// How a fault that changed nothing is made to.
fn idle(fault: &Fault) -> &'static str {
    match fault {
        Fault::Clog { .. } | Fault::Swizzle { .. } => "held up no message; let it last longer than a heartbeat",
        Fault::Messages { .. } => "met no message; ask for fewer, for another kind, or let it last longer",
        Fault::Pause(_) => "held up nothing; let it last longer than a heartbeat, and choose a target that is up",
        Fault::ClockJump { .. } | Fault::ClockDrift { .. } | Fault::ClockFreeze(_) => {
            "was over before its node did anything; let it last longer, and choose a target that is up"
        }
        Fault::SlowDisk { .. } | Fault::StallDisk(_) => {
            "hindered no disk call; let it last longer, and choose a target that is up"
        }
        _ => "dropped no message; let it last longer than a heartbeat",
    }
}

/// Whether this event ended a process, or took what one had not synced: what it does is recorded between its own beginning
/// and that of the next one.
fn took_something(evidence: &Evidence, event: usize) -> bool {
    let strikes = |recorded: &Recorded| match &recorded.what {
        What::Fault(FaultRecord { event, struck: true, .. }) => Some(*event),
        _ => None,
    };
    let records = evidence.records.iter().skip_while(|recorded| strikes(recorded) != Some(event));
    records
        .skip(1)
        .take_while(|recorded| strikes(recorded).is_none())
        .any(|recorded| matches!(recorded.what, What::Down(_, Down::Killed | Down::PowerCut { .. })))
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
    use crate::check::testing::{acknowledged_transfer, at, bank_evidence, power_cut_event};
    use crate::record::Machine;
    use crate::scenario::model::Selector;

    #[test]
    fn a_run_in_which_something_happened_is_not_vacuous() {
        let mut evidence = bank_evidence(&[&[1]]);
        evidence.history.operations.push(acknowledged_transfer(1, 1));
        assert_eq!(vacuous(&evidence), [""; 0]);
    }

    #[test]
    fn each_fault_is_judged_by_itself() {
        let mut evidence = bank_evidence(&[&[1]]);
        evidence.history.operations.push(acknowledged_transfer(1, 1));
        let groups = vec![vec![Selector::Leader], vec![Selector::Rest]];
        let partition = Event { fault: Fault::Partition(groups), ..power_cut_event(0) };
        let events = [power_cut_event(1), power_cut_event(2), partition.clone(), partition];
        let events = events.into_iter().zip(1..).map(|(event, line)| Event { line, ..event });
        Arc::get_mut(&mut evidence.scenario).unwrap().events = events.collect();
        evidence.struck = vec![true; 4];
        evidence.bites = vec![0, 0, 5, 0];
        let strikes = |event| at(2.0, What::Fault(FaultRecord { event, struck: true, text: String::new() }));
        evidence.records.extend([strikes(0), at(2.0, What::Down(Machine(0), Down::Killed)), strikes(1)]);
        let reasons = vacuous(&evidence);
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[0].starts_with("the power-cut on line 2 ended no process"), "{reasons:?}");
        assert!(reasons[1].starts_with("the partition on line 4 dropped no message"), "{reasons:?}");
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
