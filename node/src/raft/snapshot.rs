//! A log that does not begin at 1: what was executed and is in a durable database is forgotten, and who needs it gets a
//! copy of the database. The core knows positions only; copies and their way are the host's.

use super::core::State;
use super::reads::Reader;
use super::{Body, Configuration, Index, Message, NodeId, Position, Raft, Rules};

/// How far a node has come that lost a part of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Recovery {
    /// It neither votes nor campaigns, and does not know what it must have.
    Unknown,
    /// It must have everything up to here.
    Needs(Index),
}

impl<R: Rules> Raft<R> {
    /// Forgets entries.
    pub(super) fn compact(&mut self, to: Index) {
        assert!(to <= self.apply_to(), "entry {to} is to be forgotten, but only {} may be applied", self.apply_to());
        self.log.compact(to);
    }

    /// Goes on from a database that was received. It may have come so slowly that this node leads by now, with all that it
    /// holds in its log.
    pub(super) fn installed(&mut self, at: Position, configuration: (Index, Configuration)) {
        assert!(at.term <= self.hard_state.term, "a database at {at} is newer than term {}", self.hard_state.term);
        let kept = self.log.term_at(at.index) == Some(at.term);
        if at.index < self.log.base().index {
            return;
        }
        let must_hold = at.index <= self.commit || matches!(self.state, State::Leader(_));
        assert!(kept || !must_hold, "a database at {at} does not hold what is committed up to {}", self.commit);
        self.lacks_database = false;
        self.log.install(at, configuration);
        self.durability.install(at.index, kept);
        self.commit_to(at.index);
        if let Some(leader) = self.leader.filter(|leader| *leader != self.id) {
            let body = Body::Appended { matched: at.index };
            self.send_after_sync(leader, Message { term: self.hard_state.term, body });
        }
        self.end_recovery();
    }

    /// A copy was delivered or came to nothing: how far the follower is now shows when it is asked.
    pub(super) fn snapshot_ended(&mut self, to: NodeId) {
        let last = self.log.last().index;
        if let State::Leader(leader) = &mut self.state
            && let Some(peer) = leader.peer_mut(to)
            && peer.is_in_snapshot()
        {
            peer.begin_anew(last);
        }
    }

    /// A peer booted anew. It may have lost what it had acknowledged, if that was corrupted meanwhile, and it numbers its
    /// questions from the beginning.
    pub(super) fn restarted(&mut self, id: NodeId) {
        let last = self.log.last().index;
        let State::Leader(leader) = &mut self.state else { return };
        leader.reads.forget(id);
        if let Some(peer) = leader.peer_mut(id) {
            peer.matched = Index(0);
            peer.begin_anew(last);
        }
    }

    /// A node that lost a part of its log asks the leader that it hears how much it must have. What it acknowledged in an
    /// earlier boot counts for nothing any more once a leader has heard of this boot; what counted until then is committed
    /// by the time at which that leader answers.
    pub(super) fn ask_for_recovery(&mut self) {
        if self.recovery == Some(Recovery::Unknown) {
            self.read(Reader::Recovery);
        }
    }

    pub(super) fn recovery_needs(&mut self, index: Option<Index>) {
        match index {
            Some(index) => {
                self.recovery = Some(Recovery::Needs(index));
                self.end_recovery();
            }
            None if self.leader.is_some() => self.ask_again_later(Reader::Recovery),
            None => {}
        }
    }

    /// It has everything again.
    pub(super) fn end_recovery(&mut self) {
        if let Some(Recovery::Needs(index)) = self.recovery
            && self.durability.index() >= index
        {
            self.recovery = None;
            self.effects.recovered = true;
        }
    }
}
