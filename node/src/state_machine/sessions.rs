//! Client sessions: why a request that is sent twice is executed once.
//!
//! A session is a row, named by the index of the entry that registered it, beside the data and in the same transaction. What
//! the last request of it came to stands in that row, because most clients ask one thing at a time: a request reads one row
//! and writes one. What an earlier one came to moves to a table of its own when another is executed, unless the client said
//! that it no longer asks for it. So whatever happens to nodes and answers in between, a request that comes again finds the
//! outcome of the first.
//!
//! A session that was not used for as many entries as it lives is expired. That depends on nothing but the log, so
//! replicas agree on it. The rows of expired ones are removed now and then when another session is registered.

use rusqlite::{OptionalExtension, Row, params};

use crate::api::{Reply, SessionError, SessionSequence, StatementResult};
use crate::raft::Index;
use crate::sqlite::database::Database;

/// The longest encoding of a request's results that is kept, in bytes. One that is longer is returned once; after that only
/// the fact remains.
pub const OUTCOME_BYTES_MAX: usize = super::RESULT_BYTES_MAX;

/// Expired sessions are removed so many times at most while as many entries pass as the newest session lives.
const REMOVALS_A_LIFETIME: u32 = 64;

/// Creates the tables.
pub const SCHEMA: &str = "
    CREATE TABLE _lockstep_sessions(
        session INTEGER PRIMARY KEY,
        lifetime INTEGER NOT NULL,
        used INTEGER NOT NULL,
        done_below INTEGER NOT NULL,
        earlier INTEGER NOT NULL,
        sequence INTEGER,
        hash BLOB,
        term INTEGER,
        position INTEGER,
        outcome BLOB
    ) STRICT;
    CREATE TABLE _lockstep_outcomes(
        session INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        hash BLOB NOT NULL,
        term INTEGER NOT NULL,
        position INTEGER NOT NULL,
        outcome BLOB,
        PRIMARY KEY(session, sequence)
    ) STRICT, WITHOUT ROWID";

/// What a session says of a request.
#[derive(Debug)]
pub enum Admission {
    /// It is to be executed, and the session is in this state.
    New(Session),
    /// It was executed before; this is the answer.
    Executed(Session, Result<Reply, SessionError>),
    /// It must not be executed.
    Refused(SessionError),
}

/// A session, as a request finds it. Its numbers are signed, as SQLite compares them.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// The client no longer asks for what is below.
    done_below: i64,
    /// How many outcomes stand in the table of earlier ones.
    earlier: i64,
    /// The number of the last request that was executed, if there was one.
    last: Option<i64>,
}

/// Opens the session of an index.
///
/// # Errors
/// What SQLite reports.
pub fn register(database: &Database, at: Index, lifetime: u32) -> rusqlite::Result<()> {
    let newest = "/*lockstep*/ SELECT coalesce(max(session), 0) FROM main._lockstep_sessions";
    let insert = "/*lockstep*/ INSERT INTO main._lockstep_sessions(session, used, lifetime, done_below, earlier)
        VALUES (?1, ?1, ?2, 1, 0)";
    let newest: i64 = database.own(newest)?.query_row([], |row| row.get(0))?;
    // An index of what expires next would cost every request a page; looking at all sessions costs this one so often only.
    let every = i64::from(lifetime / REMOVALS_A_LIFETIME).max(1);
    let at = at.0 as i64;
    if newest / every != at / every {
        remove_expired(database, at)?;
    }
    database.own(insert)?.execute(params![at, lifetime]).map(|_| ())
}

fn remove_expired(database: &Database, at: i64) -> rusqlite::Result<()> {
    let outcomes = "/*lockstep*/ DELETE FROM main._lockstep_outcomes WHERE session IN
        (SELECT session FROM main._lockstep_sessions WHERE used + lifetime < ?1)";
    let sessions = "/*lockstep*/ DELETE FROM main._lockstep_sessions WHERE used + lifetime < ?1";
    database.own(outcomes)?.execute([at])?;
    database.own(sessions)?.execute([at]).map(|_| ())
}

/// Looks up a request whose content has this hash, in the entry at an index. Changes nothing.
///
/// # Errors
/// What SQLite reports.
pub fn admit(database: &Database, at: Index, request: SessionSequence, hash: u128) -> rusqlite::Result<Admission> {
    let sequence = request.sequence as i64;
    let sql = "/*lockstep*/ SELECT used + lifetime, done_below, earlier, sequence, hash, term, position, outcome
        FROM main._lockstep_sessions WHERE session = ?1";
    let read = |row: &Row<'_>| {
        let expires = row.get::<_, i64>(0)?;
        let session = Session { done_below: row.get(1)?, earlier: row.get(2)?, last: row.get(3)? };
        let outcome = if session.last == Some(sequence) { Some(outcome(row, 4)?) } else { None };
        Ok((expires, session, outcome))
    };
    let found = database.own(sql)?.query_row([request.session as i64], read).optional()?;
    let Some((expires, session, last)) = found else { return Ok(Admission::Refused(SessionError::Expired)) };
    if at.0 as i64 > expires {
        return Ok(Admission::Refused(SessionError::Expired));
    }
    if sequence < session.done_below {
        return Ok(Admission::Refused(SessionError::SequenceForgotten));
    }
    let outcome = match last {
        None if session.earlier > 0 => earlier(database, request)?,
        last => last,
    };
    Ok(match outcome {
        None => Admission::New(session),
        Some((found, answer)) if found == hash => Admission::Executed(session, answer),
        Some(_) => Admission::Refused(SessionError::SequenceReused),
    })
}

/// The hash of a request's content, and what it came to.
type Outcome = (u128, Result<Reply, SessionError>);

/// What a request came to that was not its session's last.
fn earlier(database: &Database, request: SessionSequence) -> rusqlite::Result<Option<Outcome>> {
    let sql = "/*lockstep*/ SELECT hash, term, position, outcome FROM main._lockstep_outcomes
        WHERE session = ?1 AND sequence = ?2";
    let key = [request.session as i64, request.sequence as i64];
    database.own(sql)?.query_row(key, |row| outcome(row, 0)).optional()
}

/// An outcome, whose four columns begin with this one.
fn outcome(row: &Row<'_>, column: usize) -> rusqlite::Result<Outcome> {
    let hash = u128::from_be_bytes(row.get(column)?);
    let (term, index) = (row.get::<_, i64>(column + 1)? as u64, row.get::<_, i64>(column + 2)? as u64);
    let answer = match row.get_ref(column + 3)?.as_blob_or_null()? {
        Some(bytes) => Ok(Reply { index, term, results: decode(bytes)? }),
        None => Err(SessionError::ResultsNotKept { index, term }),
    };
    Ok((hash, answer))
}

/// Writes down that a session, which is in this state, was used by the entry at an index, forgets what its client no longer
/// asks for, and keeps what a request that was just executed came to, if there is one, with the hash of its content.
///
/// # Errors
/// What SQLite reports.
pub fn keep(
    database: &Database,
    at: Index,
    request: SessionSequence,
    session: Session,
    executed: Option<(u128, &Reply)>,
) -> rusqlite::Result<()> {
    let [key, sequence, at, done_below] =
        [request.session, request.sequence, at.0, request.done_below].map(|number| number as i64);
    let done_below = session.done_below.max(done_below);
    let mut earlier = session.earlier;
    if executed.is_some() && session.last.is_some_and(|last| last >= done_below) {
        let sql = "/*lockstep*/ INSERT INTO main._lockstep_outcomes
            SELECT session, sequence, hash, term, position, outcome FROM main._lockstep_sessions WHERE session = ?1";
        database.own(sql)?.execute([key])?;
        earlier += 1;
    }
    if earlier > 0 && done_below > session.done_below {
        let sql = "/*lockstep*/ DELETE FROM main._lockstep_outcomes WHERE session = ?1 AND sequence < ?2";
        earlier -= database.own(sql)?.execute([key, done_below])? as i64;
    }
    let Some((hash, Reply { index, term, results })) = executed else {
        let sql = "/*lockstep*/ UPDATE main._lockstep_sessions SET used = ?2, done_below = ?3, earlier = ?4
            WHERE session = ?1";
        return database.own(sql)?.execute([key, at, done_below, earlier]).map(|_| ());
    };
    let sql = "/*lockstep*/ UPDATE main._lockstep_sessions SET used = ?2, done_below = ?3, earlier = ?4, sequence = ?5,
        hash = ?6, term = ?7, position = ?8, outcome = ?9 WHERE session = ?1";
    let [term, index] = [*term, *index].map(|number| number as i64);
    let outcome = encode(results);
    let values = params![key, at, done_below, earlier, sequence, hash.to_be_bytes(), term, index, outcome];
    database.own(sql)?.execute(values).map(|_| ())
}

/// Results as they are kept: nothing of those that are too large.
fn encode(results: &[StatementResult]) -> Option<Vec<u8>> {
    let bytes = postcard::to_stdvec(results).expect("all results have an encoding");
    (bytes.len() <= OUTCOME_BYTES_MAX).then_some(bytes)
}

fn decode(bytes: &[u8]) -> rusqlite::Result<Vec<StatementResult>> {
    let malformed = |error: postcard::Error| {
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Blob, Box::new(error))
    };
    postcard::from_bytes(bytes).map_err(malformed)
}
