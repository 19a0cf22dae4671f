//! Where a JSON object in a byte stream ends: braces are counted outside strings, 64 bytes at a time;
//! nothing is validated.

use crate::separators::{self, Signs};

/// A top-level object in a byte stream; `end` is `None` when the stream ends inside it.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub start: usize,
    pub end: Option<usize>,
}

/// The first `{…}` at or after `from`, by counting braces outside strings; not validated.
pub fn next_object(bytes: &[u8], from: usize) -> Option<Found> {
    let start = from + memchr::memchr(b'{', bytes.get(from..)?)?;
    let end = Braces::default().end(&bytes[start..]);
    Some(Found {
        start,
        end: end.map(|end| start + end),
    })
}

/// Follows the braces of one object over any number of pieces.
#[derive(Clone, Debug, Default)]
pub struct Braces {
    depth: u64,
    string: bool,
    escape: bool,
}

impl Braces {
    /// Where the object that began with the first piece ends in this piece, behind its brace.
    pub fn end(&mut self, piece: &[u8]) -> Option<usize> {
        let (chunks, rest) = piece.as_chunks::<64>();
        for (number, chunk) in chunks.iter().enumerate() {
            let signs = separators::signs(chunk);
            // Only in strings does a backslash mean something: that takes every byte's turn.
            let end = if self.escape || signs.slashes != 0 {
                self.end_by_bytes(chunk)
            } else {
                self.end_by_signs(&signs)
            };
            if let Some(end) = end {
                return Some(number * 64 + end);
            }
        }
        let end = self.end_by_bytes(rest)?;
        Some(chunks.len() * 64 + end)
    }

    fn end_by_signs(&mut self, signs: &Signs) -> Option<usize> {
        // Bit i says whether byte i is in a string: the parity of the quotes up to there.
        let mut inside = signs.quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        if self.string {
            inside = !inside;
        }
        self.string = inside >> 63 == 1;
        let (opens, closes) = (signs.opens & !inside, signs.closes & !inside);
        let (ups, downs) = (u64::from(opens.count_ones()), u64::from(closes.count_ones()));
        if self.depth > downs {
            self.depth = self.depth + ups - downs;
            return None;
        }
        let mut braces = opens | closes;
        while braces != 0 {
            let at = braces.trailing_zeros();
            braces &= braces - 1;
            if opens >> at & 1 == 1 {
                self.depth += 1;
                continue;
            }
            self.depth = self.depth.saturating_sub(1);
            if self.depth == 0 {
                return Some(at as usize + 1);
            }
        }
        None
    }

    fn end_by_bytes(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, &byte) in piece.iter().enumerate() {
            if self.escape {
                self.escape = false;
                continue;
            }
            match byte {
                b'\\' if self.string => self.escape = true,
                b'"' => self.string = !self.string,
                b'{' if !self.string => self.depth += 1,
                b'}' if !self.string => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
