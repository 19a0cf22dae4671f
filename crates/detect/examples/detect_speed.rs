//! CPU time of detection per event: all built-in rules over synthetic CDN traffic.
//!
//! `cargo run --release -p haetae-detect --example detect_speed [EVENTS [parts]]`; with `parts` each
//! code detector by itself, over the same traffic.

mod measure;

use ahash::RandomState;
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::{Closing, Engine, EngineOptions, Evaluation, Rows, RuleSet, behaviours};
use haetae_event::{Dataset, EventBatch, TenantId};
use measure::{Dice, cpu_seconds, timed};
use std::sync::Arc;

const BATCH_ROWS: usize = 8_192;

fn batch(dice: &mut Dice, from: usize, rows: usize) -> EventBatch {
    let start = 1_772_323_200_000_000i64;
    let mut ts = Vec::with_capacity(rows);
    let (mut src, mut uri, mut ua, mut status) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in from..from + rows {
        // About 170 requests a second, written a little out of order, whole seconds.
        let second = i64::try_from(n / 170).expect("small") - i64::try_from(dice.roll(5)).expect("small");
        ts.push(start + second * 1_000_000);
        // Some 300 of 20,000 clients are on the site at a time; a page brings its assets.
        let client = (u64::try_from(n / 40).expect("small") + dice.roll(300)) % 20_000;
        src.push(format!(
            "203.{}.{}.{}",
            client >> 16,
            (client >> 8) & 255,
            client & 255
        ));
        uri.push(match dice.roll(10) {
            0..=5 => format!("/static/assets/chunk-{}.{:08x}.js", dice.roll(400), dice.roll(20)),
            6 | 7 => format!("/product/{}?ref=main&color={}", dice.roll(40_000), dice.roll(12)),
            8 => format!(
                "/search?q=%EA%B2%80%EC%83%89+{}&page={}",
                dice.roll(60_000),
                dice.roll(9)
            ),
            _ => format!(
                "/api/v1/items/{}/reviews?limit=20&cursor={:016x}",
                dice.roll(9_000),
                dice.roll(1 << 40)
            ),
        });
        ua.push(format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
            100 + dice.roll(300)
        ));
        status.push(match dice.roll(100) {
            0..=2 => 404,
            3 => 503,
            4..=10 => 304,
            _ => 200,
        });
    }
    let rows = ts.len();
    let texts = |values: Vec<String>| Arc::new(StringViewArray::from_iter_values(values)) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        ),
        ("src_ip", texts(src)),
        ("dst_host", texts(vec!["www.example.com".into(); rows])),
        ("method", texts(vec!["GET".into(); rows])),
        ("uri", texts(uri)),
        ("ua", texts(ua)),
        ("status", Arc::new(Int32Array::from(status))),
    ];
    let records = RecordBatch::try_from_iter(columns).expect("columns of one length");
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::CloudFront,
        records,
    }
}

/// Each detector in the order of the program's list.
fn parts(batches: &[EventBatch]) {
    const NAMES: [&str; 8] = [
        "accounts", "crawlers", "payment", "edos", "site", "clients", "silence", "network",
    ];
    let rows: usize = batches.iter().map(EventBatch::rows).sum();
    let rules = RuleSet::builtin();
    let settings = rules.detectors().expect("built in");
    let hasher = RandomState::new();
    let each = |seconds: f64| seconds * 1e9 / rows as f64;
    let hashing = batches.iter().map(|batch| timed(|| Rows::new(batch, &hasher)).0);
    println!("  clients' hashes {:>4.0} ns an event", each(hashing.sum()));
    for (name, mut detector) in NAMES.into_iter().zip(behaviours::all(settings)) {
        let mut observe = 0.0;
        for batch in batches {
            let rows = Rows::new(batch, &hasher);
            observe += timed(|| detector.observe(batch, &rows)).0;
        }
        let mut found = Evaluation::default();
        let judge = timed(|| detector.evaluate(&Closing::everything(), &mut found)).0;
        println!(
            "  {name:<15} observe {:>4.0}, judge {:>4.0} ns an event; {} episodes, {:.1} MiB",
            each(observe),
            each(judge),
            found.episodes.len(),
            detector.bytes() as f64 / 1_048_576.0
        );
    }
}

fn main() {
    let events: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(600_000);
    let mut dice = Dice::new();
    let batches: Vec<EventBatch> = (0..events.div_ceil(BATCH_ROWS))
        .map(|n| batch(&mut dice, n * BATCH_ROWS, BATCH_ROWS))
        .collect();
    let rows: usize = batches.iter().map(EventBatch::rows).sum();
    if std::env::args().nth(2).is_some_and(|what| what == "parts") {
        return parts(&batches);
    }
    let mut engine = Engine::new(RuleSet::builtin(), EngineOptions::one_shot());
    let (cpu, wall) = (cpu_seconds(), std::time::Instant::now());
    for batch in &batches {
        engine.observe(batch);
    }
    let observed = wall.elapsed();
    let evaluation = engine.evaluate(&Closing::everything());
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed());
    println!(
        "{rows} events, {} episodes, {:?}",
        evaluation.episodes.len(),
        engine.stats()
    );
    println!(
        "{:.0} ns CPU an event ({cpu:.2} s CPU; wall {:.3} s, of which observe {:.3} s)",
        cpu * 1e9 / rows as f64,
        wall.as_secs_f64(),
        observed.as_secs_f64()
    );
    // Giving the memory back is not detection.
    std::mem::forget(engine);
}
