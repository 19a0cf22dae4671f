//! What a finding says about cost.

use super::bill::Tariff;
use super::meter::{Meter, Metered};
use super::usage::Usage;
use haetae_event::{Cost, Episode};

/// Extrapolation never divides by less: a burst of a second says little about a day.
const SPAN_MIN_S: f64 = 60.0;
const DAY_S: f64 = 86_400.0;
const DAYS: f64 = 30.0;

/// A cost with the words around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Priced {
    pub cost: Cost,
    pub facts: Vec<(String, String)>,
}

/// Prices what the entity of an episode used in the ten-minute buckets its window touches.
/// Entities that are not metered are priced at the site's average per request, and say so.
pub fn price(meter: &Meter, episode: &Episode) -> Option<Priced> {
    let exact = meter.metered(&episode.tenant_id, &episode.entity, episode.window);
    let (metered, average) = match exact {
        Some(metered) => (metered, false),
        None => (at_average(meter, episode)?, true),
    };
    let tariff = &meter.tariff;
    let so_far = tariff.marginal(&metered.usage).total();
    let span = metered.span_s.max(SPAN_MIN_S);
    let per_24h = tariff.marginal(&times(&metered.usage, DAY_S / span)).total();
    let per_30d = tariff
        .marginal(&times(&metered.usage, DAYS * DAY_S / span))
        .total();
    let mut basis = basis(tariff);
    if average {
        basis.push_str("; the site's average per request");
    }
    let facts = vec![
        ("cost so far".to_owned(), dollars(so_far)),
        ("cost if it goes on for 24 h".to_owned(), dollars(per_24h)),
        ("cost if it goes on for 30 d".to_owned(), dollars(per_30d)),
        ("cost basis".to_owned(), basis),
    ];
    Some(Priced {
        cost: Cost { so_far, per_24h },
        facts,
    })
}

fn at_average(meter: &Meter, episode: &Episode) -> Option<Metered> {
    let site = meter.site(&episode.tenant_id, episode.window)?;
    let seen = site.usage.seen().max(1);
    let share = (episode.count as f64 / seen as f64).min(1.0);
    let window_s = (episode.window.end.0.saturating_sub(episode.window.start.0)) as f64 / 1e6;
    Some(Metered {
        usage: times(&site.usage, share),
        span_s: window_s,
    })
}

/// Price list, region and plan, in words.
pub fn basis(tariff: &Tariff) -> String {
    let plan = match tariff.plan() {
        Some(plan) if plan.is_flat() => format!("{plan}: no overage at the edge"),
        Some(plan) => plan.to_string(),
        None => "pay as you go; no plan is configured (cost.plan)".to_owned(),
    };
    format!(
        "list prices of {}, {}, {plan}, free tiers used up",
        tariff.as_of(),
        tariff.region()
    )
}

/// `$0.0042`, `$12.34`: two digits that mean something.
pub fn dollars(amount: f64) -> String {
    if amount >= 1.0 || amount == 0.0 {
        format!("${amount:.2}")
    } else if amount >= 0.000_1 {
        format!("${amount:.4}")
    } else {
        "under $0.0001".to_owned()
    }
}

fn times(usage: &Usage, factor: f64) -> Usage {
    // Saturates: floats become the nearest integer there is.
    let scaled = |n: u64| (n as f64 * factor).round() as u64;
    Usage {
        requests: scaled(usage.requests),
        plain_http: scaled(usage.plain_http),
        bytes_out: scaled(usage.bytes_out),
        origin_requests: scaled(usage.origin_requests),
        origin_bytes_in: scaled(usage.origin_bytes_in),
        origin_bytes_out: scaled(usage.origin_bytes_out),
        waf_logged: scaled(usage.waf_logged),
        balancer_requests: scaled(usage.balancer_requests),
        balancer_bytes: scaled(usage.balancer_bytes),
        challenges: scaled(usage.challenges),
        captchas: scaled(usage.captchas),
    }
}
