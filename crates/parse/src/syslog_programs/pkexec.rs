//! pkexec, which says when a caller's environment is not one that a person's session has.
//!
//! Source: polkit `src/programs/pkexec.c`; Qualys advisory on CVE-2021-4034 (January 2022), which names
//! these two messages as the traces a try leaves.

use super::{FAILURE, PROCESS, Said, Service};

/// `NAME: The value for the SHELL variable was not found the /etc/shells file [USER=root] …`
pub fn read(message: &str) -> Option<Said> {
    let marks = [
        ": The value for the SHELL variable was not found",
        ": The value for environment variable ",
    ];
    let at = marks.iter().find_map(|mark| message.find(mark))?;
    let forged = message[at..].contains("SHELL variable") || message[at..].contains(" suspici");
    forged.then(|| Said {
        service: Some(Service::Known("pkexec")),
        account: (at > 0).then_some(0..at),
        ..Said::of(PROCESS, "environment_forged", Some(FAILURE))
    })
}
