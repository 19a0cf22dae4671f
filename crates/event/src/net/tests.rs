use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn policy(blocks: &[&str]) -> ClientIpPolicy {
    ClientIpPolicy {
        trusted: blocks.iter().map(|b| b.parse().expect("a block")).collect(),
        header: None,
    }
}

#[test]
fn blocks_contain_what_they_say() {
    for (block, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
    ] {
        let block: Cidr = block.parse().expect(block);
        assert!(block.contains(ip(inside)), "{block} {inside}");
        assert!(!block.contains(ip(outside)), "{block} {outside}");
    }
    assert_eq!(
        "10.1.2.3/8".parse::<Cidr>().expect("host bits").to_string(),
        "10.0.0.0/8"
    );
    for bad in [
        "",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "x",
        "::/129",
        "10.0.0.0/",
    ] {
        assert!(bad.parse::<Cidr>().is_err(), "{bad:?}");
    }
}

#[test]
fn addresses_as_logs_write_them() {
    for (text, want) in [
        ("192.0.2.1", Some("192.0.2.1")),
        (" 192.0.2.1 ", Some("192.0.2.1")),
        ("192.0.2.1:443", Some("192.0.2.1")),
        ("[2001:DB8::1]:443", Some("2001:db8::1")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("fe80::1%eth0", Some("fe80::1")),
        ("::ffff:192.0.2.1", Some("192.0.2.1")),
        ("localhost:8080", None),
        ("unknown", None),
        ("-", None),
        ("", None),
        ("[2001:db8::1]x", None),
        ("999.1.1.1", None),
    ] {
        assert_eq!(parse_address(text), want.map(ip), "{text:?}");
    }
}

#[test]
fn the_client_is_the_rightmost_untrusted_hop() {
    let two = policy(&["10.0.0.0/8", "192.0.2.0/24"]);
    for (peer, hops, want) in [
        ("203.0.113.9", Some("198.51.100.1"), "203.0.113.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", Some("6.6.6.6, 198.51.100.1"), "198.51.100.1"),
        (
            "10.0.0.1",
            Some("198.51.100.1, 192.0.2.5,10.0.0.2"),
            "198.51.100.1",
        ),
        ("10.0.0.1", Some("198.51.100.1, evil, 10.0.0.2"), "10.0.0.2"),
        ("10.0.0.1", Some("evil"), "10.0.0.1"),
        ("10.0.0.1", Some("10.0.0.3, 10.0.0.2"), "10.0.0.3"),
        ("::ffff:10.0.0.1", Some("::ffff:198.51.100.1"), "198.51.100.1"),
    ] {
        assert_eq!(two.resolve(ip(peer), hops), ip(want), "{peer} {hops:?}");
    }
    let nobody = ClientIpPolicy::default();
    assert_eq!(nobody.resolve(ip("10.0.0.1"), Some("1.2.3.4")), ip("10.0.0.1"));
}

#[test]
fn private_space() {
    for text in [
        "10.1.1.1",
        "172.31.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "fd00::1",
        "fe80::1",
        "::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(is_private(ip(text)), "{text}");
    }
    for text in ["172.32.0.1", "8.8.8.8", "100.128.0.1", "2001:db8::1"] {
        assert!(!is_private(ip(text)), "{text}");
    }
}
