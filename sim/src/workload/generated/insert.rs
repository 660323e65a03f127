//! Statements that insert.

use super::create::names;
use super::expression::Scope;
use super::schema::{Column, Table};
use super::{Drawn, Generator};

/// What stands after INSERT, by how often.
const CONFLICTS: &[&str] =
    &["", "", "", " OR ABORT", " OR FAIL", " OR IGNORE", " OR IGNORE", " OR REPLACE", " OR REPLACE", " OR ROLLBACK"];

impl Generator {
    /// An INSERT or REPLACE of any form.
    pub(super) fn insert(&mut self) -> Vec<Drawn> {
        let Some(table) = self.some_table() else { return vec![self.mistake()] };
        self.begin();
        vec![match self.below(100) {
            0..50 => self.insert_values(&table),
            50..70 => self.upsert(&table),
            70..88 => self.insert_select(&table),
            88..94 => {
                let sql = format!("INSERT INTO {} DEFAULT VALUES{}", table.name, self.returning(&table));
                self.finish("insert default values", sql)
            }
            _ => self.insert_into_view(&table),
        }]
    }

    fn insert_values(&mut self, table: &Table) -> Drawn {
        let (head, kind) = match self.below(12) {
            0 => ("REPLACE".to_owned(), "replace"),
            _ => {
                let conflict = self.one(CONFLICTS);
                (format!("INSERT{conflict}"), if conflict.is_empty() { "insert" } else { "insert or" })
            }
        };
        let columns = self.chosen_columns(table);
        let most = if self.percent(20) { 12 } else { 2 };
        let rows = 1 + self.below(most);
        let rows: Vec<String> = (0..rows).map(|_| self.row(&columns)).collect();
        let list = names(&columns).join(", ");
        let mut sql = format!("{head} INTO {}({list}) VALUES {}", table.name, rows.join(", "));
        sql.push_str(&self.returning(table));
        self.finish(kind, sql)
    }

    /// A row of values that the columns like.
    pub(super) fn row(&mut self, columns: &[Column]) -> String {
        let value = |column: &Column| match self.percent(12) {
            true => self.expression(&Scope { queries: true, moment: true, ..Scope::default() }, 2),
            false => self.operand(column.affinity),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        format!("({})", values.join(", "))
    }

    /// Columns for an insert: those that must have a value, and most of the others.
    pub(super) fn chosen_columns(&mut self, table: &Table) -> Vec<Column> {
        let writable = table.writable();
        let chosen: Vec<Column> =
            writable.iter().filter(|column| column.required || self.percent(75)).cloned().collect();
        if chosen.is_empty() { writable.into_iter().take(1).collect() } else { chosen }
    }

    fn upsert(&mut self, table: &Table) -> Drawn {
        if table.unique.is_empty() {
            return self.insert_values(table);
        }
        let columns = self.chosen_columns(table);
        let rows: Vec<String> = (0..1 + self.below(3)).map(|_| self.row(&columns)).collect();
        let list = names(&columns).join(", ");
        let mut sql = format!("INSERT INTO {}({list}) VALUES {}", table.name, rows.join(", "));
        let mut targets = table.unique.clone();
        self.stream.shuffle(&mut targets);
        for target in targets.iter().take(2) {
            sql.push_str(&format!(" ON CONFLICT ({})", target.join(", ")));
            if self.percent(25) {
                sql.push_str(" DO NOTHING");
                continue;
            }
            let assignment = self.upsert_assignment(table, &columns);
            sql.push_str(&format!(" DO UPDATE SET {assignment}"));
            if self.percent(30) {
                let scope = Scope::of(table, &format!("{}.", table.name));
                sql.push_str(&format!(" WHERE {}", self.condition(&scope, 1)));
            }
        }
        if self.percent(20) {
            sql.push_str(" ON CONFLICT DO NOTHING");
        }
        sql.push_str(&self.returning(table));
        self.finish("upsert", sql)
    }

    fn upsert_assignment(&mut self, table: &Table, inserted: &[Column]) -> String {
        let writable = table.writable();
        let column = self.stream.pick(&writable).name.clone();
        let excluded = self.stream.pick(inserted).name.clone();
        match self.below(3) {
            0 => format!("{column} = excluded.{excluded}"),
            1 => format!("{column} = {}.{column} || excluded.{excluded}", table.name),
            _ => format!("{column} = {}", self.expression(&Scope::of(table, &format!("{}.", table.name)), 2)),
        }
    }

    fn insert_select(&mut self, table: &Table) -> Drawn {
        let columns = self.chosen_columns(table);
        let (query, _) = self.select(1, Some(columns.len() as u64));
        let list = names(&columns).join(", ");
        let conflict = self.one(CONFLICTS);
        let limit = 1 + self.below(12);
        let mut sql = format!("INSERT{conflict} INTO {}({list}) SELECT * FROM ({query}) LIMIT {limit}", table.name);
        sql.push_str(&self.returning(table));
        self.finish("insert select", sql)
    }

    fn insert_into_view(&mut self, table: &Table) -> Drawn {
        let Some(view) = self.some_view(1) else { return self.insert_values(table) };
        let values: Vec<String> = view.columns.iter().map(|_| self.leaf(&Scope::default())).collect();
        self.finish("insert into view", format!("INSERT INTO {} VALUES ({})", view.name, values.join(", ")))
    }

    /// All rows go to a table of the same shape: SQLite copies them as they are, without decoding them.
    pub(super) fn transfer(&mut self) -> Vec<Drawn> {
        let Some(from) = self.some_table() else { return vec![self.mistake()] };
        let same = |table: &&Table| {
            table.name != from.name && table.columns.len() == from.columns.len() && table.strict == from.strict
        };
        let twins: Vec<Table> = self.schema.tables.iter().filter(same).cloned().collect();
        if twins.is_empty() {
            return self.insert();
        }
        let to = self.stream.pick(&twins).clone();
        let empty = self.finish("delete all", format!("DELETE FROM {}", to.name));
        let conflict = self.one(&["", "", " OR IGNORE", " OR REPLACE"]);
        let insert = self.finish("transfer", format!("INSERT{conflict} INTO {} SELECT * FROM {}", to.name, from.name));
        if self.percent(70) { vec![empty, insert] } else { vec![insert] }
    }

    /// Nothing, or ` RETURNING …`.
    pub(super) fn returning(&mut self, table: &Table) -> String {
        match self.below(20) {
            0..2 => " RETURNING *".to_owned(),
            2..4 => {
                let scope = Scope { queries: false, ..Scope::of(table, "") };
                format!(" RETURNING {}, {} AS x", self.leaf(&scope), self.expression(&scope, 1))
            }
            _ => String::new(),
        }
    }
}
