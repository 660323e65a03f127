//! Databases that travel: copying one while it is written to, and looking at one before it is used.
//!
//! A database file is its own snapshot: it holds the applied position, the membership, the sessions and the digest beside
//! the data. A copy is of one moment, whatever is applied or copied back by checkpoints meanwhile, and it is one file:
//! everything is in it, and there is no `-wal` beside it.

use bytes::Bytes;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::{Fatal, store};
use crate::host::SqliteVfs;
use crate::raft::{Index, Position};
use crate::sqlite::copy::Backup;
pub use crate::sqlite::copy::Progress;
use crate::sqlite::{Digest, digest, integrity};

/// A copy in the making. Dropping it leaves a file that is of no use unless all was copied.
///
/// As long as it lives, checkpoints of the database it reads are not complete and prove nothing durable.
#[derive(Debug)]
pub struct Copier {
    backup: Backup,
    position: Position,
    complete: bool,
}

impl Copier {
    /// Begins to copy the state machine's database in the file `source`, as it is now, into the file `destination` of the
    /// same disk, which must not exist or be empty.
    ///
    /// # Errors
    /// [`Fatal`].
    pub fn begin(vfs: &SqliteVfs, source: &str, destination: &str) -> Result<Copier, Fatal> {
        let backup = Backup::begin(vfs, source, destination).map_err(Fatal::own("beginning to copy the database"))?;
        let stored = load(backup.source(), source)?;
        Ok(Copier { backup, position: stored.applied, complete: false })
    }

    /// The last entry that was applied to what is being copied.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Copies so many pages, or those that remain if they are fewer. The copy is complete when none remain.
    ///
    /// # Errors
    /// [`Fatal`].
    ///
    /// # Panics
    /// If `pages` is 0.
    pub fn step(&mut self, pages: u32) -> Result<Progress, Fatal> {
        let progress = self.backup.step(pages).map_err(Fatal::own("copying the database"))?;
        self.complete = progress.remaining == 0;
        Ok(progress)
    }

    /// Closes a complete copy. The file is not synced. What is left to do is to read it and add it up.
    ///
    /// # Panics
    /// If the copy is not complete.
    pub fn finish(self) -> Summing {
        assert!(self.complete, "the copy at {} was finished before it was complete", self.position);
        Summing::new(self.position)
    }
}

/// What a copy is. A file of this length and checksum is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Copied {
    /// The last entry that was applied to it.
    pub position: Position,
    /// The length of the file.
    pub length_bytes: u64,
    /// XXH3 of the file, 128 bits.
    pub checksum: u128,
}

/// Adds up a copy's file chunk by chunk, so that no step takes long.
#[derive(Clone)]
pub struct Summing {
    position: Position,
    length_bytes: u64,
    hash: Xxh3,
}

impl Summing {
    /// Begins at the start of the file.
    pub fn new(position: Position) -> Summing {
        Summing { position, length_bytes: 0, hash: Xxh3::new() }
    }

    /// How many bytes were added: where the next chunk begins.
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Adds the next bytes of the file.
    pub fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.length_bytes += bytes.len() as u64;
    }

    /// What the copy is, all of its file being added.
    pub fn finish(self) -> Copied {
        Copied { position: self.position, length_bytes: self.length_bytes, checksum: self.hash.digest128() }
    }
}

impl std::fmt::Debug for Summing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Summing({} bytes at {})", self.length_bytes, self.position)
    }
}

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The last entry that was applied to it.
    pub position: Position,
    /// The digest of its contents.
    pub digest: Digest,
    /// The newest configuration that was applied to it, encoded as in its entry, and that entry's index.
    pub membership: Option<(Index, Bytes)>,
}

/// Reads all of a copy before anything relies on it: its pages are in order, and its contents are what the digest beside
/// them says. Nothing is written, and no `-wal` appears beside it. The time it takes grows with the database.
///
/// # Errors
/// The copy must not be used; it is no fault of the database that the node has.
/// [`Fatal::Contents`] or [`Fatal::Open`] if the file is not a state machine's database; otherwise [`Fatal::Sqlite`].
pub fn verify_copy(vfs: &SqliteVfs, file: &str) -> Result<Verified, Fatal> {
    let failed = |reason: String| Fatal::Open { file: file.to_owned(), reason };
    let connection = open_immutable(vfs, file).map_err(|error| failed(error.to_string()))?;
    let damage = integrity::damage(&connection).map_err(Fatal::own("checking the pages of a copy"))?;
    if let Some(damage) = damage {
        return Err(failed(format!("its pages are damaged: {damage}")));
    }
    let stored = load(&connection, file)?;
    let found = digest::scan(&connection).map_err(Fatal::own("reading all tables of a copy"))?;
    if found != stored.digest {
        return Err(Fatal::Contents { position: stored.applied, stored: stored.digest, found });
    }
    let membership = store::load_membership(&connection).map_err(Fatal::own("reading the membership of a copy"))?;
    Ok(Verified { position: stored.applied, digest: found, membership })
}

fn load(connection: &Connection, file: &str) -> Result<store::Stored, Fatal> {
    let stored = store::load(connection).map_err(Fatal::own("reading the applied position"))?;
    let refused = |reason: String| Fatal::Open { file: file.to_owned(), reason };
    let stored = stored.ok_or_else(|| refused("it is not a state machine's".to_owned()))?;
    stored.refusal().map_or(Ok(stored), |refusal| Err(refused(refusal)))
}

/// Opens a file that nobody writes to, as it is: without locks, and without a write-ahead log, whatever its mode.
fn open_immutable(vfs: &SqliteVfs, file: &str) -> rusqlite::Result<Connection> {
    let path = format!("{}{file}", vfs.prefix);
    let escaped: String = path.chars().map(escape).collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let uri = format!("file:{escaped}?immutable=1");
    let connection = Connection::open_with_flags_and_vfs(uri, flags, vfs.name.as_str())?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

/// A character of a path in a URI. The three that would end the path, or begin an escape, are escaped.
fn escape(character: char) -> String {
    match character {
        '%' | '?' | '#' => format!("%{:02x}", u32::from(character)),
        other => other.to_string(),
    }
}
