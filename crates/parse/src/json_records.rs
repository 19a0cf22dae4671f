//! The records of a block of JSON: one a line, several on a line, or over several lines.
//!
//! Bytes that are no UTF-8 become U+FFFD, as in lines of text, and the record carries a warning: who
//! can put such a byte into a request must not be able to hide it from detection. Rejects keep the
//! bytes as they came.

use crate::block::{Framing, Next};
use crate::cloudfront::INVALID_UTF8;
use crate::combined::lines;
use crate::json_record::Record;
use crate::json_scan::{self, Fault, Kind, Member, Scanner, Value};
use crate::lines::{Sound, Tally, shown};
use crate::options::Limits;
use crate::parser::{ParsedBatch, RawBlock};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::separators::Marks;
use crate::sheet::Sheet;
use crate::stamp::{self, Calendar};
use haetae_event::{Micros, Reason};
use std::borrow::Cow;
use std::ops::Range;

/// Why a record that is JSON is refused.
pub type Refusal = (Reason, String);

/// Makes a row of one record, or refuses it before anything is put.
pub trait MakeRow {
    /// `span` is the record's place in the text. The row is ended by the caller at the time given
    /// back.
    fn row(&mut self, sheet: &mut Sheet<'_>, record: &Record, span: Range<usize>) -> Result<i64, Refusal>;

    /// Whether the row is made of what stands in nested objects too.
    fn reads_inside(&self) -> bool {
        false
    }

    /// Whether the record is no event by its nature, and is only counted as skipped.
    fn skips(&self, _text: &str, _members: &[Member]) -> bool {
        false
    }
}

/// Walks over the records of a block.
pub fn parse(
    block: &RawBlock,
    plan: &Plan,
    framing: Framing,
    limits: &Limits,
    make: &mut dyn MakeRow,
) -> ParsedBatch {
    let sound = Sound::new(&block.bytes);
    let mut walk = Walk {
        sheet: Sheet::new(plan, &sound.buffer, rows(&sound.buffer, framing)).expect("a sound block is UTF-8"),
        tally: Tally::default(),
        sound: &sound,
        marks: Marks::new(&sound.buffer),
        warnings: plan.slot("warnings"),
        limits,
        ordinal: block.first_ordinal,
        record: Record::default(),
        inside: make.reads_inside(),
    };
    match framing {
        Framing::Lines | Framing::Frames => walk.lines(make),
        framing => walk.objects(framing, make),
    }
    walk.tally.close(walk.sheet.finish())
}

/// About how many rows there will be, to make room for: a guess from the first lines.
fn rows(text: &[u8], framing: Framing) -> usize {
    const LOOK_BYTES: usize = 8 << 10;
    const ROWS_MAX: usize = 1 << 10;
    if framing != Framing::Lines {
        return 0;
    }
    let head = &text[..text.len().min(LOOK_BYTES)];
    let lines = memchr::memchr_iter(b'\n', head).count();
    (lines * text.len() / head.len().max(1)).min(ROWS_MAX)
}

struct Walk<'a> {
    sheet: Sheet<'a>,
    tally: Tally,
    sound: &'a Sound,
    marks: Marks,
    warnings: Slot,
    limits: &'a Limits,
    ordinal: u64,
    record: Record,
    inside: bool,
}

impl Walk<'_> {
    fn reject(&mut self, reason: Reason, detail: String, span: Range<usize>) {
        let came = self.sound.came(span);
        self.tally.reject(self.ordinal, reason, detail, &came);
        self.ordinal += 1;
    }

    /// Whether the record is longer than allowed, and then refused.
    fn too_long(&mut self, span: &Range<usize>) -> bool {
        let length = self.sound.came(span.clone()).len();
        let too_long = length > self.limits.record_bytes_max;
        if too_long {
            self.reject(Reason::RecordTooLong, format!("{length} bytes"), span.clone());
        }
        too_long
    }

    fn lines(&mut self, make: &mut dyn MakeRow) {
        let text = self.sheet.text();
        for line in lines(text) {
            if self.too_long(&line) {
                continue;
            }
            if text[line.clone()].trim_matches(is_blank).is_empty() {
                self.tally.skip();
                self.ordinal += 1;
                continue;
            }
            let mut at = line.start;
            // Firehose may put one object right behind the other.
            while let Some(skip) = text[at..line.end].find(|c: char| !is_blank(c)) {
                at += skip;
                match self.object(text, at..line.end, make) {
                    Some(end) => at = end,
                    None => break,
                }
            }
        }
    }

    fn objects(&mut self, framing: Framing, make: &mut dyn MakeRow) {
        let text = self.sheet.text();
        let mut at = 0;
        while let Some(next) = framing.next(text.as_bytes(), at) {
            match next {
                Next::Opening(start, inside) => {
                    self.between(framing, at..start);
                    at = inside;
                }
                Next::Record(start) => {
                    self.between(framing, at..start);
                    at = self.element(text, start, make);
                }
            }
        }
        self.between(framing, at..text.len());
        self.nested_arrays(at..text.len());
    }

    /// The object that begins at `start`; gives back where it ends.
    fn element(&mut self, text: &str, start: usize, make: &mut dyn MakeRow) -> usize {
        let scanned = self.scan(text, start..text.len());
        let end = match scanned {
            Ok(end) => end,
            Err(_) => json_scan::next_object(text.as_bytes(), start)
                .and_then(|found| found.end)
                .unwrap_or(text.len()),
        };
        if !self.too_long(&(start..end)) {
            match scanned {
                Ok(_) => self.make(text, start..end, make),
                Err(fault) => self.fault(start..end, fault),
            }
        }
        end
    }

    /// What stands between two objects: only separators are allowed there.
    fn between(&mut self, framing: Framing, span: Range<usize>) {
        let wrapped = matches!(framing, Framing::Elements(_));
        let separates = |c: char| is_blank(c) || matches!(c, ',' | '[' | ']') || wrapped && c == '}';
        let text = &self.sheet.text()[span.clone()];
        let start = span.start + text.len() - text.trim_start_matches(separates).len();
        let rest = text.trim_matches(separates);
        if !rest.is_empty() {
            let detail = format!("not a JSON object: {:?}", shown(rest.as_bytes()));
            self.reject(Reason::BadJson, detail, start..start + rest.len());
        }
    }

    fn nested_arrays(&mut self, span: Range<usize>) {
        let text = &self.sheet.text()[span.clone()];
        if is_nested_arrays(text) {
            let detail = format!("not a JSON object: {:?}", shown(text.as_bytes()));
            let start = span.start + text.len() - text.trim_start().len();
            self.reject(Reason::BadJson, detail, start..start + text.trim().len());
        }
    }

    /// Parses the object at the start of `span`; gives back where it ends, or `None` when the
    /// whole span was rejected.
    fn object(&mut self, text: &str, span: Range<usize>, make: &mut dyn MakeRow) -> Option<usize> {
        match self.scan(text, span.clone()) {
            Ok(end) => {
                self.make(text, span.start..end, make);
                Some(end)
            }
            Err(fault) => {
                self.fault(span, fault);
                None
            }
        }
    }

    /// Reads the members of the object at the start of `span`; gives back where it ends.
    fn scan(&mut self, text: &str, span: Range<usize>) -> Result<usize, Fault> {
        let mut scanner = Scanner::new(
            &text[..span.end],
            span.start,
            self.limits.json_depth_max,
            self.limits.json_fields_max,
        )
        .with_marks(&self.marks);
        self.record.read(&mut scanner, self.inside)?;
        Ok(scanner.position())
    }

    /// Makes a row of the members just read.
    fn make(&mut self, text: &str, span: Range<usize>, make: &mut dyn MakeRow) {
        if make.skips(text, &self.record) {
            self.tally.skip();
            self.ordinal += 1;
            return;
        }
        match make.row(&mut self.sheet, &self.record, span.clone()) {
            Ok(ts) => {
                if self.warnings.wanted() && self.sound.is_repaired_in(&span) {
                    self.sheet.warn(self.sheet.row(), INVALID_UTF8);
                }
                self.sheet.end_row(ts, self.ordinal);
                self.ordinal += 1;
            }
            Err((reason, detail)) => self.reject(reason, detail, span),
        }
    }

    fn fault(&mut self, span: Range<usize>, fault: Fault) {
        let (reason, detail) = match fault {
            Fault::TooComplex => (
                Reason::TooComplex,
                "nested too deep, too many keys, or a key too long".into(),
            ),
            Fault::Syntax(at) => {
                let at = at.min(span.end) - span.start;
                (Reason::BadJson, format!("not JSON at byte {at} of the record"))
            }
        };
        self.reject(reason, detail, span);
    }
}

/// Whether what stands behind the last object is arrays in arrays: no list of records, and not to be
/// lost without a word.
pub fn is_nested_arrays(text: &str) -> bool {
    let separators = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | '[' | ']');
    text.bytes().filter(|&b| b == b'[').count() > 1 && text.chars().all(separators)
}

/// Blank between records. GELF over TCP ends each with a NUL.
fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\0'
}

/// The value of the last member of this name.
pub fn get<'m>(text: &str, members: &'m [Member], key: &str) -> Option<&'m Value> {
    members
        .iter()
        .rev()
        .find(|m| text.as_bytes()[m.key.span.clone()] == *key.as_bytes())
        .map(|m| &m.value)
}

/// The text of the last member of this name.
pub fn get_string<'t>(text: &'t str, members: &[Member], key: &str) -> Option<Cow<'t, str>> {
    get(text, members, key).and_then(|value| string(text, value))
}

/// A string value's text; `None` for any other kind.
pub fn string<'t>(text: &'t str, value: &Value) -> Option<Cow<'t, str>> {
    match value.kind {
        Kind::Str { escaped: false } => Some(Cow::Borrowed(&text[value.span.clone()])),
        Kind::Str { escaped: true } => Some(Cow::Owned(json_scan::unescape(&text[value.span.clone()]))),
        _ => None,
    }
}

/// Puts a value as text: strings without quotes, anything else as it stands in the JSON. Null,
/// empty text and `-` are null.
pub fn put_text(sheet: &mut Sheet<'_>, slot: Slot, row: usize, value: &Value) {
    let text = sheet.text();
    let raw = &text.as_bytes()[value.span.clone()];
    if !slot.wanted() || value.kind == Kind::Null || matches!(raw, b"" | b"-") {
        return;
    }
    match value.kind {
        Kind::Str { escaped: true } => {
            sheet.put_str(slot, row, &json_scan::unescape(&text[value.span.clone()]));
        }
        _ => sheet.put_span(slot, row, value.span.clone()),
    }
}

/// The value as a whole number, also when it is written as a string.
pub fn whole(text: &str, value: &Value) -> Option<i64> {
    match value.kind {
        Kind::Number | Kind::Str { .. } => {
            if let Some(short) = scalar::short_integer(text.as_bytes(), &value.span) {
                return Some(short);
            }
            let raw = &text.as_bytes()[value.span.clone()];
            scalar::integer(raw).or_else(|| {
                let number = scalar::decimal(raw)?;
                (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
            })
        }
        _ => None,
    }
}

/// The value as a number, also when it is written as a string.
pub fn number(text: &str, value: &Value) -> Option<f64> {
    match value.kind {
        Kind::Number | Kind::Str { .. } => scalar::decimal(&text.as_bytes()[value.span.clone()]),
        _ => None,
    }
}

/// An event time: RFC 3339, or Unix time in s, ms, µs or ns, in µs.
pub fn time(text: &str, value: &Value) -> Option<i64> {
    let raw = text.as_bytes().get(value.span.clone()).unwrap_or_default();
    // The usual case first; no number looks like it.
    if let Kind::Str { .. } = value.kind
        && let Some(us) = scalar::iso_seconds(raw)
    {
        return Some(us);
    }
    if let Some(number) = number(text, value) {
        if let Some(whole) = whole(text, value)
            && (100_000_000_000_000..100_000_000_000_000_000).contains(&whole.unsigned_abs())
        {
            return Some(whole);
        }
        return scalar::epoch_us(number);
    }
    let stamp = string(text, value)?;
    if let Kind::Str { escaped: true } = value.kind
        && let Some(us) = scalar::iso_seconds(stamp.as_bytes())
    {
        return Some(us);
    }
    Micros::parse_rfc3339(stamp.trim())
        .map(|at| at.0)
        .or_else(|| scalar::clf_time(stamp.trim().as_bytes()))
}

/// As [`time`], or ISO 8601 without a zone, on the calendar's clock.
pub fn local_time(text: &str, value: &Value, calendar: &Calendar) -> Option<i64> {
    time(text, value).or_else(|| {
        let written = string(text, value)?;
        let written = written.trim().as_bytes();
        calendar.at(stamp::iso(written).filter(|stamp| stamp.len == written.len())?)
    })
}

/// Appends `text` as a JSON string.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}
