//! Rows that have the delimiter inside a value, as user agents have commas.
//!
//! Nothing quotes values in these logs, so a row with too many pieces is put together in the one
//! way that gives every other field the shape it must have: what is too much belongs to the user
//! agent, to another free text, or to both.

use super::ABSENT;
use crate::lines::Row;
use crate::scalar;
use crate::separators::Index;
use haetae_event::dataset::{NativeField, NativeType};

/// Warning of a row whose delimiter stood inside values; where it was put together is a guess.
pub const DELIMITER_IN_VALUE: &str = "delimiter_in_value";

/// Free texts but the user agent, the likeliest to hold a delimiter first.
const LOOSE: [&str; 6] = [
    "x-forwarded-for",
    "cs-uri-query",
    "cs(Cookie)",
    "cs(Referer)",
    "cs-uri-stem",
    "cs-username",
];
/// More pieces too many than this are not tried.
const PIECES_MAX: u32 = 32;

/// What a field must look like.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Integer,
    Status,
    Number,
    Date,
    Time,
    Name,
}

/// (position, pieces that belong to it beyond its first).
type Join = (u32, u32);

/// What rows of one layout are put together by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guide {
    shapes: Vec<(u32, Shape)>,
    agent: u32,
    /// The other free texts.
    others: Vec<u32>,
}

impl Guide {
    pub fn new(table: &[NativeField], position: &[u32]) -> Guide {
        let found = |name: &str| {
            let mut named = table.iter().zip(position);
            let found = named.find(|(field, _)| field.vendor.eq_ignore_ascii_case(name));
            found.map_or(ABSENT, |(_, &at)| at)
        };
        let others = LOOSE.map(found);
        Guide {
            shapes: shapes(table, position),
            agent: found("cs(User-Agent)"),
            others: others.into_iter().filter(|&at| at != ABSENT).collect(),
        }
    }
}

/// Makes a row with too many pieces one of `fields` fields; `false` when no way makes sense.
pub fn mend(row: &mut Row, index: &mut Index, bytes: &[u8], guide: &Guide, fields: u32) -> bool {
    let Some(extra) = row
        .fields
        .checked_sub(fields)
        .filter(|extra| (1..=PIECES_MAX).contains(extra))
    else {
        return false;
    };
    let (agent, others) = (guide.agent, &guide.others);
    let fits = |joins: &[Join; 2]| fits(row, index, bytes, guide, joins);
    // As few as possible to the user agent: it shows where it ends, other texts do not.
    let most = if agent == ABSENT { 0 } else { extra };
    let joins = (0..=most).find_map(|part| {
        let rest = extra - part;
        let alone = (rest == 0).then_some((ABSENT, 0));
        let shared = others.iter().map(|&at| (at, rest)).filter(|_| rest > 0);
        alone
            .into_iter()
            .chain(shared)
            .map(|other| [(agent, part), other])
            .find(fits)
    });
    let Some(mut joins) = joins else {
        return false;
    };
    // From the right: a join moves what stands before it.
    joins.sort_unstable();
    for (at, pieces) in joins.into_iter().rev().filter(|(at, _)| *at != ABSENT) {
        row.join(index, at + before(&joins, at), pieces);
    }
    true
}

/// Pieces that joins left of a field take beyond the first of theirs.
fn before(joins: &[Join; 2], at: u32) -> u32 {
    joins
        .iter()
        .filter(|(join, _)| *join < at)
        .map(|(_, pieces)| pieces)
        .sum()
}

fn shapes(table: &[NativeField], position: &[u32]) -> Vec<(u32, Shape)> {
    let fields = table.iter().zip(position).filter(|(_, at)| **at != ABSENT);
    fields
        .filter_map(|(field, &at)| {
            let shape = match (field.kind, field.vendor) {
                (_, "sc-status") => Shape::Status,
                (NativeType::Int32 | NativeType::Int64, _) => Shape::Integer,
                (NativeType::Core("bytes_in" | "bytes_out"), _) => Shape::Integer,
                (NativeType::Float64, _) => Shape::Number,
                (_, "date") => Shape::Date,
                (_, "time") => Shape::Time,
                (_, name) if name.starts_with("x-edge-") || name.starts_with("ssl-") => Shape::Name,
                (_, "x-host-header" | "cs(Host)" | "cs-host" | "cs-protocol" | "cs-method" | "c-ip") => {
                    Shape::Name
                }
                (_, "cs-protocol-version" | "cs-version" | "s-ip" | "fle-status" | "c-country") => {
                    Shape::Name
                }
                _ => return None,
            };
            Some((at, shape))
        })
        .collect()
}

fn fits(row: &Row, index: &Index, bytes: &[u8], guide: &Guide, joins: &[Join; 2]) -> bool {
    let piece = |at: u32| row.field(index, at + before(joins, at)).unwrap_or_default();
    // The cheap question first: it refuses most.
    is_agent(row, index, bytes, guide.agent, joins)
        && guide
            .shapes
            .iter()
            .all(|&(at, shape)| has_shape(&bytes[piece(at)], shape))
}

/// Whether the user agent could end where the joins make it end.
fn is_agent(row: &Row, index: &Index, bytes: &[u8], agent: u32, joins: &[Join; 2]) -> bool {
    if agent == ABSENT {
        return true;
    }
    let first = agent + before(joins, agent);
    let last = first
        + joins
            .iter()
            .find(|(at, _)| *at == agent)
            .map_or(0, |(_, pieces)| *pieces);
    let (Some(first), Some(end)) = (row.field(index, first), row.field(index, last)) else {
        return false;
    };
    let text = &bytes[first.start..end.end];
    let next = row.field(index, last + 1).unwrap_or_default();
    let count = |wanted: u8| memchr::memchr_iter(wanted, text).count();
    // It closes the parentheses it opens, and a comma with a space behind it is prose.
    !bytes[next].starts_with(b"%20") && count(b'(') == count(b')')
}

fn has_shape(value: &[u8], shape: Shape) -> bool {
    if value.is_empty() || value == b"-" {
        return true;
    }
    match shape {
        Shape::Integer => scalar::integer(value).is_some(),
        Shape::Status => value == b"0" || (value.len() == 3 && value.iter().all(u8::is_ascii_digit)),
        Shape::Number => value.len() <= 32 && scalar::decimal(value).is_some(),
        Shape::Date => scalar::date_days(value).is_some(),
        Shape::Time => value.get(..8).is_some_and(|v| scalar::time_seconds(v).is_some()),
        Shape::Name => {
            let part = |b: &u8| {
                b.is_ascii_alphanumeric()
                    || matches!(b, b'.' | b'-' | b':' | b'_' | b'/' | b'=' | b'[' | b']')
            };
            value.len() <= 255 && value.iter().all(part)
        }
    }
}
