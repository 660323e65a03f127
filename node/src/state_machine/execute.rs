//! One statement of a user's: checked, bound, stepped, and its result collected.

use bytes::Bytes;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, ffi};

use super::fatal::{Failure, Fatal};
use crate::api::{Parameters, Rows, Statement, Value};
use crate::sqlite::database::{Database, MARK, Seen};
use crate::sqlite::schema;

/// The most that the names and values of one entry's results may take together, in bytes.
pub const RESULT_BYTES_MAX: usize = 1 << 20;

/// What a statement did.
#[derive(Debug)]
pub struct Done {
    /// Its result.
    pub rows: Rows,
    /// Whether it may have written.
    pub wrote: bool,
    /// Whether it may have changed the schema.
    pub schema: bool,
}

/// Runs a statement. `budget` is how many bytes its result may take; it is lowered by what it took.
///
/// # Errors
/// [`Failure`]. The statement may have left effects behind, and may even have ended the transaction.
pub fn run(database: &Database, statement: &Statement, read_only: bool, budget: &mut usize) -> Result<Done, Failure> {
    check_text(&statement.sql)?;
    database.tracker().take_largest_rowid();
    let changes = database.connection().total_changes();
    let (prepared, seen) = database.as_user(&Seen::default(), |connection| connection.prepare_cached(&statement.sql));
    let mut prepared = prepared.map_err(|error| explained(Failure::of_user(error), seen.refusal.clone()))?;
    if let Err(failure) = check(&prepared, read_only) {
        // Not kept: if it changes the schema, the authorizer must see it again before it ever runs.
        prepared.discard();
        return Err(failure);
    }
    let (result, seen_later) = database.as_user(&seen, |_| {
        bind(&mut prepared, &statement.parameters)?;
        collect(&mut prepared, budget)
    });
    let wrote = !prepared.readonly();
    let schema = seen.schema || seen_later.schema;
    drop(prepared);
    if schema {
        // What was prepared before is prepared anew, so that an error comes at the same point whether cached or not; and
        // the authorizer sees this statement the next time as well.
        database.connection().flush_prepared_statement_cache();
    }
    let result = if database.tracker().take_largest_rowid() { refuse_largest_rowid(result) } else { result };
    let mut rows = result.map_err(|failure| explained(failure, seen_later.refusal))?;
    // SQLite keeps its counter when a statement is not of a kind that changes rows, `DROP TABLE IF EXISTS` for instance.
    if wrote && !schema && database.connection().total_changes() != changes {
        rows.rows_affected = database.connection().changes();
    }
    Ok(Done { rows, wrote, schema })
}

/// A refusal says more than SQLite's "not authorized".
fn explained(failure: Failure, refusal: Option<String>) -> Failure {
    match (failure, refusal) {
        (Failure::Sql(_), Some(refusal)) => Failure::refused(refusal),
        (failure, _) => failure,
    }
}

/// The result of a statement that gave a row the largest rowid. An AUTOINCREMENT table that goes on from there reports a
/// full disk, on every replica.
fn refuse_largest_rowid(result: Result<Rows, Failure>) -> Result<Rows, Failure> {
    match result {
        Err(Failure::Fatal(fatal)) if !matches!(fatal, Fatal::Sqlite { code: ffi::SQLITE_FULL, .. }) => {
            Err(Failure::Fatal(fatal))
        }
        _ => Err(Failure::refused(LARGEST_ROWID)),
    }
}

const LARGEST_ROWID: &str =
    "the rowid 9223372036854775807 is refused: after it SQLite draws rowids at random; use a smaller one";

fn check_text(sql: &str) -> Result<(), Failure> {
    if sql.contains('\0') {
        let message = "the statement contains a NUL character; bind text that contains one as a parameter";
        return Err(Failure::refused(message));
    }
    if sql.trim_start().starts_with(MARK) {
        return Err(Failure::refused(format!("{MARK} is Lockstep's own mark; begin the statement without it")));
    }
    Ok(())
}

fn check(prepared: &CachedStatement<'_>, read_only: bool) -> Result<(), Failure> {
    if prepared.is_explain() != 0 {
        return Err(Failure::refused("EXPLAIN is refused: a plan is one replica's; explain on a copy of the database"));
    }
    if read_only && !prepared.readonly() {
        return Err(Failure::refused("a query must not write: send the statement to be executed"));
    }
    // A statement without code has no text. The question is asked only where the answer can be yes.
    if prepared.readonly() && prepared.column_count() == 0 && prepared.expanded_sql().is_none() {
        return Err(Failure::refused("the statement is empty"));
    }
    Ok(())
}

fn bind(prepared: &mut CachedStatement<'_>, parameters: &Parameters) -> Result<(), Failure> {
    let count = prepared.parameter_count();
    match parameters {
        Parameters::Positional(values) => {
            if values.len() != count {
                let message = format!("the statement has {count} parameters, and {} values were given", values.len());
                return Err(Failure::refused(message));
            }
            values.iter().enumerate().try_for_each(|(place, value)| bind_one(prepared, place + 1, value))
        }
        Parameters::Named(values) => bind_named(prepared, values),
    }
}

fn bind_named(prepared: &mut CachedStatement<'_>, values: &[(String, Value)]) -> Result<(), Failure> {
    let mut names = Vec::new();
    for place in 1..=prepared.parameter_count() {
        match prepared.parameter_name(place).and_then(|name| name.strip_prefix([':', '@', '$'])) {
            Some(name) => names.push(name.to_owned()),
            None => return Err(Failure::refused(format!("parameter {place} has no name: give the values in order"))),
        }
    }
    if let Some((name, _)) = values.iter().find(|(name, _)| !names.contains(name)) {
        return Err(Failure::refused(format!("the statement has no parameter {name}; it has: {}", names.join(", "))));
    }
    for (place, name) in names.iter().enumerate() {
        let mut given = values.iter().filter(|(given, _)| given == name);
        match (given.next(), given.next()) {
            (Some((_, value)), None) => bind_one(prepared, place + 1, value)?,
            (None, _) => return Err(Failure::refused(format!("no value was given for parameter {name}"))),
            (Some(_), Some(_)) => return Err(Failure::refused(format!("parameter {name} was given twice"))),
        }
    }
    Ok(())
}

fn bind_one(prepared: &mut CachedStatement<'_>, place: usize, value: &Value) -> Result<(), Failure> {
    prepared.raw_bind_parameter(place, Bound(value)).map_err(Failure::of_user)
}

/// A value as SQLite takes it.
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

fn collect(prepared: &mut CachedStatement<'_>, budget: &mut usize) -> Result<Rows, Failure> {
    let columns = prepared.column_names().map(str::to_owned).collect::<Vec<_>>();
    if let Some(name) = schema::random_name(columns.iter().map(String::as_str)) {
        return Err(Failure::refused(schema::random_name_refusal(name)));
    }
    let names = columns.iter().map(|name| 8 + name.len()).sum::<usize>();
    *budget = budget.checked_sub(names).ok_or_else(too_large)?;
    let mut collected = Vec::new();
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(Failure::of_user)? {
        let values =
            (0..columns.len()).map(|column| value(row.get_ref(column).map_err(Failure::of_user)?, &columns[column]));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let size = values.iter().map(size).sum::<usize>();
        *budget = budget.checked_sub(size).ok_or_else(too_large)?;
        collected.push(values);
    }
    Ok(Rows { columns, rows: collected, rows_affected: 0 })
}

fn too_large() -> Failure {
    Failure::refused(format!(
        "the results are larger than {RESULT_BYTES_MAX} bytes: ask for less with LIMIT, or in parts"
    ))
}

fn value(value: ValueRef<'_>, column: &str) -> Result<Value, Failure> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => {
            let invalid =
                |_| Failure::refused(format!("column {column} is text that is not UTF-8: write CAST(… AS BLOB)"));
            Value::Text(std::str::from_utf8(text).map_err(invalid)?.to_owned())
        }
        ValueRef::Blob(blob) => Value::Blob(Bytes::copy_from_slice(blob)),
    })
}

/// Bytes that a value takes, near enough, and the same on every machine.
fn size(value: &Value) -> usize {
    8 + match value {
        Value::Null | Value::Integer(_) | Value::Real(_) => 8,
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
    }
}
