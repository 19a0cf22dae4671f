//! AWS WAF log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Int32, Int64, Utf8};

/// AWS WAF log fields. Arrays and objects are kept as JSON text.
pub const FIELDS: &[NativeField] = &[
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
    field(
        "challengeResponse",
        "challengeresponse",
        Utf8,
        &["challengeResponses"],
    ),
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
