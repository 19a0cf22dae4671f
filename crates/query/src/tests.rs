//! Queries over hand-made segments and hot rows, through the engine.

use crate::table::file_schema;
use crate::{QueryEngine, QueryError, QueryOptions, SegmentFile, Segments, SnapshotError, Truncation};
use arrow::array::builder::FixedSizeBinaryBuilder;
use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, Int32Array, Int64Array, ListArray, ListBuilder, RecordBatch,
    StringViewArray, StringViewBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use haetae_event::{Dataset, EventBatch, Micros, TenantId};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-03-01T00:00:00Z
const T0: i64 = 1_772_323_200_000_000;
const HOUR: i64 = 3_600_000_000;

#[derive(Default)]
struct Lists {
    segments: HashMap<Dataset, Vec<SegmentFile>>,
    hot: HashMap<Dataset, Vec<EventBatch>>,
}

#[derive(Default)]
struct House(Mutex<Lists>);

impl Segments for House {
    fn segments(&self, dataset: Dataset) -> Result<Vec<SegmentFile>, SnapshotError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .segments
            .get(&dataset)
            .cloned()
            .unwrap_or_default())
    }

    fn hot(&self, dataset: Dataset) -> Vec<EventBatch> {
        self.0
            .lock()
            .unwrap()
            .hot
            .get(&dataset)
            .cloned()
            .unwrap_or_default()
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    house: Arc<House>,
    engine: QueryEngine,
}

fn times(from: i64, rows: usize) -> ArrayRef {
    let values = (0..rows as i64).map(|i| from + i * 1_000_000);
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn texts(values: impl IntoIterator<Item = impl AsRef<str>>) -> ArrayRef {
    Arc::new(
        values
            .into_iter()
            .map(|v| Some(v.as_ref().to_owned()))
            .collect::<StringViewArray>(),
    )
}

/// Columns in any order, with the schema's fields.
fn batch(dataset: Dataset, tenant: &str, columns: Vec<(&str, ArrayRef)>) -> EventBatch {
    let all = file_schema(dataset);
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, _)| all.field_with_name(name).unwrap().clone())
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    EventBatch {
        tenant: TenantId::new(tenant).unwrap(),
        dataset,
        records: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap(),
    }
}

fn cloudfront(tenant: &str, from: i64, rows: usize) -> EventBatch {
    let status: ArrayRef = Arc::new(Int32Array::from_iter_values(
        (0..rows as i32).map(|i| [200, 404][i as usize % 2]),
    ));
    batch(
        Dataset::CloudFront,
        tenant,
        vec![
            ("cs_uri_stem", texts((0..rows).map(|i| format!("/page/{i}")))),
            ("ts", times(from, rows)),
            ("status", status.clone()),
            ("sc_status", status),
            (
                "src_ip",
                texts((0..rows).map(|i| format!("203.0.113.{}", i % 200))),
            ),
            ("ua", texts((0..rows).map(|_| "Mozilla/5.0"))),
            (
                "bytes_out",
                Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|i| i * 10))),
            ),
            ("cs_referer", texts((0..rows).map(|_| "https://example.com/"))),
        ],
    )
}

fn flows(from: i64, rows: usize) -> EventBatch {
    batch(
        Dataset::VpcFlow,
        "default",
        vec![
            ("ts", times(from, rows)),
            ("srcaddr", texts((0..rows).map(|_| "10.0.0.1"))),
            (
                "dstport",
                Arc::new(Int32Array::from_iter_values((0..rows as i32).map(|i| i + 1))),
            ),
            (
                "start",
                Arc::new(Int64Array::from_iter_values(
                    (0..rows as i64).map(|i| from / 1_000_000 + i),
                )),
            ),
        ],
    )
}

fn hashes(rows: usize) -> FixedSizeBinaryArray {
    let mut builder = FixedSizeBinaryBuilder::new(16);
    (0..rows).for_each(|_| builder.append_value([0xab; 16]).unwrap());
    builder.finish()
}

fn warnings(rows: usize) -> ListArray {
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for _ in 0..rows {
        builder.values().append_value("ts_out_of_range");
        builder.append(true);
    }
    builder.finish()
}

fn write(folder: &Path, name: &str, batch: &EventBatch) -> SegmentFile {
    let path: PathBuf = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(
        std::fs::File::create(&path).unwrap(),
        batch.records.schema(),
        None,
    )
    .unwrap();
    writer.write(&batch.records).unwrap();
    writer.close().unwrap();
    let (min_ts, max_ts) = batch.ts_range().unwrap();
    SegmentFile {
        bytes: std::fs::metadata(&path).unwrap().len(),
        path,
        tenant: batch.tenant.clone(),
        min_ts,
        max_ts,
        rows: batch.rows() as u64,
        lease: None,
    }
}

impl Fixture {
    fn empty() -> Fixture {
        let house = Arc::new(House::default());
        let engine = QueryEngine::new(Arc::clone(&house) as Arc<dyn Segments>).unwrap();
        Fixture {
            folder: tempfile::tempdir().unwrap(),
            house,
            engine,
        }
    }

    /// Two tenants' CloudFront hours and one hour of flows on disk, fresh rows of both.
    fn filled() -> Fixture {
        let fixture = Fixture::empty();
        fixture.cold(
            "ds=cloudfront/tenant=default/hh=00/a.parquet",
            &cloudfront("default", T0, 1000),
        );
        fixture.cold(
            "ds=cloudfront/tenant=default/hh=02/b.parquet",
            &cloudfront("default", T0 + 2 * HOUR, 500),
        );
        fixture.cold(
            "ds=cloudfront/tenant=acme/hh=00/c [1] %.parquet",
            &cloudfront("acme", T0, 30),
        );
        fixture.cold("ds=vpcflow/tenant=default/hh=00/d.parquet", &flows(T0, 40));
        fixture.hot(cloudfront("default", T0 + 3 * HOUR, 7));
        fixture.hot(flows(T0 + 3 * HOUR, 5));
        fixture
    }

    fn cold(&self, name: &str, batch: &EventBatch) {
        let segment = write(self.folder.path(), name, batch);
        self.house
            .0
            .lock()
            .unwrap()
            .segments
            .entry(batch.dataset)
            .or_default()
            .push(segment);
    }

    fn hot(&self, batch: EventBatch) {
        self.house
            .0
            .lock()
            .unwrap()
            .hot
            .entry(batch.dataset)
            .or_default()
            .push(batch);
    }

    fn with(&self, text: &str, options: &QueryOptions) -> Result<Value, QueryError> {
        let rows = self.engine.sql_blocking(text, options)?;
        Ok(serde_json::from_str(&rows.to_json()).expect("a result is JSON"))
    }

    fn ask(&self, text: &str) -> Value {
        self.with(text, &QueryOptions::default())
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refusal(&self, text: &str) -> QueryError {
        self.with(text, &QueryOptions::default())
            .err()
            .unwrap_or_else(|| panic!("{text} was allowed"))
    }
}

#[test]
fn cold_and_hot_rows_are_counted_once() {
    let f = Fixture::filled();
    assert_eq!(
        f.ask("SELECT count(*) AS n FROM events"),
        json!([{"n": 1000 + 500 + 30 + 40 + 7 + 5}])
    );
    assert_eq!(
        f.ask("SELECT count(*) AS n FROM cloudfront"),
        json!([{"n": 1537}])
    );
    assert_eq!(
        f.ask("SELECT dataset, tenant_id, count(*) AS n FROM events GROUP BY 1, 2 ORDER BY 1, 2"),
        json!([
            {"dataset": "cloudfront", "tenant_id": "acme", "n": 30},
            {"dataset": "cloudfront", "tenant_id": "default", "n": 1507},
            {"dataset": "vpcflow", "tenant_id": "default", "n": 45},
        ])
    );
    assert_eq!(
        f.ask("SELECT count(*) AS n FROM events WHERE tenant_id = 'acme'"),
        json!([{"n": 30}])
    );
    assert_eq!(
        f.ask("SELECT count(*) AS n FROM cloudfront WHERE status = 404"),
        json!([{"n": 500 + 250 + 15 + 3}])
    );
    assert_eq!(f.ask("SELECT count(*) AS n FROM web"), json!([{"n": 0}]));
    assert_eq!(
        f.ask("SELECT sum(bytes_out) AS n FROM cloudfront WHERE tenant_id = 'acme'"),
        json!([{"n": 4350}])
    );
}

#[test]
fn vendor_names_and_their_other_spellings() {
    let f = Fixture::filled();
    let first = json!([{"cs-uri-stem": "/page/0", "sc-status": 200, "cs(User-Agent)": "Mozilla/5.0"}]);
    let tail = "FROM cloudfront WHERE tenant_id = 'acme' ORDER BY ts LIMIT 1";
    assert_eq!(
        f.ask(&format!(
            r#"SELECT "cs-uri-stem", "sc-status", "cs(User-Agent)" {tail}"#
        )),
        first
    );
    assert_eq!(
        f.ask(&format!("SELECT cs_uri_stem, sc_status, CS_USER_AGENT {tail}")),
        first
    );
    assert_eq!(
        f.ask(&format!("SELECT t.cs_uri_stem FROM (SELECT * {tail}) t")),
        json!([{"cs-uri-stem": "/page/0"}])
    );
    assert_eq!(
        f.ask("SELECT srcAddr, dstPort FROM vpcflow ORDER BY dstport LIMIT 1"),
        json!([{"srcaddr": "10.0.0.1", "dstport": 1}])
    );
    let minute = "SELECT windowstart FROM vpcflow ORDER BY windowstart DESC LIMIT 1";
    assert_eq!(f.ask(minute), json!([{"start": (T0 + 3 * HOUR) / 1_000_000 + 4}]));
    assert_eq!(f.ask("SELECT httpRequest.clientIp, webaclId FROM waf"), json!([]));
    // A name of the query's own wins over the other spelling.
    assert_eq!(
        f.ask("SELECT count(*) AS referer FROM cloudfront GROUP BY status ORDER BY referer LIMIT 1"),
        json!([{"referer": 768}])
    );
}

#[test]
fn times_lists_bytes_and_absent_columns() {
    let f = Fixture::empty();
    let mut wide = cloudfront("default", T0 + 789_000, 1);
    let extra = [
        ("src_key", Arc::new(hashes(1)) as ArrayRef),
        ("warnings", Arc::new(warnings(1)) as ArrayRef),
    ];
    let all = file_schema(Dataset::CloudFront);
    let mut fields: Vec<Field> = wide
        .records
        .schema()
        .fields()
        .iter()
        .map(|f| f.as_ref().clone())
        .collect();
    let mut arrays = wide.records.columns().to_vec();
    for (name, array) in extra {
        fields.push(all.field_with_name(name).unwrap().clone());
        arrays.push(array);
    }
    wide.records = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    f.cold("old.parquet", &cloudfront("default", T0 - HOUR, 1));
    f.cold("new.parquet", &wide);
    f.hot(wide);
    let row = json!({"ts": "2026-03-01T00:00:00.789Z", "src_key": "ab".repeat(16), "warnings": ["ts_out_of_range"], "ja4": null});
    assert_eq!(
        f.ask("SELECT ts, src_key, warnings, ja4 FROM events ORDER BY ts"),
        json!([{"ts": "2026-02-28T23:00:00Z", "src_key": null, "warnings": null, "ja4": null}, row, row])
    );
    assert_eq!(f.ask("SELECT * FROM cloudfront").as_array().unwrap().len(), 3);
}

#[test]
fn files_of_other_writers_with_plain_strings_are_read() {
    let f = Fixture::empty();
    let views = cloudfront("default", T0, 3);
    let fields: Vec<Field> = views
        .records
        .schema()
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            arrow::datatypes::DataType::Utf8View => field
                .as_ref()
                .clone()
                .with_data_type(arrow::datatypes::DataType::Utf8),
            _ => field.as_ref().clone(),
        })
        .collect();
    let columns = views.records.columns().iter().zip(&fields);
    let arrays = columns
        .map(|(column, field)| arrow::compute::cast(column, field.data_type()).unwrap())
        .collect();
    let records = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    f.cold("plain.parquet", &EventBatch { records, ..views });
    f.hot(cloudfront("default", T0 + HOUR, 2));
    assert_eq!(
        f.ask("SELECT cs_uri_stem FROM cloudfront WHERE cs_uri_stem LIKE '%/1' ORDER BY ts"),
        json!([{"cs-uri-stem": "/page/1"}, {"cs-uri-stem": "/page/1"}])
    );
}

#[test]
fn start_and_end_bound_every_table() {
    let f = Fixture::filled();
    let options = QueryOptions {
        start: Some(Micros(T0 + 2 * HOUR)),
        end: Some(Micros(T0 + 3 * HOUR + 2_000_000)),
        ..QueryOptions::default()
    };
    assert_eq!(
        f.with("SELECT count(*) AS n FROM events", &options).unwrap(),
        json!([{"n": 500 + 2 + 2}])
    );
    assert_eq!(
        f.with("SELECT count(*) AS n FROM vpcflow", &options).unwrap(),
        json!([{"n": 2}])
    );
}

#[test]
fn files_outside_the_range_are_not_opened() {
    let f = Fixture::filled();
    // A file that is listed but cannot be read proves that it was not touched.
    let broken = f
        .folder
        .path()
        .join("ds=cloudfront/tenant=default/hh=00/a.parquet");
    let length = std::fs::metadata(&broken).unwrap().len();
    std::fs::write(&broken, vec![0; length as usize]).unwrap();
    let count = |condition: &str| format!("SELECT count(*) AS n FROM events WHERE {condition}");
    assert_eq!(
        f.ask(&count("ts >= '2026-03-01T02:00:00Z' AND dataset = 'cloudfront'")),
        json!([{"n": 507}])
    );
    assert_eq!(f.ask(&count("tenant_id = 'acme'")), json!([{"n": 30}]));
    assert_eq!(f.ask(&count("dataset = 'vpcflow'")), json!([{"n": 45}]));
    assert!(matches!(
        f.refusal("SELECT avg(status) FROM events"),
        QueryError::Store(_)
    ));
}

#[test]
fn only_one_select_passes() {
    let f = Fixture::filled();
    let target = f.folder.path().join("out.csv");
    let readable = f.folder.path().join("ds=vpcflow/tenant=default/hh=00/d.parquet");
    let refused = [
        format!("COPY (SELECT 1) TO '{}'", target.display()),
        format!("COPY events TO '{}' STORED AS CSV", target.display()),
        format!(
            "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{}'",
            readable.display()
        ),
        "CREATE TABLE t AS SELECT 1".into(),
        "CREATE VIEW v AS SELECT 1".into(),
        "DROP TABLE events".into(),
        "SET datafusion.execution.batch_size = 1".into(),
        "RESET datafusion.execution.batch_size".into(),
        "INSERT INTO events VALUES (1)".into(),
        "WITH x AS (SELECT 1) INSERT INTO events SELECT * FROM x".into(),
        "UPDATE events SET status = 1".into(),
        "DELETE FROM events".into(),
        "TRUNCATE TABLE events".into(),
        "SELECT 1 INTO t".into(),
        "SELECT 1; SELECT 2".into(),
        "SELECT 1; DROP TABLE events".into(),
        "EXPLAIN COPY (SELECT 1) TO 'x'".into(),
        "EXPLAIN ANALYZE INSERT INTO events VALUES (1)".into(),
        "PREPARE p AS SELECT 1".into(),
        "EXECUTE p".into(),
        "DEALLOCATE p".into(),
        "BEGIN".into(),
        "SHOW TABLES".into(),
        String::new(),
        " -- nothing\n".into(),
    ];
    for text in &refused {
        let error = f.refusal(text);
        let kept_out = matches!(error, QueryError::Refused(_) | QueryError::Syntax { .. });
        assert!(kept_out, "{text}: {error:?}");
    }
    let no_tables = [
        format!("SELECT * FROM '{}'", readable.display()),
        format!("SELECT * FROM \"{}\"", readable.display()),
        "SELECT * FROM 'https://example.com/x.parquet'".into(),
        "SELECT * FROM information_schema.tables".into(),
        "SELECT * FROM stored".into(),
    ];
    for text in &no_tables {
        let error = f.refusal(text);
        assert!(
            matches!(error, QueryError::UnknownName { .. } | QueryError::Invalid(_)),
            "{text}: {error:?}"
        );
    }
    assert!(matches!(
        f.refusal("SELECT * FROM read_csv('x')"),
        QueryError::Invalid(_)
    ));
    assert!(!target.exists());
    assert!(
        !f.ask("EXPLAIN SELECT count(*) FROM events")
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn mistakes_are_explained() {
    let f = Fixture::filled();
    let said = |text: &str| f.refusal(text).to_string();
    assert_eq!(
        said("SELECT statsu FROM events"),
        r#"there is no column "statsu"; did you mean status?"#
    );
    assert!(
        said("SELECT cs-uri-stem FROM cloudfront").contains("need double quotes"),
        "{}",
        said("SELECT cs-uri-stem FROM cloudfront")
    );
    assert!(
        said("SELECT * FROM cloudfrnt").contains("did you mean cloudfront?"),
        "{}",
        said("SELECT * FROM cloudfrnt")
    );
    match f.refusal("SELECT status\nFROM events\nWHERE )") {
        QueryError::Syntax { line, column, .. } => assert_eq!((line, column), (3, 7)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        f.refusal("SELECT nosuch(status) FROM events"),
        QueryError::Invalid(_)
    ));
    assert!(f.refusal("SELECT 1/0").is_callers_fault());
}

#[test]
fn limits_hold() {
    let f = Fixture::filled();
    let few = QueryOptions {
        row_max: 10,
        ..QueryOptions::default()
    };
    let rows = f.engine.sql_blocking("SELECT ts FROM events", &few).unwrap();
    assert_eq!((rows.len(), rows.truncation()), (10, Some(Truncation::Rows(10))));
    let exact = f
        .engine
        .sql_blocking("SELECT ts FROM events LIMIT 10", &few)
        .unwrap();
    assert_eq!((exact.len(), exact.truncation()), (10, None));

    let small = QueryOptions {
        memory_bytes_max: 1 << 20,
        ..QueryOptions::default()
    };
    let heavy = "SELECT a.value, count(*) FROM generate_series(1, 3000000) a GROUP BY 1 ORDER BY 2 LIMIT 1";
    assert!(matches!(
        f.with(heavy, &small),
        Err(QueryError::TooMuchMemory { mib: 1 })
    ));

    let short = QueryOptions {
        timeout: Duration::from_millis(200),
        ..QueryOptions::default()
    };
    let endless = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b WHERE a.value % 7 = b.value % 11";
    assert!(matches!(
        f.with(endless, &short),
        Err(QueryError::TimedOut { .. } | QueryError::TooMuchMemory { .. })
    ));
}

#[test]
fn deep_texts_do_not_overflow_the_stack() {
    let f = Fixture::filled();
    let nested = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(f.with(&nested, &QueryOptions::default()).is_err());
    let long = format!("SELECT 1{}", "+1".repeat(30_000));
    assert!(matches!(f.refusal(&long), QueryError::Refused(_)));
    let allowed = format!(
        "SELECT count(*) AS n FROM events WHERE {}",
        vec!["status = 404"; 320].join(" OR ")
    );
    assert_eq!(f.ask(&allowed), json!([{"n": 768}]));
    let sum = format!("SELECT status {} AS n FROM events LIMIT 1", "+ 1 ".repeat(990));
    assert!(f.with(&sum, &QueryOptions::default()).is_ok());
    let list = vec!["'10.0.0.1'"; 3_000].join(",");
    assert_eq!(
        f.ask(&format!(
            "SELECT count(*) AS n FROM vpcflow WHERE srcaddr IN ({list})"
        )),
        json!([{"n": 45}])
    );
}

#[test]
fn hostile_text_is_escaped_at_each_exit() {
    let f = Fixture::empty();
    let hostile = texts([
        "=cmd|' /C calc'!A0",
        "a,\"b\"\n",
        "\u{1b}[2J\u{202e}해태",
        "</script>",
    ]);
    f.hot(batch(
        Dataset::Web,
        "default",
        vec![("ts", times(T0, 4)), ("uri", hostile)],
    ));
    let rows = f
        .engine
        .sql_blocking("SELECT uri, ts FROM web ORDER BY ts", &QueryOptions::default())
        .unwrap();
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    let csv = written(&|out| rows.write_csv(out).unwrap());
    assert!(
        csv.starts_with("uri,ts\n'=cmd|' /C calc'!A0,2026-03-01T00:00:00Z\n\"a,\"\"b\"\"\n\","),
        "{csv}"
    );
    let text = written(&|out| rows.write_text(out).unwrap());
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{202e}') && text.contains("해태"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 5);
    let ndjson = written(&|out| rows.write_ndjson(out).unwrap());
    let uris: Vec<Value> = ndjson
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["uri"].clone())
        .collect();
    assert_eq!(uris[2], json!("\u{1b}[2J\u{202e}해태"));
}

#[test]
fn equal_names_stay_apart() {
    let f = Fixture::filled();
    assert_eq!(
        f.ask("SELECT a.n, b.n FROM (SELECT 1 AS n) a, (SELECT 2 AS n) b"),
        json!([{"n": 1, "n_2": 2}])
    );
}

#[test]
fn queries_while_rows_move_from_hot_to_cold_see_each_row_once() {
    let f = Fixture::filled();
    let moved = cloudfront("default", T0 + 3 * HOUR, 7);
    let segment = write(f.folder.path(), "moved.parquet", &moved);
    std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            for turn in 0..200 {
                let mut lists = f.house.0.lock().unwrap();
                if turn % 2 == 0 {
                    lists.hot.get_mut(&Dataset::CloudFront).unwrap().clear();
                    lists
                        .segments
                        .get_mut(&Dataset::CloudFront)
                        .unwrap()
                        .push(segment.clone());
                } else {
                    lists.segments.get_mut(&Dataset::CloudFront).unwrap().pop();
                    lists
                        .hot
                        .get_mut(&Dataset::CloudFront)
                        .unwrap()
                        .push(moved.clone());
                }
                drop(lists);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        while !mover.is_finished() {
            assert_eq!(
                f.ask("SELECT count(*) AS n FROM cloudfront"),
                json!([{"n": 1537}])
            );
        }
    });
}
