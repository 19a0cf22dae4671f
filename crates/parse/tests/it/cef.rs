//! CEF: header, extension, labels, times, and lines that break its rules.

use crate::support::{assert_linear, read, read_as};
use haetae_event::{Dataset, Micros};
use haetae_parse::{Format, Limits, ParseOptions, sniff};

fn options() -> ParseOptions {
    ParseOptions {
        arrival: Micros::parse_rfc3339("2026-01-01T00:30:00Z").expect("a time"),
        ..ParseOptions::default()
    }
}

fn check(line: &str, want: &[(&str, &str)]) {
    let whole = read(line.as_bytes(), &options());
    assert_eq!(whole.dataset, Some(Dataset::Cef), "{line:?}");
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

fn extension(text: &str, want: &[(&str, &str)]) {
    check(&format!("CEF:0|V|P|1|7|n|5|{text}"), want);
}

#[test]
fn header_and_keys() {
    let line = r"<134>1 2025-12-31T10:00:00Z waf-1 cef - - - CEF:1|Acme \| Sons|Gate\\Way|2.1|942100|SQL = bad|8|rt=1767175200123 src=203.0.113.5 spt=4711 dst=10.0.0.7 dpt=443 dhost=shop.example proto=TCP app=HTTPS act=Blocked request=https://shop.example:443/a/b?x=1&y=2#top requestMethod=POST requestClientApplication=Mozilla/5.0 (X11; Linux) in=512 out=1024 suser=kim duser=root cnt=3 outcome=failure msg=two words here  cat=web/attack externalId=e-9 fname=a b.txt";
    check(
        line,
        &[
            ("ts", "2025-12-31T10:00:00.123Z"),
            ("hostname", "waf-1"),
            ("cefversion", "1"),
            ("devicevendor", "Acme | Sons"),
            ("deviceproduct", r"Gate\Way"),
            ("deviceversion", "2.1"),
            ("rule_id", "942100"),
            ("name", "SQL = bad"),
            ("severity", "8"),
            ("severity_number", "8"),
            ("src", "203.0.113.5"),
            ("src_ip", "203.0.113.5"),
            ("peer_ip", "203.0.113.5"),
            ("spt", "4711"),
            ("dst", "10.0.0.7"),
            ("dpt", "443"),
            ("dst_host", "shop.example"),
            ("proto", "TCP"),
            ("app", "HTTPS"),
            ("act", "Blocked"),
            ("blocked", "true"),
            ("uri", "/a/b?x=1&y=2"),
            ("request", "https://shop.example:443/a/b?x=1&y=2#top"),
            ("method", "POST"),
            ("ua", "Mozilla/5.0 (X11; Linux)"),
            ("bytes_in", "512"),
            ("bytes_out", "1024"),
            ("account", "kim"),
            ("suser", "kim"),
            ("duser", "root"),
            ("cnt", "3"),
            ("outcome", "failure"),
            ("msg", "two words here"),
            ("cat", "web/attack"),
            ("externalid", "e-9"),
            ("fname", "a b.txt"),
            ("attrs", "∅"),
            ("warnings", "∅"),
            ("raw", line),
        ],
    );
    check(
        "Dec 31 23:00:00 fw1 CEF: 0|V|P|1|id|n|Very-High|",
        &[
            ("ts", "2025-12-31T23:00:00Z"),
            ("hostname", "fw1"),
            ("severity_number", "10"),
            ("src_ip", "∅"),
        ],
    );
    check(
        "\u{feff}CEF:0|V|P|1|id|n|Unknown",
        &[
            ("ts", "2026-01-01T00:30:00Z"),
            ("warnings", "ts_missing"),
            ("severity", "Unknown"),
            ("severity_number", "∅"),
        ],
    );
}

#[test]
fn values_end_before_the_next_key() {
    // `=` left alone in a URL, then words that look like keys.
    extension(
        "request=/a?b=c d=e&src2=f act=drop",
        &[("uri", "/a?b=c d=e&src2=f"), ("blocked", "true"), ("attrs", "∅")],
    );
    extension(
        "msg=got user=root here spt=5",
        &[("msg", "got user=root here"), ("spt", "5")],
    );
    // A vendor's own key behind plain values, even behind one with an escaped `=`.
    extension(
        r"cs2=a\=b myKey=1 ad.user[0]=x y app=ssh",
        &[
            ("cs2", "a=b"),
            ("attrs", r#"{"myKey":"1","ad.user[0]":"x y"}"#),
            ("app", "ssh"),
        ],
    );
    // An unescaped one shows that the sender does not escape.
    extension(
        "cs2=q=1 r=2 app=ssh",
        &[("cs2", "q=1 r=2"), ("app", "ssh"), ("attrs", "∅")],
    );
    extension(
        r"filePath=C:\\tmp\\x msg=a\nb\r\| \q \= dpt=1",
        &[("filepath", r"C:\tmp\x"), ("msg", "a\nb\r| \\q ="), ("dpt", "1")],
    );
    // Of equal keys the last; nothing and `-` are null; what is no number is kept.
    extension(
        "src=10.0.0.1 src=10.0.0.2 dst= suser=- spt=http",
        &[
            ("src_ip", "10.0.0.2"),
            ("dst", "∅"),
            ("dst_host", "∅"),
            ("account", "∅"),
            ("spt", "∅"),
            ("attrs", r#"{"spt":"http"}"#),
        ],
    );
    // The header's fields and the derived columns are not the extension's to write.
    extension(
        "app=x name=evil severity=0 hostname=h cefVersion=9",
        &[
            ("name", "n"),
            ("severity", "5"),
            ("hostname", "∅"),
            ("cefversion", "0"),
            (
                "attrs",
                r#"{"name":"evil","severity":"0","hostname":"h","cefVersion":"9"}"#,
            ),
        ],
    );
    extension(
        "src=nobody",
        &[
            ("src_ip", "∅"),
            ("peer_ip", "nobody"),
            ("warnings", "bad_address,ts_missing"),
        ],
    );
}

#[test]
fn labels_are_resolved() {
    extension(
        "cs1Label=Rule Group cs1=web base cn1=42 cn1Label=risk cs7=31.8 cs7Label=latitude cs2Label=empty",
        &[
            ("cs1", "web base"),
            ("cs1label", "Rule Group"),
            ("cn1", "42"),
            (
                "attrs",
                r#"{"cs7":"31.8","cs7Label":"latitude","Rule Group":"web base","latitude":"31.8","risk":"42"}"#,
            ),
        ],
    );
    extension(
        "c6a2=2001:DB8::1 c6a2Label=Source IPv6 Address c6a3=2001:db8::2 c6a3Label=Destination IPv6 Address",
        &[
            ("src_ip", "2001:db8::1"),
            ("peer_ip", "2001:DB8::1"),
            ("src", "∅"),
        ],
    );
    extension(
        "c6a2=2001:db8::1 c6a2Label=Destination c6a3=2001:db8::2 c6a3Label=Source",
        &[("src_ip", "2001:db8::2")],
    );
}

#[test]
fn times() {
    for (text, ts) in [
        ("rt=1767175200000", "2025-12-31T10:00:00Z"),
        ("rt=Dec 31 2025 10:00:00", "2025-12-31T10:00:00Z"),
        ("rt=Dec 31 2025 10:00:00.250 KST", "2025-12-31T01:00:00.25Z"),
        ("rt=Dec 31 10:00:00 GMT", "2025-12-31T10:00:00Z"),
        ("rt=2025-12-31T10:00:00+09:00", "2025-12-31T01:00:00Z"),
        ("start=1767175200000 end=1767175300000", "2025-12-31T10:00:00Z"),
        ("end=1767175300000", "2025-12-31T10:01:40Z"),
    ] {
        extension(text, &[("ts", ts), ("warnings", "∅")]);
    }
    extension(
        "rt=soon end=1767175300000",
        &[("ts", "2025-12-31T10:01:40Z"), ("warnings", "bad_time")],
    );
}

#[test]
fn actions() {
    for (act, blocked) in [
        ("Deny", "true"),
        ("DROPPED", "true"),
        ("reset", "true"),
        ("quarantined", "true"),
        ("allow", "false"),
        ("Permitted", "false"),
        ("something", "∅"),
    ] {
        extension(&format!("act={act}"), &[("blocked", blocked)]);
    }
}

#[test]
fn uris() {
    for (request, uri, host) in [
        ("http://a.example", "∅", "a.example"),
        ("http://u:p@a.example:80?q", "?q", "a.example"),
        ("https://[2001:db8::1]:8443/x", "/x", "[2001:db8::1]"),
        ("/only/path", "/only/path", "∅"),
        ("/go?to=http://b.example/", "/go?to=http://b.example/", "∅"),
    ] {
        extension(&format!("request={request}"), &[("uri", uri), ("dst_host", host)]);
    }
}

#[test]
fn bad_lines_are_refused_or_counted() {
    let cef: Format = "cef".parse().expect("a format");
    let wide: String = (0..2000).map(|i| format!("k{i}=1 ")).collect();
    let input =
        format!("CEF:0|V|P|1|2|n|5|a\nCEF:0|V|P|1\n<13>Dec 31 00:00:00 h a: b\nCEF:0|V|P|1|2|n|5|{wide}\n");
    let whole = read_as(input.as_bytes(), Some(cef), &options());
    assert_eq!(whole.counts.events, 1);
    assert_eq!(whole.codes(), ["field_count", "bad_field", "too_complex"]);
    // A backslash before everything.
    let whole = read_as(&br"CEF:0|V|P|1|2|n|5\|\"[..], Some(cef), &options());
    assert_eq!(whole.cell(0, "severity"), r"5|\");
}

#[test]
fn frames_and_sniffing() {
    let name = |text: &str| sniff(text.as_bytes()).map(Format::as_str);
    let line = "<13>Dec 31 00:00:00 h CEF:0|V|P|1|2|n|5|src=10.0.0.1 msg=a";
    let other = "<13>Dec 31 00:00:00 h a: b";
    assert_eq!(name(&format!("{line}\n{line}\n{other}\n")), Some("cef"));
    assert_eq!(name(&format!("{line}\n{other}\n{other}\n")), Some("syslog"));
    assert_eq!(name("about CEF: the format|x\n"), None);
    let framed = format!("{} {line}", line.len()).repeat(3);
    let want = read(framed.as_bytes(), &options());
    assert_eq!((want.dataset, want.counts.events), (Some(Dataset::Cef), 3));
    for block_bytes in [1, 50, 100] {
        let limits = Limits {
            block_bytes,
            record_bytes_max: 300,
            ..Limits::default()
        };
        assert_eq!(
            read(framed.as_bytes(), &ParseOptions { limits, ..options() }).rows,
            want.rows
        );
    }
}

#[test]
fn hostile_lines_take_linear_time() {
    let cef: Format = "cef".parse().expect("a format");
    let work = |line: &str| {
        assert_eq!(read_as(line.as_bytes(), Some(cef), &options()).counts.lines_in, 1);
    };
    for unit in [
        "a=a=",
        "\\",
        "=",
        " a=",
        "\\=",
        "CEF:",
        "src=1 ",
        "cs1Label=x cs1=y ",
        "|",
        " ",
    ] {
        let line = |bytes: usize| format!("CEF:0|V|P|1|2|n|5|msg={}", unit.repeat(bytes / unit.len()));
        assert_linear(unit, line, work);
    }
}
