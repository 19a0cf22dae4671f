//! Route 53: Resolver records and hosted-zone lines, column by column.

use crate::support::{Whole, read, read_as};
use haetae_event::Dataset;
use haetae_parse::{Format, ParseOptions, sniff};

/// With the vendor's oddities: the port as a string, capitalised keys in the answers.
const RESOLVER: &str = r#"{"version":"1.100000","account_id":"111122223333","region":"ap-northeast-2","vpc_id":"vpc-1","query_timestamp":"2026-03-01T12:00:00Z","query_name":"bad.example.com.","query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"203.0.113.9","Type":"A","Class":"IN"}],"srcaddr":"10.0.0.5","srcport":"43210","transport":"UDP","srcids":{"instance":"i-1","resolver_endpoint":"rslvr-1","other":"x"},"firewall_rule_group_id":"rslvr-frg-1","firewall_rule_action":"BLOCK","firewall_domain_list_id":"rslvr-fdl-1"}"#;
const ZONE: &str = "1.0 2026-03-01T12:00:00.123Z Z123412341234 www.Example.com AAAA NXDOMAIN TCP ICN54-C1 2001:DB8::53 192.0.2.0/24\n";

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

#[test]
fn resolver_records() {
    let plain = RESOLVER
        .replace(
            "\"firewall_rule_group_id\":\"rslvr-frg-1\",\"firewall_rule_action\":\"BLOCK\",",
            "",
        )
        .replace("bad.example.com.", ".");
    let alert = RESOLVER
        .replace("BLOCK", "ALERT")
        .replace("10.0.0.5", "not an address");
    let whole = read(format!("{RESOLVER}\n{plain}\n{alert}\n").as_bytes(), &options());
    assert_eq!((whole.dataset, whole.counts.events), (Some(Dataset::Route53), 3));
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00Z"),
            ("src_ip", "10.0.0.5"),
            ("peer_ip", "10.0.0.5"),
            ("dst_host", "bad.example.com"),
            ("query_name", "bad.example.com."),
            ("account", "111122223333"),
            ("region", "ap-northeast-2"),
            ("blocked", "true"),
            ("rule_id", "rslvr-frg-1"),
            ("firewall_rule_action", "BLOCK"),
            ("firewall_domain_list_id", "rslvr-fdl-1"),
            ("version", "1.100000"),
            ("vpc_id", "vpc-1"),
            ("query_timestamp", "2026-03-01T12:00:00Z"),
            ("query_type", "A"),
            ("query_class", "IN"),
            ("rcode", "NOERROR"),
            ("answers", r#"[{"Rdata":"203.0.113.9","Type":"A","Class":"IN"}]"#),
            ("srcport", "43210"),
            ("transport", "UDP"),
            ("srcids_instance", "i-1"),
            ("srcids_resolver_endpoint", "rslvr-1"),
            ("srcids_resolver_network_interface", "∅"),
            ("attrs", r#"{"srcids.other":"x"}"#),
            ("hostzoneid", "∅"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("blocked", "false"),
            ("rule_id", "∅"),
            ("dst_host", "."),
            ("query_name", "."),
        ],
    );
    check(
        &whole,
        2,
        &[("blocked", "false"), ("src_ip", "∅"), ("warnings", "bad_address")],
    );
    let whole = read(
        RESOLVER
            .replace("query_timestamp\":\"2026", "query_timestamp\":\"x")
            .as_bytes(),
        &options(),
    );
    assert_eq!(whole.codes(), ["bad_field"]);
}

#[test]
fn hosted_zone_lines() {
    let bare = "1.0 2026-03-01T12:00:01Z Z1 example.com. A NOERROR UDP FRA6 192.0.2.1 -\n";
    let longer = "1.1 2026-03-01T12:00:02Z Z1 a.example SPF SERVFAIL UDP FRA6 - - new \"field\"\n";
    let short = "1.0 2026-03-01T12:00:03Z Z1 a.example\n";
    let untimed = bare.replace("2026-03-01", "yesterday-");
    let text = format!("{ZONE}{bare}\n{longer}{short}{untimed}");
    assert_eq!(sniff(text.as_bytes()).map(Format::as_str), Some("route53-zone"));
    let whole = read(text.as_bytes(), &options());
    assert_eq!(whole.dataset, Some(Dataset::Route53));
    assert_eq!((whole.counts.lines_in, whole.counts.skipped), (6, 1));
    assert_eq!(
        (whole.counts.events, whole.codes()),
        (3, vec!["field_count", "bad_field"])
    );
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00.123Z"),
            ("version", "1.0"),
            ("query_timestamp", "2026-03-01T12:00:00.123Z"),
            ("hostzoneid", "Z123412341234"),
            ("query_name", "www.Example.com"),
            ("dst_host", "www.Example.com"),
            ("query_type", "AAAA"),
            ("rcode", "NXDOMAIN"),
            ("transport", "TCP"),
            ("edgelocation", "ICN54-C1"),
            ("src_ip", "2001:db8::53"),
            ("peer_ip", "2001:DB8::53"),
            ("ednsclientsubnet", "192.0.2.0/24"),
            ("blocked", "∅"),
            ("raw", ZONE.trim_end()),
            ("attrs", "∅"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("dst_host", "example.com"),
            ("query_name", "example.com."),
            ("ednsclientsubnet", "∅"),
        ],
    );
    check(
        &whole,
        2,
        &[
            ("src_ip", "∅"),
            ("warnings", "∅"),
            ("attrs", r#"{"trailing":"new \"field\""}"#),
        ],
    );
    let mut damaged = ZONE.as_bytes().to_vec();
    damaged[50] = 0xff;
    let whole = read_as(damaged.as_slice(), "route53-zone".parse().ok(), &options());
    check(&whole, 0, &[("warnings", "invalid_utf8")]);
}
