//! VPC flow and Application Load Balancer records.

use crate::compare::{Comparison, Difference, Fields, Known, named, renamed, unescape};
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
            key: "vpcflow.layout",
            holds: |d| d.is_read_by_us_alone() && d.line.split(' ').count() != 14,
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

/// They drop every backslash; our URL is as logged.
fn lost_backslashes(d: &Difference) -> bool {
    let bare = d.ours.as_ref().map(|ours| ours.replace('\\', ""));
    d.field == "request_url" && d.ours != d.theirs && bare == d.theirs
}

/// The same of the agent, whose escapes we undo.
fn lost_agent_backslashes(d: &Difference) -> bool {
    let Some(logged) = d.line.split('"').nth(3) else {
        return false;
    };
    d.field == "user_agent" && d.theirs == Some(logged.replace('\\', "")) && d.ours == Some(unescape(logged))
}

/// Number of fields, those in quotes as one.
fn words(line: &str) -> usize {
    let outside = line.split('"').step_by(2);
    outside.flat_map(|part| part.split_whitespace()).count() + line.matches('"').count() / 2
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
        more: &[
            r#"http 2018-07-02T22:23:00.186641Z app/a/50dc 192.0.2.7:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.shop.example:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:a "Root=1-2" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-""#,
        ],
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
                holds: lost_backslashes,
            },
            Known {
                key: "alb.agent-escapes",
                holds: lost_agent_backslashes,
            },
            Known {
                key: "alb.older",
                holds: |d| d.is_read_by_us_alone() && words(&d.line) == 25,
            },
            Known {
                key: "alb.lists",
                holds: |d| d.is_read_by_us_alone() && d.line.contains(":80 10.1.2.3:80\""),
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
