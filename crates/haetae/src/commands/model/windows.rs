//! Windows of clients, from what is stored or from files; and which of them were attacks.

use crate::cli::{InputArgs, WindowSourceArgs};
use crate::commands::reading::read_all;
use crate::commands::stored::Stored;
use crate::config::Config;
use crate::models::{are_attacks, read_columns, seed_of, stored_windows, window_of};
use anyhow::{Context, Result, bail};
use haetae_event::time::{MINUTE_US, SECOND_US};
use haetae_learn::Forest;
use haetae_learn::features::{Extractor, Options, WindowRow, names};
use haetae_learn::table::Table;
use haetae_simulate::Labels;
use std::path::Path;

/// Windows of clients held at once while reading files, whose rows need not be in order of time:
/// about 300 MiB. Beyond, the oldest are taken as they are.
const HELD_MAX: usize = 250_000;

/// Length of the windows to read, µs: that of the model if there is one.
///
/// # Errors
/// When another is asked for: its numbers say nothing about such windows.
pub fn length(source: &WindowSourceArgs, model: Option<&Forest>) -> Result<i64> {
    let asked = source.window.map(|window| i64::try_from(window.as_micros()));
    let asked = asked.transpose().context("--window is too long")?;
    match (asked, model.map(window_of)) {
        (Some(asked), Some(fitted)) if asked != fitted => bail!(
            "the model was fitted on windows of {} s, not of {} s; leave --window out, or train another model",
            fitted / SECOND_US,
            asked / SECOND_US
        ),
        (asked, fitted) => Ok(asked.or(fitted).unwrap_or(MINUTE_US)),
    }
}

/// Hands over the windows, and gives the events they were made of. Memory does not grow with the
/// days.
///
/// # Errors
/// The store's, or those of the inputs.
pub fn each(
    source: &WindowSourceArgs,
    window_us: i64,
    config: &Config,
    mut each: impl FnMut(&WindowRow),
) -> Result<u64> {
    let seed = seed_of(&config.data_dir);
    let (events, left_out) = if source.from.is_empty() {
        let stored = Stored::last(config, source.last)?;
        let span = (stored.start, stored.end.saturating_add(1));
        let read = stored_windows(stored.store(), span, (window_us, seed), || false, each)?;
        let read = read.context("nothing stops it")?;
        (read.events, read.left_out)
    } else {
        let mut extractor = Extractor::new(Options {
            window_us,
            windows_max: usize::MAX,
            seed,
            ..Options::default()
        });
        let input = InputArgs {
            inputs: source.from.clone(),
            format: None,
            format_string: None,
            time_zone: None,
        };
        let counts = read_all(&input, config, &read_columns(), |step| {
            if let Some(batch) = &step.batch {
                extractor.observe(batch);
                if extractor.cells() > HELD_MAX {
                    extractor.let_go(HELD_MAX / 2).iter().for_each(&mut each);
                }
            }
            Ok(())
        })?;
        extractor.rows().iter().for_each(each);
        (counts.events, extractor.seen().crowded_out)
    };
    if left_out > 0 {
        eprintln!(
            "note: {left_out} of {events} events lie in windows beyond what is held at once; they were left out"
        );
    }
    Ok(events)
}

/// # Errors
/// When the file is no labels.json.
pub fn labels(path: &Path) -> Result<Labels> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no labels.json of haetae simulate", path.display()))
}

/// The windows as a labelled table.
///
/// # Errors
/// See [`each`].
pub fn labelled(
    source: &WindowSourceArgs,
    window_us: i64,
    config: &Config,
    labels: &Labels,
) -> Result<Table> {
    let mut rows = Vec::new();
    each(source, window_us, config, |row| rows.push(row.clone()))?;
    Ok(Table {
        features: names(),
        cells: rows.iter().flat_map(|row| row.values).collect(),
        labels: are_attacks(&rows, window_us, labels),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use haetae_event::Micros;
    use haetae_learn::{Matrix, Params};
    use std::time::Duration;

    #[test]
    fn a_model_is_judged_on_windows_like_those_it_was_fitted_on() {
        let cells: Vec<f64> = (0..600).map(f64::from).collect();
        let data = Matrix::new(&cells, 1).expect("whole rows");
        let mut forest =
            Forest::fit(data, &["n".to_owned()], Params::default(), Micros(0)).expect("enough rows");
        forest.set_window_us(5 * MINUTE_US);
        let asked = |window: Option<u64>| WindowSourceArgs {
            last: Duration::from_secs(1),
            from: Vec::new(),
            window: window.map(Duration::from_secs),
        };
        assert_eq!(
            length(&asked(None), Some(&forest)).expect("its own"),
            5 * MINUTE_US
        );
        assert_eq!(
            length(&asked(Some(300)), Some(&forest)).expect("equal"),
            5 * MINUTE_US
        );
        let refused = length(&asked(Some(60)), Some(&forest)).expect_err("another length");
        assert!(refused.to_string().contains("windows of 300 s"), "{refused}");
        assert_eq!(length(&asked(None), None).expect("a minute"), MINUTE_US);
        assert_eq!(length(&asked(Some(10)), None).expect("as asked"), 10 * SECOND_US);
    }
}
