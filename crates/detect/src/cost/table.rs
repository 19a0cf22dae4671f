//! A hash table of keys, each with cells by bucket.

use crate::engine::Passed;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::net::IpAddr;

/// What a key holds of one bucket.
pub trait Slot: Copy {
    fn new(bucket: i32) -> Self;
    fn bucket(&self) -> i32;
    /// How much would be lost with it.
    fn weight(&self) -> u64;
}

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Address(IpAddr),
    Text(Box<str>),
}

impl Name {
    /// Longest name kept, bytes: attackers choose some of them.
    const BYTES_MAX: usize = 512;

    pub fn text(text: &str) -> Name {
        let mut end = text.len().min(Name::BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Name::Text(text[..end].into())
    }

    /// An address, or its text where it is none.
    pub fn address(text: &str) -> Name {
        text.parse().map_or_else(|_| Name::text(text), Name::Address)
    }

    fn bytes(&self) -> usize {
        match self {
            Name::Address(_) => 0,
            Name::Text(text) => text.len() + 16,
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Address(address) => address.fmt(f),
            Name::Text(text) => text.fmt(f),
        }
    }
}

/// One key with its cells, sorted by bucket.
#[derive(Clone, Debug)]
pub struct Entry<C, X> {
    pub hash: u64,
    pub tenant: u16,
    pub name: Name,
    pub more: X,
    pub cells: Vec<C>,
}

impl<C: Slot, X> Entry<C, X> {
    /// Cells of buckets `from..to`.
    pub fn range(&self, from: i32, to: i32) -> &[C] {
        let low = self.cells.partition_point(|cell| cell.bucket() < from);
        let high = self.cells.partition_point(|cell| cell.bucket() < to);
        &self.cells[low..high.max(low)]
    }

    pub fn at(&self, bucket: i32) -> Option<&C> {
        self.range(bucket, bucket.saturating_add(1)).first()
    }

    fn weight(&self) -> u64 {
        self.cells
            .iter()
            .fold(0, |sum: u64, cell| sum.saturating_add(cell.weight()))
    }
}

/// The table. Keys are 64-bit hashes of a secret seed.
pub struct Table<C, X> {
    index: HashMap<u64, u32, BuildHasherDefault<Passed>>,
    pub entries: Vec<Entry<C, X>>,
    /// Entries with a cell, by tenant and bucket.
    by_bucket: BTreeMap<(u16, i32), Vec<u32>>,
    cells: usize,
    name_bytes: usize,
}

impl<C, X> Default for Table<C, X> {
    fn default() -> Self {
        Table {
            index: HashMap::default(),
            entries: Vec::new(),
            by_bucket: BTreeMap::new(),
            cells: 0,
            name_bytes: 0,
        }
    }
}

impl<C: Slot, X> Table<C, X> {
    pub fn find(&self, hash: u64) -> Option<usize> {
        self.index.get(&hash).map(|&at| at as usize)
    }

    pub fn get(&self, hash: u64) -> Option<&Entry<C, X>> {
        self.find(hash).map(|at| &self.entries[at])
    }

    /// Place of a key, given now if it is new.
    #[inline]
    pub fn slot(&mut self, hash: u64, tenant: u16, make: impl FnOnce() -> (Name, X)) -> usize {
        let next = self.entries.len();
        let at = *self
            .index
            .entry(hash)
            .or_insert_with(|| u32::try_from(next).expect("memory is bounded far below 2^32 keys"));
        if at as usize == next {
            let (name, more) = make();
            self.name_bytes += name.bytes();
            self.entries.push(Entry {
                hash,
                tenant,
                name,
                more,
                cells: Vec::new(),
            });
        }
        at as usize
    }

    /// [`Table::slot`] in four bytes.
    #[inline]
    pub fn slot32(&mut self, hash: u64, tenant: u16, make: impl FnOnce() -> (Name, X)) -> u32 {
        let slot = self.slot(hash, tenant, make);
        u32::try_from(slot).expect("memory is bounded far below 2^32 keys")
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

    /// The cell of a key and bucket, made now if it is new.
    #[inline]
    pub fn cell(&mut self, slot: usize, bucket: i32) -> &mut C {
        let cells = &self.entries[slot].cells;
        let at = match cells.last() {
            Some(last) if last.bucket() == bucket => cells.len() - 1,
            Some(last) if last.bucket() > bucket => {
                let at = cells.partition_point(|cell| cell.bucket() < bucket);
                if cells[at].bucket() != bucket {
                    self.insert(slot, at, bucket);
                }
                at
            }
            _ => {
                let at = cells.len();
                self.insert(slot, at, bucket);
                at
            }
        };
        &mut self.entries[slot].cells[at]
    }

    fn insert(&mut self, slot: usize, at: usize, bucket: i32) {
        let Entry { cells, tenant, .. } = &mut self.entries[slot];
        // Most keys live for one bucket.
        if cells.is_empty() {
            cells.reserve_exact(1);
        }
        cells.insert(at, C::new(bucket));
        self.cells += 1;
        let slot = u32::try_from(slot).expect("memory is bounded far below 2^32 keys");
        self.by_bucket.entry((*tenant, bucket)).or_default().push(slot);
    }

    /// Memory, estimated: entries with their place in the index, cells with a quarter of slack and
    /// their place in the list of their bucket.
    pub fn bytes(&self) -> usize {
        const INDEX_BYTES: usize = 24;
        const LISTED_BYTES: usize = 6;
        self.entries.len() * (size_of::<Entry<C, X>>() + INDEX_BYTES + 16)
            + self.cells * (size_of::<C>() / 4 * 5 + LISTED_BYTES)
            + self.name_bytes
    }

    /// Drops the half of the keys that weighs least; `gone` sees each before.
    pub fn drop_cheapest(&mut self, mut gone: impl FnMut(&Entry<C, X>)) -> u64 {
        let half = self.entries.len().div_ceil(2);
        if half == 0 {
            return 0;
        }
        let mut weights: Vec<(u64, u64)> = self
            .entries
            .iter()
            .map(|entry| (entry.weight(), entry.hash))
            .collect();
        let (_, limit, _) = weights.select_nth_unstable(half - 1);
        let limit = *limit;
        let before = self.entries.len();
        self.entries.retain(|entry| {
            let stays = (entry.weight(), entry.hash) > limit;
            if !stays {
                gone(entry);
            }
            stays
        });
        self.entries.shrink_to_fit();
        self.rebuild();
        (before - self.entries.len()) as u64
    }

    /// Forgets a tenant's cells of buckets before `bucket`; returns how many.
    pub fn forget(&mut self, tenant: u16, bucket: i32) -> usize {
        let mut old = self.by_bucket.range((tenant, i32::MIN)..(tenant, bucket));
        if old.next().is_none() {
            return 0;
        }
        let before = self.cells;
        for entry in self.entries.iter_mut().filter(|entry| entry.tenant == tenant) {
            let gone = entry.cells.partition_point(|cell| cell.bucket() < bucket);
            entry.cells.drain(..gone);
        }
        self.entries.retain(|entry| !entry.cells.is_empty());
        self.rebuild();
        before - self.cells
    }

    fn rebuild(&mut self) {
        self.index.clear();
        self.index.shrink_to(self.entries.len());
        self.by_bucket.clear();
        self.cells = 0;
        self.name_bytes = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            let at = u32::try_from(at).expect("memory is bounded far below 2^32 keys");
            self.index.insert(entry.hash, at);
            for cell in &entry.cells {
                let list = self.by_bucket.entry((entry.tenant, cell.bucket()));
                list.or_default().push(at);
            }
            self.cells += entry.cells.len();
            self.name_bytes += entry.name.bytes();
        }
    }
}
