//! logfmt, its relatives, and what is none of them; every shared sample's format.

use crate::support::{assert_linear, read, read_as, shared};
use haetae_event::{Dataset, Micros};
use haetae_parse::block::BlockReader;
use haetae_parse::{Format, Limits, ParseOptions, sniff};
use std::path::{Path, PathBuf};

fn options() -> ParseOptions {
    ParseOptions {
        arrival: Micros::parse_rfc3339("2026-01-01T00:30:00Z").expect("a time"),
        ..ParseOptions::default()
    }
}

fn logfmt() -> Format {
    "kv".parse().expect("a format")
}

fn check(line: &str, want: &[(&str, &str)]) {
    let whole = read_as(line.as_bytes(), Some(logfmt()), &options());
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
fn pairs_become_columns_and_attributes() {
    let line = r#"time=2025-12-31T10:00:00+09:00 level=warn msg="slow \"query\"\n\ttab" client_ip=192.0.2.7 method=GET uri=/a?b=c&d=e status=503 user=kim host=shop.example trace_id=t1 took=12ms dry-run empty= ko=한글 path.with.dots=1"#;
    check(
        line,
        &[
            ("ts", "2025-12-31T01:00:00Z"),
            ("level", "warn"),
            ("message", "slow \"query\"\n\ttab"),
            ("src_ip", "192.0.2.7"),
            ("peer_ip", "192.0.2.7"),
            ("method", "GET"),
            ("uri", "/a?b=c&d=e"),
            ("status", "503"),
            ("account", "kim"),
            ("dst_host", "shop.example"),
            ("trace_id", "t1"),
            (
                "attrs",
                r#"{"took":"12ms","dry-run":true,"empty":"","ko":"한글","path.with.dots":"1"}"#,
            ),
            ("warnings", "∅"),
            ("raw", line),
        ],
    );
    assert_eq!(read(line.as_bytes(), &options()).dataset, Some(Dataset::App));
}

#[test]
fn quotes_duplicates_and_numbers() {
    // The quote that does not end takes the rest.
    check(
        r#"a=1 msg="no end b=2"#,
        &[("message", "no end b=2"), ("attrs", r#"{"a":"1"}"#)],
    );
    check(
        r#"a=1 a=2 b="x"c=3 a=3"#,
        &[("attrs", r#"{"b":"x","c":"3","a":"3"}"#)],
    );
    check(
        r#"k="C:\dir" m="\\" n="a\/b" end"#,
        &[("attrs", r#"{"k":"C:\\dir","m":"\\","n":"a/b","end":true}"#)],
    );
    check("a==b c=== =x d=1", &[("attrs", r#"{"a":"=b","c":"==","d":"1"}"#)]);
    check(
        "status=ok bytes_out=12 a=1",
        &[
            ("status", "∅"),
            ("bytes_out", "12"),
            ("attrs", r#"{"status":"ok","a":"1"}"#),
        ],
    );
    check(
        "msg=a message=b x=1",
        &[("message", "b"), ("attrs", r#"{"msg":"a","x":"1"}"#)],
    );
    // What is no address is no client.
    check(
        "ip=nobody srcip=192.0.2.9 a=1",
        &[("src_ip", "192.0.2.9"), ("attrs", r#"{"ip":"nobody","a":"1"}"#)],
    );
    check(
        r#"date=2025-12-31 time=10:00:00 eventtime=1 tz="+0900" remip=192.0.2.9"#,
        &[("ts", "2025-12-31T01:00:00Z"), ("src_ip", "192.0.2.9")],
    );
    // Many keys, equal ones among them.
    let many: String = (0..40).map(|i| format!("k{}=v{i} ", i % 20)).collect();
    let want: Vec<String> = (20..40).map(|i| format!(r#""k{}":"v{i}""#, i % 20)).collect();
    check(&many, &[("attrs", &format!("{{{}}}", want.join(",")))]);
}

#[test]
fn separators_and_colons() {
    check(
        "user=kim, note=two words; x=1,y=2",
        &[
            ("account", "kim"),
            ("attrs", r#"{"note":"two words","x":"1","y":"2"}"#),
        ],
    );
    check(
        "user=\"kim\", note=\"a, b\", z=1",
        &[("account", "kim"), ("attrs", r#"{"note":"a, b","z":"1"}"#)],
    );
    // A comma inside values that spaces separate is part of them.
    check(
        "tags=a,b url=/x?y=1,2 z=3",
        &[("uri", "/x?y=1,2"), ("attrs", r#"{"tags":"a,b","z":"3"}"#)],
    );
    check(
        "user: kim, client_ip: 192.0.2.1; note: a b",
        &[
            ("account", "kim"),
            ("src_ip", "192.0.2.1"),
            ("attrs", r#"{"note":"a b"}"#),
        ],
    );
}

#[test]
fn leads_and_colours() {
    for (line, ts, level, message) in [
        (
            "2025-12-31T10:00:00Z INFO server is up port=80 a=1",
            "2025-12-31T10:00:00Z",
            "INFO",
            "server is up",
        ),
        (
            "2025-12-31 10:00:00,250 [warn] late port=80",
            "2025-12-31T10:00:00.25Z",
            "warn",
            "late",
        ),
        (
            "[2025-12-31T10:00:00Z] port=80 a=1",
            "2025-12-31T10:00:00Z",
            "∅",
            "∅",
        ),
        (
            "\u{1b}[36mINFO\u{1b}[0m[0012] hello there     \u{1b}[36mport\u{1b}[0m=80",
            "2026-01-01T00:30:00Z",
            "INFO",
            "hello there",
        ),
        ("ERRO[0000] no port=80", "2026-01-01T00:30:00Z", "ERRO", "no"),
        (
            "lvl=dbug t=1767175200 msg=hi port=80",
            "2025-12-31T10:00:00Z",
            "dbug",
            "hi",
        ),
        ("ts=1767175200.5 port=80", "2025-12-31T10:00:00.5Z", "∅", "∅"),
        (
            "@timestamp=1767175200123 port=80",
            "2025-12-31T10:00:00.123Z",
            "∅",
            "∅",
        ),
    ] {
        check(line, &[("ts", ts), ("level", level), ("message", message)]);
        let whole = read_as(line.as_bytes(), Some(logfmt()), &options());
        assert!(whole.cell(0, "attrs").contains(r#""port":"80""#), "{line}");
        assert_eq!(whole.cell(0, "raw"), line);
    }
}

#[test]
fn bad_lines_are_refused() {
    let wide: String = (0..2000).map(|i| format!("k{i}=1 ")).collect();
    let input = format!("just words\nts=never a=1\n{wide}\n\n# a=1 b=2\na=1\n");
    let whole = read_as(input.as_bytes(), Some(logfmt()), &options());
    assert_eq!(whole.codes(), ["field_count", "bad_field", "too_complex"]);
    assert_eq!((whole.counts.events, whole.counts.skipped), (1, 2));
}

#[test]
fn recognised_only_when_clear() {
    let name = |text: &str| sniff(text.as_bytes()).map(Format::as_str);
    assert_eq!(name("level=info msg=\"a b\"\n"), Some("logfmt"));
    assert_eq!(name("2025-12-31T10:00:00Z INFO up a=1 b=2\n"), Some("logfmt"));
    assert_eq!(name("level=info\n"), None, "one pair is not enough");
    assert_eq!(name("words before a=1 b=2\n"), None);
    assert_eq!(name("GET /?a=1&b=2 c=3\n"), None);
    assert_eq!(name("export A=1\n"), None);
    assert_eq!(name("user: kim, ip: 192.0.2.1\n"), None);
}

#[test]
fn hostile_lines_take_linear_time() {
    let work = |line: &str| {
        assert_eq!(
            read_as(line.as_bytes(), Some(logfmt()), &options())
                .counts
                .lines_in,
            1
        );
    };
    for unit in [
        "a=a=", "\\", "\"", "a=\"", "a=1 ", ", ", ",,a", "\u{1b}[", " ", "a:b, ", "[[", "a=1,b=2;",
    ] {
        for start in ["", "a=1, b=\""] {
            let line = |bytes: usize| format!("{start}x{}", unit.repeat(bytes / unit.len()));
            assert_linear(unit, line, work);
        }
    }
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, into);
        } else if !path.to_string_lossy().ends_with(".md") {
            into.push(path);
        }
    }
}

#[test]
fn no_sample_of_another_format_is_taken() {
    if shared("aws/README.md").is_none() {
        return;
    }
    let root = PathBuf::from(std::env::var_os("HAETAE_SHARED").unwrap_or_else(|| "../../../shared".into()));
    let mut paths = Vec::new();
    for folder in ["aws", "apache_logs_10k", "loghub_2k", "scanner_access_log"] {
        files(&root.join("data").join(folder), &mut paths);
    }
    assert!(paths.len() > 60);
    for path in paths {
        let bytes = std::fs::read(&path).expect("a readable file");
        // Unpacks where the file is packed.
        let mut blocks = BlockReader::new(bytes.as_slice(), &Limits::default());
        let head = blocks.peek(64 * 1024);
        let name = sniff(head).map(Format::as_str);
        let shown = path.display().to_string();
        let ours = shown.ends_with("/Linux_2k.log.gz") || shown.ends_with("/OpenSSH_2k.log.gz");
        let taken = matches!(name, Some("syslog" | "cef" | "leef" | "logfmt"));
        assert_eq!(taken, ours, "{shown}: {name:?}");
    }
}
