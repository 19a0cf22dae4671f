//! Keeping the state within its bounds.

use super::{Engine, Evaluation};
use std::collections::HashSet;

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

    /// Called after each batch: when a bound is crossed, what was found is put aside for the
    /// next evaluation, then the oldest cells go, then the keys that were silent longest.
    pub(super) fn make_room(&mut self) {
        self.shrink_detectors();
        if !self.is_crowded() && self.cells() <= self.options.cells_max {
            return;
        }
        let mut now = Evaluation::default();
        self.collect(&mut now);
        self.state.pending = std::mem::take(&mut self.state.pending).followed_by(now);
        let target = self.options.cells_max / 4 * 3;
        let least = self.need_us(0);
        // Each round halves the stretch kept, down to what the windows of each rule need.
        let oldest = self
            .state
            .tracks
            .iter()
            .filter_map(super::track::Track::oldest)
            .min();
        for round in 1..=20 {
            if self.cells() <= target {
                break;
            }
            for tenant in &mut self.state.tenants {
                let span = tenant.newest.saturating_sub(oldest.unwrap_or(tenant.newest));
                let kept = (span >> round).max(least);
                tenant.cut = tenant.cut.max(tenant.newest.saturating_sub(kept));
                tenant.cut_at = tenant.newest;
            }
            self.prune();
        }
        for _ in 0..8 {
            let keys = self.state.keys.len();
            if self.cells() <= target && !self.is_crowded() {
                break;
            }
            self.forget_keys((keys / 4).max(1));
        }
    }

    /// More keys than are allowed, or longer ones.
    fn is_crowded(&self) -> bool {
        /// Most keys are addresses; a name may be longer, not all of them.
        const TEXT_BYTES: usize = 64;
        let keys = &self.state.keys;
        keys.len() > self.options.keys_max || keys.bytes() > self.options.keys_max.saturating_mul(TEXT_BYTES)
    }

    fn prune(&mut self) {
        let specs = self.compiled.specs.iter();
        let needs: Vec<i64> = specs.map(|spec| self.need_us(spec.mode.reach_us)).collect();
        let detectors = self.state.detectors.iter();
        let detector_needs: Vec<i64> = detectors.map(|d| self.need_us(d.lookback_us())).collect();
        let (keys, tenants) = (&self.state.keys, &self.state.tenants);
        let mut gone = 0;
        for (track, need) in self.state.tracks.iter_mut().zip(&needs) {
            gone += track.prune(|key| {
                let tenant = &tenants[usize::from(keys.get(key).tenant)];
                (tenant.cut_for(*need), tenant.closed_until())
            });
        }
        for ((track, tenant), totals) in &mut self.state.totals {
            let cut = tenants[usize::from(*tenant)]
                .cut_for(needs[*track])
                .div_euclid(haetae_event::time::MINUTE_US);
            *totals = totals.split_off(&cut);
        }
        let mut cells = gone as u64;
        for (detector, need) in self.state.detectors.iter_mut().zip(detector_needs) {
            for tenant in tenants.iter().filter(|tenant| tenant.cut > i64::MIN) {
                cells += detector.forget(&tenant.id, tenant.cut_for(need));
            }
        }
        self.state.stats.evicted_cells += cells;
    }

    /// Detectors over the bound: what holds so far is told, then the largest is halved, until
    /// all fit together.
    fn shrink_detectors(&mut self) {
        const ROUNDS_MAX: usize = 32;
        if self.detector_bytes() <= self.options.detector_bytes_max {
            return;
        }
        let mut now = Evaluation::default();
        self.collect_detectors(&mut now);
        self.state.pending = std::mem::take(&mut self.state.pending).followed_by(now);
        for _ in 0..ROUNDS_MAX {
            let over = self
                .detector_bytes()
                .saturating_sub(self.options.detector_bytes_max);
            let largest = self.state.detectors.iter_mut().max_by_key(|d| d.bytes());
            let (Some(detector), true) = (largest, over > 0) else {
                break;
            };
            let target = detector.bytes() / 2;
            self.state.stats.evicted_entities += detector.shrink(target);
        }
    }

    fn forget_keys(&mut self, count: usize) {
        let stale = self.state.keys.stalest(count);
        let set: HashSet<u32> = stale.iter().copied().collect();
        for track in &mut self.state.tracks {
            self.state.stats.evicted_cells += track.forget(&set) as u64;
        }
        self.state.keys.forget(&stale);
        self.state.stats.evicted_keys += stale.len() as u64;
    }
}
