//! A replicated SQLite database node.

pub mod api;
pub mod event;
pub mod host;
pub mod raft;
pub mod sqlite;
pub mod state_machine;
