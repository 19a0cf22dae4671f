//! Which kind of trouble a rule is about: the key to its texts.

use haetae_event::Finding;
use haetae_event::finding::RULE_SAYS;

/// A rule family. One set of sentences each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    SqlInjection,
    CrossSiteScripting,
    PathTraversal,
    CommandInjection,
    /// Of more than one kind.
    Injection,
    SensitivePath,
    ForeignTechnology,
    Probing,
    ScannerAgent,
    Login,
    Flood,
    Exfiltration,
    PortScan,
    Refusals,
    ErrorRate,
    Surge,
    /// Traffic made to cost money.
    Cost,
    /// Scripts that buy or reserve in people's place.
    Macro,
    /// Steps of a purchase that are missing, repeated or out of order.
    Payment,
    /// A client under a crawler's name that is not that crawler.
    FakeCrawler,
    /// Connections a network does not usually have.
    Connection,
    /// A log source that says nothing any more.
    Silence,
    /// Several small findings that were not told one by one.
    Risk,
    Crawler,
    Generic,
}

/// First match wins: the narrow words stand before the wide ones. Words are looked for in the
/// rule's id and title, lower case, `_` and spaces as `-`.
const WORDS: &[(Family, &[&str])] = &[
    (Family::Cost, &["edos-"]),
    (Family::Macro, &["macro", "automation"]),
    (Family::Payment, &["payment-flow", "payment-declined"]),
    (Family::FakeCrawler, &["fake-crawler"]),
    (
        Family::Connection,
        &["sensitive-port", "sensitive-entry", "unusual-port", "known-bad"],
    ),
    (Family::Silence, &["log-silence"]),
    (Family::Risk, &["risk-accumulated"]),
    (Family::SqlInjection, &["sqli", "sql-inj"]),
    (Family::CrossSiteScripting, &["xss", "cross-site", "script-inj"]),
    (Family::PathTraversal, &["travers", "lfi", "file-inclusion"]),
    (
        Family::CommandInjection,
        &[
            "command-inj",
            "code-inj",
            "cmdi",
            "rce",
            "command-exec",
            "code-exec",
            "remote-code",
            "shell",
            "jndi",
            "log4",
            "ssti",
            "template-inj",
        ],
    ),
    (Family::Injection, &["injection"]),
    (
        Family::Login,
        &[
            "login",
            "log-in",
            "brute",
            "stuffing",
            "credential",
            "password-spray",
        ],
    ),
    (
        Family::Exfiltration,
        &["exfil", "data-transfer", "outbound-bytes", "egress"],
    ),
    (
        Family::PortScan,
        &[
            "port-scan",
            "slow-scan",
            "distributed-scan",
            "portscan",
            "port-sweep",
            "portsweep",
            "host-sweep",
            "address-scan",
            "address-sweep",
        ],
    ),
    (Family::ForeignTechnology, &["foreign", "tech-probe", "technolog"]),
    (
        Family::SensitivePath,
        &[
            "sensitive",
            "leaked-file",
            "never-be-public",
            "dotenv",
            "dotfile",
            "backup-file",
            "config-file",
            "git-expos",
        ],
    ),
    (
        Family::ScannerAgent,
        &[
            "scanner",
            "scan-tool",
            "attack-tool",
            "hacking-tool",
            "bad-user-agent",
            "ua-scan",
        ],
    ),
    (
        Family::ErrorRate,
        &["error-rate", "error-ratio", "5xx", "server-error"],
    ),
    (Family::Surge, &["surge", "baseline", "spike", "traffic-rise"]),
    (Family::Probing, &["probing", "path-scan"]),
    (
        Family::Refusals,
        &["refus", "reject", "denied", "blocked", "forbidden"],
    ),
    (
        Family::Flood,
        &[
            "flood",
            "many-to-one",
            "rate",
            "request-rate",
            "ddos",
            "dos-",
            "burst",
            "volume",
            "many-requests",
        ],
    ),
    (
        Family::Probing,
        &["probe", "not-found", "404", "scan", "enumerat", "discovery"],
    ),
    (
        Family::Crawler,
        &[
            "crawler",
            "declared-bot",
            "search-bot",
            "link-preview",
            "health-check",
            "robot",
            "bot",
        ],
    ),
];

impl Family {
    pub const ALL: [Family; 25] = [
        Family::SqlInjection,
        Family::CrossSiteScripting,
        Family::PathTraversal,
        Family::CommandInjection,
        Family::Injection,
        Family::SensitivePath,
        Family::ForeignTechnology,
        Family::Probing,
        Family::ScannerAgent,
        Family::Login,
        Family::Flood,
        Family::Exfiltration,
        Family::PortScan,
        Family::Refusals,
        Family::ErrorRate,
        Family::Surge,
        Family::Cost,
        Family::Macro,
        Family::Payment,
        Family::FakeCrawler,
        Family::Connection,
        Family::Silence,
        Family::Risk,
        Family::Crawler,
        Family::Generic,
    ];

    /// The family of a finding: by its rule's id, then its title, then its ATT&CK ids. A rule that says
    /// what it is about itself has none.
    pub fn of(finding: &Finding) -> Family {
        if finding.facts.iter().any(|(name, _)| name == RULE_SAYS) {
            return Family::Generic;
        }
        Family::named(&finding.rule_id, &finding.title, &finding.attack)
    }

    pub fn named(rule_id: &str, title: &str, attack: &[String]) -> Family {
        // The digits of a UUID spell nothing.
        let speaks = rule_id.bytes().any(|b| !b.is_ascii_hexdigit() && b != b'-');
        Some(rule_id)
            .filter(|_| speaks)
            .and_then(by_words)
            .or_else(|| by_words(title))
            .or_else(|| attack.iter().find_map(|id| by_technique(id)))
            .unwrap_or(Family::Generic)
    }
}

/// Words begin at the start or behind a `-`, so that `source` is not `rce`.
fn by_words(text: &str) -> Option<Family> {
    let text: String = std::iter::once('-')
        .chain(text.chars().map(|c| match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
            _ => '-',
        }))
        .collect();
    let has = |word: &str| {
        text.match_indices(word)
            .any(|(at, _)| text.as_bytes()[at - 1] == b'-')
    };
    WORDS
        .iter()
        .find(|(_, words)| words.iter().any(|word| has(word)))
        .map(|(family, _)| *family)
}

fn by_technique(id: &str) -> Option<Family> {
    match id.split('.').next().unwrap_or(id) {
        "T1595" => Some(Family::Probing),
        "T1046" => Some(Family::PortScan),
        "T1110" => Some(Family::Login),
        "T1498" | "T1499" => Some(Family::Flood),
        "T1041" | "T1048" | "T1567" => Some(Family::Exfiltration),
        "T1059" => Some(Family::CommandInjection),
        "T1083" => Some(Family::PathTraversal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_find_their_family() {
        for (rule, title, expected) in [
            ("sqli_many", "", Family::SqlInjection),
            ("x1", "Query that looks like SQL injection", Family::SqlInjection),
            ("xss", "", Family::CrossSiteScripting),
            (
                "x",
                "Path traversal or local file inclusion",
                Family::PathTraversal,
            ),
            (
                "x",
                "Command, template or code injection",
                Family::CommandInjection,
            ),
            (
                "injection_mixed",
                "Injection attempts of any kind",
                Family::Injection,
            ),
            ("x", "Probing: many different paths refused", Family::Probing),
            (
                "web_probing_many",
                "Path scan: very many different paths refused",
                Family::Probing,
            ),
            (
                "x",
                "Search for technologies the site does not have",
                Family::ForeignTechnology,
            ),
            (
                "x",
                "Hunt for leaked files: several different ones asked for",
                Family::SensitivePath,
            ),
            ("x", "Hammering on a log-in or administration path", Family::Login),
            ("x", "Security scanner by its user agent", Family::ScannerAgent),
            ("request_rate_all", "", Family::Flood),
            (
                "x",
                "Flood: 100 page or API requests a minute from one client",
                Family::Flood,
            ),
            ("error_rate", "", Family::ErrorRate),
            ("surge", "", Family::Surge),
            ("port_scan", "", Family::PortScan),
            ("x", "Port scan: many ports refused", Family::PortScan),
            ("x", "Address scan: many hosts refused", Family::PortScan),
            (
                "refusal_rate",
                "Many refused flows from one source",
                Family::Refusals,
            ),
            ("risk.accumulated", "Several small things add up", Family::Risk),
            ("declared_crawler", "", Family::Crawler),
            (
                "491c3484-404d-4044-bcbd-c7f3795a3024",
                "Something else",
                Family::Generic,
            ),
            ("source-thing", "Something else", Family::Generic),
        ] {
            assert_eq!(Family::named(rule, title, &[]), expected, "{rule} {title}");
        }
        assert_eq!(Family::named("x", "y", &["T1046".into()]), Family::PortScan);
    }
}
