//! What the next open does after a crash.

use crate::catalog::segments;
use crate::error::StoreError;
use crate::layout::{is_temporary, temporary};
use crate::store::Store;
use crate::view::View;
use haetae_event::disk::Disk;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Finishes renames of committed files, marks them, and deletes files that no transaction knows.
pub(crate) fn recover(store: &Store) -> Result<(), StoreError> {
    let disk = store.disk.as_ref();
    find_names(disk, &mut store.view_mut());
    store.rename_pending();
    let settled = store.renamed_ids();
    if !settled.is_empty() {
        store.catalog.write(|tx| segments::mark_live(tx, &settled))?;
        store.view_mut().marked(&settled);
    }
    let known: BTreeSet<PathBuf> = store.view().segments.values().map(|s| s.path.clone()).collect();
    for path in files_below(disk, store.layout.tables())? {
        if is_temporary(&path) && !known.contains(&path) {
            disk.remove(&path).map_err(StoreError::io(&path))?;
        }
    }
    Ok(())
}

/// Sets the paths of pending segments to the name the file has now. One that has neither stays
/// listed under its final name, so that reading it fails loudly.
pub(crate) fn find_names(disk: &dyn Disk, view: &mut View) {
    for id in &view.pending {
        let Some(segment) = view.segments.get_mut(id) else {
            continue;
        };
        let before = temporary(&segment.path);
        if !disk.exists(&segment.path) && disk.exists(&before) {
            segment.path = before;
        }
    }
}

/// Every file below `root`, whatever its name.
pub(crate) fn files_below(disk: &dyn Disk, root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        files.extend(disk.list(&folder).map_err(StoreError::io(&folder))?);
        folders.extend(disk.list_dirs(&folder).map_err(StoreError::io(&folder))?);
    }
    Ok(files)
}
