//! Which of many literals are in a text, ASCII case aside.
//!
//! A walk through an automaton costs nanoseconds a byte; nearly every text holds none of the
//! literals. So long literals are sought by blocks: of every literal a stretch of [`Blocks::least`]
//! bytes is chosen, all blocks in it are marked, and only every `step`-th place of a text is looked
//! at, since one of those places lies in the stretch wherever the literal stands (after Wu and
//! Manber, *A Fast Algorithm for Multi-Pattern Searching*, 1994, with a fixed step). Short literals
//! are sought with vector instructions first (the `packed` searcher of `aho-corasick`).

use crate::sigma::pattern::lowered;
use aho_corasick::{AhoCorasick, AhoCorasickKind, packed};
use std::collections::HashMap;

/// Literals from here on are sought by blocks of four bytes at every fifth place.
const LONG_BYTES: usize = 8;
/// Where short literals are many, those from here on are sought by blocks of three bytes at every
/// third place.
const MIDDLE_BYTES: usize = 5;
/// More literals than this spoil the vectors' fingerprints.
const PACKED_MAX: usize = 64;
/// Beyond this many bytes of literals a table of all transitions would be too large.
const DFA_BYTES_MAX: usize = 64 << 10;
/// Words of marks for some thousand blocks, and for more of them. The first fit the nearest cache.
const FEW: usize = 1 << 10;
const MANY: usize = 1 << 15;
const FEW_BLOCKS: usize = 8_000;
/// Texts from here on are sought with vectors first.
const VECTORS_FROM: usize = 40;
/// Makes ASCII letters small, and other bytes no less alike.
const FOLD: u32 = 0x2020_2020;

/// Literals, numbered as they came.
pub(super) struct Sieve {
    blocks: Vec<Blocks<FEW>>,
    /// The same for many literals.
    more_blocks: Vec<Blocks<MANY>>,
    short: Option<Short>,
    /// All of two bytes and more, where they are few.
    all: Option<packed::Searcher>,
    /// Literals of one byte.
    bytes: Vec<(u8, u32)>,
    /// Literals that are not ASCII, sought in lower-case text.
    beyond_ascii: Option<(AhoCorasick, Vec<u32>)>,
    /// No ASCII text of fewer bytes holds any.
    least: usize,
    lower: Vec<u8>,
}

/// Literals of some length, found by blocks of bytes in them.
struct Blocks<const WORDS: usize> {
    least: usize,
    /// Bytes of a block: 2 to 4.
    size: usize,
    step: usize,
    /// What is left of four bytes in a block.
    mask: u32,
    /// A bit for the hash of each block.
    marks: Box<[u64; WORDS]>,
    /// Block → literals and where in them it begins.
    places: HashMap<u32, Vec<(u32, u32)>, ahash::RandomState>,
    literals: Vec<(Box<[u8]>, u32)>,
}

/// Short literals: whether there are any, then which.
struct Short {
    any: Option<packed::Searcher>,
    which: Blocks<FEW>,
}

fn automaton(literals: &[(&str, u32)]) -> Option<AhoCorasick> {
    let bytes: usize = literals.iter().map(|(text, _)| text.len()).sum();
    let kind = if bytes > DFA_BYTES_MAX {
        AhoCorasickKind::ContiguousNFA
    } else {
        AhoCorasickKind::DFA
    };
    let texts = literals.iter().map(|(text, _)| text);
    AhoCorasick::builder().kind(Some(kind)).build(texts).ok()
}

fn numbers(literals: &[(&str, u32)]) -> Vec<u32> {
    literals.iter().map(|(_, number)| *number).collect()
}

/// How seldom a byte is in logs, roughly.
fn rarity(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b'c' | b'm' | b'.' | b'/' | b' ' => 0,
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b':' => 1,
        _ => 2,
    }
}

impl<const WORDS: usize> Blocks<WORDS> {
    fn new(literals: &[(&str, u32)], least: usize, size: usize) -> Blocks<WORDS> {
        let mut blocks = Blocks {
            least,
            size,
            step: least - size + 1,
            mask: u32::MAX >> (8 * (4 - size)),
            marks: Box::new([0; WORDS]),
            places: HashMap::default(),
            literals: Vec::new(),
        };
        for (index, (text, number)) in (0u32..).zip(literals) {
            blocks.add(text.as_bytes(), index);
            blocks.literals.push((text.as_bytes().into(), *number));
        }
        blocks
    }

    fn add(&mut self, literal: &[u8], index: u32) {
        let rare = |from: &usize| -> u32 {
            let stretch = &literal[*from..*from + self.least];
            stretch.iter().map(|byte| rarity(*byte)).sum()
        };
        let from = (0..=literal.len() - self.least).max_by_key(rare).unwrap_or(0);
        for at in from..from + self.step {
            let mut bytes = [0; 4];
            bytes[..self.size].copy_from_slice(&literal[at..at + self.size]);
            let block = self.folded(bytes);
            let mark = Self::mark(block);
            self.marks[mark >> 6] |= 1 << (mark & 63);
            let at = u32::try_from(at).expect("literals of rules are short");
            self.places.entry(block).or_default().push((index, at));
        }
    }

    /// The block at the start of four bytes of text.
    fn folded(&self, bytes: [u8; 4]) -> u32 {
        (u32::from_le_bytes(bytes) | FOLD) & self.mask
    }

    fn mark(block: u32) -> usize {
        const { assert!(WORDS.is_power_of_two()) };
        let bits = (WORDS * 64).trailing_zeros();
        (block.wrapping_mul(0x9E37_79B1) >> (32 - bits)) as usize
    }

    fn is_marked(&self, bytes: [u8; 4]) -> u64 {
        let mark = Self::mark(self.folded(bytes));
        self.marks[mark >> 6] >> (mark & 63) & 1
    }

    /// Of four places together: nearly none is marked.
    fn seek(&self, text: &[u8], each: &mut impl FnMut(u32)) {
        let mut at = 0;
        if self.step == 5 {
            while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<20>) {
                let at_offset = |o: usize| [bytes[o], bytes[o + 1], bytes[o + 2], bytes[o + 3]];
                let marked = [0, 5, 10, 15].map(|offset| self.is_marked(at_offset(offset)));
                if marked == [0; 4] {
                    at += 20;
                    continue;
                }
                for (offset, _) in marked.iter().enumerate().filter(|(_, marked)| **marked == 1) {
                    let place = at + 5 * offset;
                    self.check(text, place, self.folded(at_offset(5 * offset)), each);
                }
                at += 20;
            }
        }
        self.check_each(text, at, each);
    }

    /// Looks at the places one by one.
    fn check_each(&self, text: &[u8], mut at: usize, each: &mut impl FnMut(u32)) {
        while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
            if self.is_marked(*bytes) == 1 {
                self.check(text, at, self.folded(*bytes), each);
            }
            at += self.step;
        }
        // Blocks of two and three may end with the text.
        while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= self.size) {
            let mut bytes = [0; 4];
            bytes[..rest.len()].copy_from_slice(rest);
            if self.is_marked(bytes) == 1 {
                self.check(text, at, self.folded(bytes), each);
            }
            at += self.step;
        }
    }

    fn check(&self, text: &[u8], at: usize, block: u32, each: &mut impl FnMut(u32)) {
        for (index, offset) in self.places.get(&block).into_iter().flatten() {
            let (literal, number) = &self.literals[*index as usize];
            let start = at.checked_sub(*offset as usize);
            let found = start.and_then(|start| text.get(start..start + literal.len()));
            if found.is_some_and(|found| found.eq_ignore_ascii_case(literal)) {
                each(*number);
            }
        }
    }
}

impl Short {
    fn new(literals: &[(&str, u32)]) -> Short {
        let few = literals.len() <= PACKED_MAX;
        let searcher = || {
            let texts = literals.iter().map(|(text, _)| text);
            packed::Config::new().builder().extend(texts).build()
        };
        let least = literals.iter().map(|(text, _)| text.len()).min().unwrap_or(2);
        Short {
            any: few.then(searcher).flatten(),
            which: Blocks::new(literals, least, least.min(3)),
        }
    }

    fn seek(&self, text: &[u8], lower: &mut Vec<u8>, each: &mut impl FnMut(u32)) {
        // Vectors pay from some length on.
        if text.len() >= VECTORS_FROM
            && let Some(any) = &self.any
        {
            lower.clear();
            lower.extend_from_slice(text);
            lower.make_ascii_lowercase();
            if any.find(lower).is_none() {
                return;
            }
        }
        self.which.seek(text, each);
    }
}

/// Letters beyond ASCII whose small ones are (or begin with) ASCII letters: the sign of Kelvin, and
/// a capital I with a dot.
fn folds_into_ascii(text: &str) -> bool {
    let holds = |sign: &str| memchr::memmem::find(text.as_bytes(), sign.as_bytes()).is_some();
    holds("\u{212a}") || holds("\u{130}")
}

impl Sieve {
    /// `literals` are in lower case. `None` when they are too many for an automaton.
    pub fn new<'l>(literals: impl Iterator<Item = &'l str>) -> Option<Sieve> {
        let all: Vec<(&str, u32)> = literals.zip(0u32..).collect();
        let least = all.iter().map(|(text, _)| text.len()).min().unwrap_or(usize::MAX);
        let (ascii, beyond): (Vec<_>, Vec<_>) = all.into_iter().partition(|(text, _)| text.is_ascii());
        let of = |from: usize, to: usize| -> Vec<(&str, u32)> {
            let within = ascii.iter().filter(|(text, _)| (from..to).contains(&text.len()));
            within.copied().collect()
        };
        let (long, mut middle) = (of(LONG_BYTES, usize::MAX), Vec::new());
        let mut short = of(2, LONG_BYTES);
        if short.len() > PACKED_MAX {
            (short, middle) = (of(2, MIDDLE_BYTES), of(MIDDLE_BYTES, LONG_BYTES));
        }
        let (mut blocks, mut more_blocks) = (Vec::new(), Vec::new());
        for (literals, least, size) in [(&long, LONG_BYTES, 4), (&middle, MIDDLE_BYTES, 3)] {
            match literals.len() * (least - size + 1) {
                0 => {}
                1..FEW_BLOCKS => blocks.push(Blocks::new(literals, least, size)),
                _ => more_blocks.push(Blocks::new(literals, least, size)),
            }
        }
        let several = of(2, usize::MAX);
        let all = || {
            let texts = several.iter().map(|(text, _)| text);
            packed::Config::new().builder().extend(texts).build()
        };
        let few = (1..=PACKED_MAX).contains(&several.len()) && !long.is_empty();
        let single = ascii.iter().filter(|(text, _)| text.len() == 1);
        Some(Sieve {
            blocks,
            more_blocks,
            short: if short.is_empty() {
                None
            } else {
                Some(Short::new(&short))
            },
            all: few.then(all).flatten(),
            bytes: single
                .map(|(text, number)| (text.as_bytes()[0], *number))
                .collect(),
            beyond_ascii: if beyond.is_empty() {
                None
            } else {
                Some((automaton(&beyond)?, numbers(&beyond)))
            },
            least,
            lower: Vec::new(),
        })
    }

    /// Calls `each` with the number of every literal in the lower-case form of `text`; with some
    /// more than once.
    pub fn find(&mut self, text: &str, mut each: impl FnMut(u32)) {
        if text.is_ascii() {
            if text.len() >= self.least {
                self.find_ascii(text.as_bytes(), &mut each);
            }
            return;
        }
        if folds_into_ascii(text) {
            self.find_ascii(lowered(text).as_bytes(), &mut each);
        } else {
            self.find_ascii(text.as_bytes(), &mut each);
        }
        if let Some((automaton, numbers)) = &self.beyond_ascii {
            for hit in automaton.find_overlapping_iter(&lowered(text)) {
                each(numbers[hit.pattern().as_usize()]);
            }
        }
    }

    /// Whether any literal is in the lower-case form of `text`.
    pub fn any(&mut self, text: &str) -> bool {
        let mut any = false;
        self.find(text, |_| any = true);
        any
    }

    fn find_ascii(&mut self, text: &[u8], each: &mut impl FnMut(u32)) {
        for (byte, number) in &self.bytes {
            if memchr::memchr2(*byte, byte.to_ascii_uppercase(), text).is_some() {
                each(*number);
            }
        }
        if text.len() >= VECTORS_FROM
            && let Some(all) = &self.all
        {
            self.lower.clear();
            self.lower.extend_from_slice(text);
            self.lower.make_ascii_lowercase();
            if all.find(&self.lower).is_none() {
                return;
            }
        }
        for blocks in &self.blocks {
            blocks.seek(text, each);
        }
        for blocks in &self.more_blocks {
            blocks.seek(text, each);
        }
        if let Some(short) = &self.short {
            short.seek(text, &mut self.lower, each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn brute(literals: &[String], text: &str) -> BTreeSet<u32> {
        let lower = lowered(text);
        let found = (0u32..)
            .zip(literals)
            .filter(|(_, literal)| lower.contains(literal.as_str()));
        found.map(|(number, _)| number).collect()
    }

    fn sieved(literals: &[String], text: &str) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut sieve = Sieve::new(literals.iter().map(String::as_str)).expect("few literals");
        sieve.find(text, |number| _ = found.insert(number));
        assert_eq!(sieve.any(text), !found.is_empty());
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_sieve_finds_what_plain_search_finds(
            literals in prop::collection::vec("[ab%=K한]{1,12}", 1..90),
            text in "[abABkK%=한İK]{0,60}",
            at in 0usize..90,
            (before, after) in ("[abx]{0,9}", "[abx]{0,9}"),
        ) {
            let literals: Vec<String> = literals.iter().map(|literal| lowered(literal)).collect();
            prop_assert_eq!(sieved(&literals, &text), brute(&literals, &text));
            let one = &literals[at % literals.len()];
            let around = format!("{before}{}{after}", one.to_uppercase());
            prop_assert_eq!(sieved(&literals, &around), brute(&literals, &around));
        }

        #[test]
        fn long_literals_are_found_wherever_they_stand(
            literals in prop::collection::vec("[a-f/]{5,14}", 1..90),
            at in 0usize..90,
            (before, after) in ("[a-f/]{0,23}", "[a-f/]{0,23}"),
        ) {
            let text = format!("{before}{}{after}", literals[at % literals.len()]);
            prop_assert_eq!(sieved(&literals, &text), brute(&literals, &text));
        }
    }
}
