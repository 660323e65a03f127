//! From a disk to a running replica.
//!
//! Nothing read at boot is taken for durable: a page cache may hand back what a failed or missing sync never wrote. The
//! log store proves its own tail; SQLite's log is copied, synced and renamed here before SQLite opens it. Only then does
//! a message leave, since every message claims something about what this node holds.

use std::collections::VecDeque;
use std::time::Duration;

use super::apply::Applier;
use super::copies::{self, Copies};
use super::members::Changes;
use super::peers::Peers;
use super::reads::Reads;
use super::receive::Receive;
use super::rejoin;
use super::requests::Requests;
use super::{DEAD_ELECTIONS_MIN, Options, Replica, Stop};
use crate::event::Event;
use crate::host::{Host, Input, Outcome, Work};
use crate::log_store::{self, BootError, Opened};
use crate::prove;
use crate::raft::{self, Batch, Configuration, Index, Position, Raft, Rules, Term};
use crate::state_machine::{self, Fatal, StateMachine};
use crate::wire;

/// Reads the disk and builds a replica that has said nothing yet.
pub(super) async fn boot<H: Host, R: Rules>(host: &mut H, options: Options, rules: R) -> Result<Replica<R>, Stop> {
    if let Some(why) = rejoin::refusal(host)? {
        return Err(Stop::Diverged(why));
    }
    let opened = log_store::open(host).await?;
    let database = format!("db-{}", opened.superblock.generation);
    copies::remove_leftovers(host, opened.superblock.generation).map_err(BootError::from)?;
    prove::prove(host, &format!("{database}-wal")).await?;
    let state_machine = open_database(host, database.clone(), &options, rules.clone()).await?;
    agree(&opened, &state_machine)?;
    let executed = executed_configuration(host, &state_machine)?;
    host.record(Event::Booted {
        id: opened.superblock.node,
        epoch: opened.superblock.epoch,
        term: opened.hard_state.term,
        last: opened.entries.last().map_or(opened.superblock.base.index, |entry| entry.index),
        applied: state_machine.applied().index,
    });
    if let Some(from) = opened.torn {
        host.record(Event::TornTail { from });
    }
    if let Some(corruption) = &opened.corruption {
        host.record(Event::Corrupt { what: corruption.to_string() });
    }
    Ok(replica(host, opened, database, state_machine, executed, options, rules))
}

/// The newest configuration that the database executed, and its index.
fn executed_configuration<H: Host, R: Rules>(
    host: &mut H,
    state_machine: &StateMachine<R>,
) -> Result<(Index, Configuration), Stop> {
    let membership = match state_machine.membership()? {
        Some(membership) => Some(membership),
        None => rejoin::kept_membership(host)?,
    };
    let Some((index, payload)) = membership else { return Ok(Default::default()) };
    let configuration = Configuration::decode(&payload);
    let contradiction =
        |error| Stop::Contradiction(format!("the configuration of entry {index} in the database: {error}"));
    Ok((index, configuration.map_err(contradiction)?))
}

/// How long a lease lasts. A voter waits for the shortest election timeout by its own clock before it helps to elect
/// somebody else; a tenth off that clock, a tenth off the leader's, and whole milliseconds on both are left as a margin.
fn lease_ticks(election_min: Duration) -> u32 {
    let election_ms = u32::try_from(election_min.as_millis()).unwrap_or(u32::MAX);
    (election_ms / 10 * 8).saturating_sub(2).max(1)
}

/// After how long a silent member is removed.
fn dead_ticks(after: Duration, election_max: Duration) -> u64 {
    let after = after.max(election_max.saturating_mul(DEAD_ELECTIONS_MIN));
    u64::try_from(after.as_millis()).unwrap_or(u64::MAX)
}

/// Opening reads the whole database: it is a job like any other, so that it takes its time in the simulation too.
async fn open_database<H: Host, R: Rules>(
    host: &mut H,
    file: String,
    options: &Options,
    rules: R,
) -> Result<StateMachine<R>, Stop> {
    let vfs = host.sqlite_vfs();
    let database = state_machine::Options { page_size: options.page_bytes, ..state_machine::Options::default() };
    let job = move || Outcome(Box::new(StateMachine::open_with(&vfs, &file, rules, database)));
    host.run(Work::Open, Box::new(job));
    loop {
        if let Input::Finished(outcome) = host.next().await? {
            let opened = outcome.0.downcast::<Result<StateMachine<R>, Fatal>>().expect("only this job was started");
            return Ok((*opened)?);
        }
    }
}

/// The database has executed what the log forgot, and a part of what it holds: entries are executed only when they are
/// durable in the log. Only where the log lost a part may it end before that.
fn agree<R: Rules>(opened: &Opened, state_machine: &StateMachine<R>) -> Result<(), Stop> {
    let (applied, base) = (state_machine.applied(), opened.superblock.base);
    let base = Position { term: base.term, index: base.index };
    let logged = match applied.index.0.checked_sub(base.index.0) {
        None => None,
        Some(0) => Some(base),
        Some(place) => opened.entries.get(place as usize - 1).map(raft::Entry::position),
    };
    // A database that was set aside leaves a new one: the node gets a copy.
    if applied == Position::default() {
        return Ok(());
    }
    let lost = opened.superblock.recovering && logged.is_none() && applied.index > base.index;
    if logged == Some(applied) || lost {
        return Ok(());
    }
    let found = logged.map_or("does not reach it".into(), |position| format!("has {position} there"));
    Err(Stop::Contradiction(format!(
        "the database has executed entry {applied} but the log {found}; one of the two files is not this node's own"
    )))
}

fn replica<H: Host, R: Rules>(
    host: &mut H,
    opened: Opened,
    database: String,
    state_machine: StateMachine<R>,
    configuration: (Index, Configuration),
    mut options: Options,
    rules: R,
) -> Replica<R> {
    let superblock = opened.superblock;
    let mut log = opened.store;
    log.set_segment_bytes_max(options.segment_bytes_max);
    options.copy_chunk_bytes = options.copy_chunk_bytes.min(wire::PAYLOAD_BYTES_MAX);
    let ticks = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1);
    let core = raft::Options {
        heartbeat_ticks: ticks(options.heartbeat),
        election_ticks: ticks(options.election_min),
        max_append_bytes: options.append_bytes_max.min(wire::PAYLOAD_BYTES_MAX),
        max_inflight: options.inflight_max,
        max_inflight_bytes: options.inflight_bytes_max,
        max_uncommitted_bytes: options.uncommitted_bytes_max,
        promote_lag: options.promote_lag,
        lease_ticks: if options.lease { lease_ticks(options.election_min) } else { 0 },
        dead_ticks: options.remove_dead_after.map_or(0, |after| dead_ticks(after, options.election_max)),
    };
    let mut peers = Peers::new(superblock.cluster, superblock.node, superblock.epoch, &configuration.1);
    peers.follow(&opened.entries);
    let saved = raft::Saved {
        hard_state: opened.hard_state,
        base: Position { term: superblock.base.term, index: superblock.base.index },
        configuration,
        entries: opened.entries,
        applied: state_machine.applied().index,
        lacks_database: state_machine.applied().index < superblock.base.index,
        recovering: superblock.recovering,
    };
    Replica {
        peers,
        raft: Raft::new(core, superblock.node, saved, rules.clone()),
        log,
        requests: Requests::default(),
        reads: Reads::new(database),
        changes: Changes::default(),
        copies: Copies::default(),
        receive: Receive::default(),
        stopping: None,
        rules,
        applier: Applier::new(state_machine, &options),
        held: VecDeque::new(),
        durable: Batch(0),
        asked_in: Term(0),
        ticked: host.monotonic(),
        armed: None,
        options,
    }
}
