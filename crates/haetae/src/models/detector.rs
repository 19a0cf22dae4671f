//! A model behind the engine's seam: windows of clients that are final are scored, and those over
//! the threshold become episodes of their client.
//!
//! Windows stay until no event can come for them any more; a late one changes its window, which is
//! scored anew. So what is told is a function of the set of events, but for windows that were let go
//! to stay within the memory bound: those are judged by what was there, and rows that come for them
//! later are counted as unobserved.
//!
//! A model alone never pages: the level is low, or medium when the score clears a quarter of the way
//! from the threshold to 1.

use super::Model;
use haetae_detect::detector::{Detector, Extent, Rows, Verdict, reconcile, score_of};
use haetae_detect::{Closing, Evaluation};
use haetae_event::time::MINUTE_US;
use haetae_event::{Entity, EventBatch, Level, Micros, TenantId};
use haetae_learn::Matrix;
use haetae_learn::features::{COUNT, Extractor, Options, WindowKey, WindowRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Clients of one minute that are kept; beyond, those with the largest hashes go.
const CLIENTS_MAX: usize = 20_000;
/// A window with its key and its place in the maps.
const WINDOW_BYTES: usize = 1_280;
/// An unusual window with its numbers.
const UNUSUAL_BYTES: usize = 320;
/// A client that was told about, with the text.
const CLIENT_BYTES: usize = 1_600;
/// Unusual windows of a client no further apart than this are one episode.
const GAP_US: i64 = 10 * MINUTE_US;
/// Part of the way from the threshold to 1.
const MEDIUM_FROM: f64 = 0.25;

const COLUMNS: [&str; 9] = [
    "src_ip",
    "src_key",
    "method",
    "uri",
    "status",
    "ua",
    "bytes_in",
    "bytes_out",
    "payload_entropy",
];

/// What features are made of, as read from the store or from files.
pub fn read_columns() -> haetae_event::Columns {
    haetae_event::Columns::only(["ts"].into_iter().chain(COLUMNS))
}

type Client = (TenantId, String);

/// Score and numbers of a window.
type Scored = (f64, [f64; COUNT]);

/// Unusual windows of a client in a row.
struct Stretch<'a> {
    extent: Extent,
    /// The one with the highest score.
    peak: &'a Scored,
    windows: u64,
}

/// See the module.
pub struct ForestDetector {
    model: Arc<Model>,
    extractor: Extractor,
    /// Clients with unusual windows.
    clients: BTreeMap<Client, Unusual>,
    dirty: BTreeSet<Client>,
    unusual_windows: usize,
}

#[derive(Default)]
struct Unusual {
    /// By start.
    windows: BTreeMap<Micros, Scored>,
    told: Vec<Verdict>,
}

impl ForestDetector {
    pub fn new(model: Arc<Model>) -> ForestDetector {
        let extractor = Extractor::new(Options {
            window_us: model.window_us,
            windows_max: usize::MAX,
            clients_max: CLIENTS_MAX,
            seed: model.seed,
        });
        ForestDetector {
            model,
            extractor,
            clients: BTreeMap::new(),
            dirty: BTreeSet::new(),
            unusual_windows: 0,
        }
    }

    fn judge(&mut self, rows: Vec<WindowRow>) {
        if rows.is_empty() {
            return;
        }
        let cells: Vec<f64> = rows.iter().flat_map(|row| row.values).collect();
        let data = Matrix::new(&cells, COUNT).expect("whole rows");
        let scores = self.model.forest.score(data);
        let scores = scores.expect("a model has this program's features");
        for (row, score) in rows.into_iter().zip(scores) {
            if self.model.forest.is_anomaly(score) {
                self.insert(row, score);
            } else {
                self.remove(row.key);
            }
        }
    }

    fn insert(&mut self, row: WindowRow, score: f64) {
        let client = (row.key.tenant, row.key.client);
        let windows = &mut self.clients.entry(client.clone()).or_default().windows;
        let before = windows.insert(row.key.start, (score, row.values));
        self.unusual_windows += usize::from(before.is_none());
        self.dirty.insert(client);
    }

    fn remove(&mut self, key: WindowKey) {
        let client = (key.tenant, key.client);
        let Some(known) = self.clients.get_mut(&client) else {
            return;
        };
        if known.windows.remove(&key.start).is_some() {
            self.unusual_windows -= 1;
            self.dirty.insert(client);
        }
    }

    /// Episodes of one client: a pure function of its unusual windows.
    fn verdicts(&self, windows: &BTreeMap<Micros, Scored>) -> Vec<Verdict> {
        let window_us = self.model.window_us;
        let mut found: Vec<Stretch<'_>> = Vec::new();
        for (start, scored) in windows {
            // The first feature is the number of requests.
            let (end, count) = (start.saturating_add(window_us).0, scored.1[0] as u64);
            match found.last_mut() {
                Some(last) if start.0 <= last.extent.end.saturating_add(GAP_US) => {
                    last.extent.end = end;
                    last.extent.count += count;
                    last.windows += 1;
                    if scored.0 > last.peak.0 {
                        last.peak = scored;
                    }
                }
                _ => {
                    let start = start.0;
                    found.push(Stretch {
                        extent: Extent { start, end, count },
                        peak: scored,
                        windows: 1,
                    });
                }
            }
        }
        found.iter().map(|stretch| self.verdict(stretch)).collect()
    }

    fn verdict(&self, stretch: &Stretch<'_>) -> Verdict {
        let (score, values) = stretch.peak;
        let threshold = self.model.forest.threshold();
        let level = if *score >= threshold + MEDIUM_FROM * (1.0 - threshold) {
            Level::Medium
        } else {
            Level::Low
        };
        let mut facts = vec![
            ("model".to_owned(), self.model.id.to_string()),
            (
                "score".to_owned(),
                format!("{score:.3}; unusual above {threshold:.3}"),
            ),
            ("unusual windows".to_owned(), stretch.windows.to_string()),
        ];
        facts.extend(self.model.reasons(values));
        Verdict {
            detector: "isolation_forest",
            rule_id: self.model.rule_id.clone(),
            title: "Unusual behaviour of a client",
            level,
            extent: stretch.extent,
            score: score_of(level),
            confidence: 0.4,
            gap_us: GAP_US,
            monotone: false,
            evidence: Vec::new(),
            facts,
            attack: &[],
        }
    }
}

/// Up to where all of a tenant's web logs are final.
fn closed(closing: &Closing, tenant: &TenantId) -> Micros {
    let own = closing.watermarks.iter().filter(|((of, _), _)| of == tenant);
    let web = own.filter(|((_, dataset), _)| dataset.is_web());
    let least = web.map(|(_, until)| *until).min();
    Micros(least.unwrap_or(closing.default_us))
}

fn entity(client: &str) -> Entity {
    let address = client.parse::<std::net::IpAddr>().is_ok();
    Entity {
        kind: if address { "ip" } else { "src_key" }.into(),
        value: client.into(),
    }
}

impl Detector for ForestDetector {
    fn columns(&self) -> &'static [&'static str] {
        &COLUMNS
    }

    fn lookback_us(&self) -> i64 {
        self.model.window_us
    }

    fn observe(&mut self, batch: &EventBatch, _: &Rows<'_>) {
        if batch.dataset.is_web() {
            self.extractor.observe(batch);
        }
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        let mut known: Vec<(TenantId, Micros)> = Vec::new();
        for (tenant, _) in closing.watermarks.keys() {
            if !known.iter().any(|(of, _)| of == tenant) {
                known.push((tenant.clone(), closed(closing, tenant)));
            }
        }
        let changed = self.extractor.take_changed(|tenant| {
            let of = known.iter().find(|(of, _)| of == tenant);
            of.map_or(Micros(closing.default_us), |(_, until)| *until)
        });
        changed.gone.into_iter().for_each(|key| self.remove(key));
        self.judge(changed.rows);
        for client in std::mem::take(&mut self.dirty) {
            let Some(mut known) = self.clients.remove(&client) else {
                continue;
            };
            let now = self.verdicts(&known.windows);
            let (tenant, address) = &client;
            reconcile(tenant, &entity(address), &mut known.told, now, out);
            if !known.told.is_empty() {
                self.clients.insert(client, known);
            }
        }
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let before = Micros(before_us);
        let window_us = self.model.window_us;
        self.clients.retain(|(of, _), known| {
            if of == tenant {
                let held = known.windows.len();
                known
                    .windows
                    .retain(|start, _| start.saturating_add(window_us) > before);
                self.unusual_windows -= held - known.windows.len();
                known.told.retain(|verdict| verdict.extent.end > before_us);
            }
            !known.windows.is_empty() || !known.told.is_empty()
        });
        self.extractor.forget(tenant, before)
    }

    fn unobserved(&self) -> u64 {
        self.extractor.seen().crowded_out
    }

    fn bytes(&self) -> usize {
        self.extractor.cells() * WINDOW_BYTES
            + self.unusual_windows * UNUSUAL_BYTES
            + self.clients.len() * CLIENT_BYTES
    }

    /// The oldest windows are judged as they are and go; if that is not enough, clients with the
    /// fewest unusual windows go too.
    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let held = self.extractor.cells();
        let rows = self.extractor.let_go(bytes_max / 2 / WINDOW_BYTES);
        self.judge(rows);
        let mut lost = (held - self.extractor.cells()) as u64;
        if self.bytes() > bytes_max {
            let mut sizes: Vec<(usize, Client)> = self
                .clients
                .iter()
                .map(|(client, known)| (known.windows.len(), client.clone()))
                .collect();
            sizes.sort();
            for (windows, client) in sizes {
                if self.bytes() <= bytes_max {
                    break;
                }
                self.clients.remove(&client);
                self.dirty.remove(&client);
                self.unusual_windows -= windows;
                lost += 1;
            }
        }
        lost
    }
}
