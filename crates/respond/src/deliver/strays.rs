//! Rows of channels that nobody configured (any more).

use super::{Shared, idle};
use crate::outbox::Outcome;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// At most this many unknown channel names are remembered as already told.
const TOLD_MAX: usize = 64;

/// Keeps such rows for as long as any other (the channel may come back with the next
/// configuration), tells the operator once per channel, then gives them up.
pub(crate) struct StrayLoop {
    shared: Arc<Shared>,
    told: BTreeSet<String>,
}

impl StrayLoop {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        StrayLoop {
            shared,
            told: BTreeSet::new(),
        }
    }

    pub(crate) async fn run(mut self, mut wake: watch::Receiver<u64>, mut stop: watch::Receiver<bool>) {
        loop {
            wake.mark_unchanged();
            self.look().await;
            let calm = self.shared.options.idle_poll * 5;
            if idle(&mut wake, &mut stop, calm).await {
                return;
            }
        }
    }

    async fn look(&mut self) {
        let configured = &self.shared.configured;
        let stray = |channel: &str| !configured.iter().any(|known| known == channel);
        let Ok(rows) = self.shared.pending(stray).await else {
            return; // The channels' own loops log it.
        };
        for (row, _) in rows {
            if self.told.len() < TOLD_MAX && self.told.insert(row.channel.clone()) {
                self.shared.say(&format!(
                    "messages wait for the channel {}, which is not configured; configure it under `notify`, or they are given up after 24 h",
                    row.channel
                ));
            }
            if self.shared.too_old(&row) {
                let error = "channel not configured".to_owned();
                if let Err(error) = self.shared.record(&row.id, Outcome::Dead { error }).await {
                    tracing::warn!(row = %row.id, %error, "outbox cannot be written");
                    return;
                }
            }
        }
    }
}
