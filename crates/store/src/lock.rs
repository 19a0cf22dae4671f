//! `lock`: which process writes the store.
//!
//! The operating system's exclusive lock on the file decides; the text inside (address, process
//! id) only tells others whom to talk to. A killed process leaves the text and loses the lock.

use crate::error::StoreError;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "lock";

/// The process that writes the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// `host:port` of the service, empty for a command that does not listen.
    pub address: String,
    pub pid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.is_empty() {
            write!(f, "process {}", self.pid)
        } else {
            write!(f, "process {} at {}", self.pid, self.address)
        }
    }
}

/// The held lock; dropping it lets go.
#[derive(Debug)]
pub struct DirLock {
    file: File,
    path: PathBuf,
}

impl DirLock {
    /// Takes the lock. A prober ([`holder`]) may have it for an instant, so a few tries are made
    /// over 200 ms.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process holds it.
    pub fn acquire(dir: &Path, address: &str) -> Result<DirLock, StoreError> {
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io(&path))?;
        for attempt in 0..5 {
            match file.try_lock() {
                Ok(()) => {
                    let mut lock = DirLock { file, path };
                    lock.set_address(address)?;
                    return Ok(lock);
                }
                Err(TryLockError::WouldBlock) if attempt < 4 => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(StoreError::Io { path, error }),
            }
        }
        Err(StoreError::Locked {
            dir: dir.to_owned(),
            holder: read(&path),
        })
    }

    /// Writes the address once it is known, e.g. after binding to port 0.
    ///
    /// # Errors
    /// The disk's own.
    pub fn set_address(&mut self, address: &str) -> Result<(), StoreError> {
        let text = format!("{}\n{}\n", address, std::process::id());
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())?;
            file.flush()
        };
        write(&mut self.file).map_err(StoreError::io(&self.path))
    }
}

/// Who holds the store in `dir` now, or `None` when nobody does.
pub fn holder(dir: &Path) -> Option<Holder> {
    let path = dir.join(FILE);
    let file = File::open(&path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(read(&path)),
        _ => None,
    }
}

fn read(path: &Path) -> Holder {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        // A lock file that does not read names nobody; the lock itself has already decided.
        #[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
        let _ = file.take(4096).read_to_string(&mut text);
    }
    let mut lines = text.lines();
    Holder {
        address: lines.next().unwrap_or_default().to_owned(),
        pid: lines.next().and_then(|l| l.parse().ok()).unwrap_or(0),
    }
}
