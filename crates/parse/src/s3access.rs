//! S3 server access logs.
//!
//! Source: S3 User Guide, *Server access log format*; names from its Athena table. Fields are only
//! ever appended. The writer does not escape quotes: the request ends where a status follows, the
//! user agent, the last field in quotes, at the line's last quote.

use crate::balanced::request_parts;
use crate::format::{FormatSpec, Recognise};
use crate::quoted::{self, CoreSlots, Cutter, Quoted, Shape, Spans, place};
use crate::scalar;
use crate::sheet::Sheet;
use haetae_event::Dataset;
use haetae_event::native::s3access::FIELDS;
use std::ops::Range;

/// See [`FormatSpec`].
pub static SPEC: FormatSpec = FormatSpec {
    name: "s3access",
    aliases: &["s3", "s3-access"],
    parser_id: S3Access::PARSER_ID,
    about: "S3 server access logs",
    recognise: Recognise::Line(quoted::looks_like::<S3Access>),
    open: |opening| Box::new(Quoted::<S3Access>::new(opening.options)),
};

const OWNER: usize = place(FIELDS, "bucketowner");
const BUCKET: usize = place(FIELDS, "bucket_name");
const TIME: usize = place(FIELDS, "requestdatetime");
const REMOTE_IP: usize = place(FIELDS, "remoteip");
const OPERATION: usize = place(FIELDS, "operation");
const KEY: usize = place(FIELDS, "key");
const REQUEST_URI: usize = place(FIELDS, "request_uri");
const STATUS: usize = place(FIELDS, "httpstatus");
const ERROR_CODE: usize = place(FIELDS, "errorcode");
const TURN_AROUND: usize = place(FIELDS, "turnaroundtime");
const REFERRER: usize = place(FIELDS, "referrer");
const USER_AGENT: usize = place(FIELDS, "useragent");
const VERSION_ID: usize = place(FIELDS, "versionid");
const TRAILING: usize = place(FIELDS, "trailing");

enum S3Access {}

impl Shape for S3Access {
    const DATASET: Dataset = Dataset::S3Access;
    const PARSER_ID: &'static str = "s3access@v1";
    const CORE: &'static [&'static str] = &[
        "src_ip",
        "dst_host",
        "peer_ip",
        "method",
        "uri",
        "status",
        "ua",
        "bytes_out",
        "blocked",
        "account",
        "request_id",
        "raw",
        "warnings",
    ];
    const CLIENT: usize = REMOTE_IP;
    const ESCAPES: bool = false;
    const RECORD_BYTES: usize = 400;

    #[inline]
    fn cut(text: &str, line: Range<usize>, spans: &mut Spans) -> Result<(), &'static str> {
        let bytes = text.as_bytes();
        let mut cutter = Cutter::new(text, line);
        cutter.plains(OWNER..BUCKET + 1, spans, "no bucket owner and bucket")?;
        let time = cutter.bracketed().ok_or("no [time]")?;
        spans.set(bytes, TIME, time);
        cutter.plains(REMOTE_IP..OPERATION + 1, spans, "no remote address to operation")?;
        let mut key = cutter.plain().ok_or("no key")?;
        let request = request(bytes, &mut cutter, &mut key)?.ok_or("no request")?;
        spans.set(bytes, KEY, key);
        spans.set(bytes, REQUEST_URI, request);
        cutter.plains(STATUS..TURN_AROUND + 1, spans, "no status to turn-around time")?;
        let status = spans.value(STATUS);
        if status.is_some_and(|span| scalar::integer(&bytes[span]).is_none()) {
            return Err("the status is no number");
        }
        let referrer = cutter.quoted(quoted::a_quote)?.ok_or("no \"referer\"")?;
        spans.set(bytes, REFERRER, referrer);
        let agent = cutter.last_quoted()?.ok_or("no \"user agent\"")?;
        spans.set(bytes, USER_AGENT, agent);
        for place in VERSION_ID..TRAILING {
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
        scalar::clf_time(&bytes[spans.value(TIME)?])
    }

    #[inline]
    fn derive(sheet: &mut Sheet<'_>, row: usize, spans: &Spans, core: &CoreSlots) {
        let bytes = sheet.text().as_bytes();
        core.put_status(sheet, row, spans, STATUS);
        // A 403 alone may be of an object that is not there.
        if spans
            .value(ERROR_CODE)
            .is_some_and(|span| &bytes[span] == b"AccessDenied")
        {
            sheet.put_bool(core.blocked, row, true);
        }
        let Some(request) = spans.value(REQUEST_URI) else {
            return;
        };
        let [method, uri, _] = request_parts(bytes, request);
        for (slot, span) in [(core.method, method), (core.uri, uri)] {
            if !span.is_empty() && bytes[span.clone()] != *b"-" {
                sheet.put_span(slot, row, span);
            }
        }
    }
}

/// The request. Where neither a quote nor `-` follows the key, it goes on up to one that does.
fn request(
    bytes: &[u8],
    cutter: &mut Cutter<'_>,
    key: &mut Range<usize>,
) -> Result<Option<Range<usize>>, &'static str> {
    loop {
        if cutter.at_quote() {
            return cutter.quoted(a_status);
        }
        let Some(word) = cutter.plain() else {
            return Ok(None);
        };
        if bytes[word.clone()] == *b"-" {
            return Ok(Some(word));
        }
        key.end = word.end;
    }
}

/// What follows a request: three digits or `-`.
fn a_status(rest: &[u8]) -> bool {
    match rest {
        [b'-'] | [b'-', b' ', ..] => true,
        [a, b, c, b' ', ..] | [a, b, c] => [a, b, c].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}
