//! Pushed input: what the door writes into the journal, and the source that reads it back.

mod entry;
mod run;
#[cfg(test)]
mod tests;

pub use entry::{BadEntry, PushEntry};
pub use run::{JOURNAL_SOURCE, JournalSource, committed_position, waiting_marks};
