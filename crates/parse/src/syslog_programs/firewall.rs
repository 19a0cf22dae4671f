//! Packets that firewalls log: netfilter (iptables, nftables, ufw), pf, RouterOS.

use super::{FAILURE, NETWORK, SUCCESS, Said, address_at, until};

/// Words of the prefix that an administrator gives a logging rule, and what they say. Without one
/// the packet was only logged, on its way to this host or through it.
const VERDICTS: &[(&str, &str)] = &[
    ("DROP", "drop"),
    ("BLOCK", "drop"),
    ("DENY", "drop"),
    ("DENIED", "drop"),
    ("REJECT", "reject"),
    ("AUDIT", "audit"),
    ("ACCEPT", "accept"),
    ("ALLOW", "accept"),
    ("PERMIT", "accept"),
];

fn said(action: &'static str) -> Said {
    let outcome = match action {
        "drop" | "reject" => Some(FAILURE),
        "accept" => Some(SUCCESS),
        _ => None,
    };
    Said::of(NETWORK, action, outcome)
}

/// `[uptime] PREFIX IN=eth0 OUT= MAC=… SRC=… DST=… … PROTO=TCP SPT=… DPT=… …`
pub fn netfilter(message: &str) -> Option<Said> {
    let source = message.find("SRC=")?;
    let target = message[source..].find(" DST=")? + source + " DST=".len();
    let prefix = message[..source].find("IN=").map_or("", |at| &message[..at]);
    let prefix = prefix.to_ascii_uppercase();
    let action = VERDICTS
        .iter()
        .find(|(word, _)| prefix.contains(word))
        .map_or_else(
            || {
                if forwarded(&message[..source]) {
                    "forward"
                } else {
                    "log"
                }
            },
            |(_, action)| *action,
        );
    let mut said = said(action);
    said.address = Some(address_at(message, source + "SRC=".len())?);
    said.target = address_at(message, target);
    let value = |key: &str| {
        let at = message[target..].find(key)? + target + key.len();
        until(message, at, &[' ']).map(|span| &message[span])
    };
    said.transport = value(" PROTO=").map(str::to_ascii_lowercase);
    said.src_port = value(" SPT=").and_then(|port| port.parse().ok());
    said.dst_port = value(" DPT=").and_then(|port| port.parse().ok());
    Some(said)
}

/// Whether the packet leaves by another interface: `OUT=` has a value.
fn forwarded(head: &str) -> bool {
    let out = head.find(" OUT=").map(|at| &head[at + " OUT=".len()..]);
    out.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' '))
}

/// Comma-separated: `rule,sub,anchor,tracker,interface,reason,action,direction,version,…`.
pub fn filterlog(message: &str) -> Option<Said> {
    let fields: Vec<&str> = message.split(',').collect();
    let action = match *fields.get(6)? {
        "block" => "drop",
        "reject" => "reject",
        "pass" => "accept",
        _ => return None,
    };
    let (transport, source) = match *fields.get(8)? {
        "4" => (16, 18),
        "6" => (12, 15),
        _ => return None,
    };
    let span = |at: usize| {
        let text = *fields.get(at)?;
        let start = text.as_ptr() as usize - message.as_ptr() as usize;
        address_at(message, start)
    };
    let port = |at: usize| fields.get(at).and_then(|port| port.parse().ok());
    let mut said = said(action);
    said.address = Some(span(source)?);
    said.target = span(source + 1);
    said.transport = fields.get(transport).map(|name| name.to_ascii_lowercase());
    if matches!(said.transport.as_deref(), Some("tcp" | "udp")) {
        said.src_port = port(source + 2);
        said.dst_port = port(source + 3);
    }
    Some(said)
}

/// `PREFIX input: in:… out:…, proto TCP (SYN), ADDRESS:PORT->ADDRESS:PORT, len 40`
pub fn routeros(message: &str) -> Option<Said> {
    let proto = message.find("proto ")? + "proto ".len();
    let arrow = message.find("->")?;
    let start = message[..arrow].rfind(' ')? + 1;
    let prefix = message
        .find(" in:")
        .map_or("", |at| &message[..at])
        .to_ascii_uppercase();
    let action = VERDICTS
        .iter()
        .find(|(word, _)| prefix.contains(word))
        .map_or("log", |(_, action)| action);
    let mut said = said(action);
    let end = start + message[start..arrow].rfind(':').unwrap_or(arrow - start);
    said.address = super::is_address(&message[start..end]).then_some(start..end);
    said.address.as_ref()?;
    said.target = address_at(message, arrow + 2);
    said.transport = until(message, proto, &[' ', ',']).map(|span| message[span].to_ascii_lowercase());
    let port = |text: &str| text.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    said.src_port = port(&message[start..arrow]);
    said.dst_port = until(message, arrow + 2, &[',', ' ']).and_then(|span| port(&message[span]));
    Some(said)
}
