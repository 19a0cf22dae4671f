//! Entries side by side, found by a hash, that can be given up a share at a time.
//!
//! One table holds what a detector knows of each of its keys. Under an attack these are millions,
//! nearly all of them seen once: an entry must be small, need no place of its own on the heap, and
//! making room must not take longer the more there are. What goes is what ranks lowest, up to a limit
//! that is estimated from a sample; the last entries move into the gaps, so that the table ends where
//! its memory does. Nothing is made anew beside what is there.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// What finds its entry again.
pub trait Hashed {
    fn hash(&self) -> u64;
}

/// See the module. Places are numbers from 0 on, without gaps.
#[derive(Debug)]
pub struct Pool<T> {
    index: HashTable<u32>,
    entries: Vec<T>,
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool {
            index: HashTable::new(),
            entries: Vec::new(),
        }
    }
}

/// Entries looked at for the limit up to which others go: the share that goes differs from the one
/// asked for by some hundredths of it.
const SAMPLE: usize = 8_192;

impl<T: Hashed> Pool<T> {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.entries.iter()
    }

    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.entries.iter_mut()
    }

    pub fn get(&self, place: u32) -> &T {
        &self.entries[place as usize]
    }

    pub fn get_mut(&mut self, place: u32) -> &mut T {
        &mut self.entries[place as usize]
    }

    /// The place of the entry with this hash of which `is` holds.
    #[inline]
    pub fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<u32> {
        let entries = &self.entries;
        self.index.find(hash, |&at| is(&entries[at as usize])).copied()
    }

    /// The same, made now if there is none.
    #[inline]
    pub fn place(&mut self, hash: u64, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> u32 {
        let entries = &mut self.entries;
        let found = self.index.entry(
            hash,
            |&at| is(&entries[at as usize]),
            |&at| entries[at as usize].hash(),
        );
        match found {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let at = u32::try_from(entries.len()).expect("memory is bounded far below 2^32 keys");
                free.insert(at);
                entries.push(make());
                at
            }
        }
    }

    /// Memory of entries and index, bytes; not what entries hold elsewhere.
    pub fn bytes(&self) -> usize {
        self.entries.len() * size_of::<T>() + self.index.allocation_size()
    }

    /// The rank up to which about `share` of the entries lie, at least one; `None` without entries.
    pub fn limit<R: Ord>(&self, share: f64, rank: impl Fn(&T) -> R) -> Option<R> {
        limit(self.entries.iter().map(rank), self.entries.len(), share)
    }

    /// Gives up the entries of which `goes` holds, and says where the others are; `gone` has each.
    pub fn give_up(&mut self, goes: impl Fn(&T) -> bool, mut gone: impl FnMut(T)) -> Moves {
        let before = self.entries.len();
        let mut marks = vec![0u64; before.div_ceil(64)];
        let mut count = 0;
        for (at, entry) in (0u32..).zip(&self.entries) {
            if goes(entry) {
                marks[at as usize / 64] |= 1 << (at % 64);
                count += 1;
                if let Ok(found) = self.index.find_entry(entry.hash(), |&known| known == at) {
                    found.remove();
                }
            }
        }
        let kept = before - count;
        let mut moves = Moves {
            marks,
            kept,
            moved: vec![NOWHERE; count],
        };
        let mut last = before;
        for hole in 0..kept {
            if !moves.is_marked(hole) {
                continue;
            }
            last -= 1;
            while moves.is_marked(last) {
                last -= 1;
            }
            self.entries.swap(hole, last);
            let (from, to) = (last as u32, hole as u32);
            let hash = self.entries[hole].hash();
            if let Some(known) = self.index.find_mut(hash, |&known| known == from) {
                *known = to;
            }
            moves.moved[last - kept] = to;
        }
        self.entries.drain(kept..).for_each(&mut gone);
        self.fit();
        moves
    }

    /// Gives memory back that is not used any more.
    fn fit(&mut self) {
        self.entries.shrink_to_fit();
        if self.index.capacity() / 4 > self.entries.len() {
            let entries = &self.entries;
            self.index
                .shrink_to(entries.len(), |&at| entries[at as usize].hash());
        }
    }
}

/// The rank up to which about `share` of `len` lie, at least one of them; `None` without any.
pub fn limit<R: Ord>(ranks: impl Iterator<Item = R>, len: usize, share: f64) -> Option<R> {
    let mut sample: Vec<R> = ranks.step_by((len / SAMPLE).max(1)).collect();
    if sample.is_empty() {
        return None;
    }
    let at = (sample.len() as f64 * share) as usize;
    let at = at.min(sample.len() - 1);
    sample.select_nth_unstable(at);
    Some(sample.swap_remove(at))
}

/// What share of `bytes` has to go for `bytes_max`: a little more than seems needed, since those that
/// go first are the smallest.
pub fn share_over(bytes: usize, bytes_max: usize) -> f64 {
    let over = bytes.saturating_sub(bytes_max);
    over as f64 / bytes.max(1) as f64 * 1.1
}

/// Where entries are after some were given up.
pub struct Moves {
    /// Bits of the places whose entries are gone.
    marks: Vec<u64>,
    kept: usize,
    /// Where the entries of the places from `kept` on are.
    moved: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl Moves {
    fn is_marked(&self, place: usize) -> bool {
        self.marks[place / 64] >> (place % 64) & 1 != 0
    }

    /// How many are gone.
    pub fn count(&self) -> usize {
        self.moved.len()
    }

    /// The place now of the entry that was at `place`; `None`: it is gone.
    pub fn of(&self, place: u32) -> Option<u32> {
        match (place as usize).checked_sub(self.kept) {
            Some(at) => Some(self.moved[at]).filter(|to| *to != NOWHERE),
            None => (!self.is_marked(place as usize)).then_some(place),
        }
    }

    /// Brings a list of places up to date.
    pub fn apply(&self, places: &mut Vec<u32>) {
        places.retain_mut(|place| match self.of(*place) {
            Some(now) => {
                *place = now;
                true
            }
            None => false,
        });
        if places.capacity() / 2 > places.len() {
            places.shrink_to_fit();
        }
    }
}

/// What the allocator takes for a piece of so many bytes: it rounds up to sixteen and puts eight
/// before (glibc malloc, `malloc/malloc.c`, on machines of 64 bits); nothing for none.
pub fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        _ => ((bytes + 8).next_multiple_of(16)).max(32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug)]
    struct Number(u64);

    /// Few different ones up to 200: entries of equal hashes are told apart.
    fn mixed(number: u64) -> u64 {
        (number / 30).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    impl Hashed for Number {
        fn hash(&self) -> u64 {
            mixed(self.0)
        }
    }

    proptest! {
        #[test]
        fn entries_are_found_whatever_was_given_up(
            rounds in prop::collection::vec((prop::collection::vec(0u64..200, 0..80), 0u64..9), 1..12),
        ) {
            let mut pool: Pool<Number> = Pool::default();
            let mut known: BTreeMap<u64, u32> = BTreeMap::new();
            for (numbers, divisor) in rounds {
                for number in numbers {
                    let is = |entry: &Number| entry.0 == number;
                    let place = pool.place(mixed(number), is, || Number(number));
                    prop_assert_eq!(*known.entry(number).or_insert(place), place);
                }
                let goes = |number: u64| divisor > 0 && number.is_multiple_of(divisor);
                let mut gone = Vec::new();
                let moves = pool.give_up(|entry| goes(entry.0), |entry| gone.push(entry.0));
                gone.sort_unstable();
                let expected: Vec<u64> = known.keys().copied().filter(|n| goes(*n)).collect();
                prop_assert_eq!(moves.count(), expected.len());
                prop_assert_eq!(&gone, &expected);
                let places = known.iter().map(|(&number, &place)| (number, moves.of(place)));
                known = places.filter_map(|(number, place)| Some((number, place?))).collect();
                prop_assert_eq!(pool.len(), known.len());
                for (&number, &place) in &known {
                    prop_assert!(!goes(number));
                    prop_assert_eq!(pool.get(place).0, number);
                    prop_assert_eq!(pool.find(mixed(number), |entry| entry.0 == number), Some(place));
                }
                for number in gone {
                    prop_assert_eq!(pool.find(mixed(number), |entry| entry.0 == number), None);
                }
            }
        }
    }

    #[test]
    fn limits_divide_as_asked() {
        let limit = |len: usize, share: f64| limit(0..len, len, share);
        assert_eq!(limit(1_000, 0.25), Some(250));
        assert_eq!(limit(1_000, 0.0), Some(0), "at least one");
        assert_eq!(limit(1_000, 7.0), Some(999), "at most all");
        assert_eq!(limit(0, 0.5), None);
        let of_sample = limit(1_000_000, 0.125).expect("not empty");
        assert!((124_000..126_000).contains(&of_sample), "{of_sample}");
    }

    #[test]
    fn memory_is_given_back() {
        let mut pool: Pool<Number> = Pool::default();
        for number in 0..100_000u64 {
            pool.place(mixed(number), |_| false, || Number(number));
        }
        let before = pool.bytes();
        assert!(before >= 100_000 * 12, "{before}");
        pool.give_up(|entry| entry.0 >= 100, |_| ());
        assert_eq!(pool.len(), 100);
        assert!(pool.bytes() < 4_000, "{}", pool.bytes());
    }
}
