use super::flows::*;
use haetae_event::{Episode, Level};

const HOST: &str = "10.0.0.21";
const HOUR: i64 = 3_600;

/// Two days of a host and a peer talking to a database, every ten minutes.
fn two_days() -> Vec<Flow> {
    let mut flows = Vec::new();
    for n in 0..288 {
        for host in [HOST, "10.0.0.22"] {
            let asked = accepted(n * 600, host, "10.0.9.9", 5_432, 4_000);
            flows.push(answer(&asked, 20_000));
            flows.push(asked);
        }
    }
    flows
}

fn unusual(extra: &[Flow]) -> Vec<Episode> {
    let mut flows = two_days();
    flows.extend_from_slice(extra);
    let mut found = told(&flows);
    found.retain(|e| e.detector == "unusual_port");
    found
}

#[test]
fn a_port_that_nobody_used_before() {
    let late = 40 * HOUR;
    let found = unusual(&[accepted(late, HOST, "203.0.113.80", 4_444, 9_000)]);
    assert_eq!((found.len(), found[0].entity.clone()), (1, ip(HOST)), "{found:?}");
    assert_eq!(fact(&found[0], "port"), "4444");
    assert!(
        unusual(&[accepted(20 * HOUR, HOST, "203.0.113.80", 4_444, 9_000)]).is_empty(),
        "still warming up"
    );
    let peer_did = [
        accepted(HOUR, "10.0.0.22", "203.0.113.80", 4_444, 9_000),
        accepted(late, HOST, "203.0.113.80", 4_444, 9_000),
    ];
    assert!(unusual(&peer_did).is_empty());
    let own_habit = [
        accepted(HOUR, HOST, "203.0.113.80", 4_444, 9_000),
        accepted(late, HOST, "203.0.113.81", 4_444, 9_000),
    ];
    assert!(unusual(&own_habit).is_empty());
    let ephemeral = [
        accepted(late, HOST, "203.0.113.80", 45_000, 9_000),
        refused(late, HOST, "203.0.113.80", 4_444),
        answer(&accepted(late, "203.0.113.80", HOST, 6_000, 10), 9_000),
    ];
    assert!(unusual(&ephemeral).is_empty());
}

#[test]
fn a_host_that_talks_to_everything_has_no_usual_ports() {
    let mut many: Vec<Flow> = (0..60)
        .map(|n| accepted(HOUR + n, HOST, "203.0.113.80", 100 + n as i32, 9_000))
        .collect();
    many.push(accepted(40 * HOUR, HOST, "203.0.113.80", 4_444, 9_000));
    assert!(unusual(&many).is_empty());
}

fn volumes(extra: &[Flow]) -> Vec<Episode> {
    let mut flows = two_days();
    flows.extend_from_slice(extra);
    let mut found = told(&flows);
    found.retain(|e| e.detector == "exfiltration");
    found
}

fn upload(at: i64, host: &str, to: &str) -> Vec<Flow> {
    (0..6)
        .map(|n| accepted(at + n * 60, host, to, 443, 100_000_000))
        .collect()
}

#[test]
fn much_data_to_a_new_address() {
    let found = volumes(&upload(30 * HOUR, HOST, "203.0.113.99"));
    assert_eq!((found.len(), found[0].level), (1, Level::High), "{found:?}");
    assert_eq!(found[0].entity, ip(HOST));
    assert_eq!(found[0].count, 6);
    assert_eq!(fact(&found[0], "destination"), "203.0.113.99");
    let less = upload(30 * HOUR, HOST, "203.0.113.99")[..4].to_vec();
    assert!(volumes(&less).is_empty());
    // The same bytes over a day are under the hourly measure.
    let slow: Vec<Flow> = (0..6)
        .map(|n| accepted((20 + n * 2) * HOUR, HOST, "203.0.113.99", 443, 100_000_000))
        .collect();
    assert!(volumes(&slow).is_empty());
}

#[test]
fn known_addresses_busy_hosts_and_shared_habits_are_usual() {
    let mut known = vec![accepted(0, "10.0.0.22", "203.0.113.99", 443, 5_000)];
    known.extend(upload(30 * HOUR, HOST, "203.0.113.99"));
    assert!(volumes(&known).is_empty(), "known since the beginning");
    let mut first_seen_long_ago = vec![accepted(HOUR, "10.0.0.22", "203.0.113.99", 443, 5_000)];
    first_seen_long_ago.extend(upload(30 * HOUR, HOST, "203.0.113.99"));
    assert!(volumes(&first_seen_long_ago).is_empty());
    let mut busy = upload(10, HOST, "203.0.113.50");
    busy.extend(upload(30 * HOUR, HOST, "203.0.113.99"));
    assert!(volumes(&busy).is_empty(), "it sent as much in an hour before");
    let mut all = Vec::new();
    for host in [HOST, "10.0.0.22", "10.0.0.23"] {
        all.extend(upload(30 * HOUR, host, "203.0.113.99"));
    }
    assert!(volumes(&all).is_empty(), "three hosts do the same");
    let downloads: Vec<Flow> = upload(30 * HOUR, "203.0.113.99", HOST)
        .iter()
        .map(|asked| answer(asked, 100_000_000))
        .collect();
    assert!(volumes(&downloads).is_empty(), "answers to who asked");
}

#[test]
fn known_bad_addresses_in_and_out() {
    let listed = |flow: Flow| Flow {
        score: Some(95),
        ..flow
    };
    let inbound = told(&[listed(accepted(0, "203.0.113.66", "10.0.0.5", 443, 3_000))]);
    let found = by(&inbound, "known_bad_inbound");
    assert_eq!(
        (found[0].level, found[0].entity.clone()),
        (Level::Low, ip("203.0.113.66"))
    );
    let asked = accepted(0, HOST, "203.0.113.66", 443, 3_000);
    let outbound = told(&[asked.clone(), listed(answer(&asked, 8_000))]);
    let found = by(&outbound, "known_bad_outbound");
    assert_eq!((found[0].level, found[0].entity.clone()), (Level::High, ip(HOST)));
    assert_eq!(fact(found[0], "with"), "203.0.113.66");
    let mut refusal = listed(refused(0, "203.0.113.66", "10.0.0.5", 443));
    assert!(told(&[refusal.clone()]).is_empty());
    (refusal.action, refusal.score) = (Some("ACCEPT"), Some(79));
    refusal.packets = 9;
    assert!(told(&[refusal]).is_empty());
}
