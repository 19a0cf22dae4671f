//! Behaviours of clients: macros and other automation, floods told apart from crowds.
//!
//! What is here: the timelines of clients ([`timeline`]), the signals of scripts ([`signals`],
//! [`period`]) against the other clients of the window ([`population`]), floods ([`flood`]), and
//! the detector that keeps them. Windows of half an hour are judged every 20 s of event time up
//! to what is closed, and for the last time when they are closed whole; the last verdict is a
//! function of the window's events and, for floods, of the hour before. Verdicts before that
//! look at clients with news only, and wait until the population is known for 40 s longer. What
//! windows say becomes episodes once an evaluation ([`book`]).
//!
//! What is not here: declared crawlers and monitors (their claims are checked elsewhere), rates
//! of single addresses (Sigma rules in `rules/rates.yml`).
//!
//! Sources: base-period test as in published work on beaconing and ticket bots; sequential test
//! after A. Wald, Sequential Analysis (1947); index of dispersion after R. A. Fisher; flood
//! against flash crowd after J. Jung, B. Krishnamurthy and M. Rabinovich (WWW 2002).

mod actor;
mod book;
mod crowd;
mod flood;
mod judge;
mod observe;
mod overload;
pub mod period;
mod population;
mod request;
mod signals;
mod timeline;
mod verdict;

use crate::detector::{Detector, Rows, Sharing};
use crate::detectors::Detectors;
use crate::engine::{Closing, Evaluation, Few};
use crate::names::Name;
use crate::pool::{Hashed, Pool, allocated, share_over};
use ahash::{AHashMap, AHashSet, RandomState};
use book::Book;
use haetae_event::{Dataset, EventBatch, TenantId, TimeWindow};
use population::{Scratch, Sign};
use request::{Agent, Agents, Kind};
use std::collections::BTreeMap;
use timeline::{Span, WINDOW_US};

/// Kinds of user agents and templates remembered so as not to read them again.
const AGENTS_MAX: usize = 20_000;
const PATHS_MAX: usize = 20_000;
/// Sessions and accounts whose text is known, in each of two generations.
const NAMES_MAX: usize = 30_000;

/// Judgements come at most this often in event time, µs.
const STEP_US: i64 = flood::SLOT_US;

type WindowId = (u16, Dataset, i32);

/// The detector.
pub struct Clients {
    settings: Detectors,
    /// Hashes of actors are the same in every engine: what thinning keeps depends on them.
    fixed: RandomState,
    /// The engine's, for looking a client up by its address.
    hasher: Option<RandomState>,
    tenants: Vec<TenantId>,
    clients: Pool<Client>,
    windows: BTreeMap<WindowId, Window>,
    sites: flood::Sites,
    words: Agents,
    agents: AHashMap<u64, (Agent, u8)>,
    paths: AHashMap<u32, Path>,
    names: [AHashMap<u32, Actor>; 2],
    book: Book,
    /// Of clients beyond their places in the pool, bytes.
    held: usize,
}

/// One client of one dataset.
struct Client {
    key: u64,
    tenant: u16,
    dataset: Dataset,
    address: Name,
    spans: Few<Span>,
}

impl Hashed for Client {
    fn hash(&self) -> u64 {
        self.key
    }
}

/// What is known of a path template.
#[derive(Clone, Debug)]
struct Path {
    kind: Kind,
    call: bool,
    health: bool,
    text: Box<str>,
}

/// A session or an account.
#[derive(Clone, Debug)]
struct Actor {
    kind: &'static str,
    text: Box<str>,
}

/// The clients of one window.
#[derive(Default)]
struct Window {
    members: Vec<u32>,
    dirty: bool,
    judged_until: Option<i64>,
    /// For judgements before the window is whole.
    known: Option<Box<Known>>,
}

/// A window's population as it was at an instant.
#[derive(Default)]
struct Known {
    /// µs in the window, whole minutes: markers of assets lie on either side of it for good.
    at: u32,
    population: population::Population,
    /// Clients that were part of it are not any more.
    reduced: bool,
    bytes: usize,
}

impl Client {
    fn span(&self, window: i32) -> Option<&Span> {
        self.spans.iter().find(|span| span.window == window)
    }

    fn span_mut(&mut self, window: i32) -> Option<&mut Span> {
        self.spans.iter_mut().find(|span| span.window == window)
    }

    /// Memory beyond its place in the pool, bytes.
    fn bytes(&self) -> usize {
        let places = match &self.spans {
            Few::Many(spans) => allocated(spans.capacity() * size_of::<Span>()),
            Few::None | Few::One(_) => 0,
        };
        self.address.bytes() + places + self.spans.iter().map(Span::bytes).sum::<usize>()
    }

    /// Forgets windows before `first`; returns how many requests were kept of them.
    fn forget(&mut self, first: i32) -> u64 {
        let mut gone = 0;
        self.spans.edit(|spans| {
            spans.retain(|span| {
                let keep = span.window >= first;
                gone += if keep { 0 } else { span.len() as u64 };
                keep
            });
        });
        gone
    }

    /// Who ranks lowest is forgotten first: who did most, and of equals who came last, stays.
    fn rank(&self, judged: &AHashSet<u64>) -> (bool, u32, Option<i32>, usize, u64) {
        let most = self.spans.iter().map(Span::len).max().unwrap_or(0);
        let last = self.spans.iter().map(|span| span.window).max();
        // Nobody is judged by one request.
        let judged = most != 1 && judged.contains(&self.key);
        (judged, most.checked_ilog2().unwrap_or(0), last, most, self.key)
    }
}

impl Known {
    /// Takes back what a client added that is forgotten.
    fn take(&mut self, span: &mut Span, requests_min: u32, scratch: &mut Scratch) {
        span.settle();
        if span.is_upset() || self.population.is_full() {
            // As it was is not known any more: it is counted anew.
            self.at = 0;
        }
        if self.at == 0 {
            return;
        }
        for actor in span.counted() {
            self.population.count(&actor, requests_min, scratch, Sign::Take);
            self.reduced = true;
        }
    }
}

impl Clients {
    /// The detector, unless both judgements are switched off.
    pub fn from_settings(settings: &Detectors) -> Option<Box<dyn Detector>> {
        let on = settings.macros.as_ref().is_some_and(|s| s.enabled)
            || settings.http_flood.as_ref().is_some_and(|s| s.enabled);
        on.then(|| Box::new(Clients::new(settings)) as Box<dyn Detector>)
    }

    fn new(settings: &Detectors) -> Clients {
        Clients {
            settings: settings.clone(),
            fixed: RandomState::with_seeds(0x6861, 0x6574, 0x6165, 0x2e63),
            hasher: None,
            tenants: Vec::new(),
            clients: Pool::default(),
            windows: BTreeMap::new(),
            sites: flood::Sites::default(),
            words: Agents::new(),
            agents: AHashMap::new(),
            paths: AHashMap::new(),
            names: [AHashMap::new(), AHashMap::new()],
            book: Book::default(),
            held: 0,
        }
    }

    fn tenant(&mut self, id: &TenantId) -> u16 {
        let at = self
            .tenants
            .iter()
            .position(|known| known == id)
            .unwrap_or_else(|| {
                self.tenants.push(id.clone());
                self.tenants.len() - 1
            });
        u16::try_from(at).expect("tenants are configured, far fewer than 2^16")
    }

    fn name(&self, who: u32) -> Option<&Actor> {
        self.names.iter().find_map(|names| names.get(&who))
    }

    /// Forgets the clients of which `goes` holds; returns how many.
    fn give_up(&mut self, goes: impl Fn(&Client) -> bool) -> u64 {
        let requests_min = self.settings.macros.as_ref().map_or(0, |s| s.requests_min);
        let (held, windows) = (&mut self.held, &mut self.windows);
        let mut scratch = Scratch::default();
        let moves = self.clients.give_up(goes, |mut client| {
            *held -= client.bytes();
            for span in client.spans.iter_mut() {
                let id = (client.tenant, client.dataset, span.window);
                let window = windows.get_mut(&id);
                let known = window.and_then(|window| window.known.as_deref_mut());
                known
                    .into_iter()
                    .for_each(|known| known.take(span, requests_min, &mut scratch));
            }
        });
        for window in self.windows.values_mut() {
            moves.apply(&mut window.members);
        }
        moves.count() as u64
    }

    fn others_bytes(&self) -> usize {
        let names = self.names[0].len() + self.names[1].len();
        let populations = self.windows.values().filter_map(|window| window.known.as_ref());
        let populations: usize = populations.map(|known| known.bytes).sum();
        let known = names * 96 + self.agents.capacity() * 17 + self.paths.len() * 120;
        let members: usize = self
            .windows
            .values()
            .map(|window| window.members.capacity())
            .sum();
        known + self.windows.len() * 200 + members * size_of::<u32>() + populations + self.book.bytes()
    }
}

impl Detector for Clients {
    fn columns(&self) -> &'static [&'static str] {
        &[
            "dst_host",
            "method",
            "uri",
            "status",
            "ua",
            "session_id",
            "account",
            "http_referer",
            "cs_referer",
        ]
    }

    fn lookback_us(&self) -> i64 {
        WINDOW_US.max(flood::BASELINE_SLOTS * flood::SLOT_US)
    }

    fn observe(&mut self, batch: &EventBatch, rows: &Rows<'_>) {
        if batch.dataset.is_web() {
            self.read(batch, rows);
        }
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        let ids: Vec<WindowId> = self.windows.keys().copied().collect();
        for id in ids {
            let end = (i64::from(id.2) + 1) * WINDOW_US;
            let closed = closing.watermark(&self.tenants[usize::from(id.0)], id.1);
            let until = closed.min(end).div_euclid(STEP_US).saturating_mul(STEP_US);
            let Some(window) = self.windows.get_mut(&id) else {
                continue;
            };
            if until <= end - WINDOW_US || (!window.dirty && window.judged_until == Some(until)) {
                continue;
            }
            let news = std::mem::take(&mut window.dirty);
            let judged = window.judged_until.replace(until);
            self.judge(id, (judged, until));
            // Late news are part of the baseline of the windows after.
            for later in 1..=2 {
                if let Some(window) = self.windows.get_mut(&(id.0, id.1, id.2 + later)) {
                    window.dirty |= news;
                }
            }
        }
        self.book.tell(&self.tenants, out);
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let Some(tenant) = self.tenants.iter().position(|known| known == tenant) else {
            return 0;
        };
        let first = i32::try_from(before_us.div_euclid(WINDOW_US)).unwrap_or(i32::MIN);
        let mut gone = 0u64;
        let mut windows = self.windows.keys();
        let old = windows.any(|id| usize::from(id.0) == tenant && id.2 < first);
        let own = u16::try_from(tenant).unwrap_or(u16::MAX);
        for client in self.clients.iter_mut().filter(|_| old) {
            if client.tenant == own && client.spans.iter().any(|span| span.window < first) {
                let before = client.bytes();
                gone += client.forget(first);
                self.held = self.held + client.bytes() - before;
            }
        }
        self.book.forget(own, before_us);
        if old {
            self.windows.retain(|id, _| id.0 != own || id.2 >= first);
            let judged: AHashSet<u64> = self.book.clients().collect();
            self.give_up(|client| client.spans.is_empty() && !judged.contains(&client.key));
        }
        for site in self.sites.sites.iter_mut().filter(|s| s.tenant == own) {
            gone += site.prune(before_us);
        }
        self.sites.recount();
        gone
    }

    fn unobserved(&self) -> u64 {
        self.sites.unseen
    }

    fn bytes(&self) -> usize {
        self.clients.bytes() + self.held + self.sites.bytes() + self.others_bytes()
    }

    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut lost = 0;
        let judged: AHashSet<u64> = self.book.clients().collect();
        while self.bytes() > bytes_max {
            let share = share_over(self.bytes(), bytes_max);
            let Some(limit) = self.clients.limit(share, |client| client.rank(&judged)) else {
                break;
            };
            lost += self.give_up(|client| client.rank(&judged) <= limit);
        }
        let clients = &self.clients;
        let held = |key: u64| clients.find(key, |client| client.key == key).is_some();
        if !judged.iter().all(|&key| held(key)) {
            self.book.keep_clients(held);
        }
        if self.bytes() > bytes_max {
            self.names = [AHashMap::new(), AHashMap::new()];
            let others = self.bytes() - self.sites.bytes();
            lost += self.sites.shrink(bytes_max.saturating_sub(others));
        }
        lost
    }

    fn shared_by(&self, tenant: &TenantId, address: &str, window: TimeWindow) -> Option<Sharing> {
        self.crowd(tenant, address, window)
    }
}

#[cfg(test)]
mod tests;
