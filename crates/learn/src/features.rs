//! What one client did in one window of event time, as numbers.
//!
//! The rows are a function of the set of events: sums are whole numbers, intervals come from counts
//! per sixtieth of the window, and which clients are kept when there are too many is decided by a
//! keyed hash of tenant, client and window. Order, batches and files change nothing.
//!
//! Times are used to a sixtieth of the window (one second of the default minute) on purpose: logs
//! of one-second times and of microsecond times then give the same numbers.
//!
//! A request that stands in the logs of several datasets counts once: of each client's window the
//! dataset with the most requests speaks (`cells`).
//!
//! What is here: the list of names ([`FEATURES`]), [`Extractor`]; `cell` folds the events of one
//! window, `changes` tells which windows are to be judged anew, [`online`] keeps the window in which
//! each client is now.
//!
//! What is not here: which windows are judged, by which model.

mod cell;
mod cells;
mod changes;
pub mod online;

pub use changes::Changed;

use crate::distinct;
use arrow::array::{Array, FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array, StringViewArray};
use cell::Request;
use cells::Cells;
use haetae_event::identity::{digest, hex};
use haetae_event::signature::payload_entropy;
use haetae_event::time::MINUTE_US;
use haetae_event::{EventBatch, Micros, TenantId};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Number of features of a window.
pub const COUNT: usize = 25;

/// The features of a window in the order of its row, with what they mean. Shares are of the
/// window's requests that have the field; a feature whose field no request has is missing (NaN).
pub const FEATURES: [(&str, &str); COUNT] = [
    ("req_count", "requests"),
    (
        "interval_mean_s",
        "mean time between requests, seconds; missing with one request",
    ),
    (
        "interval_cv",
        "standard deviation of the times between requests over their mean: 0 is a metronome, 1 chance, \
         more is bursts; missing below three requests or when all fall together",
    ),
    ("burst_max", "most requests in one sixtieth of the window"),
    ("active_share", "sixtieths of the window with a request"),
    ("uri_len_mean", "length of path and query, bytes"),
    ("uri_len_max", "length of the longest path and query, bytes"),
    (
        "ua_len_mean",
        "length of the user agent, bytes; an absent one counts 0",
    ),
    ("ua_empty_share", "requests without a user agent"),
    (
        "path_distinct_share",
        "different paths over requests; exact to 64 paths, an estimate above",
    ),
    ("query_params_mean", "parameters in the query"),
    ("escapes_mean", "percent signs in path and query"),
    (
        "entropy_mean",
        "mean `payload_entropy`, bits a byte; of the query where there is no such column",
    ),
    ("entropy_max", "largest `payload_entropy`, bits a byte"),
    ("error_share", "answers of 400 and above"),
    ("server_error_share", "answers of 500 and above"),
    ("denied_share", "answers 401, 403 and 429"),
    ("not_found_share", "answers 404 and 410"),
    (
        "asset_share",
        "requests for images, styles, scripts, fonts and media, by extension",
    ),
    ("write_share", "POST, PUT, PATCH and DELETE"),
    (
        "odd_method_share",
        "methods other than those, GET, HEAD and OPTIONS",
    ),
    ("bytes_out_mean", "bytes answered"),
    ("bytes_in_mean", "bytes received"),
    (
        "hour_sin",
        "hour of the day (UTC) of the window's start, on a circle",
    ),
    (
        "hour_cos",
        "hour of the day (UTC) of the window's start, on a circle",
    ),
];

/// The names alone, as [`crate::Forest::fit`] takes them.
pub fn names() -> Vec<String> {
    FEATURES.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// How windows are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Length of a window; windows start at multiples of it. At least 60 µs.
    pub window_us: i64,
    /// Most windows of time held at once; beyond, the oldest go.
    pub windows_max: usize,
    /// Most clients of one window, about 1 KiB each for each dataset that tells of them; beyond, those with the largest hashes go.
    pub clients_max: usize,
    /// Key of the hash, so that nobody outside can choose an address that is never kept.
    pub seed: u64,
}

impl Default for Options {
    /// Windows of a minute, 64 at once, 2,000 clients each: at most about 128 MiB.
    fn default() -> Self {
        Options {
            window_us: MINUTE_US,
            windows_max: 64,
            clients_max: 2_000,
            seed: 0,
        }
    }
}

/// Who and when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    pub tenant: TenantId,
    /// `src_ip`, else `src_key` in hexadecimal.
    pub client: String,
    pub start: Micros,
}

impl WindowKey {
    /// Uniform over keys, the same for the same seed.
    pub(crate) fn rank(tenant: &TenantId, client: &str, start: Micros, seed: u64) -> [u8; 16] {
        let full = digest(&[
            b"window-v1",
            &seed.to_le_bytes(),
            tenant.as_str().as_bytes(),
            client.as_bytes(),
            &start.0.to_le_bytes(),
        ]);
        let mut rank = [0; 16];
        rank.copy_from_slice(&full[..16]);
        rank
    }
}

/// One window as a row of [`COUNT`] numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowRow {
    pub key: WindowKey,
    pub values: [f64; COUNT],
}

/// Where the events went: `events = kept + not_web + without_client + crowded_out`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub events: u64,
    /// In windows that are held or were drained.
    pub kept: u64,
    /// Of datasets that are not requests to a site.
    pub not_web: u64,
    pub without_client: u64,
    /// Of clients and windows that `clients_max` and `windows_max` pushed out.
    pub crowded_out: u64,
}

/// Folds batches into windows.
#[derive(Clone, Debug)]
pub struct Extractor {
    options: Options,
    windows: BTreeMap<Micros, Clients>,
    /// Cells of all windows: one a client and dataset.
    cells: usize,
    seen: Seen,
    /// Starts of windows with cells that changed since they were taken.
    dirty: BTreeSet<Micros>,
    /// Windows that were taken and had to go since.
    gone: Vec<WindowKey>,
    /// What lies before is let go for good.
    floor: Micros,
}

/// The clients of one window by the hash of their key.
type Clients = BTreeMap<[u8; 16], Held>;

/// One client's window.
#[derive(Clone, Debug)]
struct Held {
    key: WindowKey,
    cell: Cells,
    /// Since it was taken, or never taken.
    changed: bool,
    taken: bool,
}

/// The columns of a batch that features are made of.
struct Columns<'a> {
    ip: Option<&'a StringViewArray>,
    key: Option<&'a FixedSizeBinaryArray>,
    uri: Option<&'a StringViewArray>,
    ua: Option<&'a StringViewArray>,
    method: Option<&'a StringViewArray>,
    status: Option<&'a Int32Array>,
    bytes_in: Option<&'a Int64Array>,
    bytes_out: Option<&'a Int64Array>,
    entropy: Option<&'a Float64Array>,
}

fn text(column: Option<&StringViewArray>, row: usize) -> Option<&str> {
    column.filter(|c| c.is_valid(row)).map(|c| c.value(row))
}

/// As normalising computes `payload_entropy` of logs that bring none.
fn query_entropy(uri: &str) -> Option<f64> {
    payload_entropy(uri.split_once('?')?.1.as_bytes())
}

/// The part of the window from `start` that `ts` lies in.
fn slot(ts: Micros, start: Micros, window_us: i64) -> usize {
    let into_window = i128::from(ts.0) - i128::from(start.0);
    (into_window * cell::SLOTS as i128 / i128::from(window_us)) as usize
}

impl<'a> Columns<'a> {
    fn of(batch: &'a EventBatch) -> Columns<'a> {
        let key = batch.column("src_key");
        Columns {
            ip: batch.str("src_ip"),
            key: key.and_then(|c| c.as_any().downcast_ref()),
            uri: batch.str("uri"),
            ua: batch.str("ua"),
            method: batch.str("method"),
            status: batch.i32("status"),
            bytes_in: batch.i64("bytes_in"),
            bytes_out: batch.i64("bytes_out"),
            entropy: batch.f64("payload_entropy"),
        }
    }

    fn client(&self, row: usize) -> Option<Cow<'a, str>> {
        if let Some(ip) = self.ip.filter(|c| c.is_valid(row)) {
            return Some(ip.value(row).into());
        }
        let key = self.key.filter(|c| c.is_valid(row))?;
        Some(hex(key.value(row)).into())
    }

    fn request(&self, row: usize, seed: u64) -> Request<'a> {
        let number = |column: Option<&Int64Array>| {
            let value = column.filter(|c| c.is_valid(row)).map(|c| c.value(row));
            value.and_then(|value| u64::try_from(value).ok())
        };
        let uri = text(self.uri, row);
        Request {
            uri,
            path_hash: uri.map(|uri| distinct::hash(seed, cell::path(uri).as_bytes())),
            ua: self.ua.map(|_| text(self.ua, row).unwrap_or_default()),
            method: text(self.method, row),
            status: self.status.filter(|c| c.is_valid(row)).map(|c| c.value(row)),
            bytes_in: number(self.bytes_in),
            bytes_out: number(self.bytes_out),
            entropy: match self.entropy {
                Some(column) => column.is_valid(row).then(|| column.value(row)),
                None => uri.and_then(query_entropy),
            },
        }
    }
}

impl Extractor {
    pub fn new(options: Options) -> Extractor {
        let options = Options {
            window_us: options.window_us.max(cell::SLOTS as i64),
            windows_max: options.windows_max.max(1),
            clients_max: options.clients_max.max(1),
            ..options
        };
        Extractor {
            options,
            windows: BTreeMap::new(),
            cells: 0,
            seen: Seen::default(),
            dirty: BTreeSet::new(),
            gone: Vec::new(),
            floor: Micros::MIN,
        }
    }

    pub fn observe(&mut self, batch: &EventBatch) {
        let rows = batch.rows() as u64;
        self.seen.events += rows;
        if !batch.dataset.is_web() {
            self.seen.not_web += rows;
            return;
        }
        let columns = Columns::of(batch);
        let times = batch.ts();
        let (window_us, seed) = (self.options.window_us, self.options.seed);
        for row in 0..batch.rows() {
            let Some(client) = columns.client(row) else {
                self.seen.without_client += 1;
                continue;
            };
            let ts = Micros(times.value(row));
            let start = ts.floor_to(window_us);
            let Some(held) = self.held(&batch.tenant, client, start) else {
                self.seen.crowded_out += 1;
                continue;
            };
            let dataset = batch.dataset;
            let more = held
                .cell
                .add(dataset, slot(ts, start, window_us), &columns.request(row, seed));
            if !std::mem::replace(&mut held.changed, true) {
                self.dirty.insert(start);
            }
            self.cells += usize::from(more);
            self.seen.kept += 1;
            self.make_room(start);
        }
    }

    /// Where this client's event of this window goes; `None` when smaller hashes or later windows
    /// fill the room. Once that is so for a client and window it stays so.
    fn held(&mut self, tenant: &TenantId, client: Cow<'_, str>, start: Micros) -> Option<&mut Held> {
        if start < self.floor {
            return None;
        }
        let full = self.windows.len() >= self.options.windows_max;
        if full
            && self
                .windows
                .first_key_value()
                .is_some_and(|(first, _)| start < *first)
        {
            return None;
        }
        let rank = WindowKey::rank(tenant, &client, start, self.options.seed);
        let clients = self.windows.entry(start).or_default();
        let full = clients.len() >= self.options.clients_max;
        if full
            && clients
                .last_key_value()
                .is_some_and(|(largest, _)| rank > *largest)
        {
            return None;
        }
        Some(clients.entry(rank).or_insert_with(|| Held {
            key: WindowKey {
                tenant: tenant.clone(),
                client: client.into_owned(),
                start,
            },
            cell: Cells::default(),
            changed: false,
            taken: false,
        }))
    }

    /// Drops what the newest cell, of the window `start`, has made too much.
    fn make_room(&mut self, start: Micros) {
        let mut gone = Vec::new();
        if let Some(clients) = self.windows.get_mut(&start)
            && clients.len() > self.options.clients_max
            && let Some((_, held)) = clients.pop_last()
        {
            gone.push(held);
        }
        if self.windows.len() > self.options.windows_max
            && let Some((start, clients)) = self.windows.pop_first()
        {
            self.dirty.remove(&start);
            gone.extend(clients.into_values());
        }
        for held in gone {
            self.cells -= held.cell.len();
            self.seen.kept -= held.cell.events();
            self.seen.crowded_out += held.cell.events();
            if held.taken {
                self.gone.push(held.key);
            }
        }
    }

    /// Takes out the windows that end at `until` or before, by key. Events that come later for one
    /// of them begin it anew: drain only what the source's lateness has closed.
    pub fn drain_closed(&mut self, until: Micros) -> Vec<WindowRow> {
        let first_open = until.saturating_sub(self.options.window_us - 1);
        let open = self.windows.split_off(&first_open);
        let closed = std::mem::replace(&mut self.windows, open);
        self.dirty = self.dirty.split_off(&first_open);
        let held: Vec<Held> = closed.into_values().flat_map(Clients::into_values).collect();
        self.cells -= held.iter().map(|held| held.cell.len()).sum::<usize>();
        let rows = held.into_iter().map(|held| self.row(held.key, &held.cell));
        sorted(rows.collect())
    }

    /// All windows held, by key.
    pub fn rows(&self) -> Vec<WindowRow> {
        let held = self.windows.values().flat_map(Clients::values);
        sorted(held.map(|held| self.row(held.key.clone(), &held.cell)).collect())
    }

    fn row(&self, key: WindowKey, cell: &Cells) -> WindowRow {
        let values = cell.values(key.start, self.options.window_us);
        WindowRow { key, values }
    }

    pub fn seen(&self) -> Seen {
        self.seen
    }
}

fn sorted(mut rows: Vec<WindowRow>) -> Vec<WindowRow> {
    rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    rows
}
