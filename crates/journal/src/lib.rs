//! Durable log of accepted, not yet committed input.
//!
//! What is here: the [`Journal`] seam, and [`SegmentJournal`] over local append-only files. What
//! is not here: what an entry means; the source that reads the journal; any other backing.
//!
//! `bytes → append (group commit, fsync) → Position … read_from → release_before`

mod contract;
mod damage;
mod frame;
mod options;
mod position;
mod read;
mod recover;
mod segment_journal;
mod write;

#[cfg(test)]
mod tests;

pub use contract::{Entry, Journal, JournalError};
pub use damage::Damage;
pub use options::JournalOptions;
pub use position::Position;
pub use segment_journal::SegmentJournal;
