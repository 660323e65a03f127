//! A small value in two numbered slots, each a file of its own, so that no torn write can take both.
//!
//! An update writes and syncs one slot, then the other, and counts as durable after both. Every write of a slot gets a
//! greater number than the one before. So at any moment at most one slot is unproven, the one that was written last: it
//! is the bad one, or else the one with the greater number, and it is the first that a boot writes again.
//!
//! ```text
//!  0          8      12         16        24        28
//! ┌──────────┬──────┬──────────┬─────────┬─────────┬──────────────┬─────────┐
//! │ checksum │ kind │ version  │ number  │ length  │ the value    │ zeros   │  512 bytes
//! └──────────┴──────┴──────────┴─────────┴─────────┴──────────────┴─────────┘
//! ```
//! The checksum is XXH3 of all that follows up to the end of the value. The value is encoded by postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::BootError;
use crate::host::{Disk, DiskError, Host};
use crate::prove;

const SLOT_BYTES: usize = 512;
const VALUE_OFFSET: usize = 28;

/// What a pair of slots is called and how its checksums are seeded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// The names of the two files.
    pub files: [&'static str; 2],
    /// Tells this kind of slot from others.
    pub magic: [u8; 4],
    /// The version of the value's format.
    pub version: u32,
}

/// A pair of slots as it was read or written last.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    kind: Kind,
    seed: u64,
    /// The greatest number of the two.
    number: u64,
    /// The slot that an update writes first.
    first: usize,
}

/// What was found in a pair of slots.
pub(super) enum Found<T> {
    /// Neither file exists.
    Absent,
    /// A value, in at least one of them.
    Value(Slots, T),
    /// There are files, but neither holds a value: it is lost.
    Lost,
}

impl Slots {
    /// Slots that were never written.
    pub fn new(kind: Kind, seed: u64) -> Self {
        Slots { kind, seed, number: 0, first: 0 }
    }

    /// Reads both slots and returns the newer value.
    pub fn read<T: DeserializeOwned>(disk: &mut impl Disk, kind: Kind, seed: u64) -> Result<Found<T>, BootError> {
        let mut exists = false;
        let mut values = [None, None];
        for (value, file) in values.iter_mut().zip(kind.files) {
            if disk.len(file)?.is_some() {
                exists = true;
                *value = decode::<T>(&disk.read(file, 0, SLOT_BYTES)?, kind, seed)?;
            }
        }
        let [a, b] = values;
        let numbers = [a.as_ref().map(|v| v.0), b.as_ref().map(|v| v.0)];
        // A bad slot, and among two good ones the newer, is the one whose last write may not have reached the disk.
        let first = match numbers {
            [None, _] => 0,
            [_, None] => 1,
            [a, b] => usize::from(b > a),
        };
        let newest = if numbers[1] > numbers[0] { b } else { a };
        Ok(match newest {
            Some((number, value)) => Found::Value(Slots { kind, seed, number, first }, value),
            None if exists => Found::Lost,
            None => Found::Absent,
        })
    }

    /// Writes one of the two slots of an update, the `step`th (0 or 1), and returns the file that must be durable
    /// before the next step.
    pub fn write<T: Serialize>(
        &mut self,
        disk: &mut impl Disk,
        step: usize,
        value: &T,
    ) -> Result<&'static str, DiskError> {
        self.number += 1;
        let file = self.kind.files[self.first ^ step];
        disk.write(file, 0, &encode(value, self.number, self.kind, self.seed))?;
        Ok(file)
    }

    /// Makes a value durable in both slots.
    pub async fn store<H: Host, T: Serialize>(&mut self, host: &mut H, value: &T) -> Result<(), BootError> {
        for step in 0..2 {
            let file = self.write(host, step, value)?;
            // The file may be new, if a slot was lost together with its name.
            prove::synced(host, &[file], true).await?;
        }
        Ok(())
    }
}

/// The bytes of a slot.
pub(super) fn encode<T: Serialize>(value: &T, number: u64, kind: Kind, seed: u64) -> Vec<u8> {
    let value = postcard::to_allocvec(value).expect("a value of numbers and flags can always be encoded");
    assert!(VALUE_OFFSET + value.len() <= SLOT_BYTES, "a value of {} bytes does not fit a slot", value.len());
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(&kind.magic);
    bytes.extend_from_slice(&kind.version.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&value);
    let checksum = xxh3_64_with_seed(&bytes[8..], seed);
    bytes[..8].copy_from_slice(&checksum.to_le_bytes());
    bytes.resize(SLOT_BYTES, 0);
    bytes
}

/// The number and the value of a slot; `None` if it is bad.
fn decode<T: DeserializeOwned>(bytes: &[u8], kind: Kind, seed: u64) -> Result<Option<(u64, T)>, BootError> {
    if bytes.len() < VALUE_OFFSET || bytes[8..12] != kind.magic {
        return Ok(None);
    }
    let length = u32::from_le_bytes(bytes[24..28].try_into().expect("four bytes")) as usize;
    let Some(sealed) = bytes.get(8..VALUE_OFFSET.saturating_add(length)) else { return Ok(None) };
    if bytes[..8] != xxh3_64_with_seed(sealed, seed).to_le_bytes() {
        return Ok(None);
    }
    let version = u32::from_le_bytes(bytes[12..16].try_into().expect("four bytes"));
    if version != kind.version {
        return Err(BootError::UnknownFormat { file: kind.files[0].to_owned(), version });
    }
    let number = u64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes"));
    Ok(postcard::from_bytes(&bytes[VALUE_OFFSET..VALUE_OFFSET + length]).ok().map(|value| (number, value)))
}
