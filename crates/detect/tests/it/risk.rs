//! Several small things about one entity: what adds up, what does not, and in which order.

use crate::batches::{Row, START, batch};
use haetae_detect::risk::{self, FINDINGS_MAX, RiskSettings, assess, causes};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::time::{HOUR_US, MINUTE_US};
use haetae_event::{Dataset, Entity, Episode, Finding, Level, Micros, Risk, TenantId, TimeWindow};
use proptest::prelude::*;
use std::sync::LazyLock;

fn settings() -> &'static RiskSettings {
    static SETTINGS: LazyLock<RiskSettings> = LazyLock::new(|| {
        let builtin = RuleSet::builtin();
        let detectors = builtin.detectors().expect("built in");
        detectors.risk.clone().expect("a section")
    });
    &SETTINGS
}

/// Found of `kind`/`value` from `minute` on for `minutes`.
fn found(of: (&str, &str), cause: &str, level: Level, (minute, minutes): (i64, i64)) -> Finding {
    let start = Micros(START + minute * MINUTE_US);
    Finding::from_episode(Episode {
        tenant_id: TenantId::default(),
        detector: "sigma".into(),
        rule_id: cause.into(),
        title: format!("title of {cause}"),
        level,
        entity: Entity {
            kind: of.0.into(),
            value: of.1.into(),
        },
        window: TimeWindow {
            start,
            end: start.saturating_add(minutes * MINUTE_US),
        },
        count: 7,
        gap_us: 0,
        score: 0.5,
        confidence: 0.8,
        evidence: Vec::new(),
        attack: vec!["T1595".into()],
        monotone: true,
        facts: Vec::new(),
        cost: None,
        risk: Risk {
            cause: cause.into(),
            ..Risk::default()
        },
    })
}

const CLIENT: (&str, &str) = ("ip", "192.0.2.9");

fn told(findings: &[Finding]) -> Vec<Episode> {
    assess(findings, settings(), Level::High).episodes
}

#[test]
fn scores_are_those_of_the_level_times_the_confidence() {
    let score = |level| found(CLIENT, "a", level, (0, 1)).risk_score;
    assert_eq!(
        [
            Level::Informational,
            Level::Low,
            Level::Medium,
            Level::High,
            Level::Critical
        ]
        .map(score),
        [1, 17, 38, 58, 79]
    );
}

#[test]
fn two_mediums_need_something_more() {
    let a = found(CLIENT, "a", Level::Medium, (0, 5));
    let b = found(CLIENT, "b", Level::Medium, (300, 5));
    let c = found(("src_ip", CLIENT.1), "c", Level::Low, (900, 5));
    assert_eq!(told(&[a.clone(), b.clone()]), []);
    let sums = told(&[a.clone(), b.clone(), c.clone()]);
    assert_eq!(sums.len(), 1);
    let sum = &sums[0];
    assert_eq!((sum.level, sum.count, sum.monotone), (Level::High, 3, false));
    assert_eq!(sum.window, a.window.union(&c.window));
    assert_eq!(sum.entity, a.entity);
    let facts: Vec<(&str, &str)> = sum.facts.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        facts,
        [
            ("risk", "93 of 80 in 24 h"),
            ("adds 38", "title of a (medium, count 7)"),
            ("adds 38", "title of b (medium, count 7)"),
            ("adds 17", "title of c (low, count 7)"),
        ]
    );
    assert_eq!(Finding::from_episode(sum.clone()).risk_score, 93);
}

#[test]
fn a_cause_counts_once_however_often_it_is_found() {
    let mut all: Vec<Finding> = (0..40)
        .map(|n| found(CLIENT, "a", Level::Medium, (n * 20, 1)))
        .collect();
    all.push(found(CLIENT, "b", Level::Medium, (10, 1)));
    assert_eq!(told(&all), []);
}

#[test]
fn what_was_told_by_itself_is_not_told_again() {
    let small = ["a", "b", "c"].map(|cause| found(CLIENT, cause, Level::Medium, (600, 5)));
    let loud = |minute| found(CLIENT, "loud", Level::High, (minute, 5));
    let with = |loud: Finding| [&small[..], &[loud]].concat();
    assert_eq!(told(&small).len(), 1);
    assert_eq!(told(&with(loud(10))), [], "told ten hours before");
    assert_eq!(
        told(&with(loud(-24 * 60 - 5))).len(),
        1,
        "told more than a day before"
    );
    assert_eq!(told(&with(loud(700))).len(), 1, "the sum came first");
    let medium = assess(&small, settings(), Level::Medium);
    assert_eq!(medium.episodes, [], "where mediums are told, each was");
}

#[test]
fn only_somebody_bears_risk_and_remarks_add_nothing() {
    let of = |kind, level| ["a", "b", "c", "d", "e"].map(|cause| found((kind, "x"), cause, level, (0, 5)));
    for kind in ["site", "path", "ua", "dataset", "host", "src_ip,account"] {
        assert_eq!(told(&of(kind, Level::Medium)), [], "{kind}");
    }
    for (kind, bearer) in [
        ("account", "account"),
        ("net", "block"),
        ("asn", "asn"),
        ("srcaddr", "ip"),
    ] {
        let sums = told(&of(kind, Level::Medium));
        assert_eq!(sums.len(), 1, "{kind}");
        assert_eq!(sums[0].entity.kind, bearer);
    }
    let many: Vec<Finding> = (0..200)
        .map(|n| found(CLIENT, &format!("r{n}"), Level::Informational, (0, 5)))
        .collect();
    assert_eq!(told(&many), []);
}

#[test]
fn a_day_without_news_ends_it() {
    let at = |minute| ["a", "b", "c"].map(|cause| found(CLIENT, cause, Level::Medium, (minute, 5)));
    let days = [&at(0)[..], &at(26 * 60)].concat();
    assert_eq!(told(&days).len(), 2);
    let spread = [
        found(CLIENT, "a", Level::Medium, (0, 5)),
        found(CLIENT, "b", Level::Medium, (25 * 60, 5)),
        found(CLIENT, "c", Level::Medium, (50 * 60, 5)),
    ];
    assert_eq!(told(&spread), []);
}

#[test]
fn of_very_many_findings_the_latest_count_and_the_rest_is_counted() {
    let many = i64::try_from(FINDINGS_MAX).expect("small") + 30;
    let all: Vec<Finding> = (0..many)
        .map(|n| found(CLIENT, &format!("r{}", n % 5), Level::Low, (n, 1)))
        .collect();
    let assessed = assess(&all, settings(), Level::High);
    assert_eq!(assessed.left_out, 30);
    assert_eq!(assessed.episodes.len(), 1);
    assert_eq!(assessed.episodes[0].count, 5);
    let last = assessed.episodes[0].facts.last().expect("facts");
    assert_eq!(last.1, "at least 30 earlier findings");
}

fn finding() -> impl Strategy<Value = Finding> {
    let level = prop::sample::select(vec![
        Level::Informational,
        Level::Low,
        Level::Low,
        Level::Medium,
        Level::Medium,
        Level::Medium,
        Level::High,
    ]);
    (0u8..2, 0u8..7, level, 0i64..4_000, 0i64..300).prop_map(|(who, cause, level, minute, minutes)| {
        let client = format!("192.0.2.{who}");
        found(("ip", &client), &format!("r{cause}"), level, (minute, minutes))
    })
}

proptest! {
    #[test]
    fn any_order_adds_up_to_the_same(
        (findings, shuffled) in prop::collection::vec(finding(), 0..40)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        prop_assert_eq!(told(&findings), told(&shuffled));
    }

    #[test]
    fn the_stories_of_an_entity_do_not_overlap_and_each_is_over_the_threshold(
        findings in prop::collection::vec(finding(), 0..40),
    ) {
        let sums = told(&findings);
        for (at, sum) in sums.iter().enumerate() {
            let risk = Finding::from_episode(sum.clone()).risk_score;
            prop_assert!(u32::from(risk) >= settings().threshold.min(100));
            prop_assert!(sum.count >= 3);
            for other in &sums[at + 1..] {
                prop_assert!(sum.entity != other.entity || !sum.window.touches(&other.window, 0));
            }
        }
    }

    /// Something small more never makes silent what was told.
    #[test]
    fn more_small_things_never_undo_it(
        findings in prop::collection::vec(finding(), 0..30),
        more in finding(),
    ) {
        prop_assume!(more.level < Level::High);
        let before = told(&findings);
        let after = told(&[&findings[..], &[more]].concat());
        for sum in before {
            let kept = |e: &Episode| e.entity == sum.entity && e.window.touches(&sum.window, 0);
            prop_assert!(after.iter().any(kept), "{sum:?}");
        }
    }
}

const RULES: &str = "
title: First
id: first
name: first
level: medium
logsource: {category: webserver}
detection: {s: {cs-uri-stem: /one}, condition: s}
---
title: Second
id: second
level: medium
haetae: {risk: 90}
logsource: {category: webserver}
detection: {s: {cs-uri-stem: /two}, condition: s}
---
title: Third
id: third
level: medium
logsource: {category: webserver}
detection: {s: {cs-uri-stem: /three}, condition: s}
---
title: Many of the first
id: many
level: medium
correlation: {type: event_count, rules: [first], generate: true, group-by: [src_ip], timespan: 30s, condition: {gte: 2}}
";

fn run(rules: &RuleSet) -> Vec<Finding> {
    let rows = [
        Row::web(0.0, "192.0.2.7", "/one", 200),
        Row::web(1.0, "192.0.2.7", "/one", 200),
        Row::web(3_600.0, "192.0.2.7", "/two", 200),
        Row::web(7_200.0, "192.0.2.7", "/three", 200),
    ];
    let mut engine = Engine::new(rules.clone(), EngineOptions::one_shot());
    engine.observe(&batch(Dataset::Web, &rows));
    let episodes = engine.evaluate(&Closing::everything()).episodes;
    let mut findings: Vec<Finding> = episodes.into_iter().map(Finding::from_episode).collect();
    assert_eq!(risk::with_sums(&mut findings, rules, Level::High), 0);
    findings
}

#[test]
fn a_rule_names_its_risk_and_its_correlations_share_its_cause() {
    let mut rules = RuleSet::empty();
    rules.load_text("r.yml", RULES);
    rules.load_detectors(
        "detectors.yml",
        "risk: {enabled: true, threshold: 80, causes_min: 3, window_hours: 24, level: high, why: t, falsepositives: []}",
    );
    assert_eq!(rules.diagnostics(), []);
    let causes = causes(&rules);
    assert_eq!(causes["many"], causes["first"]);
    assert_ne!(causes["second"], causes["first"]);
    let findings = run(&rules);
    let score = |id: &str| findings.iter().find(|f| f.rule_id == id).map(|f| f.risk_score);
    assert_eq!(score("first"), Some(24), "47 times 0.5");
    assert_eq!(score("second"), Some(45), "90 times 0.5");
    // 38 of `many` (not 24 of `first` as well), 45 and 24.
    assert_eq!(score(risk::RULE_ID), Some(100));
    let sum = findings
        .iter()
        .find(|f| f.rule_id == risk::RULE_ID)
        .expect("told");
    assert_eq!(sum.facts[0].1, "107 of 80 in 24 h");
    assert_eq!(sum.count, 3);
    assert_eq!(sum.window.end.0, START + 2 * HOUR_US);
}

#[test]
fn an_exception_covers_the_sum_too() {
    let mut rules = RuleSet::empty();
    rules.load_text("r.yml", RULES);
    rules.load_detectors(
        "detectors.yml",
        "risk: {enabled: true, threshold: 80, causes_min: 3, window_hours: 24, level: high, why: t, falsepositives: []}",
    );
    rules.load_exceptions(
        "exceptions.yml",
        "exceptions: [{rule: risk.accumulated, entity: 192.0.2.0/24, until: 2099-12-31, owner: kim, reason: test}]",
    );
    assert_eq!(rules.diagnostics(), []);
    assert!(run(&rules).iter().all(|f| f.rule_id != risk::RULE_ID));
}

#[test]
fn a_risk_that_is_no_score_is_said() {
    for wrong in ["101", "-1", "'50'", "2.5"] {
        let mut rules = RuleSet::empty();
        let text = format!(
            "title: T\nid: t\nhaetae: {{risk: {wrong}}}\nlogsource: {{category: webserver}}\n\
             detection: {{s: {{cs-uri-stem: /x}}, condition: s}}\n"
        );
        rules.load_text("r.yml", &text);
        let codes: Vec<&str> = rules.diagnostics().iter().map(|d| d.code.as_str()).collect();
        assert_eq!(codes, ["sigma-custom"], "{wrong}");
    }
}

#[test]
fn detectors_of_the_same_traffic_are_one_cause() {
    for (detector, cause) in [
        ("login_guessing", "log-ins"),
        ("login_slow", "log-ins"),
        ("payment_flow", "payments"),
        ("port_scan", "scan"),
        ("slow_scan", "scan"),
        ("sensitive_entry", "scan"),
        ("claimed_crawler", "crawler"),
        ("crawler_robots", "crawler"),
        ("exfiltration", "exfiltration"),
    ] {
        assert_eq!(risk::cause_of(detector), cause);
    }
}

/// Somebody who stays below what is told, under the built-in rules: files that should not be
/// there, other people's technologies, one injection, hours apart.
#[test]
fn somebody_careful_is_told_by_the_sum_alone() {
    let paths = |at: f64, paths: &[&str], status: i32| -> Vec<Row> {
        let rows = paths.iter().zip(0u32..);
        rows.map(|(path, n)| Row::web(at + 20.0 * f64::from(n), "192.0.2.7", path, status))
            .collect()
    };
    let hours = [
        paths(
            0.0,
            &["/.env", "/.git/config", "/backup.sql", "/.aws/credentials"],
            403,
        ),
        paths(
            10_800.0,
            &[
                "/a.php", "/b.php", "/c.php", "/d.php", "/e.php", "/f.php", "/g.php", "/h.php",
            ],
            404,
        ),
        paths(21_600.0, &["/item?id=1%27%20OR%20%271%27=%271%27--%20-"], 200),
    ];
    let rules = RuleSet::builtin();
    let told = |rows: &[Row]| {
        let mut engine = Engine::new(rules.clone(), EngineOptions::one_shot());
        engine.observe(&batch(Dataset::Web, rows));
        let episodes = engine.evaluate(&Closing::everything()).episodes;
        let mut findings: Vec<Finding> = episodes.into_iter().map(Finding::from_episode).collect();
        risk::with_sums(&mut findings, &rules, Level::High);
        let loud = findings.into_iter().filter(|f| f.level >= Level::High);
        loud.collect::<Vec<Finding>>()
    };
    for left_out in 0..3 {
        let rest: Vec<Row> = (0..3)
            .filter(|n| *n != left_out)
            .flat_map(|n| hours[n].clone())
            .collect();
        let loud = told(&rest);
        assert!(loud.is_empty(), "without {left_out}: {loud:?}");
    }
    let loud = told(&hours.concat());
    assert_eq!(loud.len(), 1, "{loud:?}");
    assert_eq!(loud[0].rule_id, risk::RULE_ID);
    println!("{}", serde_json::to_string(&loud[0]).expect("serialises"));
}
