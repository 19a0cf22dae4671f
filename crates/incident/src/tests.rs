use super::*;
use haetae_event::commit::IncidentRow;
use haetae_event::time::{HOUR_US, MINUTE_US, SECOND_US};
use haetae_event::{Entity, EvidenceRef, Finding, Level, Micros, TenantId, TimeWindow};
use jiff::tz::TimeZone;
use proptest::prelude::*;

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
            end: start.saturating_add(60 * SECOND_US),
        },
        count,
        evidence: vec![EvidenceRef {
            ts: start,
            summary: format!("GET /?id=1'+OR+1=1-- 200 ({source})"),
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

fn sqli(source: &str, minute: i64) -> Finding {
    finding(
        "sqli_many",
        "SQL injection attempts: many different ones",
        Level::High,
        source,
        minute,
        412,
    )
}

fn new(findings: &[Finding]) -> Vec<Changed> {
    findings
        .iter()
        .map(|f| Changed {
            finding: f.clone(),
            before: None,
        })
        .collect()
}

fn options() -> FoldOptions {
    FoldOptions {
        tz: TimeZone::fixed(jiff::tz::offset(9)),
        ..FoldOptions::default()
    }
}

fn run(incidents: &[IncidentRow], changed: &[Changed], withdrawn: &[Finding], minute: i64) -> Folded {
    let now = START.saturating_add(minute * MINUTE_US);
    fold(
        &FoldInput {
            incidents,
            changed,
            merged: &[],
            withdrawn,
            now,
        },
        &options(),
    )
}

/// Rows as the catalog has them after both.
fn stored(before: &[IncidentRow], folded: &Folded) -> Vec<IncidentRow> {
    let mut rows = before.to_vec();
    rows.retain(|row| folded.incidents.iter().all(|new| new.id != row.id));
    rows.extend(folded.incidents.iter().cloned());
    rows
}

fn kinds(folded: &Folded) -> Vec<&str> {
    folded.messages.iter().map(|m| m.message.kind.as_str()).collect()
}

#[test]
fn one_incident_for_findings_of_one_source_close_in_time() {
    let probing = finding("web_probing", "Probing", Level::Medium, "203.0.113.9", 25, 90);
    let far = sqli("203.0.113.9", 120);
    let low = finding(
        "scanner_agent",
        "Security scanner",
        Level::Low,
        "203.0.113.9",
        3,
        4,
    );
    let folded = run(&[], &new(&[sqli("203.0.113.9", 0), probing, far, low]), &[], 122);
    assert_eq!(folded.incidents.len(), 2);
    let first = folded
        .incidents
        .iter()
        .map(|row| Incident::from_row(row).expect("ours"))
        .min_by_key(|i| i.impact.first_seen);
    let first = first.expect("two");
    assert_eq!(
        first.findings.len(),
        2,
        "low stays out, the far one is another incident"
    );
    assert_eq!(first.level, Level::High);
    assert_eq!(first.impact.requests, 412);
    assert_eq!(
        first
            .playbook
            .iter()
            .map(|s| s.stage.as_str())
            .collect::<Vec<_>>(),
        ["detect", "contain", "eradicate_recover", "review"]
    );
}

#[test]
fn told_once_when_the_level_is_reached() {
    let medium = finding("web_probing", "Probing", Level::Medium, "203.0.113.9", 0, 90);
    let quiet = run(&[], &new(&[medium]), &[], 2);
    assert!(quiet.messages.is_empty());
    let rows = stored(&[], &quiet);
    let loud = run(&rows, &new(&[sqli("203.0.113.9", 3)]), &[], 4);
    assert_eq!(kinds(&loud), ["incident"]);
    let rows = stored(&rows, &loud);
    assert_eq!(rows.len(), 1);
    let mut grown = sqli("203.0.113.9", 3);
    grown.count = 900;
    let changed = vec![Changed {
        finding: grown.clone(),
        before: Some(sqli("203.0.113.9", 3)),
    }];
    let soon = run(&rows, &changed, &[], 6);
    assert!(soon.messages.is_empty(), "too soon for an update");
    let rows = stored(&rows, &soon);
    grown.count = 1500;
    let changed = vec![Changed {
        finding: grown.clone(),
        before: None,
    }];
    let later = run(&rows, &changed, &[], 15);
    assert_eq!(kinds(&later), ["incident_update"]);
    let rows = stored(&rows, &later);
    grown.level = Level::Critical;
    let worse = run(
        &rows,
        &[Changed {
            finding: grown,
            before: None,
        }],
        &[],
        16,
    );
    assert_eq!(kinds(&worse), ["incident_update"]);
    assert!(worse.messages[0].id.ends_with(":level-critical"));
}

#[test]
fn old_events_go_into_one_digest_and_fresh_ones_page_after_it() {
    let many: Vec<Finding> = (0..40).map(|n| sqli(&format!("203.0.113.{n}"), 0)).collect();
    let folded = run(&[], &new(&many), &[], 6 * 60);
    assert_eq!(kinds(&folded), ["digest"]);
    assert_eq!(folded.incidents.len(), 40);
    let rows = stored(&[], &folded);
    let again = run(&rows, &new(&[sqli("203.0.113.7", 20)]), &[], 6 * 60 + 1);
    assert!(again.messages.is_empty(), "still old");
    let rows = stored(&rows, &again);
    let mut live = sqli("203.0.113.7", 20);
    live.window.end = START.saturating_add(6 * HOUR_US);
    let fresh = run(&rows, &new(&[live]), &[], 6 * 60 + 2);
    assert_eq!(kinds(&fresh), ["incident"]);
}

#[test]
fn many_at_once_are_one_digest() {
    let findings: Vec<Finding> = (0..6).map(|n| sqli(&format!("203.0.113.{n}"), 0)).collect();
    let few = run(&[], &new(&findings[..5]), &[], 2);
    assert_eq!(few.messages.len(), 5);
    let many = run(&[], &new(&findings), &[], 2);
    assert_eq!(kinds(&many), ["digest"]);
    assert_eq!(many.messages[0].message.evidence.len(), 6);
}

#[test]
fn withdrawn_findings_close_the_incident_and_say_so_once() {
    let mut rate = sqli("203.0.113.9", 0);
    rate.monotone = false;
    let opened = run(&[], &new(std::slice::from_ref(&rate)), &[], 2);
    let rows = stored(&[], &opened);
    let gone = run(&rows, &[], &[rate.clone()], 4);
    assert_eq!(kinds(&gone), ["incident_update"]);
    assert_eq!(gone.incidents[0].state, "false_positive");
    let again = run(&stored(&rows, &gone), &[], &[rate], 5);
    assert_eq!(again, Folded::default());
}

#[test]
fn a_late_bridge_joins_two_stored_incidents() {
    let first = run(
        &[],
        &new(&[sqli("203.0.113.9", 0), sqli("203.0.113.9", 50)]),
        &[],
        51,
    );
    let rows = stored(&[], &first);
    assert_eq!(rows.len(), 2);
    let bridge = run(&rows, &new(&[sqli("203.0.113.9", 25)]), &[], 52);
    let after: Vec<Incident> = bridge
        .incidents
        .iter()
        .map(|r| Incident::from_row(r).expect("ours"))
        .collect();
    let open: Vec<&Incident> = after.iter().filter(|i| i.state == State::Open).collect();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].findings.len(), 3);
    let merged = after
        .iter()
        .find(|i| i.state == State::Resolved)
        .expect("the other");
    assert_eq!(merged.merged_into.as_deref(), Some(open[0].id.as_str()));
    assert!(bridge.messages.is_empty());
}

#[test]
fn a_merged_finding_is_replaced_not_counted_twice() {
    let (a, b) = (sqli("203.0.113.9", 0), sqli("203.0.113.9", 5));
    let rows = stored(&[], &run(&[], &new(&[a.clone(), b.clone()]), &[], 6));
    let mut whole = a.clone();
    whole.window.end = b.window.end;
    whole.count = 824;
    let merged = [(b.id.clone(), a.id.clone())];
    let changed = [Changed {
        finding: whole,
        before: Some(a),
    }];
    let now = START.saturating_add(7 * MINUTE_US);
    let folded = fold(
        &FoldInput {
            incidents: &rows,
            changed: &changed,
            merged: &merged,
            withdrawn: &[],
            now,
        },
        &options(),
    );
    let incident = Incident::from_row(&folded.incidents[0]).expect("ours");
    assert_eq!(incident.findings.len(), 1);
    assert_eq!(incident.impact.requests, 824);
}

#[test]
fn a_closed_incident_stays_closed_until_the_source_comes_back() {
    let opened = run(&[], &new(&[sqli("203.0.113.9", 0)]), &[], 2);
    let mut incident = Incident::from_row(&opened.incidents[0]).expect("ours");
    incident.set_state(State::Resolved, "blocked", START.saturating_add(10 * MINUTE_US));
    let rows = vec![incident.to_row()];
    let mut grown = sqli("203.0.113.9", 0);
    grown.count = 500;
    let change = |f: &Finding| {
        vec![Changed {
            finding: f.clone(),
            before: Some(sqli("203.0.113.9", 0)),
        }]
    };
    let quiet = run(&rows, &change(&grown), &[], 11);
    assert!(quiet.messages.is_empty());
    assert_eq!(quiet.incidents.len(), 1, "noted in the closed one");
    grown.window.end = START.saturating_add(HOUR_US);
    let back = run(&rows, &change(&grown), &[], 61);
    assert_eq!(kinds(&back), ["incident"]);
    assert_ne!(back.messages[0].message.incident_id, Some(rows[0].id.clone()));
}

#[test]
fn hostile_values_stay_bounded_and_serialise() {
    let nasty = "<!channel>\x1b[2J`{n}` {rule} ".repeat(400);
    let mut bad = sqli(&nasty, 0);
    bad.rule_id = "custom".into();
    bad.title = nasty.clone();
    bad.attack.clear();
    bad.evidence[0].summary = nasty.clone();
    let folded = run(&[], &new(&[bad]), &[], 1);
    let message = &folded.messages[0].message;
    assert!(message.title.chars().count() < 400 && message.summary.chars().count() < 2_000);
    assert!(message.evidence.iter().all(|line| line.chars().count() < 400));
    let rows = folded.messages[0].rows(&["console".into(), "slack".into()], START);
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0].id, rows[1].id);
    let back: Message = serde_json::from_str(&rows[1].payload).expect("round trip");
    assert_eq!(&back, message);
    assert!(folded.incidents[0].document.len() < 64 * 1024);
}

#[test]
fn documents_stay_bounded() {
    let mut rows = Vec::new();
    for round in 0..8 {
        let many: Vec<Finding> = (0..60)
            .map(|n| {
                finding(
                    &format!("r{round}-{n}"),
                    "T",
                    Level::High,
                    "203.0.113.9",
                    round,
                    n + 1,
                )
            })
            .collect();
        rows = stored(&rows, &run(&rows, &new(&many), &[], round + 1));
    }
    assert_eq!(rows.len(), 1);
    let incident = Incident::from_row(&rows[0]).expect("ours");
    assert_eq!(incident.findings.len(), FINDINGS_MAX);
    assert!(incident.timeline.len() <= TIMELINE_MAX);
    assert_eq!(incident.findings_left_out, 480 - FINDINGS_MAX as u64);
}

#[test]
fn messages_read_as_expected() {
    for (language, name) in [
        (Language::Ko, "messages.ko.txt"),
        (Language::En, "messages.en.txt"),
    ] {
        let mut shown = String::new();
        for (i, (rule, title)) in SAMPLES.iter().enumerate() {
            let found = finding(rule, title, Level::High, "203.0.113.9", 0, 1_412);
            let options = FoldOptions {
                language,
                ..options()
            };
            let changed = new(&[found]);
            let now = START.saturating_add(2 * MINUTE_US);
            let input = FoldInput {
                incidents: &[],
                changed: &changed,
                merged: &[],
                withdrawn: &[],
                now,
            };
            let message = fold(&input, &options).messages.remove(0).message;
            shown.push_str(&format!("# {rule}\n{}\n{}\n", message.title, message.summary));
            message
                .actions
                .iter()
                .for_each(|action| shown.push_str(&format!("→ {action}\n")));
            if i == 0 {
                message
                    .fields
                    .iter()
                    .for_each(|(k, v)| shown.push_str(&format!("{k}: {v}\n")));
                message
                    .evidence
                    .iter()
                    .for_each(|line| shown.push_str(&format!("| {line}\n")));
            }
            shown.push('\n');
        }
        let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, &shown).expect("writable");
        }
        let expected = std::fs::read_to_string(&path).expect("fixture");
        assert_eq!(
            shown, expected,
            "{name}: run with UPDATE_FIXTURES=1 and read the diff"
        );
    }
}

const SAMPLES: &[(&str, &str)] = &[
    ("sqli_many", "SQL injection attempts: many different ones"),
    ("xss_many", "Cross-site scripting attempts"),
    ("traversal_many", "Path traversal attempts"),
    ("command_injection_many", "Command injection attempts"),
    ("injection_mixed", "Injection attempts of any kind"),
    ("sensitive_files_many", "Hunt for leaked files"),
    (
        "foreign_technology_many",
        "Search for technologies the site does not have",
    ),
    ("web_probing", "Probing: many different paths refused"),
    ("scanner_agent_many", "Security scanner at work"),
    ("login_path_many", "Hammering on a log-in or administration path"),
    (
        "request_rate",
        "Flood: 100 page or API requests a minute from one client",
    ),
    ("exfil", "Unusual transfer"),
    ("port_scan", "Port scan: many ports refused"),
    ("refusal_rate", "Many refused flows from one source"),
    ("error_rate.cloudfront", "High error rate"),
    ("surge.cloudfront", "Surge of requests"),
    ("edos.low_and_slow", "Small cost for a long time"),
    ("macro.cloudfront", "Macro or ticket bot"),
    ("payment_flow.web", "Payment without the steps before it"),
    ("fake_crawler.googlebot.web", "False crawler"),
    ("sensitive_entry.vpcflow", "Let in after being refused"),
    ("log_silence.web", "Log source gone silent"),
    ("declared_crawler", "Declared crawler"),
    ("custom", "A rule of our own"),
];

/// Texts of another family would send the operator the wrong way: a macro is no search engine.
#[test]
fn detectors_have_the_family_of_what_they_find() {
    for (rule, family) in [
        ("macro.web", Family::Macro),
        ("automation.web", Family::Macro),
        ("http_flood.cloudfront", Family::Flood),
        ("many_to_one.vpcflow", Family::Flood),
        ("edos.yo_yo", Family::Cost),
        ("payment_declined.web", Family::Payment),
        ("login_spray.web", Family::Login),
        ("fake_crawler.yeti.web", Family::FakeCrawler),
        ("unverified_crawler.yeti.web", Family::Crawler),
        ("port_scan.vpcflow", Family::PortScan),
        ("slow_scan.vpcflow", Family::PortScan),
        ("distributed_scan.vpcflow", Family::PortScan),
        ("sensitive_port.vpcflow", Family::Connection),
        ("unusual_port.vpcflow", Family::Connection),
        ("known_bad_outbound.vpcflow", Family::Connection),
        ("exfiltration.vpcflow", Family::Exfiltration),
        ("log_silence.web", Family::Silence),
        ("surge.web", Family::Surge),
    ] {
        assert_eq!(Family::named(rule, "", &[]), family, "{rule}");
    }
}

#[test]
fn no_korean_sentence_leaves_the_particle_open() {
    for family in Family::ALL {
        let title = family_title(family, Language::Ko);
        let mut found = finding("x", title, Level::High, "203.0.113.8", 0, 3);
        found.attack.clear();
        let advice = advice(&found, Language::Ko);
        for text in [advice.what.as_str(), advice.cause.as_str()]
            .into_iter()
            .chain(advice.actions.iter().copied())
        {
            for open in ["이(가)", "은(는)", "을(를)", "(으)로", "와(과)", "{"] {
                assert!(!text.contains(open), "{text}");
            }
        }
    }
}

/// Findings of a few sources at random minutes.
fn some_findings() -> impl Strategy<Value = Vec<Finding>> {
    let one = (0usize..4, 0i64..200, 0usize..3, 1u64..500).prop_map(|(source, minute, rule, count)| {
        let level = [Level::Low, Level::Medium, Level::High][rule];
        finding(
            ["scanner_agent", "web_probing", "sqli_many"][rule],
            "T",
            level,
            &format!("203.0.113.{source}"),
            minute,
            count,
        )
    });
    prop::collection::vec(one, 1..40).prop_map(|mut findings| {
        findings.sort_by(|a, b| a.id.cmp(&b.id));
        findings.dedup_by(|a, b| a.id == b.id);
        findings
    })
}

proptest! {
    #[test]
    fn order_within_a_commit_does_not_matter(findings in some_findings(), seed in any::<u64>(), now in 0i64..400) {
        let straight = run(&[], &new(&findings), &[], now);
        let mut shuffled = findings.clone();
        let mut dice = seed | 1;
        for i in (1..shuffled.len()).rev() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(i, (dice >> 33) as usize % (i + 1));
        }
        prop_assert_eq!(straight, run(&[], &new(&shuffled), &[], now));
    }

    #[test]
    fn folding_again_changes_and_says_nothing(findings in some_findings(), now in 0i64..400) {
        let once = run(&[], &new(&findings), &[], now);
        let rows = stored(&[], &once);
        let twice = run(&rows, &new(&findings), &[], now + 1);
        prop_assert_eq!(twice, Folded::default());
    }

    #[test]
    fn messages_are_bounded_and_unique(findings in some_findings(), step in 1i64..30) {
        let mut rows: Vec<IncidentRow> = Vec::new();
        let mut ids = std::collections::HashSet::new();
        let mut open_told = std::collections::HashSet::new();
        for (i, chunk) in findings.chunks(5).enumerate() {
            let folded = run(&rows, &new(chunk), &[], 100 + i as i64 * step);
            prop_assert!(folded.messages.len() <= options().digest_above + 2);
            for told in &folded.messages {
                prop_assert!(ids.insert(told.id.clone()), "{} twice", told.id);
                if told.message.kind == "incident" {
                    prop_assert!(open_told.insert(told.message.incident_id.clone()));
                }
            }
            rows = stored(&rows, &folded);
        }
    }
}

#[test]
fn what_it_costs_is_said_in_both_languages_with_its_plan() {
    use crate::figures::cost;
    let estimate = haetae_event::Cost {
        so_far: 0.4213,
        per_24h: 60.484,
    };
    assert_eq!(
        cost(estimate, true, Language::En),
        "$0.4213 so far, $60.48 if it goes on for 24 h"
    );
    let unplanned = cost(estimate, false, Language::Ko);
    assert!(
        unplanned.starts_with("지금까지 $0.4213, 24시간 계속되면 $60.48"),
        "{unplanned}"
    );
    assert!(unplanned.contains("요금제 미설정"), "{unplanned}");
    let mut cheap = sqli("192.0.2.1", 0);
    cheap.cost = Some(haetae_event::Cost {
        so_far: 0.01,
        per_24h: 1.0,
    });
    let mut dear = sqli("192.0.2.1", 1);
    dear.cost = Some(estimate);
    dear.facts = vec![("cost basis".into(), "list prices, pay as you go".into())];
    let folded = run(&[], &new(&[cheap, dear]), &[], 5);
    let message = &folded.messages[0].message;
    let said = message
        .fields
        .iter()
        .find(|(name, _)| name == "추정 비용" || name == "Estimated cost");
    let (_, said) = said.expect("said");
    assert!(
        said.contains("$0.4213") && !said.contains("요금제 미설정"),
        "{said}"
    );
}

#[test]
fn costs_of_stretches_apart_add_up_and_of_one_stretch_do_not() {
    let cost = |so_far| {
        Some(haetae_event::Cost {
            so_far,
            per_24h: so_far,
        })
    };
    let mut a = sqli("203.0.113.9", 0);
    let mut b = finding("web_probing", "Probing", Level::Medium, "203.0.113.9", 5, 90);
    let mut c = finding("web_probing", "Probing", Level::Medium, "203.0.113.9", 25, 90);
    (a.cost, b.cost, c.cost) = (cost(2.0), cost(3.0), cost(4.0));
    let folded = run(&[], &new(&[c, a, b]), &[], 27);
    let incident = Incident::from_row(&folded.incidents[0]).expect("ours");
    assert_eq!(
        incident.impact.cost,
        Some(haetae_event::Cost {
            so_far: 7.0,
            per_24h: 4.0
        })
    );
}

fn sum_of_small_things(minute: i64) -> Finding {
    Finding {
        detector: "risk".into(),
        risk_score: 93,
        risk_cause: "risk".into(),
        monotone: false,
        facts: vec![
            ("risk".into(), "93 of 80 in 24 h".into()),
            ("adds 38".into(), "Probing (medium, count 40)".into()),
            (
                "adds 38".into(),
                "Hammering on a log-in (medium, count 25)".into(),
            ),
            ("adds 17".into(), "Security scanner (low, count 9)".into()),
        ],
        ..finding(
            "risk.accumulated",
            "Several small things add up",
            Level::High,
            "203.0.113.9",
            minute,
            3,
        )
    }
}

#[test]
fn small_things_that_add_up_are_told_with_what_they_are() {
    let mut medium = finding("web_probing", "Probing", Level::Medium, "203.0.113.9", 0, 40);
    (medium.risk_score, medium.risk_cause) = (38, "web".into());
    let folded = run(&[], &new(&[medium.clone(), sum_of_small_things(1)]), &[], 2);
    assert_eq!(kinds(&folded), ["incident"]);
    let message = &folded.messages[0].message;
    assert_eq!(message.title, "Several small things add up: 203.0.113.9");
    let field = |name: &str| {
        let found = message.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(field("Risk"), Some("93"));
    let parts = field("Adds up from").expect("they are listed");
    assert!(
        parts.starts_with("38: Probing (medium, count 40); 38: Hammering"),
        "{parts}"
    );
    let incident = Incident::from_row(&folded.incidents[0]).expect("ours");
    assert_eq!(incident.impact.risk, 93);

    // Without the small ones it is not told any more, and the incident says what is left.
    let rows = stored(&[], &folded);
    let after = run(&rows, &[], &[sum_of_small_things(1)], 3);
    let incident = Incident::from_row(&after.incidents[0]).expect("ours");
    assert_eq!((incident.impact.risk, incident.level), (38, Level::Medium));
}

#[test]
fn a_digest_says_what_its_incidents_cost_together() {
    let costing = |host: u8, so_far| {
        let mut finding = sqli(&format!("203.0.113.{host}"), 0);
        finding.cost = Some(haetae_event::Cost {
            so_far,
            per_24h: so_far,
        });
        finding
    };
    let many: Vec<Finding> = (1..=8).map(|host| costing(host, 1.5)).collect();
    let folded = run(&[], &new(&many), &[], 1);
    assert_eq!(kinds(&folded), ["digest"]);
    let fields = &folded.messages[0].message.fields;
    assert_eq!(fields[0].0, "Estimated cost");
    assert!(fields[0].1.starts_with("$12.00 so far"), "{fields:?}");
}
