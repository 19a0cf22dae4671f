//! Findings into incidents: a pure function, so that a replay folds the same way.

use crate::document::{FindingRef, Impact, Incident, State, Told};
use crate::figures::grouped;
use crate::message::{Language, Outgoing};
use crate::tell;
use haetae_event::commit::IncidentRow;
use haetae_event::identity::{digest, hex};
use haetae_event::time::{HOUR_US, MINUTE_US};
use haetae_event::{Entity, Finding, Level, Micros, TenantId};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Findings below this level stay findings.
const INCIDENT_LEVEL_MIN: Level = Level::Medium;

/// How incidents are made and told.
#[derive(Clone, Debug)]
pub struct FoldOptions {
    pub language: Language,
    /// Times in texts are in this zone, with their offset.
    pub tz: TimeZone,
    /// Findings no further apart in event time belong to one incident. Default 30 min.
    pub quiet_period_us: i64,
    /// Least time between two updates without a rise of level; doubles with each update, up to
    /// 32 times. Default 10 min.
    pub update_interval_us: i64,
    /// Incidents below this level are kept but not told. Default high.
    pub min_level: Level,
    /// Events older than this when collected do not page. Default 1 h.
    pub backfill_after_us: i64,
    /// More fresh messages than this in one commit become one digest. Default 5.
    pub digest_above: usize,
    /// Simulated traffic: every message says so.
    pub demo: bool,
}

impl Default for FoldOptions {
    fn default() -> Self {
        FoldOptions {
            language: Language::default(),
            tz: TimeZone::UTC,
            quiet_period_us: 30 * MINUTE_US,
            update_interval_us: 10 * MINUTE_US,
            min_level: Level::High,
            backfill_after_us: HOUR_US,
            digest_above: 5,
            demo: false,
        }
    }
}

/// A finding that is new, or changed since it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    pub finding: Finding,
    /// As stored before; `None` for a new one.
    pub before: Option<Finding>,
}

/// What one commit brings.
#[derive(Clone, Copy, Debug)]
pub struct FoldInput<'a> {
    /// Stored incidents of the tenants and entities concerned: at least the open and contained
    /// ones near the findings' windows (or all of them), better also those closed lately, so that
    /// an update of a finding in a closed incident does not open a new one.
    pub incidents: &'a [IncidentRow],
    pub changed: &'a [Changed],
    /// `FindingChange::MergedInto` as (id, into).
    pub merged: &'a [(String, String)],
    pub withdrawn: &'a [Finding],
    pub now: Micros,
}

/// What to write in the same transaction as the findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// New and changed incidents, by id.
    pub incidents: Vec<IncidentRow>,
    /// At most `digest_above` + 2.
    pub messages: Vec<Outgoing>,
}

/// Folds the findings of one commit into the stored incidents.
///
/// The order of `changed` and `withdrawn` does not matter. Folding the same input onto its own
/// result changes nothing and says nothing.
pub fn fold(input: &FoldInput<'_>, options: &FoldOptions) -> Folded {
    let mut groups: BTreeMap<(TenantId, Entity), Group<'_>> = BTreeMap::new();
    for changed in input.changed {
        let finding = &changed.finding;
        let key = (finding.tenant_id.clone(), finding.entity.clone());
        groups.entry(key).or_default().changed.push(changed);
    }
    for finding in input.withdrawn {
        let key = (finding.tenant_id.clone(), finding.entity.clone());
        groups.entry(key).or_default().withdrawn.push(finding);
    }
    let mut touched = Vec::new();
    for incident in input
        .incidents
        .iter()
        .filter_map(|row| Incident::from_row(row).ok())
    {
        let key = (incident.tenant_id.clone(), incident.entity.clone());
        let names = |id: &String| incident.holds(id);
        let concerned = input.merged.iter().any(|(id, into)| names(id) || names(into));
        if concerned || groups.contains_key(&key) {
            groups.entry(key).or_default().stored.push(incident);
        }
    }
    for group in groups.into_values() {
        touched.extend(group.folded(input, options));
    }
    let messages = tell::messages(&mut touched, input.now, options);
    let mut incidents: Vec<IncidentRow> = touched
        .into_iter()
        .filter(|draft| draft.stored.as_ref() != Some(&draft.incident))
        .map(|mut draft| {
            draft.incident.updated_at = input.now;
            draft.incident.to_row()
        })
        .collect();
    incidents.sort_by(|a, b| a.id.cmp(&b.id));
    Folded { incidents, messages }
}

/// An incident being worked on, with what was stored of it.
pub(crate) struct Draft {
    pub incident: Incident,
    pub stored: Option<Incident>,
}

#[derive(Default)]
struct Group<'a> {
    stored: Vec<Incident>,
    changed: Vec<&'a Changed>,
    withdrawn: Vec<&'a Finding>,
}

impl Group<'_> {
    fn folded(mut self, input: &FoldInput<'_>, options: &FoldOptions) -> Vec<Draft> {
        let mut drafts: Vec<Draft> = self
            .stored
            .into_iter()
            .map(|incident| Draft {
                stored: Some(incident.clone()),
                incident,
            })
            .collect();
        drafts.sort_by(|a, b| a.incident.id.cmp(&b.incident.id));
        for draft in &mut drafts {
            draft.take_over(input.merged);
        }
        self.changed.sort_by(|a, b| {
            let key = |c: &Changed| (c.finding.window.start, c.finding.id.clone());
            key(a).cmp(&key(b))
        });
        for changed in self.changed {
            place(&mut drafts, changed, input.now, options);
        }
        self.withdrawn.sort_by(|a, b| a.id.cmp(&b.id));
        for finding in self.withdrawn {
            for draft in &mut drafts {
                draft.withdraw(finding, input.now, options.language);
            }
        }
        for draft in &mut drafts {
            draft.settle(options.language);
        }
        let mut drafts = joined(drafts, input.now, options);
        for draft in &mut drafts {
            draft.close_if_withdrawn(input.now, options.language);
        }
        drafts
    }
}

/// Puts a finding where it belongs: into the incident that has it, else into a new one, which
/// [`joined`] may make part of an older.
fn place(drafts: &mut Vec<Draft>, changed: &Changed, now: Micros, options: &FoldOptions) {
    let finding = &changed.finding;
    let mut after: Option<String> = None;
    // An active holder goes before a closed one.
    let mut holders: Vec<&mut Draft> = drafts
        .iter_mut()
        .filter(|draft| draft.incident.holds(&finding.id))
        .collect();
    holders.sort_by_key(|draft| !draft.incident.state.is_active());
    if let Some(draft) = holders.into_iter().next() {
        let incident = &draft.incident;
        let closed_at = incident.closed_at.unwrap_or(Micros::MAX);
        let over = finding.window.end <= closed_at.saturating_add(options.quiet_period_us);
        if incident.state.is_active() || over {
            draft.update(finding, now, options);
            return;
        }
        after = Some(incident.id.clone());
    }
    if finding.level < INCIDENT_LEVEL_MIN {
        return;
    }
    if after.is_none() {
        // Its incident was not handed in (closed long ago): the new one must not take its id.
        after = changed
            .before
            .as_ref()
            .filter(|before| before.level >= INCIDENT_LEVEL_MIN)
            .map(|before| before.window.end.to_string());
    }
    drafts.push(Draft::new(finding, after.as_deref(), now, options));
}

/// Makes one incident of those that touch. A stored one keeps its identity before a new one,
/// the earlier before the later.
fn joined(drafts: Vec<Draft>, now: Micros, options: &FoldOptions) -> Vec<Draft> {
    let (mut active, mut rest): (Vec<Draft>, Vec<Draft>) = drafts
        .into_iter()
        .partition(|draft| draft.incident.state.is_active());
    active.sort_by(|a, b| {
        let key = |d: &Draft| {
            (
                d.incident.impact.first_seen,
                d.stored.is_none(),
                d.incident.id.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    let mut kept: Vec<Draft> = Vec::with_capacity(active.len());
    for mut next in active {
        let Some(current) = kept.last_mut() else {
            kept.push(next);
            continue;
        };
        let window = next.incident.window();
        if !current
            .incident
            .window()
            .touches(&window, options.quiet_period_us)
        {
            kept.push(next);
            continue;
        }
        if current.stored.is_none() && next.stored.is_some() {
            std::mem::swap(current, &mut next);
        }
        current.absorb(&next.incident, now, options.language);
        if next.stored.is_some() {
            next.hand_over(&current.incident.id, now, options.language);
            rest.push(next);
        }
    }
    kept.append(&mut rest);
    kept
}

impl Draft {
    fn new(finding: &Finding, after: Option<&str>, now: Micros, options: &FoldOptions) -> Draft {
        let parts: [&[u8]; 3] = [
            b"incident-v1",
            finding.id.as_bytes(),
            after.unwrap_or("").as_bytes(),
        ];
        let mut incident = Incident {
            id: format!("inc-{}", hex(&digest(&parts)[..8])),
            tenant_id: finding.tenant_id.clone(),
            entity: finding.entity.clone(),
            state: State::Open,
            level: finding.level,
            title: String::new(),
            opened_at: now,
            updated_at: now,
            closed_at: None,
            impact: Impact::default(),
            findings: vec![FindingRef::of(finding)],
            findings_left_out: 0,
            timeline: Vec::new(),
            timeline_left_out: 0,
            playbook: Vec::new(),
            merged_into: None,
            told: None,
        };
        incident.write(now, "finding", story(finding, options.language));
        Draft {
            incident,
            stored: None,
        }
    }

    /// A finding it holds has changed.
    fn update(&mut self, finding: &Finding, now: Micros, options: &FoldOptions) {
        let fresh = FindingRef::of(finding);
        let held = self
            .incident
            .findings
            .iter_mut()
            .find(|held| held.id == finding.id);
        let held = held.expect("the caller looked");
        if *held == fresh {
            return;
        }
        let risen = fresh.level > held.level || held.withdrawn;
        *held = fresh;
        if risen {
            self.incident
                .write(now, "finding", story(finding, options.language));
        }
    }

    /// Findings that became part of another one go; what they were counts there.
    fn take_over(&mut self, merged: &[(String, String)]) {
        if merged.is_empty() {
            return;
        }
        let findings = std::mem::take(&mut self.incident.findings);
        let holds = |id: &str| findings.iter().any(|f| f.id == id);
        let mut kept: Vec<FindingRef> = Vec::with_capacity(findings.len());
        for finding in &findings {
            match merged.iter().find(|(id, _)| *id == finding.id) {
                Some((_, into)) if holds(into) => {}
                Some((_, into)) => {
                    let renamed = FindingRef {
                        id: into.clone(),
                        ..finding.clone()
                    };
                    if !kept.iter().any(|f| f.id == renamed.id) {
                        kept.push(renamed);
                    }
                }
                None => kept.push(finding.clone()),
            }
        }
        self.incident.findings = kept;
    }

    fn withdraw(&mut self, finding: &Finding, now: Micros, language: Language) {
        let Some(held) = self
            .incident
            .findings
            .iter_mut()
            .find(|held| held.id == finding.id)
        else {
            return;
        };
        if std::mem::replace(&mut held.withdrawn, true) {
            return;
        }
        let title = held.title.clone();
        let text = match language {
            Language::Ko => format!("철회됨(뒤늦게 온 로그로 조건이 맞지 않음이 밝혀짐): {title}"),
            Language::En => format!("withdrawn (late logs showed that the condition did not hold): {title}"),
        };
        self.incident.write(now, "withdrawn", text);
    }

    /// Derived fields, for new drafts and for those whose findings changed.
    fn settle(&mut self, language: Language) {
        let same = self
            .stored
            .as_ref()
            .is_some_and(|was| was.findings == self.incident.findings);
        if !same {
            self.incident.settle(language);
        }
    }

    fn absorb(&mut self, other: &Incident, now: Micros, language: Language) {
        let stored_other = other.timeline.iter().any(|entry| entry.kind != "finding") || other.told.is_some();
        let incident = &mut self.incident;
        for finding in &other.findings {
            if !incident.holds(&finding.id) {
                incident.findings.push(finding.clone());
            }
        }
        for entry in &other.timeline {
            incident.write(entry.at, &entry.kind, entry.text.clone());
        }
        incident.timeline.sort_by_key(|entry| entry.at);
        incident.findings_left_out += other.findings_left_out;
        incident.timeline_left_out += other.timeline_left_out;
        incident.told = louder(incident.told.take(), other.told.clone());
        if other.state == State::Contained && incident.state == State::Open && self.stored.is_none() {
            incident.state = State::Contained;
        }
        if stored_other {
            incident.write(now, "merged", format!("+ {}", other.id));
        }
        incident.settle(language);
    }

    /// The stored incident whose findings another one has taken.
    fn hand_over(&mut self, into: &str, now: Micros, language: Language) {
        let reason = match language {
            Language::Ko => format!("사건 {into}에 합쳐짐"),
            Language::En => format!("became part of {into}"),
        };
        self.incident.set_state(State::Resolved, &reason, now);
        self.incident.merged_into = Some(into.to_owned());
    }

    fn close_if_withdrawn(&mut self, now: Micros, language: Language) {
        let incident = &mut self.incident;
        if incident.state.is_active() && incident.standing().next().is_none() {
            let reason = language.pick("모든 탐지가 철회됨", "all of its findings were withdrawn");
            incident.set_state(State::FalsePositive, reason, now);
        }
    }
}

/// Of two incidents that become one, what was told of either counts as told.
fn louder(a: Option<Told>, b: Option<Told>) -> Option<Told> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let first = if a.level >= b.level { a.clone() } else { b.clone() };
            Some(Told {
                at: a.at.max(b.at),
                sequence: a.sequence.max(b.sequence),
                requests: a.requests.saturating_add(b.requests),
                rules: a.rules.max(b.rules),
                ..first
            })
        }
        (a, b) => a.or(b),
    }
}

fn story(finding: &Finding, language: Language) -> String {
    let title = crate::figures::cut(&finding.title, 200);
    let n = grouped(finding.count);
    match language {
        Language::Ko => format!("[{}] {title} ({n}건, {})", finding.level, finding.window.start),
        Language::En => format!(
            "[{}] {title} (count {n}, {})",
            finding.level, finding.window.start
        ),
    }
}
