//! The records of a block, cut out, checked, and handed to extraction in chunks.

use super::blueprint::Work;
use super::chunk::{Record, flush};
use super::extractor::{Extractor, FieldKind, Outcome};
use super::fields::{Flat, PathTree};
use super::pattern::Pattern;
use super::{cef, kv, pattern};
use crate::block::Framing;
use crate::cloudfront::INVALID_UTF8;
use crate::combined::lines;
use crate::json_records::is_nested_arrays;
use crate::json_scan::{self, Fault, Scanner};
use crate::lines::{Sound, Tally, shown};
use crate::mapping::cell::{Cell, Home, Span, present};
use crate::mapping::eval;
use crate::parser::{ParsedBatch, RawBlock};
use crate::plan::Plan;
use crate::sheet::Sheet;
use haetae_event::Reason;
use std::ops::Range;

/// How fields are found.
pub enum Fields {
    Json,
    Kv,
    Cef,
    Regex(Vec<Pattern>),
    /// `None` when no extractor was given: every record is refused.
    Custom(Option<Box<dyn Extractor>>),
}

/// Parses a block.
pub fn parse(block: &RawBlock, plan: &Plan, framing: Framing, work: &mut Work) -> ParsedBatch {
    let sound = Sound::new(&block.bytes);
    let mut walk = Walk {
        sheet: Sheet::new(plan, &sound.buffer, 0).expect("a sound block is UTF-8"),
        tally: Tally::default(),
        sound: &sound,
        ordinal: block.first_ordinal,
        members: Vec::new(),
        work,
    };
    walk.work.chunk.begin_sheet();
    match framing {
        Framing::Lines | Framing::Frames => walk.lines(),
        Framing::Objects | Framing::Elements(_) => walk.objects(),
    }
    walk.flush();
    // Records are refused at three stages; readers want them in order.
    walk.tally.rejects.sort_by_key(|reject| reject.ordinal);
    walk.tally.close(walk.sheet.finish())
}

struct Walk<'a> {
    sheet: Sheet<'a>,
    tally: Tally,
    sound: &'a Sound,
    ordinal: u64,
    members: Vec<json_scan::Member>,
    work: &'a mut Work,
}

impl Walk<'_> {
    fn reject(&mut self, reason: Reason, detail: String, bytes: &[u8]) {
        self.tally.reject(self.ordinal, reason, detail, bytes);
        self.ordinal += 1;
    }

    fn lines(&mut self) {
        let (text, sound) = (self.sheet.text(), self.sound);
        let bytes_max = self.work.limits.record_bytes_max;
        let json = matches!(self.work.fields, Fields::Json);
        for (number, line) in lines(text).enumerate() {
            let original = sound.original(number);
            let came = original.unwrap_or(&text.as_bytes()[line.clone()]);
            if came.len() > bytes_max {
                self.reject(Reason::RecordTooLong, format!("{} bytes", came.len()), came);
            } else if text[line.clone()].trim().is_empty() {
                self.tally.skip();
                self.ordinal += 1;
            } else if !json {
                self.line(text, line, original);
            } else {
                self.objects_of_line(text, line);
            }
        }
    }

    /// One may stand right behind the other.
    fn objects_of_line(&mut self, text: &str, line: Range<usize>) {
        let mut at = line.start;
        while let Some(skip) = text[at..line.end].find(|c: char| !c.is_ascii_whitespace()) {
            at += skip;
            match self.object(text, at..line.end) {
                Some(end) => at = end,
                None => return,
            }
        }
    }

    fn objects(&mut self) {
        let (text, sound) = (self.sheet.text(), self.sound);
        let bytes_max = self.work.limits.record_bytes_max;
        let mut at = 0;
        while let Some(found) = json_scan::next_object(text.as_bytes(), at) {
            self.between(at..found.start);
            let end = found.end.unwrap_or(text.len());
            let came = sound.came(found.start..end);
            if came.len() > bytes_max {
                let detail = format!("{} bytes", came.len());
                self.reject(Reason::RecordTooLong, detail, &came);
            } else {
                self.object(text, found.start..end);
            }
            at = end;
        }
        self.between(at..text.len());
        if is_nested_arrays(&text[at..]) {
            let rest = text[at..].trim();
            let detail = format!("not a JSON object: {:?}", shown(rest.as_bytes()));
            self.reject(Reason::BadJson, detail, rest.as_bytes());
        }
    }

    /// What stands between two objects: only separators are allowed there.
    fn between(&mut self, span: Range<usize>) {
        let separates = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | '[' | ']');
        let text = &self.sheet.text()[span.clone()];
        let start = span.start + text.len() - text.trim_start_matches(separates).len();
        let rest = text.trim_matches(separates);
        if !rest.is_empty() {
            let detail = format!("not a JSON object: {:?}", shown(rest.as_bytes()));
            let came = self.sound.came(start..start + rest.len());
            self.reject(Reason::BadJson, detail, &came);
        }
    }

    /// Takes the object at the start of `span`; gives back where it ends, or `None` when the whole
    /// span was refused.
    fn object(&mut self, text: &str, span: Range<usize>) -> Option<usize> {
        let mut members = std::mem::take(&mut self.members);
        let limits = &self.work.limits;
        let (depth, count) = (limits.json_depth_max, limits.json_fields_max);
        let mut scanner = Scanner::new(&text[..span.end], span.start, depth, count);
        let read = scanner.object(&mut members);
        let end = scanner.position();
        let next = match read {
            Ok(()) => {
                let sound = self.sound;
                let damaged = sound.is_repaired_in(&(span.start..end));
                let came = damaged.then(|| sound.came(span.start..end));
                self.record(text, span.start..end, came.as_deref(), |work, row| {
                    let mut filling = work.chunk.filling();
                    work.tree.record(&mut filling, text, &members, row);
                    if let Some(path) = work.tree.whole() {
                        let span = Span::new(Home::Block, span.start..end);
                        work.chunk.table.set(path, row, Cell::Json(span));
                    }
                    Ok(())
                });
                Some(end)
            }
            Err(Fault::TooComplex) => {
                let detail = "nested too deep, too many keys, or a key too long".to_owned();
                let came = self.sound.came(span);
                self.reject(Reason::TooComplex, detail, &came);
                None
            }
            Err(Fault::Syntax(at)) => {
                let detail = format!("not JSON at byte {} of the record", at - span.start);
                let came = self.sound.came(span);
                self.reject(Reason::BadJson, detail, &came);
                None
            }
        };
        self.members = members;
        next
    }

    fn line(&mut self, text: &str, line: Range<usize>, original: Option<&[u8]>) {
        let span = line.clone();
        self.record(text, line, original, |work, row| {
            let (tree, fields_max) = (&mut work.tree, work.limits.json_fields_max);
            let mut filling = work.chunk.filling();
            let count = match &mut work.fields {
                Fields::Kv => kv::fill(tree, &mut filling, text, span.clone(), row),
                Fields::Cef => cef::fill(tree, &mut filling, text, span.clone(), row),
                Fields::Regex(patterns) => {
                    pattern::fill(patterns, tree, &mut filling, text, span.clone(), row)
                }
                // Extraction follows when the chunk is full.
                Fields::Custom(_) | Fields::Json => Ok(0),
            };
            if let Some(path) = tree.whole() {
                let cell = present(&text[span.clone()], Span::new(Home::Block, span));
                work.chunk.table.set(path, row, cell);
            }
            match count {
                Ok(count) if count <= fields_max => Ok(()),
                Ok(_) => Err((Reason::TooComplex, "too many fields")),
                Err(missing) => Err((Reason::FieldCount, missing)),
            }
        });
    }

    /// Adds a record to the chunk; `fill` puts its fields, or refuses it.
    fn record(
        &mut self,
        text: &str,
        span: Range<usize>,
        original: Option<&[u8]>,
        fill: impl FnOnce(&mut Work, usize) -> Result<(), (Reason, &'static str)>,
    ) {
        let row = self.work.chunk.table.add_row();
        let (attrs, warnings) = (self.work.chunk.attrs.len(), self.work.chunk.warnings.len());
        if let Err((reason, detail)) = fill(self.work, row) {
            let chunk = &mut self.work.chunk;
            chunk.table.drop_row();
            chunk.attrs.truncate(attrs);
            chunk.warnings.truncate(warnings);
            let bytes = original.unwrap_or(&text.as_bytes()[span]);
            return self.reject(reason, detail.to_owned(), bytes);
        }
        let chunk = &mut self.work.chunk;
        if original.is_some() {
            chunk.warnings.push((row as u32, INVALID_UTF8));
        }
        chunk.records.push(Record {
            ordinal: self.ordinal,
            span,
            attrs: attrs..chunk.attrs.len(),
            original: original.map(<[u8]>::to_vec),
        });
        self.ordinal += 1;
        if chunk.is_full() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.work.chunk.records.is_empty() {
            return;
        }
        if let Fields::Custom(extractor) = &mut self.work.fields {
            let mut extractor = extractor.take();
            self.extract(extractor.as_deref_mut());
            self.work.fields = Fields::Custom(extractor);
        }
        flush(self.work, &mut self.sheet, &mut self.tally);
    }

    /// Has the chunk's records extracted, and puts their fields.
    fn extract(&mut self, extractor: Option<&mut (dyn Extractor + 'static)>) {
        let text = self.sheet.text();
        let chunk = &mut self.work.chunk;
        let records = std::mem::take(&mut chunk.records);
        let mut extracted = std::mem::take(&mut chunk.extracted);
        extracted.begin(records.iter().map(|record| eval::share(record.span.len())));
        if let Some(extractor) = extractor {
            let slices: Vec<&[u8]> = records
                .iter()
                .map(|record| {
                    let line = &text.as_bytes()[record.span.clone()];
                    record.original.as_deref().unwrap_or(line)
                })
                .collect();
            extractor.extract(&slices, &mut extracted);
        }
        chunk.table.clear();
        let mut kept_warnings = std::mem::take(&mut chunk.warnings);
        kept_warnings.sort_unstable();
        for (place, mut record) in records.into_iter().enumerate() {
            let (reason, detail) = match extracted.outcomes.get(place) {
                Some(Outcome::Fields(fields)) => {
                    let row = chunk.table.add_row();
                    let start = chunk.attrs.len();
                    let span = record.span.clone();
                    if let Some(path) = self.work.tree.whole() {
                        let cell = present(&text[span.clone()], Span::new(Home::Block, span));
                        chunk.table.set(path, row, cell);
                    }
                    put_fields(&mut self.work.tree, chunk, &extracted, fields.clone(), row);
                    record.attrs = start..chunk.attrs.len();
                    let own = kept_warnings.iter().filter(|(at, _)| *at as usize == place);
                    chunk.warnings.extend(own.map(|(_, code)| (row as u32, *code)));
                    chunk.records.push(record);
                    continue;
                }
                Some(Outcome::Refused(reason, detail)) => (*reason, detail.clone()),
                None => (
                    Reason::Trap,
                    "the extractor gave nothing for the record".to_owned(),
                ),
            };
            let span = record.span.clone();
            let bytes = record.original.as_deref().unwrap_or(&text.as_bytes()[span]);
            self.tally.reject(record.ordinal, reason, detail, bytes);
        }
        chunk.extracted = extracted;
    }
}

fn put_fields(
    tree: &mut PathTree,
    chunk: &mut super::chunk::Chunk,
    extracted: &super::Extracted,
    fields: Range<usize>,
    row: usize,
) {
    let text = extracted.text.as_str();
    let mut filling = chunk.filling();
    filling.open();
    for (place, field) in extracted.fields[fields].iter().enumerate() {
        let key = &text[field.key.start as usize..field.key.end as usize];
        let range = field.value.start as usize..field.value.end as usize;
        let plain = &text[range.clone()];
        let span = Span::new(Home::Extracted, range);
        let (cell, plain) = match field.kind {
            FieldKind::Text => (present(plain, span), plain),
            FieldKind::Number => (Cell::Number(span), plain),
            FieldKind::Bool => (Cell::Bool(plain == "true"), plain),
            FieldKind::Json => (Cell::Json(span), plain),
            FieldKind::Null => (Cell::Missing, "null"),
        };
        let flat = Flat {
            cell,
            plain,
            source: text,
        };
        tree.field(&mut filling, place, key, flat, row);
    }
    filling.close();
}
