//! Parts of a timestamp, for the modifiers `minute` to `year`.
//!
//! The specification defines no conversion between time zones: the parts are those the text shows.
//! A number is seconds since 1970 (UTC), or milliseconds, microseconds or nanoseconds when it is too
//! large for that. `week` is the week of ISO 8601.

use haetae_event::time::days_from_civil;

/// A part of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Part {
    pub fn named(name: &str) -> Option<Part> {
        Some(match name {
            "minute" => Part::Minute,
            "hour" => Part::Hour,
            "day" => Part::Day,
            "week" => Part::Week,
            "month" => Part::Month,
            "year" => Part::Year,
            _ => return None,
        })
    }
}

/// A date and, where the text has one, a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    year: i64,
    month: i64,
    day: i64,
    time: Option<(i64, i64)>,
}

impl Moment {
    /// Reads `2026-03-01`, with `T` or a blank and a time behind it; what follows the minutes
    /// (seconds, zone) has no part of its own. Also a number, see [`Moment::of_number`].
    pub fn parse(text: &str) -> Option<Moment> {
        let bytes = text.as_bytes();
        let digits = |at: usize, count: usize| -> Option<i64> {
            let part = bytes.get(at..at + count)?;
            part.iter()
                .all(u8::is_ascii_digit)
                .then(|| part.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
        };
        let dated = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
        if !dated {
            return text.parse().ok().and_then(Moment::of_number);
        }
        let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
        let time = match bytes.get(10) {
            None => None,
            Some(b'T' | b't' | b' ') => {
                let (hour, minute) = (digits(11, 2)?, digits(14, 2)?);
                let whole = bytes.get(13) == Some(&b':') && hour < 24 && minute < 60;
                Some(whole.then_some((hour, minute))?)
            }
            Some(_) => return None,
        };
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Moment {
            year,
            month,
            day,
            time,
        })
    }

    /// Seconds since 1970, or a thousandth, millionth or billionth of them, told by size.
    pub fn of_number(number: f64) -> Option<Moment> {
        const SECONDS_MAX: f64 = 1e11;
        if !number.is_finite() {
            return None;
        }
        let mut seconds = number;
        for _ in 0..3 {
            if seconds.abs() >= SECONDS_MAX {
                seconds /= 1000.0;
            }
        }
        // Within ±1e11 after at most three steps, or refused.
        (seconds.abs() < SECONDS_MAX).then(|| Moment::of_seconds(seconds.floor() as i64))
    }

    fn of_seconds(seconds: i64) -> Moment {
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Civil date of a day number, after Howard Hinnant, *chrono-compatible low-level date
        // algorithms*.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Moment {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * march_month + 2) / 5 + 1,
            time: Some((second / 3600, second / 60 % 60)),
        }
    }

    /// The part; `None` for minutes and hours of a mere date.
    pub fn part(&self, part: Part) -> Option<i64> {
        Some(match part {
            Part::Minute => self.time?.1,
            Part::Hour => self.time?.0,
            Part::Day => self.day,
            Part::Week => self.week(),
            Part::Month => self.month,
            Part::Year => self.year,
        })
    }

    /// Of a week, the year that its Thursday lies in counts.
    fn week(&self) -> i64 {
        let days = days_from_civil(self.year, self.month, self.day);
        // 1970-01-01 was a Thursday; Monday is 0.
        let weekday = (days + 3).rem_euclid(7);
        let thursday = Moment::of_seconds((days - weekday + 3) * 86_400);
        let first = days_from_civil(thursday.year, 1, 1);
        (days - weekday + 3 - first) / 7 + 1
    }
}
