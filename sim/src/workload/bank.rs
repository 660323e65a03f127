//! Transfers between accounts whose total never changes, and reads of that total.
//!
//! A transfer is one statement that writes the operation's number beside the movement of money: so its row shows whether it
//! happened. It does nothing if the number is there already, for systems that do not know what they have executed.

use lockstep_node::api::{Statement, Value};

use super::Asked;
use super::bank_schema::TRANSFER;
use crate::choice::Stream;

/// Every so many operations one reads the total.
const READ_EVERY: u64 = 10;

/// The operation of this number.
pub(super) fn operation(stream: &mut Stream, number: u64, accounts: u32) -> Asked {
    if number % READ_EVERY == READ_EVERY - 1 {
        return Asked::read(vec![Statement::new("SELECT sum(balance) AS total FROM accounts")]);
    }
    Asked::write(vec![transfer(stream, number, accounts)])
}

fn transfer(stream: &mut Stream, number: u64, accounts: u32) -> Statement {
    let accounts = u64::from(accounts);
    let source = stream.below(accounts);
    let target = (source + 1 + stream.below(accounts - 1)) % accounts;
    let amount = stream.between(1, 20);
    let values = [number, source + 1, target + 1, amount].map(|value| Value::Integer(value as i64));
    Statement::with(TRANSFER, values)
}
