//! Route 53: Resolver query logs (JSON) and query logs of public hosted zones (text).
//!
//! Source: Route 53 Developer Guide, *Values that appear in VPC Resolver query logs* and *Values
//! that appear in DNS query logs*. `dst_host` is the name asked for, without the dot at its end;
//! `src_ip` is who asked: an instance, or for a hosted zone the resolver. `blocked` and `rule_id`
//! are DNS Firewall's; hosted zones have none.

use crate::block::Framing;
use crate::client::ClientColumns;
use crate::cloudfront::INVALID_UTF8;
use crate::combined::lines;
use crate::format::{FormatSpec, Recognise};
use crate::json_columns::{JsonColumns, is_missing};
use crate::json_record::Record;
use crate::json_records::{self, MakeRow, Refusal, get, get_string, put_text};
use crate::json_scan::Kind;
use crate::lines::{Sound, Tally, shown};
use crate::options::{Limits, ParseOptions};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::sheet::Sheet;
use crate::sniff::first_object;
use haetae_event::{Dataset, Micros, Reason};
use std::ops::Range;

/// Resolver query logs; see [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "route53",
    aliases: &["route53-resolver"],
    parser_id: "route53@v1",
    about: "Route 53 Resolver query logs",
    recognise: Recognise::Object(looks_like_resolver),
    open: |opening| Box::new(Resolver::new(opening.options, opening.framing)),
};

/// Query logs of public hosted zones.
pub static ZONE: FormatSpec = FormatSpec {
    name: "route53-zone",
    aliases: &[],
    parser_id: "route53-zone@v1",
    about: "Route 53 query logs of public hosted zones",
    recognise: Recognise::Line(looks_like_zone),
    open: |opening| Box::new(Zone::new(opening.options)),
};

fn looks_like_resolver(head: &[u8]) -> bool {
    let head = first_object(head);
    ["\"query_name\"", "\"query_timestamp\"", "\"query_type\""]
        .iter()
        .all(|key| memchr::memmem::find(head, key.as_bytes()).is_some())
}

fn looks_like_zone(line: &[u8]) -> bool {
    let mut words = line.split(|&b| b == b' ').filter(|word| !word.is_empty());
    let version = words
        .next()
        .is_some_and(|v| v.contains(&b'.') && scalar::decimal(v).is_some());
    let time = words
        .next()
        .is_some_and(|t| t.len() >= 20 && t[4] == b'-' && t[10] == b'T' && t.ends_with(b"Z"));
    let zone = words.next().is_some_and(|z| z.first() == Some(&b'Z'));
    version && time && zone && words.count() >= 7
}

const CORE: &[&str] = &[
    "region", "src_ip", "dst_host", "peer_ip", "blocked", "rule_id", "account", "raw", "warnings", "attrs",
];

/// Parser of Resolver query logs.
pub struct Resolver {
    plan: Plan,
    framing: Framing,
    limits: Limits,
    rows: Rows,
}

struct Rows {
    columns: JsonColumns,
    client: ClientColumns,
    dst_host: Slot,
    blocked: Slot,
    raw: Slot,
}

impl Resolver {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::Route53, CORE, &options.columns)
            .with_inside(options.inside.of(Dataset::Route53), |_| true);
        let rows = Rows {
            columns: JsonColumns::new(&plan, Dataset::Route53, &[]),
            client: ClientColumns::new(&plan, &options.client_ip),
            dst_host: plan.slot("dst_host"),
            blocked: plan.slot("blocked"),
            raw: plan.slot("raw"),
        };
        Resolver {
            plan,
            framing,
            limits: options.limits.clone(),
            rows,
        }
    }
}

impl Parser for Resolver {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Route53
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        json_records::parse(block, &self.plan, self.framing, &self.limits, &mut self.rows)
    }
}

/// The name without the dot at its end; the root stays a dot.
fn without_dot(text: &str, name: Range<usize>) -> Range<usize> {
    let dotted = name.len() > 1 && text[name.clone()].ends_with('.');
    name.start..name.end - usize::from(dotted)
}

impl MakeRow for Rows {
    fn row(&mut self, sheet: &mut Sheet<'_>, record: &Record, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let row = sheet.row();
        let bad = |what: &str| (Reason::BadField, what.to_owned());
        let stamp = get(text, record, "query_timestamp").ok_or_else(|| bad("no query_timestamp"))?;
        let ts = json_records::time(text, stamp).ok_or_else(|| bad("query_timestamp is no time"))?;
        sheet.put_span(self.raw, row, span);
        self.columns.fill(sheet, record, record);
        self.columns.put_attrs(sheet, record);
        if let Some(name) = get(text, record, "query_name").filter(|_| self.dst_host.wanted()) {
            let mut name = name.clone();
            if matches!(name.kind, Kind::Str { .. }) {
                name.span = without_dot(text, name.span);
            }
            put_text(sheet, self.dst_host, row, &name);
        }
        if let Some(source) = get(text, record, "srcaddr").filter(|v| !is_missing(text, v))
            && matches!(source.kind, Kind::Str { .. })
        {
            self.client.put(sheet, row, source.span.clone(), None);
        }
        if self.blocked.wanted() {
            let action = get_string(text, record, "firewall_rule_action");
            sheet.put_bool(self.blocked, row, action.is_some_and(|action| action == "BLOCK"));
        }
        Ok(ts)
    }

    fn reads_inside(&self) -> bool {
        true
    }
}

/// Fields of a hosted zone's line, in order; a later version may put more behind.
const ZONE_FIELDS: usize = 10;

/// Parser of hosted-zone query logs.
pub struct Zone {
    plan: Plan,
    client: ClientColumns,
    /// Columns of the fields, in their order; the resolver's address goes another way.
    columns: [Slot; ZONE_FIELDS],
    dst_host: Slot,
    raw: Slot,
    warnings: Slot,
    attrs: Slot,
    record_bytes_max: usize,
}

impl Zone {
    pub fn new(options: &ParseOptions) -> Self {
        let plan = Plan::new(Dataset::Route53, CORE, &options.columns);
        Zone {
            client: ClientColumns::new(&plan, &options.client_ip),
            columns: [
                plan.slot("version"),
                plan.slot("query_timestamp"),
                plan.slot("hostzoneid"),
                plan.slot("query_name"),
                plan.slot("query_type"),
                plan.slot("rcode"),
                plan.slot("transport"),
                plan.slot("edgelocation"),
                Slot::NONE,
                plan.slot("ednsclientsubnet"),
            ],
            dst_host: plan.slot("dst_host"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            attrs: plan.slot("attrs"),
            plan,
            record_bytes_max: options.limits.record_bytes_max,
        }
    }

    fn line(&mut self, sheet: &mut Sheet<'_>, line: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let row = sheet.row();
        let mut fields: [Range<usize>; ZONE_FIELDS] = std::array::from_fn(|_| 0..0);
        let (mut at, mut count) = (line.start, 0);
        while count < ZONE_FIELDS && at < line.end {
            let end =
                memchr::memchr(b' ', &text.as_bytes()[at..line.end]).map_or(line.end, |space| at + space);
            fields[count] = at..end;
            (at, count) = (end + 1, count + 1);
        }
        if count < ZONE_FIELDS {
            return Err((Reason::FieldCount, format!("{count} fields of {ZONE_FIELDS}")));
        }
        let stamp = &text[fields[1].clone()];
        let ts = scalar::iso_seconds(stamp.as_bytes())
            .or_else(|| Micros::parse_rfc3339(stamp).map(|at| at.0))
            .ok_or_else(|| {
                (
                    Reason::BadField,
                    format!("no time: {:?}", shown(stamp.as_bytes())),
                )
            })?;
        sheet.put_span(self.raw, row, line.clone());
        let is_value = |span: &Range<usize>| !matches!(&text[span.clone()], "" | "-");
        for (slot, span) in self.columns.iter().zip(&fields) {
            if is_value(span) {
                sheet.put_span(*slot, row, span.clone());
            }
        }
        if is_value(&fields[3]) {
            sheet.put_span(self.dst_host, row, without_dot(text, fields[3].clone()));
        }
        if is_value(&fields[8]) {
            self.client.put(sheet, row, fields[8].clone(), None);
        }
        if at < line.end && self.attrs.wanted() {
            let mut attrs = String::from("{\"trailing\":");
            json_records::quote(&text[at..line.end], &mut attrs);
            attrs.push('}');
            sheet.put_str(self.attrs, row, &attrs);
        }
        Ok(ts)
    }
}

impl Parser for Zone {
    fn id(&self) -> &str {
        ZONE.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Route53
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
                let detail = format!("{} bytes", came.len());
                tally.reject(ordinal, Reason::RecordTooLong, detail, came);
                continue;
            }
            if text.trim_ascii().is_empty() || text.starts_with('#') {
                tally.skip();
                continue;
            }
            match self.line(&mut sheet, line) {
                Ok(ts) => {
                    if original.is_some() && self.warnings.wanted() {
                        sheet.warn(sheet.row(), INVALID_UTF8);
                    }
                    sheet.end_row(ts, ordinal);
                }
                Err((reason, detail)) => tally.reject(ordinal, reason, detail, came),
            }
        }
        tally.close(sheet.finish())
    }
}
