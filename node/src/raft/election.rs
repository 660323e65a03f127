//! How a node comes to lead: pre-votes, votes, and the rules of refusing them.

use std::collections::BTreeSet;

use super::core::State;
use super::replication::Leader;
use super::{Body, HardState, Message, NodeId, Note, Position, Raft, Rule, Rules, Term, quorum};

/// Who granted their vote, among the voters.
pub(super) type Votes = BTreeSet<NodeId>;

impl<R: Rules> Raft<R> {
    /// Only voters campaign, and only while there is a term left to campaign in. Whom an uncommitted configuration leaves out
    /// still campaigns, without counting itself: it may be the only one whose log is long enough to win (Raft
    /// dissertation, section 4.2.2).
    pub(super) fn may_campaign(&self) -> bool {
        let is_voter = self.log.may_be_voter(self.id, self.commit);
        let is_whole = self.recovery.is_none() && !self.lacks_database;
        is_voter && is_whole && self.hard_state.term < Term(u64::MAX)
    }

    /// Whether a leader spoke within the least election timeout. While one does, nobody is helped to depose it: a node
    /// that was cut off, or cannot hear the leader, must not disturb those who can (Raft dissertation, section 4.2.3).
    pub(super) fn hears_leader(&self) -> bool {
        match self.state {
            State::Leader(_) => true,
            _ if self.unheard >= self.options.election_ticks => false,
            // Whoever confirmed a lease keeps to it, whatever it hears of other terms meanwhile.
            _ => self.leader.is_some() || self.options.lease_ticks > 0,
        }
    }

    /// Asks for a new election timeout, and uses the least one until it comes.
    pub(super) fn draw_election_timeout(&mut self) {
        self.timeout = self.options.election_ticks;
        self.effects.wants_election_timeout = true;
    }

    /// Begins by asking whether an election could be won. Nothing of it is remembered, so the node counts at once.
    pub(super) fn campaign(&mut self) {
        self.forget_leader();
        self.elapsed = 0;
        self.round += 1;
        self.draw_election_timeout();
        self.enter(State::PreCandidate(Votes::new()));
        let term = Term(self.hard_state.term.0 + 1);
        let (last, round) = (self.log.last(), self.round);
        for voter in self.other_voters() {
            self.send_message(voter, Message { term, body: Body::PreVote { last, round } });
        }
        self.count_votes();
    }

    /// Takes on a newer term, in which this node has not voted. Someone's newer term is no sign of a leader: the time that
    /// passed without one goes on counting.
    pub(super) fn adopt_term(&mut self, term: Term) {
        assert!(term > self.hard_state.term, "term {term} is not newer than {}", self.hard_state.term);
        self.hard_state = HardState { term, vote: None };
        self.become_follower();
    }

    /// Goes on in this term as a follower of nobody.
    pub(super) fn become_follower(&mut self) {
        if matches!(self.state, State::Leader(_)) {
            self.elapsed = 0;
        }
        self.forget_leader();
        self.draw_election_timeout();
        self.enter(State::Follower);
    }

    /// Nobody is known to lead.
    fn forget_leader(&mut self) {
        self.leader = None;
        self.abandon_questions();
    }

    /// A leader of this term spoke. Returns false if it is not the one that this node knows: there can be only one, so one
    /// of them is wrong, and the newcomer is not believed.
    pub(super) fn hear_leader(&mut self, from: NodeId) -> bool {
        match self.leader {
            Some(leader) if leader != from => return false,
            Some(_) => {}
            None => {
                self.leader = Some(from);
                if !matches!(self.state, State::Follower) {
                    self.enter(State::Follower);
                }
                self.effects.notes.push(Note::Follows { leader: from, term: self.hard_state.term });
                self.ask_for_recovery();
            }
        }
        self.elapsed = 0;
        self.unheard = 0;
        true
    }

    /// Whether this node would vote for the sender in `term`. It changes nothing here, whatever the answer: a pre-vote is no
    /// sign of a leader, and its term was not reached by anybody yet.
    pub(super) fn on_pre_vote(&mut self, from: NodeId, term: Term, last: Position, round: u64) {
        let free = !self.hears_leader() && self.recovery.is_none();
        let granted = free && term > self.hard_state.term && last >= self.log.last();
        self.send(from, Body::PreVoteReply { granted, round });
    }

    pub(super) fn on_pre_vote_reply(&mut self, from: NodeId, granted: bool, round: u64) {
        let is_voter = self.log.configuration().is_voter(from);
        if let State::PreCandidate(votes) = &mut self.state
            && granted
            && is_voter
            && round == self.round
        {
            votes.insert(from);
            self.count_votes();
        }
    }

    /// Answers whoever asks, even if this node knows itself to be no voter: the log of the one who asks may know better.
    pub(super) fn on_vote(&mut self, from: NodeId, last: Position) {
        let free = self.hard_state.vote.is_none_or(|vote| vote == from) && self.recovery.is_none();
        if !free || last < self.log.last() {
            return self.send(from, Body::VoteReply { granted: false });
        }
        if self.hard_state.vote.is_none() {
            self.hard_state.vote = Some(from);
            if !matches!(self.state, State::Follower) {
                self.become_follower();
            }
        }
        self.elapsed = 0;
        self.send_after_sync(from, Message { term: self.hard_state.term, body: Body::VoteReply { granted: true } });
    }

    pub(super) fn on_vote_reply(&mut self, from: NodeId, granted: bool) {
        let is_voter = self.log.configuration().is_voter(from);
        if let State::Candidate(votes) = &mut self.state
            && granted
            && is_voter
        {
            votes.insert(from);
            self.count_votes();
        }
    }

    /// Goes on with the campaign if enough voters granted it.
    pub(super) fn count_votes(&mut self) {
        match &self.state {
            State::PreCandidate(votes) if self.wins(votes) => self.become_candidate(false),
            State::Candidate(votes) if self.own_vote_counts() && self.wins(votes) => self.become_leader(),
            _ => {}
        }
    }

    fn wins(&self, votes: &Votes) -> bool {
        quorum::decides(self.log.configuration(), |id| id == self.id || votes.contains(&id))
    }

    /// A candidate that might forget that it voted for itself could vote for another one after a restart.
    fn own_vote_counts(&self) -> bool {
        self.durability.hard_state() == self.hard_state || self.rules.breaks(Rule::AnswerAfterSync)
    }

    /// Asks for votes. `told` says that the leader wants it.
    pub(super) fn become_candidate(&mut self, told: bool) {
        self.forget_leader();
        let term = Term(self.hard_state.term.0 + 1);
        self.hard_state = HardState { term, vote: Some(self.id) };
        self.elapsed = 0;
        self.draw_election_timeout();
        self.enter(State::Candidate(Votes::new()));
        let last = self.log.last();
        for voter in self.other_voters() {
            self.send_after_sync(voter, Message { term, body: Body::Vote { last, told } });
        }
        self.count_votes();
    }

    fn become_leader(&mut self) {
        self.forget_leader();
        self.leader = Some(self.id);
        let members = self.log.configuration().members();
        self.enter(State::Leader(Leader::new(self.id, members, self.log.last().index)));
        self.append_noop();
    }

    fn enter(&mut self, state: State) {
        if let State::Leader(leader) = std::mem::replace(&mut self.state, state) {
            leader.reads.abandon(&mut self.effects);
            if let Some(transfer) = leader.transfer {
                transfer.end(&mut self.effects);
            }
        }
        self.effects.notes.push(Note::Role { role: self.role(), term: self.hard_state.term });
    }

    /// The voters but for this node.
    pub(super) fn other_voters(&self) -> Vec<NodeId> {
        let configuration = self.log.configuration();
        configuration.members().into_iter().filter(|id| *id != self.id && configuration.is_voter(*id)).collect()
    }
}
