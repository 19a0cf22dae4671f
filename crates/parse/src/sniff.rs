//! What an input is, by its first lines.

use crate::block::Framing;
use crate::combined;
use crate::format::Format;
use crate::json_scan;
use crate::scalar;
use crate::vpcflow;

/// Lines looked at.
const LINES_MAX: usize = 64;

/// The format most of the first lines look like; `None` when no line looks like any.
///
/// `head` is the beginning of the unpacked input; a last line cut by it still counts.
pub fn sniff(head: &[u8]) -> Option<Format> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if let Some(format) = json(head) {
        return Some(format);
    }
    let mut votes = [0usize; 5];
    for line in head.split(|&b| b == b'\n').take(LINES_MAX) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(format) = of_line(line) {
            votes[format as usize] += 1;
        }
    }
    // The first of equals, in the order of `Format::ALL`.
    let best = votes.iter().copied().max()?;
    let winner = votes.iter().position(|&v| v == best && v > 0)?;
    Some(Format::ALL[winner])
}

/// JSON from the very first byte that is not blank.
fn json(head: &[u8]) -> Option<Format> {
    let start = head.iter().position(|b| !b.is_ascii_whitespace())?;
    let array =
        head[start] == b'[' && head[start + 1..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    (head[start] == b'{' || array).then(|| of_object(&head[start..]))
}

fn of_object(head: &[u8]) -> Format {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    if has(b"\"webaclId\"") && (has(b"\"httpRequest\"") || has(b"\"terminatingRuleId\"")) {
        Format::Waf
    } else {
        Format::JsonLines
    }
}

fn of_line(line: &[u8]) -> Option<Format> {
    let text = String::from_utf8_lossy(line);
    if line.first() == Some(&b'{') {
        return json_scan::next_object(line, 0)
            .and_then(|found| found.end)
            .map(|_| of_object(line));
    }
    if let Some(names) = text.strip_prefix("#Fields:") {
        // IIS and others write W3C headers too; they have a server address where we have an edge.
        let ours = names.contains("x-edge-") || names.contains("cs(Host)") || !names.contains("s-ip");
        return ours.then_some(Format::CloudFront);
    }
    if line.first() == Some(&b'#') {
        return None;
    }
    if is_cloudfront(line) {
        return Some(Format::CloudFront);
    }
    if vpcflow::is_header(&text) || is_flow(&text) {
        return Some(Format::VpcFlow);
    }
    combined::looks_like(&text).then_some(Format::Combined)
}

fn is_cloudfront(line: &[u8]) -> bool {
    let fields: Vec<&[u8]> = line.split(|&b| b == b'\t').take(10).collect();
    fields.len() >= 9
        && scalar::date_days(fields[0]).is_some()
        && scalar::time_seconds(fields[1]).is_some()
        && fields[8].len() == 3
        && scalar::integer(fields[8]).is_some()
}

/// A row that begins with the 14 default fields.
fn is_flow(line: &str) -> bool {
    let fields: Vec<&str> = line.split(' ').take(14).collect();
    let number = |at: usize| scalar::integer(fields[at].as_bytes()).is_some();
    fields.len() == 14
        && scalar::integer(fields[0].as_bytes()).is_some_and(|v| (2..=99).contains(&v))
        && number(10)
        && number(11)
        && matches!(fields[12], "ACCEPT" | "REJECT" | "-")
        && matches!(fields[13], "OK" | "NODATA" | "SKIPDATA")
}

/// How the records of a JSON input are told apart: by lines when the first object ends on its
/// own line.
pub fn framing(head: &[u8]) -> Framing {
    let Some(start) = head.iter().position(|b| !b.is_ascii_whitespace()) else {
        return Framing::Lines;
    };
    if head[start] == b'[' {
        return Framing::Objects;
    }
    if head[start] != b'{' {
        return Framing::Lines;
    }
    let line = memchr::memchr(b'\n', &head[start..]).map(|at| start + at);
    match (
        json_scan::next_object(head, start).and_then(|found| found.end),
        line,
    ) {
        // Several lines belong to the first object, or no line ends in sight.
        (Some(end), Some(newline)) if end > newline => Framing::Objects,
        (Some(end), None) if head[end..].iter().any(|b| !b.is_ascii_whitespace()) => Framing::Objects,
        // An object is open at the end of a short line: pretty-printed, but cut by the head.
        (None, Some(newline)) if head[start..newline].trim_ascii() == b"{" => Framing::Objects,
        _ => Framing::Lines,
    }
}
