//! Several cores with disks, and links between them that do only what they are told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use lockstep_node::raft::{
    Batch, Body, Change, Configuration, Effects, Entry, EntryKind, HardState, Index, Input, Message, NodeId, Note,
    Options, Position, ProposalId, ProposeError, Raft, ReadError, ReadId, Role, Rule, Rules, Term, TransferError,
};

use crate::checker::{Checker, Disk};

/// Breaks at most one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Breaks(pub Option<Rule>);

impl Rules for Breaks {
    fn breaks(&self, rule: Rule) -> bool {
        self.0 == Some(rule)
    }
}

/// A link, from one node to another.
pub type Link = (NodeId, NodeId);

pub struct Cluster {
    pub options: Options,
    pub rules: Breaks,
    pub nodes: BTreeMap<NodeId, Node>,
    pub disks: BTreeMap<NodeId, Disk>,
    pub links: BTreeMap<Link, VecDeque<Message>>,
    pub cut: BTreeSet<Link>,
    pub checker: Checker,
    /// What happened since it was last taken, a fact a line; `None` if nobody reads it.
    pub output: Option<Vec<String>>,
    proposals: Vec<Bytes>,
}

/// A node that is running, or none.
pub struct Node {
    pub raft: Option<Raft<Breaks>>,
    /// Syncs complete only when told.
    pub stalled: bool,
    /// The answer to the next wish for an election timeout.
    pub timeout: u32,
    writes: VecDeque<Effects>,
    commit: Index,
}

impl Cluster {
    /// Nodes with the same first entry, but for those that are to have nothing.
    pub fn new(options: Options, rules: Breaks, configuration: &Configuration, blank: &[NodeId]) -> Cluster {
        let mut cluster = Cluster {
            options,
            rules,
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            checker: Checker::default(),
            output: Some(vec![]),
            proposals: vec![],
        };
        for id in configuration.members().into_iter().chain(blank.iter().copied()) {
            let first = Entry {
                index: Index(1),
                term: Term(1),
                kind: EntryKind::Configuration,
                payload: configuration.encode(),
            };
            let log = if blank.contains(&id) { vec![] } else { vec![first] };
            let hard_state = HardState { term: Term(log.len() as u64), vote: None };
            cluster.install(id, Disk { hard_state, log, ..Disk::default() });
        }
        cluster
    }

    /// Gives a node a disk and boots it.
    pub fn install(&mut self, id: NodeId, disk: Disk) {
        let mut before = Term(0);
        for entry in &disk.log {
            self.checker.appends(before, entry);
            before = entry.term;
        }
        self.disks.insert(id, disk);
        let node = Node {
            raft: None,
            stalled: false,
            timeout: self.options.election_ticks,
            writes: VecDeque::new(),
            commit: Index(0),
        };
        self.nodes.insert(id, node);
        self.restart(id);
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub fn raft(&self, id: NodeId) -> Option<&Raft<Breaks>> {
        self.nodes.get(&id)?.raft.as_ref()
    }

    pub fn is_running(&self, id: NodeId) -> bool {
        self.raft(id).is_some()
    }

    pub fn step(&mut self, id: NodeId, input: Input) {
        let Some(raft) = self.nodes.get_mut(&id).and_then(|node| node.raft.as_mut()) else { return };
        raft.step(input);
        self.carry_out(id);
    }

    /// Loses what was not synced.
    pub fn crash(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a known node");
        node.raft = None;
        node.writes.clear();
    }

    pub fn restart(&mut self, id: NodeId) {
        let disk = self.disks[&id].clone();
        let node = self.nodes.get_mut(&id).expect("a known node");
        node.raft = Some(Raft::new(self.options, id, disk.saved(), self.rules));
        node.writes.clear();
        node.commit = Index(0);
        self.carry_out(id);
    }

    pub fn propose(&mut self, id: NodeId, payloads: &[&str]) {
        for payload in payloads {
            let payload = Bytes::copy_from_slice(payload.as_bytes());
            let proposal = ProposalId(self.proposals.len() as u64);
            self.proposals.push(payload.clone());
            let Some(raft) = self.nodes.get_mut(&id).and_then(|node| node.raft.as_mut()) else { return };
            raft.step(Input::Propose { id: proposal, kind: EntryKind::Data, payload });
        }
        self.carry_out(id);
    }

    /// Asks for a change of the members.
    pub fn change(&mut self, id: NodeId, changes: Vec<Change>) {
        let proposal = ProposalId(self.proposals.len() as u64);
        self.proposals.push(Bytes::from_static(b"the change"));
        self.step(id, Input::Change { id: proposal, changes });
    }

    /// What a node has executed is in its database for good, and its log forgets all up to `to`.
    pub fn compact(&mut self, id: NodeId, to: Index) {
        let Some(raft) = self.raft(id) else { return };
        let term = raft.term_at(to).expect("only what is in the log can be forgotten");
        let configuration = configuration_at(&self.disks[&id], to);
        let disk = self.disks.get_mut(&id).expect("every node has a disk");
        disk.rebase(Position { term, index: to }, configuration);
        self.step(id, Input::Compact { to });
    }

    /// A copy of a node's database, with all that may be applied there, becomes another one's. What the other one was
    /// still writing is durable before.
    pub fn copy(&mut self, from: NodeId, to: NodeId) {
        while self.sync(to) {}
        let Some(raft) = self.raft(from) else { return };
        let index = raft.apply_to();
        let at = Position { term: raft.term_at(index).expect("it is in the log or its base"), index };
        let configuration = configuration_at(&self.disks[&from], index);
        self.disks.get_mut(&to).expect("every node has a disk").rebase(at, configuration.clone());
        self.step(to, Input::Installed { at, configuration });
        self.step(from, Input::SnapshotEnded { to });
    }

    /// Completes the oldest sync of a node. Returns false if there is none.
    pub fn sync(&mut self, id: NodeId) -> bool {
        let Some(write) = self.nodes.get_mut(&id).and_then(|node| node.writes.pop_front()) else { return false };
        let disk = self.disks.get_mut(&id).expect("every node has a disk");
        disk.hard_state = write.hard_state.unwrap_or(disk.hard_state);
        if let Some(from) = write.truncate_from {
            disk.truncate(from);
        }
        disk.log.extend(write.append);
        self.print(|| format!("n{} synced batch {}", id.0, write.batch.0), self.nodes[&id].stalled);
        let raft = self.nodes.get_mut(&id).and_then(|node| node.raft.as_mut()).expect("only running nodes have writes");
        raft.step(Input::Persisted { batch: write.batch });
        self.post(id, write.msgs_after_sync);
        self.carry_out(id);
        true
    }

    /// Delivers one message; it arrives nowhere if the link is cut or the receiver is down.
    pub fn deliver(&mut self, link: Link, place: usize) -> bool {
        let Some(message) = self.links.get_mut(&link).and_then(|queue| queue.remove(place)) else { return false };
        self.arrive(link, message);
        true
    }

    pub fn arrive(&mut self, link: Link, message: Message) {
        if self.cut.contains(&link) || !self.is_running(link.1) {
            self.print(|| format!("n{}->n{} {} is lost", link.0.0, link.1.0, show(&message)), true);
            return;
        }
        self.step(link.1, Input::Message { from: link.0, message });
    }

    /// Delivers until nothing is under way, oldest first on every link, one message a link in turn.
    pub fn deliver_all(&mut self) {
        for _ in 0..10_000 {
            let busy: Vec<Link> =
                self.links.iter().filter(|(_, queue)| !queue.is_empty()).map(|(link, _)| *link).collect();
            if busy.is_empty() {
                return;
            }
            for link in busy {
                self.deliver(link, 0);
            }
        }
        panic!("the nodes never stop sending messages");
    }

    fn carry_out(&mut self, id: NodeId) {
        loop {
            let node = self.nodes.get_mut(&id).expect("a known node");
            let Some(raft) = node.raft.as_mut() else { return };
            let mut effects = raft.take_effects();
            if effects.wants_election_timeout {
                raft.step(Input::ElectionTimeout { ticks: node.timeout });
            }
            let stalled = node.stalled;
            self.observe(id, &effects);
            self.post(id, std::mem::take(&mut effects.msgs_now));
            let writes = effects.hard_state.is_some() || effects.truncate_from.is_some() || !effects.append.is_empty();
            if writes {
                self.print(|| show_batch(id, &effects), stalled);
                self.nodes.get_mut(&id).expect("a known node").writes.push_back(effects);
            } else if !effects.msgs_after_sync.is_empty() {
                let writes = &mut self.nodes.get_mut(&id).expect("a known node").writes;
                let newest = writes.back_mut().expect("messages wait for a sync only while there is one to come");
                assert_eq!(newest.batch, effects.batch, "messages wait for the newest batch");
                newest.msgs_after_sync.append(&mut effects.msgs_after_sync);
            }
            if stalled || !self.sync(id) {
                return;
            }
        }
    }

    fn observe(&mut self, id: NodeId, effects: &Effects) {
        for note in &effects.notes {
            self.print(|| show_note(id, note), true);
        }
        for (read, answer) in &effects.reads {
            self.print(|| show_read(id, *read, answer), true);
        }
        for (_, answer) in &effects.transfers {
            self.print(|| show_transfer(id, answer), true);
        }
        for peer in &effects.snapshots {
            self.print(|| format!("n{} must send n{} a copy of its database", id.0, peer.0), true);
        }
        if effects.recovered {
            self.disks.get_mut(&id).expect("every node has a disk").recovering = false;
            self.print(|| format!("n{} has recovered", id.0), true);
        }
        for (proposal, answer) in &effects.proposals {
            let payload = String::from_utf8_lossy(&self.proposals[proposal.0 as usize]).into_owned();
            self.print(|| show_proposal(id, &payload, answer), true);
        }
        let node = self.nodes.get_mut(&id).expect("a known node");
        let raft = node.raft.as_ref().expect("it just had effects");
        for entry in &effects.append {
            self.checker.appends(raft.term_at(entry.index.previous()).expect("a log has no gaps"), entry);
        }
        if effects.notes.iter().any(|note| matches!(note, Note::Role { role: Role::Leader, .. })) {
            let base = raft.base().index;
            self.checker.leads(raft.term(), id, base, raft.entries(base.next(), raft.last().index));
        }
        for entry in raft.entries(node.commit.max(raft.base().index).next(), raft.commit()) {
            self.checker.commits(id, entry, raft.configuration(), &self.disks);
        }
        node.commit = raft.commit();
        if let Some(index) = effects.apply_to {
            assert!(index <= raft.commit() && index <= raft.durable(), "apply only what is committed and durable");
            self.print(|| format!("n{} applies up to {index}", id.0), true);
        }
        for violation in self.checker.take_violations() {
            match &mut self.output {
                Some(output) => output.push(format!("VIOLATION {violation}")),
                None => panic!("{violation}"),
            }
        }
    }

    fn post(&mut self, from: NodeId, messages: Vec<(NodeId, Message)>) {
        for (to, message) in messages {
            if message.body == (Body::VoteReply { granted: true }) {
                self.checker.votes(from, message.term, to);
            }
            self.print(|| format!("n{}->n{} {}", from.0, to.0, show(&message)), true);
            self.links.entry((from, to)).or_default().push_back(message);
        }
    }

    fn print(&mut self, line: impl FnOnce() -> String, wanted: bool) {
        if let Some(output) = &mut self.output
            && wanted
        {
            output.push(line());
        }
    }
}

/// A message as scripts show it: its name, the term, and what it carries.
pub fn show(message: &Message) -> String {
    let Message { term, body } = message;
    match body {
        Body::PreVote { last, round } => format!("PreVote term={term} last={last} round={round}"),
        Body::PreVoteReply { granted, round } => {
            format!("PreVoteReply term={term} {} round={round}", show_grant(*granted))
        }
        Body::Vote { last, told } => format!("Vote term={term} last={last}{}", if *told { " told" } else { "" }),
        Body::VoteReply { granted } => format!("VoteReply term={term} {}", show_grant(*granted)),
        Body::Append { previous, entries, commit } => {
            format!("Append term={term} previous={previous} entries={} commit={commit}", show_entries(entries))
        }
        Body::Appended { matched } => format!("Appended term={term} matched={matched}"),
        Body::Rejected { previous, hint } => format!("Rejected term={term} previous={previous} hint={hint}"),
        Body::Heartbeat { commit } => format!("Heartbeat term={term} commit={commit}"),
        Body::HeartbeatReply => format!("HeartbeatReply term={term}"),
        Body::Confirm { round } => format!("Confirm term={term} round={round}"),
        Body::Confirmed { round } => format!("Confirmed term={term} round={round}"),
        Body::ReadIndex { number } => format!("ReadIndex term={term} number={number}"),
        Body::ReadIndexReply { number, index: Some(index) } => {
            format!("ReadIndexReply term={term} number={number} index={index}")
        }
        Body::ReadIndexReply { number, index: None } => format!("ReadIndexReply term={term} number={number}"),
        Body::Campaign => format!("Campaign term={term}"),
    }
}

fn show_grant(granted: bool) -> &'static str {
    if granted { "granted" } else { "refused" }
}

pub fn show_entries(entries: &[Entry]) -> String {
    let shown: Vec<String> = entries
        .iter()
        .map(|entry| match entry.payload.is_empty() || entry.kind != EntryKind::Data {
            true => entry.position().to_string(),
            false => format!("{}:{}", entry.position(), String::from_utf8_lossy(&entry.payload)),
        })
        .collect();
    format!("[{}]", shown.join(" "))
}

fn show_batch(id: NodeId, effects: &Effects) -> String {
    let Batch(batch) = effects.batch;
    let mut line = format!("n{} waits for batch {batch}:", id.0);
    if let Some(HardState { term, vote }) = effects.hard_state {
        line += &format!(" term={term} vote={}", vote.map_or("none".into(), |vote| format!("n{}", vote.0)));
    }
    if let Some(from) = effects.truncate_from {
        line += &format!(" cut from {from}");
    }
    if !effects.append.is_empty() {
        line += &format!(" append {}", show_entries(&effects.append));
    }
    line
}

fn show_note(NodeId(id): NodeId, note: &Note) -> String {
    match note {
        Note::Role { role: Role::Follower, term } => format!("n{id} is a follower in term {term}"),
        Note::Role { role: Role::PreCandidate, term } => format!("n{id} asks for pre-votes in term {term}"),
        Note::Role { role: Role::Candidate, term } => format!("n{id} campaigns in term {term}"),
        Note::Role { role: Role::Leader, term } => format!("n{id} leads term {term}"),
        Note::Follows { leader, term } => format!("n{id} follows n{} in term {term}", leader.0),
        Note::Committed { index } => format!("n{id} commits up to {index}"),
    }
}

fn show_proposal(
    NodeId(id): NodeId,
    payload: &str,
    answer: &Result<lockstep_node::raft::Position, ProposeError>,
) -> String {
    match answer {
        Ok(position) => format!("n{id} takes {payload} as {position}"),
        Err(ProposeError::Busy) => format!("n{id} refuses {payload}: busy"),
        Err(ProposeError::NotLeader { leader: None }) => format!("n{id} refuses {payload}: it does not lead"),
        Err(ProposeError::NotLeader { leader: Some(leader) }) => {
            format!("n{id} refuses {payload}: n{} leads", leader.0)
        }
        Err(ProposeError::Transferring) => format!("n{id} refuses {payload}: it hands leadership over"),
        Err(ProposeError::Change(error)) => format!("n{id} refuses {payload}: {error:?}"),
    }
}

fn show_read(NodeId(id): NodeId, ReadId(read): ReadId, answer: &Result<Index, ReadError>) -> String {
    match answer {
        Ok(index) => format!("n{id} may serve read {read} when it has applied {index}"),
        Err(error) => format!("n{id} refuses read {read}: {error:?}"),
    }
}

fn show_transfer(NodeId(id): NodeId, answer: &Result<(), TransferError>) -> String {
    match answer {
        Ok(()) => format!("n{id} has handed leadership over"),
        Err(error) => format!("n{id} keeps leadership where it is: {error:?}"),
    }
}

/// The newest configuration at or below an index.
fn configuration_at(disk: &Disk, index: Index) -> (Index, Configuration) {
    let is_one = |entry: &&Entry| entry.kind == EntryKind::Configuration && entry.index <= index;
    match disk.log.iter().rev().find(is_one) {
        Some(entry) => (entry.index, Configuration::decode(&entry.payload).expect("the core appended it")),
        None => disk.configuration.clone(),
    }
}
