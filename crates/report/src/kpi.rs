//! The figures of a report, folded batch by batch in bounded memory.

use crate::latency::Latencies;
use crate::timeline::Timeline;
use crate::tops::Tops;
use arrow::array::{Array, Int32Array, Int64Array, StringViewArray};
use haetae_event::{Columns, Dataset, EventBatch, Micros};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Entries computed of each top list; texts print ten.
pub const TOPS: usize = 20;
/// Addresses counted exactly for `unique_ips`; beyond, an estimate (standard error 0.8 %).
pub const IPS_EXACT_MAX: usize = crate::tops::KEYS_EXACT_MAX;

/// The contract's figures. Request figures are over web datasets only; the WAF's records are
/// counted as requests only where no access log is present, since it sees the same requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kpi {
    /// First and last event time over all datasets.
    pub window: KpiWindow,
    pub by_dataset: BTreeMap<Dataset, DatasetTotals>,
    pub requests: u64,
    pub unique_ips: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique_ips_approximate: bool,
    /// Response bytes of the requests.
    pub bytes_out: u64,
    pub status: StatusClasses,
    /// (4xx + 5xx) / requests; `None` without requests.
    pub error_rate: Option<f64>,
    /// Hit and RefreshHit over requests that have a result type.
    pub cache_hit_ratio: Option<f64>,
    pub avg_time_taken_ms: Option<f64>,
    /// Nearest rank; exact up to [`crate::LATENCIES_EXACT_MAX`] values, then within 0.8 %.
    pub p95_time_taken_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub p95_approximate: bool,
    /// Paths without their query.
    pub top_paths: Vec<TopEntry>,
    pub top_ips: Vec<TopEntry>,
    pub top_user_agents: Vec<TopEntry>,
    pub top_referrers: Vec<TopEntry>,
    pub top_hosts: Vec<TopEntry>,
    /// Gap-free, in buckets of [`Kpi::timeline_width_us`].
    pub timeline: Vec<TimelinePoint>,
    #[serde(skip)]
    pub timeline_width_us: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KpiWindow {
    pub start: Option<Micros>,
    pub end: Option<Micros>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetTotals {
    pub events: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Requests by class of status; `other`: 1xx, none, or out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusClasses {
    #[serde(rename = "2xx")]
    pub s2xx: u64,
    #[serde(rename = "3xx")]
    pub s3xx: u64,
    #[serde(rename = "4xx")]
    pub s4xx: u64,
    #[serde(rename = "5xx")]
    pub s5xx: u64,
    pub other: u64,
}

/// One line of a top list. The key is log text: escape at exit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopEntry {
    pub key: String,
    pub count: u64,
    /// The list is sketched: the count may be too large.
    #[serde(default, skip_serializing_if = "is_false")]
    pub approximate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelinePoint {
    pub ts: Micros,
    pub requests: u64,
    /// 4xx and 5xx.
    pub errors: u64,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Folds batches into figures. Any order of batches gives the same figures while the tops are
/// exact ([`crate::KEYS_EXACT_MAX`] keys a list).
#[derive(Default)]
pub struct KpiAccumulator {
    window: Option<(i64, i64)>,
    by_dataset: BTreeMap<Dataset, DatasetTotals>,
    /// CloudFront, load balancers and web servers.
    access: Option<Box<Figures>>,
    waf: Option<Box<Figures>>,
}

#[derive(Default)]
struct Figures {
    requests: u64,
    status: [u64; 5],
    bytes_out: u64,
    cache_seen: u64,
    cache_hits: u64,
    latencies: Latencies,
    paths: Tops,
    ips: Tops,
    agents: Tops,
    referrers: Tops,
    hosts: Tops,
    timeline: Timeline,
}

impl KpiAccumulator {
    pub fn new() -> Self {
        KpiAccumulator::default()
    }

    /// The columns that [`KpiAccumulator::observe`] reads.
    pub fn columns() -> Columns {
        Columns::only([
            "ts",
            "src_ip",
            "dst_host",
            "uri",
            "status",
            "ua",
            "bytes_in",
            "bytes_out",
            "x_edge_result_type",
            "time_taken",
            "request_time",
            "target_processing_time",
            "backend_processing_time",
            "cs_referer",
            "http_referer",
        ])
    }

    /// Counts every row of the batch. Absent columns read as all null.
    pub fn observe(&mut self, batch: &EventBatch) {
        let Some((low, high)) = batch.ts_range() else {
            return;
        };
        let window = self.window.get_or_insert((low, high));
        *window = (window.0.min(low), window.1.max(high));
        let bytes_out = batch.i64("bytes_out").map_or(0, sum);
        let totals = self.by_dataset.entry(batch.dataset).or_default();
        totals.events += batch.rows() as u64;
        totals.bytes_in = totals
            .bytes_in
            .saturating_add(batch.i64("bytes_in").map_or(0, sum));
        totals.bytes_out = totals.bytes_out.saturating_add(bytes_out);
        let figures = match batch.dataset {
            Dataset::Waf => &mut self.waf,
            dataset if dataset.is_web() => &mut self.access,
            _ => return,
        };
        figures.get_or_insert_default().observe(batch, bytes_out);
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: KpiAccumulator) {
        if let Some((low, high)) = other.window {
            let window = self.window.get_or_insert((low, high));
            *window = (window.0.min(low), window.1.max(high));
        }
        for (dataset, more) in other.by_dataset {
            let totals = self.by_dataset.entry(dataset).or_default();
            totals.events += more.events;
            totals.bytes_in = totals.bytes_in.saturating_add(more.bytes_in);
            totals.bytes_out = totals.bytes_out.saturating_add(more.bytes_out);
        }
        for (mine, theirs) in [(&mut self.access, other.access), (&mut self.waf, other.waf)] {
            match (mine.as_mut(), theirs) {
                (Some(mine), Some(theirs)) => mine.merge(*theirs),
                (None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
    }

    pub fn finish(self) -> Kpi {
        let window = KpiWindow {
            start: self.window.map(|w| Micros(w.0)),
            end: self.window.map(|w| Micros(w.1)),
        };
        let figures = self.access.or(self.waf).unwrap_or_default();
        Kpi {
            window,
            by_dataset: self.by_dataset,
            ..figures.finish()
        }
    }
}

/// Where a dataset says how long a request took, and how many of its units are a second. Load
/// balancers tell the time of what stands behind them apart; only that is taken.
fn time_taken(dataset: Dataset) -> Option<(&'static str, f64)> {
    match dataset {
        Dataset::CloudFront => Some(("time_taken", 1.0)),
        Dataset::Iis => Some(("time_taken", 1_000.0)),
        Dataset::Web => Some(("request_time", 1.0)),
        Dataset::Alb => Some(("target_processing_time", 1.0)),
        Dataset::Elb => Some(("backend_processing_time", 1.0)),
        _ => None,
    }
}

impl Figures {
    fn observe(&mut self, batch: &EventBatch, bytes_out: u64) {
        self.requests += batch.rows() as u64;
        self.bytes_out = self.bytes_out.saturating_add(bytes_out);
        self.observe_status(batch);
        if let Some(results) = batch.str("x_edge_result_type") {
            for result in results.iter().flatten().filter(|result| is_told(result)) {
                self.cache_seen += 1;
                self.cache_hits += u64::from(matches!(result, "Hit" | "RefreshHit"));
            }
        }
        if let Some((column, per_second)) = time_taken(batch.dataset)
            && let Some(times) = batch.f64(column)
        {
            times
                .iter()
                .flatten()
                .for_each(|time| self.latencies.add_seconds(time / per_second));
        }
        if let Some(uris) = batch.str("uri") {
            count(uris, &mut self.paths, |uri| {
                uri.split_once('?').map_or(uri, |(path, _)| path)
            });
        }
        for (name, tops) in [
            ("src_ip", &mut self.ips),
            ("ua", &mut self.agents),
            ("cs_referer", &mut self.referrers),
            ("dst_host", &mut self.hosts),
        ] {
            if let Some(values) = batch.str(name) {
                count(values, tops, |value| value);
            }
        }
        if let Some(values) = batch.str("http_referer") {
            count(values, &mut self.referrers, |value| value);
        }
    }

    fn observe_status(&mut self, batch: &EventBatch) {
        let times = batch.ts().values();
        let Some(status) = batch.i32("status") else {
            self.status[4] += times.len() as u64;
            times.iter().for_each(|&ts| self.timeline.add(ts, false));
            return;
        };
        for (row, &ts) in times.iter().enumerate() {
            let class = class(status, row);
            self.status[class] += 1;
            self.timeline.add(ts, matches!(class, 2 | 3));
        }
    }

    fn merge(&mut self, other: Figures) {
        self.requests += other.requests;
        for (mine, theirs) in self.status.iter_mut().zip(other.status) {
            *mine += theirs;
        }
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.cache_seen += other.cache_seen;
        self.cache_hits += other.cache_hits;
        self.latencies.merge(&other.latencies);
        self.paths.merge(&other.paths);
        self.ips.merge(&other.ips);
        self.agents.merge(&other.agents);
        self.referrers.merge(&other.referrers);
        self.hosts.merge(&other.hosts);
        self.timeline.merge(other.timeline);
    }

    fn finish(self) -> Kpi {
        let [s2xx, s3xx, s4xx, s5xx, other] = self.status;
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let (points, width_us) = self.timeline.finish();
        Kpi {
            requests: self.requests,
            unique_ips: self.ips.distinct(),
            unique_ips_approximate: self.ips.is_approximate(),
            bytes_out: self.bytes_out,
            status: StatusClasses {
                s2xx,
                s3xx,
                s4xx,
                s5xx,
                other,
            },
            error_rate: ratio(s4xx + s5xx, self.requests),
            cache_hit_ratio: ratio(self.cache_hits, self.cache_seen),
            avg_time_taken_ms: self.latencies.mean_ms(),
            p95_time_taken_ms: self.latencies.p95_ms(),
            p95_approximate: self.latencies.is_approximate(),
            top_paths: entries(&self.paths),
            top_ips: entries(&self.ips),
            top_user_agents: entries(&self.agents),
            top_referrers: entries(&self.referrers),
            top_hosts: entries(&self.hosts),
            timeline: points
                .into_iter()
                .map(|(ts, requests, errors)| TimelinePoint { ts, requests, errors })
                .collect(),
            timeline_width_us: width_us,
            ..Kpi::default()
        }
    }
}

/// Index into the classes 2xx, 3xx, 4xx, 5xx, other.
#[inline]
fn class(status: &Int32Array, row: usize) -> usize {
    match status.values()[row] {
        200..=299 if status.is_valid(row) => 0,
        300..=399 if status.is_valid(row) => 1,
        400..=499 if status.is_valid(row) => 2,
        500..=599 if status.is_valid(row) => 3,
        _ => 4,
    }
}

fn count<'a>(values: &'a StringViewArray, tops: &mut Tops, key: impl Fn(&'a str) -> &'a str) {
    for value in values.iter().flatten() {
        let key = key(value);
        if is_told(key) {
            tops.count(key);
        }
    }
}

/// Formats write `-` for what is not there.
#[inline]
fn is_told(value: &str) -> bool {
    !matches!(value, "" | "-")
}

/// Sum of what is not null; a negative count of bytes is a lie and counts as nothing.
fn sum(values: &Int64Array) -> u64 {
    values.iter().flatten().fold(0, |sum: u64, value| {
        sum.saturating_add(u64::try_from(value).unwrap_or(0))
    })
}

fn entries(tops: &Tops) -> Vec<TopEntry> {
    let approximate = tops.is_approximate();
    tops.top(TOPS)
        .into_iter()
        .map(|(key, count)| TopEntry {
            key,
            count,
            approximate,
        })
        .collect()
}
