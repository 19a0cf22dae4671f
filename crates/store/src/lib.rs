//! What is kept: hot rows, Parquet segments, and the catalog that says what is true.
//!
//! What is here: [`Store`] with its commit, scans, compaction and verification; the catalog's
//! reads and the few writes that happen outside a commit; the data directory's lock and secrets.
//!
//! What is not here: query planning, anything that knows a source, the network.
//!
//! `EventBatch → hot rows → commit: files fsynced → one transaction → renames → scan`
//!
//! The catalog is SQLite in WAL mode with `synchronous=FULL`; a file is part of the store when a
//! row says so. Until its transaction is durable a file is called `*.parquet.tmp`, so that other
//! programs reading `tables/` as a Hive layout never see an uncommitted one.

mod amend;
mod catalog;
mod commit;
mod compact;
mod cut;
mod error;
mod file;
mod hot;
mod layout;
mod lock;
mod merge;
mod options;
mod partition;
mod recover;
mod scan;
mod schema;
pub mod secrets;
mod segment;
mod stat;
mod store;
mod types;
mod verify;
mod view;

#[cfg(test)]
mod tests;

pub use commit::CommitStep;
pub use error::StoreError;
pub use lock::{Holder, holder};
pub use options::{StepHook, StoreOptions};
pub use schema::{conform, dataset_schema, projected_schema};
pub use store::Store;
pub use types::*;
pub use view::Snapshot;
