//! sqllogictest: records of SQL and what it answers (`slt/*.slt`, written for this project), run into plain SQLite, which
//! vouches for them, into the state machine, and into a cluster of three nodes while faults strike.

#[path = "slt/cluster.rs"]
mod cluster;

use std::path::PathBuf;

use lockstep_node::api::{Batch, Rows, SqlError, Statement, StatementResult, Value};
use lockstep_node::host::SqliteVfs;
use lockstep_node::raft::{Correct, Entry, EntryKind, Term};
use lockstep_node::state_machine::{Command, StateMachine};
use lockstep_sim::systems::plain_sqlite;
use sqllogictest::{DB, DBOutput, DefaultColumnType, Record, Runner, strict_column_validator};
use tempfile::TempDir;

use cluster::Cluster;

const FILES: [&str; 11] =
    ["aggregates", "alter", "changes", "cte", "indexes", "joins", "schema", "select", "triggers", "values", "windows"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/slt").join(format!("{name}.slt"))
}

/// The records of a file. Only statements and queries are used.
fn records(name: &str) -> Vec<Record<DefaultColumnType>> {
    sqllogictest::parse_file(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The SQL of a file's records, in order.
fn statements(name: &str) -> Vec<String> {
    let sql = records(name).into_iter().filter_map(|record| match record {
        Record::Statement { sql, .. } | Record::Query { sql, .. } => Some(sql),
        _ => None,
    });
    sql.collect()
}

/// Compares what something answers with the records of a file. A failure names the file, the line and the SQL.
fn hold<D: DB<ColumnType = DefaultColumnType> + Send>(name: &str, database: D) {
    let mut database = Some(database);
    let mut runner = Runner::new(|| {
        let database = database.take().expect("the records use one connection");
        async move { Ok(database) }
    });
    runner.with_column_validator(strict_width);
    let findings = records(name).into_iter().filter_map(|record| runner.run(record).err());
    let findings = findings.map(|error| error.display(false).to_string()).collect::<Vec<_>>();
    assert!(findings.is_empty(), "{name}.slt, {} findings:\n{}", findings.len(), findings.join("\n\n"));
}

/// SQLite's columns have no types: the letters of a record say how many there are.
#[expect(clippy::ptr_arg, reason = "the crate's type of a validator")]
fn strict_width(actual: &Vec<DefaultColumnType>, expected: &Vec<DefaultColumnType>) -> bool {
    let any = |columns: &[DefaultColumnType]| vec![DefaultColumnType::Any; columns.len()];
    strict_column_validator(&any(actual), &any(expected))
}

/// An answer as the runner takes it.
fn output(result: StatementResult) -> Result<DBOutput<DefaultColumnType>, SqlError> {
    let Rows { columns, rows, rows_affected } = result?;
    if columns.is_empty() {
        return Ok(DBOutput::StatementComplete(rows_affected));
    }
    let types = vec![DefaultColumnType::Any; columns.len()];
    let rows = rows.iter().map(|row| row.iter().map(shown).collect()).collect();
    Ok(DBOutput::Rows { types, rows })
}

/// A value as records show it.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() => "(empty)".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Real(value) => format!("{value:?}"),
        other => other.to_string(),
    }
}

/// SQLite as it is.
struct Plain(rusqlite::Connection);

impl DB for Plain {
    type Error = SqlError;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SqlError> {
        let batch = Batch { statements: vec![Statement::new(sql)], atomic: false };
        // A cached statement would name the columns of an older schema.
        self.0.flush_prepared_statement_cache();
        let mut results = plain_sqlite::execute(&self.0, &batch).expect("a database in memory works");
        let mut result = results.remove(0);
        if let Ok(rows) = &mut result
            && rows.rows_affected > 0
        {
            // What triggers and foreign keys did besides does not count.
            rows.rows_affected = self.0.changes();
        }
        output(result)
    }
}

/// The state machine, fed with one entry a record.
struct Direct {
    machine: StateMachine,
    _directory: TempDir,
}

impl Direct {
    fn new() -> Direct {
        let directory = tempfile::tempdir().expect("there is a place for temporary files");
        let vfs = SqliteVfs { name: "unix".into(), prefix: format!("{}/", directory.path().display()) };
        let machine = StateMachine::open(&vfs, "db", Correct).expect("a new database opens");
        Direct { machine, _directory: directory }
    }
}

impl DB for Direct {
    type Error = SqlError;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SqlError> {
        let index = self.machine.applied().index.next();
        let batch = Batch { statements: vec![Statement::new(sql)], atomic: false };
        let command = Command { time_us: 1_700_000_000_000_000, seed: index.0, session: None, read_only: false, batch };
        let entry = Entry { index, term: Term(1), kind: EntryKind::Data, payload: command.encode() };
        let applied = self.machine.apply(&[entry]).unwrap_or_else(|fatal| panic!("{sql}: {fatal}")).remove(0);
        self.machine.verify().unwrap_or_else(|fatal| panic!("{sql}: {fatal}"));
        let reply = applied.reply.expect("it is a client's").expect("it has no session");
        output(reply.results.into_iter().next().expect("one statement has one result"))
    }
}

#[test]
fn every_file_of_records_is_used() {
    let folder = path("select");
    let files = std::fs::read_dir(folder.parent().expect("a file is in a folder")).expect("the folder can be read");
    let names = files.filter_map(|file| file.expect("it can be read").file_name().into_string().ok());
    let mut found = names.filter_map(|name| name.strip_suffix(".slt").map(str::to_owned)).collect::<Vec<_>>();
    found.sort();
    assert_eq!(found, FILES);
    let records = FILES.map(|name| statements(name).len());
    println!("{} records in {} files", records.iter().sum::<usize>(), FILES.len());
}

#[test]
fn sqlite_vouches_for_the_records() {
    for name in FILES {
        let connection = rusqlite::Connection::open_in_memory().expect("there is memory");
        connection.execute_batch("PRAGMA foreign_keys = ON").expect("it can be switched on");
        hold(name, Plain(connection));
    }
}

#[test]
fn the_state_machine_answers_as_sqlite_does() {
    FILES.iter().for_each(|name| hold(name, Direct::new()));
}

#[test]
fn a_cluster_under_faults_answers_as_sqlite_does() {
    for (seed, name) in (1..).zip(FILES) {
        let (cluster, struck) = Cluster::run(statements(name), seed);
        println!("{name}, seed {seed}: {struck} faults struck");
        assert!(struck >= 3, "{name}, seed {seed}: only {struck} faults struck");
        hold(name, cluster);
    }
}
