//! Evidence that adds up: each sign is a probability of its own.

use super::verdict::{Class, Verdicts};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::borrow::Cow;

/// Independent signs of one kind of attack, joined by the noisy-or.
#[derive(Debug)]
pub struct Evidence {
    innocent: f32,
    top: (f32, &'static str),
}

impl Evidence {
    pub fn new() -> Self {
        Self {
            innocent: 1.0,
            top: (0.0, ""),
        }
    }

    /// Adds a sign that by itself makes an attack as likely as `weight`.
    pub fn add(&mut self, weight: f32, reason: &'static str) {
        self.innocent *= 1.0 - weight.clamp(0.0, 1.0);
        if weight > self.top.0 {
            self.top = (weight, reason);
        }
    }

    pub fn raise(&self, class: Class, verdicts: &mut Verdicts) {
        verdicts.raise(class, 1.0 - self.innocent, || Cow::Borrowed(self.top.1));
    }
}

/// Texts that are signs, each with its weight and reason, found in one pass whatever their case.
///
/// A text that begins or ends with a letter or digit only counts at the edge of a word, unless
/// it begins or ends with `*`.
pub struct Literals {
    automaton: AhoCorasick,
    signs: Vec<Sign>,
}

struct Sign {
    weight: f32,
    reason: &'static str,
    edge_before: bool,
    edge_behind: bool,
}

impl Literals {
    /// From groups of a weight, a reason and the texts; 256 texts in all at most.
    pub fn new(groups: &[(f32, &'static str, &[&str])]) -> Self {
        let mut texts = Vec::new();
        let mut signs = Vec::new();
        for (weight, reason, group) in groups {
            for text in *group {
                let bare = text.trim_matches('*');
                let is_word = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
                texts.push(bare.to_owned());
                signs.push(Sign {
                    weight: *weight,
                    reason,
                    edge_before: is_word(text.bytes().next()),
                    edge_behind: is_word(text.bytes().last()),
                });
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&texts)
            .expect("a few hundred short texts make an automaton");
        Self { automaton, signs }
    }

    /// Adds each sign in `text` once.
    pub fn look(&self, text: &str, evidence: &mut Evidence) {
        let bytes = text.as_bytes();
        let is_word = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        };
        let mut seen = [0u64; 4];
        for found in self.automaton.find_overlapping_iter(text) {
            let at = found.pattern().as_usize();
            let sign = &self.signs[at];
            let inside = sign.edge_before && is_word(found.start().checked_sub(1))
                || sign.edge_behind && is_word(Some(found.end()));
            let (word, bit) = (at / 64 % 4, 1u64 << (at % 64));
            if !inside && seen[word] & bit == 0 {
                seen[word] |= bit;
                evidence.add(sign.weight, sign.reason);
            }
        }
    }
}
