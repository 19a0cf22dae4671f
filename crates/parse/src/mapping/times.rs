//! Times as users' logs write them: recognised by their shape, or read by a given format.
//!
//! Shapes: RFC 3339 (also with a space or without an offset), `YYYY/MM/DD HH:MM:SS`, Unix time in
//! s, ms, µs or ns (told apart by size), the common log format's, RFC 3164's without a year, and
//! `Mon dd yyyy HH:MM:SS`. A time without an offset is in the definition's zone, else in
//! the input's. A time without a
//! year is the one nearest to the arrival, at most a day after it.

use crate::scalar;
use crate::zone::{AHEAD_MAX_S, LastOffset, LocalZone};
use haetae_event::Micros;
use haetae_event::time::{DAY_US, SECOND_US, days_from_civil};
use jiff::tz::TimeZone;

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
/// A time zone and the offset it had last.
#[derive(Clone, Debug)]
pub struct Zone {
    zone: LocalZone,
    last: LastOffset,
}

impl From<LocalZone> for Zone {
    fn from(zone: LocalZone) -> Zone {
        Zone {
            zone,
            last: LastOffset::default(),
        }
    }
}

impl Zone {
    pub fn utc() -> Zone {
        Zone::from(LocalZone::utc())
    }

    /// The zone of an IANA name, or of an offset such as `+09:00`.
    pub fn named(name: &str) -> Option<Zone> {
        name.parse::<LocalZone>().ok().map(Zone::from)
    }

    /// See [`LocalZone::offset_at`].
    fn offset_at(&mut self, local_s: i64) -> Option<i64> {
        self.zone.offset_at(local_s, &mut self.last)
    }
}

/// A time in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    afternoon: Option<bool>,
    offset_s: Option<i64>,
    epoch_s: Option<i64>,
}

impl Parts {
    fn micros(&self, arrival: Micros, zone: &mut Zone) -> Option<i64> {
        if let Some(epoch) = self.epoch_s {
            return epoch.checked_mul(SECOND_US)?.checked_add(self.micros);
        }
        let hour = match self.afternoon {
            Some(afternoon) if (1..=12).contains(&self.hour) => self.hour % 12 + 12 * i64::from(afternoon),
            Some(_) => return None,
            None => self.hour,
        };
        if hour > 23 || self.minute > 59 || self.second > 60 {
            return None;
        }
        let clock = hour * 3600 + self.minute * 60 + self.second;
        let at = |year: i64, until_s: i64, zone: &mut Zone| {
            let days = match self.day_of_year {
                Some(day) => days_from_civil(year, 1, 1) + day - 1,
                None => scalar::civil_days(year, self.month?, self.day?)?,
            };
            let local = days * 86_400 + clock;
            if local > until_s {
                return None;
            }
            let offset = match self.offset_s {
                Some(offset) => offset,
                None => zone.offset_at(local)?,
            };
            Some((local - offset) * SECOND_US + self.micros)
        };
        if let Some(year) = self.year {
            return at(year, i64::MAX, zone);
        }
        let this_year = i64::from(TimeZone::UTC.to_datetime(arrival.timestamp()).year());
        let latest = arrival.0.saturating_add(DAY_US);
        // Next year's offset is of no interest, and would push out that of this year.
        let until_s = latest / SECOND_US + AHEAD_MAX_S;
        // A leap day may be several years back.
        (-8..=1)
            .rev()
            .filter_map(|back| at(this_year + back, until_s, zone))
            .find(|us| *us <= latest)
    }
}

/// `+hh:mm`, `+hhmm`, `+hh` or `Z`, in seconds.
pub fn offset_seconds(bytes: &[u8]) -> Option<i64> {
    let (sign, digits) = match bytes {
        [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match digits.len() {
        2 => (digits, &b"00"[..]),
        4 => digits.split_at(2),
        5 if digits[2] == b':' => (&digits[..2], &digits[3..]),
        _ => return None,
    };
    let (hours, minutes) = (unsigned(hours)?, unsigned(minutes)?);
    (hours <= 25 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Digits only.
fn unsigned(bytes: &[u8]) -> Option<i64> {
    if bytes.first() == Some(&b'-') {
        return None;
    }
    scalar::integer(bytes)
}

/// Digits after the point as µs; more than six are cut.
fn fraction(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let kept = bytes.len().min(6);
    Some(unsigned(&bytes[..kept])? * 10i64.pow(6 - kept as u32))
}

/// Month 1 to 12 of three letters.
fn month(bytes: &[u8]) -> Option<i64> {
    let lower = bytes.to_ascii_lowercase();
    let at = MONTHS.iter().position(|name| **name == lower[..])?;
    Some(at as i64 + 1)
}

/// Recognises a time by its shape.
pub fn recognise(text: &str, arrival: Micros, zone: &mut Zone) -> Option<i64> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let bytes = text.as_bytes();
    match bytes {
        [
            b'0'..=b'9',
            b'0'..=b'9',
            b'0'..=b'9',
            b'0'..=b'9',
            b'-' | b'/',
            ..,
        ] => dated(bytes, zone),
        [b'0'..=b'9', b'0'..=b'9', b'/', ..] => scalar::clf_time(bytes),
        [b'0'..=b'9' | b'-', ..] => epoch(bytes),
        [b'A'..=b'Z', ..] => named_month(bytes, arrival, zone),
        _ => None,
    }
}

/// `YYYY-MM-DD HH:MM:SS[.fraction][offset]`, also with `/` or `T`.
fn dated(bytes: &[u8], zone: &mut Zone) -> Option<i64> {
    if bytes.len() < 19 || bytes[4] != bytes[7] || !matches!(bytes[10], b'T' | b't' | b' ' | b'_') {
        return None;
    }
    let days = scalar::civil_days(
        unsigned(&bytes[..4])?,
        unsigned(&bytes[5..7])?,
        unsigned(&bytes[8..10])?,
    )?;
    let local = days * 86_400 + scalar::time_seconds(&bytes[11..19])?;
    let (mut rest, mut micros) = (&bytes[19..], 0);
    if let [b'.' | b',', digits @ ..] = rest {
        let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        micros = fraction(&digits[..count])?;
        rest = &digits[count..];
    }
    let offset = match rest.trim_ascii() {
        [] => zone.offset_at(local)?,
        b"UTC" | b"GMT" => 0,
        rest => offset_seconds(rest)?,
    };
    Some((local - offset) * SECOND_US + micros)
}

/// Unix time, in a unit told by its size.
fn epoch(bytes: &[u8]) -> Option<i64> {
    let point = memchr::memchr(b'.', bytes).unwrap_or(bytes.len());
    let (whole, digits) = bytes.split_at(point);
    let negative = whole.first() == Some(&b'-');
    let size: i128 = std::str::from_utf8(&whole[usize::from(negative)..])
        .ok()?
        .parse()
        .ok()?;
    let mut us = match size {
        ..100_000_000_000 => size * 1_000_000,
        100_000_000_000..100_000_000_000_000 => size * 1000,
        100_000_000_000_000..100_000_000_000_000_000 => size,
        _ => size / 1000,
    };
    if let [b'.', digits @ ..] = digits {
        let part = i128::from(fraction(digits)?);
        us += match size {
            ..100_000_000_000 => part,
            100_000_000_000..100_000_000_000_000 => part / 1000,
            _ => 0,
        };
    }
    let us = if negative { -us } else { us };
    i64::try_from(us)
        .ok()
        .filter(|us| us.abs() < 9_000_000_000_000_000_000)
}

/// `Mon dd HH:MM:SS` and `Mon dd yyyy HH:MM:SS`, with an optional fraction.
fn named_month(bytes: &[u8], arrival: Micros, zone: &mut Zone) -> Option<i64> {
    let mut words = bytes.split(|b| *b == b' ').filter(|word| !word.is_empty());
    let mut parts = Parts {
        month: Some(month(words.next()?)?),
        day: Some(unsigned(words.next()?)?),
        ..Parts::default()
    };
    let mut clock = words.next()?;
    if clock.len() == 4 {
        parts.year = Some(unsigned(clock)?);
        clock = words.next()?;
    }
    parts.second = scalar::time_seconds(clock.get(..8)?)?;
    // Given whole as seconds of the day.
    (parts.hour, parts.minute, parts.second) =
        (parts.second / 3600, parts.second / 60 % 60, parts.second % 60);
    match &clock[8..] {
        [] => {}
        [b'.', digits @ ..] => parts.micros = fraction(digits)?,
        _ => return None,
    }
    match words.next() {
        None => {}
        Some(b"UTC" | b"GMT" | b"Z") => parts.offset_s = Some(0),
        Some(word) => parts.offset_s = Some(offset_seconds(word)?),
    }
    if words.next().is_some() {
        return None;
    }
    parts.micros(arrival, zone)
}

/// A format of `strptime`'s kind, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Literal(char),
    /// Any run of white space, also none.
    Space,
    Directive(char),
}

/// The directives a format may hold, and what they read.
pub const DIRECTIVES: &[(char, &str)] = &[
    ('Y', "year of four digits"),
    ('y', "year of two digits, 1969 to 2068"),
    ('m', "month 01-12"),
    ('b', "month's name"),
    ('B', "month's name"),
    ('d', "day 01-31"),
    ('e', "day 1-31, padded with a space"),
    ('j', "day of the year 001-366"),
    ('H', "hour 00-23"),
    ('k', "hour 0-23, padded with a space"),
    ('I', "hour 01-12, with %p"),
    ('p', "AM or PM"),
    ('M', "minute 00-59"),
    ('S', "second 00-60"),
    ('f', "digits of the fraction"),
    ('L', "milliseconds"),
    ('s', "Unix seconds"),
    ('z', "offset: +0900, +09:00, +09 or Z"),
    ('Z', "UTC, GMT or Z"),
    ('a', "weekday's name, ignored"),
    ('A', "weekday's name, ignored"),
    ('T', "%H:%M:%S"),
    ('F', "%Y-%m-%d"),
    ('D', "%m/%d/%y"),
    ('R', "%H:%M"),
    ('n', "white space"),
    ('t', "white space"),
    ('%', "a percent sign"),
];

impl Format {
    /// Takes a format apart.
    ///
    /// # Errors
    /// The byte at which an unknown directive begins, and what is wrong with it.
    pub fn new(text: &str) -> Result<Format, (usize, String)> {
        let mut items = Vec::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '%' => {
                    let directive = chars.next().map(|(_, c)| c);
                    let known = directive.filter(|c| DIRECTIVES.iter().any(|(known, _)| known == c));
                    let Some(directive) = known else {
                        let shown = directive.map_or_else(|| "%".to_owned(), |c| format!("%{c}"));
                        return Err((at, format!("`{shown}` is no directive of a time format")));
                    };
                    expand(directive, &mut items);
                }
                c if c.is_whitespace() => items.push(Item::Space),
                c => items.push(Item::Literal(c)),
            }
        }
        Ok(Format { items })
    }

    /// Reads a whole text; `None` when it does not fit.
    pub fn read(&self, text: &str, arrival: Micros, zone: &mut Zone) -> Option<i64> {
        let mut parts = Parts::default();
        let mut rest = text.trim();
        for item in &self.items {
            rest = match *item {
                Item::Literal(c) => rest.strip_prefix(c)?,
                Item::Space => rest.trim_start(),
                Item::Directive(directive) => read_directive(directive, rest, &mut parts)?,
            };
        }
        rest.is_empty().then_some(())?;
        // A date alone is its midnight; a time alone is none.
        if parts.day_of_year.is_none() && parts.epoch_s.is_none() {
            parts.month.and(parts.day)?;
        }
        parts.micros(arrival, zone)
    }
}

fn expand(directive: char, items: &mut Vec<Item>) {
    let longer = match directive {
        'T' => "H:M:S",
        'F' => "Y-m-d",
        'D' => "m/d/y",
        'R' => "H:M",
        'n' | 't' => return items.push(Item::Space),
        '%' => return items.push(Item::Literal('%')),
        'B' => "b",
        'A' => "a",
        'e' => return items.extend([Item::Space, Item::Directive('d')]),
        'k' => return items.extend([Item::Space, Item::Directive('H')]),
        one => return items.push(Item::Directive(one)),
    };
    items.extend(longer.chars().map(|c| match c {
        c if c.is_ascii_alphabetic() => Item::Directive(c),
        c => Item::Literal(c),
    }));
}

/// Reads one directive from the front of `text`; gives back what follows.
fn read_directive<'t>(directive: char, text: &'t str, parts: &mut Parts) -> Option<&'t str> {
    let bytes = text.as_bytes();
    let digits = |most: usize| {
        let count = bytes.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        Some((unsigned(&bytes[..count])?, &text[count..]))
    };
    let letters = || bytes.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let (number, rest) = match directive {
        'b' => {
            let count = letters();
            parts.month = Some(month(bytes.get(..3.min(count))?)?);
            return Some(&text[count..]);
        }
        'a' => return Some(&text[letters()..]),
        'p' => {
            let word = text.get(..2)?;
            parts.afternoon = Some(word.eq_ignore_ascii_case("pm"));
            let known = word.eq_ignore_ascii_case("am") || word.eq_ignore_ascii_case("pm");
            return known.then_some(&text[2..]);
        }
        'z' | 'Z' => return read_offset(text, parts),
        'f' => {
            let count = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
            parts.micros = fraction(&bytes[..count])?;
            return Some(&text[count..]);
        }
        'Y' => digits(4)?,
        'j' | 'L' => digits(3)?,
        's' => digits(12)?,
        _ => digits(2)?,
    };
    match directive {
        'Y' => parts.year = Some(number),
        'y' => parts.year = Some(if number < 69 { 2000 + number } else { 1900 + number }),
        'm' => parts.month = Some(number),
        'd' => parts.day = Some(number),
        'j' => parts.day_of_year = Some(number).filter(|day| (1..=366).contains(day)),
        'H' | 'I' => parts.hour = number,
        'M' => parts.minute = number,
        'S' => parts.second = number,
        'L' => parts.micros = number * 1000,
        's' => parts.epoch_s = Some(number),
        _ => return None,
    }
    Some(rest)
}

fn read_offset<'t>(text: &'t str, parts: &mut Parts) -> Option<&'t str> {
    for name in ["UTC", "GMT", "Z"] {
        if let Some(rest) = text.strip_prefix(name) {
            parts.offset_s = Some(0);
            return Some(rest);
        }
    }
    let length = |c: &u8| c.is_ascii_digit() || matches!(c, b'+' | b'-' | b':');
    let count = text.bytes().take(6).take_while(length).count();
    parts.offset_s = Some(offset_seconds(&text.as_bytes()[..count])?);
    Some(&text[count..])
}
