//! Which verdict holds for an address: sets of prefixes, small and quick to ask.
//!
//! Prefixes and ranges are flattened into disjoint runs, so that a look-up is one binary search.
//!
//! * v4: a table over the upper 16 bits points into arrays of the lower 16 bits (first, last): 4
//!   bytes a run and 256 KiB for the table, which a set without v4 does not have.
//! * v6: runs of whole /64 networks as two 64-bit halves (16 bytes a run), finer ones as two
//!   addresses (32 bytes a run).
//! * Each run names its verdicts by an index of 0, 2 or 4 bytes, by how many there are.

use ahash::AHashMap;
use haetae_event::Micros;
use std::net::IpAddr;

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// 0 … 100.
    pub score: u8,
    /// From then on the entry does not count.
    pub expires: Option<Micros>,
}

/// Entries with different verdicts around one address beyond this many are left out, so that a
/// hostile list costs no more than a long one.
const OVERLAP_MAX: usize = 32;

/// An address as a number.
trait Key: Copy + Ord {
    const LAST: Self;
    /// The address after, and the one before: never called past the ends.
    fn up(self) -> Self;
    fn down(self) -> Self;
    /// Addresses in `self ..= last`, less one.
    fn width(self, last: Self) -> u128;
}

impl Key for u32 {
    const LAST: Self = u32::MAX;
    fn up(self) -> Self {
        self + 1
    }
    fn down(self) -> Self {
        self - 1
    }
    fn width(self, last: Self) -> u128 {
        u128::from(last - self)
    }
}

impl Key for u128 {
    const LAST: Self = u128::MAX;
    fn up(self) -> Self {
        self + 1
    }
    fn down(self) -> Self {
        self - 1
    }
    fn width(self, last: Self) -> u128 {
        last - self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span<K> {
    first: K,
    last: K,
    /// Index of a verdict before flattening, of a chain after.
    id: u32,
}

/// Prefixes on their way into a [`PrefixSet`].
#[derive(Default)]
pub struct Draft {
    v4: Vec<Span<u32>>,
    v6: Vec<Span<u128>>,
    verdicts: Vec<Verdict>,
    ids: AHashMap<Verdict, u32>,
}

impl Draft {
    /// Adds `first ..= last`; nothing when `last` is before `first`.
    pub fn add_v4(&mut self, first: u32, last: u32, verdict: Verdict) {
        let id = self.id(verdict);
        if first <= last {
            self.v4.push(Span { first, last, id });
        }
    }

    /// See [`Draft::add_v4`].
    pub fn add_v6(&mut self, first: u128, last: u128, verdict: Verdict) {
        let id = self.id(verdict);
        if first <= last {
            self.v6.push(Span { first, last, id });
        }
    }

    fn id(&mut self, verdict: Verdict) -> u32 {
        *self.ids.entry(verdict).or_insert_with(|| {
            self.verdicts.push(verdict);
            self.verdicts.len() as u32 - 1
        })
    }
}

/// Verdicts that hold for a run, narrowest prefix first; those after the first count when it has
/// expired.
#[derive(Default)]
struct Chains {
    list: Vec<Box<[Verdict]>>,
    ids: AHashMap<Box<[u32]>, u32>,
}

impl Chains {
    fn id(&mut self, verdicts: &[Verdict], chain: &[u32]) -> u32 {
        if let Some(&id) = self.ids.get(chain) {
            return id;
        }
        let id = self.list.len() as u32;
        self.list
            .push(chain.iter().map(|&v| verdicts[v as usize]).collect());
        self.ids.insert(chain.into(), id);
        id
    }

    /// The chain of the spans around one address.
    fn of<K: Key>(&mut self, verdicts: &[Verdict], around: &[Span<K>]) -> u32 {
        if let [only] = around {
            return self.id(verdicts, &[only.id]);
        }
        let mut narrow_first = around.to_vec();
        let score = |span: &Span<K>| verdicts[span.id as usize].score;
        narrow_first.sort_by_key(|span| (span.first.width(span.last), u8::MAX - score(span), span.id));
        let mut chain: Vec<u32> = Vec::new();
        for span in narrow_first {
            if !chain.contains(&span.id) {
                chain.push(span.id);
            }
            if verdicts[span.id as usize].expires.is_none() {
                break;
            }
        }
        self.id(verdicts, &chain)
    }
}

/// Disjoint runs in order, with chains; and how many spans were too many around one address.
fn flatten<K: Key>(
    mut spans: Vec<Span<K>>,
    verdicts: &[Verdict],
    chains: &mut Chains,
) -> (Vec<Span<K>>, u64) {
    spans.sort_unstable();
    spans.dedup();
    if verdicts.len() == 1 {
        let id = chains.id(verdicts, &[0]);
        return (union(&spans, id), 0);
    }
    let mut runs: Vec<Span<K>> = Vec::with_capacity(spans.len());
    let mut around: Vec<Span<K>> = Vec::new();
    let (mut next, mut left_out) = (0, 0);
    let mut at = spans.first().map(|span| span.first);
    while let Some(here) = at {
        around.retain(|span| span.last >= here);
        while let Some(span) = spans.get(next).filter(|span| span.first == here) {
            if around.len() < OVERLAP_MAX {
                around.push(*span);
            } else {
                left_out += 1;
            }
            next += 1;
        }
        let following = spans.get(next).map(|span| span.first);
        let Some(ends) = around.iter().map(|span| span.last).min() else {
            at = following;
            continue;
        };
        let last = match following {
            Some(first) if first <= ends => first.down(),
            _ => ends,
        };
        let id = chains.of(verdicts, &around);
        push_run(
            &mut runs,
            Span {
                first: here,
                last,
                id,
            },
        );
        at = (last < K::LAST).then(|| last.up());
    }
    runs.shrink_to_fit();
    (runs, left_out)
}

/// Runs of spans that all say the same.
fn union<K: Key>(sorted: &[Span<K>], id: u32) -> Vec<Span<K>> {
    let mut runs: Vec<Span<K>> = Vec::with_capacity(sorted.len());
    for span in sorted {
        match runs.last_mut() {
            Some(run) if run.last == K::LAST || span.first <= run.last.up() => {
                run.last = run.last.max(span.last);
            }
            _ => runs.push(Span { id, ..*span }),
        }
    }
    runs
}

fn push_run<K: Key>(runs: &mut Vec<Span<K>>, run: Span<K>) {
    if let Some(before) = runs.last_mut()
        && before.id == run.id
        && before.last.up() == run.first
    {
        before.last = run.last;
        return;
    }
    runs.push(run);
}

/// Chain of each run, in as few bytes as will do.
enum Ids {
    /// All runs have chain 0.
    One,
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl Ids {
    fn of(ids: impl Iterator<Item = u32> + Clone) -> Self {
        match ids.clone().max().unwrap_or(0) {
            0 => Ids::One,
            max if max <= u32::from(u16::MAX) => Ids::Narrow(ids.map(|id| id as u16).collect()),
            _ => Ids::Wide(ids.collect()),
        }
    }

    fn at(&self, place: usize) -> u32 {
        match self {
            Ids::One => 0,
            Ids::Narrow(ids) => u32::from(ids[place]),
            Ids::Wide(ids) => ids[place],
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Ids::One => 0,
            Ids::Narrow(ids) => ids.len() * 2,
            Ids::Wide(ids) => ids.len() * 4,
        }
    }
}

/// Runs of v4, cut where the upper 16 bits change.
struct V4 {
    /// Where the runs of each upper half begin; one more at the end. Empty without runs.
    index: Vec<u32>,
    first: Vec<u16>,
    last: Vec<u16>,
    ids: Ids,
}

impl V4 {
    fn of(runs: &[Span<u32>]) -> Self {
        let pieces: Vec<Span<u32>> = runs.iter().flat_map(cut_v4).collect();
        let mut index = Vec::new();
        if !pieces.is_empty() {
            index = vec![0; 65_537];
            for piece in &pieces {
                index[(piece.first >> 16) as usize + 1] += 1;
            }
            for upper in 1..index.len() {
                index[upper] += index[upper - 1];
            }
        }
        V4 {
            index,
            first: pieces.iter().map(|piece| piece.first as u16).collect(),
            last: pieces.iter().map(|piece| piece.last as u16).collect(),
            ids: Ids::of(pieces.iter().map(|piece| piece.id)),
        }
    }

    fn find(&self, address: u32) -> Option<u32> {
        let upper = (address >> 16) as usize;
        let (from, to) = (*self.index.get(upper)?, *self.index.get(upper + 1)?);
        let (from, to) = (from as usize, to as usize);
        let lower = address as u16;
        let place = from + self.first[from..to].partition_point(|&first| first <= lower);
        let place = place.checked_sub(1).filter(|&place| place >= from)?;
        (lower <= self.last[place]).then(|| self.ids.at(place))
    }

    fn bytes(&self) -> usize {
        self.index.len() * 4 + self.first.len() * 4 + self.ids.bytes()
    }
}

fn cut_v4(run: &Span<u32>) -> impl Iterator<Item = Span<u32>> + use<> {
    let run = *run;
    (run.first >> 16..=run.last >> 16).map(move |upper| Span {
        first: run.first.max(upper << 16),
        last: run.last.min(upper << 16 | 0xffff),
        id: run.id,
    })
}

/// Disjoint runs in order.
struct Sorted<K> {
    first: Vec<K>,
    last: Vec<K>,
    ids: Ids,
}

impl<K: Copy + Ord> Sorted<K> {
    fn of(runs: &[Span<K>]) -> Self {
        Sorted {
            first: runs.iter().map(|run| run.first).collect(),
            last: runs.iter().map(|run| run.last).collect(),
            ids: Ids::of(runs.iter().map(|run| run.id)),
        }
    }

    fn find(&self, address: K) -> Option<u32> {
        let place = self
            .first
            .partition_point(|&first| first <= address)
            .checked_sub(1)?;
        (address <= self.last[place]).then(|| self.ids.at(place))
    }

    fn bytes(&self) -> usize {
        self.first.len() * 2 * size_of::<K>() + self.ids.bytes()
    }
}

/// The lower half of a v6 address.
const LOWER: u128 = u64::MAX as u128;

/// Splits runs into those of whole /64 networks (by upper halves) and the rest.
fn split_v6(runs: &[Span<u128>]) -> (Vec<Span<u64>>, Vec<Span<u128>>) {
    let (mut coarse, mut fine) = (Vec::new(), Vec::new());
    for run in runs {
        let id = run.id;
        let mut first = run.first;
        if first & LOWER != 0 {
            let last = run.last.min(first | LOWER);
            fine.push(Span { first, last, id });
            if last == run.last {
                continue;
            }
            first = last + 1;
        }
        let ends_whole = run.last & LOWER == LOWER;
        let upper_first = first >> 64;
        let upper_past = (run.last >> 64) + u128::from(ends_whole);
        if upper_first < upper_past {
            let (first, last) = (upper_first as u64, (upper_past - 1) as u64);
            coarse.push(Span { first, last, id });
        }
        if !ends_whole {
            let first = first.max(run.last & !LOWER);
            fine.push(Span {
                first,
                last: run.last,
                id,
            });
        }
    }
    (coarse, fine)
}

/// See the module.
pub struct PrefixSet {
    v4: V4,
    coarse: Sorted<u64>,
    fine: Sorted<u128>,
    chains: Vec<Box<[Verdict]>>,
    left_out: u64,
}

impl PrefixSet {
    pub fn of(draft: Draft) -> Self {
        let mut chains = Chains::default();
        let (v4, left_out_v4) = flatten(draft.v4, &draft.verdicts, &mut chains);
        let v4 = V4::of(&v4);
        let (v6, left_out_v6) = flatten(draft.v6, &draft.verdicts, &mut chains);
        let (coarse, fine) = split_v6(&v6);
        PrefixSet {
            v4,
            coarse: Sorted::of(&coarse),
            fine: Sorted::of(&fine),
            chains: chains.list,
            left_out: left_out_v4 + left_out_v6,
        }
    }

    /// The verdict of the narrowest prefix around the address that counts at `now`.
    pub fn verdict(&self, address: IpAddr, now: Micros) -> Option<Verdict> {
        let id = match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.find(v4.to_bits()),
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                self.fine
                    .find(bits)
                    .or_else(|| self.coarse.find((bits >> 64) as u64))
            }
        };
        self.chains[id? as usize]
            .iter()
            .find(|verdict| verdict.expires.is_none_or(|expires| now < expires))
            .copied()
    }

    /// Disjoint runs in memory.
    pub fn runs(&self) -> usize {
        self.v4.first.len() + self.coarse.first.len() + self.fine.first.len()
    }

    /// Prefixes left out because too many with other verdicts hold for the same addresses.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Memory of the tables.
    pub fn bytes(&self) -> usize {
        let chain = |c: &[Verdict]| size_of::<Box<[Verdict]>>() + size_of_val(c);
        let chains: usize = self.chains.iter().map(|c| chain(c)).sum();
        self.v4.bytes() + self.coarse.bytes() + self.fine.bytes() + chains
    }
}
