//! Tables with an address column: abuse.ch Feodo Tracker (`dst_ip`), SSLBL (`DstIP`), ThreatFox
//! (`ioc_value` with `ioc_type`), exports of other tools (`ip`, `value`).
//!
//! The names stand in a `#` comment or in the first line; without names the first field that is
//! an address counts. Fields may be quoted, also after `, `. A field may be `address:port`.

use super::source::Intake;
use super::target::Target;
use super::text::each_line;
use haetae_event::net::parse_address;

const ADDRESS_COLUMNS: [&str; 9] = [
    "dst_ip",
    "dstip",
    "ioc_value",
    "ip",
    "ip_address",
    "ipaddress",
    "src_ip",
    "network",
    "value",
];

/// Fields beyond are not looked at.
const FIELDS_MAX: usize = 64;

/// Where things stand in a row.
#[derive(Clone, Copy, Default)]
struct Layout {
    address: Option<usize>,
    /// ThreatFox: `ip:port`, `domain`, `url`, `md5_hash`, …
    kind: Option<usize>,
    /// Percent.
    confidence: Option<usize>,
}

impl Layout {
    /// `None` when the row names no address column.
    fn of(names: &[&str]) -> Option<Self> {
        let place = |name: &str| names.iter().position(|n| n.eq_ignore_ascii_case(name));
        let address = ADDRESS_COLUMNS.iter().find_map(|name| place(name))?;
        Some(Layout {
            address: Some(address),
            kind: place("ioc_type"),
            confidence: place("confidence_level"),
        })
    }
}

pub(super) fn read(intake: &mut Intake, bytes: &[u8]) {
    let mut layout = named_in_comments(bytes).unwrap_or_default();
    let mut first = true;
    each_line(intake, bytes, |intake, number, line| {
        let fields = fields(line);
        if std::mem::take(&mut first)
            && let Some(named) = Layout::of(&fields)
        {
            layout = named;
            return;
        }
        take_row(intake, layout, number, line, &fields);
    });
}

fn named_in_comments(bytes: &[u8]) -> Option<Layout> {
    bytes
        .split(|&b| b == b'\n')
        .map(<[u8]>::trim_ascii)
        .take_while(|line| line.is_empty() || super::text::is_comment(line))
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter(|line| line.contains(','))
        .filter_map(|line| Layout::of(&fields(line.trim_start_matches(['#', ';']).trim())))
        .last()
}

fn take_row(intake: &mut Intake, layout: Layout, number: u64, line: &str, fields: &[&str]) {
    let field = |place: Option<usize>| fields.get(place?).copied();
    if field(layout.kind).is_some_and(|kind| !kind.to_ascii_lowercase().starts_with("ip")) {
        return intake.other();
    }
    let confidence = field(layout.confidence).and_then(|text| text.parse().ok());
    let verdict = intake.verdict(confidence, None);
    let found = match layout.address {
        Some(place) => fields.get(place).and_then(|text| target(text)),
        None => fields.iter().find_map(|text| target(text)),
    };
    match found {
        Some(found) => intake.take_target(number, line, found, verdict),
        None => intake.bad(number, "no address in the row", line),
    }
}

/// `address`, `prefix`, `a-b`, `address:port`, and CrowdSec's `Ip:address`, `Range:prefix`.
fn target(text: &str) -> Option<Target> {
    let bare = match text.split_once(':') {
        Some((scope, value)) if scope.eq_ignore_ascii_case("ip") || scope.eq_ignore_ascii_case("range") => {
            value
        }
        _ => text,
    };
    Target::parse(bare)
        .ok()
        .or_else(|| parse_address(bare).map(Target::one))
}

/// The fields of a row without their quotes. Doubled quotes inside stay: no address has any.
fn fields(line: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = line;
    while fields.len() < FIELDS_MAX {
        let trimmed = rest.trim_start();
        let end = match trimmed.strip_prefix('"') {
            Some(inner) => trimmed.len() - inner.len() + past_quote(inner),
            None => 0,
        };
        let end = trimmed[end..]
            .find(',')
            .map_or(trimmed.len(), |comma| end + comma);
        fields.push(trimmed[..end].trim().trim_matches('"').trim());
        match trimmed.get(end + 1..) {
            Some(after) => rest = after,
            None => break,
        }
    }
    fields
}

/// Bytes to just past the quote that ends a field, or of everything when none does.
fn past_quote(inner: &str) -> usize {
    let bytes = inner.as_bytes();
    let mut at = 0;
    while let Some(quote) = bytes[at..].iter().position(|&b| b == b'"') {
        at += quote + 1;
        if bytes.get(at) != Some(&b'"') {
            return at;
        }
        at += 1;
    }
    bytes.len()
}
