//! The replica: takes what happens to a node in order, and carries out what follows from it in order.
//!
//! ```text
//!            ┌── message, timer, request ──▶ raft.step ─┐
//! host.next ─┤                                          ├─▶ effects ─▶ log.submit ─▶ sync ─┐
//!            ├── synced ──▶ log.synced ──▶ raft.step ───┘      │                           │
//!            └── finished (apply, checkpoint) ──▶ replies      └─▶ messages now, messages ◀┘
//!                                                                   after the sync
//! ```
//!
//! This is the only asynchronous code of a node, and it awaits one thing only: the next input. Nothing in here blocks:
//! a sync is an input when it completes, executing entries is a job whose outcome is an input.
//!
//! **Contract:** a message that the core handed out as [`msgs_after_sync`](raft::Effects::msgs_after_sync) leaves after its batch is durable; a
//! client's reply leaves after the transaction that holds its effects has committed, and every request is answered by its
//! deadline, if only by "unknown". Whatever fails in a way that is not
//! part of a result ends the node ([`Stop`]): it never goes on with less than it promised.
//!
//! | file | is |
//! |---|---|
//! | `boot` | from a disk to a replica that has said nothing yet |
//! | `peers` | the other nodes: addresses, boots, envelopes |
//! | `bounds` | what a request may be |
//! | `deadlines` | every request is answered in time |
//! | `requests`, `reads`, `members` | what clients ask, until they are answered: writes, reads beside the log, changes of who takes part |
//! | `apply` | executing entries |
//! | `copies`, `receive` | a copy of the database on its way out, and on its way in |
//! | `digests`, `rejoin` | contents compared; a replica that went apart |

mod apply;
mod boot;
mod bounds;
mod copies;
mod deadlines;
mod digests;
mod members;
mod options;
mod peers;
mod reads;
mod receive;
mod rejoin;
mod requests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::event::Event;
use crate::host::{Dead, DiskError, Host, Input, Ticket};
use crate::log_store::{BootError, Completed, LogError, LogStore};
use crate::raft::{self, Batch, Body, EntryKind, Index, Message, NodeId, Note, Position, Raft, Role, Rules, Term};
use crate::state_machine::Fatal;
use crate::wire;

use apply::Applier;
use copies::Copies;
use deadlines::Deadlines;
use members::Changes;
use peers::{Opened, Peers};
use reads::Reads;
use receive::Receive;
use requests::Requests;

pub use digests::Diverged;
pub use options::{DEAD_ELECTIONS_MIN, Options};
pub use rejoin::rejoin;

/// Why a node stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The world ended this boot.
    #[error(transparent)]
    Dead(#[from] Dead),
    /// The node could not be started from its disk.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The log could not be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its contents went apart from the others', now or before; it said so then.
    #[error("{0}")]
    Diverged(String),
    /// A copy of a database could not be written or read.
    #[error("a copy of the database: {0}")]
    Copy(#[from] DiskError),
    /// The database could not be read or written.
    #[error(transparent)]
    Database(#[from] Fatal),
    /// Log and database contradict each other.
    #[error("{0}")]
    Contradiction(String),
}

/// Runs a node until its boot ends. Its disk must have been formatted.
///
/// # Errors
/// Always: the reason why it stopped. Any but [`Stop::Dead`] was recorded as [`Event::Stopped`].
pub async fn run<H: Host, R: Rules>(host: &mut H, options: Options, rules: R) -> Stop {
    let mut deadlines = Deadlines::new(host, options.answer);
    let stop = match boot::boot(&mut deadlines, options, rules).await {
        Ok(replica) => replica.serve(&mut deadlines).await,
        Err(stop) => stop,
    };
    if !matches!(stop, Stop::Dead(_)) {
        host.record(Event::Stopped { reason: stop.to_string() });
    }
    stop
}

/// A node that has booted.
struct Replica<R: Rules> {
    options: Options,
    raft: Raft<R>,
    log: LogStore,
    peers: Peers,
    requests: Requests,
    reads: Reads,
    changes: Changes,
    copies: Copies,
    receive: Receive,
    /// The contents went apart: the node stops as soon as that is written down, and does nothing until then.
    stopping: Option<(Ticket, Diverged)>,
    rules: R,
    applier: Applier<R>,
    /// Messages that wait for their batch, in order of batches.
    held: VecDeque<(Batch, NodeId, Message)>,
    /// The newest batch known durable.
    durable: Batch,
    /// The newest term in which this node asked for votes.
    asked_in: Term,
    /// The monotonic time up to which the core has been told of ticks.
    ticked: Duration,
    /// The monotonic time for which the host was last asked to wake this node.
    armed: Option<Duration>,
}

/// What a job returns.
enum Worked<R: Rules> {
    Step(apply::Done<R>),
    Read(reads::Done),
    Copied(copies::Done),
    Received(receive::Done<R>),
}

/// The core counts milliseconds.
const TICK: Duration = Duration::from_millis(1);

/// How long so many of the core's ticks are.
fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks)
}

impl<R: Rules> Replica<R> {
    async fn serve<H: Host>(mut self, host: &mut Deadlines<'_, H>) -> Stop {
        host.admit();
        self.peers.greet_all(host);
        loop {
            if let Err(stop) = self.turn(host) {
                return stop;
            }
            let input = match host.next().await {
                Ok(input) => input,
                Err(dead) => return dead.into(),
            };
            if host.take_expired() {
                self.forget_expired(host);
            }
            if let Err(stop) = self.take(host, input) {
                return stop;
            }
        }
    }

    /// Lets go of what is kept for requests that were answered at their deadline.
    fn forget_expired<H: Host>(&mut self, host: &Deadlines<'_, H>) {
        let is_open = |request| host.is_open(request);
        self.requests.retain(is_open);
        self.changes.retain(is_open);
        if let Some(up_to) = self.reads.retain(is_open) {
            self.raft.step(raft::Input::ForgetReads { up_to });
        }
    }

    /// Hands one input to whom it is for.
    fn take<H: Host>(&mut self, host: &mut Deadlines<'_, H>, input: Input) -> Result<(), Stop> {
        if let Some((awaited, diverged)) = self.stopping {
            return match input {
                Input::Synced { ticket, result } if ticket == awaited => {
                    result?;
                    Err(Stop::Diverged(diverged.to_string()))
                }
                _ => Ok(()),
            };
        }
        self.tick(host);
        match input {
            Input::Message { from, bytes } => self.heard(host, from, &bytes)?,
            Input::Request { id, bytes } => self.asked(host, id, &bytes),
            Input::Response { call, answer } => self.requests.passed_back(host, call, answer),
            Input::Timer => self.armed = None,
            Input::Synced { ticket, result } => {
                self.copy_synced(host, ticket, &result)?;
                if let Some(completed) = self.log.synced(host, ticket, result)? {
                    self.completed(host, completed)?;
                }
            }
            Input::Finished(outcome) => {
                let worked = outcome.0.downcast::<Worked<R>>().expect("only this replica starts jobs");
                match *worked {
                    Worked::Step(done) => {
                        self.applier.finished(host, done, &self.raft, &mut self.requests)?;
                        self.peers.report(self.applier.report(self.raft.durable()));
                        self.changes_applied(host);
                        if let Some(diverged) = self.applier.digests.diverged() {
                            self.diverged(host, diverged)?;
                        }
                    }
                    Worked::Read(done) => self.reads.finished(host, done)?,
                    Worked::Copied(done) => {
                        self.copies.finished::<_, R>(host, done, &self.log, &self.options)?;
                    }
                    Worked::Received(done) => self.copy_worked(host, done)?,
                }
            }
        }
        Ok(())
    }

    /// Takes what another node sent.
    fn heard<H: Host>(&mut self, host: &mut H, address: String, bytes: &Bytes) -> Result<(), Stop> {
        let envelope = self.peers.open(address, bytes);
        if let Some((peer, fingerprint)) = envelope.foreign {
            host.record(Event::OtherBuild { peer, fingerprint });
        }
        if let Some(cluster) = envelope.adopted {
            self.log.adopt_cluster(host, cluster)?;
        }
        if let Some((peer, index, digest)) = envelope.digest {
            self.applier.digests.reported(peer, index, digest);
        }
        if let Some(peer) = envelope.rebooted {
            self.raft.step(raft::Input::Restarted { peer });
        }
        match envelope.opened {
            // What is being replaced can be neither added to nor spoken for.
            Opened::Message(..) | Opened::Copy(..) if self.receive.holds_log() => {}
            Opened::Copy(from, part) => self.heard_of_copy(host, from, part)?,
            Opened::Message(from, message) => self.raft.step(raft::Input::Message { from, message }),
            Opened::Outdated(from) => self.peers.greet(host, from),
            Opened::Nothing => {}
        }
        Ok(())
    }

    /// Something is durable.
    fn completed<H: Host>(&mut self, host: &mut H, completed: Completed) -> Result<(), Stop> {
        match completed {
            Completed::Batch(batch) => {
                self.raft.step(raft::Input::Persisted { batch });
                self.release(host, batch);
            }
            Completed::Recovered => host.record(Event::Recovered),
            Completed::Compacted(base) => {
                self.raft.step(raft::Input::Compact { to: base.index });
                host.record(Event::Compacted { to: base.index });
            }
            Completed::Installed { generation } => self.installed(host, generation)?,
            Completed::Adopted(_) => {}
        }
        Ok(())
    }

    /// Lets the log forget what the database has durably, but for some entries that followers may still lack. Whoever is
    /// sent a copy goes on from where it ends.
    fn compact<H: Host>(&mut self, host: &mut H) -> Result<(), Stop> {
        let durable = self.applier.durable();
        let base = self.log.base().index;
        let due = durable.0.saturating_sub(base.0) >= self.options.compact_every;
        if !due || self.receive.holds_database() || self.copies.are_awaited() {
            return Ok(());
        }
        let index = Index(durable.0.saturating_sub(self.options.compact_keep)).min(self.log.durable_index());
        let Some(term) = self.raft.term_at(index).filter(|_| index > base) else { return Ok(()) };
        Ok(self.log.compact(host, Position { term, index })?)
    }

    /// Carries out everything that follows from the last input, then sets the timer.
    fn turn<H: Host>(&mut self, host: &mut Deadlines<'_, H>) -> Result<(), Stop> {
        self.agree_on_contents(host)?;
        if self.stopping.is_some() {
            host.turn_away("the node is stopping, since its contents went apart from the others'; ask another one");
            return Ok(());
        }
        while !self.carry_out_next(host)? {}
        self.install_when_idle(host)?;
        if !self.receive.holds_database() {
            self.applier.start(host, &self.raft, &self.options);
        }
        self.compact(host)?;
        let given_up = self.copies.send(host, &self.peers, self.raft.term(), &self.options)?;
        given_up.into_iter().for_each(|to| self.raft.step(raft::Input::SnapshotEnded { to }));
        if self.receive.holds_database() {
            self.arm(host);
            return Ok(());
        }
        self.reads.start::<_, R>(host, self.applier.position().index, &self.options);
        self.arm(host);
        Ok(())
    }

    /// A leader puts into the log what a majority says of its contents.
    fn agree_on_contents<H: Host>(&mut self, host: &mut H) -> Result<(), Stop> {
        if self.raft.role() != Role::Leader {
            return Ok(());
        }
        match self.applier.digests.agreed(self.raft.id(), self.raft.configuration()) {
            Ok(None) => Ok(()),
            Ok(Some(payload)) => {
                let id = self.requests.proposal();
                self.raft.step(raft::Input::Propose { id, kind: EntryKind::Digest, payload });
                Ok(())
            }
            Err(diverged) => self.diverged(host, diverged),
        }
    }

    /// Carries out one set of effects, in the order that the core's contract names. Returns whether that was all.
    fn carry_out_next<H: Host>(&mut self, host: &mut H) -> Result<bool, Stop> {
        let effects = self.raft.take_effects();
        self.record_members(host);
        self.note(host, &effects.notes)?;
        let batch = effects.batch;
        self.write(host, batch, effects.hard_state, effects.truncate_from, effects.append)?;
        for (to, message) in effects.msgs_now {
            self.send(host, to, message);
        }
        for (to, message) in effects.msgs_after_sync {
            if batch <= self.durable {
                self.send(host, to, message);
            } else {
                self.held.push_back((batch, to, message));
            }
        }
        for (proposal, result) in effects.transfers {
            self.transferred(host, proposal, result);
        }
        for (proposal, result) in effects.proposals {
            if self.change_proposed(host, proposal, result) {
                continue;
            }
            let leader = self.raft.leader().and_then(|id| self.peers.address(id));
            self.requests.proposed(host, proposal, result, leader);
        }
        for peer in effects.snapshots {
            self.copies.want::<_, R>(host, peer, &self.log, &self.options)?;
        }
        if effects.recovered {
            self.log.recovered(host)?;
        }
        for (read, result) in effects.reads {
            self.reads.answered(host, read, result);
        }
        if effects.wants_election_timeout {
            let ticks = election_ticks(host, &self.options);
            self.raft.step(raft::Input::ElectionTimeout { ticks });
            return Ok(false);
        }
        Ok(true)
    }

    fn write<H: Host>(
        &mut self,
        host: &mut H,
        batch: Batch,
        hard_state: Option<raft::HardState>,
        truncate_from: Option<raft::Index>,
        append: Vec<raft::Entry>,
    ) -> Result<(), Stop> {
        if hard_state.is_none() && truncate_from.is_none() && append.is_empty() {
            return Ok(());
        }
        if let Some(from) = truncate_from {
            host.record(Event::Truncated { from });
        }
        self.peers.follow(&append);
        let places: Vec<Position> = append.iter().map(raft::Entry::position).collect();
        let chains = self.log.submit(host, batch, hard_state, truncate_from, append)?;
        for (Position { index, term }, chain) in places.into_iter().zip(chains) {
            host.record(Event::Appended { index, term, chain });
        }
        Ok(())
    }

    /// Sends what waited for a batch that is durable now.
    fn release<H: Host>(&mut self, host: &mut H, batch: Batch) {
        assert!(batch >= self.durable, "batches become durable in order: {batch:?} after {:?}", self.durable);
        self.durable = batch;
        host.record(Event::Persisted { index: self.raft.durable() });
        while let Some((_, to, message)) = self.held.pop_front_if(|(waits_for, ..)| *waits_for <= batch) {
            self.send(host, to, message);
        }
    }

    /// Lets a message leave, and with it the vote that it grants.
    fn send<H: Host>(&mut self, host: &mut H, to: NodeId, message: Message) {
        let term = message.term;
        match message.body {
            Body::VoteReply { granted: true } => host.record(Event::Voted { candidate: to, term }),
            Body::Vote { .. } if term > self.asked_in => {
                self.asked_in = term;
                host.record(Event::Voted { candidate: self.raft.id(), term });
            }
            _ => {}
        }
        self.peers.send(host, to, message);
    }

    fn note<H: Host>(&mut self, host: &mut H, notes: &[Note]) -> Result<(), Stop> {
        for &note in notes {
            if matches!(note, Note::Role { role, .. } if role != Role::Leader) {
                self.requests.leadership_lost(host);
                self.changes_lost(host);
                self.copies.abandon(host)?;
            }
            host.record(match note {
                Note::Role { role, term } => Event::Role { role, term },
                Note::Follows { leader, term } => Event::Follows { leader, term },
                Note::RemovesDead { member, silence } => self.removes_dead(member, silence),
                Note::Committed { index } => Event::Committed { index },
            });
        }
        Ok(())
    }

    /// Tells the core how much time has passed.
    fn tick<H: Host>(&mut self, host: &mut H) {
        let passed = host.monotonic().saturating_sub(self.ticked);
        let ticks = passed.as_millis();
        if ticks == 0 {
            return;
        }
        // A node that slept for a minute must not act as if it had waited for a minute: it could not hear anybody.
        let cap = self.options.election_max.as_millis();
        if ticks > cap {
            self.ticked = host.monotonic();
        } else {
            self.ticked += TICK * u32::try_from(ticks).expect("capped by the election timeout");
        }
        let ticks = u32::try_from(ticks.min(cap)).expect("an election timeout is below 49 days");
        self.raft.step(raft::Input::Tick(ticks));
    }

    /// Makes sure that the host wakes this node when the core's next deadline is due. A timer that fires too early is
    /// cheaper than a new one for every heartbeat heard.
    fn arm<H: Host>(&mut self, host: &mut H) {
        let core = self.raft.ticks_to_deadline().map(|ticks| self.ticked + TICK * ticks.max(1));
        let Some(due) = core.into_iter().chain(self.copies.next_look(&self.options)).min() else { return };
        if self.armed.is_none_or(|armed| armed > due) {
            host.wake_at(due);
            self.armed = Some(due);
        }
    }
}

/// The file of the database that is current.
fn database_file(log: &LogStore) -> String {
    format!("db-{}", log.superblock().generation)
}

/// Draws an election timeout.
fn election_ticks<H: Host>(host: &mut H, options: &Options) -> u32 {
    let [min, max] = [options.election_min, options.election_max].map(|time| time.as_millis() as u64);
    let span = max.saturating_sub(min) + 1;
    let ticks = min + host.entropy("raft.election-timeout") % span;
    u32::try_from(ticks).expect("an election timeout is below 49 days")
}

/// Encodes an answer to a client.
fn answer<H: Host>(host: &mut H, to: crate::host::RequestId, response: &crate::api::Response) {
    host.respond(to, wire::encode(response));
}
