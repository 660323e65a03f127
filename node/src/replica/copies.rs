//! Sending copies of the database to nodes that need what the log has forgotten.
//!
//! ```text
//! core: n4 needs a copy ─▶ copy the database, some pages a job ─▶ chunks to n4, one at a time ─▶ core: the copy has ended
//!                          (writers go on meanwhile)               each acknowledged, or sent again
//! ```
//!
//! One copy is made at a time, and all who need one are sent the same. It is of no use to anybody once the log begins
//! above it: then the next who needs one gets a new one. So this node's log forgets nothing while a copy is on its way;
//! otherwise a follower would get one copy after the other as long as much is written.

use std::collections::BTreeMap;
use std::time::Duration;

use super::peers::Peers;
use super::{Options, Stop, Worked};
use crate::event::Event;
use crate::host::{Disk, DiskError, Host, Outcome, Work};
use crate::log_store::LogStore;
use crate::raft::{Index, NodeId, Position, Rules, Term};
use crate::state_machine::{Copier, Fatal, Summing};
use crate::wire::{Chunk, Content, Part};

/// The file that holds a copy while it is made and sent.
pub(super) const FILE: &str = "copy";

/// A chunk is sent so often at most, before its receiver is given up.
const ATTEMPTS_MAX: u32 = 20;

/// The copy, and who is sent it.
#[derive(Default)]
pub(super) struct Copies {
    receivers: BTreeMap<NodeId, Receiver>,
    state: State,
    /// Numbers the copies of this boot.
    number: u64,
}

#[derive(Default)]
enum State {
    #[default]
    None,
    /// A job copies pages; it has the copier. With `false` nobody wants it any more.
    Copying { wanted: bool },
    /// The file is complete.
    Made { at: Position, chain: u64, length: u64, sums: Sums },
}

/// The checksum of a copy's file, which is known when all of it was read once.
enum Sums {
    Adding(Box<Summing>),
    Known(u128),
}

/// Who is sent the copy.
struct Receiver {
    /// Where its next chunk begins.
    offset: u64,
    /// When that was sent, if it was, and how often.
    sent: Option<(Duration, u32)>,
}

/// What a job has done.
pub(super) struct Done {
    /// The copier, and how many pages remain.
    outcome: Result<(Copier, u32), Fatal>,
}

impl Copies {
    /// A peer needs a copy.
    pub(super) fn want<H: Host, R: Rules>(
        &mut self,
        host: &mut H,
        peer: NodeId,
        log: &LogStore,
        options: &Options,
    ) -> Result<(), Stop> {
        self.receivers.insert(peer, Receiver { offset: 0, sent: None });
        match &mut self.state {
            State::Copying { wanted } => *wanted = true,
            State::Made { at, .. } if at.index >= log.base().index => {}
            State::None | State::Made { .. } => self.begin::<H, R>(host, log, options)?,
        }
        Ok(())
    }

    /// Whether somebody waits for a copy, and for what comes after it in the log.
    pub(super) fn are_awaited(&self) -> bool {
        !self.receivers.is_empty()
    }

    /// This node leads no more: whoever needs a copy is the next leader's to serve.
    pub(super) fn abandon<H: Host>(&mut self, host: &mut H) -> Result<(), Stop> {
        self.receivers.clear();
        self.forget(host)
    }

    fn begin<H: Host, R: Rules>(&mut self, host: &mut H, log: &LogStore, options: &Options) -> Result<(), Stop> {
        remove(host, FILE)?;
        self.number += 1;
        self.receivers.values_mut().for_each(|receiver| *receiver = Receiver { offset: 0, sent: None });
        self.state = State::Copying { wanted: true };
        let (vfs, source, pages) = (host.sqlite_vfs(), super::database_file(log), options.copy_pages);
        let job = move || {
            let copier = Copier::begin(&vfs, &source, FILE);
            step::<R>(copier, pages)
        };
        host.run(Work::Copy, Box::new(job));
        Ok(())
    }

    /// Goes on with the copy.
    pub(super) fn finished<H: Host, R: Rules>(
        &mut self,
        host: &mut H,
        done: Done,
        log: &LogStore,
        options: &Options,
    ) -> Result<(), Stop> {
        let (copier, remaining) = done.outcome?;
        let at = copier.position();
        let State::Copying { wanted } = self.state else { unreachable!("a job copies only then") };
        if !wanted || self.receivers.is_empty() {
            drop(copier);
            self.state = State::None;
            return Ok(remove(host, FILE)?);
        }
        if remaining > 0 {
            let pages = options.copy_pages;
            host.run(Work::Copy, Box::new(move || step::<R>(Ok(copier), pages)));
            return Ok(());
        }
        let sums = Sums::Adding(Box::new(copier.finish()));
        let length = host.len(FILE)?.unwrap_or(0);
        match log.chain_at(at.index) {
            Some(chain) => self.state = State::Made { at, chain, length, sums },
            // The log has forgotten what the copy ends with.
            None => self.begin::<H, R>(host, log, options)?,
        }
        host.record(Event::Copied { at: at.index });
        Ok(())
    }

    /// Sends every receiver its next chunk, if it was not sent, or was and seems to be lost. Returns who is given up.
    pub(super) fn send<H: Host>(
        &mut self,
        host: &mut H,
        peers: &Peers,
        term: Term,
        options: &Options,
    ) -> Result<Vec<NodeId>, Stop> {
        let State::Made { at, chain, length, sums } = &mut self.state else { return Ok(Vec::new()) };
        let (now, mut given_up) = (host.monotonic(), Vec::new());
        for (peer, receiver) in &mut self.receivers {
            let times = match receiver.sent {
                Some((sent, _)) if now < sent + options.copy_patience => continue,
                Some((_, times)) if times >= ATTEMPTS_MAX => {
                    given_up.push(*peer);
                    continue;
                }
                Some((_, times)) => times + 1,
                None => 1,
            };
            receiver.sent = Some((now, times));
            let bytes = host.read(FILE, receiver.offset, options.copy_chunk_bytes)?;
            if let Sums::Adding(summing) = sums
                && summing.length_bytes() == receiver.offset
            {
                summing.add(&bytes);
                if summing.length_bytes() == *length {
                    *sums = Sums::Known(Summing::clone(summing).finish().checksum);
                }
            }
            let ends = receiver.offset + bytes.len() as u64 == *length;
            let checksum = match sums {
                Sums::Known(checksum) if ends => Some(*checksum),
                _ => None,
            };
            let (copy, at, chain, offset) = (self.number, *at, *chain, receiver.offset);
            let chunk = Chunk { copy, term, at, chain, offset, bytes: bytes.into(), checksum };
            peers.post(host, *peer, Content::Copy(Part::Chunk(chunk)));
        }
        self.receivers.retain(|peer, _| !given_up.contains(peer));
        if self.receivers.is_empty() {
            self.forget(host)?;
        }
        Ok(given_up)
    }

    /// A receiver has everything before this offset.
    pub(super) fn received(&mut self, peer: NodeId, copy: u64, offset: u64) {
        let State::Made { length, .. } = self.state else { return };
        if let Some(receiver) = self.receivers.get_mut(&peer)
            && copy == self.number
            && offset != receiver.offset
            && offset < length
        {
            *receiver = Receiver { offset, sent: None };
        }
    }

    /// A receiver has installed the copy, or has no use for it. Returns whether it was being sent one.
    pub(super) fn ended<H: Host>(&mut self, host: &mut H, peer: NodeId, copy: u64) -> Result<bool, Stop> {
        if copy != self.number || self.receivers.remove(&peer).is_none() {
            return Ok(false);
        }
        if self.receivers.is_empty() {
            self.forget(host)?;
        }
        Ok(true)
    }

    /// After how long something must be sent again.
    pub(super) fn next_look(&self, options: &Options) -> Option<Duration> {
        let State::Made { .. } = self.state else { return None };
        let due = |receiver: &Receiver| receiver.sent.map(|(sent, _)| sent + options.copy_patience);
        self.receivers.values().filter_map(due).min()
    }

    fn forget<H: Host>(&mut self, host: &mut H) -> Result<(), Stop> {
        match &mut self.state {
            State::None => Ok(()),
            State::Copying { wanted } => {
                *wanted = false;
                Ok(())
            }
            State::Made { .. } => {
                self.state = State::None;
                Ok(remove(host, FILE)?)
            }
        }
    }
}

fn step<R: Rules>(copier: Result<Copier, Fatal>, pages: u32) -> Outcome {
    let outcome = copier.and_then(|mut copier| {
        let progress = copier.step(pages)?;
        Ok((copier, progress.remaining))
    });
    Outcome(Box::new(Worked::<R>::Copied(Done { outcome })))
}

/// Removes a file if it is there.
pub(super) fn remove(disk: &mut impl Disk, file: &str) -> Result<(), DiskError> {
    match disk.len(file)? {
        Some(_) => disk.remove(file),
        None => Ok(()),
    }
}

/// What of the database is left over from boots that were cut short: copies, and generations that were never made current
/// or are no longer.
pub(super) fn remove_leftovers(disk: &mut impl Disk, generation: u64) -> Result<(), DiskError> {
    let current = format!("db-{generation}");
    let is_current = |file: &str| file.strip_prefix(&current).is_some_and(|rest| ["", "-wal", "-shm"].contains(&rest));
    for file in disk.list()? {
        let is_copy = [FILE, super::receive::FILE].iter().any(|name| file.starts_with(name));
        if is_copy || (file.starts_with("db-") && !is_current(&file)) {
            disk.remove(&file)?;
        }
    }
    Ok(())
}

/// Whether a copy that ends at `at` is of use to a node that has executed everything up to `applied`, and whose log begins
/// after `base`.
pub(super) fn is_news(at: Position, applied: Index, base: Index) -> bool {
    at.index >= applied.max(base) && !(at.index == applied && at.index == base)
}
