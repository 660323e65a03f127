//! Verdicts: one file a property.
//!
//! A check watches what happens as it happens ([`Check::observe`]) and judges the evidence when the world has stopped
//! ([`Check::finish`]). A violation seen while the world runs ends the run at once, at that very step.

mod acknowledged_survives;
mod answers;
mod bank_total;
mod commit_durable;
mod core_liveness;
mod counter_bounds;
mod database_durable;
mod differences;
mod election_safety;
mod exactly_once;
mod executed;
mod health;
mod integrity;
mod invariants;
mod leader_completeness;
mod leaderless;
mod linearizable;
mod list_append;
mod log_matching;
mod logs;
mod migrated;
mod model;
mod model_replay;
mod moments;
mod progress;
mod real_time;
mod replicas;
mod search;
mod sessions;
mod settled;
mod skipped;
mod state_machine_safety;
mod tables_equal;
#[cfg(test)]
pub(crate) mod testing;
mod vacuous;

use crate::record::{Machine, Recorded};
use crate::run::{Evidence, Finding, Verdict, Violation};
use crate::scenario::model::Scenario;

pub use differences::differences;
pub use executed::{Execution, Executions};
pub use logs::logs_at;
pub use vacuous::vacuous;

/// The names of all properties, in the order in which [`all`] lists their checks.
pub const PROPERTIES: &[&str] = &[
    "election-safety",
    "log-matching",
    "leader-completeness",
    "state-machine-safety",
    "commit-durable",
    "database-durable",
    "acknowledged-survives",
    "exactly-once",
    "real-time",
    "sessions",
    "model-replay",
    "bank-total",
    "counter-bounds",
    "linearizable",
    "list-append",
    "migrated",
    "invariants",
    "core-liveness",
    "settled",
    "integrity",
    "tables-equal",
    "progress",
    "leaderless",
    "answers",
];

/// One check a property. A run fails with the first that is violated: causes come before consequences.
pub fn all(scenario: &Scenario) -> Vec<Box<dyn Check>> {
    vec![
        Box::new(election_safety::ElectionSafety::default()),
        Box::new(log_matching::LogMatching::default()),
        Box::new(leader_completeness::LeaderCompleteness::default()),
        Box::new(state_machine_safety::StateMachineSafety::default()),
        Box::new(commit_durable::CommitDurable::new(scenario.cluster.voters)),
        Box::new(database_durable::DatabaseDurable::default()),
        Box::new(acknowledged_survives::AcknowledgedSurvives),
        Box::new(exactly_once::ExactlyOnce),
        Box::new(real_time::RealTime),
        Box::new(sessions::Sessions),
        Box::new(model_replay::ModelReplay),
        Box::new(bank_total::BankTotal),
        Box::new(counter_bounds::CounterBounds),
        Box::new(linearizable::Linearizable),
        Box::new(list_append::ListAppend),
        Box::new(migrated::Migrated),
        Box::new(invariants::Invariants),
        Box::new(core_liveness::CoreLiveness),
        Box::new(settled::Settled),
        Box::new(integrity::Integrity),
        Box::new(tables_equal::TablesEqual),
        Box::new(progress::Progress),
        Box::new(leaderless::Leaderless),
        Box::new(answers::Answers),
    ]
}

/// One verdict a check. If a check saw a violation while the world ran, that is `seen`: it ended the run, so the others
/// had too little to judge and say nothing.
pub fn judge(checks: Vec<Box<dyn Check>>, seen: Option<Verdict>, evidence: &Evidence) -> Vec<Verdict> {
    checks
        .into_iter()
        .map(|mut check| match &seen {
            Some(seen) if seen.property == check.property() => seen.clone(),
            Some(_) => Verdict { property: check.property(), result: Finding::NotApplicable },
            None => Verdict { property: check.property(), result: check.finish(evidence) },
        })
        .collect()
}

/// One property.
pub trait Check: Send {
    /// Its name, in kebab-case: `log-matching`.
    fn property(&self) -> &'static str;

    /// Looks at one thing that just happened.
    ///
    /// # Errors
    /// The violation, if this shows one.
    fn observe(&mut self, _recorded: &Recorded) -> Result<(), Violation> {
        Ok(())
    }

    /// Judges the whole run.
    fn finish(&mut self, evidence: &Evidence) -> Finding;
}

/// A violation in one line, about a machine and an index as far as there is one.
fn violation(summary: String, machine: impl Into<Option<Machine>>, index: impl Into<Option<u64>>) -> Violation {
    Violation { summary, machine: machine.into(), index: index.into(), ..Violation::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_properties_is_that_of_the_checks() {
        let checks = all(&testing::scenario());
        assert_eq!(checks.iter().map(|check| check.property()).collect::<Vec<_>>(), PROPERTIES);
    }

    #[test]
    fn a_violation_seen_at_its_step_is_the_only_verdict() {
        let seen = Verdict { property: "log-matching", result: Finding::Violated(Violation::default()) };
        let verdicts = judge(all(&testing::scenario()), Some(seen.clone()), &testing::evidence());
        assert!(verdicts.contains(&seen));
        assert_eq!(
            verdicts.iter().filter(|verdict| verdict.result == Finding::NotApplicable).count(),
            PROPERTIES.len() - 1
        );
    }
}
