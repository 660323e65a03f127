//! SQLite made deterministic: the same statements, in the same order, with the same time and seed, have the same results
//! and leave the same contents on every replica, whatever the machine, the batch, or a restart in between.
//!
//! ```text
//! text ─▶ text, views ─▶ authorizer, functions ─▶ budget, limits, random, vfs ─▶ tracker ─▶ inspector, rewrite
//!         before SQLite   while it prepares        while it executes             each row    after the schema changed
//! ```
//!
//! No statement is rewritten. What depends on the moment is pinned inside SQLite: time (`vfs`) and randomness (`random`).
//! What cannot be pinned is refused with a sentence that says what to write instead: by the authorizer (`authorizer`,
//! `functions`) where SQLite shows it while it prepares, by the text (`text`) where it does not, by the preupdate hook
//! (`tracker`) while a statement runs, and by an inspection of the schema (`inspector`) after it changed. How a connection
//! behaves beyond that is fixed when it is opened (`database`).
//!
//! What a statement costs is bounded alike on every replica ([`limits`], `budget`, `views`), and whether an error is the
//! statement's or the machine's is told by the disk (`vfs`), not by SQLite's codes.
//!
//! The hook also keeps the content [`Digest`], row by row; [`digest`] computes the same from nothing but the tables. So that
//! both see the same, a column that is added to a table is written into its rows (`rewrite`).
//!
//! Not pinned: floating-point results are those of one build for one architecture.

mod authorizer;
mod budget;
pub mod copy;
pub mod database;
pub mod digest;
pub mod dump;
pub mod fingerprint;
mod functions;
pub(crate) mod inspector;
pub mod integrity;
pub mod limits;
mod random;
pub mod reader;
pub(crate) mod rewrite;
pub(crate) mod schema;
mod text;
mod tracker;
pub(crate) mod vfs;
mod views;

use serde::{Deserialize, Serialize};

/// A hash of the logical contents of a database: equal contents, equal digest, whatever the bytes of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest(pub u128);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Tables whose names begin like this are Lockstep's own: users can neither read nor write them, and no dump shows them.
/// Of their rows only those of client sessions are part of the digest ([`SESSION_TABLES`]).
pub const INTERNAL_PREFIX: &str = "_lockstep_";

/// Lockstep's own tables, as far as there are any.
pub const INTERNAL_TABLES: [&str; 3] = ["_lockstep_state", SESSION_TABLES[0], SESSION_TABLES[1]];

/// The tables of client sessions: replicas that differ in them will differ in what they execute.
pub const SESSION_TABLES: [&str; 2] = ["_lockstep_sessions", "_lockstep_outcomes"];

/// Whether a name is of [`INTERNAL_PREFIX`]. SQLite's names do not distinguish case.
pub fn is_internal(name: &str) -> bool {
    name.as_bytes()
        .get(..INTERNAL_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(INTERNAL_PREFIX.as_bytes()))
}
