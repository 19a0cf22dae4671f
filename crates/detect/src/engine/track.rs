//! What one rule remembers: a state per key, in places that stay where they are.
//!
//! Places that were given up are used again, so that forgetting a key touches nothing but its own
//! states; the key knows them ([`super::keys::Places`]).

use super::measure::{Measure, Test};
use super::memory::{Change, Judged, KeyState, Told};
use super::windows::Mode;
use std::sync::Arc;

/// All keys of one rule.
#[derive(Debug)]
pub struct Track {
    pub mode: Mode,
    states: Vec<KeyState>,
    /// Places in `states` that nobody has.
    free: Vec<u32>,
    /// Places with news, each once while it is held by the same key.
    dirty: Vec<u32>,
    /// Places of keys of which something was told, and of some of which nothing is any more.
    told: Vec<u32>,
    pub cells: usize,
    /// Nothing is remembered of the time before this.
    oldest: i64,
    evidence_bucket_us: i64,
    /// Evidence is kept of one match in so many.
    evidence_share: u64,
}

/// Rules that need this many events keep evidence of one in eight, chosen by time and value:
/// they see nearly every request, and any episode of theirs holds enough others.
const SAMPLED_FROM: u64 = 50;

/// So many places of keys that are gone may stand in a list before it is gone through.
const LEFTOVERS_MIN: usize = 1_024;

/// Keys with fewer entries are not worth going through.
const SQUEEZED_FROM: usize = 64;

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
            states: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
            told: Vec::new(),
            cells: 0,
            oldest: i64::MAX,
            evidence_bucket_us,
            evidence_share,
        }
    }

    /// A place for a key that has none here.
    pub fn open(&mut self, key: u32, tenant: u16) -> u32 {
        let state = KeyState::new(key, tenant);
        if let Some(slot) = self.free.pop() {
            self.states[slot as usize] = state;
            return slot;
        }
        self.states.push(state);
        u32::try_from(self.states.len() - 1).expect("bounded by keys_max")
    }

    /// Forgets a key's state; returns how many cells went. The key must not know it any more.
    pub fn close(&mut self, slot: u32) -> usize {
        let state = std::mem::replace(&mut self.states[slot as usize], KeyState::nobody());
        self.free.push(slot);
        self.cells -= state.len();
        state.len()
    }

    /// Folds one match in: `what` is its cell's number; `salt` is a hash of the row's content.
    pub fn observe(&mut self, slot: u32, ts: i64, what: u64, salt: u64, summary: impl FnOnce() -> Arc<str>) {
        self.mark_dirty(slot);
        self.oldest = self.oldest.min(ts);
        let bucket = self.evidence_bucket_us;
        let state = &mut self.states[slot as usize];
        self.cells += state.push((ts, what), &self.mode);
        if (salt ^ ts.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & (self.evidence_share - 1)
            == 0
        {
            state.keep_evidence(ts, bucket, summary, &mut self.cells);
        }
    }

    /// Folds a firing of another correlation in, or takes it back. Only what began a stretch
    /// there is evidence here.
    pub fn pass(&mut self, slot: u32, what: u64, change: Change, summary: impl FnOnce() -> Arc<str>) {
        self.mark_dirty(slot);
        self.oldest = self.oldest.min(change.firing.ts);
        let state = &mut self.states[slot as usize];
        let before = state.len();
        state.pass((change.firing.ts, what), change, &self.mode, summary);
        self.cells = self.cells + state.len() - before;
    }

    fn mark_dirty(&mut self, slot: u32) {
        let state = &mut self.states[slot as usize];
        if state.dirty {
            return;
        }
        state.dirty = true;
        self.dirty.push(slot);
        if self.dirty.len() > 2 * self.states.len() + LEFTOVERS_MIN {
            self.dirty.sort_unstable();
            self.dirty.dedup();
            self.dirty.retain(|&slot| self.states[slot as usize].dirty);
        }
    }

    /// Keys with news since the last call, as places; told keys too when `all_told`.
    pub fn take_dirty(&mut self, all_told: bool) -> Vec<u32> {
        let mut dirty = std::mem::take(&mut self.dirty);
        // A place may stand there twice, for a key that is gone and for the one that has it now.
        dirty.retain(|&slot| std::mem::take(&mut self.states[slot as usize].dirty));
        if all_told {
            self.clear_told();
            dirty.extend(&self.told);
            dirty.sort_unstable();
            dirty.dedup();
        }
        dirty
    }

    fn clear_told(&mut self) {
        self.told.sort_unstable();
        self.told.dedup();
        self.told.retain(|&slot| {
            let state = &mut self.states[slot as usize];
            state.listed &= !state.told().is_empty();
            state.listed
        });
    }

    /// Whether the key at a place has to be judged before it may go; told keys have when `all_told`.
    pub fn is_news(&self, slot: u32, all_told: bool) -> bool {
        let state = &self.states[slot as usize];
        state.dirty || all_told && !state.told().is_empty()
    }

    /// The key at a place is judged now, out of turn.
    pub fn clear_news(&mut self, slot: u32) {
        self.states[slot as usize].dirty = false;
    }

    /// Keeps a key to be looked at again, because a window of it is not closed yet.
    pub fn keep_dirty(&mut self, slot: u32) {
        self.mark_dirty(slot);
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

    /// Replaces what was told of a key from the stretch `kept` on.
    pub fn tell(&mut self, slot: u32, kept: usize, told: Vec<Told>) {
        let state = &mut self.states[slot as usize];
        state.tell(kept, told);
        if state.listed || state.told().is_empty() {
            return;
        }
        state.listed = true;
        self.told.push(slot);
        if self.told.len() > 2 * self.states.len() + LEFTOVERS_MIN {
            self.clear_told();
        }
    }

    /// Forgets cells before the cut of each key's tenant; returns how many. `tenant_of` gives
    /// (cut, closed until) of a tenant; `gone` is told of keys of which nothing is left, with the
    /// place they had.
    pub fn prune(&mut self, tenant_of: impl Fn(u16) -> (i64, i64), mut gone: impl FnMut(u32)) -> usize {
        let before = self.cells;
        let mut oldest = i64::MAX;
        for (slot, state) in self.states.iter_mut().enumerate() {
            if state.is_nobody() {
                continue;
            }
            let (cut, closed_until) = tenant_of(state.tenant);
            let held = state.len();
            state.prune(cut, closed_until, &self.mode);
            self.cells = self.cells + state.len() - held;
            if state.is_empty() {
                gone(state.key);
                *state = KeyState::nobody();
                self.free.push(u32::try_from(slot).expect("slots are u32"));
            } else {
                oldest = oldest.min(state.oldest());
            }
        }
        self.oldest = oldest;
        before.saturating_sub(self.cells)
    }

    /// Takes the older half of their cells from keys with many; returns how many went. `closed_until`
    /// is asked for each tenant.
    pub fn squeeze(&mut self, closed_until: impl Fn(u16) -> i64) -> usize {
        let before = self.cells;
        for state in &mut self.states {
            let held = state.len();
            if held >= SQUEEZED_FROM {
                state.squeeze(closed_until(state.tenant), &self.mode);
                self.cells = self.cells + state.len() - held;
            }
        }
        before.saturating_sub(self.cells)
    }

    /// Keys of which something is remembered.
    pub fn len(&self) -> usize {
        self.states.len() - self.free.len()
    }

    /// Everything that is remembered, key by key.
    pub fn states(&self) -> impl Iterator<Item = &KeyState> {
        self.states.iter().filter(|state| !state.is_nobody())
    }

    /// Nothing is remembered of the time before this; [`i64::MAX`]: nothing at all.
    pub fn oldest(&self) -> i64 {
        self.oldest
    }
}
