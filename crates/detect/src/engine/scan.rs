//! Whether any of many literals is in one of many texts that lie in one stretch of memory, ASCII case
//! aside.
//!
//! One call over some KB costs a few nanoseconds a record, where calls record by record cost a
//! hundred. The search is Teddy's, by vectors (the `packed` searcher of `aho-corasick`), for the
//! bytes of the literals that [`super::needles`] chooses. Case is told by one bit, so that `[` is `{`
//! and `_` is no letter either: a row may be found that has no literal. A stretch is looked at piece by piece, so
//! that what is asked of a piece after the first question lies in the nearest cache.

use super::needles::{self, Needle};
use super::program::Mask;
use aho_corasick::packed;
use arrow::array::{Array, StringViewArray};
use std::ops::Range;

/// Short literals a pass.
const GROUP_MAX: usize = 64;
/// Beyond so many passes a walk record by record is not slower.
const PASSES_MAX: usize = 4;
/// Half of a nearest cache.
const PIECE_BYTES: usize = 16 << 10;

/// Literals in lower case, their ASCII letters at least.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    passes: Vec<Pass>,
}

/// What is sought together.
#[derive(Clone, Debug)]
struct Pass {
    searcher: packed::Searcher,
    /// By needle: its literals, and where in them it begins.
    literals: Vec<Vec<(Box<[u8]>, usize)>>,
}

impl Pass {
    fn new(needles: &[Needle], literals: &[&[u8]]) -> Option<Pass> {
        let patterns = needles.iter().map(|needle| &needle.bytes);
        let of = |needle: &Needle| {
            let literals = needle
                .literals
                .iter()
                .map(|(at, from)| (literals[*at].into(), *from));
            literals.collect()
        };
        Some(Pass {
            searcher: packed::Config::new().builder().extend(patterns).build()?,
            literals: needles.iter().map(of).collect(),
        })
    }

    /// Whether a literal is around this place where one of its needles was found.
    fn holds(&self, text: &[u8], hit: &aho_corasick::Match) -> bool {
        let mut literals = self.literals[hit.pattern().as_usize()].iter();
        literals.any(|(literal, from)| {
            let start = hit.start().checked_sub(*from);
            start.is_some_and(|start| text[start..].starts_with(literal))
        })
    }
}

impl Scan {
    /// `None` where it does not pay or vectors are not to be had.
    pub fn new(literals: &[String]) -> Option<Scan> {
        let folded = |literal: &String| literal.bytes().map(|byte| byte | needles::FOLD).collect();
        let literals: Vec<Vec<u8>> = literals.iter().map(folded).collect();
        if literals.iter().any(|literal| literal.len() < 2) {
            return None;
        }
        // Where one holds another, the other is there whenever it is.
        let holds_another = |literal: &&[u8]| {
            let mut others = literals
                .iter()
                .map(Vec::as_slice)
                .filter(|other| other != literal);
            others.any(|other| memchr::memmem::find(literal, other).is_some())
        };
        let all = literals.iter().map(Vec::as_slice);
        let (long, short): (Vec<&[u8]>, Vec<&[u8]>) = all
            .filter(|literal| !holds_another(literal))
            .partition(|literal| literal.len() >= needles::BYTES);
        let mut passes = Vec::new();
        for needles in needles::passes(&long, PASSES_MAX)? {
            passes.push(Pass::new(&needles, &long)?);
        }
        for group in short.chunks(GROUP_MAX) {
            let needle = |(at, literal): (usize, &&[u8])| Needle {
                bytes: literal.to_vec(),
                literals: vec![(at, 0)],
            };
            let needles: Vec<Needle> = group.iter().enumerate().map(needle).collect();
            passes.push(Pass::new(&needles, group)?);
        }
        (passes.len() <= PASSES_MAX).then_some(Scan { passes })
    }

    /// Calls `found` with places inside of literals; it gives back where to go on.
    pub fn find(&self, text: &[u8], lower: &mut Vec<u8>, mut found: impl FnMut(usize) -> usize) {
        lower.clear();
        lower.extend(text.iter().map(|byte| byte | needles::FOLD));
        for pass in &self.passes {
            let mut from = 0;
            while let Some(hit) = pass.searcher.find_in(&*lower, (from..lower.len()).into()) {
                from = hit.start() + 1;
                if pass.holds(lower, &hit) {
                    from = found(hit.start()).max(from);
                }
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

    /// Rows side by side, of some KB together.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut rest = &self.rows[..];
        std::iter::from_fn(move || {
            let from = rest.first()?.1.start;
            let count = rest.partition_point(|(_, row)| row.end - from <= PIECE_BYTES);
            let (rows, others) = rest.split_at(count.max(1));
            rest = others;
            let bytes = &self.bytes[from..rows.last()?.1.end];
            Some(Piece { bytes, rows, from })
        })
    }
}

/// Part of a [`Stretch`].
pub(super) struct Piece<'a> {
    pub bytes: &'a [u8],
    rows: &'a [(usize, Range<usize>)],
    /// Where it begins.
    from: usize,
}

impl Piece<'_> {
    /// Number of the row that holds this place; `Err`: of the next one.
    fn at(&self, place: usize) -> Result<usize, usize> {
        let place = self.from + place;
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
        let next = self.rows.get(next);
        next.map_or(self.bytes.len(), |(_, row)| row.start - self.from)
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
        for (row, place) in self.rows {
            if is_such(&self.bytes[place.start - self.from..place.end - self.from]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Rows of several pieces, with and without literals, some of which hold one another.
        #[test]
        fn the_rows_with_a_literal_are_found(
            literals in prop::collection::vec("[a-d=]{2,11}", 1..150),
            texts in prop::collection::vec("[a-dA-D= ]{13,90}", 1..60),
            repeated in 1usize..12,
        ) {
            let Some(scan) = Scan::new(&literals) else { return Ok(()) };
            let texts: Vec<String> = texts.iter().map(|text| text.repeat(repeated)).collect();
            let one = format!("..{}", texts.join("\n"));
            let block = arrow::buffer::Buffer::from_vec(one.into_bytes());
            let (mut views, mut at) = (arrow::array::StringViewBuilder::new(), 2);
            let buffer = views.append_block(block);
            for text in &texts {
                views.try_append_view(buffer, at, text.len() as u32).expect("inside of the block");
                at += text.len() as u32 + 1;
            }
            let (all, mut found) = (Mask::first(texts.len()), Mask::NONE);
            let views = views.finish();
            let stretch = Stretch::of(&views, 0, &all, &mut found).expect("one stretch");
            let mut scratch = Vec::new();
            for piece in stretch.pieces() {
                scan.find(piece.bytes, &mut scratch, |place| piece.mark(place, &mut found));
            }
            for (row, text) in texts.iter().enumerate() {
                let lower = text.to_ascii_lowercase();
                let holds = literals.iter().any(|literal| lower.contains(literal.as_str()));
                prop_assert_eq!(found.rows().any(|at| at == row), holds, "{} {:?}", text, literals);
            }
        }
    }
}
