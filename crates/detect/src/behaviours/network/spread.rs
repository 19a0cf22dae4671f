//! Port scans from many sources: each tries a few ports of one target, together they try many.
//!
//! Per target and ten minutes: how many ports and how many sources ([`super::sketch`]).

use super::flow::{Address, Flow, Knock};
use super::scan::ip;
use super::sketch::{Distinct, hash32};
use super::windows::{Kind, evidence};
use super::{Part, Scopes};
use crate::detector::{Extent, Verdict, reconcile};
use crate::detectors::network::DistributedScan;
use crate::engine::Evaluation;
use ahash::AHashMap;
use haetae_event::time::MINUTE_US;
use std::collections::BTreeMap;

const SLOT_US: i64 = 10 * MINUTE_US;

const KIND: Kind = Kind {
    detector: "distributed_scan",
    title: "Port scan from many sources",
    attack: &["T1046"],
    gap_us: SLOT_US,
    monotone: false,
};

#[derive(Debug, Default)]
struct Slot {
    knocks: u64,
    ports: Distinct,
    sources: Distinct,
}

impl Slot {
    fn bytes(&self) -> usize {
        size_of::<Slot>() + 32 + self.ports.bytes() + self.sources.bytes()
    }
}

#[derive(Debug, Default)]
struct Target {
    slots: BTreeMap<i64, Slot>,
    dirty: bool,
    told: Vec<Verdict>,
}

/// The part: every target that is knocked at.
pub struct Targets {
    settings: Option<DistributedScan>,
    targets: AHashMap<(u16, Address), Target>,
    dirty: Vec<(u16, Address)>,
    bytes: usize,
}

impl Targets {
    pub fn new(settings: Option<DistributedScan>) -> Targets {
        Targets {
            settings: settings.filter(|s| s.enabled),
            targets: AHashMap::new(),
            dirty: Vec::new(),
            bytes: 0,
        }
    }

    fn recount(&mut self) {
        let slots = self.targets.values().flat_map(|target| target.slots.values());
        self.bytes = slots.map(Slot::bytes).sum::<usize>() + self.targets.len() * 150;
    }
}

fn judge(settings: &DistributedScan, target: &Target, closed: i64, dataset: &str) -> Vec<Verdict> {
    let mut found: Vec<Verdict> = Vec::new();
    for (&at, slot) in &target.slots {
        let (ports, sources) = (slot.ports.count(), slot.sources.count());
        let end = (at + 1).saturating_mul(SLOT_US);
        if end > closed
            || ports < settings.ports_min
            || sources < settings.sources_min
            || ports > sources.saturating_mul(settings.ports_per_source_max)
        {
            continue;
        }
        let extent = Extent {
            start: at * SLOT_US,
            end: end - 1,
            count: slot.knocks,
        };
        let line = format!("{} knocks at {ports} ports from {sources} sources", slot.knocks);
        let line = evidence(extent.start, line);
        match found.last_mut() {
            Some(last) if last.extent.end + 1 == extent.start => {
                last.extent.end = extent.end;
                last.extent.count += extent.count;
                if last.evidence.len() < haetae_event::finding::EVIDENCE_MAX {
                    last.evidence.push(line);
                }
            }
            _ => {
                let mut verdict = KIND.verdict(dataset, settings.level, extent);
                verdict.evidence.push(line);
                found.push(verdict);
            }
        }
    }
    found
}

impl Part for Targets {
    fn observe(&mut self, scope: u16, flows: &[Flow]) {
        if self.settings.is_none() {
            return;
        }
        for flow in flows.iter().filter(|flow| flow.knock == Some(Knock::Failed)) {
            let target = self.targets.entry((scope, flow.dst)).or_default();
            if !target.dirty {
                target.dirty = true;
                self.dirty.push((scope, flow.dst));
            }
            let fresh = target.slots.is_empty();
            let slot = target.slots.entry(flow.ts.div_euclid(SLOT_US)).or_default();
            let before = if slot.knocks == 0 { 0 } else { slot.bytes() };
            slot.knocks += 1;
            slot.ports.add(hash32(u64::from(flow.dst_port)));
            slot.sources.add(flow.src.mixed() as u32);
            self.bytes = self.bytes + slot.bytes() - before + if fresh { 150 } else { 0 };
        }
    }

    fn evaluate(&mut self, scopes: &Scopes<'_>, out: &mut Evaluation) {
        let Some(settings) = &self.settings else {
            return;
        };
        for key in std::mem::take(&mut self.dirty) {
            let Some(target) = self.targets.get_mut(&key) else {
                continue;
            };
            let closed = scopes.closed(key.0);
            let last = target.slots.keys().next_back().map_or(i64::MIN, |at| at + 1);
            // Dirty until its last slot is closed.
            target.dirty = last.saturating_mul(SLOT_US) > closed;
            if target.dirty {
                self.dirty.push(key);
            }
            let now = judge(settings, target, closed, scopes.dataset(key.0).as_str());
            if !(now.is_empty() && target.told.is_empty()) {
                reconcile(scopes.tenant(key.0), &ip(key.1), &mut target.told, now, out);
            }
        }
    }

    fn forget(&mut self, scope: u16, before_us: i64) -> u64 {
        let mut gone = 0;
        self.targets.retain(|(of, _), target| {
            if *of != scope {
                return true;
            }
            let keep = target.slots.split_off(&before_us.div_euclid(SLOT_US));
            gone += std::mem::replace(&mut target.slots, keep).len() as u64;
            target.told.retain(|verdict| verdict.extent.end >= before_us);
            !target.slots.is_empty()
        });
        self.recount();
        gone
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    /// Targets that the fewest knocks were for go first.
    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let knocks = |target: &Target| target.slots.values().map(|slot| slot.knocks).sum::<u64>();
        let mut ranked: Vec<(u64, (u16, Address))> = self
            .targets
            .iter()
            .map(|(key, target)| (knocks(target), *key))
            .collect();
        ranked.sort_unstable();
        let mut lost = 0;
        for (_, key) in ranked {
            if self.bytes <= bytes_max {
                break;
            }
            if let Some(target) = self.targets.remove(&key) {
                let held: usize = target.slots.values().map(Slot::bytes).sum();
                self.bytes = self.bytes.saturating_sub(held + 150);
                lost += 1;
            }
        }
        lost
    }
}
