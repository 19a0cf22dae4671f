//! STIX 2.1: the `indicator` objects of a bundle or of a TAXII envelope.
//!
//! Taken are indicators that are not revoked, whose `valid_until` has not passed and whose
//! pattern (see [`super::pattern`]) names addresses that suffice by themselves. `confidence`
//! scales the score of the list. Observables (`ipv4-addr` objects) are facts, not accusations,
//! and are not taken.

use super::pattern::{self, Found};
use super::source::Intake;
use haetae_event::Micros;
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    objects: Option<Vec<Object>>,
}

/// A field of a type that may not be what the standard says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Sound(T),
    Unsound(IgnoredAny),
}

impl<T> Lenient<T> {
    fn sound(self) -> Option<T> {
        match self {
            Lenient::Sound(value) => Some(value),
            Lenient::Unsound(_) => None,
        }
    }
}

fn sound<T>(field: Option<Lenient<T>>) -> Option<T> {
    field.and_then(Lenient::sound)
}

#[derive(Deserialize)]
struct Indicator {
    #[serde(rename = "type")]
    kind: Option<Lenient<String>>,
    pattern: Option<Lenient<String>>,
    pattern_type: Option<Lenient<String>>,
    valid_until: Option<Lenient<String>>,
    confidence: Option<Lenient<u8>>,
    revoked: Option<Lenient<bool>>,
}

type Object = Lenient<Indicator>;

/// # Errors
/// When the file is not JSON, or not an object with `objects`.
pub(super) fn read(intake: &mut Intake, bytes: &[u8]) -> Result<(), String> {
    let bundle: Bundle = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let objects = bundle.objects.ok_or("no objects")?;
    for (number, object) in (1..).zip(objects) {
        match object.sound() {
            Some(object) => take(intake, number, object),
            None => intake.bad(number, "not an object", ""),
        }
    }
    Ok(())
}

fn take(intake: &mut Intake, number: u64, object: Indicator) {
    if sound(object.kind).as_deref() != Some("indicator") {
        return;
    }
    if sound(object.pattern_type).is_some_and(|kind| kind != "stix") {
        return intake.other();
    }
    if sound(object.revoked) == Some(true) {
        return intake.expired();
    }
    let Some(text) = sound(object.pattern) else {
        return intake.bad(number, "indicator without a pattern", "");
    };
    let until = match object.valid_until.map(Lenient::sound) {
        None => None,
        Some(until) => match until.as_deref().and_then(instant) {
            // An unreadable end must not make an entry eternal.
            None => return intake.bad(number, "bad valid_until", &until.unwrap_or_default()),
            until => until,
        },
    };
    let verdict = intake.verdict(sound(object.confidence), until);
    match pattern::addresses(&text) {
        Err(why) => intake.bad(number, why, &text),
        Ok(Found { texts, .. }) if texts.is_empty() => intake.other(),
        Ok(Found { texts, partial }) => {
            for address in &texts {
                intake.take(number, address, verdict);
            }
            if partial {
                intake.other();
            }
        }
    }
}

/// An instant; the last days of 9999, which the time library leaves out and which producers write
/// for "never", are the end of time.
fn instant(text: &str) -> Option<Micros> {
    Micros::parse_rfc3339(text).or_else(|| {
        let rest = text.strip_prefix("9999-")?;
        Micros::parse_rfc3339(&format!("9998-{rest}")).map(|_| Micros::MAX)
    })
}
