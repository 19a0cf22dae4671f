//! Claims to be a crawler, checked when they are told.
//!
//! The engine tells a client's claim as a candidate (`claimed_crawler`); here it becomes
//! `verified_crawler` (information), `fake_crawler` (high where the operator documents the check,
//! else medium) or `unverified_crawler` (low).
//!
//! The verifier of the service never waits. Until the answer has come, the candidate and whatever
//! else is found about that address are held back, for [`HOLD_US`] at most: nobody is called out of
//! bed by a crawler's rush, and nothing is told that the answer would take back. After that the
//! claim is unverified and the rest is told as it is; an answer that comes still later changes
//! both. What is held is not stored: after a crash it is found again with the open windows.
//!
//! What else is found about a verified crawler's address is information: such clients are never
//! blocked.
//!
//! Bounded: clients and episodes that wait, and verified addresses, have caps. What does not fit is
//! told at once: claims as unverified, findings with their level.

use haetae_detect::behaviours::crawlers::{CLAIM_FACT, CLAIMED};
use haetae_detect::detector::score_of;
use haetae_detect::{Evaluation, Withdrawn};
use haetae_enrich::crawlers::{Standing, Verifier};
use haetae_event::time::SECOND_US;
use haetae_event::{Clock, Entity, Episode, Level, Micros, TenantId};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Detectors of the three outcomes.
const FAKE: &str = "fake_crawler";
const UNVERIFIED: &str = "unverified_crawler";
const VERIFIED: &str = "verified_crawler";
const OUTCOMES: [&str; 3] = [FAKE, UNVERIFIED, VERIFIED];

/// How long is waited for an answer: all look-ups of a check with their retries (2 s × 2 tries, a
/// reverse and three forward) take 16 s at worst.
const HOLD_US: i64 = 20 * SECOND_US;

/// Clients whose claim waits for its answer, episodes kept of each, and verified clients.
const WAITING_MAX: usize = 4_096;
const EPISODES_MAX: usize = 8;
const VERIFIED_MAX: usize = 10_000;

/// Why a finding about a crawler is only information.
const DEMOTED_FACT: &str = "verified crawler";

type Client = (TenantId, IpAddr);

/// A client whose answer has not come.
struct Waiting {
    since: Micros,
    /// Waited for long enough: what is kept was told, and is told again when the answer comes.
    told: bool,
    /// Candidates and what else was found.
    episodes: Vec<Episode>,
}

/// See the module.
#[derive(Default)]
pub struct Claims {
    /// `None`: nobody to ask.
    verifier: Option<(Arc<dyn Verifier>, Arc<dyn Clock>)>,
    waiting: BTreeMap<Client, Waiting>,
    /// The crawler that a client is.
    verified: BTreeMap<Client, String>,
}

impl Claims {
    /// `clock`: how long has been waited.
    pub fn new(verifier: Arc<dyn Verifier>, clock: Arc<dyn Clock>) -> Claims {
        Claims {
            verifier: Some((verifier, clock)),
            ..Claims::default()
        }
    }

    /// Puts outcomes in the place of candidates, and says again what answers have changed.
    pub fn judge(&mut self, evaluation: Evaluation) -> Evaluation {
        let mut out = Evaluation::default();
        self.drop_withdrawn(&evaluation.withdrawn);
        let (mut candidates, mut others): (Vec<Episode>, Vec<Episode>) = evaluation
            .episodes
            .into_iter()
            .partition(|episode| episode.detector == CLAIMED);
        for told in self.released() {
            let list = match told.detector == CLAIMED {
                true => &mut candidates,
                false => &mut others,
            };
            // What the engine says now is newer than what was kept.
            if !list.iter().any(|known| same_story(known, &told)) {
                list.push(told);
            }
        }
        self.ask_ahead(&candidates);
        for candidate in candidates {
            self.decide(candidate, &mut out);
        }
        for episode in others {
            out.episodes.extend(self.weighed(episode));
        }
        for gone in evaluation.withdrawn {
            match gone.rule_id.strip_prefix(CLAIMED) {
                Some(dataset) => out.withdrawn.extend(OUTCOMES.map(|outcome| Withdrawn {
                    rule_id: format!("{outcome}{dataset}"),
                    ..gone.clone()
                })),
                None => out.withdrawn.push(gone),
            }
        }
        // What is held is not gone: what was stored of it stands until the answer comes.
        out.withdrawn.retain(|gone| !self.holds(gone));
        out
    }

    fn ask_ahead(&self, candidates: &[Episode]) {
        let Some((verifier, _)) = &self.verifier else {
            return;
        };
        let ask = |episode: &Episode| {
            Some((
                claim_of(episode)?.to_owned(),
                client_of(&episode.tenant_id, &episode.entity)?.1,
            ))
        };
        let mut claims: Vec<(String, IpAddr)> = candidates.iter().filter_map(ask).collect();
        claims.sort();
        claims.dedup();
        if !claims.is_empty() {
            verifier.ask_ahead(&claims);
        }
    }

    /// Episodes of clients whose answer has come, or is waited for no longer.
    fn released(&mut self) -> Vec<Episode> {
        let Some((verifier, clock)) = &self.verifier else {
            return Vec::new();
        };
        let now = clock.now();
        let mut again = Vec::new();
        self.waiting.retain(|(_, address), waiting| {
            let claim = waiting.episodes.iter().find_map(claim_of);
            let known = claim.is_none_or(|claim| verifier.standing(claim, *address).is_some());
            if known {
                again.append(&mut waiting.episodes);
            } else if !waiting.told && is_over(waiting.since, now) {
                again.extend(waiting.episodes.iter().cloned());
            }
            !known
        });
        again
    }

    fn decide(&mut self, candidate: Episode, out: &mut Evaluation) {
        let client = client_of(&candidate.tenant_id, &candidate.entity);
        let claim = claim_of(&candidate).unwrap_or("").to_owned();
        let standing = match (&self.verifier, &client) {
            (Some((verifier, _)), Some((_, address))) => verifier.standing(&claim, *address),
            _ => Some(Standing::Unverified),
        };
        match (standing, client) {
            (None, Some(client)) if self.hold(&client, &candidate) => return,
            (Some(Standing::Verified), Some(client)) if self.verified.len() < VERIFIED_MAX => {
                self.verified.insert(client, claim);
            }
            // An address may change hands.
            (Some(Standing::Fake { .. }), Some(client)) if self.verified.get(&client) == Some(&claim) => {
                self.verified.remove(&client);
            }
            _ => {}
        }
        let told = outcome(candidate, standing.unwrap_or(Standing::Unverified));
        let dataset = told.rule_id.strip_prefix(&told.detector).unwrap_or("");
        for other in OUTCOMES.iter().filter(|other| **other != told.detector) {
            out.withdrawn.push(Withdrawn {
                tenant_id: told.tenant_id.clone(),
                rule_id: format!("{other}{dataset}"),
                entity: told.entity.clone(),
                window: told.window,
            });
        }
        out.episodes.push(told);
    }

    /// Keeps an episode of a client whose answer is awaited; whether it is held back.
    fn hold(&mut self, client: &Client, episode: &Episode) -> bool {
        let now = match &self.verifier {
            Some((_, clock)) => clock.now(),
            None => return false,
        };
        if self.waiting.len() >= WAITING_MAX && !self.waiting.contains_key(client) {
            return false;
        }
        let waiting = self.waiting.entry(client.clone()).or_insert(Waiting {
            since: now,
            told: false,
            episodes: Vec::new(),
        });
        waiting.told |= is_over(waiting.since, now);
        waiting.episodes.retain(|known| !same_story(known, episode));
        let fits = waiting.episodes.len() < EPISODES_MAX;
        if fits {
            waiting.episodes.push(episode.clone());
        }
        fits && !waiting.told
    }

    /// An episode about something else: held back while the claim of its client waits, information
    /// when it is about a verified crawler.
    fn weighed(&mut self, mut episode: Episode) -> Option<Episode> {
        let Some(client) = client_of(&episode.tenant_id, &episode.entity) else {
            return Some(episode);
        };
        if self.waiting.contains_key(&client) && self.hold(&client, &episode) {
            return None;
        }
        if let Some(name) = self.verified.get(&client) {
            episode.level = Level::Informational;
            episode.score = score_of(Level::Informational);
            episode.facts.push((DEMOTED_FACT.into(), name.clone()));
        }
        Some(episode)
    }

    /// What the engine takes back is not told later.
    fn drop_withdrawn(&mut self, withdrawn: &[Withdrawn]) {
        for gone in withdrawn {
            let Some(client) = client_of(&gone.tenant_id, &gone.entity) else {
                continue;
            };
            let Some(waiting) = self.waiting.get_mut(&client) else {
                continue;
            };
            waiting
                .episodes
                .retain(|kept| kept.rule_id != gone.rule_id || !kept.window.touches(&gone.window, 0));
            if waiting.episodes.is_empty() {
                self.waiting.remove(&client);
            }
        }
    }

    /// Whether something is held back that may turn out to be what is withdrawn.
    fn holds(&self, gone: &Withdrawn) -> bool {
        let Some(client) = client_of(&gone.tenant_id, &gone.entity) else {
            return false;
        };
        let Some(waiting) = self.waiting.get(&client).filter(|waiting| !waiting.told) else {
            return false;
        };
        waiting.episodes.iter().any(|kept| {
            let same = match kept.rule_id.strip_prefix(CLAIMED) {
                Some(dataset) => OUTCOMES
                    .iter()
                    .any(|outcome| gone.rule_id.strip_prefix(outcome) == Some(dataset)),
                None => kept.rule_id == gone.rule_id,
            };
            same && kept.window.touches(&gone.window, kept.gap_us)
        })
    }
}

fn is_over(since: Micros, now: Micros) -> bool {
    // A clock that was set back must not hold anything for ever.
    now < since || now.0.saturating_sub(since.0) >= HOLD_US
}

fn same_story(a: &Episode, b: &Episode) -> bool {
    a.rule_id == b.rule_id
        && a.tenant_id == b.tenant_id
        && a.entity == b.entity
        && a.window.touches(&b.window, a.gap_us.max(b.gap_us))
}

fn claim_of(episode: &Episode) -> Option<&str> {
    let fact = episode.facts.iter().find(|(key, _)| key == CLAIM_FACT);
    fact.filter(|_| episode.detector == CLAIMED)
        .map(|(_, claim)| claim.as_str())
}

fn client_of(tenant: &TenantId, entity: &Entity) -> Option<Client> {
    let kind = entity.kind.as_str();
    if kind != "ip" && kind != "src_ip" {
        return None;
    }
    let address: IpAddr = entity.value.parse().ok()?;
    Some((tenant.clone(), address.to_canonical()))
}

/// The candidate as what it turned out to be. An answer may change it: it is not monotone.
fn outcome(candidate: Episode, standing: Standing) -> Episode {
    let (detector, title, level, confidence) = match standing {
        Standing::Verified => (
            VERIFIED,
            "Verified crawler",
            Level::Informational,
            candidate.confidence,
        ),
        Standing::Fake { documented: true } => (FAKE, "Fake crawler: not who it says", Level::High, 0.95),
        Standing::Fake { documented: false } => (
            FAKE,
            "Fake crawler: its address is not one of the operator's",
            Level::Medium,
            0.7,
        ),
        Standing::Unverified => (
            UNVERIFIED,
            "Says to be a crawler, unverified",
            candidate.level.min(Level::Low),
            candidate.confidence,
        ),
    };
    Episode {
        rule_id: candidate.rule_id.replacen(CLAIMED, detector, 1),
        detector: detector.into(),
        title: title.into(),
        level,
        score: score_of(level),
        confidence,
        monotone: false,
        ..candidate
    }
}

#[cfg(test)]
mod tests;
