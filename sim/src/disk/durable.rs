//! What a disk would still hold if power were lost now.

use lockstep_node::host::{Disk, DiskError, SqliteVfs, Ticket};

use super::SimDisk;
use super::state::missing;

/// A disk as the next boot may find it: what completed syncs cover and nothing else, the worst that a loss of power can
/// leave. It can only be read, and reading leaves no trace.
pub struct Durable(SimDisk);

impl SimDisk {
    /// What would stay for sure if power were lost now.
    pub fn durable(&self) -> Durable {
        Durable(self.clone())
    }
}

impl Disk for Durable {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        Ok(self.0.state().files.durable_names().cloned().collect())
    }

    fn len(&mut self, file: &str) -> Result<Option<u64>, DiskError> {
        Ok(self.0.state().files.durable(file).map(|bytes| bytes.len() as u64))
    }

    fn read(&mut self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let state = self.0.state();
        let bytes = state.files.durable(file).ok_or_else(|| missing("read", file))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes[start..start.saturating_add(length).min(bytes.len())].to_vec())
    }

    fn write(&mut self, file: &str, _: u64, _: &[u8]) -> Result<(), DiskError> {
        Err(read_only("write", file))
    }

    fn truncate(&mut self, file: &str, _: u64) -> Result<(), DiskError> {
        Err(read_only("truncate", file))
    }

    fn rename(&mut self, from: &str, _: &str) -> Result<(), DiskError> {
        Err(read_only("rename", from))
    }

    fn remove(&mut self, file: &str) -> Result<(), DiskError> {
        Err(read_only("remove", file))
    }

    /// There is nothing to sync: the ticket never completes.
    fn sync(&mut self, _: &[&str], _: bool) -> Ticket {
        Ticket(0)
    }

    /// SQLite opens nothing by this name.
    fn sqlite_vfs(&self) -> SqliteVfs {
        SqliteVfs { name: "a disk that can only be read".to_owned(), prefix: String::new() }
    }
}

fn read_only(operation: &'static str, file: &str) -> DiskError {
    DiskError::Io { operation, file: file.to_owned(), reason: "the disk can only be read".to_owned() }
}
