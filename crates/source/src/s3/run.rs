//! Polls the bucket and sends what is new.

use super::clean::{S3Cleaner, cleanup_row};
use super::config::S3Config;
use super::connect::{Access, Connection};
use super::fault::{Action, Fault, classify, full_text, problem};
use super::fetch::{Fetch, OpenError, Unreadable, Wanted, Watch, fetch};
use super::in_flight::{InFlight, Known};
use super::runtime::IoRuntime;
use crate::position::{DeliveryPosition, ObjectPosition};
use crate::seam::{Cleaner, Delivery, Source, SourceContext, SourceError, SourceMessage, SourceProblem};
use object_store::ObjectMeta;
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Keys asked for, and held, at once: S3's own limit.
const PAGE_KEYS: usize = 1000;

/// Objects opened ahead of the driver, to hide the store's latency.
const OPEN_AHEAD: usize = 8;

/// Without an answer to a listing for this long the operator is told; it is waited on.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Longest wait between polls that fail.
const BACK_OFF_MAX: Duration = Duration::from_secs(300);

/// Objects of one poll that may fail to open in a row before the poll is given up.
const FAILURES_MAX: u32 = 8;

/// In-flight objects are checked against the ledger each time this many were added.
const SWEEP_EVERY: usize = 1000;

/// A stop or an error that ends the poll.
enum Ended {
    Stopped,
    Failed(Box<SourceProblem>),
    Ledger(crate::seam::LedgerError),
}

/// One bucket and prefix.
pub struct S3Source {
    id: String,
    connection: Arc<Connection>,
    in_flight: InFlight,
    /// An object was read since the start: a refusal of another one is about that object.
    read_any: bool,
    /// The last problem's code and text: said once until it changes.
    told: Option<(&'static str, String)>,
    swept_at: usize,
}

/// A listed object that is to be delivered.
struct New {
    meta: ObjectMeta,
    etag: String,
    skip_records: u64,
}

/// One poll's tally.
#[derive(Default)]
struct Poll {
    deliveries: u64,
    failures: u32,
    /// Objects that were refused (403), to be judged at the end of the poll.
    refused: Vec<(New, OpenError)>,
}

impl S3Source {
    pub fn new(config: S3Config) -> Self {
        S3Source::over(Connection::new(config))
    }

    pub(super) fn over(connection: Connection) -> Self {
        S3Source {
            id: connection.config().id(),
            connection: Arc::new(connection),
            in_flight: InFlight::default(),
            read_any: false,
            told: None,
            swept_at: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn in_flight_for_tests(&self) -> InFlight {
        self.in_flight.clone()
    }

    fn config(&self) -> &S3Config {
        self.connection.config()
    }

    /// One walk over the listing.
    fn poll(&mut self, cx: &SourceContext, runtime: &Arc<IoRuntime>, poll: &mut Poll) -> Result<(), Ended> {
        let access = self.connection.access().map_err(Ended::Failed)?;
        self.sweep(cx)?;
        let mut token = None;
        loop {
            let page = self.page(cx, runtime, &access, token)?;
            let new = self.what_is_new(cx, page.result.objects)?;
            self.send_all(cx, runtime, &access, new, poll)?;
            if self.in_flight.len() >= self.swept_at + SWEEP_EVERY {
                self.sweep(cx)?;
            }
            token = page.page_token;
            if token.is_none() {
                return self.judge_refused(cx, poll);
            }
        }
    }

    fn page(
        &self,
        cx: &SourceContext,
        runtime: &Arc<IoRuntime>,
        access: &Access,
        token: Option<String>,
    ) -> Result<PaginatedListResult, Ended> {
        let config = self.config();
        let task = list_page(access.clone(), config.prefix.clone(), token);
        let slow = || {
            let text = format!("no answer for {} s, still waiting", PATIENCE.as_secs_f32());
            let problem = problem(config, Fault::Unreachable, Action::List, &text, None);
            // Should the driver be gone, the next delivery notices.
            cx.out.send(SourceMessage::Problem(problem)).ok();
        };
        match runtime.ask_patiently(&cx.stop, PATIENCE, task, slow) {
            Some(Ok(page)) => Ok(page),
            Some(Err(error)) => {
                let fault = classify(&error);
                // A missing key cannot be the answer to a listing.
                let fault = if fault == Fault::Gone {
                    Fault::NoSuchBucket
                } else {
                    fault
                };
                Err(Ended::Failed(Box::new(problem(
                    config,
                    fault,
                    Action::List,
                    &full_text(&error),
                    None,
                ))))
            }
            None => Err(Ended::Stopped),
        }
    }

    /// The objects of a page that neither the ledger nor this process knows, oldest first.
    fn what_is_new(&mut self, cx: &SourceContext, page: Vec<ObjectMeta>) -> Result<Vec<New>, Ended> {
        let config = self.config();
        let youngest = cx
            .clock
            .now()
            .0
            .saturating_sub(i64::try_from(config.delay.as_micros()).unwrap_or(i64::MAX));
        let ripe =
            |meta: &ObjectMeta| config.delay.is_zero() || meta.last_modified.timestamp_micros() <= youngest;
        let mut page: Vec<ObjectMeta> = page
            .into_iter()
            .filter(|meta| !skippable(config, meta) && ripe(meta))
            .collect();
        page.sort_by_key(|meta| meta.last_modified);
        let keys: Vec<String> = page.iter().map(|meta| meta.location.to_string()).collect();
        let stored = cx.ledger.positions(&self.id, &keys).map_err(Ended::Ledger)?;
        let mut new = Vec::new();
        for ((meta, key), value) in page.into_iter().zip(keys).zip(stored) {
            let etag = etag_of(&meta);
            let position = value.and_then(|text| serde_json::from_str::<ObjectPosition>(&text).ok());
            let position = position.filter(|position| position.etag == etag);
            if position.as_ref().is_some_and(|position| position.done) {
                self.in_flight.forget(&key);
                continue;
            }
            let skip_records = match self.in_flight.known(&key, &etag) {
                Known::Busy => continue,
                Known::Broken { records_done } => records_done,
                Known::No => position.map_or(0, |position| position.records_done),
            };
            new.push(New {
                meta,
                etag,
                skip_records,
            });
        }
        Ok(new)
    }

    /// Opens a few objects ahead and sends them in order.
    fn send_all(
        &mut self,
        cx: &SourceContext,
        runtime: &Arc<IoRuntime>,
        access: &Access,
        new: Vec<New>,
        poll: &mut Poll,
    ) -> Result<(), Ended> {
        let mut waiting = new.into_iter();
        let mut opening: VecDeque<(New, Fetch)> = VecDeque::new();
        loop {
            while opening.len() < OPEN_AHEAD
                && let Some(new) = waiting.next()
            {
                let wanted = Wanted {
                    objects: access.objects.clone(),
                    meta: new.meta.clone(),
                };
                opening.push_back((new, fetch(runtime, &cx.stop, wanted)));
            }
            let Some((new, fetch)) = opening.pop_front() else {
                return Ok(());
            };
            match fetch.opened(&cx.stop) {
                None => return Err(Ended::Stopped),
                Some(Ok(())) => {
                    self.read_any = true;
                    poll.failures = 0;
                    let key = new.meta.location.to_string();
                    let watch = Watch {
                        in_flight: self.in_flight.clone(),
                        key,
                        etag: new.etag.clone(),
                    };
                    self.deliver(cx, &new, Box::new(fetch.body.watched(watch)), poll)?;
                }
                Some(Err(error)) => self.not_opened(cx, new, error, poll)?,
            }
        }
    }

    fn deliver(
        &self,
        cx: &SourceContext,
        new: &New,
        body: Box<dyn io::Read + Send>,
        poll: &mut Poll,
    ) -> Result<(), Ended> {
        let config = self.config();
        let key = new.meta.location.to_string();
        let progress = self.in_flight.begin(&key, &new.etag, new.skip_records);
        let delivery = Delivery {
            source: self.id.clone(),
            tenant: config.tenant.clone(),
            origin: format!("s3://{}/{key}", config.bucket),
            dataset: None,
            forced_format: config.format.clone(),
            flow_format: config.flow_format.clone(),
            time_zone: config.time_zone.clone(),
            body,
            cleanup: cleanup_row(config, &key, &new.etag),
            position: DeliveryPosition::Object {
                key,
                etag: new.etag.clone(),
                progress,
            },
            skip_records: new.skip_records,
            received_at: None,
            refused: Vec::new(),
            duplicates: 0,
            mark: None,
        };
        poll.deliveries += 1;
        cx.out
            .send(SourceMessage::Delivery(delivery))
            .map_err(|_| Ended::Stopped)
    }

    /// An object that could not be opened after the fetch's own attempts.
    fn not_opened(
        &mut self,
        cx: &SourceContext,
        new: New,
        error: OpenError,
        poll: &mut Poll,
    ) -> Result<(), Ended> {
        match error.fault {
            // Overwritten since the listing: the next poll sees the new one.
            Fault::Changed => return Ok(()),
            Fault::Gone => {
                // Removed by our own clean-up, or by someone else.
                let key = new.meta.location.to_string();
                if self.in_flight.known(&key, &new.etag) == Known::Busy {
                    return Ok(());
                }
                let gone = io::Error::new(io::ErrorKind::NotFound, error.detail);
                return self.deliver(cx, &new, Box::new(Unreadable(Some(gone))), poll);
            }
            Fault::AccessDenied => poll.refused.push((new, error)),
            fault => {
                let problem = problem(self.config(), fault, Action::Get, &error.detail, None);
                if matches!(
                    fault,
                    Fault::NoSuchBucket | Fault::NoCredentials | Fault::BadCredentials
                ) {
                    return Err(Ended::Failed(Box::new(problem)));
                }
                self.tell(cx, problem);
            }
        }
        poll.failures += 1;
        if poll.failures < FAILURES_MAX || (self.read_any && poll.refused.len() < PAGE_KEYS) {
            return Ok(());
        }
        match poll.refused.last() {
            Some((_, error)) => Err(Ended::Failed(Box::new(self.no_reading(&error.detail)))),
            None => {
                let text = format!("{FAILURES_MAX} objects in a row could not be fetched");
                Err(Ended::Failed(Box::new(problem(
                    self.config(),
                    Fault::Store,
                    Action::Get,
                    &text,
                    None,
                ))))
            }
        }
    }

    /// When other objects can be read, a refused one is unreadable by itself: one in, one
    /// rejected. When none can, the permission is missing: nothing is rejected, all is retried.
    fn judge_refused(&mut self, cx: &SourceContext, poll: &mut Poll) -> Result<(), Ended> {
        let refused = std::mem::take(&mut poll.refused);
        let Some((_, first)) = refused.first() else {
            return Ok(());
        };
        let missing = self.no_reading(&first.detail);
        if !self.read_any {
            return Err(Ended::Failed(Box::new(missing)));
        }
        self.tell(cx, missing);
        for (new, error) in refused {
            let denied = io::Error::new(io::ErrorKind::PermissionDenied, error.detail);
            self.deliver(cx, &new, Box::new(Unreadable(Some(denied))), poll)?;
        }
        Ok(())
    }

    fn no_reading(&self, detail: &str) -> SourceProblem {
        problem(self.config(), Fault::AccessDenied, Action::Get, detail, None)
    }

    /// Lets go of objects whose commit the ledger shows.
    fn sweep(&mut self, cx: &SourceContext) -> Result<(), Ended> {
        let sent = self.in_flight.keys();
        for some in sent.chunks(PAGE_KEYS) {
            let keys: Vec<String> = some.iter().map(|(key, _)| key.clone()).collect();
            let stored = cx.ledger.positions(&self.id, &keys).map_err(Ended::Ledger)?;
            for ((key, etag), value) in some.iter().zip(stored) {
                let position = value.and_then(|text| serde_json::from_str::<ObjectPosition>(&text).ok());
                if position.is_some_and(|position| position.done && position.etag == *etag) {
                    self.in_flight.forget(key);
                }
            }
        }
        self.swept_at = self.in_flight.len();
        Ok(())
    }

    /// Says a problem once, until another one or none takes its place.
    fn tell(&mut self, cx: &SourceContext, problem: SourceProblem) {
        let new = (problem.code, problem.message.clone());
        if self.told.as_ref().is_some_and(|told| told.0 == new.0) {
            return;
        }
        self.told = Some(new);
        // Should the driver be gone, the next delivery notices.
        cx.out.send(SourceMessage::Problem(problem)).ok();
    }

    /// How long to wait after `failures` failed polls in a row.
    fn pause(&self, failures: u32) -> Duration {
        let interval = self.config().interval;
        interval
            .saturating_mul(1 << failures.min(8))
            .min(BACK_OFF_MAX.max(interval))
    }
}

impl Source for S3Source {
    fn id(&self) -> &str {
        &self.id
    }

    fn run(&mut self, cx: &SourceContext) -> Result<(), SourceError> {
        let setup = |why: String| SourceError::Setup {
            id: self.connection.config().id(),
            why,
        };
        self.config().validate().map_err(setup)?;
        let runtime = self
            .connection
            .runtime()
            .map_err(|error| setup(error.to_string()))?;
        let mut failures = 0u32;
        loop {
            let start = SourceMessage::PollStart {
                source: self.id.clone(),
            };
            if cx.out.send(start).is_err() {
                return Ok(());
            }
            let mut poll = Poll::default();
            match self.poll(cx, &runtime, &mut poll) {
                Ok(()) => {
                    failures = 0;
                    if poll.failures == 0 {
                        self.told = None;
                    }
                }
                Err(Ended::Stopped) => return Ok(()),
                Err(Ended::Ledger(error)) => return Err(error.into()),
                Err(Ended::Failed(mut problem)) => {
                    problem.retry_in = (!cx.once).then(|| self.pause(failures));
                    self.connection.forget();
                    self.tell(cx, *problem);
                    failures += 1;
                }
            }
            let end = SourceMessage::PollEnd {
                source: self.id.clone(),
                deliveries: poll.deliveries,
            };
            if cx.out.send(end).is_err() || cx.once || cx.stop.sleep(self.pause(failures.saturating_sub(1))) {
                return Ok(());
            }
        }
    }

    fn cleaner(&self) -> Option<Box<dyn Cleaner>> {
        Some(Box::new(S3Cleaner::new(
            self.connection.clone(),
            self.in_flight.clone(),
        )))
    }
}

/// The ETag, or what comes closest where a store gives none.
pub(super) fn etag_of(meta: &ObjectMeta) -> String {
    match &meta.e_tag {
        Some(etag) => etag.clone(),
        None => format!("{}-{}", meta.last_modified.timestamp_micros(), meta.size),
    }
}

/// Folder markers and other empty objects hold no record; our own archive was read before.
pub(super) fn skippable(config: &S3Config, meta: &ObjectMeta) -> bool {
    meta.size == 0 || config.is_archived(meta.location.as_ref())
}

/// One page of the listing.
pub(super) async fn list_page(
    access: Access,
    prefix: String,
    token: Option<String>,
) -> object_store::Result<PaginatedListResult> {
    let options = PaginatedListOptions {
        max_keys: Some(PAGE_KEYS),
        page_token: token,
        ..PaginatedListOptions::default()
    };
    access
        .pages
        .list_paginated(
            Some(&prefix).filter(|text| !text.is_empty()).map(String::as_str),
            options,
        )
        .await
}
