//! Transfers between accounts whose total never changes, and reads of that total.
//!
//! A transfer is one statement that writes the operation's number beside the movement of money, and does nothing if the
//! number is there already: so it may be sent again, and still happens once, where nodes keep no sessions.

use lockstep_node::api::{Batch, ReadLevel, Statement, Value};
use lockstep_node::client::Resend;

use super::Asked;
use super::bank_schema::TRANSFER;
use crate::choice::Stream;

/// Every so many operations one reads the total.
const READ_EVERY: u64 = 10;

/// The operation of this number.
pub(super) fn operation(stream: &mut Stream, number: u64, accounts: u32) -> Asked {
    let read = number % READ_EVERY == READ_EVERY - 1;
    let statement = if read {
        Statement::new("SELECT sum(balance) AS total FROM accounts")
    } else {
        transfer(stream, number, accounts)
    };
    Asked {
        batch: Batch { statements: vec![statement], atomic: true },
        read: read.then_some(ReadLevel::Strong),
        resend: Resend::Idempotent,
    }
}

fn transfer(stream: &mut Stream, number: u64, accounts: u32) -> Statement {
    let accounts = u64::from(accounts);
    let source = stream.below(accounts);
    let target = (source + 1 + stream.below(accounts - 1)) % accounts;
    let amount = stream.between(1, 20);
    let values = [number, source + 1, target + 1, amount].map(|value| Value::Integer(value as i64));
    Statement::with(TRANSFER, values)
}
