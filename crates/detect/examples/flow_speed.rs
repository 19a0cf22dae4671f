//! CPU time of the code detectors per flow: ordinary traffic of a VPC with noise of the internet,
//! with and without them.
//!
//! `cargo run --release -p haetae-detect --example flow_speed [FLOWS]`

mod measure;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, EventBatch, TenantId};
use measure::{Dice, timed};
use std::sync::Arc;

const BATCH_ROWS: usize = 8_192;
/// Flows a second.
const RATE: usize = 2_000;

/// Source, destination, ports, bytes, action.
type Flow = (String, String, (i32, i32), i64, &'static str);

fn flow(dice: &mut Dice) -> Flow {
    let visitor =
        |dice: &mut Dice| format!("121.{}.{}.{}", 130 + dice.roll(8), dice.roll(250), dice.roll(250));
    let app = |dice: &mut Dice| format!("10.0.16.{}", dice.roll(40));
    let edge = |dice: &mut Dice| format!("10.0.0.{}", dice.roll(6));
    let port = 32_768 + dice.roll(28_000) as i32;
    match dice.roll(100) {
        0..=24 => (visitor(dice), edge(dice), (port, 443), 900, "ACCEPT"),
        25..=49 => (edge(dice), visitor(dice), (443, port), 42_000, "ACCEPT"),
        50..=64 => (edge(dice), app(dice), (port, 8_080), 2_000, "ACCEPT"),
        65..=79 => (app(dice), edge(dice), (8_080, port), 30_000, "ACCEPT"),
        80..=89 => (app(dice), "10.0.32.5".into(), (port, 5_432), 700, "ACCEPT"),
        90..=97 => (
            app(dice),
            format!("52.219.60.{}", dice.roll(30)),
            (port, 443),
            9_000,
            "ACCEPT",
        ),
        _ => {
            let knock = [23, 22, 3_389, 445][dice.roll(4) as usize];
            (visitor(dice), edge(dice), (port, knock), 44, "REJECT")
        }
    }
}

fn batch(dice: &mut Dice, from: usize) -> EventBatch {
    let start = 1_772_323_200_000_000i64;
    let at = |n: usize| start + i64::try_from(n / RATE).expect("small") * 1_000_000;
    let ts: Vec<i64> = (from..from + BATCH_ROWS).map(at).collect();
    let flows: Vec<Flow> = (0..BATCH_ROWS).map(|_| flow(dice)).collect();
    let texts = |of: fn(&Flow) -> &str| -> ArrayRef {
        Arc::new(flows.iter().map(|f| Some(of(f))).collect::<StringViewArray>())
    };
    let numbers = |of: fn(&Flow) -> i32| -> ArrayRef {
        Arc::new(flows.iter().map(|f| Some(of(f))).collect::<Int32Array>())
    };
    let long = |of: fn(&Flow) -> i64| -> ArrayRef {
        Arc::new(flows.iter().map(|f| Some(of(f))).collect::<Int64Array>())
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        ),
        ("src_ip", texts(|f| &f.0)),
        ("dst_host", texts(|f| &f.1)),
        ("dstaddr", texts(|f| &f.1)),
        ("srcport", numbers(|f| f.2.0)),
        ("dstport", numbers(|f| f.2.1)),
        ("protocol", numbers(|_| 6)),
        ("packets", long(|f| 1 + f.3 / 1_000)),
        ("bytes", long(|f| f.3)),
        ("action", texts(|f| f.4)),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::VpcFlow,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

/// Nanoseconds per flow of observing, and of evaluating every ten seconds of events.
fn measure(sections: &str, batches: &[EventBatch]) -> (f64, f64) {
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", sections);
    let mut engine = Engine::new(rules, EngineOptions::default());
    let rows = (batches.len() * BATCH_ROWS) as f64;
    let (mut observing, mut evaluating, mut told) = (0.0, 0.0, 0);
    for (n, batch) in batches.iter().enumerate() {
        observing += timed(|| engine.observe(batch)).0;
        if n % 3 == 2 {
            let newest = batch.ts().values().last().copied().unwrap_or(0);
            let (seconds, evaluation) = timed(|| engine.evaluate(&Closing::at(newest - 90_000_000)));
            told += evaluation.episodes.len();
            evaluating += seconds;
        }
    }
    let mib = engine.stats().detector_bytes as f64 / 1_048_576.0;
    println!("  {told} episodes, {mib:.1} MiB in detectors");
    std::mem::forget(engine);
    (observing * 1e9 / rows, evaluating * 1e9 / rows)
}

fn main() {
    let flows: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(2_000_000);
    let mut dice = Dice::new();
    let batches: Vec<EventBatch> = (0..flows.div_ceil(BATCH_ROWS))
        .map(|n| batch(&mut dice, n * BATCH_ROWS))
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/detectors.yml");
    let text = std::fs::read_to_string(path).expect("rules/detectors.yml");
    let (before, network) = text
        .split_once("\nsilence:")
        .expect("the section of silent sources");
    for (what, sections) in [
        ("nothing", "{}".to_owned()),
        ("site", before.to_owned()),
        ("network and silence", format!("silence:{network}")),
    ] {
        let (observe, evaluate) = measure(&sections, &batches);
        println!("{what}: {observe:.0} ns a flow to observe, {evaluate:.0} ns to evaluate");
    }
}
