//! Which known key a record's key is: the records of a log mostly have their keys in one order, so
//! the key that came after this one in the records before is tried first.
//!
//! What an input can make this keep is bounded; keys beyond that are looked up each time.

use ahash::AHashMap;

/// Keys without a meaning that are remembered.
const LEARNED_MAX: usize = 256;
/// Longest of them, in bytes.
const LEARNED_BYTES_MAX: usize = 64;

/// The keys of one kind of object, and what comes after each.
pub struct KeyOrder {
    /// The first stands for the beginning of an object.
    seen: Vec<Seen>,
    /// Places in `seen`.
    places: AHashMap<Box<str>, u16>,
    learned_max: usize,
}

struct Seen {
    key: Box<str>,
    meaning: Option<u16>,
    /// Places of the keys that came next: the latest, and the one before it.
    next: [u16; 2],
}

/// Where in an object the search stands.
#[derive(Clone, Copy, Default)]
pub struct Cursor(u16);

impl KeyOrder {
    /// Each known key means its place in `keys`; of equal ones the first. At most 32 768.
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        let mut order = KeyOrder {
            seen: Vec::new(),
            places: AHashMap::new(),
            learned_max: 0,
        };
        order.seen.push(Seen {
            key: Box::from(""),
            meaning: None,
            next: [0; 2],
        });
        for (meaning, key) in keys.into_iter().take(1 << 15).enumerate() {
            if !order.places.contains_key(key) {
                order.add(key, Some(meaning as u16));
            }
        }
        order.learned_max = order.seen.len() + LEARNED_MAX;
        order
    }

    fn add(&mut self, key: &str, meaning: Option<u16>) -> u16 {
        let place = self.seen.len() as u16;
        self.seen.push(Seen {
            key: Box::from(key),
            meaning,
            next: [0; 2],
        });
        self.places.insert(Box::from(key), place);
        place
    }

    /// What the next key of an object means; `None` when it is not known.
    #[inline]
    pub fn find(&mut self, cursor: &mut Cursor, key: &str) -> Option<u16> {
        let [latest, other] = self.seen[usize::from(cursor.0)].next;
        for guess in [latest, other] {
            let seen = &self.seen[usize::from(guess)];
            // The beginning of an object is no key.
            if guess != 0 && is_same(seen.key.as_bytes(), key.as_bytes()) {
                *cursor = Cursor(guess);
                return seen.meaning;
            }
        }
        self.look_up(cursor, key)
    }

    #[cold]
    fn look_up(&mut self, cursor: &mut Cursor, key: &str) -> Option<u16> {
        let place = match self.places.get(key) {
            Some(&place) => place,
            None if self.seen.len() < self.learned_max && key.len() <= LEARNED_BYTES_MAX => {
                self.add(key, None)
            }
            None => return None,
        };
        let next = &mut self.seen[usize::from(cursor.0)].next;
        *next = [place, next[0]];
        *cursor = Cursor(place);
        self.seen[usize::from(place)].meaning
    }
}

/// Equality of short texts, without a call.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    if let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        let (mut a, mut b) = (a, b);
        while let (Some(a_first), Some(b_first)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) {
            if word(a_first) != word(b_first) {
                return false;
            }
            (a, b) = (&a[8..], &b[8..]);
        }
        return word(a_last) == word(b_last);
    }
    if let (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) = (
        a.first_chunk::<4>(),
        b.first_chunk::<4>(),
        a.last_chunk::<4>(),
        b.last_chunk::<4>(),
    ) {
        return a_first == b_first && a_last == b_last;
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests;
