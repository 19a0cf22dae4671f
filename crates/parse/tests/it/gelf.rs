//! GELF: exact columns, NUL-terminated captures, and what senders get wrong.

use crate::support::{Whole, read};
use haetae_event::{Dataset, Micros};
use haetae_parse::{Limits, ParseOptions};

const MESSAGE: &str = r#"{"version":"1.1","host":"web-1.example","short_message":"A short \"one\"","full_message":"Backtrace\nmore","timestamp":1772366400.3072,"level":3,"facility":"app","line":356,"file":"/var/www/a.rb","_user_id":9001,"_some.info":"foo","_id":"x","extra":null}"#;

fn options() -> ParseOptions {
    ParseOptions {
        arrival: Micros::parse_rfc3339("2026-03-02T00:00:00Z").expect("a time"),
        ..ParseOptions::default()
    }
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

#[test]
fn every_field_of_a_message() {
    let whole = read(MESSAGE.as_bytes(), &options());
    assert_eq!((whole.dataset, whole.counts.events), (Some(Dataset::Gelf), 1));
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00.3072Z"),
            ("dst_host", "web-1.example"),
            ("version", "1.1"),
            ("short_message", "A short \"one\""),
            ("full_message", "Backtrace\nmore"),
            ("timestamp", "1772366400.3072"),
            ("level", "3"),
            ("facility", "app"),
            ("line", "356"),
            ("file", "/var/www/a.rb"),
            (
                "attrs",
                r#"{"_user_id":9001,"_some.info":"foo","_id":"x","extra":null}"#,
            ),
            ("warnings", "∅"),
            ("raw", MESSAGE),
        ],
    );
}

#[test]
fn messages_end_with_a_nul_a_line_or_nothing() {
    let second = MESSAGE.replace("web-1", "web-2");
    for text in [
        format!("{MESSAGE}\0{second}\0"),
        format!("{MESSAGE}\0\n{second}\0\n"),
        format!("{MESSAGE}\0\n\0{second}"),
        format!("{MESSAGE}\n{second}\n"),
        format!("{MESSAGE}{second}"),
        format!("[{MESSAGE},{second}]"),
    ] {
        for block_bytes in [1, 200, 100_000] {
            let limits = Limits {
                block_bytes,
                record_bytes_max: 1000,
                ..Limits::default()
            };
            let whole = read(text.as_bytes(), &ParseOptions { limits, ..options() });
            assert_eq!(
                (whole.counts.lines_in, whole.counts.events),
                (2, 2),
                "{text:?} {:?}",
                whole.rejects
            );
            check(&whole, 1, &[("dst_host", "web-2.example")]);
        }
    }
}

#[test]
fn what_senders_get_wrong() {
    let texted = MESSAGE
        .replace("1772366400.3072", "\"1772366400.5\"")
        .replace("\"level\":3", "\"level\":\"5\"");
    let named = MESSAGE.replace("\"short_message\"", "\"message\"");
    let both = MESSAGE.replace("\"_id\":\"x\"", "\"message\":\"m\"");
    let untimed = MESSAGE.replace("\"timestamp\":1772366400.3072,", "");
    let silent = MESSAGE.replace("\"short_message\":\"A short \\\"one\\\"\",", "");
    let odd = MESSAGE
        .replace("\"level\":3", "\"level\":\"high\"")
        .replace("9001", "{\"a\":[true]}");
    let bad = MESSAGE.replace("1772366400.3072", "\"yesterday\"");
    let text = [MESSAGE, &texted, &named, &both, &untimed, &silent, &odd, &bad].join("\n");
    let whole = read(text.as_bytes(), &options());
    assert_eq!((whole.counts.events, whole.codes()), (7, vec!["bad_field"]));
    check(
        &whole,
        1,
        &[
            ("ts", "2026-03-01T12:00:00.5Z"),
            ("timestamp", "1772366400.5"),
            ("level", "5"),
        ],
    );
    check(
        &whole,
        2,
        &[
            ("short_message", "A short \"one\""),
            ("warnings", "short_message_missing"),
        ],
    );
    check(
        &whole,
        3,
        &[("short_message", "A short \"one\""), ("warnings", "∅")],
    );
    assert!(whole.cell(3, "attrs").contains("\"message\":\"m\""));
    check(
        &whole,
        4,
        &[
            ("ts", "2026-03-02T00:00:00Z"),
            ("warnings", "ts_missing"),
            ("timestamp", "∅"),
        ],
    );
    check(
        &whole,
        5,
        &[("short_message", "∅"), ("warnings", "short_message_missing")],
    );
    check(&whole, 6, &[("level", "∅"), ("warnings", "∅")]);
    assert!(
        whole
            .cell(6, "attrs")
            .starts_with(r#"{"level":"high","_user_id":{"a":[true]}"#)
    );
}

#[test]
fn application_logs_are_not_taken_for_it() {
    for text in [
        r#"{"ts":1,"host":"h","message":"m"}"#,
        r#"{"@version":"1","host":"h","message":"m"}"#,
        r#"{"version":"2.0","host":"h","message":"m"}"#,
    ] {
        assert_eq!(
            read(text.as_bytes(), &options()).dataset,
            Some(Dataset::App),
            "{text}"
        );
    }
    let old = r#"{"version":"1.0","host":"h","message":"m","timestamp":1}"#;
    assert_eq!(read(old.as_bytes(), &options()).dataset, Some(Dataset::Gelf));
}
