//! Making durable what a boot has read.
//!
//! After a failed sync a page cache may hand back what the disk never got, and say yes to the next sync without writing
//! it again. So a file whose last writes were not seen to be synced is not synced once more but written once more: into
//! a new file, which is synced and renamed over the old one. A crash at any point leaves the old file or the new one.

use crate::host::{Disk, DiskError, Host, Input};
use crate::log_store::BootError;

/// What follows a file's name while its successor is being written.
const TEMPORARY: &str = ".new";

/// The most bytes of a file that are held at once while it is copied.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Waits until these files, and with `directory` the names of all files, are durable. It drops every other input, so it
/// is for a boot, while nothing else runs.
///
/// # Errors
/// [`BootError::Dead`] when the boot is over, [`BootError::Disk`] when the sync failed: the node must stop.
pub async fn synced<H: Host>(host: &mut H, files: &[&str], directory: bool) -> Result<(), BootError> {
    let awaited = host.sync(files, directory);
    loop {
        if let Input::Synced { ticket, result } = host.next().await?
            && ticket == awaited
        {
            return Ok(result?);
        }
    }
}

/// Makes a file durable as it reads now, whatever became of earlier syncs. A file that does not exist is left alone.
///
/// # Errors
/// As [`synced`].
pub async fn prove<H: Host>(host: &mut H, file: &str) -> Result<(), BootError> {
    let Some(length) = host.len(file)? else { return Ok(()) };
    let temporary = begin(host, file)?;
    let mut offset = 0;
    while offset < length {
        let bytes = host.read(file, offset, CHUNK_BYTES_MAX)?;
        if bytes.is_empty() {
            break;
        }
        host.write(&temporary, offset, &bytes)?;
        offset += bytes.len() as u64;
    }
    finish(host, &temporary, file).await
}

/// Makes `contents` the durable contents of a file, whether or not it exists: all of it or nothing.
///
/// # Errors
/// As [`synced`].
pub async fn replace<H: Host>(host: &mut H, file: &str, contents: &[u8]) -> Result<(), BootError> {
    let temporary = begin(host, file)?;
    host.write(&temporary, 0, contents)?;
    finish(host, &temporary, file).await
}

/// Removes what a boot that was cut short left behind.
///
/// # Errors
/// [`DiskError`] when the disk fails.
pub fn remove_leftovers(disk: &mut impl Disk) -> Result<(), DiskError> {
    for file in disk.list()? {
        if file.ends_with(TEMPORARY) {
            disk.remove(&file)?;
        }
    }
    Ok(())
}

/// An empty file beside `file`.
fn begin(disk: &mut impl Disk, file: &str) -> Result<String, DiskError> {
    let temporary = format!("{file}{TEMPORARY}");
    if disk.len(&temporary)?.is_some() {
        disk.remove(&temporary)?;
    }
    disk.write(&temporary, 0, &[])?;
    Ok(temporary)
}

/// Puts the new file in the old one's place. The directory is synced before the rename as well: the contract of
/// [`Disk`] would otherwise let the rename outlive the creation that it needs.
async fn finish<H: Host>(host: &mut H, temporary: &str, file: &str) -> Result<(), BootError> {
    synced(host, &[temporary], true).await?;
    host.rename(temporary, file)?;
    synced(host, &[], true).await
}
