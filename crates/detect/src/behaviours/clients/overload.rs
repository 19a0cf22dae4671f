//! Judging the floods of one window: which jumps are floods, of whom, and of which host.

use super::book::Found;
use super::flood::{Jump, OTHERS, SLOT_US};
use super::judge::ip;
use super::timeline::{Hit, WINDOW_US};
use super::verdict::GAP_US;
use super::{Clients, WindowId};
use crate::detector::{Extent, Verdict, score_of};
use crate::detectors::HttpFlood;
use ahash::AHashMap;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::{Dataset, Entity, EvidenceRef, Level, Micros};
use std::collections::BTreeSet;

/// Clients named in one flood.
const OFFENDERS_MAX: usize = 5_000;

/// Slots, three minutes, in which a client has to ask so much: over half an hour of a flood
/// visitors add up to as much as machines.
const STRETCH_SLOTS: i64 = 9;

/// Who asked as often before, but for this factor, takes no part.
const OWN_FACTOR: f64 = 3.0;

/// With so many times the least a client is sure to be one of a flood's machines; with fewer it may
/// be the macro of somebody at an address that others share, which is no reason to block.
const SURE_FACTOR: f64 = 6.0;
const HARDLY_SURE: f64 = 0.8;

/// A jump of one host that is a flood.
struct Flood {
    site: usize,
    jump: Jump,
    offenders: u32,
    requests: u32,
}

/// What clients asked for in floods, by slot.
type Asked = AHashMap<u32, Vec<(i64, u32)>>;

/// What one client did in floods.
struct Offender {
    member: u32,
    count: u32,
    /// In the busiest three minutes, and how much more than its own usual.
    stretch: u32,
    excess: f64,
    /// Requests in 20 s before the floods.
    usual: f64,
}

impl Offender {
    /// What is told of it, one of `all`.
    fn facts(&self, all: usize) -> Vec<(String, String)> {
        let fact = |name: &str, value: String| (name.to_owned(), value);
        vec![
            fact("requests in the flood", self.count.to_string()),
            fact("requests in three minutes of it", self.stretch.to_string()),
            fact("its usual requests in 20 s", format!("{:.1}", self.usual)),
            fact("clients in the flood", all.to_string()),
            fact("assets loaded", "0".to_owned()),
        ]
    }
}

impl Clients {
    /// Floods of the window's slots, by host, and the clients that make them.
    pub(super) fn floods(&mut self, id: WindowId, until: u32, members: &[u32], fresh: &mut Vec<Found>) {
        let Some(settings) = self.settings.http_flood.clone().filter(|s| s.enabled) else {
            return;
        };
        let (tenant, dataset, window) = id;
        let from = i64::from(window) * WINDOW_US / SLOT_US;
        let to = from + i64::from(until) / SLOT_US;
        let mut floods: Vec<Flood> = Vec::new();
        let mut asked = Asked::new();
        for (site, known) in self.sites.sites.iter().enumerate() {
            if known.tenant != tenant || known.dataset != Some(dataset) {
                continue;
            }
            for jump in known.jumps(from, to, settings.requests_min, settings.factor_min) {
                let flood = self.offenders(site, jump, id, until, members, &settings, &mut asked);
                floods.extend(flood);
            }
        }
        let named = self.name_offenders(&floods, asked, id, &settings);
        fresh.extend(named);
        for flood in &floods {
            let (entity, verdict) = self.host_verdict(dataset, flood, &settings);
            fresh.push(Found {
                window: id,
                client: None,
                entity,
                verdict,
            });
        }
    }

    /// Who makes a jump: a flood when most requests are by clients that load no assets.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of `floods`, cut out for its length"
    )]
    fn offenders(
        &self,
        site: usize,
        jump: Jump,
        (_, _, window): WindowId,
        until: u32,
        members: &[u32],
        settings: &HttpFlood,
        asked_by: &mut Asked,
    ) -> Option<Flood> {
        let begin = u32::try_from(jump.slot * SLOT_US - i64::from(window) * WINDOW_US).ok()?;
        let end = begin + SLOT_US as u32;
        // Of templates that a slot had no room for, it counts the sum.
        let slot = self.sites.sites[site].slot(jump.slot)?;
        let asked_for = |path: u32| slot.place(path) == jump.template;
        let (mut all, mut theirs) = (0u32, Vec::new());
        // Not kept in the slot's minute: by clients without assets, and by all.
        let (mut thinned, mut thinned_all) = (0u32, 0u32);
        for &member in members {
            let client = self.clients.get(member);
            let Some(span) = client.span(window) else {
                continue;
            };
            let of_slot =
                |hit: &&Hit| !hit.is_asset() && (begin..end).contains(&hit.at) && asked_for(hit.path);
            let asked = span.hits().iter().filter(of_slot).count();
            let asked = u32::try_from(asked).unwrap_or(u32::MAX);
            let dropped = span.dropped_in((begin / 60_000_000) as u8);
            if asked + dropped == 0 {
                continue;
            }
            // Who loads a page may act on it in the next window.
            let loads = span.loads_assets(until)
                || (client.span(window - 1)).is_some_and(|before| before.loads_assets(u32::MAX));
            all += asked;
            thinned_all += dropped;
            if !loads {
                thinned += dropped;
                if asked > 0 {
                    theirs.push((member, asked));
                }
            }
        }
        let offending: u32 = theirs.iter().map(|(_, asked)| asked).sum();
        let unkept = jump.count.saturating_sub(all);
        let by_known = unkept.min(thinned_all);
        let of_known = f64::from(by_known) * f64::from(thinned) / f64::from(thinned_all.max(1));
        // The rest was of clients given up for want of memory: those that did least.
        let offending = f64::from(offending) + of_known + f64::from(unkept - by_known);
        if offending / f64::from(jump.count.max(all).max(1)) < settings.offender_share_min {
            return None;
        }
        let offenders = u32::try_from(theirs.len()).unwrap_or(u32::MAX);
        for (member, asked) in theirs {
            asked_by.entry(member).or_default().push((jump.slot, asked));
        }
        Some(Flood {
            site,
            offenders,
            requests: jump.count,
            jump,
        })
    }

    fn name_offenders(
        &self,
        floods: &[Flood],
        asked: Asked,
        id: WindowId,
        settings: &HttpFlood,
    ) -> Vec<Found> {
        let dataset = id.1;
        let (Some(first), Some(last)) = (
            floods.iter().map(|flood| flood.jump.slot).min(),
            floods.iter().map(|flood| flood.jump.slot).max(),
        ) else {
            return Vec::new();
        };
        let min = f64::from(settings.client_requests_min);
        let before = self.before(floods, id, first, settings);
        let mut offenders: Vec<Offender> = (asked.into_iter())
            .map(|(member, slots)| self.offender(member, slots, floods, id.2, &before))
            .filter(|who| who.excess >= min)
            .collect();
        // By address, since numbers of clients depend on the order they came in.
        offenders.sort_by_key(|who| {
            (
                std::cmp::Reverse(who.count),
                &self.clients.get(who.member).address,
            )
        });
        offenders.truncate(OFFENDERS_MAX);
        let all = offenders.len();
        offenders
            .into_iter()
            .map(|who| {
                let facts = who.facts(all);
                let extent = Extent {
                    start: first * SLOT_US,
                    end: (last + 1) * SLOT_US - 1,
                    count: u64::from(who.count),
                };
                let clear = who.excess >= 3.0 * min;
                let level = settings.client_level;
                let said = flood_verdict(
                    dataset,
                    "HTTP flood: client takes part",
                    if clear { level } else { level.min(Level::Medium) },
                    extent,
                    facts,
                );
                let client = self.clients.get(who.member);
                let verdict = Verdict {
                    rule_id: format!("http_flood.client.{dataset}"),
                    confidence: match who.excess >= SURE_FACTOR * min {
                        true => said.confidence,
                        false => HARDLY_SURE,
                    },
                    ..said
                };
                Found {
                    window: id,
                    client: Some(client.key),
                    entity: ip(client),
                    verdict,
                }
            })
            .collect()
    }

    /// The slots before the first flood that were none, and what was asked for in floods.
    fn before(&self, floods: &[Flood], id: WindowId, first: i64, settings: &HttpFlood) -> Before {
        const SLOTS: i64 = WINDOW_US / SLOT_US;
        let from = i64::from(id.2) * SLOTS;
        let mut calm: BTreeSet<i64> = (first - SLOTS..first).collect();
        let sites: BTreeSet<usize> = floods.iter().map(|flood| flood.site).collect();
        for site in sites {
            let site = &self.sites.sites[site];
            for jump in site.jumps(from - SLOTS, from, settings.requests_min, settings.factor_min) {
                calm.remove(&jump.slot);
            }
        }
        Before {
            calm,
            templates: floods.iter().map(|flood| flood.jump.template).collect(),
        }
    }

    /// What a client did in floods, and how that compares with what it did before.
    fn offender(
        &self,
        member: u32,
        mut slots: Vec<(i64, u32)>,
        floods: &[Flood],
        window: i32,
        before: &Before,
    ) -> Offender {
        slots.sort_unstable();
        let usual = self.pace(member, window, before);
        let flooded: BTreeSet<i64> = floods.iter().map(|flood| flood.jump.slot).collect();
        let (mut stretch, mut excess) = (0, 0.0f64);
        for (at, &(from, _)) in slots.iter().enumerate() {
            let to = from + STRETCH_SLOTS;
            let own = slots[at..].iter().take_while(|(slot, _)| *slot < to);
            let asked: u32 = own.map(|(_, asked)| asked).sum();
            let usual = usual * flooded.range(from..to).count() as f64;
            let more = f64::from(asked) - usual;
            if more > excess && f64::from(asked) >= OWN_FACTOR * usual {
                (stretch, excess) = (asked, more);
            }
        }
        Offender {
            member,
            count: slots.iter().map(|(_, asked)| asked).sum(),
            stretch,
            excess,
            usual,
        }
    }

    /// How often a client asked for what is flooded before it was, in 20 s, since its first
    /// request of any kind.
    fn pace(&self, member: u32, window: i32, before: &Before) -> f64 {
        let client = self.clients.get(member);
        let (mut count, mut first) = (0u32, i64::MAX);
        for span in [window - 1, window]
            .into_iter()
            .filter_map(|window| client.span(window))
        {
            let slot_of = |at: u32| (span.start_us() + i64::from(at)).div_euclid(SLOT_US);
            for hit in span.hits().iter().filter(|hit| !hit.is_asset()) {
                let slot = slot_of(hit.at);
                if before.calm.contains(&slot) {
                    first = first.min(slot);
                    count += u32::from(before.asked_for(hit.path));
                }
            }
            for minute in 0..30u8 {
                let dropped = span.dropped_in(minute);
                let slot = slot_of(u32::from(minute) * 60_000_000);
                if dropped > 0 && before.calm.contains(&slot) {
                    first = first.min(slot);
                    count = count.saturating_add(dropped);
                }
            }
        }
        let slots = before.calm.range(first..).count();
        f64::from(count) / slots.max(STRETCH_SLOTS as usize) as f64
    }

    fn host_verdict(&self, dataset: Dataset, flood: &Flood, settings: &HttpFlood) -> (Entity, Verdict) {
        let site = &self.sites.sites[flood.site];
        let jump = &flood.jump;
        let path = match self.paths.get(&jump.template) {
            Some(known) => known.text.to_string(),
            None => "other paths".to_owned(),
        };
        let (kind, value) = match &site.host {
            Some(host) => ("host", host.to_string()),
            None => ("dataset", dataset.to_string()),
        };
        let entity = Entity {
            kind: kind.into(),
            value,
        };
        let slot = site.slot(jump.slot).cloned().unwrap_or_default();
        let requests = f64::from(slot.requests.max(1));
        let mut facts = vec![
            ("path".to_owned(), path),
            ("usual requests in 20 s".to_owned(), jump.usual.to_string()),
            ("clients without assets".to_owned(), flood.offenders.to_string()),
            (
                "path entropy".to_owned(),
                format!("{:.2} bits", slot.path_entropy()),
            ),
            (
                "assets per request".to_owned(),
                format!("{:.2}", f64::from(slot.assets) / requests),
            ),
            (
                "share with a referer".to_owned(),
                format!("{:.2}", f64::from(slot.referers) / requests),
            ),
            (
                "share of the most frequent user agent".to_owned(),
                format!("{:.2}", slot.agent_share()),
            ),
        ];
        if slot.apart > 0 {
            facts.push((
                "requests of declared crawlers and checks".to_owned(),
                slot.apart.to_string(),
            ));
        }
        if jump.known < 15 {
            facts.push((
                "baseline".to_owned(),
                format!("cold: {} s", jump.known * SLOT_US / 1_000_000),
            ));
        }
        let extent = Extent {
            start: jump.slot * SLOT_US,
            end: (jump.slot + 1) * SLOT_US - 1,
            count: u64::from(flood.requests),
        };
        let mut verdict = flood_verdict(dataset, "HTTP flood", settings.level, extent, facts);
        verdict.evidence.truncate(EVIDENCE_MAX);
        (entity, verdict)
    }
}

/// What clients are compared with.
struct Before {
    calm: BTreeSet<i64>,
    templates: BTreeSet<u32>,
}

impl Before {
    fn asked_for(&self, template: u32) -> bool {
        // Which templates the others were differs from slot to slot.
        self.templates.contains(&template) || self.templates.contains(&OTHERS)
    }
}

fn flood_verdict(
    dataset: Dataset,
    title: &'static str,
    level: Level,
    extent: Extent,
    facts: Vec<(String, String)>,
) -> Verdict {
    let summary = facts.iter().map(|(key, value)| format!("{key} {value}"));
    Verdict {
        detector: "http_flood",
        rule_id: format!("http_flood.{dataset}"),
        title,
        level,
        extent,
        score: score_of(level),
        confidence: 0.9,
        gap_us: GAP_US,
        monotone: false,
        evidence: vec![EvidenceRef {
            ts: Micros(extent.start),
            summary: summary.collect::<Vec<_>>().join(", "),
        }],
        facts,
        attack: &["T1498", "T1499"],
    }
}
