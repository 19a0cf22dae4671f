//! postfix.

use super::{FAILURE, MAIL, Said, Service, address_after, address_after_last, until};

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
        let refusal = match message.contains("Relay access denied") {
            true => "relay_denied",
            false => "reject",
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
