//! Triggers of every kind. What they do is bounded: one row for each row, or rows that have the same key.

use super::expression::Scope;
use super::schema::{Affinity, Table};
use super::{Drawn, Generator};

/// More triggers than these would only make each other fail.
const TRIGGERS_MAX: usize = 6;

/// What INSTEAD OF triggers are for, in the order in which a view gets them, and the row that they see.
const EVENTS: [(&str, &str); 3] = [("INSERT", "new."), ("UPDATE", "new."), ("DELETE", "old.")];

impl Generator {
    /// A trigger on a table, or one that makes a view writable.
    pub(super) fn create_trigger(&mut self) -> Vec<Drawn> {
        if !self.schema.views.is_empty() && self.percent(25) {
            return vec![self.create_instead_of()];
        }
        if self.schema.triggers.len() >= TRIGGERS_MAX {
            return self.drop_something();
        }
        let Some(table) = self.some_table() else { return vec![self.mistake()] };
        let name = self.schema.name("g");
        let time = self.one(&["BEFORE", "AFTER"]);
        let (event, rows) = match self.below(10) {
            0..4 => ("INSERT".to_owned(), &["new."][..]),
            4..6 => ("UPDATE".to_owned(), &["new.", "old."][..]),
            6..8 => {
                let column = self.stream.pick(&table.columns).name.clone();
                (format!("UPDATE OF {column}"), &["new.", "old."][..])
            }
            _ => ("DELETE".to_owned(), &["old."][..]),
        };
        let scope = scope(&table, rows);
        let when = if self.percent(40) { format!(" WHEN {}", self.condition(&scope, 1)) } else { String::new() };
        let steps: Vec<String> = (0..1 + self.below(2)).map(|_| self.step(&scope)).collect();
        let each = self.one(&["", " FOR EACH ROW"]);
        let sql = format!(
            "CREATE TRIGGER {name} {time} {event} ON {}{each}{when} BEGIN {}; END",
            table.name,
            steps.join("; ")
        );
        self.schema.triggers.push((name, table.name));
        let kind = if time == "BEFORE" { "create trigger before" } else { "create trigger after" };
        vec![self.finish(kind, sql)]
    }

    fn create_instead_of(&mut self) -> Drawn {
        let view = self.stream.pick(&self.schema.views).clone();
        let name = self.schema.name("g");
        // One after the other: a view that can be updated can be inserted into as well.
        let (event, prefix) = EVENTS[self.schema.triggers_on(&view.name) % EVENTS.len()];
        let columns = view.columns.iter().map(|column| (format!("{prefix}{column}"), Affinity::Text)).collect();
        let scope = Scope { columns, queries: true, moment: true, plain: false };
        let step = self.step(&scope);
        let sql = format!("CREATE TRIGGER {name} INSTEAD OF {event} ON {} BEGIN {step}; END", view.name);
        self.schema.triggers.push((name, view.name));
        self.finish("create trigger instead of", sql)
    }

    /// One statement of a trigger.
    fn step(&mut self, scope: &Scope) -> String {
        let Some(target) = self.some_table() else { return "SELECT 1".to_owned() };
        match self.below(100) {
            0..18 => {
                let action = match self.below(4) {
                    0 => "RAISE(IGNORE)".to_owned(),
                    1 => format!("RAISE(ABORT, 'aborted ' || {})", self.leaf(scope)),
                    2 => "RAISE(FAIL, 'failed')".to_owned(),
                    _ => "RAISE(ROLLBACK, 'rolled back')".to_owned(),
                };
                format!("SELECT {action} WHERE {}", self.condition(scope, 1))
            }
            18..60 => {
                let columns = self.chosen_columns(&target);
                let values: Vec<String> = columns.iter().map(|_| self.expression(scope, 1)).collect();
                let list: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                let conflict = self.one(&["", " OR IGNORE", " OR REPLACE", " OR ABORT"]);
                format!("INSERT{conflict} INTO {}({}) VALUES ({})", target.name, list.join(", "), values.join(", "))
            }
            60..80 => {
                let (assignment, key) = (self.assignment(&target, scope), self.key(&target));
                let value = self.leaf(scope);
                format!("UPDATE OR IGNORE {} SET {assignment} WHERE {key} = {value}", target.name)
            }
            80..90 => {
                let key = self.key(&target);
                format!("DELETE FROM {} WHERE {key} = {}", target.name, self.leaf(scope))
            }
            _ => format!("SELECT {}", self.expression(scope, 2)),
        }
    }

    /// A column by which few rows are equal.
    fn key(&mut self, table: &Table) -> String {
        match table.unique.first() {
            Some(columns) => columns[0].clone(),
            None => table.columns[0].name.clone(),
        }
    }
}

fn scope(table: &Table, rows: &[&str]) -> Scope {
    rows.iter().map(|row| Scope::of(table, row)).reduce(Scope::with).expect("a trigger sees a row")
}
