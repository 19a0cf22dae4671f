//! A candidate from what is stored, and whether it takes the place of the model in use.
//!
//! Three readings of the store, piece by piece, so that memory does not grow with the days:
//! 1. a sample of the windows of `models.train_on`, which the candidate is fitted on;
//! 2. the score of every window of that time before the shadow days, for the threshold: so high that
//!    half of `models.alerts_per_day` would have been told (with less than a day before them, of all
//!    that time: then the budget is no test, which is said);
//! 3. the windows of the last `models.shadow_for`: candidate and current model beside each other, and
//!    a sample of them as the normal part of the labelled set (the attacks are simulated, see
//!    [`super::labelled`]).
//!
//! The decision is that of `haetae_learn::promote`: AUROC on the labelled set at least 0.8 and not
//! worse than the current model's, the alerts of the shadow days within the budget, and nine tenths
//! of those days covered. Which rows are sampled, the forest and the decision are functions of what
//! is stored: reading it in another order changes nothing.

use super::{Span, labelled, stored_windows, to_compare, window_of};
use crate::config::ModelsConfig;
use anyhow::{Context, Result};
use haetae_event::time::{DAY_US, MINUTE_US};
use haetae_event::{Clock, Micros, TenantId};
use haetae_learn::features::{WindowRow, names};
use haetae_learn::promote::{Decision, Limits, Quality, decide};
use haetae_learn::reservoir::WindowSample;
use haetae_learn::shadow::Shadow;
use haetae_learn::store::{ModelStore, Promotion};
use haetae_learn::{Forest, Params};
use haetae_source::StopFlag;
use haetae_store::Store;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Windows a forest is fitted on, at least: of fewer, every one is unusual.
pub const WINDOWS_MIN: usize = 1_000;
/// Windows kept for fitting: trees look at 256 each.
const SAMPLE_MAX: usize = 50_000;
/// The site's own windows in the labelled set.
const NORMAL_MAX: usize = 5_000;
/// Highest scores kept for the threshold.
const CLIENT_DAYS_MAX: usize = 4_096;
/// A threshold below what the forest's authors call normal is none.
const THRESHOLD_MIN: f64 = 0.5;
/// Fewer days before the shadow days say too little about alerts.
const THRESHOLD_SPAN_MIN_US: i64 = DAY_US;
/// A service that has no model tries this long after its start.
const FIRST_AFTER: Duration = Duration::from_secs(600);
/// Rest between two pieces, so that readers and the driver come to their turn.
const REST: Duration = Duration::from_millis(5);
/// Part of the shadow days that must hold windows.
const COVERED: f64 = 0.9;

/// All that retraining needs.
pub struct Retraining {
    pub store: Arc<Store>,
    pub models: ModelStore,
    pub settings: ModelsConfig,
    pub clock: Arc<dyn Clock>,
    /// Of the hashes that decide which clients and windows are kept.
    pub seed: u64,
    pub stop: StopFlag,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The service ends, or nothing is stored yet: nothing to say.
    Nothing,
    TooFew {
        windows: usize,
    },
    Decided {
        id: String,
        windows: u64,
        /// Predicted for the candidate.
        alerts_per_day: f64,
        auroc: f64,
        /// Why the current model stays; empty: the candidate is in use.
        against: Vec<String>,
        /// Events that did not fit while reading.
        left_out: u64,
        /// What else is to be known of the comparison.
        notes: Vec<String>,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Nothing => write!(f, "no model was trained"),
            Outcome::TooFew { windows } => write!(
                f,
                "no model was trained: {windows} windows of clients are stored, {WINDOWS_MIN} are needed"
            ),
            Outcome::Decided {
                id,
                windows,
                alerts_per_day,
                auroc,
                against,
                left_out,
                notes,
            } => {
                let verdict = if against.is_empty() {
                    "is in use"
                } else {
                    "is not promoted"
                };
                write!(
                    f,
                    "model {id} {verdict}: {windows} windows beside the current one, {alerts_per_day:.1} \
                     alerts a day, AUROC {auroc:.3} on simulated attacks"
                )?;
                for reason in against {
                    write!(f, "; against it: {reason}")?;
                }
                for note in notes {
                    write!(f, "; {note}")?;
                }
                if *left_out > 0 {
                    write!(f, "; {left_out} events did not fit and were left out")?;
                }
                Ok(())
            }
        }
    }
}

/// Stretches of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spans {
    train: Span,
    shadow: Span,
    /// What the threshold is set on.
    threshold: Span,
}

impl Spans {
    /// `train_on` and `shadow_for` back from the end of what is stored.
    fn of((oldest, end): Span, train_on: Duration, shadow_for: Duration) -> Spans {
        let back = |by: Duration| {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            (end.saturating_sub(by).max(oldest), end)
        };
        let (train, shadow) = (back(train_on), back(shadow_for));
        // Days that set the threshold keep to it whatever the model is like: they are no test of it.
        let before = (train.0, shadow.0.max(train.0));
        let enough = before.1.0.saturating_sub(before.0.0) >= THRESHOLD_SPAN_MIN_US;
        Spans {
            train,
            shadow,
            threshold: if enough { before } else { train },
        }
    }

    /// Whether the shadow days say something about the budget.
    fn are_apart(&self) -> bool {
        self.threshold.1 <= self.shadow.0
    }
}

impl Retraining {
    /// Trains, compares and decides, once.
    ///
    /// # Errors
    /// The store's, or those of the models folder.
    pub fn once(&self) -> Result<Outcome> {
        let Some(spans) = self.spans()? else {
            return Ok(Outcome::Nothing);
        };
        let (current, unusable) = to_compare(&self.models, &self.settings.name);
        let mut notes = Vec::new();
        if let Some(why) = unusable {
            notes.push(format!(
                "the model in use was not compared, it cannot be used: {why}"
            ));
        }
        if !spans.are_apart() {
            notes.push(
                "less than a day is stored before the shadow days, so they set the threshold themselves and \
                 the alert budget was no test"
                    .to_owned(),
            );
        }
        // The same windows for both: a length that was chosen by hand stays.
        let window_us = current.as_ref().map_or(MINUTE_US, window_of);
        let mut sample = WindowSample::new(SAMPLE_MAX, self.seed);
        let read = self.windows(spans.train, window_us, |row| sample.offer(row))?;
        if read.is_none() {
            return Ok(Outcome::Nothing);
        }
        if sample.len() < WINDOWS_MIN {
            let windows = sample.len();
            return Ok(Outcome::TooFew { windows });
        }
        let mut candidate = sample.retrain(Params::default(), WINDOWS_MIN, self.clock.now())?;
        drop(sample);
        candidate.set_window_us(window_us);
        let Some(threshold) = self.threshold(&candidate, spans.threshold)? else {
            return Ok(Outcome::Nothing);
        };
        candidate.set_threshold(threshold);
        self.hold_against(&candidate, current.as_ref(), spans.shadow, notes)
    }

    /// `None` for a store without web logs.
    fn spans(&self) -> Result<Option<Spans>> {
        let web = self.store.stat()?.datasets;
        let web = web.iter().filter(|stat| stat.dataset.is_web());
        let Some((oldest, newest)) = web.fold(None, |span: Option<(Micros, Micros)>, stat| {
            let (low, high) = span.unwrap_or((stat.min_ts, stat.max_ts));
            Some((low.min(stat.min_ts), high.max(stat.max_ts)))
        }) else {
            return Ok(None);
        };
        // What claims to be of the future is not what is usual now; the last window is not over.
        let end = newest.min(self.clock.now()).floor_to(MINUTE_US);
        let stored = (oldest.floor_to(MINUTE_US), end);
        let settings = &self.settings;
        Ok(Some(Spans::of(
            stored,
            settings.train_on.0,
            settings.shadow_for.0,
        )))
    }

    /// Hands over every window of the stretch; gives the events that were left out, or `None` when
    /// the service is to end.
    fn windows(&self, span: Span, window_us: i64, each: impl FnMut(&WindowRow)) -> Result<Option<u64>> {
        let pause = || self.stop.sleep(REST);
        let read = stored_windows(&self.store, span, (window_us, self.seed), pause, each)?;
        Ok(read.map(|read| read.left_out))
    }

    /// The score above which half of the budget would have been told.
    fn threshold(&self, candidate: &Forest, span: (Micros, Micros)) -> Result<Option<f64>> {
        let days = (span.1.0 - span.0.0) as f64 / DAY_US as f64;
        let mut highest = ClientDays::new(self.settings.alerts_per_day / 2.0 * days);
        let read = self.windows(span, window_of(candidate), |row| {
            let score = candidate.score_row(&row.values);
            highest.offer(row, score.expect("fitted on these features"));
        })?;
        Ok(read.map(|_| highest.threshold()))
    }

    fn hold_against(
        &self,
        candidate: &Forest,
        current: Option<&Forest>,
        span: Span,
        notes: Vec<String>,
    ) -> Result<Outcome> {
        let name = &self.settings.name;
        let window_us = window_of(candidate);
        let mut shadow = Shadow::new(&names(), window_us, current, candidate)?;
        let mut normal = WindowSample::new(NORMAL_MAX, self.seed.wrapping_add(1));
        let read = self.windows(span, window_us, |row| {
            shadow.observe(&row.key, &row.values);
            normal.offer(row);
        })?;
        let Some(left_out) = read else {
            return Ok(Outcome::Nothing);
        };
        let Some(attacks) = labelled::attacks(window_us, || self.stop.is_set())? else {
            return Ok(Outcome::Nothing);
        };
        let normal: Vec<WindowRow> = normal.rows().cloned().collect();
        let table = labelled::table(&attacks, &normal, &candidate.training().features);
        let of_candidate = Quality::of(candidate, &table)?;
        let of_current = current.map(|forest| Quality::of(forest, &table));
        let limits = Limits {
            alerts_per_day_max: self.settings.alerts_per_day,
            shadow_days_min: self.settings.shadow_for.0.as_secs_f64() / 86_400.0 * COVERED,
            ..Limits::default()
        };
        let report = shadow.report();
        let decision = decide(
            of_current.transpose()?.as_ref(),
            Some(&of_candidate),
            report,
            &limits,
        );
        let version = self.models.add(name, candidate)?;
        let against = match decision {
            Decision::Keep(reasons) => reasons.iter().map(ToString::to_string).collect(),
            Decision::Promote => Vec::new(),
        };
        let outcome = Outcome::Decided {
            id: format!("{name}@{version}"),
            windows: report.windows,
            alerts_per_day: report.alerts_per_day(&report.candidate),
            auroc: of_candidate.auroc,
            against,
            left_out,
            notes,
        };
        if matches!(&outcome, Outcome::Decided { against, .. } if against.is_empty()) {
            let promotion = Promotion {
                version,
                at: self.clock.now(),
                note: outcome.to_string(),
            };
            self.models
                .promote(name, &promotion)
                .with_context(|| format!("cannot promote {name}@{version}"))?;
        }
        Ok(outcome)
    }

    /// A thread that does so every so often until the service stops; `tell` hears of each time.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn spawn(
        self,
        every: Duration,
        tell: impl Fn(Result<Outcome>) + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let thread = std::thread::Builder::new().name("retraining".to_owned());
        thread.spawn(move || {
            let due = self.due_in(every).unwrap_or_default();
            let mut wait = due.unwrap_or(every.min(FIRST_AFTER));
            while !self.stop.sleep(wait) {
                tell(self.once());
                wait = every;
            }
        })
    }

    /// Time until the next training: the newest version counts, whoever trained it.
    fn due_in(&self, every: Duration) -> Result<Option<Duration>> {
        let name = &self.settings.name;
        let Some(newest) = self.models.versions(name)?.pop() else {
            return Ok(None);
        };
        // One that cannot be loaded is to be replaced soon.
        let Ok(forest) = self.models.load(name, newest) else {
            return Ok(None);
        };
        let trained_at = forest.training().trained_at;
        let since = self.clock.now().0.saturating_sub(trained_at.0).max(0);
        let since = Duration::from_micros(since.unsigned_abs());
        Ok(Some(every.saturating_sub(since)))
    }
}

/// The highest score of each client and day, as far as it can matter for the threshold.
struct ClientDays {
    highest: HashMap<(TenantId, String, i64), f64>,
    /// So many client-days may be over the threshold.
    alerts: usize,
    most: usize,
}

impl ClientDays {
    fn new(alerts: f64) -> ClientDays {
        let alerts = alerts.max(0.0) as usize;
        ClientDays {
            highest: HashMap::new(),
            alerts,
            most: CLIENT_DAYS_MAX.max(alerts.saturating_add(1)),
        }
    }

    fn offer(&mut self, row: &WindowRow, score: f64) {
        let day = row.key.start.0.div_euclid(DAY_US);
        let key = (row.key.tenant.clone(), row.key.client.clone(), day);
        let known = self.highest.entry(key).or_insert(score);
        *known = known.max(score);
        if self.highest.len() > self.most * 2 {
            // Who is among the highest at the end is so at every moment from his highest score on.
            let least = self.nth(self.most);
            self.highest.retain(|_, score| *score >= least);
        }
    }

    /// The score that `above` client-days exceed.
    fn nth(&self, above: usize) -> f64 {
        let mut scores: Vec<f64> = self.highest.values().copied().collect();
        scores.sort_unstable_by(|a, b| b.total_cmp(a));
        scores
            .get(above)
            .or(scores.last())
            .copied()
            .unwrap_or(THRESHOLD_MIN)
    }

    fn threshold(&self) -> f64 {
        self.nth(self.alerts).max(THRESHOLD_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haetae_learn::features::{COUNT, WindowKey};

    #[test]
    fn the_days_that_test_the_budget_do_not_set_it() {
        let day = |n: i64| Micros(n * DAY_US);
        let days = |n: u64| Duration::from_secs(n * 86_400);
        let of = |oldest: i64| Spans::of((day(oldest), day(100)), days(14), days(7));
        let long = of(0);
        assert_eq!(long.train, (day(86), day(100)));
        assert_eq!(long.shadow, (day(93), day(100)));
        assert_eq!(long.threshold, (day(86), day(93)));
        assert!(long.are_apart());
        assert_eq!(of(92).threshold, (day(92), day(93)));
        // Short histories: all there is, and it is said.
        for short in [93, 97] {
            let spans = of(short);
            assert_eq!(spans.threshold, spans.train);
            assert!(!spans.are_apart());
        }
        let all_shadow = Spans::of((day(0), day(100)), days(7), days(14));
        assert!(!all_shadow.are_apart());
    }

    #[test]
    fn the_threshold_tells_no_more_clients_a_day_than_asked() {
        let row = |client: usize, day: i64| WindowRow {
            key: WindowKey {
                tenant: TenantId::default(),
                client: client.to_string(),
                start: Micros(day * DAY_US),
            },
            values: [0.0; COUNT],
        };
        let mut highest = ClientDays::new(3.0);
        for client in 0..20_000 {
            for window in 0..2 {
                let score = 0.4 + client as f64 / 50_000.0 - f64::from(window) * 0.01;
                highest.offer(&row(client, 3), score);
            }
        }
        let threshold = highest.threshold();
        let above = (0..20_000).filter(|client| 0.4 + f64::from(*client) / 50_000.0 > threshold);
        assert_eq!(above.count(), 3);
        assert!(highest.highest.len() <= 2 * CLIENT_DAYS_MAX);
        assert!((ClientDays::new(3.0).threshold() - THRESHOLD_MIN).abs() < 1e-12);
    }
}
