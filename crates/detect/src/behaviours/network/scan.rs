//! What one source knocks at: port scans, address scans, slow ones, and sensitive ports.
//!
//! Knocks ([`super::flow::Knock`]) are kept per source, one per minute, host and port, the
//! earliest of it. Thresholds of the quick scans are those of Zeek's `scan.zeek`: 15 ports of a
//! host or 25 hosts on a port within five minutes. Of a source with very many knocks part is kept,
//! see [`super::knocks`].
//!
//! A public source that sweeps is the noise of the internet; the same from a private one is
//! somebody moving about inside.

use super::flow::{Address, Flow, Knock, Orientation};
use super::knocks::{Cell, KNOCKS_MAX, LEVEL_MAX, SLOT_KNOCKS_MIN, thinned};
use super::windows::{Kind, distinct_in, evidence, join};
use super::{Part, Scopes};
use crate::detector::{Extent, Verdict, reconcile};
use crate::detectors::network::{Scans, SensitivePorts};
use crate::engine::Evaluation;
use ahash::AHashMap;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::time::{HOUR_US, MINUTE_US};
use haetae_event::{Entity, Level};
use std::collections::BTreeMap;

/// Accepted flows at sensitive ports kept of one source, the earliest.
const ENTRIES_MAX: usize = 64;

/// Estimates of what they take on the heap.
const SOURCE_BYTES: usize = 200;
const CELL_BYTES: usize = 40;

const PORT_SCAN: Kind = Kind {
    detector: "port_scan",
    title: "Port scan: many ports of one host",
    attack: &["T1046"],
    gap_us: 5 * MINUTE_US,
    monotone: true,
};
const ADDRESS_SCAN: Kind = Kind {
    detector: "address_scan",
    title: "Address scan: one port of many hosts",
    ..PORT_SCAN
};
const SLOW_SCAN: Kind = Kind {
    detector: "slow_scan",
    title: "Slow port scan: a few knocks at a time",
    gap_us: HOUR_US,
    monotone: false,
    ..PORT_SCAN
};
const ATTEMPTS: Kind = Kind {
    detector: "sensitive_port",
    title: "Attempts at a sensitive port",
    attack: &["T1595.001", "T1021"],
    ..PORT_SCAN
};
const ENTRY: Kind = Kind {
    detector: "sensitive_entry",
    title: "Sensitive port opened to a source that was refused before",
    attack: &["T1133", "T1021"],
    gap_us: HOUR_US,
    monotone: true,
};

#[derive(Debug, Default)]
struct Source {
    cells: Vec<Cell>,
    /// So many of the cells were left at the last settling.
    settled: usize,
    /// See [`thinned`]; whether anything is gone.
    level: u32,
    thinned: bool,
    /// (time, host, port) of accepted flows at sensitive ports, sorted.
    entries: Vec<(i64, Address, u16)>,
    newest: i64,
    dirty: bool,
    told: Vec<Verdict>,
}

impl Source {
    /// One cell per minute, host and port; sorted by time.
    fn settle(&mut self) {
        self.cells.sort_unstable_by_key(|cell| (cell.key(), cell.at));
        self.cells.dedup_by(|next, kept| {
            let same = next.key() == kept.key();
            kept.tiny &= !same || next.tiny;
            same
        });
        self.cells
            .sort_unstable_by_key(|cell| (cell.at, cell.dst, cell.port));
        let all = self.cells.len();
        if all >= SLOT_KNOCKS_MIN {
            let (mut kept, mut most) = thinned(&self.cells, self.level);
            while most > KNOCKS_MAX && self.level < LEVEL_MAX {
                self.level += 1;
                (kept, most) = thinned(&kept, self.level);
            }
            self.cells = kept;
        }
        self.thinned |= self.cells.len() < all;
        self.settled = self.cells.len();
    }

    fn held(&self) -> usize {
        self.cells.len() + self.entries.len()
    }
}

/// The part: every source that knocked.
pub struct Sources {
    scans: Option<Scans>,
    sensitive: Option<SensitivePorts>,
    sources: AHashMap<(u16, Address), Source>,
    dirty: Vec<(u16, Address)>,
    cells: usize,
}

/// A stretch in which a scan held, and of what.
struct Scanned {
    extent: Extent,
    targets: BTreeMap<String, u64>,
}

impl Sources {
    pub fn new(scans: Option<Scans>, sensitive: Option<SensitivePorts>) -> Sources {
        Sources {
            scans: scans.filter(|s| s.enabled),
            sensitive: sensitive.filter(|s| s.enabled),
            sources: AHashMap::new(),
            dirty: Vec::new(),
            cells: 0,
        }
    }

    fn is_sensitive(&self, port: u16) -> bool {
        self.sensitive
            .as_ref()
            .is_some_and(|settings| settings.ports.contains(&port))
    }

    fn source(&mut self, scope: u16, flow: &Flow) -> &mut Source {
        let source = self.sources.entry((scope, flow.src)).or_insert_with(|| Source {
            cells: Vec::with_capacity(1),
            newest: flow.ts,
            ..Source::default()
        });
        source.newest = source.newest.max(flow.ts);
        if !source.dirty {
            source.dirty = true;
            self.dirty.push((scope, flow.src));
        }
        source
    }

    fn knocked(&mut self, scope: u16, flow: &Flow, knock: Knock) {
        let sensitive = self.is_sensitive(flow.dst_port);
        let source = self.source(scope, flow);
        let before = source.cells.len();
        source.cells.push(Cell {
            sensitive,
            at: flow.ts,
            dst: flow.dst,
            port: flow.dst_port,
            tiny: knock == Knock::Tiny,
        });
        if source.cells.len() > (2 * source.settled).max(64) {
            source.settle();
        }
        let after = source.cells.len();
        self.cells = self.cells + after - before;
    }

    fn entered(&mut self, scope: u16, flow: &Flow) {
        let source = self.source(scope, flow);
        let entry = (flow.ts, flow.dst, flow.dst_port);
        let before = source.entries.len();
        if let Err(at) = source.entries.binary_search(&entry) {
            source.entries.insert(at, entry);
            source.entries.truncate(ENTRIES_MAX);
        }
        let after = source.entries.len();
        self.cells = self.cells + after - before;
    }

    /// Fewest knocks that any verdict needs.
    fn least(&self) -> usize {
        let scans = self.scans.as_ref().map(|s| {
            s.ports_min
                .min(s.hosts_min)
                .min(s.slow_ports_min)
                .min(s.slow_hosts_min)
        });
        let attempts = self.sensitive.as_ref().map(|s| s.attempts_min);
        scans.into_iter().chain(attempts).min().unwrap_or(usize::MAX)
    }
}

impl Part for Sources {
    fn observe(&mut self, scope: u16, flows: &[Flow]) {
        for flow in flows {
            if let Some(knock) = flow.knock {
                self.knocked(scope, flow, knock);
            } else if !flow.refused
                && !flow.src_private
                && flow.dst_private
                && self.is_sensitive(flow.dst_port)
                && flow.packets.is_none_or(|packets| packets > 3)
                && flow.orientation == Orientation::Request
            {
                self.entered(scope, flow);
            }
        }
    }

    fn evaluate(&mut self, scopes: &Scopes<'_>, out: &mut Evaluation) {
        let least = self.least();
        let settings = (self.scans.as_ref(), self.sensitive.as_ref());
        for key in std::mem::take(&mut self.dirty) {
            let Some(source) = self.sources.get_mut(&key) else {
                continue;
            };
            source.dirty = false;
            if source.cells.len() < least && source.entries.is_empty() && source.told.is_empty() {
                continue;
            }
            let (scope, address) = key;
            let before = source.cells.len();
            source.settle();
            self.cells = self.cells + source.cells.len() - before;
            let mut now = judge(settings, address, source, scopes.dataset(scope).as_str());
            if source.thinned {
                keep_told(&source.told, &mut now);
            }
            reconcile(scopes.tenant(scope), &ip(address), &mut source.told, now, out);
        }
    }

    fn forget(&mut self, scope: u16, before_us: i64) -> u64 {
        let mut gone = 0;
        self.sources.retain(|(of, _), source| {
            if *of != scope {
                return true;
            }
            let held = source.held();
            source.cells.retain(|cell| cell.at >= before_us);
            source.entries.retain(|entry| entry.0 >= before_us);
            source.settled = source.cells.len();
            gone += held - source.held();
            source.told.retain(|verdict| verdict.extent.end >= before_us);
            source.held() > 0
        });
        self.cells -= gone;
        gone as u64
    }

    fn bytes(&self) -> usize {
        self.sources.len() * SOURCE_BYTES + self.cells * CELL_BYTES
    }

    /// Sources with the fewest knocks go first, of equals those that were silent longest.
    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut ranked: Vec<(usize, i64, u16, Address)> = self
            .sources
            .iter()
            .map(|((scope, address), source)| (source.held(), source.newest, *scope, *address))
            .collect();
        ranked.sort_unstable();
        let mut lost = 0;
        for (_, _, scope, address) in ranked {
            if self.bytes() <= bytes_max {
                break;
            }
            if let Some(source) = self.sources.remove(&(scope, address)) {
                self.cells -= source.held();
                lost += 1;
            }
        }
        self.sources.shrink_to_fit();
        lost
    }
}

/// What was told of knocks that were let go since still holds: more of them can only confirm it.
fn keep_told(told: &[Verdict], now: &mut Vec<Verdict>) {
    for old in told.iter().filter(|old| old.monotone) {
        let window = old.extent.window();
        let holds = |v: &Verdict| v.rule_id == old.rule_id && v.extent.window().touches(&window, old.gap_us);
        if !now.iter().any(holds) {
            now.push(old.clone());
        }
    }
}

fn judge(
    (scans, sensitive): (Option<&Scans>, Option<&SensitivePorts>),
    address: Address,
    source: &Source,
    dataset: &str,
) -> Vec<Verdict> {
    let mut found = Vec::new();
    let private = address.is_private();
    if let Some(settings) = scans {
        told_scans(settings, source, private, dataset, &mut found);
    }
    if let Some(settings) = sensitive.filter(|_| !private) {
        attempts(settings, source, dataset, &mut found);
        entries(settings, source, dataset, &mut found);
    }
    found
}

pub fn ip(address: Address) -> Entity {
    Entity {
        kind: "ip".into(),
        value: address.to_string(),
    }
}

fn told_scans(settings: &Scans, source: &Source, private: bool, dataset: &str, out: &mut Vec<Verdict>) {
    let level = |public: Level| if private { settings.inside_level } else { public };
    let span_us = settings.window_minutes.max(1) * MINUTE_US;
    // What stays of a thinned scan are moments of it.
    let gap_us = if source.thinned { 3 * span_us } else { span_us };
    let quick = |found| union(found, gap_us);
    let quick_ports = quick(by_host(&source.cells, span_us, settings.ports_min, true));
    let quick_hosts = quick(by_port(&source.cells, span_us, settings.hosts_min));
    let slow_us = settings.slow_hours.max(1) * HOUR_US;
    let mut slow = union(
        by_host(&source.cells, slow_us, settings.slow_ports_min, false),
        slow_us,
    );
    slow.extend(union(
        by_port(&source.cells, slow_us, settings.slow_hosts_min),
        slow_us,
    ));
    let beside_quick = |slow: &Scanned| {
        let mut both = quick_ports.iter().chain(&quick_hosts);
        both.any(|quick| quick.extent.window().touches(&slow.extent.window(), 0))
    };
    slow.retain(|slow| !beside_quick(slow));
    let noise = level(settings.noise_level);
    // Stretches are joined over their span: that is what parts two episodes.
    let over = |kind: Kind, gap_us: i64| Kind { gap_us, ..kind };
    let ports = over(PORT_SCAN, gap_us);
    tell(ports, level(settings.level), quick_ports, source, dataset, out);
    let hosts = over(ADDRESS_SCAN, gap_us);
    tell(hosts, noise, quick_hosts, source, dataset, out);
    let slow = fused_slow(slow, slow_us);
    tell(over(SLOW_SCAN, slow_us), noise, slow, source, dataset, out);
}

/// Slow stretches of ports and of hosts that touch are one.
fn fused_slow(mut slow: Vec<Scanned>, gap_us: i64) -> Vec<Scanned> {
    slow.sort_by_key(|scanned| (scanned.extent.start, scanned.extent.end));
    let mut found: Vec<Scanned> = Vec::new();
    for mut next in slow {
        match found.last_mut() {
            Some(last) if next.extent.start.saturating_sub(last.extent.end) <= gap_us => {
                last.extent.end = last.extent.end.max(next.extent.end);
                last.targets.append(&mut next.targets);
            }
            _ => found.push(next),
        }
    }
    found
}

/// Stretches with many ports of one host. `tiny`: whether tiny flows count.
fn by_host(cells: &[Cell], span_us: i64, least: usize, tiny: bool) -> Found {
    let mut hosts: AHashMap<Address, Vec<(i64, u16)>> = AHashMap::new();
    for cell in cells.iter().filter(|cell| tiny || !cell.tiny) {
        hosts.entry(cell.dst).or_default().push((cell.at, cell.port));
    }
    hosts
        .into_iter()
        .map(|(host, moments)| (format!("{host}"), distinct_in(&moments, span_us, least)))
        .collect()
}

/// Stretches with many hosts on one port. Tails of long connections to many servers look like
/// tiny flows, so that only failed ones count.
fn by_port(cells: &[Cell], span_us: i64, least: usize) -> Found {
    let mut ports: AHashMap<u16, Vec<(i64, Address)>> = AHashMap::new();
    for cell in cells.iter().filter(|cell| !cell.tiny) {
        ports.entry(cell.port).or_default().push((cell.at, cell.dst));
    }
    ports
        .into_iter()
        .map(|(port, moments)| (format!("port {port}"), distinct_in(&moments, span_us, least)))
        .collect()
}

/// Stretches by what was scanned in them.
type Found = Vec<(String, Vec<Extent>)>;

fn union(found: Found, gap_us: i64) -> Vec<Scanned> {
    let mut all: Vec<(Extent, String)> = found
        .into_iter()
        .flat_map(|(target, extents)| extents.into_iter().map(move |extent| (extent, target.clone())))
        .collect();
    all.sort_unstable_by(|a, b| (a.0.start, a.0.end, &a.1).cmp(&(b.0.start, b.0.end, &b.1)));
    let mut joined: Vec<Extent> = Vec::new();
    all.iter()
        .for_each(|(extent, _)| join(&mut joined, *extent, gap_us));
    let targets_of = |whole: &Extent| {
        let mut targets: BTreeMap<String, u64> = BTreeMap::new();
        let inside = |part: &Extent| part.start >= whole.start && part.end <= whole.end;
        for (part, target) in all.iter().filter(|(part, _)| inside(part)) {
            let most = targets.entry(target.clone()).or_default();
            *most = (*most).max(part.count);
        }
        targets
    };
    joined
        .iter()
        .map(|extent| Scanned {
            extent: *extent,
            targets: targets_of(extent),
        })
        .collect()
}

fn tell(
    kind: Kind,
    level: Level,
    found: Vec<Scanned>,
    source: &Source,
    dataset: &str,
    out: &mut Vec<Verdict>,
) {
    for scanned in found {
        let Extent { start, end, .. } = scanned.extent;
        let inside: Vec<&Cell> = source
            .cells
            .iter()
            .filter(|cell| (start..=end).contains(&cell.at))
            .collect();
        let tiny = inside.iter().filter(|cell| cell.tiny).count();
        let mut verdict = kind.verdict(dataset, level, scanned.extent);
        verdict.extent.count = inside.len() as u64;
        verdict.confidence = if tiny * 2 > inside.len() { 0.6 } else { 0.9 };
        verdict.evidence = inside.iter().take(EVIDENCE_MAX).map(|cell| line(cell)).collect();
        let mut targets: Vec<(&String, &u64)> = scanned.targets.iter().collect();
        targets.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        let listed: Vec<String> = targets
            .iter()
            .take(5)
            .map(|(t, n)| format!("{t} ({n})"))
            .collect();
        verdict.facts.push(("targets".into(), targets.len().to_string()));
        if source.thinned {
            verdict
                .facts
                .push(("counts".into(), "at least: the scan is too large to keep".into()));
        }
        verdict.facts.push(("most at".into(), listed.join(", ")));
        if tiny > 0 {
            verdict
                .facts
                .push(("accepted, but one or two packets".into(), tiny.to_string()));
        }
        out.push(verdict);
    }
}

fn line(cell: &Cell) -> haetae_event::EvidenceRef {
    let what = if cell.tiny {
        "tiny flow to"
    } else {
        "refused or unanswered by"
    };
    evidence(cell.at, format!("{what} {} port {}", cell.dst, cell.port))
}

fn attempts(settings: &SensitivePorts, source: &Source, dataset: &str, out: &mut Vec<Verdict>) {
    let at_sensitive = |cell: &&Cell| !cell.tiny && settings.ports.contains(&cell.port);
    let cells: Vec<&Cell> = source.cells.iter().filter(at_sensitive).collect();
    let moments: Vec<(i64, (i64, Address, u16))> = cells.iter().map(|cell| (cell.at, cell.key())).collect();
    for extent in distinct_in(&moments, ATTEMPTS.gap_us, settings.attempts_min) {
        let inside = || {
            cells
                .iter()
                .filter(|cell| (extent.start..=extent.end).contains(&cell.at))
        };
        let mut verdict = ATTEMPTS.verdict(dataset, settings.attempt_level, extent);
        verdict.extent.count = inside().count() as u64;
        verdict.evidence = inside().take(EVIDENCE_MAX).map(|cell| line(cell)).collect();
        let mut ports: Vec<u16> = inside().map(|cell| cell.port).collect();
        ports.sort_unstable();
        ports.dedup();
        verdict.facts.push(("ports".into(), format!("{ports:?}")));
        out.push(verdict);
    }
}

fn entries(settings: &SensitivePorts, source: &Source, dataset: &str, out: &mut Vec<Verdict>) {
    let remembered_us = settings.refused_hours.max(1) * HOUR_US;
    // At the same port of the same host, or at another sensitive one of it: a ping or a closed web
    // port refused says nothing of the door that opened.
    let refused_before = |&(ts, host, port): &(i64, Address, u16)| {
        let same = |cell: &&Cell| cell.dst == host && (cell.port == port || cell.sensitive);
        let before = |cell: &&Cell| !cell.tiny && (ts - remembered_us..=ts).contains(&cell.at);
        source.cells.iter().filter(before).filter(same).count()
    };
    let after_refusal: Vec<&(i64, Address, u16)> = source
        .entries
        .iter()
        .filter(|entry| refused_before(entry) > 0)
        .collect();
    let moments = after_refusal.iter().map(|entry| (entry.0, 1));
    for extent in super::windows::clusters(moments, ENTRY.gap_us) {
        let inside: Vec<&(i64, Address, u16)> = after_refusal
            .iter()
            .filter(|entry| (extent.start..=extent.end).contains(&entry.0))
            .copied()
            .collect();
        let mut verdict = ENTRY.verdict(dataset, settings.entry_level, extent);
        verdict.evidence = inside
            .iter()
            .take(EVIDENCE_MAX)
            .map(|(ts, host, port)| evidence(*ts, format!("accepted by {host} port {port}")))
            .collect();
        let knocks = inside.first().map_or(0, |entry| refused_before(entry));
        verdict.facts.push(("refused before".into(), knocks.to_string()));
        out.push(verdict);
    }
}
