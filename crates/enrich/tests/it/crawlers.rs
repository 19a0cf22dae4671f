//! Claims of crawlers against a name system that tests make, friendly and hostile.

use crate::shared::{gunzip, samples};
use haetae_enrich::crawlers::{
    Lookup, NameMask, Resolver, Standing, Table, Verification, VerificationConfig, Verifier,
};
use haetae_event::Micros;
use haetae_event::clock::ManualClock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: i64 = 1_000_000;

/// A name system in memory; what it does not know has no record.
#[derive(Default)]
struct Names {
    reverse: HashMap<IpAddr, Vec<String>>,
    forward: HashMap<String, Vec<IpAddr>>,
    broken: Mutex<bool>,
    asked: AtomicUsize,
}

impl Names {
    fn pair(mut self, address: &str, name: &str) -> Names {
        let address: IpAddr = address.parse().unwrap();
        self.reverse.entry(address).or_default().push(name.into());
        self.forward.entry(name.into()).or_default().push(address);
        self
    }

    fn only_reverse(mut self, address: &str, name: &str) -> Names {
        let address = address.parse().unwrap();
        self.reverse.entry(address).or_default().push(name.into());
        self
    }

    fn answer<T: Clone>(&self, values: Option<&Vec<T>>) -> Lookup<T> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match (*self.broken.lock().unwrap(), values) {
            (true, _) => Lookup::Failed,
            (_, Some(values)) => Lookup::Found {
                values: values.clone(),
                ttl_us: 600 * SECOND,
            },
            _ => Lookup::Nothing,
        }
    }
}

impl Resolver for Names {
    fn reverse(&self, address: IpAddr) -> Lookup<String> {
        self.answer(self.reverse.get(&address))
    }

    fn forward(&self, name: &str, _: IpAddr) -> Lookup<IpAddr> {
        self.answer(self.forward.get(name))
    }
}

fn check(claim: &str, address: &str, names: &Names) -> Standing {
    Table::builtin().check(claim, address.parse().unwrap(), names).0
}

const FAKE: Standing = Standing::Fake { documented: true };

#[test]
fn names_that_lead_back_verify() {
    let names = Names::default()
        .pair("66.249.66.1", "crawl-66-249-66-1.googlebot.com")
        .pair("157.55.33.18", "msnbot-157-55-33-18.search.msn.com.")
        .pair("110.93.150.7", "crawl.110-93-150-7.web.naver.com")
        .pair("203.133.169.5", "crawler-203-133-169-5.daum.net")
        .pair("2001:db8::1", "spider.yandex.net");
    assert_eq!(check("Googlebot", "66.249.66.1", &names), Standing::Verified);
    assert_eq!(
        check("Googlebot", "::ffff:66.249.66.1", &names),
        Standing::Verified
    );
    assert_eq!(check("Bingbot", "157.55.33.18", &names), Standing::Verified);
    assert_eq!(check("Naver Yeti", "110.93.150.7", &names), Standing::Verified);
    assert_eq!(check("Daum", "203.133.169.5", &names), Standing::Verified);
    assert_eq!(check("Yandex", "2001:db8::1", &names), Standing::Verified);
    // One crawler's machine is not another's.
    assert_eq!(check("Bingbot", "66.249.66.1", &names), FAKE);
}

#[test]
fn names_that_only_look_right_do_not() {
    let names = Names::default()
        .pair("192.0.2.1", "crawl-1.googlebot.com.evil.example")
        .pair("192.0.2.2", "crawl-1.evilgooglebot.com")
        .pair("192.0.2.3", "googlebot.com")
        .only_reverse("192.0.2.4", "crawl-66-249-66-1.googlebot.com")
        .pair("192.0.2.5", "vm-5.rented.example")
        .pair("66.249.66.1", "crawl-66-249-66-1.googlebot.com");
    for address in [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.4",
        "192.0.2.5",
        "192.0.2.6",
    ] {
        assert_eq!(check("Googlebot", address, &names), FAKE, "{address}");
    }
    assert_eq!(
        check("Daum", "192.0.2.5", &names),
        Standing::Fake { documented: false },
        "its operator names no check"
    );
    assert_eq!(check("nobody", "192.0.2.5", &names), Standing::Unverified);
    assert_eq!(
        check("ClaudeBot", "192.0.2.5", &names),
        Standing::Unverified,
        "no way to check"
    );
}

#[test]
fn hostile_answers_cost_little() {
    let mut names = Names::default();
    let address: IpAddr = "192.0.2.9".parse().unwrap();
    let long = format!("{}.googlebot.com", "a".repeat(70_000));
    let many: Vec<String> = std::iter::once(long)
        .chain((0..10_000).map(|n| format!("crawl-{n}.googlebot.com")))
        .collect();
    names.reverse.insert(address, many.clone());
    // Every name leads to thousands of other addresses, and none back: a loop without end, were
    // it followed.
    for name in many {
        let others = (0..2_000u32).map(|n| IpAddr::from(n.to_be_bytes())).collect();
        names.forward.insert(name, others);
        if names.forward.len() > 20 {
            break;
        }
    }
    assert_eq!(check("Googlebot", "192.0.2.9", &names), FAKE);
    assert!(names.asked.load(Ordering::SeqCst) <= 4, "{:?}", names.asked);
}

#[test]
fn no_answer_is_no_verdict() {
    let names = Names::default().pair("66.249.66.1", "crawl-66-249-66-1.googlebot.com");
    *names.broken.lock().unwrap() = true;
    assert_eq!(check("Googlebot", "66.249.66.1", &names), Standing::Unverified);
    assert_eq!(check("Googlebot", "192.0.2.1", &names), Standing::Unverified);
}

#[test]
fn ranges_verify_without_asking() {
    let mut table = Table::builtin();
    let json = r#"{"creationTime":"2026","prefixes":[{"ipv6Prefix":"2001:db8:10::/64"},{"ipv4Prefix":"192.0.2.0/27"}]}"#;
    assert_eq!(table.add_ranges("GPTBot", json).unwrap(), 2);
    assert_eq!(
        table
            .add_ranges("DuckDuckBot", "# two\n198.51.100.7\n203.0.113.0/28,US\n\n")
            .unwrap(),
        2
    );
    let of = |table: &Table, claim: &str, address: &str| table.check_offline(claim, address.parse().unwrap());
    assert_eq!(of(&table, "GPTBot", "192.0.2.31"), Some(Standing::Verified));
    assert_eq!(of(&table, "GPTBot", "2001:db8:10::7"), Some(Standing::Verified));
    assert_eq!(
        of(&table, "GPTBot", "192.0.2.32"),
        Some(Standing::Fake { documented: false })
    );
    assert_eq!(
        of(&table, "DuckDuckBot", "198.51.100.7"),
        Some(Standing::Verified)
    );
    assert_eq!(of(&table, "Googlebot", "192.0.2.1"), None, "to be looked up");
    assert!(table.add_ranges("nobody", "192.0.2.0/24").is_err());
    assert!(table.add_ranges("GPTBot", "no range").is_err());
    assert_eq!(
        of(&table, "GPTBot", "192.0.2.31"),
        Some(Standing::Verified),
        "a bad file changes nothing"
    );
    assert!(Table::read(r#"{"crawlers":[{"name":"x","hosts":[".com"]}]}"#).is_err());
    assert!(
        table
            .feeds()
            .any(|(name, feed)| name == "Googlebot" && feed.ends_with("googlebot.json"))
    );
}

fn verification(clock: &Arc<ManualClock>, queue_max: usize) -> Verification {
    let config = VerificationConfig {
        queue_max,
        ..VerificationConfig::default()
    };
    Verification::new(Table::builtin(), clock.clone(), config)
}

#[test]
fn answers_come_later_and_are_kept_for_their_time() {
    let names = Names::default().pair("66.249.66.1", "crawl-66-249-66-1.googlebot.com");
    let clock = Arc::new(ManualClock::at(Micros(0)));
    let claims = verification(&clock, 10);
    let ask = |address: &str| claims.standing("Googlebot", address.parse().unwrap());
    assert_eq!(ask("66.249.66.1"), None);
    assert_eq!(ask("66.249.66.1"), None, "asked once");
    assert_eq!(claims.counts().asked, 1);
    assert!(claims.work(&names, Duration::ZERO));
    assert!(!claims.work(&names, Duration::ZERO), "nothing left");
    assert_eq!(ask("66.249.66.1"), Some(Standing::Verified));
    // A failed check is kept as well.
    assert_eq!(ask("192.0.2.1"), None);
    claims.work(&names, Duration::ZERO);
    assert_eq!(ask("192.0.2.1"), Some(FAKE));
    let asked = names.asked.load(Ordering::SeqCst);
    clock.advance_us(599 * SECOND);
    assert_eq!(ask("66.249.66.1"), Some(Standing::Verified));
    assert_eq!(names.asked.load(Ordering::SeqCst), asked, "from the cache");
    clock.advance_us(2 * SECOND);
    assert_eq!(ask("66.249.66.1"), None, "its time is over");
}

#[test]
fn a_silent_name_system_is_asked_again_but_not_for_every_row() {
    let names = Names::default().pair("66.249.66.1", "crawl-66-249-66-1.googlebot.com");
    *names.broken.lock().unwrap() = true;
    let clock = Arc::new(ManualClock::at(Micros(0)));
    let claims = verification(&clock, 10);
    let ask = || claims.standing("Googlebot", "66.249.66.1".parse().unwrap());
    assert_eq!(ask(), None);
    claims.work(&names, Duration::ZERO);
    assert_eq!(ask(), Some(Standing::Unverified));
    *names.broken.lock().unwrap() = false;
    assert_eq!(ask(), Some(Standing::Unverified), "kept for a minute");
    clock.advance_us(61 * SECOND);
    assert_eq!(ask(), None);
    claims.work(&names, Duration::ZERO);
    assert_eq!(ask(), Some(Standing::Verified));
}

#[test]
fn a_flood_of_claims_is_bounded() {
    let clock = Arc::new(ManualClock::at(Micros(0)));
    let claims = verification(&clock, 100);
    for n in 0..100_000u32 {
        let address = IpAddr::from(n.to_be_bytes());
        claims.standing("Googlebot", address);
    }
    let counts = claims.counts();
    assert_eq!((counts.asked, counts.dropped), (100, 99_900));
    let offline = Verification::offline(Table::builtin(), clock);
    let address = "66.249.66.1".parse().unwrap();
    assert_eq!(offline.standing("Googlebot", address), Some(Standing::Unverified));
    assert_eq!(offline.counts().asked, 0);
}

/// Every mask of the shared list covers a name made for it, and none with a tail or another head.
#[test]
fn shared_masks_are_label_wise() {
    let Some(folder) = samples("bots") else {
        return;
    };
    let packed = std::fs::read(folder.join("well-known-bots.json.gz")).unwrap();
    let bots: serde_json::Value = serde_json::from_slice(&gunzip(&packed)).unwrap();
    let mut masks = 0;
    for bot in bots.as_array().unwrap() {
        for way in bot["verification"].as_array().into_iter().flatten() {
            for mask in way["masks"].as_array().into_iter().flatten() {
                let mask = mask.as_str().unwrap();
                let parsed = NameMask::parse(mask).unwrap_or_else(|| panic!("{mask}"));
                masks += 1;
                let name = mask.replace("***", "17").replace('@', "host-1");
                assert!(parsed.covers(&name), "{mask} {name}");
                assert!(parsed.covers(&name.to_uppercase()), "{mask}");
                for wrong in [
                    format!("{name}.evil.example"),
                    format!("{name}x"),
                    name.replace('.', "-"),
                    name.replacen('.', ".x", name.matches('.').count()),
                    format!("evil{}", &mask[mask.find('.').unwrap() + 1..]),
                ] {
                    assert!(!parsed.covers(&wrong), "{mask} {wrong}");
                }
            }
        }
    }
    println!("{masks} masks");
    assert!(masks >= 20);
}
