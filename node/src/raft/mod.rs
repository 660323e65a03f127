//! Consensus as a pure state machine.

pub mod io;
pub mod rules;
pub mod types;

pub use io::{Batch, Body, Effects, Input, Message, Note, ProposalId, ProposeError};
pub use rules::{Correct, Rule, Rules};
pub use types::{Entry, EntryKind, HardState, Index, NodeId, Position, Role, Term};
