//! Requests and errors over time, in a bounded number of buckets.

use ahash::RandomState;
use haetae_event::Micros;
use haetae_event::time::MINUTE_US;
use std::collections::HashMap;

/// Points of a finished timeline.
pub const POINTS_MAX: usize = 200;
/// Buckets held while counting. Event times come from logs: they may lie anywhere.
const BUCKETS_MAX: usize = 4_096;

/// Counts by bucket; buckets are aligned to the epoch and double in width when there are too
/// many, so that the outcome does not depend on the order of events.
pub(crate) struct Timeline {
    width_us: i64,
    buckets: HashMap<i64, (u64, u64), RandomState>,
    run: Run,
}

/// Events of the bucket that is being counted.
#[derive(Clone, Copy, Default)]
struct Run {
    /// Half-open; empty at first.
    start: i64,
    end: i64,
    requests: u64,
    errors: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Timeline {
            width_us: MINUTE_US,
            buckets: HashMap::default(),
            run: Run::default(),
        }
    }
}

impl Timeline {
    #[inline]
    pub fn add(&mut self, ts: i64, error: bool) {
        if ts < self.run.start || ts >= self.run.end {
            self.turn(ts);
        }
        self.run.requests += 1;
        self.run.errors += u64::from(error);
    }

    fn turn(&mut self, ts: i64) {
        self.flush();
        let start = ts.div_euclid(self.width_us).saturating_mul(self.width_us);
        self.run = Run {
            start,
            end: start.saturating_add(self.width_us),
            requests: 0,
            errors: 0,
        };
    }

    fn flush(&mut self) {
        let run = std::mem::take(&mut self.run);
        if run.requests > 0 {
            self.put(run.start.div_euclid(self.width_us), run.requests, run.errors);
        }
    }

    fn put(&mut self, bucket: i64, requests: u64, errors: u64) {
        let counts = self.buckets.entry(bucket).or_default();
        counts.0 += requests;
        counts.1 += errors;
        while self.buckets.len() > BUCKETS_MAX {
            self.double();
        }
    }

    fn double(&mut self) {
        self.width_us = self.width_us.saturating_mul(2);
        for (bucket, (requests, errors)) in std::mem::take(&mut self.buckets) {
            let counts = self.buckets.entry(bucket.div_euclid(2)).or_default();
            counts.0 += requests;
            counts.1 += errors;
        }
    }

    pub fn merge(&mut self, mut other: Timeline) {
        self.flush();
        other.flush();
        while self.width_us < other.width_us {
            self.double();
        }
        while other.width_us < self.width_us {
            other.double();
        }
        for (bucket, (requests, errors)) in other.buckets {
            // Doubling inside `put` would change what `bucket` means.
            let counts = self.buckets.entry(bucket).or_default();
            counts.0 += requests;
            counts.1 += errors;
        }
        while self.buckets.len() > BUCKETS_MAX {
            self.double();
        }
    }

    /// Points from the first to the last event, gaps as zeros, at most [`POINTS_MAX`]:
    /// (start, requests, errors), and the width of a bucket in µs.
    pub fn finish(mut self) -> (Vec<(Micros, u64, u64)>, i64) {
        self.flush();
        let span = loop {
            let (Some(&low), Some(&high)) = (self.buckets.keys().min(), self.buckets.keys().max()) else {
                return (Vec::new(), self.width_us);
            };
            if i128::from(high) - i128::from(low) < POINTS_MAX as i128 {
                break low..=high;
            }
            self.double();
        };
        let points = span
            .map(|bucket| {
                let (requests, errors) = self.buckets.get(&bucket).copied().unwrap_or_default();
                (Micros(bucket.saturating_mul(self.width_us)), requests, errors)
            })
            .collect();
        (points, self.width_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn minutes_stay_minutes_when_few() {
        let mut timeline = Timeline::default();
        for (ts, error) in [
            (10, false),
            (61_000_000, true),
            (59_000_000, true),
            (200_000_000, false),
        ] {
            timeline.add(ts, error);
        }
        let (points, width) = timeline.finish();
        assert_eq!(width, MINUTE_US);
        let counts: Vec<_> = points.iter().map(|p| (p.1, p.2)).collect();
        assert_eq!(counts, vec![(2, 1), (1, 1), (0, 0), (1, 0)]);
    }

    #[test]
    fn times_at_the_ends_of_the_world_do_not_panic() {
        let mut timeline = Timeline::default();
        for ts in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
            timeline.add(ts, false);
        }
        let (points, _) = timeline.finish();
        assert!(points.len() <= POINTS_MAX);
        assert_eq!(points.iter().map(|p| p.1).sum::<u64>(), 7);
    }

    proptest! {
        #[test]
        fn order_and_split_do_not_matter(
            mut times in prop::collection::vec(0i64..40_000_000_000_000, 1..300),
            split in 0usize..300,
        ) {
            let (mut a, mut b) = (Timeline::default(), Timeline::default());
            for (i, &ts) in times.iter().enumerate() {
                if i < split { a.add(ts, ts % 3 == 0) } else { b.add(ts, ts % 3 == 0) }
            }
            a.merge(b);
            times.sort_unstable();
            let mut sorted = Timeline::default();
            times.iter().for_each(|&ts| sorted.add(ts, ts % 3 == 0));
            prop_assert_eq!(a.finish(), sorted.finish());
        }
    }
}
