//! Log Event Extended Format, with or without a syslog header in front.
//!
//! `LEEF:1.0|Vendor|Product|Version|EventID|key=value⇥key=value…`
//! `LEEF:2.0|Vendor|Product|Version|EventID|Delimiter|key=value…`
//!
//! Source: IBM QRadar *LEEF* guide, versions 1.0 and 2.0. Pairs are separated by a tab, in 2.0 by the
//! character of the header: itself, or its code as `x09` or `0x09`. There are no escapes: what has
//! no `=` belongs to the value before it. The time is `devTime` under `devTimeFormat`, else the
//! syslog header's, the arrival; one without a zone is in the input's
//! ([`ParseOptions::time_zone`]).

use crate::block::Framing;
use crate::cef::BAD_TIME;
use crate::client::ClientColumns;
use crate::combined::CORE;
use crate::date_pattern;
use crate::dictionary::{Dictionary, Key, is_blocking, url_parts};
use crate::format::{FormatSpec, Recognise};
use crate::json::TS_MISSING;
use crate::json_records::Refusal;
use crate::lines::shown;
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::records::{self, MakeLine, warn};
use crate::sheet::Sheet;
use crate::stamp::{self, Calendar};
use crate::syslog_header;
use haetae_event::{Dataset, Micros, Reason};
use std::borrow::Cow;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "leef",
    aliases: &["qradar"],
    parser_id: "leef@v1",
    about: "Log Event Extended Format 1.0 and 2.0, with or without a syslog header",
    recognise: Recognise::Line(|line| find(&line[..line.len().min(PREFIX_BYTES_MAX)]).is_some()),
    open: |opening| Box::new(Leef::new(opening.options, opening.framing)),
};

/// Bytes of a line that are looked at for the header when recognising.
const PREFIX_BYTES_MAX: usize = 1024;
/// The fields of the header, in order.
const HEADER: [&str; 5] = ["leefVersion", "vendor", "product", "version", "eventId"];
/// Columns that come from elsewhere.
const DERIVED: [&str; 1] = ["hostname"];

/// Where `LEEF:` and a version begin.
fn find(bytes: &[u8]) -> Option<usize> {
    let versions = [b"1.0|", b"2.0|"];
    memchr::memmem::find_iter(bytes, b"LEEF:")
        .find(|&at| versions.iter().any(|v| bytes[at + 5..].starts_with(*v)))
}

/// Parser of LEEF.
pub struct Leef {
    plan: Plan,
    framing: Framing,
    record_bytes_max: usize,
    rows: LeefRows,
}

struct LeefRows {
    calendar: Calendar,
    arrival: Micros,
    dictionary: Dictionary,
    client: ClientColumns,
    keys: Keys,
    hostname: Slot,
    dst_host: Slot,
    uri: Slot,
    blocked: Slot,
    account: Slot,
    raw: Slot,
    warnings: Slot,
}

/// Numbers of the keys that other columns come from.
struct Keys {
    header: [Key; 5],
    time: Key,
    time_format: Key,
    sources: [Key; 2],
    dst: Key,
    accounts: [Key; 2],
    actions: [Key; 2],
    url: Key,
}

impl Leef {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::Leef, CORE, &options.columns);
        let aside = [&HEADER[..], &DERIVED].concat();
        let others_max = options.limits.json_fields_max;
        let same: fn(&str) -> Cow<'_, str> = |value| Cow::Borrowed(value);
        let dictionary = Dictionary::new(Dataset::Leef, &plan, &aside, &[], others_max, same);
        let key = |name: &str| dictionary.key(name);
        let keys = Keys {
            header: HEADER.map(key),
            time: key("devTime"),
            time_format: key("devTimeFormat"),
            sources: ["src", "identSrc"].map(key),
            dst: key("dst"),
            accounts: ["usrName", "accountName"].map(key),
            actions: ["action", "act"].map(key),
            url: key("url"),
        };
        let rows = LeefRows {
            calendar: Calendar::new(options.arrival, options.time_zone.as_ref()),
            arrival: options.arrival,
            client: ClientColumns::new(&plan, &options.client_ip),
            keys,
            hostname: plan.slot("hostname"),
            dst_host: plan.slot("dst_host"),
            uri: plan.slot("uri"),
            blocked: plan.slot("blocked"),
            account: plan.slot("account"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            dictionary,
        };
        Leef {
            plan,
            framing,
            record_bytes_max: options.limits.record_bytes_max,
            rows,
        }
    }
}

impl Parser for Leef {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Leef
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        records::parse(
            block,
            &self.plan,
            self.framing,
            self.record_bytes_max,
            &mut self.rows,
        )
    }
}

impl MakeLine for LeefRows {
    fn row(&mut self, sheet: &mut Sheet<'_>, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let line = &text.as_bytes()[span.clone()];
        let refuse = |reason, what: &str| (reason, format!("{what}: {:?}", shown(line)));
        let start = span.start + find(line).ok_or_else(|| refuse(Reason::BadField, "no LEEF header"))?;
        self.dictionary.clear();
        let (delimiter, extension) = self
            .header(text, start, span.end)
            .ok_or_else(|| refuse(Reason::FieldCount, "the LEEF header has fewer than five fields"))?;
        if !self.extension(text, delimiter, extension..span.end) {
            return Err(refuse(Reason::TooComplex, "too many keys"));
        }
        let outer = syslog_header::read(text.as_bytes(), span.start..start, &self.calendar);
        let row = sheet.row();
        sheet.put_span(self.raw, row, span);
        if let Some(host) = outer.hostname {
            sheet.put_span(self.hostname, row, host);
        }
        self.derived(sheet);
        self.dictionary.put(sheet, &[]);
        Ok(self.time(sheet, outer.ts))
    }
}

impl LeefRows {
    /// Notes the header's fields; gives back the delimiter and where the pairs begin.
    fn header(&mut self, text: &str, start: usize, end: usize) -> Option<(char, usize)> {
        let bytes = text.as_bytes();
        let mut at = start + "LEEF:".len();
        let second = bytes[at] == b'2';
        for (place, key) in self.keys.header.into_iter().enumerate() {
            let stop = match memchr::memchr(b'|', &bytes[at..end]) {
                Some(found) => at + found,
                // Nothing need follow the event's id.
                None if place + 1 == self.keys.header.len() => end,
                None => return None,
            };
            self.dictionary.set(key, at..stop);
            at = (stop + 1).min(end);
        }
        if second
            && let Some(found) = memchr::memchr(b'|', &bytes[at..end])
            && let Some(delimiter) = delimiter(&text[at..at + found])
        {
            return Some((delimiter, at + found + 1));
        }
        Some(('\t', at))
    }

    /// Notes the pairs; `false` when there are too many.
    fn extension(&mut self, text: &str, delimiter: char, span: Range<usize>) -> bool {
        let mut open: Option<(Range<usize>, Range<usize>)> = None;
        let mut at = span.start;
        for part in text[span].split(delimiter) {
            let start = at;
            at += part.len() + delimiter.len_utf8();
            let key = memchr::memchr(b'=', part.as_bytes()).map(|equals| (part[..equals].trim(), equals));
            let Some((key, equals)) = key.filter(|(key, _)| !key.is_empty() && key.len() <= 128) else {
                if let Some((_, value)) = &mut open {
                    value.end = start + part.len();
                }
                continue;
            };
            let shift = part.len() - part.trim_start().len();
            let pair = (
                start + shift..start + shift + key.len(),
                start + equals + 1..start + part.len(),
            );
            if let Some((name, value)) = open.replace(pair)
                && !self.note(text, name, value)
            {
                return false;
            }
        }
        open.is_none_or(|(name, value)| self.note(text, name, value))
    }

    fn note(&mut self, text: &str, name: Range<usize>, value: Range<usize>) -> bool {
        let inner = text[value.clone()].trim();
        let blank = text[value.clone()].len() - text[value.clone()].trim_start().len();
        let start = value.start + blank.min(value.len());
        self.dictionary.note(text, name, start..start + inner.len())
    }

    /// Core columns that no key alone gives.
    fn derived(&mut self, sheet: &mut Sheet<'_>) {
        let (text, row) = (sheet.text(), sheet.row());
        let span = |key: Key| self.dictionary.span(text, key);
        let first = |keys: &[Key; 2]| span(keys[0]).or_else(|| span(keys[1]));
        if let Some(account) = first(&self.keys.accounts) {
            sheet.put_span(self.account, row, account);
        }
        if let Some(blocked) = first(&self.keys.actions).and_then(|action| is_blocking(&text[action])) {
            sheet.put_bool(self.blocked, row, blocked);
        }
        if let Some(host) = span(self.keys.dst) {
            sheet.put_span(self.dst_host, row, host);
        }
        if let Some(url) = span(self.keys.url) {
            let (uri, host) = url_parts(&text[url.clone()]);
            if let Some(uri) = uri {
                sheet.put_span(self.uri, row, url.start + uri.start..url.start + uri.end);
            }
            if let Some(host) = host {
                // Stays behind `dst`.
                sheet.put_span(self.dst_host, row, url.start + host.start..url.start + host.end);
            }
        }
        if let Some(peer) = first(&self.keys.sources) {
            self.client.put(sheet, row, peer, None);
        }
    }

    fn time(&self, sheet: &mut Sheet<'_>, outer: Option<i64>) -> i64 {
        let text = sheet.text();
        if let Some(time) = self.dictionary.span(text, self.keys.time) {
            let pattern = self.dictionary.span(text, self.keys.time_format);
            let by_pattern =
                pattern.and_then(|p| date_pattern::read(&text[p], &text[time.clone()], &self.calendar));
            match by_pattern.or_else(|| stamp::any(&text[time], &self.calendar)) {
                Some(ts) => return ts,
                None => warn(sheet, self.warnings, BAD_TIME),
            }
        }
        outer.unwrap_or_else(|| {
            warn(sheet, self.warnings, TS_MISSING);
            self.arrival.0
        })
    }
}

/// The character that the header's sixth field names; nothing is a tab. `None` when it names none.
fn delimiter(field: &str) -> Option<char> {
    let mut characters = field.chars();
    match (characters.next(), characters.next()) {
        (None, _) => return Some('\t'),
        (Some(only), None) => return Some(only),
        _ => {}
    }
    if field == "\\t" {
        return Some('\t');
    }
    let code = field.strip_prefix("0x").or_else(|| field.strip_prefix('x'))?;
    let shaped = (1..=4).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_hexdigit());
    shaped
        .then(|| u32::from_str_radix(code, 16).ok().and_then(char::from_u32))
        .flatten()
}
