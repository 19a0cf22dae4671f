//! Counting different things in bounded memory: the k smallest hashes (Bar-Yossef et al., *Counting
//! Distinct Elements in a Data Stream*, RANDOM 2002). Exact below k, above it with a standard error
//! of about 1/√(k−2). What is kept depends on the set alone, not on its order.

use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Distinct {
    /// Ascending, without repeats, at most `most`.
    #[serde(skip)]
    least: Vec<u64>,
    most: usize,
}

impl Distinct {
    pub(crate) fn new(most: usize) -> Distinct {
        Distinct {
            least: Vec::new(),
            most: most.max(3),
        }
    }

    pub(crate) fn add(&mut self, hash: u64) {
        let full = self.least.len() == self.most;
        if full && self.least.last().is_some_and(|last| hash >= *last) {
            return;
        }
        if let Err(place) = self.least.binary_search(&hash) {
            self.least.insert(place, hash);
            self.least.truncate(self.most);
        }
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.least.len() < self.most
    }

    pub(crate) fn count(&self) -> f64 {
        match self.least.last() {
            Some(last) if !self.is_exact() => {
                (self.most - 1) as f64 * 2f64.powi(64) / (*last as f64).max(1.0)
            }
            _ => self.least.len() as f64,
        }
    }
}

/// FNV-1a with a start of its own, its bits mixed afterwards (the finaliser of MurmurHash3).
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed;
    let mut hash = bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_when_few_near_when_many() {
        let mut few = Distinct::new(64);
        (0..1_000u32).for_each(|n| few.add(hash(1, &(n % 50).to_le_bytes())));
        assert_eq!((few.count(), few.is_exact()), (50.0, true));
        let mut many = Distinct::new(1_024);
        (0..100_000u32).for_each(|n| many.add(hash(1, &n.to_le_bytes())));
        assert!((many.count() / 1e5 - 1.0).abs() < 0.1, "{}", many.count());
        assert!(!many.is_exact());
    }
}
