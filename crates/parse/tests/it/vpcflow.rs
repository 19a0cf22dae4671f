//! VPC Flow Logs, line by line of what AWS documents and of what is found in the wild.

use crate::support::{Whole, read, shared};
use haetae_event::{Columns, Dataset};
use haetae_parse::ParseOptions;
use std::collections::BTreeSet;

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

/// Every field up to version 11, in the guide's order, with a value for each.
const EVERYTHING: [(&str, &str); 54] = [
    ("version", "11"),
    ("account-id", "000123456789"),
    ("interface-id", "eni-0a1"),
    ("srcaddr", "10.0.0.5"),
    ("dstaddr", "203.0.113.80"),
    ("srcport", "44321"),
    ("dstport", "443"),
    ("protocol", "6"),
    ("packets", "12"),
    ("bytes", "3456789012"),
    ("start", "1767225600"),
    ("end", "1767225659"),
    ("action", "REJECT"),
    ("log-status", "OK"),
    ("vpc-id", "vpc-0b2"),
    ("subnet-id", "subnet-0c3"),
    ("instance-id", "i-0d4"),
    ("tcp-flags", "19"),
    ("type", "IPv4"),
    ("pkt-srcaddr", "10.0.9.9"),
    ("pkt-dstaddr", "203.0.113.81"),
    ("region", "ap-northeast-2"),
    ("az-id", "apne2-az1"),
    ("sublocation-type", "wavelength"),
    ("sublocation-id", "wlz-1"),
    ("pkt-src-aws-service", "EC2"),
    ("pkt-dst-aws-service", "CLOUDFRONT"),
    ("flow-direction", "egress"),
    ("traffic-path", "8"),
    ("ecs-cluster-arn", "arn:aws:ecs:ap-northeast-2:1:cluster/c"),
    ("ecs-cluster-name", "c"),
    (
        "ecs-container-instance-arn",
        "arn:aws:ecs:ap-northeast-2:1:container-instance/c/x",
    ),
    ("ecs-container-instance-id", "x"),
    ("ecs-container-id", "k1"),
    ("ecs-second-container-id", "k2"),
    ("ecs-service-name", "pay"),
    (
        "ecs-task-definition-arn",
        "arn:aws:ecs:ap-northeast-2:1:task-definition/t:1",
    ),
    ("ecs-task-arn", "arn:aws:ecs:ap-northeast-2:1:task/c/t"),
    ("ecs-task-id", "t"),
    ("reject-reason", "BPA"),
    ("resource-id", "nat-0e5"),
    ("encryption-status", "3"),
    ("instance-tag", "web"),
    ("instance-tag-2", "prod"),
    ("interface-tag", "edge"),
    ("interface-tag-2", "b"),
    ("asg-tag", "asg"),
    ("asg-tag-2", "c"),
    ("interface-type", "regional_nat_gateway"),
    ("next-hop-interface-id", "eni-0f6"),
    ("next-hop-subnet-id", "subnet-0a7"),
    ("next-hop-az-id", "apne2-az3"),
    ("next-hop-vpc-id", "vpc-0b8"),
    ("next-hop-interface-type", "transit_gateway"),
];

/// Our column of a vendor field.
fn column(vendor: &str) -> String {
    match vendor {
        "account-id" => "account".into(),
        "reject-reason" => "rule_id".into(),
        other => other.replace('-', "_"),
    }
}

fn everything(fields: usize) -> String {
    let values: Vec<&str> = EVERYTHING[..fields].iter().map(|(_, value)| *value).collect();
    values.join(" ")
}

#[test]
fn everything_up_to_each_version() {
    assert_eq!(Dataset::VpcFlow.native_fields().len(), 54);
    for (version, fields) in [
        (2, 14),
        (3, 21),
        (4, 25),
        (5, 29),
        (7, 39),
        (8, 40),
        (9, 41),
        (10, 42),
        (11, 54),
    ] {
        let whole = read(everything(fields).as_bytes(), &options());
        assert_eq!(
            (whole.counts.events, whole.counts.rejected),
            (1, 0),
            "version {version}"
        );
        for (at, (vendor, value)) in EVERYTHING.iter().enumerate() {
            let want = if at < fields { value } else { "∅" };
            assert_eq!(
                whole.cell(0, &column(vendor)),
                want,
                "version {version}, {vendor}"
            );
        }
        check(
            &whole,
            0,
            &[("warnings", "∅"), ("attrs", "∅"), ("bytes_out", "3456789012")],
        );
    }
}

#[test]
fn core_columns_of_a_whole_record() {
    let whole = read(everything(54).as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("ts", "2026-01-01T00:00:00Z"),
            ("src_ip", "10.0.9.9"),
            ("peer_ip", "10.0.9.9"),
            ("dst_host", "203.0.113.81"),
            ("bytes_in", "∅"),
            ("bytes_out", "3456789012"),
            ("blocked", "true"),
            ("rule_id", "BPA"),
            ("region", "ap-northeast-2"),
        ],
    );
}

#[test]
fn any_order_by_header_and_by_configuration() {
    let backwards: Vec<(&str, &str)> = EVERYTHING.into_iter().rev().collect();
    let line: Vec<&str> = backwards.iter().map(|(_, value)| *value).collect();
    let spellings: [fn(&str) -> String; 4] = [
        |name| name.to_owned(),
        |name| name.replace('-', "_"),
        |name| format!("${{{name}}}"),
        |name| {
            let mut words = name.split('-').map(str::to_owned);
            let first = words.next().expect("a name has a word");
            words.fold(first, |all, word| all + &word[..1].to_uppercase() + &word[1..])
        },
    ];
    for spelling in spellings {
        for separator in [" ", ",", "\t"] {
            let header: Vec<String> = backwards.iter().map(|(name, _)| spelling(name)).collect();
            let text = format!("{}\n{}\n", header.join(separator), line.join(separator));
            let whole = read(text.as_bytes(), &options());
            assert_eq!((whole.counts.events, whole.counts.skipped), (1, 1), "{text}");
            for (vendor, value) in EVERYTHING {
                assert_eq!(whole.cell(0, &column(vendor)), value, "{vendor}");
            }
        }
        let header: Vec<String> = backwards.iter().map(|(name, _)| spelling(name)).collect();
        let configured = ParseOptions {
            flow_format: Some(header.join(" ")),
            ..options()
        };
        let whole = read(line.join(" ").as_bytes(), &configured);
        assert_eq!(whole.cell(0, "next_hop_vpc_id"), "vpc-0b8");
    }
    let one = ParseOptions {
        flow_format: Some("${srcaddr}".into()),
        ..options()
    };
    let whole = read(&b"192.0.2.1\n192.0.2.2\n"[..], &one);
    assert_eq!((whole.counts.events, whole.cell(1, "src_ip")), (2, "192.0.2.2"));
    assert_eq!(whole.cell(0, "warnings"), "ts_missing");
}

#[test]
fn headers_may_come_again_with_other_fields() {
    let text = "srcaddr dstaddr start bytes action\n\
                192.0.2.1 10.0.0.1 1700000000 5 ACCEPT\n\
                start,srcaddr,action,bytes,flow_direction\n\
                1700000001,192.0.2.2,REJECT,6,ingress\n\
                start srcaddr\n\
                1700000002 192.0.2.3\n\
                start srcaddr\n\
                1700000003 192.0.2.4\n";
    let whole = read(text.as_bytes(), &options());
    assert_eq!(
        (whole.counts.events, whole.counts.skipped, whole.counts.rejected),
        (4, 4, 0)
    );
    assert_eq!(whole.ordinals, [1, 3, 5, 7]);
    check(
        &whole,
        0,
        &[("src_ip", "192.0.2.1"), ("bytes_in", "5"), ("blocked", "false")],
    );
    check(
        &whole,
        1,
        &[("src_ip", "192.0.2.2"), ("bytes_in", "6"), ("blocked", "true")],
    );
    check(
        &whole,
        2,
        &[("src_ip", "192.0.2.3"), ("bytes", "∅"), ("blocked", "∅")],
    );
    check(
        &whole,
        3,
        &[("src_ip", "192.0.2.4"), ("ts", "2023-11-14T22:13:23Z")],
    );
}

#[test]
fn a_row_is_no_header() {
    let configured = ParseOptions {
        flow_format: Some("type srcaddr start".into()),
        ..options()
    };
    // `type` of a resource is a word like any other, even one that is a field's name.
    let whole = read(
        &b"IPv4 192.0.2.1 1700000000\nregion 192.0.2.2 1700000001\n"[..],
        &configured,
    );
    assert_eq!((whole.counts.events, whole.counts.skipped), (2, 0));
    assert_eq!(whole.cell(1, "type"), "region");
}

#[test]
fn tags_with_spaces() {
    let header = "version srcaddr start instance-tag interface-type\n";
    let text =
        format!("{header}11 192.0.2.1 1700000000 my web server vpc_endpoint\n11 192.0.2.2 1700000001 db -\n");
    let whole = read(text.as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("instance_tag", "my web server"),
            ("interface_type", "vpc_endpoint"),
            ("src_ip", "192.0.2.1"),
            ("warnings", "∅"),
        ],
    );
    check(&whole, 1, &[("instance_tag", "db"), ("interface_type", "∅")]);
    // Two tags: only one with a value leaves no doubt.
    let header = "srcaddr instance-tag asg-tag start\n";
    let text = format!(
        "{header}192.0.2.1 - my group 1700000000\n192.0.2.2 my server - 1700000001\n192.0.2.3 a b c 1700000002\n"
    );
    let whole = read(text.as_bytes(), &options());
    assert_eq!(whole.counts.rejected, 0);
    check(
        &whole,
        0,
        &[("instance_tag", "∅"), ("asg_tag", "my group"), ("warnings", "∅")],
    );
    check(
        &whole,
        1,
        &[("instance_tag", "my server"), ("asg_tag", "∅"), ("warnings", "∅")],
    );
    check(
        &whole,
        2,
        &[
            ("instance_tag", "a b"),
            ("asg_tag", "c"),
            ("ts", "2023-11-14T22:13:22Z"),
            ("warnings", "ambiguous_tags"),
        ],
    );
    // And without a header, in a record of every field.
    let line = everything(54).replace(" web ", " the web ");
    let whole = read(line.as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("instance_tag", "the web"),
            ("asg_tag_2", "c"),
            ("next_hop_interface_type", "transit_gateway"),
            ("warnings", "ambiguous_tags"),
        ],
    );
}

#[test]
fn fields_without_a_column_are_attributes() {
    let text = "version srcaddr start new-field bytes\n12 192.0.2.1 1700000000 a\"b 5\n12 192.0.2.2 1700000000 - 5\n";
    let whole = read(text.as_bytes(), &options());
    check(
        &whole,
        0,
        &[("attrs", "{\"new-field\":\"a\\\"b\"}"), ("bytes", "5")],
    );
    check(&whole, 1, &[("attrs", "∅")]);
    let more = "2 1 eni-1 192.0.2.1 10.0.0.1 1 2 6 1 5 1700000000 1700000001 ACCEPT OK one two\n";
    let whole = read(more.as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("attrs", "{\"extra_fields\":\"one two\"}"),
            ("warnings", "extra_fields"),
            ("action", "ACCEPT"),
        ],
    );
}

#[test]
fn transit_gateway_records() {
    let text = "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags region flow-direction pkt-src-aws-service pkt-dst-aws-service\n\
        6 TransitGateway 123456789012 tgw-1 tgw-attach-1 1 2 vpc-1 vpc-2 subnet-1 subnet-2 eni-1 eni-2 az1 az2 tgw-attach-2 10.1.0.5 10.2.0.7 41000 443 6 5 500 1700000000 1700000060 OK IPv4 0 0 1 0 2 us-east-1 ingress - S3\n";
    let whole = read(text.as_bytes(), &options());
    assert_eq!((whole.counts.events, whole.counts.skipped), (1, 1));
    check(
        &whole,
        0,
        &[
            ("src_ip", "10.1.0.5"),
            ("dst_host", "10.2.0.7"),
            ("bytes_in", "500"),
            ("blocked", "∅"),
            ("account", "123456789012"),
            ("region", "us-east-1"),
        ],
    );
    let attrs: serde_json::Value = serde_json::from_str(whole.cell(0, "attrs")).expect("attributes are JSON");
    assert_eq!(attrs.as_object().map(serde_json::Map::len), Some(18));
    assert_eq!(attrs["tgw-src-eni"], "eni-1");
    assert_eq!(attrs["packets-lost-mtu-exceeded"], "1");
}

#[test]
fn records_without_traffic_are_events() {
    let text = "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA\n2 unknown eni-2 - - - - - - - 1431280877 1431280934 - SKIPDATA\n";
    let whole = read(text.as_bytes(), &options());
    assert_eq!((whole.counts.events, whole.counts.rejected), (2, 0));
    for row in [0, 1] {
        for column in [
            "src_ip",
            "dst_host",
            "bytes",
            "bytes_in",
            "bytes_out",
            "packets",
            "blocked",
            "srcport",
        ] {
            assert_eq!(whole.cell(row, column), "∅", "{column}");
        }
    }
    check(
        &whole,
        0,
        &[
            ("log_status", "NODATA"),
            ("warnings", "∅"),
            ("ts", "2015-05-10T18:01:16Z"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("log_status", "SKIPDATA"),
            ("warnings", "flows_missing"),
            ("account", "unknown"),
        ],
    );
}

#[test]
fn the_direction_of_bytes() {
    let header = "srcaddr dstaddr bytes start flow-direction\n";
    for (source, target, direction, want) in [
        ("10.0.0.1", "10.0.0.2", "egress", ("∅", "7")),
        ("10.0.0.1", "10.0.0.2", "ingress", ("7", "∅")),
        ("10.0.0.1", "8.8.8.8", "-", ("∅", "7")),
        ("8.8.8.8", "10.0.0.1", "-", ("7", "∅")),
        ("8.8.8.8", "10.0.0.1", "egress", ("∅", "7")),
        ("10.0.0.1", "10.0.0.2", "-", ("∅", "∅")),
        ("8.8.8.8", "9.9.9.9", "-", ("∅", "∅")),
        ("fd00::1", "2606:4700::1", "-", ("∅", "7")),
    ] {
        let text = format!("{header}{source} {target} 7 1700000000 {direction}\n");
        let whole = read(text.as_bytes(), &options());
        let got = (whole.cell(0, "bytes_in"), whole.cell(0, "bytes_out"));
        assert_eq!(got, want, "{source} → {target} {direction}");
    }
}

#[test]
fn lines_inside_json() {
    let line = "2 123456789010 eni-1 192.0.2.1 10.0.0.1 20641 22 6 20 99 1418530010 1418530070 REJECT OK";
    let text = format!(
        "{{\"message\":\"{line}\"}}\n{{\"owner\":\"1\",\"message\":\"{line}\\n\",\"n\":{{\"a\":1}}}}{{\"message\":\"junk\"}}\n\n{{\"other\":1}}\nnot json\n{{\"message\":\"srcaddr start next\"}}\n{{\"id\":7,\"message\":\"192.0.2.9 1700000000 x\"}}\n"
    );
    let whole = read(text.as_bytes(), &options());
    assert_eq!(whole.dataset, Some(Dataset::VpcFlow));
    assert_eq!(
        (whole.counts.events, whole.counts.rejected, whole.counts.skipped),
        (3, 3, 2),
        "{:?}",
        whole.rejects
    );
    assert_eq!(whole.codes(), ["field_count", "bad_field", "bad_json"]);
    let ordinals: Vec<u64> = whole.rejects.iter().map(|reject| reject.ordinal).collect();
    assert_eq!(
        (whole.ordinals.as_slice(), ordinals.as_slice()),
        (&[0, 1, 7][..], &[2, 4, 5][..])
    );
    assert_eq!(whole.rejects[0].bytes, br#"{"message":"junk"}"#);
    check(
        &whole,
        0,
        &[
            ("src_ip", "192.0.2.1"),
            ("blocked", "true"),
            ("bytes_in", "99"),
            ("attrs", "∅"),
            ("raw", &format!("{{\"message\":\"{line}\"}}")),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("attrs", "{\"owner\":\"1\",\"n\":{\"a\":1}}"),
            ("srcport", "20641"),
        ],
    );
    check(
        &whole,
        2,
        &[("attrs", "{\"next\":\"x\",\"id\":7}"), ("src_ip", "192.0.2.9")],
    );
    // Other logs with a message are what they were.
    let other = read(
        &br#"{"message":"started","level":"info","ts":1700000000}"#[..],
        &options(),
    );
    assert_eq!(other.dataset, Some(Dataset::App));
    // The shape and the line are the same events.
    let lines = format!("{line}\n{line}\n");
    let wrapped = format!("{{\"message\":\"{line}\"}}\n{{\"message\":\"{line}\"}}\n");
    let without_raw = ParseOptions {
        columns: Columns::only(["ts", "src_ip", "bytes", "end", "blocked", "warnings", "attrs"]),
        ..options()
    };
    assert_eq!(
        read(lines.as_bytes(), &without_raw),
        read(wrapped.as_bytes(), &without_raw)
    );
}

/// The lines of the table in `differences/vpcflow.md`: sample, their field, our column.
fn listed() -> BTreeSet<(String, String, String)> {
    let text = include_str!("../differences/vpcflow.md");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| sample"));
    rows.map(|line| {
        let cells: Vec<String> = line
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect();
        assert!(
            cells.len() == 6 && !cells[4].is_empty(),
            "a difference has a reason: {line}"
        );
        (cells[1].clone(), cells[2].clone(), cells[3].clone())
    })
    .collect()
}

/// (sample, its records and what others make of them, their field and our column).
const ELASTIC: &[(&str, &str)] = &[
    ("/@timestamp", "ts"),
    ("/event/start", "ts"),
    ("/event/action", "action"),
    ("/event/reason", "rule_id"),
    ("/source/ip", "src_ip"),
    ("/source/port", "srcport"),
    ("/source/bytes", "bytes"),
    ("/source/packets", "packets"),
    ("/destination/ip", "dst_host"),
    ("/destination/port", "dstport"),
    ("/network/bytes", "bytes_in"),
    ("/network/packets", "packets"),
    ("/network/direction", "flow_direction"),
    ("/network/iana_number", "protocol"),
    ("/service/name", "ecs_service_name"),
    ("/cloud/account/id", "account"),
    ("/cloud/region", "region"),
    ("/cloud/availability_zone", "az_id"),
    ("/orchestrator/cluster/id", "ecs_cluster_arn"),
    ("/orchestrator/cluster/name", "ecs_cluster_name"),
    ("/orchestrator/resource/id", "ecs_container_instance_id"),
    ("/orchestrator/resource/name", "ecs_container_instance_arn"),
    ("/aws/vpcflow/account_id", "account"),
    ("/aws/vpcflow/action", "action"),
    ("/aws/vpcflow/ecs_container_id", "ecs_container_id"),
    ("/aws/vpcflow/ecs_second_container_id", "ecs_second_container_id"),
    ("/aws/vpcflow/ecs_task_arn", "ecs_task_arn"),
    ("/aws/vpcflow/ecs_task_definition_arn", "ecs_task_definition_arn"),
    ("/aws/vpcflow/ecs_task_id", "ecs_task_id"),
    ("/aws/vpcflow/log_status", "log_status"),
    ("/aws/vpcflow/version", "version"),
];
const OCSF: &[(&str, &str)] = &[
    ("/action", "action"),
    ("/cloud/account/uid", "account"),
    ("/cloud/region", "region"),
    ("/cloud/zone", "az_id"),
    ("/connection_info/boundary", "traffic_path"),
    ("/connection_info/direction", "flow_direction"),
    ("/connection_info/protocol_num", "protocol"),
    ("/connection_info/protocol_ver", "type"),
    ("/connection_info/tcp_flags", "tcp_flags"),
    ("/dst_endpoint/instance_uid", "instance_id"),
    ("/dst_endpoint/interface_uid", "interface_id"),
    ("/dst_endpoint/ip", "dst_host"),
    ("/dst_endpoint/port", "dstport"),
    ("/dst_endpoint/subnet_uid", "subnet_id"),
    ("/dst_endpoint/svc_name", "pkt_dst_aws_service"),
    ("/dst_endpoint/vpc_uid", "vpc_id"),
    ("/metadata/product/version", "version"),
    ("/src_endpoint/ip", "src_ip"),
    ("/src_endpoint/port", "srcport"),
    ("/src_endpoint/svc_name", "pkt_src_aws_service"),
    ("/start_time_dt", "ts"),
    ("/status_code", "log_status"),
    ("/traffic/bytes", "bytes"),
    ("/traffic/packets", "packets"),
    ("/unmapped/sublocation_id", "sublocation_id"),
    ("/unmapped/sublocation_type", "sublocation_type"),
];
const OPENSEARCH: &[(&str, &str)] = &[
    ("/@timestamp", "ts"),
    ("/event/result", "action"),
    ("/cloud/account/id", "account"),
    ("/communication/source/address", "src_ip"),
    ("/communication/source/port", "srcport"),
    ("/communication/source/bytes", "bytes"),
    ("/communication/source/packets", "packets"),
    ("/communication/destination/address", "dst_host"),
    ("/communication/destination/port", "dstport"),
    ("/aws/vpc/version", "version"),
    ("/aws/vpc/account-id", "account"),
    ("/aws/vpc/interface-id", "interface_id"),
    ("/aws/vpc/region", "region"),
    ("/aws/vpc/vpc-id", "vpc_id"),
    ("/aws/vpc/subnet-id", "subnet_id"),
    ("/aws/vpc/az-id", "az_id"),
    ("/aws/vpc/instance-id", "instance_id"),
    ("/aws/vpc/srcaddr", "srcaddr"),
    ("/aws/vpc/dstaddr", "dstaddr"),
    ("/aws/vpc/srcport", "srcport"),
    ("/aws/vpc/dstport", "dstport"),
    ("/aws/vpc/protocol", "protocol"),
    ("/aws/vpc/packets", "packets"),
    ("/aws/vpc/bytes", "bytes"),
    ("/aws/vpc/pkt-src-aws-service", "pkt_src_aws_service"),
    ("/aws/vpc/pkt-dst-aws-service", "pkt_dst_aws_service"),
    ("/aws/vpc/flow-direction", "flow_direction"),
    ("/aws/vpc/start", "start"),
    ("/aws/vpc/end", "end"),
    ("/aws/vpc/action", "action"),
    ("/aws/vpc/log-status", "log_status"),
];

#[test]
fn others_agree_but_for_the_listed_differences() {
    let json = |path: &str| -> Option<serde_json::Value> {
        shared(path).map(|bytes| serde_json::from_slice(&bytes).expect("fixtures are JSON"))
    };
    let (
        Some(elastic_raw),
        Some(elastic),
        Some(ocsf_raw),
        Some(ocsf),
        Some(opensearch_raw),
        Some(opensearch),
    ) = (
        shared("aws/elastic-integrations/vpcflow/test-v8-samples.log"),
        json("aws/elastic-integrations/vpcflow/test-v8-samples.log-expected.json"),
        shared("aws/vpcflow/ocsf-vpcflow.raw.log"),
        json("aws/vpcflow/ocsf-vpcflow.expected-ocsf.json"),
        shared("aws/vpcflow/opensearch-catalog-v2.log"),
        json("aws/vpcflow/opensearch-catalog-vpcflow-sample.json"),
    )
    else {
        return;
    };
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut differing = BTreeSet::new();
    for (sample, raw, theirs, fields) in [
        ("elastic-v8", elastic_raw, list(&elastic["expected"]), ELASTIC),
        ("ocsf", ocsf_raw, list(&ocsf), OCSF),
        ("opensearch", opensearch_raw, list(&opensearch), OPENSEARCH),
    ] {
        let whole = read(raw.as_slice(), &options());
        assert_eq!(whole.rows.len(), theirs.len(), "{sample}");
        let mut compared = 0;
        for (row, theirs) in theirs.iter().enumerate() {
            // Every other record of the catalogue has the fields of the way back and still the
            // body of the way there.
            let source = theirs
                .pointer("/aws/vpc/srcaddr")
                .and_then(|source| source.as_str());
            if source.is_some_and(|source| source != whole.cell(row, "srcaddr")) {
                continue;
            }
            compared += 1;
            for (pointer, ours) in fields {
                let value = theirs
                    .pointer(pointer)
                    .unwrap_or_else(|| panic!("{sample} has {pointer}"));
                let want = match value {
                    serde_json::Value::String(text) => text.trim_end_matches(".000Z").to_owned(),
                    other => other.to_string(),
                };
                if whole.cell(row, ours).trim_end_matches('Z') != want {
                    differing.insert((sample.to_owned(), (*pointer).to_owned(), (*ours).to_owned()));
                }
            }
        }
        assert!(compared > 0, "{sample}");
    }
    assert_eq!(differing, listed());
}

#[test]
fn samples_of_the_guide() {
    let Some(bytes) = shared("aws/vpcflow/aws-guide-record-examples.log") else {
        return;
    };
    let whole = read(bytes.as_slice(), &options());
    check(&whole, 2, &[("log_status", "NODATA"), ("src_ip", "∅")]);
    check(
        &whole,
        3,
        &[("log_status", "SKIPDATA"), ("warnings", "flows_missing")],
    );
    let last = whole.rows.len() - 1;
    check(
        &whole,
        last,
        &[
            ("traffic_path", "8"),
            ("flow_direction", "egress"),
            ("pkt_dst_aws_service", "S3"),
            ("bytes_out", "471"),
            ("region", "ap-southeast-2"),
        ],
    );
    check(&whole, last - 1, &[("bytes_in", "15044"), ("traffic_path", "∅")]);
    // Addresses of the packet, not of the gateway it passed.
    let nat = (0..whole.rows.len()).find(|&row| whole.cell(row, "pkt_dstaddr") == "203.0.113.5");
    let nat = nat.expect("the NAT example");
    check(
        &whole,
        nat,
        &[("dstaddr", "10.0.0.220"), ("dst_host", "203.0.113.5")],
    );
}
