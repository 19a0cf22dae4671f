//! Event time: microseconds since the Unix epoch, UTC.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z. Serialises as RFC 3339 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

pub const SECOND_US: i64 = 1_000_000;
pub const MINUTE_US: i64 = 60 * SECOND_US;
pub const HOUR_US: i64 = 60 * MINUTE_US;
pub const DAY_US: i64 = 24 * HOUR_US;

impl Micros {
    pub const MIN: Micros = Micros(i64::MIN);
    pub const MAX: Micros = Micros(i64::MAX);

    pub fn from_seconds(seconds: i64) -> Self {
        Micros(seconds.saturating_mul(SECOND_US))
    }

    /// Start of the bucket of `width_us` microseconds that holds this instant.
    ///
    /// # Panics
    /// When `width_us` is not positive.
    pub fn floor_to(self, width_us: i64) -> Self {
        Micros(self.0.div_euclid(width_us).saturating_mul(width_us))
    }

    pub fn saturating_add(self, us: i64) -> Self {
        Micros(self.0.saturating_add(us))
    }

    pub fn saturating_sub(self, us: i64) -> Self {
        Micros(self.0.saturating_sub(us))
    }

    /// Parses RFC 3339 with any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let stamp: jiff::Timestamp = text.parse().ok()?;
        Some(Micros(stamp.as_microsecond()))
    }

    fn clamped(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// The instant as a `jiff` timestamp, clamped to the years jiff can write.
    pub fn timestamp(self) -> jiff::Timestamp {
        self.clamped()
    }

    /// UTC partition of the Hive layout: (`YYYY-MM-DD`, `HH`).
    pub fn partition(self) -> (String, String) {
        let z = self.clamped().to_zoned(jiff::tz::TimeZone::UTC);
        (
            format!("{:04}-{:02}-{:02}", z.year(), z.month(), z.day()),
            format!("{:02}", z.hour()),
        )
    }
}

impl fmt::Display for Micros {
    /// RFC 3339 UTC, with as many fraction digits as the value needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.clamped())
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Micros::parse_rfc3339(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("not an RFC 3339 time: {text:?}")))
    }
}

/// Days since the epoch of a proleptic Gregorian date (Howard Hinnant, *chrono-Compatible
/// Low-Level Date Algorithms*, `days_from_civil`). Months and days are not range-checked.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let mp = (month + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_days_agree_with_known_dates() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(days_from_civil(2024, 2, 29), 19_782);
    }

    #[test]
    fn rfc3339_round_trips() {
        let t = Micros::parse_rfc3339("2026-03-01T12:34:56.789Z").expect("valid");
        assert_eq!(t.to_string(), "2026-03-01T12:34:56.789Z");
        assert_eq!(Micros::parse_rfc3339(&t.to_string()), Some(t));
        assert_eq!(t.partition(), ("2026-03-01".into(), "12".into()));
    }

    #[test]
    fn extreme_values_print_without_panicking() {
        assert!(!Micros::MIN.to_string().is_empty());
        assert!(!Micros::MAX.to_string().is_empty());
    }
}
