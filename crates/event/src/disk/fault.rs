//! A disk in memory that forgets, as a power cut makes a disk forget.
//!
//! Model: a file's content is durable up to its last `sync`, a name up to the last `sync_dir` of
//! its folder. At [`FaultDisk::crash`] the seed decides how much of the rest arrived all the
//! same: of names, any prefix of the operations of each folder (as a journalling file system
//! orders them); of content, any part of the unsynced tail, whole, cut, zeroed or garbled.

use super::{Disk, DiskFile};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    CreateDir(PathBuf),
    Create(PathBuf),
    Append(PathBuf, usize),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    Truncate(PathBuf, u64),
    SyncDir(PathBuf),
    /// Put in by [`FaultDisk::note`].
    Note(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File(u64),
    Dir,
}

/// One change of the names in a folder, not yet synced.
enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, Node),
}

#[derive(Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    unsynced: BTreeMap<PathBuf, Vec<NameChange>>,
    contents: HashMap<u64, Content>,
    next_file: u64,
    random: u64,
    operations: Vec<Operation>,
    /// Mutating operations that still succeed; `None`: all.
    fuel: Option<u64>,
    failing_syncs: u64,
    syncs_ignored: bool,
    /// Counts crashes: handles from before one are dead.
    life: u64,
}

/// See the module.
#[derive(Clone)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

struct FaultFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    file: u64,
    life: u64,
    length: u64,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

fn absent(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.display().to_string())
}

fn injected() -> io::Error {
    io::Error::other("injected fault")
}

fn apply(names: &mut BTreeMap<PathBuf, Node>, change: &NameChange) {
    match change {
        NameChange::Add(path, node) => {
            names.insert(path.clone(), *node);
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
        NameChange::Rename(from, to, node) => {
            names.remove(from);
            names.insert(to.clone(), *node);
        }
    }
}

impl State {
    /// splitmix64 (Steele, Lea, Flood, *Fast Splittable Pseudorandom Number Generators*, 2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound.max(1) as u64) as usize
    }

    fn burn(&mut self, operation: Operation) -> io::Result<()> {
        if let Some(fuel) = &mut self.fuel {
            if *fuel == 0 {
                return Err(injected());
            }
            *fuel -= 1;
        }
        self.operations.push(operation);
        Ok(())
    }

    fn change(&mut self, folder: PathBuf, change: NameChange) {
        apply(&mut self.names, &change);
        self.unsynced.entry(folder).or_default().push(change);
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(file)) => Ok(*file),
            _ => Err(absent(path)),
        }
    }

    fn content(&self, path: &Path) -> io::Result<&Content> {
        let file = self.file(path)?;
        Ok(&self.contents[&file])
    }

    fn sync_fails(&mut self) -> bool {
        let fails = self.failing_syncs > 0;
        self.failing_syncs = self.failing_syncs.saturating_sub(1);
        fails
    }

    fn lose_names(&mut self) {
        for (_, changes) in std::mem::take(&mut self.unsynced) {
            let arrived = self.below(changes.len() + 1);
            for change in &changes[..arrived] {
                apply(&mut self.durable_names, change);
            }
        }
        // What lies in a lost folder is lost with it.
        let kept: BTreeSet<PathBuf> = self
            .durable_names
            .keys()
            .filter(|path| {
                path.ancestors().skip(1).all(|folder| {
                    folder.parent().is_none()
                        || folder.as_os_str().is_empty()
                        || self.durable_names.get(folder) == Some(&Node::Dir)
                })
            })
            .cloned()
            .collect();
        self.durable_names.retain(|path, _| kept.contains(path));
        self.names = self.durable_names.clone();
    }

    fn lose_content(&mut self) {
        let mut files: Vec<u64> = self.contents.keys().copied().collect();
        files.sort_unstable();
        for file in files {
            let mut content = self.contents.remove(&file).expect("listed just before");
            let start = content.durable.len();
            let arrived = self.below(content.live.len().saturating_sub(start) + 1);
            let mut tail = content.live[start..start + arrived].to_vec();
            match self.below(4) {
                0 => tail.fill(0),
                1 if !tail.is_empty() => {
                    let at = self.below(tail.len());
                    tail[at] ^= 1 << self.below(8);
                }
                2 => tail.clear(),
                _ => {}
            }
            content.durable.extend_from_slice(&tail);
            content.live.clone_from(&content.durable);
            self.contents.insert(file, content);
        }
    }
}

impl FaultDisk {
    /// An empty disk; the same seed forgets the same things.
    pub fn new(seed: u64) -> Self {
        FaultDisk {
            state: Arc::new(Mutex::new(State {
                random: seed,
                ..State::default()
            })),
        }
    }

    /// Cuts the power: unsynced content and names are lost as the seed decides, open files are
    /// dead, injected faults are over.
    pub fn crash(&self) {
        let mut state = lock(&self.state);
        state.lose_names();
        state.lose_content();
        state.life += 1;
        state.fuel = None;
        state.failing_syncs = 0;
    }

    /// Lets `operations` more changes succeed; then every change fails until the next crash.
    pub fn fail_after(&self, operations: u64) {
        lock(&self.state).fuel = Some(operations);
    }

    /// Makes the next `syncs` syncs of files fail, once each.
    pub fn fail_syncs(&self, syncs: u64) {
        lock(&self.state).failing_syncs = syncs;
    }

    /// Makes every sync return at once without doing anything: how a test shows that it would
    /// notice a missing one.
    pub fn ignore_syncs(&self) {
        lock(&self.state).syncs_ignored = true;
    }

    /// Writes a mark of the test's own into the list of operations.
    pub fn note(&self, text: &str) {
        lock(&self.state)
            .operations
            .push(Operation::Note(text.to_owned()));
    }

    /// Everything done so far, in order.
    pub fn operations(&self) -> Vec<Operation> {
        lock(&self.state).operations.clone()
    }

    /// Flips one bit of a stored byte, durably, as decay would.
    ///
    /// # Errors
    /// When the file is absent or shorter.
    pub fn damage(&self, path: &Path, offset: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        let file = state.file(path)?;
        let content = state.contents.get_mut(&file).ok_or_else(|| absent(path))?;
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        for bytes in [&mut content.live, &mut content.durable] {
            *bytes.get_mut(at).ok_or_else(|| absent(path))? ^= 0x10;
        }
        Ok(())
    }

    fn list_nodes(&self, path: &Path, wanted: impl Fn(&Node) -> bool) -> Vec<PathBuf> {
        lock(&self.state)
            .names
            .iter()
            .filter(|(name, node)| name.parent() == Some(path) && wanted(node))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl DiskFile for FaultFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.life != self.life {
            return Err(injected());
        }
        let burnt = state.burn(Operation::Append(self.path.clone(), bytes.len()));
        // A failing write may have written a part.
        let written = match burnt {
            Ok(()) => bytes.len(),
            Err(_) => state.below(bytes.len()),
        };
        let content = state.contents.get_mut(&self.file).expect("file is open");
        content.live.extend_from_slice(&bytes[..written]);
        self.length = content.live.len() as u64;
        burnt
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.life != self.life || state.sync_fails() {
            return Err(injected());
        }
        state.burn(Operation::Sync(self.path.clone()))?;
        if !state.syncs_ignored {
            let content = state.contents.get_mut(&self.file).expect("file is open");
            content.durable.clone_from(&content.live);
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.length
    }
}

impl Disk for FaultDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        let mut missing: Vec<&Path> = path
            .ancestors()
            .filter(|p| p.parent().is_some() && !p.as_os_str().is_empty())
            .filter(|p| !state.names.contains_key(*p))
            .collect();
        missing.reverse();
        for folder in missing {
            state.burn(Operation::CreateDir(folder.to_owned()))?;
            state.change(parent(folder), NameChange::Add(folder.to_owned(), Node::Dir));
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = lock(&self.state);
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let folder = parent(path);
        if folder.parent().is_some() && state.names.get(&folder) != Some(&Node::Dir) {
            return Err(absent(&folder));
        }
        state.burn(Operation::Create(path.to_owned()))?;
        let file = state.next_file;
        state.next_file += 1;
        state.contents.insert(file, Content::default());
        state.change(folder, NameChange::Add(path.to_owned(), Node::File(file)));
        Ok(Box::new(FaultFile {
            state: Arc::clone(&self.state),
            path: path.to_owned(),
            file,
            life: state.life,
            length: 0,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(lock(&self.state).content(path)?.live.clone())
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let state = lock(&self.state);
        let bytes = &state.content(path)?.live;
        let start = usize::try_from(offset).map_or(bytes.len(), |o| o.min(bytes.len()));
        let end = start.saturating_add(length).min(bytes.len());
        Ok(bytes[start..end].to_vec())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(lock(&self.state).content(path)?.live.len() as u64)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        let node = Node::File(state.file(from)?);
        // Atomic only inside one folder, which is all that is needed here.
        if parent(from) != parent(to) {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        state.burn(Operation::Rename(from.to_owned(), to.to_owned()))?;
        state.change(
            parent(from),
            NameChange::Rename(from.to_owned(), to.to_owned(), node),
        );
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.file(path)?;
        state.burn(Operation::Remove(path.to_owned()))?;
        state.change(parent(path), NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        let file = state.file(path)?;
        state.burn(Operation::Truncate(path.to_owned(), length))?;
        let content = state.contents.get_mut(&file).ok_or_else(|| absent(path))?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        content.live.resize(length, 0);
        content.durable.clone_from(&content.live);
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        lock(&self.state).names.contains_key(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.list_nodes(path, |node| matches!(node, Node::File(_))))
    }

    fn list_dirs(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.list_nodes(path, |node| *node == Node::Dir))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.burn(Operation::SyncDir(path.to_owned()))?;
        if !state.syncs_ignored {
            for change in state.unsynced.remove(path).unwrap_or_default() {
                apply(&mut state.durable_names, &change);
            }
        }
        Ok(())
    }
}
