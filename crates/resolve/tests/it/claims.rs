//! Claims behind the cache, with threads and a name server.

use crate::dns::dns;
use crate::nameserver::{NameServer, Says};
use haetae_enrich::crawlers::{
    Patient, Resolver, Standing, Table, Verification, VerificationConfig, Verifier,
};
use haetae_event::SystemClock;
use haetae_resolve::start;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn verification(queue_max: usize) -> Arc<Verification> {
    let config = VerificationConfig {
        queue_max,
        ..VerificationConfig::default()
    };
    Arc::new(Verification::new(Table::builtin(), Arc::new(SystemClock), config))
}

fn resolver(server: &NameServer) -> Arc<dyn Resolver> {
    Arc::new(dns(server))
}

#[test]
fn the_asking_side_never_waits() {
    let server = NameServer::start();
    server
        .pair("66.249.66.1", "crawl-1.googlebot.com")
        .say_reverse("45.77.1.1", Says::Silence);
    let claims = verification(100);
    let _working = start(&claims, &resolver(&server), 4).expect("threads");
    let ask = |address: &str| claims.standing("Googlebot", address.parse().expect("an address"));
    let started = Instant::now();
    assert_eq!((ask("66.249.66.1"), ask("45.77.1.1")), (None, None));
    assert!(started.elapsed() < Duration::from_millis(100));
    assert!(claims.wait(Duration::from_secs(10)), "all answered");
    assert_eq!(ask("66.249.66.1"), Some(Standing::Verified));
    assert_eq!(ask("45.77.1.1"), Some(Standing::Unverified));
    let asked = server.asked();
    for _ in 0..1_000 {
        ask("66.249.66.1");
    }
    assert_eq!(server.asked(), asked, "from the cache");
    let counts = claims.counts();
    assert_eq!((counts.asked, counts.verified, counts.unanswered), (2, 1, 1));
}

#[test]
fn who_may_wait_gets_every_answer() {
    let server = NameServer::start();
    let mut all: Vec<(String, IpAddr)> = Vec::new();
    for last in 1..=60 {
        let address = format!("66.249.66.{last}");
        server.pair(&address, &format!("crawl-{last}.googlebot.com"));
        all.push(("Googlebot".into(), address.parse().expect("an address")));
    }
    all.extend((1..=60).map(|last| ("Googlebot".into(), IpAddr::from([45, 77, 1, last]))));
    // More than the queue holds.
    let claims = verification(32);
    let _working = start(&claims, &resolver(&server), 4).expect("threads");
    let waits = Arc::new(AtomicUsize::new(0));
    let told = waits.clone();
    let tell = Box::new(move |open: usize| {
        assert!((1..=32).contains(&open), "{open}");
        told.fetch_add(1, Ordering::SeqCst);
    });
    let patient = Patient::new(claims.clone(), Duration::from_secs(20), tell);
    patient.ask_ahead(&all);
    for (number, (claim, address)) in all.iter().enumerate() {
        let want = match number < 60 {
            true => Standing::Verified,
            false => Standing::Fake { documented: true },
        };
        assert_eq!(patient.standing(claim, *address), Some(want), "{address}");
    }
    assert!((1..=4).contains(&waits.load(Ordering::SeqCst)));
}

#[test]
fn patience_has_an_end() {
    let server = NameServer::start();
    let mut all: Vec<(String, IpAddr)> = Vec::new();
    for last in 1..=200 {
        server.say_reverse(&format!("45.77.1.{last}"), Says::Silence);
        all.push(("Googlebot".into(), IpAddr::from([45, 77, 1, last])));
    }
    let claims = verification(4_096);
    let _working = start(&claims, &resolver(&server), 4).expect("threads");
    let patient = Patient::new(claims, Duration::from_secs(1), Box::new(|_| {}));
    let started = Instant::now();
    patient.ask_ahead(&all);
    for (claim, address) in &all {
        assert_eq!(patient.standing(claim, *address), Some(Standing::Unverified));
    }
    patient.ask_ahead(&all);
    assert!(
        started.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        started.elapsed()
    );
}
