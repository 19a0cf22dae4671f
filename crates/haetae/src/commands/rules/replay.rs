//! Stored events, or those of files, once more through an engine.

use super::ordered::{self, Findings};
use crate::cli::InputArgs;
use crate::commands::reading::{Asked, read_all};
use crate::commands::stored::{Stored, progress};
use crate::config::Config;
use anyhow::{Result, bail};
use haetae_detect::{Closing, Engine};
use haetae_event::time::{DAY_US, HOUR_US};
use haetae_event::{EventBatch, Finding, Micros};
use std::time::Duration;

/// What was replayed.
pub struct Replayed {
    /// Of the stretch asked for; of files, their first event.
    pub start: Micros,
    /// The newest event.
    pub end: Micros,
    /// The first event that was there; `end` where there was none.
    pub first: Micros,
    pub events: u64,
}

impl Replayed {
    /// Whole and begun days.
    pub fn days(&self) -> f64 {
        self.end.0.saturating_sub(self.start.0).max(1) as f64 / DAY_US as f64
    }

    /// Days from the first event on.
    pub fn days_with_events(&self) -> f64 {
        self.end.0.saturating_sub(self.first.0).max(1) as f64 / DAY_US as f64
    }
}

/// Event time between two looks of a replay in order: less than the 13 hours for which windows of
/// any length are whole in an engine that remembers 26 hours, or twice the longest window.
const STEP_US: i64 = 6 * HOUR_US;

/// Gives `engine` the same in order of time, as a service would have had it, and forgets as one:
/// the memory needed does not grow with the period. After each step `each` may ask the engine for
/// the stretch that is new; `lost` says that rows were too old for what it still held. Gives the
/// findings as well. Files are held in memory.
///
/// # Errors
/// Those of the store, or of reading the files.
pub fn replay_in_order(
    engine: &mut Engine,
    config: &Config,
    (last, from, format): (Duration, &[String], &Option<String>),
    mut each: impl FnMut(&Engine, (i64, i64), bool),
) -> Result<(Replayed, Vec<Finding>)> {
    let columns = engine.columns();
    let bar = progress()?;
    let mut findings = Findings::default();
    let mut rows: Rows = if from.is_empty() {
        Rows::Stored(Stored::last(config, last)?)
    } else {
        Rows::Files(ordered::read(from, format.as_ref(), config, engine)?)
    };
    let (start, first, end) = match &rows {
        Rows::Stored(stored) => (stored.start, stored.earliest()?, stored.end),
        Rows::Files(files) => match ordered::range(files) {
            Some((first, end)) => (Micros(first), Micros(first), Micros(end)),
            None => bail!("there are no events in what --from names"),
        },
    };
    let (mut seen, mut events, mut now) = (None, 0, first.0);
    while now <= end.0 {
        let until = now.saturating_add(STEP_US).min(end.0.saturating_add(1));
        let mut lost = false;
        let mut observe = |batch: &EventBatch| {
            seen = seen.or(batch.ts_range().map(|range| range.0).filter(|_| batch.rows() > 0));
            events += batch.rows() as u64;
            lost |= !engine.observe(batch).too_old.is_empty();
        };
        match &mut rows {
            Rows::Stored(stored) => _ = stored.between(&columns, (now, until), &bar, &mut observe)?,
            Rows::Files(files) => {
                for file in files {
                    file.before(until)?.iter().for_each(&mut observe);
                }
            }
        }
        let closing = if until > end.0 {
            Closing::everything()
        } else {
            Closing::at(until)
        };
        findings.take(engine.evaluate(&closing), until);
        each(engine, (now, until), lost);
        now = until;
    }
    bar.finish_and_clear();
    let replayed = Replayed {
        start,
        end,
        first: Micros(seen.unwrap_or(end.0)),
        events,
    };
    Ok((
        replayed,
        findings.into_all().map(|(finding, _)| finding).collect(),
    ))
}

/// Where rows come from.
enum Rows {
    Stored(Stored),
    Files(Vec<ordered::Ordered>),
}

/// Gives `engine` the last `last` of what is stored, or all of the files `from` in `format`.
///
/// # Errors
/// Those of the store, or of reading the files.
pub fn replay(
    engine: &mut Engine,
    config: &Config,
    (last, from, format): (Duration, &[String], &Option<String>),
) -> Result<Replayed> {
    let columns = engine.columns();
    let mut seen: Option<(i64, i64)> = None;
    let mut note = |range: Option<(i64, i64)>| {
        if let Some((low, high)) = range {
            seen = Some(seen.map_or((low, high), |(l, h)| (l.min(low), h.max(high))));
        }
    };
    if from.is_empty() {
        let stored = Stored::last(config, last)?;
        let events = stored.read(&columns, |batch| {
            note(batch.ts_range());
            engine.observe(batch);
        })?;
        let first = seen.map_or(stored.end, |(low, _)| Micros(low));
        return Ok(Replayed {
            start: stored.start,
            end: stored.end,
            first,
            events,
        });
    }
    let input = InputArgs {
        inputs: from.to_vec(),
        format: format.clone(),
        format_string: None,
        time_zone: None,
    };
    let counts = read_all(&input, config, Asked::from(&*engine), |step| {
        if let Some(batch) = &step.batch {
            note(batch.ts_range());
            engine.observe(batch);
        }
        Ok(())
    })?;
    let (low, high) = seen.unwrap_or((0, 0));
    Ok(Replayed {
        start: Micros(low),
        end: Micros(high),
        first: Micros(low),
        events: counts.events,
    })
}
