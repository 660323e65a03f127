//! Handing leadership over (Raft dissertation, section 3.10): the leader stops proposing, brings the other one's log up
//! to its own, and tells it to campaign at once.

use super::core::State;
use super::{Body, Effects, Index, Message, NodeId, ProposalId, Raft, Rules, TransferError};

/// A transfer under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Transfer {
    id: ProposalId,
    to: NodeId,
    /// Ticks since it began.
    elapsed: u32,
    /// The other one was told to campaign.
    told: bool,
}

impl Transfer {
    /// This node no longer leads.
    pub(super) fn end(self, effects: &mut Effects) {
        effects.transfers.push((self.id, Ok(())));
    }
}

impl<R: Rules> Raft<R> {
    /// Begins to hand leadership over.
    pub(super) fn transfer(&mut self, id: ProposalId, to: NodeId) {
        match self.transfer_error(to) {
            Some(error) => self.effects.transfers.push((id, Err(error))),
            None => {
                let State::Leader(leader) = &mut self.state else { unreachable!("it was found to lead") };
                leader.transfer = Some(Transfer { id, to, elapsed: 0, told: false });
                leader.reads.void_lease();
                self.tell_to_campaign();
            }
        }
    }

    fn transfer_error(&self, to: NodeId) -> Option<TransferError> {
        let State::Leader(leader) = &self.state else { return Some(TransferError::NotLeader { leader: self.leader }) };
        if to == self.id {
            return Some(TransferError::Leads);
        }
        if !self.log.configuration().voters.contains_key(&to) {
            return Some(TransferError::NotVoter);
        }
        if leader.transfer.is_some() {
            return Some(TransferError::Transferring);
        }
        let ticks = leader.silence(to);
        (ticks >= u64::from(self.options.election_ticks)).then_some(TransferError::Silent { to, ticks })
    }

    /// Tells the one who is to lead to campaign, once its log holds all of this one.
    pub(super) fn tell_to_campaign(&mut self) {
        let last = self.log.last().index;
        let State::Leader(leader) = &mut self.state else { return };
        let Some(Transfer { to, told: false, .. }) = leader.transfer else { return };
        if leader.peer(to).is_some_and(|peer| peer.matched == last) {
            leader.transfer.as_mut().expect("it is under way").told = true;
            self.effects.msgs_now.push((to, Message { term: self.hard_state.term, body: Body::Campaign }));
        }
    }

    /// Gives up after an election timeout, so that proposals are taken again.
    pub(super) fn tick_transfer(&mut self, ticks: u32) {
        let State::Leader(leader) = &mut self.state else { return };
        let Some(transfer) = &mut leader.transfer else { return };
        transfer.elapsed = transfer.elapsed.saturating_add(ticks);
        if transfer.elapsed >= self.options.election_ticks {
            self.effects.transfers.push((transfer.id, Err(TransferError::TimedOut)));
            leader.transfer = None;
        }
    }

    /// A leader that is no member any more gives way: to the voter whose log is longest, which need not wait for its
    /// election timeout.
    pub(super) fn give_way(&mut self) {
        let State::Leader(leader) = &self.state else { return };
        let matched = |id: &NodeId| leader.peer(*id).map_or(Index(0), |peer| peer.matched);
        if let Some(to) = self.log.configuration().voters.keys().copied().max_by_key(matched) {
            self.effects.msgs_now.push((to, Message { term: self.hard_state.term, body: Body::Campaign }));
        }
        self.become_follower();
    }

    /// The leader wants this node to lead. Voters help although they hear the leader.
    pub(super) fn on_campaign(&mut self, from: NodeId) {
        if self.leader == Some(from) && self.may_campaign() {
            self.become_candidate(true);
        }
    }
}
