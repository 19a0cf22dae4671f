//! The files that knowledge is read from.

use haetae_event::Micros;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What tells one version of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Time of the last change.
    pub modified: Micros,
    pub bytes: u64,
}

/// Reading of whole files; tests bring their own.
pub trait Files: Send + Sync {
    /// # Errors
    /// The disk's own, `NotFound` for an absent file.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// # Errors
    /// The disk's own; `FileTooLarge` when the file has more than `bytes_max`.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;

    /// The files of a folder, those of folders inside left out, in any order.
    ///
    /// # Errors
    /// The disk's own.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The files of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        Ok(files)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let since = metadata
            .modified()?
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Stamp {
            modified: Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            bytes: metadata.len(),
        })
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "capped by take")]
        std::fs::File::open(path)?
            .take(bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("more than {bytes_max} bytes"),
            ));
        }
        Ok(bytes)
    }
}
