//! Statements that fail: an error is a result, and must be the same on every replica.

use lockstep_node::api::{Parameters, Statement, Value};

use super::{Drawn, Generator};

const MISTAKES: &[&str] = &[
    "SELEC 1",
    "SELECT",
    "SELECT 1 FROM",
    "SELECT * FROM absent",
    "SELECT absent FROM {}",
    "INSERT INTO {} VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)",
    "INSERT INTO absent VALUES (1)",
    "UPDATE {} SET absent = 1",
    "DELETE FROM {} WHERE absent = 1",
    "SELECT absent(1)",
    "SELECT abs(1, 2, 3)",
    "SELECT abs(-9223372036854775808)",
    "SELECT sum(9223372036854775807) FROM {} HAVING count(*) > 0 UNION ALL SELECT 1, 2",
    "SELECT 'unfinished",
    "SELECT x'0",
    "CREATE TABLE {}(a)",
    "CREATE TABLE twice(a, a)",
    "CREATE TABLE keyless(a) WITHOUT ROWID",
    "CREATE TABLE counted(a TEXT PRIMARY KEY AUTOINCREMENT)",
    "CREATE TABLE typed(a WORD) STRICT",
    "CREATE INDEX wrong ON {}(absent)",
    "CREATE VIEW bound AS SELECT ?",
    "DROP TABLE absent",
    "DROP VIEW {}",
    "ALTER TABLE {} DROP COLUMN absent",
    "ALTER TABLE {} RENAME COLUMN absent TO something",
    "ALTER TABLE {} ADD COLUMN n PRIMARY KEY",
    "ALTER TABLE {} ADD COLUMN n NOT NULL",
    "SELECT 1; SELECT 2",
    "SELECT json('[1')",
    "SELECT json_extract('{}', 'a')",
    "SELECT 1 UNION SELECT 1, 2",
    "SELECT (SELECT 1, 2)",
    "SELECT count(*) OVER w FROM {}",
    "SELECT 1 LIMIT 'x'",
    "INSERT INTO {} DEFAULT VALUES RETURNING absent",
    "SELECT zeroblob(2000000000)",
    "SELECT RAISE(ABORT, 'outside')",
    "WITH c AS (SELECT * FROM c) SELECT * FROM c",
    "SELECT \"neither\" FROM {}",
];

impl Generator {
    /// A statement that is wrong in itself, or whose parameters are.
    pub(super) fn mistake(&mut self) -> Drawn {
        let name = self.some_table().map_or_else(|| "absent".to_owned(), |table| table.name);
        if self.percent(15) {
            return self.wrong_parameters(&name);
        }
        let sql = self.one(MISTAKES).replace("{}", &name);
        self.binding = super::value::Binding::Literal;
        self.bound.clear();
        self.finish("mistake", sql)
    }

    fn wrong_parameters(&mut self, table: &str) -> Drawn {
        let one = || Value::Integer(1);
        let positional = |count: usize| Parameters::Positional(vec![one(); count]);
        let named = |names: &[&str]| Parameters::Named(names.iter().map(|name| ((*name).to_owned(), one())).collect());
        let (sql, parameters) = match self.below(5) {
            0 => ("SELECT ?, ?".to_owned(), positional(1)),
            1 => (format!("SELECT count(*) FROM {table}"), positional(2)),
            2 => ("SELECT :a, :b".to_owned(), named(&["a"])),
            3 => ("SELECT :a".to_owned(), named(&["a", "z"])),
            _ => ("SELECT ?".to_owned(), named(&["a"])),
        };
        Drawn { statement: Statement { sql, parameters }, kind: "mistake of parameters" }
    }
}
