//! IIS access logs and other W3C extended logs with a client address.
//!
//! Source: Microsoft Learn, *W3C Logging* (HTTP Server API) and *HTTP Error Logging*. `#Fields:`
//! lines give the layout and come again when it changes; times are UTC, of the `#Date:` line where
//! rows have no date. IIS writes a space as `+`: undone in the user agent; in URLs, where a plus
//! mostly was one, what was logged stays.
//!
//! Not here: IIS's own comma-separated format, Exchange message tracking.

use crate::client::ClientColumns;
use crate::format::{FormatSpec, Recognise};
use crate::lines::Row;
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::separators::Index;
use crate::sheet::Sheet;
use crate::w3c::{self, ABSENT, Dialect, Layout, Make, Run, Walk};
use haetae_event::Dataset;
use haetae_event::time::SECOND_US;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "iis",
    aliases: &["w3c", "w3c-extended"],
    parser_id: "iis@v1",
    about: "IIS and other W3C extended access logs",
    recognise: Recognise::Head(looks_like),
    open: |opening| Box::new(Iis::new(opening.options)),
};

/// Names only CloudFront has among those that log W3C headers.
const EDGE_NAMES: [&str; 9] = [
    "x-host-header",
    "time-to-first-byte",
    "timestamp(ms)",
    "ssl-protocol",
    "fle-status",
    "sc-content-type",
    "c-country",
    "asn",
    "origin-fbl",
];

/// Whether the names of a `#Fields:` line are those of a server (`Some(true)`), those of an edge
/// (`Some(false)`), or could be of both.
pub fn names_its_own(header: &[u8]) -> Option<bool> {
    let header = String::from_utf8_lossy(header);
    let names = w3c::names(&header);
    if names
        .iter()
        .any(|name| name.starts_with("x-edge-") || EDGE_NAMES.contains(name))
    {
        return Some(false);
    }
    let own = |name: &&str| {
        name.starts_with("s-")
            || matches!(
                *name,
                "cs-host" | "cs-username" | "cs-version" | "cs-uri" | "sc-win32-status"
            )
    };
    names.iter().any(own).then_some(true)
}

/// Begins with W3C directives, one of which names the fields of web requests.
fn looks_like(head: &[u8]) -> bool {
    let mut server = None;
    let mut requests = false;
    for line in head.split(|&b| b == b'\n').take(64) {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            continue;
        }
        if line.first() != Some(&b'#') {
            // Of names that say nothing the first row decides: a server's has spaces.
            let spaced = || line.contains(&b' ') && !line.contains(&b'\t');
            return requests && server.unwrap_or_else(spaced);
        }
        if let Some(names) = line.strip_prefix(b"#Fields:") {
            let text = String::from_utf8_lossy(names);
            let has = |name: &str| w3c::names(&text).contains(&name);
            requests = has("c-ip") || has("cs-method") || has("cs-uri-stem") || has("cs-uri");
            server = names_its_own(names).or(server);
        } else if line.starts_with(b"#Software:") || line.starts_with(b"#Date:") {
            server = server.or(Some(true));
        }
    }
    // Nothing but directives so far.
    requests && server == Some(true)
}

const CORE: &[&str] = &[
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
    "account",
    "raw",
    "warnings",
    "attrs",
];

/// Fields that make a request: a row must reach the last of them.
const NEEDED: [&str; 7] = [
    "date",
    "time",
    "c-ip",
    "cs-method",
    "cs-uri-stem",
    "cs-uri",
    "sc-status",
];

/// Parser of W3C extended access logs.
pub struct Iis {
    plan: Plan,
    walk: Walk,
    dialect: Server,
}

/// What IIS makes of its lines.
struct Server {
    date: u32,
    time: u32,
    /// Days since the epoch of the last `#Date:` line.
    announced: Option<i64>,
    last_date: ([u8; 10], i64),
    makes: Vec<(usize, Slot, Make)>,
    client: ClientColumns,
    /// Names under which the header with the hops may be logged.
    hop_names: [String; 3],
    uri: Slot,
    status: Slot,
    blocked: Slot,
    raw: Slot,
    attrs: Slot,
}

impl Iis {
    pub fn new(options: &ParseOptions) -> Self {
        let plan = Plan::new(Dataset::Iis, CORE, &options.columns);
        let names = configured(options);
        let layout = layout(names.as_deref().unwrap_or(&[]));
        let client = ClientColumns::new(&plan, &options.client_ip);
        let header = client.header().to_owned();
        let mut dialect = Server {
            date: ABSENT,
            time: ABSENT,
            announced: None,
            last_date: ([0; 10], 0),
            makes: w3c::makes(Dataset::Iis, &plan, |vendor| vendor == "cs(User-Agent)"),
            client,
            hop_names: [format!("cs({header})"), header.replace('-', "_"), header],
            uri: plan.slot("uri"),
            status: plan.slot("status"),
            blocked: plan.slot("blocked"),
            raw: plan.slot("raw"),
            attrs: plan.slot("attrs"),
        };
        dialect.adopt(&layout);
        Iis {
            walk: Walk::new(layout, names.is_some(), plan.slot("warnings"), options, b' '),
            plan,
            dialect,
        }
    }
}

fn layout(names: &[&str]) -> Layout {
    Layout::new(Dataset::Iis.native_fields(), names, &NEEDED)
}

/// The names of a configured list, if it is one of W3C fields.
fn configured(options: &ParseOptions) -> Option<Vec<&str>> {
    let names = w3c::names(options.flow_format.as_deref()?);
    let own = ["c-ip", "cs-method", "cs-uri-stem"];
    names.iter().any(|name| own.contains(name)).then_some(names)
}

impl Parser for Iis {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Iis
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        self.walk.parse(&mut self.dialect, &self.plan, block)
    }
}

/// `HH:MM:SS`, with or without decimals, as µs of the day.
fn time_us(bytes: &[u8]) -> Option<i64> {
    let seconds = scalar::time_seconds(bytes.get(..8)?)? * SECOND_US;
    match &bytes[8..] {
        [] => Some(seconds),
        [b'.', decimals @ ..] if !decimals.is_empty() => {
            let mut unit = SECOND_US;
            decimals.iter().try_fold(seconds, |us, digit| {
                unit /= 10;
                digit
                    .is_ascii_digit()
                    .then(|| us + i64::from(digit - b'0') * unit)
            })
        }
        _ => None,
    }
}

/// Spaces for pluses; of several in a row the first was a space, the others pluses.
fn spaced(logged: &str) -> String {
    let mut out = String::with_capacity(logged.len());
    let mut before = false;
    for c in logged.chars() {
        let plus = c == '+';
        out.push(if plus && !before { ' ' } else { c });
        before = plus;
    }
    out
}

/// Whether the server's own filters refused the request: by address, by rate, or by what request
/// filtering found in it.
fn is_refused(status: i64, substatus: i64) -> bool {
    match status {
        403 => matches!(substatus, 6 | 8 | 501 | 502 | 503),
        404 => matches!(substatus, 5..=8 | 10..=15 | 18..=20),
        _ => false,
    }
}

impl Server {
    fn clients(&mut self, sheet: &mut Sheet<'_>, run: &Run<'_>) {
        let text = sheet.text();
        let native = run.layout.at("X-Forwarded-For");
        let peer = run.layout.at("c-ip");
        let names: Vec<&str> = self.hop_names.iter().map(String::as_str).collect();
        let own = self.hop_names[2] == haetae_event::net::ClientIpPolicy::DEFAULT_HEADER;
        let forwarded = if own && native != ABSENT {
            native
        } else {
            run.layout.other(&names)
        };
        let reads_hops = self.client.reads_hops();
        for (number, row) in run.numbered() {
            let Some(span) = run.value(row, peer) else {
                continue;
            };
            let hops = reads_hops
                .then(|| run.value(row, forwarded))
                .flatten()
                .map(|span| text[span].replace('+', " "));
            self.client.put(sheet, number, span, hops.as_deref());
        }
    }

    fn blocked(&self, sheet: &mut Sheet<'_>, run: &Run<'_>) {
        let (status, substatus) = (run.layout.at("sc-status"), run.layout.at("sc-substatus"));
        for (number, row) in run.numbered() {
            let whole = |at| {
                run.value(row, at)
                    .and_then(|span| scalar::integer(&run.bytes[span]))
            };
            if let (Some(status), Some(substatus)) = (whole(status), whole(substatus)) {
                sheet.put_bool(self.blocked, number, is_refused(status, substatus));
            }
        }
    }

    fn agent(sheet: &mut Sheet<'_>, run: &Run<'_>, position: u32, slot: Slot) {
        let text = sheet.text();
        // A log's neighbours often are of one client.
        let mut last: Option<(&str, crate::sheet::ExtraSpan)> = None;
        for (number, span) in run.values(position) {
            let raw = &text[span.clone()];
            if memchr::memchr(b'+', raw.as_bytes()).is_none() {
                sheet.put_span(slot, number, span);
                continue;
            }
            let extra = match last {
                Some((before, extra)) if before == raw => extra,
                _ => sheet.extra(&spaced(raw)),
            };
            last = Some((raw, extra));
            sheet.put_extra(slot, number, extra);
        }
    }
}

impl Dialect for Server {
    fn directive(&mut self, line: &str) -> Option<Layout> {
        if let Some(date) = line.strip_prefix("#Date:") {
            let days = date
                .trim()
                .get(..10)
                .and_then(|d| scalar::date_days(d.as_bytes()));
            self.announced = days.or(self.announced);
        }
        Some(layout(&w3c::names(line.strip_prefix("#Fields:")?)))
    }

    fn adopt(&mut self, layout: &Layout) {
        (self.date, self.time) = (layout.at("date"), layout.at("time"));
    }

    #[inline]
    fn fit(&mut self, row: &Row, _: &Index, _: &[u8], layout: &Layout) -> Result<Option<Layout>, String> {
        if layout.fields_max == 0 {
            return Err("no #Fields line names its fields".into());
        }
        w3c::reaches(row, layout)
    }

    #[inline]
    fn time(&mut self, row: &Row, index: &Index, bytes: &[u8]) -> Result<Option<i64>, &'static str> {
        if self.time == ABSENT {
            return Ok(None);
        }
        let days = match row.field(index, self.date) {
            Some(date) if bytes[date.clone()] == self.last_date.0 => self.last_date.1,
            Some(date) => {
                let days = scalar::date_days(&bytes[date.clone()]).ok_or("date")?;
                self.last_date.0.copy_from_slice(&bytes[date]);
                self.last_date.1 = days;
                days
            }
            None => match self.announced {
                Some(days) => days,
                None => return Ok(None),
            },
        };
        let time = row.field(index, self.time).ok_or("time")?;
        let us = time_us(&bytes[time]).ok_or("time")?;
        Ok(Some(days * 86_400 * SECOND_US + us))
    }

    fn columns(&mut self, sheet: &mut Sheet<'_>, run: &Run<'_>) {
        for &(place, slot, make) in &self.makes {
            let position = run.layout.position[place];
            if position == ABSENT {
                continue;
            }
            match make {
                Make::Decoded => Server::agent(sheet, run, position, slot),
                _ => run.plain(sheet, position, slot, make),
            }
        }
        let (stem, query) = (run.layout.at("cs-uri-stem"), run.layout.at("cs-uri-query"));
        match run.layout.at("cs-uri") {
            // The kernel driver's log has the query in it.
            whole if stem == ABSENT => run.uri(sheet, self.uri, whole, ABSENT),
            _ => run.uri(sheet, self.uri, stem, query),
        }
        run.status(sheet, self.status, run.layout.at("sc-status"));
        run.raw(sheet, self.raw);
        run.attrs(sheet, self.attrs);
        if self.blocked.wanted() {
            self.blocked(sheet, run);
        }
        if self.client.wanted() {
            self.clients(sheet, run);
        }
    }
}
