//! After the heal the cluster converges in time: one applied index everywhere, and every client done.

use std::collections::BTreeSet;

use super::health::Health;
use super::{Check, violation};
use crate::history::Operation;
use crate::record::Machine;
use crate::report::words::seconds;
use crate::run::{Evidence, Finding, Replica};

/// Reads how the run ended.
pub(super) struct Settled;

impl Check for Settled {
    fn property(&self) -> &'static str {
        "settled"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        if let Some(limit) = &evidence.gave_up {
            return Finding::Violated(violation(format!("the run gave up: {limit}"), None, None));
        }
        if let Some(after) = evidence.settled_after {
            return Finding::Holds(format!("{:.3} s after the heal", after.as_secs_f64()));
        }
        let bound = evidence.scenario.phases.settle.as_secs_f64();
        let summary = format!("the cluster did not converge within {bound} s of the heal{}", missing(evidence));
        let mut violation = violation(summary, None, None);
        violation.details = evidence.replicas.iter().map(|(machine, replica)| standing(*machine, replica)).collect();
        violation.details.extend(waiting(evidence));
        Finding::Violated(violation)
    }
}

/// What it lacks most: without a leader nothing is committed, and without that nothing converges.
fn missing(evidence: &Evidence) -> &'static str {
    let mut health = Health::new(evidence.scenario.cluster.voters);
    for recorded in &evidence.records {
        health.observe(recorded);
    }
    let applied: BTreeSet<_> = evidence.replicas.values().map(|replica| replica.applied).collect();
    let nodes_speak = applied.iter().any(Option::is_some);
    match () {
        () if nodes_speak && !health.is_led() => ": nobody leads",
        () if applied.len() > 1 => ": not all have executed the same",
        () if waiting(evidence).is_some() => ": not every client has its answer",
        () => "",
    }
}

fn standing(machine: Machine, replica: &Replica) -> String {
    match (replica.up, replica.applied) {
        (false, _) => format!("{machine} is down"),
        (true, Some(applied)) => format!("{machine} executed up to {applied}"),
        (true, None) => format!("{machine} is up"),
    }
}

/// The operations that their clients go on sending.
fn waiting(evidence: &Evidence) -> Option<String> {
    let waits = |operation: &&Operation| operation.attempts == 0;
    let mut waiting = evidence.history.operations.iter().filter(waits);
    let first = waiting.next()?;
    let more = waiting.count();
    let others = if more == 0 { String::new() } else { format!(", and {more} more") };
    Some(format!("{first} waits for its answer since {}{others}", seconds(first.called)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{acknowledged_transfer, at, evidence, lead, summary};
    use crate::record::What;

    #[test]
    fn a_cluster_must_converge_and_may_not_give_up() {
        let mut evidence = evidence();
        assert_eq!(summary(Settled, &evidence), None);
        evidence.settled_after = None;
        assert_eq!(summary(Settled, &evidence).as_deref(), Some("the cluster did not converge within 5 s of the heal"));
        evidence.gave_up = Some("60 s have passed".into());
        assert_eq!(summary(Settled, &evidence).as_deref(), Some("the run gave up: 60 s have passed"));
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut evidence = evidence();
        evidence.settled_after = None;
        evidence.replicas.values_mut().for_each(|replica| replica.applied = Some(5));
        assert!(summary(Settled, &evidence).unwrap().ends_with("of the heal: nobody leads"));
        evidence.records.extend((0..3).map(|machine| at(0.0, What::Up(Machine(machine)))).chain([lead(0, 1)]));
        evidence.history.operations = vec![Operation { attempts: 0, ..acknowledged_transfer(7, 5) }];
        assert!(summary(Settled, &evidence).unwrap().ends_with("of the heal: not every client has its answer"));
        evidence.replicas.get_mut(&Machine(2)).unwrap().applied = Some(4);
        assert!(summary(Settled, &evidence).unwrap().ends_with("of the heal: not all have executed the same"));
    }
}
