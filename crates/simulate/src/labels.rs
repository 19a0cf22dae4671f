//! The truth beside the traffic: who attacked, when, and when it could first be known.

use crate::event::{FlowStatus, SimEvent, WebRequest};
use crate::plan::{AttackKind, Scenario};
use crate::site::is_static;
use crate::truth::{CampaignLabel, NetworkLabel, ReverseName, SaleLabel, VisitorLabel};
use haetae_event::time::{MINUTE_US, SECOND_US};
use haetae_event::{Entity, Micros};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The thresholds labels are measured against. An attack is made to lie clearly above its own,
/// ordinary traffic clearly below all of them.
pub mod thresholds {
    /// Distinct injection requests of one client within [`LONG_WINDOW_S`].
    pub const SQLI_DISTINCT: usize = 5;
    /// Requests answered 400, 403, 404 or 405 to one client within [`LONG_WINDOW_S`].
    pub const PROBING: usize = 50;
    /// Requests of one client for files an attacker looks for, within [`LONG_WINDOW_S`].
    pub const SENSITIVE: usize = 30;
    /// Requests of one client for pages and API (not static assets) within a minute.
    pub const NON_STATIC_PER_MINUTE: usize = 100;
    /// Requests of one client, of any kind, within a minute.
    pub const ALL_PER_MINUTE: usize = 600;
    /// Requests with a scanner's user agent.
    pub const BAD_AGENT: usize = 1;
    /// Distinct refused ports of one source within [`LONG_WINDOW_S`].
    pub const REFUSED_PORTS: usize = 15;
    /// Refused flows of one source within a minute.
    pub const REFUSED_PER_MINUTE: usize = 100;
    /// The longer of the two windows, in seconds.
    pub const LONG_WINDOW_S: i64 = 300;
}

/// The kind of rule that should speak up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    SqlInjection,
    Probing,
    SensitivePath,
    RequestRate,
    AllRequestRate,
    BadUserAgent,
    PortScan,
    RefusedFlows,
}

impl Hint {
    pub const ALL: [Hint; 8] = [
        Hint::SqlInjection,
        Hint::Probing,
        Hint::SensitivePath,
        Hint::RequestRate,
        Hint::AllRequestRate,
        Hint::BadUserAgent,
        Hint::PortScan,
        Hint::RefusedFlows,
    ];

    /// How many (distinct) events within how many microseconds.
    pub fn threshold(self) -> (usize, i64) {
        let long = thresholds::LONG_WINDOW_S * SECOND_US;
        match self {
            Hint::SqlInjection => (thresholds::SQLI_DISTINCT, long),
            Hint::Probing => (thresholds::PROBING, long),
            Hint::SensitivePath => (thresholds::SENSITIVE, long),
            Hint::RequestRate => (thresholds::NON_STATIC_PER_MINUTE, MINUTE_US),
            Hint::AllRequestRate => (thresholds::ALL_PER_MINUTE, MINUTE_US),
            Hint::BadUserAgent => (thresholds::BAD_AGENT, long),
            Hint::PortScan => (thresholds::REFUSED_PORTS, long),
            Hint::RefusedFlows => (thresholds::REFUSED_PER_MINUTE, MINUTE_US),
        }
    }
}

/// One threshold an attack crosses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    pub hint: Hint,
    /// Event time of the event that crosses it.
    pub detectable_at: Micros,
}

/// One attack by one client that has a single address and is one of few: what each threshold
/// makes of it. The whole truth, distributed attacks included, is in the campaigns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackLabel {
    /// `flood-2-1`: kind, occurrence, client.
    pub id: String,
    pub kind: AttackKind,
    /// Always `ip`.
    pub entity: Entity,
    /// First event.
    pub start: Micros,
    /// Last event.
    pub end: Micros,
    pub events: u64,
    /// The thresholds it crosses, by hint.
    pub expected_rules: Vec<Expectation>,
    /// The earliest of them; absent when the plan ended first.
    pub detectable_at: Option<Micros>,
    /// The campaign it belongs to.
    #[serde(default)]
    pub campaign: String,
}

/// Sums over the web requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WebTotals {
    pub events: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Requests by status code.
    pub status: BTreeMap<u16, u64>,
    pub attack_events: u64,
}

/// Sums over the flow records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowTotals {
    pub events: u64,
    pub bytes: u64,
    pub accepted: u64,
    pub refused: u64,
    pub nodata: u64,
    pub skipdata: u64,
    pub attack_events: u64,
}

/// Sums per dataset: `web` is dataset `cloudfront` or `web`, by the format written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub web: WebTotals,
    pub vpcflow: FlowTotals,
}

/// The labels of the traffic produced so far. Times are exact; formats that keep whole seconds
/// cut them down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    pub scenario: Scenario,
    pub seed: u64,
    pub start: Micros,
    pub end: Micros,
    pub attacks: Vec<AttackLabel>,
    pub totals: Totals,
    /// Every attack as a whole, with its actors.
    #[serde(default)]
    pub campaigns: Vec<CampaignLabel>,
    /// Who the ordinary visitors were.
    #[serde(default)]
    pub visitors: Vec<VisitorLabel>,
    /// What a resolver answers: enough to build one for a test.
    #[serde(default)]
    pub reverse_names: Vec<ReverseName>,
    /// Who runs which network; addresses not listed belong to home access providers.
    #[serde(default)]
    pub networks: Vec<NetworkLabel>,
    /// The sale openings of the plan.
    #[serde(default)]
    pub sales: Vec<SaleLabel>,
    /// Keys agreed with partners: who polls with one is no attacker.
    #[serde(default)]
    pub partner_keys: Vec<String>,
}

/// Whether a path is one that scanners look for and visitors have no reason to ask for.
pub(crate) fn is_sensitive(path: &str) -> bool {
    const PARTS: [&str; 19] = [
        ".php",
        "/.env",
        "/.git",
        "/.svn",
        "/.aws",
        "/.ssh",
        "/wp-",
        "/.ht",
        ".bak",
        ".sql",
        ".old",
        "/actuator",
        "/admin",
        "/manager/",
        "/server-status",
        "/cgi-bin",
        "/etc/passwd",
        "/backup",
        "/config.",
    ];
    PARTS.iter().any(|part| path.contains(part))
}

/// Whether a query carries one of the simulator's injections. They are sent percent-encoded.
fn is_injection(request: &WebRequest) -> bool {
    const PARTS: [&str; 8] = [
        "UNION",
        "SELECT",
        "SLEEP",
        "%27",
        "OR%20",
        "CONCAT",
        "WAITFOR",
        "BENCHMARK",
    ];
    request
        .query
        .as_ref()
        .is_some_and(|query| PARTS.iter().any(|part| query.contains(part)))
}

/// A count, plain or distinct, over the last part of a client's events.
pub(crate) struct Gauge {
    pub(crate) hint: Hint,
    pub(crate) crossed: Option<Micros>,
    recent: VecDeque<(i64, u64)>,
}

impl Gauge {
    pub(crate) fn new(hint: Hint) -> Gauge {
        Gauge {
            hint,
            crossed: None,
            recent: VecDeque::new(),
        }
    }

    /// `value` tells events apart; equal values count once in distinct counts.
    pub(crate) fn add(&mut self, ts: Micros, value: u64) {
        if self.crossed.is_some() {
            return;
        }
        let (needed, window_us) = self.hint.threshold();
        while self.recent.front().is_some_and(|(at, _)| *at <= ts.0 - window_us) {
            self.recent.pop_front();
        }
        self.recent.push_back((ts.0, value));
        let count = match self.hint {
            Hint::SqlInjection | Hint::PortScan => self
                .recent
                .iter()
                .map(|(_, value)| value)
                .collect::<BTreeSet<_>>()
                .len(),
            _ => self.recent.len(),
        };
        if count >= needed {
            self.crossed = Some(ts);
            self.recent = VecDeque::new();
        }
    }
}

/// FNV-1a, to tell requests apart.
fn fingerprint(parts: [&str; 2]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// What an event adds to a gauge: `None` when nothing, else its distinct value.
pub(crate) fn weigh(hint: Hint, event: &SimEvent, bad_agent: bool) -> Option<u64> {
    match event {
        SimEvent::Web(request) => {
            let counts = match hint {
                Hint::SqlInjection => is_injection(request),
                Hint::Probing => matches!(request.status, 400 | 403 | 404 | 405),
                Hint::SensitivePath => is_sensitive(&request.path),
                Hint::RequestRate => !is_static(&request.path),
                Hint::AllRequestRate => true,
                Hint::BadUserAgent => bad_agent,
                Hint::PortScan | Hint::RefusedFlows => false,
            };
            counts.then(|| fingerprint([&request.path, request.query.as_deref().unwrap_or("")]))
        }
        SimEvent::Flow(flow) => {
            let counts = matches!(hint, Hint::PortScan | Hint::RefusedFlows);
            (counts && flow.status == FlowStatus::Reject).then(|| u64::from(flow.destination_port))
        }
    }
}
