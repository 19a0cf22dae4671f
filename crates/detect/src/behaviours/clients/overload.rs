//! Judging the floods of one window: which jumps are floods, of whom, and of which host.

use super::book::Found;
use super::flood::{Jump, SLOT_US};
use super::judge::ip;
use super::timeline::WINDOW_US;
use super::verdict::GAP_US;
use super::{Clients, WindowId};
use crate::detector::{Extent, Verdict, score_of};
use crate::detectors::HttpFlood;
use ahash::AHashMap;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::{Dataset, Entity, EvidenceRef, Level, Micros};

/// Clients named in one flood.
const OFFENDERS_MAX: usize = 5_000;

/// A jump of one host that is a flood.
struct Flood {
    site: usize,
    jump: Jump,
    offenders: u32,
    requests: u32,
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
        let mut counts: AHashMap<u32, u32> = AHashMap::new();
        for (site, known) in self.sites.sites.iter().enumerate() {
            if known.tenant != tenant || known.dataset != Some(dataset) {
                continue;
            }
            for jump in known.jumps(from, to, settings.requests_min, settings.factor_min) {
                let flood = self.offenders(site, jump, id, until, members, &settings, &mut counts);
                floods.extend(flood);
            }
        }
        let named = self.name_offenders(&floods, &counts, id, &settings);
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
        counts: &mut AHashMap<u32, u32>,
    ) -> Option<Flood> {
        let begin = u32::try_from(jump.slot * SLOT_US - i64::from(window) * WINDOW_US).ok()?;
        let end = begin + SLOT_US as u32;
        // Of templates that a slot had no room for, it counts the sum.
        let slot = self.sites.sites[site].slot(jump.slot)?;
        let asked_for = |path: u32| slot.place(path) == jump.template;
        let (mut all, mut theirs) = (0u32, Vec::new());
        for &member in members {
            let Some(span) = self.clients[member as usize].span(window) else {
                continue;
            };
            let (mut asked, mut assets) = (0u32, 0u32);
            for actor in span.actors(until) {
                for hit in actor.hits {
                    if hit.is_asset() {
                        assets += hit.path;
                    } else if (begin..end).contains(&hit.at) && asked_for(hit.path) {
                        asked += 1;
                    }
                }
            }
            all += asked;
            if assets == 0 && asked > 0 {
                theirs.push((member, asked));
            }
        }
        let offending: u32 = theirs.iter().map(|(_, asked)| asked).sum();
        // Requests that timelines did not keep are by clients too busy for people.
        let share =
            f64::from(offending + jump.count.saturating_sub(all)) / f64::from(jump.count.max(all).max(1));
        if share < settings.offender_share_min {
            return None;
        }
        let offenders = u32::try_from(theirs.len()).unwrap_or(u32::MAX);
        for (member, asked) in theirs {
            *counts.entry(member).or_default() += asked;
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
        counts: &AHashMap<u32, u32>,
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
        let mut offenders: Vec<(u32, u32)> = counts
            .iter()
            .filter(|(_, count)| **count >= settings.client_requests_min)
            .map(|(&member, &count)| (member, count))
            .collect();
        // By address, since numbers of clients depend on the order they came in.
        offenders.sort_by_key(|&(member, count)| {
            (std::cmp::Reverse(count), &self.clients[member as usize].address)
        });
        offenders.truncate(OFFENDERS_MAX);
        let all = offenders.len();
        offenders
            .into_iter()
            .map(|(member, count)| {
                let facts = vec![
                    ("requests in the flood".to_owned(), count.to_string()),
                    ("clients in the flood".to_owned(), all.to_string()),
                    ("assets loaded".to_owned(), "0".to_owned()),
                ];
                let extent = Extent {
                    start: first * SLOT_US,
                    end: (last + 1) * SLOT_US - 1,
                    count: u64::from(count),
                };
                let clear = count >= settings.client_requests_min.saturating_mul(3);
                let level = settings.client_level;
                let said = flood_verdict(
                    dataset,
                    "HTTP flood: client takes part",
                    if clear { level } else { level.min(Level::Medium) },
                    extent,
                    facts,
                );
                let client = &self.clients[member as usize];
                let verdict = Verdict {
                    rule_id: format!("http_flood.client.{dataset}"),
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
