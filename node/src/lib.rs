//! A replicated SQLite database node.

pub mod api;
pub mod client;
pub mod event;
pub mod host;
pub mod log_store;
pub mod prove;
pub mod raft;
pub mod replica;
pub mod sqlite;
pub mod state_machine;
pub mod wire;
