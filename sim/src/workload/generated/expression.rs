//! Expressions over the columns that are in scope.

use super::Generator;
use super::schema::{Affinity, Table};

/// What an expression may use.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Columns as they are written here, each with its affinity.
    pub(super) columns: Vec<(String, Affinity)>,
    /// Queries may be nested. They may not in the expressions of a schema.
    pub(super) queries: bool,
    /// Time and random numbers may be asked for, if the options say so.
    pub(super) moment: bool,
    /// Functions whose result depends on a table of the build are left out: indexes and generated columns refuse some.
    pub(super) plain: bool,
}

impl Scope {
    /// The columns of a table in a statement of its own.
    pub(super) fn of(table: &Table, prefix: &str) -> Scope {
        let column = |column: &super::schema::Column| (format!("{prefix}{}", column.name), column.affinity);
        let mut columns: Vec<_> = table.columns.iter().map(column).collect();
        columns.extend(table.rowid().map(|rowid| (format!("{prefix}{rowid}"), Affinity::Integer)));
        Scope { columns, queries: true, moment: true, plain: false }
    }

    /// The columns of a table in an expression of the schema: without its rowid, queries and the moment.
    pub(super) fn of_schema(table: &Table) -> Scope {
        let columns = table.columns.iter().map(|column| (column.name.clone(), column.affinity)).collect();
        Scope { columns, queries: false, moment: false, plain: true }
    }

    /// Both.
    pub(super) fn with(mut self, other: Scope) -> Scope {
        self.columns.extend(other.columns);
        self
    }
}

/// Functions of one argument.
const UNARY: &[&str] = &[
    "abs",
    "hex",
    "length",
    "lower",
    "upper",
    "typeof",
    "quote",
    "unicode",
    "trim",
    "ltrim",
    "rtrim",
    "round",
    "sign",
    "octet_length",
    "char",
    "likely",
    "unlikely",
    "json_valid",
    "json_quote",
    "unistr_quote",
    "unhex",
];

/// Functions of JSON whose argument may be anything; most texts are none, and an error is a result as well.
const JSON: &[&str] = &[
    "json({})",
    "json_type({})",
    "json_array_length({})",
    "json_extract({}, '$.a')",
    "json_extract({}, '$[0]', '$.a.b')",
    "{} -> '$.b'",
    "{} ->> 'a'",
    "{} ->> 1",
    "json_set({}, '$.c', 7)",
    "json_insert({}, '$[#]', 'x')",
    "json_replace({}, '$.a', json('[1]'))",
    "json_remove({}, '$.a')",
    "json_patch({}, '{\"a\":null,\"z\":1}')",
    "hex(jsonb({}))",
    "json_error_position({})",
    "json_pretty({})",
    "json_array({}, 1, NULL)",
    "json_object('k', {})",
];

const DATES: &[&str] = &[
    "date('2024-01-31', '+1 month')",
    "datetime('2024-02-28 23:59:59', '+1 seconds')",
    "julianday('2024-02-29')",
    "strftime('%Y-%j-%W %s', '1999-12-31 12:34:56')",
    "unixepoch('2038-01-19 03:14:08')",
    "timediff('2024-02-29', '2023-03-01')",
    "time('12:00', '-90 minutes')",
];

/// What gives another result in every entry.
const MOMENT: &[&str] = &[
    "random()",
    "abs(random() % 100)",
    "hex(randomblob(4))",
    "datetime('now')",
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "strftime('%s', 'now', 'subsec')",
    "unixepoch()",
    "julianday('now')",
];

impl Generator {
    /// An expression that is at most so deep.
    pub(super) fn expression(&mut self, scope: &Scope, depth: u32) -> String {
        if depth == 0 || self.percent(25) {
            return self.leaf(scope);
        }
        let depth = depth - 1;
        match self.below(100) {
            0..18 => self.arithmetic(scope, depth),
            18..44 => self.condition(scope, depth),
            44..50 => {
                let operator = self.one(&["-", "NOT ", "~", "+"]);
                format!("({operator}({}))", self.expression(scope, depth))
            }
            50..58 => self.case(scope, depth),
            58..65 => {
                let kind = self.one(&["INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC"]);
                format!("CAST({} AS {kind})", self.expression(scope, depth))
            }
            65..84 => self.call(scope, depth),
            84..90 => {
                let form = self.one(JSON);
                form.replace("{}", &self.expression(scope, depth))
            }
            90..92 => self.one(DATES).to_owned(),
            92..95 if scope.moment && self.options.moment => self.one(MOMENT).to_owned(),
            _ if scope.queries => self.nested_query(scope),
            _ => self.leaf(scope),
        }
    }

    /// A column or a value.
    pub(super) fn leaf(&mut self, scope: &Scope) -> String {
        if scope.columns.is_empty() || self.percent(30) {
            let affinity = *self.stream.pick(&Affinity::ALL);
            return self.operand(affinity);
        }
        self.stream.pick(&scope.columns).0.clone()
    }

    fn arithmetic(&mut self, scope: &Scope, depth: u32) -> String {
        let operator = self.one(&["+", "-", "*", "/", "%", "||", "&", "|", "<<", ">>", "+", "||"]);
        let (left, right) = (self.expression(scope, depth), self.expression(scope, depth));
        format!("({left} {operator} {right})")
    }

    /// Something that is true or false.
    pub(super) fn condition(&mut self, scope: &Scope, depth: u32) -> String {
        let (left, affinity) = match scope.columns.is_empty() || self.percent(20) {
            true => (self.expression(scope, depth), *self.stream.pick(&Affinity::ALL)),
            false => self.stream.pick(&scope.columns).clone(),
        };
        match self.below(100) {
            0..45 => {
                let operator =
                    self.one(&["=", "<", ">", "<=", ">=", "<>", "IS", "IS NOT", "=", "IS NOT DISTINCT FROM"]);
                let right = if self.percent(70) { self.operand(affinity) } else { self.expression(scope, depth) };
                let collation = if self.percent(10) { self.one(&[" COLLATE NOCASE", " COLLATE RTRIM"]) } else { "" };
                format!("({left} {operator} {right}{collation})")
            }
            45..55 => format!("({left} IS {}NULL)", self.one(&["", "NOT "])),
            55..65 => {
                let (low, high) = (self.operand(affinity), self.operand(affinity));
                format!("({left} {}BETWEEN {low} AND {high})", self.one(&["", "NOT "]))
            }
            65..75 => {
                let list: Vec<_> = (0..self.below(5)).map(|_| self.operand(affinity)).collect();
                format!("({left} {}IN ({}))", self.one(&["", "NOT "]), list.join(", "))
            }
            75..83 => {
                let pattern = self.one(&["'a%'", "'%b'", "'_'", "'%é%'", "'10%'", "''", "'a\\%' ESCAPE '\\'"]);
                format!("({left} {}LIKE {pattern})", self.one(&["", "NOT "]))
            }
            83..87 => format!("({left} GLOB {})", self.one(&["'a*'", "'[A-Z]*'", "'?'", "'*[^a]'"])),
            _ if depth > 0 => {
                let (one, other) = (self.condition(scope, depth - 1), self.condition(scope, depth - 1));
                format!("({one} {} {other})", self.one(&["AND", "OR"]))
            }
            _ => format!("(typeof({left}) = {})", self.one(&["'text'", "'integer'", "'real'", "'blob'", "'null'"])),
        }
    }

    fn case(&mut self, scope: &Scope, depth: u32) -> String {
        let (value, other) = (self.expression(scope, depth), self.expression(scope, depth));
        if self.percent(50) {
            let subject = self.leaf(scope);
            return format!("CASE {subject} WHEN {} THEN {value} ELSE {other} END", self.leaf(scope));
        }
        format!("CASE WHEN {} THEN {value} ELSE {other} END", self.condition(scope, depth))
    }

    fn call(&mut self, scope: &Scope, depth: u32) -> String {
        let one = self.expression(scope, depth);
        match self.below(20) {
            0..8 => format!("{}({one})", self.one(UNARY)),
            8 => format!("substr({one}, {}, {})", self.below(5) as i64 - 2, self.below(4) as i64 - 1),
            9 => format!("replace({one}, {}, {})", self.one(&["'a'", "''", "'é'"]), self.one(&["''", "'xyz'"])),
            10 => format!("instr({one}, {})", self.leaf(scope)),
            11 => format!("round({one}, {})", self.below(4)),
            12 => {
                format!("printf({}, {one})", self.one(&["'%d'", "'%.3f'", "'%10s|'", "'%Q'", "'%x'", "'%,d'", "'%e'"]))
            }
            13 => format!("hex(zeroblob({}))", self.below(20)),
            14 => format!("concat_ws('-', {one}, {})", self.leaf(scope)),
            15 if !scope.plain => format!("{one} COLLATE {}", self.one(&["NOCASE", "RTRIM", "BINARY"])),
            _ => {
                let name = self.one(&["coalesce", "ifnull", "nullif", "max", "min", "concat"]);
                format!("{name}({one}, {})", self.leaf(scope))
            }
        }
    }

    /// A query inside an expression. It may be about the row outside.
    fn nested_query(&mut self, outer: &Scope) -> String {
        let Some(table) = self.some_table() else { return self.leaf(outer) };
        let inner = Scope { queries: false, ..Scope::of(&table, "q.") };
        let both = inner.clone().with(Scope { columns: outer.columns.clone(), ..Scope::default() });
        let (value, condition) = (self.leaf(&inner), self.condition(&both, 1));
        let from = format!("FROM {} AS q WHERE {condition}", table.name);
        match self.below(5) {
            0 => format!("EXISTS (SELECT 1 {from})"),
            1 => format!("{} IN (SELECT {value} {from})", self.leaf(outer)),
            2 => format!("(SELECT {value} {from} ORDER BY 1 LIMIT 1)"),
            3 => format!("(SELECT count(*) {from})"),
            _ => format!("(SELECT {}({value}) {from})", self.one(&["max", "min", "sum", "total", "group_concat"])),
        }
    }

    /// One of the tables.
    pub(super) fn some_table(&mut self) -> Option<Table> {
        if self.schema.tables.is_empty() { None } else { Some(self.stream.pick(&self.schema.tables).clone()) }
    }
}
