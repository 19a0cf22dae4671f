use super::*;
use crate::courtesy::NON_STATIC_MAX;
use haetae_event::Micros;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

const _: () = assert!(NON_STATIC_MAX < 60);

/// The plain background: every client below every plain threshold.
fn plain(scenario: Scenario, seed: u64) -> Plan {
    Plan {
        background: Background::Plain,
        ..Plan::new(scenario, seed)
    }
}

fn run(plan: &Plan) -> (Vec<SimEvent>, Labels) {
    let mut traffic = generate(plan).expect("plan is in range");
    let events: Vec<SimEvent> = (&mut traffic).collect();
    (events, traffic.labels())
}

fn web(events: &[SimEvent]) -> Vec<&WebRequest> {
    events
        .iter()
        .filter_map(|e| if let SimEvent::Web(w) = e { Some(w) } else { None })
        .collect()
}

fn flows(events: &[SimEvent]) -> Vec<&FlowRecord> {
    events
        .iter()
        .filter_map(|e| if let SimEvent::Flow(f) = e { Some(f) } else { None })
        .collect()
}

/// Most entries of sorted `times` in any window.
fn most_within(times: &[i64], window_s: i64) -> usize {
    let (mut from, mut most) = (0, 0);
    for to in 0..times.len() {
        while times[from] <= times[to] - window_s * 1_000_000 {
            from += 1;
        }
        most = most.max(to - from + 1);
    }
    most
}

fn by_client(requests: &[&WebRequest], keep: impl Fn(&WebRequest) -> bool) -> HashMap<IpAddr, Vec<i64>> {
    let mut clients: HashMap<IpAddr, Vec<i64>> = HashMap::new();
    for request in requests.iter().filter(|r| keep(r)) {
        clients.entry(request.client).or_default().push(request.ts.0);
    }
    clients
}

fn peak(clients: &HashMap<IpAddr, Vec<i64>>, window_s: i64) -> usize {
    clients
        .values()
        .map(|times| most_within(times, window_s))
        .max()
        .unwrap_or(0)
}

#[test]
fn ordinary_web_traffic_stays_below_every_threshold() {
    for seed in 0..6 {
        let (events, labels) = run(&plain(Scenario::Normal, seed));
        assert!(labels.attacks.is_empty());
        let requests = web(&events);
        let non_static = peak(&by_client(&requests, |r| !is_static(&r.path)), 60);
        assert!(non_static <= NON_STATIC_MAX, "{non_static}");
        assert!(peak(&by_client(&requests, |r| (400..500).contains(&r.status)), 300) < 10);
        assert!(peak(&by_client(&requests, |r| labels::is_sensitive(&r.path)), 300) < 10);
        let failed = requests.iter().filter(|r| r.status >= 400).count() as f64;
        let rate = failed / requests.len() as f64;
        assert!(rate < 0.01 && rate > 0.0, "seed {seed}: error rate {rate}");
        let mean = requests.len() as f64 / 30.0;
        assert!(
            (540.0..660.0).contains(&mean),
            "seed {seed}: {mean} requests a minute"
        );
        let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
        for request in &requests {
            *minutes.entry(request.ts.0 / 60_000_000).or_default() += 1;
        }
        assert_eq!(minutes.len(), 30);
        let mut counts: Vec<u64> = minutes.values().copied().collect();
        counts.sort_unstable();
        assert!(
            counts[29] < counts[15] * 3 / 2 && counts[0] * 2 > counts[15],
            "{counts:?}"
        );
    }
}

#[test]
fn ordinary_flows_have_few_refusals_from_many_strangers() {
    for seed in 0..6 {
        let (events, _) = run(&plain(Scenario::Normal, seed));
        let flows = flows(&events);
        let mut ports: HashMap<_, BTreeSet<u16>> = HashMap::new();
        let refused: Vec<_> = flows.iter().filter(|f| f.status == FlowStatus::Reject).collect();
        for flow in &refused {
            ports
                .entry(flow.source)
                .or_default()
                .insert(flow.destination_port);
        }
        assert!(ports.values().all(|p| p.len() < 5));
        let share = refused.len() as f64 / flows.len() as f64;
        assert!(share > 0.001 && share < 0.03, "{share}");
        assert!(flows.iter().any(|f| f.status == FlowStatus::NoData));
    }
}

#[test]
fn events_come_in_time_order_inside_the_plan() {
    let plan = Plan::new(Scenario::Mixed, 3);
    let (events, _) = run(&plan);
    assert!(events.is_sorted_by_key(SimEvent::ts));
    assert!(
        events
            .iter()
            .all(|e| e.ts() >= plan.first() && e.ts() < plan.end())
    );
}

#[test]
fn every_attack_is_detectable_by_its_own_kind_of_rule() {
    let plain_kinds = [
        Scenario::Normal,
        Scenario::Sqli,
        Scenario::Scan,
        Scenario::Flood,
        Scenario::Bots,
        Scenario::Portscan,
        Scenario::Mixed,
    ];
    for scenario in plain_kinds {
        for (seed, duration_s) in [(1, 1800), (2, 300), (3, 5400)] {
            let plan = Plan {
                duration_s,
                ..Plan::new(scenario, seed)
            };
            let (_, labels) = run(&plan);
            assert_eq!(labels.attacks.is_empty(), scenario == Scenario::Normal);
            for attack in &labels.attacks {
                let hints: BTreeSet<Hint> = attack.expected_rules.iter().map(|rule| rule.hint).collect();
                let needed = match attack.kind {
                    AttackKind::Sqli => Hint::SqlInjection,
                    AttackKind::Scan => Hint::SensitivePath,
                    AttackKind::Flood => Hint::RequestRate,
                    AttackKind::Bots if hints.contains(&Hint::BadUserAgent) => Hint::BadUserAgent,
                    AttackKind::Bots => Hint::RequestRate,
                    AttackKind::Portscan => Hint::PortScan,
                    _ => continue,
                };
                assert!(hints.contains(&needed), "{scenario} {duration_s}: {attack:?}");
                assert!(
                    attack.start <= attack.end && attack.detectable_at.is_some_and(|at| at <= attack.end)
                );
            }
        }
    }
}

#[test]
fn labels_agree_with_an_independent_count() {
    let (events, labels) = run(&Plan::new(Scenario::Mixed, 11));
    let requests = web(&events);
    assert_eq!(labels.totals.web.events, requests.len() as u64);
    assert_eq!(labels.totals.vpcflow.events, flows(&events).len() as u64);
    assert_eq!(
        labels.totals.web.bytes_out,
        requests.iter().map(|r| r.bytes_out).sum::<u64>()
    );
    for (status, count) in &labels.totals.web.status {
        assert_eq!(
            *count,
            requests.iter().filter(|r| r.status == *status).count() as u64
        );
    }
    let mut by_address: HashMap<IpAddr, Vec<Micros>> = HashMap::new();
    for event in &events {
        let address = match event {
            SimEvent::Web(request) => request.client,
            SimEvent::Flow(flow) => IpAddr::V4(flow.source),
        };
        by_address.entry(address).or_default().push(event.ts());
    }
    let mut attacking = BTreeSet::new();
    for attack in labels
        .attacks
        .iter()
        .filter(|attack| attack.kind != AttackKind::Exfil)
    {
        assert!(
            attacking.insert(attack.entity.value.clone()),
            "one attack per address"
        );
        let address: IpAddr = attack.entity.value.parse().expect("address");
        let times = by_address.get(&address).cloned().unwrap_or_default();
        assert_eq!(times.len() as u64, attack.events, "{}", attack.id);
        assert_eq!(
            (times.first(), times.last()),
            (Some(&attack.start), Some(&attack.end))
        );
    }
    let scan = labels
        .attacks
        .iter()
        .find(|a| a.id == "portscan-1-1")
        .expect("in every mixed plan");
    let (mut ports, mut at) = (BTreeSet::new(), None);
    for flow in flows(&events)
        .iter()
        .filter(|f| f.source.to_string() == scan.entity.value)
    {
        ports.insert(flow.destination_port);
        if ports.len() == thresholds::REFUSED_PORTS && at.is_none() {
            at = Some(flow.start);
        }
    }
    let expected = scan
        .expected_rules
        .iter()
        .find(|r| r.hint == Hint::PortScan)
        .map(|r| r.detectable_at);
    assert_eq!(expected, at);
    let flood = labels
        .attacks
        .iter()
        .find(|a| a.kind == AttackKind::Flood)
        .expect("in every mixed plan");
    let times = &by_client(&requests, |_| true)[&flood.entity.value.parse::<IpAddr>().expect("address")];
    let crossing = times
        .windows(100)
        .find(|w| w[99] - w[0] < 60_000_000)
        .map(|w| Micros(w[99]));
    let expected = flood
        .expected_rules
        .iter()
        .find(|r| r.hint == Hint::RequestRate)
        .map(|r| r.detectable_at);
    assert_eq!(expected, crossing);
}

#[test]
fn daily_rhythm_is_quiet_before_dawn() {
    // 2026-03-02 04:00 KST, and 20:00 KST.
    let at = |start: i64| {
        let plan = Plan {
            start: Micros(start),
            rhythm: Rhythm::Daily,
            duration_s: 600,
            ..plain(Scenario::Normal, 4)
        };
        run(&plan).1.totals.web.events
    };
    let (night, evening) = (at(1_772_391_600_000_000), at(1_772_449_200_000_000));
    assert!(night * 3 < evening, "{night} at night, {evening} in the evening");
}

#[test]
fn searches_carry_korean_as_percent_encoded_utf8() {
    let (events, _) = run(&plain(Scenario::Normal, 1));
    let wanted = "q=%EC%BD%98%EC%84%9C%ED%8A%B8";
    assert!(web(&events).iter().any(|r| r.query.as_deref() == Some(wanted)));
}

#[test]
fn the_office_is_one_busy_address_below_the_rate_threshold() {
    let (events, _) = run(&plain(Scenario::Normal, 1));
    let requests = web(&events);
    let office = by_client(&requests, |r| r.client == crate::address::OFFICE);
    let sessions: BTreeSet<_> = requests
        .iter()
        .filter(|r| r.client == crate::address::OFFICE)
        .map(|r| r.session)
        .collect();
    assert!(sessions.len() >= 20, "{} sessions", sessions.len());
    assert!(peak(&office, 60) < thresholds::NON_STATIC_PER_MINUTE);
}
