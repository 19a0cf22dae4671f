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
