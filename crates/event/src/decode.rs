//! What attackers do to text, undone.
//!
//! [`attack_text`] gives the text a back end may end up with: percent-escapes (also nested, also
//! `%uXXXX` and overlong UTF-8), `+` for a space and HTML entities are resolved, bounded to
//! [`ROUNDS_MAX`] rounds. The result is for matching, never for serving: bytes that are not
//! UTF-8 after decoding are read as CP949, which old Korean sites send, else become U+FFFD; either
//! way their second bytes, which may look like ASCII letters or `\`, make no quote from nowhere.

use std::borrow::Cow;

/// Nested encodings are followed this far; real back ends decode once or twice.
pub const ROUNDS_MAX: usize = 3;

/// Longer texts are decoded up to here; the rest is kept as it is.
pub const DECODED_BYTES_MAX: usize = 64 * 1024;

/// Whether decoding could change the text; one pass over the bytes.
pub fn may_be_encoded(text: &str) -> bool {
    text.bytes().any(|b| matches!(b, b'%' | b'+' | b'&'))
}

/// The text with every known encoding undone. Borrowed when there is nothing to undo.
pub fn attack_text(text: &str) -> Cow<'_, str> {
    if !may_be_encoded(text) {
        return Cow::Borrowed(text);
    }
    let mut cut = text.len().min(DECODED_BYTES_MAX);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let (head, tail) = text.split_at(cut);
    let mut current = head.to_owned();
    for round in 0..ROUNDS_MAX {
        // `+` means a space only in the form encoding itself, which is the outermost layer.
        let next = match percent(&current, round == 0) {
            Cow::Borrowed(same) => entities(same).into_owned(),
            Cow::Owned(next) => match entities(&next) {
                Cow::Borrowed(_) => next,
                Cow::Owned(next) => next,
            },
        };
        let done = next == current || !next.bytes().any(|b| matches!(b, b'%' | b'&'));
        current = next;
        if done {
            break;
        }
    }
    current.push_str(tail);
    Cow::Owned(current)
}

/// Undoes one layer of percent-encoding, `%uXXXX` included; broken escapes stay as written.
pub fn percent(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|&b| b == b'%' || (plus_is_space && b == b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' if plus_is_space => {
                out.push(b' ');
                at += 1;
            }
            b'%' => at += escape(&bytes[at..], &mut out),
            other => {
                out.push(other);
                at += 1;
            }
        }
    }
    // `C0 A7` is an overlong quote and also 위 in EUC-KR: folded only where the rest is UTF-8.
    Cow::Owned(match overlong(&out).map(String::from_utf8) {
        Some(Ok(folded)) => folded,
        // Letters beyond ASCII beside the escapes are UTF-8: read as CP949 they would be others.
        _ if !text.is_ascii() => lossy(out),
        _ => String::from_utf8(out).unwrap_or_else(|error| korean(error.as_bytes())),
    })
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Bytes that are not UTF-8: CP949 (EUC-KR with its extension) where every pair is one, as old
/// Korean sites send it, else U+FFFD for what is broken. Second bytes of a pair never become
/// ASCII letters of their own, and ASCII after a broken first byte stays ASCII, so that neither
/// reading makes a quote from nothing or hides one.
fn korean(bytes: &[u8]) -> String {
    encoding_rs::EUC_KR
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), Cow::into_owned)
}

/// Decodes the escape at the start of `bytes` into `out`; returns how many bytes it took.
fn escape(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    if let Some((c, length)) = utf16_escape(bytes) {
        out.extend_from_slice(full_width(c).encode_utf8(&mut [0; 4]).as_bytes());
        return length;
    }
    match hex_number(&bytes[1..], 2) {
        Some(code) => {
            out.push(u8::try_from(code).expect("two hex digits fit a byte"));
            3
        }
        None => {
            out.push(b'%');
            1
        }
    }
}

/// `%uXXXX`, or two of them that are a surrogate pair, and how many bytes that is.
fn utf16_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| match bytes.get(at..)? {
        [b'%', b'u' | b'U', rest @ ..] => hex_number(rest, 4),
        _ => None,
    };
    let high = unit(0)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, 6));
    }
    let low = unit(6).filter(|low| (0xDC00..=0xDFFF).contains(low))?;
    let code = 0x10000 + (high.checked_sub(0xD800).filter(|&high| high < 0x400)? << 10) + (low - 0xDC00);
    Some((char::from_u32(code)?, 12))
}

/// Full-width forms of ASCII (U+FF01..U+FF5E), which some back ends fold to ASCII.
fn full_width(c: char) -> char {
    match u32::from(c) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

fn hex_number(bytes: &[u8], digits: usize) -> Option<u32> {
    let digits = bytes.get(..digits)?;
    digits
        .iter()
        .try_fold(0u32, |value, &b| Some(value * 16 + char::from(b).to_digit(16)?))
}

/// Folds overlong sequences of ASCII (`C0 AF`, `E0 80 AF`, `F0 80 80 AF`) to that ASCII; `None`
/// where there is none.
fn overlong(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.iter().any(|&b| matches!(b, 0xC0 | 0xC1 | 0xE0 | 0xF0)) {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [lead @ (0xC0 | 0xC1), tail @ 0x80..=0xBF, ..] => {
                out.push(((lead & 1) << 6) | (tail & 0x3F));
                at += 2;
            }
            [0xE0, middle @ (0x80 | 0x81), tail @ 0x80..=0xBF, ..] => {
                out.push(((middle & 1) << 6) | (tail & 0x3F));
                at += 3;
            }
            [0xF0, 0x80, middle @ (0x80 | 0x81), tail @ 0x80..=0xBF, ..] => {
                out.push(((middle & 1) << 6) | (tail & 0x3F));
                at += 4;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    Some(out)
}

/// Named entities that matter to markup and SQL; all others stay.
const NAMED: [(&str, char); 12] = [
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("amp", '&'),
    ("colon", ':'),
    ("lpar", '('),
    ("rpar", ')'),
    ("tab", '\t'),
    ("newline", '\n'),
    ("sol", '/'),
    ("bsol", '\\'),
];

/// Undoes one layer of HTML entities: `&lt;`, `&#60;`, `&#x3c;`.
///
/// Names need their semicolon, since `&lt=5` is an ordinary query parameter. Numbers do not: no
/// parameter begins with `#`, and browsers read them without.
pub fn entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') || !(text.contains(';') || text.contains("&#")) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match entity(rest) {
            Some((c, length)) => {
                out.push(c);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The entity at the start of `text` and its length in bytes.
fn entity(text: &str) -> Option<(char, usize)> {
    const LENGTH_MAX: usize = 12;
    if let Some(number) = text.strip_prefix("&#") {
        return numeric_entity(number.as_bytes()).map(|(c, length)| (c, length + 2));
    }
    let end = text.bytes().take(LENGTH_MAX).position(|b| b == b';')?;
    let name = &text[1..end];
    let (_, c) = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((*c, end + 1))
}

/// What follows `&#`: digits or `x` and hex digits, with any number of zeros before them, and a
/// semicolon that may be missing.
fn numeric_entity(bytes: &[u8]) -> Option<(char, usize)> {
    let (start, radix) = match bytes.first()? {
        b'x' | b'X' => (1, 16),
        _ => (0, 10),
    };
    let mut code = 0u32;
    let mut at = start;
    while let Some(digit) = bytes.get(at).and_then(|&b| char::from(b).to_digit(radix)) {
        // Stays too large once it is.
        code = code.saturating_mul(radix).saturating_add(digit);
        at += 1;
    }
    if at == start {
        return None;
    }
    let c = char::from_u32(code)?;
    Some((c, at + usize::from(bytes.get(at) == Some(&b';'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_encodings_are_undone() {
        for (written, meant) in [
            ("a=1", "a=1"),
            ("q=%27+OR+1%3D1", "q=' OR 1=1"),
            ("%2527", "'"),
            ("%252527", "'"),
            ("%25252527", "%27"),
            ("%u0027%u003Cscript", "'<script"),
            ("%uFF07", "'"),
            ("..%c0%af..%c0%ae", "../..."),
            ("%e0%80%af", "/"),
            ("&lt;script&#62;&#x27;", "<script>'"),
            ("&#60b>&#x3e&#x", "<b>>&#x"),
            ("&#0000000000039;&#x+27;", "'&#x 27;"),
            ("%uD83D%uDE00%uD83D%u0041", "😀%uD83DA"),
            ("%f0%80%80%af", "/"),
            ("a&lt=5&gt=6", "a&lt=5&gt=6"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%u12", "%u12"),
        ] {
            assert_eq!(attack_text(written), meant, "{written}");
        }
    }

    #[test]
    fn korean_stays_korean() {
        assert_eq!(attack_text("%EC%84%9C%EC%9A%B8+%EC%8B%9C%EC%B2%AD"), "서울 시청");
        // CP949, also beyond EUC-KR, where second bytes may be ASCII letters.
        assert_eq!(attack_text("%C0%A7+%BE%C6%B7%A1"), "위 아래");
        assert_eq!(attack_text("%94%EE%B6%F3%C0%CC"), "뷁라이");
        assert_eq!(attack_text("q=%8CcB"), "q=똠B");
        // What is UTF-8 already is not read again as something else.
        assert_eq!(attack_text("서울%BC%AD"), "서울\u{fffd}\u{fffd}");
        assert_eq!(attack_text("%EC%84%9C%25BC%25AD"), "서\u{fffd}\u{fffd}");
        // A broken first byte does not swallow the quote behind it.
        assert!(attack_text("%C0%27+OR+%FF").contains('\''));
    }

    #[test]
    fn long_input_is_bounded_and_whole() {
        let text = "%41".repeat(DECODED_BYTES_MAX);
        let decoded = attack_text(&text);
        assert!(decoded.starts_with("AAAA") && decoded.ends_with("%41"));
    }
}
