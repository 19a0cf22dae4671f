//! Who and from where, in the messages of login programs: sshd, sudo, pam, ftpd, postfix.
//!
//! Source: the format strings of OpenSSH's `auth.c`, `packet.c` and `sshd-session.c`, pam_unix,
//! sudo and postfix. User names are the attacker's text: an address is taken from the *last* place that fits,
//! so that a user named `x from 192.0.2.1` does not choose the address.

use crate::scalar;
use std::ops::Range;

/// Longest message looked at; these programs write far shorter ones.
const MESSAGE_BYTES_MAX: usize = 4096;

/// What stands behind a message's fixed beginning.
#[derive(Clone, Copy)]
enum Shape {
    /// `USER from ADDRESS[ port N]…`
    UserFromAddress,
    /// `…from ADDRESS[ port N]…`; the text before is anything.
    AnythingFromAddress,
    /// `USER ADDRESS port N…`
    UserAddress,
    /// `ADDRESS[ port N]…`
    Address,
    /// `USER…`, up to a blank or `(`.
    User,
    /// `HOST [ADDRESS]…`
    BracketedAddress,
}

/// What sshd writes, the longer beginning first where one begins the other.
const SSHD: &[(&str, Shape)] = &[
    ("invalid user ", Shape::UserFromAddress),
    ("illegal user ", Shape::UserFromAddress),
    ("Invalid user ", Shape::UserFromAddress),
    ("Illegal user ", Shape::UserFromAddress),
    ("User ", Shape::UserFromAddress),
    ("input_userauth_request: invalid user ", Shape::User),
    (
        "maximum authentication attempts exceeded for invalid user ",
        Shape::UserFromAddress,
    ),
    (
        "maximum authentication attempts exceeded for ",
        Shape::UserFromAddress,
    ),
    ("Connection closed by authenticating user ", Shape::UserAddress),
    ("Connection closed by invalid user ", Shape::UserAddress),
    ("Connection closed by ", Shape::Address),
    ("Connection reset by authenticating user ", Shape::UserAddress),
    ("Connection reset by invalid user ", Shape::UserAddress),
    ("Connection reset by ", Shape::Address),
    ("Connection from ", Shape::Address),
    ("Disconnected from authenticating user ", Shape::UserAddress),
    ("Disconnected from invalid user ", Shape::UserAddress),
    ("Disconnected from user ", Shape::UserAddress),
    ("Disconnected from ", Shape::Address),
    ("Received disconnect from ", Shape::Address),
    ("Did not receive identification string from ", Shape::Address),
    ("Unable to negotiate with ", Shape::Address),
    ("Bad protocol version identification ", Shape::AnythingFromAddress),
    ("Protocol major versions differ for ", Shape::Address),
    ("ROOT LOGIN REFUSED FROM ", Shape::Address),
    (
        "reverse mapping checking getaddrinfo for ",
        Shape::BracketedAddress,
    ),
    ("Address ", Shape::Address),
];

/// What postfix writes.
const POSTFIX: &[(&str, Shape)] = &[
    ("connect from ", Shape::BracketedAddress),
    ("disconnect from ", Shape::BracketedAddress),
    ("lost connection after ", Shape::BracketedAddress),
    ("warning: ", Shape::BracketedAddress),
    ("NOQUEUE: reject: ", Shape::BracketedAddress),
    ("PREGREET ", Shape::BracketedAddress),
];

/// What other login programs write.
const OTHERS: &[(&str, Shape)] = &[
    ("session opened for user ", Shape::User),
    ("session closed for user ", Shape::User),
    ("connection from ", Shape::Address),
    ("FAILED LOGIN SESSION FROM ", Shape::Address),
];

/// Found in a message; spans of its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Login {
    pub account: Option<Range<usize>>,
    pub address: Option<Range<usize>>,
}

/// The account and address in `message`, which the program `name` wrote.
pub fn find(name: &str, message: &str) -> Option<Login> {
    if message.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    if name == "sudo" {
        return sudo(message);
    }
    let mut at = pam_prefix(message);
    if name.starts_with("sshd") {
        if let Some(inner) = repeated(message) {
            at = inner;
        }
        at += prefix(&message[at..], &["error: ", "fatal: ", "Disconnecting: "]);
        if let Some(behind) = method(&message[at..]) {
            at += behind;
            at += prefix(&message[at..], &["invalid user ", "illegal user "]);
            return user_from_address(message, at);
        }
        if let Some(login) = table(SSHD, message, at) {
            return Some(login);
        }
    }
    if name.starts_with("postfix/") {
        return table(POSTFIX, message, 0);
    }
    table(OTHERS, message, at)
}

fn prefix(text: &str, prefixes: &[&str]) -> usize {
    prefixes
        .iter()
        .find(|prefix| text.starts_with(**prefix))
        .map_or(0, |prefix| prefix.len())
}

/// Length of `pam_unix(sshd:session): `.
fn pam_prefix(message: &str) -> usize {
    let end = message.starts_with("pam_").then(|| message.find("): ")).flatten();
    end.map_or(0, |end| end + 3)
}

/// Where the message begins that `message repeated 5 times: [ …]` repeats.
fn repeated(message: &str) -> Option<usize> {
    let rest = message.strip_prefix("message repeated ")?;
    let open = rest.find(" times: [ ")?;
    Some(message.len() - rest.len() + open + " times: [ ".len())
}

/// Length of `Failed password for ` and `Accepted publickey for `.
fn method(text: &str) -> Option<usize> {
    let start = prefix(text, &["Failed ", "Accepted ", "Postponed ", "Partial "]);
    if start == 0 {
        return None;
    }
    let space = text[start..].find(' ')?;
    let end = start + space + " for ".len();
    (text.get(start + space..end) == Some(" for ")).then_some(end)
}

fn table(table: &[(&str, Shape)], message: &str, at: usize) -> Option<Login> {
    let rest = &message[at..];
    let (beginning, shape) = table.iter().find(|(beginning, _)| rest.starts_with(beginning))?;
    let at = at + beginning.len();
    let only = |address| Login {
        account: None,
        address: Some(address),
    };
    match shape {
        Shape::UserFromAddress => user_from_address(message, at),
        Shape::AnythingFromAddress => {
            let from = at + last(&message[at..], b" from ")?;
            address(message, from + " from ".len()).map(only)
        }
        Shape::UserAddress => {
            let port = at + last(&message[at..], b" port ")?;
            let gap = at + message[at..port].rfind(' ')?;
            Some(Login {
                account: filled(at..gap),
                address: Some(address(message, gap + 1)?),
            })
        }
        Shape::Address => address(message, at).map(only),
        Shape::User => {
            let end = message[at..]
                .find([' ', '('])
                .map_or(message.len(), |end| at + end);
            Some(Login {
                account: filled(at..end),
                address: None,
            })
        }
        Shape::BracketedAddress => {
            let open = at + message[at..].find('[')? + 1;
            address(message, open).map(only)
        }
    }
}

/// `USER from ADDRESS`, by the last ` from ` that an address follows. Two are tried: the reason
/// behind an address may hold one more.
fn user_from_address(message: &str, at: usize) -> Option<Login> {
    let mut end = message.len();
    for _ in 0..2 {
        let from = at + last(message.get(at..end)?, b" from ")?;
        if let Some(address) = address(message, from + " from ".len()) {
            return Some(Login {
                account: filled(at..from),
                address: Some(address),
            });
        }
        end = from;
    }
    None
}

/// The address at `at`, up to a blank, `]`, or a colon at the word's end.
fn address(message: &str, at: usize) -> Option<Range<usize>> {
    let end = message[at..]
        .bytes()
        .position(|b| matches!(b, b' ' | b']' | b','))
        .map_or(message.len(), |end| at + end);
    let word = message[at..end].trim_end_matches(':');
    let end = at + word.len();
    scalar::address(word).map(|_| at..end)
}

/// Where `words` stand last. Messages are short: a searcher costs more than it saves.
fn last(text: &str, words: &[u8; 6]) -> Option<usize> {
    text.as_bytes()
        .windows(words.len())
        .rposition(|window| window == words)
}

fn filled(span: Range<usize>) -> Option<Range<usize>> {
    (!span.is_empty()).then_some(span)
}

/// `USER : TTY=… ; PWD=… ; USER=… ; COMMAND=…`, perhaps with a complaint first.
fn sudo(message: &str) -> Option<Login> {
    let start = message.len() - message.trim_start().len();
    let end = start + message[start..].find(" : ")?;
    let shaped = message[end..].contains("COMMAND=") && !message[start..end].contains(' ');
    shaped.then(|| Login {
        account: filled(start..end),
        address: None,
    })
}
