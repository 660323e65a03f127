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

/// A transfer: the operation's number, the accounts that lose and gain, the amount.
pub const TRANSFER: &str = "INSERT INTO transfers VALUES (?1, ?2, ?3, ?4) ON CONFLICT(operation) DO NOTHING";

/// The statements that create the tables and fill the accounts: one fills them all, however many there are.
pub fn bank_schema(accounts: u32, balance: i64) -> Vec<String> {
    let fill = format!(
        "WITH RECURSIVE numbers(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM numbers WHERE id < {accounts})\n\
         INSERT INTO accounts SELECT id, {balance} FROM numbers"
    );
    BANK_SCHEMA.iter().map(|sql| (*sql).to_owned()).chain([fill]).collect()
}
