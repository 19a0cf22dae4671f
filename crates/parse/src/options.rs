//! What a caller may choose about parsing, and the limits that keep hostile input small.

use crate::parser::{Blueprint, Candidates};
use crate::zone::LocalZone;
use haetae_event::inside::Inside;
use haetae_event::net::ClientIpPolicy;
use haetae_event::{Columns, Dataset, Micros};
use std::sync::Arc;

/// Choices that hold for one input.
#[derive(Clone, Debug)]
pub struct ParseOptions {
    /// Columns to build; one that is not wanted costs nothing. `ts` is always built.
    pub columns: Columns,
    /// Values inside JSON to hand over beside the columns, for formats that read JSON anyway; see
    /// [`haetae_event::inside`]. Nothing by default.
    pub inside: Inside,
    /// How the client is found behind trusted proxies.
    pub client_ip: ClientIpPolicy,
    /// What the sender says JSON records are ([`Dataset::Web`] or [`Dataset::App`]); else it is
    /// told from the keys of the first ones.
    pub dataset: Option<Dataset>,
    /// Field list for delimited input without a header line (VPC Flow Logs, CloudFront v2 `plain`
    /// and real-time, W3C): `${version} ${srcaddr} …`, or the names with spaces or commas between.
    pub flow_format: Option<String>,
    /// What stands between the fields of CloudFront and W3C lines; `None`: told from the rows.
    pub delimiter: Option<u8>,
    /// Zone of times that name none, in syslog, CEF, LEEF, logfmt, JSON records and users' parsers
    /// that do not say theirs; `None` is UTC. Formats whose documents say UTC are not touched.
    pub time_zone: Option<LocalZone>,
    /// Time of arrival, for records that carry no time of their own.
    pub arrival: Micros,
    /// Users' parsers that may be chosen by content, tried in this order.
    pub blueprints: Arc<[Arc<dyn Blueprint>]>,
    /// Versions that run beside those in use, for comparison; their rows go nowhere.
    pub candidates: Option<Arc<dyn Candidates>>,
    pub limits: Limits,
}

impl Default for ParseOptions {
    fn default() -> Self {
        ParseOptions {
            columns: Columns::All,
            inside: Inside::default(),
            client_ip: ClientIpPolicy::default(),
            dataset: None,
            flow_format: None,
            delimiter: None,
            time_zone: None,
            arrival: Micros(0),
            blueprints: Arc::from([]),
            candidates: None,
            limits: Limits::default(),
        }
    }
}

/// Bounds on what one input may make the process hold or do.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest record in bytes, its line end not counted. Default 256 KiB: the ingest API's limit.
    pub record_bytes_max: usize,
    /// Most bytes one input may unpack to. Default 16 GiB: several times the largest vendor file.
    pub decompressed_bytes_max: u64,
    /// Most bytes out per byte in, judged once more than [`Limits::ratio_floor_bytes`] came out.
    /// Default 500: logs rarely pass 50, DEFLATE ends at 1032.
    pub expansion_ratio_max: u64,
    /// Output below this is never judged by its ratio. Default 64 MiB.
    pub ratio_floor_bytes: u64,
    /// Deepest nesting of a JSON record. Default 64.
    pub json_depth_max: usize,
    /// Most keys of a JSON record, all levels together. Default 1000.
    pub json_fields_max: usize,
    /// Bytes of unpacked input handled at once. Default 256 KiB, so that a block and its index
    /// stay in the second-level cache; the reader's buffer is this plus one longest record.
    pub block_bytes: usize,
    /// Largest Parquet file, which is held in memory whole, and most bytes that one of its row
    /// groups may unpack to. Default 1 GiB.
    pub parquet_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            record_bytes_max: 256 * 1024,
            decompressed_bytes_max: 16 << 30,
            expansion_ratio_max: 500,
            ratio_floor_bytes: 64 << 20,
            json_depth_max: 64,
            json_fields_max: 1000,
            block_bytes: 256 * 1024,
            parquet_bytes_max: 1 << 30,
        }
    }
}
