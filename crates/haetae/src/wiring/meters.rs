//! The numbers behind `/metrics`: committed counts from the catalog, the rest as it happens.

use crate::wiring::door::JournalDoor;
use haetae_enrich::crawlers::Verification;
use haetae_event::Counts;
use haetae_server::{Histogram, IngestDoor, Metrics, MetricsSnapshot};
use haetae_store::Store;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Upper bounds of the latency buckets, in seconds. The promise to users is 0.120.
const LATENCY_BOUNDS_S: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.25, 1.0];

/// The rates are over this long.
const RATE_WINDOW: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Inner {
    latency: [u64; LATENCY_BOUNDS_S.len() + 1],
    latency_sum_s: f64,
    recent: VecDeque<(Instant, Counts)>,
}

/// Filled by the driver's observer, read by the server.
pub struct Meters {
    store: Arc<Store>,
    door: Arc<JournalDoor>,
    crawlers: Arc<Verification>,
    warm: AtomicBool,
    inner: Mutex<Inner>,
}

impl Meters {
    pub fn new(store: Arc<Store>, door: Arc<JournalDoor>, crawlers: Arc<Verification>) -> Self {
        Meters {
            store,
            door,
            crawlers,
            warm: AtomicBool::new(false),
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn warmed(&self) {
        self.warm.store(true, Ordering::Relaxed);
    }

    pub fn normalised(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = LATENCY_BOUNDS_S
            .iter()
            .position(|&bound| seconds <= bound)
            .unwrap_or(LATENCY_BOUNDS_S.len());
        let mut inner = self.inner();
        inner.latency[bucket] += 1;
        inner.latency_sum_s += seconds;
    }

    pub fn committed(&self, counts: Counts) {
        let now = Instant::now();
        let mut inner = self.inner();
        inner.recent.push_back((now, counts));
        while inner
            .recent
            .front()
            .is_some_and(|(at, _)| now - *at > RATE_WINDOW)
        {
            inner.recent.pop_front();
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

impl Metrics for Meters {
    fn snapshot(&self) -> MetricsSnapshot {
        let counts = self.store.counts().unwrap_or_default();
        let stat = self.store.stat().unwrap_or_default();
        let mut total = Counts::default();
        for row in &counts {
            total += row.counts;
        }
        let checks = self.crawlers.counts();
        let inner = self.inner();
        let mut recent = Counts::default();
        for (at, counts) in &inner.recent {
            if at.elapsed() <= RATE_WINDOW {
                recent += *counts;
            }
        }
        MetricsSnapshot {
            counts,
            ingest_rps: recent.lines_in as f64 / RATE_WINDOW.as_secs_f64(),
            parse_error_rate: ratio(recent.rejected, recent.lines_in),
            dedup_ratio: ratio(total.duplicates, total.lines_in),
            dlq_size: stat.dlq_records,
            normalize_latency: Histogram {
                bounds: LATENCY_BOUNDS_S.to_vec(),
                counts: inner.latency.to_vec(),
                sum: inner.latency_sum_s,
            },
            journal_lag_bytes: self.door.backlog_bytes(),
            hot_rows: stat.hot_rows,
            outbox_pending: stat.outbox.pending + stat.outbox.sending,
            warm: self.warm.load(Ordering::Relaxed),
            crawlers_verified: checks.verified,
            crawlers_fake: checks.fake,
            crawlers_unanswered: checks.unanswered,
            crawlers_not_asked: checks.dropped,
        }
    }
}
