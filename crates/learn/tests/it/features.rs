//! What one client did in one window, as numbers.

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_event::{Dataset, EventBatch, Micros, TenantId};
use haetae_learn::features::{COUNT, Extractor, FEATURES, Options, WindowRow, names};
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Hit {
    pub ts_us: i64,
    pub ip: Option<String>,
    pub method: &'static str,
    pub uri: String,
    pub ua: Option<&'static str>,
    pub status: Option<i32>,
    pub bytes: Option<i64>,
    pub entropy: Option<f64>,
}

pub fn hit(seconds: f64, ip: &str, uri: &str) -> Hit {
    Hit {
        ts_us: (seconds * 1e6) as i64,
        ip: Some(ip.to_owned()),
        method: "GET",
        uri: uri.to_owned(),
        ua: Some("Mozilla/5.0"),
        status: Some(200),
        bytes: Some(1_000),
        entropy: None,
    }
}

pub fn batch(hits: &[Hit]) -> EventBatch {
    let texts = |of: &dyn Fn(&Hit) -> Option<String>| {
        Arc::new(StringViewArray::from_iter(hits.iter().map(of))) as ArrayRef
    };
    let ts = TimestampMicrosecondArray::from_iter_values(hits.iter().map(|h| h.ts_us)).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts)),
        ("src_ip", texts(&|h| h.ip.clone())),
        ("method", texts(&|h| Some(h.method.to_owned()))),
        ("uri", texts(&|h| Some(h.uri.clone()))),
        ("ua", texts(&|h| h.ua.map(str::to_owned))),
        (
            "status",
            Arc::new(Int32Array::from_iter(hits.iter().map(|h| h.status))),
        ),
        (
            "bytes_out",
            Arc::new(Int64Array::from_iter(hits.iter().map(|h| h.bytes))),
        ),
        (
            "payload_entropy",
            Arc::new(Float64Array::from_iter(hits.iter().map(|h| h.entropy))),
        ),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::Web,
        records: RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
            .expect("made for this test"),
    }
}

fn rows(hits: &[Hit]) -> Vec<WindowRow> {
    let mut extractor = Extractor::new(Options::default());
    extractor.observe(&batch(hits));
    extractor.rows()
}

fn value(row: &WindowRow, name: &str) -> f64 {
    row.values[names().iter().position(|n| n == name).expect("a feature")]
}

#[test]
fn names_are_different_and_explained() {
    let mut sorted = names();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), COUNT);
    assert!(FEATURES.iter().all(|(_, doc)| doc.len() > 5));
}

#[test]
fn a_window_by_hand() {
    let mut hits = vec![
        hit(10.2, "192.0.2.1", "/a?x=1&y=%20"),
        hit(20.9, "192.0.2.1", "/a.css"),
        hit(30.1, "192.0.2.1", "/b"),
        hit(30.8, "192.0.2.1", "/b#part"),
    ];
    hits[1].status = Some(503);
    hits[2].status = Some(404);
    hits[2].method = "post";
    hits[3].status = None;
    hits[3].method = "PROPFIND";
    hits[3].ua = None;
    hits[2].entropy = Some(4.0);
    hits[3].entropy = Some(2.5);
    let made = rows(&hits);
    let [row] = &made[..] else { panic!("{made:?}") };
    assert_eq!((row.key.client.as_str(), row.key.start), ("192.0.2.1", Micros(0)));
    let near = |name: &str, wanted: f64| {
        assert!(
            (value(row, name) - wanted).abs() < 1e-9,
            "{name}: {}",
            value(row, name)
        )
    };
    near("req_count", 4.0);
    // Seconds 10, 20, 30, 30: times of 10, 10 and 0.
    near("interval_mean_s", 20.0 / 3.0);
    near("interval_cv", 0.5f64.sqrt());
    near("burst_max", 2.0);
    near("active_share", 3.0 / 60.0);
    near("uri_len_mean", (12 + 6 + 2 + 7) as f64 / 4.0);
    near("uri_len_max", 12.0);
    near("ua_len_mean", 33.0 / 4.0);
    near("ua_empty_share", 0.25);
    near("path_distinct_share", 0.75);
    near("query_params_mean", 0.5);
    near("escapes_mean", 0.25);
    near("entropy_mean", 3.25);
    near("entropy_max", 4.0);
    near("error_share", 2.0 / 3.0);
    near("server_error_share", 1.0 / 3.0);
    near("not_found_share", 1.0 / 3.0);
    near("denied_share", 0.0);
    near("asset_share", 0.25);
    near("write_share", 0.25);
    near("odd_method_share", 0.25);
    near("bytes_out_mean", 1_000.0);
    near("hour_sin", 0.0);
    near("hour_cos", 1.0);
    assert!(value(row, "bytes_in_mean").is_nan());
}

#[test]
fn a_metronome_has_no_variation() {
    let hits: Vec<Hit> = (0..12)
        .map(|n| hit(f64::from(n) * 5.0 + 0.4, "192.0.2.9", "/buy"))
        .collect();
    let row = &rows(&hits)[0];
    assert_eq!(value(row, "interval_mean_s"), 5.0);
    assert_eq!(value(row, "interval_cv"), 0.0);
    let alone = &rows(&hits[..1])[0];
    assert!(value(alone, "interval_mean_s").is_nan() && value(alone, "interval_cv").is_nan());
}

fn same(a: &[WindowRow], b: &[WindowRow]) -> bool {
    let bits = |rows: &[WindowRow]| -> Vec<_> {
        rows.iter()
            .map(|r| (r.key.clone(), r.values.map(f64::to_bits)))
            .collect()
    };
    bits(a) == bits(b)
}

fn any_hit() -> impl Strategy<Value = Hit> {
    let uri = prop_oneof![(0..90u32).prop_map(|n| format!("/p/{n}")), "[a-z/?&=%.]{0,20}"];
    let ip = prop::option::weighted(0.95, (0..40u8).prop_map(|n| format!("198.51.100.{n}")));
    let method = prop_oneof![Just("GET"), Just("POST"), Just("TRACE")];
    let numbers = (
        prop::option::of(100..600i32),
        prop::option::of(-5..i64::MAX),
        prop::option::of(-1.0..9.0f64),
    );
    (
        -1_000_000_000..1_000_000_000i64,
        ip,
        method,
        uri,
        prop::option::of(Just("bot")),
        numbers,
    )
        .prop_map(|(ts_us, ip, method, uri, ua, (status, bytes, entropy))| Hit {
            ts_us,
            ip,
            method,
            uri,
            ua,
            status,
            bytes,
            entropy,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Shuffled and cut otherwise, the rows are the same, also where the bounds push windows out,
    /// and every event is accounted for.
    #[test]
    fn order_and_batches_change_nothing(
        (hits, shuffled) in prop::collection::vec(any_hit(), 0..400).prop_flat_map(|hits| (Just(hits.clone()), Just(hits).prop_shuffle())),
        cut in 1usize..50,
        clients_max in 1usize..50,
        windows_max in 1usize..50,
    ) {
        let options = Options { clients_max, windows_max, seed: 5, ..Options::default() };
        let (mut whole, mut cut_up) = (Extractor::new(options.clone()), Extractor::new(options));
        whole.observe(&batch(&hits));
        shuffled.chunks(cut).for_each(|part| cut_up.observe(&batch(part)));
        prop_assert!(same(&whole.rows(), &cut_up.rows()));
        let seen = whole.seen();
        prop_assert_eq!(seen, cut_up.seen());
        prop_assert_eq!(seen.events, seen.kept + seen.not_web + seen.without_client + seen.crowded_out);
        let kept: f64 = whole.rows().iter().map(|row| row.values[0]).sum();
        prop_assert_eq!(kept as u64, seen.kept);
        prop_assert!(whole.rows().len() <= clients_max * windows_max);
    }
}

#[test]
fn closed_windows_are_drained_once() {
    let hits = [
        hit(1.0, "192.0.2.1", "/"),
        hit(59.9, "192.0.2.2", "/"),
        hit(60.0, "192.0.2.1", "/"),
    ];
    let mut extractor = Extractor::new(Options::default());
    extractor.observe(&batch(&hits));
    assert!(extractor.drain_closed(Micros(59_999_999)).is_empty());
    assert_eq!(extractor.drain_closed(Micros(60_000_000)).len(), 2);
    assert!(extractor.drain_closed(Micros(60_000_000)).is_empty());
    assert_eq!(extractor.rows().len(), 1);
    assert_eq!(extractor.drain_closed(Micros::MAX).len(), 1);
}

#[test]
fn other_logs_and_unknown_clients_are_counted() {
    let mut extractor = Extractor::new(Options::default());
    let mut flow = batch(&[hit(1.0, "192.0.2.1", "/")]);
    flow.dataset = Dataset::VpcFlow;
    extractor.observe(&flow);
    let nobody = Hit {
        ip: None,
        ..hit(1.0, "", "/")
    };
    extractor.observe(&batch(&[
        nobody,
        hit(i64::MAX as f64, "192.0.2.1", "/"),
        hit(-1e15, "192.0.2.1", "/"),
    ]));
    let seen = extractor.seen();
    assert_eq!(
        (seen.events, seen.not_web, seen.without_client, seen.kept),
        (4, 1, 1, 2)
    );
}

/// A request that the content network and the balancer log is one request.
#[test]
fn the_logs_of_two_datasets_are_not_added_up() {
    let hits: Vec<Hit> = (0..30).map(|n| hit(f64::from(n), "192.0.2.1", "/")).collect();
    let edge = EventBatch {
        dataset: Dataset::CloudFront,
        ..batch(&hits)
    };
    let balancer = EventBatch {
        dataset: Dataset::Alb,
        ..batch(&hits[..20])
    };
    let of = |batches: &[&EventBatch]| {
        let mut extractor = Extractor::new(Options::default());
        batches.iter().for_each(|batch| extractor.observe(batch));
        assert_eq!(extractor.cells(), batches.len());
        assert_eq!(
            extractor.seen().kept,
            batches.iter().map(|b| b.rows() as u64).sum::<u64>()
        );
        let rows = extractor.rows();
        assert_eq!(extractor.drain_closed(Micros::MAX).len(), rows.len());
        assert_eq!(extractor.cells(), 0);
        rows
    };
    let both = of(&[&edge, &balancer]);
    assert_eq!(value(&both[0], "req_count"), 30.0);
    assert!(same(&both, &of(&[&edge])), "as if there were one log");
    assert!(same(&both, &of(&[&balancer, &edge])), "in any order");
}
