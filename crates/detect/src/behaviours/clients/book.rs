//! What was found, by window and by entity, and what was told of it.
//!
//! Judging replaces what was found in a window. What that means for episodes is worked out once
//! an evaluation, when every window is judged: an entity's verdicts of all windows, and of all
//! addresses it came from, are joined and held against what was told. Nothing that held for a
//! moment amid an evaluation is ever told.

use super::WindowId;
use super::verdict;
use crate::detector::{Verdict, reconcile};
use crate::engine::Evaluation;
use haetae_event::{Entity, TenantId};
use std::collections::{BTreeMap, BTreeSet};

/// A verdict of one window about one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub window: WindowId,
    /// The key of the client it was found at; `None`: of a host.
    pub client: Option<u64>,
    pub entity: Entity,
    pub verdict: Verdict,
}

#[derive(Debug, Default)]
struct Known {
    found: Vec<Found>,
    told: Vec<Verdict>,
}

/// All verdicts of windows still known, and those told.
#[derive(Debug, Default)]
pub struct Book {
    by_entity: BTreeMap<(u16, Entity), Known>,
    /// Entities with verdicts in a window.
    by_window: BTreeMap<WindowId, BTreeSet<Entity>>,
    touched: BTreeSet<(u16, Entity)>,
}

impl Book {
    /// Puts `fresh` in the place of what was found in a window, as far as that does not stand.
    pub fn replace(&mut self, window: WindowId, stands: impl Fn(&Found) -> bool, fresh: Vec<Found>) {
        let mut held = BTreeSet::new();
        for entity in self.by_window.remove(&window).unwrap_or_default() {
            let key = (window.0, entity);
            if let Some(known) = self.by_entity.get_mut(&key) {
                let mut stay = false;
                known.found.retain(|found| {
                    let own = found.window == window;
                    let keep = !own || stands(found);
                    stay |= own && keep;
                    keep
                });
                if stay {
                    held.insert(key.1.clone());
                }
            }
            self.touched.insert(key);
        }
        for found in fresh {
            held.insert(found.entity.clone());
            let key = (window.0, found.entity.clone());
            self.touched.insert(key.clone());
            self.by_entity.entry(key).or_default().found.push(found);
        }
        if !held.is_empty() {
            self.by_window.insert(window, held);
        }
    }

    /// Compares what holds of the entities judged since the last call with what was told.
    pub fn tell(&mut self, tenants: &[TenantId], out: &mut Evaluation) {
        for key in std::mem::take(&mut self.touched) {
            let Some(known) = self.by_entity.get_mut(&key) else {
                continue;
            };
            let found = known.found.iter().map(|found| found.verdict.clone());
            let now = verdict::joined(found.collect());
            let tenant = &tenants[usize::from(key.0)];
            reconcile(tenant, &key.1, &mut known.told, now, out);
            if known.told.is_empty() && known.found.is_empty() {
                self.by_entity.remove(&key);
            }
        }
    }

    /// Forgets what was told and ended before `before_us`. What a later episode is joined from
    /// stays as long as the episode.
    pub fn forget(&mut self, tenant: u16, before_us: i64) {
        self.by_entity.retain(|(of, _), known| {
            if *of != tenant {
                return true;
            }
            known.told.retain(|verdict| verdict.extent.end >= before_us);
            let Known { found, told } = known;
            found.retain(|found| {
                let found = &found.verdict;
                let part = |v: &Verdict| v.rule_id == found.rule_id && v.extent.end >= found.extent.start;
                found.extent.end >= before_us || told.iter().any(part)
            });
            !found.is_empty() || !told.is_empty()
        });
        self.index();
    }

    /// Gives up what was found at clients that are not `held` any more, without a word.
    pub fn keep_clients(&mut self, held: impl Fn(u64) -> bool) {
        self.by_entity.retain(|_, known| {
            known.found.retain(|found| found.client.is_none_or(&held));
            !known.found.is_empty()
        });
        self.index();
    }

    /// The keys of clients with verdicts.
    pub fn clients(&self) -> impl Iterator<Item = u64> {
        let found = self.by_entity.values().flat_map(|known| &known.found);
        found.filter_map(|found| found.client)
    }

    pub fn bytes(&self) -> usize {
        // A verdict with its texts is about a kilobyte.
        self.by_entity.len() * 2_048
    }

    fn index(&mut self) {
        self.by_window.clear();
        for ((_, entity), known) in &self.by_entity {
            for found in &known.found {
                let of = self.by_window.entry(found.window).or_default();
                of.insert(entity.clone());
            }
        }
        let by_entity = &self.by_entity;
        self.touched.retain(|key| by_entity.contains_key(key));
    }
}
