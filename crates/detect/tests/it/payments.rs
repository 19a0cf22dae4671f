//! Abuse of the way to payment, and people who only stumble.

use crate::batches::*;
use haetae_event::{Dataset, Episode, Level};
use proptest::prelude::*;

fn step(at: f64, session: &str, method: &str, uri: &str, status: i32) -> Row {
    Row {
        method: Some(method.into()),
        session: Some(session.into()),
        ..Row::web(at, "192.0.2.1", uri, status)
    }
}

const WAY: [(&str, &str); 5] = [
    ("GET", "/events/26000100"),
    ("GET", "/events/26000100/seats"),
    ("POST", "/api/reservations"),
    ("GET", "/payment/checkout"),
    ("POST", "/api/payments"),
];

fn buy(rows: &mut Vec<Row>, at: f64, session: &str) {
    for (n, (method, uri)) in WAY.iter().enumerate() {
        rows.push(step(at + n as f64 * 8.0, session, method, uri, 200));
    }
}

/// `count` people who buy as they should.
fn people(count: u32) -> Vec<Row> {
    let mut rows = Vec::new();
    for n in 0..count {
        let begin = rows.len();
        buy(&mut rows, f64::from(n) * 20.0, &format!("person{n}"));
        let home = |row: &mut Row| row.src = Some(format!("203.0.113.{n}"));
        rows[begin..].iter_mut().for_each(home);
    }
    rows
}

fn told(rows: &[Row]) -> Vec<Episode> {
    detected("payment_", Dataset::Web, rows)
}

fn titles(found: &[Episode], session: &str) -> Vec<String> {
    let own = found.iter().filter(|e| e.entity.value == session);
    own.map(|e| e.title.clone()).collect()
}

#[test]
fn skipped_repeated_and_disordered_payments_are_told() {
    let mut rows = people(60);
    for n in 0..6 {
        let at = 500.0 + f64::from(n) * 12.0;
        rows.push(step(
            at,
            "skipper",
            "POST",
            ["/api/payments", "/api/%70ayments", "//api/payments;v=1"][n as usize % 3],
            [200, 400, 409][n as usize % 3],
        ));
        rows.push(step(at, "disordered", "POST", "/api/payments", 200));
        rows.push(step(at + 1.0, "disordered", "GET", "/payment/checkout", 200));
        rows.push(step(at + 2.0, "disordered", "POST", "/api/reservations", 200));
        rows.push(step(at + 60.0, "replayer", "POST", "/api/payments", 200));
    }
    buy(&mut rows, 500.0, "replayer");
    let found = told(&rows);
    assert_eq!(
        titles(&found, "skipper"),
        ["Payment flow: steps before the payment left out"]
    );
    assert_eq!(
        titles(&found, "disordered"),
        ["Payment flow: payment before the steps it needs"]
    );
    assert_eq!(
        titles(&found, "replayer"),
        ["Payment flow: payment sent again without a new order"]
    );
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found
            .iter()
            .all(|e| e.level == Level::High && e.entity.kind == "session")
    );
    assert_eq!(
        found[0]
            .facts
            .iter()
            .find(|(key, _)| key == "missing steps")
            .map(|_| ()),
        Some(())
    );
}

#[test]
fn two_violations_are_a_stumble() {
    let mut rows = people(60);
    for n in 0..2 {
        rows.push(step(
            500.0 + f64::from(n) * 12.0,
            "lost",
            "POST",
            "/api/payments",
            200,
        ));
    }
    assert_eq!(told(&rows), []);
}

#[test]
fn double_presses_declined_cards_and_second_purchases_are_nothing() {
    let mut rows = people(60);
    for n in 0..40 {
        let session = format!("clumsy{n}");
        let at = f64::from(n) * 25.0;
        buy(&mut rows, at, &session);
        // Pressed again before the page changed.
        rows.push(step(at + 32.5, &session, "POST", "/api/payments", 200));
        rows.push(step(at + 33.1, &session, "POST", "/api/payments", 409));
    }
    for (n, status) in [402, 402, 503, 402, 200].into_iter().enumerate() {
        rows.push(step(
            900.0 + n as f64 * 20.0,
            "poor",
            "POST",
            "/api/payments",
            status,
        ));
    }
    for (method, uri) in &WAY[..4] {
        rows.push(step(890.0, "poor", method, uri, 200));
    }
    for n in 0..6 {
        buy(&mut rows, 1_000.0 + f64::from(n) * 60.0, "keen");
    }
    assert_eq!(told(&rows), []);
}

#[test]
fn a_few_clients_teach_nothing() {
    let mut rows = people(12);
    for n in 0..10 {
        rows.push(step(
            100.0 + f64::from(n) * 12.0,
            "skipper",
            "POST",
            "/api/payments",
            200,
        ));
    }
    assert_eq!(
        told(&rows),
        [],
        "thirteen clients are too few to say what is required"
    );
}

#[test]
fn an_app_has_its_own_way() {
    let mut rows = people(60);
    for n in 0..80u32 {
        for again in 0..4 {
            // The app orders and pays in one screen, four times.
            let at = f64::from(n) * 10.0 + f64::from(again) * 100.0;
            for (offset, uri) in [(0.0, "/api/reservations"), (4.0, "/api/payments")] {
                let mut row = step(at + offset, &format!("app{n}"), "POST", uri, 200);
                row.ua = Some("HaetaeTicket/5.2 (Android 14)".into());
                row.src = Some(format!("198.51.100.{n}"));
                rows.push(row);
            }
        }
    }
    assert_eq!(told(&rows), []);
    // A browser that does the same is told.
    for again in 0..4 {
        let at = 300.0 + f64::from(again) * 100.0;
        rows.push(step(at, "copy", "POST", "/api/reservations", 200));
        rows.push(step(at + 4.0, "copy", "POST", "/api/payments", 200));
    }
    assert_eq!(titles(&told(&rows), "copy").len(), 1);
}

fn skip(at: f64, src: &str, session: &str, ua: Option<&str>) -> Row {
    let row = step(at, session, "POST", "/api/payments", 200);
    Row {
        src: Some(src.into()),
        ua: ua.map(str::to_owned).or(row.ua.clone()),
        ..row
    }
}

#[test]
fn a_program_that_few_pay_with_is_held_to_the_way_of_browsers() {
    let told_of = |payments: u32, sessions: u32| -> Vec<Episode> {
        let mut rows = people(60);
        for n in 0..payments {
            let session = format!("rare{}", n % sessions);
            let at = 500.0 + f64::from(n) * 12.0;
            rows.push(skip(at, "198.51.100.7", &session, Some("Rare/1.0 (none)")));
        }
        told(&rows)
    };
    let few = told_of(3, 1);
    assert_eq!((few.len(), few[0].level), (1, Level::Low), "{few:?}");
    assert!(few[0].confidence < 0.6, "{few:?}");
    let many = told_of(8, 1);
    assert_eq!((many.len(), many[0].level), (1, Level::Medium));
    // Forty sessions of one address are no kind of their own.
    let made_up = told_of(40, 40);
    assert_eq!(made_up.len(), 1, "{made_up:?}");
    assert_eq!(made_up[0].entity.value, "198.51.100.7");
}

#[test]
fn a_session_for_each_payment_is_no_way_around() {
    let mut rows = people(60);
    for n in 0..20 {
        let at = 500.0 + f64::from(n) * 12.0;
        rows.push(skip(at, "198.51.100.7", &format!("fresh{n}"), None));
    }
    let found = told(&rows);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].entity.kind.as_str(), found[0].entity.value.as_str()),
        ("ip", "198.51.100.7")
    );
    assert_eq!((found[0].level, found[0].count), (Level::High, 20));
    // A few who stumble among many at one address are nothing.
    let mut office = people(60);
    let mut crowd = people(60);
    for (n, row) in crowd.iter_mut().enumerate() {
        row.session = Some(format!("office{}", n / WAY.len()));
        row.src = Some("198.51.100.8".into());
    }
    office.extend(crowd);
    for n in 0..4 {
        let at = 500.0 + f64::from(n) * 12.0;
        office.push(skip(at, "198.51.100.8", &format!("stray{n}"), None));
    }
    assert_eq!(told(&office), []);
}

#[test]
fn many_people_behind_one_address_are_counted_fairly() {
    let mut rows = people(60);
    for row in &mut rows {
        // No session in the log, one address, one browser: all purchases interleave.
        row.session = None;
        row.src = Some("192.0.2.1".into());
    }
    rows.extend(people(60).into_iter().map(|row| Row {
        at: row.at + 13.0,
        src: Some("198.51.100.9".into()),
        session: None,
        ..row
    }));
    for n in 0..40u32 {
        let others = people(1).into_iter().map(|row| Row {
            at: row.at + f64::from(n) * 40.0,
            src: Some(format!("203.0.113.{n}")),
            session: None,
            ..row
        });
        rows.extend(others);
    }
    assert_eq!(told(&rows), []);
}

#[test]
fn cards_tried_out_are_told() {
    let mut rows = people(60);
    buy(&mut rows, 500.0, "carder");
    rows.push(step(535.0, "carder", "POST", "/api/reservations", 200));
    rows.push(step(536.0, "carder", "GET", "/payment/checkout", 200));
    for n in 0..14 {
        rows.push(step(
            540.0 + f64::from(n) * 15.0,
            "carder",
            "POST",
            "/api/payments",
            402,
        ));
    }
    let found = told(&rows);
    assert_eq!(
        (found.len(), found[0].detector.as_str()),
        (1, "payment_declined"),
        "{found:?}"
    );
}

fn row() -> impl Strategy<Value = Row> {
    (
        0u32..3_000,
        0u8..6,
        0usize..5,
        prop::sample::select(vec![200, 200, 402, 409]),
    )
        .prop_map(|(at, session, place, status)| {
            let (method, uri) = WAY[place];
            step(f64::from(at), &format!("s{session}"), method, uri, status)
        })
}

fn few_clients_suffice() -> haetae_detect::Engine {
    let yaml = section("payment")
        .replace("clients_min: 30", "clients_min: 2")
        .replace("required_share_min: 0.95", "required_share_min: 0.5");
    let mut rules = haetae_detect::RuleSet::empty();
    rules.load_detectors("detectors.yml", &yaml);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    haetae_detect::Engine::new(rules, haetae_detect::EngineOptions::one_shot())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same_findings(
        (rows, shuffled) in prop::collection::vec(row(), 0..150)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        cuts in prop::collection::vec((1usize..30, prop::option::of(0i64..4_000)), 1..20),
    ) {
        crate::order::same_whatever_the_order(&rows, &shuffled, &cuts, few_clients_suffice)?;
    }
}
