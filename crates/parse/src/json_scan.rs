//! A JSON reader that finds spans instead of building trees; no recursion, bounded depth.
//!
//! Grammar: RFC 8259. Strings are checked for control characters and escapes, numbers for their
//! shape; the text must be UTF-8 already.

use std::ops::Range;

/// What kind of value a span holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The span is the inside of the quotes; `escaped` when it holds a backslash.
    Str {
        escaped: bool,
    },
    Number,
    True,
    False,
    Null,
    Object,
    Array,
}

/// A value's place in the text. For strings without the quotes.
#[derive(Clone, Debug)]
pub struct Value {
    pub kind: Kind,
    pub span: Range<usize>,
}

impl Value {
    /// The span with the quotes, as it stands in the text.
    pub fn whole(&self) -> Range<usize> {
        match self.kind {
            Kind::Str { .. } => self.span.start - 1..self.span.end + 1,
            _ => self.span.clone(),
        }
    }
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Member {
    pub key: Value,
    pub value: Value,
}

/// Why the text is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON at this byte.
    Syntax(usize),
    /// Deeper, or with more keys, than allowed.
    TooComplex,
}

/// A cursor over JSON text.
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth_max: usize,
    fields_left: usize,
}

impl<'a> Scanner<'a> {
    /// Reads `text` from byte `at`. `depth_max` above 64 counts as 64.
    pub fn new(text: &'a str, at: usize, depth_max: usize, fields_max: usize) -> Self {
        Scanner {
            bytes: text.as_bytes(),
            at,
            depth_max: depth_max.min(64),
            fields_left: fields_max,
        }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Fault> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            Ok(())
        } else {
            Err(Fault::Syntax(self.at))
        }
    }

    /// Reads the object at the cursor into `members`, in order, duplicates kept.
    ///
    /// # Errors
    /// When the text is not an object, or not JSON, or too complex.
    pub fn object(&mut self, members: &mut Vec<Member>) -> Result<(), Fault> {
        members.clear();
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(Fault::Syntax(self.at));
            }
            let key = self.string()?;
            self.count_field()?;
            self.expect(b':')?;
            let value = self.value()?;
            members.push(Member { key, value });
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Fault::Syntax(self.at)),
            }
        }
    }

    /// Reads the array at the cursor into `items`.
    ///
    /// # Errors
    /// As [`Scanner::object`].
    pub fn array(&mut self, items: &mut Vec<Value>) -> Result<(), Fault> {
        items.clear();
        self.expect(b'[')?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            items.push(self.value()?);
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Fault::Syntax(self.at)),
            }
        }
    }

    fn count_field(&mut self) -> Result<(), Fault> {
        self.fields_left = self.fields_left.checked_sub(1).ok_or(Fault::TooComplex)?;
        Ok(())
    }

    fn value(&mut self) -> Result<Value, Fault> {
        match self.peek() {
            Some(b'{') => self.nested(Kind::Object),
            Some(b'[') => self.nested(Kind::Array),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        let kind = match self.bytes.get(start) {
            Some(b'"') => return self.string(),
            Some(b't') => self.word(b"true", Kind::True)?,
            Some(b'f') => self.word(b"false", Kind::False)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => self.number()?,
        };
        Ok(Value {
            kind,
            span: start..self.at,
        })
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Fault> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Fault::Syntax(self.at));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn digits(&mut self) -> Result<usize, Fault> {
        let count = self.bytes[self.at..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        self.at += count;
        if count == 0 {
            Err(Fault::Syntax(self.at))
        } else {
            Ok(count)
        }
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        if self.digits()? > 1 && leading_zero {
            return Err(Fault::Syntax(self.at));
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    fn string(&mut self) -> Result<Value, Fault> {
        let start = self.at + 1;
        let mut escaped = false;
        let mut at = start;
        loop {
            at = special(self.bytes, at).ok_or(Fault::Syntax(self.bytes.len()))?;
            match self.bytes[at] {
                b'"' => break,
                b'\\' => {}
                _ => return Err(Fault::Syntax(at)),
            }
            escaped = true;
            at += match self.bytes.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u')
                    if self
                        .bytes
                        .get(at + 2..at + 6)
                        .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
                {
                    6
                }
                _ => return Err(Fault::Syntax(at)),
            };
        }
        self.at = at + 1;
        Ok(Value {
            kind: Kind::Str { escaped },
            span: start..at,
        })
    }

    /// Skips an object or array, checking it.
    fn nested(&mut self, kind: Kind) -> Result<Value, Fault> {
        let start = self.at;
        // One bit per level, 1 for an object; the record itself is the first level.
        let (mut stack, mut depth) = (0u64, 1usize);
        loop {
            // A value is due.
            let opening = self.peek();
            if matches!(opening, Some(b'{' | b'[')) {
                self.at += 1;
                depth += 1;
                if depth > self.depth_max {
                    return Err(Fault::TooComplex);
                }
                let object = opening == Some(b'{');
                stack = stack << 1 | u64::from(object);
                let close = if object { b'}' } else { b']' };
                if self.peek() != Some(close) {
                    if object {
                        self.key()?;
                    }
                    continue;
                }
            } else {
                self.scalar()?;
            }
            // After a value, or before the close of an empty level.
            loop {
                let object = stack & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ => return Err(Fault::Syntax(self.at)),
                }
                self.at += 1;
                stack >>= 1;
                depth -= 1;
                if depth == 1 {
                    return Ok(Value {
                        kind,
                        span: start..self.at,
                    });
                }
            }
        }
    }

    fn key(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(Fault::Syntax(self.at));
        }
        self.string()?;
        self.count_field()?;
        self.expect(b':')
    }
}

/// The first quote, backslash or control character at or after `from`, eight bytes at a time.
#[inline]
fn special(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // The lowest mark is right; borrows only make false ones above it.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let slash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let marks = quote | slash | below(word, 0x20);
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    let found = rest.iter().position(|&b| matches!(b, b'"' | b'\\') || b < 0x20)?;
    Some(at + found)
}

/// A top-level object in a byte stream; `end` is `None` when the stream ends inside it.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub start: usize,
    pub end: Option<usize>,
}

/// The first `{…}` at or after `from`, by counting braces outside strings; not validated.
pub fn next_object(bytes: &[u8], from: usize) -> Option<Found> {
    let start = from + memchr::memchr(b'{', bytes.get(from..)?)?;
    let (mut at, mut depth) = (start, 0u64);
    while at < bytes.len() {
        match bytes[at] {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(Found {
                        start,
                        end: Some(at + 1),
                    });
                }
            }
            b'"' => {
                at += 1;
                loop {
                    let Some(found) = bytes
                        .get(at..)
                        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
                    else {
                        return Some(Found { start, end: None });
                    };
                    at += found;
                    if bytes[at] == b'"' {
                        break;
                    }
                    at += 2;
                }
            }
            _ => {}
        }
        at += 1;
    }
    Some(Found { start, end: None })
}

/// Follows the braces of one object over any number of pieces.
#[derive(Clone, Debug, Default)]
pub struct Braces {
    depth: u64,
    string: bool,
    escape: bool,
}

impl Braces {
    /// Where the object that began with the first piece ends in this piece, behind its brace.
    pub fn end(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, &byte) in piece.iter().enumerate() {
            if self.escape {
                self.escape = false;
                continue;
            }
            match byte {
                b'\\' if self.string => self.escape = true,
                b'"' => self.string = !self.string,
                b'{' if !self.string => self.depth += 1,
                b'}' if !self.string => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// What stands at a brace of a stream whose records may be wrapped: `{"Records":[…]}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapper {
    /// A wrapper; its first element is looked for from this byte on.
    Opens(usize),
    /// The text ends before it can be told.
    Cut,
    No,
}

/// Whether the object at `start` begins with the member `key` and an array in it.
pub fn wrapper(bytes: &[u8], start: usize, key: &str) -> Wrapper {
    let mut at = start;
    let quote: &[u8] = b"\"";
    for (token, blanks) in [
        (&b"{"[..], true),
        (quote, true),
        (key.as_bytes(), false),
        (quote, false),
        (b":", true),
        (b"[", true),
    ] {
        while blanks && bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        if !rest.starts_with(token) {
            return if token.starts_with(rest) {
                Wrapper::Cut
            } else {
                Wrapper::No
            };
        }
        at += token.len();
    }
    Wrapper::Opens(at)
}

/// The text of a string value with its escapes undone; lone surrogates become U+FFFD.
pub fn unescape(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let code = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut used = 2;
        match code {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (character, length) = unicode(&rest[at..]);
                out.push(character);
                used = length;
            }
            other => out.push(other as char),
        }
        rest = rest.get(at + used..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

/// The character of `\uXXXX` or of a surrogate pair at the start of `text`, and its length.
fn unicode(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?;
        u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let Some(first) = unit(0) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    if let Some(second) = unit(6)
        && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        && character as u32 > 0xffff
    {
        return (character, 12);
    }
    (
        char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER),
        6,
    )
}

#[cfg(test)]
mod tests;
