//! Exponential back-off with full jitter.
//!
//! Source: Marc Brooker, *Exponential Backoff And Jitter* (AWS Architecture Blog): the wait is
//! uniform in `[0, min(cap, base × 2^attempt)]`.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// Bounds of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// Longest wait after the first failure.
    pub base: Duration,
    /// Longest wait after any failure.
    pub cap: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        BackOff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        }
    }
}

impl BackOff {
    /// Longest wait after failure number `attempts` (1 = the first).
    pub fn ceiling(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(30);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

/// A back-off with its own stream of randomness.
pub(crate) struct Jitter {
    back_off: BackOff,
    random: StdRng,
}

impl Jitter {
    pub(crate) fn new(back_off: BackOff, seed: u64) -> Self {
        Jitter {
            back_off,
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// The wait after failure number `attempts` (1 = the first).
    pub(crate) fn wait(&mut self, attempts: u32) -> Duration {
        let ceiling = self.back_off.ceiling(attempts);
        ceiling.mul_f64(self.random.random_range(0.0..=1.0))
    }
}
