use super::load::{ConfigError, load_text};
use super::*;
use std::path::Path;

fn load(text: &str) -> Result<Config, ConfigError> {
    load_text(Path::new("haetae.yaml"), text, &|name| {
        (name == "HOOK").then(|| "http://h/x".to_owned())
    })
}

fn mistake(text: &str) -> String {
    load(text).expect_err("the configuration is wrong").to_string()
}

#[test]
fn an_empty_file_is_the_default() {
    let config = load("# nothing yet\n").expect("valid");
    assert_eq!(config.listen, "127.0.0.1:8480");
    assert_eq!(config.notify.min_level, Level::High);
}

#[test]
fn the_contract_example_loads() {
    let config = load(
        "data_dir: ./haetae-data\nlisten: 127.0.0.1:8480\nlanguage: ko\ntimezone: Asia/Seoul\n\
         trusted_proxies: [10.0.0.0/8]\nclient_ip_header: X-Forwarded-For\nsources:\n  - type: s3\n    \
         bucket: my-logs\n    prefix: cf/\n    region: ap-northeast-2\n    interval: 1m\n    delay: 0s\n    \
         after_commit: archive\n    archive_prefix: done/\n  - type: file\n    paths: [/var/log/nginx/*.log]\n    \
         time_zone: Asia/Seoul\n\
         notify:\n  min_level: high\n  kpi_every: 1h\n  slack:\n    webhook_url: ${HOOK}\n",
    )
    .expect("valid");
    assert_eq!(config.sources.len(), 2);
    assert_eq!(config.sources[1].value.time_zone.as_deref(), Some("Asia/Seoul"));
    assert_eq!(config.language(), Language::Ko);
    assert_eq!(
        config.notify.slack.expect("set").url().expect("set"),
        "http://h/x"
    );
}

#[test]
fn mistakes_name_line_and_fix() {
    let cases: [(&str, &[&str]); 10] = [
        (
            "listne: 127.0.0.1:1\n",
            &["haetae.yaml:1", "unknown key `listne`", "did you mean `listen`?"],
        ),
        (
            "notify:\n  kpi_evry: 1h\n",
            &["haetae.yaml:2", "did you mean `kpi_every`?"],
        ),
        (
            "flush_interval: 10\n",
            &["haetae.yaml:1", "is not a duration", "30s"],
        ),
        ("sources:\n  - type: s3\n", &["haetae.yaml:2", "needs `bucket`"]),
        (
            "sources:\n  - type: file\n    paths: [a]\n    bucket: b\n",
            &["belongs to type: s3"],
        ),
        (
            "notify:\n  slack:\n    webhook_url: ${NOPE}\n",
            &["haetae.yaml:3", "NOPE is not set"],
        ),
        ("timezone: Asia/Seol\n", &["Asia/Seol", "IANA"]),
        (
            "sources:\n  - type: s3\n    bucket: b\n    tenant: ../x\n",
            &["haetae.yaml:4", "tenant names"],
        ),
        (
            "sources:\n  - type: file\n    paths: [a]\n    time_zone: KST9\n",
            &["haetae.yaml:2", "sources[0]", "`KST9`", "+09:00"],
        ),
        ("notify:\n  kpi_every: 1s\n", &["haetae.yaml:2", "5m or more"]),
    ];
    for (text, expected) in cases {
        let said = mistake(text);
        for part in expected {
            assert!(said.contains(part), "{text:?} said {said:?}, without {part:?}");
        }
    }
}

#[test]
fn the_schema_names_every_key() {
    // A key added to the structs but not to the schema would be refused by editors that use it.
    let schema = json_schema();
    let known = |at: &str| -> Vec<String> {
        let keys = schema.pointer(at).and_then(|v| v.as_object()).expect("object");
        keys.keys().cloned().collect()
    };
    for key in known("/properties") {
        let said = load(&format!("{key}: {{}}\n"))
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(!said.contains("unknown key"), "{key}: {said}");
    }
    let said = mistake("nothing_like_it: 1\n");
    for key in said.split("known here: ").nth(1).expect("a list").split(", ") {
        assert!(
            known("/properties").contains(&key.trim().to_owned()),
            "{key} is missing from the schema"
        );
    }
}

#[test]
fn a_remote_service_is_checked_before_anything_starts() {
    let text = |url: &str| format!("enrich:\n  remote: {{name: rep, url: '{url}', score: /s}}\n");
    let config = load(&text("https://rep.example/{ip}")).expect("valid");
    assert_eq!(config.enrich.remote.expect("set").requests_per_s, 10);
    let said = mistake(&text("http://rep.example/{ip}"));
    assert!(said.contains("enrich.remote.url must be https"), "{said}");
    let keys = json_schema();
    let keys = keys.pointer("/properties/enrich/properties/remote/properties");
    let keys = keys.and_then(|keys| keys.as_object()).expect("object");
    let written = serde_json::json!({"name": "n", "url": "https://h/{ip}", "score": ""});
    let service: haetae_enrich::remote::RemoteService = serde_json::from_value(written).expect("valid");
    let all = serde_json::to_value(&service).expect("plain data");
    let known = all.as_object().expect("object");
    assert!(known.keys().eq(keys.keys()), "{known:?} {keys:?}");
}

#[test]
fn how_the_site_is_billed_is_read_and_mistakes_are_told() {
    use haetae_detect::cost::{BotControl, Plan};
    let text = "cost:\n  plan: business\n  region: ap-northeast-2\n  waf: {enabled: true, wcu: 2000, bot_control: targeted}\n  origin: {lambda_memory_mb: 512, api_gateway: http}\n";
    let cost = load(text).expect("valid").cost;
    assert_eq!(cost.plan, Some(Plan::Business));
    assert_eq!(
        (cost.waf.wcu, cost.waf.bot_control),
        (2_000, BotControl::Targeted)
    );
    assert_eq!(load("{}").expect("valid").cost.plan, None);
    assert!(
        mistake("cost: {plann: payg}\n").contains("plan"),
        "the nearest key is named"
    );
    assert!(!mistake("cost: {plan: enterprise}\n").is_empty());
}

#[test]
fn who_is_asked_about_crawlers_is_read() {
    let config = load("{}").expect("valid").crawlers;
    assert!(config.verify && config.resolver == "system" && config.ranges_dir.is_none());
    let text = "crawlers: {verify: false, resolver: \"127.0.0.1:5353\", ranges_dir: /var/lib/ranges}\n";
    let config = load(text).expect("valid").crawlers;
    assert!(!config.verify && config.ranges_dir.is_some());
    let said = mistake("crawlers: {resolver: dns.example}\n");
    assert!(
        said.contains("crawlers.resolver") && said.contains("127.0.0.1:5353"),
        "{said}"
    );
    assert!(mistake("crawlers: {verfy: true}\n").contains("verify"));
    let schema = json_schema();
    for key in ["verify", "resolver", "ranges_dir"] {
        let at = format!("/properties/crawlers/properties/{key}");
        assert!(schema.pointer(&at).is_some(), "{key}");
    }
}
