use super::fixture;
use crate::{KpiContext, kpi_message};
use haetae_incident::Language;
use serde_json::Value;

#[test]
fn json_has_the_contract_keys() {
    let json: Value = serde_json::from_str(&fixture::report(Language::Ko).to_json()).expect("JSON");
    let keys: Vec<&str> = json
        .as_object()
        .expect("object")
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = vec![
        "window",
        "by_dataset",
        "requests",
        "unique_ips",
        "bytes_out",
        "status",
        "error_rate",
        "cache_hit_ratio",
        "avg_time_taken_ms",
        "p95_time_taken_ms",
        "top_paths",
        "top_ips",
        "top_user_agents",
        "top_referrers",
        "top_hosts",
        "timeline",
        "counts",
        "findings",
    ];
    let mut keys = keys;
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(json["window"]["start"], "2026-03-01T12:00:00Z");
    assert_eq!(json["status"]["2xx"], 38_000);
    assert_eq!(json["by_dataset"]["cloudfront"]["events"], 44_000);
    assert_eq!(
        json["top_ips"][0],
        serde_json::json!({"key": "203.0.113.9", "count": 1_412})
    );
    assert_eq!(json["counts"]["lines_in"], 48_010);
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(11));
}

#[test]
fn what_has_no_data_is_null() {
    let json: Value = serde_json::from_str(&fixture::empty(Language::En).to_json()).expect("JSON");
    for key in [
        "error_rate",
        "cache_hit_ratio",
        "avg_time_taken_ms",
        "p95_time_taken_ms",
    ] {
        assert!(json[key].is_null(), "{key}");
    }
    assert!(json["window"]["start"].is_null() && json["window"]["end"].is_null());
}

#[test]
fn the_kpi_message_has_every_figure_in_ten_fields() {
    for language in [Language::Ko, Language::En] {
        let report = fixture::report(language);
        let context = KpiContext {
            language,
            tz: report.tz.clone(),
            demo: true,
            objects: Some(12),
            log_delay_us: Some(95_000_000),
            findings: Some(11),
        };
        let message = kpi_message(&report.kpi, &context);
        assert!(message.fields.len() <= 10, "{}", message.fields.len());
        let said = format!("{} {:?}", message.summary, message.fields);
        for expected in [
            "44,000",
            "2,800",
            "150",
            "6.7%",
            "83 ms",
            "412 ms",
            "203.0.113.9",
            "/api/cart",
            "+09:00",
        ] {
            assert!(said.contains(expected), "{expected} in {said}");
        }
        assert!(said.contains(language.pick("1분 35초", "1m 35s")), "{said}");
        assert!(message.demo && message.kind == "kpi");
    }
}
