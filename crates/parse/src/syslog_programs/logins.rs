//! Log-ins to everything else: mail, file transfer, VPN, and applications that write to syslog.
//!
//! Programs word a failed log-in in a few ways. A message with one of the phrases is one, when it
//! names an address. Labels are trusted before places; of several places the last, since user
//! names stand in front.

use super::{FAILURE, SUCCESS, Said, address_after_last, address_at, ssh, until};
use aho_corasick::{AhoCorasick, MatchKind};
use std::ops::Range;
use std::sync::LazyLock;

/// Phrases of a log-in that failed; any case.
const FAILED: [&str; 47] = [
    "authentication failure",
    "authentication failed",
    "authentication failures",
    "authentication error",
    "authenticator failed",
    "auth failure",
    "auth-failure",
    "auth failed",
    "auth_failed",
    "failed password",
    "failed login",
    "failed logon",
    "failed to log in",
    "failed to login",
    "failed to authenticate",
    "failed authentication",
    "fail login",
    "login failed",
    "login failure",
    "login incorrect",
    "login denied",
    "login attempt failed",
    "logon failure",
    "could not authenticate",
    "unable to authenticate",
    "bad password",
    "wrong password",
    "wrong username or password",
    "incorrect password",
    "incorrect authentication data",
    "invalid password",
    "invalid credentials",
    "invalid login",
    "invalid username or password",
    "bad credentials",
    "password mismatch",
    "password verification failed",
    "no such user",
    "unknown user",
    "was not found in ldap directory",
    "has been denied",
    "access denied for user",
    "deleting half open ike_sa with",
    "ssl-login-fail",
    "invalid authentication",
    "failed ssh login",
    "unsuccessful login",
];

/// Phrases of one that succeeded.
const SUCCEEDED: [&str; 8] = [
    "auth-success",
    "authentication succeeded",
    "authentication successful",
    "login successful",
    "login succeeded",
    "successful auth",
    "successful login",
    "logged in successfully",
];

static PHRASES: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostFirst)
        .build(FAILED.iter().chain(&SUCCEEDED))
        .expect("a few short phrases")
});

/// In front of the client's address. The first that is there and leads to one.
const ADDRESS_LABELS: [&str; 16] = [
    "rhost=",
    "rip=",
    "remip=",
    "oip=",
    "remote_ip=",
    "client_ip=",
    "clientip=",
    "src_ip=",
    "srcip=",
    "srcIp=",
    "IP: ",
    "ip: ",
    " ip:",
    " ip=",
    " ip ",
    "client: ",
];

/// In front of addresses of this side.
const OURS: [&str; 6] = ["lip=", "laddr=", " to ", "local ", "server ", "listen "];

/// In front of the account, with what ends it.
const ACCOUNT_LABELS: [(&str, &[char]); 22] = [
    ("user=<", &['>']),
    ("sasl_username=", &[' ', ',']),
    ("set_id=", &[')', ' ']),
    ("username: '", &['\'']),
    ("username '", &['\'']),
    ("username=\"", &['"']),
    ("username \"", &['"']),
    ("username=", &[' ', ',', ';', ')']),
    ("username:", &[' ', ',', ';']),
    ("user=\"", &['"']),
    ("user='", &['\'']),
    ("user=", &[' ', ',', ';', ')']),
    ("for user [", &[']']),
    ("for user '", &['\'']),
    ("for user \"", &['"']),
    ("for user ", &[' ', ',', ';', '(']),
    ("user [", &[']']),
    ("user '", &['\'']),
    ("user \"", &['"']),
    ("password for ", &[' ', ',', ';', '(']),
    ("request for ", &[' ', ',']),
    ("USER ", &[' ', ':']),
];

/// The log-in that `message` of the program `name` tells of.
pub fn read(name: &str, message: &str) -> Option<Said> {
    let found = PHRASES.find(message)?;
    if message.starts_with("pam_") {
        return message
            .contains("authentication failure;")
            .then(|| ssh::pam(message));
    }
    if message.contains("Failed Login Attempt - username:") {
        return super::web_errors::litespeed(message);
    }
    let failed = found.pattern().as_usize() < FAILED.len();
    let address = if name.starts_with("exim") {
        // `… authenticator failed for HELO ([…]) [ADDRESS]:PORT: 535 …`
        let end = message[found.end()..]
            .find(": 535")
            .map_or(message.len(), |at| found.end() + at);
        message[..end]
            .rfind('[')
            .and_then(|open| address_at(message, open + 1))
    } else {
        labelled(message).or_else(|| last(message))
    };
    Some(Said {
        account: account(message),
        address: Some(address?),
        ..Said::login(if failed { FAILURE } else { SUCCESS }, service(name))
    })
}

fn service(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let known: [(&str, &str); 11] = [
        ("dovecot", "imap"),
        ("exim", "smtp"),
        ("ftpd", "ftp"),
        ("pure-ftpd", "ftp"),
        ("charon", "ipsec"),
        ("ipsec", "ipsec"),
        ("openvpn", "vpn"),
        ("pve", "http"),
        ("mysqld", "sql"),
        ("postgres", "sql"),
        ("asterisk", "sip"),
    ];
    known
        .iter()
        .find(|(part, _)| name.contains(part))
        .map_or("other", |(_, service)| service)
}

fn labelled(message: &str) -> Option<Range<usize>> {
    ADDRESS_LABELS
        .iter()
        .find_map(|label| address_after_last(message, label))
}

/// The last address of the message that is not ours.
fn last(message: &str) -> Option<Range<usize>> {
    let starts = message.char_indices().rev().filter(|(at, c)| {
        let inside = message[..*at]
            .chars()
            .next_back()
            .is_some_and(|before| before.is_ascii_alphanumeric() || matches!(before, ':' | '.' | '-'));
        !inside && (c.is_ascii_hexdigit() || *c == ':')
    });
    for (at, _) in starts {
        if let Some(span) = address_at(message, at)
            && !OURS.iter().any(|label| message[..at].ends_with(label))
        {
            return Some(span);
        }
    }
    None
}

fn account(message: &str) -> Option<Range<usize>> {
    // `NAME was not found in LDAP directory`
    if let Some(end) = message.find(" was not found in ") {
        let start = message[..end].rfind(' ').map_or(0, |space| space + 1);
        return (end > start).then_some(start..end);
    }
    ACCOUNT_LABELS.iter().find_map(|(label, ends)| {
        let at = message.find(label)? + label.len();
        until(message, at, ends)
    })
}
