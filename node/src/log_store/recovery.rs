//! Reading the log from disk: what is sound, what is a torn tail, what is corrupt. It writes nothing.
//!
//! Batches are replayed in the order in which they were written. Each says what the log was below it, by index and
//! chain, and that this was durable. So the replayed log must agree with every sound header; where it does not,
//! something that was durable is gone. What cannot be read and is contradicted by no later header was never known to be
//! durable, or was removed from the log again.

use bytes::Bytes;

use super::batch::{self, Decoded, Place, Record, SECTOR_BYTES};
use super::chains::Chains;
use super::{Base, BootError, segment};
use crate::host::Disk;
use crate::raft::{Entry, Index, NodeId};

/// The log as it was read.
pub(super) struct Recovered {
    /// The entries, from the one after the log's base.
    pub entries: Vec<Entry>,
    /// The chain at each of them.
    pub chains: Chains,
    /// The last segment, the only one that may hold what is not durable.
    pub last: Option<LastSegment>,
    /// The first index that a torn tail may have held.
    pub torn: Option<Index>,
}

/// The last segment's number and its sound part.
pub(super) struct LastSegment {
    pub number: u64,
    pub sound: Bytes,
}

/// What could not be read since the last sound batch.
struct Damage {
    segment: u64,
    offset: u64,
    index: Index,
}

/// Reads the whole log of a node.
///
/// # Errors
/// [`BootError::Corrupt`] where something that was durable cannot be read, [`BootError::UnknownFormat`], or that the
/// disk failed.
pub(super) fn recover(disk: &mut impl Disk, node: NodeId, base: Base) -> Result<Recovered, BootError> {
    let chains = Chains::new(base.index, base.chain);
    let mut replay = Replay { node, entries: Vec::new(), chains, damage: None };
    let mut last = None;
    for number in segment::numbers(&disk.list()?) {
        let file = segment::file(number);
        let length = disk.len(&file)?.unwrap_or(0);
        let bytes = Bytes::from(disk.read(&file, 0, length as usize)?);
        let end = replay.segment(number, &bytes)?;
        last = Some(LastSegment { number, sound: bytes.slice(..end) });
    }
    let torn = replay.damage.map(|_| replay.chains.last().next());
    Ok(Recovered { entries: replay.entries, chains: replay.chains, last, torn })
}

struct Replay {
    node: NodeId,
    entries: Vec<Entry>,
    chains: Chains,
    damage: Option<Damage>,
}

impl Replay {
    /// Replays a segment and returns where its last sound batch ends.
    fn segment(&mut self, segment: u64, bytes: &Bytes) -> Result<usize, BootError> {
        let (mut at, mut sound_end) = (0, 0);
        while at < bytes.len() {
            match batch::decode(bytes, self.node, segment, at) {
                Decoded::Whole { place, records, end } => {
                    self.agree(place)?;
                    self.replay(place, records);
                    (at, sound_end) = (end, end.min(bytes.len()));
                }
                Decoded::Damaged { place, index } => {
                    self.agree(place)?;
                    self.damage(segment, at, index);
                    at += SECTOR_BYTES;
                }
                Decoded::Nothing => {
                    self.damage(segment, at, self.chains.last().next());
                    at += SECTOR_BYTES;
                }
                Decoded::Unknown { version } => {
                    return Err(BootError::UnknownFormat { file: segment::file(segment), version });
                }
            }
        }
        Ok(sound_end)
    }

    /// Compares the log so far with what a sound header says of it.
    fn agree(&self, place: Place) -> Result<(), BootError> {
        let mark = place.first.previous();
        if place.first > Index(0) && self.chains.at(mark) == Some(place.chain_before) {
            return Ok(());
        }
        let (segment, offset, index) = match &self.damage {
            Some(damage) => (damage.segment, damage.offset, damage.index),
            None => (place.segment, place.offset, self.chains.last().next()),
        };
        Err(BootError::Corrupt { segment: segment::file(segment), offset, index: index.min(mark), mark })
    }

    fn replay(&mut self, place: Place, records: Vec<Record>) {
        self.damage = None;
        self.chains.cut(place.first);
        self.entries.truncate((place.first.previous().0 - self.chains.base().0) as usize);
        for record in records {
            self.chains.push(record.chain);
            self.entries.push(record.entry);
        }
    }

    fn damage(&mut self, segment: u64, offset: usize, index: Index) {
        self.damage.get_or_insert(Damage { segment, offset: offset as u64, index });
    }
}
