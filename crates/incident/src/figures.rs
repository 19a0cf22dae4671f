//! Numbers and times as people read them.

use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use haetae_event::{Cost, Finding, Micros};
use jiff::tz::TimeZone;

use crate::message::Language;

/// `12345` as `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a binary unit and one decimal: `12.3 MiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A fraction as per cent; two decimals below 1 %.
pub fn percent(fraction: f64) -> String {
    let value = fraction * 100.0;
    if value > 0.0 && value < 1.0 {
        format!("{value:.2}%")
    } else {
        format!("{value:.1}%")
    }
}

/// `2026-03-01 21:34:56 +09:00`: the local time with its offset, whole seconds.
pub fn local_time(at: Micros, tz: &TimeZone) -> String {
    at.timestamp()
        .to_zoned(tz.clone())
        .strftime("%Y-%m-%d %H:%M:%S %:z")
        .to_string()
}

/// Both ends in local time; the second without its date when the day is the same.
pub fn local_span(start: Micros, end: Micros, tz: &TimeZone) -> String {
    let (from, to) = (
        start.timestamp().to_zoned(tz.clone()),
        end.timestamp().to_zoned(tz.clone()),
    );
    if start.0 / SECOND_US == end.0 / SECOND_US {
        return local_time(start, tz);
    }
    let till = if from.date() == to.date() {
        "%H:%M:%S %:z"
    } else {
        "%Y-%m-%d %H:%M:%S %:z"
    };
    let from = if from.offset() == to.offset() {
        from.strftime("%Y-%m-%d %H:%M:%S").to_string()
    } else {
        from.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    };
    format!("{from} ~ {}", to.strftime(till))
}

/// A length of time in its two largest units: `3분 20초`, `3m 20s`. Below a second: `1초`.
pub fn length(us: i64, language: Language) -> String {
    let us = us.max(SECOND_US);
    let units = [
        (DAY_US, language.pick("일", "d")),
        (HOUR_US, language.pick("시간", "h")),
        (MINUTE_US, language.pick("분", "m")),
        (SECOND_US, language.pick("초", "s")),
    ];
    let mut rest = us;
    let mut parts = Vec::new();
    for (width, name) in units {
        let n = rest / width;
        rest %= width;
        if n > 0 {
            parts.push(format!("{n}{name}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    parts.join(" ")
}

/// At most `chars_max` characters; a cut shows as `…`.
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(chars_max.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

/// An estimated bill in words, with what it rests on where nobody said how the site is billed.
pub fn cost(cost: Cost, plan_known: bool, language: Language) -> String {
    let (so_far, per_24h) = (dollars(cost.so_far), dollars(cost.per_24h));
    let mut text = match language {
        Language::Ko => format!("지금까지 {so_far}, 24시간 계속되면 {per_24h}"),
        Language::En => format!("{so_far} so far, {per_24h} if it goes on for 24 h"),
    };
    if !plan_known {
        text.push_str(language.pick(
            " (요금제 미설정, 종량제 기준)",
            " (no plan is configured: pay-as-you-go prices)",
        ));
    }
    text
}

/// Whether the estimate of a finding knows how the site is billed.
pub fn plan_known(finding: &Finding) -> bool {
    let basis = finding.facts.iter().find(|(key, _)| key == "cost basis");
    basis.is_some_and(|(_, basis)| !basis.contains("no plan is configured"))
}

/// `$12.34`, and smaller amounts with the digits that say something.
fn dollars(amount: f64) -> String {
    match amount {
        a if a >= 1.0 || a == 0.0 => format!("${a:.2}"),
        a if a >= 0.000_1 => format!("${a:.4}"),
        _ => "< $0.0001".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(percent(0.005), "0.50%");
        assert_eq!(length(200 * SECOND_US, Language::Ko), "3분 20초");
        assert_eq!(length(HOUR_US, Language::En), "1h");
        assert_eq!(length(0, Language::En), "1s");
        assert_eq!(cut("해태의 집", 3), "해태…");
    }

    #[test]
    fn times_carry_their_offset() {
        let tz = TimeZone::fixed(jiff::tz::offset(9));
        let start = Micros::parse_rfc3339("2026-03-01T14:59:00Z").expect("valid");
        assert_eq!(local_time(start, &tz), "2026-03-01 23:59:00 +09:00");
        let end = start.saturating_add(30 * SECOND_US);
        assert_eq!(
            local_span(start, end, &tz),
            "2026-03-01 23:59:00 ~ 23:59:30 +09:00"
        );
        let end = start.saturating_add(120 * SECOND_US);
        assert_eq!(
            local_span(start, end, &tz),
            "2026-03-01 23:59:00 ~ 2026-03-02 00:01:00 +09:00"
        );
        assert!(!local_span(Micros::MIN, Micros::MAX, &tz).is_empty());
    }
}
