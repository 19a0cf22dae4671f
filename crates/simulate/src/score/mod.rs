//! How well findings tell the truth of the labels. Pure: labels and findings in, numbers out.
//!
//! **When a finding is true.** Times first: the finding's window must touch the attack (from its
//! first event to ten minutes after its last), and it cannot be told before the attack began.
//! Then one of:
//! - *by name*: its entity is one of an actor's own names (address, account, session). An
//!   attacker was named, whatever the rule;
//! - *by network*: its entity is a network (no wider than /16, or /32 for IPv6) that the
//!   campaign's label lists, or that holds three or more of its actors. It finds those inside;
//! - *by what they share*: its entity is another aggregate of the campaign (path, user agent,
//!   provider, destination, victim's account …), or the whole host or dataset for kinds that
//!   are about volume, and the rule speaks of the campaign's kind. It finds all actors.
//!
//! What a rule speaks of: what [`Options::rules`] says of it; else what words in its id and
//! title say (`portscan`, `SQL`, `log-in` …). A rule without either can be true by name and by network only.
//!
//! **Recall** counts actors whose label says they could be known (`detectable_at`). **Precision**
//! counts different entities of findings at [`Options::level_min`] or above; an entity is false
//! when any finding about it is. Both are by entity, so that one loud entity cannot hide others.

mod kinds;
mod pool;
mod report;
mod truth;

use crate::labels::Labels;
use crate::plan::{AttackKind, Scenario};
use crate::visitor::Visitor;
use haetae_event::{Entity, Level, Micros, TimeWindow};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use truth::{Found, Truth};

pub use pool::{Pooled, pool};
pub use report::render;

/// What a detector told, as far as scoring needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub rule_id: String,
    /// Read only where the id says nothing about what the rule speaks of.
    #[serde(default)]
    pub title: String,
    pub level: Level,
    pub entity: Entity,
    pub window: TimeWindow,
    /// Event time of the event at which it was first told.
    pub told_at: Micros,
    /// Whether it may lead to a block without a person's consent.
    #[serde(default)]
    pub may_block: bool,
}

/// US dollars for what an attack uses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    pub per_million_requests: f64,
    pub per_gb_out: f64,
    pub per_million_origin_requests: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Findings below are not counted at all.
    pub level_min: Level,
    /// Findings from here on become notifications.
    pub notify_min: Level,
    /// What rules speak of, by id.
    pub rules: BTreeMap<String, Vec<AttackKind>>,
    /// Without prices, no money is reported.
    pub prices: Option<Prices>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            level_min: Level::Medium,
            notify_min: Level::High,
            rules: BTreeMap::new(),
            prices: None,
        }
    }
}

/// Precision and recall of one kind of attack, or of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindScore {
    /// `None` for all kinds together.
    pub kind: Option<AttackKind>,
    pub campaigns: u64,
    pub campaigns_found: u64,
    /// Actors that could be known.
    pub actors: u64,
    pub actors_found: u64,
    pub true_entities: u64,
    pub false_entities: u64,
    /// `None` where there was nothing to find, or nothing was told.
    pub recall: Option<f64>,
    pub precision: Option<f64>,
    /// Seconds of event time from an actor's `detectable_at` to its first finding; negative when
    /// earlier. Absent when none was found.
    pub delay_s: Option<Delay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    pub median: f64,
    pub p95: f64,
    pub max: f64,
    /// Share of the found actors whose first finding came at most 60 s late.
    pub within_60s: f64,
}

/// One attack, and when it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignScore {
    pub id: String,
    pub kind: AttackKind,
    pub variant: String,
    pub actors: u64,
    pub actors_found: u64,
    pub detectable_at: Option<Micros>,
    /// The rule of the first finding, and what it was about.
    pub first: Option<FirstFinding>,
}

/// The first finding of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstFinding {
    pub rule_id: String,
    pub entity: Entity,
    pub told_at: Micros,
    /// Events of the campaign up to then (within 1/512 of all) and seconds since its first.
    pub events: u64,
    pub seconds: f64,
    /// Seconds since `detectable_at`; negative when earlier.
    pub seconds_late: Option<f64>,
    pub prevented: Prevented,
}

/// What came after the first finding, and a block would have saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prevented {
    pub events: u64,
    pub bytes_out: u64,
    pub origin_requests: u64,
    /// `None` without prices.
    pub usd: Option<f64>,
}

/// A finding that no attack explains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FalseFinding {
    pub rule_id: String,
    pub level: Level,
    pub entity: Entity,
    pub told_at: Micros,
    pub may_block: bool,
    /// What kinds of ordinary visitors the entity is, where that can be told.
    pub visitors: Vec<Visitor>,
    pub reason: String,
}

/// Findings that may block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blocking {
    pub findings: u64,
    /// About an attacker's own address or account, or a network of theirs.
    pub rightly: u64,
    /// Of these, about an attacker whose address others may share: the label says not to block.
    pub shared: u64,
    /// Share of those about attackers.
    pub precision: Option<f64>,
    /// Share of those about attackers whose address is theirs alone.
    pub precision_own: Option<f64>,
    /// Findings about attackers at addresses that others may share, by rule.
    pub shared_by_rule: BTreeMap<String, u64>,
}

/// Notifications, as incidents make them: all findings about one entity on one day are one.
/// Days are counted from the start of the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notifications {
    pub days: f64,
    pub all: u64,
    /// Those no attack explains.
    pub unfounded: u64,
    pub unfounded_per_day: f64,
    pub unfounded_on_worst_day: u64,
}

/// The whole judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreReport {
    pub scenario: Scenario,
    pub seed: u64,
    pub total: KindScore,
    pub kinds: Vec<KindScore>,
    pub campaigns: Vec<CampaignScore>,
    pub false_findings: Vec<FalseFinding>,
    pub blocking: Blocking,
    pub notifications: Notifications,
}

/// Judges findings by the labels of their traffic. The order of the findings does not matter.
pub fn score(labels: &Labels, told: &[Told], options: &Options) -> ScoreReport {
    let truth = Truth::new(labels, options);
    let mut sorted: Vec<&Told> = told.iter().filter(|t| t.level >= options.level_min).collect();
    sorted.sort_by(|a, b| (a.told_at, &a.rule_id, &a.entity).cmp(&(b.told_at, &b.rule_id, &b.entity)));
    let judged: Vec<(&Told, Vec<Found>)> = sorted.iter().map(|&told| (told, truth.judge(told))).collect();
    let campaigns = campaigns(labels, &judged, options.prices);
    let mut kinds: Vec<AttackKind> = labels.campaigns.iter().map(|campaign| campaign.kind).collect();
    kinds.extend(judged.iter().flat_map(|(told, _)| truth.speaks_of(told)));
    kinds.sort_unstable();
    kinds.dedup();
    let kinds = kinds
        .into_iter()
        .map(|kind| kind_score(labels, &truth, &judged, Some(kind)));
    ScoreReport {
        scenario: labels.scenario,
        seed: labels.seed,
        total: kind_score(labels, &truth, &judged, None),
        kinds: kinds.collect(),
        campaigns,
        false_findings: falsehoods(&truth, &judged),
        blocking: blocking(labels, &judged),
        notifications: notifications(labels, &judged, options),
    }
}

type Judged<'a> = (&'a Told, Vec<Found>);

fn campaigns(labels: &Labels, judged: &[Judged<'_>], prices: Option<Prices>) -> Vec<CampaignScore> {
    let one = |(index, label): (usize, &crate::truth::CampaignLabel)| {
        let mut actors: BTreeSet<usize> = BTreeSet::new();
        let mut first = None;
        for (told, found) in judged {
            for found in found.iter().filter(|found| found.campaign == index) {
                first = first.or(Some(*told));
                actors.extend(&found.actors);
            }
        }
        CampaignScore {
            id: label.id.clone(),
            kind: label.kind,
            variant: label.variant.clone(),
            actors: label.actors.len() as u64,
            actors_found: actors.len() as u64,
            detectable_at: label.detectable_at,
            first: first.map(|told| truth::first_finding(label, told, prices)),
        }
    };
    labels.campaigns.iter().enumerate().map(one).collect()
}

fn kind_score(
    labels: &Labels,
    truth: &Truth<'_>,
    judged: &[Judged<'_>],
    kind: Option<AttackKind>,
) -> KindScore {
    let mut score = KindScore {
        kind,
        ..KindScore::default()
    };
    let mut delays: Vec<f64> = Vec::new();
    for (index, label) in labels.campaigns.iter().enumerate() {
        if kind.is_some_and(|kind| kind != label.kind) {
            continue;
        }
        // First told about each actor.
        let mut first: Vec<Option<Micros>> = vec![None; label.actors.len()];
        for (told, found) in judged {
            for &actor in found
                .iter()
                .filter(|f| f.campaign == index)
                .flat_map(|f| &f.actors)
            {
                first[actor] = first[actor].or(Some(told.told_at));
            }
        }
        score.campaigns += u64::from(label.detectable_at.is_some());
        score.campaigns_found +=
            u64::from(label.detectable_at.is_some() && first.iter().any(Option::is_some));
        for (actor, first) in label.actors.iter().zip(first) {
            let Some(detectable_at) = actor.detectable_at else {
                continue;
            };
            score.actors += 1;
            if let Some(first) = first {
                score.actors_found += 1;
                delays.push((first.0 - detectable_at.0) as f64 / 1e6);
            }
        }
    }
    let (mut right, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for (told, found) in judged {
        let of_kind = |found: &Found| kind.is_none_or(|kind| labels.campaigns[found.campaign].kind == kind);
        let speaks = kind.is_none_or(|kind| truth.speaks_of(told).contains(&kind));
        if found.iter().any(of_kind) {
            right.insert(&told.entity);
        } else if found.is_empty() && speaks {
            wrong.insert(&told.entity);
        }
    }
    score.false_entities = wrong.len() as u64;
    score.true_entities = right.difference(&wrong).count() as u64;
    score.recall = ratio(score.actors_found, score.actors);
    score.precision = ratio(score.true_entities, score.true_entities + score.false_entities);
    score.delay_s = delay(delays);
    score
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn delay(mut delays: Vec<f64>) -> Option<Delay> {
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share).round() as usize];
    let max = *delays.last()?;
    let soon = delays.iter().filter(|&&delay| delay <= 60.0).count();
    Some(Delay {
        median: at(0.5),
        p95: at(0.95),
        max,
        within_60s: soon as f64 / delays.len() as f64,
    })
}

fn falsehoods(truth: &Truth<'_>, judged: &[Judged<'_>]) -> Vec<FalseFinding> {
    let unexplained = judged.iter().filter(|(_, found)| found.is_empty());
    let tell = |(told, _): &Judged<'_>| {
        let (visitors, reason) = truth.explain(told);
        FalseFinding {
            rule_id: told.rule_id.clone(),
            level: told.level,
            entity: told.entity.clone(),
            told_at: told.told_at,
            may_block: told.may_block,
            visitors,
            reason,
        }
    };
    unexplained.map(tell).collect()
}

fn blocking(labels: &Labels, judged: &[Judged<'_>]) -> Blocking {
    let mut blocking = Blocking::default();
    for (told, found) in judged.iter().filter(|(told, _)| told.may_block) {
        blocking.findings += 1;
        let direct = found.iter().filter(|found| found.direct);
        if direct.clone().next().is_none() {
            continue;
        }
        blocking.rightly += 1;
        let own = direct
            .clone()
            .any(|found| labels.campaigns[found.campaign].may_block);
        if !own {
            blocking.shared += 1;
            *blocking.shared_by_rule.entry(told.rule_id.clone()).or_insert(0) += 1;
        }
    }
    blocking.precision = ratio(blocking.rightly, blocking.findings);
    blocking.precision_own = ratio(blocking.rightly - blocking.shared, blocking.findings);
    blocking
}

fn notifications(labels: &Labels, judged: &[Judged<'_>], options: &Options) -> Notifications {
    let day_us = haetae_event::time::DAY_US;
    let days = (labels.end.0 - labels.start.0) as f64 / day_us as f64;
    let mut result = Notifications {
        days,
        ..Notifications::default()
    };
    let (mut all, mut unfounded) = (BTreeSet::new(), BTreeSet::new());
    for (told, found) in judged.iter().filter(|(told, _)| told.level >= options.notify_min) {
        let day = (told.told_at.0 - labels.start.0).div_euclid(day_us);
        all.insert((day, &told.entity));
        if found.is_empty() {
            unfounded.insert((day, &told.entity));
        }
    }
    let mut by_day: BTreeMap<i64, u64> = BTreeMap::new();
    for (day, _) in &unfounded {
        *by_day.entry(*day).or_default() += 1;
    }
    (result.all, result.unfounded) = (all.len() as u64, unfounded.len() as u64);
    // Traffic shorter than a day counts as one.
    result.unfounded_per_day = result.unfounded as f64 / days.max(1.0);
    result.unfounded_on_worst_day = by_day.values().copied().max().unwrap_or(0);
    result
}
