//! Late scores and the rows that are still hot.

use crate::fixture::*;
use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, Int32Array, RecordBatch};
use arrow::datatypes::Schema;
use haetae_event::{Columns, Dataset, EventBatch};
use haetae_store::{CommitStep, ScanRequest, Store, StoreOptions, dataset_schema};
use proptest::prelude::*;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const fn key(n: u8) -> [u8; 16] {
    [n; 16]
}

/// Rows with a `src_key`, and with `ti_score` where `scores` is given.
fn keyed(prefix: &str, keys: &[Option<u8>], scores: Option<&[Option<i32>]>) -> EventBatch {
    let mut batch = batch(prefix, keys.len() as i64);
    let keys = keys.iter().map(|n| n.map(key));
    let keys = FixedSizeBinaryArray::try_from_sparse_iter_with_size(keys, 16).expect("16 bytes");
    let mut more: Vec<(&str, ArrayRef)> = vec![("src_key", Arc::new(keys))];
    if let Some(scores) = scores {
        more.push(("ti_score", Arc::new(Int32Array::from(scores.to_vec()))));
    }
    let full = dataset_schema(batch.dataset);
    let mut fields: Vec<_> = batch.records.schema().fields().iter().cloned().collect();
    let mut columns = batch.records.columns().to_vec();
    for (name, values) in more {
        fields.push(Arc::new(full.field_with_name(name).expect("a column").clone()));
        columns.push(values);
    }
    batch.records = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("fits");
    batch
}

/// Scores by `uri`.
fn scores(store: &Store) -> HashMap<String, Option<i32>> {
    let mut found = HashMap::new();
    let wanted = Columns::only(["uri", "ti_score"]);
    store
        .scan(&ScanRequest::all(Dataset::Web, wanted), &mut |batch| {
            let (uris, scores) = (batch.str("uri").expect("asked for"), batch.i32("ti_score"));
            for row in 0..batch.rows() {
                let score = scores.filter(|s| s.is_valid(row)).map(|s| s.value(row));
                found.insert(uris.value(row).to_owned(), score);
            }
            ControlFlow::Continue(())
        })
        .expect("scans");
    found
}

#[test]
fn hot_rows_get_late_scores_and_committed_ones_do_not() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    store.append_hot(keyed("old", &[Some(1)], None), PARSER);
    store.commit(unit("one", 1)).expect("commits");
    store.append_hot(keyed("bare", &[Some(1), None, Some(2)], None), PARSER);
    let known = [Some(90), Some(10), None, Some(5)];
    let with = keyed("with", &[Some(1), Some(1), Some(1), Some(3)], Some(&known));
    store.append_hot(with, PARSER);
    store.append_hot(batch("keyless", 2), PARSER);

    let late = HashMap::from([(key(1), 40), (key(9), 99)]);
    assert_eq!(store.amend_hot(&late), 3);
    assert_eq!(store.amend_hot(&late), 0, "nothing left to raise");
    let expected = [
        ("/old/0", None),
        ("/bare/0", Some(40)),
        ("/bare/1", None),
        ("/bare/2", None),
        ("/with/0", Some(90)),
        ("/with/1", Some(40)),
        ("/with/2", Some(40)),
        ("/with/3", Some(5)),
        ("/keyless/0", None),
        ("/keyless/1", None),
    ];
    let expected: HashMap<String, Option<i32>> = expected.map(|(uri, score)| (uri.to_owned(), score)).into();
    assert_eq!(scores(&store), expected);
    assert_eq!(store.hot_rows(), 9);
    let bytes: usize = store.hot(Dataset::Web).iter().map(EventBatch::memory_bytes).sum();
    assert_eq!(store.hot_bytes(), bytes);

    let report = store.commit(unit("two", 9)).expect("commits");
    assert_eq!((report.rows, store.hot_rows(), store.hot_bytes()), (9, 0, 0));
    assert_eq!(scores(&store), expected, "as they were hot");
    assert_eq!(store.amend_hot(&late), 0, "all committed");
    drop(store);
    assert_eq!(scores(&open(dir.path())), expected);
}

/// Rows of a commit that failed are hot again, also for late scores.
#[test]
fn rows_of_a_failed_commit_are_amended() {
    let dir = tempfile::tempdir().expect("folder");
    let broken = Arc::new(AtomicBool::new(true));
    let shared = broken.clone();
    let options = StoreOptions {
        on_step: Some(Arc::new(move |step| {
            let fails = step == CommitStep::InsideTransaction && shared.load(Ordering::SeqCst);
            if fails {
                Err(std::io::Error::other("broken"))
            } else {
                Ok(())
            }
        })),
        ..StoreOptions::default()
    };
    let disk = Arc::new(haetae_event::disk::RealDisk);
    let store = open_with(dir.path(), options, disk);
    store.append_hot(keyed("a", &[Some(1)], None), PARSER);
    store.commit(unit("one", 1)).expect_err("broken");
    store.append_hot(keyed("b", &[Some(1)], None), PARSER);
    assert_eq!(store.amend_hot(&HashMap::from([(key(1), 70)])), 2);
    broken.store(false, Ordering::SeqCst);
    store.commit(unit("one", 2)).expect("commits");
    let expected = [("/a/0", Some(70)), ("/b/0", Some(70))];
    assert_eq!(
        scores(&store),
        expected.map(|(uri, score)| (uri.to_owned(), score)).into()
    );
}

#[test]
fn readers_see_each_batch_before_or_after() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let rows = 2_000;
    store.append_hot(keyed("a", &vec![Some(1); rows], None), PARSER);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            loop {
                let last = done.load(Ordering::SeqCst);
                let scores = scores(&store);
                assert_eq!(scores.len(), rows);
                let different: std::collections::BTreeSet<_> = scores.into_values().collect();
                assert_eq!(different.len(), 1, "one batch, one state: {different:?}");
                seen.extend(different);
                if last {
                    return seen;
                }
            }
        });
        for score in 1..=100 {
            assert_eq!(store.amend_hot(&HashMap::from([(key(1), score)])), rows as u64);
        }
        store.commit(unit("one", rows as u64)).expect("commits");
        done.store(true, Ordering::SeqCst);
        assert!(reader.join().expect("reads").contains(&Some(100)));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against the plain rule: the higher of what was there and what came, row by row.
    #[test]
    fn the_higher_score_stays(
        rows in prop::collection::vec((prop::option::of(0u8..4), prop::option::of(0i32..=100)), 1..60),
        late in prop::collection::hash_map(0u8..4, 0i32..=100, 0..4),
    ) {
        let dir = tempfile::tempdir().expect("folder");
        let store = open(dir.path());
        let (keys, prior): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
        store.append_hot(keyed("r", &keys, Some(&prior)), PARSER);
        store.amend_hot(&late.iter().map(|(&n, &score)| (key(n), score)).collect());
        let found = scores(&store);
        for (row, (owner, prior)) in rows.iter().enumerate() {
            let came = owner.and_then(|n| late.get(&n).copied());
            prop_assert_eq!(found[&format!("/r/{row}")], came.max(*prior));
        }
    }
}
