//! sshd and dropbear. Account and address are found by [`crate::syslog_auth`] where it knows the
//! message.

use super::{AUTHENTICATION, FAILURE, SUCCESS, Said, Service, address_after, address_after_last, until};
use std::ops::Range;

/// What a message that contains the text says, the first that fits.
enum Kind {
    Failure,
    Success,
    /// No log-in was tried: the two could not agree, or the client went away or talked nonsense.
    Handshake,
    Refused,
}

/// Only where the message begins so; user names may hold anything.
const BEGINNINGS: &[(&str, Kind)] = &[
    ("Accepted ", Kind::Success),
    ("Failed ", Kind::Failure),
    ("Invalid user ", Kind::Failure),
    ("Illegal user ", Kind::Failure),
    ("input_userauth_request: invalid user ", Kind::Failure),
    ("maximum authentication attempts exceeded for ", Kind::Failure),
    ("Too many authentication failures for ", Kind::Failure),
    ("Connection closed by authenticating user ", Kind::Failure),
    ("Connection closed by invalid user ", Kind::Failure),
    ("Connection reset by authenticating user ", Kind::Failure),
    ("Connection reset by invalid user ", Kind::Failure),
    ("Disconnected from authenticating user ", Kind::Failure),
    ("Disconnected from invalid user ", Kind::Failure),
    ("Disconnecting authenticating user ", Kind::Failure),
    ("Disconnecting invalid user ", Kind::Failure),
    ("PAM: Authentication failure for ", Kind::Failure),
    (
        "PAM: User not known to the underlying authentication module for ",
        Kind::Failure,
    ),
    ("ROOT LOGIN REFUSED FROM ", Kind::Failure),
    ("Unable to negotiate with ", Kind::Handshake),
    ("Did not receive identification string from ", Kind::Handshake),
    ("Bad protocol version identification ", Kind::Handshake),
    ("Protocol major versions differ for ", Kind::Handshake),
    ("banner exchange: ", Kind::Handshake),
    ("kex_exchange_identification: ", Kind::Handshake),
    ("kex_protocol_error: ", Kind::Handshake),
    ("ssh_dispatch_run_fatal: ", Kind::Handshake),
    ("Timeout before authentication for ", Kind::Handshake),
    ("Timeout before authentication: ", Kind::Handshake),
    ("refused connect from ", Kind::Refused),
    // dropbear
    ("Bad password attempt for ", Kind::Failure),
    ("Login attempt for nonexistent user", Kind::Failure),
    ("Password auth succeeded for ", Kind::Success),
    ("Pubkey auth succeeded for ", Kind::Success),
    ("Max auth tries reached ", Kind::Failure),
];

pub fn read(message: &str) -> Option<Said> {
    let mut text = message;
    if let Some(inner) = text
        .strip_prefix("message repeated ")
        .and_then(|rest| rest.split_once(" times: [ "))
    {
        text = inner.1;
    }
    // `PAM 2 more authentication failures; logname= … rhost=192.0.2.1  user=root`
    let more = text.starts_with("PAM ") && text.contains(" more authentication failure");
    if more || text.starts_with("pam_") && text.contains("authentication failure;") {
        return Some(pam(message));
    }
    for noise in ["error: ", "fatal: ", "Disconnecting: "] {
        text = text.strip_prefix(noise).unwrap_or(text);
    }
    let user_refused = text.starts_with("User ")
        && (text.contains(" not allowed because ") || text.contains(" authentication failed"));
    let kind = match BEGINNINGS.iter().find(|(start, _)| text.starts_with(start)) {
        Some((_, kind)) => kind,
        None if user_refused => &Kind::Failure,
        None => return None,
    };
    let said = match kind {
        Kind::Failure => Said::login(FAILURE, "ssh"),
        Kind::Success => Said::login(SUCCESS, "ssh"),
        Kind::Handshake => Said {
            service: Some(Service::Known("ssh")),
            ..Said::of(AUTHENTICATION, "handshake", Some(FAILURE))
        },
        Kind::Refused => Said {
            service: Some(Service::Known("ssh")),
            ..Said::of(AUTHENTICATION, "refused", Some(FAILURE))
        },
    };
    let address = address_after_last(message, " from ")
        .or_else(|| address_after_last(message, "with "))
        .or_else(|| address_after_last(message, " for "))
        // `refused connect from HOST (ADDRESS)`
        .or_else(|| address_after_last(message, "("))
        .or_else(|| address_before_port(message));
    Some(said.from(address))
}

/// `pam_unix(sshd:auth): authentication failure; logname= uid=0 … rhost=192.0.2.1  user=root`
pub fn pam(message: &str) -> Said {
    let account = message
        .rfind(" user=")
        .and_then(|at| until(message, at + " user=".len(), &[' ']));
    Said {
        account,
        address: address_after(message, "rhost="),
        ..Said::login(FAILURE, "pam")
    }
}

/// The word in front of the last ` port `.
fn address_before_port(message: &str) -> Option<Range<usize>> {
    let port = message.rfind(" port ")?;
    let start = message[..port].rfind(' ')? + 1;
    super::address_at(message, start)
}
