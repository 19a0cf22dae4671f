//! Common Event Format, with or without a syslog header in front.
//!
//! `CEF:Version|Vendor|Product|DeviceVersion|SignatureID|Name|Severity|key=value key=value …`
//!
//! Source: ArcSight *Common Event Format* implementation standard, versions 0 and 1. A value ends at
//! the last space before the next key. Senders leave `=` unescaped in URLs and texts, so a word and
//! `=` begin a pair only when the word is a key of the dictionary; any other word begins one unless
//! the value before it is free text or shows an unescaped `=` itself. Of equal keys the last wins.
//!
//! `csN`, `cnN`, `c6aN` and the like stay as they are; with their label they are also an attribute
//! named by the label. The time is `rt`, else `start`, `end`, the syslog header's, the arrival;
//! one without a zone is in the input's ([`ParseOptions::time_zone`]).

use crate::block::Framing;
use crate::client::ClientColumns;
use crate::combined::CORE;
use crate::dictionary::{Dictionary, Key, is_blocking, url_parts};
use crate::format::{FormatSpec, Recognise};
use crate::json::TS_MISSING;
use crate::json_records::Refusal;
use crate::known::put_text;
use crate::lines::shown;
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::records::{self, MakeLine, warn};
use crate::sheet::Sheet;
use crate::stamp::{self, Calendar};
use crate::syslog_header;
use haetae_event::net::parse_address;
use haetae_event::{Dataset, Micros, Reason};
use std::borrow::Cow;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "cef",
    aliases: &["arcsight"],
    parser_id: "cef@v1",
    about: "ArcSight Common Event Format, with or without a syslog header",
    recognise: Recognise::Line(|line| find(&line[..line.len().min(PREFIX_BYTES_MAX)]).is_some()),
    open: |opening| Box::new(Cef::new(opening.options, opening.framing)),
};

/// Warning of an `rt`, `start` or `end` that is no time; the next one is taken.
pub const BAD_TIME: &str = "bad_time";
/// Bytes of a line that are looked at for the header when recognising.
const PREFIX_BYTES_MAX: usize = 1024;
/// Longest key.
const KEY_BYTES_MAX: usize = 64;

/// The fields of the header, in order.
const HEADER: [&str; 7] = [
    "cefVersion",
    "deviceVendor",
    "deviceProduct",
    "deviceVersion",
    "signatureId",
    "name",
    "severity",
];
/// Columns that come from elsewhere.
const DERIVED: [&str; 2] = ["severity_number", "hostname"];
/// Keys of the dictionary without a column of their own: they are attributes.
const MORE: &[&str] = &[
    "cs7",
    "cs7Label",
    "cs8",
    "cs8Label",
    "cs9",
    "cs9Label",
    "cs10",
    "cs10Label",
    "cs11",
    "cs11Label",
    "cs12",
    "cs12Label",
    "cfp1",
    "cfp1Label",
    "cfp2",
    "cfp2Label",
    "cfp3",
    "cfp3Label",
    "cfp4",
    "cfp4Label",
    "flexDate1",
    "flexDate1Label",
    "flexNumber1",
    "flexNumber1Label",
    "flexNumber2",
    "flexNumber2Label",
    "destinationDnsDomain",
    "destinationServiceName",
    "destinationTranslatedAddress",
    "destinationTranslatedPort",
    "deviceDnsDomain",
    "deviceNtDomain",
    "devicePayloadId",
    "deviceProcessName",
    "deviceTranslatedAddress",
    "dntdom",
    "dpid",
    "dpriv",
    "dtz",
    "dvcmac",
    "dvcpid",
    "fileCreateTime",
    "fileModificationTime",
    "filePermission",
    "oldFileCreateTime",
    "oldFileHash",
    "oldFileId",
    "oldFileModificationTime",
    "oldFileName",
    "oldFilePath",
    "oldFilePermission",
    "oldFileSize",
    "oldFileType",
    "sntdom",
    "sourceDnsDomain",
    "sourceTranslatedAddress",
    "sourceTranslatedPort",
    "spid",
    "spriv",
    "type",
    "agt",
    "ahost",
    "aid",
    "at",
    "av",
    "rawEvent",
    "eventId",
    "requestCookies",
];
/// Keys whose values are texts of the sender's: only keys of the dictionary end them.
const FREE_TEXTS: &[&str] = &[
    "request",
    "requestContext",
    "requestCookies",
    "requestClientApplication",
    "msg",
    "reason",
    "rawEvent",
];
/// Keys that have a label.
const LABELLED: &[&str] = &[
    "cs1",
    "cs2",
    "cs3",
    "cs4",
    "cs5",
    "cs6",
    "cs7",
    "cs8",
    "cs9",
    "cs10",
    "cs11",
    "cs12",
    "cn1",
    "cn2",
    "cn3",
    "cfp1",
    "cfp2",
    "cfp3",
    "cfp4",
    "c6a1",
    "c6a2",
    "c6a3",
    "c6a4",
    "deviceCustomDate1",
    "deviceCustomDate2",
    "flexString1",
    "flexString2",
    "flexDate1",
    "flexNumber1",
    "flexNumber2",
];
/// Numbers of the severity's words: the upper ends of their ranges.
const SEVERITIES: [(&str, i32); 5] = [
    ("low", 3),
    ("medium", 6),
    ("high", 8),
    ("very-high", 10),
    ("very high", 10),
];

/// Where `CEF:` and its version begin.
fn find(bytes: &[u8]) -> Option<usize> {
    // Few colons stand before it, and a searcher for words would be built for every line.
    memchr::memchr_iter(b':', bytes)
        .filter_map(|colon| colon.checked_sub(3))
        .find(|&at| bytes[at..].starts_with(b"CEF") && version(bytes, at).is_some())
}

/// The version behind `CEF:`, up to the first `|`.
fn version(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let mut start = at + 4;
    start += usize::from(bytes.get(start) == Some(&b' '));
    let digits = bytes[start..]
        .iter()
        .take(2)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let end = start + digits;
    (digits > 0 && bytes.get(end) == Some(&b'|')).then_some(start..end)
}

/// Parser of CEF.
pub struct Cef {
    plan: Plan,
    framing: Framing,
    record_bytes_max: usize,
    rows: CefRows,
}

struct CefRows {
    calendar: Calendar,
    arrival: Micros,
    dictionary: Dictionary,
    client: ClientColumns,
    keys: Keys,
    slots: Slots,
}

struct Slots {
    hostname: Slot,
    severity_number: Slot,
    dst_host: Slot,
    uri: Slot,
    blocked: Slot,
    account: Slot,
    raw: Slot,
    warnings: Slot,
}

/// Numbers of the keys that more than one column comes from.
struct Keys {
    /// [`HEADER`].
    header: [Key; 7],
    severity: Key,
    times: [Key; 3],
    src: Key,
    dst: Key,
    dhost: Key,
    suser: Key,
    duser: Key,
    act: Key,
    request: Key,
    /// (value, label) of the addresses of version 6.
    addresses: [(Key, Key); 4],
    /// By the label's place: place in [`LABELLED`] and the value.
    labelled: Vec<Option<(usize, Key)>>,
    /// By the key's place: whether it is of [`FREE_TEXTS`].
    free: Vec<bool>,
}

impl Keys {
    fn new(dictionary: &Dictionary) -> Self {
        let key = |name: &str| dictionary.key(name);
        let address = |name: &str| (key(name), key(&format!("{name}Label")));
        let mut labelled = dictionary.table(None);
        for (at, name) in LABELLED.iter().enumerate() {
            labelled[key(&format!("{name}Label")).place()] = Some((at, key(name)));
        }
        let mut free = dictionary.table(false);
        for name in FREE_TEXTS {
            free[key(name).place()] = true;
        }
        Keys {
            header: HEADER.map(key),
            severity: key("severity"),
            times: ["rt", "start", "end"].map(key),
            src: key("src"),
            dst: key("dst"),
            dhost: key("dhost"),
            suser: key("suser"),
            duser: key("duser"),
            act: key("act"),
            request: key("request"),
            addresses: ["c6a1", "c6a2", "c6a3", "c6a4"].map(address),
            labelled,
            free,
        }
    }
}

impl Cef {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::Cef, CORE, &options.columns);
        let slots = Slots {
            hostname: plan.slot("hostname"),
            severity_number: plan.slot("severity_number"),
            dst_host: plan.slot("dst_host"),
            uri: plan.slot("uri"),
            blocked: plan.slot("blocked"),
            account: plan.slot("account"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
        };
        let aside = [&HEADER[..], &DERIVED].concat();
        let others_max = options.limits.json_fields_max;
        let dictionary = Dictionary::new(Dataset::Cef, &plan, &aside, MORE, others_max, unescape);
        let rows = CefRows {
            calendar: Calendar::new(options.arrival, options.time_zone.as_ref()),
            arrival: options.arrival,
            client: ClientColumns::new(&plan, &options.client_ip),
            keys: Keys::new(&dictionary),
            dictionary,
            slots,
        };
        Cef {
            plan,
            framing,
            record_bytes_max: options.limits.record_bytes_max,
            rows,
        }
    }
}

impl Parser for Cef {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Cef
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

impl MakeLine for CefRows {
    fn row(&mut self, sheet: &mut Sheet<'_>, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let line = &text.as_bytes()[span.clone()];
        let refuse = |reason, what: &str| (reason, format!("{what}: {:?}", shown(line)));
        let start = span.start + find(line).ok_or_else(|| refuse(Reason::BadField, "no CEF header"))?;
        self.dictionary.clear();
        let extension = self
            .header(text.as_bytes(), start, span.end)
            .ok_or_else(|| refuse(Reason::FieldCount, "the CEF header has fewer than seven fields"))?;
        if !self.extension(text, extension..span.end) {
            return Err(refuse(Reason::TooComplex, "too many keys"));
        }
        let outer = syslog_header::read(text.as_bytes(), span.start..start, &self.calendar);
        let row = sheet.row();
        sheet.put_span(self.slots.raw, row, span);
        if let Some(host) = outer.hostname {
            sheet.put_span(self.slots.hostname, row, host);
        }
        self.derived(sheet);
        let labels = self.labels(text);
        self.dictionary.put(sheet, &labels);
        Ok(self.time(sheet, outer.ts))
    }
}

impl CefRows {
    /// Notes the header's fields; gives back where the extension begins.
    fn header(&mut self, bytes: &[u8], start: usize, end: usize) -> Option<usize> {
        let version = version(&bytes[..end], start)?;
        let mut at = version.end + 1;
        self.dictionary.set(self.keys.header[0], version);
        for (place, key) in self.keys.header[1..].iter().enumerate() {
            let last = place + 2 == self.keys.header.len();
            let stop = match pipe(bytes, at, end) {
                Some(stop) => stop,
                // Nothing need follow the severity.
                None if last => end,
                None => return None,
            };
            self.dictionary.set(*key, at..stop);
            at = (stop + 1).min(end);
        }
        Some(at)
    }

    /// Notes the pairs of the extension; `false` when there are too many.
    fn extension(&mut self, text: &str, span: Range<usize>) -> bool {
        let bytes = text.as_bytes();
        // The open pair: its key, the key's number, whether only known keys end its value.
        let mut open: Option<(Range<usize>, Option<Key>, bool)> = None;
        for found in memchr::memchr_iter(b'=', &bytes[span.clone()]) {
            let equals = span.start + found;
            let floor = open.as_ref().map_or(span.start, |(key, ..)| key.end + 1);
            let escaped = equals > span.start && bytes[equals - 1] == b'\\';
            let Some(name) = key_before(bytes, span.start, floor, equals) else {
                if let Some((.., closed)) = &mut open {
                    *closed |= !escaped;
                }
                continue;
            };
            let key = self.dictionary.find(&text[name.clone()]);
            if key.is_none() && open.as_ref().is_some_and(|(.., closed)| *closed) {
                continue;
            }
            let free = key.is_some_and(|key| self.keys.free[key.place()]);
            let end = name.start;
            if let Some((name, key, _)) = open.replace((name, key, free)) {
                let value = trimmed(bytes, name.end + 1..end);
                if !self.dictionary.note_as(key, name, value) {
                    return false;
                }
            }
        }
        open.is_none_or(|(name, key, _)| {
            let value = trimmed(bytes, name.end + 1..span.end);
            self.dictionary.note_as(key, name, value)
        })
    }

    /// Core columns that no key alone gives.
    fn derived(&mut self, sheet: &mut Sheet<'_>) {
        let (text, row) = (sheet.text(), sheet.row());
        let (dictionary, keys, slots) = (&self.dictionary, &self.keys, &self.slots);
        if let Some(severity) = dictionary.span(text, keys.severity) {
            let severity = text[severity].trim();
            let word = SEVERITIES
                .iter()
                .find(|(word, _)| severity.eq_ignore_ascii_case(word));
            let number = crate::scalar::integer(severity.as_bytes()).filter(|n| (0..=10).contains(n));
            if let Some(number) = number.map(|n| n as i32).or(word.map(|(_, number)| *number)) {
                sheet.put_i32(slots.severity_number, row, number);
            }
        }
        if let Some(account) = dictionary
            .value(text, keys.suser)
            .or_else(|| dictionary.value(text, keys.duser))
        {
            put_text(sheet, slots.account, row, &account);
        }
        if let Some(blocked) = dictionary.value(text, keys.act).and_then(|act| is_blocking(&act)) {
            sheet.put_bool(slots.blocked, row, blocked);
        }
        if let Some(host) = dictionary
            .value(text, keys.dhost)
            .or_else(|| dictionary.value(text, keys.dst))
        {
            put_text(sheet, slots.dst_host, row, &host);
        }
        if let Some(url) = dictionary.value(text, keys.request) {
            let (uri, host) = url_parts(&url);
            if let Some(uri) = uri {
                put_text(sheet, slots.uri, row, &url[uri]);
            }
            if let Some(host) = host {
                // Stays behind `dhost` and `dst`.
                put_text(sheet, slots.dst_host, row, &url[host]);
            }
        }
        if let Some(peer) = dictionary.span(text, keys.src).or_else(|| self.source_v6(text)) {
            self.client.put(sheet, row, peer, None);
        }
    }

    /// The address of version 6 whose label speaks of a source, else `c6a2`, which is the source's
    /// place, when nothing labels it otherwise.
    fn source_v6(&self, text: &str) -> Option<Range<usize>> {
        let address = |at: usize| {
            let span = self.dictionary.span(text, self.keys.addresses[at].0)?;
            parse_address(&text[span.clone()]).map(|_| span)
        };
        let label = |at: usize| self.dictionary.value(text, self.keys.addresses[at].1);
        let of_source =
            |at: &usize| label(*at).is_some_and(|label| label.to_ascii_lowercase().contains("source"));
        let named = (0..4).filter(of_source).find_map(address);
        named.or_else(|| label(1).is_none().then(|| address(1)).flatten())
    }

    /// (label, value) of everything that has both.
    fn labels<'t>(&self, text: &'t str) -> Vec<(&'t str, Cow<'t, str>)> {
        let dictionary = &self.dictionary;
        if !dictionary.wants_attributes() {
            return Vec::new();
        }
        let mut found: Vec<(usize, &str, Cow<'_, str>)> = dictionary
            .noted()
            .filter_map(|label| {
                let (at, key) = self.keys.labelled[label.place()]?;
                let label = dictionary.span(text, label)?;
                Some((at, &text[label], dictionary.value(text, key)?))
            })
            .collect();
        found.sort_unstable_by_key(|(at, ..)| *at);
        found
            .into_iter()
            .map(|(_, label, value)| (label, value))
            .collect()
    }

    fn time(&self, sheet: &mut Sheet<'_>, outer: Option<i64>) -> i64 {
        let text = sheet.text();
        for key in self.keys.times {
            let Some(time) = self.dictionary.value(text, key) else {
                continue;
            };
            match stamp::any(&time, &self.calendar) {
                Some(ts) => return ts,
                None => warn(sheet, self.slots.warnings, BAD_TIME),
            }
        }
        outer.unwrap_or_else(|| {
            warn(sheet, self.slots.warnings, TS_MISSING);
            self.arrival.0
        })
    }
}

/// The next `|` that no backslash escapes. A backslash takes the next character with it.
fn pipe(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut at = at;
    loop {
        at += memchr::memchr2(b'|', b'\\', bytes.get(at..end)?)?;
        if bytes[at] == b'|' {
            return Some(at);
        }
        at += 2;
    }
}

/// The key that ends at `equals`, with a space before it or at the very `beginning`; not before
/// `floor`.
fn key_before(bytes: &[u8], beginning: usize, floor: usize, equals: usize) -> Option<Range<usize>> {
    let floor = floor.max(equals.saturating_sub(KEY_BYTES_MAX));
    let length = bytes[floor..equals]
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'[' | b']'))
        .count();
    let start = equals - length;
    let first = *bytes[start..equals].first()?;
    let bounded = start == beginning || matches!(bytes[start - 1], b' ' | b'\t');
    (bounded && (first.is_ascii_alphanumeric() || first == b'_')).then_some(start..equals)
}

/// The span without blanks at its ends.
fn trimmed(bytes: &[u8], span: Range<usize>) -> Range<usize> {
    let value = &bytes[span.clone()];
    let start = value.len() - value.trim_ascii_start().len();
    span.start + start..span.start + start + value.trim_ascii().len()
}

/// Undoes `\|`, `\\`, `\=`, `\n` and `\r`; any other backslash stays.
fn unescape(value: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let known = match rest.as_bytes().get(at + 1) {
            Some(&same @ (b'|' | b'\\' | b'=')) => Some(char::from(same)),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            _ => None,
        };
        out.push(known.unwrap_or('\\'));
        rest = &rest[at + 1 + usize::from(known.is_some())..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}
