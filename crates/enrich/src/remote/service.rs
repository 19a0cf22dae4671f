//! The remote service: what the operator says about it, and what its replies mean.

use super::{Answer, RemoteConfig};
use crate::config::{ConfigError, is_name};
use haetae_event::time::{HOUR_US, MINUTE_US, SECOND_US};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::IpAddr;
use std::path::PathBuf;

/// Larger replies are not read.
pub const REPLY_BYTES_MAX: usize = 64 << 10;

/// Stands for the address in `url`.
const PLACEHOLDER: &str = "{ip}";

/// Requests may wait for their turn this long at most.
const QUEUE_S: usize = 10;
const IN_FLIGHT_MIN: usize = 64;
const IN_FLIGHT_MAX: usize = 4_096;

/// One HTTP service that is asked about one address at a time. `Debug` shows neither `url` nor
/// `proxy`: both may hold a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteService {
    pub name: String,
    /// `{ip}` once, in path or query. https; http for this machine only.
    pub url: String,
    /// RFC 6901: where the number is in the reply.
    pub score: String,
    /// What the service calls the worst; becomes 100.
    #[serde(default = "hundred")]
    pub score_max: u32,
    /// One line `Name: value`, a credential.
    #[serde(default)]
    pub header_file: Option<PathBuf>,
    /// `http://host:port`; none by default, whatever the environment says.
    #[serde(default)]
    pub proxy: Option<String>,
    #[serde(default = "ten")]
    pub requests_per_s: u32,
    /// What one batch waits at most for all its answers.
    #[serde(default = "fifty")]
    pub budget_ms: u32,
    /// How long an answer is kept.
    #[serde(default = "day")]
    pub ttl_h: u32,
}

fn hundred() -> u32 {
    100
}

fn ten() -> u32 {
    10
}

fn fifty() -> u32 {
    50
}

fn day() -> u32 {
    24
}

impl std::fmt::Debug for RemoteService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteService({:?} at {})", self.name, self.host())
    }
}

/// The reply does not hold a score where one should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the reply is not JSON")]
    NotJson,
    #[error("no number at {0} in the reply")]
    NoNumber(String),
    #[error("the number at {0} is not within 0 and {1}")]
    OutOfRange(String, u32),
}

impl RemoteService {
    /// # Errors
    /// The first problem; no value is repeated in it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            (
                is_name(&self.name),
                "name must have 1 to 64 characters, none of them a control character",
            ),
            (
                self.has_sound_url(),
                "url must be https:// (http:// only for localhost, 127.0.0.1 or [::1]) without \
                 user, password and spaces, with {ip} once in path or query",
            ),
            (
                is_pointer(&self.score),
                "score must be a JSON pointer such as /data/score",
            ),
            (self.score_max > 0, "score_max must be at least 1"),
            (
                self.header_file
                    .as_ref()
                    .is_none_or(|path| !path.as_os_str().is_empty()),
                "header_file must not be empty",
            ),
            (
                (1..=1_000).contains(&self.requests_per_s),
                "requests_per_s must be 1 to 1000",
            ),
            (self.budget_ms <= 1_000, "budget_ms must be at most 1000"),
            ((1..=8_760).contains(&self.ttl_h), "ttl_h must be 1 to 8760"),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, problem)) => Err(ConfigError::Remote(problem)),
            None => Ok(()),
        }
    }

    /// Host and port, as written.
    pub fn host(&self) -> &str {
        parts(&self.url).map_or("", |(_, host, _)| host)
    }

    /// The URL to ask about one address.
    pub fn url_of(&self, address: IpAddr) -> String {
        self.url.replacen(PLACEHOLDER, &address.to_string(), 1)
    }

    /// Bounds of the look-ups.
    pub fn bounds(&self) -> RemoteConfig {
        let ttl_us = i64::from(self.ttl_h) * HOUR_US;
        RemoteConfig {
            budget_us: i64::from(self.budget_ms) * 1_000,
            ttl_us,
            negative_ttl_us: ttl_us.min(HOUR_US),
            failed_ttl_us: MINUTE_US,
            in_flight_max: (self.requests_per_s as usize * QUEUE_S).clamp(IN_FLIGHT_MIN, IN_FLIGHT_MAX),
            // The fetcher answers every request. Only one that died does not, and a request made
            // twice is paid twice.
            request_timeout_us: 600 * SECOND_US,
            ..RemoteConfig::default()
        }
    }

    /// What a reply of status 200 says: null is an address that the service does not know.
    ///
    /// # Errors
    /// When there is no score in it.
    pub fn score(&self, reply: &[u8]) -> Result<Answer<u8>, Unreadable> {
        let reply: Value = serde_json::from_slice(reply).map_err(|_| Unreadable::NotJson)?;
        let value = reply.pointer(&self.score);
        if value == Some(&Value::Null) {
            return Ok(Answer::NotFound);
        }
        let number = value
            .and_then(Value::as_f64)
            .ok_or_else(|| Unreadable::NoNumber(self.score.clone()))?;
        let most = f64::from(self.score_max);
        if !(0.0..=most).contains(&number) {
            return Err(Unreadable::OutOfRange(self.score.clone(), self.score_max));
        }
        Ok(Answer::Found((number / most * 100.0).round() as u8))
    }

    fn has_sound_url(&self) -> bool {
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\' || c == '#';
        let Some((scheme, host, rest)) = parts(&self.url) else {
            return false;
        };
        let fits = match scheme {
            "https" => !host.is_empty(),
            "http" => is_this_machine(host),
            _ => false,
        };
        let placed = !host.contains(PLACEHOLDER) && rest.matches(PLACEHOLDER).count() == 1;
        fits && placed && !host.contains('@') && !self.url.contains(odd)
    }
}

/// Scheme, authority, and what follows it.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

fn is_this_machine(authority: &str) -> bool {
    let bracketed = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(host, _)| host);
    let host = bracketed.unwrap_or_else(|| authority.split(':').next().unwrap_or_default());
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
}

fn is_pointer(text: &str) -> bool {
    let escaped = |part: &str| part.starts_with(['0', '1']);
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(escaped)
}
