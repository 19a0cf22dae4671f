//! Sliding windows over few sorted moments, and the verdicts made of them.

use crate::detector::{Extent, Verdict, score_of};
use haetae_event::{EvidenceRef, Level, Micros};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};

/// Union of the windows `(t - span, t]` that hold at least `least` distinct values, cut to the
/// moments in them; those no further apart than `span_us` are one. `count`: the most that one
/// window held. `moments` are sorted by time.
pub fn distinct_in<V: Copy + Eq + Hash>(moments: &[(i64, V)], span_us: i64, least: usize) -> Vec<Extent> {
    if moments.len() < least.max(1) {
        return Vec::new();
    }
    let mut inside: HashMap<V, u32, BuildHasherDefault<DefaultHasher>> = HashMap::default();
    let mut found: Vec<Extent> = Vec::new();
    let (mut oldest, mut at) = (0, 0);
    while at < moments.len() {
        let ts = moments[at].0;
        while at < moments.len() && moments[at].0 == ts {
            *inside.entry(moments[at].1).or_insert(0) += 1;
            at += 1;
        }
        while ts.saturating_sub(moments[oldest].0) >= span_us {
            let value = moments[oldest].1;
            if let Some(times) = inside.get_mut(&value) {
                *times -= 1;
                if *times == 0 {
                    inside.remove(&value);
                }
            }
            oldest += 1;
        }
        if inside.len() >= least {
            let window = Extent {
                start: moments[oldest].0,
                end: ts,
                count: inside.len() as u64,
            };
            join(&mut found, window, span_us);
        }
    }
    found
}

/// Adds a stretch to sorted ones, as part of the last if it is no further away than `gap_us`.
pub fn join(found: &mut Vec<Extent>, next: Extent, gap_us: i64) {
    match found.last_mut() {
        Some(last) if next.start.saturating_sub(last.end) <= gap_us => {
            last.end = last.end.max(next.end);
            last.count = last.count.max(next.count);
        }
        _ => found.push(next),
    }
}

/// Moments no further apart than `gap_us` as stretches; counts add up.
pub fn clusters(moments: impl IntoIterator<Item = (i64, u64)>, gap_us: i64) -> Vec<Extent> {
    let mut found: Vec<Extent> = Vec::new();
    for (ts, count) in moments {
        match found.last_mut() {
            Some(last) if ts.saturating_sub(last.end) <= gap_us => {
                last.end = ts;
                last.count += count;
            }
            _ => found.push(Extent {
                start: ts,
                end: ts,
                count,
            }),
        }
    }
    found
}

/// What stays the same between the verdicts of one judgement.
#[derive(Clone, Copy)]
pub struct Kind {
    pub detector: &'static str,
    pub title: &'static str,
    pub attack: &'static [&'static str],
    pub gap_us: i64,
    pub monotone: bool,
}

impl Kind {
    pub fn verdict(&self, dataset: &str, level: Level, extent: Extent) -> Verdict {
        Verdict {
            detector: self.detector,
            rule_id: format!("{}.{dataset}", self.detector),
            title: self.title,
            level,
            extent,
            score: score_of(level),
            confidence: 0.8,
            gap_us: self.gap_us,
            monotone: self.monotone,
            evidence: Vec::new(),
            facts: Vec::new(),
            attack: self.attack,
        }
    }
}

/// Verdicts of one rule on one entity that touch are one: later tellings of either would replace
/// the other. Counts add up, facts are listed.
pub fn fused(mut verdicts: Vec<Verdict>) -> Vec<Verdict> {
    verdicts.sort_by_key(|verdict| (verdict.extent.start, verdict.extent.end));
    let mut found: Vec<Verdict> = Vec::new();
    for next in verdicts {
        match found.last_mut() {
            Some(last) if next.extent.start.saturating_sub(last.extent.end) <= last.gap_us => {
                last.extent.end = last.extent.end.max(next.extent.end);
                last.extent.count += next.extent.count;
                last.evidence.extend(next.evidence);
                last.evidence
                    .sort_by(|a, b| (a.ts, &a.summary).cmp(&(b.ts, &b.summary)));
                last.evidence.truncate(haetae_event::finding::EVIDENCE_MAX);
                for ((_, value), (_, more)) in last.facts.iter_mut().zip(next.facts) {
                    if *value != more && value.len() < FACT_LENGTH_MAX {
                        *value = format!("{value}; {more}");
                    }
                }
            }
            _ => found.push(next),
        }
    }
    found
}

/// A longer list of facts is no help to anyone, bytes.
const FACT_LENGTH_MAX: usize = 200;

pub fn evidence(ts: i64, summary: String) -> EvidenceRef {
    EvidenceRef {
        ts: Micros(ts),
        summary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_half_open_and_join() {
        let moments = [(0, 1), (50, 2), (99, 3), (100, 1), (250, 4), (260, 5), (270, 6)];
        let found = distinct_in(&moments, 100, 3);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].start, found[0].end, found[0].count), (0, 100, 3));
        assert_eq!((found[1].start, found[1].end), (250, 270));
        assert!(distinct_in(&moments, 100, 4).is_empty());
        assert!(distinct_in(&[(0, 1), (100, 2)], 100, 2).is_empty());
    }

    #[test]
    fn clusters_add_up() {
        let found = clusters([(0, 2), (10, 1), (30, 5)], 10);
        assert_eq!(found.iter().map(|e| e.count).collect::<Vec<_>>(), [3, 5]);
    }
}
