//! A replicated SQLite database node.
//!
//! ```text
//! client ── api, wire ──▶ replica ──▶ raft ──▶ log_store          (order, then durability)
//!                            │  ◀── committed ──┘
//!                            └──▶ state_machine ──▶ sqlite        (execution, then digest)
//! ```
//!
//! A client's request becomes an entry of the log: its statements, the leader's time and a random seed. [`raft`] decides the
//! order, [`log_store`] makes it durable, and every node's [`state_machine`] executes it on its own [`sqlite`], where "now"
//! and `random()` are the entry's. So one log makes one database, however often a node restarts in between.
//!
//! The node reaches the world through [`host`] only: network, clocks, disk, randomness. In the simulation all of these are
//! made of one seed. [`event`] is what a node says of itself; every verdict of the testbed is made of it.
//!
//! # The contract
//!
//! **Before this leaves, that is durable.** The core sorts its messages ([`raft::Effects`]); the [`replica`] holds back what
//! waits for a sync; a client is answered after the transaction that holds its effects has committed. Any failed sync ends
//! the node. At boot nothing read is taken for durable ([`prove`]).
//!
//! **Same entry, same effect.** An error of a statement is part of the result, the same on every replica, and leaves nothing
//! behind. Any other error ends the node before the applied index moves ([`state_machine::Fatal`]).
//!
//! **Exactly once.** A client numbers its requests in a session; what a request came to is kept beside the data, and whoever
//! sends it again gets the first reply. Sessions expire by the length of the log, never by a clock.
//!
//! **Every index has a digest** of the logical contents. Two replicas that differ are found at the index where they part: a
//! majority's digest goes into the log, and a replica that has another one stops, keeps its database as evidence, and
//! starts again only when it is told to take up a copy ([`replica::rejoin`]).
//!
//! **The database is the snapshot.** The log forgets only what a checkpoint proved durable in the database. Who needs what it
//! forgot gets a copy, which becomes its own with one update of the superblock, or not at all.
//!
//! **Members change by joint consensus**, and a configuration counts from when it is appended. A node's id is drawn when its
//! disk is formatted: an emptied disk is somebody new.
//!
//! **A read is as fresh as it asks to be**: through the log, confirmed by a majority on any node, or whatever a node has
//! ([`api::ReadLevel`]).
//!
//! # Where to begin
//!
//! [`api`] is what a client sees, [`replica`] ties the parts together, [`raft::io`] holds the table of what must be durable
//! before which message leaves.

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
