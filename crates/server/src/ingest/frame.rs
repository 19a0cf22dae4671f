//! NDJSON, framed and checked line by line.

use haetae_event::reject::REJECT_BYTES_MAX;
use haetae_event::{Reason, Reject};
use serde::de::IgnoredAny;

/// A request's lines, sorted.
#[derive(Debug, Default)]
pub(crate) struct Framed {
    /// Accepted and blank lines, each ended by `\n`.
    pub(crate) body: Vec<u8>,
    pub(crate) accepted: u64,
    pub(crate) refused: Vec<Reject>,
    /// All lines: accepted, refused and blank.
    pub(crate) records: u64,
}

/// Splits at `\n` (a `\r` before it belongs to the line end); an end without one ends a line
/// too. A byte order mark at the start is dropped. Stops at the first refused line beyond
/// `refused_max`.
pub(crate) fn frame(text: &[u8], record_bytes_max: usize, refused_max: usize) -> Framed {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut framed = Framed {
        body: Vec::with_capacity(text.len() + 1),
        ..Framed::default()
    };
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if framed.refused.len() > refused_max {
            break;
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let ordinal = framed.records;
        framed.records += 1;
        let blank = line.iter().all(u8::is_ascii_whitespace);
        match if blank {
            Ok(())
        } else {
            check(line, record_bytes_max)
        } {
            Ok(()) => {
                framed.accepted += u64::from(!blank);
                framed.body.extend_from_slice(if blank { b"" } else { line });
                framed.body.push(b'\n');
            }
            Err((reason, detail)) => framed.refused.push(Reject {
                ordinal,
                reason,
                detail,
                bytes: line[..line.len().min(REJECT_BYTES_MAX)].to_vec(),
            }),
        }
    }
    framed
}

/// Size and syntax; what the fields say is for the parser.
fn check(line: &[u8], record_bytes_max: usize) -> Result<(), (Reason, String)> {
    if line.len() > record_bytes_max {
        return Err((
            Reason::RecordTooLong,
            format!("a record has at most {record_bytes_max} bytes"),
        ));
    }
    // What is not UTF-8 is read as the parser reads it: whoever put it there must not get past
    // detection by it.
    let text = String::from_utf8_lossy(line);
    if !text.trim_start().starts_with('{') {
        return Err((Reason::BadJson, "not a JSON object".to_owned()));
    }
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(()),
        // The parser's text names a kind of mistake and a column, never the line's content.
        Err(error) => Err((
            Reason::BadJson,
            format!("not valid JSON at column {}", error.column()),
        )),
    }
}
