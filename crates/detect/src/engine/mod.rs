//! The order-free fold from batches to episodes.

mod chain;
mod change;
mod column;
pub mod compile;
mod ends;
mod evaluate;
mod expr;
mod few;
mod instead;
mod keys;
pub mod ladder;
mod leaves;
pub mod lookup;
mod measure;
mod memory;
mod needles;
mod news;
mod observe;
pub mod program;
mod prune;
mod record;
mod scan;
mod sieve;
mod summary;
mod track;
pub mod value;
mod walk;
mod windows;

pub(crate) use few::Few;
pub use windows::Extent;

use crate::detector::Detector;
use crate::ruleset::RuleSet;
use ahash::AHashMap;
use compile::Compiled;
use haetae_event::inside::Inside;
use haetae_event::time::{HOUR_US, MINUTE_US};
use haetae_event::{Columns, Dataset, Entity, Episode, TenantId, TimeWindow};
use keys::Keys;
use std::collections::BTreeMap;
use std::sync::Arc;
use track::Track;

/// Makes detectors that are not built in, for each engine anew.
#[derive(Clone, Default)]
pub struct MoreDetectors(Option<MakeDetectors>);

type MakeDetectors = Arc<dyn Fn() -> Vec<Box<dyn Detector>> + Send + Sync>;

impl MoreDetectors {
    pub fn new(make: impl Fn() -> Vec<Box<dyn Detector>> + Send + Sync + 'static) -> MoreDetectors {
        MoreDetectors(Some(Arc::new(make)))
    }

    fn make(&self) -> Vec<Box<dyn Detector>> {
        self.0.as_ref().map(|make| make()).unwrap_or_default()
    }
}

impl std::fmt::Debug for MoreDetectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "MoreDetectors(…)"
        } else {
            "MoreDetectors"
        })
    }
}

/// Bounds of the engine's memory, and what it has beside the rules.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Cells (16 bytes), kept pieces of evidence (about 100 bytes with their text) and what the
    /// windows of busy keys hold ready (counted as cells by its size), of all rules together; the
    /// default is at most about 300 MB.
    pub cells_max: usize,
    /// Distinct group keys of all rules together, about 150 bytes each.
    pub keys_max: usize,
    /// Memory of all code detectors together, bytes.
    pub detector_bytes_max: usize,
    /// Event time remembered behind the newest event of a tenant, µs; less under memory
    /// pressure, but for each rule never less than two of its look-backs (an hour at least, where
    /// any rule looks back that far) and the lateness; one look-back and the lateness (an hour at
    /// least, where nothing is forgotten by age) where a few keys have more events than there is room
    /// for.
    pub horizon_us: i64,
    /// How late events may come without a recomputation, µs.
    pub lateness_us: i64,
    /// Detectors beside the built-in ones, such as learned models.
    pub more: MoreDetectors,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            cells_max: 4_000_000,
            keys_max: 500_000,
            detector_bytes_max: 256 << 20,
            horizon_us: 26 * HOUR_US,
            lateness_us: 90_000_000,
            more: MoreDetectors::default(),
        }
    }
}

impl EngineOptions {
    /// For one-shot commands: nothing is forgotten by age, only by the budget.
    pub fn one_shot() -> Self {
        EngineOptions {
            horizon_us: i64::MAX,
            ..EngineOptions::default()
        }
    }
}

/// Which windows are final. Monotone conditions do not wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// Windows of a (tenant, dataset) ending at or before this are final; absent: `default_us`.
    pub watermarks: BTreeMap<(TenantId, Dataset), i64>,
    pub default_us: i64,
}

impl Closing {
    /// Everything that will come has come.
    pub fn everything() -> Self {
        Closing {
            watermarks: BTreeMap::new(),
            default_us: i64::MAX,
        }
    }

    /// Nothing is final yet.
    pub fn nothing() -> Self {
        Closing {
            watermarks: BTreeMap::new(),
            default_us: i64::MIN,
        }
    }

    /// The same watermark, in µs of event time, for all.
    pub fn at(us: i64) -> Self {
        Closing {
            watermarks: BTreeMap::new(),
            default_us: us,
        }
    }

    pub fn watermark(&self, tenant: &TenantId, dataset: Dataset) -> i64 {
        self.watermarks
            .get(&(tenant.clone(), dataset))
            .copied()
            .unwrap_or(self.default_us)
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Ranges (first and last event time, µs) of rows older than what the state still holds.
    /// They were not folded in: recompute the range from the store in [`Engine::fresh`].
    pub too_old: Vec<(Dataset, TenantId, i64, i64)>,
}

/// An episode that was told and does not hold any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    pub tenant_id: TenantId,
    pub rule_id: String,
    pub entity: Entity,
    pub window: TimeWindow,
}

/// What changed since the last evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Full present extent of every episode that is new or changed. An episode replaces all
    /// earlier ones of its tenant, rule and entity that it touches (within its `gap_us`).
    pub episodes: Vec<Episode>,
    pub withdrawn: Vec<Withdrawn>,
}

/// How full the engine is, and what it had to forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    pub rules: usize,
    pub keys: usize,
    pub cells: usize,
    pub evicted_cells: u64,
    pub evicted_keys: u64,
    /// Matches that a correlation could not count because a group-by field was null.
    pub unkeyed: u64,
    /// New and changed episodes that an exception covered.
    pub excepted: u64,
    /// Matches that a correlation could not measure because its field was null or no number.
    pub unmeasured: u64,
    /// Rows whose time stamp lay more than [`AHEAD_MAX_US`] ahead of the present.
    pub unbelieved: u64,
    /// Entities whose exact state code detectors gave up to stay within their memory.
    pub evicted_entities: u64,
    /// Rows that a code detector had no room for.
    pub unobserved: u64,
    /// Bytes code detectors hold.
    pub detector_bytes: usize,
}

/// Rows further ahead of the present are not folded in: no zone of the world is so far ahead, so
/// that the time stamp is an error or a lie. They stay stored.
pub const AHEAD_MAX_US: i64 = 26 * HOUR_US;

/// Clocks may differ so much (the store allows as much): time stamps further ahead of the present
/// are folded in, but do not age what is remembered.
const SKEW_MAX_US: i64 = 10 * MINUTE_US;

/// The engine: rules compiled, state per tenant, rule and key.
pub struct Engine {
    rules: RuleSet,
    options: EngineOptions,
    /// See [`Engine::set_present`].
    present_us: i64,
    /// Of `compiled`.
    inside: Inside,
    compiled: Compiled,
    state: State,
}

/// All that observation changes.
#[derive(Default)]
struct State {
    tracks: Vec<Track>,
    keys: Keys,
    tenants: Vec<Tenant>,
    detectors: Vec<Box<dyn Detector>>,
    /// Which is which: one a detector.
    seats: Vec<change::Seat>,
    /// The rules are to be told of rows that the rest knows.
    rules_behind: bool,
    /// Matches of proxy-aware tracks by (track, tenant, minute), whoever made them.
    totals: AHashMap<(usize, u16), BTreeMap<i64, u64>>,
    /// What lies before this event time was never folded in.
    starts: Option<i64>,
    /// Found while making room; given with the next evaluation.
    pending: Evaluation,
    stats: EngineStats,
    hasher: ahash::RandomState,
}

/// What is known of one tenant.
struct Tenant {
    id: TenantId,
    newest: i64,
    /// State before this event time is gone, but for rules that reach back further
    /// ([`Tenant::cut_for`]); `i64::MIN` while nothing is.
    cut: i64,
    /// Newest event time when `cut` was set.
    cut_at: i64,
    /// What lies before this was never folded in.
    start: i64,
    /// Newest event time when rules were last left no more than they need for events as late as is
    /// allowed; `i64::MIN` while they never were.
    pressed_at: i64,
    /// Highest watermark seen per dataset: what was closed stays closed.
    watermarks: BTreeMap<Dataset, i64>,
}

impl Tenant {
    /// Before this event time the state of what needs `need_us` before the newest event is gone:
    /// one rule with a long time span does not make the others remember more.
    fn cut_for(&self, need_us: i64) -> i64 {
        self.start.max(self.cut.min(self.cut_at.saturating_sub(need_us)))
    }

    /// Before this event time the state of a rule is gone: `pressed_us` is what it needs at least.
    fn cut_of_rule(&self, need_us: i64, pressed_us: i64) -> i64 {
        self.cut_for(need_us)
            .max(self.pressed_at.saturating_sub(pressed_us))
    }

    /// A rule may read several datasets: final is what is final in the last of them.
    fn closed_until(&self) -> i64 {
        self.watermarks.values().min().copied().unwrap_or(i64::MIN)
    }
}

impl Engine {
    pub fn new(rules: RuleSet, options: EngineOptions) -> Engine {
        let compiled = compile::compile(&rules);
        let inside = compiled.inside();
        let (seats, detectors) = change::seated(&rules, &options.more);
        let state = State {
            tracks: compiled.tracks(),
            detectors,
            seats,
            ..State::default()
        };
        Engine {
            rules,
            options,
            present_us: i64::MAX,
            inside,
            compiled,
            state,
        }
    }

    /// Says what time it is, µs: the engine has no clock. One row dated in the year 2100 would
    /// otherwise be the newest of its tenant, and all that is of the present would be too old beside
    /// it. Never told, every time stamp is believed, as fits files that were written long ago.
    pub fn set_present(&mut self, us: i64) {
        self.present_us = us;
    }

    /// What detection reads of a batch.
    pub fn columns(&self) -> Columns {
        let own = self
            .state
            .detectors
            .iter()
            .flat_map(|detector| detector.columns());
        self.compiled.columns().union(Columns::only(own.copied()))
    }

    /// Values inside JSON that parsers may hand over beside the columns ([`haetae_event::inside`]), so
    /// that rules need not read the text again. Batches without them, or with those of other rules,
    /// are judged alike, more slowly.
    pub fn inside(&self) -> &Inside {
        &self.inside
    }

    /// The same rules and bounds with an empty memory, for recomputing a range.
    pub fn fresh(&self) -> Engine {
        let options = EngineOptions {
            horizon_us: i64::MAX,
            ..self.options.clone()
        };
        Engine::new(self.rules.clone(), options)
    }

    /// The same rules and bounds with an empty memory, for starting over from the store.
    pub fn restarted(&self) -> Engine {
        let options = self.options.clone();
        Engine {
            present_us: self.present_us,
            ..Engine::new(self.rules.clone(), options)
        }
    }

    /// Says that nothing before `us` was folded in although it is stored: rows that could need it
    /// are reported as too old. Called after the stored rows since then were observed.
    pub fn starts_at(&mut self, us: i64) {
        let us = self.state.starts.map_or(us, |known| known.max(us));
        self.state.starts = Some(us);
        for tenant in &mut self.state.tenants {
            tenant.start = tenant.start.max(us);
        }
    }

    /// Longest window or baseline, µs: how far before and after a range a recomputation reads.
    pub fn lookback_us(&self) -> i64 {
        let rules = self
            .compiled
            .specs
            .iter()
            .map(|spec| spec.mode.reach_us)
            .max()
            .unwrap_or(0);
        let detectors = self.state.detectors.iter().map(|detector| detector.lookback_us());
        detectors.fold(rules, i64::max)
    }

    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    pub fn stats(&self) -> EngineStats {
        EngineStats {
            rules: self.rules.len(),
            keys: self.state.keys.len(),
            cells: self.cells(),
            unobserved: self.state.detectors.iter().map(|d| d.unobserved()).sum(),
            detector_bytes: self.detector_bytes(),
            ..self.state.stats
        }
    }

    fn cells(&self) -> usize {
        self.state.tracks.iter().map(|track| track.cells).sum()
    }

    fn detector_bytes(&self) -> usize {
        self.state.detectors.iter().map(|detector| detector.bytes()).sum()
    }

    /// Before this event time the state is gone of a rule that reaches back `reach_us`.
    fn cut_of_rule(&self, tenant: &Tenant, reach_us: i64) -> i64 {
        // What reads files as they lie has no other way to see what comes late.
        let late_us = match self.options.horizon_us {
            i64::MAX => self.options.lateness_us.max(HOUR_US),
            _ => self.options.lateness_us,
        };
        tenant.cut_of_rule(self.need_us(reach_us), reach_us.saturating_add(late_us))
    }

    /// What must be remembered before the newest event for something that reaches back
    /// `reach_us`: its windows stay whole for events as late as is allowed, and those of others
    /// for an hour.
    fn need_us(&self, reach_us: i64) -> i64 {
        reach_us
            .max(self.lookback_us().min(HOUR_US))
            .saturating_mul(2)
            .saturating_add(self.options.lateness_us)
    }
}
