//! From state to episodes: what is new, changed or gone since the last time.

use super::compile::TrackSpec;
use super::keys::Key;
use super::track::{Mode, Told};
use super::windows::Extent;
use super::{Closing, Engine, Evaluation, Withdrawn};
use crate::detector::score_of;
use haetae_event::time::MINUTE_US;
use haetae_event::{Entity, Episode, EvidenceRef, Level, Micros, TenantId, TimeWindow};

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
        let exceptions = self.rules.exceptions();
        let found = evaluation.episodes.len();
        evaluation
            .episodes
            .retain(|episode| !exceptions.iter().any(|exception| exception.covers(episode)));
        self.state.stats.excepted += (found - evaluation.episodes.len()) as u64;
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
        self.collect_detectors(out);
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

    pub(super) fn collect_detectors(&mut self, out: &mut Evaluation) {
        // What was closed once stays closed, whatever the caller says later.
        let mut closing = Closing::nothing();
        for tenant in &self.state.tenants {
            for (dataset, until) in &tenant.watermarks {
                closing.watermarks.insert((tenant.id.clone(), *dataset), *until);
            }
        }
        for detector in &mut self.state.detectors {
            detector.evaluate(&closing, out);
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
        score: score_of(told.level),
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
