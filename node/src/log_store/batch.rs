//! Batches to bytes and back. The layout is drawn in the [module's documentation](super).

use std::ops::Range;

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::raft::{Entry, EntryKind, Index, NodeId, Term};

/// Batches begin at multiples of this, the unit in which disks write: a torn or rotten batch hides no other.
pub(super) const SECTOR_BYTES: usize = 512;

const MAGIC: [u8; 4] = *b"LSLB";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 56;
const RECORD_HEADER_BYTES: usize = 37;

/// Where a batch stands: on the disk, and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the segment that the batch is in.
    pub segment: u64,
    /// The offset of the batch in its segment.
    pub offset: u64,
    /// The durable-below mark: everything below this index was durable when the batch was written. The batch removes
    /// this index and all after it from the log; it is the index of the first record, if there are records.
    pub first: Index,
    /// The chain just below `first`.
    pub chain_before: u64,
}

impl Place {
    /// The greatest index that a batch of these records here speaks of.
    pub fn reach(&self, records: &[Record]) -> Index {
        Index(self.first.previous().0 + records.len() as u64)
    }
}

/// An entry and the chain at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub entry: Entry,
    pub chain: u64,
}

/// What stands where a batch may begin.
pub(super) enum Decoded {
    /// A whole batch. It ends at this offset, padding included.
    Whole { place: Place, records: Vec<Record>, end: usize },
    /// A sound header, but the record of this index cannot be read.
    Damaged { place: Place, index: Index },
    /// No batch, or not this disk's, or not of this place.
    Nothing,
    /// A sound header of a format that this program does not know.
    Unknown { version: u32 },
}

/// The chain at an entry, given the chain before it. Equal chains mean equal logs up to here, on whatever node.
pub(super) fn chain(before: u64, entry: &Entry) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&before.to_le_bytes());
    hash.update(&content_header(entry));
    hash.update(&entry.payload);
    hash.digest()
}

/// Appends a batch to `buffer`, padded to whole sectors.
pub(super) fn encode(buffer: &mut Vec<u8>, node: NodeId, place: Place, records: &[Record]) {
    let start = buffer.len();
    let records_bytes: usize = records.iter().map(|r| RECORD_HEADER_BYTES + r.entry.payload.len()).sum();
    buffer.reserve((HEADER_BYTES + records_bytes).next_multiple_of(SECTOR_BYTES));
    buffer.extend_from_slice(&[0; 8]);
    buffer.extend_from_slice(&MAGIC);
    buffer.extend_from_slice(&VERSION.to_le_bytes());
    for number in [place.segment, place.offset, place.first.0, place.chain_before] {
        buffer.extend_from_slice(&number.to_le_bytes());
    }
    for number in [records.len(), records_bytes] {
        let number = u32::try_from(number).expect("what the core lets be uncommitted at once is far below 4 GiB");
        buffer.extend_from_slice(&number.to_le_bytes());
    }
    let seed = seal(&mut buffer[start..], node.0);
    for record in records {
        let start = buffer.len();
        encode_record(buffer, record);
        seal(&mut buffer[start..], seed);
    }
    buffer.resize(start + (buffer.len() - start).next_multiple_of(SECTOR_BYTES), 0);
}

/// Reads what stands at `offset` of a segment, whose whole contents are `bytes`. Payloads share the memory of `bytes`.
pub(super) fn decode(bytes: &Bytes, node: NodeId, segment: u64, offset: usize) -> Decoded {
    let Some(raw) = bytes.get(offset..offset + HEADER_BYTES) else { return Decoded::Nothing };
    let seed = checksum(raw, node.0);
    if u64_at(raw, 0) != seed || raw[8..12] != MAGIC {
        return Decoded::Nothing;
    }
    let version = u32_at(raw, 12);
    if version != VERSION {
        return Decoded::Unknown { version };
    }
    let place = Place {
        segment: u64_at(raw, 16),
        offset: u64_at(raw, 24),
        first: Index(u64_at(raw, 32)),
        chain_before: u64_at(raw, 40),
    };
    if place.segment != segment || place.offset != offset as u64 {
        return Decoded::Nothing;
    }
    let records_start = offset + HEADER_BYTES;
    let records_end = records_start + u32_at(raw, 52) as usize;
    decode_records(bytes, records_start..records_end, place, u32_at(raw, 48), seed)
}

fn decode_records(bytes: &Bytes, range: Range<usize>, place: Place, count: u32, seed: u64) -> Decoded {
    let (mut at, mut index, mut before) = (range.start, place.first, place.chain_before);
    // The count is not trusted with an allocation: each record is found before there is room made for it.
    let mut records = Vec::new();
    for _ in 0..count {
        match decode_record(bytes, at..range.end, index, before, seed) {
            Some((record, end)) => {
                (at, index, before) = (end, index.next(), record.chain);
                records.push(record);
            }
            None => return Decoded::Damaged { place, index },
        }
    }
    Decoded::Whole { place, records, end: at.next_multiple_of(SECTOR_BYTES) }
}

fn encode_record(buffer: &mut Vec<u8>, record: &Record) {
    let length = u32::try_from(record.entry.payload.len()).expect("a payload is far below 4 GiB");
    buffer.extend_from_slice(&[0; 8]);
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&record.chain.to_le_bytes());
    buffer.extend_from_slice(&content_header(&record.entry));
    buffer.extend_from_slice(&record.entry.payload);
}

/// The record in `range` and where it ends, if it is sound and the one that belongs there.
fn decode_record(bytes: &Bytes, range: Range<usize>, index: Index, before: u64, seed: u64) -> Option<(Record, usize)> {
    let raw = bytes.get(range.clone())?;
    let header = raw.get(..RECORD_HEADER_BYTES)?;
    let length = RECORD_HEADER_BYTES + u32_at(header, 8) as usize;
    let raw = raw.get(..length)?;
    if u64_at(raw, 0) != checksum(raw, seed) {
        return None;
    }
    let entry = Entry {
        index: Index(u64_at(raw, 20)),
        term: Term(u64_at(raw, 28)),
        kind: kind_of(raw[36])?,
        payload: bytes.slice(range.start + RECORD_HEADER_BYTES..range.start + length),
    };
    let record = Record { chain: u64_at(raw, 12), entry };
    let belongs = record.entry.index == index && record.chain == chain(before, &record.entry);
    belongs.then_some((record, range.start + length))
}

/// Index, term and kind as they stand in a record before the payload.
fn content_header(entry: &Entry) -> [u8; 17] {
    let mut bytes = [0; 17];
    bytes[..8].copy_from_slice(&entry.index.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&entry.term.0.to_le_bytes());
    bytes[16] = kind_number(entry.kind);
    bytes
}

fn kind_number(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::Noop => 0,
        EntryKind::Data => 1,
        EntryKind::Configuration => 2,
        EntryKind::Session => 3,
        EntryKind::Digest => 4,
    }
}

fn kind_of(number: u8) -> Option<EntryKind> {
    use EntryKind::*;
    [Noop, Data, Configuration, Session, Digest].into_iter().find(|kind| kind_number(*kind) == number)
}

/// Writes the checksum of everything after it into the first eight bytes.
fn seal(bytes: &mut [u8], seed: u64) -> u64 {
    let sum = checksum(bytes, seed);
    bytes[..8].copy_from_slice(&sum.to_le_bytes());
    sum
}

fn checksum(bytes: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(&bytes[8..], seed)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
