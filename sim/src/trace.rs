//! The running digest of a run: every choice, message, disk call, record and delivery enters it, in order.
//!
//! Two runs of one seed must end with the same digest. Where they do not, both are made again with a [`Listener`], which is
//! told each item as it enters; the first one that differs is where they part ([`crate::worker`]).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A handle on the digest of one run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    low: u64,
    high: u64,
    items: u64,
    /// The time of the last delivery.
    now: Duration,
    listener: Option<Listener>,
}

/// Is told everything that enters a digest. It must not change anything in the run.
pub type Listener = fn(Entered);

/// Something that entered a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// Its place among all items, from 1.
    pub number: u64,
    /// When, in the time that people see: 0 until the setup is over.
    pub at: Duration,
    /// What it is.
    pub item: Item,
    /// What it is about, in words.
    pub about: String,
    /// The bytes that were sent or written, as hexadecimal digits; empty for what has none.
    pub bytes: String,
    /// Its share in the digest.
    pub hash: u64,
}

/// What entered the digest: keeps different things with equal bytes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Item {
    /// A draw.
    Choice = 1,
    /// A datagram, a request or an answer, as bytes on the wire.
    Message = 2,
    /// A disk call.
    Disk = 3,
    /// Something recorded by a node, a client or a fault.
    Record = 4,
    /// An event that the world delivered.
    Delivery = 5,
}

impl Trace {
    /// A digest with somebody who listens.
    pub fn told_to(listener: Option<Listener>) -> Self {
        Trace(Arc::new(Mutex::new(State { listener, ..State::default() })))
    }

    /// Enters bytes that go to, or are at, some place, which is a number. `about` says it in words, if anybody listens.
    pub fn enter(&self, item: Item, place: u64, bytes: &[u8], about: impl FnOnce() -> String) {
        let hash = xxh3_64_with_seed(bytes, place.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ item as u64);
        self.lock().enter(item, hash, bytes, about);
    }

    /// Enters a number.
    pub fn enter_number(&self, item: Item, number: u64, about: impl FnOnce() -> String) {
        self.lock().enter(item, number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ item as u64, &[], about);
    }

    /// Enters a value, field by field, without formatting it.
    pub fn enter_hashed(&self, item: Item, value: &impl Hash, about: impl FnOnce() -> String) {
        let hash = Fold::of(item, value);
        self.lock().enter(item, hash, &[], about);
    }

    /// Enters a delivery, from which on it is `now` in the time that people see.
    pub fn deliver(&self, now: Duration, event: &impl Hash, about: impl FnOnce() -> String) {
        let hash = Fold::of(Item::Delivery, event);
        let mut state = self.lock();
        state.now = now;
        state.enter(Item::Delivery, hash, &[], about);
    }

    /// The digest so far.
    pub fn digest(&self) -> u128 {
        let state = self.lock();
        (u128::from(state.high) << 64 | u128::from(state.low)) ^ u128::from(state.items)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the digest's lock is never held across a panic")
    }
}

impl State {
    #[inline]
    fn enter(&mut self, item: Item, hash: u64, bytes: &[u8], about: impl FnOnce() -> String) {
        self.items += 1;
        self.low = (self.low.rotate_left(7) ^ hash).wrapping_mul(0xA076_1D64_78BD_642F);
        self.high = (self.high.rotate_left(11) ^ hash.swap_bytes() ^ item as u64).wrapping_mul(0xE703_7ED1_A0B4_28DB);
        if let Some(listener) = self.listener {
            let (number, at) = (self.items, self.now);
            tell(listener, || Entered { number, at, item, about: about(), bytes: hex(bytes), hash });
        }
    }
}

/// Keeps what is made for a listener out of the way of runs without one.
#[cold]
fn tell(listener: Listener, entered: impl FnOnce() -> Entered) {
    listener(entered());
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Item::Choice => "choice",
            Item::Message => "message",
            Item::Disk => "disk call",
            Item::Record => "event",
            Item::Delivery => "delivery",
        })
    }
}

/// A hasher that depends on the values only: not on addresses, and not on the process as the standard one does.
struct Fold(u64);

impl Fold {
    fn of(item: Item, value: &impl Hash) -> u64 {
        let mut fold = Fold(item as u64);
        value.hash(&mut fold);
        fold.0
    }
}

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
