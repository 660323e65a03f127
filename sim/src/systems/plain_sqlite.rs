//! SQLite as most programs use it: no pinned clock, no pinned randomness, no rules. The naive systems run on it.

use lockstep_node::api::{Batch, Parameters, Rows, SqlError, Statement, StatementResult, Value};
use lockstep_node::host::SqliteVfs;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, Statement as Prepared, ToSql};

/// Opens a database in WAL mode whose commits are durable.
pub fn open(vfs: &SqliteVfs, file: &str) -> rusqlite::Result<Connection> {
    let path = format!("{}{file}", vfs.prefix);
    let connection = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs.name.as_str())?;
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON")?;
    Ok(connection)
}

/// Executes a batch. In an atomic one the first failure undoes all, and is the last result.
pub fn execute(connection: &Connection, batch: &Batch) -> rusqlite::Result<Vec<StatementResult>> {
    if !batch.atomic {
        return Ok(batch.statements.iter().map(|statement| one(connection, statement)).collect());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut results = Vec::new();
    for statement in &batch.statements {
        results.push(one(connection, statement));
        if results.last().is_some_and(Result::is_err) {
            break;
        }
    }
    let good = results.iter().all(Result::is_ok);
    let ended = connection.execute_batch(if good { "COMMIT" } else { "ROLLBACK" });
    match ended {
        Err(error) if !connection.is_autocommit() => {
            connection.execute_batch("ROLLBACK")?;
            results.push(Err(sql_error(&error)));
        }
        _ => {}
    }
    Ok(results)
}

fn one(connection: &Connection, statement: &Statement) -> StatementResult {
    run(connection, statement).map_err(|error| sql_error(&error))
}

fn run(connection: &Connection, statement: &Statement) -> rusqlite::Result<Rows> {
    let before = connection.total_changes();
    let rows = step(&mut *connection.prepare_cached(&statement.sql)?, &statement.parameters)?;
    Ok(Rows { rows_affected: connection.total_changes() - before, ..rows })
}

/// Binds values to a statement and collects its rows. How many rows it changed is not known here.
pub fn step(prepared: &mut Prepared<'_>, parameters: &Parameters) -> rusqlite::Result<Rows> {
    match parameters {
        Parameters::Positional(values) => {
            for (place, value) in values.iter().enumerate() {
                prepared.raw_bind_parameter(place + 1, Bound(value))?;
            }
        }
        Parameters::Named(values) => {
            for (name, value) in values {
                for sign in [':', '@', '$'] {
                    if let Some(place) = prepared.parameter_index(&format!("{sign}{name}"))? {
                        prepared.raw_bind_parameter(place, Bound(value))?;
                    }
                }
            }
        }
    }
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let mut rows = Vec::new();
    let mut cursor = prepared.raw_query();
    while let Some(row) = cursor.next()? {
        rows.push(values(row, columns.len())?);
    }
    Ok(Rows { columns, rows, rows_affected: 0 })
}

/// A row as the interface has it.
pub fn values(row: &Row<'_>, width: usize) -> rusqlite::Result<Vec<Value>> {
    (0..width).map(|column| row.get_ref(column).map(value)).collect()
}

/// SQLite's value as the interface has it. Text that is not UTF-8 is mended.
pub fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec().into()),
    }
}

fn sql_error(error: &rusqlite::Error) -> SqlError {
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    SqlError { code, message: error.to_string() }
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
