//! The log while the node runs: batches go in, and come back when they are durable.
//!
//! One group of batches is on its way to the disk at a time; what is submitted meanwhile becomes the next group and is
//! written together, with one sync. A group's hard state is durable in both slots before its records are written.

use super::LogError;
use super::batch::{self, Record};
use super::chains::Chains;
use super::segment::Writer;
use super::slots::Slots;
use crate::host::{Disk, DiskError, Ticket};
use crate::raft::{Batch, Entry, HardState, Index};

/// The durable log and the hard state of a running node.
#[derive(Debug)]
pub struct LogStore {
    hard_state: Slots,
    writer: Writer,
    /// The chains of the log as submitted, durable or not.
    chains: Chains,
    durable: Index,
    queued: Group,
    phase: Phase,
}

/// Batches that become durable together.
#[derive(Debug, Default)]
struct Group {
    /// The last batch in it; 0 when there is none.
    batch: Batch,
    hard_state: Option<HardState>,
    change: Option<Change>,
}

/// The log from `first` on is replaced by these records.
#[derive(Debug)]
struct Change {
    first: Index,
    chain_before: u64,
    records: Vec<Record>,
}

/// What the store waits for.
#[derive(Debug)]
enum Phase {
    Idle,
    /// The slot of this step of the group's hard state.
    Slot {
        ticket: Ticket,
        step: usize,
        group: Group,
    },
    /// The group's records.
    Records {
        ticket: Ticket,
        batch: Batch,
        last: Index,
    },
    /// The disk failed: whatever it says from now on proves nothing.
    Failed(DiskError),
}

impl LogStore {
    pub(super) fn new(hard_state: Slots, writer: Writer, chains: Chains) -> Self {
        let durable = chains.last();
        LogStore { hard_state, writer, chains, durable, queued: Group::default(), phase: Phase::Idle }
    }

    /// Takes on a batch: a new hard state, the removal of `truncate_from` and all after it, entries to append. Returns
    /// the chain at each of the entries.
    ///
    /// # Errors
    /// The disk failed, now or before. The node must stop.
    ///
    /// # Panics
    /// If the batch is empty or not newer than the one before, or the entries do not follow the log.
    pub fn submit(
        &mut self,
        disk: &mut impl Disk,
        batch: Batch,
        hard_state: Option<HardState>,
        truncate_from: Option<Index>,
        append: Vec<Entry>,
    ) -> Result<Vec<u64>, LogError> {
        self.check()?;
        assert!(
            hard_state.is_some() || truncate_from.is_some() || !append.is_empty(),
            "batch {} changes nothing: it has no place in the log",
            batch.0
        );
        assert!(batch > self.queued.batch, "batch {} was submitted after batch {}", batch.0, self.queued.batch.0);
        self.queued.batch = batch;
        self.queued.hard_state = hard_state.or(self.queued.hard_state);
        if let Some(from) = truncate_from {
            self.truncate(from);
        }
        let chains = self.append(append);
        if matches!(self.phase, Phase::Idle) {
            let done = self.begin(disk);
            self.fail_on(done)?;
        }
        Ok(chains)
    }

    /// Takes the completion of a sync. Returns the last of the batches that are durable now, with all before it, or
    /// `None` when the ticket is not the store's or more is to be done first.
    ///
    /// # Errors
    /// The sync failed, or the disk did when the next batch was to be written. The node must stop; nothing is tried
    /// again.
    pub fn synced(
        &mut self,
        disk: &mut impl Disk,
        ticket: Ticket,
        result: Result<(), DiskError>,
    ) -> Result<Option<Batch>, LogError> {
        self.check()?;
        match &self.phase {
            Phase::Slot { ticket: awaited, .. } | Phase::Records { ticket: awaited, .. } if *awaited == ticket => {}
            _ => return Ok(None),
        }
        let done = result.and_then(|()| self.advance(disk));
        self.fail_on(done)
    }

    /// The last index of the log as submitted.
    pub fn last_index(&self) -> Index {
        self.chains.last()
    }

    /// All entries up to this index are durable.
    pub fn durable_index(&self) -> Index {
        self.durable
    }

    /// The chain at an index of the log as submitted: a hash of that entry and all before it.
    pub fn chain_at(&self, index: Index) -> Option<u64> {
        self.chains.at(index)
    }

    /// Sets the length in bytes at which a segment is followed by a new one.
    pub fn set_segment_bytes_max(&mut self, bytes: u64) {
        self.writer.bytes_max = bytes;
    }

    /// Puts a truncation into the queued group.
    fn truncate(&mut self, from: Index) {
        assert!(
            from > self.chains.base() && from <= self.chains.last().next(),
            "a log of {} entries cannot be cut from {from}",
            self.chains.last()
        );
        self.chains.cut(from);
        self.durable = self.durable.min(from.previous());
        match &mut self.queued.change {
            Some(change) if change.first <= from => change.records.truncate((from.0 - change.first.0) as usize),
            _ => self.queued.change = Some(self.change_from(from)),
        }
    }

    /// Puts entries into the queued group.
    fn append(&mut self, entries: Vec<Entry>) -> Vec<u64> {
        if entries.is_empty() {
            return Vec::new();
        }
        let mut change = self.queued.change.take().unwrap_or_else(|| self.change_from(self.chains.last().next()));
        let mut before = self.chain_before(self.chains.last().next());
        let mut chains = Vec::with_capacity(entries.len());
        for entry in entries {
            let expected = self.chains.last().next();
            assert_eq!(entry.index, expected, "an appended entry has the index {}, not {expected}", entry.index);
            before = batch::chain(before, &entry);
            chains.push(before);
            self.chains.push(before);
            change.records.push(Record { entry, chain: before });
        }
        self.queued.change = Some(change);
        chains
    }

    fn change_from(&self, first: Index) -> Change {
        Change { first, chain_before: self.chain_before(first), records: Vec::new() }
    }

    fn chain_before(&self, index: Index) -> u64 {
        self.chains.at(index.previous()).expect("the log is continuous down to its base")
    }

    /// Begins to write the queued group, if there is one.
    fn begin(&mut self, disk: &mut impl Disk) -> Result<Option<Batch>, DiskError> {
        let group = std::mem::take(&mut self.queued);
        self.queued.batch = group.batch;
        match group {
            Group { hard_state: Some(_), .. } => self.write_slot(disk, 0, group),
            Group { change: Some(_), .. } => self.write_records(disk, group),
            _ => Ok(None),
        }
    }

    /// Goes on after a successful sync.
    fn advance(&mut self, disk: &mut impl Disk) -> Result<Option<Batch>, DiskError> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Slot { step: 0, group, .. } => self.write_slot(disk, 1, group),
            Phase::Slot { group: group @ Group { change: Some(_), .. }, .. } => self.write_records(disk, group),
            Phase::Slot { group, .. } => self.done(disk, group.batch, None),
            Phase::Records { batch, last, .. } => self.done(disk, batch, Some(last)),
            Phase::Idle | Phase::Failed(_) => unreachable!("no sync is awaited"),
        }
    }

    fn write_slot(&mut self, disk: &mut impl Disk, step: usize, group: Group) -> Result<Option<Batch>, DiskError> {
        let value = group.hard_state.expect("a group is written to the slots for its hard state");
        let file = self.hard_state.write(disk, step, &value)?;
        self.phase = Phase::Slot { ticket: disk.sync(&[file], false), step, group };
        Ok(None)
    }

    fn write_records(&mut self, disk: &mut impl Disk, group: Group) -> Result<Option<Batch>, DiskError> {
        let change = group.change.expect("a group is written to the log for its change");
        let last = Index(change.first.previous().0 + change.records.len() as u64);
        let (file, new) = self.writer.write(disk, change.first, change.chain_before, &change.records)?;
        self.phase = Phase::Records { ticket: disk.sync(&[file], new), batch: group.batch, last };
        Ok(None)
    }

    /// A group is durable: begins the next one or, when there is none, leaves word on the disk that all of the log is.
    fn done(&mut self, disk: &mut impl Disk, batch: Batch, last: Option<Index>) -> Result<Option<Batch>, DiskError> {
        if let Some(last) = last {
            self.durable = match &self.queued.change {
                Some(change) => last.min(change.first.previous()),
                None => last,
            };
        }
        self.begin(disk)?;
        if last.is_some() && matches!(self.phase, Phase::Idle) {
            self.writer.write_mark(disk, &self.chains)?;
        }
        Ok(Some(batch))
    }

    fn check(&self) -> Result<(), LogError> {
        match &self.phase {
            Phase::Failed(error) => Err(LogError(error.clone())),
            _ => Ok(()),
        }
    }

    fn fail_on<T>(&mut self, result: Result<T, DiskError>) -> Result<T, LogError> {
        result.map_err(|error| {
            self.phase = Phase::Failed(error.clone());
            LogError(error)
        })
    }
}
