//! Formatting a disk, founding a cluster on it, and opening it: what happens before a node takes part.
//!
//! Each of the three may be cut short by a crash at any point and done again.

use super::recovery::{self, LastSegment, Recovered};
use super::segment::{self, Writer};
use super::slots::{self, Found, Slots};
use super::superblock::{Base, HARD_STATE, SUPERBLOCK};
use super::{BootError, ClusterId, LogStore, Superblock};
use crate::host::{Disk, Host, Input};
use crate::prove;
use crate::raft::{Batch, Entry, HardState, Index, NodeId};

/// The length in bytes at which a segment is followed by a new one, unless the store is told otherwise.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 20;

/// A disk that was read and is known to be durable.
#[derive(Debug)]
pub struct Opened {
    /// The log, ready for the first batch.
    pub store: LogStore,
    /// The superblock of this boot.
    pub superblock: Superblock,
    /// Term and vote.
    pub hard_state: HardState,
    /// The entries from the one after the log's base.
    pub entries: Vec<Entry>,
    /// The first index that a torn tail may have held, if one was trimmed. Nothing of it was known to be durable.
    pub torn: Option<Index>,
}

/// Makes an empty disk that of a new node, and draws the node's id.
///
/// The hard state comes first and the superblock under other names: the names appear when all is durable. So a disk is
/// formatted or it is not, and a crash in between leaves one that can be formatted again.
///
/// # Errors
/// [`BootError::AlreadyFormatted`] if the disk holds a superblock or a log; or the disk failed.
pub async fn format<H: Host>(host: &mut H) -> Result<NodeId, BootError> {
    let files = host.list()?;
    let taken = |file: &String| SUPERBLOCK.files.contains(&file.as_str());
    if files.iter().any(taken) || !segment::numbers(&files).is_empty() {
        return Err(BootError::AlreadyFormatted);
    }
    let node = NodeId(host.entropy("node.id"));
    Slots::new(HARD_STATE, node.0).store(host, &HardState::default()).await?;
    let superblock = Superblock {
        cluster: ClusterId::NONE,
        node,
        epoch: 0,
        base: Base::default(),
        recovering: false,
        generation: 0,
    };
    for (number, file) in (1..).zip(SUPERBLOCK.files) {
        prove::replace(host, file, &slots::encode(&superblock, number, SUPERBLOCK, 0)).await?;
    }
    Ok(node)
}

/// Makes a formatted node a founder of a cluster whose first entry is `first`. Doing it again with the same cluster and
/// entry changes nothing.
///
/// # Errors
/// [`BootError::AlreadyBootstrapped`] if the node belongs to another cluster or has another log; otherwise as [`open`].
///
/// # Panics
/// If the cluster is [`ClusterId::NONE`], or the first entry's index is not 1.
pub async fn bootstrap<H: Host>(host: &mut H, cluster: ClusterId, first: &Entry) -> Result<(), BootError> {
    assert!(cluster != ClusterId::NONE, "a cluster's id is not 0");
    assert_eq!(first.index, Index(1), "the first entry of a cluster has the index 1");
    let (mut slots, mut opened) = recover(host).await?;
    let same = match opened.superblock.cluster {
        ClusterId::NONE => opened.entries.is_empty() || opened.entries == [first.clone()],
        joined => joined == cluster && opened.entries.first() == Some(first),
    };
    if !same {
        return Err(BootError::AlreadyBootstrapped { cluster: opened.superblock.cluster });
    }
    if opened.entries.is_empty() {
        append_durably(host, &mut opened.store, first).await?;
    }
    slots.store(host, &Superblock { cluster, ..opened.superblock }).await
}

/// Reads a formatted disk, trims a torn tail, makes durable what was read, and counts this boot.
///
/// # Errors
/// [`BootError::NotFormatted`]; [`BootError::Amnesia`] if what makes this node this node is lost;
/// [`BootError::Corrupt`] if a part of the log that was durable is; [`BootError::UnknownFormat`]; [`BootError::Disk`];
/// [`BootError::Dead`]. After an error of the first four kinds the disk is as it was.
pub async fn open<H: Host>(host: &mut H) -> Result<Opened, BootError> {
    let (mut slots, mut opened) = recover(host).await?;
    opened.superblock.epoch += 1;
    slots.store(host, &opened.superblock).await?;
    Ok(opened)
}

/// Reads everything, and only then writes: the log's last segment and the hard state anew, so that both are proven. The
/// superblock is left to be stored by the caller, with its slots.
async fn recover<H: Host>(host: &mut H) -> Result<(Slots, Opened), BootError> {
    let (slots, superblock) = read_superblock(host)?;
    let Found::Value(mut hard_state_slots, hard_state) = Slots::read::<HardState>(host, HARD_STATE, superblock.node.0)?
    else {
        return Err(BootError::Amnesia { files: HARD_STATE.files });
    };
    let log = recovery::recover(host, superblock.node, superblock.base)?;

    prove::remove_leftovers(host)?;
    let writer = prove_log(host, superblock.node, &log).await?;
    hard_state_slots.store(host, &hard_state).await?;
    let Recovered { entries, chains, torn, .. } = log;
    let store = LogStore::new(hard_state_slots, writer, chains);
    Ok((slots, Opened { store, superblock, hard_state, entries, torn }))
}

/// Reads the log as the next boot would find it, and changes nothing: for those who check what a disk really holds.
///
/// # Errors
/// [`BootError`]: what would keep the node from booting.
pub fn peek(disk: &mut impl Disk) -> Result<Vec<Entry>, BootError> {
    let (_, superblock) = read_superblock(disk)?;
    Ok(recovery::recover(disk, superblock.node, superblock.base)?.entries)
}

fn read_superblock(disk: &mut impl Disk) -> Result<(Slots, Superblock), BootError> {
    match Slots::read::<Superblock>(disk, SUPERBLOCK, 0)? {
        Found::Value(slots, superblock) => Ok((slots, superblock)),
        // A log is written to formatted disks only.
        Found::Absent if segment::numbers(&disk.list()?).is_empty() => Err(BootError::NotFormatted),
        Found::Absent | Found::Lost => Err(BootError::Amnesia { files: SUPERBLOCK.files }),
    }
}

/// Writes the last segment anew without what follows its sound part. Those before it were durable before it was begun.
async fn prove_log<H: Host>(host: &mut H, node: NodeId, log: &Recovered) -> Result<Writer, BootError> {
    let Some(LastSegment { number, sound }) = &log.last else {
        return Ok(Writer::new(node, 0, 0, SEGMENT_BYTES_MAX));
    };
    let contents = segment::renewed(node, *number, sound, &log.chains);
    prove::replace(host, &segment::file(*number), &contents).await?;
    Ok(Writer::new(node, *number, contents.len() as u64, SEGMENT_BYTES_MAX))
}

async fn append_durably<H: Host>(host: &mut H, store: &mut LogStore, entry: &Entry) -> Result<(), BootError> {
    store.submit(host, Batch(1), None, None, vec![entry.clone()])?;
    loop {
        if let Input::Synced { ticket, result } = host.next().await?
            && store.synced(host, ticket, result)?.is_some()
        {
            return Ok(());
        }
    }
}
