//! What the cost meter and its judgements take per event, and memory per client.
//!
//! `cargo run --release -p haetae-detect --example cost_speed [EVENTS] [CLIENTS]`

use ahash::RandomState;
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_detect::detector::Rows;
use haetae_detect::{Closing, Evaluation, RuleSet, behaviours};
use haetae_event::{Dataset, EventBatch, TenantId};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

fn main() {
    let (events, clients) = (number(1, 2_000_000), number(2, 50_000));
    let rules = RuleSet::builtin();
    let mut settings = rules.detectors().expect("built in").clone();
    (settings.error_rate, settings.surge, settings.refusals) = (None, None, None);
    let mut detectors = behaviours::all(&settings);
    assert!(!detectors.is_empty());
    let hasher = RandomState::new();
    let (mut observing, mut judging) = (Duration::ZERO, Duration::ZERO);
    let mut closed = START;
    let mut out = Evaluation::default();
    for from in (0..events).step_by(BATCH) {
        let batch = batch(from, events, clients);
        let rows = Rows::new(&batch, &hasher);
        let (_, high) = batch.ts_range().expect("rows");
        let at = Instant::now();
        detectors.iter_mut().for_each(|d| d.observe(&batch, &rows));
        observing += at.elapsed();
        // As often as a service commits: about every ten seconds of a day, here each batch.
        closed = closed.max(high - 90_000_000);
        let at = Instant::now();
        let closing = Closing::at(closed);
        detectors.iter_mut().for_each(|d| d.evaluate(&closing, &mut out));
        judging += at.elapsed();
    }
    let at = Instant::now();
    let all = Closing::everything();
    detectors.iter_mut().for_each(|d| d.evaluate(&all, &mut out));
    judging += at.elapsed();
    let bytes: usize = detectors.iter().map(|d| d.bytes()).sum();
    let per = |time: Duration| time.as_nanos() as f64 / events as f64;
    println!(
        "{events} events of one day, {clients} clients, {} episodes",
        out.episodes.len()
    );
    println!(
        "observe {:.0} ns/event, judge {:.0} ns/event, together {:.0} ns/event",
        per(observing),
        per(judging),
        per(observing + judging)
    );
    println!(
        "state {:.1} MiB, {:.0} bytes/client",
        bytes as f64 / (1 << 20) as f64,
        bytes as f64 / clients as f64
    );
}
