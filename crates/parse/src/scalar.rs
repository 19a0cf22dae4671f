//! Numbers, times and addresses as logs write them, without allocation.

use haetae_event::net::parse_address;
use haetae_event::time::{SECOND_US, days_from_civil};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

/// Largest number of digits that cannot overflow an `i64`.
const DIGITS_MAX: usize = 18;

/// Digits with an optional minus, as far as an `i64` goes; `None` for anything else.
#[inline]
pub fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() > DIGITS_MAX {
        return long_integer(digits, negative);
    }
    let mut value = 0i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// More digits than surely fit: leading zeros, or a number near the ends of the range.
#[cold]
fn long_integer(digits: &[u8], negative: bool) -> Option<i64> {
    // Downwards, where the range reaches one further.
    let value = digits.iter().try_fold(0i64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        let digit = (digit <= 9).then_some(i64::from(digit))?;
        value.checked_mul(10)?.checked_sub(digit)
    })?;
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

/// Decimal digits with at most one point; a sign or exponent goes the slow way.
#[inline]
pub fn decimal(bytes: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [
        1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let mut value = 0i64;
    let mut fraction = 0;
    let mut seen_point = false;
    if bytes.is_empty() || bytes.len() > 15 {
        return slow_decimal(bytes);
    }
    for &byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + i64::from(digit);
            fraction += usize::from(seen_point);
        } else if byte == b'.' && !seen_point {
            seen_point = true;
        } else {
            return slow_decimal(bytes);
        }
    }
    // Both are exact in a double below 2^53, so one division rounds correctly.
    Some(value as f64 / POWERS[fraction])
}

#[cold]
fn slow_decimal(bytes: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Two digits as a number.
#[inline]
pub fn pair(bytes: &[u8]) -> Option<i64> {
    let [a, b] = *<&[u8; 2]>::try_from(bytes).ok()?;
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    (a <= 9 && b <= 9).then(|| i64::from(a) * 10 + i64::from(b))
}

/// `YYYY-MM-DD` as days since the epoch.
pub fn date_days(bytes: &[u8]) -> Option<i64> {
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = pair(&bytes[..2])? * 100 + pair(&bytes[2..4])?;
    civil_days(year, pair(&bytes[5..7])?, pair(&bytes[8..10])?)
}

/// Days since the epoch of a date; `None` when there is no such day.
pub fn civil_days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=last)
        .contains(&day)
        .then(|| days_from_civil(year, month, day))
}

/// `HH:MM:SS` as seconds of the day; a leap second counts as the second after it.
#[inline]
pub fn time_seconds(bytes: &[u8]) -> Option<i64> {
    if bytes.len() != 8 || bytes[2] != b':' || bytes[5] != b':' {
        return None;
    }
    let (h, m, s) = (pair(&bytes[..2])?, pair(&bytes[3..5])?, pair(&bytes[6..8])?);
    (h < 24 && m < 60 && s <= 60).then_some(h * 3600 + m * 60 + s)
}

/// `YYYY-MM-DDTHH:MM:SSZ`, with or without up to six digits of a fraction, in µs since the epoch.
#[inline]
pub fn iso_seconds(bytes: &[u8]) -> Option<i64> {
    let (head, tail) = bytes.split_at_checked(19)?;
    if head[10] != b'T' {
        return None;
    }
    let fraction = match tail {
        b"Z" => 0,
        [b'.', digits @ .., b'Z'] if (1..=6).contains(&digits.len()) && digits[0] != b'-' => {
            integer(digits)? * 10i64.pow(6 - digits.len() as u32)
        }
        _ => return None,
    };
    let days = date_days(&head[..10])?;
    Some((days * 86_400 + time_seconds(&head[11..])?) * SECOND_US + fraction)
}

/// `dd/Mon/yyyy:HH:MM:SS +hhmm`, as the common log format has it, in µs since the epoch.
pub fn clf_time(bytes: &[u8]) -> Option<i64> {
    if bytes.len() != 26 || bytes[2] != b'/' || bytes[6] != b'/' || bytes[11] != b':' || bytes[20] != b' ' {
        return None;
    }
    let month = match &bytes[3..6] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    let year = pair(&bytes[7..9])? * 100 + pair(&bytes[9..11])?;
    let days = civil_days(year, month, pair(&bytes[..2])?)?;
    let seconds = time_seconds(&bytes[12..20])?;
    let (hours, minutes) = (pair(&bytes[22..24])?, pair(&bytes[24..26])?);
    if minutes > 59 {
        return None;
    }
    let offset = (hours * 60 + minutes) * 60;
    let offset = match bytes[21] {
        b'+' => offset,
        b'-' => -offset,
        _ => return None,
    };
    Some((days * 86_400 + seconds - offset) * SECOND_US)
}

/// Whether the text is a v4 address exactly as the standard library would print it.
#[inline]
pub fn is_canonical_v4(bytes: &[u8]) -> bool {
    canonical_v4(bytes).is_some()
}

/// As [`parse_address`], without its way for what nearly all are.
#[inline]
pub fn address(text: &str) -> Option<IpAddr> {
    match canonical_v4(text.as_bytes()) {
        Some(v4) => Some(IpAddr::V4(Ipv4Addr::from_bits(v4))),
        None => parse_address(text),
    }
}

/// A v4 address exactly as the standard library would print it. Without a branch per digit, which
/// would be mispredicted at every dot.
#[inline]
fn canonical_v4(bytes: &[u8]) -> Option<u32> {
    const LOWS: u128 = u128::MAX / 255;
    const DOTS: u128 = LOWS * b'.' as u128;
    const HIGHS: u128 = LOWS << 7;
    let length = bytes.len();
    // The text, and zeros behind it; where the two parts overlap they are the same.
    let word = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) if length <= 15 => {
            u128::from(u64::from_le_bytes(*first))
                | u128::from(u64::from_le_bytes(*last)) << (8 * length - 64)
        }
        (None, None) if length == 7 => {
            let (first, last) = (bytes.first_chunk::<4>()?, bytes.last_chunk::<4>()?);
            u128::from(u32::from_le_bytes(*first)) | u128::from(u32::from_le_bytes(*last)) << 24
        }
        _ => return None,
    };
    // The high bit of every dot's byte, and of the one behind the text.
    let other = word ^ DOTS;
    let mut ends = !(((other & !HIGHS) + !HIGHS) | other) & HIGHS | 0x80 << (8 * length);
    if ends.count_ones() != 4 {
        return None;
    }
    let (mut all, mut start, mut good) = (0, 0, true);
    for _ in 0..4 {
        let end = ends.trailing_zeros() / 8;
        ends &= ends - 1;
        let digits = end - start;
        if !(1..=3).contains(&digits) {
            return None;
        }
        // The digits at the end of three, zeros before them.
        let shift = 8 * (3 - digits);
        let three = ((word >> (8 * start)) as u32) << shift & 0x00ff_ffff;
        let values = three ^ (0x0030_3030 << shift & 0x00ff_ffff);
        let [hundreds, tens, ones, _] = values.to_le_bytes().map(u32::from);
        let value = hundreds * 100 + tens * 10 + ones;
        let needed = 1 + u32::from(value >= 10) + u32::from(value >= 100);
        good &= (hundreds <= 9) & (tens <= 9) & (ones <= 9) & (value <= 255) & (needed == digits);
        all = all << 8 | value;
        start = end + 1;
    }
    good.then_some(all)
}

/// Up to eight digits that stand at `span` of a text, and nothing else; `None` also where a text is
/// too short to be read eight bytes at once.
#[inline]
pub fn short_integer(text: &[u8], span: &Range<usize>) -> Option<i64> {
    if !(1..=8).contains(&span.len()) {
        return None;
    }
    let eight = text.get(..span.end)?.last_chunk::<8>()?;
    // What stands before the digits becomes zeros.
    let before = 64 - 8 * span.len();
    let digits = (u64::from_le_bytes(*eight) ^ ZEROS) >> before << before;
    if (digits | digits.wrapping_add(ABOVE_NINE)) & HIGHS != 0 {
        return None;
    }
    // Two, then four, then eight digits become one number.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(((fours * 10_000 + (fours >> 32)) & 0xffff_ffff) as i64)
}

/// How many digits stand at the start of eight bytes.
#[inline]
pub fn leading_digits(eight: &[u8; 8]) -> usize {
    let digits = u64::from_le_bytes(*eight) ^ ZEROS;
    // What is carried into a byte comes from one before it that is no digit itself.
    let others = (digits | digits.wrapping_add(ABOVE_NINE)) & HIGHS;
    others.trailing_zeros() as usize / 8
}

const HIGHS: u64 = 0x8080_8080_8080_8080;
const ZEROS: u64 = u64::MAX / 255 * b'0' as u64;
/// Lifts what is more than nine above the high bit of its byte.
const ABOVE_NINE: u64 = u64::MAX / 255 * (0x80 - 10);

/// A Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by size, as µs.
///
/// Seconds up to the year 5138, milliseconds from 1973: the ranges do not meet for logs.
pub fn epoch_us(value: f64) -> Option<i64> {
    let magnitude = value.abs();
    let us = if magnitude < 1e11 {
        value * 1e6
    } else if magnitude < 1e14 {
        value * 1e3
    } else if magnitude < 1e17 {
        value
    } else {
        value / 1e3
    };
    (us.is_finite() && us.abs() < 9e18).then_some(us.round() as i64)
}

#[cfg(test)]
mod tests;
