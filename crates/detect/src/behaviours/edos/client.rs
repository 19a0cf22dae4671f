//! Clients that cost far more than others: within an hour, and slowly over a day.

use super::found::{About, Found};
use super::settings::{Common, HeavyClient, LowAndSlow};
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

/// What nearly all clients stay below, given what visits cost each, and from where on one costs far more; `None` while they
/// are too few to say.
fn limits(
    mut usd: Vec<f64>,
    clients_min: usize,
    (p90_factor_max, p99_factor_min, usd_min): (f64, f64, f64),
) -> Option<(f64, f64)> {
    if usd.len() < clients_min {
        return None;
    }
    let p90 = quantile(&mut usd, 0.90);
    let usual = quantile(&mut usd, 0.99).min(p90 * p90_factor_max);
    Some((usual, (usual * p99_factor_min).max(usd_min)))
}

fn is_visit(client: &Client) -> bool {
    client.sum.seen() >= VISIT_REQUESTS_MIN
}

/// Whether a client costs so much for each person behind it, and does no business.
fn is_dear(client: &Client, limit: f64, requests_min: u32) -> bool {
    client.sum.seen() >= requests_min && client.usd / client.people() >= limit && !client.valued()
}

/// Clients of the hour whose cost per person exceeds the 99th percentile many times.
pub fn heavy(
    settings: &HeavyClient,
    window: &Window<'_>,
    clients: &[Client],
    clients_min: usize,
) -> Vec<Found> {
    let visits = clients.iter().filter(|client| is_visit(client));
    let usd = visits.map(|client| client.usd).collect();
    let factors = (settings.p90_factor_max, settings.p99_factor_min, settings.usd_min);
    let Some((usual, limit)) = limits(usd, clients_min, factors) else {
        return Vec::new();
    };
    let over = clients
        .iter()
        .filter(|client| is_dear(client, limit, settings.requests_min));
    over.map(|client| told(window, client, &settings.common, usual, "1 h", Vec::new()))
        .collect()
}

/// Clients that were there for hours of a day and cost far more than a day's clients do; `active`
/// are the places in the table of those who came.
pub fn slow(settings: &LowAndSlow, window: &Window<'_>, active: &[u32], clients_min: usize) -> Vec<Found> {
    // A day has very many clients, of whom few did much.
    let (mut usd, mut busy) = (Vec::with_capacity(active.len()), Vec::new());
    for client in active.iter().filter_map(|&at| window.client(at as usize)) {
        usd.extend(is_visit(&client).then_some(client.usd));
        if client.sum.seen() >= settings.requests_min {
            busy.push(client);
        }
    }
    let factors = (settings.p90_factor_max, settings.p99_factor_min, settings.usd_min);
    let Some((usual, limit)) = limits(usd, clients_min, factors) else {
        return Vec::new();
    };
    let stayed = |client: &Client| {
        let entry = window.ledger.clients.entry(client.at);
        entry.range(window.from, window.to).len() >= settings.buckets_min
    };
    let over = busy
        .iter()
        .filter(|client| is_dear(client, limit, settings.requests_min) && stayed(client));
    let hours = window.hours_known();
    let cold = format!("cold: {hours:.0} of 24 hours");
    let facts: Vec<(String, String)> = (hours < 24.0)
        .then(|| ("baseline".to_owned(), cold))
        .into_iter()
        .collect();
    over.map(|client| told(window, client, &settings.common, usual, "24 h", facts.clone()))
        .collect()
}

fn told(
    window: &Window<'_>,
    client: &Client,
    common: &Common,
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
        level: level(common.level, client.usd, common.usd_high, client.declared()),
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
