//! Durations and sizes with their units.

use super::{KpiEvery, RetrainEvery};
use serde::{Deserialize, Deserializer, de::Error};
use std::time::Duration;

/// `500ms`, `90s`, `5m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

/// `64KB`, `256MB`, `2GB` (powers of 1024; `KiB` and so on mean the same).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

/// Parses a duration with its unit.
///
/// # Errors
/// A sentence for people when the text has no number, no unit or an unknown unit.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write a number and a unit: 500ms, 30s, 5m, 1h, 7d");
    let (number, unit) = split_number(text.trim()).ok_or_else(wrong)?;
    let ms_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(ms_per_unit)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; write a number and a unit: 64KB, 256MB, 2GB");
    let (number, unit) = split_number(text.trim()).ok_or_else(wrong)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map(HumanDuration).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_size(&text).map(ByteSize).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for KpiEvery {
    /// `off`, or a duration of at least five minutes. YAML 1.1 readers see a bare `off` as
    /// `false`, so that is taken too.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" || text == "false" {
            return Ok(KpiEvery::Off);
        }
        let every = parse_duration(&text).map_err(D::Error::custom)?;
        if every < Duration::from_secs(300) {
            return Err(D::Error::custom(format!(
                "kpi_every is 5m or more, or `off`; got `{text}`"
            )));
        }
        Ok(KpiEvery::Every(every))
    }
}

impl<'de> Deserialize<'de> for RetrainEvery {
    /// `off`, or a duration of at least a second.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" || text == "false" {
            return Ok(RetrainEvery::Off);
        }
        let every = parse_duration(&text).map_err(D::Error::custom)?;
        if every < Duration::from_secs(1) {
            return Err(D::Error::custom(format!(
                "retrain_every is 1s or more, or `off`; got `{text}`"
            )));
        }
        Ok(RetrainEvery::Every(every))
    }
}
