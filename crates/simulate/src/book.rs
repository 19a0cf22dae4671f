//! Keeps the labels up to date while events are handed out. Bounded by the number of actors
//! and of different visitors.

use crate::agent::PARTNERS;
use crate::cast::{ActorRole, CampaignRole, Cast, Measure};
use crate::event::{Edge, FlowStatus, SimEvent};
use crate::labels::{AttackLabel, Expectation, Gauge, Hint, Labels, Totals, weigh};
use crate::plan::{AttackKind, Plan, Scenario};
use crate::robot::partner_key;
use crate::truth::{ActorLabel, CampaignLabel, Mark, SaleLabel, VisitorLabel, networks, reverse};
use crate::visitor::{Deed, Tag, Visitor};
use haetae_event::time::SECOND_US;
use haetae_event::{Entity, Micros};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

/// Addresses listed for one kind of visitor.
const LISTED_MAX: usize = 20_000;
const MARKS_MAX: usize = 512;

/// A criterion at work.
#[derive(Default)]
struct Sense {
    recent: VecDeque<i64>,
    bytes: u64,
    crossed: Option<Micros>,
}

impl Sense {
    fn add(&mut self, measure: Measure, ts: Micros, size: u64) {
        if self.crossed.is_some() {
            return;
        }
        let crossed = match measure {
            Measure::Thresholds => false,
            Measure::Bytes { bytes, .. } => {
                self.bytes += size;
                self.bytes >= bytes
            }
            Measure::Events { count, window_s, .. } => {
                let after = ts.0 - window_s * SECOND_US;
                while self.recent.front().is_some_and(|&at| at <= after) {
                    self.recent.pop_front();
                }
                self.recent.push_back(ts.0);
                self.recent.len() >= count
            }
        };
        if crossed {
            self.crossed = Some(ts);
            self.recent = VecDeque::new();
        }
    }
}

/// First and last event, and how many.
#[derive(Clone, Copy, Default)]
struct Extent {
    start: Option<Micros>,
    end: Micros,
    events: u64,
}

impl Extent {
    fn add(&mut self, ts: Micros) {
        self.start.get_or_insert(ts);
        self.end = ts;
        self.events += 1;
    }
}

struct Actor {
    role: ActorRole,
    extent: Extent,
    gauges: Vec<Gauge>,
    sense: Sense,
}

struct Campaign {
    role: CampaignRole,
    extent: Extent,
    sense: Sense,
    requests: u64,
    bytes_in: u64,
    bytes_out: u64,
    origin_requests: u64,
    flow_bytes: u64,
    marks: Vec<Mark>,
    /// A mark is set at every so many events.
    stride: u64,
}

impl Campaign {
    fn record(&mut self, event: &SimEvent) {
        self.extent.add(event.ts());
        match event {
            SimEvent::Web(request) => {
                self.requests += 1;
                self.bytes_in += request.bytes_in;
                self.bytes_out += request.bytes_out;
                self.origin_requests += u64::from(matches!(
                    request.edge,
                    Edge::Miss | Edge::RefreshHit | Edge::Error
                ));
            }
            SimEvent::Flow(flow) => self.flow_bytes += flow.bytes,
        }
        if self.extent.events.is_multiple_of(self.stride) {
            self.marks.push(self.mark());
        }
        if self.marks.len() >= MARKS_MAX {
            self.stride *= 2;
            let stride = self.stride;
            self.marks.retain(|mark| mark.events.is_multiple_of(stride));
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            at: self.extent.end,
            events: self.extent.events,
            bytes_out: self.bytes_out + self.flow_bytes,
            origin_requests: self.origin_requests,
        }
    }
}

#[derive(Default)]
struct Guests {
    events: u64,
    addresses: BTreeSet<IpAddr>,
}

pub(crate) struct LabelBook {
    scenario: Scenario,
    seed: u64,
    start: Micros,
    end: Micros,
    actors: Vec<Actor>,
    campaigns: Vec<Campaign>,
    guests: Vec<Guests>,
    sales: Vec<SaleLabel>,
    totals: Totals,
}

impl LabelBook {
    pub(crate) fn new(plan: &Plan, cast: Cast, sales: Vec<SaleLabel>) -> LabelBook {
        let actor = |role: ActorRole| Actor {
            gauges: if role.listed.is_some() {
                Hint::ALL.into_iter().map(Gauge::new).collect()
            } else {
                Vec::new()
            },
            role,
            extent: Extent::default(),
            sense: Sense::default(),
        };
        let campaign = |role: CampaignRole| Campaign {
            role,
            extent: Extent::default(),
            sense: Sense::default(),
            requests: 0,
            bytes_in: 0,
            bytes_out: 0,
            origin_requests: 0,
            flow_bytes: 0,
            marks: Vec::new(),
            stride: 1,
        };
        LabelBook {
            scenario: plan.scenario,
            seed: plan.seed,
            start: plan.first(),
            end: plan.end(),
            actors: cast.actors.into_iter().map(actor).collect(),
            campaigns: cast.campaigns.into_iter().map(campaign).collect(),
            guests: Visitor::ALL.iter().map(|_| Guests::default()).collect(),
            sales,
            totals: Totals::default(),
        }
    }

    pub(crate) fn record(&mut self, tag: Tag, event: &SimEvent) {
        self.count(matches!(tag, Tag::Attack(_)), event);
        match tag {
            Tag::Polite(visitor) | Tag::Free(visitor) => self.guest(visitor, event),
            Tag::Attack(deed) => self.deed(deed, event),
        }
    }

    fn count(&mut self, attack: bool, event: &SimEvent) {
        let attacks = u64::from(attack);
        match event {
            SimEvent::Web(request) => {
                let web = &mut self.totals.web;
                web.events += 1;
                web.bytes_in += request.bytes_in;
                web.bytes_out += request.bytes_out;
                *web.status.entry(request.status).or_default() += 1;
                web.attack_events += attacks;
            }
            SimEvent::Flow(flow) => {
                let flows = &mut self.totals.vpcflow;
                flows.events += 1;
                flows.bytes += flow.bytes;
                flows.attack_events += attacks;
                match flow.status {
                    FlowStatus::Accept => flows.accepted += 1,
                    FlowStatus::Reject => flows.refused += 1,
                    FlowStatus::NoData => flows.nodata += 1,
                    FlowStatus::SkipData => flows.skipdata += 1,
                }
            }
        }
    }

    fn guest(&mut self, visitor: Visitor, event: &SimEvent) {
        let guests = &mut self.guests[visitor as usize];
        guests.events += 1;
        let address = match event {
            SimEvent::Web(request) => request.client,
            SimEvent::Flow(flow) => IpAddr::V4(flow.source),
        };
        guests.addresses.insert(address);
    }

    fn deed(&mut self, deed: Deed, event: &SimEvent) {
        let actor = &mut self.actors[deed.actor as usize];
        let campaign = &mut self.campaigns[actor.role.campaign as usize];
        let ts = event.ts();
        actor.extent.add(ts);
        campaign.record(event);
        for gauge in &mut actor.gauges {
            if let Some(value) = weigh(gauge.hint, event, actor.role.bad_agent) {
                gauge.add(ts, value);
            }
        }
        if deed.telling {
            let size = match event {
                SimEvent::Web(request) => request.bytes_out,
                SimEvent::Flow(flow) => flow.bytes,
            };
            let measure = campaign.role.measure;
            let sense = if measure.by_actor() {
                &mut actor.sense
            } else {
                &mut campaign.sense
            };
            sense.add(measure, ts, size);
        }
    }

    pub(crate) fn labels(&self) -> Labels {
        let bots = &self.guests[Visitor::VerifiedBot as usize].addresses;
        let fakes = self.actors.iter().filter(|actor| {
            let campaign = &self.campaigns[actor.role.campaign as usize];
            campaign.role.kind == AttackKind::Fakebot && actor.extent.events > 0
        });
        let fakes = fakes.filter_map(|actor| actor.role.listed);
        Labels {
            scenario: self.scenario,
            seed: self.seed,
            start: self.start,
            end: self.end,
            attacks: self
                .actors
                .iter()
                .filter_map(|actor| self.attack(actor))
                .collect(),
            totals: self.totals.clone(),
            campaigns: self.campaign_labels(),
            visitors: self.visitor_labels(),
            reverse_names: bots.iter().copied().chain(fakes).map(reverse).collect(),
            networks: networks(),
            sales: self.sales.clone(),
            partner_keys: self.partner_keys(),
        }
    }

    fn attack(&self, actor: &Actor) -> Option<AttackLabel> {
        let (start, address) = (actor.extent.start?, actor.role.listed?);
        let campaign = &self.campaigns[actor.role.campaign as usize].role;
        let crossed = |gauge: &Gauge| {
            Some(Expectation {
                hint: gauge.hint,
                detectable_at: gauge.crossed?,
            })
        };
        let expected_rules: Vec<Expectation> = actor.gauges.iter().filter_map(crossed).collect();
        Some(AttackLabel {
            id: actor.role.id.clone(),
            kind: campaign.kind,
            entity: Entity {
                kind: "ip".into(),
                value: address.to_string(),
            },
            start,
            end: actor.extent.end,
            events: actor.extent.events,
            detectable_at: expected_rules.iter().map(|rule| rule.detectable_at).min(),
            expected_rules,
            campaign: campaign.id.clone(),
        })
    }

    fn actor(&self, actor: &Actor) -> Option<ActorLabel> {
        let campaign = &self.campaigns[actor.role.campaign as usize];
        let start = actor.extent.start?;
        let detectable_at = match campaign.role.measure {
            Measure::Thresholds => actor.gauges.iter().filter_map(|gauge| gauge.crossed).min(),
            measure if measure.by_actor() => actor.sense.crossed,
            // Known with the others, from its own first event on.
            _ => campaign.sense.crossed.map(|at| at.max(start)),
        };
        Some(ActorLabel {
            id: actor.role.id.clone(),
            entities: actor.role.entities.clone(),
            start,
            end: actor.extent.end,
            events: actor.extent.events,
            detectable_at,
        })
    }

    fn campaign_labels(&self) -> Vec<CampaignLabel> {
        let mut actors: Vec<Vec<ActorLabel>> = self.campaigns.iter().map(|_| Vec::new()).collect();
        for actor in &self.actors {
            actors[actor.role.campaign as usize].extend(self.actor(actor));
        }
        let label = |(campaign, actors): (&Campaign, Vec<ActorLabel>)| {
            let last = campaign.mark();
            let mut marks = campaign.marks.clone();
            if marks.last() != Some(&last) {
                marks.push(last);
            }
            Some(CampaignLabel {
                id: campaign.role.id.clone(),
                kind: campaign.role.kind,
                variant: campaign.role.variant.into(),
                criterion: campaign.role.measure.into(),
                start: campaign.extent.start?,
                end: campaign.extent.end,
                detectable_at: actors.iter().filter_map(|actor| actor.detectable_at).min(),
                may_block: campaign.role.may_block,
                aggregates: campaign.role.aggregates.clone(),
                events: campaign.extent.events,
                requests: campaign.requests,
                bytes_in: campaign.bytes_in,
                bytes_out: campaign.bytes_out,
                origin_requests: campaign.origin_requests,
                flow_bytes: campaign.flow_bytes,
                actors,
                marks,
            })
        };
        self.campaigns.iter().zip(actors).filter_map(label).collect()
    }

    fn partner_keys(&self) -> Vec<String> {
        let came = self.guests[Visitor::Partner as usize].events > 0;
        let all = if came { PARTNERS.len() } else { 0 };
        (0..all).map(|index| partner_key(self.seed, index)).collect()
    }

    fn visitor_labels(&self) -> Vec<VisitorLabel> {
        let label = |(&kind, guests): (&Visitor, &Guests)| VisitorLabel {
            kind,
            events: guests.events,
            addresses_total: guests.addresses.len() as u64,
            addresses: if kind == Visitor::Person || kind == Visitor::Infrastructure {
                Vec::new()
            } else {
                guests.addresses.iter().copied().take(LISTED_MAX).collect()
            },
        };
        let met = Visitor::ALL.iter().zip(&self.guests);
        met.filter(|(_, guests)| guests.events > 0).map(label).collect()
    }
}
