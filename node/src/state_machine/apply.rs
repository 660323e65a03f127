//! Entries in, outcomes out.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3Default;

use super::execute::{self, Meter, RESULT_BYTES_MAX};
use super::fatal::{Failure, Fatal, Judge, fitted, refused, used_up};
use super::sessions::{self, Admission};
use super::{Command, DecodeError, Registration, State, StateMachine, has_sequence, schema_version, store};
use crate::api::{Reply, SessionError, SqlError, Statement, StatementResult};
use crate::raft::{Configuration, Entry, EntryKind, Position, Rule, Rules};
use crate::sqlite::limits::Limits;
use crate::sqlite::{Digest, digest};

/// What applying an entry did.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Where the entry stands.
    pub position: Position,
    /// The digest of the contents after it.
    pub digest: Digest,
    /// What the client is told of its entry; `None` if the entry is no client's. Where it had been executed before, this is
    /// the reply of that execution.
    pub reply: Option<Result<Reply, SessionError>>,
    /// Whether the entry removed expired sessions.
    pub removed_sessions: bool,
    /// [`entry_hash`] of the entry.
    pub entry_hash: u64,
}

/// A hash of an entry's term, kind and payload.
pub fn entry_hash(entry: &Entry) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(&entry.term.0.to_le_bytes());
    hash.update(&[entry.kind as u8]);
    hash.update(&entry.payload);
    hash.digest()
}

/// What an entry of a client asks.
enum Asked {
    Execute(Command),
    Register(Registration),
}

/// Statements of one entry that ended the transaction they ran in, and with it the work of all before them, by their place in
/// the entry: `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)`, a write that used up its budget. Nothing shows that before they run, so
/// each is found out once, and then left out.
#[derive(Clone, Debug, Default)]
struct Losses(BTreeMap<usize, Loss>);

/// What such a statement came to.
#[derive(Clone, Debug)]
struct Loss {
    error: SqlError,
    /// Instructions that it took.
    steps: u64,
}

/// Maximum number of statements of one entry that may end the transaction. Each makes what comes before it run once more, so
/// what comes after the last fails.
const LOSSES_MAX: usize = 4;

/// Why an attempt to apply entries ended early.
enum Interruption {
    /// The statement at this place of its entry ended the transaction.
    Lost(usize, Loss),
    Fatal(Fatal),
}

impl From<Fatal> for Interruption {
    fn from(fatal: Fatal) -> Self {
        Interruption::Fatal(fatal)
    }
}

impl<R: Rules> StateMachine<R> {
    /// Applies entries, all in one transaction unless one of them ends it: then each in its own. What is returned is committed.
    /// The entries must follow [`StateMachine::applied`] without a gap.
    ///
    /// # Errors
    /// [`Fatal`]. A part of the entries may be applied, as the database says when it is opened again; the state machine must
    /// not be used any more.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<Vec<Applied>, Fatal> {
        let mut expected = self.state.applied.index;
        for entry in entries {
            expected = expected.next();
            assert_eq!(entry.index, expected, "entries are applied in order, none twice, none left out");
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let asked = entries.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let before = self.state;
        match self.attempt(entries, &asked, &Losses::default()) {
            Ok(applied) => Ok(applied),
            Err(Interruption::Fatal(fatal)) => Err(fatal),
            Err(Interruption::Lost(place, loss)) => {
                self.restore(before, true)?;
                // In a transaction of its own an entry would have done the same up to there.
                let known =
                    |alone: bool| if alone { Losses([(place, loss.clone())].into()) } else { Losses::default() };
                let each = entries.iter().zip(&asked);
                each.map(|(entry, asked)| self.apply_alone(entry, asked, known(entries.len() == 1))).collect()
            }
        }
    }

    /// Applies an entry in a transaction of its own, leaving out what was found to end it: `losses` are known from the start.
    fn apply_alone(&mut self, entry: &Entry, asked: &Option<Asked>, mut losses: Losses) -> Result<Applied, Fatal> {
        let before = self.state;
        loop {
            match self.attempt(std::slice::from_ref(entry), std::slice::from_ref(asked), &losses) {
                Ok(mut applied) => return Ok(applied.remove(0)),
                Err(Interruption::Fatal(fatal)) => return Err(fatal),
                Err(Interruption::Lost(place, loss)) => {
                    self.restore(before, true)?;
                    let known = losses.0.insert(place, loss);
                    assert!(known.is_none(), "a statement that is left out cannot end the transaction");
                }
            }
        }
    }

    fn attempt(
        &mut self,
        entries: &[Entry],
        asked: &[Option<Asked>],
        losses: &Losses,
    ) -> Result<Vec<Applied>, Interruption> {
        self.begin()?;
        self.database.begin_unit(true);
        let mut applied = Vec::with_capacity(entries.len());
        for (entry, asked) in entries.iter().zip(asked) {
            let mut removed_sessions = false;
            let reply = match asked {
                Some(Asked::Execute(command)) => {
                    let meter = Meter { bytes: RESULT_BYTES_MAX, steps: self.state.limits.entry_steps };
                    let unit = Unit::new(entries.len() == 1, command, losses, meter);
                    Some(self.execute_once(entry.position(), command, unit)?)
                }
                Some(Asked::Register(registration)) => {
                    removed_sessions = self.register(entry.position(), *registration)?;
                    Some(Ok(Reply { index: entry.index.0, term: entry.term.0, results: Vec::new() }))
                }
                None => None,
            };
            if entry.kind == EntryKind::Configuration {
                let saved = store::save_membership(&self.database, entry.index, &entry.payload);
                saved.map_err(Fatal::own("storing the membership"))?;
                let unreadable = |reason| Fatal::Entry { position: entry.position(), reason };
                self.state.limits = limits(&entry.payload).map_err(unreadable)?;
                self.database.set_limits(self.state.limits);
            }
            self.refresh_sums()?;
            self.state.applied = entry.position();
            let digest = self.state.sums.digest();
            let (position, entry_hash) = (entry.position(), entry_hash(entry));
            applied.push(Applied { position, digest, reply, removed_sessions, entry_hash });
        }
        store::save(&self.database, &self.state.stored()).map_err(Fatal::own("storing the applied position"))?;
        self.own("/*lockstep*/ COMMIT", "committing a transaction")?;
        Ok(applied)
    }

    /// Opens a session. Returns whether that removed expired ones.
    fn register(&mut self, position: Position, registration: Registration) -> Result<bool, Fatal> {
        let changes = self.database.connection().total_changes();
        sessions::register(&self.database, position.index, registration.lifetime)
            .map_err(Fatal::own("registering a session"))?;
        self.state.sums.rows = self.database.tracker().rows();
        // The new session is one row; whatever else changed were rows of expired ones.
        Ok(self.database.connection().total_changes() > changes + 1)
    }

    /// Executes an entry, unless its session says that it was executed before or must not be.
    fn execute_once(
        &mut self,
        position: Position,
        command: &Command,
        unit: Unit<'_>,
    ) -> Result<Result<Reply, SessionError>, Interruption> {
        let Position { index, term } = position;
        let reply = |results| Reply { index: index.0, term: term.0, results };
        let Some(request) = command.session else { return Ok(Ok(reply(self.execute(command, unit)?))) };
        let hash = command.content_hash();
        let admission =
            sessions::admit(&self.database, index, request, hash).map_err(Fatal::own("reading a session"))?;
        let (answer, session, new) = match admission {
            Admission::Refused(SessionError::Expired) if self.rules.breaks(Rule::RefuseExpired) => {
                return Ok(Ok(reply(self.execute(command, unit)?)));
            }
            Admission::Refused(error) => return Ok(Err(error)),
            Admission::Executed(session, answer) => (answer, session, false),
            // Nothing may have been written before: a unit that is alone undoes the whole transaction when it fails.
            Admission::New(session) => (Ok(reply(self.execute(command, unit)?)), session, true),
        };
        let new = answer.as_ref().ok().filter(|_| new).map(|reply| (hash, reply));
        sessions::keep(&self.database, index, request, session, new).map_err(Fatal::own("keeping an outcome"))?;
        self.state.sums.rows = self.database.tracker().rows();
        Ok(answer)
    }

    /// Runs the statements of an entry. The whole of an atomic batch is one unit, otherwise each statement is one.
    fn execute(&mut self, command: &Command, mut unit: Unit<'_>) -> Result<Vec<StatementResult>, Interruption> {
        self.state.time_us = self.state.time_us.max(command.time_us);
        let now = (!self.rules.breaks(Rule::PinClock)).then_some(self.state.time_us);
        self.database.begin_entry(now, command.seed);
        let statements = &command.batch.statements;
        for statements in statements.chunks(unit_size(command).max(1)) {
            self.run_unit(&mut unit, statements)?;
        }
        Ok(unit.results)
    }

    /// Runs statements that succeed or fail as one. The last result is the error, if there is one.
    fn run_unit(&mut self, unit: &mut Unit<'_>, statements: &[Statement]) -> Result<(), Interruption> {
        if unit.read_only {
            return self.run_statements(unit, statements).map(|_| ());
        }
        let before = self.state;
        self.database.begin_unit(false);
        if !unit.alone {
            self.own("/*lockstep*/ SAVEPOINT unit", "setting a savepoint")?;
        }
        let mut succeeded = self.run_statements(unit, statements)?;
        if succeeded && self.database.violates_foreign_keys() {
            *unit.results.last_mut().expect("an empty unit violates nothing") = Err(foreign_key());
            succeeded = false;
        }
        match (unit.alone, succeeded) {
            (true, true) => {}
            (true, false) => {
                self.own("/*lockstep*/ ROLLBACK", "undoing a statement")?;
                self.begin()?;
            }
            (false, true) => self.own("/*lockstep*/ RELEASE unit", "releasing a savepoint")?,
            (false, false) => {
                self.own("/*lockstep*/ ROLLBACK TO unit", "undoing a statement")?;
                self.own("/*lockstep*/ RELEASE unit", "releasing a savepoint")?;
            }
        }
        if !succeeded {
            self.restore(before, false)?;
        }
        Ok(())
    }

    /// Runs statements up to the first that fails, and says whether all succeeded.
    fn run_statements(&mut self, unit: &mut Unit<'_>, statements: &[Statement]) -> Result<bool, Interruption> {
        for statement in statements {
            let place = unit.results.len();
            let steps = unit.meter.steps;
            let result = match unit.losses.outcome(place, &mut unit.meter) {
                Some(error) => Err(error),
                None => self.run_statement(unit, statement)?,
            };
            if self.database.connection().is_autocommit() {
                let error = result.expect_err("a statement that succeeds leaves the transaction open");
                let loss = Loss { error, steps: steps - unit.meter.steps };
                return Err(Interruption::Lost(place, loss));
            }
            let failed = result.is_err();
            unit.results.push(result.map_err(|error| fitted(error, &mut unit.meter.bytes)));
            if failed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run_statement(&mut self, unit: &mut Unit<'_>, statement: &Statement) -> Result<StatementResult, Fatal> {
        if unit.meter.is_used_up() {
            return Ok(Err(used_up(&self.state.limits)));
        }
        let done = match execute::run(&self.database, statement, unit.read_only, &mut unit.meter) {
            Ok(done) => done,
            Err(Failure::Sql(error)) => return Ok(Err(error)),
            Err(Failure::Fatal(fatal)) => return Err(fatal),
        };
        if !done.wrote {
            return Ok(Ok(done.rows));
        }
        // What the node does for a statement of a user's may fail because of what the user wrote.
        let failures = self.database.disk_failures();
        match self.follow(done.schema, &mut unit.meter) {
            Ok(None) => Ok(Ok(done.rows)),
            Ok(Some(refusal)) => Ok(Err(refused(refusal))),
            Err(error) => match Judge::since(&self.database, failures).failure(error) {
                Failure::Sql(error) => {
                    Ok(Err(refused(format!("the node cannot work with what this makes: {}", error.message))))
                }
                Failure::Fatal(fatal) => Err(fatal),
            },
        }
    }

    /// Brings the state up to date after a statement that wrote. Returns why what it wrote is refused, if it is.
    fn follow(&mut self, schema: bool, meter: &mut Meter) -> rusqlite::Result<Option<String>> {
        let state = &mut self.state;
        state.sums.rows = self.database.tracker().rows();
        if schema {
            let version = schema_version(&self.database)?;
            state.stale |= version != state.schema_version;
            state.schema_version = version;
            state.has_sequence = has_sequence(&self.database)?;
            self.database.read_views()?;
            let (refusal, size) = self.inspector.refusal(&self.database)?;
            // The node's own work grows with the schema, each time that it changes.
            let looked_at = size.objects as u64 * STEPS_AN_OBJECT + size.searched as u64;
            meter.steps = meter.steps.saturating_sub(looked_at);
            if refusal.is_some() {
                return Ok(refusal);
            }
        }
        state.sums.sequence = 0;
        if state.has_sequence {
            let mut statement = self.database.own(digest::READ_SEQUENCE)?;
            let sequence = digest::read_sequence(&mut statement)?;
            state.sums.sequence = sequence.sum;
            return Ok(sequence.exhausted.then(|| LARGEST.to_owned()));
        }
        Ok(None)
    }

    /// Computes the sums anew that the last entry left stale.
    fn refresh_sums(&mut self) -> Result<(), Fatal> {
        if self.state.stale {
            let connection = self.database.connection();
            self.state.sums.rows = digest::scan_rows(connection).map_err(Fatal::own("reading all tables"))?;
            self.state.sums.schema = digest::scan_schema(connection).map_err(Fatal::own("reading the schema"))?;
            self.database.tracker().set_rows(self.state.sums.rows);
            self.state.stale = false;
        }
        Ok(())
    }

    /// Sets the state back to what it was, as the database was: to before a unit, or to before the whole transaction.
    fn restore(&mut self, before: State, transaction: bool) -> Result<(), Fatal> {
        self.database.undo_schema(transaction).map_err(Fatal::own("reading the schema anew"))?;
        self.state = before;
        self.database.tracker().set_rows(before.sums.rows);
        self.database.set_limits(before.limits);
        Ok(())
    }

    fn begin(&self) -> Result<(), Fatal> {
        self.own("/*lockstep*/ BEGIN IMMEDIATE", "beginning a transaction")
    }

    fn own(&self, sql: &'static str, doing: &'static str) -> Result<(), Fatal> {
        self.database.own(sql).and_then(|mut statement| statement.raw_execute()).map_err(Fatal::own(doing)).map(|_| ())
    }
}

/// What the units of one entry share.
struct Unit<'a> {
    read_only: bool,
    /// Whether the transaction holds nothing but this one unit: it needs no savepoint then.
    alone: bool,
    losses: &'a Losses,
    /// What further statements may use.
    meter: Meter,
    results: Vec<StatementResult>,
}

impl<'a> Unit<'a> {
    /// Of an entry. `alone` says that the transaction holds no other one.
    fn new(alone: bool, command: &Command, losses: &'a Losses, meter: Meter) -> Unit<'a> {
        Unit {
            read_only: command.read_only,
            alone: alone && unit_size(command) >= command.batch.statements.len(),
            losses,
            meter,
            results: Vec::new(),
        }
    }
}

impl Losses {
    /// What the statement at a place comes to without being executed, if it is not to be.
    fn outcome(&self, place: usize, meter: &mut Meter) -> Option<SqlError> {
        if let Some(Loss { error, steps }) = self.0.get(&place) {
            meter.steps = meter.steps.saturating_sub(*steps);
            return Some(error.clone());
        }
        let (last, _) = self.0.last_key_value()?;
        (self.0.len() >= LOSSES_MAX && place > *last).then(|| refused(GIVEN_UP))
    }
}

const GIVEN_UP: &str = "not executed: too many statements before it ended the transaction (OR ROLLBACK, RAISE(ROLLBACK), or too \
                        long a write); send them one by one, or use OR ABORT";

/// How many of a command's statements succeed or fail as one.
fn unit_size(command: &Command) -> usize {
    if command.batch.atomic { command.batch.statements.len() } else { 1 }
}

const LARGEST: &str = "a counter or a rowid of 9223372036854775807 in sqlite_sequence is refused: no row could be inserted after \
                       it, or only one with a random rowid";

/// What looking at one object of the schema costs, in SQLite's instructions. Each byte of a view or trigger costs one besides.
const STEPS_AN_OBJECT: u64 = 15;

/// What statements may cost, as the entry of a configuration says.
pub(super) fn limits(payload: &[u8]) -> Result<Limits, String> {
    let configuration = Configuration::decode(payload).map_err(|error| error.to_string())?;
    match configuration.settings.is_empty() {
        true => Ok(Limits::default()),
        false => Limits::decode(&configuration.settings).map_err(|error| error.to_string()),
    }
}

fn decode(entry: &Entry) -> Result<Option<Asked>, Fatal> {
    let unreadable = |error: DecodeError| Fatal::Entry { position: entry.position(), reason: error.to_string() };
    match entry.kind {
        EntryKind::Data => Command::decode(&entry.payload).map(|command| Some(Asked::Execute(command))),
        EntryKind::Session => Registration::decode(&entry.payload).map(|asked| Some(Asked::Register(asked))),
        EntryKind::Noop | EntryKind::Configuration | EntryKind::Digest => Ok(None),
    }
    .map_err(unreadable)
}

/// What SQLite would report at the end of a transaction that is not part of a larger one.
fn foreign_key() -> SqlError {
    SqlError { code: rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY, message: "FOREIGN KEY constraint failed".to_owned() }
}
