//! One file: what reads see, and what of it a loss of power could take back.
//!
//! There is one image of the content, and every change of it that is not durable yet remembers the bytes that it replaced.
//! So an append costs what it writes, a sync forgets how to go back, and only a power cut has to: it takes all changes back
//! to the first that is not kept, newest first, and makes again those that are, oldest first.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

/// The unit that a device writes as a whole, in bytes.
pub(super) const SECTOR: usize = 512;

/// Above so many changes, or bytes that they replaced, the operating system writes the older half back by itself, as real
/// ones do after a while. It keeps the memory of a file that nobody syncs bounded.
const WRITE_BACK_BYTES: usize = 4 << 20;
const WRITE_BACK_CHANGES: usize = 1 << 14;

/// A file, whatever its names are.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// The page cache: what reads see.
    content: Vec<u8>,
    /// The changes that can still be taken back, oldest first. The oldest is not known to be durable.
    pending: VecDeque<Change>,
    /// The bytes that the pending changes replaced, one after the other: small writes need no allocation each.
    replaced: Vec<u8>,
    /// The number of the oldest pending change. Changes of a file are numbered from 0 as they are made.
    first: u64,
    /// How many of the pending changes, from the oldest on, have been decided.
    decided: usize,
    /// How many handles of SQLite's hold the file open: it stays as long, with or without a name.
    pub(super) open: u32,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    what: What,
    /// The file's length before.
    length_before: usize,
    /// How many bytes it replaced.
    replaced: usize,
    standing: Standing,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Write { offset: usize, length: usize },
    Truncate { length: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The next power cut decides.
    Open,
    /// It is durable, though an older change is not.
    Durable,
    /// A failed sync forgot it: reads see it until the power is cut.
    Forgotten,
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

    /// What a loss of power would leave for sure: the content without any change that it may take.
    pub(super) fn durable(&self) -> Cow<'_, [u8]> {
        if self.pending.is_empty() {
            return Cow::Borrowed(&self.content);
        }
        let mut cut = self.clone();
        cut.cut_power(|_| Fate::Lost);
        Cow::Owned(cut.content)
    }

    /// Up to `length` bytes from `offset`.
    pub(super) fn read(&self, offset: u64, length: usize) -> &[u8] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.content.len());
        let end = start.saturating_add(length).min(self.content.len());
        &self.content[start..end]
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let offset = in_memory(offset);
        let end = offset.checked_add(bytes.len()).expect("a simulated file fits into memory");
        let length_before = self.content.len();
        self.remember(What::Write { offset, length: bytes.len() }, offset.min(length_before)..end.min(length_before));
        put(&mut self.content, offset, bytes);
    }

    pub(super) fn truncate(&mut self, length: u64) {
        let length = in_memory(length);
        self.remember(What::Truncate { length }, length.min(self.content.len())..self.content.len());
        self.content.resize(length, 0);
    }

    /// Keeps the bytes that a change is about to replace.
    fn remember(&mut self, what: What, replaced: Range<usize>) {
        if self.replaced.len() > WRITE_BACK_BYTES || self.pending.len() >= WRITE_BACK_CHANGES {
            self.sync(self.first + self.pending.len() as u64 / 2);
        }
        let (length_before, standing) = (self.content.len(), Standing::Open);
        self.pending.push_back(Change { what, length_before, replaced: replaced.len(), standing });
        self.replaced.extend_from_slice(&self.content[replaced]);
    }

    /// The number that the next change will have: a sync covers all below it.
    pub(super) fn mark(&self) -> u64 {
        self.first + self.pending.len() as u64
    }

    /// Makes all changes below `mark` durable that no failed sync has forgotten.
    pub(super) fn sync(&mut self, mark: u64) {
        self.decide(mark, Standing::Durable);
        let durable = self.pending.iter().take_while(|change| change.standing == Standing::Durable).count();
        let replaced: usize = self.pending.drain(..durable).map(|change| change.replaced).sum();
        self.replaced.drain(..replaced);
        self.first += durable as u64;
        self.decided -= durable;
    }

    /// Forgets all changes below `mark`, though reads go on seeing them: what Linux does when a sync fails.
    pub(super) fn forget(&mut self, mark: u64) {
        self.decide(mark, Standing::Forgotten);
    }

    fn decide(&mut self, mark: u64, standing: Standing) {
        let below = mark.saturating_sub(self.first).min(self.pending.len() as u64) as usize;
        if below > self.decided {
            self.pending.range_mut(self.decided..below).for_each(|change| change.standing = standing);
            self.decided = below;
        }
    }

    /// Whether a loss of power would have something to decide.
    pub(super) fn is_undecided(&self) -> bool {
        self.decided < self.pending.len()
    }

    /// The machine loses power: each change that is not decided meets its fate, oldest first, and the page cache is then what
    /// the device has. `fate` is told how many sectors a change touches, 0 for a truncation.
    pub(super) fn cut_power(&mut self, mut fate: impl FnMut(usize) -> Fate) {
        let fate = |change: &Change| match (change.standing, change.what) {
            (Standing::Durable, _) => Fate::Kept,
            (Standing::Forgotten, _) => Fate::Lost,
            (Standing::Open, What::Write { offset, length }) => fate(sectors_of(offset, length).count()),
            (Standing::Open, What::Truncate { .. }) => fate(0),
        };
        let fates: Vec<Fate> = self.pending.iter().map(fate).collect();
        let kept = fates.iter().take_while(|fate| **fate == Fate::Kept).count();
        self.first = self.mark();
        let mut undone = Vec::new();
        while self.pending.len() > kept {
            undone.push(self.take_back());
        }
        for (change, fate) in undone.into_iter().rev().zip(&fates[kept..]) {
            change.redo(&mut self.content, fate);
        }
        self.pending.clear();
        self.replaced.clear();
        (self.decided, self.open) = (0, 0);
    }

    /// Takes the newest change back.
    fn take_back(&mut self) -> Undone {
        let change = self.pending.pop_back().expect("the caller counts the changes");
        let replaced = self.replaced.split_off(self.replaced.len() - change.replaced);
        let (at, undone) = match change.what {
            What::Write { offset, length } => {
                let bytes = self.content[offset..offset + length].to_vec();
                (offset, Undone::Write { offset, bytes })
            }
            What::Truncate { length } => (length, Undone::Truncate { length }),
        };
        self.content.resize(change.length_before, 0);
        if !replaced.is_empty() {
            self.content[at..at + replaced.len()].copy_from_slice(&replaced);
        }
        undone
    }
}

/// A change that was taken back, with what is needed to make it again.
enum Undone {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

impl Undone {
    /// Makes the change again as far as its fate lets it.
    fn redo(self, image: &mut Vec<u8>, fate: &Fate) {
        match (self, fate) {
            (_, Fate::Lost) => {}
            (Undone::Truncate { length }, _) => image.resize(length, 0),
            (Undone::Write { offset, bytes }, Fate::Kept) => put(image, offset, &bytes),
            (Undone::Write { offset, bytes }, Fate::Torn { sectors, grown }) => {
                put_torn(image, offset, &bytes, sectors, *grown);
            }
        }
    }
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a simulated file fits into memory")
}

/// The numbers of the sectors that a write touches.
fn sectors_of(offset: usize, length: usize) -> Range<usize> {
    offset / SECTOR..(offset + length).div_ceil(SECTOR)
}

fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
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
        file.sync(file.mark());
        file.write(256, &[2; 1500]);
        file.cut_power(|sectors| {
            assert_eq!(sectors, 4, "bytes 256 to 1756 lie in four sectors");
            Fate::Torn { sectors: vec![0b1010], grown: false }
        });
        let expected = [vec![1; 512], vec![2; 512], vec![1; 512], vec![2; 220], vec![1; 292]].concat();
        assert_eq!(file.content(), expected);
    }

    #[test]
    fn a_file_may_grow_by_zeros_that_nobody_wrote() {
        for (grown, length) in [(true, 1000), (false, 512)] {
            let mut file = Inode::default();
            file.write(0, &[7; 1000]);
            file.cut_power(|_| Fate::Torn { sectors: vec![0b01], grown });
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
        file.cut_power(|_| fates.next().expect("two changes"));
        assert_eq!(file.content(), b"\0\0\0\0\0newer");
    }

    #[test]
    fn a_file_that_is_never_synced_holds_a_bounded_number_of_changes() {
        let mut file = Inode::default();
        for _ in 0..5 * WRITE_BACK_CHANGES {
            file.write(0, &[1; 300]);
        }
        assert!(file.pending.len() <= WRITE_BACK_CHANGES && file.replaced.len() <= WRITE_BACK_BYTES + 300);
        assert_eq!(file.mark(), 5 * WRITE_BACK_CHANGES as u64);
    }

    /// The same file as two images: what reads see, and what the device has.
    #[derive(Default)]
    struct TwoImages {
        content: Vec<u8>,
        device: Vec<u8>,
        pending: Vec<(u64, usize, Option<Vec<u8>>)>,
    }

    impl TwoImages {
        fn change(image: &mut Vec<u8>, offset: usize, bytes: Option<&[u8]>) {
            match bytes {
                Some(bytes) => put(image, offset, bytes),
                None => image.resize(offset, 0),
            }
        }

        fn settle(&mut self, mark: u64, mut fate: impl FnMut(usize) -> Fate) {
            for (number, offset, bytes) in std::mem::take(&mut self.pending) {
                if number >= mark {
                    self.pending.push((number, offset, bytes));
                    continue;
                }
                let sectors = bytes.as_ref().map_or(0, |bytes| sectors_of(offset, bytes.len()).count());
                match (fate(sectors), &bytes) {
                    (Fate::Lost, _) => {}
                    (Fate::Torn { sectors, grown }, Some(bytes)) => {
                        put_torn(&mut self.device, offset, bytes, &sectors, grown);
                    }
                    _ => Self::change(&mut self.device, offset, bytes.as_deref()),
                }
            }
        }
    }

    #[test]
    fn taking_changes_back_leaves_what_a_device_with_its_own_image_has() {
        let trace = crate::trace::Trace::default();
        let (mut forgotten, mut torn) = (0, 0);
        for seed in 0..300 {
            let mut choose = crate::choice::Stream::new(&trace, seed, "test", 0);
            let (mut file, mut model) = (Inode::default(), TwoImages::default());
            for step in 0..200 {
                let offset = choose.below(3000) as usize;
                let bytes = (choose.below(8) > 0).then(|| vec![step as u8 + 1; 1 + choose.below(1500) as usize]);
                match choose.below(20) {
                    0 => {
                        let mut fates: Vec<Fate> = Vec::new();
                        file.cut_power(|sectors| {
                            let fate = match choose.below(3) {
                                0 => Fate::Lost,
                                1 if sectors > 0 => {
                                    Fate::Torn { sectors: vec![choose.number()], grown: choose.below(2) == 0 }
                                }
                                _ => Fate::Kept,
                            };
                            torn += u64::from(matches!(fate, Fate::Torn { .. }));
                            fates.push(fate.clone());
                            fate
                        });
                        let mut fates = fates.into_iter();
                        model.settle(u64::MAX, |_| fates.next().expect("both decide the same changes"));
                        assert_eq!(fates.next(), None);
                        model.content.clone_from(&model.device);
                    }
                    1..3 => {
                        let mark = file.mark() - choose.below(file.pending.len() as u64 + 1);
                        file.sync(mark);
                        model.settle(mark, |_| Fate::Kept);
                    }
                    3 => {
                        forgotten += file.pending.len() - file.decided;
                        file.forget(file.mark());
                        model.settle(file.mark(), |_| Fate::Lost);
                    }
                    _ => {
                        model.pending.push((file.mark(), offset, bytes.clone()));
                        TwoImages::change(&mut model.content, offset, bytes.as_deref());
                        match bytes {
                            Some(bytes) => file.write(offset as u64, &bytes),
                            None => file.truncate(offset as u64),
                        }
                    }
                }
                assert!(file.content() == model.content, "seed {seed}, step {step}");
            }
        }
        assert!(forgotten > 0 && torn > 0, "{forgotten} forgotten, {torn} torn");
    }
}
