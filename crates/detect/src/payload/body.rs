//! Bodies: forms, JSON, XML and multipart, read as tolerantly as servers read them.

use super::parts::form;
use super::verdict::Place;
use serde_json::Value;

/// Bodies are read up to here.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// Calls `found` with each name, value, attribute and text of a body.
pub fn pieces(content_type: Option<&str>, body: &[u8], found: &mut impl FnMut(Place, &str)) {
    let text = String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_MAX)]);
    let kind = content_type.unwrap_or("").to_ascii_lowercase();
    if kind.contains("multipart/") {
        return multipart(&kind, &text, found);
    }
    if kind.contains("xml") {
        return markup(&text, found);
    }
    let trimmed = text.trim_start();
    let is_json = kind.contains("json") || trimmed.starts_with('{');
    if let (true, Ok(value)) = (is_json, serde_json::from_str::<Value>(trimmed)) {
        return json(&value, found);
    }
    form(text.trim_end_matches(['\r', '\n']), found);
}

/// Depth is bounded by the parser.
fn json(value: &Value, found: &mut impl FnMut(Place, &str)) {
    match value {
        Value::String(text) => found(Place::Value, text),
        Value::Array(values) => values.iter().for_each(|value| json(value, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                found(Place::Name, name);
                json(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Attribute values and text between tags. What breaks the syntax belongs to the piece it is in.
fn markup(text: &str, found: &mut impl FnMut(Place, &str)) {
    if text.contains("<!ENTITY") || text.contains("<!DOCTYPE") {
        found(Place::Value, text);
    }
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let between = rest[..open].trim();
        if !between.is_empty() {
            found(Place::Value, between);
        }
        let end = tag_end(&rest[open..]);
        attributes(&rest[open..open + end], found);
        rest = &rest[open + end..];
    }
    if !rest.trim().is_empty() {
        found(Place::Value, rest);
    }
}

/// The length of the tag that begins `text`, its `>` with it; quotes hide a `>`.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, b) in text.bytes().enumerate() {
        match (quote, b) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(open), b) if open == b => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn attributes(tag: &str, found: &mut impl FnMut(Place, &str)) {
    // `a="…"`: from the quote behind a `=` to the last such quote before the next `=` or the end.
    let mut rest = tag;
    while let Some(at) = rest.find("=\"").or_else(|| rest.find("='")) {
        let quote = rest.as_bytes()[at + 1];
        let value = &rest[at + 2..];
        let closing = value.bytes().enumerate().find(|&(at, b)| {
            b == quote
                && matches!(
                    value.as_bytes().get(at + 1),
                    None | Some(b' ' | b'>' | b'/' | b'?' | b'\r' | b'\n')
                )
        });
        let end = closing.map_or(value.len(), |(at, _)| at);
        found(Place::Value, &value[..end]);
        rest = value.get(end + 1..).unwrap_or("");
    }
    // What stands behind the last attribute broke out of it.
    let behind = rest.trim_matches(['/', '>', '?', ' ']);
    if rest.len() < tag.len() && !behind.is_empty() {
        found(Place::Value, behind);
    }
}

/// Names, file names and contents of the parts (RFC 7578). Contents of files are not read.
fn multipart(kind: &str, text: &str, found: &mut impl FnMut(Place, &str)) {
    let boundary = kind
        .split_once("boundary=")
        .map_or("", |(_, rest)| rest.trim_matches('"'));
    let boundary = boundary.split(';').next().unwrap_or("");
    let mut part: Option<String> = None;
    let mut in_head = false;
    let mut is_file = false;
    for line in text.lines() {
        let bare = line.trim_start_matches('-').to_ascii_lowercase();
        let is_boundary = line.starts_with("--") && bare.starts_with(boundary.trim_start_matches('-'));
        if is_boundary {
            if let Some(content) = part.take().filter(|_| !is_file) {
                found(Place::Value, &content);
            }
            (in_head, is_file) = (true, false);
        } else if in_head && line.is_empty() {
            in_head = false;
            part = Some(String::new());
        } else if in_head {
            is_file |= disposition(line, found);
        } else if let Some(content) = &mut part {
            content.push_str(line);
            content.push('\n');
        }
    }
    if let Some(content) = part.filter(|_| !is_file) {
        found(Place::Value, &content);
    }
}

/// Reads the names in a part's head; whether it is that of a file.
fn disposition(line: &str, found: &mut impl FnMut(Place, &str)) -> bool {
    let mut is_file = false;
    for field in line.split(';').skip(1) {
        let Some((name, value)) = field.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        if name.trim().to_ascii_lowercase().starts_with("filename") {
            is_file = true;
            found(Place::FileName, value);
        } else {
            found(Place::Name, value);
        }
    }
    is_file
}
