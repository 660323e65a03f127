//! A majority that is up, unharmed and connected is not without a leader for longer than the scenario allows.

use std::time::Duration;

use super::health::Health;
use super::{Check, violation};
use crate::record::{Phase, What};
use crate::report::words::seconds;
use crate::run::{Evidence, Finding, Violation};

/// Measures from the moment in which clients begin to the end of the run.
pub(super) struct Leaderless;

impl Check for Leaderless {
    fn property(&self) -> &'static str {
        "leaderless"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let nodes_speak = evidence.records.iter().any(|recorded| matches!(recorded.what, What::Node(..)));
        let Some(most) = evidence.scenario.expect.leaderless.filter(|_| nodes_speak) else {
            return Finding::NotApplicable;
        };
        let (from, to) = longest(evidence);
        if to - from <= most {
            return Finding::Holds(format!("{} at most", seconds(to - from)));
        }
        let summary = format!(
            "a majority was up and connected, and without a leader from {} to {}: {}, not {} at most",
            seconds(from),
            seconds(to),
            seconds(to - from),
            seconds(most)
        );
        Finding::Violated(Violation { at: Some(to), ..violation(summary, None, None) })
    }
}

/// The longest time without a leader: from when to when.
fn longest(evidence: &Evidence) -> (Duration, Duration) {
    let mut health = Health::new(evidence.scenario.cluster.voters);
    let mut longest = (Duration::ZERO, Duration::ZERO);
    let mut since: Option<Duration> = None;
    let mut close = |since: Option<Duration>, now: Duration| {
        if let Some(since) = since.filter(|since| now - *since > longest.1 - longest.0) {
            longest = (since, now);
        }
    };
    let mut begun = false;
    for recorded in &evidence.records {
        let starts = recorded.what == What::Phase(Phase::Faults);
        begun |= starts;
        let changed = health.observe(recorded) || starts;
        if !begun || !changed {
            continue;
        }
        if health.has_majority() && !health.is_led() {
            since = since.or(Some(recorded.at));
        } else {
            close(since.take(), recorded.at);
        }
    }
    close(since, evidence.ended);
    longest
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::check::testing::{at, evidence, fault, lead, summary};
    use crate::record::{Down, Machine, Recorded};

    fn at_most(seconds: u64, records: impl IntoIterator<Item = Recorded>) -> Option<String> {
        let mut evidence = evidence();
        Arc::get_mut(&mut evidence.scenario).unwrap().expect.leaderless = Some(Duration::from_secs(seconds));
        let up = (0..3).map(|machine| at(0.0, What::Up(Machine(machine))));
        evidence.records = up.chain([lead(0, 1), at(1.0, What::Phase(Phase::Faults))]).chain(records).collect();
        summary(Leaderless, &evidence)
    }

    fn lead_at(seconds: f64, machine: u32) -> Recorded {
        at(seconds, lead(machine, 2).what)
    }

    #[test]
    fn the_time_to_the_next_leader_is_bounded() {
        let killed = at(2.0, What::Down(Machine(0), Down::Killed));
        assert_eq!(at_most(1, []), None);
        assert_eq!(at_most(2, [killed.clone(), lead_at(4.0, 1)]), None);
        let text =
            "a majority was up and connected, and without a leader from 2.000s to 4.000s: 2.000s, not 1.000s at most";
        assert_eq!(at_most(1, [killed.clone(), lead_at(4.0, 1)]).as_deref(), Some(text));
        assert!(at_most(7, [killed]).unwrap().contains("from 2.000s to 10.000s"));
    }

    #[test]
    fn time_without_a_majority_does_not_count() {
        let apart = "partition n1–n2 n1–n3 n2–n3";
        let healed = [fault(2.0, true, apart), fault(8.0, false, apart), at(8.5, lead(2, 3).what)];
        assert_eq!(at_most(1, healed), None);
        let stalled = [at(2.0, What::Down(Machine(0), Down::Killed)), fault(2.1, true, "stall-disk n2 for 9s")];
        assert_eq!(at_most(1, stalled), None);
    }

    #[test]
    fn a_leader_that_is_cut_off_does_not_count() {
        assert!(at_most(3, [fault(2.0, true, "partition n1–n2 n1–n3")]).is_some());
    }
}
