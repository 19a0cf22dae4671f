//! The seam of code detectors: what Sigma cannot say (ratios, baselines, sequences, costs).
//!
//! What is here: the trait, the verdicts a detector reaches, and the bookkeeping that turns
//! verdicts into new, changed and withdrawn episodes.
//!
//! What is not here: the detectors ([`crate::behaviours`]).

pub use crate::engine::Extent;
use crate::engine::value::{Column, Value};
use crate::engine::{Closing, Evaluation, Withdrawn};
use ahash::RandomState;
use haetae_event::{Entity, Episode, EventBatch, EvidenceRef, Level, Micros, Risk, TenantId, TimeWindow};

/// One code detector. What it reports is a function of the set of events it was given: the
/// order of rows, and how they were cut into batches, changes nothing.
pub trait Detector: Send {
    /// Columns it reads, beside `ts` and `src_ip`.
    fn columns(&self) -> &'static [&'static str];

    /// How far before and after an event, µs, verdicts can depend on it. What lies further back
    /// may serve as a baseline as far as it is remembered, and has to be called cold otherwise.
    fn lookback_us(&self) -> i64;

    /// Folds one batch in.
    fn observe(&mut self, batch: &EventBatch, rows: &Rows<'_>);

    /// Adds to `out` what changed since the last call. Judgements that late events could undo
    /// are made only over windows that `closing` says are final.
    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation);

    /// Events of `tenant` before `before_us` will not be asked about again: windows that need
    /// them are told or gone. Baselines may be kept. Returns how many cells were dropped.
    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64;

    /// Rows so far that it had no room for at all.
    fn unobserved(&self) -> u64 {
        0
    }

    /// What the traffic of an episode's entity cost; `None` from detectors that do not meter.
    fn price(&self, _: &Episode) -> Option<crate::cost::Priced> {
        None
    }

    /// Who seems to share this address in these minutes; `None` if nothing is known of it. Rules
    /// about single clients are lowered for people. May change with later events.
    fn shared_by(&self, _tenant: &TenantId, _address: &str, _window: TimeWindow) -> Option<Sharing> {
        None
    }

    /// Memory held, in bytes, estimated to within a factor of two.
    fn bytes(&self) -> usize;

    /// Drops what matters least until [`Detector::bytes`] is at most `bytes_max`. Returns how
    /// many entities lost their exact state.
    fn shrink(&mut self, bytes_max: usize) -> u64;
}

/// What an address looks like when many may share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Many actors, none of whom does most, and most of whom load assets as browsers do.
    pub people: bool,
    /// Those who do are enough for what is asked in every minute.
    pub within_reach: bool,
    /// Assets are loaded with the pages, by whomever.
    pub browsers: bool,
}

/// What all detectors ask of a batch, computed once.
pub struct Rows<'a> {
    /// Per row: a hash of tenant and client address, the same all through an engine's life;
    /// `None` without an address.
    pub clients: Vec<Option<u64>>,
    pub src_ip: Column<'a>,
    pub hasher: &'a RandomState,
}

impl<'a> Rows<'a> {
    pub fn new(batch: &'a EventBatch, hasher: &'a RandomState) -> Rows<'a> {
        let src_ip = Column::of(batch, "src_ip");
        let tenant = hasher.hash_one(batch.tenant.as_str());
        let clients = (0..batch.rows())
            .map(|row| match src_ip.value(row) {
                Value::Text(address) => Some(hasher.hash_one((tenant, address))),
                _ => None,
            })
            .collect();
        Rows {
            clients,
            src_ip,
            hasher,
        }
    }
}

impl Extent {
    /// The stretch as findings carry it.
    pub fn window(self) -> TimeWindow {
        TimeWindow {
            start: Micros(self.start),
            end: Micros(self.end),
        }
    }
}

/// What a detector says of one entity over one stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Name of the detector, e.g. `surge`.
    pub detector: &'static str,
    /// Id of the rule in findings, e.g. `surge.cloudfront`.
    pub rule_id: String,
    pub title: &'static str,
    pub level: Level,
    pub extent: Extent,
    /// 0..1, how bad; by convention that of the level, see [`score_of`].
    pub score: f64,
    /// 0..1, how sure.
    pub confidence: f64,
    /// Episodes no further apart than this are one, µs.
    pub gap_us: i64,
    /// More events can only confirm it.
    pub monotone: bool,
    pub evidence: Vec<EvidenceRef>,
    pub facts: Vec<(String, String)>,
    pub attack: &'static [&'static str],
}

/// The score that goes with a level.
pub fn score_of(level: Level) -> f64 {
    match level {
        Level::Informational => 0.1,
        Level::Low => 0.3,
        Level::Medium => 0.5,
        Level::High => 0.8,
        Level::Critical => 1.0,
    }
}

/// Compares what holds `now` of an entity with what was `told`: adds new and changed episodes
/// to `out`, and withdraws what was told and touches nothing that holds. Leaves `now` in `told`.
pub fn reconcile(
    tenant: &TenantId,
    entity: &Entity,
    told: &mut Vec<Verdict>,
    now: Vec<Verdict>,
    out: &mut Evaluation,
) {
    for verdict in now.iter().filter(|verdict| !told.contains(verdict)) {
        out.episodes.push(episode(tenant, entity, verdict));
    }
    for gone in told.iter() {
        let holds = |v: &Verdict| {
            v.rule_id == gone.rule_id && v.extent.window().touches(&gone.extent.window(), gone.gap_us)
        };
        if !now.iter().any(holds) {
            out.withdrawn.push(Withdrawn {
                tenant_id: tenant.clone(),
                rule_id: gone.rule_id.clone(),
                entity: entity.clone(),
                window: gone.extent.window(),
            });
        }
    }
    *told = now;
}

fn episode(tenant: &TenantId, entity: &Entity, verdict: &Verdict) -> Episode {
    Episode {
        tenant_id: tenant.clone(),
        detector: verdict.detector.into(),
        rule_id: verdict.rule_id.clone(),
        title: verdict.title.into(),
        level: verdict.level,
        entity: entity.clone(),
        window: verdict.extent.window(),
        count: verdict.extent.count,
        gap_us: verdict.gap_us,
        score: verdict.score,
        confidence: verdict.confidence,
        evidence: verdict.evidence.clone(),
        attack: verdict.attack.iter().map(|id| (*id).to_owned()).collect(),
        monotone: verdict.monotone,
        facts: verdict.facts.clone(),
        cost: None,
        risk: Risk {
            cause: crate::risk::cause_of(verdict.detector).into(),
            ..Risk::default()
        },
    }
}
