//! Reads of what is committed (Raft dissertation, section 6.4): the leader notes its commit index, makes sure that it
//! still leads, and only then tells the index; whoever asked waits until it has applied that much.
//!
//! A leader makes sure in rounds of its own numbering. All reads that come while a round is under way wait for the next
//! one, so that any number of reads costs one round. A follower likewise asks its leader one question at a time.
//!
//! With a lease, a confirmed round vouches for some time, counted from the moment at which it was sent: no voter that
//! confirmed it helps to elect somebody else before. The lease is void for the rest of the term once the leader tells
//! somebody to campaign, since such a campaign is not kept waiting.

use std::collections::VecDeque;

use super::core::State;
use super::{Body, Effects, Index, Message, NodeId, Raft, ReadError, ReadId, Rules, quorum};

/// The reads that a leader has not answered, and what it knows of its own leadership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Reads {
    /// The number of the newest round that was sent.
    round: u64,
    /// The reads that wait, by the round that must be confirmed.
    waiting: VecDeque<Waiting>,
    /// Rounds without a majority's answer, and the time at which each was sent, in ticks of this leadership.
    sent: VecDeque<(u64, u64)>,
    /// Until when the lease lasts.
    lease_until: u64,
    /// The lease is void for the rest of the term.
    void: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    round: u64,
    index: Index,
    reader: Reader,
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reader {
    /// The host.
    Host(ReadId),
    /// The follower, with the number of its question.
    Follower(NodeId, u64),
    /// This node, to learn how much of the log it must have to be trusted again.
    Recovery,
}

/// The reads of a node that does not lead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Questions {
    /// The number of the newest question.
    number: u64,
    /// Who waits for its answer.
    asked: Vec<Reader>,
    /// Who waits for the next question.
    queued: Vec<Reader>,
    /// Ticks since the question was sent.
    elapsed: u32,
}

impl Reads {
    /// The leader tells somebody to campaign, who may win at any time from now on.
    pub(super) fn void_lease(&mut self) {
        self.void = true;
    }

    /// Nobody waits any more for the answers to what a follower asked.
    pub(super) fn forget(&mut self, follower: NodeId) {
        self.waiting.retain(|waiting| !matches!(waiting.reader, Reader::Follower(id, _) if id == follower));
    }

    /// Nothing can be said any more to those who wait: the node does not lead.
    pub(super) fn abandon(self, effects: &mut Effects) {
        for waiting in self.waiting {
            if let Reader::Host(id) = waiting.reader {
                effects.reads.push((id, Err(ReadError::NoLeader)));
            }
        }
    }

    fn wants_round(&self) -> bool {
        self.waiting.front().is_some_and(|oldest| oldest.round > self.round)
    }
}

impl Questions {
    /// After how many ticks the question is asked again.
    pub(super) fn ticks_to_deadline(&self, heartbeat_ticks: u32) -> Option<u32> {
        (!self.asked.is_empty()).then(|| heartbeat_ticks.saturating_sub(self.elapsed))
    }
}

impl<R: Rules> Raft<R> {
    /// The host, or this node itself, wants to read.
    pub(super) fn read(&mut self, reader: Reader) {
        if matches!(self.state, State::Leader(_)) {
            return self.read_as_leader(reader);
        }
        match self.leader {
            Some(_) => self.questions.queued.push(reader),
            None => self.answer(reader, Err(ReadError::NoLeader)),
        }
    }

    pub(super) fn on_read_index(&mut self, from: NodeId, number: u64) {
        if matches!(self.state, State::Leader(_)) {
            self.read_as_leader(Reader::Follower(from, number));
        }
    }

    fn read_as_leader(&mut self, reader: Reader) {
        if !self.committed_own_term() {
            return self.answer(reader, Err(ReadError::NotReady));
        }
        let index = self.commit;
        let lease = self.options.lease_ticks > 0;
        let State::Leader(leader) = &mut self.state else { unreachable!("only leaders are asked") };
        let reads = &mut leader.reads;
        if lease && !reads.void && leader.ticks < reads.lease_until {
            return self.answer(reader, Ok(index));
        }
        reads.waiting.push_back(Waiting { round: reads.round + 1, index, reader });
    }

    /// Sends what waits to be asked: of the voters whether this node leads, or of the leader what is committed.
    pub(super) fn ask(&mut self) {
        match &self.state {
            State::Leader(leader) if leader.reads.wants_round() => self.begin_round(),
            State::Leader(_) => {}
            _ => self.ask_leader(),
        }
    }

    /// A round answers all who wait now, and what an older one that was lost left waiting.
    pub(super) fn begin_round(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        let reads = &mut leader.reads;
        reads.round += 1;
        if self.options.lease_ticks > 0 {
            reads.sent.push_back((reads.round, leader.ticks));
        }
        let message = Message { term: self.hard_state.term, body: Body::Confirm { round: reads.round } };
        for voter in self.other_voters() {
            self.effects.msgs_now.push((voter, message.clone()));
        }
        self.count_confirmations();
    }

    /// With each heartbeat, another round for those who still wait, and for the lease.
    pub(super) fn repeat_round(&mut self) {
        let State::Leader(leader) = &self.state else { return };
        if !leader.reads.waiting.is_empty() || self.options.lease_ticks > 0 {
            self.begin_round();
        }
    }

    pub(super) fn on_confirmed(&mut self, from: NodeId, round: u64) {
        let State::Leader(leader) = &mut self.state else { return };
        let newest = leader.reads.round;
        if let Some(peer) = leader.peer_mut(from)
            && round <= newest
        {
            peer.confirmed = peer.confirmed.max(round);
            self.count_confirmations();
        }
    }

    fn count_confirmations(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        let newest = leader.reads.round;
        let by = |id| if id == self.id { newest } else { leader.peer(id).map_or(0, |peer| peer.confirmed) };
        let confirmed = quorum::held(self.log.configuration(), by);
        let reads = &mut leader.reads;
        while let Some((_, sent)) = reads.sent.pop_front_if(|(round, _)| *round <= confirmed) {
            reads.lease_until = sent + u64::from(self.options.lease_ticks);
        }
        let mut answered = Vec::new();
        while let Some(waiting) = reads.waiting.pop_front_if(|waiting| waiting.round <= confirmed) {
            answered.push(waiting);
        }
        for Waiting { index, reader, .. } in answered {
            self.answer(reader, Ok(index));
        }
    }

    fn ask_leader(&mut self) {
        let Some(leader) = self.leader else { return };
        let questions = &mut self.questions;
        if questions.asked.is_empty() && !questions.queued.is_empty() {
            questions.number += 1;
            questions.asked = std::mem::take(&mut questions.queued);
            questions.elapsed = 0;
            let number = questions.number;
            self.send(leader, Body::ReadIndex { number });
        }
    }

    /// A question or its answer may be lost: it is asked again as often as a leader would be heard.
    pub(super) fn tick_questions(&mut self, ticks: u32) {
        let questions = &mut self.questions;
        questions.elapsed = questions.elapsed.saturating_add(ticks);
        if questions.asked.is_empty() || questions.elapsed < self.options.heartbeat_ticks {
            return;
        }
        questions.elapsed = 0;
        let number = questions.number;
        if let Some(leader) = self.leader {
            self.send(leader, Body::ReadIndex { number });
        }
    }

    pub(super) fn on_read_index_reply(&mut self, from: NodeId, number: u64, index: Option<Index>) {
        if self.leader != Some(from) || number != self.questions.number {
            return;
        }
        for reader in std::mem::take(&mut self.questions.asked) {
            self.answer(reader, index.ok_or(ReadError::NotReady));
        }
    }

    /// A leader that cannot tell yet is asked again when it would be if its answer were lost.
    pub(super) fn ask_again_later(&mut self, reader: Reader) {
        self.questions.asked.push(reader);
    }

    /// The host waits no more for its reads up to this one.
    pub(super) fn forget_reads(&mut self, up_to: ReadId) {
        let waits = |reader: &Reader| !matches!(reader, Reader::Host(id) if *id <= up_to);
        self.questions.asked.retain(waits);
        self.questions.queued.retain(waits);
        if let State::Leader(leader) = &mut self.state {
            leader.reads.waiting.retain(|waiting| waits(&waiting.reader));
        }
    }

    /// Whoever was asked leads no more.
    pub(super) fn abandon_questions(&mut self) {
        let questions = &mut self.questions;
        let readers: Vec<Reader> = questions.asked.drain(..).chain(questions.queued.drain(..)).collect();
        readers.into_iter().for_each(|reader| self.answer(reader, Err(ReadError::NoLeader)));
    }

    fn answer(&mut self, reader: Reader, answer: Result<Index, ReadError>) {
        match reader {
            Reader::Host(id) => self.effects.reads.push((id, answer)),
            Reader::Follower(id, number) => self.send(id, Body::ReadIndexReply { number, index: answer.ok() }),
            Reader::Recovery => self.recovery_needs(answer.ok()),
        }
    }
}
