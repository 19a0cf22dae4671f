//! Cache busting and pulls of large objects: what single clients, and many together, do to one
//! path.

use super::found::{About, Found};
use super::settings::{CacheBusting, ObjectPulls};
use super::window::{Client, Window, distinct, entity, level, people, start_us};
use crate::cost::ledger::{PairCell, PairOf};
use crate::cost::table::Entry;
use crate::cost::tell::dollars;
use crate::detector::Extent;
use ahash::AHashMap;
use haetae_event::Level;
use std::collections::BTreeMap;

pub const BUSTING: About = About {
    id: "edos.cache_busting",
    title: "Random queries that get past the cache",
    confidence_percent: 90,
};

pub const PULLS: About = About {
    id: "edos.object_pulls",
    title: "Same large object pulled again and again",
    confidence_percent: 80,
};

/// A path of the hour.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    size: u64,
    plain: u32,
    plain_hits: u32,
    is_static: bool,
}

/// One client's doings on one path in the window.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    of: PairOf,
    queried: u32,
    queries: u64,
    pulled: u64,
    agents: u32,
}

fn pair_of(entry: &Entry<PairCell, PairOf>, window: &Window<'_>) -> Pair {
    let mut pair = Pair {
        of: entry.more,
        ..Pair::default()
    };
    for cell in entry.range(window.from, window.to).iter() {
        pair.queried = pair.queried.saturating_add(cell.queried);
        pair.queries |= cell.queries;
        pair.pulled = pair.pulled.saturating_add(cell.pulled);
        pair.agents |= cell.agents;
    }
    pair
}

fn path_of(window: &Window<'_>, path: u64) -> Path {
    let Some(entry) = window.ledger.paths.get(path) else {
        return Path::default();
    };
    let mut found = Path {
        is_static: entry.more,
        ..Path::default()
    };
    for cell in entry.range(window.from, window.to).iter() {
        found.size = found.size.max(cell.size);
        found.plain = found.plain.saturating_add(cell.plain);
        found.plain_hits = found.plain_hits.saturating_add(cell.plain_hits);
    }
    found
}

/// The pairs of a window by client, the clients by key, and the paths they touch.
pub struct Objects<'a> {
    window: &'a Window<'a>,
    pairs: Vec<Pair>,
    clients: AHashMap<u64, &'a Client>,
    paths: BTreeMap<u64, Path>,
}

impl<'a> Objects<'a> {
    /// `active` are places in the table of pairs.
    pub fn new(window: &'a Window<'a>, clients: &'a [Client], active: &[u32]) -> Objects<'a> {
        let entries = &window.ledger.pairs;
        let pairs: Vec<Pair> = active
            .iter()
            .map(|&at| pair_of(entries.entry(at as usize), window))
            .collect();
        let mut paths = BTreeMap::new();
        for pair in &pairs {
            paths
                .entry(pair.of.path)
                .or_insert_with(|| path_of(window, pair.of.path));
        }
        let key = |client: &'a Client| (window.ledger.clients.entry(client.at).hash, client);
        Objects {
            window,
            pairs,
            clients: clients.iter().map(key).collect(),
            paths,
        }
    }

    fn path_name(&self, path: u64) -> String {
        let entry = self.window.ledger.paths.get(path);
        entry.map_or_else(|| "a path".to_owned(), |entry| entry.name.to_string())
    }

    fn by<K: Ord>(&self, key: impl Fn(&Pair) -> K, keep: impl Fn(&Pair) -> bool) -> BTreeMap<K, Vec<&Pair>> {
        let mut found: BTreeMap<K, Vec<&Pair>> = BTreeMap::new();
        for pair in self.pairs.iter().filter(|pair| keep(pair)) {
            found.entry(key(pair)).or_default().push(pair);
        }
        found
    }

    /// Clients, then paths, whose caches are busted.
    pub fn busting(&self, settings: &CacheBusting) -> Vec<Found> {
        let cacheable = |pair: &Pair| {
            let path = &self.paths[&pair.of.path];
            let shown = path.plain >= settings.plain_min
                && f64::from(path.plain_hits) >= settings.plain_hit_ratio_min * f64::from(path.plain);
            pair.queried > 0 && (path.is_static || shown)
        };
        let per_path =
            |pair: &Pair| cacheable(pair) && distinct(pair.queries) >= settings.distinct_per_path_min;
        let busters = self.by(|pair| pair.of.path, per_path);
        let habit = |path: u64| {
            let clients = busters.get(&path).map_or(0, Vec::len);
            self.is_habit(settings, path, clients)
        };
        let mut found = Vec::new();
        let by_client = self.by(
            |pair| pair.of.client,
            |pair| per_path(pair) && !habit(pair.of.path),
        );
        for (client, pairs) in by_client {
            found.extend(self.client_busts(settings, client, &pairs));
        }
        let spread = self.by(
            |pair| pair.of.path,
            |pair| cacheable(pair) && !habit(pair.of.path),
        );
        for (path, pairs) in spread {
            found.extend(self.path_is_busted(settings, path, &pairs));
        }
        found
    }

    /// Whether so many clients do it that the site's own pages must make them: scripts that add
    /// the time to their requests.
    fn is_habit(&self, settings: &CacheBusting, path: u64, busters: usize) -> bool {
        const BUSTERS_MIN: usize = 5;
        let share = busters as f64 / self.clients.len().max(1) as f64;
        let limit = match self.paths[&path].is_static {
            true => settings.habit_ratio_min_static,
            false => settings.habit_ratio_min,
        };
        busters >= BUSTERS_MIN && share >= limit
    }

    fn client_busts(&self, settings: &CacheBusting, client: u64, pairs: &[&Pair]) -> Option<Found> {
        let client = self.clients.get(&client)?;
        let requests: u32 = pairs.iter().fold(0, |sum, pair| sum.saturating_add(pair.queried));
        let bits = pairs.iter().fold(0, |bits, pair| bits | pair.queries);
        let share = client.people();
        let enough = f64::from(requests) >= f64::from(settings.requests_min) * share
            && distinct(bits) >= settings.distinct_min;
        if !enough || client.valued() {
            return None;
        }
        let named = |pair: &&Pair| (pair.queried, self.path_name(pair.of.path));
        let (_, path) = pairs.iter().map(named).max()?;
        Some(Found {
            entity: entity("ip", self.window.name(client).to_string()),
            level: level(
                settings.common.level,
                client.usd,
                settings.common.usd_high,
                client.declared(),
            ),
            extent: client.extent(),
            line: format!(
                "{requests} requests with ever new queries missed the cache in 1 h, most of {path}; {}",
                dollars(client.usd)
            ),
            facts: vec![
                ("missed requests with a query".to_owned(), requests.to_string()),
                (
                    "distinct queries (at least about)".to_owned(),
                    format!("{:.0}", distinct(bits)),
                ),
            ],
        })
    }

    fn path_is_busted(&self, settings: &CacheBusting, path: u64, pairs: &[&Pair]) -> Option<Found> {
        let known = &self.paths[&path];
        let requests: u64 = pairs.iter().map(|pair| u64::from(pair.queried)).sum();
        let bits = pairs.iter().fold(0, |bits, pair| bits | pair.queries);
        // Where most clients bring a query, it is the site that makes them.
        let plain = known.plain >= settings.plain_min && !self.is_habit(settings, path, pairs.len());
        let enough = requests >= settings.spread_requests_min
            && pairs.len() >= settings.spread_clients_min
            && distinct(bits) >= settings.distinct_min * 2.0;
        (enough && plain).then(|| {
            let name = self.path_name(path);
            Found {
                line: format!(
                    "{requests} requests of {} clients for {name} with ever new queries missed the cache in 1 h",
                    pairs.len()
                ),
                entity: entity("path", name),
                level: settings.common.level.min(Level::Medium),
                extent: self.whole(requests),
                facts: vec![("clients".to_owned(), pairs.len().to_string())],
            }
        })
    }

    fn whole(&self, count: u64) -> Extent {
        Extent {
            start: start_us(self.window.from),
            end: start_us(self.window.to) - 1,
            count,
        }
    }

    /// Clients, then objects, with repeated pulls.
    pub fn pulls(&self, settings: &ObjectPulls) -> Vec<Found> {
        let pulled = |pair: &Pair| pair.pulled > 0;
        let mut found = Vec::new();
        for (client, pairs) in self.by(|pair| pair.of.client, pulled) {
            found.extend(self.client_pulls(settings, client, &pairs));
        }
        for (path, pairs) in self.by(|pair| pair.of.path, pulled) {
            found.extend(self.object_is_pulled(settings, path, &pairs));
        }
        found
    }

    /// Bytes over the object's size, per person behind the address.
    fn repeats(&self, pair: &Pair) -> f64 {
        let size = self.paths[&pair.of.path].size.max(1);
        pair.pulled as f64 / size as f64 / people(pair.agents)
    }

    fn client_pulls(&self, settings: &ObjectPulls, client: u64, pairs: &[&Pair]) -> Option<Found> {
        let client = self.clients.get(&client)?;
        let most = pairs.iter().max_by(|a, b| {
            let name = |pair: &Pair| self.path_name(pair.of.path);
            let repeats = self.repeats(a).total_cmp(&self.repeats(b));
            repeats.then_with(|| name(a).cmp(&name(b)))
        })?;
        let pulled: u64 = pairs.iter().fold(0, |sum, pair| sum.saturating_add(pair.pulled));
        let sizes: u64 = pairs
            .iter()
            .fold(0, |sum, pair| sum.saturating_add(self.paths[&pair.of.path].size));
        let sweep = pulled as f64 / sizes.max(1) as f64 / client.people();
        let again = self.repeats(most) >= settings.repeats_min && most.pulled >= settings.bytes_min;
        let sweeps = sweep >= settings.sweep_repeats_min && pulled >= settings.sweep_bytes_min;
        if !(again || sweeps) || client.valued() {
            return None;
        }
        let path = self.path_name(most.of.path);
        Some(Found {
            entity: entity("ip", self.window.name(client).to_string()),
            level: level(
                settings.common.level,
                client.usd,
                settings.common.usd_high,
                client.declared(),
            ),
            extent: client.extent(),
            line: format!(
                "{path} pulled {:.0} times over in 1 h, {pulled} bytes of large objects; {}",
                self.repeats(most),
                dollars(client.usd)
            ),
            facts: vec![
                ("times over".to_owned(), format!("{:.0}", self.repeats(most))),
                ("bytes of large objects".to_owned(), pulled.to_string()),
            ],
        })
    }

    fn object_is_pulled(&self, settings: &ObjectPulls, path: u64, pairs: &[&Pair]) -> Option<Found> {
        // Sorted: sums of floats depend on their order, and findings must not.
        let mut people: Vec<f64> = pairs.iter().map(|pair| people(pair.agents)).collect();
        people.sort_by(f64::total_cmp);
        let people: f64 = people.iter().sum();
        let pulled: u64 = pairs.iter().fold(0, |sum, pair| sum.saturating_add(pair.pulled));
        let size = self.paths[&path].size.max(1);
        let repeats = pulled as f64 / size as f64 / people.max(1.0);
        let enough = pairs.len() >= settings.spread_clients_min
            && pulled >= settings.spread_bytes_min
            && repeats >= settings.spread_repeats_min;
        enough.then(|| {
            let name = self.path_name(path);
            Found {
                line: format!(
                    "{name} pulled {repeats:.1} times over by each of {} clients in 1 h, {pulled} bytes",
                    pairs.len()
                ),
                entity: entity("path", name),
                level: settings.common.level.min(Level::Medium),
                extent: self.whole(pairs.len() as u64),
                facts: vec![("clients".to_owned(), pairs.len().to_string())],
            }
        })
    }
}
