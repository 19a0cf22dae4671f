//! A candidate beside the model in use: both score the same windows, nobody is told.
//!
//! Everything counted is a function of the set of windows observed. Observe each window once.

use crate::distinct::{self, Distinct};
use crate::features::WindowKey;
use crate::forest::Forest;
use haetae_event::Micros;
use haetae_event::time::DAY_US;
use serde::Serialize;
use std::cmp::Ordering;

/// Bars of a histogram over the scores 0 to 1.
pub const BARS: usize = 20;
/// Windows kept as examples of disagreement.
const EXAMPLES_MAX: usize = 20;
/// Clients a day counted exactly.
const ALERTS_EXACT: usize = 4_096;

/// The features given do not hold one that a forest was fitted on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no feature {0:?} among those given")]
pub struct MissingFeature(pub String);

/// What one of the two said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Windows over the threshold.
    pub above: u64,
    pub histogram: [u64; BARS],
    #[serde(skip)]
    alerts: Distinct,
}

impl Side {
    fn new() -> Side {
        Side {
            above: 0,
            histogram: [0; BARS],
            alerts: Distinct::new(ALERTS_EXACT + 1),
        }
    }

    fn add(&mut self, key: &WindowKey, score: f64, above: bool) {
        let bar = (score * BARS as f64) as usize;
        self.histogram[bar.min(BARS - 1)] += 1;
        if above {
            self.above += 1;
            let day = key.start.floor_to(DAY_US).0.to_le_bytes();
            let who = distinct::hash(1, key.tenant.as_str().as_bytes());
            self.alerts
                .add(distinct::hash(who, &[&day, key.client.as_bytes()].concat()));
        }
    }

    /// Clients over the threshold, each counted once a day; an estimate above 4,096.
    pub fn alerts(&self) -> f64 {
        self.alerts.count()
    }
}

/// A window on which the two are far apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    pub tenant: String,
    pub client: String,
    pub start: Micros,
    pub current: f64,
    pub candidate: f64,
}

impl Disagreement {
    /// The farthest apart first, then by who and when.
    fn order(&self, other: &Disagreement) -> Ordering {
        let apart = |d: &Disagreement| (d.current - d.candidate).abs();
        let key = |d: &Disagreement| (d.tenant.clone(), d.client.clone(), d.start);
        apart(other)
            .total_cmp(&apart(self))
            .then_with(|| key(self).cmp(&key(other)))
    }
}

/// The comparison so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShadowReport {
    pub windows: u64,
    /// Start of the first window and end of the last; `None` before any.
    pub span: Option<(Micros, Micros)>,
    pub candidate: Side,
    /// The model in use; `None` when there is none yet.
    pub current: Option<Side>,
    pub both_above: u64,
    /// The windows on which the two are farthest apart, those first; at most 20.
    pub disagreements: Vec<Disagreement>,
}

impl ShadowReport {
    /// Event time covered, in days.
    pub fn span_days(&self) -> f64 {
        self.span.map_or(0.0, |(start, end)| {
            (end.0.saturating_sub(start.0)) as f64 / DAY_US as f64
        })
    }

    /// What a side would tell a day: clients over its threshold, each once a calendar day (UTC), over
    /// the days of the span. A span that cuts days counts clients of both parts, so it says rather
    /// too much; a span below a day is multiplied up.
    pub fn alerts_per_day(&self, side: &Side) -> f64 {
        let days = self.span_days();
        if days > 0.0 { side.alerts() / days } else { 0.0 }
    }
}

/// Two forests and what they said so far.
pub struct Shadow<'a> {
    current: Option<(&'a Forest, Vec<usize>)>,
    candidate: (&'a Forest, Vec<usize>),
    window_us: i64,
    report: ShadowReport,
}

/// For each feature of the forest its place among those given.
fn places(forest: &Forest, given: &[String]) -> Result<Vec<usize>, MissingFeature> {
    let place = |name: &String| {
        let at = given.iter().position(|other| other == name);
        at.ok_or_else(|| MissingFeature(name.clone()))
    };
    forest.features().iter().map(place).collect()
}

fn judge((forest, places): &(&Forest, Vec<usize>), values: &[f64]) -> (f64, bool) {
    let value = |place: &usize| values.get(*place).copied().unwrap_or(f64::NAN);
    let row: Vec<f64> = places.iter().map(value).collect();
    let score = forest
        .score_row(&row)
        .expect("one value for each feature of the forest");
    (score, forest.is_anomaly(score))
}

impl<'a> Shadow<'a> {
    /// `features`: the names of the values that will be observed, of which each forest takes its own.
    ///
    /// # Errors
    /// When a forest wants a feature that is not given.
    pub fn new(
        features: &[String],
        window_us: i64,
        current: Option<&'a Forest>,
        candidate: &'a Forest,
    ) -> Result<Shadow<'a>, MissingFeature> {
        let current = match current {
            Some(forest) => Some((forest, places(forest, features)?)),
            None => None,
        };
        Ok(Shadow {
            report: ShadowReport {
                windows: 0,
                span: None,
                candidate: Side::new(),
                current: current.is_some().then(Side::new),
                both_above: 0,
                disagreements: Vec::new(),
            },
            candidate: (candidate, places(candidate, features)?),
            current,
            window_us,
        })
    }

    pub fn observe(&mut self, key: &WindowKey, values: &[f64]) {
        let report = &mut self.report;
        report.windows += 1;
        let end = key.start.saturating_add(self.window_us);
        let (first, last) = report.span.unwrap_or((key.start, end));
        report.span = Some((first.min(key.start), last.max(end)));
        let (score, above) = judge(&self.candidate, values);
        report.candidate.add(key, score, above);
        let (Some(current), Some(side)) = (&self.current, &mut report.current) else {
            return;
        };
        let (current_score, current_above) = judge(current, values);
        side.add(key, current_score, current_above);
        report.both_above += u64::from(above && current_above);
        if score == current_score {
            return;
        }
        let example = Disagreement {
            tenant: key.tenant.as_str().to_owned(),
            client: key.client.clone(),
            start: key.start,
            current: current_score,
            candidate: score,
        };
        let known = &mut report.disagreements;
        let place = known.partition_point(|other| other.order(&example) == Ordering::Less);
        known.insert(place, example);
        known.truncate(EXAMPLES_MAX);
    }

    pub fn report(&self) -> &ShadowReport {
        &self.report
    }
}
