//! Functions on texts. Parts of a text are spans of it; only changed texts are written anew.

use super::{Made, Prepared, Row};
use crate::mapping::cell::{Cell, Span, span_of};

/// The text of an argument that is text of any kind, and its span.
fn spanned<'a>(row: &Row<'a>, cell: Cell) -> Option<(&'a str, Span)> {
    let span = span_of(cell)?;
    Some((row.texts.get(span), span))
}

/// `from..to` of a span; nothing when that is empty.
pub fn part(span: Span, from: usize, to: usize) -> Made {
    Made::Cell(match to > from {
        true => Cell::Text(span.part(from, to)),
        false => Cell::Missing,
    })
}

/// Runs `change` on the argument's text, a number's too.
fn rewritten(row: &mut Row<'_>, cell: Cell, change: impl FnOnce(&str) -> String) -> Made {
    match row.texts.text(cell) {
        Some(text) => Made::pushed(row.out.push(&change(&text))),
        None => Made::MISSING,
    }
}

pub fn lower(row: &mut Row<'_>, args: &[Cell]) -> Made {
    if let Some((text, _)) = spanned(row, args[0])
        && text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase())
    {
        return Made::Cell(args[0]);
    }
    rewritten(row, args[0], str::to_lowercase)
}

pub fn upper(row: &mut Row<'_>, args: &[Cell]) -> Made {
    if let Some((text, _)) = spanned(row, args[0])
        && text.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase())
    {
        return Made::Cell(args[0]);
    }
    rewritten(row, args[0], str::to_uppercase)
}

pub fn trim(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let Some((text, span)) = spanned(row, args[0]) else {
        return Made::Cell(args[0]);
    };
    let from = text.len() - text.trim_start().len();
    part(span, from, text.trim_end().len())
}

pub fn concat(row: &mut Row<'_>, args: &[Cell]) -> Made {
    for cell in args {
        let Some(text) = row.texts.text(*cell) else {
            return Made::MISSING;
        };
        if row.out.push(&text).is_none() {
            return Made::TooLong;
        }
    }
    Made::Text
}

pub fn replace(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let texts = row.texts;
    let (Some(text), Some(from), Some(to)) = (texts.text(args[0]), texts.text(args[1]), texts.text(args[2]))
    else {
        return Made::MISSING;
    };
    if from.is_empty() {
        return Made::Cell(args[0]);
    }
    let mut last = 0;
    for (at, found) in text.match_indices(&*from) {
        let done = row.out.push(&text[last..at]).and_then(|()| row.out.push(&to));
        if done.is_none() {
            return Made::TooLong;
        }
        last = at + found.len();
    }
    Made::pushed(row.out.push(&text[last..]))
}

pub fn split_part(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let (Some((text, span)), Some(separator), Cell::Int(n)) =
        (spanned(row, args[0]), row.texts.text(args[1]), args[2])
    else {
        return Made::MISSING;
    };
    let place = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
    if separator.is_empty() || place == 0 {
        return Made::MISSING;
    }
    let found = match n > 0 {
        true => text.split(&*separator).nth(place - 1),
        false => text.rsplit(&*separator).nth(place - 1),
    };
    match found {
        Some(found) => {
            let from = found.as_ptr() as usize - text.as_ptr() as usize;
            part(span, from, from + found.len())
        }
        None => Made::MISSING,
    }
}

pub fn substring(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let (Some((text, span)), Cell::Int(start)) = (spanned(row, args[0]), args[1]) else {
        return Made::MISSING;
    };
    let start = usize::try_from(start).unwrap_or(0);
    let byte = |text: &str, count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    let from = byte(text, start);
    let to = match args.get(2) {
        Some(Cell::Int(length)) => from + byte(&text[from..], usize::try_from(*length).unwrap_or(0)),
        _ => text.len(),
    };
    part(span, from, to)
}

/// The text, its span, and where the separator stands in it.
fn separated(row: &Row<'_>, args: &[Cell]) -> Option<(Span, usize, usize)> {
    let (text, span) = spanned(row, args[0])?;
    let separator = row.texts.text(args[1])?;
    let at = memchr::memmem::find(text.as_bytes(), separator.as_bytes())?;
    Some((span, at, at + separator.len()))
}

pub fn before(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match separated(row, args) {
        Some((span, at, _)) => part(span, 0, at),
        None => Made::MISSING,
    }
}

pub fn after(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match separated(row, args) {
        Some((span, _, behind)) => part(span, behind, span.len()),
        None => Made::MISSING,
    }
}

pub fn extract(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let (Some((text, span)), Prepared::Regex(regex)) = (spanned(row, args[0]), row.prepared) else {
        return Made::MISSING;
    };
    let found = if regex.captures_len() > 1 {
        regex.captures(text).and_then(|captures| captures.get(1))
    } else {
        regex.find(text)
    };
    found.map_or(Made::MISSING, |found| part(span, found.start(), found.end()))
}

pub fn len(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match row.texts.text(args[0]) {
        Some(text) => Made::Cell(Cell::Int(text.chars().count() as i64)),
        None => Made::MISSING,
    }
}
