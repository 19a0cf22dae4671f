//! Minute counts per dataset and host, and the code detectors over them.

use super::windows::Extent;
use crate::detectors::Detectors;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, Entity, EvidenceRef, Level, Micros};
use std::collections::BTreeMap;

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

/// One detector's verdict on a stretch of windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub detector: &'static str,
    pub title: &'static str,
    pub level: Level,
    pub extent: Extent,
    pub evidence: Vec<EvidenceRef>,
    pub facts: Vec<(String, String)>,
    pub attack: &'static [&'static str],
}

/// The minutes of one (tenant, dataset, host).
#[derive(Debug)]
pub struct Series {
    pub tenant: u16,
    pub dataset: Dataset,
    pub entity: Entity,
    pub minutes: BTreeMap<i64, Minute>,
    pub dirty: bool,
    pub told: Vec<Verdict>,
}

impl Series {
    pub fn new(tenant: u16, dataset: Dataset, host: Option<&str>) -> Series {
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
            tenant,
            dataset,
            entity,
            minutes: BTreeMap::new(),
            dirty: false,
            told: Vec::new(),
        }
    }

    pub fn add(&mut self, minute: i64, counted: &Minute) {
        self.minutes.entry(minute).or_default().add(counted);
        self.dirty = true;
    }

    /// Every verdict over windows that end at or before `closed_until`, a pure function of the
    /// minutes.
    pub fn judge(&self, detectors: &Detectors, closed_until: i64) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if self.dataset == Dataset::VpcFlow {
            self.refusals(detectors, closed_until, &mut verdicts);
        } else {
            self.errors(detectors, closed_until, &mut verdicts);
            self.surges(detectors, closed_until, &mut verdicts);
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
        let config = &detectors.error_rate;
        if !config.enabled {
            return;
        }
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
        let config = &detectors.surge;
        let Some(first) = self.minutes.keys().next().copied().filter(|_| config.enabled) else {
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
        let config = &detectors.refusals;
        let Some(first) = self.minutes.keys().next().copied().filter(|_| config.enabled) else {
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
    pub fn prune(&mut self, cut_us: i64) -> usize {
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
            title,
            level,
            extent,
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
