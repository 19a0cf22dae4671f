//! Labels of whole attacks against the events themselves.

use super::support::{Run, run, short};
use haetae_simulate::{AttackKind, CampaignLabel, Plan, Scenario, is_static};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

fn addresses(campaign: &CampaignLabel) -> BTreeSet<IpAddr> {
    let entities = campaign.actors.iter().flat_map(|actor| &actor.entities);
    entities
        .filter(|entity| entity.kind == "ip")
        .map(|entity| entity.value.parse().expect("an address"))
        .collect()
}

fn only<'a>(run: &'a Run, variant: &str) -> &'a CampaignLabel {
    let mut all = run
        .labels
        .campaigns
        .iter()
        .filter(|campaign| campaign.variant == variant);
    all.next().unwrap_or_else(|| panic!("{variant} in the plan"))
}

#[test]
fn every_campaign_counts_exactly_the_events_of_its_addresses() {
    for seed in [1, 2, 3] {
        let run = short(Scenario::Mixed, seed);
        let mut web: HashMap<IpAddr, Vec<(i64, u64)>> = HashMap::new();
        for request in &run.web {
            web.entry(request.client)
                .or_default()
                .push((request.ts.0, request.bytes_out));
        }
        let mut owner: HashMap<IpAddr, &str> = HashMap::new();
        for campaign in &run.labels.campaigns {
            let own = addresses(campaign);
            for address in &own {
                let before = owner.insert(*address, &campaign.id);
                assert!(before.is_none(), "{address} in {before:?} and {}", campaign.id);
            }
            if campaign.requests == 0 {
                continue;
            }
            let events: Vec<(i64, u64)> = own
                .iter()
                .flat_map(|a| web.get(a).cloned().unwrap_or_default())
                .collect();
            assert_eq!(
                events.len() as u64,
                campaign.events,
                "{} of seed {seed}",
                campaign.id
            );
            assert_eq!(campaign.requests, campaign.events);
            assert_eq!(
                events.iter().map(|event| event.1).sum::<u64>(),
                campaign.bytes_out
            );
            assert_eq!(events.iter().map(|event| event.0).min(), Some(campaign.start.0));
            assert_eq!(events.iter().map(|event| event.0).max(), Some(campaign.end.0));
            let sum: u64 = campaign.actors.iter().map(|actor| actor.events).sum();
            assert_eq!(sum, campaign.events);
        }
        let attacks: u64 = run
            .labels
            .campaigns
            .iter()
            .map(|campaign| campaign.requests)
            .sum();
        assert_eq!(attacks, run.labels.totals.web.attack_events);
    }
}

#[test]
fn flows_of_campaigns_are_counted_exactly() {
    let run = short(Scenario::Ddos, 4);
    let campaign = only(&run, "ddos-flow");
    let own = addresses(campaign);
    let flows = run
        .flows
        .iter()
        .filter(|flow| own.contains(&IpAddr::V4(flow.source)));
    assert_eq!(flows.clone().count() as u64, campaign.events);
    assert_eq!(
        flows.clone().map(|flow| flow.bytes).sum::<u64>(),
        campaign.flow_bytes
    );
    let targets: BTreeSet<_> = flows.map(|flow| flow.destination).collect();
    assert_eq!(targets.len(), 1, "many to one");
}

#[test]
fn marks_sum_up_to_the_whole() {
    let run = short(Scenario::Mixed, 5);
    for campaign in &run.labels.campaigns {
        assert!(campaign.marks.len() <= 513, "{}", campaign.id);
        assert!(campaign.marks.is_sorted_by_key(|mark| (mark.at, mark.events)));
        let last = campaign.marks.last().expect("a campaign has events");
        assert_eq!(last.events, campaign.events);
        assert_eq!(last.bytes_out, campaign.bytes_out + campaign.flow_bytes);
        assert_eq!(last.origin_requests, campaign.origin_requests);
    }
}

#[test]
fn every_kind_can_be_known_over_twenty_seeds() {
    let mut kinds: BTreeSet<AttackKind> = BTreeSet::new();
    for seed in 100..120 {
        let mut plan = Plan::new(Scenario::Mixed, seed);
        if seed >= 104 {
            // The crowd is of no account here.
            plan.sale_users = 60;
        }
        let run = run(&plan);
        for campaign in &run.labels.campaigns {
            let at = campaign.detectable_at;
            assert!(at.is_some(), "{} of seed {seed} ends too early", campaign.id);
            assert!(
                at >= Some(campaign.start) && at <= Some(campaign.end),
                "{}",
                campaign.id
            );
            kinds.insert(campaign.kind);
        }
    }
    assert_eq!(kinds.len(), 12, "{kinds:?}");
}

#[test]
fn seeds_differ_in_addresses_times_and_counts() {
    let (mut addresses_seen, mut shapes) = (BTreeSet::new(), BTreeSet::new());
    let mut most_shared = 0;
    for seed in 0..8 {
        let run = short(Scenario::Macro, seed);
        let all: BTreeSet<IpAddr> = run.labels.campaigns.iter().flat_map(addresses).collect();
        most_shared = most_shared.max(all.intersection(&addresses_seen).count());
        addresses_seen.extend(all);
        for campaign in &run.labels.campaigns {
            shapes.insert((campaign.variant.clone(), campaign.events, campaign.actors.len()));
        }
    }
    assert!(most_shared < 10, "{most_shared} addresses in two seeds");
    assert!(
        shapes.len() > 36,
        "{} of 40 campaigns differ in size",
        shapes.len()
    );
}

/// Coefficient of variation of the gaps between times.
fn variation(times: &[i64]) -> f64 {
    let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    variance.sqrt() / mean
}

#[test]
fn pollers_are_regular_but_no_clocks() {
    let (mut regular, mut all) = (0, 0);
    for seed in 0..6 {
        let run = short(Scenario::Macro, seed);
        for actor in &only(&run, "macro-poll").actors {
            let mut times: Vec<i64> = Vec::new();
            for entity in actor.entities.iter().filter(|entity| entity.kind == "ip") {
                let address: IpAddr = entity.value.parse().expect("an address");
                let polls = run
                    .web
                    .iter()
                    .filter(|r| r.client == address && r.path.ends_with("/seats"));
                times.extend(polls.filter(|r| r.path.starts_with("/api/")).map(|r| r.ts.0));
            }
            times.sort_unstable();
            let variation = variation(&times);
            assert!(variation > 0.03, "a clock: {variation}");
            all += 1;
            regular += usize::from(variation < 0.6);
        }
    }
    assert!(regular * 10 >= all * 9, "{regular} of {all}");
}

#[test]
fn sprinters_submit_within_a_second_of_their_page() {
    let run = short(Scenario::Macro, 7);
    for actor in &only(&run, "macro-sprint").actors {
        let address: IpAddr = actor.entities[0].value.parse().expect("an address");
        let own: Vec<_> = run.web.iter().filter(|r| r.client == address).collect();
        let pairs = own.windows(2).filter(|pair| {
            pair[0].path.ends_with("/seats")
                && pair[1].method == "POST"
                && pair[1].ts.0 - pair[0].ts.0 < 1_000_000
        });
        assert!(pairs.count() >= 3);
    }
}

#[test]
fn some_macros_load_assets_and_some_do_not() {
    let (mut with, mut without) = (0, 0);
    for seed in 0..4 {
        let run = short(Scenario::Macro, seed);
        for campaign in &run.labels.campaigns {
            for actor in &campaign.actors {
                let address: IpAddr = actor.entities[0].value.parse().expect("an address");
                let loads = run.web.iter().any(|r| r.client == address && is_static(&r.path));
                let bare = campaign.variant == "macro-bare";
                assert!(!(bare && loads), "{} loads assets", actor.id);
                if loads { with += 1 } else { without += 1 }
            }
        }
    }
    assert!(with > 40 && without > 40, "{with} with, {without} without");
}

#[test]
fn distributed_attacks_stay_below_every_single_limit() {
    for seed in 0..3 {
        let run = short(Scenario::Mixed, seed);
        for (variant, most) in [
            ("ddos-web", 30),
            ("stuffing-net", 12),
            ("edos-spread", 40),
            ("stuffing-account", 12),
        ] {
            for actor in &only(&run, variant).actors {
                assert!(actor.events <= most, "{}: {} events", actor.id, actor.events);
            }
        }
    }
}

#[test]
fn a_day_has_slow_attacks_that_no_minute_shows() {
    let mut plan = Plan::new(Scenario::Edos, 3);
    plan.duration_s = 86_400;
    plan.requests_per_minute = 120;
    let run = run(&plan);
    let campaign = only(&run, "edos-slow");
    assert!(campaign.end.0 - campaign.start.0 > 18 * 3_600_000_000);
    for actor in &campaign.actors {
        let address: IpAddr = actor.entities[0].value.parse().expect("an address");
        let mut minutes: HashMap<i64, u64> = HashMap::new();
        let mut bytes = 0;
        for request in run.web.iter().filter(|r| r.client == address) {
            *minutes.entry(request.ts.0 / 60_000_000).or_default() += 1;
            bytes += request.bytes_out;
        }
        assert!(minutes.values().all(|&count| count <= 20));
        assert!(bytes > 2_000_000_000, "{bytes}");
    }
}

#[test]
fn accounts_are_in_application_logs_only() {
    let run = short(Scenario::Stuffing, 2);
    let victim = only(&run, "stuffing-account");
    let account = victim.aggregates.iter().find(|entity| entity.kind == "account");
    let account = &account.expect("the victim").value;
    let tried = run
        .web
        .iter()
        .filter(|r| r.account.as_deref() == Some(account.as_str()));
    assert!(tried.clone().count() >= 20);
    let mut line = Vec::new();
    for request in tried.take(1) {
        haetae_simulate::ndjson_line(request, &mut line);
        let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(value["account"], account.as_str());
        line.clear();
        haetae_simulate::CloudFrontLines::new().line(request, &mut line);
        assert!(!String::from_utf8_lossy(&line).contains(account.as_str()));
    }
}

#[test]
fn fake_crawlers_have_reverse_names_of_their_own_provider() {
    let run = short(Scenario::Fakebot, 1);
    let fakes: BTreeSet<IpAddr> = run.labels.campaigns.iter().flat_map(addresses).collect();
    for entry in &run.labels.reverse_names {
        let vendor = [".googlebot.com", ".naver.com", ".search.msn.com", ".daum.net"]
            .iter()
            .any(|suffix| entry.name.ends_with(suffix));
        assert_eq!(vendor, !fakes.contains(&entry.address), "{entry:?}");
    }
    assert!(fakes.iter().all(|fake| {
        run.labels
            .reverse_names
            .iter()
            .any(|entry| entry.address == *fake)
    }));
}
