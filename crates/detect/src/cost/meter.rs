//! The meter: rows into the ledger, usage of an entity out of it.

use super::bill::Tariff;
use super::ledger::{Agent, Held, Ledger, PairOf, PathCell, sum_of};
use super::reading::{Cache, Reading, Row, is_declared, is_static};
use super::table::{Name, Table};
use super::usage::{Cell, First, Moment, Usage};
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
    rows: &'a Rows<'a>,
}

/// Rows that are folded in table by table: so many lie in the nearest cache, and what one row
/// waits for the next does not.
const CHUNK: usize = 128;

/// No place: the row has no such key.
const NONE: u32 = u32::MAX;

/// A row of a chunk.
struct Part {
    row: usize,
    at: Moment,
    read: Row,
    /// Place in the table that is folded in now.
    slot: u32,
    /// Asks for a path without a query, and was counted with it.
    is_plain: bool,
    is_counted: bool,
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
            rows,
        };
        let mut held = Held::default();
        let times = batch.ts().values();
        let mut chunk = Vec::with_capacity(CHUNK);
        for from in (0..times.len()).step_by(CHUNK) {
            let to = times.len().min(from + CHUNK);
            fold.chunk(&mut self.ledger, &mut held, times, from..to, &mut chunk);
        }
        held.flush_site(&mut self.ledger.tenants[usize::from(tenant)]);
        held.flush_host(|host, cell| fold.host(&mut self.ledger.hosts, host, cell));
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
                let cells = entry.range(from, to);
                cells.iter().for_each(|cell| sum.add(&cell.cell));
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
            .iter()
            .filter(|entry| usize::from(entry.tenant) == tenant);
        for entry in own {
            if let Some(ip) = entry.name.ip()
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

impl<'a> Fold<'a> {
    fn key(&self, salt: u8, text: &str) -> u64 {
        self.hasher.hash_one((self.tenant_hash, salt, text))
    }

    fn chunk(
        &self,
        ledger: &mut Ledger,
        held: &mut Held<'a>,
        times: &[i64],
        rows: std::ops::Range<usize>,
        chunk: &mut Vec<Part>,
    ) {
        chunk.clear();
        chunk.extend(rows.filter_map(|row| {
            Some(Part {
                row,
                at: Moment::of(times[row])?,
                read: self.reading.row(row),
                slot: NONE,
                is_plain: false,
                is_counted: false,
            })
        }));
        self.agents(ledger, chunk);
        let tenant = usize::from(self.tenant);
        for Part { row, at, read, .. } in chunk.iter() {
            held.count_site(&mut ledger.tenants[tenant], *at, &read.unit);
            if let Some(host) = self.reading.host.get(*row) {
                let flush = |host: &str, cell: &Cell| self.host(&mut ledger.hosts, host, cell);
                held.count_host(host, *at, &read.unit, flush);
            }
            if let Some(account) = self.reading.account.get(*row) {
                let hash = self.key(ACCOUNT, account);
                let named = || (Name::text(account), ());
                let slot = ledger.accounts.slot(hash, self.tenant, named);
                ledger.accounts.cell(slot, at.bucket).count(*at, &read.unit);
            }
        }
        self.clients(&mut ledger.clients, chunk);
        self.paths(ledger, chunk);
    }

    /// Counts by user agent, and reads what the agents say.
    fn agents(&self, ledger: &mut Ledger, chunk: &mut [Part]) {
        let agents = &mut ledger.agents;
        for part in chunk.iter_mut() {
            part.slot = NONE;
            let Some(agent) = self.reading.ua.get(part.row) else {
                continue;
            };
            let read = || {
                let class = 1 << (self.classes.hash_one(agent) >> 59);
                let declared = is_declared(agent);
                (Name::text(agent), Agent { declared, class })
            };
            part.slot = agents.slot(self.key(AGENT, agent), self.tenant, read);
            let known = agents.entry(part.slot as usize).more;
            (part.read.unit.declared, part.read.unit.agent) = (known.declared, known.class);
        }
        count(agents, chunk);
    }

    fn clients(&self, clients: &mut Table<Cell, u32>, chunk: &mut [Part]) {
        for part in chunk.iter_mut() {
            part.slot = NONE;
            let Some(client) = self.rows.clients[part.row] else {
                continue;
            };
            let asn = self.reading.asn(part.row);
            let address = || match self.rows.src_ip.value(part.row) {
                Value::Text(address) => (Name::address(address), asn),
                _ => (Name::text(""), asn),
            };
            part.slot = clients.slot(client, self.tenant, address);
            if asn > 0 {
                let known = clients.more_mut(part.slot);
                *known = (*known).max(asn);
            }
        }
        count(clients, chunk);
    }

    fn host(&self, hosts: &mut Table<Cell, ()>, host: &str, cell: &Cell) {
        let slot = hosts.slot(self.key(HOST, host), self.tenant, || (Name::text(host), ()));
        hosts.cell(slot, cell.bucket).merge(cell);
    }

    fn paths(&self, ledger: &mut Ledger, chunk: &mut [Part]) {
        for part in chunk.iter_mut() {
            part.slot = NONE;
            if let Some(uri) = self.reading.uri.get(part.row) {
                let stem = split_uri(uri).0;
                let read = || (Name::text(stem), is_static(stem));
                part.slot = ledger.paths.slot(self.key(PATH, stem), self.tenant, read);
            }
        }
        // A loop so short that the memory of many rows is waited for at once.
        for part in chunk.iter_mut().filter(|part| part.slot != NONE) {
            let Part { slot, at, read, .. } = part;
            let uri = self.reading.uri.get(part.row).unwrap_or("");
            part.is_plain = read.reads && query_of(uri).is_none();
            let first = || PathCell::first(*at, read, part.is_plain);
            part.is_counted =
                read.reach == read.unit.bytes_out && ledger.paths.begin(*slot, at.bucket, first);
            if !part.is_counted {
                ledger.paths.cell(*slot, at.bucket);
            }
        }
        for part in chunk.iter().filter(|part| part.slot != NONE) {
            if !part.is_counted {
                let cell = ledger.paths.cell(part.slot, part.at.bucket);
                cell.count(part.at, &part.read, part.is_plain);
            }
            let uri = self.reading.uri.get(part.row).unwrap_or("");
            self.pair(ledger, uri, part);
        }
    }

    /// Counts what a client does to a path, where it may be abuse.
    fn pair(&self, ledger: &mut Ledger, uri: &str, part: &Part) {
        let Part { at, read, .. } = part;
        let entry = ledger.paths.entry(part.slot as usize);
        let (path, is_static) = (entry.hash, entry.more);
        let Some(client) = self.rows.clients[part.row] else {
            return;
        };
        let missed = match read.cache {
            Cache::Miss => true,
            Cache::Hit => false,
            Cache::Unknown => read.served && is_static,
        };
        let busting = query_of(uri).filter(|_| read.reads && missed);
        let large = read.served && read.unit.bytes_out >= LARGE_BYTES;
        if busting.is_none() && !large {
            return;
        }
        let pair = self.hasher.hash_one((client, path));
        let of = || (Name::Text(Box::from("")), PairOf { client, path });
        let slot = ledger.pairs.slot(pair, self.tenant, of);
        let cell = ledger.pairs.cell(slot, at.bucket);
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

/// The query of a URI, if it has one.
fn query_of(uri: &str) -> Option<&str> {
    split_uri(uri).1.filter(|query| !query.is_empty())
}

/// Counts the rows of a chunk in the cells of their slots, which are forgotten. The first loop is so
/// short that the memory of many rows is waited for at once.
fn count<X>(table: &mut Table<Cell, X>, chunk: &mut [Part]) {
    for part in chunk.iter_mut().filter(|part| part.slot != NONE) {
        let Part { slot, at, .. } = *part;
        if table.begin(slot, at.bucket, || First::new(at, &part.read.unit)) {
            part.slot = NONE;
        } else {
            table.cell(slot, at.bucket);
        }
    }
    for part in chunk.iter().filter(|part| part.slot != NONE) {
        let cell = table.cell(part.slot, part.at.bucket);
        cell.count(part.at, &part.read.unit);
    }
}
