//! Messages to bytes and back.
//!
//! ```text
//! frame   = version (1 byte) · kind (1 byte) · body (postcard) · XXH3-64 of all before (8 bytes, little endian)
//! ```
//!
//! A frame that is too long, of another version or kind, damaged, or followed by anything is refused as a whole: decoding
//! never panics, and never allocates more than a small multiple of the frame's own length.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::api::{Request, Response};
use crate::log_store::ClusterId;
use crate::raft::{Index, Message, NodeId, Position, Term};
use crate::sqlite::Digest;
use crate::sqlite::fingerprint::Fingerprint;

/// The version of the wire format. Nodes of different versions do not talk.
pub const VERSION: u8 = 1;

/// The longest frame in bytes.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

/// The most bytes that one thing may take which travels in a frame with what belongs to it: a request, the entry that it
/// becomes, a chunk of a copy.
pub const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - 4096;

const CHECKSUM_BYTES: usize = 8;

/// A message between nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// The cluster that the sender belongs to. A message of another cluster is dropped.
    pub cluster: ClusterId,
    /// Who sends it.
    pub from: NodeId,
    /// Whom it is for: an address may meanwhile belong to somebody else.
    pub to: NodeId,
    /// The fingerprint of the sender's build. A message of another one is dropped: what it asks for would be executed otherwise.
    pub fingerprint: Fingerprint,
    /// The sender's boot. A message of an older boot than the newest one heard of is dropped.
    pub from_epoch: u64,
    /// The receiver's boot as last heard by the sender, or 0. A message meant for an earlier boot is dropped.
    pub to_epoch: u64,
    /// The sender's digest at its newest applied and durable index that is divisible by the cluster's interval. It
    /// comes with acknowledgements.
    pub digest: Option<(Index, Digest)>,
    /// What it says.
    pub content: Content,
}

/// What a node says to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing but that the sender is there, in this boot.
    Greeting,
    /// A message of one core to another.
    Raft(Message),
    /// A copy of the database on its way.
    Copy(Part),
}

/// A part of a copy of the database, or an answer to one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// Some bytes of its file.
    Chunk(Chunk),
    /// The answer to a chunk: everything before this offset has come.
    Received {
        /// As in the chunk.
        copy: u64,
        /// Where the next chunk begins.
        offset: u64,
    },
    /// The receiver has installed the copy, or has no use for it.
    Ended {
        /// As in the chunks.
        copy: u64,
    },
}

/// Some bytes of a copy's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Numbers the copies of the sender's boot.
    pub copy: u64,
    /// The term in which the sender leads.
    pub term: Term,
    /// The last entry that was applied to the copy.
    pub at: Position,
    /// The chain of the log there.
    pub chain: u64,
    /// Where in the file the bytes stand.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
    /// With the last chunk, the checksum of the whole file: XXH3, 128 bits.
    pub checksum: Option<u128>,
}

/// A request on its way to the leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Whether a node passed it on already: then it is not passed on again.
    pub forwarded: bool,
    /// The request.
    pub request: Request,
}

/// Something that travels as one frame.
pub trait Frame: Serialize + DeserializeOwned {
    /// Keeps the kinds apart.
    const KIND: u8;
}

impl Frame for Peer {
    const KIND: u8 = 1;
}

impl Frame for Asked {
    const KIND: u8 = 2;
}

impl Frame for Response {
    const KIND: u8 = 3;
}

/// Why bytes are no frame of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than the shortest frame or longer than [`FRAME_BYTES_MAX`].
    #[error("a frame of {0} bytes is impossible")]
    Length(usize),
    /// The checksum does not match.
    #[error("the frame is damaged")]
    Damaged,
    /// Another version of the format.
    #[error("the frame has version {0}; this node speaks version {VERSION}")]
    Version(u8),
    /// Another kind of frame, or a body that is none.
    #[error("the frame's body is malformed")]
    Body,
}

/// The bytes of a frame.
///
/// # Panics
/// If the frame is longer than [`FRAME_BYTES_MAX`]: requests are bounded long before that.
pub fn encode<F: Frame>(frame: &F) -> Bytes {
    let mut start = Vec::with_capacity(ENCODED_BYTES);
    start.extend([VERSION, F::KIND]);
    let mut bytes = postcard::to_extend(frame, start).expect("frames hold nothing that postcard cannot write");
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    assert!(bytes.len() <= FRAME_BYTES_MAX, "a frame of {} bytes left its bound", bytes.len());
    bytes.into()
}

/// Room for most frames: what grows by doubling from nothing is copied five times.
const ENCODED_BYTES: usize = 256;

/// The frame that bytes hold.
///
/// # Errors
/// [`Malformed`] for anything that [`encode`] cannot have written.
pub fn decode<F: Frame>(bytes: &[u8]) -> Result<F, Malformed> {
    if !(2 + CHECKSUM_BYTES..=FRAME_BYTES_MAX).contains(&bytes.len()) {
        return Err(Malformed::Length(bytes.len()));
    }
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    if xxh3_64(content).to_le_bytes() != checksum {
        return Err(Malformed::Damaged);
    }
    if content[0] != VERSION {
        return Err(Malformed::Version(content[0]));
    }
    if content[1] != F::KIND {
        return Err(Malformed::Body);
    }
    match postcard::take_from_bytes(&content[2..]) {
        Ok((frame, [])) => Ok(frame),
        _ => Err(Malformed::Body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Batch, Command, Parameters, ReadLevel, Statement, Value};

    fn asked() -> Asked {
        let values = [
            Value::Null,
            Value::Integer(-3),
            Value::Real(0.5),
            "é\0".into(),
            Value::Blob(Bytes::from_static(&[0, 255])),
        ];
        let statements = vec![
            Statement::with("INSERT INTO t VALUES (?, ?, ?, ?, ?)", values),
            Statement { sql: "SELECT :a".into(), parameters: Parameters::Named(vec![("a".into(), 1.into())]) },
        ];
        let command = Command::Query(Batch { statements, atomic: true }, ReadLevel::Strong);
        Asked { forwarded: true, request: Request { session: None, command } }
    }

    #[test]
    fn a_frame_survives_the_journey() {
        assert_eq!(decode(&encode(&asked())), Ok(asked()));
    }

    #[test]
    fn every_damaged_byte_and_every_cut_is_noticed() {
        let bytes = encode(&asked());
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x10;
            assert_eq!(decode::<Asked>(&damaged), Err(Malformed::Damaged), "byte {at}");
            assert!(decode::<Asked>(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_kind_version_or_tail_is_refused() {
        let reseal = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = encode(&asked()).to_vec();
            bytes.truncate(bytes.len() - CHECKSUM_BYTES);
            change(&mut bytes);
            bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
            bytes
        };
        assert_eq!(decode::<Response>(&encode(&asked())), Err(Malformed::Body));
        assert_eq!(decode::<Asked>(&reseal(&|bytes| bytes[0] = 9)), Err(Malformed::Version(9)));
        assert_eq!(decode::<Asked>(&reseal(&|bytes| bytes.push(0))), Err(Malformed::Body));
        assert_eq!(decode::<Asked>(&[]), Err(Malformed::Length(0)));
    }
}
