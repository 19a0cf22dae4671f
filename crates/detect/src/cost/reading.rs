//! Columns of a batch as units of usage.
//!
//! Sources of the field values: CloudFront Developer Guide, "Standard log file fields"
//! (`x-edge-result-type`, `cs-protocol`); Elastic Load Balancing guide (`type`).

use super::options::CostMeter;
use super::usage::Unit;
use crate::engine::value::{Column, Value};
use haetae_event::asset::is_asset;
use haetae_event::{Dataset, EventBatch};

/// Columns that the meter reads.
pub const COLUMNS: &[&str] = &[
    "dst_host",
    "method",
    "uri",
    "status",
    "ua",
    "bytes_in",
    "bytes_out",
    "account",
    "src_asn",
    "x_edge_result_type",
    "cs_protocol",
    "sc_range_end",
];

/// Where the bytes of the response came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    Hit,
    Miss,
    /// The log does not say.
    Unknown,
}

/// The columns of one batch.
pub struct Reading<'a> {
    dataset: Dataset,
    pub host: Column<'a>,
    method: Column<'a>,
    pub uri: Column<'a>,
    status: Column<'a>,
    pub ua: Column<'a>,
    bytes_in: Column<'a>,
    bytes_out: Column<'a>,
    pub account: Column<'a>,
    pub asn: Column<'a>,
    result: Column<'a>,
    protocol: Column<'a>,
    range_end: Column<'a>,
}

/// What one row holds beside its units.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub unit: Unit,
    pub cache: Cache,
    /// GET or HEAD.
    pub reads: bool,
    /// Answered with 2xx.
    pub served: bool,
    /// Last byte of the part asked for, and whole answers their length: a lower bound of the
    /// object's size.
    pub reach: u64,
}

impl<'a> Reading<'a> {
    /// `None` for datasets without requests to a site.
    pub fn new(batch: &'a EventBatch) -> Option<Reading<'a>> {
        let dataset = batch.dataset;
        dataset.is_web().then(|| Reading {
            dataset,
            host: Column::of(batch, "dst_host"),
            method: Column::of(batch, "method"),
            uri: Column::of(batch, "uri"),
            status: Column::of(batch, "status"),
            ua: Column::of(batch, "ua"),
            bytes_in: Column::of(batch, "bytes_in"),
            bytes_out: Column::of(batch, "bytes_out"),
            account: Column::of(batch, "account"),
            asn: Column::of(batch, "src_asn"),
            result: Column::of(batch, "x_edge_result_type"),
            protocol: Column::of(batch, "cs_protocol"),
            range_end: Column::of(batch, "sc_range_end"),
        })
    }

    pub fn row(&self, row: usize) -> Row {
        let status = match self.status.value(row) {
            Value::Int(status) => status,
            _ => 0,
        };
        let method = match self.method.value(row) {
            Value::Text(method) => method,
            _ => "",
        };
        let reads = matches!(method, "GET" | "HEAD" | "");
        let changes = matches!(method, "POST" | "PUT" | "PATCH" | "DELETE");
        let account = !matches!(self.account.value(row), Value::Null);
        let cache = match self.result.value(row) {
            Value::Text(result) => cache_of(result),
            _ => Cache::Unknown,
        };
        let balancer = matches!(self.dataset, Dataset::Alb | Dataset::Elb);
        let firewall = self.dataset == Dataset::Waf;
        let edge = !balancer && !firewall;
        let bytes_out = amount(&self.bytes_out, row);
        let unit = Unit {
            edge,
            plain_http: edge && matches!(self.protocol.value(row), Value::Text("http" | "ws")),
            waf: firewall,
            balancer,
            origin: edge && cache == Cache::Miss,
            valued: account || (changes && (200..400).contains(&status)),
            declared: false,
            bytes_in: u32::try_from(amount(&self.bytes_in, row)).unwrap_or(u32::MAX),
            bytes_out,
            agent: 0,
        };
        let range = amount(&self.range_end, row);
        Row {
            unit,
            cache,
            reads,
            served: (200..300).contains(&status),
            reach: if range > 0 { range + 1 } else { bytes_out },
        }
    }
}

/// A count of bytes; what is negative or absent is none.
fn amount(column: &Column<'_>, row: usize) -> u64 {
    match column.value(row) {
        Value::Int(n) => u64::try_from(n).unwrap_or(0),
        _ => 0,
    }
}

/// Hit and RefreshHit are answered from the cache; errors and redirects of the edge cost the
/// origin nothing.
fn cache_of(result: &str) -> Cache {
    match result {
        "Hit" | "RefreshHit" | "OriginShieldHit" => Cache::Hit,
        "Miss" => Cache::Miss,
        _ => Cache::Unknown,
    }
}

/// Whether a path names a file that is the same for everybody: an asset, or a download.
pub fn is_static(path: &str) -> bool {
    const DOWNLOADS: [&str; 15] = [
        "mov", "m4a", "wav", "zip", "gz", "tgz", "7z", "rar", "exe", "msi", "dmg", "apk", "iso", "bin", "img",
    ];
    let extension = crate::engine::value::extension(path);
    is_asset(path)
        || DOWNLOADS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
}

/// Whether a user agent says that it is no person's browser: crawlers, monitors, previews.
pub fn is_declared(agent: &str) -> bool {
    const WORDS: &[&str] = &[
        "bot",
        "crawl",
        "spider",
        "slurp",
        "monitor",
        "uptime",
        "pingdom",
        "health",
        "preview",
        "facebookexternalhit",
        "yeti",
        "daum",
    ];
    let lower = agent.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

impl CostMeter {
    pub fn bytes_max(&self) -> usize {
        self.memory_mib.saturating_mul(1 << 20)
    }
}
