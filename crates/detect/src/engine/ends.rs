//! Which of many literals a text ends with, ASCII case aside.
//!
//! Lists of domains and of file names ask only for that: one look at the last bytes says for nearly
//! every text that there is none.

use crate::sigma::pattern::lowered;
use std::collections::HashMap;

/// Bytes of the shortest literals; those shorter yet are none of these.
pub(super) const BYTES_MIN: usize = 4;
/// Literals from here on are told by as many bytes: half of all domains end with `.com`.
const LONG_BYTES: usize = 8;
const WORDS: usize = 256;
/// Makes ASCII letters small, and other bytes no less alike.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// Literals in lower case, numbered as they came.
pub(super) struct Ends {
    short: Last<BYTES_MIN>,
    long: Last<LONG_BYTES>,
}

/// A literal and its number.
type Literal = (Box<[u8]>, u32);

/// Literals told by their last bytes.
struct Last<const BYTES: usize> {
    /// A bit for the hash of the last bytes of each.
    marks: Box<[u64; WORDS]>,
    places: HashMap<u64, Vec<Literal>, ahash::RandomState>,
}

impl<const BYTES: usize> Last<BYTES> {
    fn new() -> Last<BYTES> {
        Last {
            marks: Box::new([0; WORDS]),
            places: HashMap::default(),
        }
    }

    #[inline]
    fn last_bytes(text: &[u8]) -> Option<u64> {
        let last: &[u8; BYTES] = text.last_chunk()?;
        let mut bytes = [0; 8];
        bytes[..BYTES].copy_from_slice(last);
        Some(u64::from_le_bytes(bytes) | FOLD)
    }

    #[inline]
    fn mark(bytes: u64) -> (usize, u64) {
        let bit = bytes.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - (64 * WORDS).trailing_zeros());
        (bit as usize >> 6, 1 << (bit & 63))
    }

    fn add(&mut self, literal: &[u8], number: u32) {
        let last = Self::last_bytes(literal).unwrap_or_default();
        let (word, bit) = Self::mark(last);
        self.marks[word] |= bit;
        self.places
            .entry(last)
            .or_default()
            .push((literal.into(), number));
    }

    #[inline]
    fn find(&self, text: &[u8], each: &mut impl FnMut(u32)) {
        let Some(last) = Self::last_bytes(text) else {
            return;
        };
        let (word, bit) = Self::mark(last);
        if self.marks[word] & bit == 0 {
            return;
        }
        for (literal, number) in self.places.get(&last).into_iter().flatten() {
            let end = text.len().checked_sub(literal.len()).map(|from| &text[from..]);
            if end.is_some_and(|end| end.eq_ignore_ascii_case(literal)) {
                each(*number);
            }
        }
    }
}

impl Ends {
    /// `None` without any; each has [`BYTES_MIN`] bytes at least.
    pub fn new<'l>(literals: impl Iterator<Item = &'l str>) -> Option<Ends> {
        let mut ends = Ends {
            short: Last::new(),
            long: Last::new(),
        };
        for (number, literal) in (0u32..).zip(literals) {
            match literal.len() {
                LONG_BYTES.. => ends.long.add(literal.as_bytes(), number),
                _ => ends.short.add(literal.as_bytes(), number),
            }
        }
        let any = !ends.short.places.is_empty() || !ends.long.places.is_empty();
        any.then_some(ends)
    }

    /// Calls `each` with the number of every literal at the end of the lower-case form of `text`.
    #[inline]
    pub fn find(&self, text: &str, each: impl FnMut(u32)) {
        if text.is_ascii() {
            self.find_in(text.as_bytes(), each);
        } else {
            self.find_in(lowered(text).as_bytes(), each);
        }
    }

    #[inline]
    fn find_in(&self, text: &[u8], mut each: impl FnMut(u32)) {
        self.long.find(text, &mut each);
        self.short.find(text, &mut each);
    }

    /// Whether the lower-case form of `text` ends with any.
    #[inline]
    pub fn any(&self, text: &str) -> bool {
        let mut any = false;
        self.find(text, |_| any = true);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_literals_at_the_end_are_found(
            literals in prop::collection::vec("[abk.K한]{4,12}", 1..40),
            text in "[abABkK.한İK]{0,12}",
            at in 0usize..40,
        ) {
            let literals: Vec<String> = literals.iter().map(|literal| lowered(literal)).collect();
            prop_assume!(literals.iter().all(|literal| literal.len() >= BYTES_MIN));
            let ends = Ends::new(literals.iter().map(String::as_str)).expect("some");
            let with_end = format!("{text}{}", literals[at % literals.len()].to_uppercase());
            for text in [text, with_end] {
                let lower = lowered(&text);
                let expected: Vec<u32> =
                    (0u32..).zip(&literals).filter(|(_, l)| lower.ends_with(l.as_str())).map(|(n, _)| n).collect();
                let mut found = Vec::new();
                ends.find(&text, |number| found.push(number));
                found.sort_unstable();
                prop_assert_eq!(found, expected, "{}", text);
                prop_assert_eq!(ends.any(&text), literals.iter().any(|l| lower.ends_with(l.as_str())));
            }
        }
    }
}
