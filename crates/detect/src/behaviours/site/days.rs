//! What former days held at the same time of day.
//!
//! Days are UTC days of 288 slots of five minutes; a time of day is its slot and both neighbours.
//! What is usual is the median over the known days, and what is high lies six robust standard
//! deviations above it (1.4826 × the median absolute deviation). From eight known days on the same
//! weekday counts as well: the higher of the two medians is the usual one.

use super::{Minute, ratio};
use std::collections::BTreeMap;

const SLOT_MINUTES: i64 = 5;
const SLOTS: usize = 288;
const DAY_MINUTES: i64 = 1_440;
/// Days remembered.
const DAYS_MAX: i64 = 28;
/// From so many known days on weekdays are told apart.
const WEEKDAY_FROM: usize = 8;
const DEVIATIONS: f64 = 6.0;
/// Makes the median absolute deviation a standard deviation where values are normal.
const MAD_SCALE: f64 = 1.4826;

/// Requests of five minutes, or of a few of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slot {
    total: u32,
    failed: u32,
    minutes: u32,
}

impl Slot {
    pub fn per_minute(&self) -> f64 {
        f64::from(self.total) / f64::from(self.minutes.max(1))
    }

    /// Fraction of requests that failed.
    pub fn failed_share(&self) -> f64 {
        ratio(u64::from(self.failed), u64::from(self.total))
    }

    fn add(&mut self, counted: &Minute) {
        let clip = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        self.total = self.total.saturating_add(clip(counted.total));
        let failed = counted.client_errors + counted.server_errors;
        self.failed = self.failed.saturating_add(clip(failed));
    }
}

/// What is usual at a time of day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    pub middle: f64,
    deviation: f64,
    pub days: usize,
}

impl Usual {
    /// Above this is out of the ordinary.
    pub fn high(&self) -> f64 {
        self.middle + DEVIATIONS * self.deviation
    }
}

/// Totals and failures of the minutes that are no longer kept one by one.
#[derive(Debug, Default)]
pub struct Days {
    /// First minute ever.
    first: Option<i64>,
    days: BTreeMap<i64, Box<[(u32, u32); SLOTS]>>,
}

impl Days {
    /// A minute was counted: nothing before the earliest is known.
    pub fn begin(&mut self, minute: i64) {
        self.first = Some(self.first.map_or(minute, |first| first.min(minute)));
    }

    /// Takes over a minute that is being forgotten.
    pub fn keep(&mut self, minute: i64, counted: &Minute) {
        let day = minute.div_euclid(DAY_MINUTES);
        let slots = self.days.entry(day).or_insert_with(|| Box::new([(0, 0); SLOTS]));
        let mut slot = Slot::default();
        slot.add(counted);
        let kept = &mut slots[slot_of(minute)];
        *kept = (
            kept.0.saturating_add(slot.total),
            kept.1.saturating_add(slot.failed),
        );
        let newest = self.days.keys().next_back().copied().unwrap_or(day);
        while self.days.len() > 1
            && self
                .days
                .keys()
                .next()
                .is_some_and(|day| *day < newest - DAYS_MAX - 1)
        {
            self.days.pop_first();
        }
    }

    /// `None` while fewer than `days_min` former days are known. `minutes`: those not forgotten.
    pub fn usual(
        &self,
        minutes: &BTreeMap<i64, Minute>,
        minute: i64,
        days_min: usize,
        of: fn(&Slot) -> f64,
    ) -> Option<Usual> {
        let first = self.first?;
        let begin = (minute.div_euclid(SLOT_MINUTES) - 1) * SLOT_MINUTES;
        let back = |day: i64| begin - day * DAY_MINUTES;
        let known = (1..=DAYS_MAX)
            .take_while(|&day| back(day) + SLOT_MINUTES >= first)
            .count();
        if known < days_min.max(1) {
            return None;
        }
        let days = 1..=i64::try_from(known).unwrap_or(DAYS_MAX);
        let values: Vec<(i64, f64)> = days
            .map(|day| (day, of(&self.around(minutes, back(day)))))
            .collect();
        let all = middle(values.iter().map(|(_, value)| *value));
        let mut usual = all;
        if known >= WEEKDAY_FROM {
            let weekday = values.iter().filter(|(day, _)| day % 7 == 0);
            usual = usual.max(middle(weekday.map(|(_, value)| *value)));
        }
        let deviation = MAD_SCALE * middle(values.iter().map(|(_, value)| (value - all).abs()));
        Some(Usual {
            middle: usual,
            deviation,
            days: known,
        })
    }

    /// Three slots from `begin` on.
    fn around(&self, minutes: &BTreeMap<i64, Minute>, begin: i64) -> Slot {
        let length = 3 * SLOT_MINUTES;
        let mut sum = Slot {
            minutes: 15,
            ..Slot::default()
        };
        minutes
            .range(begin..begin + length)
            .for_each(|(_, counted)| sum.add(counted));
        for at in (begin..begin + length).step_by(5) {
            if let Some(slots) = self.days.get(&at.div_euclid(DAY_MINUTES)) {
                let (total, failed) = slots[slot_of(at)];
                sum.total = sum.total.saturating_add(total);
                sum.failed = sum.failed.saturating_add(failed);
            }
        }
        sum
    }

    pub fn bytes(&self) -> usize {
        self.days.len() * (SLOTS * 8 + 64)
    }
}

fn slot_of(minute: i64) -> usize {
    (minute.rem_euclid(DAY_MINUTES) / SLOT_MINUTES) as usize
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(kept_from: i64) -> (Days, BTreeMap<i64, Minute>) {
        let (mut days, mut minutes) = (Days::default(), BTreeMap::new());
        for minute in 0..9 * DAY_MINUTES {
            // A busy hour each day at noon, and every seventh day at six o'clock.
            let of_day = minute % DAY_MINUTES;
            let noon = (720..780).contains(&of_day);
            let weekly = (360..420).contains(&of_day) && minute / DAY_MINUTES == 1;
            let counted = Minute {
                total: if noon || weekly { 1_000 } else { 10 },
                client_errors: 1,
                ..Minute::default()
            };
            days.begin(minute);
            if minute < kept_from {
                days.keep(minute, &counted);
            } else {
                minutes.insert(minute, counted);
            }
        }
        (days, minutes)
    }

    #[test]
    fn kept_or_forgotten_days_say_the_same() {
        for kept_from in [0, 4 * DAY_MINUTES, 8 * DAY_MINUTES + 30] {
            let (days, minutes) = week(kept_from);
            let at = |minute: i64| days.usual(&minutes, minute, 3, Slot::per_minute);
            let today = 8 * DAY_MINUTES;
            let noon = at(today + 750).expect("eight days");
            assert_eq!((noon.middle, noon.days), (1_000.0, 8), "{kept_from}");
            assert_eq!(at(today + 900).expect("eight days").middle, 10.0);
            let weekly = at(today + 390).expect("eight days").middle;
            assert_eq!(weekly, 1_000.0, "usual on this weekday");
            assert_eq!(at(today - DAY_MINUTES + 390).expect("seven days").middle, 10.0);
            assert!(at(2 * DAY_MINUTES + 10).is_none(), "one day and a bit");
            let shares = days.usual(&minutes, today + 900, 3, Slot::failed_share);
            assert!((shares.expect("eight days").middle - 0.1).abs() < 1e-9);
        }
    }
}
