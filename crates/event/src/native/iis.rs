//! IIS and other W3C extended log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Float64, Int32, Int64, Utf8};

/// W3C extended fields of web servers: those of IIS, then those of its kernel driver's error log.
/// `time_taken` is milliseconds in what IIS writes, seconds in what some others do.
pub const FIELDS: &[NativeField] = &[
    field("date", "date", Utf8, &[]),
    field("time", "time", Utf8, &[]),
    field("s-sitename", "s_sitename", Utf8, &[]),
    field("s-computername", "s_computername", Utf8, &[]),
    field("s-ip", "s_ip", Utf8, &[]),
    field("cs-method", "cs_method", Core("method"), &[]),
    field("cs-uri-stem", "cs_uri_stem", Utf8, &[]),
    field("cs-uri-query", "cs_uri_query", Utf8, &[]),
    field("s-port", "s_port", Int32, &[]),
    field("cs-username", "cs_username", Core("account"), &[]),
    field("c-ip", "c_ip", Core("peer_ip"), &[]),
    field("cs-version", "cs_version", Utf8, &["cs-protocol-version"]),
    field("cs(User-Agent)", "cs_user_agent", Core("ua"), &["cs-user-agent"]),
    field("cs(Cookie)", "cs_cookie", Utf8, &["cs-cookie"]),
    field(
        "cs(Referer)",
        "cs_referer",
        Utf8,
        &["cs-referer", "cs(Referrer)", "referer"],
    ),
    field("cs-host", "cs_host", Core("dst_host"), &["cs(Host)"]),
    field("sc-status", "sc_status", Int32, &[]),
    field("sc-substatus", "sc_substatus", Int32, &[]),
    field("sc-win32-status", "sc_win32_status", Int64, &[]),
    field("sc-bytes", "sc_bytes", Core("bytes_out"), &[]),
    field("cs-bytes", "cs_bytes", Core("bytes_in"), &[]),
    field("time-taken", "time_taken", Float64, &[]),
    field(
        "X-Forwarded-For",
        "x_forwarded_for",
        Utf8,
        &["cs(X-Forwarded-For)", "x-forwarded-for"],
    ),
    field("streamid", "streamid", Int64, &[]),
    field("crypt-protocol", "crypt_protocol", Utf8, &[]),
    field("crypt-cipher", "crypt_cipher", Utf8, &[]),
    field("crypt-hash", "crypt_hash", Utf8, &[]),
    field("crypt-keyexchange", "crypt_keyexchange", Utf8, &[]),
    field("c-port", "c_port", Int32, &[]),
    field("cs-uri", "cs_uri", Utf8, &[]),
    field("s-siteid", "s_siteid", Utf8, &[]),
    field("s-reason", "s_reason", Utf8, &[]),
    field("s-queuename", "s_queuename", Utf8, &[]),
];
