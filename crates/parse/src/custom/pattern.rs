//! Lines that regular expressions take apart: named groups are the fields, first match wins.

use super::fields::{Filling, Flat, PathTree};
use crate::mapping::cell::{Home, Span, present};
use regex::{CaptureLocations, Regex};
use std::ops::Range;

/// One pattern and its named groups.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    locations: CaptureLocations,
    /// (number of the group, name).
    groups: Vec<(usize, Box<str>)>,
}

impl Pattern {
    pub fn new(regex: &Regex) -> Pattern {
        // A copy has its own caches: inputs do not wait for each other.
        let regex = regex.clone();
        let groups = regex
            .capture_names()
            .enumerate()
            .filter_map(|(number, name)| Some((number, name?.into())))
            .collect();
        Pattern {
            locations: regex.capture_locations(),
            regex,
            groups,
        }
    }
}

/// Puts the groups of the first pattern that matches the line `span`.
///
/// # Errors
/// When none does.
pub fn fill(
    patterns: &mut [Pattern],
    tree: &mut PathTree,
    filling: &mut Filling<'_>,
    text: &str,
    span: Range<usize>,
    row: usize,
) -> Result<usize, &'static str> {
    let line = &text[span.clone()];
    let matching = patterns
        .iter_mut()
        .find_map(|pattern| {
            let found = pattern
                .regex
                .captures_read(&mut pattern.locations, line)
                .is_some();
            found.then_some(pattern)
        })
        .ok_or("no pattern matches the line")?;
    filling.open();
    for (place, (number, name)) in matching.groups.iter().enumerate() {
        let Some((start, end)) = matching.locations.get(*number) else {
            continue;
        };
        let range = span.start + start..span.start + end;
        let plain = &text[range.clone()];
        let flat = Flat {
            cell: present(plain, Span::new(Home::Block, range)),
            plain,
            source: text,
        };
        tree.field(filling, place, name, flat, row);
    }
    filling.close();
    Ok(matching.groups.len())
}
