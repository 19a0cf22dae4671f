//! The population that is brought up to date is the one that is reckoned from nothing.

use super::population::{Population, Scratch, Sign};
use super::*;
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use proptest::prelude::*;
use std::sync::Arc;

const DETECTORS: &str = "
macros: {enabled: true, requests_min: 3, evidence_macro_min: 3.0, evidence_automation_min: 1.0, requests_per_minute_min: 2, regularity_max: 11.0, not_a_browser_max: 8.0, submit_max: 9.0, sequence_max: 9.0, bare_pages_max: 6.0, level: high, automation_level: medium, why: t, falsepositives: []}
";

const SECOND_US: i64 = 1_000_000;
const START_US: i64 = 1_772_323_200 * SECOND_US;

/// Time, client, what, session, and whether with a referer.
type Ask = (i64, u8, (&'static str, &'static str), u8, bool);

/// Within two windows; many on a beat, many in the same minutes.
fn ask() -> impl Strategy<Value = Ask> {
    let what = prop::sample::select(vec![
        ("GET", "/events/1"),
        ("GET", "/events/2/seats"),
        ("GET", "/static/a.js"),
        ("GET", "/static/b.css"),
        ("GET", "/api/queue/status"),
        ("POST", "/api/reservations"),
        ("POST", "/api/payments"),
    ]);
    let at = (0i64..3_600, any::<bool>(), 0i64..1_000_000).prop_map(|(second, beat, part)| match beat {
        true => second / 20 * 20 * SECOND_US,
        false => second * SECOND_US + part,
    });
    (at, 0u8..3, what, 0u8..4, any::<bool>()).prop_map(|(at, client, what, session, referer)| {
        // Clients come and go: few of them have news.
        let client = (at / (200 * SECOND_US)) as u8 * 2 + client;
        (at, client, what, session, referer)
    })
}

fn batch(asks: &[Ask]) -> EventBatch {
    let ts = asks.iter().map(|ask| START_US + ask.0).collect::<Vec<_>>();
    let texts = |of: &dyn Fn(&Ask) -> Option<String>| -> ArrayRef {
        Arc::new(asks.iter().map(of).collect::<StringViewArray>())
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        ),
        ("src_ip", texts(&|ask| Some(format!("192.0.2.{}", ask.1)))),
        ("method", texts(&|ask| Some(ask.2.0.to_owned()))),
        ("uri", texts(&|ask| Some(ask.2.1.to_owned()))),
        (
            "session_id",
            texts(&|ask| (ask.3 > 0).then(|| format!("s{}", ask.3))),
        ),
        (
            "cs_referer",
            texts(&|ask| ask.4.then(|| "https://t.example/".to_owned())),
        ),
        ("status", Arc::new(Int32Array::from(vec![200; asks.len()]))),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::Web,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

fn detector() -> Clients {
    let mut rules = crate::RuleSet::empty();
    rules.load_detectors("detectors.yml", DETECTORS);
    Clients::new(rules.detectors().expect("they are well-formed"))
}

/// The population of a window up to an instant, from all its timelines.
fn from_nothing(clients: &Clients, window: i32, at: u32) -> Population {
    let mut population = Population::default();
    let spans = || clients.clients.iter().filter_map(|client| client.span(window));
    for actor in spans().flat_map(|span| span.actors(at)) {
        population.count(&actor, 3, &mut Scratch::default(), Sign::Add);
    }
    population.finish();
    if population.opening().is_some() {
        for actor in spans().flat_map(|span| span.actors(at)) {
            if actor.sums().assets > 0 {
                population.add_reaction(&actor);
            }
        }
        population.finish_reactions();
    }
    population
}

/// Compares the populations that were brought up to date since the last call; returns how many
/// were. Between that and the next time they lack what came late.
fn compare(clients: &Clients, compared: &mut BTreeMap<WindowId, u32>) -> usize {
    let fresh = clients.windows.iter().filter_map(|(id, window)| {
        let known = window.known.as_ref()?;
        if compared.insert(*id, known.at) == Some(known.at) {
            return None;
        }
        let anew = from_nothing(clients, id.2, known.at);
        assert!(known.population == anew, "window {id:?} at {}", known.at);
        Some(())
    });
    fresh.count()
}

fn observe(clients: &mut Clients, hasher: &RandomState, asks: &[Ask]) {
    let batch = batch(asks);
    clients.observe(&batch, &Rows::new(&batch, hasher));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Asks come about in their order, some of them late, and judgements at any time.
    #[test]
    fn populations_grow_to_what_they_would_be_from_nothing(
        mut asks in prop::collection::vec((ask(), prop::option::weighted(0.05, 0i64..3_000)), 1..400),
        size in 5usize..80,
        behind_s in 0i64..200,
    ) {
        asks.sort_by_key(|(ask, late)| ask.0 + late.unwrap_or(0) * SECOND_US);
        let asks: Vec<Ask> = asks.into_iter().map(|(ask, _)| ask).collect();
        let (mut clients, hasher) = (detector(), RandomState::with_seeds(1, 2, 3, 4));
        let (mut newest, mut compared) = (0, BTreeMap::new());
        for part in asks.chunks(size) {
            observe(&mut clients, &hasher, part);
            newest = part.iter().map(|ask| ask.0).fold(newest, i64::max);
            let closing = Closing::at(START_US + newest - behind_s * SECOND_US);
            clients.evaluate(&closing, &mut Evaluation::default());
            compare(&clients, &mut compared);
        }
    }
}

/// Timelines that are thinned between two judgements, and a sale that opens.
#[test]
fn busy_clients_and_an_opening_change_nothing() {
    let (mut clients, hasher) = (detector(), RandomState::with_seeds(1, 2, 3, 4));
    let (mut compared, mut fresh) = (BTreeMap::new(), 0);
    for minute in 0..29i64 {
        let mut asks: Vec<Ask> = (0..2_400i64)
            .map(|n| {
                let session = (n * 7 % 251) as u8;
                let at = (minute * 60_000 + n * 25) * 1_000;
                let client = 100 + (minute / 4 * 3 + n % 3) as u8;
                (at, client, ("GET", "/events/1"), session, n % 2 == 0)
            })
            .collect();
        asks.extend((0..40i64).map(|n| {
            let at = (minute * 60 + 3 + n / 20) * SECOND_US + n;
            let what = if n % 4 == 0 {
                ("GET", "/static/a.js")
            } else {
                ("POST", "/api/reservations")
            };
            (at, 10 + (n % 25) as u8, what, 0, true)
        }));
        asks.retain(|ask| ask.1 >= 100 || minute == 14);
        observe(&mut clients, &hasher, &asks);
        let closing = Closing::at(START_US + (minute * 60 + 40) * SECOND_US);
        clients.evaluate(&closing, &mut Evaluation::default());
        fresh += compare(&clients, &mut compared);
    }
    assert!(fresh > 8, "{fresh}");
}

/// Who is forgotten is no part of the population any more, whether it had news since or not.
#[test]
fn who_is_forgotten_is_taken_out_of_the_population() {
    let (mut clients, hasher) = (detector(), RandomState::with_seeds(1, 2, 3, 4));
    let asks = |from: i64| -> Vec<Ask> {
        let ask = |n: i64| {
            let what = [
                ("GET", "/events/1"),
                ("GET", "/static/a.js"),
                ("GET", "/events/2/seats"),
            ];
            let at = (from + n / 20) * SECOND_US + n;
            (
                at,
                (n % 60) as u8,
                what[(n * 7 % 3) as usize],
                (n % 2) as u8,
                n % 5 == 0,
            )
        };
        (0..1_200).map(ask).collect()
    };
    observe(&mut clients, &hasher, &asks(0));
    let closing = |second: i64| Closing::at(START_US + second * SECOND_US);
    clients.evaluate(&closing(60), &mut Evaluation::default());
    assert_eq!(compare(&clients, &mut BTreeMap::new()), 1);
    // Some of whom nothing is known since, and some of whom there is.
    observe(&mut clients, &hasher, &asks(61)[..400]);
    assert_eq!(
        clients.give_up(|client| client.key % 3 == 0),
        60 - clients.clients.len() as u64
    );
    assert!((20..59).contains(&clients.clients.len()));
    let held: usize = clients.clients.iter().map(Client::bytes).sum();
    assert_eq!(clients.held, held);
    clients.evaluate(&closing(80), &mut Evaluation::default());
    assert_eq!(compare(&clients, &mut BTreeMap::new()), 1);
}
