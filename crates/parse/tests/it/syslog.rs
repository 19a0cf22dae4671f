//! Syslog of both RFCs, its deviations, its frames, and what its messages carry.

use crate::support::{Whole, assert_linear, read, read_as, shared};
use haetae_event::{Dataset, Micros};
use haetae_parse::{Format, Limits, ParseOptions, sniff};

fn options() -> ParseOptions {
    ParseOptions {
        arrival: Micros::parse_rfc3339("2026-01-01T00:30:00Z").expect("a time"),
        ..ParseOptions::default()
    }
}

fn one(line: &str) -> Whole {
    let syslog: Format = "syslog".parse().expect("a format");
    let whole = read_as(line.as_bytes(), Some(syslog), &options());
    assert_eq!(
        (whole.counts.events, whole.counts.lines_in),
        (1, 1),
        "{line:?} {:?}",
        whole.rejects
    );
    whole
}

fn check(line: &str, want: &[(&str, &str)]) {
    let whole = one(line);
    for (column, value) in want {
        assert_eq!(whole.cell(0, column), *value, "{column} of {line:?}");
    }
}

#[test]
fn rfc5424_fields() {
    let line =
        "<165>1 2003-08-24T05:14:15.000003-07:00 db-7.example shipd 8710 ID47 - \u{feff}disk %% 91 full";
    check(
        line,
        &[
            ("ts", "2003-08-24T12:14:15.000003Z"),
            ("priority", "165"),
            ("facility", "local4"),
            ("facility_code", "20"),
            ("severity", "notice"),
            ("severity_code", "5"),
            ("version", "1"),
            ("hostname", "db-7.example"),
            ("dst_host", "∅"),
            ("appname", "shipd"),
            ("procid", "8710"),
            ("msgid", "ID47"),
            ("structured_data", "∅"),
            ("message", "disk %% 91 full"),
            ("warnings", "∅"),
            ("raw", line),
        ],
    );
    check(
        "<0>1 - - - - - -",
        &[
            ("ts", "2026-01-01T00:30:00Z"),
            ("warnings", "ts_missing"),
            ("facility", "kern"),
            ("severity", "emerg"),
            ("hostname", "∅"),
            ("appname", "∅"),
            ("procid", "∅"),
            ("msgid", "∅"),
            ("message", "∅"),
        ],
    );
    // Structured data left out, and a line that ends early.
    check(
        "<14>1 2026-01-01T00:00:00Z h a 1 m no brackets here",
        &[
            ("msgid", "m"),
            ("message", "no brackets here"),
            ("structured_data", "∅"),
        ],
    );
    check(
        "<14>1 2026-01-01T00:00:00Z h",
        &[("hostname", "h"), ("message", "∅")],
    );
}

#[test]
fn structured_data_is_json() {
    check(
        r#"<13>1 2026-01-01T00:00:00Z h a - - [x@9 k="a \"b\" \\ c\] d\n" e=""][origin ip="192.0.2.1" ip="192.0.2.9"][flag] rest"#,
        &[
            (
                "structured_data",
                r#"{"x@9":{"k":"a \"b\" \\ c] d\\n","e":""},"origin":{"ip":["192.0.2.1","192.0.2.9"]},"flag":{}}"#,
            ),
            ("message", "rest"),
        ],
    );
    check(
        r#"<13>1 2026-01-01T00:00:00Z h a - - [x@9 k="no end"#,
        &[
            ("structured_data", "∅"),
            ("message", r#"[x@9 k="no end"#),
            ("warnings", "bad_structured_data"),
        ],
    );
    // What is no parameter is passed over.
    check(
        r#"<13>1 2026-01-01T00:00:00Z h a - - [x junk k="v" more][y a="]"] m"#,
        &[("structured_data", r#"{"x":{},"y":{"a":"]"}}"#), ("message", "m")],
    );
}

#[test]
fn rfc3164_fields() {
    check(
        "<38>Dec  9 06:55:46 gate sshd[24200]: Invalid user anna from 203.0.113.9",
        &[
            ("ts", "2025-12-09T06:55:46Z"),
            ("facility", "auth"),
            ("severity", "info"),
            ("version", "∅"),
            ("hostname", "gate"),
            ("appname", "sshd"),
            ("procid", "24200"),
            ("message", "Invalid user anna from 203.0.113.9"),
            ("account", "anna"),
            ("src_ip", "203.0.113.9"),
            ("warnings", "∅"),
        ],
    );
    // No priority, a tag without a process, one with odd letters.
    check(
        "Dec 31 23:59:59 combo kernel: out of memory",
        &[
            ("priority", "13"),
            ("facility", "user"),
            ("severity", "notice"),
            ("appname", "kernel"),
            ("procid", "∅"),
        ],
    );
    check(
        "Dec 31 23:59:59 combo sshd(pam_unix)[19939]: check pass; user unknown",
        &[
            ("appname", "sshd(pam_unix)"),
            ("procid", "19939"),
            ("message", "check pass; user unknown"),
        ],
    );
    check(
        "Dec 31 23:59:59 combo -- root[7]: ROOT LOGIN ON tty2",
        &[
            ("hostname", "combo"),
            ("appname", "∅"),
            ("message", "-- root[7]: ROOT LOGIN ON tty2"),
        ],
    );
    // No host; no time; nothing but a text.
    check(
        "<13>Dec 31 23:59:59 su[5]: no",
        &[("hostname", "∅"), ("appname", "su"), ("procid", "5")],
    );
    check(
        "<13>cron: done",
        &[
            ("appname", "cron"),
            ("message", "done"),
            ("ts", "2026-01-01T00:30:00Z"),
            ("warnings", "ts_missing"),
        ],
    );
    check(
        "<13>a text, no more",
        &[("appname", "∅"), ("message", "a text, no more")],
    );
    check(
        "<999>Dec 31 23:59:59 h a: b",
        &[("priority", "13"), ("warnings", "bad_priority"), ("appname", "a")],
    );
}

#[test]
fn a_version_behind_the_name_is_no_part_of_the_tag() {
    check(
        "Jun 19 04:09:11 combo syslogd 1.4.1: restart.",
        &[
            ("hostname", "combo"),
            ("appname", "syslogd"),
            ("message", "1.4.1: restart."),
        ],
    );
    // An address, a port: words of a message.
    for message in ["peer 192.0.2.1: timeout", "port 80: refused"] {
        check(
            &format!("Jun 19 04:09:11 combo {message}"),
            &[("hostname", "combo"), ("appname", "∅"), ("message", message)],
        );
    }
}

#[test]
fn the_year_is_the_latest_that_is_not_in_the_future() {
    // Half past midnight of the first of January.
    for (time, ts) in [
        ("Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
        ("Jan  1 00:00:00", "2026-01-01T00:00:00Z"),
        ("Jan  2 00:29:59", "2026-01-02T00:29:59Z"),
        ("Jan  2 00:30:01", "2025-01-02T00:30:01Z"),
        ("Feb 29 12:00:00", "2024-02-29T12:00:00Z"),
        ("Mar  1 2019 18:48:50", "2019-03-01T18:48:50Z"),
        ("Mar  1 18:48:50 2019", "2019-03-01T18:48:50Z"),
        ("Mar  1 18:48:50.25", "2025-03-01T18:48:50.25Z"),
        ("Fri Mar  1 18:48:50 2019", "2019-03-01T18:48:50Z"),
        ("2025-06-01T09:00:00.5+09:00", "2025-06-01T00:00:00.5Z"),
        ("2025-06-01 09:00:00", "2025-06-01T09:00:00Z"),
    ] {
        check(
            &format!("<13>{time} host app[1]: m"),
            &[
                ("ts", ts),
                ("hostname", "host"),
                ("appname", "app"),
                ("message", "m"),
                ("warnings", "∅"),
            ],
        );
    }
    let mut late = options();
    late.arrival = Micros::parse_rfc3339("2025-12-31T12:00:00Z").expect("a time");
    let whole = read(&b"Jan  1 11:00:00 h a: b\nFeb 30 11:00:00 h a: b\n"[..], &late);
    assert_eq!(whole.cell(0, "ts"), "2026-01-01T11:00:00Z");
    assert_eq!(whole.codes(), ["bad_field"], "there is no such day");
}

#[test]
fn cisco_forms() {
    let built = "Built outbound TCP connection";
    for (line, host, ts) in [
        (
            "<166>Mar 01 2025 18:48:50 asa1 : %ASA-6-302013: ",
            "asa1",
            "2025-03-01T18:48:50Z",
        ),
        (
            "<166>Mar 01 2025 18:48:50 asa1: %ASA-6-302013: ",
            "asa1",
            "2025-03-01T18:48:50Z",
        ),
        (
            "<166>Mar 01 2025 18:48:50: %ASA-6-302013: ",
            "∅",
            "2025-03-01T18:48:50Z",
        ),
        (
            "<166>45: *Mar  1 18:48:50.483 UTC: %ASA-6-302013: ",
            "∅",
            "2025-03-01T18:48:50.483Z",
        ),
        (
            "<166>45: gw2: .Mar  1 18:48:50 KST: %ASA-6-302013: ",
            "gw2",
            "2025-03-01T09:48:50Z",
        ),
        (
            "000045: *Mar  1 18:48:50: %ASA-6-302013: ",
            "∅",
            "2025-03-01T18:48:50Z",
        ),
    ] {
        check(
            &format!("{line}{built}"),
            &[
                ("hostname", host),
                ("ts", ts),
                ("appname", "ASA"),
                ("msgid", "ASA-6-302013"),
                ("message", built),
                ("warnings", "∅"),
            ],
        );
    }
    check(
        "<166>*Mar  1 18:48:50 XYZT: %SYS-5-CONFIG_I: x",
        &[("warnings", "unknown_timezone"), ("ts", "2025-03-01T18:48:50Z")],
    );
    check(
        "<166>%ASA-4-106023: Deny tcp",
        &[("msgid", "ASA-4-106023"), ("message", "Deny tcp")],
    );
    // A sequence number is no version.
    check("<13>1 cat sat", &[("version", "∅"), ("message", "1 cat sat")]);
    check(
        "<134>1 1563249630.774247467 roof urls src=10.1.2.3:80 dst=192.0.2.4:443 request: GET",
        &[
            ("version", "1"),
            ("ts", "2019-07-16T04:00:30.774248Z"),
            ("hostname", "roof"),
            ("src_ip", "10.1.2.3"),
        ],
    );
}

#[test]
fn json_and_pairs_in_the_message() {
    check(
        r#"<13>Dec 31 00:00:00 h api[3]: {"client_ip":"198.51.100.4","method":"GET","uri":"/a","status":503,"user":"kim","host":"shop.example","time":"x","nested":{"a":[1]},"n":null,"uri":"/b"}"#,
        &[
            ("src_ip", "198.51.100.4"),
            ("peer_ip", "198.51.100.4"),
            ("method", "GET"),
            ("uri", "/b"),
            ("status", "503"),
            ("account", "kim"),
            ("dst_host", "shop.example"),
            ("hostname", "h"),
            ("ts", "2025-12-31T00:00:00Z"),
            ("attrs", r#"{"time":"x","nested":{"a":[1]},"n":null}"#),
        ],
    );
    check(
        r#"<13>Dec 31 00:00:00 h api: @cee: {"pname":"auditd","ip":"2001:DB8::7"}"#,
        &[("src_ip", "2001:db8::7"), ("attrs", r#"{"pname":"auditd"}"#)],
    );
    // Broken JSON is a text.
    check(
        r#"<13>Dec 31 00:00:00 h api: {"a":1"#,
        &[("message", r#"{"a":1"#), ("attrs", "∅")],
    );
    check(
        r#"<189>date=2025-12-31 time=01:02:03 devname="fw 1" srcip=10.0.0.9 dstip=192.0.2.3 user="kim" action="deny""#,
        &[
            ("src_ip", "10.0.0.9"),
            ("account", "kim"),
            (
                "attrs",
                r#"{"date":"2025-12-31","time":"01:02:03","devname":"fw 1","dstip":"192.0.2.3","action":"deny"}"#,
            ),
        ],
    );
    check(
        "Dec 31 00:00:00 h kernel: [12.5] [UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.77 DST=10.0.0.1 DF PROTO=TCP DPT=22",
        &[
            ("src_ip", "192.0.2.77"),
            (
                "attrs",
                r#"{"IN":"eth0","OUT":"","DST":"10.0.0.1","PROTO":"TCP","DPT":"22"}"#,
            ),
        ],
    );
    // Prose with one equation, or two, is prose.
    check("Dec 31 00:00:00 h app: set a=1 and b=2 then", &[("attrs", "∅")]);
    check("Dec 31 00:00:00 h app: a=1", &[("attrs", "∅")]);
}

#[test]
fn logins() {
    for (message, account, address) in [
        (
            "Failed password for root from 192.0.2.1 port 4711 ssh2",
            "root",
            "192.0.2.1",
        ),
        (
            "Failed password for invalid user x y from 192.0.2.1 port 4711 ssh2",
            "x y",
            "192.0.2.1",
        ),
        (
            "Failed none for invalid user  from 2001:db8::5 port 1 ssh2",
            "∅",
            "2001:db8::5",
        ),
        (
            "Failed keyboard-interactive/pam for bob from 192.0.2.1 port 9 ssh2",
            "bob",
            "192.0.2.1",
        ),
        (
            "Accepted publickey for ada from 192.0.2.1 port 9 ssh2: RSA SHA256:abc",
            "ada",
            "192.0.2.1",
        ),
        ("Invalid user test from 192.0.2.1", "test", "192.0.2.1"),
        ("Invalid user  from 192.0.2.1 port 5", "∅", "192.0.2.1"),
        (
            "input_userauth_request: invalid user webmaster [preauth]",
            "webmaster",
            "∅",
        ),
        (
            "Connection closed by authenticating user git 192.0.2.1 port 5 [preauth]",
            "git",
            "192.0.2.1",
        ),
        (
            "Connection closed by invalid user a b 192.0.2.1 port 5 [preauth]",
            "a b",
            "192.0.2.1",
        ),
        ("Connection closed by 192.0.2.1 [preauth]", "∅", "192.0.2.1"),
        ("Connection reset by 192.0.2.1 port 22", "∅", "192.0.2.1"),
        ("Disconnected from user bob 192.0.2.1 port 5", "bob", "192.0.2.1"),
        (
            "Received disconnect from 192.0.2.1: 11: Bye Bye [preauth]",
            "∅",
            "192.0.2.1",
        ),
        (
            "Received disconnect from 192.0.2.1 port 7:11: Bye",
            "∅",
            "192.0.2.1",
        ),
        (
            "Did not receive identification string from 192.0.2.1",
            "∅",
            "192.0.2.1",
        ),
        (
            "error: maximum authentication attempts exceeded for root from 192.0.2.1 port 2 ssh2 [preauth]",
            "root",
            "192.0.2.1",
        ),
        (
            "message repeated 5 times: [ Failed password for root from 192.0.2.1 port 3 ssh2]",
            "root",
            "192.0.2.1",
        ),
        (
            "reverse mapping checking getaddrinfo for a.example [192.0.2.1] failed - POSSIBLE BREAK-IN ATTEMPT!",
            "∅",
            "192.0.2.1",
        ),
        (
            "User nobody from 192.0.2.1 not allowed because not listed in AllowUsers",
            "nobody",
            "192.0.2.1",
        ),
        (
            "pam_unix(sshd:session): session opened for user eve(uid=0) by (uid=0)",
            "eve",
            "∅",
        ),
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root",
            "root",
            "192.0.2.1",
        ),
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=some.example",
            "∅",
            "∅",
        ),
        ("Server listening on 0.0.0.0 port 22.", "∅", "∅"),
        // The user's name is the attacker's text.
        (
            "Failed password for invalid user a from 9.9.9.9 port 1 ssh2 from 192.0.2.1 port 4 ssh2",
            "a from 9.9.9.9 port 1 ssh2",
            "192.0.2.1",
        ),
        ("Failed password for root from nowhere", "∅", "∅"),
    ] {
        check(
            &format!("Dec 31 00:00:00 h sshd[1]: {message}"),
            &[("account", account), ("src_ip", address), ("message", message)],
        );
    }
    check(
        "Dec 31 00:00:00 h sudo:   kim : TTY=pts/0 ; PWD=/srv/kim ; USER=root ; COMMAND=/bin/cat /etc/shadow",
        &[
            ("account", "kim"),
            (
                "attrs",
                r#"{"TTY":"pts/0","PWD":"/srv/kim","USER":"root","COMMAND":"/bin/cat /etc/shadow"}"#,
            ),
        ],
    );
    check(
        "Dec 31 00:00:00 h ftpd[1]: connection from 192.0.2.8 () at Sat",
        &[("src_ip", "192.0.2.8"), ("account", "∅")],
    );
}

#[test]
fn mail_servers() {
    for (message, address) in [
        ("connect from unknown[192.0.2.4]", "192.0.2.4"),
        (
            "warning: unknown[2001:DB8::4]: SASL LOGIN authentication failed: x",
            "2001:db8::4",
        ),
        (
            "PREGREET 16 after 2.6 from [192.0.2.4]:41323: EHLO x",
            "192.0.2.4",
        ),
        ("warning: no address [here]", "∅"),
    ] {
        check(
            &format!("Dec 31 00:00:00 mx postfix/smtpd[1]: {message}"),
            &[("appname", "postfix/smtpd"), ("src_ip", address)],
        );
    }
    check(
        "Dec 31 00:00:00 mx dovecot: imap-login: Aborted: user=<a@b.example>, method=PLAIN, rip=192.0.2.1, lip=10.0.0.1",
        &[("src_ip", "192.0.2.1"), ("account", "<a@b.example>")],
    );
    check(
        "Fri Dec 31 00:00:00 2021 [pid 2] [bob] FAIL LOGIN",
        &[("hostname", "∅"), ("appname", "∅")],
    );
}

#[test]
fn frames_are_read_by_their_count() {
    let messages = [
        "<34>1 2026-01-01T00:00:00Z h a - - - first\nsecond line",
        "<34>1 2026-01-01T00:00:01Z h a - - - 한글 12 <5> x",
        "<34>Dec 31 00:00:02 h a: plain",
    ];
    let counted: String = messages.iter().map(|m| format!("{} {m}", m.len())).collect();
    let newlines: String = messages.iter().map(|m| format!("{} {m}\n", m.len())).collect();
    let mixed = format!("{counted}<13>Dec 31 00:00:03 h a: by line\n{counted}");
    for input in [&counted, &newlines, &mixed] {
        let want = read(input.as_bytes(), &options());
        assert_eq!(want.dataset, Some(Dataset::Syslog));
        assert_eq!(want.counts.rejected, 0, "{:?}", want.rejects);
        assert_eq!(want.cell(0, "message"), "first\nsecond line");
        assert_eq!(want.cell(0, "raw"), messages[0]);
        assert_eq!(want.cell(1, "message"), "한글 12 <5> x");
        assert_eq!(want.cell(2, "message"), "plain");
        for block_bytes in [1, 10, 60, 100] {
            let limits = Limits {
                block_bytes,
                record_bytes_max: 200,
                ..Limits::default()
            };
            let some = read(input.as_bytes(), &ParseOptions { limits, ..options() });
            assert_eq!(
                (some.rows, some.ordinals),
                (want.rows.clone(), want.ordinals.clone())
            );
        }
    }
    assert_eq!(read(mixed.as_bytes(), &options()).counts.events, 7);
    // NUL ends a message, alone or before a newline.
    for end in ["\0", "\0\n"] {
        let input: String = messages[1..].iter().map(|m| format!("{m}{end}")).collect();
        let whole = read(input.as_bytes(), &options());
        assert_eq!(
            (whole.counts.events, whole.counts.rejected, whole.counts.skipped),
            (2, 0, 0)
        );
        assert_eq!(whole.cell(0, "message"), "한글 12 <5> x");
    }
    // Counts that lead nowhere are taken off, line by line.
    let lines = "12 <13>Dec 31 00:00:03 h a: one\n9 <13>Dec 31 00:00:03 h a: two\n";
    let whole = read(lines.as_bytes(), &options());
    assert_eq!(
        (whole.cell(0, "message"), whole.cell(1, "message")),
        ("one", "two")
    );
}

#[test]
fn damaged_frames_are_counted() {
    let good = "<34>Dec 31 00:00:02 h a: plain";
    let cut = format!("{} {good}99 <34>Dec 31 00:00:02 h", good.len());
    let whole = read(cut.as_bytes(), &options());
    assert_eq!((whole.counts.events, whole.codes()), (1, vec!["cut_tail"]));
    // A count that ends inside a character, and bytes that are no UTF-8.
    let (n, inside) = (good.len(), good.len() + 1);
    let torn = format!("{n} {good}{inside} {good}한글\n{n} {good}");
    let whole = read(torn.as_bytes(), &options());
    assert_eq!(
        (whole.counts.events, whole.cell(1, "warnings")),
        (3, "invalid_utf8")
    );
    assert_eq!(whole.codes(), ["bad_field"], "the rest of the torn line");
    let mut bytes = format!("{} {good}\u{80}", good.len() + 1).into_bytes();
    bytes.pop();
    bytes.extend(format!("{} {good}", good.len()).bytes());
    let whole = read(bytes.as_slice(), &options());
    assert_eq!(
        (whole.counts.events, whole.cell(0, "warnings")),
        (2, "invalid_utf8")
    );
    // A count beyond every limit holds nothing up.
    let huge = format!("{} {good}9999999 {good}\n{good}\n", good.len());
    let whole = read(huge.as_bytes(), &options());
    assert_eq!((whole.counts.events, whole.counts.rejected), (3, 0));
}

#[test]
fn what_is_no_syslog_is_refused() {
    let input = "<13>Dec 31 00:00:02 h a: b\n\tat java.base/Thread.run\n\n<>x\n";
    let whole = read(input.as_bytes(), &options());
    assert_eq!((whole.counts.events, whole.counts.skipped), (1, 1));
    assert_eq!(whole.codes(), ["bad_field", "bad_field"]);
}

#[test]
fn other_formats_lines_are_left_alone() {
    let name = |text: &str| sniff(text.as_bytes()).map(Format::as_str);
    assert_eq!(name("2026-01-01T00:00:00Z INFO server: started\n"), None);
    assert_eq!(name("2026-01-01T00:00:00Z START RequestId: 1-2\n"), None);
    assert_eq!(
        name("2026-01-01T00:00:00.1+09:00 box sshd[1]: hi\n"),
        Some("syslog")
    );
    assert_eq!(name("<34>1 - - - - - -\n"), Some("syslog"));
    assert_eq!(name("<html>\n"), None);
    assert_eq!(name("<190>x\n"), Some("syslog"));
    assert_eq!(name("<192>x\n"), None);
    let access =
        r#"192.0.2.1 - - [10/Oct/2025:13:55:36 +0000] "GET /?a=1&b=2 c=3 HTTP/1.1" 200 5 "-" "x=1 y=2""#;
    assert_eq!(name(access), Some("combined"));
    assert_eq!(
        name(&format!("<190>Dec 31 00:00:00 web nginx: {access}")),
        Some("combined")
    );
}

#[test]
fn hostile_lines_take_linear_time() {
    let syslog: Format = "syslog".parse().expect("a format");
    let work = |line: &str| {
        assert_eq!(
            read_as(line.as_bytes(), Some(syslog), &options()).counts.lines_in,
            1
        );
    };
    let patterns = [
        ("<13>Dec 31 00:00:00 h a: ", "a=a="),
        ("<13>Dec 31 00:00:00 h a: ", "a=\""),
        ("<13>Dec 31 00:00:00 h a: a=1, ", ", b"),
        ("<13>1 2026-01-01T00:00:00Z h a - - [x a=\"", "\\"),
        ("<13>1 2026-01-01T00:00:00Z h a - - ", "[x a=\"1\" a=\"2\"]"),
        ("<13>1 2026-01-01T00:00:00Z h a - - [x ", "a=\"1\" "),
        (
            "<13>Dec 31 00:00:00 h sshd[1]: Failed password for ",
            " from 1.2.3.4",
        ),
        ("<13>Dec 31 00:00:00 h a: {\"a\":", "[{\"a\":"),
        ("", "1: "),
        ("<13>", "[a]"),
    ];
    for (start, unit) in patterns {
        let line = |bytes: usize| format!("{start}{}", unit.repeat(bytes / unit.len()));
        assert_linear(unit, line, work);
    }
}

#[test]
fn shared_samples_are_recognised() {
    for (path, host) in [
        ("loghub_2k/Linux/Linux_2k.log.gz", "combo"),
        ("loghub_2k/OpenSSH/OpenSSH_2k.log.gz", "LabSZ"),
    ] {
        let Some(bytes) = shared(path) else { return };
        let whole = read(bytes.as_slice(), &options());
        assert_eq!(whole.dataset, Some(Dataset::Syslog), "{path}");
        assert_eq!((whole.counts.events, whole.counts.rejected), (2000, 0), "{path}");
        for row in 0..2000 {
            assert_eq!(whole.cell(row, "hostname"), host, "{}", whole.cell(row, "raw"));
        }
        let with = |column: &str| (0..2000).filter(|&row| whole.cell(row, column) != "∅").count();
        eprintln!(
            "{path}: src_ip {}, account {}, appname {}",
            with("src_ip"),
            with("account"),
            with("appname")
        );
    }
}
