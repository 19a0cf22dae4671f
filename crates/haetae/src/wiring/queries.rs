//! The store for the query engine, and the query engine for the server.

use futures::future::BoxFuture;
use haetae_event::{Dataset, EventBatch};
use haetae_query::{QueryEngine, QueryOptions, SegmentFile, Segments, Snapshot, SnapshotError};
use haetae_server::{QueryError, QueryLanguage, QueryRequest, QueryRows, QueryRunner};
use haetae_store::{SegmentInfo, Store};
use std::sync::Arc;

pub struct StoreSegments(pub Arc<Store>);

impl Segments for StoreSegments {
    fn segments(&self, dataset: Dataset) -> Result<Vec<SegmentFile>, SnapshotError> {
        let segments = self
            .0
            .segments(dataset)
            .map_err(|error| SnapshotError(error.to_string()))?;
        Ok(segments.into_iter().map(file).collect())
    }

    fn hot(&self, dataset: Dataset) -> Vec<EventBatch> {
        self.0.hot(dataset)
    }

    fn snapshot(&self, dataset: Dataset) -> Result<Snapshot, SnapshotError> {
        let snapshot = self
            .0
            .snapshot(dataset)
            .map_err(|error| SnapshotError(error.to_string()))?;
        Ok(Snapshot {
            segments: snapshot.segments.into_iter().map(file).collect(),
            hot: snapshot.hot,
        })
    }
}

/// The lease keeps the file from being deleted under the query.
fn file(segment: SegmentInfo) -> SegmentFile {
    SegmentFile {
        path: std::path::absolute(&segment.path).unwrap_or_else(|_| segment.path.clone()),
        tenant: segment.tenant.clone(),
        min_ts: segment.min_ts.0,
        max_ts: segment.max_ts.0,
        rows: segment.rows,
        bytes: segment.bytes,
        lease: Some(Arc::new(segment)),
    }
}

pub struct EngineRunner(pub QueryEngine);

impl QueryRunner for EngineRunner {
    fn run(&self, request: QueryRequest) -> BoxFuture<'_, Result<QueryRows, QueryError>> {
        Box::pin(async move {
            if request.language == QueryLanguage::Insights {
                return Err(QueryError::Rejected {
                    code: "language".to_owned(),
                    message: "Insights QL is not built yet; send \"lang\":\"sql\"".to_owned(),
                });
            }
            let options = QueryOptions {
                start: request.start,
                end: request.end,
                ..QueryOptions::default()
            };
            match self.0.sql(&request.query, &options).await {
                Ok(rows) => Ok(QueryRows {
                    truncated: rows.truncation().is_some(),
                    json: rows.to_json().into_bytes(),
                }),
                Err(error) if error.is_callers_fault() => Err(QueryError::Rejected {
                    code: error.code().to_owned(),
                    message: error.to_string(),
                }),
                Err(error) => Err(QueryError::Internal(error.to_string())),
            }
        })
    }
}
