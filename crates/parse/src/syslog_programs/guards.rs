//! Programs that watch other logs and bar clients (lfd, fail2ban, sshguard), and traps that nobody
//! has a reason to visit (endlessh, cowrie).

use super::{AUTHENTICATION, FAILURE, Said, Service, address_after, address_after_last};

/// Texts of a ban, each in front of the address or not.
const BANS: [&str; 6] = [
    "Blocked in csf",
    "Ban ",
    "Blocking \"",
    "Blocking ",
    "Temporary Block",
    "new denied hosts",
];

/// lfd: `(sshd) Failed SSH login from ADDRESS (…): 5 in the last 300 secs - *Blocked in csf*`;
/// fail2ban: `NOTICE [sshd] Ban ADDRESS`; sshguard: `Blocking "ADDRESS/32" for 120 secs`.
pub fn read(message: &str) -> Option<Said> {
    if message.contains("Unban ") || message.contains("already banned") {
        return None;
    }
    BANS.iter().find(|ban| message.contains(**ban))?;
    let address = [
        "login from ",
        "Ban ",
        "Blocking \"",
        "Blocking ",
        " from ",
        "*Blocked* ",
        "new denied hosts: ",
    ]
    .iter()
    .find_map(|mark| address_after(message, mark))?;
    Some(Said::of(AUTHENTICATION, "ban", Some(FAILURE)).from(Some(address)))
}

/// endlessh: `ACCEPT host=ADDRESS port=N`; cowrie: `New connection: ADDRESS:PORT (…)`.
pub fn trap(message: &str) -> Option<Said> {
    let address = if message.contains("ACCEPT host=") {
        address_after(message, "ACCEPT host=")
    } else if message.contains("New connection: ") {
        address_after_last(message, "New connection: ")
    } else {
        None
    }?;
    Some(
        Said {
            service: Some(Service::Known("trap")),
            ..Said::of(AUTHENTICATION, "trap", Some(FAILURE))
        }
        .from(Some(address)),
    )
}
