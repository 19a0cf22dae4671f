//! Reading rows back, segments first, then hot rows.

use crate::error::StoreError;
use crate::file;
use crate::schema::{conform, projected_schema};
use crate::store::Store;
use crate::types::{ScanReport, ScanRequest, SegmentInfo};
use arrow::array::{Array, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use haetae_event::{Columns, EventBatch, TenantId};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;
use std::ops::ControlFlow;

const BATCH_ROWS: usize = 8192;

impl Store {
    /// Hands every matching row to `each`, in batches of one tenant with the wanted columns.
    /// Each segment is sorted by time; segments come in order of their smallest time, hot rows
    /// last: the whole is not sorted. Segments and row groups outside the times are not read.
    ///
    /// # Errors
    /// A file that is gone or damaged: what came before it has been handed out.
    pub fn scan(
        &self,
        request: &ScanRequest,
        each: &mut dyn FnMut(EventBatch) -> ControlFlow<()>,
    ) -> Result<ScanReport, StoreError> {
        let mut snapshot = self.snapshot(request.dataset)?;
        snapshot.segments.sort_by_key(|s| (s.min_ts, s.id));
        let mut report = ScanReport::default();
        let plan = Plan::new(request);
        for segment in &snapshot.segments {
            if !plan.may_hold(segment) {
                report.segments_pruned += 1;
                continue;
            }
            report.segments_read += 1;
            if self.scan_segment(&plan, segment, &mut report, each)?.is_break() {
                report.stopped = true;
                return Ok(report);
            }
        }
        if request.include_hot {
            for batch in &snapshot.hot {
                if !plan.wants_tenant(&batch.tenant) {
                    continue;
                }
                let records = conform(&batch.records, &plan.read);
                if plan
                    .hand_out(&batch.tenant, records, &mut report, each)?
                    .is_break()
                {
                    report.stopped = true;
                    break;
                }
            }
        }
        Ok(report)
    }

    fn scan_segment(
        &self,
        plan: &Plan<'_>,
        segment: &SegmentInfo,
        report: &mut ScanReport,
        each: &mut dyn FnMut(EventBatch) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let damaged = |e: &dyn std::fmt::Display| StoreError::damaged(segment.path.display(), e);
        let builder = file::open(&self.disk, &segment.path)?;
        let groups = plan.row_groups(&builder);
        report.row_groups_pruned += (builder.metadata().num_row_groups() - groups.len()) as u64;
        let reader = project(builder, &plan.read)
            .with_row_groups(groups)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|e| damaged(&e))?;
        for records in reader {
            let records = conform(&records.map_err(|e| damaged(&e))?, &plan.read);
            if plan.hand_out(&segment.tenant, records, report, each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Reads only the columns of `schema` that the file has.
fn project<T: ChunkReader + 'static>(
    builder: ParquetRecordBatchReaderBuilder<T>,
    schema: &SchemaRef,
) -> ParquetRecordBatchReaderBuilder<T> {
    let fields = builder.schema().fields();
    let wanted: Vec<usize> = (0..fields.len())
        .filter(|&index| schema.field_with_name(fields[index].name()).is_ok())
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    builder.with_projection(mask)
}

/// A request, with the columns it needs to read and those it hands out.
struct Plan<'a> {
    request: &'a ScanRequest,
    read: SchemaRef,
    out: SchemaRef,
}

impl<'a> Plan<'a> {
    fn new(request: &'a ScanRequest) -> Self {
        let out = projected_schema(request.dataset, &request.columns);
        let read = match request.ingested {
            None => out.clone(),
            Some(_) => {
                let columns = request.columns.clone().union(Columns::only(["ingested_at"]));
                projected_schema(request.dataset, &columns)
            }
        };
        Plan { request, read, out }
    }

    fn wants_tenant(&self, tenant: &TenantId) -> bool {
        self.request.tenant.as_ref().is_none_or(|t| t == tenant)
    }

    fn overlaps(&self, min_ts: i64, max_ts: i64) -> bool {
        let end = self.request.end_us;
        max_ts >= self.request.start_us && (min_ts < end || end == i64::MAX)
    }

    fn may_hold(&self, segment: &SegmentInfo) -> bool {
        let ingested = match (self.request.ingested, segment.ingested) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((after, until)), Some((lo, hi))) => hi > after && lo <= until,
        };
        ingested && self.wants_tenant(&segment.tenant) && self.overlaps(segment.min_ts.0, segment.max_ts.0)
    }

    /// Row groups whose statistics do not rule them out.
    fn row_groups<T: ChunkReader>(&self, builder: &ParquetRecordBatchReaderBuilder<T>) -> Vec<usize> {
        let groups = builder.metadata().row_groups();
        let may_hold = |group: &RowGroupMetaData| match ts_range(group) {
            Some((lo, hi)) => self.overlaps(lo, hi),
            None => true,
        };
        (0..groups.len()).filter(|&i| may_hold(&groups[i])).collect()
    }

    fn hand_out(
        &self,
        tenant: &TenantId,
        records: RecordBatch,
        report: &mut ScanReport,
        each: &mut dyn FnMut(EventBatch) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let records = match self.mask(&records) {
            None => records,
            Some(mask) => {
                filter_record_batch(&records, &mask).map_err(|e| StoreError::damaged("rows of a scan", e))?
            }
        };
        if records.num_rows() == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        report.rows += records.num_rows() as u64;
        Ok(each(EventBatch {
            tenant: tenant.clone(),
            dataset: self.request.dataset,
            records: conform(&records, &self.out),
        }))
    }

    /// Which rows match; `None` when all do.
    fn mask(&self, records: &RecordBatch) -> Option<BooleanArray> {
        let times = |name| -> &TimestampMicrosecondArray {
            records
                .column_by_name(name)
                .and_then(|c| c.as_any().downcast_ref())
                .expect("the plan reads this column")
        };
        let ts = times("ts").values();
        let mut keep: Vec<bool> = ts.iter().map(|&t| self.overlaps(t, t)).collect();
        if let Some((after, until)) = self.request.ingested {
            let ingested = times("ingested_at");
            for (row, keep) in keep.iter_mut().enumerate() {
                let at = ingested.value(row);
                *keep &= ingested.is_valid(row) && at > after.0 && at <= until.0;
            }
        }
        keep.contains(&false).then(|| keep.into())
    }
}

fn ts_range(group: &RowGroupMetaData) -> Option<(i64, i64)> {
    let columns = group.columns();
    let column = columns.iter().find(|c| c.column_path().string() == "ts")?;
    match column.statistics()? {
        Statistics::Int64(s) => Some((*s.min_opt()?, *s.max_opt()?)),
        _ => None,
    }
}
