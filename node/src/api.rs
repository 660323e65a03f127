//! The client's vocabulary: requests, statements, values, read levels, results and errors.
//!
//! A client sends one [`Request`] to any node and gets one [`Response`]. A node that does not lead passes the request on
//! to the leader, at most once. What a client may conclude from an error is said by [`Error::is_unknown`]: an unknown
//! outcome means that the write may have happened, may still happen, or may never happen.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a client asks of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The client's session and the number of this request within it, once the client has registered a session.
    pub session: Option<SessionSequence>,
    /// What is to be done.
    pub command: Command,
}

/// A session and the sequence number of a request within it. A request is executed once however often it is sent with the
/// same pair, and whoever sends it again gets the reply of that execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionSequence {
    /// The index of the log entry that registered the session.
    pub session: u64,
    /// The number of the request within the session, from 1 to 2^63 - 1.
    pub sequence: u64,
    /// The client will never again ask for a sequence number below this one: what those requests came to is forgotten
    /// when this one is executed. Not more than `sequence`.
    pub done_below: u64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Statements that may write. They go through the log.
    Execute(Batch),
    /// Statements that only read, at a level of consistency.
    Query(Batch, ReadLevel),
    /// Opens a session. The reply's index is the session's number, and it has no results. Asked twice, it opens two.
    Register,
    /// Who takes part, as far as the node that is asked knows. The result is one row a member: its id in hexadecimal digits,
    /// its address, its part (`voter`, `learner`, `leaving` or `none`), whether it leads, whether it is the one that answers.
    Members,
    /// Who takes part is to change, all of it in one step. The answer comes when it is done.
    Change(Vec<MemberChange>),
    /// This voter is to lead.
    Transfer(Member),
}

/// One thing that changes in who takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberChange {
    /// A new node receives the log, and does not vote yet.
    AddLearner {
        /// Its id, as it says itself.
        id: u64,
        /// Where the others reach it.
        address: String,
    },
    /// A learner that has caught up votes from now on.
    Promote(Member),
    /// A node takes part no more. Its id never comes back: its disk must be emptied before it is used again.
    Remove(Member),
}

/// How a member is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Member {
    /// By its id.
    Id(u64),
    /// By its address, if only one has it.
    Address(String),
}

/// Statements that travel as one log entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The statements, in order.
    pub statements: Vec<Statement>,
    /// Whether the first failing statement undoes the whole batch. Otherwise each statement stands alone: one that
    /// fails leaves nothing behind and the next ones run.
    pub atomic: bool,
}

/// One SQL statement and the values bound to its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Exactly one statement of SQLite's SQL.
    pub sql: String,
    /// The values of its parameters.
    pub parameters: Parameters,
}

/// The values of a statement's parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Parameters {
    /// The first value goes to `?1`, the second to `?2`, and so on; as many as the statement has.
    Positional(Vec<Value>),
    /// Values by name, without the `:`, `@` or `$`; exactly those that the statement names.
    Named(Vec<(String, Value)>),
}

/// A value of one of SQLite's five storage classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// NULL.
    Null,
    /// A 64-bit signed integer.
    Integer(i64),
    /// A 64-bit float. NaN becomes NULL when it is bound, as in SQLite.
    Real(f64),
    /// Text. It may contain NUL characters.
    Text(String),
    /// Bytes.
    Blob(Bytes),
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadLevel {
    /// Whatever the node that is asked has executed. It may be any time behind.
    None,
    /// Whatever a node that takes itself for the leader has executed. It may have been deposed without knowing.
    Weak,
    /// It sees every write that was acknowledged before it was asked: the node that is asked makes sure, through the leader,
    /// that it has executed all of them. Nothing is written.
    Linearizable,
    /// Through the log, like a write: it sees every write that was acknowledged before it was asked.
    Strong,
}

/// What a node answers.
pub type Response = Result<Reply, Error>;

/// The result of a request that was executed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The index of the log entry that did it. Of a request that was sent again: the entry that executed it the first time.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// One result a statement. In an atomic batch that failed, the failing statement's error is the last.
    pub results: Vec<StatementResult>,
}

/// What one statement did.
pub type StatementResult = Result<Rows, SqlError>;

/// The rows that a statement returned and the number of rows that it changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Names of the result columns; empty for a statement that returns no rows.
    pub columns: Vec<String>,
    /// The rows, each with one value a column.
    pub rows: Vec<Vec<Value>>,
    /// Rows inserted, updated or deleted by the statement itself, as `sqlite3_changes` counts them.
    pub rows_affected: u64,
}

/// An error that is part of the result: the same on every replica, with no effect left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// SQLite's extended result code, for instance 2067 for a violated UNIQUE constraint; 0 where Lockstep itself refuses.
    pub code: i32,
    /// What is wrong, and where Lockstep refuses, what to write instead.
    pub message: String,
}

/// Why a request got no reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Error {
    /// The node does not lead and knows no leader, or the request was already passed on once. Nothing was done.
    #[error("not the leader{}", .leader.as_ref().map(|l| format!("; {l} is")).unwrap_or_default())]
    NotLeader {
        /// The address of the leader, if the node knows it.
        leader: Option<String>,
    },
    /// The node has taken on as much as it can. Nothing was done; try again later.
    #[error("busy: too many requests are waiting for the log; try again later")]
    Busy,
    /// The node cannot do it now, but may soon. Nothing was done; try again.
    #[error("not now: {0}")]
    Unavailable(String),
    /// The request is malformed or asks for what the node does not do. Nothing was done.
    #[error("{0}")]
    Refused(String),
    /// The outcome is unknown: the node lost its leadership, or the connection broke, after the request was taken on.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// The request was not executed now, for a reason that lies in its session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The system never does what the command asks, on any node: it keeps no sessions, or its members never change. Nothing
    /// was done, and there is no point in asking again.
    #[error("{0}")]
    Unsupported(String),
}

/// Why the entry of a request with a session did not execute it. Every replica decides so at the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SessionError {
    /// The session was never registered, or was not used for as many entries as it lives. The request may have been
    /// executed before that, if it was sent before.
    #[error("the session is unknown or has expired; register another one")]
    Expired,
    /// The sequence number was used before, for a request with other content.
    #[error("the sequence number was used before, for another request; give every request a number of its own")]
    SequenceReused,
    /// The client said before that it would not ask for this sequence number again. The request may have been executed
    /// before that, if it was sent before.
    #[error(
        "the client said before that it would no longer ask for this sequence number; send a request with a new one"
    )]
    SequenceForgotten,
    /// The request was executed when it came first, and what it returned was too large to be kept.
    #[error("the request was executed as entry {index}, but its results were too large to be kept; read what it did")]
    ResultsNotKept {
        /// The index of the entry that executed it.
        index: u64,
        /// The term of that entry.
        term: u64,
    },
}

impl Error {
    /// Whether the request may have been executed, now or later.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Error::Unknown(_))
    }
}

impl Statement {
    /// A statement without parameters.
    pub fn new(sql: impl Into<String>) -> Self {
        Statement { sql: sql.into(), parameters: Parameters::Positional(Vec::new()) }
    }

    /// A statement whose parameters are given in order.
    pub fn with(sql: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Self {
        Statement { sql: sql.into(), parameters: Parameters::Positional(values.into_iter().collect()) }
    }
}

impl std::fmt::Display for Statement {
    /// Writes the text on one line, and the values that are bound to its parameters.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> = self.sql.split_whitespace().collect();
        f.write_str(&words.join(" "))?;
        let values: Vec<String> = match &self.parameters {
            Parameters::Positional(values) => values.iter().map(ToString::to_string).collect(),
            Parameters::Named(values) => values.iter().map(|(name, value)| format!("{name} = {value}")).collect(),
        };
        if values.is_empty() { Ok(()) } else { write!(f, "  [{}]", values.join(", ")) }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl std::fmt::Display for Value {
    /// Writes the value as an SQL literal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Real(value) => write!(f, "{value:?}"),
            Value::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
            Value::Blob(value) => {
                f.write_str("x'")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("'")
            }
        }
    }
}
