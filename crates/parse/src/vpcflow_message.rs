//! Flow records inside JSON: `{"message":"2 123456789012 eni-… ACCEPT OK"}`.
//!
//! Source: what Data Firehose delivers when it unpacks CloudWatch Logs, and what log shippers
//! make of the lines they read. `raw` is the JSON object as received; its other keys are
//! attributes. A header line as the message names the fields of those behind it.

use crate::block::Framing;
use crate::format::{FormatSpec, Recognise};
use crate::json_record::Record;
use crate::json_records::{self, MakeRow, Refusal};
use crate::json_scan::{self, Member, Scanner};
use crate::options::{Limits, ParseOptions};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::Plan;
use crate::relay::{self, Wrapped};
use crate::sheet::Sheet;
use crate::vpcflow::{self, VpcFlow};
use arrow::array::Array;
use haetae_event::{Columns, Dataset, Reason};
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "vpcflow-message",
    aliases: &["vpcflow-json"],
    parser_id: "vpcflow-message@v1",
    about: "VPC Flow Logs lines in the message key of JSON objects",
    recognise: Recognise::Object(looks_like),
    open: |opening| Box::new(FlowMessages::new(opening.options, opening.framing)),
};

const MESSAGE: &str = "message";
/// Nesting and keys looked at to recognise an input.
const LOOK: (usize, usize) = (8, 200);

fn looks_like(head: &[u8]) -> bool {
    if memchr::memmem::find(head, b"\"message\"").is_none() {
        return false;
    }
    let text = String::from_utf8_lossy(head);
    let Some(found) = json_scan::next_object(text.as_bytes(), 0) else {
        return false;
    };
    let mut members = Vec::new();
    // An object cut by the head still shows its first keys.
    let _ = Scanner::new(&text, found.start, LOOK.0, LOOK.1).object(&mut members);
    message(&text, &members).is_some_and(|line| vpcflow::looks_like(line.trim_end().as_bytes()))
}

fn message<'t>(text: &'t str, members: &[Member]) -> Option<std::borrow::Cow<'t, str>> {
    let member = members
        .iter()
        .rev()
        .find(|m| text[m.key.span.clone()] == *MESSAGE)?;
    json_records::string(text, &member.value)
}

/// Parser of wrapped flow records.
pub struct FlowMessages {
    flows: VpcFlow,
    plan: Plan,
    framing: Framing,
    limits: Limits,
    attrs: bool,
}

impl FlowMessages {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        FlowMessages {
            flows: VpcFlow::new(options),
            plan: Plan::new(Dataset::VpcFlow, &["warnings"], &Columns::only(["warnings"])),
            framing,
            limits: options.limits.clone(),
            attrs: options.columns.wants("attrs"),
        }
    }
}

/// The messages of a block as lines, and where their objects stand.
#[derive(Default)]
struct Unwrapped {
    lines: String,
    /// Per record: span of the object and of its attributes.
    records: Vec<(Range<usize>, Range<usize>)>,
    ordinals: Vec<u64>,
    /// By record; empty where none is.
    damaged: Vec<bool>,
    objects: String,
    attrs: String,
    wants_attrs: bool,
}

impl MakeRow for Unwrapped {
    fn row(&mut self, sheet: &mut Sheet<'_>, members: &Record, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let line = message(text, members).ok_or((Reason::BadField, "no message".to_owned()))?;
        let line = line.trim_end();
        if line.is_empty() {
            return Err((Reason::BadField, "the message is empty".to_owned()));
        }
        // One record is one line.
        self.lines
            .extend(line.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }));
        self.lines.push('\n');
        let object = self.objects.len();
        self.objects.push_str(&text[span]);
        let attrs = self.attrs.len();
        if self.wants_attrs {
            for member in members.iter().filter(|m| text[m.key.span.clone()] != *MESSAGE) {
                self.attrs.push(if self.attrs.len() == attrs { '{' } else { ',' });
                self.attrs.push_str(&text[member.key.whole()]);
                self.attrs.push(':');
                self.attrs.push_str(&text[member.value.whole()]);
            }
            if self.attrs.len() > attrs {
                self.attrs.push('}');
            }
        }
        self.records
            .push((object..self.objects.len(), attrs..self.attrs.len()));
        Ok(0)
    }
}

impl Wrapped for Unwrapped {
    fn ordinal(&self, record: usize) -> u64 {
        self.ordinals[record]
    }

    fn raw(&self, record: usize, out: &mut String) {
        out.push_str(&self.objects[self.records[record].0.clone()]);
    }

    fn is_damaged(&self, record: usize) -> bool {
        self.damaged.get(record).copied().unwrap_or_default()
    }

    fn attrs(&self, record: usize, out: &mut String) {
        out.push_str(&self.attrs[self.records[record].1.clone()]);
    }
}

impl Parser for FlowMessages {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::VpcFlow
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        let mut unwrapped = Unwrapped {
            wants_attrs: self.attrs,
            ..Unwrapped::default()
        };
        let outer = json_records::parse(block, &self.plan, self.framing, &self.limits, &mut unwrapped);
        unwrapped.ordinals = outer.ordinals;
        // The one warning an object can have here is that it is no UTF-8.
        let warnings = outer
            .records
            .as_ref()
            .and_then(|rows| rows.column_by_name("warnings"));
        unwrapped.damaged = warnings
            .filter(|lists| lists.null_count() < lists.len())
            .map(|lists| (0..lists.len()).map(|row| lists.is_valid(row)).collect())
            .unwrap_or_default();
        let lines = std::mem::take(&mut unwrapped.lines);
        let mut batch = relay::parse(&mut self.flows, lines, &unwrapped, self.attrs);
        // What the objects are not, and what their lines are not.
        batch.counts.lines_in += outer.counts.rejected + outer.counts.skipped;
        batch.counts.rejected += outer.counts.rejected;
        batch.counts.skipped += outer.counts.skipped;
        batch.rejects.extend(outer.rejects);
        batch.rejects.sort_by_key(|reject| reject.ordinal);
        batch
    }
}
