//! Which incidents are told, and how.

use crate::document::{Incident, State, Told, ToldBy};
use crate::figures::{bytes, cut, grouped, length, local_span, local_time};
use crate::fold::{Draft, FoldOptions};
use crate::message::{Language, Message, Outgoing};
use crate::spent::{self, Spent};
use crate::text;
use haetae_event::identity::{digest, hex};
use haetae_event::{Cost, Level, Micros, TenantId};
use std::collections::BTreeMap;

/// Largest factor by which the update interval grows.
const BACK_OFF_MAX: u32 = 5;
/// Incidents named in a digest.
const DIGEST_LINES_MAX: usize = 20;
const ACTIONS_MAX: usize = 6;
const EVIDENCE_SHOWN_MAX: usize = 3;
const RULES_SHOWN_MAX: usize = 4;

/// What an incident has to say now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Say {
    Opening,
    Rise,
    More,
    Withdrawn,
}

/// Decides what is told, marks it in the drafts, and gives the messages: one an incident, or
/// digests for old events and for too many at once.
pub(crate) fn messages(drafts: &mut [Draft], now: Micros, options: &FoldOptions) -> Vec<Outgoing> {
    let mut old = Vec::new();
    let mut fresh = Vec::new();
    drafts.sort_by(|a, b| rank(&a.incident).cmp(&rank(&b.incident)));
    for (at, draft) in drafts.iter().enumerate() {
        let Some(say) = due(draft, now, options) else {
            continue;
        };
        let late = draft.incident.impact.last_seen < now.saturating_sub(options.backfill_after_us);
        match (late, say) {
            (true, Say::Opening) => old.push((at, say)),
            (true, Say::Rise | Say::More) => {}
            _ => fresh.push((at, say)),
        }
    }
    let mut out = Vec::new();
    if fresh.len() > options.digest_above {
        out.push(digest_of(drafts, &fresh, Digest::Burst, options));
        mark(drafts, &fresh, ToldBy::Burst, now, options.language);
    } else {
        for &(at, say) in &fresh {
            out.push(one(&drafts[at].incident, say, options));
        }
        mark(drafts, &fresh, ToldBy::Page, now, options.language);
    }
    if !old.is_empty() {
        out.push(digest_of(drafts, &old, Digest::Backfill, options));
        mark(drafts, &old, ToldBy::Backfill, now, options.language);
    }
    out
}

/// Most severe first; the rest makes the order total.
fn rank(incident: &Incident) -> (std::cmp::Reverse<Level>, Micros, &str) {
    (
        std::cmp::Reverse(incident.level),
        incident.impact.first_seen,
        &incident.id,
    )
}

fn due(draft: &Draft, now: Micros, options: &FoldOptions) -> Option<Say> {
    let incident = &draft.incident;
    if incident.state == State::FalsePositive {
        let just_now = draft.stored.as_ref().is_some_and(|was| was.state.is_active());
        let paged = incident.told.as_ref().is_some_and(|told| told.by == ToldBy::Page);
        return (just_now && paged).then_some(Say::Withdrawn);
    }
    if !incident.state.is_active() || incident.level < options.min_level {
        return None;
    }
    let Some(told) = &incident.told else {
        return Some(Say::Opening);
    };
    let fresh = incident.impact.last_seen >= now.saturating_sub(options.backfill_after_us);
    if told.by == ToldBy::Backfill && fresh {
        return Some(Say::Opening);
    }
    if incident.level > told.level {
        return Some(Say::Rise);
    }
    let wait = options
        .update_interval_us
        .saturating_mul(1 << told.sequence.min(BACK_OFF_MAX));
    let more = incident.impact.requests > told.requests || rules(incident) > told.rules;
    let rested = now.0.saturating_sub(told.at.0) >= wait;
    (told.by == ToldBy::Page && incident.state == State::Open && more && rested).then_some(Say::More)
}

fn mark(drafts: &mut [Draft], said: &[(usize, Say)], by: ToldBy, now: Micros, language: Language) {
    for &(at, say) in said {
        let incident = &mut drafts[at].incident;
        let before = incident.told.take();
        let sequence = match (&before, say) {
            (Some(told), Say::Rise | Say::More | Say::Withdrawn) => told.sequence + 1,
            _ => 0,
        };
        incident.told = Some(Told {
            by,
            at: now,
            level: before.map_or(incident.level, |told| told.level.max(incident.level)),
            sequence,
            requests: incident.impact.requests,
            rules: rules(incident),
        });
        let text = match by {
            ToldBy::Page => language.pick("알림을 보냄", "told"),
            ToldBy::Backfill | ToldBy::Burst => language.pick("모아서 알림", "told in a digest"),
        };
        incident.write(now, "told", text.to_owned());
    }
}

/// Distinct rules of the standing findings.
fn rules(incident: &Incident) -> usize {
    let rules: std::collections::BTreeSet<&str> = incident
        .standing()
        .map(|finding| finding.rule_id.as_str())
        .collect();
    rules.len()
}

fn one(incident: &Incident, say: Say, options: &FoldOptions) -> Outgoing {
    let language = options.language;
    let sequence = incident.told.as_ref().map_or(0, |told| told.sequence + 1);
    let (kind, name) = match say {
        Say::Opening => ("incident", "open".to_owned()),
        Say::Rise => ("incident_update", format!("level-{}", incident.level)),
        Say::More => ("incident_update", format!("more-{sequence}")),
        Say::Withdrawn => ("incident_update", "withdrawn".to_owned()),
    };
    let families = incident.families();
    let main = families.first().copied().unwrap_or(crate::Family::Generic);
    let words = text::words(main, language);
    let prefix = match say {
        Say::Opening => "",
        Say::Rise => language.pick("등급 상승: ", "Level raised: "),
        Say::More => language.pick("계속됨: ", "Still going on: "),
        Say::Withdrawn => language.pick("철회: ", "Withdrawn: "),
    };
    let message = Message {
        kind: kind.to_owned(),
        incident_id: Some(incident.id.clone()),
        level: Some(incident.level),
        title: format!("{prefix}{}", incident.title),
        summary: match say {
            Say::Withdrawn => language
                .pick(
                    "뒤늦게 온 로그로 탐지 조건이 맞지 않았음이 밝혀져 오탐으로 닫았습니다. 이 알림에 따라 취한 조치가 있으면 되돌리세요.",
                    "Late logs showed that the condition did not hold; the incident is closed as a false positive. Undo what was done because of it.",
                )
                .to_owned(),
            _ => summary(incident, &families, words, language),
        },
        fields: fields(incident, options),
        actions: match say {
            Say::Withdrawn => Vec::new(),
            _ => actions(&families, language),
        },
        evidence: evidence(incident, options),
        language,
        demo: options.demo,
    };
    Outgoing {
        id: format!("{}:{name}", incident.id),
        message,
    }
}

/// What happened, by family, and the likely cause of the foremost.
fn summary(
    incident: &Incident,
    families: &[crate::Family],
    words: &text::Words,
    language: Language,
) -> String {
    let mut lines = Vec::new();
    for &family in families.iter().take(3) {
        let of_family = || incident.standing().filter(move |f| f.family() == family);
        let Some(first) = of_family().max_by_key(|f| (f.level, f.count)) else {
            continue;
        };
        let count = of_family()
            .filter(|f| f.rule_id == first.rule_id)
            .fold(0u64, |sum, f| sum.saturating_add(f.count));
        lines.push(text::what(
            family,
            language,
            &incident.entity,
            count,
            &first.title,
        ));
    }
    let says = incident
        .standing()
        .filter(|_| families.first() == Some(&crate::Family::Generic))
        .filter_map(|finding| finding.rule_says.as_deref())
        .find(|says| !says.is_empty());
    lines.push(match says {
        Some(says) => format!(
            "{}: {says}",
            language.pick("규칙의 설명", "What the rule looks for")
        ),
        None => format!("{}: {}", language.pick("추정 원인", "Likely cause"), words.cause),
    });
    lines.join("\n")
}

fn actions(families: &[crate::Family], language: Language) -> Vec<String> {
    let mut actions: Vec<String> = Vec::new();
    for family in families.iter().take(2) {
        for action in text::words(*family, language).actions {
            if actions.len() < ACTIONS_MAX && !actions.iter().any(|known| known == action) {
                actions.push((*action).to_owned());
            }
        }
    }
    actions
}

/// First log lines of the most severe findings, one a rule before a second one.
fn evidence(incident: &Incident, options: &FoldOptions) -> Vec<String> {
    let mut findings: Vec<_> = incident.standing().collect();
    findings.sort_by_key(|f| (std::cmp::Reverse(f.level), f.window.start));
    let mut lines: Vec<String> = Vec::new();
    for round in 0..2 {
        for seen in findings.iter().filter_map(|f| f.evidence.get(round)) {
            let line = format!("{} {}", local_time(seen.ts, &options.tz), seen.summary);
            if lines.len() < EVIDENCE_SHOWN_MAX && !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

fn fields(incident: &Incident, options: &FoldOptions) -> Vec<(String, String)> {
    let language = options.language;
    let mut fields = Vec::new();
    let mut push = |ko, en, value: String| fields.push((language.pick(ko, en).to_owned(), value));
    push("대상", "Source", text::who(&incident.entity, language));
    let impact = &incident.impact;
    let span = local_span(impact.first_seen, impact.last_seen, &options.tz);
    let lasted = length(impact.last_seen.0.saturating_sub(impact.first_seen.0), language);
    push("기간", "Time", format!("{span} ({lasted})"));
    push("건수", "Count", grouped(impact.requests));
    if let Some(n) = impact.bytes {
        push("바이트", "Bytes", bytes(n));
    }
    if let Some(estimate) = impact.cost {
        let words = crate::figures::cost(estimate, impact.plan_known, language);
        push("추정 비용", "Estimated cost", words);
    }
    if impact.risk > 0 {
        push("위험 점수", "Risk", impact.risk.to_string());
    }
    let parts = incident.standing().find(|f| !f.adds_up.is_empty());
    if let Some(sum) = parts {
        push("쌓인 징후", "Adds up from", sum.adds_up.join("; "));
    }
    let mut titles: Vec<&str> = incident.standing().map(|f| f.title.as_str()).collect();
    titles.sort_unstable();
    titles.dedup();
    let more = titles.len().saturating_sub(RULES_SHOWN_MAX);
    let mut shown = titles
        .iter()
        .take(RULES_SHOWN_MAX)
        .map(|t| cut(t, 100))
        .collect::<Vec<_>>()
        .join("; ");
    if more > 0 {
        shown.push_str(&format!(" +{more}"));
    }
    if !shown.is_empty() {
        push("탐지 규칙", "Rules", shown);
    }
    let mut attack: Vec<&str> = incident
        .standing()
        .flat_map(|f| f.attack.iter().map(String::as_str))
        .collect();
    attack.sort_unstable();
    attack.dedup();
    if !attack.is_empty() {
        attack.truncate(8);
        push("ATT&CK", "ATT&CK", attack.join(", "));
    }
    if incident.tenant_id.as_str() != TenantId::DEFAULT {
        push("테넌트", "Tenant", incident.tenant_id.to_string());
    }
    fields
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Digest {
    Backfill,
    Burst,
}

/// Why these incidents are told together.
fn reason(why: Digest, options: &FoldOptions) -> String {
    let age = length(options.backfill_after_us, options.language);
    match (why, options.language) {
        (Digest::Backfill, Language::Ko) => {
            format!("수집했을 때 이미 {age} 넘게 지난 로그라 건별로 알리지 않고 모았습니다.")
        }
        (Digest::Backfill, Language::En) => {
            format!("These events were already more than {age} old when collected, so they are told together.")
        }
        (Digest::Burst, Language::Ko) => {
            "한꺼번에 많은 사건이 생겨 모아서 알립니다. 출처가 여럿인 하나의 공격일 수 있습니다.".to_owned()
        }
        (Digest::Burst, Language::En) => {
            "Many incidents began at once, so they are told together. They may be one attack from many sources."
                .to_owned()
        }
    }
}

/// What all of them cost together, tenant by tenant: their traffic may be the same.
fn cost_of_all(incidents: &[&Incident], language: Language) -> Option<(String, String)> {
    let mut tenants: BTreeMap<&TenantId, Vec<Spent<'_>>> = BTreeMap::new();
    for incident in incidents {
        let Some(cost) = incident.impact.cost else {
            continue;
        };
        tenants.entry(&incident.tenant_id).or_default().push(Spent {
            entity: &incident.entity,
            window: incident.window(),
            cost,
        });
    }
    let costs = tenants.into_values().filter_map(spent::together);
    let total = costs.reduce(|a, b| Cost {
        so_far: a.so_far + b.so_far,
        per_24h: a.per_24h + b.per_24h,
    })?;
    let planned = incidents
        .iter()
        .all(|i| i.impact.cost.is_none() || i.impact.plan_known);
    let words = crate::figures::cost(total, planned, language);
    Some((language.pick("추정 비용", "Estimated cost").to_owned(), words))
}

fn digest_of(drafts: &[Draft], said: &[(usize, Say)], why: Digest, options: &FoldOptions) -> Outgoing {
    let language = options.language;
    let incidents: Vec<&Incident> = said.iter().map(|&(at, _)| &drafts[at].incident).collect();
    // The same incidents at the same stage make the same id.
    let mut parts: Vec<String> = incidents
        .iter()
        .map(|i| {
            format!(
                "{}/{}/{}",
                i.id,
                i.level,
                i.told.as_ref().map_or(0, |t| t.sequence + 1)
            )
        })
        .collect();
    parts.sort();
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let n = incidents.len();
    let (ko, en) = match why {
        Digest::Backfill => (
            format!("지난 로그에서 찾은 사건 {n}건"),
            format!("{n} incident(s) found in older logs"),
        ),
        Digest::Burst => (
            format!("동시에 일어난 사건 {n}건"),
            format!("{n} incidents at once"),
        ),
    };
    let mut summary = reason(why, options);
    if n > DIGEST_LINES_MAX {
        let rest = n - DIGEST_LINES_MAX;
        summary.push('\n');
        summary.push_str(&match language {
            Language::Ko => {
                format!("아래 {DIGEST_LINES_MAX}건 외 {rest}건은 `haetae incident list`로 볼 수 있습니다.")
            }
            Language::En => format!("{rest} more than shown here: see `haetae incident list`."),
        });
    }
    let line = |i: &&Incident| {
        let span = local_span(i.impact.first_seen, i.impact.last_seen, &options.tz);
        let count = match language {
            Language::Ko => format!("{}건", grouped(i.impact.requests)),
            Language::En => format!("count {}", grouped(i.impact.requests)),
        };
        format!("[{}] {} · {count} · {span} · {}", i.level, i.title, i.id)
    };
    let families: Vec<crate::Family> = incidents.first().map(|i| i.families()).unwrap_or_default();
    let fields = cost_of_all(&incidents, language);
    let message = Message {
        kind: "digest".to_owned(),
        incident_id: None,
        level: incidents.iter().map(|i| i.level).max(),
        title: language.pick(&ko, &en).to_owned(),
        summary,
        fields: fields.into_iter().collect(),
        actions: match why {
            Digest::Backfill => Vec::new(),
            Digest::Burst => actions(&families, language),
        },
        evidence: incidents.iter().take(DIGEST_LINES_MAX).map(line).collect(),
        language,
        demo: options.demo,
    };
    Outgoing {
        id: format!("digest-{}", hex(&digest(&parts)[..8])),
        message,
    }
}
