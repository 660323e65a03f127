//! The state of a node, and the two calls that are all of its life: [`Raft::step`] and [`Raft::take_effects`].

use super::durability::Durability;
use super::election::Votes;
use super::log::Log;
use super::reads::{Questions, Reader};
use super::replication::Leader;
use super::snapshot::Recovery;
use super::{
    Body, Configuration, Effects, Entry, HardState, Index, Input, Message, NodeId, Note, Position, Role, Term,
};
use super::{Rule, Rules};

/// How a node is set up. Times are in ticks of its own monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// A leader sends heartbeats this often. Several must fit into `election_ticks`.
    pub heartbeat_ticks: u32,
    /// The least election timeout. For so long after a leader's last message a node helps nobody to depose it, and a
    /// leader that a majority has not answered for so long steps down.
    pub election_ticks: u32,
    /// An append carries at most so many bytes, but always at least one entry.
    pub max_append_bytes: usize,
    /// At most so many appends are under way to a follower without an answer.
    pub max_inflight: usize,
    /// At most so many bytes of payload are under way to a follower without an answer, but always at least one append.
    pub max_inflight_bytes: usize,
    /// While payloads of so many bytes are proposed and uncommitted, more proposals are refused. One is always taken.
    pub max_uncommitted_bytes: usize,
    /// A learner that lacks more entries than this cannot become a voter.
    pub promote_lag: u64,
    /// For so long a majority's word that this node leads is good for reads, counted from when it was asked. 0 is for no
    /// lease: each read is confirmed. It must be shorter than `election_ticks` by all that clocks may differ in that time,
    /// and the same on all nodes.
    pub lease_ticks: u32,
    /// A member of which a leader heard nothing for so long is removed. 0 is for never. It must be several times
    /// `election_ticks`, since that is how often a leader looks.
    pub dead_ticks: u64,
}

/// What a node finds on its disk at boot. It is taken for durable: the log store proved it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Term and vote.
    pub hard_state: HardState,
    /// The position before the first entry.
    pub base: Position,
    /// The newest configuration that the database executed, and its index; the empty one if there is none.
    pub configuration: (Index, Configuration),
    /// The entries after the base. A log without entries and base is that of a node that was not bootstrapped; it answers,
    /// but never campaigns.
    pub entries: Vec<Entry>,
    /// The last entry that the database executed. It was committed, even if the log does not reach so far any more.
    pub applied: Index,
    /// The database was set aside: the node needs a copy of the leader's, even if its log has all entries. Until then it
    /// votes, and never campaigns.
    pub lacks_database: bool,
    /// A part of the log was lost that had been durable: the node neither votes nor campaigns until it has it again.
    pub recovering: bool,
}

/// One node's part in consensus. It does nothing by itself: inputs go in, effects come out.
///
/// Invariants: the term never falls; `commit` never falls and is never beyond the log; nothing at or below `commit` is
/// ever removed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raft<R> {
    pub(super) options: Options,
    pub(super) rules: R,
    pub(super) id: NodeId,
    pub(super) hard_state: HardState,
    pub(super) state: State,
    /// Who leads this term, if known.
    pub(super) leader: Option<NodeId>,
    pub(super) log: Log,
    pub(super) commit: Index,
    pub(super) durability: Durability,
    /// Appends are answered with the wish for a copy of the database.
    pub(super) lacks_database: bool,
    /// What the log lacks, if a part of it was lost.
    pub(super) recovery: Option<Recovery>,
    /// The reads of a node that does not lead.
    pub(super) questions: Questions,
    /// Ticks since a leader was heard, or since the boot if leases must be kept to that this node may have forgotten.
    pub(super) unheard: u32,
    /// Ticks since a leader was heard, a vote was granted or a campaign began. Leaders have counters of their own.
    pub(super) elapsed: u32,
    /// When `elapsed` reaches it, the node campaigns.
    pub(super) timeout: u32,
    /// The number of the last pre-vote round.
    pub(super) round: u64,
    /// What the next [`Raft::take_effects`] returns, as far as it is known.
    pub(super) effects: Effects,
    /// The hard state that the host was given last.
    handed_out: HardState,
    /// How far the host was told to apply.
    told_to_apply: Index,
}

/// A role, and what is known only in that role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Follower,
    PreCandidate(Votes),
    Candidate(Votes),
    Leader(Leader),
}

impl<R: Rules> Raft<R> {
    /// A node at boot.
    ///
    /// # Panics
    /// If the log has gaps, begins at index 1 with anything but a configuration, or is newer than the hard state.
    pub fn new(options: Options, id: NodeId, saved: Saved, rules: R) -> Raft<R> {
        let Saved { hard_state, base, configuration, entries, applied, lacks_database, recovering } = saved;
        let log = Log::new(base, configuration, entries);
        let last = log.last();
        let committed = applied.min(last.index).max(base.index);
        assert!(last.term <= hard_state.term, "the log ends at {last}, after the durable term {}", hard_state.term);
        let mut raft = Raft {
            options,
            rules,
            id,
            hard_state,
            state: State::Follower,
            leader: None,
            log,
            commit: committed,
            durability: Durability::new(last.index, hard_state),
            lacks_database,
            recovery: recovering.then_some(Recovery::Unknown),
            questions: Questions::default(),
            unheard: if options.lease_ticks > 0 { 0 } else { u32::MAX },
            elapsed: 0,
            timeout: options.election_ticks,
            round: 0,
            effects: Effects::default(),
            handed_out: hard_state,
            told_to_apply: committed,
        };
        raft.draw_election_timeout();
        raft
    }

    /// Takes an input. Its consequences are added to the effects.
    ///
    /// **Contract:** before any other input the host steps the [`Input::Tick`] of the time that passed since the last
    /// one, so that what the input restarts is counted from the moment of the input.
    ///
    /// # Panics
    /// On inputs that break the host's contract: a batch that was never handed out, the proposal of a configuration, a
    /// compaction beyond what may be applied, a database that is newer than the term or other than what is committed.
    /// Nothing that a peer sends panics.
    pub fn step(&mut self, input: Input) {
        let (term, commit) = (self.hard_state.term, self.commit);
        match input {
            Input::Tick(ticks) => self.tick(ticks),
            Input::Message { from, message } => self.step_message(from, message),
            Input::Propose { id, kind, payload } => self.propose(id, kind, payload),
            Input::Change { id, changes } => self.change(id, &changes),
            Input::Transfer { id, to } => self.transfer(id, to),
            Input::Read { id } => self.read(Reader::Host(id)),
            Input::ForgetReads { up_to } => self.forget_reads(up_to),
            Input::Compact { to } => self.compact(to),
            Input::Installed { at, configuration } => self.installed(at, configuration),
            Input::SnapshotEnded { to } => self.snapshot_ended(to),
            Input::Restarted { peer } => self.restarted(peer),
            Input::Persisted { batch } => self.persisted(batch),
            Input::ElectionTimeout { ticks } => self.timeout = ticks.max(self.options.election_ticks),
        }
        assert!(self.hard_state.term >= term, "the term fell from {term} to {}", self.hard_state.term);
        assert!(self.commit >= commit, "the commit index fell from {commit} to {}", self.commit);
        assert!(self.commit <= self.log.last().index, "commit {} is beyond the log", self.commit);
    }

    /// What the host must do now. Inputs may be gathered between two calls; what they cause is then written as one batch.
    pub fn take_effects(&mut self) -> Effects {
        self.replicate();
        self.ask();
        let mut effects = std::mem::take(&mut self.effects);
        if self.handed_out != self.hard_state {
            self.handed_out = self.hard_state;
            effects.hard_state = Some(match self.rules.breaks(Rule::RememberVote) {
                true => HardState { vote: None, ..self.hard_state },
                false => self.hard_state,
            });
        }
        (effects.truncate_from, effects.append) = self.log.hand_out();
        let writes = effects.hard_state.is_some() || effects.truncate_from.is_some() || !effects.append.is_empty();
        effects.batch = match writes {
            true => self.durability.hand_out(self.log.last().index, self.hard_state),
            false => self.durability.newest(),
        };
        if self.durability.is_settled() {
            effects.msgs_now.append(&mut effects.msgs_after_sync);
        }
        if self.apply_to() > self.told_to_apply {
            self.told_to_apply = self.apply_to();
            effects.apply_to = Some(self.told_to_apply);
        }
        effects
    }

    /// After how many ticks a [`Input::Tick`] would do something; `None` if time changes nothing.
    pub fn ticks_to_deadline(&self) -> Option<u32> {
        match &self.state {
            State::Leader(leader) => leader.ticks_to_deadline(&self.options),
            _ => {
                let campaign = self.may_campaign().then(|| self.timeout.saturating_sub(self.elapsed));
                let question = self.questions.ticks_to_deadline(self.options.heartbeat_ticks);
                campaign.into_iter().chain(question).min()
            }
        }
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The current term.
    pub fn term(&self) -> Term {
        self.hard_state.term
    }

    /// What the node is in this term.
    pub fn role(&self) -> Role {
        match self.state {
            State::Follower => Role::Follower,
            State::PreCandidate(_) => Role::PreCandidate,
            State::Candidate(_) => Role::Candidate,
            State::Leader(_) => Role::Leader,
        }
    }

    /// Who leads this term, if known.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// All entries up to here are known to be committed.
    pub fn commit(&self) -> Index {
        self.commit
    }

    /// All entries up to here are durable on this node.
    pub fn durable(&self) -> Index {
        self.durability.index()
    }

    /// Entries up to here may be applied: they are committed, and durable on this node.
    pub fn apply_to(&self) -> Index {
        self.commit.min(self.durability.index())
    }

    /// The position before the first entry of the log.
    pub fn base(&self) -> Position {
        self.log.base()
    }

    /// The index of the configuration in effect.
    pub fn configuration_index(&self) -> Index {
        self.log.configuration_index()
    }

    /// The end of the log.
    pub fn last(&self) -> Position {
        self.log.last()
    }

    /// The configuration in effect: the latest in the log, empty if there is none.
    pub fn configuration(&self) -> &Configuration {
        self.log.configuration()
    }

    /// The entries from `first` to `last`, both included; empty when `last` is before `first`.
    ///
    /// # Panics
    /// If `first` is not above the base or `last` is beyond the end of the log.
    pub fn entries(&self, first: Index, last: Index) -> &[Entry] {
        self.log.entries(first, last)
    }

    /// The term of the entry at an index, if the log holds it or begins after it; of index 0 it is 0.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.log.term_at(index)
    }

    /// However many ticks passed at once, each thing that was due happens once.
    fn tick(&mut self, ticks: u32) {
        if matches!(self.state, State::Leader(_)) {
            return self.tick_leader(ticks);
        }
        self.elapsed = self.elapsed.saturating_add(ticks);
        self.unheard = self.unheard.saturating_add(ticks);
        self.tick_questions(ticks);
        if self.elapsed >= self.timeout && self.may_campaign() {
            self.campaign();
        }
    }

    fn persisted(&mut self, batch: super::Batch) {
        self.durability.persisted(batch);
        self.end_recovery();
        match self.state {
            State::Candidate(_) => self.count_votes(),
            State::Leader(_) => self.advance_commit(),
            State::Follower | State::PreCandidate(_) => {}
        }
    }

    fn step_message(&mut self, from: NodeId, message: Message) {
        let Message { term, body } = message;
        if from == self.id {
            return;
        }
        if let State::Leader(leader) = &mut self.state {
            leader.hears(from);
        }
        match body {
            Body::PreVote { last, round } => return self.on_pre_vote(from, term, last, round),
            Body::Vote { told: false, .. } if self.hears_leader() => return,
            _ if term > self.hard_state.term => self.adopt_term(term),
            _ => {}
        }
        match body {
            Body::PreVoteReply { granted, round } => self.on_pre_vote_reply(from, granted, round),
            _ if term < self.hard_state.term => self.answer_older_term(from, &body),
            Body::Vote { last, .. } => self.on_vote(from, last),
            Body::VoteReply { granted } => self.on_vote_reply(from, granted),
            Body::Append { previous, entries, commit } => self.on_append(from, previous, entries, commit),
            Body::Heartbeat { commit } => self.on_heartbeat(from, commit),
            Body::Confirm { round } => self.on_confirm(from, round),
            Body::Confirmed { round } => self.on_confirmed(from, round),
            Body::ReadIndex { number } => self.on_read_index(from, number),
            Body::ReadIndexReply { number, index } => self.on_read_index_reply(from, number, index),
            Body::Campaign => self.on_campaign(from),
            Body::Appended { .. } | Body::Rejected { .. } | Body::NeedsCopy | Body::HeartbeatReply => {
                self.on_follower_reply(from, body)
            }
            Body::PreVote { .. } => unreachable!("pre-votes were answered above"),
        }
    }

    /// Whoever leads or campaigns in an older term must learn of this one; nobody waits for other answers.
    fn answer_older_term(&mut self, from: NodeId, body: &Body) {
        match body {
            Body::Vote { .. } => self.send(from, Body::VoteReply { granted: false }),
            Body::Append { .. } | Body::Heartbeat { .. } | Body::Confirm { .. } => {
                self.send(from, Body::HeartbeatReply)
            }
            _ => {}
        }
    }

    /// Sends what promises nothing beyond this node's term.
    pub(super) fn send(&mut self, to: NodeId, body: Body) {
        self.send_message(to, Message { term: self.hard_state.term, body });
    }

    /// Likewise, for a message that carries another term.
    pub(super) fn send_message(&mut self, to: NodeId, message: Message) {
        if self.durability.hard_state().term == self.hard_state.term {
            self.effects.msgs_now.push((to, message));
        } else {
            self.send_after_sync(to, message);
        }
    }

    /// Sends what promises that this node remembers its vote or its log.
    pub(super) fn send_after_sync(&mut self, to: NodeId, message: Message) {
        match self.rules.breaks(Rule::AnswerAfterSync) {
            true => self.effects.msgs_now.push((to, message)),
            false => self.effects.msgs_after_sync.push((to, message)),
        }
    }

    /// Commits up to `index`, which the caller found to be committed and in the log.
    pub(super) fn commit_to(&mut self, index: Index) {
        if index > self.commit {
            self.commit = index;
            self.effects.notes.push(Note::Committed { index });
        }
    }
}
