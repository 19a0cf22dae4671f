//! Access records as JSON lines.

use crate::event::{SimEvent, WebRequest};
use crate::plan::SimulateError;
use crate::traffic::Traffic;
use serde::Serialize;
use std::io::Write;

#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    src_ip: std::net::IpAddr,
    method: &'a str,
    uri: String,
    status: u16,
    ua: Option<&'a str>,
    host: &'a str,
    bytes_in: u64,
    bytes_out: u64,
    time_taken_ms: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
}

/// RFC 3339 UTC with exactly three fraction digits.
fn rfc3339_ms(request: &WebRequest) -> String {
    let (date, _) = request.ts.partition();
    let ms = request.ts.0.div_euclid(1000).rem_euclid(86_400_000);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Appends one JSON object and a newline.
pub fn ndjson_line(request: &WebRequest, out: &mut Vec<u8>) {
    let line = Line {
        ts: rfc3339_ms(request),
        src_ip: request.client,
        method: request.method,
        uri: request.uri(),
        status: request.status,
        ua: request.ua.as_deref(),
        host: request.host,
        bytes_in: request.bytes_in,
        bytes_out: request.bytes_out,
        time_taken_ms: request.time_taken_ms,
        referer: request.referer.as_deref(),
        session_id: request.session.map(|id| format!("{id:016x}")),
        account: request.account.as_deref(),
    };
    serde_json::to_writer(&mut *out, &line).expect("plain values serialise");
    out.push(b'\n');
}

/// Writes every web request of the traffic in time order. Flow records are passed over.
/// Returns the number of lines.
///
/// # Errors
/// When `out` fails.
pub fn write_ndjson(traffic: &mut Traffic, mut out: impl Write) -> Result<u64, SimulateError> {
    let (mut line, mut count) = (Vec::new(), 0);
    for event in traffic {
        if let SimEvent::Web(request) = event {
            line.clear();
            ndjson_line(&request, &mut line);
            out.write_all(&line)?;
            count += 1;
        }
    }
    out.flush()?;
    Ok(count)
}
