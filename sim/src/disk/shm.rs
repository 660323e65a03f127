//! The shared memory of a database in WAL mode: the index of the write-ahead log, and the locks on its parts.
//!
//! It belongs to the connections of one boot. The memory itself is held by each connection that mapped it, because SQLite
//! goes on using its pointers: a connection of a dead boot writes to memory that nobody else sees any more.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use super::locks::Busy;

/// SQLite asks for regions of this size only, in bytes.
pub(super) const REGION: usize = 32 << 10;
/// How many locks there are.
pub(super) const SLOTS: usize = 8;

/// The shared memory of one database file.
#[derive(Default)]
pub(super) struct Shm {
    memory: Arc<Memory>,
    /// How many handles have mapped it. When the last one goes, the memory goes, as a file that the last one removes.
    users: u32,
    slots: [Slot; SLOTS],
}

/// Regions that never move while anybody holds them.
#[derive(Default)]
pub(super) struct Memory(Mutex<Vec<Box<Region>>>);

/// Words and not bytes: SQLite reads it as integers of four and eight bytes.
type Region = UnsafeCell<[u64; REGION / 8]>;

#[derive(Clone, Copy, Default)]
struct Slot {
    shared: u32,
    exclusive: bool,
}

/// What one handle holds of the shared memory.
pub(super) struct Mapping {
    memory: Arc<Memory>,
    /// One bit a lock.
    shared: u8,
    exclusive: u8,
}

impl Shm {
    pub(super) fn map(&mut self) -> Mapping {
        self.users += 1;
        Mapping { memory: self.memory.clone(), shared: 0, exclusive: 0 }
    }

    /// Releases what a handle held; whether it was the last one.
    pub(super) fn unmap(&mut self, mut mapping: Mapping) -> bool {
        self.unlock(&mut mapping, 0..SLOTS);
        self.users -= 1;
        self.users == 0
    }

    pub(super) fn lock_shared(&mut self, mapping: &mut Mapping, slots: std::ops::Range<usize>) -> Result<(), Busy> {
        if self.slots[slots.clone()].iter().any(|slot| slot.exclusive) {
            return Err(Busy);
        }
        for slot in slots {
            if mapping.shared >> slot & 1 == 0 {
                self.slots[slot].shared += 1;
                mapping.shared |= 1 << slot;
            }
        }
        Ok(())
    }

    pub(super) fn lock_exclusive(&mut self, mapping: &mut Mapping, slots: std::ops::Range<usize>) -> Result<(), Busy> {
        if self.slots[slots.clone()].iter().any(|slot| slot.exclusive || slot.shared > 0) {
            return Err(Busy);
        }
        for slot in slots {
            self.slots[slot].exclusive = true;
            mapping.exclusive |= 1 << slot;
        }
        Ok(())
    }

    pub(super) fn unlock(&mut self, mapping: &mut Mapping, slots: std::ops::Range<usize>) {
        for slot in slots {
            self.slots[slot].shared -= u32::from(mapping.shared >> slot & 1);
            if mapping.exclusive >> slot & 1 == 1 {
                self.slots[slot].exclusive = false;
            }
            mapping.shared &= !(1 << slot);
            mapping.exclusive &= !(1 << slot);
        }
    }
}

impl Mapping {
    /// Where a region is, making it and those before it if `extend`; they begin as zeros. The pointer is good as long as
    /// the mapping lives.
    pub(super) fn region(&self, number: usize, extend: bool) -> Option<*mut c_void> {
        let mut regions = self.memory.0.lock().expect("the lock on shared memory is never held across a panic");
        while extend && regions.len() <= number {
            regions.push(Box::new(UnsafeCell::new([0; REGION / 8])));
        }
        regions.get(number).map(|region| region.get().cast())
    }
}
