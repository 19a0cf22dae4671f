//! Economic denial of sustainability: found where it is, silent where people only cost money.

use crate::batches::{SECOND, START, engine_of};
use crate::spending::{Attack, Dice, HOUR, Hit, MB, MINUTE, Site, batch, browser};
use haetae_detect::cost::{CostOptions, Plan};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, Episode, Level};
use std::collections::BTreeSet;

fn engine_with(options: EngineOptions, cost: CostOptions) -> Engine {
    let mut rules = RuleSet::builtin();
    rules.set_cost(cost);
    Engine::new(rules, options)
}

fn engine() -> Engine {
    engine_with(EngineOptions::one_shot(), CostOptions::default())
}

fn edos(hits: &[Hit]) -> Vec<Episode> {
    let mut engine = engine();
    for part in hits.chunks(8_192) {
        engine.observe(&batch(part));
    }
    let found = engine.evaluate(&Closing::everything()).episodes;
    found.into_iter().filter(|e| e.detector == "edos").collect()
}

fn sorted(mut found: Vec<Episode>) -> Vec<Episode> {
    found.sort_by(|a, b| {
        (&a.rule_id, &a.entity, a.window.start).cmp(&(&b.rule_id, &b.entity, b.window.start))
    });
    found
}

fn entity(episode: &Episode) -> (String, String) {
    (episode.entity.kind.clone(), episode.entity.value.clone())
}

#[test]
fn every_attack_is_found_and_nobody_else_over_twenty_seeds() {
    let (mut found, mut missed, mut wrong) = (0u32, Vec::new(), Vec::new());
    for seed in 0..20u64 {
        let attack = Attack::ALL[usize::try_from(seed).expect("small") % Attack::ALL.len()];
        let mut site = Site::new(seed);
        let hours = if attack == Attack::LowAndSlow { 26 } else { 9 };
        site.ordinary(hours, 60, (seed % 3 == 0).then_some(hours - 5));
        let expected = site.attack(attack, hours);
        let told = edos(&site.hits);
        for (kind, value) in expected {
            let hit = told.iter().any(|e| {
                e.entity.kind == kind
                    && e.entity.value == value
                    && attack.rules().contains(&e.rule_id.as_str())
            });
            match hit {
                true => found += 1,
                false => missed.push((seed, attack, value)),
            }
        }
        for e in told.iter().filter(|e| e.level >= Level::Medium) {
            let (kind, value) = entity(e);
            let own = match kind.as_str() {
                "ip" | "block" => ["45.", "77."].iter().any(|range| value.starts_with(range)),
                "asn" => value == "64500" || value == "64501",
                // The site as a whole, what was pulled, and the attackers' user agent.
                "site" => true,
                "path" => value == "/media/trailer7.mp4" && attack != Attack::Botnet,
                "ua" => [3, 4, 5, 9].iter().any(|&n| value == browser(n)),
                _ => false,
            };
            if !own {
                wrong.push((seed, attack, e.rule_id.clone(), kind, value));
            }
        }
    }
    let recall = f64::from(found) / (f64::from(found) + missed.len() as f64);
    let precision = f64::from(found) / (f64::from(found) + wrong.len() as f64);
    eprintln!("edos: recall {recall:.3}, precision {precision:.3} by entity over 20 seeds");
    assert!(
        recall >= 0.95 && precision >= 0.95,
        "missed {missed:?}, wrong {wrong:?}"
    );
}

#[test]
fn ordinary_days_with_a_sale_are_quiet() {
    for seed in 100..103 {
        let mut site = Site::new(seed);
        site.ordinary(30, 50, Some(20));
        let loud: Vec<_> = edos(&site.hits)
            .into_iter()
            .filter(|e| e.level >= Level::Medium)
            .map(|e| (e.rule_id, e.entity, e.evidence))
            .collect();
        assert!(loud.is_empty(), "seed {seed}: {loud:?}");
    }
}

fn mixed(seed: u64) -> Site {
    let mut site = Site::new(seed);
    site.ordinary(8, 30, None);
    for attack in [
        Attack::CacheBusting,
        Attack::ObjectPulls,
        Attack::YoYo,
        Attack::Botnet,
    ] {
        site.attack(attack, 8);
    }
    site
}

#[test]
fn neither_order_nor_cuts_change_a_finding() {
    let site = mixed(7);
    let whole = sorted(edos(&site.hits));
    let rules: BTreeSet<&str> = whole.iter().map(|e| e.rule_id.as_str()).collect();
    assert!(rules.len() >= 4, "{rules:?}");
    let mut dice = Dice::new(3);
    for size in [511, 4_000] {
        let mut hits = site.hits.clone();
        dice.shuffle(&mut hits);
        let mut engine = engine();
        for part in hits.chunks(size) {
            engine.observe(&batch(part));
        }
        let told = engine.evaluate(&Closing::everything()).episodes;
        let told = told.into_iter().filter(|e| e.detector == "edos").collect();
        assert_eq!(sorted(told), whole, "batches of {size}");
    }
}

#[test]
fn judged_as_it_comes_ends_where_judged_at_once_does() {
    let mut hits = mixed(11).hits;
    let whole = sorted(edos(&hits));
    hits.sort_by_key(|hit| hit.at);
    let mut engine = engine();
    let mut standing: Vec<Episode> = Vec::new();
    let mut rest = hits.as_slice();
    for step in 1..=60 {
        let until = step * 10 * MINUTE;
        let (now, later) = rest.split_at(rest.partition_point(|hit| hit.at < until));
        rest = later;
        engine.observe(&batch(now));
        let closing = match rest.is_empty() {
            true => Closing::everything(),
            false => Closing::at(START + until),
        };
        let evaluation = engine.evaluate(&closing);
        for gone in &evaluation.withdrawn {
            let same = |e: &Episode| {
                e.rule_id == gone.rule_id
                    && e.entity == gone.entity
                    && e.window.touches(&gone.window, e.gap_us)
            };
            standing.retain(|e| !same(e));
        }
        for new in evaluation.episodes.into_iter().filter(|e| e.detector == "edos") {
            let same = |e: &Episode| {
                e.rule_id == new.rule_id
                    && e.entity == new.entity
                    && e.window.touches(&new.window, new.gap_us)
            };
            standing.retain(|e| !same(e));
            standing.push(new);
        }
    }
    // What an entity cost is said when it was last judged; all else is the same.
    let bare = |found: Vec<Episode>| -> Vec<Episode> {
        let mut found = sorted(found);
        for episode in &mut found {
            episode.cost = None;
            episode.facts.retain(|(key, _)| !key.starts_with("cost "));
        }
        found
    };
    assert_eq!(bare(standing), bare(whole));
}

#[test]
fn crawlers_offices_and_partners_are_not_told_as_attackers() {
    let mut site = Site::new(5);
    site.ordinary(6, 60, None);
    // A crawler that reads every large object, many times.
    for n in 0..40 {
        let bot = "ExampleBot/1.0 (+https://bot.example)";
        site.get(
            4 * HOUR + n * MINUTE,
            "192.0.2.99",
            bot,
            "/media/trailer7.mp4",
            110 * MB,
            "Hit",
        );
    }
    // Two hundred people behind one gateway watch the same film.
    for n in 0..200u64 {
        let ua = format!("Mozilla/5.0 (Linux; Android 14; SM-{n}) Mobile");
        let at = 4 * HOUR + site.dice.between(0, 3_000) * SECOND;
        site.get(at, "192.0.2.200", &ua, "/media/trailer6.mp4", 100 * MB, "Hit");
    }
    let told = edos(&site.hits);
    let crawler: Vec<_> = told.iter().filter(|e| e.entity.value == "192.0.2.99").collect();
    assert!(!crawler.is_empty());
    assert!(
        crawler.iter().all(|e| e.level == Level::Informational),
        "{crawler:?}"
    );
    assert!(told.iter().all(|e| e.entity.value != "192.0.2.200"), "{told:?}");
}

/// A client whose requests cost like a crowd's, under many names and with a POST now and then.
fn disguised(post: &str) -> Vec<Episode> {
    let mut site = Site::new(5);
    site.ordinary(6, 60, None);
    for n in 0..3_000i64 {
        let ua = format!("Mozilla/5.0 (Linux; Android 14; SM-{}) Mobile", n % 400);
        site.get(
            4 * HOUR + n * SECOND,
            "45.0.0.9",
            &ua,
            &format!("/api/report?id={n}"),
            4 * MB,
            "Miss",
        );
        if n % 100 == 0 {
            let hit = site.hits.last_mut().expect("just asked");
            (hit.method, hit.uri) = ("POST", post.into());
        }
    }
    let told = edos(&site.hits);
    told.into_iter()
        .filter(|e| e.rule_id == "edos.heavy_client" && e.entity.value == "45.0.0.9")
        .collect()
}

#[test]
fn other_names_and_empty_posts_hide_no_spender() {
    assert!(!disguised("/api/track").is_empty());
    assert!(!disguised("/login").is_empty(), "a form shown again");
    assert!(disguised("/api/orders").is_empty(), "a partner that orders");
}

#[test]
fn sums_over_clients_say_what_they_lack() {
    let told = |bytes_max: usize| {
        let options = EngineOptions {
            detector_bytes_max: bytes_max,
            ..EngineOptions::one_shot()
        };
        let mut site = Site::new(3);
        site.ordinary(9, 60, None);
        site.attack(Attack::Botnet, 9);
        let mut engine = engine_with(options, CostOptions::default());
        for part in site.hits.chunks(8_192) {
            engine.observe(&batch(part));
        }
        let found = engine.evaluate(&Closing::everything()).episodes;
        let networks: Vec<Episode> = found
            .into_iter()
            .filter(|e| e.detector == "edos" && e.facts.iter().any(|(key, _)| key == "clients"))
            .collect();
        (networks, engine.stats())
    };
    let says = |e: &Episode| {
        e.facts
            .iter()
            .any(|(key, said)| key == "sums" && said.starts_with("at least"))
    };
    let (whole, stats) = told(256 << 20);
    assert!(!whole.is_empty() && !whole.iter().any(says), "{whole:?}");
    let half = stats.detector_bytes / 4 * 3;
    let (part, stats) = told(half);
    assert!(stats.evicted_entities > 0);
    assert!(!part.is_empty() && part.iter().all(says), "{part:?}");
}

#[test]
fn a_million_clients_stay_within_the_bound_and_the_spender_stays_exact() {
    let options = EngineOptions {
        detector_bytes_max: 64 << 20,
        ..EngineOptions::one_shot()
    };
    let mut engine = engine_with(options, CostOptions::default());
    let mut spent = 0u64;
    for part in 0..100i64 {
        let mut hits = Vec::new();
        for n in 0..10_000i64 {
            let id = part * 10_000 + n;
            let ip = format!(
                "{}.{}.{}.{}",
                1 + id / 16_000_000,
                id / 65_536 % 256,
                id / 256 % 256,
                id % 256
            );
            hits.push(Hit {
                at: part * 6 * SECOND,
                ip,
                method: "GET",
                uri: format!("/p/{}", id % 5_000),
                status: 200,
                ua: browser(1),
                bytes: 500,
                result: "Hit",
                account: None,
                asn: 1,
                range_end: None,
            });
        }
        let spender = Hit {
            ip: "203.0.113.5".into(),
            uri: "/big.zip".into(),
            bytes: 50 * MB,
            ..hits[0].clone()
        };
        spent += spender.bytes;
        hits.push(spender);
        engine.observe(&batch(&hits));
        assert!(engine.stats().detector_bytes <= 64 << 20);
    }
    assert!(engine.stats().evicted_entities > 100_000);
    let told = engine.evaluate(&Closing::everything()).episodes;
    let spender = told
        .iter()
        .find(|e| e.rule_id == "edos.object_pulls" && e.entity.value == "203.0.113.5")
        .expect("told");
    let transfer = spent as f64 / (1u64 << 30) as f64 * 0.12;
    let cost = spender.cost.expect("priced").so_far;
    assert!(
        (cost - transfer).abs() < 0.01 * transfer,
        "{cost} is not {transfer}"
    );
}

#[test]
fn findings_of_other_detectors_carry_their_cost_too() {
    let hits: Vec<Hit> = (0..300)
        .map(|n| Hit {
            at: n * SECOND / 10,
            ip: "203.0.113.8".into(),
            method: "GET",
            uri: format!("/p/{n}"),
            status: 200,
            ua: browser(1),
            bytes: 1 << 20,
            result: "Hit",
            account: None,
            asn: 1,
            range_end: None,
        })
        .collect();
    let flood = |cost: CostOptions| {
        let mut engine = engine_with(EngineOptions::one_shot(), cost);
        engine.observe(&batch(&hits));
        let told = engine.evaluate(&Closing::everything()).episodes;
        told.into_iter()
            .find(|e| e.detector == "sigma" && e.entity.value == "203.0.113.8")
            .expect("told")
    };
    let unplanned = flood(CostOptions::default());
    let cost = unplanned.cost.expect("priced");
    let expected = 300.0 / 1024.0 * 0.12 + 300.0 / 10_000.0 * 0.012;
    assert!(
        (cost.so_far - expected).abs() < 1e-6,
        "{cost:?} is not {expected}"
    );
    // Thirty seconds are stretched from a minute at least.
    assert!(
        (cost.per_24h - expected * 1_440.0).abs() < 0.01 * cost.per_24h,
        "{cost:?}"
    );
    let fact = |episode: &Episode, key: &str| {
        let found = episode.facts.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.clone()).expect("said")
    };
    assert!(fact(&unplanned, "cost basis").contains("no plan is configured"));
    assert!(fact(&unplanned, "cost if it goes on for 30 d").starts_with('$'));
    let flat = flood(CostOptions {
        plan: Some(Plan::Business),
        ..CostOptions::default()
    });
    assert_eq!(
        flat.cost.map(|cost| (cost.so_far, cost.per_24h)),
        Some((0.0, 0.0))
    );
    assert!(fact(&flat, "cost basis").contains("flat-rate plan business"));
}

#[test]
fn engines_without_the_sections_meter_nothing() {
    let mut engine = engine_of(
        "title: T\nid: 1\nlogsource: {category: webserver}\ndetection: {s: {sc-status: 200}, condition: s}\nlevel: low\n",
    );
    let mut site = Site::new(1);
    site.ordinary(1, 5, None);
    engine.observe(&batch(&site.hits));
    let told = engine.evaluate(&Closing::everything()).episodes;
    assert!(told.iter().all(|e| e.cost.is_none()));
}

#[test]
fn a_price_table_of_ones_own_is_used() {
    let mut rules = RuleSet::builtin();
    let text = haetae_detect::cost::BUILTIN_PRICES.replace("asia: [[10, 0.120]", "asia: [[10, 1.0]");
    rules.load_prices("prices.yml", &text);
    rules.load_prices("broken.yml", "as_of: 2026-01-01");
    assert_eq!(rules.diagnostics().len(), 1, "{:?}", rules.diagnostics());
    let mut engine = Engine::new(rules, EngineOptions::one_shot());
    let mut site = Site::new(1);
    for n in 0..20 {
        site.get(n * MINUTE, "203.0.113.5", &browser(1), "/big.zip", 1 << 30, "Hit");
    }
    engine.observe(&batch(&site.hits));
    let told = engine.evaluate(&Closing::everything()).episodes;
    let pulls = told
        .iter()
        .find(|e| e.rule_id == "edos.object_pulls")
        .expect("told");
    let cost = pulls.cost.expect("priced").so_far;
    assert!((20.0..20.01).contains(&cost), "{cost}");
    assert_eq!(pulls.level, Level::High);
    assert_eq!(Dataset::CloudFront.as_str(), "cloudfront");
}

#[test]
fn windows_from_before_what_is_remembered_do_no_harm() {
    let options = EngineOptions {
        horizon_us: HOUR,
        lateness_us: 0,
        ..EngineOptions::default()
    };
    let mut engine = engine_with(options, CostOptions::default());
    let mut site = mixed(3);
    site.hits.sort_by_key(|hit| hit.at);
    for part in site.hits.chunks(2_000) {
        engine.observe(&batch(part));
        let last = part.last().expect("chunks are not empty").at;
        engine.evaluate(&Closing::at(START + last - 3 * HOUR));
        engine.evaluate(&Closing::at(START + last));
    }
    engine.evaluate(&Closing::everything());
    assert!(engine.stats().evicted_cells > 0);
}
