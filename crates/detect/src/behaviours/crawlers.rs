//! Who says to be a crawler, and how much it asks for.
//!
//! A user agent is a claim. The detector notes which client claims which crawler of
//! `rules/crawlers.json`, and tells it as a candidate: whether the claim is true is asked
//! afterwards, by whom has a resolver (`fake_crawler`, `unverified_crawler`, `verified_crawler`);
//! see `haetae_enrich::crawlers`. Nothing here asks the network.
//!
//! Crawlers that collect text for language models and never asked for `/robots.txt` are told as
//! information.
//!
//! Bounded: clients with the fewest requests go first.

use crate::behaviours::minutes::ByMinute;
use crate::behaviours::paths::path_of;
use crate::behaviours::scope_of;
use crate::detector::{Detector, Extent, Rows, Verdict, reconcile, score_of};
use crate::detectors::Detectors;
use crate::engine::value::{Column, Value};
use crate::engine::{Closing, Evaluation};
use crate::pool::{Hashed, Pool, allocated, share_over};
use ahash::{AHashMap, RandomState};
use aho_corasick::AhoCorasick;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::time::{HOUR_US, MINUTE_US};
use haetae_event::{Dataset, Entity, EventBatch, EvidenceRef, Level, Micros, TenantId};
use serde::Deserialize;

/// Crawlers known to the program.
pub const BUILTIN: &str = include_str!("../../../../rules/crawlers.json");

/// Detector of candidates: the episodes whose claim is to be checked.
pub const CLAIMED: &str = "claimed_crawler";

/// Fact that holds the name of the crawler claimed.
pub const CLAIM_FACT: &str = "claims to be";

/// Rule of the finding about `robots.txt`.
const ROBOTS: &str = "crawler_robots";

/// Section `crawlers` of `rules/detectors.yml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crawlers {
    pub enabled: bool,
    /// Fewer requests of one client under a crawler's name are not told.
    pub requests_min: u64,
    /// Requests further apart are another visit, minutes.
    pub gap_minutes: i64,
    /// Requests of an AI crawler, all its clients together, before its lack of interest in
    /// `/robots.txt` is told.
    pub robots_requests_min: u64,
    /// Level of a claim that nobody could check.
    pub level: Level,
    /// More crawlers to know by name.
    #[serde(default)]
    pub more: Vec<Claimed>,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// What of a crawler shows in a log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Claimed {
    pub name: String,
    /// Parts of its user agents, without case.
    pub agents: Vec<String>,
    /// Collects text for language models.
    #[serde(default)]
    pub ai: bool,
}

#[derive(Deserialize)]
struct Table {
    crawlers: Vec<Claimed>,
}

/// Parts of the user agents of crawlers whose addresses can be verified.
pub(crate) fn verifiable() -> Vec<String> {
    #[derive(Deserialize)]
    struct Row {
        agents: Vec<String>,
        #[serde(default)]
        hosts: Vec<String>,
        #[serde(default)]
        ranges: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Rows {
        crawlers: Vec<Row>,
    }
    let table: Rows = serde_json::from_str(BUILTIN).expect("the built-in table is tested");
    let known = table.crawlers.into_iter();
    let known = known.filter(|row| !row.hosts.is_empty() || !row.ranges.is_empty());
    known.flat_map(|row| row.agents).collect()
}

/// One minute of one client under one name.
#[derive(Clone, Debug)]
struct Cell {
    requests: u64,
    first: i64,
    last: i64,
    /// The earliest request.
    line: Box<str>,
}

/// What one client asked for under one name; or, without an address, all clients of a name.
#[derive(Debug)]
struct Visit {
    hash: u64,
    key: Key,
    minutes: ByMinute<Cell>,
    requests: u64,
    robots: u64,
    dirty: bool,
    told: Vec<Verdict>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    scope: u16,
    claim: u16,
    /// Empty: all clients together.
    address: Box<str>,
}

impl Hashed for Visit {
    fn hash(&self) -> u64 {
        self.hash
    }
}

impl Visit {
    /// Memory beyond its own size, bytes.
    fn bytes(&self) -> usize {
        /// A verdict with its texts.
        const TOLD_BYTES: usize = 1_000;
        let lines = self.minutes.values().map(|cell| allocated(cell.line.len()));
        allocated(self.key.address.len())
            + self.minutes.bytes()
            + lines.sum::<usize>()
            + self.told.len() * TOLD_BYTES
    }
}

/// The detector.
pub struct Claims {
    settings: Crawlers,
    names: Vec<Claimed>,
    matcher: AhoCorasick,
    /// Crawler of each pattern of the matcher.
    owners: Vec<u16>,
    scopes: Vec<(TenantId, Dataset)>,
    visits: Pool<Visit>,
    hasher: RandomState,
    /// Of visits beyond their places in the pool, bytes.
    held: usize,
}

impl Claims {
    pub fn from_settings(settings: &Detectors) -> Option<Box<dyn Detector>> {
        let settings = settings.crawlers.as_ref().filter(|s| s.enabled)?.clone();
        let table: Table = serde_json::from_str(BUILTIN).expect("the built-in table is tested");
        let names: Vec<Claimed> = settings.more.iter().cloned().chain(table.crawlers).collect();
        let mut patterns = Vec::new();
        let mut owners = Vec::new();
        for (claim, crawler) in names.iter().enumerate().take(usize::from(u16::MAX)) {
            for agent in crawler.agents.iter().filter(|agent| !agent.is_empty()) {
                patterns.push(agent.as_str());
                owners.push(claim as u16);
            }
        }
        let matcher = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(patterns)
            .ok()?;
        Some(Box::new(Claims {
            settings,
            names,
            matcher,
            owners,
            scopes: Vec::new(),
            visits: Pool::default(),
            hasher: RandomState::new(),
            held: 0,
        }))
    }

    /// The crawler that a user agent claims to be: of several the first of the table.
    fn claim(&self, agent: &str) -> Option<u16> {
        let found = self.matcher.find_overlapping_iter(agent);
        found.map(|m| self.owners[m.pattern().as_usize()]).min()
    }

    fn count(&mut self, key: Key, ts: i64, path: &str) {
        let hash = self.hasher.hash_one(&key);
        let at = match self.visits.find(hash, |known| known.key == key) {
            Some(at) => at,
            None => {
                self.held += allocated(key.address.len());
                self.visits.place(
                    hash,
                    |_| false,
                    || Visit {
                        hash,
                        key,
                        minutes: ByMinute::default(),
                        requests: 0,
                        robots: 0,
                        dirty: false,
                        told: Vec::new(),
                    },
                )
            }
        };
        let visit = self.visits.get_mut(at);
        visit.dirty = true;
        visit.requests += 1;
        visit.robots += u64::from(path == "/robots.txt");
        let line = || bounded_line(path);
        let (minutes, before) = (visit.minutes.len(), visit.minutes.bytes());
        let cell = visit.minutes.or_insert_with(ts.div_euclid(MINUTE_US), || Cell {
            requests: 0,
            first: ts,
            last: ts,
            line: line(),
        });
        let mut held = allocated(cell.line.len());
        cell.requests += 1;
        cell.last = cell.last.max(ts);
        if ts <= cell.first {
            let line = line();
            if ts < cell.first || line < cell.line {
                (cell.first, cell.line) = (ts, line);
            }
        }
        let line = allocated(cell.line.len());
        if visit.minutes.len() > minutes {
            held = 0;
        }
        self.held = self.held + visit.minutes.bytes() + line - before - held;
    }

    /// Forgets the visits of which `goes` holds; returns how many.
    fn give_up(&mut self, goes: impl Fn(&Visit) -> bool) -> u64 {
        let held = &mut self.held;
        self.visits.give_up(goes, |visit| *held -= visit.bytes()).count() as u64
    }

    fn judge(&self, visit: &Visit, closed: i64) -> Vec<Verdict> {
        let key = &visit.key;
        let dataset = self.scopes[usize::from(key.scope)].1;
        let claim = &self.names[usize::from(key.claim)];
        if key.address.is_empty() {
            return self.robots(claim, visit, dataset, closed).into_iter().collect();
        }
        let gap_us = self.settings.gap_minutes.clamp(1, 24 * 60) * MINUTE_US;
        let cells: Vec<&Cell> = visit.minutes.values().collect();
        let visits = cells.chunk_by(|a, b| b.first - a.last <= gap_us);
        visits
            .filter_map(|cells| {
                let requests: u64 = cells.iter().map(|cell| cell.requests).sum();
                (requests >= self.settings.requests_min.max(1)).then(|| {
                    let mut verdict = verdict(cells, self.settings.level, gap_us);
                    verdict.detector = CLAIMED;
                    verdict.rule_id = format!("{CLAIMED}.{}.{dataset}", slug(&claim.name));
                    verdict.title = "Says to be a crawler";
                    verdict.monotone = true;
                    verdict.facts = vec![
                        (CLAIM_FACT.into(), claim.name.clone()),
                        ("requests".into(), requests.to_string()),
                    ];
                    verdict
                })
            })
            .collect()
    }

    /// An AI crawler that asked for much and never for the rules.
    fn robots(&self, claim: &Claimed, visit: &Visit, dataset: Dataset, closed: i64) -> Option<Verdict> {
        let until = closed.div_euclid(MINUTE_US);
        let last = visit.minutes.last()?;
        let requests = visit.requests;
        if !claim.ai || visit.robots > 0 || requests < self.settings.robots_requests_min || last >= until {
            return None;
        }
        let cells: Vec<&Cell> = visit.minutes.values().collect();
        let mut verdict = verdict(&cells, Level::Informational, 24 * HOUR_US);
        verdict.detector = ROBOTS;
        verdict.rule_id = format!("{ROBOTS}.{dataset}");
        verdict.title = "AI crawler that does not ask for robots.txt";
        verdict.facts = vec![
            (CLAIM_FACT.into(), claim.name.clone()),
            ("requests".into(), requests.to_string()),
        ];
        Some(verdict)
    }
}

/// A crawler's name as part of a rule's: one client may claim several, each its own finding.
fn slug(name: &str) -> String {
    name.to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

fn bounded_line(path: &str) -> Box<str> {
    const PATH_BYTES_MAX: usize = 120;
    let mut end = path.len().min(PATH_BYTES_MAX);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    path[..end].into()
}

fn verdict(cells: &[&Cell], level: Level, gap_us: i64) -> Verdict {
    let evidence = cells.iter().take(EVIDENCE_MAX).map(|cell| EvidenceRef {
        ts: Micros(cell.first),
        summary: cell.line.to_string(),
    });
    Verdict {
        detector: "",
        rule_id: String::new(),
        title: "",
        level,
        extent: Extent {
            start: cells.first().map_or(0, |cell| cell.first),
            end: cells.iter().map(|cell| cell.last).max().unwrap_or(0),
            count: cells.iter().map(|cell| cell.requests).sum(),
        },
        score: score_of(level),
        confidence: 0.5,
        gap_us,
        monotone: false,
        evidence: evidence.collect(),
        facts: Vec::new(),
        attack: &["T1036"],
    }
}

impl Detector for Claims {
    fn columns(&self) -> &'static [&'static str] {
        &["ua", "uri"]
    }

    fn lookback_us(&self) -> i64 {
        self.settings.gap_minutes.clamp(1, 24 * 60) * MINUTE_US
    }

    fn observe(&mut self, batch: &EventBatch, rows: &Rows<'_>) {
        if !batch.dataset.is_web() {
            return;
        }
        const KNOWN_MAX: usize = 8_192;
        let (agents, uris) = (Column::of(batch, "ua"), Column::of(batch, "uri"));
        let mut known: AHashMap<&str, Option<u16>> = AHashMap::new();
        let mut scope = None;
        for (row, &ts) in batch.ts().values().iter().enumerate() {
            let (Value::Text(agent), Value::Text(address)) = (agents.value(row), rows.src_ip.value(row))
            else {
                continue;
            };
            let claim = match known.get(agent) {
                Some(&claim) => claim,
                None => {
                    let claim = self.claim(agent);
                    if known.len() < KNOWN_MAX {
                        known.insert(agent, claim);
                    }
                    claim
                }
            };
            let Some(claim) = claim else {
                continue;
            };
            let scope = *scope.get_or_insert_with(|| scope_of(&mut self.scopes, batch));
            let path = match uris.value(row) {
                Value::Text(uri) => path_of(uri),
                _ => "",
            };
            let key = |address: &str| Key {
                scope,
                claim,
                address: address.into(),
            };
            self.count(key(address), ts, path);
            if self.names[usize::from(claim)].ai {
                self.count(key(""), ts, path);
            }
        }
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        let dirty = (0..).zip(self.visits.iter()).filter(|(_, visit)| visit.dirty);
        let mut due: Vec<(&Key, u32)> = dirty.map(|(at, visit)| (&visit.key, at)).collect();
        due.sort_unstable();
        let due: Vec<u32> = due.into_iter().map(|(_, at)| at).collect();
        for at in due {
            let visit = self.visits.get(at);
            let key = &visit.key;
            let (tenant, dataset) = self.scopes[usize::from(key.scope)].clone();
            let closed = closing.watermark(&tenant, dataset);
            let now = self.judge(visit, closed);
            let (kind, value) = match &*key.address {
                "" => ("ua", self.names[usize::from(key.claim)].name.as_str()),
                address => ("ip", address),
            };
            let entity = Entity {
                kind: kind.into(),
                value: value.into(),
            };
            let visit = self.visits.get_mut(at);
            let newest = visit.minutes.last();
            // Claims are judged at once, the rest when it is final.
            visit.dirty =
                visit.key.address.is_empty() && newest.is_some_and(|m| (m + 1) * MINUTE_US > closed);
            let before = visit.bytes();
            reconcile(&tenant, &entity, &mut visit.told, now, out);
            self.held = self.held + visit.bytes() - before;
        }
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let cut = before_us.div_euclid(MINUTE_US);
        let mut gone = 0;
        for visit in self.visits.iter_mut() {
            if self.scopes[usize::from(visit.key.scope)].0 == *tenant {
                let before = visit.bytes();
                gone += visit.minutes.forget(cut).len() as u64;
                visit.requests = visit.minutes.values().map(|cell| cell.requests).sum();
                visit.told.retain(|verdict| verdict.extent.end >= before_us);
                self.held = self.held + visit.bytes() - before;
            }
        }
        self.give_up(|visit| visit.minutes.is_empty());
        gone
    }

    fn bytes(&self) -> usize {
        self.visits.bytes() + self.held
    }

    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let rank = |visit: &Visit| (visit.requests, visit.hash);
        let mut lost = 0;
        while self.bytes() > bytes_max {
            let share = share_over(self.bytes(), bytes_max);
            let Some(limit) = self.visits.limit(share, rank) else {
                break;
            };
            lost += self.give_up(|visit| rank(visit) <= limit);
        }
        lost
    }
}
