//! What the traffic behind several findings cost together, no request counted twice.
//!
//! A finding's cost is that of all its entity's traffic in the ten-minute buckets its window
//! touches. Findings of one entity therefore share cost where their buckets overlap, and the
//! findings of a network contain those of its addresses. What is given is the largest sum over
//! findings whose traffic is known to be apart:
//!
//! - of one entity, the dearest choice of findings whose buckets do not overlap (weighted interval
//!   scheduling, Kleinberg and Tardos, Algorithm Design, 6.1);
//! - addresses and networks: their sum where they are apart, and of a network and what lies in it
//!   the larger of the network's own cost and the sum of its members;
//! - accounts, autonomous systems, user agents, paths, hosts: sums within each kind, since a
//!   request has one of each;
//! - between kinds, and of all other entities, the largest: what they share is not known.
//!
//! So it never falls when a finding comes, and is never more than all the traffic cost.

use haetae_event::net::{Cidr, parse_address};
use haetae_event::time::MINUTE_US;
use haetae_event::{Cost, Entity, TimeWindow};
use std::collections::BTreeMap;

/// The cost meter's buckets.
const BUCKET_US: i64 = 10 * MINUTE_US;

/// One finding's entity, window and cost.
#[derive(Clone, Copy, Debug)]
pub struct Spent<'a> {
    pub entity: &'a Entity,
    pub window: TimeWindow,
    pub cost: Cost,
}

/// The cost of all of them together; `None` where none was metered. The order does not matter.
pub fn together<'a>(spent: impl IntoIterator<Item = Spent<'a>>) -> Option<Cost> {
    let mut networks: BTreeMap<Network, Vec<Spent<'a>>> = BTreeMap::new();
    let mut others: BTreeMap<(&str, &str), Vec<Spent<'a>>> = BTreeMap::new();
    for one in spent {
        let (kind, value) = (one.entity.kind.as_str(), one.entity.value.as_str());
        match network(kind, value) {
            Some(network) => networks.entry(network).or_default().push(one),
            None => others.entry((kind, value)).or_default().push(one),
        }
    }
    let owns = networks.into_iter().map(|(network, all)| (network, own(all)));
    let mut kinds: BTreeMap<&str, Cost> = BTreeMap::new();
    for ((kind, _), all) in others {
        let cost = own(all);
        kinds
            .entry(kind)
            .and_modify(|sum| {
                *sum = if is_partition(kind) {
                    plus(*sum, cost)
                } else {
                    larger(*sum, cost)
                }
            })
            .or_insert(cost);
    }
    kinds.into_values().chain(nested(owns)).reduce(larger)
}

/// Sorted so that a network stands before what lies in it: family, first address, then the wider.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Network(bool, u128, u8);

impl Network {
    fn holds(self, other: Network) -> bool {
        let width: u8 = if self.0 { 128 } else { 32 };
        let cut = |bits: u128| bits.checked_shr(u32::from(width - self.2)).unwrap_or(0);
        self.0 == other.0 && self.2 <= other.2 && cut(self.1) == cut(other.1)
    }
}

fn network(kind: &str, value: &str) -> Option<Network> {
    let cidr = match kind {
        "ip" | "src_ip" | "srcaddr" | "peer_ip" | "c-ip" | "client_ip" => {
            let address = parse_address(value)?;
            Cidr::new(address, if address.is_ipv4() { 32 } else { 128 })?
        }
        "net" | "block" | "subnet" | "ip_bucket" | "cidr" => value.parse().ok()?,
        _ => return None,
    };
    Some(match cidr.base() {
        std::net::IpAddr::V4(base) => Network(false, u128::from(base.to_bits()), cidr.bits()),
        std::net::IpAddr::V6(base) => Network(true, base.to_bits(), cidr.bits()),
    })
}

/// Kinds of which every request has one value.
fn is_partition(kind: &str) -> bool {
    matches!(kind, "account" | "asn" | "src_asn" | "ua" | "path" | "host")
}

/// The cost of one entity over time.
fn own(mut spent: Vec<Spent<'_>>) -> Cost {
    let bucket = |us: i64| us.div_euclid(BUCKET_US);
    let key = |s: &Spent<'_>| {
        (
            bucket(s.window.end.0),
            bucket(s.window.start.0),
            s.cost.so_far.to_bits(),
        )
    };
    spent.sort_unstable_by_key(key);
    let ends: Vec<i64> = spent.iter().map(|s| bucket(s.window.end.0)).collect();
    // best[n]: the dearest choice among the first n.
    let mut best = vec![0.0_f64; spent.len() + 1];
    for (at, one) in spent.iter().enumerate() {
        let before = ends[..at].partition_point(|end| *end < bucket(one.window.start.0));
        best[at + 1] = best[at].max(best[before] + amount(one.cost.so_far));
    }
    Cost {
        so_far: best[spent.len()],
        // A rate is not added up over time.
        per_24h: spent.iter().map(|s| amount(s.cost.per_24h)).fold(0.0, f64::max),
    }
}

/// Sums over networks that are apart; of a network and its members the larger.
fn nested(owns: impl Iterator<Item = (Network, Cost)>) -> Option<Cost> {
    // Open networks from the outermost in, each with its own cost and its members' so far.
    let mut open: Vec<(Network, Cost, Option<Cost>)> = Vec::new();
    let mut total: Option<Cost> = None;
    let mut close = |open: &mut Vec<(Network, Cost, Option<Cost>)>| {
        let Some((_, own, members)) = open.pop() else {
            return;
        };
        let cost = members.map_or(own, |members| larger(own, members));
        let sum = open.last_mut().map_or(&mut total, |(_, _, members)| members);
        *sum = Some(sum.map_or(cost, |sum| plus(sum, cost)));
    };
    for (network, cost) in owns {
        while open.last().is_some_and(|(outer, ..)| !outer.holds(network)) {
            close(&mut open);
        }
        open.push((network, cost, None));
    }
    while !open.is_empty() {
        close(&mut open);
    }
    total
}

fn plus(a: Cost, b: Cost) -> Cost {
    Cost {
        so_far: a.so_far + b.so_far,
        per_24h: a.per_24h + b.per_24h,
    }
}

fn larger(a: Cost, b: Cost) -> Cost {
    Cost {
        so_far: a.so_far.max(b.so_far),
        per_24h: a.per_24h.max(b.per_24h),
    }
}

/// What is no amount costs nothing.
fn amount(dollars: f64) -> f64 {
    if dollars.is_finite() {
        dollars.max(0.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
