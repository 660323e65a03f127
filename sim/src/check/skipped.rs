//! Which entries of a log are not executed: the rule of client sessions, without the node's own code.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::state_machine::Command;

use crate::run::Evidence;

/// Why an entry is not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// Its number was executed before in its session, or its client no longer asks for it.
    Retry,
    /// Its session had not been used for as many entries as it lives.
    Expired,
}

/// What the sessions of a log have come to. A client numbers its requests and gives no number twice.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    lifetime: u64,
    /// By the index of the entry that opened the session.
    known: BTreeMap<u64, Session>,
}

/// One session.
#[derive(Clone, Debug)]
struct Session {
    /// The index of the entry that used it last.
    used: u64,
    /// The client no longer asks for numbers below this one.
    done_below: u64,
    /// The numbers that were executed, and are not below.
    executed: BTreeSet<u64>,
}

impl Sessions {
    /// Of a log in which sessions live for so many entries.
    pub fn new(lifetime: u32) -> Sessions {
        Sessions { lifetime: lifetime.into(), known: BTreeMap::new() }
    }

    /// Why the next entry, at this index, is not executed; `None` if it is.
    pub fn skips(&mut self, index: u64, command: &Command) -> Option<Skipped> {
        let request = command.session?;
        let opened = || Session { used: request.session, done_below: 0, executed: BTreeSet::new() };
        let session = self.known.entry(request.session).or_insert_with(opened);
        if index > session.used + self.lifetime {
            return Some(Skipped::Expired);
        }
        if request.sequence < session.done_below {
            return Some(Skipped::Retry);
        }
        session.used = index;
        let new = session.executed.insert(request.sequence);
        session.done_below = session.done_below.max(request.done_below);
        session.executed = session.executed.split_off(&session.done_below);
        (!new).then_some(Skipped::Retry)
    }
}

/// The entries that are not executed, by index.
pub(super) fn skipped(evidence: &Evidence) -> BTreeMap<u64, Skipped> {
    let mut sessions = Sessions::new(evidence.scenario.cluster.session_lifetime);
    let commands = evidence.log.iter().filter_map(|(index, command)| Some((*index, command.as_ref()?)));
    commands.filter_map(|(index, command)| Some((index, sessions.skips(index, command)?))).collect()
}

#[cfg(test)]
mod tests {
    use lockstep_node::api::SessionSequence;

    use super::*;
    use crate::check::testing::{acknowledged_transfer, logged};

    fn request(session: u64, sequence: u64, done_below: u64) -> Command {
        let session = Some(SessionSequence { session, sequence, done_below });
        Command { session, ..logged(&acknowledged_transfer(7, 4)) }
    }

    #[test]
    fn a_number_is_executed_once_and_not_when_it_was_given_up() {
        let mut sessions = Sessions::new(1000);
        let mut index = 3;
        let mut executes = |session, sequence, done_below| {
            index += 1;
            sessions.skips(index, &request(session, sequence, done_below)).is_none()
        };
        assert!(executes(2, 1, 1) && executes(2, 2, 1) && executes(3, 1, 1));
        assert!(!executes(2, 1, 1) && !executes(2, 2, 1) && !executes(3, 1, 1));
        assert!(executes(2, 5, 4));
        assert!(!executes(2, 3, 1) && !executes(2, 5, 4) && executes(2, 4, 4));
        assert_eq!(sessions.skips(30, &logged(&acknowledged_transfer(7, 4))), None, "no session, no memory");
    }

    #[test]
    fn a_session_lives_on_from_each_use_and_not_from_a_refusal() {
        let mut sessions = Sessions::new(10);
        let mut skips = |index, sequence| sessions.skips(index, &request(2, sequence, sequence));
        assert_eq!(skips(12, 1), None);
        assert_eq!(skips(22, 1), Some(Skipped::Retry), "a retry uses it");
        assert_eq!(skips(32, 2), None);
        assert_eq!(skips(42, 1), Some(Skipped::Retry), "what was given up does not");
        assert_eq!(skips(43, 3), Some(Skipped::Expired));
        assert_eq!(skips(44, 2), Some(Skipped::Expired), "whatever it had executed");
    }
}
