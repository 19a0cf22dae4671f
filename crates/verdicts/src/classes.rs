//! Verdict classes: what a scenario of the other side, and a rule of ours, says of a source.

/// What a source is said to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Asks for many paths that are refused.
    Probing,
    SensitiveFiles,
    PathTraversal,
    Sqli,
    Xss,
    /// Fetches pages faster than a person.
    Crawl,
    BadAgent,
    AdminProbing,
    TechnologyProbing,
    WordpressProbing,
    Backdoor,
    /// A request made for one known hole.
    Exploit,
    OpenProxy,
    /// Floods of one client, by whatever trick.
    Flood,
    BruteForce,
    UserEnumeration,
    /// Handshakes that no log-in follows.
    ConnectionProbing,
    PortScan,
    /// A web application firewall judged the request.
    WafHit,
    MailAbuse,
    CloudDiscovery,
    CloudAudit,
    OffHours,
    ImpossibleTravel,
    PrivilegeEscalation,
    PaymentAbuse,
    /// Their installation check, which is no attack.
    SelfTest,
}

use Class::{
    AdminProbing, Backdoor, BadAgent, BruteForce, CloudAudit, CloudDiscovery, ConnectionProbing, Crawl,
    Exploit, Flood, ImpossibleTravel, MailAbuse, OffHours, OpenProxy, PathTraversal, PaymentAbuse, PortScan,
    PrivilegeEscalation, Probing, SelfTest, SensitiveFiles, Sqli, TechnologyProbing, UserEnumeration, WafHit,
    WordpressProbing, Xss,
};

/// Parts of scenario names, lower case and `-` for `_`, the first that is contained decides.
const SCENARIOS: &[(&str, Class)] = &[
    ("generic-test", SelfTest),
    ("postexploit", CloudDiscovery),
    ("nwo-nwd", OffHours),
    ("nwo-login", OffHours),
    ("cis-benchmark-console-auth-fail", BruteForce),
    ("cis-benchmark", CloudAudit),
    ("impossible-travel", ImpossibleTravel),
    ("cve-2023-4911", PrivilegeEscalation),
    ("cve-2021-4034", PrivilegeEscalation),
    // Counts refused log-ins to the administration of Ghost.
    ("cve-2022-41697", BruteForce),
    ("suid-crash", PrivilegeEscalation),
    ("user-enum", UserEnumeration),
    ("bf-wordpress", BruteForce),
    ("logs-enum", UserEnumeration),
    ("http-cve-probing", Exploit),
    ("cve-2024-6387", ConnectionProbing),
    ("key-exchange", ConnectionProbing),
    ("keyexchange", ConnectionProbing),
    ("refused-conn", ConnectionProbing),
    ("endlessh", ConnectionProbing),
    ("telnet-bf", ConnectionProbing),
    ("cve", Exploit),
    ("vmsa", Exploit),
    ("log4j", Exploit),
    ("netgear-rce", Exploit),
    ("thinkphp", Exploit),
    ("spring4shell", Exploit),
    ("f5-big-ip", Exploit),
    ("fortinet-vpn", BruteForce),
    ("pulse-secure", Exploit),
    ("http-probing", Probing),
    ("http-crawl", Crawl),
    ("-crawl", Crawl),
    ("sensitive-files", SensitiveFiles),
    ("wpconfig", SensitiveFiles),
    ("path-traversal", PathTraversal),
    ("sqli", Sqli),
    ("xss", Xss),
    ("bad-user-agent", BadAgent),
    ("admin-interface", AdminProbing),
    ("sap-interface", TechnologyProbing),
    ("technology-probing", TechnologyProbing),
    ("wordpress-scan", WordpressProbing),
    ("w00tw00t", Exploit),
    ("backdoor", Backdoor),
    ("open-proxy", OpenProxy),
    ("http-dos", Flood),
    ("req-limit", Flood),
    ("flood", Flood),
    ("scan-multi-port", PortScan),
    ("multi-ports", PortScan),
    ("modsecurity", WafHit),
    ("postfix-spam", MailAbuse),
    ("dovecot-spam", BruteForce),
    ("non-smtp-command", MailAbuse),
    ("honeypot-users", BruteForce),
    ("relay-denied", MailAbuse),
    ("postscreen", MailAbuse),
    ("exim-spam", MailAbuse),
    ("naxsi", WafHit),
    ("crs-anomaly", WafHit),
    ("helo-rejected", MailAbuse),
    ("amavis-blocked", MailAbuse),
    ("mailscanner", MailAbuse),
    ("wireguard-auth", BruteForce),
    ("http-scan", Probing),
    ("magento-ccs", PaymentAbuse),
    ("bruteforce", BruteForce),
    ("401-bf", BruteForce),
    ("-bf", BruteForce),
];

/// The class of a scenario, by its name.
pub fn of_scenario(name: &str) -> Option<Class> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SCENARIOS
        .iter()
        .find(|(part, _)| name.contains(part))
        .map(|(_, class)| *class)
}

/// Names of our rules and what they speak of.
const RULES: &[(&str, &[Class])] = &[
    ("web_probing", &[Probing]),
    ("web_probing_many", &[Probing]),
    ("web_probing_first", &[Probing]),
    ("malformed_requests", &[Probing]),
    ("sensitive_file", &[SensitiveFiles]),
    ("sensitive_files_many", &[SensitiveFiles]),
    ("sensitive_names_many", &[SensitiveFiles]),
    ("traversal", &[PathTraversal, Exploit]),
    ("traversal_many", &[PathTraversal, Exploit]),
    ("sqli", &[Sqli]),
    ("sqli_many", &[Sqli]),
    ("xss", &[Xss]),
    ("xss_many", &[Xss]),
    ("command_injection", &[Exploit]),
    ("command_injection_many", &[Exploit]),
    ("known_exploit", &[Exploit]),
    ("expression_injection", &[Exploit]),
    ("expression_in_referer", &[Exploit]),
    ("page_crawl", &[Crawl, Flood]),
    ("scanner_agent", &[BadAgent]),
    ("scanner_agent_many", &[BadAgent]),
    ("bad_agent", &[BadAgent]),
    ("admin_probing", &[AdminProbing]),
    ("foreign_technology_many", &[TechnologyProbing]),
    ("foreign_technology_scan", &[TechnologyProbing]),
    ("product_probing", &[TechnologyProbing]),
    ("wordpress_probing", &[WordpressProbing]),
    ("wordpress_user_enumeration", &[UserEnumeration]),
    ("web_shell", &[Backdoor]),
    ("open_proxy", &[OpenProxy]),
    ("request_rate", &[Flood, Crawl]),
    ("request_rate_all", &[Flood]),
    ("flood_cache_busting", &[Flood]),
    ("flood_changing_agent", &[Flood]),
    ("http_version_invalid", &[Flood]),
    ("request_limit_exceeded", &[Flood]),
    ("login_path_many", &[BruteForce]),
    ("web_login_refused_many", &[BruteForce]),
    ("web_login_form_many", &[BruteForce]),
    ("xmlrpc_many", &[BruteForce]),
    ("web_unauthorized_many", &[BruteForce]),
    ("vpn_handshake_failures", &[BruteForce]),
    ("login_failures_few", &[BruteForce]),
    ("login_failures_burst", &[BruteForce]),
    ("login_failures_many", &[BruteForce]),
    ("mail_login_failures", &[BruteForce]),
    ("login_common_name", &[BruteForce]),
    ("login_blocked_by_host", &[BruteForce]),
    ("login_two_addresses", &[ImpossibleTravel]),
    ("login_user_enumeration", &[UserEnumeration]),
    ("login_user_enumeration_slow", &[UserEnumeration]),
    ("ssh_handshake_failures", &[ConnectionProbing]),
    ("trap_visit", &[ConnectionProbing]),
    ("ssh_connection_refused", &[ConnectionProbing]),
    ("host_port_scan", &[PortScan]),
    ("waf_module_hit", &[WafHit]),
    ("mail_rejects_many", &[MailAbuse]),
    ("mail_protocol_abuse", &[MailAbuse]),
    ("mail_relay_denied", &[MailAbuse]),
    ("mail_filter_hit", &[MailAbuse]),
    ("mail_suspect_again", &[MailAbuse]),
    ("cloud_console_failures", &[BruteForce]),
    ("cloud_console_failure", &[BruteForce]),
    ("cloud_discovery_calls", &[CloudDiscovery]),
    ("cloud_user_discovery_calls", &[CloudDiscovery]),
    ("loader_crash", &[PrivilegeEscalation]),
    ("loader_crash_many", &[PrivilegeEscalation]),
    ("pkexec_environment", &[PrivilegeEscalation]),
    ("invalid_uri", &[PathTraversal, Exploit]),
    ("cloud_console_no_mfa", &[CloudAudit]),
    ("cloud_root_used", &[CloudAudit]),
    ("cloud_trail_changed", &[CloudAudit]),
    ("cloud_network_changed", &[CloudAudit]),
    ("cloud_policy_changed", &[CloudAudit]),
    ("cloud_key_removed", &[CloudAudit]),
    ("cloud_call_denied", &[CloudAudit]),
];

/// What the rule speaks of; empty for rules without a peer.
pub fn of_rule(name: &str) -> &'static [Class] {
    RULES
        .iter()
        .find(|(rule, _)| *rule == name)
        .map_or(&[], |(_, classes)| *classes)
}

/// Every rule named here, to check that it exists.
pub fn rules() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name)
}
