//! CloudFront standard logs, legacy and v2: delimited lines, fields named by `#Fields:` headers.
//!
//! Source: CloudFront Developer Guide, *Standard logging reference*. A field's position comes
//! from the latest header, else from the configured list, else from the guide's order; rows may be
//! shorter than the layout as long as the fields that make a request are there. Legacy logs are
//! tab separated; v2 logs may have any of [`w3c::DELIMITERS`], which the rows show.
//!
//! What is encoded stays encoded but user agent and referer, which are decoded once: what is
//! encoded in them a second time was sent so, or is of a log from before 2020.

use crate::client::ClientColumns;
use crate::format::{FormatSpec, Recognise};
use crate::lines::Row;
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::percent::{self, DecodeCache};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::separators::Index;
use crate::sheet::Sheet;
pub use crate::w3c::INVALID_UTF8;
use crate::w3c::{self, ABSENT, Dialect, Layout, Make, Run, Walk};
use crate::{cloudfront_realtime, iis};
use haetae_event::Dataset;
use haetae_event::time::SECOND_US;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "cloudfront",
    aliases: &["cloudfront-w3c", "cloudfront-v2"],
    parser_id: "cloudfront@v1",
    about: "CloudFront access logs: standard (W3C, plain) lines, legacy and v2",
    recognise: Recognise::Line(looks_like),
    open: |opening| Box::new(CloudFront::new(opening.options, Kind::Standard)),
};

fn looks_like(line: &[u8]) -> bool {
    if let Some(header) = line.strip_prefix(b"#Fields:") {
        return iis::names_its_own(header) != Some(true);
    }
    w3c::DELIMITERS
        .into_iter()
        .any(|delimiter| is_row(line, delimiter))
}

/// A row in the guide's order; any delimiter but the tab needs more than two times and a status.
fn is_row(line: &[u8], delimiter: u8) -> bool {
    let fields: Vec<&[u8]> = line.split(|&b| b == delimiter).take(10).collect();
    fields.len() >= 9
        && scalar::date_days(fields[0]).is_some()
        && scalar::time_seconds(fields[1]).is_some()
        && fields[8].len() == 3
        && scalar::integer(fields[8]).is_some()
        && (delimiter == b'\t' || (scalar::integer(fields[3]).is_some() && fields[7].starts_with(b"/")))
}

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
    "request_id",
    "raw",
    "warnings",
    "attrs",
];

/// Fields of the guide's order; the rest of the native table is known by name only.
const ORDERED: usize = 35;
/// Fields that make a request: a row must reach the last of them.
pub const NEEDED: [&str; 6] = ["date", "time", "c-ip", "cs-method", "cs-uri-stem", "sc-status"];
/// Result types that mean the edge refused the request.
const BLOCKED: [&[u8]; 3] = [b"ClientGeoBlocked", b"InvalidRequestBlocked", b"LimitExceeded"];

/// Which of the products' lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Standard,
    RealTime,
}

/// Whether the edge refused the request, as far as its results tell.
pub fn is_blocked(result: Option<&[u8]>, detail: Option<&[u8]>, status: Option<&[u8]>) -> Option<bool> {
    if result.is_none() && detail.is_none() {
        return None;
    }
    // A 403 alone may be the origin's answer.
    let refused = result == Some(b"Error") && status == Some(b"403");
    let blocked = [result, detail]
        .into_iter()
        .flatten()
        .any(|r| BLOCKED.contains(&r));
    Some(blocked || refused)
}

/// Whether a vendor's text field is kept decoded.
pub fn is_decoded(vendor: &str) -> bool {
    matches!(vendor, "cs(Referer)" | "cs(User-Agent)")
}

/// The layout of a header or of a configured list.
pub fn layout(names: &[&str]) -> Layout {
    let table = Dataset::CloudFront.native_fields();
    let mut layout = Layout::new(table, names, &[]);
    let standard = names.iter().zip(table).all(|(name, field)| *name == field.vendor);
    if standard && names.len() <= ORDERED {
        // A header shorter than its rows names their beginning.
        for (at, place) in layout.position.iter_mut().take(ORDERED).enumerate() {
            *place = at as u32;
        }
        layout.fields_max = ORDERED as u32;
    }
    layout.require(&NEEDED);
    layout
}

/// The names of a configured list, if it is one of CloudFront's fields.
pub fn configured(options: &ParseOptions) -> Option<Vec<&str>> {
    let names = w3c::names(options.flow_format.as_deref()?);
    let own = |name: &&str| {
        name.starts_with("x-edge-")
            || matches!(
                *name,
                "c-ip" | "cs-method" | "cs-uri-stem" | "sc-status" | "timestamp(ms)"
            )
    };
    names.iter().any(own).then_some(names)
}

/// Parser of delimited CloudFront lines.
pub struct CloudFront {
    plan: Plan,
    walk: Walk,
    dialect: Edge,
}

/// What CloudFront makes of its lines.
struct Edge {
    kind: Kind,
    /// Real-time lines of an unknown configuration: each row tells its layout.
    catalogue: Option<cloudfront_realtime::Catalogue>,
    /// The Host header and the distribution's domain go by other names in real-time logs.
    swapped: bool,
    time_at: TimeAt,
    last_date: ([u8; 10], i64),
    cache: DecodeCache,
    /// (place in the native table, slot, how): the wanted columns that are one field each.
    makes: Vec<(usize, Slot, Make)>,
    client: ClientColumns,
    slots: Slots,
}

struct Slots {
    dst_host: Slot,
    uri: Slot,
    status: Slot,
    blocked: Slot,
    raw: Slot,
    warnings: Slot,
    attrs: Slot,
}

impl CloudFront {
    pub fn new(options: &ParseOptions, kind: Kind) -> Self {
        let plan = Plan::new(Dataset::CloudFront, CORE, &options.columns);
        let names = configured(options);
        let catalogue = kind == Kind::RealTime && names.is_none();
        let layout = layout(names.as_deref().unwrap_or(&[]));
        let mut dialect = Edge {
            kind,
            catalogue: catalogue.then(cloudfront_realtime::Catalogue::default),
            swapped: false,
            time_at: TimeAt::of(&layout),
            last_date: ([0; 10], 0),
            cache: DecodeCache::default(),
            makes: w3c::makes(Dataset::CloudFront, &plan, is_decoded),
            client: ClientColumns::new(&plan, &options.client_ip),
            slots: Slots {
                dst_host: plan.slot("dst_host"),
                uri: plan.slot("uri"),
                status: plan.slot("status"),
                blocked: plan.slot("blocked"),
                raw: plan.slot("raw"),
                warnings: plan.slot("warnings"),
                attrs: plan.slot("attrs"),
            },
        };
        dialect.adopt(&layout);
        CloudFront {
            walk: Walk::new(layout, names.is_some(), plan.slot("warnings"), options, b'\t'),
            plan,
            dialect,
        }
    }
}

impl Parser for CloudFront {
    fn id(&self) -> &str {
        match self.dialect.kind {
            Kind::Standard => SPEC.parser_id,
            Kind::RealTime => cloudfront_realtime::SPEC.parser_id,
        }
    }

    fn dataset(&self) -> Dataset {
        Dataset::CloudFront
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        self.dialect.cache.next_sheet();
        self.walk.parse(&mut self.dialect, &self.plan, block)
    }
}

/// Positions of the time fields.
struct TimeAt {
    date: u32,
    time: u32,
    millis: u32,
    seconds: u32,
}

impl TimeAt {
    fn of(layout: &Layout) -> TimeAt {
        TimeAt {
            date: layout.at("date"),
            time: layout.at("time"),
            millis: layout.at("timestamp(ms)"),
            seconds: layout.at("timestamp"),
        }
    }
}

/// `timestamp(ms)` in µs.
pub fn millis_us(bytes: &[u8]) -> Option<i64> {
    scalar::integer(bytes)?.checked_mul(1000)
}

/// `timestamp`, Unix seconds with or without decimals, in µs; digits behind the sixth are dropped.
pub fn seconds_us(bytes: &[u8]) -> Option<i64> {
    let point = memchr::memchr(b'.', bytes).unwrap_or(bytes.len());
    let (whole, fraction) = (&bytes[..point], bytes.get(point + 1..).unwrap_or_default());
    let mut us = scalar::integer(whole)
        .filter(|&s| s >= 0)?
        .checked_mul(SECOND_US)?;
    let mut unit = SECOND_US / 10;
    for digit in fraction {
        if !digit.is_ascii_digit() {
            return None;
        }
        us = us.checked_add(i64::from(digit - b'0') * unit)?;
        unit /= 10;
    }
    Some(us)
}

/// The hops of `x-forwarded-for`, whose separators are encoded in one way or another.
pub fn hops(logged: &str) -> String {
    percent::decode(logged).0.replace("\\x20", " ")
}

impl Edge {
    fn decoded(&mut self, sheet: &mut Sheet<'_>, run: &Run<'_>, position: u32, slot: Slot) {
        let text = sheet.text();
        for (number, span) in run.values(position) {
            let raw = &text[span.clone()];
            if memchr::memchr(b'%', raw.as_bytes()).is_none() {
                sheet.put_span(slot, number, span);
                continue;
            }
            let (decoded, lossy) = self.cache.decoded(sheet, raw);
            sheet.put_extra(slot, number, decoded);
            if lossy && self.slots.warnings.wanted() {
                sheet.warn(number, INVALID_UTF8);
            }
        }
    }

    fn uri(&self, sheet: &mut Sheet<'_>, run: &Run<'_>) {
        let (stem, query) = (run.layout.at("cs-uri-stem"), run.layout.at("cs-uri-query"));
        // The stem of a real-time record has the query in it.
        run.uri(
            sheet,
            self.slots.uri,
            stem,
            if self.swapped { ABSENT } else { query },
        );
    }

    fn blocked(&self, sheet: &mut Sheet<'_>, run: &Run<'_>) {
        let result = run.layout.at("x-edge-result-type");
        let detail = run.layout.at("x-edge-detailed-result-type");
        let status = run.layout.at("sc-status");
        for (number, row) in run.numbered() {
            let text = |field| run.value(row, field).map(|span| &run.bytes[span]);
            if let Some(blocked) = is_blocked(text(result), text(detail), text(status)) {
                sheet.put_bool(self.slots.blocked, number, blocked);
            }
        }
    }

    fn clients(&mut self, sheet: &mut Sheet<'_>, run: &Run<'_>) {
        let text = sheet.text();
        let forwarded = run.layout.at("x-forwarded-for");
        let reads_hops = self.client.reads_hops();
        for (number, row) in run.numbered() {
            let Some(span) = run.value(row, run.layout.at("c-ip")) else {
                continue;
            };
            let hops = reads_hops
                .then(|| run.value(row, forwarded))
                .flatten()
                .map(|span| hops(&text[span]));
            self.client.put(sheet, number, span, hops.as_deref());
        }
    }
}

impl Dialect for Edge {
    fn directive(&mut self, line: &str) -> Option<Layout> {
        let names = line.strip_prefix("#Fields:")?;
        // A header is better than the catalogue's order.
        self.catalogue = None;
        Some(layout(&w3c::names(names)))
    }

    fn adopt(&mut self, layout: &Layout) {
        self.time_at = TimeAt::of(layout);
        // Standard logs have no field of this name.
        self.swapped = self.kind == Kind::RealTime || self.time_at.seconds != ABSENT;
    }

    #[inline]
    fn fit(
        &mut self,
        row: &Row,
        index: &Index,
        bytes: &[u8],
        layout: &Layout,
    ) -> Result<Option<Layout>, String> {
        if let Some(catalogue) = &mut self.catalogue {
            return catalogue.fit(row, index, bytes);
        }
        w3c::reaches(row, layout)
    }

    #[inline]
    fn time(&mut self, row: &Row, index: &Index, bytes: &[u8]) -> Result<Option<i64>, &'static str> {
        let at = &self.time_at;
        if at.millis != ABSENT
            && let Some(span) = row.value(index, bytes, at.millis)
        {
            return millis_us(&bytes[span]).map(Some).ok_or("timestamp(ms)");
        }
        if at.seconds != ABSENT
            && let Some(span) = row.value(index, bytes, at.seconds)
        {
            return seconds_us(&bytes[span]).map(Some).ok_or("timestamp");
        }
        if at.date == ABSENT || at.time == ABSENT {
            let logged = at.millis != ABSENT || at.seconds != ABSENT;
            return if logged { Err("timestamp") } else { Ok(None) };
        }
        let date = row.field(index, at.date).ok_or("date")?;
        let time = row.field(index, at.time).ok_or("time")?;
        let date = &bytes[date];
        if date != self.last_date.0 {
            let days = scalar::date_days(date).ok_or("date")?;
            self.last_date.0.copy_from_slice(date);
            self.last_date.1 = days;
        }
        let seconds = scalar::time_seconds(&bytes[time]).ok_or("time")?;
        Ok(Some((self.last_date.1 * 86_400 + seconds) * SECOND_US))
    }

    fn columns(&mut self, sheet: &mut Sheet<'_>, run: &Run<'_>) {
        for at in 0..self.makes.len() {
            let (place, slot, make) = self.makes[at];
            let position = run.layout.position[place];
            if position == ABSENT {
                continue;
            }
            match make {
                Make::Decoded => self.decoded(sheet, run, position, slot),
                _ => run.plain(sheet, position, slot, make),
            }
        }
        self.uri(sheet, run);
        let (host, edge) = (run.layout.at("x-host-header"), run.layout.at("cs(Host)"));
        let (host, edge) = if self.swapped { (edge, host) } else { (host, edge) };
        run.either(sheet, self.slots.dst_host, host, edge);
        run.status(sheet, self.slots.status, run.layout.at("sc-status"));
        run.raw(sheet, self.slots.raw);
        run.attrs(sheet, self.slots.attrs);
        if self.slots.blocked.wanted() {
            self.blocked(sheet, run);
        }
        if self.client.wanted() {
            self.clients(sheet, run);
        }
    }
}
