//! Counting strings: exact while few, a heavy-hitter sketch when many.
//!
//! Past [`KEYS_EXACT_MAX`] keys or [`ARENA_BYTES_MAX`] bytes of keys, the lesser half is
//! forgotten and the count of the largest forgotten key becomes the `floor`: a key that comes
//! (again) starts there. A count is then never too small, and too large by at most the floor,
//! which stays below 2·n / keys kept (the batched form of space-saving: Metwally, Agrawal,
//! El Abbadi, *Efficient Computation of Frequent and Top-k Elements in Data Streams*, 2005;
//! batching as in Anderson et al., *A High-Performance Algorithm for Identifying Frequent Items
//! in Data Streams*, 2017). Keys present from the beginning keep exact counts.

use ahash::RandomState;
use hashbrown::HashTable;

/// Distinct keys of one dimension that are counted exactly.
pub const KEYS_EXACT_MAX: usize = 100_000;
/// Bytes of keys of one dimension.
pub const ARENA_BYTES_MAX: usize = 16 << 20;
/// Longer keys are counted under their first bytes (cut at a character).
pub const KEY_BYTES_MAX: usize = 512;

#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    count: u64,
    at: u32,
    len: u32,
}

/// One dimension: paths, addresses, user agents, …
pub(crate) struct Tops {
    hasher: RandomState,
    table: HashTable<u32>,
    entries: Vec<Entry>,
    arena: Vec<u8>,
    floor: u64,
    keys_max: usize,
    /// Index of the entry that was counted last: runs of equal values are common.
    last: usize,
    /// Told of every key that is new here; `None` until something is forgotten.
    distinct: Option<Distinct>,
}

impl Default for Tops {
    fn default() -> Self {
        Tops::with_keys_max(KEYS_EXACT_MAX)
    }
}

impl Tops {
    pub fn with_keys_max(keys_max: usize) -> Self {
        Tops {
            hasher: RandomState::new(),
            table: HashTable::new(),
            entries: Vec::new(),
            arena: Vec::new(),
            floor: 0,
            keys_max,
            last: usize::MAX,
            distinct: None,
        }
    }

    /// Counts one occurrence.
    #[inline]
    pub fn count(&mut self, key: &str) {
        let key = bounded(key);
        if let Some(entry) = self.entries.get_mut(self.last)
            && entry.len as usize == key.len()
            && &self.arena[entry.at as usize..][..key.len()] == key
        {
            entry.count += 1;
            return;
        }
        self.add(key, 1);
    }

    fn add(&mut self, key: &[u8], by: u64) {
        let hash = self.hasher.hash_one(key);
        let (entries, arena) = (&self.entries, &self.arena);
        let found = self.table.find(hash, |&i| {
            let entry = &entries[i as usize];
            entry.hash == hash && bytes_of(arena, entry) == key
        });
        if let Some(&i) = found {
            self.last = i as usize;
            self.entries[i as usize].count += by;
            return;
        }
        self.insert(key, hash, by);
    }

    #[cold]
    fn insert(&mut self, key: &[u8], hash: u64, by: u64) {
        if self.entries.len() >= self.keys_max || self.arena.len() + key.len() > ARENA_BYTES_MAX {
            self.forget_half();
        }
        if let Some(distinct) = &mut self.distinct {
            distinct.add(key);
        }
        let entry = Entry {
            hash,
            count: self.floor + by,
            at: u32::try_from(self.arena.len()).expect("the arena is capped far below 4 GiB"),
            len: u32::try_from(key.len()).expect("keys are cut"),
        };
        self.arena.extend_from_slice(key);
        let i = self.entries.len();
        self.entries.push(entry);
        let entries = &self.entries;
        let index = u32::try_from(i).expect("keys are capped");
        self.table
            .insert_unique(hash, index, |&i| entries[i as usize].hash);
        self.last = i;
    }

    fn forget_half(&mut self) {
        if self.distinct.is_none() {
            let mut distinct = Distinct::default();
            for entry in &self.entries {
                distinct.add(bytes_of(&self.arena, entry));
            }
            self.distinct = Some(distinct);
        }
        let mut order: Vec<u32> = (0..self.entries.len()).map(|i| i as u32).collect();
        // Ties by key, so that the outcome does not depend on the hasher's seed.
        order.sort_unstable_by(|&a, &b| self.order(a).cmp(&self.order(b)));
        let keep = order.split_off(order.len().div_ceil(2));
        if let Some(&largest) = order.last() {
            self.floor = self.floor.max(self.entries[largest as usize].count);
        }
        let (entries, arena) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.arena));
        self.table.clear();
        self.last = usize::MAX;
        for i in keep {
            let entry = entries[i as usize];
            let at = self.arena.len() as u32;
            self.arena.extend_from_slice(bytes_of(&arena, &entry));
            let index = self.entries.len() as u32;
            self.entries.push(Entry { at, ..entry });
            let kept = &self.entries;
            self.table
                .insert_unique(entry.hash, index, |&i| kept[i as usize].hash);
        }
    }

    fn order(&self, i: u32) -> (u64, &[u8]) {
        let entry = &self.entries[i as usize];
        (entry.count, bytes_of(&self.arena, entry))
    }

    /// Adds another's counts; what one has forgotten is added at its floor.
    pub fn merge(&mut self, other: &Tops) {
        let (mine, theirs) = (self.floor, other.floor);
        if theirs > 0 {
            for entry in &mut self.entries {
                let key = bytes_of(&self.arena, entry);
                if other.find(key).is_none() {
                    entry.count += theirs;
                }
            }
            match (&mut self.distinct, &other.distinct) {
                (Some(a), Some(b)) => a.merge(b),
                (None, Some(b)) => {
                    let mut all = b.clone();
                    self.entries
                        .iter()
                        .for_each(|entry| all.add(bytes_of(&self.arena, entry)));
                    self.distinct = Some(all);
                }
                _ => {}
            }
        }
        let mut entries = other.entries.clone();
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.count));
        for entry in &entries {
            // A key new here starts at this floor by itself.
            self.add(bytes_of(&other.arena, entry), entry.count);
        }
        if theirs > 0 {
            self.floor = self.floor.max(mine) + theirs;
        }
    }

    fn find(&self, key: &[u8]) -> Option<&Entry> {
        let hash = self.hasher.hash_one(key);
        let index = self.table.find(hash, |&i| {
            let entry = &self.entries[i as usize];
            entry.hash == hash && bytes_of(&self.arena, entry) == key
        })?;
        Some(&self.entries[*index as usize])
    }

    /// Whether keys were forgotten: counts may be too large by up to the floor.
    pub fn is_approximate(&self) -> bool {
        self.floor > 0
    }

    /// Distinct keys: exact until something was forgotten, then estimated (standard error 0.8 %).
    pub fn distinct(&self) -> u64 {
        match &self.distinct {
            Some(distinct) => distinct.estimate(),
            None => self.entries.len() as u64,
        }
    }

    /// The `n` largest, ties by key.
    pub fn top(&self, n: usize) -> Vec<(String, u64)> {
        let mut order: Vec<u32> = (0..self.entries.len()).map(|i| i as u32).collect();
        let larger = |&a: &u32, &b: &u32| {
            let ((count_a, key_a), (count_b, key_b)) = (self.order(a), self.order(b));
            count_b.cmp(&count_a).then(key_a.cmp(key_b))
        };
        if order.len() > n {
            order.select_nth_unstable_by(n, larger);
            order.truncate(n);
        }
        order.sort_unstable_by(larger);
        order
            .into_iter()
            .map(|i| {
                let (count, key) = self.order(i);
                (String::from_utf8_lossy(key).into_owned(), count)
            })
            .collect()
    }
}

fn bytes_of<'a>(arena: &'a [u8], entry: &Entry) -> &'a [u8] {
    &arena[entry.at as usize..][..entry.len as usize]
}

#[inline]
fn bounded(key: &str) -> &[u8] {
    if key.len() <= KEY_BYTES_MAX {
        return key.as_bytes();
    }
    let mut end = KEY_BYTES_MAX;
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    &key.as_bytes()[..end]
}

/// HyperLogLog with 2^14 registers, 64-bit hashes, linear counting when few (Flajolet, Fusy,
/// Gandouet, Meunier 2007; Heule, Nunkesser, Hall 2013). The seeds are fixed so that equal input
/// gives equal estimates; colliding keys can only make the estimate smaller.
#[derive(Clone)]
struct Distinct {
    hasher: RandomState,
    registers: Vec<u8>,
}

const REGISTER_BITS: u32 = 14;

impl Default for Distinct {
    fn default() -> Self {
        Distinct {
            hasher: RandomState::with_seeds(0x6861, 0x6574, 0x6165, 0x2026),
            registers: vec![0; 1 << REGISTER_BITS],
        }
    }
}

impl Distinct {
    fn add(&mut self, key: &[u8]) {
        let hash = self.hasher.hash_one(key);
        let register = (hash >> (64 - REGISTER_BITS)) as usize;
        let rank = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() as u8 + 1;
        self.registers[register] = self.registers[register].max(rank);
    }

    fn merge(&mut self, other: &Distinct) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
    }

    fn estimate(&self) -> u64 {
        let m = self.registers.len() as f64;
        let sum: f64 = self
            .registers
            .iter()
            .map(|&rank| 0.5f64.powi(i32::from(rank)))
            .sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let empty = self.registers.iter().filter(|&&rank| rank == 0).count();
        if raw <= 2.5 * m && empty > 0 {
            return (m * (m / empty as f64).ln()).round() as u64;
        }
        raw.round() as u64
    }
}

#[cfg(test)]
mod tests;
