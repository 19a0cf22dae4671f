//! Many to one: rate and spread of the sources of one target rise together.
//!
//! Per target (host of a site, private address) and minute: requests or flows, and their sources
//! ([`super::sketch`]). A minute is judged against the median minute of the hour before, without
//! the last two. A crowd that comes to a site spreads the sources as well; but it loads the assets
//! of its pages and asks for more than one path, so that web requests need both signs. Assets may
//! lie on another host, or in the log of the content network: who loaded any from the tenant is
//! taken for a visitor. Per-source thresholds see nothing of such an attack: each source stays below
//! them.

mod minute;

use super::flow::{Address, Flow, Orientation};
use super::scan::ip;
use super::sketch::{Bits, Distinct, ENTROPY_MAX, no_bits};
use super::windows::{Kind, evidence};
use super::{Part, Scopes};
use crate::columns::Texts;
use crate::detector::{Extent, Verdict, reconcile};
use crate::detectors::network::ManyToOne;
use crate::engine::Evaluation;
use crate::engine::value::split_uri;
use crate::names::bounded;
use ahash::{AHashMap, RandomState};
use haetae_event::asset::is_asset;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::time::MINUTE_US;
use haetae_event::{Entity, EventBatch};
use minute::{Figures, Minute};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Targets watched; of more the least busy quarter is forgotten: clients may write any host.
const TARGETS_MAX: usize = 4_000;
/// The last minutes before the one judged are no part of its baseline: they may hold the attack's
/// beginning, and need not be final.
const GUARD_MINUTES: i64 = 2;
/// Who loaded an asset within so many minutes is somebody with a browser.
const ASSET_MINUTES: i64 = 10;
/// Minutes this far behind the newest of a target, and final, are kept as their figures only: no
/// sooner than the engine forgets, since late events may come for them until then.
const DETAIL_MINUTES: i64 = 26 * 60;
/// Close enough to the most that the sketch can say.
const ENTROPY_FULL: f64 = ENTROPY_MAX - 0.7;
/// A target without its minutes.
const TARGET_BYTES: usize = 300;
/// Share of a target's minute from which a source is named.
const HEAVY_SHARE: f64 = 0.05;

const KIND: Kind = Kind {
    detector: "many_to_one",
    title: "Many sources at one target (DDoS)",
    attack: &["T1498", "T1499"],
    gap_us: 5 * MINUTE_US,
    monotone: false,
};

#[derive(Debug)]
struct Target {
    scope: u16,
    entity: Entity,
    web: bool,
    minutes: BTreeMap<i64, Minute>,
    dirty: bool,
    /// First minute that changed since the last judgement.
    changed: i64,
    told: Vec<Verdict>,
    /// Requests or flows of all minutes held.
    rows: u64,
}

/// The part: all targets.
pub struct ManySources {
    settings: Option<ManyToOne>,
    targets: Vec<Target>,
    addresses: AHashMap<(u16, Address), u32>,
    hosts: AHashMap<(u16, Option<Box<str>>), u32>,
    /// Sources that loaded assets, by scope and minute.
    loaders: BTreeMap<(u16, i64), Distinct>,
    /// Scopes with new ones since the last judgement.
    loaded: BTreeSet<u16>,
    /// First minute of each scope.
    firsts: BTreeMap<u16, i64>,
    /// The same in every process: which paths share a class must not differ between runs.
    hasher: RandomState,
    bytes: usize,
    unobserved: u64,
}

impl ManySources {
    pub fn new(settings: Option<ManyToOne>) -> ManySources {
        ManySources {
            settings: settings.filter(|s| s.enabled),
            targets: Vec::new(),
            addresses: AHashMap::new(),
            hosts: AHashMap::new(),
            loaders: BTreeMap::new(),
            loaded: BTreeSet::new(),
            firsts: BTreeMap::new(),
            hasher: RandomState::with_seeds(11, 13, 17, 19),
            bytes: 0,
            unobserved: 0,
        }
    }

    /// Counts requests by host.
    pub fn observe_web(&mut self, scope: u16, batch: &EventBatch) {
        if self.settings.is_none() {
            return;
        }
        let [sources, hosts, uris] = ["src_ip", "dst_host", "uri"].map(|name| Texts::of(batch, name));
        let mut held: Option<(Option<&str>, Option<usize>)> = None;
        for (row, &ts) in batch.ts().values().iter().enumerate() {
            let source = sources.get(row).and_then(Address::parse);
            let (Some(source), Some(uri)) = (source, uris.get(row)) else {
                continue;
            };
            let host = hosts.get(row);
            let target = match held {
                Some((of, target)) if of == host => target,
                _ => self.host_target(scope, host, batch.dataset.as_str()),
            };
            held = Some((host, target));
            let Some(target) = target else {
                self.unobserved += 1;
                continue;
            };
            let path = (!is_asset(uri)).then(|| self.hasher.hash_one(split_uri(uri).0));
            self.count(target, scope, ts, source, Some(path));
        }
    }

    fn host_target(&mut self, scope: u16, host: Option<&str>, dataset: &str) -> Option<usize> {
        let host = host.map(bounded);
        let host = host.as_deref();
        let key = (scope, host.map(Box::from));
        if let Some(&index) = self.hosts.get(&key) {
            return Some(index as usize);
        }
        let (kind, value) = host.map_or(("dataset", dataset), |host| ("host", host));
        let entity = Entity {
            kind: kind.into(),
            value: value.into(),
        };
        let index = self.push(scope, entity, true)?;
        self.hosts.insert(key, index);
        Some(index as usize)
    }

    fn address_target(&mut self, scope: u16, address: Address) -> Option<usize> {
        if let Some(&index) = self.addresses.get(&(scope, address)) {
            return Some(index as usize);
        }
        let index = self.push(scope, ip(address), false)?;
        self.addresses.insert((scope, address), index);
        Some(index as usize)
    }

    fn push(&mut self, scope: u16, entity: Entity, web: bool) -> Option<u32> {
        if self.targets.len() >= TARGETS_MAX {
            self.make_room();
        }
        self.targets.push(Target {
            scope,
            entity,
            web,
            minutes: BTreeMap::new(),
            dirty: false,
            changed: i64::MAX,
            told: Vec::new(),
            rows: 0,
        });
        u32::try_from(self.targets.len() - 1).ok()
    }

    /// Forgets the least busy quarter; those told of stay longest.
    fn make_room(&mut self) {
        let worth = |target: &Target| (!target.told.is_empty(), target.rows);
        self.targets
            .sort_by(|a, b| (worth(a), &a.entity).cmp(&(worth(b), &b.entity)));
        for gone in self.targets.drain(..TARGETS_MAX / 4) {
            self.unobserved += gone.rows;
            self.bytes -= gone.minutes.values().map(Minute::bytes).sum::<usize>();
        }
        self.index();
    }

    /// `path`: for web requests, the hash of the path, unless that is an asset.
    fn count(&mut self, target: usize, scope: u16, ts: i64, source: Address, path: Option<Option<u64>>) {
        let at = ts.div_euclid(MINUTE_US);
        let first = self.firsts.entry(scope).or_insert(at);
        if at < *first {
            // How much of a baseline every target of the scope has changes with it.
            *first = at;
            let own = self.targets.iter_mut().filter(|target| target.scope == scope);
            own.for_each(|target| (target.dirty, target.changed) = (true, i64::MIN));
        }
        let target = &mut self.targets[target];
        target.dirty = true;
        target.changed = target.changed.min(at);
        let minute = target.minutes.entry(at).or_default();
        let before = if minute.count == 0 { 0 } else { minute.bytes() };
        target.rows += 1;
        if minute.add(source, path) {
            let loaders = self.loaders.entry((scope, at)).or_default();
            let held = loaders.bytes();
            loaders.add(source.mixed() as u32);
            self.bytes = self.bytes + loaders.bytes() - held;
            self.loaded.insert(scope);
        }
        self.bytes = self.bytes + minute.bytes() - before;
    }

    /// Forgets who loaded assets in minutes of a scope before `minute`.
    fn forget_loaders(&mut self, scope: u16, minute: i64) {
        let old = self.loaders.range((scope, i64::MIN)..(scope, minute));
        let old: Vec<(u16, i64)> = old.map(|(key, _)| *key).collect();
        for key in old {
            let gone = self.loaders.remove(&key);
            self.bytes -= gone.map_or(0, |loaders| loaders.bytes());
        }
    }

    fn reindex(&mut self) {
        self.index();
        let minutes = self.targets.iter().flat_map(|target| target.minutes.values());
        self.bytes = minutes.map(Minute::bytes).sum();
        self.bytes += self.loaders.values().map(Distinct::bytes).sum::<usize>();
    }

    fn index(&mut self) {
        (self.hosts, self.addresses) = (AHashMap::new(), AHashMap::new());
        for (index, target) in (0u32..).zip(&self.targets) {
            if target.web {
                let host = (target.entity.kind == "host").then(|| target.entity.value.as_str().into());
                self.hosts.insert((target.scope, host), index);
            } else if let Some(address) = Address::parse(&target.entity.value) {
                self.addresses.insert((target.scope, address), index);
            }
        }
    }
}

/// Who loaded assets of a tenant.
struct Visitors<'a> {
    loaders: &'a BTreeMap<(u16, i64), Distinct>,
    /// The tenant's.
    scopes: &'a [u16],
}

impl Visitors<'_> {
    /// Of the minutes up to `at`.
    fn until(&self, at: i64) -> Box<Bits> {
        let mut bits = no_bits();
        for &scope in self.scopes {
            for (_, loaders) in self.loaders.range((scope, at - ASSET_MINUTES)..=(scope, at)) {
                loaders.mark(&mut bits);
            }
        }
        bits
    }
}

fn minutes_of(baseline: &Range<i64>) -> usize {
    usize::try_from(baseline.end - baseline.start).unwrap_or(0).max(1)
}

/// Of `length` values; those not there are nothing.
fn median(mut values: Vec<f64>, length: usize) -> f64 {
    values.resize(length.max(values.len()), 0.0);
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One path, asked for by sources that load no assets.
fn is_bare(settings: &ManyToOne, minute: &Minute, visitors: &Bits) -> bool {
    minute.path_share() >= settings.path_share_min
        && minute.spread.share_in(visitors) <= settings.asset_sources_max
}

impl Target {
    /// Reckons the figures of what changed; what rests on it is to be judged again.
    fn refresh(&mut self) {
        for (_, minute) in self.minutes.range_mut(self.changed..) {
            minute.quiet = false;
            if minute.now.is_none() {
                minute.now = Some(minute.reckon());
            }
        }
        self.changed = i64::MAX;
    }

    /// Verdicts, and the minutes that need not be judged again.
    fn judge(
        &self,
        settings: &ManyToOne,
        (first, closed): (i64, i64),
        dataset: &str,
        visitors: &Visitors<'_>,
    ) -> (Vec<Verdict>, Vec<i64>) {
        let (mut found, mut quiet) = (Vec::new(), Vec::new());
        for (&at, minute) in &self.minutes {
            if minute.quiet || minute.count < settings.count_min || minute.figures.is_some() {
                continue;
            }
            let known = (at - GUARD_MINUTES - first).min(settings.baseline_minutes);
            // Requests are judged whole: shares can fall again. Flows as soon as their baseline is final.
            let needed = if self.web { at + 1 } else { at - GUARD_MINUTES };
            if known < settings.baseline_minutes_min.max(1) || needed.saturating_mul(MINUTE_US) > closed {
                continue;
            }
            let now = minute.figures();
            if now.sources < settings.sources_min as f64 {
                quiet.push(at);
                continue;
            }
            let baseline = at - GUARD_MINUTES - known..at - GUARD_MINUTES;
            let usual = self.usual(baseline.clone());
            let more = now.count >= settings.factor_min * usual.count.max(1.0)
                || (self.web && self.crowds_one_path(minute, baseline, settings));
            let rises = more
                && now.sources >= settings.sources_factor_min * usual.sources.max(1.0)
                && (now.entropy >= usual.entropy + settings.entropy_rise_min || now.entropy >= ENTROPY_FULL);
            if !rises || (self.web && !is_bare(settings, minute, &visitors.until(at))) {
                quiet.push(at);
                continue;
            }
            self.hold(&mut found, (at, minute), (now, usual), settings, dataset);
            if known < settings.baseline_minutes
                && let Some(last) = found.last_mut()
                && !last.facts.iter().any(|(key, _)| key == "baseline")
            {
                let cold = format!("cold: {known} of {} minutes", settings.baseline_minutes);
                last.facts.push(("baseline".into(), cold));
            }
        }
        (found, quiet)
    }

    /// Medians over `from..to`; minutes without data count as nothing.
    fn usual(&self, baseline: Range<i64>) -> Figures {
        let length = minutes_of(&baseline);
        let known: Vec<Figures> = self.minutes.range(baseline).map(|(_, m)| m.figures()).collect();
        let median = |of: fn(&Figures) -> f64| median(known.iter().map(of).collect(), length);
        Figures {
            count: median(|f| f.count),
            sources: median(|f| f.sources),
            entropy: median(|f| f.entropy),
        }
    }

    /// Whether one path is asked for far more than it usually is: on a busy site such an attack
    /// hardly shows in the sum.
    fn crowds_one_path(&self, minute: &Minute, baseline: Range<i64>, settings: &ManyToOne) -> bool {
        let (class, count) = minute.busiest();
        if u64::from(count) < settings.count_min {
            return false;
        }
        let length = minutes_of(&baseline);
        let before = self.minutes.range(baseline);
        let usual = median(before.map(|(_, m)| f64::from(m.asked(class))).collect(), length);
        f64::from(count) >= settings.path_factor_min * usual.max(1.0)
    }

    fn hold(
        &self,
        found: &mut Vec<Verdict>,
        (at, minute): (i64, &Minute),
        (now, usual): (Figures, Figures),
        settings: &ManyToOne,
        dataset: &str,
    ) {
        let extent = Extent {
            start: at * MINUTE_US,
            end: (at + 1) * MINUTE_US - 1,
            count: minute.count,
        };
        if found
            .last()
            .is_none_or(|last| extent.start - last.extent.end > KIND.gap_us)
        {
            let mut verdict = KIND.verdict(dataset, settings.level, extent);
            verdict.extent.count = 0;
            let entropy = format!("{:.1} bits, usually {:.1}", now.entropy, usual.entropy);
            verdict.facts.push(("entropy of the sources".into(), entropy));
            let least = (now.count * HEAVY_SHARE).ceil() as u32;
            let heavy: Vec<String> = minute
                .spread
                .heavy(least)
                .iter()
                .take(5)
                .map(|heavy| format!("{} ({})", heavy.source, heavy.count))
                .collect();
            let heavy = if heavy.is_empty() {
                "none makes 5 %".to_owned()
            } else {
                heavy.join(", ")
            };
            verdict.facts.push(("top contributors".into(), heavy));
            if self.web {
                let share = format!("{:.0} %", minute.path_share() * 100.0);
                verdict.facts.push(("share of the busiest path".into(), share));
            }
            found.push(verdict);
        }
        let last = found.last_mut().expect("pushed above when empty");
        last.extent.end = extent.end;
        last.extent.count += minute.count;
        if last.evidence.len() < EVIDENCE_MAX {
            let line = format!(
                "{} in 1 min from {} sources, usually {} from {}",
                now.count, now.sources, usual.count, usual.sources
            );
            last.evidence.push(evidence(extent.start, line));
        }
    }
}

impl Part for ManySources {
    fn observe(&mut self, scope: u16, flows: &[Flow]) {
        if self.settings.is_none() {
            return;
        }
        for flow in flows {
            // Answers over TCP were asked for; those of other protocols need not have been.
            let asked_for = flow.protocol == 6 && flow.orientation == Orientation::Answer;
            // What our own hosts ask of the outside has no target of ours.
            if asked_for || (flow.src_private && !flow.dst_private) {
                continue;
            }
            match self.address_target(scope, flow.dst) {
                Some(target) => self.count(target, scope, flow.ts, flow.src, None),
                None => self.unobserved += 1,
            }
        }
    }

    fn evaluate(&mut self, scopes: &Scopes<'_>, out: &mut Evaluation) {
        let Some(settings) = &self.settings else {
            return;
        };
        let peers: Vec<Vec<u16>> = scopes.peers();
        let loaded = std::mem::take(&mut self.loaded);
        for target in &mut self.targets {
            let peers = &peers[usize::from(target.scope)];
            // Who turns out to be a visitor can only take back what was told.
            let in_doubt = !target.told.is_empty() && peers.iter().any(|peer| loaded.contains(peer));
            if !target.dirty && !in_doubt {
                continue;
            }
            let closed = scopes.closed(target.scope);
            let first = self.firsts.get(&target.scope).copied().unwrap_or(i64::MAX);
            let last = target.minutes.keys().next_back().map_or(i64::MIN, |at| at + 1);
            target.dirty = last.saturating_mul(MINUTE_US) > closed;
            target.refresh();
            let dataset = scopes.dataset(target.scope);
            let visitors = Visitors {
                loaders: &self.loaders,
                scopes: peers,
            };
            let (now, quiet) = target.judge(settings, (first, closed), dataset.as_str(), &visitors);
            for at in quiet {
                if let Some(minute) = target.minutes.get_mut(&at) {
                    minute.quiet = true;
                }
            }
            if !(now.is_empty() && target.told.is_empty()) {
                let tenant = scopes.tenant(target.scope);
                reconcile(tenant, &target.entity, &mut target.told, now, out);
            }
            if closed == i64::MAX {
                continue;
            }
            let detail = closed
                .div_euclid(MINUTE_US)
                .min(last)
                .saturating_sub(DETAIL_MINUTES);
            let old = target.minutes.range_mut(..detail);
            for (_, minute) in old.filter(|(_, minute)| minute.figures.is_none()) {
                let before = minute.bytes();
                minute.condense();
                self.bytes = self.bytes + minute.bytes() - before;
            }
        }
    }

    fn forget(&mut self, scope: u16, before_us: i64) -> u64 {
        let mut gone = 0;
        for target in self.targets.iter_mut().filter(|target| target.scope == scope) {
            let keep = target.minutes.split_off(&before_us.div_euclid(MINUTE_US));
            let old = std::mem::replace(&mut target.minutes, keep);
            gone += old.len() as u64;
            target.rows -= old.values().map(|minute| minute.count).sum::<u64>();
            target.told.retain(|verdict| verdict.extent.end >= before_us);
        }
        self.targets
            .retain(|target| target.scope != scope || !target.minutes.is_empty());
        self.forget_loaders(scope, before_us.div_euclid(MINUTE_US) - ASSET_MINUTES);
        self.reindex();
        gone
    }

    fn unobserved(&self) -> u64 {
        self.unobserved
    }

    fn bytes(&self) -> usize {
        self.bytes + self.targets.len() * TARGET_BYTES
    }

    /// The sources of old minutes go first, then whole targets, those with the fewest rows first.
    fn shrink(&mut self, bytes_max: usize) -> u64 {
        for target in &mut self.targets {
            let newest = target.minutes.keys().next_back().copied().unwrap_or(0);
            for (_, minute) in target.minutes.range_mut(..newest - DETAIL_MINUTES) {
                minute.condense();
            }
        }
        self.reindex();
        let before = self.targets.len();
        while self.bytes() > bytes_max && !self.targets.is_empty() {
            self.targets
                .sort_by_key(|target| target.minutes.values().map(|minute| minute.count).sum::<u64>());
            let half = self.targets.len().div_ceil(2);
            self.targets.drain(..half);
            self.reindex();
        }
        while self.bytes() > bytes_max
            && let Some((_, gone)) = self.loaders.pop_first()
        {
            self.bytes -= gone.bytes();
        }
        (before - self.targets.len()) as u64
    }
}
