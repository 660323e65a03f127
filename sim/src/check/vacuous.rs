//! Reasons why a run that violates nothing says nothing.

use std::collections::BTreeSet;

use super::{linearizable, migrated};
use crate::history::{Operation, Outcome};
use crate::record::{Down, FaultRecord, Phase, What};
use crate::run::Evidence;
use crate::scenario::model::{ClockError, Cluster, Event, Fault, LinkRule, Probability, Trigger, WorkloadKind};

/// The reasons, each with its remedy; none for a run that means something.
pub fn vacuous(evidence: &Evidence) -> Vec<String> {
    let faults = [unstruck(evidence), toothless(evidence), without_effect(evidence)].concat();
    let asked = [idle_workloads(evidence), failing_workloads(evidence), migrated::missing(evidence)].concat();
    [asked, faults, unreached(evidence), empty(evidence), undecided(evidence)].concat()
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

/// Workloads none of whose operations was acknowledged. The last read of everything, which is asked once all is healed, is
/// none of them.
fn idle_workloads(evidence: &Evidence) -> Vec<String> {
    let healed = evidence.records.iter().find(|recorded| recorded.what == What::Phase(Phase::Settle));
    let at_work = |operation: &Operation| healed.is_none_or(|healed| operation.called < healed.at);
    let acknowledged = |place: usize| {
        evidence.history.operations.iter().any(|operation| {
            operation.workload as usize == place
                && at_work(operation)
                && matches!(operation.outcome, Outcome::Acknowledged { .. })
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

/// Of 100 generated statements so many must succeed: where fewer do, errors are nearly all that is compared.
const SUCCEED_PERCENT: usize = 40;

/// Workloads of generated statements next to none of which succeeded.
fn failing_workloads(evidence: &Evidence) -> Vec<String> {
    let workloads = evidence.scenario.workloads.iter().enumerate();
    let generated = workloads.filter(|(_, workload)| matches!(workload.kind, WorkloadKind::Generated { .. }));
    let failing = |(place, _): (usize, _)| {
        let operations = evidence.history.operations.iter().filter(|operation| operation.workload as usize == place);
        let replies = operations.filter_map(Operation::reply);
        let (mut good, mut all) = (0, 0);
        for result in replies.flat_map(|(reply, _)| &reply.results) {
            (good, all) = (good + usize::from(result.is_ok()), all + 1);
        }
        (all > 0 && good * 100 < all * SUCCEED_PERCENT).then(|| {
            format!(
                "only {good} of {all} statements of workload {} (generated) succeeded; lower `ddl`, so that more of them \
                 fit the tables",
                place + 1
            )
        })
    };
    generated.filter_map(failing).collect()
}

/// Faults that never struck, and nemeses none of whose strikes came.
fn unstruck(evidence: &Evidence) -> Vec<String> {
    let struck = |place: &usize| evidence.struck.get(*place).copied().unwrap_or(false);
    let missed = groups(evidence).into_iter().filter(|(_, places)| !places.iter().any(struck));
    let speaks = evidence.records.iter().any(|recorded| matches!(recorded.what, What::Node(..)));
    let remedy = |event| if speaks { remedy(event) } else { remedy_for_silent(event, &evidence.system) };
    missed.map(|(event, _)| format!("{} never struck: {}", named(event), remedy(event))).collect()
}

/// The scenario's events, each with its place; the strikes of a nemesis are one group.
fn groups(evidence: &Evidence) -> Vec<(&Event, Vec<usize>)> {
    let mut groups: Vec<(&Event, Vec<usize>)> = Vec::new();
    for (place, event) in evidence.scenario.events.iter().enumerate() {
        let known = event.nemesis.and_then(|nemesis| groups.iter_mut().find(|(of, _)| of.nemesis == Some(nemesis)));
        match known {
            Some((_, places)) => places.push(place),
            None => groups.push((event, vec![place])),
        }
    }
    groups
}

/// An event as a person finds it: what it does, and its line.
fn named(event: &Event) -> String {
    let nemesis = if event.nemesis.is_some() { "nemesis " } else { "" };
    format!("the {nemesis}{} on line {}", event.fault.name(), event.line)
}

fn remedy(event: &Event) -> String {
    match &event.trigger {
        Trigger::At(..) if event.nemesis.is_some() => {
            "nobody fitted its target at any of its times; let it strike more often, or choose another target".into()
        }
        Trigger::At(at, _) => format!(
            "it is due at {} s, and needs a node that fits its target before the faults end; make `phases.faults` longer",
            at.as_secs_f64()
        ),
        Trigger::Applied((index, _)) => {
            format!("no node executed index {index} while faults were on; ask for more operations")
        }
        Trigger::Io { nth: (nth, _), .. } => {
            format!("there was no disk call number {nth} of that kind; choose a smaller number")
        }
        Trigger::Mark { mark, nth: (1, _), .. } => format!("the mark `{mark}` was not reached"),
        Trigger::Mark { mark, nth: (nth, _), .. } => {
            format!("the mark `{mark}` was not reached {nth} times; choose a smaller number")
        }
    }
}

/// The remedy where nodes do not report what they do: nobody knows who leads them, and what they have done.
fn remedy_for_silent(event: &Event, system: &str) -> String {
    match &event.trigger {
        Trigger::At(..) => {
            format!("nobody fitted its target; no node of `{system}` says that it leads, so name one: target = \"n1\"")
        }
        Trigger::Applied(_) | Trigger::Mark { .. } => {
            format!("no node of `{system}` says what it does; let it strike at a time")
        }
        Trigger::Io { .. } => {
            format!("{}, or name the node, since none of `{system}` says that it leads", remedy(event))
        }
    }
}

/// So many strikes of a nemesis must have changed something, where other faults did: that none of fewer did may be bad luck.
const STRIKES: usize = 3;

/// Faults that struck and changed nothing, each judged by itself, and nemeses none of whose strikes changed anything. Where
/// nothing did, all that struck.
fn toothless(evidence: &Evidence) -> Vec<String> {
    let harmful = harmful(evidence);
    let bit = |place: &usize| match evidence.scenario.events[*place].fault {
        Fault::PowerCut(_) | Fault::Wipe(_) | Fault::Kill(_) | Fault::Restart(_) | Fault::CrashLoop { .. } => {
            harmful.contains(place)
        }
        _ => evidence.bites.get(*place) != Some(&0),
    };
    let struck = |place: &usize| evidence.struck.get(*place) == Some(&true);
    let something_bit = (0..evidence.scenario.events.len()).any(|place| struck(&place) && bit(&place));
    let idle = groups(evidence).into_iter().filter(|(event, places)| {
        let strikes: Vec<&usize> = places.iter().filter(|place| struck(place)).collect();
        let least = if event.nemesis.is_some() && something_bit { STRIKES } else { 1 };
        strikes.len() >= least && !strikes.into_iter().any(bit)
    });
    idle.map(|(event, _)| format!("{} {}", named(event), why_idle(&event.fault))).collect()
}

/// How a fault that changed nothing is made to.
fn why_idle(fault: &Fault) -> &'static str {
    match fault {
        Fault::PowerCut(_) | Fault::Kill(_) | Fault::Restart(_) | Fault::CrashLoop { .. } => {
            "ended no process and lost no write; choose a target that is up"
        }
        Fault::Wish(_) => {
            "came to nothing; give it more time before the faults end, and a cluster that can commit (on other systems than \
             lockstep nobody changes the members)"
        }
        Fault::Wipe(_) => "emptied no disk",
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

/// The events that ended a process, or took what one had not synced: what a fault does is recorded between its own record
/// and that of the next one, at the same time.
fn harmful(evidence: &Evidence) -> BTreeSet<usize> {
    let mut harmful = BTreeSet::new();
    let mut strikes = None;
    for recorded in &evidence.records {
        match &recorded.what {
            What::Fault(FaultRecord { event, struck: true, .. }) => strikes = Some((*event, recorded.at)),
            What::Wiped(_) | What::Down(_, Down::Killed | Down::PowerCut { .. }) => {
                let now = strikes.filter(|(_, at)| *at == recorded.at);
                harmful.extend(now.map(|(event, _)| event));
            }
            _ => {}
        }
    }
    harmful
}

/// A setting that changes messages by chance must have done so where this many were to be expected: that none is among them
/// is no bad luck.
const EXPECTED: u64 = 10;

/// Settings of the network and the clocks that changed nothing.
fn without_effect(evidence: &Evidence) -> Vec<String> {
    let (scenario, counts) = (&evidence.scenario, &evidence.counts);
    let (all, links) = (&scenario.network.all, &scenario.network.links);
    // Where single links have chances of their own, nobody counts what was to be expected.
    let everywhere = |chance, own: fn(&LinkRule) -> Option<Probability>| {
        if links.iter().any(|link| own(link).is_some()) { Probability(0) } else { chance }
    };
    let by_chance = [
        ("loss", everywhere(all.loss, |link| link.loss), counts.messages_lost),
        ("duplicate", everywhere(all.duplicate, |link| link.duplicate), counts.messages_duplicated),
        ("reorder", everywhere(all.reorder, |link| link.reorder), counts.messages_reordered),
    ];
    let expected = |chance: Probability| counts.messages * u64::from(chance.0) / 1_000_000;
    let idle = by_chance.iter().filter(|(_, chance, met)| *met == 0 && expected(*chance) >= EXPECTED);
    let mut reasons: Vec<String> = idle
        .map(|(name, chance, _)| format!("`network.{name}` met none of some {} messages", expected(*chance)))
        .collect();
    let bounded = all.bandwidth.or(links.iter().find_map(|link| link.bandwidth));
    if bounded.is_some() && counts.messages_throttled == 0 {
        reasons.push("`bandwidth` met no message; let nodes talk on the links that it is about".into());
    }
    let off = |error: &ClockError| match error {
        ClockError::UpTo(most) => *most > 0,
        ClockError::Each(errors) => errors.values().any(|error| *error != 0),
    };
    let speaks = evidence.records.iter().any(|recorded| matches!(recorded.what, What::Node(..)));
    if scenario.cluster.session_lifetime < Cluster::SESSION_LIFETIME
        && speaks
        && !is_reached(evidence, "session.expired")
    {
        reasons.push(
            "no session expired, although `cluster.session_lifetime` asks for it; make it shorter, or let a client wait \
             for longer while others go on"
                .into(),
        );
    }
    if (off(&scenario.clock.offset_ns) || off(&scenario.clock.drift_ppm)) && counts.clocks_wrong == 0 {
        reasons.push("every clock is right, although `[clock]` says otherwise".into());
    }
    reasons
}

fn is_reached(evidence: &Evidence, mark: &str) -> bool {
    evidence.marks.get(mark).is_some_and(|times| *times > 0)
}

fn unreached(evidence: &Evidence) -> Vec<String> {
    let marks = evidence.scenario.expect.sometimes.iter().filter(|mark| !is_reached(evidence, mark));
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

    use lockstep_node::api::SqlError;

    use super::*;
    use crate::check::testing::{acknowledged_transfer, at, bank_evidence, lead, power_cut_event};
    use crate::record::{Harm, Machine};
    use crate::scenario::model::Selector;

    #[test]
    fn a_run_in_which_something_happened_is_not_vacuous() {
        let mut evidence = bank_evidence(&[&[1]]);
        evidence.history.operations.push(acknowledged_transfer(1, 1));
        assert_eq!(vacuous(&evidence), [""; 0]);
    }

    #[test]
    fn generated_statements_that_only_fail_say_nothing() {
        let mut evidence = bank_evidence(&[&[1]]);
        let kind = WorkloadKind::Generated { tables: 4, value_bytes: 16, ddl: Probability(0) };
        Arc::get_mut(&mut evidence.scenario).unwrap().workloads[0].kind = kind;
        for (number, good) in [(1, true), (2, false), (3, false)] {
            let mut operation = acknowledged_transfer(number, number as u64);
            let Outcome::Acknowledged { reply, .. } = &mut operation.outcome else { unreachable!() };
            if !good {
                reply.results = vec![Err(SqlError { code: 1, message: "no such table: t1".into() })];
            }
            evidence.history.operations.push(operation);
        }
        let reasons = vacuous(&evidence);
        let [reason] = &reasons[..] else { panic!("one reason, not {reasons:?}") };
        assert!(reason.starts_with("only 1 of 3 statements of workload 1 (generated) succeeded"), "{reason}");
        evidence.history.operations.pop();
        assert_eq!(vacuous(&evidence), [""; 0]);
    }

    #[test]
    fn the_last_read_after_the_heal_is_no_work() {
        let mut evidence = bank_evidence(&[&[1]]);
        evidence.records.push(at(5.0, What::Phase(Phase::Settle)));
        let called = evidence.records[1].at;
        evidence.history.operations.push(Operation { called, ..acknowledged_transfer(1, 6) });
        let reasons = vacuous(&evidence);
        assert!(matches!(&reasons[..], [one] if one.starts_with("no operation of workload 1 (bank)")), "{reasons:?}");
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
        let strikes = |event| {
            at(2.0, What::Fault(FaultRecord { event, struck: true, text: String::new(), harm: Harm::default() }))
        };
        evidence.records.extend([strikes(0), at(2.0, What::Down(Machine(0), Down::Killed)), strikes(1)]);
        let reasons = vacuous(&evidence);
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[0].starts_with("the power-cut on line 2 ended no process"), "{reasons:?}");
        assert!(reasons[1].starts_with("the partition on line 4 dropped no message"), "{reasons:?}");
    }

    #[test]
    fn few_strikes_of_a_nemesis_may_miss_where_another_fault_met_something() {
        let mut evidence = bank_evidence(&[&[1]]);
        evidence.history.operations.push(acknowledged_transfer(1, 1));
        let strike =
            |nemesis| Event { fault: Fault::Ring { one_way: false }, nemesis: Some(nemesis), ..power_cut_event(3) };
        Arc::get_mut(&mut evidence.scenario).unwrap().events = vec![strike(0), strike(0), strike(1)];
        evidence.struck = vec![true; 3];
        evidence.bites = vec![0, 0, 5];
        assert_eq!(vacuous(&evidence), [""; 0]);
        evidence.bites = vec![0; 3];
        assert_eq!(vacuous(&evidence).len(), 2, "nothing went wrong at all");
    }

    #[test]
    fn each_reason_is_named() {
        let mut evidence = bank_evidence(&[&[]]);
        evidence.records.push(lead(0, 1));
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

    #[test]
    fn sessions_that_are_to_expire_must() {
        let mut evidence = bank_evidence(&[&[1]]);
        evidence.history.operations.push(acknowledged_transfer(1, 1));
        Arc::get_mut(&mut evidence.scenario).unwrap().cluster.session_lifetime = 20;
        assert_eq!(vacuous(&evidence), [""; 0], "nodes that say nothing keep no sessions");
        evidence.records.push(lead(0, 1));
        assert!(matches!(&vacuous(&evidence)[..], [one] if one.starts_with("no session expired")));
        evidence.marks.insert("session.expired".into(), 1);
        assert_eq!(vacuous(&evidence), [""; 0]);
    }

    #[test]
    fn where_nodes_do_not_say_who_leads_the_remedy_is_to_name_one() {
        let mut evidence = bank_evidence(&[&[1]]);
        evidence.history.operations.push(acknowledged_transfer(1, 1));
        Arc::get_mut(&mut evidence.scenario).unwrap().events = vec![power_cut_event(12)];
        let [reason] = &vacuous(&evidence)[..] else { panic!("one fault never struck") };
        assert!(reason.ends_with("so name one: target = \"n1\""), "{reason}");
    }
}
