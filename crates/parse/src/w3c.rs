//! Delimited text whose fields `#Fields:` lines name: what CloudFront and IIS logs share.
//!
//! Here: layouts, the delimiter and how it is found, the walk over a block, columns that are one
//! field. Not here: what a format's fields mean.
//!
//! Source: W3C working draft *Extended Log File Format*. Layout and delimiter hold until the next
//! `#Fields:` line and are the only state between blocks.

mod columns;
mod mend;

pub use columns::{Make, Run, makes};

use crate::json::TS_MISSING;
use crate::lines::{Row, Sound, Tally, shown};
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, RawBlock};
use crate::plan::{Plan, Slot};
use crate::separators::Index;
use crate::sheet::Sheet;
use haetae_event::dataset::NativeField;
use haetae_event::{Micros, Reason};

/// No such field in this layout.
pub const ABSENT: u32 = u32::MAX;
/// Warning of a row whose text was not UTF-8, as logged or once decoded.
pub const INVALID_UTF8: &str = "invalid_utf8";
/// Warning of a row with fields behind the known ones, which are in no column but `raw`.
pub const EXTRA_FIELDS: &str = "extra_fields";
/// What may stand between fields, the likeliest first.
pub const DELIMITERS: [u8; 5] = *b"\t, ;|";
/// Names of a header that are looked at.
const NAMES_MAX: usize = 512;

/// Where each field of a native table stands in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    table: &'static [NativeField],
    /// By place in the native table; [`ABSENT`] when the layout lacks it.
    pub position: Vec<u32>,
    /// Fewest fields a row may have.
    pub fields_min: u32,
    /// Fields with a meaning; what a row has beyond them is extra.
    pub fields_max: u32,
    /// Fields the header or list names; 0 without one.
    named: u32,
    /// (position, name as a JSON string) of the fields without a native column.
    others: Vec<(u32, String)>,
    guide: mend::Guide,
}

impl Layout {
    /// The layout `names` give. A row must reach the last of the fields in `needed`.
    pub fn new(table: &'static [NativeField], names: &[&str], needed: &[&str]) -> Layout {
        let mut layout = Layout {
            table,
            position: vec![ABSENT; table.len()],
            fields_min: 1,
            fields_max: names.len() as u32,
            named: names.len() as u32,
            others: Vec::new(),
            guide: mend::Guide::default(),
        };
        for (at, name) in names.iter().enumerate() {
            match place(table, name) {
                Some(place) if layout.position[place] == ABSENT => layout.position[place] = at as u32,
                _ => layout.others.push((at as u32, json_string(name))),
            }
        }
        layout.guide = mend::Guide::new(table, &layout.position);
        layout.require(needed);
        layout
    }

    /// Rows must reach the last of the fields in `needed`.
    pub fn require(&mut self, needed: &[&str]) {
        let positions = needed.iter().map(|name| self.at(name));
        let last = positions.filter(|&at| at != ABSENT).max();
        self.fields_min = last.unwrap_or(0) + 1;
    }

    /// Whether the delimiter stands inside the row's values. A tab never does; rows with more of
    /// them have more fields than the header.
    fn split(&self, row: &Row, delimiter: u8) -> bool {
        row.fields > self.named && self.named > 0 && delimiter != b'\t'
    }

    /// Position of the field the vendor calls so.
    pub fn at(&self, vendor: &str) -> u32 {
        let place = self.table.iter().position(|f| f.vendor == vendor);
        place.map_or(ABSENT, |place| self.position[place])
    }

    /// Position of the field without a native column that one of `names` names, whatever its case.
    pub fn other(&self, names: &[&str]) -> u32 {
        let quoted = |name: &str, text: &str| text[1..text.len() - 1].eq_ignore_ascii_case(name);
        let found = self
            .others
            .iter()
            .find(|(_, text)| names.iter().any(|name| quoted(name, text)));
        found.map_or(ABSENT, |(at, _)| *at)
    }
}

/// The row of a native table a vendor's, a column's or another name belongs to.
pub fn place(table: &[NativeField], name: &str) -> Option<usize> {
    let vendor = table.iter().position(|f| f.vendor.eq_ignore_ascii_case(name));
    vendor.or_else(|| {
        table
            .iter()
            .position(|f| f.column == name || f.aliases.contains(&name))
    })
}

/// The names of a header line or a configured list: `date time …`, `date,time,…`, `${date} …`.
pub fn names(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|'))
        .map(|name| {
            name.trim_start_matches("${")
                .trim_end_matches('}')
                .trim_matches('"')
        })
        .filter(|name| !name.is_empty())
        .take(NAMES_MAX)
        .collect()
}

/// The text as a JSON string, with its quotes.
pub fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_json_string(&mut out, text);
    out
}

fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let code = c as usize;
                out.push_str("\\u00");
                out.extend([code >> 4, code & 15].map(|digit| b"0123456789abcdef"[digit] as char));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether the row has the fields it needs; an `Ok` keeps the layout.
///
/// # Errors
/// How many fields there are and should be.
#[inline]
pub fn reaches(row: &Row, layout: &Layout) -> Result<Option<Layout>, String> {
    if row.fields < layout.fields_min {
        let (fields, least) = (row.fields, layout.fields_min);
        return Err(format!("{fields} fields, at least {least} expected"));
    }
    Ok(None)
}

/// What one format makes of its lines.
pub trait Dialect {
    /// A line that begins with `#`; gives back the layout it announces.
    fn directive(&mut self, line: &str) -> Option<Layout>;

    /// Rows have this layout from now on.
    fn adopt(&mut self, layout: &Layout);

    /// Another layout for this row, where the row itself tells it.
    ///
    /// # Errors
    /// What is wrong with the row's fields.
    fn fit(
        &mut self,
        row: &Row,
        index: &Index,
        bytes: &[u8],
        layout: &Layout,
    ) -> Result<Option<Layout>, String>;

    /// Time of a row in µs, `None` in a layout without time.
    ///
    /// # Errors
    /// The field that does not parse.
    fn time(&mut self, row: &Row, index: &Index, bytes: &[u8]) -> Result<Option<i64>, &'static str>;

    /// Whether `line` cut at `delimiter` makes sense in this layout.
    fn plausible(&mut self, line: &[u8], delimiter: u8, layout: &Layout) -> bool {
        let mut index = Index::default();
        index.build(line, delimiter);
        let Some(mut row) = Row::all(&index, line, 0).next() else {
            return false;
        };
        if layout.split(&row, delimiter)
            && !mend::mend(&mut row, &mut index, line, &layout.guide, layout.named)
        {
            return false;
        }
        row.fields >= layout.fields_min
            && self.time(&row, &index, line).is_ok_and(|ts| {
                // Without a time only the number of fields is left to tell.
                ts.is_some() || row.fields == layout.fields_max
            })
    }

    fn columns(&mut self, sheet: &mut Sheet<'_>, run: &Run<'_>);
}

/// The walk over the lines of an input's blocks.
pub struct Walk {
    layout: Layout,
    delimiter: u8,
    /// The next row that makes sense tells the delimiter.
    undecided: bool,
    /// Chosen by the user: never looked for.
    fixed: bool,
    index: Index,
    rows: Vec<Row>,
    warnings: Slot,
    arrival: Micros,
    record_bytes_max: usize,
}

/// Where the walk stands in its block.
struct Cursor {
    from: usize,
    until: usize,
    /// Lines before `from`.
    number: usize,
}

impl Walk {
    /// Begins with `layout`; `undecided` when it was configured and its delimiter was not.
    pub fn new(layout: Layout, undecided: bool, warnings: Slot, options: &ParseOptions, usual: u8) -> Walk {
        Walk {
            layout,
            delimiter: options.delimiter.unwrap_or(usual),
            undecided: undecided && options.delimiter.is_none(),
            fixed: options.delimiter.is_some(),
            index: Index::default(),
            rows: Vec::new(),
            warnings,
            arrival: options.arrival,
            record_bytes_max: options.limits.record_bytes_max,
        }
    }

    pub fn parse<D: Dialect>(&mut self, dialect: &mut D, plan: &Plan, block: &RawBlock) -> ParsedBatch {
        let sound = Sound::new(&block.bytes);
        self.index.build(&sound.buffer, self.delimiter);
        let lines = self.index.line_ends.len();
        let mut sheet = Sheet::new(plan, &sound.buffer, lines).expect("a sound block is UTF-8");
        let mut tally = Tally::default();
        let bytes = sheet.text().as_bytes();
        let mut cursor = Cursor {
            from: 0,
            until: bytes.len(),
            number: 0,
        };
        loop {
            self.lines(
                dialect,
                &sound,
                block.first_ordinal,
                &mut cursor,
                &mut sheet,
                &mut tally,
            );
            if cursor.from >= bytes.len() {
                break;
            }
            // The delimiter changed: from here on only up to the next header is looked ahead, so
            // that headers that change it again and again cost no more than their lines.
            let header = memchr::memmem::find(&bytes[cursor.from..], b"\n#");
            cursor.until = header.map_or(bytes.len(), |at| cursor.from + at + 1);
            self.index
                .build_from(&bytes[..cursor.until], cursor.from, self.delimiter);
        }
        tally.close(sheet.finish())
    }

    /// Decides about the lines under the index, until a row shows another delimiter.
    fn lines<D: Dialect>(
        &mut self,
        dialect: &mut D,
        sound: &Sound,
        first: u64,
        cursor: &mut Cursor,
        sheet: &mut Sheet<'_>,
        tally: &mut Tally,
    ) {
        let text = sheet.text();
        let bytes = text.as_bytes();
        let lines: Vec<Row> = Row::all(&self.index, bytes, cursor.from).collect();
        let mut base = sheet.row();
        for (at, row) in lines.iter().enumerate() {
            let number = cursor.number + at;
            let line = &bytes[row.span()];
            // What is longer than a record is refused as one, directives too: it may not fit a block.
            let short = sound.length(number, line) <= self.record_bytes_max;
            match line.first() {
                None => {
                    tally.skip();
                    continue;
                }
                Some(b'#') if short => {
                    if let Some(layout) = dialect.directive(&text[row.span()]) {
                        self.undecided = !self.fixed;
                        self.adopt(dialect, layout, sheet, &mut base);
                    }
                    tally.skip();
                    continue;
                }
                Some(_) => {}
            }
            if self.undecided && short && self.decide(dialect, line) {
                self.flush(dialect, sheet, base);
                (cursor.from, cursor.number) = (row.start as usize, number);
                return;
            }
            let original = sound.original(number);
            let ordinal = first + number as u64;
            let mut row = *row;
            match self.row(dialect, &mut row, sheet, original.unwrap_or(line), &mut base) {
                Ok(ts) => {
                    if original.is_some() && self.warnings.wanted() {
                        sheet.warn(sheet.row(), INVALID_UTF8);
                    }
                    sheet.end_row(ts, ordinal);
                    self.rows.push(row);
                }
                Err((reason, detail)) => tally.reject(ordinal, reason, detail, original.unwrap_or(line)),
            }
        }
        self.flush(dialect, sheet, base);
        cursor.number += lines.len();
        cursor.from = cursor.until;
    }

    /// Time of a row that becomes an event.
    #[inline]
    fn row<D: Dialect>(
        &mut self,
        dialect: &mut D,
        row: &mut Row,
        sheet: &mut Sheet<'_>,
        came: &[u8],
        base: &mut usize,
    ) -> Result<i64, (Reason, String)> {
        let bytes = sheet.text().as_bytes();
        if came.len() > self.record_bytes_max {
            return Err((Reason::RecordTooLong, format!("{} bytes", came.len())));
        }
        let (named, pieces) = (self.layout.named, row.fields);
        let split = self.layout.split(row, self.delimiter);
        if split && !mend::mend(row, &mut self.index, bytes, &self.layout.guide, named) {
            let detail =
                format!("{pieces} fields where {named} are named, and no way to join some makes sense");
            return Err((Reason::FieldCount, detail));
        }
        match dialect.fit(row, &self.index, bytes, &self.layout) {
            Ok(None) => {}
            Ok(Some(layout)) => self.adopt(dialect, layout, sheet, base),
            Err(detail) => return Err((Reason::FieldCount, detail)),
        }
        let ts = dialect.time(row, &self.index, bytes).map_err(|field| {
            let detail = format!("{field} does not parse: {:?}", shown(&bytes[row.span()]));
            (Reason::BadField, detail)
        })?;
        if self.warnings.wanted() {
            if split {
                sheet.warn(sheet.row(), mend::DELIMITER_IN_VALUE);
            }
            if row.fields > self.layout.fields_max {
                sheet.warn(sheet.row(), EXTRA_FIELDS);
            }
            if ts.is_none() {
                sheet.warn(sheet.row(), TS_MISSING);
            }
        }
        Ok(ts.unwrap_or(self.arrival.0))
    }

    /// Takes another layout, after the rows of the one before have got their columns.
    fn adopt<D: Dialect>(
        &mut self,
        dialect: &mut D,
        layout: Layout,
        sheet: &mut Sheet<'_>,
        base: &mut usize,
    ) {
        if layout != self.layout {
            self.flush(dialect, sheet, *base);
            *base = sheet.row();
            self.layout = layout;
            dialect.adopt(&self.layout);
        }
    }

    /// Whether the line shows another delimiter than the index was made with.
    #[cold]
    fn decide<D: Dialect>(&mut self, dialect: &mut D, line: &[u8]) -> bool {
        let likely = std::iter::once(self.delimiter).chain(DELIMITERS);
        for delimiter in likely {
            if dialect.plausible(line, delimiter, &self.layout) {
                self.undecided = false;
                return std::mem::replace(&mut self.delimiter, delimiter) != delimiter;
            }
        }
        false
    }

    fn flush<D: Dialect>(&mut self, dialect: &mut D, sheet: &mut Sheet<'_>, base: usize) {
        if self.rows.is_empty() {
            return;
        }
        let run = Run {
            layout: &self.layout,
            index: &self.index,
            rows: &self.rows,
            base,
            bytes: sheet.text().as_bytes(),
        };
        dialect.columns(sheet, &run);
        self.rows.clear();
    }
}
