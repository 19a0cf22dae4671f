//! A few hundred records on their way: their fields, then their columns, then rows of the sheet.

use super::blueprint::{Slots, Work};
use super::extractor::Extracted;
use super::fields::Filling;
use super::{TS_MISSING, render};
use crate::lines::Tally;
use crate::mapping::cell::{Cell, Home, Span};
use crate::mapping::eval::{self, Machine, Table, VALUE_TOO_LONG};
use crate::mapping::target::Kind;
use crate::mapping::{Mapping, Target};
use crate::sheet::{ExtraSpan, Sheet};
use crate::zone::LocalZone;
use haetae_event::Reason;
use std::ops::Range;

/// Texts beside the block that one sheet may hold: its spans are 32 bits wide. No definition gets
/// near it with blocks of the usual size.
const EXTRA_BYTES_MAX: usize = 3 << 30;

/// A chunk of longer records has fewer of them: what is made of it stays small.
const CHUNK_BYTES: usize = 16 << 20;

/// One record of the chunk.
#[derive(Clone, Debug)]
pub struct Record {
    pub ordinal: u64,
    /// Its place in the block.
    pub span: Range<usize>,
    /// Its place in the chunk's attributes.
    pub attrs: Range<usize>,
    /// The line as it came, where that was not UTF-8.
    pub original: Option<Vec<u8>>,
}

/// The records and the memory they are worked on in.
pub struct Chunk {
    pub records: Vec<Record>,
    pub table: Table,
    pub machine: Machine,
    pub attrs: String,
    pub keeps_rest: bool,
    pub extracted: Extracted,
    pub warnings: Vec<(u32, &'static str)>,
    shares: Vec<usize>,
    /// Row of the sheet, by row of the chunk; `None` when the record is refused.
    rows: Vec<Option<usize>>,
    times: Vec<(i64, u64)>,
    /// Bytes put into the sheet beside the block.
    put: usize,
}

impl Chunk {
    pub fn new(mapping: &Mapping, keeps_rest: bool, local: Option<&LocalZone>) -> Chunk {
        Chunk {
            records: Vec::new(),
            table: Table::new(mapping.paths.len()),
            machine: Machine::new(mapping, local),
            attrs: String::new(),
            keeps_rest,
            extracted: Extracted::default(),
            warnings: Vec::new(),
            shares: Vec::new(),
            rows: Vec::new(),
            times: Vec::new(),
            put: 0,
        }
    }

    pub fn is_full(&self) -> bool {
        let bytes = match (self.records.first(), self.records.last()) {
            (Some(first), Some(last)) => last.span.end - first.span.start,
            _ => 0,
        };
        self.records.len() >= eval::CHUNK_ROWS || bytes >= CHUNK_BYTES
    }

    pub fn filling(&mut self) -> Filling<'_> {
        Filling {
            table: &mut self.table,
            arena: &mut self.machine.arena,
            attrs: &mut self.attrs,
            keeps_rest: self.keeps_rest,
            warnings: &mut self.warnings,
        }
    }

    /// A new sheet has begun.
    pub fn begin_sheet(&mut self) {
        self.put = 0;
    }

    fn clear(&mut self) {
        self.records.clear();
        self.table.clear();
        self.machine.clear();
        self.attrs.clear();
        self.warnings.clear();
    }
}

/// Turns the chunk's records into rows and rejects, and empties it.
pub fn flush(work: &mut Work, sheet: &mut Sheet<'_>, tally: &mut Tally) {
    let block = sheet.text();
    let chunk = &mut work.chunk;
    chunk.shares.clear();
    chunk
        .shares
        .extend(chunk.records.iter().map(|record| eval::share(record.span.len())));
    chunk.machine.run(
        &work.mapping,
        &chunk.table,
        block,
        &chunk.extracted.text,
        &chunk.shares,
        work.arrival,
    );
    accept(work, sheet, tally);
    for (place, target) in work.mapping.targets.iter().enumerate() {
        put_column(&mut work.chunk, &work.mapping, &work.slots, sheet, place, target);
    }
    put_rest(&mut work.chunk, &work.slots, sheet);
    for (ts, ordinal) in work.chunk.times.drain(..) {
        sheet.end_row(ts, ordinal);
    }
    work.chunk.clear();
}

/// Decides which records become rows, and at what time.
fn accept(work: &mut Work, sheet: &Sheet<'_>, tally: &mut Tally) {
    let chunk = &mut work.chunk;
    let text = sheet.text();
    let mut next = sheet.row();
    chunk.rows.clear();
    chunk.times.clear();
    let mut failed = vec![false; chunk.records.len()];
    if let Some(ts) = work.slots.ts {
        let code = work.mapping.targets[ts].cast_failed;
        for (row, _) in chunk.machine.warnings.iter().filter(|(_, other)| *other == code) {
            failed[*row as usize] = true;
        }
    }
    for (row, record) in chunk.records.iter().enumerate() {
        let missing = work
            .required
            .iter()
            .find(|place| chunk.machine.cell(&chunk.table, **place, row) == Cell::Missing);
        if let Some(place) = missing {
            let column = work.mapping.targets[*place].column.name;
            let bytes = record
                .original
                .as_deref()
                .unwrap_or(&text.as_bytes()[record.span.clone()]);
            let detail = format!("the required column {column} has no value");
            tally.reject(record.ordinal, Reason::SchemaMismatch, detail, bytes);
            chunk.rows.push(None);
            continue;
        }
        let ts = match work.slots.ts.map(|ts| chunk.machine.cell(&chunk.table, ts, row)) {
            Some(Cell::Time(us)) => us,
            _ => {
                if !failed[row] {
                    chunk.warnings.push((row as u32, TS_MISSING));
                }
                work.arrival.0
            }
        };
        chunk.rows.push(Some(next));
        chunk.times.push((ts, record.ordinal));
        next += 1;
    }
}

fn put_column(
    chunk: &mut Chunk,
    mapping: &Mapping,
    slots: &Slots,
    sheet: &mut Sheet<'_>,
    place: usize,
    target: &Target,
) {
    let slot = slots.targets[place];
    if !slot.wanted() {
        return;
    }
    let block = sheet.text();
    // A constant stands in the sheet once.
    let mut constant: Option<(Span, ExtraSpan)> = None;
    for (row, at) in chunk.rows.iter().enumerate() {
        let Some(at) = *at else { continue };
        let cell = chunk.machine.cell(&chunk.table, place, row);
        match (target.column.kind, cell) {
            (_, Cell::Missing) => {}
            (Kind::Text | Kind::Ip, Cell::Text(span) | Cell::Number(span) | Cell::Json(span)) => {
                match span.home {
                    Home::Block if span.len() > 0 => {
                        sheet.put_span(slot, at, span.start as usize..span.end as usize);
                    }
                    _ if span.len() == 0 => {}
                    Home::Literals if constant.is_some_and(|(same, _)| same == span) => {
                        let (_, extra) = constant.expect("just compared");
                        sheet.put_extra(slot, at, extra);
                    }
                    home => {
                        if span.len() > chunk.shares[row] || chunk.put + span.len() > EXTRA_BYTES_MAX {
                            chunk.warnings.push((row as u32, VALUE_TOO_LONG));
                            continue;
                        }
                        let texts = chunk.machine.texts(mapping, block, &chunk.extracted.text);
                        let extra = sheet.extra(texts.get(span));
                        sheet.put_extra(slot, at, extra);
                        chunk.put += span.len();
                        match home {
                            Home::Literals => constant = Some((span, extra)),
                            _ => chunk.shares[row] -= span.len(),
                        }
                    }
                }
            }
            (Kind::Text | Kind::Ip, other) => {
                let texts = chunk.machine.texts(mapping, block, "");
                if let Some(text) = texts.text(other) {
                    sheet.put_str(slot, at, &text);
                }
            }
            (Kind::I32, Cell::Int(number)) => sheet.put_i32(slot, at, render::narrow(number)),
            (Kind::I64, Cell::Int(number)) => sheet.put_i64(slot, at, number),
            (Kind::F64, Cell::Float(number)) => sheet.put_f64(slot, at, number),
            (Kind::Bool, Cell::Bool(value)) => sheet.put_bool(slot, at, value),
            _ => {}
        }
    }
}

/// `raw`, `attrs` and `warnings`.
fn put_rest(chunk: &mut Chunk, slots: &Slots, sheet: &mut Sheet<'_>) {
    for (row, at) in chunk.rows.iter().enumerate() {
        let Some(at) = *at else { continue };
        let record = &chunk.records[row];
        sheet.put_span(slots.raw, at, record.span.clone());
        let attrs = &chunk.attrs[record.attrs.clone()];
        if attrs.is_empty() {
            continue;
        }
        if chunk.put + attrs.len() > EXTRA_BYTES_MAX {
            chunk.warnings.push((row as u32, VALUE_TOO_LONG));
            continue;
        }
        sheet.put_str(slots.attrs, at, attrs);
        chunk.put += attrs.len();
    }
    if !slots.warnings.wanted() {
        return;
    }
    chunk.warnings.append(&mut chunk.machine.warnings);
    chunk.warnings.sort_unstable();
    chunk.warnings.dedup();
    for (row, code) in &chunk.warnings {
        if let Some(at) = chunk.rows[*row as usize] {
            sheet.warn(at, code);
        }
    }
}
