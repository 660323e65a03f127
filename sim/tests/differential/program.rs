//! Programs: batches of statements, one an entry.

use lockstep_node::api::{Batch, StatementResult};
use lockstep_node::raft::{Entry as LogEntry, EntryKind, Index, Term};
use lockstep_node::state_machine::Command;
use lockstep_sim::choice::Stream;
use lockstep_sim::scenario::model::Probability;
use lockstep_sim::trace::Trace;
use lockstep_sim::workload::generated::{Generator, Options};

use super::difference::Difference;
use super::machine::{self, Machine};
use super::plain::Plain;

/// What a program is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Plain SQLite.
    Plain,
    /// Its own tables, and copies of them.
    Digest,
}

/// An entry of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub batch: Batch,
    /// The kind of each statement.
    pub kinds: Vec<&'static str>,
}

/// Statements that run on an empty database.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    pub entries: Vec<Entry>,
    /// How many entries are applied at once where it runs in batches.
    pub at_once: usize,
    /// The first of them are a batch of their own.
    pub lead: usize,
}

/// What a statement came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Failed,
    Refused,
}

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Subject::Plain => "plain",
            Subject::Digest => "digest",
        }
    }
}

/// So often the tables of both sides are compared, in entries, and copies are made.
const LOOK_EVERY: usize = 40;

impl Program {
    /// The program of a seed and a number. It is drawn while a state machine executes it, so that what it says of the schema is
    /// mostly true.
    pub fn draw(subject: Subject, seed: u64, nth: u64) -> Program {
        let mut shape = Stream::new(&Trace::default(), seed, "differential.shape", nth);
        let batches = shape.between(20, 250);
        let options = Options {
            tables: shape.between(2, 7) as u32,
            value_bytes_max: 1 << shape.between(4, 20),
            ddl: Probability(shape.between(50_000, 300_000) as u32),
            moment: subject == Subject::Digest,
            restore: false,
        };
        let at_once = shape.between(2, 30) as usize;
        let stream = Stream::new(&Trace::default(), seed, subject.name(), nth);
        let mut generator = Generator::new(stream, options);
        let mut machine = Machine::new();
        let mut program = Program { entries: Vec::new(), at_once, lead: 0 };
        for at in 0..batches as usize {
            let (batch, kinds) = generator.batch();
            program.entries.push(Entry { batch, kinds });
            // What ends the node is found again when the program runs.
            let Ok(results) = machine.apply_one(&log_entry(at, &program.entries[at])) else { break };
            let changes_schema = |kind: &&str| ["create", "alter", "drop"].iter().any(|verb| kind.starts_with(verb));
            let failed = results.len() < program.entries[at].kinds.len() || results.iter().any(Result::is_err);
            if failed && program.entries[at].kinds.iter().any(changes_schema) {
                generator.undo();
            }
        }
        program
    }

    pub fn statements(&self) -> usize {
        self.entries.iter().map(|entry| entry.kinds.len()).sum()
    }

    /// The log that holds the program.
    pub fn log(&self) -> Vec<LogEntry> {
        self.entries.iter().enumerate().map(|(at, entry)| log_entry(at, entry)).collect()
    }

    /// Runs it, and says what each statement came to.
    pub fn run(&self, subject: Subject) -> Result<Vec<Vec<Outcome>>, Difference> {
        let log = self.log();
        let results = match subject {
            Subject::Plain => self.beside_plain(&log)?,
            Subject::Digest => digest_after_each(&log)?,
        };
        machine::in_batches(&log, self.lead, self.at_once, &results)?;
        Ok(results.iter().map(|results| results.iter().map(outcome).collect()).collect())
    }

    fn beside_plain(&self, log: &[LogEntry]) -> Result<Vec<Vec<StatementResult>>, Difference> {
        let (mut machine, mut plain) = (Machine::new(), Plain::new());
        let mut all = Vec::new();
        for (at, (entry, program)) in log.iter().zip(&self.entries).enumerate() {
            let results = machine.apply_one(entry)?;
            let others = plain.execute(&program.batch, &results);
            Difference::of_results(at, &program.batch, &results, &others)?;
            all.push(results);
            if at % LOOK_EVERY == LOOK_EVERY - 1 || at + 1 == log.len() {
                machine.verify(at)?;
                Difference::of_dumps(at, &machine.dump(), &plain.dump())?;
            }
        }
        Ok(all)
    }
}

fn log_entry(at: usize, entry: &Entry) -> LogEntry {
    let index = at as u64 + 1;
    let command = Command {
        time_us: 1_700_000_000_000_000 + index * 1_234_567,
        seed: index,
        session: None,
        read_only: false,
        batch: entry.batch.clone(),
    };
    LogEntry { index: Index(index), term: Term(1), kind: EntryKind::Data, payload: command.encode() }
}

fn digest_after_each(log: &[LogEntry]) -> Result<Vec<Vec<StatementResult>>, Difference> {
    let mut machine = Machine::new();
    let mut all = Vec::new();
    for (at, entry) in log.iter().enumerate() {
        all.push(machine.apply_one(entry)?);
        machine.verify(at)?;
        if at % LOOK_EVERY == LOOK_EVERY - 1 || at + 1 == log.len() {
            machine.copy(at)?;
        }
    }
    Ok(all)
}

fn outcome(result: &StatementResult) -> Outcome {
    match result {
        Ok(_) => Outcome::Succeeded,
        Err(error) if is_refusal(error) => Outcome::Refused,
        Err(_) => Outcome::Failed,
    }
}

/// Whether Lockstep itself refuses, and not SQLite: also where a budget is used up, of which plain SQLite has none.
pub fn is_refusal(error: &lockstep_node::api::SqlError) -> bool {
    error.code == 0
        || error.code == rusqlite::ffi::SQLITE_INTERRUPT
        || error.message.contains("holds too much in between")
}
