//! Judging one window: its population and its clients.

use super::actor::{Actor, Sums};
use super::book::Found;
use super::population::{Population, Scratch, Sign};
use super::signals::{Decision, Judge};
use super::timeline::{Hit, Span, WINDOW_US};
use super::verdict::{self, Said};
use super::{Client, Clients, Known, WindowId};
use crate::detector::{Extent, Verdict, score_of};
use crate::detectors::Macros;
use ahash::AHashSet;
use haetae_event::{Entity, Level};

/// Evidence, nats, of one clock behind actors that are there at the same time.
const CLOCK_MIN: f64 = 6.0;

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

/// Populations are those of whole minutes.
const MINUTE_US: u32 = 60_000_000;

/// Before a window is whole, the population has to be this much younger than what is decided
/// against it, µs: the first people whom a page's script makes ask look like macros until others
/// follow.
const HOLD_US: u32 = 40_000_000;

/// Which clients a judgement looks at.
#[derive(Clone, Copy)]
struct News {
    /// Clients without requests from here on, µs in the window, and without late ones, have the
    /// verdict they had.
    since: u32,
    /// All of them.
    whole: bool,
}

impl Clients {
    pub(super) fn judge(&mut self, id: WindowId, (judged_us, until_us): (Option<i64>, i64)) {
        let Some(window) = self.windows.get_mut(&id) else {
            return;
        };
        let mut members = std::mem::take(&mut window.members);
        let known = window.known.take();
        let start_us = i64::from(id.2) * WINDOW_US;
        let until = u32::try_from(until_us - start_us).unwrap_or(0);
        let judged = judged_us.and_then(|us| u32::try_from(us - start_us).ok());
        let whole = i64::from(until) == WINDOW_US;
        // Only who did enough in the window is judged, or ever was.
        let least = self.settings.macros.as_ref();
        let least = least.map_or(usize::MAX, |settings| settings.requests_min as usize);
        let mut long: Vec<(u32, bool)> = Vec::new();
        for &member in &members {
            let Some(span) = self.clients.get_mut(member).span_mut(id.2) else {
                continue;
            };
            if !span.is_settled() {
                let before = span.bytes();
                span.settle();
                self.held = self.held + span.bytes() - before;
            }
            let late = span.take_dirty();
            if span.len() >= least {
                long.push((member, late));
            }
        }
        let mut scratch = Scratch::default();
        let at_before = known.as_ref().map_or(0, |known| known.at);
        let known = self.known(id, until, known, &mut members, &mut scratch);
        let at = known.as_ref().map_or(0, |known| known.at);
        let news = News {
            // What was held back then may be told now.
            since: match at == at_before {
                true => judged.unwrap_or(0),
                false => judged.unwrap_or(0).min(at_before.saturating_sub(HOLD_US)),
            },
            whole,
        };
        let due = |(member, late): (u32, bool)| {
            (late || news.has(self.clients.get(member), id.2)).then_some(member)
        };
        let mut news: Vec<u32> = long.into_iter().filter_map(due).collect();
        news.sort_unstable();
        let mut fresh = Vec::new();
        if let Some(known) = &known {
            self.macros(id, until, known, &news, &mut scratch, &mut fresh);
        }
        self.floods(id, until, &members, &mut fresh);
        // Of clients without news the verdicts on scripts stand, those on floods are made anew.
        let with_news: AHashSet<u64> = news.iter().map(|&at| self.clients.get(at).key).collect();
        let stands = |found: &Found| {
            let old = found.client.is_some_and(|client| !with_news.contains(&client));
            old && !whole && found.verdict.detector != "http_flood"
        };
        self.book.replace(id, stands, fresh);
        if let Some(window) = self.windows.get_mut(&id) {
            window.members = members;
            // A window that is whole is rarely judged again.
            window.known = known.filter(|_| !whole);
        }
    }

    fn macros(
        &self,
        id: WindowId,
        until: u32,
        known: &Known,
        news: &[u32],
        scratch: &mut Scratch,
        fresh: &mut Vec<Found>,
    ) {
        let Some(settings) = self.settings.macros.as_ref() else {
            return;
        };
        let judge = Judge {
            settings,
            population: &known.population,
            decided_before: match i64::from(until) == WINDOW_US {
                true => u32::MAX,
                false => known.at.saturating_sub(HOLD_US),
            },
        };
        for &member in news {
            let client = self.clients.get(member);
            let long = |span: &&Span| span.len() >= settings.requests_min as usize;
            if let Some(span) = client.span(id.2).filter(long) {
                fresh.extend(self.judge_client(client, span, until, &judge, scratch));
            }
        }
    }

    /// The population to judge against, brought up to date where it is too old; `None` where
    /// nobody asks for one.
    fn known(
        &mut self,
        id: WindowId,
        until: u32,
        known: Option<Box<Known>>,
        members: &mut [u32],
        scratch: &mut Scratch,
    ) -> Option<Box<Known>> {
        let requests_min = self.settings.macros.as_ref().filter(|s| s.enabled)?.requests_min;
        let whole = i64::from(until) == WINDOW_US;
        let young = |at: u32| !whole && until - at < POPULATION_AGE_US.max(until / 8);
        let mut known = known.filter(|known| known.at <= until).unwrap_or_default();
        let young = known.at > 0 && young(known.at);
        if young && !std::mem::take(&mut known.reduced) {
            return Some(known);
        }
        let at = if young {
            known.at
        } else {
            until / MINUTE_US * MINUTE_US
        };
        if !young && !self.update(id, at, &mut known, members, requests_min, scratch) {
            self.count_anew(id, at, &mut known, members, requests_min, scratch);
            if known.population.is_full() {
                // Who comes first must not depend on the order of rows.
                members.sort_unstable_by_key(|&member| &self.clients.get(member).address);
                self.count_anew(id, at, &mut known, members, requests_min, scratch);
            }
        }
        let Known {
            population, bytes, ..
        } = &mut *known;
        population.finish();
        if population.opening().is_some() {
            let spans = members.iter().map(|&member| self.clients.get(member));
            for span in spans.filter_map(|client| client.span(id.2)) {
                for actor in span.actors(at).filter(|actor| actor.sums().assets > 0) {
                    population.add_reaction(&actor);
                }
            }
            population.finish_reactions();
        }
        *bytes = population.bytes();
        Some(known)
    }

    /// Adds what clients did since the population was known; false if that cannot be done, or is
    /// more work than to begin anew.
    fn update(
        &mut self,
        id: WindowId,
        at: u32,
        known: &mut Known,
        members: &[u32],
        requests_min: u32,
        scratch: &mut Scratch,
    ) -> bool {
        if known.at == 0 || known.population.is_full() {
            return false;
        }
        let spans = members.iter().map(|&member| self.clients.get(member));
        let spans = spans.filter_map(|client| client.span(id.2));
        let (grown, all) = spans.fold((0, 0), |(grown, all), span| {
            let news = if span.has_grown() { span.len() } else { 0 };
            (grown + news, all + span.len())
        });
        // What a client did is taken back before it is added.
        if grown * 2 > all {
            return false;
        }
        for &member in members {
            let Some(span) = self.clients.get_mut(member).span_mut(id.2) else {
                continue;
            };
            if span.is_upset() {
                return false;
            }
            for (before, now) in span.grown(at) {
                if let Some(before) = before {
                    known.population.count(&before, requests_min, scratch, Sign::Take);
                }
                known.population.count(&now, requests_min, scratch, Sign::Add);
            }
            span.set_counted(at);
        }
        known.at = at;
        !known.population.is_full()
    }

    /// The same from nothing.
    fn count_anew(
        &mut self,
        id: WindowId,
        at: u32,
        known: &mut Known,
        members: &[u32],
        requests_min: u32,
        scratch: &mut Scratch,
    ) {
        (known.at, known.population) = (at, Population::default());
        for &member in members {
            let Some(span) = self.clients.get_mut(member).span_mut(id.2) else {
                continue;
            };
            for actor in span.actors(at) {
                known.population.count(&actor, requests_min, scratch, Sign::Add);
            }
            span.set_counted(at);
        }
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
        if !candidate(&actors, judge.settings) {
            return Vec::new();
        }
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

    /// A client that changes its session or user agent again and again is one actor: with almost
    /// every request, or where most of what it says to be load no assets. Whether those are many
    /// people after all, with an app that needs none, their timelines tell: of people some are
    /// there at the same time, and no one clock is behind them.
    fn judge_whole(
        &self,
        client: &Client,
        span: &Span,
        (actors, all): (&[(Actor<'_>, Sums)], u32),
        judge: &Judge<'_>,
        scratch: &mut Scratch,
    ) -> Vec<Found> {
        let often = actors.len() >= 6 && (actors.len() as u32) * 3 >= all;
        let bare = actors.iter().filter(|(_, sums)| sums.assets == 0).count();
        if !often && (actors.len() < MIXED_ACTORS_MIN || bare * 2 <= actors.len()) {
            return Vec::new();
        }
        let mut hits: Vec<Hit> = actors.iter().flat_map(|(actor, _)| actor.hits).copied().collect();
        hits.sort_by_key(|hit| (hit.at, hit.step(), hit.who));
        let whole = Actor { hits: &hits };
        let sums = whole.sums();
        let Some(decision) = judge.decide(&whole, scratch).filter(|_| suspicious(&sums)) else {
            return Vec::new();
        };
        let shared = !often && overlapping(actors);
        if shared && judge.weigh(&whole, &sums, scratch).clocked() < CLOCK_MIN {
            return Vec::new();
        }
        let facts = vec![("sessions or user agents".to_owned(), actors.len().to_string())];
        let extent = extent(span.start_us(), &[&sums], span.dropped());
        let mut said = self.said(client, judge.settings, &decision, span, extent, facts);
        if shared {
            lower(&mut said);
        }
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
        // Who says what it is hides less; anybody can say so.
        let level = match (decision.claimed, decision.eager) {
            (false, _) => level,
            (true, true) => level.min(Level::Medium),
            (true, false) => level.min(Level::Informational),
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

impl News {
    fn has(&self, client: &Client, window: i32) -> bool {
        let span = client.span(window);
        span.is_some_and(|span| self.whole || span.last_us() >= self.since)
    }
}

/// Whether actors are there at the same time, more than one in ten of them.
fn overlapping(actors: &[(Actor<'_>, Sums)]) -> bool {
    let mut stays: Vec<(u32, u32)> = (actors.iter().filter(|(_, sums)| sums.requests > 0))
        .map(|(_, sums)| (sums.first, sums.last))
        .collect();
    stays.sort_unstable();
    let (mut until, mut met) = (0, 0);
    for &(first, last) in &stays {
        met += usize::from(until > 0 && first < until);
        until = until.max(last);
    }
    met * 10 > stays.len()
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
fn candidate(actors: &[(Actor<'_>, Sums)], settings: &Macros) -> bool {
    let enough = |sums: &Sums| sums.requests >= settings.requests_min && suspicious(sums);
    let requests: u32 = actors.iter().map(|(_, sums)| sums.requests).sum();
    actors.iter().any(|(_, sums)| enough(sums)) || (actors.len() > 5 && requests >= settings.requests_min * 4)
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
