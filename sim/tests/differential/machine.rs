//! A state machine on a directory of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lockstep_node::api::StatementResult;
use lockstep_node::host::SqliteVfs;
use lockstep_node::raft::{Correct, Entry};
use lockstep_node::sqlite::reader::open_reader;
use lockstep_node::state_machine::{Applied, Copier, Fatal, StateMachine, verify_copy};
use tempfile::TempDir;

use super::difference::Difference;
use super::dump::{self, Dump};

/// A state machine.
pub struct Machine {
    machine: StateMachine,
    directory: TempDir,
}

impl Machine {
    pub fn new() -> Machine {
        let directory = directory().expect("there is room for a directory");
        let machine = StateMachine::open(&vfs(&directory), "db", Correct).expect("a new database opens");
        Machine { machine, directory }
    }

    /// Applies an entry by itself, and returns its results.
    pub fn apply_one(&mut self, entry: &Entry) -> Result<Vec<StatementResult>, Difference> {
        let at = entry.index.0 as usize - 1;
        let applied = self.apply(at, std::slice::from_ref(entry))?;
        Ok(results(&applied[0]).to_vec())
    }

    /// Applies entries at once. That must not be the end of the node.
    fn apply(&mut self, at: usize, entries: &[Entry]) -> Result<Vec<Applied>, Difference> {
        match catch_unwind(AssertUnwindSafe(|| self.machine.apply(entries))) {
            Ok(Ok(applied)) => Ok(applied),
            Ok(Err(fatal)) => Err(Difference::Fatal { at, fatal }),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                Err(Difference::Panic { at, text: text.unwrap_or_default() })
            }
        }
    }

    /// Compares the digest with the tables.
    pub fn verify(&self, at: usize) -> Result<(), Difference> {
        self.machine.verify().map_err(|fatal| of_contents(at, fatal))
    }

    /// Everything it holds.
    pub fn dump(&self) -> Dump {
        dump::dump(&open_reader(&vfs(&self.directory), "db").expect("the database can be read"))
    }

    /// Makes a copy and verifies it.
    pub fn copy(&mut self, at: usize) -> Result<(), Difference> {
        let vfs = vfs(&self.directory);
        let file = format!("copy-{at}");
        let mut copier = Copier::begin(&vfs, "db", &file).map_err(|fatal| of_contents(at, fatal))?;
        while copier.step(16).map_err(|fatal| of_contents(at, fatal))?.remaining > 0 {}
        copier.finish();
        let verified = verify_copy(&vfs, &file).map_err(|fatal| Difference::Copy { at, fatal })?;
        assert_eq!(verified.digest, self.machine.digest(), "a copy has the digest of its source");
        self.machine.checkpoint().map_err(|fatal| of_contents(at, fatal))?;
        Ok(())
    }

    fn restart(self) -> Machine {
        let Machine { machine, directory } = self;
        drop(machine);
        stir();
        let machine = StateMachine::open(&vfs(&directory), "db", Correct).expect("the database opens again");
        Machine { machine, directory }
    }
}

/// Applies a log in batches, with restarts in between: the results must be those that each entry had alone. The first
/// `lead` entries are one batch, then `at_once` are.
pub fn in_batches(
    log: &[Entry],
    lead: usize,
    at_once: usize,
    alone: &[Vec<StatementResult>],
) -> Result<(), Difference> {
    let mut machine = Machine::new();
    let (first, rest) = log.split_at(lead.min(log.len()));
    let batches = [first].into_iter().filter(|first| !first.is_empty()).chain(rest.chunks(at_once));
    for (nth, entries) in batches.enumerate() {
        let from = entries[0].index.0 as usize - 1;
        let applied = machine.apply(from, entries)?;
        for (at, (applied, alone)) in (from..).zip(applied.iter().zip(&alone[from..])) {
            Difference::of_batching(at, from, entries.len(), results(applied), alone)?;
        }
        machine.verify(from)?;
        if nth % 4 == 3 {
            machine = machine.restart();
        }
    }
    Ok(())
}

fn of_contents(at: usize, fatal: Fatal) -> Difference {
    match fatal {
        Fatal::Contents { .. } => Difference::Digest { at },
        fatal => Difference::Fatal { at, fatal },
    }
}

fn results(applied: &Applied) -> &[StatementResult] {
    let reply = applied.reply.as_ref().expect("an entry of statements has a reply");
    &reply.as_ref().expect("there are no sessions").results
}

/// In memory, where the system has such a place: nothing here asks what is left after a loss of power.
fn directory() -> std::io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

fn vfs(directory: &TempDir) -> SqliteVfs {
    SqliteVfs { name: "unix".into(), prefix: format!("{}/", directory.path().display()) }
}

/// Draws from SQLite's own generator, which is one for the whole process: nothing may depend on it.
fn stir() {
    let connection = rusqlite::Connection::open_in_memory().expect("there is memory");
    connection.query_row("SELECT random()", [], |_| Ok(())).expect("SQLite draws a number");
}
