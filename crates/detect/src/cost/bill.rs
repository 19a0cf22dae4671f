//! From usage to dollars: pure functions.
//!
//! Formula and units: AWS price pages of CloudFront, WAF, Lambda, API Gateway, Elastic Load
//! Balancing. A GB is 2^30 bytes and a TB 2^40, as on AWS invoices.

use super::options::{BotControl, CostOptions, Gateway, Plan};
use super::prices::{PriceTable, Tiers, regional};
use super::usage::Usage;

const GB: f64 = (1u64 << 30) as f64;
const GB_PER_TB: f64 = 1024.0;
const MILLION: f64 = 1e6;

/// Capacity units of a web ACL that the price of a request includes, and the size of a step.
const WCU_INCLUDED: u32 = 1_500;
const WCU_STEP: u32 = 500;

/// Rule evaluations that one load balancer capacity unit covers in an hour. Requests are taken as
/// one evaluation each, which makes the estimate a lower bound.
const EVALUATIONS_PER_LCU_HOUR: f64 = 1_000.0 * 3_600.0;

/// Dollars by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bill {
    /// Requests and transfer of the edge.
    pub edge: f64,
    pub waf: f64,
    /// Functions, gateways and transfer behind the cache.
    pub origin: f64,
    pub balancer: f64,
    pub logs: f64,
}

impl Bill {
    pub fn total(&self) -> f64 {
        self.edge + self.waf + self.origin + self.balancer + self.logs
    }
}

/// Unit prices of one site: the table read with the operator's options.
#[derive(Clone, Debug, PartialEq)]
pub struct Tariff {
    options: CostOptions,
    region: String,
    as_of: String,
    out_tiers: Tiers,
    http_request: f64,
    https_request: f64,
    to_origin_gb: f64,
    /// Dollars for one request that the web ACL evaluates.
    waf_request: f64,
    challenge: f64,
    captcha: f64,
    acl_month: f64,
    rule_month: f64,
    bot_month: f64,
    /// Dollars for one request that misses the cache.
    origin_request: f64,
    nat_gb: f64,
    lcu_hour: f64,
    transfer_out_gb: f64,
    log_gb: f64,
    free_out_gb: f64,
    free_requests: f64,
    plan_month: f64,
}

impl Tariff {
    pub fn new(table: &PriceTable, options: &CostOptions) -> Tariff {
        let asked = options.region.as_deref().unwrap_or(&table.default_region);
        // Another region's prices must not go under the name of one that the table does not have.
        let (region, shown) = match table.has_region(asked) {
            true => (asked, asked.to_owned()),
            false => (
                table.default_region.as_str(),
                format!("{} (the price table has no region {asked})", table.default_region),
            ),
        };
        let group = table.group(region);
        let (http, https) = table
            .cloudfront
            .requests
            .groups
            .get(group)
            .copied()
            .unwrap_or_default();
        let out_tiers = table.cloudfront.out_tiers.groups.get(group);
        let bot = options.waf.bot_control;
        Tariff {
            region: shown,
            as_of: table.as_of.clone(),
            out_tiers: out_tiers.cloned().unwrap_or_default(),
            http_request: http / 10_000.0,
            https_request: https / 10_000.0,
            to_origin_gb: table.cloudfront.to_origin_gb.usd,
            waf_request: waf_request(table, options) / MILLION,
            challenge: table.waf.challenge_million.usd / MILLION,
            captcha: table.waf.captcha_million.usd / MILLION,
            acl_month: table.waf.acl_month.usd,
            rule_month: table.waf.rule_month.usd,
            bot_month: match bot {
                BotControl::None => 0.0,
                _ => table.waf.bot_control_month.usd,
            },
            origin_request: origin_request(table, options),
            nat_gb: match options.origin.nat {
                true => regional(&table.regional.nat_gb, region),
                false => 0.0,
            },
            lcu_hour: table.load_balancer.lcu_hour.usd,
            transfer_out_gb: regional(&table.regional.transfer_out_gb, region),
            log_gb: regional(&table.regional.log_ingest_gb, region),
            free_out_gb: table.cloudfront.free_out_gb.usd,
            free_requests: table.cloudfront.free_requests.usd,
            plan_month: match options.plan {
                None | Some(Plan::Payg) => 0.0,
                Some(Plan::Free) => month_of(table, "free"),
                Some(Plan::Pro) => month_of(table, "pro"),
                Some(Plan::Business) => month_of(table, "business"),
                Some(Plan::Premium) => month_of(table, "premium"),
            },
            options: options.clone(),
        }
    }

    pub fn plan(&self) -> Option<Plan> {
        self.options.plan
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// Date of the price table, `YYYY-MM-DD`.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// What this usage adds to the bill under the configured plan (pay as you go without one):
    /// no monthly fees, free tiers used up.
    pub fn marginal(&self, usage: &Usage) -> Bill {
        let mut bill = self.list(usage);
        if self.options.plan.is_some_and(Plan::is_flat) {
            // A flat plan has no overage; what stands behind the edge is paid for as ever.
            (bill.edge, bill.waf, bill.logs) = (0.0, 0.0, 0.0);
        }
        bill
    }

    /// The same at pay-as-you-go prices, whatever the plan: what judgements compare.
    pub fn list(&self, usage: &Usage) -> Bill {
        let gb = usage.bytes_out as f64 / GB;
        let plain = usage.plain_http.min(usage.requests) as f64;
        let transfer = tiered(&self.out_tiers, self.options.usual_out_gb_month.max(0.0), gb);
        Bill {
            edge: plain * self.http_request
                + (usage.requests as f64 - plain) * self.https_request
                + transfer
                + usage.origin_bytes_in as f64 / GB * self.to_origin_gb,
            waf: self.waf(usage),
            origin: usage.origin_requests as f64 * self.origin_request
                + usage.origin_bytes_out as f64 / GB * self.nat_gb,
            balancer: self.balancer(usage),
            logs: usage.seen() as f64 * f64::from(self.options.log_line_bytes) / GB * self.log_gb,
        }
    }

    /// A whole month of a site: monthly fees of `acls` web ACLs with `rules` rules, free tiers
    /// taken off once.
    pub fn month(&self, usage: &Usage, acls: u32, rules: u32) -> Bill {
        let mut bill = self.list(usage);
        let gb = usage.bytes_out as f64 / GB;
        let paid_gb = (gb - self.free_out_gb).max(0.0);
        let requests = usage.requests as f64;
        let paid = (requests - self.free_requests).max(0.0) / requests.max(1.0);
        let plain = usage.plain_http.min(usage.requests) as f64;
        bill.edge = paid * (plain * self.http_request + (requests - plain) * self.https_request)
            + tiered(&self.out_tiers, 0.0, paid_gb)
            + usage.origin_bytes_in as f64 / GB * self.to_origin_gb;
        let bots = if acls > 0 { self.bot_month } else { 0.0 };
        bill.waf += f64::from(acls) * self.acl_month + f64::from(rules) * self.rule_month + bots;
        if self.options.plan.is_some_and(Plan::is_flat) {
            bill = Bill {
                edge: self.plan_month,
                waf: 0.0,
                logs: 0.0,
                ..bill
            };
        }
        bill
    }

    /// Every evaluated request is charged, blocked ones too.
    fn waf(&self, usage: &Usage) -> f64 {
        let options = &self.options.waf;
        let passing = match options.enabled {
            true => usage.requests.max(usage.balancer_requests),
            false => 0,
        };
        let evaluated = usage.waf_logged.max(passing) as f64;
        let share = |ratio: f64| evaluated * ratio.clamp(0.0, 1.0);
        evaluated * self.waf_request
            + share(options.challenge_ratio).max(usage.challenges as f64) * self.challenge
            + share(options.captcha_ratio).max(usage.captchas as f64) * self.captcha
    }

    fn balancer(&self, usage: &Usage) -> f64 {
        let gb = usage.balancer_bytes as f64 / GB;
        let units = gb.max(usage.balancer_requests as f64 / EVALUATIONS_PER_LCU_HOUR);
        // What goes out through an edge of the same cloud is paid for there.
        let direct = usage.balancer_bytes.saturating_sub(usage.origin_bytes_out) as f64 / GB;
        units * self.lcu_hour + direct * self.transfer_out_gb
    }
}

/// Dollars a million evaluated requests, by capacity units, body and bot control.
fn waf_request(table: &PriceTable, options: &CostOptions) -> f64 {
    let (waf, prices) = (&options.waf, &table.waf);
    let steps = waf.wcu.saturating_sub(WCU_INCLUDED).div_ceil(WCU_STEP);
    let body = match waf.body_kb {
        0..=16 => 0.0,
        17..=48 => prices.body_48k_million.usd,
        _ => prices.body_64k_million.usd,
    };
    let bots = match waf.bot_control {
        BotControl::None => 0.0,
        BotControl::Common => prices.bot_common_million.usd,
        BotControl::Targeted => prices.bot_targeted_million.usd,
    };
    prices.request_million.usd + f64::from(steps) * prices.wcu_step_million.usd + body + bots
}

/// Dollars of one request that reaches the origin.
fn origin_request(table: &PriceTable, options: &CostOptions) -> f64 {
    let origin = &options.origin;
    let gateway = match origin.api_gateway {
        Gateway::None => 0.0,
        Gateway::Rest => table.api_gateway.rest_million.usd / MILLION,
        Gateway::Http => table.api_gateway.http_million.usd / MILLION,
    };
    if origin.lambda_memory_mb == 0 {
        return gateway;
    }
    let gb_seconds =
        f64::from(origin.lambda_memory_mb) / 1024.0 * f64::from(origin.lambda_duration_ms) / 1000.0;
    gateway + table.lambda.request_million.usd / MILLION + gb_seconds * table.lambda.gb_second.usd
}

fn month_of(table: &PriceTable, plan: &str) -> f64 {
    table.flat_plans.get(plan).map_or(0.0, |price| price.usd)
}

/// Price of `gb` more after `used` GB of the month.
fn tiered(tiers: &Tiers, used: f64, gb: f64) -> f64 {
    let (mut from, mut left, mut sum) = (used, gb, 0.0);
    for (at, (terabytes, usd)) in tiers.iter().enumerate() {
        let last = at + 1 == tiers.len();
        let size = terabytes * GB_PER_TB;
        if !last && from >= size {
            from -= size;
            continue;
        }
        let here = if last { left } else { left.min(size - from) };
        sum += here * usd;
        left -= here;
        from = 0.0;
        if left <= 0.0 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests;
