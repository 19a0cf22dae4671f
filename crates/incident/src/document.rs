//! The incident document: what `IncidentRow.document` holds.

use crate::family::Family;
use crate::message::Language;
use crate::spent::{self, Spent};
use crate::text;
use haetae_event::commit::IncidentRow;
use haetae_event::finding::RULE_SAYS;
use haetae_event::{Cost, Entity, EvidenceRef, Finding, Level, Micros, TenantId, TimeWindow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Findings listed in one incident; the least of them make room and are counted in
/// `findings_left_out`.
pub const FINDINGS_MAX: usize = 200;
/// Entries of one timeline; the middle makes room, so that beginning and end stay.
pub const TIMELINE_MAX: usize = 200;
const TIMELINE_HEAD: usize = 50;
const NOTE_CHARS_MAX: usize = 2_000;
/// Log lines kept of each finding.
const EVIDENCE_KEPT: usize = 2;
const EVIDENCE_CHARS_MAX: usize = 300;
/// Contributions kept of a sum of small things.
const PARTS_MAX: usize = 10;

/// Where an incident stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Open,
    Contained,
    Resolved,
    FalsePositive,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Contained => "contained",
            State::Resolved => "resolved",
            State::FalsePositive => "false_positive",
        }
    }

    /// Whether new findings still go into it.
    pub fn is_active(self) -> bool {
        matches!(self, State::Open | State::Contained)
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [
            State::Open,
            State::Contained,
            State::Resolved,
            State::FalsePositive,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| format!("states are open, contained, resolved, false_positive; got {text:?}"))
    }
}

/// One finding as the incident remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRef {
    pub id: String,
    pub rule_id: String,
    pub title: String,
    pub level: Level,
    pub window: TimeWindow,
    pub count: u64,
    #[serde(default)]
    pub attack: Vec<String>,
    /// Bytes, where the finding's facts name them.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// What its traffic cost, as estimated when it was last judged.
    #[serde(default)]
    pub cost: Option<Cost>,
    /// The estimate knows how the site is billed.
    #[serde(default)]
    pub plan_known: bool,
    /// Its first log lines, cut; hostile text.
    #[serde(default)]
    pub evidence: Vec<EvidenceRef>,
    /// Late events showed that the condition did not hold.
    #[serde(default)]
    pub withdrawn: bool,
    /// 0 to 100.
    #[serde(default)]
    pub risk_score: u8,
    /// Findings of one cause add to the risk once.
    #[serde(default)]
    pub risk_cause: String,
    /// Of a sum of small things: those things, each with its score, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adds_up: Vec<String>,
    /// What its rule says of itself, where no sentence of ours fits ([`RULE_SAYS`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_says: Option<String>,
}

/// How much was touched. All of it is a lower bound made from the findings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Impact {
    /// Rules overlap on the same events, so this is the largest sum that one rule counted.
    pub requests: u64,
    pub bytes: Option<u64>,
    /// What the findings' traffic cost together; no request counts twice ([`crate::spent`]).
    #[serde(default)]
    pub cost: Option<Cost>,
    #[serde(default)]
    pub plan_known: bool,
    /// The largest score of each cause, added up.
    #[serde(default)]
    pub risk: u32,
    pub first_seen: Micros,
    pub last_seen: Micros,
}

/// One line of the story, by wall clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    pub at: Micros,
    /// `finding`, `withdrawn`, `level`, `told`, `merged`, `state`, `note`.
    pub kind: String,
    pub text: String,
}

/// One of the four stages: `detect`, `contain`, `eradicate_recover`, `review`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaybookStage {
    pub stage: String,
    pub steps: Vec<String>,
}

/// How an incident was last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToldBy {
    Page,
    /// Old events in a back-fill digest: fresh ones still page.
    Backfill,
    /// One of many in a digest: only a higher level is told again.
    Burst,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub by: ToldBy,
    pub at: Micros,
    pub level: Level,
    /// Updates sent so far.
    pub sequence: u32,
    /// What was known then.
    pub requests: u64,
    pub rules: usize,
}

/// Findings of one tenant and entity that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: String,
    pub tenant_id: TenantId,
    pub entity: Entity,
    pub state: State,
    /// Largest level of its standing findings.
    pub level: Level,
    pub title: String,
    pub opened_at: Micros,
    pub updated_at: Micros,
    #[serde(default)]
    pub closed_at: Option<Micros>,
    pub impact: Impact,
    /// By event time.
    pub findings: Vec<FindingRef>,
    #[serde(default)]
    pub findings_left_out: u64,
    pub timeline: Vec<TimelineEntry>,
    #[serde(default)]
    pub timeline_left_out: u64,
    pub playbook: Vec<PlaybookStage>,
    /// The incident that took its findings over.
    #[serde(default)]
    pub merged_into: Option<String>,
    #[serde(default)]
    pub(crate) told: Option<Told>,
}

impl Incident {
    /// Reads a stored incident; the row's state is the one that counts.
    ///
    /// # Errors
    /// When the document is not one of ours: a row of a newer version, or a damaged one.
    pub fn from_row(row: &IncidentRow) -> Result<Incident, serde_json::Error> {
        let mut incident: Incident = serde_json::from_str(&row.document)?;
        if let Ok(state) = row.state.parse() {
            incident.state = state;
        }
        if !incident.state.is_active() && incident.closed_at.is_none() {
            incident.closed_at = Some(row.updated_at);
        }
        Ok(incident)
    }

    pub fn to_row(&self) -> IncidentRow {
        IncidentRow {
            id: self.id.clone(),
            tenant_id: self.tenant_id.clone(),
            entity_kind: self.entity.kind.clone(),
            entity_value: self.entity.value.clone(),
            state: self.state.as_str().to_owned(),
            level: self.level.as_str().to_owned(),
            opened_at: self.opened_at,
            updated_at: self.updated_at,
            last_event_ts: self.impact.last_seen,
            document: serde_json::to_string(self).expect("strings and numbers always serialise"),
        }
    }

    /// Adds a person's note.
    pub fn note(&mut self, text: &str, now: Micros) {
        self.write(now, "note", crate::figures::cut(text, NOTE_CHARS_MAX));
        self.updated_at = now;
    }

    /// A person, or the withdrawal of all findings, changes the state.
    pub fn set_state(&mut self, state: State, reason: &str, now: Micros) {
        if self.state == state {
            return;
        }
        self.state = state;
        self.closed_at = (!state.is_active()).then_some(now);
        let reason = crate::figures::cut(reason, NOTE_CHARS_MAX);
        let text = match reason.is_empty() {
            true => state.as_str().to_owned(),
            false => format!("{}: {reason}", state.as_str()),
        };
        self.write(now, "state", text);
        self.updated_at = now;
    }

    /// Findings that were not withdrawn.
    pub fn standing(&self) -> impl Iterator<Item = &FindingRef> {
        self.findings.iter().filter(|finding| !finding.withdrawn)
    }

    /// Families of the standing findings (of all, when none stands), most severe first.
    pub fn families(&self) -> Vec<Family> {
        let mut ranked: BTreeMap<Family, (Level, u64)> = BTreeMap::new();
        let any = self.standing().next().is_some();
        for finding in self.findings.iter().filter(|f| !any || !f.withdrawn) {
            let family = finding.family();
            let rank = ranked.entry(family).or_insert((finding.level, 0));
            *rank = (rank.0.max(finding.level), rank.1.saturating_add(finding.count));
        }
        let mut families: Vec<_> = ranked.into_iter().collect();
        families.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        families.into_iter().map(|(family, _)| family).collect()
    }

    pub(crate) fn window(&self) -> TimeWindow {
        TimeWindow {
            start: self.impact.first_seen,
            end: self.impact.last_seen,
        }
    }

    pub(crate) fn holds(&self, finding_id: &str) -> bool {
        self.findings.iter().any(|finding| finding.id == finding_id)
    }

    pub(crate) fn write(&mut self, at: Micros, kind: &str, text: String) {
        self.timeline.push(TimelineEntry {
            at,
            kind: kind.to_owned(),
            text,
        });
        if self.timeline.len() > TIMELINE_MAX {
            self.timeline.remove(TIMELINE_HEAD);
            self.timeline_left_out += 1;
        }
    }

    /// Brings level, title, impact and playbook in line with the findings.
    pub(crate) fn settle(&mut self, language: Language) {
        self.findings
            .sort_by(|a, b| (a.window.start, &a.id).cmp(&(b.window.start, &b.id)));
        while self.findings.len() > FINDINGS_MAX {
            let least = (0..self.findings.len())
                .min_by_key(|&i| {
                    (
                        !self.findings[i].withdrawn,
                        self.findings[i].level,
                        self.findings[i].count,
                    )
                })
                .expect("longer than the cap");
            self.findings.remove(least);
            self.findings_left_out += 1;
        }
        if let Some(level) = self.standing().map(|f| f.level).max() {
            self.level = level;
        }
        self.impact = self.measured();
        let families = self.families();
        let main = families.first().copied().unwrap_or(Family::Generic);
        let headline = match main {
            Family::Generic => {
                let rule = self.findings.iter().max_by_key(|f| (f.level, f.count));
                crate::figures::cut(rule.map_or("", |f| &f.title), 120)
            }
            _ => text::family_title(main, language).to_owned(),
        };
        self.title = format!("{headline}: {}", text::who(&self.entity, language));
        self.playbook = playbook(&families, language);
    }

    /// A sum of small things says what it came to, with what is too small to stand here.
    fn risk(&self) -> u32 {
        let mut sum = 0;
        let mut largest: BTreeMap<&str, u32> = BTreeMap::new();
        for finding in self.standing() {
            let score = u32::from(finding.risk_score);
            if finding.adds_up.is_empty() {
                let held = largest.entry(&finding.risk_cause).or_default();
                *held = score.max(*held);
            } else {
                sum = score.max(sum);
            }
        }
        largest.into_values().sum::<u32>().max(sum)
    }

    fn measured(&self) -> Impact {
        let mut per_rule: BTreeMap<&str, (u64, Option<u64>)> = BTreeMap::new();
        for finding in self.standing() {
            let sums = per_rule.entry(&finding.rule_id).or_default();
            sums.0 = sums.0.saturating_add(finding.count);
            sums.1 = match (sums.1, finding.bytes) {
                (Some(a), Some(b)) => Some(a.saturating_add(b)),
                (a, b) => a.or(b),
            };
        }
        let window = self.standing().map(|f| f.window).reduce(|a, b| a.union(&b));
        let window = window.unwrap_or_else(|| self.window());
        let priced = self.standing().filter_map(|f| Some((f.cost?, f.plan_known)));
        let dearest = priced.max_by(|a, b| {
            let of = |cost: &Cost| (cost.so_far, cost.per_24h);
            of(&a.0)
                .partial_cmp(&of(&b.0))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let spent = self.standing().filter_map(|f| {
            Some(Spent {
                entity: &self.entity,
                window: f.window,
                cost: f.cost?,
            })
        });
        Impact {
            cost: spent::together(spent),
            risk: self.risk(),
            plan_known: dearest.is_some_and(|(_, known)| known),
            requests: per_rule.values().map(|sums| sums.0).max().unwrap_or(0),
            bytes: per_rule.values().filter_map(|sums| sums.1).max(),
            first_seen: window.start,
            last_seen: window.end,
        }
    }
}

impl FindingRef {
    pub(crate) fn of(finding: &Finding) -> FindingRef {
        let bytes = finding
            .facts
            .iter()
            .find(|(name, _)| name.to_ascii_lowercase().contains("bytes"))
            .and_then(|(_, value)| value.replace([',', '_'], "").parse().ok());
        FindingRef {
            id: finding.id.clone(),
            rule_id: crate::figures::cut(&finding.rule_id, 200),
            title: crate::figures::cut(&finding.title, 300),
            level: finding.level,
            window: finding.window,
            count: finding.count,
            attack: finding.attack.iter().take(8).cloned().collect(),
            bytes,
            cost: finding.cost,
            plan_known: crate::figures::plan_known(finding),
            evidence: finding
                .evidence
                .iter()
                .take(EVIDENCE_KEPT)
                .map(shortened)
                .collect(),
            withdrawn: false,
            risk_score: finding.risk_score,
            risk_cause: crate::figures::cut(&finding.risk_cause, 200),
            adds_up: adds_up(finding),
            rule_says: finding
                .facts
                .iter()
                .find(|(name, _)| name == RULE_SAYS)
                .map(|(_, says)| crate::figures::cut(says, 400)),
        }
    }

    /// As [`Family::of`].
    pub(crate) fn family(&self) -> Family {
        match self.rule_says {
            Some(_) => Family::Generic,
            None => Family::named(&self.rule_id, &self.title, &self.attack),
        }
    }
}

/// The contributions of a sum: `38: Probing (medium, count 40)`.
fn adds_up(finding: &Finding) -> Vec<String> {
    let parts = finding.facts.iter().filter_map(|(name, said)| {
        let score = name.strip_prefix("adds ")?;
        Some(crate::figures::cut(
            &format!("{score}: {said}"),
            EVIDENCE_CHARS_MAX,
        ))
    });
    parts.take(PARTS_MAX).collect()
}

fn shortened(evidence: &EvidenceRef) -> EvidenceRef {
    EvidenceRef {
        ts: evidence.ts,
        summary: crate::figures::cut(&evidence.summary, EVIDENCE_CHARS_MAX),
    }
}

fn playbook(families: &[Family], language: Language) -> Vec<PlaybookStage> {
    let gather = |pick: fn(&text::Words) -> &'static [&'static str]| {
        let mut steps: Vec<String> = Vec::new();
        for family in families.iter().take(3) {
            for step in pick(text::words(*family, language)) {
                if !steps.iter().any(|known| known == step) {
                    steps.push((*step).to_owned());
                }
            }
        }
        steps
    };
    let stage = |stage: &str, steps| PlaybookStage {
        stage: stage.to_owned(),
        steps,
    };
    vec![
        stage("detect", gather(|words| words.actions)),
        stage("contain", gather(|words| words.contain)),
        stage("eradicate_recover", gather(|words| words.recover)),
        stage(
            "review",
            text::review(language)
                .iter()
                .map(|step| (*step).to_owned())
                .collect(),
        ),
    ]
}
