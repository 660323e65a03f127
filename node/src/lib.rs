//! A replicated SQLite database node.

pub mod api;
pub mod event;
pub mod host;
pub mod log_store;
pub mod prove;
pub mod raft;
pub mod sqlite;
