//! Every machine executes the same entry at an index, to the same effect, once in order and only when it is committed
//! (Raft, section 5.4.3). Restarts, after which entries are executed again, are no exception.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::event::Event;

use super::{Check, Execution, Executions, violation};
use crate::record::{Machine, Recorded, What};
use crate::run::{Evidence, Finding, Violation};

/// Remembers what was executed first at each index.
#[derive(Default)]
pub(super) struct StateMachineSafety {
    executions: Executions,
    machines: BTreeSet<Machine>,
    /// The last index that each machine executed in this boot, for those that told where it began.
    applied: BTreeMap<Machine, u64>,
    /// The greatest index that any node reported committed; `None` as long as none reports that.
    committed: Option<u64>,
}

impl Check for StateMachineSafety {
    fn property(&self) -> &'static str {
        "state-machine-safety"
    }

    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        match &recorded.what {
            What::Node(machine, Event::Booted { applied, .. }) => {
                self.applied.insert(*machine, applied.0);
            }
            What::Node(machine, Event::Installed { at, .. }) => {
                self.applied.insert(*machine, at.0);
            }
            What::Node(_, Event::Committed { index }) => self.committed = self.committed.max(Some(index.0)),
            _ => {
                if let Some(execution) = Execution::of(recorded) {
                    return self.execute(execution);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &Evidence) -> Finding {
        match self.executions.count() {
            0 => Finding::NotApplicable,
            entries => Finding::Holds(format!("{entries} entries on {} replicas", self.machines.len())),
        }
    }
}

impl StateMachineSafety {
    fn execute(&mut self, execution: Execution) -> Result<(), Violation> {
        let Execution { machine, index, .. } = execution;
        self.machines.insert(machine);
        let first = self.executions.first_or(execution);
        if !first.agrees(&execution) {
            return Err(violation(disagreement(&first, &execution), machine, index));
        }
        if let Some(before) = self.applied.get_mut(&machine) {
            let before = std::mem::replace(before, index);
            if index != before + 1 {
                return Err(violation(
                    format!("{machine} executes index {index} right after {before}"),
                    machine,
                    index,
                ));
            }
        }
        if self.committed.is_some_and(|committed| index > committed) {
            return Err(violation(
                format!("{machine} executes index {index}, which no node reported committed"),
                machine,
                index,
            ));
        }
        Ok(())
    }
}

fn disagreement(first: &Execution, second: &Execution) -> String {
    let (index, one, other) = (first.index, first.machine, second.machine);
    let again = if one == other { " again" } else { "" };
    if first.term != second.term {
        return format!(
            "{other} executes{again} at index {index} the entry of term {}, where {one} executed that of term {}",
            second.term, first.term
        );
    }
    if first.entry != second.entry {
        return format!("{other} executes{again} at index {index} another entry than {one} did");
    }
    if one == other {
        return format!("{one} executes index {index} again, to another effect than the first time");
    }
    format!("{one} and {other} execute the same entry at index {index} to different effects")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{apply, boot, commit, violated};

    #[test]
    fn replicas_that_agree_hold_and_may_execute_again_after_a_restart() {
        let (a, b) = (apply(0, 1, 1, 10), apply(0, 2, 1, 11));
        let records = vec![
            boot(0, 1, 0, 0),
            commit(0, 2),
            a,
            b.clone(),
            apply(1, 1, 1, 10),
            boot(0, 2, 2, 1),
            b,
            apply(1, 2, 1, 11),
        ];
        assert_eq!(violated(StateMachineSafety::default(), records), None);
    }

    #[test]
    fn different_effects_are_seen_at_their_index() {
        let records = [apply(0, 1, 1, 10), apply(1, 1, 1, 10), apply(0, 2, 1, 11), apply(1, 2, 1, 99)];
        let text = "n1 and n2 execute the same entry at index 2 to different effects";
        assert_eq!(violated(StateMachineSafety::default(), records).as_deref(), Some(text));
    }

    #[test]
    fn different_entries_are_seen() {
        let seen = violated(StateMachineSafety::default(), [apply(0, 1, 1, 10), apply(1, 1, 2, 10)]);
        let text = "n2 executes at index 1 the entry of term 2, where n1 executed that of term 1";
        assert_eq!(seen.as_deref(), Some(text));
    }

    #[test]
    fn another_effect_after_a_restart_is_seen() {
        let records = [boot(0, 1, 0, 0), commit(0, 1), apply(0, 1, 1, 10), boot(0, 2, 1, 0), apply(0, 1, 1, 12)];
        assert!(violated(StateMachineSafety::default(), records).unwrap().contains("again, to another effect"));
    }

    #[test]
    fn a_skipped_index_is_seen() {
        let records = [boot(0, 1, 0, 0), commit(0, 9), apply(0, 1, 1, 10), apply(0, 3, 1, 12)];
        assert_eq!(
            violated(StateMachineSafety::default(), records).as_deref(),
            Some("n1 executes index 3 right after 1")
        );
    }

    #[test]
    fn executing_what_is_not_committed_is_seen() {
        let records = [commit(0, 1), apply(0, 1, 1, 10), apply(0, 2, 1, 11)];
        let text = "n1 executes index 2, which no node reported committed";
        assert_eq!(violated(StateMachineSafety::default(), records).as_deref(), Some(text));
    }
}
