//! Additions to a few counters, and reads of them. What a counter may hold is then known within bounds, whatever order
//! the additions took effect in.

use lockstep_node::api::{Command, Statement, Value};

use super::{Asked, batch, integers};
use crate::choice::Stream;
use crate::scenario::model::Probability;

/// Creates the table.
pub const TABLE: &str = "CREATE TABLE counters(id INTEGER PRIMARY KEY, value INTEGER NOT NULL)";

const ADD: &str = "UPDATE counters SET value = value + ?2 WHERE id = ?1";
const READ: &str = "SELECT id, value FROM counters WHERE id = ?1";
const READ_ALL: &str = "SELECT id, value FROM counters ORDER BY id";

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Adds to a counter.
    Add {
        /// Which one, from 1.
        counter: i64,
        /// How much.
        amount: i64,
    },
    /// Reads a counter.
    Read {
        /// Which one, from 1.
        counter: i64,
    },
    /// Reads all counters.
    ReadAll,
}

/// An operation at random.
pub(super) fn operation(stream: &mut Stream, keys: u32, add: (u32, u32), reads: Probability) -> Counting {
    let counter = stream.between(1, u64::from(keys)) as i64;
    if stream.happens(reads) {
        return Counting::Read { counter };
    }
    Counting::Add { counter, amount: stream.between(u64::from(add.0), u64::from(add.1)) as i64 }
}

impl Counting {
    /// What a command asks, if it is one of this workload's.
    pub fn of(command: &Command) -> Option<Counting> {
        let [statement] = &batch(command)?.statements[..] else { return None };
        match (statement.sql.as_str(), &integers(statement)?[..]) {
            (ADD, [counter, amount]) => Some(Counting::Add { counter: *counter, amount: *amount }),
            (READ, [counter]) => Some(Counting::Read { counter: *counter }),
            (READ_ALL, []) => Some(Counting::ReadAll),
            _ => None,
        }
    }
}

impl From<Counting> for Asked {
    fn from(counting: Counting) -> Asked {
        match counting {
            Counting::Add { counter, amount } => {
                Asked::write(vec![Statement::with(ADD, [counter, amount].map(Value::Integer))])
            }
            Counting::Read { counter } => Asked::read(vec![Statement::with(READ, [Value::Integer(counter)])]),
            Counting::ReadAll => Asked::read(vec![Statement::new(READ_ALL)]),
        }
    }
}
