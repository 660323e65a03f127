//! What a loss of power does: the fate of every change that no completed sync covers.
//!
//! Each write and each truncation is decided for itself, so a newer one can outlive an older one: nothing but a sync orders
//! two changes. A torn write keeps some of its 512-byte sectors; where it was to make the file longer, the file may have
//! grown all the same, by zeros. Bytes outside a write never change (SQLite calls that `POWERSAFE_OVERWRITE`).
//!
//! Directories differ between file systems. A journal (ext4, XFS) keeps the changes up to one and forgets all after it;
//! without one (ext2, and all that POSIX promises) each is decided for itself. Every power cut draws which of the two.

use super::inode::Fate;
use crate::choice::Stream;
use crate::scenario::model::PowerCut;

/// How many pending changes, of files and of the directory, a power cut kept, forgot and tore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Kept as a whole.
    pub kept: u64,
    /// Forgotten.
    pub lost: u64,
    /// Kept in part.
    pub torn: u64,
}

/// The decisions of one power cut.
pub(super) struct Draws<'a> {
    stream: &'a mut Stream,
    settings: PowerCut,
    /// Whether the directory is kept by a journal, and whether the journal has ended.
    journal: Option<Journal>,
    pub(super) resolved: Resolved,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Journal {
    Going,
    Ended,
}

impl<'a> Draws<'a> {
    pub(super) fn new(stream: &'a mut Stream, settings: PowerCut) -> Self {
        let journal = (stream.below(2) == 0).then_some(Journal::Going);
        Draws { stream, settings, journal, resolved: Resolved::default() }
    }

    /// What becomes of a change of a file that touches so many sectors.
    pub(super) fn change(&mut self, sectors: usize) -> Fate {
        let PowerCut { lost, torn } = self.settings;
        let draw = self.stream.below(1_000_000);
        if draw < u64::from(lost.0) {
            self.resolved.lost += 1;
            return Fate::Lost;
        }
        // A truncation has no sectors to tear.
        if draw < u64::from(lost.0) + u64::from(torn.0) && sectors > 0 {
            self.resolved.torn += 1;
            let sectors = (0..sectors.div_ceil(64)).map(|_| self.stream.number()).collect();
            return Fate::Torn { sectors, grown: self.stream.below(2) == 0 };
        }
        self.resolved.kept += 1;
        Fate::Kept
    }

    /// Whether a change of the directory is kept.
    pub(super) fn entry(&mut self) -> bool {
        let kept = self.journal != Some(Journal::Ended) && !self.stream.happens(self.settings.lost);
        if kept {
            self.resolved.kept += 1;
        } else {
            self.resolved.lost += 1;
            self.journal = self.journal.map(|_| Journal::Ended);
        }
        kept
    }
}
