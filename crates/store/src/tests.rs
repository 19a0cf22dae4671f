use crate::hot::HotRows;
use crate::lock::{DirLock, holder};
use crate::options::StoreOptions;
use crate::partition::{Placed, assign};
use crate::schema::{conform, dataset_schema, projected_schema};
use crate::{StoreError, secrets};
use arrow::array::{RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use haetae_event::time::{DAY_US, HOUR_US};
use haetae_event::{Columns, Dataset, EventBatch, Micros, TenantId};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

const NOW: Micros = Micros(20_000 * DAY_US);

fn batch(times: &[i64]) -> EventBatch {
    let kind = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = vec![
        Field::new("ts", kind, false),
        Field::new("uri", DataType::Utf8View, true),
    ];
    let uris = StringViewArray::from_iter_values(times.iter().map(|t| format!("/a/long/path/{t}")));
    let ts = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
    let columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(ts), Arc::new(uris)];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::Web,
        records: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("fits"),
    }
}

#[test]
fn every_dataset_has_a_schema_without_double_names() {
    for dataset in Dataset::ALL {
        let schema = dataset_schema(dataset);
        let names: BTreeSet<_> = schema.fields().iter().map(|f| f.name()).collect();
        assert_eq!(names.len(), schema.fields().len(), "{dataset}");
        assert_eq!(schema.field(0).name(), "ts");
        for own in ["ds", "tenant", "dt", "hh"] {
            assert!(!names.iter().any(|n| *n == own), "{own} is a key of the layout");
        }
    }
}

#[test]
fn conforming_adds_nulls_and_drops_the_rest() {
    let wanted = projected_schema(Dataset::Web, &Columns::only(["status"]));
    let records = conform(&batch(&[1, 2]).records, &wanted);
    assert_eq!(records.schema(), wanted);
    assert_eq!(records.column_by_name("status").expect("there").null_count(), 2);
}

#[test]
fn unbelievable_times_go_to_the_arrival_hour() {
    let times = [
        NOW.0,
        NOW.0 - 401 * DAY_US,
        NOW.0 + DAY_US,
        i64::MIN,
        i64::MAX,
        NOW.0 - HOUR_US,
    ];
    let hours = assign(&[batch(&times)], &StoreOptions::default(), NOW);
    let here = NOW.0 / HOUR_US;
    assert_eq!(hours.keys().copied().collect::<Vec<_>>(), [here - 1, here]);
    let placed = |p| hours[&here].iter().filter(|r| r.placed == p).count();
    assert_eq!((placed(Placed::OutOfRange), placed(Placed::ByTime)), (4, 1));
    assert!(hours[&here].is_sorted_by_key(|r| r.ts));
}

#[test]
fn scattered_times_do_not_make_a_file_each() {
    let times: Vec<i64> = (0..3000).map(|n| NOW.0 - n * HOUR_US).collect();
    let options = StoreOptions {
        partitions_max: 10,
        ..StoreOptions::default()
    };
    let hours = assign(&[batch(&times)], &options, NOW);
    assert!(hours.len() <= 11, "{}", hours.len());
    assert_eq!(hours.values().map(Vec::len).sum::<usize>(), 3000);
}

#[test]
fn hot_rows_merge_and_do_not_pin_their_input() {
    let mut hot = HotRows::default();
    let large = batch(&(0..10_000).collect::<Vec<_>>());
    for n in 0..100 {
        let mut slice = large.clone();
        slice.records = large.records.slice(n * 10, 10);
        hot.push(slice, "p@v1");
    }
    let held = hot.of(Dataset::Web);
    assert!(held.len() < 12, "{} batches", held.len());
    assert_eq!(hot.rows(), 1000);
    let real: usize = held.iter().map(EventBatch::memory_bytes).sum();
    assert!(real < 120_000, "{real} bytes for 1,000 rows");
    assert!(hot.bytes() < 300_000, "{}", hot.bytes());
}

#[test]
fn a_failed_cut_keeps_its_rows_and_takes_new_ones_along() {
    let mut hot = HotRows::default();
    hot.push(batch(&[1, 2]), "p@v1");
    assert_eq!(hot.begin_cut()[0].1[0].rows(), 2);
    hot.push(batch(&[3]), "p@v1");
    let rows = |hot: &HotRows| hot.of(Dataset::Web).iter().map(EventBatch::rows).sum::<usize>();
    assert_eq!(rows(&hot), 3);
    let again: usize = hot.begin_cut()[0].1.iter().map(EventBatch::rows).sum();
    assert_eq!(again, 3);
    hot.push(batch(&[4]), "p@v1");
    hot.finish_cut();
    assert_eq!((rows(&hot), hot.rows()), (1, 1));
    assert!(hot.bytes() > 0);
}

#[test]
fn the_lock_names_its_holder_and_ends_with_it() {
    let dir = tempfile::tempdir().expect("folder");
    assert_eq!(holder(dir.path()), None);
    let mut lock = DirLock::acquire(dir.path(), "").expect("free");
    lock.set_address("127.0.0.1:8480").expect("writes");
    let held = holder(dir.path()).expect("held");
    assert_eq!(
        (held.address.as_str(), held.pid),
        ("127.0.0.1:8480", std::process::id())
    );
    let second = DirLock::acquire(dir.path(), "");
    assert!(matches!(second, Err(StoreError::Locked { holder, .. }) if holder == held));
    drop(lock);
    assert_eq!(holder(dir.path()), None);
    DirLock::acquire(dir.path(), "").expect("free again");
}

#[test]
fn secrets_are_made_once_and_are_private() {
    let parent = tempfile::tempdir().expect("folder");
    let dir = parent.path().join("a/data");
    secrets::prepare_data_dir(&dir).expect("prepares");
    let key = secrets::installation_key(&dir).expect("made");
    assert_eq!(secrets::installation_key(&dir).expect("read"), key);
    let token = secrets::local_token(&dir).expect("made");
    assert_eq!(secrets::local_token(&dir).expect("read"), token);
    assert_eq!(token.len(), 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode =
            |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join("installation.key")), 0o600);
        assert_eq!(mode(&dir.join("local.token")), 0o600);
    }
    assert_eq!(std::fs::read_dir(&dir).expect("list").count(), 2);
    std::fs::write(dir.join("installation.key"), b"short").expect("write");
    assert!(secrets::installation_key(&dir).is_err(), "never overwritten");
}

proptest! {
    #[test]
    fn assigning_keeps_every_row_once(times: Vec<i64>, hours_max in 1_usize..5) {
        let options = StoreOptions { partitions_max: hours_max, ..StoreOptions::default() };
        let hours = assign(&[batch(&times)], &options, NOW);
        let mut rows: Vec<u32> = hours.values().flatten().map(|r| r.row).collect();
        rows.sort_unstable();
        prop_assert_eq!(rows, (0..times.len() as u32).collect::<Vec<_>>());
    }
}
