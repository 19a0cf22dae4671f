//! CloudFront beyond the tab-separated legacy file: v2 as JSON and with other delimiters, real-time
//! records, configured lists, and the traps of the legacy format.

use crate::support::{CLOUDFRONT, Whole, read, read_as, shared};
use haetae_event::net::ClientIpPolicy;
use haetae_event::{Columns, Dataset, Micros};
use haetae_parse::{Format, Limits, ParseOptions, sniff};
use proptest::prelude::*;

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn listed(names: &str) -> ParseOptions {
    ParseOptions {
        flow_format: Some(names.into()),
        ..options()
    }
}

fn format(name: &str) -> Format {
    name.parse().expect("a format")
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

/// The same rows whatever the blocks are.
fn read_in_blocks(text: &str, forced: Option<Format>, options: &ParseOptions) -> Whole {
    let want = read_as(text.as_bytes(), forced, options);
    for block_bytes in [1, 64, 333] {
        let small = ParseOptions {
            limits: Limits {
                block_bytes,
                ..Limits::default()
            },
            ..options.clone()
        };
        let got = read_as(text.as_bytes(), forced, &small);
        assert_eq!(got.rows, want.rows);
        assert_eq!(got.ordinals, want.ordinals);
        assert_eq!((got.counts, got.codes()), (want.counts, want.codes()));
    }
    want
}

/// Every row of a tab-separated text with a header as one JSON object, all values strings.
fn as_json(text: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut out = String::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("#Fields:") {
            names = header.split_whitespace().collect();
        } else if !line.is_empty() && !line.starts_with('#') {
            let members: Vec<String> = names
                .iter()
                .zip(line.split('\t'))
                .map(|(name, value)| format!("{}:{}", serde_json::json!(name), serde_json::json!(value)))
                .collect();
            out.push_str(&format!("{{{}}}\n", members.join(",")));
        }
    }
    out
}

/// All cells but `raw`, by column.
fn cells(whole: &Whole) -> Vec<Vec<(String, Option<String>)>> {
    let named = |row: &Vec<Option<String>>| {
        let pairs = whole.columns.iter().cloned().zip(row.iter().cloned());
        pairs.filter(|(name, _)| name != "raw").collect()
    };
    whole.rows.iter().map(named).collect()
}

#[test]
fn json_has_the_cells_of_lines() {
    let mut texts = vec![
        CLOUDFRONT
            .rsplit_once("\n2019")
            .expect("a cut last row")
            .0
            .to_owned(),
    ];
    for path in [
        "aws/cloudfront/opensearch-catalog-v1-33f.log",
        "aws/cloudfront/aws-log-parser-multiple.log",
        "aws/elastic-integrations/cloudfront/test-cloudfront.log",
    ] {
        texts.extend(shared(path).map(|bytes| String::from_utf8(bytes).expect("the samples are text")));
    }
    for text in texts {
        let lines = read(text.as_bytes(), &options());
        let json = read(as_json(&text).as_bytes(), &options());
        assert_eq!(
            (json.dataset, json.counts.rejected),
            (Some(Dataset::CloudFront), 0)
        );
        assert_eq!(cells(&json), cells(&lines));
    }
}

const RECORD: &str = r#"{"date":"2024-11-14","time":"21:34:06","x-edge-location":"SOF50-P2","asn":"16509","timestamp(ms)":"1731620046814","origin-fbl":"0.251","origin-lbl":"0.251","x-host-header":"d111111abcdef8.cloudfront.net","cs(Cookie)":"examplecookie=value","c-ip":"192.0.2.9","cs-method":"GET","cs-uri-stem":"\/a\/b.html","cs-uri-query":"q=1%252B1","sc-status":"000","cs(User-Agent)":"Mozilla/5.0%20(a%5C\"b)","cs(Referer)":"-","sc-bytes":"12","cs-bytes":34,"time-taken":null,"c-country":"BG","x-edge-request-id":"id==","newest-field":{"a":[1]}}"#;

#[test]
fn json_fields() {
    let pretty = RECORD.replace(',', ",\n ");
    for text in [
        RECORD.to_owned(),
        format!("{RECORD}{RECORD}"),
        format!("[{RECORD},\n{RECORD}]"),
        pretty,
    ] {
        let whole = read_in_blocks(&text, None, &options());
        assert_eq!(
            (whole.dataset, whole.counts.rejected),
            (Some(Dataset::CloudFront), 0)
        );
        check(
            &whole,
            0,
            &[
                ("ts", "2024-11-14T21:34:06.814Z"),
                ("date", "2024-11-14"),
                ("timestamp_ms", "1731620046814"),
                ("asn", "16509"),
                ("origin_fbl", "0.251"),
                ("cs_cookie", "examplecookie=value"),
                ("dst_host", "d111111abcdef8.cloudfront.net"),
                ("uri", "/a/b.html?q=1%252B1"),
                ("cs_uri_stem", "/a/b.html"),
                ("status", "∅"),
                ("sc_status", "0"),
                ("ua", "Mozilla/5.0 (a\\\"b)"),
                ("cs_referer", "∅"),
                ("bytes_out", "12"),
                ("bytes_in", "34"),
                ("time_taken", "∅"),
                ("c_country", "BG"),
                ("request_id", "id=="),
                ("blocked", "∅"),
                ("src_ip", "192.0.2.9"),
                ("attrs", "{\"newest-field\":{\"a\":[1]}}"),
                ("warnings", "∅"),
            ],
        );
    }
}

#[test]
fn json_keys_in_another_order_or_missing() {
    let text = concat!(
        "{\"c-ip\":\"192.0.2.1\",\"date\":\"2026-01-02\",\"time\":\"00:00:01\",\"cs-uri-stem\":\"/a\"}\n",
        "{\"time\":\"00:00:02\",\"cs-uri-stem\":\"/b\",\"date\":\"2026-01-02\",\"zone\":\"x\"}\n",
        "{\"cs-uri-stem\":\"/c\",\"c-ip\":\"192.0.2.3\"}\n",
        "{\"date\":\"2026-13-02\",\"time\":\"00:00:02\",\"c-ip\":\"192.0.2.3\"}\n",
        "{\"message\":\"hello\"}\n",
    );
    let arrival = Micros::parse_rfc3339("2026-03-02T00:00:00Z").expect("a time");
    let whole = read_in_blocks(text, None, &ParseOptions { arrival, ..options() });
    assert_eq!(whole.dataset, Some(Dataset::CloudFront));
    assert_eq!((whole.counts.events, whole.codes()), (3, vec!["bad_field"; 2]));
    check(
        &whole,
        0,
        &[("uri", "/a"), ("src_ip", "192.0.2.1"), ("attrs", "∅")],
    );
    check(
        &whole,
        1,
        &[("uri", "/b"), ("src_ip", "∅"), ("attrs", "{\"zone\":\"x\"}")],
    );
    check(
        &whole,
        2,
        &[("ts", "2026-03-02T00:00:00Z"), ("warnings", "ts_missing")],
    );
}

#[test]
fn json_is_not_taken_for_cloudfront() {
    for text in [
        r#"{"message":"\"x-edge-location\": none","level":"info"}"#,
        r#"{"c-ip":"192.0.2.1","cs-method":"GET","sc-win32-status":"0"}"#,
    ] {
        assert_ne!(sniff(text.as_bytes()), Some(format("cloudfront-json")), "{text}");
    }
}

const NAMES: [&str; 10] = [
    "timestamp(ms)",
    "c-ip",
    "cs-uri-stem",
    "sc-status",
    "cs(User-Agent)",
    "cs-uri-query",
    "x-edge-result-type",
    "x-host-header",
    "time-taken",
    "my-field",
];
const VALUES: [&str; 10] = [
    "1731620046814",
    "192.0.2.9",
    "/a",
    "403",
    "Mozilla/5.0%20(X11)",
    "q=1",
    "Error",
    "www.example.com",
    "0.25",
    "v\"1",
];

fn check_values(whole: &Whole, row: usize) {
    check(
        whole,
        row,
        &[
            ("ts", "2024-11-14T21:34:06.814Z"),
            ("src_ip", "192.0.2.9"),
            ("uri", "/a?q=1"),
            ("status", "403"),
            ("ua", "Mozilla/5.0 (X11)"),
            ("blocked", "true"),
            ("dst_host", "www.example.com"),
            ("time_taken", "0.25"),
            ("attrs", "{\"my-field\":\"v\\\"1\"}"),
            ("warnings", "∅"),
        ],
    );
}

#[test]
fn any_delimiter_is_found_from_the_rows() {
    for delimiter in ["\t", ",", " ", ";", "|"] {
        let row = VALUES.join(delimiter);
        let text = format!("#Version: 1.0\n#Fields: {}\n{row}\n{row}\n", NAMES.join(" "));
        let whole = read_in_blocks(&text, None, &options());
        assert_eq!(
            (whole.counts.events, whole.counts.skipped),
            (2, 2),
            "{delimiter:?}"
        );
        check_values(&whole, 0);
        check_values(&whole, 1);
        // Names with the delimiter of the rows.
        let text = format!("#Fields:{}\n{row}\n", NAMES.join(delimiter));
        check_values(&read_in_blocks(&text, None, &options()), 0);
        // Without a header, from a list.
        let whole = read_in_blocks(&format!("{row}\n"), None, &listed(&NAMES.join(",")));
        assert_eq!(whole.dataset, Some(Dataset::CloudFront));
        check_values(&whole, 0);
    }
    let row = VALUES.join("!");
    let chosen = ParseOptions {
        delimiter: Some(b'!'),
        ..listed(&NAMES.join(" "))
    };
    check_values(&read_in_blocks(&row, Some(format("cloudfront")), &chosen), 0);
}

#[test]
fn headers_may_change_layout_and_delimiter() {
    let comma = VALUES.join(",");
    let text = format!(
        "#Fields: {}\n{comma}\n#Fields: date time c-ip cs-uri-stem\n2026-01-02 00:00:02 192.0.2.1 /b\n\
         2026-01-02\t00:00:02\t192.0.2.1\t/b\n#Fields: {}\n{}\n",
        NAMES.join(" "),
        NAMES.join(" "),
        VALUES.join("\t"),
    );
    let whole = read_in_blocks(&text.repeat(3), Some(format("cloudfront")), &options());
    assert_eq!((whole.counts.events, whole.counts.rejected), (9, 3));
    for part in 0..3 {
        check_values(&whole, part * 3);
        check(
            &whole,
            part * 3 + 1,
            &[("uri", "/b"), ("ts", "2026-01-02T00:00:02Z"), ("attrs", "∅")],
        );
        check_values(&whole, part * 3 + 2);
    }
}

/// Each header costs its own lines, not the rest of the block.
#[test]
fn many_headers_take_no_longer() {
    let pair = "#Fields: date time c-ip\n2026-01-02,00:00:01,192.0.2.1\n#Fields: time date c-ip\n00:00:01\t2026-01-02\t192.0.2.1\n";
    let one_block = ParseOptions {
        limits: Limits {
            block_bytes: 16 << 20,
            ..Limits::default()
        },
        ..options()
    };
    let clock = std::time::Instant::now();
    let whole = read(pair.repeat(40_000).as_bytes(), &one_block);
    assert_eq!((whole.counts.events, whole.counts.skipped), (80_000, 80_000));
    // Four megabytes; to look at the rest of the block each time would be 180 GB.
    assert!(clock.elapsed().as_secs() < 20, "{:?}", clock.elapsed());
}

#[test]
fn delimiters_inside_values_are_joined() {
    let agent = "Mozilla/5.0%20(KHTML,%20like%20Gecko)";
    let row = |agent: &str, query: &str, status: &str| {
        let mut values = VALUES;
        (values[4], values[5], values[3]) = (agent, query, status);
        values.join(",")
    };
    let text = format!(
        "#Fields: {}\n{}\n{}\n{}\n{}\n",
        NAMES.join(" "),
        row(agent, "q=1", "403"),
        row("curl", "q=1,2,3", "200"),
        row(agent, "q=1,2,3", "200"),
        row("curl", "q=1", "2,00"),
    );
    let whole = read_in_blocks(&text, None, &options());
    let joined = ("warnings", "delimiter_in_value");
    let decoded = ("ua", "Mozilla/5.0 (KHTML, like Gecko)");
    check(
        &whole,
        0,
        &[decoded, ("uri", "/a?q=1"), ("status", "403"), joined],
    );
    assert_eq!(whole.cell(1, "ts"), "2024-11-14T21:34:06.814Z");
    check(
        &whole,
        2,
        &[decoded, ("uri", "/a?q=1,2,3"), ("time_taken", "0.25"), joined],
    );
    assert_eq!(whole.codes(), ["field_count"]);
}

#[test]
fn a_list_without_time_takes_the_arrival() {
    let arrival = Micros::parse_rfc3339("2026-03-02T00:00:00Z").expect("a time");
    let options = ParseOptions {
        arrival,
        ..listed("c-ip cs-uri-stem sc-status")
    };
    let whole = read_in_blocks("192.0.2.1\t/a\t200\n192.0.2.2\t/b\n", None, &options);
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-02T00:00:00Z"),
            ("uri", "/a"),
            ("warnings", "ts_missing"),
        ],
    );
    assert_eq!(whole.codes(), ["field_count"]);
}

const REALTIME: [&str; 69] = {
    let mut fields = ["-"; 69];
    fields[0] = "1731620046.814";
    fields[1] = "2001:DB8::1";
    fields[2] = "203.0.113.80";
    fields[3] = "0.002";
    fields[4] = "200";
    fields[5] = "392";
    fields[6] = "GET";
    fields[7] = "https";
    fields[8] = "www.example.com";
    fields[9] = "/a.html?q=1";
    fields[10] = "23";
    fields[11] = "SEA19-C1";
    fields[12] = "id==";
    fields[13] = "d1.cloudfront.net";
    fields[14] = "0.003";
    fields[15] = "HTTP/2.0";
    fields[16] = "IPv6";
    fields[17] = "Mozilla/5.0%20(X11)";
    fields[18] = "https://e.example/%3F";
    fields[19] = "a=b";
    fields[20] = "q=1";
    fields[21] = "Hit";
    fields[22] = "10.0.0.1";
    fields[25] = "LimitExceeded";
    fields[32] = "11040";
    fields[34] = "KR";
    fields[40] = "7";
    fields[41] = "EDFDVBD6EXAMPLE";
    fields[45] = "16509";
    fields[46] = "3200";
    fields[56] = "1.5";
    fields[64] = "origin.example";
    fields[68] = "conn";
    fields
};

/// `s-ip` is the third field.
fn realtime(server: bool, fields: usize) -> String {
    let mut values: Vec<&str> = REALTIME[..fields].to_vec();
    if !server {
        values.remove(2);
    }
    values.join("\t") + "\n"
}

#[test]
fn realtime_fields() {
    for server in [true, false] {
        let whole = read_in_blocks(&realtime(server, 69).repeat(3), None, &options());
        assert_eq!(
            (whole.dataset, whole.counts.events),
            (Some(Dataset::CloudFront), 3)
        );
        check(
            &whole,
            1,
            &[
                ("ts", "2024-11-14T21:34:06.814Z"),
                ("timestamp", "1731620046.814"),
                ("peer_ip", "2001:DB8::1"),
                ("src_ip", "2001:db8::1"),
                ("s_ip", if server { "203.0.113.80" } else { "∅" }),
                ("status", "200"),
                ("bytes_out", "392"),
                ("bytes_in", "23"),
                ("method", "GET"),
                // The stem has the query already; Host header and distribution are swapped.
                ("uri", "/a.html?q=1"),
                ("cs_uri_stem", "/a.html?q=1"),
                ("cs_uri_query", "q=1"),
                ("dst_host", "www.example.com"),
                ("cs_host", "www.example.com"),
                ("x_host_header", "d1.cloudfront.net"),
                ("ua", "Mozilla/5.0 (X11)"),
                ("cs_referer", "https://e.example/?"),
                ("cs_cookie", "a=b"),
                ("time_to_first_byte", "0.002"),
                ("time_taken", "0.003"),
                ("x_edge_result_type", "LimitExceeded"),
                ("blocked", "true"),
                ("c_ip_version", "IPv6"),
                ("c_port", "11040"),
                ("c_country", "KR"),
                ("cs_headers_count", "7"),
                ("primary_distribution_id", "EDFDVBD6EXAMPLE"),
                ("asn", "16509"),
                ("cmcd_encoded_bitrate", "3200"),
                ("cmcd_playback_rate", "1.5"),
                ("r_host", "origin.example"),
                ("connection_id", "conn"),
                ("request_id", "id=="),
                ("warnings", "∅"),
                ("attrs", "∅"),
            ],
        );
    }
}

#[test]
fn realtime_catalogues_of_every_time() {
    let text: String = [41, 46, 64, 67, 69]
        .into_iter()
        .flat_map(|fields| [realtime(true, fields), realtime(false, fields)])
        .collect();
    let whole = read_in_blocks(&text, None, &options());
    assert_eq!((whole.counts.events, whole.counts.rejected), (10, 0));
    for row in 0..10 {
        check(
            &whole,
            row,
            &[
                ("cs_headers_count", "7"),
                ("c_country", "KR"),
                ("dst_host", "www.example.com"),
            ],
        );
    }
    check(&whole, 1, &[("s_ip", "∅"), ("asn", "∅")]);
    check(&whole, 2, &[("s_ip", "203.0.113.80"), ("asn", "16509")]);
    // Unknown `s-ip` and `time-to-first-byte`, no status sent.
    let mut values = REALTIME;
    (values[2], values[3], values[4]) = ("-", "-", "000");
    let whole = read(values.join("\t").as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("s_ip", "∅"),
            ("sc_status", "0"),
            ("status", "∅"),
            ("bytes_out", "392"),
        ],
    );
    // One field more than is known.
    let whole = read(format!("{}\tnew\n", REALTIME.join("\t")).as_bytes(), &options());
    check(
        &whole,
        0,
        &[("connection_id", "conn"), ("warnings", "extra_fields")],
    );
}

#[test]
fn realtime_selections_need_their_list() {
    let line = "1731620046.8141239\t192.0.2.9\t200\t/a?b=c\twww.example.com\td1.cloudfront.net\n";
    assert_eq!(sniff(line.as_bytes()), None);
    let list = "timestamp c-ip sc-status cs-uri-stem cs-host x-host-header";
    let whole = read_in_blocks(line, None, &listed(list));
    check(
        &whole,
        0,
        &[
            ("ts", "2024-11-14T21:34:06.814123Z"),
            ("uri", "/a?b=c"),
            ("dst_host", "www.example.com"),
            ("x_host_header", "d1.cloudfront.net"),
            ("status", "200"),
        ],
    );
    // Named, but without the list: refused rather than guessed.
    let forced = Some(format("cloudfront-realtime"));
    assert_eq!(
        read_as(line.as_bytes(), forced, &options()).codes(),
        ["field_count"]
    );
    let short = realtime(true, 30);
    assert_eq!(
        read_as(short.as_bytes(), forced, &options()).codes(),
        ["field_count"]
    );
}

#[test]
fn realtime_is_told_only_where_it_is_safe() {
    let realtime = Some(format("cloudfront-realtime"));
    assert_eq!(sniff(realtime_line(&[]).as_bytes()), realtime);
    for (at, value) in [
        (0, "1731620046"),
        (0, "2024-11-14"),
        (1, "host"),
        (4, "20"),
        (4, "990"),
        (6, "get"),
        (7, "gopher"),
    ] {
        assert_ne!(
            sniff(realtime_line(&[(at, value)]).as_bytes()),
            realtime,
            "{at} {value}"
        );
    }
}

fn realtime_line(changes: &[(usize, &'static str)]) -> String {
    let mut values = REALTIME;
    for &(at, value) in changes {
        values[at] = value;
    }
    values.join("\t")
}

const STANDARD: [&str; 35] = [
    "2026-01-02",
    "00:00:01",
    "ICN1-C1",
    "10",
    "192.0.2.1",
    "GET",
    "d1.cloudfront.net",
    "/a",
    "200",
    "-",
    "a+b%2520c%20d",
    "x=1+2",
    "k=v",
    "Hit",
    "id==",
    "www.example.com",
    "https",
    "20",
    "0.5",
    "-",
    "TLSv1.3",
    "TLS_AES",
    "Hit",
    "HTTP/2.0",
    "-",
    "-",
    "1234",
    "0.1",
    "Hit",
    "text/html",
    "5",
    "-",
    "-",
    "tenant",
    "conn",
];

fn standard(fields: usize, changes: &[(usize, &'static str)]) -> String {
    let mut values = STANDARD;
    for &(at, value) in changes {
        values[at] = value;
    }
    values[..fields].join("\t") + "\n"
}

#[test]
fn standard_rows_of_every_length() {
    let text: String = [9, 19, 24, 31, 33, 35]
        .into_iter()
        .map(|n| standard(n, &[]))
        .collect();
    let header = |names: usize| {
        let table = Dataset::CloudFront.native_fields();
        let names: Vec<&str> = table[..names].iter().map(|f| f.vendor).collect();
        format!("#Version: 1.0\n#Fields: {}\n", names.join(" "))
    };
    for text in [
        text.clone(),
        header(27) + &text,
        header(33) + &text,
        header(35) + &text,
    ] {
        let whole = read_in_blocks(&text, None, &options());
        assert_eq!((whole.counts.events, whole.counts.rejected), (6, 0));
        for row in 0..6 {
            check(
                &whole,
                row,
                &[
                    ("src_ip", "192.0.2.1"),
                    ("status", "200"),
                    ("attrs", "∅"),
                    ("warnings", "∅"),
                ],
            );
        }
        check(
            &whole,
            0,
            &[("ua", "∅"), ("dst_host", "d1.cloudfront.net"), ("blocked", "∅")],
        );
        // A plus is a plus; what is encoded twice is decoded once.
        check(
            &whole,
            1,
            &[
                ("ua", "a+b%20c d"),
                ("uri", "/a?x=1+2"),
                ("time_taken", "0.5"),
                ("c_port", "∅"),
            ],
        );
        check(&whole, 3, &[("sc_content_len", "5"), ("sc_range_start", "∅")]);
        check(
            &whole,
            5,
            &[("distribution_tenant_id", "tenant"), ("connection_id", "conn")],
        );
    }
    let longer = standard(35, &[]).replace('\n', "\tmore\n");
    check(
        &read(longer.as_bytes(), &options()),
        0,
        &[("connection_id", "conn"), ("warnings", "extra_fields")],
    );
    assert_eq!(
        read_as(
            standard(8, &[]).as_bytes(),
            Some(format("cloudfront")),
            &options()
        )
        .codes(),
        ["field_count"]
    );
}

#[test]
fn standard_refusals_and_hosts() {
    for (changes, blocked) in [
        (&[][..], "false"),
        (&[(8, "403")], "false"),
        (&[(8, "403"), (13, "Error")], "true"),
        (&[(8, "502"), (13, "Error")], "false"),
        (&[(13, "LimitExceeded")], "true"),
        (&[(13, "Error"), (28, "ClientGeoBlocked")], "true"),
        (&[(13, "Error"), (28, "InvalidRequestBlocked")], "true"),
        (&[(13, ""), (28, "-")], "∅"),
    ] {
        let whole = read(standard(33, changes).as_bytes(), &options());
        check(&whole, 0, &[("blocked", blocked)]);
    }
    let whole = read(standard(33, &[(15, "-"), (8, "000")]).as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("dst_host", "d1.cloudfront.net"),
            ("x_host_header", "∅"),
            ("status", "∅"),
            ("sc_status", "0"),
        ],
    );
}

#[test]
fn standard_forwarded_for_shapes() {
    let trusting = ParseOptions {
        client_ip: ClientIpPolicy {
            trusted: vec!["192.0.2.0/24".parse().expect("a block")],
            header: None,
        },
        ..options()
    };
    for (logged, client) in [
        ("198.51.100.1,198.51.100.2", "198.51.100.2"),
        ("198.51.100.1, 198.51.100.2", "198.51.100.2"),
        ("198.51.100.1,%20198.51.100.2", "198.51.100.2"),
        ("198.51.100.1,\\x20198.51.100.2", "198.51.100.2"),
        ("198.51.100.1,192.0.2.77", "198.51.100.1"),
        ("localhost:8080", "192.0.2.1"),
        ("198.51.100.1,unknown", "192.0.2.1"),
        ("-", "192.0.2.1"),
    ] {
        let line = standard(33, &[(19, logged)]);
        check(&read(line.as_bytes(), &trusting), 0, &[("src_ip", client)]);
        // Nobody's header is believed unless the peer is trusted; it is kept as logged.
        let kept = if logged == "-" { "∅" } else { logged };
        let whole = read(line.as_bytes(), &options());
        check(&whole, 0, &[("src_ip", "192.0.2.1"), ("x_forwarded_for", kept)]);
        let json = as_json(&format!("#Fields: {}\n{line}", fields_of(33)));
        check(&read(json.as_bytes(), &trusting), 0, &[("src_ip", client)]);
    }
}

fn fields_of(count: usize) -> String {
    let table = Dataset::CloudFront.native_fields();
    table[..count]
        .iter()
        .map(|f| f.vendor)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn shared_samples_of_every_length() {
    for (path, events, host) in [
        (
            "aws-log-parser-cloudfront_entry.log",
            1,
            "d111111abcdef8.cloudfront.net",
        ),
        (
            "aws-log-parser-cloudfront_entry2.log",
            1,
            "d111111abcdef8.cloudfront.net",
        ),
        (
            "aws-log-parser-cloudfront_entry_broken_cookie.log",
            1,
            "d111111abcdef8.cloudfront.net",
        ),
        (
            "aws-log-parser-cloudfront_entry_cookie_with_encoding.log",
            1,
            "d111111abcdef8.cloudfront.net",
        ),
        ("waf-security-automations-19f-x.log", 19, "x_host-header"),
    ] {
        let Some(bytes) = shared(&format!("aws/cloudfront/{path}")) else {
            continue;
        };
        let whole = read(bytes.as_slice(), &options());
        assert_eq!(
            (whole.counts.events, whole.counts.rejected),
            (events, 0),
            "{path}"
        );
        check(&whole, 0, &[("dst_host", host)]);
    }
}

/// (Elastic's key, our column).
const ELASTIC: [(&str, &str); 24] = [
    ("@timestamp", "ts"),
    ("aws.cloudfront.content_type", "sc_content_type"),
    ("aws.cloudfront.domain", "cs_host"),
    (
        "aws.cloudfront.edge_detailed_result_type",
        "x_edge_detailed_result_type",
    ),
    ("aws.cloudfront.edge_location", "x_edge_location"),
    (
        "aws.cloudfront.edge_response_result_type",
        "x_edge_response_result_type",
    ),
    ("aws.cloudfront.edge_result_type", "x_edge_result_type"),
    ("aws.cloudfront.time_to_first_byte", "time_to_first_byte"),
    ("destination.address", "dst_host"),
    ("destination.domain", "dst_host"),
    ("event.id", "request_id"),
    ("http.request.bytes", "bytes_in"),
    ("http.request.id", "request_id"),
    ("http.request.method", "method"),
    ("http.request.referrer", "cs_referer"),
    ("http.response.body.bytes", "sc_content_len"),
    ("http.response.bytes", "bytes_out"),
    ("http.response.status_code", "status"),
    ("network.protocol", "cs_protocol"),
    ("source.address", "peer_ip"),
    ("source.ip", "src_ip"),
    ("source.port", "c_port"),
    ("tls.cipher", "ssl_cipher"),
    ("user_agent.original", "ua"),
];

#[test]
fn every_field_of_elastic_agrees_or_differs_with_a_reason() {
    let listed: Vec<Vec<&str>> = include_str!("../differences/cloudfront.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(
        listed.iter().all(|row| row.len() == 3 && row[2].len() > 10),
        "{listed:?}"
    );
    let reasons: Vec<&str> = listed.iter().map(|row| row[0].trim_matches('`')).collect();
    let folder = "aws/elastic-integrations/cloudfront";
    let (Some(log), Some(fixture)) = (
        shared(&format!("{folder}/test-cloudfront.log")),
        shared(&format!("{folder}/test-cloudfront.first6.expected-flat.json")),
    ) else {
        return;
    };
    let fixture: serde_json::Value = serde_json::from_slice(&fixture).expect("fixtures are JSON");
    let whole = read(log.as_slice(), &options());
    let mut seen = std::collections::BTreeSet::new();
    for (row, want) in fixture.as_array().expect("a list").iter().enumerate() {
        let want = want.as_object().expect("an object");
        for (key, value) in want {
            let Some((_, column)) = ELASTIC.iter().find(|(theirs, _)| theirs == key) else {
                assert!(
                    reasons.contains(&key.as_str()),
                    "{key} is neither compared nor explained"
                );
                seen.insert(key.as_str());
                continue;
            };
            let got = whole.cell(row, column);
            let equal = match value {
                serde_json::Value::String(text) => {
                    got.trim_end_matches('Z') == text.trim_end_matches('Z').trim_end_matches(".000")
                }
                number => got.parse::<f64>().ok() == number.as_f64(),
            };
            assert!(equal, "row {row}: {key} is {value}, {column} is {got}");
        }
        // What they lack we lack.
        for (key, column) in ELASTIC {
            assert!(
                want.contains_key(key) || whole.cell(row, column) == "∅",
                "row {row}: no {key}"
            );
        }
    }
    assert_eq!(
        seen.len(),
        reasons.len(),
        "an explained key is not in the fixture"
    );
}

#[test]
fn a_projection_gives_the_same_cells() {
    let texts = [
        format!("{RECORD}\n"),
        realtime(true, 69),
        format!("#Fields: {}\n{}\n", NAMES.join(" "), VALUES.join(",")),
    ];
    for text in texts {
        let all = read(text.as_bytes(), &options());
        for wanted in all.columns.clone() {
            let options = ParseOptions {
                columns: Columns::only([wanted.as_str()]),
                ..options()
            };
            let some = read(text.as_bytes(), &options);
            assert_eq!(some.cell(0, &wanted), all.cell(0, &wanted), "{wanted}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Headers and rows in any order, of any delimiter: counted once, whatever the blocks are.
    #[test]
    fn blocks_do_not_matter(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("#Fields: date time c-ip cs-uri-stem cs(User-Agent) sc-status asn".to_owned()),
                Just("#Fields: timestamp(ms) c-ip other".to_owned()),
                Just("#Fields: timestamp c-ip cs-host".to_owned()),
                Just("#Date: 2026-01-02 00:00:00".to_owned()),
                "(2026-01-0[1-3]|-)[\t, ;|]0[0-9]:00:00([\t, ;|][a-z0-9()/,.-]{0,6}){0,6}",
                "17316200460{0,4}[\t, .][0-9.]{1,9}[\t, ][a-z]{0,4}",
                "[ -~\t\u{e9}]{0,40}",
            ],
            0..30,
        ),
        which in 0usize..4,
        block in 1usize..300,
    ) {
        let names = ["cloudfront", "cloudfront-realtime", "iis", "cloudfront-json"];
        let forced = Some(format(names[which]));
        let text = lines.join("\n");
        let small = ParseOptions {
            limits: Limits { block_bytes: block, ..Limits::default() },
            ..options()
        };
        let a = read_as(text.as_bytes(), forced, &small);
        let b = read_as(text.as_bytes(), forced, &options());
        prop_assert!(a.counts.balanced());
        if which < 3 || !text.trim_start().starts_with(['{', '[']) {
            prop_assert_eq!(a.rows, b.rows);
            prop_assert_eq!(a.ordinals, b.ordinals);
            prop_assert_eq!(a.counts, b.counts);
        }
    }
}
