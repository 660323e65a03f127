//! What an entry of kind data carries.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

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

/// A payload that is not a command of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It says that it is of another version.
    #[error("its format is {found}, and this node knows only {VERSION}: the log was written by another release")]
    Version {
        /// The version it names.
        found: u8,
    },
    /// It is cut short or damaged.
    #[error("its bytes are not a command")]
    Malformed,
}

/// The format of the bytes, which are the first of them.
const VERSION: u8 = 1;

impl Command {
    /// The command as bytes.
    pub fn encode(&self) -> Bytes {
        postcard::to_extend(self, vec![VERSION]).expect("every command has an encoding").into()
    }

    /// The command from its bytes.
    ///
    /// # Errors
    /// When the bytes are not a command of this version.
    pub fn decode(bytes: &[u8]) -> Result<Command, DecodeError> {
        match bytes.split_first() {
            None => Err(DecodeError::Malformed),
            Some((&VERSION, body)) => postcard::from_bytes(body).map_err(|_| DecodeError::Malformed),
            Some((&found, _)) => Err(DecodeError::Version { found }),
        }
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
}
