//! VPC Flow Logs: space separated (or CSV), default layout, configured layout or header lines.
//!
//! Source: VPC User Guide, *Flow log records*. The layout comes from a header line, else from
//! the configured format, else from the number of fields: the "everything up to version N"
//! formats begin with the 14 default fields. The `version` field decides nothing.

use crate::client::ClientColumns;
use crate::format::{FormatSpec, Recognise};
use crate::json::TS_MISSING;
use crate::lines::{Row, Sound, Tally, shown};
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::separators::Index;
use crate::sheet::Sheet;
use haetae_event::dataset::NativeType;
use haetae_event::net::{is_private, parse_address};
use haetae_event::time::SECOND_US;
use haetae_event::{Dataset, Micros, Reason};
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "vpcflow",
    aliases: &["vpc", "vpc-flow"],
    parser_id: "vpcflow@v1",
    about: "VPC Flow Logs: default, custom and CSV lines",
    recognise: Recognise::Line(looks_like),
    open: |opening| Box::new(VpcFlow::new(opening.options)),
};

fn looks_like(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    !text.starts_with('#') && (is_header(&text) || is_flow(&text))
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
];

/// Field counts of "everything up to version N": 2, 3, 4, 5, 7, 8, 9, 10, 11.
const EVERYTHING: [u32; 9] = [14, 21, 25, 29, 39, 40, 41, 42, 54];
const DEFAULT_FIELDS: u32 = 14;
const ABSENT: u32 = u32::MAX;
/// Warning of a row with fields behind the known ones, which are in no column but `raw`.
const EXTRA_FIELDS: &str = "extra_fields";

/// Position of each field of the native table; [`ABSENT`] where the format lacks it.
#[derive(Clone, PartialEq)]
struct Layout {
    position: Vec<u32>,
    fields: u32,
}

impl Layout {
    /// `None` unless every name is known and there is more than one.
    fn named(names: &[&str]) -> Option<Layout> {
        let table = Dataset::VpcFlow.native_fields();
        let mut position = vec![ABSENT; table.len()];
        for (at, name) in names.iter().enumerate() {
            let bare = name
                .trim_start_matches("${")
                .trim_end_matches('}')
                .trim_matches('"');
            let place = table.iter().position(|f| {
                f.vendor == bare || f.vendor.replace('-', "_") == bare || f.aliases.contains(&bare)
            })?;
            position[place] = at as u32;
        }
        (names.len() > 1).then_some(Layout {
            position,
            fields: names.len() as u32,
        })
    }

    /// The first `fields` of the native table, in its order.
    fn leading(fields: u32) -> Layout {
        let count = Dataset::VpcFlow.native_fields().len() as u32;
        Layout {
            position: (0..count)
                .map(|at| if at < fields { at } else { ABSENT })
                .collect(),
            fields,
        }
    }

    fn at(&self, vendor: &str) -> u32 {
        let table = Dataset::VpcFlow.native_fields();
        table
            .iter()
            .position(|f| f.vendor == vendor)
            .map_or(ABSENT, |place| self.position[place])
    }
}

/// Whether the words of a line are a header.
pub fn is_header(line: &str) -> bool {
    Layout::named(&words(line)).is_some()
}

fn words(line: &str) -> Vec<&str> {
    let separator = separator_of(line.as_bytes()) as char;
    line.split(separator)
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .take(256)
        .collect()
}

fn separator_of(line: &[u8]) -> u8 {
    let commas = memchr::memchr_iter(b',', line).count();
    let spaces = memchr::memchr_iter(b' ', line).count();
    if commas > spaces { b',' } else { b' ' }
}

/// Parser of flow records.
pub struct VpcFlow {
    plan: Plan,
    /// From a header or the configuration; `None`: by the number of fields.
    layout: Option<Layout>,
    /// Set by the header: comma for CSV.
    separator: u8,
    /// (place in the native table, slot, type).
    plain: Vec<(usize, Slot, NativeType)>,
    client: ClientColumns,
    dst_host: Slot,
    bytes_in: Slot,
    bytes_out: Slot,
    blocked: Slot,
    raw: Slot,
    warnings: Slot,
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
        let configured = options.flow_format.as_deref().and_then(|format| {
            Layout::named(
                &format
                    .split(|c: char| c.is_whitespace() || c == ',')
                    .filter(|w| !w.is_empty())
                    .collect::<Vec<_>>(),
            )
        });
        VpcFlow {
            layout: configured,
            separator: b' ',
            plain,
            client: ClientColumns::new(&plan, &options.client_ip),
            dst_host: plan.slot("dst_host"),
            bytes_in: plan.slot("bytes_in"),
            bytes_out: plan.slot("bytes_out"),
            blocked: plan.slot("blocked"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            plan,
            index: Index::default(),
            arrival: options.arrival,
            record_bytes_max: options.limits.record_bytes_max,
        }
    }

    /// The layout of rows with `fields` fields, and whether some of them are beyond it.
    fn layout_for(&self, fields: u32) -> Result<(Layout, bool), String> {
        match &self.layout {
            Some(layout) if fields < layout.fields => {
                Err(format!("{fields} fields, {} in the format", layout.fields))
            }
            Some(layout) => Ok((layout.clone(), fields > layout.fields)),
            None if EVERYTHING.contains(&fields) => Ok((Layout::leading(fields), false)),
            None if fields > DEFAULT_FIELDS => Ok((Layout::leading(DEFAULT_FIELDS), true)),
            None => Err(format!("{fields} fields, {DEFAULT_FIELDS} in the default format")),
        }
    }

    /// Builds the columns of a run of rows with one layout.
    fn columns(&mut self, sheet: &mut Sheet<'_>, base: usize, rows: &[Row], layout: &Layout) {
        let bytes = sheet.text().as_bytes();
        for &(place, slot, kind) in &self.plain {
            let position = layout.position[place];
            if position == ABSENT {
                continue;
            }
            for (at, row) in rows.iter().enumerate() {
                let Some(span) = self.value(row, bytes, position) else {
                    continue;
                };
                put_field(sheet, slot, base + at, kind, span);
            }
        }
        if self.raw.wanted() {
            for (at, row) in rows.iter().enumerate() {
                sheet.put_span(self.raw, base + at, row.span());
            }
        }
        self.derived(sheet, base, rows, layout);
    }

    /// The field without the quotes a CSV export may put around it.
    fn value(&self, row: &Row, bytes: &[u8], position: u32) -> Option<Range<usize>> {
        let span = row.value(&self.index, bytes, position)?;
        if self.separator == b','
            && span.len() >= 2
            && bytes[span.start] == b'"'
            && bytes[span.end - 1] == b'"'
        {
            let inner = span.start + 1..span.end - 1;
            return (!inner.is_empty() && bytes[inner.clone()] != *b"-").then_some(inner);
        }
        Some(span)
    }

    fn derived(&mut self, sheet: &mut Sheet<'_>, base: usize, rows: &[Row], layout: &Layout) {
        let text = sheet.text();
        let bytes = text.as_bytes();
        let position = |name| layout.at(name);
        let (src, pkt_src) = (position("srcaddr"), position("pkt-srcaddr"));
        let (dst, pkt_dst) = (position("dstaddr"), position("pkt-dstaddr"));
        let (count, direction, action) = (position("bytes"), position("flow-direction"), position("action"));
        for (at, row) in rows.iter().enumerate() {
            let number = base + at;
            let either = |first, second| {
                self.value(row, bytes, first)
                    .or_else(|| self.value(row, bytes, second))
            };
            let source = either(pkt_src, src);
            let target = either(pkt_dst, dst);
            let amount = self
                .value(row, bytes, count)
                .and_then(|span| scalar::integer(&bytes[span]));
            let direction = self.value(row, bytes, direction).map(|span| &text[span]);
            let action = self.value(row, bytes, action).map(|span| &bytes[span]);
            if let Some(amount) = amount
                && (self.bytes_in.wanted() || self.bytes_out.wanted())
                && let Some(outward) = outward(
                    direction,
                    source.as_ref().map(|s| &text[s.clone()]),
                    target.as_ref().map(|s| &text[s.clone()]),
                )
            {
                sheet.put_i64(
                    if outward { self.bytes_out } else { self.bytes_in },
                    number,
                    amount,
                );
            }
            if let Some(action) = action {
                sheet.put_bool(self.blocked, number, action == b"REJECT");
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
    let source = is_private(parse_address(source?)?);
    let target = is_private(parse_address(target?)?);
    (source != target).then_some(source)
}

/// Time of a flow: its start, else its end, in µs; `Some(None)` in a format with neither.
fn time(row: &Row, index: &Index, bytes: &[u8], layout: &Layout) -> Option<Option<i64>> {
    if layout.at("start") == ABSENT && layout.at("end") == ABSENT {
        return Some(None);
    }
    let field = |name| row.value(index, bytes, layout.at(name));
    let span = field("start").or_else(|| field("end"))?;
    let quoted = &bytes[span];
    let bare = quoted
        .strip_prefix(b"\"")
        .and_then(|q| q.strip_suffix(b"\""))
        .unwrap_or(quoted);
    scalar::integer(bare)?.checked_mul(SECOND_US).map(Some)
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
    layout: Option<(Layout, bool)>,
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
            layout: None,
        };
        for (at, row) in lines.iter().enumerate() {
            let line = &text[row.span()];
            let ordinal = first + (number + at) as u64;
            if line.is_empty() || line.starts_with('#') {
                tally.skip();
                continue;
            }
            if line.as_bytes()[0].is_ascii_alphabetic() || line.starts_with('"') {
                let names = words(line);
                if let Some(layout) = Layout::named(&names) {
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
            }
            let came = sound.original(number + at).unwrap_or(line.as_bytes());
            self.row(*row, came, ordinal, sheet, tally, &mut run);
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
            tally.reject(
                ordinal,
                Reason::RecordTooLong,
                format!("{} bytes", came.len()),
                came,
            );
            return;
        }
        if run.layout.is_none() || run.fields != row.fields {
            self.flush(sheet, run);
            match self.layout_for(row.fields) {
                Ok(found) => run.layout = Some(found),
                Err(detail) => {
                    tally.reject(ordinal, Reason::FieldCount, detail, came);
                    return;
                }
            }
            run.fields = row.fields;
        }
        let Some((layout, extra)) = &run.layout else {
            return;
        };
        match time(&row, &self.index, bytes, layout) {
            Some(ts) => {
                if *extra && self.warnings.wanted() {
                    sheet.warn(sheet.row(), EXTRA_FIELDS);
                }
                if ts.is_none() && self.warnings.wanted() {
                    sheet.warn(sheet.row(), TS_MISSING);
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
        if let Some((layout, _)) = run.layout.take() {
            self.columns(sheet, run.base, &run.rows, &layout);
        }
        run.rows.clear();
        run.base = sheet.row();
    }
}
