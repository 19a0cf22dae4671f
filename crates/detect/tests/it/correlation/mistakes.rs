//! What cannot be honoured is told with its code and a hint, and does not run.

use super::events::BASES;
use haetae_detect::RuleSet;

fn problems(rules: &str) -> Vec<(String, String, String)> {
    let mut set = RuleSet::empty();
    set.load_text("x.yml", &format!("{BASES}---\n{rules}"));
    let problems = set.diagnostics().iter();
    problems
        .map(|d| (d.code.clone(), d.message.clone(), d.hint.clone()))
        .collect()
}

#[test]
fn one_correlation_at_a_time() {
    for (map, code, says) in [
        (
            "type: near, rules: [a], timespan: 1m",
            "sigma-correlation",
            "near",
        ),
        (
            "rules: [a], timespan: 1m, condition: {gte: 1}",
            "sigma-correlation",
            "type",
        ),
        (
            "type: event_count, timespan: 1m, condition: {gte: 1}",
            "sigma-correlation",
            "rules",
        ),
        (
            "type: event_count, rules: [], timespan: 1m, condition: {gte: 1}",
            "sigma-correlation",
            "rules",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m",
            "sigma-correlation",
            "condition",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {}",
            "sigma-correlation",
            "compares nothing",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {gte: 1.5}",
            "sigma-correlation",
            "whole number",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {gte: -1}",
            "sigma-correlation",
            "whole number",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {over: 1}",
            "sigma-correlation",
            "over",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {lt: 1}",
            "sigma-correlation",
            "no window",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {eq: 0}",
            "sigma-correlation",
            "no window",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {gt: 5, lt: 6}",
            "sigma-correlation",
            "no window",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {field: c-ip, gte: 1}",
            "sigma-correlation",
            "field",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: a and b",
            "sigma-correlation",
            "condition",
        ),
        (
            "type: event_count, rules: [a], timespan: 1 m, condition: {gte: 1}",
            "sigma-correlation",
            "timespan",
        ),
        (
            "type: event_count, rules: [a], timespan: 0s, condition: {gte: 1}",
            "sigma-correlation",
            "timespan",
        ),
        (
            "type: event_count, rules: [a], timespan: -5m, condition: {gte: 1}",
            "sigma-correlation",
            "timespan",
        ),
        (
            "type: event_count, rules: [a], timespan: 10, condition: {gte: 1}",
            "sigma-correlation",
            "timespan",
        ),
        (
            "type: event_count, rules: [a], timespan: 1y, condition: {gte: 1}",
            "sigma-correlation",
            "31 days",
        ),
        (
            "type: event_count, rules: [a], timespan: 99999999999999999999d, condition: {gte: 1}",
            "sigma-correlation",
            "31 days",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, window: 1m, condition: {gte: 1}",
            "sigma-correlation",
            "window",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, group-by: {a: b}, condition: {gte: 1}",
            "sigma-correlation",
            "group-by",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, aliases: [a], condition: {gte: 1}",
            "sigma-correlation",
            "aliases",
        ),
        (
            "type: event_count, rules: [a], timespan: 1m, generate: maybe, condition: {gte: 1}",
            "sigma-correlation",
            "generate",
        ),
        (
            "type: value_count, rules: [a], timespan: 1m, condition: {gte: 1}",
            "sigma-correlation",
            "field",
        ),
        (
            "type: value_sum, rules: [a], timespan: 1m, condition: {field: [sc-bytes, cs-bytes], gte: 1}",
            "sigma-correlation",
            "several",
        ),
        (
            "type: value_sum, rules: [a], timespan: 1m, condition: {field: sc-bytes, gte: much}",
            "sigma-correlation",
            "number",
        ),
        (
            "type: value_avg, rules: [a], timespan: 1m, condition: {field: sc-bytes, gte: 2, lte: 1}",
            "sigma-correlation",
            "no window",
        ),
        (
            "type: value_percentile, rules: [a], timespan: 1m, condition: {field: sc-bytes, percentile: 101, gte: 1}",
            "sigma-correlation",
            "percentile",
        ),
        (
            "type: value_sum, rules: [a], timespan: 1m, condition: {field: sc-bytes, percentile: 5, gte: 1}",
            "sigma-correlation",
            "percentile",
        ),
        (
            "type: temporal, rules: [a, b], timespan: 1m, condition: {gte: 3}",
            "sigma-correlation",
            "no window",
        ),
        (
            "type: temporal, rules: [a, b], timespan: 1m, condition: a and z",
            "sigma-correlation",
            "z",
        ),
        (
            "type: temporal, rules: [a, b], timespan: 1m, condition: a and",
            "sigma-correlation",
            "condition",
        ),
        (
            "type: temporal_ordered, rules: [a, b], timespan: 1m, condition: a and b",
            "sigma-correlation",
            "order",
        ),
        (
            "type: temporal, timespan: 1m, condition: {gte: 1}",
            "sigma-correlation",
            "rules",
        ),
        (
            "type: event_count, rules: [z], timespan: 1m, condition: {gte: 1}",
            "sigma-reference",
            "z",
        ),
        (
            "type: temporal, rules: [a, a], timespan: 1m",
            "sigma-reference",
            "twice",
        ),
        (
            "type: temporal, rules: [d, 00000000-0000-4000-8000-00000000000d], timespan: 1m",
            "sigma-reference",
            "twice",
        ),
        (
            "type: temporal, timespan: 1m, condition: a and not z",
            "sigma-reference",
            "z",
        ),
        (
            "type: event_count, rules: [a], group-by: [nowhere], timespan: 1m, condition: {gte: 1}",
            "sigma-field",
            "nowhere",
        ),
        (
            "type: value_sum, rules: [a], timespan: 1m, condition: {field: nowhere, gte: 1}",
            "sigma-field",
            "nowhere",
        ),
        (
            "type: event_count, rules: [a], group-by: [w], aliases: {w: {b: c-ip}}, timespan: 1m, condition: {gte: 1}",
            "sigma-alias",
            "`b`",
        ),
        (
            "type: event_count, rules: [a, f], group-by: [w], aliases: {w: {a: c-ip}}, timespan: 1m, condition: {gte: 1}",
            "sigma-field",
            "`w`",
        ),
    ] {
        let found = problems(&format!("title: x\nid: x\ncorrelation: {{{map}}}\n"));
        assert_eq!(found.len(), 1, "{map}: {found:#?}");
        assert_eq!(found[0].0, code, "{map}: {found:#?}");
        assert!(found[0].1.contains(says), "{map}: {found:#?}");
        assert!(!found[0].2.is_empty(), "no hint: {map}");
    }
}

fn count(id: &str, map: &str) -> String {
    format!(
        "---\ntitle: {id}\nname: {id}\nid: {id}\ncorrelation: {{type: event_count, {map}, condition: {{gte: 1}}}}\n"
    )
}

#[test]
fn circles_are_told_with_their_way() {
    let found = problems(
        &[
            count("one", "rules: [two], timespan: 1m"),
            count("two", "rules: [three], timespan: 1m"),
            count("three", "rules: [one], timespan: 1m"),
            count("above", "rules: [one], timespan: 1m"),
            count("itself", "rules: [itself], timespan: 1m"),
        ]
        .concat(),
    );
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found.iter().all(|(code, ..)| code == "sigma-chain"), "{found:#?}");
    assert!(found[0].1.contains("one → two → three → one"), "{found:#?}");
    assert!(found[4].1.contains("itself → itself"), "{found:#?}");
}

#[test]
fn a_chain_falls_with_its_lowest() {
    let found = problems(
        &[
            count("low", "rules: [nothing], timespan: 1m"),
            count("middle", "rules: [low], timespan: 1m"),
            count("high", "rules: [middle], timespan: 1m"),
        ]
        .concat(),
    );
    let codes: Vec<&str> = found.iter().map(|(code, ..)| code.as_str()).collect();
    assert_eq!(codes, ["sigma-reference"; 3], "{found:#?}");
    assert!(found[2].1.contains("middle"), "{found:#?}");
}

#[test]
fn a_chain_carries_group_fields_only_and_reaches_back_a_month() {
    let low = count("low", "rules: [a], group-by: [c-ip], timespan: 30d");
    let found = problems(
        &[
            low.clone(),
            count("top", "rules: [low], group-by: [cs-host], timespan: 1m"),
        ]
        .concat(),
    );
    assert_eq!(found[0].0, "sigma-chain");
    assert!(
        found[0].1.contains("cs-host") && found[0].1.contains("c-ip"),
        "{found:#?}"
    );
    let found = problems(&[low, count("top", "rules: [low], group-by: [c-ip], timespan: 2d")].concat());
    assert!(found[0].1.contains("31 days"), "{found:#?}");
    let deep: Vec<String> = (0..12)
        .map(|n| match n {
            0 => count("c0", "rules: [a], timespan: 1m"),
            n => count(&format!("c{n}"), &format!("rules: [c{}], timespan: 1m", n - 1)),
        })
        .collect();
    let found = problems(&deep.concat());
    assert_eq!(found.len(), 4, "{found:#?}");
}
