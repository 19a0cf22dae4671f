//! A bounded map that forgets roughly what was used least lately.

use ahash::AHashMap;
use std::hash::Hash;

/// Two generations of at most half the capacity each: entries are put into the young one; when
/// that is full it becomes the old one and what the old one held is forgotten, but for what was
/// asked for since. Which entries survive depends on the order of calls alone.
pub(crate) struct Recent<K, V> {
    young: AHashMap<K, V>,
    old: AHashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq + Copy, V: Clone> Recent<K, V> {
    /// Holds at most `capacity` entries (at least two).
    pub fn new(capacity: usize) -> Self {
        Recent {
            young: AHashMap::new(),
            old: AHashMap::new(),
            half: (capacity / 2).max(1),
        }
    }

    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(*key, value.clone());
        Some(value)
    }

    pub fn put(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_used_and_stays_bounded() {
        let mut recent = Recent::new(100);
        recent.put(0, 0);
        for key in 1..10_000 {
            recent.put(key, key);
            assert_eq!(recent.get(&0), Some(0), "asked for all the time, at {key}");
            assert!(recent.len() <= 100);
        }
        assert_eq!(recent.get(&5), None, "long unused");
    }
}
