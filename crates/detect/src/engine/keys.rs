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
    /// Where what is remembered of it stands.
    pub places: Places,
}

/// Where a track has the state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub track: u32,
    pub slot: u32,
}

/// In no track.
const NOWHERE: Place = Place {
    track: u32::MAX,
    slot: u32::MAX,
};

/// The places of one key: most keys are known to a few rules.
#[derive(Clone, Debug)]
pub enum Places {
    /// [`NOWHERE`] where there is none.
    Few([Place; 3]),
    /// In order of tracks.
    Many(Vec<Place>),
}

impl Default for Places {
    fn default() -> Self {
        Places::Few([NOWHERE; 3])
    }
}

impl Places {
    /// In order of nothing.
    pub fn iter(&self) -> impl Iterator<Item = Place> {
        let places = match self {
            Places::Few(places) => &places[..],
            Places::Many(places) => places,
        };
        places.iter().copied().filter(|place| *place != NOWHERE)
    }

    /// The place a track has for it.
    pub fn slot(&self, track: u32) -> Option<u32> {
        match self {
            Places::Few(places) => places
                .iter()
                .find(|place| place.track == track)
                .map(|place| place.slot),
            Places::Many(places) => {
                let at = places.binary_search_by_key(&track, |place| place.track);
                at.ok().map(|at| places[at].slot)
            }
        }
    }

    /// Adds the place of a track that has none.
    pub fn add(&mut self, place: Place) {
        match self {
            Places::Few(places) => match places.iter_mut().find(|place| **place == NOWHERE) {
                Some(free) => *free = place,
                None => {
                    let mut all = places.to_vec();
                    all.push(place);
                    all.sort_unstable();
                    *self = Places::Many(all);
                }
            },
            Places::Many(places) => {
                let at = places.partition_point(|known| *known < place);
                places.insert(at, place);
            }
        }
    }

    /// Takes the place of a track away.
    pub fn remove(&mut self, track: u32) {
        match self {
            Places::Few(places) => {
                let own = places.iter_mut().filter(|place| place.track == track);
                own.for_each(|place| *place = NOWHERE);
            }
            Places::Many(places) => places.retain(|place| place.track != track),
        }
    }
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
            places: Places::default(),
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
        let known = self.keys.iter().enumerate();
        let mut all: Vec<(i64, u32)> = known
            .filter_map(|(id, key)| Some((key.as_ref()?.last_ts, u32::try_from(id).ok()?)))
            .collect();
        if count < all.len() {
            let (_, &mut (last, _), _) = all.select_nth_unstable(count);
            let mut tied: Vec<(i64, u32)> = all.iter().copied().filter(|(ts, _)| *ts == last).collect();
            all.retain(|(ts, _)| *ts < last);
            let name = |id: u32| (self.get(id).space, &*self.get(id).text);
            tied.sort_unstable_by(|a, b| name(a.1).cmp(&name(b.1)));
            tied.truncate(count - all.len());
            all.append(&mut tied);
        }
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// Forgets a key, which must have no place any more; its number may be given again.
    pub fn forget(&mut self, id: u32) {
        let Some(key) = self.keys[id as usize].take() else {
            return;
        };
        debug_assert!(
            key.places.iter().next().is_none(),
            "a track would hold a number without a key"
        );
        let mut hash = self.hash(key.tenant, key.space, &key.text);
        // Found where it was put: behind others of equal hashes, should there be any.
        while let Some(&found) = self.by_hash.get(&hash) {
            if found == id {
                self.by_hash.remove(&hash);
                break;
            }
            hash = hash.wrapping_add(1);
        }
        self.bytes -= key.text.len();
        self.free.push(id);
    }
}
