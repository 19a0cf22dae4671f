//! Parts of a long replay put together: an episode that lies across a border is one.

use crate::engine::ladder::{Alert, Part, Retold};
use haetae_event::{Entity, TenantId};
use std::collections::BTreeMap;

/// What a rule would have told, over all parts so far.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    by_entity: BTreeMap<(TenantId, Entity), Retold>,
    parts_lacking: usize,
}

impl Gathered {
    /// Adds the next part in time. The furthest number is kept on the side `rising` says.
    pub fn add(&mut self, part: Part, rising: bool) {
        self.parts_lacking += usize::from(!part.whole);
        for later in part.retold {
            let key = (later.tenant.clone(), later.entity.clone());
            let Some(known) = self.by_entity.get_mut(&key) else {
                self.by_entity.insert(key, later);
                continue;
            };
            known.peak = match rising {
                true => known.peak.max(later.peak),
                false => known.peak.min(later.peak),
            };
            if known.alerts.len() < later.alerts.len() {
                known.alerts.resize(later.alerts.len(), Vec::new());
            }
            for (known, later) in known.alerts.iter_mut().zip(later.alerts) {
                follow(known, later, part.gap_us);
            }
        }
    }

    /// Parts of which something had been forgotten when they were asked for.
    pub fn parts_lacking(&self) -> usize {
        self.parts_lacking
    }

    /// By tenant and entity.
    pub fn into_retold(self) -> Vec<Retold> {
        self.by_entity.into_values().collect()
    }
}

/// Adds episodes of later windows; what touches the last of the known ones is the same.
fn follow(known: &mut Vec<Alert>, later: Vec<Alert>, gap_us: i64) {
    for alert in later {
        match known.last_mut() {
            Some(last) if last.window.touches(&alert.window, gap_us) => {
                last.window = last.window.union(&alert.window);
                last.level = last.level.max(alert.level);
                last.count = last.count.saturating_add(alert.count);
            }
            _ => known.push(alert),
        }
    }
}
