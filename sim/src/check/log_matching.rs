//! Logs that agree on index and term agree on everything up to there (Raft, section 5.3).

use std::collections::BTreeMap;

use lockstep_node::event::Event;
use lockstep_node::raft::{Index, Term};

use super::{Check, violation};
use crate::record::{Machine, Recorded, What};
use crate::run::{Evidence, Finding, Violation};

/// Remembers the first chain hash at each index and term.
#[derive(Default)]
pub(super) struct LogMatching {
    chains: BTreeMap<(Index, Term), (u64, Machine)>,
}

impl Check for LogMatching {
    fn property(&self) -> &'static str {
        "log-matching"
    }

    fn observe(&mut self, recorded: &Recorded) -> Result<(), Violation> {
        let What::Node(machine, Event::Appended { index, term, chain }) = recorded.what else { return Ok(()) };
        let (first, by) = *self.chains.entry((index, term)).or_insert((chain, machine));
        if first == chain {
            return Ok(());
        }
        let summary = format!("the logs of {by} and {machine} differ at or before index {index}, both of term {term}");
        Err(violation(summary, machine, index.0))
    }

    fn finish(&mut self, _: &Evidence) -> Finding {
        match self.chains.len() {
            0 => Finding::NotApplicable,
            entries => Finding::Holds(format!("{entries} log entries")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{append, violated};

    #[test]
    fn another_term_may_hold_another_entry() {
        assert_eq!(
            violated(LogMatching::default(), [append(0, 5, 1, 77), append(1, 5, 1, 77), append(1, 5, 2, 78)]),
            None
        );
    }

    #[test]
    fn one_index_and_term_with_two_histories_is_seen() {
        let seen = violated(LogMatching::default(), [append(0, 5, 1, 77), append(1, 5, 1, 78)]);
        assert_eq!(seen.as_deref(), Some("the logs of n1 and n2 differ at or before index 5, both of term 1"));
    }
}
