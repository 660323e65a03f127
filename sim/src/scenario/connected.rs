//! The connection of a scratch database, and what that refuses beside what SQLite does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockstep_node::sqlite::database::{Database, Options, Seen};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// How many instructions of SQLite's machine all of a scenario's SQL may take: about a second's worth.
const STEPS_MAX: i32 = 40_000_000;

/// Between two looks at what is left of them.
const STEPS_A_CALL: i32 = 100_000;

/// Whose rules hold for the SQL of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Those of Lockstep's nodes: what cannot be the same on every replica is refused.
    Lockstep,
    /// Those of any program that works with SQLite.
    Plain,
}

/// The connection.
pub enum Connected {
    /// One as a node has it.
    Lockstep(Box<Database>),
    /// One as any program has it. It knows whether the statement at work is a client's.
    Plain(Connection, Arc<AtomicBool>),
}

impl Connected {
    /// Connects to an empty database in memory.
    ///
    /// # Panics
    /// If SQLite has no memory.
    pub fn new(rules: Rules) -> Self {
        match rules {
            Rules::Lockstep => {
                let mut database = Database::in_memory(Options::default()).expect("a database in memory opens");
                database.interrupt_when(STEPS_A_CALL, patience()).expect("a handler can be set");
                Connected::Lockstep(Box::new(database))
            }
            Rules::Plain => {
                let mut connection = Connection::open_in_memory().expect("a database in memory opens");
                connection.execute_batch("PRAGMA foreign_keys = ON").expect("SQLite knows foreign keys");
                connection.progress_handler(STEPS_A_CALL, Some(patience())).expect("a handler can be set");
                let client = Arc::new(AtomicBool::new(false));
                let is_client = client.clone();
                let decide = move |context: AuthContext<'_>| match is_client.load(Ordering::Relaxed) {
                    true => authorize(&context.action),
                    false => Authorization::Allow,
                };
                connection.authorizer(Some(decide)).expect("an authorizer can be set");
                Connected::Plain(connection, client)
            }
        }
    }

    /// Its rules.
    pub fn rules(&self) -> Rules {
        match self {
            Connected::Lockstep(_) => Rules::Lockstep,
            Connected::Plain(..) => Rules::Plain,
        }
    }

    /// The connection, for statements that are not clients'.
    pub fn own(&self) -> &Connection {
        match self {
            Connected::Lockstep(database) => database.connection(),
            Connected::Plain(connection, _) => connection,
        }
    }

    /// Prepares or steps a client's statement, of which `before` was seen so far.
    pub fn as_client<'c, T>(&'c self, before: &Seen, work: impl FnOnce(&'c Connection) -> T) -> (T, Seen) {
        match self {
            Connected::Lockstep(database) => database.as_user(before, work),
            Connected::Plain(connection, client) => {
                client.store(true, Ordering::Relaxed);
                let done = work(connection);
                client.store(false, Ordering::Relaxed);
                (done, Seen::default())
            }
        }
    }
}

/// Says when all instructions are used up.
fn patience() -> impl FnMut() -> bool + Send + 'static {
    let mut left = STEPS_MAX / STEPS_A_CALL;
    move || {
        left = left.saturating_sub(1);
        left == 0
    }
}

/// What reaches outside of the tables is not for clients, and must not reach the real disk from here.
fn authorize(action: &AuthAction<'_>) -> Authorization {
    match action {
        // SQLite itself asks this while it adds a column to a table with a CHECK, or to a STRICT one.
        AuthAction::Pragma { pragma_name: "quick_check", .. } => Authorization::Allow,
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Pragma { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}
