//! Keeping the state within its bounds.
//!
//! What goes is found without going through what stays: the keys that were silent longest by one
//! selection over their numbers, their states by the places a key knows. A bound that is crossed is
//! undercut by an eighth, so that what a selection costs is shared by many events, and no step is long.

use super::compile::TrackSpec;
use super::keys::Place;
use super::track::Track;
use super::{Engine, Evaluation};
use haetae_event::time::MINUTE_US;

/// Of keys and cells a bound allows, so many eighths are left when room was made.
const LEFT_EIGHTHS: usize = 7;

/// So many eighths of the keys may go one after the other: few are left.
const ROUNDS_MAX: usize = 16;

impl Engine {
    /// Forgets what is older than the horizon, in steps of a sixteenth of it.
    pub(super) fn prune_by_age(&mut self) {
        let horizon = self.options.horizon_us.max(self.need_us(0));
        let step = horizon / 16;
        let mut moved = false;
        for tenant in &mut self.state.tenants {
            let cut = tenant.newest.saturating_sub(horizon);
            if horizon < i64::MAX && cut > tenant.cut.saturating_add(step) {
                (tenant.cut, tenant.cut_at) = (cut, tenant.newest);
                moved = true;
            }
        }
        if moved {
            self.prune();
        }
    }

    /// Called after each batch: when a bound is crossed, the oldest cells go, then the keys that
    /// were silent longest. What was found of them is put aside for the next evaluation.
    pub(super) fn make_room(&mut self) {
        self.shrink_detectors();
        if self.cells() > self.options.cells_max {
            self.age();
            self.press();
            self.squeeze();
        }
        if self.cells() <= self.options.cells_max && !self.is_crowded() {
            return;
        }
        let mut now = Evaluation::default();
        self.pass_on_news(&mut now);
        for _ in 0..ROUNDS_MAX {
            if self.cells() <= self.cells_target() && !self.is_crowded() {
                break;
            }
            self.forget_keys((self.state.keys.len() / 8).max(1), &mut now);
        }
        self.put_aside(now);
    }

    fn cells_target(&self) -> usize {
        self.options.cells_max / 8 * LEFT_EIGHTHS
    }

    fn put_aside(&mut self, now: Evaluation) {
        self.state.pending = std::mem::take(&mut self.state.pending).followed_by(now);
    }

    /// More keys than are allowed, or longer ones.
    fn is_crowded(&self) -> bool {
        /// Most keys are addresses; a name may be longer, not all of them.
        const TEXT_BYTES: usize = 64;
        let keys = &self.state.keys;
        keys.len() > self.options.keys_max || keys.bytes() > self.options.keys_max.saturating_mul(TEXT_BYTES)
    }

    /// Forgets the oldest cells: each round halves the stretch kept, down to what the windows of each
    /// rule need. Where that would free next to nothing, nothing is gone through.
    fn age(&mut self) {
        let least = self.need_us(0);
        let tracks = self.state.tracks.iter();
        let oldest = tracks.map(Track::oldest).min().unwrap_or(i64::MAX);
        for round in 1..=20 {
            if self.cells() <= self.cells_target() {
                return;
            }
            let mut moved = false;
            for tenant in &mut self.state.tenants {
                let span = tenant.newest.saturating_sub(oldest).max(0);
                let cut = tenant.newest.saturating_sub((span >> round).max(least));
                // Cells are not spread evenly, but a sixteenth of the time is few of them.
                if cut > oldest.max(tenant.cut).saturating_add(span / 16) {
                    (tenant.cut, tenant.cut_at) = (cut, tenant.newest);
                    moved = true;
                }
            }
            if moved {
                self.collect_and_prune();
            }
        }
    }

    /// Where a few keys have most of the cells, as in a flood from few addresses, they would be all
    /// that is left, and go last: rules keep no more than they need for events as late as is allowed,
    /// which of a stretch that goes on is its start and its count.
    fn press(&mut self) {
        if !self.is_held_by_few() {
            return;
        }
        let again_us = self.options.lateness_us / 8;
        let mut moved = false;
        for tenant in &mut self.state.tenants {
            if tenant.newest > tenant.pressed_at.saturating_add(again_us) {
                tenant.pressed_at = tenant.newest;
                moved = true;
            }
        }
        if moved {
            self.collect_and_prune();
        }
    }

    /// Where that is not enough, each key with many cells gives up the older half of them: of what
    /// goes on it keeps start and count, but it is blind for what begins until a window is whole again.
    fn squeeze(&mut self) {
        if !self.is_held_by_few() {
            return;
        }
        let mut now = Evaluation::default();
        self.collect(&mut now);
        self.put_aside(now);
        let tenants = self.state.tenants.iter();
        let closed: Vec<i64> = tenants.map(super::Tenant::closed_until).collect();
        for track in &mut self.state.tracks {
            let gone = track.squeeze(|tenant| closed[usize::from(tenant)]);
            self.state.stats.evicted_cells += gone as u64;
        }
    }

    /// There is no room for the cells, and a good part of them is of keys with many.
    fn is_held_by_few(&self) -> bool {
        let states: usize = self.state.tracks.iter().map(Track::len).sum();
        // Nearly all keys have a cell and its evidence.
        let many = self.cells().saturating_sub(2 * states);
        self.cells() > self.cells_target() && many > self.options.cells_max / 4
    }

    /// What needs the cells that go is told before.
    fn collect_and_prune(&mut self) {
        let mut now = Evaluation::default();
        self.collect(&mut now);
        self.put_aside(now);
        self.prune();
    }

    fn prune(&mut self) {
        // Of each rule, for each tenant: what goes, and what is closed.
        let of_rule = |spec: &TrackSpec| -> Vec<(i64, i64)> {
            let tenants = self.state.tenants.iter();
            let cut = tenants.map(|t| (self.cut_of_rule(t, spec.mode.reach_us), t.closed_until()));
            cut.collect()
        };
        let cuts: Vec<Vec<(i64, i64)>> = self.compiled.specs.iter().map(of_rule).collect();
        let detectors = self.state.detectors.iter();
        let detector_needs: Vec<i64> = detectors.map(|d| self.need_us(d.lookback_us())).collect();
        let (keys, tenants) = (&mut self.state.keys, &self.state.tenants);
        let mut gone = 0;
        for (at, (track, cuts)) in self.state.tracks.iter_mut().zip(&cuts).enumerate() {
            if cuts.iter().all(|(cut, _)| *cut <= track.oldest()) {
                continue;
            }
            let at = u32::try_from(at).expect("fewer rules than 2^32");
            let forget = |key| keys.get_mut(key).places.remove(at);
            gone += track.prune(|tenant| cuts[usize::from(tenant)], forget);
        }
        for ((track, tenant), totals) in &mut self.state.totals {
            let (cut, _) = cuts[*track][usize::from(*tenant)];
            *totals = totals.split_off(&cut.div_euclid(MINUTE_US));
        }
        let mut cells = gone as u64;
        for (detector, need) in self.state.detectors.iter_mut().zip(detector_needs) {
            for tenant in tenants.iter().filter(|tenant| tenant.cut > i64::MIN) {
                cells += detector.forget(&tenant.id, tenant.cut_for(need));
            }
        }
        self.state.stats.evicted_cells += cells;
    }

    /// Detectors over the bound: the largest gives up a sixteenth, until all fit together: they hold
    /// millions of entries, and more at once would be a long step. What holds of a detector is told
    /// before it gives anything up.
    fn shrink_detectors(&mut self) {
        let bytes_max = self.options.detector_bytes_max;
        if self.detector_bytes() <= bytes_max {
            return;
        }
        let closing = self.closing();
        let mut now = Evaluation::default();
        // What may be asked for more, and what was not told yet what it holds.
        let mut left: Vec<(usize, bool)> = (0..self.state.detectors.len()).map(|at| (at, true)).collect();
        while self.detector_bytes() > bytes_max {
            let detectors = &mut self.state.detectors;
            let largest = (0..left.len()).max_by_key(|&at| detectors[left[at].0].bytes());
            let Some(largest) = largest else { break };
            let (at, untold) = &mut left[largest];
            let detector = &mut detectors[*at];
            if std::mem::take(untold) {
                detector.evaluate(&closing, &mut now);
            }
            let before = detector.bytes();
            self.state.stats.evicted_entities += detector.shrink(before / 16 * 15);
            if detector.bytes() >= before {
                // Nothing of it can go.
                left.swap_remove(largest);
            }
        }
        self.put_aside(now);
    }

    /// Forgets the `count` keys that were silent longest; what holds of them is told first.
    fn forget_keys(&mut self, count: usize, now: &mut Evaluation) {
        let stale = self.state.keys.stalest(count);
        self.judge_last(&stale, now);
        for &id in &stale {
            let known = self.state.keys.get_mut(id);
            let places = std::mem::take(&mut known.places);
            for place in places.iter() {
                let cells = self.state.tracks[place.track as usize].close(place.slot);
                self.state.stats.evicted_cells += cells as u64;
            }
            self.state.keys.forget(id);
        }
        self.state.stats.evicted_keys += stale.len() as u64;
    }

    /// Judges what is new of keys before they go.
    fn judge_last(&mut self, stale: &[u32], out: &mut Evaluation) {
        let mut news: Vec<Place> = Vec::new();
        for &id in stale {
            let places = self.state.keys.get(id).places.iter();
            news.extend(places.filter(|place| {
                let track = place.track as usize;
                self.state.tracks[track].is_news(place.slot, self.compiled.specs[track].proxy_aware)
            }));
        }
        // In order of tracks: what is watched comes before its watchers.
        news.sort_unstable();
        for place in news {
            self.state.tracks[place.track as usize].clear_news(place.slot);
            self.judge_key(place.track as usize, place.slot, out);
        }
    }

    /// Judges every key with news that other correlations wait for: a key of theirs is as young as
    /// the last that was passed on to it.
    fn pass_on_news(&mut self, out: &mut Evaluation) {
        for track in 0..self.state.tracks.len() {
            if self.compiled.specs[track].mode.watched {
                for slot in self.state.tracks[track].take_dirty(false) {
                    self.judge_key(track, slot, out);
                }
            }
        }
    }
}
