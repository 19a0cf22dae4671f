//! What single windows say, and the verdicts they grow into.

use crate::cost::BUCKET_US;
use crate::detector::{Extent, Verdict, reconcile, score_of};
use crate::engine::Evaluation;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::{Entity, EvidenceRef, Level, Micros, TenantId};
use std::collections::{BTreeMap, BTreeSet};

/// Verdicts of one rule and entity no further apart are one.
const GAP_US: i64 = 6 * BUCKET_US;

/// Entities held at once; further ones are counted as lost.
const ENTITIES_MAX: usize = 50_000;

/// Names and texts of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct About {
    pub id: &'static str,
    pub title: &'static str,
    /// How sure, in per cent.
    pub confidence_percent: u8,
}

/// What one window says of one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub entity: Entity,
    pub level: Level,
    pub extent: Extent,
    /// What happened in the window, in one line.
    pub line: String,
    pub facts: Vec<(String, String)>,
}

/// Everything found, by entity and by window.
#[derive(Debug, Default)]
pub struct Findings {
    by_entity: BTreeMap<(usize, Entity), Known>,
    by_window: BTreeMap<(usize, i32, &'static str), Vec<Entity>>,
    touched: BTreeSet<(usize, Entity)>,
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Known {
    found: BTreeMap<(&'static str, i32), (&'static About, Found)>,
    told: Vec<Verdict>,
}

impl Findings {
    /// Replaces what a rule found in the window of `tenant` that ends at bucket `end`.
    pub fn put(&mut self, tenant: usize, end: i32, about: &'static About, found: Vec<Found>) {
        let key = (tenant, end, about.id);
        for entity in self.by_window.remove(&key).unwrap_or_default() {
            let whose = (tenant, entity);
            if let Some(known) = self.by_entity.get_mut(&whose) {
                known.found.remove(&(about.id, end));
                self.touched.insert(whose);
            }
        }
        for found in found {
            let whose = (tenant, found.entity.clone());
            if self.by_entity.len() >= ENTITIES_MAX && !self.by_entity.contains_key(&whose) {
                self.lost += 1;
                continue;
            }
            self.by_window.entry(key).or_default().push(found.entity.clone());
            let known = self.by_entity.entry(whose.clone()).or_default();
            known.found.insert((about.id, end), (about, found));
            self.touched.insert(whose);
        }
    }

    /// Tells what changed since the last call.
    pub fn tell(&mut self, tenant_of: impl Fn(usize) -> TenantId, out: &mut Evaluation) {
        for whose in std::mem::take(&mut self.touched) {
            let Some(known) = self.by_entity.get_mut(&whose) else {
                continue;
            };
            let now = verdicts(known.found.values());
            reconcile(&tenant_of(whose.0), &whose.1, &mut known.told, now, out);
            if known.found.is_empty() {
                self.by_entity.remove(&whose);
            }
        }
    }

    /// Drops, without withdrawing it, what ended before `before_us`.
    pub fn forget(&mut self, tenant: usize, before_us: i64) {
        self.by_entity.retain(|(of, _), known| {
            if *of == tenant {
                known.found.retain(|_, (_, found)| found.extent.end >= before_us);
                known.told.retain(|verdict| verdict.extent.end >= before_us);
            }
            !known.found.is_empty() || !known.told.is_empty()
        });
        let by_entity = &self.by_entity;
        self.by_window.retain(|(of, end, rule), entities| {
            let held = |entity: &Entity| {
                let known = by_entity.get(&(*of, entity.clone()));
                known.is_some_and(|known| known.found.contains_key(&(*rule, *end)))
            };
            entities.retain(held);
            !entities.is_empty()
        });
    }

    pub fn bytes(&self) -> usize {
        const FOUND_BYTES: usize = 700;
        self.by_entity.len() * FOUND_BYTES + self.by_window.len() * 64
    }
}

/// Windows of one rule that touch become one verdict.
fn verdicts<'a>(found: impl Iterator<Item = &'a (&'static About, Found)>) -> Vec<Verdict> {
    let mut all: Vec<&(&About, Found)> = found.collect();
    all.sort_by_key(|(about, found)| (about.id, found.extent.start, found.extent.end));
    let mut out: Vec<Verdict> = Vec::new();
    for (about, found) in all {
        match out.last_mut() {
            Some(last) if last.rule_id == about.id && last.extent.end + GAP_US >= found.extent.start => {
                grow(last, found);
            }
            _ => out.push(verdict(about, found)),
        }
    }
    out
}

fn grow(last: &mut Verdict, found: &Found) {
    last.extent.end = last.extent.end.max(found.extent.end);
    if found.level > last.level {
        last.level = found.level;
        last.score = score_of(found.level);
    }
    // The numbers are those of the busiest window.
    if found.extent.count > last.extent.count {
        last.extent.count = found.extent.count;
        last.facts.clone_from(&found.facts);
    }
    if last.evidence.len() < EVIDENCE_MAX && last.evidence.iter().all(|e| e.summary != found.line) {
        last.evidence.push(evidence(found));
    }
}

fn evidence(found: &Found) -> EvidenceRef {
    EvidenceRef {
        ts: Micros(found.extent.start),
        summary: found.line.clone(),
    }
}

fn verdict(about: &About, found: &Found) -> Verdict {
    Verdict {
        detector: "edos",
        rule_id: about.id.to_owned(),
        title: about.title,
        level: found.level,
        extent: found.extent,
        score: score_of(found.level),
        confidence: f64::from(about.confidence_percent) / 100.0,
        gap_us: GAP_US,
        monotone: false,
        evidence: vec![evidence(found)],
        facts: found.facts.clone(),
        // Endpoint Denial of Service: what the service can bear here is a bill.
        attack: &["T1499"],
    }
}
