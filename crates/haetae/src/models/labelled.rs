//! Windows that are known to be attacks, for holding a candidate against.
//!
//! The attacks are simulated, with fixed seeds, in memory. They are of another site than the one the
//! model learns: so that it cannot tell them apart by that alone, the numbers that belong to a site
//! and not to behaviour (sizes of answers and requests, time of day) are set to what is usual here.
//! Every kind of attack weighs the same, and only kinds are taken that show in one client's minute:
//! one spread over thousands of clients (DDoS), over a day (costs run up slowly) or over the order of
//! calls (payment, tickets) looks ordinary there, and is for other detectors to find.
//!
//! What remains shows whether a candidate still ranks hostile behaviour above the site's own
//! visitors; it is a gate, not a measure of recall on real attacks.

use anyhow::{Context, Result};
use haetae_event::{Dataset, EventBatch, Micros, TenantId};
use haetae_learn::features::{Extractor, FEATURES, Options, WindowKey, WindowRow, names};
use haetae_learn::forest::FeatureSummary;
use haetae_learn::reservoir::WindowSample;
use haetae_learn::table::Table;
use haetae_parse::{Choice, InputReader, ParseOptions};
use haetae_simulate::{Background, Labels, Plan, Scenario, SimEvent, generate, ndjson_line};
use std::collections::HashMap;
use std::io::Cursor;

/// Attacks that one client's window can show.
const KINDS: [Scenario; 6] = [
    Scenario::Sqli,
    Scenario::Scan,
    Scenario::Flood,
    Scenario::Bots,
    Scenario::Stuffing,
    Scenario::Exfil,
];
/// Casts of attackers of each kind, always the same.
const SEEDS: [u64; 3] = [20_261, 20_262, 20_263];
/// Windows of one kind and cast.
const WINDOWS_MAX: usize = 20;
/// Ordinary visitors of the simulated site are not used; a few keep its attackers busy.
const REQUESTS_PER_MINUTE: u32 = 30;
/// Lines parsed at once.
const CHUNK_BYTES: usize = 4 << 20;

/// Features that tell of a site, not of behaviour.
const OF_THE_SITE: [&str; 4] = ["bytes_out_mean", "bytes_in_mean", "hour_sin", "hour_cos"];

/// Windows of simulated attackers while they attack; `None` when `stopped` says so meanwhile.
///
/// # Errors
/// Only when the simulator and the parser do not fit each other.
pub fn attacks(window_us: i64, stopped: impl Fn() -> bool) -> Result<Option<Vec<WindowRow>>> {
    let mut found = Vec::new();
    for (kind, seed) in KINDS.into_iter().flat_map(|kind| SEEDS.map(|seed| (kind, seed))) {
        if stopped() {
            return Ok(None);
        }
        let mut plan = Plan::new(kind, seed);
        plan.background = Background::Plain;
        plan.requests_per_minute = REQUESTS_PER_MINUTE;
        plan.flows_per_minute = 0;
        plan.sale_users = 0;
        let mut traffic = generate(&plan)?;
        let mut extractor = Extractor::new(Options {
            window_us,
            windows_max: 4_096,
            ..Options::default()
        });
        let mut lines = Vec::new();
        for event in &mut traffic {
            if let SimEvent::Web(request) = event {
                ndjson_line(&request, &mut lines);
            }
            if lines.len() >= CHUNK_BYTES {
                observe(&mut extractor, std::mem::take(&mut lines))?;
            }
        }
        observe(&mut extractor, lines)?;
        let rows = extractor.rows();
        let truth = are_attacks(&rows, window_us, &traffic.labels());
        let mut some = WindowSample::new(WINDOWS_MAX, seed);
        let hostile = rows.iter().zip(truth).filter(|(_, attack)| *attack);
        hostile.for_each(|(row, _)| some.offer(row));
        found.extend(some.rows().cloned());
    }
    Ok(Some(found))
}

fn observe(extractor: &mut Extractor, lines: Vec<u8>) -> Result<()> {
    let options = ParseOptions {
        dataset: Some(Dataset::Web),
        ..ParseOptions::default()
    };
    let mut reader = InputReader::open(Cursor::new(lines), Choice::Detect, &options);
    while let Some(parsed) = reader.next_batch().context("simulated lines")? {
        if let Some(records) = parsed.records {
            extractor.observe(&EventBatch {
                tenant: TenantId::default(),
                dataset: Dataset::Web,
                records,
            });
        }
    }
    Ok(())
}

/// Attacks and the site's own windows as one labelled table. `usual`: the training summary that the
/// site's own numbers are taken from.
pub fn table(attacks: &[WindowRow], own: &[WindowRow], usual: &[FeatureSummary]) -> Table {
    let mut cells: Vec<f64> = Vec::new();
    for row in attacks {
        let mut values = row.values;
        for (column, (name, _)) in FEATURES.iter().enumerate() {
            if OF_THE_SITE.contains(name)
                && let Some(summary) = usual.get(column)
            {
                // The median.
                values[column] = summary.quantiles[3];
            }
        }
        cells.extend(values);
    }
    cells.extend(own.iter().flat_map(|row| row.values));
    let attack = std::iter::repeat_n(true, attacks.len());
    Table {
        features: names(),
        cells,
        labels: attack.chain(std::iter::repeat_n(false, own.len())).collect(),
    }
}

/// For each window whether it is an attack: one of an attacker's address that touches the time the
/// attack went on.
pub fn are_attacks(rows: &[WindowRow], window_us: i64, labels: &Labels) -> Vec<bool> {
    let mut attackers: HashMap<&str, Vec<(Micros, Micros)>> = HashMap::new();
    for actor in labels.campaigns.iter().flat_map(|campaign| &campaign.actors) {
        for entity in actor.entities.iter().filter(|entity| entity.kind == "ip") {
            let times = attackers.entry(&entity.value).or_default();
            times.push((actor.start, actor.end));
        }
    }
    let attack = |key: &WindowKey| {
        let end = key.start.saturating_add(window_us);
        attackers
            .get(key.client.as_str())
            .is_some_and(|times| times.iter().any(|&(from, to)| from < end && to >= key.start))
    };
    rows.iter().map(|row| attack(&row.key)).collect()
}
