//! After the heal the cluster converges in time: one applied index everywhere, and every client done.

use super::{Check, violation};
use crate::run::{Evidence, Finding};

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
        let standing = |(machine, replica): (_, &crate::run::Replica)| match (replica.up, replica.applied) {
            (false, _) => format!("{machine} is down"),
            (true, Some(applied)) => format!("{machine} executed up to {applied}"),
            (true, None) => format!("{machine} is up"),
        };
        let bound = evidence.scenario.phases.settle.as_secs_f64();
        let mut violation = violation(format!("the cluster did not converge within {bound} s of the heal"), None, None);
        violation.details = evidence.replicas.iter().map(|(machine, replica)| standing((machine, replica))).collect();
        Finding::Violated(violation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{evidence, summary};

    #[test]
    fn a_cluster_must_converge_and_may_not_give_up() {
        let mut evidence = evidence();
        assert_eq!(summary(Settled, &evidence), None);
        evidence.settled_after = None;
        assert_eq!(summary(Settled, &evidence).as_deref(), Some("the cluster did not converge within 5 s of the heal"));
        evidence.gave_up = Some("60 s have passed".into());
        assert_eq!(summary(Settled, &evidence).as_deref(), Some("the run gave up: 60 s have passed"));
    }
}
