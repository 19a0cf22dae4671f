//! From the names rules use to the columns batches have.

use crate::payload::Class;
use haetae_event::Dataset;
use haetae_event::dataset::NativeType;
use std::borrow::Cow;

/// Which part of a column's text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// The value as logged.
    Whole,
    /// With every encoding undone ([`haetae_event::decode`]).
    Decoded,
    /// As logged or decoded, whichever matches.
    Both,
    /// Path of a URI, as logged or decoded.
    Stem,
    /// Query of a URI, as logged or decoded, or the whole URI: rules write path parts into
    /// `cs-uri-query`.
    Query,
    /// What follows the last dot of the path's last segment.
    Extension,
    /// How much a URI looks like an attack of a class, 0 to 100 ([`crate::payload`]).
    Score(Class),
}

/// A column and the part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldRef {
    pub column: Cow<'static, str>,
    pub view: View,
}

const fn core(column: &'static str) -> FieldRef {
    FieldRef {
        column: Cow::Borrowed(column),
        view: View::Whole,
    }
}

const fn uri(view: View) -> FieldRef {
    FieldRef {
        column: Cow::Borrowed("uri"),
        view,
    }
}

/// Names of Sigma's web taxonomy, and what they are here. Order does not matter.
const WEB: &[(&str, FieldRef)] = &[
    ("c-ip", core("src_ip")),
    ("src_ip", core("src_ip")),
    ("clientip", core("src_ip")),
    ("cs-method", core("method")),
    ("cs-uri-stem", uri(View::Stem)),
    ("c-uri-stem", uri(View::Stem)),
    ("cs-uri-query", uri(View::Query)),
    ("c-uri-query", uri(View::Query)),
    ("cs-uri", uri(View::Both)),
    ("c-uri", uri(View::Both)),
    ("c-uri-extension", uri(View::Extension)),
    ("uri_decoded", uri(View::Decoded)),
    ("uri_sqli_score", uri(View::Score(Class::Sqli))),
    ("uri_xss_score", uri(View::Score(Class::Xss))),
    ("uri_lfi_score", uri(View::Score(Class::Lfi))),
    ("uri_rce_score", uri(View::Score(Class::Rce))),
    ("uri_stem", uri(View::Stem)),
    ("uri_query", uri(View::Query)),
    ("sc-status", core("status")),
    ("response", core("status")),
    ("cs-user-agent", core("ua")),
    ("c-useragent", core("ua")),
    ("cs(user-agent)", core("ua")),
    ("cs-host", core("dst_host")),
    ("r-dns", core("dst_host")),
    ("cs-bytes", core("bytes_in")),
    ("sc-bytes", core("bytes_out")),
    ("cs-username", core("account")),
    ("dst_ip", core("dst_host")),
];

/// Names of Sigma's firewall taxonomy over flow logs.
const FIREWALL: &[(&str, FieldRef)] = &[
    ("src_ip", core("src_ip")),
    ("dst_ip", core("dstaddr")),
    ("src_port", core("srcport")),
    ("dst_port", core("dstport")),
    ("action", core("action")),
    ("blocked", core("blocked")),
];

/// Columns of Core v1 that rules may name.
const CORE: [&str; 18] = [
    "src_ip",
    "dst_host",
    "peer_ip",
    "method",
    "uri",
    "status",
    "ua",
    "bytes_in",
    "bytes_out",
    "blocked",
    "rule_id",
    "session_id",
    "account",
    "ja4",
    "request_id",
    "trace_id",
    "region",
    "raw",
];

/// The column of `dataset` that a rule means by `name`; `None` when it has none.
pub fn resolve(dataset: Dataset, name: &str) -> Option<FieldRef> {
    let lower = name.to_ascii_lowercase();
    let table = match dataset {
        _ if dataset.is_web() => WEB,
        Dataset::VpcFlow => FIREWALL,
        _ => &[],
    };
    if let Some((_, field)) = table.iter().find(|(known, _)| *known == lower) {
        return Some(field.clone());
    }
    if let Some(known) = CORE.iter().find(|known| **known == lower) {
        return Some(core(known));
    }
    // Referers have one vendor name per dataset.
    let wanted = match lower.as_str() {
        "cs-referer" | "cs-referrer" | "referer" | "referrer" => "referer",
        other => other,
    };
    dataset.native_fields().iter().find_map(|field| {
        let named = field.column == wanted
            || field.vendor.eq_ignore_ascii_case(wanted)
            || field
                .aliases
                .iter()
                .any(|alias| alias.eq_ignore_ascii_case(wanted));
        named.then_some(match field.kind {
            NativeType::Core(column) => core(column),
            _ => core(field.column),
        })
    })
}

/// The datasets a log source speaks of; empty when none of ours is meant.
pub fn datasets(source: &crate::sigma::document::LogSource) -> Vec<Dataset> {
    let category = source.category.as_deref();
    let product = source.product.as_deref();
    let service = source.service.as_deref();
    let web = [Dataset::CloudFront, Dataset::Waf, Dataset::Web];
    match (category, product, service) {
        (Some("webserver" | "proxy"), None | Some("apache" | "nginx"), None) => web.to_vec(),
        (None, Some("apache" | "nginx"), Some("error")) => vec![Dataset::Syslog],
        (None, Some("apache" | "nginx"), _) => vec![Dataset::Web],
        (None | Some("firewall"), Some("linux"), _) => vec![Dataset::Syslog],
        (None, Some("aws"), Some("cloudtrail")) => vec![Dataset::CloudTrail],
        (Some("firewall"), None, None) => vec![Dataset::VpcFlow],
        (Some("application"), None, None) => vec![Dataset::App],
        (None | Some("firewall"), Some("aws"), Some("vpcflow")) => vec![Dataset::VpcFlow],
        (None | Some("webserver"), Some("aws"), Some("cloudfront")) => vec![Dataset::CloudFront],
        (None | Some("webserver"), Some("aws"), Some("waf")) => vec![Dataset::Waf],
        _ => Vec::new(),
    }
}
