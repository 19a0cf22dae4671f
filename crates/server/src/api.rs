//! The routes.

use crate::detect::detect;
use crate::error::ApiError;
use crate::guard;
use crate::state::AppState;
use crate::{ingest, list, parsers, query};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;

pub(crate) fn router(state: &Arc<AppState>) -> Router {
    let local = Router::new()
        .route("/v1/query", post(query::run))
        .route("/v1/incidents", get(list::incidents))
        .route("/v1/incidents/{id}", get(list::incident))
        .route("/v1/findings", get(list::findings))
        .route("/v1/dlq", get(list::dlq))
        .route("/v1/dlq/{id}", get(list::dlq_entry))
        .route("/v1/counts", get(list::counts))
        .route("/v1/parsers", get(parsers::list).post(parsers::upload))
        .route("/v1/parsers/{id}", get(parsers::show).post(parsers::act))
        .route("/metrics", get(metrics))
        .route_layer(from_fn_with_state(state.clone(), guard::local_token));
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/v1/ingest", post(ingest::ingest))
        .route("/detect", post(detect))
        .merge(local)
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path takes another method",
            )
        })
        .layer(from_fn_with_state(state.clone(), guard::address))
        .layer(map_response(hardened))
        .with_state(state.clone())
}

/// Answers are data: no browser may guess a type, frame them or keep them.
async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(axum::http::HeaderValue::from_static(value));
    }
    response
}

async fn health() -> &'static str {
    "ok\n"
}

async fn ready(State(state): State<Arc<AppState>>) -> Response {
    if state.ready() {
        return "ready\n".into_response();
    }
    ApiError::unavailable("not_ready", "not accepting input now", state.options.retry_after).into_response()
}

async fn metrics(State(state): State<Arc<AppState>>) -> Result<Response, ApiError> {
    let metrics = state.parts.metrics.clone();
    let snapshot = tokio::task::spawn_blocking(move || metrics.snapshot())
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, crate::metrics::render(&snapshot)).into_response())
}
