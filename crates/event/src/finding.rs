//! Episodes (what a detector sees) and findings (what the house remembers and tells).

use crate::tenant::TenantId;
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Sigma's levels, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Informational => "informational",
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
            Level::Critical => "critical",
        }
    }
}

impl Level {
    /// Risk of a rule that names none, 0 to 100: Elastic Security's scores by severity
    /// (`RISK_SCORE_LOW` … in Kibana); 1 for informational as in pySigma's Elasticsearch backend.
    pub fn risk_score(self) -> u8 {
        match self {
            Level::Informational => 1,
            Level::Low => 21,
            Level::Medium => 47,
            Level::High => 73,
            Level::Critical => 99,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [
            Level::Informational,
            Level::Low,
            Level::Medium,
            Level::High,
            Level::Critical,
        ]
        .into_iter()
        .find(|level| level.as_str() == text)
        .ok_or_else(|| format!("levels are informational, low, medium, high, critical; got {text:?}"))
    }
}

/// Who or what a finding is about, e.g. `ip` / `203.0.113.9` or `dataset` / `cloudfront`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    pub kind: String,
    pub value: String,
}

/// Closed interval of event time, `start ≤ end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeWindow {
    pub start: Micros,
    pub end: Micros,
}

impl TimeWindow {
    /// Whether the two overlap, or lie no further apart than `gap_us`.
    pub fn touches(&self, other: &TimeWindow, gap_us: i64) -> bool {
        self.start.0 <= other.end.0.saturating_add(gap_us)
            && other.start.0 <= self.end.0.saturating_add(gap_us)
    }

    pub fn union(&self, other: &TimeWindow) -> TimeWindow {
        TimeWindow {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A pointer to one event, with enough of it to be read at 3 a.m.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvidenceRef {
    pub ts: Micros,
    /// One line: method, path, status, or the flow. Hostile text: escape at each exit.
    pub summary: String,
}

/// At most this many pieces of evidence travel with an episode: the earliest by (ts, summary).
pub const EVIDENCE_MAX: usize = 5;

/// One contiguous stretch of time in which a rule's condition held for one entity.
///
/// An episode is a pure function of the set of events, whatever order they came in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    pub tenant_id: TenantId,
    /// `sigma`, or the code detector's name.
    pub detector: String,
    pub rule_id: String,
    pub title: String,
    pub level: Level,
    pub entity: Entity,
    pub window: TimeWindow,
    /// Events (or distinct values, for distinct-count rules) that make up the episode.
    pub count: u64,
    /// Two episodes no further apart than this are one.
    pub gap_us: i64,
    pub score: f64,
    pub confidence: f64,
    pub evidence: Vec<EvidenceRef>,
    /// ATT&CK technique ids, e.g. `T1190`.
    pub attack: Vec<String>,
    /// More events can only confirm it (count ≥ n). Others may be withdrawn by late events.
    pub monotone: bool,
    /// Numbers behind the judgement, for texts: `[("distinct ports", "57")]`.
    pub facts: Vec<(String, String)>,
    /// What the entity's traffic cost when the episode was last judged; `None` where nothing is
    /// metered.
    #[serde(default)]
    pub cost: Option<Cost>,
    #[serde(default)]
    pub risk: Risk,
}

/// What an episode adds to the risk of its entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// 0 to 100 before confidence; `None`: that of the level.
    pub score: Option<u8>,
    /// Episodes of one cause count once: rules that count the same events share it. Empty: the
    /// detector.
    pub cause: String,
    /// The score has the confidence in it.
    #[serde(default)]
    pub final_score: bool,
}

/// Name of the fact that holds what a rule says of itself: it stands with findings of users' rules about
/// other logs than a site's requests, which no sentence of ours fits.
pub const RULE_SAYS: &str = "rule";

/// An estimated bill, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub so_far: f64,
    pub per_24h: f64,
}

/// A stored episode with an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub id: String,
    /// Event time at which the episode began.
    pub ts: Micros,
    pub detector: String,
    pub rule_id: String,
    pub title: String,
    pub level: Level,
    pub tenant_id: TenantId,
    pub entity: Entity,
    pub score: f64,
    pub confidence: f64,
    pub window: TimeWindow,
    pub count: u64,
    pub evidence: Vec<EvidenceRef>,
    pub attack: Vec<String>,
    /// `None` where nothing is metered, e.g. for flow logs.
    pub cost: Option<Cost>,
    /// 0 to 100: the rule's, times the confidence.
    #[serde(default)]
    pub risk_score: u8,
    /// Findings of one cause add to an entity's risk once.
    #[serde(default)]
    pub risk_cause: String,
    #[serde(default)]
    pub facts: Vec<(String, String)>,
    #[serde(default)]
    pub gap_us: i64,
    #[serde(default)]
    pub monotone: bool,
}

impl Finding {
    /// Gives an episode its identity. The id is a function of tenant, rule, entity and the
    /// start of the episode, so that a replay before the first commit names it the same.
    pub fn from_episode(episode: Episode) -> Finding {
        let id = crate::identity::finding_id(
            &episode.tenant_id,
            &episode.rule_id,
            &episode.entity,
            episode.window.start,
        );
        let score = episode.risk.score.unwrap_or(episode.level.risk_score()).min(100);
        let scale = if episode.risk.final_score {
            1.0
        } else {
            episode.confidence.clamp(0.0, 1.0)
        };
        let scaled = f64::from(score) * scale;
        let risk_cause = match episode.risk.cause {
            cause if cause.is_empty() => episode.detector.clone(),
            cause => cause,
        };
        Finding {
            id,
            // Between 0 and 100; not-a-number becomes 0.
            risk_score: scaled.round() as u8,
            risk_cause,
            ts: episode.window.start,
            detector: episode.detector,
            rule_id: episode.rule_id,
            title: episode.title,
            level: episode.level,
            tenant_id: episode.tenant_id,
            entity: episode.entity,
            score: episode.score,
            confidence: episode.confidence,
            window: episode.window,
            count: episode.count,
            evidence: episode.evidence,
            attack: episode.attack,
            cost: episode.cost,
            facts: episode.facts,
            gap_us: episode.gap_us,
            monotone: episode.monotone,
        }
    }
}
