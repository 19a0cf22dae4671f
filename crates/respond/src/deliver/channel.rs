//! One channel's loop.

use super::back_off::Jitter;
use super::{BACK_OFF_MAX_US, Shared, idle, pause, stopped};
use crate::notifier::{Delivery, Notifier};
use crate::outbox::Outcome;
use haetae_event::commit::OutboxRow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What to do after a row.
enum Next {
    Row,
    /// The channel is in trouble: wait, then begin again with the same row.
    Wait(Duration),
    Stop,
}

pub(crate) struct ChannelLoop {
    shared: Arc<Shared>,
    notifier: Arc<dyn Notifier>,
    jitter: Jitter,
    last_try: Option<Instant>,
}

impl ChannelLoop {
    pub(crate) fn new(shared: Arc<Shared>, notifier: Arc<dyn Notifier>, index: u64) -> Self {
        // Channels must not back off in step.
        let seed = shared.options.seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let jitter = Jitter::new(shared.options.back_off, seed);
        ChannelLoop {
            shared,
            notifier,
            jitter,
            last_try: None,
        }
    }

    pub(crate) async fn run(mut self, mut wake: watch::Receiver<u64>, mut stop: watch::Receiver<bool>) {
        let notifier = self.notifier.clone();
        loop {
            // Seen before the look, so that a wake-up during it brings another look.
            wake.mark_unchanged();
            let rows = match self.shared.pending(|channel| channel == notifier.channel()).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(channel = notifier.channel(), %error, "outbox cannot be read");
                    Vec::new()
                }
            };
            let next = match rows.is_empty() {
                true if idle(&mut wake, &mut stop, self.shared.options.idle_poll).await => Next::Stop,
                true => Next::Row,
                false => self.page(rows, &mut stop).await,
            };
            match next {
                Next::Row => {}
                Next::Wait(wait) if pause(&mut stop, wait).await => return,
                Next::Wait(_) => {}
                Next::Stop => return,
            }
        }
    }

    async fn page(&mut self, rows: Vec<(OutboxRow, u32)>, stop: &mut watch::Receiver<bool>) -> Next {
        for (index, (row, attempts)) in rows.iter().enumerate() {
            match self.one(row, *attempts, stop).await {
                Next::Row => {}
                Next::Wait(wait) => {
                    self.give_up_old(&rows[index + 1..], stop).await;
                    return Next::Wait(wait);
                }
                Next::Stop => return Next::Stop,
            }
        }
        Next::Row
    }

    async fn one(&mut self, row: &OutboxRow, attempts: u32, stop: &mut watch::Receiver<bool>) -> Next {
        if let Some(last) = self.last_try {
            let wait = self.notifier.pace().saturating_sub(last.elapsed());
            if pause(stop, wait).await {
                return Next::Stop;
            }
        }
        if *stop.borrow() {
            return Next::Stop;
        }
        self.last_try = Some(Instant::now());
        let Some(delivery) = self.try_once(row, stop).await else {
            return Next::Stop;
        };
        let failures = attempts.saturating_add(1);
        match delivery {
            Delivery::Delivered => self.settle(row, Outcome::Done, stop).await,
            Delivery::Dead { why } => self.give_up(row, &why, stop).await,
            Delivery::Retry { why, .. } if self.shared.too_old(row) => {
                self.give_up(row, &format!("still failing after {failures} tries: {why}"), stop)
                    .await
            }
            Delivery::Retry { after, why } => {
                let longest = Duration::from_micros(BACK_OFF_MAX_US.unsigned_abs());
                let wait = after.unwrap_or_else(|| self.jitter.wait(failures)).min(longest);
                tracing::info!(channel = self.notifier.channel(), row = %row.id, failures, ?wait, %why, "delivery failed, will retry");
                let at = self.shared.after(wait);
                match self.settle(row, Outcome::RetryAt { at, error: why }, stop).await {
                    Next::Row => Next::Wait(wait),
                    other => other,
                }
            }
        }
    }

    /// `None` when a stop came and the try did not end in the time that was left.
    async fn try_once(&self, row: &OutboxRow, stop: &mut watch::Receiver<bool>) -> Option<Delivery> {
        let grace = self.shared.options.stop_grace;
        let mut delivery = self.notifier.deliver(row);
        tokio::select! {
            done = &mut delivery => Some(done),
            () = stopped(stop) => tokio::time::timeout(grace, delivery).await.ok(),
        }
    }

    /// Records an outcome, again and again until it is kept: a row that was delivered must not
    /// be delivered again because the disk was busy.
    async fn settle(&mut self, row: &OutboxRow, outcome: Outcome, stop: &mut watch::Receiver<bool>) -> Next {
        let mut failures = 0;
        while let Err(error) = self.shared.record(&row.id, outcome.clone()).await {
            failures += 1;
            tracing::warn!(row = %row.id, failures, %error, "outbox cannot be written");
            let wait = self.jitter.wait(failures).max(Duration::from_millis(50));
            if pause(stop, wait).await {
                return Next::Stop;
            }
        }
        Next::Row
    }

    async fn give_up(&mut self, row: &OutboxRow, why: &str, stop: &mut watch::Receiver<bool>) -> Next {
        let channel = self.notifier.channel();
        self.shared.say(&format!(
            "{channel}: gave up on message {} ({}): {why}",
            row.id, row.kind
        ));
        self.settle(
            row,
            Outcome::Dead {
                error: why.to_owned(),
            },
            stop,
        )
        .await
    }

    /// A channel that is down longer than rows are kept for must not hold a growing queue.
    async fn give_up_old(&mut self, rows: &[(OutboxRow, u32)], stop: &mut watch::Receiver<bool>) {
        let shared = self.shared.clone();
        for (row, _) in rows.iter().filter(|(row, _)| shared.too_old(row)) {
            if let Next::Stop = self
                .give_up(row, "the channel has been down for too long", stop)
                .await
            {
                return;
            }
        }
    }
}
