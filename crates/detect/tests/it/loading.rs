use crate::batches::*;
use haetae_detect::{Closing, RuleSet};
use haetae_event::Dataset;

const HEAD: &str = "title: t\nid: 00000000-0000-4000-8000-000000000001\nlogsource: {category: webserver}\n";

#[test]
fn the_builtin_rules_load() {
    let rules = RuleSet::builtin();
    assert!(rules.diagnostics().is_empty(), "{:#?}", rules.diagnostics());
    assert!(rules.len() >= 35, "{}", rules.len());
    assert!(rules.detectors().is_some());
}

#[test]
fn what_cannot_be_honoured_is_told() {
    for (detection, code) in [
        (
            "detection: {a: {cs-method|rot13: x}, condition: a}",
            "sigma-modifier",
        ),
        (
            "detection: {a: {cs-method|contains|re: x}, condition: a}",
            "sigma-modifier",
        ),
        (
            "detection: {a: {cs-uri|re: '(?<=x)y'}, condition: a}",
            "sigma-regex",
        ),
        (
            "detection: {a: {c-ip|cidr: nonsense}, condition: a}",
            "sigma-value",
        ),
        (
            "detection: {a: {sc-status|gt: many}, condition: a}",
            "sigma-value",
        ),
        ("detection: {a: {cs-method: []}, condition: a}", "sigma-value"),
        ("detection: {a: {cs-method|all: x}, condition: a}", "sigma-value"),
        (
            "detection: {a: {cs-method: [null, x]}, condition: a}",
            "sigma-value",
        ),
        ("detection: {a: {EventID: 1}, condition: a}", "sigma-field"),
        ("detection: {a: {cs-method: x}, condition: b}", "sigma-condition"),
        (
            "detection: {a: {cs-method: x}, condition: a | count() > 5}",
            "sigma-condition",
        ),
        (
            "detection: {a: {cs-method: x}, timeframe: 5m, condition: a}",
            "sigma-timeframe",
        ),
        ("detection: {a: {cs-method: x}}", "sigma-condition"),
        (
            "level: severe\ndetection: {a: {cs-method: x}, condition: a}",
            "sigma-level",
        ),
        ("filter: {rules: [x], condition: a}", "sigma-condition"),
        ("filter: {a: {cs-method: x}, condition: a}", "sigma-filter"),
        (
            "correlation: {type: near, rules: [a], timespan: 1m, condition: {gte: 1}}",
            "sigma-correlation",
        ),
        (
            "correlation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: 1}}",
            "sigma-reference",
        ),
        (
            "correlation: {type: event_count, rules: [a], timespan: 1 m, condition: {gte: 1}}",
            "sigma-correlation",
        ),
        (
            "correlation: {type: value_count, rules: [a], timespan: 1m, condition: {gte: 1}}",
            "sigma-correlation",
        ),
    ] {
        let mut rules = RuleSet::empty();
        rules.load_text("x.yml", &format!("{HEAD}{detection}\n"));
        let codes: Vec<&str> = rules.diagnostics().iter().map(|d| d.code.as_str()).collect();
        assert_eq!(codes, [code], "{detection}\n{:#?}", rules.diagnostics());
        assert!(rules.is_empty());
        assert_eq!(rules.diagnostics()[0].line, Some(1), "{detection}");
    }
}

#[test]
fn broken_yaml_is_told_with_its_place() {
    let mut rules = RuleSet::empty();
    rules.load_text("x.yml", "title: a\ndetection: [\n");
    let problem = &rules.diagnostics()[0];
    assert_eq!(problem.code, "sigma-yaml");
    assert!(problem.line.is_some() && problem.column.is_some(), "{problem:?}");
    rules.load_text("y.yml", "title: a\ntitle: b\n");
    assert_eq!(rules.diagnostics().len(), 2);
}

/// Rows of which `detection` must match exactly those of `expected`.
fn check(detection: &str, rows: &[Row], expected: &[usize]) {
    let yaml = format!("{HEAD}haetae: {{gap: 1s, entity: [method]}}\ndetection:\n{detection}\n");
    for (at, row) in rows.iter().enumerate() {
        let mut engine = engine_of(&yaml);
        engine.observe(&batch(Dataset::Web, std::slice::from_ref(row)));
        let hit = !engine.evaluate(&Closing::everything()).episodes.is_empty();
        assert_eq!(hit, expected.contains(&at), "{detection} on {row:?}");
    }
}

#[test]
fn modifiers_mean_what_the_specification_says() {
    let mut rows = vec![
        Row::web(0.0, "10.1.2.3", "/a/b.php?x=%27", 200),
        Row::web(0.0, "192.0.2.1", "/Login?next=%2Fhome", 404),
        Row::web(0.0, "2001:db8::1", "/img/한글.png", 503),
        Row {
            ua: None,
            status: None,
            ..Row::web(0.0, "192.0.2.9", "/", 0)
        },
    ];
    rows[1].ua = Some(String::new());
    rows[2].raw = Some("a whole LINE with words".into());
    for (detection, expected) in [
        ("  a: {cs-uri-stem|endswith: .PHP}\n  condition: a", vec![0]),
        ("  a: {cs-uri-stem: /login}\n  condition: a", vec![1]),
        ("  a: {cs-uri-stem|cased: /login}\n  condition: a", vec![]),
        (
            "  a: {cs-uri-stem|startswith: [/a, /img]}\n  condition: a",
            vec![0, 2],
        ),
        (
            "  a: {cs-uri|contains|all: [login, home]}\n  condition: a",
            vec![1],
        ),
        ("  a: {cs-uri: '*/b.p?p*'}\n  condition: a", vec![0]),
        ("  a: {uri_decoded|contains: \"x='\"}\n  condition: a", vec![0]),
        ("  a: {cs-uri-query: x=%27}\n  condition: a", vec![0]),
        ("  a: {cs-uri|re: '/[A-Z]ogin'}\n  condition: a", vec![1]),
        ("  a: {cs-uri|re: '/[A-M]OGIN'}\n  condition: a", vec![]),
        ("  a: {cs-uri|re|i: '/[A-M]OGIN'}\n  condition: a", vec![1]),
        (
            "  a: {c-ip|cidr: [10.0.0.0/8, '2001:db8::/32']}\n  condition: a",
            vec![0, 2],
        ),
        ("  a: {sc-status: 404}\n  condition: a", vec![1]),
        ("  a: {sc-status: '404'}\n  condition: a", vec![1]),
        ("  a: {sc-status: '5*'}\n  condition: a", vec![2]),
        ("  a: {sc-status|gte: 404}\n  condition: a", vec![1, 2]),
        ("  a: {sc-status|lt: 404}\n  condition: a", vec![0]),
        ("  a: {sc-status|neq: [404, 503]}\n  condition: a", vec![0, 3]),
        ("  a: {sc-status: null}\n  condition: a", vec![3]),
        ("  a: {cs-user-agent|exists: false}\n  condition: a", vec![3]),
        ("  a: {cs-user-agent: ''}\n  condition: a", vec![1]),
        ("  a: {sc-status: null}\n  condition: not a", vec![0, 1, 2]),
        ("  a: ['whole line', nothing]\n  condition: a", vec![2]),
        ("  a: {'|all': [whole, words]}\n  condition: a", vec![2]),
        (
            "  a:\n    - {sc-status: 404}\n    - {sc-status: 503}\n  condition: a",
            vec![1, 2],
        ),
        (
            "  a1: {sc-status: 404}\n  a2: {sc-status: 503}\n  b: {c-ip: 192.0.2.1}\n  condition: 1 of a* and not b",
            vec![2],
        ),
        (
            "  a1: {sc-status: 404}\n  a2: {c-ip: 192.0.2.1}\n  condition: all of them",
            vec![1],
        ),
        ("  a: {cs-uri-stem|contains: 한글}\n  condition: a", vec![2]),
    ] {
        check(detection, &rows, &expected);
    }
}

#[test]
fn correlations_count_groups_aliases_and_generate() {
    let yaml = "
title: base a
name: a
logsource: {category: webserver}
detection: {s: {sc-status: 404}, condition: s}
---
title: base b
name: b
logsource: {category: firewall}
detection: {s: {action: REJECT}, condition: s}
---
title: both
id: both
level: high
correlation:
  type: event_count
  rules: [a, b]
  group-by: [who]
  aliases: {who: {a: src_ip, b: dstaddr}}
  timespan: 10s
  condition: {gte: 3}
---
title: base c
name: c
logsource: {category: webserver}
detection: {s: {sc-status: 500}, condition: s}
---
title: alone too
id: alone
generate: true
correlation: {type: value_count, rules: c, group-by: [c-ip, cs-method], timespan: 10s, condition: {field: cs-uri, gte: 2}}
";
    let mut engine = engine_of(yaml);
    engine.observe(&batch(
        Dataset::Web,
        &[
            Row::web(0.0, "192.0.2.1", "/", 404),
            Row::web(1.0, "192.0.2.1", "/", 404),
            Row::web(2.0, "192.0.2.2", "/x", 500),
            Row::web(3.0, "192.0.2.2", "/x", 500),
            Row::web(4.0, "192.0.2.2", "/y", 500),
        ],
    ));
    assert!(
        engine
            .evaluate(&Closing::everything())
            .episodes
            .iter()
            .all(|e| e.rule_id != "both")
    );
    engine.observe(&batch(
        Dataset::VpcFlow,
        &[Row::flow(2.0, "198.51.100.1", "192.0.2.1", 22, "REJECT")],
    ));
    let both = engine.evaluate(&Closing::everything()).episodes;
    assert_eq!(both.len(), 1);
    assert_eq!(
        (
            both[0].rule_id.as_str(),
            both[0].entity.value.as_str(),
            both[0].count
        ),
        ("both", "192.0.2.1", 3)
    );

    let mut engine = engine_of(yaml);
    engine.observe(&batch(
        Dataset::Web,
        &[
            Row::web(2.0, "192.0.2.2", "/x", 500),
            Row::web(3.0, "192.0.2.2", "/y", 500),
        ],
    ));
    let found = engine.evaluate(&Closing::everything()).episodes;
    let mut told: Vec<(&str, &str)> = found
        .iter()
        .map(|e| (e.rule_id.as_str(), e.entity.value.as_str()))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("alone", "192.0.2.2,GET"), ("c", "192.0.2.2")]);
}
