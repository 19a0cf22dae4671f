//! Scoring, with labels and findings made by hand.

use super::support::short;
use haetae_event::{Entity, Level, Micros, TimeWindow};
use haetae_simulate::score::{Options, Prices, ScoreReport, Told, pool, render, score};
use haetae_simulate::{
    ActorLabel, AttackKind, CampaignLabel, Criterion, Labels, Mark, SaleLabel, Scenario, Totals, Visitor,
    VisitorLabel,
};

const SECOND: i64 = 1_000_000;

fn at(second: i64) -> Micros {
    Micros(1_772_413_200 * SECOND + second * SECOND)
}

fn entity(kind: &str, value: &str) -> Entity {
    Entity {
        kind: kind.into(),
        value: value.into(),
    }
}

fn actor(id: &str, names: &[(&str, &str)], detectable: Option<i64>) -> ActorLabel {
    ActorLabel {
        id: id.into(),
        entities: names.iter().map(|(kind, value)| entity(kind, value)).collect(),
        start: at(100),
        end: at(400),
        events: 300,
        detectable_at: detectable.map(at),
    }
}

/// Ten events, a kilobyte and one trip to the origin each second from 100 to 400.
fn campaign(
    id: &str,
    kind: AttackKind,
    actors: Vec<ActorLabel>,
    aggregates: &[(&str, &str)],
) -> CampaignLabel {
    let mark = |second: u64| Mark {
        at: at(100 + second as i64),
        events: second * 10,
        bytes_out: second * 1_000,
        origin_requests: second,
    };
    CampaignLabel {
        id: id.into(),
        kind,
        variant: id.into(),
        criterion: Criterion {
            what: "by hand".into(),
            events: 1,
            bytes: 0,
            window_s: 1,
            by_actor: true,
        },
        start: at(100),
        end: at(400),
        detectable_at: actors.iter().filter_map(|actor| actor.detectable_at).min(),
        may_block: kind != AttackKind::Macro,
        actors,
        aggregates: aggregates
            .iter()
            .map(|(kind, value)| entity(kind, value))
            .collect(),
        events: 3_000,
        requests: 3_000,
        bytes_in: 0,
        bytes_out: 300_000,
        origin_requests: 300,
        flow_bytes: 0,
        marks: (1..=300).map(mark).collect(),
    }
}

fn labels() -> Labels {
    let macros = vec![
        actor(
            "m-1",
            &[("ip", "175.112.0.9"), ("account", "m0000001")],
            Some(150),
        ),
        actor("m-2", &[("ip", "175.112.0.10")], Some(160)),
        actor("m-3", &[("ip", "175.112.0.11")], None),
    ];
    let spread = (0..10).map(|n| actor(&format!("e-{n}"), &[("ip", &format!("198.19.7.{n}"))], Some(200)));
    Labels {
        scenario: Scenario::Mixed,
        seed: 1,
        start: at(0),
        end: at(1_800),
        attacks: Vec::new(),
        totals: Totals::default(),
        campaigns: vec![
            campaign(
                "macro-1",
                AttackKind::Macro,
                macros,
                &[("path", "/api/events/7/seats")],
            ),
            campaign(
                "edos-1",
                AttackKind::Edos,
                spread.collect(),
                &[("net", "198.19.7.0/24"), ("ua", "Mozilla/5.0 x")],
            ),
        ],
        visitors: vec![VisitorLabel {
            kind: Visitor::CarrierNat,
            events: 900,
            addresses_total: 1,
            addresses: vec!["223.33.1.2".parse().expect("an address")],
        }],
        reverse_names: Vec::new(),
        networks: Vec::new(),
        sales: vec![SaleLabel {
            opens: at(300),
            path: "/events/7".into(),
            users: 10,
        }],
        partner_keys: Vec::new(),
    }
}

fn told(rule: &str, kind: &str, value: &str, second: i64) -> Told {
    Told {
        rule_id: rule.into(),
        title: String::new(),
        level: Level::High,
        entity: entity(kind, value),
        window: TimeWindow {
            start: at(second - 30),
            end: at(second),
        },
        told_at: at(second),
        may_block: false,
    }
}

fn judge(told: &[Told]) -> ScoreReport {
    score(&labels(), told, &Options::default())
}

fn kind(report: &ScoreReport, kind: AttackKind) -> &haetae_simulate::score::KindScore {
    report
        .kinds
        .iter()
        .find(|score| score.kind == Some(kind))
        .expect("a row")
}

#[test]
fn nothing_told_is_no_recall_and_no_precision() {
    let report = judge(&[]);
    assert_eq!(report.total.recall, Some(0.0));
    assert_eq!(report.total.precision, None);
    // The third macro's end came too early: it is not asked for.
    assert_eq!(report.total.actors, 12);
    assert!(report.campaigns.iter().all(|campaign| campaign.first.is_none()));
}

#[test]
fn names_count_for_their_actor_whatever_the_rule() {
    let report = judge(&[
        told("9b1c", "ip", "175.112.0.9", 170),
        told("x", "account", "m0000001", 190),
    ]);
    let macros = kind(&report, AttackKind::Macro);
    assert_eq!((macros.actors_found, macros.actors), (1, 2));
    assert_eq!(macros.precision, Some(1.0));
    let delay = macros.delay_s.expect("one was found");
    assert_eq!((delay.median, delay.max, delay.within_60s), (20.0, 20.0, 1.0));
    let first = report.campaigns[0].first.as_ref().expect("found");
    assert_eq!(
        (first.events, first.seconds, first.seconds_late),
        (700, 70.0, Some(20.0))
    );
    assert_eq!(first.prevented.events, 2_300);
    assert_eq!(first.prevented.origin_requests, 230);
}

#[test]
fn networks_find_those_inside_and_other_aggregates_need_the_kind() {
    let by_net = judge(&[told("9b1c", "net", "198.19.7.0/24", 260)]);
    assert_eq!(kind(&by_net, AttackKind::Edos).recall, Some(1.0));
    // A rule that says nothing of its kind cannot be true by a user agent.
    let unspoken = judge(&[told("9b1c", "ua", "Mozilla/5.0 x", 260)]);
    assert_eq!(kind(&unspoken, AttackKind::Edos).recall, Some(0.0));
    assert_eq!(unspoken.false_findings.len(), 1);
    let spoken = judge(&[told("edos-cluster", "ua", "Mozilla/5.0 x", 260)]);
    assert_eq!(kind(&spoken, AttackKind::Edos).recall, Some(1.0));
    let mapped = Options {
        rules: [("9b1c".to_owned(), vec![AttackKind::Edos])].into(),
        ..Options::default()
    };
    let mapped = score(&labels(), &[told("9b1c", "ua", "Mozilla/5.0 x", 260)], &mapped);
    assert_eq!(kind(&mapped, AttackKind::Edos).recall, Some(1.0));
    // Too wide a network says nothing.
    assert_eq!(
        judge(&[told("edos", "net", "198.0.0.0/8", 260)])
            .total
            .actors_found,
        0
    );
}

#[test]
fn another_time_is_another_matter() {
    let early = judge(&[told("edos", "ip", "198.19.7.1", 90)]);
    assert_eq!(early.total.actors_found, 0);
    assert!(
        early.false_findings[0].reason.contains("another time"),
        "{early:?}"
    );
    let late = judge(&[told("edos", "ip", "198.19.7.1", 400 + 631)]);
    assert_eq!(late.false_findings.len(), 1);
    let just = judge(&[told("edos", "ip", "198.19.7.1", 400 + 629)]);
    assert!(just.false_findings.is_empty());
}

#[test]
fn false_findings_name_the_visitor_and_count_once_per_entity() {
    let gateway = told("http-flood", "ip", "223.33.1.2", 310);
    let again = told("http-flood", "ip", "223.33.1.2", 320);
    let person = told("macro-interval", "ip", "121.130.1.1", 330);
    let right = told("macro-interval", "ip", "175.112.0.10", 330);
    let report = judge(&[gateway, again, person, right]);
    assert_eq!(report.false_findings[0].visitors, [Visitor::CarrierNat]);
    assert!(report.false_findings[0].reason.contains("while a sale opened"));
    assert_eq!(report.false_findings[2].visitors, [Visitor::Person]);
    assert_eq!((report.total.true_entities, report.total.false_entities), (1, 2));
    assert_eq!(report.total.precision, Some(1.0 / 3.0));
    assert_eq!(kind(&report, AttackKind::Macro).precision, Some(0.5));
    // The gateway is one incident.
    assert_eq!((report.notifications.all, report.notifications.unfounded), (3, 2));
    assert_eq!(report.notifications.unfounded_on_worst_day, 2);
}

#[test]
fn blocks_are_right_by_name_or_network_only() {
    let block = |kind: &str, value: &str| Told {
        may_block: true,
        ..told("edos-macro", kind, value, 250)
    };
    let report = judge(&[
        block("ip", "198.19.7.3"),
        block("net", "198.19.7.0/24"),
        block("ip", "175.112.0.9"),
        block("ua", "Mozilla/5.0 x"),
    ]);
    let blocking = report.blocking.clone();
    assert_eq!((blocking.findings, blocking.rightly, blocking.shared), (4, 3, 1));
    assert_eq!(blocking.precision, Some(0.75));
    assert_eq!(blocking.precision_own, Some(0.5));
}

#[test]
fn low_levels_are_not_counted_and_order_does_not_matter() {
    let quiet = Told {
        level: Level::Low,
        ..told("x", "ip", "8.8.8.8", 200)
    };
    let many = [
        quiet,
        told("edos", "ip", "198.19.7.2", 300),
        told("edos", "ip", "198.19.7.2", 210),
        told("macro", "ip", "175.112.0.9", 250),
        told("flood", "ip", "121.130.1.1", 250),
    ];
    let forth = judge(&many);
    let mut back = many;
    back.reverse();
    assert_eq!(forth, judge(&back));
    assert_eq!(forth.total.false_entities, 1);
    assert_eq!(forth.campaigns[1].first.as_ref().expect("found").told_at, at(210));
}

#[test]
fn money_needs_prices() {
    let options = Options {
        prices: Some(Prices {
            per_million_requests: 10.0,
            per_gb_out: 100.0,
            per_million_origin_requests: 1_000.0,
        }),
        ..Options::default()
    };
    let report = score(&labels(), &[told("edos", "ip", "198.19.7.2", 200)], &options);
    let usd = report.campaigns[1].first.as_ref().expect("found").prevented.usd;
    // 2,000 requests, 0.2 MB and 200 trips to the origin were to come.
    let expected = 2_000.0 / 1e6 * 10.0 + 0.0002 * 100.0 + 200.0 / 1e6 * 1_000.0;
    assert!((usd.expect("prices") - expected).abs() < 1e-9);
}

#[test]
fn rules_that_group_by_several_fields_are_read_in_parts() {
    let report = judge(&[told("9b1c", "src_ip,uri", "175.112.0.9,/login", 170)]);
    assert_eq!(report.total.actors_found, 1);
}

#[test]
fn reports_read_back_and_print() {
    let report = judge(&[
        told("macro", "ip", "175.112.0.9", 170),
        told("x", "ip", "1.2.3.4", 170),
    ]);
    let text = serde_json::to_string(&report).expect("serialises");
    let back: ScoreReport = serde_json::from_str(&text).expect("reads back");
    assert_eq!(back, report);
    let text = render(&report);
    for wanted in [
        "macro-1",
        "missed",
        "false: high x on ip 1.2.3.4",
        "recall",
        "may block",
    ] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
}

#[test]
fn pooled_reports_add_up() {
    let good = judge(&[told("macro", "ip", "175.112.0.9", 170)]);
    let bad = judge(&[
        told("flood", "ip", "121.130.1.1", 250),
        told("edos", "net", "198.19.7.0/24", 260),
    ]);
    let both = pool(&[good, bad]);
    assert_eq!((both.total.actors_found, both.total.actors), (11, 24));
    assert_eq!((both.total.true_entities, both.total.false_entities), (2, 1));
    assert_eq!(both.total.precision, Some(2.0 / 3.0));
    assert_eq!(
        (both.worst_recall, both.worst_precision),
        (Some(1.0 / 12.0), Some(0.5))
    );
    let edos = both
        .kinds
        .iter()
        .find(|score| score.kind == Some(AttackKind::Edos));
    assert_eq!(edos.and_then(|score| score.recall), Some(0.5));
}

#[test]
fn telling_the_labels_themselves_is_perfect() {
    let run = short(Scenario::Mixed, 21);
    let mut all = Vec::new();
    for campaign in &run.labels.campaigns {
        for actor in &campaign.actors {
            let Some(detectable_at) = actor.detectable_at else {
                continue;
            };
            all.push(Told {
                window: TimeWindow {
                    start: actor.start,
                    end: detectable_at,
                },
                told_at: detectable_at,
                may_block: campaign.may_block,
                ..told(campaign.kind.as_str(), "ip", &actor.entities[0].value, 0)
            });
        }
    }
    let report = score(&run.labels, &all, &Options::default());
    assert_eq!(report.total.recall, Some(1.0));
    assert_eq!(report.total.precision, Some(1.0));
    assert_eq!(report.blocking.precision, Some(1.0));
    assert_eq!(report.blocking.shared, 0);
    assert_eq!(report.notifications.unfounded, 0);
    assert_eq!(report.total.delay_s.expect("found").max, 0.0);
}
