//! The values an expression works on: sixteen bytes each, texts as spans.

use crate::scalar;
use haetae_event::Micros;
use std::borrow::Cow;

/// Which text a span lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The block of records.
    Block,
    /// What was made for the chunk at hand.
    Arena,
    /// The definition's literals.
    Literals,
    /// What an extractor gave for the chunk at hand.
    Extracted,
}

/// A part of one of the [`Texts`]; ends on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub home: Home,
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(home: Home, range: std::ops::Range<usize>) -> Span {
        let at = |place| u32::try_from(place).expect("blocks and arenas are far below 4 GiB");
        Span {
            home,
            start: at(range.start),
            end: at(range.end),
        }
    }

    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// `from..to` of this span.
    pub fn part(self, from: usize, to: usize) -> Span {
        Span {
            start: self.start + from as u32,
            end: self.start + to as u32,
            ..self
        }
    }
}

/// One value of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Cell {
    /// Absent, null, empty, or `-`.
    #[default]
    Missing,
    Text(Span),
    /// A number as the record writes it.
    Number(Span),
    /// An object or array of JSON.
    Json(Span),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// µs since the epoch.
    Time(i64),
}

const _: () = assert!(size_of::<Cell>() == 16);

/// The texts that spans point into.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    pub block: &'a str,
    pub arena: &'a str,
    pub literals: &'a str,
    pub extracted: &'a str,
}

impl<'a> Texts<'a> {
    pub fn get(&self, span: Span) -> &'a str {
        let text = match span.home {
            Home::Block => self.block,
            Home::Arena => self.arena,
            Home::Literals => self.literals,
            Home::Extracted => self.extracted,
        };
        &text[span.start as usize..span.end as usize]
    }

    /// The value as text; `None` when it is missing.
    pub fn text(&self, cell: Cell) -> Option<Cow<'a, str>> {
        Some(match cell {
            Cell::Missing => return None,
            Cell::Text(span) | Cell::Number(span) | Cell::Json(span) => Cow::Borrowed(self.get(span)),
            Cell::Int(number) => Cow::Owned(number.to_string()),
            Cell::Float(number) => Cow::Owned(number.to_string()),
            Cell::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Cell::Time(us) => Cow::Owned(Micros(us).to_string()),
        })
    }
}

/// A cell for a text of a record: nothing and `-` are missing.
pub fn present(text: &str, span: Span) -> Cell {
    match text {
        "" | "-" => Cell::Missing,
        _ => Cell::Text(span),
    }
}

/// The span a cell consists of, if it is text of any kind.
pub fn span_of(cell: Cell) -> Option<Span> {
    match cell {
        Cell::Text(span) | Cell::Number(span) | Cell::Json(span) => Some(span),
        _ => None,
    }
}

/// The value as a whole number: `12`, `"12"`, `12.0`, true is 1. `None` when it is none.
pub fn int(texts: &Texts<'_>, cell: Cell) -> Option<i64> {
    match cell {
        Cell::Int(number) => Some(number),
        Cell::Float(number) => whole(number),
        Cell::Bool(value) => Some(i64::from(value)),
        Cell::Text(span) | Cell::Number(span) => {
            let text = texts.get(span).trim();
            scalar::integer(text.as_bytes())
                .or_else(|| text.parse().ok())
                .or_else(|| whole(scalar::decimal(text.as_bytes())?))
        }
        Cell::Missing | Cell::Json(_) | Cell::Time(_) => None,
    }
}

/// Above 2^53 a double no longer tells whole numbers apart.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// The value as a number.
pub fn float(texts: &Texts<'_>, cell: Cell) -> Option<f64> {
    match cell {
        Cell::Int(number) => Some(number as f64),
        Cell::Float(number) => Some(number),
        Cell::Bool(value) => Some(f64::from(u8::from(value))),
        Cell::Text(span) | Cell::Number(span) => scalar::decimal(texts.get(span).trim().as_bytes()),
        Cell::Missing | Cell::Json(_) | Cell::Time(_) => None,
    }
}

/// The value as a truth value: true/false, yes/no, on/off, y/n, t/f in any case, 1/0.
pub fn boolean(texts: &Texts<'_>, cell: Cell) -> Option<bool> {
    match cell {
        Cell::Bool(value) => Some(value),
        Cell::Int(0) => Some(false),
        Cell::Int(1) => Some(true),
        Cell::Text(span) | Cell::Number(span) => {
            let text = texts.get(span).trim();
            let any = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
            if any(&["true", "1", "yes", "on", "y", "t"]) {
                Some(true)
            } else if any(&["false", "0", "no", "off", "n", "f"]) {
                Some(false)
            } else {
                None
            }
        }
        _ => None,
    }
}
