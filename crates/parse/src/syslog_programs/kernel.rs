//! Crashes that the kernel reports.

use super::{PROCESS, Said, Service};

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
