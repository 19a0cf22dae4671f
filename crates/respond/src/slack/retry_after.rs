//! `Retry-After`: seconds or an HTTP date (RFC 9110 §10.2.3).

use haetae_event::time::Micros;
use std::time::Duration;

/// How long to wait from `now`; `None` when the value is neither. Fractions of seconds are
/// taken too. A date in the past means no wait.
pub fn parse(value: &str, now: Micros) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    let wait_us = date.timestamp().as_microsecond().saturating_sub(now.0);
    Some(Duration::from_micros(u64::try_from(wait_us).unwrap_or(0)))
}
