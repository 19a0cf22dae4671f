//! What the speed examples share: disorder that is the same on every run, and the clocks and
//! gauges of Linux they read.

#![allow(dead_code, reason = "no example needs all of it")]

/// xorshift64* (Vigna, *An experimental exploration of Marsaglia's xorshift generators*, 2016):
/// enough disorder for a load, the same on every run.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Dice {
        Dice(0x9E37_79B9_7F4A_7C15)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % sides
    }
}

/// Seconds this thread has run, from the scheduler: other load on the machine does not count.
pub fn cpu_seconds() -> f64 {
    // Brings the figure up to date, which otherwise stands as it was at the last tick.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    first.unwrap_or(0.0) / 1e9
}

/// CPU seconds of some work, and what it made.
pub fn timed<R>(work: impl FnOnce() -> R) -> (f64, R) {
    let begun = cpu_seconds();
    let made = work();
    (cpu_seconds() - begun, made)
}

/// A field of `/proc/self/status`, MiB.
pub fn status_mib(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    let kib: f64 = number.and_then(|number| number.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}
