//! Exceptions: who and what is not told, until when.

use crate::batches::{Row, SECOND, START, batch};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, Micros};

const RULE: &str = "title: Vault\nid: 11111111-1111-4111-8111-111111111111\nlevel: high\nlogsource: {category: webserver}\n\
                    detection:\n  s: {cs-uri-stem: /vault}\n  condition: s\n";

fn rules(exceptions: &str) -> RuleSet {
    let mut rules = RuleSet::empty();
    rules.load_text("vault.yml", RULE);
    rules.load_exceptions("exceptions.yml", exceptions);
    rules
}

fn told(rules: RuleSet, rows: &[Row]) -> (Vec<String>, u64) {
    let mut engine = Engine::new(rules, EngineOptions::one_shot());
    engine.observe(&batch(Dataset::Web, rows));
    let episodes = engine.evaluate(&Closing::everything()).episodes;
    let mut entities: Vec<String> = episodes.into_iter().map(|e| e.entity.value).collect();
    entities.sort();
    (entities, engine.stats().excepted)
}

fn visits() -> Vec<Row> {
    let day = 86_400.0;
    vec![
        Row::web(0.0, "192.0.2.7", "/vault", 200),
        Row::web(0.0, "192.0.3.7", "/vault", 200),
        Row::web(3.0 * day, "192.0.2.8", "/vault", 200),
    ]
}

#[test]
fn a_block_is_excepted_until_the_end_of_the_day() {
    let text = "exceptions:\n  - rule: 11111111-1111-4111-8111-111111111111\n    entity: 192.0.2.0/24\n    \
                until: 2026-03-02\n    owner: kim\n    reason: penetration test\n";
    let rules = rules(text);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let exception = &rules.exceptions()[0];
    assert!(!exception.expired(Micros(START + 86_400 * SECOND)));
    assert!(exception.expired(Micros(START + 2 * 86_400 * SECOND)));
    assert_eq!(
        told(rules, &visits()),
        (vec!["192.0.2.8".to_owned(), "192.0.3.7".to_owned()], 1)
    );
}

#[test]
fn other_rules_and_tenants_are_told() {
    let of = |fields: &str| {
        let text = format!("exceptions:\n  - {{{fields}, until: 2027-01-01, owner: kim, reason: r}}\n");
        told(rules(&text), &visits()).0.len()
    };
    assert_eq!(of("rule: 11111111-1111-4111-8111-111111111111"), 0);
    assert_eq!(of("rule: '*', entity: 192.0.3.7"), 2);
    assert_eq!(of("rule: surge.web, entity: 192.0.3.7"), 3);
    assert_eq!(of("rule: '*', entity: 192.0.3.7, tenant: other"), 3);
}

#[test]
fn a_mistake_makes_the_whole_file_void_and_is_told_with_its_line() {
    for (entry, said) in [
        (
            "rule: '*', until: 2027-01-01, owner: kim, reason: r",
            "switch detection off",
        ),
        (
            "rule: nobody, until: 2027-01-01, owner: kim, reason: r",
            "no rule has the id",
        ),
        (
            "rule: '*', entity: x, until: tomorrow, owner: kim, reason: r",
            "not a day",
        ),
        (
            "rule: '*', entity: x, until: 2027-01-01, owner: ' ', reason: r",
            "owner",
        ),
        ("rule: '*', entity: x, until: 2027-01-01, reason: r", "owner"),
    ] {
        let text = format!(
            "exceptions:\n  - {{rule: '*', entity: 192.0.2.7, until: 2027-01-01, owner: kim, reason: r}}\n  - {{{entry}}}\n"
        );
        let rules = rules(&text);
        let problems = rules.diagnostics();
        assert_eq!(problems.len(), 1, "{entry}");
        assert!(problems[0].to_string().contains(said), "{}", problems[0]);
        assert_eq!(problems[0].line, Some(3), "{}", problems[0]);
        assert_eq!(told(rules, &visits()).0.len(), 3, "{entry}");
    }
}

#[test]
fn a_slip_of_the_pen_is_told_with_what_may_be_meant() {
    let told = |rule: &str| {
        let text = format!(
            "exceptions:\n  - {{rule: {rule}, entity: x, until: 2027-01-01, owner: kim, reason: r}}\n"
        );
        let mut rules = RuleSet::builtin();
        rules.load_exceptions("exceptions.yml", &text);
        rules.diagnostics().first().map(|d| d.hint.clone())
    };
    for good in [
        "edos.heavy_client",
        "surge.web",
        "login_taken.cloudfront",
        "http_flood.client.alb",
        "claimed_crawler.googlebot.web",
        "isolation_forest.traffic",
        // By its name, and by its id.
        "web_probing",
        "0d89db0b-bfb6-4f20-9108-c23ad0efd84c",
    ] {
        assert_eq!(told(good), None, "{good}");
    }
    for (slip, meant) in [
        ("edos.heavy_clinet", "\"edos.heavy_client\""),
        ("surge.wbe", "\"surge.web\""),
        ("port_scn.vpcflow", "\"port_scan.vpcflow\""),
        ("nothing.like.it", "rules list"),
        ("surge", "rules list"),
    ] {
        assert!(
            told(slip).is_some_and(|hint| hint.contains(meant)),
            "{slip}: {:?}",
            told(slip)
        );
    }
}

#[test]
fn nothing_is_taken_that_would_fit_nobody_or_everybody() {
    for (rule, entity, expected) in [
        ("web_probing", "203.0.113.0/33", "no block of addresses"),
        ("'*'", "0.0.0.0/0", "would switch detection off"),
        ("'*'", "'::/0'", "would switch detection off"),
    ] {
        let text = format!(
            "exceptions:\n  - {{rule: {rule}, entity: {entity}, until: 2027-01-01, owner: kim, reason: r}}\n"
        );
        let mut rules = RuleSet::builtin();
        rules.load_exceptions("exceptions.yml", &text);
        let shown = rules.diagnostics()[0].to_string();
        assert!(
            shown.starts_with("exceptions.yml:2: ") && shown.contains(expected),
            "{shown}"
        );
        assert!(rules.exceptions().is_empty());
    }
}

/// A claim of a crawler gets another rule id after the engine has told it: people except what they
/// were told.
#[test]
fn what_is_renamed_after_the_engine_is_excepted_by_its_new_name() {
    let text = "exceptions:\n  - {rule: fake_crawler.web, entity: 192.0.2.0/24, until: 2027-01-01, owner: kim, reason: r}\n";
    let rules = rules(text);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let mut engine = Engine::new(rules, EngineOptions::one_shot());
    engine.observe(&batch(Dataset::Web, &visits()));
    let mut evaluation = engine.evaluate(&Closing::everything());
    assert_eq!(evaluation.episodes.len(), 3);
    for episode in &mut evaluation.episodes {
        episode.rule_id = "fake_crawler.web".into();
    }
    engine.leave_out_excepted(&mut evaluation);
    let left = evaluation.episodes.iter().map(|e| e.entity.value.as_str());
    assert_eq!(left.collect::<Vec<_>>(), ["192.0.3.7"]);
    assert_eq!(engine.stats().excepted, 2);
}
