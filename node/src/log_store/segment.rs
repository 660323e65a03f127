//! Segments: the files of the log, numbered from 1 in the order in which they were begun. They only ever grow.

use std::collections::BTreeMap;

use super::batch::{self, Place, Record};
use super::chains::Chains;
use crate::host::{Disk, DiskError};
use crate::raft::{Index, NodeId};

const PREFIX: &str = "log-";

/// The name of a segment's file.
pub(super) fn file(number: u64) -> String {
    format!("{PREFIX}{number:016x}")
}

/// The numbers of the segments among these files, in order.
pub(super) fn numbers(files: &[String]) -> Vec<u64> {
    let number = |name: &String| {
        let number = u64::from_str_radix(name.strip_prefix(PREFIX)?, 16).ok()?;
        (*name == file(number)).then_some(number)
    };
    let mut numbers: Vec<u64> = files.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// The sound part of a segment, followed by word that all of the log is durable. It holds once the segment is replaced
/// by it, for then it is synced.
pub(super) fn renewed(node: NodeId, number: u64, sound: &[u8], chains: &Chains) -> Vec<u8> {
    let mut contents = sound.to_vec();
    contents.resize(sound.len().next_multiple_of(batch::SECTOR_BYTES), 0);
    let end = contents.len() as u64;
    let chain_before = chains.at(chains.last()).expect("the chain at the last index is known");
    let place = Place { segment: number, offset: end, first: chains.last().next(), chain_before };
    batch::encode(&mut contents, node, place, &[]);
    contents
}

/// Segments by number, and how high each reaches: the greatest index that a record in it has or a header in it speaks of.
pub(super) type Reaches = BTreeMap<u64, Index>;

/// Writes batches to the end of the log, and removes segments at its beginning.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    node: NodeId,
    /// The newest segment, or the one before the first.
    number: u64,
    file: String,
    /// Where the newest segment ends; `None` when the next batch begins a new one.
    end: Option<u64>,
    /// The log's segments.
    reaches: Reaches,
    /// A segment of at least so many bytes is followed by a new one.
    pub bytes_max: u64,
    buffer: Vec<u8>,
}

impl Writer {
    /// Goes on at the end of a segment, or without an end after it.
    pub fn new(node: NodeId, number: u64, end: Option<u64>, reaches: Reaches, bytes_max: u64) -> Self {
        Writer { node, number, file: file(number), end, reaches, bytes_max, buffer: Vec::new() }
    }

    /// Writes one batch that begins at `first`. It must be the only one that is not yet known to be durable. Returns
    /// the file to be synced, and whether it is new, so that the directory must be synced as well.
    pub fn write(
        &mut self,
        disk: &mut impl Disk,
        first: Index,
        chain_before: u64,
        records: &[Record],
    ) -> Result<(&str, bool), DiskError> {
        let end = self.end.filter(|end| *end < self.bytes_max);
        if end.is_none() {
            self.number += 1;
            self.file = file(self.number);
        }
        self.put(disk, end.unwrap_or(0), first, chain_before, records)?;
        Ok((&self.file, end.is_none()))
    }

    /// Writes a batch that says nothing but that the log is durable up to `last`, behind a batch that is durable. It
    /// needs no sync: it only matters while what it speaks of is there.
    pub fn write_mark(&mut self, disk: &mut impl Disk, last: Index, chain: u64) -> Result<(), DiskError> {
        let end = self.end.expect("the batch that is durable now is in the newest segment");
        self.put(disk, end, last.next(), chain, &[])
    }

    /// Ends the newest segment: the next batch begins a new one, whose number is returned.
    pub fn seal(&mut self) -> u64 {
        self.end = None;
        self.number + 1
    }

    /// Removes the segments before this one.
    pub fn remove_before(&mut self, disk: &mut impl Disk, segment: u64) -> Result<(), DiskError> {
        self.remove_while(disk, |number, _| number < segment)
    }

    /// Removes the oldest segments as long as they reach no higher than the base. The newest segment stays.
    ///
    /// One that reaches higher keeps all after it: what it holds above the base may have been replaced by them.
    pub fn remove_below(&mut self, disk: &mut impl Disk, base: Index) -> Result<(), DiskError> {
        let newest = self.number;
        self.remove_while(disk, |number, reach| number < newest && reach <= base)
    }

    fn remove_while(&mut self, disk: &mut impl Disk, is_void: impl Fn(u64, Index) -> bool) -> Result<(), DiskError> {
        while let Some(oldest) = self.reaches.first_entry()
            && is_void(*oldest.key(), *oldest.get())
        {
            disk.remove(&file(*oldest.key()))?;
            oldest.remove();
        }
        Ok(())
    }

    fn put(
        &mut self,
        disk: &mut impl Disk,
        offset: u64,
        first: Index,
        chain_before: u64,
        records: &[Record],
    ) -> Result<(), DiskError> {
        self.buffer.clear();
        let place = Place { segment: self.number, offset, first, chain_before };
        batch::encode(&mut self.buffer, self.node, place, records);
        disk.write(&self.file, offset, &self.buffer)?;
        self.end = Some(offset + self.buffer.len() as u64);
        let reach = self.reaches.entry(self.number).or_default();
        *reach = place.reach(records).max(*reach);
        Ok(())
    }
}
