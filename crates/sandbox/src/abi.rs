//! The buffers between host and guest, version 1. All numbers are unsigned and little-endian, nothing
//! is aligned. The layout is our own; `ABI.md` tells it for authors of guests.
//!
//! Request: `count: u32`, `count × length: u32`, the records' bytes one after another.
//!
//! Result: `count: u32` (that of the request), then for each record, in order, `length: u32` and a
//! body of that length:
//! - `0: u8`, `fields: u16`, then for each field `kind: u8` (0 text, 1 number, 2 bool, 3 null, 4 JSON),
//!   `key length: u16`, `value length: u32`, key, value;
//! - `1: u8` and the text of a reject up to the end of the body.
//!
//! Nothing may stand behind the last record. A result whose frame is broken (count, lengths) says nothing
//! about any record, so the whole call fails; a body that is broken fails its record alone.

use crate::batch::{Batch, Failure, Kind};
use crate::quota::Quota;

/// What `haetae_abi_version` must give.
pub const VERSION: i32 = 1;

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 256;

/// Bytes kept of a guest's reject text, and of a failure's particulars.
pub const TEXT_BYTES_MAX: usize = 200;

/// Levels of `[` and `{` in a value of kind JSON.
pub const JSON_DEPTH_MAX: usize = 64;

/// Bytes of the request of `records`; `None` where a `u32` cannot count them.
pub(crate) fn request_len(records: &[&[u8]]) -> Option<u32> {
    let head = records.len().checked_add(1)?.checked_mul(4)?;
    let total = records
        .iter()
        .try_fold(head, |sum, record| sum.checked_add(record.len()))?;
    u32::try_from(total).ok()
}

/// Fills `request`, which is [`request_len`] long.
pub(crate) fn write_request(records: &[&[u8]], request: &mut [u8]) {
    let (head, mut rest) = request.split_at_mut(4 * (records.len() + 1));
    let (words, _) = head.as_chunks_mut::<4>();
    // `request_len` has counted all of it in a u32.
    words[0] = (records.len() as u32).to_le_bytes();
    for (word, record) in words[1..].iter_mut().zip(records) {
        *word = (record.len() as u32).to_le_bytes();
        let (place, behind) = rest.split_at_mut(record.len());
        place.copy_from_slice(record);
        rest = behind;
    }
}

/// Appends the outcomes of `count` records to `out`.
///
/// # Errors
/// A broken frame; then nothing was appended.
pub(crate) fn read_result(
    result: &[u8],
    count: usize,
    quota: &Quota,
    out: &mut Batch,
) -> Result<(), &'static str> {
    check_frame(result, count)?;
    let mut at = Bytes(result);
    at.u32();
    for _ in 0..count {
        let body = at.u32().and_then(|len| at.take(len as usize));
        let body = body.expect("the frame is checked");
        let mark = out.mark();
        if let Err(problem) = read_body(body, quota, out) {
            out.back_to(mark);
            out.push_failure(Failure::BadOutput, problem);
        }
    }
    Ok(())
}

fn check_frame(result: &[u8], count: usize) -> Result<(), &'static str> {
    let mut at = Bytes(result);
    let given = at.u32().ok_or("the result is shorter than its count")?;
    if given as usize != count {
        return Err("the result's count is not the request's");
    }
    for _ in 0..count {
        let len = at.u32().ok_or("the result ends before its last record")?;
        at.take(len as usize)
            .ok_or("a record reaches beyond the result")?;
    }
    if !at.0.is_empty() {
        return Err("there are bytes behind the last record of the result");
    }
    Ok(())
}

fn read_body(body: &[u8], quota: &Quota, out: &mut Batch) -> Result<(), &'static str> {
    if body.len() > quota.record_output_bytes_max {
        return Err("the record's result is too long");
    }
    let mut at = Bytes(body);
    match at.u8().ok_or("the record's result is empty")? {
        0 => read_fields(at, quota, out),
        1 => {
            let text = simdutf8::basic::from_utf8(at.0).map_err(|_| "the reject text is not UTF-8")?;
            out.push_reject(text);
            Ok(())
        }
        _ => Err("unknown status"),
    }
}

fn read_fields(mut at: Bytes<'_>, quota: &Quota, out: &mut Batch) -> Result<(), &'static str> {
    const CUT: &str = "the record's result ends inside a field";
    let mark = out.mark();
    let fields = at.u16().ok_or(CUT)?;
    if usize::from(fields) > quota.fields_max {
        return Err("too many fields");
    }
    for _ in 0..fields {
        let kind = at.u8().ok_or(CUT)?;
        let key_len = at.u16().ok_or(CUT)?;
        let value_len = at.u32().ok_or(CUT)? as usize;
        if value_len > quota.value_bytes_max {
            return Err("a value is too long");
        }
        if key_len == 0 || usize::from(key_len) > KEY_BYTES_MAX {
            return Err("a key is empty or too long");
        }
        let pair = at.take(usize::from(key_len) + value_len).ok_or(CUT)?;
        let (kind, pair) = check_field(kind, usize::from(key_len), pair)?;
        out.push_field(kind, pair, key_len);
    }
    if !at.0.is_empty() {
        return Err("there are bytes behind the record's last field");
    }
    out.end_record(mark);
    Ok(())
}

fn check_field(kind: u8, key_len: usize, pair: &[u8]) -> Result<(Kind, &str), &'static str> {
    // Key and value in one go: both are text exactly when the whole is and no character spans the two.
    let pair = simdutf8::basic::from_utf8(pair).map_err(|_| "a key or value is not UTF-8")?;
    let (key, value) = pair
        .split_at_checked(key_len)
        .ok_or("a key or value is not UTF-8")?;
    if key.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("a key has control characters");
    }
    let (kind, sound) = match kind {
        0 => (Kind::Text, true),
        1 => (Kind::Number, is_number(value.as_bytes())),
        2 => (Kind::Bool, matches!(value, "true" | "false")),
        3 => (Kind::Null, value.is_empty()),
        4 => (Kind::Json, is_json(value)),
        _ => return Err("unknown kind of value"),
    };
    if sound {
        Ok((kind, pair))
    } else {
        Err("a value is not of its kind")
    }
}

/// A number by the grammar of JSON.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        };
        let len = digits(exponent);
        if len == 0 {
            return false;
        }
        rest = &exponent[len..];
    }
    rest.is_empty()
}

/// One JSON value that is not nested too deep. The depth is counted first: what walks the value later
/// may recurse.
fn is_json(text: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return false;
        }
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The unread rest of a buffer. Each read gives `None` where the buffer is too short.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}
