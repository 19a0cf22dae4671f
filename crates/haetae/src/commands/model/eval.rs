//! `model eval`: how well a forest tells anomalies apart, on a labelled table or on simulated
//! traffic.

use super::{load, matrix, windows};
use crate::cli::{ModelEvalArgs, TextOrJson};
use crate::config::Config;
use anyhow::{Context, Result, bail};
use haetae_event::{Clock, SystemClock};
use haetae_learn::metrics::auroc;
use haetae_learn::promote::Quality;
use haetae_learn::table::Table;
use haetae_learn::{Forest, Params};
use serde_json::json;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// Of a table, unpacked: adbench's largest has 300 MB.
const TABLE_BYTES_MAX: u64 = 1 << 30;

pub fn run(args: &ModelEvalArgs, config: &Config) -> Result<ExitCode> {
    match (&args.table, &args.labels, &args.model) {
        (Some(table), _, _) => of_table(args, &read_table(table, &args.label)?),
        (None, Some(labels), Some(model)) => {
            let (name, version, forest) = load(model, config)?;
            let window_us = windows::length(&args.source, Some(&forest))?;
            let labels = windows::labels(labels)?;
            let table = windows::labelled(&args.source, window_us, config, &labels)?;
            let quality = Quality::of(&forest, &table)?;
            match args.output {
                TextOrJson::Json => println!("{}", serde_json::to_string_pretty(&quality)?),
                TextOrJson::Text => println!(
                    "{name}@{version}: AUROC {:.4}, recall {:.4}, precision {} over {} windows, {} of attackers",
                    quality.auroc,
                    quality.recall,
                    quality.precision.map_or("-".into(), |p| format!("{p:.4}")),
                    quality.rows,
                    quality.anomalies
                ),
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("name a labelled table with --table FILE, or a MODEL with --labels FILE"),
    }
}

/// CSV, packed with gzip or not, at most a gigabyte of it.
#[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
fn read_table(path: &Path, label: &str) -> Result<Table> {
    const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
    let packed = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bytes = if packed.starts_with(&GZIP_MAGIC) {
        let mut bytes = Vec::new();
        let unpacked = flate2::read::MultiGzDecoder::new(packed.as_slice());
        unpacked.take(TABLE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        bytes
    } else {
        packed
    };
    if bytes.len() as u64 > TABLE_BYTES_MAX {
        bail!("{} is larger than {TABLE_BYTES_MAX} bytes", path.display());
    }
    Table::from_csv(&bytes, Some(label)).with_context(|| format!("{}", path.display()))
}

/// Fits on all rows without looking at the labels, as is usual for the Isolation Forest, and
/// scores the same rows.
fn of_table(args: &ModelEvalArgs, table: &Table) -> Result<ExitCode> {
    let mut all = Vec::new();
    for seed in 0..args.seeds {
        let params = Params {
            seed,
            ..Params::default()
        };
        let forest = Forest::fit(matrix(table)?, &table.features, params, SystemClock.now())?;
        let scores = forest.score(matrix(table)?)?;
        let area = auroc(&scores, &table.labels).context("all rows have the same label")?;
        all.push(area);
    }
    let mean = all.iter().sum::<f64>() / all.len().max(1) as f64;
    let anomalies = table.labels.iter().filter(|label| **label).count();
    match args.output {
        TextOrJson::Json => {
            let report = json!({
                "rows": table.rows(), "anomalies": anomalies, "features": table.features.len(),
                "auroc": all, "auroc_mean": mean,
            });
            println!("{}", serde_json::to_string_pretty(&report)?);
        }
        TextOrJson::Text => {
            println!(
                "{} rows, {anomalies} anomalies, {} features",
                table.rows(),
                table.features.len()
            );
            for (seed, area) in all.iter().enumerate() {
                println!("seed {seed:<3} AUROC {area:.4}");
            }
            println!("mean over {} seeds: AUROC {mean:.4}", all.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}
