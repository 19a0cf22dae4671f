//! VPC Flow Logs: space separated (or CSV), default layout, configured layout or header lines.
//!
//! Source: VPC User Guide, *Flow log records*. The layout comes from a header line, else from
//! the configured format, else from the number of fields: the "everything up to version N"
//! formats begin with the 14 default fields. The `version` field decides nothing.
//!
//! A `NODATA` or `SKIPDATA` record is an event like any other, its traffic columns null. Fields
//! that the native table lacks (transit gateway flow logs have some) become attributes.

mod layout;

use crate::client::ClientColumns;
use crate::cloudfront::INVALID_UTF8;
use crate::format::{FormatSpec, Recognise};
use crate::json::TS_MISSING;
use crate::json_write;
use crate::lines::{Row, Sound, Tally, shown};
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::separators::Index;
use crate::sheet::Sheet;
use crate::vpcflow_message::FlowMessages;
use haetae_event::dataset::NativeType;
use haetae_event::net::{is_private, parse_address};
use haetae_event::time::SECOND_US;
use haetae_event::{Dataset, Micros, Reason};
use layout::{ABSENT, Layout, MOST_FIELDS, Placed, separator_of};
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "vpcflow",
    aliases: &["vpc", "vpc-flow"],
    parser_id: "vpcflow@v1",
    about: "VPC Flow Logs: default, custom and CSV lines",
    recognise: Recognise::Line(looks_like),
    open: |opening| match opening.head.trim_ascii_start().first() {
        Some(b'{' | b'[') => Box::new(FlowMessages::new(opening.options, opening.framing)),
        _ => Box::new(VpcFlow::new(opening.options)),
    },
};

/// Whether a line is a flow log's header or begins with the default fields.
pub fn looks_like(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    !text.starts_with('#') && (Layout::header(&text).is_some() || is_flow(&text))
}

/// Place in the native table of a field under any of its spellings.
pub fn place(name: &str) -> Option<usize> {
    layout::place(name)
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

const CORE: &[&str] = &[
    "region",
    "src_ip",
    "dst_host",
    "peer_ip",
    "bytes_in",
    "bytes_out",
    "blocked",
    "rule_id",
    "account",
    "raw",
    "warnings",
    "attrs",
];

/// Warning of a row with fields behind the known ones: they are the attribute of the same name.
const EXTRA_FIELDS: &str = "extra_fields";
/// Warning of a row whose tags hold spaces so that it is not certain where one ends.
const AMBIGUOUS_TAGS: &str = "ambiguous_tags";
/// Warning of a `SKIPDATA` row: flows of its interval are missing from the log.
const FLOWS_MISSING: &str = "flows_missing";

/// Parser of flow records.
pub struct VpcFlow {
    plan: Plan,
    /// From a header or the configuration; `None`: by the number of fields.
    layout: Option<Layout>,
    /// Set by the header: comma for CSV.
    separator: u8,
    /// Whether lines may be headers or comments.
    headers: bool,
    /// (place in the native table, slot, type).
    plain: Vec<(usize, Slot, NativeType)>,
    client: ClientColumns,
    dst_host: Slot,
    bytes_in: Slot,
    bytes_out: Slot,
    blocked: Slot,
    raw: Slot,
    warnings: Slot,
    attrs: Slot,
    index: Index,
    arrival: Micros,
    record_bytes_max: usize,
}

impl VpcFlow {
    pub fn new(options: &ParseOptions) -> Self {
        let plan = Plan::new(Dataset::VpcFlow, CORE, &options.columns);
        let mut plain = Vec::new();
        for (place, field) in Dataset::VpcFlow.native_fields().iter().enumerate() {
            let (column, kind) = match field.kind {
                NativeType::Core(core) => (core, NativeType::Utf8),
                kind => (field.column, kind),
            };
            let slot = plan.slot(column);
            if slot.wanted() {
                plain.push((place, slot, kind));
            }
        }
        let format = options.flow_format.as_deref().unwrap_or_default();
        let names = format
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|name| !name.is_empty());
        VpcFlow {
            layout: Layout::named(&names.collect::<Vec<_>>()),
            separator: if format.contains(',') { b',' } else { b' ' },
            headers: true,
            plain,
            client: ClientColumns::new(&plan, &options.client_ip),
            dst_host: plan.slot("dst_host"),
            bytes_in: plan.slot("bytes_in"),
            bytes_out: plan.slot("bytes_out"),
            blocked: plan.slot("blocked"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            attrs: plan.slot("attrs"),
            plan,
            index: Index::default(),
            arrival: options.arrival,
            record_bytes_max: options.limits.record_bytes_max,
        }
    }

    /// For rows whose fields are `names` and separated by tabs, none of them a header.
    pub fn tabular(options: &ParseOptions, names: &[&str]) -> Self {
        VpcFlow {
            layout: Layout::named(names),
            separator: b'\t',
            headers: false,
            ..VpcFlow::new(options)
        }
    }

    /// How rows like `row` are laid out: their length, the tag that has more than one word
    /// ([`ABSENT`] for none), and whether that is certain.
    fn shape_of(&self, row: &Row, bytes: &[u8]) -> (u32, bool) {
        match &self.layout {
            Some(layout) if row.fields > layout.fields && layout.has_tags() => {
                layout.wide_tag(row, &self.index, bytes)
            }
            // Longer than any known: tags with spaces, or fields that are new.
            None if row.fields > MOST_FIELDS => Layout::by_count(row.fields)
                .map_or((ABSENT, true), |layout| layout.wide_tag(row, &self.index, bytes)),
            _ => (ABSENT, true),
        }
    }

    /// The layout of rows with `fields` fields, and whether some of them are beyond it.
    fn place_rows(&self, fields: u32, tag: u32) -> Result<(Placed, bool), String> {
        let layout = match &self.layout {
            Some(layout) if fields < layout.fields => {
                return Err(format!("{fields} fields, {} in the format", layout.fields));
            }
            Some(layout) => layout.clone(),
            None => Layout::by_count(fields)?,
        };
        let excess = fields - layout.fields;
        Ok(match excess {
            0 => (Placed::exact(layout), false),
            _ if tag != ABSENT => (Placed::widened(layout, tag, excess), false),
            _ => (Placed::overlong(layout, excess), true),
        })
    }

    /// Builds the columns of a run of rows with one layout.
    fn columns(&mut self, sheet: &mut Sheet<'_>, base: usize, rows: &[Row], placed: &Placed) {
        let bytes = sheet.text().as_bytes();
        let quoted = self.separator == b',';
        for &(place, slot, kind) in &self.plain {
            let position = placed.layout.position(place);
            if position == ABSENT {
                continue;
            }
            for (at, row) in rows.iter().enumerate() {
                if let Some(span) = placed.value(row, &self.index, bytes, position, quoted) {
                    put_field(sheet, slot, base + at, kind, span);
                }
            }
        }
        if self.raw.wanted() {
            for (at, row) in rows.iter().enumerate() {
                sheet.put_span(self.raw, base + at, row.span());
            }
        }
        if self.attrs.wanted() && !placed.layout.others.is_empty() {
            self.others(sheet, base, rows, placed);
        }
        self.derived(sheet, base, rows, placed);
    }

    /// The fields without a column, as a JSON object of strings.
    fn others(&self, sheet: &mut Sheet<'_>, base: usize, rows: &[Row], placed: &Placed) {
        let text = sheet.text();
        let quoted = self.separator == b',';
        let mut attrs = String::new();
        for (at, row) in rows.iter().enumerate() {
            attrs.clear();
            for (name, position) in &placed.layout.others {
                if let Some(span) = placed.value(row, &self.index, text.as_bytes(), *position, quoted) {
                    json_write::push_key(&mut attrs, name);
                    json_write::push_string(&mut attrs, &text[span]);
                }
            }
            if !attrs.is_empty() {
                attrs.push('}');
                sheet.put_str(self.attrs, base + at, &attrs);
            }
        }
    }

    fn derived(&mut self, sheet: &mut Sheet<'_>, base: usize, rows: &[Row], placed: &Placed) {
        let text = sheet.text();
        let bytes = text.as_bytes();
        let quoted = self.separator == b',';
        let position = |name| placed.layout.at(name);
        let (src, pkt_src) = (position("srcaddr"), position("pkt-srcaddr"));
        let (dst, pkt_dst) = (position("dstaddr"), position("pkt-dstaddr"));
        let (count, direction) = (position("bytes"), position("flow-direction"));
        let (action, status) = (position("action"), position("log-status"));
        for (at, row) in rows.iter().enumerate() {
            let number = base + at;
            let value = |position| placed.value(row, &self.index, bytes, position, quoted);
            let source = value(pkt_src).or_else(|| value(src));
            let target = value(pkt_dst).or_else(|| value(dst));
            if (self.bytes_in.wanted() || self.bytes_out.wanted())
                && let Some(amount) = value(count).and_then(|span| scalar::integer(&bytes[span]))
                && let Some(outward) = outward(
                    value(direction).map(|span| &text[span]),
                    source.as_ref().map(|s| &text[s.clone()]),
                    target.as_ref().map(|s| &text[s.clone()]),
                )
            {
                let slot = if outward { self.bytes_out } else { self.bytes_in };
                sheet.put_i64(slot, number, amount);
            }
            if let Some(action) = value(action) {
                sheet.put_bool(self.blocked, number, bytes[action] == *b"REJECT");
            }
            if self.warnings.wanted() && value(status).is_some_and(|span| bytes[span] == *b"SKIPDATA") {
                sheet.warn(number, FLOWS_MISSING);
            }
            if let Some(span) = target {
                put_address(sheet, self.dst_host, number, span);
            }
            if let Some(span) = source {
                self.client.put(sheet, number, span, None);
            }
        }
    }
}

fn put_field(sheet: &mut Sheet<'_>, slot: Slot, row: usize, kind: NativeType, span: Range<usize>) {
    let bytes = sheet.text().as_bytes();
    match kind {
        NativeType::Int32 => {
            if let Some(n) = scalar::integer(&bytes[span]).and_then(|n| i32::try_from(n).ok()) {
                sheet.put_i32(slot, row, n);
            }
        }
        NativeType::Int64 => {
            if let Some(n) = scalar::integer(&bytes[span]) {
                sheet.put_i64(slot, row, n);
            }
        }
        NativeType::Float64 => {
            if let Some(n) = scalar::decimal(&bytes[span]) {
                sheet.put_f64(slot, row, n);
            }
        }
        // No flow field is one.
        NativeType::Boolean => {}
        NativeType::Utf8 | NativeType::Core(_) => sheet.put_span(slot, row, span),
    }
}

/// The address in canonical text; what is not an address stays as logged.
fn put_address(sheet: &mut Sheet<'_>, slot: Slot, row: usize, span: Range<usize>) {
    let text = &sheet.text()[span.clone()];
    if !slot.wanted() || scalar::is_canonical_v4(text.as_bytes()) {
        sheet.put_span(slot, row, span);
        return;
    }
    match parse_address(text) {
        Some(address) => sheet.put_str(slot, row, &address.to_string()),
        None => sheet.put_span(slot, row, span),
    }
}

/// Whether a flow leaves the protected side: by its direction, else private → public is out,
/// public → private in, anything else unknown.
fn outward(direction: Option<&str>, source: Option<&str>, target: Option<&str>) -> Option<bool> {
    match direction {
        Some("egress") => return Some(true),
        Some("ingress") => return Some(false),
        _ => {}
    }
    let source = is_private(scalar::address(source?)?);
    let target = is_private(scalar::address(target?)?);
    (source != target).then_some(source)
}

/// Time of a flow: its start, else its end, in µs; `Some(None)` in a format with neither.
fn time(row: &Row, index: &Index, bytes: &[u8], placed: &Placed, quoted: bool) -> Option<Option<i64>> {
    let (start, end) = placed.interval;
    if start == ABSENT && end == ABSENT {
        return Some(None);
    }
    let value = |position| placed.value(row, index, bytes, position, quoted);
    let span = value(start).or_else(|| value(end))?;
    scalar::integer(&bytes[span])?.checked_mul(SECOND_US).map(Some)
}

impl Parser for VpcFlow {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::VpcFlow
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        let sound = Sound::new(&block.bytes);
        let plan = self.plan.clone();
        let mut sheet = Sheet::new(&plan, &sound.buffer, 0).expect("a sound block is UTF-8");
        let mut tally = Tally::default();
        // A header may change the separator: the rest is indexed again from there.
        let (mut from, mut number) = (0, 0);
        while from < sound.buffer.len() {
            (from, number) = self.run(&sound, from, number, block.first_ordinal, &mut sheet, &mut tally);
        }
        tally.close(sheet.finish())
    }
}

/// Rows of one layout, not yet built.
struct Run {
    rows: Vec<Row>,
    base: usize,
    fields: u32,
    tag: u32,
    /// And whether the rows have fields beyond it.
    placed: Option<(Placed, bool)>,
}

impl VpcFlow {
    /// Parses lines from byte `from` on until a header changes the separator or the block ends;
    /// gives back where to go on.
    fn run(
        &mut self,
        sound: &Sound,
        from: usize,
        number: usize,
        first: u64,
        sheet: &mut Sheet<'_>,
        tally: &mut Tally,
    ) -> (usize, usize) {
        let text = sheet.text();
        let bytes = text.as_bytes();
        self.index.build_from(bytes, from, self.separator);
        let lines: Vec<Row> = Row::all(&self.index, bytes, from).collect();
        let mut run = Run {
            rows: Vec::new(),
            base: sheet.row(),
            fields: 0,
            tag: ABSENT,
            placed: None,
        };
        for (at, row) in lines.iter().enumerate() {
            let line = &text[row.span()];
            let ordinal = first + (number + at) as u64;
            let length = sound.length(number + at, line.as_bytes());
            // A comment or header longer than a record is refused as one.
            let readable = length <= self.record_bytes_max;
            if line.is_empty() || self.headers && readable && line.starts_with('#') {
                tally.skip();
                continue;
            }
            let lettered = line.as_bytes()[0].is_ascii_alphabetic() || line.starts_with(['"', '$']);
            if self.headers
                && readable
                && lettered
                && let Some(layout) = Layout::header(line)
            {
                self.flush(sheet, &mut run);
                tally.skip();
                self.layout = Some(layout);
                let separator = separator_of(line.as_bytes());
                if separator != self.separator && at + 1 < lines.len() {
                    self.separator = separator;
                    return (lines[at + 1].start as usize, number + at + 1);
                }
                self.separator = separator;
                continue;
            }
            let original = sound.original(number + at);
            let (came, events) = (original.unwrap_or(line.as_bytes()), sheet.row());
            self.row(*row, came, ordinal, sheet, tally, &mut run);
            if original.is_some() && sheet.row() > events && self.warnings.wanted() {
                sheet.warn(events, INVALID_UTF8);
            }
        }
        self.flush(sheet, &mut run);
        (bytes.len(), number + lines.len())
    }

    fn row(
        &mut self,
        row: Row,
        came: &[u8],
        ordinal: u64,
        sheet: &mut Sheet<'_>,
        tally: &mut Tally,
        run: &mut Run,
    ) {
        let bytes = sheet.text().as_bytes();
        if came.len() > self.record_bytes_max {
            let detail = format!("{} bytes", came.len());
            tally.reject(ordinal, Reason::RecordTooLong, detail, came);
            return;
        }
        let (tag, certain) = self.shape_of(&row, bytes);
        if run.placed.is_none() || run.fields != row.fields || run.tag != tag {
            self.flush(sheet, run);
            match self.place_rows(row.fields, tag) {
                Ok(found) => run.placed = Some(found),
                Err(detail) => {
                    tally.reject(ordinal, Reason::FieldCount, detail, came);
                    return;
                }
            }
            (run.fields, run.tag) = (row.fields, tag);
        }
        let Some((placed, extra)) = &run.placed else {
            return;
        };
        match time(&row, &self.index, bytes, placed, self.separator == b',') {
            Some(ts) => {
                if self.warnings.wanted() {
                    let codes = [
                        (*extra, EXTRA_FIELDS),
                        (!certain, AMBIGUOUS_TAGS),
                        (ts.is_none(), TS_MISSING),
                    ];
                    for (_, code) in codes.into_iter().filter(|(holds, _)| *holds) {
                        sheet.warn(sheet.row(), code);
                    }
                }
                sheet.end_row(ts.unwrap_or(self.arrival.0), ordinal);
                run.rows.push(row);
            }
            None => {
                let detail = format!("start is no Unix time: {:?}", shown(came));
                tally.reject(ordinal, Reason::BadField, detail, came);
            }
        }
    }

    fn flush(&mut self, sheet: &mut Sheet<'_>, run: &mut Run) {
        if let Some((placed, _)) = run.placed.take() {
            self.columns(sheet, run.base, &run.rows, &placed);
        }
        run.rows.clear();
        run.base = sheet.row();
    }
}
