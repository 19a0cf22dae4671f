//! Which windows are to be judged, now or anew.
//!
//! For judges that keep windows until no event can come for them any more: a late event changes its
//! window, and the window is given out again.

use super::{Extractor, Held, Micros, TenantId, WindowKey, WindowRow, sorted};

/// See [`Extractor::take_changed`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// Windows that are new or not what they were, by key.
    pub rows: Vec<WindowRow>,
    /// Windows given out before that others have pushed out: as if they had never been.
    pub gone: Vec<WindowKey>,
}

impl Extractor {
    /// The windows that ended at what `closed` says of their tenant, and changed since they were
    /// last taken.
    pub fn take_changed(&mut self, closed: impl Fn(&TenantId) -> Micros) -> Changed {
        let window_us = self.options.window_us;
        let mut rows = Vec::new();
        for start in std::mem::take(&mut self.dirty) {
            let end = start.saturating_add(window_us);
            let mut open = false;
            for held in self
                .windows
                .get_mut(&start)
                .into_iter()
                .flat_map(|c| c.values_mut())
            {
                if !held.changed {
                    continue;
                }
                if end > closed(&held.key.tenant) {
                    open = true;
                    continue;
                }
                (held.changed, held.taken) = (false, true);
                rows.push(WindowRow {
                    key: held.key.clone(),
                    values: held.cell.values(start, window_us),
                });
            }
            if open {
                self.dirty.insert(start);
            }
        }
        Changed {
            rows: sorted(rows),
            gone: std::mem::take(&mut self.gone),
        }
    }

    /// Drops the windows of `tenant` that end at `before` or earlier: no event will come for them.
    /// Returns how many.
    pub fn forget(&mut self, tenant: &TenantId, before: Micros) -> u64 {
        let window_us = self.options.window_us;
        let mut gone = 0;
        for (_, clients) in self
            .windows
            .iter_mut()
            .take_while(|(start, _)| start.saturating_add(window_us) <= before)
        {
            clients.retain(|_, held| {
                let stays = held.key.tenant != *tenant;
                gone += if stays { 0 } else { held.cell.len() };
                stays
            });
        }
        self.windows.retain(|_, clients| !clients.is_empty());
        self.cells -= gone;
        gone as u64
    }

    /// Lets the oldest windows go for good until at most `cells_max` are held, and gives those that
    /// have changed as they were. Events that come for them later are counted as crowded out.
    pub fn let_go(&mut self, cells_max: usize) -> Vec<WindowRow> {
        let mut rows = Vec::new();
        while self.cells > cells_max
            && let Some((start, clients)) = self.windows.pop_first()
        {
            self.cells -= clients.values().map(|held| held.cell.len()).sum::<usize>();
            self.floor = start.saturating_add(self.options.window_us);
            self.dirty.remove(&start);
            let changed = clients.into_values().filter(|held| held.changed);
            rows.extend(changed.map(|Held { key, cell, .. }| self.row(key, &cell)));
        }
        sorted(rows)
    }

    /// Windows held, each once for each dataset that tells of it.
    pub fn cells(&self) -> usize {
        self.cells
    }

    pub fn window_us(&self) -> i64 {
        self.options.window_us
    }
}
