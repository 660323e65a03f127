//! Every replica is up, its database is sound and can be read.

use super::{Check, violation};
use crate::record::Machine;
use crate::run::{Evidence, Finding, Replica};

/// Looks at each replica.
pub(super) struct Integrity;

impl Check for Integrity {
    fn property(&self) -> &'static str {
        "integrity"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let damaged = |(machine, replica): (&Machine, &Replica)| Some((*machine, damage(replica)?));
        match evidence.replicas.iter().find_map(damaged) {
            Some((machine, damage)) => Finding::Violated(violation(format!("{machine} {damage}"), machine, None)),
            None if evidence.replicas.is_empty() => Finding::NotApplicable,
            None => Finding::Holds(format!("{} replicas", evidence.replicas.len())),
        }
    }
}

fn damage(replica: &Replica) -> Option<String> {
    match &replica.dump {
        _ if !replica.up => Some("is down at the end".into()),
        Err(error) => Some(format!("has tables that cannot be read: {error}")),
        Ok(_) if replica.integrity != "ok" => Some(format!("fails integrity_check: {}", replica.integrity)),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{evidence, summary};

    #[test]
    fn each_kind_of_damage_is_seen() {
        assert_eq!(summary(Integrity, &evidence()), None);
        let seen = |spoil: fn(&mut Replica)| {
            let mut evidence = evidence();
            spoil(evidence.replicas.get_mut(&Machine(1)).unwrap());
            summary(Integrity, &evidence).unwrap()
        };
        assert_eq!(seen(|replica| replica.up = false), "n2 is down at the end");
        assert_eq!(
            seen(|replica| replica.integrity = "row 3 missing".into()),
            "n2 fails integrity_check: row 3 missing"
        );
        assert_eq!(seen(|replica| replica.dump = Err("I/O".into())), "n2 has tables that cannot be read: I/O");
    }
}
