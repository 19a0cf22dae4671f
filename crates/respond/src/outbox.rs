//! The seam to wherever owed messages are kept.

use haetae_event::commit::OutboxRow;
use haetae_event::time::Micros;

/// What to remember about a row after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered: never returned by [`Outbox::due`] again.
    Done,
    /// Not due before `at`; counts one more attempt.
    RetryAt { at: Micros, error: String },
    /// Given up: kept for reading, never returned by [`Outbox::due`] again.
    Dead { error: String },
}

/// The outbox could not be read or written; tried again later.
#[derive(Debug, thiserror::Error)]
#[error("outbox: {0}")]
pub struct OutboxError(pub String);

/// Rows owed to the outside. Calls may block on a disk; they are made off the async threads.
pub trait Outbox: Send + Sync {
    /// At most `limit` rows that are due at `now`, oldest commit first, each with the number of
    /// attempts recorded so far. Rows of all channels.
    ///
    /// The deliverer passes a `now` a little in its future: it keeps each channel's back-off
    /// itself, and wants the waiting row too, so that nothing behind it overtakes it.
    ///
    /// # Errors
    /// When the rows cannot be read.
    fn due(&self, now: Micros, limit: usize) -> Result<Vec<(OutboxRow, u32)>, OutboxError>;

    /// Durable when it returns.
    ///
    /// # Errors
    /// When the outcome is not known to be kept; the deliverer calls again.
    fn record(&self, id: &str, outcome: Outcome) -> Result<(), OutboxError>;
}
