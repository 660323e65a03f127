//! A host whose disk keeps, drops or tears what was not synced, and whose power can be cut at the n-th call.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::event::Event;
use crate::host::*;

type Inode = u64;

/// A sync that is over, and how it ended.
pub type Completion = (Ticket, Result<(), DiskError>);

/// Names and contents, as a running machine sees them or as the platters hold them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    pub names: BTreeMap<String, Inode>,
    pub data: BTreeMap<Inode, Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { inode: Inode, offset: usize, bytes: Vec<u8> },
    Truncate { inode: Inode, length: usize },
    Create { name: String, inode: Inode },
    Rename { from: String, to: String },
    Remove { name: String },
}

/// One machine: its disk, and the calls on it so far.
#[derive(Clone, Debug)]
pub struct Machine {
    pub live: Image,
    pub durable: Image,
    pending: Vec<(u64, Change)>,
    syncs: BTreeMap<Ticket, Vec<u64>>,
    rng: ChaCha8Rng,
    dead: bool,
    /// Changes, syncs and completions so far.
    pub calls: u64,
    /// The call that the power is cut at.
    pub cut_at: Option<u64>,
    /// The call at which a sync's completion says that it failed: what of it did not reach
    /// the platters is forgotten, though reads still show it.
    pub fail_at: Option<u64>,
    next: u64,
}

impl Image {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { inode, offset, bytes } => {
                let data = self.data.entry(*inode).or_default();
                data.resize(data.len().max(offset + bytes.len()), 0);
                data[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Change::Truncate { inode, length } => self.data.entry(*inode).or_default().truncate(*length),
            Change::Create { name, inode } => _ = self.names.insert(name.clone(), *inode),
            Change::Rename { from, to } => {
                if let Some(inode) = self.names.remove(from) {
                    self.names.insert(to.clone(), inode);
                }
            }
            Change::Remove { name } => _ = self.names.remove(name),
        }
    }
}

impl Change {
    fn inode(&self) -> Option<Inode> {
        match self {
            Change::Write { inode, .. } | Change::Truncate { inode, .. } => Some(*inode),
            _ => None,
        }
    }
}

impl Machine {
    pub fn new(seed: u64) -> Self {
        Machine {
            live: Image::default(),
            durable: Image::default(),
            pending: Vec::new(),
            syncs: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            dead: false,
            calls: 0,
            cut_at: None,
            fail_at: None,
            next: 1,
        }
    }

    /// Draws other fates for what is pending at a cut.
    pub fn reseed(&mut self, seed: u64) {
        self.rng = ChaCha8Rng::seed_from_u64(seed);
    }

    /// Starts the machine again after a cut, or the process after a kill.
    pub fn restart(&mut self) {
        (self.dead, self.cut_at, self.calls) = (false, None, 0);
        self.syncs.clear();
    }

    /// Cuts the power: each pending change is kept, dropped or torn.
    pub fn cut(&mut self) {
        for (_, change) in std::mem::take(&mut self.pending) {
            self.leave_to_chance(change);
        }
        self.syncs.clear();
        self.live = self.durable.clone();
        self.dead = true;
    }

    fn leave_to_chance(&mut self, change: Change) {
        match (self.rng.next_u32() % 3, change) {
            (0, _) => {}
            (1, Change::Write { inode, offset, bytes }) => {
                // Half of the tears go through the first bytes, where the small values of the slots are.
                let length = [bytes.len(), bytes.len().min(40)][self.rng.next_u32() as usize % 2];
                let bound = (self.rng.next_u64() % (length as u64 + 1)) as usize;
                for (n, sector) in bytes[..bound].chunks(512).enumerate() {
                    if self.rng.next_u32().is_multiple_of(2) {
                        let (offset, bytes) = (offset + n * 512, sector.to_vec());
                        self.durable.apply(&Change::Write { inode, offset, bytes });
                    }
                }
            }
            (_, change) => self.durable.apply(&change),
        }
    }

    /// Completes the oldest sync.
    pub fn complete(&mut self) -> Result<Option<Completion>, Dead> {
        if self.syncs.is_empty() && !self.dead {
            return Ok(None);
        }
        self.call().map_err(|_| Dead)?;
        let (ticket, covered) = self.syncs.pop_first().expect("a living machine's syncs stay");
        let failed = self.fail_at == Some(self.calls);
        for (number, change) in std::mem::take(&mut self.pending) {
            if !covered.contains(&number) {
                self.pending.push((number, change));
            } else if failed {
                self.leave_to_chance(change);
            } else {
                self.durable.apply(&change);
            }
        }
        let error = DiskError::Io { operation: "sync", file: String::new(), reason: "tried and failed".to_owned() };
        Ok(Some((ticket, if failed { Err(error) } else { Ok(()) })))
    }

    /// Damages what reads of a file return.
    pub fn damage(&mut self, file: &str, with: impl Fn(&mut Vec<u8>)) {
        let inode = self.inode(file);
        with(self.live.data.get_mut(&inode).expect("a named file has contents"));
    }

    /// Damages the beginning of a file on the platters.
    pub fn damage_durably(&mut self, file: &str) {
        self.damage_durably_at(file, 0);
    }

    /// Damages a file on the platters from an offset on.
    pub fn damage_durably_at(&mut self, file: &str, offset: u64) {
        let inode = self.inode(file);
        for image in [&mut self.live, &mut self.durable] {
            image.apply(&Change::Write { inode, offset: offset as usize, bytes: vec![0xff; 8] });
        }
    }

    fn call(&mut self) -> Result<(), DiskError> {
        self.calls += 1;
        if self.cut_at == Some(self.calls) {
            self.cut();
        }
        if self.dead { Err(DiskError::Dead) } else { Ok(()) }
    }

    /// A change that the cut strikes while it is under way is itself pending.
    fn change(&mut self, change: Change) -> Result<(), DiskError> {
        if self.dead {
            return Err(DiskError::Dead);
        }
        self.next += 1;
        self.live.apply(&change);
        self.pending.push((self.next, change));
        self.call()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn inode(&self, file: &str) -> Inode {
        *self.live.names.get(file).unwrap_or_else(|| panic!("{file} does not exist"))
    }
}

impl Disk for Machine {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        Ok(self.live.names.keys().cloned().collect())
    }

    fn len(&mut self, file: &str) -> Result<Option<u64>, DiskError> {
        let inode = self.live.names.get(file);
        Ok(inode.map(|inode| self.live.data.get(inode).map_or(0, |data| data.len() as u64)))
    }

    fn read(&mut self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let data = self.live.data.get(&self.inode(file)).cloned().unwrap_or_default();
        let start = data.len().min(offset as usize);
        Ok(data[start..data.len().min(start.saturating_add(length))].to_vec())
    }

    fn write(&mut self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        if !self.live.names.contains_key(file) {
            let inode = self.number();
            self.change(Change::Create { name: file.to_owned(), inode })?;
        }
        let inode = self.inode(file);
        self.change(Change::Write { inode, offset: offset as usize, bytes: bytes.to_vec() })
    }

    fn truncate(&mut self, file: &str, length: u64) -> Result<(), DiskError> {
        let inode = self.inode(file);
        self.change(Change::Truncate { inode, length: length as usize })
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned() })
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        self.change(Change::Remove { name: file.to_owned() })
    }

    fn sync(&mut self, files: &[&str], directory: bool) -> Ticket {
        let ticket = Ticket(self.number());
        if self.call().is_ok() {
            let inodes: Vec<Inode> = files.iter().map(|file| self.inode(file)).collect();
            let covered = |change: &Change| change.inode().map_or(directory, |inode| inodes.contains(&inode));
            let covered =
                self.pending.iter().filter(|(_, change)| covered(change)).map(|(number, _)| *number).collect();
            self.syncs.insert(ticket, covered);
        }
        ticket
    }

    fn sqlite_vfs(&self) -> SqliteVfs {
        panic!("the log does not use SQLite")
    }
}

impl Host for Machine {
    fn next(&mut self) -> impl Future<Output = Result<Input, Dead>> + Send {
        ready(match self.complete() {
            Ok(Some((ticket, result))) => Ok(Input::Synced { ticket, result }),
            Ok(None) => panic!("a boot waits for nothing"),
            Err(dead) => Err(dead),
        })
    }

    fn run(&mut self, _: Work, _: Job) {}

    fn record(&mut self, _: Event) {}
}

impl Entropy for Machine {
    fn entropy(&mut self, _: &'static str) -> u64 {
        self.rng.next_u64()
    }
}

impl Network for Machine {
    fn send(&mut self, _: &str, _: Bytes) {}
    fn call(&mut self, _: &str, _: CallId, _: Bytes) {}
    fn respond(&mut self, _: RequestId, _: Bytes) {}
}

impl Clock for Machine {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> Duration {
        Duration::ZERO
    }

    fn wake_at(&mut self, _: Duration) {}
}

/// Runs a boot, which never has to wait on this host.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a boot waits for nothing"),
    }
}
