//! Carries rows from the outbox to the channels: one loop per channel, in order, paced.

mod back_off;
mod channel;
mod strays;

#[cfg(test)]
mod tests;

pub use back_off::BackOff;

use crate::notifier::Notifier;
use crate::outbox::{Outbox, OutboxError, Outcome};
use channel::ChannelLoop;
use futures::future::{join, join_all};
use haetae_event::Clock;
use haetae_event::commit::OutboxRow;
use haetae_event::time::{DAY_US, HOUR_US, Micros};
use std::sync::Arc;
use std::time::Duration;
use strays::StrayLoop;
use tokio::sync::watch;

/// Says one line to the operator. The line is already safe for a terminal.
pub type OperatorLine = Arc<dyn Fn(&str) + Send + Sync>;

/// No back-off is longer, whatever a receiver asks for.
pub(crate) const BACK_OFF_MAX_US: i64 = HOUR_US;

/// How the deliverer behaves; the defaults are meant for production.
#[derive(Clone)]
pub struct DelivererOptions {
    pub back_off: BackOff,
    /// Seeds the jitter, so that a test replays a run.
    pub seed: u64,
    /// A row that still fails this long after it was written is given up.
    pub give_up_after_us: i64,
    /// Rows asked for at a time. Grows up to 64 times this while the rows of one channel crowd
    /// out another's.
    pub page_rows: usize,
    /// How often the outbox is looked at when nobody wakes the deliverer.
    pub idle_poll: Duration,
    /// How long a try that is under way may still take once the program stops.
    pub stop_grace: Duration,
    /// Hears of rows given up and of channels nobody configured.
    pub operator: OperatorLine,
}

impl Default for DelivererOptions {
    fn default() -> Self {
        DelivererOptions {
            back_off: BackOff::default(),
            seed: 0,
            give_up_after_us: DAY_US,
            page_rows: 256,
            idle_poll: Duration::from_secs(2),
            stop_grace: Duration::from_millis(700),
            operator: Arc::new(|line| tracing::warn!("{line}")),
        }
    }
}

/// Tells the deliverer that a commit may have brought rows. Cheap; callable from any thread.
#[derive(Clone)]
pub struct Waker(Arc<watch::Sender<u64>>);

impl Waker {
    pub fn wake(&self) {
        self.0.send_modify(|n| *n = n.wrapping_add(1));
    }
}

/// Delivers rows until it is told to stop.
///
/// Guarantees: per channel, a row is tried only when the one before it was delivered or given
/// up; a row is `Done` only after its channel said `Delivered`, and it is recorded before
/// anything else is done; a row that cannot be recorded is recorded again, not delivered again.
/// A crash between the receiver's answer and the record makes the row come twice.
pub struct Deliverer {
    outbox: Arc<dyn Outbox>,
    notifiers: Vec<Arc<dyn Notifier>>,
    clock: Arc<dyn Clock>,
    options: DelivererOptions,
    wake: Arc<watch::Sender<u64>>,
}

impl Deliverer {
    pub fn new(
        outbox: Arc<dyn Outbox>,
        notifiers: Vec<Arc<dyn Notifier>>,
        clock: Arc<dyn Clock>,
        options: DelivererOptions,
    ) -> Self {
        Deliverer {
            outbox,
            notifiers,
            clock,
            options,
            wake: Arc::new(watch::Sender::new(0)),
        }
    }

    pub fn waker(&self) -> Waker {
        Waker(self.wake.clone())
    }

    /// Runs until `stop` becomes true (or its sender is gone), then returns within
    /// [`DelivererOptions::stop_grace`] plus one write of the outbox.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let shared = Arc::new(Shared {
            outbox: self.outbox,
            clock: self.clock,
            options: self.options,
            configured: self.notifiers.iter().map(|n| n.channel().to_owned()).collect(),
        });
        let strays = StrayLoop::new(shared.clone()).run(self.wake.subscribe(), stop.clone());
        let channels = self.notifiers.into_iter().enumerate().map(|(index, notifier)| {
            ChannelLoop::new(shared.clone(), notifier, index as u64).run(self.wake.subscribe(), stop.clone())
        });
        join(strays, join_all(channels)).await;
    }
}

/// What every channel's loop sees.
pub(crate) struct Shared {
    outbox: Arc<dyn Outbox>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: DelivererOptions,
    /// Names of the channels that have a notifier.
    pub(crate) configured: Vec<String>,
}

/// Largest page, in multiples of [`DelivererOptions::page_rows`].
const PAGE_GROWTH_MAX: usize = 64;

impl Shared {
    /// Pending rows that `wanted` picks by channel, oldest first, with their attempts. Rows in
    /// back-off are among them.
    pub(crate) async fn pending(
        self: &Arc<Self>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(OutboxRow, u32)>, OutboxError> {
        let horizon = self.clock.now().saturating_add(BACK_OFF_MAX_US);
        let mut limit = self.options.page_rows;
        loop {
            let this = self.clone();
            let page = off_thread(move || this.outbox.due(horizon, limit)).await?;
            let full = page.len() >= limit;
            let mut mine: Vec<_> = page.into_iter().filter(|(row, _)| wanted(&row.channel)).collect();
            if mine.is_empty() && full && limit < self.options.page_rows * PAGE_GROWTH_MAX {
                limit *= 4;
                continue;
            }
            // A row that was retried may come behind younger ones; it goes first again.
            mine.sort_by_key(|(row, _)| row.created_at);
            return Ok(mine);
        }
    }

    pub(crate) async fn record(self: &Arc<Self>, id: &str, outcome: Outcome) -> Result<(), OutboxError> {
        let (this, id) = (self.clone(), id.to_owned());
        off_thread(move || this.outbox.record(&id, outcome)).await
    }

    pub(crate) fn too_old(&self, row: &OutboxRow) -> bool {
        let age_us = self.clock.now().0.saturating_sub(row.created_at.0);
        age_us > self.options.give_up_after_us
    }

    pub(crate) fn after(&self, wait: Duration) -> Micros {
        let us = i64::try_from(wait.as_micros()).unwrap_or(BACK_OFF_MAX_US);
        self.clock.now().saturating_add(us)
    }

    /// Says a line to the operator, made safe for a terminal.
    pub(crate) fn say(&self, line: &str) {
        (self.options.operator)(&crate::escape::for_terminal(line));
    }
}

/// Runs a call that may wait for a disk where it does not hold up the async threads.
async fn off_thread<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, OutboxError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result,
        Err(join) => Err(OutboxError(format!("call did not finish: {join}"))),
    }
}

/// Waits for the first of: stop (true), a wake-up, the time-out.
pub(crate) async fn idle(
    wake: &mut watch::Receiver<u64>,
    stop: &mut watch::Receiver<bool>,
    timeout: Duration,
) -> bool {
    tokio::select! {
        () = stopped(stop) => true,
        // The sender lives as long as `run`.
        _ = wake.changed() => false,
        () = tokio::time::sleep(timeout) => false,
    }
}

/// Waits without listening for wake-ups; true when it was cut short by a stop.
pub(crate) async fn pause(stop: &mut watch::Receiver<bool>, wait: Duration) -> bool {
    tokio::select! {
        () = stopped(stop) => true,
        () = tokio::time::sleep(wait) => false,
    }
}

/// Returns when stop is asked for; a sender that is gone asks too.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|&stop| stop).await;
}
