//! CloudFront standard logs: tab separated, fields named by `#Fields:` headers.
//!
//! Source: CloudFront Developer Guide, *Standard logging reference*. A field's position comes
//! from the latest header, without one from the guide's order; rows may be shorter than the
//! layout as long as the fields that make a request are there.

use crate::client::ClientColumns;
use crate::format::{FormatSpec, Recognise};
use crate::lines::{Row, Sound, Tally, shown};
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::percent::{self, DecodeCache};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::separators::Index;
use crate::sheet::Sheet;
use haetae_event::dataset::NativeType;
use haetae_event::time::SECOND_US;
use haetae_event::{Dataset, Reason};

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "cloudfront",
    aliases: &[],
    parser_id: "cloudfront@v1",
    about: "CloudFront access logs: standard (W3C) lines",
    recognise: Recognise::Line(looks_like),
    open: |opening| Box::new(CloudFront::new(opening.options)),
};

fn looks_like(line: &[u8]) -> bool {
    if let Some(names) = line.strip_prefix(b"#Fields:") {
        // IIS and others write W3C headers too; they have a server address where we have an edge.
        let has = |name: &[u8]| memchr::memmem::find(names, name).is_some();
        return has(b"x-edge-") || has(b"cs(Host)") || !has(b"s-ip");
    }
    let fields: Vec<&[u8]> = line.split(|&b| b == b'\t').take(10).collect();
    fields.len() >= 9
        && scalar::date_days(fields[0]).is_some()
        && scalar::time_seconds(fields[1]).is_some()
        && fields[8].len() == 3
        && scalar::integer(fields[8]).is_some()
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
    "request_id",
    "raw",
    "warnings",
];

/// Fields of the guide's order; the rest of the native table is known by name only.
const ORDERED: usize = 35;
/// No such field in this layout.
const ABSENT: u32 = u32::MAX;
/// Warning of a row whose text was not UTF-8, as logged or once decoded.
pub const INVALID_UTF8: &str = "invalid_utf8";
/// Result types that mean the edge refused the request.
const BLOCKED: [&[u8]; 3] = [b"ClientGeoBlocked", b"InvalidRequestBlocked", b"LimitExceeded"];

/// Where each field of the native table stands in a row.
#[derive(Clone, PartialEq)]
struct Layout {
    /// By place in the native table; [`ABSENT`] when the layout lacks it.
    position: Vec<u32>,
    /// Fewest fields a row may have.
    fields_min: u32,
}

impl Layout {
    fn new(names: &[&str]) -> Layout {
        let table = Dataset::CloudFront.native_fields();
        let mut position = vec![ABSENT; table.len()];
        let standard = names.iter().zip(table).all(|(name, field)| *name == field.vendor);
        if standard {
            // A header shorter than its rows names their beginning.
            for (at, place) in position.iter_mut().take(ORDERED).enumerate() {
                *place = at as u32;
            }
        }
        for (at, name) in names.iter().enumerate() {
            if let Some(place) = table
                .iter()
                .position(|f| f.vendor == *name || f.aliases.contains(name))
            {
                position[place] = at as u32;
            }
        }
        let mut layout = Layout {
            position,
            fields_min: 1,
        };
        let needed = ["date", "time", "c-ip", "cs-method", "cs-uri-stem", "sc-status"];
        let last = needed
            .iter()
            .map(|name| layout.at(name))
            .filter(|&at| at != ABSENT)
            .max();
        layout.fields_min = last.unwrap_or(0) + 1;
        layout
    }

    fn at(&self, vendor: &str) -> u32 {
        let table = Dataset::CloudFront.native_fields();
        table
            .iter()
            .position(|f| f.vendor == vendor)
            .map_or(ABSENT, |place| self.position[place])
    }
}

/// How one native column is made.
#[derive(Clone, Copy)]
enum Make {
    Text,
    Decoded,
    I32,
    I64,
    F64,
}

/// Parser of the tab-separated format.
pub struct CloudFront {
    plan: Plan,
    layout: Layout,
    /// (place in the native table, slot, how): the wanted columns that are one field each.
    plain: Vec<(usize, Slot, Make)>,
    client: ClientColumns,
    dst_host: Slot,
    uri: Slot,
    status: Slot,
    blocked: Slot,
    raw: Slot,
    warnings: Slot,
    index: Index,
    rows: Vec<Row>,
    cache: DecodeCache,
    record_bytes_max: usize,
    last_date: ([u8; 10], i64),
}

impl CloudFront {
    pub fn new(options: &ParseOptions) -> Self {
        let plan = Plan::new(Dataset::CloudFront, CORE, &options.columns);
        let mut plain = Vec::new();
        for (place, field) in Dataset::CloudFront.native_fields().iter().enumerate() {
            let (column, make) = match field.kind {
                NativeType::Utf8 if field.vendor == "cs(Referer)" => (field.column, Make::Decoded),
                NativeType::Utf8 => (field.column, Make::Text),
                NativeType::Int32 => (field.column, Make::I32),
                NativeType::Int64 => (field.column, Make::I64),
                NativeType::Float64 => (field.column, Make::F64),
                NativeType::Core("ua") => ("ua", Make::Decoded),
                // No field of the format is one.
                NativeType::Boolean | NativeType::Core("peer_ip") => continue,
                NativeType::Core(core @ ("bytes_in" | "bytes_out")) => (core, Make::I64),
                NativeType::Core(core) => (core, Make::Text),
            };
            let slot = plan.slot(column);
            if slot.wanted() {
                plain.push((place, slot, make));
            }
        }
        CloudFront {
            layout: Layout::new(&[]),
            plain,
            client: ClientColumns::new(&plan, &options.client_ip),
            dst_host: plan.slot("dst_host"),
            uri: plan.slot("uri"),
            status: plan.slot("status"),
            blocked: plan.slot("blocked"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            plan,
            index: Index::default(),
            rows: Vec::new(),
            cache: DecodeCache::default(),
            record_bytes_max: options.limits.record_bytes_max,
            last_date: ([0; 10], 0),
        }
    }

    /// Time of a row in µs, or what is wrong with it.
    #[inline]
    fn time(&mut self, bytes: &[u8], row: &Row, at: &TimeAt) -> Result<i64, &'static str> {
        if at.millis != ABSENT
            && let Some(span) = row.value(&self.index, bytes, at.millis)
        {
            let millis = scalar::integer(&bytes[span]).ok_or("timestamp(ms)")?;
            return millis.checked_mul(1000).ok_or("timestamp(ms)");
        }
        let date = row.field(&self.index, at.date).ok_or("date")?;
        let time = row.field(&self.index, at.time).ok_or("time")?;
        let date = &bytes[date];
        if date != self.last_date.0 {
            let days = scalar::date_days(date).ok_or("date")?;
            self.last_date.0.copy_from_slice(date);
            self.last_date.1 = days;
        }
        let seconds = scalar::time_seconds(&bytes[time]).ok_or("time")?;
        Ok((self.last_date.1 * 86_400 + seconds) * SECOND_US)
    }

    /// Builds the wanted columns of `self.rows`, which are the sheet's rows from `base` on.
    fn columns(&mut self, sheet: &mut Sheet<'_>, base: usize) {
        for at in 0..self.plain.len() {
            let (place, slot, make) = self.plain[at];
            let position = self.layout.position[place];
            if position != ABSENT {
                match make {
                    Make::Decoded => self.decoded(sheet, base, position, slot),
                    _ => self.plain(sheet, base, position, slot, make),
                }
            }
        }
        self.derived(sheet, base);
        self.rows.clear();
    }

    fn plain(&self, sheet: &mut Sheet<'_>, base: usize, position: u32, slot: Slot, make: Make) {
        let bytes = sheet.text().as_bytes();
        let index = &self.index;
        let values = self
            .rows
            .iter()
            .enumerate()
            .filter_map(|(at, row)| row.value(index, bytes, position).map(|span| (base + at, span)));
        match make {
            Make::Text | Make::Decoded => values.for_each(|(row, span)| sheet.put_span(slot, row, span)),
            Make::I32 => values.for_each(|(row, span)| {
                if let Some(n) = scalar::integer(&bytes[span]).and_then(|n| i32::try_from(n).ok()) {
                    sheet.put_i32(slot, row, n);
                }
            }),
            Make::I64 => values.for_each(|(row, span)| {
                if let Some(n) = scalar::integer(&bytes[span]) {
                    sheet.put_i64(slot, row, n);
                }
            }),
            Make::F64 => values.for_each(|(row, span)| {
                if let Some(n) = scalar::decimal(&bytes[span]) {
                    sheet.put_f64(slot, row, n);
                }
            }),
        }
    }

    fn decoded(&mut self, sheet: &mut Sheet<'_>, base: usize, position: u32, slot: Slot) {
        let text = sheet.text();
        for (at, row) in self.rows.iter().enumerate() {
            let Some(span) = row.value(&self.index, text.as_bytes(), position) else {
                continue;
            };
            let raw = &text[span.clone()];
            if memchr::memchr(b'%', raw.as_bytes()).is_none() {
                sheet.put_span(slot, base + at, span);
                continue;
            }
            let (decoded, lossy) = self.cache.decoded(sheet, raw);
            sheet.put_extra(slot, base + at, decoded);
            if lossy && self.warnings.wanted() {
                sheet.warn(base + at, INVALID_UTF8);
            }
        }
    }

    /// The columns that take more than one field.
    fn derived(&mut self, sheet: &mut Sheet<'_>, base: usize) {
        let bytes = sheet.text().as_bytes();
        let index = &self.index;
        if self.uri.wanted() {
            let (stem, query) = (self.layout.at("cs-uri-stem"), self.layout.at("cs-uri-query"));
            for (at, row) in self.rows.iter().enumerate() {
                let Some(path) = row.value(index, bytes, stem) else {
                    continue;
                };
                match row.value(index, bytes, query) {
                    Some(query) => sheet.put_joined(self.uri, base + at, path, query),
                    None => sheet.put_span(self.uri, base + at, path),
                }
            }
        }
        if self.dst_host.wanted() {
            let (host, edge) = (self.layout.at("x-host-header"), self.layout.at("cs(Host)"));
            for (at, row) in self.rows.iter().enumerate() {
                if let Some(span) = row
                    .value(index, bytes, host)
                    .or_else(|| row.value(index, bytes, edge))
                {
                    sheet.put_span(self.dst_host, base + at, span);
                }
            }
        }
        if self.status.wanted() {
            let position = self.layout.at("sc-status");
            for (at, row) in self.rows.iter().enumerate() {
                let status = row
                    .value(index, bytes, position)
                    .and_then(|span| scalar::integer(&bytes[span]));
                if let Some(status @ 1..=999) = status {
                    sheet.put_i32(self.status, base + at, status as i32);
                }
            }
        }
        if self.raw.wanted() {
            for (at, row) in self.rows.iter().enumerate() {
                sheet.put_span(self.raw, base + at, row.span());
            }
        }
        if self.blocked.wanted() {
            self.blocked(sheet, base);
        }
        if self.client.wanted() {
            self.clients(sheet, base);
        }
    }

    fn blocked(&self, sheet: &mut Sheet<'_>, base: usize) {
        let bytes = sheet.text().as_bytes();
        let index = &self.index;
        let result = self.layout.at("x-edge-result-type");
        let detail = self.layout.at("x-edge-detailed-result-type");
        let status = self.layout.at("sc-status");
        for (at, row) in self.rows.iter().enumerate() {
            let text = |field| row.value(index, bytes, field).map(|span| &bytes[span]);
            let (result, detail) = (text(result), text(detail));
            if result.is_none() && detail.is_none() {
                continue;
            }
            // A 403 alone may be the origin's answer.
            let refused = result == Some(b"Error") && text(status) == Some(b"403");
            let blocked = [result, detail]
                .into_iter()
                .flatten()
                .any(|r| BLOCKED.contains(&r));
            sheet.put_bool(self.blocked, base + at, blocked || refused);
        }
    }

    fn clients(&mut self, sheet: &mut Sheet<'_>, base: usize) {
        let text = sheet.text();
        let (peer, hops) = (self.layout.at("c-ip"), self.layout.at("x-forwarded-for"));
        let reads_hops = self.client.reads_hops();
        for (at, row) in self.rows.iter().enumerate() {
            let Some(span) = row.value(&self.index, text.as_bytes(), peer) else {
                continue;
            };
            if !reads_hops {
                self.client.put(sheet, base + at, span, None);
                continue;
            }
            let hops = row
                .value(&self.index, text.as_bytes(), hops)
                .map(|hops| percent::decode(&text[hops]).0.replace("\\x20", " "));
            self.client.put(sheet, base + at, span, hops.as_deref());
        }
    }
}

/// Positions of the time fields.
struct TimeAt {
    date: u32,
    time: u32,
    millis: u32,
}

impl TimeAt {
    fn of(layout: &Layout) -> TimeAt {
        TimeAt {
            date: layout.at("date"),
            time: layout.at("time"),
            millis: layout.at("timestamp(ms)"),
        }
    }
}

impl Parser for CloudFront {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::CloudFront
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        let sound = Sound::new(&block.bytes);
        let mut index = std::mem::take(&mut self.index);
        index.build(&sound.buffer, b'\t');
        self.index = index;
        self.cache.next_sheet();
        let plan = self.plan.clone();
        let lines = self.index.line_ends.len();
        let mut sheet = Sheet::new(&plan, &sound.buffer, lines).expect("a sound block is UTF-8");
        let mut tally = Tally::default();
        self.rows_of(&sound, block.first_ordinal, &mut sheet, &mut tally);
        tally.close(sheet.finish())
    }
}

impl CloudFront {
    /// Decides about every line, and builds the columns of each run of one layout.
    fn rows_of(&mut self, sound: &Sound, first: u64, sheet: &mut Sheet<'_>, tally: &mut Tally) {
        let text = sheet.text();
        let bytes = text.as_bytes();
        let index = std::mem::take(&mut self.index);
        let lines: Vec<Row> = Row::all(&index, bytes, 0).collect();
        self.index = index;
        let mut time_at = TimeAt::of(&self.layout);
        let mut base = 0;
        for (number, row) in lines.into_iter().enumerate() {
            let ordinal = first + number as u64;
            let line = &bytes[row.span()];
            match line.first() {
                None => {
                    tally.skip();
                    continue;
                }
                Some(b'#') => {
                    if let Some(names) = text[row.span()].strip_prefix("#Fields:") {
                        let layout = Layout::new(&names.split_whitespace().collect::<Vec<_>>());
                        if layout != self.layout {
                            self.columns(sheet, base);
                            base = sheet.row();
                            self.layout = layout;
                            time_at = TimeAt::of(&self.layout);
                        }
                    }
                    tally.skip();
                    continue;
                }
                Some(_) => {}
            }
            let original = sound.original(number);
            let came = original.unwrap_or(line);
            if came.len() > self.record_bytes_max {
                tally.reject(
                    ordinal,
                    Reason::RecordTooLong,
                    format!("{} bytes", came.len()),
                    came,
                );
                continue;
            }
            if row.fields < self.layout.fields_min {
                let detail = format!(
                    "{} fields, at least {} expected",
                    row.fields, self.layout.fields_min
                );
                tally.reject(ordinal, Reason::FieldCount, detail, came);
                continue;
            }
            match self.time(bytes, &row, &time_at) {
                Ok(ts) => {
                    if original.is_some() && self.warnings.wanted() {
                        sheet.warn(sheet.row(), INVALID_UTF8);
                    }
                    sheet.end_row(ts, ordinal);
                    self.rows.push(row);
                }
                Err(field) => {
                    let detail = format!("{field} does not parse: {:?}", shown(line));
                    tally.reject(ordinal, Reason::BadField, detail, came);
                }
            }
        }
        self.columns(sheet, base);
    }
}
