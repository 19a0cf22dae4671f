//! What one rule remembers of one key: cells, evidence, and the episodes already told.

use super::few::Few;
use super::measure::Measure;
use super::windows::{self, Base, Cell, Extent, Firing, Found, LIVE_CELLS_MIN, Mode, Scan};
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::{EvidenceRef, Level, Micros};
use std::sync::Arc;

/// What was told of an episode, to tell it again only when it changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub extent: Extent,
    pub level: Level,
    pub evidence: Vec<EvidenceRef>,
    pub facts: Vec<(String, String)>,
}

/// One key's memory.
#[derive(Debug)]
pub struct KeyState {
    pub key: u32,
    /// Cells before this one are sorted and joined; those after it are news.
    settled: u32,
    pub tenant: u16,
    /// The track has it in its list of those with news.
    pub dirty: bool,
    /// The track has it in its list of those that were told of.
    pub listed: bool,
    cells: Few<Cell>,
    /// Earliest matches of each stretch of time, sorted.
    evidence: Few<(i64, Arc<str>)>,
    /// Most keys never have an episode, nor many cells.
    more: Option<Box<More>>,
}

/// What few keys have.
#[derive(Debug, Default)]
struct More {
    told: Vec<Told>,
    base: Base,
    /// Evidence of the stretches in `base`.
    base_evidence: Vec<Vec<EvidenceRef>>,
    scan: Option<Box<Scan>>,
    /// What watching correlations were given, from `base.from` on.
    passed: Vec<Firing>,
    /// Cells taken back since the last judgement.
    gone: Vec<Cell>,
    /// Evidence of firings of other correlations, sorted.
    fired: Vec<(i64, Arc<str>)>,
}

impl More {
    fn len(&self) -> usize {
        self.scan.as_ref().map_or(0, |scan| scan.len())
            + self.passed.len()
            + self.gone.len()
            + self.fired.len()
    }
}

/// A firing that is new, or does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub firing: Firing,
    pub holds: bool,
}

/// What became of a key.
#[derive(Debug, Default)]
pub struct Judged {
    /// So many stretches at the front are as they were at the last judgement.
    pub kept: usize,
    /// The others, with evidence.
    pub found: Vec<(Found, Vec<EvidenceRef>)>,
    /// A window is not closed yet.
    pub open: bool,
    pub changes: Vec<Change>,
}

impl Extent {
    fn holds(&self, ts: i64) -> bool {
        (self.start..=self.end).contains(&ts)
    }
}

/// No key has this number.
const NOBODY: u32 = u32::MAX;

impl KeyState {
    pub fn new(key: u32, tenant: u16) -> KeyState {
        KeyState {
            key,
            settled: 0,
            tenant,
            dirty: false,
            listed: false,
            cells: Few::None,
            evidence: Few::None,
            more: None,
        }
    }

    /// In a place that no key has.
    pub fn nobody() -> KeyState {
        KeyState::new(NOBODY, 0)
    }

    pub fn is_nobody(&self) -> bool {
        self.key == NOBODY
    }

    /// Nothing is left of it that anybody could ask for.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.more.is_none() && !self.dirty
    }

    /// Entries held, for the memory budget.
    pub fn len(&self) -> usize {
        self.cells.len() + self.evidence.len() + self.more.as_ref().map_or(0, |more| more.len())
    }

    fn settled(&self) -> usize {
        self.settled as usize
    }

    /// Brings the cells in order.
    fn settle(&mut self, gone: &mut Vec<Cell>, mode: &Mode) {
        let settled = self.settled();
        if self.cells.len() > 1 || !gone.is_empty() {
            self.cells
                .edit(|cells| windows::settle(cells, settled, gone, mode));
        }
        self.settle_all();
    }

    fn settle_all(&mut self) {
        self.settled = u32::try_from(self.cells.len()).expect("bounded by cells_max");
    }

    /// Nothing of it is from before this event time.
    pub fn oldest(&self) -> i64 {
        let (settled, news) = self.cells.split_at(self.settled());
        let news = news.iter().map(|cell| cell.0);
        let oldest = settled.first().map(|cell| cell.0).into_iter().chain(news).min();
        let Some(more) = &self.more else {
            return oldest.unwrap_or(i64::MAX);
        };
        let ends = [
            more.told.first().map(|told| told.extent.end),
            more.base.found.first().map(|found| found.extent.end),
        ];
        ends.into_iter()
            .chain([oldest])
            .flatten()
            .min()
            .unwrap_or(i64::MAX)
    }

    /// Adds a cell; returns by how many there are more.
    pub fn push(&mut self, cell: Cell, mode: &Mode) -> usize {
        // What was judged is never changed in place: a scan stands on it.
        if self.cells.len() > self.settled()
            && let Some(last) = self.cells.last_mut()
            && mode.measure.join(last, cell, mode.chained)
        {
            return 0;
        }
        self.cells.push(cell);
        1
    }

    /// Adds the cell of a firing of another correlation, or takes it back.
    pub fn pass(&mut self, cell: Cell, change: Change, mode: &Mode, summary: impl FnOnce() -> Arc<str>) {
        match change.holds {
            true => _ = self.push(cell, mode),
            false => self.more.get_or_insert_default().gone.push(cell),
        }
        if change.firing.first {
            let fired = &mut self.more.get_or_insert_default().fired;
            let entry = (change.firing.ts, summary());
            match (fired.binary_search(&entry), change.holds) {
                (Ok(at) | Err(at), true) => fired.insert(at, entry),
                (Ok(at), false) => _ = fired.remove(at),
                (Err(_), false) => {}
            }
        }
    }

    pub fn told(&self) -> &[Told] {
        self.more.as_ref().map_or(&[], |more| &more.told)
    }

    /// Replaces what was told from the stretch `kept` on.
    pub fn tell(&mut self, kept: usize, told: Vec<Told>) {
        if !told.is_empty() || self.more.is_some() {
            let all = &mut self.more.get_or_insert_default().told;
            all.truncate(kept);
            all.extend(told);
        }
    }

    /// Everything of it is a function of the set of cells, of what `base` says of the time before
    /// them, and of `closed_until`.
    pub fn judge(&mut self, mode: &Mode, closed_until: i64, afresh: bool) -> Judged {
        let limit = if mode.monotone { i64::MAX } else { closed_until };
        let nothing = Base::default();
        let (mut scan, mut gone) = match self.more.as_mut() {
            Some(more) => (more.scan.take(), std::mem::take(&mut more.gone)),
            None => (None, Vec::new()),
        };
        let base = self.more.as_ref().map_or(&nothing, |more| &more.base);
        let news = self.cells[self.settled()..].iter().chain(&gone);
        if let (Some(scan), Some(first)) = (&mut scan, news.map(|cell| cell.0).min()) {
            scan.rewind(mode, base, &self.cells[..self.settled()], first);
        }
        self.settle(&mut gone, mode);
        let base = self.more.as_ref().map_or(&nothing, |more| &more.base);
        let open = !mode.monotone && self.cells.last().is_some_and(|cell| cell.0 > closed_until);
        let fresh = scan.is_none();
        let scan = scan.or_else(|| Scan::new(mode, base, &self.cells).map(Box::new));
        let Some(mut scan) = scan else {
            let changes = self.pass_on(&[]);
            return Judged {
                open,
                changes,
                ..Judged::default()
            };
        };
        let kept = if fresh || afresh { 0 } else { scan.settled() };
        scan.advance(mode, base, &self.cells, limit);
        let found = scan.found().iter().enumerate().skip(kept);
        let found = found.map(|(at, found)| (*found, self.evidence_of(at, found.extent, mode.measure)));
        let found = found.collect();
        let changes = if mode.watched {
            self.pass_on(scan.firings())
        } else {
            Vec::new()
        };
        if self.cells.len() >= LIVE_CELLS_MIN {
            self.more.get_or_insert_default().scan = Some(scan);
        }
        Judged {
            kept,
            found,
            open,
            changes,
        }
    }

    /// The stretches in which the test of `mode` holds, whatever the track's own test is, over the
    /// windows that end in `from..until`; nothing of it is kept.
    pub fn found_under(&self, mode: &Mode, (from, until): (i64, i64)) -> Vec<Found> {
        let mut cells = std::borrow::Cow::Borrowed(&*self.cells);
        if self.settled() < cells.len() {
            windows::settle(cells.to_mut(), self.settled(), &mut Vec::new(), mode);
        }
        let first = cells.partition_point(|cell| cell.0 <= from.saturating_sub(mode.window_us));
        let cells = &cells[first..cells.partition_point(|cell| cell.0 < until)];
        let base = Base {
            from: from.max(self.whole_from()),
            ..Base::default()
        };
        let Some(mut scan) = Scan::new(mode, &base, cells) else {
            return Vec::new();
        };
        scan.advance(mode, &base, cells, i64::MAX);
        scan.found().to_vec()
    }

    /// Windows that end before this have lost events to the memory bound or to age.
    pub fn whole_from(&self) -> i64 {
        self.more.as_ref().map_or(i64::MIN, |more| more.base.from)
    }

    /// What watching correlations do not know yet.
    fn pass_on(&mut self, now: &[Firing]) -> Vec<Change> {
        let passed = self.more.as_mut().map(|more| &mut more.passed);
        let before = passed.as_ref().map_or(&[][..], |passed| &passed[..]);
        // Equal heads and tails are the rule; in between is what changed.
        let head = before.iter().zip(now).take_while(|(a, b)| a == b).count();
        let (old, new) = (&before[head..], &now[head..]);
        let mut changes = Vec::new();
        let mut new_at = new.iter().copied().peekable();
        for firing in old.iter().copied() {
            while let Some(firing) = new_at.next_if(|next| *next < firing) {
                changes.push(Change { firing, holds: true });
            }
            if new_at.next_if_eq(&firing).is_none() {
                changes.push(Change { firing, holds: false });
            }
        }
        changes.extend(new_at.map(|firing| Change { firing, holds: true }));
        if !changes.is_empty() {
            let passed = &mut self.more.get_or_insert_default().passed;
            passed.truncate(head);
            passed.extend_from_slice(&now[head..]);
        }
        changes
    }

    /// Evidence of the stretch at place `at`.
    fn evidence_of(&self, at: usize, extent: Extent, measure: Measure) -> Vec<EvidenceRef> {
        let mut evidence = within(&self.evidence, extent);
        if let Some(more) = &self.more {
            evidence.extend(within(&more.fired, extent));
            let before = more.base_evidence.get(at).into_iter().flatten();
            evidence.extend(before.filter(|e| extent.holds(e.ts.0)).cloned());
            evidence.sort();
        }
        evidence.dedup();
        evidence.truncate(EVIDENCE_MAX);
        if evidence.is_empty() {
            evidence.push(self.busiest(extent, measure));
        }
        evidence
    }

    /// Keeps the [`EVIDENCE_MAX`] earliest matches of each bucket of time, by (time, summary).
    pub fn keep_evidence(
        &mut self,
        ts: i64,
        bucket_us: i64,
        summary: impl FnOnce() -> Arc<str>,
        cells: &mut usize,
    ) {
        let bucket = ts.div_euclid(bucket_us);
        let (low, high) = (bucket * bucket_us, (bucket + 1) * bucket_us);
        let to = match self.evidence.last() {
            Some(last) if last.0 < high => self.evidence.len(),
            None => 0,
            _ => self.evidence.partition_point(|e| e.0 < high),
        };
        let from = {
            let mut from = to;
            while from > 0 && self.evidence[from - 1].0 >= low {
                from -= 1;
            }
            from
        };
        let full = to - from >= EVIDENCE_MAX;
        if full && self.evidence[to - 1].0 < ts {
            return;
        }
        let entry = (ts, summary());
        let at = from + self.evidence[from..to].partition_point(|e| *e < entry);
        if full && at == to {
            return;
        }
        self.evidence.insert(at, entry);
        if full {
            self.evidence.edit(|evidence| drop(evidence.remove(to)));
        } else {
            *cells += 1;
        }
    }

    /// A line about the moment with most events, among the first thousand, for an episode of
    /// which no text was kept.
    fn busiest(&self, extent: Extent, measure: Measure) -> EvidenceRef {
        let from = self.cells.partition_point(|cell| cell.0 < extent.start);
        let inside = self.cells[from..].iter().take(1_000);
        let mut best = (extent.start, 0);
        for cell in inside.take_while(|cell| cell.0 <= extent.end && measure == Measure::Events) {
            if cell.1 > best.1 {
                best = *cell;
            }
        }
        let (ts, count) = best;
        EvidenceRef {
            ts: Micros(ts),
            summary: match count {
                0 => format!("{} counted from this moment on", extent.count),
                count => format!("{count} events at this moment"),
            },
        }
    }

    /// Forgets what lies before `cut`. Stretches that may go on are remembered as they are: windows
    /// that need what is gone are judged now, for the last time.
    pub fn prune(&mut self, cut: i64, closed_until: i64, mode: &Mode) {
        let reach = mode.window_us.max(mode.join_us);
        let old = |end: i64| end.saturating_add(reach) < cut;
        if let Some(more) = &mut self.more {
            more.told.retain(|told| !old(told.extent.end));
        }
        if self.has_before(cut) {
            let mut gone = self
                .more
                .as_mut()
                .map_or_else(Vec::new, |more| std::mem::take(&mut more.gone));
            self.settle(&mut gone, mode);
            self.rebase(cut, closed_until, mode);
        }
        let Some(more) = &mut self.more else { return };
        let gone = more.base.found.partition_point(|found| old(found.extent.end));
        if gone > 0 {
            more.base.found.drain(..gone);
            more.base_evidence.drain(..gone);
            // Its stretches are counted from the first that is left.
            more.scan = None;
        }
        let idle = more.told.is_empty() && more.base.found.is_empty() && more.len() == 0;
        if idle && self.cells.is_empty() {
            self.more = None;
        }
    }

    /// Forgets the older half of the cells as [`KeyState::prune`] does.
    pub fn squeeze(&mut self, closed_until: i64, mode: &Mode) {
        let mut gone = match &mut self.more {
            Some(more) => std::mem::take(&mut more.gone),
            None => Vec::new(),
        };
        self.settle(&mut gone, mode);
        if let Some(middle) = self.cells.get(self.cells.len() / 2) {
            self.prune(middle.0, closed_until, mode);
        }
    }

    fn has_before(&self, cut: i64) -> bool {
        let (settled, news) = self.cells.split_at(self.settled());
        settled.first().is_some_and(|cell| cell.0 < cut) || news.iter().any(|cell| cell.0 < cut)
    }

    fn rebase(&mut self, cut: i64, closed_until: i64, mode: &Mode) {
        let limit = if mode.monotone { i64::MAX } else { closed_until };
        let more = self.more.get_or_insert_default();
        more.scan = None;
        let from = cut.saturating_add(mode.window_us - 1).max(more.base.from);
        let mut base = Base {
            from,
            ..Base::default()
        };
        if let Some(mut scan) = Scan::new(mode, &more.base, &self.cells) {
            scan.advance(mode, &more.base, &self.cells, limit.min(from - 1));
            base.found = scan.found().to_vec();
        }
        if let Some(last) = base.found.last() {
            let same = |before: &&Found| before.extent.end == last.extent.end;
            let earlier = more.base.found.last().filter(same).map_or(0, |_| more.base.gap);
            let after = self
                .cells
                .iter()
                .filter(|cell| cell.0 < cut && cell.0 > last.extent.end);
            base.gap = earlier + after.map(|cell| mode.measure.events(*cell)).sum::<u64>();
        }
        let evidence = base.found.iter().enumerate();
        let evidence = evidence.map(|(at, found)| self.evidence_of(at, found.extent, mode.measure));
        let evidence = evidence.collect();
        let more = self.more.get_or_insert_default();
        (more.base, more.base_evidence) = (base, evidence);
        more.passed.retain(|firing| firing.ts >= from);
        let gone = more.fired.partition_point(|e| e.0 < cut);
        more.fired.drain(..gone);
        let gone = self.cells.partition_point(|cell| cell.0 < cut);
        self.cells.drop_first(gone);
        self.settle_all();
        let gone = self.evidence.partition_point(|e| e.0 < cut);
        self.evidence.drop_first(gone);
    }
}

fn within(evidence: &[(i64, Arc<str>)], extent: Extent) -> Vec<EvidenceRef> {
    let from = evidence.partition_point(|e| e.0 < extent.start);
    evidence[from..]
        .iter()
        .take_while(|e| e.0 <= extent.end)
        .take(EVIDENCE_MAX)
        .map(|(ts, summary)| EvidenceRef {
            ts: Micros(*ts),
            summary: summary.as_ref().to_owned(),
        })
        .collect()
}
