//! The running digest of a run: every choice, message, disk operation and event enters it, in order.
//!
//! Two runs of one seed must end with the same digest. To name the first difference, a run can keep the digest after
//! each event of the world.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A handle on the digest of one run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    low: u64,
    high: u64,
    items: u64,
}

/// What entered the digest: keeps different things with equal bytes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Item {
    /// A draw.
    Choice = 1,
    /// A peer message, a request or an answer, as bytes on the wire.
    Message = 2,
    /// A disk call.
    Disk = 3,
    /// Something recorded by a node, a client or a fault.
    Record = 4,
    /// An event that the world delivered.
    Delivery = 5,
}

impl Trace {
    /// Enters bytes.
    pub fn enter(&self, item: Item, bytes: &[u8]) {
        self.enter_hash(item, xxh3_64_with_seed(bytes, item as u64));
    }

    /// Enters a number.
    pub fn enter_number(&self, item: Item, number: u64) {
        self.enter_hash(item, number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ item as u64);
    }

    /// Enters a value, field by field, without formatting it.
    pub fn enter_hashed(&self, item: Item, value: &impl Hash) {
        let mut fold = Fold(item as u64);
        value.hash(&mut fold);
        self.enter_hash(item, fold.0);
    }

    fn enter_hash(&self, item: Item, hash: u64) {
        let mut state = self.0.lock().expect("the digest's lock is never held across a panic");
        state.items += 1;
        state.low = (state.low.rotate_left(7) ^ hash).wrapping_mul(0xA076_1D64_78BD_642F);
        state.high = (state.high.rotate_left(11) ^ hash.swap_bytes() ^ item as u64).wrapping_mul(0xE703_7ED1_A0B4_28DB);
    }

    /// The digest so far.
    pub fn digest(&self) -> u128 {
        let state = self.0.lock().expect("the digest's lock is never held across a panic");
        (u128::from(state.high) << 64 | u128::from(state.low)) ^ u128::from(state.items)
    }
}

/// A hasher that depends on the values only: not on addresses, and not on the process as the standard one does.
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
