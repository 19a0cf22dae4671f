//! Clients that cost far more than others: within an hour, and slowly over a day.

use super::found::{About, Found};
use super::settings::{HeavyClient, LowAndSlow};
use super::window::{Client, Window, entity, level, quantile};
use crate::cost::tell::dollars;

pub const HEAVY: About = About {
    id: "edos.heavy_client",
    title: "Client costs far more than others",
    confidence_percent: 70,
};

pub const SLOW: About = About {
    id: "edos.low_and_slow",
    title: "Client costs far more than others over a day",
    confidence_percent: 75,
};

/// Clients with fewer requests are no population.
const VISIT_REQUESTS_MIN: u32 = 5;

/// Quantiles of what clients cost.
struct Population {
    p90: f64,
    p99: f64,
    size: usize,
}

fn population(clients: &[Client]) -> Population {
    let visits = clients.iter().filter(|c| c.sum.seen() >= VISIT_REQUESTS_MIN);
    let mut usd: Vec<f64> = visits.map(|client| client.usd).collect();
    Population {
        size: usd.len(),
        p90: quantile(&mut usd, 0.90),
        p99: quantile(&mut usd, 0.99),
    }
}

/// Clients of the hour whose cost per person exceeds the 99th percentile many times.
pub fn heavy(
    settings: &HeavyClient,
    window: &Window<'_>,
    clients: &[Client],
    clients_min: usize,
) -> Vec<Found> {
    let population = population(clients);
    if population.size < clients_min {
        return Vec::new();
    }
    let usual = population.p99.min(population.p90 * settings.p90_factor_max);
    let limit = (usual * settings.p99_factor_min).max(settings.usd_min);
    let over = clients.iter().filter(|client| {
        client.sum.seen() >= settings.requests_min
            && client.usd / client.people() >= limit
            && !client.valued()
    });
    over.map(|client| {
        let level = level(
            settings.common.level,
            client.usd,
            settings.common.usd_high,
            client.declared(),
        );
        told(window, client, level, usual, "1 h", Vec::new())
    })
    .collect()
}

/// Clients that were there for hours of a day and cost far more than a day's clients do.
pub fn slow(
    settings: &LowAndSlow,
    window: &Window<'_>,
    clients: &[Client],
    clients_min: usize,
) -> Vec<Found> {
    let population = population(clients);
    if population.size < clients_min {
        return Vec::new();
    }
    let usual = population.p99.min(population.p90 * settings.p90_factor_max);
    let limit = (usual * settings.p99_factor_min).max(settings.usd_min);
    let over = clients.iter().filter(|client| {
        let entry = &window.ledger.clients.entries[client.at];
        client.sum.seen() >= settings.requests_min
            && client.usd / client.people() >= limit
            && entry.range(window.from, window.to).len() >= settings.buckets_min
            && !client.valued()
    });
    let hours = window.hours_known();
    over.map(|client| {
        let level = level(
            settings.common.level,
            client.usd,
            settings.common.usd_high,
            client.declared(),
        );
        let mut facts = Vec::new();
        if hours < 24.0 {
            facts.push(("baseline".to_owned(), format!("cold: {hours:.0} of 24 hours")));
        }
        told(window, client, level, usual, "24 h", facts)
    })
    .collect()
}

fn told(
    window: &Window<'_>,
    client: &Client,
    level: haetae_event::Level,
    usual: f64,
    span: &str,
    mut facts: Vec<(String, String)>,
) -> Found {
    let times = client.usd / usual.max(1e-9);
    facts.insert(
        0,
        (
            "times the usual most of a client".to_owned(),
            format!("{times:.0}"),
        ),
    );
    if client.declared() {
        facts.push(("client".to_owned(), "says that it is a crawler".to_owned()));
    }
    Found {
        entity: entity("ip", window.name(client).to_string()),
        level,
        extent: client.extent(),
        line: format!(
            "{} requests, {} bytes out, {} in {span}; nearly all clients stay below {}",
            client.sum.seen(),
            client.sum.bytes_out,
            dollars(client.usd),
            dollars(usual)
        ),
        facts,
    }
}
