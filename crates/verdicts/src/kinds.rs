//! The log kinds of the test set: what reads them here.

/// Formats of ours for a log kind, the first that takes a line reads it; `None` when the product
/// does not read the kind.
///
/// Not read are the logs of single applications in a layout of their own (media servers, password
/// vaults, wikis, panels, …), Windows event logs, audit records of Linux and Kubernetes, and
/// records of sensors (Suricata): users bring a parser for those. Some of them are JSON or
/// key=value lines, which become events of dataset `app`, but no built-in rule knows what they
/// call a failed log-in.
pub fn formats(log_type: &str) -> Option<&'static [&'static str]> {
    match log_type {
        "nginx"
        | "apache"
        | "apache2"
        | "httpd"
        | "litespeed"
        | "bunkerweb"
        | "nginx-proxy-manager"
        | "npmplus" => Some(&["combined", "errorlog", "syslog"]),
        "modsecurity" | "naxsi" => Some(&["errorlog", "syslog"]),
        "traefik" => Some(&["json", "combined"]),
        "caddy" => Some(&["json"]),
        "syslog" | "sshd" | "iptables" | "postfix" | "dovecot" | "vsftpd" | "proftpd" | "mikrotik" => {
            Some(&["syslog"])
        }
        "aws-cloudtrail" => Some(&["cloudtrail"]),
        "cef" => Some(&["cef"]),
        _ => None,
    }
}
