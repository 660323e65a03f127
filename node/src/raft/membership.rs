//! Changes of the membership: joint consensus (Raft, section 6).
//!
//! A change is one entry. If it changes who votes, the entry is a joint configuration: until it is committed and left
//! again, whatever is decided needs a majority of the old voters and one of the new. The leader leaves it by itself. A
//! configuration is in effect from the moment it is appended, on every node, and no longer when it is truncated.
//!
//! A change begins only when the one before is committed and left, and when the leader has committed an entry of its own
//! term: otherwise two leaders could each commit one that the other has not seen (Ongaro, raft-dev, July 2015).
//!
//! With [`Options::dead_ticks`](super::Options::dead_ticks) a leader itself begins the removal of a member of which it has
//! heard nothing for so long. Only what it heard as leader of its term counts, so that a new one waits anew. If the member
//! comes back before the removal is committed, the change goes on all the same, as any other: what is in the log is not
//! taken back. From then on it is a stranger, like anybody who was removed. No least number of voters is kept: of three, the
//! dead one is removed, and the two that remain need each other.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::core::State;
use super::{Configuration, EntryKind, Index, NodeId, Note, Position, ProposalId, ProposeError, Raft, Rules, quorum};

/// One thing that changes. Several can change in one step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A new node is to receive the log, without a vote.
    AddLearner {
        /// The node.
        id: NodeId,
        /// Where it listens.
        address: String,
    },
    /// A learner is to vote.
    Promote(NodeId),
    /// A node is to be a member no more.
    Remove(NodeId),
}

/// Why the members cannot be changed so, or not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeError {
    /// The leader has not yet committed an entry of its own term.
    NotReady,
    /// The configuration of this index is not yet committed, or not yet left.
    Pending(Index),
    /// Nothing would change.
    Nothing,
    /// The node is a member already.
    Member(NodeId),
    /// The node is no member.
    Unknown(NodeId),
    /// The node votes already.
    Votes(NodeId),
    /// The node lacks so many entries, and would hold up commitment as a voter.
    Behind(NodeId, u64),
    /// The node was not heard from lately.
    Silent(NodeId),
    /// Nobody would vote.
    NoVoters,
    /// Of the voters there would be, so few of so many were heard from lately: nothing could be committed.
    NoMajority(usize, usize),
}

impl<R: Rules> Raft<R> {
    /// Appends the configuration that these changes lead to.
    pub(super) fn change(&mut self, id: ProposalId, changes: &[Change]) {
        let result = self.try_change(changes);
        self.effects.proposals.push((id, result));
    }

    /// Removes a member that was silent for as long as the options say. It goes as if somebody had asked for it: one after the
    /// other, and nobody whose removal would be refused.
    pub(super) fn remove_the_dead(&mut self) {
        let State::Leader(leader) = &self.state else { return };
        if self.options.dead_ticks == 0 {
            return;
        }
        let dead = leader.silent_for(self.options.dead_ticks);
        let removed = dead.into_iter().find(|(id, _)| self.try_change(&[Change::Remove(*id)]).is_ok());
        self.effects.notes.extend(removed.map(|(member, silence)| Note::RemovesDead { member, silence }));
    }

    fn try_change(&mut self, changes: &[Change]) -> Result<Position, ProposeError> {
        let State::Leader(leader) = &self.state else { return Err(ProposeError::NotLeader { leader: self.leader }) };
        if leader.transfer.is_some() {
            return Err(ProposeError::Transferring);
        }
        let configuration = self.changed(changes).map_err(ProposeError::Change)?;
        self.append_configuration(&configuration);
        Ok(self.log.last())
    }

    fn changed(&self, changes: &[Change]) -> Result<Configuration, ChangeError> {
        if !self.committed_own_term() {
            return Err(ChangeError::NotReady);
        }
        let old = self.log.configuration();
        if self.log.configuration_index() > self.commit || old.is_joint() {
            return Err(ChangeError::Pending(self.log.configuration_index()));
        }
        let (mut voters, mut learners) = (old.voters.clone(), old.learners.clone());
        for change in changes {
            self.apply_change(change, old, &mut voters, &mut learners)?;
        }
        if voters.is_empty() {
            return Err(ChangeError::NoVoters);
        }
        if (&voters, &learners) == (&old.voters, &old.learners) {
            return Err(ChangeError::Nothing);
        }
        let same = voters.keys().eq(old.voters.keys());
        let outgoing = if same { BTreeMap::new() } else { old.voters.clone() };
        let (learners_next, settings) = (BTreeMap::new(), old.settings.clone());
        let new = Configuration { voters, outgoing, learners, learners_next, auto_leave: !same, settings };
        if !same && !quorum::decides(&new, |id| self.is_heard(id)) {
            let heard = new.voters.keys().filter(|id| self.is_heard(**id)).count();
            return Err(ChangeError::NoMajority(heard, new.voters.len()));
        }
        Ok(new)
    }

    fn apply_change(
        &self,
        change: &Change,
        old: &Configuration,
        voters: &mut BTreeMap<NodeId, String>,
        learners: &mut BTreeMap<NodeId, String>,
    ) -> Result<(), ChangeError> {
        match change {
            Change::AddLearner { id, .. } if old.members().contains(id) => Err(ChangeError::Member(*id)),
            Change::AddLearner { id, address } => {
                learners.insert(*id, address.clone());
                Ok(())
            }
            Change::Promote(id) if voters.contains_key(id) => Err(ChangeError::Votes(*id)),
            Change::Promote(id) => {
                self.is_caught_up(*id, learners)?;
                let address = learners.remove(id).ok_or(ChangeError::Unknown(*id))?;
                voters.insert(*id, address);
                Ok(())
            }
            Change::Remove(id) => match voters.remove(id).or_else(|| learners.remove(id)) {
                Some(_) => Ok(()),
                None => Err(ChangeError::Unknown(*id)),
            },
        }
    }

    /// A voter that lacks much of the log would keep everything from being committed until it has it.
    fn is_caught_up(&self, id: NodeId, learners: &BTreeMap<NodeId, String>) -> Result<(), ChangeError> {
        let State::Leader(leader) = &self.state else { return Err(ChangeError::NotReady) };
        if !learners.contains_key(&id) {
            return Err(ChangeError::Unknown(id));
        }
        let Some(peer) = leader.peer(id).filter(|peer| peer.is_heard()) else { return Err(ChangeError::Silent(id)) };
        let lacks = self.log.last().index.0 - peer.matched.0;
        if lacks > self.options.promote_lag { Err(ChangeError::Behind(id, lacks)) } else { Ok(()) }
    }

    fn is_heard(&self, id: NodeId) -> bool {
        let State::Leader(leader) = &self.state else { return false };
        id == self.id || leader.peer(id).is_some_and(|peer| peer.is_heard())
    }

    /// Whether what is committed includes an entry of this term, and so everything that was committed before it.
    pub(super) fn committed_own_term(&self) -> bool {
        self.log.term_at(self.commit) == Some(self.hard_state.term)
    }

    fn append_configuration(&mut self, configuration: &Configuration) {
        let payload: Bytes = configuration.encode();
        self.append_own(EntryKind::Configuration, payload);
        let (index, members, last) =
            (self.log.configuration_index(), self.log.configuration().members(), self.log.last().index);
        if let State::Leader(leader) = &mut self.state {
            leader.follow(&members, index, self.id, last);
        }
    }

    /// What a leader does once its newest configuration is committed: leaves a joint one, or gives way if it is no member.
    pub(super) fn act_on_configuration(&mut self) {
        if !matches!(self.state, State::Leader(_))
            || !self.committed_own_term()
            || self.log.configuration_index() > self.commit
        {
            return;
        }
        let configuration = self.log.configuration();
        if configuration.is_joint() {
            if configuration.auto_leave {
                let left = configuration.left();
                self.append_configuration(&left);
            }
        } else if !configuration.is_voter(self.id) {
            self.give_way();
        }
    }
}
