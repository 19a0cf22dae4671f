//! Thresholds of what flows, hosts and log sources show.

use haetae_event::Level;
use serde::Deserialize;

/// Failed or tiny flows from one source: many ports of one host, many hosts on one port, quickly
/// or over hours.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scans {
    pub enabled: bool,
    /// Distinct ports of one host in `window_minutes`.
    pub ports_min: usize,
    /// Distinct hosts on one port in `window_minutes`.
    pub hosts_min: usize,
    pub window_minutes: i64,
    /// The same over `slow_hours`.
    pub slow_ports_min: usize,
    pub slow_hosts_min: usize,
    pub slow_hours: i64,
    /// From a public address: ports of one host.
    pub level: Level,
    /// From a public address: one port of many hosts, or slow. The noise of the internet.
    pub noise_level: Level,
    /// From a private address: somebody is inside.
    pub inside_level: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Many sources that together try many ports of one host, in ten minutes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistributedScan {
    pub enabled: bool,
    pub ports_min: u64,
    pub sources_min: u64,
    /// More ports per source than this are the work of a few, who are told themselves.
    pub ports_per_source_max: u64,
    pub level: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Public addresses at ports that administer hosts or hold data.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensitivePorts {
    pub enabled: bool,
    pub ports: Vec<u16>,
    /// Refused attempts of one source in five minutes, counted once a minute, host and port.
    pub attempts_min: usize,
    pub attempt_level: Level,
    /// An accepted flow from a source that was refused before.
    pub entry_level: Level,
    /// How long a refusal is remembered, hours.
    pub refused_hours: i64,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Requests or flows to one target in a minute: rate and spread of sources against the hour
/// before.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManyToOne {
    pub enabled: bool,
    /// Requests or flows in one minute.
    pub count_min: u64,
    /// Times the median minute.
    pub factor_min: f64,
    /// Web: or so many times the median minute of one path, which is asked for `count_min` times.
    pub path_factor_min: f64,
    pub sources_min: u64,
    /// Distinct sources, times the median minute.
    pub sources_factor_min: f64,
    /// Rise of the entropy of the sources over the median minute, bits.
    pub entropy_rise_min: f64,
    /// Fewer minutes of baseline: no judgement.
    pub baseline_minutes_min: i64,
    pub baseline_minutes: i64,
    /// Web: at least this fraction of the requests that are no assets goes to one path.
    pub path_share_min: f64,
    /// Web: at most this fraction of the sources loaded an asset in the last ten minutes.
    pub asset_sources_max: f64,
    pub level: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// A private host talks to a port that neither it nor its peers used before.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnusualPort {
    pub enabled: bool,
    /// A host known for a shorter time is not judged.
    pub warm_up_hours: i64,
    /// So many other hosts that used the port before make it usual.
    pub peers_max: usize,
    /// A host with more ports than this has no usual ones.
    pub ports_max: usize,
    pub level: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Bytes that a private host sends to a new public address within an hour.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exfiltration {
    pub enabled: bool,
    pub bytes_min: u64,
    /// Times what the host sent in its busiest hour before.
    pub factor_min: f64,
    /// Addresses that were talked to within so many minutes of the first flow ever are known. Before
    /// a day has been seen the level is at most medium.
    pub warm_up_minutes: i64,
    /// An address is new for so long.
    pub new_hours: i64,
    /// So many other hosts that send at least a quarter as much to it make it usual.
    pub peers_max: usize,
    pub level: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Flows of addresses that reputation lists know.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownBad {
    pub enabled: bool,
    /// 0 … 100.
    pub score_min: i64,
    /// They come in.
    pub inbound_level: Level,
    /// They answer: one of our hosts talked to them.
    pub outbound_level: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// A log source that was steady and says nothing any more.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    pub enabled: bool,
    /// Rows in the hour before.
    pub rows_per_hour_min: u64,
    /// Minutes of that hour with rows.
    pub minutes_min: usize,
    /// Silent for at least so many minutes …
    pub silent_minutes_min: i64,
    /// … and so many times the longest gap of that hour.
    pub gap_factor: i64,
    pub level: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}
