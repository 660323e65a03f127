//! What differs, and how it is shown.

use std::fmt;

use lockstep_node::api::{Batch, Rows, StatementResult, Value};
use lockstep_node::state_machine::Fatal;

use super::dump::Dump;
use super::program::Program;

/// A difference; `at` is the number of the entry, from 0.
#[derive(Clone, Debug)]
pub enum Difference {
    /// Plain SQLite gives another result.
    Result { at: usize, statement: String, machine: String, plain: String },
    /// Plain SQLite holds other tables.
    Tables { at: usize, table: String, machine: String, plain: String },
    /// In a batch an entry has other results than alone.
    Batching { at: usize, from: usize, count: usize, alone: String, together: String },
    /// The digest is not that of the tables.
    Digest { at: usize },
    /// A copy is not accepted.
    Copy { at: usize, fatal: Fatal },
    /// The node ends.
    Fatal { at: usize, fatal: Fatal },
    /// The node panics.
    Panic { at: usize, text: String },
}

impl Difference {
    /// A word that is the same for differences of the same kind.
    pub fn kind(&self) -> String {
        match self {
            Difference::Result { machine, plain, .. } => format!("result {} {}", class(machine), class(plain)),
            Difference::Tables { .. } => "tables".to_owned(),
            Difference::Batching { .. } => "batching".to_owned(),
            Difference::Digest { .. } => "digest".to_owned(),
            Difference::Copy { .. } => "copy".to_owned(),
            Difference::Fatal { fatal: Fatal::Sqlite { code, .. }, .. } => format!("fatal {code}"),
            Difference::Fatal { .. } => "fatal".to_owned(),
            Difference::Panic { .. } => "panic".to_owned(),
        }
    }

    /// The number of the entry at which it shows.
    pub fn at(&self) -> usize {
        match self {
            Difference::Result { at, .. }
            | Difference::Tables { at, .. }
            | Difference::Batching { at, .. }
            | Difference::Digest { at }
            | Difference::Copy { at, .. }
            | Difference::Fatal { at, .. }
            | Difference::Panic { at, .. } => *at,
        }
    }

    /// The results of a batch must be equal.
    pub fn of_results(
        at: usize,
        batch: &Batch,
        machine: &[StatementResult],
        plain: &[StatementResult],
    ) -> Result<(), Difference> {
        for nth in 0..machine.len().max(plain.len()) {
            let (one, other) = (shown(machine.get(nth)), shown(plain.get(nth)));
            if one != other && !says_more(machine.get(nth), plain.get(nth)) {
                let statement = batch.statements.get(nth).map(|statement| statement.sql.clone()).unwrap_or_default();
                return Err(Difference::Result { at, statement, machine: one, plain: other });
            }
        }
        Ok(())
    }

    /// The results in a batch must be those of the entry alone.
    pub fn of_batching(
        at: usize,
        from: usize,
        count: usize,
        together: &[StatementResult],
        alone: &[StatementResult],
    ) -> Result<(), Difference> {
        let all = |results: &[StatementResult]| {
            results.iter().map(|result| shown(Some(result))).collect::<Vec<_>>().join("\n")
        };
        let (together, alone) = (all(together), all(alone));
        if together == alone { Ok(()) } else { Err(Difference::Batching { at, from, count, alone, together }) }
    }

    /// The tables must be equal.
    pub fn of_dumps(at: usize, machine: &Dump, plain: &Dump) -> Result<(), Difference> {
        let names = machine.keys().chain(plain.keys());
        for name in names {
            let (one, other) = (machine.get(name), plain.get(name));
            if one == other {
                continue;
            }
            let empty = Vec::new();
            let (one, other) = (one.unwrap_or(&empty), other.unwrap_or(&empty));
            let only = |of: &[String], than: &[String]| {
                let lines = of.iter().filter(|line| !than.contains(line)).take(3).map(|line| brief(line));
                format!("{} lines, of which only here: {}", of.len(), lines.collect::<Vec<_>>().join("; "))
            };
            let (machine, plain) = (only(one, other), only(other, one));
            return Err(Difference::Tables { at, table: name.clone(), machine, plain });
        }
        Ok(())
    }
}

/// Whether an error of the state machine is SQLite's, with the limit that was met or the counter that is exhausted besides.
fn says_more(machine: Option<&StatementResult>, plain: Option<&StatementResult>) -> bool {
    let (Some(Err(machine)), Some(Err(plain))) = (machine, plain) else { return false };
    let limit = machine.message.strip_prefix(&*plain.message).is_some_and(|more| more.starts_with(": "));
    let counter = machine.code == rusqlite::ffi::SQLITE_FULL && machine.message.contains("9223372036854775807");
    machine.code == plain.code && (limit || counter)
}

/// The first words of a result: what must stay the same while a program is cut down.
fn class(result: &str) -> &str {
    result.split(':').next().unwrap_or_default()
}

/// A result in full: two are equal if these texts are.
fn shown(result: Option<&StatementResult>) -> String {
    match result {
        None => "nothing".to_owned(),
        Some(Err(error)) => format!("error {}: {}", error.code, error.message),
        Some(Ok(Rows { columns, rows, rows_affected })) => {
            let row = |row: &Vec<Value>| row.iter().map(value).collect::<Vec<_>>().join(", ");
            let rows = rows.iter().map(|values| format!("\n      {}", row(values))).collect::<String>();
            format!("rows: {rows_affected} changed; {}{rows}", columns.join(", "))
        }
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Real(real) => format!("{real:?} ({:016x})", real.to_bits()),
        other => other.to_string(),
    }
}

fn brief(text: &str) -> String {
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Result { at, statement, machine, plain } => write!(
                f,
                "entry {}: {}\n  lockstep: {}\n  sqlite:   {}",
                at + 1,
                brief(statement),
                brief(machine),
                brief(plain)
            ),
            Difference::Tables { at, table, machine, plain } => {
                write!(f, "after entry {}, {table} differs\n  lockstep: {machine}\n  sqlite:   {plain}", at + 1)
            }
            Difference::Batching { at, from, count, alone, together } => write!(
                f,
                "entry {} has other results together with {count} entries from entry {} on\n  alone:    {}\n  together: {}",
                at + 1,
                from + 1,
                brief(alone),
                brief(together)
            ),
            Difference::Digest { at } => {
                write!(f, "after entry {} the digest is not that of the tables", at + 1)
            }
            Difference::Copy { at, fatal } => {
                write!(f, "a copy after entry {} is not accepted: {fatal}", at + 1)
            }
            Difference::Fatal { at, fatal } => write!(f, "entry {} ends the node: {fatal}", at + 1),
            Difference::Panic { at, text } => write!(f, "entry {} makes the node panic: {text}", at + 1),
        }
    }
}

impl fmt::Display for Program {
    /// Writes an SQL script; what is bound to parameters stands behind the statement.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (entry, nth) in self.entries.iter().zip(1..) {
            writeln!(f, "-- entry {nth}{}", if entry.batch.atomic { ", all or nothing" } else { "" })?;
            for statement in &entry.batch.statements {
                let text = statement.to_string();
                match text.strip_prefix(statement.sql.split_whitespace().collect::<Vec<_>>().join(" ").as_str()) {
                    Some("") | None => writeln!(f, "{};", brief(&statement.sql))?,
                    Some(values) => writeln!(f, "{};  --{}", brief(&statement.sql), brief(values))?,
                }
            }
        }
        Ok(())
    }
}
