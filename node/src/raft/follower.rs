//! What a follower does with its leader's messages.

use super::{Body, Configuration, Entry, EntryKind, Index, Message, NodeId, Position, Raft, Rule, Rules, Term};

impl<R: Rules> Raft<R> {
    /// Appends what is new, if the log holds what comes before it (Raft, section 5.3).
    pub(super) fn on_append(&mut self, from: NodeId, previous: Position, entries: Vec<Entry>, commit: Index) {
        if !is_well_formed(previous, &entries, self.hard_state.term) || !self.hear_leader(from) {
            return;
        }
        if self.lacks_database {
            return self.send(from, Body::NeedsCopy);
        }
        if previous.index < self.log.base().index {
            // What was forgotten was committed, and so is in every leader's log.
            let matched = self.commit;
            return self
                .send_after_sync(from, Message { term: self.hard_state.term, body: Body::Appended { matched } });
        }
        if !self.holds(previous) {
            let hint = self.log.may_match(previous.index, previous.term).unwrap_or(self.log.base());
            return self.send(from, Body::Rejected { previous: previous.index, hint });
        }
        // What this message vouches for ends with its own entries: the log may go on with some that the leader lacks.
        let matched = Index(previous.index.0 + entries.len() as u64);
        if !self.append_missing(entries) {
            return;
        }
        self.commit_to(commit.min(matched));
        self.send_after_sync(from, Message { term: self.hard_state.term, body: Body::Appended { matched } });
    }

    /// The leader asks whether it still is.
    pub(super) fn on_confirm(&mut self, from: NodeId, round: u64) {
        if self.hear_leader(from) {
            self.send(from, Body::Confirmed { round });
        }
    }

    /// The leader is there, and knows that the log matches its own up to `commit`.
    pub(super) fn on_heartbeat(&mut self, from: NodeId, commit: Index) {
        if !self.hear_leader(from) {
            return;
        }
        // A node that lost entries it had vouched for must not commit whatever else it holds there.
        if commit <= self.log.last().index {
            self.commit_to(commit);
        }
        self.send(from, Body::HeartbeatReply);
    }

    fn holds(&self, previous: Position) -> bool {
        match self.log.term_at(previous.index) {
            None => false,
            Some(term) => term == previous.term || self.rules.breaks(Rule::CheckPreviousTerm),
        }
    }

    /// Skips entries that are there already, and replaces from the first that differs. A late message thus never removes
    /// what a later one brought. Returns false, and changes nothing, if a committed entry would have to go: whoever sends
    /// that does not hold what is committed, and is not obeyed.
    fn append_missing(&mut self, entries: Vec<Entry>) -> bool {
        let differs = |entry: &Entry| self.log.term_at(entry.index) != Some(entry.term);
        let Some(place) = entries.iter().position(differs) else { return true };
        let first = entries[place].index;
        if first <= self.commit {
            return false;
        }
        if first <= self.log.last().index {
            self.log.truncate(first);
            self.durability.truncate(first);
        }
        entries.into_iter().skip(place).for_each(|entry| self.log.append(entry));
        true
    }
}

/// Whether a leader of `term` could have sent it: entries that follow `previous` without gaps, terms that never fall,
/// configurations that decode, and one of them first of all.
fn is_well_formed(previous: Position, entries: &[Entry], term: Term) -> bool {
    let is_nowhere = previous.index == Index(0) && previous.term != Term(0);
    if is_nowhere || previous.index.0.checked_add(entries.len() as u64).is_none() {
        return false;
    }
    let mut before = previous;
    let follows = |entry: &Entry| {
        let follows = entry.index == before.index.next() && entry.term >= before.term;
        before = entry.position();
        let first = entry.index == Index(1);
        follows
            && (!first || entry.kind == EntryKind::Configuration)
            && (entry.kind != EntryKind::Configuration || Configuration::decode(&entry.payload).is_ok())
    };
    entries.iter().all(follows) && before.term <= term
}
