//! Records of fields between spaces, some in `"quotes"` or `[brackets]`: what the load balancer
//! and S3 access logs have in common.
//!
//! A field's place in its dataset's native table is also its place in [`Spans`], so that one loop
//! fills every native column. Quotes inside a quoted field are not escaped by all writers: a field
//! ends at a quote that a space follows, and where a format knows more about what comes next,
//! it says so.
//!
//! Not here: which fields a format has ([`Shape`]'s implementations).

use crate::client::ClientColumns;
use crate::cloudfront::INVALID_UTF8;
use crate::combined::lines;
use crate::lines::{Sound, Tally, shown};
use crate::options::ParseOptions;
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::scalar;
use crate::sheet::Sheet;
use haetae_event::dataset::{NativeField, NativeType};
use haetae_event::time::SECOND_US;
use haetae_event::{Dataset, Reason};
use std::marker::PhantomData;
use std::ops::Range;

/// Most native fields a [`Shape`] may have.
const PLACES: usize = 40;

/// The place of a vendor's field in its native table; does not compile when there is none.
pub const fn place(table: &[NativeField], vendor: &str) -> usize {
    assert!(table.len() <= PLACES, "Spans has room for the table");
    let mut at = 0;
    while at < table.len() {
        if equal(table[at].vendor.as_bytes(), vendor.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("the table has no such field")
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Where the fields of one record stand, by place in the native table.
pub struct Spans {
    /// Start and end; equal where the value is `-` or nothing.
    at: [(u32, u32); PLACES],
}

/// No such field in this record.
const ABSENT: (u32, u32) = (u32::MAX, u32::MAX);

impl Spans {
    pub fn new() -> Spans {
        Spans { at: [ABSENT; PLACES] }
    }

    /// Puts the field at `place`; `-` counts as nothing.
    #[inline]
    pub fn set(&mut self, bytes: &[u8], place: usize, span: Range<usize>) {
        let nothing = span.len() == 1 && bytes[span.start] == b'-';
        let end = if nothing { span.start } else { span.end };
        self.at[place] = (span.start as u32, end as u32);
    }

    /// The value at `place`; `None` when the record lacks it or it is `-` or empty.
    #[inline]
    pub fn value(&self, place: usize) -> Option<Range<usize>> {
        let (start, end) = self.at[place];
        (start < end).then_some(start as usize..end as usize)
    }

    /// Whether the record has the field, be it `-`.
    pub fn has(&self, place: usize) -> bool {
        self.at[place] != ABSENT
    }
}

/// Takes the fields of one line from left to right.
pub struct Cutter<'t> {
    /// The text up to the end of the line.
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Cutter<'t> {
    pub fn new(text: &'t str, line: Range<usize>) -> Cutter<'t> {
        Cutter {
            bytes: &text.as_bytes()[..line.end],
            at: line.start,
        }
    }

    /// The next field, up to a space; `None` behind the last.
    #[inline]
    pub fn plain(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b' ', rest).map_or(self.bytes.len(), |found| start + found);
        self.at = end + 1;
        Some(start..end)
    }

    /// Whether the next field begins with a quote.
    pub fn at_quote(&self) -> bool {
        self.bytes.get(self.at) == Some(&b'"')
    }

    /// The next field without its quotes; one that has none is taken as it is.
    ///
    /// It ends at the first quote that a space and then what `follows` accepts come after, else at
    /// the first that a space comes after, else at one that ends the line.
    ///
    /// # Errors
    /// When no quote ends it.
    #[inline]
    pub fn quoted(&mut self, follows: fn(&[u8]) -> bool) -> Result<Option<Range<usize>>, &'static str> {
        if !self.at_quote() {
            return Ok(self.plain());
        }
        let start = self.at + 1;
        let mut loose = None;
        for found in memchr::memchr_iter(b'"', &self.bytes[start..]) {
            let quote = start + found;
            match self.bytes.get(quote + 1) {
                Some(b' ') if follows(&self.bytes[quote + 2..]) => return Ok(Some(self.close(start, quote))),
                Some(b' ') => loose = loose.or(Some(quote)),
                None => loose = loose.or(Some(quote)),
                Some(_) => {}
            }
        }
        let quote = loose.ok_or("a quote has no end")?;
        Ok(Some(self.close(start, quote)))
    }

    /// As [`Cutter::quoted`], for the last quoted field of a line: it ends at the line's last quote.
    ///
    /// # Errors
    /// When no quote ends it.
    pub fn last_quoted(&mut self) -> Result<Option<Range<usize>>, &'static str> {
        if !self.at_quote() {
            return Ok(self.plain());
        }
        let start = self.at + 1;
        let last = memchr::memrchr(b'"', &self.bytes[start..]).map(|found| start + found);
        match last {
            Some(quote) if matches!(self.bytes.get(quote + 1), None | Some(b' ')) => {
                Ok(Some(self.close(start, quote)))
            }
            _ => self.quoted(anything),
        }
    }

    fn close(&mut self, start: usize, quote: usize) -> Range<usize> {
        self.at = quote + 2;
        start..quote
    }

    /// The next field without its brackets; `None` when it has none.
    pub fn bracketed(&mut self) -> Option<Range<usize>> {
        if self.bytes.get(self.at) != Some(&b'[') {
            return None;
        }
        let start = self.at + 1;
        let end = start + memchr::memchr(b']', &self.bytes[start..])?;
        if !matches!(self.bytes.get(end + 1), None | Some(b' ')) {
            return None;
        }
        self.at = end + 2;
        Some(start..end)
    }

    /// What is left of the line; `None` at its end.
    pub fn rest(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.at = self.bytes.len();
        (start < self.bytes.len()).then_some(start..self.bytes.len())
    }

    /// The next `places`, each a plain field.
    ///
    /// # Errors
    /// `missing` when the line ends before.
    pub fn plains(
        &mut self,
        places: Range<usize>,
        spans: &mut Spans,
        missing: &'static str,
    ) -> Result<(), &'static str> {
        for place in places {
            let span = self.plain().ok_or(missing)?;
            spans.set(self.bytes, place, span);
        }
        Ok(())
    }
}

/// Accepts whatever follows a quoted field.
pub fn anything(_: &[u8]) -> bool {
    true
}

/// Accepts another quoted field.
pub fn a_quote(rest: &[u8]) -> bool {
    rest.first() == Some(&b'"')
}

/// `2018-07-02T22:23:00.186641Z` in µs since the epoch; fraction and `Z` may be missing.
pub fn iso_time(bytes: &[u8]) -> Option<i64> {
    let bytes = bytes.strip_suffix(b"Z").unwrap_or(bytes);
    if bytes.len() < 19 || bytes[10] != b'T' {
        return None;
    }
    let days = scalar::date_days(&bytes[..10])?;
    let seconds = scalar::time_seconds(&bytes[11..19])?;
    let fraction = match &bytes[19..] {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            let mut us = 0i64;
            for at in 0..digits.len().max(6) {
                let digit = digits.get(at).map_or(0, |b| b.wrapping_sub(b'0'));
                if digit > 9 {
                    return None;
                }
                // Beyond microseconds digits are checked, and cut off.
                if at < 6 {
                    us = us * 10 + i64::from(digit);
                }
            }
            us
        }
        _ => return None,
    };
    Some((days * 86_400 + seconds) * SECOND_US + fraction)
}

/// Undoes `\xHH`; the flag says that the bytes were no UTF-8.
fn unescape(text: &str) -> (String, bool) {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let hex = |i: usize| bytes.get(i).and_then(|&b| (b as char).to_digit(16));
    while at < bytes.len() {
        let escape = bytes[at..].starts_with(b"\\x");
        match (hex(at + 2), hex(at + 3)) {
            (Some(high), Some(low)) if escape => {
                out.push((high * 16 + low) as u8);
                at += 4;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    match String::from_utf8(out) {
        Ok(text) => (text, false),
        Err(e) => (String::from_utf8_lossy(e.as_bytes()).into_owned(), true),
    }
}

/// What one format of this kind is.
pub trait Shape: Send + 'static {
    const DATASET: Dataset;
    const PARSER_ID: &'static str;
    /// Core columns it can fill, beside `ts`.
    const CORE: &'static [&'static str];
    /// Place of the client's address.
    const CLIENT: usize;
    /// Whether user agents hold `\xHH` for bytes that cannot be printed.
    const ESCAPES: bool;
    /// Typical length of a record in bytes.
    const RECORD_BYTES: usize;

    /// Cuts the line into the native fields; the error says what is missing.
    fn cut(text: &str, line: Range<usize>, spans: &mut Spans) -> Result<(), &'static str>;

    /// Time in µs since the epoch.
    fn time(bytes: &[u8], spans: &Spans) -> Option<i64>;

    /// Puts the core columns that are no native field.
    fn derive(sheet: &mut Sheet<'_>, row: usize, spans: &Spans, core: &CoreSlots);
}

/// Whether the line is a record of `S`.
pub fn looks_like<S: Shape>(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let mut spans = Spans::new();
    S::cut(&text, 0..text.len(), &mut spans).is_ok() && S::time(text.as_bytes(), &spans).is_some()
}

/// The core columns that formats derive.
pub struct CoreSlots {
    pub dst_host: Slot,
    pub method: Slot,
    pub uri: Slot,
    pub status: Slot,
    pub blocked: Slot,
}

impl CoreSlots {
    /// Puts the status code at `place`; 0 is none.
    pub fn put_status(&self, sheet: &mut Sheet<'_>, row: usize, spans: &Spans, place: usize) {
        let text = sheet.text();
        let status = spans
            .value(place)
            .and_then(|span| scalar::integer(&text.as_bytes()[span]));
        if let Some(status @ 1..=999) = status {
            sheet.put_i32(self.status, row, status as i32);
        }
    }
}

/// How one native column is made.
#[derive(Clone, Copy)]
enum Make {
    Text,
    Agent,
    I32,
    I64,
    F64,
}

/// Parser of one [`Shape`].
pub struct Quoted<S> {
    plan: Plan,
    /// (place, slot, how) of the wanted columns.
    columns: Vec<(usize, Slot, Make)>,
    client: ClientColumns,
    core: CoreSlots,
    raw: Slot,
    warnings: Slot,
    record_bytes_max: usize,
    shape: PhantomData<fn() -> S>,
}

impl<S: Shape> Quoted<S> {
    pub fn new(options: &ParseOptions) -> Self {
        let plan = Plan::new(S::DATASET, S::CORE, &options.columns);
        let mut columns = Vec::new();
        for (place, field) in S::DATASET.native_fields().iter().enumerate() {
            let (column, make) = match field.kind {
                NativeType::Utf8 => (field.column, Make::Text),
                NativeType::Int32 => (field.column, Make::I32),
                NativeType::Int64 => (field.column, Make::I64),
                NativeType::Float64 => (field.column, Make::F64),
                // No field of these formats is one; the client's address is put with `src_ip`.
                NativeType::Boolean | NativeType::Core("peer_ip") => continue,
                NativeType::Core("ua") if S::ESCAPES => ("ua", Make::Agent),
                NativeType::Core(core @ ("bytes_in" | "bytes_out")) => (core, Make::I64),
                NativeType::Core(core) => (core, Make::Text),
            };
            let slot = plan.slot(column);
            if slot.wanted() {
                columns.push((place, slot, make));
            }
        }
        Quoted {
            columns,
            client: ClientColumns::new(&plan, &options.client_ip),
            core: CoreSlots {
                dst_host: plan.slot("dst_host"),
                method: plan.slot("method"),
                uri: plan.slot("uri"),
                status: plan.slot("status"),
                blocked: plan.slot("blocked"),
            },
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            plan,
            record_bytes_max: options.limits.record_bytes_max,
            shape: PhantomData,
        }
    }

    fn fill(&mut self, sheet: &mut Sheet<'_>, row: usize, spans: &Spans) {
        let bytes = sheet.text().as_bytes();
        for &(place, slot, make) in &self.columns {
            let Some(span) = spans.value(place) else {
                continue;
            };
            match make {
                Make::Text => sheet.put_span(slot, row, span),
                Make::Agent => self.agent(sheet, slot, row, span),
                Make::I32 => {
                    if let Some(n) = scalar::integer(&bytes[span]).and_then(|n| i32::try_from(n).ok()) {
                        sheet.put_i32(slot, row, n);
                    }
                }
                Make::I64 => {
                    if let Some(n) = scalar::integer(&bytes[span]) {
                        sheet.put_i64(slot, row, n);
                    }
                }
                Make::F64 => {
                    let number = match &bytes[span] {
                        b"-1" => Some(-1.0),
                        digits => scalar::decimal(digits),
                    };
                    if let Some(n) = number {
                        sheet.put_f64(slot, row, n);
                    }
                }
            }
        }
        if let Some(span) = spans.value(S::CLIENT) {
            self.client.put(sheet, row, span, None);
        }
        S::derive(sheet, row, spans, &self.core);
    }

    fn agent(&self, sheet: &mut Sheet<'_>, slot: Slot, row: usize, span: Range<usize>) {
        let text = &sheet.text()[span.clone()];
        if memchr::memchr(b'\\', text.as_bytes()).is_none() {
            sheet.put_span(slot, row, span);
            return;
        }
        let (agent, lossy) = unescape(text);
        sheet.put_str(slot, row, &agent);
        if lossy && self.warnings.wanted() {
            sheet.warn(row, INVALID_UTF8);
        }
    }

    /// One line into the sheet; the error is why not.
    fn line(
        &mut self,
        sheet: &mut Sheet<'_>,
        line: Range<usize>,
        ordinal: u64,
    ) -> Result<(), (Reason, String)> {
        let text = sheet.text();
        let head = || shown(&text.as_bytes()[line.clone()]);
        let mut spans = Spans::new();
        S::cut(text, line.clone(), &mut spans)
            .map_err(|what| (Reason::FieldCount, format!("{what}: {:?}", head())))?;
        let ts = S::time(text.as_bytes(), &spans)
            .ok_or_else(|| (Reason::BadField, format!("time does not parse: {:?}", head())))?;
        let row = sheet.row();
        self.fill(sheet, row, &spans);
        sheet.put_span(self.raw, row, line);
        sheet.end_row(ts, ordinal);
        Ok(())
    }
}

impl<S: Shape> Parser for Quoted<S> {
    fn id(&self) -> &str {
        S::PARSER_ID
    }

    fn dataset(&self) -> Dataset {
        S::DATASET
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        let sound = Sound::new(&block.bytes);
        let plan = self.plan.clone();
        let rows = sound.buffer.len() / S::RECORD_BYTES + 1;
        let mut sheet = Sheet::new(&plan, &sound.buffer, rows).expect("a sound block is UTF-8");
        let mut tally = Tally::default();
        let text = sheet.text();
        for (number, line) in lines(text).enumerate() {
            let ordinal = block.first_ordinal + number as u64;
            let bytes = &text.as_bytes()[line.clone()];
            let original = sound.original(number);
            let came = original.unwrap_or(bytes);
            if came.len() > self.record_bytes_max {
                let detail = format!("{} bytes", came.len());
                tally.reject(ordinal, Reason::RecordTooLong, detail, came);
                continue;
            }
            if bytes.is_empty() || bytes[0] == b'#' {
                tally.skip();
                continue;
            }
            let row = sheet.row();
            match self.line(&mut sheet, line, ordinal) {
                Ok(()) if original.is_some() && self.warnings.wanted() => sheet.warn(row, INVALID_UTF8),
                Ok(()) => {}
                Err((reason, detail)) => tally.reject(ordinal, reason, detail, came),
            }
        }
        tally.close(sheet.finish())
    }
}
