//! What one request costs a model at the door: `cargo run --release -p haetae-learn --example
//! online_speed`.
//!
//! CPU time. Folding the request into its client's window, and scoring the window with 100 trees fitted on
//! 256 of 20,000 windows each. Clients are many more than the processor's caches hold.

use haetae_event::time::MINUTE_US;
use haetae_event::{Micros, TenantId};
use haetae_learn::features::online::{Asked, Online};
use haetae_learn::features::{COUNT, names};
use haetae_learn::{Forest, Matrix, Params};
use std::hint::black_box;

const CLIENTS: u64 = 20_000;
const REQUESTS: u64 = 2_000_000;

/// CPU time of this thread (Linux).
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    ns.unwrap_or(f64::NAN) / 1e9
}

fn address(n: u64) -> String {
    format!("10.{}.{}.{}", (n >> 16) & 255, (n >> 8) & 255, n & 255)
}

fn main() {
    let tenant = TenantId::default();
    let addresses: Vec<String> = (0..CLIENTS).map(address).collect();
    let uris = [
        "/",
        "/event/17",
        "/api/seats?event=17&zone=3",
        "/static/app.9f3c.js",
        "/login",
    ];
    let run = |forest: Option<&Forest>| {
        let online: Online<()> = Online::new(MINUTE_US, 0, 64 << 20);
        let mut windows = Vec::new();
        let started = cpu_seconds();
        for n in 0..REQUESTS {
            let client = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let asked = Asked {
                method: if n % 17 == 0 { "POST" } else { "GET" },
                uri: uris[(n % 5) as usize],
                ua: Some("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36"),
            };
            let who = (&tenant, addresses[(client % CLIENTS) as usize].as_str());
            let ts = Micros((n * 60) as i64);
            online.ask(who, ts, &asked, |window, ()| match forest {
                Some(forest) => {
                    black_box(forest.score_row(&window.values()).expect("the same features"));
                }
                None if n % 100 == 0 => windows.push(window.values()),
                None => {}
            });
        }
        ((cpu_seconds() - started) * 1e9 / REQUESTS as f64, windows)
    };
    let (folding, windows) = run(None);
    let cells: Vec<f64> = windows.into_iter().flatten().collect();
    let data = Matrix::new(&cells, COUNT).expect("whole rows");
    let forest = Forest::fit(data, &names(), Params::default(), Micros(0)).expect("rows enough");
    let (all, _) = run(Some(&forest));
    println!("folding a request in      {folding:7.0} ns");
    println!("folding and scoring       {all:7.0} ns");
    let row: Vec<f64> = cells[..COUNT].to_vec();
    let explainer = forest.explainer();
    let started = cpu_seconds();
    for _ in 0..10_000 {
        black_box(
            forest
                .explain_with(&explainer, black_box(&row))
                .expect("the same features"),
        );
    }
    println!(
        "explaining one window     {:7.0} ns",
        (cpu_seconds() - started) * 1e9 / 1e4
    );
}
