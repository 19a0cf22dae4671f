//! CloudFront standard logs v2 as JSON: one object a request, every value a string.
//!
//! Source: CloudFront Developer Guide, *Configure standard logging (v2)*. Keys are the W3C names
//! as they are, parentheses and all; columns are those of the delimited format. Real-time records
//! that somebody turned into JSON under their own names are read too.

use crate::block::Framing;
use crate::client::ClientColumns;
use crate::cloudfront::{self, INVALID_UTF8};
use crate::format::{FormatSpec, Recognise};
use crate::json::TS_MISSING;
use crate::json_record;
use crate::json_records::{self, MakeRow, Refusal, put_text};
use crate::json_scan::{Kind, Member, Scanner, Value};
use crate::options::{Limits, ParseOptions};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::percent::{self, DecodeCache};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::sheet::Sheet;
use crate::w3c::{self, Make};
use haetae_event::time::SECOND_US;
use haetae_event::{Dataset, Micros, Reason};
use std::borrow::Cow;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "cloudfront-json",
    aliases: &[],
    parser_id: "cloudfront-json@v1",
    about: "CloudFront standard logs v2 as JSON",
    recognise: Recognise::Object(looks_like),
    open: |opening| Box::new(CloudFrontJson::new(opening.options, opening.framing)),
};

/// Keys a CloudFront object without any `x-edge-` key may be known by; two of them are enough.
const KEYS: [&str; 9] = [
    "timestamp(ms)",
    "c-ip",
    "cs-method",
    "cs-uri-stem",
    "sc-status",
    "x-host-header",
    "cs(Host)",
    "cs(User-Agent)",
    "time-to-first-byte",
];

fn looks_like(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut members = Vec::new();
    let start = text.find('{').unwrap_or(0);
    // A cut or broken record still shows its first keys.
    let _ = Scanner::new(&text, start, 64, 1000).object(&mut members);
    let keys = || members.iter().map(|m| &text[m.key.span.clone()]);
    let server = |key: &str| {
        matches!(
            key,
            "s-sitename" | "s-computername" | "s-port" | "sc-win32-status"
        )
    };
    keys().any(|key| key.starts_with("x-edge-") || key.starts_with("x_edge_"))
        || (keys().filter(|key| KEYS.contains(key)).count() >= 2 && !keys().any(server))
}

/// Parser of CloudFront's JSON.
pub struct CloudFrontJson {
    plan: Plan,
    framing: Framing,
    limits: Limits,
    rows: Rows,
}

/// Places in the native table of the fields that make more than a column of their own.
struct Places {
    date: usize,
    time: usize,
    millis: usize,
    seconds: usize,
    stem: usize,
    query: usize,
    status: usize,
    host: usize,
    edge: usize,
    result: usize,
    detail: usize,
    peer: usize,
    forwarded: usize,
}

struct Rows {
    places: Places,
    /// (place in the native table, slot, how): the wanted columns that are one field each.
    makes: Vec<(usize, Slot, Make)>,
    /// Keys in the order of the last record and their places: records of a log agree in both.
    order: Vec<(String, Option<usize>)>,
    /// By place: the record's member.
    found: Vec<Option<usize>>,
    cache: DecodeCache,
    client: ClientColumns,
    dst_host: Slot,
    uri: Slot,
    status: Slot,
    blocked: Slot,
    raw: Slot,
    warnings: Slot,
    attrs: Slot,
    arrival: Micros,
}

impl Places {
    fn new() -> Places {
        let table = Dataset::CloudFront.native_fields();
        let place = |vendor| {
            let found = table.iter().position(|f| f.vendor == vendor);
            found.expect("the native table has the fields of the guide")
        };
        Places {
            date: place("date"),
            time: place("time"),
            millis: place("timestamp(ms)"),
            seconds: place("timestamp"),
            stem: place("cs-uri-stem"),
            query: place("cs-uri-query"),
            status: place("sc-status"),
            host: place("x-host-header"),
            edge: place("cs(Host)"),
            result: place("x-edge-result-type"),
            detail: place("x-edge-detailed-result-type"),
            peer: place("c-ip"),
            forwarded: place("x-forwarded-for"),
        }
    }
}

impl CloudFrontJson {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::CloudFront, cloudfront::CORE, &options.columns);
        let rows = Rows {
            places: Places::new(),
            makes: w3c::makes(Dataset::CloudFront, &plan, cloudfront::is_decoded),
            order: Vec::new(),
            found: vec![None; Dataset::CloudFront.native_fields().len()],
            cache: DecodeCache::default(),
            client: ClientColumns::new(&plan, &options.client_ip),
            dst_host: plan.slot("dst_host"),
            uri: plan.slot("uri"),
            status: plan.slot("status"),
            blocked: plan.slot("blocked"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            attrs: plan.slot("attrs"),
            arrival: options.arrival,
        };
        CloudFrontJson {
            plan,
            framing,
            limits: options.limits.clone(),
            rows,
        }
    }
}

impl Parser for CloudFrontJson {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::CloudFront
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        self.rows.cache.next_sheet();
        json_records::parse(block, &self.plan, self.framing, &self.limits, &mut self.rows)
    }
}

/// A record at hand: its text, its members and where the known ones are.
struct Record<'r> {
    text: &'r str,
    members: &'r [Member],
    found: &'r [Option<usize>],
}

impl<'r> Record<'r> {
    /// The value at a place of the table; `None` when it is missing, null, empty or `-`.
    fn value(&self, place: usize) -> Option<&'r Value> {
        let value = &self.members[self.found[place]?].value;
        let raw = &self.text[value.span.clone()];
        (value.kind != Kind::Null && !raw.is_empty() && raw != "-").then_some(value)
    }

    fn string(&self, place: usize) -> Option<Cow<'r, str>> {
        let value = self.value(place)?;
        let text = json_records::string(self.text, value);
        // A number is as good as a string of its digits.
        text.or_else(|| (value.kind == Kind::Number).then(|| Cow::Borrowed(&self.text[value.span.clone()])))
    }

    fn bytes(&self, place: usize) -> Option<&'r [u8]> {
        self.value(place)
            .map(|value| self.text[value.span.clone()].as_bytes())
    }
}

impl Rows {
    /// Finds the known members; `false` when there is none.
    fn find(&mut self, text: &str, members: &[Member]) -> bool {
        let table = Dataset::CloudFront.native_fields();
        self.found.fill(None);
        let mut any = false;
        for (at, member) in members.iter().enumerate() {
            let key = &text[member.key.span.clone()];
            let place = match self.order.get_mut(at) {
                Some((before, place)) if before == key => *place,
                Some(entry) => {
                    *entry = (key.to_owned(), w3c::place(table, key));
                    entry.1
                }
                None => {
                    let place = w3c::place(table, key);
                    self.order.push((key.to_owned(), place));
                    place
                }
            };
            if let Some(place) = place {
                self.found[place] = Some(at);
                any = true;
            }
        }
        any
    }

    /// Time in µs; `None` in a record that has none.
    fn time(&self, record: &Record<'_>) -> Result<Option<i64>, Refusal> {
        let bad = |what: &str, shown: &[u8]| {
            let shown = crate::lines::shown(shown);
            (Reason::BadField, format!("{what} does not parse: {shown:?}"))
        };
        if let Some(millis) = record.bytes(self.places.millis) {
            let ts = cloudfront::millis_us(millis);
            return ts.map(Some).ok_or_else(|| bad("timestamp(ms)", millis));
        }
        if let Some(seconds) = record.bytes(self.places.seconds) {
            let ts = cloudfront::seconds_us(seconds);
            return ts.map(Some).ok_or_else(|| bad("timestamp", seconds));
        }
        let (Some(date), Some(time)) = (record.bytes(self.places.date), record.bytes(self.places.time))
        else {
            return Ok(None);
        };
        let days = scalar::date_days(date).ok_or_else(|| bad("date", date))?;
        let seconds = scalar::time_seconds(time).ok_or_else(|| bad("time", time))?;
        Ok(Some((days * 86_400 + seconds) * SECOND_US))
    }

    fn plain(&mut self, sheet: &mut Sheet<'_>, record: &Record<'_>) {
        let row = sheet.row();
        for at in 0..self.makes.len() {
            let (place, slot, make) = self.makes[at];
            let Some(value) = record.value(place) else {
                continue;
            };
            match make {
                Make::Text => put_text(sheet, slot, row, value),
                Make::Decoded => self.decoded(sheet, slot, record.text, value),
                Make::I32 => {
                    let number = json_records::whole(record.text, value);
                    if let Some(n) = number.and_then(|n| i32::try_from(n).ok()) {
                        sheet.put_i32(slot, row, n);
                    }
                }
                Make::I64 => {
                    if let Some(n) = json_records::whole(record.text, value) {
                        sheet.put_i64(slot, row, n);
                    }
                }
                Make::F64 => {
                    if let Some(n) = json_records::number(record.text, value) {
                        sheet.put_f64(slot, row, n);
                    }
                }
            }
        }
    }

    fn decoded(&mut self, sheet: &mut Sheet<'_>, slot: Slot, text: &str, value: &Value) {
        let row = sheet.row();
        let raw = &text[value.span.clone()];
        if memchr::memchr(b'%', raw.as_bytes()).is_none() {
            put_text(sheet, slot, row, value);
            return;
        }
        let lossy = match value.kind {
            Kind::Str { escaped: false } => {
                let (decoded, lossy) = self.cache.decoded(sheet, raw);
                sheet.put_extra(slot, row, decoded);
                lossy
            }
            _ => {
                let unescaped = json_records::string(text, value).unwrap_or(Cow::Borrowed(raw));
                let (decoded, lossy) = percent::decode(&unescaped);
                sheet.put_str(slot, row, &decoded);
                lossy
            }
        };
        if lossy && self.warnings.wanted() {
            sheet.warn(row, INVALID_UTF8);
        }
    }

    fn derived(&mut self, sheet: &mut Sheet<'_>, record: &Record<'_>) {
        let row = sheet.row();
        let places = &self.places;
        // Only real-time records have a field of this name: see the native table.
        let swapped = record.found[places.seconds].is_some();
        if self.uri.wanted()
            && let Some(stem) = record.value(places.stem)
        {
            match record.value(places.query).filter(|_| !swapped) {
                None => put_text(sheet, self.uri, row, stem),
                Some(query) => put_joined(sheet, self.uri, record.text, stem, query),
            }
        }
        let (host, edge) = if swapped {
            (places.edge, places.host)
        } else {
            (places.host, places.edge)
        };
        if let Some(host) = record.value(host).or_else(|| record.value(edge)) {
            put_text(sheet, self.dst_host, row, host);
        }
        let status = record.value(places.status);
        if let Some(status @ 1..=999) = status.and_then(|v| json_records::whole(record.text, v)) {
            sheet.put_i32(self.status, row, status as i32);
        }
        let blocked = cloudfront::is_blocked(
            record.bytes(places.result),
            record.bytes(places.detail),
            record.bytes(places.status),
        );
        if let Some(blocked) = blocked {
            sheet.put_bool(self.blocked, row, blocked);
        }
        if self.client.wanted()
            && let Some(peer) = record.value(places.peer)
        {
            let reads_hops = self.client.reads_hops();
            let hops = reads_hops
                .then(|| record.string(places.forwarded))
                .flatten()
                .map(|hops| cloudfront::hops(&hops));
            match peer.kind {
                Kind::Str { escaped: false } => {
                    self.client.put(sheet, row, peer.span.clone(), hops.as_deref());
                }
                _ => {
                    let peer = record.string(places.peer).unwrap_or_default();
                    self.client.put_text(sheet, row, &peer, hops.as_deref());
                }
            }
        }
    }

    /// Keys without a column, as JSON.
    fn rest(&self, sheet: &mut Sheet<'_>, text: &str, members: &[Member]) {
        if !self.attrs.wanted() {
            return;
        }
        let mut attrs = String::new();
        for (member, (_, place)) in members.iter().zip(&self.order) {
            if place.is_none() {
                attrs.push(if attrs.is_empty() { '{' } else { ',' });
                attrs.push_str(&text[member.key.whole()]);
                attrs.push(':');
                attrs.push_str(&text[member.value.whole()]);
            }
        }
        if !attrs.is_empty() {
            attrs.push('}');
            sheet.put_str(self.attrs, sheet.row(), &attrs);
        }
    }
}

/// Path and query, without a copy in between where neither has escapes.
fn put_joined(sheet: &mut Sheet<'_>, slot: Slot, text: &str, stem: &Value, query: &Value) {
    let row = sheet.row();
    let plain = |value: &Value| value.kind == Kind::Str { escaped: false };
    if plain(stem) && plain(query) {
        sheet.put_joined(slot, row, stem.span.clone(), query.span.clone());
        return;
    }
    let string = |value: &Value| {
        json_records::string(text, value).map_or_else(|| text[value.span.clone()].to_owned(), Cow::into_owned)
    };
    sheet.put_str(slot, row, &format!("{}?{}", string(stem), string(query)));
}

impl MakeRow for Rows {
    fn row(
        &mut self,
        sheet: &mut Sheet<'_>,
        members: &json_record::Record,
        span: Range<usize>,
    ) -> Result<i64, Refusal> {
        let text = sheet.text();
        if !self.find(text, members) {
            return Err((Reason::BadField, "no field of CloudFront's".into()));
        }
        let found = std::mem::take(&mut self.found);
        let record = Record {
            text,
            members,
            found: &found,
        };
        let time = self.time(&record);
        if let Ok(ts) = &time {
            if ts.is_none() && self.warnings.wanted() {
                sheet.warn(sheet.row(), TS_MISSING);
            }
            sheet.put_span(self.raw, sheet.row(), span);
            self.plain(sheet, &record);
            self.derived(sheet, &record);
            self.rest(sheet, text, members);
        }
        self.found = found;
        Ok(time?.unwrap_or(self.arrival.0))
    }
}
