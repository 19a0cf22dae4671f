//! A hash table of keys, each with cells by bucket.

use crate::pool::{Hashed, Moves, Pool, allocated};
use std::collections::BTreeMap;
use std::ops::Deref;

pub use crate::names::Name;

/// What a key holds of one bucket.
pub trait Slot: Copy {
    /// The cell of a key that did one thing only, in little: under an attack nearly all are such.
    type First: Copy + std::fmt::Debug;

    fn new(bucket: i32) -> Self;
    fn of_first(first: &Self::First) -> Self;
    /// The same number as of its cell.
    fn weight_of_first(first: &Self::First) -> u64;
    fn bucket(&self) -> i32;
    /// How much would be lost with it.
    fn weight(&self) -> u64;
}

/// Cells, sorted by bucket.
#[derive(Clone, Debug)]
enum Cells<C: Slot> {
    None,
    First(C::First),
    Many(Vec<C>),
}

/// One key with its cells.
#[derive(Clone, Debug)]
pub struct Entry<C: Slot, X> {
    pub hash: u64,
    pub name: Name,
    cells: Cells<C>,
    pub more: X,
    pub tenant: u16,
}

impl<C: Slot, X> Hashed for Entry<C, X> {
    fn hash(&self) -> u64 {
        self.hash
    }
}

/// Some cells of a key.
pub struct Range<'a, C> {
    one: Option<C>,
    many: &'a [C],
}

impl<C> Deref for Range<'_, C> {
    type Target = [C];

    fn deref(&self) -> &[C] {
        self.one.as_ref().map_or(self.many, std::slice::from_ref)
    }
}

impl<C: Slot, X> Entry<C, X> {
    /// Cells of buckets `from..to`.
    pub fn range(&self, from: i32, to: i32) -> Range<'_, C> {
        let (mut one, mut many) = (None, &[][..]);
        match &self.cells {
            Cells::None => {}
            Cells::First(first) => {
                one = Some(C::of_first(first)).filter(|cell| (from..to).contains(&cell.bucket()));
            }
            Cells::Many(cells) => {
                let low = cells.partition_point(|cell| cell.bucket() < from);
                let high = cells.partition_point(|cell| cell.bucket() < to);
                many = &cells[low..high.max(low)];
            }
        }
        Range { one, many }
    }

    /// All cells.
    pub fn cells(&self) -> Range<'_, C> {
        self.range(i32::MIN, i32::MAX)
    }

    fn is_empty(&self) -> bool {
        match &self.cells {
            Cells::None => true,
            Cells::First(_) => false,
            Cells::Many(cells) => cells.is_empty(),
        }
    }

    fn weight(&self) -> u64 {
        match &self.cells {
            Cells::None => 0,
            Cells::First(first) => C::weight_of_first(first),
            Cells::Many(cells) => cells.iter().map(Slot::weight).fold(0, u64::saturating_add),
        }
    }

    /// Memory beyond its own size, bytes.
    fn bytes(&self) -> usize {
        let cells = match &self.cells {
            Cells::None | Cells::First(_) => 0,
            Cells::Many(cells) => allocated(cells.capacity() * size_of::<C>()),
        };
        self.name.bytes() + cells
    }

    /// The cells as a list that can grow.
    fn many(&mut self) -> &mut Vec<C> {
        let own = match &self.cells {
            Cells::Many(_) => None,
            Cells::None => Some(Vec::new()),
            Cells::First(first) => Some(vec![C::of_first(first)]),
        };
        if let Some(own) = own {
            self.cells = Cells::Many(own);
        }
        match &mut self.cells {
            Cells::Many(cells) => cells,
            _ => unreachable!("made a list above"),
        }
    }

    /// Forgets cells of buckets before `bucket`; returns how many.
    fn forget(&mut self, bucket: i32) -> usize {
        match &mut self.cells {
            Cells::None => 0,
            Cells::First(first) => {
                let old = C::of_first(first).bucket() < bucket;
                if old {
                    self.cells = Cells::None;
                }
                usize::from(old)
            }
            Cells::Many(cells) => {
                let gone = cells.partition_point(|cell| cell.bucket() < bucket);
                cells.drain(..gone);
                gone
            }
        }
    }
}

/// The table. Keys are 64-bit hashes of a secret seed.
pub struct Table<C: Slot, X> {
    entries: Pool<Entry<C, X>>,
    /// Entries with a cell, by tenant and bucket.
    by_bucket: BTreeMap<(u16, i32), Vec<u32>>,
    /// Of entries beyond their places in the pool, bytes.
    held: usize,
}

impl<C: Slot, X> Default for Table<C, X> {
    fn default() -> Self {
        Table {
            entries: Pool::default(),
            by_bucket: BTreeMap::new(),
            held: 0,
        }
    }
}

impl<C: Slot, X> Table<C, X> {
    pub fn find(&self, hash: u64) -> Option<usize> {
        let at = self.entries.find(hash, |entry| entry.hash == hash);
        at.map(|at| at as usize)
    }

    pub fn get(&self, hash: u64) -> Option<&Entry<C, X>> {
        self.find(hash).map(|at| self.entry(at))
    }

    /// The entry at a place.
    pub fn entry(&self, at: usize) -> &Entry<C, X> {
        self.entries.get(at as u32)
    }

    /// All entries, in order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry<C, X>> {
        self.entries.iter()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is known of the key at a place beside its cells.
    pub fn more_mut(&mut self, at: u32) -> &mut X {
        &mut self.entries.get_mut(at).more
    }

    /// Place of a key, given now if it is new.
    #[inline]
    pub fn slot(&mut self, hash: u64, tenant: u16, make: impl FnOnce() -> (Name, X)) -> u32 {
        let held = &mut self.held;
        self.entries.place(
            hash,
            |entry| entry.hash == hash,
            || {
                let (name, more) = make();
                *held += name.bytes();
                Entry {
                    hash,
                    name,
                    cells: Cells::None,
                    more,
                    tenant,
                }
            },
        )
    }

    /// Entries with a cell in any of the buckets `from..to`, in their order.
    pub fn active(&self, tenant: u16, from: i32, to: i32) -> Vec<u32> {
        let mut marks = vec![0u64; self.entries.len().div_ceil(64)];
        let lists = self.by_bucket.range((tenant, from)..(tenant, to.max(from)));
        for &at in lists.flat_map(|(_, list)| list) {
            marks[at as usize / 64] |= 1 << (at % 64);
        }
        let mut found = Vec::new();
        for (word, mut bits) in (0u32..).zip(marks) {
            while bits != 0 {
                found.push(word * 64 + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
        found
    }

    /// How many entries have a cell in a bucket.
    pub fn population(&self, tenant: u16, bucket: i32) -> usize {
        self.by_bucket.get(&(tenant, bucket)).map_or(0, Vec::len)
    }

    /// Puts the first thing that a key did in its place; false if it did something before.
    #[inline]
    pub fn begin(&mut self, slot: u32, bucket: i32, first: impl FnOnce() -> C::First) -> bool {
        let entry = self.entries.get_mut(slot);
        if !matches!(entry.cells, Cells::None) {
            return false;
        }
        entry.cells = Cells::First(first());
        let list = self.by_bucket.entry((entry.tenant, bucket));
        list.or_default().push(slot);
        true
    }

    /// The cell of a key and bucket, made now if it is new.
    #[inline]
    pub fn cell(&mut self, slot: u32, bucket: i32) -> &mut C {
        let known = match &self.entries.get(slot).cells {
            Cells::Many(cells) => match cells.last() {
                Some(last) if last.bucket() == bucket => Some(cells.len() - 1),
                _ => None,
            },
            _ => None,
        };
        let at = known.unwrap_or_else(|| self.insert(slot, bucket));
        &mut self.entries.get_mut(slot).many()[at]
    }

    /// Place of the cell of a key and bucket among its cells, which are a list afterwards.
    fn insert(&mut self, slot: u32, bucket: i32) -> usize {
        let entry = self.entries.get_mut(slot);
        let (before, tenant) = (entry.bytes(), entry.tenant);
        let cells = entry.many();
        let at = cells.partition_point(|cell| cell.bucket() < bucket);
        let is_new = cells.get(at).is_none_or(|cell| cell.bucket() != bucket);
        if is_new {
            // Most keys live for one bucket.
            if cells.is_empty() {
                cells.reserve_exact(1);
            }
            cells.insert(at, C::new(bucket));
        }
        self.held = self.held + entry.bytes() - before;
        if is_new {
            self.by_bucket.entry((tenant, bucket)).or_default().push(slot);
        }
        at
    }

    /// Memory: entries, their index, what they hold, and the lists by bucket.
    pub fn bytes(&self) -> usize {
        const LIST_BYTES: usize = 64;
        let lists = self.by_bucket.values();
        let lists = lists.map(|list| LIST_BYTES + allocated(list.capacity() * size_of::<u32>()));
        self.entries.bytes() + self.held + lists.sum::<usize>()
    }

    /// Drops about the share of the keys that weighs least; `gone` sees each before.
    pub fn drop_cheapest(&mut self, share: f64, gone: impl FnMut(&Entry<C, X>)) -> u64 {
        let rank = |entry: &Entry<C, X>| (entry.weight(), entry.hash);
        let Some(limit) = self.entries.limit(share, rank) else {
            return 0;
        };
        self.give_up(|entry| rank(entry) <= limit, gone).count() as u64
    }

    fn give_up(&mut self, goes: impl Fn(&Entry<C, X>) -> bool, mut gone: impl FnMut(&Entry<C, X>)) -> Moves {
        let held = &mut self.held;
        let moves = self.entries.give_up(goes, |entry| {
            *held -= entry.bytes();
            gone(&entry);
        });
        for list in self.by_bucket.values_mut() {
            moves.apply(list);
        }
        self.by_bucket.retain(|_, list| !list.is_empty());
        moves
    }

    /// Forgets a tenant's cells of buckets before `bucket`; returns how many.
    pub fn forget(&mut self, tenant: u16, bucket: i32) -> usize {
        let mut old = self.by_bucket.range((tenant, i32::MIN)..(tenant, bucket));
        if old.next().is_none() {
            return 0;
        }
        self.by_bucket
            .retain(|(of, at), _| *of != tenant || *at >= bucket);
        let mut gone = 0;
        for entry in self.entries.iter_mut().filter(|entry| entry.tenant == tenant) {
            let before = entry.bytes();
            gone += entry.forget(bucket);
            self.held = self.held + entry.bytes() - before;
        }
        self.give_up(Entry::is_empty, |_| ());
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Cell;

    /// What a key takes that asks once.
    #[test]
    fn a_client_is_a_line_of_the_cache() {
        assert_eq!(size_of::<Entry<Cell, u32>>(), 64);
    }
}
