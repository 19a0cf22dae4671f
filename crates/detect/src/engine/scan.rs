//! Whether any of many literals is in one of many texts that lie in one stretch of memory, ASCII case
//! aside.
//!
//! One call over a stretch of some hundred KB costs a few nanoseconds a record, where calls record
//! by record cost a hundred. The search is Teddy's, by vectors (the `packed` searcher of
//! `aho-corasick`), which likes few literals with different beginnings: more than [`GROUP_MAX`] are
//! sought in several passes.

use super::program::Mask;
use aho_corasick::packed;
use arrow::array::{Array, StringViewArray};
use std::ops::Range;

/// Literals a pass.
const GROUP_MAX: usize = 64;
/// Beyond so many passes a walk record by record is not slower.
const PASSES_MAX: usize = 4;
/// Literals from here on tell a place by their first four bytes.
const LONG_BYTES: usize = 4;

/// Literals in lower case, their ASCII letters at least.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    passes: Vec<packed::Searcher>,
}

impl Scan {
    /// `None` where it does not pay or vectors are not to be had.
    pub fn new(literals: &[String]) -> Option<Scan> {
        if literals.iter().any(|literal| literal.len() < 2) {
            return None;
        }
        // Where one holds another, the other is there whenever it is.
        let holds_another = |literal: &&String| {
            let mut others = literals.iter().filter(|other| other != literal);
            others.any(|other| literal.contains(other.as_str()))
        };
        let (mut long, mut short): (Vec<&String>, Vec<&String>) = literals
            .iter()
            .filter(|literal| !holds_another(literal))
            .partition(|literal| literal.len() >= LONG_BYTES);
        // Those that begin alike share a place in the tables.
        long.sort();
        short.sort();
        let groups: Vec<&[&String]> = long.chunks(GROUP_MAX).chain(short.chunks(GROUP_MAX)).collect();
        if groups.len() > PASSES_MAX {
            return None;
        }
        let pass = |group: &&[&String]| packed::Config::new().builder().extend(*group).build();
        let passes: Option<Vec<packed::Searcher>> = groups.iter().map(pass).collect();
        Some(Scan { passes: passes? })
    }

    /// Calls `found` with places where a literal begins; it gives back where to go on.
    pub fn find(&self, text: &[u8], lower: &mut Vec<u8>, mut found: impl FnMut(usize) -> usize) {
        lower.clear();
        lower.extend_from_slice(text);
        lower.make_ascii_lowercase();
        for pass in &self.passes {
            let mut from = 0;
            while let Some(hit) = pass.find_in(&*lower, (from..lower.len()).into()) {
                from = found(hit.start()).max(hit.start() + 1);
                if from > lower.len() {
                    break;
                }
            }
        }
    }
}

/// Texts that lie in one stretch of memory: rows and where they lie, in order.
pub(super) struct Stretch<'a> {
    pub bytes: &'a [u8],
    pub rows: Vec<(usize, Range<usize>)>,
}

impl<'a> Stretch<'a> {
    /// The rows of a batch behind `start` that lie together; `apart` get those that do not, and those
    /// without a text.
    pub fn of(
        texts: &'a StringViewArray,
        start: usize,
        rows: &Mask,
        apart: &mut Mask,
    ) -> Option<Stretch<'a>> {
        let mut home = None;
        let mut places: Vec<(usize, Range<usize>)> = Vec::with_capacity(rows.count());
        let mut held = 0;
        for row in rows.rows() {
            let view = texts.views()[start + row];
            let (length, buffer, offset) = (view as u32 as usize, (view >> 64) as u32, (view >> 96) as usize);
            let behind = places.last().map_or(0, |(_, place)| place.end);
            // Short texts lie in the view itself; another buffer holds what was mended.
            let inline = texts.is_null(start + row) || length <= 12;
            if inline || *home.get_or_insert(buffer) != buffer || offset < behind {
                apart.set(row);
                continue;
            }
            held += length;
            places.push((row, offset..offset + length));
        }
        let (from, to) = (places.first()?.1.start, places.last()?.1.end);
        // Rows of a batch that was filtered may lie far from each other.
        if to - from > 2 * held + 4096 {
            return None;
        }
        let bytes = texts
            .data_buffers()
            .get(home? as usize)?
            .as_slice()
            .get(from..to)?;
        places
            .iter_mut()
            .for_each(|(_, place)| *place = place.start - from..place.end - from);
        Some(Stretch { bytes, rows: places })
    }

    /// Number of the row that holds this place; `Err`: of the next one.
    fn at(&self, place: usize) -> Result<usize, usize> {
        let next = self.rows.partition_point(|(_, row)| row.end <= place);
        match self.rows.get(next) {
            Some((_, row)) if row.start <= place => Ok(next),
            _ => Err(next),
        }
    }

    /// Marks the row of a place; gives back where the next row begins.
    pub fn mark(&self, place: usize, marked: &mut Mask) -> usize {
        let next = match self.at(place) {
            Ok(row) => {
                marked.set(self.rows[row].0);
                row + 1
            }
            Err(next) => next,
        };
        self.rows.get(next).map_or(self.bytes.len(), |(_, row)| row.start)
    }

    /// Marks rows that hold a byte which `find` finds from a place on.
    pub fn mark_each(&self, marked: &mut Mask, find: impl Fn(&[u8]) -> Option<usize>) {
        let mut from = 0;
        while let Some(at) = self.bytes.get(from..).and_then(&find) {
            from = self.mark(from + at, marked);
        }
    }

    /// Marks rows whose text is such.
    pub fn mark_rows(&self, marked: &mut Mask, is_such: impl Fn(&[u8]) -> bool) {
        for (row, place) in &self.rows {
            if is_such(&self.bytes[place.clone()]) {
                marked.set(*row);
            }
        }
    }

    /// Marks JSON records with escapes that may stand for any letter.
    pub fn mark_escapes(&self, careful: bool, marked: &mut Mask) {
        let Some(first) = memchr::memchr(b'\\', self.bytes) else {
            return;
        };
        if careful {
            self.mark_unknown_escapes(first, marked);
            return;
        }
        for sought in ["\\u", "\\/"] {
            let finder = memchr::memmem::Finder::new(sought);
            let mut from = first;
            while let Some(at) = self.bytes.get(from..).and_then(|rest| finder.find(rest)) {
                let at = from + at;
                // Behind a backslash that is itself escaped it is none.
                let before = self.bytes[..at].iter().rev().take_while(|byte| **byte == b'\\');
                from = if before.count() % 2 == 0 {
                    self.mark(at, marked)
                } else {
                    at + 2
                };
            }
        }
    }

    /// The same, and records with an escape that JSON does not have.
    fn mark_unknown_escapes(&self, first: usize, marked: &mut Mask) {
        let mut from = first;
        while let Some(at) = self
            .bytes
            .get(from..)
            .and_then(|rest| memchr::memchr(b'\\', rest))
        {
            let at = from + at;
            from = match self.bytes.get(at + 1) {
                Some(b'\\' | b'"' | b'n' | b'r' | b't' | b'b' | b'f') => at + 2,
                _ => self.mark(at, marked),
            };
        }
    }
}
