//! The log while the node runs: batches go in, and come back when they are durable.
//!
//! One group of batches is on its way to the disk at a time; what is submitted meanwhile becomes the next group and is
//! written together, with one sync. A group's hard state is durable in both slots before its records are written.
//! The superblock has a way of its own, beside that of the groups. Only an installed database stands between groups: the
//! log before it and the log after it may have nothing in common.

use std::collections::VecDeque;

use super::batch::{self, Record};
use super::chains::Chains;
use super::keeper::{Keeper, Update};
use super::segment::Writer;
use super::slots::Slots;
use super::{Base, ClusterId, LogError, Superblock};
use crate::host::{Disk, DiskError, Ticket};
use crate::raft::{Batch, Entry, HardState, Index, Position};

/// The durable log, the hard state and the superblock of a running node.
#[derive(Debug)]
pub struct LogStore {
    hard_state: Slots,
    keeper: Keeper,
    writer: Writer,
    /// Where the log as submitted begins.
    base: Base,
    /// The chains of the log as submitted, durable or not.
    chains: Chains,
    durable: Index,
    /// The last batch that was submitted.
    newest: Batch,
    queue: VecDeque<Step>,
    phase: Phase,
}

/// What became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// This batch and all before it.
    Batch(Batch),
    /// The log's new base: what lies at and below it is gone.
    Compacted(Base),
    /// The switch to a received database.
    Installed {
        /// The database is the file `db-<generation>` from now on.
        generation: u64,
    },
    /// That the node is not recovering any more.
    Recovered,
    /// That the node belongs to this cluster.
    Adopted(ClusterId),
}

/// What is done one after the other.
#[derive(Debug)]
enum Step {
    Group(Group),
    Install { base: Base, generation: u64, keeps_suffix: bool },
}

/// Batches that become durable together.
#[derive(Debug, Default)]
struct Group {
    /// The last batch in it.
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

/// What the store waits for, beside updates of the superblock that do not concern the queue.
#[derive(Debug)]
enum Phase {
    Idle,
    /// The slot of this step of the group's hard state.
    Slot {
        ticket: Ticket,
        step: usize,
        group: Group,
    },
    /// The group's records, and what the log is after them.
    Records {
        ticket: Ticket,
        batch: Batch,
        last: Index,
        chain: u64,
    },
    /// The superblock's update for an installed database.
    Installing,
    /// The disk failed: whatever it says from now on proves nothing.
    Failed(DiskError),
}

impl LogStore {
    pub(super) fn new(hard_state: Slots, keeper: Keeper, writer: Writer, chains: Chains) -> Self {
        let base = keeper.superblock().base;
        let durable = chains.last();
        let (queue, phase) = (VecDeque::new(), Phase::Idle);
        LogStore { hard_state, keeper, writer, base, chains, durable, newest: Batch(0), queue, phase }
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
        assert!(batch > self.newest, "batch {} was submitted after batch {}", batch.0, self.newest.0);
        self.newest = batch;
        let group = self.open_group();
        group.batch = batch;
        group.hard_state = hard_state.or(group.hard_state);
        if let Some(from) = truncate_from {
            self.truncate(from);
        }
        let chains = self.append(append);
        self.begin_if_idle(disk)?;
        Ok(chains)
    }

    /// Moves the log's base up. When that is durable, comes back as [`Completed::Compacted`], and the segments that hold
    /// nothing above it are removed. Does nothing if the log begins there or above, or while a database is installed.
    ///
    /// # Errors
    /// The disk failed, now or before. The node must stop.
    ///
    /// # Panics
    /// If the entry is not durable. Whether the database has it durably is for the caller to know.
    pub fn compact(&mut self, disk: &mut impl Disk, to: Position) -> Result<(), LogError> {
        self.check()?;
        if to.index <= self.base.index || self.is_installing() {
            return Ok(());
        }
        assert!(to.index <= self.durable, "the log is durable to {}, it cannot begin after {to}", self.durable);
        let chain = self.chains.at(to.index).expect("the log is continuous down to its base");
        self.base = Base { index: to.index, term: to.term, chain };
        self.chains.forget_below(to.index);
        let done = self.keeper.update(disk, Update::Compact(self.base));
        self.fail_on(done)
    }

    /// Makes a received database current, which is durable in its file `db-<generation>` and has everything up to
    /// `base`. If the log has the entry at `base`, what follows it stays; otherwise nothing of the log does. Returns
    /// whether it stays. One update of the superblock decides it all, after what was submitted so far is durable and
    /// before what is submitted from now on is written; it comes back as [`Completed::Installed`].
    ///
    /// # Errors
    /// The disk failed, now or before. The node must stop.
    ///
    /// # Panics
    /// If the database ends below the log's base, its generation is not new, or another one is being installed.
    pub fn install(&mut self, disk: &mut impl Disk, base: Base, generation: u64) -> Result<bool, LogError> {
        self.check()?;
        let (begins, current) = (self.base.index, self.keeper.superblock().generation);
        assert!(
            base.index >= begins,
            "a database of {} cannot be installed: the log begins after {begins}",
            base.index
        );
        assert!(generation > current, "generation {generation} is installed after generation {current}");
        assert!(!self.is_installing(), "two databases are installed at once");
        let keeps_suffix = self.chains.at(base.index) == Some(base.chain);
        if keeps_suffix {
            self.chains.forget_below(base.index);
        } else {
            self.chains = Chains::new(base.index, base.chain);
            self.durable = Index(0);
        }
        self.base = base;
        self.queue.push_back(Step::Install { base, generation, keeps_suffix });
        self.begin_if_idle(disk)?;
        Ok(keeps_suffix)
    }

    /// The node has all of its log again. Comes back as [`Completed::Recovered`] when it may vote again.
    ///
    /// # Errors
    /// The disk failed, now or before. The node must stop.
    pub fn recovered(&mut self, disk: &mut impl Disk) -> Result<(), LogError> {
        self.check()?;
        let done = self.keeper.update(disk, Update::Recovered);
        self.fail_on(done)
    }

    /// Makes a node that has no cluster a member of this one. Comes back as [`Completed::Adopted`] when it may answer.
    ///
    /// # Errors
    /// The disk failed, now or before. The node must stop.
    ///
    /// # Panics
    /// If the node belongs to another cluster, or the id is [`ClusterId::NONE`].
    pub fn adopt_cluster(&mut self, disk: &mut impl Disk, cluster: ClusterId) -> Result<(), LogError> {
        self.check()?;
        let current = self.keeper.superblock().cluster;
        assert!(cluster != ClusterId::NONE, "a cluster's id is not 0");
        assert!([ClusterId::NONE, cluster].contains(&current), "a node of cluster {current} never joins {cluster}");
        let done = self.keeper.update(disk, Update::Adopt(cluster));
        self.fail_on(done)
    }

    /// Takes the completion of a sync. Returns what is durable now, or `None` when the ticket is not the store's or more
    /// is to be done first.
    ///
    /// # Errors
    /// The sync failed, or the disk did when the next step was to be done. The node must stop; nothing is tried again.
    pub fn synced(
        &mut self,
        disk: &mut impl Disk,
        ticket: Ticket,
        result: Result<(), DiskError>,
    ) -> Result<Option<Completed>, LogError> {
        self.check()?;
        let of_queue = match &self.phase {
            Phase::Slot { ticket: awaited, .. } | Phase::Records { ticket: awaited, .. } => *awaited == ticket,
            _ => false,
        };
        let done = if self.keeper.awaits(ticket) {
            result.and_then(|()| self.advance_superblock(disk))
        } else if of_queue {
            result.and_then(|()| self.advance(disk))
        } else {
            Ok(None)
        };
        self.fail_on(done)
    }

    /// The superblock that is durable.
    pub fn superblock(&self) -> &Superblock {
        self.keeper.superblock()
    }

    /// Where the log as submitted begins.
    pub fn base(&self) -> Base {
        self.base
    }

    /// The last index of the log as submitted.
    pub fn last_index(&self) -> Index {
        self.chains.last()
    }

    /// All entries of the log as submitted are durable up to this index; 0 while a database that replaces the whole log
    /// is installed.
    pub fn durable_index(&self) -> Index {
        self.durable
    }

    /// The chain at an index of the log as submitted, from its base on: a hash of that entry and all before it.
    pub fn chain_at(&self, index: Index) -> Option<u64> {
        self.chains.at(index)
    }

    /// Sets the length in bytes at which a segment is followed by a new one.
    pub fn set_segment_bytes_max(&mut self, bytes: u64) {
        self.writer.bytes_max = bytes;
    }

    /// The group that takes on what is submitted now.
    fn open_group(&mut self) -> &mut Group {
        if !matches!(self.queue.back(), Some(Step::Group(_))) {
            self.queue.push_back(Step::Group(Group::default()));
        }
        match self.queue.back_mut() {
            Some(Step::Group(group)) => group,
            _ => unreachable!("a group was just put there"),
        }
    }

    /// Puts a truncation into the open group.
    fn truncate(&mut self, from: Index) {
        assert!(
            from > self.chains.base() && from <= self.chains.last().next(),
            "a log of the entries after {} to {} cannot be cut from {from}",
            self.chains.base(),
            self.chains.last()
        );
        self.chains.cut(from);
        self.durable = self.durable.min(from.previous());
        let fresh = self.change_from(from);
        match &mut self.open_group().change {
            Some(change) if change.first <= from => change.records.truncate((from.0 - change.first.0) as usize),
            change => *change = Some(fresh),
        }
    }

    /// Puts entries into the open group.
    fn append(&mut self, entries: Vec<Entry>) -> Vec<u64> {
        if entries.is_empty() {
            return Vec::new();
        }
        let fresh = self.change_from(self.chains.last().next());
        let mut change = self.open_group().change.take().unwrap_or(fresh);
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
        self.open_group().change = Some(change);
        chains
    }

    fn change_from(&self, first: Index) -> Change {
        Change { first, chain_before: self.chain_before(first), records: Vec::new() }
    }

    fn chain_before(&self, index: Index) -> u64 {
        self.chains.at(index.previous()).expect("the log is continuous down to its base")
    }

    fn begin_if_idle(&mut self, disk: &mut impl Disk) -> Result<(), LogError> {
        let done = if matches!(self.phase, Phase::Idle) { self.begin(disk) } else { Ok(()) };
        self.fail_on(done)
    }

    /// Begins the next step in the queue, if there is one.
    fn begin(&mut self, disk: &mut impl Disk) -> Result<(), DiskError> {
        match self.queue.pop_front() {
            Some(Step::Group(group @ Group { hard_state: Some(_), .. })) => self.write_slot(disk, 0, group),
            Some(Step::Group(group)) => self.write_records(disk, group),
            Some(Step::Install { base, generation, keeps_suffix }) => {
                let current = self.keeper.superblock().segment;
                let segment = if keeps_suffix { current } else { self.writer.seal() };
                self.phase = Phase::Installing;
                self.keeper.update(disk, Update::Install { base, segment, generation })
            }
            None => Ok(()),
        }
    }

    /// Goes on with the queue after a successful sync.
    fn advance(&mut self, disk: &mut impl Disk) -> Result<Option<Completed>, DiskError> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Slot { step: 0, group, .. } => self.write_slot(disk, 1, group).map(|()| None),
            Phase::Slot { group: group @ Group { change: Some(_), .. }, .. } => {
                self.write_records(disk, group).map(|()| None)
            }
            Phase::Slot { group, .. } => self.begin(disk).map(|()| Some(Completed::Batch(group.batch))),
            Phase::Records { batch, last, chain, .. } => self.records_done(disk, batch, last, chain).map(Some),
            Phase::Idle | Phase::Installing | Phase::Failed(_) => unreachable!("no sync of the queue is awaited"),
        }
    }

    /// Goes on with the superblock after a successful sync.
    fn advance_superblock(&mut self, disk: &mut impl Disk) -> Result<Option<Completed>, DiskError> {
        let Some(update) = self.keeper.advance(disk)? else { return Ok(None) };
        Ok(Some(match update {
            Update::Compact(base) => {
                self.writer.remove_below(disk, base.index)?;
                Completed::Compacted(base)
            }
            Update::Install { base, segment, generation } => {
                self.writer.remove_before(disk, segment)?;
                self.writer.remove_below(disk, base.index)?;
                self.durable = self.durable.max(base.index);
                self.phase = Phase::Idle;
                self.begin(disk)?;
                Completed::Installed { generation }
            }
            Update::Recovered => Completed::Recovered,
            Update::Adopt(cluster) => Completed::Adopted(cluster),
        }))
    }

    fn write_slot(&mut self, disk: &mut impl Disk, step: usize, group: Group) -> Result<(), DiskError> {
        let value = group.hard_state.expect("a group is written to the slots for its hard state");
        let file = self.hard_state.write(disk, step, &value)?;
        self.phase = Phase::Slot { ticket: disk.sync(&[file], false), step, group };
        Ok(())
    }

    fn write_records(&mut self, disk: &mut impl Disk, group: Group) -> Result<(), DiskError> {
        let Change { first, chain_before, records } = group.change.expect("a group is written for its change");
        let last = Index(first.previous().0 + records.len() as u64);
        let chain = records.last().map_or(chain_before, |record| record.chain);
        let (file, new) = self.writer.write(disk, first, chain_before, &records)?;
        self.phase = Phase::Records { ticket: disk.sync(&[file], new), batch: group.batch, last, chain };
        Ok(())
    }

    /// A group's records are durable: the next records say so or, if none follow at once, a mark does.
    fn records_done(
        &mut self,
        disk: &mut impl Disk,
        batch: Batch,
        last: Index,
        chain: u64,
    ) -> Result<Completed, DiskError> {
        let queued = self.queue.iter().filter_map(|step| match step {
            Step::Group(group) => group.change.as_ref().map(|change| change.first.previous()),
            Step::Install { keeps_suffix, .. } => (!keeps_suffix).then_some(Index(0)),
        });
        self.durable = queued.fold(last, Index::min);
        if !matches!(self.queue.front(), Some(Step::Group(Group { hard_state: None, .. }))) {
            self.writer.write_mark(disk, last, chain)?;
        }
        self.begin(disk)?;
        Ok(Completed::Batch(batch))
    }

    fn is_installing(&self) -> bool {
        matches!(self.phase, Phase::Installing) || self.queue.iter().any(|step| matches!(step, Step::Install { .. }))
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
