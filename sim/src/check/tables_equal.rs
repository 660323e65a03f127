//! All replicas hold the same schema and the same rows.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::api::Value;
use lockstep_node::sqlite::dump::{Dump, Table};

use super::replicas::{dumps, table};
use super::{Check, violation};
use crate::record::Machine;
use crate::run::{Evidence, Finding};

/// Compares full dumps.
pub(super) struct TablesEqual;

/// So many lines of differing values are shown.
const LINES_MAX: usize = 20;

impl Check for TablesEqual {
    fn property(&self) -> &'static str {
        "tables-equal"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let dumps: Vec<_> = dumps(evidence).collect();
        if dumps.is_empty() {
            return Finding::NotApplicable;
        }
        let lines = compare(&dumps);
        let Some(first) = lines.first() else {
            let rows: usize = dumps[0].1.tables.iter().map(|table| table.rows.len()).sum();
            return Finding::Holds(format!("{rows} rows on {} replicas", dumps.len()));
        };
        let odd: BTreeSet<Machine> = lines.iter().flat_map(|line| line.odd(&dumps)).collect();
        let tables: BTreeSet<&str> = lines.iter().map(|line| line.table).collect();
        let summary = format!(
            "{} {} on {}: {} value{} of key {}{}",
            listed(tables.iter().map(ToString::to_string).collect()),
            if tables.len() == 1 { "differs" } else { "differ" },
            listed(odd.iter().map(ToString::to_string).collect()),
            lines.len(),
            if lines.len() == 1 { "," } else { "s, the first" },
            first.key,
            if first.column.is_empty() { String::new() } else { format!(", column {}", first.column) },
        );
        let mut violation = violation(summary, odd.first().copied(), None);
        violation.details = render(&lines, &dumps);
        Finding::Violated(violation)
    }
}

/// Names in a sentence: `a, b and c`.
fn listed(names: Vec<String>) -> String {
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// Where the replicas that caught up differ, side by side; empty if nowhere.
pub fn differences(evidence: &Evidence) -> Vec<String> {
    let dumps: Vec<_> = dumps(evidence).collect();
    render(&compare(&dumps), &dumps)
}

/// One value that is not the same everywhere.
struct Line<'d> {
    table: &'d str,
    key: String,
    column: &'d str,
    /// One cell a replica.
    cells: Vec<String>,
}

impl Line<'_> {
    /// The replicas that do not hold what most hold.
    fn odd(&self, dumps: &[(Machine, &Dump)]) -> impl Iterator<Item = Machine> {
        let usual = self.usual();
        dumps.iter().zip(&self.cells).filter(move |(_, cell)| *cell != usual).map(|((machine, _), _)| *machine)
    }

    /// What most replicas hold; the earlier replica decides a tie.
    fn usual(&self) -> &String {
        let votes = |cell: &String| self.cells.iter().filter(|other| *other == cell).count();
        let most = self.cells.iter().map(votes).max().unwrap_or(0);
        self.cells.iter().find(|cell| votes(cell) == most).expect("there is a replica")
    }
}

fn compare<'d>(dumps: &[(Machine, &'d Dump)]) -> Vec<Line<'d>> {
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

fn schema<'d>(dumps: &[(Machine, &'d Dump)]) -> Vec<Line<'d>> {
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

/// A header for each table, then a line a differing value, with `<` after what most replicas do not hold.
fn render(lines: &[Line<'_>], dumps: &[(Machine, &Dump)]) -> Vec<String> {
    let shown = &lines[..lines.len().min(LINES_MAX)];
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let key = width(&mut shown.iter().flat_map(|line| [line.table.len(), 2 + line.key.chars().count()]));
    let column = width(&mut shown.iter().map(|line| line.column.chars().count()));
    let cells: Vec<usize> = (0..dumps.len())
        .map(|place| width(&mut shown.iter().map(|line| line.cells[place].chars().count()).chain([4])))
        .collect();
    let mut text = Vec::new();
    let mut table = "";
    for line in shown {
        if line.table != table {
            table = line.table;
            let names =
                dumps.iter().zip(&cells).map(|((machine, _), width)| format!("  {:>width$} ", machine.to_string()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{bank_evidence, set_balance, summary};

    #[test]
    fn equal_tables_hold() {
        assert_eq!(summary(TablesEqual, &bank_evidence(&[&[1, 2], &[1, 2], &[1, 2]])), None);
    }

    #[test]
    fn a_differing_value_is_shown_side_by_side() {
        let mut evidence = bank_evidence(&[&[], &[], &[]]);
        set_balance(&mut evidence, 2, 2, 70);
        let text = "accounts differs on n3: 1 value, of key 2, column balance";
        assert_eq!(summary(TablesEqual, &evidence).as_deref(), Some(text));
        let expected = ["accounts             n1     n2     n3", "  2       balance   100    100     70<"];
        assert_eq!(differences(&evidence), expected);
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        let text = |names: &[&str]| listed(names.iter().map(ToString::to_string).collect());
        assert_eq!([text(&["a"]), text(&["a", "b"]), text(&["a", "b", "c"])], ["a", "a and b", "a, b and c"]);
    }

    #[test]
    fn a_missing_row_is_shown_and_keys_are_in_the_order_of_numbers() {
        let evidence = bank_evidence(&[&[2, 10], &[2], &[2, 9, 10]]);
        let lines = differences(&evidence);
        assert!(lines[1].starts_with("  9 ") && lines[2].starts_with("  10 "), "{lines:#?}");
        assert!(lines[1].trim_end().ends_with('<') && lines[2].contains("-<"), "{lines:#?}");
    }

    #[test]
    fn a_missing_table_and_a_missing_statement_of_the_schema_are_seen() {
        let mut evidence = bank_evidence(&[&[1], &[1]]);
        let replica = evidence.replicas.get_mut(&Machine(1)).unwrap();
        let dump = replica.dump.as_mut().unwrap();
        dump.tables.pop();
        dump.schema.pop();
        assert_eq!(differences(&evidence).len(), 4, "{:#?}", differences(&evidence));
    }

    #[test]
    fn a_long_list_is_cut() {
        let many: Vec<i64> = (0..50).collect();
        let lines = differences(&bank_evidence(&[&many, &[]]));
        assert_eq!((lines.len(), lines.last().unwrap().as_str()), (22, "… and 30 more"));
    }
}
