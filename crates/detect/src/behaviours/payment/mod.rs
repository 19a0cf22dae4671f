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

mod judge;
pub mod settings;
mod steps;
mod visit;

use crate::behaviours::sample;
use crate::behaviours::scope_of;
use crate::detector::{Detector, Rows, Verdict, reconcile};
use crate::detectors::Detectors;
use crate::engine::value::{Column, Value};
use crate::engine::{Closing, Evaluation};
use crate::names::bounded;
use crate::pool::{Hashed, Pool, allocated, share_over};
use haetae_event::time::{HOUR_US, MINUTE_US};
use haetae_event::{Dataset, Entity, EventBatch, TenantId};
use settings::Payment;
use std::collections::BTreeMap;
use steps::{Reader, Step, Way};
use visit::{Paid, Places, Shape, Steps, Violation, Visit, Wrong};

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

/// One client.
#[derive(Debug)]
struct Client {
    hash: u64,
    steps: Steps,
    scope: u16,
    known: Known,
}

impl Hashed for Client {
    fn hash(&self) -> u64 {
        self.hash
    }
}

impl Client {
    /// Of who paid.
    fn paid(&self) -> Option<(&Visit, &Paid)> {
        self.steps.paid()
    }

    /// Who ranks lowest is forgotten first.
    fn rank(&self) -> (bool, i64, u64) {
        (self.paid().is_some(), self.steps.newest(), self.hash)
    }
}

/// Place of a client in the pool.
type At = u32;

/// The detector.
pub struct Payments {
    settings: Payment,
    way: Way,
    shape: Shape,
    scopes: Vec<(TenantId, Dataset)>,
    /// By scope: payments before it are not judged, since what led to them may be forgotten, µs.
    floors: Vec<i64>,
    clients: Pool<Client>,
    /// Of clients beyond their places in the pool, and of what was told of addresses.
    held: usize,
    told_bytes: usize,
    /// Nothing is remembered of the time before this, µs.
    oldest: i64,
    /// Some who paid have news.
    news: bool,
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
            floors: Vec::new(),
            clients: Pool::default(),
            held: 0,
            told_bytes: 0,
            oldest: i64::MAX,
            news: false,
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
        for client in self.clients.iter() {
            let Some((visit, paid)) = client.paid() else {
                continue;
            };
            let closed = self.closed(client.scope, closing);
            let Some(taken) = visit.before_first(&self.shape, closed) else {
                continue;
            };
            let cohort = (client.scope, paid.cohort);
            let address = paid.address.as_deref().unwrap_or("");
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
    fn required_by(scope: u16, paid: &Paid, required: &Required) -> (Option<Places>, bool) {
        let of = |cohort: u64| required.get(&(scope, cohort)).copied().flatten();
        match of(paid.cohort) {
            Some(own) => (Some(own), false),
            None => (of(cohort_of(Some(BROWSER))), true),
        }
    }

    fn violations(&self, at: At, required: &Required, closed: i64) -> Judged {
        let client = self.clients.get(at);
        let Some((visit, paid)) = client.paid() else {
            return Judged::default();
        };
        let (known, borrowed) = Payments::required_by(client.scope, paid, required);
        let floor = self.floors[usize::from(client.scope)];
        let violations = visit.violations(&self.shape, known.unwrap_or(0), (floor, closed));
        let (declined, abuse) = violations.into_iter().partition(|v| v.wrong == Wrong::Declined);
        Judged {
            abuse,
            declined,
            borrowed,
        }
    }

    fn scope_of(&mut self, batch: &EventBatch) -> u16 {
        let scope = scope_of(&mut self.scopes, batch);
        self.floors.resize(self.scopes.len(), i64::MIN);
        scope
    }

    /// Adds a step of a client; `None` for times no log has.
    fn add(&mut self, (scope, known, hash): (u16, Known, u64), step: Step) -> Option<At> {
        if !visit::is_time(step.ts) {
            self.unobserved += 1;
            return None;
        }
        self.oldest = self.oldest.min(step.ts);
        let is = |client: &Client| (client.hash, client.scope, client.known) == (hash, scope, known);
        let next = self.clients.len();
        let at = self.clients.place(hash, is, || Client {
            hash,
            steps: Steps::new(step, &self.shape),
            scope,
            known,
        });
        let client = self.clients.get_mut(at);
        if at as usize == next {
            self.held += client.steps.bytes();
            return Some(at);
        }
        let before = client.steps.bytes();
        let added = client.steps.add(step, &self.shape);
        self.held = self.held + client.steps.bytes() - before;
        self.unobserved += u64::from(!added);
        self.news |= client.paid().is_some();
        Some(at)
    }

    /// What a payment says of who paid.
    fn pay(&mut self, at: At, name: &str, (agent, address, path): (Option<&str>, Option<&str>, &str)) {
        let client = self.clients.get_mut(at);
        let before = client.steps.bytes();
        let cohort = cohort_of(agent);
        let paid = client.steps.pay(&bounded(name), cohort);
        paid.cohort = paid.cohort.min(cohort);
        if let Some(address) = address
            && paid.address.as_deref().is_none_or(|known| address < known)
        {
            let left = paid.address.replace(address.into());
            self.left.extend(left.map(|left| (client.scope, left)));
        }
        if paid.path.as_deref().is_none_or(|known| path < known) && path.len() <= 200 {
            paid.path = Some(path.into());
        }
        self.held = self.held + client.steps.bytes() - before;
        self.news = true;
    }

    /// Forgets the clients of which `goes` holds; returns how many.
    fn give_up(&mut self, goes: impl Fn(&Client) -> bool) -> u64 {
        let held = &mut self.held;
        let moves = self.clients.give_up(goes, |client| *held -= client.steps.bytes());
        moves.count() as u64
    }

    fn count_told(&mut self) {
        /// A verdict with its texts, and a place among them.
        const TOLD_BYTES: usize = 1_000;
        let told = self.told.iter();
        let told = told.map(|(place, told)| 64 + allocated(place.1.len()) + told.len() * TOLD_BYTES);
        self.told_bytes = told.sum();
    }
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
    fn evaluate_client(&mut self, at: At, required: &Required, closing: &Closing, out: &mut Evaluation) {
        let (scope, known) = (self.clients.get(at).scope, self.clients.get(at).known);
        let closed = self.closed(scope, closing);
        let (tenant, dataset) = self.scopes[usize::from(scope)].clone();
        let mut now = Vec::new();
        // What is known by its address is told by the address.
        if known != Known::Address {
            let judged = self.violations(at, required, closed);
            let path = self
                .clients
                .get(at)
                .paid()
                .and_then(|(_, paid)| paid.path.as_deref());
            now = self.judge(&judged, path, dataset);
        }
        let steps = &mut self.clients.get_mut(at).steps;
        let (before, newest) = (steps.bytes(), steps.newest());
        let Some(paid) = steps.paid_mut() else { return };
        paid.dirty = newest > closed;
        self.news |= paid.dirty;
        if now.is_empty() && paid.told.is_empty() {
            return;
        }
        let entity = Entity {
            kind: known.entity_kind().into(),
            value: paid.name.to_string(),
        };
        reconcile(&tenant, &entity, &mut paid.told, now, out);
        self.held = self.held + steps.bytes() - before;
    }

    /// Judges the addresses that `changed` clients paid from.
    fn evaluate_addresses(
        &mut self,
        changed: &[At],
        required: &Required,
        closing: &Closing,
        out: &mut Evaluation,
    ) {
        let place = |client: &Client| Some((client.scope, client.paid()?.1.address.clone()?));
        let mut clients: BTreeMap<Place, Vec<At>> = changed
            .iter()
            .filter_map(|&at| place(self.clients.get(at)))
            .map(|place| (place, Vec::new()))
            .collect();
        let left = std::mem::take(&mut self.left).into_iter();
        clients.extend(left.map(|place| (place, Vec::new())));
        for (at, client) in (0..).zip(self.clients.iter()) {
            if let Some(place) = place(client)
                && let Some(own) = clients.get_mut(&place)
            {
                own.push(at);
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
        let reader = Reader::new(batch, &way);
        let [agents, sessions] = ["ua", "session_id"].map(|name| Column::of(batch, name));
        let accounts = Column::accounts(batch);
        let (payment, mut scope) = (self.shape.payment, None);
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
            let scope = *scope.get_or_insert_with(|| self.scope_of(batch));
            let at = self.add((scope, known, hash), step);
            if let Some(at) = at.filter(|_| step.place == payment) {
                self.pay(at, name, (agent, address, path));
            }
        }
        drop(reader);
        self.way = way;
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        if !std::mem::take(&mut self.news) {
            return;
        }
        let required = self.learn(closing);
        // Where other steps are required than before, everybody who paid is judged anew.
        let changed = |client: &Client, paid: &Paid| {
            Payments::required_by(client.scope, paid, &required)
                != Payments::required_by(client.scope, paid, &self.required)
        };
        let all = (0..).zip(self.clients.iter());
        let paid = all.filter_map(|(at, client)| Some((at, client, client.paid()?.1)));
        let due = paid.filter(|(_, client, paid)| paid.dirty || changed(client, paid));
        let mut due: Vec<_> = due
            .map(|(at, client, paid)| ((client.scope, client.known, &paid.name), at))
            .collect();
        due.sort();
        let due: Vec<At> = due.into_iter().map(|(_, at)| at).collect();
        for &at in &due {
            self.evaluate_client(at, &required, closing, out);
        }
        self.evaluate_addresses(&due, &required, closing, out);
        self.required = required;
        self.count_told();
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let session_us = self.shape.session_us;
        let scopes = &self.scopes;
        for ((own, _), floor) in scopes.iter().zip(&mut self.floors) {
            if own == tenant {
                *floor = (*floor).max(before_us.saturating_add(session_us));
            }
        }
        self.told.retain(|place, told| {
            if scopes[usize::from(place.0)].0 == *tenant {
                told.retain(|verdict| verdict.extent.end >= before_us);
            }
            !told.is_empty()
        });
        self.count_told();
        if self.oldest.div_euclid(HOUR_US) >= before_us.div_euclid(HOUR_US) {
            return 0;
        }
        let own: Vec<bool> = self.scopes.iter().map(|(own, _)| own == tenant).collect();
        let mut gone = 0;
        for client in self
            .clients
            .iter_mut()
            .filter(|client| own[usize::from(client.scope)])
        {
            let before = client.steps.bytes();
            gone += client.steps.forget(before_us);
            self.held = self.held + client.steps.bytes() - before;
        }
        self.give_up(|client| own[usize::from(client.scope)] && client.steps.ends_before(before_us));
        let oldest = self.clients.iter().map(|client| client.steps.oldest());
        self.oldest = oldest.min().unwrap_or(i64::MAX);
        gone as u64
    }

    fn unobserved(&self) -> u64 {
        self.unobserved
    }

    fn bytes(&self) -> usize {
        self.clients.bytes() + self.held + self.told_bytes
    }

    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut lost = 0;
        while self.bytes() > bytes_max {
            let share = share_over(self.bytes(), bytes_max);
            let Some(limit) = self.clients.limit(share, Client::rank) else {
                break;
            };
            lost += self.give_up(|client| client.rank() <= limit);
        }
        lost
    }
}
