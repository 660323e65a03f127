//! Plain SQLite, as the manual says it is used: a connection with foreign keys, a transaction for each statement or atomic
//! batch, and a statement that is prepared, bound and stepped. It shares no code with the state machine.

use lockstep_node::api::{Batch, Parameters, Rows, SqlError, Statement, StatementResult, Value};
use lockstep_node::sqlite::limits::Limits;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Error, ToSql, ffi};

use super::dump::{self, Dump};
use super::program::is_refusal;

/// A connection.
pub struct Plain(Connection);

impl Plain {
    pub fn new() -> Plain {
        let connection = Connection::open_in_memory().expect("there is memory");
        connection.pragma_update(None, "foreign_keys", true).expect("foreign keys can be on");
        // Otherwise the order of rows that no ORDER BY fixes could depend on the values bound to a statement.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).expect("plans can be stable");
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false).expect("strings can be strings");
        let limits = Limits::default();
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, limits.value_bytes),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, limits.pattern_bytes),
            (Limit::SQLITE_LIMIT_COLUMN, 1000),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
        ] {
            connection.set_limit(limit, value as i32).expect("SQLite knows these limits");
        }
        Plain(connection)
    }

    pub fn dump(&self) -> Dump {
        dump::dump(&self.0)
    }

    /// Executes a batch. `told` is what the state machine said of each statement: what it refused fails here as well.
    pub fn execute(&mut self, batch: &Batch, told: &[StatementResult]) -> Vec<StatementResult> {
        let size = if batch.atomic { batch.statements.len() } else { 1 };
        let mut results = Vec::new();
        for statements in batch.statements.chunks(size.max(1)) {
            self.transaction(statements, told, &mut results);
        }
        results
    }

    fn transaction(&mut self, statements: &[Statement], told: &[StatementResult], results: &mut Vec<StatementResult>) {
        self.own("BEGIN").expect("no transaction is open");
        for statement in statements {
            let result = match told.get(results.len()) {
                Some(Err(error)) if is_refusal(error) => Err(error.clone()),
                _ => self.statement(statement),
            };
            results.push(result);
            if results.last().is_some_and(Result::is_err) {
                // `OR ROLLBACK` and its kin have ended it already.
                if !self.0.is_autocommit() {
                    self.own("ROLLBACK").expect("a transaction is open");
                }
                return;
            }
        }
        if let Err(error) = self.own("COMMIT") {
            *results.last_mut().expect("an empty transaction commits") = Err(sql_error(error));
            self.own("ROLLBACK").expect("a commit that fails leaves the transaction open");
        }
    }

    fn statement(&self, statement: &Statement) -> StatementResult {
        let mut prepared = self.0.prepare(&statement.sql).map_err(sql_error)?;
        match &statement.parameters {
            Parameters::Positional(values) => {
                for (value, place) in values.iter().zip(1..) {
                    prepared.raw_bind_parameter(place, Bound(value)).map_err(sql_error)?;
                }
            }
            Parameters::Named(values) => {
                for (name, value) in values {
                    let named = [":", "@", "$"].map(|sign| prepared.parameter_index(&format!("{sign}{name}")));
                    let place = named.into_iter().find_map(|place| place.expect("a name has no NUL"));
                    let place = place.expect("the state machine would have refused a wrong name");
                    prepared.raw_bind_parameter(place, Bound(value)).map_err(sql_error)?;
                }
            }
        }
        // SQLite names columns of queries that it makes for itself while it alters a table.
        let alters = statement.sql.starts_with("ALTER");
        let columns: Vec<String> = prepared.column_names().filter(|_| !alters).map(str::to_owned).collect();
        let mut rows = Vec::new();
        let mut cursor = prepared.raw_query();
        while let Some(row) = cursor.next().map_err(sql_error)? {
            let values = (0..columns.len()).map(|column| row.get_ref(column).map(value));
            rows.push(values.collect::<Result<Vec<_>, _>>().map_err(sql_error)?);
        }
        drop(cursor);
        let writes =
            ["INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"].iter().any(|verb| statement.sql.starts_with(verb));
        let rows_affected = if writes && !prepared.readonly() { self.0.changes() } else { 0 };
        Ok(Rows { columns, rows, rows_affected })
    }

    fn own(&self, sql: &str) -> rusqlite::Result<()> {
        self.0.execute_batch(sql)
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec().into()),
    }
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}

/// The code and the text of an error; the state machine shortens long texts.
fn sql_error(error: Error) -> SqlError {
    let (code, mut message) = match error {
        Error::SqliteFailure(error, message) => (error.extended_code, message.unwrap_or_else(|| error.to_string())),
        Error::SqlInputError { error, msg, .. } => (error.extended_code, msg),
        other => (ffi::SQLITE_INTERNAL, other.to_string()),
    };
    if let Some((end, _)) = message.char_indices().nth(1000) {
        message.truncate(end);
        message.push('…');
    }
    SqlError { code, message }
}
