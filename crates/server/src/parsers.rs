//! `/v1/parsers`: users' parser versions and which of them is in use.

use crate::error::ApiError;
use crate::guard::refuse;
use crate::ingest::body::{content_type, read_body};
use crate::seams::{ParserError, ParserRequest, ParserUpload};
use crate::state::AppState;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// A module of 8 MiB in base64, its definition and its signature.
const UPLOAD_BYTES_MAX: usize = 12 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upload {
    /// YAML.
    definition: String,
    /// WebAssembly, base64.
    #[serde(default)]
    module: String,
    /// The text of the `.sig` file.
    signature: String,
}

type Shared = State<Arc<AppState>>;

pub(crate) async fn list(State(state): Shared) -> Result<Json<Value>, ApiError> {
    handled(&state, ParserRequest::List).await
}

pub(crate) async fn show(
    State(state): Shared,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::not_found())?;
    handled(&state, ParserRequest::Show { id }).await
}

/// `POST /v1/parsers/{id}:promote`, `:rollback`, `:shadow`, `:unshadow`, `:resume`; `id` is `name` or
/// `name@vN`.
pub(crate) async fn act(
    State(state): Shared,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, ApiError> {
    let Path(path) = id.map_err(|_| ApiError::not_found())?;
    let (id, action) = path.rsplit_once(':').ok_or_else(ApiError::not_found)?;
    let id = id.to_owned();
    let request = match action {
        "promote" => ParserRequest::Promote { id },
        "rollback" => ParserRequest::RollBack { name: id },
        "shadow" => ParserRequest::Shadow { id },
        "unshadow" => ParserRequest::Unshadow { id },
        "resume" => ParserRequest::Resume { id },
        _ => return Err(ApiError::not_found()),
    };
    handled(&state, request).await
}

pub(crate) async fn upload(State(state): Shared, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if content_type(&head.headers).as_deref() != Some("application/json") {
        let error = ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the parser as content-type: application/json",
        );
        return refuse(error, body).await;
    }
    let answer = async {
        let body = read_body(&state, &head.headers, body, UPLOAD_BYTES_MAX).await?;
        let upload = parsed(&body.bytes)?;
        drop(body);
        handled(&state, ParserRequest::Upload(upload)).await
    };
    answer.await.into_response()
}

fn parsed(body: &[u8]) -> Result<ParserUpload, ApiError> {
    let bad = |message: String| ApiError::bad_request("bad_request", message);
    let upload: Upload = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    let module = STANDARD
        .decode(upload.module.as_bytes())
        .map_err(|error| bad(format!("`module` is not base64: {error}")))?;
    Ok(ParserUpload {
        definition: upload.definition,
        module,
        signature: upload.signature,
    })
}

async fn handled(state: &AppState, request: ParserRequest) -> Result<Json<Value>, ApiError> {
    let parsers = state.parts.parsers.clone();
    let answer = tokio::task::spawn_blocking(move || parsers.handle(request)).await;
    match answer {
        Ok(Ok(value)) => Ok(Json(value)),
        Ok(Err(ParserError::NotFound(what))) => Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no parser {what}"),
        )),
        Ok(Err(ParserError::Refused { code, message })) => Err(ApiError::bad_request(code, message)),
        Ok(Err(ParserError::Conflict(message))) => {
            Err(ApiError::new(StatusCode::CONFLICT, "version_exists", message))
        }
        Ok(Err(ParserError::Internal(what))) => Err(ApiError::internal(what)),
        Err(join) => Err(ApiError::internal(join.to_string())),
    }
}
