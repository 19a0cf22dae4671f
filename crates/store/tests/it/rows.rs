//! Rows in, rows out.

use crate::fixture::*;
use arrow::array::{Array, ListArray, StringViewArray};
use haetae_event::disk::RealDisk;
use haetae_event::time::{DAY_US, HOUR_US, SECOND_US};
use haetae_event::{Columns, Dataset, Micros};
use haetae_store::{ScanRequest, Store, StoreError, StoreOptions};
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::Arc;

#[test]
fn rows_are_the_same_hot_committed_and_reopened() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    store.append_hot(batch("a", 5000), PARSER);
    assert_eq!(
        (
            store.hot_rows(),
            store.segments(Dataset::Web).expect("list").len()
        ),
        (5000, 0)
    );
    let before = all_uris(&store);
    let report = store.commit(unit("one", 5000)).expect("commits");
    assert_eq!(
        (report.rows, report.segments, report.renames_pending),
        (5000, 3, 0)
    );
    assert_eq!((store.hot_rows(), store.hot_bytes()), (0, 0));
    assert_eq!(all_uris(&store), before);
    store.append_hot(batch("b", 1), PARSER);
    store.append_hot(batch("c", 1), PARSER);
    assert_eq!(all_uris(&store).len(), 5002);
    store.commit(unit("two", 2)).expect("commits");
    assert!(store.verify().expect("verifies").is_sound());
    drop(store);

    let store = open(dir.path());
    assert_eq!(all_uris(&store).len(), 5002);
    assert_eq!(position(&store).as_deref(), Some("two"));
    let verified = store.verify().expect("verifies");
    assert!(verified.is_sound(), "{:?}", verified.problems);
    assert_eq!(verified.rows, 5002);
    let stat = store.stat().expect("stat");
    assert_eq!((stat.datasets[0].rows, stat.outbox.pending), (5002, 2));
    assert_eq!(stat.datasets[0].max_ts, NOW);
}

#[test]
fn the_layout_is_hive_and_names_are_final() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let rows = [(NOW.0 - HOUR_US, "/x".to_owned())];
    store.append_hot(batch_of("team-1", Dataset::VpcFlow, &rows), PARSER);
    store.commit(unit("one", 0)).expect("commits");
    let (dt, hh) = Micros(NOW.0 - HOUR_US).partition();
    let folder = format!("tables/ds=vpcflow/tenant=team-1/dt={dt}/hh={hh}");
    let files: Vec<_> = std::fs::read_dir(dir.path().join(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("text"))
        .collect();
    assert_eq!(files, ["000000000001.parquet"]);
}

#[test]
fn scans_prune_by_time_tenant_and_arrival() {
    let dir = tempfile::tempdir().expect("folder");
    let options = StoreOptions {
        row_group_rows: 100,
        ..StoreOptions::default()
    };
    let store = open_with(dir.path(), options, Arc::new(RealDisk));
    store.append_hot(batch("a", 1000), PARSER);
    let old = [(NOW.0 - 3 * DAY_US, "/old".to_owned())];
    store.append_hot(batch_of("other", Dataset::Web, &old), PARSER);
    store.commit(unit("one", 1000)).expect("commits");
    let mut request = ScanRequest::all(Dataset::Web, Columns::only(["uri"]));
    request.start_us = NOW.0 - 49 * SECOND_US;
    request.end_us = NOW.0;
    let mut rows = 0;
    let report = store
        .scan(&request, &mut |batch| {
            assert_eq!(batch.records.num_columns(), 2, "ts and uri");
            rows += batch.rows();
            ControlFlow::Continue(())
        })
        .expect("scans");
    assert_eq!((rows, report.segments_pruned), (49, 2));
    assert!(report.row_groups_pruned >= 8, "{report:?}");

    request = ScanRequest::all(Dataset::Web, Columns::only(["uri"]));
    request.tenant = Some(tenant("other"));
    assert_eq!(uris(&store, &request), ["/old"]);
    request.tenant = None;
    request.ingested = Some((NOW, Micros::MAX));
    assert!(uris(&store, &request).is_empty(), "after is exclusive");
    request.ingested = Some((Micros(NOW.0 - 1), NOW));
    assert_eq!(uris(&store, &request).len(), 1001, "until is inclusive");
}

#[test]
fn a_scan_can_be_broken_off() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    store.append_hot(batch("a", 20_000), PARSER);
    store.commit(unit("one", 20_000)).expect("commits");
    let report = store.scan(&ScanRequest::of(Dataset::Web), &mut |_| ControlFlow::Break(()));
    let report = report.expect("scans");
    assert!(report.stopped && report.rows < 20_000);
}

#[test]
fn unbelievable_rows_carry_a_warning() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let rows = [(0, "/1970".to_owned()), (NOW.0, "/now".to_owned())];
    store.append_hot(batch_of("default", Dataset::Web, &rows), PARSER);
    let report = store.commit(unit("one", 2)).expect("commits");
    assert_eq!((report.segments, report.out_of_range), (1, 1));
    let request = ScanRequest::all(Dataset::Web, Columns::only(["warnings"]));
    let scanned = store.scan(&request, &mut |batch| {
        let lists: &ListArray = batch
            .column("warnings")
            .and_then(|c| c.as_any().downcast_ref())
            .expect("a list");
        assert_eq!(batch.ts().values(), &[0, NOW.0]);
        let first = lists.value(0);
        let texts: &StringViewArray = first.as_any().downcast_ref().expect("texts");
        assert_eq!(texts.value(0), "ts_out_of_range");
        assert!(lists.is_null(1));
        ControlFlow::Continue(())
    });
    assert_eq!(scanned.expect("scans").rows, 2);
}

#[test]
fn a_batch_that_does_not_fit_is_named_and_nothing_is_committed() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let mut odd = batch("a", 1);
    odd.dataset = Dataset::App;
    store.append_hot(odd.clone(), PARSER);
    store
        .commit(unit("one", 1))
        .expect("core columns fit every dataset");
    let fields: Vec<_> = ["ts", "ingested_at", "unheard_of", "status"]
        .into_iter()
        .zip(odd.records.schema().fields())
        .map(|(name, field)| field.as_ref().clone().with_name(name))
        .collect();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let columns = odd.records.columns().to_vec();
    odd.records = arrow::array::RecordBatch::try_new(schema, columns).expect("fits");
    store.append_hot(odd, PARSER);
    let refused = store.commit(unit("two", 1));
    assert!(matches!(refused, Err(StoreError::Schema { .. })), "{refused:?}");
    assert_eq!(position(&store).as_deref(), Some("one"));
}

#[test]
fn a_read_only_store_sees_commits_of_the_living_writer() {
    let dir = tempfile::tempdir().expect("folder");
    let clock = Arc::new(haetae_event::SystemClock);
    let none = Store::open_read_only(dir.path(), StoreOptions::default(), clock.clone());
    assert!(matches!(none, Err(StoreError::Absent { .. })));
    let writer = open(dir.path());
    let reader = Store::open_read_only(dir.path(), StoreOptions::default(), clock).expect("opens");
    assert!(matches!(reader.commit(unit("x", 0)), Err(StoreError::ReadOnly)));
    writer.append_hot(batch("a", 10), PARSER);
    assert!(all_uris(&reader).is_empty());
    writer.commit(unit("one", 10)).expect("commits");
    assert_eq!(all_uris(&reader), all_uris(&writer));
    assert!(reader.verify().expect("verifies").is_sound());
    let second = Store::open(
        dir.path(),
        StoreOptions::default(),
        Arc::new(RealDisk),
        Arc::new(haetae_event::SystemClock),
    );
    assert!(matches!(second, Err(StoreError::Locked { .. })));
}

#[test]
fn readers_see_every_row_once_while_commits_and_compactions_go_on() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let rounds = 20;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..rounds {
                store.append_hot(batch(&format!("r{n}"), 50), PARSER);
                store.commit(unit(&format!("r{n}"), 50)).expect("commits");
                if n % 5 == 4 {
                    store.compact().expect("compacts");
                }
            }
        });
        while !writer.is_finished() {
            let seen = all_uris(&store);
            assert_eq!(seen.len() % 50, 0, "whole batches only");
            assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "no row twice");
        }
    });
    assert_eq!(all_uris(&store).len(), rounds * 50);
}

#[test]
fn verify_finds_what_is_wrong() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    for n in 0..3 {
        store.append_hot(batch(&format!("{n}"), 10), PARSER);
        store.commit(unit(&format!("{n}"), 10)).expect("commits");
    }
    let files: Vec<_> = store.segments(Dataset::Web).expect("list");
    std::fs::copy(&files[0].path, files[0].path.with_file_name("stray.parquet")).expect("copies");
    std::fs::remove_file(&files[0].path).expect("removes");
    let bytes = std::fs::read(&files[2].path).expect("reads");
    std::fs::write(&files[2].path, &bytes[..bytes.len() - 1]).expect("writes");
    let mut wrong = unit("wrong", 0);
    wrong.counts[0].counts.lines_in = 1;
    wrong.counts[0].counts.events = 7;
    store.commit(wrong).expect("commits");
    let report = store.verify().expect("verifies");
    let mut codes: Vec<_> = report.problems.iter().map(|p| p.code).collect();
    codes.sort_unstable();
    let expected = [
        "counts_unbalanced",
        "events_not_stored",
        "missing_file",
        "size_mismatch",
        "stray_file",
    ];
    assert_eq!(codes, expected);
    let scanned = store.scan(&ScanRequest::of(Dataset::Web), &mut |_| ControlFlow::Continue(()));
    assert!(scanned.is_err(), "a missing file is never skipped silently");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn rows_in_are_rows_scanned(
        commits in proptest::collection::vec(
            proptest::collection::vec((-500_i64..20, 0_u8..3), 0..20), 1..5),
        compact: bool,
    ) {
        let dir = tempfile::tempdir().expect("folder");
        let store = open(dir.path());
        let (mut expected, mut serial) = (Vec::new(), 0);
        for (n, rows) in commits.iter().enumerate() {
            for (hours, tenant_number) in rows {
                serial += 1;
                let uri = format!("/{serial:06}");
                expected.push(uri.clone());
                let row = [(NOW.0 + hours * 24 * HOUR_US + serial, uri)];
                store.append_hot(batch_of(&format!("t{tenant_number}"), Dataset::Web, &row), PARSER);
            }
            if n % 2 == 0 {
                store.commit(unit(&format!("{n}"), 0)).expect("commits");
            }
        }
        if compact {
            store.compact().expect("compacts");
        }
        prop_assert_eq!(&all_uris(&store), &expected);
        store.commit(unit("end", 0)).expect("commits");
        drop(store);
        prop_assert_eq!(all_uris(&open(dir.path())), expected);
    }
}
