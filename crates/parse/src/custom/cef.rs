//! Common Event Format: seven header fields between pipes, then `key=value` pairs.
//!
//! Source: *Implementing ArcSight Common Event Format*. What stands before `CEF:` is the field
//! `@head`; the header fields are `cefVersion`, `deviceVendor`, `deviceProduct`, `deviceVersion`,
//! `deviceEventClassId`, `name` and `severity`. A value of the extension goes on to the last space
//! before the next `key=`; keys are letters, digits, `_`, `.`, `-` and brackets.

use super::fields::{Filling, Flat, PathTree};
use super::kv::HEAD;
use crate::mapping::cell::{Home, Span, present};
use std::ops::Range;

const HEADER: [&str; 7] = [
    "cefVersion",
    "deviceVendor",
    "deviceProduct",
    "deviceVersion",
    "deviceEventClassId",
    "name",
    "severity",
];

/// Puts the fields of the line `span`.
///
/// # Errors
/// What is missing from the header.
pub fn fill(
    tree: &mut PathTree,
    filling: &mut Filling<'_>,
    text: &str,
    span: Range<usize>,
    row: usize,
) -> Result<usize, &'static str> {
    let line = &text[span.clone()];
    let begin = memchr::memmem::find(line.as_bytes(), b"CEF:").ok_or("no CEF: in the line")?;
    let mut at = span.start + begin + 4;
    let mut header = [const { (0..0, false) }; 7];
    for (place, slot) in header.iter_mut().enumerate() {
        let (end, escaped) = header_end(text, at..span.end);
        // The severity may end the line.
        if end == span.end && place < 6 {
            return Err("the header has fewer than seven fields");
        }
        *slot = (at..end, escaped);
        at = (end + 1).min(span.end);
    }
    filling.open();
    let head = line[..begin].trim();
    if !head.is_empty() {
        let start = head.as_ptr() as usize - text.as_ptr() as usize;
        put(
            tree,
            filling,
            text,
            (HEAD, start..start + head.len(), false),
            0,
            row,
        );
    }
    for (place, (name, (range, escaped))) in HEADER.iter().zip(header).enumerate() {
        put(tree, filling, text, (name, range, escaped), place + 1, row);
    }
    let count = extension(tree, filling, text, at..span.end, row);
    filling.close();
    Ok(8 + count)
}

/// Where a header field ends, and whether it has escapes.
fn header_end(text: &str, rest: Range<usize>) -> (usize, bool) {
    let bytes = text.as_bytes();
    let (mut at, mut escaped) = (rest.start, false);
    while let Some(found) = memchr::memchr2(b'|', b'\\', &bytes[at..rest.end]) {
        at += found;
        if bytes[at] == b'|' {
            return (at, escaped);
        }
        escaped = true;
        at = (at + 2).min(rest.end);
    }
    (rest.end, escaped)
}

/// The next key in `rest`: its range. A key stands behind a space, the first one at the start.
fn next_key(bytes: &[u8], rest: Range<usize>, first: bool) -> Option<Range<usize>> {
    let mut from = rest.start;
    loop {
        let equals = from + memchr::memchr(b'=', &bytes[from..rest.end])?;
        let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'[' | b']');
        let length = bytes[from..equals].iter().rev().take_while(|b| part(b)).count();
        let start = equals - length;
        let free = match start == rest.start {
            true => first,
            false => bytes[start - 1] == b' ',
        };
        if length > 0 && free {
            return Some(start..equals);
        }
        from = equals + 1;
    }
}

fn extension(
    tree: &mut PathTree,
    filling: &mut Filling<'_>,
    text: &str,
    rest: Range<usize>,
    row: usize,
) -> usize {
    let bytes = text.as_bytes();
    let mut count = 0;
    let mut next = next_key(bytes, rest.clone(), true);
    while let Some(key) = next.take() {
        let start = key.end + 1;
        next = next_key(bytes, start..rest.end, false);
        let mut end = next.as_ref().map_or(rest.end, |following| following.start - 1);
        while end > start && bytes[end - 1] == b' ' {
            end -= 1;
        }
        let escaped = memchr::memchr(b'\\', &bytes[start..end]).is_some();
        put(
            tree,
            filling,
            text,
            (&text[key], start..end, escaped),
            8 + count,
            row,
        );
        count += 1;
    }
    count
}

fn put(
    tree: &mut PathTree,
    filling: &mut Filling<'_>,
    text: &str,
    (key, range, escaped): (&str, Range<usize>, bool),
    place: usize,
    row: usize,
) {
    let raw = &text[range.clone()];
    if escaped {
        let plain = unescape(raw);
        let cell = filling.written(&plain);
        let flat = Flat {
            cell,
            plain: &plain,
            source: text,
        };
        return tree.field(filling, place, key, flat, row);
    }
    let flat = Flat {
        cell: present(raw, Span::new(Home::Block, range)),
        plain: raw,
        source: text,
    };
    tree.field(filling, place, key, flat, row);
}

/// `\|`, `\=`, `\\`, `\n` and `\r`; any other backslash stays.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        let made = match (c, chars.peek()) {
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some(same @ ('|' | '=' | '\\'))) => *same,
            (other, _) => {
                out.push(other);
                continue;
            }
        };
        chars.next();
        out.push(made);
    }
    out
}
