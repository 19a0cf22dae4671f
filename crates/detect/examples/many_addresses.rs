//! Memory under an attack from very many addresses: every built-in rule and detector, and the
//! inline judge, over one request each of millions of addresses with a few busy clients among them.
//!
//! `cargo run --release -p haetae-detect --example many_addresses [ADDRESSES]`

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::inline::{Inline, InlineSettings};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, EventBatch, TenantId};
use std::collections::BTreeMap;
use std::sync::Arc;

const BATCH_ROWS: usize = 8_192;
/// Requests a second, all addresses together.
const REQUESTS_PER_S: usize = 20_000;
/// Clients that ask three times a second all along.
const BUSY: usize = 50;

/// The address of attacker `n`: every one differs.
fn address(n: usize) -> String {
    let mixed = (n as u32).wrapping_mul(0x9E37_79B1) | 1 << 30;
    std::net::Ipv4Addr::from(mixed).to_string()
}

fn busy(n: usize) -> String {
    format!("10.0.0.{n}")
}

fn batch(from: usize) -> EventBatch {
    let start = 1_772_323_200_000_000i64;
    let every = REQUESTS_PER_S / (BUSY * 3);
    let (mut ts, mut src, mut uri) = (Vec::new(), Vec::new(), Vec::new());
    for n in from..from + BATCH_ROWS {
        ts.push(start + i64::try_from(n * 1_000_000 / REQUESTS_PER_S).expect("small"));
        let client = if n % every == 0 {
            busy(n / every % BUSY)
        } else {
            address(n)
        };
        src.push(client);
        uri.push(format!("/event/{}?r={:x}", n % 97, n.wrapping_mul(0x9E37_79B9)));
    }
    let rows = ts.len();
    let texts = |values: Vec<String>| Arc::new(StringViewArray::from_iter_values(values)) as ArrayRef;
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36";
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        ),
        ("src_ip", texts(src)),
        ("dst_host", texts(vec!["www.example.com".into(); rows])),
        ("method", texts(vec!["GET".into(); rows])),
        ("uri", texts(uri)),
        ("ua", texts(vec![agent.into(); rows])),
        ("status", Arc::new(Int32Array::from(vec![200; rows]))),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::CloudFront,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

/// A field of `/proc/self/status`, MiB.
fn status_mib(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap_or_default();
    let kib: f64 = line
        .trim_start_matches(':')
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0.0);
    kib / 1024.0
}

fn main() {
    let addresses: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000_000);
    let mut engine = Engine::new(RuleSet::builtin(), EngineOptions::default());
    let inline = Inline::new(InlineSettings::default(), None);
    let before = status_mib("VmRSS");
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut episodes = 0;
    for n in 0..addresses.div_ceil(BATCH_ROWS) {
        let batch = batch(n * BATCH_ROWS);
        let closed = batch.ts().values().last().copied().unwrap_or(0) - 90_000_000;
        engine.observe(&batch);
        inline.observe(&batch);
        if n % 24 == 23 {
            // Every ten seconds of events, as the service does.
            for episode in engine.evaluate(&Closing::at(closed)).episodes {
                episodes += 1;
                if episode.entity.kind == "ip" {
                    let most = found.entry(episode.entity.value).or_default();
                    *most = (*most).max(episode.count);
                }
            }
        }
    }
    let stats = engine.stats();
    let seen = (0..BUSY).filter(|&n| found.contains_key(&busy(n))).count();
    println!(
        "{addresses} addresses: peak {:.0} MiB, {:.0} MiB before; {} keys, {} cells, {:.0} MiB in detectors",
        status_mib("VmHWM"),
        before,
        stats.keys,
        stats.cells,
        stats.detector_bytes as f64 / 1_048_576.0
    );
    println!(
        "{} keys forgotten, {} entities given up; inline {:?} (keys, forgotten)",
        stats.evicted_keys,
        stats.evicted_entities,
        inline.keys()
    );
    println!(
        "busy clients told: {seen} of {BUSY}; {episodes} episodes, {} addresses in all",
        found.len()
    );
}
