//! People and partners who look like an attack at the edge of a window, behind a carrier or in a
//! young log; and attackers who try to look like people.

use super::traffic::*;
use super::{engine, told};
use haetae_detect::Closing;
use haetae_event::{Dataset, Episode, Level};
use std::collections::BTreeMap;

/// Of every finding the highest level it was ever told at, evaluated every ten seconds.
fn ever_told(dataset: Dataset, world: &World) -> Vec<Episode> {
    let mut engine = engine();
    let mut ever: BTreeMap<(String, String), Episode> = BTreeMap::new();
    let (first, last) = (world.asks[0].at, world.asks[world.asks.len() - 1].at);
    let step = 10 * SECOND;
    let mut now = first.div_euclid(step) * step;
    let mut from = 0;
    while now <= last {
        now += step;
        let to = world.asks.partition_point(|ask| ask.at < now);
        if to > from {
            engine.observe(&batch(dataset, &world.asks[from..to]));
        }
        from = to;
        for told in engine.evaluate(&Closing::at(now)).episodes {
            let key = (told.rule_id.clone(), told.entity.value.clone());
            let known = ever.entry(key).or_insert_with(|| told.clone());
            if told.level > known.level {
                *known = told;
            }
        }
    }
    ever.into_values().collect()
}

fn of<'a>(told: &'a [Episode], detector: &str, value: &str) -> Vec<&'a Episode> {
    let same = |e: &&Episode| e.detector == detector && e.entity.value == value;
    told.iter().filter(same).collect()
}

fn rates<'a>(told: &'a [Episode], address: &str) -> Vec<&'a Episode> {
    let mut rates = of(told, "sigma", address);
    rates.retain(|e| e.title.starts_with("Flood: 100"));
    rates
}

fn floods(told: &[Episode]) -> Vec<&Episode> {
    told.iter().filter(|e| e.detector == "http_flood").collect()
}

fn sorted(mut world: World, end: i64) -> World {
    world.asks.retain(|ask| ask.at < end);
    world.asks.sort_by_key(|ask| ask.at);
    world
}

fn agent(n: u64) -> String {
    let version = 118 + n;
    format!("Mozilla/5.0 (Linux; Android 14; SM-{n}) AppleWebKit/537.36 Chrome/{version}.0.0.0 Mobile")
}

fn machine(src: &str, ua: String, session: Option<String>) -> Who {
    Who {
        src: src.into(),
        ua,
        session,
        referers: true,
        assets: 0.0,
    }
}

/// Visitors with addresses of their own, from the start on.
fn visitors(dice: &mut Dice, world: &mut World, many: u64, end: i64) {
    for n in 0..many {
        let who = person(
            dice,
            format!("121.130.{}.{}", n / 250, n % 250 + 1),
            &format!("p{n}"),
        );
        let at = START + (dice.unit() * (end - START - MINUTE) as f64) as i64;
        world.visit(dice, &who, at, end);
    }
}

/// People behind one address of a carrier, as a content network logs them; so large a share of
/// them has one and the same user agent.
fn carrier(seed: u64, people: u64, reduced: f64) -> World {
    let mut dice = Dice::new(seed);
    let mut world = World::default();
    let end = START + 28 * MINUTE;
    for n in 0..people {
        let mut who = person(&mut dice, "223.38.1.1".into(), &format!("c{n}"));
        who.ua = if dice.chance(reduced) {
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/133.0.0.0 Mobile".into()
        } else {
            agent(dice.roll(15))
        };
        let at = START + (dice.unit() * 24.0 * MINUTE as f64) as i64;
        world.visit(&mut dice, &who, at, end);
    }
    visitors(&mut dice, &mut world, 100, end);
    coarse(&sorted(world, end), &mut dice)
}

#[test]
fn a_carrier_without_sessions_is_no_flood_however_busy() {
    // Whole kept timelines hold two thousand requests: four to twelve thousand here.
    for (people, reduced) in [(250, 0.06), (250, 0.5), (500, 0.06), (500, 0.5)] {
        let world = carrier(people, people, reduced);
        let told = told(Dataset::CloudFront, &world);
        let rates = rates(&told, "223.38.1.1");
        assert!(
            !rates.is_empty(),
            "the address is over the limit of the plain rule"
        );
        assert!(
            rates.iter().all(|e| e.level == Level::Low),
            "{people} people, {reduced} of one agent: {rates:#?}"
        );
    }
}

#[test]
fn one_machine_under_sixteen_user_agents_stays_high() {
    for favicon in [None, Some(404), Some(200)] {
        let mut world = World::default();
        for n in 0..3_000u64 {
            let who = machine("203.0.113.9", agent(n / 4 % 16), None);
            let at = START + n as i64 * 300_000;
            world.ask(
                &who,
                at,
                "GET",
                &format!("/events/{}", 26_000_000 + n % 9),
                Some("/"),
            );
            if let Some(status) = favicon.filter(|_| n % 50 == 0) {
                world.ask(&who, at + 1_000, "GET", "/favicon.ico", Some("/"));
                world.asks.last_mut().expect("asked").status = status;
            }
        }
        let told = told(Dataset::CloudFront, &world);
        let rates = rates(&told, "203.0.113.9");
        assert!(
            rates.iter().any(|e| e.level >= Level::High),
            "{favicon:?}: {rates:#?}"
        );
    }
}

#[test]
fn sessions_made_anew_lower_no_flood() {
    for status in [404, 200] {
        let mut dice = Dice::new(6);
        let mut world = World::default();
        visitors(&mut dice, &mut world, 60, START + 20 * MINUTE);
        for n in 0..15_000u64 {
            let who = machine("203.0.113.9", BROWSERS[0].into(), Some(format!("x{}", n / 50)));
            let at = START + 5 * MINUTE + n as i64 * 20_000;
            world.ask(&who, at, "GET", "/events/26000037", Some("/"));
            if n % 50 == 0 {
                world.ask(&who, at + 1_000, "GET", "/favicon.ico", Some("/"));
                world.asks.last_mut().expect("asked").status = status;
            }
        }
        let told = told(Dataset::Web, &sorted(world, i64::MAX));
        let rates = rates(&told, "203.0.113.9");
        assert!(
            rates.iter().any(|e| e.level >= Level::High),
            "{status}: {rates:#?}"
        );
    }
}

#[test]
fn more_than_people_can_do_is_lowered_to_medium_at_most() {
    let mut dice = Dice::new(7);
    let mut world = World::default();
    visitors(&mut dice, &mut world, 100, START + 20 * MINUTE);
    // Whole pages with their assets, 3,000 a minute, under eight user agents.
    for n in 0..4_500u64 {
        let mut who = machine("203.0.113.9", agent(n % 8), None);
        who.assets = 0.5;
        let at = START + 5 * MINUTE + n as i64 * 40_000;
        world.page(&mut dice, &who, at, "/events/26000037", Some("/"));
    }
    let world = coarse(&sorted(world, i64::MAX), &mut dice);
    let told = told(Dataset::CloudFront, &world);
    let levels: Vec<Level> = rates(&told, "203.0.113.9").iter().map(|e| e.level).collect();
    assert_eq!(levels, [Level::Medium]);
}

#[test]
fn many_user_agents_alone_are_no_proxy() {
    let mut world = World::default();
    for n in 0..6_000u64 {
        let who = machine("203.0.113.9", format!("{} {}", agent(n % 90), n % 90), None);
        world.ask(
            &who,
            START + n as i64 * 50_000,
            "GET",
            "/events/26000037",
            Some("/"),
        );
    }
    let told = told(Dataset::CloudFront, &world);
    let rates = rates(&told, "203.0.113.9");
    assert!(rates.iter().any(|e| e.level >= Level::High), "{rates:#?}");
}

#[test]
fn a_proxy_in_front_of_everybody_is_lowered() {
    let mut dice = Dice::new(8);
    let mut world = World::default();
    let end = START + 20 * MINUTE;
    for n in 0..400 {
        let mut who = person(&mut dice, "10.0.0.7".into(), &format!("c{n}"));
        who.ua = format!("{} {n}", agent(n % 90));
        let at = START + (dice.unit() * 18.0 * MINUTE as f64) as i64;
        world.visit(&mut dice, &who, at, end);
    }
    let world = coarse(&sorted(world, end), &mut dice);
    let told = told(Dataset::CloudFront, &world);
    let rates = rates(&told, "10.0.0.7");
    assert!(!rates.is_empty());
    assert!(rates.iter().all(|e| e.level <= Level::Medium), "{rates:#?}");
}

/// People load the page a minute before the half hour and press the button on the dot.
fn on_the_dot(address: impl Fn(u64) -> String) -> World {
    let mut dice = Dice::new(9);
    let mut world = World::default();
    let edge = START + 30 * MINUTE;
    visitors(&mut dice, &mut world, 150, START + 29 * MINUTE);
    for n in 0..400 {
        let mut who = person(&mut dice, address(n), &format!("s{n}"));
        who.assets = who.assets.max(0.3);
        let before = edge - dice.between(5_000, 70_000);
        world.page(&mut dice, &who, before, "/events/26000111", Some("/"));
        let at = edge + dice.between(0, 19_000);
        world.ask(&who, at, "POST", "/api/queue/enter", Some("/events/26000111"));
        for beat in 1..20 {
            let at = at + beat * 3 * SECOND + dice.between(20, 220);
            world.ask(&who, at, "GET", "/api/queue/status", Some("/events/26000111"));
        }
    }
    sorted(world, edge + 2 * MINUTE)
}

#[test]
fn a_sale_on_the_half_hour_is_no_flood_not_even_for_a_moment() {
    let own = on_the_dot(|n| format!("175.200.{}.{}", n / 250, n % 250 + 1));
    let told = ever_told(Dataset::Web, &own);
    assert!(floods(&told).is_empty(), "{:#?}", floods(&told));
    let shared = on_the_dot(|_| "223.38.1.1".into());
    let told = ever_told(Dataset::Web, &shared);
    assert!(floods(&told).is_empty(), "{:#?}", floods(&told));
    let rates = rates(&told, "223.38.1.1");
    assert!(!rates.is_empty());
    assert!(rates.iter().all(|e| e.level <= Level::Medium), "{rates:#?}");
}

#[test]
fn a_crawler_beside_few_people_is_no_flood() {
    let mut dice = Dice::new(10);
    let mut world = World::default();
    let end = START + 20 * MINUTE;
    visitors(&mut dice, &mut world, 80, end);
    let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let google = machine("66.249.66.1", bot.into(), None);
    for n in 0..130 {
        let page = format!("/events/{}", 26_000_000 + dice.roll(12) * 37);
        world.ask(&google, START + 10 * MINUTE + n * 150_000, "GET", &page, None);
    }
    let told = ever_told(Dataset::Web, &sorted(world, end));
    assert!(floods(&told).is_empty(), "{:#?}", floods(&told));
}

/// Fifty programs, each asking for its own thing every five seconds: ten requests a second.
fn programs(world: &mut World, from: i64, to: i64) {
    for n in 0..50 {
        let who = machine(&format!("198.51.100.{}", n + 1), "okhttp/4.12.0".into(), None);
        let mut at = from + n * 100_000;
        while at < to {
            world.ask(&who, at, "GET", &format!("/v1/prices/{n}7"), None);
            at += 5 * SECOND;
        }
    }
}

#[test]
fn a_steady_site_without_assets_is_no_flood_at_the_start_of_its_log() {
    // At the start, after a gap of most of an hour, and after more than an hour.
    let pauses = [(12, 57), (12, 85)];
    for (until, again) in pauses {
        let mut world = World::default();
        programs(&mut world, START, START + until * MINUTE);
        programs(&mut world, START + again * MINUTE, START + (again + 6) * MINUTE);
        let told = ever_told(Dataset::Web, &sorted(world, i64::MAX));
        assert!(
            floods(&told).is_empty(),
            "{until} to {again}: {:#?}",
            floods(&told)
        );
    }
}

#[test]
fn a_flood_in_the_first_minute_of_a_log_is_told_by_the_rules_for_clients() {
    let mut world = World::default();
    let who = machine("203.0.113.9", BROWSERS[0].into(), None);
    for n in 0..2_000 {
        world.ask(&who, START + n * 20_000, "GET", "/events/26000037", Some("/"));
    }
    let told = ever_told(Dataset::Web, &world);
    let rates = rates(&told, "203.0.113.9");
    assert!(rates.iter().any(|e| e.level >= Level::High), "{rates:#?}");
}

/// Machines that ask every ten seconds or so.
fn flood(dice: &mut Dice, world: &mut World, (from, to): (i64, i64), machines: u64) {
    for n in 0..machines {
        let src = format!("203.0.{}.{}", n / 250, n % 250 + 1);
        let who = machine(&src, browser(dice), None);
        let mut at = from + dice.between(0, 10_000);
        while at < to {
            world.ask(&who, at, "GET", "/events/26000037", Some("/"));
            at += dice.between(6_000, 14_000);
        }
    }
}

#[test]
fn who_asks_as_before_takes_no_part_in_a_flood() {
    let mut dice = Dice::new(11);
    let mut world = World::default();
    let end = START + 28 * MINUTE;
    visitors(&mut dice, &mut world, 120, end);
    let partner = machine("210.89.160.88", "partner-sync/2.3".into(), None);
    let mut at = START;
    while at < end {
        world.ask(
            &partner,
            at + dice.between(0, 400),
            "GET",
            "/events/26000037",
            None,
        );
        at += 5 * SECOND;
    }
    // Somebody whose browser has everything comes back to the page now and then.
    let warm = machine("121.140.1.1", BROWSERS[2].into(), Some("warm".into()));
    for n in 0..14 {
        let at = START + 13 * MINUTE + n * 65 * SECOND + dice.between(0, 20_000);
        world.ask(&warm, at, "GET", "/events/26000037", Some("/"));
    }
    flood(
        &mut dice,
        &mut world,
        (START + 12 * MINUTE, START + 27 * MINUTE),
        300,
    );
    let told = told(Dataset::Web, &sorted(world, end));
    assert!(!of(&told, "http_flood", "t.example").is_empty());
    for innocent in ["210.89.160.88", "121.140.1.1"] {
        let wrong = of(&told, "http_flood", innocent);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    let machines = floods(&told)
        .iter()
        .filter(|e| e.entity.value.starts_with("203.0."))
        .count();
    assert!(machines >= 290, "{machines} of 300 named");
}

#[test]
fn monitors_of_the_log_in_page_are_low() {
    let cases = [
        ("curl/8.5.0", "/login"),
        ("Blackbox Exporter/0.24.0", "/login"),
        (BROWSERS[0], "/seats/health"),
        ("Go-http-client/1.1", "/author/kim"),
        ("curl/8.5.0", "/bookmarks"),
    ];
    for (seed, (ua, path)) in (12..).zip(cases) {
        let mut dice = Dice::new(seed);
        let mut world = World::default();
        let end = START + 40 * MINUTE;
        visitors(&mut dice, &mut world, 120, end);
        let who = machine("198.18.9.9", ua.into(), None);
        for n in 0..40 {
            world.ask(&who, START + n * MINUTE + dice.between(0, 40), "GET", path, None);
        }
        let told = told(Dataset::Web, &sorted(world, end));
        let of: Vec<_> = told.iter().filter(|e| e.entity.value == "198.18.9.9").collect();
        assert!(of.iter().all(|e| e.level <= Level::Low), "{ua} {path}: {of:#?}");
    }
}

/// Asks for seats every two seconds and grabs at times; who it says it is differs.
fn seats(dice: &mut Dice, world: &mut World, who: impl Fn(u64) -> Who) {
    let mut at = START + 3 * MINUTE;
    for n in 0..300 {
        let who = who(n);
        world.ask(
            &who,
            at,
            "GET",
            "/api/events/26000111/seats",
            Some("/events/1/seats"),
        );
        if n % 12 == 11 {
            let grab = at + dice.between(80, 350);
            world.ask(&who, grab, "POST", "/api/reservations", Some("/"));
        }
        at += 2 * SECOND + dice.between(0, 150);
    }
}

#[test]
fn a_macro_that_changes_its_session_every_few_requests_is_told() {
    for each in [2, 4, 5] {
        let mut dice = Dice::new(13);
        let mut world = World::default();
        let end = START + 28 * MINUTE;
        visitors(&mut dice, &mut world, 120, end);
        seats(&mut dice, &mut world, |n| {
            machine("203.0.113.9", BROWSERS[0].into(), Some(format!("r{}", n / each)))
        });
        let told = told(Dataset::Web, &sorted(world, end));
        let found = of(&told, "macro", "203.0.113.9");
        assert!(!found.is_empty(), "a session every {each}: {told:#?}");
    }
}

#[test]
fn a_macro_under_several_user_agents_is_told() {
    for agents in [4, 7, 10] {
        let mut dice = Dice::new(14);
        let mut world = World::default();
        let end = START + 28 * MINUTE;
        visitors(&mut dice, &mut world, 120, end);
        seats(&mut dice, &mut world, |n| {
            machine("203.0.113.9", agent(n * 7 % agents), None)
        });
        let world = coarse(&sorted(world, end), &mut dice);
        let told = told(Dataset::CloudFront, &world);
        let found: Vec<_> = ["macro", "automation"]
            .into_iter()
            .flat_map(|detector| of(&told, detector, "203.0.113.9"))
            .filter(|e| e.level >= Level::Medium)
            .collect();
        assert!(!found.is_empty(), "{agents} user agents: {told:#?}");
    }
}

#[test]
fn a_name_that_nobody_can_verify_is_no_free_pass() {
    for ua in ["Mozilla/5.0 uptime-bot/1.0", "TelegramClient 1", "site monitor"] {
        let mut dice = Dice::new(15);
        let mut world = World::default();
        let end = START + 28 * MINUTE;
        visitors(&mut dice, &mut world, 120, end);
        seats(&mut dice, &mut world, |_| machine("203.0.113.9", ua.into(), None));
        let told = told(Dataset::Web, &sorted(world, end));
        let found: Vec<_> = ["macro", "automation"]
            .into_iter()
            .flat_map(|detector| of(&told, detector, "203.0.113.9"))
            .collect();
        assert!(!found.is_empty(), "{ua}");
        assert!(found.iter().all(|e| e.level <= Level::Medium), "{ua}: {found:#?}");
    }
}

#[test]
fn hosts_that_nobody_has_do_not_stop_the_watch_over_real_ones() {
    let mut dice = Dice::new(16);
    let mut engine = engine();
    let mut world = World::default();
    let end = START + 28 * MINUTE;
    visitors(&mut dice, &mut world, 120, end);
    flood(
        &mut dice,
        &mut world,
        (START + 20 * MINUTE, START + 23 * MINUTE),
        400,
    );
    let world = sorted(world, end);
    // First come a thousand hosts that are numbers.
    let scanner = machine("198.51.100.7", BROWSERS[0].into(), None);
    for n in 0..1_000 {
        let mut one = World::default();
        one.ask(&scanner, START + n * 50_000, "GET", "/", None);
        engine.observe(&batch_at(Dataset::Web, &one.asks, &format!("h{n}.example")));
    }
    for asks in world.asks.chunks(500) {
        engine.observe(&batch(Dataset::Web, asks));
    }
    let told = engine.evaluate(&Closing::everything()).episodes;
    assert!(!of(&told, "http_flood", "t.example").is_empty());
}
