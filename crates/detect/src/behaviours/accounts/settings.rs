//! Thresholds of the log-in detectors.

use haetae_event::Level;
use serde::Deserialize;

/// Section `accounts` of `rules/detectors.yml`. Counts are of log-in requests; windows slide by
/// whole minutes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    pub enabled: bool,
    /// Ends of paths that log in, see [`crate::behaviours::paths`].
    pub login_paths: Vec<String>,
    pub failed_statuses: Vec<i64>,
    /// Refused before the password was looked at: counted as failed.
    pub refused_statuses: Vec<i64>,
    /// Forms that answer 200 with the form again when the password is wrong, and 302 when right.
    pub form_paths: Vec<String>,
    pub by_client: ByClient,
    pub by_account: ByAccount,
    pub by_network: ByMany,
    pub by_provider: ByMany,
    pub by_agent: ByAgent,
    pub spray: Spray,
    pub slow: Slow,
    pub site: Site,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByClient {
    pub window_minutes: i64,
    /// Failures must be more than this.
    pub failed_over: u64,
    /// Attempts more than this, of which at least `failed_share_min_of_many` failed.
    pub attempts_over: u64,
    /// Least fraction of failures among decided attempts.
    pub failed_share_min: f64,
    pub failed_share_min_of_many: f64,
    /// From so many names on it is stuffing, below it is guessing.
    pub accounts_min: u64,
    pub level: Level,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByAccount {
    pub window_minutes: i64,
    pub failed_over: u64,
    /// From more addresses than this it is an attack from many places.
    pub addresses_over: u64,
    /// A success after more failures than this, from one of at least `addresses_min` failing
    /// addresses, is a taken account.
    pub success_after_over: u64,
    pub success_addresses_min: u64,
    pub level: Level,
    /// Few addresses: an owner who forgot, or one who guesses.
    pub level_few: Level,
}

/// A network or a provider.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByMany {
    pub window_minutes: i64,
    pub failed_over: u64,
    pub failed_share_min: f64,
    pub addresses_min: u64,
    pub level: Level,
}

/// A user agent or TLS fingerprint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByAgent {
    pub window_minutes: i64,
    pub failed_over: u64,
    /// Fraction of all failures of the dataset.
    pub share_of_failures_over: f64,
    /// One client alone is told by its address.
    pub addresses_min: u64,
    /// Fraction of its own attempts; browsers that people use succeed mostly.
    pub failed_share_min: f64,
    pub level: Level,
}

/// One password, many names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spray {
    pub window_minutes: i64,
    pub accounts_min: u64,
    pub attempts_per_account_max: f64,
    pub failed_share_min: f64,
    pub level: Level,
}

/// Below every rate, for hours.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    pub window_minutes: i64,
    pub failed_min: u64,
    /// Median time between minutes with failures.
    pub interval_minutes_min: i64,
    pub span_minutes_min: i64,
    pub accounts_min: u64,
    pub level: Level,
}

/// All log-ins of one path.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    pub window_minutes: i64,
    pub baseline_minutes: i64,
    pub attempts_min: u64,
    /// Fewer attempts in the baseline: no judgement.
    pub baseline_attempts_min: u64,
    pub failed_share_min: f64,
    /// Times the fraction of the baseline.
    pub factor_min: f64,
    pub level: Level,
}

impl Accounts {
    /// Longest window or baseline, minutes.
    pub fn longest_minutes(&self) -> i64 {
        let all = [
            self.by_client.window_minutes,
            self.by_account.window_minutes,
            self.by_network.window_minutes,
            self.by_provider.window_minutes,
            self.by_agent.window_minutes,
            self.spray.window_minutes,
            self.slow.window_minutes,
            self.site.window_minutes + self.site.baseline_minutes,
        ];
        all.into_iter().max().unwrap_or(0).clamp(1, 24 * 60)
    }
}
