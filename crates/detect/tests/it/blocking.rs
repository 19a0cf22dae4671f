//! Which findings may block.

use haetae_detect::RuleSet;
use haetae_detect::blocking::Blocking;
use haetae_event::{Finding, Level};
use serde_json::json;

fn finding(rule_id: &str, level: Level, confidence: f64, entity: (&str, &str)) -> Finding {
    serde_json::from_value(json!({
        "id": "f1", "ts": "2026-03-02T00:00:00Z", "detector": "d", "rule_id": rule_id, "title": "t",
        "level": level, "tenant_id": "default", "entity": {"kind": entity.0, "value": entity.1},
        "score": 0.8, "confidence": confidence, "count": 1, "evidence": [], "attack": [],
        "window": {"start": "2026-03-02T00:00:00Z", "end": "2026-03-02T00:01:00Z"},
    }))
    .expect("a finding")
}

const ADDRESS: (&str, &str) = ("ip", "192.0.2.7");

#[test]
fn an_address_that_others_share_is_not_blocked_for_a_macro() {
    let rules = RuleSet::builtin();
    let blocking = Blocking::of(&rules);
    let may = |rule: &str, level, sure, entity| blocking.may_block(&finding(rule, level, sure, entity));
    assert!(may("http_flood.client.web", Level::High, 0.9, ADDRESS));
    assert!(may("login_stuffing.web", Level::Critical, 0.95, ADDRESS));
    assert!(may(
        "login_stuffing.web",
        Level::High,
        0.95,
        ("net", "192.0.2.0/24")
    ));
    assert!(!may("macro.web", Level::Critical, 1.0, ADDRESS));
    assert!(!may("automation.cloudfront", Level::High, 1.0, ADDRESS));
    assert!(!may("http_flood.client.web", Level::Medium, 0.9, ADDRESS));
    assert!(!may("http_flood.client.web", Level::High, 0.8, ADDRESS));
    assert!(!may("http_flood.web", Level::High, 0.9, ("host", "www.example")));
    assert!(!may("login_taken.web", Level::High, 0.9, ("account", "kim")));
}

#[test]
fn a_rule_says_itself_whether_it_may_block() {
    let rule = |id: &str, says: &str| {
        format!(
            "title: T\nid: {id}\nlevel: high\nlogsource: {{category: webserver}}\n{says}\
             detection:\n  s: {{cs-uri-stem: /vault}}\n  condition: s\n"
        )
    };
    let ids = ["1", "2", "3"].map(|n| format!("{n}1111111-1111-4111-8111-111111111111"));
    let mut rules = RuleSet::builtin();
    rules.load_text("yes.yml", &rule(&ids[0], "haetae: {block: true}\n"));
    rules.load_text("no.yml", &rule(&ids[1], "haetae: {block: false}\n"));
    rules.load_text("plain.yml", &rule(&ids[2], ""));
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let blocking = Blocking::of(&rules);
    let may = |id: &str, level, sure| blocking.may_block(&finding(id, level, sure, ADDRESS));
    assert!(may(&ids[0], Level::Low, 0.2));
    assert!(!may(&ids[1], Level::Critical, 1.0));
    assert!(may(&ids[2], Level::High, 0.9));
    assert!(!may(&ids[2], Level::High, 0.5));
    let nothing = RuleSet::empty();
    let of_nothing = Blocking::of(&nothing);
    assert!(!of_nothing.may_block(&finding("http_flood.client.web", Level::High, 1.0, ADDRESS)));
}

#[test]
fn a_detector_that_is_not_there_cannot_be_excepted() {
    let section = |name: &str| {
        format!(
            "blocking: {{level_min: high, confidence_min: 0.9, except: [{name}], why: w, falsepositives: []}}"
        )
    };
    let mut rules = RuleSet::builtin();
    rules.load_detectors("detectors.yml", &section("macros"));
    let told = rules.diagnostics();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].message.contains("`macros`"), "{told:?}");
    let mut rules = RuleSet::builtin();
    rules.load_detectors("detectors.yml", &section("port_scan"));
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let blocking = Blocking::of(&rules);
    assert!(blocking.may_block(&finding("macro.web", Level::High, 0.95, ADDRESS)));
    assert!(!blocking.may_block(&finding("port_scan.vpcflow", Level::High, 0.95, ADDRESS)));
}
