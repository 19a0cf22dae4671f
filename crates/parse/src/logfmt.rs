//! logfmt and other lines of keys and values: application logs.
//!
//! See [`crate::pairs`] for what a pair is. A line may begin with a time, a level and words before
//! its first pair: they are its `ts`, `level` and `message` when no key is. Colour codes are taken
//! out, in `raw` they stay. Known keys fill the columns that they fill in JSON records, the rest goes
//! to `attrs`: text as text, a word without a value as true. A time without a zone is in the input's
//! ([`ParseOptions::time_zone`]).

use crate::combined::CORE;
use crate::format::{FormatSpec, Recognise};
use crate::json::TS_MISSING;
use crate::json_records::Refusal;
use crate::known::{KnownKeys, put_text};
use crate::lines::shown;
use crate::options::{Limits, ParseOptions};
use crate::pairs::{self, Pair, Style};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::records::{self, MakeLine, warn};
use crate::scalar;
use crate::sheet::Sheet;
use crate::stamp::{self, Calendar};
use haetae_event::{Dataset, Micros, Reason};
use std::borrow::Cow;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "logfmt",
    aliases: &["kv", "key-value"],
    parser_id: "logfmt@v1",
    about: "key=value lines: logfmt and its relatives",
    recognise: Recognise::Line(looks_like),
    open: |opening| Box::new(Logfmt::new(opening.options)),
};

/// Bytes of a line that are looked at when recognising.
const RECOGNISED_BYTES_MAX: usize = 4096;
/// Room made for a line's pairs; most have fewer.
const PAIRS: usize = 24;
/// Spellings of time beyond those of JSON records.
const TIMES: &[&str] = &["t", "eventtime"];
/// Spellings of the peer's address beyond those of JSON records.
const CLIENTS: &[&str] = &["srcip", "srcaddr", "remip"];

/// At least two pairs, of which the first begins the line or follows its time and level.
fn looks_like(line: &[u8]) -> bool {
    let line = &line[..line.len().min(RECOGNISED_BYTES_MAX)];
    let text = String::from_utf8_lossy(line);
    let text = plain(&text);
    let lead = Lead::read(&text, &Calendar::new(Micros(0), None));
    let rest = &text[lead.end..];
    let Some(first) = pairs::first_pair(rest) else {
        return false;
    };
    if first > 0 && lead.ts.is_none() && lead.level.is_none() {
        return false;
    }
    // A message may stand before the pairs, but no quoted fields: those are another format's, and
    // the pair is inside one of them (`"CN=a,O=b"`).
    if rest[..first].contains('"') {
        return false;
    }
    let words = rest[first..].split([' ', '\t', ',', ';']);
    let keys = words.filter(|word| {
        word.find('=')
            .is_some_and(|at| pairs::key_length(word.as_bytes(), b'=') == Some(at))
    });
    keys.take(2).count() == 2
}

/// The text without ANSI colour codes.
fn plain(text: &str) -> Cow<'_, str> {
    if memchr::memchr(0x1b, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(0x1b, rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(code) = rest.strip_prefix('[') {
            let length = code
                .bytes()
                .take(16)
                .take_while(|b| b.is_ascii_digit() || *b == b';')
                .count();
            if code.as_bytes().get(length).is_some_and(u8::is_ascii_alphabetic) {
                rest = &code[length + 1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What stands before the pairs.
struct Lead {
    ts: Option<i64>,
    level: Option<Range<usize>>,
    end: usize,
}

impl Lead {
    fn read(text: &str, calendar: &Calendar) -> Lead {
        let bytes = text.as_bytes();
        let skip = |at: usize| at + bytes[at..].iter().take_while(|&&b| b == b' ').count();
        let mut lead = Lead {
            ts: None,
            level: None,
            end: skip(0),
        };
        let open = usize::from(bytes.get(lead.end) == Some(&b'['));
        let rest = &bytes[lead.end + open..];
        let iso = stamp::iso(rest).and_then(|stamp| Some((calendar.at(stamp)?, stamp.len)));
        let found = iso.or_else(|| {
            let partial = stamp::month_first(rest)?;
            Some((calendar.instant(&partial, None)?, partial.len))
        });
        if let Some((us, len)) = found {
            let end = lead.end + open + len;
            let end = end + usize::from(open == 1 && bytes.get(end) == Some(&b']'));
            if matches!(bytes.get(end), Some(b' ' | b'\t')) {
                lead.ts = Some(us);
                lead.end = skip(end);
            }
        }
        if let Some((level, end)) = level(bytes, lead.end) {
            lead.level = Some(level);
            lead.end = skip(end);
        }
        lead
    }
}

/// `INFO`, `[warn]`, `ERRO[0012]`, `debug:` at `at`, before a space: the word and where it all ends.
fn level(bytes: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    const LEVELS: [&[u8]; 22] = [
        b"trace",
        b"trac",
        b"trc",
        b"debug",
        b"debu",
        b"dbg",
        b"info",
        b"inf",
        b"notice",
        b"warn",
        b"warning",
        b"wrn",
        b"error",
        b"erro",
        b"err",
        b"fatal",
        b"fata",
        b"panic",
        b"pani",
        b"critical",
        b"crit",
        b"emerg",
    ];
    let open = usize::from(bytes.get(at) == Some(&b'['));
    let start = at + open;
    let length = bytes
        .get(start..)?
        .iter()
        .take(9)
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    let word = start..start + length;
    if !LEVELS
        .iter()
        .any(|level| level.eq_ignore_ascii_case(&bytes[word.clone()]))
    {
        return None;
    }
    let mut end = word.end;
    if open == 1 {
        end += usize::from(*bytes.get(end)? == b']');
    } else if bytes.get(end) == Some(&b'[') {
        end += bytes[end..].iter().take(12).position(|&b| b == b']')? + 1;
    } else if bytes.get(end) == Some(&b':') {
        end += 1;
    }
    matches!(bytes.get(end), Some(b' ' | b'\t')).then_some((word, end))
}

/// Parser of key=value lines.
pub struct Logfmt {
    plan: Plan,
    record_bytes_max: usize,
    rows: LogfmtRows,
}

struct LogfmtRows {
    calendar: Calendar,
    arrival: Micros,
    limits: Limits,
    keys: KnownKeys,
    level: Slot,
    message: Slot,
    raw: Slot,
    warnings: Slot,
}

impl Logfmt {
    pub fn new(options: &ParseOptions) -> Self {
        let plan = Plan::new(Dataset::App, CORE, &options.columns)
            .with_inside(options.inside.of(Dataset::App), |column| column == "attrs");
        let native = |column: &str| Dataset::App.native_fields().iter().any(|f| f.column == column);
        let rows = LogfmtRows {
            calendar: Calendar::new(options.arrival, options.time_zone.as_ref()),
            arrival: options.arrival,
            limits: options.limits.clone(),
            keys: KnownKeys::new(&plan, &options.client_ip, native, CLIENTS, TIMES),
            level: plan.slot("level"),
            message: plan.slot("message"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
        };
        Logfmt {
            plan,
            record_bytes_max: options.limits.record_bytes_max,
            rows,
        }
    }
}

impl Parser for Logfmt {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::App
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        let framing = crate::block::Framing::Lines;
        records::parse(block, &self.plan, framing, self.record_bytes_max, &mut self.rows)
    }
}

impl MakeLine for LogfmtRows {
    fn row(&mut self, sheet: &mut Sheet<'_>, span: Range<usize>) -> Result<i64, Refusal> {
        let whole = sheet.text();
        let text = plain(&whole[span.clone()]);
        let lead = Lead::read(&text, &self.calendar);
        let rest = &text[lead.end..];
        let refuse = |reason, what: &str| (reason, format!("{what}: {:?}", shown(text.as_bytes())));
        // Words before the first pair are a message behind a time or level, else keys alone.
        let led = lead.ts.is_some() || lead.level.is_some();
        let first = pairs::first_pair(rest);
        let start = if led { first.unwrap_or(0) } else { 0 };
        let colons = Style::of(rest).filter(|style| style.assign == b':');
        let style = match first {
            Some(first) => Style::of(&rest[first..]),
            None => colons,
        };
        let style = style.ok_or_else(|| refuse(Reason::FieldCount, "no key=value"))?;
        let mut pairs = Vec::with_capacity(PAIRS);
        if !pairs::read(&rest[start..], style, self.limits.json_fields_max, &mut pairs) {
            return Err(refuse(Reason::TooComplex, "too many keys"));
        }
        pairs::keep_last(&mut pairs);
        let roles = self.keys.roles(&pairs);
        let ts = match roles.time {
            Some(at) => {
                let time = time(&pairs, at, &self.calendar);
                pairs[at].done = true;
                time.ok_or_else(|| refuse(Reason::BadField, &format!("{} is no time", pairs[at].key)))?
            }
            None => lead.ts.unwrap_or_else(|| {
                warn(sheet, self.warnings, TS_MISSING);
                self.arrival.0
            }),
        };
        let row = sheet.row();
        sheet.put_span(self.raw, row, span);
        self.keys.put(sheet, &mut pairs, roles);
        if let Some(level) = lead.level {
            put_text(sheet, self.level, row, &text[level]);
        }
        let words = rest[..start].trim();
        if !words.is_empty() {
            put_text(sheet, self.message, row, words);
        }
        self.keys.put_attrs(sheet, &pairs);
        Ok(ts)
    }
}

/// Unix time in any unit, or a date; a time of the day with the pairs `date` and `tz` beside it, as
/// FortiGate writes them.
fn time(pairs: &[Pair<'_>], at: usize, calendar: &Calendar) -> Option<i64> {
    let text = pairs[at].text()?;
    let text = text.trim();
    if let Some(whole) = scalar::integer(text.as_bytes())
        && (100_000_000_000_000..100_000_000_000_000_000).contains(&whole.unsigned_abs())
    {
        return Some(whole);
    }
    if text.as_bytes().get(2) == Some(&b':') {
        let beside = |key: &str| pairs.iter().rev().find(|pair| pair.key == key)?.text();
        let zone = beside("tz").unwrap_or_default();
        let whole = format!("{}T{text}{}", beside("date")?, zone.trim_matches('"'));
        return stamp::any(&whole, calendar);
    }
    stamp::any(text, calendar).or_else(|| scalar::clf_time(text.as_bytes()))
}
