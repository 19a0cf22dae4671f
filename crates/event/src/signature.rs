//! The shape of a request's parameters, and how random they look.
//!
//! [`param_sig`] names each parameter with the class of its value, so that `page=3&q=서울` and
//! `q=부산&page=17` are the same shape and `page=1%27+OR+1=1` is another. Requests of one program
//! share few shapes; scanners and fuzzers make many.
//!
//! What is not here: judging. A class is a syntactic fact about a value.

mod code;

use crate::decode;
use code::is_code;
use std::borrow::Cow;
use std::fmt::Write;

/// Parameters told one by one; the rest is counted.
pub const PARAMETERS_MAX: usize = 32;
/// Longest part of a name that is kept, in bytes.
pub const NAME_BYTES_MAX: usize = 48;
/// Values are judged by their beginning, in bytes.
const VALUE_BYTES_MAX: usize = 1024;
/// As much of a JSON string as makes a judged beginning, were all of it `\uXXXX`.
const JSON_BYTES_MAX: usize = 6 * VALUE_BYTES_MAX;
/// Text looked at, in bytes: a longer payload is judged by its beginning.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// Class of one parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueClass {
    Empty,
    Bool,
    Int,
    Float,
    Uuid,
    Hex,
    Date,
    Ip,
    Email,
    Url,
    Path,
    Json,
    /// One word of a natural language, or letters beyond ASCII without a space.
    Word,
    /// Several words.
    Text,
    /// Letters and digits that make no word: keys, hashes, identifiers.
    Token,
    /// Characters that mean something to SQL, shells, markup or templates.
    Code,
    /// Bytes that are no text.
    Binary,
}

impl ValueClass {
    pub fn as_str(self) -> &'static str {
        match self {
            ValueClass::Empty => "empty",
            ValueClass::Bool => "bool",
            ValueClass::Int => "int",
            ValueClass::Float => "float",
            ValueClass::Uuid => "uuid",
            ValueClass::Hex => "hex",
            ValueClass::Date => "date",
            ValueClass::Ip => "ip",
            ValueClass::Email => "email",
            ValueClass::Url => "url",
            ValueClass::Path => "path",
            ValueClass::Json => "json",
            ValueClass::Word => "word",
            ValueClass::Text => "text",
            ValueClass::Token => "token",
            ValueClass::Code => "code",
            ValueClass::Binary => "binary",
        }
    }
}

/// The shape of a query string or of a form or JSON body: `name:class` pairs sorted by name and
/// joined by `&`; a name seen more than once has `[]` behind it and the classes of all its values.
/// A text without pairs has the class of the whole. `None` for nothing.
///
/// Names are lower case and cut to [`NAME_BYTES_MAX`]; names made of digits or random letters are
/// data, not names, and become `*int` or `*token`, so that attackers cannot make endless shapes.
pub fn param_sig(text: &str) -> Option<String> {
    let text = text.strip_prefix('?').unwrap_or(text);
    let text = beginning(text, PAYLOAD_BYTES_MAX);
    if text.is_empty() || text == "-" {
        return None;
    }
    let trimmed = text.trim();
    if trimmed.starts_with("[{") || (trimmed.starts_with('[') && trimmed.ends_with(']')) {
        return Some(ValueClass::Json.as_str().to_owned());
    }
    let mut pairs: Vec<(Cow<'_, str>, ValueClass)> = Vec::new();
    let mut more = 0usize;
    if trimmed.starts_with('{') {
        json_members(trimmed, &mut |name, value| {
            push(
                &mut pairs,
                &mut more,
                || match json_unescaped(name) {
                    Cow::Borrowed(name) => name_shape(name),
                    Cow::Owned(name) => Cow::Owned(name_shape(&name).into_owned()),
                },
                value,
            );
        });
    } else if text.contains('=') {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            push(
                &mut pairs,
                &mut more,
                || name_shape(name),
                class_of_encoded(value),
            );
        }
    }
    if pairs.is_empty() {
        return Some(class_of_encoded(text).as_str().to_owned());
    }
    pairs.sort();
    Some(rendered(&pairs, more))
}

fn push<'t>(
    pairs: &mut Vec<(Cow<'t, str>, ValueClass)>,
    more: &mut usize,
    name: impl FnOnce() -> Cow<'t, str>,
    class: ValueClass,
) {
    if pairs.len() == PARAMETERS_MAX {
        *more += 1;
    } else {
        pairs.push((name(), class));
    }
}

fn rendered(pairs: &[(Cow<'_, str>, ValueClass)], more: usize) -> String {
    let mut out = String::with_capacity(pairs.len() * 12);
    let mut at = 0;
    while at < pairs.len() {
        let name = &pairs[at].0;
        let same = pairs[at..].iter().take_while(|(other, _)| other == name).count();
        if at > 0 {
            out.push('&');
        }
        out.push_str(name);
        if same > 1 {
            out.push_str("[]");
        }
        let mut last = None;
        for (_, class) in &pairs[at..at + same] {
            if last != Some(class) {
                out.push(if last.is_none() { ':' } else { '|' });
                out.push_str(class.as_str());
            }
            last = Some(class);
        }
        at += same;
    }
    if more > 0 {
        // Only how many digits the number has: the exact one would make endless shapes.
        let _ = write!(out, "&+{}", "n".repeat(more.ilog10() as usize + 1));
    }
    out
}

/// The name in the signature.
fn name_shape(name: &str) -> Cow<'_, str> {
    let decoded = decode::percent(name, true);
    let name = decoded.trim();
    let named = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    match class_of(name) {
        // `_` is what scripts call the parameter that keeps answers out of caches.
        ValueClass::Code if named => Cow::Owned(beginning(name, NAME_BYTES_MAX).to_lowercase()),
        ValueClass::Empty => Cow::Borrowed("*empty"),
        class @ (ValueClass::Int
        | ValueClass::Float
        | ValueClass::Uuid
        | ValueClass::Code
        | ValueClass::Binary) => Cow::Owned(format!("*{}", class.as_str())),
        ValueClass::Hex | ValueClass::Token if name.len() >= 16 && digits(name) >= 4 => {
            Cow::Borrowed("*token")
        }
        _ => Cow::Owned(
            beginning(name, NAME_BYTES_MAX)
                .to_lowercase()
                .replace(['&', ':', '|'], "_"),
        ),
    }
}

/// Top-level members of a JSON object, as far as it can be read without a parser: names and the
/// class of scalar values, `json` for nested ones.
fn json_members<'t>(text: &'t str, each: &mut dyn FnMut(&'t str, ValueClass)) {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0usize, 0usize);
    let mut name: Option<&str> = None;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at + 1);
                let inside = &text[at + 1..end.min(text.len())];
                if depth == 1 {
                    match name.take() {
                        None => name = Some(inside),
                        Some(name) => {
                            each(name, class_of(&json_unescaped(beginning(inside, JSON_BYTES_MAX))))
                        }
                    }
                }
                at = end;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth == 2
                    && let Some(name) = name.take()
                {
                    each(name, ValueClass::Json);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' | b'a'..=b'z' if depth == 1 && name.is_some() => {
                let end = bytes[at..]
                    .iter()
                    .position(|b| matches!(b, b',' | b'}' | b' ' | b'\n' | b'\r'))
                    .map_or(bytes.len(), |length| at + length);
                if let (Some(name), Some(value)) = (name.take(), text.get(at..end)) {
                    each(
                        name,
                        if value == "null" {
                            ValueClass::Empty
                        } else {
                            class_of(value)
                        },
                    );
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

/// The text of a JSON string: `\uXXXX` and the short escapes undone; what is broken stays.
fn json_unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, length) = json_escape(rest).unwrap_or(('\\', 1));
        out.push(c);
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The escape at the start of `text` and its length in bytes.
fn json_escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        let whole = digits.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    if let Some(high) = unit(0) {
        let units = [Some(high), unit(6)].into_iter().flatten();
        let c = char::decode_utf16(units).next()?.ok()?;
        return Some((c, 6 * c.len_utf16()));
    }
    let c = match text.as_bytes().get(1)? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        c @ (b'"' | b'\\' | b'/') => char::from(*c),
        _ => return None,
    };
    Some((c, 2))
}

/// Where the string that begins at `at` ends: its closing quote, else the end of the text.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Class of a value as it stands in a query: decoded as often as an attacker encodes.
pub fn class_of_encoded(value: &str) -> ValueClass {
    class_of(&decode::attack_text(beginning(value, VALUE_BYTES_MAX)))
}

/// Class of a decoded value.
pub fn class_of(value: &str) -> ValueClass {
    let value = beginning(value.trim(), VALUE_BYTES_MAX);
    if value.is_empty() {
        return ValueClass::Empty;
    }
    if value.contains(['\u{fffd}', '\0'])
        || value
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
    {
        return ValueClass::Binary;
    }
    if let Some(class) = numeric(value) {
        return class;
    }
    if matches!(
        value.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off"
    ) {
        return ValueClass::Bool;
    }
    structured(value).unwrap_or_else(|| {
        if is_code(value) {
            ValueClass::Code
        } else {
            language(value)
        }
    })
}

fn numeric(value: &str) -> Option<ValueClass> {
    let bytes = value.as_bytes();
    let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
    let digits = digits(unsigned);
    if digits > 0 && digits == unsigned.len() {
        return Some(ValueClass::Int);
    }
    let points = unsigned.bytes().filter(|&b| b == b'.').count();
    if digits > 0 && points == 1 && digits + 1 == unsigned.len() {
        return Some(ValueClass::Float);
    }
    let shape = |pattern: &[u8]| {
        bytes.len() >= pattern.len()
            && pattern
                .iter()
                .zip(bytes)
                .all(|(p, b)| if *p == b'0' { b.is_ascii_digit() } else { p == b })
    };
    let rest_is_time = |from: usize| {
        bytes[from..]
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b'T' | b' ' | b':' | b'.' | b'Z' | b'+' | b'-'))
    };
    for pattern in [&b"0000-00-00"[..], b"0000/00/00", b"0000.00.00"] {
        if shape(pattern) && rest_is_time(pattern.len()) {
            return Some(ValueClass::Date);
        }
    }
    let hex = bytes.iter().filter(|b| b.is_ascii_hexdigit()).count();
    let dashes = bytes.iter().filter(|&&b| b == b'-').count();
    if bytes.len() == 36 && hex == 32 && dashes == 4 {
        return Some(ValueClass::Uuid);
    }
    (hex == bytes.len() && hex >= 8 && digits > 0).then_some(ValueClass::Hex)
}

fn structured(value: &str) -> Option<ValueClass> {
    if value.len() <= 45
        && (value.contains('.') || value.contains(':'))
        && crate::net::parse_address(value).is_some()
    {
        return Some(ValueClass::Ip);
    }
    let opens = value.as_bytes()[0];
    let closes = value.as_bytes()[value.len() - 1];
    if matches!((opens, closes), (b'{', b'}') | (b'[', b']')) && (value.contains('"') || value.len() == 2) {
        return Some(ValueClass::Json);
    }
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b'%'))
    };
    if let Some((name, domain)) = value.split_once('@')
        && plain(name)
        && plain(domain)
        && domain.contains('.')
    {
        return Some(ValueClass::Email);
    }
    let address = |c: char| c.is_alphanumeric() || "/:.-_~?&=%#+,@!*[]".contains(c);
    if (value.starts_with("http://") || value.starts_with("https://")) && value.chars().all(address) {
        return Some(ValueClass::Url);
    }
    let path = |c: char| c.is_alphanumeric() || "/.-_~".contains(c);
    (value.contains('/') && value.chars().all(path) && !value.contains("..") && !value.contains("//"))
        .then_some(ValueClass::Path)
}

/// Word, text or token.
fn language(value: &str) -> ValueClass {
    let beyond_ascii = value.chars().any(|c| !c.is_ascii() && c.is_alphabetic());
    if beyond_ascii {
        return if value.contains(' ') {
            ValueClass::Text
        } else {
            ValueClass::Word
        };
    }
    let words: Vec<&str> = value
        .split([' ', ',', '.', '!', '?', ':', '(', ')', '"', '-', '_'])
        // Signs beyond ASCII, emoji before all, say nothing about the words around them.
        .map(|word| word.trim_matches(|c: char| !c.is_ascii()))
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        return if value.is_ascii() {
            ValueClass::Code
        } else {
            ValueClass::Text
        };
    }
    let good = words
        .iter()
        .filter(|word| is_word(word) || word.bytes().all(|b| b.is_ascii_digit()))
        .count();
    let some = words.iter().any(|word| is_word(word));
    match (good == words.len() && some, words.len()) {
        (true, 1) => ValueClass::Word,
        (true, _) if value.contains(' ') => ValueClass::Text,
        (true, _) => ValueClass::Word,
        // Prose has names and numbers in it.
        (false, n) if value.contains(' ') && n >= 3 && good * 3 >= n * 2 => ValueClass::Text,
        _ => ValueClass::Token,
    }
}

/// Whether letters make a word that could be spoken: one case pattern, vowels, no long runs of
/// consonants.
fn is_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes.len() > 24 || !bytes.iter().all(|b| b.is_ascii_alphabetic() || *b == b'\'') {
        return false;
    }
    let tail_lower = bytes[1..].iter().all(|b| !b.is_ascii_uppercase());
    let all_upper = bytes.iter().all(|b| !b.is_ascii_lowercase());
    if !(tail_lower || all_upper) {
        return camel(word);
    }
    let vowel = |b: &u8| matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let vowels = bytes.iter().filter(|b| vowel(b)).count();
    let longest = bytes.split(vowel).map(<[u8]>::len).max().unwrap_or(0);
    // Short ones are abbreviations (`css`, `kr`, `sms`).
    bytes.len() <= 4 || (vowels * 5 >= bytes.len() && longest <= 4)
}

/// `orderBy`, `createdAt`: words put together.
fn camel(word: &str) -> bool {
    let mut parts = 0;
    let mut start = 0;
    for (at, byte) in word.bytes().enumerate().skip(1) {
        if byte.is_ascii_uppercase() {
            if at - start < 2 || !is_word(&word[start..at].to_ascii_lowercase()) {
                return false;
            }
            parts += 1;
            start = at;
        }
    }
    parts <= 4 && word.len() - start >= 2 && is_word(&word[start..].to_ascii_lowercase())
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// The text up to `bytes`, not cutting a character.
fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Shannon entropy of the bytes in bits a byte, 0 to 8; `None` for nothing. Longer payloads are
/// judged by their first 64 KiB.
///
/// Source: C. E. Shannon, *A Mathematical Theory of Communication*, 1948.
pub fn payload_entropy(bytes: &[u8]) -> Option<f64> {
    let bytes = &bytes[..bytes.len().min(PAYLOAD_BYTES_MAX)];
    if bytes.is_empty() {
        return None;
    }
    let mut counts = [0u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    let sum: f64 = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) * f64::from(count).log2())
        .sum();
    Some((total.log2() - sum / total).max(0.0))
}

#[cfg(test)]
mod tests;
