//! The configuration.

use haetae_enrich::EnrichConfig;
use haetae_enrich::config::ConfigError;
use haetae_enrich::reputation::ListFormat;
use serde_json::{Value, json};

fn parse(value: Value) -> Result<EnrichConfig, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn nothing_is_the_default_and_valid() {
    let config = parse(json!({})).unwrap();
    assert_eq!(config, EnrichConfig::default());
    assert_eq!((config.reload_interval_s, config.validate()), (60, Ok(())));
}

#[test]
fn everything() {
    let config = parse(json!({
        "geo": {"country": "c.mmdb", "asn": "a.mmdb", "city": "d.mmdb"},
        "reputation": [
            {"name": "drop", "path": "drop.txt", "format": "drop_json", "score": 95, "max_age_h": 48},
            {"name": "x", "path": "x"},
        ],
        "reload_interval_s": 5,
    }))
    .unwrap();
    assert_eq!(config.validate(), Ok(()));
    assert_eq!(config.reputation[0].format, ListFormat::DropJson);
    assert_eq!(
        (config.reputation[1].format, config.reputation[1].score),
        (ListFormat::Auto, 50)
    );
    assert_eq!(parse(serde_json::to_value(&config).unwrap()).unwrap(), config);
    for format in [
        "auto",
        "netset",
        "drop",
        "drop_json",
        "abusech_csv",
        "plain",
        "stix",
    ] {
        assert!(
            parse(json!({"reputation": [{"name": "x", "path": "x", "format": format}]})).is_ok(),
            "{format}"
        );
    }
}

#[test]
fn unknown_keys_are_errors() {
    for value in [
        json!({"geoo": {}}),
        json!({"geo": {"continent": "x"}}),
        json!({"reputation": [{"name": "x", "path": "x", "weight": 1}]}),
        json!({"reputation": [{"name": "x", "path": "x", "format": "xml"}]}),
        json!({"reputation": [{"name": "x"}]}),
    ] {
        assert!(parse(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn what_the_types_cannot_say() {
    let list = |name: &str| json!({"name": name, "path": "p"});
    let with = |key: &str, value: Value| {
        let mut list = list("x");
        list[key] = value;
        json!({"reputation": [list]})
    };
    for (value, error) in [
        (json!({"reload_interval_s": 0}), ConfigError::NoInterval),
        (
            json!({"geo": {"asn": ""}}),
            ConfigError::EmptyPath("enrich.geo.asn".into()),
        ),
        (
            json!({"reputation": [list("a"), list("a")]}),
            ConfigError::NameTwice(1, "a".into()),
        ),
        (json!({"reputation": [list("")]}), ConfigError::BadName(0)),
        (json!({"reputation": [list("a\nb")]}), ConfigError::BadName(0)),
        (
            with("path", json!("")),
            ConfigError::EmptyPath("enrich.reputation[0].path".into()),
        ),
        (with("score", json!(101)), ConfigError::BadScore(0, 101)),
        (with("max_age_h", json!(0)), ConfigError::NoAge(0)),
    ] {
        assert_eq!(parse(value.clone()).unwrap().validate(), Err(error), "{value}");
    }
}

fn remote(key: &str, value: Value) -> EnrichConfig {
    let mut remote = json!({
        "name": "rep",
        "url": "https://rep.example/v1/ip/{ip}?key=s3cret",
        "score": "/data/score",
    });
    remote[key] = value;
    parse(json!({"remote": remote})).unwrap()
}

#[test]
fn a_remote_service_and_its_defaults() {
    let config = remote("name", json!("rep"));
    assert_eq!(config.validate(), Ok(()));
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    let service = config.remote.unwrap();
    assert_eq!(service.host(), "rep.example");
    assert_eq!(
        service.url_of("2001:db8::1".parse().unwrap()),
        "https://rep.example/v1/ip/2001:db8::1?key=s3cret"
    );
    let bounds = service.bounds();
    assert_eq!((bounds.budget_us, bounds.in_flight_max), (50_000, 100));
    assert_eq!(bounds.ttl_us, 24 * 3_600_000_000);
}

#[test]
fn a_remote_service_that_cannot_be_asked_safely_is_refused() {
    for (key, value, part) in [
        ("name", json!(""), "name"),
        ("url", json!("http://rep.example/{ip}"), "url"),
        ("url", json!("http://127.0.0.1.rep.example/{ip}"), "url"),
        ("url", json!("http://127.0.0.1@rep.example/{ip}"), "url"),
        ("url", json!("http://127.0.0.1\\@rep.example/{ip}"), "url"),
        ("url", json!("https://user:s3cret@rep.example/{ip}"), "url"),
        ("url", json!("https://{ip}.rep.example/"), "url"),
        ("url", json!("https://rep.example/"), "url"),
        ("url", json!("https://rep.example/{ip}/{ip}"), "url"),
        ("url", json!("https://rep.example/#{ip}"), "url"),
        ("url", json!("file:///{ip}"), "url"),
        ("url", json!("https:///{ip}"), "url"),
        ("score", json!("data.score"), "score"),
        ("score", json!("/data~2"), "score"),
        ("score_max", json!(0), "score_max"),
        ("requests_per_s", json!(0), "requests_per_s"),
        ("requests_per_s", json!(1001), "requests_per_s"),
        ("budget_ms", json!(1001), "budget_ms"),
        ("ttl_h", json!(0), "ttl_h"),
        ("header_file", json!(""), "header_file"),
    ] {
        let said = remote(key, value.clone())
            .validate()
            .map_err(|error| error.to_string());
        let said = said.expect_err(&format!("{key}: {value}"));
        assert!(
            said.starts_with(&format!("enrich.remote.{part} must")),
            "{value}: {said}"
        );
        assert!(!said.contains("s3cret"), "{said}");
    }
    for url in [
        "http://127.0.0.1:9/{ip}",
        "http://localhost/?a={ip}",
        "http://[::1]:9/{ip}",
        "https://rep.example:8443/{ip}",
    ] {
        assert_eq!(remote("url", json!(url)).validate(), Ok(()), "{url}");
    }
}

#[test]
fn what_a_reply_says() {
    use haetae_enrich::remote::{Answer, Unreadable};
    let service = |max: u32| remote("score_max", json!(max)).remote.unwrap();
    let pointer = "/data/score".to_owned();
    let no_number = Err(Unreadable::NoNumber(pointer.clone()));
    for (max, reply, said) in [
        (100, r#"{"data":{"score":0}}"#, Ok(Answer::Found(0))),
        (100, r#"{"data":{"score":99.6}}"#, Ok(Answer::Found(100))),
        (10, r#"{"data":{"score":7}}"#, Ok(Answer::Found(70))),
        (1, r#"{"data":{"score":0.255}}"#, Ok(Answer::Found(26))),
        (100, r#"{"data":{"score":null}}"#, Ok(Answer::NotFound)),
        (100, r#"{"data":{"score":"85"}}"#, no_number.clone()),
        (100, r#"{"data":{}}"#, no_number.clone()),
        (
            100,
            r#"{"data":{"score":-1}}"#,
            Err(Unreadable::OutOfRange(pointer.clone(), 100)),
        ),
        (
            10,
            r#"{"data":{"score":11}}"#,
            Err(Unreadable::OutOfRange(pointer, 10)),
        ),
        (100, r#"{"data":{"score":"#, Err(Unreadable::NotJson)),
        (100, "", Err(Unreadable::NotJson)),
        (100, "\u{0}\u{1}", Err(Unreadable::NotJson)),
    ] {
        assert_eq!(service(max).score(reply.as_bytes()), said, "{reply}");
    }
    let deep = "[".repeat(60_000);
    assert_eq!(service(100).score(deep.as_bytes()), Err(Unreadable::NotJson));
}
