//! Reading the log from disk: what is sound, what is a torn tail, what is corrupt. It writes nothing.
//!
//! Batches are replayed in the order in which they were written. Each says what the log was below it, by index and
//! chain, and that this was durable. So the replayed log must agree with every sound header; where it does not,
//! something that was durable is gone, and the replay stands still until a header agrees again: that one says what the
//! log is from its own beginning on, whatever could not be read before it. What cannot be read and is contradicted by no
//! header was never known to be durable, or was removed from the log again.
//!
//! Segments may begin below the log's base. What they say of the log there cannot be compared and need not be: the
//! superblock says what the log is at its base. A header that speaks of less leaves of the log the base alone, and of
//! its records those above the base count only if the one at the base is the superblock's.

use bytes::Bytes;

use super::batch::{self, Decoded, Place, Record, SECTOR_BYTES};
use super::chains::Chains;
use super::segment::{self, Reaches};
use super::{Base, BootError, Corruption, Superblock};
use crate::host::Disk;
use crate::raft::{Entry, Index, NodeId};

/// The log as it was read.
pub(super) struct Recovered {
    /// The entries, from the one after the log's base.
    pub entries: Vec<Entry>,
    /// The chain at each of them.
    pub chains: Chains,
    /// The last segment of the sound log, the only one that may hold what is not durable. Newer ones are corrupt.
    pub last: Option<LastSegment>,
    /// The segments up to the last one.
    pub reaches: Reaches,
    /// The first index that a torn tail may have held.
    pub torn: Option<Index>,
    /// What was durable and cannot be read.
    pub corruption: Option<Corruption>,
}

/// The last segment's number and its sound part.
pub(super) struct LastSegment {
    pub number: u64,
    pub sound: Bytes,
}

/// Reads the whole log of a node.
///
/// # Errors
/// [`BootError::UnknownFormat`], or that the disk failed.
pub(super) fn recover(disk: &mut impl Disk, superblock: &Superblock) -> Result<Recovered, BootError> {
    let mut replay = Replay::new(superblock.node, superblock.base);
    for number in segment::numbers(&disk.list()?) {
        if number < superblock.segment {
            continue;
        }
        let file = segment::file(number);
        let length = disk.len(&file)?.unwrap_or(0);
        let bytes = Bytes::from(disk.read(&file, 0, length as usize)?);
        replay.segment(number, &bytes)?;
    }
    let Replay { entries, chains, damage, corruption, last, mut reaches, .. } = replay;
    if let Some(last) = &last {
        reaches.split_off(&(last.number + 1));
    }
    let torn = damage.filter(|_| corruption.is_none()).map(|_| chains.last().next());
    Ok(Recovered { entries, chains, last, reaches, torn, corruption })
}

/// What could not be read since the last sound batch.
struct Damage {
    segment: u64,
    offset: u64,
    index: Index,
}

struct Replay {
    node: NodeId,
    base: Base,
    entries: Vec<Entry>,
    chains: Chains,
    last: Option<LastSegment>,
    reaches: Reaches,
    damage: Option<Damage>,
    /// The log is not what the last sound header says.
    corruption: Option<Corruption>,
}

impl Replay {
    fn new(node: NodeId, base: Base) -> Self {
        let chains = Chains::new(base.index, base.chain);
        let (entries, reaches) = (Vec::new(), Reaches::new());
        Replay { node, base, entries, chains, last: None, reaches, damage: None, corruption: None }
    }

    fn segment(&mut self, number: u64, bytes: &Bytes) -> Result<(), BootError> {
        self.reaches.insert(number, Index(0));
        self.sound_to(number, Bytes::new());
        let mut at = 0;
        while at < bytes.len() {
            match batch::decode(bytes, self.node, number, at) {
                Decoded::Whole { place, records, end } => {
                    self.reached(number, place.reach(&records));
                    if self.agrees(place) {
                        self.replay(place, records);
                        self.sound_to(number, bytes.slice(..end.min(bytes.len())));
                    }
                    at = end;
                }
                Decoded::Damaged { place, index } => {
                    self.reached(number, index);
                    self.agrees(place);
                    self.damaged(number, at, index);
                    at += SECTOR_BYTES;
                }
                Decoded::Nothing => {
                    self.damaged(number, at, self.chains.last().next());
                    at += SECTOR_BYTES;
                }
                Decoded::Unknown { version } => {
                    return Err(BootError::UnknownFormat { file: segment::file(number), version });
                }
            }
        }
        Ok(())
    }

    /// Whether the log so far is what a sound header says of it. If not, it is corrupt up to the header's mark.
    fn agrees(&mut self, place: Place) -> bool {
        let mark = place.first.previous();
        let comparable = mark >= self.base.index;
        if place.first > Index(0) && (!comparable || self.chains.at(mark) == Some(place.chain_before)) {
            return true;
        }
        match &mut self.corruption {
            Some(known) => known.mark = known.mark.max(mark),
            None => self.corruption = Some(self.corrupt(place, mark)),
        }
        false
    }

    fn corrupt(&self, place: Place, mark: Index) -> Corruption {
        let (number, offset, index) = match &self.damage {
            Some(damage) => (damage.segment, damage.offset, damage.index),
            None => (place.segment, place.offset, self.chains.last().next()),
        };
        Corruption { segment: segment::file(number), offset, index: index.min(mark), mark }
    }

    /// Replays a batch whose header agrees with the log.
    fn replay(&mut self, place: Place, mut records: Vec<Record>) {
        (self.damage, self.corruption) = (None, None);
        let base = self.base.index;
        let kept = place.first.previous().max(base);
        self.chains.cut(kept.next());
        self.entries.truncate((kept.0 - base.0) as usize);
        if place.first <= base {
            let above = records.partition_point(|record| record.entry.index <= base);
            let at_base = above.checked_sub(1).map(|at| &records[at]);
            let leads_to_base = at_base.is_some_and(|record| record.chain == self.base.chain);
            records.drain(..if leads_to_base { above } else { records.len() });
        }
        for record in records {
            self.chains.push(record.chain);
            self.entries.push(record.entry);
        }
    }

    /// The log is sound up to the end of this part of a segment, unless it has been corrupt since an earlier one.
    fn sound_to(&mut self, number: u64, sound: Bytes) {
        if self.corruption.is_none() {
            self.last = Some(LastSegment { number, sound });
        }
    }

    fn damaged(&mut self, segment: u64, offset: usize, index: Index) {
        self.damage.get_or_insert(Damage { segment, offset: offset as u64, index });
    }

    fn reached(&mut self, number: u64, index: Index) {
        let reach = self.reaches.get_mut(&number).expect("the segment that is being read");
        *reach = index.max(*reach);
    }
}
