//! Where the contents of databases differ, side by side.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::api::Value;
use lockstep_node::sqlite::dump::{Dump, Table};

use super::replicas::table;

/// So many lines of differing values are shown.
const LINES_MAX: usize = 20;

/// One value that is not the same everywhere.
pub(super) struct Line<'d> {
    /// The table, or `the schema`.
    pub table: &'d str,
    /// The key of the row.
    pub key: String,
    /// The column; empty if the row as a whole is missing somewhere.
    pub column: &'d str,
    /// One cell a dump.
    cells: Vec<String>,
}

impl Line<'_> {
    /// The dumps, by their labels, that do not hold what most hold.
    pub fn odd<L: Copy>(&self, dumps: &[(L, &Dump)]) -> impl Iterator<Item = L> {
        let usual = self.usual();
        dumps.iter().zip(&self.cells).filter(move |(_, cell)| *cell != usual).map(|((label, _), _)| *label)
    }

    /// What most dumps hold; the earlier one decides a tie.
    fn usual(&self) -> &String {
        let votes = |cell: &String| self.cells.iter().filter(|other| *other == cell).count();
        let most = self.cells.iter().map(votes).max().unwrap_or(0);
        self.cells.iter().find(|cell| votes(cell) == most).expect("there is a replica")
    }
}

/// Where labelled dumps differ, in the order of tables and keys.
pub(super) fn compare<'d, L>(dumps: &[(L, &'d Dump)]) -> Vec<Line<'d>> {
    let mut lines = schema(dumps);
    let names: BTreeSet<&str> =
        dumps.iter().flat_map(|(_, dump)| dump.tables.iter().map(|table| table.name.as_str())).collect();
    for name in names {
        let tables: Vec<_> = dumps.iter().map(|(_, dump)| table(dump, name)).collect();
        // Most tables are equal, and to see that is much cheaper than to line up their rows.
        if tables.windows(2).any(|pair| pair[0] != pair[1]) {
            rows(name, &tables, &mut lines);
        }
    }
    lines
}

fn schema<'d, L>(dumps: &[(L, &'d Dump)]) -> Vec<Line<'d>> {
    let all: BTreeSet<&str> = dumps.iter().flat_map(|(_, dump)| dump.schema.iter().map(String::as_str)).collect();
    let held = |sql: &str| -> Vec<String> {
        let word = |held| if held { "has it" } else { "-" };
        dumps.iter().map(|(_, dump)| word(dump.schema.iter().any(|held| held == sql)).to_owned()).collect()
    };
    all.into_iter()
        .map(|sql| Line { table: "the schema", key: shorten(sql, 40), column: "", cells: held(sql) })
        .filter(|line| line.cells.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

fn rows<'d>(name: &'d str, tables: &[Option<&'d Table>], lines: &mut Vec<Line<'d>>) {
    let mut keys: BTreeMap<Key<'d>, Vec<Option<&'d [Value]>>> = BTreeMap::new();
    for (place, table) in tables.iter().enumerate() {
        for row in table.iter().flat_map(|table| &table.rows) {
            keys.entry(Key(&row.key)).or_insert_with(|| vec![None; tables.len()])[place] = Some(&row.values);
        }
    }
    let columns = tables.iter().flatten().next().map_or(&[][..], |table| &table.columns[..]);
    for (key, held) in keys {
        let key = tuple(key.0);
        if held.iter().any(Option::is_none) {
            let cells = held.iter().map(|row| row.map_or("-".into(), |row| shorten(&tuple(row), 24))).collect();
            lines.push(Line { table: name, key, column: "", cells });
            continue;
        }
        for (place, column) in columns.iter().enumerate() {
            let values: Vec<_> = held.iter().map(|row| row.and_then(|row| row.get(place))).collect();
            if values.windows(2).any(|pair| pair[0] != pair[1]) {
                let cell = |value: &Option<&Value>| value.map_or("-".into(), |value| shorten(&value.to_string(), 24));
                let cells = values.iter().map(cell).collect();
                lines.push(Line { table: name, key: key.clone(), column, cells });
            }
        }
    }
}

/// Orders keys as SQLite does: NULL, numbers, text, blobs.
struct Key<'d>(&'d [Value]);

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let pairs = self.0.iter().zip(other.0);
        pairs.map(|(a, b)| order(a, b)).find(|order| order.is_ne()).unwrap_or(self.0.len().cmp(&other.0.len()))
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key<'_> {}

fn order(a: &Value, b: &Value) -> Ordering {
    let class = |value: &Value| match value {
        Value::Null => 0,
        Value::Integer(_) => 1,
        Value::Real(_) => 2,
        Value::Text(_) => 3,
        Value::Blob(_) => 4,
    };
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        _ => class(a).cmp(&class(b)),
    }
}

fn tuple(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}

fn shorten(text: &str, width: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= width {
        return flat;
    }
    flat.chars().take(width - 1).chain(['…']).collect()
}

/// A header for each table, then a line a differing value, with `<` after what most do not hold.
pub(super) fn render<L: ToString>(lines: &[Line<'_>], dumps: &[(L, &Dump)]) -> Vec<String> {
    let shown = &lines[..lines.len().min(LINES_MAX)];
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let key = width(&mut shown.iter().flat_map(|line| [line.table.len(), 2 + line.key.chars().count()]));
    let column = width(&mut shown.iter().map(|line| line.column.chars().count()));
    let cells: Vec<usize> = (0..dumps.len())
        .map(|place| {
            let label = dumps[place].0.to_string().len().max(4);
            width(&mut shown.iter().map(|line| line.cells[place].chars().count()).chain([label]))
        })
        .collect();
    let mut text = Vec::new();
    let mut table = "";
    for line in shown {
        if line.table != table {
            table = line.table;
            let names = dumps.iter().zip(&cells).map(|((label, _), width)| format!("  {:>width$} ", label.to_string()));
            text.push(format!("{table:key$}  {:column$}{}", "", names.collect::<String>()).trim_end().to_owned());
        }
        let usual = line.usual();
        let mark = |cell: &String| if cell == usual { ' ' } else { '<' };
        let values = line.cells.iter().zip(&cells).map(|(cell, width)| format!("  {cell:>width$}{}", mark(cell)));
        let key_text = format!("  {}", line.key);
        text.push(
            format!("{key_text:key$}  {:column$}{}", line.column, values.collect::<String>()).trim_end().to_owned(),
        );
    }
    if lines.len() > shown.len() {
        text.push(format!("… and {} more", lines.len() - shown.len()));
    }
    text
}
