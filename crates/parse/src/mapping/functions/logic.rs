//! Conditions. A missing value makes a comparison missing; `if` takes that as false.

use super::{Made, Prepared, Row};
use crate::mapping::cell::{self, Cell};

fn compare(row: &Row<'_>, args: &[Cell], test: impl FnOnce(&str, &str) -> bool) -> Made {
    match (row.texts.text(args[0]), row.texts.text(args[1])) {
        (Some(a), Some(b)) => Made::Cell(Cell::Bool(test(&a, &b))),
        _ => Made::MISSING,
    }
}

pub fn equals(row: &mut Row<'_>, args: &[Cell]) -> Made {
    compare(row, args, |a, b| a == b)
}

pub fn contains(row: &mut Row<'_>, args: &[Cell]) -> Made {
    compare(row, args, |a, b| {
        memchr::memmem::find(a.as_bytes(), b.as_bytes()).is_some()
    })
}

pub fn starts_with(row: &mut Row<'_>, args: &[Cell]) -> Made {
    compare(row, args, |a, b| a.starts_with(b))
}

pub fn ends_with(row: &mut Row<'_>, args: &[Cell]) -> Made {
    compare(row, args, |a, b| a.ends_with(b))
}

pub fn matches(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match (row.texts.text(args[0]), row.prepared) {
        (Some(text), Prepared::Regex(regex)) => Made::Cell(Cell::Bool(regex.is_match(&text))),
        _ => Made::MISSING,
    }
}

fn numbers(row: &Row<'_>, args: &[Cell], test: impl FnOnce(f64, f64) -> bool) -> Made {
    match (cell::float(&row.texts, args[0]), cell::float(&row.texts, args[1])) {
        (Some(a), Some(b)) => Made::Cell(Cell::Bool(test(a, b))),
        _ if args.contains(&Cell::Missing) => Made::MISSING,
        _ => Made::Failed,
    }
}

pub fn greater(row: &mut Row<'_>, args: &[Cell]) -> Made {
    numbers(row, args, |a, b| a > b)
}

pub fn less(row: &mut Row<'_>, args: &[Cell]) -> Made {
    numbers(row, args, |a, b| a < b)
}

fn is_true(row: &Row<'_>, cell: Cell) -> bool {
    cell::boolean(&row.texts, cell) == Some(true)
}

pub fn not(row: &mut Row<'_>, args: &[Cell]) -> Made {
    match args[0] {
        Cell::Missing => Made::MISSING,
        cell => Made::Cell(Cell::Bool(!is_true(row, cell))),
    }
}

pub fn any(row: &mut Row<'_>, args: &[Cell]) -> Made {
    Made::Cell(Cell::Bool(args.iter().any(|cell| is_true(row, *cell))))
}

pub fn all(row: &mut Row<'_>, args: &[Cell]) -> Made {
    Made::Cell(Cell::Bool(args.iter().all(|cell| is_true(row, *cell))))
}
