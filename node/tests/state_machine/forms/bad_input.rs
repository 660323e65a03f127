//! What clients should not send: every one gets a clear error for its own statement, the same in every history, and nothing
//! is half done. These forms are made here, since a file of SQL cannot hold them.

use lockstep_node::api::{Batch, Parameters, Statement, Value};
use lockstep_node::state_machine::Command;

use super::table::{Expected, Form, Section};
use super::{History, hold_sections};
use crate::{command, log, results};

fn form(what: &str, statement: Statement, expected: Expected) -> Form {
    Form { place: what.to_owned(), statement, expected }
}

fn converges(sql: impl Into<String>) -> Form {
    form("fine", Statement::new(sql), Expected::Converges)
}

fn refused(sql: impl Into<String>, words: &str) -> Form {
    form("refused", Statement::new(sql), Expected::Refused(words.to_owned()))
}

fn fails(sql: impl Into<String>, code: i32, words: &str) -> Form {
    form("fails", Statement::new(sql), Expected::Fails(code, words.to_owned()))
}

/// A statement with values in order.
fn bound(sql: &str, values: impl IntoIterator<Item = Value>, expected: Expected) -> Form {
    form("values in order", Statement::with(sql, values), expected)
}

/// A statement with values by name, each of them 1.
fn named(sql: &str, names: &[&str], expected: Expected) -> Form {
    let values = names.iter().map(|name| ((*name).to_owned(), Value::Integer(1))).collect();
    form("values by name", Statement { sql: sql.to_owned(), parameters: Parameters::Named(values) }, expected)
}

fn refusal(words: &str) -> Expected {
    Expected::Refused(words.to_owned())
}

fn error(words: &str) -> Expected {
    Expected::Fails(1, words.to_owned())
}

fn tables() -> Vec<Form> {
    let sql = ["CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "INSERT INTO t(b) VALUES (1), ('two'), (x'03')"];
    sql.map(converges).into()
}

/// `repeat("x", 3, ", ")` is `x, x, x`.
fn repeat(item: &str, times: usize, between: &str) -> String {
    vec![item; times].join(between)
}

#[test]
fn texts_that_are_no_statement() {
    let mut forms = tables();
    let empty =
        ["", " ", "\t\r\n", ";", " ; ", "--", "-- nothing\n", "/* nothing */", "/* never ends", "-- one\n/* two */ ;"];
    forms.extend(empty.map(|sql| refused(sql, "empty")));
    forms.extend(["SELECT 1; SELECT 2", "SELECT 1;;SELECT 2;"].map(|sql| refused(sql, "one at a time")));
    forms.extend(["SELECT 1\0", "\0", "SELECT '\0'", "SELECT 1; \0 SELECT 2"].map(|sql| refused(sql, "NUL")));
    let fine = [
        "SELECT 1;",
        "SELECT 1 ; -- done",
        "SELECT 1 /* never ends",
        "\u{feff}SELECT 1",
        "SELECT\u{c}1",
        "SELECT 1 AS 🦀",
        "\u{a0}SELECT 1",
    ];
    forms.extend(fine.map(converges));
    for unterminated in ["SELECT 'abc", "SELECT \"abc", "SELECT [abc", "SELECT `abc", "SELECT x'00", "SELECT 'it''s"] {
        forms.push(fails(unterminated, 1, "unrecognized token"));
    }
    for token in
        ["SELECT x'0'", "SELECT x'0g'", "SELECT 1a", "SELECT 0x", "SELECT 1__0", "SELECT \u{1}", "\u{7f}", "$", ":"]
    {
        forms.push(fails(token, 1, "unrecognized token"));
    }
    let syntax = [
        "SELEC 1",
        "SELECT",
        "SELECT 1 1 1",
        ")",
        "((((",
        "SELECT FROM t",
        "INSERT INTO t VALUES",
        "é",
        "1",
        "DROP",
        "'text'",
    ];
    forms.extend(syntax.map(|sql| fails(sql, 1, "")));
    // Bytes that are no text at all, as they come out of a wrong conversion.
    let binary = (1..=255).map(|byte| char::from(byte as u8)).collect::<String>();
    forms.push(fails(binary, 1, "unrecognized token"));
    forms.push(converges("SELECT count(*) FROM t"));
    hold_sections("texts", &[Section { forms }]);
}

#[test]
fn texts_that_are_too_much() {
    let mut forms = tables();
    forms.extend([
        converges(format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500))),
        fails(format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000)), 1, ""),
        converges(format!("SELECT {}", repeat("1", 900, " + "))),
        fails(format!("SELECT {}", repeat("1", 1100, " + ")), 1, "Expression tree is too large"),
        fails(format!("SELECT {}1", "NOT ".repeat(2000)), 1, ""),
        fails(format!("SELECT {}1", "- ".repeat(2000)), 1, ""),
        converges(repeat("SELECT 1", 100, " UNION ALL ")),
        fails(repeat("SELECT 1", 101, " UNION ALL "), 1, "too many terms in compound SELECT"),
        converges(format!("SELECT {}", repeat("1", 1000, ", "))),
        fails(format!("SELECT {}", repeat("1", 2001, ", ")), 1, "too many columns"),
        fails(format!("SELECT max({})", repeat("1", 128, ", ")), 1, "too many arguments on function max"),
        fails(
            format!("SELECT 1 FROM {}", (0..65).map(|n| format!("t AS t{n}")).collect::<Vec<_>>().join(", ")),
            1,
            "at most 64 tables in a join",
        ),
        converges(format!("SELECT 5 IN ({})", (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(","))),
        converges(format!("INSERT INTO t(b) VALUES {}", repeat("('row')", 5000, ","))),
        converges(format!("DELETE FROM t WHERE a > 3 -- {}", "x".repeat(1000))),
        fails(format!("SELECT '{}'", "x".repeat(1 << 20)), 18, ""),
        fails(format!("-- {}\nSELECT 1", "x".repeat(1 << 20)), 18, ""),
        fails("SELECT ".to_owned() + &"( SELECT ".repeat(600), 1, ""),
        fails(
            format!("CREATE TABLE wide({})", (0..2001).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",")),
            1,
            "too many columns on wide",
        ),
        fails(format!("CREATE INDEX i ON t({})", repeat("b", 2001, ",")), 1, "too many columns in index"),
        fails(format!("INSERT INTO t(b) VALUES ({})", repeat("1", 5, ",")), 1, "5 values for 1 columns"),
        fails(format!("SELECT {}1{}", "CASE WHEN 1 THEN ".repeat(1200), " END".repeat(1200)), 1, ""),
        fails(format!("SELECT 1 FROM {}t{}", "(SELECT * FROM ".repeat(2000), ")".repeat(2000)), 1, ""),
        converges("SELECT count(*), max(a) FROM t"),
    ]);
    hold_sections("too much", &[Section { forms }]);
}

#[test]
fn parameters_of_the_wrong_number_or_kind() {
    let mut forms = tables();
    let one = || Value::Integer(1);
    let ones = |count: usize| vec![Value::Integer(1); count];
    let many = (1..=32_766).map(|n| format!("?{n}")).collect::<Vec<_>>();
    let numbers = |count: usize| many[..count].join(", ");
    forms.extend([
        bound("SELECT ?", [], refusal("has 1 parameters, and 0 values")),
        bound("SELECT ?, ?", ones(3), refusal("has 2 parameters, and 3 values")),
        bound("SELECT 1", ones(1), refusal("has 0 parameters, and 1 values")),
        bound("SELECT ?3", ones(1), refusal("has 3 parameters, and 1 values")),
        bound("SELECT ?3", ones(3), Expected::Converges),
        bound("SELECT ?2, ?, ?1, :name, @name, $name", ones(6), Expected::Converges),
        bound("SELECT ?1, ?1, ?01, ?001", ones(1), Expected::Converges),
        bound("SELECT ?0", ones(1), error("variable number must be between ?1 and ?32766")),
        bound("SELECT ?32767", ones(1), error("variable number must be between ?1 and ?32766")),
        bound("SELECT ?99999999999999999999", ones(1), error("variable number must be between")),
        bound("SELECT ?32766", ones(32_766), Expected::Converges),
        bound("SELECT ?32766, ?", ones(32_766), error("too many SQL variables")),
        bound("SELECT ?32766", ones(5), refusal("has 32766 parameters, and 5 values")),
        bound(&format!("SELECT max({})", numbers(100)), ones(100), Expected::Converges),
        bound(&format!("SELECT 1 IN ({})", numbers(32_766)), ones(32_766), Expected::Converges),
        bound(&format!("SELECT 1 IN ({})", repeat("?", 32_767, ",")), ones(32_767), error("too many SQL variables")),
        named("SELECT :a, @b, $c", &["a", "b", "c"], Expected::Converges),
        named("SELECT :a, :a, @a, $a", &["a"], Expected::Converges),
        named("SELECT :a", &[], refusal("no value was given for parameter a")),
        named("SELECT :a", &["A"], refusal("no parameter A")),
        named("SELECT :a", &[":a"], refusal("no parameter :a")),
        named("SELECT :a", &["a", "a"], refusal("given twice")),
        named("SELECT :a", &[""], refusal("no parameter")),
        named("SELECT ?", &["a"], refusal("parameter 1 has no name")),
        named("SELECT ?1, :a", &["a"], refusal("parameter 1 has no name")),
        named("SELECT 1", &["a"], refusal("no parameter a")),
        named("SELECT $a::b", &["a::b"], Expected::Converges),
        named("SELECT :ä", &["ä"], Expected::Converges),
    ]);
    let ddl = [
        "CREATE TABLE u(a DEFAULT (?))",
        "CREATE TABLE u(a CHECK (a > ?))",
        "CREATE TABLE u(a, b AS (?))",
        "CREATE INDEX i ON t(b) WHERE b > ?",
        "CREATE INDEX i ON t(b + ?)",
        "CREATE VIEW v AS SELECT ?",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT ?; END",
        "SELECT * FROM ?",
        "SELECT a FROM t ORDER BY a COLLATE ?",
        "PRAGMA user_version = ?",
        "INSERT INTO ? VALUES (1)",
    ];
    forms.extend(ddl.map(|sql| bound(sql, ones(1), error(""))));
    forms.extend([
        bound("CREATE TABLE made AS SELECT ? AS a", ones(1), Expected::Converges),
        bound("SELECT a FROM t ORDER BY ? LIMIT ? OFFSET ?", ones(3), Expected::Converges),
        bound("SELECT a FROM t LIMIT ?", [Value::from("x")], Expected::Fails(20, "datatype mismatch".into())),
        bound("INSERT INTO t(a) VALUES (?)", [Value::from("x")], Expected::Fails(20, "datatype mismatch".into())),
        bound("INSERT INTO t(a) VALUES (?)", [Value::Real(1.5)], Expected::Fails(20, "datatype mismatch".into())),
        bound("INSERT INTO t(a) VALUES (?)", [Value::Integer(i64::MAX)], refusal("9223372036854775807 is refused")),
        bound("UPDATE t SET b = ? WHERE a = ? RETURNING b, ?", [Value::Null, one(), one()], Expected::Converges),
        bound("INSERT INTO t(b) VALUES (datetime(?)), (random())", [Value::from("now")], Expected::Converges),
        bound("INSERT INTO t(b) VALUES (datetime(?)), (random())", [Value::from("2024-01-01")], Expected::Converges),
        bound("SELECT datetime('now', ?)", [Value::from("localtime")], refusal("time zone")),
        bound("SELECT randomblob(?)", [Value::Integer(i64::MAX)], Expected::Fails(18, "too big".into())),
    ]);
    hold_sections("parameters", &[Section { forms }]);
}

#[test]
fn values_at_the_edge() {
    let mut forms = tables();
    let values = [
        Value::Real(f64::NAN),
        Value::Real(-f64::NAN),
        Value::Real(f64::INFINITY),
        Value::Real(f64::NEG_INFINITY),
        Value::Real(-0.0),
        Value::Real(f64::MIN_POSITIVE),
        Value::Real(5e-324),
        Value::Real(f64::MAX),
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::from(""),
        Value::from("\0"),
        Value::from("a\0b"),
        Value::from("\u{feff}"),
        Value::from("\u{fffd}"),
        Value::from("é\u{301}"),
        Value::Text("x".repeat(100_000)),
        Value::Blob(Vec::new().into()),
        Value::Blob(vec![0].into()),
        Value::Blob(vec![0xff; 100_000].into()),
    ];
    for value in values {
        let both = [value.clone(), value.clone()];
        forms.push(bound(
            "INSERT INTO t(b) VALUES (?) RETURNING typeof(b), length(b), quote(substr(?, 1, 9))",
            both,
            Expected::Converges,
        ));
        forms.push(bound("SELECT count(*), ? IS NULL FROM t WHERE b = ?", [value.clone(), value], Expected::Converges));
    }
    forms.push(converges("SELECT a, typeof(b), quote(substr(b, 1, 20)) FROM t"));
    let big = |length: usize| Value::Blob(vec![7; length].into());
    let too_big = || Expected::Fails(18, "too big".into());
    forms.push(bound("INSERT INTO t(b) VALUES (?)", [big((64 << 20) + 1)], too_big()));
    forms.push(bound("SELECT length(?)", [big(100_000_000)], too_big()));
    forms.push(bound("SELECT ?", [big(2_000_000)], too_big()));
    forms.push(bound("SELECT ?", [big(1_100_000)], refusal("LIMIT")));
    forms.push(converges("SELECT count(*), max(length(b)) FROM t"));
    hold_sections("values", &[Section { forms }]);
}

/// One entry of ten thousand statements, half of which fail, alone and as one unit.
#[test]
fn ten_thousand_statements_in_one_entry() {
    let statements = (0..10_000).map(|n| match n % 6 {
        0 => Statement::with("INSERT INTO t(b) VALUES (?)", [Value::Integer(n)]),
        1 => Statement::with("INSERT INTO t(a) VALUES (?)", [Value::Integer(1)]),
        2 => Statement::new("UPDATE t SET b = b + 1 WHERE a = 1"),
        3 => Statement::new("SELECT count(*) FROM t WHERE a < 3"),
        4 => Statement::new(format!("nonsense {n}")),
        _ => Statement::with("SELECT ?", []),
    });
    let statements = statements.collect::<Vec<_>>();
    let of = |atomic| Command { batch: Batch { statements: statements.clone(), atomic }, ..command(&[], false) };
    let table = command(&["CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "INSERT INTO t VALUES (1, 0)"], true);
    let log = log([table, of(false), of(true)]);
    let run = |history: History| history.run(&log).unwrap_or_else(|stopped| panic!("{history:?}: {}", stopped.reason));

    let reference = run(History::EntryByEntry);
    let alone = results(&reference.applied[1]);
    assert_eq!((alone.len(), alone.iter().filter(|result| result.is_err()).count()), (10_000, 4_999));
    let unit = results(&reference.applied[2]);
    assert_eq!((unit.len(), unit[1].is_err()), (2, true), "the first that fails ends an atomic batch");
    assert_eq!(reference.applied[1].digest, reference.applied[2].digest, "an atomic batch that failed left something");
    for history in [History::Batches(usize::MAX), History::Uncached, History::FromSnapshots(1)] {
        let other = run(history);
        assert!(reference.applied == other.applied && reference.dump == other.dump, "{history:?}");
    }
}

/// Inputs that once ended the process, or took minutes.
mod once_fatal {
    use super::*;

    /// Seven thousand statements in one text: the tail is prepared recursively until the stack is at its end.
    #[test]
    fn a_text_of_many_statements() {
        let forms = vec![refused("SELECT 1;".repeat(7000), "one at a time"), refused(";".repeat(1 << 19), "empty")];
        hold_sections("many statements", &[Section { forms }]);
    }

    #[test]
    fn a_pattern_of_many_wildcards() {
        let like = format!("SELECT '{}' LIKE '{}'", "a".repeat(19_000), "%a".repeat(19_000));
        let glob = format!("SELECT '{}' GLOB '{}'", "a".repeat(19_000), "*a".repeat(19_000));
        let forms = [like, glob].map(|sql| fails(sql, 1, "may have 64 bytes")).into();
        hold_sections("wildcards", &[Section { forms }]);
    }

    /// What the node could not read back must be refused when it is made.
    #[test]
    fn a_table_that_cannot_be_read_back() {
        let columns = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
        let keyed = format!("CREATE TABLE keyed({0}, PRIMARY KEY ({0})) WITHOUT ROWID", columns(1001));
        let long = format!("CREATE TABLE long(\"{}\")", "n".repeat(400_000));
        let wide = format!("CREATE TABLE wide({})", columns(2000));
        let too_wide = "too many columns";
        let forms = [fails(keyed, 1, too_wide), refused(long, "255 is the most"), fails(wide, 1, too_wide)];
        for form in forms {
            hold_sections("not read back", &[Section { forms: vec![form, converges("SELECT 1")] }]);
        }
    }

    #[test]
    fn two_thousand_tables_in_one_entry() {
        let statements = (0..2000).map(|n| Statement::new(format!("CREATE TABLE t{n}(a)"))).collect();
        let log = log([Command { batch: Batch { statements, atomic: false }, ..command(&[], false) }]);
        let outcome = History::EntryByEntry.run(&log).unwrap_or_else(|stopped| panic!("{}", stopped.reason));
        assert!(results(&outcome.applied[0]).iter().all(Result::is_ok));
    }

    #[test]
    fn ten_thousand_statements_that_end_their_transaction() {
        let statement = Statement::new("INSERT OR ROLLBACK INTO t VALUES (1)");
        let batch = Batch { statements: vec![statement; 10_000], atomic: false };
        let table = command(&["CREATE TABLE t(a UNIQUE)", "INSERT INTO t VALUES (1)"], false);
        let log = log([table, Command { batch, ..command(&[], false) }]);
        let outcome = History::EntryByEntry.run(&log).unwrap_or_else(|stopped| panic!("{}", stopped.reason));
        assert!(results(&outcome.applied[1]).iter().all(Result::is_err));
    }
}
