//! Route 53 Resolver and hosted-zone query-log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Core, Int32, Utf8};

/// Route 53 Resolver query-log fields, and behind them those that only the query log of a public
/// hosted zone has, under the names Logs Insights gives them. `query_name` keeps its dot at the
/// end; `answers` is JSON text.
pub const FIELDS: &[NativeField] = &[
    field("version", "version", Utf8, &[]),
    field("account_id", "account_id", Core("account"), &[]),
    field("region", "region", Core("region"), &[]),
    field("vpc_id", "vpc_id", Utf8, &[]),
    field("query_timestamp", "query_timestamp", Utf8, &["queryTimestamp"]),
    field("query_name", "query_name", Utf8, &["queryName"]),
    field("query_type", "query_type", Utf8, &["queryType"]),
    field("query_class", "query_class", Utf8, &[]),
    field("rcode", "rcode", Utf8, &["responseCode"]),
    field("answers", "answers", Utf8, &[]),
    field("srcaddr", "srcaddr", Core("peer_ip"), &["resolverIp"]),
    field("srcport", "srcport", Int32, &[]),
    field("transport", "transport", Utf8, &["protocol"]),
    field("srcids.instance", "srcids_instance", Utf8, &[]),
    field("srcids.resolver_endpoint", "srcids_resolver_endpoint", Utf8, &[]),
    field(
        "srcids.resolver_network_interface",
        "srcids_resolver_network_interface",
        Utf8,
        &[],
    ),
    field(
        "firewall_rule_group_id",
        "firewall_rule_group_id",
        Core("rule_id"),
        &[],
    ),
    field("firewall_rule_action", "firewall_rule_action", Utf8, &[]),
    field("firewall_domain_list_id", "firewall_domain_list_id", Utf8, &[]),
    field("hostZoneId", "hostzoneid", Utf8, &["hosted_zone_id"]),
    field("edgeLocation", "edgelocation", Utf8, &["edge_location"]),
    field(
        "ednsClientSubnet",
        "ednsclientsubnet",
        Utf8,
        &["edns_client_subnet"],
    ),
];
