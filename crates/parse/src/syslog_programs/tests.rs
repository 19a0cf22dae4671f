use super::*;

fn said(name: &str, message: &str) -> (Said, Option<String>, Option<String>) {
    let said = read(name, message).unwrap_or_else(|| panic!("{name}: {message}"));
    let text = |span: &Option<Range<usize>>| span.clone().map(|span| message[span].to_owned());
    let (address, account) = (text(&said.address), text(&said.account));
    (said, address, account)
}

fn login(name: &str, message: &str, outcome: &str, address: &str, account: Option<&str>) {
    let (said, from, who) = said(name, message);
    assert_eq!(said.category, AUTHENTICATION, "{message}");
    assert_eq!((said.action, said.outcome), ("login", Some(outcome)), "{message}");
    assert_eq!(from.as_deref(), Some(address), "{message}");
    if account.is_some() {
        assert_eq!(who.as_deref(), account, "{message}");
    }
}

#[test]
fn log_ins_of_many_programs() {
    for (name, message, outcome, address, account) in [
        (
            "sshd",
            "Failed password for root from 192.0.2.7 port 5 ssh2",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "sshd-session",
            "Invalid user oracle from 2001:db8::7 port 5",
            FAILURE,
            "2001:db8::7",
            None,
        ),
        (
            "sshd",
            "error: maximum authentication attempts exceeded for root from 192.0.2.7 port 5 ssh2 [preauth]",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "sshd",
            "message repeated 3 times: [ Failed password for root from 192.0.2.7 port 5 ssh2]",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "sshd",
            "Accepted publickey for kim from 192.0.2.7 port 5 ssh2: RSA SHA256:x",
            SUCCESS,
            "192.0.2.7",
            None,
        ),
        (
            "sshd",
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
            FAILURE,
            "192.0.2.7",
            Some("root"),
        ),
        (
            "sshd",
            "Disconnecting authenticating user root 192.0.2.7 port 5: Too many authentication failures [preauth]",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "sshd",
            "error: PAM: Authentication failure for root from 192.0.2.7",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "sshd",
            "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
            FAILURE,
            "192.0.2.7",
            Some("root"),
        ),
        (
            "php-fpm",
            "/index.php: webConfigurator authentication error for user 'kim' from: 192.0.2.7",
            FAILURE,
            "192.0.2.7",
            Some("kim"),
        ),
        (
            "mysqld",
            "Access denied for user 'kim'@'192.0.2.7' (using password: YES)",
            FAILURE,
            "192.0.2.7",
            Some("kim"),
        ),
        (
            "asterisk",
            "NOTICE[12] chan_sip.c: Registration from '\"5\"<sip:5@198.51.100.1>' failed for '192.0.2.7:5060' - Wrong password",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "dovecot",
            "auth-worker(7): sql(kim@example.org,192.0.2.7,<x1>): Password mismatch",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "dropbear",
            "Bad password attempt for 'root' from 192.0.2.7:4123",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "dovecot",
            "imap-login: Disconnected (auth failed, 3 attempts): user=<kim@example.org>, method=PLAIN, rip=192.0.2.7, lip=10.0.0.1, TLS",
            FAILURE,
            "192.0.2.7",
            Some("kim@example.org"),
        ),
        (
            "postfix/smtpd",
            "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: x, sasl_username=kim",
            FAILURE,
            "192.0.2.7",
            Some("kim"),
        ),
        (
            "exim",
            "login authenticator failed for ([203.0.113.9]) [192.0.2.7]:55379: 535 Incorrect authentication data (set_id=kim)",
            FAILURE,
            "192.0.2.7",
            Some("kim"),
        ),
        (
            "pure-ftpd",
            "(?@192.0.2.7) [WARNING] Authentication failed for user [kim]",
            FAILURE,
            "192.0.2.7",
            Some("kim"),
        ),
        (
            "pvedaemon",
            "authentication failure; rhost=::ffff:192.0.2.7 user=kim@pam msg=no such user ('kim@pam')",
            FAILURE,
            "::ffff:192.0.2.7",
            Some("kim@pam"),
        ),
        (
            "mediabox",
            "[Warn] Auth: Auth-Failure ip 192.0.2.7 username 'kim'",
            FAILURE,
            "192.0.2.7",
            Some("kim"),
        ),
        (
            "mediabox",
            "[Info] Auth: Auth-Success ip 192.0.2.7 username 'kim'",
            SUCCESS,
            "192.0.2.7",
            Some("kim"),
        ),
        (
            "portal",
            "[warn] kim was not found in LDAP directory (192.0.2.7)",
            FAILURE,
            "192.0.2.7",
            Some("kim"),
        ),
        (
            "portal",
            "Bad password for 203.0.113.1 (192.0.2.7)",
            FAILURE,
            "192.0.2.7",
            None,
        ),
        (
            "charon",
            "06[JOB] <a|83> deleting half open IKE_SA with 192.0.2.7 after timeout",
            FAILURE,
            "192.0.2.7",
            None,
        ),
    ] {
        login(name, message, outcome, address, account);
    }
}

#[test]
fn handshakes_bans_and_traps_are_no_log_ins() {
    for (name, message, action) in [
        (
            "sshd",
            "Unable to negotiate with 192.0.2.7 port 5: no matching key exchange method found. Their offer: x [preauth]",
            "handshake",
        ),
        (
            "sshd",
            "Did not receive identification string from 192.0.2.7 port 5",
            "handshake",
        ),
        (
            "sshd",
            "banner exchange: Connection from 192.0.2.7 port 5: invalid format",
            "handshake",
        ),
        (
            "sshd",
            "Timeout before authentication for 192.0.2.7 port 5",
            "handshake",
        ),
        ("sshd", "refused connect from 192.0.2.7 (192.0.2.7)", "refused"),
        (
            "lfd",
            "(sshd) Failed SSH login from 192.0.2.7 (XX/-): 5 in the last 300 secs - *Blocked in csf* [LF_SSHD]",
            "ban",
        ),
        ("fail2ban.actions", "NOTICE [sshd] Ban 192.0.2.7", "ban"),
        (
            "sshguard",
            "Blocking \"192.0.2.7/32\" for 120 secs (3 attacks in 2 secs)",
            "ban",
        ),
        (
            "endlessh",
            "ACCEPT host=::ffff:192.0.2.7 port=43202 fd=5 n=1/4096",
            "trap",
        ),
    ] {
        let (said, address, _) = said(name, message);
        assert_eq!(said.action, action, "{message}");
        let address = address.unwrap_or_default();
        assert!(address.ends_with("192.0.2.7"), "{message}: {address}");
    }
    for (name, message) in [
        ("sshd", "Close session: user kim from 192.0.2.7 port 34928 id 0"),
        (
            "sshd",
            "Received disconnect from 192.0.2.7 port 5:11: disconnected by user",
        ),
        ("fail2ban.actions", "NOTICE [sshd] Unban 192.0.2.7"),
        (
            "endlessh",
            "CLOSE host=192.0.2.7 port=43202 fd=5 time=20.020 bytes=32",
        ),
        ("cron", "(root) CMD (/usr/local/bin/report)"),
        ("app", "authentication failed, nobody knows from where"),
    ] {
        assert_eq!(read(name, message), None, "{message}");
    }
}

#[test]
fn packets() {
    let packet = |name: &str, message: &str| {
        let (said, address, _) = said(name, message);
        let target = said.target.map(|span| message[span].to_owned());
        (
            said.action,
            said.outcome,
            address,
            target,
            said.src_port,
            said.dst_port,
            said.transport,
        )
    };
    let seen = |action, outcome, port: i32| {
        (
            action,
            outcome,
            Some("192.0.2.7".to_owned()),
            Some("198.51.100.1".to_owned()),
            Some(40_000),
            Some(port),
            Some("tcp".to_owned()),
        )
    };
    let rest = "IN=eth0 OUT= MAC=00:00 SRC=192.0.2.7 DST=198.51.100.1 LEN=44 TTL=43 ID=2 DF PROTO=TCP SPT=40000 DPT=23 WINDOW=1 SYN";
    for (prefix, action, outcome) in [
        ("[UFW BLOCK] ", "drop", Some(FAILURE)),
        ("[ 203.84] IPTABLES-DROP: ", "drop", Some(FAILURE)),
        ("nft-reject ", "reject", Some(FAILURE)),
        ("[UFW ALLOW] ", "accept", Some(SUCCESS)),
        ("[UFW AUDIT] ", "audit", None),
        ("[19955416.516358] ", "log", None),
    ] {
        assert_eq!(
            packet("kernel", &format!("{prefix}{rest}")),
            seen(action, outcome, 23),
            "{prefix}"
        );
    }
    let pf = "53,,,1000102631,em0,match,block,in,4,0x0,,64,892,0,none,6,tcp,44,192.0.2.7,198.51.100.1,40000,22,0,S,1,,65535,,mss";
    assert_eq!(packet("filterlog", pf), seen("drop", Some(FAILURE), 22));
    let routeros = "drop-wan input: in:ether1 out:(unknown 0), connection-state:new proto TCP (SYN), 192.0.2.7:40000->198.51.100.1:23, len 40";
    assert_eq!(packet("firewall,info", routeros), seen("drop", Some(FAILURE), 23));
    let forwarded = rest.replace("OUT= ", "OUT=eth1 ");
    assert_eq!(packet("kernel", &forwarded), seen("forward", None, 23));
    assert_eq!(read("kernel", "usb 5-2: new device"), None);
}

#[test]
fn crashes_mail_and_web_servers() {
    let message = "[869507.5] su[143]: segfault at 7f ip 1 sp 2 error 6 in ld-linux-x86-64.so.2[7f+25]";
    let crash = read("kernel", message).expect("a crash");
    assert_eq!((crash.category, crash.action), (PROCESS, "loader_crash"));
    assert_eq!(crash.service, Some(Service::Told(11..13)));
    let mail = |message| said("postfix/smtpd", message);
    let (reject, address, _) =
        mail("NOQUEUE: reject: RCPT from a.example[192.0.2.7]: 554 5.7.1 Service unavailable");
    assert_eq!((reject.action, address.as_deref()), ("reject", Some("192.0.2.7")));
    let (relay, ..) =
        mail("NOQUEUE: reject: RCPT from a.example[192.0.2.7]: 454 4.7.1 <a@b>: Relay access denied;");
    assert_eq!(relay.action, "relay_denied");
    let (abuse, address, _) = mail("warning: non-SMTP command from unknown[192.0.2.7]: GET / HTTP/1.1");
    assert_eq!(
        (abuse.action, address.as_deref()),
        ("protocol_abuse", Some("192.0.2.7"))
    );
    let message = "31#31: *17 user \"kim\" was not found in \"/x\", client: 192.0.2.7, server: _, request: \"GET /a HTTP/1.1\", host: \"h\"";
    login("nginx", message, FAILURE, "192.0.2.7", Some("kim"));
    let limit = "1#1: *4 limiting requests, excess: 5.4 by zone \"z\", client: ::1, server: , request: \"GET / HTTP/1.1\", host: \"h\"";
    let (limit, address, _) = said("nginx", limit);
    assert_eq!((limit.action, address.as_deref()), ("request_limit", Some("::1")));
    login(
        "apache2",
        "[client 192.0.2.7:50229] AH01618: user kim not found: /",
        FAILURE,
        "192.0.2.7",
        Some("kim"),
    );
    let (waf, address, _) = said(
        "apache2",
        "[client ::1:37752] [client ::1] ModSecurity: Warning. x [severity \"CRITICAL\"]",
    );
    assert_eq!((waf.action, address.as_deref()), ("waf_hit", Some("::1")));
}

#[test]
fn file_servers_mail_proxies_and_dashboards() {
    login(
        "smbd",
        "Auth: [SMB2,(null)] user [WORKGROUP]\\[kim] at [Fri, 24 Sep 2021 10:04:52.030937 UTC] with [NTLMv2] status [NT_STATUS_WRONG_PASSWORD] workstation [PC7] remote host [ipv4:192.0.2.7:62419] mapped to [WORKGROUP]\\[kim]. local host [ipv4:198.51.100.1:445]",
        FAILURE,
        "192.0.2.7",
        Some("kim"),
    );
    login(
        "smb",
        "Auth: [SMB2,(null)] user []\\[kim] at [now] with [NTLMv2] status [NT_STATUS_OK] workstation [] remote host [ipv6:2001:db8::7:62419] became []\\[kim]",
        SUCCESS,
        "2001:db8::7",
        Some("kim"),
    );
    let proxy = "8#8: *6631 client login failed: \"Invalid login or password\" while in http auth state, client: 192.0.2.7, server: 0.0.0.0:25, login: \"kim@example.org\"";
    login("nginx", proxy, FAILURE, "192.0.2.7", Some("kim@example.org"));
    assert_eq!(said("nginx", proxy).0.service, Some(Service::Known("smtp")));
    login(
        "dashboards",
        "{\"type\":\"response\",\"statusCode\":401,\"req\":{\"url\":\"/auth/login?next=%2F\",\"method\":\"post\",\"remoteAddress\":\"192.0.2.7\"}}",
        FAILURE,
        "192.0.2.7",
        None,
    );
    let page = "{\"type\":\"response\",\"statusCode\":401,\"req\":{\"url\":\"/api/status\",\"remoteAddress\":\"192.0.2.7\"}}";
    assert_eq!(read("dashboards", page), None);
}

#[test]
fn filters_knocks_and_forged_environments() {
    for (name, message, action) in [
        (
            "amavis",
            "(40-09) Blocked INFECTED (Eicar-Test) {DiscardedInbound,Quarantined}, [192.0.2.7]:1434 [198.51.100.9] <a@example.org> -> <b@example.com>, size: 28646",
            "malware_blocked",
        ),
        (
            "amavis",
            "(40-10) Blocked SPAM {DiscardedInbound}, [192.0.2.7]:1434 [192.0.2.7] <a@example.org> -> <b@example.com>, Hits: 9.1",
            "spam_blocked",
        ),
        (
            "MailScanner",
            "Message 4bs from 192.0.2.7 (a@example.org) to example.com is spam, SpamAssassin (not cached, score=25.5, required 4)",
            "spam_blocked",
        ),
        (
            "MailScanner",
            "Message 4bs from 192.0.2.7 (a@example.org) to example.com is spam (blacklisted)",
            "sender_blocked",
        ),
        (
            "postfix/smtpd",
            "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 504 5.5.2 <PC7>: Helo command rejected: need fully-qualified hostname; from=<a@example.org>",
            "helo_rejected",
        ),
        (
            "kernel",
            "[82508.1] wireguard: wg1: Invalid handshake initiation from 192.0.2.7:51820",
            "handshake",
        ),
        (
            "sshd",
            "refused connect from host.example.org (192.0.2.7)",
            "refused",
        ),
        (
            "apache2",
            "[client 192.0.2.7:14532] AH00126: Invalid URI in request GET /cgi-bin/.%2E/%2E%2E/etc/passwd HTTP/1.1",
            "invalid_uri",
        ),
    ] {
        let (said, address, _) = said(name, message);
        assert_eq!(
            (said.action, address.as_deref()),
            (action, Some("192.0.2.7")),
            "{message}"
        );
    }
    let broken = "[client 192.0.2.7:14532] AH00126: Invalid URI in request GET http:8080 HTTP/1.1";
    assert_eq!(said("apache2", broken).0.action, "error");
    let (forged, _, account) = said(
        "pkexec",
        "kim: The value for the SHELL variable was not found the /etc/shells file [USER=root] [TTY=/dev/pts/3]",
    );
    assert_eq!(
        (forged.action, account.as_deref()),
        ("environment_forged", Some("kim"))
    );
    for (name, message) in [
        (
            "amavis",
            "(40-11) Passed CLEAN {RelayedInbound}, [192.0.2.7]:1434 <a@b> -> <c@d>",
        ),
        (
            "MailScanner",
            "Message 4bs from 192.0.2.7 (a@b) to c is not spam, SpamAssassin (score=1)",
        ),
        ("pkexec", "kim: Executing command [USER=root] [TTY=/dev/pts/3]"),
        (
            "kernel",
            "[1.0] wireguard: wg1: Handshake for peer 3 (192.0.2.7:51820) did not complete",
        ),
    ] {
        assert_eq!(read(name, message), None, "{message}");
    }
}
