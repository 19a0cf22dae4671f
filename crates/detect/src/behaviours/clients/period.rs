//! Tests for regular intervals.
//!
//! The base-period test: of a timer that skips beats the most frequent interval is also the
//! least, and the others are whole multiples of it. Plain variance fails there. Intervals are
//! folded by a candidate period and the distance to the nearest multiple is scored with
//! `1 − 12 f²`, whose mean is 0 and variance 0.8 where `f` is uniform on [−½, ½], which is what
//! intervals spread wider than the period give. The sum over `n` intervals, divided by
//! `√(0.8 n)`, is then close to standard normal, so that `v²/2 − ln(candidates)` nats is a bound
//! on the evidence: a chance of e⁻¹⁰ or 4.5 in 100,000 tests where it says 10. Intervals, not
//! phases, are folded: timers that start again after each answer drift, and drift does not
//! matter here.
//!
//! Whole-second time stamps widen every interval by a triangle of ±1 s, which costs strength and
//! needs periods of at least two seconds; a coarse grid also makes folded distances discrete,
//! whose bias of `(resolution / period)²` is taken off. Faster timers show in the counts of
//! bins of time instead ([`steady`]).

/// Periods tried for one series.
const CANDIDATES: usize = 48;
/// Least intervals for a judgement.
const INTERVALS_MIN: usize = 5;
/// Longer pauses, in periods, say nothing of the timer.
const SKIPS_MAX: f64 = 12.0;
/// Least period of stamps finer than a second, µs.
const PERIOD_MIN_US: f64 = 40_000.0;

/// A regular series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    pub period_us: f64,
    /// Evidence against chance, nats.
    pub nats: f64,
    /// Intervals that took part.
    pub intervals: usize,
    /// Of them longer than one period.
    pub skipped: usize,
}

/// The stamps' resolution, µs: a second when every one of them is whole.
pub fn resolution_us(times: impl Iterator<Item = u32>) -> u32 {
    let mut times = times;
    if times.all(|at| at % 1_000_000 == 0) {
        1_000_000
    } else {
        1_000
    }
}

/// The best period of a sorted series, when there is one at all, with at least `nats_min` nats of
/// evidence.
pub fn beat(times: &[u32], resolution_us: u32, nats_min: f64, scratch: &mut Vec<f64>) -> Option<Beat> {
    if times.len() <= INTERVALS_MIN {
        return None;
    }
    let least = PERIOD_MIN_US.max(2.0 * f64::from(resolution_us.max(1)));
    let gaps = scratch;
    gaps.clear();
    gaps.extend(times.windows(2).map(|pair| f64::from(pair[1] - pair[0])));
    // Two requests at one beat are one beat.
    gaps.retain(|&gap| gap >= least * 0.5);
    if gaps.len() < INTERVALS_MIN || gaps.len() * 2 < times.len() - 1 {
        return None;
    }
    gaps.sort_unstable_by(f64::total_cmp);
    let low = (gaps[gaps.len() / 10] * 0.9).max(least);
    let high = (gaps[gaps.len() * 3 / 5] * 1.1).max(low);
    let tried = ((high / low).ln() / 0.025).ceil().clamp(1.0, CANDIDATES as f64);
    if score_max(gaps.len()) - (tried + 2.0).ln() < nats_min {
        return None;
    }
    let step = (high / low).ln() / tried;
    let resolution = f64::from(resolution_us);
    let candidates = tried as usize;
    let periods = (0..=candidates).map(|candidate| low * (step * candidate as f64).exp());
    let mut best: Option<Beat> = None;
    fold(gaps, resolution, periods, |found| {
        if best.is_none_or(|best| found.nats > best.nats) {
            best = Some(found);
        }
    });
    let mut best = best?;
    if best.nats > 0.0 {
        let period = refine(gaps, best.period_us);
        let mut refined = best;
        fold(gaps, resolution, std::iter::once(period), |found| refined = found);
        if refined.nats > best.nats && refined.period_us >= least {
            best = refined;
        }
    }
    best.nats -= (tried + 2.0).ln();
    (best.nats > 0.0
        && best.nats >= nats_min
        && best.intervals >= INTERVALS_MIN
        && best.intervals * 2 >= gaps.len())
    .then_some(best)
}

/// The most that so many intervals can score, none of which scores more than 1.
fn score_max(intervals: usize) -> f64 {
    intervals as f64 / 1.6
}

/// The most evidence, nats, that a series of so many requests can give.
pub fn nats_max(requests: usize) -> f64 {
    match requests {
        0..=INTERVALS_MIN => 0.0,
        // At least two periods are tried.
        few if few < STEADY_REQUESTS_MIN => score_max(few - 1) - 3f64.ln(),
        _ => f64::INFINITY,
    }
}

/// Periods that intervals are folded by in one step.
const LANES: usize = 4;

/// Intervals folded by a few periods side by side, without branches: the compiler makes vectors
/// of it. Counts are whole numbers.
#[derive(Clone, Copy)]
struct Folds {
    periods: [f64; LANES],
    sums: [f64; LANES],
    used: [f64; LANES],
    skipped: [f64; LANES],
}

/// Added and taken off again it leaves the nearest whole number of anything small.
const ROUND: f64 = 6_755_399_441_055_744.0;

impl Folds {
    const NONE: Folds = Folds {
        periods: [1.0; LANES],
        sums: [0.0; LANES],
        used: [0.0; LANES],
        skipped: [0.0; LANES],
    };

    #[inline]
    fn add(&mut self, gap: f64, coarse: f64) {
        let one_if = |holds: bool| if holds { 1.0 } else { 0.0 };
        let beats = self.periods.map(|period| gap / period);
        let biases = self.periods.map(|period| coarse / period);
        let nearest = beats.map(|beats| {
            let rounded = (beats + ROUND) - ROUND;
            if rounded > 1.0 { rounded } else { 1.0 }
        });
        let hits = beats.map(|beats| one_if(beats >= 0.25) * one_if(beats <= SKIPS_MAX));
        let scores: [f64; LANES] = std::array::from_fn(|lane| {
            let off = (beats[lane] - nearest[lane]).abs();
            let off = if off < 0.5 { off } else { 0.5 };
            1.0 - 12.0 * off * off - biases[lane] * biases[lane]
        });
        let sums = self.sums.iter_mut().zip(scores);
        sums.zip(hits).for_each(|((sum, score), hit)| *sum += hit * score);
        self.used
            .iter_mut()
            .zip(hits)
            .for_each(|(used, hit)| *used += hit);
        let skipped = self.skipped.iter_mut().zip(nearest);
        skipped
            .zip(hits)
            .for_each(|((skipped, nearest), hit)| *skipped += hit * one_if(nearest > 1.0));
    }

    fn beat(&self, lane: usize) -> Beat {
        let v = self.sums[lane] / (0.8 * self.used[lane].max(1.0)).sqrt();
        Beat {
            period_us: self.periods[lane],
            nats: if v > 0.0 { v * v / 2.0 } else { 0.0 },
            intervals: self.used[lane] as usize,
            skipped: self.skipped[lane] as usize,
        }
    }
}

/// Folds by each of some periods; calls `found` with them in order.
fn fold(gaps: &[f64], resolution: f64, periods: impl Iterator<Item = f64>, mut found: impl FnMut(Beat)) {
    let mut folds = [Folds::NONE; CANDIDATES / LANES + 1];
    let mut count = 0;
    for (at, period) in periods.take(folds.len() * LANES).enumerate() {
        folds[at / LANES].periods[at % LANES] = period;
        count = at + 1;
    }
    let coarse = if resolution > 10_000.0 { resolution } else { 0.0 };
    for folds in &mut folds[..count.div_ceil(LANES)] {
        gaps.iter().for_each(|&gap| folds.add(gap, coarse));
    }
    (0..count).for_each(|at| found(folds[at / LANES].beat(at % LANES)));
}

/// The period that the intervals near a multiple agree on.
fn refine(gaps: &[f64], period: f64) -> f64 {
    let (mut length, mut beats) = (0.0, 0.0);
    for gap in gaps {
        let nearest = (gap / period).round();
        if (1.0..=SKIPS_MAX).contains(&nearest) && (gap / period - nearest).abs() < 0.3 {
            length += gap;
            beats += nearest;
        }
    }
    if beats > 0.0 { length / beats } else { period }
}

/// Least requests for a judgement of how even they are.
const STEADY_REQUESTS_MIN: usize = 60;

/// Index of dispersion (of counts, against independent requests) down to which people go who
/// reload a page as fast as they can bear: intervals with a coefficient of variation of 0.6.
const PEOPLE_DISPERSION: f64 = 0.35;

/// Evidence, nats, that requests are spread over time more evenly than people spread them: the
/// index of dispersion of their counts in bins of about three requests, whole seconds wide. For
/// timers it is the square of their jitter. Needs twenty bins.
pub fn steady(times: &[u32]) -> f64 {
    const SECOND: u32 = 1_000_000;
    const BINS_MIN: u32 = 20;
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return 0.0;
    };
    let seconds = (last - first) / SECOND;
    if times.len() < STEADY_REQUESTS_MIN || seconds < BINS_MIN {
        return 0.0;
    }
    let width = (seconds * 3).div_ceil(times.len() as u32).max(1) * SECOND;
    // Whole bins between the first and the last, which are cut.
    let (from, to) = (first / width + 1, last / width);
    let bins = to.saturating_sub(from);
    if bins < BINS_MIN {
        return 0.0;
    }
    let (mut squares, mut all) = (0.0, 0.0);
    for run in times.chunk_by(|a, b| a / width == b / width) {
        if (from..to).contains(&(run[0] / width)) {
            let count = run.len() as f64;
            squares += count * count;
            all += count;
        }
    }
    let n = f64::from(bins);
    let mean = all / n;
    let dispersion = (squares - n * mean * mean) / (n - 1.0) / mean.max(1e-9);
    let z = (1.0 - dispersion / PEOPLE_DISPERSION) * ((n - 1.0) / 2.0).sqrt();
    if z > 0.0 {
        (z * z / 2.0 - 2.0).max(0.0)
    } else {
        0.0
    }
}
