//! Raft's safety properties (Raft, figure 3), watched over a whole cluster by someone who sees every disk.

use std::collections::BTreeMap;

use lockstep_node::raft::{Entry, Index, NodeId, Position, Raft, ReadId, Term, quorum};

use crate::cluster::Breaks;

/// What was seen so far, and what was found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checker {
    leaders: BTreeMap<Term, NodeId>,
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// Every entry that was ever appended, with the term before it: by induction, equal positions mean equal prefixes.
    entries: BTreeMap<Position, (Term, Entry)>,
    /// Every entry that some node knows to be committed, with the term in which the first of them learned it.
    committed: Vec<(Entry, Term)>,
    /// How much was committed when a read was asked for.
    reads: BTreeMap<(NodeId, ReadId), Index>,
    violations: Vec<String>,
}

impl Checker {
    /// The violations found since the last call.
    pub fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// Those found and not taken.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The number of entries that some node knows to be committed.
    pub fn committed(&self) -> usize {
        self.committed.len()
    }

    /// A node wants to read.
    pub fn reads(&mut self, node: NodeId, read: ReadId) {
        self.reads.insert((node, read), Index(self.committed.len() as u64));
    }

    /// A read may be served once this index is applied: by then, all that was committed before it was asked for.
    pub fn read(&mut self, node: NodeId, read: ReadId, index: Index) {
        let asked = self.reads.get(&(node, read)).copied().unwrap_or_default();
        if index < asked {
            let (node, read) = (node.0, read.0);
            self.violation(format!("linearizable reads: n{node} serves read {read} at {index}, {asked} was committed"));
        }
    }

    /// A node became leader. It may do so late, when an entry is committed in a newer term already.
    pub fn leads(&mut self, raft: &Raft<Breaks>) {
        let (node, term, base) = (raft.id(), raft.term(), raft.base().index);
        let first = *self.leaders.entry(term).or_insert(node);
        if first != node {
            self.violation(format!("election safety: n{} and n{} both lead term {term}", first.0, node.0));
        }
        let log = raft.entries(base.next(), raft.last().index);
        let must_hold =
            self.committed.iter().skip(base.0 as usize).zip(0..).filter(|((_, in_term), _)| *in_term < term);
        let mut missing = must_hold.filter(|((entry, _), place)| log.get(*place) != Some(entry));
        if let Some(((entry, _), _)) = missing.next() {
            let position = entry.position();
            self.violation(format!("leader completeness: n{} leads term {term} without committed {position}", node.0));
        }
    }

    /// A granted vote left a node.
    pub fn votes(&mut self, voter: NodeId, term: Term, candidate: NodeId) {
        let first = *self.votes.entry((voter, term)).or_insert(candidate);
        if first != candidate {
            let (voter, first, candidate) = (voter.0, first.0, candidate.0);
            self.violation(format!("one vote a term: n{voter} voted for n{first} and n{candidate} in term {term}"));
        }
    }

    /// A node appended an entry after one of term `before`.
    pub fn appends(&mut self, before: Term, entry: &Entry) {
        let known = self.entries.entry(entry.position()).or_insert_with(|| (before, entry.clone()));
        if *known != (before, entry.clone()) {
            self.violation(format!("log matching: {} is not the same in two logs", entry.position()));
        }
    }

    /// A node learned that this entry is committed. `survives` says on whose disks it would after a loss of power.
    pub fn commits(&mut self, raft: &Raft<Breaks>, entry: &Entry, survives: impl Fn(NodeId, &Entry) -> bool) {
        let NodeId(node) = raft.id();
        if let Some((first, _)) = self.committed.get(entry.index.0 as usize - 1) {
            if first != entry {
                let (first, second) = (first.position(), entry.position());
                self.violation(format!("state machine safety: n{node} commits {second} where {first} was committed"));
            }
            return;
        }
        if !quorum::decides(raft.configuration(), |id| survives(id, entry)) {
            let position = entry.position();
            self.violation(format!("durability: n{node} commits {position}, which no majority has on disk"));
        }
        self.committed.push((entry.clone(), raft.term()));
    }

    fn violation(&mut self, text: String) {
        self.violations.push(text);
    }
}
