//! What can go wrong, by what the caller does about it.

use crate::lock::Holder;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Talk to the holder, or open read-only.
    #[error("the data directory {} is in use by {holder}", dir.display())]
    Locked { dir: PathBuf, holder: Holder },
    /// There is nothing to read yet.
    #[error("there is no store in {}", dir.display())]
    Absent { dir: PathBuf },
    /// A newer program wrote the catalog: upgrade.
    #[error("catalog version {found} is newer than {known}, which this program knows")]
    TooNew { found: i64, known: i64 },
    /// The store was opened read-only: a bug of the caller.
    #[error("the store was opened read-only")]
    ReadOnly,
    /// Retry later; nothing was changed.
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// Retry later; the transaction was rolled back.
    #[error("catalog: {0}")]
    Catalog(#[from] rusqlite::Error),
    /// A stored file or value does not read back: run `haetae doctor`.
    #[error("{what}: {why}")]
    Damaged { what: String, why: String },
    /// A batch does not fit the dataset's schema: a bug of the caller.
    #[error("batch of {dataset} does not fit: {why}")]
    Schema { dataset: &'static str, why: String },
}

impl StoreError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
        move |error| StoreError::Io {
            path: path.to_owned(),
            error,
        }
    }

    pub(crate) fn damaged(what: impl ToString, why: impl ToString) -> StoreError {
        StoreError::Damaged {
            what: what.to_string(),
            why: why.to_string(),
        }
    }
}
