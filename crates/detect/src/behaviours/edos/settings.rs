//! Section `edos` of `rules/detectors.yml`.

use haetae_event::Level;
use serde::Deserialize;

/// Every rule of the family; each can be switched off by itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdosSettings {
    pub enabled: bool,
    /// How far back rows are read again after a start, minutes: longer windows are cold until
    /// they have been lived through.
    pub lookback_minutes: i64,
    /// Fewer clients in a window: no quantiles, no judgement.
    pub clients_min: usize,
    pub site_surge: SiteSurge,
    pub heavy_client: HeavyClient,
    pub low_and_slow: LowAndSlow,
    pub yo_yo: YoYo,
    pub cache_busting: CacheBusting,
    pub object_pulls: ObjectPulls,
    pub unproductive: Unproductive,
}

/// Level, price at which it rises, and the words of a rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Common {
    pub enabled: bool,
    pub level: Level,
    /// List price of the window from which on the level is high.
    pub usd_high: f64,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Cost of the site in five minutes above what the hours before forecast.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSurge {
    pub common: Common,
    /// Five-minute windows of history before anything is said.
    pub history_min: usize,
    /// Half width of the prediction interval, in robust standard deviations.
    pub sigmas: f64,
    /// Times the forecast.
    pub factor_min: f64,
    /// Times the 99th percentile of the day's steps: costs have heavy tails.
    pub crest_factor_min: f64,
    /// Times the usual cost of a client: a crowd costs more because it is larger, an attack
    /// because each of its clients costs more.
    pub per_client_factor_min: f64,
    /// List price of five minutes, US dollars.
    pub usd_min: f64,
}

/// One client against the 99th percentile of clients of the same hour.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeavyClient {
    pub common: Common,
    pub p99_factor_min: f64,
    /// The 99th percentile counts as at most so many times the 90th: a few attackers must not
    /// hide each other.
    pub p90_factor_max: f64,
    pub usd_min: f64,
    pub requests_min: u32,
}

/// One client against the clients of the same 24 hours.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowAndSlow {
    pub common: Common,
    pub p99_factor_min: f64,
    /// The 99th percentile counts as at most so many times the 90th: a hundred attackers must
    /// not hide each other.
    pub p90_factor_max: f64,
    pub usd_min: f64,
    pub requests_min: u32,
    /// Ten-minute buckets with traffic, of 144.
    pub buckets_min: usize,
}

/// Bursts with a period.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YoYo {
    pub common: Common,
    /// Minutes looked at.
    pub window_minutes: i64,
    pub bursts_min: usize,
    pub period_minutes_min: f64,
    pub period_minutes_max: f64,
    /// Standard deviation of the period over the period.
    pub period_variation_max: f64,
    /// Fraction of minutes inside bursts.
    pub duty_max: f64,
    pub autocorrelation_min: f64,
    /// Times the load between bursts.
    pub factor_min: f64,
    /// Requests of a minute inside a burst.
    pub requests_per_minute_min: u32,
    /// A client belongs to it with so many requests inside bursts …
    pub client_requests_min: u32,
    /// … which are this fraction of all of its requests …
    pub client_inside_min: f64,
    /// … in this fraction of the bursts, three at least.
    pub client_bursts_min: f64,
}

/// Random queries on objects that the cache holds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheBusting {
    pub common: Common,
    /// Missed requests with a query of one client in an hour.
    pub requests_min: u32,
    /// Distinct queries among them, by a linear counter of 64 bits.
    pub distinct_min: f64,
    /// Distinct queries on one path for the path to count.
    pub distinct_per_path_min: f64,
    /// Requests without a query that show a path to be cacheable, and the fraction answered from
    /// the cache.
    pub plain_min: u32,
    pub plain_hit_ratio_min: f64,
    /// Fraction of the hour's clients from which on it is the site's own scripts that do it; for
    /// static files, whose queries are versions, and for other paths.
    pub habit_ratio_min_static: f64,
    pub habit_ratio_min: f64,
    /// For the sum over clients of one path: requests and clients.
    pub spread_requests_min: u64,
    pub spread_clients_min: usize,
}

/// Pulls of the same large object.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectPulls {
    pub common: Common,
    /// Bytes pulled over the object's size, of one client and object in an hour.
    pub repeats_min: f64,
    pub bytes_min: u64,
    /// The same over all large objects of a client.
    pub sweep_repeats_min: f64,
    pub sweep_bytes_min: u64,
    /// Mean over the clients of one object.
    pub spread_repeats_min: f64,
    pub spread_bytes_min: u64,
    pub spread_clients_min: usize,
}

/// A cluster whose share of the cost grows while it neither logs in nor orders.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unproductive {
    pub common: Common,
    /// Share of the site's cost in an hour.
    pub share_min: f64,
    /// Times its share in the day before.
    pub growth_min: f64,
    pub clients_min: usize,
    pub requests_min: u64,
    /// Logins and orders per request, as a fraction of the rest's.
    pub value_ratio_max: f64,
    /// Logins and orders of the rest in the hour: fewer say nothing.
    pub value_min: u64,
    pub usd_min: f64,
    /// While less than two hours are known a share cannot be said to grow. Then a cluster must
    /// have so many clients …
    pub cold_clients_min: usize,
    /// … and a request of it cost so many times one of the rest.
    pub cold_request_factor_min: f64,
}
