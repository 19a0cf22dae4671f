//! Group keys as small numbers.

use ahash::RandomState;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// One group of one key space and tenant.
#[derive(Clone, Debug)]
pub struct Key {
    pub tenant: u16,
    /// Index of the group-by list it belongs to.
    pub space: u16,
    pub text: Box<str>,
    /// Of all the above.
    digest: Digest,
    /// Newest event time seen; decides who is forgotten first.
    pub last_ts: i64,
    /// Which of 64 classes of user agents were seen: many bits, many agents.
    pub agents: u64,
    /// Where what is remembered of it stands.
    pub places: Places,
}

/// Two independent hashes of a key: equality without touching its text, and without looking into the
/// list of keys. 128 bits make equal keys of equal digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    hash: u64,
    check: u64,
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
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
    /// Where first hashes of different keys are equal, the map itself tells them apart.
    by_digest: HashMap<Digest, u32, std::hash::BuildHasherDefault<Passed>>,
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

impl Hasher for Passed {
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
        self.by_digest.len()
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

    fn digest(&self, tenant: u16, space: u16, text: &str) -> Digest {
        Digest {
            hash: self.hasher.hash_one((tenant, space, text)),
            check: self.checker.hash_one((tenant, space, text)),
        }
    }

    /// The number of a key, given now if it is new.
    pub fn intern(&mut self, tenant: u16, space: u16, text: &str) -> u32 {
        let digest = self.digest(tenant, space, text);
        match self.by_digest.get(&digest) {
            Some(&id) => id,
            None => self.add(digest, tenant, space, text),
        }
    }

    fn add(&mut self, digest: Digest, tenant: u16, space: u16, text: &str) -> u32 {
        let key = Key {
            tenant,
            space,
            text: text.into(),
            digest,
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
        self.by_digest.insert(digest, id);
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
        self.by_digest.remove(&key.digest);
        self.bytes -= key.text.len();
        self.free.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys whose first hashes are equal, or next to each other.
    #[test]
    fn of_keys_with_equal_hashes_each_is_forgotten_alone() {
        let of = |at: u64| Digest {
            hash: u64::MAX - at / 4,
            check: at,
        };
        for gone in 0..12 {
            let mut keys = Keys::default();
            let ids: Vec<u32> = (0..12)
                .map(|at| keys.add(of(at), 0, 0, &format!("key {at}")))
                .collect();
            let id = |keys: &Keys, at: u64| keys.by_digest.get(&of(at)).copied();
            assert_eq!(id(&keys, gone), Some(ids[gone as usize]));
            keys.forget(ids[gone as usize]);
            for at in 0..12 {
                let expected = (at != gone).then_some(ids[at as usize]);
                assert_eq!(id(&keys, at), expected, "{at} without {gone}");
            }
            assert_eq!((keys.len(), keys.stalest(20).len()), (11, 11));
            // The number is given again, to whoever comes.
            assert_eq!(keys.intern(1, 2, "another"), ids[gone as usize]);
            assert_eq!(&*keys.get(ids[gone as usize]).text, "another");
            assert_eq!(keys.intern(1, 2, "another"), ids[gone as usize]);
            assert_eq!(keys.len(), 12);
        }
    }
}
