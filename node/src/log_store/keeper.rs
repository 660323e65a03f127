//! The superblock while the node runs: one update after the other is made durable in both slots.

use std::collections::VecDeque;

use super::slots::Slots;
use super::superblock::{Base, ClusterId, Superblock};
use crate::host::{Disk, DiskError, Ticket};

/// A change of the superblock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Update {
    /// The log begins here.
    Compact(Base),
    /// The log begins here, in this segment, and the database is another.
    Install { base: Base, segment: u64, generation: u64 },
    /// The node has its log again.
    Recovered,
    /// The node belongs to this cluster.
    Adopt(ClusterId),
}

impl Update {
    fn of(self, mut superblock: Superblock) -> Superblock {
        match self {
            Update::Compact(base) => superblock.base = base,
            Update::Install { base, segment, generation } => {
                superblock = Superblock { base, segment, generation, ..superblock };
            }
            Update::Recovered => superblock.recovering = false,
            Update::Adopt(cluster) => superblock.cluster = cluster,
        }
        superblock
    }
}

/// The superblock, its slots, and what is to become of it.
#[derive(Debug)]
pub(super) struct Keeper {
    slots: Slots,
    /// The value that is durable in both slots.
    superblock: Superblock,
    waiting: VecDeque<Update>,
    writing: Option<Writing>,
}

/// An update on its way to the disk.
#[derive(Debug)]
struct Writing {
    ticket: Ticket,
    step: usize,
    update: Update,
}

impl Keeper {
    /// Takes over a superblock that is durable.
    pub fn new(slots: Slots, superblock: Superblock) -> Self {
        Keeper { slots, superblock, waiting: VecDeque::new(), writing: None }
    }

    /// The superblock that is durable.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Makes an update durable, after those that were asked for before.
    pub fn update(&mut self, disk: &mut impl Disk, update: Update) -> Result<(), DiskError> {
        self.waiting.push_back(update);
        if self.writing.is_none() { self.begin(disk) } else { Ok(()) }
    }

    /// Whether this is the sync that is waited for.
    pub fn awaits(&self, ticket: Ticket) -> bool {
        self.writing.as_ref().is_some_and(|writing| writing.ticket == ticket)
    }

    /// Goes on after that sync. Returns the update that is durable now.
    pub fn advance(&mut self, disk: &mut impl Disk) -> Result<Option<Update>, DiskError> {
        let Writing { step, update, .. } = self.writing.take().expect("a slot of the superblock was synced");
        if step == 0 {
            self.write(disk, 1, update)?;
            return Ok(None);
        }
        self.superblock = update.of(self.superblock);
        self.begin(disk)?;
        Ok(Some(update))
    }

    fn begin(&mut self, disk: &mut impl Disk) -> Result<(), DiskError> {
        match self.waiting.pop_front() {
            Some(update) => self.write(disk, 0, update),
            None => Ok(()),
        }
    }

    fn write(&mut self, disk: &mut impl Disk, step: usize, update: Update) -> Result<(), DiskError> {
        let file = self.slots.write(disk, step, &update.of(self.superblock))?;
        self.writing = Some(Writing { ticket: disk.sync(&[file], false), step, update });
        Ok(())
    }
}
