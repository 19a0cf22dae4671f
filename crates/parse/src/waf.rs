//! AWS WAF logs.
//!
//! Source: AWS WAF Developer Guide, *Log fields for web ACL traffic*. `rule_id` is the rule that
//! decided: a managed group's own rule, not the group's name. `blocked` says that the request did
//! not reach what it was meant for: `BLOCK`, and `CAPTCHA` and `CHALLENGE` where they ended the
//! evaluation; rules that only counted are in `nonterminatingmatchingrules`. What the web ACL
//! redacts is unknown: null in core columns, `REDACTED` in native ones. `account` and `region` are
//! the web ACL's.

use crate::block::Framing;
use crate::client::ClientColumns;
use crate::format::{FormatSpec, Recognise};
use crate::json_columns::JsonColumns;
use crate::json_record::Record;
use crate::json_records::{self, MakeRow, Refusal, get, get_string};
use crate::json_scan::{Kind, Member, Value};
use crate::options::{Limits, ParseOptions};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::sheet::Sheet;
use haetae_event::{Dataset, Reason};
use std::borrow::Cow;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "waf",
    aliases: &[],
    parser_id: "waf@v1",
    about: "AWS WAF JSON",
    recognise: Recognise::Object(looks_like),
    open: |opening| Box::new(Waf::new(opening.options, opening.framing)),
};

fn looks_like(head: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    has(b"\"webaclId\"") && (has(b"\"httpRequest\"") || has(b"\"terminatingRuleId\""))
}

const CORE: &[&str] = &[
    "src_ip",
    "dst_host",
    "peer_ip",
    "method",
    "uri",
    "status",
    "ua",
    "blocked",
    "rule_id",
    "account",
    "ja4",
    "request_id",
    "raw",
    "warnings",
    "attrs",
    "region",
];

/// `terminatingRuleId` when no rule decided.
const NO_RULE: &str = "Default_Action";
/// Stands for what the web ACL hides from its log.
const REDACTED: &str = "REDACTED";

/// Fields that are not copied as they stand.
const OWN: &[&str] = &["httpRequest.httpMethod", "httpRequest.requestId"];

/// Parser of WAF records.
pub struct Waf {
    plan: Plan,
    framing: Framing,
    limits: Limits,
    rows: WafRows,
}

struct WafRows {
    columns: JsonColumns,
    client: ClientColumns,
    slots: Slots,
    headers: Headers,
}

struct Slots {
    region: Slot,
    account: Slot,
    dst_host: Slot,
    method: Slot,
    uri: Slot,
    ua: Slot,
    blocked: Slot,
    rule_id: Slot,
    request_id: Slot,
    raw: Slot,
}

/// The headers core columns are made of.
#[derive(Default)]
struct Headers {
    host: Option<Value>,
    agent: Option<Value>,
    /// Every one with the client's hops, in order.
    hops: Vec<Value>,
}

impl Waf {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::Waf, CORE, &options.columns)
            .with_inside(options.inside.of(Dataset::Waf), |_| true);
        let mut columns = JsonColumns::new(&plan, Dataset::Waf, OWN);
        // The guide spells it both ways.
        columns.also("challengeResponses", "challengeResponse");
        let slots = Slots {
            region: plan.slot("region"),
            account: plan.slot("account"),
            dst_host: plan.slot("dst_host"),
            method: plan.slot("method"),
            uri: plan.slot("uri"),
            ua: plan.slot("ua"),
            blocked: plan.slot("blocked"),
            rule_id: plan.slot("rule_id"),
            request_id: plan.slot("request_id"),
            raw: plan.slot("raw"),
        };
        let rows = WafRows {
            columns,
            client: ClientColumns::new(&plan, &options.client_ip),
            slots,
            headers: Headers::default(),
        };
        Waf {
            plan,
            framing,
            limits: options.limits.clone(),
            rows,
        }
    }
}

impl Parser for Waf {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Waf
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        json_records::parse(block, &self.plan, self.framing, &self.limits, &mut self.rows)
    }
}

/// Whether the request was kept from what it was meant for; `None` for an action not known.
fn is_blocked(action: &str) -> Option<bool> {
    match action {
        "BLOCK" | "CAPTCHA" | "CHALLENGE" => Some(true),
        "ALLOW" | "COUNT" => Some(false),
        _ => None,
    }
}

/// Region and account of `arn:aws:wafv2:REGION:ACCOUNT:…`; classic web ACLs have a bare id.
fn arn_parts(arn: &str) -> (Option<&str>, Option<&str>) {
    // Bytes, since looking for a character has a price to begin with that short parts do not earn.
    let next = |rest: &'_ str| {
        let end = rest.bytes().position(|byte| byte == b':');
        end.unwrap_or(rest.len())
    };
    let mut rest = arn;
    let mut parts = [""; 5];
    for part in &mut parts {
        let end = next(rest);
        *part = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let [scheme, _, _, region, account] = parts;
    let known = |part: &'_ str| scheme == "arn" && !part.is_empty();
    (
        Some(region).filter(|part| known(part)),
        Some(account).filter(|part| known(part)),
    )
}

impl WafRows {
    /// Finds the headers that matter. Names come in any case, and more than once: the first `Host`
    /// and `User-Agent` count, and every header with hops.
    fn headers(&mut self, text: &str, record: &Record, request: &[Member]) {
        let found = &mut self.headers;
        (found.host, found.agent) = (None, None);
        found.hops.clear();
        let items = get(text, request, "headers").map(|headers| record.items_of(headers));
        for item in items.unwrap_or_default() {
            let header = record.members_of(&item.value);
            let (Some(name), Some(value)) = (get(text, header, "name"), get(text, header, "value")) else {
                continue;
            };
            let name = &text[name.span.clone()];
            if name.eq_ignore_ascii_case("host") {
                found.host.get_or_insert_with(|| value.clone());
            } else if name.eq_ignore_ascii_case("user-agent") {
                found.agent.get_or_insert_with(|| value.clone());
            }
            if self.client.reads_hops() && name.eq_ignore_ascii_case(self.client.header()) {
                found.hops.push(value.clone());
            }
        }
    }

    /// The rule that decided. Where that is a rule group, the group's own rule: of the groups
    /// looked at the last one ended the evaluation, unless its action was overridden.
    fn rule<'t>(&self, text: &'t str, record: &Record) -> Option<Cow<'t, str>> {
        let named = get_string(text, record, "terminatingRuleId").filter(|id| id != NO_RULE)?;
        let kind = get_string(text, record, "terminatingRuleType");
        if kind.is_some_and(|kind| matches!(&*kind, "REGULAR" | "RATE_BASED")) {
            return Some(named);
        }
        let action = get_string(text, record, "action");
        let items = get(text, record, "ruleGroupList").map(|groups| record.items_of(groups));
        for item in items.unwrap_or_default().iter().rev() {
            let group = record.members_of(&item.value);
            let Some(terminating) = get(text, group, "terminatingRule") else {
                continue;
            };
            let rule = record.members_of(terminating);
            let same = match (get_string(text, rule, "action"), &action) {
                (Some(of_rule), Some(action)) => of_rule == *action,
                _ => true,
            };
            if let Some(id) = get_string(text, rule, "ruleId").filter(|_| same) {
                return Some(id);
            }
        }
        Some(named)
    }

    /// Puts a string; escapes undone, `REDACTED` and nothing left out.
    fn put_known(&self, sheet: &mut Sheet<'_>, slot: Slot, value: Option<&Value>) {
        let text = sheet.text();
        if let Some(value) = value
            && matches!(value.kind, Kind::Str { .. })
            && text[value.span.clone()] != *REDACTED
        {
            json_records::put_text(sheet, slot, sheet.row(), value);
        }
    }

    /// Path and query as one.
    fn uri(&self, sheet: &mut Sheet<'_>, request: &[Member]) {
        let text = sheet.text();
        let Some(path) = get(text, request, "uri").filter(|path| matches!(path.kind, Kind::Str { .. }))
        else {
            return;
        };
        let query = get(text, request, "args").filter(|args| {
            matches!(args.kind, Kind::Str { .. }) && !matches!(&text[args.span.clone()], "" | REDACTED)
        });
        let (Some(query), false) = (query, text[path.span.clone()] == *REDACTED) else {
            return self.put_known(sheet, self.slots.uri, Some(path));
        };
        let row = sheet.row();
        let plain = Kind::Str { escaped: false };
        if path.kind == plain && query.kind == plain {
            sheet.put_joined(self.slots.uri, row, path.span.clone(), query.span.clone());
        } else if let (Some(path), Some(query)) = (
            json_records::string(text, path),
            json_records::string(text, query),
        ) {
            sheet.put_str(self.slots.uri, row, &format!("{path}?{query}"));
        }
    }

    fn derived(&mut self, sheet: &mut Sheet<'_>, record: &Record, request: &[Member]) {
        let text = sheet.text();
        let row = sheet.row();
        if self.slots.uri.wanted() {
            self.uri(sheet, request);
        }
        if self.slots.dst_host.wanted() || self.slots.ua.wanted() || self.client.reads_hops() {
            self.headers(text, record, request);
            let host =
                get(text, request, "host").filter(|host| !matches!(&text[host.span.clone()], "" | "null"));
            self.put_known(sheet, self.slots.dst_host, host.or(self.headers.host.as_ref()));
            self.put_known(sheet, self.slots.ua, self.headers.agent.as_ref());
        }
        let action = get_string(text, record, "action");
        if let Some(blocked) = action.and_then(|action| is_blocked(&action)) {
            sheet.put_bool(self.slots.blocked, row, blocked);
        }
        if self.slots.rule_id.wanted()
            && let Some(rule) = self.rule(text, record)
        {
            sheet.put_str(self.slots.rule_id, row, &rule);
        }
        if (self.slots.region.wanted() || self.slots.account.wanted())
            && let Some(arn) = get_string(text, record, "webaclId")
        {
            let (region, account) = arn_parts(&arn);
            region
                .into_iter()
                .for_each(|region| sheet.put_str(self.slots.region, row, region));
            account
                .into_iter()
                .for_each(|account| sheet.put_str(self.slots.account, row, account));
        }
        if self.client.wanted() {
            self.address(sheet, request);
        }
    }

    fn address(&mut self, sheet: &mut Sheet<'_>, request: &[Member]) {
        let text = sheet.text();
        let Some(peer) = get(text, request, "clientIp") else {
            return;
        };
        if !matches!(peer.kind, Kind::Str { .. }) || peer.span.is_empty() {
            return;
        }
        let mut hops = Vec::new();
        if self.client.reads_hops() {
            hops.extend(
                self.headers
                    .hops
                    .iter()
                    .filter_map(|hop| json_records::string(text, hop)),
            );
        }
        let hops = hops.join(",");
        let hops = Some(hops.as_str()).filter(|hops| !hops.is_empty());
        self.client.put(sheet, sheet.row(), peer.span.clone(), hops);
    }
}

impl MakeRow for WafRows {
    fn row(&mut self, sheet: &mut Sheet<'_>, record: &Record, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let row = sheet.row();
        let bad = |what: &str| (Reason::BadField, what.to_owned());
        let stamp = get(text, record, "timestamp").ok_or_else(|| bad("no timestamp"))?;
        let ts = json_records::time(text, stamp).ok_or_else(|| bad("timestamp is no time"))?;
        let request = get(text, record, "httpRequest").map(|request| record.members_of(request));
        let request = request.unwrap_or_default();
        sheet.put_span(self.slots.raw, row, span);
        self.columns.fill(sheet, record, record);
        self.columns.put_attrs(sheet, record);
        self.put_known(sheet, self.slots.method, get(text, request, "httpMethod"));
        // Old records say `"null"` where they have no request id.
        let id = get(text, request, "requestId").filter(|id| text[id.span.clone()] != *"null");
        self.put_known(sheet, self.slots.request_id, id);
        self.derived(sheet, record, request);
        Ok(ts)
    }

    fn reads_inside(&self) -> bool {
        true
    }
}
