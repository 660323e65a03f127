//! What a leader knows of one follower's log, and what it sends next.

use std::collections::VecDeque;

use super::log::Log;
use super::{Body, Entry, Index, NodeId, Options, Position};

/// A follower as its leader sees it.
///
/// Invariant: `matched < next`, and everything in flight lies between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) id: NodeId,
    /// The follower's log is durable and equal to the leader's up to here. It never falls within a term.
    pub(super) matched: Index,
    /// Whether it was heard from since the leader last counted who is there.
    pub(super) active: bool,
    /// The first entry that was not sent yet.
    next: Index,
    flow: Flow,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Flow {
    /// Where the logs part is unknown: one append at a time until one fits.
    Probe {
        /// An append is out; the next one waits for its answer, or for a sign that it was lost.
        waiting: bool,
    },
    /// The logs match: appends follow one another without waiting for answers.
    Replicate {
        /// The last index of each append without an answer, in order.
        in_flight: VecDeque<Index>,
        /// The follower gave a sign of life while appends were out, and none of them has been answered since.
        quiet: bool,
        /// Ask with an empty append whether what was sent arrived.
        ask: bool,
    },
}

/// What an entry takes in a message beside its payload, in bytes, roughly: it bounds appends of empty entries.
const ENTRY_OVERHEAD_BYTES: usize = 32;

impl Peer {
    /// A follower of which a new leader knows nothing, but hopes that its log ends where its own does.
    pub(super) fn new(id: NodeId, last: Index) -> Peer {
        Peer { id, matched: Index(0), active: false, next: last.next(), flow: Flow::Probe { waiting: false } }
    }

    /// The next append to send now, if any. Call until there is none.
    pub(super) fn next_append(&mut self, log: &Log, commit: Index, options: &Options) -> Option<Body> {
        let last = log.last().index;
        let entries = match &mut self.flow {
            Flow::Probe { waiting: true } => return None,
            Flow::Probe { waiting } => {
                *waiting = true;
                return Some(append(log, self.next, chunk(log, self.next, last, options), commit));
            }
            Flow::Replicate { in_flight, ask, .. } => {
                let sends = self.next <= last && in_flight.len() < options.max_inflight.max(1);
                if !sends && !*ask {
                    return None;
                }
                *ask = false;
                let entries = if sends { chunk(log, self.next, last, options) } else { &[] };
                in_flight.extend(entries.last().map(|entry| entry.index));
                entries
            }
        };
        let body = append(log, self.next, entries, commit);
        self.next = Index(self.next.0 + entries.len() as u64);
        Some(body)
    }

    /// The follower's log matches up to `matched`, which is not beyond the leader's. Returns whether that is news.
    pub(super) fn on_appended(&mut self, matched: Index) -> bool {
        let news = matched > self.matched;
        self.matched = self.matched.max(matched);
        match &mut self.flow {
            Flow::Probe { .. } if matched < self.matched => {}
            Flow::Probe { .. } => {
                self.next = self.matched.next();
                self.flow = Flow::Replicate { in_flight: VecDeque::new(), quiet: false, ask: false };
            }
            Flow::Replicate { in_flight, quiet, .. } => {
                self.next = self.next.max(self.matched.next());
                while in_flight.front().is_some_and(|last| *last <= matched) {
                    in_flight.pop_front();
                }
                *quiet &= !news;
            }
        }
        news
    }

    /// The follower's log does not hold `previous`; `hint` is where it may match. Old refusals change nothing.
    pub(super) fn on_rejected(&mut self, previous: Index, hint: Position, log: &Log) {
        let asked = match self.flow {
            Flow::Probe { .. } => previous == self.next.previous(),
            Flow::Replicate { .. } => previous < self.next,
        };
        if !asked || previous <= self.matched {
            return;
        }
        let may_match = log.may_match(hint.index.min(previous.previous()), hint.term);
        self.next = may_match.index.max(self.matched).next();
        self.flow = Flow::Probe { waiting: false };
    }

    /// The follower answered a heartbeat. If what was sent to it before has no answer by now, it may be lost.
    ///
    /// A probe is sent again at once. In a stream of appends the first sign of life only raises the suspicion, since
    /// answers may be under way or wait for the follower's disk; the second one without an answer between them asks.
    pub(super) fn on_heartbeat_reply(&mut self) {
        match &mut self.flow {
            Flow::Probe { waiting } => *waiting = false,
            Flow::Replicate { quiet, ask, .. } => {
                let unanswered = self.next > self.matched.next();
                *ask = unanswered && *quiet;
                *quiet = unanswered;
            }
        }
    }
}

fn append(log: &Log, next: Index, entries: &[Entry], commit: Index) -> Body {
    let index = next.previous();
    let term = log.term_at(index).expect("what comes before the next entry to send is in the log");
    Body::Append { previous: Position { term, index }, entries: entries.to_vec(), commit }
}

/// The entries from `next` that fit one append, and always at least one if there is one.
fn chunk<'a>(log: &'a Log, next: Index, last: Index, options: &Options) -> &'a [Entry] {
    let rest = log.entries(next, last);
    let mut bytes = 0usize;
    let fits = |entry: &&Entry| {
        bytes = bytes.saturating_add(entry.payload.len() + ENTRY_OVERHEAD_BYTES);
        bytes <= options.max_append_bytes
    };
    let count = rest.iter().take_while(fits).count().max(1);
    &rest[..count.min(rest.len())]
}
