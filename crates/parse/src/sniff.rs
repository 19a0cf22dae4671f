//! What an input is, by its first lines.

use crate::block::Framing;
use crate::format::{Format, Recognise};
use crate::json_scan;
use crate::records;

/// Lines looked at.
const LINES_MAX: usize = 64;

/// The format most of the first lines look like; `None` when no line looks like any.
///
/// `head` is the beginning of the unpacked input; a last line cut by it still counts.
pub fn sniff(head: &[u8]) -> Option<Format> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let whole =
        Format::all().find(|format| matches!(format.spec().recognise, Recognise::Head(is) if is(head)));
    if let Some(format) = whole.or_else(|| json(head)) {
        return Some(format);
    }
    let mut votes: Vec<(Format, usize)> = Format::all().map(|format| (format, 0)).collect();
    for line in head.split(|&b| b == b'\n').take(LINES_MAX) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(format) = of_line(line)
            && let Some(votes) = votes.iter_mut().find(|(voted, _)| *voted == format)
        {
            votes.1 += 1;
        }
    }
    // The first of equals, in the order of the list.
    let best = votes.iter().map(|(_, count)| *count).max()?;
    votes
        .into_iter()
        .find(|(_, count)| *count == best && best > 0)
        .map(|(format, _)| format)
}

/// JSON from the very first byte that is not blank.
fn json(head: &[u8]) -> Option<Format> {
    let start = head.iter().position(|b| !b.is_ascii_whitespace())?;
    let array =
        head[start] == b'[' && head[start + 1..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    if head[start] == b'{' || array {
        return of_object(&head[start..]);
    }
    None
}

fn of_object(head: &[u8]) -> Option<Format> {
    Format::all().find(|format| match format.spec().recognise {
        Recognise::Object(is) | Recognise::Wrapped(_, is) => is(head),
        _ => false,
    })
}

fn of_line(line: &[u8]) -> Option<Format> {
    if line.is_empty() {
        return None;
    }
    if line.first() == Some(&b'{') {
        return json_scan::next_object(line, 0)
            .and_then(|found| found.end)
            .and_then(|_| of_object(line));
    }
    Format::all().find(|format| matches!(format.spec().recognise, Recognise::Line(is) if is(line)))
}

/// The first byte that is neither blank nor a NUL.
fn next_visible(bytes: &[u8]) -> Option<u8> {
    bytes
        .iter()
        .copied()
        .find(|b| !b.is_ascii_whitespace() && *b != 0)
}

/// The first object of a head, as much of it as there is.
pub fn first_object(head: &[u8]) -> &[u8] {
    match json_scan::next_object(head, 0) {
        Some(found) => &head[found.start..found.end.unwrap_or(head.len())],
        None => &[],
    }
}

/// How the records of a line format are told apart: the syslog family may come in frames.
pub fn line_framing(format: Format, head: &[u8]) -> Framing {
    if matches!(format.as_str(), "syslog" | "cef" | "leef") && records::is_framed(head) {
        Framing::Frames
    } else {
        Framing::Lines
    }
}

/// How the records of a JSON input are told apart: by lines when the first object ends on its
/// own line.
pub fn framing(head: &[u8]) -> Framing {
    let Some(start) = head.iter().position(|b| !b.is_ascii_whitespace()) else {
        return Framing::Lines;
    };
    if head[start] == b'[' {
        return Framing::Objects;
    }
    if head[start] != b'{' {
        return Framing::Lines;
    }
    let line = memchr::memchr(b'\n', &head[start..]).map(|at| start + at);
    match (
        json_scan::next_object(head, start).and_then(|found| found.end),
        line,
    ) {
        // Several lines belong to the first object, or no line ends in sight.
        (Some(end), Some(newline)) if end > newline => Framing::Objects,
        // Object behind object, as Firehose writes them: such a line may be the whole file.
        (Some(end), Some(newline)) if next_visible(&head[end..newline]) == Some(b'{') => Framing::Objects,
        (Some(end), None) if head[end..].iter().any(|b| !b.is_ascii_whitespace()) => Framing::Objects,
        // An object is open at the end of a short line: pretty-printed, but cut by the head.
        (None, Some(newline)) if head[start..newline].trim_ascii() == b"{" => Framing::Objects,
        _ => Framing::Lines,
    }
}
