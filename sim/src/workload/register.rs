//! Reads, writes and compare-and-set of a few registers: each must behave as if there were one copy of it.

use lockstep_node::api::{Command, Statement, Value};

use super::{Asked, batch, integers};
use crate::choice::Stream;
use crate::scenario::model::Probability;

/// Creates the table.
pub const TABLE: &str = "CREATE TABLE registers(id INTEGER PRIMARY KEY, value INTEGER NOT NULL)";

const WRITE: &str = "UPDATE registers SET value = ?2 WHERE id = ?1";
const COMPARE_AND_SET: &str = "UPDATE registers SET value = ?3 WHERE id = ?1 AND value = ?2";
const READ: &str = "SELECT id, value FROM registers WHERE id = ?1";
const READ_ALL: &str = "SELECT id, value FROM registers ORDER BY id";

/// An operation. Registers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads a register.
    Read {
        /// Which one.
        register: i64,
    },
    /// Reads all registers.
    ReadAll,
    /// Writes a register.
    Write {
        /// Which one.
        register: i64,
        /// What it is to hold.
        value: i64,
    },
    /// Writes a register if it holds what is expected.
    CompareAndSet {
        /// Which one.
        register: i64,
        /// What it must hold.
        expected: i64,
        /// What it is to hold.
        new: i64,
    },
}

/// An operation at random.
pub(super) fn operation(
    stream: &mut Stream,
    keys: u32,
    values: u32,
    reads: Probability,
    compare_and_set: Probability,
) -> Access {
    let register = stream.between(1, u64::from(keys)) as i64;
    let value = |stream: &mut Stream| stream.below(u64::from(values)) as i64;
    if stream.happens(reads) {
        Access::Read { register }
    } else if stream.happens(compare_and_set) {
        Access::CompareAndSet { register, expected: value(stream), new: value(stream) }
    } else {
        Access::Write { register, value: value(stream) }
    }
}

impl Access {
    /// What a command asks, if it is one of this workload's.
    pub fn of(command: &Command) -> Option<Access> {
        let [statement] = &batch(command)?.statements[..] else { return None };
        match (statement.sql.as_str(), &integers(statement)?[..]) {
            (READ, [register]) => Some(Access::Read { register: *register }),
            (READ_ALL, []) => Some(Access::ReadAll),
            (WRITE, [register, value]) => Some(Access::Write { register: *register, value: *value }),
            (COMPARE_AND_SET, [register, expected, new]) => {
                Some(Access::CompareAndSet { register: *register, expected: *expected, new: *new })
            }
            _ => None,
        }
    }
}

impl From<Access> for Asked {
    fn from(access: Access) -> Asked {
        let statement =
            |sql: &str, values: &[i64]| vec![Statement::with(sql, values.iter().copied().map(Value::Integer))];
        match access {
            Access::Read { register } => Asked::read(statement(READ, &[register])),
            Access::ReadAll => Asked::read(statement(READ_ALL, &[])),
            Access::Write { register, value } => Asked::write(statement(WRITE, &[register, value])),
            Access::CompareAndSet { register, expected, new } => {
                Asked::write(statement(COMPARE_AND_SET, &[register, expected, new]))
            }
        }
    }
}
