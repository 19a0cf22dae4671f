//! Random draws whose results do not change with the versions of other crates.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::HashSet;

pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// Streams of one seed are independent: each tree has its own, so that trees may be grown in
    /// any order.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        source.set_stream(stream);
        Draws(source)
    }

    /// Uniform in `0..n` (multiply and shift: a bias of n / 2⁶⁴); 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Uniform in [0, 1), 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (-53f64).exp2()
    }

    /// `k` different numbers of `0..n`, all of them when `k ≥ n` (Floyd's algorithm, Bentley and
    /// Floyd 1987, *Programming Pearls: A Sample of Brilliance*).
    pub(crate) fn sample(&mut self, n: usize, k: usize) -> Vec<usize> {
        if k >= n {
            return (0..n).collect();
        }
        let mut seen = HashSet::with_capacity(k);
        let mut chosen = Vec::with_capacity(k);
        for last in n - k..n {
            let drawn = self.below(last + 1);
            let number = if seen.insert(drawn) { drawn } else { last };
            seen.insert(number);
            chosen.push(number);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_distinct_and_fair() {
        let mut counts = [0usize; 20];
        for stream in 0..4_000 {
            let mut sample = Draws::new(7, stream).sample(20, 5);
            sample.sort_unstable();
            sample.dedup();
            assert_eq!(sample.len(), 5);
            sample.iter().for_each(|n| counts[*n] += 1);
        }
        // 1,000 expected, standard deviation 27.
        assert!(counts.iter().all(|n| (860..1_140).contains(n)), "{counts:?}");
        assert_eq!(Draws::new(7, 0).sample(3, 9), [0, 1, 2]);
    }
}
