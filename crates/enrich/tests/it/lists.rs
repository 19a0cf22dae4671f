//! List formats, line by line.

use super::shared::{gunzip, samples};
use haetae_enrich::reputation::{List, ListError, ListFormat, ListOptions, is_reserved};
use haetae_event::Micros;
use proptest::prelude::*;
use std::net::IpAddr;

const NOW: Micros = Micros(1_800_000_000_000_000);

fn options(format: ListFormat) -> ListOptions {
    ListOptions {
        name: "l".into(),
        format,
        score: 80,
        max_age_us: None,
    }
}

fn load(format: ListFormat, text: &str) -> List {
    List::load(text.as_bytes(), &options(format), NOW, NOW, None).unwrap()
}

fn score(list: &List, address: &str) -> Option<u8> {
    list.verdict(address.parse().unwrap(), NOW).map(|v| v.score)
}

/// Entries, bad, reserved, expired, other.
fn counts(list: &List) -> [u64; 5] {
    let t = list.tally();
    [t.entries, t.bad, t.reserved, t.expired, t.other]
}

#[test]
fn firehol_netset() {
    let text = "\u{feff}#\n# firehol_level1\r\n#\n# ipv4 hash:net ipset\n\n5.188.0.0/16\r\n203.0.113.9\n10.0.0.0/8\n0.0.0.0/0\n5.188.3.0/24\n203.0.113.9\n203.0.113.9 x\n";
    let list = load(ListFormat::Netset, text);
    assert_eq!(counts(&list), [4, 2, 1, 0, 0]);
    let bad: Vec<(u64, &str)> = list
        .tally()
        .first_bad
        .iter()
        .map(|b| (b.line, b.text.as_str()))
        .collect();
    assert_eq!(bad, [(9, "0.0.0.0/0"), (12, "203.0.113.9 x")]);
    assert_eq!(
        (
            list.tally().first_reserved[0].line,
            list.tally().first_reserved[0].text.as_str()
        ),
        (8, "10.0.0.0/8")
    );
    assert_eq!(score(&list, "5.188.200.1"), Some(80));
    assert_eq!(score(&list, "::ffff:203.0.113.9"), Some(80));
    assert_eq!(score(&list, "203.0.113.10"), None);
    assert_eq!(score(&list, "10.1.1.1"), None);
}

#[test]
fn spamhaus_text() {
    let text = "; Spamhaus DROP List\n; Last-Modified: x\n1.10.16.0/20 ; SBL256894\n2a06:e480::/29 ; SBL1\nbroken ; SBL2\n";
    for format in [ListFormat::Drop, ListFormat::Auto, ListFormat::Plain] {
        let list = load(format, text);
        assert_eq!(counts(&list), [2, 1, 0, 0, 0], "{format:?}");
        assert_eq!(list.tally().first_bad[0].line, 5);
        assert_eq!(score(&list, "1.10.31.255"), Some(80));
        assert_eq!(score(&list, "1.10.32.0"), None);
        assert_eq!(score(&list, "2a06:e487:ffff::1"), Some(80));
        assert_eq!(score(&list, "2a06:e488::"), None);
    }
}

#[test]
fn spamhaus_json_lines() {
    let text = r#"{"cidr":"1.10.16.0/20","sblid":"SBL256894","rir":"apnic"}
{"cidr":"2a06:e480::/29","sblid":"SBL1","rir":"ripencc"}
{"asn":64500,"rir":"arin","domain":"example.com","cc":"US","asname":"X"}
{"cidr":"nonsense"}
{"sblid":"SBL3"}
not json
{"type":"metadata","timestamp":1767225600,"size":3,"records":2,"copyright":"x","terms":"y"}
"#;
    for format in [ListFormat::DropJson, ListFormat::Auto] {
        let list = load(format, text);
        assert_eq!(counts(&list), [2, 3, 0, 0, 1], "{format:?}");
        let lines: Vec<u64> = list.tally().first_bad.iter().map(|b| b.line).collect();
        assert_eq!(lines, [4, 5, 6]);
        assert_eq!(score(&list, "1.10.16.0"), Some(80));
        assert_eq!(score(&list, "2a06:e480::"), Some(80));
    }
}

#[test]
fn abuse_ch_feodo() {
    let text = "################\n# Feodo Tracker\n################\n\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\",\"last_online\",\"malware\"\r\n\
                \"2026-01-01 00:00:00\",\"203.0.113.7\",\"443\",\"online\",\"2026-01-02\",\"QakBot, \"\"x\"\"\"\r\n\
                \"2026-01-01 00:00:00\",\"999.0.0.1\",\"443\",\"online\",\"2026-01-02\",\"QakBot\"\r\n# END 1 entries\n";
    for format in [ListFormat::AbusechCsv, ListFormat::Auto] {
        let list = load(format, text);
        assert_eq!(counts(&list), [1, 1, 0, 0, 0], "{format:?}");
        assert_eq!(list.tally().first_bad[0].line, 6);
        assert_eq!(score(&list, "203.0.113.7"), Some(80));
    }
}

#[test]
fn abuse_ch_sslbl_and_threatfox() {
    let sslbl = "# SSLBL\n#\n# Firstseen,DstIP,DstPort\n2026-01-01 00:00:00,203.0.113.7,443\n2026-01-01 00:00:00,203.0.113.8,8443\n";
    let list = load(ListFormat::Auto, sslbl);
    assert_eq!(counts(&list), [2, 0, 0, 0, 0]);
    assert_eq!(score(&list, "203.0.113.8"), Some(80));

    let threatfox = "# ThreatFox\n# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"confidence_level\"\n\
        \"2026-01-01 00:00:00\", \"1\", \"203.0.113.7:4443\", \"ip:port\", \"botnet_cc\", \"75\"\n\
        \"2026-01-01 00:00:00\", \"2\", \"http://198.51.100.1/x\", \"url\", \"payload\", \"100\"\n\
        \"2026-01-01 00:00:00\", \"3\", \"[2001:db8::5]:80\", \"ip:port\", \"botnet_cc\", \"100\"\n";
    let list = load(ListFormat::AbusechCsv, threatfox);
    assert_eq!(counts(&list), [2, 0, 0, 0, 1]);
    assert_eq!(score(&list, "203.0.113.7"), Some(60), "75 % of 80");
    assert_eq!(score(&list, "2001:db8::5"), Some(80));
    assert_eq!(score(&list, "198.51.100.1"), None);
}

#[test]
fn plain_lists_of_crowdsec_and_ipsum() {
    let text = "# IPsum\n203.0.113.4\t7\n198.51.100.10-198.51.100.20\n203.0.113.64 - 203.0.113.80\n2001:db8::1\n::ffff:198.51.100.77\n::ffff:192.0.2.0/120\n198.51.100.20-198.51.100.10\n1.2.3.4/33\n1.2.3.4/\n1.2.3\n01.2.3.4\n2001:db8::1-1.2.3.4\n";
    let list = load(ListFormat::Plain, text);
    assert_eq!(counts(&list), [6, 6, 0, 0, 0]);
    for hit in [
        "203.0.113.4",
        "198.51.100.10",
        "198.51.100.20",
        "203.0.113.70",
        "2001:db8::1",
        "198.51.100.77",
        "192.0.2.255",
    ] {
        assert_eq!(score(&list, hit), Some(80), "{hit}");
    }
    for miss in [
        "198.51.100.9",
        "198.51.100.21",
        "203.0.113.81",
        "2001:db8::2",
        "1.2.3.4",
    ] {
        assert_eq!(score(&list, miss), None, "{miss}");
    }
}

#[test]
fn crowdsec_tables() {
    let text = "id,source,ip,reason,action\n1,CAPI,Ip:203.0.113.5,http-probing,ban\n2,CAPI,Range:198.51.100.0/24,x,ban\n";
    let list = load(ListFormat::Auto, text);
    assert_eq!(counts(&list), [2, 0, 0, 0, 0]);
    assert_eq!(score(&list, "198.51.100.200"), Some(80));
}

#[test]
fn only_ten_bad_lines_are_reported() {
    let mut text = "x\n".repeat(30);
    text.push_str(&"203.0.113.1\n".repeat(31));
    let list = load(ListFormat::Plain, &text);
    assert_eq!(counts(&list), [31, 30, 0, 0, 0]);
    let lines: Vec<u64> = list.tally().first_bad.iter().map(|b| b.line).collect();
    assert_eq!(lines, (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let html = "<html>\n<body>\n404 not found\n</body>\n";
    let result = List::load(html.as_bytes(), &options(ListFormat::Auto), NOW, NOW, None);
    assert!(matches!(
        result,
        Err(ListError::MostlyBad { bad: 4, line: 1, .. })
    ));
    let result = List::load(b"{\"a\":1}", &options(ListFormat::Stix), NOW, NOW, None);
    assert!(matches!(result, Err(ListError::NotStix(_))));
    let binary = [0xffu8, 0xfe, b'1', 0, b'\n', 0x80, b'\n'];
    assert!(List::load(&binary, &options(ListFormat::Auto), NOW, NOW, None).is_err());
}

#[test]
fn a_list_grows_old() {
    let mut options = options(ListFormat::Plain);
    options.max_age_us = Some(1_000);
    let list = List::load(b"203.0.113.1", &options, NOW, NOW, None).unwrap();
    let at = |us| {
        list.verdict("203.0.113.1".parse().unwrap(), Micros(NOW.0 + us))
            .map(|v| v.score)
    };
    assert_eq!((at(0), at(999), at(1_000)), (Some(80), Some(80), None));
}

#[test]
fn reserved_addresses_are_never_scored() {
    // A prefix that is partly reserved counts outside of it.
    let list = load(
        ListFormat::Plain,
        "192.0.0.0/8\n100.0.0.0/8\n172.0.0.0/8\nfe80::1\n127.0.0.1\n2001::/16\n",
    );
    assert_eq!(counts(&list), [4, 0, 2, 0, 0]);
    for hit in [
        "192.1.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.0",
        "2001:4860::1",
    ] {
        assert_eq!(score(&list, hit), Some(80), "{hit}");
    }
    for reserved in [
        "192.168.1.1",
        "192.0.0.1",
        "100.64.0.0",
        "100.127.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "64:ff9b::1",
        "2001:2::1",
        "2001:10::1",
        "2001:2f:ffff::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(is_reserved(reserved.parse().unwrap()), "{reserved}");
        assert_eq!(score(&list, reserved), None, "{reserved}");
    }
    for open in [
        "1.1.1.1",
        "192.0.1.0",
        "198.20.0.1",
        "223.255.255.255",
        "2001:30::1",
        "2606:4700::1",
        "2002::1",
    ] {
        assert!(!is_reserved(open.parse().unwrap()), "{open}");
    }
}

#[test]
fn ipsum_sample() {
    let Some(folder) = samples("ti") else { return };
    let bytes = gunzip(&std::fs::read(folder.join("ipsum-ge4.txt.gz")).unwrap());
    let list = List::load(&bytes, &options(ListFormat::Auto), NOW, NOW, None).unwrap();
    assert_eq!(counts(&list), [5354, 0, 0, 0, 0]);
    let text = String::from_utf8(bytes).unwrap();
    let mut asked = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert_eq!(score(&list, line.split('\t').next().unwrap()), Some(80), "{line}");
        asked += 1;
    }
    assert_eq!(asked, 5354);
}

proptest! {
    /// No bytes do harm, in any format.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in FORMATS {
            let _ = List::load(&bytes, &options(format), NOW, NOW, None);
        }
    }

    /// Nor do lines that nearly are entries; every address that is taken is then known.
    #[test]
    fn nearly_lists(lines in prop::collection::vec("[0-9a-f.:/\\-,;#'\"\\[\\]{} ]{0,40}", 0..20), good in any::<u32>()) {
        let good = IpAddr::V4(good.into());
        let text = format!("{}\n{good}\n", lines.join("\n"));
        for format in FORMATS {
            let list = List::load(text.as_bytes(), &options(format), NOW, NOW, None);
            if let (Ok(list), ListFormat::Plain | ListFormat::Netset | ListFormat::Drop) = (list, format) {
                prop_assert_eq!(list.verdict(good, NOW).is_some(), !is_reserved(good));
            }
        }
    }
}

const FORMATS: [ListFormat; 7] = [
    ListFormat::Auto,
    ListFormat::Netset,
    ListFormat::Drop,
    ListFormat::DropJson,
    ListFormat::AbusechCsv,
    ListFormat::Plain,
    ListFormat::Stix,
];
