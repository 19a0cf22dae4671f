//! The seam: what every journal promises.

use crate::position::Position;
use std::io;
use std::path::PathBuf;

/// One entry that was read back: where it starts, where to read on, its bytes.
pub type Entry = (Position, Position, Vec<u8>);

/// Why a journal could not do what was asked. The comment says what the caller does.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Refuse the entry: it can never be taken.
    #[error("a journal entry has {bytes} bytes, at most {bytes_max} are taken")]
    EntryTooLarge { bytes: usize, bytes_max: usize },
    /// Not acknowledged, and not read by this process; see [`Journal::append`] for a crash.
    /// Answer the client with a retryable error; a later append goes to a fresh segment.
    #[error("the journal could not be written: {0}")]
    NotWritten(String),
    /// Stored bytes are damaged. Record it, then read on at `resume`.
    #[error("journal segment {} is damaged at byte {offset}; reading resumes at {resume}", path.display())]
    Damaged {
        path: PathBuf,
        offset: u64,
        resume: Position,
    },
    /// The disk's own error while reading, opening or deleting.
    #[error("journal file {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// A durable log of accepted, not yet committed input.
///
/// Any number of threads append and read at once. Entries are read in the order of their
/// positions. The reader keeps its own position; the journal does not know how far it has come
/// until [`Journal::release_before`] says so.
pub trait Journal: Send + Sync {
    /// Returns once the entry would survive a power cut, with the entry's position.
    ///
    /// # Errors
    /// After an error the entry is not acknowledged and not read by this process. Should the
    /// machine die before the next successful append, it may still be found at the next start.
    fn append(&self, entry: &[u8]) -> Result<Position, JournalError>;

    /// Reads durable entries from `position` on: at least one if there is one, else about
    /// `bytes_max` bytes of them. A position in a released segment reads from the oldest kept.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when the next entry cannot be read: entries before it were
    /// returned by earlier calls, so nothing is skipped silently.
    fn read_from(&self, position: Position, bytes_max: usize) -> Result<Vec<Entry>, JournalError>;

    /// End of the last durable entry.
    fn end(&self) -> Position;

    /// Gives up what lies before `position`; whole segments are deleted.
    ///
    /// # Errors
    /// The disk's own. What is left will be deleted by a later call.
    fn release_before(&self, position: Position) -> Result<(), JournalError>;
}
