//! CloudFront standard and real-time log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Float64, Int32, Int64, Utf8};

/// CloudFront standard log fields: the first 35 in the order of the guide, then those that only
/// standard logging v2 can add. Durations are seconds.
pub const FIELDS: &[NativeField] = &[
    field("date", "date", Utf8, &[]),
    field("time", "time", Utf8, &[]),
    field("x-edge-location", "x_edge_location", Utf8, &[]),
    field("sc-bytes", "sc_bytes", Core("bytes_out"), &[]),
    field("c-ip", "c_ip", Core("peer_ip"), &[]),
    field("cs-method", "cs_method", Core("method"), &[]),
    field("cs(Host)", "cs_host", Utf8, &[]),
    field("cs-uri-stem", "cs_uri_stem", Utf8, &[]),
    field("sc-status", "sc_status", Int32, &[]),
    field("cs(Referer)", "cs_referer", Utf8, &["cs-referer", "referer"]),
    field("cs(User-Agent)", "cs_user_agent", Core("ua"), &["cs-user-agent"]),
    field("cs-uri-query", "cs_uri_query", Utf8, &[]),
    field("cs(Cookie)", "cs_cookie", Utf8, &["cs-cookie"]),
    field("x-edge-result-type", "x_edge_result_type", Utf8, &[]),
    field("x-edge-request-id", "x_edge_request_id", Core("request_id"), &[]),
    field("x-host-header", "x_host_header", Utf8, &[]),
    field("cs-protocol", "cs_protocol", Utf8, &[]),
    field("cs-bytes", "cs_bytes", Core("bytes_in"), &[]),
    field("time-taken", "time_taken", Float64, &[]),
    field("x-forwarded-for", "x_forwarded_for", Utf8, &[]),
    field("ssl-protocol", "ssl_protocol", Utf8, &[]),
    field("ssl-cipher", "ssl_cipher", Utf8, &[]),
    field(
        "x-edge-response-result-type",
        "x_edge_response_result_type",
        Utf8,
        &[],
    ),
    field("cs-protocol-version", "cs_protocol_version", Utf8, &[]),
    field("fle-status", "fle_status", Utf8, &[]),
    field("fle-encrypted-fields", "fle_encrypted_fields", Int32, &[]),
    field("c-port", "c_port", Int32, &[]),
    field("time-to-first-byte", "time_to_first_byte", Float64, &[]),
    field(
        "x-edge-detailed-result-type",
        "x_edge_detailed_result_type",
        Utf8,
        &[],
    ),
    field("sc-content-type", "sc_content_type", Utf8, &[]),
    field("sc-content-len", "sc_content_len", Int64, &[]),
    field("sc-range-start", "sc_range_start", Int64, &[]),
    field("sc-range-end", "sc_range_end", Int64, &[]),
    field("distribution-tenant-id", "distribution_tenant_id", Utf8, &[]),
    field("connection-id", "connection_id", Utf8, &[]),
    field("timestamp(ms)", "timestamp_ms", Int64, &[]),
    field("origin-fbl", "origin_fbl", Float64, &[]),
    field("origin-lbl", "origin_lbl", Float64, &[]),
    field("asn", "asn", Int64, &[]),
    field("c-country", "c_country", Utf8, &[]),
    field(
        "cache-behavior-path-pattern",
        "cache_behavior_path_pattern",
        Utf8,
        &[],
    ),
];
