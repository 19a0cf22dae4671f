//! Judging one window: its population and its clients.

use super::book::Found;
use super::population::{Population, Scratch};
use super::signals::{Decision, Judge};
use super::timeline::{Actor, Hit, Span, Sums, WINDOW_US};
use super::verdict::{self, Said};
use super::{Client, Clients, WindowId};
use crate::detector::{Extent, Verdict, score_of};
use crate::detectors::Macros;
use ahash::AHashSet;
use haetae_event::{Entity, Level};

/// User agents of an address, no sessions known, from which on it is taken to be shared.
const MIXED_ACTORS_MIN: usize = 4;

pub(super) fn ip(client: &Client) -> Entity {
    Entity {
        kind: "ip".into(),
        value: client.address.to_string(),
    }
}

/// Before a window is whole, a population may be this old, µs, or an eighth of the window so far.
const POPULATION_AGE_US: u32 = 60_000_000;

/// Before a window is whole, the population has to be this much younger than what is decided
/// against it, µs: the first people whom a page's script makes ask look like macros until others
/// follow.
const HOLD_US: u32 = 40_000_000;

impl Clients {
    pub(super) fn judge(&mut self, id: WindowId, (judged_us, until_us): (Option<i64>, i64)) {
        let Some(window) = self.windows.get_mut(&id) else {
            return;
        };
        let mut members = std::mem::take(&mut window.members);
        let start_us = i64::from(id.2) * WINDOW_US;
        let until = u32::try_from(until_us - start_us).unwrap_or(0);
        let judged = judged_us.and_then(|us| u32::try_from(us - start_us).ok());
        let whole = i64::from(until) == WINDOW_US;
        let mut news: Vec<u32> = Vec::new();
        for &member in &members {
            let client = &mut self.clients[member as usize];
            if let Some(span) = client.spans.iter_mut().find(|span| span.window == id.2) {
                span.settle();
                // What was held back then may be told now.
                let held = HOLD_US + POPULATION_AGE_US.max(until / 8);
                if whole || span.dirty || span.last_us().saturating_add(held) >= judged.unwrap_or(0) {
                    news.push(member);
                }
                span.dirty = false;
            }
        }
        news.sort_unstable();
        let mut fresh = Vec::new();
        self.macros(id, until, (&mut members, &news), &mut fresh);
        self.floods(id, until, &members, &mut fresh);
        // Of clients without news the verdicts on scripts stand, those on floods are made anew.
        let with_news: AHashSet<u64> = news.iter().map(|&at| self.clients[at as usize].key).collect();
        let stands = |found: &Found| {
            let old = found.client.is_some_and(|client| !with_news.contains(&client));
            old && !whole && found.verdict.detector != "http_flood"
        };
        self.book.replace(id, stands, fresh);
        if let Some(window) = self.windows.get_mut(&id) {
            window.members = members;
        }
    }

    fn macros(
        &mut self,
        id: WindowId,
        until: u32,
        (members, news): (&mut [u32], &[u32]),
        fresh: &mut Vec<Found>,
    ) {
        let Some(settings) = self.settings.macros.clone().filter(|s| s.enabled) else {
            return;
        };
        let mut scratch = Scratch::default();
        let whole = i64::from(until) == WINDOW_US;
        let known = self.windows.get(&id).and_then(|window| window.population.clone());
        let recent = |at: u32| !whole && at <= until && until - at < POPULATION_AGE_US.max(until / 8);
        let (at, population) = match known {
            Some((at, population)) if recent(at) => (at, population),
            _ => {
                // Its tables are bounded: who comes first must not depend on the order of rows.
                members.sort_unstable_by_key(|&member| &*self.clients[member as usize].address);
                let fresh = self.population(id, until, members, &settings, &mut scratch);
                (until, std::sync::Arc::new(fresh))
            }
        };
        if let Some(window) = self.windows.get_mut(&id) {
            // A window that is whole is rarely judged again.
            window.population = (!whole).then(|| (at, population.clone()));
        }
        let judge = Judge {
            settings: &settings,
            population: &population,
            decided_before: if whole {
                u32::MAX
            } else {
                at.saturating_sub(HOLD_US)
            },
        };
        let candidates = news.iter().copied().filter(|&member| {
            let span = self.clients[member as usize].span(id.2);
            span.is_some_and(|span| candidate(span, until, &settings))
        });
        for member in candidates {
            let client = &self.clients[member as usize];
            if let Some(span) = client.span(id.2) {
                let found = self.judge_client(client, span, until, &judge, &mut scratch);
                fresh.extend(found);
            }
        }
    }

    /// The population of a window.
    fn population(
        &self,
        id: WindowId,
        until: u32,
        members: &[u32],
        settings: &Macros,
        scratch: &mut Scratch,
    ) -> Population {
        let mut population = Population::default();
        let spans = || {
            let of = |&member: &u32| self.clients[member as usize].span(id.2);
            members.iter().filter_map(of)
        };
        for span in spans() {
            for actor in span.actors(until) {
                let sums = actor.sums();
                population.add(&actor, &sums, scratch);
                if sums.requests >= settings.requests_min {
                    population.add_sequences(&actor, scratch);
                }
            }
        }
        population.finish();
        if population.opening().is_some() {
            for span in spans() {
                for actor in span.actors(until) {
                    if actor.sums().assets > 0 {
                        population.add_reaction(&actor);
                    }
                }
            }
        }
        population
    }

    fn judge_client(
        &self,
        client: &Client,
        span: &Span,
        until: u32,
        judge: &Judge<'_>,
        scratch: &mut Scratch,
    ) -> Vec<Found> {
        let actors: Vec<(Actor<'_>, Sums)> = span.actors(until).map(|a| (a, a.sums())).collect();
        let all: u32 = actors.iter().map(|(_, sums)| sums.requests).sum();
        let decided: Vec<(&Actor<'_>, &Sums, Decision)> = actors
            .iter()
            .filter(|(_, sums)| sums.requests >= judge.settings.requests_min && suspicious(sums))
            .filter_map(|(actor, sums)| Some((actor, sums, judge.decide(actor, scratch)?)))
            .collect();
        // Without sessions, an address with many user agents is many people whose requests are
        // mixed: what looks like one of them is none.
        let mixed = actors.len() >= MIXED_ACTORS_MIN;
        let decided: Vec<_> = decided
            .into_iter()
            .filter(|(actor, _, _)| actor.session() || !mixed)
            .collect();
        let theirs: u32 = decided.iter().map(|(_, sums, _)| sums.requests).sum();
        if decided.is_empty() {
            return self.judge_whole(client, span, (&actors, all), judge, scratch);
        }
        // Most of what the address does: the address itself. Else the sessions behind it.
        if theirs * 10 >= all * 6 {
            let best = decided
                .iter()
                .max_by(|a, b| strength(&a.2).total_cmp(&strength(&b.2)))
                .expect("not empty");
            let sums: Vec<&Sums> = decided.iter().map(|(_, sums, _)| *sums).collect();
            let dropped = if actors.len() == decided.len() {
                span.dropped()
            } else {
                0
            };
            let mut facts = vec![("requests not kept".to_owned(), dropped.to_string())];
            facts.retain(|_| dropped > 0);
            if decided.len() > 1 {
                facts.push(("sessions or user agents".to_owned(), decided.len().to_string()));
            }
            let extent = extent(span.start_us(), &sums, dropped);
            let mut said = self.said(client, judge.settings, &best.2, span, extent, facts);
            if sums.iter().any(|sums| sums.assets > 0) && !best.0.session() {
                // A browser under the same user agent: people may be behind the address, too.
                lower(&mut said);
            }
            return vec![found(client, span, ip(client), said)];
        }
        self.name_actors(client, span, &decided, judge.settings)
    }

    /// Names the sessions behind an address that are scripts; the address itself only for notice.
    fn name_actors(
        &self,
        client: &Client,
        span: &Span,
        decided: &[(&Actor<'_>, &Sums, Decision)],
        settings: &Macros,
    ) -> Vec<Found> {
        let mut by_entity: Vec<Found> = Vec::new();
        for (actor, sums, decision) in decided {
            let extent = extent(span.start_us(), &[sums], 0);
            let entity = match self.name(actor.who()).filter(|_| actor.session()) {
                Some(name) => Entity {
                    kind: name.kind.into(),
                    value: name.text.to_string(),
                },
                None => ip(client),
            };
            let shared = (
                "address".to_owned(),
                format!("{}, shared by others", client.address),
            );
            let mut said = self.said(client, settings, decision, span, extent, vec![shared]);
            if entity.kind == "ip" {
                // Others behind it would be hit as well.
                lower(&mut said);
            }
            if !by_entity.iter().any(|known| known.entity == entity) {
                by_entity.push(found(client, span, entity, said));
            }
        }
        by_entity
    }

    /// A client that changes its session or user agent with almost every request is one actor.
    fn judge_whole(
        &self,
        client: &Client,
        span: &Span,
        (actors, all): (&[(Actor<'_>, Sums)], u32),
        judge: &Judge<'_>,
        scratch: &mut Scratch,
    ) -> Vec<Found> {
        if actors.len() < 6 || (actors.len() as u32) * 3 < all {
            return Vec::new();
        }
        let mut hits: Vec<Hit> = actors.iter().flat_map(|(actor, _)| actor.hits).copied().collect();
        hits.sort_by_key(|hit| (hit.at, hit.step(), hit.who));
        let whole = Actor { hits: &hits };
        let sums = whole.sums();
        let Some(decision) = judge.decide(&whole, scratch).filter(|_| suspicious(&sums)) else {
            return Vec::new();
        };
        let facts = vec![("sessions or user agents".to_owned(), actors.len().to_string())];
        let extent = extent(span.start_us(), &[&sums], span.dropped());
        let said = self.said(client, judge.settings, &decision, span, extent, facts);
        vec![found(client, span, ip(client), said)]
    }

    fn said(
        &self,
        client: &Client,
        settings: &Macros,
        decision: &Decision,
        span: &Span,
        extent: Extent,
        facts: Vec<(String, String)>,
    ) -> Verdict {
        let level = match (decision.certain, decision.eager) {
            (true, _) => settings.level,
            (false, true) => settings.automation_level,
            (false, false) => settings.automation_level.min(Level::Low),
        };
        verdict::tell(Said {
            decision,
            dataset: client.dataset,
            start_us: span.start_us(),
            extent,
            level,
            facts,
        })
    }
}

/// Not to be acted on by itself.
fn lower(verdict: &mut Verdict) {
    verdict.level = verdict.level.min(Level::Medium);
    verdict.score = score_of(verdict.level);
}

fn strength(decision: &Decision) -> f64 {
    decision.evidence.total() + if decision.certain { 1_000.0 } else { 0.0 }
}

/// Whether a client did enough to be judged, by one actor or by many.
fn candidate(span: &Span, until: u32, settings: &Macros) -> bool {
    if span.len() < settings.requests_min as usize {
        return false;
    }
    let (mut requests, mut actors) = (0, 0);
    for actor in span.actors(until) {
        let sums = actor.sums();
        if sums.requests >= settings.requests_min && suspicious(&sums) {
            return true;
        }
        requests += sums.requests;
        actors += 1;
    }
    actors > 5 && requests >= settings.requests_min * 4
}

/// Whether a closer look is worth it: few are, of people none that matters.
fn suspicious(sums: &Sums) -> bool {
    sums.assets < sums.pages / 5 + 1 || sums.requests >= 12 || sums.posts >= 2
}

fn extent(start_us: i64, sums: &[&Sums], dropped: u64) -> Extent {
    let first = sums.iter().map(|s| s.first).min().unwrap_or(0);
    let last = sums.iter().map(|s| s.last).max().unwrap_or(0);
    let count: u64 = sums.iter().map(|s| u64::from(s.requests)).sum();
    Extent {
        start: start_us + i64::from(first),
        end: start_us + i64::from(last),
        count: count + dropped,
    }
}

fn found(client: &Client, span: &Span, entity: Entity, verdict: Verdict) -> Found {
    Found {
        window: (client.tenant, client.dataset, span.window),
        client: Some(client.key),
        entity,
        verdict,
    }
}
