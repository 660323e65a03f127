//! Window functions.

use super::Generator;
use super::expression::Scope;

const FUNCTIONS: &[&str] = &[
    "row_number()",
    "rank()",
    "dense_rank()",
    "percent_rank()",
    "cume_dist()",
    "ntile(3)",
    "lag({})",
    "lag({}, 2, 'none')",
    "lead({})",
    "first_value({})",
    "last_value({})",
    "nth_value({}, 2)",
    "sum({})",
    "count(*)",
    "avg({})",
    "min({})",
    "max({})",
    "group_concat({}, '/')",
    "total({}) FILTER (WHERE {} IS NOT NULL)",
];

const FRAMES: &[&str] = &[
    "",
    "",
    " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES",
    " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE GROUP",
];

impl Generator {
    /// A query with window functions, and how many columns it has.
    pub(super) fn windows(&mut self) -> (String, u64) {
        let Some(table) = self.some_table() else { return ("SELECT row_number() OVER ()".to_owned(), 1) };
        let scope = Scope { queries: false, ..Scope::of(&table, "") };
        let column = |generator: &mut Generator| generator.stream.pick(&scope.columns).0.clone();
        let mut columns = vec![column(self)];
        for _ in 0..1 + self.below(2) {
            let argument = column(self);
            let function = self.one(FUNCTIONS).replace("{}", &argument);
            let over = if self.percent(20) { "w".to_owned() } else { format!("({})", self.window(&scope)) };
            columns.push(format!("{function} OVER {over}"));
        }
        let window = self.window(&scope);
        let sql = format!("SELECT {} FROM {} WINDOW w AS ({window}) ORDER BY 1, 2", columns.join(", "), table.name);
        (sql, columns.len() as u64)
    }

    fn window(&mut self, scope: &Scope) -> String {
        let mut text = String::new();
        if self.percent(50) {
            text.push_str(&format!("PARTITION BY {} ", self.stream.pick(&scope.columns).0));
        }
        // Of rows that are equal in this order either may come first: the rowid decides, where there is one.
        let order = self.stream.pick(&scope.columns).0.clone();
        text.push_str(&format!("ORDER BY {order}{}", self.one(&["", " DESC", " NULLS LAST"])));
        text.push_str(self.one(FRAMES));
        text
    }
}
