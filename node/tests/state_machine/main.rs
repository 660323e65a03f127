//! The state machine as its replica sees it: entries in, outcomes out, on real files.

#[path = "contract.rs"]
mod contract;
#[path = "copy.rs"]
mod copy;
#[path = "digest.rs"]
mod digest;
#[path = "forms.rs"]
mod forms;
#[path = "limits.rs"]
mod limits;
#[path = "reader.rs"]
mod reader;
#[path = "sessions.rs"]
mod sessions;

use lockstep_node::api::{Batch, Rows, SqlError, Statement, StatementResult, Value};
use lockstep_node::host::SqliteVfs;
use lockstep_node::raft::{Configuration, Correct, Entry, EntryKind, Index, NodeId, Term};
use lockstep_node::sqlite::dump::{Dump, dump};
use lockstep_node::sqlite::reader::open_reader;
use lockstep_node::state_machine::{Applied, Command, StateMachine};
use tempfile::TempDir;

/// A state machine on a directory of its own.
struct Machine {
    machine: StateMachine,
    directory: TempDir,
}

impl Machine {
    fn new() -> Machine {
        let directory = tempfile::tempdir().unwrap();
        Machine { machine: StateMachine::open(&vfs(&directory), "db", Correct).unwrap(), directory }
    }

    fn reopen(self) -> Machine {
        drop(self.machine);
        Machine {
            machine: StateMachine::open(&vfs(&self.directory), "db", Correct).unwrap(),
            directory: self.directory,
        }
    }

    fn dump(&self) -> Dump {
        dump(&open_reader(&vfs(&self.directory), "db").unwrap()).unwrap()
    }

    /// Applies one entry of statements that stand alone, and returns their results.
    fn run(&mut self, statements: &[&str]) -> Vec<StatementResult> {
        self.run_command(command(statements, false))
    }

    fn run_command(&mut self, command: Command) -> Vec<StatementResult> {
        let entry = entry(self.machine.applied().index.next(), EntryKind::Data, command.encode());
        let applied = self.machine.apply(&[entry]).unwrap().remove(0);
        self.machine.verify().unwrap();
        applied.reply.unwrap().unwrap().results
    }

    /// Applies one statement and returns its result.
    fn one(&mut self, statement: &str) -> StatementResult {
        self.run(&[statement]).remove(0)
    }

    /// The only value of the only row that a query returns.
    fn value(&mut self, query: &str) -> Value {
        self.one(query).unwrap().rows.remove(0).remove(0)
    }
}

fn vfs(directory: &TempDir) -> SqliteVfs {
    SqliteVfs { name: "unix".into(), prefix: format!("{}/", directory.path().display()) }
}

fn command(statements: &[&str], atomic: bool) -> Command {
    let statements = statements.iter().map(|sql| Statement::new(*sql)).collect();
    Command {
        time_us: 1_700_000_000_123_456,
        seed: 7,
        session: None,
        read_only: false,
        batch: Batch { statements, atomic },
    }
}

fn entry(index: Index, kind: EntryKind, payload: bytes::Bytes) -> Entry {
    Entry { index, term: Term(3), kind, payload }
}

/// The payload of a configuration.
fn membership() -> bytes::Bytes {
    Configuration::of_voters([(NodeId(1), "n1".to_owned()), (NodeId(2), "n2".to_owned())].into()).encode()
}

/// The results of an entry that was executed.
fn results(applied: &Applied) -> &[StatementResult] {
    &applied.reply.as_ref().unwrap().as_ref().unwrap().results
}

/// A log of commands, from index 1, each with a time and seed of its own.
fn log(commands: impl IntoIterator<Item = Command>) -> Vec<Entry> {
    let numbered = (1..).zip(commands).map(|(index, command)| {
        let time_us = command.time_us + index * 1_000_000;
        entry(Index(index), EntryKind::Data, Command { time_us, seed: index, ..command }.encode())
    });
    numbered.collect()
}

/// Applies a log on four machines: entry by entry, in batches, all at once, and with a restart after each entry. Returns
/// what they agree on.
fn converge(log: &[Entry]) -> (Vec<Applied>, Dump) {
    let reference = apply_in_batches(log, 1, false);
    for (size, restart) in [(1, true), (7, false), (log.len(), false)] {
        let other = apply_in_batches(log, size, restart);
        for (left, right) in reference.0.iter().zip(&other.0) {
            assert_eq!(left, right, "batches of {size}, restart: {restart}");
        }
        assert_eq!(reference.1, other.1, "batches of {size}, restart: {restart}");
    }
    reference
}

fn apply_in_batches(log: &[Entry], size: usize, restart: bool) -> (Vec<Applied>, Dump) {
    let mut machine = Machine::new();
    let mut applied = Vec::new();
    for entries in log.chunks(size) {
        applied.extend(machine.machine.apply(entries).unwrap());
        machine.machine.verify().unwrap();
        if restart {
            machine = machine.reopen();
            disturb_the_generator(size + applied.len());
        }
    }
    let dump = machine.dump();
    (applied, dump)
}

/// Draws from SQLite's own generator, which is one for the whole process.
fn disturb_the_generator(times: usize) {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    (0..times).for_each(|_| connection.query_row("SELECT random()", [], |_| Ok(())).unwrap());
}

fn message(result: &StatementResult) -> &str {
    match result {
        Err(SqlError { message, .. }) => message,
        Ok(rows) => panic!("expected an error, got {rows:?}"),
    }
}

fn affected(result: &StatementResult) -> u64 {
    let Rows { rows_affected, .. } = result.as_ref().unwrap();
    *rows_affected
}
