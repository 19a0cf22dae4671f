//! `haetae model`: train, evaluate, list and promote what is learned of clients' windows.

mod eval;
mod promote;
mod windows;

use crate::cli::{ModelCommand, ModelTrainArgs, TextOrJson};
use crate::config::Config;
use crate::models::{WINDOWS_MIN, seed_of};
use anyhow::{Context, Result, bail};
use haetae_event::disk::RealDisk;
use haetae_event::{Clock, SystemClock};
use haetae_learn::store::ModelStore;
use haetae_learn::{Forest, Matrix, Params, Threshold};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;

/// Windows kept of all that were read, chosen by their hash.
const SAMPLE_MAX: usize = 200_000;

pub fn run(command: &ModelCommand, config: &Config) -> Result<ExitCode> {
    match command {
        ModelCommand::Train(args) => train(args, config),
        ModelCommand::Eval(args) => eval::run(args, config),
        ModelCommand::List { output } => list(*output, config),
        ModelCommand::Promote(args) => promote::run(args, config),
    }
}

fn store(config: &Config) -> ModelStore {
    ModelStore::new(Arc::new(RealDisk), config.data_dir.join("models"))
}

/// `NAME@3` or `NAME`, then the newest version.
///
/// # Errors
/// When there is no such version.
fn load(id: &str, config: &Config) -> Result<(String, u32, Forest)> {
    let models = store(config);
    let (name, version) = match id.split_once('@') {
        Some((name, version)) => {
            let number = version.trim_start_matches('v').parse();
            (
                name,
                number.with_context(|| format!("{version:?} is no version; write {name}@1"))?,
            )
        }
        None => {
            let newest = models.versions(id)?.into_iter().next_back();
            (
                id,
                newest.with_context(|| format!("there is no model {id}; `haetae model list` shows them"))?,
            )
        }
    };
    let forest = models
        .load(name, version)
        .with_context(|| format!("cannot load {name}@{version}"))?;
    Ok((name.to_owned(), version, forest))
}

fn train(args: &ModelTrainArgs, config: &Config) -> Result<ExitCode> {
    let window_us = windows::length(&args.source, None)?;
    let seed = seed_of(&config.data_dir) ^ args.seed;
    let mut sample = haetae_learn::reservoir::WindowSample::new(SAMPLE_MAX, seed);
    let events = windows::each(&args.source, window_us, config, |row| sample.offer(row))?;
    let params = Params {
        trees: args.trees,
        sample: args.sample,
        seed: args.seed,
        // What is told a day follows from the budget: the share of windows that may be unusual.
        threshold: Threshold::Contamination(args.contamination),
        ..Params::default()
    };
    if sample.len() < WINDOWS_MIN {
        bail!(
            "{} windows of clients, at least {WINDOWS_MIN} are needed to know what is usual; read more days with --last",
            sample.len()
        );
    }
    let mut forest = sample.retrain(params, WINDOWS_MIN, SystemClock.now())?;
    forest.set_window_us(window_us);
    let version = store(config).add(&args.name, &forest)?;
    let training = forest.training();
    println!(
        "{}@{version}: {} windows of {} events, threshold {:.4}; not in use before `haetae model promote {}@{version}`",
        args.name,
        training.rows,
        events,
        forest.threshold(),
        args.name
    );
    Ok(ExitCode::SUCCESS)
}

fn list(output: TextOrJson, config: &Config) -> Result<ExitCode> {
    let models = store(config);
    let mut rows = Vec::new();
    for name in models.names()? {
        let current = models.current(&name)?;
        for version in models.versions(&name)? {
            let forest = models.load(&name, version);
            let in_use = current.as_ref().filter(|promotion| promotion.version == version);
            let mut row = json!({
                "model": name,
                "version": version,
                "in_use_since": in_use.map(|promotion| promotion.at),
                "note": in_use.map(|promotion| &promotion.note),
            });
            match forest {
                Ok(forest) => {
                    row["trained_at"] = json!(forest.training().trained_at);
                    row["rows"] = json!(forest.training().rows);
                    row["features"] = json!(forest.features().len());
                    row["threshold"] = json!(forest.threshold());
                    row["fingerprint"] = json!(forest.training().fingerprint);
                }
                Err(error) => row["damaged"] = json!(error.to_string()),
            }
            rows.push(row);
        }
    }
    match output {
        TextOrJson::Json => println!("{}", serde_json::to_string_pretty(&rows)?),
        TextOrJson::Text if rows.is_empty() => {
            println!("no models yet; `haetae model train NAME` learns one from what is stored");
        }
        TextOrJson::Text => {
            for row in rows {
                let state = match (&row["in_use_since"], &row["damaged"]) {
                    (_, serde_json::Value::String(why)) => format!("damaged: {why}"),
                    (serde_json::Value::Null, _) => "not in use".to_owned(),
                    (since, _) => format!("in use since {}", since.as_str().unwrap_or("?")),
                };
                println!(
                    "{}@{}  {state}  trained {} on {} windows, threshold {:.4}",
                    row["model"].as_str().unwrap_or("?"),
                    row["version"],
                    row["trained_at"].as_str().unwrap_or("?"),
                    row["rows"],
                    row["threshold"].as_f64().unwrap_or(f64::NAN),
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A labelled table as a matrix.
///
/// # Errors
/// Never for a table that was read.
fn matrix(table: &haetae_learn::table::Table) -> Result<Matrix<'_, f64>> {
    Ok(Matrix::new(&table.cells, table.features.len())?)
}
