//! A replica that went apart from the others: how it stops, and how it comes back.

use bytes::Bytes;

use super::digests::Diverged;
use super::{Replica, Stop};
use crate::host::{Disk, DiskError, Host};
use crate::log_store::read_superblock_of;
use crate::prove;
use crate::raft::{Correct, Index, Rules};
use crate::state_machine::StateMachine;

/// The file that says that the database is not what it should be.
const MARKER: &str = "diverged";

/// The file that keeps the membership of a database that was set aside: the node must know whom to answer.
const MEMBERS: &str = "members";

/// What stands before the names of the files of a database that is kept as evidence. A number follows: each database that is
/// set aside on this disk has the next one.
const EVIDENCE: &str = "evidence-";

impl<R: Rules> Replica<R> {
    /// Writes down that the contents went apart. The node stops as soon as that is durable, and does nothing until then.
    pub(super) fn diverged<H: Host>(&mut self, host: &mut H, diverged: Diverged) -> Result<(), Stop> {
        host.write(MARKER, 0, diverged.to_string().as_bytes())?;
        self.stopping = Some((host.sync(&[MARKER], true), diverged));
        Ok(())
    }
}

/// Why the node must not start from this disk, if it wrote that down.
pub(super) fn refusal(disk: &mut impl Disk) -> Result<Option<String>, DiskError> {
    let Some(length) = disk.len(MARKER)? else { return Ok(None) };
    Ok(Some(String::from_utf8_lossy(&disk.read(MARKER, 0, length as usize)?).into_owned()))
}

/// The membership that a database which was set aside had executed, encoded as in its entry, and that entry's index.
///
/// # Errors
/// What the disk reports, or [`Stop::Contradiction`] if the file holds something else.
pub(super) fn kept_membership(disk: &mut impl Disk) -> Result<Option<(Index, Bytes)>, Stop> {
    let Some(length) = disk.len(MEMBERS)? else { return Ok(None) };
    let bytes = disk.read(MEMBERS, 0, length as usize)?;
    postcard::from_bytes(&bytes)
        .map_err(|error| Stop::Contradiction(format!("the file {MEMBERS} cannot be read: {error}")))
}

/// Lets a node whose contents went apart from the others' start again: its database is set aside as `evidence-1-db-0`, or
/// with the next free number, and it will take up a copy of the leader's. Until then it votes, and never campaigns. On a
/// node that did not go apart it changes nothing. To be called while the node does not run.
///
/// # Errors
/// When the disk fails, or the database cannot be opened: then the node must be replaced by a new one on an empty disk.
pub async fn rejoin<H: Host>(host: &mut H) -> Result<bool, Stop> {
    if host.len(MARKER)?.is_none() {
        return Ok(false);
    }
    let current = format!("db-{}", read_superblock_of(host)?.generation);
    if host.len(&current)?.is_some() {
        let membership = StateMachine::open(&host.sqlite_vfs(), &current, Correct)?.membership()?;
        let bytes = postcard::to_stdvec(&membership).expect("bytes and numbers always encode");
        prove::replace(host, MEMBERS, &bytes).await?;
    }
    set_aside(host, &current).await?;
    host.remove(MARKER)?;
    prove::synced(host, &[], true).await?;
    Ok(true)
}

/// Renames a database and what belongs to it so that no other evidence is touched.
async fn set_aside<H: Host>(host: &mut H, database: &str) -> Result<(), Stop> {
    let files = host.list()?;
    let is_there = |file: &str| files.iter().any(|found| found == file);
    let last = files.iter().filter_map(|file| evidence_number(file)).max().unwrap_or(0);
    // The database goes first. Where it is gone already, an attempt was cut short, and the rest follows it.
    let number = if is_there(database) { last + 1 } else { last };
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{database}{suffix}");
        if is_there(&file) {
            host.rename(&file, &format!("{EVIDENCE}{number}-{file}"))?;
            prove::synced(host, &[], true).await?;
        }
    }
    Ok(())
}

fn evidence_number(file: &str) -> Option<u64> {
    file.strip_prefix(EVIDENCE)?.split_once('-')?.0.parse().ok()
}
