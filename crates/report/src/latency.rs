//! Times taken: mean and 95th percentile in bounded memory.

/// Values kept exactly; beyond, a histogram.
pub const LATENCIES_EXACT_MAX: usize = 65_536;

/// Linear steps in each power of two: a value is known to 1/128 of itself (0.8 %).
const STEP_BITS: u32 = 7;
const STEPS: usize = 1 << STEP_BITS;
/// Powers of two above the linear start: reaches 2^41 µs, 25 days.
const OCTAVES: usize = 34;
const MICROS_MAX: f64 = 2.0e12;

/// Durations in whole microseconds. The result does not depend on the order of values.
#[derive(Clone, Default)]
pub(crate) struct Latencies {
    sum_us: u128,
    n: u64,
    exact: Vec<u64>,
    /// Empty while the values are kept.
    histogram: Vec<u64>,
}

impl Latencies {
    /// Counts one duration; what is negative or not a number is left out.
    #[inline]
    pub fn add_seconds(&mut self, seconds: f64) {
        if seconds.is_nan() || seconds < 0.0 {
            return;
        }
        self.add_us((seconds * 1e6).round().min(MICROS_MAX) as u64);
    }

    #[inline]
    fn add_us(&mut self, us: u64) {
        self.sum_us += u128::from(us);
        self.n += 1;
        if self.histogram.is_empty() {
            self.exact.push(us);
            if self.exact.len() > LATENCIES_EXACT_MAX {
                self.fold();
            }
        } else {
            self.histogram[bucket(us)] += 1;
        }
    }

    #[cold]
    fn fold(&mut self) {
        self.histogram = vec![0; STEPS * (OCTAVES + 1)];
        for us in std::mem::take(&mut self.exact) {
            self.histogram[bucket(us)] += 1;
        }
    }

    pub fn merge(&mut self, other: &Latencies) {
        self.sum_us += other.sum_us;
        self.n += other.n;
        let few = self.exact.len() + other.exact.len() <= LATENCIES_EXACT_MAX;
        if few && self.histogram.is_empty() && other.histogram.is_empty() {
            self.exact.extend_from_slice(&other.exact);
            return;
        }
        if self.histogram.is_empty() {
            self.fold();
        }
        other.exact.iter().for_each(|&us| self.histogram[bucket(us)] += 1);
        for (mine, theirs) in self.histogram.iter_mut().zip(&other.histogram) {
            *mine += theirs;
        }
    }

    pub fn mean_ms(&self) -> Option<f64> {
        (self.n > 0).then(|| rounded(self.sum_us as f64 / self.n as f64 / 1e3))
    }

    /// Nearest rank: the smallest value that 95 % of all do not exceed.
    pub fn p95_ms(&self) -> Option<f64> {
        let rank = (self.n * 95).div_ceil(100);
        let rank = rank.checked_sub(1)?;
        if self.histogram.is_empty() {
            let mut values = self.exact.clone();
            let (_, at, _) = values.select_nth_unstable(rank as usize);
            return Some(rounded(*at as f64 / 1e3));
        }
        let mut seen = 0;
        let at = self.histogram.iter().position(|&n| {
            seen += n;
            seen > rank
        })?;
        Some(rounded(middle_us(at) / 1e3))
    }

    /// Whether the percentile comes from the histogram.
    pub fn is_approximate(&self) -> bool {
        !self.histogram.is_empty()
    }
}

/// Milliseconds to three decimals.
fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// Values below 128 have their own bucket; above, 128 to each power of two.
fn bucket(us: u64) -> usize {
    let octave = (64 - STEP_BITS).saturating_sub((us | 1).leading_zeros()) as usize;
    if octave == 0 {
        return us as usize;
    }
    if octave > OCTAVES {
        return STEPS * (OCTAVES + 1) - 1;
    }
    // The first octave above the linear start has the values 128..256.
    octave * STEPS + (us >> (octave - 1)) as usize - STEPS
}

fn middle_us(bucket: usize) -> f64 {
    let (octave, step) = (bucket / STEPS, bucket % STEPS);
    if octave == 0 {
        return step as f64;
    }
    let width = 2f64.powi(octave as i32 - 1);
    (STEPS + step) as f64 * width + (width - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mean_and_percentile_of_few_are_exact() {
        let mut all = Latencies::default();
        assert_eq!((all.mean_ms(), all.p95_ms()), (None, None));
        for ms in 1..=100 {
            all.add_seconds(f64::from(ms) / 1e3);
        }
        all.add_seconds(f64::NAN);
        all.add_seconds(-1.0);
        assert_eq!(all.mean_ms(), Some(50.5));
        assert_eq!(all.p95_ms(), Some(95.0));
        assert!(!all.is_approximate());
    }

    #[test]
    fn huge_values_do_not_leave_the_table() {
        let mut all = Latencies::default();
        all.fold();
        for seconds in [0.0, 1e-6, 1.27e-4, 1.28e-4, 1.0, 1e9, f64::INFINITY] {
            all.add_seconds(seconds);
        }
        assert!(all.p95_ms().is_some());
    }

    proptest! {
        #[test]
        fn a_bucket_is_known_to_its_stated_error(us in 0u64..1_000_000_000_000) {
            let middle = middle_us(bucket(us));
            prop_assert!((middle - us as f64).abs() <= us as f64 / 128.0, "{us} {middle}");
        }

        #[test]
        fn buckets_rise_with_values(a in 0u64..u64::MAX, b in 0u64..u64::MAX) {
            prop_assert_eq!(bucket(a.min(b)) <= bucket(a.max(b)), true);
        }
    }

    #[test]
    fn many_values_agree_with_the_exact_answer() {
        let mut halves = [Latencies::default(), Latencies::default()];
        let mut values: Vec<u64> = (0..200_000u64).map(|i| (i * 7919) % 1_000_003).collect();
        for (i, &us) in values.iter().enumerate() {
            halves[i % 2].add_seconds(us as f64 / 1e6);
        }
        let [mut all, other] = halves;
        all.merge(&other);
        values.sort_unstable();
        let exact = values[values.len() * 95 / 100 - 1] as f64 / 1e3;
        let told = all.p95_ms().expect("values");
        assert!((told / exact - 1.0).abs() < 0.008, "{told} {exact}");
    }
}
