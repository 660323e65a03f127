//! A database in memory with a scenario's tables: SQLite itself says which of the scenario's SQL is valid.

use std::ops::Range;

use lockstep_node::sqlite::database::Seen;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Error, Statement};

pub use super::connected::Rules;

use super::connected::Connected;
use super::reader::nearest;

/// The database.
pub struct Scratch {
    connected: Connected,
}

/// What SQLite says of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The names of its parameters, without the `:`.
    pub parameters: Vec<String>,
    /// How many columns its result has.
    pub columns: usize,
    /// Whether it changes nothing.
    pub reads: bool,
}

/// SQL that is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Why.
    pub message: String,
    /// The bytes of the text that it is about.
    pub at: Range<usize>,
}

impl Scratch {
    /// An empty database with these rules for the SQL of clients.
    ///
    /// # Panics
    /// If SQLite has no memory.
    pub fn empty(rules: Rules) -> Self {
        Scratch { connected: Connected::new(rules) }
    }

    /// The rules for the SQL of clients.
    pub fn rules(&self) -> Rules {
        self.connected.rules()
    }

    /// Executes a script. Returns its statements, without the semicolons.
    ///
    /// # Errors
    /// The first statement that SQLite refuses.
    pub fn run(&self, script: &str) -> Result<Vec<String>, Refused> {
        let mut statements = Vec::new();
        let mut batch = Batch::new(self.connected.own(), script);
        let mut end = 0;
        while let Some((mut statement, seen)) =
            self.next(&mut batch).map_err(|(error, seen)| self.refused(&error, &seen, script, end))?
        {
            // Without parameters the expansion is the text itself.
            let text = statement.expanded_sql().unwrap_or_default();
            let begin = script[end..].find(&text).map_or(end, |found| end + found);
            end = begin + text.len();
            let whole = trimmed(script, code_begins(script, begin)..end);
            if statement.parameter_count() > 0 {
                let message = "this is executed as it stands: nothing gives a parameter a value".to_owned();
                return Err(Refused { message, at: whole });
            }
            let mut step = || statement.query([]).and_then(|mut rows| while_rows(&mut rows));
            let (done, seen) = self.connected.as_client(&seen, |_| step());
            if let Err(error) = done {
                return Err(Refused { message: message(&error, &seen), at: whole });
            }
            statements.push(text.trim_matches(|c: char| c.is_whitespace() || c == ';').to_owned());
        }
        Ok(statements)
    }

    /// Prepares the next statement of a script, if there is one.
    fn next<'c>(&'c self, batch: &mut Batch<'c, '_>) -> Result<Option<(Statement<'c>, Seen)>, (Error, Seen)> {
        match self.connected.as_client(&Seen::default(), |_| batch.next()) {
            (Ok(statement), seen) => Ok(statement.map(|statement| (statement, seen))),
            (Err(error), seen) => Err((error, seen)),
        }
    }

    /// Whether a text is one statement that its last semicolon ends: that may also stand in a string, a trigger's body or a
    /// comment, and then another statement behind it is not one.
    fn ends_with_a_semicolon(&self, text: &str) -> bool {
        let two = format!("{text}SELECT 1");
        let mut batch = Batch::new(self.connected.own(), &two);
        matches!(self.next(&mut batch), Ok(Some(_))) && matches!(self.next(&mut batch), Ok(Some(_)))
    }

    /// Executes a script as one transaction. Returns its statements, without the semicolons.
    ///
    /// # Errors
    /// The first statement that SQLite refuses, or all of them if the transaction as a whole cannot be committed.
    pub fn run_atomic(&self, script: &str) -> Result<Vec<String>, Refused> {
        self.connected.own().execute_batch("BEGIN").expect("no transaction is open");
        let statements = self.run(script)?;
        let whole = trimmed(script, 0..script.len());
        let refused = |error| Refused { message: message(&error, &Seen::default()), at: whole };
        self.connected.own().execute_batch("COMMIT").map_err(refused)?;
        Ok(statements)
    }

    /// Looks at one statement without executing it.
    ///
    /// # Errors
    /// What SQLite does not accept, or what is not exactly one statement with named parameters.
    pub fn prepare_check(&self, sql: &str) -> Result<Checked, Refused> {
        let mut batch = Batch::new(self.connected.own(), sql);
        let statement = match self.next(&mut batch) {
            Ok(Some((statement, _))) => statement,
            Ok(None) => return Err(Refused { message: "there is no statement in it".to_owned(), at: 0..sql.len() }),
            Err((error, seen)) => return Err(self.refused(&error, &seen, sql, 0)),
        };
        let all = trimmed(sql, 0..sql.len());
        if !matches!(self.next(&mut batch), Ok(None)) {
            let message = "more than one statement in a string: make it a list of strings".to_owned();
            return Err(Refused { message, at: all });
        }
        let mut parameters = Vec::new();
        for index in 1..=statement.parameter_count() {
            match statement.parameter_name(index) {
                Some(name) if !name.starts_with('?') => parameters.push(name[1..].to_owned()),
                _ => {
                    let message = "a parameter without a name: write `:name` instead of `?`".to_owned();
                    return Err(Refused { message, at: all });
                }
            }
        }
        Ok(Checked { parameters, columns: statement.column_count(), reads: statement.readonly() })
    }

    /// An error of SQLite's with its place in the whole text, where `begin` is the end of the last good statement.
    fn refused(&self, error: &Error, seen: &Seen, text: &str, begin: usize) -> Refused {
        let at = match error {
            Error::SqlInputError { sql, offset, .. } => {
                let start = text.len() - sql.len() + usize::try_from(*offset).unwrap_or(0);
                start..start + token_length(&text[text.floor_char_boundary(start)..])
            }
            _ => named(error, text, begin).unwrap_or_else(|| {
                let code = code_begins(text, begin);
                trimmed(text, code..text[code..].find(';').map_or(text.len(), |end| code + end))
            }),
        };
        let mut message = message(error, seen);
        if let Some(missing) = message.strip_prefix("no such table: ") {
            let tables = self.tables();
            let names: Vec<&str> = tables.iter().map(String::as_str).collect();
            if let Some(near) = nearest(missing, &names) {
                message += &format!("; did you mean `{near}`?");
            }
        }
        Refused { message, at }
    }

    /// A database with the same tables, indexes, views and triggers, no rows, and these rules.
    pub fn without_rows(&self, rules: Rules) -> Scratch {
        // A virtual table makes its own shadow tables.
        let query = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                     AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') \
                     ORDER BY type = 'trigger', type = 'view', type = 'index', rowid";
        let mut statement = self.connected.own().prepare(query).expect("the schema table has these columns");
        let objects = statement.query_map([], |row| row.get::<_, String>(0)).expect("the query has no parameters");
        let copy = Scratch::empty(rules);
        for object in objects {
            let object = object.expect("a definition is text");
            copy.connected.own().execute_batch(&object).expect("what one database accepted another one does");
        }
        copy
    }

    /// The names of tables and views, in order.
    pub fn tables(&self) -> Vec<String> {
        let query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name";
        let mut statement = self.connected.own().prepare(query).expect("the schema table has these columns");
        let names = statement.query_map([], |row| row.get(0)).expect("the query has no parameters");
        names.map(|name| name.expect("names are text")).collect()
    }
}

/// Where the statements of a script stand that are valid on one of these databases, without the comments before them and the
/// semicolons. Nothing is executed; from a statement on that all of them refuse, the rest is one.
pub fn split(databases: &[Scratch], script: &str) -> Vec<Range<usize>> {
    let mut statements = Vec::new();
    let mut begin = code_begins(script, 0);
    while begin < script.len() {
        let is_whole = |end: &usize| {
            let prepares = || databases.iter().any(|one| one.ends_with_a_semicolon(&script[begin..=*end]));
            boundary(&script[begin..*end]).is_some() || prepares()
        };
        let mut semicolons = script[begin..].match_indices(';').map(|(at, _)| begin + at);
        let end = semicolons.find(is_whole).unwrap_or(script.len());
        statements.push(begin..begin + script[begin..end].trim_end().len());
        begin = code_begins(script, end);
    }
    statements
}

/// A statement that begins or ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// `BEGIN`.
    Begin,
    /// `COMMIT`, or `END`.
    Commit,
}

/// Whether a statement begins or ends a transaction; no database of clients prepares one.
pub fn boundary(statement: &str) -> Option<Boundary> {
    let code = statement.split_whitespace().take_while(|word| !word.starts_with("--") && !word.starts_with("/*"));
    let mut words = code.map(str::to_ascii_uppercase);
    let boundary = match words.next()?.as_str() {
        "BEGIN" => Boundary::Begin,
        "COMMIT" | "END" => Boundary::Commit,
        _ => return None,
    };
    let more = ["TRANSACTION", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"];
    words.all(|word| more.contains(&word.as_str())).then_some(boundary)
}

/// The first place from `begin` on that is neither white space nor a semicolon nor in a comment.
fn code_begins(script: &str, begin: usize) -> usize {
    let mut at = begin;
    loop {
        let rest = script[at..].trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        at = script.len() - rest.len();
        let comment = match (rest.starts_with("--"), rest.starts_with("/*")) {
            (true, _) => rest.find('\n').map(|end| end + 1),
            (_, true) => rest.find("*/").map(|end| end + 2),
            _ => return at,
        };
        at += comment.unwrap_or(rest.len());
    }
}

fn while_rows(rows: &mut rusqlite::Rows<'_>) -> rusqlite::Result<()> {
    while rows.next()?.is_some() {}
    Ok(())
}

/// The place of the name that a message like `no such table: stok` ends with.
fn named(error: &Error, text: &str, begin: usize) -> Option<Range<usize>> {
    let message = message(error, &Seen::default());
    let (_, name) = message.strip_prefix("no such ")?.split_once(": ")?;
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let whole_word = |at: &usize| {
        let (before, after) = (&text[..*at], &text[at + name.len()..]);
        !part_of_word(before.chars().next_back()) && !part_of_word(after.chars().next())
    };
    let start = text[begin..].match_indices(name).map(|(at, _)| begin + at).find(whole_word)?;
    Some(start..start + name.len())
}

/// Why a client's statement failed, of which this was seen.
fn message(error: &Error, seen: &Seen) -> String {
    if let Some(refusal) = &seen.refusal {
        return refusal.clone();
    }
    let text = match error {
        Error::SqlInputError { msg, .. } => msg.clone(),
        Error::SqliteFailure(_, Some(msg)) => msg.clone(),
        other => other.to_string(),
    };
    match text.as_str() {
        "interrupted" => "this takes too long: tables are set up in well under a second".to_owned(),
        "not authorized" | "authorization denied" => {
            "transactions, savepoints, PRAGMA, ATTACH and VACUUM are not for clients: leave it out".to_owned()
        }
        _ => text,
    }
}

fn token_length(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    word.max(text.chars().next().map_or(0, char::len_utf8))
}

/// The range without white space at its ends, and only to the end of its first line.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inner = &text[range.clone()];
    let start = range.start + (inner.len() - inner.trim_start().len());
    let line = text[start..range.end.max(start)].trim_end().lines().next().unwrap_or("");
    start..start + line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_split_where_sqlite_splits_it() {
        let script = "-- stock; of a shop\nCREATE TABLE t(a); ;\n INSERT INTO t VALUES('x;y');\n\
                      CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; SELECT 1; END;\nSELECT 2";
        let statements = Scratch::empty(Rules::Plain).run(script).unwrap();
        assert_eq!(statements.len(), 4, "{statements:?}");
        assert_eq!(statements[1], "INSERT INTO t VALUES('x;y')");
        assert!(statements[2].ends_with("END"));
    }

    #[test]
    fn a_script_is_split_without_being_executed() {
        let script =
            "-- a; b\nINSERT INTO t VALUES('x;y', :a) ; ;\n/* c; */ DELETE FROM t -- d; e\n;\nSELECT a FROM t\n-- f;";
        let scratch = [Scratch::empty(Rules::Plain)];
        scratch[0].run("CREATE TABLE t(a, b)").unwrap();
        let statements: Vec<&str> = split(&scratch, script).into_iter().map(|at| &script[at]).collect();
        assert_eq!(statements[0], "INSERT INTO t VALUES('x;y', :a)");
        assert!(statements[1].starts_with("DELETE FROM t") && statements[2].starts_with("SELECT a FROM t"));
        assert_eq!(statements.len(), 3, "{statements:?}");
        assert!(split(&scratch, &"-- nothing\n".repeat(200_000)).is_empty());
        assert_eq!(split(&scratch, "SELECT x; SELECT 1").len(), 1, "the mistake is in what is left");
    }

    #[test]
    fn a_refusal_points_at_the_token() {
        let script = "CREATE TABLE t(a);\nINSERT INTO other VALUES(1);";
        let refused = Scratch::empty(Rules::Plain).run(script).unwrap_err();
        assert_eq!((&script[refused.at], refused.message.as_str()), ("other", "no such table: other"));
        let refused = Scratch::empty(Rules::Plain).run("CREATE TABLE stock(a); DELETE FROM stok").unwrap_err();
        assert_eq!(refused.message, "no such table: stok; did you mean `stock`?");
    }

    #[test]
    fn a_virtual_table_can_be_copied() {
        let scratch = Scratch::empty(Rules::Plain);
        scratch.run("CREATE VIRTUAL TABLE words USING fts5(word); CREATE TABLE t(a)").unwrap();
        assert!(scratch.without_rows(Rules::Plain).tables().contains(&"words_data".to_owned()));
    }

    #[test]
    fn nothing_reaches_a_file() {
        for sql in ["ATTACH 'x.db' AS x", "VACUUM INTO 'x.db'", "PRAGMA journal_mode = WAL", "BEGIN"] {
            let refused = Scratch::empty(Rules::Plain).run(sql).unwrap_err();
            assert!(refused.message.contains("not for clients"), "{sql}: {refused:?}");
            let refused = Scratch::empty(Rules::Lockstep).run(sql).unwrap_err();
            assert!(refused.message.contains("refused") || sql.contains("VACUUM"), "{sql}: {refused:?}");
        }
    }

    #[test]
    fn an_endless_schema_ends() {
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        for rules in [Rules::Plain, Rules::Lockstep] {
            assert!(Scratch::empty(rules).run(endless).unwrap_err().message.contains("too long"));
        }
    }

    #[test]
    fn parameters_are_found_by_name() {
        let scratch = Scratch::empty(Rules::Plain);
        let checked = scratch.prepare_check("SELECT :a, ':b', @c -- :d").unwrap();
        assert_eq!(checked, Checked { parameters: vec!["a".into(), "c".into()], columns: 3, reads: true });
        assert!(scratch.prepare_check("SELECT ?").is_err());
        assert!(scratch.prepare_check("SELECT 1; SELECT 2").is_err());
        assert!(scratch.prepare_check(" -- nothing").is_err());
    }
}
