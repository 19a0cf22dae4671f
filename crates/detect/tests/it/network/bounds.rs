//! Memory under millions of sources; those that do much are still told.

use super::flows::{by, engine_within, ip};
use crate::batches::{SECOND, START};
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
};
use haetae_detect::{Closing, EngineOptions};
use haetae_event::{Dataset, EventBatch, TenantId};
use std::sync::Arc;

const BYTES_MAX: usize = 48 << 20;
const SOURCES: u32 = 3_000_000;
const ROWS: u32 = 60_000;

/// One refused knock of each source at one of a few hosts, and a scanner among them.
fn knocks(from: u32) -> EventBatch {
    let numbers = from..from + ROWS;
    let is_scan = |n: u32| n.is_multiple_of(3_000);
    let second = |n: u32| i64::from(n / 2_000);
    let ts: TimestampMicrosecondArray = numbers
        .clone()
        .map(|n| Some(START + second(n) * SECOND))
        .collect();
    let source = |n: u32| match is_scan(n) {
        true => "198.51.100.250".to_owned(),
        false => std::net::Ipv4Addr::from(n.wrapping_mul(0x9E37_79B1) | 1 << 30).to_string(),
    };
    let sources: StringViewArray = numbers.clone().map(|n| Some(source(n))).collect();
    let hosts: StringArray = numbers
        .clone()
        .map(|n| Some(format!("10.0.0.{}", if is_scan(n) { 1 } else { n % 9 })))
        .collect();
    let port = |n: u32| {
        if is_scan(n) {
            n / 3_000 % 20_000
        } else {
            [22, 23, 445][n as usize % 3]
        }
    };
    let ports: Int32Array = numbers.clone().map(|n| port(n) as i32).collect();
    let all = |value: i32| Arc::new(Int32Array::from(vec![value; ROWS as usize])) as ArrayRef;
    let hosts: StringViewArray = hosts.iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("src_ip", Arc::new(sources)),
        ("dstaddr", Arc::new(hosts)),
        ("srcport", all(51_000)),
        ("dstport", Arc::new(ports)),
        ("protocol", all(6)),
        ("packets", Arc::new(Int64Array::from(vec![1; ROWS as usize]))),
        ("bytes", Arc::new(Int64Array::from(vec![44; ROWS as usize]))),
        (
            "action",
            Arc::new(StringViewArray::from(vec!["REJECT"; ROWS as usize])),
        ),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::VpcFlow,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

#[test]
fn three_million_sources_fit_and_the_scanner_is_told() {
    let mut engine = engine_within(EngineOptions {
        detector_bytes_max: BYTES_MAX,
        ..EngineOptions::default()
    });
    let mut told = Vec::new();
    for n in 0..SOURCES / ROWS {
        let batch = knocks(n * ROWS);
        let newest = batch.ts().values().last().copied().expect("rows");
        engine.observe(&batch);
        assert!(engine.stats().detector_bytes <= BYTES_MAX);
        told.extend(engine.evaluate(&Closing::at(newest - 90 * SECOND)).episodes);
    }
    let stats = engine.stats();
    assert!(
        stats.evicted_entities > 1_000_000,
        "losses are counted: {stats:?}"
    );
    let scans = by(&told, "port_scan");
    assert!(
        scans.iter().any(|e| e.entity == ip("198.51.100.250")),
        "{}",
        told.len()
    );
    assert!(
        by(&told, "many_to_one").len() < 100 && told.len() < 5_000,
        "{} episodes",
        told.len()
    );
}
