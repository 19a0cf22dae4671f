//! CloudFront standard logs, legacy layout: 33 tab-separated fields.
//!
//! Source of the layout and of the encoding: Amazon CloudFront Developer Guide, "Standard log
//! file fields": control characters, space, bytes from 127 on and a list of punctuation
//! (`%` among it) are percent-encoded; a missing value is `-`.

use crate::event::{Edge, SimEvent, WebRequest};
use crate::plan::{Plan, SimulateError};
use crate::traffic::{Traffic, generate};
use flate2::Compression;
use flate2::write::GzEncoder;
use haetae_event::time::SECOND_US;
use std::io::Write;

/// The distribution whose logs are simulated.
pub const DISTRIBUTION: &str = "E2HTAE0SIM7KR1";
const DOMAIN: &str = "d2haetae0sim1.cloudfront.net";

/// The two header lines every file begins with.
pub(crate) const HEADER: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n";

const LOCATIONS: [&str; 6] = [
    "ICN54-C1", "ICN57-P1", "ICN80-P2", "ICN51-C2", "NRT57-P3", "KIX50-P1",
];

/// Which bytes CloudFront percent-encodes in a field.
const ENCODED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte <= 32 || byte >= 127;
        byte += 1;
    }
    let listed = b"<>\"#%{}|\\^~[]`'";
    let mut index = 0;
    while index < listed.len() {
        table[listed[index] as usize] = true;
        index += 1;
    }
    table
};

/// Writes lines; remembers the last second's date and time text.
#[derive(Clone, Debug, Default)]
pub struct CloudFrontLines {
    second: Option<i64>,
    stamp: String,
}

impl CloudFrontLines {
    pub fn new() -> CloudFrontLines {
        CloudFrontLines::default()
    }

    /// Appends one line with its newline: 33 fields.
    pub fn line(&mut self, request: &WebRequest, out: &mut Vec<u8>) {
        self.stamp(request);
        let origin_ms = request.time_taken_ms - request.time_taken_ms.min(20) / 10;
        let [first, second] = [request.time_taken_ms, origin_ms];
        put(out, format_args!("{}\t", self.stamp));
        let place = usize::from(request.client_port) % LOCATIONS.len();
        put(
            out,
            format_args!(
                "{}\t{}\t{}\t{}\t{DOMAIN}\t",
                LOCATIONS[place], request.bytes_out, request.client, request.method
            ),
        );
        encode(out, Some(&request.path));
        put(out, format_args!("\t{:03}\t", request.status));
        encode(out, request.referer.as_deref());
        out.push(b'\t');
        encode(out, request.ua.as_deref());
        out.push(b'\t');
        encode(out, request.query.as_deref());
        let edge = request.edge.as_str();
        put(out, format_args!("\t-\t{edge}\t"));
        request_id(request, out);
        put(
            out,
            format_args!("\t{}\thttps\t{}\t", request.host, request.bytes_in),
        );
        put(
            out,
            format_args!(
                "{}.{:03}\t-\tTLSv1.3\tTLS_AES_128_GCM_SHA256\t{edge}\t",
                first / 1000,
                first % 1000
            ),
        );
        put(
            out,
            format_args!("{}\t-\t-\t{}\t", request.http_version, request.client_port),
        );
        let detail = if request.edge == Edge::Error {
            "OriginError"
        } else {
            edge
        };
        put(
            out,
            format_args!("{}.{:03}\t{detail}\t", second / 1000, second % 1000),
        );
        if request.status == 304 {
            put(out, format_args!("-\t-\t-\t-\n"));
        } else {
            let length = request.bytes_out.saturating_sub(420);
            encode(out, Some(request.content_type));
            match request.range {
                Some((from, to)) => put(out, format_args!("\t{length}\t{from}\t{to}\n")),
                None => put(out, format_args!("\t{length}\t-\t-\n")),
            }
        }
    }

    fn stamp(&mut self, request: &WebRequest) {
        let second = request.ts.0.div_euclid(SECOND_US);
        if self.second != Some(second) {
            self.second = Some(second);
            let (date, _) = request.ts.partition();
            let of_day = second.rem_euclid(86_400);
            self.stamp = format!(
                "{date}\t{:02}:{:02}:{:02}",
                of_day / 3600,
                of_day / 60 % 60,
                of_day % 60
            );
        }
    }
}

pub(crate) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a Vec cannot fail");
}

fn encode(out: &mut Vec<u8>, text: Option<&str>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let text = text.unwrap_or("");
    if text.is_empty() {
        out.push(b'-');
    }
    for &byte in text.as_bytes() {
        if ENCODED[usize::from(byte)] {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.push(byte);
        }
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014): a bijection on 64 bits.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// 54 base64url characters and `==`. The first eleven are a bijection of the sequence number,
/// so that ids are unique within a traffic.
fn request_id(request: &WebRequest, out: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut left = 54;
    let mut word = mix(request.sequence.wrapping_add(mix(request.seed)));
    while left > 0 {
        let mut bits = word;
        for _ in 0..left.min(11) {
            out.push(LETTERS[(bits & 63) as usize]);
            bits >>= 6;
        }
        left -= left.min(11);
        word = mix(word ^ request.seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    }
    out.extend_from_slice(b"==");
}

/// Lines of a file are mixed up within blocks of this many.
const BLOCK_LINES: usize = 8192;

/// Mixes lines up, as CloudFront's files are; deterministic.
pub(crate) fn unordered(lines: &mut [Vec<u8>], seed: u64) {
    let mut state = seed;
    for index in (1..lines.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let other = mix(state) % (index as u64 + 1);
        lines.swap(index, usize::try_from(other).expect("below a usize"));
    }
}

/// Writes every web request of the traffic as one gzip file, lines mixed up within blocks.
/// Flow records are passed over. Returns the number of data lines.
///
/// # Errors
/// When `out` fails.
pub fn write_cloudfront_gz(traffic: &mut Traffic, out: impl Write) -> Result<u64, SimulateError> {
    Ok(write_until(traffic, u64::MAX, out)?.0)
}

/// Benchmark input: one gzip file of at least `raw_bytes_min` uncompressed bytes. Only the
/// plan's seed, scenario, start and rates are used; it goes on as long as needed.
/// Returns (data lines, uncompressed bytes).
///
/// # Errors
/// When the plan is out of range or has no web requests, or when `out` fails.
pub fn write_cloudfront_bulk(
    plan: &Plan,
    raw_bytes_min: u64,
    out: impl Write,
) -> Result<(u64, u64), SimulateError> {
    if plan.requests_per_minute == 0 {
        return Err(SimulateError::BadPlan("requests_per_minute must not be 0".into()));
    }
    let longest = Plan {
        duration_s: crate::plan::DURATION_S_MAX,
        flows_per_minute: 0,
        ..plan.clone()
    };
    write_until(&mut generate(&longest)?, raw_bytes_min, out)
}

fn write_until(
    traffic: &mut Traffic,
    raw_bytes_min: u64,
    out: impl Write,
) -> Result<(u64, u64), SimulateError> {
    let mut gzip = GzEncoder::new(out, Compression::fast());
    gzip.write_all(HEADER.as_bytes())?;
    let mut lines = CloudFrontLines::new();
    let mut block: Vec<Vec<u8>> = Vec::with_capacity(BLOCK_LINES);
    let mut used = 0;
    let (mut count, mut raw) = (0_u64, HEADER.len() as u64);
    for event in &mut *traffic {
        let SimEvent::Web(request) = event else {
            continue;
        };
        if used == block.len() {
            block.push(Vec::with_capacity(640));
        }
        lines.line(&request, &mut block[used]);
        raw += block[used].len() as u64;
        used += 1;
        count += 1;
        if used == BLOCK_LINES {
            flush(&mut block, &mut used, count, &mut gzip)?;
        }
        if raw >= raw_bytes_min {
            break;
        }
    }
    flush(&mut block, &mut used, count, &mut gzip)?;
    gzip.finish()?.flush()?;
    Ok((count, raw))
}

fn flush(block: &mut [Vec<u8>], used: &mut usize, salt: u64, out: &mut impl Write) -> std::io::Result<()> {
    unordered(&mut block[..*used], salt);
    for line in &mut block[..*used] {
        out.write_all(line)?;
        line.clear();
    }
    *used = 0;
    Ok(())
}
