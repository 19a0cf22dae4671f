//! The records of a block of JSON: one a line, several on a line, or over several lines.

use crate::block::Framing;
use crate::combined::lines;
use crate::json_scan::{self, Fault, Kind, Member, Scanner, Value};
use crate::lines::{Sound, Tally, shown};
use crate::options::Limits;
use crate::parser::{ParsedBatch, RawBlock};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::sheet::Sheet;
use haetae_event::{Micros, Reason};
use std::borrow::Cow;
use std::ops::Range;

/// Why a record that is JSON is refused.
pub type Refusal = (Reason, String);

/// Makes a row of one record, or refuses it before anything is put.
pub trait MakeRow {
    /// `span` is the record's place in the text. The row is ended by the caller at the time given
    /// back.
    fn row(&mut self, sheet: &mut Sheet<'_>, members: &[Member], span: Range<usize>) -> Result<i64, Refusal>;
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
        sheet: Sheet::new(plan, &sound.buffer, 0).expect("a sound block is UTF-8"),
        tally: Tally::default(),
        limits,
        ordinal: block.first_ordinal,
        members: Vec::new(),
    };
    match framing {
        Framing::Lines => walk.lines(&sound, make),
        Framing::Objects => walk.objects(&sound, make),
    }
    walk.tally.close(walk.sheet.finish())
}

struct Walk<'a> {
    sheet: Sheet<'a>,
    tally: Tally,
    limits: &'a Limits,
    ordinal: u64,
    members: Vec<Member>,
}

impl Walk<'_> {
    fn reject(&mut self, reason: Reason, detail: String, bytes: &[u8]) {
        self.tally.reject(self.ordinal, reason, detail, bytes);
        self.ordinal += 1;
    }

    fn lines(&mut self, sound: &Sound, make: &mut dyn MakeRow) {
        let text = self.sheet.text();
        for (number, line) in lines(text).enumerate() {
            if text[line.clone()].trim().is_empty() {
                self.tally.skip();
                self.ordinal += 1;
                continue;
            }
            let original = sound.original(number);
            let came = original.unwrap_or(&text.as_bytes()[line.clone()]);
            if came.len() > self.limits.record_bytes_max {
                self.reject(Reason::RecordTooLong, format!("{} bytes", came.len()), came);
                continue;
            }
            if original.is_some() {
                self.reject(Reason::InvalidUtf8, "the line is not UTF-8".into(), came);
                continue;
            }
            let mut at = line.start;
            // Firehose may put one object right behind the other.
            while let Some(skip) = text[at..line.end].find(|c: char| !c.is_ascii_whitespace()) {
                at += skip;
                match self.object(text, at..line.end, make) {
                    Some(end) => at = end,
                    None => break,
                }
            }
        }
    }

    fn objects(&mut self, sound: &Sound, make: &mut dyn MakeRow) {
        let text = self.sheet.text();
        let mut at = 0;
        loop {
            let rest = &text[at..];
            let Some(found) = json_scan::next_object(text.as_bytes(), at) else {
                self.between(rest);
                return;
            };
            self.between(&text[at..found.start]);
            let end = found.end.unwrap_or(text.len());
            let record = &text[found.start..end];
            if record.len() > self.limits.record_bytes_max {
                self.reject(
                    Reason::RecordTooLong,
                    format!("{} bytes", record.len()),
                    record.as_bytes(),
                );
            } else if sound.is_repaired() && record.contains(char::REPLACEMENT_CHARACTER) {
                self.reject(
                    Reason::InvalidUtf8,
                    "the object is not UTF-8".into(),
                    record.as_bytes(),
                );
            } else {
                self.object(text, found.start..end, make);
            }
            at = end;
        }
    }

    /// What stands between two objects: only separators are allowed there.
    fn between(&mut self, text: &str) {
        let rest = text.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | '[' | ']'));
        if !rest.is_empty() {
            self.reject(
                Reason::BadJson,
                format!("not a JSON object: {:?}", shown(rest.as_bytes())),
                rest.as_bytes(),
            );
        }
    }

    /// Parses the object at the start of `span`; gives back where it ends, or `None` when the
    /// whole span was rejected.
    fn object(&mut self, text: &str, span: Range<usize>, make: &mut dyn MakeRow) -> Option<usize> {
        let mut members = std::mem::take(&mut self.members);
        let mut scanner = Scanner::new(
            &text[..span.end],
            span.start,
            self.limits.json_depth_max,
            self.limits.json_fields_max,
        );
        let result = scanner.object(&mut members);
        let end = scanner.position();
        let bytes = text.as_bytes();
        let next = match result {
            Ok(()) => {
                match make.row(&mut self.sheet, &members, span.start..end) {
                    Ok(ts) => {
                        self.sheet.end_row(ts, self.ordinal);
                        self.ordinal += 1;
                    }
                    Err((reason, detail)) => self.reject(reason, detail, &bytes[span.start..end]),
                }
                Some(end)
            }
            Err(Fault::TooComplex) => {
                self.reject(
                    Reason::TooComplex,
                    "nested too deep or too many keys".into(),
                    &bytes[span],
                );
                None
            }
            Err(Fault::Syntax(at)) => {
                let detail = format!("not JSON at byte {} of the record", at - span.start);
                self.reject(Reason::BadJson, detail, &bytes[span]);
                None
            }
        };
        self.members = members;
        next
    }
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
    let raw = &text[value.span.clone()];
    if !slot.wanted() || value.kind == Kind::Null || raw.is_empty() || raw == "-" {
        return;
    }
    match value.kind {
        Kind::Str { escaped: true } => sheet.put_str(slot, row, &json_scan::unescape(raw)),
        _ => sheet.put_span(slot, row, value.span.clone()),
    }
}

/// The value as a whole number, also when it is written as a string.
pub fn whole(text: &str, value: &Value) -> Option<i64> {
    match value.kind {
        Kind::Number | Kind::Str { .. } => {
            let raw = &text[value.span.clone()];
            scalar::integer(raw.as_bytes()).or_else(|| {
                let number = scalar::decimal(raw.as_bytes())?;
                (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
            })
        }
        _ => None,
    }
}

/// The value as a number, also when it is written as a string.
pub fn number(text: &str, value: &Value) -> Option<f64> {
    match value.kind {
        Kind::Number | Kind::Str { .. } => scalar::decimal(text[value.span.clone()].as_bytes()),
        _ => None,
    }
}

/// An event time: RFC 3339, or Unix time in s, ms, µs or ns, in µs.
pub fn time(text: &str, value: &Value) -> Option<i64> {
    if let Some(number) = number(text, value) {
        if let Some(whole) = whole(text, value)
            && (100_000_000_000_000..100_000_000_000_000_000).contains(&whole.abs())
        {
            return Some(whole);
        }
        return scalar::epoch_us(number);
    }
    let stamp = string(text, value)?;
    Micros::parse_rfc3339(stamp.trim())
        .map(|at| at.0)
        .or_else(|| scalar::clf_time(stamp.trim().as_bytes()))
}
