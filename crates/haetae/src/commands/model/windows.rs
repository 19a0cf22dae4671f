//! Windows of clients, from what is stored or from files; and which of them were attacks.

use crate::cli::{InputArgs, WindowSourceArgs};
use crate::commands::reading::read_all;
use crate::commands::stored::Stored;
use crate::config::Config;
use crate::models::{are_attacks, read_columns};
use anyhow::{Context, Result};
use haetae_learn::features::{Extractor, Options, WindowRow, names};
use haetae_learn::table::Table;
use haetae_simulate::Labels;
use std::path::Path;

/// Windows of time held at once while reading: stored rows come in order of time, files may not.
const WINDOWS_HELD_MAX: usize = 20_000;

/// What was read.
pub struct Found {
    pub rows: Vec<WindowRow>,
    pub events: u64,
    pub window_us: i64,
}

/// # Errors
/// The store's, or those of the inputs.
pub fn read(source: &WindowSourceArgs, config: &Config) -> Result<Found> {
    let window_us = i64::try_from(source.window.as_micros()).context("--window is too long")?;
    let mut extractor = Extractor::new(Options {
        window_us,
        windows_max: WINDOWS_HELD_MAX,
        ..Options::default()
    });
    let columns = read_columns();
    let events = if source.from.is_empty() {
        Stored::last(config, source.last)?.read(&columns, |batch| extractor.observe(batch))?
    } else {
        let input = InputArgs {
            inputs: source.from.clone(),
            format: None,
            format_string: None,
            time_zone: None,
        };
        read_all(&input, config, &columns, |step| {
            if let Some(batch) = &step.batch {
                extractor.observe(batch);
            }
            Ok(())
        })?
        .events
    };
    let lost = extractor.seen().crowded_out;
    if lost > 0 {
        eprintln!(
            "note: {lost} of {events} events lie in windows beyond what is held at once; they were left out"
        );
    }
    Ok(Found {
        rows: extractor.rows(),
        events,
        window_us,
    })
}

/// # Errors
/// When the file is no labels.json.
pub fn labels(path: &Path) -> Result<Labels> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no labels.json of haetae simulate", path.display()))
}

/// The windows as a labelled table.
pub fn labelled(found: &Found, labels: &Labels) -> Table {
    Table {
        features: names(),
        cells: found.rows.iter().flat_map(|row| row.values).collect(),
        labels: are_attacks(&found.rows, found.window_us, labels),
    }
}
