//! Casts. A missing value stays missing, without a warning.

use super::{Made, Prepared, Row};
use crate::mapping::cell::{self, Cell};
use crate::mapping::times;
use crate::scalar;
use haetae_event::net::parse_address;

fn made(given: Cell, cast: Option<Cell>) -> Made {
    match (given, cast) {
        (Cell::Missing, _) => Made::MISSING,
        (_, Some(cast)) => Made::Cell(cast),
        (_, None) => Made::Failed,
    }
}

pub fn int(row: &mut Row<'_>, args: &[Cell]) -> Made {
    made(args[0], cell::int(&row.texts, args[0]).map(Cell::Int))
}

pub fn float(row: &mut Row<'_>, args: &[Cell]) -> Made {
    made(args[0], cell::float(&row.texts, args[0]).map(Cell::Float))
}

pub fn boolean(row: &mut Row<'_>, args: &[Cell]) -> Made {
    made(args[0], cell::boolean(&row.texts, args[0]).map(Cell::Bool))
}

pub fn text(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match args[0] {
        Cell::Missing => Made::MISSING,
        Cell::Text(span) | Cell::Number(span) | Cell::Json(span) => Made::Cell(Cell::Text(span)),
        other => match row.texts.text(other) {
            Some(text) => Made::pushed(row.out.push(&text)),
            None => Made::MISSING,
        },
    }
}

pub fn ip(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let (Cell::Text(span) | Cell::Number(span)) = args[0] else {
        return made(args[0], None);
    };
    let text = row.texts.get(span);
    if scalar::is_canonical_v4(text.as_bytes()) {
        return Made::Cell(Cell::Text(span));
    }
    match parse_address(text.trim()) {
        Some(address) => {
            let canonical = address.to_string();
            if canonical == text {
                return Made::Cell(Cell::Text(span));
            }
            Made::pushed(row.out.push(&canonical))
        }
        None => Made::Failed,
    }
}

pub fn time(row: &mut Row<'_>, args: &[Cell]) -> Made {
    let (format, zone) = match row.prepared {
        Prepared::Time(format, zone) => (format.as_ref(), *zone),
        _ => (None, 0),
    };
    let given = args[0];
    if let Cell::Missing | Cell::Time(_) = given {
        return Made::Cell(given);
    }
    let Some(text) = row.texts.text(given) else {
        return Made::MISSING;
    };
    let Some(zone) = row.zones.get_mut(zone) else {
        return Made::Failed;
    };
    let us = match format {
        Some(format) => format.read(&text, row.arrival, zone),
        None => times::recognise(&text, row.arrival, zone),
    };
    us.map_or(Made::Failed, |us| Made::Cell(Cell::Time(us)))
}
