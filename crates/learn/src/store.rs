//! The folder of models: `NAME/VERSION/forest.bin`, and which version is in use.
//!
//! ```text
//! models/web/0001/forest.bin        versions never change; a number is never used again
//! models/web/0002/forest.bin
//! models/web/promotions/000001.json one file a promotion; the last one says what is in use
//! ```
//!
//! Files appear whole: written under another name, synced, renamed, the folder synced. A crash
//! leaves at most a version without a file, which is not listed. Rolling back is one more promotion.
//! Several processes may write (the service retrains while a command trains): whoever creates
//! `NUMBER.claim`, which only one can, owns the number; the others take the next one.

use crate::forest::{Forest, LoadError};
use haetae_event::Micros;
use haetae_event::disk::{SharedDisk, create_dirs_synced};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A larger file is no model of ours.
const FILE_BYTES_MAX: u64 = 1 << 30;
const NOTE_BYTES_MAX: u64 = 1 << 20;
const MODEL_FILE: &str = "forest.bin";
const PROMOTIONS: &str = "promotions";
/// Others that may be faster in a row.
const CLAIMS_MAX: usize = 1_000;

/// What can go wrong with the folder.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("model names are 1 to 64 of a-z, 0-9, `_` and `-`; got {0:?}")]
    Name(String),
    #[error("no version {version} of model {name}")]
    NoVersion { name: String, version: u32 },
    #[error("{path}: {problem}")]
    Disk { path: PathBuf, problem: io::Error },
    #[error("{path}: {problem}")]
    Model { path: PathBuf, problem: LoadError },
    #[error("{path}: not a promotion: {problem}")]
    Promotion { path: PathBuf, problem: String },
    #[error("{path}: {bytes} bytes are too many")]
    TooLarge { path: PathBuf, bytes: u64 },
}

/// One line of a model's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    pub version: u32,
    pub at: Micros,
    /// Who or what decided, and why: shown, never read back as a command.
    pub note: String,
}

/// A number of a folder that is ours.
struct Claim {
    number: u32,
    path: PathBuf,
}

/// The folder `models` of a data directory.
#[derive(Clone)]
pub struct ModelStore {
    disk: SharedDisk,
    root: PathBuf,
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(StoreError::Name(name.chars().take(80).collect()))
    }
}

/// The number a file or folder is named after.
fn number(path: &Path) -> Option<u32> {
    let text = path.file_stem()?.to_str()?;
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn on(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    |problem| StoreError::Disk { path, problem }
}

impl ModelStore {
    /// `root` need not exist yet.
    pub fn new(disk: SharedDisk, root: PathBuf) -> ModelStore {
        ModelStore { disk, root }
    }

    fn folder(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
        Ok(self.root.join(name))
    }

    fn version_folder(&self, name: &str, version: u32) -> Result<PathBuf, StoreError> {
        Ok(self.folder(name)?.join(format!("{version:04}")))
    }

    /// The models there are, by name.
    ///
    /// # Errors
    /// The disk's.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        let folders = self.disk.list_dirs(&self.root).map_err(on(&self.root))?;
        let names = folders.iter().filter_map(|path| path.file_name()?.to_str());
        let ours = names.filter(|name| check_name(name).is_ok());
        Ok(ours.map(str::to_owned).collect())
    }

    /// The versions of a model, ascending; those whose file never arrived are left out.
    ///
    /// # Errors
    /// A bad name, or the disk's.
    pub fn versions(&self, name: &str) -> Result<Vec<u32>, StoreError> {
        let folder = self.folder(name)?;
        let folders = self.disk.list_dirs(&folder).map_err(on(&folder))?;
        let whole = folders
            .iter()
            .filter(|path| self.disk.exists(&path.join(MODEL_FILE)));
        let mut versions: Vec<u32> = whole.filter_map(|path| number(path)).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// Stores a forest as the next version and returns its number. It is not in use yet.
    ///
    /// # Errors
    /// A bad name, or the disk's; then no version was added.
    pub fn add(&self, name: &str, forest: &Forest) -> Result<u32, StoreError> {
        let folder = self.folder(name)?;
        let claim = self.claim(&folder)?;
        let path = self.version_folder(name, claim.number)?;
        self.write(&path, MODEL_FILE, &forest.to_bytes())?;
        self.release(&claim);
        Ok(claim.number)
    }

    /// The next number of a folder, which nobody else gets.
    fn claim(&self, folder: &Path) -> Result<Claim, StoreError> {
        create_dirs_synced(&*self.disk, &self.root, folder).map_err(on(folder))?;
        let mut least = 0;
        for _ in 0..CLAIMS_MAX {
            let number = self.last_number(folder)?.max(least).saturating_add(1);
            let path = folder.join(format!("{number:06}.claim"));
            match self.disk.create(&path) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    least = number;
                    continue;
                }
                Err(error) => return Err(on(&path)(error)),
            }
            let claim = Claim { number, path };
            // Who was faster may have finished, and taken the claim away, since the folder was read.
            if self.last_done(folder)? < number {
                return Ok(claim);
            }
            self.release(&claim);
            least = number;
        }
        Err(on(folder)(io::ErrorKind::ResourceBusy.into()))
    }

    /// What was claimed is there, and counts by itself now. A claim that stays costs a number.
    fn release(&self, claim: &Claim) {
        let _ = self.disk.remove(&claim.path);
    }

    fn last_number(&self, folder: &Path) -> Result<u32, StoreError> {
        let dirs = self.disk.list_dirs(folder).map_err(on(folder))?;
        let files = self.disk.list(folder).map_err(on(folder))?;
        let numbers = dirs.iter().chain(&files).filter_map(|path| number(path));
        Ok(numbers.max().unwrap_or(0))
    }

    /// Without what is only claimed.
    fn last_done(&self, folder: &Path) -> Result<u32, StoreError> {
        let dirs = self.disk.list_dirs(folder).map_err(on(folder))?;
        let mut files = self.disk.list(folder).map_err(on(folder))?;
        files.retain(|path| path.extension().is_none_or(|e| e != "claim"));
        let numbers = dirs.iter().chain(&files).filter_map(|path| number(path));
        Ok(numbers.max().unwrap_or(0))
    }

    /// # Errors
    /// A bad name, no such version, a damaged file, or the disk's.
    pub fn load(&self, name: &str, version: u32) -> Result<Forest, StoreError> {
        let path = self.version_folder(name, version)?.join(MODEL_FILE);
        if !self.disk.exists(&path) {
            let name = name.to_owned();
            return Err(StoreError::NoVersion { name, version });
        }
        let bytes = self.read(&path, FILE_BYTES_MAX)?;
        Forest::from_bytes(&bytes).map_err(|problem| StoreError::Model { path, problem })
    }

    /// Puts a version in use: the next file of the history.
    ///
    /// # Errors
    /// A version that cannot be loaded, or the disk's; then the version in use stays.
    pub fn promote(&self, name: &str, promotion: &Promotion) -> Result<(), StoreError> {
        self.load(name, promotion.version)?;
        let folder = self.folder(name)?.join(PROMOTIONS);
        let text = serde_json::to_vec(promotion).map_err(|problem| StoreError::Promotion {
            path: folder.clone(),
            problem: problem.to_string(),
        })?;
        let claim = self.claim(&folder)?;
        self.write(&folder, &format!("{:06}.json", claim.number), &text)?;
        self.release(&claim);
        Ok(())
    }

    /// All promotions of a model, the first one first.
    ///
    /// # Errors
    /// A bad name, a file that is no promotion, or the disk's.
    pub fn history(&self, name: &str) -> Result<Vec<Promotion>, StoreError> {
        let files = self.promotions(name)?;
        files.iter().map(|path| self.promotion(path)).collect()
    }

    fn promotions(&self, name: &str) -> Result<Vec<PathBuf>, StoreError> {
        let folder = self.folder(name)?.join(PROMOTIONS);
        let mut files = self.disk.list(&folder).map_err(on(&folder))?;
        files.retain(|path| path.extension().is_some_and(|e| e == "json") && number(path).is_some());
        files.sort_by_key(|path| number(path));
        Ok(files)
    }

    fn promotion(&self, path: &Path) -> Result<Promotion, StoreError> {
        let bytes = self.read(path, NOTE_BYTES_MAX)?;
        serde_json::from_slice(&bytes).map_err(|problem| StoreError::Promotion {
            path: path.to_path_buf(),
            problem: problem.to_string(),
        })
    }

    /// The last promotion, or `None` when nothing was ever promoted.
    ///
    /// # Errors
    /// A bad name, a last file that is no promotion, or the disk's; older files are not looked at.
    pub fn current(&self, name: &str) -> Result<Option<Promotion>, StoreError> {
        let last = self.promotions(name)?.pop();
        last.map(|path| self.promotion(&path)).transpose()
    }

    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>, StoreError> {
        let bytes = self.disk.len(path).map_err(on(path))?;
        if bytes > most {
            let path = path.to_path_buf();
            return Err(StoreError::TooLarge { path, bytes });
        }
        self.disk.read(path).map_err(on(path))
    }

    /// Writes a file that is either whole or absent after a crash.
    fn write(&self, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        create_dirs_synced(&*self.disk, &self.root, folder).map_err(on(folder))?;
        let (part, path) = (folder.join(format!("{name}.part")), folder.join(name));
        let write = || -> io::Result<()> {
            // Left over from a crash.
            if self.disk.exists(&part) {
                self.disk.remove(&part)?;
            }
            let mut file = self.disk.create(&part)?;
            file.append(bytes)?;
            file.sync()?;
            drop(file);
            self.disk.rename(&part, &path)?;
            self.disk.sync_dir(folder)
        };
        write().map_err(on(&path))
    }
}
