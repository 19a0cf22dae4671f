//! Writing one Parquet file: sorted by time, zstd, dictionaries, statistics.

use crate::error::StoreError;
use crate::layout::{folder_of, temporary};
use crate::options::StoreOptions;
use crate::schema::dataset_schema;
use crate::store::Store;
use crate::types::SegmentInfo;
use arrow::array::{Array, RecordBatch, TimestampMicrosecondArray};
use haetae_event::disk::{Disk, DiskFile};
use haetae_event::{Dataset, Micros, TenantId};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Row groups are never larger, whatever the options say: readers hold one in memory.
const ROW_GROUP_ROWS_MAX: usize = 128 * 1024;
/// Columns whose values hardly ever repeat: a dictionary would only be built to be given up.
const UNIQUE_COLUMNS: [&str; 3] = ["raw", "raw_hash", "request_id"];

/// Key of the file's metadata that names its parsers, separated by spaces.
const PARSERS_KEY: &str = "haetae.parsers";

/// Where a new file goes.
pub(crate) struct Place {
    pub id: i64,
    pub dataset: Dataset,
    pub tenant: TenantId,
    pub dt: String,
    pub hh: String,
    /// Sorted, each once.
    pub parsers: Vec<String>,
}

/// A file being written under its temporary name.
pub(crate) struct SegmentWriter {
    place: Place,
    /// Final name.
    path: PathBuf,
    writer: ArrowWriter<Sink>,
    rows: u64,
    ts: Option<(i64, i64)>,
    ingested: Option<(i64, i64)>,
}

/// Lets the Parquet writer append to a disk file.
struct Sink(Box<dyn DiskFile>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(path: &std::path::Path) -> impl Fn(parquet::errors::ParquetError) -> StoreError + '_ {
    move |error| StoreError::Io {
        path: path.to_owned(),
        error: io::Error::other(error),
    }
}

fn properties(options: &StoreOptions, parsers: &[String]) -> WriterProperties {
    let level = ZstdLevel::try_new(options.zstd_level).unwrap_or_default();
    let rows = options.row_group_rows.clamp(1, ROW_GROUP_ROWS_MAX);
    let mut builder = WriterProperties::builder()
        .set_created_by("haetae".to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(
            PARSERS_KEY.to_owned(),
            parsers.join(" "),
        )]))
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(rows))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(ColumnPath::from("ts"), EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        }]));
    for column in UNIQUE_COLUMNS {
        builder = builder
            .set_column_dictionary_enabled(ColumnPath::from(column), false)
            .set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
    }
    builder.build()
}

impl SegmentWriter {
    /// Creates the file, its folders durable.
    pub(crate) fn create(store: &Store, place: Place) -> Result<SegmentWriter, StoreError> {
        let Place {
            id,
            dataset,
            tenant,
            dt,
            hh,
            ..
        } = &place;
        let path = store.layout.file(*dataset, tenant, dt, hh, *id);
        store.ensure_folder(folder_of(&path))?;
        let temporary = temporary(&path);
        let file = store
            .disk
            .create(&temporary)
            .map_err(StoreError::io(&temporary))?;
        let schema = dataset_schema(place.dataset);
        debug_assert_eq!(schema.field(0).name(), "ts", "sorting column 0 is ts");
        let writer = ArrowWriter::try_new(
            Sink(file),
            schema,
            Some(properties(&store.options, &place.parsers)),
        )
        .map_err(failed(&temporary))?;
        Ok(SegmentWriter {
            place,
            path,
            writer,
            rows: 0,
            ts: None,
            ingested: None,
        })
    }

    /// Appends rows of the full schema, not earlier than those before.
    pub(crate) fn write(&mut self, records: &RecordBatch) -> Result<(), StoreError> {
        self.writer.write(records).map_err(failed(&self.path))?;
        self.rows += records.num_rows() as u64;
        widen(&mut self.ts, records, "ts");
        widen(&mut self.ingested, records, "ingested_at");
        Ok(())
    }

    /// Ends the file and makes content and temporary name durable. The returned path is the
    /// temporary one.
    pub(crate) fn finish(mut self, disk: &dyn Disk) -> Result<SegmentInfo, StoreError> {
        let temporary = temporary(&self.path);
        self.writer.finish().map_err(failed(&temporary))?;
        let sink = self.writer.inner_mut();
        sink.0.sync().map_err(StoreError::io(&temporary))?;
        let bytes = sink.0.len();
        let folder = folder_of(&self.path);
        disk.sync_dir(folder).map_err(StoreError::io(folder))?;
        let (min_ts, max_ts) = self.ts.unwrap_or_default();
        Ok(SegmentInfo {
            id: self.place.id,
            path: temporary,
            dataset: self.place.dataset,
            tenant: self.place.tenant,
            dt: self.place.dt,
            hh: self.place.hh,
            rows: self.rows,
            bytes,
            min_ts: Micros(min_ts),
            max_ts: Micros(max_ts),
            parsers: self.place.parsers,
            ingested: self.ingested.map(|(lo, hi)| (Micros(lo), Micros(hi))),
            lease: Arc::new(()),
        })
    }
}

fn widen(range: &mut Option<(i64, i64)>, records: &RecordBatch, column: &str) {
    let times = records
        .column_by_name(column)
        .and_then(|c| c.as_any().downcast_ref::<TimestampMicrosecondArray>());
    for value in times.into_iter().flatten().flatten() {
        let (lo, hi) = range.unwrap_or((value, value));
        *range = Some((lo.min(value), hi.max(value)));
    }
}
