//! Refuses what cannot be the same on every replica, as far as SQLite shows it while it prepares a statement.
//!
//! The authorizer has two modes. Statements of users are prepared *and stepped* inside [`Authorizer::as_user`], because
//! SQLite prepares a statement again, in the middle of a step, after the schema changed. Outside of it Lockstep's own
//! statements may do everything.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::{functions, is_internal};

/// The authorizer of one connection.
#[derive(Clone, Debug, Default)]
pub struct Authorizer(Arc<State>);

/// What an authorizer saw while a statement was prepared.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The statement may change the schema.
    pub schema: bool,
    /// The table that the statement alters, if it does.
    pub alters: Option<String>,
    /// SQLite prepared something: the statement did not come from the cache.
    pub prepared: bool,
    /// Why it was refused, if it was.
    pub refusal: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    user: AtomicBool,
    /// The statement drops something: SQLite itself then reads the root pages, and the statement has no expressions.
    drops: AtomicBool,
    /// The statement creates an index: what it calls, the index must find again.
    indexes: AtomicBool,
    /// The statement alters a table: SQLite itself may then check the rows that are there, and the statement has no query.
    alters: AtomicBool,
    /// That table.
    altered: Mutex<Option<String>>,
    /// SQLite asked anything.
    asked: AtomicBool,
    /// How many calls of functions that draw random numbers were prepared.
    draws: AtomicUsize,
    /// The statement writes `sqlite_schema`: so does every statement that changes the schema, and no other.
    schema: AtomicBool,
    refusal: Mutex<Option<String>>,
}

impl Authorizer {
    /// Installs an authorizer on a connection.
    ///
    /// # Errors
    /// None is known.
    pub fn install(connection: &mut Connection) -> rusqlite::Result<Authorizer> {
        let authorizer = Authorizer::default();
        let state = authorizer.0.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| state.decide(&context)))?;
        Ok(authorizer)
    }

    /// Prepares or steps a user's statement: everything that SQLite prepares meanwhile is checked. `before` is what was seen
    /// of the statement so far. Also returns what was seen now.
    pub fn as_user<T>(&self, before: &Seen, work: impl FnOnce() -> T) -> (T, Seen) {
        let state = &*self.0;
        state.drops.store(false, Ordering::Relaxed);
        state.indexes.store(false, Ordering::Relaxed);
        state.alters.store(before.alters.is_some(), Ordering::Relaxed);
        state.schema.store(false, Ordering::Relaxed);
        state.asked.store(false, Ordering::Relaxed);
        state.user.store(true, Ordering::Relaxed);
        let result = work();
        state.user.store(false, Ordering::Relaxed);
        let (schema, prepared) = (state.schema.load(Ordering::Relaxed), state.asked.load(Ordering::Relaxed));
        if !prepared {
            return (result, Seen { schema, prepared, ..Seen::default() });
        }
        let [refusal, alters] = [&state.refusal, &state.altered].map(taken);
        (result, Seen { schema, prepared, alters, refusal })
    }

    /// How many calls of functions that draw random numbers were prepared so far, however they were meant.
    pub fn draws(&self) -> usize {
        self.0.draws.load(Ordering::Relaxed)
    }
}

fn taken(place: &Mutex<Option<String>>) -> Option<String> {
    place.lock().expect("nothing panics while it holds the lock").take()
}

impl State {
    fn decide(&self, context: &AuthContext<'_>) -> Authorization {
        if !self.user.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        self.asked.store(true, Ordering::Relaxed);
        if let AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } = context.action
            && is_schema(table_name)
        {
            self.schema.store(true, Ordering::Relaxed);
        }
        if matches!(context.action, AuthAction::DropTable { .. } | AuthAction::DropIndex { .. }) {
            self.drops.store(true, Ordering::Relaxed);
        }
        if matches!(context.action, AuthAction::CreateIndex { .. }) {
            self.indexes.store(true, Ordering::Relaxed);
        }
        if let AuthAction::AlterTable { table_name, .. } = context.action {
            self.alters.store(true, Ordering::Relaxed);
            *self.altered.lock().expect("nothing panics while it holds the lock") = Some(table_name.to_owned());
        }
        if let AuthAction::Function { function_name } = context.action
            && ["random", "randomblob"].iter().any(|name| function_name.eq_ignore_ascii_case(name))
        {
            self.draws.fetch_add(1, Ordering::Relaxed);
        }
        if self.alters.load(Ordering::Relaxed) && checks_rows(&context.action) {
            return Authorization::Allow;
        }
        let refusal =
            refusal(&context.action, context.database_name).or_else(|| self.refusal_unless_ddl(&context.action));
        match refusal {
            None => Authorization::Allow,
            Some(message) => {
                self.refusal.lock().expect("nothing panics while it holds the lock").get_or_insert(message);
                Authorization::Deny
            }
        }
    }

    /// Why a user may not do what SQLite itself does while it creates or drops something.
    fn refusal_unless_ddl(&self, action: &AuthAction<'_>) -> Option<String> {
        match *action {
            AuthAction::Read { table_name, column_name: "rootpage" } if is_schema(table_name) => {
                (!self.drops.load(Ordering::Relaxed)).then(|| ROOT_PAGE.to_owned())
            }
            AuthAction::Function { function_name } if self.indexes.load(Ordering::Relaxed) => {
                functions::refusal_in_index(function_name)
            }
            AuthAction::Reindex { .. } => (!self.schema.load(Ordering::Relaxed)).then(|| REINDEX.to_owned()),
            _ => None,
        }
    }
}

/// What SQLite does while it adds a column to a table with a CHECK or to a STRICT one, or one that is computed and NOT NULL.
fn checks_rows(action: &AuthAction<'_>) -> bool {
    matches!(
        action,
        AuthAction::Read { table_name: "pragma_quick_check", .. }
            | AuthAction::Pragma { pragma_name: "quick_check", .. }
    )
}

/// What to say of random numbers in a constraint.
pub(super) const RANDOM_CONSTRAINT: &str = "random() and randomblob() in a constraint or in ALTER TABLE are refused: what held when a row was written need not hold the \
     next time; draw the number in a column's DEFAULT, in a trigger or in the statement";

const ROOT_PAGE: &str = "rootpage of sqlite_schema is refused: it is a place in one replica's file; name the columns you need: \
                         type, name, tbl_name, sql";
const REINDEX: &str = "REINDEX is refused: drop the index and create it again";

/// Why a user's statement may not do this, or `None` if it may.
fn refusal(action: &AuthAction<'_>, database: Option<&str>) -> Option<String> {
    use AuthAction as A;
    if let Some(table) = tables(action).into_iter().flatten().find(|table| is_internal(table)) {
        return Some(format!("{table} is refused: Lockstep keeps its own state under that name; choose another name"));
    }
    match *action {
        A::Pragma { pragma_name, .. } => Some(format!(
            "PRAGMA {pragma_name} is refused: pragmas are about one file or one connection, and are not replicated; for the \
             schema, read sqlite_schema, and keep a version of your own in a table"
        )),
        A::Attach { .. } | A::Detach { .. } => Some(
            "ATTACH and DETACH are refused: another file is not replicated; keep all tables in one database".to_owned(),
        ),
        A::Transaction { .. } | A::Savepoint { .. } => Some(
            "transactions and savepoints are refused: a batch is the transaction; send the statements together as one \
             atomic batch"
                .to_owned(),
        ),
        A::CreateTempIndex { .. }
        | A::CreateTempTable { .. }
        | A::CreateTempTrigger { .. }
        | A::CreateTempView { .. }
        | A::DropTempIndex { .. }
        | A::DropTempTable { .. }
        | A::DropTempTrigger { .. }
        | A::DropTempView { .. } => Some(TEMPORARY.to_owned()),
        A::CreateIndex { .. } | A::CreateTable { .. } | A::CreateTrigger { .. } | A::CreateView { .. }
            if database == Some("temp") =>
        {
            Some(TEMPORARY.to_owned())
        }
        A::Analyze { .. } => Some(
            "ANALYZE is refused: its statistics change the order in which rows are visited; add an index instead"
                .to_owned(),
        ),
        A::CreateVtable { module_name, .. } | A::DropVtable { module_name, .. } => Some(format!(
            "virtual tables ({module_name}) are refused: their modules keep state of their own on each replica; use an \
             ordinary table"
        )),
        A::Read { table_name: name, .. } | A::CreateTable { table_name: name } | A::CreateView { view_name: name } => {
            local_table(name)
        }
        A::Function { function_name } => functions::refusal(function_name),
        A::Unknown { code, .. } => {
            Some(format!("this statement is refused: SQLite calls its action {code}, which is new"))
        }
        _ => None,
    }
}

/// What to say of temporary objects.
pub(super) const TEMPORARY: &str = "temporary objects are refused: they live in one connection and are not replicated; use an ordinary \
                         table and drop it";

/// The tables that an action names. Names of indexes, triggers and views are among them: they share one namespace.
fn tables<'a>(action: &AuthAction<'a>) -> [Option<&'a str>; 2] {
    use AuthAction as A;
    match *action {
        A::CreateIndex { index_name: name, table_name }
        | A::DropIndex { index_name: name, table_name }
        | A::CreateTrigger { trigger_name: name, table_name }
        | A::DropTrigger { trigger_name: name, table_name } => [Some(name), Some(table_name)],
        A::CreateView { view_name: name } | A::DropView { view_name: name } => [Some(name), None],
        A::CreateTable { table_name }
        | A::DropTable { table_name }
        | A::AlterTable { table_name, .. }
        | A::Insert { table_name }
        | A::Delete { table_name }
        | A::Read { table_name, .. }
        | A::Update { table_name, .. } => [Some(table_name), None],
        _ => [None, None],
    }
}

/// Tables that SQLite makes up, and that tell of one replica's file, build or connection.
pub(super) fn local_table(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let local =
        name.starts_with("pragma_") || ["dbstat", "fts3tokenize", "sqlite_stmt", "sqlite_dbpage"].contains(&&*name);
    local.then(|| {
        format!("{name} is refused: it tells of one replica's file or connection; for the schema, read sqlite_schema")
    })
}

fn is_schema(name: &str) -> bool {
    ["sqlite_master", "sqlite_schema"].iter().any(|schema| name.eq_ignore_ascii_case(schema))
}
