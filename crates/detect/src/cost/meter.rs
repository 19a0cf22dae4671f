//! The meter: rows into the ledger, usage of an entity out of it.

use super::bill::Tariff;
use super::ledger::{Held, Ledger, PairOf, sum_of};
use super::reading::{Cache, Reading, Row, is_declared, is_static};
use super::table::Name;
use super::usage::{Cell, Unit, Usage};
use crate::detector::Rows;
use crate::engine::value::{Value, split_uri};
use ahash::RandomState;
use haetae_event::net::Cidr;
use haetae_event::{Dataset, Entity, EventBatch, TenantId, TimeWindow};
use std::net::IpAddr;

/// Answers of at least this many bytes are pulls of large objects.
pub const LARGE_BYTES: u64 = 1 << 20;

/// Usage over time with a price.
pub struct Meter {
    pub ledger: Ledger,
    pub tariff: Tariff,
}

/// What an entity used in the buckets that a window touches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metered {
    pub usage: Usage,
    /// From the first to the last event, seconds.
    pub span_s: f64,
}

/// Salts: one text may be a path and a host.
const AGENT: u8 = 1;
const PATH: u8 = 2;
const HOST: u8 = 3;
const ACCOUNT: u8 = 4;

/// Seed of the classes that are counted. Known to attackers too: who picks queries of one class
/// passes for one query, and shows in the other rules.
const CLASSES: u64 = 0x9E37_79B9_7F4A_7C15;

/// One batch while it is folded in.
struct Fold<'a> {
    hasher: &'a RandomState,
    /// Classes of user agents and queries: the same in every engine, so that counts are too.
    classes: RandomState,
    tenant: u16,
    tenant_hash: u64,
    reading: Reading<'a>,
}

impl Meter {
    pub fn new(tariff: Tariff, bytes_max: usize) -> Meter {
        Meter {
            ledger: Ledger::new(bytes_max),
            tariff,
        }
    }

    /// Folds one batch in.
    pub fn observe(&mut self, batch: &EventBatch, rows: &Rows<'_>) {
        let Some(reading) = Reading::new(batch) else {
            return;
        };
        let hash = rows.hasher.hash_one(batch.tenant.as_str());
        let tenant = self.ledger.tenant(&batch.tenant, hash);
        self.ledger.tenants[usize::from(tenant)]
            .datasets
            .insert(batch.dataset);
        if self.ledger.hasher.is_none() {
            self.ledger.hasher = Some(rows.hasher.clone());
        }
        let fold = Fold {
            hasher: rows.hasher,
            classes: RandomState::with_seeds(CLASSES, !CLASSES, CLASSES.rotate_left(17), 0x5DEE_CE66),
            tenant,
            tenant_hash: hash,
            reading,
        };
        let mut held = Held::default();
        for (row, &ts) in batch.ts().values().iter().enumerate() {
            if let Some(bucket) = Cell::bucket_of(ts) {
                fold.row(&mut self.ledger, &mut held, rows, (row, ts, bucket));
            }
        }
        held.flush_site(&mut self.ledger.tenants[usize::from(tenant)]);
        held.flush_host(&mut self.ledger.hosts);
        self.ledger.make_room();
    }

    /// What `entity` used in the buckets that `window` touches; `None` for entities that are not
    /// metered or were not seen.
    pub fn metered(&self, tenant: &TenantId, entity: &Entity, window: TimeWindow) -> Option<Metered> {
        let known = self.ledger.tenants.iter().position(|t| t.id == *tenant)?;
        let hasher = self.ledger.hasher.as_ref()?;
        let hash = self.ledger.tenants[known].hash;
        let from = Cell::bucket_of(window.start.0)?;
        let to = Cell::bucket_of(window.end.0)?.saturating_add(1);
        let ledger = &self.ledger;
        let value = entity.value.as_str();
        let mut sum = Metering::default();
        match entity.kind.as_str() {
            "ip" | "src_ip" | "peer_ip" | "c-ip" | "client_ip" | "srcaddr" | "" => {
                let entry = ledger.clients.get(hasher.hash_one((hash, value)))?;
                entry.range(from, to).iter().for_each(|cell| sum.add(cell));
            }
            "block" | "subnet" | "ip_bucket" | "cidr" => {
                let block: Cidr = value.parse().ok()?;
                self.sum_clients(known, (from, to), &mut sum, |ip, _| block.contains(ip));
            }
            "asn" | "src_asn" => {
                let asn: u32 = value.trim_start_matches("AS").parse().ok()?;
                self.sum_clients(known, (from, to), &mut sum, |_, of| of == asn);
            }
            "ua" | "user_agent" => {
                let entry = ledger.agents.get(hasher.hash_one((hash, AGENT, value)))?;
                entry.range(from, to).iter().for_each(|cell| sum.add(cell));
            }
            "path" | "uri" | "cs-uri-stem" => {
                let stem = split_uri(value).0;
                let entry = ledger.paths.get(hasher.hash_one((hash, PATH, stem)))?;
                let cells = entry.range(from, to).iter();
                cells.for_each(|cell| sum.add(&cell.cell));
            }
            "host" | "dst_host" => {
                let entry = ledger.hosts.get(hasher.hash_one((hash, HOST, value)))?;
                entry.range(from, to).iter().for_each(|cell| sum.add(cell));
            }
            "account" => {
                let entry = ledger.accounts.get(hasher.hash_one((hash, ACCOUNT, value)))?;
                entry.range(from, to).iter().for_each(|cell| sum.add(cell));
            }
            "dataset" if Dataset::parse(value).is_some_and(Dataset::is_web) => {
                self.sum_site(known, (from, to), &mut sum);
            }
            "site" | "tenant" => self.sum_site(known, (from, to), &mut sum),
            _ => return None,
        }
        sum.done()
    }

    /// What all requests of a tenant used in the buckets that a window touches.
    pub fn site(&self, tenant: &TenantId, window: TimeWindow) -> Option<Metered> {
        let known = self.ledger.tenants.iter().position(|t| t.id == *tenant)?;
        let from = Cell::bucket_of(window.start.0)?;
        let to = Cell::bucket_of(window.end.0)?.saturating_add(1);
        let mut sum = Metering::default();
        self.sum_site(known, (from, to), &mut sum);
        sum.done()
    }

    fn sum_site(&self, tenant: usize, (from, to): (i32, i32), sum: &mut Metering) {
        let minutes = i64::from(from) * 10..i64::from(to) * 10;
        let cells = self.ledger.tenants[tenant].minutes.range(minutes);
        cells.for_each(|(_, cell)| sum.add(cell));
    }

    fn sum_clients(
        &self,
        tenant: usize,
        (from, to): (i32, i32),
        sum: &mut Metering,
        wanted: impl Fn(IpAddr, u32) -> bool,
    ) {
        let own = self
            .ledger
            .clients
            .entries
            .iter()
            .filter(|entry| usize::from(entry.tenant) == tenant);
        for entry in own {
            if let Name::Address(ip) = entry.name
                && wanted(ip, entry.more)
                && let Some(cell) = sum_of(entry, from, to)
            {
                sum.add(&cell);
                // The sum has the first cell's bucket: the span is that of its cells.
                let cells = entry.range(from, to);
                cells.iter().for_each(|cell| sum.stretch(cell));
            }
        }
    }
}

/// A sum of cells with their span.
#[derive(Default)]
struct Metering {
    usage: Usage,
    span: Option<(i64, i64)>,
}

impl Metering {
    fn add(&mut self, cell: &Cell) {
        self.usage.add(&cell.usage());
        self.stretch(cell);
    }

    fn stretch(&mut self, cell: &Cell) {
        let (start, end) = cell.span();
        let (low, high) = self.span.unwrap_or((start, end));
        self.span = Some((low.min(start), high.max(end)));
    }

    fn done(self) -> Option<Metered> {
        let (start, end) = self.span?;
        Some(Metered {
            usage: self.usage,
            span_s: (end - start) as f64 / haetae_event::time::SECOND_US as f64,
        })
    }
}

impl Fold<'_> {
    fn key(&self, salt: u8, text: &str) -> u64 {
        self.hasher.hash_one((self.tenant_hash, salt, text))
    }

    #[inline]
    fn row(
        &self,
        ledger: &mut Ledger,
        held: &mut Held,
        rows: &Rows<'_>,
        (row, ts, bucket): (usize, i64, i32),
    ) {
        let mut read = self.reading.row(row);
        if let Value::Text(agent) = self.reading.ua.value(row) {
            let hash = self.key(AGENT, agent);
            let declared = || (Name::text(agent), is_declared(agent));
            let slot = ledger.agents.slot(hash, self.tenant, declared);
            read.unit.declared = ledger.agents.entries[slot].more;
            read.unit.agent = 1 << (self.classes.hash_one(agent) >> 59);
            ledger.agents.cell(slot, bucket).count(ts, &read.unit);
        }
        let unit = &read.unit;
        held.count_site(&mut ledger.tenants[usize::from(self.tenant)], bucket, ts, unit);
        if let Some(client) = rows.clients[row] {
            self.client(ledger, rows, client, (row, ts, bucket), unit);
        }
        if let Value::Text(host) = self.reading.host.value(row) {
            let key = (self.key(HOST, host), self.tenant, host);
            held.count_host(&mut ledger.hosts, key, bucket, ts, unit);
        }
        if let Value::Text(account) = self.reading.account.value(row) {
            let hash = self.key(ACCOUNT, account);
            let slot = ledger
                .accounts
                .slot(hash, self.tenant, || (Name::text(account), ()));
            ledger.accounts.cell(slot, bucket).count(ts, unit);
        }
        if let Value::Text(uri) = self.reading.uri.value(row) {
            self.path(ledger, uri, rows.clients[row], (ts, bucket), &read);
        }
    }

    fn client(
        &self,
        ledger: &mut Ledger,
        rows: &Rows<'_>,
        client: u64,
        (row, ts, bucket): (usize, i64, i32),
        unit: &Unit,
    ) {
        let asn = match self.reading.asn.value(row) {
            Value::Int(asn) => u32::try_from(asn).unwrap_or(0),
            _ => 0,
        };
        let address = || match rows.src_ip.value(row) {
            Value::Text(address) => (Name::address(address), asn),
            _ => (Name::text(""), asn),
        };
        let slot = ledger.clients.slot(client, self.tenant, address);
        let known = &mut ledger.clients.entries[slot].more;
        *known = (*known).max(asn);
        ledger.clients.cell(slot, bucket).count(ts, unit);
    }

    fn path(
        &self,
        ledger: &mut Ledger,
        uri: &str,
        client: Option<u64>,
        (ts, bucket): (i64, i32),
        read: &Row,
    ) {
        let (stem, query) = split_uri(uri);
        let query = query.filter(|query| !query.is_empty());
        let hash = self.key(PATH, stem);
        let slot = ledger.paths.slot(hash, self.tenant, || (Name::text(stem), ()));
        let cell = ledger.paths.cell(slot, bucket);
        cell.cell.count(ts, &read.unit);
        if read.reads && query.is_none() {
            cell.plain = cell.plain.saturating_add(1);
            let hit = u32::from(read.cache == Cache::Hit);
            cell.plain_hits = cell.plain_hits.saturating_add(hit);
        }
        if read.served {
            cell.size = cell.size.max(read.reach);
        }
        let Some(client) = client else {
            return;
        };
        let missed = match read.cache {
            Cache::Miss => true,
            Cache::Hit => false,
            Cache::Unknown => read.served && is_static(stem),
        };
        let busting = query.filter(|_| read.reads && missed);
        let large = read.served && read.unit.bytes_out >= LARGE_BYTES;
        if busting.is_none() && !large {
            return;
        }
        let pair = self.hasher.hash_one((client, hash));
        let of = || (Name::Text(Box::from("")), PairOf { client, path: hash });
        let slot = ledger.pairs.slot(pair, self.tenant, of);
        let cell = ledger.pairs.cell(slot, bucket);
        cell.agents |= read.unit.agent;
        if let Some(query) = busting {
            cell.queried = cell.queried.saturating_add(1);
            cell.queries |= 1 << (self.classes.hash_one(query) >> 58);
        }
        if large {
            cell.pulls = cell.pulls.saturating_add(1);
            cell.pulled = cell.pulled.saturating_add(read.unit.bytes_out);
        }
    }
}
