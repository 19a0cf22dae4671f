//! Findings as lines for people: the gravest first, and many of one kind in one line.

use haetae_event::{Finding, Level};
use haetae_incident::Language;
use haetae_respond::for_terminal;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// More findings of one kind than this are one line.
const APART_MAX: usize = 4;
/// Of that many, those with the largest counts are named.
const NAMED: usize = 3;

/// One line, without its end and without colours.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub level: Level,
    pub text: String,
}

/// Lines of the findings that came to be together, none below `least`.
pub fn lines<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    least: Level,
    language: Language,
    timezone: &TimeZone,
) -> Vec<Line> {
    let mut kinds: BTreeMap<(Level, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings.into_iter().filter(|finding| finding.level >= least) {
        let kind = (finding.level, finding.title.as_str());
        kinds.entry(kind).or_default().push(finding);
    }
    let mut groups: Vec<(Level, Vec<&Finding>)> = Vec::new();
    for ((level, _), mut same) in kinds {
        if same.len() > APART_MAX {
            same.sort_by(|a, b| (b.count.cmp(&a.count)).then_with(|| a.entity.value.cmp(&b.entity.value)));
            groups.push((level, same));
        } else {
            groups.extend(same.into_iter().map(|one| (level, vec![one])));
        }
    }
    let first = |group: &[&Finding]| group.iter().map(|finding| finding.ts).min();
    groups.sort_by(|(a, of_a), (b, of_b)| b.cmp(a).then_with(|| first(of_a).cmp(&first(of_b))));
    let line = |(level, group): (Level, Vec<&Finding>)| Line {
        level,
        text: text(level, &group, language, timezone),
    };
    groups.into_iter().map(line).collect()
}

/// `group` is of one title and not empty.
fn text(level: Level, group: &[&Finding], language: Language, timezone: &TimeZone) -> String {
    let earliest = group.iter().min_by_key(|finding| finding.ts).expect("not empty");
    let at = earliest.ts.timestamp().to_zoned(timezone.clone());
    let at = at.strftime("%m-%d %H:%M:%S");
    let (level, title) = (level.as_str(), for_terminal(&earliest.title));
    if let [one] = group {
        let whom = for_terminal(&one.entity.value);
        return format!("{at} {level:<13} {title} · {whom} · {}", one.count);
    }
    let named: Vec<String> = group
        .iter()
        .take(NAMED)
        .map(|finding| format!("{} ({})", for_terminal(&finding.entity.value), finding.count))
        .collect();
    let many = match language {
        Language::Ko => format!("{}건", group.len()),
        Language::En => format!("{} of them", group.len()),
    };
    format!("{at} {level:<13} {title} · {many}: {}, …", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use haetae_event::{Entity, Episode, Micros, Risk, TenantId, TimeWindow};

    fn finding(title: &str, level: Level, whom: &str, second: i64, count: u64) -> Finding {
        let at = Micros(1_772_323_200_000_000 + second * 1_000_000);
        Finding::from_episode(Episode {
            title: title.into(),
            level,
            entity: Entity {
                kind: "ip".into(),
                value: whom.into(),
            },
            window: TimeWindow { start: at, end: at },
            count,
            tenant_id: TenantId::default(),
            detector: "sigma".into(),
            rule_id: "rule".into(),
            gap_us: 0,
            score: 1.0,
            confidence: 1.0,
            evidence: Vec::new(),
            attack: Vec::new(),
            monotone: true,
            facts: Vec::new(),
            cost: None,
            risk: Risk::default(),
        })
    }

    #[test]
    fn the_gravest_comes_first_and_many_of_one_kind_are_one_line() {
        let mut all: Vec<Finding> = (1..=9)
            .map(|n| {
                finding(
                    "Crawler",
                    Level::Low,
                    &format!("192.0.2.{n}"),
                    n,
                    n.unsigned_abs(),
                )
            })
            .collect();
        all.push(finding("Scan", Level::Medium, "198.51.100.1", 40, 7));
        all.push(finding("Flood", Level::High, "203.0.113.2", 50, 100));
        all.push(finding("Flood", Level::High, "203.0.113.1", 45, 120));
        all.push(finding("Nothing", Level::Informational, "203.0.113.9", 1, 1));
        let shown = lines(&all, Level::Low, Language::En, &TimeZone::UTC);
        let texts: Vec<&str> = shown.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "03-01 00:00:45 high          Flood · 203.0.113.1 · 120",
                "03-01 00:00:50 high          Flood · 203.0.113.2 · 100",
                "03-01 00:00:40 medium        Scan · 198.51.100.1 · 7",
                "03-01 00:00:01 low           Crawler · 9 of them: 192.0.2.9 (9), 192.0.2.8 (8), 192.0.2.7 (7), …",
            ]
        );
    }
}
