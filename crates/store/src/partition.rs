//! Which row goes to which hour.

use crate::options::StoreOptions;
use arrow::array::{Array, TimestampMicrosecondArray};
use haetae_event::time::HOUR_US;
use haetae_event::{EventBatch, Micros};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Why a row is stored under its arrival hour; the text goes to its `warnings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Placed {
    ByTime,
    OutOfRange,
    Overflow,
}

impl Placed {
    pub(crate) fn warning(self) -> Option<&'static str> {
        match self {
            Placed::ByTime => None,
            Placed::OutOfRange => Some("ts_out_of_range"),
            Placed::Overflow => Some("partition_overflow"),
        }
    }
}

/// One row of a cut: batch and row index, with what it is sorted by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub ts: i64,
    pub batch: u32,
    pub row: u32,
    pub placed: Placed,
}

/// Rows of each hour (hours since the epoch), sorted by time, order of arrival kept among equals.
pub(crate) type Hours = BTreeMap<i64, Vec<Row>>;

/// Assigns every row of `batches` to an hour. O(rows · log rows), 24 bytes a row.
pub(crate) fn assign(batches: &[EventBatch], options: &StoreOptions, now: Micros) -> Hours {
    let oldest = now.saturating_sub(options.ts_past_us).0;
    let newest = now.saturating_add(options.ts_future_us).0;
    let believable = |ts: i64| (oldest..=newest).contains(&ts);
    let mut hours = Hours::new();
    for (index, batch) in batches.iter().enumerate() {
        let times = batch.ts().values();
        for (row, &ts) in times.iter().enumerate() {
            let mut placed = Row {
                ts,
                batch: index as u32,
                row: row as u32,
                placed: Placed::ByTime,
            };
            let mut hour = ts.div_euclid(HOUR_US);
            if !believable(ts) {
                placed.placed = Placed::OutOfRange;
                hour = arrival(batch, row, now, &believable).div_euclid(HOUR_US);
            }
            hours.entry(hour).or_default().push(placed);
        }
    }
    limit(&mut hours, batches, options.partitions_max, now, &believable);
    for rows in hours.values_mut() {
        rows.sort_by_key(|row| (row.ts, row.batch, row.row));
    }
    hours
}

/// `ingested_at` of a row, or now where it has none or an unbelievable one.
fn arrival(batch: &EventBatch, row: usize, now: Micros, believable: &dyn Fn(i64) -> bool) -> i64 {
    batch
        .column("ingested_at")
        .and_then(|c| c.as_any().downcast_ref::<TimestampMicrosecondArray>())
        .filter(|c| c.is_valid(row) && believable(c.value(row)))
        .map_or(now.0, |c| c.value(row))
}

/// Keeps the fullest hours; the rows of the others move to their arrival hours.
fn limit(
    hours: &mut Hours,
    batches: &[EventBatch],
    hours_max: usize,
    now: Micros,
    believable: &dyn Fn(i64) -> bool,
) {
    if hours.len() <= hours_max {
        return;
    }
    let mut by_size: Vec<(i64, usize)> = hours.iter().map(|(h, rows)| (*h, rows.len())).collect();
    by_size.sort_by_key(|&(hour, rows)| (std::cmp::Reverse(rows), hour));
    let kept: HashSet<i64> = by_size.iter().take(hours_max).map(|&(h, _)| h).collect();
    let mut moved: HashMap<i64, Vec<Row>> = HashMap::new();
    hours.retain(|hour, rows| {
        if kept.contains(hour) {
            return true;
        }
        for row in rows.iter() {
            let batch = &batches[row.batch as usize];
            let to = arrival(batch, row.row as usize, now, believable).div_euclid(HOUR_US);
            let placed = row.placed.max(Placed::Overflow);
            moved.entry(to).or_default().push(Row { placed, ..*row });
        }
        false
    });
    for (hour, rows) in moved {
        hours.entry(hour).or_default().extend(rows);
    }
}
