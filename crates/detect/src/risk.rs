//! Risk that adds up: an entity about which several small things were found, none of them told.
//!
//! Every finding carries a score, 0 to 100: that of its rule (by level as in Elastic Security, or
//! the rule's own `haetae: {risk: N}`) times its confidence, as Splunk's risk-based alerting
//! multiplies impact and confidence. An entity's risk at a moment is the sum over *causes* of the
//! largest score among the findings of the window before it (24 h of event time, the span and the
//! plain sum of Splunk's "24 hour risk threshold exceeded"). A cause counts once however often it
//! is found: rules that count the same events are one cause, and so are detectors that judge the
//! same traffic ([`cause_of`]).
//!
//! What is here: a pure function from a set of findings to episodes of the detector `risk`.
//! It keeps nothing: whoever remembers findings (the catalog, a one-shot command) asks again when
//! one of them changes, comes or goes, so that the sum follows, whatever the order.
//!
//! What is not here: storage, identities ([`haetae_event::Finding::from_episode`]).

use crate::detector::score_of;
use crate::ruleset::RuleSet;
use crate::sigma::document::Document;
use crate::sigma::references::Names;
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::time::HOUR_US;
use haetae_event::{Entity, Episode, EvidenceRef, Finding, Level, Risk, TenantId, TimeWindow};
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Name of the detector in findings.
pub const DETECTOR: &str = "risk";
/// Rule id of its findings.
pub const RULE_ID: &str = "risk.accumulated";
/// Facts whose name begins so are contributions: `adds 38`, title and count.
pub const CONTRIBUTION_FACT: &str = "adds ";

/// Findings of one entity that are added up; of more, the latest.
pub const FINDINGS_MAX: usize = 500;
/// Contributions listed in one finding, largest first.
const CONTRIBUTIONS_MAX: usize = 10;
const TITLE: &str = "Several small things add up";
/// So sure at most: it is a sum of what nobody was sure of.
const CONFIDENCE_MAX: f64 = 0.7;

/// Section `risk` of `detectors.yml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskSettings {
    pub enabled: bool,
    /// Sum from which it is told.
    pub threshold: u32,
    /// Fewer different causes are not "several".
    pub causes_min: usize,
    pub window_hours: i64,
    pub level: Level,
    pub why: String,
    pub falsepositives: Vec<String>,
}

/// What came of adding up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assessed {
    /// By tenant, entity and time.
    pub episodes: Vec<Episode>,
    /// Findings beyond [`FINDINGS_MAX`] of their entity, which were not added up.
    pub left_out: u64,
}

/// Whose risk a finding adds to: a client address, an account, a network. Sites, paths and
/// programs are not somebody.
pub fn bearer(entity: &Entity) -> Option<Entity> {
    let kind = match entity.kind.as_str() {
        "ip" | "src_ip" | "srcaddr" | "peer_ip" | "c-ip" | "client_ip" => "ip",
        "account" => "account",
        "net" | "block" | "subnet" | "ip_bucket" | "cidr" => "block",
        "asn" | "src_asn" => "asn",
        _ => return None,
    };
    Some(Entity {
        kind: kind.into(),
        value: entity.value.clone(),
    })
}

/// Whether a finding can change anybody's risk: remarks cannot, nor sums themselves.
pub fn counts(finding: &Finding) -> bool {
    finding.detector != DETECTOR && finding.level > Level::Informational
}

/// Adds up. `told_from` is the level from which a finding is told by itself: while one of the
/// entity is in the window, the sum says nothing more.
pub fn assess<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    settings: &RiskSettings,
    told_from: Level,
) -> Assessed {
    let mut of_entity: BTreeMap<(&TenantId, Entity), Vec<&Finding>> = BTreeMap::new();
    if settings.enabled {
        for finding in findings.into_iter().filter(|finding| counts(finding)) {
            if let Some(entity) = bearer(&finding.entity) {
                of_entity
                    .entry((&finding.tenant_id, entity))
                    .or_default()
                    .push(finding);
            }
        }
    }
    let mut assessed = Assessed::default();
    for ((tenant, entity), mut mine) in of_entity {
        mine.sort_by(|a, b| place(a).cmp(&place(b)));
        let over = mine.len().saturating_sub(FINDINGS_MAX);
        assessed.left_out += over as u64;
        let crossings = crossings(&mine[over..], settings, told_from);
        let stretches = joined(crossings);
        let told = stretches.into_iter().map(|story| {
            let mut episode = episode(tenant, &entity, &story, settings);
            if over > 0 {
                let said = format!("at least {over} earlier findings");
                episode.facts.push(("not added up".into(), said));
            }
            episode
        });
        assessed.episodes.extend(told);
    }
    assessed
}

/// A total order that does not know identities, which depend on what came first.
fn place(finding: &Finding) -> impl Ord + '_ {
    (
        finding.window.start,
        finding.window.end,
        &finding.rule_id,
        &finding.entity.kind,
        finding.count,
    )
}

/// A moment at which the sum is over the threshold.
struct Crossing<'a> {
    window: TimeWindow,
    sum: u32,
    /// The largest of each cause, largest first.
    parts: Vec<&'a Finding>,
}

/// The sum can only rise where a finding begins: those are the moments looked at.
fn crossings<'a>(mine: &[&'a Finding], settings: &RiskSettings, told_from: Level) -> Vec<Crossing<'a>> {
    let span_us = settings.window_hours.max(1).saturating_mul(HOUR_US);
    let mut found = Vec::new();
    for (at, newest) in mine.iter().enumerate() {
        let moment = newest.window.start;
        let begun = mine[at..].partition_point(|f| f.window.start <= moment) + at;
        let since = moment.saturating_sub(span_us);
        let active = || mine[..begun].iter().filter(|f| f.window.end >= since);
        if active().any(|f| f.level >= told_from) {
            continue;
        }
        let mut largest: BTreeMap<&str, &'a Finding> = BTreeMap::new();
        for &finding in active() {
            let held = largest.entry(&finding.risk_cause).or_insert(finding);
            if finding.risk_score > held.risk_score {
                *held = finding;
            }
        }
        let sum = largest.values().map(|f| u32::from(f.risk_score)).sum();
        if sum < settings.threshold || largest.len() < settings.causes_min {
            continue;
        }
        let mut parts: Vec<&Finding> = largest.into_values().collect();
        parts.sort_by(|a, b| (Reverse(a.risk_score), place(a)).cmp(&(Reverse(b.risk_score), place(b))));
        let windows = parts.iter().map(|f| f.window);
        if let Some(window) = windows.reduce(|a, b| a.union(&b)) {
            found.push(Crossing { window, sum, parts });
        }
    }
    found
}

/// Crossings whose contributions overlap in time are one story, told by its largest sum.
fn joined(mut crossings: Vec<Crossing<'_>>) -> Vec<Crossing<'_>> {
    crossings.sort_by_key(|crossing| (crossing.window.start, crossing.window.end));
    let mut stories: Vec<Crossing<'_>> = Vec::new();
    for crossing in crossings {
        match stories.last_mut() {
            Some(story) if story.window.touches(&crossing.window, 0) => {
                let window = story.window.union(&crossing.window);
                if crossing.sum > story.sum {
                    *story = crossing;
                }
                story.window = window;
            }
            _ => stories.push(crossing),
        }
    }
    stories
}

fn episode(tenant: &TenantId, entity: &Entity, story: &Crossing<'_>, settings: &RiskSettings) -> Episode {
    let parts = &story.parts;
    let hours = settings.window_hours.max(1);
    let mut facts = vec![(
        "risk".to_owned(),
        format!("{} of {} in {hours} h", story.sum, settings.threshold),
    )];
    facts.extend(parts.iter().take(CONTRIBUTIONS_MAX).map(|part| {
        let name = format!("{CONTRIBUTION_FACT}{}", part.risk_score);
        let said = format!("{} ({}, count {})", part.title, part.level, part.count);
        (name, said)
    }));
    let mut attack: Vec<String> = parts.iter().flat_map(|part| part.attack.clone()).collect();
    attack.sort_unstable();
    attack.dedup();
    let sure: f64 = parts.iter().map(|part| part.confidence).sum();
    Episode {
        tenant_id: tenant.clone(),
        detector: DETECTOR.into(),
        rule_id: RULE_ID.into(),
        title: TITLE.into(),
        level: settings.level,
        entity: entity.clone(),
        window: story.window,
        count: parts.len() as u64,
        gap_us: 0,
        score: score_of(settings.level),
        confidence: (sure / parts.len().max(1) as f64).clamp(0.0, CONFIDENCE_MAX),
        evidence: evidence(parts),
        attack,
        // A contribution may be withdrawn, or something larger turn up that was told by itself.
        monotone: false,
        facts,
        // What the contributions cost stands with each of them.
        cost: None,
        risk: Risk {
            score: Some(u8::try_from(story.sum).unwrap_or(100).min(100)),
            cause: DETECTOR.into(),
            final_score: true,
        },
    }
}

/// The first line of each contribution, the largest first; as findings have it, in order of time.
fn evidence(parts: &[&Finding]) -> Vec<EvidenceRef> {
    let lines = parts.iter().filter_map(|part| part.evidence.first().cloned());
    let mut lines: Vec<EvidenceRef> = lines.take(EVIDENCE_MAX).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Code detectors that judge the same events of an entity, by how their names begin or end.
const CAUSES: &[(&str, &str)] = &[
    ("login_", "log-ins"),
    ("payment_", "payments"),
    ("macro", "automation"),
    ("automation", "automation"),
    ("_crawler", "crawler"),
    ("crawler_", "crawler"),
    ("_scan", "scan"),
    ("sensitive_", "scan"),
];

/// The cause of a code detector's findings.
pub fn cause_of(detector: &'static str) -> &'static str {
    let named = |part: &str| match part.strip_prefix('_') {
        Some(_) => detector.ends_with(part),
        None => detector.starts_with(part),
    };
    let shared = CAUSES.iter().find(|(part, _)| named(part));
    shared.map_or(detector, |(_, cause)| cause)
}

/// For each rule id the cause of its findings. Rules connected by correlations count the same
/// events, and are one cause, named by the first of their ids.
pub fn causes(rules: &RuleSet) -> BTreeMap<String, String> {
    let names = Names::new(rules.loaded().iter().map(|loaded| loaded.document.as_ref()));
    let mut roots: Vec<usize> = (0..rules.len()).collect();
    for at in 0..rules.len() {
        let Document::Correlation(_, correlation) = names.document(at) else {
            continue;
        };
        for base in correlation.rules.iter().filter_map(|rule| names.find(rule)) {
            let (a, b) = (root(&mut roots, at), root(&mut roots, base));
            roots[a.max(b)] = a.min(b);
        }
    }
    let id = |at: usize| names.document(at).attributes().id.clone();
    let mut first: BTreeMap<usize, String> = BTreeMap::new();
    for at in 0..rules.len() {
        let held = first.entry(root(&mut roots, at)).or_insert_with(|| id(at));
        *held = id(at).min(std::mem::take(held));
    }
    (0..rules.len())
        .map(|at| (id(at), first[&root(&mut roots, at)].clone()))
        .collect()
}

/// The root of a union-find tree, with the way there shortened.
fn root(roots: &mut [usize], mut at: usize) -> usize {
    while roots[at] != at {
        roots[at] = roots[roots[at]];
        at = roots[at];
    }
    at
}

/// Puts a set of findings and their sums together, as one-shot commands tell them. What an
/// exception covers is not told.
pub fn with_sums(findings: &mut Vec<Finding>, rules: &RuleSet, told_from: Level) -> u64 {
    let Some(settings) = rules.detectors().and_then(|detectors| detectors.risk.as_ref()) else {
        return 0;
    };
    let mut assessed = assess(findings.iter(), settings, told_from);
    without_excepted(&mut assessed.episodes, rules);
    findings.extend(assessed.episodes.into_iter().map(Finding::from_episode));
    assessed.left_out
}

/// Drops what an exception covers.
pub fn without_excepted(episodes: &mut Vec<Episode>, rules: &RuleSet) {
    let exceptions = rules.exceptions();
    episodes.retain(|episode| !exceptions.iter().any(|exception| exception.covers(episode)));
}
