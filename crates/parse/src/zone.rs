//! The zone of times that name none: an IANA name, or an offset.
//!
//! Zone data are compiled in, so that a name means the same on every machine. A local time that a
//! change of the clock skips or repeats is read with the offset that held before the change.
//!
//! What is not here: the zone in which people are shown times.

use crate::mapping::offset_seconds;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan, civil};
use std::str::FromStr;
use std::sync::LazyLock;

/// No clock is further ahead of UTC, in seconds.
pub(crate) const AHEAD_MAX_S: i64 = 26 * 3600;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A text that names no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time zone `{0}` is not known; use an IANA name such as Asia/Seoul, or an offset such as +09:00")]
pub struct UnknownZone(pub String);

/// The zone in which times without one are read. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalZone {
    zone: TimeZone,
    /// Seconds ahead of UTC, where that never changes.
    fixed_s: Option<i64>,
}

/// The offset found last, in seconds, and from which to which local second it holds. The default
/// holds for none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastOffset {
    from_s: i64,
    to_s: i64,
    offset_s: i64,
}

impl FromStr for LocalZone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone(name.to_owned());
        let Some(seconds) = offset_seconds(name.as_bytes()) else {
            let zone = ZONES.get(name).map_err(|_| unknown())?;
            return Ok(LocalZone::of(zone));
        };
        let offset = i32::try_from(seconds).ok().map(Offset::from_seconds);
        let offset = offset.and_then(Result::ok).ok_or_else(unknown)?;
        Ok(LocalZone::of(offset.to_time_zone()))
    }
}

impl LocalZone {
    pub fn utc() -> LocalZone {
        LocalZone::of(TimeZone::UTC)
    }

    fn of(zone: TimeZone) -> LocalZone {
        let fixed = zone.to_fixed_offset().ok();
        LocalZone {
            zone,
            fixed_s: fixed.map(|offset| i64::from(offset.seconds())),
        }
    }

    /// Whether it is UTC by nature, not by chance.
    pub fn is_utc(&self) -> bool {
        self.fixed_s == Some(0)
    }

    /// What to subtract from a local time to get UTC, both in seconds; `None` outside the years
    /// that have a calendar. `last` spares the look-up for times near each other.
    #[inline]
    pub(crate) fn offset_at(&self, local_s: i64, last: &mut LastOffset) -> Option<i64> {
        if self.fixed_s.is_some() {
            return self.fixed_s;
        }
        if (last.from_s..last.to_s).contains(&local_s) {
            return Some(last.offset_s);
        }
        let offset_s = self.look_up(local_s)?;
        let (from_s, to_s) = self.holds(local_s, offset_s);
        *last = LastOffset {
            from_s,
            to_s,
            offset_s,
        };
        Some(offset_s)
    }

    fn look_up(&self, local_s: i64) -> Option<i64> {
        let stamp = Timestamp::from_second(local_s).ok()?;
        let local: civil::DateTime = TimeZone::UTC.to_datetime(stamp);
        let instant = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(local_s - instant.as_second())
    }

    /// The local seconds around `local_s` that are read with `offset_s`; of those that a change
    /// skips or repeats all belong to what was before it. Empty when that cannot be told.
    fn holds(&self, local_s: i64, offset_s: i64) -> (i64, i64) {
        const EMPTY: (i64, i64) = (0, 0);
        let Ok(instant) = Timestamp::from_second(local_s - offset_s) else {
            return EMPTY;
        };
        let seconds = |offset: Offset| i64::from(offset.seconds());
        // In a gap the instant lies behind the change whose earlier offset was used.
        if seconds(self.zone.to_offset(instant)) != offset_s {
            return EMPTY;
        }
        let next = self.zone.following(instant).next();
        let to_s = next.map_or(i64::MAX, |change| {
            change.timestamp().as_second() + offset_s.max(seconds(change.offset()))
        });
        let after = instant.saturating_add(1.second()).unwrap_or(instant);
        let from_s = self.zone.preceding(after).next().map_or(i64::MIN, |change| {
            let before = change.timestamp().saturating_sub(1.second());
            let before = before.map_or(offset_s, |before| seconds(self.zone.to_offset(before)));
            change.timestamp().as_second() + offset_s.max(before)
        });
        match (from_s..to_s).contains(&local_s) {
            true => (from_s, to_s),
            false => EMPTY,
        }
    }
}

#[cfg(test)]
mod tests;
