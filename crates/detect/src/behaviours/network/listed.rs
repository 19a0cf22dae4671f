//! Flows of addresses that reputation lists know (`ti_score`, which speaks of the source).
//!
//! A bad address that comes in and is let in is told quietly: the internet is full of them. One
//! that answers was asked by one of our own hosts, which is told loudly, on that host.

use super::flow::{Address, Flow, Orientation};
use super::scan::ip;
use super::windows::{Kind, clusters, evidence};
use super::{Part, Scopes};
use crate::detector::{Verdict, reconcile};
use crate::detectors::network::KnownBad;
use crate::engine::Evaluation;
use ahash::AHashMap;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::time::{HOUR_US, MINUTE_US};
use std::collections::{BTreeMap, BTreeSet};

const INBOUND: Kind = Kind {
    detector: "known_bad_inbound",
    title: "Known-bad address was let in",
    attack: &["T1190"],
    gap_us: HOUR_US,
    monotone: true,
};
const OUTBOUND: Kind = Kind {
    detector: "known_bad_outbound",
    title: "Host talks to a known-bad address",
    attack: &["T1071"],
    gap_us: HOUR_US,
    monotone: true,
};

/// Others of an hour's partners are counted, not named.
const PARTNERS_MAX: usize = 8;
const ENTITY_BYTES: usize = 150;
const MINUTE_BYTES: usize = 120;

/// One minute: first flow, flows, and the smallest partners.
#[derive(Debug)]
struct Minute {
    first: i64,
    flows: u64,
    partners: BTreeSet<Address>,
}

#[derive(Debug, Default)]
struct Listee {
    minutes: BTreeMap<i64, Minute>,
    score: i64,
    dirty: bool,
    told: Vec<Verdict>,
}

/// Scope, address, and whether it is one of ours that talked to a bad one.
type Key = (u16, Address, bool);

/// The part: bad addresses that came in, and hosts that asked bad addresses.
pub struct Listed {
    settings: Option<KnownBad>,
    listees: AHashMap<Key, Listee>,
    dirty: Vec<Key>,
    minutes: usize,
}

impl Listed {
    pub fn new(settings: Option<KnownBad>) -> Listed {
        Listed {
            settings: settings.filter(|s| s.enabled),
            listees: AHashMap::new(),
            dirty: Vec::new(),
            minutes: 0,
        }
    }

    fn count(&mut self, key: Key, partner: Address, flow: &Flow) {
        let listee = self.listees.entry(key).or_default();
        if !listee.dirty {
            listee.dirty = true;
            self.dirty.push(key);
        }
        listee.score = listee.score.max(flow.ti_score);
        let before = listee.minutes.len();
        let minute = listee
            .minutes
            .entry(flow.ts.div_euclid(MINUTE_US))
            .or_insert_with(|| Minute {
                first: flow.ts,
                flows: 0,
                partners: BTreeSet::new(),
            });
        minute.first = minute.first.min(flow.ts);
        minute.flows += 1;
        minute.partners.insert(partner);
        if minute.partners.len() > PARTNERS_MAX {
            minute.partners.pop_last();
        }
        self.minutes += listee.minutes.len() - before;
    }
}

fn judge(settings: &KnownBad, listee: &Listee, ours: bool, dataset: &str) -> Vec<Verdict> {
    let (kind, level) = match ours {
        true => (OUTBOUND, settings.outbound_level),
        false => (INBOUND, settings.inbound_level),
    };
    let moments = listee.minutes.values().map(|minute| (minute.first, minute.flows));
    let mut found = Vec::new();
    for extent in clusters(moments, kind.gap_us) {
        let inside = || {
            let minutes = listee.minutes.values();
            minutes.filter(move |minute| (extent.start..=extent.end).contains(&minute.first))
        };
        let mut verdict = kind.verdict(dataset, level, extent);
        let partners: BTreeSet<Address> = inside().flat_map(|m| m.partners.iter().copied()).collect();
        let named: Vec<String> = partners.iter().take(5).map(Address::to_string).collect();
        verdict.evidence = inside()
            .take(EVIDENCE_MAX)
            .map(|minute| {
                let with: Vec<String> = minute.partners.iter().take(2).map(Address::to_string).collect();
                evidence(
                    minute.first,
                    format!("{} flows with {}", minute.flows, with.join(", ")),
                )
            })
            .collect();
        verdict.facts = vec![
            ("reputation score".into(), listee.score.to_string()),
            ("with".into(), named.join(", ")),
        ];
        found.push(verdict);
    }
    found
}

impl Part for Listed {
    fn observe(&mut self, scope: u16, flows: &[Flow]) {
        let Some(least) = self.settings.as_ref().map(|s| s.score_min.max(1)) else {
            return;
        };
        for flow in flows {
            if flow.ti_score < least || flow.refused || flow.src_private {
                continue;
            }
            match flow.orientation {
                // What a bad address answers was asked of it; over UDP perhaps in our name by others.
                Orientation::Answer if flow.protocol == 6 => {
                    self.count((scope, flow.dst, true), flow.src, flow)
                }
                _ => self.count((scope, flow.src, false), flow.dst, flow),
            }
        }
    }

    fn evaluate(&mut self, scopes: &Scopes<'_>, out: &mut Evaluation) {
        let Some(settings) = &self.settings else {
            return;
        };
        for key in std::mem::take(&mut self.dirty) {
            let Some(listee) = self.listees.get_mut(&key) else {
                continue;
            };
            listee.dirty = false;
            let now = judge(settings, listee, key.2, scopes.dataset(key.0).as_str());
            reconcile(scopes.tenant(key.0), &ip(key.1), &mut listee.told, now, out);
        }
    }

    fn forget(&mut self, scope: u16, before_us: i64) -> u64 {
        let mut gone = 0;
        self.listees.retain(|key, listee| {
            if key.0 != scope {
                return true;
            }
            let keep = listee.minutes.split_off(&before_us.div_euclid(MINUTE_US));
            gone += std::mem::replace(&mut listee.minutes, keep).len();
            listee.told.retain(|verdict| verdict.extent.end >= before_us);
            !listee.minutes.is_empty()
        });
        self.minutes -= gone;
        gone as u64
    }

    fn bytes(&self) -> usize {
        self.listees.len() * ENTITY_BYTES + self.minutes * MINUTE_BYTES
    }

    /// Those that come in go before our own, those with the fewest minutes first.
    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut ranked: Vec<(bool, usize, u16, Address)> = self
            .listees
            .iter()
            .map(|(key, listee)| (key.2, listee.minutes.len(), key.0, key.1))
            .collect();
        ranked.sort_unstable();
        let mut lost = 0;
        for (ours, minutes, scope, address) in ranked {
            if self.bytes() <= bytes_max {
                break;
            }
            self.listees.remove(&(scope, address, ours));
            self.minutes -= minutes;
            lost += 1;
        }
        lost
    }
}
