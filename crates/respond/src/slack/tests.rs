use super::*;
use haetae_event::Level;
use haetae_event::time::Micros;
use haetae_incident::{Language, Message};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn retry_after_takes_seconds_and_dates() {
    let now = Micros::parse_rfc3339("2015-10-21T07:28:00Z").unwrap();
    let parse = |text| retry_after::parse(text, now);
    assert_eq!(parse("120"), Some(Duration::from_secs(120)));
    assert_eq!(parse("0.5"), Some(Duration::from_millis(500)));
    assert_eq!(
        parse("Wed, 21 Oct 2015 07:28:30 GMT"),
        Some(Duration::from_secs(30))
    );
    assert_eq!(parse("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
    for bad in ["", "-1", "NaN", "inf", "1e300", "tomorrow"] {
        assert_eq!(parse(bad), None, "{bad}");
    }
}

#[test]
fn the_url_shows_nowhere() {
    let url = WebhookUrl::parse("https://hooks.slack.com/services/T0/B0/secret").unwrap();
    assert_eq!(format!("{url:?}"), "WebhookUrl(…)");
    let error = WebhookUrl::parse("ftp://secret").unwrap_err();
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn log_text_cannot_mention_link_or_leave_its_span() {
    let evil = "<!channel> `*x*` <http://evil|click> &\u{202e}";
    let message = Message {
        incident_id: Some("inc-7".into()),
        title: evil.into(),
        summary: evil.into(),
        fields: vec![(evil.into(), evil.into())],
        evidence: vec![evil.into()],
        actions: vec![evil.into()],
        ..Message::default()
    };
    let body = payload(&message, "row-1");
    assert!(body["text"].as_str().unwrap().contains("(inc-7)"));
    for text in mrkdwn(&body) {
        assert!(!text.contains(['<', '>', '\u{202e}']), "{text}");
        assert!(
            text.contains("inc-7") || text.contains("&lt;!channel&gt;"),
            "{text}"
        );
    }
    let evidence = body["blocks"][3]["text"]["text"].as_str().unwrap();
    assert_eq!(evidence.matches('`').count(), 2, "{evidence}");
}

/// Every text Slack reads as mrkdwn.
fn mrkdwn(body: &Value) -> Vec<String> {
    fn walk(value: &Value, out: &mut Vec<String>) {
        if value["type"] == "mrkdwn" {
            out.push(value["text"].as_str().unwrap().to_owned());
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            Value::Object(map) => map.values().for_each(|item| walk(item, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(body, &mut out);
    out
}

proptest! {
    #[test]
    fn any_message_keeps_within_slacks_limits(
        text in "\\PC{0,40}",
        times in 1usize..200,
        count in 0usize..30,
    ) {
        let long = text.repeat(times);
        let message = Message {
            level: Some(Level::Critical),
            title: long.clone(),
            summary: format!("{long}&<>"),
            fields: vec![(long.clone(), long.clone()); count],
            evidence: vec![long.clone(); count],
            actions: vec![long; count],
            language: Language::Ko,
            ..Message::default()
        };
        let body = payload(&message, "row");
        let chars = |value: &Value| value.as_str().unwrap().chars().count();
        prop_assert!(chars(&body["text"]) <= 4_000);
        let blocks = body["blocks"].as_array().unwrap();
        prop_assert!(blocks.len() <= 50);
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "header" => prop_assert!((1..=150).contains(&chars(&block["text"]["text"]))),
                "section" if block["fields"].is_array() => {
                    let fields = block["fields"].as_array().unwrap();
                    prop_assert!((1..=10).contains(&fields.len()));
                    for field in fields {
                        prop_assert!((1..=2_000).contains(&chars(&field["text"])));
                    }
                }
                "section" => prop_assert!((1..=3_000).contains(&chars(&block["text"]["text"]))),
                "context" => prop_assert!((1..=2_000).contains(&chars(&block["elements"][0]["text"]))),
                other => prop_assert!(false, "{}", other),
            }
        }
    }
}
