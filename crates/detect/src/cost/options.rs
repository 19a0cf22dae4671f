//! What the operator says of the bill: plan, region, what stands behind the edge.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// `cost:` of the configuration. Without a plan estimates are made with pay-as-you-go prices and
/// say so.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostOptions {
    pub plan: Option<Plan>,
    /// E.g. `ap-northeast-2`: decides the group of edge locations and regional prices.
    pub region: Option<String>,
    /// A price table in place of the built-in one.
    pub prices: Option<PathBuf>,
    pub waf: WafOptions,
    pub origin: Origin,
    /// What usually goes out in a month, GB: decides the tier an attack is billed in. Free
    /// tiers are taken as used up by the ordinary traffic.
    pub usual_out_gb_month: f64,
    /// Bytes a log line of a request takes where ingestion is paid for; 0: it is not.
    pub log_line_bytes: u32,
}

/// How CloudFront is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// Pay as you go.
    Payg,
    /// Flat-rate plans: no overage.
    Free,
    Pro,
    Business,
    Premium,
}

impl Plan {
    /// Whether requests, transfer, WAF and log ingestion cost nothing beyond the monthly price.
    pub fn is_flat(self) -> bool {
        self != Plan::Payg
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Plan::Payg => "pay as you go",
            Plan::Free => "flat-rate plan free",
            Plan::Pro => "flat-rate plan pro",
            Plan::Business => "flat-rate plan business",
            Plan::Premium => "flat-rate plan premium",
        })
    }
}

/// Which bot control the web ACL runs on every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BotControl {
    #[default]
    None,
    Common,
    Targeted,
}

/// The web ACL in front of the site.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WafOptions {
    /// Whether requests in CloudFront and load balancer logs pass a web ACL. Requests in WAF logs
    /// do in any case.
    pub enabled: bool,
    pub wcu: u32,
    /// Inspected body, KB: 16, 32, 48 or 64.
    pub body_kb: u32,
    pub bot_control: BotControl,
    /// Fraction of requests that get a challenge.
    pub challenge_ratio: f64,
    /// Fraction of requests that answer a CAPTCHA.
    pub captcha_ratio: f64,
}

impl Default for WafOptions {
    fn default() -> Self {
        WafOptions {
            enabled: false,
            wcu: 1_500,
            body_kb: 16,
            bot_control: BotControl::None,
            challenge_ratio: 0.0,
            captcha_ratio: 0.0,
        }
    }
}

/// What a request that misses the cache sets in motion.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Origin {
    /// Memory of the function behind it, MB; 0: there is none.
    pub lambda_memory_mb: u32,
    pub lambda_duration_ms: u32,
    pub api_gateway: Gateway,
    /// Whether the bytes of the answers pass a NAT gateway.
    pub nat: bool,
}

/// Kind of API gateway at the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gateway {
    #[default]
    None,
    Rest,
    Http,
}

/// Section `cost_meter` of `rules/detectors.yml`: the bounds of the meter.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostMeter {
    pub enabled: bool,
    /// Memory of the meter, MiB. Beyond it the cheapest clients lose their exact account.
    pub memory_mib: usize,
    pub why: String,
}
