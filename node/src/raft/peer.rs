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
    /// The follower's log is durable and equal to the leader's up to here. It never falls within a term and a boot of the
    /// follower.
    pub(super) matched: Index,
    /// Whether it was heard from since the leader last counted who is there.
    pub(super) active: bool,
    /// Whether it was heard from before that, since the count before.
    pub(super) was_active: bool,
    /// When anything was heard from it last, in ticks of this leadership; when it became a member, if nothing was since.
    pub(super) heard: u64,
    /// It is no member any more: it is sent the log until it knows that.
    pub(super) leaving: Option<Leaving>,
    /// The newest round in which it confirmed that its leader leads.
    pub(super) confirmed: u64,
    /// The first entry that was not sent yet.
    next: Index,
    flow: Flow,
}

/// How far a follower has come that is no member any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leaving {
    /// The index of the configuration without it.
    pub(super) without: Index,
    /// At the last count, it held that, committed: every heartbeat since then has told it so.
    pub(super) told: bool,
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
        /// The last index and the bytes of each append without an answer, in order.
        in_flight: VecDeque<(Index, usize)>,
        /// The sum of these bytes.
        in_flight_bytes: usize,
        /// The follower gave a sign of life while appends were out, and none of them has been answered since.
        quiet: bool,
        /// Ask with an empty append whether what was sent arrived.
        ask: bool,
    },
    /// It needs entries that were forgotten, and so a copy of the database.
    Snapshot {
        /// The host was told.
        told: bool,
    },
}

/// What an entry takes in a message beside its payload: it bounds appends of empty entries.
const ENTRY_OVERHEAD_BYTES: usize = 32;

impl Peer {
    /// A follower of which its leader knows nothing at this tick, but hopes that its log ends where its own does.
    pub(super) fn new(id: NodeId, last: Index, now: u64) -> Peer {
        Peer {
            id,
            matched: Index(0),
            active: false,
            was_active: false,
            heard: now,
            leaving: None,
            confirmed: 0,
            next: last.next(),
            flow: Flow::Probe { waiting: false },
        }
    }

    /// Whether it was heard from lately: within two counts.
    pub(super) fn is_heard(&self) -> bool {
        self.active || self.was_active
    }

    /// Whether it waits for a copy of the database.
    pub(super) fn is_in_snapshot(&self) -> bool {
        matches!(self.flow, Flow::Snapshot { .. })
    }

    /// Whether it is to be forgotten: it is no member, and knows it or does not answer.
    pub(super) fn has_left(&self) -> bool {
        self.leaving.is_some_and(|leaving| !self.active || self.is_in_snapshot() || leaving.told)
    }

    /// Begins a new count of who is there.
    pub(super) fn begin_count(&mut self, commit: Index) {
        self.was_active = std::mem::replace(&mut self.active, false);
        if let Some(Leaving { without, told }) = &mut self.leaving {
            *told = self.matched.min(commit) >= *without;
        }
    }

    /// The follower booted anew, or was brought to another state by a copy of the database: nothing is known of its log.
    pub(super) fn begin_anew(&mut self, last: Index) {
        self.next = last.next();
        self.flow = Flow::Probe { waiting: false };
    }

    /// Whether the host must be told that this follower needs a copy of the database. Nobody makes one for a follower that
    /// does not answer.
    pub(super) fn wants_snapshot(&mut self, log: &Log) -> bool {
        if self.next.previous() < log.base().index && !matches!(self.flow, Flow::Snapshot { .. }) {
            self.flow = Flow::Snapshot { told: false };
        }
        let heard = self.is_heard();
        match &mut self.flow {
            Flow::Snapshot { told } if heard => !std::mem::replace(told, true),
            _ => false,
        }
    }

    /// The next append to send now, if any. Call until there is none.
    pub(super) fn next_append(&mut self, log: &Log, commit: Index, options: &Options) -> Option<Body> {
        let last = log.last().index;
        let entries = match &mut self.flow {
            Flow::Snapshot { .. } | Flow::Probe { waiting: true } => return None,
            Flow::Probe { waiting } => {
                *waiting = true;
                return Some(append(log, self.next, chunk(log, self.next, last, options), commit));
            }
            Flow::Replicate { in_flight, in_flight_bytes, ask, .. } => {
                let room = in_flight.len() < options.max_inflight && *in_flight_bytes < options.max_inflight_bytes;
                let sends = self.next <= last && (room || in_flight.is_empty());
                if !sends && !*ask {
                    return None;
                }
                *ask = false;
                let entries = if sends { chunk(log, self.next, last, options) } else { &[] };
                if let Some(last) = entries.last() {
                    let bytes = entries.iter().map(size).sum();
                    in_flight.push_back((last.index, bytes));
                    *in_flight_bytes += bytes;
                }
                entries
            }
        };
        let body = append(log, self.next, entries, commit);
        self.next = Index(self.next.0 + entries.len() as u64);
        Some(body)
    }

    /// The follower's log matches up to `matched`, which is not beyond the leader's; that begins after `base`. Returns
    /// whether it is news.
    pub(super) fn on_appended(&mut self, matched: Index, base: Index) -> bool {
        let news = matched > self.matched;
        self.matched = self.matched.max(matched);
        match &mut self.flow {
            Flow::Probe { .. } if matched < self.matched => {}
            Flow::Snapshot { .. } if matched < base => {}
            Flow::Probe { .. } | Flow::Snapshot { .. } => {
                self.next = self.matched.next();
                self.flow =
                    Flow::Replicate { in_flight: VecDeque::new(), in_flight_bytes: 0, quiet: false, ask: false };
            }
            Flow::Replicate { in_flight, in_flight_bytes, quiet, .. } => {
                self.next = self.next.max(self.matched.next());
                while let Some((_, bytes)) = in_flight.pop_front_if(|(last, _)| *last <= matched) {
                    *in_flight_bytes -= bytes;
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
            Flow::Snapshot { .. } => false,
        };
        if !asked || previous <= self.matched {
            return;
        }
        self.flow = Flow::Probe { waiting: false };
        let Some(may_match) = log.may_match(hint.index.min(previous.previous()), hint.term) else {
            self.flow = Flow::Snapshot { told: false };
            return;
        };
        self.next = may_match.index.max(self.matched).next();
    }

    /// The follower needs a copy of the database, whatever its log holds.
    pub(super) fn on_needs_copy(&mut self) {
        if !self.is_in_snapshot() {
            self.flow = Flow::Snapshot { told: false };
        }
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
            Flow::Snapshot { .. } => {}
        }
    }
}

fn append(log: &Log, next: Index, entries: &[Entry], commit: Index) -> Body {
    let index = next.previous();
    let term = log.term_at(index).expect("what comes before the next entry to send is in the log");
    Body::Append { previous: Position { term, index }, entries: entries.to_vec(), commit }
}

/// What an entry takes in a message, in bytes, roughly.
fn size(entry: &Entry) -> usize {
    entry.payload.len() + ENTRY_OVERHEAD_BYTES
}

/// The entries from `next` that fit one append, and always at least one if there is one.
fn chunk<'a>(log: &'a Log, next: Index, last: Index, options: &Options) -> &'a [Entry] {
    let rest = log.entries(next, last);
    let mut bytes = 0usize;
    let fits = |entry: &&Entry| {
        bytes = bytes.saturating_add(size(entry));
        bytes <= options.max_append_bytes
    };
    let count = rest.iter().take_while(fits).count().max(1);
    &rest[..count.min(rest.len())]
}
