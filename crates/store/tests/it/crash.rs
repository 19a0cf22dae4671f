//! Either before or after, never between.

use crate::fixture::*;
use haetae_event::Dataset;
use haetae_event::disk::{FaultDisk, Operation, SharedDisk};
use haetae_event::time::HOUR_US;
use haetae_store::{CommitStep, Store, StoreOptions};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn spread(prefix: &str) -> haetae_event::EventBatch {
    let rows: Vec<_> = (0..30)
        .map(|n| (NOW.0 - n % 3 * HOUR_US - n, format!("/{prefix}/{n}")))
        .collect();
    batch_of("default", Dataset::Web, &rows)
}

fn first_commit(dir: &Path, disk: &FaultDisk, options: StoreOptions) -> Store {
    let store = open_with(dir, options, Arc::new(disk.clone()));
    store.append_hot(spread("a"), PARSER);
    store.commit(unit("one", 30)).expect("commits");
    store
}

/// Whether the store is whole and holds one commit or two, rows and unit agreeing.
fn is_before_or_after(dir: &Path, disk: &FaultDisk) -> bool {
    let store = open_with(dir, StoreOptions::default(), Arc::new(disk.clone()));
    let rows = all_uris_or_none(&store);
    let expected = match position(&store).as_deref() {
        Some("one") => 30,
        Some("two") => 60,
        _ => return false,
    };
    let outbox = store.outbox_due(NOW, 10).expect("reads").len();
    let sound = store.verify().expect("verifies").is_sound();
    sound && rows == Some(expected) && outbox * 30 == expected
}

fn all_uris_or_none(store: &Store) -> Option<usize> {
    let request = haetae_store::ScanRequest::of(Dataset::Web);
    let report = store.scan(&request, &mut |_| std::ops::ControlFlow::Continue(()));
    report.ok().map(|report| report.rows as usize)
}

#[test]
fn a_power_cut_at_any_disk_operation_leaves_before_or_after() {
    let mut states = BTreeSet::new();
    for fuel in 0..70 {
        let dir = tempfile::tempdir().expect("folder");
        let disk = FaultDisk::new(fuel);
        let store = first_commit(dir.path(), &disk, StoreOptions::default());
        store.append_hot(spread("b"), PARSER);
        disk.fail_after(fuel);
        let committed = store.commit(unit("two", 30)).is_ok();
        drop(store);
        disk.crash();
        assert!(is_before_or_after(dir.path(), &disk), "fuel {fuel}");
        let store = open_with(dir.path(), StoreOptions::default(), Arc::new(disk));
        let after = position(&store).as_deref() == Some("two");
        assert_eq!(after, committed, "an answer is kept, fuel {fuel}");
        states.insert(after);
    }
    assert_eq!(states.len(), 2, "both outcomes were seen");
}

#[test]
fn a_crash_at_each_step_leaves_before_or_after() {
    let steps = [
        (CommitStep::BeforeTransaction, "one"),
        (CommitStep::InsideTransaction, "one"),
        (CommitStep::AfterTransaction, "two"),
        (CommitStep::AfterRenames, "two"),
    ];
    for seed in 0..8 {
        for (step, expected) in steps {
            let dir = tempfile::tempdir().expect("folder");
            let disk = FaultDisk::new(seed);
            drop(first_commit(dir.path(), &disk, StoreOptions::default()));
            let options = StoreOptions {
                on_step: Some(Arc::new(move |at| {
                    if at == step {
                        return Err(io::Error::other("power cut"));
                    }
                    Ok(())
                })),
                ..StoreOptions::default()
            };
            let store = open_with(dir.path(), options, Arc::new(disk.clone()));
            store.append_hot(spread("b"), PARSER);
            let _ = store.commit(unit("two", 30));
            drop(store);
            disk.crash();
            assert!(is_before_or_after(dir.path(), &disk), "{step:?}");
            let store = open_with(dir.path(), StoreOptions::default(), Arc::new(disk));
            assert_eq!(position(&store).as_deref(), Some(expected), "{step:?}");
        }
    }
}

#[test]
fn without_syncs_the_same_check_fails() {
    let lost = (0..20).filter(|&seed| {
        let dir = tempfile::tempdir().expect("folder");
        let disk = FaultDisk::new(seed);
        disk.ignore_syncs();
        drop(first_commit(dir.path(), &disk, StoreOptions::default()));
        disk.crash();
        !is_before_or_after(dir.path(), &disk)
    });
    let lost = lost.count();
    assert!(lost >= 15, "only {lost} of 20 power cuts were noticed");
}

#[test]
fn a_failed_commit_can_be_tried_again() {
    let dir = tempfile::tempdir().expect("folder");
    let disk = FaultDisk::new(9);
    let store = first_commit(dir.path(), &disk, StoreOptions::default());
    store.append_hot(spread("b"), PARSER);
    disk.fail_after(7);
    assert!(store.commit(unit("two", 30)).is_err());
    assert_eq!((store.hot_rows(), all_uris(&store).len()), (30, 60));
    disk.crash();
    store.append_hot(spread("c"), PARSER);
    store.commit(unit("two", 60)).expect("commits");
    assert_eq!(all_uris(&store).len(), 90);
    assert!(store.verify().expect("verifies").is_sound());
}

#[test]
fn a_rename_that_fails_keeps_the_rows_readable_and_is_made_up_for() {
    let dir = tempfile::tempdir().expect("folder");
    let disk = FaultDisk::new(10);
    let cut = disk.clone();
    let options = StoreOptions {
        on_step: Some(Arc::new(move |at| {
            if at == CommitStep::AfterTransaction {
                cut.fail_after(0);
            }
            Ok(())
        })),
        ..StoreOptions::default()
    };
    let store = open_with(dir.path(), options, Arc::new(disk.clone()));
    store.append_hot(spread("a"), PARSER);
    let report = store.commit(unit("one", 30)).expect("the commit holds");
    assert_eq!(report.renames_pending, 4, "one for each hour");
    assert_eq!(all_uris(&store).len(), 30);
    drop(store);
    disk.crash();
    let store = open_with(dir.path(), StoreOptions::default(), Arc::new(disk));
    assert_eq!(all_uris(&store).len(), 30);
    let segments = store.segments(Dataset::Web).expect("list");
    assert!(
        segments
            .iter()
            .all(|s| s.path.extension().is_some_and(|e| e == "parquet"))
    );
}

/// Index of the first operation that passes `wanted`.
fn first(operations: &[Operation], wanted: impl Fn(&Operation) -> bool) -> usize {
    operations.iter().position(wanted).expect("it happened")
}

#[test]
fn files_and_folders_are_synced_before_the_transaction_and_renamed_after() {
    let dir = tempfile::tempdir().expect("folder");
    let disk = FaultDisk::new(11);
    let notes = disk.clone();
    let options = StoreOptions {
        on_step: Some(Arc::new(move |at| {
            notes.note(&format!("{at:?}"));
            Ok(())
        })),
        ..StoreOptions::default()
    };
    let store = first_commit(dir.path(), &disk, options);
    let operations = disk.operations();
    let note = |text: &str| first(&operations, |o| *o == Operation::Note(text.to_owned()));
    let (begin, end) = (note("InsideTransaction"), note("AfterTransaction"));
    for segment in store.segments(Dataset::Web).expect("list") {
        let mut name = segment.path.clone().into_os_string();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let written = |o: &Operation| matches!(o, Operation::Append(p, _) if *p == temporary);
        let last_write = operations.iter().rposition(written).expect("written");
        let synced = first(&operations, |o| *o == Operation::Sync(temporary.clone()));
        assert!(last_write < synced && synced < begin);
        let created = first(&operations, |o| *o == Operation::Create(temporary.clone()));
        let tables = dir.path().join("tables");
        for folder in temporary
            .ancestors()
            .skip(1)
            .take_while(|p| p.starts_with(&tables))
        {
            let sync = Operation::SyncDir(folder.to_owned());
            let at = operations.iter().take(begin).rposition(|o| *o == sync);
            assert!(at.is_some(), "{} is synced", folder.display());
        }
        let folder = temporary.parent().expect("a folder").to_owned();
        let named = operations[created..begin].contains(&Operation::SyncDir(folder.clone()));
        assert!(named, "the file's name is synced before the transaction");
        let rename = Operation::Rename(temporary.clone(), segment.path.clone());
        let renamed = first(&operations, |o| *o == rename);
        assert!(renamed > end);
        assert!(operations[renamed..].contains(&Operation::SyncDir(folder)));
    }
    let final_names = operations[..end].iter().any(|o| match o {
        Operation::Create(path) => path.extension().is_some_and(|e| e == "parquet"),
        Operation::Rename(..) => true,
        _ => false,
    });
    assert!(!final_names, "no uncommitted file ends in .parquet");
}

#[test]
fn files_of_a_dead_commit_are_deleted_at_the_next_open() {
    let dir = tempfile::tempdir().expect("folder");
    let disk = FaultDisk::new(12);
    let options = StoreOptions {
        on_step: Some(Arc::new(|at| match at {
            CommitStep::InsideTransaction => Err(io::Error::other("killed")),
            _ => Ok(()),
        })),
        ..StoreOptions::default()
    };
    let shared: SharedDisk = Arc::new(disk.clone());
    let store = open_with(dir.path(), options, shared.clone());
    store.append_hot(spread("a"), PARSER);
    assert!(store.commit(unit("one", 30)).is_err());
    let left = |disk: &FaultDisk| {
        let created = disk.operations().into_iter().filter_map(|o| match o {
            Operation::Create(path) => Some(path),
            _ => None,
        });
        created
            .filter(|path| haetae_event::disk::Disk::exists(disk, path))
            .count()
    };
    assert_eq!(left(&disk), 4);
    drop(store);
    drop(open_with(dir.path(), StoreOptions::default(), shared));
    assert_eq!(left(&disk), 0);
}
