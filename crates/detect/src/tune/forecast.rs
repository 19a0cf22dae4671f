//! Alerts of the next seven days from those of the days before.
//!
//! A moving block bootstrap over days (Künsch 1989; circular, Politis and Romano 1992): blocks of
//! n^(1/3) days keep what lasts longer than one. With three weeks and more, blocks begin at the
//! weekday they are put at (the generalised seasonal block bootstrap of Dudek, Leśkow, Paparoditis
//! and Politis 2014). All rules are drawn by the same days, so that what comes together stays
//! together in the total.
//!
//! Each draw resamples the history first and then the week out of it: the spread of the week, and
//! how badly few days tell the mean, are both in it. Resampled days spread less than days do, by
//! what estimating their mean took (by weekday: seven means), and few blocks have Student's tails:
//! the range is widened by both, counting blocks as the sample. Where fewer than five alerts or fewer than
//! seven days are known, a resampled history says too little of what it never saw; the range is
//! then at least that of a Poisson process of unknown rate (Jeffreys' prior; the prediction is
//! negative binomial).
//!
//! Not in it: anything that never happened in the history, and trends.

use serde::Serialize;

/// Days forecast.
pub const WEEK: usize = 7;
/// Fewer whole days say nothing.
pub const DAYS_MIN: usize = 2;
/// Fewer whole days have not seen each weekday.
pub const DAYS_SURE: usize = 7;
/// From three weeks on, weekdays are told apart.
const DAYS_SEASONAL: usize = 21;
/// Draws.
const DRAWS: usize = 4_000;
/// Alerts from which the draws are trusted alone.
const ALERTS_SURE: u64 = 5;
/// Alerts from which the Poisson range is negligible beside them.
const ALERTS_MANY: u64 = 10_000;
/// Where the draws begin, always.
const SEED: u64 = 0x6861_6574_6165;

/// The middle and the 80 % in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// One in ten weeks is below.
    pub low: u64,
    pub median: u64,
    /// One in ten weeks is above.
    pub high: u64,
}

/// The next week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    pub rules: Vec<Range>,
    pub total: Range,
    /// Whole days it rests on.
    pub days: usize,
    /// Weekdays are told apart.
    pub weekdays: bool,
}

/// The next seven days, from `daily`: for each rule its alerts of each whole day, the oldest
/// first, all of the same length `days`. `None` where fewer than [`DAYS_MIN`] days are known.
pub fn next_week(daily: &[Vec<u32>], days: usize) -> Option<Forecast> {
    if days < DAYS_MIN || daily.iter().any(|counts| counts.len() != days) {
        return None;
    }
    let weekdays = days >= DAYS_SEASONAL;
    let mut draws: Vec<Vec<u64>> = vec![Vec::with_capacity(DRAWS); daily.len()];
    let mut totals = Vec::with_capacity(DRAWS);
    let mut random = Random(SEED);
    for _ in 0..DRAWS {
        let history = resampled(days, days, 0, weekdays, &mut random);
        let week = resampled(days, WEEK, days, weekdays, &mut random);
        let mut total = 0;
        for (counts, drawn) in daily.iter().zip(&mut draws) {
            let sum: u64 = week.iter().map(|&day| u64::from(counts[history[day]])).sum();
            drawn.push(sum);
            total += sum;
        }
        totals.push(total);
    }
    let seen = |counts: &Vec<u32>| counts.iter().copied().map(u64::from).sum::<u64>();
    let all = daily.iter().map(seen).sum();
    Some(Forecast {
        rules: draws
            .into_iter()
            .zip(daily)
            .map(|(drawn, counts)| range(drawn, seen(counts), days, weekdays))
            .collect(),
        total: range(totals, all, days, weekdays),
        days,
        weekdays,
    })
}

/// Places in a history of `days` for `wanted` days in a row, the first of which is day number
/// `first` of the same count.
fn resampled(days: usize, wanted: usize, first: usize, weekdays: bool, random: &mut Random) -> Vec<usize> {
    let block = block(days);
    // Whole weeks, so that going round keeps the weekday; the latest ones.
    let used = if weekdays { days / WEEK * WEEK } else { days };
    let skipped = days - used;
    let mut places = Vec::with_capacity(wanted + block);
    while places.len() < wanted {
        let start = if weekdays {
            let weekday = (first + places.len() + used - skipped % WEEK) % WEEK;
            weekday + WEEK * random.below(used / WEEK)
        } else {
            random.below(used)
        };
        places.extend((0..block).map(|day| skipped + (start + day) % used));
    }
    places.truncate(wanted);
    places
}

/// Days in a block.
fn block(days: usize) -> usize {
    (days as f64).cbrt().round().max(1.0) as usize
}

/// By how much the ends of a resampled range lie too near to its middle.
fn widening(days: usize, weekdays: bool) -> f64 {
    let spent = if weekdays { WEEK } else { block(days) };
    let left = days.saturating_sub(spent).max(1) as f64;
    let freedom = (left / block(days) as f64).max(1.0);
    // Student's 90 % point over the normal one, to first order: 1 + (z² + 1) / 4f with z = 1.2816.
    (days as f64 / left).sqrt() * (1.0 + 0.6606 / freedom)
}

fn range(mut drawn: Vec<u64>, seen: u64, days: usize, weekdays: bool) -> Range {
    drawn.sort_unstable();
    let at = |parts: usize| {
        drawn
            .get((drawn.len().saturating_sub(1)) * parts / 10)
            .copied()
            .unwrap_or(0)
    };
    let median = at(5);
    let wider = |end: u64| (end.abs_diff(median) as f64 * widening(days, weekdays)).round() as u64;
    let mut range = Range {
        low: median.saturating_sub(wider(at(1))),
        median,
        high: median.saturating_add(wider(at(9))),
    };
    if seen < ALERTS_SURE || (days < DAYS_SURE && seen < ALERTS_MANY) {
        let (low, high) = poisson(seen, days);
        range.low = range.low.min(low);
        range.high = range.high.max(high);
    }
    range
}

/// The 10 % and 90 % points of the week's count of a Poisson process that told `seen` in `days`:
/// negative binomial with `seen + 1/2` and `days / (days + 7)`.
fn poisson(seen: u64, days: usize) -> (u64, u64) {
    let shape = seen as f64 + 0.5;
    let keep = days as f64 / (days + WEEK) as f64;
    let mut log_mass = shape * keep.ln();
    let (mut sum, mut low) = (log_mass.exp(), None);
    let mut count = 0u64;
    // The mean is at most 7/2 of `seen`; far beyond it nothing is left.
    let count_max = 20 * (seen + WEEK as u64);
    while count < count_max {
        if sum >= 0.1 && low.is_none() {
            low = Some(count);
        }
        if sum >= 0.9 {
            break;
        }
        log_mass += ((count as f64 + shape) / (count as f64 + 1.0)).ln() + (1.0 - keep).ln();
        sum += log_mass.exp();
        count += 1;
    }
    (low.unwrap_or(0), count)
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Below `end`, which is above zero and far below 2^32: the bias is below one in a billion.
    fn below(&mut self, end: usize) -> usize {
        let wide = u128::from(self.next()) * end as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_histories_are_refused_and_widened() {
        assert_eq!(next_week(&[vec![3]], 1), None);
        let short = next_week(&[vec![1, 1, 1]], 3).expect("three days").total;
        assert_eq!(short.median, 7);
        assert!(short.low <= 3 && short.high >= 12, "{short:?}");
        let long = next_week(&[vec![1; 28]], 28).expect("four weeks").total;
        assert_eq!((long.low, long.median, long.high), (7, 7, 7));
    }

    #[test]
    fn silence_is_no_promise() {
        let short = next_week(&[vec![0; 7]], 7).expect("a week").total;
        assert!(
            short.low == 0 && short.median == 0 && short.high >= 1,
            "{short:?}"
        );
        // Of Poisson processes that were silent for 300 days few speak in the next week.
        assert_eq!(poisson(0, 300), (0, 0));
    }

    #[test]
    fn weekdays_are_kept() {
        // Alerts on one weekday only, and a history that does not begin with it.
        let counts: Vec<u32> = (0..31).map(|day| if day % 7 == 5 { 10 } else { 0 }).collect();
        let week = next_week(&[counts], 31).expect("a month");
        assert!(week.weekdays);
        assert_eq!((week.total.low, week.total.median, week.total.high), (10, 10, 10));
    }

    #[test]
    fn the_poisson_range_is_that_of_the_negative_binomial() {
        // scipy.stats.nbinom.ppf([0.1, 0.9], 20.5, 7 / 14)
        assert_eq!(poisson(20, 7), (13, 29));
    }
}
