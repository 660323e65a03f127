//! The user's own invariants hold on every replica.

use super::replicas::caught_up;
use super::{Check, violation};
use crate::run::{Evidence, Finding};

/// Compares what each query gave with what the scenario expects.
pub(super) struct Invariants;

impl Check for Invariants {
    fn property(&self) -> &'static str {
        "invariants"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let invariants = &evidence.scenario.invariants;
        if invariants.is_empty() {
            return Finding::NotApplicable;
        }
        for (machine, replica) in caught_up(evidence) {
            for (invariant, found) in invariants.iter().zip(&replica.invariants) {
                let problem = match found {
                    Ok(value) if *value == invariant.expect => continue,
                    Ok(value) => format!("gives {value}, not {}", invariant.expect),
                    Err(error) => format!("cannot be read: {error}"),
                };
                let summary = format!("\"{}\" {problem} on {machine}", invariant.name);
                let mut violation = violation(summary, machine, replica.applied);
                violation.details.push(invariant.sql.clone());
                return Finding::Violated(violation);
            }
        }
        let count = invariants.len();
        Finding::Holds(format!("{count} invariant{}", if count == 1 { "" } else { "s" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{bank_evidence, summary, with_invariant};
    use lockstep_node::api::Value;

    #[test]
    fn an_invariant_is_held_on_every_replica() {
        let mut evidence = bank_evidence(&[&[], &[]]);
        with_invariant(&mut evidence, &[Ok(Value::Integer(0)), Ok(Value::Integer(0))]);
        assert_eq!(summary(Invariants, &evidence), None);
        with_invariant(&mut evidence, &[Ok(Value::Integer(0)), Ok(Value::Integer(3))]);
        assert_eq!(summary(Invariants, &evidence).as_deref(), Some("\"never negative\" gives 3, not 0 on n2"));
        with_invariant(&mut evidence, &[Err("no such table: stock".into()), Ok(Value::Integer(0))]);
        assert!(summary(Invariants, &evidence).unwrap().contains("cannot be read: no such table"));
    }
}
