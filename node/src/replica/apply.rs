//! Executing committed entries: one job at a time, away from the node's loop.
//!
//! The state machine travels into the job and comes back with its outcome, so that two jobs at once are impossible.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::digests::Digests;
use super::requests::Requests;
use super::{Options, Stop, Worked};
use crate::api::SessionError;
use crate::event::Event;
use crate::host::{Host, Outcome, Work};
use crate::raft::{EntryKind, Index, Position, Raft, Rules};
use crate::sqlite::Digest;
use crate::state_machine::{Applied, Checkpoint, Fatal, StateMachine};

/// The state machine and what it is doing.
pub(super) struct Applier<R: Rules> {
    /// `None` while a job has it.
    idle: Option<Box<StateMachine<R>>>,
    /// The last entry that was executed.
    applied: Position,
    /// The time given to the newest entry that this node proposed, in microseconds since 1970.
    newest_time_us: u64,
    /// Frames in SQLite's log.
    wal_frames: u32,
    /// Frames that the last checkpoint left there. A reader may have kept it from copying all, so the next one waits until
    /// the log has grown again.
    frames_left: u32,
    digest_every: u64,
    /// The database is known to be durable up to here.
    durable: Index,
    /// Digests at reported indexes, oldest first, until a newer one of them is durable.
    reports: VecDeque<(Index, Digest)>,
    /// What is known of the contents of all replicas.
    pub(super) digests: Digests,
}

/// What comes back from a job.
pub(super) struct Done<R: Rules> {
    state_machine: Box<StateMachine<R>>,
    outcome: Result<Step, Fatal>,
}

/// What a job did.
enum Step {
    Applied(Vec<Applied>),
    Checkpointed(Checkpoint),
}

impl<R: Rules> Applier<R> {
    pub(super) fn new(state_machine: StateMachine<R>, options: &Options) -> Self {
        Applier {
            applied: state_machine.applied(),
            wal_frames: state_machine.wal_frames(),
            frames_left: 0,
            newest_time_us: 0,
            digest_every: options.digest_every,
            durable: Index(0),
            reports: VecDeque::new(),
            digests: Digests::default(),
            idle: Some(Box::new(state_machine)),
        }
    }

    /// Starts the next job if none is running and there is something to do.
    pub(super) fn start<H: Host>(&mut self, host: &mut H, raft: &Raft<R>, options: &Options) {
        // A database that was set aside leaves a new one, which waits to be replaced by a copy.
        if self.idle.is_none() || self.applied.index < raft.base().index {
            return;
        }
        if self.wal_frames.saturating_sub(self.frames_left) >= options.checkpoint_frames {
            return self.run(host, Work::Checkpoint, |machine| machine.checkpoint().map(Step::Checkpointed));
        }
        let last = raft.apply_to().min(Index(self.applied.index.0 + options.apply_entries_max as u64));
        if last > self.applied.index {
            let entries = raft.entries(self.applied.index.next(), last).to_vec();
            self.run(host, Work::Commit, move |machine| machine.apply(&entries).map(Step::Applied));
        }
    }

    fn run<H: Host>(
        &mut self,
        host: &mut H,
        work: Work,
        step: impl FnOnce(&mut StateMachine<R>) -> Result<Step, Fatal> + Send + 'static,
    ) {
        let mut state_machine = self.idle.take().expect("a job starts only when none is running");
        let job = move || {
            let outcome = step(&mut state_machine);
            Outcome(Box::new(Worked::Step(Done { state_machine, outcome })))
        };
        host.run(work, Box::new(job));
    }

    /// Takes the state machine back from a job and answers who waited for it.
    pub(super) fn finished<H: Host>(
        &mut self,
        host: &mut H,
        done: Done<R>,
        raft: &Raft<R>,
        requests: &mut Requests,
    ) -> Result<(), Stop> {
        assert!(self.idle.is_none(), "two jobs ran at once");
        self.wal_frames = done.state_machine.wal_frames();
        // A log that SQLite has begun anew holds nothing of what was left.
        self.frames_left = self.frames_left.min(self.wal_frames);
        self.idle = Some(done.state_machine);
        match done.outcome? {
            Step::Applied(entries) => {
                for applied in entries {
                    let entry = &raft.entries(applied.position.index, applied.position.index)[0];
                    if entry.kind == EntryKind::Digest {
                        self.digests.check(&entry.payload)?;
                    }
                    self.executed(host, applied, entry.payload.clone(), requests);
                }
            }
            Step::Checkpointed(checkpoint) => {
                self.frames_left = self.wal_frames;
                self.durable = self.durable.max(checkpoint.durable.unwrap_or_default());
                host.record(Event::Checkpointed { durable: checkpoint.durable });
            }
        }
        Ok(())
    }

    fn executed<H: Host>(&mut self, host: &mut H, entry: Applied, payload: Bytes, requests: &mut Requests) {
        let Position { term, index } = entry.position;
        assert!(index == self.applied.index.next(), "entry {index} executed after {}", self.applied.index);
        self.applied = entry.position;
        if index.0 % self.digest_every == 0 {
            self.reports.push_back((index, entry.digest));
            self.digests.executed(index, entry.digest);
        }
        host.record(Event::Applied { index, term, entry: entry.entry_hash, digest: entry.digest, payload });
        if entry.removed_sessions {
            host.record(Event::SessionsRemoved { index });
        }
        if entry.reply == Some(Err(SessionError::Expired)) {
            host.record(Event::SessionExpired { index });
        }
        requests.executed(host, entry.position, entry.reply);
    }

    /// The database is known to be durable up to here: a checkpoint proved it, or it was received so.
    pub(super) fn durable(&self) -> Index {
        self.durable
    }

    /// Whether nothing uses the database.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// Lets go of the database, which is not current any more.
    pub(super) fn close(&mut self) {
        self.idle = None;
    }

    /// Goes on with another database, which was received and is durable.
    pub(super) fn replace(&mut self, state_machine: StateMachine<R>) {
        self.applied = state_machine.applied();
        self.durable = self.applied.index;
        (self.wal_frames, self.frames_left) = (state_machine.wal_frames(), 0);
        self.reports.clear();
        self.digests.forget();
        self.idle = Some(Box::new(state_machine));
    }

    /// The last entry that was executed.
    pub(super) fn position(&self) -> Position {
        self.applied
    }

    /// The digest at the newest reported index that is executed and durable in the log.
    pub(super) fn report(&mut self, durable: Index) -> Option<(Index, Digest)> {
        let mut newest = None;
        while let Some(report) = self.reports.pop_front_if(|(index, _)| *index <= durable) {
            newest = Some(report);
        }
        newest
    }

    /// The time that a new entry carries: the machine's own, but never less than an earlier entry's of this leader. The
    /// state machine holds it above the entries of other leaders.
    pub(super) fn entry_time(&mut self, wall: Duration) -> u64 {
        let now_us = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        self.newest_time_us = self.newest_time_us.max(now_us);
        self.newest_time_us
    }
}
