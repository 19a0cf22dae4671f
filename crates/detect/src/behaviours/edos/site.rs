//! The site as a whole: cost above its forecast, and bursts with a period.
//!
//! The forecast is the median of the last hour or, once a day is known, that of the same time of
//! day, whichever is higher; the prediction interval comes from the median absolute deviation of
//! past forecasts from what then happened. Yo-yo: Bremler-Barr, Brosh, Sides, "DDoS attack on
//! cloud auto-scaling mechanisms", INFOCOM 2017 (bursts that keep a fleet scaling out and in).

use super::found::{About, Found};
use super::settings::{SiteSurge, YoYo};
use super::window::{Client, Window, entity, level, quantile};
use crate::cost::tell::dollars;
use crate::cost::{BUCKET_US, Cell};
use crate::detector::Extent;
use haetae_event::Level;
use haetae_event::time::MINUTE_US;
use std::collections::BTreeMap;

pub const SURGE: About = About {
    id: "edos.site_surge",
    title: "Cost of the site above its forecast",
    confidence_percent: 60,
};

pub const YO_YO: About = About {
    id: "edos.yo_yo",
    title: "Bursts of load with a period",
    confidence_percent: 70,
};

/// Minutes of one step of the forecast.
const STEP: i64 = 5;
/// Steps of the level: an hour.
const LEVEL_STEPS: i64 = 12;
const DAY_STEPS: i64 = 24 * 12;
/// Part of the height of a burst from which on a minute belongs to it: short bursts lie across two
/// minutes.
const HEIGHT: f64 = 0.35;

/// Clients in one rhythm before it is more than a timer.
const GROUP_MIN: usize = 5;

/// Turns a median absolute deviation into a standard deviation of normal noise.
const MAD_TO_SIGMA: f64 = 1.4826;

/// Cost of five-minute steps of a site.
struct Steps<'a> {
    window: &'a Window<'a>,
    usd: BTreeMap<i64, f64>,
    first: i64,
}

impl<'a> Steps<'a> {
    /// Steps `from..to`, as numbers since the epoch.
    fn new(window: &'a Window<'a>, from: i64, to: i64) -> Steps<'a> {
        let own = &window.ledger.tenants[usize::from(window.tenant)].minutes;
        let first = own.keys().next().map_or(to, |minute| minute.div_euclid(STEP) + 1);
        let mut usd: BTreeMap<i64, f64> = BTreeMap::new();
        for (minute, cell) in own.range(from * STEP..to * STEP) {
            *usd.entry(minute.div_euclid(STEP)).or_default() += window.usd(cell);
        }
        Steps { window, usd, first }
    }

    fn at(&self, step: i64) -> f64 {
        self.usd.get(&step).copied().unwrap_or(0.0)
    }

    /// Forecast of a step from the hour before it and the same time of the day before; `None`
    /// while fewer than `history_min` steps are known.
    fn forecast(&self, step: i64, history_min: usize) -> Option<f64> {
        let from = (step - LEVEL_STEPS).max(self.first);
        let history = usize::try_from(step - self.first).unwrap_or(0);
        if history < history_min || from >= step {
            return None;
        }
        let mut last: Vec<f64> = (from..step).map(|s| self.at(s)).collect();
        let level = quantile(&mut last, 0.5);
        let yesterday = step - DAY_STEPS;
        let mut same: Vec<f64> = (yesterday - 3..=yesterday + 3)
            .filter(|&s| s >= self.first)
            .map(|s| self.at(s))
            .collect();
        Some(level.max(quantile(&mut same, 0.5)))
    }

    /// The dearest steps of up to a day before, but for one in a hundred.
    fn crest(&self, step: i64) -> f64 {
        let from = (step - DAY_STEPS).max(self.first);
        let mut all: Vec<f64> = (from..step).map(|s| self.at(s)).collect();
        quantile(&mut all, 0.99)
    }

    /// Robust standard deviation of past forecasts of up to a day.
    fn sigma(&self, step: i64, history_min: usize) -> f64 {
        let from = (step - DAY_STEPS).max(self.first);
        let mut errors: Vec<f64> = (from..step)
            .filter_map(|s| Some((self.at(s) - self.forecast(s, history_min)?).abs()))
            .collect();
        quantile(&mut errors, 0.5) * MAD_TO_SIGMA
    }
}

/// Steps of the last bucket of the window whose cost exceeds the forecast's upper bound while
/// each client costs more than usual.
pub fn surge(settings: &SiteSurge, window: &Window<'_>) -> Vec<Found> {
    let to = i64::from(window.to) * 2;
    let steps = Steps::new(window, to - 2 * DAY_STEPS - 4, to);
    let Some(per_client) = per_client_factor(window) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for step in to - 2..to {
        let usd = steps.at(step);
        let Some(forecast) = steps.forecast(step, settings.history_min) else {
            continue;
        };
        // The interval takes a day of forecasts to reckon: last.
        let least = (forecast * settings.factor_min).max(steps.crest(step) * settings.crest_factor_min);
        if usd < settings.usd_min || usd <= least || per_client < settings.per_client_factor_min {
            continue;
        }
        let sigma = steps.sigma(step, settings.history_min);
        let bound = (forecast + settings.sigmas * sigma).max(least);
        if usd <= bound {
            continue;
        }
        let hours = (step - steps.first) as f64 / 12.0;
        let mut facts = vec![
            ("cost of 5 minutes".to_owned(), dollars(usd)),
            ("forecast".to_owned(), dollars(forecast)),
            ("upper bound".to_owned(), dollars(bound)),
            (
                "cost of a client, times the usual".to_owned(),
                format!("{per_client:.1}"),
            ),
        ];
        if hours < 24.0 {
            facts.push(("baseline".to_owned(), format!("cold: {hours:.0} of 24 hours")));
        }
        let start = step * STEP * MINUTE_US;
        let count = minutes_of(steps.window, start, STEP).map(|(_, cell)| u64::from(cell.seen()));
        found.push(Found {
            entity: entity("site", site_name(window)),
            level: level(settings.common.level, usd, settings.common.usd_high, false),
            extent: Extent {
                start,
                end: start + STEP * MINUTE_US - 1,
                count: count.sum(),
            },
            line: format!(
                "{} in 5 min, forecast {}, at most {}",
                dollars(usd),
                dollars(forecast),
                dollars(bound)
            ),
            facts,
        });
    }
    // Both steps belong to one window: they are one finding.
    if found.len() == 2 {
        let second = found.pop().expect("two were found");
        let first = &mut found[0];
        first.extent.end = second.extent.end;
        first.extent.count += second.extent.count;
        first.level = first.level.max(second.level);
    }
    found
}

/// The tenant's name: one site per tenant is all that the logs tell.
pub fn site_name(window: &Window<'_>) -> String {
    window.ledger.tenants[usize::from(window.tenant)].id.to_string()
}

fn minutes_of<'a>(window: &Window<'a>, start_us: i64, minutes: i64) -> impl Iterator<Item = (i64, &'a Cell)> {
    let from = start_us.div_euclid(MINUTE_US);
    let own = &window.ledger.tenants[usize::from(window.tenant)].minutes;
    own.range(from..from.saturating_add(minutes.max(0)))
        .map(|(minute, cell)| (*minute, cell))
}

/// Cost per client of the last bucket over its median in the buckets before, of up to a day.
fn per_client_factor(window: &Window<'_>) -> Option<f64> {
    const HISTORY_MIN: usize = 6;
    let per_client = |bucket: i32| {
        let clients = window.ledger.clients.population(window.tenant, bucket);
        let cell = window.site_between(bucket, bucket + 1).filter(|_| clients > 0)?;
        Some(window.usd(&cell) / clients as f64)
    };
    let last = window.to - 1;
    let now = per_client(last)?;
    let mut before: Vec<f64> = (last - 144..last).filter_map(per_client).collect();
    if before.len() < HISTORY_MIN {
        return None;
    }
    let usual = quantile(&mut before, 0.5);
    (usual > 0.0).then(|| now / usual)
}

/// Bursts of a series.
#[derive(Clone, Debug)]
struct Bursts {
    /// First minute of each burst, and how many minutes it lasts.
    runs: Vec<(i64, i64)>,
    /// Requests of a minute between bursts.
    off: f64,
    period: f64,
    duty: f64,
}

impl Bursts {
    fn holds(&self, minute: i64) -> Option<usize> {
        let at = self.runs.partition_point(|(start, _)| *start <= minute);
        let run = at.checked_sub(1)?;
        (minute < self.runs[run].0 + self.runs[run].1).then_some(run)
    }
}

/// Minutes of a series `from..from + values.len()` that stand out, and their rhythm.
fn bursts(settings: &YoYo, from: i64, values: &[f64], rate_min: f64) -> Option<Bursts> {
    let off = quantile(&mut values.to_vec(), 0.3);
    let top = quantile(&mut values.to_vec(), 0.975);
    let limit = (off * settings.factor_min)
        .max(rate_min)
        .max(off + (top - off) * HEIGHT);
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for (at, _) in values.iter().enumerate().filter(|(_, value)| **value >= limit) {
        let minute = from + i64::try_from(at).ok()?;
        match runs.last_mut() {
            Some((start, length)) if minute == *start + *length => *length += 1,
            _ => runs.push((minute, 1)),
        }
    }
    // A burst at the edge may have begun or go on outside.
    let to = from + i64::try_from(values.len()).ok()?;
    runs.retain(|(start, length)| *start > from && start + length < to);
    if runs.len() < settings.bursts_min {
        return None;
    }
    let gaps: Vec<f64> = runs
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0) as f64)
        .collect();
    let period = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let spread = (gaps.iter().map(|gap| (gap - period).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
    let inside: i64 = runs.iter().map(|(_, length)| length).sum();
    let duty = inside as f64 / (period * runs.len() as f64);
    let regular = (settings.period_minutes_min..=settings.period_minutes_max).contains(&period)
        && spread / period <= settings.period_variation_max
        && duty <= settings.duty_max
        && rhythmic(values, from, &runs, period) >= settings.autocorrelation_min;
    regular.then_some(Bursts {
        runs,
        off,
        period,
        duty,
    })
}

/// Autocorrelation between the first and the last burst, at the period or at twice the period,
/// which whole minutes may meet better.
fn rhythmic(values: &[f64], from: i64, runs: &[(i64, i64)], period: f64) -> f64 {
    let (first, last) = (runs[0], runs[runs.len() - 1]);
    let at = |minute: i64| usize::try_from(minute - from).unwrap_or(0).min(values.len());
    let part = &values[at(first.0 - 1)..at(last.0 + last.1 + 1)];
    let once = autocorrelation(part, period.round() as usize);
    once.max(autocorrelation(part, (period * 2.0).round() as usize))
}

/// Correlation of a series with itself `lag` steps later.
fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    if lag == 0 || lag * 2 > values.len() {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let pairs = values.len() - lag;
    let product: f64 = (0..pairs)
        .map(|at| (values[at] - mean) * (values[at + lag] - mean))
        .sum();
    // Fewer products than squares: made comparable.
    if variance > 0.0 {
        product / variance * values.len() as f64 / pairs as f64
    } else {
        0.0
    }
}

/// Bursts with a period in the site's load, and the clients that make them.
pub fn yo_yo(
    settings: &YoYo,
    window: &Window<'_>,
    recent: &[Client],
    clients: impl FnOnce() -> Vec<Client>,
) -> Vec<Found> {
    let to = i64::from(window.to) * BUCKET_US / MINUTE_US;
    let own = &window.ledger.tenants[usize::from(window.tenant)].minutes;
    let known = own.keys().next().copied().unwrap_or(to);
    let from = (i64::from(window.from) * BUCKET_US / MINUTE_US).max(known);
    let mut values = vec![0.0; usize::try_from(to - from).unwrap_or(0)];
    for (minute, cell) in minutes_of(window, from * MINUTE_US, to - from) {
        if let Some(value) = usize::try_from(minute - from)
            .ok()
            .and_then(|at| values.get_mut(at))
        {
            *value = f64::from(cell.seen());
        }
    }
    let rate_min = f64::from(settings.requests_per_minute_min);
    let Some(bursts) = bursts(settings, from, &values, rate_min) else {
        return group(settings, window, recent, (from, to));
    };
    let mut excess = 0.0;
    for (at, value) in values.iter().enumerate() {
        if bursts.holds(from + at as i64).is_some() {
            excess += (value - bursts.off).max(0.0);
        }
    }
    let mut joined: Vec<(Found, f64)> = clients()
        .iter()
        .filter_map(|client| Some((in_step(settings, window, client, &bursts)?, client.usd)))
        .collect();
    // Sorted: sums of floats depend on their order, and findings must not.
    joined.sort_by(|a, b| a.0.entity.cmp(&b.0.entity));
    let usd: f64 = joined.iter().map(|(_, usd)| usd).sum();
    let mut found: Vec<Found> = joined.into_iter().map(|(found, _)| found).collect();
    let made: u64 = found.iter().map(|found| found.extent.count).sum();
    let explained = made as f64 / excess.max(1.0);
    let mut facts = rhythm(&bursts);
    facts.push(("clients that keep the rhythm".to_owned(), found.len().to_string()));
    facts.push((
        "their share of the bursts".to_owned(),
        format!("{:.0} %", explained.min(1.0) * 100.0),
    ));
    let (first, last) = (bursts.runs[0], bursts.runs[bursts.runs.len() - 1]);
    // Without clients in step it may be the site's own rhythm: cron jobs, push messages.
    let base = if explained >= 0.5 {
        settings.common.level
    } else {
        Level::Low
    };
    found.push(Found {
        entity: entity("site", site_name(window)),
        level: level(base, usd, settings.common.usd_high, false),
        extent: Extent {
            start: first.0 * MINUTE_US,
            end: (last.0 + last.1) * MINUTE_US - 1,
            count: excess as u64,
        },
        line: format!(
            "{} bursts, one every {:.0} minutes, {:.0} % of the time",
            bursts.runs.len(),
            bursts.period,
            bursts.duty * 100.0
        ),
        facts,
    });
    found
}

/// Bursts that a crowd hides in the sum of the site: clients that each come and go with a period,
/// added up, and several of them in step.
fn group(settings: &YoYo, window: &Window<'_>, recent: &[Client], (from, to): (i64, i64)) -> Vec<Found> {
    /// Requests of a minute inside a burst of one client.
    const RATE_MIN: f64 = 10.0;
    let mut sum = vec![0.0; usize::try_from(to - from).unwrap_or(0)];
    let mut members = 0;
    let busy = |c: &&Client| c.sum.seen() >= settings.client_requests_min / 2 && !c.valued();
    for client in recent.iter().filter(busy) {
        let values = minutes_of_client(window, client, (from, to));
        if bursts(settings, from, &values, RATE_MIN).is_some() {
            // Whole numbers: their sum does not depend on the order.
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            members += 1;
        }
    }
    let rate_min = f64::from(settings.requests_per_minute_min);
    let Some(common) = bursts(settings, from, &sum, rate_min).filter(|_| members >= GROUP_MIN) else {
        return Vec::new();
    };
    let told = recent
        .iter()
        .filter_map(|client| in_step(settings, window, client, &common));
    let found: Vec<Found> = told.collect();
    match found.len() >= GROUP_MIN {
        true => found,
        false => Vec::new(),
    }
}

/// Requests of a client in each of the minutes `from..to`.
fn minutes_of_client(window: &Window<'_>, client: &Client, (from, to): (i64, i64)) -> Vec<f64> {
    let mut values = vec![0.0; usize::try_from(to - from).unwrap_or(0)];
    let entry = window.ledger.clients.entry(client.at);
    for cell in entry.range(window.from, window.to).iter() {
        for (minute, count) in (i64::from(cell.bucket) * 10..).zip(cell.minutes) {
            let value = usize::try_from(minute - from)
                .ok()
                .and_then(|at| values.get_mut(at));
            if let Some(value) = value {
                *value = f64::from(count);
            }
        }
    }
    values
}

fn rhythm(bursts: &Bursts) -> Vec<(String, String)> {
    vec![
        ("bursts".to_owned(), bursts.runs.len().to_string()),
        (
            "minutes from burst to burst".to_owned(),
            format!("{:.1}", bursts.period),
        ),
        ("duty cycle".to_owned(), format!("{:.0} %", bursts.duty * 100.0)),
    ]
}

/// Whether a client sends inside the bursts only, and in several of them.
fn in_step(settings: &YoYo, window: &Window<'_>, client: &Client, bursts: &Bursts) -> Option<Found> {
    let entry = window.ledger.clients.entry(client.at);
    let (mut inside, mut all) = (0u64, 0u64);
    let first = bursts.runs[0].0;
    let mut runs = std::collections::BTreeSet::new();
    for cell in entry.range(window.from, window.to).iter() {
        for (offset, count) in (0i64..).zip(cell.minutes) {
            if count == 0 || i64::from(cell.bucket) * 10 + offset < first {
                continue;
            }
            all += u64::from(count);
            if let Some(run) = bursts.holds(i64::from(cell.bucket) * 10 + offset) {
                inside += u64::from(count);
                runs.insert(run);
            }
        }
    }
    let keeps = inside >= u64::from(settings.client_requests_min)
        && inside as f64 >= settings.client_inside_min * all as f64
        && runs.len() as f64 >= (settings.client_bursts_min * bursts.runs.len() as f64).max(3.0);
    if !keeps || client.valued() || client.people() >= 100.0 {
        return None;
    }
    let mut facts = rhythm(bursts);
    facts.push(("bursts it took part in".to_owned(), runs.len().to_string()));
    Some(Found {
        entity: entity("ip", window.name(client).to_string()),
        level: level(
            settings.common.level,
            client.usd,
            settings.common.usd_high,
            client.declared(),
        ),
        extent: Extent {
            count: inside,
            ..client.extent()
        },
        line: format!(
            "{inside} of {all} requests inside {} bursts, one every {:.0} minutes",
            runs.len(),
            bursts.period
        ),
        facts,
    })
}
