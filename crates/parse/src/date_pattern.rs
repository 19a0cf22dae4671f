//! Dates by a pattern of Java's `SimpleDateFormat`, which LEEF's `devTimeFormat` carries.
//!
//! Known letters: `y M d H k h K m s S a E z Z X`, quoted text and any other character as itself.
//! An `S` run is a fraction of a second. What is not here: locales other than English, week years,
//! eras.

use crate::scalar::civil_days;
use crate::stamp::{Calendar, Partial, month, named_zone, numeric_zone};
use haetae_event::time::SECOND_US;

/// Longest pattern that is tried: patterns come with every record.
const PATTERN_BYTES_MAX: usize = 64;

#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hours: i64,
    minutes: i64,
    seconds: i64,
    fraction_us: i64,
    /// Of a twelve-hour clock; `true` is afternoon.
    afternoon: Option<bool>,
    offset_s: Option<i64>,
}

/// The instant that `text` means under `pattern`; `None` when they do not fit together.
pub fn read(pattern: &str, text: &str, calendar: &Calendar) -> Option<i64> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return None;
    }
    let pattern = pattern.as_bytes();
    let mut text = text.trim().as_bytes();
    let mut read = Read::default();
    let mut at = 0;
    while at < pattern.len() {
        let letter = pattern[at];
        if letter == b'\'' {
            at = quoted(pattern, at, &mut text)?;
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            text = text.strip_prefix(&[letter])?;
            at += 1;
            continue;
        }
        let run = pattern[at..].iter().take_while(|&&b| b == letter).count();
        at += run;
        // Numbers without anything between them have exactly the digits their run has letters.
        let abuts = pattern.get(at).is_some_and(|next| b"yMdHkhKmsS".contains(next));
        text = read.field(letter, run, abuts, text)?;
    }
    if !text.is_empty() {
        return None;
    }
    read.instant(calendar)
}

/// Text in quotes, `''` for a quote; gives back where the pattern goes on.
fn quoted(pattern: &[u8], at: usize, text: &mut &[u8]) -> Option<usize> {
    if pattern.get(at + 1) == Some(&b'\'') {
        *text = text.strip_prefix(b"'")?;
        return Some(at + 2);
    }
    let end = at + 1 + memchr::memchr(b'\'', &pattern[at + 1..])?;
    *text = text.strip_prefix(&pattern[at + 1..end])?;
    Some(end + 1)
}

/// The number at the start of `text`, of `exact` digits when given, and what follows.
fn number(text: &[u8], exact: Option<usize>) -> Option<(i64, &[u8])> {
    let digits = text
        .iter()
        .take(exact.unwrap_or(9))
        .take_while(|b| b.is_ascii_digit())
        .count();
    if digits == 0 || exact.is_some_and(|exact| exact != digits) {
        return None;
    }
    Some((crate::scalar::integer(&text[..digits])?, &text[digits..]))
}

impl Read {
    fn field<'t>(&mut self, letter: u8, run: usize, abuts: bool, text: &'t [u8]) -> Option<&'t [u8]> {
        let letters = || text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        match letter {
            b'M' if run >= 3 => {
                self.month = Some(month(text)?);
                return Some(&text[letters()..]);
            }
            b'E' => return Some(&text[letters()..]),
            b'a' => {
                self.afternoon = Some(text.first()?.eq_ignore_ascii_case(&b'p'));
                return text.get(2..);
            }
            b'z' | b'Z' | b'X' => {
                let (offset, len) = zone(text)?;
                self.offset_s = Some(offset);
                return Some(&text[len..]);
            }
            _ => {}
        }
        let (value, rest) = number(text, abuts.then_some(run))?;
        match letter {
            b'y' if run == 2 && text.len() - rest.len() == 2 => self.year = Some(2000 + value),
            b'y' => self.year = Some(value),
            b'M' => self.month = Some(value),
            b'd' => self.day = Some(value),
            b'H' => self.hours = value,
            b'h' | b'K' | b'k' => self.hours = value,
            b'm' => self.minutes = value,
            b's' => self.seconds = value,
            b'S' => {
                let digits = (text.len() - rest.len()).min(9) as u32;
                self.fraction_us = value * SECOND_US / 10i64.pow(digits);
            }
            _ => return None,
        }
        Some(rest)
    }

    fn instant(&self, calendar: &Calendar) -> Option<i64> {
        let hours = match self.afternoon {
            Some(afternoon) => self.hours % 12 + if afternoon { 12 } else { 0 },
            // `k` counts to 24.
            None => self.hours % 24,
        };
        if self.hours > 24 || self.minutes > 59 || self.seconds > 60 {
            return None;
        }
        let (month, day) = (self.month?, self.day?);
        civil_days(self.year.unwrap_or(2000), month, day)?;
        let partial = Partial {
            year: self.year,
            month,
            day,
            day_us: (hours * 3600 + self.minutes * 60 + self.seconds) * SECOND_US + self.fraction_us,
            len: 0,
        };
        calendar.instant(&partial, self.offset_s)
    }
}

/// `+0900`, `Z`, `KST`, `GMT+09:00`.
fn zone(text: &[u8]) -> Option<(i64, usize)> {
    if let Some(rest) = text.strip_prefix(b"GMT")
        && let Some((offset, len)) = numeric_zone(rest)
    {
        return Some((offset, len + 3));
    }
    numeric_zone(text).or_else(|| named_zone(text))
}
