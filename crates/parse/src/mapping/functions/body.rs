//! Functions on bodies and on JSON inside texts.

use super::{Made, Prepared, Row};
use crate::json_scan::{self, Kind, Member, Scanner, Value};
use crate::mapping::cell::{Cell, Span, present, span_of};
use crate::mapping::syntax::Step;
use haetae_event::signature;
use sha2::{Digest, Sha256};

/// Deepest nesting and most keys of JSON inside a text.
const JSON_DEPTH_MAX: usize = 64;
const JSON_FIELDS_MAX: usize = 1000;

pub fn sig(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let signed = row
        .texts
        .text(args[0])
        .and_then(|text| signature::param_sig(&text));
    match signed {
        Some(signed) => Made::pushed(row.out.push(&signed)),
        None => Made::MISSING,
    }
}

pub fn entropy(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let entropy = row
        .texts
        .text(args[0])
        .and_then(|text| signature::payload_entropy(text.as_bytes()));
    entropy.map_or(Made::MISSING, |bits| Made::Cell(Cell::Float(bits)))
}

/// The first `bytes` of a text's SHA-256 in hexadecimal digits.
fn digest(text: &str, bytes: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hash = Sha256::digest(text.as_bytes());
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    hash.iter()
        .take(bytes)
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

pub fn sha256(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match row.texts.text(args[0]) {
        Some(text) => Made::pushed(row.out.push(&digest(&text, 32))),
        None => Made::MISSING,
    }
}

/// Beginnings of binary contents: as bytes (where they are text), as Base64, and the type.
const MAGIC: &[(&str, &str, &str)] = &[
    ("%PDF", "JVBERi0", "application/pdf"),
    ("PK\u{3}\u{4}", "UEsDB", "application/zip"),
    ("GIF8", "R0lGOD", "image/gif"),
    ("\u{fffd}PNG", "iVBORw0KGgo", "image/png"),
    ("\u{fffd}\u{fffd}\u{fffd}", "/9j/", "image/jpeg"),
    ("\u{1f}\u{fffd}", "H4sI", "application/gzip"),
    ("\u{7f}ELF", "f0VMRg", "application/x-elf"),
    (
        "MZ\u{fffd}\0",
        "TVqQAA",
        "application/vnd.microsoft.portable-executable",
    ),
    ("RIFF", "UklGR", "application/x-riff"),
];

/// The media type a body looks like.
fn media_type(body: &str) -> &'static str {
    let magic = MAGIC
        .iter()
        .find(|(bytes, base64, _)| body.starts_with(bytes) || body.starts_with(base64));
    if let Some((_, _, media)) = magic {
        return media;
    }
    if body.starts_with("--") && body.to_ascii_lowercase().contains("content-disposition:") {
        return "multipart/form-data";
    }
    let start = body.trim_start();
    // Bytes that were not UTF-8 have become replacement characters.
    let odd =
        |c: char| c == char::REPLACEMENT_CHARACTER || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    if body.chars().any(odd) {
        return "application/octet-stream";
    }
    if start.starts_with(['{', '[']) {
        return "application/json";
    }
    if start.starts_with('<') {
        let html = start
            .get(..14)
            .is_some_and(|head| head.eq_ignore_ascii_case("<!doctype html"));
        return if html { "text/html" } else { "application/xml" };
    }
    let form = |c: char| c.is_ascii_graphic();
    if start.contains('=') && start.chars().all(form) {
        return "application/x-www-form-urlencoded";
    }
    "text/plain"
}

fn is_text(media: &str) -> bool {
    media.starts_with("text/")
        || matches!(
            media,
            "application/json" | "application/xml" | "application/x-www-form-urlencoded"
        )
}

pub fn mime(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match row.texts.text(args[0]) {
        Some(text) => Made::pushed(row.out.push(media_type(&text))),
        None => Made::MISSING,
    }
}

pub fn summary(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let Some(text) = row.texts.text(args[0]) else {
        return Made::MISSING;
    };
    let media = media_type(&text);
    if is_text(media) {
        return Made::Cell(args[0]);
    }
    let line = format!("{media} {} sha256:{}", text.len(), digest(&text, 8));
    Made::pushed(row.out.push(&line))
}

pub fn json_get(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let (Some(span), Prepared::Path(steps)) = (span_of(args[0]), row.prepared) else {
        return Made::MISSING;
    };
    let text = row.texts.get(span);
    let Some(value) = descend(text, steps) else {
        return Made::MISSING;
    };
    let part = |value: &Value| span.part(value.span.start, value.span.end);
    match json_cell(text, &value, part(&value)) {
        Some(cell) => Made::Cell(cell),
        None => {
            let plain = json_scan::unescape(&text[value.span.clone()]);
            Made::pushed(row.out.push(&plain))
        }
    }
}

/// The cell of a JSON value whose place is `span`; `None` for a string with escapes.
pub fn json_cell(text: &str, value: &Value, span: Span) -> Option<Cell> {
    Some(match value.kind {
        Kind::Str { escaped: true } => return None,
        Kind::Str { escaped: false } => present(&text[value.span.clone()], span),
        Kind::Number => Cell::Number(span),
        Kind::True => Cell::Bool(true),
        Kind::False => Cell::Bool(false),
        Kind::Null => Cell::Missing,
        Kind::Object | Kind::Array => Cell::Json(span),
    })
}

/// The value at the end of a path inside a JSON text.
pub fn descend(text: &str, steps: &[Step]) -> Option<Value> {
    let mut at = text.len() - text.trim_start().len();
    let mut found: Option<Value> = None;
    let mut members: Vec<Member> = Vec::new();
    let mut items = Vec::new();
    for step in steps {
        if let Some(value) = &found {
            let fits = match step {
                Step::Key(_) => value.kind == Kind::Object,
                Step::Index(_) => value.kind == Kind::Array,
            };
            // The inside of a string may look like an object.
            at = fits.then_some(value.span.start)?;
        }
        let mut scanner = Scanner::new(text, at, JSON_DEPTH_MAX, JSON_FIELDS_MAX);
        found = Some(match step {
            Step::Key(key) => {
                scanner.object(&mut members).ok()?;
                let same = |member: &&Member| match member.key.kind {
                    Kind::Str { escaped: true } => {
                        json_scan::unescape(&text[member.key.span.clone()]) == *key
                    }
                    _ => text[member.key.span.clone()] == **key,
                };
                members.iter().rev().find(same)?.value.clone()
            }
            Step::Index(index) => {
                scanner.array(&mut items).ok()?;
                items.get(*index as usize)?.clone()
            }
        });
    }
    found
}
