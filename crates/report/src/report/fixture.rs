//! Reports made by hand, for tests.

use super::Report;
use crate::kpi::{DatasetTotals, Kpi, KpiWindow, StatusClasses, TimelinePoint, TopEntry};
use haetae_event::time::{MINUTE_US, SECOND_US};
use haetae_event::{Counts, Dataset, Entity, EvidenceRef, Finding, Level, Micros, TenantId, TimeWindow};
use haetae_incident::Language;
use jiff::tz::TimeZone;

const START: Micros = Micros(1_772_366_400_000_000); // 2026-03-01T12:00:00Z

fn finding(rule: &str, title: &str, level: Level, source: &str, minute: i64, count: u64) -> Finding {
    let start = START.saturating_add(minute * MINUTE_US);
    Finding {
        id: format!("{rule}-{source}-{minute}"),
        ts: start,
        detector: "sigma".into(),
        rule_id: rule.into(),
        title: title.into(),
        level,
        tenant_id: TenantId::default(),
        entity: Entity {
            kind: "ip".into(),
            value: source.into(),
        },
        score: 0.9,
        confidence: 0.8,
        window: TimeWindow {
            start,
            end: start.saturating_add(200 * SECOND_US),
        },
        count,
        evidence: vec![EvidenceRef {
            ts: start,
            summary: "GET /item?id=1'+UNION+SELECT+1-- 200".into(),
        }],
        attack: vec!["T1190".into()],
        cost: None,
        risk_score: 0,
        risk_cause: String::new(),
        facts: Vec::new(),
        gap_us: 0,
        monotone: true,
    }
}

fn tops(keys: &[(&str, u64)]) -> Vec<TopEntry> {
    keys.iter()
        .map(|&(key, count)| TopEntry {
            key: key.into(),
            count,
            approximate: false,
        })
        .collect()
}

pub(crate) fn empty(language: Language) -> Report {
    Report {
        kpi: Kpi::default(),
        findings: Vec::new(),
        counts: Counts::default(),
        warnings: Vec::new(),
        inputs: Vec::new(),
        generated_at: START.saturating_add(90 * MINUTE_US),
        tz: TimeZone::fixed(jiff::tz::offset(9)),
        language,
        detection_skipped: false,
    }
}

pub(crate) fn report(language: Language) -> Report {
    let mut report = empty(language);
    report.inputs = vec!["logs/a.gz".into(), "logs/b.gz".into(), "logs/c.gz".into()];
    report.counts = Counts {
        lines_in: 48_010,
        events: 48_000,
        rejected: 4,
        skipped: 6,
        ..Counts::default()
    };
    report.warnings = vec!["3 records have a time outside the accepted range".into()];
    let mut findings = vec![
        finding(
            "sqli_many",
            "SQL injection attempts: many different ones",
            Level::High,
            "203.0.113.9",
            20,
            412,
        ),
        finding(
            "sqli_many",
            "SQL injection attempts: many different ones",
            Level::High,
            "2001:db8::17",
            31,
            58,
        ),
        finding(
            "web_probing",
            "Probing: many different paths refused",
            Level::Medium,
            "198.51.100.200",
            5,
            96,
        ),
        finding(
            "declared_crawler",
            "Declared crawler",
            Level::Informational,
            "192.0.2.66",
            1,
            310,
        ),
    ];
    for n in 0..7 {
        findings.push(finding(
            "scanner_agent",
            "Security scanner by its user agent",
            Level::Low,
            &format!("198.51.100.{n}"),
            n,
            3,
        ));
    }
    report.findings = findings;
    report.kpi = figures();
    report
}

fn figures() -> Kpi {
    let points = 60;
    Kpi {
        window: KpiWindow {
            start: Some(START),
            end: Some(START.saturating_add(60 * MINUTE_US - SECOND_US)),
        },
        by_dataset: [
            (
                Dataset::CloudFront,
                DatasetTotals {
                    events: 44_000,
                    bytes_in: 9_000_000,
                    bytes_out: 880_000_000,
                },
            ),
            (
                Dataset::VpcFlow,
                DatasetTotals {
                    events: 4_000,
                    bytes_in: 1_000,
                    bytes_out: 2_000,
                },
            ),
        ]
        .into(),
        requests: 44_000,
        unique_ips: 1_204,
        bytes_out: 880_000_000,
        status: StatusClasses {
            s2xx: 38_000,
            s3xx: 3_000,
            s4xx: 2_800,
            s5xx: 150,
            other: 50,
        },
        error_rate: Some(2_950.0 / 44_000.0),
        cache_hit_ratio: Some(0.874),
        avg_time_taken_ms: Some(83.4),
        p95_time_taken_ms: Some(412.0),
        top_paths: tops(&[
            ("/", 9_000),
            ("/products/한우-선물세트", 5_210),
            ("/api/cart", 3_999),
            ("/login", 412),
        ]),
        top_ips: tops(&[
            ("203.0.113.9", 1_412),
            ("198.51.100.200", 900),
            ("192.0.2.66", 310),
        ]),
        top_user_agents: tops(&[(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
            22_000,
        )]),
        top_referrers: tops(&[("https://search.example/", 1_200)]),
        top_hosts: tops(&[("www.example.com", 44_000)]),
        timeline: (0..points)
            .map(|i| TimelinePoint {
                ts: START.saturating_add(i * MINUTE_US),
                requests: (500 + (i * i) % 700) as u64,
                errors: if (20..24).contains(&i) { 190 } else { 10 },
            })
            .collect(),
        timeline_width_us: MINUTE_US,
        ..Kpi::default()
    }
}

/// The same with hostile text wherever a log could have put it.
pub(crate) fn hostile(language: Language) -> Report {
    const NASTY: &str = "\x1b[2J\x07\r\n<script>alert(1)</script><img src=x>'\"&\u{202e}gpj\u{200b}`{who}`";
    let mut report = report(language);
    report.inputs = vec![NASTY.into()];
    report.warnings = vec![NASTY.into()];
    for finding in &mut report.findings {
        finding.entity.value = NASTY.into();
        finding.entity.kind = NASTY.into();
        finding.title = NASTY.into();
        finding.attack = vec![NASTY.into()];
        for evidence in &mut finding.evidence {
            evidence.summary = NASTY.into();
        }
    }
    let kpi = &mut report.kpi;
    for list in [
        &mut kpi.top_paths,
        &mut kpi.top_ips,
        &mut kpi.top_user_agents,
        &mut kpi.top_referrers,
        &mut kpi.top_hosts,
    ] {
        list[0].key = NASTY.into();
    }
    report
}
