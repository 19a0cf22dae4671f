//! The seam between the outbox and one way of telling people.

use futures::future::BoxFuture;
use haetae_event::commit::OutboxRow;
use std::time::Duration;

/// What became of one try to deliver one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver took it.
    Delivered,
    /// Not taken, or not known to be taken; a later try may succeed.
    Retry {
        /// The receiver's own wish (`Retry-After`); overrides the back-off.
        after: Option<Duration>,
        /// For the operator. Holds no secrets and no raw log text.
        why: String,
    },
    /// No later try can succeed.
    Dead { why: String },
}

/// One channel.
///
/// The [`crate::Deliverer`] calls `deliver` for one row at a time per channel, in the order in
/// which the rows were committed, and never again for a row that was `Delivered` or `Dead`. It
/// does all retrying: an implementation makes one try, bounded in time by itself (at most
/// about 10 s). A future that is dropped (shutdown) must leave nothing behind that blocks;
/// the row is then tried again after the next start, so a receiver may see it twice, with the
/// same incident id in the text.
pub trait Notifier: Send + Sync {
    /// Matches [`OutboxRow::channel`]; constant, lower case.
    fn channel(&self) -> &str;

    /// Least time between the starts of two tries.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }

    fn deliver<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Delivery>;
}
