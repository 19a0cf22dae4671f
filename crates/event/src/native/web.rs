//! Access-log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Float64, Utf8};

/// Access-log fields under nginx's names. `request` is the request line as logged, `trailing` what
/// stands behind the user agent; `request_time` is in seconds.
pub const FIELDS: &[NativeField] = &[
    field("remote_addr", "remote_addr", Core("peer_ip"), &[]),
    field("remote_user", "remote_user", Core("account"), &[]),
    field("ident", "ident", Utf8, &[]),
    field("request", "request", Utf8, &[]),
    field("protocol", "protocol", Utf8, &["server_protocol", "http_version"]),
    field("body_bytes_sent", "body_bytes_sent", Core("bytes_out"), &[]),
    field("http_referer", "http_referer", Utf8, &["referer", "referrer"]),
    field("http_user_agent", "http_user_agent", Core("ua"), &["user_agent"]),
    field(
        "http_x_forwarded_for",
        "http_x_forwarded_for",
        Utf8,
        &["x_forwarded_for"],
    ),
    field("request_time", "request_time", Float64, &[]),
    field("trailing", "trailing", Utf8, &[]),
];
