//! Ordinary visitors: all kinds are there, and they look as they should.

use super::support::{run, short};
use haetae_simulate::{Plan, Scenario, Visitor, generate, is_static};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

#[test]
fn the_same_seed_gives_the_same_events_and_labels() {
    for scenario in [Scenario::Mixed, Scenario::Edos] {
        let (first, again) = (short(scenario, 9), short(scenario, 9));
        assert_eq!(first.web, again.web);
        assert_eq!(first.flows, again.flows);
        assert_eq!(first.labels, again.labels);
        assert_ne!(first.web, short(scenario, 10).web);
    }
}

#[test]
fn every_kind_of_visitor_comes() {
    let run = short(Scenario::Normal, 1);
    let met: BTreeSet<Visitor> = run.labels.visitors.iter().map(|visitors| visitors.kind).collect();
    let all: BTreeSet<Visitor> = Visitor::ALL.into_iter().collect();
    assert_eq!(met, all);
    assert!(run.labels.campaigns.is_empty() && run.labels.attacks.is_empty());
    let web: u64 = run.labels.visitors.iter().map(|visitors| visitors.events).sum();
    assert_eq!(web, (run.web.len() + run.flows.len()) as u64);
}

#[test]
fn the_sale_crowd_is_thousands_of_people_who_load_pages_as_people_do() {
    let run = short(Scenario::Normal, 3);
    let sale = &run.labels.sales[0];
    let minute = |at: i64| (at - sale.opens.0).div_euclid(60_000_000);
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    let mut sessions: BTreeSet<u64> = BTreeSet::new();
    let (mut pages, mut assets, mut referers, mut refused) = (0_u64, 0_u64, 0_u64, 0_u64);
    for request in &run.web {
        *minutes.entry(minute(request.ts.0)).or_default() += 1;
        if !(-10..15).contains(&minute(request.ts.0)) {
            continue;
        }
        sessions.extend(request.session);
        assets += u64::from(is_static(&request.path));
        pages += u64::from(!is_static(&request.path) && !request.path.starts_with("/api/"));
        referers += u64::from(request.referer.is_some());
        refused += u64::from(matches!(request.status, 429 | 503));
    }
    let quiet = minutes.get(&-12).copied().unwrap_or(0).max(1);
    assert!(
        minutes[&0] > quiet * 5,
        "{quiet} before, {} at the opening",
        minutes[&0]
    );
    assert!(minutes[&0] > minutes[&12], "it falls off");
    assert!(sessions.len() > 1_500, "{} sessions", sessions.len());
    let ratio = assets as f64 / pages as f64;
    assert!((1.0..6.0).contains(&ratio), "{ratio} assets a page");
    assert!(referers > run.web.len() as u64 / 3);
    assert!(refused > 100, "{refused} refused");
}

#[test]
fn gateways_hide_crowds_that_cross_plain_limits() {
    let run = short(Scenario::Normal, 2);
    let gateways = run
        .labels
        .visitors
        .iter()
        .find(|visitors| visitors.kind == Visitor::CarrierNat);
    let gateways: BTreeSet<IpAddr> = gateways
        .expect("there are gateways")
        .addresses
        .iter()
        .copied()
        .collect();
    let mut minutes: HashMap<(IpAddr, i64), u64> = HashMap::new();
    let mut agents: HashMap<IpAddr, BTreeSet<&str>> = HashMap::new();
    for request in run.web.iter().filter(|r| gateways.contains(&r.client)) {
        *minutes
            .entry((request.client, request.ts.0 / 60_000_000))
            .or_default() += 1;
        agents
            .entry(request.client)
            .or_default()
            .extend(request.ua.as_deref());
    }
    assert!(
        minutes.values().any(|&count| count > 200),
        "a careless rule would fire"
    );
    assert!(agents.values().any(|agents| agents.len() >= 12));
}

#[test]
fn load_is_what_the_plan_says_outside_the_sale() {
    for seed in 0..4 {
        let plan = Plan {
            sale_users: 0,
            ..Plan::new(Scenario::Normal, seed)
        };
        let run = run(&plan);
        let mean = run.web.len() as f64 / 30.0;
        assert!(
            (540.0..660.0).contains(&mean),
            "seed {seed}: {mean} requests a minute"
        );
    }
}

#[test]
fn logins_checkouts_and_payments_come_in_order_for_people() {
    let run = short(Scenario::Normal, 6);
    let mut reserved: BTreeSet<u64> = BTreeSet::new();
    let (mut payments, mut unprepared) = (0, 0);
    for request in &run.web {
        let Some(session) = request.session else { continue };
        match &*request.path {
            "/api/reservations" => {
                reserved.insert(session);
            }
            "/api/payments" => {
                payments += 1;
                unprepared += usize::from(!reserved.contains(&session));
            }
            _ => {}
        }
    }
    assert!(payments > 100, "{payments} payments");
    assert!(unprepared <= 1 + payments / 100, "{unprepared} of {payments}");
}

#[test]
fn verified_bots_have_names_of_their_operators() {
    let run = short(Scenario::Normal, 1);
    let bots = run
        .labels
        .visitors
        .iter()
        .find(|visitors| visitors.kind == Visitor::VerifiedBot);
    let bots = bots.expect("there are crawlers");
    assert_eq!(bots.addresses.len(), run.labels.reverse_names.len());
    assert!(run.labels.reverse_names.iter().all(|entry| entry.confirmed));
}

#[test]
fn partners_poll_at_fixed_intervals_with_their_keys() {
    let run = short(Scenario::Normal, 1);
    assert_eq!(run.labels.partner_keys.len(), 3);
    for key in &run.labels.partner_keys {
        let of_key = run
            .web
            .iter()
            .filter(|r| r.query.as_ref().is_some_and(|query| query.contains(key.as_str())));
        let times: Vec<i64> = of_key.map(|r| r.ts.0).collect();
        assert!(times.len() >= 60, "{} polls", times.len());
        let gaps: BTreeSet<i64> = times
            .windows(2)
            .map(|pair| (pair[1] - pair[0] + 500_000) / 1_000_000)
            .collect();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
    }
}

#[test]
fn every_scenario_runs_at_the_smallest_size() {
    for scenario in Scenario::ALL {
        for (seed, duration_s, requests_per_minute) in [(1, 300, 1), (2, 777, 40), (3, 301, 0)] {
            let plan = Plan {
                duration_s,
                requests_per_minute,
                sale_users: 50,
                ..Plan::new(scenario, seed)
            };
            let run = run(&plan);
            let labels = &run.labels;
            assert_eq!(labels.totals.web.events, run.web.len() as u64);
            assert!(run.web.is_sorted_by_key(|request| request.ts));
            assert!(
                labels
                    .campaigns
                    .iter()
                    .all(|campaign| campaign.start <= campaign.end)
            );
        }
    }
}

#[test]
fn a_calm_week_has_seven_days_two_sales_and_a_reasonable_size() {
    let plan = Plan::new(Scenario::CalmWeek, 1);
    let mut traffic = generate(&plan).expect("plan is in range");
    let events = (&mut traffic).count();
    let labels = traffic.labels();
    assert!((800_000..2_000_000).contains(&events), "{events} events");
    assert_eq!(labels.sales.len(), 2);
    assert!(labels.campaigns.is_empty() && labels.attacks.is_empty());
    let kinds: BTreeSet<Visitor> = labels.visitors.iter().map(|visitors| visitors.kind).collect();
    assert_eq!(kinds.len(), Visitor::ALL.len());
}
