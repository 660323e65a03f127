//! What a loss of power leaves of a database opens, is whole, and holds what was executed up to its applied index: no less
//! than the node counts on.

use std::collections::BTreeMap;

use lockstep_node::event::Event;

use super::{Check, Executions, violation};
use crate::record::{Machine, Recorded, What};
use crate::run::{Evidence, Finding, Violation};
use crate::systems::Reopened;

/// Remembers what each node reports durable in its database, and compares it with the database of the machine that has lost
/// power at the end.
#[derive(Default)]
pub(super) struct DatabaseDurable {
    reported: BTreeMap<Machine, u64>,
}

impl Check for DatabaseDurable {
    fn property(&self) -> &'static str {
        "database-durable"
    }

    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        match recorded.what {
            What::Node(machine, Event::Checkpointed { durable: Some(index) }) => {
                self.reported.insert(machine, index.0);
            }
            What::Wiped(machine) => {
                self.reported.remove(&machine);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let reopened =
            evidence.replicas.iter().find_map(|(machine, replica)| Some((*machine, replica.reopened.as_ref()?)));
        let Some((machine, found)) = reopened else { return Finding::NotApplicable };
        let wrong = match found {
            Ok(found) => self.compare(machine, found, &Executions::of(&evidence.records)),
            Err(error) => {
                let summary = format!("the database of {machine} after a loss of power at the end: {error}");
                Some(violation(summary, machine, None))
            }
        };
        wrong.map_or_else(|| Finding::Holds(format!("{machine} after a loss of power")), Finding::Violated)
    }
}

impl DatabaseDurable {
    fn compare(&self, machine: Machine, found: &Reopened, executions: &Executions) -> Option<Violation> {
        let reported = self.reported.get(&machine).copied().unwrap_or(0);
        if found.applied < reported {
            let summary = format!(
                "{machine} reported index {reported} durable in its database, which holds {} after a loss of power",
                found.applied
            );
            return Some(violation(summary, machine, reported));
        }
        let executed = executions.at(found.applied)?;
        (executed.digest != found.digest).then(|| {
            let summary = format!(
                "after a loss of power the database of {machine} says that it executed index {}, and holds something else",
                found.applied
            );
            let details = vec![format!("{} when it was executed, {} now", executed.digest, found.digest)];
            Violation { details, ..violation(summary, machine, found.applied) }
        })
    }
}

#[cfg(test)]
mod tests {
    use lockstep_node::raft::Index;
    use lockstep_node::sqlite::Digest;

    use super::*;
    use crate::check::testing::{apply, evidence, node, summary};

    /// Index 5 and 6 are executed, 5 is reported durable, and this is found after the loss of power.
    fn found(reopened: Result<(u64, u128), &str>) -> Option<String> {
        let mut evidence = evidence();
        evidence.records = vec![apply(0, 5, 1, 50), apply(0, 6, 1, 60)];
        let reopened = reopened.map(|(applied, digest)| Reopened { applied, digest: Digest(digest) });
        evidence.replicas.get_mut(&Machine(0)).unwrap().reopened = Some(reopened.map_err(str::to_owned));
        let mut check = DatabaseDurable::default();
        check.observe(&node(0, Event::Checkpointed { durable: Some(Index(5)) })).unwrap();
        summary(check, &evidence)
    }

    #[test]
    fn a_tail_that_was_never_reported_may_be_lost() {
        assert_eq!(found(Ok((6, 60))), None);
        assert_eq!(found(Ok((5, 50))), None);
        let text = "n1 reported index 5 durable in its database, which holds 4 after a loss of power";
        assert_eq!(found(Ok((4, 40))).as_deref(), Some(text));
    }

    #[test]
    fn what_is_left_is_whole() {
        assert!(found(Ok((6, 50))).unwrap().contains("it executed index 6, and holds something else"));
        assert!(found(Err("malformed")).unwrap().ends_with("at the end: malformed"));
    }
}
