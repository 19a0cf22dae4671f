//! Network Load Balancer TLS access logs.
//!
//! Source: User Guide for Network Load Balancers, *Access log entries*; names from the Athena
//! guide. A record is a TLS connection, its time the connection's end.

use crate::balanced::put_endpoint;
use crate::format::{FormatSpec, Recognise};
use crate::quoted::{self, CoreSlots, Cutter, Quoted, Shape, Spans, iso_time, place};
use crate::sheet::Sheet;
use haetae_event::Dataset;
use haetae_event::native::nlb::FIELDS;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "nlb",
    aliases: &["network-load-balancer"],
    parser_id: Nlb::PARSER_ID,
    about: "Network Load Balancer TLS access logs",
    recognise: Recognise::Line(quoted::looks_like::<Nlb>),
    open: |opening| Box::new(Quoted::<Nlb>::new(opening.options)),
};

const TYPE: usize = place(FIELDS, "type");
const TIME: usize = place(FIELDS, "time");
const LISTENER_ID: usize = place(FIELDS, "listener_id");
const CLIENT_IP: usize = place(FIELDS, "client_ip");
const CLIENT_PORT: usize = place(FIELDS, "client_port");
const TARGET_IP: usize = place(FIELDS, "target_ip");
const TARGET_PORT: usize = place(FIELDS, "target_port");
const CONNECTION_TIME: usize = place(FIELDS, "tcp_connection_time_ms");
const DOMAIN_NAME: usize = place(FIELDS, "domain_name");
const PREFERENCES: usize = place(FIELDS, "alpn_client_preference_list");
const TRAILING: usize = place(FIELDS, "trailing");

enum Nlb {}

impl Shape for Nlb {
    const DATASET: Dataset = Dataset::Nlb;
    const PARSER_ID: &'static str = "nlb@v1";
    const CORE: &'static [&'static str] = &[
        "src_ip",
        "dst_host",
        "peer_ip",
        "bytes_in",
        "bytes_out",
        "raw",
        "warnings",
    ];
    const CLIENT: usize = CLIENT_IP;
    const ESCAPES: bool = false;
    const RECORD_BYTES: usize = 250;

    #[inline]
    fn cut(text: &str, line: Range<usize>, spans: &mut Spans) -> Result<(), &'static str> {
        let bytes = text.as_bytes();
        let mut cutter = Cutter::new(text, line);
        cutter.plains(
            TYPE..LISTENER_ID + 1,
            spans,
            "no type, version, time, elb and listener",
        )?;
        if spans.value(TYPE).is_none_or(|span| &bytes[span] != b"tls") {
            return Err("not of type tls");
        }
        let client = cutter.plain().ok_or("no client:port")?;
        put_endpoint(bytes, spans, (CLIENT_IP, CLIENT_PORT), client);
        let target = cutter.plain().ok_or("no destination:port")?;
        put_endpoint(bytes, spans, (TARGET_IP, TARGET_PORT), target);
        cutter.plains(
            CONNECTION_TIME..DOMAIN_NAME + 1,
            spans,
            "fewer fields than a domain_name",
        )?;
        for place in DOMAIN_NAME + 1..TRAILING {
            let next = match place {
                PREFERENCES => preferences(&mut cutter)?,
                _ => cutter.plain(),
            };
            let Some(span) = next else {
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

    fn derive(_: &mut Sheet<'_>, _: usize, _: &Spans, _: &CoreSlots) {}
}

/// `"h2","http/1.1"`, quotes and all: the client names its protocols, so one may hold a space.
fn preferences(cutter: &mut Cutter<'_>) -> Result<Option<Range<usize>>, &'static str> {
    if !cutter.at_quote() {
        return Ok(cutter.plain());
    }
    let inner = cutter.quoted(a_time)?;
    Ok(inner.map(|span| span.start - 1..span.end + 1))
}

/// What follows the list: when the connection was made.
fn a_time(rest: &[u8]) -> bool {
    let end = memchr::memchr(b' ', &rest[..rest.len().min(40)]).unwrap_or(rest.len());
    rest[..end] == *b"-" || iso_time(&rest[..end]).is_some()
}
