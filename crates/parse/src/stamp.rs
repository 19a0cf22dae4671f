//! Times as text logs write them: ISO 8601 with or without a zone, month names with or without a
//! year, and patterns of Java's `SimpleDateFormat`.
//!
//! Source: RFC 3164 §4.1.2, RFC 5424 §6.2.3, the CEF and LEEF guides' date forms. A time without a
//! zone is in the calendar's, which is UTC unless the input was given another. A time without a year gets the latest year that does not put it more than one day
//! after its arrival, so that lines of December read in January fall into the old year.

use crate::scalar::{civil_days, date_days, pair, time_seconds};
use crate::zone::{AHEAD_MAX_S, LastOffset, LocalZone};
use haetae_event::Micros;
use haetae_event::time::{DAY_US, SECOND_US};
use std::cell::Cell;

/// Years gone back to find one that has the day: a 29 February may be eight years away.
const YEARS_BACK: i64 = 8;

/// A date and time at the start of a text; [`Calendar::at`] makes it an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// µs since the epoch; what the clock showed, as if it were UTC, when it is not `zoned`.
    us: i64,
    /// Whether it named its zone.
    zoned: bool,
    /// Bytes it takes.
    pub len: usize,
}

/// A month, a day and a time of the day, perhaps with a year, on some clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    pub year: Option<i64>,
    pub month: i64,
    pub day: i64,
    /// µs since midnight.
    pub day_us: i64,
    /// Bytes it takes.
    pub len: usize,
}

/// Fills in what times leave out: the year, relative to an arrival, and the zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    arrival: Micros,
    year: i64,
    /// `None` is UTC.
    zone: Option<LocalZone>,
    last: Cell<LastOffset>,
}

impl Calendar {
    /// `zone` is that of times that name none; `None` is UTC.
    pub fn new(arrival: Micros, zone: Option<&LocalZone>) -> Self {
        let (day, _) = arrival.partition();
        let year = day.split_once('-').and_then(|(year, _)| year.parse().ok());
        Calendar {
            arrival,
            year: year.unwrap_or(1970),
            zone: zone.filter(|zone| !zone.is_utc()).cloned(),
            last: Cell::new(LastOffset::default()),
        }
    }

    /// The instant of `partial` on a clock `offset_s` seconds ahead of UTC, or on the local one;
    /// `None` when there is no such day.
    pub fn instant(&self, partial: &Partial, offset_s: Option<i64>) -> Option<i64> {
        let shown = |year: i64| {
            let days = civil_days(year, partial.month, partial.day)?;
            days.checked_mul(DAY_US)?.checked_add(partial.day_us)
        };
        let at = |shown_us: i64| match offset_s {
            Some(offset_s) => shown_us.checked_sub(offset_s * SECOND_US),
            None => self.local(shown_us),
        };
        if let Some(year) = partial.year {
            return at(shown(year)?);
        }
        let latest = self.arrival.0.saturating_add(DAY_US);
        (self.year - YEARS_BACK..=self.year + 1)
            .rev()
            .filter_map(shown)
            // Next year's offset is of no interest, and would push out that of this year.
            .filter(|&us| us <= latest.saturating_add(AHEAD_MAX_S * SECOND_US))
            .filter_map(at)
            .find(|&us| us <= latest)
    }

    /// The instant of `stamp`; `None` only where the zone's calendar ends.
    #[inline]
    pub fn at(&self, stamp: Stamp) -> Option<i64> {
        match stamp.zoned {
            true => Some(stamp.us),
            false => self.local(stamp.us),
        }
    }

    /// The instant at which the local clock shows `shown_us`.
    #[inline]
    fn local(&self, shown_us: i64) -> Option<i64> {
        match &self.zone {
            None => Some(shown_us),
            Some(zone) => self.local_in(zone, shown_us),
        }
    }

    /// Apart, so that it does not weigh on UTC.
    #[inline(never)]
    fn local_in(&self, zone: &LocalZone, shown_us: i64) -> Option<i64> {
        let mut last = self.last.get();
        let offset_s = zone.offset_at(shown_us.div_euclid(SECOND_US), &mut last);
        self.last.set(last);
        shown_us.checked_sub(offset_s? * SECOND_US)
    }
}

/// Number of the month whose English name's first three letters begin `bytes`.
pub fn month(bytes: &[u8]) -> Option<i64> {
    let name = bytes.get(..3)?;
    let at = match [name[0] | 0x20, name[1] | 0x20, name[2] | 0x20] {
        [b'j', b'a', b'n'] => 1,
        [b'f', b'e', b'b'] => 2,
        [b'm', b'a', b'r'] => 3,
        [b'a', b'p', b'r'] => 4,
        [b'm', b'a', b'y'] => 5,
        [b'j', b'u', b'n'] => 6,
        [b'j', b'u', b'l'] => 7,
        [b'a', b'u', b'g'] => 8,
        [b's', b'e', b'p'] => 9,
        [b'o', b'c', b't'] => 10,
        [b'n', b'o', b'v'] => 11,
        [b'd', b'e', b'c'] => 12,
        _ => return None,
    };
    Some(at)
}

/// A fraction of a second at `at`, `.` or `,` and digits: its µs and where it ends. Digits beyond
/// the sixth are cut off.
fn fraction(bytes: &[u8], at: usize) -> (i64, usize) {
    if !matches!(bytes.get(at), Some(b'.' | b',')) || !bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
        return (0, at);
    }
    let (mut us, mut unit, mut end) = (0, 100_000, at + 1);
    while let Some(digit) = bytes.get(end).filter(|b| b.is_ascii_digit()) {
        us += i64::from(digit - b'0') * unit;
        unit /= 10;
        end += 1;
    }
    (us, end)
}

/// `Z`, `+hh:mm`, `-hhmm` or `+hh` at the start: seconds ahead of UTC and the bytes it takes.
pub fn numeric_zone(bytes: &[u8]) -> Option<(i64, usize)> {
    let sign = match bytes.first()? {
        b'Z' | b'z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = pair(bytes.get(1..3)?)?;
    let colon = usize::from(bytes.get(3) == Some(&b':'));
    let minutes = bytes.get(3 + colon..5 + colon).and_then(pair);
    let len = if minutes.is_some() { 5 + colon } else { 3 };
    let minutes = minutes.unwrap_or(0);
    (hours <= 18 && minutes < 60).then_some((sign * (hours * 3600 + minutes * 60), len))
}

/// A zone by its letters, which begin `bytes` and end there or before a byte that is no letter:
/// seconds ahead of UTC and the bytes it takes. Names that mean several zones are taken as the
/// North American ones.
pub fn named_zone(bytes: &[u8]) -> Option<(i64, usize)> {
    let len = bytes
        .iter()
        .take(6)
        .take_while(|b| b.is_ascii_uppercase())
        .count();
    let half_hours = match &bytes[..len] {
        b"UTC" | b"GMT" | b"Z" | b"WET" => 0,
        b"KST" | b"JST" => 18,
        b"CET" | b"BST" | b"WEST" => 2,
        b"CEST" | b"EET" => 4,
        b"EEST" | b"MSK" => 6,
        b"IST" => 11,
        b"SGT" | b"HKT" | b"AWST" => 16,
        b"AEST" => 20,
        b"AEDT" => 22,
        b"NZST" => 24,
        b"EDT" => -8,
        b"EST" | b"CDT" => -10,
        b"CST" | b"MDT" => -12,
        b"MST" | b"PDT" => -14,
        b"PST" => -16,
        _ => return None,
    };
    Some((half_hours * 1800, len))
}

/// `YYYY-MM-DDTHH:MM:SS[.frac][zone]` at the start; a space may stand for the `T`.
pub fn iso(bytes: &[u8]) -> Option<Stamp> {
    let days = date_days(bytes.get(..10)?)?;
    if !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let seconds = time_seconds(bytes.get(11..19)?)?;
    let (us, end) = fraction(bytes, 19);
    let zone = numeric_zone(&bytes[end..]);
    let (offset, zone_bytes) = zone.unwrap_or((0, 0));
    Some(Stamp {
        us: days * DAY_US + (seconds - offset) * SECOND_US + us,
        zoned: zone.is_some(),
        len: end + zone_bytes,
    })
}

/// `[Www ]Mmm d[d] [yyyy ]HH:MM:SS[.frac][ yyyy]` at the start.
pub fn month_first(bytes: &[u8]) -> Option<Partial> {
    let skipped = match bytes.get(..4)? {
        // A weekday: three letters that are no month.
        [a, b, c, b' ']
            if a.is_ascii_uppercase()
                && b.is_ascii_lowercase()
                && c.is_ascii_lowercase()
                && month(bytes).is_none() =>
        {
            4
        }
        _ => 0,
    };
    let rest = &bytes[skipped..];
    let month = month(rest)?;
    let (day, mut at) = small_number(rest, spaces(rest, 3)?)?;
    at = spaces(rest, at)?;
    let mut year = None;
    if let Some((found, end)) = year_at(rest, at)
        && rest.get(end) == Some(&b' ')
    {
        year = Some(found);
        at = end + 1;
    }
    let seconds = time_seconds(rest.get(at..at + 8)?)?;
    let (us, mut end) = fraction(rest, at + 8);
    if year.is_none()
        && rest.get(end) == Some(&b' ')
        && let Some((found, after)) = year_at(rest, end + 1)
        && matches!(rest.get(after), None | Some(b' ' | b':'))
    {
        year = Some(found);
        end = after;
    }
    Some(Partial {
        year,
        month,
        day,
        day_us: seconds * SECOND_US + us,
        len: skipped + end,
    })
}

/// Where the one or two spaces at `at` end.
fn spaces(bytes: &[u8], at: usize) -> Option<usize> {
    let count = bytes
        .get(at..)?
        .iter()
        .take(2)
        .take_while(|&&b| b == b' ')
        .count();
    (count > 0).then_some(at + count)
}

/// One or two digits at `at` and where they end.
fn small_number(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let digit = |i: usize| {
        bytes
            .get(i)
            .filter(|b| b.is_ascii_digit())
            .map(|b| i64::from(b - b'0'))
    };
    let first = digit(at)?;
    match digit(at + 1) {
        Some(second) => Some((first * 10 + second, at + 2)),
        None => Some((first, at + 1)),
    }
}

/// Four digits at `at` that can be a year of a log, and where they end.
fn year_at(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let year = pair(bytes.get(at..at + 2)?)? * 100 + pair(bytes.get(at + 2..at + 4)?)?;
    (1970..=2199).contains(&year).then_some((year, at + 4))
}

/// A whole text in one of the date forms of CEF and LEEF: Unix time of any unit, month names with
/// or without year, fraction and zone, or ISO 8601.
pub fn any(text: &str, calendar: &Calendar) -> Option<i64> {
    let bytes = text.trim().as_bytes();
    if bytes.first().is_some_and(u8::is_ascii_digit) {
        if let Some(number) = crate::scalar::decimal(bytes) {
            return crate::scalar::epoch_us(number);
        }
        return calendar.at(iso(bytes).filter(|stamp| stamp.len == bytes.len())?);
    }
    let partial = month_first(bytes)?;
    let offset = match bytes[partial.len..].trim_ascii() {
        b"" => None,
        zone => {
            let (offset, len) = numeric_zone(zone).or_else(|| named_zone(zone))?;
            Some((len == zone.len()).then_some(offset)?)
        }
    };
    calendar.instant(&partial, offset)
}
