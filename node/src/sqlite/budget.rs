//! The budget of SQLite's instructions: a statement that uses it up is interrupted at the same instruction on every replica.
//!
//! SQLite calls a progress handler each time a statement has executed [`LOOK_EVERY`] instructions. When, follows from a
//! counter of the statement itself, which a cached statement carries from one execution to the next. So the counter is set
//! back before each execution, and only calls between [`Budget::begin`] and [`Budget::end`] count: neither what the node
//! itself executes, nor what is prepared, since a statement from the cache is not prepared again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;

use super::limits::LOOK_EVERY;

/// The budget of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<State>);

#[derive(Debug, Default)]
struct State {
    counts: AtomicBool,
    /// How often the handler may still be called.
    looks_left: AtomicU64,
}

impl Budget {
    /// Has a connection ask.
    ///
    /// # Errors
    /// None is known.
    pub fn install(connection: &mut Connection) -> rusqlite::Result<Budget> {
        let budget = Budget::default();
        let state = budget.0.clone();
        connection.progress_handler(LOOK_EVERY as i32, Some(move || state.is_over()))?;
        Ok(budget)
    }

    /// Starts counting. The statement is interrupted after `steps` instructions.
    pub fn begin(&self, steps: u64) {
        self.0.looks_left.store(steps / u64::from(LOOK_EVERY), Ordering::Relaxed);
        self.0.counts.store(true, Ordering::Relaxed);
    }

    /// Counts no longer. Returns how many instructions are left of a budget that began with `steps`.
    pub fn end(&self, steps: u64) -> u64 {
        self.0.counts.store(false, Ordering::Relaxed);
        let looks = steps / u64::from(LOOK_EVERY) - self.0.looks_left.load(Ordering::Relaxed);
        steps - looks * u64::from(LOOK_EVERY)
    }
}

impl State {
    fn is_over(&self) -> bool {
        if !self.counts.load(Ordering::Relaxed) {
            return false;
        }
        let left = self.looks_left.load(Ordering::Relaxed);
        self.looks_left.store(left.saturating_sub(1), Ordering::Relaxed);
        left == 0
    }
}
