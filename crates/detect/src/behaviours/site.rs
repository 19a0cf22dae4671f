//! Minute counts per dataset and host, and what they say: error rate, surge, refusals.

use crate::detector::{Detector, Extent, Rows, Verdict, reconcile, score_of};
use crate::detectors::Detectors;
use crate::engine::value::{Column, Value};
use crate::engine::{Closing, Evaluation};
use ahash::AHashMap;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, Entity, EventBatch, EvidenceRef, Level, Micros, TenantId};
use std::collections::BTreeMap;

/// Distinct (tenant, dataset, host) with minute counts.
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
    dirty: bool,
    told: Vec<Verdict>,
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
        let key = (batch.tenant.clone(), batch.dataset, host.map(Box::from));
        let index = match self.index.get(&key) {
            Some(&index) => index,
            None if self.series.len() < SERIES_MAX => {
                self.series.push(Series::new(&batch.tenant, batch.dataset, host));
                self.index.insert(key, self.series.len() - 1);
                self.series.len() - 1
            }
            None => {
                self.unseried += counted.total;
                return;
            }
        };
        self.series[index].add(minute, &counted);
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
        minutes * MINUTE_BYTES + self.series.len() * size_of::<Series>()
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
            let keys = self.series.iter().enumerate();
            self.index = keys.map(|(at, series)| (series.key(), at)).collect();
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
            dirty: false,
            told: Vec::new(),
        }
    }

    fn key(&self) -> (TenantId, Dataset, Option<Box<str>>) {
        let host = (self.entity.kind == "host").then(|| self.entity.value.as_str().into());
        (self.tenant.clone(), self.dataset, host)
    }

    fn add(&mut self, minute: i64, counted: &Minute) {
        self.minutes.entry(minute).or_default().add(counted);
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

    fn errors(&self, detectors: &Detectors, closed_until: i64, out: &mut Vec<Verdict>) {
        let Some(config) = detectors.error_rate.as_ref().filter(|s| s.enabled) else {
            return;
        };
        let mut stretch = Stretch::new("error_rate", "High error rate", config.level, &["T1499"]);
        for (start, counted) in self.windows(closed_until) {
            let failed = counted.client_errors + counted.server_errors;
            let (server, all) = (
                ratio(counted.server_errors, counted.total),
                ratio(failed, counted.total),
            );
            if counted.total < config.requests_min
                || (server < config.server_error_ratio_min && all < config.error_ratio_min)
            {
                continue;
            }
            let line = format!(
                "{} requests in 5 min, {} of them 5xx, {} 4xx",
                counted.total, counted.server_errors, counted.client_errors
            );
            stretch.hold(start, WINDOW_MINUTES, failed, line, all);
        }
        stretch.finish("highest share of errors", out);
    }

    fn surges(&self, detectors: &Detectors, closed_until: i64, out: &mut Vec<Verdict>) {
        let config = detectors.surge.as_ref().filter(|s| s.enabled);
        let (Some(config), Some(first)) = (config, self.minutes.keys().next().copied()) else {
            return;
        };
        let mut stretch = Stretch::new("surge", "Surge of requests", config.level, &["T1498", "T1499"]);
        for (&minute, counted) in &self.minutes {
            let known = (minute - first).min(config.baseline_minutes);
            if counted.total < config.requests_min
                || known < config.baseline_minutes_min.max(1)
                || !closed(minute + 1, closed_until)
            {
                continue;
            }
            let usual = self.median(minute - known, minute);
            // A quiet site's median may be zero; one request a minute is the least one compares with.
            let factor = counted.total as f64 / (usual.max(1) as f64);
            if factor < config.factor_min {
                continue;
            }
            let line = format!(
                "{} requests in 1 min, usually {usual} (median of {known} min)",
                counted.total
            );
            stretch.hold(minute, 1, counted.total, line, factor);
            if known < config.baseline_minutes {
                stretch.note(
                    "baseline",
                    format!("cold: {known} of {} minutes", config.baseline_minutes),
                );
            }
        }
        stretch.finish("highest factor over the median", out);
    }

    /// Median requests a minute over `from..to`; minutes without data count as zero.
    fn median(&self, from: i64, to: i64) -> u64 {
        let mut counts: Vec<u64> = self.minutes.range(from..to).map(|(_, m)| m.total).collect();
        let length = usize::try_from(to - from).unwrap_or(0).max(1);
        counts.resize(length.max(counts.len()), 0);
        counts.sort_unstable();
        counts[counts.len() / 2]
    }

    fn refusals(&self, detectors: &Detectors, closed_until: i64, out: &mut Vec<Verdict>) {
        let config = detectors.refusals.as_ref().filter(|s| s.enabled);
        let (Some(config), Some(first)) = (config, self.minutes.keys().next().copied()) else {
            return;
        };
        let mut stretch = Stretch::new(
            "refusals",
            "Unusual share of refused flows",
            config.level,
            &["T1046"],
        );
        for (start, counted) in self.windows(closed_until) {
            let known = (start - first).min(config.baseline_minutes);
            let share = ratio(counted.refused, counted.total);
            if counted.total < config.flows_min
                || share <= config.ratio_min
                || known < config.baseline_minutes_min.max(1)
            {
                continue;
            }
            let mut before = Minute::default();
            self.minutes
                .range(start - known..start)
                .for_each(|(_, minute)| before.add(minute));
            let usual = ratio(before.refused, before.total);
            if before.total == 0 || usual >= config.baseline_ratio_max {
                continue;
            }
            let line = format!(
                "{} of {} flows refused in 5 min, usually {:.1} %",
                counted.refused,
                counted.total,
                usual * 100.0
            );
            stretch.hold(start, WINDOW_MINUTES, counted.refused, line, share);
            if known < config.baseline_minutes {
                stretch.note(
                    "baseline",
                    format!("cold: {known} of {} minutes", config.baseline_minutes),
                );
            }
        }
        stretch.finish("highest share of refusals", out);
    }

    /// Forgets minutes before `cut`; returns how many.
    fn prune(&mut self, cut_us: i64) -> usize {
        let keep = self.minutes.split_off(&cut_us.div_euclid(MINUTE_US));
        let gone = std::mem::replace(&mut self.minutes, keep).len();
        self.told.retain(|verdict| verdict.extent.end >= cut_us);
        gone
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

/// Windows in a row that hold, growing into verdicts.
struct Stretch {
    empty: Verdict,
    found: Vec<Verdict>,
    peaks: Vec<f64>,
}

impl Stretch {
    fn new(
        detector: &'static str,
        title: &'static str,
        level: Level,
        attack: &'static [&'static str],
    ) -> Stretch {
        let extent = Extent {
            start: 0,
            end: 0,
            count: 0,
        };
        let empty = Verdict {
            detector,
            // Given by the series, which knows its dataset.
            rule_id: String::new(),
            title,
            level,
            extent,
            score: score_of(level),
            confidence: 0.7,
            gap_us: 1,
            monotone: false,
            evidence: Vec::new(),
            facts: Vec::new(),
            attack,
        };
        Stretch {
            empty,
            found: Vec::new(),
            peaks: Vec::new(),
        }
    }

    fn hold(&mut self, minute: i64, minutes: i64, count: u64, line: String, peak: f64) {
        let (start, end) = (minute * MINUTE_US, (minute + minutes) * MINUTE_US - 1);
        if self.found.last().is_none_or(|last| last.extent.end + 1 < start) {
            let extent = Extent { start, end, count: 0 };
            self.found.push(Verdict {
                extent,
                ..self.empty.clone()
            });
            self.peaks.push(peak);
        }
        let last = self.found.last_mut().expect("pushed above when empty");
        last.extent.end = end;
        last.extent.count += count;
        if last.evidence.len() < haetae_event::finding::EVIDENCE_MAX {
            last.evidence.push(EvidenceRef {
                ts: Micros(start),
                summary: line,
            });
        }
        let highest = self.peaks.last_mut().expect("pushed with the verdict");
        *highest = highest.max(peak);
    }

    fn note(&mut self, key: &str, value: String) {
        if let Some(last) = self.found.last_mut()
            && !last.facts.iter().any(|(known, _)| known == key)
        {
            last.facts.push((key.into(), value));
        }
    }

    fn finish(self, what: &str, out: &mut Vec<Verdict>) {
        for (mut verdict, peak) in self.found.into_iter().zip(self.peaks) {
            verdict.facts.insert(0, (what.into(), format!("{peak:.2}")));
            out.push(verdict);
        }
    }
}
