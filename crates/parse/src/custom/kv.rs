//! `key=value` pairs: values bare, in single or in double quotes.
//!
//! Pairs are separated by white space, `,` or `;`. A bare value ends at white space or at a `,`
//! or `;` that white space or the line's end follows. Inside quotes `\"`, `\\`, `\n`, `\t` and
//! `\r` are undone; a quote that never closes takes the rest of the line. A word without `=` is
//! passed over (it stays in `raw`); what stands before the first pair is the field `@head`.

use super::fields::{Filling, Flat, PathTree};
use crate::mapping::cell::{Home, Span, present};
use std::ops::Range;

/// Name of what stands before the first pair.
pub const HEAD: &str = "@head";

/// One pair: key, value without quotes, whether the value has escapes.
struct Pair {
    key: Range<usize>,
    value: Range<usize>,
    escaped: bool,
}

/// Puts the fields of the line `span`.
///
/// # Errors
/// What is missing, when the line has no pair.
pub fn fill(
    tree: &mut PathTree,
    filling: &mut Filling<'_>,
    text: &str,
    span: Range<usize>,
    row: usize,
) -> Result<usize, &'static str> {
    let mut at = span.start;
    let mut place = 0;
    filling.open();
    while let Some(pair) = next(text, at..span.end) {
        if place == 0 {
            let head = text[span.start..pair.key.start].trim();
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
        }
        // The first place is the head's.
        place += 1;
        at = pair.value.end;
        if text[at..span.end].starts_with(['"', '\'']) {
            at += 1;
        }
        let key = &text[pair.key];
        put(tree, filling, text, (key, pair.value, pair.escaped), place, row);
    }
    filling.close();
    if place == 0 {
        return Err("no key=value pair");
    }
    Ok(place)
}

fn put(
    tree: &mut PathTree,
    filling: &mut Filling<'_>,
    text: &str,
    (key, value, escaped): (&str, Range<usize>, bool),
    place: usize,
    row: usize,
) {
    let raw = &text[value.clone()];
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
        cell: present(raw, Span::new(Home::Block, value)),
        plain: raw,
        source: text,
    };
    tree.field(filling, place, key, flat, row);
}

/// The next pair at or behind the start of `line`.
fn next(text: &str, line: Range<usize>) -> Option<Pair> {
    let bytes = text.as_bytes();
    let mut from = line.start;
    loop {
        let equals = from + memchr::memchr(b'=', &bytes[from..line.end])?;
        let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b';' | b'"' | b'\'' | b'=');
        let key = bytes[from..equals]
            .iter()
            .rposition(ends)
            .map_or(from, |at| from + at + 1);
        if key == equals {
            from = equals + 1;
            continue;
        }
        let (value, escaped) = value(bytes, equals + 1..line.end);
        return Some(Pair {
            key: key..equals,
            value,
            escaped,
        });
    }
}

fn value(bytes: &[u8], rest: Range<usize>) -> (Range<usize>, bool) {
    let quote = match bytes[rest.clone()].first() {
        Some(quote @ (b'"' | b'\'')) => *quote,
        _ => return (bare(bytes, rest), false),
    };
    let start = rest.start + 1;
    let (mut at, mut escaped) = (start, false);
    while let Some(found) = memchr::memchr2(quote, b'\\', &bytes[at..rest.end]) {
        at += found;
        if bytes[at] == quote {
            return (start..at, escaped);
        }
        escaped = true;
        at = (at + 2).min(rest.end);
    }
    (start..rest.end, escaped)
}

fn bare(bytes: &[u8], rest: Range<usize>) -> Range<usize> {
    let mut end = bytes[rest.clone()]
        .iter()
        .position(u8::is_ascii_whitespace)
        .map_or(rest.end, |at| rest.start + at);
    while end > rest.start && matches!(bytes[end - 1], b',' | b';') {
        end -= 1;
    }
    rest.start..end
}

fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (plain, false) => out.push(plain),
        }
    }
    out
}
