//! Network Load Balancer TLS access-log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Float64, Int32, Utf8};

/// Network Load Balancer TLS access-log fields, in the order of a record, named as in the Athena
/// guide's table; the load balancer guide's own names are aliases. `trailing` is what stands
/// behind the known fields.
pub const FIELDS: &[NativeField] = &[
    field("type", "type", Utf8, &[]),
    field("version", "version", Utf8, &[]),
    field("time", "time", Utf8, &["timestamp"]),
    field("elb", "elb", Utf8, &[]),
    field("listener_id", "listener_id", Utf8, &["listener"]),
    field("client_ip", "client_ip", Core("peer_ip"), &["client"]),
    field("client_port", "client_port", Int32, &[]),
    field("target_ip", "target_ip", Utf8, &["destination", "destination_ip"]),
    field("target_port", "target_port", Int32, &["destination_port"]),
    field(
        "tcp_connection_time_ms",
        "tcp_connection_time_ms",
        Float64,
        &["connection_time"],
    ),
    field(
        "tls_handshake_time_ms",
        "tls_handshake_time_ms",
        Float64,
        &["tls_handshake_time"],
    ),
    field("received_bytes", "received_bytes", Core("bytes_in"), &[]),
    field("sent_bytes", "sent_bytes", Core("bytes_out"), &[]),
    field("incoming_tls_alert", "incoming_tls_alert", Int32, &[]),
    field("cert_arn", "cert_arn", Utf8, &["chosen_cert_arn"]),
    field(
        "certificate_serial",
        "certificate_serial",
        Utf8,
        &["chosen_cert_serial"],
    ),
    field("tls_cipher_suite", "tls_cipher_suite", Utf8, &["tls_cipher"]),
    field("tls_protocol_version", "tls_protocol_version", Utf8, &[]),
    field("tls_named_group", "tls_named_group", Utf8, &[]),
    field("domain_name", "domain_name", Core("dst_host"), &[]),
    field("alpn_fe_protocol", "alpn_fe_protocol", Utf8, &[]),
    field("alpn_be_protocol", "alpn_be_protocol", Utf8, &[]),
    field(
        "alpn_client_preference_list",
        "alpn_client_preference_list",
        Utf8,
        &[],
    ),
    field(
        "tls_connection_creation_time",
        "tls_connection_creation_time",
        Utf8,
        &[],
    ),
    field("trailing", "trailing", Utf8, &[]),
];
