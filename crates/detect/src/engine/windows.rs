//! From time-sorted cells to the stretches in which a condition holds.
//!
//! One window `(t - span, t]` is judged for each moment `t` at which the key has an event: where
//! there is no event there is no window, so `lt` and `eq` speak of windows that end with an event.
//! The stretches are the union of the windows that hold, cut to the events in them; stretches no
//! further apart than the span are one. All of it is a function of the set of cells: a [`Scan`]
//! that was moved back and forth over growing cells ends where a new one would.

use super::measure::{Inside, Measure, Test};
use crate::sigma::correlation::Nano;
use ahash::AHashMap;

/// One moment of one key: event time in µs and, by [`Measure`], a number of events, the hash of a
/// value, a rule, or a number.
pub type Cell = (i64, u64);

/// A stretch of event time: first and last event in it, and what was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub start: i64,
    pub end: i64,
    pub count: u64,
}

/// A stretch in which the condition held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub extent: Extent,
    /// Of a sum, mean or percentile: the number furthest to the side asked for.
    pub extreme: Nano,
}

/// A moment at which the condition held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firing {
    pub ts: i64,
    /// It began a stretch.
    pub first: bool,
}

/// When a rule speaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    pub measure: Measure,
    pub test: Test,
    /// Length of the window, µs.
    pub window_us: i64,
    /// Stretches no further apart are one, µs.
    pub join_us: i64,
    /// How far back one event can matter, through chains of correlations, µs.
    pub reach_us: i64,
    /// More events can only confirm it.
    pub monotone: bool,
    /// Fed by other correlations, whose firings may be taken back.
    pub chained: bool,
    /// Feeds other correlations.
    pub watched: bool,
}

impl Mode {
    /// Every match; matches no further apart than the gap are one episode.
    pub fn single(gap_us: i64) -> Mode {
        Mode {
            measure: Measure::Events,
            test: Test::Always,
            window_us: 1,
            join_us: gap_us,
            reach_us: gap_us,
            monotone: true,
            chained: false,
            watched: false,
        }
    }

    pub fn is_single(&self) -> bool {
        self.test == Test::Always
    }

    /// Whether all of `cells` together cannot satisfy the condition.
    fn hopeless(&self, cells: &[Cell]) -> bool {
        let Test::Number(threshold) = &self.test else {
            return cells.is_empty();
        };
        let most = match self.measure {
            Measure::Events => cells.iter().map(|cell| cell.1).sum(),
            Measure::Distinct | Measure::Rules | Measure::Chain(_) => cells.len() as u64,
            _ => return cells.is_empty(),
        };
        most < threshold.least()
    }

    fn keep_lowest(&self) -> bool {
        matches!(&self.test, Test::Number(threshold) if threshold.downward())
    }
}

/// What is known of the time before the cells that are left.
#[derive(Clone, Debug)]
pub struct Base {
    /// Stretches found while their cells were there, and not yet too old to be continued.
    pub found: Vec<Found>,
    /// Events after the last of them whose cells are gone: part of it, should it go on.
    pub gap: u64,
    /// Windows that end before this are judged; those after it are whole.
    pub from: i64,
}

impl Default for Base {
    fn default() -> Self {
        Base {
            found: Vec::new(),
            gap: 0,
            from: i64::MIN,
        }
    }
}

/// Keys with this many cells keep their scan; smaller ones are judged anew each time.
pub const LIVE_CELLS_MIN: usize = 48;

/// Cells between the last two places to which a scan can go back.
const MARK_CELLS: usize = 16;

/// A scan's size in cells of 16 bytes, without what it points to.
const SCAN_CELLS: usize = 16;

/// A place to go back to: everything before cell `at` was judged.
#[derive(Debug)]
struct Mark {
    at: usize,
    oldest: usize,
    found: usize,
    last: Option<Found>,
    counted: usize,
    chain: Option<Box<[i64]>>,
}

/// A window that moved over the cells of one key.
#[derive(Debug)]
pub struct Scan {
    /// Cells before this one have entered.
    at: usize,
    /// First cell still inside.
    oldest: usize,
    inside: Inside,
    found: Vec<Found>,
    /// Cells before this one count in the last stretch.
    counted: usize,
    /// Values in the last stretch, by the first cell that has them.
    seen: AHashMap<u64, usize>,
    firings: Vec<Firing>,
    marks: Vec<Mark>,
}

impl Scan {
    /// Before the first of `cells`; `None` when no window of these few can hold.
    pub fn new(mode: &Mode, base: &Base, cells: &[Cell]) -> Option<Scan> {
        if base.found.is_empty() && cells.len() < LIVE_CELLS_MIN && mode.hopeless(cells) {
            return None;
        }
        let mut scan = Scan {
            at: 0,
            oldest: 0,
            inside: Inside::new(mode.measure),
            found: Vec::new(),
            counted: 0,
            seen: AHashMap::new(),
            firings: Vec::new(),
            marks: Vec::new(),
        };
        scan.start(mode, base, cells);
        Some(scan)
    }

    fn start(&mut self, mode: &Mode, base: &Base, cells: &[Cell]) {
        self.found.clone_from(&base.found);
        (self.at, self.oldest, self.counted) = (0, 0, 0);
        self.inside = Inside::new(mode.measure);
        self.firings.clear();
        self.marks.clear();
        if let Some(last) = base.found.last() {
            self.counted = cells.partition_point(|cell| cell.0 <= last.extent.end);
            self.see(mode, cells, last.extent.start);
        }
    }

    /// Collects the values that the last stretch has among the cells counted.
    fn see(&mut self, mode: &Mode, cells: &[Cell], start: i64) {
        self.seen.clear();
        if mode.measure == Measure::Distinct {
            let from = cells.partition_point(|cell| cell.0 < start);
            for (at, cell) in cells.iter().enumerate().take(self.counted).skip(from) {
                self.seen.entry(cell.1).or_insert(at);
            }
        }
    }

    pub fn found(&self) -> &[Found] {
        &self.found
    }

    pub fn firings(&self) -> &[Firing] {
        &self.firings
    }

    /// Stretches at the front that later cells cannot change.
    pub fn settled(&self) -> usize {
        self.found.len().saturating_sub(1)
    }

    /// Entries held beside the cells, for the memory budget.
    pub fn len(&self) -> usize {
        let lists = self.found.len() * 3 + self.firings.len() + self.marks.len() * 8;
        SCAN_CELLS + self.inside.len() + self.seen.len() + lists
    }

    /// Goes back to before the moment `ts`, over the cells as they were when it came here.
    pub fn rewind(&mut self, mode: &Mode, base: &Base, cells: &[Cell], ts: i64) {
        if self.at == 0 || cells[self.at - 1].0 < ts {
            return;
        }
        let late = |mark: &Mark| mark.at > 0 && cells[mark.at - 1].0 >= ts;
        while self.marks.last().is_some_and(late) {
            self.marks.pop();
        }
        let Some(mark) = self.marks.last() else {
            return self.start(mode, base, cells);
        };
        if let (Inside::Chain(chain), Some(latest)) = (&mut self.inside, &mark.chain) {
            chain.latest.clone_from(latest);
        } else {
            for cell in &cells[self.oldest.max(mark.at)..self.at] {
                self.inside.leave(*cell);
            }
            for cell in &cells[mark.oldest..self.oldest.min(mark.at)] {
                self.inside.enter(*cell);
            }
        }
        let same = self.found.len() == mark.found;
        let counted = std::mem::replace(&mut self.counted, mark.counted);
        (self.at, self.oldest) = (mark.at, mark.oldest);
        self.found.truncate(mark.found);
        let (last, until) = (mark.last, mark.at.checked_sub(1).map(|at| cells[at].0));
        if let (Some(last), Some(place)) = (last, self.found.last_mut()) {
            *place = last;
        }
        let kept = self
            .firings
            .partition_point(|f| until.is_some_and(|until| f.ts <= until));
        self.firings.truncate(kept);
        if mode.measure != Measure::Distinct {
            return;
        }
        match last {
            Some(_) if same => {
                for (at, cell) in cells.iter().enumerate().take(counted).skip(self.counted) {
                    if self.seen.get(&cell.1) == Some(&at) {
                        self.seen.remove(&cell.1);
                    }
                }
            }
            Some(last) => self.see(mode, cells, last.extent.start),
            None => self.seen.clear(),
        }
    }

    /// Judges the windows that end at or before `until`.
    pub fn advance(&mut self, mode: &Mode, base: &Base, cells: &[Cell], until: i64) {
        while self.at < cells.len() && cells[self.at].0 <= until {
            if self.at - self.marks.last().map_or(0, |mark| mark.at) >= MARK_CELLS {
                self.mark();
            }
            let ts = cells[self.at].0;
            // All cells of one moment enter before the window is judged.
            while self.at < cells.len() && cells[self.at].0 == ts {
                self.inside.enter(cells[self.at]);
                self.at += 1;
            }
            while ts.saturating_sub(cells[self.oldest].0) >= mode.window_us {
                self.inside.leave(cells[self.oldest]);
                self.oldest += 1;
            }
            if ts < base.from {
                continue;
            }
            let after = ts.saturating_sub(mode.window_us);
            if let Some(amount) = self.inside.judge(&mode.test, after) {
                self.hold(mode, base, cells, ts, amount);
            }
        }
    }

    fn mark(&mut self) {
        let chain = match &self.inside {
            Inside::Chain(chain) => Some(chain.latest.clone()),
            _ => None,
        };
        self.marks.push(Mark {
            at: self.at,
            oldest: self.oldest,
            found: self.found.len(),
            last: self.found.last().copied(),
            counted: self.counted,
            chain,
        });
        // Marks stand the further apart the further back they are: a few dozen for a million cells,
        // and going back costs at most about twice the way.
        let mut index = 1;
        while index + 1 < self.marks.len() {
            let (before, after) = (self.marks[index - 1].at, self.marks[index + 1].at);
            if after - before <= (self.at - after) / 2 {
                self.marks.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// The window that ends at `ts` holds.
    fn hold(&mut self, mode: &Mode, base: &Base, cells: &[Cell], ts: i64, amount: Nano) {
        let start = cells[self.oldest].0;
        let near = |last: &Found| start.saturating_sub(last.extent.end) <= mode.join_us;
        let first = !self.found.last().is_some_and(near);
        if first {
            let (end, count) = (ts, 0);
            self.found.push(Found {
                extent: Extent { start, end, count },
                extreme: amount,
            });
            self.counted = self.oldest;
            self.seen.clear();
        }
        if mode.watched {
            self.firings.push(Firing { ts, first });
        }
        let continued = base.found.last().filter(|_| base.found.len() == self.found.len());
        let last = self.found.last_mut().expect("pushed when there was none");
        if continued.is_some_and(|before| before.extent.end == last.extent.end)
            && mode.measure != Measure::Distinct
        {
            last.extent.count += base.gap;
        }
        // Distinct values of cells that are gone cannot be told from those that are left.
        let floor = continued.map_or(0, |before| before.extent.count);
        last.extent.end = ts;
        last.extreme = match mode.keep_lowest() {
            true => last.extreme.min(amount),
            false => last.extreme.max(amount),
        };
        for (at, cell) in cells.iter().enumerate().take(self.at).skip(self.counted) {
            if mode.measure == Measure::Distinct {
                self.seen.entry(cell.1).or_insert(at);
            } else {
                last.extent.count += mode.measure.events(*cell);
            }
        }
        if mode.measure == Measure::Distinct {
            last.extent.count = floor.max(self.seen.len() as u64);
        }
        self.counted = self.at;
    }
}

/// Sorts `cells[settled..]` into the cells before them, joins what is one, and takes `gone` back.
pub fn settle(cells: &mut Vec<Cell>, settled: usize, gone: &mut Vec<Cell>, mode: &Mode) {
    cells[settled..].sort_unstable();
    gone.sort_unstable();
    let first = [cells.get(settled), gone.first()];
    let Some(first) = first.into_iter().flatten().map(|cell| cell.0).min() else {
        return;
    };
    let from = cells[..settled].partition_point(|cell| cell.0 < first);
    if from < settled {
        // Two sorted runs: a stable sort merges them.
        cells[from..].sort();
    }
    let mut kept = from;
    for at in from..cells.len() {
        let cell = cells[at];
        if kept > from && mode.measure.join(&mut cells[kept - 1], cell, mode.chained) {
            continue;
        }
        cells[kept] = cell;
        kept += 1;
    }
    cells.truncate(kept);
    subtract(cells, from, gone, mode.measure);
    gone.clear();
}

/// Both sorted; what `gone` names and is not there was forgotten before.
fn subtract(cells: &mut Vec<Cell>, from: usize, gone: &[Cell], measure: Measure) {
    if gone.is_empty() {
        return;
    }
    let mut gone = gone.iter().copied().peekable();
    let mut kept = from;
    for at in from..cells.len() {
        let mut left = Some(cells[at]);
        while let (Some(cell), Some(next)) = (left, gone.peek().copied()) {
            match measure.identity(next).cmp(&measure.identity(cell)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => left = measure.without(cell, next),
                std::cmp::Ordering::Greater => break,
            }
            gone.next();
        }
        if let Some(cell) = left {
            cells[kept] = cell;
            kept += 1;
        }
    }
    cells.truncate(kept);
}
