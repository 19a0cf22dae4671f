//! What one rule remembers: cells per key, and the episodes it has already told.

use super::measure::{Measure, Test};
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
    cells: Vec<Cell>,
    /// Cells before this one are sorted and joined; those after it are news.
    settled: usize,
    dirty: bool,
    /// Earliest matches of each stretch of time, sorted.
    evidence: Vec<(i64, Arc<str>)>,
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

const NO_SLOT: u32 = u32::MAX;

/// All keys of one rule.
#[derive(Debug)]
pub struct Track {
    pub mode: Mode,
    /// Key number → slot; `NO_SLOT` when the key has no state here.
    slots: Vec<u32>,
    states: Vec<KeyState>,
    dirty: Vec<u32>,
    pub cells: usize,
    evidence_bucket_us: i64,
    /// Evidence is kept of one match in so many.
    evidence_share: u64,
}

/// Rules that need this many events keep evidence of one in eight, chosen by time and value:
/// they see nearly every request, and any episode of theirs holds enough others.
const SAMPLED_FROM: u64 = 50;

impl Track {
    pub fn new(mode: Mode) -> Track {
        // Short enough that the evidence kept for a stretch lies near the episode's start.
        let reach = mode.window_us.max(mode.join_us);
        let evidence_bucket_us = (reach / 5).clamp(1_000_000, 60_000_000);
        let evidence_share = match (&mode.test, mode.measure) {
            (Test::Number(threshold), Measure::Events) if threshold.least() >= SAMPLED_FROM => 8,
            _ => 1,
        };
        Track {
            mode,
            slots: Vec::new(),
            states: Vec::new(),
            dirty: Vec::new(),
            cells: 0,
            evidence_bucket_us,
            evidence_share,
        }
    }

    fn slot(&mut self, key: u32) -> usize {
        let at = key as usize;
        if at >= self.slots.len() {
            self.slots.resize((at + 1).max(self.slots.len() * 2), NO_SLOT);
        }
        if self.slots[at] == NO_SLOT {
            self.slots[at] = u32::try_from(self.states.len()).expect("bounded by keys_max");
            self.states.push(KeyState {
                key,
                cells: Vec::new(),
                settled: 0,
                dirty: false,
                evidence: Vec::new(),
                more: None,
            });
        }
        self.slots[at] as usize
    }

    /// Folds one match in: `what` is its cell's number; `salt` is a hash of the row's content.
    pub fn observe(&mut self, key: u32, ts: i64, what: u64, salt: u64, summary: impl FnOnce() -> Arc<str>) {
        let slot = self.slot(key);
        self.mark_dirty(slot);
        let bucket = self.evidence_bucket_us;
        let state = &mut self.states[slot];
        self.cells += state.push((ts, what), &self.mode);
        if (salt ^ ts.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & (self.evidence_share - 1)
            == 0
        {
            state.keep_evidence(ts, bucket, summary, &mut self.cells);
        }
    }

    /// Folds a firing of another correlation in, or takes it back. Only what began a stretch
    /// there is evidence here.
    pub fn pass(&mut self, key: u32, what: u64, change: Change, summary: impl FnOnce() -> Arc<str>) {
        let slot = self.slot(key);
        self.mark_dirty(slot);
        let state = &mut self.states[slot];
        let before = state.len();
        let cell = (change.firing.ts, what);
        match change.holds {
            true => _ = state.push(cell, &self.mode),
            false => state.more.get_or_insert_default().gone.push(cell),
        }
        if change.firing.first {
            let fired = &mut state.more.get_or_insert_default().fired;
            let entry = (change.firing.ts, summary());
            match (fired.binary_search(&entry), change.holds) {
                (Ok(at) | Err(at), true) => fired.insert(at, entry),
                (Ok(at), false) => _ = fired.remove(at),
                (Err(_), false) => {}
            }
        }
        self.cells = self.cells + state.len() - before;
    }

    fn mark_dirty(&mut self, slot: usize) {
        let state = &mut self.states[slot];
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(u32::try_from(slot).expect("slots are u32"));
        }
    }

    /// Keys with news since the last call, as slots in key order of arrival; told keys too when
    /// `all_told`.
    pub fn take_dirty(&mut self, all_told: bool) -> Vec<u32> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for &slot in &dirty {
            self.states[slot as usize].dirty = false;
        }
        if all_told {
            let told = self
                .states
                .iter()
                .enumerate()
                .filter(|(_, state)| !state.told().is_empty());
            dirty.extend(told.map(|(slot, _)| u32::try_from(slot).expect("slots are u32")));
            dirty.sort_unstable();
            dirty.dedup();
        }
        dirty
    }

    /// Keeps a key to be looked at again, because a window of it is not closed yet.
    pub fn keep_dirty(&mut self, slot: u32) {
        self.mark_dirty(slot as usize);
    }

    /// Judges one key; `afresh` gives every stretch with its evidence.
    pub fn judge(&mut self, slot: u32, closed_until: i64, afresh: bool) -> Judged {
        let state = &mut self.states[slot as usize];
        let before = state.len();
        let judged = state.judge(&self.mode, closed_until, afresh);
        self.cells = self.cells + state.len() - before;
        judged
    }

    pub fn state(&self, slot: u32) -> &KeyState {
        &self.states[slot as usize]
    }

    pub fn state_mut(&mut self, slot: u32) -> &mut KeyState {
        &mut self.states[slot as usize]
    }

    /// Forgets cells before the cut of each key's tenant; returns how many. `tenant_of` gives
    /// (cut, closed until) of a key.
    pub fn prune(&mut self, tenant_of: impl Fn(u32) -> (i64, i64)) -> usize {
        let before = self.cells;
        for state in &mut self.states {
            let (cut, closed_until) = tenant_of(state.key);
            let held = state.len();
            state.prune(cut, closed_until, &self.mode);
            self.cells = self.cells + state.len() - held;
        }
        self.drop_states(|state| state.cells.is_empty() && state.more.is_none() && !state.dirty);
        before.saturating_sub(self.cells)
    }

    /// Forgets whole keys; returns how many cells went.
    pub fn forget(&mut self, keys: &std::collections::HashSet<u32>) -> usize {
        let before = self.cells;
        for state in self.states.iter().filter(|state| keys.contains(&state.key)) {
            self.cells -= state.len();
        }
        self.drop_states(|state| keys.contains(&state.key));
        before - self.cells
    }

    fn drop_states(&mut self, gone: impl Fn(&KeyState) -> bool) {
        if !self.states.iter().any(&gone) {
            return;
        }
        self.states.retain(|state| !gone(state));
        self.slots.fill(NO_SLOT);
        self.dirty.clear();
        for (slot, state) in self.states.iter().enumerate() {
            let slot = u32::try_from(slot).expect("slots are u32");
            self.slots[state.key as usize] = slot;
            if state.dirty {
                self.dirty.push(slot);
            }
        }
    }

    /// Everything that is remembered, key by key.
    pub fn states(&self) -> &[KeyState] {
        &self.states
    }

    /// Oldest event time remembered.
    pub fn oldest(&self) -> Option<i64> {
        self.states
            .iter()
            .flat_map(|state| state.cells.iter().map(|cell| cell.0))
            .min()
    }
}

impl Extent {
    fn holds(&self, ts: i64) -> bool {
        (self.start..=self.end).contains(&ts)
    }
}

impl KeyState {
    /// Entries held, for the memory budget.
    fn len(&self) -> usize {
        self.cells.len() + self.evidence.len() + self.more.as_ref().map_or(0, |more| more.len())
    }

    /// Adds a cell; returns by how many there are more.
    fn push(&mut self, cell: Cell, mode: &Mode) -> usize {
        // What was judged is never changed in place: a scan stands on it.
        if self.cells.len() > self.settled
            && let Some(last) = self.cells.last_mut()
            && mode.measure.join(last, cell, mode.chained)
        {
            return 0;
        }
        self.cells.push(cell);
        1
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
    fn judge(&mut self, mode: &Mode, closed_until: i64, afresh: bool) -> Judged {
        let limit = if mode.monotone { i64::MAX } else { closed_until };
        let nothing = Base::default();
        let (mut scan, mut gone) = match self.more.as_mut() {
            Some(more) => (more.scan.take(), std::mem::take(&mut more.gone)),
            None => (None, Vec::new()),
        };
        let base = self.more.as_ref().map_or(&nothing, |more| &more.base);
        let news = self.cells[self.settled..].iter().chain(&gone);
        if let (Some(scan), Some(first)) = (&mut scan, news.map(|cell| cell.0).min()) {
            scan.rewind(mode, base, &self.cells[..self.settled], first);
        }
        windows::settle(&mut self.cells, self.settled, &mut gone, mode);
        self.settled = self.cells.len();
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
        let mut cells = std::borrow::Cow::Borrowed(&self.cells);
        if self.settled < cells.len() {
            windows::settle(cells.to_mut(), self.settled, &mut Vec::new(), mode);
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
    fn keep_evidence(
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
            self.evidence.remove(to);
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
    fn prune(&mut self, cut: i64, closed_until: i64, mode: &Mode) {
        let reach = mode.window_us.max(mode.join_us);
        let old = |end: i64| end.saturating_add(reach) < cut;
        if let Some(more) = &mut self.more {
            more.told.retain(|told| !old(told.extent.end));
        }
        if self.cells.iter().any(|cell| cell.0 < cut) {
            let mut gone = self
                .more
                .as_mut()
                .map_or_else(Vec::new, |more| std::mem::take(&mut more.gone));
            windows::settle(&mut self.cells, self.settled, &mut gone, mode);
            self.settled = self.cells.len();
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
        self.cells.drain(..gone);
        self.settled = self.cells.len();
        let gone = self.evidence.partition_point(|e| e.0 < cut);
        self.evidence.drain(..gone);
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
