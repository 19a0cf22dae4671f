//! Campaigns: attacks that only show over time, over many clients or in the order of steps.
//!
//! A campaign has members; each acts, says when it will act again, and is planned minute by
//! minute, so that an attack of a day costs no more memory than one of a minute. Each campaign
//! has a generator of random numbers of its own: adding one changes no other.

mod cost;
mod crawl;
pub(crate) mod draft;
mod leak;
mod login;
mod many;
mod payment;
mod ticket;
mod variant;

use crate::cast::Cast;
use crate::event::Text;
use crate::plan::{AttackKind, Plan, Scenario};
use crate::sale::{Sale, sales};
use crate::schedule::Schedule;
use crate::session::Session;
use crate::site::{Show, Site};
use draft::Draft;
use haetae_event::Micros;
use haetae_event::time::{HOUR_US, MINUTE_US, SECOND_US};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::IpAddr;
use std::sync::Arc;
use variant::Variant;

/// One attacking client or account.
pub(crate) struct Member {
    pub session: Session,
    /// When it acts next.
    pub next: i64,
    /// It stops here.
    pub until: i64,
    pub step: u32,
    /// Its usual interval, in microseconds.
    pub pace_us: f64,
    /// Standard deviation of its intervals, as a share of the pace.
    pub jitter: f64,
    /// What is left to do, where it counts.
    pub left: u32,
    /// Addresses it goes through; empty when it keeps its own.
    pub proxies: Vec<IpAddr>,
    /// A choice made once, by the variant.
    pub choice: u32,
}

impl Member {
    /// The next interval: the pace with its jitter, never below a tenth of the pace.
    pub(crate) fn interval(&self, rng: &mut ChaCha8Rng) -> i64 {
        // Irwin-Hall of four: standard deviation 0.577.
        let deviation: f64 = (0..4).map(|_| rng.random::<f64>()).sum::<f64>() - 2.0;
        let factor = (1.0 + deviation * 1.732 * self.jitter).max(0.1);
        (self.pace_us * factor) as i64
    }

    /// Every so many steps, the next proxy.
    pub(crate) fn rotate(&mut self, every: u32) {
        if !self.proxies.is_empty() && self.step.is_multiple_of(every) {
            let turn = (self.step / every) as usize % self.proxies.len();
            self.session.client = self.proxies[turn];
        }
    }
}

/// What an acting member sees and uses.
pub(crate) struct Scene<'a> {
    pub site: &'a Site,
    pub show: &'a Show,
    pub rng: &'a mut ChaCha8Rng,
    pub schedule: &'a mut Schedule,
    /// The second the sale opens; the campaign's start where there is no sale.
    pub opens: i64,
    pub start: i64,
    /// A sequence of steps all members share.
    pub script: &'a [u8],
}

struct Campaign {
    variant: Variant,
    rng: ChaCha8Rng,
    members: Vec<Member>,
    opens: i64,
    start: i64,
    end: i64,
    show: usize,
    script: Vec<u8>,
}

/// All campaigns of a plan.
pub(crate) struct Campaigns {
    site: Arc<Site>,
    all: Vec<Campaign>,
}

/// What happens in a round, and when, in hundredths of it. Macros come with the sales instead.
fn script(scenario: Scenario) -> &'static [(i64, Variant)] {
    use Variant as V;
    match scenario {
        Scenario::Edos => &[
            (4, V::EdosSlow),
            (8, V::EdosYoyo),
            (12, V::EdosBust),
            (40, V::EdosPull),
            (62, V::EdosSpread),
        ],
        Scenario::Ddos => &[(20, V::DdosWeb), (60, V::DdosFlow)],
        Scenario::Exfil => &[(15, V::ExfilFlow), (50, V::ExfilApi)],
        Scenario::Stuffing => &[(8, V::StuffIp), (30, V::StuffAccount), (50, V::StuffNet)],
        Scenario::Payment => &[
            (10, V::PaymentSkip),
            (35, V::PaymentReplay),
            (60, V::PaymentOrder),
        ],
        Scenario::Fakebot => &[(10, V::FakeCrawler), (55, V::FakeCrawler)],
        Scenario::Mixed => &[
            (4, V::EdosSlow),
            (5, V::EdosBust),
            (10, V::FakeCrawler),
            (12, V::PaymentSkip),
            (18, V::StuffIp),
            (22, V::ExfilFlow),
            (28, V::EdosPull),
            (32, V::StuffAccount),
            (34, V::PaymentReplay),
            (58, V::StuffNet),
            (62, V::ExfilApi),
            (66, V::PaymentOrder),
            (72, V::DdosFlow),
            (74, V::EdosSpread),
            (84, V::DdosWeb),
        ],
        _ => &[],
    }
}

const TICKET: [Variant; 5] = [
    Variant::MacroPoll,
    Variant::MacroSprint,
    Variant::MacroBare,
    Variant::MacroTwins,
    Variant::MacroBurst,
];

/// Rounds no shorter than half an hour, and no more than four of them in a plan.
fn rounds(plan: &Plan) -> (i64, i64) {
    let length_us = plan.end().0 - plan.first().0;
    let round_us = (length_us / 4).max(30 * MINUTE_US).min(length_us);
    (round_us, length_us / round_us)
}

impl Campaigns {
    /// Plans who does what; the actors and their campaigns are added to the cast.
    pub(crate) fn new(plan: &Plan, site: Arc<Site>, cast: &mut Cast) -> Campaigns {
        let mut campaigns = Campaigns {
            site,
            all: Vec::new(),
        };
        let openings = sales(plan);
        if matches!(plan.scenario, Scenario::Macro | Scenario::Mixed) {
            for sale in &openings {
                for variant in TICKET {
                    campaigns.add(plan, variant, sale.opens.0, Some(*sale), cast);
                }
            }
        }
        let (round_us, count) = rounds(plan);
        for round in 0..count {
            for &(hundredth, variant) in script(plan.scenario) {
                let once = variant == Variant::EdosSlow;
                let fits = plan.end().0 - plan.first().0 >= 6 * HOUR_US && round == 0;
                if once && !fits {
                    continue;
                }
                let start = plan.first().0 + round * round_us + round_us / 100 * hundredth;
                campaigns.add(plan, variant, start, openings.first().copied(), cast);
            }
        }
        campaigns
    }

    fn add(&mut self, plan: &Plan, variant: Variant, at: i64, sale: Option<Sale>, cast: &mut Cast) {
        let flows = variant.is_flow();
        if (flows && plan.flows_per_minute == 0) || (!flows && plan.requests_per_minute == 0) {
            return;
        }
        let number = u32::try_from(self.all.len()).expect("plans are bounded");
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        rng.set_stream(100 + u64::from(number));
        let (round_us, _) = rounds(plan);
        let start = at + rng.random_range(-round_us / 100..round_us / 100);
        let length = variant.length_us(round_us, plan, &mut rng);
        let start = if variant.kind() == AttackKind::Macro {
            at
        } else {
            start
        };
        let occurrence = self.all.iter().filter(|other| other.variant == variant).count() + 1;
        let mut draft = Draft::new(plan, &self.site, &mut rng, number, (start, start + length));
        draft.opens = sale.map_or(start, |sale| sale.opens.0);
        draft.show = sale.map_or(0, |sale| sale.show);
        if variant.kind() != AttackKind::Macro {
            draft.show = draft.rng.random_range(0..self.site.shows.len() / 4);
        }
        variant.enlist(&mut draft);
        let id = format!("{}-{occurrence}", variant.as_str());
        let (opens, show, script) = (draft.opens, draft.show, std::mem::take(&mut draft.script));
        let members = draft.into_cast(variant, id, cast);
        let first = members.iter().map(|member| member.next).min().unwrap_or(start);
        let last = members.iter().map(|member| member.until).max().unwrap_or(start);
        self.all.push(Campaign {
            variant,
            rng,
            members,
            opens,
            start: first,
            end: last,
            show,
            script,
        });
    }

    pub(crate) fn plan_minute(&mut self, minute: Micros, schedule: &mut Schedule) {
        let site = Arc::clone(&self.site);
        let next_minute = minute.0 + MINUTE_US;
        for campaign in &mut self.all {
            if campaign.start >= next_minute || campaign.end < minute.0 {
                continue;
            }
            let mut scene = Scene {
                site: &site,
                show: &site.shows[campaign.show],
                rng: &mut campaign.rng,
                schedule,
                opens: campaign.opens,
                start: campaign.start,
                script: &campaign.script,
            };
            for member in &mut campaign.members {
                while member.next < next_minute && member.next < member.until {
                    let delay = campaign.variant.act(&mut scene, member);
                    member.step += 1;
                    member.next += delay.max(1_000);
                }
            }
        }
    }
}

/// Between `low` and `high` seconds, in microseconds.
fn seconds(rng: &mut ChaCha8Rng, low: f64, high: f64) -> i64 {
    (rng.random_range(low..high) * SECOND_US as f64) as i64
}

/// A random hexadecimal text, as cache busters use.
fn nonce(rng: &mut ChaCha8Rng) -> Text {
    let value: u64 = rng.random();
    match value % 3 {
        0 => format!("v={value:016x}"),
        1 => format!("_={}", 1_700_000_000_000 + value % 100_000_000_000),
        _ => format!("cb={:08x}", value as u32),
    }
    .into()
}
