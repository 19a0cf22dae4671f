//! Crashes and broken WireGuard handshakes that the kernel reports.

use super::{AUTHENTICATION, FAILURE, PROCESS, Said, Service, address_after_last};

/// `[time] NAME[PID]: segfault at ADDRESS ip … in OBJECT[…]`
pub fn crash(message: &str) -> Option<Said> {
    let at = message.find("]: segfault at ")?;
    let open = message[..at].rfind('[')?;
    let start = message[..open].rfind(' ').map_or(0, |space| space + 1);
    let loader = message[at..].contains(" in ld-linux") || message[at..].contains(" in ld-2.");
    let action = if loader { "loader_crash" } else { "crash" };
    (open > start).then(|| Said {
        service: Some(Service::Told(start..open)),
        ..Said::of(PROCESS, action, None)
    })
}

/// `[time] wireguard: wg0: Invalid handshake initiation from ADDRESS:PORT`, written while the module's
/// debug messages are on: somebody without a key of this interface knocks.
pub fn wireguard(message: &str) -> Option<Said> {
    let text = &message[message.find("wireguard: ")?..];
    let broken = ["Invalid handshake ", "Invalid MAC of handshake"];
    broken.iter().find(|start| text.contains(**start))?;
    let address = address_after_last(message, " from ")?;
    Some(
        Said {
            service: Some(Service::Known("vpn")),
            ..Said::of(AUTHENTICATION, "handshake", Some(FAILURE))
        }
        .from(Some(address)),
    )
}
