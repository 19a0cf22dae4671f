//! Pure functions from time-sorted cells to the stretches in which a condition holds.

use crate::sigma::correlation::Threshold;
use ahash::AHashMap;

/// One moment of one key: event time in µs and, by tracker, the number of events at that
/// moment or the hash of a value seen.
pub type Cell = (i64, u64);

/// A stretch of event time: first and last event in it, and what was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub start: i64,
    pub end: i64,
    pub count: u64,
}

/// Sorts cells and joins those of one moment: counts add up, equal values are one.
pub fn settle(cells: &mut Vec<Cell>, values: bool) {
    cells.sort_unstable();
    if values {
        cells.dedup();
        return;
    }
    cells.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
}

/// Events no further apart than `gap_us` belong together.
pub fn clusters(cells: &[Cell], gap_us: i64) -> Vec<Extent> {
    let mut found: Vec<Extent> = Vec::new();
    for &(ts, count) in cells {
        match found.last_mut() {
            Some(last) if ts.saturating_sub(last.end) <= gap_us => {
                last.end = ts;
                last.count += count;
            }
            _ => found.push(Extent {
                start: ts,
                end: ts,
                count,
            }),
        }
    }
    found
}

/// What a sliding window holds while it moves.
enum Inside {
    Events(u64),
    Values(AHashMap<u64, u32>),
}

impl Inside {
    fn enter(&mut self, what: u64) {
        match self {
            Inside::Events(n) => *n += what,
            Inside::Values(seen) => *seen.entry(what).or_insert(0) += 1,
        }
    }

    fn leave(&mut self, what: u64) {
        match self {
            Inside::Events(n) => *n -= what,
            Inside::Values(seen) => {
                if let Some(n) = seen.get_mut(&what) {
                    *n -= 1;
                    if *n == 0 {
                        seen.remove(&what);
                    }
                }
            }
        }
    }

    fn count(&self) -> u64 {
        match self {
            Inside::Events(n) => *n,
            Inside::Values(seen) => seen.len() as u64,
        }
    }
}

/// Union of the windows `(t - span, t]`, one for each moment `t`, in which `threshold` holds,
/// cut to the events in them; stretches no further apart than `span` are one. Windows that end
/// after `closed_until` are not judged.
pub fn crossings(
    cells: &[Cell],
    values: bool,
    span_us: i64,
    threshold: &Threshold,
    closed_until: i64,
) -> Vec<Extent> {
    let most = if values {
        cells.len() as u64
    } else {
        cells.iter().map(|cell| cell.1).sum()
    };
    if most < threshold.least() {
        return Vec::new();
    }
    let mut inside = if values {
        Inside::Values(AHashMap::new())
    } else {
        Inside::Events(0)
    };
    let mut found: Vec<Extent> = Vec::new();
    let (mut oldest, mut at) = (0, 0);
    while at < cells.len() {
        let ts = cells[at].0;
        // All cells of one moment enter before the window is judged.
        while at < cells.len() && cells[at].0 == ts {
            inside.enter(cells[at].1);
            at += 1;
        }
        while ts.saturating_sub(cells[oldest].0) >= span_us {
            inside.leave(cells[oldest].1);
            oldest += 1;
        }
        if ts > closed_until || !threshold.holds(inside.count()) {
            continue;
        }
        let start = cells[oldest].0;
        match found.last_mut() {
            Some(last) if start.saturating_sub(last.end) <= span_us => last.end = ts,
            _ => found.push(Extent {
                start,
                end: ts,
                count: 0,
            }),
        }
    }
    for extent in &mut found {
        extent.count = count_between(cells, values, extent.start, extent.end);
    }
    found
}

/// Events or distinct values with `start ≤ ts ≤ end`.
pub fn count_between(cells: &[Cell], values: bool, start: i64, end: i64) -> u64 {
    let from = cells.partition_point(|cell| cell.0 < start);
    let to = cells.partition_point(|cell| cell.0 <= end);
    let inside = &cells[from..to.max(from)];
    if !values {
        return inside.iter().map(|cell| cell.1).sum();
    }
    let mut seen: Vec<u64> = inside.iter().map(|cell| cell.1).collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigma::item::Order;

    fn at_least(n: u64) -> Threshold {
        Threshold(vec![(Order::GreaterEqual, n)])
    }

    #[test]
    fn windows_slide_and_are_half_open() {
        let cells = [(0, 1), (50, 1), (99, 1), (199, 1), (200, 2)];
        assert_eq!(
            crossings(&cells, false, 100, &at_least(3), i64::MAX),
            vec![Extent {
                start: 0,
                end: 200,
                count: 6
            }],
            "0..99 and 199..200 are no further apart than the span"
        );
        assert_eq!(
            crossings(&[(0, 2), (100, 1)], false, 100, &at_least(3), i64::MAX),
            vec![]
        );
        assert_eq!(
            crossings(&[(0, 2), (99, 1)], false, 100, &at_least(3), i64::MAX).len(),
            1
        );
    }

    #[test]
    fn distinct_values_count_once() {
        let cells = [(0, 7), (10, 7), (20, 8), (30, 9), (500, 7)];
        assert_eq!(
            crossings(&cells, true, 100, &at_least(3), i64::MAX),
            vec![Extent {
                start: 0,
                end: 30,
                count: 3
            }]
        );
        assert_eq!(crossings(&cells, true, 100, &at_least(4), i64::MAX), vec![]);
    }

    #[test]
    fn clusters_part_at_the_gap() {
        let cells = [(0, 1), (10, 2), (21, 1)];
        let found = clusters(&cells, 10);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            Extent {
                start: 0,
                end: 10,
                count: 3
            }
        );
    }
}
