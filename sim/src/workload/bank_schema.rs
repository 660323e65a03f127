//! The tables of the bank workload.

/// The statements that create them, in order.
///
/// A transfer is one statement, `INSERT INTO transfers VALUES (:operation, :source, :target, :amount) ON
/// CONFLICT(operation) DO NOTHING`: the trigger moves the amount, and sending it again changes nothing.
pub const BANK_SCHEMA: &[&str] = &[
    "CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)",
    "CREATE TABLE transfers(\n  operation INTEGER PRIMARY KEY,\n  source INTEGER NOT NULL REFERENCES accounts,\n  \
     target INTEGER NOT NULL REFERENCES accounts,\n  amount INTEGER NOT NULL\n)",
    "CREATE TRIGGER transfer AFTER INSERT ON transfers BEGIN\n  \
     UPDATE accounts SET balance = balance - new.amount WHERE id = new.source;\n  \
     UPDATE accounts SET balance = balance + new.amount WHERE id = new.target;\nEND",
];
