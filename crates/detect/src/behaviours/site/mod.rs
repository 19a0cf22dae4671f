//! Minute counts per dataset and host, and what they say: error rate, surge, refusals; and log
//! sources gone silent.
//!
//! The baseline of a minute is the same minute of former days where enough of them are known
//! ([`days`]), else the hour before.

mod days;
mod judge;
pub mod silence;

use crate::detector::{Detector, Rows, Verdict, reconcile};
use crate::detectors::Detectors;
use crate::engine::value::{Column, Value};
use crate::engine::{Closing, Evaluation};
use crate::names::bounded;
use ahash::AHashMap;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, Entity, EventBatch, TenantId};
use std::collections::BTreeMap;

/// Distinct (tenant, dataset, host) with minute counts. Hosts are what clients write: when all
/// places are taken, the least busy quarter is forgotten, so that names made up by chance take none
/// from a host that is new.
const SERIES_MAX: usize = 2_000;

/// Windows of ratios, in minutes, aligned to the epoch.
const WINDOW_MINUTES: i64 = 5;

/// What one minute held. Flows count as requests, refused ones as `refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    pub total: u64,
    pub client_errors: u64,
    pub server_errors: u64,
    pub refused: u64,
}

impl Minute {
    fn add(&mut self, other: &Minute) {
        self.total += other.total;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.refused += other.refused;
    }
}

/// The detector: the minutes of every host.
pub struct SiteTraffic {
    settings: Detectors,
    series: Vec<Series>,
    index: AHashMap<(TenantId, Dataset, Option<Box<str>>), usize>,
    /// Rows whose host had no room.
    unseried: u64,
}

/// The minutes of one (tenant, dataset, host).
#[derive(Debug)]
struct Series {
    tenant: TenantId,
    dataset: Dataset,
    entity: Entity,
    minutes: BTreeMap<i64, Minute>,
    /// What became of the minutes that are forgotten.
    days: days::Days,
    dirty: bool,
    told: Vec<Verdict>,
    /// Requests of all minutes held.
    rows: u64,
}

impl SiteTraffic {
    /// The detector, unless every judgement is switched off.
    pub fn from_settings(settings: &Detectors) -> Option<Box<dyn Detector>> {
        let on = [
            settings.error_rate.as_ref().is_some_and(|s| s.enabled),
            settings.surge.as_ref().is_some_and(|s| s.enabled),
            settings.refusals.as_ref().is_some_and(|s| s.enabled),
        ];
        on.contains(&true).then(|| {
            Box::new(SiteTraffic {
                settings: settings.clone(),
                series: Vec::new(),
                index: AHashMap::new(),
                unseried: 0,
            }) as Box<dyn Detector>
        })
    }

    /// Adds the batch to the minute counts of its hosts.
    fn count_minutes(&mut self, batch: &EventBatch) {
        let flow = batch.dataset == Dataset::VpcFlow;
        if !flow && !batch.dataset.is_web() {
            return;
        }
        let hosts = if flow {
            Column::Absent
        } else {
            Column::of(batch, "dst_host")
        };
        let status = Column::of(batch, "status");
        let blocked = Column::of(batch, "blocked");
        let action = Column::of(batch, "action");
        let mut held: Option<(Option<&str>, i64, Minute)> = None;
        for (row, &ts) in batch.ts().values().iter().enumerate() {
            let host = match hosts.value(row) {
                Value::Text(host) => Some(host),
                _ => None,
            };
            let refused = match action.value(row) {
                Value::Text(action) => action.eq_ignore_ascii_case("REJECT"),
                _ => blocked.value(row) == Value::Bool(true),
            };
            // NODATA and SKIPDATA are no flows.
            if flow && action.value(row) == Value::Null && blocked.value(row) == Value::Null {
                continue;
            }
            let minute = ts.div_euclid(MINUTE_US);
            if !held.as_ref().is_some_and(|(h, m, _)| *h == host && *m == minute) {
                self.add_minute(batch, held.take());
                held = Some((host, minute, Minute::default()));
            }
            let counted = &mut held.as_mut().expect("set above").2;
            counted.total += 1;
            counted.refused += u64::from(flow && refused);
            if let Value::Int(status) = status.value(row) {
                counted.client_errors += u64::from((400..500).contains(&status));
                counted.server_errors += u64::from((500..600).contains(&status));
            }
        }
        self.add_minute(batch, held);
    }

    fn add_minute(&mut self, batch: &EventBatch, held: Option<(Option<&str>, i64, Minute)>) {
        let Some((host, minute, counted)) = held else {
            return;
        };
        let host = host.map(bounded);
        let host = host.as_deref();
        let key = (batch.tenant.clone(), batch.dataset, host.map(Box::from));
        let index = match self.index.get(&key) {
            Some(&index) => index,
            None => {
                if self.series.len() >= SERIES_MAX {
                    self.make_room();
                }
                self.series.push(Series::new(&batch.tenant, batch.dataset, host));
                self.index.insert(key, self.series.len() - 1);
                self.series.len() - 1
            }
        };
        self.series[index].add(minute, &counted);
    }

    /// Forgets the least busy quarter; whole datasets and what is told of stay longest.
    fn make_room(&mut self) {
        self.series.sort_by(|a, b| a.worth().cmp(&b.worth()));
        let gone = self.series.drain(..SERIES_MAX / 4);
        self.unseried += gone.map(|series| series.rows).sum::<u64>();
        self.reindex();
    }

    fn reindex(&mut self) {
        let keys = self.series.iter().enumerate();
        self.index = keys.map(|(at, series)| (series.key(), at)).collect();
    }
}

impl Detector for SiteTraffic {
    fn columns(&self) -> &'static [&'static str] {
        &["dst_host", "status", "blocked", "action"]
    }

    fn lookback_us(&self) -> i64 {
        let surge = self.settings.surge.as_ref().map(|s| s.baseline_minutes);
        let refusals = self.settings.refusals.as_ref().map(|s| s.baseline_minutes);
        let minutes = surge.into_iter().chain(refusals).max().unwrap_or(0).max(0);
        (minutes + 10).saturating_mul(MINUTE_US)
    }

    fn observe(&mut self, batch: &EventBatch, _: &Rows<'_>) {
        self.count_minutes(batch);
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        for series in self.series.iter_mut().filter(|series| series.dirty) {
            let closed = closing.watermark(&series.tenant, series.dataset);
            let newest = series.minutes.keys().next_back();
            let end = newest.map_or(i64::MIN, |minute| (minute + WINDOW_MINUTES) * MINUTE_US);
            // Dirty until its last window is closed.
            series.dirty = end > closed;
            let now = series.judge(&self.settings, closed);
            reconcile(&series.tenant, &series.entity, &mut series.told, now, out);
        }
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let own = self.series.iter_mut().filter(|series| series.tenant == *tenant);
        own.map(|series| series.prune(before_us) as u64).sum()
    }

    fn unobserved(&self) -> u64 {
        self.unseried
    }

    fn bytes(&self) -> usize {
        const MINUTE_BYTES: usize = 56;
        let minutes: usize = self.series.iter().map(|series| series.minutes.len()).sum();
        let days: usize = self.series.iter().map(|series| series.days.bytes()).sum();
        minutes * MINUTE_BYTES + days + self.series.len() * size_of::<Series>()
    }

    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut lost = 0;
        while self.bytes() > bytes_max && !self.series.is_empty() {
            // Hosts are few: only a wildcard domain under attack brings many, each of them brief.
            let briefest = (0..self.series.len()).min_by_key(|&at| self.series[at].minutes.len());
            self.series.swap_remove(briefest.expect("not empty"));
            lost += 1;
        }
        if lost > 0 {
            self.reindex();
        }
        lost
    }
}

impl Series {
    fn new(tenant: &TenantId, dataset: Dataset, host: Option<&str>) -> Series {
        let entity = match host {
            Some(host) => Entity {
                kind: "host".into(),
                value: host.into(),
            },
            None => Entity {
                kind: "dataset".into(),
                value: dataset.as_str().into(),
            },
        };
        Series {
            tenant: tenant.clone(),
            dataset,
            entity,
            minutes: BTreeMap::new(),
            days: days::Days::default(),
            dirty: false,
            told: Vec::new(),
            rows: 0,
        }
    }

    /// Of two series the greater is kept longer.
    fn worth(&self) -> (bool, bool, u64, &str) {
        let host = self.entity.kind == "host";
        (!host, !self.told.is_empty(), self.rows, &self.entity.value)
    }

    fn key(&self) -> (TenantId, Dataset, Option<Box<str>>) {
        let host = (self.entity.kind == "host").then(|| self.entity.value.as_str().into());
        (self.tenant.clone(), self.dataset, host)
    }

    fn add(&mut self, minute: i64, counted: &Minute) {
        self.minutes.entry(minute).or_default().add(counted);
        self.days.begin(minute);
        self.rows += counted.total;
        self.dirty = true;
    }

    /// Every verdict over windows that end at or before `closed_until`, a pure function of the
    /// minutes.
    fn judge(&self, detectors: &Detectors, closed_until: i64) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if self.dataset == Dataset::VpcFlow {
            self.refusals(detectors, closed_until, &mut verdicts);
        } else {
            self.errors(detectors, closed_until, &mut verdicts);
            self.surges(detectors, closed_until, &mut verdicts);
        }
        for verdict in &mut verdicts {
            verdict.rule_id = format!("{}.{}", verdict.detector, self.dataset);
        }
        verdicts
    }

    fn windows(&self, closed_until: i64) -> BTreeMap<i64, Minute> {
        let mut windows: BTreeMap<i64, Minute> = BTreeMap::new();
        for (&minute, counted) in &self.minutes {
            let start = minute.div_euclid(WINDOW_MINUTES) * WINDOW_MINUTES;
            if closed(start + WINDOW_MINUTES, closed_until) {
                windows.entry(start).or_default().add(counted);
            }
        }
        windows
    }

    /// Forgets minutes before `cut`; returns how many.
    fn prune(&mut self, cut_us: i64) -> usize {
        let keep = self.minutes.split_off(&cut_us.div_euclid(MINUTE_US));
        let gone = std::mem::replace(&mut self.minutes, keep);
        for (&minute, counted) in &gone {
            self.days.keep(minute, counted);
            self.rows -= counted.total;
        }
        self.told.retain(|verdict| verdict.extent.end >= cut_us);
        gone.len()
    }
}

/// Whether the window that ends with minute `end` (exclusive) is final.
fn closed(end: i64, closed_until: i64) -> bool {
    end.saturating_mul(MINUTE_US) <= closed_until
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
