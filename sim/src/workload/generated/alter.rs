//! Statements that alter tables.

use super::expression::Scope;
use super::schema::{Affinity, Column, Table};
use super::{Drawn, Generator};

impl Generator {
    /// One alteration, and mostly a look at the table afterwards.
    pub(super) fn alter(&mut self) -> Vec<Drawn> {
        let Some(table) = self.some_table() else { return vec![self.mistake()] };
        let before = self.schema.clone();
        let (altered, back) = match self.below(100) {
            0..40 => (self.add_column(&table), None),
            40..52 => self.rename_column(&table),
            52..66 => self.drop_column(&table),
            66..76 => self.rename_table(&table),
            76..90 => (self.alter_constraint(&table), None),
            _ => (self.alter_column(&table), None),
        };
        let name = match altered.kind {
            "alter rename table" => self.schema.tables.last().map(|table| table.name.clone()),
            _ => Some(table.name),
        };
        let look = name.filter(|_| self.percent(60)).map(|name| {
            let order = if self.percent(50) { " ORDER BY 1" } else { "" };
            self.finish("select all columns", format!("SELECT * FROM {name}{order}"))
        });
        let back = back.filter(|_| self.options.restore).map(|sql| {
            self.schema = before;
            self.finish("alter back", sql)
        });
        [altered].into_iter().chain(look).chain(back).collect()
    }

    fn alter_constraint(&mut self, table: &Table) -> Drawn {
        if self.schema.constraints.is_empty() || self.percent(60) {
            let name = self.schema.name("k");
            let check = self.check(table);
            self.schema.constraints.push((table.name.clone(), name.clone()));
            let sql = format!("ALTER TABLE {} ADD CONSTRAINT {name} CHECK ({check})", table.name);
            return self.finish("alter add constraint", sql);
        }
        let at = self.below(self.schema.constraints.len() as u64) as usize;
        let (table, name) = self.schema.constraints.remove(at);
        self.finish("alter drop constraint", format!("ALTER TABLE {table} DROP CONSTRAINT {name}"))
    }

    fn add_column(&mut self, table: &Table) -> Drawn {
        let name = self.schema.name("n");
        let affinity = *self.stream.pick(&Affinity::ALL);
        let mut column = Column { name: name.clone(), affinity, generated: false, required: false, primary: false };
        let mut sql = format!("ALTER TABLE {} ADD COLUMN {name}", table.name);
        let (kind, text) = match self.below(10) {
            0..5 => {
                let value = self.operand(affinity);
                let literal = self.one(&["0", "1", "'k'", "'0'", "1.0", "NULL", "x'00'", "-1"]).to_owned();
                let value = if self.percent(60) { literal } else { format!("({value})") };
                let required = if self.percent(20) { " NOT NULL" } else { "" };
                ("alter add column with default", format!(" DEFAULT {value}{required}"))
            }
            5 => {
                column.generated = true;
                let expression = self.expression(&Scope::of_schema(table), 2);
                ("alter add generated column", format!(" GENERATED ALWAYS AS ({expression}) VIRTUAL"))
            }
            6 => ("alter add column with collation", " COLLATE NOCASE DEFAULT 'K'".to_owned()),
            7 => ("alter add column with foreign key", self.references()),
            8 => {
                let mut with = table.clone();
                with.columns.push(column.clone());
                ("alter add column with check", format!(" CHECK ({})", self.check(&with)))
            }
            _ => ("alter add column", String::new()),
        };
        sql.push_str(&format!(" {}{text}", self.type_name(affinity, table.strict)));
        if let Some(table) = self.schema.table_mut(&table.name) {
            table.columns.push(column);
        }
        self.finish(kind, sql)
    }

    /// The statement, and the one that takes it back.
    fn rename_column(&mut self, table: &Table) -> (Drawn, Option<String>) {
        let from = self.stream.pick(&table.columns).name.clone();
        let to = self.schema.name("r");
        if let Some(table) = self.schema.table_mut(&table.name) {
            let names = table.columns.iter_mut().map(|column| &mut column.name);
            for name in names.chain(table.unique.iter_mut().flatten()).filter(|name| **name == from) {
                name.clone_from(&to);
            }
        }
        let rename = |from: &str, to: &str| format!("ALTER TABLE {} RENAME COLUMN {from} TO {to}", table.name);
        (self.finish("alter rename column", rename(&from, &to)), Some(rename(&to, &from)))
    }

    /// The statement, and the one that takes it back.
    fn drop_column(&mut self, table: &Table) -> (Drawn, Option<String>) {
        let used = |column: &&Column| column.primary || table.unique.iter().flatten().any(|name| *name == column.name);
        let free: Vec<&Column> = table.columns.iter().filter(|column| !used(column)).collect();
        let Some(column) = free.last().copied().filter(|_| table.columns.len() > 2) else {
            let name = &table.columns[0].name;
            let sql = format!("ALTER TABLE {} DROP COLUMN {name}", table.name);
            return (self.finish("alter drop key column", sql), None);
        };
        let Column { name, affinity, .. } = column;
        if let Some(table) = self.schema.table_mut(&table.name) {
            table.columns.retain(|column| column.name != *name);
        }
        let kind = self.type_name(*affinity, table.strict);
        let back = format!("ALTER TABLE {} ADD COLUMN {name} {kind}", table.name);
        (self.finish("alter drop column", format!("ALTER TABLE {} DROP COLUMN {name}", table.name)), Some(back))
    }

    /// The statement, and the one that takes it back.
    fn rename_table(&mut self, table: &Table) -> (Drawn, Option<String>) {
        let to = self.schema.name("t");
        self.schema.rename_table(&table.name, &to);
        if let Some(at) = self.schema.tables.iter().position(|table| table.name == to) {
            let renamed = self.schema.tables.remove(at);
            self.schema.tables.push(renamed);
        }
        let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
        (self.finish("alter rename table", rename(&table.name, &to)), Some(rename(&to, &table.name)))
    }

    fn alter_column(&mut self, table: &Table) -> Drawn {
        let column = self.stream.pick(&table.columns).name.clone();
        let what = self.one(&["SET NOT NULL", "DROP NOT NULL"]);
        self.finish("alter column", format!("ALTER TABLE {} ALTER COLUMN {column} {what}", table.name))
    }
}
