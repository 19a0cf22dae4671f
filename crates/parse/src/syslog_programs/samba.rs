//! Samba's audit of log-ins.
//!
//! Source: Samba manual, `smb.conf(5)`, *log level* `auth_audit`; `auth/auth_log.c`.

use super::{FAILURE, SUCCESS, Said, address_after, until};

/// `Auth: [SMB2,(null)] user [DOMAIN]\[NAME] at [TIME] with [NTLMv2] status [NT_STATUS_…] workstation […]
/// remote host [ipv4:ADDRESS:PORT] mapped to …`
pub fn read(message: &str) -> Option<Said> {
    let audited = ["Auth: [", "Authorization: ["]
        .iter()
        .any(|start| message.starts_with(start));
    let status = message.find(" status [NT_STATUS_").filter(|_| audited)?;
    let outcome = match message[status..].starts_with(" status [NT_STATUS_OK]") {
        true => SUCCESS,
        false => FAILURE,
    };
    let account = message
        .find("]\\[")
        .and_then(|at| until(message, at + "]\\[".len(), &[']']));
    let address = ["remote host [ipv4:", "remote host [ipv6:"]
        .iter()
        .find_map(|mark| address_after(message, mark).or_else(|| before_port(message, mark)))?;
    Some(
        Said {
            account,
            ..Said::login(outcome, "smb")
        }
        .from(Some(address)),
    )
}

/// A v6 address has its port behind a colon, like its own groups.
fn before_port(message: &str, mark: &str) -> Option<std::ops::Range<usize>> {
    let at = message.find(mark)? + mark.len();
    let word = until(message, at, &[']'])?;
    let (host, _) = message[word].rsplit_once(':')?;
    super::is_address(host).then(|| at..at + host.len())
}
