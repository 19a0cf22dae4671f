//! The figures against a naive count of the same rows.

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use haetae_event::{Dataset, EventBatch, Micros, TenantId};
use haetae_report::{Kpi, KpiAccumulator, TOPS};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Row {
    ts: i64,
    ip: Option<String>,
    uri: Option<String>,
    status: Option<i32>,
    bytes: Option<i64>,
    seconds: Option<f64>,
    result: Option<String>,
    referer: Option<String>,
}

fn batch(dataset: Dataset, rows: &[Row]) -> EventBatch {
    let texts = |of: fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringViewArray>())
    };
    let ts = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.ts)).with_timezone("UTC");
    let bytes: Int64Array = rows.iter().map(|r| r.bytes).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts)),
        ("src_ip", texts(|r| r.ip.as_deref())),
        ("bytes_in", Arc::new(bytes.clone())),
        ("bytes_out", Arc::new(bytes)),
    ];
    if dataset.is_web() {
        columns.push(("uri", texts(|r| r.uri.as_deref())));
        columns.push((
            "status",
            Arc::new(rows.iter().map(|r| r.status).collect::<Int32Array>()),
        ));
    }
    let taken = || -> ArrayRef { Arc::new(rows.iter().map(|r| r.seconds).collect::<Float64Array>()) };
    match dataset {
        Dataset::CloudFront => {
            columns.push(("time_taken", taken()));
            columns.push(("cs_referer", texts(|r| r.referer.as_deref())));
            columns.push(("x_edge_result_type", texts(|r| r.result.as_deref())));
        }
        Dataset::Web => {
            columns.push(("request_time", taken()));
            columns.push(("http_referer", texts(|r| r.referer.as_deref())));
        }
        // In milliseconds.
        Dataset::Iis => {
            let taken: Float64Array = rows.iter().map(|r| r.seconds.map(|s| s * 1e3)).collect();
            columns.push(("time_taken", Arc::new(taken)));
            columns.push(("cs_referer", texts(|r| r.referer.as_deref())));
        }
        Dataset::Alb => columns.push(("target_processing_time", taken())),
        Dataset::Elb => columns.push(("backend_processing_time", taken())),
        _ => {}
    }
    let field = |name: &str, column: &ArrayRef| match name {
        "ts" => Field::new(
            name,
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            false,
        ),
        _ => Field::new(name, column.data_type().clone(), true),
    };
    let fields: Vec<Field> = columns.iter().map(|(name, column)| field(name, column)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let records = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("equal lengths");
    EventBatch {
        tenant: TenantId::default(),
        dataset,
        records,
    }
}

fn row() -> impl Strategy<Value = Row> {
    let text = |values: &'static [&'static str]| {
        prop::option::of(prop::sample::select(values).prop_map(str::to_owned))
    };
    (
        0i64..3_600_000_000,
        text(&["203.0.113.1", "203.0.113.2", "2001:db8::1", "-"]),
        text(&["/", "/a?x=1", "/a?x=2", "/a", "/한글?q", "", "?only"]),
        prop::option::of(prop::sample::select(
            &[0, 101, 200, 204, 301, 404, 429, 500, 599, 600, -1][..],
        )),
        prop::option::of(-5i64..100_000),
        prop::option::of(prop::sample::select(&[0.0, 0.001, 0.25, 3.0, -1.0, f64::NAN][..])),
        text(&["Hit", "RefreshHit", "Miss", "Error", "-"]),
        text(&["https://a.example/", "-", ""]),
    )
        .prop_map(|(ts, ip, uri, status, bytes, seconds, result, referer)| Row {
            ts,
            ip,
            uri,
            status,
            bytes,
            seconds,
            result,
            referer,
        })
}

fn batches() -> impl Strategy<Value = Vec<(Dataset, Vec<Row>)>> {
    let dataset = prop::sample::select(&Dataset::ALL[..]);
    prop::collection::vec((dataset, prop::collection::vec(row(), 0..20)), 0..12)
}

fn fold(batches: &[(Dataset, Vec<Row>)]) -> Kpi {
    let mut kpi = KpiAccumulator::new();
    batches
        .iter()
        .for_each(|(dataset, rows)| kpi.observe(&batch(*dataset, rows)));
    kpi.finish()
}

/// Rows that count as requests, with their dataset.
fn requests(batches: &[(Dataset, Vec<Row>)]) -> Vec<(Dataset, &Row)> {
    let access = |d: Dataset| d.is_web() && d != Dataset::Waf;
    let any_access = batches.iter().any(|(d, rows)| access(*d) && !rows.is_empty());
    let counts = |d: Dataset| if any_access { access(d) } else { d == Dataset::Waf };
    batches
        .iter()
        .filter(|(d, _)| counts(*d))
        .flat_map(|(d, rows)| rows.iter().map(|r| (*d, r)))
        .collect()
}

fn tops<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    keys.filter(|key| !matches!(*key, "" | "-"))
        .for_each(|key| *counts.entry(key).or_default() += 1);
    let mut all: Vec<(String, u64)> = counts.into_iter().map(|(key, n)| (key.to_owned(), n)).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(TOPS);
    all
}

fn check(kpi: &Kpi, batches: &[(Dataset, Vec<Row>)]) -> Result<(), TestCaseError> {
    let rows = requests(batches);
    let all = || batches.iter().flat_map(|(_, rows)| rows);
    prop_assert_eq!(kpi.window.start, all().map(|r| Micros(r.ts)).min());
    prop_assert_eq!(kpi.window.end, all().map(|r| Micros(r.ts)).max());
    prop_assert_eq!(
        kpi.by_dataset.values().map(|t| t.events).sum::<u64>(),
        all().count() as u64
    );
    prop_assert_eq!(kpi.requests, rows.len() as u64);
    let class = |lo: i32| {
        rows.iter()
            .filter(|(_, r)| r.status.is_some_and(|s| (lo..lo + 100).contains(&s)))
            .count() as u64
    };
    let status = [kpi.status.s2xx, kpi.status.s3xx, kpi.status.s4xx, kpi.status.s5xx];
    prop_assert_eq!(status, [class(200), class(300), class(400), class(500)]);
    prop_assert_eq!(status.iter().sum::<u64>() + kpi.status.other, kpi.requests);
    let bytes: u64 = rows
        .iter()
        .filter_map(|(_, r)| u64::try_from(r.bytes?).ok())
        .sum();
    prop_assert_eq!(kpi.bytes_out, bytes);
    let errors = class(400) + class(500);
    prop_assert_eq!(
        kpi.error_rate,
        (!rows.is_empty()).then(|| errors as f64 / rows.len() as f64)
    );
    let told =
        |kpi: &[haetae_report::TopEntry]| kpi.iter().map(|e| (e.key.clone(), e.count)).collect::<Vec<_>>();
    prop_assert_eq!(
        told(&kpi.top_ips),
        tops(rows.iter().filter_map(|(_, r)| r.ip.as_deref()))
    );
    let path = |r: &'_ Row| {
        r.uri
            .as_ref()
            .map(|u| u.split('?').next().unwrap_or("").to_owned())
    };
    let paths: Vec<String> = rows.iter().filter_map(|(_, r)| path(r)).collect();
    prop_assert_eq!(told(&kpi.top_paths), tops(paths.iter().map(String::as_str)));
    let logged = |d: &Dataset| matches!(d, Dataset::CloudFront | Dataset::Web | Dataset::Iis);
    let timed = |d: &Dataset| logged(d) || matches!(d, Dataset::Alb | Dataset::Elb);
    let referers = rows
        .iter()
        .filter(|(d, _)| logged(d))
        .filter_map(|(_, r)| r.referer.as_deref());
    prop_assert_eq!(told(&kpi.top_referrers), tops(referers));
    let seconds = rows
        .iter()
        .filter(|(d, _)| timed(d))
        .filter_map(|(_, r)| r.seconds);
    let mut ms: Vec<f64> = seconds.filter(|s| *s >= 0.0).map(|s| s * 1e3).collect();
    ms.sort_by(f64::total_cmp);
    let p95 = (!ms.is_empty()).then(|| ms[(ms.len() * 95).div_ceil(100) - 1]);
    prop_assert_eq!(kpi.p95_time_taken_ms, p95);
    let results: Vec<&str> = rows
        .iter()
        .filter(|(d, _)| *d == Dataset::CloudFront)
        .filter_map(|(_, r)| r.result.as_deref().filter(|x| *x != "-"))
        .collect();
    let hits = results
        .iter()
        .filter(|x| matches!(**x, "Hit" | "RefreshHit"))
        .count();
    let ratio = (!results.is_empty()).then(|| hits as f64 / results.len() as f64);
    prop_assert_eq!(kpi.cache_hit_ratio, ratio);
    prop_assert_eq!(kpi.timeline.iter().map(|p| p.requests).sum::<u64>(), kpi.requests);
    prop_assert_eq!(kpi.timeline.iter().map(|p| p.errors).sum::<u64>(), errors);
    Ok(())
}

proptest! {
    #[test]
    fn figures_agree_with_a_naive_count(batches in batches()) {
        check(&fold(&batches), &batches)?;
    }

    #[test]
    fn order_and_merging_do_not_matter(batches in batches(), split in 0usize..12) {
        let whole = fold(&batches);
        let reversed: Vec<_> = batches.iter().rev().cloned().collect();
        prop_assert_eq!(&fold(&reversed), &whole);
        let (left, right) = batches.split_at(split.min(batches.len()));
        let [mut a, mut b] = [KpiAccumulator::new(), KpiAccumulator::new()];
        left.iter().for_each(|(dataset, rows)| a.observe(&batch(*dataset, rows)));
        right.iter().for_each(|(dataset, rows)| b.observe(&batch(*dataset, rows)));
        a.merge(b);
        prop_assert_eq!(&a.finish(), &whole);
    }
}

#[test]
fn only_columns_that_are_announced_are_read() {
    let columns = KpiAccumulator::columns();
    for name in [
        "ts",
        "src_ip",
        "uri",
        "status",
        "time_taken",
        "request_time",
        "cs_referer",
        "http_referer",
    ] {
        assert!(columns.wants(name), "{name}");
    }
}
