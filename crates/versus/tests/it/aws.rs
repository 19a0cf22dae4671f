//! VPC flow and Application Load Balancer records.

use crate::compare::{Comparison, Difference, Fields, Known, RECORD, named, renamed};
use bytes::Bytes;
use haetae_event::native::vpcflow;
use haetae_parse::ParseOptions;
use haetae_versus::lines;
use haetae_versus::ours::{self, Row};
use haetae_versus::theirs::{self, Theirs};
use vrl::value::Value;

/// Our column, their key. Their integers are ours; `-` is null on both sides.
const FLOW: &[(&str, &str)] = &[
    ("version", "version"),
    ("account", "account_id"),
    ("interface_id", "interface_id"),
    ("srcaddr", "srcaddr"),
    ("dstaddr", "dstaddr"),
    ("srcport", "srcport"),
    ("dstport", "dstport"),
    ("protocol", "protocol"),
    ("packets", "packets"),
    ("bytes", "bytes"),
    ("start", "start"),
    ("end", "end"),
    ("action", "action"),
    ("log_status", "log_status"),
    ("vpc_id", "vpc_id"),
    ("subnet_id", "subnet_id"),
    ("instance_id", "instance_id"),
    ("tcp_flags", "tcp_flags"),
    ("type", "type"),
    ("pkt_srcaddr", "pkt_srcaddr"),
    ("pkt_dstaddr", "pkt_dstaddr"),
    ("region", "region"),
    ("az_id", "az_id"),
    ("sublocation_type", "sublocation_type"),
    ("sublocation_id", "sublocation_id"),
    ("pkt_src_aws_service", "pkt_src_aws_service"),
    ("pkt_dst_aws_service", "pkt_dst_aws_service"),
    ("flow_direction", "flow_direction"),
    ("traffic_path", "traffic_path"),
];

#[test]
fn vpcflow_default() {
    Comparison {
        name: "vpcflow",
        kind: "vpcflow",
        format: "vpcflow",
        program: "parse_aws_vpc_flow_log!(.message)".to_owned(),
        ours: |row| renamed(row, FLOW),
        theirs: |value| named(value, FLOW),
        more: &["2 123456789010 eni-1 172.31.16.139 203.0.113.12 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK 7"],
        shared: &["aws/vpcflow/opensearch-catalog-v2.log", "aws/vpcflow/aws-guide-record-examples.log"],
        known: &[Known {
            key: "vpcflow.more-fields",
            holds: |d| d.field == RECORD && d.line.split(' ').count() > 14,
        }],
    }
    .run();
}

#[test]
fn vpcflow_versions_2_to_5() {
    let names: Vec<String> = vpcflow::FIELDS[..29]
        .iter()
        .map(|f| f.vendor.replace('-', "_"))
        .collect();
    Comparison {
        name: "vpcflow-all",
        kind: "vpcflow-all",
        format: "vpcflow",
        program: format!("parse_aws_vpc_flow_log!(.message, \"{}\")", names.join(" ")),
        ours: |row| renamed(row, FLOW),
        theirs: |value| named(value, FLOW),
        more: &[],
        shared: &["aws/elastic-integrations/vpcflow/test-v5-all-fields.log"],
        known: &[],
    }
    .run();
}

/// Our column, their key. Durations are seconds and -1 on both sides; their status codes and rule
/// priority are text, ours numbers: both are shown in decimal. Their lists are shown with spaces
/// between, as the record has them.
const ALB: &[(&str, &str)] = &[
    ("type", "type"),
    ("time", "timestamp"),
    ("elb", "elb"),
    ("request_processing_time", "request_processing_time"),
    ("target_processing_time", "target_processing_time"),
    ("response_processing_time", "response_processing_time"),
    ("elb_status_code", "elb_status_code"),
    ("target_status_code", "target_status_code"),
    ("bytes_in", "received_bytes"),
    ("bytes_out", "sent_bytes"),
    ("method", "request_method"),
    ("request_url", "request_url"),
    ("request_proto", "request_protocol"),
    ("ua", "user_agent"),
    ("ssl_cipher", "ssl_cipher"),
    ("ssl_protocol", "ssl_protocol"),
    ("target_group_arn", "target_group_arn"),
    ("trace_id", "trace_id"),
    ("domain_name", "domain_name"),
    ("chosen_cert_arn", "chosen_cert_arn"),
    ("matched_rule_priority", "matched_rule_priority"),
    ("request_creation_time", "request_creation_time"),
    ("actions_executed", "actions_executed"),
    ("redirect_url", "redirect_url"),
    ("error_reason", "error_reason"),
    ("target_port_list", "target_port_list"),
    ("target_status_code_list", "target_status_code_list"),
    ("classification", "classification"),
    ("classification_reason", "classification_reason"),
    ("conn_trace_id", "traceability_id"),
];
/// Our address and port, their key.
const ENDPOINTS: [(&str, &str, &str); 2] = [
    ("peer_ip", "client_port", "client_host"),
    ("target_ip", "target_port", "target_host"),
];

fn our_alb(row: &Row) -> Fields {
    let mut fields = renamed(row, ALB);
    for (address, port, name) in ENDPOINTS {
        if let Some(address) = row.get(address) {
            let port = row.get(port).map_or(String::new(), |port| format!(":{port}"));
            fields.insert(name.to_owned(), format!("{address}{port}"));
        }
    }
    fields
}

fn their_alb(value: &Value) -> Fields {
    let mut fields = named(value, ALB);
    fields.extend(named(value, &ENDPOINTS.map(|(_, _, name)| ("", name))));
    fields
}

/// The side that dropped backslashes has the other's text without them.
fn without_backslashes(d: &Difference) -> bool {
    let bare = |text: &Option<String>| text.as_ref().map(|text| text.replace('\\', ""));
    d.line.contains('\\') && d.field == "request_url" && bare(&d.ours) == d.theirs
}

#[test]
fn alb() {
    Comparison {
        name: "alb",
        kind: "alb",
        format: "alb",
        program: "parse_aws_alb_log!(.message, strict_mode: false)".to_owned(),
        ours: our_alb,
        theirs: their_alb,
        more: &[],
        shared: &[
            "aws/elb/opensearch-catalog-alb.log",
            "aws/elb/lambda-promtail-alb.log",
            "aws/elb/aws-log-parser-loadbalancer_http_entry.log",
            "aws/elb/aws-log-parser-loadbalancer_https_entry.log",
            "aws/elb/aws-log-parser-loadbalancer_http2_entry.log",
            "aws/elb/aws-log-parser-loadbalancer_websockets_entry.log",
            "aws/elb/aws-log-parser-loadbalancer_lambda_entry.log",
            "aws/elb/aws-log-parser-loadbalancer_lambda_failed_entry.log",
            "aws/elb/aws-log-parser-loadbalancer_cloudfront_forward.log",
            "aws/elb/aws-log-parser-loadbalancer_cloudfront_forward_refused.log",
        ],
        known: &[
            Known {
                key: "alb.backslash",
                holds: without_backslashes,
            },
            Known {
                key: "alb.agent-escapes",
                holds: |d| d.field == "user_agent" && d.line.contains("\\x"),
            },
            Known {
                key: "alb.lists",
                holds: |d| d.field == RECORD && d.theirs.as_ref().is_some_and(|t| t.contains("_list`")),
            },
        ],
    }
    .run();
}

/// The messages of CloudWatch Logs envelopes, each a flow record: our `raw`, their `message`.
#[test]
fn cloudwatch_envelopes() {
    const EACH: usize = 50;
    let kind = lines::named("vpcflow").expect("a kind of lines");
    let records = kind.lines(9, true, 2000);
    let envelopes: Vec<String> = records
        .chunks(EACH)
        .map(|messages| {
            let events = messages.iter().enumerate();
            let events = events.map(|(at, message)| {
                serde_json::json!({"id": at.to_string(), "timestamp": 1_772_323_200_000_i64, "message": message})
            });
            serde_json::json!({
                "messageType": "DATA_MESSAGE",
                "owner": "123456789012",
                "logGroup": "flows",
                "logStream": "eni-1",
                "subscriptionFilters": ["all"],
                "logEvents": events.collect::<Vec<_>>(),
            })
            .to_string()
        })
        .collect();
    let text = envelopes.join("\n");
    let reading = ours::read(text.as_bytes(), None, &ParseOptions::default()).expect("a format");
    assert!(reading.rejects.is_empty(), "{:?}", reading.rejects.first());
    let mine: Vec<&str> = reading.rows.values().map(|row| row["raw"].as_str()).collect();
    let mut program =
        Theirs::compile("parse_aws_cloudwatch_log_subscription_message!(.message)").expect("it compiles");
    let mut other = Vec::new();
    for envelope in envelopes {
        let value = program.read(Bytes::from(envelope)).expect("an envelope");
        let events = value
            .as_object()
            .and_then(|object| object.get("log_events")?.as_array());
        other.extend(
            events
                .expect("events")
                .iter()
                .filter_map(|event| theirs::text(event, "message")),
        );
    }
    assert_eq!(other, records, "they read what was written");
    assert_eq!(mine, other);
}
