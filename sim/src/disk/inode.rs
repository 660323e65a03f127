//! One file: what reads see, what is durable, and the changes between the two.

use std::collections::VecDeque;

/// The unit that a device writes as a whole, in bytes.
pub(super) const SECTOR: usize = 512;

/// Above so many pending bytes or changes the operating system writes the older half back by itself, as real ones do after
/// a while. It keeps the cost of a change constant in a file that nobody syncs.
const WRITE_BACK_BYTES: usize = 4 << 20;
const WRITE_BACK_CHANGES: usize = 1 << 14;

/// A file, whatever its names are.
#[derive(Debug, Default)]
pub(super) struct Inode {
    /// The page cache: what reads see.
    content: Vec<u8>,
    /// What stays, whatever becomes of the pending changes.
    durable: Vec<u8>,
    /// Changes of `content` that `durable` does not have, oldest first.
    pending: VecDeque<Change>,
    /// The bytes of the pending writes, one after the other: thousands of small writes need no allocation each.
    arena: Vec<u8>,
    /// The number of the oldest pending change. Changes of a file are numbered from 0 as they are made.
    first: u64,
    /// How many handles of SQLite's hold the file open: it stays as long, with or without a name.
    pub(super) open: u32,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    /// The bytes stand in the arena.
    Write {
        offset: usize,
        length: usize,
    },
    Truncate {
        length: usize,
    },
}

/// What becomes of one pending change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is durable.
    Kept,
    /// It is forgotten.
    Lost,
    /// Some sectors are kept: bit i % 64 of word i / 64 says whether the i-th sector is.
    Torn {
        /// One bit a sector.
        sectors: Vec<u64>,
        /// Whether the file has grown to hold the whole write, with zeros for what is missing at its end.
        grown: bool,
    },
}

impl Inode {
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    pub(super) fn durable(&self) -> &[u8] {
        &self.durable
    }

    /// Up to `length` bytes from `offset`.
    pub(super) fn read(&self, offset: u64, length: usize) -> &[u8] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.content.len());
        let end = start.saturating_add(length).min(self.content.len());
        &self.content[start..end]
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).expect("a simulated file fits into memory");
        put(&mut self.content, offset, bytes);
        self.arena.extend_from_slice(bytes);
        self.pending.push_back(Change::Write { offset, length: bytes.len() });
        if self.arena.len() > WRITE_BACK_BYTES || self.pending.len() > WRITE_BACK_CHANGES {
            self.settle(self.first + self.pending.len() as u64 / 2, |_| Fate::Kept);
        }
    }

    pub(super) fn truncate(&mut self, length: u64) {
        let length = usize::try_from(length).expect("a simulated file fits into memory");
        self.content.resize(length, 0);
        self.pending.push_back(Change::Truncate { length });
    }

    /// The number that the next change will have: a sync covers all below it.
    pub(super) fn mark(&self) -> u64 {
        self.first + self.pending.len() as u64
    }

    /// Decides all changes below `mark`, oldest first. `fate` is told how many sectors a change touches, 0 for a truncation.
    pub(super) fn settle(&mut self, mark: u64, mut fate: impl FnMut(usize) -> Fate) {
        let count = mark.saturating_sub(self.first).min(self.pending.len() as u64);
        let mut start = 0;
        for change in self.pending.drain(..count as usize) {
            match change {
                Change::Write { offset, length } => {
                    let bytes = &self.arena[start..start + length];
                    start += length;
                    match fate(sectors_of(offset, length).count()) {
                        Fate::Kept => put(&mut self.durable, offset, bytes),
                        Fate::Lost => {}
                        Fate::Torn { sectors, grown } => put_torn(&mut self.durable, offset, bytes, &sectors, grown),
                    }
                }
                Change::Truncate { length } => {
                    if fate(0) == Fate::Kept {
                        self.durable.resize(length, 0);
                    }
                }
            }
        }
        self.arena.drain(..start);
        self.first += count;
    }

    /// The machine boots after a loss of power: the page cache is what the device has.
    pub(super) fn reload(&mut self) {
        assert!(self.pending.is_empty(), "a power cut decides every pending change before the file is read again");
        self.content.clone_from(&self.durable);
        self.open = 0;
    }
}

/// The numbers of the sectors that a write touches.
fn sectors_of(offset: usize, length: usize) -> std::ops::Range<usize> {
    offset / SECTOR..(offset + length).div_ceil(SECTOR)
}

fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset.checked_add(bytes.len()).expect("a simulated file fits into memory");
    if offset == image.len() {
        image.extend_from_slice(bytes);
        return;
    }
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}

fn put_torn(image: &mut Vec<u8>, offset: usize, bytes: &[u8], kept: &[u64], grown: bool) {
    let end = offset + bytes.len();
    for (nth, sector) in sectors_of(offset, bytes.len()).enumerate() {
        if kept[nth / 64] >> (nth % 64) & 1 == 1 {
            let from = (sector * SECTOR).max(offset);
            let to = ((sector + 1) * SECTOR).min(end);
            put(image, from, &bytes[from - offset..to - offset]);
        }
    }
    if grown && image.len() < end {
        image.resize(end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_write_keeps_whole_sectors_and_no_more() {
        let mut file = Inode::default();
        file.write(0, &[1; 2048]);
        file.settle(file.mark(), |_| Fate::Kept);
        file.write(256, &[2; 1500]);
        file.settle(file.mark(), |sectors| {
            assert_eq!(sectors, 4, "bytes 256 to 1756 lie in four sectors");
            Fate::Torn { sectors: vec![0b1010], grown: false }
        });
        file.reload();
        let expected = [vec![1; 512], vec![2; 512], vec![1; 512], vec![2; 220], vec![1; 292]].concat();
        assert_eq!(file.content(), expected);
    }

    #[test]
    fn a_file_may_grow_by_zeros_that_nobody_wrote() {
        for (grown, length) in [(true, 1000), (false, 512)] {
            let mut file = Inode::default();
            file.write(0, &[7; 1000]);
            file.settle(file.mark(), |_| Fate::Torn { sectors: vec![0b01], grown });
            file.reload();
            assert_eq!(file.content().len(), length);
            assert!(file.content()[512..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn a_newer_write_can_outlive_an_older_one() {
        let mut file = Inode::default();
        file.write(0, b"older");
        file.write(5, b"newer");
        let mut fates = [Fate::Lost, Fate::Kept].into_iter();
        file.settle(file.mark(), |_| fates.next().expect("two changes"));
        file.reload();
        assert_eq!(file.content(), b"\0\0\0\0\0newer");
    }

    #[test]
    fn a_file_that_is_never_synced_holds_a_bounded_number_of_changes() {
        let mut file = Inode::default();
        for _ in 0..5 * WRITE_BACK_CHANGES {
            file.write(0, &[1; 300]);
        }
        assert!(file.pending.len() <= WRITE_BACK_CHANGES && file.arena.len() <= WRITE_BACK_BYTES);
        assert_eq!(file.mark(), 5 * WRITE_BACK_CHANGES as u64);
    }
}
