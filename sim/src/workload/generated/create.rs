//! Statements that create tables, indexes and views, and that drop them.

use super::expression::Scope;
use super::schema::{Affinity, Column, Table, View};
use super::{Drawn, Generator};

/// Names of columns. The last ones need quotes.
const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "\"order\"", "\"two words\"", "\"ünï\"", "[a.b]"];

/// How an INTEGER PRIMARY KEY or another key is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyShape {
    /// No key: only the rowid.
    None,
    /// The rowid under another name.
    Rowid,
    /// The same, with a counter in `sqlite_sequence`.
    Autoincrement,
    /// A column that is no rowid.
    Column,
    /// Two columns.
    Two,
}

impl Generator {
    /// A table, and now and then a twin of the same shape, so that rows can go over as they are.
    pub(super) fn create_table(&mut self) -> Vec<Drawn> {
        if let Some(table) = self.some_table()
            && self.percent(12)
        {
            return vec![self.create_table_as(&table)];
        }
        let table = self.new_table();
        let twin = self.percent(20).then(|| Table { name: self.schema.name("t"), ..table.clone() });
        let mut drawn = Vec::new();
        for table in [Some(table), twin].into_iter().flatten() {
            let sql = format!("CREATE TABLE {} {}", table.name, table.body);
            drawn.push(self.finish(if table.strict { "create strict table" } else { "create table" }, sql));
            self.schema.tables.push(table);
        }
        drawn
    }

    /// A table that should be there, in case somebody took it away.
    pub(super) fn create_again(&mut self) -> Vec<Drawn> {
        let Some(table) = self.some_table() else { return vec![self.mistake()] };
        let sql = format!("CREATE TABLE IF NOT EXISTS {} {}", table.name, table.body);
        vec![self.finish("create table again", sql)]
    }

    fn create_table_as(&mut self, table: &Table) -> Drawn {
        let name = self.schema.name("t");
        let columns: Vec<Column> = table.columns.iter().take(4).cloned().collect();
        let list = names(&columns).join(", ");
        // Where clients share a schema, all of it must come about, whatever the rows hold.
        let condition = match self.options.restore {
            true => "1".to_owned(),
            false => self.condition(&Scope::of(table, ""), 1),
        };
        let sql = format!("CREATE TABLE {name} AS SELECT {list} FROM {} WHERE {condition} LIMIT 20", table.name);
        let plain = |column: Column| Column { generated: false, required: false, primary: false, ..column };
        let columns: Vec<Column> = columns.into_iter().map(plain).collect();
        let body = format!("({})", names(&columns).join(", "));
        let unique = Vec::new();
        self.schema.tables.push(Table { name, columns, without_rowid: false, strict: false, unique, body });
        self.finish("create table as", sql)
    }

    /// A new table.
    fn new_table(&mut self) -> Table {
        let strict = self.percent(20);
        let key = match self.below(10) {
            0..2 => KeyShape::None,
            2..5 => KeyShape::Rowid,
            5 => KeyShape::Autoincrement,
            6..8 => KeyShape::Column,
            _ => KeyShape::Two,
        };
        let without_rowid = matches!(key, KeyShape::Rowid | KeyShape::Column | KeyShape::Two) && self.percent(30);
        let name = self.schema.name("t");
        let mut table =
            Table { name, columns: Vec::new(), without_rowid, strict, unique: Vec::new(), body: String::new() };
        let mut parts = Vec::new();
        let mut left: Vec<&str> = NAMES.to_vec();
        for nth in 0..2 + self.below(5) {
            // Mostly the first ones, so that tables have names in common.
            let name = left.remove(self.stream.below(left.len().min(3) as u64) as usize);
            let part = self.column(&mut table, name, nth == 0, key);
            parts.push(part);
        }
        self.add_table_constraints(&mut table, key, &mut parts);
        let mut options = Vec::new();
        options.extend(without_rowid.then_some("WITHOUT ROWID"));
        options.extend(strict.then_some("STRICT"));
        let body = format!("({}) {}", parts.join(", "), options.join(", "));
        table.body = body.trim_end().to_owned();
        table
    }

    fn column(&mut self, table: &mut Table, name: &str, first: bool, key: KeyShape) -> String {
        let name = name.to_owned();
        let affinity = *self.stream.pick(&Affinity::ALL);
        let column = Column { name: name.clone(), affinity, generated: false, required: false, primary: false };
        if first && matches!(key, KeyShape::Rowid | KeyShape::Autoincrement | KeyShape::Column) {
            return self.key_column(table, column, key);
        }
        if table.columns.len() > 1 && self.percent(12) {
            let expression = self.expression(&Scope::of_schema(table), 2);
            let kind = self.type_name(affinity, table.strict);
            let stored = self.one(&["VIRTUAL", "STORED"]);
            table.columns.push(Column { generated: true, ..column });
            return format!("{name} {kind} GENERATED ALWAYS AS ({expression}) {stored}");
        }
        let mut part = format!("{name} {}", self.type_name(affinity, table.strict));
        let default = self.percent(30);
        if default {
            part.push_str(&format!(" DEFAULT {}", self.default(affinity)));
        }
        let required = self.percent(20);
        if required {
            part.push_str(" NOT NULL");
            part.push_str(self.conflict());
        }
        if self.percent(15) {
            part.push_str(&format!(" COLLATE {}", self.one(&["NOCASE", "RTRIM", "BINARY"])));
        }
        if self.percent(12) {
            part.push_str(" UNIQUE");
            part.push_str(self.conflict());
            table.unique.push(vec![name]);
        }
        table.columns.push(Column { required: required && !default, ..column });
        if self.percent(12) {
            part.push_str(&format!(" CHECK ({})", self.check(table)));
        }
        if self.percent(10) {
            part.push_str(&self.references());
        }
        part
    }

    fn key_column(&mut self, table: &mut Table, column: Column, key: KeyShape) -> String {
        let name = column.name.clone();
        let affinity = if key == KeyShape::Column { column.affinity } else { Affinity::Integer };
        let (kind, end) = match key {
            KeyShape::Column => (self.type_name(affinity, table.strict), self.one(&["", " DESC", " NOT NULL"])),
            KeyShape::Autoincrement => ("INTEGER", " AUTOINCREMENT"),
            // SQLite keeps an old mistake: DESC makes it a column of its own.
            _ if self.percent(5) => ("INTEGER", " DESC"),
            _ => ("INTEGER", ""),
        };
        let conflict = if key == KeyShape::Column { self.conflict() } else { "" };
        table.unique.push(vec![name.clone()]);
        let required = table.without_rowid || end == " NOT NULL";
        table.columns.push(Column { affinity, primary: true, required, ..column });
        match end {
            " NOT NULL" => format!("{name} {kind} PRIMARY KEY{conflict} NOT NULL"),
            " AUTOINCREMENT" => format!("{name} {kind} PRIMARY KEY AUTOINCREMENT"),
            end => format!("{name} {kind} PRIMARY KEY{end}{conflict}"),
        }
    }

    fn add_table_constraints(&mut self, table: &mut Table, key: KeyShape, parts: &mut Vec<String>) {
        let ordinary: Vec<String> =
            table.columns.iter().filter(|column| !column.generated).map(|column| column.name.clone()).collect();
        if key == KeyShape::Two {
            let columns: Vec<String> = ordinary.iter().take(2).cloned().collect();
            parts.push(format!("PRIMARY KEY ({})", columns.join(", ")));
            for column in table.columns.iter_mut().filter(|column| columns.contains(&column.name)) {
                (column.primary, column.required) = (true, column.required || table.without_rowid);
            }
            table.unique.push(columns);
        }
        if ordinary.len() > 2 && self.percent(15) {
            let columns = ordinary[ordinary.len() - 2..].to_vec();
            parts.push(format!("UNIQUE ({}){}", columns.join(", "), self.conflict()));
            table.unique.push(columns);
        }
        if self.percent(12) {
            let name = self.schema.name("k");
            parts.push(format!("CONSTRAINT {name} CHECK ({})", self.check(table)));
            self.schema.constraints.push((table.name.clone(), name));
        }
        if self.percent(15) {
            let column = self.stream.pick(&ordinary).clone();
            let references = self.references();
            if !references.is_empty() {
                parts.push(format!("FOREIGN KEY ({column}){references}"));
            }
        }
    }

    /// ` REFERENCES …`, mostly to a table that is there.
    pub(super) fn references(&mut self) -> String {
        let keys = self.schema.tables.iter();
        let keys = keys.flat_map(|table| table.unique.iter().map(|columns| (table.name.clone(), columns.clone())));
        let single: Vec<(String, Vec<String>)> = keys.filter(|(_, columns)| columns.len() == 1).collect();
        if single.is_empty() {
            return String::new();
        }
        let (parent, columns) = self.stream.pick(&single).clone();
        let mut text = format!(" REFERENCES {parent}({})", columns[0]);
        let actions = ["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"];
        for event in ["DELETE", "UPDATE"] {
            if self.percent(60) {
                text.push_str(&format!(" ON {event} {}", self.one(&actions)));
            }
        }
        text.push_str(self.one(&["", "", " DEFERRABLE INITIALLY DEFERRED", " NOT DEFERRABLE"]));
        text
    }

    /// A check that most rows pass.
    pub(super) fn check(&mut self, table: &Table) -> String {
        let (name, affinity) = {
            let column = self.stream.pick(&table.columns);
            (column.name.clone(), column.affinity)
        };
        match self.below(4) {
            0 => format!("{name} IS NOT {}", self.operand(affinity)),
            1 => format!("length({name}) < 5000 OR {name} IS NULL"),
            2 => format!("typeof({name}) <> 'blob' OR {}", self.condition(&Scope::of_schema(table), 1)),
            _ => self.condition(&Scope::of_schema(table), 2),
        }
    }

    /// What stands after DEFAULT.
    pub(super) fn default(&mut self, affinity: Affinity) -> String {
        match self.below(10) {
            0 if self.options.moment => self.one(&["CURRENT_TIMESTAMP", "(random())", "(datetime('now'))"]).to_owned(),
            0..3 => format!("({})", self.expression(&Scope { plain: true, ..Scope::default() }, 2)),
            3 => self.one(&["7", "-1", "0", "'k'", "NULL", "1.5", "x'00ff'", "TRUE", "'10'"]).to_owned(),
            _ => {
                let value = self.value(affinity);
                format!("({})", self.written(value))
            }
        }
    }

    pub(super) fn type_name(&mut self, affinity: Affinity, strict: bool) -> &'static str {
        match affinity {
            Affinity::Integer if strict => self.one(&["INTEGER", "INT"]),
            Affinity::Integer => self.one(&["INTEGER", "INT", "BIGINT"]),
            Affinity::Real if strict => "REAL",
            Affinity::Real => self.one(&["REAL", "DOUBLE", "FLOAT"]),
            Affinity::Text if strict => "TEXT",
            Affinity::Text => self.one(&["TEXT", "VARCHAR(10)", "CLOB"]),
            Affinity::Blob if strict => self.one(&["BLOB", "ANY"]),
            Affinity::Blob => self.one(&["BLOB", ""]),
            Affinity::Numeric if strict => "ANY",
            Affinity::Numeric => self.one(&["NUMERIC", "DECIMAL(10,5)", "BOOLEAN", "DATE"]),
        }
    }

    fn conflict(&mut self) -> &'static str {
        self.one(&[
            "",
            "",
            "",
            "",
            " ON CONFLICT REPLACE",
            " ON CONFLICT IGNORE",
            " ON CONFLICT FAIL",
            " ON CONFLICT ROLLBACK",
        ])
    }

    /// An index: on columns or expressions, whole or partial, unique or not.
    pub(super) fn create_index(&mut self) -> Drawn {
        let Some(table) = self.some_table() else { return self.mistake() };
        let name = self.schema.name("i");
        let scope = Scope::of_schema(&table);
        let (mut terms, mut kind) = (Vec::new(), "create index");
        for _ in 0..1 + self.below(2) {
            let term = if self.percent(25) {
                kind = "create index on expression";
                format!("({})", self.indexed(&scope, Generator::expression))
            } else {
                self.stream.pick(&scope.columns).0.clone()
            };
            let collation = if self.percent(10) { " COLLATE NOCASE" } else { "" };
            terms.push(format!("{term}{collation}{}", self.one(&["", "", " DESC"])));
        }
        let unique = self.percent(20);
        let condition = if self.percent(20) {
            kind = "create partial index";
            format!(" WHERE {}", self.indexed(&scope, Generator::condition))
        } else {
            String::new()
        };
        let unique_text = if unique { "UNIQUE " } else { "" };
        let sql = format!("CREATE {unique_text}INDEX {name} ON {}({}){condition}", table.name, terms.join(", "));
        self.schema.indexes.push((name, table.name));
        self.finish(kind, sql)
    }

    /// An expression that an index may have: Lockstep refuses those that ask how a value was made.
    fn indexed(&mut self, scope: &Scope, draw: fn(&mut Generator, &Scope, u32) -> String) -> String {
        const BY_SUBTYPE: [&str; 6] =
            ["json_quote", "json_set", "json_insert", "json_replace", "json_array(", "json_object"];
        let expression = draw(self, scope, 1);
        if BY_SUBTYPE.iter().any(|name| expression.contains(name)) { "1".to_owned() } else { expression }
    }

    /// A view.
    pub(super) fn create_view(&mut self) -> Drawn {
        let name = self.schema.name("v");
        let moment = std::mem::replace(&mut self.options.moment, false);
        let (query, width) = self.select(1, None);
        self.options.moment = moment;
        let columns: Vec<String> = (1..=width).map(|nth| format!("v{nth}")).collect();
        let sql = format!("CREATE VIEW {name}({}) AS {query}", columns.join(", "));
        self.schema.views.push(View { name, columns });
        self.finish("create view", sql)
    }

    /// Drops something, now and then what is not there.
    pub(super) fn drop_something(&mut self) -> Vec<Drawn> {
        let full = self.schema.tables.len() >= self.options.tables as usize;
        match self.below(10) {
            0..3 if !self.schema.indexes.is_empty() => {
                let at = self.below(self.schema.indexes.len() as u64) as usize;
                let (name, _) = self.schema.indexes.remove(at);
                vec![self.finish("drop index", format!("DROP INDEX {name}"))]
            }
            3..5 if !self.schema.triggers.is_empty() => {
                let at = self.below(self.schema.triggers.len() as u64) as usize;
                let (name, _) = self.schema.triggers.remove(at);
                vec![self.finish("drop trigger", format!("DROP TRIGGER {name}"))]
            }
            5..7 if !self.schema.views.is_empty() => {
                let at = self.below(self.schema.views.len() as u64) as usize;
                let view = self.schema.views.remove(at);
                self.schema.triggers.retain(|(_, on)| *on != view.name);
                vec![self.finish("drop view", format!("DROP VIEW {}", view.name))]
            }
            7..10 if full => self.drop_table(),
            _ => vec![self.finish("drop what is not there", "DROP TABLE IF EXISTS absent".to_owned())],
        }
    }

    fn drop_table(&mut self) -> Vec<Drawn> {
        let Some(table) = self.some_table() else { return vec![self.mistake()] };
        let dropped = self.finish("drop table", format!("DROP TABLE {}", table.name));
        if !self.options.restore {
            self.schema.forget_table(&table.name);
            return vec![dropped];
        }
        vec![dropped, self.finish("create table", format!("CREATE TABLE {} {}", table.name, table.body))]
    }
}

/// The names of columns.
pub(super) fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}
