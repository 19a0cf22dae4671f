//! What the programs behind syslog say happened: log-ins, handshakes, packets let through or
//! dropped, mail refused, web-server errors, crashes.
//!
//! Each program has its module with a table of the format strings it writes; other programs are
//! asked only whether they speak of a log-in ([`logins`]). Who and from where in sshd, sudo, pam
//! and postfix messages is [`crate::syslog_auth`]'s. User names and requests are the attacker's
//! text: addresses are taken from where the program puts them, else from the last place.
//!
//! Source: OpenSSH `auth.c`, `packet.c`, `kex.c`, `sshd-session.c`; Linux `nf_log_syslog.c` and
//! `arch/x86/mm/fault.c`; pfSense manual, *Raw Filter Log Format*; postfix `smtpd.c` and
//! `postscreen`; amavisd `log_templ`; MailScanner `Message.pm`; nginx `ngx_http_auth_basic_module.c`,
//! `ngx_http_limit_req_module.c`, `ngx_mail_auth_http_module.c`; Apache `mod_auth_basic.c`,
//! `server/request.c`; WireGuard `drivers/net/wireguard/receive.c`; strongSwan `job/jobs/delete_ike_sa_job.c`; ConfigServer lfd and fail2ban.
//!
//! What is not here: what follows from it. Rules judge.

mod firewall;
mod guards;
mod json_requests;
mod kernel;
mod logins;
mod mail;
mod pkexec;
mod samba;
mod ssh;
pub(crate) mod web_errors;

use std::ops::Range;

/// Longest message looked at; these programs write far shorter ones, but for echoes of requests.
const MESSAGE_BYTES_MAX: usize = 8192;

pub const AUTHENTICATION: &str = "authentication";
pub const NETWORK: &str = "network";
pub const MAIL: &str = "mail";
pub const WEB: &str = "web";
pub const PROCESS: &str = "process";
pub const SUCCESS: &str = "success";
pub const FAILURE: &str = "failure";

/// What a message says; spans of its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// [`AUTHENTICATION`], [`NETWORK`], [`MAIL`], [`WEB`] or [`PROCESS`].
    pub category: &'static str,
    pub action: &'static str,
    pub outcome: Option<&'static str>,
    /// The service the client wanted, or the program that crashed.
    pub service: Option<Service>,
    pub account: Option<Range<usize>>,
    pub address: Option<Range<usize>>,
    pub target: Option<Range<usize>>,
    pub src_port: Option<i32>,
    pub dst_port: Option<i32>,
    /// `tcp`, `udp`, … in lower case.
    pub transport: Option<String>,
    /// Method and URI of an HTTP request.
    pub request: Option<[Range<usize>; 2]>,
}

/// A service by the table's name, or as the message has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Service {
    Known(&'static str),
    Told(Range<usize>),
}

impl Said {
    fn of(category: &'static str, action: &'static str, outcome: Option<&'static str>) -> Said {
        Said {
            category,
            action,
            outcome,
            ..Said::default()
        }
    }

    fn login(outcome: &'static str, service: &'static str) -> Said {
        Said {
            service: Some(Service::Known(service)),
            ..Said::of(AUTHENTICATION, "login", Some(outcome))
        }
    }

    /// With the address at `span`, if it is one.
    fn from(mut self, span: Option<Range<usize>>) -> Said {
        self.address = span;
        self
    }
}

/// What `message`, which the program `name` wrote, says; `None` when it is nothing of interest.
pub fn read(name: &str, message: &str) -> Option<Said> {
    if message.is_empty() || message.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    let base = name.rsplit('/').next().unwrap_or(name);
    match name.split('/').next().unwrap_or(name) {
        "kernel" => firewall::netfilter(message)
            .or_else(|| kernel::crash(message))
            .or_else(|| kernel::wireguard(message)),
        "filterlog" => firewall::filterlog(message),
        "ulogd" => firewall::netfilter(message),
        "firewall,info" => firewall::routeros(message),
        "postfix" => mail::postfix(message),
        "amavis" | "amavisd" => mail::amavis(message),
        "MailScanner" => mail::mail_scanner(message),
        "smb" | "smbd" | "smbd_audit" | "samba" => {
            samba::read(message).or_else(|| logins::read(base, message))
        }
        "pkexec" => pkexec::read(message),
        "nginx" => web_errors::nginx(message),
        "apache2" | "apache" | "httpd" => web_errors::apache(message),
        "lfd" | "fail2ban" | "fail2ban-server" | "fail2ban.actions" | "sshguard" | "denyhosts" => {
            guards::read(message)
        }
        "endlessh" | "endlessh-go" | "cowrie" | "sshesame" => guards::trap(message),
        first if first.starts_with("sshd") || first == "dropbear" => ssh::read(message),
        _ if message.starts_with("firewall,info ") => firewall::routeros(message),
        // Programs that are not told apart by their tag: a prefix of the kernel's own lines.
        _ if message.starts_with("IN=") => firewall::netfilter(message),
        _ => json_requests::read(message).or_else(|| logins::read(base, message)),
    }
}

/// The address at `at`, up to a blank, a bracket or a comma; a port behind it is left out.
fn address_at(message: &str, at: usize) -> Option<Range<usize>> {
    let rest = message.get(at..)?;
    let end = rest
        .bytes()
        .position(|b| matches!(b, b' ' | b']' | b')' | b'>' | b',' | b';' | b'/' | b'"' | b'\''))
        .unwrap_or(rest.len());
    let word = rest[..end].trim_end_matches([':', '.']);
    if is_address(word) {
        return Some(at..at + word.len());
    }
    let (host, port) = word.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    (is_port && is_address(host)).then(|| at..at + host.len())
}

/// Without a port, unlike what [`crate::scalar::address`] takes.
fn is_address(word: &str) -> bool {
    word.parse::<std::net::IpAddr>().is_ok()
}

/// The address behind the first `mark`.
fn address_after(message: &str, mark: &str) -> Option<Range<usize>> {
    let at = message.find(mark)? + mark.len();
    address_at(message, at)
}

/// The address behind the last `mark`.
fn address_after_last(message: &str, mark: &str) -> Option<Range<usize>> {
    let at = message.rfind(mark)? + mark.len();
    address_at(message, at)
}

/// From `at` to the first of `ends`, or the message's end; `None` when empty.
fn until(message: &str, at: usize, ends: &[char]) -> Option<Range<usize>> {
    let rest = message.get(at..)?;
    let end = rest.find(ends).unwrap_or(rest.len());
    (end > 0).then(|| at..at + end)
}

#[cfg(test)]
mod tests;
