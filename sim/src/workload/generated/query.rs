//! Queries.

use super::create::names;
use super::expression::Scope;
use super::schema::{Affinity, Table};
use super::value::Binding;
use super::{Drawn, Generator};

const AGGREGATES: &[&str] = &[
    "count(*)",
    "count({})",
    "count(DISTINCT {})",
    "sum({})",
    "avg({})",
    "total({})",
    "min({})",
    "max({})",
    "group_concat({}, '|')",
    "group_concat({} ORDER BY {})",
    "json_group_array({})",
    "json_group_object('k', {})",
    "count({}) FILTER (WHERE {} IS NOT NULL)",
    "string_agg({}, '')",
];

impl Generator {
    /// A query as a statement of its own.
    pub(super) fn query(&mut self) -> Drawn {
        self.begin();
        match self.below(100) {
            0..8 => self.recursive(),
            8..16 => self.common_tables(),
            16..26 => {
                let (sql, _) = self.windows();
                self.finish("select with windows", sql)
            }
            26..38 => self.compound(),
            38..42 => self.each_of_json(),
            42..48 => {
                let columns = self.one(&["type, name, tbl_name, sql", "count(*)", "name"]);
                let kind = if self.percent(50) { " AND type = 'table'" } else { "" };
                let users = "tbl_name NOT LIKE '\\_lockstep%' ESCAPE '\\'";
                let sql = format!("SELECT {columns} FROM sqlite_schema WHERE {users}{kind} ORDER BY name");
                self.finish("select from schema", sql)
            }
            48..54 => {
                let values: Vec<String> = (0..1 + self.below(3)).map(|_| self.leaf(&Scope::default())).collect();
                self.finish("values", format!("VALUES ({})", values.join(", ")))
            }
            _ => {
                let (sql, _) = self.select(2, None);
                self.finish("select", sql)
            }
        }
    }

    /// A query, and how many columns it has: so many, if it is said.
    pub(super) fn select(&mut self, depth: u32, width: Option<u64>) -> (String, u64) {
        let width = width.unwrap_or_else(|| 1 + self.stream.below(4));
        let (from, scope) = self.from(depth);
        let mut grouped = String::new();
        let columns: Vec<String> = if self.percent(20) {
            if self.percent(70) {
                grouped = format!(" GROUP BY {}", self.leaf_column(&scope));
                if self.percent(30) {
                    grouped.push_str(&format!(" HAVING {} {} 0", self.aggregate(&scope), self.one(&[">", "IS NOT"])));
                }
            }
            (0..width).map(|_| self.aggregate(&scope)).collect()
        } else {
            (0..width).map(|_| self.expression(&scope, 2)).collect()
        };
        let distinct = if self.percent(10) { "DISTINCT " } else { "" };
        let condition = if self.percent(60) { format!(" WHERE {}", self.condition(&scope, 2)) } else { String::new() };
        let order = match self.below(3) {
            0 => String::new(),
            _ => format!(
                " ORDER BY {}{}",
                1 + self.below(width),
                self.one(&["", " DESC", " NULLS LAST", " COLLATE NOCASE"])
            ),
        };
        let limit = if self.percent(40) {
            format!(" LIMIT {}{}", self.below(20), self.one(&["", " OFFSET 1"]))
        } else {
            String::new()
        };
        (format!("SELECT {distinct}{}{from}{condition}{grouped}{order}{limit}", columns.join(", ")), width)
    }

    /// What a query reads: nothing, a table, a view, a query, or two joined.
    fn from(&mut self, depth: u32) -> (String, Scope) {
        let Some(table) = self.some_table() else { return (String::new(), Scope::default()) };
        match self.below(100) {
            0..5 => (String::new(), Scope { queries: true, moment: true, ..Scope::default() }),
            5..60 => (format!(" FROM {}", table.name), Scope::of(&table, "")),
            60..68 if !self.schema.views.is_empty() => {
                let view = self.stream.pick(&self.schema.views).clone();
                let columns = view.columns.iter().map(|column| (column.clone(), Affinity::Text)).collect();
                (format!(" FROM {}", view.name), Scope { columns, queries: false, moment: true, plain: false })
            }
            68..78 if depth > 0 => {
                let (query, width) = self.select(depth - 1, None);
                let names: Vec<String> = (1..=width).map(|nth| format!("s{nth}")).collect();
                let columns = names.iter().map(|name| (name.clone(), Affinity::Numeric)).collect();
                let materialized = self.one(&["", " MATERIALIZED", " NOT MATERIALIZED"]);
                let scope = Scope { columns, queries: false, moment: true, plain: false };
                (format!(" FROM (WITH s({}) AS{materialized} ({query}) SELECT * FROM s)", names.join(", ")), scope)
            }
            _ => self.join(&table),
        }
    }

    fn join(&mut self, table: &Table) -> (String, Scope) {
        let other = self.some_table().unwrap_or_else(|| table.clone());
        let left = self.stream.pick(&table.columns).name.clone();
        let right = self.stream.pick(&other.columns).name.clone();
        let kind = self.one(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "JOIN"]);
        let from = format!(" FROM {} AS x {kind} {} AS y ON x.{left} = y.{right}", table.name, other.name);
        (from, Scope { queries: false, ..Scope::of(table, "x.").with(Scope::of(&other, "y.")) })
    }

    fn leaf_column(&mut self, scope: &Scope) -> String {
        if scope.columns.is_empty() { "NULL".to_owned() } else { self.stream.pick(&scope.columns).0.clone() }
    }

    fn aggregate(&mut self, scope: &Scope) -> String {
        let inner = Scope { queries: false, ..scope.clone() };
        let form = self.one(AGGREGATES);
        // A value stands in two places of some forms: it must be a literal, since a parameter would be counted twice.
        let binding = std::mem::replace(&mut self.binding, Binding::Literal);
        let argument = if self.percent(70) { self.leaf_column(&inner) } else { self.expression(&inner, 1) };
        self.binding = binding;
        form.replace("{}", &argument)
    }

    fn compound(&mut self) -> Drawn {
        let width = 1 + self.below(3);
        let mut sql = String::new();
        for nth in 0..2 + self.below(2) {
            if nth > 0 {
                sql.push_str(&format!(" {} ", self.one(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"])));
            }
            let (query, _) = self.select(1, Some(width));
            sql.push_str(&format!("SELECT * FROM ({query})"));
        }
        if self.percent(50) {
            sql.push_str(" ORDER BY 1 LIMIT 30");
        }
        self.finish("compound select", sql)
    }

    fn recursive(&mut self) -> Drawn {
        let (last, step) = (5 + self.below(60), 1 + self.below(4));
        let union = self.one(&["UNION ALL", "UNION"]);
        let with = format!("WITH RECURSIVE c(n) AS (SELECT 1 {union} SELECT n + {step} FROM c WHERE n < {last})");
        let table = if self.percent(40) { self.some_table() } else { None };
        let Some(table) = table else {
            let scope = Scope { columns: vec![("n".to_owned(), Affinity::Integer)], ..Scope::default() };
            let value = self.expression(&scope, 2);
            return self.finish("recursive query", format!("{with} SELECT n, {value} FROM c"));
        };
        let columns = self.chosen_columns(&table);
        let scope = Scope { columns: vec![("n".to_owned(), Affinity::Integer)], ..Scope::default() };
        let values: Vec<String> = columns.iter().map(|_| self.expression(&scope, 1)).collect();
        let (list, values) = (names(&columns).join(", "), values.join(", "));
        let sql = format!("{with} INSERT OR IGNORE INTO {}({list}) SELECT {values} FROM c", table.name);
        self.finish("insert from recursion", sql)
    }

    fn common_tables(&mut self) -> Drawn {
        let (one, width) = self.select(1, None);
        let (other, _) = self.select(1, Some(width));
        let names: Vec<String> = (1..=width).map(|nth| format!("m{nth}")).collect();
        let hint = self.one(&["", " MATERIALIZED", " NOT MATERIALIZED"]);
        let list = names.join(", ");
        let sql = format!(
            "WITH p({list}) AS{hint} ({one}), q({list}) AS ({other}) SELECT * FROM p {} q USING (m1) LIMIT 40",
            self.one(&["JOIN", "LEFT JOIN"])
        );
        self.finish("common table expressions", sql)
    }

    fn each_of_json(&mut self) -> Drawn {
        let Some(table) = self.some_table() else { return self.mistake() };
        let column = self.stream.pick(&table.columns).name.clone();
        let function = self.one(&["json_each", "json_tree"]);
        let sql = format!(
            "SELECT j.key, j.type, j.atom FROM {} AS x, {function}(x.{column}) AS j WHERE json_valid(x.{column}) LIMIT 20",
            table.name
        );
        self.finish("json table", sql)
    }
}
