//! What a client session promises: a request is executed once, and whoever sends it again is told what it came to.

use bytes::Bytes;
use lockstep_node::api::{Reply, SessionError, SessionSequence, Statement, Value};
use lockstep_node::raft::{Entry, EntryKind, Index};
use lockstep_node::state_machine::{Applied, Command, Fatal, OUTCOME_BYTES_MAX, Registration};

use super::{Machine, apply_in_batches, command, converge, entry, message, results};

const LIFETIME: u32 = 10;

/// A request of the session that entry 1 registered.
fn request(sequence: u64, done_below: u64, sql: &[&str]) -> Command {
    let session = Some(SessionSequence { session: 1, sequence, done_below });
    Command { session, ..command(sql, true) }
}

fn registration() -> (EntryKind, Bytes) {
    (EntryKind::Session, Registration { lifetime: LIFETIME }.encode())
}

/// A log of these payloads, from index 1.
fn log(payloads: impl IntoIterator<Item = (EntryKind, Bytes)>) -> Vec<Entry> {
    (1..).zip(payloads).map(|(index, (kind, payload))| entry(Index(index), kind, payload)).collect()
}

/// A log of a registration, a table, and these requests, from index 3.
fn requests(commands: impl IntoIterator<Item = Command>) -> Vec<Entry> {
    let table = command(&["CREATE TABLE t(a INTEGER PRIMARY KEY, b)"], true);
    let data = [table].into_iter().chain(commands).map(|command| (EntryKind::Data, command.encode()));
    log([registration()].into_iter().chain(data))
}

impl Machine {
    /// Applies one entry after those before it.
    fn apply(&mut self, kind: EntryKind, payload: Bytes) -> Applied {
        let entry = entry(self.machine.applied().index.next(), kind, payload);
        let applied = self.machine.apply(&[entry]).unwrap().remove(0);
        self.machine.verify().unwrap();
        applied
    }

    fn ask(&mut self, command: &Command) -> Result<Reply, SessionError> {
        self.apply(EntryKind::Data, command.encode()).reply.unwrap()
    }

    /// With the session that entry 1 registers, and a table `t`.
    fn with_session() -> Machine {
        let mut machine = Machine::new();
        machine.machine.apply(&requests([])).unwrap();
        machine
    }

    /// Lets entries pass that use no session, so that the next one has this index.
    fn skip_to(&mut self, index: u64) {
        while self.machine.applied().index.next() < Index(index) {
            self.apply(EntryKind::Noop, Bytes::new());
        }
    }

    /// How many rows one of Lockstep's own tables has.
    fn count(&self, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.directory.path().join("db")).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}

const ADD: &[&str] = &["INSERT INTO t(b) VALUES (random()) RETURNING a, b"];

#[test]
fn a_request_that_comes_again_has_the_first_reply_also_after_a_restart() {
    let mut machine = Machine::with_session();
    let first = machine.ask(&request(1, 1, ADD)).unwrap();
    assert_eq!((first.index, first.term), (3, 3));
    let again = Command { time_us: 5, seed: 99, ..request(1, 1, ADD) };
    assert_eq!(machine.ask(&again), Ok(first.clone()));
    let mut machine = machine.reopen();
    assert_eq!(machine.ask(&again), Ok(first));
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(1));
}

#[test]
fn a_request_that_failed_fails_again_though_it_would_succeed_now() {
    let mut machine = Machine::with_session();
    let wrong = request(1, 1, &["INSERT INTO later VALUES (1)"]);
    let first = machine.ask(&wrong).unwrap();
    assert_eq!(message(&first.results[0]), "no such table: later");
    machine.run(&["CREATE TABLE later(a)"]);
    assert_eq!(machine.ask(&wrong), Ok(first));
}

#[test]
fn a_number_that_is_used_again_for_something_else_is_refused() {
    let mut machine = Machine::with_session();
    machine.ask(&request(1, 1, ADD)).unwrap();
    let other = request(1, 1, &["INSERT INTO t(b) VALUES (2)"]);
    assert_eq!(machine.ask(&other), Err(SessionError::SequenceReused));
    let as_query = Command { read_only: true, ..request(1, 1, ADD) };
    assert_eq!(machine.ask(&as_query), Err(SessionError::SequenceReused));
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(1));
}

#[test]
fn what_the_client_has_done_with_is_forgotten_and_never_executed_again() {
    let mut machine = Machine::with_session();
    machine.ask(&request(1, 1, ADD)).unwrap();
    machine.ask(&request(2, 1, ADD)).unwrap();
    machine.ask(&request(3, 1, ADD)).unwrap();
    assert_eq!(machine.count("_lockstep_outcomes"), 2, "the last one stands in the session's row");
    machine.ask(&request(4, 3, ADD)).unwrap();
    assert_eq!(machine.count("_lockstep_outcomes"), 1);
    assert_eq!(machine.ask(&request(2, 1, ADD)), Err(SessionError::SequenceForgotten));
    // Also one that never came before: the client gave it up.
    assert_eq!(machine.ask(&request(0, 0, ADD)), Err(SessionError::SequenceForgotten));
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(4));
}

#[test]
fn requests_of_which_several_are_under_way_each_have_their_own_reply() {
    let mut machine = Machine::with_session();
    let replies: Vec<_> = [3, 1, 2].map(|sequence| machine.ask(&request(sequence, 1, ADD)).unwrap()).into();
    let again: Vec<_> = [3, 1, 2].map(|sequence| machine.ask(&request(sequence, 1, ADD)).unwrap()).into();
    assert_eq!(again, replies);
    // The last that was executed has the smallest number: the others are kept beside it.
    machine.ask(&request(3, 3, ADD)).unwrap();
    assert_eq!(machine.ask(&request(2, 2, ADD)), Err(SessionError::SequenceForgotten));
    assert_eq!(machine.ask(&request(3, 3, ADD)), Ok(replies[0].clone()));
    machine.ask(&request(4, 4, ADD)).unwrap();
    assert_eq!(machine.count("_lockstep_outcomes"), 0);
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(4));
}

#[test]
fn a_number_that_sqlite_takes_for_negative_is_never_executed() {
    let mut machine = Machine::with_session();
    for sequence in [u64::MAX, 1 << 63] {
        assert_eq!(machine.ask(&request(sequence, 1, ADD)), Err(SessionError::SequenceForgotten));
    }
    machine.ask(&request(1, u64::MAX, ADD)).unwrap();
    machine.ask(&request(1, 1, ADD)).unwrap();
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(1));
}

#[test]
fn a_session_expires_when_it_was_not_used_for_exactly_its_lifetime() {
    let lifetime = u64::from(LIFETIME);
    let mut machine = Machine::with_session();
    machine.ask(&request(1, 1, ADD)).unwrap();
    machine.skip_to(3 + lifetime);
    machine.ask(&request(2, 2, ADD)).unwrap();
    let used = 3 + lifetime;
    machine.skip_to(used + lifetime + 1);
    assert_eq!(machine.ask(&request(3, 3, ADD)), Err(SessionError::Expired));
    assert_eq!(machine.ask(&request(2, 2, ADD)), Err(SessionError::Expired), "an answer has expired with it");
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(2));
}

#[test]
fn a_retry_keeps_the_session_and_a_refusal_does_not() {
    let lifetime = u64::from(LIFETIME);
    let mut machine = Machine::with_session();
    machine.ask(&request(1, 1, ADD)).unwrap();
    machine.skip_to(3 + lifetime - 1);
    machine.ask(&request(1, 1, ADD)).unwrap();
    assert!(machine.ask(&request(1, 1, &["SELECT 1"])).is_err());
    let used = 3 + lifetime - 1;
    machine.skip_to(used + lifetime);
    machine.ask(&request(2, 2, ADD)).unwrap();
    machine.skip_to(used + 2 * lifetime);
    assert!(machine.ask(&request(2, 2, &["SELECT 1"])).is_err());
    assert_eq!(machine.ask(&request(3, 3, ADD)), Err(SessionError::Expired));
}

#[test]
fn expired_sessions_are_removed_with_the_next_registration_and_no_others() {
    let mut machine = Machine::with_session();
    machine.ask(&request(1, 1, ADD)).unwrap();
    machine.ask(&request(2, 1, ADD)).unwrap();
    let (kind, payload) = registration();
    machine.skip_to(4 + u64::from(LIFETIME));
    assert!(machine.apply(kind, payload.clone()).reply.unwrap().unwrap().results.is_empty());
    assert_eq!((machine.count("_lockstep_sessions"), machine.count("_lockstep_outcomes")), (2, 1));
    machine.apply(kind, payload);
    assert_eq!((machine.count("_lockstep_sessions"), machine.count("_lockstep_outcomes")), (2, 0));
}

#[test]
fn a_session_that_nobody_registered_executes_nothing() {
    let mut machine = Machine::new();
    machine.run(&["CREATE TABLE t(a INTEGER PRIMARY KEY, b)"]);
    assert_eq!(machine.ask(&request(1, 1, ADD)), Err(SessionError::Expired));
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(0));
}

#[test]
fn results_that_are_too_large_to_be_kept_are_told_once_and_the_fact_of_them_again() {
    let mut machine = Machine::with_session();
    let name = "n".repeat(2000);
    let failing = format!("SELECT * FROM {name}");
    let mut many = Command { session: None, ..command(&vec![failing.as_str(); OUTCOME_BYTES_MAX / 1000], false) };
    many.batch.statements.push(Statement::new("INSERT INTO t(b) VALUES (1)"));
    many.session = request(1, 1, &[]).session;
    let first = machine.ask(&many).unwrap();
    assert_eq!(first.results.len(), many.batch.statements.len());
    assert_eq!(machine.ask(&many), Err(SessionError::ResultsNotKept { index: 3, term: 3 }));
    assert_eq!(machine.value("SELECT count(*) FROM t"), Value::Integer(1));
}

#[test]
fn retries_in_one_transaction_are_as_one_by_one() {
    let commands = [
        request(1, 1, ADD),
        Command { seed: 8, ..request(1, 1, ADD) },
        request(2, 2, &["INSERT INTO t(b) VALUES (1)", "INSERT OR ROLLBACK INTO t VALUES (1, 1)"]),
        request(2, 2, &["INSERT INTO t(b) VALUES (1)", "INSERT OR ROLLBACK INTO t VALUES (1, 1)"]),
        request(1, 1, ADD),
        request(2, 2, ADD),
        request(3, 3, &["CREATE TABLE u(a)", "INSERT INTO u VALUES (random())"]),
        Command { seed: 9, ..request(3, 3, &["CREATE TABLE u(a)", "INSERT INTO u VALUES (random())"]) },
        command(ADD, false),
    ];
    let (applied, dump) = converge(&requests(commands));
    let replies: Vec<_> = applied[2..].iter().map(|applied| applied.reply.clone().unwrap()).collect();
    let index = |reply: &Result<Reply, SessionError>| reply.clone().map(|reply| reply.index);
    let (forgotten, reused) = (Err(SessionError::SequenceForgotten), Err(SessionError::SequenceReused));
    assert_eq!(
        replies.iter().map(index).collect::<Vec<_>>(),
        [Ok(3), Ok(3), Ok(5), Ok(5), forgotten, reused, Ok(9), Ok(9), Ok(11)]
    );
    assert_eq!(replies[0], replies[1]);
    assert_eq!(results(&applied[5]).iter().map(Result::is_err).collect::<Vec<_>>(), [false, true]);
    let rows = dump.tables.iter().map(|table| (table.name.as_str(), table.rows.len())).collect::<Vec<_>>();
    assert_eq!(rows, [("t", 2), ("u", 1)], "the tables of sessions are not the user's");
}

#[test]
fn every_entry_with_a_session_moves_the_digest() {
    let (applied, _) =
        apply_in_batches(&requests([request(1, 1, &["SELECT 1"]), request(1, 1, &["SELECT 1"])]), 1, false);
    assert_ne!(applied[1].digest, applied[2].digest, "an outcome is kept");
    assert_ne!(applied[2].digest, applied[3].digest, "the session was used");
}

#[test]
fn a_lost_or_changed_session_is_found_when_the_contents_are_verified() {
    let spoil = |sql: &str| {
        let mut machine = Machine::with_session();
        machine.ask(&request(1, 1, ADD)).unwrap();
        machine.ask(&request(2, 1, ADD)).unwrap();
        let connection = rusqlite::Connection::open(machine.directory.path().join("db")).unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
        drop(connection);
        assert!(matches!(machine.machine.verify(), Err(Fatal::Contents { .. })), "{sql}");
        assert!(matches!(machine.reopen().machine.verify(), Err(Fatal::Contents { .. })), "{sql}");
    };
    spoil("DELETE FROM _lockstep_sessions");
    spoil("DELETE FROM _lockstep_outcomes");
    spoil("UPDATE _lockstep_sessions SET done_below = 2");
    spoil("UPDATE _lockstep_sessions SET outcome = x'00'");
    spoil("UPDATE _lockstep_outcomes SET outcome = x'00'");
}

#[test]
fn users_neither_read_nor_write_sessions() {
    let mut machine = Machine::with_session();
    for sql in [
        "SELECT * FROM _lockstep_sessions",
        "DELETE FROM _lockstep_outcomes",
        "UPDATE _LOCKSTEP_SESSIONS SET used = 9",
        "DROP TABLE _lockstep_sessions",
        "CREATE TRIGGER x AFTER INSERT ON _lockstep_outcomes BEGIN SELECT 1; END",
    ] {
        let result = machine.one(sql);
        assert!(message(&result).contains("is refused: Lockstep keeps its own state"), "{sql}: {result:?}");
    }
}
