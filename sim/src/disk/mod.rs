//! The simulated disk of one machine, under both the Raft log and SQLite.
//!
//! A [`SimDisk`] is the device: it outlives boots. A [`Boot`] is what one boot of the machine holds of it; when that boot is
//! over, every call of it fails with [`DiskError::Dead`], changes nothing, draws nothing and leaves no trace. SQLite
//! reaches the same files through the VFS that [`Boot::vfs`] names.
//!
//! # What is durable
//!
//! A change is visible to reads at once, and pending until a sync that began after it has completed. [`SimDisk::kill`] ends the
//! process only: the page cache stays, what was pending still is, and a later loss of power can take it. At
//! [`SimDisk::power_cut`] each pending change is kept, lost or torn (`power.rs`), the directory's included (`files.rs`).
//!
//! What this file system does not do: it never makes a name durable with its file, it never orders two changes without a
//! sync, and it never loses what a completed sync covered.
//!
//! # Time
//!
//! Calls return at once. A sync of the log is told how long it takes, and the world completes it then. SQLite waits for its
//! accesses and syncs inside its own calls, so their time is summed between [`Boot::begin_work`] and [`Boot::end_work`].
//!
//! The world runs one thing at a time. The lock is never contended and never held while code of a node runs.

mod durable;
mod file;
mod files;
mod inode;
mod locks;
mod power;
mod shm;
mod state;
#[cfg(test)]
mod tests;
mod vfs;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lockstep_node::host::{DiskError, SqliteVfs, Ticket, Work};

pub use self::durable::Durable;
pub use self::power::Resolved;
use self::state::{Caller, Epoch, State, missing};
use self::vfs::Mount;
use crate::record::Machine;
use crate::scenario::model::{Disk, During};
use crate::trace::Trace;

/// The disk of one machine. Clones share it.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    /// As in the state: the world asks at each call of a node, and needs no lock for it.
    up: Arc<AtomicBool>,
}

/// A loss of power at a call on the disk.
///
/// Only calls that change something count: creations, writes, truncations, renames, removals and syncs. A cut at a read
/// would leave the same as one at the change before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// Names the strike to whoever armed it: the place of the fault in the scenario.
    pub event: usize,
    /// At which call from the arming on, from 1.
    pub nth: u64,
    /// Which calls count.
    pub during: During,
}

/// A strike that cut the power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// As armed.
    pub strike: Strike,
    /// What the loss of power did.
    pub resolved: Resolved,
}

impl SimDisk {
    /// An empty disk. `seed` and `machine` name its streams of choices.
    pub fn new(trace: &Trace, seed: u64, machine: Machine, settings: Disk) -> Self {
        let state = State::new(trace, seed, machine, settings);
        let up = state.up.clone();
        SimDisk { state: Arc::new(Mutex::new(state)), up }
    }

    /// Starts a boot.
    ///
    /// # Panics
    /// If the boot before is not over.
    pub fn boot(&self) -> Boot {
        let epoch = self.state().boot();
        Boot { disk: self.clone(), epoch }
    }

    /// Ends the boot as the end of a process does: what was written stays in the page cache. Does nothing if none runs.
    pub fn kill(&self) {
        self.state().end_boot();
    }

    /// Ends the boot, if one runs, as a loss of power does, and decides every pending change.
    pub fn power_cut(&self) -> Resolved {
        self.state().cut_power()
    }

    /// Whether there is a change that no completed sync covers, for a loss of power to decide.
    pub fn has_unsynced(&self) -> bool {
        self.state().files.are_undecided()
    }

    /// Empties the disk.
    ///
    /// # Panics
    /// If a boot runs.
    pub fn wipe(&self) {
        self.state().wipe();
    }

    /// Whether a boot runs: a [`Strike`] may have ended it.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Arms a loss of power. It stays armed across boots until it strikes or is disarmed.
    ///
    /// # Panics
    /// If `nth` is 0: calls are counted from 1.
    pub fn arm(&self, strike: Strike) {
        assert!(strike.nth > 0, "the calls of a strike are counted from 1");
        self.state().armed.push((strike, 0));
    }

    /// Takes back what was armed for this event of the scenario.
    pub fn disarm(&self, event: usize) {
        self.state().armed.retain(|(strike, _)| strike.event != event);
    }

    /// Lets the `nth` sync from now on, from 1, fail: the log's and SQLite's count alike. What it was to make durable is
    /// forgotten, though reads go on seeing it and later syncs say that all is well, as on Linux.
    pub fn inject_sync_error(&self, nth: u64) {
        assert!(nth > 0, "syncs are counted from 1");
        self.state().failing_sync = nth;
    }

    /// Lets the next read that SQLite makes during work of this kind fail with this result code.
    pub fn inject_read_error(&self, during: Work, code: i32) {
        self.state().failing_read = Some((during, code));
    }

    /// From now on syncs take their time and say that all is well, but make nothing durable.
    pub fn ignore_syncs(&self) {
        self.state().ignores_syncs = true;
    }

    /// From now on every access and sync takes `factor` times as long.
    pub fn set_slowness(&self, factor: u32) {
        self.state().slowness = factor;
    }

    /// The machine's code runs from now on: this is what SQLite reads as the time of day, the time since 1970-01-01 00:00 UTC.
    /// `alone` says that no other machine's code has run since this one's did. Otherwise SQLite's own generator, which the
    /// whole process shares, is seeded by a choice of this machine: log salts and temporary names then depend on the seed
    /// only.
    pub fn begin_turn(&self, wall: Duration, alone: bool) {
        let mut state = self.state();
        state.wall = wall;
        if !alone && state.is_up() {
            vfs::reseed(state.randomness.number());
        }
    }

    /// The machine's code has run. Returns the strike that cut the power meanwhile, and the calls in words if they are
    /// watched.
    pub fn end_turn(&self) -> (Option<Struck>, Vec<String>) {
        let mut state = self.state();
        (state.struck.take(), state.watched.as_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Keeps every call in words from now on, for [`SimDisk::end_turn`].
    pub fn watch(&self) {
        self.state().watched = Some(Vec::new());
    }

    /// How many calls were made on the disk, SQLite's included.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How many syncs completed without an error.
    pub fn syncs(&self) -> u64 {
        self.state().syncs_completed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the disk's lock is never held across a panic")
    }
}

/// What one boot of a machine holds of its disk.
#[derive(Clone)]
pub struct Boot {
    disk: SimDisk,
    epoch: Epoch,
}

/// See [`lockstep_node::host::Disk`] for the contract of the calls that carry its names.
///
/// # Errors
/// Each fails with [`DiskError::Dead`] when the boot is over, and with [`DiskError::Io`] for a file that does not exist.
impl Boot {
    /// The names of all files, sorted.
    pub fn list(&self) -> Result<Vec<String>, DiskError> {
        Ok(self.enter()?.list())
    }

    /// The length of a file in bytes, or `None` if there is no such file.
    pub fn len(&self, file: &str) -> Result<Option<u64>, DiskError> {
        let mut state = self.enter()?;
        Ok(state.look(file).map(|id| state.files.get(id).content().len() as u64))
    }

    /// Reads up to `length` bytes from `offset`.
    pub fn read(&self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let mut state = self.enter()?;
        let id = state.files.find(file).ok_or_else(|| missing("read", file))?;
        Ok(state.read(id, offset, length).to_vec())
    }

    /// Writes at `offset`, creating the file where it is missing.
    pub fn write(&self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.enter()?;
        let id = match state.files.find(file) {
            Some(id) => id,
            None => state.create(Caller::Log, Some(file))?,
        };
        state.write(Caller::Log, id, offset, bytes)
    }

    /// Cuts a file to `length` bytes.
    pub fn truncate(&self, file: &str, length: u64) -> Result<(), DiskError> {
        let mut state = self.enter()?;
        let id = state.files.find(file).ok_or_else(|| missing("truncate", file))?;
        state.truncate(Caller::Log, id, length)
    }

    /// Renames a file over another one, if there is one of that name.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut state = self.enter()?;
        state.files.find(from).ok_or_else(|| missing("rename", from))?;
        state.rename(Caller::Log, from, to)
    }

    /// Removes a file.
    pub fn remove(&self, file: &str) -> Result<(), DiskError> {
        let mut state = self.enter()?;
        state.files.find(file).ok_or_else(|| missing("remove", file))?;
        state.remove(Caller::Log, file)
    }

    /// Begins a sync of what was written to these files so far, and with `directory` of the names as they are now. Says
    /// how long it takes: the world calls [`Boot::complete_sync`] then. A boot that is over gets a ticket that never completes.
    pub fn begin_sync(&self, files: &[&str], directory: bool) -> (Ticket, Duration) {
        match self.enter() {
            Ok(mut state) => state.begin_sync(files, directory),
            Err(_) => (Ticket(0), Duration::ZERO),
        }
    }

    /// Makes durable what the sync covers, and nothing that was written after it began.
    ///
    /// # Panics
    /// If the ticket is not of this boot or has completed.
    pub fn complete_sync(&self, ticket: Ticket) -> Result<(), DiskError> {
        self.enter()?.complete_sync(ticket)
    }

    /// The name of the VFS through which SQLite reaches this boot's files. When the boot is over, its connections get I/O
    /// errors, and nothing can be opened by the name. The memory behind a VFS is never freed, so a connection may outlive
    /// the boot and the disk.
    pub fn vfs(&self) -> SqliteVfs {
        let name = match self.enter() {
            Ok(mut state) => {
                let mount = || Mount::new(Arc::downgrade(&self.disk.state), self.epoch);
                state.mount.get_or_insert_with(mount).name()
            }
            Err(_) => "a boot that is over".to_owned(),
        };
        SqliteVfs { name, prefix: String::new() }
    }

    /// SQLite's calls from now on belong to this work, and the time that they take is summed.
    ///
    /// # Panics
    /// If other work has not ended: one job runs at a time.
    pub fn begin_work(&self, work: Work) {
        if let Ok(mut state) = self.enter() {
            assert!(state.work.is_none(), "{work:?} begins while {:?} is under way", state.work);
            state.work = Some((work, Duration::ZERO));
        }
    }

    /// The work is done; the time that SQLite waited for the disk. Zero if the boot ended meanwhile.
    pub fn end_work(&self) -> Duration {
        self.enter().ok().and_then(|mut state| state.work.take()).map_or(Duration::ZERO, |(_, taken)| taken)
    }

    /// Whether the boot is over.
    pub fn is_over(&self) -> bool {
        !self.disk.state().lives(self.epoch)
    }

    /// The disk.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn enter(&self) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = self.disk.state();
        state.enter(self.epoch)?;
        Ok(state)
    }
}
