//! Classic Load Balancer access logs.
//!
//! Source: User Guide for Classic Load Balancers, *Access log entries*; names from the Athena
//! guide. Numbers are looked at here, because connection logs of Application Load Balancers begin
//! with a time too and are not read.

use crate::balanced::{put_endpoint, put_request, put_url};
use crate::format::{FormatSpec, Recognise};
use crate::quoted::{self, CoreSlots, Cutter, Quoted, Shape, Spans, a_quote, iso_time, place};
use crate::scalar;
use crate::sheet::Sheet;
use haetae_event::Dataset;
use haetae_event::native::elb::FIELDS;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "elb",
    aliases: &["clb", "classic-load-balancer"],
    parser_id: Elb::PARSER_ID,
    about: "Classic Load Balancer access logs",
    recognise: Recognise::Line(quoted::looks_like::<Elb>),
    open: |opening| Box::new(Quoted::<Elb>::new(opening.options)),
};

const TIMESTAMP: usize = place(FIELDS, "timestamp");
const NAME: usize = place(FIELDS, "elb_name");
const REQUEST_IP: usize = place(FIELDS, "request_ip");
const REQUEST_PORT: usize = place(FIELDS, "request_port");
const BACKEND_IP: usize = place(FIELDS, "backend_ip");
const BACKEND_PORT: usize = place(FIELDS, "backend_port");
const DURATIONS: usize = place(FIELDS, "request_processing_time");
const RESPONSE_CODE: usize = place(FIELDS, "elb_response_code");
const SENT_BYTES: usize = place(FIELDS, "sent_bytes");
const VERB: usize = place(FIELDS, "request_verb");
const URL: usize = place(FIELDS, "url");
const USER_AGENT: usize = place(FIELDS, "user_agent");
const SSL_CIPHER: usize = place(FIELDS, "ssl_cipher");
const TRAILING: usize = place(FIELDS, "trailing");

enum Elb {}

impl Shape for Elb {
    const DATASET: Dataset = Dataset::Elb;
    const PARSER_ID: &'static str = "elb@v1";
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
        "raw",
        "warnings",
    ];
    const CLIENT: usize = REQUEST_IP;
    const ESCAPES: bool = false;
    const RECORD_BYTES: usize = 200;

    #[inline]
    fn cut(text: &str, line: Range<usize>, spans: &mut Spans) -> Result<(), &'static str> {
        let bytes = text.as_bytes();
        let mut cutter = Cutter::new(text, line);
        cutter.plains(TIMESTAMP..NAME + 1, spans, "no timestamp and elb")?;
        let client = cutter.plain().ok_or("no client:port")?;
        put_endpoint(bytes, spans, (REQUEST_IP, REQUEST_PORT), client);
        let backend = cutter.plain().ok_or("no backend:port")?;
        put_endpoint(bytes, spans, (BACKEND_IP, BACKEND_PORT), backend);
        let numbers = DURATIONS..SENT_BYTES + 1;
        cutter.plains(numbers.clone(), spans, "no times, status codes and bytes")?;
        let is_number = |span: Range<usize>| scalar::decimal(&bytes[span]).is_some();
        if !numbers
            .into_iter()
            .filter_map(|at| spans.value(at))
            .all(is_number)
        {
            return Err("times, status codes and bytes are no numbers");
        }
        if !cutter.at_quote() {
            return Err("no \"request\"");
        }
        let request = cutter.quoted(a_quote)?.ok_or("no \"request\"")?;
        put_request(bytes, spans, VERB, request);
        let Some(agent) = cutter.last_quoted()? else {
            return Ok(());
        };
        spans.set(bytes, USER_AGENT, agent);
        for place in SSL_CIPHER..TRAILING {
            let Some(span) = cutter.plain() else {
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
        iso_time(&bytes[spans.value(TIMESTAMP)?])
    }

    #[inline]
    fn derive(sheet: &mut Sheet<'_>, row: usize, spans: &Spans, core: &CoreSlots) {
        core.put_status(sheet, row, spans, RESPONSE_CODE);
        put_url(sheet, row, core, None, spans.value(URL));
    }
}
