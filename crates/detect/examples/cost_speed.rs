//! What the cost meter and its judgements take per event, and memory per client.
//!
//! `cargo run --release -p haetae-detect --example cost_speed [EVENTS] [CLIENTS]`

mod measure;

use ahash::RandomState;
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_detect::detector::Rows;
use haetae_detect::detectors::Detectors;
use haetae_detect::{Closing, Evaluation, RuleSet, behaviours};
use haetae_event::{Dataset, EventBatch, TenantId};
use measure::timed;
use std::sync::Arc;

const BATCH: usize = 8_192;
const START: i64 = 1_772_323_200_000_000;
const DAY_US: i64 = 86_400_000_000;

fn number(argument: usize, default: u64) -> u64 {
    let given = std::env::args().nth(argument);
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// Rows `from..from + BATCH` of a day of `events` rows by `clients` clients.
fn batch(from: u64, events: u64, clients: u64) -> EventBatch {
    let rows: Vec<u64> = (from..(from + BATCH as u64).min(events)).collect();
    let step = DAY_US as f64 / events as f64;
    let ts: TimestampMicrosecondArray = rows
        .iter()
        .map(|&n| Some(START + (n as f64 * step) as i64))
        .collect();
    // A client comes for a while: neighbours in time share an address.
    let client = |n: u64| mix(n / 4_096 * 64 + mix(n) % 64) % clients;
    let texts = |of: &dyn Fn(u64) -> String| -> ArrayRef {
        let texts = rows.iter().map(|&n| Some(of(n)));
        Arc::new(texts.collect::<StringViewArray>())
    };
    let bytes: Int64Array = rows
        .iter()
        .map(|&n| Some(500 + (mix(n * 7) % 200_000) as i64))
        .collect();
    let status: Int32Array = rows.iter().map(|_| Some(200)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        (
            "src_ip",
            texts(&|n| {
                let c = client(n);
                format!(
                    "{}.{}.{}.{}",
                    11 + c / 16_777_216,
                    c / 65_536 % 256,
                    c / 256 % 256,
                    c % 256
                )
            }),
        ),
        ("dst_host", texts(&|_| "tickets.example".to_owned())),
        (
            "method",
            texts(&|n| if n % 29 == 0 { "POST" } else { "GET" }.to_owned()),
        ),
        (
            "uri",
            texts(&|n| match mix(n * 3) % 10 {
                0 => format!("/api/seats?show={}&t={}", n % 40, mix(n)),
                1..=3 => format!("/show/{}", mix(n * 5) % 400),
                _ => format!("/static/asset{}.js?v=3f", mix(n * 5) % 120),
            }),
        ),
        ("status", Arc::new(status)),
        (
            "ua",
            texts(&|n| {
                let version = 110 + client(n) % 40;
                format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
                )
            }),
        ),
        ("bytes_out", Arc::new(bytes)),
        (
            "x_edge_result_type",
            texts(&|n| if mix(n * 3) % 10 < 2 { "Miss" } else { "Hit" }.to_owned()),
        ),
        ("cs_protocol", texts(&|_| "https".to_owned())),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::CloudFront,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

/// Seconds to observe and to judge a day, bytes held, and what was told.
struct Taken {
    observe: f64,
    judge: f64,
    bytes: usize,
    episodes: usize,
}

fn day(settings: &Detectors, (events, clients): (u64, u64)) -> Taken {
    let mut detectors = behaviours::all(settings);
    assert!(!detectors.is_empty());
    let hasher = RandomState::new();
    let (mut observe, mut judge) = (0.0, 0.0);
    let mut closed = START;
    let mut out = Evaluation::default();
    for from in (0..events).step_by(BATCH) {
        let batch = batch(from, events, clients);
        let rows = Rows::new(&batch, &hasher);
        let (_, high) = batch.ts_range().expect("rows");
        observe += timed(|| detectors.iter_mut().for_each(|d| d.observe(&batch, &rows))).0;
        // After every batch, which is some six minutes of the day.
        closed = closed.max(high - 90_000_000);
        let closing = Closing::at(closed);
        judge += timed(|| detectors.iter_mut().for_each(|d| d.evaluate(&closing, &mut out))).0;
    }
    let all = Closing::everything();
    judge += timed(|| detectors.iter_mut().for_each(|d| d.evaluate(&all, &mut out))).0;
    Taken {
        observe,
        judge,
        bytes: detectors.iter().map(|d| d.bytes()).sum(),
        episodes: out.episodes.len(),
    }
}

fn main() {
    let load = (number(1, 2_000_000), number(2, 50_000));
    let rules = RuleSet::builtin();
    let all = rules.detectors().expect("built in");
    let meter = Detectors {
        cost_meter: all.cost_meter.clone(),
        ..Detectors::default()
    };
    let cost = Detectors {
        edos: all.edos.clone(),
        ..meter.clone()
    };
    println!(
        "{} events of one day by {} clients, ns of CPU an event",
        load.0, load.1
    );
    for (what, settings) in [
        ("cost meter alone", &meter),
        ("cost meter and edos", &cost),
        ("every detector", all),
    ] {
        let taken = day(settings, load);
        let per = |seconds: f64| seconds * 1e9 / load.0 as f64;
        println!(
            "{what:<20} observe {:>4.0}, judge {:>4.0}, together {:>4.0}; {:.1} MiB, {:.0} bytes a client; {} episodes",
            per(taken.observe),
            per(taken.judge),
            per(taken.observe + taken.judge),
            taken.bytes as f64 / (1 << 20) as f64,
            taken.bytes as f64 / load.1 as f64,
            taken.episodes
        );
    }
}
