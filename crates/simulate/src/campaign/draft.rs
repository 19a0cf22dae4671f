//! A campaign in preparation: enlisting its members and writing their part into the cast.

use super::Member;
use super::variant::Variant;
use crate::address::{proxy, rented, server};
use crate::agent::PEOPLE;
use crate::cast::{ActorRole, CampaignRole, Cast};
use crate::event::Text;
use crate::plan::Plan;
use crate::session::{Habit, Session};
use crate::site::Site;
use crate::visitor::{Deed, Tag};
use haetae_event::Entity;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::net::{IpAddr, Ipv4Addr};

pub(crate) struct Draft<'a> {
    pub plan: &'a Plan,
    pub site: &'a Site,
    pub rng: &'a mut ChaCha8Rng,
    /// Of all campaigns of the plan, from 0: keeps addresses apart.
    pub number: u32,
    pub start: i64,
    pub end: i64,
    pub opens: i64,
    pub show: usize,
    pub script: Vec<u8>,
    /// Whether members' addresses belong to them alone.
    pub may_block: bool,
    pub members: Vec<Member>,
    roles: Vec<Vec<Entity>>,
    aggregates: Vec<Entity>,
    proxies: u32,
    rented: u32,
}

pub(crate) fn entity(kind: &str, value: impl ToString) -> Entity {
    Entity {
        kind: kind.into(),
        value: value.to_string(),
    }
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        site: &'a Site,
        rng: &'a mut ChaCha8Rng,
        number: u32,
        times: (i64, i64),
    ) -> Draft<'a> {
        Draft {
            plan,
            site,
            rng,
            number,
            start: times.0,
            end: times.1,
            opens: times.0,
            show: 0,
            script: Vec::new(),
            may_block: false,
            members: Vec::new(),
            roles: Vec::new(),
            aggregates: Vec::new(),
            proxies: 0,
            rented: 0,
        }
    }

    /// A browser's user agent.
    pub(crate) fn browser(&mut self) -> Text {
        PEOPLE[self.rng.random_range(0..PEOPLE.len())].into()
    }

    /// A residential proxy no other member has.
    pub(crate) fn proxy(&mut self) -> IpAddr {
        self.proxies += 1;
        IpAddr::V4(proxy(self.plan.seed, self.number * 4096 + self.proxies))
    }

    /// A server somewhere; no other member has it.
    pub(crate) fn server(&mut self) -> IpAddr {
        self.rented += 1;
        IpAddr::V4(server(self.plan.seed, self.number * 64 + self.rented))
    }

    /// A machine at a hosting company, one of the campaign's own /24 networks; no other member
    /// has it.
    pub(crate) fn hosted(&mut self) -> IpAddr {
        let [a, b, c] = rented(self.plan.seed, self.number);
        self.rented += 1;
        IpAddr::V4(Ipv4Addr::new(a, b, c, (self.rented * 37 % 251 + 2) as u8))
    }

    /// The network of [`Draft::hosted`].
    pub(crate) fn hosted_network(&self) -> String {
        let [a, b, c] = rented(self.plan.seed, self.number);
        format!("{a}.{b}.{c}.0/24")
    }

    /// Adds a member that begins with the campaign and ends with it.
    pub(crate) fn enlist(&mut self, client: IpAddr, agent: Text) -> &mut Member {
        self.roles.push(vec![entity("ip", client)]);
        let session = Session {
            client,
            port: self.rng.random_range(20_000..61_000),
            agent,
            id: Some(self.rng.random()),
            account: None,
            habit: Habit {
                assets: 0.0,
                ..Habit::browser(false)
            },
            http: ["HTTP/1.1", "HTTP/2.0", "HTTP/2.0"][self.rng.random_range(0..3)],
            // The actor's index is known once the cast is.
            tag: Tag::Attack(Deed {
                actor: 0,
                telling: false,
            }),
        };
        self.members.push(Member {
            session,
            next: self.start,
            until: self.end,
            step: 0,
            pace_us: 1e6,
            jitter: 0.2,
            left: u32::MAX,
            proxies: Vec::new(),
            choice: self.rng.random(),
        });
        self.members.last_mut().expect("just pushed")
    }

    /// Another name of the member enlisted last.
    pub(crate) fn also(&mut self, entity: Entity) {
        if let Some(role) = self.roles.last_mut() {
            role.push(entity);
        }
    }

    /// Gives the member enlisted last proxies to go through.
    pub(crate) fn rotate_through(&mut self, count: u32) {
        for _ in 0..count {
            let proxy = self.proxy();
            self.also(entity("ip", proxy));
            if let Some(member) = self.members.last_mut() {
                if member.proxies.is_empty() {
                    member.proxies.push(member.session.client);
                }
                member.proxies.push(proxy);
            }
        }
    }

    /// Gives the member enlisted last an account.
    pub(crate) fn with_account(&mut self) {
        let account = crate::purchase::account(self.rng.random());
        self.also(entity("account", &account));
        if let Some(member) = self.members.last_mut() {
            member.session.account = Some(account);
        }
    }

    /// Something that holds the members together: a network, a path, a user agent, an account.
    pub(crate) fn aggregate(&mut self, kind: &str, value: impl ToString) {
        let entity = entity(kind, value);
        if !self.aggregates.contains(&entity) {
            self.aggregates.push(entity);
        }
    }

    /// Writes campaign and actors into the cast; the members, ready to act.
    pub(crate) fn into_cast(self, variant: Variant, id: String, cast: &mut Cast) -> Vec<Member> {
        let campaign = u32::try_from(cast.campaigns.len()).expect("plans are bounded");
        let crowd = self.members.len() > LISTED_MAX;
        let mut members = self.members;
        for (index, (member, entities)) in members.iter_mut().zip(self.roles).enumerate() {
            let actor = u32::try_from(cast.actors.len()).expect("plans are bounded");
            member.session.tag = Tag::Attack(Deed {
                actor,
                telling: false,
            });
            let mut entities = entities;
            if let (Some(session), false) = (member.session.id, variant.is_flow()) {
                entities.push(entity("session", format!("{session:016x}")));
            }
            let alone = member.proxies.is_empty() && !crowd;
            cast.actors.push(ActorRole {
                id: format!("{id}-{}", index + 1),
                campaign,
                entities,
                listed: alone.then_some(member.session.client),
                bad_agent: false,
            });
        }
        cast.campaigns.push(CampaignRole {
            id,
            kind: variant.kind(),
            variant: variant.as_str(),
            measure: variant.measure(self.plan),
            aggregates: self.aggregates,
            may_block: self.may_block,
        });
        members
    }
}

/// Campaigns of more members are labelled as a whole only.
const LISTED_MAX: usize = 400;
