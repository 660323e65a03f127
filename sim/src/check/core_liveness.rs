//! A healed majority goes on while the rest stays broken: it elects, commits and converges in time.

use std::collections::BTreeMap;

use lockstep_node::event::Event;
use lockstep_node::raft::{Role, Term};

use super::{Check, violation};
use crate::record::{Machine, Phase, What};
use crate::report::words::seconds;
use crate::run::{Evidence, Finding, Violation};

/// Reads how the core fared.
pub(super) struct CoreLiveness;

impl Check for CoreLiveness {
    fn property(&self) -> &'static str {
        "core-liveness"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let Some(core) = &evidence.core else { return Finding::NotApplicable };
        let names = core.machines.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        if let Some(after) = core.settled_after {
            return Finding::Holds(format!("{names} in {}", seconds(after)));
        }
        let nodes = Nodes::when_the_rest_is_mended(evidence);
        let bound = seconds(evidence.scenario.phases.settle);
        let summary = format!(
            "while only {names} were well they did not converge within {bound}{}",
            if nodes.led_by_one_of(&core.machines) { "" } else { ": none of them leads" }
        );
        let details = core.machines.iter().map(|machine| nodes.standing(*machine)).collect();
        Finding::Violated(Violation { details, ..violation(summary, None, None) })
    }
}

/// Where the nodes stand, as they say.
#[derive(Default)]
struct Nodes(BTreeMap<Machine, (Role, Term, u64)>);

impl Nodes {
    fn when_the_rest_is_mended(evidence: &Evidence) -> Nodes {
        let mut nodes = Nodes::default();
        let before = |what: &&What| **what != What::Phase(Phase::Settle);
        for what in evidence.records.iter().map(|recorded| &recorded.what).take_while(before) {
            match *what {
                What::Node(machine, Event::Booted { term, applied, .. }) => {
                    nodes.0.insert(machine, (Role::Follower, term, applied.0));
                }
                What::Node(machine, Event::Role { role, term }) => {
                    nodes.0.entry(machine).and_modify(|node| (node.0, node.1) = (role, term));
                }
                What::Node(machine, Event::Applied { index, .. }) => {
                    nodes.0.entry(machine).and_modify(|node| node.2 = index.0);
                }
                What::Down(machine, _) => {
                    nodes.0.remove(&machine);
                }
                _ => {}
            }
        }
        nodes
    }

    fn led_by_one_of(&self, core: &[Machine]) -> bool {
        self.0.is_empty() || core.iter().any(|machine| self.0.get(machine).is_some_and(|node| node.0 == Role::Leader))
    }

    fn standing(&self, machine: Machine) -> String {
        match self.0.get(&machine) {
            None => format!("{machine} says nothing"),
            Some((Role::Leader, term, applied)) => format!("{machine} leads term {term}, executed up to {applied}"),
            Some((_, term, applied)) => format!("{machine} is in term {term}, executed up to {applied}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{apply, at, boot, evidence, lead, summary};
    use crate::run::Core;

    #[test]
    fn a_core_must_converge_while_the_rest_is_broken() {
        let mut evidence = evidence();
        assert_eq!(CoreLiveness.finish(&evidence), Finding::NotApplicable);
        let machines = vec![Machine(0), Machine(2)];
        evidence.core = Some(Core { machines: machines.clone(), settled_after: Some(evidence.ended) });
        assert_eq!(summary(CoreLiveness, &evidence), None);
        evidence.core = Some(Core { machines, settled_after: None });
        evidence.records = vec![boot(0, 1, 7, 7), lead(1, 2), at(5.0, What::Phase(Phase::Settle)), lead(0, 3)];
        let text = "while only n1 n3 were well they did not converge within 5.000s: none of them leads";
        assert_eq!(summary(CoreLiveness, &evidence).as_deref(), Some(text));
        evidence.records.insert(2, lead(0, 2));
        evidence.records.insert(3, apply(0, 8, 2, 0));
        let Finding::Violated(violation) = CoreLiveness.finish(&evidence) else { panic!("the core did not converge") };
        assert!(!violation.summary.contains("none of them leads"), "{}", violation.summary);
        assert_eq!(violation.details, ["n1 leads term 2, executed up to 8", "n3 says nothing"]);
    }
}
