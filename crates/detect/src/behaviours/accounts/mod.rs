//! Attacks on log-ins: stuffing, guessing, spraying, slow guessing, taken accounts.
//!
//! Attempts are told apart by path and method, their end by the status, or by the event's own
//! outcome in system logs ([`attempt`]). They are counted by minute ([`tally`]) for each client,
//! account, network (/24, /48), provider, client program and path, and judged ([`judge`]). Where
//! the log names no account (access logs), what needs names says nothing.
//!
//! Offices and carriers behind one address log in often and mostly succeed: shares of failures
//! decide, not counts alone. A client whose log-ins all fail for one name from one place is more
//! likely an owner than a thief: low.
//!
//! Bounded: what failed least and longest ago goes first.

mod attempt;
mod judge;
pub mod settings;
mod tally;

use crate::behaviours::sample;
use crate::behaviours::scope_of;
use crate::detector::{Detector, Rows, Verdict, reconcile};
use crate::detectors::Detectors;
use crate::engine::value::{Column, Value};
use crate::engine::{Closing, Evaluation};
use crate::names::bounded;
use crate::pool::{Hashed, Pool, allocated, share_over};
use ahash::RandomState;
use attempt::{Patterns, Reader};
use haetae_event::net::{Cidr, parse_address};
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, Entity, EventBatch, TenantId};
use judge::Judge;
use settings::Accounts;
use std::borrow::Cow;
use std::net::IpAddr;
use tally::{Seen, Tally};

pub use judge::ACCOUNTS_FACTS;

/// What attempts are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum By {
    Client,
    Account,
    Network,
    Provider,
    Agent,
    Fingerprint,
    Path,
    /// All of the dataset.
    All,
}

impl By {
    fn entity_kind(self) -> &'static str {
        match self {
            By::Client => "ip",
            By::Account => "account",
            By::Network => "net",
            By::Provider => "asn",
            By::Agent => "ua",
            By::Fingerprint => "ja4",
            By::Path => "path",
            By::All => "dataset",
        }
    }
}

/// The same by value; the source's dataset is part of it, since one request may stand in the logs
/// of the content network and of the application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    scope: u16,
    by: By,
    value: Box<str>,
}

/// What is known of one key.
#[derive(Debug)]
struct Entry {
    hash: u64,
    key: Key,
    tally: Tally,
}

impl Hashed for Entry {
    fn hash(&self) -> u64 {
        self.hash
    }
}

impl Entry {
    /// Memory beyond its own size, bytes.
    fn bytes(&self) -> usize {
        allocated(self.key.value.len()) + self.tally.bytes()
    }

    /// Who ranks lowest is forgotten first; sums over everybody stay longest.
    fn rank(&self) -> (bool, u64, i64, u64) {
        let newest = self.tally.minutes.last().unwrap_or(i64::MIN);
        (self.key.by >= By::Path, self.tally.failed, newest, self.hash)
    }
}

/// The detector.
pub struct Logins {
    settings: Accounts,
    patterns: Patterns,
    /// Tenant and dataset, by `Key::scope`.
    scopes: Vec<(TenantId, Dataset)>,
    tallies: Pool<Entry>,
    hasher: RandomState,
    /// Of all tallies beyond their places in the table, bytes; kept along: asked for after every batch.
    held: usize,
}

impl Logins {
    pub fn from_settings(settings: &Detectors) -> Option<Box<dyn Detector>> {
        let settings = settings.accounts.as_ref().filter(|s| s.enabled)?.clone();
        Some(Box::new(Logins {
            patterns: Patterns::new(&settings),
            settings,
            scopes: Vec::new(),
            tallies: Pool::default(),
            hasher: RandomState::new(),
            held: 0,
        }))
    }

    fn count(&mut self, key: Key, seen: &Seen<'_>) {
        let hash = self.hasher.hash_one(&key);
        let of_account = key.by == By::Account;
        let next = self.tallies.len();
        let at = match self.tallies.find(hash, |known| known.key == key) {
            Some(at) => at,
            None => self.tallies.place(
                hash,
                |_| false,
                || Entry {
                    hash,
                    key,
                    tally: Tally::default(),
                },
            ),
        };
        let entry = self.tallies.get_mut(at);
        let before = if at as usize == next { 0 } else { entry.bytes() };
        entry.tally.add(seen, of_account);
        self.held = self.held + entry.bytes() - before;
    }

    fn get(&self, key: &Key) -> Option<&Tally> {
        let at = self
            .tallies
            .find(self.hasher.hash_one(key), |known| known.key == *key);
        at.map(|at| &self.tallies.get(at).tally)
    }

    /// Forgets the keys of which `goes` holds; returns how many.
    fn give_up(&mut self, goes: impl Fn(&Entry) -> bool) -> u64 {
        let held = &mut self.held;
        self.tallies.give_up(goes, |entry| *held -= entry.bytes()).count() as u64
    }

    fn judge(&self, key: &Key, tally: &Tally, closed: i64) -> Vec<Verdict> {
        let judge = Judge {
            settings: &self.settings,
            closed,
        };
        let mut verdicts = match key.by {
            By::Client => judge.client(tally),
            By::Account => judge.account(tally),
            By::Network => judge.many(tally, &self.settings.by_network),
            By::Provider => judge.many(tally, &self.settings.by_provider),
            By::Agent | By::Fingerprint => match self.get(&all_of(key.scope)) {
                Some(all) => judge.agent(tally, all),
                None => Vec::new(),
            },
            By::Path => judge.site(tally),
            By::All => Vec::new(),
        };
        let dataset = self.scopes[usize::from(key.scope)].1;
        for verdict in &mut verdicts {
            verdict.rule_id = format!("{}.{dataset}", verdict.detector);
        }
        verdicts
    }

    /// Places of the keys to judge now, in order of keys: what changed or waits for its windows to close; of agents all that
    /// could be told, since their share hangs on everybody's failures.
    fn due(&self) -> Vec<u32> {
        let all_changed = |scope: u16| self.get(&all_of(scope)).is_some_and(|all| all.dirty);
        let is_due = |Entry { key, tally, .. }: &Entry| match key.by {
            By::Agent | By::Fingerprint => {
                let candidate = tally.failed > self.settings.by_agent.failed_over || !tally.told.is_empty();
                candidate && (tally.dirty || all_changed(key.scope))
            }
            _ => tally.dirty,
        };
        let all = (0..).zip(self.tallies.iter());
        let mut due: Vec<(&Key, u32)> = all
            .filter(|(_, entry)| is_due(entry))
            .map(|(at, entry)| (&entry.key, at))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, at)| at).collect()
    }
}

fn all_of(scope: u16) -> Key {
    Key {
        scope,
        by: By::All,
        value: "".into(),
    }
}

/// The /24 or /48 of an address.
fn network_of(address: &str) -> Option<String> {
    let address = parse_address(address)?;
    let bits = match address {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 48,
    };
    Some(Cidr::new(address, bits)?.to_string())
}

fn text<'a>(column: &Column<'a>, row: usize) -> Option<Cow<'a, str>> {
    match column.value(row) {
        Value::Text(text) if !text.is_empty() && text != "-" => Some(bounded(text)),
        _ => None,
    }
}

impl Detector for Logins {
    fn columns(&self) -> &'static [&'static str] {
        &[
            "method",
            "uri",
            "status",
            "ua",
            "ja4",
            "account",
            "src_asn",
            "event_outcome",
            "event_category",
            "event_action",
        ]
    }

    fn lookback_us(&self) -> i64 {
        (self.settings.longest_minutes() + 1) * MINUTE_US
    }

    fn observe(&mut self, batch: &EventBatch, rows: &Rows<'_>) {
        let patterns = std::mem::take(&mut self.patterns);
        let mut reader = Reader::new(batch, &patterns);
        let [agents, fingerprints, providers] = ["ua", "ja4", "src_asn"].map(|name| Column::of(batch, name));
        let accounts = Column::accounts(batch);
        let mut scope = None;
        for (row, &ts) in batch.ts().values().iter().enumerate() {
            let Some((outcome, path)) = reader.attempt(row) else {
                continue;
            };
            let scope = *scope.get_or_insert_with(|| scope_of(&mut self.scopes, batch));
            let [address, account, agent, fingerprint] =
                [&rows.src_ip, &accounts, &agents, &fingerprints].map(|column| text(column, row));
            let (address, account) = (address.as_deref(), account.as_deref());
            let path = path.as_deref().map(bounded);
            let path = path.as_deref();
            let seen = Seen {
                ts,
                outcome,
                address: address.map(sample::hash),
                account: account.map(|name| (name, sample::hash(name))),
                path,
            };
            let provider = match providers.value(row) {
                Value::Int(number) => Some(number.to_string()),
                _ => None,
            };
            let network = address.and_then(network_of);
            let values = [
                (By::All, Some("")),
                (By::Client, address),
                (By::Account, account),
                (By::Network, network.as_deref()),
                (By::Provider, provider.as_deref()),
                (By::Agent, agent.as_deref()),
                (By::Fingerprint, fingerprint.as_deref()),
                (By::Path, path),
            ];
            for (by, value) in values {
                if let Some(value) = value {
                    let value = value.into();
                    self.count(Key { scope, by, value }, &seen);
                }
            }
        }
        drop(reader);
        self.patterns = patterns;
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        for at in self.due() {
            let Entry { key, tally, .. } = self.tallies.get(at);
            let (tenant, dataset) = self.scopes[usize::from(key.scope)].clone();
            let closed = closing.watermark(&tenant, dataset);
            let now = self.judge(key, tally, closed);
            let entity = Entity {
                kind: key.by.entity_kind().into(),
                value: key.value.to_string(),
            };
            let entry = self.tallies.get_mut(at);
            let before = entry.bytes();
            reconcile(&tenant, &entity, &mut entry.tally.told, now, out);
            self.held = self.held + entry.bytes() - before;
        }
        for Entry { key, tally, .. } in self.tallies.iter_mut().filter(|entry| entry.tally.dirty) {
            let (tenant, dataset) = &self.scopes[usize::from(key.scope)];
            let end = tally
                .minutes
                .last()
                .map_or(i64::MIN, |minute| (minute + 1) * MINUTE_US);
            // Until its last minute is final.
            tally.dirty = end > closing.watermark(tenant, *dataset);
        }
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let mut gone = 0;
        for entry in self.tallies.iter_mut() {
            if self.scopes[usize::from(entry.key.scope)].0 == *tenant {
                let before = entry.bytes();
                gone += entry.tally.forget(before_us) as u64;
                self.held = self.held + entry.bytes() - before;
            }
        }
        self.give_up(|entry| entry.tally.minutes.is_empty());
        gone
    }

    fn bytes(&self) -> usize {
        self.tallies.bytes() + self.held
    }

    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut lost = 0;
        while self.bytes() > bytes_max {
            let share = share_over(self.bytes(), bytes_max);
            let Some(limit) = self.tallies.limit(share, Entry::rank) else {
                break;
            };
            lost += self.give_up(|entry| entry.rank() <= limit);
        }
        lost
    }
}
