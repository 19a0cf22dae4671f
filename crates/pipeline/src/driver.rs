//! The one thread through which every record walks.

use crate::alarms;
use crate::backfill::{Backfill, SharedScore};
use crate::commit::{Pending, without_committed};
use crate::detection::{Change, Detection, Reconciled};
use crate::kpi;
use crate::normalise::{Arrived, EqualRecords, Normaliser};
use crate::privacy::{Policies, Privacy};
use crate::tell::tell;
use haetae_detect::inline::Inline;
use haetae_detect::{Closing, Engine, RuleSet};
use haetae_enrich::Enrichers;
use haetae_enrich::crawlers::Verifier;
use haetae_event::commit::{CommitUnit, IncidentRow};
use haetae_event::identity::InstallationKey;
use haetae_event::time::SECOND_US;
use haetae_event::{Clock, Counts, Dataset, Micros, Reason, Reject};
use haetae_incident::FoldOptions;
use haetae_parse::{Blueprint, Candidates, Choice, InputReader, LocalZone, ParseOptions, ParsedBatch};
use haetae_source::{Delivery, Inbox, SourceMessage, SourceProblem};
use haetae_store::{CommitReport, Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Windows of pushed and followed input close this long after their end.
const PUSHED_LATENESS_US: i64 = 90 * SECOND_US;

/// A long poll (a backlog) does not hold its news back for longer than this.
const TELL_AFTER: Duration = Duration::from_secs(300);

/// Waiting between attempts when a commit fails (disk full, catalog busy).
const COMMIT_RETRY_S: [u64; 5] = [1, 2, 5, 10, 30];

/// Users' parsers, as they are at the moment of asking.
pub trait ParserShelf: Send + Sync {
    /// The version a source means by `name` (the stable one, else the newest) or `name@vN`.
    fn named(&self, name: &str) -> Option<Arc<dyn Blueprint>>;

    /// The versions that may be chosen by content, and the candidates that run beside others.
    fn offered(&self) -> Offered;

    /// What the operator must hear of since the last call: parsers that were suspended.
    fn alarms(&self) -> Vec<String>;
}

/// See [`ParserShelf::offered`].
#[derive(Clone, Debug)]
pub struct Offered {
    pub blueprints: Arc<[Arc<dyn Blueprint>]>,
    pub candidates: Option<Arc<dyn Candidates>>,
}

/// What a driver is made of; everything is handed in.
pub struct DriverParts {
    pub store: Arc<Store>,
    pub engine: Engine,
    pub inbox: Inbox,
    pub clock: Arc<dyn Clock>,
    pub key: InstallationKey,
    pub policies: Policies,
    pub enrichers: Enrichers,
    /// Asked after the enrichers; its late answers are filled in.
    pub remote: Option<SharedScore>,
    /// Checks claims of crawlers; `None`: they stay unverified. With [`DriverOptions::once`] one
    /// that waits, else one that does not.
    pub verifier: Option<Arc<dyn Verifier>>,
    pub parsers: Arc<dyn ParserShelf>,
    /// Judges requests while they are served; told of those that come by log.
    pub inline: Arc<Inline>,
    pub rules: Box<dyn RuleShelf>,
    pub observer: Box<dyn Observer>,
}

#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Longest time between two commits.
    pub flush_interval: Duration,
    /// Hot rows are committed early when they grow past this many bytes.
    pub hot_bytes_max: usize,
    pub parse: ParseOptions,
    pub fold: FoldOptions,
    /// `None`: no KPI summaries.
    pub kpi_every: Option<Duration>,
    /// Channels that messages go to, e.g. `console`, `slack`.
    pub channels: Vec<String>,
    /// Stop when every source has said that it is finished.
    pub once: bool,
}

/// Where rules come from after the start.
pub trait RuleShelf: Send {
    /// What to detect with from now on; `None` while what is in use stands. Asked after each
    /// commit; must not block for longer than reading a folder takes.
    fn changed(&mut self) -> Option<Change>;
}

/// Told what the driver did; must not block.
pub trait Observer: Send {
    fn committed(
        &mut self,
        report: &CommitReport,
        counts: Counts,
        reconciled: &Reconciled,
        incidents: &[IncidentRow],
    );
    fn problem(&mut self, problem: &SourceProblem);
    /// Something that stopped working and needs a person.
    fn alarm(&mut self, text: &str);
    fn warmed(&mut self, rows: u64);
    /// `rules` new rules are in use, after `rows` stored rows were read for them.
    fn rules_taken(&mut self, rules: usize, rows: u64);
    fn commit_failed(&mut self, error: &StoreError, retry_in: Duration);
    /// Time one batch took from parsed to ready for detection: normalised and enriched.
    fn normalised(&mut self, rows: usize, took: Duration);
}

/// Why the driver stopped before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error("the store gave up: {0}")]
    Store(#[from] StoreError),
}

/// What a run amounted to.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunEnd {
    pub commits: u64,
    pub counts: Counts,
}

/// Single-threaded; owns detection state and the uncommitted rest of what it has read.
pub struct Driver {
    store: Arc<Store>,
    inline: Arc<Inline>,
    rules: Box<dyn RuleShelf>,
    detection: Detection,
    normaliser: Normaliser,
    enrichers: Enrichers,
    backfill: Backfill,
    privacy: Privacy,
    parsers: Arc<dyn ParserShelf>,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
    observer: Box<dyn Observer>,
    options: DriverOptions,
    pending: Pending,
    /// Sources in the middle of a poll: windows do not close meanwhile.
    reading: HashSet<String>,
    /// Sources that have not said that they are finished.
    running: HashSet<String>,
    /// Problems that are told once a source.
    told: HashSet<(String, &'static str)>,
    /// A poll ended since the last commit: its windows may close now.
    poll_ended: bool,
    closed_until: Micros,
    last_commit: Instant,
    last_told: Instant,
    end: RunEnd,
}

impl Driver {
    pub fn new(
        parts: DriverParts,
        options: DriverOptions,
        sources: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut enrichers = parts.enrichers;
        if let Some(remote) = &parts.remote {
            enrichers.push(Box::new(remote.clone()));
        }
        let mut detection = Detection::new(parts.engine, parts.policies.clone(), parts.key.clone())
            .telling_from(options.fold.min_level);
        if let Some(verifier) = parts.verifier {
            detection = detection.verified_by(verifier, parts.clock.clone());
        }
        Driver {
            store: parts.store,
            inline: parts.inline,
            rules: parts.rules,
            detection,
            privacy: Privacy::new(parts.policies, parts.key.clone()),
            backfill: Backfill::new(parts.remote, parts.key.clone()),
            normaliser: Normaliser::new(parts.key),
            enrichers,
            parsers: parts.parsers,
            inbox: parts.inbox,
            clock: parts.clock,
            observer: parts.observer,
            options,
            pending: Pending::default(),
            reading: HashSet::new(),
            running: sources.into_iter().collect(),
            told: HashSet::new(),
            poll_ended: false,
            closed_until: Micros::MIN,
            last_commit: Instant::now(),
            last_told: Instant::now(),
            end: RunEnd::default(),
        }
    }

    /// Runs until the inbox closes, or with `once` until every source is finished. What was read
    /// is committed before it returns.
    ///
    /// # Errors
    /// When the store cannot commit after all retries.
    pub fn run(&mut self) -> Result<RunEnd, DriverError> {
        self.detection.set_present(self.clock.now());
        let rows = self.detection.warm(&self.store)?;
        // The engine must know what it would have told, to notice when late rows undo it.
        self.commit(&self.closing())?;
        self.observer.warmed(rows);
        loop {
            let wait = self
                .options
                .flush_interval
                .saturating_sub(self.last_commit.elapsed());
            match self.inbox.receive(wait) {
                Ok(Some(message)) => self.handle(message)?,
                Ok(None) => {}
                Err(_closed) => break,
            }
            if self.options.once && self.running.is_empty() {
                break;
            }
            if self.poll_ended || self.last_commit.elapsed() >= self.options.flush_interval {
                self.commit(&self.closing())?;
                self.take_new_rules()?;
            }
        }
        let closing = if self.options.once {
            Closing::everything()
        } else {
            self.closing()
        };
        self.commit(&closing)?;
        Ok(self.end)
    }

    /// New rules and models start with what is stored of the recent past, as they would after a
    /// restart. All that was read is committed at this point, so nothing is seen twice.
    fn take_new_rules(&mut self) -> Result<(), DriverError> {
        let Some(change) = self.rules.changed() else {
            return Ok(());
        };
        let rules = change.rules.as_ref().map(RuleSet::len);
        let rows = self.detection.take(change, &self.store)?;
        if let Some(count) = rules {
            self.observer.rules_taken(count, rows);
        }
        Ok(())
    }

    fn handle(&mut self, message: SourceMessage) -> Result<(), DriverError> {
        match message {
            SourceMessage::Delivery(delivery) => self.take(delivery)?,
            SourceMessage::PollStart { source } => {
                self.reading.insert(source);
            }
            SourceMessage::PollEnd { source, .. } => {
                self.reading.remove(&source);
                self.poll_ended = true;
            }
            SourceMessage::Problem(problem) => self.observer.problem(&problem),
            SourceMessage::Finished { source } => {
                self.reading.remove(&source);
                self.running.remove(&source);
            }
        }
        Ok(())
    }

    /// The walk of one delivery: parse → normalise → enrich → detect → hot rows, batch by batch.
    fn take(&mut self, mut delivery: Delivery) -> Result<(), DriverError> {
        let choice = self.choice(&delivery);
        let offered = self.parsers.offered();
        let options = ParseOptions {
            blueprints: offered.blueprints,
            candidates: offered.candidates,
            arrival: delivery.received_at.unwrap_or_else(|| self.clock.now()),
            flow_format: delivery.flow_format.clone(),
            time_zone: self.time_zone(&delivery),
            dataset: delivery.dataset,
            // Of the rules in force now: those of a reload count from the next delivery on.
            inside: self.detection.engine().inside().clone(),
            ..self.options.parse.clone()
        };
        let body = std::mem::replace(&mut delivery.body, Box::new(std::io::empty()));
        let mut input = InputReader::open(body, choice, &options);
        let mut equal = EqualRecords::default();
        self.pending.begin(&delivery);
        loop {
            let first = input.totals().lines_in;
            let parsed = match input.next_batch() {
                Ok(Some(parsed)) => parsed,
                Ok(None) => break,
                Err(error) => {
                    self.broken_off(&mut delivery, &error);
                    return Ok(());
                }
            };
            let dataset = input.dataset().or(delivery.dataset).unwrap_or(Dataset::App);
            let parsed = without_committed(parsed, first, delivery.skip_records);
            self.walk(&delivery, parsed, dataset, input.parser_id(), &mut equal);
            self.pending.advance(&delivery, input.totals().lines_in);
            if self.store.hot_bytes() + self.pending.reject_bytes() > self.options.hot_bytes_max {
                self.commit(&self.closing())?;
            }
        }
        self.at_the_door(&mut delivery);
        self.pending.finish(&delivery, input.totals().lines_in);
        Ok(())
    }

    /// A source may name a built-in format or a user's parser; a name that is neither is said, and
    /// the content decides.
    fn choice(&mut self, delivery: &Delivery) -> Choice {
        let Some(name) = delivery.forced_format.as_deref() else {
            return Choice::Detect;
        };
        if let Ok(format) = name.parse() {
            return Choice::Format(format);
        }
        match self.parsers.named(name) {
            Some(blueprint) => Choice::Blueprint(blueprint),
            None => {
                self.problem_once(SourceProblem::unknown_parser(&delivery.source, name));
                Choice::Detect
            }
        }
    }

    /// What is wrong with a source's configuration is so for each of its deliveries.
    fn problem_once(&mut self, problem: SourceProblem) {
        if self.told.insert((problem.source.clone(), problem.code)) {
            self.observer.problem(&problem);
        }
    }

    fn time_zone(&mut self, delivery: &Delivery) -> Option<LocalZone> {
        let name = delivery.time_zone.as_deref()?;
        let zone = name.parse().ok();
        if zone.is_none() {
            self.problem_once(SourceProblem::unknown_zone(&delivery.source, name));
        }
        zone
    }

    /// One parsed batch through the stages. Detection sees the clear row; the store gets what the
    /// tenant's policy leaves of it.
    fn walk(
        &mut self,
        delivery: &Delivery,
        parsed: ParsedBatch,
        dataset: Dataset,
        parser: &str,
        equal: &mut EqualRecords,
    ) {
        let now = self.clock.now();
        self.pending.count(delivery, dataset, parsed.counts);
        let refused = self.privacy.refused(&delivery.tenant, parsed.rejects);
        self.pending.reject(delivery, parser, now, refused);
        let Some(records) = parsed.records else { return };
        let started = Instant::now();
        let arrived = Arrived {
            tenant: &delivery.tenant,
            dataset,
            ingested_at: now,
            ordinals: &parsed.ordinals,
        };
        let batch = self.normaliser.normalise(&records, &arrived, equal);
        let batch = self.enrichers.apply(batch);
        self.observer.normalised(batch.rows(), started.elapsed());
        self.detection.set_present(self.clock.now());
        self.detection.observe(&batch);
        self.inline.observe(&batch);
        let mut stored = self.privacy.stored(batch.without_inside());
        stored.compact();
        self.store.append_hot(stored, parser);
    }

    /// What the door refused or knew already is counted with the end of its delivery, once.
    fn at_the_door(&mut self, delivery: &mut Delivery) {
        let dataset = delivery.dataset.unwrap_or(Dataset::App);
        self.pending.count(delivery, dataset, delivery.door_counts());
        let refused = std::mem::take(&mut delivery.refused);
        let refused = self.privacy.refused(&delivery.tenant, refused);
        self.pending.reject(delivery, "door", self.clock.now(), refused);
    }

    /// A body that ended in an I/O error: what was read stays, and the source delivers the rest
    /// again from there. What can never be read counts one in, one rejected.
    fn broken_off(&mut self, delivery: &mut Delivery, error: &std::io::Error) {
        use std::io::ErrorKind::{InvalidData, NotFound, PermissionDenied};
        if !matches!(error.kind(), NotFound | PermissionDenied | InvalidData) {
            self.observer.problem(&SourceProblem::broken_off(
                &delivery.source,
                &delivery.origin,
                error,
            ));
            self.pending.leave();
            return;
        }
        let reject = Reject {
            ordinal: self.pending.records_done(),
            reason: Reason::Unreadable,
            detail: error.to_string(),
            bytes: Vec::new(),
        };
        let counts = Counts {
            lines_in: 1,
            rejected: 1,
            ..Counts::default()
        };
        self.pending.count(delivery, Dataset::App, counts);
        self.pending
            .reject(delivery, "none", self.clock.now(), vec![reject]);
        self.at_the_door(delivery);
        self.pending.finish(delivery, self.pending.records_done());
    }

    /// Up to where windows may be judged now.
    fn closing(&self) -> Closing {
        if !self.reading.is_empty() {
            return Closing::at(self.closed_until.0);
        }
        let now = self.clock.now();
        let until = if self.poll_ended {
            now
        } else {
            now.saturating_sub(PUSHED_LATENESS_US)
        };
        Closing::at(until.max(self.closed_until).0)
    }

    /// Segment cut: findings and incidents of what was read, late scores, then one transaction for
    /// all of it.
    fn commit(&mut self, closing: &Closing) -> Result<(), DriverError> {
        let now = self.clock.now();
        let alarms = self.parsers.alarms();
        alarms.iter().for_each(|alarm| self.observer.alarm(alarm));
        self.last_commit = Instant::now();
        self.closed_until = Micros(closing.default_us).min(now);
        let whole = self.reading.is_empty();
        self.poll_ended &= !whole;
        let quiet = whole || self.last_told.elapsed() > TELL_AFTER;
        let reconciled = self.detection.settle(&self.store, closing)?;
        let mut unit = self.pending.unit();
        unit.findings.clone_from(&reconciled.changes);
        tell(&self.store, &reconciled, now, quiet, &self.options, &mut unit)?;
        alarms::tell(&alarms, now, &self.options, &mut unit);
        if quiet {
            self.last_told = Instant::now();
        }
        let finished = !self.options.once || self.running.is_empty();
        if quiet
            && finished
            && let Some(every) = self.options.kpi_every
        {
            kpi::due(&self.store, every, now, &self.options, &mut unit)?;
        }
        if unit.is_empty() && self.store.hot_rows() == 0 {
            return Ok(());
        }
        self.backfill.fill_in(&self.store);
        let incidents = unit.incidents.clone();
        let report = self.commit_until_it_holds(unit)?;
        let counts = self.pending.committed();
        self.end.counts += counts;
        self.end.commits += 1;
        self.observer.committed(&report, counts, &reconciled, &incidents);
        Ok(())
    }

    fn commit_until_it_holds(&mut self, unit: CommitUnit) -> Result<CommitReport, DriverError> {
        for wait in COMMIT_RETRY_S {
            match self.store.commit(unit.clone()) {
                Ok(report) => return Ok(report),
                Err(error) => {
                    let retry_in = Duration::from_secs(wait);
                    self.observer.commit_failed(&error, retry_in);
                    std::thread::sleep(retry_in);
                }
            }
        }
        Ok(self.store.commit(unit)?)
    }
}
