//! Several cores with disks, and links between them that do only what they are told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use lockstep_node::raft::{
    Body, Change, Configuration, Effects, Entry, EntryKind, HardState, Index, Input, Message, NodeId, Note, Options,
    Position, ProposalId, Raft, ReadId, Role, Rule, Rules, Term,
};

use crate::checker::Checker;
use crate::disk::Disk;
use crate::show::{show, show_batch, show_note, show_proposal, show_read, show_transfer};

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

/// A message with what its sender knows of boots.
#[derive(Clone)]
pub struct Letter {
    pub message: Message,
    /// The sender's boot.
    from_boot: u64,
    /// The receiver's boot as far as the sender has heard of it, or 0.
    to_boot: u64,
}

/// A copy of a database.
#[derive(Clone)]
pub struct Snapshot {
    pub at: Position,
    pub configuration: (Index, Configuration),
}

pub struct Cluster {
    pub options: Options,
    pub rules: Breaks,
    pub nodes: BTreeMap<NodeId, Node>,
    pub disks: BTreeMap<NodeId, Disk>,
    pub links: BTreeMap<Link, VecDeque<Letter>>,
    pub cut: BTreeSet<Link>,
    /// Messages from and to earlier boots arrive nowhere, as hosts see to it. In scripts they do.
    pub checks_boots: bool,
    /// Who wants a copy sent to whom.
    pub wanted_copies: BTreeSet<Link>,
    /// How often each thing happened that a test must not do without.
    pub seen: BTreeMap<&'static str, u64>,
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
    boot: u64,
    /// The newest boot of every other node that it heard of.
    heard: BTreeMap<NodeId, u64>,
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
            checks_boots: false,
            wanted_copies: BTreeSet::new(),
            seen: BTreeMap::new(),
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
            boot: 0,
            heard: BTreeMap::new(),
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
        node.boot += 1;
        node.heard.clear();
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

    /// Asks for a read; no answer may miss what some node knows to be committed by now.
    pub fn read(&mut self, id: NodeId, read: ReadId) {
        self.checker.reads(id, read);
        self.step(id, Input::Read { id: read });
    }

    /// What a node has executed up to `to` is in its database for good.
    pub fn checkpoint(&mut self, id: NodeId, to: Index) {
        self.disks.get_mut(&id).expect("every node has a disk").execute(to);
    }

    /// Likewise, and its log forgets it.
    pub fn compact(&mut self, id: NodeId, to: Index) {
        let Some(raft) = self.raft(id) else { return };
        let term = raft.term_at(to).expect("only what is in the log can be forgotten");
        let disk = self.disks.get_mut(&id).expect("every node has a disk");
        disk.execute(to);
        disk.forget(Position { term, index: to });
        self.step(id, Input::Compact { to });
    }

    /// A copy of a node's database, with all that may be applied there.
    pub fn snapshot_of(&self, from: NodeId) -> Option<Snapshot> {
        let raft = self.raft(from)?;
        let index = raft.apply_to();
        let at = Position { term: raft.term_at(index).expect("it is in the log or its base"), index };
        Some(Snapshot { at, configuration: self.disks[&from].configuration_at(index) })
    }

    /// A copy becomes a node's database. What the node was still writing is durable before.
    pub fn put_snapshot(&mut self, to: NodeId, copy: Snapshot) {
        while self.sync(to) {}
        let Snapshot { at, configuration } = copy;
        self.disks.get_mut(&to).expect("every node has a disk").replace(at, configuration.clone());
        self.step(to, Input::Installed { at, configuration });
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
        let Some(letter) = self.links.get_mut(&link).and_then(|queue| queue.remove(place)) else { return false };
        self.arrive(link, letter);
        true
    }

    pub fn arrive(&mut self, link: Link, letter: Letter) {
        if self.cut.contains(&link) || !self.is_running(link.1) {
            self.print(|| format!("n{}->n{} {} is lost", link.0.0, link.1.0, show(&letter.message)), true);
            return;
        }
        if self.is_of_these_boots(link, &letter) {
            self.step(link.1, Input::Message { from: link.0, message: letter.message });
        }
    }

    /// Whether hosts let it pass: it is not from an earlier boot of its sender than is known, nor for one of its receiver.
    /// Both learn of new boots.
    fn is_of_these_boots(&mut self, (from, to): Link, letter: &Letter) -> bool {
        if !self.checks_boots {
            return true;
        }
        let boot = self.nodes[&to].boot;
        if !self.hears(to, from, letter.from_boot) {
            return false;
        }
        if letter.to_boot != 0 && letter.to_boot != boot {
            self.hears(from, to, boot);
            return false;
        }
        true
    }

    /// A node hears of a boot of another one. Returns false if it knows of a newer one.
    fn hears(&mut self, id: NodeId, of: NodeId, boot: u64) -> bool {
        let node = self.nodes.get_mut(&id).expect("a known node");
        let known = node.heard.get(&of).copied().unwrap_or(0);
        node.heard.insert(of, boot.max(known));
        if known != 0 && boot > known {
            self.step(id, Input::Restarted { peer: of });
        }
        boot >= known
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
            if matches!(note, Note::RemovesDead { .. }) {
                self.see("removal of the dead");
            }
            self.print(|| show_note(id, note), true);
        }
        for (read, answer) in &effects.reads {
            if let Ok(index) = answer {
                self.checker.read(id, *read, *index);
                self.see("read");
            }
            self.print(|| show_read(id, *read, answer), true);
        }
        for (_, answer) in &effects.transfers {
            if answer.is_ok() {
                self.see("transfer");
            }
            self.print(|| show_transfer(id, answer), true);
        }
        for peer in &effects.snapshots {
            self.wanted_copies.insert((id, *peer));
            self.print(|| format!("n{} must send n{} a copy of its database", id.0, peer.0), true);
        }
        if effects.recovered {
            self.disks.get_mut(&id).expect("every node has a disk").recovering = false;
            self.see("recovery");
            self.print(|| format!("n{} has recovered", id.0), true);
        }
        for (proposal, answer) in &effects.proposals {
            if answer.is_ok() && self.proposals[proposal.0 as usize] == "the change" {
                self.see("change");
            }
            let payload = String::from_utf8_lossy(&self.proposals[proposal.0 as usize]).into_owned();
            self.print(|| show_proposal(id, &payload, answer), true);
        }
        self.check(id, effects);
        if let Some(index) = effects.apply_to {
            self.print(|| format!("n{} applies up to {index}", id.0), true);
        }
        for violation in self.checker.take_violations() {
            match &mut self.output {
                Some(output) => output.push(format!("VIOLATION {violation}")),
                None => panic!("{violation}"),
            }
        }
    }

    fn check(&mut self, id: NodeId, effects: &Effects) {
        let node = self.nodes.get_mut(&id).expect("a known node");
        let raft = node.raft.as_ref().expect("it just had effects");
        for entry in &effects.append {
            self.checker.appends(raft.term_at(entry.index.previous()).expect("a log has no gaps"), entry);
        }
        if effects.notes.iter().any(|note| matches!(note, Note::Role { role: Role::Leader, .. })) {
            self.checker.leads(raft);
        }
        // A node that lost a part of its log may have acknowledged it before; it helps nobody until it has it again.
        let survives = |id: NodeId, entry: &Entry| {
            self.disks.get(&id).is_some_and(|disk: &Disk| disk.holds(entry) || disk.recovering)
        };
        for entry in raft.entries(node.commit.max(raft.base().index).next(), raft.commit()) {
            self.checker.commits(raft, entry, survives);
        }
        node.commit = raft.commit();
        if let Some(index) = effects.apply_to {
            assert!(index <= raft.commit() && index <= raft.durable(), "apply only what is committed and durable");
        }
    }

    /// Something happened.
    pub fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn post(&mut self, from: NodeId, messages: Vec<(NodeId, Message)>) {
        for (to, message) in messages {
            if message.body == (Body::VoteReply { granted: true }) {
                self.checker.votes(from, message.term, to);
            }
            self.print(|| format!("n{}->n{} {}", from.0, to.0, show(&message)), true);
            let letter = self.letter((from, to), message);
            self.links.entry((from, to)).or_default().push_back(letter);
        }
    }

    /// A message as it leaves its sender now.
    pub fn letter(&self, (from, to): Link, message: Message) -> Letter {
        let (from_boot, to_boot) =
            self.nodes.get(&from).map_or((0, 0), |sender| (sender.boot, sender.heard.get(&to).copied().unwrap_or(0)));
        Letter { message, from_boot, to_boot }
    }

    fn print(&mut self, line: impl FnOnce() -> String, wanted: bool) {
        if let Some(output) = &mut self.output
            && wanted
        {
            output.push(line());
        }
    }
}
