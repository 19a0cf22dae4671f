//! The truth beside the traffic: who attacked, when, and when it could first be known.

use crate::event::{FlowStatus, SimEvent, WebRequest};
use crate::plan::{AttackKind, Plan, Scenario};
use crate::site::is_static;
use haetae_event::time::{MINUTE_US, SECOND_US};
use haetae_event::{Entity, Micros};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

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

/// One attack by one client.
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
struct Gauge {
    hint: Hint,
    crossed: Option<Micros>,
    recent: VecDeque<(i64, u64)>,
}

impl Gauge {
    fn new(hint: Hint) -> Gauge {
        Gauge {
            hint,
            crossed: None,
            recent: VecDeque::new(),
        }
    }

    /// `value` tells events apart; equal values count once in distinct counts.
    fn add(&mut self, ts: Micros, value: u64) {
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

/// An attacking client, known before its traffic begins.
#[derive(Clone, Debug)]
pub(crate) struct AttackClient {
    pub id: String,
    pub kind: AttackKind,
    pub address: IpAddr,
    /// Its user agent is a scanner's.
    pub bad_agent: bool,
}

struct Tracked {
    client: AttackClient,
    start: Option<Micros>,
    end: Micros,
    events: u64,
    gauges: Vec<Gauge>,
}

impl Tracked {
    fn record(&mut self, event: &SimEvent) {
        let ts = event.ts();
        self.start.get_or_insert(ts);
        self.end = ts;
        self.events += 1;
        let bad_agent = self.client.bad_agent;
        for gauge in &mut self.gauges {
            if let Some(value) = weigh(gauge.hint, event, bad_agent) {
                gauge.add(ts, value);
            }
        }
    }

    fn label(&self) -> Option<AttackLabel> {
        let start = self.start?;
        let expected_rules: Vec<Expectation> = self
            .gauges
            .iter()
            .filter_map(|gauge| {
                Some(Expectation {
                    hint: gauge.hint,
                    detectable_at: gauge.crossed?,
                })
            })
            .collect();
        Some(AttackLabel {
            id: self.client.id.clone(),
            kind: self.client.kind,
            entity: Entity {
                kind: "ip".into(),
                value: self.client.address.to_string(),
            },
            start,
            end: self.end,
            events: self.events,
            detectable_at: expected_rules.iter().map(|rule| rule.detectable_at).min(),
            expected_rules,
        })
    }
}

/// What an event adds to a gauge: `None` when nothing, else its distinct value.
fn weigh(hint: Hint, event: &SimEvent, bad_agent: bool) -> Option<u64> {
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

/// Keeps the labels up to date while events are handed out. Bounded by the number of attacks.
pub(crate) struct LabelBook {
    scenario: Scenario,
    seed: u64,
    start: Micros,
    end: Micros,
    tracked: Vec<Tracked>,
    totals: Totals,
}

impl LabelBook {
    pub(crate) fn new(plan: &Plan, clients: &[AttackClient]) -> LabelBook {
        let track = |client: &AttackClient| Tracked {
            client: client.clone(),
            start: None,
            end: Micros::default(),
            events: 0,
            gauges: Hint::ALL.into_iter().map(Gauge::new).collect(),
        };
        LabelBook {
            scenario: plan.scenario,
            seed: plan.seed,
            start: plan.first(),
            end: plan.end(),
            tracked: clients.iter().map(track).collect(),
            totals: Totals::default(),
        }
    }

    pub(crate) fn record(&mut self, attack: Option<u32>, event: &SimEvent) {
        let attacks = u64::from(attack.is_some());
        match event {
            SimEvent::Web(request) => {
                let web = &mut self.totals.web;
                web.events += 1;
                web.bytes_in += request.bytes_in;
                web.bytes_out += request.bytes_out;
                *web.status.entry(request.status).or_default() += 1;
                web.attack_events += attacks;
            }
            SimEvent::Flow(flow) => {
                let flows = &mut self.totals.vpcflow;
                flows.events += 1;
                flows.bytes += flow.bytes;
                flows.attack_events += attacks;
                match flow.status {
                    FlowStatus::Accept => flows.accepted += 1,
                    FlowStatus::Reject => flows.refused += 1,
                    FlowStatus::NoData => flows.nodata += 1,
                    FlowStatus::SkipData => flows.skipdata += 1,
                }
            }
        }
        if let Some(index) = attack {
            self.tracked[index as usize].record(event);
        }
    }

    pub(crate) fn labels(&self) -> Labels {
        Labels {
            scenario: self.scenario,
            seed: self.seed,
            start: self.start,
            end: self.end,
            attacks: self.tracked.iter().filter_map(Tracked::label).collect(),
            totals: self.totals.clone(),
        }
    }
}
