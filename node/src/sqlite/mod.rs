//! SQLite made deterministic: pinned clock and randomness, an authorizer, a content digest.

pub mod dump;

use serde::{Deserialize, Serialize};

/// A hash of the logical contents of a database: equal contents, equal digest, whatever the bytes of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest(pub u128);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
