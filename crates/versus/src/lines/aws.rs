//! Records of AWS services.
//!
//! Sources: VPC User Guide, *Flow log records*; User Guide for Application Load Balancers, *Access
//! log entries*; User Guide for Classic Load Balancers, *Access log entries*; S3 User Guide, *Amazon
//! S3 server access log format*; WAF Developer Guide, *Log fields*.

use super::{Draw, dash};
use std::fmt::Write;

/// VPC flow, the 14 default fields.
pub fn flow(draw: &mut Draw, out: &mut String) {
    let start = draw.now_ms / 1000;
    let version = draw.mostly(&[2], &[3, 5, 10]);
    let interface = draw.hex(17);
    if draw.odd(8) {
        let status = draw.of(&["NODATA", "SKIPDATA"]);
        let _ = write!(
            out,
            "{version} 123456789010 eni-{interface} - - - - - - - {start} {} - {status}",
            start + 60
        );
        return;
    }
    let (from, to) = (draw.ip(), draw.ip());
    let ports = (
        draw.mostly(&[443, 80, 22], &[0, 65535]),
        1024 + draw.below(60_000),
    );
    let protocol = draw.mostly(&[6, 6, 17, 1], &[0, 58, 255]);
    let packets = draw.bytes();
    let (bytes, span) = (draw.bytes(), draw.below(600));
    let account = draw.mostly(&["123456789010"], &["unknown", "000000000001"]);
    let action = draw.of(&["ACCEPT", "ACCEPT", "REJECT"]);
    let end = start + span as i64;
    let _ = write!(
        out,
        "{version} {account} eni-{interface} {from} {to} {} {} {protocol} {packets} {bytes} {start} {end} {action} OK",
        ports.1, ports.0
    );
}

/// VPC flow, the fields of versions 2 to 5 in the guide's order.
pub fn flow_of_every_field(draw: &mut Draw, out: &mut String) {
    flow(draw, out);
    let (vpc, subnet, instance) = (draw.hex(17), draw.hex(17), draw.hex(17));
    let instance = draw
        .mostly(&[format!("i-{instance}").as_str()], &["-"])
        .to_owned();
    let flags = draw.mostly(&[2, 3, 18, 19], &[0, 255]);
    let kind = draw.mostly(&["IPv4"], &["IPv6", "EFA", "-"]);
    let _ = write!(out, " vpc-{vpc} subnet-{subnet} {instance} {flags} {kind}");
    let (from, to) = (draw.ip(), draw.ip());
    let zone = draw.mostly(&["apne2-az1", "apne2-az3"], &["-"]);
    let sub = draw.mostly(&["- -"], &["wavelength wlz-1", "outpost op-0123456789abcdef0"]);
    let services = draw.mostly(&["- -", "- S3"], &["AMAZON CLOUDFRONT", "EC2 -"]);
    let direction = draw.mostly(&["ingress", "egress"], &["-"]);
    let path = draw.mostly(&["1", "-"], &["8"]);
    let _ = write!(
        out,
        " {from} {to} ap-northeast-2 {zone} {sub} {services} {direction} {path}"
    );
}

fn request(draw: &mut Draw, host: &str, port: u64, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let uri = draw.uri();
    let path = if uri.starts_with('/') { uri.as_str() } else { "/" };
    let version = draw.mostly(&["HTTP/1.1", "HTTP/2.0"], &["HTTP/1.0"]);
    format!("{} {scheme}://{host}:{port}{path} {version}", draw.method())
}

/// Bytes that are not printable or are quotes come as `\xHH` from load balancers.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if !matches!(byte, b'"' | b'\\') => out.push(byte as char),
            _ => {
                let _ = write!(out, "\\x{byte:02X}");
            }
        }
    }
    out
}

/// Application Load Balancer.
pub fn alb(draw: &mut Draw, out: &mut String) {
    let time = draw.iso(6);
    let kind = draw.mostly(&["https", "http", "h2"], &["ws", "wss", "grpcs"]);
    let tls = kind != "http" && kind != "ws";
    let host = draw.mostly(&["www.shop.example", "api.shop.example"], &["10.0.0.9"]);
    let port = if tls { 443 } else { 80 };
    let no_request = draw.odd(12);
    let line = if no_request {
        format!("- http://{host}:{port}- -")
    } else {
        request(draw, host, port, tls)
    };
    let target = draw.ipv4();
    let refused = no_request || draw.odd(8);
    let client = draw.ipv4();
    let _ = write!(
        out,
        "{kind} {time} app/shop/50dc6c495c0c9188 {client}:{} ",
        1024 + draw.below(60_000)
    );
    let status = draw.status();
    if refused {
        let _ = write!(out, "- -1 -1 -1 {} -", draw.of(&[400, 403, 460, 502, 503]));
    } else {
        let (a, b, c) = (draw.below(1000), draw.below(1000), draw.below(60));
        let _ = write!(
            out,
            "{target}:80 0.{a:03} {c}.{b:03} 0.000 {status} {}",
            status.min(599)
        );
    }
    let (received, sent) = (draw.below(9000), draw.bytes());
    let agent = printable(&draw.agent());
    let _ = write!(out, " {received} {sent} \"{}\" \"{agent}\"", printable(&line));
    if tls {
        out.push_str(" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2");
    } else {
        out.push_str(" - -");
    }
    let (trace, priority) = (draw.hex(24), draw.mostly(&[0, 1, 7], &[50_000]));
    let group = draw.mostly(
        &["arn:aws:elasticloadbalancing:ap-northeast-2:123456789012:targetgroup/shop/73e2d6bc24d8a067"],
        &["-"],
    );
    let sni = if tls { host } else { "-" };
    let certificate = draw.mostly(
        &["arn:aws:acm:ap-northeast-2:123456789012:certificate/12345678-1234-1234-1234-123456789012"],
        &["-", "session-reused"],
    );
    let _ = write!(
        out,
        " {group} \"Root=1-69a3c000-{trace}\" \"{sni}\" \"{certificate}\" {priority} {time}"
    );
    let actions = draw.mostly(
        &["forward", "waf,forward"],
        &["waf,authenticate,forward", "redirect", "-", "fixed-response"],
    );
    let redirect = draw.mostly(&["-"], &["https://www.shop.example:443/a?b=c d"]);
    let error = draw.mostly(&["-"], &["LambdaInvalidResponse", "AuthInvalidIdToken"]);
    let _ = write!(out, " \"{actions}\" \"{redirect}\" \"{error}\" ");
    let answered = (!refused).then_some((target.as_str(), status));
    alb_end(draw, out, answered);
}

/// The lists of targets, the classification, and later additions, which older records lack.
fn alb_end(draw: &mut Draw, out: &mut String, answered: Option<(&str, u64)>) {
    let lists = match answered {
        None => "\"-\" \"-\"".to_owned(),
        Some((target, status)) if draw.odd(6) => {
            format!("\"{target}:80 10.1.2.3:80\" \"{status} 502\"")
        }
        Some((target, status)) => format!("\"{target}:80\" \"{status}\""),
    };
    let class = draw.mostly(
        &["\"-\" \"-\""],
        &[
            "\"Ambiguous\" \"SpaceInUri\"",
            "\"Severe\" \"MultipleContentLength\"",
        ],
    );
    let _ = write!(out, "{lists} {class}");
    if !draw.odd(4) {
        let _ = write!(out, " TID_{}", draw.hex(32));
        if draw.one_in(2) {
            out.push_str(" \"-\" \"-\" \"-\"");
        }
    }
}

/// Classic Load Balancer.
pub fn elb(draw: &mut Draw, out: &mut String) {
    let time = draw.iso(6);
    let (client, target) = (draw.ipv4(), draw.ipv4());
    let line = request(draw, "www.shop.example", 80, false);
    let agent = printable(&draw.agent());
    let (port, a, status, bytes) = (
        1024 + draw.below(60_000),
        draw.below(1000),
        draw.status(),
        draw.bytes(),
    );
    let _ = write!(
        out,
        "{time} shop-elb {client}:{port} {target}:80 0.000{a:03} 0.{a:03} 0.000057 {status} {status} 0 {bytes} \"{}\" \"{agent}\" - -",
        printable(&line)
    );
}

/// S3 server access.
pub fn s3access(draw: &mut Draw, out: &mut String) {
    let owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let (time, ip, id) = (draw.clf(), draw.ip(), draw.hex(16).to_uppercase());
    let key = format!("img/{}/{}.jpg", draw.below(40), draw.below(90_000));
    let (status, sent, size) = (draw.status(), draw.below(90_000), draw.bytes());
    let agent = printable(&draw.agent());
    let (total, turn) = (draw.below(300), draw.below(200));
    let referer = dash(draw.referer());
    let host = draw.hex(48);
    let _ = write!(
        out,
        "{owner} shop-bucket [{time}] {ip} arn:aws:iam::123456789012:user/web {id} REST.GET.OBJECT {key} \"GET /{key} HTTP/1.1\" {status} - {sent} {size} {total} {turn} \"{referer}\" \"{agent}\" - {host}= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader shop-bucket.s3.ap-northeast-2.amazonaws.com TLSv1.2 - -"
    );
}

/// AWS WAF, one object.
pub fn waf(draw: &mut Draw, out: &mut String) {
    let action = draw.of(&["ALLOW", "ALLOW", "ALLOW", "BLOCK"]);
    let rule = if action == "BLOCK" {
        draw.of(&["rate-limit", "AWSManagedRulesSQLiRuleSet"])
    } else {
        "Default_Action"
    };
    let kind = if action == "BLOCK" {
        draw.of(&["RATE_BASED", "MANAGED_RULE_GROUP", "REGULAR"])
    } else {
        "REGULAR"
    };
    let (ip, agent) = (draw.ip(), draw.agent());
    let (path, query) = (draw.path(), draw.query().unwrap_or_default());
    let groups = draw.mostly(&["[]"], &[
        r#"[{"ruleGroupId":"AWS#AWSManagedRulesSQLiRuleSet","terminatingRule":{"ruleId":"SQLi_BODY","action":"BLOCK","ruleMatchDetails":null},"nonTerminatingMatchingRules":[],"excludedRules":null}]"#,
    ]);
    let record = serde_json::json!({
        "timestamp": draw.now_ms,
        "formatVersion": 1,
        "webaclId": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/0a1b2c3d-0000-1111-2222-333344445555",
        "terminatingRuleId": rule,
        "terminatingRuleType": kind,
        "action": action,
        "terminatingRuleMatchDetails": [],
        "httpSourceName": draw.of(&["CF", "ALB", "APIGW"]),
        "httpSourceId": "E123456789ABCD",
        "ruleGroupList": [],
        "rateBasedRuleList": [],
        "nonTerminatingMatchingRules": [],
        "requestHeadersInserted": null,
        "responseCodeSent": if draw.odd(4) { serde_json::json!(403) } else { serde_json::Value::Null },
        "httpRequest": {
            "clientIp": ip,
            "country": draw.of(&["KR", "JP", "US", "-"]),
            "headers": [
                {"name": "Host", "value": "www.shop.example"},
                {"name": "User-Agent", "value": agent},
                {"name": "Accept", "value": "*/*"},
                {"name": "cookie", "value": format!("session={}", draw.hex(32))},
            ],
            "uri": path,
            "args": query,
            "httpVersion": "HTTP/2.0",
            "httpMethod": draw.method(),
            "requestId": draw.hex(40),
        },
        "labels": [{"name": "awswaf:managed:token:absent"}],
        "ja3Fingerprint": draw.hex(32),
        "ja4Fingerprint": "t13d1516h2_8daaf6152771_02713d6af862",
    });
    let text = record
        .to_string()
        .replace("\"ruleGroupList\":[]", &format!("\"ruleGroupList\":{groups}"));
    out.push_str(&text);
}
