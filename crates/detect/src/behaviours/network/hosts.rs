//! What the private hosts do: ports they never used before, and data carried out.
//!
//! Baselines grow from the flows themselves. A host is judged once it is known for the warm-up;
//! what its peers already do is usual. Only the side that opened a conversation counts: answers go
//! to high ports and to whoever asked. First times only move back and sums only grow, so that the
//! order of flows changes nothing.

use super::flow::{Address, EPHEMERAL_FROM, Flow, Orientation};
use super::scan::ip;
use super::windows::{Kind, evidence, fused};
use super::{Part, Scopes};
use crate::detector::{Extent, Verdict, reconcile, score_of};
use crate::detectors::network::{Exfiltration, UnusualPort};
use crate::engine::Evaluation;
use ahash::AHashMap;
use haetae_event::Level;
use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US};
use std::collections::{BTreeMap, BTreeSet};

/// Sums of bytes are kept by five minutes.
const SLOT_US: i64 = 5 * MINUTE_US;
/// Slots of the hour that volumes are judged over.
const HOUR_SLOTS: i64 = 12;
/// How far back the volumes of hours serve as a baseline.
const VOLUMES_US: i64 = 7 * DAY_US;
/// Earliest users of a port that are remembered; more peers than that need not be told apart.
const USERS_MAX: usize = 4;

const HOST_BYTES: usize = 250;
const PAIR_BYTES: usize = 120;
const SEEN_BYTES: usize = 48;
const SLOT_BYTES: usize = 24;

const UNUSUAL_PORT: Kind = Kind {
    detector: "unusual_port",
    title: "Host talks to a port that nobody here used before",
    attack: &["T1571"],
    gap_us: HOUR_US,
    monotone: false,
};
const EXFILTRATION: Kind = Kind {
    detector: "exfiltration",
    title: "Exfiltration: much data to a new address outside",
    attack: &["T1048", "T1041"],
    gap_us: HOUR_US,
    monotone: false,
};

/// First use of a port by a host, and what it talked to.
type Use = (i64, Address);

/// What one host sent to one address outside.
#[derive(Debug, Default)]
struct Pair {
    total: u64,
    /// By slot: bytes and flows.
    slots: BTreeMap<i64, (u64, u64)>,
}

impl Pair {
    fn between(&self, from: i64, to: i64) -> u64 {
        self.slots.range(from..to).map(|(_, slot)| slot.0).sum()
    }
}

#[derive(Debug)]
struct Host {
    /// First flow of it.
    first: i64,
    ports: BTreeMap<u16, Use>,
    pairs: AHashMap<Address, Pair>,
    /// Pairs that may be large enough.
    large: BTreeSet<Address>,
    /// All bytes to the outside, by hour.
    hours: BTreeMap<i64, u64>,
    told: Vec<Verdict>,
}

/// What is known of a scope as a whole.
#[derive(Debug)]
struct Site {
    first: i64,
    /// Events before this are gone.
    cut: i64,
    /// First time that anyone talked to an address outside.
    seen: AHashMap<Address, i64>,
    /// Earliest users of each port, sorted.
    users: BTreeMap<u16, Vec<(i64, Address)>>,
}

impl Site {
    fn used(&mut self, port: u16, first: i64, host: Address) {
        let users = self.users.entry(port).or_default();
        users.retain(|(_, user)| *user != host);
        users.push((first, host));
        users.sort_unstable();
        users.truncate(USERS_MAX);
    }
}

/// The part: all hosts.
pub struct Hosts {
    unusual: Option<UnusualPort>,
    exfiltration: Option<Exfiltration>,
    hosts: AHashMap<(u16, Address), Host>,
    sites: BTreeMap<u16, Site>,
    /// Hosts with a large volume, or with a port first used after their warm-up: what others do
    /// changes the verdicts on them too.
    watched: BTreeSet<(u16, Address)>,
    bytes: usize,
}

impl Hosts {
    pub fn new(unusual: Option<UnusualPort>, exfiltration: Option<Exfiltration>) -> Hosts {
        Hosts {
            unusual: unusual.filter(|s| s.enabled),
            exfiltration: exfiltration.filter(|s| s.enabled),
            hosts: AHashMap::new(),
            sites: BTreeMap::new(),
            watched: BTreeSet::new(),
            bytes: 0,
        }
    }

    fn count(&mut self, scope: u16, flow: &Flow, orientation: Orientation) {
        let site = self.sites.get_mut(&scope).expect("made before the first flow");
        let bytes = &mut self.bytes;
        let host = self.hosts.entry((scope, flow.src)).or_insert_with(|| {
            *bytes += HOST_BYTES;
            Host {
                first: flow.ts,
                ports: BTreeMap::new(),
                pairs: AHashMap::new(),
                large: BTreeSet::new(),
                hours: BTreeMap::new(),
                told: Vec::new(),
            }
        });
        let mut news = flow.ts < host.first;
        host.first = host.first.min(flow.ts);
        if !flow.refused {
            let settings = (self.unusual.as_ref(), self.exfiltration.as_ref());
            news |= host.talked(flow, orientation, site, settings, bytes);
        }
        if news {
            let warm_us = self.unusual.as_ref().map_or(i64::MAX, UnusualPort::warm_up_us);
            let late = |used: &Use| used.0.saturating_sub(host.first) >= warm_us;
            if !host.large.is_empty() || host.ports.values().any(late) {
                self.watched.insert((scope, flow.src));
            }
        }
    }

    fn judge(&self, key: (u16, Address), closed: i64, dataset: &str) -> Vec<Verdict> {
        let mut found = Vec::new();
        let (Some(host), Some(site)) = (self.hosts.get(&key), self.sites.get(&key.0)) else {
            return found;
        };
        if let Some(settings) = &self.unusual {
            let mut ports = Vec::new();
            unusual_ports(settings, key.1, (host, site), closed, dataset, &mut ports);
            found.extend(fused(ports));
        }
        if let Some(settings) = &self.exfiltration {
            let mut volumes = Vec::new();
            for &outside in &host.large {
                let volume = Volume {
                    settings,
                    site,
                    host,
                    outside,
                };
                let peers = |from, to, least| self.peers(key, outside, (from, to), least);
                volumes.extend(volume.judge(closed, dataset, peers));
            }
            found.extend(fused(volumes));
        }
        found
    }

    /// Other hosts that sent at least `least` bytes to the same address in these slots.
    fn peers(&self, key: (u16, Address), outside: Address, slots: (i64, i64), least: u64) -> usize {
        let others = self.hosts.iter().filter(|(of, _)| of.0 == key.0 && **of != key);
        let pairs = others.filter_map(|(_, host)| host.pairs.get(&outside));
        pairs
            .filter(|pair| pair.between(slots.0, slots.1) >= least)
            .count()
    }

    fn recount(&mut self) {
        let of_host = |host: &Host| {
            let slots: usize = host.pairs.values().map(|pair| pair.slots.len()).sum();
            HOST_BYTES
                + (slots + host.ports.len() + host.hours.len()) * SLOT_BYTES
                + host.pairs.len() * PAIR_BYTES
        };
        let seen: usize = self.sites.values().map(|site| site.seen.len()).sum();
        self.bytes = self.hosts.values().map(of_host).sum::<usize>() + seen * SEEN_BYTES;
    }
}

impl Host {
    /// Adds an accepted flow; returns whether verdicts may change with it. `bytes`: memory held.
    fn talked(
        &mut self,
        flow: &Flow,
        orientation: Orientation,
        site: &mut Site,
        (unusual, exfiltration): (Option<&UnusualPort>, Option<&Exfiltration>),
        bytes: &mut usize,
    ) -> bool {
        let mut news = false;
        if let Some(settings) = unusual
            && orientation == Orientation::Request
            && flow.dst_port < EPHEMERAL_FROM
            && matches!(flow.protocol, 0 | 6 | 17)
        {
            let known = self.ports.get(&flow.dst_port).copied();
            let room = known.is_some() || self.ports.len() <= settings.ports_max;
            let first = (flow.ts, flow.dst);
            if room && known.is_none_or(|known| first < known) {
                self.ports.insert(flow.dst_port, first);
                site.used(flow.dst_port, flow.ts, flow.src);
                *bytes += SLOT_BYTES;
                news = true;
            }
        }
        if let Some(settings) = exfiltration
            && !flow.dst_private
            && orientation != Orientation::Answer
        {
            *bytes += self.sent(flow);
            if self.pairs[&flow.dst].total >= settings.bytes_min {
                self.large.insert(flow.dst);
                news = true;
            }
            let seen = site.seen.entry(flow.dst).or_insert_with(|| {
                *bytes += SEEN_BYTES;
                flow.ts
            });
            *seen = (*seen).min(flow.ts);
        }
        news
    }

    /// Adds what a flow carried outside; returns the bytes of memory that took.
    fn sent(&mut self, flow: &Flow) -> usize {
        let (pairs, hours) = (self.pairs.len(), self.hours.len());
        let pair = self.pairs.entry(flow.dst).or_default();
        let slots = pair.slots.len();
        pair.total = pair.total.saturating_add(flow.bytes);
        let slot = pair.slots.entry(flow.ts.div_euclid(SLOT_US)).or_default();
        *slot = (slot.0.saturating_add(flow.bytes), slot.1 + 1);
        let slots = pair.slots.len() - slots;
        let hour = self.hours.entry(flow.ts.div_euclid(HOUR_US)).or_default();
        *hour = hour.saturating_add(flow.bytes);
        (self.pairs.len() - pairs) * PAIR_BYTES + (slots + self.hours.len() - hours) * SLOT_BYTES
    }
}

impl UnusualPort {
    fn warm_up_us(&self) -> i64 {
        self.warm_up_hours.max(1).saturating_mul(HOUR_US)
    }
}

fn unusual_ports(
    settings: &UnusualPort,
    address: Address,
    (host, site): (&Host, &Site),
    closed: i64,
    dataset: &str,
    out: &mut Vec<Verdict>,
) {
    if host.ports.len() > settings.ports_max {
        return;
    }
    for (&port, &(first, dst)) in &host.ports {
        let known_us = first.saturating_sub(host.first);
        if known_us < settings.warm_up_us() || first < site.cut || first > closed {
            continue;
        }
        let users = site.users.get(&port).map_or(&[][..], Vec::as_slice);
        let before = users.iter().filter(|(at, user)| *at < first && *user != address);
        if before.count() >= settings.peers_max.clamp(1, USERS_MAX - 1) {
            continue;
        }
        let extent = Extent {
            start: first,
            end: first,
            count: 1,
        };
        let mut verdict = UNUSUAL_PORT.verdict(dataset, settings.level, extent);
        verdict.confidence = 0.5;
        verdict
            .evidence
            .push(evidence(first, format!("first flow to {dst} port {port}")));
        verdict.facts = vec![
            ("port".into(), port.to_string()),
            ("destination".into(), dst.to_string()),
            ("host known for".into(), format!("{} h", known_us / HOUR_US)),
            ("ports it used before".into(), (host.ports.len() - 1).to_string()),
        ];
        out.push(verdict);
    }
}

/// One pair of host and outside address.
struct Volume<'a> {
    settings: &'a Exfiltration,
    site: &'a Site,
    host: &'a Host,
    outside: Address,
}

impl Volume<'_> {
    /// `peers`: how many other hosts sent at least so much in these slots.
    fn judge(&self, closed: i64, dataset: &str, peers: impl Fn(i64, i64, u64) -> usize) -> Vec<Verdict> {
        let pair = &self.host.pairs[&self.outside];
        let seen = self.site.seen.get(&self.outside).copied().unwrap_or(i64::MIN);
        // Talked to since the beginning: not new, as far as anyone can tell.
        let warm_us = self.settings.warm_up_minutes.saturating_mul(MINUTE_US);
        if seen <= self.site.first.saturating_add(warm_us) || seen > closed {
            return Vec::new();
        }
        let new_until = seen.saturating_add(self.settings.new_hours * HOUR_US);
        let mut found: Vec<Verdict> = Vec::new();
        for &slot in pair.slots.keys() {
            let (from, to) = (slot - HOUR_SLOTS + 1, slot + 1);
            let sent = pair.between(from, to);
            let start = pair.slots.range(from..to).next().map_or(slot, |(at, _)| *at) * SLOT_US;
            let usual = self.usual(pair, start);
            if sent < self.settings.bytes_min
                || start > new_until
                || (sent as f64) < self.settings.factor_min * usual as f64
                || peers(from, to, sent / 4) >= self.settings.peers_max.max(1)
            {
                continue;
            }
            let extent = Extent {
                start,
                end: (to * SLOT_US) - 1,
                count: 0,
            };
            self.hold(&mut found, extent, (sent, usual), dataset);
        }
        for verdict in &mut found {
            let slots = verdict.extent.start.div_euclid(SLOT_US)..=verdict.extent.end.div_euclid(SLOT_US);
            verdict.extent.count = pair.slots.range(slots).map(|(_, slot)| slot.1).sum();
        }
        found
    }

    fn hold(&self, found: &mut Vec<Verdict>, extent: Extent, (sent, usual): (u64, u64), dataset: &str) {
        let line = format!("{} MB to {} within an hour", sent / 1_000_000, self.outside);
        let line = evidence(extent.start, line);
        match found.last_mut() {
            Some(last) if extent.start - last.extent.end <= EXFILTRATION.gap_us => {
                last.extent.end = extent.end;
                if last.evidence.len() < haetae_event::finding::EVIDENCE_MAX {
                    last.evidence.push(line);
                }
            }
            _ => {
                let mut verdict = EXFILTRATION.verdict(dataset, self.settings.level, extent);
                verdict.evidence.push(line);
                let usual = format!("{} MB", usual / 1_000_000);
                verdict.facts = vec![
                    ("destination".into(), self.outside.to_string()),
                    ("most it sent in an hour before".into(), usual),
                ];
                let known_us = extent.start.saturating_sub(self.site.first);
                if known_us < DAY_US {
                    // A daily habit was not seen yet.
                    verdict.level = verdict.level.min(Level::Medium);
                    verdict.score = score_of(verdict.level);
                    verdict.confidence = 0.6;
                    let cold = format!("cold: {} min of a day", known_us / MINUTE_US);
                    verdict.facts.push(("baseline".into(), cold));
                }
                found.push(verdict);
            }
        }
    }

    /// Most bytes of one hour before `start`, without what went to this address.
    fn usual(&self, pair: &Pair, start: i64) -> u64 {
        let hour = start.div_euclid(HOUR_US);
        let before = self.host.hours.range(..hour).map(|(&hour, &bytes)| {
            let own = pair.between(hour * HOUR_SLOTS, (hour + 1) * HOUR_SLOTS);
            bytes.saturating_sub(own)
        });
        before.max().unwrap_or(0)
    }
}

impl Part for Hosts {
    fn observe(&mut self, scope: u16, flows: &[Flow]) {
        if self.unusual.is_none() && self.exfiltration.is_none() {
            return;
        }
        let Some(earliest) = flows.iter().map(|flow| flow.ts).min() else {
            return;
        };
        let site = self.sites.entry(scope).or_insert_with(|| Site {
            first: earliest,
            cut: i64::MIN,
            seen: AHashMap::new(),
            users: BTreeMap::new(),
        });
        site.first = site.first.min(earliest);
        for flow in flows.iter().filter(|flow| flow.src_private) {
            self.count(scope, flow, flow.orientation);
        }
    }

    fn evaluate(&mut self, scopes: &Scopes<'_>, out: &mut Evaluation) {
        for key in &self.watched {
            let now = self.judge(*key, scopes.closed(key.0), scopes.dataset(key.0).as_str());
            let Some(host) = self.hosts.get_mut(key) else {
                continue;
            };
            if !(now.is_empty() && host.told.is_empty()) {
                reconcile(scopes.tenant(key.0), &ip(key.1), &mut host.told, now, out);
            }
        }
    }

    /// Baselines stay: first times, and the volumes of a week.
    fn forget(&mut self, scope: u16, before_us: i64) -> u64 {
        let mut gone = 0;
        if let Some(site) = self.sites.get_mut(&scope) {
            site.cut = site.cut.max(before_us);
        }
        for (_, host) in self.hosts.iter_mut().filter(|(key, _)| key.0 == scope) {
            for pair in host.pairs.values_mut() {
                let keep = pair.slots.split_off(&before_us.div_euclid(SLOT_US));
                gone += std::mem::replace(&mut pair.slots, keep).len() as u64;
            }
            host.pairs.retain(|_, pair| !pair.slots.is_empty());
            host.large.retain(|outside| host.pairs.contains_key(outside));
            host.hours = host
                .hours
                .split_off(&before_us.saturating_sub(VOLUMES_US).div_euclid(HOUR_US));
            host.told.retain(|verdict| verdict.extent.end >= before_us);
        }
        self.recount();
        gone
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    /// Pairs of little volume go first, then addresses outside that were seen last, then the hosts
    /// that came last.
    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut lost = 0;
        for host in self.hosts.values_mut() {
            let before = host.pairs.len();
            let large = &host.large;
            host.pairs.retain(|outside, _| large.contains(outside));
            lost += (before - host.pairs.len()) as u64;
        }
        self.recount();
        while self.bytes > bytes_max && self.sites.values().any(|site| !site.seen.is_empty()) {
            for site in self.sites.values_mut() {
                let mut firsts: Vec<i64> = site.seen.values().copied().collect();
                firsts.sort_unstable();
                let median = firsts.get(firsts.len() / 2).copied().unwrap_or(i64::MAX);
                let large = |outside: &Address| self.hosts.values().any(|h| h.large.contains(outside));
                let before = site.seen.len();
                site.seen
                    .retain(|outside, first| *first < median || large(outside));
                if site.seen.len() == before {
                    site.seen.clear();
                }
                lost += (before - site.seen.len()) as u64;
            }
            self.recount();
        }
        let mut ranked: Vec<(i64, (u16, Address))> =
            self.hosts.iter().map(|(key, host)| (host.first, *key)).collect();
        ranked.sort_unstable();
        while self.bytes > bytes_max && !ranked.is_empty() {
            for (_, key) in ranked.split_off(ranked.len() / 2) {
                self.hosts.remove(&key);
                self.watched.remove(&key);
                lost += 1;
            }
            self.recount();
        }
        lost
    }
}
