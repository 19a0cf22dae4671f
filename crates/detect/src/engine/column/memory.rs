//! What a column remembers of the values it has seen.

use crate::engine::lookup;

/// The entries of the texts seen last: near at hand where a column has few values, and told by a look
/// at a few bytes and a comparison, which costs less than a hash.
#[derive(Default)]
pub struct Recent(Vec<Seen>);

#[derive(Clone, Default)]
struct Seen {
    /// 0: nothing was seen.
    sign: u64,
    text: String,
    entry: u32,
}

/// Something of a text that is nearly its own. Asked for all rows of a column before any of them is
/// looked at: the texts lie far apart in memory, and are fetched side by side then.
#[inline]
pub fn sign_of(text: &str) -> u64 {
    Recent::sign(text, false)
}

/// The same of a value as a parser hands it over.
#[inline]
pub fn sign_of_json(json: &str) -> u64 {
    match lookup::plain_text(json) {
        Some(text) => sign_of(text),
        None => Recent::sign(json, true),
    }
}

impl Recent {
    const LEN: usize = 512;
    /// Longer texts are found by their hash.
    const BYTES_MAX: usize = 256;

    /// Something of the text that is nearly its own, never 0; `spelled` keeps apart what is JSON.
    #[inline]
    fn sign(text: &str, spelled: bool) -> u64 {
        let bytes = text.as_bytes();
        let (first, last) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => {
                let mut all = [0; 8];
                all[..bytes.len()].copy_from_slice(bytes);
                (u64::from_le_bytes(all), 0)
            }
        };
        let length = (bytes.len() as u64) << 1 | u64::from(spelled);
        let mixed = (first ^ last.rotate_left(29) ^ length << 48).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 32) | 1 << 63
    }

    #[inline]
    pub fn get(&self, sign: u64, text: &str) -> Option<u32> {
        let seen = self.0.get(sign as usize % Recent::LEN)?;
        (seen.sign == sign && seen.text == text).then_some(seen.entry)
    }

    pub fn put(&mut self, sign: u64, text: &str, entry: u32) {
        if text.len() > Recent::BYTES_MAX {
            return;
        }
        if self.0.is_empty() {
            self.0.resize(Recent::LEN, Seen::default());
        }
        let seen = &mut self.0[sign as usize % Recent::LEN];
        (seen.sign, seen.entry) = (sign, entry);
        seen.text.clear();
        seen.text.push_str(text);
    }
}

/// Whether values come again. Where most are new, remembering them costs more than judging them,
/// since most hold none of the literals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habit {
    looked: u32,
    unknown: u32,
    /// So many values more are judged without a look at the memory.
    unasked: u32,
    /// How many it was the last time.
    before: u32,
}

impl Habit {
    /// Values looked up before it is decided, and at least judged without that after it.
    const TRIED: u32 = 256;
    /// Doubled from time to time up to this: a column of some hundred values must first learn them.
    const UNASKED_MAX: u32 = 16_384;

    /// Whether the next value is to be taken for new.
    #[inline]
    pub fn is_new(&mut self) -> bool {
        let new = self.unasked > 0;
        self.unasked -= u32::from(new);
        new
    }

    #[inline]
    pub fn note(&mut self, unknown: bool) {
        self.looked += 1;
        self.unknown += u32::from(unknown);
        if self.looked == Habit::TRIED {
            self.decide();
        }
    }

    fn decide(&mut self) {
        if self.unknown > Habit::TRIED / 4 {
            // At first they are all new.
            self.unasked = self.before;
            self.before = (2 * self.before).clamp(Habit::TRIED, Habit::UNASKED_MAX);
        } else {
            self.before = 0;
        }
        (self.looked, self.unknown) = (0, 0);
    }
}
