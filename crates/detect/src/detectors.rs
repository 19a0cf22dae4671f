//! Thresholds of the code detectors: what Sigma cannot say (ratios, baselines).

pub mod network;

use crate::behaviours::accounts::settings::Accounts;
use crate::behaviours::crawlers::Crawlers;
use crate::behaviours::edos::EdosSettings;
use crate::behaviours::payment::settings::Payment;
use crate::blocking::BlockingSettings;
use crate::cost::{CostMeter, CostOptions, PriceTable};
use crate::risk::RiskSettings;
use network::{
    DistributedScan, Exfiltration, KnownBad, ManyToOne, Scans, SensitivePorts, Silence, UnusualPort,
};
use serde::Deserialize;
use std::sync::Arc;

/// `rules/detectors.yml`: a section each; a detector without one is off.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detectors {
    pub error_rate: Option<ErrorRate>,
    pub surge: Option<Surge>,
    pub refusals: Option<Refusals>,
    pub accounts: Option<Accounts>,
    pub crawlers: Option<Crawlers>,
    pub payment: Option<Payment>,
    pub cost_meter: Option<CostMeter>,
    pub edos: Option<EdosSettings>,
    /// How the site is billed; from the configuration, not from this file.
    #[serde(skip)]
    pub cost: CostOptions,
    /// The price table; the built-in one if there is none.
    #[serde(skip)]
    pub prices: Option<Arc<PriceTable>>,
    pub macros: Option<Macros>,
    pub http_flood: Option<HttpFlood>,
    pub silence: Option<Silence>,
    pub scans: Option<Scans>,
    pub distributed_scan: Option<DistributedScan>,
    pub sensitive_ports: Option<SensitivePorts>,
    pub many_to_one: Option<ManyToOne>,
    pub unusual_port: Option<UnusualPort>,
    pub exfiltration: Option<Exfiltration>,
    pub known_bad: Option<KnownBad>,
    pub risk: Option<RiskSettings>,
    pub blocking: Option<BlockingSettings>,
}

/// Former days that are needed before they are the baseline.
fn days_min() -> usize {
    3
}

/// Share of failed requests in a window of five minutes, per dataset and host.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRate {
    pub enabled: bool,
    /// Fraction of 5xx.
    pub server_error_ratio_min: f64,
    /// Fraction of 4xx and 5xx.
    pub error_ratio_min: f64,
    pub requests_min: u64,
    /// So many former days and more: judged against the same five minutes of theirs.
    #[serde(default = "days_min")]
    pub days_min: usize,
    pub level: haetae_event::Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Requests of one minute against the same minute of former days, or the median of the hour
/// before while those are not known, per dataset and host.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    pub enabled: bool,
    /// Times the median.
    pub factor_min: f64,
    pub requests_min: u64,
    pub baseline_minutes: i64,
    /// Fewer minutes of baseline: no judgement.
    pub baseline_minutes_min: i64,
    /// So many former days and more: judged against the same minute of theirs.
    #[serde(default = "days_min")]
    pub days_min: usize,
    pub level: haetae_event::Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Share of refused flows in a window of five minutes, against the hour before.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusals {
    pub enabled: bool,
    /// Fraction of REJECT above which a window is unusual.
    pub ratio_min: f64,
    /// Fraction of REJECT in the baseline above which nothing is said.
    pub baseline_ratio_max: f64,
    pub flows_min: u64,
    pub baseline_minutes: i64,
    pub baseline_minutes_min: i64,
    pub level: haetae_event::Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Evidence that a client is a script, summed over signals; nats.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Macros {
    pub enabled: bool,
    /// Fewer requests (no assets) of one actor: no judgement.
    pub requests_min: u32,
    pub evidence_macro_min: f64,
    pub evidence_automation_min: f64,
    /// A client that sends nothing and touches one step of a sale at most counts as more than a
    /// monitor from here on.
    pub requests_per_minute_min: u32,
    /// Caps of the parts of the evidence.
    pub regularity_max: f64,
    pub not_a_browser_max: f64,
    pub submit_max: f64,
    pub sequence_max: f64,
    pub bare_pages_max: f64,
    pub level: haetae_event::Level,
    pub automation_level: haetae_event::Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Requests of 20 s for one path of a host against the hour before, and by whom.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpFlood {
    pub enabled: bool,
    /// Requests for one path template in 20 s.
    pub requests_min: u32,
    /// Times the median of the hour before.
    pub factor_min: f64,
    /// Fraction of those requests by clients that load no assets.
    pub offender_share_min: f64,
    /// Requests within three minutes of the flood, beyond the client's own before it, from which it
    /// is named; certain from three times as many.
    pub client_requests_min: u32,
    pub level: haetae_event::Level,
    pub client_level: haetae_event::Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// Rules by section. Their id goes on with the dataset, `surge.web`, except where they are about
/// all datasets together.
const RULES: [(&str, &[&str]); 19] = [
    (
        "accounts",
        &[
            "login_stuffing",
            "login_guessing",
            "login_spray",
            "login_slow",
            "login_taken",
            "login_agent",
            "login_site",
        ],
    ),
    // A claim is told under another name once it is checked.
    ("crawlers", &["claimed_crawler", "crawler_robots"]),
    ("distributed_scan", &["distributed_scan"]),
    (
        COSTS,
        &[
            "edos.cache_busting",
            "edos.heavy_client",
            "edos.low_and_slow",
            "edos.object_pulls",
            "edos.site_surge",
            "edos.unproductive_cluster",
            "edos.yo_yo",
        ],
    ),
    ("error_rate", &["error_rate"]),
    ("exfiltration", &["exfiltration"]),
    ("http_flood", &["http_flood", "http_flood.client"]),
    ("known_bad", &["known_bad_inbound", "known_bad_outbound"]),
    ("macros", &["macro", "automation"]),
    ("many_to_one", &["many_to_one"]),
    // Of the learned models, beside this file.
    ("models", &["isolation_forest"]),
    ("payment", &["payment_flow", "payment_declined"]),
    ("refusals", &["refusals"]),
    (SUMS, &[crate::risk::RULE_ID]),
    ("scans", &["port_scan", "address_scan", "slow_scan"]),
    ("sensitive_ports", &["sensitive_port", "sensitive_entry"]),
    ("silence", &["log_silence"]),
    ("surge", &["surge"]),
    ("unusual_port", &["unusual_port"]),
];

/// Sections whose rules name no dataset.
const COSTS: &str = "edos";
const SUMS: &str = "risk";

/// Rules that a section of `detectors.yml` tells, as in their ids before the dataset.
pub fn rules_of(section: &str) -> &'static [&'static str] {
    RULES
        .iter()
        .find(|(known, _)| *known == section)
        .map_or(&[], |(_, rules)| rules)
}

fn by_dataset() -> impl Iterator<Item = &'static str> {
    let sections = RULES
        .iter()
        .filter(|(section, _)| ![COSTS, SUMS].contains(section));
    sections.flat_map(|(_, rules)| rules.iter().copied())
}

fn of_all_datasets() -> impl Iterator<Item = &'static str> {
    rules_of(COSTS).iter().chain(rules_of(SUMS)).copied()
}

/// Whether a code detector has a rule of this name, which is its id before the dataset.
pub fn is_rule(name: &str) -> bool {
    RULES.iter().any(|(_, rules)| rules.contains(&name))
}

/// Whether a code detector has a rule of this id. What a model or a crawler is called is its
/// owner's choice.
pub fn has_rule(id: &str) -> bool {
    let named = [
        "claimed_crawler.",
        "fake_crawler.",
        "unverified_crawler.",
        "verified_crawler.",
        "isolation_forest.",
    ];
    let of_dataset = |(rule, dataset): (&str, &str)| {
        by_dataset().any(|known| known == rule) && haetae_event::Dataset::parse(dataset).is_some()
    };
    of_all_datasets().any(|rule| rule == id)
        || named
            .iter()
            .any(|prefix| id.len() > prefix.len() && id.starts_with(prefix))
        || id.rsplit_once('.').is_some_and(of_dataset)
}

/// Ids of code detectors' rules that `id` may be a slip of.
pub fn rules_like(id: &str) -> Vec<String> {
    /// No slip is longer.
    const BYTES: usize = 8;
    let datasets = haetae_event::Dataset::ALL;
    let mut ids: Vec<String> = by_dataset()
        .flat_map(|rule| datasets.iter().map(move |dataset| format!("{rule}.{dataset}")))
        .collect();
    ids.extend(of_all_datasets().map(str::to_owned));
    ids.retain(|known| known.len().abs_diff(id.len()) <= BYTES);
    ids
}

impl Detectors {
    /// These settings, with every section that `other` has taken from there.
    pub fn overlaid(self, other: Detectors) -> Detectors {
        Detectors {
            error_rate: other.error_rate.or(self.error_rate),
            surge: other.surge.or(self.surge),
            refusals: other.refusals.or(self.refusals),
            accounts: other.accounts.or(self.accounts),
            crawlers: other.crawlers.or(self.crawlers),
            payment: other.payment.or(self.payment),
            cost_meter: other.cost_meter.or(self.cost_meter),
            edos: other.edos.or(self.edos),
            cost: self.cost,
            prices: other.prices.or(self.prices),
            macros: other.macros.or(self.macros),
            http_flood: other.http_flood.or(self.http_flood),
            silence: other.silence.or(self.silence),
            scans: other.scans.or(self.scans),
            distributed_scan: other.distributed_scan.or(self.distributed_scan),
            sensitive_ports: other.sensitive_ports.or(self.sensitive_ports),
            many_to_one: other.many_to_one.or(self.many_to_one),
            unusual_port: other.unusual_port.or(self.unusual_port),
            exfiltration: other.exfiltration.or(self.exfiltration),
            known_bad: other.known_bad.or(self.known_bad),
            risk: other.risk.or(self.risk),
            blocking: other.blocking.or(self.blocking),
        }
    }
}
