//! Which entries of a log are executed, and which are retries: the rule of client sessions, without the node's own code.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::state_machine::Command;

use crate::run::Evidence;

/// What the sessions of a log have come to.
///
/// In a run no session expires: it lives for more entries than a run has.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(BTreeMap<u64, Session>);

/// One session.
#[derive(Clone, Debug, Default)]
struct Session {
    /// The client no longer asks for numbers below this one.
    done_below: u64,
    /// The numbers that were executed, and are not below.
    executed: BTreeSet<u64>,
}

impl Sessions {
    /// Whether the next entry is executed: it is in no session, or the first with its number in it.
    pub fn executes(&mut self, command: &Command) -> bool {
        let Some(request) = command.session else { return true };
        let session = self.0.entry(request.session).or_default();
        if request.sequence < session.done_below || !session.executed.insert(request.sequence) {
            return false;
        }
        session.done_below = session.done_below.max(request.done_below);
        session.executed = session.executed.split_off(&session.done_below);
        true
    }
}

/// The indexes of the entries that are not executed.
pub(super) fn retries(evidence: &Evidence) -> BTreeSet<u64> {
    let mut sessions = Sessions::default();
    let commands = evidence.log.iter().filter_map(|(index, command)| Some((*index, command.as_ref()?)));
    commands.filter(|(_, command)| !sessions.executes(command)).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use lockstep_node::api::SessionSequence;

    use super::*;
    use crate::check::testing::{acknowledged_transfer, logged};

    #[test]
    fn a_number_is_executed_once_and_not_when_it_was_given_up() {
        let mut sessions = Sessions::default();
        let mut executes = |session, sequence, done_below| {
            let session = Some(SessionSequence { session, sequence, done_below });
            sessions.executes(&Command { session, ..logged(&acknowledged_transfer(7, 4)) })
        };
        assert!(executes(2, 1, 1) && executes(2, 2, 1) && executes(3, 1, 1));
        assert!(!executes(2, 1, 1) && !executes(2, 2, 1) && !executes(3, 1, 1));
        assert!(executes(2, 5, 4));
        assert!(!executes(2, 3, 1) && !executes(2, 5, 4) && executes(2, 4, 4));
        assert!(sessions.executes(&logged(&acknowledged_transfer(7, 4))), "no session, no memory");
    }
}
