//! What entries of clients carry.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::api::{Batch, SessionSequence};

/// The payload of [`EntryKind::Data`](crate::raft::EntryKind::Data): statements, and all that their execution depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// What "now" is: the leader's time in microseconds since 1970-01-01 00:00 UTC. Where it is less than an earlier
    /// entry's, that one's counts.
    pub time_us: u64,
    /// The seed of `random()` and `randomblob()`.
    pub seed: u64,
    /// The client's session and the number of the request within it, if it has one.
    pub session: Option<SessionSequence>,
    /// The batch was sent as a query: a statement in it that would write is refused.
    pub read_only: bool,
    /// The statements.
    pub batch: Batch,
}

/// The payload of [`EntryKind::Session`](crate::raft::EntryKind::Session): the session's number is the entry's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The session expires when it was not used for so many entries. The leader chooses it, so that replicas agree
    /// whatever they are set to.
    pub lifetime: u32,
}

/// A payload that is not of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It says that it is of another version.
    #[error("its format is {found}, and this node knows only {VERSION}: the log was written by another release")]
    Version {
        /// The version it names.
        found: u8,
    },
    /// It is cut short or damaged.
    #[error("its bytes are not what its kind says")]
    Malformed,
}

/// The format of the bytes, which are the first of them.
const VERSION: u8 = 1;

impl Command {
    /// The command as bytes.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// The command from its bytes.
    ///
    /// # Errors
    /// When the bytes are not a command of this version.
    pub fn decode(bytes: &[u8]) -> Result<Command, DecodeError> {
        decode(bytes)
    }

    /// A hash of what the client asked: two commands with the same one are the same request, whenever each was proposed.
    pub fn content_hash(&self) -> u128 {
        let content = postcard::to_stdvec(&(&self.batch, self.read_only)).expect("every batch has an encoding");
        xxh3_128(&content)
    }
}

impl Registration {
    /// The registration as bytes.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// The registration from its bytes.
    ///
    /// # Errors
    /// When the bytes are not a registration of this version.
    pub fn decode(bytes: &[u8]) -> Result<Registration, DecodeError> {
        decode(bytes)
    }
}

fn encode(payload: &impl Serialize) -> Bytes {
    postcard::to_extend(payload, vec![VERSION]).expect("every payload has an encoding").into()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    match bytes.split_first() {
        None => Err(DecodeError::Malformed),
        Some((&VERSION, body)) => postcard::from_bytes(body).map_err(|_| DecodeError::Malformed),
        Some((&found, _)) => Err(DecodeError::Version { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Statement, Value};

    #[test]
    fn a_command_survives_its_encoding_and_nothing_else_does() {
        let statements = vec![Statement::with("SELECT ?", [Value::Real(0.5)])];
        let batch = Batch { statements, atomic: true };
        let command = Command { time_us: u64::MAX, seed: 7, session: None, read_only: false, batch };
        let bytes = command.encode();
        assert_eq!(Command::decode(&bytes), Ok(command));
        assert_eq!(Command::decode(&bytes[..bytes.len() - 1]), Err(DecodeError::Malformed));
        assert_eq!(Command::decode(&[]), Err(DecodeError::Malformed));
        assert_eq!(Command::decode(&[9, 0]), Err(DecodeError::Version { found: 9 }));
    }

    #[test]
    fn the_hash_of_the_content_is_the_clients_alone() {
        let batch = |sql: &str| Batch { statements: vec![Statement::new(sql)], atomic: true };
        let command = |sql, read_only| Command { time_us: 1, seed: 7, session: None, read_only, batch: batch(sql) };
        let asked = command("SELECT 1", false).content_hash();
        assert_eq!(Command { time_us: 2, seed: 8, ..command("SELECT 1", false) }.content_hash(), asked);
        assert_ne!(command("SELECT 2", false).content_hash(), asked);
        assert_ne!(command("SELECT 1", true).content_hash(), asked);
    }
}
