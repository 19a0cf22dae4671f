//! Batches, units and stores for the tests.

use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::Schema;
use haetae_event::clock::ManualClock;
use haetae_event::commit::{CommitUnit, CountRow, OutboxRow, PositionRow};
use haetae_event::disk::{RealDisk, SharedDisk};
use haetae_event::time::DAY_US;
use haetae_event::{Columns, Counts, Dataset, EventBatch, Micros, TenantId};
use haetae_store::{ScanRequest, Store, StoreOptions, dataset_schema};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

pub const NOW: Micros = Micros(20_000 * DAY_US);

/// Id of the parser whose rows the tests store.
pub const PARSER: &str = "combined@v1";

pub fn tenant(name: &str) -> TenantId {
    TenantId::new(name).expect("a good name")
}

/// Rows of (ts, uri) with status and arrival time.
pub fn batch_of(tenant_name: &str, dataset: Dataset, rows: &[(i64, String)]) -> EventBatch {
    let times = |values: Vec<i64>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", times(rows.iter().map(|r| r.0).collect())),
        ("ingested_at", times(vec![NOW.0; rows.len()])),
        (
            "uri",
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|r| &r.1))),
        ),
        ("status", Arc::new(Int32Array::from(vec![200; rows.len()]))),
    ];
    let full = dataset_schema(dataset);
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, _)| full.field_with_name(name).expect("a column").clone())
        .collect();
    let columns = columns.into_iter().map(|(_, c)| c).collect();
    EventBatch {
        tenant: tenant(tenant_name),
        dataset,
        records: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("fits"),
    }
}

/// `count` rows a second apart, ending now, named `/prefix/n`.
pub fn batch(prefix: &str, count: i64) -> EventBatch {
    let rows: Vec<_> = (0..count)
        .map(|n| (NOW.0 - n * 1_000_000, format!("/{prefix}/{n}")))
        .collect();
    batch_of("default", Dataset::Web, &rows)
}

/// A unit whose counts fit `events` rows.
pub fn unit(name: &str, events: u64) -> CommitUnit {
    let counts = Counts {
        lines_in: events,
        events,
        ..Counts::default()
    };
    CommitUnit {
        positions: vec![PositionRow {
            source: "test".into(),
            key: "k".into(),
            value: Some(name.into()),
        }],
        counts: vec![CountRow {
            source: "test".into(),
            tenant_id: TenantId::default(),
            dataset: "web".into(),
            counts,
        }],
        outbox: vec![OutboxRow {
            id: format!("o-{name}"),
            channel: "console".into(),
            kind: "incident".into(),
            payload: "{}".into(),
            created_at: NOW,
        }],
        ..CommitUnit::default()
    }
}

pub fn open_with(dir: &Path, options: StoreOptions, disk: SharedDisk) -> Store {
    Store::open(dir, options, disk, Arc::new(ManualClock::at(NOW))).expect("opens")
}

pub fn open(dir: &Path) -> Store {
    open_with(dir, StoreOptions::default(), Arc::new(RealDisk))
}

/// Every `uri` of a scan, sorted.
pub fn uris(store: &Store, request: &ScanRequest) -> Vec<String> {
    let mut found = Vec::new();
    let scanned = store.scan(request, &mut |batch| {
        let uris = batch.str("uri").expect("asked for");
        found.extend((0..uris.len()).map(|row| uris.value(row).to_owned()));
        ControlFlow::Continue(())
    });
    assert_eq!(scanned.expect("scans").rows, found.len() as u64);
    found.sort();
    found
}

pub fn all_uris(store: &Store) -> Vec<String> {
    uris(store, &ScanRequest::all(Dataset::Web, Columns::only(["uri"])))
}

pub fn position(store: &Store) -> Option<String> {
    store.positions("test", &["k".into()]).expect("reads").remove(0)
}
