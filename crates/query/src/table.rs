//! The stored table of one dataset: exactly the catalog's files, and the hot rows.

use crate::segments::{SegmentFile, Snapshot};
use arrow::array::{ArrayRef, RecordBatch, StringViewArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction};
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use haetae_event::dataset::NativeType;
use haetae_event::{Dataset, EventBatch, schema};
use std::sync::Arc;

pub(crate) const TENANT: &str = "tenant_id";

/// Columns of a segment file: Core v1, then the dataset's own stored columns.
pub(crate) fn file_schema(dataset: Dataset) -> Schema {
    let mut fields = schema::core_fields();
    for native in dataset.native_fields() {
        let kind = match native.kind {
            NativeType::Utf8 => DataType::Utf8View,
            NativeType::Int32 => DataType::Int32,
            NativeType::Int64 => DataType::Int64,
            NativeType::Float64 => DataType::Float64,
            NativeType::Boolean => DataType::Boolean,
            NativeType::Core(_) => continue,
        };
        fields.push(Field::new(native.column, kind, true));
    }
    Schema::new(fields)
}

/// The rows of one [`Snapshot`]: file columns, then `tenant_id`.
#[derive(Debug)]
pub(crate) struct SegmentTable {
    table: TableSchema,
    segments: Vec<SegmentFile>,
    hot: Vec<RecordBatch>,
}

impl SegmentTable {
    /// # Errors
    /// When a hot batch does not have the schema's types.
    pub(crate) fn new(dataset: Dataset, snapshot: Snapshot) -> Result<Self> {
        let tenant = Arc::new(Field::new(TENANT, DataType::Utf8View, false));
        let table = TableSchema::builder(Arc::new(file_schema(dataset)))
            .with_table_partition_cols(vec![tenant])
            .build();
        let hot = snapshot
            .hot
            .iter()
            .filter(|batch| batch.rows() > 0)
            .map(|batch| align(batch, table.table_schema()))
            .collect::<Result<_>>()?;
        Ok(SegmentTable {
            table,
            segments: snapshot.segments,
            hot,
        })
    }

    /// The files that may hold rows for `filters`, by the catalog's tenant and time range.
    fn segments_for(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&SegmentFile>> {
        let all = self.segments.iter().collect();
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(all);
        };
        let schema = self.table.table_schema();
        let expr = state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(schema))?)?;
        // What cannot be decided from minima and maxima keeps every file.
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema));
        let Some(predicate) = builder.build(expr) else {
            return Ok(all);
        };
        let figures = self
            .segments
            .iter()
            .map(|segment| Arc::new(self.figures(segment)));
        let keep = predicate.prune(&PrunableStatistics::new(figures.collect(), Arc::clone(schema)))?;
        Ok(all
            .into_iter()
            .zip(keep)
            .filter(|(_, keep)| *keep)
            .map(|(segment, _)| segment)
            .collect())
    }

    fn figures(&self, segment: &SegmentFile) -> Statistics {
        let schema = self.table.table_schema();
        let mut figures = Statistics::new_unknown(schema);
        figures.num_rows = Precision::Exact(usize::try_from(segment.rows).unwrap_or(usize::MAX));
        let between = |min: ScalarValue, max: ScalarValue| ColumnStatistics {
            null_count: Precision::Exact(0),
            min_value: Precision::Exact(min),
            max_value: Precision::Exact(max),
            ..ColumnStatistics::new_unknown()
        };
        let time = |us| ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into()));
        let tenant = ScalarValue::Utf8View(Some(segment.tenant.to_string()));
        for (field, column) in schema.fields().iter().zip(&mut figures.column_statistics) {
            match field.name().as_str() {
                "ts" => *column = between(time(segment.min_ts), time(segment.max_ts)),
                TENANT => *column = between(tenant.clone(), tenant.clone()),
                _ => {}
            }
        }
        figures
    }

    fn scan_segments(
        &self,
        segments: &[&SegmentFile],
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        partitions: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = segments
            .iter()
            .map(|segment| partitioned(segment))
            .collect::<Result<Vec<_>>>()?;
        let groups = FileGroup::new(files).split_files(partitions.max(1));
        let source = Arc::new(ParquetSource::new(self.table.clone()));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn partitioned(segment: &SegmentFile) -> Result<PartitionedFile> {
    let length = std::fs::metadata(&segment.path)
        .map_err(DataFusionError::IoError)?
        .len();
    let mut file = PartitionedFile::new("", length);
    file.object_meta.location = ObjectPath::from_absolute_path(&segment.path)
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok(file.with_partition_values(vec![ScalarValue::Utf8View(Some(segment.tenant.to_string()))]))
}

/// The batch with every column of `schema`, in its order; absent ones are null.
fn align(batch: &EventBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.rows();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        if field.name() == TENANT {
            return Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(
                batch.tenant.as_str(),
                rows,
            )));
        }
        match batch.column(field.name()) {
            Some(column) => Arc::clone(column),
            None => new_null_array(field.data_type(), rows),
        }
    });
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect())?)
}

#[async_trait]
impl TableProvider for SegmentTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.table.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let segments = self.segments_for(state, filters)?;
        let hot = MemorySourceConfig::try_new_exec(
            std::slice::from_ref(&self.hot),
            Arc::clone(self.table.table_schema()),
            projection.cloned(),
        )?;
        if segments.is_empty() {
            return Ok(hot);
        }
        let partitions = state.config().target_partitions();
        let cold = self.scan_segments(&segments, projection, limit, partitions)?;
        if self.hot.is_empty() {
            return Ok(cold);
        }
        UnionExec::try_new(vec![cold, hot])
    }

    /// Files and row groups are skipped by their minima and maxima; rows are filtered above.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
