//! A candidate from what is stored, and whether it takes the place of the model in use.
//!
//! Three readings of the store, piece by piece, so that memory does not grow with the days:
//! 1. a sample of the windows of `models.train_on`, which the candidate is fitted on;
//! 2. the score of every window of that time, for the threshold: so high that half of
//!    `models.alerts_per_day` would have been told;
//! 3. the windows of the last `models.shadow_for`: candidate and current model beside each other, and
//!    a sample of them as the normal part of the labelled set (the attacks are simulated, see
//!    [`super::labelled`]).
//!
//! The decision is that of `haetae_learn::promote`: AUROC on the labelled set at least 0.8 and not
//! worse than the current model's, the alerts of the shadow days within the budget, and nine tenths
//! of those days covered. Which rows are sampled, the forest and the decision are functions of what
//! is stored: reading it in another order changes nothing.

use super::labelled;
use crate::config::ModelsConfig;
use anyhow::{Context, Result};
use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US};
use haetae_event::{Clock, Dataset, Micros, TenantId};
use haetae_learn::features::{Extractor, Options, WindowRow, names};
use haetae_learn::promote::{Decision, Limits, Quality, decide};
use haetae_learn::reservoir::WindowSample;
use haetae_learn::shadow::Shadow;
use haetae_learn::store::{ModelStore, Promotion};
use haetae_learn::{Forest, Params};
use haetae_source::StopFlag;
use haetae_store::{ScanRequest, Store};
use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Windows a forest is fitted on, at least: of fewer, every one is unusual.
pub const WINDOWS_MIN: usize = 1_000;
/// Windows kept for fitting: trees look at 256 each.
const SAMPLE_MAX: usize = 50_000;
/// The site's own windows in the labelled set.
const NORMAL_MAX: usize = 5_000;
/// Clients of one window while reading; beyond, those with the largest hashes are left out.
const CLIENTS_MAX: usize = 2_000;
/// Highest scores kept for the threshold.
const CLIENT_DAYS_MAX: usize = 4_096;
/// A threshold below what the forest's authors call normal is none.
const THRESHOLD_MIN: f64 = 0.5;
/// Stretch of event time read at once.
const PIECE_US: i64 = HOUR_US;
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
                if *left_out > 0 {
                    write!(f, "; {left_out} events did not fit and were left out")?;
                }
                Ok(())
            }
        }
    }
}

/// Stretches of event time.
struct Spans {
    train: (Micros, Micros),
    shadow: (Micros, Micros),
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
        let mut sample = WindowSample::new(SAMPLE_MAX, 0);
        if self.windows(spans.train, |row| sample.offer(row))?.is_none() {
            return Ok(Outcome::Nothing);
        }
        if sample.len() < WINDOWS_MIN {
            let windows = sample.len();
            return Ok(Outcome::TooFew { windows });
        }
        let mut candidate = sample.retrain(Params::default(), WINDOWS_MIN, self.clock.now())?;
        drop(sample);
        candidate.set_window_us(MINUTE_US);
        let Some(threshold) = self.threshold(&candidate, spans.train)? else {
            return Ok(Outcome::Nothing);
        };
        candidate.set_threshold(threshold);
        self.hold_against(&candidate, spans.shadow)
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
        let back = |by: Duration| {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            (end.saturating_sub(by).max(oldest.floor_to(MINUTE_US)), end)
        };
        Ok(Some(Spans {
            train: back(self.settings.train_on.0),
            shadow: back(self.settings.shadow_for.0),
        }))
    }

    /// Hands over every window of the stretch; gives the events that were left out, or `None` when
    /// the service is to end.
    fn windows(
        &self,
        (start, end): (Micros, Micros),
        mut each: impl FnMut(&WindowRow),
    ) -> Result<Option<u64>> {
        let mut left_out = 0;
        let mut from = start.floor_to(PIECE_US);
        while from < end {
            if self.stop.sleep(REST) {
                return Ok(None);
            }
            let until = from.saturating_add(PIECE_US);
            let mut extractor = Extractor::new(Options {
                clients_max: CLIENTS_MAX,
                ..Options::default()
            });
            for dataset in Dataset::ALL.into_iter().filter(|dataset| dataset.is_web()) {
                let request = ScanRequest {
                    start_us: from.max(start).0,
                    end_us: until.min(end).0,
                    columns: super::read_columns(),
                    ..ScanRequest::of(dataset)
                };
                self.store.scan(&request, &mut |batch| {
                    extractor.observe(&batch);
                    ControlFlow::Continue(())
                })?;
            }
            extractor.rows().iter().for_each(&mut each);
            left_out += extractor.seen().crowded_out;
            from = until;
        }
        Ok(Some(left_out))
    }

    /// The score above which half of the budget would have been told.
    fn threshold(&self, candidate: &Forest, span: (Micros, Micros)) -> Result<Option<f64>> {
        let days = (span.1.0 - span.0.0) as f64 / DAY_US as f64;
        let mut highest = ClientDays::new(self.settings.alerts_per_day / 2.0 * days);
        let read = self.windows(span, |row| {
            let score = candidate.score_row(&row.values);
            highest.offer(row, score.expect("fitted on these features"));
        })?;
        Ok(read.map(|_| highest.threshold()))
    }

    fn hold_against(&self, candidate: &Forest, span: (Micros, Micros)) -> Result<Outcome> {
        let name = &self.settings.name;
        let in_use = self.models.current(name)?;
        let current = match &in_use {
            Some(promotion) => Some(self.models.load(name, promotion.version)?),
            None => None,
        };
        let mut shadow = Shadow::new(&names(), MINUTE_US, current.as_ref(), candidate)?;
        let mut normal = WindowSample::new(NORMAL_MAX, 1);
        let read = self.windows(span, |row| {
            shadow.observe(&row.key, &row.values);
            normal.offer(row);
        })?;
        let Some(left_out) = read else {
            return Ok(Outcome::Nothing);
        };
        let Some(attacks) = labelled::attacks(MINUTE_US, || self.stop.is_set())? else {
            return Ok(Outcome::Nothing);
        };
        let normal: Vec<WindowRow> = normal.rows().cloned().collect();
        let table = labelled::table(&attacks, &normal, &candidate.training().features);
        let of_candidate = Quality::of(candidate, &table)?;
        let of_current = current.as_ref().map(|forest| Quality::of(forest, &table));
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
        let trained_at = self.models.load(name, newest)?.training().trained_at;
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
