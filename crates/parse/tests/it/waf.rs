//! AWS WAF: every column against a second reader, and the traps of real deliveries.

use crate::oracle::{check_all_needed, check_native, check_ocsf};
use crate::support::{Whole, read, shared};
use haetae_event::Dataset;
use haetae_event::net::ClientIpPolicy;
use haetae_parse::{Limits, ParseOptions};
use serde_json::{Value, json};

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

fn record() -> Value {
    json!({
        "timestamp": 1_772_366_400_123_i64,
        "formatVersion": 1,
        "webaclId": "arn:aws:wafv2:ap-northeast-2:123456789012:regional/webacl/shop/id",
        "terminatingRuleId": "Default_Action",
        "terminatingRuleType": "REGULAR",
        "action": "ALLOW",
        "terminatingRuleMatchDetails": [],
        "httpSourceName": "ALB",
        "httpSourceId": "123456789012-app/shop/1",
        "ruleGroupList": [],
        "rateBasedRuleList": [],
        "nonTerminatingMatchingRules": [],
        "requestHeadersInserted": null,
        "responseCodeSent": null,
        "httpRequest": {
            "clientIp": "192.0.2.7",
            "country": "KR",
            "headers": [
                {"name": "hOsT", "value": "first.example"},
                {"name": "Host", "value": "second.example"},
                {"name": "USER-AGENT", "value": "curl/8 \"x\""},
                {"name": "X-Forwarded-For", "value": "198.51.100.1"},
                {"name": "x-forwarded-for", "value": "198.51.100.2"}
            ],
            "uri": "/cart",
            "args": "id=1",
            "httpVersion": "HTTP/2.0",
            "httpMethod": "GET",
            "requestId": "1-abc"
        }
    })
}

/// A record with some members replaced; a null pointer target is added to its parent.
fn with(changes: &[(&str, &str, Value)]) -> Whole {
    let mut record = record();
    for (parent, key, value) in changes {
        let object = record
            .pointer_mut(parent)
            .expect("a parent")
            .as_object_mut()
            .expect("an object");
        object.insert((*key).to_owned(), value.clone());
    }
    let whole = read(record.to_string().as_bytes(), &options());
    assert_eq!(
        (whole.dataset, whole.counts.events),
        (Some(Dataset::Waf), 1),
        "{:?}",
        whole.rejects
    );
    whole
}

#[test]
fn headers_come_in_any_case_and_twice() {
    let whole = with(&[]);
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00.123Z"),
            ("dst_host", "first.example"),
            ("ua", "curl/8 \"x\""),
            ("uri", "/cart?id=1"),
            ("blocked", "false"),
            ("rule_id", "∅"),
            ("account", "123456789012"),
            ("region", "ap-northeast-2"),
            ("src_ip", "192.0.2.7"),
            ("status", "∅"),
            ("attrs", "∅"),
        ],
    );
    let client_ip = ClientIpPolicy {
        trusted: vec!["192.0.2.0/24".parse().expect("a block")],
        header: None,
    };
    let trusting = ParseOptions {
        client_ip,
        ..options()
    };
    let whole = read(record().to_string().as_bytes(), &trusting);
    check(&whole, 0, &[("src_ip", "198.51.100.2"), ("peer_ip", "192.0.2.7")]);
    let whole = with(&[("/httpRequest", "host", json!("named.example"))]);
    check(
        &whole,
        0,
        &[
            ("dst_host", "named.example"),
            ("httprequest_host", "named.example"),
        ],
    );
}

#[test]
fn actions_and_the_rule_that_decided() {
    for (action, blocked) in [
        ("ALLOW", "false"),
        ("BLOCK", "true"),
        ("CAPTCHA", "true"),
        ("CHALLENGE", "true"),
        ("COUNT", "false"),
        ("SOMETHING", "∅"),
    ] {
        check(
            &with(&[("", "action", json!(action))]),
            0,
            &[("blocked", blocked), ("action", action)],
        );
    }
    // A match that only counts is no block, and stays to be seen.
    let counted = json!([{"ruleId": "watch", "action": "COUNT", "ruleMatchDetails": []}]);
    let whole = with(&[("", "nonTerminatingMatchingRules", counted.clone())]);
    check(&whole, 0, &[("blocked", "false"), ("rule_id", "∅")]);
    assert_eq!(
        serde_json::from_str::<Value>(whole.cell(0, "nonterminatingmatchingrules")).expect("JSON"),
        counted
    );
    let groups = json!([
        {"ruleGroupId": "AWS#A", "terminatingRule": {"ruleId": "Overridden", "action": "COUNT"}},
        {"ruleGroupId": "AWS#B", "terminatingRule": null, "excludedRules": null},
        {"ruleGroupId": "AWS#C", "terminatingRule": {"ruleId": "NoUserAgent_HEADER", "action": "BLOCK"}}
    ]);
    let block = |kind: &str, id: &str| {
        with(&[
            ("", "action", json!("BLOCK")),
            ("", "terminatingRuleId", json!(id)),
            ("", "terminatingRuleType", json!(kind)),
            ("", "ruleGroupList", groups.clone()),
        ])
    };
    check(
        &block("MANAGED_RULE_GROUP", "aws-c"),
        0,
        &[("rule_id", "NoUserAgent_HEADER"), ("terminatingruleid", "aws-c")],
    );
    check(&block("REGULAR", "mine"), 0, &[("rule_id", "mine")]);
    check(&block("RATE_BASED", "flood"), 0, &[("rule_id", "flood")]);
}

#[test]
fn what_is_redacted_is_unknown() {
    let whole = with(&[
        ("/httpRequest", "uri", json!("REDACTED")),
        ("/httpRequest", "httpMethod", json!("REDACTED")),
        (
            "/httpRequest",
            "headers",
            json!([{"name": "Host", "value": "REDACTED"}, {"name": "User-Agent", "value": "REDACTED"}]),
        ),
    ]);
    check(
        &whole,
        0,
        &[
            ("uri", "∅"),
            ("method", "∅"),
            ("dst_host", "∅"),
            ("ua", "∅"),
            ("httprequest_uri", "REDACTED"),
            ("httprequest_args", "id=1"),
        ],
    );
    check(
        &with(&[("/httpRequest", "args", json!("REDACTED"))]),
        0,
        &[("uri", "/cart")],
    );
}

#[test]
fn null_and_empty_and_absent_and_odd_values() {
    let lists = [
        "ruleGroupList",
        "rateBasedRuleList",
        "nonTerminatingMatchingRules",
        "labels",
    ];
    for (value, cell) in [(Value::Null, "∅"), (json!([]), "[]")] {
        let changes: Vec<_> = lists.iter().map(|key| ("", *key, value.clone())).collect();
        let whole = with(&changes);
        for key in lists {
            assert_eq!(whole.cell(0, &key.to_lowercase()), cell, "{key}");
        }
    }
    let mut bare = record();
    for key in lists {
        bare.as_object_mut().expect("an object").remove(key);
    }
    bare["httpRequest"]["headers"] = Value::Null;
    check(
        &read(bare.to_string().as_bytes(), &options()),
        0,
        &[("rulegrouplist", "∅"), ("ua", "∅")],
    );
    for id in [json!("null"), Value::Null, json!("-")] {
        check(
            &with(&[("/httpRequest", "requestId", id)]),
            0,
            &[("request_id", "∅")],
        );
    }
    let whole = with(&[
        (
            "",
            "challengeResponses",
            json!({"responseCode": 202, "failureReason": "TOKEN_MISSING"}),
        ),
        ("", "responseCodeSent", json!("403")),
        ("", "clientAsn", json!(9318)),
        ("", "ja4Fingerprint", json!("t13d")),
        ("", "labels", json!([{"name": "awswaf:managed:x"}])),
        ("/httpRequest", "newKey", json!(1)),
        ("/httpRequest", "clientIp", json!("X.X.X.X")),
    ]);
    check(
        &whole,
        0,
        &[
            (
                "challengeresponse",
                r#"{"failureReason":"TOKEN_MISSING","responseCode":202}"#,
            ),
            ("status", "403"),
            ("clientasn", "9318"),
            ("ja4", "t13d"),
            ("labels", r#"[{"name":"awswaf:managed:x"}]"#),
            ("attrs", r#"{"httpRequest.newKey":1}"#),
            ("src_ip", "∅"),
            ("peer_ip", "X.X.X.X"),
            ("warnings", "bad_address"),
        ],
    );
}

#[test]
fn firehose_writes_object_behind_object() {
    let one = record().to_string();
    for (text, count) in [
        (one.repeat(50), 50),
        (format!("{}\n", one.repeat(50)), 50),
        (format!("{0}{0}\n{0}\n\n{0}", one), 4),
        (format!("{one}\n{}", one.repeat(3)), 4),
    ] {
        let limits = Limits {
            block_bytes: 700,
            record_bytes_max: 3000,
            ..Limits::default()
        };
        let whole = read(text.as_bytes(), &ParseOptions { limits, ..options() });
        assert_eq!(
            (whole.counts.events, whole.counts.rejected),
            (count, 0),
            "{:?}",
            whole.rejects
        );
    }
}

#[test]
fn samples_agree_with_a_second_reader() {
    for (path, count) in [
        ("aws/waf/waf-security-automations-waf.jsonl", 228),
        ("aws/waf/opensearch-catalog-waf.log", 38),
        ("aws/waf/aws-log-parser-waf.json", 1),
        ("aws/waf/ocsf-waf.raw.json", 1),
        ("aws/elastic-integrations/waf/test-waf.first2.log", 2),
    ] {
        let Some(bytes) = shared(path) else { continue };
        let records: Vec<Value> = serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("samples are JSON");
        assert_eq!(records.len(), count, "{path}");
        check_native(&read(bytes.as_slice(), &options()), Dataset::Waf, &records, &[]);
    }
}

const OCSF: &[(&str, &str)] = &[
    ("/firewall_rule/type", "terminatingruletype"),
    ("/firewall_rule/uid", "rule_id"),
    ("/http_request/args", "httprequest_args"),
    ("/http_request/http_headers", "httprequest_headers"),
    ("/http_request/http_method", "method"),
    ("/http_request/uid", "request_id"),
    ("/http_request/url/hostname", "dst_host"),
    ("/http_request/url/path", "uri"),
    ("/http_request/user_agent", "ua"),
    ("/http_request/version", "httprequest_httpversion"),
    ("/http_status", "status"),
    ("/metadata/product/feature/uid", "webaclid"),
    ("/metadata/product/version", "formatversion"),
    ("/src_endpoint/ip", "src_ip"),
    ("/src_endpoint/location/country", "httprequest_country"),
    ("/src_endpoint/svc_name", "httpsourcename"),
    ("/src_endpoint/uid", "httpsourceid"),
    ("/time", "ts"),
];

#[test]
fn agrees_with_ocsf_but_for_the_listed_differences() {
    let Some(bytes) = shared("aws/waf/ocsf-waf.raw.json") else {
        return;
    };
    let whole = read(bytes.as_slice(), &options());
    let used = check_ocsf(&whole, "aws/waf/ocsf-waf.expected-ocsf.json", OCSF, "waf.md");
    check_all_needed(&used, "waf.md");
}
