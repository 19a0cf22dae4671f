//! Merging, retiring, expiring.

use crate::fixture::*;
use haetae_event::clock::ManualClock;
use haetae_event::disk::{FaultDisk, RealDisk};
use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use haetae_event::{Columns, Dataset};
use haetae_store::{CommitStep, ScanRequest, Store, StoreOptions};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn with_clock(dir: &Path, options: StoreOptions) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(NOW));
    let store = Store::open(dir, options, Arc::new(RealDisk), clock.clone()).expect("opens");
    (store, clock)
}

fn fill(store: &Store, commits: i64, rows: i64) {
    for n in 0..commits {
        let batch = batch(&format!("c{n}"), rows);
        store.append_hot(batch, PARSER);
        store
            .commit(unit(&format!("c{n}"), rows as u64))
            .expect("commits");
    }
}

#[test]
fn small_files_become_one_sorted_file_and_go_after_the_grace() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, clock) = with_clock(dir.path(), StoreOptions::default());
    fill(&store, 8, 3000);
    let before = all_uris(&store);
    let held = store.snapshot(Dataset::Web).expect("snapshot");
    let report = store.compact().expect("compacts");
    assert_eq!((report.files_in, report.files_out, report.rows), (16, 2, 24_000));
    assert_eq!(report.files_deleted, 0);
    assert_eq!(all_uris(&store), before);
    assert!(
        held.segments.iter().all(|s| s.path.exists()),
        "old readers keep their files"
    );

    clock.advance_us(301 * SECOND_US);
    assert_eq!(store.compact().expect("compacts").files_deleted, 0, "still held");
    drop(held);
    assert_eq!(store.compact().expect("compacts").files_deleted, 16);
    assert_eq!(all_uris(&store), before);
    let verified = store.verify().expect("verifies");
    assert!(verified.is_sound(), "{:?}", verified.problems);

    let mut last = i64::MIN;
    let scanned = store.scan(&ScanRequest::all(Dataset::Web, Columns::only([])), &mut |batch| {
        assert!(batch.ts().values().is_sorted() && batch.ts().value(0) >= last);
        last = batch.ts().value(batch.rows() - 1);
        ControlFlow::Continue(())
    });
    assert_eq!(scanned.expect("scans").segments_read, 2);
}

#[test]
fn an_open_hour_with_few_files_is_left_alone_until_it_is_past() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, clock) = with_clock(dir.path(), StoreOptions::default());
    fill(&store, 3, 10);
    let hours = store.segments(Dataset::Web).expect("list").len() / 3;
    // The first row lies exactly on the hour that begins now, the others in the hour before.
    assert_eq!(hours, 2);
    assert_eq!(store.compact().expect("compacts").files_out, 0);
    clock.advance_us(11 * MINUTE_US);
    assert_eq!(store.compact().expect("compacts").files_out, 1);
    clock.advance_us(HOUR_US);
    assert_eq!(store.compact().expect("compacts").files_out, 1);
    assert_eq!(
        store.compact().expect("compacts").files_out,
        0,
        "one file is left as it is"
    );
}

#[test]
fn retention_takes_whole_segments_and_remembers_how_many_rows() {
    let dir = tempfile::tempdir().expect("folder");
    let options = StoreOptions {
        retention_days: [(Dataset::Web, 7)].into(),
        ..StoreOptions::default()
    };
    let (store, clock) = with_clock(dir.path(), options);
    let old = [(NOW.0 - 8 * DAY_US, "/old".to_owned())];
    store.append_hot(batch_of("default", Dataset::Web, &old), PARSER);
    store.append_hot(batch("new", 5), PARSER);
    store.commit(unit("one", 6)).expect("commits");
    assert_eq!(store.compact().expect("compacts").segments_expired, 1);
    assert_eq!(all_uris(&store).len(), 5);
    let verified = store.verify().expect("verifies");
    assert!(verified.is_sound(), "{:?}", verified.problems);
    clock.advance_us(301 * SECOND_US);
    assert_eq!(store.compact().expect("compacts").files_deleted, 1);
    assert!(store.verify().expect("verifies").is_sound());
}

#[test]
fn a_crash_at_any_point_of_a_compaction_loses_and_doubles_nothing() {
    let steps = [
        CommitStep::BeforeTransaction,
        CommitStep::InsideTransaction,
        CommitStep::AfterTransaction,
        CommitStep::AfterRenames,
    ];
    for (seed, step) in steps.into_iter().enumerate() {
        let dir = tempfile::tempdir().expect("folder");
        let disk = FaultDisk::new(seed as u64);
        let armed = Arc::new(AtomicBool::new(false));
        let hook = armed.clone();
        let options = StoreOptions {
            on_step: Some(Arc::new(move |at| {
                if at == step && hook.load(Ordering::SeqCst) {
                    return Err(io::Error::other("power cut"));
                }
                Ok(())
            })),
            ..StoreOptions::default()
        };
        let store = open_with(dir.path(), options, Arc::new(disk.clone()));
        fill(&store, 9, 20);
        let before = all_uris(&store);
        armed.store(true, Ordering::SeqCst);
        let _ = store.compact();
        drop(store);
        disk.crash();
        let store = open_with(dir.path(), StoreOptions::default(), Arc::new(disk));
        assert_eq!(all_uris(&store), before, "{step:?}");
        let verified = store.verify().expect("verifies");
        assert!(verified.is_sound(), "{step:?}: {:?}", verified.problems);
        store.compact().expect("compacts");
        assert_eq!(all_uris(&store), before, "{step:?}");
    }
}
