//! S3 server access-log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Int32, Int64, Utf8};

/// S3 server access-log fields, in the order of a record, named as in the S3 guide's Athena table;
/// the names of the guide's format description are aliases. Times are milliseconds; `trailing` is
/// what stands behind the known fields.
pub const FIELDS: &[NativeField] = &[
    field("bucketowner", "bucketowner", Utf8, &["bucket_owner"]),
    field("bucket_name", "bucket_name", Utf8, &["bucket"]),
    field(
        "requestdatetime",
        "requestdatetime",
        Utf8,
        &["request_datetime", "time"],
    ),
    field("remoteip", "remoteip", Core("peer_ip"), &["remote_ip"]),
    field("requester", "requester", Core("account"), &[]),
    field("requestid", "requestid", Core("request_id"), &[]),
    field("operation", "operation", Utf8, &[]),
    field("key", "key", Utf8, &["object_key"]),
    field("request_uri", "request_uri", Utf8, &["requesturi"]),
    field("httpstatus", "httpstatus", Int32, &["http_status"]),
    field("errorcode", "errorcode", Utf8, &["error_code"]),
    field("bytessent", "bytessent", Core("bytes_out"), &["bytes_sent"]),
    field("objectsize", "objectsize", Int64, &["object_size"]),
    field("totaltime", "totaltime", Int64, &["total_time"]),
    field(
        "turnaroundtime",
        "turnaroundtime",
        Int64,
        &["turn_around_time", "turnaround_time"],
    ),
    field("referrer", "referrer", Utf8, &["referer"]),
    field("useragent", "useragent", Core("ua"), &["user_agent"]),
    field("versionid", "versionid", Utf8, &["version_id"]),
    field("hostid", "hostid", Utf8, &["host_id"]),
    field("sigv", "sigv", Utf8, &["signature_version"]),
    field("ciphersuite", "ciphersuite", Utf8, &["cipher_suite"]),
    field(
        "authtype",
        "authtype",
        Utf8,
        &["auth_type", "authentication_type"],
    ),
    field("endpoint", "endpoint", Core("dst_host"), &["host_header"]),
    field("tlsversion", "tlsversion", Utf8, &["tls_version"]),
    field("accesspointarn", "accesspointarn", Utf8, &["access_point_arn"]),
    field("aclrequired", "aclrequired", Utf8, &["acl_required"]),
    field("source_region", "source_region", Utf8, &["sourceregion"]),
    field("trailing", "trailing", Utf8, &[]),
];
