//! LEEF 1.0 and 2.0: delimiters, times, and lines that break its rules.

use crate::support::{assert_linear, read, read_as};
use haetae_event::{Dataset, Micros};
use haetae_parse::{Format, ParseOptions};

fn options() -> ParseOptions {
    ParseOptions {
        arrival: Micros::parse_rfc3339("2026-01-01T00:30:00Z").expect("a time"),
        ..ParseOptions::default()
    }
}

fn check(line: &str, want: &[(&str, &str)]) {
    let whole = read(line.as_bytes(), &options());
    assert_eq!(whole.dataset, Some(Dataset::Leef), "{line:?}");
    assert_eq!(
        (whole.counts.events, whole.counts.lines_in),
        (1, 1),
        "{line:?} {:?}",
        whole.rejects
    );
    for (column, value) in want {
        assert_eq!(whole.cell(0, column), *value, "{column} of {line:?}");
    }
}

#[test]
fn version_one() {
    let line = "<13>Dec 31 10:00:00 gw LEEF:1.0|Acme|Wall|4|DENY_URL|cat=Policy\tdevTime=1767175200123\tsrc=203.0.113.5\tdst=10.0.0.7\tsrcPort=4711\tdstPort=443\tproto=TCP\tsev=7\tusrName=kim\turl=http://a.example/p?q=1\taction=blocked\tsrcBytes=10\tdstBytes=20\tmine=a=b c\tmethod=GET";
    check(
        line,
        &[
            ("ts", "2025-12-31T10:00:00.123Z"),
            ("hostname", "gw"),
            ("leefversion", "1.0"),
            ("vendor", "Acme"),
            ("product", "Wall"),
            ("version", "4"),
            ("rule_id", "DENY_URL"),
            ("cat", "Policy"),
            ("src", "203.0.113.5"),
            ("src_ip", "203.0.113.5"),
            ("dst", "10.0.0.7"),
            ("dst_host", "10.0.0.7"),
            ("srcport", "4711"),
            ("dstport", "443"),
            ("proto", "TCP"),
            ("sev", "7"),
            ("account", "kim"),
            ("uri", "/p?q=1"),
            ("blocked", "true"),
            ("bytes_in", "10"),
            ("bytes_out", "20"),
            ("attrs", r#"{"mine":"a=b c","method":"GET"}"#),
            ("warnings", "∅"),
            ("raw", line),
        ],
    );
    check(
        "LEEF:1.0|V|P|1|only",
        &[
            ("rule_id", "only"),
            ("ts", "2026-01-01T00:30:00Z"),
            ("warnings", "ts_missing"),
        ],
    );
}

#[test]
fn version_two_names_its_delimiter() {
    for (named, delimiter) in [
        ("^", "^"),
        ("x09", "\t"),
        ("0x09", "\t"),
        ("", "\t"),
        ("x7c", "|"),
        ("0xA6", "¦"),
        ("\\t", "\t"),
        ("가", "가"),
    ] {
        let pairs = ["src=10.0.0.1", "usrName=a b", "no pair", "dstPort=22"].join(delimiter);
        check(
            &format!("LEEF:2.0|V|P|1|id|{named}|{pairs}"),
            &[
                ("src_ip", "10.0.0.1"),
                ("account", &format!("a b{delimiter}no pair")),
                ("dstport", "22"),
                ("attrs", "∅"),
            ],
        );
    }
    // The sixth field left out.
    check(
        "LEEF:2.0|V|P|1|id|src=10.0.0.1\tmsg=a|b",
        &[("src_ip", "10.0.0.1"), ("msg", "a|b")],
    );
}

#[test]
fn times() {
    for (format, time, ts) in [
        ("", "Dec 31 2025 10:00:00", "2025-12-31T10:00:00Z"),
        ("", "2025-12-31T10:00:00Z", "2025-12-31T10:00:00Z"),
        (
            "MMM dd yyyy HH:mm:ss.SSS z",
            "Dec 31 2025 10:00:00.250 KST",
            "2025-12-31T01:00:00.25Z",
        ),
        (
            "yyyy-MM-dd'T'HH:mm:ssZ",
            "2025-12-31T10:00:00+0900",
            "2025-12-31T01:00:00Z",
        ),
        ("yyyyMMddHHmmss", "20251231100000", "2025-12-31T10:00:00Z"),
        (
            "dd/MM/yy hh:mm:ss a",
            "31/12/25 01:00:00 PM",
            "2025-12-31T13:00:00Z",
        ),
        (
            "EEE, d MMMM yyyy H:m:s",
            "Wed, 31 December 2025 9:5:3",
            "2025-12-31T09:05:03Z",
        ),
        ("MMM dd HH:mm:ss", "Dec 31 10:00:00", "2025-12-31T10:00:00Z"),
        (
            "yyyy-MM-dd HH:mm:ss XXX",
            "2025-12-31 10:00:00 -05:00",
            "2025-12-31T15:00:00Z",
        ),
    ] {
        check(
            &format!("LEEF:1.0|V|P|1|id|devTime={time}\tdevTimeFormat={format}"),
            &[("ts", ts), ("warnings", "∅")],
        );
    }
    for (format, time) in [
        ("yyyy-MM-dd", "2025-13-41"),
        ("QQQ", "x"),
        ("'open", "x"),
        ("", "soon"),
        ("HH:mm", "25:99"),
    ] {
        check(
            &format!("<13>Dec 31 10:00:00 gw LEEF:1.0|V|P|1|id|devTime={time}\tdevTimeFormat={format}"),
            &[("ts", "2025-12-31T10:00:00Z"), ("warnings", "bad_time")],
        );
    }
}

#[test]
fn bad_lines_are_refused() {
    let leef: Format = "leef".parse().expect("a format");
    let wide: String = (0..2000).map(|i| format!("k{i}=1\t")).collect();
    let input =
        format!("LEEF:1.0|V|P|1\nLEEF:3.0|V|P|1|2|\nLEEF:1.0|V|P|1|2|{wide}\nLEEF:1.0|V|P|1|2|=\t\t=x\n");
    let whole = read_as(input.as_bytes(), Some(leef), &options());
    assert_eq!(whole.codes(), ["field_count", "bad_field", "too_complex"]);
    assert_eq!((whole.counts.events, whole.cell(0, "attrs")), (1, "∅"));
}

#[test]
fn hostile_lines_take_linear_time() {
    let leef: Format = "leef".parse().expect("a format");
    let work = |line: &str| {
        assert_eq!(
            read_as(line.as_bytes(), Some(leef), &options()).counts.lines_in,
            1
        );
    };
    for unit in ["a=\t", "\t", "|", "=", "src=1\t", "LEEF:"] {
        let line = |bytes: usize| format!("LEEF:2.0|V|P|1|2|{}", unit.repeat(bytes / unit.len()));
        assert_linear(unit, line, work);
    }
}
