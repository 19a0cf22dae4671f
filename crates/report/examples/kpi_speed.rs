//! Prints what one event costs the figures, in ns of CPU, on batches like those of CloudFront
//! logs read in 256 KiB blocks.
//!
//! `cargo run --release -p haetae-report --example kpi_speed [EVENTS]`

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_event::{Dataset, EventBatch, TenantId};
use haetae_report::KpiAccumulator;
use std::sync::Arc;
use std::time::Instant;

/// A CloudFront line is about 370 bytes.
const ROWS: usize = 700;
const ROUNDS: usize = 5;

/// xorshift64* (Vigna, *An experimental exploration of Marsaglia's xorshift generators*, 2016):
/// two runs measure the same rows.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.unit() * n as f64) as u64
    }

    /// Zipf with exponent 1, nearly: the inverse of the continuous distribution.
    fn zipf(&mut self, n: u64) -> u64 {
        (((n + 1) as f64).powf(self.unit()) as u64 - 1).min(n - 1)
    }
}

/// How many values the columns choose from.
struct Site {
    paths: u64,
    addresses: u64,
}

fn text(mut value: impl FnMut() -> Option<String>) -> ArrayRef {
    Arc::new((0..ROWS).map(|_| value()).collect::<StringViewArray>())
}

fn uri(dice: &mut Dice, paths: u64) -> String {
    let path = dice.zipf(paths);
    let mut uri = format!("/assets/{}/products/item-{path}.html", path % 17);
    if dice.unit() < 0.3 {
        uri += &format!("?utm_source=mail&session={}", dice.below(1_000_000));
    }
    uri
}

fn batch(dice: &mut Dice, site: &Site, first: i64) -> EventBatch {
    let times = (0..ROWS as i64).map(|row| (first + row) * 7_000 + 1_770_000_000_000_000);
    let ts = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let status: Int32Array = (0..ROWS)
        .map(|_| Some([200, 200, 200, 304, 404, 503][dice.below(6) as usize]))
        .collect();
    let bytes: Int64Array = (0..ROWS).map(|_| Some(dice.below(100_000) as i64)).collect();
    let taken: Float64Array = (0..ROWS).map(|_| Some(dice.below(3_000) as f64 / 1e3)).collect();
    let addresses = site.addresses;
    let address =
        text(|| Some(dice.below(addresses)).map(|n| format!("203.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)));
    let uri = text(|| Some(uri(dice, site.paths)));
    let agent = text(|| {
        let version = dice.zipf(300);
        Some(format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0"
        ))
    });
    let referer =
        text(|| (dice.unit() < 0.5).then(|| format!("https://www.example.com/c/{}", dice.zipf(400))));
    let host = text(|| Some("www.example.com".to_owned()));
    let result = text(|| Some(["Hit", "Miss", "RefreshHit", "Error"][dice.below(4) as usize].to_owned()));
    let columns: [(&str, ArrayRef); 11] = [
        ("ts", Arc::new(ts)),
        ("src_ip", address),
        ("uri", uri),
        ("ua", agent),
        ("cs_referer", referer),
        ("dst_host", host),
        ("x_edge_result_type", result),
        ("status", Arc::new(status)),
        ("bytes_in", Arc::new(bytes.clone())),
        ("bytes_out", Arc::new(bytes)),
        ("time_taken", Arc::new(taken)),
    ];
    let records = RecordBatch::try_from_iter(columns).expect("columns of one length");
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::CloudFront,
        records,
    }
}

/// CPU time of this thread in ns where the system tells it, else wall time.
fn cpu_ns(started: Instant) -> u128 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|line| line.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| started.elapsed().as_nanos())
}

fn main() {
    let events: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(700_000);
    let ordinary = Site {
        paths: 5_000,
        addresses: 20_000,
    };
    let flood = Site {
        paths: 10_000_000,
        addresses: 16_000_000,
    };
    for (name, site) in [
        ("5k paths, 20k addresses", ordinary),
        ("10M paths, 16M addresses", flood),
    ] {
        let mut dice = Dice(42);
        let batches: Vec<EventBatch> = (0..events.div_ceil(ROWS))
            .map(|i| batch(&mut dice, &site, (i * ROWS) as i64))
            .collect();
        let events = (batches.len() * ROWS) as u128;
        for round in 1..=ROUNDS {
            let clock = Instant::now();
            let started = cpu_ns(clock);
            let mut figures = KpiAccumulator::new();
            batches.iter().for_each(|batch| figures.observe(batch));
            let observed = cpu_ns(clock);
            let kpi = figures.finish();
            println!(
                "{name}, round {round}: {} ns/event, finish {} µs, {} addresses{}",
                (observed - started) / events,
                (cpu_ns(clock) - observed) / 1_000,
                kpi.unique_ips,
                if kpi.unique_ips_approximate {
                    " (estimated)"
                } else {
                    ""
                },
            );
        }
    }
}
