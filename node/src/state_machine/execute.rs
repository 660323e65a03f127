//! One statement of a user's: checked, bound, stepped, and its result collected.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rusqlite::CachedStatement;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::fatal::{Failure, Fatal, Judge};
use crate::api::{Parameters, Rows, Statement, Value};
use crate::sqlite::database::{Database, MARK, Unfit};
use crate::sqlite::limits::LOOK_EVERY;
use crate::sqlite::{rewrite, schema};

/// The most that the names and values of one entry's results may take together, in bytes.
pub const RESULT_BYTES_MAX: usize = 1 << 20;

/// What an entry, or a read, may still use.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// Bytes of results, errors included.
    pub bytes: usize,
    /// Instructions of SQLite's virtual machine.
    pub steps: u64,
}

impl Meter {
    /// Whether nothing is left for another statement.
    pub fn is_used_up(&self) -> bool {
        self.steps < u64::from(LOOK_EVERY)
    }
}

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

/// Runs a statement. The meter is lowered by what it took.
///
/// # Errors
/// [`Failure`]. The statement may have left effects behind, and may even have ended the transaction.
pub fn run(database: &Database, statement: &Statement, read_only: bool, meter: &mut Meter) -> Result<Done, Failure> {
    check_text(&statement.sql)?;
    database.tracker().take_largest_rowid();
    let (connection, judge) = (database.connection(), Judge::new(database));
    let changes = connection.total_changes();

    // Prepare. What was refused says more than SQLite's "not authorized".
    let (prepared, seen) = database.prepare(&statement.sql);
    let mut prepared = prepared.map_err(|unfit| match unfit {
        Unfit::Refused(refusal) => Failure::refused(refusal),
        Unfit::Sqlite(error) => explained(judge.failure(error), seen.refusal.clone()),
    })?;
    if let Err(failure) = check(&prepared, read_only) {
        // Not kept: if it changes the schema, the authorizer must see it again before it ever runs.
        prepared.discard();
        return Err(failure);
    }
    let altered = seen.alters.as_deref().map(|table| (table, rewrite::before(connection, table)));

    // Execute.
    let (result, seen_later) = database.step(&mut prepared, &seen, &mut meter.steps, |prepared| {
        bind(prepared, &statement.parameters, &judge)?;
        collect(prepared, &mut meter.bytes, &judge)
    });
    let wrote = !prepared.readonly();
    let schema = seen.schema || seen_later.schema;
    database.keep(prepared, &seen);
    if schema {
        // What was prepared before is prepared anew, so that an error comes at the same point whether cached or not; and
        // the authorizer sees this statement the next time as well.
        connection.flush_prepared_statement_cache();
        database.touch_schema();
    }

    // Look at what it did.
    if let Some(code) = database.tracker().take_failure() {
        let message = "SQLite did not hand out a row that it changed".to_owned();
        return Err(Failure::Fatal(Fatal::Sqlite { doing: "following the rows", code, message }));
    }
    // Whatever else is wrong: a counter that is exhausted reports a full disk.
    if database.tracker().take_largest_rowid() && !matches!(result, Err(Failure::Fatal(_))) {
        return Err(Failure::refused(LARGEST_ROWID));
    }
    let mut rows = result.map_err(|failure| explained(failure, seen_later.refusal))?;
    if let Some((table, before)) = altered {
        let completed = before.and_then(|before| rewrite::complete_rows(connection, &before));
        let rows = completed.map_err(|error| not_completed(table, judge.failure(error)))?;
        meter.steps = meter.steps.saturating_sub(rows.saturating_mul(STEPS_A_ROW));
    }
    match schema {
        // SQLite names columns of its own there.
        true => rows = Rows::default(),
        // SQLite keeps its counter when a statement is not of a kind that changes rows, `DROP TABLE IF EXISTS` for instance.
        false if wrote && connection.total_changes() != changes => rows.rows_affected = connection.changes(),
        false => {}
    }
    Ok(Done { rows, wrote, schema })
}

/// What writing a row once more costs, in SQLite's instructions.
const STEPS_A_ROW: u64 = 20;

/// A refusal says more than SQLite's "not authorized".
fn explained(failure: Failure, refusal: Option<String>) -> Failure {
    match (failure, refusal) {
        (Failure::Sql(_), Some(refusal)) => Failure::refused(refusal),
        (failure, _) => failure,
    }
}

const LARGEST_ROWID: &str =
    "the rowid 9223372036854775807 is refused: after it SQLite draws rowids at random; use a smaller one";

/// Rows that are there could not be given a new column.
fn not_completed(table: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Sql(error) => Failure::refused(format!(
            "a column cannot be added to {table}, because a row that is there cannot be written again: {}; correct the rows \
             first",
            error.message
        )),
        fatal => fatal,
    }
}

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

fn bind(prepared: &mut CachedStatement<'_>, parameters: &Parameters, judge: &Judge<'_>) -> Result<(), Failure> {
    let count = prepared.parameter_count();
    let bind_one = |prepared: &mut CachedStatement<'_>, place: usize, value: &Value| {
        prepared.raw_bind_parameter(place, Bound(value)).map_err(|error| judge.failure(error))
    };
    match parameters {
        Parameters::Positional(values) => {
            if values.len() != count {
                let message = format!("the statement has {count} parameters, and {} values were given", values.len());
                return Err(Failure::refused(message));
            }
            values.iter().enumerate().try_for_each(|(place, value)| bind_one(prepared, place + 1, value))
        }
        Parameters::Named(values) => {
            let places = places_by_name(prepared)?;
            let mut missing: BTreeSet<&str> = places.keys().map(String::as_str).collect();
            for (name, value) in values {
                match (missing.remove(&**name), places.get(name)) {
                    (true, Some(places)) => places.iter().try_for_each(|place| bind_one(prepared, *place, value))?,
                    (false, Some(_)) => return Err(Failure::refused(format!("parameter {name} was given twice"))),
                    (_, None) => {
                        let names =
                            places.keys().map(String::as_str).take(NAMES_SHOWN_MAX).collect::<Vec<_>>().join(", ");
                        return Err(Failure::refused(format!(
                            "the statement has no parameter {name}; it has: {names}"
                        )));
                    }
                }
            }
            match missing.first() {
                Some(name) => Err(Failure::refused(format!("no value was given for parameter {name}"))),
                None => Ok(()),
            }
        }
    }
}

/// Maximum number of names of parameters that an error lists.
const NAMES_SHOWN_MAX: usize = 20;

/// The statement's parameters by their names: `:a`, `@a` and `$a` are three of one name.
fn places_by_name(prepared: &CachedStatement<'_>) -> Result<BTreeMap<String, Vec<usize>>, Failure> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for place in 1..=prepared.parameter_count() {
        let Some(name) = prepared.parameter_name(place).and_then(|name| name.strip_prefix([':', '@', '$'])) else {
            return Err(Failure::refused(format!("parameter {place} has no name: give the values in order")));
        };
        places.entry(name.to_owned()).or_default().push(place);
    }
    Ok(places)
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

fn collect(prepared: &mut CachedStatement<'_>, budget: &mut usize, judge: &Judge<'_>) -> Result<Rows, Failure> {
    let mut columns = None;
    let mut collected = Vec::new();
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(|error| judge.failure(error))? {
        // Not before the first step: SQLite may prepare the statement anew there, for another schema.
        let columns = match &columns {
            Some(columns) => columns,
            None => columns.insert(names(row.as_ref(), budget)?),
        };
        let values = columns
            .iter()
            .enumerate()
            .map(|(place, name)| value(row.get_ref(place).map_err(|error| judge.failure(error))?, name));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let size = values.iter().map(size).sum::<usize>();
        *budget = budget.checked_sub(size).ok_or_else(too_large)?;
        collected.push(values);
    }
    drop(rows);
    let columns = columns.map_or_else(|| names(prepared, budget), Ok)?;
    Ok(Rows { columns, rows: collected, rows_affected: 0 })
}

/// The names of the columns of a statement that was stepped.
fn names(prepared: &rusqlite::Statement<'_>, budget: &mut usize) -> Result<Vec<String>, Failure> {
    let columns = prepared.column_names().map(str::to_owned).collect::<Vec<_>>();
    if let Some(name) = schema::random_name(columns.iter().map(String::as_str)) {
        return Err(Failure::refused(schema::random_name_refusal(name)));
    }
    let bytes = columns.iter().map(|name| 8 + name.len()).sum::<usize>();
    *budget = budget.checked_sub(bytes).ok_or_else(too_large)?;
    Ok(columns)
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
