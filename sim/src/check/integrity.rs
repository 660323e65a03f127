//! No node ends but by a fault; at the end every replica is up, its database is sound and can be read.

use lockstep_node::event::Event;

use super::{Check, violation};
use crate::record::{Down, Machine, Recorded, What};
use crate::run::{Evidence, Finding, Replica, Violation};

/// Looks at each replica.
pub(super) struct Integrity;

impl Check for Integrity {
    fn property(&self) -> &'static str {
        "integrity"
    }

    /// A node that gives up is a failure even if a fault restarts its machine later.
    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        let (machine, end) = match &recorded.what {
            What::Node(machine, Event::Stopped { reason }) => (*machine, format!("stopped by itself: {reason}")),
            What::Down(machine, Down::Stopped(reason)) => (*machine, format!("went down by itself: {reason}")),
            What::Down(machine, Down::Panicked(message)) => (*machine, format!("panicked: {message}")),
            _ => return Ok(()),
        };
        Err(violation(format!("{machine} {end}"), machine, None))
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
    use crate::check::testing::{at, evidence, summary, violated};

    #[test]
    fn a_node_that_ends_by_itself_is_seen_even_if_it_comes_back() {
        let down = |how| [at(1.0, What::Down(Machine(1), how)), at(2.0, What::Up(Machine(1)))];
        assert_eq!(violated(Integrity, down(Down::Killed)), None);
        assert_eq!(violated(Integrity, down(Down::PowerCut { kept: 0, lost: 1, torn: 0 })), None);
        let panicked = Down::Panicked("a.rs:1: index out of bounds".into());
        assert_eq!(violated(Integrity, down(panicked)).unwrap(), "n2 panicked: a.rs:1: index out of bounds");
        assert!(violated(Integrity, down(Down::Stopped("the node stopped".into()))).is_some());
        let stopped = What::Node(Machine(0), Event::Stopped { reason: "sync failed".into() });
        assert_eq!(violated(Integrity, [at(1.0, stopped)]).unwrap(), "n1 stopped by itself: sync failed");
    }

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
