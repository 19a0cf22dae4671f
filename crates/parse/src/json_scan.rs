//! A JSON reader that finds spans instead of building trees; no recursion, bounded depth.
//!
//! Grammar: RFC 8259. Strings are checked for control characters and escapes, numbers for their
//! shape; the text must be UTF-8 already.

pub use crate::json_braces::{Braces, next_object};
use crate::scalar::leading_digits;
use crate::separators::{self, Marks};
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
    /// Of an object or array: what [`Inside::close`] called its inside.
    pub inside: u32,
}

impl Value {
    /// What stands in an object or array is not known.
    pub const NOT_KEPT: u32 = u32::MAX;

    /// A value whose inside, if it has one, is not kept.
    pub fn new(kind: Kind, span: Range<usize>) -> Self {
        Value {
            kind,
            span,
            inside: Value::NOT_KEPT,
        }
    }

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
    /// Deeper, with more keys, or with a longer key than allowed.
    TooComplex,
}

/// Longest key, in bytes as written: no program names a field like this.
pub const NAME_BYTES_MAX: usize = 1024;

/// Is told what stands in nested objects and arrays while they are read.
pub trait Inside {
    /// An object or array begins at `start`; `key` is its own in the object around it.
    fn open(&mut self, kind: Kind, key: Option<Value>, start: usize);
    /// `key` is `None` in an array.
    fn scalar(&mut self, key: Option<Value>, value: Value);
    /// The object or array opened last ends before `end`; gives back what its
    /// [`Value::inside`] is to be.
    fn close(&mut self, end: usize) -> u32;
}

/// Keeps nothing.
impl Inside for () {
    fn open(&mut self, _: Kind, _: Option<Value>, _: usize) {}
    fn scalar(&mut self, _: Option<Value>, _: Value) {}
    fn close(&mut self, _: usize) -> u32 {
        Value::NOT_KEPT
    }
}

/// A cursor over JSON text.
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Of the whole text, where somebody has made them.
    marks: Option<&'a Marks>,
    depth_max: usize,
    fields_left: usize,
}

impl<'a> Scanner<'a> {
    /// Reads `text` from byte `at`. `depth_max` above 64 counts as 64.
    pub fn new(text: &'a str, at: usize, depth_max: usize, fields_max: usize) -> Self {
        Scanner {
            bytes: text.as_bytes(),
            at,
            marks: None,
            depth_max: depth_max.min(64),
            fields_left: fields_max,
        }
    }

    /// Lets the scanner use the marks of its text, or of one that its text is the beginning of.
    pub fn with_marks(mut self, marks: &'a Marks) -> Self {
        self.marks = Some(marks);
        self
    }

    pub fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte > b' ' => Some(byte),
            _ => self.peek_behind_blanks(),
        }
    }

    #[inline(never)]
    fn peek_behind_blanks(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    #[inline]
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
        self.object_with(members, &mut ())
    }

    /// As [`Scanner::object`]; `inside` is told what stands in its nested values.
    ///
    /// # Errors
    /// As [`Scanner::object`].
    pub fn object_with(&mut self, members: &mut Vec<Member>, inside: &mut impl Inside) -> Result<(), Fault> {
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
            self.count_field(&key)?;
            self.expect(b':')?;
            let value = match self.plain_string() {
                Some(string) => string,
                None => self.value(inside)?,
            };
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
            items.push(self.value(&mut ())?);
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

    fn count_field(&mut self, key: &Value) -> Result<(), Fault> {
        if key.span.len() > NAME_BYTES_MAX {
            return Err(Fault::TooComplex);
        }
        self.fields_left = self.fields_left.checked_sub(1).ok_or(Fault::TooComplex)?;
        Ok(())
    }

    #[inline]
    fn value(&mut self, inside: &mut impl Inside) -> Result<Value, Fault> {
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            _ => return self.scalar(),
        };
        let start = self.at;
        if self.depth_max > 1 && matches!(self.bytes.get(start..start + 2), Some(b"{}" | b"[]")) {
            self.at += 2;
            return Ok(Value::new(kind, start..self.at));
        }
        self.nested(kind, inside)
    }

    #[inline(always)]
    fn scalar(&mut self) -> Result<Value, Fault> {
        if self.bytes.get(self.at) == Some(&b'"') {
            return self.string();
        }
        self.bare()
    }

    /// A number, or one of the three words.
    fn bare(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        let kind = match self.bytes.get(start) {
            Some(b't') => self.word(b"true", Kind::True)?,
            Some(b'f') => self.word(b"false", Kind::False)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => match self.short_number() {
                Some(end) => {
                    self.at = end;
                    Kind::Number
                }
                None => self.number()?,
            },
        };
        Ok(Value::new(kind, start..self.at))
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Fault> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Fault::Syntax(self.at));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn digits(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let count = self.at - start;
        if count == 0 {
            Err(Fault::Syntax(self.at))
        } else {
            Ok(count)
        }
    }

    /// Where a number at the cursor ends that is good, not long, and followed by a separator.
    /// `None` says nothing.
    #[inline]
    fn short_number(&self) -> Option<usize> {
        let digits = |from: usize| {
            let eight = self.bytes.get(from..)?.first_chunk::<8>()?;
            Some(leading_digits(eight)).filter(|count| (1..8).contains(count))
        };
        let start = self.at + usize::from(self.bytes.get(self.at) == Some(&b'-'));
        let whole = digits(start)?;
        if whole > 1 && self.bytes[start] == b'0' {
            return None;
        }
        let mut end = start + whole;
        if self.bytes[end] == b'.' {
            end += 1 + digits(end + 1)?;
        }
        matches!(self.bytes[end], b',' | b'}' | b']').then_some(end)
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

    /// The first quote, backslash or control character at or after `from`, maybe behind the text.
    #[inline]
    fn special(&self, from: usize) -> Option<usize> {
        match self.marks {
            Some(marks) => marks.next(from),
            None => separators::special(self.bytes, from),
        }
    }

    /// The string at the cursor if there is one, good and without escapes. `None` says nothing.
    #[inline(always)]
    fn plain_string(&mut self) -> Option<Value> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = self.special(start)?;
        if self.bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        Some(Value::new(Kind::Str { escaped: false }, start..end))
    }

    #[inline(always)]
    fn string(&mut self) -> Result<Value, Fault> {
        match self.plain_string() {
            Some(string) => Ok(string),
            None => self.string_with_escapes(self.at + 1),
        }
    }

    #[inline(never)]
    fn string_with_escapes(&mut self, start: usize) -> Result<Value, Fault> {
        let mut escaped = false;
        let mut at = start;
        loop {
            at = self
                .special(at)
                .filter(|&at| at < self.bytes.len())
                .ok_or(Fault::Syntax(self.bytes.len()))?;
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
        Ok(Value::new(Kind::Str { escaped }, start..at))
    }

    /// Reads an object or array, checking it.
    fn nested(&mut self, kind: Kind, inside: &mut impl Inside) -> Result<Value, Fault> {
        let start = self.at;
        // One bit per level, 1 for an object; the record itself is the first level.
        let (mut stack, mut depth) = (0u64, 1usize);
        loop {
            // A value is due, in an object behind its key.
            let key = match stack & 1 {
                1 => Some(self.key()?),
                _ => None,
            };
            let opening = self.peek();
            if matches!(opening, Some(b'{' | b'[')) {
                depth += 1;
                if depth > self.depth_max {
                    return Err(Fault::TooComplex);
                }
                let object = opening == Some(b'{');
                let opened = if object { Kind::Object } else { Kind::Array };
                inside.open(opened, key, self.at);
                self.at += 1;
                stack = stack << 1 | u64::from(object);
                let close = if object { b'}' } else { b']' };
                if self.peek() != Some(close) {
                    continue;
                }
            } else {
                let value = self.scalar()?;
                inside.scalar(key, value);
            }
            // After a value, or before the close of an empty level.
            loop {
                let object = stack & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        break;
                    }
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ => return Err(Fault::Syntax(self.at)),
                }
                self.at += 1;
                stack >>= 1;
                depth -= 1;
                let inside = inside.close(self.at);
                if depth == 1 {
                    let span = start..self.at;
                    return Ok(Value { kind, span, inside });
                }
            }
        }
    }

    #[inline(always)]
    fn key(&mut self) -> Result<Value, Fault> {
        if self.peek() != Some(b'"') {
            return Err(Fault::Syntax(self.at));
        }
        let key = self.string()?;
        self.count_field(&key)?;
        self.expect(b':')?;
        Ok(key)
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
    while let Some(at) = backslash(rest.as_bytes()) {
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

/// The first backslash.
fn backslash(bytes: &[u8]) -> Option<usize> {
    let mut at = separators::special(bytes, 0)?;
    while bytes[at] != b'\\' {
        at = separators::special(bytes, at + 1)?;
    }
    Some(at)
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
