//! From state to episodes: what is new, changed or gone since the last time.

use super::chain::{self, SEPARATOR};
use super::compile::TrackSpec;
use super::instead::{ACCOUNT_SPACE, DATASET_SPACE, HOST_SPACE};
use super::keys::Key;
use super::memory::Told;
use super::windows::{Extent, Found};
use super::{Closing, Engine, Evaluation, Withdrawn};
use crate::detector::{Sharing, score_of};
use crate::sigma::correlation::{NANO, Nano};
use haetae_event::time::MINUTE_US;
use haetae_event::{Entity, Episode, EvidenceRef, Level, Micros, TenantId, TimeWindow};

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
        let mut now = Evaluation::default();
        self.collect(&mut now);
        let mut evaluation = std::mem::take(&mut self.state.pending).followed_by(now);
        self.price(&mut evaluation);
        self.prune_by_age();
        self.leave_out_excepted(&mut evaluation);
        evaluation
    }

    /// Drops and counts what exceptions cover. Who gives episodes another rule id after
    /// [`Engine::evaluate`] asks once more: people except what they were told.
    pub fn leave_out_excepted(&mut self, evaluation: &mut Evaluation) {
        let exceptions = self.rules.exceptions();
        let found = evaluation.episodes.len();
        evaluation
            .episodes
            .retain(|episode| !exceptions.iter().any(|exception| exception.covers(episode)));
        self.state.stats.excepted += (found - evaluation.episodes.len()) as u64;
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

    /// Says beside each episode what it costs.
    fn price(&self, evaluation: &mut Evaluation) {
        for episode in &mut evaluation.episodes {
            let priced = self.state.detectors.iter().find_map(|d| d.price(episode));
            if let Some(priced) = priced {
                episode.cost = Some(priced.cost);
                episode.facts.extend(priced.facts);
            }
        }
    }

    pub(super) fn judge_key(&mut self, track: usize, slot: u32, out: &mut Evaluation) {
        let spec = &self.compiled.specs[track];
        let id = self.state.tracks[track].state(slot).key;
        let tenant = usize::from(self.state.keys.get(id).tenant);
        let closed = self.state.tenants[tenant].closed_until();
        // Whether a client may be a proxy changes with what others do.
        let judged = self.state.tracks[track].judge(slot, closed, spec.proxy_aware);
        if judged.open {
            self.state.tracks[track].keep_dirty(slot);
        }
        chain::pass_on(&self.compiled.specs, &mut self.state, track, id, &judged.changes);
        let known = self.state.tracks[track].state(slot).told();
        if spec.silent || (judged.found.is_empty() && known.len() <= judged.kept) {
            return;
        }
        let key = self.state.keys.get(id);
        let (tenant, entity) = (&self.state.tenants[tenant].id, self.entity_of(key));
        let now: Vec<Told> = judged
            .found
            .into_iter()
            .map(|(found, evidence)| {
                let many = self.many_behind(track, key, &entity, found.extent);
                tell(spec, found, evidence, many)
            })
            .collect();
        let gap_us = spec.mode.join_us;
        let before = &known[judged.kept.min(known.len())..];
        // Both are in order of time, and the stretches of each are further apart than the gap.
        for told in &now {
            let at = before.partition_point(|known| known.extent.start < told.extent.start);
            if before.get(at) != Some(told) {
                out.episodes.push(sigma_episode(spec, told, tenant, &entity));
            }
        }
        for gone in before {
            let at = now.partition_point(|told| told.extent.end.saturating_add(gap_us) < gone.extent.start);
            if !now
                .get(at)
                .is_some_and(|told| touch(told.extent, gone.extent, gap_us))
            {
                out.withdrawn.push(Withdrawn {
                    tenant_id: tenant.clone(),
                    rule_id: spec.id.clone(),
                    entity: entity.clone(),
                    window: window(gone.extent),
                });
            }
        }
        self.state.tracks[track].tell(slot, judged.kept, now);
    }

    /// Whether the client of a track that asks may be a proxy in front of everybody, and who shares
    /// its address.
    pub(super) fn many_behind(
        &self,
        track: usize,
        key: &Key,
        entity: &Entity,
        extent: Extent,
    ) -> (bool, Option<Sharing>) {
        if !self.compiled.specs[track].proxy_aware {
            return (false, None);
        }
        let totals = self.state.totals.get(&(track, key.tenant));
        let tenant = &self.state.tenants[usize::from(key.tenant)].id;
        let sharing = self.sharing(tenant, entity, extent);
        let proxy = key.agents.count_ones() >= PROXY_AGENTS_MIN
            && sharing.is_none_or(|sharing| sharing.browsers)
            && totals.is_some_and(|totals| most_of(totals, extent));
        (proxy, sharing)
    }

    /// Whom a code detector sees behind an address.
    fn sharing(&self, tenant: &TenantId, entity: &Entity, extent: Extent) -> Option<Sharing> {
        let mut detectors = self.state.detectors.iter().filter(|_| entity.kind == "ip");
        detectors.find_map(|d| d.shared_by(tenant, &entity.value, window(extent)))
    }

    pub(super) fn entity_of(&self, key: &Key) -> Entity {
        let kind = match key.space {
            DATASET_SPACE => "dataset",
            HOST_SPACE => "host",
            ACCOUNT_SPACE => "account",
            space => &self.compiled.spaces[usize::from(space)],
        };
        // A correlation without group-by is about the tenant.
        let tenant = &self.state.tenants[usize::from(key.tenant)].id;
        let value = if kind == "tenant" {
            tenant.as_str().to_owned()
        } else {
            key.text.replace(SEPARATOR, ",")
        };
        Entity {
            kind: kind.into(),
            value,
        }
    }

    pub(super) fn collect_detectors(&mut self, out: &mut Evaluation) {
        let closing = self.closing();
        for detector in &mut self.state.detectors {
            detector.evaluate(&closing, out);
        }
    }

    /// What is final. What was closed once stays closed, whatever the caller says later.
    pub(super) fn closing(&self) -> Closing {
        let mut closing = Closing::nothing();
        for tenant in &self.state.tenants {
            for (dataset, until) in &tenant.watermarks {
                closing.watermarks.insert((tenant.id.clone(), *dataset), *until);
            }
        }
        closing
    }
}

pub(super) fn sigma_episode(spec: &TrackSpec, told: &Told, tenant: &TenantId, entity: &Entity) -> Episode {
    Episode {
        tenant_id: tenant.clone(),
        detector: "sigma".into(),
        rule_id: spec.id.clone(),
        title: spec.title.clone(),
        level: told.level,
        entity: entity.clone(),
        window: window(told.extent),
        count: told.extent.count,
        gap_us: spec.mode.join_us,
        score: score_of(told.level),
        confidence: if spec.mode.is_single() { 0.5 } else { 0.8 },
        evidence: told.evidence.clone(),
        attack: spec.attack.clone(),
        monotone: spec.mode.monotone,
        facts: told.facts.clone(),
        cost: None,
        risk: spec.risk.clone(),
    }
}

/// `proxy`: the client may be a proxy in front of everybody; `sharing`: who shares its address.
pub(super) fn tell(
    spec: &TrackSpec,
    found: Found,
    evidence: Vec<EvidenceRef>,
    (proxy, sharing): (bool, Option<Sharing>),
) -> Told {
    let extent = found.extent;
    let mut facts = vec![(spec.counted.clone(), extent.count.to_string())];
    if let Some(measured) = &spec.measured {
        facts.push((measured.clone(), decimal(found.extreme)));
    }
    if let Some(says) = &spec.says {
        facts.push((haetae_event::finding::RULE_SAYS.into(), says.clone()));
    }
    let mut level = spec.level;
    if proxy {
        level = level.min(Level::Medium);
        let note = "more than half of all requests, many user agents and page assets: may be a proxy or load \
                    balancer";
        facts.push(("client".into(), note.into()));
    } else if let Some(Sharing {
        people: true,
        within_reach,
        ..
    }) = sharing
    {
        level = level.min(if within_reach { Level::Low } else { Level::Medium });
        let note = "many sessions or user agents that load assets as browsers do, none of which does most: \
                    people behind one address";
        facts.push(("client".into(), note.into()));
        if !within_reach {
            let note = "in some minute more requests than so many people make";
            facts.push(("people".into(), note.into()));
        }
    }
    Told {
        extent,
        level,
        evidence,
        facts,
    }
}

/// A measured number, to three places.
fn decimal(amount: Nano) -> String {
    let text = format!("{:.3}", amount as f64 / NANO as f64);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
