//! Attacks in the text of a request: SQL injection, scripting, traversal, commands, scanners.
//!
//! [`request`] takes a request apart (path, query, form, JSON, XML, multipart, cookies, headers),
//! undoes the encodings attackers use ([`haetae_event::decode`], Base64 where it is plain) and
//! judges each piece by itself. The result is a score from 0 to 1 for each [`Class`] with the
//! reason; from [`FLAGGED`] on a piece is called an attack.
//!
//! SQL injection is judged by a fitted model over tokens ([`sqli`]), all else by weighed
//! evidence. Not here: reputation, rates, what the response was. All functions are pure; time is
//! linear in the input, of which at most [`TEXT_BYTES_MAX`] bytes a piece are read.

mod base64;
mod body;
mod evidence;
pub mod features;
pub mod lex;
mod lfi;
mod parts;
mod path_words;
mod rce;
mod scanner;
pub mod sqli;
pub mod token;
mod verdict;
mod words;
mod xss;

pub use parts::{Parts, pieces};
pub use verdict::{CLASSES, Class, FLAGGED, Place, Verdict, Verdicts};

use haetae_event::decode;
use std::borrow::Cow;

/// Longer pieces are read up to here.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Judges a whole request; the worst of its pieces decides for each class.
pub fn request(request: &Parts) -> Verdicts {
    let mut verdicts = Verdicts::default();
    parts::pieces(request, |place, text| piece(place, text, &mut verdicts, &mut sql));
    verdicts
}

/// Judges a request target as access logs have it: path and query.
pub fn uri(target: &str) -> Verdicts {
    let mut verdicts = Verdicts::default();
    parts::target(target, &mut |place, text| {
        piece(place, text, &mut verdicts, &mut sql)
    });
    verdicts
}

/// Judges one value as it came, still encoded.
pub fn value(raw: &str) -> Verdicts {
    let mut verdicts = Verdicts::default();
    piece(Place::Value, raw, &mut verdicts, &mut sql);
    verdicts
}

/// The decoded texts of a request that [`sqli`] judges; for fitting it.
pub fn sql_texts(request: &Parts) -> Vec<String> {
    let mut texts = Vec::new();
    let mut unused = Verdicts::default();
    parts::pieces(request, |place, text| {
        piece(place, text, &mut unused, &mut |text: &str, _: &mut Verdicts| {
            texts.push(text.to_owned())
        });
    });
    texts
}

/// Judges one raw piece of a request; `sql` gets the texts that may hold SQL.
fn piece(place: Place, raw: &str, verdicts: &mut Verdicts, sql: &mut impl FnMut(&str, &mut Verdicts)) {
    let raw = clipped(raw);
    if is_plain(raw.as_bytes()) {
        return plain(place, raw, verdicts, sql);
    }
    let decoded = decode::attack_text(raw);
    judge(place, &decoded, verdicts, sql);
    if let Some(folded) = folded(&decoded) {
        judge(place, &folded, verdicts, sql);
    }
    if let Some(inner) = base64::text(raw) {
        judge(place, &inner, verdicts, sql);
    }
}

fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// Letters, digits and what paths and names are written with, nothing else.
fn is_plain(bytes: &[u8]) -> bool {
    const PLAIN: [bool; 256] = {
        let mut table = [false; 256];
        let mut b = 0;
        while b < 128 {
            let byte = b as u8;
            table[b] =
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'~' | b',');
            b += 1;
        }
        table
    };
    // Without a way out in the middle this is one load a byte.
    bytes.iter().fold(true, |plain, b| plain & PLAIN[usize::from(*b)])
}

/// The short way for text without any sign that syntax needs.
fn plain(place: Place, text: &str, verdicts: &mut Verdicts, sql: &mut impl FnMut(&str, &mut Verdicts)) {
    match place {
        Place::Path if lfi::is_ordinary(text.as_bytes()) => return,
        Place::Agent => scanner::judge(text, verdicts),
        Place::HeaderName => return scanner::judge_header(text, verdicts),
        _ => {}
    }
    if text.bytes().any(|b| matches!(b, b'.' | b'/' | b'_')) {
        lfi::judge(place, text, verdicts);
    }
    if place == Place::Path {
        return;
    }
    if has_member(text.as_bytes()) {
        xss::judge(place, text, verdicts);
        rce::judge(place, text, verdicts);
    }
    if is_doubtful(text)
        || text
            .split('.')
            .any(|word| words::class(word.as_bytes()).is_some())
    {
        sql(text, verdicts);
    }
    if let Some(inner) = base64::text(text) {
        judge(place, &inner, verdicts, sql);
    }
}

/// Plain text that holds a comment or a run of signs all the same.
fn is_doubtful(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == bytes.len() {
        // Bounds of machine integers are that long.
        return digits >= 10;
    }
    bytes
        .windows(2)
        .any(|pair| matches!(pair, b"--" | b".." | b",," | b"~~" | b"0x"))
        || (bytes.contains(&b'_') || !bytes[0].is_ascii_alphabetic()) && bytes.len() <= words::WORD_BYTES_MAX
}

fn judge(place: Place, text: &str, verdicts: &mut Verdicts, sql: &mut impl FnMut(&str, &mut Verdicts)) {
    let signs = signs(text.as_bytes());
    if signs & (DOT | SYNTAX) != 0 {
        lfi::judge(place, text, verdicts);
    }
    if signs & SYNTAX != 0 || signs & DOT != 0 && has_member(text.as_bytes()) {
        xss::judge(place, text, verdicts);
        rce::judge(place, text, verdicts);
    }
    if place == Place::Agent {
        scanner::judge(text, verdicts);
    }
    let text = if place == Place::Path {
        suspicious_tail(text)
    } else {
        text
    };
    if !text.is_empty() {
        sql(text, verdicts);
    }
}

/// `a.b`, `a_b` or `/b`, as names of members, functions and programs are.
fn has_member(bytes: &[u8]) -> bool {
    let joins = |b: u8| matches!(b, b'.' | b'_' | b'/');
    bytes
        .windows(2)
        .any(|pair| joins(pair[0]) && pair[1].is_ascii_alphabetic())
}

const DOT: u8 = 1;
const SYNTAX: u8 = 2;

/// Which sorts of signs a decoded text has: dots, and those that markup, shells and paths need.
fn signs(bytes: &[u8]) -> u8 {
    const SORTS: [u8; 256] = {
        let mut table = [0; 256];
        let mut b = 0;
        while b < 128 {
            table[b] = match b as u8 {
                b'.' | b'_' | 0 => DOT,
                b'<' | b'>' | b'(' | b'{' | b'$' | b';' | b'|' | b'&' | b'`' | b'=' | b':' | b'/' | b'\\'
                | b'"' | b'\'' | b'\n' => SYNTAX,
                _ => 0,
            };
            b += 1;
        }
        table
    };
    bytes.iter().fold(0, |sorts, b| sorts | SORTS[usize::from(*b)])
}

fn sql(text: &str, verdicts: &mut Verdicts) {
    let (margin, feature) = sqli::Model::fitted().margin(text);
    let score = sqli::probability(margin);
    verdicts.raise(Class::Sqli, score, || {
        feature.map_or(Cow::Borrowed("tokens"), |feature| Cow::Owned(feature.name()))
    });
}

/// A path from its first segment on that has other signs than names have.
fn suspicious_tail(path: &str) -> &str {
    let bytes = path.as_bytes();
    let odd = |b: u8| b.is_ascii() && !(b.is_ascii_alphanumeric() || b"-_./~,+%:@!".contains(&b));
    let Some(at) = bytes.iter().position(|b| odd(*b)) else {
        return "";
    };
    let start = bytes[..at]
        .iter()
        .rposition(|b| *b == b'/')
        .map_or(0, |slash| slash + 1);
    path.get(start..).unwrap_or("")
}

/// With the full-width forms of ASCII and the look-alikes of slashes and dots as ASCII, where
/// signs of syntax are among them.
fn folded(text: &str) -> Option<String> {
    let is_sign = |c: char| matches!(c, 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '＇' | '＂' | '＜' | '．' | '／' | '＝' | '；' | '＼' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{2024}');
    if text.is_ascii() || !text.chars().any(is_sign) {
        return None;
    }
    let fold = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '\u{2044}' | '\u{2215}' => '/',
        '\u{2216}' => '\\',
        '\u{2024}' => '.',
        other => other,
    };
    Some(text.chars().map(fold).collect())
}
