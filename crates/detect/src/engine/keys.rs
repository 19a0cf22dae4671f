//! Group keys as small numbers.

use ahash::RandomState;
use std::collections::HashMap;

/// One group of one key space and tenant.
#[derive(Clone, Debug)]
pub struct Key {
    pub tenant: u16,
    /// Index of the group-by list it belongs to.
    pub space: u16,
    pub text: Box<str>,
    /// A second hash of all the above: equality without touching the text.
    check: u64,
    /// Newest event time seen; decides who is forgotten first.
    pub last_ts: i64,
    /// Which of 64 classes of user agents were seen: many bits, many agents.
    pub agents: u64,
}

/// Interned keys. Freed numbers are used again.
#[derive(Debug, Default)]
pub struct Keys {
    by_hash: HashMap<u64, u32, std::hash::BuildHasherDefault<Passed>>,
    keys: Vec<Option<Key>>,
    free: Vec<u32>,
    /// Of the texts of all keys.
    bytes: usize,
    hasher: RandomState,
    checker: RandomState,
}

/// Passes an already mixed hash through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed(u64);

impl std::hash::Hasher for Passed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u64 hashes");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Keys {
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Bytes of the texts of all keys.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn get(&self, id: u32) -> &Key {
        self.keys[id as usize]
            .as_ref()
            .expect("ids in use are never freed under their users")
    }

    pub fn get_mut(&mut self, id: u32) -> &mut Key {
        self.keys[id as usize]
            .as_mut()
            .expect("ids in use are never freed under their users")
    }

    fn hash(&self, tenant: u16, space: u16, text: &str) -> u64 {
        self.hasher.hash_one((tenant, space, text))
    }

    /// The number of a key, given now if it is new.
    pub fn intern(&mut self, tenant: u16, space: u16, text: &str) -> u32 {
        let mut hash = self.hash(tenant, space, text);
        let check = self.checker.hash_one((tenant, space, text));
        // Equal hashes of different keys: walk on; 128 bits make equal keys of equal checks.
        while let Some(&id) = self.by_hash.get(&hash) {
            if self.get(id).check == check {
                return id;
            }
            hash = hash.wrapping_add(1);
        }
        let key = Key {
            tenant,
            space,
            text: text.into(),
            check,
            last_ts: i64::MIN,
            agents: 0,
        };
        self.bytes += text.len();
        let id = match self.free.pop() {
            Some(id) => {
                self.keys[id as usize] = Some(key);
                id
            }
            None => {
                self.keys.push(Some(key));
                u32::try_from(self.keys.len() - 1).expect("bounded by keys_max")
            }
        };
        self.by_hash.insert(hash, id);
        id
    }

    /// The `count` keys that have been silent longest; ties by space and text.
    pub fn stalest(&self, count: usize) -> Vec<u32> {
        let mut all: Vec<(i64, u16, &str, u32)> = self
            .by_hash
            .values()
            .map(|&id| {
                let key = self.get(id);
                (key.last_ts, key.space, &*key.text, id)
            })
            .collect();
        all.sort_unstable();
        all.into_iter().take(count).map(|(_, _, _, id)| id).collect()
    }

    /// Forgets keys; their numbers may be given again.
    pub fn forget(&mut self, ids: &[u32]) {
        let gone: std::collections::HashSet<u32> = ids.iter().copied().collect();
        self.by_hash.retain(|_, id| !gone.contains(id));
        for &id in ids {
            let key = self.keys[id as usize].take();
            self.bytes -= key.map_or(0, |key| key.text.len());
            self.free.push(id);
        }
    }
}
