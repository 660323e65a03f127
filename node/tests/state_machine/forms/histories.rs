//! One list of statements, executed in every way in which replicas come to execute the same log.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lockstep_node::raft::{Correct, Entry};
use lockstep_node::sqlite::dump::{Dump, dump};
use lockstep_node::sqlite::reader::open_reader;
use lockstep_node::state_machine::{Applied, Copier, Options, StateMachine, verify_copy};
use tempfile::TempDir;

use crate::{disturb_the_generator, vfs};

/// A way to execute a log. All of them must end the same.
#[derive(Clone, Copy, Debug)]
pub enum History {
    /// One entry a transaction. The others are compared with it.
    EntryByEntry,
    /// So many entries a transaction.
    Batches(usize),
    /// A restart after every entry, a stirred generator, and now and then a checkpoint.
    Restarted,
    /// One entry a transaction, in a file of pages of another size.
    PageSize(u32),
    /// One entry a transaction, and no statement is prepared before it is needed.
    Uncached,
    /// After every so many entries a snapshot is taken and verified, and the next entries are applied to it.
    FromSnapshots(usize),
}

pub const HISTORIES: [History; 14] = [
    History::EntryByEntry,
    History::Batches(usize::MAX),
    History::Batches(7),
    History::Restarted,
    History::PageSize(512),
    History::PageSize(1024),
    History::PageSize(2048),
    History::PageSize(8192),
    History::PageSize(16384),
    History::PageSize(32768),
    History::PageSize(65536),
    History::Uncached,
    History::FromSnapshots(1),
    History::FromSnapshots(5),
];

/// What a log came to.
pub struct Outcome {
    pub applied: Vec<Applied>,
    pub dump: Dump,
}

/// Why a history did not come to its end.
pub struct Stopped {
    /// How many entries were applied before.
    pub after: usize,
    pub reason: String,
}

impl History {
    pub fn run(self, log: &[Entry]) -> Result<Outcome, Stopped> {
        let mut replica = Replica::create(self);
        let mut applied = Vec::with_capacity(log.len());
        let size = if let History::Batches(size) = self { size } else { 1 };
        for entries in log.chunks(size.min(log.len())) {
            let stopped = |reason| Stopped { after: applied.len(), reason };
            let done = replica.apply(entries).map_err(stopped)?;
            applied.extend(done);
            let stopped = |reason| Stopped { after: applied.len() - 1, reason };
            replica = replica.move_on(self, applied.len()).map_err(stopped)?;
        }
        let dump = replica.dump().map_err(|reason| Stopped { after: log.len(), reason })?;
        Ok(Outcome { applied, dump })
    }

    fn options(self) -> Options {
        let options = Options::default();
        match self {
            History::PageSize(page_size) => Options { page_size, ..options },
            History::Uncached => Options { cached_statements: 0, ..options },
            _ => options,
        }
    }
}

struct Replica {
    machine: StateMachine,
    directory: TempDir,
    /// The number of the current file: each snapshot is received into the next one.
    generation: usize,
}

impl Replica {
    fn create(history: History) -> Replica {
        let directory = tempfile::tempdir().unwrap();
        let machine = StateMachine::open_with(&vfs(&directory), "db-0", Correct, history.options()).unwrap();
        Replica { machine, directory, generation: 0 }
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<Vec<Applied>, String> {
        let result = catch_unwind(AssertUnwindSafe(|| self.machine.apply(entries)));
        let applied = match result {
            Err(_) => return Err("the state machine panics".to_owned()),
            Ok(Err(fatal)) => return Err(format!("ends the state machine: {fatal}")),
            Ok(Ok(applied)) => applied,
        };
        self.machine.verify().map_err(|fatal| format!("after it: {fatal}"))?;
        Ok(applied)
    }

    /// Does what a history does between entries.
    fn move_on(self, history: History, applied: usize) -> Result<Replica, String> {
        match history {
            History::Restarted => self.restart(history, applied),
            History::FromSnapshots(every) if applied.is_multiple_of(every) => self.snapshot(history),
            _ => Ok(self),
        }
    }

    fn restart(mut self, history: History, applied: usize) -> Result<Replica, String> {
        disturb_the_generator(applied);
        if applied.is_multiple_of(3) {
            self.machine.checkpoint().map_err(|fatal| format!("a checkpoint after it: {fatal}"))?;
        }
        let Replica { machine, directory, generation } = self;
        let (position, digest) = (machine.applied(), machine.digest());
        drop(machine);
        let machine = open(&directory, generation, history)?;
        assert_eq!((machine.applied(), machine.digest()), (position, digest), "a restart forgot something");
        Ok(Replica { machine, directory, generation })
    }

    fn snapshot(self, history: History) -> Result<Replica, String> {
        let Replica { machine, directory, generation } = self;
        let (source, copy) = (file(generation), file(generation + 1));
        let mut copier = Copier::begin(&vfs(&directory), &source, &copy).map_err(|fatal| fatal.to_string())?;
        while copier.step(3).map_err(|fatal| fatal.to_string())?.remaining > 0 {}
        copier.finish();

        let verified =
            verify_copy(&vfs(&directory), &copy).map_err(|fatal| format!("a snapshot after it is refused: {fatal}"))?;
        let (position, digest) = (machine.applied(), machine.digest());
        assert_eq!((verified.position, verified.digest), (position, digest), "the snapshot is of another moment");

        drop(machine);
        for end in ["", "-wal", "-shm"] {
            // SQLite may have removed the last two.
            let _ = std::fs::remove_file(directory.path().join(format!("{source}{end}")));
        }
        let machine = open(&directory, generation + 1, history)?;
        Ok(Replica { machine, directory, generation: generation + 1 })
    }

    fn dump(&self) -> Result<Dump, String> {
        let connection = open_reader(&vfs(&self.directory), &file(self.generation));
        connection.and_then(|connection| dump(&connection)).map_err(|error| format!("no dump can be made: {error}"))
    }
}

fn open(directory: &TempDir, generation: usize, history: History) -> Result<StateMachine, String> {
    let opened = StateMachine::open_with(&vfs(directory), &file(generation), Correct, history.options());
    opened.map_err(|fatal| format!("the database does not open again after it: {fatal}"))
}

fn file(generation: usize) -> String {
    format!("db-{generation}")
}
