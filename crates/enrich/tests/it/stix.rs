//! STIX bundles and patterns.

use super::shared::{gunzip, samples};
use haetae_enrich::reputation::{List, ListError, ListFormat, ListOptions};
use haetae_event::Micros;
use proptest::prelude::*;
use serde_json::{Value, json};

fn now() -> Micros {
    Micros::parse_rfc3339("2026-11-01T00:00:00Z").unwrap()
}

fn load(bytes: &[u8]) -> List {
    try_load(bytes).unwrap()
}

fn try_load(bytes: &[u8]) -> Result<List, ListError> {
    let options = ListOptions {
        name: "stix".into(),
        format: ListFormat::Auto,
        score: 80,
        max_age_us: None,
    };
    List::load(bytes, &options, now(), now(), None)
}

fn bundle(objects: Value) -> List {
    load(
        json!({"type": "bundle", "id": "bundle--1", "objects": objects})
            .to_string()
            .as_bytes(),
    )
}

fn indicator(pattern: &str) -> Value {
    json!({"type": "indicator", "pattern_type": "stix", "pattern": pattern, "valid_from": "2026-01-01T00:00:00Z"})
}

fn pattern(pattern: &str) -> List {
    bundle(json!([indicator(pattern)]))
}

fn score(list: &List, address: &str) -> Option<u8> {
    list.verdict(address.parse().unwrap(), now()).map(|v| v.score)
}

#[test]
fn patterns_that_accuse_addresses() {
    for (text, hits) in [
        ("[ipv4-addr:value = '203.0.113.1']", vec!["203.0.113.1"]),
        ("[ipv4-addr:value='203.0.113.0/24']", vec!["203.0.113.99"]),
        (
            "[ipv4-addr:value ISSUBSET '203.0.113.0/24']",
            vec!["203.0.113.99"],
        ),
        (
            "[ipv6-addr:value = '2001:db8::1' OR ipv4-addr:value IN ('203.0.113.1', '203.0.113.2')]",
            vec!["2001:db8::1", "203.0.113.1", "203.0.113.2"],
        ),
        (
            "[ipv4-addr:value = '203.0.113.1'] OR ([url:value = 'x'] OR [ipv4-addr:value = '203.0.113.2'])",
            vec!["203.0.113.1", "203.0.113.2"],
        ),
        (
            "[ipv4-addr:value = '203.0.113.1'] REPEATS 5 TIMES WITHIN 60 SECONDS",
            vec!["203.0.113.1"],
        ),
        (
            "[ipv4-addr:value = '203.0.113.1'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
            vec!["203.0.113.1"],
        ),
        (
            "[file:hashes.'SHA-256' = 'a\\'b' OR ipv4-addr:value = '203.0.113.1']",
            vec!["203.0.113.1"],
        ),
        (
            "[(domain-name:value = 'x' AND domain-name:resolves_to_refs[*].value = '198.51.100.1') OR ipv4-addr:value = '203.0.113.1']",
            vec!["203.0.113.1"],
        ),
    ] {
        let list = pattern(text);
        assert_eq!(list.tally().bad, 0, "{text}: {:?}", list.tally());
        for hit in hits {
            assert_eq!(score(&list, hit), Some(80), "{text} {hit}");
        }
        assert_eq!(score(&list, "198.51.100.1"), None, "{text}");
    }
}

#[test]
fn patterns_that_need_more_than_an_address() {
    for text in [
        "[ipv4-addr:value = '203.0.113.1' AND file:name = 'x']",
        "[ipv4-addr:value = '203.0.113.1'] AND [ipv4-addr:value = '203.0.113.2']",
        "[ipv4-addr:value = '203.0.113.1'] OR [url:value = 'x'] FOLLOWEDBY [file:name = 'x']",
        "[ipv4-addr:value != '203.0.113.1']",
        "[ipv4-addr:value NOT = '203.0.113.1']",
        "[ipv4-addr:value NOT IN ('203.0.113.1')]",
        "[ipv4-addr:value LIKE '203.0.113.%']",
        "[ipv4-addr:value ISSUPERSET '203.0.113.1']",
        "[network-traffic:dst_ref.value = '203.0.113.1' AND network-traffic:dst_port = 80]",
        "[domain-name:value = '203.0.113.1']",
        "[EXISTS ipv4-addr:value]",
    ] {
        let list = pattern(text);
        assert_eq!(
            (list.tally().entries, list.tally().bad, list.tally().other),
            (0, 0, 1),
            "{text}"
        );
        assert_eq!(score(&list, "203.0.113.1"), None, "{text}");
    }
}

#[test]
fn broken_patterns_are_bad_and_numbered() {
    let deep = format!(
        "{}ipv4-addr:value = '203.0.113.1'{}",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    for text in [
        "",
        "[",
        "[ipv4-addr:value = '203.0.113.1'",
        "[ipv4-addr:value = '203",
        "[]",
        "[ipv4-addr:value 'x']",
        "[a = b] c",
        "[ipv4-addr:value = 'nowhere']",
        &deep,
    ] {
        let good = indicator("[ipv4-addr:value = '203.0.113.9']");
        let list = bundle(json!([{"type": "identity"}, good, indicator(text)]));
        assert_eq!((list.tally().entries, list.tally().bad), (1, 1), "{:.40}", text);
        assert_eq!(list.tally().first_bad[0].line, 3, "{:.40}", text);
    }
}

#[test]
fn validity_confidence_and_revocation() {
    let with = |address: &str, key: &str, value: Value| {
        let mut object = indicator(&format!("[ipv4-addr:value = '{address}']"));
        object[key] = value;
        object
    };
    let list = bundle(json!([
        with("203.0.113.1", "valid_until", json!("2026-10-31T23:59:59Z")),
        with("203.0.113.2", "valid_until", json!("2026-11-02T00:00:00.5Z")),
        with("203.0.113.9", "valid_until", json!("9999-12-31T23:59:59Z")),
        with("203.0.113.3", "valid_until", json!("someday")),
        with("203.0.113.4", "revoked", json!(true)),
        with("203.0.113.5", "confidence", json!(50)),
        with("203.0.113.6", "confidence", json!("high")),
        with("203.0.113.7", "pattern_type", json!("snort")),
        with("203.0.113.8", "valid_until", json!(null)),
        with("10.0.0.8", "revoked", json!(false)),
        {"type": "ipv4-addr", "value": "203.0.113.10"},
    ]));
    let got: Vec<Option<u8>> = (1..=10)
        .map(|n| score(&list, &format!("203.0.113.{n}")))
        .collect();
    assert_eq!(
        got,
        [
            None,
            Some(80),
            None,
            None,
            Some(40),
            Some(80),
            None,
            Some(80),
            Some(80),
            None
        ]
    );
    let tally = list.tally();
    assert_eq!(
        (
            tally.entries,
            tally.bad,
            tally.expired,
            tally.other,
            tally.reserved
        ),
        (5, 1, 2, 1, 1)
    );
    let later = Micros::parse_rfc3339("2026-11-03T00:00:00Z").unwrap();
    assert!(list.verdict("203.0.113.2".parse().unwrap(), later).is_none());
    assert!(list.verdict("203.0.113.8".parse().unwrap(), later).is_some());
}

/// Files of a tar archive, as far as this sample needs it.
fn untar(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 512).filter(|header| header[0] != 0) {
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[range])
                .trim_matches(['\0', ' '])
                .to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap();
        if header[156] == b'0' {
            files.push((text(0..100), bytes[at + 512..at + 512 + size].to_vec()));
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

/// Every sample bundle loads, and every pattern that is one plain address is known.
#[test]
fn sample_bundles() {
    let Some(folder) = samples("ti") else { return };
    let files = untar(&gunzip(
        &std::fs::read(folder.join("stix-2.1-samples.tar.gz")).unwrap(),
    ));
    let (mut bundles, mut entries, mut plain, mut patternless) = (0, 0, 0, 0);
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".json")) {
        let Ok(parsed) = serde_json::from_slice::<Value>(bytes) else {
            continue;
        };
        bundles += 1;
        let list = match try_load(bytes) {
            Ok(list) => list,
            // The only indicator of the bundle is one without a pattern.
            Err(error) => {
                assert!(
                    error.to_string().contains("1 bad of 1 entries"),
                    "{name}: {error}"
                );
                patternless += 1;
                continue;
            }
        };
        entries += list.tally().entries;
        for bad in &list.tally().first_bad {
            // The converter leaves some without one, against the standard.
            assert_eq!(bad.reason, "indicator without a pattern", "{name}: {bad:?}");
            patternless += 1;
        }
        for object in parsed["objects"].as_array().unwrap() {
            let text = object["pattern"].as_str().unwrap_or_default();
            let address = text
                .strip_prefix("[ipv4-addr:value = '")
                .and_then(|rest| rest.strip_suffix("']"));
            let Some(address) = address.and_then(|a| a.parse().ok()) else {
                continue;
            };
            let ended = object["valid_until"]
                .as_str()
                .is_some_and(|until| until < "2026-11");
            let wanted = !ended && !haetae_enrich::reputation::is_reserved(address);
            assert_eq!(list.verdict(address, now()).is_some(), wanted, "{name} {address}");
            plain += usize::from(wanted);
        }
    }
    println!(
        "{bundles} bundles, {entries} entries, {plain} patterns of one address, {patternless} without a pattern"
    );
    assert!(patternless < 5);
    assert!(
        bundles > 80 && entries > 250 && plain > 100,
        "{bundles} {entries} {plain}"
    );
}

proptest! {
    #[test]
    fn any_pattern(text in "[\\[\\]()a-z:='\\\\. ]{0,60}|\\PC{0,40}") {
        let list = bundle(json!([indicator(&text), indicator("[ipv4-addr:value = '203.0.113.9']")]));
        prop_assert!(list.verdict("203.0.113.9".parse().unwrap(), now()).is_some());
    }
}
