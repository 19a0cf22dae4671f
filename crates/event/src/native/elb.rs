//! Classic Load Balancer access-log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Float64, Int32, Utf8};

/// Classic Load Balancer access-log fields, in the order of a record, named as in the Athena
/// guide's table; the load balancer guide's own names are aliases. Durations are seconds, -1 as
/// logged where there was none; `trailing` is what stands behind the known fields.
pub const FIELDS: &[NativeField] = &[
    field("timestamp", "timestamp", Utf8, &["time"]),
    field("elb_name", "elb_name", Utf8, &["elb"]),
    field(
        "request_ip",
        "request_ip",
        Core("peer_ip"),
        &["client", "client_ip"],
    ),
    field("request_port", "request_port", Int32, &["client_port"]),
    field("backend_ip", "backend_ip", Utf8, &["backend"]),
    field("backend_port", "backend_port", Int32, &[]),
    field("request_processing_time", "request_processing_time", Float64, &[]),
    field("backend_processing_time", "backend_processing_time", Float64, &[]),
    field(
        "client_response_time",
        "client_response_time",
        Float64,
        &["response_processing_time"],
    ),
    field(
        "elb_response_code",
        "elb_response_code",
        Int32,
        &["elb_status_code"],
    ),
    field(
        "backend_response_code",
        "backend_response_code",
        Int32,
        &["backend_status_code"],
    ),
    field("received_bytes", "received_bytes", Core("bytes_in"), &[]),
    field("sent_bytes", "sent_bytes", Core("bytes_out"), &[]),
    field(
        "request_verb",
        "request_verb",
        Core("method"),
        &["request_method"],
    ),
    field("url", "url", Utf8, &["request_url"]),
    field("protocol", "protocol", Utf8, &["request_proto"]),
    field("user_agent", "user_agent", Core("ua"), &[]),
    field("ssl_cipher", "ssl_cipher", Utf8, &[]),
    field("ssl_protocol", "ssl_protocol", Utf8, &[]),
    field("trailing", "trailing", Utf8, &[]),
];
