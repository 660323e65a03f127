//! Client sessions: why a request that is sent twice is executed once.
//!
//! A session is a row, named by the index of the entry that registered it. What a request of it came to is a row of its own,
//! beside the data and in the same transaction, until the client says that it no longer asks. So whatever happens to
//! nodes and answers in between, a request that comes again finds the outcome of the first.
//!
//! A session that was not used for as many entries as it lives is expired. That depends on nothing but the log, so
//! replicas agree on it. The rows of expired ones are removed now and then when another session is registered.

use rusqlite::{OptionalExtension, params};

use crate::api::{Reply, SessionError, SessionSequence, StatementResult};
use crate::raft::Index;
use crate::sqlite::SESSION_TABLES;
use crate::sqlite::database::Database;

/// The longest encoding of a request's results that is kept, in bytes. One that is longer is returned once; after that only
/// the fact remains.
pub const OUTCOME_BYTES_MAX: usize = super::RESULT_BYTES_MAX;

/// Expired sessions are removed so many times at most while as many entries pass as the newest session lives.
const REMOVALS_A_LIFETIME: u32 = 64;

/// The table of sessions.
pub const SESSIONS: &str = SESSION_TABLES[0];

/// The table of what requests came to.
pub const OUTCOMES: &str = SESSION_TABLES[1];

/// Creates the tables.
pub const SCHEMA: &str = "
    CREATE TABLE _lockstep_sessions(
        session INTEGER PRIMARY KEY,
        used INTEGER NOT NULL,
        lifetime INTEGER NOT NULL,
        done_below INTEGER NOT NULL
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
    /// It is to be executed.
    New,
    /// It was executed before; this is the answer.
    Executed(Result<Reply, SessionError>),
    /// It must not be executed.
    Refused(SessionError),
}

/// Opens the session of an index.
///
/// # Errors
/// What SQLite reports.
pub fn register(database: &Database, at: Index, lifetime: u32) -> rusqlite::Result<()> {
    let newest = "/*lockstep*/ SELECT coalesce(max(session), 0) FROM main._lockstep_sessions";
    let insert = "/*lockstep*/ INSERT INTO main._lockstep_sessions VALUES (?1, ?1, ?2, 1)";
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
    let sql = "/*lockstep*/ SELECT used + lifetime, done_below FROM main._lockstep_sessions WHERE session = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let session = database.own(sql)?.query_row([request.session as i64], read).optional()?;
    let Some((last, done_below)) = session else { return Ok(Admission::Refused(SessionError::Expired)) };
    if at.0 as i64 > last {
        return Ok(Admission::Refused(SessionError::Expired));
    }
    if (request.sequence as i64) < done_below {
        return Ok(Admission::Refused(SessionError::SequenceForgotten));
    }
    Ok(match outcome(database, request)? {
        None => Admission::New,
        Some((found, answer)) if found == hash => Admission::Executed(answer),
        Some(_) => Admission::Refused(SessionError::SequenceReused),
    })
}

/// What a request came to, and the hash of its content.
fn outcome(
    database: &Database,
    request: SessionSequence,
) -> rusqlite::Result<Option<(u128, Result<Reply, SessionError>)>> {
    let sql = "/*lockstep*/ SELECT hash, term, position, outcome FROM main._lockstep_outcomes
        WHERE session = ?1 AND sequence = ?2";
    let read = |row: &rusqlite::Row<'_>| {
        let (term, index) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
        let answer = match row.get_ref(3)?.as_blob_or_null()? {
            Some(bytes) => Ok(Reply { index, term, results: decode(bytes)? }),
            None => Err(SessionError::ResultsNotKept { index, term }),
        };
        Ok((u128::from_be_bytes(row.get(0)?), answer))
    };
    database.own(sql)?.query_row([request.session as i64, request.sequence as i64], read).optional()
}

/// Writes down that a session was used by the entry at an index, forgets what its client no longer asks for, and keeps what
/// a request that was just executed came to, if there is one, with the hash of its content.
///
/// # Errors
/// What SQLite reports.
pub fn keep(
    database: &Database,
    at: Index,
    request: SessionSequence,
    executed: Option<(u128, &Reply)>,
) -> rusqlite::Result<()> {
    let used = "/*lockstep*/ UPDATE main._lockstep_sessions SET used = ?2, done_below = max(done_below, ?3)
        WHERE session = ?1";
    let forget = "/*lockstep*/ DELETE FROM main._lockstep_outcomes WHERE session = ?1 AND sequence < ?2";
    let insert = "/*lockstep*/ INSERT INTO main._lockstep_outcomes VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let [session, sequence, done_below] =
        [request.session, request.sequence, request.done_below].map(|number| number as i64);
    database.own(used)?.execute([session, at.0 as i64, done_below])?;
    database.own(forget)?.execute([session, done_below])?;
    if let Some((hash, Reply { index, term, results })) = executed {
        let outcome = encode(results);
        let values = params![session, sequence, hash.to_be_bytes(), *term as i64, *index as i64, outcome];
        database.own(insert)?.execute(values)?;
    }
    Ok(())
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
