//! `random()` and `randomblob()` that draw from a stream seeded by the entry.
//!
//! SQLite's own generator is one for the whole process and cannot be pinned for one connection.

use std::sync::{Arc, Mutex};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;

use super::functions::{longest, too_big};

/// Where a connection's random numbers come from.
#[derive(Clone, Debug)]
pub struct RandomSource(Arc<Mutex<ChaCha8Rng>>);

impl RandomSource {
    /// Replaces `random()` and `randomblob()` on a connection, in every place where SQL can call them.
    ///
    /// # Errors
    /// When SQLite is out of memory.
    pub fn install(connection: &Connection) -> rusqlite::Result<RandomSource> {
        let source = RandomSource(Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(0))));
        // Innocuous, because defaults and triggers must be able to call them. Not deterministic: SQLite would call them
        // once a statement instead of once a row, and would allow them in indexes.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        let numbers = source.clone();
        connection.create_scalar_function("random", 0, flags, move |_| Ok(numbers.integer()))?;
        let bytes = source.clone();
        connection.create_scalar_function("randomblob", 1, flags, move |context| {
            let length = integer(context.get_raw(0)).max(1);
            if length > longest(context)? as i64 {
                return Err(too_big());
            }
            Ok(bytes.blob(length as usize))
        })?;
        Ok(source)
    }

    /// Begins the stream that `seed` names.
    pub fn seed(&self, seed: u64) {
        *self.lock() = ChaCha8Rng::seed_from_u64(seed);
    }

    /// Never the smallest integer, as in SQLite's own `random()`: `abs` of it would be an overflow.
    fn integer(&self) -> i64 {
        (self.lock().next_u64() as i64).max(-i64::MAX)
    }

    fn blob(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.lock().fill_bytes(&mut bytes);
        bytes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ChaCha8Rng> {
        self.0.lock().expect("nothing panics while it draws")
    }
}

/// The value as an integer, as SQLite's functions take their arguments.
fn integer(value: ValueRef<'_>) -> i64 {
    match value {
        ValueRef::Integer(value) => value,
        ValueRef::Real(value) => value as i64,
        ValueRef::Text(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.trim().parse::<f64>().ok())
            .map_or(0, |value| value as i64),
        ValueRef::Null | ValueRef::Blob(_) => 0,
    }
}
