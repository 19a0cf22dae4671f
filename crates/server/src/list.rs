//! `GET` lists: incidents, findings, the dead-letter queue, counts.

use crate::error::ApiError;
use crate::seams::{ListFilter, ReadError, Reader};
use crate::state::AppState;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use haetae_event::{Level, Micros, TenantId};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;

/// What may stand behind the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    tenant: Option<String>,
    state: Option<String>,
    level: Option<String>,
    start: Option<String>,
    end: Option<String>,
    limit: Option<usize>,
}

type Asked = Result<Query<Params>, QueryRejection>;
type Shared = State<Arc<AppState>>;
type Id = Result<Path<String>, PathRejection>;

pub(crate) async fn incidents(State(state): Shared, asked: Asked) -> Result<Json<Value>, ApiError> {
    let filter = filter(asked)?;
    read(&state, move |reader| reader.incidents(&filter))
        .await
        .map(Json)
}

pub(crate) async fn incident(State(state): Shared, id: Id) -> Result<Json<Value>, ApiError> {
    let id = known(id)?;
    found(read(&state, move |reader| reader.incident(&id)).await?)
}

pub(crate) async fn findings(State(state): Shared, asked: Asked) -> Result<Json<Value>, ApiError> {
    let filter = filter(asked)?;
    read(&state, move |reader| reader.findings(&filter))
        .await
        .map(Json)
}

pub(crate) async fn dlq(State(state): Shared, asked: Asked) -> Result<Json<Value>, ApiError> {
    let filter = filter(asked)?;
    read(&state, move |reader| reader.dlq(&filter)).await.map(Json)
}

pub(crate) async fn dlq_entry(State(state): Shared, id: Id) -> Result<Json<Value>, ApiError> {
    let id = known(id)?;
    found(read(&state, move |reader| reader.dlq_entry(&id)).await?)
}

pub(crate) async fn counts(State(state): Shared) -> Result<Json<Value>, ApiError> {
    read(&state, |reader| reader.counts()).await.map(Json)
}

async fn read<T: Send + 'static>(
    state: &AppState,
    call: impl FnOnce(&dyn Reader) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ApiError> {
    let reader = state.parts.reader.clone();
    match tokio::task::spawn_blocking(move || call(reader.as_ref())).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ApiError::internal(error.to_string())),
        Err(join) => Err(ApiError::internal(join.to_string())),
    }
}

fn found(value: Option<Value>) -> Result<Json<Value>, ApiError> {
    value.map(Json).ok_or_else(ApiError::not_found)
}

fn known(id: Id) -> Result<String, ApiError> {
    match id {
        Ok(Path(id)) if id.len() <= 128 => Ok(id),
        _ => Err(ApiError::not_found()),
    }
}

fn filter(asked: Asked) -> Result<ListFilter, ApiError> {
    let bad =
        |name: &str| ApiError::bad_request("bad_parameter", format!("the parameter `{name}` is not valid"));
    let Ok(Query(asked)) = asked else {
        let known = "parameters are tenant, state, level, start, end, limit, each at most once";
        return Err(ApiError::bad_request("bad_parameter", known));
    };
    let time = |name: &str, text: Option<String>| {
        text.map(|text| Micros::parse_rfc3339(&text).ok_or_else(|| bad(name)))
            .transpose()
    };
    let limit = asked.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad("limit"));
    }
    Ok(ListFilter {
        tenant: asked
            .tenant
            .map(|t| TenantId::new(&t).map_err(|_| bad("tenant")))
            .transpose()?,
        state: asked.state,
        level_min: asked
            .level
            .map(|l| l.parse::<Level>().map_err(|_| bad("level")))
            .transpose()?,
        start: time("start", asked.start)?,
        end: time("end", asked.end)?,
        limit,
    })
}
