//! CloudTrail events.
//!
//! Source: AWS CloudTrail User Guide, *CloudTrail record contents*. Read are log files
//! (`{"Records":[…]}`, framed as a stream), bare records, arrays of them, and EventBridge events
//! that carry one under `detail` (the event's own keys are then attributes). Digest files lie in
//! the same buckets; they are no events and are skipped.
//!
//! `account` is the account the event was delivered to, else the caller's. `sourceIPAddress` may
//! name a service: that is no client, so `src_ip` and `peer_ip` are null then, and only what looks
//! like a damaged address gets a warning. `blocked` says that permission was refused.

use crate::block::Framing;
use crate::client::{BAD_ADDRESS, ClientColumns};
use crate::format::{FormatSpec, Recognise};
use crate::json_columns::{JsonColumns, is_missing};
use crate::json_record::Record;
use crate::json_records::{self, MakeRow, Refusal, get, get_string, put_text};
use crate::json_scan::{Kind, Member};
use crate::options::{Limits, ParseOptions};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::sheet::Sheet;
use crate::sniff::first_object;
use haetae_event::net::parse_address;
use haetae_event::{Dataset, Reason};
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "cloudtrail",
    aliases: &[],
    parser_id: "cloudtrail@v1",
    about: "AWS CloudTrail: log files, single records, EventBridge events",
    recognise: Recognise::Wrapped("Records", looks_like),
    open: |opening| Box::new(CloudTrail::new(opening.options, opening.framing)),
};

fn looks_like(head: &[u8]) -> bool {
    let head = first_object(head);
    let has = |key: &str| memchr::memmem::find(head, key.as_bytes()).is_some();
    let record = [
        "\"eventTime\"",
        "\"eventSource\"",
        "\"eventName\"",
        "\"awsRegion\"",
    ];
    // S3's event notifications have most of a record's keys.
    let notice = has("\"s3SchemaVersion\"") || has("\"aws:s3\"");
    let event = record.iter().all(|key| has(key)) && (has("\"userIdentity\"") || has("\"eventID\""));
    let empty = head.len() < 64
        && head
            .iter()
            .filter(|b| !b.is_ascii_whitespace())
            .eq(b"{\"Records\":[]}");
    event && !notice || empty || DIGEST.iter().all(|key| has(&format!("\"{key}\"")))
}

/// Keys of a digest file.
const DIGEST: [&str; 2] = ["digestStartTime", "digestEndTime"];

const CORE: &[&str] = &[
    "region",
    "src_ip",
    "peer_ip",
    "ua",
    "blocked",
    "account",
    "request_id",
    "raw",
    "warnings",
    "attrs",
];

/// Parser of CloudTrail events.
pub struct CloudTrail {
    plan: Plan,
    framing: Framing,
    limits: Limits,
    rows: Rows,
}

struct Rows {
    columns: JsonColumns,
    client: ClientColumns,
    account: Slot,
    blocked: Slot,
    raw: Slot,
    warnings: Slot,
}

impl CloudTrail {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::CloudTrail, CORE, &options.columns)
            .with_inside(options.inside.of(Dataset::CloudTrail), |_| true);
        let rows = Rows {
            columns: JsonColumns::new(&plan, Dataset::CloudTrail, &[]),
            client: ClientColumns::new(&plan, &options.client_ip),
            account: plan.slot("account"),
            blocked: plan.slot("blocked"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
        };
        CloudTrail {
            plan,
            framing,
            limits: options.limits.clone(),
            rows,
        }
    }
}

impl Parser for CloudTrail {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::CloudTrail
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        json_records::parse(block, &self.plan, self.framing, &self.limits, &mut self.rows)
    }
}

/// Whether an error code says that permission was refused: `AccessDenied`,
/// `Client.UnauthorizedOperation`, `AccessDeniedException` and the like.
fn is_refusal(code: &str) -> bool {
    let has = |word: &[u8]| {
        code.as_bytes()
            .windows(word.len())
            .any(|w| w.eq_ignore_ascii_case(word))
    };
    has(b"denied") || has(b"unauthorized")
}

/// Whether the text, which is no address, was meant to be one: a service's name has letters, and
/// no colon.
fn is_damaged_address(text: &str) -> bool {
    text.contains(':') || !text.bytes().any(|b| b.is_ascii_alphabetic())
}

impl Rows {
    fn event(
        &mut self,
        sheet: &mut Sheet<'_>,
        record: &Record,
        event: &[Member],
        span: Range<usize>,
        envelope: &[Member],
    ) -> Result<i64, Refusal> {
        let text = sheet.text();
        let row = sheet.row();
        let bad = |what: &str| (Reason::BadField, what.to_owned());
        let stamp = get(text, event, "eventTime").ok_or_else(|| bad("no eventTime"))?;
        let ts = json_records::time(text, stamp).ok_or_else(|| bad("eventTime is no time"))?;
        sheet.put_span(self.raw, row, span);
        self.columns.fill(sheet, record, event);
        for member in envelope {
            if text[member.key.span.clone()] != *"detail" {
                self.columns.attribute("", member);
            }
        }
        self.columns.put_attrs(sheet, record);
        self.address(sheet, event);
        if self.account.wanted() {
            self.account(sheet, record, event);
        }
        if self.blocked.wanted() {
            let code = get_string(text, event, "errorCode");
            sheet.put_bool(self.blocked, row, code.is_some_and(|code| is_refusal(&code)));
        }
        Ok(ts)
    }

    fn address(&mut self, sheet: &mut Sheet<'_>, event: &[Member]) {
        let text = sheet.text();
        if !self.client.wanted() && !self.warnings.wanted() {
            return;
        }
        let Some(value) = get(text, event, "sourceIPAddress") else {
            return;
        };
        let peer = &text[value.span.clone()];
        if !matches!(value.kind, Kind::Str { .. }) || is_missing(text, value) {
            return;
        }
        if parse_address(peer).is_some() {
            self.client.put(sheet, sheet.row(), value.span.clone(), None);
        } else if is_damaged_address(peer) && self.warnings.wanted() {
            sheet.warn(sheet.row(), BAD_ADDRESS);
        }
    }

    fn account(&mut self, sheet: &mut Sheet<'_>, record: &Record, event: &[Member]) {
        let text = sheet.text();
        let known = |value: &&_| !is_missing(text, value);
        let row = sheet.row();
        if let Some(value) = get(text, event, "recipientAccountId").filter(known) {
            put_text(sheet, self.account, row, value);
        } else if let Some(identity) = get(text, event, "userIdentity") {
            let members = record.members_of(identity);
            if let Some(value) = get(text, members, "accountId").filter(known) {
                put_text(sheet, self.account, row, value);
            }
        }
    }
}

impl MakeRow for Rows {
    fn row(&mut self, sheet: &mut Sheet<'_>, record: &Record, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let detail = get(text, record, "detail")
            .filter(|detail| detail.kind == Kind::Object && get(text, record, "eventTime").is_none());
        let Some(detail) = detail else {
            return self.event(sheet, record, record, span, &[]);
        };
        self.event(sheet, record, record.members_of(detail), span, record)
    }

    fn reads_inside(&self) -> bool {
        true
    }

    fn skips(&self, text: &str, record: &[Member]) -> bool {
        get(text, record, "eventTime").is_none() && DIGEST.iter().all(|key| get(text, record, key).is_some())
    }
}
