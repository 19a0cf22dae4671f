//! The outbox for the deliverer.

use haetae_event::Micros;
use haetae_event::commit::OutboxRow;
use haetae_respond::{Outbox, OutboxError, Outcome};
use haetae_store::Store;
use std::sync::Arc;

pub struct StoreOutbox(pub Arc<Store>);

impl Outbox for StoreOutbox {
    fn due(&self, now: Micros, limit: usize) -> Result<Vec<(OutboxRow, u32)>, OutboxError> {
        let due = self
            .0
            .outbox_due(now, limit)
            .map_err(|error| OutboxError(error.to_string()))?;
        Ok(due.into_iter().map(|due| (due.row, due.attempts)).collect())
    }

    fn record(&self, id: &str, outcome: Outcome) -> Result<(), OutboxError> {
        let outcome = match outcome {
            Outcome::Done => haetae_store::Outcome::Done,
            Outcome::RetryAt { at, error } => haetae_store::Outcome::Retry { at, error },
            Outcome::Dead { error } => haetae_store::Outcome::Dead { error },
        };
        self.0
            .outbox_mark(id, outcome)
            .map_err(|error| OutboxError(error.to_string()))
    }
}
