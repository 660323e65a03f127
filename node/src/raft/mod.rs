//! Consensus as a pure state machine.
//!
//! A [`Raft`] is stepped with [`Input`]s and hands out [`Effects`]; the host writes, syncs, sends and applies what they say,
//! in their order. The protocol is Raft (Ongaro's dissertation) with pre-votes, a leader that steps down when it hears no
//! majority, and followers that refuse to depose a leader they hear.
//!
//! | file | is |
//! |---|---|
//! | `types` | ids, terms, indexes, entries, the hard state |
//! | `io` | what goes in and what comes out, and what must be durable first |
//! | `core` | the state, `step`, `take_effects` |
//! | `election` | campaigns, pre-votes, votes |
//! | `replication` | the leader: proposals, commitment, heartbeats |
//! | `reads` | what is committed, told to those who want to read it |
//! | `membership` | changes of who takes part |
//! | `transfer` | leadership handed over |
//! | `snapshot` | a log that forgot its beginning, or lost a part |
//! | `peer` | what a leader knows of one follower, and the flow of appends to it |
//! | `follower` | appends and heartbeats received |
//! | `log` | entries and configurations in memory |
//! | `durability` | what the disk is known to hold |
//! | `config`, `quorum` | the members, and what a majority of them decides |
//! | `rules` | what a test may break on purpose |
//!
//! # Invariants
//! * Nothing here reads a clock, draws a random number, does I/O, waits, or logs. Time is [`Input::Tick`]; a random election
//!   timeout is asked of the host.
//! * The state is a value: two nodes with equal state that take equal inputs have equal effects, and stay equal.
//! * Nothing that a peer sends panics. What cannot come from a correct peer is ignored or refused. The node's own
//!   invariants are asserted always.
//! * A message that promises something leaves after what it promises is durable; see [`io`].

pub mod config;
pub mod io;
pub mod quorum;
pub mod rules;
pub mod types;

mod core;
mod durability;
mod election;
mod follower;
mod log;
mod membership;
mod peer;
mod reads;
mod replication;
mod snapshot;
mod transfer;

pub use self::core::{Options, Raft, Saved};
pub use config::{BadConfiguration, Configuration};
pub use io::{Batch, Body, Effects, Input, Message, Note, ProposalId, ProposeError, ReadError, ReadId, TransferError};
pub use membership::{Change, ChangeError};
pub use rules::{Correct, Rule, Rules};
pub use types::{Entry, EntryKind, HardState, Index, NodeId, Position, Role, Term};
