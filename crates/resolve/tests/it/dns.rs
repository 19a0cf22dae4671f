//! Single look-ups.

use crate::nameserver::{NameServer, Says, alias, data_of, kind_of, name};
use haetae_enrich::crawlers::{Lookup, Resolver, Standing, Table};
use haetae_resolve::{Dns, DnsError, DnsSettings, Server};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::{PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Quick, so that silence costs little.
pub fn settings(server: &NameServer) -> DnsSettings {
    DnsSettings {
        server: Server::At(server.address),
        timeout: Duration::from_millis(300),
        tries: 2,
    }
}

pub fn dns(server: &NameServer) -> Dns {
    Dns::new(&settings(server), Box::new(|_| {})).expect("a resolver")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn check(server: &NameServer, claim: &str, address: &str) -> Standing {
    Table::builtin().check(claim, ip(address), &dns(server)).0
}

const FAKE: Standing = Standing::Fake { documented: true };

#[test]
fn a_name_that_leads_back_verifies() {
    let server = NameServer::start();
    server
        .pair("66.249.66.1", "crawl-66-249-66-1.googlebot.com")
        .pair("2001:4860:4801:10::1", "crawl-1.googlebot.com");
    assert_eq!(check(&server, "Googlebot", "66.249.66.1"), Standing::Verified);
    assert_eq!(
        check(&server, "Googlebot", "2001:4860:4801:10::1"),
        Standing::Verified
    );
    let found = dns(&server).reverse(ip("66.249.66.1"));
    let Lookup::Found { values, ttl_us } = found else {
        panic!("{found:?}");
    };
    assert_eq!(values, ["crawl-66-249-66-1.googlebot.com"]);
    assert!((590_000_000..=600_000_000).contains(&ttl_us), "{ttl_us}");
}

#[test]
fn names_of_others_do_not() {
    let server = NameServer::start();
    server
        .pair("45.77.1.1", "vm-45-77-1-1.hosting.example")
        // Whoever owns the address writes its reverse name.
        .named("45.77.1.2", "crawl-66-249-66-1.googlebot.com")
        .pair("66.249.66.1", "crawl-66-249-66-1.googlebot.com")
        .named("45.77.1.3", "nowhere.googlebot.com");
    for address in ["45.77.1.1", "45.77.1.2", "45.77.1.3"] {
        assert_eq!(check(&server, "Googlebot", address), FAKE, "{address}");
    }
    assert_eq!(
        check(&server, "Googlebot", "45.77.1.4"),
        FAKE,
        "no reverse name at all"
    );
}

#[test]
fn no_answer_is_no_verdict() {
    let server = NameServer::start();
    server
        .say_reverse("45.77.2.1", Says::Code(ResponseCode::ServFail))
        .say_reverse("45.77.2.2", Says::Code(ResponseCode::Refused))
        .say_reverse("45.77.2.3", Says::Silence)
        .say_reverse("45.77.2.4", Says::Noise)
        .named("45.77.2.5", "crawl-5.googlebot.com")
        .say(
            "crawl-5.googlebot.com",
            RecordType::A,
            Says::Code(ResponseCode::ServFail),
        )
        .named("45.77.2.6", "crawl-6.googlebot.com")
        .say("crawl-6.googlebot.com", RecordType::A, Says::Silence);
    for last in 1..=6 {
        let address = format!("45.77.2.{last}");
        let started = Instant::now();
        assert_eq!(
            check(&server, "Googlebot", &address),
            Standing::Unverified,
            "{address}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{address} {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn a_slow_answer_counts_when_it_is_in_time() {
    let server = NameServer::start();
    server.pair("66.249.66.9", "crawl-9.googlebot.com");
    let slow = vec![RData::PTR(PTR(name("crawl-9.googlebot.com")))];
    server.say_reverse("66.249.66.9", Says::Late(Duration::from_millis(120), slow));
    assert_eq!(check(&server, "Googlebot", "66.249.66.9"), Standing::Verified);
}

#[test]
fn aliases_are_followed_both_ways() {
    let server = NameServer::start();
    // Reverse zones of less than a /24 are delegated by aliases, RFC 2317.
    let own = Name::from(ip("66.249.66.17")).to_string();
    server
        .say(
            &own,
            RecordType::PTR,
            Says::Named(vec![
                (own.clone(), alias("17.0-31.66.249.66.in-addr.arpa.")),
                (
                    "17.0-31.66.249.66.in-addr.arpa.".into(),
                    RData::PTR(PTR(name("crawl-17.googlebot.com"))),
                ),
            ]),
        )
        .say(
            "crawl-17.googlebot.com",
            RecordType::A,
            Says::Named(vec![
                ("crawl-17.googlebot.com".into(), alias("edge.crawl.example.")),
                ("edge.crawl.example.".into(), data_of(ip("66.249.66.17"))),
            ]),
        );
    assert_eq!(check(&server, "Googlebot", "66.249.66.17"), Standing::Verified);
    // An alias alone: its target is asked for.
    server
        .named("66.249.66.18", "crawl-18.googlebot.com")
        .say(
            "crawl-18.googlebot.com",
            RecordType::CNAME,
            Says::Records(vec![alias("edge-18.example.")]),
        )
        .say(
            "edge-18.example.",
            RecordType::A,
            Says::Records(vec![data_of(ip("66.249.66.18"))]),
        );
    assert_eq!(check(&server, "Googlebot", "66.249.66.18"), Standing::Verified);
    // Aliases in a ring.
    server
        .named("66.249.66.19", "ring-1.googlebot.com")
        .say(
            "ring-1.googlebot.com",
            RecordType::CNAME,
            Says::Records(vec![alias("ring-2.example.")]),
        )
        .say(
            "ring-2.example.",
            RecordType::CNAME,
            Says::Records(vec![alias("ring-1.googlebot.com.")]),
        );
    let started = Instant::now();
    assert_ne!(check(&server, "Googlebot", "66.249.66.19"), Standing::Verified);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn of_each_family_only_its_own_records_are_asked_for() {
    let server = NameServer::start();
    server.pair("66.249.66.1", "crawl-1.googlebot.com").say(
        "crawl-1.googlebot.com",
        RecordType::AAAA,
        Says::Silence,
    );
    let started = Instant::now();
    assert_eq!(check(&server, "Googlebot", "66.249.66.1"), Standing::Verified);
    assert!(
        started.elapsed() < Duration::from_millis(250),
        "nobody waited for AAAA"
    );
    assert_eq!(kind_of(ip("::1")), RecordType::AAAA);
}

#[test]
fn thousands_of_names_cost_little() {
    let many = |count: u32| -> Says {
        let of = |n: u32| RData::PTR(PTR(name(&format!("c{n}.googlebot.com"))));
        Says::Records((0..count).map(of).collect())
    };
    let server = NameServer::start();
    server.say_reverse("45.77.3.1", many(1_000));
    assert_eq!(check(&server, "Googlebot", "45.77.3.1"), FAKE);
    // The landmark, the cut answer, the whole one over TCP, three names.
    assert_eq!(server.asked(), 6);
    // More than a message of 64 KiB holds: cut over TCP as well, which is no answer.
    server.say_reverse("45.77.3.2", many(5_000));
    assert_eq!(check(&server, "Googlebot", "45.77.3.2"), Standing::Unverified);
    assert!(server.asked() <= 12, "{}", server.asked());
}

#[test]
fn names_of_odd_bytes_are_no_names() {
    let server = NameServer::start();
    let odd = |labels: &[&[u8]]| {
        let mut name = Name::from_labels(labels.iter().copied()).expect("labels");
        name.set_fqdn(true);
        RData::PTR(PTR(name))
    };
    // As text, some of these would end in .googlebot.com.
    let names = vec![
        odd(&[b"x", b"evil.googlebot", b"com"]),
        odd(&[b"x.googlebot.com"]),
        odd(&[b"crawl\0", b"googlebot", b"com"]),
        odd(&[b"crawl\x1b[2J", b"googlebot", b"com"]),
        odd(&[b"crawl\xff\xfe", b"googlebot", b"com"]),
        odd(&[b"a b", b"googlebot", b"com"]),
        RData::PTR(PTR(Name::root())),
    ];
    server.say_reverse("45.77.4.1", Says::Records(names.clone()));
    let found = dns(&server).reverse(ip("45.77.4.1"));
    assert!(
        matches!(&found, Lookup::Found { values, .. } if values.is_empty()),
        "{found:?}"
    );
    assert_eq!(check(&server, "Googlebot", "45.77.4.1"), FAKE);
    // Beside a sound one, that one counts.
    let mut names = names;
    names.push(RData::PTR(PTR(name("crawl-2.googlebot.com"))));
    server.say_reverse("66.249.66.2", Says::Records(names)).say(
        "crawl-2.googlebot.com",
        RecordType::A,
        Says::Records(vec![data_of(ip("66.249.66.2"))]),
    );
    assert_eq!(check(&server, "Googlebot", "66.249.66.2"), Standing::Verified);
}

#[test]
fn records_of_other_kinds_are_no_answer() {
    let server = NameServer::start();
    server.say_reverse(
        "45.77.5.1",
        Says::Records(vec![RData::TXT(TXT::new(vec!["crawl-1.googlebot.com".into()]))]),
    );
    assert_ne!(check(&server, "Googlebot", "45.77.5.1"), Standing::Verified);
}

#[test]
fn a_resolver_that_does_not_know_the_internet_judges_nobody() {
    let server = NameServer::start();
    server.say("com.", RecordType::NS, Says::Code(ResponseCode::NXDomain));
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = told.clone();
    let tell = Box::new(move |line: &str| heard.lock().expect("lines").push(line.to_owned()));
    let dns = Dns::new(&settings(&server), tell).expect("a resolver");
    for last in 1..100 {
        let (standing, _) = Table::builtin().check("Googlebot", IpAddr::from([66, 249, 66, last]), &dns);
        assert_eq!(standing, Standing::Unverified);
    }
    assert_eq!(server.asked(), 1, "asked for the landmark, once");
    let told = told.lock().expect("lines");
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn nobody_there_is_noticed_in_time() {
    // A port on which nobody listens.
    let gone = std::net::UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("loopback");
    let lines = Arc::new(AtomicUsize::new(0));
    let heard = lines.clone();
    let settings = DnsSettings {
        server: Server::At(gone),
        timeout: Duration::from_millis(300),
        tries: 2,
    };
    let tell = Box::new(move |_: &str| {
        heard.fetch_add(1, Ordering::SeqCst);
    });
    let dns = Dns::new(&settings, tell).expect("a resolver");
    let started = Instant::now();
    for last in 1..100 {
        assert_eq!(dns.reverse(IpAddr::from([66, 249, 66, last])), Lookup::Failed);
    }
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(lines.load(Ordering::SeqCst), 1);
}

#[test]
fn private_addresses_are_not_asked_about() {
    let server = NameServer::start();
    for address in [
        "10.1.2.3",
        "192.168.1.1",
        "127.0.0.1",
        "fe80::1",
        "::ffff:10.0.0.1",
    ] {
        assert_eq!(
            check(&server, "Googlebot", address),
            Standing::Unverified,
            "{address}"
        );
    }
    assert_eq!(server.asked(), 0);
}

#[test]
fn who_is_asked_is_said_in_words() {
    assert_eq!("system".parse::<Server>().expect("read"), Server::System);
    let at = |text: &str| text.parse::<Server>();
    let want = |text: &str| Server::At(text.parse().expect("an address"));
    assert_eq!(at("127.0.0.1:5353").expect("read"), want("127.0.0.1:5353"));
    assert_eq!(at("9.9.9.9").expect("read"), want("9.9.9.9:53"));
    assert_eq!(at("2620:fe::fe").expect("read"), want("[2620:fe::fe]:53"));
    for wrong in ["", "resolver.example", "127.0.0.1:99999", "System"] {
        assert!(matches!(at(wrong), Err(DnsError::Server(_))), "{wrong}");
    }
}
