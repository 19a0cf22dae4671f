//! CloudFront real-time logs: bare tab-separated records from Kinesis, without a header.
//!
//! Source: CloudFront Developer Guide, *Use real-time access logs*. A record has the fields of its
//! configuration in the catalogue's order, so the configured list is needed. Without one only a
//! whole catalogue can be read, as it was at one of the times AWS extended it; `s-ip`, inserted
//! as the third field later, is told from the record. The parser itself is [`CloudFront`].

use crate::cloudfront::{self, CloudFront, Kind};
use crate::format::{FormatSpec, Recognise};
use crate::lines::Row;
use crate::scalar;
use crate::separators::Index;
use crate::w3c::{self, Layout};
use haetae_event::net::parse_address;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "cloudfront-realtime",
    aliases: &["cloudfront-real-time"],
    parser_id: "cloudfront-realtime@v1",
    about: "CloudFront real-time logs: tab-separated records, all fields or a configured list",
    recognise: Recognise::Line(looks_like),
    open: |opening| Box::new(CloudFront::new(opening.options, Kind::RealTime)),
};

/// The whole catalogue, in its order.
const CATALOGUE: &str = "timestamp c-ip s-ip time-to-first-byte sc-status sc-bytes cs-method cs-protocol \
    cs-host cs-uri-stem cs-bytes x-edge-location x-edge-request-id x-host-header time-taken \
    cs-protocol-version c-ip-version cs-user-agent cs-referer cs-cookie cs-uri-query \
    x-edge-response-result-type x-forwarded-for ssl-protocol ssl-cipher x-edge-result-type \
    fle-encrypted-fields fle-status sc-content-type sc-content-len sc-range-start sc-range-end c-port \
    x-edge-detailed-result-type c-country cs-accept-encoding cs-accept cache-behavior-path-pattern \
    cs-headers cs-header-names cs-headers-count primary-distribution-id primary-distribution-dns-name \
    origin-fbl origin-lbl asn cmcd-encoded-bitrate cmcd-buffer-length cmcd-buffer-starvation \
    cmcd-content-id cmcd-object-duration cmcd-deadline cmcd-measured-throughput \
    cmcd-next-object-request cmcd-next-range-request cmcd-object-type cmcd-playback-rate \
    cmcd-requested-maximum-throughput cmcd-streaming-format cmcd-session-id cmcd-stream-type \
    cmcd-startup cmcd-top-bitrate cmcd-version r-host sr-reason x-edge-mqcs distribution-tenant-id \
    connection-id";

/// How many fields, `s-ip` not counted, the catalogue had over time.
const EDITIONS: [u32; 7] = [40, 42, 44, 45, 63, 66, 68];

/// Finds the layout of records whose configuration is not known.
#[derive(Default)]
pub struct Catalogue {
    /// Whether the layout in use has `s-ip`; `None` before the first record.
    current: Option<bool>,
    /// Without and with `s-ip`, once they are needed.
    layouts: [Option<Layout>; 2],
}

impl Catalogue {
    /// The layout of a row, when it is another than the one in use.
    pub fn fit(&mut self, row: &Row, index: &Index, bytes: &[u8]) -> Result<Option<Layout>, String> {
        let field = |at: u32| row.field(index, at).map(|span| &bytes[span]);
        let with_server =
            has_server(field).ok_or("not a record of the whole catalogue: give its field list")?;
        let fields = row.fields - u32::from(with_server);
        if !EDITIONS.contains(&fields) && fields < EDITIONS[EDITIONS.len() - 1] {
            return Err(format!(
                "{} fields are no whole catalogue: give its field list",
                row.fields
            ));
        }
        if self.current == Some(with_server) {
            return Ok(None);
        }
        self.current = Some(with_server);
        let layout = self.layouts[usize::from(with_server)].get_or_insert_with(|| {
            let mut names = w3c::names(CATALOGUE);
            if !with_server {
                names.remove(2);
            }
            cloudfront::layout(&names)
        });
        Ok(Some(layout.clone()))
    }
}

/// Whether a record that begins like the catalogue has `s-ip`; `None` when it does not begin so.
fn has_server<'f>(field: impl Fn(u32) -> Option<&'f [u8]>) -> Option<bool> {
    let begins = is_stamp(field(0)?) && is_address(field(1)?);
    if !begins {
        return None;
    }
    [true, false].into_iter().find(|&server| {
        let at = u32::from(server);
        let get = |place: u32| field(place + at).unwrap_or_default();
        (!server || field(2).is_some_and(|ip| ip == b"-" || is_address(ip)))
            && is_duration(get(2))
            && is_status(get(3))
            && (get(4) == b"-" || scalar::integer(get(4)).is_some())
            && is_method(get(5))
            && matches!(get(6), b"http" | b"https" | b"ws" | b"wss" | b"grpcs" | b"-")
            && (get(9) == b"-" || scalar::integer(get(9)).is_some())
    })
}

/// Unix seconds of this century with decimals.
fn is_stamp(bytes: &[u8]) -> bool {
    bytes.get(10) == Some(&b'.') && cloudfront::seconds_us(bytes).is_some()
}

fn is_address(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| parse_address(text).is_some())
}

/// Seconds with decimals, which a status never has.
fn is_duration(bytes: &[u8]) -> bool {
    bytes == b"-" || (memchr::memchr(b'.', bytes).is_some() && scalar::decimal(bytes).is_some())
}

fn is_status(bytes: &[u8]) -> bool {
    bytes.len() == 3 && bytes.iter().all(u8::is_ascii_digit) && matches!(bytes[0], b'0'..=b'5')
}

fn is_method(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.len() <= 32 && bytes.iter().all(|b| b.is_ascii_uppercase() || *b == b'-')
}

fn looks_like(line: &[u8]) -> bool {
    let fields: Vec<&[u8]> = line.split(|&b| b == b'\t').take(12).collect();
    has_server(|at| fields.get(at as usize).copied()).is_some()
}
