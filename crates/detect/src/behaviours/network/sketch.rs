//! Bounded summaries of sets and of who sent how much. All are functions of what was added, in
//! whatever order: exact while small, linear sketches beyond.
//!
//! - distinct values: linear counting (Whang, Vander-Zanden, Taylor 1990) over 16,384 bits; the
//!   standard error stays below 1 % up to 16,000 values and below 3 % up to 80,000, above which
//!   the figure is a lower bound (at most about 159,000);
//! - heavy sources: combinatorial group testing (Cormode, Muthukrishnan 2005): a source with more
//!   than half of its group of 1/64 of all traffic is read back from sums per bit of its address.

use super::flow::{Address, mix};

const BITS: usize = 1 << 14;
const WORDS: usize = BITS / 64;

/// Values kept exactly.
const FEW_VALUES: usize = 64;
/// Sources kept exactly.
const FEW_SOURCES: usize = 128;

/// Counters of the entropy; it saturates at 11 bits.
const BUCKETS: usize = 2_048;
pub const ENTROPY_MAX: f64 = 11.0;

const GROUPS: usize = 64;

pub type Bits = [u64; WORDS];

fn bit(hash: u32) -> (usize, u64) {
    let at = (hash >> 18) as usize;
    (at / 64, 1 << (at % 64))
}

fn linear_count(bits: &Bits) -> u64 {
    let set: u32 = bits.iter().map(|word| word.count_ones()).sum();
    let empty = (BITS - set as usize).max(1) as f64;
    (-(BITS as f64) * (empty / BITS as f64).ln()).round() as u64
}

/// How many distinct values were added, by 32-bit hashes of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Distinct {
    /// Sorted.
    Few(Vec<u32>),
    Many(Box<Bits>),
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct::Few(Vec::new())
    }
}

impl Distinct {
    pub fn add(&mut self, hash: u32) {
        match self {
            Distinct::Few(values) => {
                let Err(at) = values.binary_search(&hash) else {
                    return;
                };
                values.insert(at, hash);
                if values.len() > FEW_VALUES {
                    let mut bits = Box::new([0; WORDS]);
                    mark(&mut bits, values.iter().copied());
                    *self = Distinct::Many(bits);
                }
            }
            Distinct::Many(bits) => mark(bits, [hash]),
        }
    }

    pub fn count(&self) -> u64 {
        match self {
            Distinct::Few(values) => values.len() as u64,
            Distinct::Many(bits) => linear_count(bits),
        }
    }

    /// Sets the bits of its values in `bits`.
    pub fn mark(&self, bits: &mut Bits) {
        match self {
            Distinct::Few(values) => mark(bits, values.iter().copied()),
            Distinct::Many(own) => bits.iter_mut().zip(own.iter()).for_each(|(all, own)| *all |= own),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Distinct::Few(values) => values.capacity() * 4,
            Distinct::Many(_) => BITS / 8,
        }
    }
}

fn mark(bits: &mut Bits, hashes: impl IntoIterator<Item = u32>) {
    for hash in hashes {
        let (word, mask) = bit(hash);
        bits[word] |= mask;
    }
}

/// No values.
pub fn no_bits() -> Box<Bits> {
    Box::new([0; WORDS])
}

/// Sources and how often each was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Spread {
    /// Sorted by address.
    Few(Vec<(Address, u32)>),
    Many(Box<Dense>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    bits: Bits,
    counts: [u32; BUCKETS],
    /// Per group: the sum of each bit of the v4 address, and of all.
    groups: [[u32; 33]; GROUPS],
}

/// A source with a large share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heavy {
    pub count: u32,
    pub source: Address,
}

impl Default for Spread {
    fn default() -> Self {
        Spread::Few(Vec::new())
    }
}

impl Dense {
    fn new() -> Dense {
        Dense {
            bits: [0; WORDS],
            counts: [0; BUCKETS],
            groups: [[0; 33]; GROUPS],
        }
    }

    fn add(&mut self, source: Address, count: u32) {
        let hash = source.mixed();
        mark(&mut self.bits, [hash as u32]);
        self.counts[bucket(hash)] = self.counts[bucket(hash)].saturating_add(count);
        if let Some(number) = v4_of(source) {
            let sums = &mut self.groups[group(hash)];
            for (at, sum) in sums.iter_mut().take(32).enumerate() {
                *sum = sum.saturating_add((number >> at & 1) * count);
            }
            sums[32] = sums[32].saturating_add(count);
        }
    }

    fn heavy(&self, least: u32) -> Vec<Heavy> {
        let mut found = Vec::new();
        for (at, sums) in self.groups.iter().enumerate() {
            let all = sums[32];
            let set = |bit: usize| sums[bit] > all / 2;
            let number = (0..32).fold(0u32, |number, bit| number | u32::from(set(bit)) << bit);
            // No more than the smaller side of its clearest bit can be of others.
            let count = (0..32)
                .map(|bit| sums[bit].max(all - sums[bit]))
                .min()
                .unwrap_or(0);
            let source = Address::of(std::net::IpAddr::V4(number.into()));
            if count >= least.max(1) && group(source.mixed()) == at {
                found.push(Heavy { count, source });
            }
        }
        found
    }
}

fn bucket(hash: u64) -> usize {
    (hash >> 32) as usize % BUCKETS
}

fn group(hash: u64) -> usize {
    (hash >> 48) as usize % GROUPS
}

fn v4_of(source: Address) -> Option<u32> {
    match source.ip() {
        std::net::IpAddr::V4(v4) => Some(v4.into()),
        std::net::IpAddr::V6(_) => None,
    }
}

impl Spread {
    pub fn add(&mut self, source: Address) {
        match self {
            Spread::Few(sources) => match sources.binary_search_by_key(&source, |known| known.0) {
                Ok(at) => sources[at].1 = sources[at].1.saturating_add(1),
                Err(at) => {
                    sources.insert(at, (source, 1));
                    if sources.len() > FEW_SOURCES {
                        let mut dense = Box::new(Dense::new());
                        sources
                            .iter()
                            .for_each(|&(source, count)| dense.add(source, count));
                        *self = Spread::Many(dense);
                    }
                }
            },
            Spread::Many(dense) => dense.add(source, 1),
        }
    }

    pub fn sources(&self) -> u64 {
        match self {
            Spread::Few(sources) => sources.len() as u64,
            Spread::Many(dense) => linear_count(&dense.bits),
        }
    }

    /// Entropy of the sources, in bits; from counters that several may share, so it is a little
    /// low, and at most [`ENTROPY_MAX`].
    pub fn entropy(&self) -> f64 {
        match self {
            Spread::Few(sources) => {
                let mut counts: Vec<(usize, u32)> = sources
                    .iter()
                    .map(|(source, count)| (bucket(source.mixed()), *count))
                    .collect();
                counts.sort_unstable();
                counts.dedup_by(|next, kept| {
                    let same = next.0 == kept.0;
                    kept.1 += if same { next.1 } else { 0 };
                    same
                });
                entropy(counts.iter().map(|(_, count)| *count))
            }
            Spread::Many(dense) => entropy(dense.counts.iter().copied()),
        }
    }

    /// Fraction of the sources that are among those of `bits`. Where many bits are set, others meet
    /// one by chance: with a fraction p set, share s of the sources and (1 - s) p of the rest do.
    pub fn share_in(&self, bits: &Bits) -> f64 {
        let (inside, all) = match self {
            Spread::Few(sources) => {
                let known = |source: &Address| {
                    let (word, mask) = bit(source.mixed() as u32);
                    bits[word] & mask != 0
                };
                let inside = sources.iter().filter(|(source, _)| known(source)).count();
                (inside, sources.len())
            }
            Spread::Many(dense) => {
                let both = dense
                    .bits
                    .iter()
                    .zip(bits)
                    .map(|(a, b)| (a & b).count_ones())
                    .sum::<u32>();
                let all = dense.bits.iter().map(|word| word.count_ones()).sum::<u32>();
                (both as usize, all as usize)
            }
        };
        let found = inside as f64 / all.max(1) as f64;
        let set: u32 = bits.iter().map(|word| word.count_ones()).sum();
        let chance = f64::from(set.min(BITS as u32 - 1)) / BITS as f64;
        ((found - chance) / (1.0 - chance)).max(0.0)
    }

    /// Sources seen at least `least` times, most first; v6 ones only while few.
    pub fn heavy(&self, least: u32) -> Vec<Heavy> {
        let mut found: Vec<Heavy> = match self {
            Spread::Few(sources) => sources
                .iter()
                .filter(|(_, count)| *count >= least)
                .map(|&(source, count)| Heavy { count, source })
                .collect(),
            Spread::Many(dense) => dense.heavy(least),
        };
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    pub fn bytes(&self) -> usize {
        match self {
            Spread::Few(sources) => sources.capacity() * size_of::<(Address, u32)>(),
            Spread::Many(_) => size_of::<Dense>(),
        }
    }
}

fn entropy(counts: impl Iterator<Item = u32> + Clone) -> f64 {
    let all: f64 = counts.clone().map(f64::from).sum();
    let bits = counts.filter(|count| *count > 0).map(|count| {
        let share = f64::from(count) / all;
        -share * share.log2()
    });
    bits.sum()
}

/// A 32-bit hash of a number.
pub fn hash32(value: u64) -> u32 {
    mix(value) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> Address {
        Address::of(std::net::IpAddr::V4(n.wrapping_mul(0x9E37_79B1).into()))
    }

    #[test]
    fn distinct_values_are_exact_then_close() {
        for (added, error) in [(0u32, 0.0), (64, 0.0), (65, 0.05), (3_000, 0.02), (60_000, 0.03)] {
            let mut distinct = Distinct::default();
            for n in (0..added).chain(0..added / 2) {
                distinct.add(hash32(u64::from(n)));
            }
            let off = (distinct.count() as f64 - f64::from(added)).abs();
            assert!(
                off <= error * f64::from(added).max(1.0),
                "{added}: {}",
                distinct.count()
            );
        }
    }

    #[test]
    fn heavy_sources_are_read_back_from_thousands() {
        let mut forth = Spread::default();
        let mut back = Spread::default();
        let mut all: Vec<u32> = (0..5_000).collect();
        all.extend(std::iter::repeat_n(77_777, 900));
        all.extend(std::iter::repeat_n(99_999, 500));
        all.iter().for_each(|&n| forth.add(source(n)));
        all.iter().rev().for_each(|&n| back.add(source(n)));
        assert_eq!(forth, back);
        let heavy = forth.heavy(300);
        let sources: Vec<Address> = heavy.iter().map(|heavy| heavy.source).collect();
        assert_eq!(sources, [source(77_777), source(99_999)]);
        assert!(
            (900..1_100).contains(&heavy[0].count),
            "its own and what shares its group: {heavy:?}"
        );
        let sources = forth.sources() as f64;
        assert!((sources / 5_002.0 - 1.0).abs() < 0.03, "{sources}");
    }

    #[test]
    fn entropy_rises_with_the_number_of_sources() {
        let of = |many: u32| {
            let mut spread = Spread::default();
            (0..many).for_each(|n| spread.add(source(n)));
            spread.entropy()
        };
        assert_eq!(of(1), 0.0);
        assert!((of(100) - 100f64.log2()).abs() < 0.2, "{}", of(100));
        assert!(of(1_000) > of(200) + 1.5);
        assert!(of(50_000) <= ENTROPY_MAX);
    }

    #[test]
    fn shares_are_of_the_sources() {
        let mut bits = no_bits();
        let mut half = Distinct::default();
        let mut all = Spread::default();
        for n in 0..1_000 {
            all.add(source(n));
            if n % 2 == 0 {
                half.add(source(n).mixed() as u32);
            }
        }
        half.mark(&mut bits);
        let share = all.share_in(&bits);
        assert!((0.46..0.54).contains(&share), "{share}");
        // Twenty thousand others fill two thirds of the bits.
        let mut others = Distinct::default();
        (10_000..30_000).for_each(|n| others.add(source(n).mixed() as u32));
        others.mark(&mut bits);
        let share = all.share_in(&bits);
        assert!((0.4..0.6).contains(&share), "{share}");
    }
}
