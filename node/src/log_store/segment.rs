//! Segments: the files of the log, numbered from 1 in the order in which they were begun. They only ever grow.

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
    encode_mark(&mut contents, node, number, end, chains);
    contents
}

fn encode_mark(buffer: &mut Vec<u8>, node: NodeId, segment: u64, offset: u64, chains: &Chains) {
    let chain_before = chains.at(chains.last()).expect("the chain at the last index is known");
    batch::encode(buffer, node, Place { segment, offset, first: chains.last().next(), chain_before }, &[]);
}

/// Writes batches to the end of the log.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    node: NodeId,
    number: u64,
    file: String,
    end: u64,
    /// A segment of at least so many bytes is followed by a new one.
    pub bytes_max: u64,
    buffer: Vec<u8>,
}

impl Writer {
    /// Goes on at the end of a segment. Number 0 stands for no segment at all.
    pub fn new(node: NodeId, number: u64, end: u64, bytes_max: u64) -> Self {
        Writer { node, number, file: file(number), end, bytes_max, buffer: Vec::new() }
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
        let roll = self.number == 0 || self.end >= self.bytes_max;
        if roll {
            self.number += 1;
            self.file = file(self.number);
            self.end = 0;
        }
        self.buffer.clear();
        let place = Place { segment: self.number, offset: self.end, first, chain_before };
        batch::encode(&mut self.buffer, self.node, place, records);
        self.flush(disk)?;
        Ok((&self.file, roll))
    }

    /// Writes a batch that says nothing but that all of the log is durable. It needs no sync: it only matters while
    /// what it speaks of is there.
    pub fn write_mark(&mut self, disk: &mut impl Disk, chains: &Chains) -> Result<(), DiskError> {
        self.buffer.clear();
        encode_mark(&mut self.buffer, self.node, self.number, self.end, chains);
        self.flush(disk)
    }

    fn flush(&mut self, disk: &mut impl Disk) -> Result<(), DiskError> {
        disk.write(&self.file, self.end, &self.buffer)?;
        self.end += self.buffer.len() as u64;
        Ok(())
    }
}
