//! Pairs of keys and values in text: `key=value key2="quoted value"`, and their relatives.
//!
//! There is no standard; this reads what logfmt, key=value and firewall logs have in common. A
//! pair is split at its first `=`. A value in quotes ends at the quote that is not escaped, or with
//! the text; one without ends at a space, or, when the first value is followed by `,` or `;`, at
//! the next of these that a key follows. A word without `=` is true. Of equal keys the last wins.

use crate::json_scan::{self, Kind, Member};
use ahash::AHashMap;
use std::borrow::Cow;

/// Longest key; a longer one is no key.
const KEY_BYTES_MAX: usize = 64;

/// What a pair says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said<'t> {
    Text(Cow<'t, str>),
    /// A key alone.
    Bare,
    /// A JSON value; the text with its quotes.
    Json(Kind, &'t str),
}

/// A key and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair<'t> {
    pub key: &'t str,
    pub said: Said<'t>,
    /// Already in a column, or overruled by a later pair with the same key.
    pub done: bool,
}

impl<'t> Pair<'t> {
    fn new(key: &'t str, said: Said<'t>) -> Self {
        Pair {
            key,
            said,
            done: false,
        }
    }

    pub fn text_of(key: &'t str, text: Cow<'t, str>) -> Self {
        Pair::new(key, Said::Text(text))
    }

    pub fn of_member(text: &'t str, member: &Member) -> Self {
        let value = &member.value;
        let said = Said::Json(value.kind, &text[value.whole()]);
        Pair::new(&text[member.key.span.clone()], said)
    }

    /// The value as text; `None` for what is empty, `-`, null, or no scalar.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let text = match &self.said {
            Said::Text(text) => Cow::Borrowed(&**text),
            Said::Bare => Cow::Borrowed("true"),
            Said::Json(Kind::Null | Kind::Object | Kind::Array, _) => return None,
            Said::Json(Kind::Str { escaped }, whole) => {
                let inside = &whole[1..whole.len() - 1];
                if *escaped {
                    Cow::Owned(json_scan::unescape(inside))
                } else {
                    Cow::Borrowed(inside)
                }
            }
            Said::Json(_, whole) => Cow::Borrowed(*whole),
        };
        (!text.is_empty() && text != "-").then_some(text)
    }

    /// Whether it may fill a column: objects and arrays may not.
    pub fn is_scalar(&self) -> bool {
        !matches!(self.said, Said::Json(Kind::Object | Kind::Array, _))
    }

    /// Appends it as a member of a JSON object that is `{` or begins with it; gives back where its
    /// value begins.
    pub fn write_member(&self, object: &mut String) -> usize {
        if object.len() > 1 {
            object.push(',');
        }
        match &self.said {
            // A JSON key is escaped already.
            Said::Json(..) => {
                object.push('"');
                object.push_str(self.key);
                object.push_str("\":");
            }
            Said::Text(_) | Said::Bare => {
                write_string(object, self.key);
                object.push(':');
            }
        }
        let value = object.len();
        match &self.said {
            Said::Json(_, whole) => object.push_str(whole),
            Said::Text(text) => write_string(object, text),
            Said::Bare => object.push_str("true"),
        }
        value
    }
}

/// Appends `text` as a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                out.push_str("\\u00");
                out.push(char::from(b'0' + (byte >> 4)));
                out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
            }
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Marks every pair done whose key comes again later.
pub fn keep_last(pairs: &mut [Pair<'_>]) {
    if pairs.len() <= 16 {
        for at in 0..pairs.len() {
            let key = pairs[at].key;
            pairs[at].done |= pairs[at + 1..].iter().any(|later| later.key == key);
        }
        return;
    }
    let mut last = AHashMap::with_capacity(pairs.len());
    for (at, pair) in pairs.iter().enumerate() {
        last.insert(pair.key, at);
    }
    for (at, pair) in pairs.iter_mut().enumerate() {
        pair.done |= last.get(pair.key) != Some(&at);
    }
}

/// Length of the key at the start of `bytes` when `assign` follows it: letters, digits and
/// `_ . - @ [ ]`, not beginning with a digit.
pub fn key_length(bytes: &[u8], assign: u8) -> Option<usize> {
    let length = bytes
        .iter()
        .take(KEY_BYTES_MAX + 1)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'@' | b'[' | b']'))
        .count();
    let first = *bytes.first()?;
    let shaped = (1..=KEY_BYTES_MAX).contains(&length)
        && bytes.get(length) == Some(&assign)
        && (first.is_ascii_alphabetic() || matches!(first, b'_' | b'@'));
    shaped.then_some(length)
}

/// Where the first word begins that is a key and `=`.
pub fn first_pair(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'=', bytes).find_map(|equals| {
        let start = memchr::memrchr3(b' ', b'\t', b'=', &bytes[..equals]).map_or(0, |at| at + 1);
        (key_length(&bytes[start..], b'=') == Some(equals - start)).then_some(start)
    })
}

/// How the pairs of one text are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// `=`, or `:`.
    pub assign: u8,
    /// `,` or `;` stands between pairs, values may hold spaces.
    pub listed: bool,
}

impl Style {
    /// The style of a text that begins with a key; `None` when it does not.
    pub fn of(text: &str) -> Option<Style> {
        let bytes = text.as_bytes();
        if let Some(length) = key_length(bytes, b'=') {
            let mut reader = Reader::new(
                text,
                Style {
                    assign: b'=',
                    listed: false,
                },
            );
            let value = reader.value(length + 1);
            let rest = text[reader.at..].trim_start_matches(' ');
            // `a=1, b=2` leaves its comma on the first value.
            let glued = memchr::memchr2(b',', b';', bytes.get(length + 1..reader.at).unwrap_or(b""))
                .filter(|_| matches!(value, Cow::Borrowed(_)) && bytes.get(length + 1) != Some(&b'"'))
                .map(|at| &bytes[length + 2 + at..]);
            let after = glued.or_else(|| rest.strip_prefix([',', ';']).map(str::as_bytes));
            let listed = after.is_some_and(|after| key_length(skip_spaces(after), b'=').is_some());
            return Some(Style { assign: b'=', listed });
        }
        key_length(bytes, b':').map(|_| Style {
            assign: b':',
            listed: true,
        })
    }
}

fn skip_spaces(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|&&b| b == b' ').count();
    &bytes[blanks..]
}

/// Reads the pairs of `text` into `pairs`, at most `pairs_max`; `false` when there are more.
pub fn read<'t>(text: &'t str, style: Style, pairs_max: usize, pairs: &mut Vec<Pair<'t>>) -> bool {
    let mut reader = Reader::new(text, style);
    while let Some(pair) = reader.next() {
        if pairs.len() == pairs_max {
            return false;
        }
        pairs.push(pair);
    }
    true
}

struct Reader<'t> {
    text: &'t str,
    style: Style,
    at: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, style: Style) -> Self {
        Reader { text, style, at: 0 }
    }

    fn is_gap(&self, byte: u8) -> bool {
        matches!(byte, b' ' | b'\t' | b'\n' | b'\r') || self.style.listed && matches!(byte, b',' | b';')
    }

    fn next(&mut self) -> Option<Pair<'t>> {
        let bytes = self.text.as_bytes();
        loop {
            while self.at < bytes.len() && self.is_gap(bytes[self.at]) {
                self.at += 1;
            }
            let start = self.at;
            let assign = self.style.assign;
            let end = bytes[start..]
                .iter()
                .position(|&b| b == assign || self.is_gap(b))
                .map_or(bytes.len(), |length| start + length);
            if start == bytes.len() {
                return None;
            }
            self.at = end;
            let key = &self.text[start..end];
            if bytes.get(end) != Some(&assign) {
                return Some(Pair::new(key, Said::Bare));
            }
            let value = self.value(end + 1);
            // A value without a key says nothing.
            if !key.is_empty() {
                return Some(Pair::new(key, Said::Text(value)));
            }
        }
    }

    /// The value at `start`; the cursor moves behind it.
    fn value(&mut self, start: usize) -> Cow<'t, str> {
        let bytes = self.text.as_bytes();
        let mut start = start;
        if self.style.assign == b':' {
            while bytes.get(start) == Some(&b' ') {
                start += 1;
            }
        }
        if bytes.get(start) == Some(&b'"') {
            return self.quoted(start + 1);
        }
        let end = if self.style.listed {
            self.listed_end(start)
        } else {
            memchr::memchr3(b' ', b'\t', b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at)
        };
        self.at = end;
        Cow::Borrowed(self.text[start..end].trim_ascii_end())
    }

    /// Where a value ends that may hold spaces: before a separator that a key follows.
    fn listed_end(&self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        memchr::memchr2_iter(b',', b';', &bytes[start..])
            .map(|at| start + at)
            .find(|&at| key_length(skip_spaces(&bytes[at + 1..]), self.style.assign).is_some())
            .unwrap_or(bytes.len())
    }

    fn quoted(&mut self, start: usize) -> Cow<'t, str> {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        let mut at = start;
        let end = loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) else {
                self.at = bytes.len();
                break bytes.len();
            };
            at += found;
            if bytes[at] == b'"' {
                self.at = at + 1;
                break at;
            }
            escaped = true;
            at = (at + 2).min(bytes.len());
        };
        // A backslash before the end may have jumped into a character; the end itself is sound.
        let inside = &self.text[start..end];
        if escaped {
            Cow::Owned(unescape(inside))
        } else {
            Cow::Borrowed(inside)
        }
    }
}

/// Undoes `\"`, `\\`, `\/`, `\n`, `\t` and `\r`; any other backslash stays.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let known = match rest.as_bytes().get(at + 1) {
            Some(b'n') => Some('\n'),
            Some(b't') => Some('\t'),
            Some(b'r') => Some('\r'),
            Some(&same @ (b'"' | b'\\' | b'/')) => Some(char::from(same)),
            _ => None,
        };
        out.push(known.unwrap_or('\\'));
        rest = &rest[at + 1 + usize::from(known.is_some())..];
    }
    out.push_str(rest);
    out
}
