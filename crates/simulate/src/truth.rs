//! The labels of whole attacks and of ordinary visitors.
//!
//! A campaign is one attack carried out by its actors together. `detectable_at` is the event
//! time at which a reasonable detector has seen enough; each variant states its criterion, and
//! the moment is measured on the traffic itself, never planned.

use crate::agent::{CRAWLERS, reverse_name};
use crate::cast::Measure;
use crate::plan::AttackKind;
use crate::visitor::Visitor;
use haetae_event::{Entity, Micros};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The number of the hosting company whose machines attack: one for private use (RFC 6996).
pub const HOSTING_ASN: u32 = 64_512;

/// When a campaign could first be known for what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// What is counted.
    pub what: String,
    /// So many of them, or 0.
    pub events: u64,
    /// So many bytes, or 0.
    pub bytes: u64,
    /// Within so many seconds; 0 for the whole traffic.
    pub window_s: u64,
    /// Counted for each actor (its first one counts for the campaign), or for all together.
    pub by_actor: bool,
}

impl From<Measure> for Criterion {
    fn from(measure: Measure) -> Criterion {
        let (what, events, bytes, window_s) = match measure {
            Measure::Thresholds => ("the first plain threshold a client crosses", 0, 0, 0),
            Measure::Events {
                what,
                count,
                window_s,
                ..
            } => (what, count as u64, 0, window_s.unsigned_abs()),
            Measure::Bytes { what, bytes, .. } => (what, 0, bytes, 0),
        };
        Criterion {
            what: what.into(),
            events,
            bytes,
            window_s,
            by_actor: measure.by_actor(),
        }
    }
}

/// One attacking client or account, by all its names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActorLabel {
    pub id: String,
    /// Addresses (`ip`) and accounts (`account`); the first is its main one.
    pub entities: Vec<Entity>,
    pub start: Micros,
    pub end: Micros,
    pub events: u64,
    /// When this actor could be known; the campaign's own where it is counted together.
    pub detectable_at: Option<Micros>,
}

/// How far a campaign had come at an instant: sums from its start up to and with that instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub at: Micros,
    pub events: u64,
    pub bytes_out: u64,
    pub origin_requests: u64,
}

/// One attack as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignLabel {
    /// `macro-poll-1`: variant and occurrence.
    pub id: String,
    pub kind: AttackKind,
    pub variant: String,
    pub criterion: Criterion,
    /// First event.
    pub start: Micros,
    /// Last event.
    pub end: Micros,
    /// Absent when the plan ended first.
    pub detectable_at: Option<Micros>,
    /// Whether its addresses are its own, so that blocking them hits nobody else.
    pub may_block: bool,
    pub actors: Vec<ActorLabel>,
    /// What holds the actors together: `net`, `asn`, `ua`, `path`, `host`, `dst`, `account`, `ip`.
    pub aggregates: Vec<Entity>,
    pub events: u64,
    /// What it cost, in units a price list knows: web requests, bytes to the clients, requests
    /// the edge had to send on to the origin, bytes of flows.
    pub requests: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub origin_requests: u64,
    pub flow_bytes: u64,
    /// At most 512, evenly among its events, the last one included.
    pub marks: Vec<Mark>,
}

/// All ordinary visitors of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitorLabel {
    pub kind: Visitor,
    pub events: u64,
    /// Different addresses; of people of no special kind only the count is kept.
    pub addresses_total: u64,
    /// In order; at most 20,000.
    pub addresses: Vec<IpAddr>,
}

/// The reverse name of an address, and whether it leads back there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseName {
    pub address: IpAddr,
    pub name: String,
    /// Looking the name up gives the address.
    pub confirmed: bool,
}

/// Who runs a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkLabel {
    pub net: String,
    pub asn: u32,
    pub name: String,
}

/// A sale's opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleLabel {
    pub opens: Micros,
    /// Page of the show.
    pub path: String,
    /// People who come for it.
    pub users: u32,
}

/// The networks that are not home access providers'. Numbers are of the range for private use.
pub(crate) fn networks() -> Vec<NetworkLabel> {
    let network = |net: String, asn: u32, name: &str| NetworkLabel {
        net,
        asn,
        name: name.into(),
    };
    let mut all = vec![network("198.18.0.0/15".into(), HOSTING_ASN, "Rented Servers")];
    for (first, low, high) in crate::address::MOBILE {
        all.extend(
            (low..=high).map(|second| network(format!("{first}.{second}.0.0/16"), 64_600, "Mobile Carrier")),
        );
    }
    for (index, crawler) in CRAWLERS.iter().enumerate() {
        let asn = 64_700 + u32::try_from(index).expect("a handful");
        all.extend(
            crawler
                .1
                .iter()
                .map(|[a, b, c]| network(format!("{a}.{b}.{c}.0/24"), asn, "Search Engine")),
        );
    }
    all
}

/// The reverse name of a crawler's address, or of a rented machine.
pub(crate) fn reverse(address: IpAddr) -> ReverseName {
    let dashed = address.to_string().replace(['.', ':'], "-");
    ReverseName {
        address,
        name: reverse_name(address).unwrap_or_else(|| format!("vm-{dashed}.rented.example")),
        confirmed: true,
    }
}
