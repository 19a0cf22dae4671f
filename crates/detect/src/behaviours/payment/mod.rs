//! Abuse of the way to payment: steps left out, out of order, or an order paid again and again.
//!
//! Which steps a payment needs is not told but learned: what nearly all paying clients of the same
//! kind of program (browser, or this app) did before their first payment. An app that pays
//! without a checkout page is its own kind, so that it does not look like an attack, nor teaches
//! browsers to leave the page out. Orders and checkouts are used up by payments; a payment that
//! finds none left is against the way. Counting instead of matching pairs holds for many people
//! behind one address as well: each brings an order along. Who makes up a kind of program that few
//! pay with is held to the way of browsers, at a lower level; and an address teaches no more than
//! one client does, however many sessions it opens.
//!
//! A client is its session where the log has one, else its account, else address and user agent.
//! Violations of clients below the threshold are added up by address, where at least half of those
//! who paid from it went wrong: a new session for each payment is no way around.
//! Bounded: visits that did not pay go first, then the oldest.

pub mod settings;
mod steps;
mod visit;

use crate::behaviours::sample;
use crate::behaviours::scope_of;
use crate::detector::{Detector, Extent, Rows, Verdict, reconcile, score_of};
use crate::detectors::Detectors;
use crate::engine::value::{Column, Value};
use crate::engine::{Closing, Evaluation};
use crate::names::bounded;
use ahash::AHashMap;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, Entity, EventBatch, EvidenceRef, Level, Micros, TenantId};
use settings::Payment;
use std::collections::BTreeMap;
use steps::{Reader, Way};
use visit::{Places, Shape, Violation, Visit, Wrong};

/// Names of the rules: the dataset follows.
const ABUSE: &str = "payment_flow";
const DECLINED: &str = "payment_declined";

/// Kinds of programs whose ways are learned apart, for one tenant and dataset; others are one.
const COHORTS_MAX: usize = 32;

/// How a client is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Known {
    Session,
    Account,
    Address,
}

impl Known {
    fn entity_kind(self) -> &'static str {
        match self {
            Known::Session => "session",
            Known::Account => "account",
            Known::Address => "ip",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    scope: u16,
    known: Known,
    hash: u64,
}

/// The detector.
pub struct Payments {
    settings: Payment,
    way: Way,
    shape: Shape,
    scopes: Vec<(TenantId, Dataset)>,
    visits: AHashMap<Key, Visit>,
    bytes: usize,
    unobserved: u64,
    /// What was required at the last evaluation.
    required: Required,
    /// What was told of addresses.
    told: BTreeMap<Place, Vec<Verdict>>,
    /// Addresses that a client is not counted with any more.
    left: Vec<Place>,
}

/// Scope and address.
type Place = (u16, Box<str>);

/// A client's payments against the way.
#[derive(Default)]
struct Judged {
    abuse: Vec<Violation>,
    declined: Vec<Violation>,
    /// Whether they are judged by the way of browsers, for want of one of their kind.
    borrowed: bool,
}

/// Required steps by scope and kind of program; `None`: too few clients to say.
type Required = BTreeMap<(u16, u64), Option<Places>>;

impl Payments {
    pub fn from_settings(settings: &Detectors) -> Option<Box<dyn Detector>> {
        let settings = settings.payment.as_ref().filter(|s| s.enabled)?.clone();
        if settings.steps.len() < 2 {
            return None;
        }
        Some(Box::new(Payments {
            way: Way::new(&settings),
            shape: Shape::new(&settings),
            settings,
            scopes: Vec::new(),
            visits: AHashMap::new(),
            bytes: 0,
            unobserved: 0,
            required: Required::new(),
            told: BTreeMap::new(),
            left: Vec::new(),
        }))
    }

    fn closed(&self, scope: u16, closing: &Closing) -> i64 {
        let (tenant, dataset) = &self.scopes[usize::from(scope)];
        closing.watermark(tenant, *dataset)
    }

    /// What nearly all paying clients did before their first payment.
    fn learn(&self, closing: &Closing) -> Required {
        let mut cohorts: BTreeMap<(u16, u64), Vec<(&str, Places)>> = BTreeMap::new();
        for (key, visit) in self.visits.iter().filter(|(_, visit)| visit.has_paid()) {
            let closed = self.closed(key.scope, closing);
            let Some(taken) = visit.before_first(&self.shape, closed) else {
                continue;
            };
            let cohort = (key.scope, visit.cohort.unwrap_or(0));
            let address = visit.address.as_deref().unwrap_or("");
            cohorts.entry(cohort).or_default().push((address, taken));
        }
        // The largest kinds have their own ways; the rest is nobody's.
        let mut largest: Vec<_> = cohorts.into_iter().collect();
        largest.sort_by_key(|(cohort, clients)| (std::cmp::Reverse(clients.len()), *cohort));
        largest
            .into_iter()
            .take(COHORTS_MAX)
            .map(|(cohort, clients)| (cohort, self.required_of(cohort.1, clients)))
            .collect()
    }

    /// Steps that a kind of program takes; `None` when too few pay with it to say.
    fn required_of(&self, cohort: u64, mut clients: Vec<(&str, Places)>) -> Option<Places> {
        /// Parts of one client, dividable by most small numbers.
        const WHOLE: u64 = 720_720;
        clients.sort_unstable();
        let by_address = || clients.chunk_by(|a, b| a.0 == b.0);
        let least = self.settings.clients_min.max(1);
        let spread = by_address().count() as u64 >= least;
        // Where a log knows few addresses, say that of a proxy, browsers are counted by session; any
        // other kind of program from so few places may be made up.
        if !spread && (cohort != cohort_of(Some(BROWSER)) || (clients.len() as u64) < least) {
            return None;
        }
        let (mut all, mut with) = (0, [0u64; 8]);
        for own in by_address() {
            let weight = if spread { WHOLE / own.len() as u64 } else { WHOLE };
            for (_, taken) in own {
                all += weight;
                let places = with.iter_mut().enumerate();
                places.for_each(|(place, with)| *with += weight * u64::from(taken >> place & 1));
            }
        }
        let share = |place: u8| with[usize::from(place)] as f64 / all.max(1) as f64;
        let needed = (0..self.shape.payment).filter(|p| share(*p) >= self.settings.required_share_min);
        Some(needed.fold(0, |places: Places, place| places | 1 << place))
    }

    /// What is required of a client, and whether that is borrowed from browsers.
    fn required_by(&self, key: &Key, visit: &Visit, required: &Required) -> (Option<Places>, bool) {
        let of = |cohort: u64| required.get(&(key.scope, cohort)).copied().flatten();
        match of(visit.cohort.unwrap_or(0)) {
            Some(own) => (Some(own), false),
            None => (of(cohort_of(Some(BROWSER))), true),
        }
    }

    fn violations(&self, key: &Key, required: &Required, closed: i64) -> Judged {
        let visit = &self.visits[key];
        let (known, borrowed) = self.required_by(key, visit, required);
        let violations = visit.violations(&self.shape, known.unwrap_or(0), closed);
        let (declined, abuse) = violations.into_iter().partition(|v| v.wrong == Wrong::Declined);
        Judged {
            abuse,
            declined,
            borrowed,
        }
    }

    fn judge(&self, judged: &Judged, path: Option<&str>, dataset: Dataset) -> Vec<Verdict> {
        let mut out = Vec::new();
        for run in runs(&judged.abuse, self.shape.session_us) {
            if run.len() as u64 >= self.settings.violations_min.max(1) {
                out.push(self.abuse(run, judged.borrowed, path, dataset));
            }
        }
        for run in runs(&judged.declined, self.shape.session_us) {
            if run.len() as u64 >= self.settings.declined_min.max(1) {
                let told = (DECLINED, "Many declined payments: stolen cards tried out");
                out.push(self.verdict(told, self.settings.level, run, path, dataset));
            }
        }
        out
    }

    /// What the clients of one address did together: those known by it alone, and of those with a
    /// session or account what was not told of them.
    fn judge_address(
        &self,
        clients: &[Key],
        required: &Required,
        closed: i64,
        dataset: Dataset,
    ) -> Vec<Verdict> {
        let (mut all, mut certain) = (Judged::default(), false);
        let (mut paid, mut abusing, mut declining) = (0, 0, 0);
        let mut path: Option<&str> = None;
        for key in clients {
            let visit = &self.visits[key];
            if key.known != Known::Address && !visit.told.is_empty() {
                continue;
            }
            let mut own = self.violations(key, required, closed);
            let own_path = visit.path.as_deref();
            certain |= key.known == Known::Address && !self.judge(&own, own_path, dataset).is_empty();
            paid += 1;
            abusing += usize::from(!own.abuse.is_empty());
            declining += usize::from(!own.declined.is_empty());
            all.borrowed |= own.borrowed && !own.abuse.is_empty();
            all.abuse.append(&mut own.abuse);
            all.declined.append(&mut own.declined);
            path = path.into_iter().chain(own_path).min();
        }
        // Of many people behind one address a few stumble; of those who open sessions for it all do.
        if !certain && abusing * 2 < paid {
            all.abuse.clear();
        }
        if !certain && declining * 2 < paid {
            all.declined.clear();
        }
        all.abuse.sort_unstable();
        all.declined.sort_unstable();
        self.judge(&all, path, dataset)
    }

    fn abuse(&self, run: &[Violation], borrowed: bool, path: Option<&str>, dataset: Dataset) -> Verdict {
        let count = |of: fn(&Wrong) -> bool| run.iter().filter(|v| of(&v.wrong)).count();
        let skipped = count(|wrong| matches!(wrong, Wrong::Skipped(_)));
        let disordered = count(|wrong| matches!(wrong, Wrong::OutOfOrder(_)));
        let replayed = count(|wrong| matches!(wrong, Wrong::Replayed));
        let title = if replayed >= skipped && replayed >= disordered {
            "Payment flow: payment sent again without a new order"
        } else if disordered >= skipped {
            "Payment flow: payment before the steps it needs"
        } else {
            "Payment flow: steps before the payment left out"
        };
        let many = run.len() as u64 >= self.settings.violations_high;
        let level = match (many, borrowed) {
            (true, false) => self.settings.level_high,
            (true, true) | (false, false) => self.settings.level,
            (false, true) => self.settings.level.min(Level::Low),
        };
        let mut verdict = self.verdict((ABUSE, title), level, run, path, dataset);
        let mut missing: Places = 0;
        for violation in run {
            if let Wrong::Skipped(places) | Wrong::OutOfOrder(places) = violation.wrong {
                missing |= places;
            }
        }
        let names: Vec<&str> = (0..self.shape.payment)
            .filter(|place| missing & 1 << place != 0)
            .filter_map(|place| self.settings.steps.get(usize::from(place)))
            .map(|step| step.name.as_str())
            .collect();
        verdict.facts = vec![
            ("steps left out".into(), skipped.to_string()),
            ("out of order".into(), disordered.to_string()),
            ("sent again".into(), replayed.to_string()),
        ];
        if !names.is_empty() {
            verdict.facts.push(("missing steps".into(), names.join(", ")));
        }
        if borrowed {
            verdict.confidence = 0.5;
            let fact = "of browsers: too few clients pay with this program to have one of their own";
            verdict.facts.push(("way".into(), fact.into()));
        }
        verdict
    }

    fn verdict(
        &self,
        (detector, title): (&'static str, &'static str),
        level: Level,
        run: &[Violation],
        path: Option<&str>,
        dataset: Dataset,
    ) -> Verdict {
        let path = path.unwrap_or("payment");
        let evidence = run.iter().take(EVIDENCE_MAX).map(|violation| EvidenceRef {
            ts: Micros(violation.ts),
            summary: match violation.wrong {
                Wrong::Skipped(_) => format!("{path}: without the steps before it"),
                Wrong::OutOfOrder(_) => format!("{path}: before the steps it needs"),
                Wrong::Replayed => format!("{path}: sent again"),
                Wrong::Declined => format!("{path}: declined"),
            },
        });
        Verdict {
            detector,
            rule_id: format!("{detector}.{dataset}"),
            title,
            level,
            extent: Extent {
                start: run.first().map_or(0, |v| v.ts),
                end: run.last().map_or(0, |v| v.ts),
                count: run.len() as u64,
            },
            score: score_of(level),
            confidence: 0.8,
            gap_us: self.shape.session_us,
            monotone: false,
            evidence: evidence.collect(),
            facts: Vec::new(),
            attack: &[],
        }
    }

    fn count_bytes(&self) -> usize {
        let told: usize = self.told.values().map(|told| 100 + told.len() * 500).sum();
        self.visits.values().map(Visit::bytes).sum::<usize>() + told
    }
}

/// Violations no further apart than `gap_us`, in order.
fn runs(violations: &[Violation], gap_us: i64) -> impl Iterator<Item = &[Violation]> {
    violations.chunk_by(move |a, b| b.ts - a.ts <= gap_us)
}

/// A user agent of a browser begins with it.
const BROWSER: &str = "Mozilla/5.0";

/// The kind of program: browsers are one, an app is known by its first word.
fn cohort_of(agent: Option<&str>) -> u64 {
    let agent = agent.unwrap_or("");
    let word = agent.split(['/', ' ']).next().unwrap_or("");
    sample::hash(word)
}

fn text<'a>(column: &Column<'a>, row: usize) -> Option<&'a str> {
    match column.value(row) {
        Value::Text(text) if !text.is_empty() && text != "-" => Some(text),
        _ => None,
    }
}

impl Payments {
    fn evaluate_client(&mut self, key: &Key, required: &Required, closing: &Closing, out: &mut Evaluation) {
        let closed = self.closed(key.scope, closing);
        let (tenant, dataset) = self.scopes[usize::from(key.scope)].clone();
        let mut now = Vec::new();
        // What is known by its address is told by the address.
        if key.known != Known::Address {
            let judged = self.violations(key, required, closed);
            now = self.judge(&judged, self.visits[key].path.as_deref(), dataset);
        }
        let visit = self.visits.get_mut(key).expect("listed by the caller");
        visit.dirty = visit.newest() > closed;
        if now.is_empty() && visit.told.is_empty() {
            return;
        }
        let entity = Entity {
            kind: key.known.entity_kind().into(),
            value: visit.name.as_deref().unwrap_or("").into(),
        };
        reconcile(&tenant, &entity, &mut visit.told, now, out);
    }

    /// Judges the addresses that `changed` clients paid from.
    fn evaluate_addresses(
        &mut self,
        changed: &[Key],
        required: &Required,
        closing: &Closing,
        out: &mut Evaluation,
    ) {
        let place = |key: &Key| Some((key.scope, self.visits[key].address.clone()?));
        let mut clients: BTreeMap<Place, Vec<Key>> = changed
            .iter()
            .filter_map(place)
            .map(|place| (place, Vec::new()))
            .collect();
        let left = std::mem::take(&mut self.left).into_iter();
        clients.extend(left.map(|place| (place, Vec::new())));
        for (key, visit) in self.visits.iter().filter(|(_, visit)| visit.has_paid()) {
            let Some(address) = &visit.address else { continue };
            if let Some(own) = clients.get_mut(&(key.scope, address.clone())) {
                own.push(*key);
            }
        }
        for (place, own) in clients {
            let (tenant, dataset) = self.scopes[usize::from(place.0)].clone();
            let closed = closing.watermark(&tenant, dataset);
            let now = self.judge_address(&own, required, closed, dataset);
            let entity = Entity {
                kind: "ip".into(),
                value: place.1.to_string(),
            };
            let mut told = self.told.remove(&place).unwrap_or_default();
            reconcile(&tenant, &entity, &mut told, now, out);
            if !told.is_empty() {
                self.told.insert(place, told);
            }
        }
    }
}

impl Detector for Payments {
    fn columns(&self) -> &'static [&'static str] {
        &["method", "uri", "status", "ua", "session_id", "account"]
    }

    fn lookback_us(&self) -> i64 {
        self.shape.session_us + 5 * MINUTE_US
    }

    fn observe(&mut self, batch: &EventBatch, rows: &Rows<'_>) {
        if !batch.dataset.is_web() && batch.dataset != Dataset::App {
            return;
        }
        let way = std::mem::take(&mut self.way);
        let mut reader = Reader::new(batch, &way);
        let [agents, sessions] = ["ua", "session_id"].map(|name| Column::of(batch, name));
        let accounts = Column::accounts(batch);
        let mut scope = None;
        for (row, &ts) in batch.ts().values().iter().enumerate() {
            let Some((step, path)) = reader.step(row, ts) else {
                continue;
            };
            let agent = text(&agents, row);
            let address = text(&rows.src_ip, row);
            let (known, name) = match (text(&sessions, row), text(&accounts, row), address) {
                (Some(session), _, _) => (Known::Session, session),
                (None, Some(account), _) => (Known::Account, account),
                (None, None, Some(address)) => (Known::Address, address),
                (None, None, None) => {
                    self.unobserved += 1;
                    continue;
                }
            };
            let with = if known == Known::Address { agent } else { None };
            let hash = rows.hasher.hash_one((name, with));
            let scope = *scope.get_or_insert_with(|| scope_of(&mut self.scopes, batch));
            let visit = self.visits.entry(Key { scope, known, hash }).or_default();
            let before = if visit.is_empty() { 0 } else { visit.bytes() };
            visit.add(step, &self.shape);
            if step.place == self.shape.payment {
                visit.name.get_or_insert_with(|| bounded(name).into());
                if let Some(address) = address
                    && visit.address.as_deref().is_none_or(|known| address < known)
                {
                    let left = visit.address.replace(address.into());
                    self.left.extend(left.map(|left| (scope, left)));
                }
                let cohort = cohort_of(agent);
                visit.cohort = Some(visit.cohort.map_or(cohort, |known| known.min(cohort)));
                if visit.path.as_deref().is_none_or(|known| path < known) && path.len() <= 200 {
                    visit.path = Some(path.into());
                }
            }
            self.bytes = self.bytes + visit.bytes() - before;
        }
        drop(reader);
        self.way = way;
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        let any = |visit: &Visit| visit.dirty && visit.has_paid();
        if !self.visits.values().any(any) {
            return;
        }
        let required = self.learn(closing);
        // Where other steps are required than before, everybody who paid is judged anew.
        let changed = |key: &Key, visit: &Visit| {
            self.required_by(key, visit, &required) != self.required_by(key, visit, &self.required)
        };
        let mut paid: Vec<Key> = self
            .visits
            .iter()
            .filter(|(key, visit)| visit.has_paid() && (visit.dirty || changed(key, visit)))
            .map(|(key, _)| *key)
            .collect();
        paid.sort_by(|a, b| {
            let name = |key: &Key| (key.scope, key.known, self.visits[key].name.as_deref());
            name(a).cmp(&name(b))
        });
        for key in &paid {
            self.evaluate_client(key, &required, closing, out);
        }
        self.evaluate_addresses(&paid, &required, closing, out);
        self.required = required;
        self.bytes = self.count_bytes();
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let (scopes, session_us) = (&self.scopes, self.shape.session_us);
        let mut gone = 0;
        self.visits.retain(|key, visit| {
            if scopes[usize::from(key.scope)].0 == *tenant {
                gone += visit.forget(before_us, session_us) as u64;
            }
            !visit.is_empty()
        });
        self.told.retain(|place, told| {
            if scopes[usize::from(place.0)].0 == *tenant {
                told.retain(|verdict| verdict.extent.end >= before_us);
            }
            !told.is_empty()
        });
        self.bytes = self.count_bytes();
        gone
    }

    fn unobserved(&self) -> u64 {
        self.unobserved + self.visits.values().map(|visit| visit.lost).sum::<u64>()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut order: Vec<(bool, i64, Key)> = self
            .visits
            .iter()
            .map(|(key, visit)| (visit.has_paid(), visit.newest(), *key))
            .collect();
        order.sort_unstable();
        let mut bytes = self.count_bytes();
        let mut lost = 0;
        for (_, _, key) in order {
            if bytes <= bytes_max {
                break;
            }
            if let Some(visit) = self.visits.remove(&key) {
                bytes -= visit.bytes();
                lost += 1;
            }
        }
        self.bytes = bytes;
        lost
    }
}
