//! Matching findings with labels, and saying why a finding without a match was made.

use super::{FirstFinding, Options, Prevented, Prices, Told, kinds};
use crate::labels::Labels;
use crate::plan::AttackKind;
use crate::truth::CampaignLabel;
use crate::visitor::Visitor;
use haetae_event::time::MINUTE_US;
use std::collections::HashMap;
use std::net::IpAddr;

/// A finding may speak of an attack so long after its last event.
const AFTER_US: i64 = 10 * MINUTE_US;
/// Actors a network must hold to stand for a campaign that does not list it.
const IN_NETWORK_MIN: usize = 3;

/// What a finding found: a campaign, and which of its actors.
pub(super) struct Found {
    pub campaign: usize,
    pub actors: Vec<usize>,
    /// By name or by network: blocking it hits attackers.
    pub direct: bool,
}

/// The labels, ready to be asked.
pub(super) struct Truth<'a> {
    labels: &'a Labels,
    options: &'a Options,
    /// Campaign and actor by entity kind and value.
    names: HashMap<(&'a str, &'a str), Vec<(usize, usize)>>,
    visitors: HashMap<IpAddr, Vec<Visitor>>,
}

/// A network: its address and how many bits count.
struct Net {
    base: IpAddr,
    bits: u32,
}

impl Net {
    fn parse(text: &str) -> Option<Net> {
        let (base, bits) = text.split_once('/')?;
        let net = Net {
            base: base.parse().ok()?,
            bits: bits.parse().ok()?,
        };
        let narrow = match net.base {
            IpAddr::V4(_) => (16..=32).contains(&net.bits),
            IpAddr::V6(_) => (32..=128).contains(&net.bits),
        };
        narrow.then_some(net)
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (u32::from(base) ^ u32::from(address))
                    .checked_shr(32 - self.bits)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (u128::from(base) ^ u128::from(address))
                    .checked_shr(128 - self.bits)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

impl<'a> Truth<'a> {
    pub(super) fn new(labels: &'a Labels, options: &'a Options) -> Truth<'a> {
        let mut names: HashMap<(&str, &str), Vec<(usize, usize)>> = HashMap::new();
        for (campaign, label) in labels.campaigns.iter().enumerate() {
            for (index, actor) in label.actors.iter().enumerate() {
                for entity in &actor.entities {
                    let key = (kinds::entity_kind(&entity.kind), entity.value.as_str());
                    names.entry(key).or_default().push((campaign, index));
                }
            }
        }
        let mut visitors: HashMap<IpAddr, Vec<Visitor>> = HashMap::new();
        for label in &labels.visitors {
            for &address in &label.addresses {
                visitors.entry(address).or_default().push(label.kind);
            }
        }
        Truth {
            labels,
            options,
            names,
            visitors,
        }
    }

    /// What a finding's rule speaks of; empty when nobody knows.
    pub(super) fn speaks_of(&self, told: &Told) -> Vec<AttackKind> {
        match self.options.rules.get(&told.rule_id) {
            Some(kinds) => kinds.clone(),
            None => kinds::by_words(&told.rule_id, &told.title),
        }
    }

    /// Every campaign the finding is true of.
    pub(super) fn judge(&self, told: &Told) -> Vec<Found> {
        let parts = kinds::parts(&told.entity);
        let mut found: Vec<Found> = Vec::new();
        for key in &parts {
            self.by_name(told, *key, &mut found);
        }
        for (campaign, label) in self.labels.campaigns.iter().enumerate() {
            let known = found.iter().any(|found| found.campaign == campaign);
            if known || !at_the_time(label, told) {
                continue;
            }
            let wider = parts.iter().find_map(|&(kind, value)| match kind {
                "net" => by_network(label, value),
                _ => self.by_share(label, told, (kind, value)),
            });
            found.extend(wider.map(|(actors, direct)| Found {
                campaign,
                actors,
                direct,
            }));
        }
        found
    }

    fn by_name(&self, told: &Told, key: (&str, &str), found: &mut Vec<Found>) {
        for &(campaign, actor) in self.names.get(&key).into_iter().flatten() {
            if !at_the_time(&self.labels.campaigns[campaign], told) {
                continue;
            }
            match found.iter_mut().find(|found| found.campaign == campaign) {
                Some(found) => found.actors.push(actor),
                None => found.push(Found {
                    campaign,
                    actors: vec![actor],
                    direct: true,
                }),
            }
        }
    }

    fn by_share(
        &self,
        label: &CampaignLabel,
        told: &Told,
        (kind, value): (&str, &str),
    ) -> Option<(Vec<usize>, bool)> {
        if !self.speaks_of(told).contains(&label.kind) {
            return None;
        }
        let whole = matches!(kind, "host" | "dataset") && kinds::is_about_volume(label.kind);
        let value = match kind {
            // A path is the same with and without its query.
            "path" => value.split('?').next().unwrap_or_default(),
            _ => value,
        };
        let shared = label.aggregates.iter().any(|entity| {
            let listed = kinds::entity_kind(&entity.kind);
            entity.value == value && (listed == kind || (listed == "dst" && kind == "ip"))
        });
        (whole || shared).then(|| ((0..label.actors.len()).collect(), false))
    }

    /// Which ordinary visitors a false finding is about, and a reason in words.
    pub(super) fn explain(&self, told: &Told) -> (Vec<Visitor>, String) {
        let sale = self.labels.sales.iter().any(|sale| {
            let (from, to) = (sale.opens.0 - 10 * MINUTE_US, sale.opens.0 + 25 * MINUTE_US);
            told.window.start.0 <= to && told.window.end.0 >= from
        });
        let at_sale = if sale { ", while a sale opened" } else { "" };
        let (kind, value) = kinds::parts(&told.entity).first().copied().unwrap_or_default();
        let mut visitors = Vec::new();
        match kind {
            "ip" => {
                let Ok(address) = value.parse::<IpAddr>() else {
                    return (visitors, "not an address".into());
                };
                if let Some(&(campaign, _)) = self.names.get(&("ip", value)).and_then(|all| all.first()) {
                    let id = &self.labels.campaigns[campaign].id;
                    return (visitors, format!("attacks in {id}, but at another time"));
                }
                visitors.extend(self.visitors.get(&address).into_iter().flatten());
                if visitors.is_empty() {
                    visitors.push(Visitor::Person);
                }
            }
            "net" => {
                if let Some(net) = Net::parse(value) {
                    let inside = self
                        .visitors
                        .iter()
                        .filter(|(address, _)| net.contains(**address));
                    visitors.extend(inside.flat_map(|(_, kinds)| kinds));
                    visitors.sort_unstable();
                    visitors.dedup();
                }
            }
            other => {
                return (
                    visitors,
                    format!("no attack on or by this {other} at the time{at_sale}"),
                );
            }
        }
        let names: Vec<&str> = visitors.iter().map(|visitor| visitor.as_str()).collect();
        (
            visitors.clone(),
            format!("ordinary: {}{at_sale}", names.join(", ")),
        )
    }
}

/// Whether the finding can be about the campaign at all.
fn at_the_time(label: &CampaignLabel, told: &Told) -> bool {
    let last = label.end.0.saturating_add(AFTER_US);
    told.told_at >= label.start && told.window.end >= label.start && told.window.start.0 <= last
}

fn by_network(label: &CampaignLabel, text: &str) -> Option<(Vec<usize>, bool)> {
    let net = Net::parse(text)?;
    let inside = |index: &usize| {
        let entities = &label.actors[*index].entities;
        let addresses = entities.iter().filter(|entity| entity.kind == "ip");
        addresses
            .filter_map(|entity| entity.value.parse().ok())
            .any(|address| net.contains(address))
    };
    let actors: Vec<usize> = (0..label.actors.len()).filter(inside).collect();
    let listed = label
        .aggregates
        .iter()
        .any(|entity| entity.kind == "net" && entity.value == text);
    (actors.len() >= IN_NETWORK_MIN || (listed && !actors.is_empty())).then_some((actors, true))
}

/// What the first finding of a campaign is worth.
pub(super) fn first_finding(label: &CampaignLabel, told: &Told, prices: Option<Prices>) -> FirstFinding {
    let before = label.marks.iter().rev().find(|mark| mark.at <= told.told_at);
    let last = label.marks.last();
    let left = |of: fn(&crate::truth::Mark) -> u64| last.map_or(0, of) - before.map_or(0, of);
    let mut prevented = Prevented {
        events: left(|mark| mark.events),
        bytes_out: left(|mark| mark.bytes_out),
        origin_requests: left(|mark| mark.origin_requests),
        usd: None,
    };
    prevented.usd = prices.map(|prices| {
        let requests = if label.requests > 0 { prevented.events } else { 0 };
        requests as f64 / 1e6 * prices.per_million_requests
            + prevented.bytes_out as f64 / 1e9 * prices.per_gb_out
            + prevented.origin_requests as f64 / 1e6 * prices.per_million_origin_requests
    });
    FirstFinding {
        rule_id: told.rule_id.clone(),
        entity: told.entity.clone(),
        told_at: told.told_at,
        events: before.map_or(0, |mark| mark.events),
        seconds: (told.told_at.0 - label.start.0) as f64 / 1e6,
        seconds_late: label.detectable_at.map(|at| (told.told_at.0 - at.0) as f64 / 1e6),
        prevented,
    }
}
