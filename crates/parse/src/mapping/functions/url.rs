//! Parts of URLs and of request targets, as spans.

use super::text::part;
use super::{Made, Row};
use crate::mapping::cell::{Cell, span_of};
use crate::percent;
use std::ops::Range;

/// Where authority and the rest of `url` stand; without `//` everything is the rest.
fn split(url: &str) -> (Range<usize>, usize) {
    let scheme = url.find("://").filter(|&at| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        at > 0 && url.bytes().take(at).all(plain)
    });
    let start = match scheme {
        Some(at) => at + 3,
        None if url.starts_with("//") => 2,
        None => return (0..0, 0),
    };
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    (start..end, end)
}

/// Where path and query stand.
pub fn path_and_query(url: &str) -> (Range<usize>, Range<usize>) {
    let (_, start) = split(url);
    let end = url[start..].find('#').map_or(url.len(), |at| start + at);
    match url[start..end].find('?') {
        Some(at) => (start..start + at, start + at + 1..end),
        None => (start..end, end..end),
    }
}

fn of(row: &Row<'_>, cell: Cell, find: impl FnOnce(&str) -> Range<usize>) -> Made {
    match span_of(cell) {
        Some(span) => {
            let range = find(row.texts.get(span));
            part(span, range.start, range.end)
        }
        None => Made::MISSING,
    }
}

pub fn path(row: &mut Row<'_>, args: &[Cell]) -> Made {
    of(row, args[0], |url| path_and_query(url).0)
}

pub fn query(row: &mut Row<'_>, args: &[Cell]) -> Made {
    of(row, args[0], |url| path_and_query(url).1)
}

pub fn host(row: &mut Row<'_>, args: &[Cell]) -> Made {
    of(row, args[0], |url| {
        let (authority, _) = split(url);
        let user = url[authority.clone()].rfind('@').map_or(0, |at| at + 1);
        let start = authority.start + user;
        let host = &url[start..authority.end];
        if let Some(inside) = host.strip_prefix('[') {
            let length = inside.find(']').unwrap_or(inside.len());
            return start + 1..start + 1 + length;
        }
        start..start + host.find(':').unwrap_or(host.len())
    })
}

pub fn decode(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match span_of(args[0]) {
        Some(span) if row.texts.get(span).contains('%') => {
            let (decoded, _) = percent::decode(row.texts.get(span));
            Made::pushed(row.out.push(&decoded))
        }
        _ => Made::Cell(args[0]),
    }
}
