//! What a correlation would have told at other thresholds, from the state of one replay.
//!
//! The cells of a correlation do not depend on its threshold. So the events are read once, and the
//! engine's own window scan runs over the same cells once per threshold: no copy of a rule, no
//! second reading, and the number of episodes is the engine's own by construction.
//!
//! A long replay does not fit in memory: it is asked stretch by stretch, while the engine still
//! remembers, and the parts are put together ([`crate::tune::gather`]).
//!
//! Not here: which thresholds are tried and which is best ([`crate::tune`]).

use super::Engine;
use super::compile::TrackSpec;
use super::evaluate::{sigma_episode, tell};
use super::measure::Test;
use super::memory::KeyState;
use super::windows::Mode;
use crate::sigma::correlation::{Nano, Operator, Threshold};
use crate::sigma::document::Document;
use crate::thresholds::Limit;
use haetae_event::{Entity, Level, TenantId, TimeWindow};

/// One episode at another threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub window: TimeWindow,
    pub level: Level,
    /// What was counted; where parts were put together, at most their sum.
    pub count: u64,
}

/// What one entity would have been told for.
#[derive(Clone, Debug, PartialEq)]
pub struct Retold {
    pub tenant: TenantId,
    pub entity: Entity,
    /// Furthest number any window of it reached, to the side the rule asks for.
    pub peak: Nano,
    /// For each threshold asked about, in that order: its episodes by time. Those at the end that
    /// tell nothing are left out.
    pub alerts: Vec<Vec<Alert>>,
}

impl Retold {
    /// The episodes at the threshold `rung`.
    pub fn at(&self, rung: usize) -> &[Alert] {
        self.alerts.get(rung).map_or(&[], |alerts| alerts)
    }
}

/// What a correlation would have told in one stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Entities that at least one threshold tells of, in order.
    pub retold: Vec<Retold>,
    /// Episodes no further apart than this are one, µs.
    pub gap_us: i64,
    /// Nothing that was needed had been forgotten.
    pub whole: bool,
}

impl Engine {
    /// The threshold of the correlation `id` that [`Engine::retold`] can move.
    ///
    /// # Errors
    /// Why there is none.
    pub fn limit_of(&self, id: &str) -> Result<Limit, &'static str> {
        let mut loaded = self.rules.loaded().iter();
        let found = loaded.find(|loaded| loaded.document.attributes().id == id);
        let correlation = match found.map(|loaded| loaded.document.as_ref()) {
            None => return Err("it is a code detector: its thresholds stand in detectors.yml"),
            Some(Document::Rule(_)) => return Err("it has no threshold: each match is told"),
            Some(Document::Correlation(_, correlation)) => correlation,
        };
        let limit = Limit::of(correlation)?;
        let spec = self.compiled.specs.iter().find(|spec| spec.id == id);
        if limit.amount <= 0 {
            return Err("its threshold is zero or less: there is nothing to scale");
        }
        if spec.is_some_and(|spec| spec.mode.watched) {
            return Err("other correlations count its alerts, which would change as well");
        }
        if spec.is_some_and(|spec| spec.silent) {
            return Err("it tells nothing by itself");
        }
        Ok(limit)
    }

    /// What the correlation `id` tells in windows that end in `from..until`, with each of `limits`
    /// in place of its own threshold. To be asked once all events before `until` were observed and
    /// evaluated.
    pub fn retold(&self, id: &str, limits: &[Limit], (from, until): (i64, i64)) -> Part {
        let Some(track) = self.compiled.specs.iter().position(|spec| spec.id == id) else {
            return Part {
                retold: Vec::new(),
                gap_us: 0,
                whole: false,
            };
        };
        let spec = &self.compiled.specs[track];
        let rising = limits.first().is_none_or(|limit| limit.rising());
        let asked = Asked {
            track,
            modes: limits
                .iter()
                .map(|limit| mode_at(spec, limit.threshold()))
                .collect(),
            everything: mode_at(spec, boundless(rising)),
            limits,
            rising,
            stretch: (from, until),
        };
        let states = || self.state.tracks[track].states();
        let mut retold: Vec<Retold> = states()
            .filter_map(|state| self.retold_of(state, &asked))
            .collect();
        retold.sort_by(|a, b| (&a.tenant, &a.entity).cmp(&(&b.tenant, &b.entity)));
        Part {
            retold,
            gap_us: spec.mode.join_us,
            whole: states().all(|state| state.whole_from() <= from),
        }
    }

    fn retold_of(&self, state: &KeyState, asked: &Asked<'_>) -> Option<Retold> {
        let (track, stretch) = (asked.track, asked.stretch);
        let reached = state.found_under(&asked.everything, stretch).into_iter();
        let reached = reached.map(|found| found.extreme);
        let peak = if asked.rising {
            reached.max()?
        } else {
            reached.min()?
        };
        // Means are cut to whole nanos: the number itself may lie up to one further.
        let reaches = |limit: &Limit| {
            let threshold = limit.threshold();
            threshold.holds(peak, 1) || threshold.holds(peak.saturating_add(1), 1)
        };
        if !asked.limits.iter().any(reaches) {
            return None;
        }
        let key = self.state.keys.get(state.key);
        let (tenant, entity) = (
            &self.state.tenants[usize::from(key.tenant)].id,
            self.entity_of(key),
        );
        let spec = &self.compiled.specs[track];
        let at = |(mode, limit): (&Mode, &Limit)| -> Vec<Alert> {
            if !reaches(limit) {
                return Vec::new();
            }
            let found = state.found_under(mode, stretch).into_iter();
            let told = found.map(|found| {
                let many = self.many_behind(track, key, &entity, found.extent);
                tell(spec, found, Vec::new(), many)
            });
            let episodes = told.map(|told| sigma_episode(spec, &told, tenant, &entity));
            let heard = episodes.filter(|episode| !self.rules.exceptions().iter().any(|e| e.covers(episode)));
            heard
                .map(|episode| Alert {
                    window: episode.window,
                    level: episode.level,
                    count: episode.count,
                })
                .collect()
        };
        let mut alerts: Vec<Vec<Alert>> = asked.modes.iter().zip(asked.limits).map(at).collect();
        let last = alerts.iter().rposition(|alerts| !alerts.is_empty())?;
        alerts.truncate(last + 1);
        alerts.shrink_to_fit();
        Some(Retold {
            tenant: tenant.clone(),
            entity,
            peak,
            alerts,
        })
    }
}

/// One question to a track.
struct Asked<'a> {
    track: usize,
    limits: &'a [Limit],
    /// The track's mode at each limit.
    modes: Vec<Mode>,
    everything: Mode,
    rising: bool,
    stretch: (i64, i64),
}

/// The track's mode with another test; its firings go nowhere.
fn mode_at(spec: &TrackSpec, threshold: Threshold) -> Mode {
    Mode {
        test: Test::Number(threshold),
        watched: false,
        ..spec.mode.clone()
    }
}

/// What every window satisfies, keeping the highest or the lowest number.
fn boundless(rising: bool) -> Threshold {
    Threshold(vec![match rising {
        true => (Operator::GreaterEqual, Nano::MIN),
        false => (Operator::LessEqual, Nano::MAX),
    }])
}
