//! Every state that small clusters of the real core can reach, explored with stateright.
//!
//! A scope bounds how often each thing may happen. Messages are a set, and are delivered in any order or never: that is loss
//! and reordering. A node that asks for votes found a silence that was long enough for all to listen to it; pre-votes and
//! their answers arrive at once, since they change nothing but the asker's mind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use lockstep_node::raft::{
    Body, Change, Configuration, Effects, Entry, EntryKind, HardState, Index, Input, Message, NodeId, Note, Options,
    Position, ProposalId, Raft, ReadId, Role, Rule, Term,
};
use stateright::{Model, Property};

use crate::checker::Checker;
use crate::cluster::Breaks;
use crate::disk::Disk;
use crate::shared::{Shared, fingerprint};

/// What may happen in a cluster, and how often.
#[derive(Clone)]
pub struct Scope {
    pub name: &'static str,
    /// Nodes n1 and on; n1 leads, and all have its no-op.
    pub voters: u64,
    pub learners: u64,
    /// A change that some leader may be asked for, once.
    pub changes: Vec<Change>,
    pub limits: Limits,
    /// What must be possible, so that it is known to have been explored.
    pub goal: fn(&State) -> bool,
    /// Syncs take a while; a crash before loses what was written.
    pub slow_disks: bool,
    pub breaks: Option<Rule>,
}

/// How often each thing may still happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    pub campaigns: u32,
    pub proposals: u32,
    pub heartbeats: u32,
    pub crashes: u32,
    pub duplicates: u32,
    pub changes: u32,
    pub transfers: u32,
    pub reads: u32,
    pub compactions: u32,
}

/// One state of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    nodes: Vec<Shared<Node>>,
    network: Vec<Letter>,
    limits: Limits,
    checker: Shared<Checker>,
    answered: u32,
    copied: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    raft: Raft<Breaks>,
    disk: Disk,
    /// What syncs make durable, in order, and what leaves then.
    writes: VecDeque<Arc<Effects>>,
    /// Up to where its commits were checked.
    commit: Index,
    /// To whom it should send a copy of its database.
    copies: Vec<NodeId>,
}

/// A message under way, ordered by anything that is the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Letter {
    from: NodeId,
    to: NodeId,
    fingerprint: u64,
    message: Arc<Message>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The message at this place arrives, and may stay to arrive again.
    Deliver {
        place: usize,
        stays: bool,
    },
    Sync(NodeId),
    Campaign(NodeId),
    Heartbeat(NodeId),
    Crash(NodeId),
    Propose(NodeId),
    Change(NodeId),
    Transfer(NodeId, NodeId),
    Read(NodeId),
    Compact(NodeId),
    Copy(NodeId, NodeId),
}

const OPTIONS: Options = Options {
    heartbeat_ticks: 50,
    election_ticks: 150,
    max_append_bytes: 1024,
    max_inflight: 2,
    max_inflight_bytes: 1024,
    max_uncommitted_bytes: 1024,
    promote_lag: 8,
    lease_ticks: 0,
    dead_ticks: 0,
};

impl Model for Scope {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let limits = &state.limits;
        for place in 0..state.network.len() {
            actions.push(Action::Deliver { place, stays: false });
            if limits.duplicates > 0 {
                actions.push(Action::Deliver { place, stays: true });
            }
        }
        for node in &state.nodes {
            let (id, leads) = (node.raft.id(), node.raft.role() == Role::Leader);
            let mut offer = |may: bool, action: Action| actions.extend(may.then_some(action));
            offer(!node.writes.is_empty(), Action::Sync(id));
            offer(limits.campaigns > 0 && !leads, Action::Campaign(id));
            offer(limits.heartbeats > 0 && leads, Action::Heartbeat(id));
            offer(limits.crashes > 0, Action::Crash(id));
            offer(limits.proposals > 0 && leads, Action::Propose(id));
            offer(limits.changes > 0 && leads, Action::Change(id));
            offer(limits.reads > 0, Action::Read(id));
            offer(limits.compactions > 0 && node.raft.apply_to() > node.raft.base().index, Action::Compact(id));
            for other in state.nodes.iter().map(|other| other.raft.id()).filter(|other| *other != id) {
                offer(limits.transfers > 0 && leads, Action::Transfer(id, other));
                offer(node.copies.contains(&other), Action::Copy(id, other));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        state.act(self, action);
        if !self.slow_disks {
            state.forget_what_is_late();
        }
        state.nodes.iter_mut().for_each(Shared::settle);
        state.checker.settle();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Scope>> {
        vec![
            Property::always("election safety", |_, state: &State| !state.is_violated("election safety")),
            Property::always("one vote a term", |_, state: &State| !state.is_violated("one vote a term")),
            Property::always("log matching", |_, state: &State| !state.is_violated("log matching")),
            Property::always("leader completeness", |_, state: &State| !state.is_violated("leader completeness")),
            Property::always("state machine safety", |_, state: &State| !state.is_violated("state machine safety")),
            Property::always("durability", |_, state: &State| !state.is_violated("durability")),
            Property::always("linearizable reads", |_, state: &State| !state.is_violated("linearizable reads")),
            // All that holds as well where nothing ever happens.
            Property::sometimes("the goal", |scope, state: &State| (scope.goal)(state)),
        ]
    }
}

impl State {
    /// The members' first entry, then n1 leads.
    fn new(scope: &Scope) -> State {
        let named = |from: u64, to: u64| (from..=to).map(|id| (NodeId(id), String::new())).collect::<BTreeMap<_, _>>();
        let mut configuration = Configuration::of_voters(named(1, scope.voters));
        configuration.learners = named(scope.voters + 1, scope.voters + scope.learners);
        let first =
            Entry { index: Index(1), term: Term(1), kind: EntryKind::Configuration, payload: configuration.encode() };
        let disk = Disk { hard_state: HardState { term: Term(1), vote: None }, log: vec![first], ..Disk::default() };
        let node = |id| Node {
            raft: Raft::new(OPTIONS, NodeId(id), disk.saved(), Breaks(scope.breaks)),
            disk: disk.clone(),
            writes: VecDeque::new(),
            commit: Index(0),
            copies: vec![],
        };
        let mut checker = Checker::default();
        checker.appends(Term(0), &disk.log[0]);
        let mut state = State {
            nodes: (1..=scope.voters + scope.learners).map(|id| Shared::new(node(id))).collect(),
            network: vec![],
            limits: scope.limits.clone(),
            checker: Shared::new(checker),
            answered: 0,
            copied: false,
        };
        let fast = Scope { slow_disks: false, ..scope.clone() };
        state.limits.campaigns += 1;
        state.limits.heartbeats += 1;
        for id in 1..=state.nodes.len() as u64 {
            state.carry_out(&fast, NodeId(id));
        }
        state.act(&fast, Action::Campaign(NodeId(1)));
        state.deliver_all(&fast);
        state.act(&fast, Action::Heartbeat(NodeId(1)));
        state.deliver_all(&fast);
        state.nodes.iter_mut().for_each(Shared::settle);
        state.checker.settle();
        assert!(state.nodes.iter().all(|node| node.raft.commit() == Index(2)), "n1 does not lead: {state:?}");
        state
    }

    fn deliver_all(&mut self, scope: &Scope) {
        while !self.network.is_empty() {
            self.act(scope, Action::Deliver { place: 0, stays: false });
        }
    }

    fn act(&mut self, scope: &Scope, action: Action) {
        match action {
            Action::Deliver { place, stays } => {
                let Letter { from, to, message, .. } = self.network[place].clone();
                match stays {
                    true => self.limits.duplicates -= 1,
                    false => drop(self.network.remove(place)),
                }
                self.deliver(scope, from, to, &message);
            }
            Action::Sync(id) => self.sync(scope, id),
            Action::Campaign(id) => {
                self.limits.campaigns -= 1;
                self.step(scope, id, Input::Tick(u32::MAX));
            }
            Action::Heartbeat(id) => {
                self.limits.heartbeats -= 1;
                self.step(scope, id, Input::Tick(OPTIONS.heartbeat_ticks));
            }
            Action::Crash(id) => self.crash(scope, id),
            Action::Propose(id) => {
                self.limits.proposals -= 1;
                let payload = Bytes::copy_from_slice(&[b'0' + self.limits.proposals as u8]);
                self.step(scope, id, Input::Propose { id: ProposalId(0), kind: EntryKind::Data, payload });
            }
            Action::Change(id) => {
                self.limits.changes -= 1;
                self.step(scope, id, Input::Change { id: ProposalId(0), changes: scope.changes.clone() });
            }
            Action::Transfer(id, to) => {
                self.limits.transfers -= 1;
                self.step(scope, id, Input::Transfer { id: ProposalId(0), to });
            }
            Action::Read(id) => {
                self.limits.reads -= 1;
                let read = ReadId(self.limits.reads.into());
                self.checker.get_mut().reads(id, read);
                self.step(scope, id, Input::Read { id: read });
            }
            Action::Compact(id) => self.compact(scope, id),
            Action::Copy(from, to) => self.copy(scope, from, to),
        }
    }

    /// Answers of a term that their receiver has left change nothing, and it never goes back, if every sync is immediate.
    fn forget_what_is_late(&mut self) {
        let nodes = &self.nodes;
        self.network.retain(|Letter { to, message, .. }| {
            let is_late = message.term < nodes[to.0 as usize - 1].raft.term();
            let is_heard = matches!(
                message.body,
                Body::Vote { .. } | Body::Append { .. } | Body::Heartbeat { .. } | Body::Confirm { .. }
            );
            !is_late || is_heard
        });
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize - 1]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id.0 as usize - 1].get_mut()
    }

    fn step(&mut self, scope: &Scope, id: NodeId, input: Input) {
        self.node_mut(id).raft.step(input);
        self.carry_out(scope, id);
    }

    fn deliver(&mut self, scope: &Scope, from: NodeId, to: NodeId, message: &Message) {
        let asks_for_votes = matches!(message.body, Body::PreVote { .. } | Body::Vote { told: false, .. });
        if asks_for_votes && self.node(to).raft.role() != Role::Leader {
            self.node_mut(to).raft.step(Input::Tick(OPTIONS.election_ticks));
        }
        self.step(scope, to, Input::Message { from, message: message.clone() });
    }

    /// The node boots with what is on its disk. Boots are not told apart here, so a scope has either crashes or reads.
    fn crash(&mut self, scope: &Scope, id: NodeId) {
        self.limits.crashes -= 1;
        let disk = self.node(id).disk.clone();
        let raft = Raft::new(OPTIONS, id, disk.saved(), Breaks(scope.breaks));
        *self.node_mut(id) = Node { raft, disk, writes: VecDeque::new(), commit: Index(0), copies: vec![] };
        self.carry_out(scope, id);
    }

    fn compact(&mut self, scope: &Scope, id: NodeId) {
        self.limits.compactions -= 1;
        let node = self.node_mut(id);
        let to = node.raft.apply_to();
        let term = node.raft.term_at(to).expect("it is in the log");
        node.disk.execute(to);
        node.disk.forget(Position { term, index: to });
        self.step(scope, id, Input::Compact { to });
    }

    /// A copy of one database becomes another, if the other host has use for it.
    fn copy(&mut self, scope: &Scope, from: NodeId, to: NodeId) {
        let node = self.node_mut(from);
        node.copies.retain(|peer| *peer != to);
        let index = node.raft.apply_to();
        let at = Position { term: node.raft.term_at(index).expect("it is in the log or its base"), index };
        let configuration = node.disk.configuration_at(index);
        let receiver = &self.node(to).raft;
        let is_newer = index > receiver.apply_to() && at.term <= receiver.term();
        if is_newer && receiver.role() != Role::Leader {
            while !self.node(to).writes.is_empty() {
                self.sync(scope, to);
            }
            self.copied = true;
            self.node_mut(to).disk.replace(at, configuration.clone());
            self.step(scope, to, Input::Installed { at, configuration });
        }
        self.step(scope, from, Input::SnapshotEnded { to });
    }

    fn sync(&mut self, scope: &Scope, id: NodeId) {
        let node = self.node_mut(id);
        let effects = node.writes.pop_front().expect("there is something to sync");
        node.disk.hard_state = effects.hard_state.unwrap_or(node.disk.hard_state);
        if let Some(from) = effects.truncate_from {
            node.disk.truncate(from);
        }
        node.disk.log.extend(effects.append.iter().cloned());
        node.raft.step(Input::Persisted { batch: effects.batch });
        self.post(scope, id, &effects.msgs_after_sync);
        self.carry_out(scope, id);
    }

    fn carry_out(&mut self, scope: &Scope, id: NodeId) {
        let raft = &mut self.node_mut(id).raft;
        let mut effects = raft.take_effects();
        if effects.wants_election_timeout {
            raft.step(Input::ElectionTimeout { ticks: u32::MAX });
        }
        self.check(id, &effects);
        for peer in &effects.snapshots {
            self.node_mut(id).copies.push(*peer);
        }
        let now = std::mem::take(&mut effects.msgs_now);
        let node = self.node_mut(id);
        if effects.hard_state.is_some() || effects.truncate_from.is_some() || !effects.append.is_empty() {
            effects.notes.clear();
            effects.proposals.clear();
            node.writes.push_back(Arc::new(effects));
        } else if !effects.msgs_after_sync.is_empty() {
            let newest = node.writes.back_mut().expect("messages wait for a sync only while there is one to come");
            Arc::make_mut(newest).msgs_after_sync.append(&mut effects.msgs_after_sync);
        }
        self.post(scope, id, &now);
        if !scope.slow_disks && !self.node(id).writes.is_empty() {
            self.sync(scope, id);
        }
    }

    fn check(&mut self, id: NodeId, effects: &Effects) {
        let node = self.nodes[id.0 as usize - 1].clone();
        let raft = &node.raft;
        let nodes = &self.nodes;
        let checker = self.checker.get_mut();
        for (read, answer) in &effects.reads {
            if let Ok(index) = answer {
                checker.read(id, *read, *index);
                self.answered += 1;
            }
        }
        for entry in &effects.append {
            checker.appends(raft.term_at(entry.index.previous()).expect("a log has no gaps"), entry);
        }
        if effects.notes.iter().any(|note| matches!(note, Note::Role { role: Role::Leader, .. })) {
            checker.leads(raft);
        }
        let holds = |id: NodeId, entry: &Entry| nodes.get(id.0 as usize - 1).is_some_and(|node| node.disk.holds(entry));
        for entry in raft.entries(node.commit.max(raft.base().index).next(), raft.commit()) {
            checker.commits(raft, entry, holds);
        }
        let commit = raft.commit();
        self.node_mut(id).commit = commit;
    }

    fn post(&mut self, scope: &Scope, from: NodeId, messages: &[(NodeId, Message)]) {
        for (to, message) in messages {
            if to.0 as usize > self.nodes.len() {
                continue;
            }
            if message.body == (Body::VoteReply { granted: true }) {
                self.checker.get_mut().votes(from, message.term, *to);
            }
            if matches!(message.body, Body::PreVote { .. } | Body::PreVoteReply { .. }) {
                self.deliver(scope, from, *to, message);
                continue;
            }
            let fingerprint = fingerprint(message);
            let key = (from, *to, fingerprint);
            let place = self.network.binary_search_by_key(&key, |letter| (letter.from, letter.to, letter.fingerprint));
            // A second copy of what is under way is a duplicate, of which there are enough.
            if let Err(place) = place {
                let letter = Letter { from, to: *to, fingerprint, message: Arc::new(message.clone()) };
                self.network.insert(place, letter);
            }
        }
    }

    fn is_violated(&self, property: &str) -> bool {
        self.checker.violations().iter().any(|violation| violation.starts_with(property))
    }

    /// All that may happen has happened.
    pub fn is_spent(&self) -> bool {
        self.limits == Limits::default()
    }

    /// So many entries are known to be committed, and some leader is newer than the first.
    pub fn has_committed_anew(&self, count: usize) -> bool {
        let is_new = |node: &Shared<Node>| node.raft.role() == Role::Leader && node.raft.term() > Term(2);
        self.checker.committed() >= count && self.nodes.iter().any(is_new)
    }

    /// So many reads were answered.
    pub fn has_answered(&self, count: u32) -> bool {
        self.answered >= count
    }

    /// Some node knows a committed configuration other than the first, and is not in a joint one.
    pub fn has_changed(&self) -> bool {
        self.nodes.iter().any(|node| {
            let (raft, index) = (&node.raft, node.raft.configuration_index());
            index > Index(1) && index <= raft.commit() && !raft.configuration().is_joint()
        })
    }

    /// A copy of a database was taken.
    pub fn has_copied(&self) -> bool {
        self.copied
    }
}
