//! Runs queries on threads of its own, inside limits.

use crate::error::{QueryError, root};
use crate::names;
use crate::rows::{QueryRows, Truncation};
use crate::segments::Segments;
use crate::statement;
use crate::views::{self, Bounds};
use arrow::array::RecordBatch;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use futures::StreamExt;
use haetae_event::{Dataset, Micros};
use std::sync::Arc;
use std::time::Duration;

/// Limits and time range of one query.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// Only events at or after this time.
    pub start: Option<Micros>,
    /// Only events before this time.
    pub end: Option<Micros>,
    /// Rows of the result; more are left out and [`QueryRows::truncation`] says so.
    pub row_max: usize,
    /// For the operators of the query and, once more, for its result.
    pub memory_bytes_max: usize,
    pub timeout: Duration,
}

impl Default for QueryOptions {
    /// 10,000 rows are more than people read and less than a page can choke on; 256 MiB leaves
    /// room for ingest on a small machine; a minute is longer than anyone waits.
    fn default() -> Self {
        QueryOptions {
            start: None,
            end: None,
            row_max: 10_000,
            memory_bytes_max: 256 << 20,
            timeout: Duration::from_secs(60),
        }
    }
}

/// Deep plans are walked recursively, in dev builds with large frames.
const STACK_BYTES: usize = 64 << 20;

/// Other spellings replaced in one query before it is refused.
const RENAMES_MAX: usize = 64;

/// The read-only SQL door over one store. Queries run on the engine's threads, so that a heavy
/// one does not hold up the caller's runtime.
pub struct QueryEngine {
    segments: Arc<dyn Segments>,
    threads: usize,
    /// `None` only while dropping.
    runtime: Option<tokio::runtime::Runtime>,
}

impl QueryEngine {
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(segments: Arc<dyn Segments>) -> std::io::Result<QueryEngine> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()?;
        Ok(QueryEngine {
            segments,
            threads,
            runtime: Some(runtime),
        })
    }

    /// Runs one SELECT. Dropping the future stops the query.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn sql(&self, text: &str, options: &QueryOptions) -> Result<QueryRows, QueryError> {
        let runtime = self.runtime.as_ref().expect("present until drop");
        let query = Query {
            segments: Arc::clone(&self.segments),
            threads: self.threads,
            options: options.clone(),
        };
        let text = text.to_owned();
        let limit = options.timeout;
        let mut task = AbortOnDrop(runtime.spawn(async move {
            match tokio::time::timeout(limit, query.run(&text)).await {
                Ok(result) => result,
                Err(_) => Err(QueryError::TimedOut {
                    seconds: limit.as_secs(),
                }),
            }
        }));
        match (&mut task.0).await {
            Ok(result) => result,
            Err(error) => Err(QueryError::Internal(error.to_string())),
        }
    }

    /// [`QueryEngine::sql`] for callers without a runtime.
    ///
    /// # Errors
    /// See [`QueryError`].
    ///
    /// # Panics
    /// When called from async code.
    pub fn sql_blocking(&self, text: &str, options: &QueryOptions) -> Result<QueryRows, QueryError> {
        let runtime = self.runtime.as_ref().expect("present until drop");
        runtime.block_on(self.sql(text, options))
    }
}

impl Drop for QueryEngine {
    /// Does not wait for running queries: a runtime may not be joined from async code.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One query on its way.
struct Query {
    segments: Arc<dyn Segments>,
    threads: usize,
    options: QueryOptions,
}

impl Query {
    async fn run(&self, text: &str) -> Result<QueryRows, QueryError> {
        let statement = statement::parse(text)?;
        match self.attempt(statement.clone()).await {
            // Compaction may take a file away between listing and reading: list again, once.
            Err(QueryError::Store(_)) => self.attempt(statement).await,
            result => result,
        }
    }

    async fn attempt(&self, statement: Statement) -> Result<QueryRows, QueryError> {
        let context = self.context()?;
        self.register_tables(&context, &statement)?;
        let plan = self.plan(&context, statement).await?;
        let nothing_written = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        nothing_written
            .verify_plan(&plan)
            .map_err(|error| QueryError::Refused(root(&error).to_string()))?;
        let frame = context
            .execute_logical_plan(plan)
            .await
            .map_err(|e| self.told(&e))?;
        let stream = frame.execute_stream().await.map_err(|e| self.told(&e))?;
        self.collect(stream).await
    }

    fn told(&self, error: &DataFusionError) -> QueryError {
        QueryError::from_datafusion(error, self.options.memory_bytes_max)
    }

    /// A session that knows no files, no URLs and no catalog but its own tables.
    fn context(&self) -> Result<SessionContext, QueryError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(self.options.memory_bytes_max)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()
            .map_err(|e| self.told(&e))?;
        let mut config = SessionConfig::new()
            .with_target_partitions(self.threads)
            .with_information_schema(false);
        // The schema has string views; files written by others may say plain strings.
        config.options_mut().execution.parquet.schema_force_view_types = true;
        Ok(SessionContext::new_with_config_rt(config, runtime))
    }

    fn register_tables(&self, context: &SessionContext, statement: &Statement) -> Result<(), QueryError> {
        let named = context
            .state()
            .resolve_table_references(statement)
            .map_err(|e| self.told(&e))?;
        let wanted = |name: &str| named.iter().any(|reference| reference.table() == name);
        let mut snapshots = Vec::new();
        for dataset in Dataset::ALL {
            if wanted(dataset.as_str()) || wanted(names::EVENTS) {
                let snapshot = self.segments.snapshot(dataset);
                snapshots.push((
                    dataset,
                    snapshot.map_err(|error| QueryError::Store(error.to_string()))?,
                ));
            }
        }
        let bounds = Bounds {
            start: self.options.start,
            end: self.options.end,
        };
        views::register(context, snapshots, bounds).map_err(|e| self.told(&e))
    }

    /// Plans, replacing other spellings of a column by the vendor's where a name is not found:
    /// only names that mean nothing else are touched.
    async fn plan(
        &self,
        context: &SessionContext,
        mut statement: Statement,
    ) -> Result<LogicalPlan, QueryError> {
        let state = context.state();
        for _ in 0..RENAMES_MAX {
            let error = match state.statement_to_plan(statement.clone()).await {
                Ok(plan) => return Ok(plan),
                Err(error) => error,
            };
            if !rename_missing(&mut statement, &error) {
                return Err(self.told(&error));
            }
        }
        Err(QueryError::Invalid("too many names under other spellings".into()))
    }

    async fn collect(&self, mut stream: SendableRecordBatchStream) -> Result<QueryRows, QueryError> {
        let schema = stream.schema();
        let mut batches: Vec<RecordBatch> = Vec::new();
        let (mut rows, mut bytes, mut truncation) = (0, 0, None);
        while let Some(batch) = stream.next().await {
            let mut batch = batch.map_err(|e| self.told(&e))?;
            if rows + batch.num_rows() > self.options.row_max {
                batch = batch.slice(0, self.options.row_max - rows);
                truncation = Some(Truncation::Rows(self.options.row_max));
            }
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
            if batch.num_rows() > 0 {
                batches.push(batch);
            }
            if truncation.is_none() && bytes > self.options.memory_bytes_max {
                truncation = Some(Truncation::Bytes(self.options.memory_bytes_max));
            }
            if truncation.is_some() {
                break;
            }
        }
        Ok(QueryRows::new(&schema, batches, truncation))
    }
}

fn rename_missing(statement: &mut Statement, error: &DataFusionError) -> bool {
    let DataFusionError::SchemaError(schema, _) = root(error) else {
        return false;
    };
    let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else {
        return false;
    };
    let valid: Vec<&str> = valid_fields.iter().map(|column| column.name()).collect();
    let qualifier = field.relation.as_ref().map(|relation| relation.table());
    let flat = qualifier.map(|table| format!("{table}.{}", field.name()));
    let vendor = flat
        .and_then(|flat| names::vendor_name(&flat, &valid))
        .or_else(|| names::vendor_name(field.name(), &valid));
    vendor.is_some_and(|vendor| statement::rename_column(statement, qualifier, field.name(), vendor) > 0)
}
