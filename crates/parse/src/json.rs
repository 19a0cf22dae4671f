//! JSON objects: access records and application logs.
//!
//! Keys people use for core fields are recognised, first spelling in the list wins; everything
//! else goes to `attrs`, as JSON. A key named `tenant_id` or `dataset` is an attribute like any
//! other: what a record says about itself never chooses where it is stored. A time without a zone is
//! in the input's ([`ParseOptions::time_zone`]).

use crate::block::Framing;
use crate::client::ClientColumns;
use crate::combined::{CORE, request_parts};
use crate::format::{FormatSpec, Opening, Recognise};
use crate::inside::{InsideReader, TreeId};
use crate::json_columns::ATTRS_KEPT_MAX;
use crate::json_keys::{
    CLIENT_ROLE, Fill, Found, HOPS_ROLE, Keys, QUERY_ROLE, STATUS, TEXT, TIME_ROLE, known_keys,
};
use crate::json_nested::spread;
use crate::json_record::Record;
use crate::json_records::{self, MakeRow, Refusal, put_text};
use crate::json_scan::{self, Kind, Member, Scanner, Value};
use crate::options::{Limits, ParseOptions};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::sheet::Sheet;
use crate::stamp::Calendar;
use haetae_event::{Dataset, Micros, Reason};
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "json",
    aliases: &["ndjson", "jsonl", "app"],
    parser_id: "json@v1",
    about: "JSON objects: access records and application logs",
    recognise: Recognise::Object(|_| true),
    open: |opening| Box::new(Json::open(opening)),
};

/// Warning of a record without any time: it is stored at its arrival.
pub const TS_MISSING: &str = "ts_missing";

/// Whether the keys are those of an access record.
pub fn is_access_record(text: &str, limits: &Limits) -> bool {
    let mut members = Vec::new();
    let mut scanner = Scanner::new(text, 0, limits.json_depth_max, limits.json_fields_max);
    // A cut or broken record still shows its first keys.
    let _ = scanner.object(&mut members);
    if let Some(all) = spread(text, &members, limits) {
        members = all;
    }
    let has = |column: &str| {
        let keys = TEXT
            .iter()
            .find(|(name, _)| *name == column)
            .map_or(&[][..], |(_, keys)| keys);
        members.iter().any(|m| keys.contains(&&text[m.key.span.clone()]))
    };
    let status = members
        .iter()
        .any(|m| STATUS.contains(&&text[m.key.span.clone()]));
    let request = || {
        let line = json_records::get(text, &members, "request");
        line.is_some_and(|line| {
            matches!(line.kind, Kind::Str { .. }) && request_parts(text, &line.span).is_some()
        })
    };
    has("uri") && (status || has("method")) || status && (request() || of_nginx(text, &members))
}

/// Whether the record has a request line, maybe an empty one, and variables only nginx names so:
/// scanners that send nothing must not make a log's first records look like another kind.
fn of_nginx(text: &str, members: &[Member]) -> bool {
    const VARIABLES: [&str; 8] = [
        "remote_addr",
        "remote_user",
        "time_local",
        "time_iso8601",
        "body_bytes_sent",
        "http_referer",
        "http_user_agent",
        "request_length",
    ];
    let keys = || members.iter().map(|m| &text[m.key.span.clone()]);
    keys().any(|key| key == "request") && keys().filter(|key| VARIABLES.contains(key)).count() >= 3
}

/// Access records are [`Dataset::Web`]: one of the first objects has the keys of one.
fn json_dataset(head: &[u8], options: &ParseOptions) -> Dataset {
    if let Some(dataset @ (Dataset::Web | Dataset::App)) = options.dataset {
        return dataset;
    }
    let text = String::from_utf8_lossy(head);
    let mut at = 0;
    for _ in 0..8 {
        let Some(found) = json_scan::next_object(text.as_bytes(), at) else {
            break;
        };
        if is_access_record(&text[found.start..], &options.limits) {
            return Dataset::Web;
        }
        match found.end {
            Some(end) => at = end,
            None => break,
        }
    }
    Dataset::App
}

/// Parser of JSON records, one dataset an input.
pub struct Json {
    dataset: Dataset,
    framing: Framing,
    plan: Plan,
    limits: Limits,
    rows: JsonRows,
}

struct JsonRows {
    keys: Keys,
    client: ClientColumns,
    line: RequestLine,
    limits: Limits,
    raw: Slot,
    attrs: Slot,
    warnings: Slot,
    arrival: Micros,
    calendar: Calendar,
    found: Found,
    /// The text for `attrs`, kept for its memory.
    text: String,
    /// Takes out of `attrs` what is wished.
    inside: Option<(InsideReader, TreeId)>,
}

/// Columns that a request line can fill.
struct RequestLine {
    /// Only access records have one.
    web: bool,
    method: Slot,
    uri: Slot,
    protocol: Slot,
}

impl Json {
    fn open(opening: &Opening<'_>) -> Self {
        let dataset = json_dataset(opening.head, opening.options);
        Json::new(opening.options, dataset, opening.framing)
    }

    /// `dataset` is [`Dataset::Web`] or [`Dataset::App`].
    pub fn new(options: &ParseOptions, dataset: Dataset, framing: Framing) -> Self {
        let plan = Plan::new(dataset, CORE, &options.columns)
            .with_inside(options.inside.of(dataset), |column| column == "attrs");
        let web = dataset == Dataset::Web;
        let native = |column: &str| dataset.native_fields().iter().any(|f| f.column == column);
        let client = ClientColumns::new(&plan, &options.client_ip);
        let rows = JsonRows {
            keys: Keys::new(&known_keys(&plan, web, native), client.header()),
            client,
            line: RequestLine {
                web,
                method: plan.slot("method"),
                uri: plan.slot("uri"),
                protocol: plan.slot("protocol"),
            },
            limits: options.limits.clone(),
            raw: plan.slot("raw"),
            attrs: plan.slot("attrs"),
            warnings: plan.slot("warnings"),
            arrival: options.arrival,
            calendar: Calendar::new(options.arrival, options.time_zone.as_ref()),
            found: Found::default(),
            text: String::new(),
            inside: InsideReader::new(&plan).and_then(|reader| {
                let tree = reader.tree("attrs")?;
                Some((reader, tree))
            }),
        };
        Json {
            dataset,
            framing,
            plan,
            limits: options.limits.clone(),
            rows,
        }
    }
}

impl Parser for Json {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        self.dataset
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        json_records::parse(block, &self.plan, self.framing, &self.limits, &mut self.rows)
    }
}

impl MakeRow for JsonRows {
    /// Once a wish went on inside an object: the objects of most records are of no interest.
    fn reads_inside(&self) -> bool {
        self.inside.as_ref().is_some_and(|(reader, _)| reader.missed())
    }

    fn row(&mut self, sheet: &mut Sheet<'_>, record: &Record, span: Range<usize>) -> Result<i64, Refusal> {
        let text = sheet.text();
        self.keys.find(text, record, &mut self.found);
        let spread = self.request_object(text, record);
        if let Some(all) = &spread {
            self.keys.find(text, all, &mut self.found);
        }
        let members = spread.as_deref().unwrap_or(record);
        let ts = match self.found.in_role(members, TIME_ROLE) {
            Some(member) => {
                json_records::local_time(text, &member.value, &self.calendar).ok_or_else(|| {
                    let shown: String = text[member.value.whole()].chars().take(60).collect();
                    (
                        Reason::BadField,
                        format!("{} is no time: {shown}", &text[member.key.span.clone()]),
                    )
                })?
            }
            None => {
                if self.warnings.wanted() {
                    sheet.warn(sheet.row(), TS_MISSING);
                }
                self.arrival.0
            }
        };
        sheet.put_span(self.raw, sheet.row(), span);
        self.fields(sheet, record, members);
        self.address(sheet, members);
        Ok(ts)
    }
}

impl JsonRows {
    /// The members with those of the request, where an access record has it as an object.
    fn request_object(&self, text: &str, record: &Record) -> Option<Vec<Member>> {
        let request = record.get(self.found.request?)?;
        (self.line.web && request.value.kind == Kind::Object).then(|| spread(text, record, &self.limits))?
    }

    /// Fills the known columns out of `members` and gathers the rest of the record, whose own members
    /// stand first among them, into `attrs`.
    fn fields(&mut self, sheet: &mut Sheet<'_>, record: &Record, members: &[Member]) {
        let text = sheet.text();
        let row = sheet.row();
        let mut attrs = std::mem::take(&mut self.text);
        attrs.clear();
        let mut inside = self.inside.take();
        let slot = self.attrs;
        let mut attribute = |attrs: &mut String, member: &Member| {
            if let Some((reader, tree)) = &mut inside {
                reader.member(*tree, text, record, member);
            }
            attribute(attrs, slot, text, member);
        };
        let taken = [TIME_ROLE, CLIENT_ROLE].map(|role| self.found.roles[role].map(|(at, _)| at));
        let own = |at: &&usize| **at < record.len();
        let rest = self.found.rest.iter().filter(own);
        for &at in rest.filter(|at| !taken.contains(&Some(**at))) {
            attribute(&mut attrs, &members[at]);
        }
        self.request_line(sheet, members);
        for &at in self.found.losers.iter().filter(own) {
            attribute(&mut attrs, &members[at]);
        }
        for &(at, _, fill) in &self.found.chosen {
            if !put(sheet, row, fill, &members[at].value) && own(&&at) {
                attribute(&mut attrs, &members[at]);
            }
        }
        if !attrs.is_empty() {
            attrs.push('}');
            sheet.put_str(self.attrs, row, &attrs);
        }
        if let Some((reader, _)) = &mut inside {
            reader.put(sheet);
        }
        self.inside = inside;
        attrs.shrink_to(ATTRS_KEPT_MAX);
        self.text = attrs;
    }

    fn address(&mut self, sheet: &mut Sheet<'_>, members: &[Member]) {
        let text = sheet.text();
        let row = sheet.row();
        let Some(client) = self.found.in_role(members, CLIENT_ROLE) else {
            return;
        };
        let Some(peer) = json_records::string(text, &client.value) else {
            return;
        };
        let forwarded = self
            .found
            .in_role(members, HOPS_ROLE)
            .and_then(|member| json_records::string(text, &member.value));
        match client.value.kind {
            Kind::Str { escaped: false } => {
                self.client
                    .put(sheet, row, client.value.span.clone(), forwarded.as_deref());
            }
            _ => self.client.put_text(sheet, row, &peer, forwarded.as_deref()),
        }
    }
}

impl JsonRows {
    /// The member chosen for a text column.
    fn chosen_for<'m>(&self, members: &'m [Member], slot: Slot) -> Option<&'m Value> {
        let &(at, ..) = self
            .found
            .chosen
            .iter()
            .find(|(.., fill)| *fill == Fill::Text(slot))?;
        Some(&members[at].value)
    }

    /// What only the request line says, and a query that stands apart from its path. Puts before
    /// the chosen members are put: a value already there stays.
    fn request_line(&self, sheet: &mut Sheet<'_>, members: &[Member]) {
        let text = sheet.text();
        let row = sheet.row();
        let line = &self.line;
        if !line.web || !(line.method.wanted() || line.uri.wanted() || line.protocol.wanted()) {
            return;
        }
        let known = |slot| self.chosen_for(members, slot).is_some();
        if known(line.uri) {
            self.join_query(sheet, members);
        }
        let Some(Member { value: request, .. }) = self.found.request.and_then(|at| members.get(at)) else {
            return;
        };
        if !matches!(request.kind, Kind::Str { .. }) {
            return;
        }
        let Some(parts) = request_parts(text, &request.span) else {
            return;
        };
        for (slot, part) in [line.method, line.uri, line.protocol].into_iter().zip(parts) {
            if let Some(part) = part
                && !part.is_empty()
                && !known(slot)
            {
                let value = Value::new(request.kind, part);
                put_text(sheet, slot, row, &value);
            }
        }
    }

    /// Puts path and query as one where the record has them apart.
    fn join_query(&self, sheet: &mut Sheet<'_>, members: &[Member]) {
        let text = sheet.text();
        let query = self
            .found
            .in_role(members, QUERY_ROLE)
            .map(|member| &member.value);
        let path = self.chosen_for(members, self.line.uri);
        let (Some(path), Some(query)) = (path, query) else {
            return;
        };
        if memchr::memchr(b'?', text[path.span.clone()].as_bytes()).is_some() {
            return;
        }
        if let (Some(path), Some(query)) = (
            json_records::string(text, path),
            json_records::string(text, query),
        ) {
            let query = query.strip_prefix('?').unwrap_or(&query);
            sheet.put_str(self.line.uri, sheet.row(), &format!("{path}?{query}"));
        }
    }
}

/// Appends a member to the attributes; `attrs` opens with a brace once there is one.
fn attribute(attrs: &mut String, slot: Slot, text: &str, member: &Member) {
    if !slot.wanted() {
        return;
    }
    attrs.push(if attrs.is_empty() { '{' } else { ',' });
    attrs.push_str(&text[member.key.whole()]);
    attrs.push(':');
    attrs.push_str(&text[member.value.whole()]);
}

/// Puts a value, which is not missing, into its column; `false` when it does not fit and must not be
/// lost.
fn put(sheet: &mut Sheet<'_>, row: usize, fill: Fill, value: &Value) -> bool {
    let text = sheet.text();
    match fill {
        Fill::Text(slot) => put_text(sheet, slot, row, value),
        // A status; 0 and 000 stand for none.
        Fill::I32(slot) => match json_records::whole(text, value).and_then(|n| i32::try_from(n).ok()) {
            Some(0) => {}
            Some(number) => sheet.put_i32(slot, row, number),
            None => return false,
        },
        Fill::I64(slot) => match json_records::whole(text, value) {
            Some(number) => sheet.put_i64(slot, row, number),
            None => return false,
        },
        Fill::F64(slot) => match json_records::number(text, value) {
            Some(number) => sheet.put_f64(slot, row, number),
            None => return false,
        },
        Fill::Bool(slot) => match value.kind {
            Kind::True => sheet.put_bool(slot, row, true),
            Kind::False => sheet.put_bool(slot, row, false),
            _ => return false,
        },
    }
    true
}
