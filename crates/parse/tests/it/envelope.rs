//! CloudWatch Logs subscription envelopes: their messages are read as if they were lines.

use crate::support::{COMBINED, gzip, read, read_as, shared};
use haetae_event::Dataset;
use haetae_parse::{Limits, ParseOptions};
use serde_json::{Value, json};

const FLOW: &str =
    "2 123456789010 eni-1 172.31.16.139 203.0.113.12 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK";

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn envelope(messages: &[&str]) -> Value {
    let events: Vec<Value> = messages
        .iter()
        .map(|message| json!({"id": "1", "timestamp": 1, "message": message}))
        .collect();
    json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
        "subscriptionFilters": ["f"], "logEvents": events})
}

fn control() -> Value {
    json!({"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [], "logEvents": [{"id": "", "timestamp": 1, "message": "CWL CONTROL MESSAGE: x"}]})
}

#[test]
fn messages_are_lines_in_every_framing() {
    let (a, b) = (envelope(&[FLOW, FLOW]), envelope(&[&format!("{FLOW}\n")]));
    let pretty = serde_json::to_string_pretty(&a).expect("JSON");
    for text in [
        format!("{a}\n{b}\n"),
        format!("{a}{b}"),
        format!("[{a},{b}]"),
        format!("{pretty}\n{b}"),
    ] {
        for block_bytes in [1, 50, 1 << 18] {
            let limits = Limits {
                block_bytes,
                record_bytes_max: 1000,
                ..Limits::default()
            };
            let options = ParseOptions { limits, ..options() };
            for input in [text.clone().into_bytes(), gzip(text.as_bytes())] {
                let whole = read(input.as_slice(), &options);
                assert_eq!(whole.dataset, Some(Dataset::VpcFlow), "{text}");
                assert_eq!(
                    (whole.counts.lines_in, whole.counts.events),
                    (3, 3),
                    "{:?}",
                    whole.rejects
                );
                assert_eq!((whole.cell(2, "bytes"), whole.cell(2, "raw")), ("4249", FLOW));
            }
        }
    }
    let forced = read_as(a.to_string().as_bytes(), "vpcflow".parse().ok(), &options());
    assert_eq!(forced.counts.events, 2);
}

#[test]
fn control_messages_are_skipped_and_damage_is_counted() {
    let text = format!(
        "{}{}{{\"messageType\":7}}{}",
        control(),
        envelope(&[FLOW]),
        envelope(&[FLOW])
    );
    let whole = read(text.as_bytes(), &options());
    assert_eq!((whole.counts.lines_in, whole.counts.events), (4, 2));
    assert_eq!((whole.counts.skipped, whole.counts.rejected), (1, 1));
    let cut = &text[..text.len() - 30];
    let whole = read(cut.as_bytes(), &options());
    assert_eq!(
        (whole.counts.lines_in, whole.counts.events, whole.counts.rejected),
        (4, 1, 2)
    );
    assert_eq!(whole.codes(), ["field_count", "cut_tail"]);
    let packed = gzip(text.repeat(200).as_bytes());
    let whole = read(&packed[..packed.len() / 2], &options());
    assert!(whole.counts.events > 10);
    assert_eq!(whole.codes().last(), Some(&"cut_tail"));
}

#[test]
fn a_message_with_line_ends_stays_one_record() {
    let pretty = "{\n \"ts\": 1,\r\n \"level\": \"error\",\n \"msg\": \"a\\nb\"\n}\n";
    let whole = read(envelope(&[pretty, pretty]).to_string().as_bytes(), &options());
    assert_eq!(
        (whole.dataset, whole.counts.lines_in, whole.counts.events),
        (Some(Dataset::App), 2, 2)
    );
    assert_eq!(
        (whole.cell(1, "level"), whole.cell(1, "message")),
        ("error", "a\nb")
    );
    let line = COMBINED.lines().next().expect("a line");
    let text = envelope(&[line, "Traceback\n  at x\n", line]).to_string();
    let whole = read(text.as_bytes(), &options());
    assert_eq!((whole.counts.lines_in, whole.counts.events), (3, 2));
    assert_eq!(whole.rejects[0].bytes, b"Traceback\\n  at x");
}

#[test]
fn samples() {
    if let Some(bytes) = shared("aws/envelopes/newrelic-cw-logs-vpcflow-event.json") {
        let whole = read(bytes.as_slice(), &options());
        assert_eq!(
            (whole.dataset, whole.counts.lines_in, whole.counts.events),
            (Some(Dataset::VpcFlow), 1, 1)
        );
        assert_eq!(
            (whole.cell(0, "log_status"), whole.cell(0, "account")),
            ("NODATA", "463657938898")
        );
    }
    if let Some(bytes) = shared("aws/envelopes/lambda-promtail-kinesis-event.json") {
        // The messages are of no format: one input, refused as one.
        let whole = read(bytes.as_slice(), &options());
        assert_eq!(whole.codes(), ["unknown_format"]);
        let whole = read_as(bytes.as_slice(), "combined".parse().ok(), &options());
        assert_eq!((whole.counts.lines_in, whole.counts.rejected), (3, 3));
    }
    if let Some(bytes) = shared("aws/envelopes/lambda-promtail-eventbridge-s3.json") {
        // A notice about an object, not a CloudTrail event.
        assert_eq!(read(bytes.as_slice(), &options()).dataset, Some(Dataset::App));
    }
}
