//! Application Load Balancer access-log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Float64, Int32, Utf8};

/// Application Load Balancer access-log fields, in the order of a record, named as in the Athena
/// guide's table. Durations are seconds, -1 as logged where the load balancer measured none;
/// `trailing` is what stands behind the known fields.
pub const FIELDS: &[NativeField] = &[
    field("type", "type", Utf8, &[]),
    field("time", "time", Utf8, &["timestamp"]),
    field("elb", "elb", Utf8, &[]),
    field("client_ip", "client_ip", Core("peer_ip"), &["client"]),
    field("client_port", "client_port", Int32, &[]),
    field("target_ip", "target_ip", Utf8, &["target"]),
    field("target_port", "target_port", Int32, &[]),
    field("request_processing_time", "request_processing_time", Float64, &[]),
    field("target_processing_time", "target_processing_time", Float64, &[]),
    field(
        "response_processing_time",
        "response_processing_time",
        Float64,
        &[],
    ),
    field("elb_status_code", "elb_status_code", Int32, &[]),
    field("target_status_code", "target_status_code", Int32, &[]),
    field("received_bytes", "received_bytes", Core("bytes_in"), &[]),
    field("sent_bytes", "sent_bytes", Core("bytes_out"), &[]),
    field(
        "request_verb",
        "request_verb",
        Core("method"),
        &["request_method"],
    ),
    field("request_url", "request_url", Utf8, &[]),
    field("request_proto", "request_proto", Utf8, &[]),
    field("user_agent", "user_agent", Core("ua"), &[]),
    field("ssl_cipher", "ssl_cipher", Utf8, &[]),
    field("ssl_protocol", "ssl_protocol", Utf8, &[]),
    field("target_group_arn", "target_group_arn", Utf8, &[]),
    field("trace_id", "trace_id", Core("trace_id"), &[]),
    field("domain_name", "domain_name", Utf8, &[]),
    field("chosen_cert_arn", "chosen_cert_arn", Utf8, &[]),
    field("matched_rule_priority", "matched_rule_priority", Int32, &[]),
    field("request_creation_time", "request_creation_time", Utf8, &[]),
    field("actions_executed", "actions_executed", Utf8, &[]),
    field("redirect_url", "redirect_url", Utf8, &[]),
    field("error_reason", "error_reason", Utf8, &["lambda_error_reason"]),
    field(
        "target_port_list",
        "target_port_list",
        Utf8,
        &["target:port_list"],
    ),
    field("target_status_code_list", "target_status_code_list", Utf8, &[]),
    field("classification", "classification", Utf8, &[]),
    field("classification_reason", "classification_reason", Utf8, &[]),
    field("conn_trace_id", "conn_trace_id", Utf8, &["tid"]),
    field("transformed_host", "transformed_host", Utf8, &[]),
    field("transformed_uri", "transformed_uri", Utf8, &[]),
    field("request_transform_status", "request_transform_status", Utf8, &[]),
    field("trailing", "trailing", Utf8, &[]),
];
