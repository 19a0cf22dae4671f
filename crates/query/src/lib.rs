//! SQL over committed segments and hot rows: the only crate that sees DataFusion.
//!
//! What is here: the read-only SQL door ([`QueryEngine`]), the tables a query may name (`events`
//! and one per dataset), limits, and the writers of a result ([`QueryRows`]).
//!
//! What is not here: the catalog. Which files and hot rows exist is asked of [`Segments`].
//!
//! `text → one SELECT → snapshot of segments and hot rows → DataFusion plan → QueryRows`

mod cell;
mod engine;
mod error;
mod names;
mod render;
mod rows;
mod segments;
mod statement;
mod table;
mod views;

#[cfg(test)]
mod tests;

pub use engine::{QueryEngine, QueryOptions};
pub use error::QueryError;
pub use rows::{QueryRows, Truncation};
pub use segments::{SegmentFile, Segments, Snapshot, SnapshotError};
