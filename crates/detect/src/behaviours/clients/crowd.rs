//! Telling people behind one address (offices, gateways of carriers) from one busy client.

use super::Clients;
use super::timeline::{Span, WINDOW_US};
use ahash::AHashMap;
use haetae_event::{Dataset, TenantId, TimeWindow};
use std::borrow::Cow;

/// An address with at least this many actors may be shared by people.
const CROWD_ACTORS_MIN: usize = 8;

/// Nobody in a crowd makes this many requests in a minute (no assets).
const CROWD_ACTOR_MINUTE_MAX: u32 = 90;

/// Of a shared address at most this share of requests is by one actor.
const CROWD_SHARE_MAX: f64 = 0.3;

impl Clients {
    /// How many people seem to share an address: many actors, none of which does most, and most
    /// of which load assets as browsers do. `None` when they do not.
    pub(super) fn crowd(&self, tenant: &TenantId, address: &str, window: TimeWindow) -> Option<u64> {
        let hasher = self.hasher.as_ref()?;
        let client = hasher.hash_one((hasher.hash_one(tenant.as_str()), address));
        let windows = window.start.0.div_euclid(WINDOW_US)..=window.end.0.div_euclid(WINDOW_US);
        let web = Dataset::ALL.into_iter().filter(|dataset| dataset.is_web());
        let mut people = None;
        for dataset in web {
            let Some(&slot) = self.index.get(&super::observe::keyed(client, dataset)) else {
                continue;
            };
            let spans = self.clients[slot as usize].spans.iter();
            for span in spans.filter(|span| windows.contains(&i64::from(span.window))) {
                let actors = crowd_of(span)?;
                people = people.max(Some(actors as u64));
            }
        }
        people
    }
}

/// How many actors share a span, when they look like people.
fn crowd_of(span: &Span) -> Option<usize> {
    let mut actors: AHashMap<u32, (u32, u32)> = AHashMap::new();
    let mut minutes: AHashMap<(u32, u32), u32> = AHashMap::new();
    // Until it is judged, a timeline holds more than is kept.
    let mut settled = Cow::Borrowed(span);
    if !span.is_settled() {
        settled.to_mut().settle();
    }
    for hit in settled.hits() {
        let known = actors.entry(hit.who).or_default();
        if hit.is_asset() {
            known.1 += hit.path;
        } else {
            known.0 += 1;
            *minutes.entry((hit.who, hit.at / 60_000_000)).or_default() += 1;
        }
    }
    if minutes
        .values()
        .any(|&requests| requests >= CROWD_ACTOR_MINUTE_MAX)
    {
        return None;
    }
    let all: u32 = actors.values().map(|(requests, _)| requests).sum();
    let most = actors.values().map(|(requests, _)| *requests).max().unwrap_or(0);
    let browsers = actors.values().filter(|(_, assets)| *assets > 0).count();
    let people = actors.len() >= CROWD_ACTORS_MIN
        && f64::from(most) <= CROWD_SHARE_MAX * f64::from(all)
        && browsers * 10 >= actors.len() * 4;
    people.then_some(actors.len())
}
