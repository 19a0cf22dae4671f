//! Payloads of known meaning: decoded, classified, and carried through every format.

use crate::support::{Whole, read_as};
use haetae_event::decode::attack_text;
use haetae_event::signature::param_sig;
use haetae_parse::fixtures::{Payload, PayloadClass, Place, payloads};
use haetae_parse::{Format, ParseOptions};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[test]
fn there_are_enough_of_every_kind() {
    let mut counts: BTreeMap<(PayloadClass, String), usize> = BTreeMap::new();
    for payload in payloads() {
        *counts.entry((payload.class, payload.lang)).or_default() += 1;
    }
    let of = |class| {
        counts
            .iter()
            .filter(|((c, _), _)| *c == class)
            .map(|(_, n)| n)
            .sum::<usize>()
    };
    assert!(
        of(PayloadClass::Normal) >= 300 && of(PayloadClass::Edge) >= 150 && of(PayloadClass::Hostile) >= 500
    );
    for lang in ["ko", "ja", "zh", "ar", "th", "ru", "emoji", "en"] {
        assert!(counts[&(PayloadClass::Normal, lang.to_owned())] >= 20, "{lang}");
    }
}

#[test]
fn attack_text_is_what_was_wrapped() {
    let wrong: Vec<String> = payloads()
        .filter(|p| attack_text(&p.payload) != p.text())
        .map(|p| {
            format!(
                "{} {:?}: {:.300} gives {:?}",
                p.id,
                p.encodings,
                p.payload,
                attack_text(&p.payload)
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn signatures_are_what_was_built() {
    let mut known = 0;
    let mut wrong = Vec::new();
    for payload in payloads() {
        let sig = param_sig(&payload.payload);
        if let Some(expected) = &payload.param_sig {
            known += 1;
            if sig.as_ref() != Some(expected) {
                wrong.push(format!(
                    "{} {:.200}: {sig:?}, not {expected}",
                    payload.id, payload.payload
                ));
            }
        }
    }
    assert!(known >= 800, "{known} known");
    assert!(
        wrong.is_empty(),
        "{} of {known} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn normal_korean_is_never_code() {
    for payload in payloads().filter(|p| p.class == PayloadClass::Normal && p.lang == "ko") {
        let sig = param_sig(&payload.payload).unwrap_or_default();
        assert!(
            !sig.contains("code") && !sig.contains("binary"),
            "{} {}: {sig}",
            payload.id,
            payload.text()
        );
    }
}

/// As a query: a body's line ends, spaces and quotes are escaped, as a client would.
fn query(payload: &Payload) -> Cow<'_, str> {
    let plain = |c: char| c > ' ' && !matches!(c, '\x7f' | '"' | '\\');
    if payload.place == Place::Query && payload.payload.chars().all(plain) {
        return Cow::Borrowed(&payload.payload);
    }
    let mut out = String::new();
    for c in payload.payload.chars() {
        if plain(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        }
    }
    Cow::Owned(out)
}

/// A record of the format whose request asks for `/p?query`; `None` where the format has none.
fn record(format: &str, query: &str) -> Option<String> {
    let json = serde_json::Value::from(format!("/p?{query}"));
    let args = serde_json::Value::from(query);
    Some(match format {
        "cloudfront" => {
            format!("2026-03-01\t10:00:00\tICN1\t10\t192.0.2.1\tGET\td.example\t/p\t200\t-\tUA\t{query}\n")
        }
        "waf" => format!(
            "{{\"timestamp\":1772359200123,\"webaclId\":\"a\",\"action\":\"ALLOW\",\"httpRequest\":{{\"clientIp\":\"192.0.2.1\",\"uri\":\"/p\",\"args\":{args},\"httpMethod\":\"GET\"}}}}\n"
        ),
        "alb" => format!(
            "https 2026-03-01T10:00:00.1Z app/a/1 192.0.2.1:1 10.0.0.1:80 0 0 0 200 200 1 2 \"GET https://h.example:443/p?{query} HTTP/1.1\" \"UA\" ECDHE-RSA TLSv1.2 arn \"r\" \"d\" \"c\" 0 2026-03-01T10:00:00.1Z \"forward\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\"\n"
        ),
        "elb" => format!(
            "2026-03-01T10:00:00.1Z e 192.0.2.1:1 10.0.0.1:80 0.1 0.1 0.1 200 200 0 29 \"GET http://h.example:80/p?{query} HTTP/1.1\" \"UA\" - -\n"
        ),
        "s3access" => format!(
            "o b [01/Mar/2026:10:00:00 +0000] 192.0.2.1 o R REST.GET.OBJECT k \"GET /p?{query} HTTP/1.1\" 200 - 1 1 1 1 \"-\" \"UA\" - h SigV4 - - e TLSv1.2 - -\n"
        ),
        "combined" => format!(
            "192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /p?{query} HTTP/1.1\" 200 1 \"-\" \"UA\"\n"
        ),
        "json" => format!(
            "{{\"time\":\"2026-03-01T10:00:00Z\",\"method\":\"GET\",\"uri\":{json},\"status\":200}}\n"
        ),
        _ => return None,
    })
}

fn only(whole: &Whole, what: &str) {
    assert_eq!(
        (whole.counts.lines_in, whole.counts.events),
        (1, 1),
        "{what}: {:?}",
        whole.rejects
    );
}

#[test]
fn every_format_carries_every_payload() {
    let options = ParseOptions::default();
    let mut carried = BTreeMap::new();
    for format in Format::all() {
        for payload in payloads() {
            let query = query(&payload);
            let Some(line) = record(format.as_str(), &query) else {
                continue;
            };
            for forced in [Some(format), None] {
                let whole = read_as(line.as_bytes(), forced, &options);
                let what = format!("{} as {format}, forced {forced:?}", payload.id);
                only(&whole, &what);
                // CloudFront logs a hyphen where there is no query.
                let none = format.as_str() == "cloudfront" && query == "-";
                let uri = if none {
                    "/p".to_owned()
                } else {
                    format!("/p?{query}")
                };
                assert!(
                    whole.cell(0, "uri") == uri,
                    "{what}: {:.300}",
                    whole.cell(0, "uri")
                );
            }
            *carried.entry(format.as_str()).or_insert(0) += 1;
        }
    }
    assert!(carried.len() >= 7, "{carried:?}");
}

#[test]
fn json_and_apache_carry_payloads_that_they_escape() {
    let options = ParseOptions::default();
    let format = |name: &str| Some(name.parse::<Format>().expect("a format"));
    for payload in payloads() {
        let text = serde_json::Value::from(payload.text());
        let line = format!("{{\"time\":1772359200,\"uri\":{text},\"status\":200}}\n");
        let whole = read_as(line.as_bytes(), format("json"), &options);
        only(&whole, &payload.id);
        let kept = whole.cell(0, "uri");
        assert!(kept == payload.text() || payload.text() == "-", "{}", payload.id);
        // What nginx writes of bytes that it must not print.
        let mut escaped = String::new();
        for c in payload.text().chars() {
            if c < ' ' || matches!(c, '"' | '\\' | '\x7f') {
                escaped.push_str(&format!("\\x{:02X}", u32::from(c)));
            } else {
                escaped.push(c);
            }
        }
        let line = format!(
            "192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /{escaped} HTTP/1.1\" 200 1 \"-\" \"UA\"\n"
        );
        let whole = read_as(line.as_bytes(), format("combined"), &options);
        only(&whole, &payload.id);
        assert!(
            whole.cell(0, "uri") == format!("/{}", payload.text()),
            "{}",
            payload.id
        );
    }
}
