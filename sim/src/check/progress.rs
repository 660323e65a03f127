//! The cluster got as much done in each stretch of time as the scenario demands.

use super::{Check, violation};
use crate::history::{Operation, Outcome};
use crate::run::{Evidence, Finding};
use crate::scenario::model;

/// Counts acknowledgements.
pub(super) struct Progress;

impl Check for Progress {
    fn property(&self) -> &'static str {
        "progress"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let windows = &evidence.scenario.expect.progress;
        if windows.is_empty() {
            return Finding::NotApplicable;
        }
        let mut enough = Vec::new();
        for model::Progress { commits, from, to } in windows {
            let in_time = |operation: &&Operation| match &operation.outcome {
                Outcome::Acknowledged { returned, .. } => (from..=to).contains(&returned),
                _ => false,
            };
            let done = evidence.history.operations.iter().filter(in_time).count() as u64;
            let when = format!("between {} s and {} s", from.as_secs_f64(), to.as_secs_f64());
            if done < *commits {
                let summary = format!("{done} operations were acknowledged {when}, not {commits}");
                return Finding::Violated(violation(summary, None, None));
            }
            enough.push(format!("{done} commits {when}"));
        }
        Finding::Holds(enough.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{acknowledged_transfer, bank_evidence, expect_progress, summary};

    #[test]
    fn what_comes_late_does_not_count() {
        let mut evidence = bank_evidence(&[&[]]);
        evidence.history.operations =
            vec![acknowledged_transfer(1, 1), acknowledged_transfer(2, 2), acknowledged_transfer(3, 9)];
        expect_progress(&mut evidence, 2);
        assert_eq!(summary(Progress, &evidence), None);
        // Every stretch of time must have its own.
        expect_progress(&mut evidence, 3);
        let text = "2 operations were acknowledged between 0 s and 5 s, not 3";
        assert_eq!(summary(Progress, &evidence).as_deref(), Some(text));
    }
}
