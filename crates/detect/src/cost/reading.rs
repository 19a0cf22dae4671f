//! Columns of a batch as units of usage.
//!
//! Sources of the field values: CloudFront Developer Guide, "Standard log file fields"
//! (`x-edge-result-type`, `cs-protocol`); Elastic Load Balancing guide (`type`).

use super::options::CostMeter;
use super::usage::Unit;
use crate::behaviours::paths::{PathEnds, Segments, normalised};
use crate::columns::{Numbers, Texts};
use haetae_event::asset::is_asset;
use haetae_event::{Dataset, EventBatch};
use std::sync::LazyLock;

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
    pub host: Texts<'a>,
    method: Texts<'a>,
    pub uri: Texts<'a>,
    status: Numbers<'a>,
    pub ua: Texts<'a>,
    bytes_in: Numbers<'a>,
    bytes_out: Numbers<'a>,
    pub account: Texts<'a>,
    asn: Numbers<'a>,
    result: Texts<'a>,
    protocol: Texts<'a>,
    range_end: Numbers<'a>,
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
            host: Texts::of(batch, "dst_host"),
            method: Texts::of(batch, "method"),
            uri: Texts::of(batch, "uri"),
            status: Numbers::of(batch, "status"),
            ua: Texts::of(batch, "ua"),
            bytes_in: Numbers::of(batch, "bytes_in"),
            bytes_out: Numbers::of(batch, "bytes_out"),
            account: Texts::accounts(batch),
            asn: Numbers::of(batch, "src_asn"),
            result: Texts::of(batch, "x_edge_result_type"),
            protocol: Texts::of(batch, "cs_protocol"),
            range_end: Numbers::of(batch, "sc_range_end"),
        })
    }

    /// The network of the client, 0 where it is not known.
    #[inline]
    pub fn asn(&self, row: usize) -> u32 {
        let asn = self.asn.exact(row);
        asn.and_then(|asn| u32::try_from(asn).ok()).unwrap_or(0)
    }

    #[inline]
    pub fn row(&self, row: usize) -> Row {
        let status = self.status.exact(row).unwrap_or(0);
        let method = self.method.get(row).unwrap_or("");
        let reads = matches!(method, "GET" | "HEAD" | "");
        let changes = !reads && matches!(method, "POST" | "PUT" | "PATCH" | "DELETE");
        let account = self.account.get(row).is_some();
        let uri = self.uri.get(row).unwrap_or("");
        let cache = self.result.get(row).map_or(Cache::Unknown, cache_of);
        let balancer = matches!(self.dataset, Dataset::Alb | Dataset::Elb);
        let firewall = self.dataset == Dataset::Waf;
        let edge = !balancer && !firewall;
        let bytes_out = amount(&self.bytes_out, row);
        let unit = Unit {
            edge,
            plain_http: edge && matches!(self.protocol.get(row), Some("http" | "ws")),
            waf: firewall,
            balancer,
            origin: edge && cache == Cache::Miss,
            valued: account || (changes && does_business(uri, status)),
            visits: account || is_asset(uri),
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
#[inline]
fn amount(column: &Numbers<'_>, row: usize) -> u64 {
    let amount = column.exact(row);
    amount.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// Whether a request that changes something went through as an order, a payment or a log-in: any
/// other that succeeds costs an attacker nothing. A form that is shown again answers 200 as well, so
/// that a log-in is one that led on.
fn does_business(uri: &str, status: i64) -> bool {
    static WAYS: LazyLock<[PathEnds; 2]> = LazyLock::new(|| {
        let ends = |names: &str| {
            let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
            PathEnds::new(&names)
        };
        [
            ends(
                "reservations reservation reserve orders order bookings booking book payments payment pay charge charges capture purchase payment/confirm payments/confirm payment/complete payments/complete payment/approve payments/approve",
            ),
            ends("login log-in signin sign-in sign_in session sessions oauth/token auth/token wp-login"),
        ]
    });
    let went_through = |way: usize| {
        let path = normalised(uri);
        WAYS[way].fit(&Segments::of(&path).without_ids())
    };
    match status {
        200..300 => went_through(0),
        300..400 => went_through(0) || went_through(1),
        _ => false,
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
