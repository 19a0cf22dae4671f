//! Graylog Extended Log Format 1.1.
//!
//! Source: the GELF payload specification. Objects stand one a line, behind each other, or end
//! with a NUL each, as over TCP. What real senders do wrong is taken as it is meant: times as
//! strings, `message` for `short_message` (with a warning), values that are neither string nor
//! number. Additional fields stay attributes under the names as sent, underscore included.
//! Compression and chunks of datagrams are the receiver's.

use crate::block::Framing;
use crate::format::{FormatSpec, Recognise};
use crate::json::TS_MISSING;
use crate::json_columns::{JsonColumns, is_missing};
use crate::json_record::Record;
use crate::json_records::{self, MakeRow, Refusal, get, put_text};
use crate::json_scan::Member;
use crate::options::{Limits, ParseOptions};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::sheet::Sheet;
use crate::sniff::first_object;
use haetae_event::{Dataset, Micros, Reason};
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "gelf",
    aliases: &[],
    parser_id: "gelf@v1",
    about: "Graylog Extended Log Format (GELF 1.1)",
    recognise: Recognise::Object(looks_like),
    open: |opening| Box::new(Gelf::new(opening.options, opening.framing)),
};

/// Warning of a record without `short_message`, which the format requires.
pub const SHORT_MESSAGE_MISSING: &str = "short_message_missing";

fn looks_like(head: &[u8]) -> bool {
    let head = first_object(head);
    let has = |key: &str| memchr::memmem::find(head, key.as_bytes()).is_some();
    let version = || {
        let at = memchr::memmem::find(head, b"\"version\"");
        at.map(|at| head[at + 9..].trim_ascii_start())
            .and_then(|rest| rest.strip_prefix(b":"))
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"1."))
    };
    has("\"host\"")
        && (has("\"short_message\"") || (has("\"message\"") || has("\"full_message\"")) && version())
}

const CORE: &[&str] = &["dst_host", "raw", "warnings", "attrs"];

/// Parser of GELF messages.
pub struct Gelf {
    plan: Plan,
    framing: Framing,
    limits: Limits,
    rows: Rows,
}

struct Rows {
    columns: JsonColumns,
    short_message: Slot,
    raw: Slot,
    warnings: Slot,
    arrival: Micros,
}

impl Gelf {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        // `short_message` is not put by the columns alone.
        let plan = Plan::new(Dataset::Gelf, CORE, &options.columns)
            .with_inside(options.inside.of(Dataset::Gelf), |column| {
                column != "short_message"
            });
        let rows = Rows {
            columns: JsonColumns::new(&plan, Dataset::Gelf, &["message"]),
            short_message: plan.slot("short_message"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            arrival: options.arrival,
        };
        Gelf {
            plan,
            framing,
            limits: options.limits.clone(),
            rows,
        }
    }
}

impl Parser for Gelf {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Gelf
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        json_records::parse(block, &self.plan, self.framing, &self.limits, &mut self.rows)
    }
}

impl Rows {
    /// `short_message`, or what stands in for it.
    fn message(&mut self, sheet: &mut Sheet<'_>, record: &[Member]) {
        let text = sheet.text();
        let row = sheet.row();
        let short = get(text, record, "short_message").is_some_and(|value| !is_missing(text, value));
        let message = record
            .iter()
            .rev()
            .find(|m| text[m.key.span.clone()] == *"message");
        match (short, message) {
            // Both: the second one is a key like any other.
            (true, Some(member)) => self.columns.attribute("", member),
            (true, None) => {}
            (false, message) => {
                if let Some(member) = message {
                    put_text(sheet, self.short_message, row, &member.value);
                }
                if self.warnings.wanted() {
                    sheet.warn(row, SHORT_MESSAGE_MISSING);
                }
            }
        }
    }
}

impl MakeRow for Rows {
    fn row(&mut self, sheet: &mut Sheet<'_>, record: &Record, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let row = sheet.row();
        let stamp = get(text, record, "timestamp").filter(|value| !is_missing(text, value));
        let ts = match stamp {
            Some(stamp) => json_records::time(text, stamp)
                .ok_or_else(|| (Reason::BadField, "timestamp is no time".to_owned()))?,
            None => self.arrival.0,
        };
        if stamp.is_none() && self.warnings.wanted() {
            sheet.warn(row, TS_MISSING);
        }
        sheet.put_span(self.raw, row, span);
        self.columns.fill(sheet, record, record);
        self.message(sheet, record);
        self.columns.put_attrs(sheet, record);
        Ok(ts)
    }

    fn reads_inside(&self) -> bool {
        true
    }
}
