//! Common and combined log format, as Apache and nginx write it.
//!
//! `[vhost[:port]] host ident user [time] "request" status bytes ["referer" "agent" …]`
//!
//! Servers can send the same line to syslog: what stands in front then, up to the colon behind the
//! program's name, is left out.
//!
//! Source: Apache `mod_log_config`, nginx `ngx_http_log_module`. Quotes inside quoted fields are
//! escaped (`\"`, `\x22`), but some exports wrap the whole line in quotes and leave inner quotes
//! alone: a field ends at a quote that a space or the line's end follows.

use crate::balanced::is_method;
use crate::client::ClientColumns;
use crate::cloudfront::INVALID_UTF8;
use crate::format::{FormatSpec, Recognise};
use crate::lines::{Sound, Tally, shown};
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::sheet::Sheet;
use crate::stamp;
use haetae_event::{Dataset, Reason};
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "combined",
    aliases: &["common", "nginx", "apache", "web"],
    parser_id: "combined@v1",
    about: "common and combined log format of nginx and Apache",
    recognise: Recognise::Line(|line| looks_like(&String::from_utf8_lossy(line))),
    open: |opening| Box::new(Combined::new(opening.options)),
};

pub const CORE: &[&str] = &[
    "src_ip",
    "dst_host",
    "peer_ip",
    "method",
    "uri",
    "status",
    "ua",
    "bytes_in",
    "bytes_out",
    "blocked",
    "rule_id",
    "session_id",
    "account",
    "ja4",
    "request_id",
    "trace_id",
    "raw",
    "warnings",
    "attrs",
];

/// Longest header of syslog that is looked for.
const HEADER_BYTES_MAX: usize = 256;

/// Spans of one line.
#[derive(Debug, Default, PartialEq)]
struct Fields {
    vhost: Option<Range<usize>>,
    host: Range<usize>,
    ident: Range<usize>,
    user: Range<usize>,
    time: Range<usize>,
    request: Range<usize>,
    status: Range<usize>,
    bytes: Range<usize>,
    referer: Option<Range<usize>>,
    agent: Option<Range<usize>>,
    trailing: Option<Range<usize>>,
}

/// Whether the line has the shape of this format.
pub fn looks_like(line: &str) -> bool {
    split(line, 0..line.len()).is_ok_and(|fields| scalar::clf_time(&line.as_bytes()[fields.time]).is_some())
}

/// Cuts the line at `line`; the error names what is missing.
fn split(text: &str, line: Range<usize>) -> Result<Fields, &'static str> {
    let bytes = text.as_bytes();
    let mut line = line;
    while line.end > line.start && bytes[line.end - 1] == b' ' {
        line.end -= 1;
    }
    line.start += syslog_header(&bytes[line.clone()]);
    // Wrapped in quotes as a whole: the host cannot begin with one.
    if bytes.get(line.start) == Some(&b'"') {
        line.start += 1;
        if line.end > line.start && bytes[line.end - 1] == b'"' && bytes[..line.end - 1].ends_with(b"\"") {
            line.end -= 1;
        }
    }
    let open = find(bytes, line.start..line.end, b" [").ok_or("no [time]")?;
    let close = find(bytes, open..line.end, b"] ").ok_or("no [time]")?;
    let mut fields = Fields {
        time: open + 2..close,
        ..Fields::default()
    };
    identity(bytes, line.start..open, &mut fields)?;
    let quoted = close + 2;
    if bytes.get(quoted) != Some(&b'"') || quoted >= line.end {
        return Err("no \"request\"");
    }
    let end = request_end(bytes, quoted + 1, line.end).ok_or("the request has no end")?;
    fields.request = quoted + 1..end;
    let mut at = end + 1;
    fields.status = word(bytes, &mut at, line.end).ok_or("no status")?;
    fields.bytes = word(bytes, &mut at, line.end).unwrap_or(at..at);
    fields.referer = quoted_field(bytes, &mut at, line.end);
    if fields.referer.is_some() {
        fields.agent = quoted_field(bytes, &mut at, line.end);
    }
    while at < line.end && bytes[at] == b' ' {
        at += 1;
    }
    fields.trailing = (at < line.end).then_some(at..line.end);
    Ok(fields)
}

/// Length of `<190>Mar  1 12:00:00 host nginx[31]: ` and its kin, 0 where the line does not begin
/// like one. Only the server writes there.
fn syslog_header(line: &[u8]) -> usize {
    let shaped = match line {
        [b'<', ..] => true,
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', ..] => stamp::month(line).is_some(),
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..] => line[0].is_ascii_digit(),
        _ => false,
    };
    let end = || memchr::memmem::find(&line[..line.len().min(HEADER_BYTES_MAX)], b": ");
    if shaped { end().map_or(0, |at| at + 2) } else { 0 }
}

/// Whether the line is of this format behind a header of syslog.
pub fn is_in_syslog(line: &[u8]) -> bool {
    syslog_header(line) > 0 && looks_like(&String::from_utf8_lossy(line))
}

/// `[vhost] host ident user`; the user may hold spaces.
fn identity(bytes: &[u8], span: Range<usize>, fields: &mut Fields) -> Result<(), &'static str> {
    let mut at = span.start;
    let first = word(bytes, &mut at, span.end).ok_or("no host")?;
    let second = word(bytes, &mut at, span.end).ok_or("no ident")?;
    let after_second = at;
    let third = word(bytes, &mut at, span.end).ok_or("no user")?;
    // Four words, of which the second is an address: the first is the virtual host.
    let is_address = |span: &Range<usize>| {
        std::str::from_utf8(&bytes[span.clone()]).is_ok_and(|t| haetae_event::net::parse_address(t).is_some())
    };
    if at < span.end && is_address(&second) && !is_address(&first) {
        fields.vhost = Some(first);
        fields.host = second;
        fields.ident = third;
        let mut user = at..span.end;
        while user.start < user.end && bytes[user.start] == b' ' {
            user.start += 1;
        }
        fields.user = user;
        return Ok(());
    }
    fields.host = first;
    fields.ident = second;
    let mut user = after_second..span.end;
    while user.start < user.end && bytes[user.start] == b' ' {
        user.start += 1;
    }
    fields.user = user;
    Ok(())
}

fn find(bytes: &[u8], span: Range<usize>, needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(&bytes[span.clone()], needle).map(|at| span.start + at)
}

/// The word at `at`, after spaces; `at` moves behind it.
fn word(bytes: &[u8], at: &mut usize, end: usize) -> Option<Range<usize>> {
    while *at < end && bytes[*at] == b' ' {
        *at += 1;
    }
    let start = *at;
    *at = memchr::memchr(b' ', &bytes[start..end]).map_or(end, |found| start + found);
    (*at > start).then_some(start..*at)
}

/// The first quote from `at` that is not escaped and that a space or the end follows.
fn quote_end(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut from = at;
    loop {
        let found = from + memchr::memchr(b'"', &bytes[from..end])?;
        let slashes = bytes[at..found].iter().rev().take_while(|&&b| b == b'\\').count();
        let closes = found + 1 == end || bytes[found + 1] == b' ';
        if slashes % 2 == 0 && closes {
            return Some(found);
        }
        from = found + 1;
    }
}

/// The end of the request: the first such quote that a status follows, else the first. Some writers
/// leave quotes that clients send as they are.
fn request_end(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let first = quote_end(bytes, at, end)?;
    let mut quote = first;
    loop {
        match &bytes[quote + 1..end] {
            [b' ', a, b, c] | [b' ', a, b, c, b' ', ..] if [a, b, c].iter().all(|b| b.is_ascii_digit()) => {
                return Some(quote);
            }
            [b' ', b'-'] | [b' ', b'-', b' ', ..] => return Some(quote),
            _ => {}
        }
        match quote_end(bytes, quote + 1, end) {
            Some(next) => quote = next,
            None => return Some(first),
        }
    }
}

fn quoted_field(bytes: &[u8], at: &mut usize, end: usize) -> Option<Range<usize>> {
    let mut start = *at;
    while start < end && bytes[start] == b' ' {
        start += 1;
    }
    if start >= end || bytes[start] != b'"' {
        return None;
    }
    let close = quote_end(bytes, start + 1, end)?;
    *at = close + 1;
    Some(start + 1..close)
}

/// Undoes `\"`, `\\`, `\t`, `\n`, `\r` and `\xHH`; bytes that are not UTF-8 become U+FFFD.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let hex = |i: usize| bytes.get(at + i).and_then(|&b| (b as char).to_digit(16));
        match bytes.get(at + 1) {
            Some(b'x') if hex(2).is_some() && hex(3).is_some() => {
                out.push((hex(2).unwrap_or(0) * 16 + hex(3).unwrap_or(0)) as u8);
                at += 4;
            }
            Some(&escape @ (b'"' | b'\\')) => {
                out.push(escape);
                at += 2;
            }
            Some(&escape @ (b't' | b'n' | b'r')) => {
                out.push(match escape {
                    b't' => b'\t',
                    b'n' => b'\n',
                    _ => b'\r',
                });
                at += 2;
            }
            _ => {
                out.push(b'\\');
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Method, uri and protocol of a request line; `None` when it is not one.
pub(crate) fn request_parts(text: &str, request: &Range<usize>) -> Option<[Option<Range<usize>>; 3]> {
    let line = &text[request.clone()];
    let (method, rest) = line.split_once(' ')?;
    let start = request.start + method.len() + 1;
    let (uri, protocol) = match rest.rsplit_once(' ') {
        Some((uri, version)) if version.starts_with("HTTP/") => (
            start..start + uri.len(),
            Some(request.end - version.len()..request.end),
        ),
        _ => (start..request.end, None),
    };
    // Without a version it may be any text: then only what looks like a method is one.
    let upper = || {
        method
            .bytes()
            .all(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b'-'))
    };
    if !is_method(method.as_bytes()) || !(protocol.is_some() || upper()) {
        return None;
    }
    Some([
        Some(request.start..request.start + method.len()),
        Some(uri),
        protocol,
    ])
}

/// Parser of the combined and common format.
pub struct Combined {
    plan: Plan,
    client: ClientColumns,
    slots: Slots,
    record_bytes_max: usize,
}

struct Slots {
    dst_host: Slot,
    method: Slot,
    uri: Slot,
    status: Slot,
    ua: Slot,
    bytes_out: Slot,
    account: Slot,
    raw: Slot,
    warnings: Slot,
    ident: Slot,
    request: Slot,
    protocol: Slot,
    referer: Slot,
    forwarded: Slot,
    trailing: Slot,
}

impl Combined {
    pub fn new(options: &ParseOptions) -> Self {
        let plan = Plan::new(Dataset::Web, CORE, &options.columns);
        let slots = Slots {
            dst_host: plan.slot("dst_host"),
            method: plan.slot("method"),
            uri: plan.slot("uri"),
            status: plan.slot("status"),
            ua: plan.slot("ua"),
            bytes_out: plan.slot("bytes_out"),
            account: plan.slot("account"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            ident: plan.slot("ident"),
            request: plan.slot("request"),
            protocol: plan.slot("protocol"),
            referer: plan.slot("http_referer"),
            forwarded: plan.slot("http_x_forwarded_for"),
            trailing: plan.slot("trailing"),
        };
        Combined {
            client: ClientColumns::new(&plan, &options.client_ip),
            slots,
            plan,
            record_bytes_max: options.limits.record_bytes_max,
        }
    }

    fn fill(&mut self, sheet: &mut Sheet<'_>, fields: &Fields, line: Range<usize>) {
        let text = sheet.text();
        let row = sheet.row();
        let slots = &self.slots;
        sheet.put_span(slots.raw, row, line);
        if let Some(vhost) = &fields.vhost {
            let host = &text[vhost.clone()];
            let name = host
                .rsplit_once(':')
                .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
            let length = name.map_or(host.len(), |(name, _)| name.len());
            put(
                sheet,
                slots.dst_host,
                row,
                Some(vhost.start..vhost.start + length),
            );
        }
        put(sheet, slots.ident, row, Some(fields.ident.clone()));
        put(sheet, slots.account, row, Some(fields.user.clone()));
        put(sheet, slots.request, row, Some(fields.request.clone()));
        if let Some([method, uri, protocol]) = request_parts(text, &fields.request) {
            put(sheet, slots.method, row, method);
            put(sheet, slots.uri, row, uri);
            put(sheet, slots.protocol, row, protocol);
        }
        if let Some(status @ 1..=999) = scalar::integer(&text.as_bytes()[fields.status.clone()]) {
            sheet.put_i32(slots.status, row, status as i32);
        }
        match &text.as_bytes()[fields.bytes.clone()] {
            b"-" => sheet.put_i64(slots.bytes_out, row, 0),
            digits => {
                if let Some(count) = scalar::integer(digits) {
                    sheet.put_i64(slots.bytes_out, row, count);
                }
            }
        }
        put(sheet, slots.referer, row, fields.referer.clone());
        put(sheet, slots.ua, row, fields.agent.clone());
        put(sheet, slots.trailing, row, fields.trailing.clone());
        let forwarded = fields.trailing.clone().and_then(|span| first_quoted(text, span));
        put(sheet, slots.forwarded, row, forwarded.clone());
        self.client
            .put(sheet, row, fields.host.clone(), forwarded.map(|span| &text[span]));
    }
}

/// The first trailing field when it is quoted and begins with an address, or with the word that
/// proxies write instead of one (RFC 7239 §6.2): `X-Forwarded-For`.
fn first_quoted(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let mut at = span.start;
    let inner = quoted_field(text.as_bytes(), &mut at, span.end)?;
    let hop = text[inner.clone()].split(',').next()?;
    let named = scalar::address(hop).is_some() || hop.trim().eq_ignore_ascii_case("unknown");
    named.then_some(inner)
}

/// Puts the span with its escapes undone; `-` and nothing are null.
fn put(sheet: &mut Sheet<'_>, slot: Slot, row: usize, span: Option<Range<usize>>) {
    let Some(span) = span else { return };
    let text = &sheet.text()[span.clone()];
    if !slot.wanted() || text.is_empty() || text == "-" {
        return;
    }
    if memchr::memchr(b'\\', text.as_bytes()).is_some() {
        sheet.put_str(slot, row, &unescape(text));
    } else {
        sheet.put_span(slot, row, span);
    }
}

impl Parser for Combined {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Web
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        let sound = Sound::new(&block.bytes);
        let plan = self.plan.clone();
        let mut sheet = Sheet::new(&plan, &sound.buffer, 0).expect("a sound block is UTF-8");
        let mut tally = Tally::default();
        for (number, line) in lines(sheet.text()).enumerate() {
            let ordinal = block.first_ordinal + number as u64;
            let text = &sheet.text()[line.clone()];
            let original = sound.original(number);
            let came = original.unwrap_or(text.as_bytes());
            if came.len() > self.record_bytes_max {
                tally.reject(
                    ordinal,
                    Reason::RecordTooLong,
                    format!("{} bytes", came.len()),
                    came,
                );
                continue;
            }
            if text.is_empty() || text.starts_with('#') {
                tally.skip();
                continue;
            }
            let fields = match split(sheet.text(), line.clone()) {
                Ok(fields) => fields,
                Err(what) => {
                    tally.reject(
                        ordinal,
                        Reason::FieldCount,
                        format!("{what}: {:?}", shown(came)),
                        came,
                    );
                    continue;
                }
            };
            let Some(ts) = scalar::clf_time(&sheet.text().as_bytes()[fields.time.clone()]) else {
                tally.reject(
                    ordinal,
                    Reason::BadField,
                    format!("time does not parse: {:?}", shown(came)),
                    came,
                );
                continue;
            };
            if original.is_some() && self.slots.warnings.wanted() {
                sheet.warn(sheet.row(), INVALID_UTF8);
            }
            self.fill(&mut sheet, &fields, line);
            sheet.end_row(ts, ordinal);
        }
        tally.close(sheet.finish())
    }
}

/// Spans of the lines, without their ends.
pub fn lines(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = text.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= bytes.len() {
            return None;
        }
        let newline = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let carriage = newline > start && bytes[newline - 1] == b'\r';
        let line = start..newline - usize::from(carriage);
        start = newline + 1;
        Some(line)
    })
}
