//! Raft's safety properties (Raft, figure 3), watched over a whole cluster by someone who sees every disk.

use std::collections::BTreeMap;

use lockstep_node::raft::{Configuration, Entry, Index, NodeId, Position, ReadId, Term, quorum};

/// What was seen so far, and what was found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checker {
    leaders: BTreeMap<Term, NodeId>,
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// Every entry that was ever appended, with the term before it: by induction, equal positions mean equal prefixes.
    entries: BTreeMap<Position, (Term, Entry)>,
    committed: Vec<Entry>,
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

    /// A node became leader with this log after a base.
    pub fn leads(&mut self, term: Term, node: NodeId, base: Index, log: &[Entry]) {
        let first = *self.leaders.entry(term).or_insert(node);
        if first != node {
            self.violation(format!("election safety: n{} and n{} both lead term {term}", first.0, node.0));
        }
        let logged = self.committed.iter().skip(base.0 as usize);
        if let Some(missing) = logged.zip(0..).find(|(entry, place)| log.get(*place) != Some(*entry)) {
            let position = missing.0.position();
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
    pub fn commits(
        &mut self,
        node: NodeId,
        entry: &Entry,
        configuration: &Configuration,
        survives: impl Fn(NodeId, &Entry) -> bool,
    ) {
        let Index(index) = entry.index;
        if let Some(first) = self.committed.get(index as usize - 1) {
            if first != entry {
                let (first, second) = (first.position(), entry.position());
                self.violation(format!(
                    "state machine safety: n{} commits {second} where {first} was committed",
                    node.0
                ));
            }
            return;
        }
        if !quorum::decides(configuration, |id| survives(id, entry)) {
            self.violation(format!(
                "durability: n{} commits {}, which no majority has on disk",
                node.0,
                entry.position()
            ));
        }
        self.committed.push(entry.clone());
    }

    fn violation(&mut self, text: String) {
        self.violations.push(text);
    }
}
