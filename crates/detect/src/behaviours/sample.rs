//! Distinct values in little memory: the `k` smallest hashes, with how often each came.
//!
//! Which hashes are kept depends on the set of values alone, and a kept one was kept from its
//! first sight on, so that its count is exact. Up to `k` values all is exact; beyond, the number
//! of values is estimated as (k − 1) / (largest kept hash as a fraction of the range), with a
//! standard error of about 1 / √(k − 2) (Bar-Yossef et al. 2002; Beyer et al. 2007).

use ahash::RandomState;

/// The same in every process, so that estimates are a function of the events.
pub fn hash(text: &str) -> u64 {
    RandomState::with_seeds(0x6861_6574, 0x6165_2d6c, 0x6f67_2d69, 0x6e73_2121).hash_one(text)
}

/// Values kept by one sample.
const KEPT: usize = 64;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Hash and how often it came, by hash.
    kept: Vec<(u64, u32)>,
}

impl Sample {
    pub fn add(&mut self, hash: u64, times: u32) {
        match self.kept.binary_search_by_key(&hash, |(kept, _)| *kept) {
            Ok(at) => self.kept[at].1 = self.kept[at].1.saturating_add(times),
            Err(at) if at < KEPT => {
                self.kept.insert(at, (hash, times));
                self.kept.truncate(KEPT);
            }
            Err(_) => {}
        }
    }

    pub fn merge(&mut self, other: &Sample) {
        for &(hash, times) in &other.kept {
            self.add(hash, times);
        }
    }

    /// How many different values there were.
    pub fn distinct(&self) -> u64 {
        if self.kept.len() < KEPT {
            return self.kept.len() as u64;
        }
        let largest = self.kept.last().map_or(u64::MAX, |(hash, _)| *hash);
        let fraction = (largest as f64 / u64::MAX as f64).max(f64::MIN_POSITIVE);
        (((KEPT - 1) as f64) / fraction).round() as u64
    }

    /// Mean number of times a value came, over those kept; 0 without any.
    pub fn mean_times(&self) -> f64 {
        let times: u64 = self.kept.iter().map(|(_, times)| u64::from(*times)).sum();
        times as f64 / self.kept.len().max(1) as f64
    }

    /// The values kept, by hash.
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        self.kept.iter().map(|(hash, _)| *hash)
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.kept.capacity() * size_of::<(u64, u32)>()
    }

    /// The number for a text: `57`, or `about 900` where it is an estimate.
    pub fn told(&self) -> String {
        let distinct = self.distinct();
        if self.kept.len() < KEPT {
            distinct.to_string()
        } else {
            format!("about {distinct}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn estimates_are_close() {
        let mut sample = Sample::default();
        for n in 0..20_000 {
            sample.add(hash(&format!("user{n}")), 1);
        }
        let distinct = sample.distinct() as f64;
        assert!((distinct - 20_000.0).abs() < 0.4 * 20_000.0, "{distinct}");
        assert!((sample.mean_times() - 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn merging_parts_is_adding_all(
            values in prop::collection::vec(0u32..200, 0..400),
            cut in 0usize..400,
        ) {
            let of = |values: &[u32]| {
                let mut sample = Sample::default();
                values.iter().for_each(|v| sample.add(hash(&v.to_string()), 1));
                sample
            };
            let (left, right) = values.split_at(cut.min(values.len()));
            let (mut merged, right) = (of(left), of(right));
            merged.merge(&right);
            prop_assert_eq!(&merged, &of(&values));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            sorted.dedup();
            if sorted.len() < KEPT {
                prop_assert_eq!(merged.distinct(), sorted.len() as u64);
            }
        }
    }
}
