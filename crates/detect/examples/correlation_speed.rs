//! Cost of correlations per matched event, by type, and of one key that grows.
//!
//! `cargo run --release -p haetae-detect --example correlation_speed [EVENTS]`

mod measure;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, EventBatch, TenantId};
use measure::{Dice, cpu_seconds};
use std::sync::Arc;

const BASES: &str = "
title: a
name: a
logsource: {product: aws, service: cloudfront}
detection: {s: {cs-uri-stem: /a}, condition: s}
---
title: b
name: b
logsource: {product: aws, service: cloudfront}
detection: {s: {cs-uri-stem: /b}, condition: s}
";

/// Name and the `correlation` map, thresholds that few windows reach.
const TYPES: &[(&str, &str)] = &[
    (
        "event_count",
        "type: event_count, rules: [a, b], condition: {gte: 60}",
    ),
    (
        "event_count, range",
        "type: event_count, rules: [a, b], condition: {gt: 60, lt: 70}",
    ),
    (
        "value_count",
        "type: value_count, rules: [a, b], condition: {field: cs-user-agent, gte: 40}",
    ),
    ("temporal", "type: temporal, rules: [a, b], condition: {gte: 2}"),
    ("temporal, a and not b", "type: temporal, condition: a and not b"),
    ("temporal_ordered", "type: temporal_ordered, rules: [b, a]"),
    (
        "value_sum",
        "type: value_sum, rules: [a, b], condition: {field: sc-bytes, gte: 3500000}",
    ),
    (
        "value_avg",
        "type: value_avg, rules: [a, b], condition: {field: sc-bytes, gte: 90000}",
    ),
    (
        "value_percentile 95",
        "type: value_percentile, rules: [a, b], condition: {field: sc-bytes, percentile: 95, lt: 50000}",
    ),
    (
        "value_median",
        "type: value_median, rules: [a, b], condition: {field: sc-bytes, gte: 90000}",
    ),
];

/// `rows` events from the `from`-th on, `rate` a second, a little out of order.
fn batch(dice: &mut Dice, from: usize, rows: usize, rate: usize, clients: u64) -> EventBatch {
    let start = 1_772_323_200_000_000i64;
    let (mut ts, mut src, mut uri, mut ua, mut bytes) = (vec![], vec![], vec![], vec![], vec![]);
    for n in from..from + rows {
        let us = n as i64 * 1_000_000 / rate as i64;
        ts.push(start + us - dice.roll(2_000_000) as i64);
        src.push(format!(
            "198.51.{}.{}",
            dice.roll(clients) / 250,
            dice.roll(clients) % 250
        ));
        uri.push(if dice.roll(200) == 0 { "/b" } else { "/a" });
        ua.push(format!("agent {}", dice.roll(5_000)));
        bytes.push(dice.roll(100_000) as i64);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        ),
        ("src_ip", Arc::new(StringViewArray::from_iter_values(src))),
        ("uri", Arc::new(StringViewArray::from_iter_values(uri))),
        ("ua", Arc::new(StringViewArray::from_iter_values(ua))),
        ("bytes_out", Arc::new(Int64Array::from(bytes))),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::CloudFront,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

fn engine(map: Option<&str>, group: &str, span: &str) -> Engine {
    let mut rules = RuleSet::empty();
    let yaml = match map {
        Some(map) => format!(
            "{BASES}---\ntitle: x\nid: x\ncorrelation: {{{map}, group-by: [{group}], timespan: {span}}}\n"
        ),
        // Matched, and nothing else done with it.
        None => format!(
            "{BASES}---\ntitle: x\nid: x\ncorrelation: {{type: event_count, rules: [a, b], group-by: [cs-host], timespan: 1m, condition: {{gte: 60}}}}\n"
        ),
    };
    rules.load_text("speed.yml", &yaml);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, EngineOptions::default())
}

/// CPU seconds to fold and judge `batches`, evaluating after each, and what was told.
fn run(mut engine: Engine, batches: &[EventBatch]) -> (f64, usize, usize) {
    let begun = cpu_seconds();
    let mut told = 0;
    for batch in batches {
        engine.observe(batch);
        // One file of ten seconds: what is older than two of them is final.
        let (_, newest) = batch.ts_range().expect("rows");
        told += engine.evaluate(&Closing::at(newest - 20_000_000)).episodes.len();
    }
    told += engine.evaluate(&Closing::everything()).episodes.len();
    let seconds = cpu_seconds() - begun;
    let cells = engine.stats().cells;
    // Giving the memory back is not detection.
    std::mem::forget(engine);
    (seconds, told, cells)
}

fn main() {
    let events: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(400_000);
    let mut dice = Dice::new();
    // 1,000 events a second from some 2,500 clients, in batches of ten seconds.
    let batches: Vec<EventBatch> = (0..events / 10_000)
        .map(|n| batch(&mut dice, n * 10_000, 10_000, 1_000, 2_500))
        .collect();
    let (matching, ..) = run(engine(None, "", ""), &batches);
    let per_event = |seconds: f64| seconds * 1e9 / (batches.len() * 10_000) as f64;
    println!(
        "{} events, every one matched; windows of 1 m; evaluated every 10 s",
        batches.len() * 10_000
    );
    println!("{:<24} {:>6.0} ns an event", "matching only", per_event(matching));
    for (name, map) in TYPES {
        let (seconds, told, cells) = run(engine(Some(map), "c-ip", "1m"), &batches);
        println!(
            "{name:<24} {:>6.0} ns an event beside matching; {told} told, {cells} cells",
            per_event(seconds - matching)
        );
    }
    println!("\none key, a window of 1 h, evaluated after each of 100 batches and once at the end");
    for (name, map) in TYPES {
        print!("{name:<24}");
        for size in [25_000usize, 50_000, 100_000] {
            // Ten batches a minute; the last sizes fill the hour.
            let batches: Vec<EventBatch> = (0..100)
                .map(|n| batch(&mut dice, n * size / 100, size / 100, size / 3_600 + 1, 1))
                .collect();
            let (seconds, ..) = run(engine(Some(map), "c-ip", "1h"), &batches);
            let mut whole = engine(Some(map), "c-ip", "1h");
            let begun = cpu_seconds();
            batches.iter().for_each(|batch| _ = whole.observe(batch));
            whole.evaluate(&Closing::everything());
            let once = cpu_seconds() - begun;
            print!("  {size}: {:.0} ms, once {:.0} ms", seconds * 1e3, once * 1e3);
        }
        println!();
    }
}
