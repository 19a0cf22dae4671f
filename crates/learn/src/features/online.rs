//! The window in which each client is now, event by event.
//!
//! For judging requests while they are served: of each client one window is kept, the newest, with
//! the numbers that [`super::Extractor`] would give for the same events. Events come from two
//! origins, as requests that were asked about and again from the access log. Each origin is folded
//! apart and they are never added up, so that no request weighs twice; the log counts where it
//! clearly knows more. So are the datasets of logs, of which the fullest speaks.
//!
//! Bounded: a full shard forgets, among eight of its clients, one whose window is over, else the one
//! with the fewest requests.

use super::cell::{Cell, Request};
use super::{COUNT, Columns, Micros, slot};
use crate::distinct;
use ahash::{AHashMap, RandomState};
use haetae_event::{Dataset, EventBatch, TenantId};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks: more than cores, so that two requests rarely meet.
const SHARDS: usize = 64;
/// Clients looked at to find one to forget.
const SAMPLE: usize = 8;
/// A client with the windows of the site and of two logs, all paths that are counted exactly, and
/// its table entry.
const CLIENT_BYTES: usize = 3_840;
/// Logs that are counted for one client's window.
const LOGS_MAX: usize = 2;

/// One request, as the site asks about it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    pub ua: Option<&'a str>,
}

/// The windows of all clients, each with a `T` that begins anew with the window.
pub struct Online<T> {
    window_us: i64,
    seed: u64,
    shards: Vec<Mutex<Shard<T>>>,
    clients_max: usize,
    hasher: RandomState,
    /// Event time that was asked about last.
    asked: AtomicI64,
    forgotten: AtomicU64,
}

struct Shard<T> {
    places: AHashMap<u64, usize>,
    clients: Vec<Client<T>>,
    /// Where the next sample begins.
    hand: usize,
}

struct Client<T> {
    key: u64,
    start: Micros,
    inline: Cell,
    /// Allocated when a log tells of the client.
    logs: Vec<(Dataset, Cell)>,
    state: T,
}

/// A client's window so far.
pub struct Window<'a> {
    start: Micros,
    window_us: i64,
    cell: &'a Cell,
}

impl Window<'_> {
    pub fn requests(&self) -> u64 {
        self.cell.requests()
    }

    /// In the order of [`super::FEATURES`].
    pub fn values(&self) -> [f64; COUNT] {
        self.cell.values(self.start, self.window_us)
    }
}

impl<T: Default> Client<T> {
    fn new(key: u64, start: Micros) -> Client<T> {
        Client {
            key,
            start,
            inline: Cell::new(),
            logs: Vec::new(),
            state: T::default(),
        }
    }

    /// The origin that knows more: logs stamp the end of a request, which can crowd a few more of the
    /// same into a window.
    fn known(&self) -> &Cell {
        let inline = self.inline.requests();
        let logs = self.logs.iter().map(|(_, cell)| cell);
        match logs.max_by_key(|cell| cell.requests()) {
            Some(log) if inline == 0 || log.requests() > inline + inline / 4 + 5 => log,
            _ => &self.inline,
        }
    }

    fn requests(&self) -> u64 {
        self.known().requests()
    }

    /// `None` for a further log than are counted.
    fn log(&mut self, dataset: Dataset) -> Option<&mut Cell> {
        let known = self.logs.iter().position(|(of, _)| *of == dataset);
        if known.is_none() && self.logs.len() < LOGS_MAX {
            self.logs.reserve_exact(1);
            self.logs.push((dataset, Cell::new()));
        }
        let place = known.unwrap_or(self.logs.len() - 1);
        let (of, cell) = &mut self.logs[place];
        (*of == dataset).then_some(cell)
    }
}

impl<T: Default> Shard<T> {
    /// The client's window from `start` on; `None` when a later one has begun.
    fn client(&mut self, key: u64, start: Micros, clients_max: usize) -> (Option<&mut Client<T>>, bool) {
        let (place, forgot) = match self.places.get(&key) {
            Some(&place) => {
                if start > self.clients[place].start {
                    self.clients[place] = Client::new(key, start);
                }
                (place, false)
            }
            None if self.clients.len() < clients_max => {
                self.clients.push(Client::new(key, start));
                self.places.insert(key, self.clients.len() - 1);
                (self.clients.len() - 1, false)
            }
            None => {
                let place = self.least();
                self.places.remove(&self.clients[place].key);
                self.clients[place] = Client::new(key, start);
                self.places.insert(key, place);
                (place, true)
            }
        };
        let client = &mut self.clients[place];
        ((client.start == start).then_some(client), forgot)
    }

    fn least(&mut self) -> usize {
        let length = self.clients.len();
        let first = self.hand;
        self.hand = (self.hand + SAMPLE) % length;
        (0..SAMPLE.min(length))
            .map(|step| (first + step) % length)
            .min_by_key(|&place| (self.clients[place].start, self.clients[place].requests()))
            .expect("a full shard has clients")
    }
}

impl<T: Default> Online<T> {
    /// `bytes_max` bounds the memory of all clients.
    pub fn new(window_us: i64, seed: u64, bytes_max: usize) -> Online<T> {
        let shard = || {
            Mutex::new(Shard {
                places: AHashMap::new(),
                clients: Vec::new(),
                hand: 0,
            })
        };
        Online {
            window_us: window_us.max(super::cell::SLOTS as i64),
            seed,
            shards: (0..SHARDS).map(|_| shard()).collect(),
            clients_max: (bytes_max / CLIENT_BYTES / SHARDS).max(SAMPLE),
            hasher: RandomState::new(),
            asked: AtomicI64::new(i64::MIN),
            forgotten: AtomicU64::new(0),
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard<T>> {
        self.shards[key as usize % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds one request in and hands its client's window to `then`, under the shard's lock; `None`
    /// when the request belongs to a window before the client's newest.
    pub fn ask<R>(
        &self,
        (tenant, client): (&TenantId, &str),
        ts: Micros,
        asked: &Asked<'_>,
        then: impl FnOnce(Window<'_>, &mut T) -> R,
    ) -> Option<R> {
        self.asked.store(ts.0, Ordering::Relaxed);
        let request = Request {
            uri: Some(asked.uri),
            path_hash: Some(distinct::hash(self.seed, super::cell::path(asked.uri).as_bytes())),
            ua: Some(asked.ua.unwrap_or_default()),
            method: Some(asked.method),
            status: None,
            bytes_in: None,
            bytes_out: None,
            entropy: super::query_entropy(asked.uri),
        };
        let start = ts.floor_to(self.window_us);
        let key = self.hasher.hash_one((tenant.as_str(), client));
        let mut shard = self.shard(key);
        let (found, forgot) = shard.client(key, start, self.clients_max);
        self.forgotten.fetch_add(u64::from(forgot), Ordering::Relaxed);
        let client = found?;
        client.inline.add(slot(ts, start, self.window_us), &request);
        let mut state = std::mem::take(&mut client.state);
        let window = Window {
            start,
            window_us: self.window_us,
            cell: client.known(),
        };
        let result = then(window, &mut state);
        client.state = state;
        Some(result)
    }

    /// Folds in the requests of an access log that can belong to a window that was asked about.
    pub fn observe(&self, batch: &EventBatch) {
        let asked = self.asked.load(Ordering::Relaxed);
        let recent = asked.saturating_sub(self.window_us);
        let times = batch.ts();
        if asked == i64::MIN || batch.ts_range().is_none_or(|(_, newest)| newest < recent) {
            return;
        }
        let columns = Columns::of(batch);
        for row in 0..batch.rows() {
            let ts = Micros(times.value(row));
            let Some(client) = columns.client(row).filter(|_| ts.0 >= recent) else {
                continue;
            };
            let request = columns.request(row, self.seed);
            let start = ts.floor_to(self.window_us);
            let key = self.hasher.hash_one((batch.tenant.as_str(), &*client));
            let mut shard = self.shard(key);
            let (found, forgot) = shard.client(key, start, self.clients_max);
            self.forgotten.fetch_add(u64::from(forgot), Ordering::Relaxed);
            if let Some(cell) = found.and_then(|client| client.log(batch.dataset)) {
                cell.add(slot(ts, start, self.window_us), &request);
            }
        }
    }

    /// Clients that are remembered, and how many were forgotten to make room.
    pub fn clients(&self) -> (usize, u64) {
        let held = (0..SHARDS as u64).map(|key| self.shard(key).clients.len()).sum();
        (held, self.forgotten.load(Ordering::Relaxed))
    }
}
