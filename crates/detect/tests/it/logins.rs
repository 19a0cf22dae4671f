//! Attacks on log-ins, and what only looks like them.

use crate::batches::*;
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, Episode, Level};
use proptest::prelude::*;

fn login(at: f64, src: &str, account: Option<&str>, status: i32) -> Row {
    Row {
        method: Some("POST".into()),
        account: account.map(str::to_owned),
        ..Row::web(at, src, "/api/auth/login", status)
    }
}

fn told(rows: &[Row]) -> Vec<Episode> {
    let mut found = detected("login_", Dataset::Web, rows);
    found.sort_by(|a, b| (&a.rule_id, &a.entity).cmp(&(&b.rule_id, &b.entity)));
    found
}

fn of<'a>(found: &'a [Episode], kind: &str, value: &str) -> Vec<&'a Episode> {
    let same = |e: &&Episode| e.entity.kind == kind && e.entity.value == value;
    found.iter().filter(same).collect()
}

fn fact<'a>(episode: &'a Episode, name: &str) -> &'a str {
    let found = episode.facts.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value.as_str())
}

#[test]
fn one_client_with_many_names_is_stuffing() {
    let rows: Vec<Row> = (0..40)
        .map(|n| {
            let status = if n == 17 { 200 } else { 401 };
            login(
                f64::from(n) * 3.0,
                "203.0.113.7",
                Some(&format!("user{n}")),
                status,
            )
        })
        .collect();
    let found = told(&rows);
    let client = of(&found, "ip", "203.0.113.7");
    let stuffing = client
        .iter()
        .find(|e| e.rule_id == "login_stuffing.web")
        .expect("told");
    assert_eq!((stuffing.level, stuffing.count), (Level::High, 39));
    assert_eq!(fact(stuffing, "different accounts"), "40");
    assert_eq!(fact(stuffing, "accounts that got in"), "user17");
    assert_eq!(stuffing.attack, ["T1110.004"]);
    assert!(!stuffing.evidence.is_empty());
}

#[test]
fn a_log_in_written_otherwise_is_a_log_in() {
    let ways = [
        "/api/auth/lo%67in",
        "//api//auth/Login",
        "/api/x/../auth/login;jsessionid=1",
    ];
    let rows: Vec<Row> = (0..39usize)
        .map(|n| Row {
            uri: Some(ways[n % 3].into()),
            ..login(n as f64 * 3.0, "203.0.113.7", Some(&format!("user{n}")), 401)
        })
        .collect();
    let found = told(&rows);
    let client = of(&found, "ip", "203.0.113.7");
    assert!(client.iter().any(|e| e.count == 39), "{found:?}");
}

#[test]
fn ten_failures_are_not_more_than_ten() {
    let rows = |count: i32| -> Vec<Row> {
        (0..count)
            .map(|n| login(f64::from(n) * 20.0, "203.0.113.7", None, 401))
            .collect()
    };
    assert_eq!(told(&rows(10)), []);
    assert_eq!(told(&rows(11)).len(), 1);
}

#[test]
fn one_client_with_one_name_is_guessing() {
    let rows: Vec<Row> = (0..30)
        .map(|n| login(f64::from(n) * 5.0, "203.0.113.7", Some("admin"), 403))
        .collect();
    let found = told(&rows);
    assert_eq!(of(&found, "ip", "203.0.113.7")[0].rule_id, "login_guessing.web");
    // The account's own finding is low: one address may be its owner's.
    assert_eq!(of(&found, "account", "admin")[0].level, Level::Low);
}

#[test]
fn one_account_from_many_places_is_told_at_once_and_taken_when_it_falls() {
    let mut rows: Vec<Row> = (0..24)
        .map(|n| {
            let src = format!("198.51.{}.{}", n % 8, n % 8);
            login(f64::from(n) * 40.0, &src, Some("victim"), 401)
        })
        .collect();
    let mut engine = detectors();
    engine.observe(&batch(Dataset::Web, &rows));
    let early = engine.evaluate(&Closing::nothing()).episodes;
    let early = of(&early, "account", "victim");
    assert_eq!(
        (early.len(), early[0].level, early[0].monotone),
        (1, Level::High, true)
    );
    // The owner logs in from home meanwhile: nothing more.
    rows.push(login(970.0, "192.0.2.77", Some("victim"), 200));
    let found = told(&rows);
    assert!(found.iter().all(|e| e.detector != "login_taken"), "{found:?}");
    // One of the guessers gets in.
    rows.push(login(980.0, "198.51.3.3", Some("victim"), 200));
    let found = told(&rows);
    let taken = found.iter().find(|e| e.detector == "login_taken").expect("told");
    assert_eq!(
        (taken.entity.value.as_str(), taken.level),
        ("victim", Level::High)
    );
}

#[test]
fn whichever_of_many_guessers_gets_in_is_noticed() {
    let address = |n: u32| format!("198.51.{}.{}", n / 200, n % 200);
    for lucky in (0..200).step_by(23) {
        let mut rows: Vec<Row> = (0..200)
            .map(|n| login(f64::from(n) * 2.0, &address(n), Some("victim"), 401))
            .collect();
        rows.push(login(410.0, &address(lucky), Some("victim"), 200));
        let found = told(&rows);
        assert!(
            found.iter().any(|e| e.detector == "login_taken"),
            "{lucky}: {found:?}"
        );
        rows.pop();
        rows.push(login(410.0, "192.0.2.77", Some("victim"), 200));
        let found = told(&rows);
        assert!(
            found.iter().all(|e| e.detector != "login_taken"),
            "{lucky}: {found:?}"
        );
    }
}

#[test]
fn networks_and_providers_gather_what_addresses_hide() {
    let rows: Vec<Row> = (0..90u32)
        .map(|n| {
            let mut row = login(f64::from(n) * 12.0, &format!("198.19.205.{n}"), None, 401);
            row.asn = Some(64_512);
            row.ua = Some(format!("Mozilla/5.0 {}", n % 30));
            row
        })
        .collect();
    let found = told(&rows);
    assert_eq!(of(&found, "net", "198.19.205.0/24")[0].level, Level::High);
    assert_eq!(of(&found, "asn", "64512").len(), 1);
    assert!(of(&found, "ip", "198.19.205.3").is_empty());
    let six: Vec<Row> = (0..60u32)
        .map(|n| login(f64::from(n) * 12.0, &format!("2001:db8:7:{n:x}::1"), None, 401))
        .collect();
    assert_eq!(of(&told(&six), "net", "2001:db8:7::/48").len(), 1);
}

#[test]
fn a_program_that_only_fails_is_told() {
    let mut rows = Vec::new();
    for n in 0..60u32 {
        let mut row = login(f64::from(n) * 20.0, &format!("10.{n}.3.4"), None, 401);
        row.ua = Some("libcurl-agent/1.0".into());
        row.ja4 = Some("t13d1516h2_8daaf6152771_b186095e22b6".into());
        rows.push(row);
        rows.push(login(
            f64::from(n) * 20.0 + 1.0,
            &format!("10.{n}.8.9"),
            None,
            200,
        ));
    }
    let found = told(&rows);
    assert_eq!(of(&found, "ua", "libcurl-agent/1.0").len(), 1);
    assert_eq!(of(&found, "ja4", "t13d1516h2_8daaf6152771_b186095e22b6").len(), 1);
    assert_eq!(
        fact(of(&found, "ua", "libcurl-agent/1.0")[0], "share of all failures"),
        "100 %"
    );
}

#[test]
fn spraying_and_slow_guessing_stay_below_every_rate() {
    let spray: Vec<Row> = (0..20)
        .map(|n| {
            login(
                f64::from(n) * 300.0,
                "203.0.113.7",
                Some(&format!("user{n}")),
                401,
            )
        })
        .collect();
    let found = told(&spray);
    assert!(
        of(&found, "ip", "203.0.113.7")
            .iter()
            .any(|e| e.detector == "login_spray"),
        "{found:?}"
    );
    let slow: Vec<Row> = (0..11)
        .map(|n| {
            login(
                f64::from(n) * 780.0,
                "203.0.113.8",
                Some(&format!("user{}", n % 4)),
                401,
            )
        })
        .collect();
    let found = told(&slow);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].detector.as_str(), found[0].level),
        ("login_slow", Level::Medium)
    );
    // A phone with an old password: one name.
    let phone: Vec<Row> = (0..11)
        .map(|n| login(f64::from(n) * 780.0, "203.0.113.8", Some("kim"), 401))
        .collect();
    assert_eq!(told(&phone).iter().filter(|e| e.level > Level::Low).count(), 0);
    // It got in in between: its owner.
    let mut owner = slow.clone();
    owner.push(login(4_000.0, "203.0.113.8", Some("user1"), 200));
    assert_eq!(
        told(&owner).iter().filter(|e| e.detector == "login_slow").count(),
        0
    );
}

#[test]
fn offices_and_forgetful_people_are_left_alone() {
    let mut rows = Vec::new();
    // Nine o'clock in an office: 300 people behind one address, one in eight mistypes.
    for n in 0..300u32 {
        let name = format!("staff{n}");
        let at = f64::from(n) * 2.0;
        if n % 8 == 0 {
            rows.push(login(at, "203.0.113.1", Some(&name), 401));
        }
        rows.push(login(at + 1.0, "203.0.113.1", Some(&name), 200));
    }
    // Somebody needs eight attempts, from home and from the train.
    for n in 0..8 {
        let src = if n < 5 { "192.0.2.5" } else { "198.51.100.5" };
        rows.push(login(f64::from(n) * 20.0, src, Some("lee"), 401));
    }
    rows.push(login(170.0, "198.51.100.5", Some("lee"), 200));
    // A log-in page being loaded is no log-in, nor a path that only sounds like one.
    for n in 0..200u32 {
        rows.push(Row::web(f64::from(n), "192.0.2.9", "/login", 403));
        let mut other = login(f64::from(n), "192.0.2.10", None, 403);
        other.uri = Some("/catalogin".into());
        rows.push(other);
    }
    assert_eq!(told(&rows), []);
}

#[test]
fn a_site_whose_log_ins_begin_to_fail_is_told_against_its_past() {
    let mut rows = Vec::new();
    for n in 0..1_200u32 {
        let bad = (600..660).contains(&(n / 10)) || n % 12 == 0;
        let src = format!("10.{}.{}.7", n % 250, n / 250);
        rows.push(login(f64::from(n) * 5.0, &src, None, if bad { 401 } else { 200 }));
    }
    assert_eq!(told(&rows), [], "one in twelve, all the time");
    for n in 0..200u32 {
        let src = format!("172.{}.{}.7", n % 100, n % 90);
        rows.push(login(6_000.0 + f64::from(n) * 2.0, &src, None, 401));
    }
    let found = told(&rows);
    let site = of(&found, "path", "/api/auth/login");
    assert_eq!(site.len(), 1, "{found:?}");
    assert_eq!(fact(site[0], "usual share"), "8 %");
}

#[test]
fn system_logs_count_by_their_outcome() {
    let rows: Vec<Row> = (0..30)
        .map(|n| Row {
            at: f64::from(n) * 4.0,
            src: Some("203.0.113.7".into()),
            account: Some("root".into()),
            event_outcome: Some("failure".into()),
            event_action: Some("ssh_login".into()),
            ..Row::default()
        })
        .collect();
    let found = detected("login_", Dataset::Syslog, &rows);
    assert!(
        found
            .iter()
            .any(|e| e.rule_id == "login_guessing.syslog" && e.entity.kind == "ip")
    );
    let forms: Vec<Row> = (0..30)
        .map(|n| {
            let mut row = login(f64::from(n) * 4.0, "203.0.113.7", None, 200);
            row.uri = Some("/blog/wp-login.php".into());
            row
        })
        .collect();
    assert_eq!(
        of(&told(&forms), "ip", "203.0.113.7").len(),
        1,
        "the form again means failed"
    );
}

#[test]
fn memory_is_bounded_under_a_flood_of_names() {
    const BYTES_MAX: usize = 8 << 20;
    let options = EngineOptions {
        detector_bytes_max: BYTES_MAX,
        ..EngineOptions::one_shot()
    };
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", haetae_detect::ruleset::BUILTIN_DETECTORS);
    let mut engine = Engine::new(rules, options);
    for round in 0..60u32 {
        let mut rows: Vec<Row> = (0..1_000u32)
            .map(|n| {
                let id = round * 1_000 + n;
                let src = format!("{}.{}.{}.9", 11 + id / 60_000, (id >> 8) & 255, id & 255);
                login(f64::from(id) / 50.0, &src, Some(&format!("u{id}")), 401)
            })
            .collect();
        rows.push(login(f64::from(round) * 20.0, "203.0.113.7", Some("vip"), 401));
        rows.push(login(
            f64::from(round) * 20.0 + 3.0,
            "203.0.113.7",
            Some("vip2"),
            401,
        ));
        engine.observe(&batch(Dataset::Web, &rows));
        let stats = engine.stats();
        assert!(stats.detector_bytes <= BYTES_MAX, "{stats:?}");
    }
    assert!(engine.stats().evicted_entities > 0);
    let found = engine.evaluate(&Closing::everything()).episodes;
    // The one that fails most is still exact.
    assert_eq!(of(&found, "ip", "203.0.113.7")[0].count, 120);
}

fn row() -> impl Strategy<Value = Row> {
    (
        0u32..4_000,
        0u8..4,
        0u8..6,
        prop::sample::select(vec![200, 401, 401, 401, 302, 500]),
    )
        .prop_map(|(at, src, account, status)| {
            let name = format!("user{account}");
            login(
                f64::from(at),
                &format!("192.0.{src}.7"),
                (account > 0).then_some(name.as_str()),
                status,
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same_findings(
        (rows, shuffled) in prop::collection::vec(row(), 0..150)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        cuts in prop::collection::vec((1usize..30, prop::option::of(0i64..4_000)), 1..20),
    ) {
        crate::order::same_whatever_the_order(&rows, &shuffled, &cuts, || detector("accounts"))?;
    }
}
