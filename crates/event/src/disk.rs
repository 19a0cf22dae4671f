//! How journal and store touch the disk: through [`Disk`], so that a fault disk can drop
//! whatever was not synced and a seed can replay a crash.

mod fault;
mod real;

#[cfg(test)]
mod tests;

pub use fault::{FaultDisk, Operation};
pub use real::RealDisk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file open for appending. Dropping it does not sync.
pub trait DiskFile: Send {
    /// Appends all of `bytes`.
    ///
    /// # Errors
    /// The disk's own; after an error the tail of the file is unknown.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file's content and length durable (`fdatasync`).
    ///
    /// # Errors
    /// After a failed sync the unsynced tail must be taken as lost: do not retry on the same file.
    fn sync(&mut self) -> io::Result<()>;

    fn len(&self) -> u64;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The operations whose order decides what survives a crash.
///
/// A created, renamed or removed name is durable only after [`Disk::sync_dir`] of its folder.
pub trait Disk: Send + Sync {
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Creates the file; an existing one is an error.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Reads up to `length` bytes from `offset`; shorter at the end of the file.
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    fn len(&self, path: &Path) -> io::Result<u64>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Cuts the file and makes its new length durable.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;
    fn exists(&self, path: &Path) -> bool;
    /// File names (not folders) directly inside, sorted; empty when the folder is absent.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Folders directly inside, sorted; empty when the folder is absent.
    fn list_dirs(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Makes the names directly inside durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

pub type SharedDisk = Arc<dyn Disk>;

/// Creates `path`, which is `root` or below it, and makes every name on the way durable: those
/// from `root` (its own included) down to `path` always, because whoever made them may have died
/// before syncing; those above `root` where they are created here.
///
/// # Errors
/// The disk's own.
pub fn create_dirs_synced(disk: &dyn Disk, root: &Path, path: &Path) -> io::Result<()> {
    let missing = path.ancestors().take_while(|p| !disk.exists(p)).last();
    disk.create_dir_all(path)?;
    let highest = missing.filter(|p| root.starts_with(p)).unwrap_or(root);
    for folder in path.ancestors() {
        match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => disk.sync_dir(parent)?,
            Some(_) => disk.sync_dir(Path::new("."))?,
            None => return Ok(()),
        }
        if folder == highest {
            return Ok(());
        }
    }
    Ok(())
}
