//! AWS WAF logs.
//!
//! Source: AWS WAF Developer Guide, *Log fields for web ACL traffic*. `rule_id` is the rule that
//! decided: a managed group's own rule, not the group's name.

use crate::block::Framing;
use crate::client::ClientColumns;
use crate::format::{FormatSpec, Recognise};
use crate::json_records::{self, MakeRow, Refusal, put_text};
use crate::json_scan::{Kind, Member, Scanner, Value};
use crate::options::{Limits, ParseOptions};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::sheet::Sheet;
use haetae_event::dataset::NativeType;
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

/// Parser of WAF records.
pub struct Waf {
    plan: Plan,
    framing: Framing,
    limits: Limits,
    rows: WafRows,
}

struct WafRows {
    /// (key inside its object, inside `httpRequest`, slot, type).
    plain: Vec<(&'static str, bool, Slot, NativeType)>,
    client: ClientColumns,
    dst_host: Slot,
    uri: Slot,
    ua: Slot,
    blocked: Slot,
    rule_id: Slot,
    raw: Slot,
    attrs: Slot,
    depth_max: usize,
    fields_max: usize,
    request: Vec<Member>,
}

impl Waf {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::Waf, CORE, &options.columns);
        let plain = Dataset::Waf
            .native_fields()
            .iter()
            .filter(|field| field.kind != NativeType::Core("peer_ip"))
            .map(|field| {
                let (column, kind) = match field.kind {
                    NativeType::Core("status") => ("status", NativeType::Int32),
                    NativeType::Core(core) => (core, NativeType::Utf8),
                    kind => (field.column, kind),
                };
                match field.vendor.strip_prefix("httpRequest.") {
                    Some(key) => (key, true, plan.slot(column), kind),
                    None => (field.vendor, false, plan.slot(column), kind),
                }
            })
            .collect();
        let rows = WafRows {
            plain,
            client: ClientColumns::new(&plan, &options.client_ip),
            dst_host: plan.slot("dst_host"),
            uri: plan.slot("uri"),
            ua: plan.slot("ua"),
            blocked: plan.slot("blocked"),
            rule_id: plan.slot("rule_id"),
            raw: plan.slot("raw"),
            attrs: plan.slot("attrs"),
            depth_max: options.limits.json_depth_max,
            fields_max: options.limits.json_fields_max,
            request: Vec::new(),
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

fn get<'m>(text: &str, members: &'m [Member], key: &str) -> Option<&'m Value> {
    members
        .iter()
        .rev()
        .find(|m| text[m.key.span.clone()] == *key)
        .map(|m| &m.value)
}

fn get_string<'t>(text: &'t str, members: &[Member], key: &str) -> Option<Cow<'t, str>> {
    get(text, members, key).and_then(|value| json_records::string(text, value))
}

impl WafRows {
    fn members(&self, text: &str, value: &Value, into: &mut Vec<Member>) {
        into.clear();
        if value.kind == Kind::Object {
            // Checked when the record was read.
            let _ = Scanner::new(text, value.span.start, self.depth_max, self.fields_max).object(into);
        }
    }

    fn items(&self, text: &str, value: Option<&Value>) -> Vec<Value> {
        let mut items = Vec::new();
        if let Some(value) = value
            && value.kind == Kind::Array
        {
            let _ = Scanner::new(text, value.span.start, self.depth_max, self.fields_max).array(&mut items);
        }
        items
    }

    /// The values of the request's headers under a lower-case name, in order.
    fn headers<'t>(&self, text: &'t str, request: &[Member], name: &str) -> Vec<Cow<'t, str>> {
        let mut found = Vec::new();
        let mut members = Vec::new();
        for item in self.items(text, get(text, request, "headers")) {
            self.members(text, &item, &mut members);
            let matches = get_string(text, &members, "name").is_some_and(|n| n.eq_ignore_ascii_case(name));
            if matches && let Some(value) = get_string(text, &members, "value") {
                found.push(value);
            }
        }
        found
    }

    /// The rule that decided, in the rule group that holds it.
    fn rule<'t>(&self, text: &'t str, record: &[Member]) -> Option<Cow<'t, str>> {
        let named = get_string(text, record, "terminatingRuleId").filter(|id| id != NO_RULE)?;
        let mut group = Vec::new();
        let mut rule = Vec::new();
        for item in self.items(text, get(text, record, "ruleGroupList")) {
            self.members(text, &item, &mut group);
            if let Some(terminating) = get(text, &group, "terminatingRule") {
                self.members(text, terminating, &mut rule);
                if let Some(id) = get_string(text, &rule, "ruleId") {
                    return Some(id);
                }
            }
        }
        Some(named)
    }

    fn derived(&mut self, sheet: &mut Sheet<'_>, record: &[Member], request: &[Member]) {
        let text = sheet.text();
        let row = sheet.row();
        if self.uri.wanted()
            && let Some(path) = get_string(text, request, "uri")
        {
            let query = get_string(text, request, "args").filter(|args| !args.is_empty());
            match query {
                Some(query) => sheet.put_str(self.uri, row, &format!("{path}?{query}")),
                None => sheet.put_str(self.uri, row, &path),
            }
        }
        if self.dst_host.wanted() {
            let host = get_string(text, request, "host").filter(|host| !host.is_empty());
            let host = host.or_else(|| self.headers(text, request, "host").into_iter().next());
            if let Some(host) = host.filter(|host| *host != "REDACTED") {
                sheet.put_str(self.dst_host, row, &host);
            }
        }
        if self.ua.wanted()
            && let Some(agent) = self.headers(text, request, "user-agent").first()
        {
            sheet.put_str(self.ua, row, agent);
        }
        if let Some(action) = get_string(text, record, "action") {
            sheet.put_bool(self.blocked, row, action == "BLOCK");
        }
        if self.rule_id.wanted()
            && let Some(rule) = self.rule(text, record)
        {
            sheet.put_str(self.rule_id, row, &rule);
        }
        if self.client.wanted()
            && let Some(peer) = get_string(text, request, "clientIp")
        {
            let hops = if self.client.reads_hops() {
                self.headers(text, request, self.client.header()).join(",")
            } else {
                String::new()
            };
            self.client
                .put_text(sheet, row, &peer, Some(hops.as_str()).filter(|h| !h.is_empty()));
        }
    }

    /// Keys without a column, as JSON.
    fn rest(&self, sheet: &mut Sheet<'_>, record: &[Member]) {
        if !self.attrs.wanted() {
            return;
        }
        let text = sheet.text();
        let mut attrs = String::new();
        for member in record {
            let key = &text[member.key.span.clone()];
            if key != "httpRequest"
                && !self
                    .plain
                    .iter()
                    .any(|(name, inside, ..)| !inside && *name == key)
            {
                attrs.push(if attrs.is_empty() { '{' } else { ',' });
                attrs.push_str(&text[member.key.whole()]);
                attrs.push(':');
                attrs.push_str(&text[member.value.whole()]);
            }
        }
        if !attrs.is_empty() {
            attrs.push('}');
            sheet.put_str(self.attrs, sheet.row(), &attrs);
        }
    }
}

impl MakeRow for WafRows {
    fn row(&mut self, sheet: &mut Sheet<'_>, record: &[Member], span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        let row = sheet.row();
        let bad = |what: &str| (Reason::BadField, what.to_owned());
        let stamp = get(text, record, "timestamp").ok_or_else(|| bad("no timestamp"))?;
        let ts = json_records::time(text, stamp).ok_or_else(|| bad("timestamp is no time"))?;
        let mut request = std::mem::take(&mut self.request);
        match get(text, record, "httpRequest") {
            Some(value) => self.members(text, value, &mut request),
            None => request.clear(),
        }
        sheet.put_span(self.raw, row, span);
        for &(key, inside, slot, kind) in &self.plain {
            if !slot.wanted() || slot == self.rule_id {
                continue;
            }
            let Some(value) = get(text, if inside { &request } else { record }, key) else {
                continue;
            };
            match kind {
                NativeType::Int32 => {
                    if let Some(n) = json_records::whole(text, value).and_then(|n| i32::try_from(n).ok()) {
                        sheet.put_i32(slot, row, n);
                    }
                }
                NativeType::Int64 => {
                    if let Some(n) = json_records::whole(text, value) {
                        sheet.put_i64(slot, row, n);
                    }
                }
                // Old records say `"null"` where they have no request id.
                _ if key == "requestId" && text[value.span.clone()] == *"null" => {}
                _ => put_text(sheet, slot, row, value),
            }
        }
        self.derived(sheet, record, &request);
        self.rest(sheet, record);
        self.request = request;
        Ok(ts)
    }
}
