//! Windows that change late, and windows kept request by request.

use super::features::{Hit, batch, hit};
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, EventBatch, Micros, TenantId};
use haetae_learn::features::online::{Asked, Online};
use haetae_learn::features::{COUNT, Changed, Extractor, Options, WindowKey};
use proptest::prelude::*;
use std::collections::BTreeMap;

const COLUMNS: [&str; 5] = ["ts", "src_ip", "method", "uri", "ua"];

/// Only what a site says of a request that it asks about.
fn asked_batch(hits: &[Hit]) -> EventBatch {
    let whole = batch(hits);
    let schema = whole.records.schema();
    let places: Vec<usize> = COLUMNS
        .iter()
        .filter_map(|name| schema.index_of(name).ok())
        .collect();
    EventBatch {
        records: whole.records.project(&places).expect("columns that are there"),
        ..whole
    }
}

fn bits(values: &[f64; COUNT]) -> Vec<u64> {
    // One bit pattern for every NaN.
    let plain = |v: &f64| if v.is_nan() { f64::NAN } else { *v };
    values.iter().map(|v| plain(v).to_bits()).collect()
}

fn ask(online: &Online<u32>, hit: &Hit) -> Option<[f64; COUNT]> {
    let asked = Asked {
        method: hit.method,
        uri: &hit.uri,
        ua: hit.ua,
    };
    let client = hit.ip.as_deref().expect("asked about by address");
    let who = (&TenantId::default(), client);
    online.ask(who, Micros(hit.ts_us), &asked, |window, calls| {
        *calls += 1;
        assert_eq!(
            window.requests(),
            u64::from(*calls),
            "the state begins with the window"
        );
        window.values()
    })
}

fn hits() -> impl Strategy<Value = Vec<Hit>> {
    let uri = prop_oneof![
        Just("/"),
        Just("/a.css?v=1"),
        Just("/seat?id=%27%20or%201=1&x=2"),
        Just("/very/long/path/that/nobody/has/ever/seen?q=%EC%98%88%EB%A7%A4"),
        Just("/b?"),
    ];
    let one = (0.0f64..300.0, 0u8..4, uri, 0usize..4, 0usize..3).prop_map(|(at, ip, uri, method, ua)| Hit {
        method: ["GET", "POST", "head", "PROPFIND"][method],
        ua: [Some("Mozilla/5.0"), Some("-"), None][ua],
        ..hit(at, &format!("192.0.2.{ip}"), uri)
    });
    prop::collection::vec(one, 1..300)
}

proptest! {
    /// After its last request each window has the numbers that the batch would give.
    #[test]
    fn request_by_request_is_the_same_as_by_batch(mut hits in hits()) {
        let mut extractor = Extractor::new(Options::default());
        extractor.observe(&asked_batch(&hits));
        let expected: BTreeMap<WindowKey, Vec<u64>> =
            extractor.rows().iter().map(|row| (row.key.clone(), bits(&row.values))).collect();
        hits.sort_by_key(|hit| hit.ts_us);
        let online = Online::new(MINUTE_US, 0, 1 << 20);
        let mut last = BTreeMap::new();
        for hit in &hits {
            let key = WindowKey {
                tenant: TenantId::default(),
                client: hit.ip.clone().expect("set"),
                start: Micros(hit.ts_us).floor_to(MINUTE_US),
            };
            last.insert(key, bits(&ask(&online, hit).expect("in order of time")));
        }
        prop_assert_eq!(last, expected);
    }

    /// Whatever the order, and whatever was judged in between, the last word on each window is the
    /// same.
    #[test]
    fn late_events_change_what_was_taken(hits in hits(), cuts in prop::collection::vec(1usize..40, 1..12)) {
        let mut whole = Extractor::new(Options { clients_max: 3, ..Options::default() });
        whole.observe(&batch(&hits));
        let expected: BTreeMap<WindowKey, Vec<u64>> =
            whole.rows().iter().map(|row| (row.key.clone(), bits(&row.values))).collect();
        let mut parts = Extractor::new(Options { clients_max: 3, ..Options::default() });
        let mut known = BTreeMap::new();
        let mut rest = &hits[..];
        let mut take = |parts: &mut Extractor, closed: Micros| {
            let Changed { rows, gone } = parts.take_changed(|_| closed);
            rows.iter().for_each(|row| { known.insert(row.key.clone(), bits(&row.values)); });
            gone.iter().for_each(|key| { known.remove(key); });
        };
        for (n, cut) in cuts.iter().enumerate() {
            let (part, later) = rest.split_at((*cut).min(rest.len()));
            parts.observe(&batch(part));
            take(&mut parts, Micros(n as i64 * 45_000_000));
            rest = later;
        }
        parts.observe(&batch(rest));
        take(&mut parts, Micros::MAX);
        prop_assert_eq!(known, expected);
        prop_assert_eq!(parts.take_changed(|_| Micros::MAX), Changed::default());
    }
}

/// The log of requests that were asked about weighs nothing; one that knows more counts.
#[test]
fn the_log_counts_only_where_it_knows_more() {
    let online: Online<u32> = Online::new(MINUTE_US, 0, 1 << 20);
    let asked: Vec<Hit> = (0..20).map(|n| hit(f64::from(n), "192.0.2.1", "/")).collect();
    asked.iter().for_each(|hit| {
        ask(&online, hit);
    });
    online.observe(&batch(&asked));
    let count = |ip: &str| {
        let one = hit(30.0, ip, "/");
        let asked = Asked {
            method: "GET",
            uri: "/",
            ua: None,
        };
        let who = (&TenantId::default(), ip);
        online
            .ask(who, Micros(one.ts_us), &asked, |window, _| window.requests())
            .expect("the newest window")
    };
    assert_eq!(
        count("192.0.2.1"),
        21,
        "20 asked about, the same 20 in the log, and this one"
    );
    let others: Vec<Hit> = (0..40)
        .map(|n| hit(f64::from(n) * 0.5, "192.0.2.2", "/"))
        .collect();
    online.observe(&batch(&others));
    assert_eq!(count("192.0.2.2"), 40, "known from the log alone");
    let old: Vec<Hit> = (0..40)
        .map(|n| hit(f64::from(n) - 600.0, "192.0.2.3", "/"))
        .collect();
    online.observe(&batch(&old));
    assert_eq!(count("192.0.2.3"), 1, "too old to matter");
}

#[test]
fn memory_is_bounded_and_busy_clients_stay() {
    let online: Online<u32> = Online::new(MINUTE_US, 0, 0);
    for n in 0..20_000u32 {
        let address = format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
        ask(&online, &hit(1.0, &address, "/"));
        if n % 100 == 0 {
            ask(&online, &hit(1.0, "192.0.2.9", "/"));
        }
    }
    let (held, forgotten) = online.clients();
    assert!(held <= 64 * 8, "{held}");
    assert!(forgotten > 19_000, "{forgotten}");
    let values = ask(&online, &hit(2.0, "192.0.2.9", "/")).expect("its window");
    assert!(values[0] > 190.0, "{}", values[0]);
}

#[test]
fn what_is_let_go_is_given_once_and_stays_away() {
    let mut extractor = Extractor::new(Options::default());
    let hits: Vec<Hit> = (0..10)
        .flat_map(|minute| {
            (0..5).map(move |n| {
                hit(
                    f64::from(minute) * 60.0 + f64::from(n),
                    &format!("192.0.2.{n}"),
                    "/",
                )
            })
        })
        .collect();
    extractor.observe(&batch(&hits));
    assert_eq!(extractor.cells(), 50);
    let rows = extractor.let_go(20);
    assert_eq!((rows.len(), extractor.cells()), (30, 20));
    extractor.observe(&batch(&hits[..5]));
    assert_eq!((extractor.cells(), extractor.seen().crowded_out), (20, 5));
    assert_eq!(extractor.forget(&TenantId::default(), Micros(8 * MINUTE_US)), 10);
    assert_eq!(extractor.take_changed(|_| Micros::MAX).rows.len(), 10);
}

/// The logs of the content network and of the firewall tell of the same requests.
#[test]
fn two_logs_of_a_request_weigh_once() {
    let online: Online<u32> = Online::new(MINUTE_US, 0, 1 << 20);
    let first = hit(0.0, "192.0.2.1", "/");
    assert!(ask(&online, &first).is_some());
    let hits: Vec<Hit> = (1..40).map(|n| hit(f64::from(n), "192.0.2.1", "/")).collect();
    for dataset in [Dataset::CloudFront, Dataset::Waf] {
        online.observe(&EventBatch {
            dataset,
            ..batch(&hits)
        });
    }
    let client = (&TenantId::default(), "192.0.2.1");
    let asked = Asked {
        method: "GET",
        uri: "/",
        ua: None,
    };
    let requests = online.ask(client, Micros(40_000_000), &asked, |window, _| window.requests());
    assert_eq!(requests, Some(39));
}
