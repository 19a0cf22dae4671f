//! Telling people behind one address (offices, gateways of carriers) from one busy client.
//!
//! Who shares an address is counted by session or account, else by user agent. A session is one
//! person; a user agent may be thousands, above all the reduced ones of phones, so that how much
//! is asked under it says nothing. What tells people from a machine in either case is that pages
//! come with their assets: enough of them, and ones that are there. Judged over all windows of an
//! episode and the one before it, since who loads a page may act on it in the next window.

use super::Clients;
use super::timeline::{Minute, Span, WINDOW_US};
use crate::detector::Sharing;
use ahash::{AHashMap, AHashSet};
use haetae_event::{Dataset, TenantId, TimeWindow};
use std::borrow::Cow;

/// An address with at least this many actors may be shared by people.
const ACTORS_MIN: usize = 8;

/// No person makes this many requests in a minute (no assets).
const PERSON_MINUTE_MAX: u32 = 90;

/// Of a shared address at most this share of requests is by one person.
const PERSON_SHARE_MAX: f64 = 0.3;

/// Pages to one asset of a browser that has most of them cached.
const PAGES_PER_ASSET: u32 = 5;

/// Requests to one asset of many browsers; a page that asks for its place in a queue for minutes
/// makes fifty of them and more.
const REQUESTS_PER_ASSET: u32 = 100;

/// Requests in a minute that people can make, on average: one script that polls each three
/// seconds and its pages, or five such people under one user agent.
const PEOPLE_MINUTE_MAX: f64 = 40.0;
const AGENT_MINUTE_MAX: f64 = 200.0;

/// What one actor did.
#[derive(Clone, Copy, Debug, Default)]
struct Acts {
    session: bool,
    requests: u32,
    pages: u32,
    assets: u32,
    /// Requests of its busiest minute.
    busiest: u32,
}

impl Acts {
    /// Whether assets come with its pages as browsers load them.
    fn browses(&self) -> bool {
        self.assets >= (self.pages / PAGES_PER_ASSET).max(1)
    }

    /// Whether that many requests may be those of many people.
    fn of_many(&self) -> bool {
        !self.session
            && self.assets.saturating_mul(PAGES_PER_ASSET) >= self.pages
            && self.assets.saturating_mul(REQUESTS_PER_ASSET) >= self.requests
    }
}

/// What is known of an address in one dataset.
#[derive(Default)]
struct Known {
    actors: AHashMap<u32, Acts>,
    /// Requests, and those under sessions and under user agents who made them, by minute since
    /// the epoch.
    minutes: AHashMap<i64, (u32, AHashSet<u32>, AHashSet<u32>)>,
    /// Requests and assets altogether, and of the actors above.
    all: u64,
    sampled: u64,
    /// Share of all actors that the actors above are.
    share: f64,
}

impl Clients {
    /// Who seems to share an address; `None` if nothing is known of it.
    pub(super) fn crowd(&self, tenant: &TenantId, address: &str, window: TimeWindow) -> Option<Sharing> {
        let hasher = self.hasher.as_ref()?;
        let client = hasher.hash_one((hasher.hash_one(tenant.as_str()), address));
        let web = Dataset::ALL.into_iter().filter(|dataset| dataset.is_web());
        let known = web.filter_map(|dataset| {
            let key = super::observe::keyed(client, dataset);
            let slot = self.clients.find(key, |client| client.key == key)?;
            known(&self.clients.get(slot).spans, window)
        });
        let known: Vec<Known> = known.collect();
        // One log may hold the pages and another the calls of the same people.
        let most = known.iter().map(|known| known.all).max()?;
        let heard = known.iter().filter(|known| known.all * 2 >= most);
        let heard = heard.map(|known| known.sharing(window));
        heard.max_by_key(|sharing| (sharing.people, sharing.within_reach, sharing.browsers))
    }
}

fn known(spans: &[Span], window: TimeWindow) -> Option<Known> {
    let first = window.start.0.div_euclid(WINDOW_US) - 1;
    let windows = first..=window.end.0.div_euclid(WINDOW_US);
    let mut known = Known {
        share: 1.0,
        ..Known::default()
    };
    let (mut any, mut until) = (false, u32::MAX);
    let mut entries: Vec<(i64, Minute)> = Vec::new();
    for span in spans
        .iter()
        .filter(|span| windows.contains(&i64::from(span.window)))
    {
        // Until it is judged, a timeline holds more than is kept.
        let mut settled = Cow::Borrowed(span);
        if !span.is_settled() {
            settled.to_mut().settle();
        }
        let (minutes, known_until) = settled.minutes();
        let start = settled.start_us() / 60_000_000;
        entries.extend(minutes.map(|minute| (start + i64::from(minute.minute), minute)));
        known.all += settled.dropped();
        let kept = settled.hits().iter();
        known.all += kept
            .map(|hit| if hit.is_asset() { u64::from(hit.path) } else { 1 })
            .sum::<u64>();
        until = until.min(known_until);
        any |= i64::from(span.window) > first;
    }
    if until < u32::MAX {
        entries.retain(|(_, minute)| minute.who < until);
        known.share = f64::from(until) / f64::from(u32::MAX);
    }
    known.add(entries);
    any.then_some(known)
}

impl Known {
    fn add(&mut self, mut entries: Vec<(i64, Minute)>) {
        entries.sort_by_key(|(at, minute)| (minute.who, *at));
        for run in entries.chunk_by(|a, b| (a.1.who, a.0) == (b.1.who, b.0)) {
            let (at, Minute { who, session, .. }) = run[0];
            let sum = |of: fn(&Minute) -> u32| run.iter().map(|(_, minute)| of(minute)).sum::<u32>();
            let (requests, assets) = (sum(|minute| minute.requests), sum(|minute| minute.assets));
            let acts = self.actors.entry(who).or_default();
            acts.session = session;
            acts.requests += requests;
            acts.assets += assets;
            acts.pages += sum(|minute| minute.pages);
            acts.busiest = acts.busiest.max(requests);
            self.sampled += u64::from(requests + assets);
            if requests > 0 {
                let minute = self.minutes.entry(at).or_default();
                minute.0 += requests;
                let active = if session { &mut minute.1 } else { &mut minute.2 };
                active.insert(who);
            }
        }
    }

    fn sharing(&self, window: TimeWindow) -> Sharing {
        let sum = |of: fn(&Acts) -> u32| self.actors.values().map(|acts| u64::from(of(acts))).sum::<u64>();
        let (requests, assets) = (sum(|acts| acts.requests), sum(|acts| acts.assets));
        let pages = sum(|acts| acts.pages);
        let browsers = || self.actors.values().filter(|acts| acts.browses());
        let theirs: u64 = browsers().map(|acts| u64::from(acts.requests)).sum();
        let people = self.actors.len() >= ACTORS_MIN
            && self.actors.values().all(|acts| self.in_crowd(acts, requests))
            && !self.hidden()
            && browsers().count() * 10 >= self.actors.len() * 4
            && theirs * 2 >= requests;
        Sharing {
            people,
            within_reach: self.within_reach(window),
            browsers: assets > 0
                && assets * u64::from(PAGES_PER_ASSET) >= pages
                && assets * u64::from(REQUESTS_PER_ASSET) >= requests,
        }
    }

    /// Whether an actor may be a person among others, or many people with one browser.
    fn in_crowd(&self, acts: &Acts, requests: u64) -> bool {
        let one = acts.busiest < PERSON_MINUTE_MAX
            && f64::from(acts.requests) <= PERSON_SHARE_MAX * requests as f64;
        one || acts.of_many()
    }

    /// Whether one of the actors that are not in the sample does so much that it may be most.
    fn hidden(&self) -> bool {
        let expected = self.sampled as f64 / self.share.max(f64::MIN_POSITIVE);
        self.all as f64 - expected > PERSON_SHARE_MAX * self.all as f64
    }

    /// Whether in each minute of an episode there were people enough for what was asked.
    fn within_reach(&self, window: TimeWindow) -> bool {
        let minutes = window.start.0.div_euclid(60_000_000)..=window.end.0.div_euclid(60_000_000);
        let of = self.minutes.iter().filter(|(at, _)| minutes.contains(at));
        let able = |active: &AHashSet<u32>| {
            let browses = |who: &&u32| self.actors.get(who).is_some_and(Acts::browses);
            active.iter().filter(browses).count() as f64
        };
        of.map(|(_, minute)| minute).all(|(requests, sessions, agents)| {
            f64::from(*requests) <= able(sessions) * PEOPLE_MINUTE_MAX + able(agents) * AGENT_MINUTE_MAX
        })
    }
}
