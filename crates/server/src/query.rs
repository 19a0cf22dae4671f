//! `POST /v1/query`.

use crate::error::ApiError;
use crate::guard::refuse;
use crate::ingest::body::{content_type, read_body};
use crate::seams::{QueryError, QueryLanguage, QueryRequest, QueryRows};
use crate::state::AppState;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use haetae_event::Micros;
use serde::Deserialize;
use std::sync::Arc;

const BODY_BYTES_MAX: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    query: String,
    lang: Option<String>,
    start: Option<Time>,
    end: Option<Time>,
}

/// RFC 3339, or seconds since the epoch as CloudWatch Logs has them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Text(String),
    Seconds(i64),
}

pub(crate) async fn run(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if content_type(&head.headers).as_deref() != Some("application/json") {
        let error = ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the query as content-type: application/json",
        );
        return refuse(error, body).await;
    }
    let answer = async {
        let body = read_body(&state, &head.headers, body, BODY_BYTES_MAX).await?;
        let asked = parse(&body.bytes)?;
        drop(body);
        rows(&state, asked).await
    };
    match answer.await {
        Ok(rows) => rendered(rows),
        Err(error) => error.into_response(),
    }
}

fn parse(body: &[u8]) -> Result<QueryRequest, ApiError> {
    let bad = |message: String| ApiError::bad_request("bad_request", message);
    // The parser's own text may quote what the client sent, which is the client's.
    let body: Body = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    let language = match body.lang.as_deref() {
        None | Some("insights") => QueryLanguage::Insights,
        Some("sql") => QueryLanguage::Sql,
        Some(_) => return Err(bad("`lang` is insights or sql".into())),
    };
    let time = |name: &str, time: Option<Time>| match time {
        None => Ok(None),
        Some(Time::Seconds(seconds)) => Ok(Some(Micros::from_seconds(seconds))),
        Some(Time::Text(text)) => match Micros::parse_rfc3339(&text) {
            Some(time) => Ok(Some(time)),
            None => Err(bad(format!(
                "`{name}` is an RFC 3339 time or seconds since the epoch"
            ))),
        },
    };
    let (start, end) = (time("start", body.start)?, time("end", body.end)?);
    Ok(QueryRequest {
        query: body.query,
        language,
        start,
        end,
    })
}

async fn rows(state: &AppState, asked: QueryRequest) -> Result<QueryRows, ApiError> {
    let limit = state.options.query_timeout;
    let too_large = |message: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "query_limit", message);
    match tokio::time::timeout(limit, state.parts.query.run(asked)).await {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(QueryError::Rejected { code, message })) => Err(ApiError::bad_request(&code, message)),
        Ok(Err(QueryError::TooLarge(message))) => Err(too_large(message)),
        Ok(Err(QueryError::Busy)) => Err(ApiError::unavailable(
            "busy",
            "too many queries at once",
            state.options.retry_after,
        )),
        Ok(Err(QueryError::Internal(what))) => Err(ApiError::internal(what)),
        Err(_) => Err(too_large(format!(
            "the query took longer than {} s",
            limit.as_secs()
        ))),
    }
}

fn rendered(rows: QueryRows) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (kind, rows.json).into_response();
    if rows.truncated {
        let name = HeaderName::from_static("x-haetae-truncated");
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static("true"));
    }
    response
}
