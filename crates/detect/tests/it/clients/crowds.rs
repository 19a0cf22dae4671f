//! Crowds are no floods; floods are found soon, with no address over any limit of its own.

use super::traffic::*;
use super::{engine, told};
use haetae_detect::Closing;
use haetae_event::{Dataset, Level};

/// People at an even pace, with an opening sale at 40 min and nothing else.
fn calm(seed: u64, people: u64) -> World {
    let mut dice = Dice::new(seed);
    let mut world = World::default();
    let end = START + 60 * MINUTE;
    for n in 0..300 {
        let who = person(
            &mut dice,
            format!("121.130.{}.{}", n / 250, n % 250 + 1),
            &format!("p{n}"),
        );
        let at = START + (dice.unit() * 55.0 * MINUTE as f64) as i64;
        world.visit(&mut dice, &who, at, end);
    }
    crowd(&mut dice, &mut world, people);
    world.asks.retain(|ask| ask.at < end);
    world.asks.sort_by_key(|ask| ask.at);
    world
}

/// So many machines, each asking for one page every ten seconds or so, for three minutes.
fn flood(dice: &mut Dice, world: &mut World, from: i64, machines: u64) {
    for n in 0..machines {
        let who = Who {
            src: format!("203.{}.{}.{}", n / 62_500, n / 250 % 250, n % 250 + 1),
            ua: browser(dice),
            session: None,
            referers: dice.chance(0.5),
            assets: 0.0,
        };
        let mut at = from + dice.between(0, 10_000);
        while at < from + 3 * MINUTE {
            world.ask(&who, at, "GET", "/events/26000037", Some("/"));
            at += dice.between(6_000, 14_000);
        }
    }
    world.asks.sort_by_key(|ask| ask.at);
}

#[test]
fn a_flash_crowd_is_no_flood_and_nobody_in_it_a_macro() {
    for seed in 1..=5 {
        for dataset in [Dataset::Web, Dataset::CloudFront] {
            let mut world = calm(seed, 600);
            if dataset == Dataset::CloudFront {
                world = coarse(&world, &mut Dice::new(seed));
            }
            let wrong: Vec<_> = told(dataset, &world)
                .into_iter()
                .filter(|e| {
                    e.level >= Level::Medium
                        && matches!(e.detector.as_str(), "http_flood" | "macro" | "automation")
                })
                .collect();
            assert!(wrong.is_empty(), "seed {seed}, {dataset}: {wrong:#?}");
        }
    }
}

#[test]
fn a_distributed_flood_is_told_within_a_minute() {
    for seed in 1..=5 {
        let mut dice = Dice::new(seed + 50);
        let mut world = calm(seed, 100);
        let from = START + 20 * MINUTE + dice.between(0, 60_000);
        flood(&mut dice, &mut world, from, 400);
        let mut engine = engine();
        let mut first = None;
        for second in 0..3_600 / 5 {
            let (low, high) = (START + second * 5 * SECOND, START + (second + 1) * 5 * SECOND);
            let place = |at: i64| world.asks.partition_point(|ask| ask.at < at);
            engine.observe(&batch(Dataset::Web, &world.asks[place(low)..place(high)]));
            let told = engine.evaluate(&Closing::at(high)).episodes;
            if told
                .iter()
                .any(|e| e.rule_id == "http_flood.web" && e.entity.value == "t.example")
            {
                first = Some(high);
                break;
            }
        }
        let after = (first.expect("told") - from) / SECOND;
        eprintln!("seed {seed}: flood told after {after} s");
        assert!((0..=60).contains(&after));
    }
}

#[test]
fn people_behind_one_address_are_no_flood_and_a_macro_among_them_is_named() {
    let mut dice = Dice::new(3);
    let mut world = World::default();
    // A gateway of a carrier: 300 people within a quarter of an hour.
    for n in 0..300 {
        let who = person(&mut dice, "223.38.1.1".into(), &format!("c{n}"));
        let at = START + (dice.unit() * 12.0 * MINUTE as f64) as i64;
        world.visit(&mut dice, &who, at, START + 25 * MINUTE);
    }
    for n in 0..100 {
        let who = person(&mut dice, format!("121.130.1.{n}"), &format!("p{n}"));
        world.visit(&mut dice, &who, START + n * 9 * SECOND, START + 25 * MINUTE);
    }
    let mut inside = script(&mut dice, "223.38.1.1".into(), Some("nat-macro"));
    inside.ua = BROWSERS[4].into();
    let timer = Timer {
        period_s: 2.0,
        jitter: 0.2,
        skip: 0.1,
        from: START + 2 * MINUTE,
        length: 10 * MINUTE,
    };
    world.poller(&mut dice, &inside, timer, true);
    world.asks.sort_by_key(|ask| ask.at);
    let episodes = told(Dataset::Web, &world);
    let rates: Vec<_> = episodes
        .iter()
        .filter(|e| e.detector == "sigma" && e.title.starts_with("Flood") && e.entity.value == "223.38.1.1")
        .collect();
    assert!(
        !rates.is_empty(),
        "the address is over the limit of the plain rule"
    );
    assert!(rates.iter().all(|e| e.level == Level::Low), "{rates:#?}");
    let named: Vec<_> = episodes.iter().filter(|e| e.detector == "macro").collect();
    assert_eq!(named.len(), 1, "{named:#?}");
    assert_eq!(
        (named[0].entity.kind.as_str(), named[0].entity.value.as_str()),
        ("session", "nat-macro")
    );
    assert_eq!(named[0].level, Level::High);
}

#[test]
fn one_machine_with_many_sessions_stays_high() {
    let mut dice = Dice::new(4);
    let mut world = World::default();
    for n in 0..2_000 {
        let who = Who {
            src: "203.0.113.9".into(),
            ua: browser(&mut dice),
            session: Some(format!("x{n}")),
            referers: true,
            assets: 0.0,
        };
        world.ask(&who, START + n * 100_000, "GET", "/events/26000037", Some("/"));
    }
    let rates = told(Dataset::Web, &world);
    let high = |e: &&haetae_event::Episode| e.title.starts_with("Flood: 100") && e.level >= Level::High;
    // The engine's own guess about proxies in front of everybody needs twenty user agents.
    assert!(rates.iter().any(|e| high(&e)), "{rates:#?}");
}
