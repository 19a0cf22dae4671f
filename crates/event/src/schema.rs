//! Core v1 and the native columns of each dataset.
//!
//! Source of the names: `CloudFront Developer Guide` (standard log reference), `VPC User Guide`
//! (flow log records), `AWS WAF Developer Guide` (log fields), Apache and nginx manuals.

use crate::dataset::{NativeField, NativeType};
use arrow::datatypes::{DataType, Field, TimeUnit};

/// Core v1: name, type, nullable. `tenant` and `ds` are keys of the layout, not columns of a
/// batch; queries show them as `tenant_id` and `dataset`.
pub fn core_fields() -> Vec<Field> {
    let ts = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let text = DataType::Utf8View;
    vec![
        Field::new("ts", ts(), false),
        Field::new("ingested_at", ts(), true),
        Field::new("region", text.clone(), true),
        Field::new("src_ip", text.clone(), true),
        Field::new("dst_host", text.clone(), true),
        Field::new("peer_ip", text.clone(), true),
        Field::new("src_key", DataType::FixedSizeBinary(16), true),
        Field::new("method", text.clone(), true),
        Field::new("uri", text.clone(), true),
        Field::new("status", DataType::Int32, true),
        Field::new("ua", text.clone(), true),
        Field::new("bytes_in", DataType::Int64, true),
        Field::new("bytes_out", DataType::Int64, true),
        Field::new("blocked", DataType::Boolean, true),
        Field::new("rule_id", text.clone(), true),
        Field::new("session_id", text.clone(), true),
        Field::new("account", text.clone(), true),
        Field::new("ja4", text.clone(), true),
        Field::new("request_id", text.clone(), true),
        Field::new("trace_id", text.clone(), true),
        Field::new("raw", text.clone(), true),
        Field::new("raw_hash", DataType::FixedSizeBinary(32), true),
        Field::new("ip_bucket", text.clone(), true),
        Field::new("ts_epoch", DataType::Int64, true),
        // Soft problems of the record, e.g. `ts_out_of_range`.
        Field::new(
            "warnings",
            DataType::List(std::sync::Arc::new(Field::new("item", DataType::Utf8View, true))),
            true,
        ),
        // JSON object of the keys that have no column.
        Field::new("attrs", text, true),
    ]
}

use NativeType::{Core, Float64, Int32, Int64, Utf8};

const fn field(
    vendor: &'static str,
    column: &'static str,
    kind: NativeType,
    aliases: &'static [&'static str],
) -> NativeField {
    NativeField {
        vendor,
        column,
        kind,
        aliases,
    }
}

/// CloudFront standard log fields: the first 35 in the order of the guide, then those that only
/// standard logging v2 can add. Durations are seconds.
pub const CLOUDFRONT: &[NativeField] = &[
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

/// VPC Flow Logs fields, by introducing version (2 to 5, 7 to 11): the order of the "everything"
/// formats. `start` and `end` are Unix seconds.
pub const VPCFLOW: &[NativeField] = &[
    field("version", "version", Int32, &[]),
    field(
        "account-id",
        "account_id",
        Core("account"),
        &["accountId", "account_id"],
    ),
    field("interface-id", "interface_id", Utf8, &["interfaceId"]),
    field("srcaddr", "srcaddr", Utf8, &["srcAddr", "sourceaddress"]),
    field("dstaddr", "dstaddr", Utf8, &["dstAddr", "destinationaddress"]),
    field("srcport", "srcport", Int32, &["srcPort", "sourceport"]),
    field("dstport", "dstport", Int32, &["dstPort", "destinationport"]),
    field("protocol", "protocol", Int32, &[]),
    field("packets", "packets", Int64, &["numpackets"]),
    field("bytes", "bytes", Int64, &["numbytes"]),
    field(
        "start",
        "start",
        Int64,
        &["windowstart", "startTime", "starttime"],
    ),
    field("end", "end", Int64, &["windowend", "endTime", "endtime"]),
    field("action", "action", Utf8, &[]),
    field("log-status", "log_status", Utf8, &["logStatus", "flowlogstatus"]),
    field("vpc-id", "vpc_id", Utf8, &["vpcId"]),
    field("subnet-id", "subnet_id", Utf8, &["subnetId"]),
    field("instance-id", "instance_id", Utf8, &["instanceId"]),
    field("tcp-flags", "tcp_flags", Int32, &["tcpFlags"]),
    field("type", "type", Utf8, &[]),
    field("pkt-srcaddr", "pkt_srcaddr", Utf8, &["pktSrcAddr"]),
    field("pkt-dstaddr", "pkt_dstaddr", Utf8, &["pktDstAddr"]),
    field("region", "region", Core("region"), &[]),
    field("az-id", "az_id", Utf8, &["azId"]),
    field("sublocation-type", "sublocation_type", Utf8, &["sublocationType"]),
    field("sublocation-id", "sublocation_id", Utf8, &["sublocationId"]),
    field(
        "pkt-src-aws-service",
        "pkt_src_aws_service",
        Utf8,
        &["pktSrcAwsService"],
    ),
    field(
        "pkt-dst-aws-service",
        "pkt_dst_aws_service",
        Utf8,
        &["pktDstAwsService"],
    ),
    field("flow-direction", "flow_direction", Utf8, &["flowDirection"]),
    field("traffic-path", "traffic_path", Int32, &["trafficPath"]),
    field("ecs-cluster-arn", "ecs_cluster_arn", Utf8, &[]),
    field("ecs-cluster-name", "ecs_cluster_name", Utf8, &[]),
    field(
        "ecs-container-instance-arn",
        "ecs_container_instance_arn",
        Utf8,
        &[],
    ),
    field(
        "ecs-container-instance-id",
        "ecs_container_instance_id",
        Utf8,
        &[],
    ),
    field("ecs-container-id", "ecs_container_id", Utf8, &[]),
    field("ecs-second-container-id", "ecs_second_container_id", Utf8, &[]),
    field("ecs-service-name", "ecs_service_name", Utf8, &[]),
    field("ecs-task-definition-arn", "ecs_task_definition_arn", Utf8, &[]),
    field("ecs-task-arn", "ecs_task_arn", Utf8, &[]),
    field("ecs-task-id", "ecs_task_id", Utf8, &[]),
    field(
        "reject-reason",
        "reject_reason",
        Core("rule_id"),
        &["rejectReason"],
    ),
    field("resource-id", "resource_id", Utf8, &["resourceId"]),
    field(
        "encryption-status",
        "encryption_status",
        Int32,
        &["encryptionStatus"],
    ),
    field("instance-tag", "instance_tag", Utf8, &[]),
    field("instance-tag-2", "instance_tag_2", Utf8, &[]),
    field("interface-tag", "interface_tag", Utf8, &[]),
    field("interface-tag-2", "interface_tag_2", Utf8, &[]),
    field("asg-tag", "asg_tag", Utf8, &[]),
    field("asg-tag-2", "asg_tag_2", Utf8, &[]),
    field("interface-type", "interface_type", Utf8, &[]),
    field("next-hop-interface-id", "next_hop_interface_id", Utf8, &[]),
    field("next-hop-subnet-id", "next_hop_subnet_id", Utf8, &[]),
    field("next-hop-az-id", "next_hop_az_id", Utf8, &[]),
    field("next-hop-vpc-id", "next_hop_vpc_id", Utf8, &[]),
    field("next-hop-interface-type", "next_hop_interface_type", Utf8, &[]),
];

/// AWS WAF log fields. Arrays and objects are kept as JSON text.
pub const WAF: &[NativeField] = &[
    field("timestamp", "timestamp", Int64, &[]),
    field("formatVersion", "formatversion", Int32, &[]),
    field("webaclId", "webaclid", Utf8, &[]),
    field("terminatingRuleId", "terminatingruleid", Utf8, &[]),
    field("terminatingRuleType", "terminatingruletype", Utf8, &[]),
    field("action", "action", Utf8, &[]),
    field(
        "terminatingRuleMatchDetails",
        "terminatingrulematchdetails",
        Utf8,
        &[],
    ),
    field("httpSourceName", "httpsourcename", Utf8, &[]),
    field("httpSourceId", "httpsourceid", Utf8, &[]),
    field("ruleGroupList", "rulegrouplist", Utf8, &[]),
    field("rateBasedRuleList", "ratebasedrulelist", Utf8, &[]),
    field(
        "nonTerminatingMatchingRules",
        "nonterminatingmatchingrules",
        Utf8,
        &[],
    ),
    field("requestHeadersInserted", "requestheadersinserted", Utf8, &[]),
    field("responseCodeSent", "responsecodesent", Core("status"), &[]),
    field(
        "httpRequest.clientIp",
        "httprequest_clientip",
        Core("peer_ip"),
        &[],
    ),
    field("httpRequest.country", "httprequest_country", Utf8, &[]),
    field("httpRequest.headers", "httprequest_headers", Utf8, &[]),
    field("httpRequest.uri", "httprequest_uri", Utf8, &[]),
    field("httpRequest.args", "httprequest_args", Utf8, &[]),
    field("httpRequest.httpVersion", "httprequest_httpversion", Utf8, &[]),
    field(
        "httpRequest.httpMethod",
        "httprequest_httpmethod",
        Core("method"),
        &[],
    ),
    field(
        "httpRequest.requestId",
        "httprequest_requestid",
        Core("request_id"),
        &[],
    ),
    field("httpRequest.fragment", "httprequest_fragment", Utf8, &[]),
    field("httpRequest.scheme", "httprequest_scheme", Utf8, &[]),
    field("httpRequest.host", "httprequest_host", Utf8, &[]),
    field("labels", "labels", Utf8, &[]),
    field("captchaResponse", "captcharesponse", Utf8, &[]),
    field("challengeResponse", "challengeresponse", Utf8, &[]),
    field("ja3Fingerprint", "ja3fingerprint", Utf8, &[]),
    field("ja4Fingerprint", "ja4fingerprint", Core("ja4"), &[]),
    field("clientAsn", "clientasn", Int64, &[]),
    field("forwardedAsn", "forwardedasn", Int64, &[]),
    field("oversizeFields", "oversizefields", Utf8, &[]),
    field("requestBodySize", "requestbodysize", Int64, &[]),
    field(
        "requestBodySizeInspectedByWAF",
        "requestbodysizeinspectedbywaf",
        Int64,
        &[],
    ),
    field("cfDistributionTenantId", "cfdistributiontenantid", Utf8, &[]),
];

/// Access-log fields under nginx's names. `request` is the request line as logged, `trailing` what
/// stands behind the user agent; `request_time` is in seconds.
pub const WEB: &[NativeField] = &[
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

/// What JSON application logs have in common; everything else goes to `attrs`.
pub const APP: &[NativeField] = &[
    field("level", "level", Utf8, &["severity"]),
    field("message", "message", Utf8, &["msg"]),
    field("service", "service", Utf8, &["logger"]),
    field("request_time", "request_time", Float64, &[]),
];
