//! From state to episodes: what is new, changed or gone since the last time.

use super::compile::TrackSpec;
use super::keys::Key;
use super::series::Verdict;
use super::track::{Mode, Told};
use super::windows::Extent;
use super::{Closing, Engine, Evaluation, Withdrawn};
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, Entity, Episode, EvidenceRef, Level, Micros, TenantId, TimeWindow};

/// Key space of rows without an entity: their dataset.
pub const DATASET_SPACE: u16 = u16::MAX;

/// One address with at least this many classes (of 64) of user agents carries many clients.
const PROXY_AGENTS_MIN: u32 = 20;

impl Engine {
    /// Drains what changed since the last call. Conditions that late events could undo are
    /// judged only over windows that `closing` says are final.
    pub fn evaluate(&mut self, closing: &Closing) -> Evaluation {
        for tenant in &mut self.state.tenants {
            // Datasets that never sent anything hold nobody up.
            for (dataset, known) in &mut tenant.watermarks {
                *known = closing.watermark(&tenant.id, *dataset).max(*known);
            }
        }
        let mut evaluation = std::mem::take(&mut self.state.pending);
        self.collect(&mut evaluation);
        self.prune_by_age();
        evaluation
    }

    /// Judges every key with news.
    pub(super) fn collect(&mut self, out: &mut Evaluation) {
        for track in 0..self.state.tracks.len() {
            let spec = &self.compiled.specs[track];
            for slot in self.state.tracks[track].take_dirty(spec.proxy_aware) {
                self.judge_key(track, slot, out);
            }
        }
        self.collect_series(out);
    }

    fn judge_key(&mut self, track: usize, slot: u32, out: &mut Evaluation) {
        let spec = &self.compiled.specs[track];
        let key = self.state.keys.get(self.state.tracks[track].state(slot).key);
        let tenant = &self.state.tenants[usize::from(key.tenant)];
        // A rule may read several datasets: final where the last of them is.
        let closed = tenant.watermarks.values().min().copied().unwrap_or(i64::MIN);
        let (extents, open) = self.state.tracks[track].judge(slot, closed);
        if extents.is_empty() && self.state.tracks[track].state(slot).told().is_empty() {
            if open {
                self.state.tracks[track].keep_dirty(slot);
            }
            return;
        }
        let entity = self.entity_of(key);
        let totals = self.state.totals.get(&(track, key.tenant));
        let now: Vec<Told> = extents
            .into_iter()
            .map(|(extent, evidence)| {
                let proxy = spec.proxy_aware
                    && key.agents.count_ones() >= PROXY_AGENTS_MIN
                    && totals.is_some_and(|totals| most_of(totals, extent));
                tell(spec, extent, evidence, proxy)
            })
            .collect();
        let gap_us = spec.mode.span_us();
        let state = self.state.tracks[track].state(slot);
        for told in now.iter().filter(|told| !state.told().contains(told)) {
            out.episodes.push(sigma_episode(spec, told, &tenant.id, &entity));
        }
        for gone in state
            .told()
            .iter()
            .filter(|gone| !now.iter().any(|t| touch(t.extent, gone.extent, gap_us)))
        {
            out.withdrawn.push(Withdrawn {
                tenant_id: tenant.id.clone(),
                rule_id: spec.id.clone(),
                entity: entity.clone(),
                window: window(gone.extent),
            });
        }
        self.state.tracks[track].state_mut(slot).tell(now);
        if open {
            self.state.tracks[track].keep_dirty(slot);
        }
    }

    fn entity_of(&self, key: &Key) -> Entity {
        let kind = match key.space {
            DATASET_SPACE => "dataset",
            space => &self.compiled.spaces[usize::from(space)],
        };
        // A correlation without group-by is about the tenant.
        let tenant = &self.state.tenants[usize::from(key.tenant)].id;
        let value = if key.text.is_empty() {
            tenant.as_str()
        } else {
            &key.text
        };
        Entity {
            kind: kind.into(),
            value: value.into(),
        }
    }

    fn collect_series(&mut self, out: &mut Evaluation) {
        let Some(detectors) = self.rules.detectors() else {
            return;
        };
        for series in self.state.series.iter_mut().filter(|series| series.dirty) {
            let tenant = &self.state.tenants[usize::from(series.tenant)];
            let closed = tenant
                .watermarks
                .get(&series.dataset)
                .copied()
                .unwrap_or(i64::MIN);
            let newest = series
                .minutes
                .keys()
                .next_back()
                .map_or(i64::MIN, |m| (m + 5) * MINUTE_US);
            // Dirty until its last window is closed.
            series.dirty = newest > closed;
            let now = series.judge(detectors, closed);
            let same = |a: &Verdict, b: &Verdict| a.detector == b.detector && touch(a.extent, b.extent, 1);
            for verdict in now.iter().filter(|verdict| !series.told.contains(verdict)) {
                out.episodes
                    .push(episode_of(verdict, &tenant.id, &series.entity, series.dataset));
            }
            for gone in series
                .told
                .iter()
                .filter(|gone| !now.iter().any(|v| same(v, gone)))
            {
                out.withdrawn.push(Withdrawn {
                    tenant_id: tenant.id.clone(),
                    rule_id: rule_id(gone.detector, series.dataset),
                    entity: series.entity.clone(),
                    window: window(gone.extent),
                });
            }
            series.told = now;
        }
    }
}

fn sigma_episode(spec: &TrackSpec, told: &Told, tenant: &TenantId, entity: &Entity) -> Episode {
    Episode {
        tenant_id: tenant.clone(),
        detector: "sigma".into(),
        rule_id: spec.id.clone(),
        title: spec.title.clone(),
        level: told.level,
        entity: entity.clone(),
        window: window(told.extent),
        count: told.extent.count,
        gap_us: spec.mode.span_us(),
        score: score(told.level),
        confidence: if matches!(spec.mode, Mode::Single { .. }) {
            0.5
        } else {
            0.8
        },
        evidence: told.evidence.clone(),
        attack: spec.attack.clone(),
        monotone: spec.mode.monotone(),
        facts: told.facts.clone(),
    }
}

fn rule_id(detector: &str, dataset: Dataset) -> String {
    format!("{detector}.{dataset}")
}

fn episode_of(verdict: &Verdict, tenant: &TenantId, entity: &Entity, dataset: Dataset) -> Episode {
    Episode {
        tenant_id: tenant.clone(),
        detector: verdict.detector.into(),
        rule_id: rule_id(verdict.detector, dataset),
        title: verdict.title.into(),
        level: verdict.level,
        entity: entity.clone(),
        window: window(verdict.extent),
        count: verdict.extent.count,
        gap_us: 1,
        score: score(verdict.level),
        confidence: 0.7,
        evidence: verdict.evidence.clone(),
        attack: verdict.attack.iter().map(|id| (*id).to_owned()).collect(),
        monotone: false,
        facts: verdict.facts.clone(),
    }
}

fn tell(spec: &TrackSpec, extent: Extent, evidence: Vec<EvidenceRef>, proxy: bool) -> Told {
    let mut facts = vec![(spec.counted.clone(), extent.count.to_string())];
    let mut level = spec.level;
    if proxy {
        level = level.min(Level::Medium);
        let note = "more than half of all requests and many user agents: may be a proxy or load balancer";
        facts.push(("client".into(), note.into()));
    }
    Told {
        extent,
        level,
        evidence,
        facts,
    }
}

/// Whether more than half of all matches in the episode's minutes are in the episode.
fn most_of(totals: &std::collections::BTreeMap<i64, u64>, extent: Extent) -> bool {
    let minutes = extent.start.div_euclid(MINUTE_US)..=extent.end.div_euclid(MINUTE_US);
    let all: u64 = totals.range(minutes).map(|(_, count)| count).sum();
    extent.count.saturating_mul(2) > all
}

fn touch(a: Extent, b: Extent, gap_us: i64) -> bool {
    window(a).touches(&window(b), gap_us)
}

fn window(extent: Extent) -> TimeWindow {
    TimeWindow {
        start: Micros(extent.start),
        end: Micros(extent.end),
    }
}

fn score(level: Level) -> f64 {
    match level {
        Level::Informational => 0.1,
        Level::Low => 0.3,
        Level::Medium => 0.5,
        Level::High => 0.8,
        Level::Critical => 1.0,
    }
}
