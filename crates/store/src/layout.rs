//! Where files lie: `tables/ds=D/tenant=T/dt=YYYY-MM-DD/hh=HH/*.parquet`.

use haetae_event::{Dataset, TenantId};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The Hive layout below one data directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    tables: PathBuf,
}

impl Layout {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Layout {
            tables: data_dir.join("tables"),
        }
    }

    pub(crate) fn tables(&self) -> &Path {
        &self.tables
    }

    pub(crate) fn file_name(id: i64) -> String {
        format!("{id:012}.parquet")
    }

    /// Folder of one hour. All parts are our own words or checked names: no separators.
    pub(crate) fn folder(&self, dataset: Dataset, tenant: &TenantId, dt: &str, hh: &str) -> PathBuf {
        self.tables
            .join(format!("ds={dataset}"))
            .join(format!("tenant={tenant}"))
            .join(format!("dt={dt}"))
            .join(format!("hh={hh}"))
    }

    pub(crate) fn file(&self, dataset: Dataset, tenant: &TenantId, dt: &str, hh: &str, id: i64) -> PathBuf {
        self.folder(dataset, tenant, dt, hh).join(Self::file_name(id))
    }
}

/// The name a file has until its catalog row is committed.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

pub(crate) fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tmp")
}

/// The folder a file of the layout lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().expect("a file of the layout lies in a folder")
}
