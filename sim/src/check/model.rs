//! A database that executes a log by itself: SQLite in memory with the node's rules for a connection, and nothing of its
//! state machine. What that does with transactions, savepoints, cached statements and results is done here in another,
//! plainer way.

use std::collections::BTreeMap;

use lockstep_node::api::{Batch, Rows, SqlError, Statement, StatementResult};
use lockstep_node::sqlite::database::{Database, Options, Unfit};
use lockstep_node::sqlite::dump::{self, Dump};
use lockstep_node::sqlite::limits::Limits;
use lockstep_node::state_machine::Command;
use rusqlite::{CachedStatement, ffi};

use super::skipped::Sessions;
use crate::history::Operation;
use crate::run::Evidence;
use crate::scenario::model::Cluster;
use crate::systems::plain_sqlite;

/// What clients were told, and of which operation, by index.
pub(super) fn told(evidence: &Evidence) -> BTreeMap<u64, (&Operation, &[StatementResult])> {
    let told = |operation| {
        let (reply, _) = Operation::reply(operation).filter(|_| operation.is_logged())?;
        Some((reply.index, (operation, &reply.results[..])))
    };
    evidence.history.operations.iter().filter_map(told).collect()
}

/// What clients were told beside the log, by the index at which it was read. What depends on the moment of the read is left
/// out: nobody can read it again.
pub(super) fn told_beside(evidence: &Evidence) -> BTreeMap<u64, Vec<(&Operation, &[StatementResult])>> {
    let mut told: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for operation in evidence.history.operations.iter().filter(|operation| !operation.is_logged()) {
        let Some((reply, _)) = operation.reply() else { continue };
        let refused = |result: &StatementResult| matches!(result, Err(error) if error.code == REFUSED);
        if !operation.batch().statements.iter().any(depends_on_the_moment) && !reply.results.iter().any(refused) {
            told.entry(reply.index).or_default().push((operation, &reply.results[..]));
        }
    }
    told
}

fn depends_on_the_moment(statement: &Statement) -> bool {
    let sql = statement.sql.to_ascii_lowercase();
    ["now", "current_", "random", "date(", "time(", "julianday", "unixepoch"].iter().any(|word| sql.contains(word))
}

/// The code of a refusal: an error that is Lockstep's own and none of SQLite's.
const REFUSED: i32 = 0;

/// The database, the time that it has come to, and the sessions of its clients.
pub(super) struct Model {
    database: Database,
    time_us: u64,
    sessions: Sessions,
}

impl Model {
    /// An empty database, for the log of such a cluster.
    pub fn new(cluster: &Cluster) -> Model {
        let database = Database::in_memory(Options::default()).expect("SQLite opens a database in memory");
        database.set_limits(cluster.sql);
        Model { database, time_us: 0, sessions: Sessions::new(cluster.session_lifetime) }
    }

    /// The database after all entries up to an index; `None` if not all of them are known.
    pub fn at(evidence: &Evidence, index: u64) -> Option<Model> {
        let mut model = Model::new(&evidence.scenario.cluster);
        let told = told(evidence);
        for index in 1..=index {
            if let Some(command) = evidence.log.get(&index)? {
                model.execute(index, command, told.get(&index).map(|(_, results)| *results));
            }
        }
        Some(model)
    }

    /// Executes the entry at an index and returns its results: none if its session says that it is not executed. `told` is
    /// what a client was told of them, if one was: what Lockstep says it refused is not executed, since SQLite would not
    /// refuse it.
    pub fn execute(&mut self, index: u64, command: &Command, told: Option<&[StatementResult]>) -> Vec<StatementResult> {
        if self.sessions.skips(index, command).is_some() {
            return Vec::new();
        }
        self.time_us = self.time_us.max(command.time_us);
        self.database.begin_entry(Some(self.time_us), command.seed);
        let statements = &command.batch.statements;
        let unit = if command.batch.atomic { statements.len() } else { 1 };
        let (mut results, mut steps) = (Vec::new(), self.database.limits().entry_steps);
        for statements in statements.chunks(unit.max(1)) {
            self.transaction(statements, command.read_only, told.unwrap_or_default(), &mut steps, &mut results);
        }
        results
    }

    /// What these statements return, one transaction for all: they only read.
    pub fn read(&mut self, batch: &Batch) -> Vec<StatementResult> {
        self.database.begin_entry(Some(self.time_us), 0);
        // Reads have a budget of their node's own, and what exceeded it was not answered.
        let limits = self.database.limits();
        self.database.set_limits(Limits { statement_steps: u64::MAX, ..limits });
        let (mut results, mut steps) = (Vec::new(), u64::MAX);
        for statement in &batch.statements {
            results.push(self.statement(statement, true, &mut steps));
            if batch.atomic && results.last().is_some_and(Result::is_err) {
                break;
            }
        }
        self.database.set_limits(limits);
        results
    }

    /// Everything it holds.
    pub fn dump(&self) -> Dump {
        dump::dump(self.database.connection()).expect("a database in memory can be read")
    }

    /// Executes statements up to the first that fails; if one does, none has an effect. `steps` is what is left of the entry's
    /// budget.
    fn transaction(
        &self,
        statements: &[Statement],
        read_only: bool,
        told: &[StatementResult],
        steps: &mut u64,
        results: &mut Vec<StatementResult>,
    ) {
        self.own("/*lockstep*/ BEGIN").expect("no transaction is open");
        for statement in statements {
            let result = match told.get(results.len()) {
                Some(Err(refusal)) if refusal.code == REFUSED => Err(refusal.clone()),
                _ => self.statement(statement, read_only, steps),
            };
            results.push(result);
            if results.last().is_some_and(Result::is_err) {
                return self.roll_back();
            }
        }
        if let Err(error) = self.own("/*lockstep*/ COMMIT") {
            // Only a deferred foreign key makes a commit fail.
            results.pop();
            results.push(Err(sql_error(&error)));
            self.roll_back();
        }
    }

    fn statement(&self, statement: &Statement, read_only: bool, steps: &mut u64) -> StatementResult {
        let connection = self.database.connection();
        let before = connection.total_changes();
        let (prepared, seen) = self.database.prepare(&statement.sql);
        let mut prepared = prepared.map_err(|unfit| match unfit {
            Unfit::Refused(message) => SqlError { code: REFUSED, message },
            Unfit::Sqlite(error) => sql_error(&error),
        })?;
        if read_only && !prepared.readonly() {
            prepared.discard();
            return Err(SqlError { code: REFUSED, message: "a query must not write".into() });
        }
        let step = |prepared: &mut CachedStatement<'_>| plain_sqlite::step(prepared, &statement.parameters);
        let (result, _) = self.database.step(&mut prepared, &seen, steps, step);
        drop(prepared);
        if seen.schema {
            // What changes the schema is prepared anew each time, and so is seen each time.
            connection.flush_prepared_statement_cache();
            self.database.touch_schema();
            self.database.read_views().expect("the schema of a database in memory can be read");
        }
        let mut rows = result.map_err(|error| sql_error(&error))?;
        match seen.schema {
            // Neither the rows of a schema nor the columns that SQLite reads of it are the user's.
            true => rows = Rows::default(),
            false if connection.total_changes() != before => rows.rows_affected = connection.changes(),
            false => {}
        }
        Ok(rows)
    }

    /// Undoes the open transaction, unless the statement that failed has ended it already.
    fn roll_back(&self) {
        if !self.database.connection().is_autocommit() {
            self.own("/*lockstep*/ ROLLBACK").expect("a transaction is open");
        }
        self.database.undo_schema(true).expect("the schema of a database in memory can be read");
    }

    fn own(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.database.own(sql)?.raw_execute().map(|_| ())
    }
}

fn sql_error(error: &rusqlite::Error) -> SqlError {
    let code = match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => error.extended_code,
        rusqlite::Error::MultipleStatement => ffi::SQLITE_ERROR,
        _ => REFUSED,
    };
    SqlError { code, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use lockstep_node::api::{Batch, Value};

    use crate::check::testing::scenario;

    use super::*;

    fn command(sql: &[&str], atomic: bool) -> Command {
        let statements = sql.iter().map(|sql| Statement::new(*sql)).collect();
        Command { time_us: 1_000_000, seed: 7, session: None, read_only: false, batch: Batch { statements, atomic } }
    }

    fn model() -> Model {
        Model::new(&scenario().cluster)
    }

    fn codes(results: &[StatementResult]) -> Vec<i32> {
        results.iter().map(|result| result.as_ref().map_or_else(|error| error.code, |_| -1)).collect()
    }

    #[test]
    fn a_batch_is_undone_as_a_whole_or_statement_by_statement() {
        let mut model = model();
        model.execute(1, &command(&["CREATE TABLE t(a PRIMARY KEY)"], true), None);
        let twice = ["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"];
        let unique = ffi::SQLITE_CONSTRAINT_PRIMARYKEY;
        assert_eq!(codes(&model.execute(1, &command(&twice, true), None)), [-1, unique]);
        assert_eq!(model.dump().tables[0].rows.len(), 0);
        assert_eq!(codes(&model.execute(1, &command(&twice, false), None)), [-1, unique, -1]);
        assert_eq!(model.dump().tables[0].rows.len(), 2);
        let rollback = ["INSERT INTO t VALUES (3)", "INSERT OR ROLLBACK INTO t VALUES (1)"];
        assert_eq!(codes(&model.execute(1, &command(&rollback, true), None)), [-1, unique]);
        assert_eq!(model.dump().tables[0].rows.len(), 2);
    }

    #[test]
    fn a_foreign_key_that_is_deferred_fails_the_batch() {
        let mut model = model();
        let schema = ["CREATE TABLE p(a PRIMARY KEY)", "CREATE TABLE c(a REFERENCES p DEFERRABLE INITIALLY DEFERRED)"];
        model.execute(1, &command(&schema, true), None);
        let results = model.execute(1, &command(&["INSERT INTO c VALUES (1)"], true), None);
        assert_eq!(codes(&results), [ffi::SQLITE_CONSTRAINT_FOREIGNKEY]);
    }

    #[test]
    fn a_statement_that_does_not_fit_the_tables_has_the_code_that_nodes_give_it() {
        let results = model().execute(1, &command(&["SELECT a FROM t", "SELECT a", "SELEC"], false), None);
        assert_eq!(codes(&results), [ffi::SQLITE_ERROR; 3]);
    }

    #[test]
    fn time_and_randomness_are_the_entrys() {
        let entry = command(&["SELECT random(), datetime()"], true);
        let [one, other] = [model(), model()].map(|mut model| model.execute(1, &entry, None));
        assert_eq!(one, other);
        let row = &one[0].as_ref().unwrap().rows[0];
        assert_eq!(row[1], Value::Text("1970-01-01 00:00:01".into()));
    }

    #[test]
    fn what_lockstep_refused_is_not_executed() {
        let mut model = model();
        model.execute(1, &command(&["CREATE TABLE t(a)"], true), None);
        let refused = [Err(SqlError { code: REFUSED, message: "no".into() })];
        assert_eq!(model.execute(1, &command(&["INSERT INTO t VALUES (1)"], true), Some(&refused)), refused);
        assert_eq!(model.dump().tables[0].rows.len(), 0);
    }
}
