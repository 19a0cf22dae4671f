//! Remote look-ups behind a cache.
//!
//! The network is not here: a fetcher outside takes requests from a bounded queue and hands back
//! answers ([`channel`]); what it is to ask is said by a [`RemoteService`], and what a reply means
//! by [`RemoteService::score`]. A batch waits for answers at most [`RemoteConfig::budget_us`] in
//! total, all batches together one [`WAIT_SHARE`]th of the time; rows whose answer comes later stay
//! null, and the answer is offered to later rows at once and to rows not yet committed through
//! [`CachedLookup::drain_backfill`].
//!
//! Bounded: entries and age of the cache, requests on their way (one per address), the queue,
//! late answers, time waited. Nothing here is random, and the clock is a trait.

mod credit;
mod exchange;
mod score;
mod service;

pub use credit::WAIT_SHARE;
pub use exchange::{Answers, FetcherEnd, QueuedLookup, Work, channel};
pub use score::RemoteScore;
pub use service::{REPLY_BYTES_MAX, RemoteService, Unreadable};

use credit::WaitCredit;

use crate::cache::Recent;
use ahash::AHashMap;
use haetae_event::time::{MINUTE_US, SECOND_US};
use haetae_event::{Clock, Micros};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a remote service said about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<V> {
    Found(V),
    /// The service does not know the address.
    NotFound,
    /// It could not be asked. Kept for a while, so that a dead service is not asked for every row.
    Failed,
}

/// The queue is full, or nobody serves it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue of remote look-ups is full or closed")]
pub struct NotTaken;

/// The near end of a fetcher. [`QueuedLookup`] is the implementation; tests bring their own.
pub trait RemoteLookup<V>: Send {
    /// Hands a request over without waiting.
    ///
    /// # Errors
    /// [`NotTaken`], and the request is dropped.
    fn request(&mut self, address: IpAddr) -> Result<(), NotTaken>;

    /// The answers that have come; when there are none, waits for the first at most `wait`.
    fn answers(&mut self, wait: Duration) -> Vec<(IpAddr, Answer<V>)>;
}

/// Bounds of a [`CachedLookup`]; times in µs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteConfig {
    /// What a batch waits at most, for all its addresses together.
    pub budget_us: i64,
    /// Addresses whose answer is kept.
    pub cache_entries: usize,
    /// How long `Found` is kept.
    pub ttl_us: i64,
    /// How long `NotFound` is kept.
    pub negative_ttl_us: i64,
    /// How long `Failed` is kept.
    pub failed_ttl_us: i64,
    /// Requests on their way at once; further ones are dropped and counted.
    pub in_flight_max: usize,
    /// After so long a request counts as lost and may be made again.
    pub request_timeout_us: i64,
    /// Late answers kept for [`CachedLookup::drain_backfill`]; the oldest go first.
    pub backfill_max: usize,
}

impl Default for RemoteConfig {
    fn default() -> Self {
        RemoteConfig {
            budget_us: 50_000,
            cache_entries: 100_000,
            ttl_us: 60 * MINUTE_US,
            negative_ttl_us: 60 * MINUTE_US,
            failed_ttl_us: MINUTE_US,
            in_flight_max: 4_096,
            request_timeout_us: 30 * SECOND_US,
            backfill_max: 65_536,
        }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteCounts {
    /// Addresses answered from the cache, once a batch.
    pub hits: u64,
    /// Requests handed to the fetcher.
    pub requested: u64,
    /// Requests that did not fit the queue, or `in_flight_max`.
    pub dropped: u64,
    /// Addresses left null because the budget was spent.
    pub late: u64,
    /// Requests that were never answered.
    pub lost: u64,
    /// Late answers that were forgotten undrained.
    pub backfill_dropped: u64,
}

#[derive(Clone)]
struct Kept<V> {
    value: Option<V>,
    until: Micros,
}

struct Flight {
    since: Micros,
    /// Some row went without this answer.
    owed: bool,
}

/// See the module.
pub struct CachedLookup<V> {
    remote: Box<dyn RemoteLookup<V>>,
    clock: Arc<dyn Clock>,
    config: RemoteConfig,
    kept: Recent<IpAddr, Kept<V>>,
    in_flight: AHashMap<IpAddr, Flight>,
    backfill: VecDeque<(IpAddr, V)>,
    credit: WaitCredit,
    counts: RemoteCounts,
}

impl<V: Clone> CachedLookup<V> {
    pub fn new(remote: Box<dyn RemoteLookup<V>>, clock: Arc<dyn Clock>, config: RemoteConfig) -> Self {
        CachedLookup {
            remote,
            clock,
            kept: Recent::new(config.cache_entries),
            config,
            in_flight: AHashMap::new(),
            backfill: VecDeque::new(),
            credit: WaitCredit::default(),
            counts: RemoteCounts::default(),
        }
    }

    pub fn counts(&self) -> RemoteCounts {
        self.counts
    }

    /// Addresses with an answer at hand, expired ones included.
    pub fn cached(&self) -> usize {
        self.kept.len()
    }

    /// One value an address, in order, for the addresses of one batch. Asks for what is not
    /// known and waits within the budget.
    pub fn look_up(&mut self, addresses: &[IpAddr]) -> Vec<Option<V>> {
        let start = self.clock.now();
        self.take_in(Duration::ZERO);
        self.forget_lost(start);
        let mut values: Vec<Option<V>> = vec![None; addresses.len()];
        let mut waiting: AHashMap<IpAddr, Vec<usize>> = AHashMap::new();
        for (at, &address) in addresses.iter().enumerate() {
            let address = address.to_canonical();
            match self.fresh(address, start) {
                Some(kept) => {
                    values[at] = kept.value;
                    self.counts.hits += 1;
                }
                None if self.ask(address, start) => waiting.entry(address).or_default().push(at),
                None => {}
            }
        }
        self.wait_for(&mut waiting, &mut values, start);
        self.credit.spend(start, self.clock.now());
        for address in waiting.keys() {
            self.counts.late += 1;
            if let Some(flight) = self.in_flight.get_mut(address) {
                flight.owed = true;
            }
        }
        values
    }

    /// Answers that came after a row had to go without, each once.
    pub fn drain_backfill(&mut self) -> Vec<(IpAddr, V)> {
        self.take_in(Duration::ZERO);
        self.backfill.drain(..).collect()
    }

    fn wait_for(
        &mut self,
        waiting: &mut AHashMap<IpAddr, Vec<usize>>,
        values: &mut [Option<V>],
        start: Micros,
    ) {
        let budget = self.config.budget_us.min(self.credit.at(start));
        let mut before = start;
        while !waiting.is_empty() {
            let now = self.clock.now();
            let spent = now.0.saturating_sub(start.0);
            // A clock that goes back ends the wait: how long it was cannot be told.
            if now < before || spent >= budget {
                return;
            }
            before = now;
            let left = u64::try_from(budget - spent).unwrap_or(0);
            let came = self.take_in(Duration::from_micros(left));
            if came.is_empty() && self.clock.now() == now {
                // Neither an answer nor time passed: nobody is there.
                return;
            }
            for (address, value) in came {
                for at in waiting.remove(&address).unwrap_or_default() {
                    values[at].clone_from(&value);
                }
            }
        }
    }

    fn fresh(&mut self, address: IpAddr, now: Micros) -> Option<Kept<V>> {
        self.kept.get(&address).filter(|kept| now < kept.until)
    }

    /// Whether the address is asked for: already, or from now on.
    fn ask(&mut self, address: IpAddr, now: Micros) -> bool {
        if self.in_flight.contains_key(&address) {
            return true;
        }
        let room = self.in_flight.len() < self.config.in_flight_max;
        if !room || self.remote.request(address).is_err() {
            self.counts.dropped += 1;
            return false;
        }
        self.counts.requested += 1;
        self.in_flight.insert(
            address,
            Flight {
                since: now,
                owed: false,
            },
        );
        true
    }

    fn forget_lost(&mut self, now: Micros) {
        let timeout = self.config.request_timeout_us;
        let before = self.in_flight.len();
        self.in_flight
            .retain(|_, flight| now.0.saturating_sub(flight.since.0) < timeout);
        self.counts.lost += (before - self.in_flight.len()) as u64;
    }

    /// Takes the answers that have come, and says which.
    fn take_in(&mut self, wait: Duration) -> Vec<(IpAddr, Option<V>)> {
        let answers = self.remote.answers(wait);
        if answers.is_empty() {
            return Vec::new();
        }
        let now = self.clock.now();
        let mut came = Vec::with_capacity(answers.len());
        for (address, answer) in answers {
            let address = address.to_canonical();
            // Not asked for, or given up: a service may not fill the cache as it likes.
            let Some(flight) = self.in_flight.remove(&address) else {
                continue;
            };
            let (value, ttl_us) = match answer {
                Answer::Found(value) => (Some(value), self.config.ttl_us),
                Answer::NotFound => (None, self.config.negative_ttl_us),
                Answer::Failed => (None, self.config.failed_ttl_us),
            };
            if let Some(value) = value.clone().filter(|_| flight.owed) {
                self.owe(address, value);
            }
            let until = now.saturating_add(ttl_us);
            let kept = Kept {
                value: value.clone(),
                until,
            };
            self.kept.put(address, kept);
            came.push((address, value));
        }
        came
    }

    fn owe(&mut self, address: IpAddr, value: V) {
        if self.backfill.len() >= self.config.backfill_max {
            self.backfill.pop_front();
            self.counts.backfill_dropped += 1;
        }
        self.backfill.push_back((address, value));
    }
}
