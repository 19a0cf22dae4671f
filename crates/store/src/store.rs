//! [`Store`]: opening, and what all other parts hang on.

use crate::catalog::{Catalog, lock, segments};
use crate::commit::Debris;
use crate::error::StoreError;
use crate::layout::Layout;
use crate::lock::DirLock;
use crate::options::StoreOptions;
use crate::recover;
use crate::secrets::prepare_data_dir;
use crate::types::SegmentInfo;
use crate::view::{Snapshot, View};
use haetae_event::disk::{RealDisk, SharedDisk, create_dirs_synced};
use haetae_event::{Clock, Dataset, EventBatch};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Beyond this many, folders are synced again.
const SYNCED_FOLDERS_MAX: usize = 10_000;

/// Catalog, segments and hot rows of one data directory. Shared by reference between threads:
/// one commits, any number read, one compacts.
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) layout: Layout,
    pub(crate) options: StoreOptions,
    pub(crate) disk: SharedDisk,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalog: Catalog,
    pub(crate) debris: Mutex<Debris>,
    /// Folders whose names this process has made durable.
    synced_folders: Mutex<HashSet<PathBuf>>,
    /// One compaction at a time.
    pub(crate) compacting: Mutex<()>,
    view: RwLock<View>,
    next_segment: AtomicI64,
    /// `None` when read-only.
    lock: Option<Mutex<DirLock>>,
}

impl Store {
    /// Opens for writing: takes the lock, finishes or forgets what a crash left half done.
    /// O(segments + folders).
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process writes; else disk and catalog.
    pub fn open(
        dir: &Path,
        options: StoreOptions,
        disk: SharedDisk,
        clock: Arc<dyn Clock>,
    ) -> Result<Store, StoreError> {
        prepare_data_dir(dir)?;
        let dir_lock = DirLock::acquire(dir, &options.holder)?;
        let catalog = Catalog::open(dir)?;
        let layout = Layout::new(dir);
        let known = catalog.read(|c| segments::load(c, &layout))?;
        let next = catalog.read(segments::next_id)?;
        let store = Store {
            dir: dir.to_owned(),
            layout,
            options,
            disk,
            clock,
            catalog,
            debris: Mutex::default(),
            synced_folders: Mutex::default(),
            compacting: Mutex::default(),
            view: RwLock::new(View::from_catalog(known)),
            next_segment: AtomicI64::new(next),
            lock: Some(Mutex::new(dir_lock)),
        };
        recover::recover(&store)?;
        Ok(store)
    }

    /// Opens for reading, also beside a living writer; takes no lock and changes nothing. Hot
    /// rows of the writer are not seen.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no store in `dir`; else disk and catalog.
    pub fn open_read_only(
        dir: &Path,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Store, StoreError> {
        let catalog = Catalog::open_read_only(dir)?;
        Ok(Store {
            dir: dir.to_owned(),
            layout: Layout::new(dir),
            options,
            disk: Arc::new(RealDisk),
            clock,
            catalog,
            debris: Mutex::default(),
            synced_folders: Mutex::default(),
            compacting: Mutex::default(),
            view: RwLock::default(),
            next_segment: AtomicI64::new(i64::MAX),
            lock: None,
        })
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn is_read_only(&self) -> bool {
        self.catalog.is_read_only()
    }

    /// Writes the service's address into the lock file, once it is known.
    ///
    /// # Errors
    /// The disk's own; [`StoreError::ReadOnly`].
    pub fn set_holder(&self, address: &str) -> Result<(), StoreError> {
        let held = self.lock.as_ref().ok_or(StoreError::ReadOnly)?;
        lock(held).set_address(address)
    }

    /// Adds rows that the named parser made to the read-uncommitted view. They are lost in a crash
    /// before the next commit.
    pub fn append_hot(&self, batch: EventBatch, parser: &str) {
        self.view_mut().hot.push(batch, parser);
    }

    pub fn hot_rows(&self) -> u64 {
        self.view().hot.rows()
    }

    /// Memory of the hot rows.
    pub fn hot_bytes(&self) -> usize {
        self.view().hot.bytes()
    }

    /// Segments and hot rows of a dataset at one instant. Use this, not [`Store::segments`] and
    /// [`Store::hot`] one after the other, where each row must be seen exactly once.
    ///
    /// # Errors
    /// The catalog's, when read-only.
    pub fn snapshot(&self, dataset: Dataset) -> Result<Snapshot, StoreError> {
        if self.is_read_only() {
            return Ok(Snapshot::of(&self.view_from_catalog()?, dataset));
        }
        Ok(Snapshot::of(&self.view(), dataset))
    }

    /// # Errors
    /// See [`Store::snapshot`].
    pub fn segments(&self, dataset: Dataset) -> Result<Vec<SegmentInfo>, StoreError> {
        Ok(self.snapshot(dataset)?.segments)
    }

    /// Uncommitted rows of a dataset, with the columns they were appended with.
    pub fn hot(&self, dataset: Dataset) -> Vec<EventBatch> {
        self.view().hot.of(dataset)
    }

    /// Every segment.
    pub(crate) fn all_segments(&self) -> Result<Vec<SegmentInfo>, StoreError> {
        if self.is_read_only() {
            return Ok(self.view_from_catalog()?.segments.into_values().collect());
        }
        Ok(self.view().segments.values().cloned().collect())
    }

    fn view_from_catalog(&self) -> Result<View, StoreError> {
        let known = self.catalog.read(|c| segments::load(c, &self.layout))?;
        let mut view = View::from_catalog(known);
        recover::find_names(self.disk.as_ref(), &mut view);
        Ok(view)
    }

    /// Creates a folder of the layout with all names on the way durable. The syncs are done once
    /// per folder and process.
    pub(crate) fn ensure_folder(&self, folder: &Path) -> Result<(), StoreError> {
        let mut synced = lock(&self.synced_folders);
        if synced.contains(folder) {
            return Ok(());
        }
        create_dirs_synced(self.disk.as_ref(), self.layout.tables(), folder)
            .map_err(StoreError::io(folder))?;
        if synced.len() >= SYNCED_FOLDERS_MAX {
            synced.clear();
        }
        synced.insert(folder.to_owned());
        Ok(())
    }

    pub(crate) fn next_segment_id(&self) -> i64 {
        self.next_segment.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}
