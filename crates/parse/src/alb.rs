//! Application Load Balancer access logs.
//!
//! Source: User Guide for Application Load Balancers, *Access log entries*; names from the Athena
//! guide. Fields are only ever appended: everything behind the user agent may be missing, what
//! is new goes to `trailing`. Connection logs are another format, and not read.

use crate::balanced::{put_endpoint, put_request, put_url, without_port};
use crate::format::{FormatSpec, Recognise};
use crate::quoted::{self, CoreSlots, Cutter, Quoted, Shape, Spans, a_quote, anything, iso_time, place};
use crate::sheet::Sheet;
use haetae_event::Dataset;
use haetae_event::native::alb::FIELDS;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "alb",
    aliases: &["application-load-balancer"],
    parser_id: Alb::PARSER_ID,
    about: "Application Load Balancer access logs",
    recognise: Recognise::Line(quoted::looks_like::<Alb>),
    open: |opening| Box::new(Quoted::<Alb>::new(opening.options)),
};

const TYPE: usize = place(FIELDS, "type");
const TIME: usize = place(FIELDS, "time");
const ELB: usize = place(FIELDS, "elb");
const CLIENT_IP: usize = place(FIELDS, "client_ip");
const CLIENT_PORT: usize = place(FIELDS, "client_port");
const TARGET_IP: usize = place(FIELDS, "target_ip");
const TARGET_PORT: usize = place(FIELDS, "target_port");
const DURATIONS: usize = place(FIELDS, "request_processing_time");
const ELB_STATUS: usize = place(FIELDS, "elb_status_code");
const TARGET_STATUS: usize = place(FIELDS, "target_status_code");
const SENT_BYTES: usize = place(FIELDS, "sent_bytes");
const VERB: usize = place(FIELDS, "request_verb");
const URL: usize = place(FIELDS, "request_url");
const USER_AGENT: usize = place(FIELDS, "user_agent");
const SSL_CIPHER: usize = place(FIELDS, "ssl_cipher");
const DOMAIN_NAME: usize = place(FIELDS, "domain_name");
const ACTIONS: usize = place(FIELDS, "actions_executed");
const REDIRECT_URL: usize = place(FIELDS, "redirect_url");
const TRANSFORMED_URI: usize = place(FIELDS, "transformed_uri");
const TRAILING: usize = place(FIELDS, "trailing");

enum Alb {}

impl Shape for Alb {
    const DATASET: Dataset = Dataset::Alb;
    const PARSER_ID: &'static str = "alb@v1";
    const CORE: &'static [&'static str] = &[
        "src_ip",
        "dst_host",
        "peer_ip",
        "method",
        "uri",
        "status",
        "ua",
        "bytes_in",
        "bytes_out",
        "blocked",
        "trace_id",
        "raw",
        "warnings",
    ];
    const CLIENT: usize = CLIENT_IP;
    const ESCAPES: bool = true;
    const RECORD_BYTES: usize = 400;

    #[inline]
    fn cut(text: &str, line: Range<usize>, spans: &mut Spans) -> Result<(), &'static str> {
        let bytes = text.as_bytes();
        let mut cutter = Cutter::new(text, line);
        cutter.plains(TYPE..ELB + 1, spans, "no type, time and elb")?;
        let kind = spans.value(TYPE).ok_or("no type")?;
        if !is_type(&bytes[kind]) {
            return Err("not a type of connection");
        }
        let client = cutter.plain().ok_or("no client:port")?;
        put_endpoint(bytes, spans, (CLIENT_IP, CLIENT_PORT), client);
        let target = cutter.plain().ok_or("no target:port")?;
        put_endpoint(bytes, spans, (TARGET_IP, TARGET_PORT), target);
        cutter.plains(
            DURATIONS..SENT_BYTES + 1,
            spans,
            "no times, status codes and bytes",
        )?;
        if !cutter.at_quote() {
            return Err("no \"request\"");
        }
        let request = cutter.quoted(a_quote)?.ok_or("no \"request\"")?;
        put_request(bytes, spans, VERB, request);
        let agent = cutter.quoted(a_cipher)?.ok_or("no \"user_agent\"")?;
        spans.set(bytes, USER_AGENT, agent);
        for place in SSL_CIPHER..TRAILING {
            let follows = match place {
                REDIRECT_URL | TRANSFORMED_URI => a_quote,
                _ => anything,
            };
            let Some(span) = cutter.quoted(follows)? else {
                return Ok(());
            };
            spans.set(bytes, place, span);
        }
        if let Some(rest) = cutter.rest() {
            spans.set(bytes, TRAILING, rest);
        }
        Ok(())
    }

    #[inline]
    fn time(bytes: &[u8], spans: &Spans) -> Option<i64> {
        iso_time(&bytes[spans.value(TIME)?])
    }

    #[inline]
    fn derive(sheet: &mut Sheet<'_>, row: usize, spans: &Spans, core: &CoreSlots) {
        let bytes = sheet.text().as_bytes();
        core.put_status(sheet, row, spans, ELB_STATUS);
        let named = spans.value(DOMAIN_NAME).map(|name| without_port(bytes, name));
        put_url(sheet, row, core, named, spans.value(URL));
        if spans.has(ACTIONS) {
            sheet.put_bool(core.blocked, row, is_blocked(bytes, spans));
        }
    }
}

/// Types are short lower-case words; `tls` begins a Network Load Balancer's record.
fn is_type(word: &[u8]) -> bool {
    word != b"tls"
        && (2..=16).contains(&word.len())
        && word[0].is_ascii_lowercase()
        && word.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// What follows a user agent: cipher and protocol, each possibly `-`.
fn a_cipher(rest: &[u8]) -> bool {
    const CIPHER_BYTES_MAX: usize = 80;
    let cipher = rest
        .iter()
        .take(CIPHER_BYTES_MAX)
        .take_while(|&&b| b != b' ')
        .count();
    let is_cipher = rest[..cipher]
        .iter()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    let after = &rest[cipher..];
    let is_protocol =
        |p: &[u8]| p == b"-" || p.starts_with(b"- ") || p.starts_with(b"TLS") || p.starts_with(b"SSL");
    cipher > 0 && is_cipher && (after.is_empty() || is_protocol(&after[1..]))
}

/// Whether AWS WAF refused the request: a `waf` that nothing came after, or a 403 of the load
/// balancer that is no fixed response, in both cases with no answer from a target.
fn is_blocked(bytes: &[u8], spans: &Spans) -> bool {
    let Some(actions) = spans.value(ACTIONS) else {
        return false;
    };
    if spans.value(TARGET_STATUS).is_some() {
        return false;
    }
    let actions = &bytes[actions];
    let forbidden = spans.value(ELB_STATUS).is_some_and(|span| &bytes[span] == b"403");
    let last = actions.rsplit(|&b| b == b',').next();
    let asked = actions.split(|&b| b == b',').any(|action| action == b"waf");
    asked && (last == Some(b"waf") || (forbidden && last != Some(b"fixed-response")))
}
