//! All replicas hold the same schema and the same rows.

use std::collections::BTreeSet;

use super::differences::{compare, render};
use super::replicas::dumps;
use super::{Check, violation};
use crate::record::Machine;
use crate::run::{Evidence, Finding};

/// Compares full dumps.
pub(super) struct TablesEqual;

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
