//! Formatting a disk, founding a cluster on it, and opening it: what happens before a node takes part.
//!
//! Each of the three may be cut short by a crash at any point and done again.

use super::keeper::Keeper;
use super::recovery::{self, LastSegment, Recovered};
use super::segment::{self, Reaches, Writer};
use super::slots::{self, Found, Slots};
use super::superblock::{HARD_STATE, SUPERBLOCK};
use super::{BootError, ClusterId, Completed, Corruption, LogStore, Superblock};
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
    /// What of the log was durable and is lost, if this boot found that. It and what follows it was trimmed, and the
    /// superblock says that the node is recovering.
    pub corruption: Option<Corruption>,
}

/// What the next boot would find.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// The superblock, and in it the log's base, before that boot changes it.
    pub superblock: Superblock,
    /// The entries from the one after the log's base.
    pub entries: Vec<Entry>,
    /// What of the log was durable and is lost.
    pub corruption: Option<Corruption>,
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
    let superblock = Superblock::new(node);
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
    let mut opened = recover(host, 0).await?;
    let joined = opened.superblock.cluster;
    // The first entry may be compacted away.
    let held = opened.entries.first().filter(|entry| entry.index == Index(1));
    match joined {
        ClusterId::NONE if opened.entries.is_empty() => append_durably(host, &mut opened.store, first).await?,
        ClusterId::NONE if opened.entries == [first.clone()] => {}
        joined if joined == cluster && held.is_none_or(|entry| entry == first) => return Ok(()),
        joined => return Err(BootError::AlreadyBootstrapped { cluster: joined }),
    }
    opened.store.adopt_cluster(host, cluster)?;
    until(host, &mut opened.store, Completed::Adopted(cluster)).await
}

/// Reads a formatted disk, trims a torn tail, makes durable what was read, and counts this boot.
///
/// A log that is corrupt is trimmed to its sound part as well, and no further than to its base; before that the
/// superblock durably says that the node is recovering.
///
/// # Errors
/// [`BootError::NotFormatted`]; [`BootError::Amnesia`] if what makes this node this node is lost;
/// [`BootError::UnknownFormat`]; [`BootError::Disk`]; [`BootError::Dead`]. After an error of the first three kinds the
/// disk is as it was.
pub async fn open<H: Host>(host: &mut H) -> Result<Opened, BootError> {
    recover(host, 1).await
}

/// Reads everything, and only then writes. First the superblock: it may be a value that no slot holds durably yet, and
/// what it makes void is removed only when it is durable. Then the log's last segment and the hard state, so that both
/// are proven.
async fn recover<H: Host>(host: &mut H, boots: u64) -> Result<Opened, BootError> {
    let (mut slots, mut superblock) = read_superblock(host)?;
    let Found::Value(mut hard_state_slots, hard_state) = Slots::read::<HardState>(host, HARD_STATE, superblock.node.0)?
    else {
        return Err(BootError::Amnesia { files: HARD_STATE.files });
    };
    let log = recovery::recover(host, &superblock)?;

    superblock.epoch += boots;
    superblock.recovering |= log.corruption.is_some();
    slots.store(host, &superblock).await?;
    prove::remove_leftovers(host)?;
    remove_void(host, &superblock, &log)?;
    let mut writer = prove_log(host, &superblock, &log).await?;
    writer.remove_below(host, superblock.base.index)?;
    hard_state_slots.store(host, &hard_state).await?;
    let Recovered { entries, chains, torn, corruption, .. } = log;
    let store = LogStore::new(hard_state_slots, Keeper::new(slots, superblock), writer, chains);
    Ok(Opened { store, superblock, hard_state, entries, torn, corruption })
}

/// Reads the log as the next boot would find it, and changes nothing: for those who check what a disk really holds.
///
/// # Errors
/// [`BootError`]: what would keep the node from booting.
pub fn peek(disk: &mut impl Disk) -> Result<Peeked, BootError> {
    let (_, superblock) = read_superblock(disk)?;
    let Recovered { entries, corruption, .. } = recovery::recover(disk, &superblock)?;
    Ok(Peeked { superblock, entries, corruption })
}

/// The superblock of a formatted disk, as the next boot would find it.
///
/// # Errors
/// [`BootError::NotFormatted`], [`BootError::Amnesia`], or that the disk failed.
pub fn read_superblock_of(disk: &mut impl Disk) -> Result<Superblock, BootError> {
    read_superblock(disk).map(|(_, superblock)| superblock)
}

fn read_superblock(disk: &mut impl Disk) -> Result<(Slots, Superblock), BootError> {
    match Slots::read::<Superblock>(disk, SUPERBLOCK, 0)? {
        Found::Value(slots, superblock) => Ok((slots, superblock)),
        // A log is written to formatted disks only.
        Found::Absent if segment::numbers(&disk.list()?).is_empty() => Err(BootError::NotFormatted),
        Found::Absent | Found::Lost => Err(BootError::Amnesia { files: SUPERBLOCK.files }),
    }
}

/// Removes the segments that do not belong to the log: older ones were left behind by another log, newer ones by a
/// corrupt one. The newer ones' numbers are used again, so their removal becomes durable with the last segment.
fn remove_void(disk: &mut impl Disk, superblock: &Superblock, log: &Recovered) -> Result<(), BootError> {
    for number in segment::numbers(&disk.list()?) {
        if number < superblock.segment || log.last.as_ref().is_some_and(|last| number > last.number) {
            disk.remove(&segment::file(number))?;
        }
    }
    Ok(())
}

/// Writes the last segment anew without what follows its sound part. Those before it were durable before it was begun.
async fn prove_log<H: Host>(host: &mut H, superblock: &Superblock, log: &Recovered) -> Result<Writer, BootError> {
    let node = superblock.node;
    let Some(LastSegment { number, sound }) = &log.last else {
        return Ok(Writer::new(node, superblock.segment - 1, None, Reaches::new(), SEGMENT_BYTES_MAX));
    };
    let contents = segment::renewed(node, *number, sound, &log.chains);
    prove::replace(host, &segment::file(*number), &contents).await?;
    let end = Some(contents.len() as u64);
    Ok(Writer::new(node, *number, end, log.reaches.clone(), SEGMENT_BYTES_MAX))
}

async fn append_durably<H: Host>(host: &mut H, store: &mut LogStore, entry: &Entry) -> Result<(), BootError> {
    store.submit(host, Batch(1), None, None, vec![entry.clone()])?;
    until(host, store, Completed::Batch(Batch(1))).await
}

async fn until<H: Host>(host: &mut H, store: &mut LogStore, awaited: Completed) -> Result<(), BootError> {
    loop {
        if let Input::Synced { ticket, result } = host.next().await?
            && store.synced(host, ticket, result)? == Some(awaited)
        {
            return Ok(());
        }
    }
}
