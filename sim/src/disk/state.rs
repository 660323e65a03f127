//! The state of one disk behind its lock, and the rules that every call obeys, whether the log makes it or SQLite.
//!
//! A call of a boot that is over stops at the gate, [`State::enter`]. After it a call does, in this order: its entry in the
//! trace, its change, its time, and a strike that was armed for it. So the change in flight at a strike is itself pending.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lockstep_node::host::{DiskError, Ticket, Work};

use super::files::{FileId, Files};
use super::locks::Locks;
use super::power::{Draws, Resolved};
use super::shm::Shm;
use super::vfs::Mount;
use super::{Strike, Struck};
use crate::choice::Stream;
use crate::record::Machine;
use crate::scenario::model::{Disk, During};
use crate::trace::{Item, Trace};

/// The number of a boot of the machine, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(pub(super) u64);

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// The node's log, through `host::Disk`.
    Log,
    /// SQLite, through the VFS.
    Sqlite,
}

/// What a call does. The number enters the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Call {
    List = 1,
    Look = 2,
    Read = 3,
    Open = 4,
    Create = 5,
    Write = 6,
    Truncate = 7,
    Rename = 8,
    Remove = 9,
    BeginSync = 10,
    Sync = 11,
}

pub(super) struct State {
    machine: Machine,
    settings: Disk,
    trace: Trace,
    pub(super) files: Files,
    /// The newest boot.
    pub(super) epoch: Epoch,
    /// Whether it still runs.
    pub(super) up: Arc<AtomicBool>,
    access: Stream,
    fsync: Stream,
    power_cut: Stream,
    pub(super) randomness: Stream,
    pub(super) slowness: u32,
    pub(super) wall: Duration,
    /// Syncs of the log that have begun and not completed.
    syncs: BTreeMap<Ticket, Sync>,
    tickets: u64,
    /// The work that SQLite is doing, and how long its accesses have taken.
    pub(super) work: Option<(Work, Duration)>,
    /// What will strike, and how many of its calls there were so far.
    pub(super) armed: Vec<(Strike, u64)>,
    pub(super) struck: Option<Struck>,
    /// How many syncs are left up to and including the one that will fail; 0 if none will.
    pub(super) failing_sync: u64,
    /// The work during which SQLite's next read will fail, and the code that it will get.
    pub(super) failing_read: Option<(Work, i32)>,
    /// Whether syncs make nothing durable, though they say so.
    pub(super) ignores_syncs: bool,
    /// The calls in words, while somebody wants to see them.
    pub(super) watched: Option<Vec<String>>,
    pub(super) calls: u64,
    pub(super) syncs_completed: u64,
    /// What connections of the running boot share. It ends with the boot.
    pub(super) locks: BTreeMap<FileId, Locks>,
    pub(super) shm: BTreeMap<FileId, Shm>,
    pub(super) handles: u64,
    pub(super) mount: Option<Arc<Mount>>,
}

/// What a sync that has begun will make durable.
struct Sync {
    files: Vec<(FileId, u64)>,
    directory: Option<u64>,
    /// A file that did not exist when the sync began.
    missing: Option<String>,
}

impl State {
    pub(super) fn new(trace: &Trace, seed: u64, machine: Machine, settings: Disk) -> Self {
        let stream = |site| Stream::new(trace, seed, site, u64::from(machine.0));
        State {
            machine,
            trace: trace.clone(),
            files: Files::default(),
            epoch: Epoch(0),
            up: Arc::default(),
            access: stream("disk.access"),
            fsync: stream("disk.fsync"),
            power_cut: stream("disk.power-cut"),
            randomness: stream("disk.sqlite-randomness"),
            settings,
            slowness: 1,
            wall: Duration::ZERO,
            syncs: BTreeMap::new(),
            tickets: 0,
            work: None,
            armed: Vec::new(),
            struck: None,
            failing_sync: 0,
            failing_read: None,
            ignores_syncs: false,
            watched: None,
            calls: 0,
            syncs_completed: 0,
            locks: BTreeMap::new(),
            shm: BTreeMap::new(),
            handles: 0,
            mount: None,
        }
    }

    pub(super) fn boot(&mut self) -> Epoch {
        assert!(!self.is_up(), "{} boots while it runs: kill it or cut its power first", self.machine);
        self.epoch.0 += 1;
        self.up.store(true, Ordering::Relaxed);
        self.epoch
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(super) fn lives(&self, epoch: Epoch) -> bool {
        self.is_up() && self.epoch == epoch
    }

    /// The gate that every call of a boot passes.
    pub(super) fn enter(&self, epoch: Epoch) -> Result<(), DiskError> {
        if self.lives(epoch) { Ok(()) } else { Err(DiskError::Dead) }
    }

    /// Ends the boot. Everything that lives in the machine's memory ends with it, but for the page cache.
    pub(super) fn end_boot(&mut self) {
        self.up.store(false, Ordering::Relaxed);
        self.work = None;
        self.syncs.clear();
        self.locks.clear();
        self.shm.clear();
        self.mount = None;
        self.files.close_all();
    }

    pub(super) fn cut_power(&mut self) -> Resolved {
        self.end_boot();
        let mut draws = Draws::new(&mut self.power_cut, self.settings.power_cut);
        self.files.cut_power(&mut draws);
        draws.resolved
    }

    pub(super) fn wipe(&mut self) {
        assert!(!self.is_up(), "{} is wiped while it runs: cut its power first", self.machine);
        self.files.wipe();
    }

    /// The file of this name, if there is one.
    pub(super) fn look(&mut self, name: &str) -> Option<FileId> {
        self.note(Call::Look, FileId(0), 0, name.as_bytes());
        self.files.find(name)
    }

    pub(super) fn list(&mut self) -> Vec<String> {
        self.note(Call::List, FileId(0), 0, &[]);
        self.files.names().cloned().collect()
    }

    pub(super) fn read(&mut self, id: FileId, offset: u64, length: usize) -> &[u8] {
        self.note(Call::Read, id, offset, &length.to_le_bytes());
        self.pass_access();
        self.files.get(id).read(offset, length)
    }

    /// The code with which a read of SQLite's fails, if it is the one that is to fail.
    pub(super) fn read_error(&mut self) -> Option<i32> {
        let (_, code) = self.failing_read.take_if(|(during, _)| self.work.is_some_and(|(work, _)| work == *during))?;
        Some(code)
    }

    /// Creates an empty file. Without a name it is a temporary one.
    pub(super) fn create(&mut self, by: Caller, name: Option<&str>) -> Result<FileId, DiskError> {
        let id = self.files.create(name);
        self.note(Call::Create, id, 0, name.unwrap_or_default().as_bytes());
        self.changed(by).map(|()| id)
    }

    pub(super) fn write(&mut self, by: Caller, id: FileId, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.note(Call::Write, id, offset, bytes);
        self.files.get_mut(id).write(offset, bytes);
        self.changed(by)
    }

    pub(super) fn truncate(&mut self, by: Caller, id: FileId, length: u64) -> Result<(), DiskError> {
        self.note(Call::Truncate, id, length, &[]);
        self.files.get_mut(id).truncate(length);
        self.changed(by)
    }

    pub(super) fn rename(&mut self, by: Caller, from: &str, to: &str) -> Result<(), DiskError> {
        self.note(Call::Rename, FileId(0), from.len() as u64, format!("{from}{to}").as_bytes());
        self.files.rename(from, to);
        self.changed(by)
    }

    pub(super) fn remove(&mut self, by: Caller, name: &str) -> Result<(), DiskError> {
        self.note(Call::Remove, FileId(0), 0, name.as_bytes());
        self.files.remove(name);
        self.changed(by)
    }

    /// Begins a sync of the log's. The calls of a strike count it here, where the node makes it.
    pub(super) fn begin_sync(&mut self, files: &[&str], directory: bool) -> (Ticket, Duration) {
        let mut sync = Sync { files: Vec::new(), directory: None, missing: None };
        for &name in files {
            match self.files.find(name) {
                Some(id) => sync.files.push((id, self.files.get(id).mark())),
                None => sync.missing = Some(name.to_owned()),
            }
        }
        sync.directory = directory.then(|| self.files.directory_mark());
        let mut takes = Duration::ZERO;
        for &(id, mark) in &sync.files {
            self.note(Call::BeginSync, id, mark, &[]);
            takes += self.fsync_time();
        }
        if let Some(mark) = sync.directory {
            self.note(Call::BeginSync, FileId(u64::MAX), mark, &[]);
            takes += self.fsync_time();
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.syncs.insert(ticket, sync);
        // A strike ends the boot; whoever asks for the completion learns it then.
        let _ = self.strike(Caller::Log);
        (ticket, takes)
    }

    pub(super) fn complete_sync(&mut self, ticket: Ticket) -> Result<(), DiskError> {
        let sync = self.syncs.remove(&ticket).expect("a sync completes once, in the boot in which it began");
        if let Some(file) = sync.missing {
            return Err(missing("sync", &file));
        }
        self.apply_sync(&sync.files, sync.directory)
    }

    /// SQLite's sync, which it waits for: it begins and completes here.
    pub(super) fn sync_now(&mut self, id: FileId, directory: bool) -> Result<(), DiskError> {
        self.pass_fsync(directory);
        self.strike(Caller::Sqlite)?;
        let mark = self.files.get(id).mark();
        self.apply_sync(&[(id, mark)], directory.then(|| self.files.directory_mark()))
    }

    /// SQLite's sync of the directory alone.
    pub(super) fn sync_directory_now(&mut self) -> Result<(), DiskError> {
        self.pass_fsync(false);
        self.strike(Caller::Sqlite)?;
        self.apply_sync(&[], Some(self.files.directory_mark()))
    }

    fn apply_sync(&mut self, files: &[(FileId, u64)], directory: Option<u64>) -> Result<(), DiskError> {
        if self.ignores_syncs {
            return Ok(());
        }
        let fails = self.failing_sync == 1;
        self.failing_sync = self.failing_sync.saturating_sub(1);
        for &(id, mark) in files {
            self.note(Call::Sync, id, mark, &[u8::from(fails)]);
            if fails { self.files.forget(id, mark) } else { self.files.sync(id, mark) }
        }
        if fails {
            let file = "the simulated disk".to_owned();
            return Err(DiskError::Io { operation: "sync", file, reason: "injected failure".to_owned() });
        }
        if let Some(mark) = directory {
            self.note(Call::Sync, FileId(u64::MAX), mark, &[]);
            self.files.sync_directory(mark);
        }
        self.syncs_completed += 1;
        Ok(())
    }

    /// What follows every change: the time it takes, and a strike.
    fn changed(&mut self, by: Caller) -> Result<(), DiskError> {
        if by == Caller::Sqlite {
            self.pass_access();
        }
        self.strike(by)
    }

    /// Counts a call for every armed strike that it belongs to. The first that reaches its number cuts the power.
    fn strike(&mut self, by: Caller) -> Result<(), DiskError> {
        if self.armed.is_empty() {
            return Ok(());
        }
        let during = match (by, self.work) {
            (Caller::Log, _) => During::Append,
            (Caller::Sqlite, Some((Work::Commit, _))) => During::Commit,
            (Caller::Sqlite, Some((Work::Checkpoint, _))) => During::Checkpoint,
            (Caller::Sqlite, Some((Work::Copy, _))) => During::Copy,
            (Caller::Sqlite, Some((Work::Open | Work::Read | Work::Verify, _)) | None) => return Ok(()),
        };
        for (strike, count) in &mut self.armed {
            *count += u64::from(strike.during == during);
        }
        let is_due = |(strike, count): &(Strike, u64)| strike.during == during && *count >= strike.nth;
        let Some(due) = self.armed.iter().position(is_due) else { return Ok(()) };
        let (strike, _) = self.armed.remove(due);
        let resolved = self.cut_power();
        self.struck = Some(Struck { strike, resolved });
        Err(DiskError::Dead)
    }

    /// SQLite waits for an access. Outside of work nobody measures it, and nothing is drawn.
    fn pass_access(&mut self) {
        if let Some((_, taken)) = &mut self.work {
            *taken += self.access.duration(&self.settings.access) * self.slowness;
        }
    }

    fn pass_fsync(&mut self, twice: bool) {
        if self.work.is_some() {
            let takes = self.fsync_time() + if twice { self.fsync_time() } else { Duration::ZERO };
            self.pass(takes);
        }
    }

    /// Adds to the time that the running work takes.
    pub(super) fn pass(&mut self, time: Duration) {
        if let Some((_, taken)) = &mut self.work {
            *taken += time;
        }
    }

    fn fsync_time(&mut self) -> Duration {
        self.fsync.duration(&self.settings.fsync) * self.slowness
    }

    /// Counts a call and enters it in the trace.
    pub(super) fn note(&mut self, call: Call, id: FileId, offset: u64, bytes: &[u8]) {
        self.calls += 1;
        let place = u64::from(self.machine.0) << 56 ^ (call as u64) << 48 ^ id.0.rotate_left(32) ^ offset;
        self.trace.enter(Item::Disk, place, bytes, || {
            format!("{}: {}", self.machine, self.describe(call, id, offset, bytes))
        });
        if self.watched.is_some() {
            let text = self.describe(call, id, offset, bytes);
            self.watched.iter_mut().for_each(|watched| watched.push(text.clone()));
        }
    }

    /// A call in words: `write db-0-wal, 1072 bytes at 32`.
    fn describe(&self, call: Call, id: FileId, offset: u64, bytes: &[u8]) -> String {
        let name = || {
            if id == FileId(u64::MAX) {
                "the directory"
            } else {
                self.files.name_of(id).unwrap_or("a file without a name")
            }
        };
        let bytes_as_name = || String::from_utf8_lossy(bytes);
        match call {
            Call::List => "list".into(),
            Call::Look => format!("look for {}", bytes_as_name()),
            Call::Open => format!("open {}", bytes_as_name()),
            Call::Create => format!("create {}", bytes_as_name()),
            Call::Remove => format!("remove {}", bytes_as_name()),
            Call::Rename => {
                let (from, to) = bytes.split_at((offset as usize).min(bytes.len()));
                format!("rename {} to {}", String::from_utf8_lossy(from), String::from_utf8_lossy(to))
            }
            Call::Read => format!("read {} at {offset}", name()),
            Call::Write => format!("write {}, {} bytes at {offset}", name(), bytes.len()),
            Call::Truncate => format!("truncate {} to {offset} bytes", name()),
            Call::BeginSync => format!("sync {} begins", name()),
            Call::Sync if bytes == [1] => format!("sync {} fails", name()),
            Call::Sync => format!("sync {} is complete", name()),
        }
    }
}

/// The error of a call that names a file which is not there.
pub(super) fn missing(operation: &'static str, file: &str) -> DiskError {
    DiskError::Io { operation, file: file.to_owned(), reason: "there is no such file".to_owned() }
}
