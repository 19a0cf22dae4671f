//! Files in memory.

use haetae_enrich::files::{Files, Stamp};
use haetae_event::Micros;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
pub struct MemoryFiles {
    files: Mutex<HashMap<PathBuf, (i64, Vec<u8>)>>,
    pub reads: AtomicUsize,
    pub stamps: AtomicUsize,
}

impl MemoryFiles {
    pub fn put(&self, path: &str, modified_us: i64, bytes: impl Into<Vec<u8>>) {
        let mut files = self.files.lock().unwrap();
        files.insert(PathBuf::from(path), (modified_us, bytes.into()));
    }

    pub fn delete(&self, path: &str) {
        self.files.lock().unwrap().remove(Path::new(path));
    }
}

impl Files for MemoryFiles {
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let files = self.files.lock().unwrap();
        let inside: Vec<PathBuf> = files
            .keys()
            .filter(|path| path.parent() == Some(dir))
            .cloned()
            .collect();
        match inside.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(inside),
        }
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.stamps.fetch_add(1, Ordering::SeqCst);
        let files = self.files.lock().unwrap();
        let (modified, bytes) = files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Stamp {
            modified: Micros(*modified),
            bytes: bytes.len() as u64,
        })
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let files = self.files.lock().unwrap();
        let (_, bytes) = files.get(path).ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() as u64 > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.clone())
    }
}
