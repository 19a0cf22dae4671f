//! The events of one client in one window, folded.

use super::COUNT;
use crate::distinct::Distinct;
use haetae_event::Micros;
use haetae_event::asset::is_asset;
use haetae_event::time::{DAY_US, SECOND_US};

/// Parts of a window that requests are counted by.
pub(crate) const SLOTS: usize = 60;
/// Paths counted exactly.
const PATHS_EXACT: usize = 64;
/// Entropy is summed in millibits.
const MILLI: f64 = 1_000.0;

/// One event, with what it has of the fields.
pub(crate) struct Request<'a> {
    pub(crate) uri: Option<&'a str>,
    pub(crate) path_hash: Option<u64>,
    /// Empty when the log has user agents and this one none; `None` when it has no such field.
    pub(crate) ua: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) status: Option<i32>,
    pub(crate) bytes_in: Option<u64>,
    pub(crate) bytes_out: Option<u64>,
    pub(crate) entropy: Option<f64>,
}

/// A mean in the making: whole numbers, so that order does not matter; at the largest number it stays.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    total: u64,
    largest: u64,
}

impl Sum {
    fn add(&mut self, value: u64) {
        self.count += 1;
        self.total = self.total.saturating_add(value);
        self.largest = self.largest.max(value);
    }

    fn mean(&self) -> f64 {
        if self.count == 0 {
            f64::NAN
        } else {
            self.total as f64 / self.count as f64
        }
    }

    fn largest(&self) -> f64 {
        if self.count == 0 {
            f64::NAN
        } else {
            self.largest as f64
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Cell {
    slots: [u32; SLOTS],
    requests: u64,
    paths: Distinct,
    uri_len: Sum,
    params: Sum,
    escapes: Sum,
    assets: Sum,
    ua_len: Sum,
    ua_empty: Sum,
    entropy: Sum,
    errors: Sum,
    server_errors: Sum,
    denied: Sum,
    not_found: Sum,
    writes: Sum,
    odd_methods: Sum,
    bytes_in: Sum,
    bytes_out: Sum,
}

/// What stands before the query.
pub(crate) fn path(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or_default()
}

fn params(uri: &str) -> u64 {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter(|part| !part.is_empty()).count() as u64
}

impl Cell {
    pub(crate) fn new() -> Cell {
        Cell {
            slots: [0; SLOTS],
            requests: 0,
            paths: Distinct::new(PATHS_EXACT + 1),
            uri_len: Sum::default(),
            params: Sum::default(),
            escapes: Sum::default(),
            assets: Sum::default(),
            ua_len: Sum::default(),
            ua_empty: Sum::default(),
            entropy: Sum::default(),
            errors: Sum::default(),
            server_errors: Sum::default(),
            denied: Sum::default(),
            not_found: Sum::default(),
            writes: Sum::default(),
            odd_methods: Sum::default(),
            bytes_in: Sum::default(),
            bytes_out: Sum::default(),
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    pub(crate) fn add(&mut self, slot: usize, request: &Request<'_>) {
        self.requests += 1;
        let slot = &mut self.slots[slot.min(SLOTS - 1)];
        *slot = slot.saturating_add(1);
        if let Some(uri) = request.uri {
            self.uri_len.add(uri.len() as u64);
            self.params.add(params(uri));
            self.escapes
                .add(uri.bytes().filter(|b| *b == b'%').count() as u64);
            self.assets.add(u64::from(is_asset(uri)));
        }
        if let Some(hash) = request.path_hash {
            self.paths.add(hash);
        }
        if let Some(ua) = request.ua {
            let ua = if ua == "-" { "" } else { ua };
            self.ua_len.add(ua.len() as u64);
            self.ua_empty.add(u64::from(ua.is_empty()));
        }
        if let Some(method) = request.method {
            let is = |list: &[&str]| list.iter().any(|m| method.eq_ignore_ascii_case(m));
            let write = is(&["POST", "PUT", "PATCH", "DELETE"]);
            self.writes.add(u64::from(write));
            self.odd_methods
                .add(u64::from(!write && !is(&["GET", "HEAD", "OPTIONS"])));
        }
        if let Some(status) = request.status {
            self.errors.add(u64::from(status >= 400));
            self.server_errors.add(u64::from(status >= 500));
            self.denied.add(u64::from([401, 403, 429].contains(&status)));
            self.not_found.add(u64::from([404, 410].contains(&status)));
        }
        if let Some(entropy) = request.entropy.filter(|entropy| entropy.is_finite()) {
            self.entropy.add((entropy.clamp(0.0, 8.0) * MILLI).round() as u64);
        }
        request
            .bytes_in
            .into_iter()
            .for_each(|bytes| self.bytes_in.add(bytes));
        request
            .bytes_out
            .into_iter()
            .for_each(|bytes| self.bytes_out.add(bytes));
    }

    /// Mean, and standard deviation over mean, of the times between requests.
    fn intervals(&self, slot_s: f64) -> (f64, f64) {
        let occupied = |slot: &usize| self.slots[*slot] > 0;
        let mut last: Option<usize> = None;
        let (mut sum, mut squares) = (0u64, 0u64);
        for slot in (0..SLOTS).filter(occupied) {
            let gap = last.map_or(0, |last| (slot - last) as u64);
            sum += gap;
            squares += gap * gap;
            last = Some(slot);
        }
        if self.requests < 2 {
            return (f64::NAN, f64::NAN);
        }
        let gaps = (self.requests - 1) as f64;
        let mean = sum as f64 / gaps;
        let variance = (squares as f64 / gaps - mean * mean).max(0.0);
        let cv = if self.requests > 2 && mean > 0.0 {
            variance.sqrt() / mean
        } else {
            f64::NAN
        };
        (mean * slot_s, cv)
    }

    fn distinct_share(&self) -> f64 {
        if self.uri_len.count == 0 {
            return f64::NAN;
        }
        (self.paths.count() / self.uri_len.count as f64).min(1.0)
    }

    /// In the order of [`super::FEATURES`].
    pub(crate) fn values(&self, start: Micros, window_us: i64) -> [f64; COUNT] {
        let slot_s = window_us as f64 / SECOND_US as f64 / SLOTS as f64;
        let (interval, cv) = self.intervals(slot_s);
        let burst = self.slots.iter().max().copied().unwrap_or(0);
        let active = self.slots.iter().filter(|count| **count > 0).count();
        let day = start.0.rem_euclid(DAY_US) as f64 / DAY_US as f64 * std::f64::consts::TAU;
        [
            self.requests as f64,
            interval,
            cv,
            f64::from(burst),
            active as f64 / SLOTS as f64,
            self.uri_len.mean(),
            self.uri_len.largest(),
            self.ua_len.mean(),
            self.ua_empty.mean(),
            self.distinct_share(),
            self.params.mean(),
            self.escapes.mean(),
            self.entropy.mean() / MILLI,
            self.entropy.largest() / MILLI,
            self.errors.mean(),
            self.server_errors.mean(),
            self.denied.mean(),
            self.not_found.mean(),
            self.assets.mean(),
            self.writes.mean(),
            self.odd_methods.mean(),
            self.bytes_out.mean(),
            self.bytes_in.mean(),
            day.sin(),
            day.cos(),
        ]
    }
}
