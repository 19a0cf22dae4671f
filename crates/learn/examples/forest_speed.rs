//! CPU time of the Isolation Forest on a labelled table, and how well it tells the labels apart.
//!
//! `cargo run --release -p haetae-learn --example forest_speed [FILE.csv.gz [SEEDS]]`
//!
//! Without a file: adbench_http of the shared data (`HAETAE_SHARED`, default `../shared`). Prints
//! one `name value` a line, which `bench.d/isolation_forest.py` puts beside scikit-learn's.

use flate2::read::MultiGzDecoder;
use haetae_event::Micros;
use haetae_learn::metrics::auroc;
use haetae_learn::table::Table;
use haetae_learn::{Forest, Matrix, Params};
use std::io::Read;

const ROUNDS: usize = 5;

/// Nanoseconds this thread has run, from the scheduler.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    first.unwrap_or(0.0) / 1e9
}

/// CPU seconds of the quickest of some rounds, and the last result.
fn best<R>(rounds: usize, mut work: impl FnMut() -> R) -> (f64, R) {
    let mut least = f64::INFINITY;
    let mut result = None;
    for _ in 0..rounds {
        let start = cpu_seconds();
        let made = work();
        least = least.min(cpu_seconds() - start);
        result = Some(made);
    }
    (least, result.expect("at least one round"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file the caller names: no expansion bomb"
)]
fn load(path: &str) -> Option<Table> {
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut bytes).ok()?;
    Table::from_csv(&bytes, Some("label")).ok()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let shared = std::env::var("HAETAE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = arguments
        .next()
        .unwrap_or_else(|| format!("{shared}/data/adbench_http/http.csv.gz"));
    let seeds: u64 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(10);
    let Some(table) = load(&path) else {
        eprintln!("SKIPPED: cannot read {path}; set HAETAE_SHARED or name a CSV with a column `label`");
        return;
    };
    let columns = table.features.len();
    let cells: Vec<f32> = table.cells.iter().map(|value| *value as f32).collect();
    let data = Matrix::new(&cells, columns).expect("whole rows");
    let fit = |seed| {
        let params = Params {
            seed,
            ..Params::default()
        };
        Forest::fit(data, &table.features, params, Micros(0)).expect("rows to learn from")
    };
    let (mut areas, mut fit_seconds, mut score_seconds) = (0.0, 0.0, 0.0);
    let mut least = f64::INFINITY;
    for seed in 0..seeds {
        let (seconds, forest) = best(ROUNDS, || fit(seed));
        fit_seconds += seconds;
        let (seconds, scores) = best(ROUNDS, || forest.score(data).expect("the same columns"));
        score_seconds += seconds;
        let area = auroc(&scores, &table.labels).expect("both labels");
        areas += area;
        least = least.min(area);
    }
    let plain = {
        let forest = fit(0);
        let rows = data.rows().min(50_000);
        let (seconds, _) = best(1, || {
            (0..rows)
                .map(|row| forest.score_row(data.row(row)).expect("the same columns"))
                .sum::<f64>()
        });
        rows as f64 / seconds
    };
    let count = seeds as f64;
    println!("rows {}", data.rows());
    println!("columns {columns}");
    println!("seeds {seeds}");
    println!("fit_cpu_ms {:.2}", fit_seconds / count * 1e3);
    println!(
        "score_rows_per_cpu_s {:.0}",
        data.rows() as f64 * count / score_seconds
    );
    println!("score_row_rows_per_cpu_s {plain:.0}");
    println!("auroc_mean {:.5}", areas / count);
    println!("auroc_least {least:.5}");
}
