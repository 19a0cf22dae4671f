//! CPU time of the judgement of clients per event, beside the rules: the detector alone over
//! synthetic CDN traffic (20,000 clients, 60 % assets).
//!
//! `cargo run --release -p haetae-detect --example clients_speed [EVENTS]`

mod measure;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::ruleset::BUILTIN_DETECTORS;
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, EventBatch, TenantId};
use measure::{Dice, timed};
use std::sync::Arc;

const BATCH_ROWS: usize = 8_192;

fn uri(dice: &mut Dice) -> String {
    match dice.roll(10) {
        0..=5 => format!("/static/assets/chunk-{}.{:08x}.js", dice.roll(400), dice.roll(20)),
        6 | 7 => format!("/product/{}?ref=main&color={}", dice.roll(40_000), dice.roll(12)),
        8 => format!("/search?q=%EA%B2%80%EC%83%89+{}", dice.roll(60_000)),
        _ => format!("/api/v1/items/{}/reviews?limit=20", dice.roll(9_000)),
    }
}

fn batch(dice: &mut Dice, from: usize) -> EventBatch {
    let start = 1_772_323_200_000_000i64;
    let (mut ts, mut src, mut uris, mut ua, mut referer) = (vec![], vec![], vec![], vec![], vec![]);
    for n in from..from + BATCH_ROWS {
        // About 170 requests a second, written a little out of order, whole seconds.
        let second = i64::try_from(n / 170).expect("small") - i64::try_from(dice.roll(5)).expect("small");
        ts.push(start + second * 1_000_000);
        // Some 300 of 20,000 clients are on the site at a time.
        let client = (u64::try_from(n / 40).expect("small") + dice.roll(300)) % 20_000;
        src.push(format!(
            "203.{}.{}.{}",
            client >> 16,
            (client >> 8) & 255,
            client & 255
        ));
        uris.push(uri(dice));
        let version = 100 + client % 300;
        ua.push(format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{version}.0.0.0"
        ));
        referer.push("https://www.example.com/".to_owned());
    }
    let texts = |values: Vec<String>| Arc::new(StringViewArray::from_iter_values(values)) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        ),
        ("src_ip", texts(src)),
        ("dst_host", texts(vec!["www.example.com".into(); BATCH_ROWS])),
        ("method", texts(vec!["GET".into(); BATCH_ROWS])),
        ("uri", texts(uris)),
        ("ua", texts(ua)),
        ("cs_referer", texts(referer)),
        ("status", Arc::new(Int32Array::from(vec![200; BATCH_ROWS]))),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::CloudFront,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

/// Nanoseconds an event to observe and to judge, and bytes held.
fn measure(batches: &[EventBatch], detectors: &str, every: usize) -> (f64, f64, usize) {
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", detectors);
    let mut engine = Engine::new(rules, EngineOptions::one_shot());
    let (mut observe, mut judge) = (0.0, 0.0);
    for (n, batch) in batches.iter().enumerate() {
        observe += timed(|| engine.observe(batch)).0;
        if every > 0 && n % every == 0 {
            let closed = batch.ts().values().iter().max().copied().unwrap_or(0) - 10_000_000;
            judge += timed(|| engine.evaluate(&Closing::at(closed))).0;
        }
    }
    judge += timed(|| engine.evaluate(&Closing::everything())).0;
    let rows = (batches.len() * BATCH_ROWS) as f64;
    (
        observe * 1e9 / rows,
        judge * 1e9 / rows,
        engine.stats().detector_bytes,
    )
}

fn main() {
    let events: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(600_000);
    let mut dice = Dice::new();
    let batches: Vec<EventBatch> = (0..events.div_ceil(BATCH_ROWS))
        .map(|n| batch(&mut dice, n * BATCH_ROWS))
        .collect();
    let section = |name: &str| {
        let from = BUILTIN_DETECTORS.find(&format!("\n{name}:")).expect("a section");
        let rest = &BUILTIN_DETECTORS[from + 1..];
        let to = rest[1..].find("\n\n").map_or(rest.len(), |to| to + 1);
        rest[..to].to_owned()
    };
    let own = format!("{}\n{}", section("macros"), section("http_flood"));
    for round in 0..3 {
        let (observe, _, _) = measure(&batches, "{}", 0);
        let (with, judge, bytes) = measure(&batches, &own, 0);
        let (_, often, _) = measure(&batches, &own, 1);
        println!(
            "round {round}: observe {:.0} ns, judge once {judge:.0} ns, judge every {} s {often:.0} ns an event; {:.0} bytes a client",
            with - observe,
            BATCH_ROWS / 170,
            bytes as f64 / 20_000.0
        );
    }
}
