//! Mail: postfix, and the filters behind mail servers.

use super::{FAILURE, MAIL, Said, Service, address_after, address_after_last, until};
use std::ops::Range;

/// Texts of clients that talk, but not mail.
const ABUSE: [&str; 4] = [
    "non-SMTP command from ",
    "improper command pipelining after ",
    "too many errors after ",
    "PREGREET ",
];

pub fn postfix(message: &str) -> Option<Said> {
    // `HOST[ADDRESS]: SASL LOGIN authentication failed: …, sasl_username=NAME`
    if let Some(at) = message.find("]: SASL ")
        && message[at..].contains("authentication failed")
    {
        let open = message[..at].rfind('[')?;
        let account = message
            .rfind("sasl_username=")
            .and_then(|at| until(message, at + "sasl_username=".len(), &[' ', ',']));
        return Some(Said {
            account,
            address: super::address_at(message, open + 1),
            ..Said::login(FAILURE, "smtp")
        });
    }
    if message.contains(": reject: ") {
        let refusal = match message {
            text if text.contains("Relay access denied") => "relay_denied",
            text if text.contains("Helo command rejected") => "helo_rejected",
            _ => "reject",
        };
        // `NOQUEUE: reject: RCPT from HOST[ADDRESS]: 554 5.7.1 …`
        let from = message.find(" from ")?;
        let address = address_after(&message[from..], "[").map(|span| span.start + from..span.end + from);
        return Some(Said {
            service: Some(Service::Known("smtp")),
            address,
            ..Said::of(MAIL, refusal, Some(FAILURE))
        });
    }
    let abuse = ABUSE.iter().find(|text| message.contains(**text))?;
    let from = if *abuse == "PREGREET " {
        message.find(" from ")?
    } else {
        message.find(abuse)?
    };
    let address = address_after(&message[from..], "[").map(|span| span.start + from..span.end + from);
    Some(Said {
        service: Some(Service::Known("smtp")),
        address: address.or_else(|| address_after_last(message, " from ")),
        ..Said::of(MAIL, "protocol_abuse", Some(FAILURE))
    })
}

/// `(PROCESS) Blocked INFECTED (NAME) {…}, [ADDRESS]:PORT [ADDRESS] <FROM> -> <TO>, …`
pub fn amavis(message: &str) -> Option<Said> {
    let at = message.find(") Blocked ")? + ") Blocked ".len();
    let action = match message[at..].split([' ', ',', '(']).next()? {
        "INFECTED" | "BANNED" => "malware_blocked",
        _ => "spam_blocked",
    };
    let address = message[at..]
        .match_indices(", [")
        .find_map(|(comma, mark)| super::address_at(message, at + comma + mark.len()))?;
    Some(filtered(action, address))
}

/// `Message ID from ADDRESS (FROM) to DOMAIN is spam, …`, `… is spam (blacklisted)`.
pub fn mail_scanner(message: &str) -> Option<Said> {
    let address = message
        .strip_prefix("Message ")
        .and_then(|_| address_after(message, " from "))?;
    let verdict = &message[address.end..];
    let blocked = verdict.contains(" is spam (blacklisted)") || verdict.contains(" is spam (blocklisted)");
    let action = match verdict {
        _ if blocked => "sender_blocked",
        text if text.contains(" is spam") => "spam_blocked",
        text if text.contains(" is infected") || text.contains(" infected with ") => "malware_blocked",
        _ => return None,
    };
    Some(filtered(action, address))
}

/// A message that a filter held back.
fn filtered(action: &'static str, address: Range<usize>) -> Said {
    Said {
        service: Some(Service::Known("smtp")),
        ..Said::of(MAIL, action, Some(FAILURE))
    }
    .from(Some(address))
}
