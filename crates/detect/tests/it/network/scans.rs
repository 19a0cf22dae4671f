use super::flows::*;
use haetae_event::Level;

const PUBLIC: &str = "203.0.113.9";
const PRIVATE: &str = "10.0.7.7";

fn ports_of(src: &str, count: i32, every: i64) -> Vec<Flow> {
    (0..count)
        .map(|n| refused(i64::from(n) * every, src, "10.0.0.5", 1_000 + n))
        .collect()
}

fn hosts_on(src: &str, count: i32, every: i64) -> Vec<Flow> {
    (0..count)
        .map(|n| refused(i64::from(n) * every, src, &format!("10.0.1.{n}"), 445))
        .collect()
}

#[test]
fn fifteen_ports_of_one_host_within_five_minutes() {
    let found = told(&ports_of(PUBLIC, 15, 20));
    let scans = by(&found, "port_scan");
    assert_eq!(scans.len(), 1, "{found:?}");
    assert_eq!((scans[0].level, scans[0].count), (Level::Medium, 15));
    assert_eq!(scans[0].rule_id, "port_scan.vpcflow");
    assert_eq!(scans[0].entity, ip(PUBLIC));
    assert!(fact(scans[0], "most at").starts_with("10.0.0.5 (15)"));
    assert!(by(&told(&ports_of(PUBLIC, 14, 20)), "port_scan").is_empty());
    assert!(
        by(&told(&ports_of(PUBLIC, 15, 22)), "port_scan").is_empty(),
        "the fifteenth comes after five minutes"
    );
    let inside = told(&ports_of(PRIVATE, 15, 20));
    assert_eq!(by(&inside, "port_scan")[0].level, Level::High);
}

#[test]
fn ports_of_many_hosts_together_are_no_port_scan() {
    let spread: Vec<Flow> = (0..60)
        .map(|n| refused(n, PUBLIC, &format!("10.0.1.{}", n % 20), 1_000 + n as i32))
        .collect();
    assert!(by(&told(&spread), "port_scan").is_empty());
}

#[test]
fn sweeps_are_noise_from_outside_and_alarming_from_inside() {
    let outside = told(&hosts_on(PUBLIC, 25, 10));
    let sweeps = by(&outside, "address_scan");
    assert_eq!((sweeps.len(), sweeps[0].level), (1, Level::Low), "{outside:?}");
    assert!(outside.iter().all(|e| e.level <= Level::Low), "{outside:?}");
    assert!(by(&told(&hosts_on(PUBLIC, 24, 10)), "address_scan").is_empty());
    let inside = told(&hosts_on(PRIVATE, 25, 10));
    assert_eq!(by(&inside, "address_scan")[0].level, Level::High);
}

#[test]
fn slow_scans_need_more_and_are_not_told_beside_quick_ones() {
    // One port in eight minutes: 30 of them take four hours.
    let slow = told(&ports_of(PRIVATE, 30, 480));
    assert_eq!(by(&slow, "slow_scan").len(), 1, "{slow:?}");
    assert!(by(&slow, "port_scan").is_empty());
    assert!(by(&told(&ports_of(PRIVATE, 29, 480)), "slow_scan").is_empty());
    let mut both = ports_of(PRIVATE, 30, 480);
    both.extend(ports_of(PRIVATE, 15, 1));
    let both = told(&both);
    assert!(by(&both, "slow_scan").is_empty());
    assert_eq!(by(&both, "port_scan").len(), 1);
}

#[test]
fn answers_heartbeats_and_conversations_are_no_scans() {
    let mut flows = Vec::new();
    for n in 0..200 {
        let asked = accepted(n, "198.51.100.4", "10.0.0.5", 443, 5_000);
        let asked = Flow {
            ports: (40_000 + n as i32, 443),
            ..asked
        };
        // Late answers of the server are refused; a cut tail of one has two packets.
        flows.push(Flow {
            action: Some("REJECT"),
            ..answer(&asked, 80)
        });
        flows.push(Flow {
            packets: 2,
            bytes: 104,
            ..answer(&asked, 104)
        });
        flows.push(asked);
        flows.push(Flow {
            action: None,
            ..refused(n, "0.0.0.0", "0.0.0.0", 0)
        });
        // Reflected answers to random ports.
        flows.push(Flow {
            protocol: 17,
            ports: (53, 2_000 + n as i32),
            ..refused(n, "198.51.100.53", "10.0.0.5", 0)
        });
        // Opened and closed by a health check that says nothing.
        flows.push(Flow {
            packets: 3,
            bytes: 140,
            flags: Some(3),
            ..accepted(n, "10.0.0.2", &format!("10.0.3.{}", n % 60), 8_080, 140)
        });
    }
    let found = told(&flows);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn half_open_scans_are_let_in_and_seen() {
    let half_open = |flags: Option<i32>| -> Vec<Flow> {
        (0..20)
            .map(|n| Flow {
                packets: 1,
                bytes: 44,
                flags,
                ..accepted(i64::from(n), PUBLIC, "10.0.0.5", 100 + n, 44)
            })
            .collect()
    };
    let flagged = told(&half_open(Some(2)));
    let unflagged = told(&half_open(None));
    assert_eq!(by(&flagged, "port_scan")[0].confidence, 0.9);
    assert_eq!(by(&unflagged, "port_scan")[0].confidence, 0.6);
    assert!(by(&told(&half_open(Some(0))), "port_scan").is_empty());
}

#[test]
fn one_or_ten_minutes_of_aggregation_make_no_difference() {
    // A port knocked at again and again is one record a minute, or one in ten: one port either way.
    let stubborn: Vec<Flow> = (0..600)
        .map(|n| refused(n, PRIVATE, "10.0.0.5", 9_000 + (n % 10) as i32))
        .collect();
    assert!(by(&told(&stubborn), "port_scan").is_empty());
    let mut minutely = ports_of(PUBLIC, 40, 2);
    let whole = told(&minutely);
    minutely.extend(
        ports_of(PUBLIC, 40, 2)
            .into_iter()
            .map(|f| Flow { at: f.at + 1, ..f }),
    );
    let again = told(&minutely);
    let count = |found: &[haetae_event::Episode]| by(found, "port_scan")[0].count;
    assert!(
        count(&again) <= count(&whole) + 2,
        "one knock a minute, host and port"
    );
}

#[test]
fn many_sources_scan_one_target_together() {
    let part = |sources: i32, ports: i32| -> Vec<Flow> {
        (0..ports)
            .map(|n| {
                let source = format!("203.0.113.{}", n % sources);
                refused(i64::from(n % 500), &source, "10.0.0.5", 2_000 + n)
            })
            .collect()
    };
    let found = told(&part(40, 160));
    let scans = by(&found, "distributed_scan");
    assert_eq!(
        (scans.len(), scans[0].entity.clone()),
        (1, ip("10.0.0.5")),
        "{found:?}"
    );
    assert!(by(&found, "port_scan").is_empty());
    assert!(by(&told(&part(40, 90)), "distributed_scan").is_empty());
    assert!(
        by(&told(&part(8, 160)), "distributed_scan").is_empty(),
        "each of them is told"
    );
}

#[test]
fn sensitive_ports_attempts_and_entries() {
    let knocks: Vec<Flow> = (0..5)
        .map(|n| refused(n * 10, PUBLIC, &format!("10.0.0.{n}"), 3_389))
        .collect();
    let found = told(&knocks);
    assert_eq!(by(&found, "sensitive_port")[0].level, Level::Informational);
    assert!(found.iter().all(|e| e.level <= Level::Low));
    let mut entered = knocks.clone();
    entered.push(accepted(7_200, PUBLIC, "10.0.0.3", 22, 9_000));
    let found = told(&entered);
    let entries = by(&found, "sensitive_entry");
    assert_eq!((entries.len(), entries[0].level), (1, Level::High), "{found:?}");
    assert_eq!(fact(entries[0], "refused before"), "1", "at this host");
    let mut before = knocks.clone();
    before.push(accepted(-60, PUBLIC, "10.0.0.3", 22, 9_000));
    before.push(accepted(30 * 3_600, PUBLIC, "10.0.0.3", 22, 9_000));
    before.push(accepted(60, "198.51.100.200", "10.0.0.3", 22, 9_000));
    before.push(accepted(60, PUBLIC, "10.0.0.3", 443, 9_000));
    assert!(by(&told(&before), "sensitive_entry").is_empty());
    // A refused ping, a refused web port, another host: none of them is the door that opened.
    let mut elsewhere = vec![
        Flow {
            protocol: 1,
            ports: (0, 0),
            ..refused(0, PUBLIC, "10.0.0.3", 0)
        },
        refused(10, PUBLIC, "10.0.0.3", 8_080),
        refused(20, PUBLIC, "10.0.0.4", 22),
    ];
    elsewhere.push(accepted(3_600, PUBLIC, "10.0.0.3", 22, 9_000));
    assert!(by(&told(&elsewhere), "sensitive_entry").is_empty());
    elsewhere.push(refused(30, PUBLIC, "10.0.0.3", 22));
    assert_eq!(by(&told(&elsewhere), "sensitive_entry").len(), 1);
}

/// 254 hosts on a thousand ports each within three hours, host by host or port by port.
fn large(by_host: bool) -> Vec<Flow> {
    let (hosts, ports) = (254, 1_000);
    (0..hosts * ports)
        .map(|n: i64| {
            let (host, port) = match by_host {
                true => (n / ports, n % ports),
                false => (n % hosts, n / hosts),
            };
            let at = n * 3 * 3_600 / (hosts * ports);
            refused(at, PUBLIC, &format!("10.0.1.{host}"), port as i32 + 1)
        })
        .collect()
}

#[test]
fn a_larger_scan_hides_nothing() {
    for by_host in [true, false] {
        let flows = large(by_host);
        let mut engine = crate::batches::detector("scans");
        let mut told = Vec::new();
        for part in flows.chunks(20_000) {
            engine.observe(&flow_batch(part));
            let evaluation = engine.evaluate(&haetae_detect::Closing::nothing());
            let gone: Vec<_> = evaluation
                .withdrawn
                .iter()
                .filter(|gone| !gone.rule_id.starts_with("slow_scan"))
                .collect();
            assert!(gone.is_empty(), "{by_host}: {gone:?}");
            told.extend(evaluation.episodes);
        }
        let whole = by(&told, if by_host { "port_scan" } else { "address_scan" });
        let last = whole.last().expect("told");
        let hours = (last.window.end.0 - last.window.start.0) as f64 / 3.6e9;
        assert!(hours > 2.5, "{by_host}: {hours}");
        assert!(engine.stats().detector_bytes < 1 << 20, "{:?}", engine.stats());
    }
}

#[test]
fn what_stays_of_a_large_scan_depends_on_no_order() {
    let flows = large(true);
    let found = |flows: &[Flow], cut: usize| {
        let mut engine = engine();
        for part in flows.chunks(cut) {
            engine.observe(&flow_batch(part));
        }
        let mut found = engine.evaluate(&haetae_detect::Closing::everything()).episodes;
        found.sort_by(|a, b| (&a.rule_id, a.window.start).cmp(&(&b.rule_id, b.window.start)));
        found
    };
    let mut shuffled = flows.clone();
    let count = shuffled.len();
    // 7,919 has no factor in common with the length.
    (0..count).for_each(|n| shuffled[n] = flows[n * 7_919 % count].clone());
    assert_eq!(found(&flows, count), found(&shuffled, 33_333));
}
