//! Statements that update and delete.

use super::expression::Scope;
use super::schema::{Table, View};
use super::{Drawn, Generator};

impl Generator {
    /// An UPDATE of any form.
    pub(super) fn update(&mut self) -> Drawn {
        let Some(table) = self.some_table() else { return self.mistake() };
        self.begin();
        let scope = Scope::of(&table, "");
        let conflict =
            self.one(&["", "", "", "", " OR IGNORE", " OR REPLACE", " OR FAIL", " OR ROLLBACK", " OR ABORT"]);
        let from = self.percent(12).then(|| self.some_table()).flatten().filter(|other| other.name != table.name);
        if let Some(other) = from {
            return self.update_from(&table, &other, conflict);
        }
        if self.percent(4)
            && let Some(view) = self.some_view(2)
        {
            let column = self.stream.pick(&view.columns).clone();
            let value = self.leaf(&Scope::default());
            return self.finish("update view", format!("UPDATE {} SET {column} = {value}", view.name));
        }
        let writable = table.writable();
        let assignment = if writable.len() > 1 && self.percent(10) {
            let (one, other) = (writable[0].name.clone(), writable[1].name.clone());
            format!("({one}, {other}) = ({}, {})", self.expression(&scope, 1), self.expression(&scope, 1))
        } else {
            let count = 1 + self.below(2);
            let assignments: Vec<String> = (0..count).map(|_| self.assignment(&table, &scope)).collect();
            assignments.join(", ")
        };
        let (with, condition) = self.which(&table, &scope);
        let sql =
            format!("{with}UPDATE{conflict} {} SET {assignment}{condition}{}", table.name, self.returning(&table));
        self.finish(if conflict.is_empty() { "update" } else { "update or" }, sql)
    }

    fn update_from(&mut self, table: &Table, other: &Table, conflict: &str) -> Drawn {
        let both = Scope::of(table, &format!("{}.", table.name)).with(Scope::of(other, "o."));
        let assignment = self.assignment(table, &both);
        let left = self.stream.pick(&table.columns).name.clone();
        let right = self.stream.pick(&other.columns).name.clone();
        let sql = format!(
            "UPDATE{conflict} {} SET {assignment} FROM {} AS o WHERE o.{right} = {}.{left}{}",
            table.name,
            other.name,
            table.name,
            self.returning(table)
        );
        self.finish("update from", sql)
    }

    /// `column = value`.
    pub(super) fn assignment(&mut self, table: &Table, scope: &Scope) -> String {
        let column = self.stream.pick(&table.writable()).clone();
        // A key that is one value for all rows fails nearly always.
        let value = match self.percent(50) || column.primary {
            true if column.primary && self.percent(70) => format!("{} + 1", column.name),
            true => self.expression(scope, 2),
            false => self.operand(column.affinity),
        };
        format!("{} = {value}", column.name)
    }

    /// A DELETE of any form.
    pub(super) fn delete(&mut self) -> Drawn {
        let Some(table) = self.some_table() else { return self.mistake() };
        self.begin();
        if self.percent(4) {
            return self.finish("delete all", format!("DELETE FROM {}", table.name));
        }
        if self.percent(4)
            && let Some(view) = self.some_view(3)
        {
            return self.finish("delete from view", format!("DELETE FROM {}", view.name));
        }
        let scope = Scope::of(&table, "");
        let (with, condition) = self.which(&table, &scope);
        let sql = format!("{with}DELETE FROM {}{condition}{}", table.name, self.returning(&table));
        self.finish("delete", sql)
    }

    /// A view, mostly one that has as many triggers: without them it cannot be written to.
    pub(super) fn some_view(&mut self, triggers: usize) -> Option<View> {
        let triggers = if self.percent(5) { 0 } else { triggers };
        let enough = |view: &&View| self.schema.triggers_on(&view.name) >= triggers;
        let views: Vec<View> = self.schema.views.iter().filter(enough).cloned().collect();
        if views.is_empty() { None } else { Some(self.stream.pick(&views).clone()) }
    }

    /// Which rows: what stands before the statement, and its WHERE.
    fn which(&mut self, table: &Table, scope: &Scope) -> (String, String) {
        if self.percent(10) {
            let (query, _) = self.select(1, Some(1));
            let column = self.stream.pick(&table.columns).name.clone();
            return (format!("WITH w(x) AS ({query}) "), format!(" WHERE {column} IN (SELECT x FROM w)"));
        }
        let condition = match self.below(100) {
            // Few rows, so that tables do not become empty all the time.
            0..60 => {
                let column = self.stream.pick(&table.columns).clone();
                format!(" WHERE {} = {}", column.name, self.operand(column.affinity))
            }
            60..96 => format!(" WHERE {}", self.condition(scope, 2)),
            _ => String::new(),
        };
        (String::new(), condition)
    }
}
