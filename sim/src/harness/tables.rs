//! Final tables as text that people can compare line by line.

use std::fmt::Write;

use lockstep_node::api::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::run::{Rows, Run};

/// How many rows of a table are shown.
const ROWS_MAX: usize = 50;

/// The final tables of a run, as the first live replica holds them; `None` if the scenario names none.
///
/// That all replicas hold the same is a verdict, not this function's business.
pub fn of(run: &Run) -> Option<Result<String, String>> {
    let scenario = &run.evidence.scenario;
    if scenario.finals.is_empty() {
        return None;
    }
    let Some((machine, replica)) = run.evidence.replicas.iter().find(|(_, replica)| replica.up) else {
        return Some(Err("no replica is up at the end".to_owned()));
    };
    let tables = scenario.finals.iter().zip(&replica.finals).map(|(title, rows)| match rows {
        Ok(rows) => Ok(render(title, rows)),
        Err(error) => Err(format!("`{title}` cannot be read on {machine}: {error}")),
    });
    Some(tables.collect::<Result<Vec<_>, _>>().map(|tables| tables.join("\n")))
}

/// One table: its title, the columns, at most [`ROWS_MAX`] rows, then count and digest of the rest.
fn render(title: &str, rows: &Rows) -> String {
    let (shown, rest) = rows.rows.split_at(rows.rows.len().min(ROWS_MAX));
    let shown: Vec<Vec<String>> = shown.iter().map(|row| row.iter().map(cell).collect()).collect();
    let width = |column: usize| {
        let cells = shown.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([rows.columns[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..rows.columns.len()).map(width).collect();
    let count = rows.rows.len();
    let mut text = format!("{title}: {count} {}\n", if count == 1 { "row" } else { "rows" });
    line(&mut text, &rows.columns, &widths);
    line(&mut text, &widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>(), &widths);
    shown.iter().for_each(|row| line(&mut text, row, &widths));
    if !rest.is_empty() {
        writeln!(text, "and {} more, digest {:016x}", rest.len(), digest(rest)).expect("writing to a String");
    }
    text
}

fn line(text: &mut String, cells: &[String], widths: &[usize]) {
    let padded: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
    text.push_str(padded.join("  ").trim_end());
    text.push('\n');
}

/// A value as an SQL literal on one line.
fn cell(value: &Value) -> String {
    value
        .to_string()
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn digest(rows: &[Vec<Value>]) -> u64 {
    let mut hasher = Xxh3::new();
    for row in rows {
        for value in row {
            let text = value.to_string();
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(b"\n");
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: i64) -> Rows {
        Rows {
            columns: vec!["id".to_owned(), "name".to_owned()],
            rows: (1..=count).map(|id| vec![Value::Integer(id), Value::Text(format!("it's {id}\n"))]).collect(),
        }
    }

    #[test]
    fn a_table_reads_as_a_table() {
        let expected = "people: 2 rows\nid  name\n--  -----------\n1   'it''s 1\\n'\n2   'it''s 2\\n'\n";
        assert_eq!(render("people", &rows(2)), expected);
    }

    #[test]
    fn rows_beyond_the_bound_are_counted_and_their_change_is_seen() {
        let text = render("people", &rows(60));
        assert_eq!(text.lines().count(), 3 + ROWS_MAX + 1);
        assert!(text.contains("and 10 more, digest "));
        let mut other = rows(60);
        other.rows[59][0] = Value::Integer(-1);
        assert_ne!(render("people", &other), text);
    }
}
