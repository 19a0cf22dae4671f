//! Claims to be a crawler, checked when they are told.
//!
//! The engine tells a client's claim as a candidate (`claimed_crawler`); here it becomes
//! `verified_crawler` (information), `fake_crawler` (high where the operator documents the check,
//! else medium) or `unverified_crawler` (low). The verifier never waits: without an answer the
//! claim is unverified, and told anew when the answer has come. What else is found about a
//! verified crawler's address is information: such clients are never blocked.
//!
//! Bounded: claims that wait and verified addresses have caps; beyond them claims stay unverified
//! until they are told again, and findings keep their level.

use haetae_detect::behaviours::crawlers::{CLAIM_FACT, CLAIMED};
use haetae_detect::detector::score_of;
use haetae_detect::{Evaluation, Withdrawn};
use haetae_enrich::crawlers::{Standing, Verifier};
use haetae_event::{Episode, Level, TenantId};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Detectors of the three outcomes.
const FAKE: &str = "fake_crawler";
const UNVERIFIED: &str = "unverified_crawler";
const VERIFIED: &str = "verified_crawler";
const OUTCOMES: [&str; 3] = [FAKE, UNVERIFIED, VERIFIED];

/// Clients whose claim waits for its answer, episodes kept of each, and verified clients.
const WAITING_MAX: usize = 4_096;
const EPISODES_MAX: usize = 8;
const VERIFIED_MAX: usize = 10_000;

/// Why a finding about a crawler is only information.
const DEMOTED_FACT: &str = "verified crawler";

type Client = (TenantId, IpAddr);

/// See the module.
#[derive(Default)]
pub struct Claims {
    /// `None`: nobody to ask.
    verifier: Option<Arc<dyn Verifier>>,
    /// Clients without an answer yet, with the candidates and other episodes told of them.
    waiting: BTreeMap<Client, Vec<Episode>>,
    /// The crawler that a client is.
    verified: BTreeMap<Client, String>,
}

impl Claims {
    pub fn new(verifier: Arc<dyn Verifier>) -> Claims {
        Claims {
            verifier: Some(verifier),
            ..Claims::default()
        }
    }

    /// Puts outcomes in the place of candidates, and says again what answers have changed.
    pub fn judge(&mut self, evaluation: Evaluation) -> Evaluation {
        let mut out = Evaluation::default();
        let (mut candidates, mut others): (Vec<Episode>, Vec<Episode>) = evaluation
            .episodes
            .into_iter()
            .partition(|episode| episode.detector == CLAIMED);
        for told in self.answered() {
            let again = |known: &Episode| {
                known.rule_id == told.rule_id
                    && known.entity == told.entity
                    && known.window.touches(&told.window, told.gap_us)
            };
            let list = match told.detector == CLAIMED {
                true => &mut candidates,
                false => &mut others,
            };
            // What the engine says now is newer than what was kept.
            if !list.iter().any(again) {
                list.push(told);
            }
        }
        for candidate in candidates {
            self.decide(candidate, &mut out);
        }
        for episode in others {
            let episode = self.weighed(episode);
            out.episodes.push(episode);
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
        out
    }

    /// Episodes of clients whose answer has come.
    fn answered(&mut self) -> Vec<Episode> {
        let Some(verifier) = &self.verifier else {
            return Vec::new();
        };
        let mut again = Vec::new();
        self.waiting.retain(|(_, address), episodes| {
            let claim = episodes.iter().find_map(claim_of);
            let known = claim.is_none_or(|claim| verifier.standing(claim, *address).is_some());
            if known {
                again.append(episodes);
            }
            !known
        });
        again
    }

    fn decide(&mut self, candidate: Episode, out: &mut Evaluation) {
        let client = client_of(&candidate);
        let claim = claim_of(&candidate).unwrap_or("").to_owned();
        let standing = match (&self.verifier, &client) {
            (Some(verifier), Some((_, address))) => verifier.standing(&claim, *address),
            _ => Some(Standing::Unverified),
        };
        match (standing, client) {
            (None, Some(client)) => self.wait(client, &candidate),
            (Some(Standing::Verified), Some(client)) if self.verified.len() < VERIFIED_MAX => {
                self.verified.insert(client, claim);
            }
            // An address may change hands.
            (Some(Standing::Fake { .. }), Some(client)) => {
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

    fn wait(&mut self, client: Client, episode: &Episode) {
        if self.waiting.len() >= WAITING_MAX && !self.waiting.contains_key(&client) {
            return;
        }
        let kept = self.waiting.entry(client).or_default();
        kept.retain(|known| known.rule_id != episode.rule_id || known.window.start != episode.window.start);
        if kept.len() < EPISODES_MAX {
            kept.push(episode.clone());
        }
    }

    /// An episode about something else: information when it is about a verified crawler.
    fn weighed(&mut self, mut episode: Episode) -> Episode {
        let Some(client) = client_of(&episode) else {
            return episode;
        };
        if self.waiting.contains_key(&client) {
            self.wait(client.clone(), &episode);
        }
        if let Some(name) = self.verified.get(&client) {
            episode.level = Level::Informational;
            episode.score = score_of(Level::Informational);
            episode.facts.push((DEMOTED_FACT.into(), name.clone()));
        }
        episode
    }
}

fn claim_of(episode: &Episode) -> Option<&str> {
    let fact = episode.facts.iter().find(|(key, _)| key == CLAIM_FACT);
    fact.filter(|_| episode.detector == CLAIMED)
        .map(|(_, claim)| claim.as_str())
}

fn client_of(episode: &Episode) -> Option<Client> {
    let kind = episode.entity.kind.as_str();
    if kind != "ip" && kind != "src_ip" {
        return None;
    }
    let address: IpAddr = episode.entity.value.parse().ok()?;
    Some((episode.tenant_id.clone(), address.to_canonical()))
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
