//! The judgements over minutes: error rate, surge, refusals.

use super::days::Slot;
use super::{Minute, Series, WINDOW_MINUTES, closed, ratio};
use crate::detector::{Extent, Verdict, score_of};
use crate::detectors::Detectors;
use haetae_event::time::MINUTE_US;
use haetae_event::{EvidenceRef, Level, Micros};

/// Times the share of former days.
const FACTOR_OVER_USUAL: f64 = 2.0;
/// Below the plain thresholds: a share of failures that counts when former days had far less.
const SHARE_OVER_USUAL_MIN: f64 = 0.1;

impl Series {
    pub(super) fn errors(&self, detectors: &Detectors, closed_until: i64, out: &mut Vec<Verdict>) {
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
            if counted.total < config.requests_min {
                continue;
            }
            let much = server >= config.server_error_ratio_min || all >= config.error_ratio_min;
            let usual = self
                .days
                .usual(&self.minutes, start, config.days_min, Slot::failed_share);
            let told = match &usual {
                // A share that is the rule at this time is no news, however high; a small one may be.
                Some(usual) => {
                    all >= FACTOR_OVER_USUAL * usual.middle
                        && all > usual.high()
                        && (much || all >= SHARE_OVER_USUAL_MIN)
                }
                None => much,
            };
            if !told {
                continue;
            }
            let line = format!(
                "{} requests in 5 min, {} of them 5xx, {} 4xx",
                counted.total, counted.server_errors, counted.client_errors
            );
            stretch.hold(start, WINDOW_MINUTES, failed, line, all);
            if let Some(usual) = usual {
                let share = format!(
                    "{:.1} % at this time on {} days",
                    usual.middle * 100.0,
                    usual.days
                );
                stretch.note("usually", share);
            }
        }
        stretch.finish("highest share of errors", out);
    }

    pub(super) fn surges(&self, detectors: &Detectors, closed_until: i64, out: &mut Vec<Verdict>) {
        let config = detectors.surge.as_ref().filter(|s| s.enabled);
        let (Some(config), Some(first)) = (config, self.minutes.keys().next().copied()) else {
            return;
        };
        let mut stretch = Stretch::new("surge", "Surge of requests", config.level, &["T1498", "T1499"]);
        for (&minute, counted) in &self.minutes {
            let known = (minute - first).min(config.baseline_minutes);
            if counted.total < config.requests_min || !closed(minute + 1, closed_until) {
                continue;
            }
            if let Some(usual) = self
                .days
                .usual(&self.minutes, minute, config.days_min, Slot::per_minute)
            {
                let factor = counted.total as f64 / usual.middle.max(1.0);
                if factor >= config.factor_min && counted.total as f64 > usual.high() {
                    let line = format!(
                        "{} requests in 1 min, usually {:.0} at this time (median of {} days)",
                        counted.total, usual.middle, usual.days
                    );
                    stretch.hold(minute, 1, counted.total, line, factor);
                }
                continue;
            }
            if known < config.baseline_minutes_min.max(1) {
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

    pub(super) fn refusals(&self, detectors: &Detectors, closed_until: i64, out: &mut Vec<Verdict>) {
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
