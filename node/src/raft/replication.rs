//! What a leader does: takes proposals, sends the log, counts copies, and looks whether anybody still follows.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::core::State;
use super::peer::{Leaving, Peer};
use super::reads::Reads;
use super::transfer::Transfer;
use super::{
    Body, Entry, EntryKind, Index, Message, NodeId, Options, ProposalId, ProposeError, Raft, Rule, Rules, quorum,
};

/// What only a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    /// Everyone else who receives the log, by id.
    peers: Vec<Peer>,
    /// Ticks since heartbeats were sent.
    heartbeat_elapsed: u32,
    /// Ticks since it was last checked that a majority is there.
    check_elapsed: u32,
    /// Bytes of the payloads that were proposed in this term and are not committed.
    uncommitted_bytes: usize,
    /// Ticks since it leads.
    pub(super) ticks: u64,
    pub(super) reads: Reads,
    /// Somebody else is to lead.
    pub(super) transfer: Option<Transfer>,
}

impl Leader {
    /// A leader at the start of its term, whose log ends at `last`.
    pub(super) fn new(id: NodeId, members: BTreeSet<NodeId>, last: Index) -> Leader {
        let peers =
            members.into_iter().filter(|member| *member != id).map(|member| Peer::new(member, last, 0)).collect();
        Leader {
            peers,
            heartbeat_elapsed: 0,
            check_elapsed: 0,
            uncommitted_bytes: 0,
            ticks: 0,
            reads: Reads::default(),
            transfer: None,
        }
    }

    /// The members are these from now on, by the configuration at `index`; the log ends at `last`.
    pub(super) fn follow(&mut self, members: &BTreeSet<NodeId>, index: Index, own: NodeId, last: Index) {
        for peer in &mut self.peers {
            if peer.leaving.is_some() && members.contains(&peer.id) {
                peer.heard = self.ticks;
            }
            let leaving = peer.leaving.unwrap_or(Leaving { without: index, told: false });
            peer.leaving = (!members.contains(&peer.id)).then_some(leaving);
        }
        for id in members.iter().copied().filter(|id| *id != own) {
            if let Err(place) = self.peers.binary_search_by_key(&id, |peer| peer.id) {
                self.peers.insert(place, Peer::new(id, last, self.ticks));
            }
        }
    }

    /// After how many ticks heartbeats or a check are due. Alone, a leader has neither to do.
    pub(super) fn ticks_to_deadline(&self, options: &Options) -> Option<u32> {
        let heartbeat = options.heartbeat_ticks.saturating_sub(self.heartbeat_elapsed);
        let check = options.election_ticks.saturating_sub(self.check_elapsed);
        (!self.peers.is_empty()).then_some(heartbeat.min(check))
    }

    pub(super) fn peer(&self, id: NodeId) -> Option<&Peer> {
        self.peers.binary_search_by_key(&id, |peer| peer.id).ok().map(|place| &self.peers[place])
    }

    /// A message came. Whatever it says, its sender is alive.
    pub(super) fn hears(&mut self, from: NodeId) {
        let now = self.ticks;
        if let Some(peer) = self.peer_mut(from) {
            peer.heard = now;
        }
    }

    /// For how many ticks of this leadership nothing was heard of somebody who receives the log.
    pub(super) fn silence(&self, id: NodeId) -> u64 {
        self.peer(id).map_or(0, |peer| self.ticks - peer.heard)
    }

    /// Who of them was silent for at least so many ticks, and for how many.
    pub(super) fn silent_for(&self, ticks: u64) -> Vec<(NodeId, u64)> {
        let silences = self.peers.iter().map(|peer| (peer.id, self.silence(peer.id)));
        silences.filter(|(_, silence)| *silence >= ticks).collect()
    }

    pub(super) fn peer_mut(&mut self, id: NodeId) -> Option<&mut Peer> {
        self.peers.binary_search_by_key(&id, |peer| peer.id).ok().map(|place| &mut self.peers[place])
    }
}

impl<R: Rules> Raft<R> {
    /// Appends an entry if this node leads. Configurations have a way of their own.
    pub(super) fn propose(&mut self, id: ProposalId, kind: EntryKind, payload: Bytes) {
        assert!(kind != EntryKind::Configuration, "a configuration cannot be proposed like data");
        let State::Leader(leader) = &mut self.state else {
            let leader = self.leader;
            return self.effects.proposals.push((id, Err(ProposeError::NotLeader { leader })));
        };
        if leader.transfer.is_some() {
            return self.effects.proposals.push((id, Err(ProposeError::Transferring)));
        }
        let uncommitted = leader.uncommitted_bytes.saturating_add(payload.len());
        if leader.uncommitted_bytes > 0 && uncommitted > self.options.max_uncommitted_bytes {
            return self.effects.proposals.push((id, Err(ProposeError::Busy)));
        }
        leader.uncommitted_bytes = uncommitted;
        self.append_own(kind, payload);
        self.effects.proposals.push((id, Ok(self.log.last())));
    }

    /// A new leader's first entry: once it is committed, so is everything before it (Raft, section 8).
    pub(super) fn append_noop(&mut self) {
        self.append_own(EntryKind::Noop, Bytes::new());
    }

    /// However many ticks passed, peers are counted once and heartbeats go out once. Counting comes first: a leader that
    /// slept must not announce itself before it knows whether it still is one.
    pub(super) fn tick_leader(&mut self, ticks: u32) {
        let State::Leader(leader) = &mut self.state else { return };
        leader.ticks += u64::from(ticks);
        leader.heartbeat_elapsed = leader.heartbeat_elapsed.saturating_add(ticks);
        leader.check_elapsed = leader.check_elapsed.saturating_add(ticks);
        if leader.check_elapsed >= self.options.election_ticks {
            leader.check_elapsed = 0;
            if !self.hears_majority() {
                return self.become_follower();
            }
            self.remove_the_dead();
        }
        self.tick_transfer(ticks);
        self.send_heartbeats();
    }

    /// Sends every follower what it may be sent. It runs once for all inputs since the effects were last taken, so that
    /// proposals that came together leave together.
    pub(super) fn replicate(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        for peer in &mut leader.peers {
            if peer.wants_snapshot(&self.log) {
                self.effects.snapshots.push(peer.id);
            }
            while let Some(body) = peer.next_append(&self.log, self.commit, &self.options) {
                self.effects.msgs_now.push((peer.id, Message { term: self.hard_state.term, body }));
            }
        }
    }

    /// A member answered. Whatever it says, it is there.
    pub(super) fn on_follower_reply(&mut self, from: NodeId, body: Body) {
        let State::Leader(leader) = &mut self.state else { return };
        let Some(peer) = leader.peer_mut(from) else { return };
        peer.active = true;
        let last = self.log.last().index;
        match body {
            Body::Appended { matched } if matched <= last && peer.on_appended(matched, self.log.base().index) => {
                self.advance_commit();
                self.tell_to_campaign();
            }
            Body::NeedsCopy => peer.on_needs_copy(),
            Body::Rejected { previous, hint } => peer.on_rejected(previous, hint, &self.log),
            Body::HeartbeatReply => peer.on_heartbeat_reply(),
            _ => {}
        }
    }

    /// Commits what a majority holds, if the last of it is of this term: an older entry that a majority holds can still
    /// be replaced (Raft, section 5.4.2 and figure 8).
    pub(super) fn advance_commit(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        let own = match self.rules.breaks(Rule::AnswerAfterSync) {
            true => self.log.last().index,
            false => self.durability.index(),
        };
        let holds = |id| if id == self.id { own } else { leader.peer(id).map_or(Index(0), |peer| peer.matched) };
        let held = quorum::held(self.log.configuration(), holds);
        if held > self.commit && self.log.term_at(held) == Some(self.hard_state.term) {
            let committed = self.log.entries(self.commit.next(), held);
            let is_proposed =
                |entry: &&Entry| entry.term == self.hard_state.term && entry.kind != EntryKind::Configuration;
            let bytes: usize = committed.iter().filter(is_proposed).map(|entry| entry.payload.len()).sum();
            leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(bytes);
            self.commit_to(held);
            self.act_on_configuration();
        }
    }

    pub(super) fn append_own(&mut self, kind: EntryKind, payload: Bytes) {
        let index = self.log.last().index.next();
        self.log.append(Entry { index, term: self.hard_state.term, kind, payload });
        if self.rules.breaks(Rule::AnswerAfterSync) {
            self.advance_commit();
        }
    }

    /// Whether a majority answered since the last check, this node included. Everyone starts anew.
    fn hears_majority(&mut self) -> bool {
        let State::Leader(leader) = &mut self.state else { return false };
        let here = |id| id == self.id || leader.peer(id).is_some_and(|peer| peer.active);
        let majority = quorum::decides(self.log.configuration(), here);
        leader.peers.retain(|peer| !peer.has_left());
        leader.peers.iter_mut().for_each(|peer| peer.begin_count(self.commit));
        majority
    }

    fn send_heartbeats(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        if leader.heartbeat_elapsed < self.options.heartbeat_ticks {
            return;
        }
        leader.heartbeat_elapsed = 0;
        for peer in &leader.peers {
            let body = Body::Heartbeat { commit: peer.matched.min(self.commit) };
            self.effects.msgs_now.push((peer.id, Message { term: self.hard_state.term, body }));
        }
        self.repeat_round();
    }
}
