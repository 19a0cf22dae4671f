//! What one rule remembers: cells per key, and the episodes it has already told.

use super::windows::{self, Cell, Extent};
use crate::sigma::correlation::Threshold;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::{EvidenceRef, Level, Micros};
use std::sync::Arc;

/// When a rule speaks.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Every match; matches no further apart than the gap are one episode.
    Single { gap_us: i64 },
    /// Matches in a sliding window.
    Events { span_us: i64, threshold: Threshold },
    /// Distinct values of the matches in a sliding window.
    Values { span_us: i64, threshold: Threshold },
}

impl Mode {
    pub fn values(&self) -> bool {
        matches!(self, Mode::Values { .. })
    }

    pub fn monotone(&self) -> bool {
        match self {
            Mode::Single { .. } => true,
            Mode::Events { threshold, .. } | Mode::Values { threshold, .. } => threshold.monotone(),
        }
    }

    /// Longest reach of one event, µs.
    pub fn span_us(&self) -> i64 {
        match self {
            Mode::Single { gap_us: span } => *span,
            Mode::Events { span_us, .. } | Mode::Values { span_us, .. } => *span_us,
        }
    }

    fn extents(&self, cells: &[Cell], closed_until: i64) -> Vec<Extent> {
        match self {
            Mode::Single { gap_us } => windows::clusters(cells, *gap_us),
            Mode::Events { span_us, threshold } | Mode::Values { span_us, threshold } => {
                let until = if threshold.monotone() {
                    i64::MAX
                } else {
                    closed_until
                };
                windows::crossings(cells, self.values(), *span_us, threshold, until)
            }
        }
    }
}

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
    sorted: bool,
    dirty: bool,
    /// Earliest matches of each stretch of time, sorted.
    evidence: Vec<(i64, Arc<str>)>,
    /// Most keys never have an episode.
    spoken: Option<Box<Spoken>>,
}

/// What was told of a key.
#[derive(Debug, Default)]
struct Spoken {
    told: Vec<Told>,
    /// The episode that reaches back past what is remembered, as it was when that was cut.
    carried: Option<(Extent, Vec<EvidenceRef>)>,
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
        let evidence_bucket_us = (mode.span_us() / 5).clamp(1_000_000, 60_000_000);
        let evidence_share = match &mode {
            Mode::Events { threshold, .. } if threshold.least() >= SAMPLED_FROM => 8,
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
                sorted: true,
                dirty: false,
                evidence: Vec::new(),
                spoken: None,
            });
        }
        self.slots[at] as usize
    }

    /// Folds one match in: `what` is 1, or the hash of the value counted; `salt` is a hash of
    /// the row's content.
    pub fn observe(&mut self, key: u32, ts: i64, what: u64, salt: u64, summary: impl FnOnce() -> Arc<str>) {
        let slot = self.slot(key);
        let values = self.mode.values();
        let bucket = self.evidence_bucket_us;
        let state = &mut self.states[slot];
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(u32::try_from(slot).expect("slots are u32"));
        }
        match state.cells.last_mut() {
            Some(last) if last.0 == ts && (!values || last.1 == what) => {
                if !values {
                    last.1 += what;
                }
            }
            last => {
                // Cells of values are sorted by (ts, hash), so a second value of one moment may break it.
                state.sorted &= last.is_none_or(|last| *last < (ts, what) && (values || last.0 < ts));
                state.cells.push((ts, what));
                self.cells += 1;
            }
        }
        if (salt ^ ts.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & (self.evidence_share - 1)
            == 0
        {
            state.keep_evidence(ts, bucket, summary, &mut self.cells);
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
        let state = &mut self.states[slot as usize];
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Episodes of one key, and whether a window is still open.
    pub fn judge(&mut self, slot: u32, closed_until: i64) -> (Vec<(Extent, Vec<EvidenceRef>)>, bool) {
        let mode = &self.mode;
        let state = &mut self.states[slot as usize];
        if !state.sorted {
            let before = state.cells.len();
            windows::settle(&mut state.cells, mode.values());
            state.sorted = true;
            self.cells -= before - state.cells.len();
        }
        let open = !mode.monotone() && state.cells.last().is_some_and(|cell| cell.0 > closed_until);
        let mut extents = mode.extents(&state.cells, closed_until);
        let mut carried_evidence = Vec::new();
        if let Some((carried, evidence)) = state.spoken.as_ref().and_then(|s| s.carried.as_ref()) {
            match extents.first_mut() {
                Some(first) if first.start.saturating_sub(carried.end) <= mode.span_us() => {
                    first.start = carried.start;
                    first.end = first.end.max(carried.end);
                    first.count = if mode.values() {
                        first.count.max(carried.count)
                    } else {
                        first.count + carried.count
                    };
                }
                _ => extents.insert(0, *carried),
            }
            carried_evidence.clone_from(evidence);
        }
        let found = extents
            .into_iter()
            .map(|extent| {
                let mut evidence = state.evidence_in(extent);
                evidence.extend(carried_evidence.iter().filter(|e| extent.holds(e.ts.0)).cloned());
                evidence.sort();
                evidence.dedup();
                evidence.truncate(EVIDENCE_MAX);
                if evidence.is_empty() {
                    evidence.push(state.busiest(extent, mode.values()));
                }
                (extent, evidence)
            })
            .collect();
        (found, open)
    }

    pub fn state(&self, slot: u32) -> &KeyState {
        &self.states[slot as usize]
    }

    pub fn state_mut(&mut self, slot: u32) -> &mut KeyState {
        &mut self.states[slot as usize]
    }

    /// Forgets cells before the cut of each key's tenant; returns how many.
    pub fn prune(&mut self, cut_of: impl Fn(u32) -> i64) -> usize {
        let before = self.cells;
        for state in &mut self.states {
            let cut = cut_of(state.key);
            self.cells -= state.prune(cut, &self.mode);
        }
        self.drop_states(|state| state.cells.is_empty() && state.spoken.is_none() && !state.dirty);
        before - self.cells
    }

    /// Forgets whole keys; returns how many cells went.
    pub fn forget(&mut self, keys: &std::collections::HashSet<u32>) -> usize {
        let before = self.cells;
        for state in self.states.iter().filter(|state| keys.contains(&state.key)) {
            self.cells -= state.cells.len() + state.evidence.len();
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
    pub fn told(&self) -> &[Told] {
        self.spoken.as_ref().map_or(&[], |spoken| &spoken.told)
    }

    pub fn tell(&mut self, told: Vec<Told>) {
        if !told.is_empty() || self.spoken.is_some() {
            self.spoken.get_or_insert_default().told = told;
        }
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

    /// A line about the moment with most events, for an episode of which no text was kept.
    fn busiest(&self, extent: Extent, values: bool) -> EvidenceRef {
        let inside = self.cells.iter().filter(|cell| extent.holds(cell.0) && !values);
        let (ts, count) = inside.fold(
            (extent.start, 0),
            |best, cell| if cell.1 > best.1 { *cell } else { best },
        );
        EvidenceRef {
            ts: Micros(ts),
            summary: format!("{count} events at this moment"),
        }
    }

    fn evidence_in(&self, extent: Extent) -> Vec<EvidenceRef> {
        let from = self.evidence.partition_point(|e| e.0 < extent.start);
        self.evidence[from..]
            .iter()
            .take_while(|e| e.0 <= extent.end)
            .take(EVIDENCE_MAX)
            .map(|(ts, summary)| EvidenceRef {
                ts: Micros(*ts),
                summary: summary.as_ref().to_owned(),
            })
            .collect()
    }

    /// Forgets what lies before `cut`; an episode told across it is carried on.
    fn prune(&mut self, cut: i64, mode: &Mode) -> usize {
        let reach = mode.span_us();
        let mut spoken = self.spoken.take().unwrap_or_default();
        let across = spoken
            .told
            .iter()
            .find(|told| told.extent.start < cut && told.extent.end.saturating_add(reach) >= cut)
            .map(|told| (told.extent, told.evidence.clone()));
        if across.is_none() {
            spoken.carried = None;
        }
        spoken
            .told
            .retain(|told| told.extent.end.saturating_add(reach) >= cut);
        let earlier = spoken.carried.clone();
        self.spoken = (!spoken.told.is_empty() || earlier.is_some()).then_some(spoken);
        if self.cells.iter().all(|cell| cell.0 >= cut) {
            return 0;
        }
        let before = self.cells.len() + self.evidence.len();
        if !self.sorted {
            windows::settle(&mut self.cells, mode.values());
            self.sorted = true;
        }
        if let Some((mut extent, evidence)) = across {
            let end = extent.end.min(cut - 1);
            if !mode.values() {
                let past = earlier
                    .filter(|(e, _)| e.start == extent.start)
                    .map_or(0, |(e, _)| e.count);
                extent.count = past + windows::count_between(&self.cells, false, extent.start, end);
            }
            extent.end = end;
            self.spoken.get_or_insert_default().carried = Some((extent, evidence));
        }
        let gone = self.cells.partition_point(|cell| cell.0 < cut);
        self.cells.drain(..gone);
        let old = self.evidence.partition_point(|e| e.0 < cut);
        self.evidence.drain(..old);
        before - self.cells.len() - self.evidence.len()
    }
}
