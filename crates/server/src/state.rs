//! What every handler sees.

use crate::guard::Hosts;
use crate::ingest::marks::Marks;
use crate::options::ServerOptions;
use crate::seams::{IngestDoor, Metrics, ParserAdmin, QueryRunner, Reader, RequestJudge};
use haetae_event::Clock;
use haetae_event::commit::DeliveryMark;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// The rest of the house, as the binary hands it in.
pub struct Parts {
    pub door: Arc<dyn IngestDoor>,
    pub query: Arc<dyn QueryRunner>,
    pub metrics: Arc<dyn Metrics>,
    pub reader: Arc<dyn Reader>,
    pub parsers: Arc<dyn ParserAdmin>,
    pub judge: Arc<dyn RequestJudge>,
    pub clock: Arc<dyn Clock>,
    /// Marks of deliveries accepted before this start: those in the catalog and those in
    /// journal entries that are not committed yet. Old ones are dropped here.
    pub marks: Vec<DeliveryMark>,
}

/// Bytes of request bodies that may wait in memory at once, over all connections.
const BODY_BUDGET_BYTES: usize = 128 << 20;

/// Shared by all handlers; lives as long as the server runs.
pub struct AppState {
    pub(crate) parts: Seams,
    pub(crate) options: ServerOptions,
    pub(crate) hosts: Hosts,
    pub(crate) marks: Marks,
    pub(crate) body_budget: Arc<Semaphore>,
    pub(crate) ingest_slots: Semaphore,
    stopping: AtomicBool,
}

/// [`Parts`] without what is used up at the start.
pub(crate) struct Seams {
    pub(crate) door: Arc<dyn IngestDoor>,
    pub(crate) query: Arc<dyn QueryRunner>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) parsers: Arc<dyn ParserAdmin>,
    pub(crate) judge: Arc<dyn RequestJudge>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl AppState {
    pub fn new(parts: Parts, options: ServerOptions) -> Arc<Self> {
        let now = parts.clock.now();
        Arc::new(AppState {
            hosts: Hosts::new(&options),
            marks: Marks::rebuilt(parts.marks, options.dedup_window_us, now),
            body_budget: Arc::new(Semaphore::new(BODY_BUDGET_BYTES)),
            ingest_slots: Semaphore::new(options.ingest_concurrency_max.max(1)),
            stopping: AtomicBool::new(false),
            parts: Seams {
                door: parts.door,
                query: parts.query,
                metrics: parts.metrics,
                reader: parts.reader,
                parsers: parts.parsers,
                judge: parts.judge,
                clock: parts.clock,
            },
            options,
        })
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether an ingest request would be taken now.
    pub(crate) fn ready(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed) && self.parts.door.accepting() && !self.backlogged()
    }

    pub(crate) fn backlogged(&self) -> bool {
        self.parts.door.backlog_bytes() > self.options.backlog_bytes_max
    }
}
