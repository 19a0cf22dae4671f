//! Syslog lines: RFC 5424, RFC 3164 and their relatives, with what their messages carry.
//!
//! Source: see [`crate::syslog_header`]. A time without a zone is in the input's
//! ([`ParseOptions::time_zone`]), UTC unless it was given another. `hostname` is the sender of the line; `dst_host` and the other core columns
//! come from the message alone: a JSON object (also behind `@cee:`), key=value pairs, or a known
//! line of sshd, sudo, pam, ftpd or postfix. Keys without a column go to `attrs` as sent. The message itself
//! is always kept whole.

use crate::block::Framing;
use crate::combined::{self, CORE};
use crate::format::{FormatSpec, Recognise};
use crate::json::TS_MISSING;
use crate::json_records::Refusal;
use crate::json_scan::Scanner;
use crate::known::{self, KnownKeys};
use crate::lines::shown;
use crate::options::{Limits, ParseOptions};
use crate::pairs::{self, Pair, Style, write_string};
use crate::parser::{ParsedBatch, Parser, RawBlock};
use crate::plan::{Plan, Slot};
use crate::records::{self, MakeLine, warn};
use crate::sheet::Sheet;
use crate::stamp::Calendar;
use crate::syslog_auth;
use crate::syslog_events::EventSlots;
use crate::syslog_header::{self as header, DEFAULT_PRIORITY, Header};
use crate::syslog_programs;
use haetae_event::{Dataset, Micros, Reason};
use std::borrow::Cow;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "syslog",
    aliases: &["rfc5424", "rfc3164"],
    parser_id: "syslog@v1",
    about: "syslog of RFC 5424 and RFC 3164, with JSON or key=value messages",
    recognise: Recognise::Line(looks_like),
    open: |opening| Box::new(Syslog::new(opening.options, opening.framing)),
};

/// Names of the facilities, by code (RFC 5424 §6.2.1; names as syslog.conf has them).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
/// Names of the severities, by code.
pub(crate) const SEVERITIES: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];
/// Spellings of the peer's address that firewalls, iptables and pam use.
const CLIENTS: &[&str] = &["srcip", "src", "SRC", "srcaddr", "rhost", "remip", "rip"];
/// Words that begin lines of application logs behind their time, where syslog has its host.
const NO_HOSTS: [&str; 14] = [
    "trace", "debug", "info", "notice", "warn", "warning", "error", "err", "fatal", "critical", "start",
    "end", "report", "-",
];
/// Parameters of structured data that are looked at for equal names.
const PARAMETERS_MERGED_MAX: usize = 64;

fn looks_like(line: &[u8]) -> bool {
    // `#Date: 2026-03-01 …` is a directive of another format; here it would be skipped.
    if line.starts_with(b"#") {
        return false;
    }
    // An access log sent through syslog is read as an access log.
    if combined::is_in_syslog(line) {
        return false;
    }
    let at = records::count(line).map_or(0, |(_, prefix)| prefix);
    let header = header::read(line, at..line.len(), &Calendar::new(Micros(0), None));
    if header.priority.is_some() {
        return header.warning != Some(header::BAD_PRIORITY);
    }
    if header.ts.is_none() {
        return false;
    }
    // A month's name first is syslog's own; ISO times begin the lines of many programs.
    if !line[at..].first().is_some_and(u8::is_ascii_digit) {
        return true;
    }
    let host = header.hostname.map(|span| line[span].to_ascii_lowercase());
    let named = host.is_some_and(|host| !NO_HOSTS.iter().any(|word| word.as_bytes() == host));
    named && header.appname.is_some()
}

/// Parser of syslog.
pub struct Syslog {
    plan: Plan,
    framing: Framing,
    record_bytes_max: usize,
    rows: SyslogRows,
}

struct SyslogRows {
    calendar: Calendar,
    arrival: Micros,
    limits: Limits,
    keys: KnownKeys,
    slots: Slots,
}

struct Slots {
    priority: Slot,
    facility: Slot,
    facility_code: Slot,
    severity: Slot,
    severity_code: Slot,
    version: Slot,
    hostname: Slot,
    appname: Slot,
    procid: Slot,
    msgid: Slot,
    structured_data: Slot,
    message: Slot,
    account: Slot,
    raw: Slot,
    warnings: Slot,
    events: EventSlots,
}

impl Syslog {
    pub fn new(options: &ParseOptions, framing: Framing) -> Self {
        let plan = Plan::new(Dataset::Syslog, CORE, &options.columns)
            .with_inside(options.inside.of(Dataset::Syslog), |column| column == "attrs");
        let slots = Slots {
            priority: plan.slot("priority"),
            facility: plan.slot("facility"),
            facility_code: plan.slot("facility_code"),
            severity: plan.slot("severity"),
            severity_code: plan.slot("severity_code"),
            version: plan.slot("version"),
            hostname: plan.slot("hostname"),
            appname: plan.slot("appname"),
            procid: plan.slot("procid"),
            msgid: plan.slot("msgid"),
            structured_data: plan.slot("structured_data"),
            message: plan.slot("message"),
            account: plan.slot("account"),
            raw: plan.slot("raw"),
            warnings: plan.slot("warnings"),
            events: EventSlots::new(&plan),
        };
        let rows = SyslogRows {
            calendar: Calendar::new(options.arrival, options.time_zone.as_ref()),
            arrival: options.arrival,
            limits: options.limits.clone(),
            keys: KnownKeys::new(&plan, &options.client_ip, |_| false, CLIENTS, &[]),
            slots,
        };
        Syslog {
            plan,
            framing,
            record_bytes_max: options.limits.record_bytes_max,
            rows,
        }
    }
}

impl Parser for Syslog {
    fn id(&self) -> &str {
        SPEC.parser_id
    }

    fn dataset(&self) -> Dataset {
        Dataset::Syslog
    }

    fn parse(&mut self, block: &RawBlock) -> ParsedBatch {
        records::parse(
            block,
            &self.plan,
            self.framing,
            self.record_bytes_max,
            &mut self.rows,
        )
    }
}

impl MakeLine for SyslogRows {
    fn row(&mut self, sheet: &mut Sheet<'_>, span: Range<usize>) -> Result<i64, Refusal> {
        let bytes = sheet.text().as_bytes();
        let header = header::read(bytes, span.clone(), &self.calendar);
        if !header.is_syslog() {
            let start = shown(&bytes[span]);
            return Err((
                Reason::BadField,
                format!("neither a priority nor a time: {start:?}"),
            ));
        }
        sheet.put_span(self.slots.raw, sheet.row(), span);
        self.put_header(sheet, &header);
        self.payload(sheet, &header);
        Ok(header.ts.unwrap_or_else(|| {
            warn(sheet, self.slots.warnings, TS_MISSING);
            self.arrival.0
        }))
    }
}

impl SyslogRows {
    fn put_header(&self, sheet: &mut Sheet<'_>, header: &Header) {
        let (row, slots) = (sheet.row(), &self.slots);
        let priority = header.priority.unwrap_or(DEFAULT_PRIORITY);
        let (facility, severity) = (priority >> 3, priority & 7);
        sheet.put_i32(slots.priority, row, i32::from(priority));
        sheet.put_i32(slots.facility_code, row, i32::from(facility));
        sheet.put_i32(slots.severity_code, row, i32::from(severity));
        if let Some(name) = FACILITIES.get(usize::from(facility)) {
            sheet.put_str(slots.facility, row, name);
        }
        sheet.put_str(slots.severity, row, SEVERITIES[usize::from(severity)]);
        if let Some(version) = header.version {
            sheet.put_i32(slots.version, row, version);
        }
        let spans = [
            (slots.hostname, &header.hostname),
            (slots.appname, &header.appname),
            (slots.procid, &header.procid),
            (slots.msgid, &header.msgid),
        ];
        for (slot, span) in spans {
            if let Some(span) = span {
                sheet.put_span(slot, row, span.clone());
            }
        }
        if !header.message.is_empty() {
            sheet.put_span(slots.message, row, header.message.clone());
        }
        if slots.structured_data.wanted()
            && let Some(span) = &header.structured_data
        {
            let json = structured_json(sheet.text(), span.clone());
            sheet.put_str(slots.structured_data, row, &json);
        }
        if let Some(code) = header.warning {
            warn(sheet, slots.warnings, code);
        }
    }

    /// Columns and attributes out of the message.
    fn payload(&mut self, sheet: &mut Sheet<'_>, header: &Header) {
        let text = sheet.text();
        let message = &text[header.message.clone()];
        if message.is_empty() {
            return;
        }
        let appname = header.appname.clone().map_or("", |span| &text[span]);
        let mut pairs = Vec::new();
        self.json(message, &mut pairs);
        if pairs.is_empty() {
            self.key_values(message, &mut pairs);
        }
        let said = self
            .slots
            .events
            .wanted()
            .then(|| syslog_programs::read(appname, message))
            .flatten();
        let login = syslog_auth::find(appname, message);
        if let Some(login) = &login {
            if let Some(account) = &login.account {
                let start = header.message.start;
                sheet.put_span(
                    self.slots.account,
                    sheet.row(),
                    start + account.start..start + account.end,
                );
            }
            if let Some(address) = &login.address {
                self.keys.put_client(sheet, &message[address.clone()], None);
            }
        }
        if let Some(said) = said {
            let start = header.message.start;
            self.slots.events.put(sheet, &said, start);
            if let Some(address) = &said.address {
                self.keys.put_client(sheet, &message[address.clone()], None);
            }
        }
        if !pairs.is_empty() {
            pairs::keep_last(&mut pairs);
            let roles = self.keys.roles(&pairs);
            self.keys.put(sheet, &mut pairs, roles);
            self.keys.put_attrs(sheet, &pairs);
        }
    }

    /// The members of a message that is one JSON object.
    fn json<'t>(&self, message: &'t str, pairs: &mut Vec<Pair<'t>>) {
        let object = message.strip_prefix("@cee:").unwrap_or(message).trim_start();
        if !object.starts_with('{') {
            return;
        }
        let mut members = Vec::new();
        let limits = &self.limits;
        let mut scanner = Scanner::new(object, 0, limits.json_depth_max, limits.json_fields_max);
        if scanner.object(&mut members).is_ok() && scanner.position() == object.len() {
            pairs.extend(members.iter().map(|member| Pair::of_member(object, member)));
        }
    }

    /// The pairs of a message that begins with two, or ends with three, or with two of which one is
    /// an address. Words between the pairs of a message that begins with words are words.
    fn key_values<'t>(&self, message: &'t str, pairs: &mut Vec<Pair<'t>>) {
        let Some(first) = pairs::first_pair(message) else {
            return;
        };
        let rest = &message[first..];
        let Some(style) = Style::of(rest).filter(|style| style.assign == b'=') else {
            return;
        };
        // Pairs beyond the limit stay in the message.
        let _ = pairs::read(rest, style, self.limits.json_fields_max, pairs);
        if first > 0 {
            pairs.retain(|pair| pair.said != pairs::Said::Bare);
        }
        let addressed = pairs
            .iter()
            .any(|pair| CLIENTS.contains(&pair.key) && known::is_address(pair));
        if pairs.len() < if first == 0 || addressed { 2 } else { 3 } {
            pairs.clear();
        }
    }
}

/// Name and value.
type Parameter<'t> = (&'t str, Cow<'t, str>);

/// The elements as one JSON object of objects; a parameter that comes several times is an array.
fn structured_json(text: &str, span: Range<usize>) -> String {
    let text_bytes = span.len();
    let mut elements: Vec<(&str, Vec<Parameter<'_>>)> = Vec::new();
    header::parameters(text.as_bytes(), span, |parameter| {
        if let Some(element) = parameter.element {
            elements.push((&text[element], Vec::new()));
        }
        if let Some((_, parameters)) = elements.last_mut()
            && !parameter.name.is_empty()
        {
            parameters.push((&text[parameter.name], unescape(&text[parameter.value])));
        }
    });
    let mut json = String::with_capacity(2 * text_bytes);
    json.push('{');
    for (id, parameters) in &elements {
        if json.len() > 1 {
            json.push(',');
        }
        write_string(&mut json, id);
        json.push_str(":{");
        for (at, (name, value)) in parameters.iter().enumerate() {
            let merged = at < PARAMETERS_MERGED_MAX;
            if merged && parameters[..at].iter().any(|(earlier, _)| earlier == name) {
                continue;
            }
            if at > 0 {
                json.push(',');
            }
            write_string(&mut json, name);
            json.push(':');
            let later = parameters[at + 1..]
                .iter()
                .take(PARAMETERS_MERGED_MAX.saturating_sub(at + 1));
            let mut others = later.filter(|(later, _)| merged && later == name).peekable();
            if others.peek().is_none() {
                write_string(&mut json, value);
                continue;
            }
            json.push('[');
            write_string(&mut json, value);
            for (_, value) in others {
                json.push(',');
                write_string(&mut json, value);
            }
            json.push(']');
        }
        json.push('}');
    }
    json.push('}');
    json
}

/// Undoes `\"`, `\\` and `\]`; other backslashes stay (RFC 5424 §6.3.3).
fn unescape(value: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        match rest.as_bytes().get(at + 1) {
            Some(&escaped @ (b'"' | b'\\' | b']')) => {
                out.push(char::from(escaped));
                rest = &rest[at + 2..];
            }
            _ => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}
