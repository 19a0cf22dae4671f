//! `POST /v1/ingest`: read, unpack, frame, journal, answer.
//!
//! The answer is given when the journal has the records on disk. A repeated delivery gets the
//! first answer; its records are journalled as a number of duplicates.

pub(crate) mod body;
mod frame;
pub mod marks;

#[cfg(test)]
mod tests;

use crate::error::ApiError;
use crate::guard::{Ends, ingest_role, refuse};
use crate::seams::{DoorError, Push};
use crate::state::AppState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use frame::Framed;
use haetae_event::commit::DeliveryMark;
use haetae_event::{Dataset, Micros, TenantId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 255;
/// More refused lines than this, and the request is no NDJSON: it is refused whole. Each refused
/// line costs an answer and a journal record many times its size.
const REFUSED_MAX: usize = 20_000;

const MEDIA_TYPES: [&str; 4] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
];

#[derive(Serialize)]
struct Reply<'a> {
    accepted: u64,
    rejected: Vec<Refused<'a>>,
}

#[derive(Serialize)]
struct Refused<'a> {
    /// From 1.
    line: u64,
    code: &'static str,
    reason: &'a str,
}

/// What the head of the request says.
struct Asked {
    tenant: TenantId,
    dataset: Option<Dataset>,
    key: Option<String>,
    encoding: body::Encoding,
}

pub(crate) async fn ingest(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let ends = head.extensions.get::<Ends>().copied();
    let asked = match ends.ok_or_else(|| ApiError::internal("request without connection")) {
        Ok(ends) => asked(&state, &head.headers, &head.uri, ends),
        Err(error) => Err(error),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => return refuse(error, body).await,
    };
    let answer = async {
        let limit = state.options.ingest_bytes_max;
        let packed = body::read_body(&state, &head.headers, body, limit).await?;
        // Its own task: a client that goes away must not leave a delivery half decided.
        let state = state.clone();
        match tokio::spawn(accept(state, asked, packed)).await {
            Ok(answer) => answer,
            Err(join) => Err(ApiError::internal(join.to_string())),
        }
    };
    match answer.await {
        Ok(reply) => (
            [(header::CONTENT_TYPE, "application/json")],
            reply.as_bytes().to_vec(),
        )
            .into_response(),
        Err(error) => error.into_response(),
    }
}

fn asked(state: &AppState, headers: &HeaderMap, uri: &Uri, ends: Ends) -> Result<Asked, ApiError> {
    let tenant = ingest_role(state, headers, ends)?;
    if !body::content_type(headers).is_some_and(|kind| MEDIA_TYPES.contains(&kind.as_str())) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send one JSON object a line as content-type: application/x-ndjson",
        ));
    }
    let encoding = body::encoding(headers)?;
    let params = params(uri)?;
    let from_header = headers.get("x-schema-version").map(|v| v.to_str().unwrap_or("?"));
    for version in params.schema_version.as_deref().into_iter().chain(from_header) {
        if version != "v1" {
            return Err(ApiError::bad_request(
                "unsupported_schema_version",
                "the schema version is v1",
            ));
        }
    }
    let dataset = match params.dataset {
        None => None,
        Some(name) => Some(Dataset::parse(&name).ok_or_else(|| {
            let known = Dataset::ALL.map(Dataset::as_str).join(", ");
            ApiError::bad_request("unknown_dataset", format!("datasets are {known}"))
        })?),
    };
    let key = idempotency_key(headers)?;
    if state.backlogged() {
        let mut error = ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "backlog",
            "more was accepted than is processed yet; come back",
        );
        error.retry_after = Some(state.options.retry_after);
        return Err(error);
    }
    Ok(Asked {
        tenant,
        dataset,
        key,
        encoding,
    })
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    dataset: Option<String>,
    schema_version: Option<String>,
}

fn params(uri: &Uri) -> Result<Params, ApiError> {
    match axum::extract::Query::<Params>::try_from_uri(uri) {
        Ok(params) => Ok(params.0),
        Err(_) => Err(ApiError::bad_request(
            "bad_parameter",
            "parameters are dataset and schema_version, each at most once",
        )),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    if values.next().is_some() || text.is_empty() || text.len() > KEY_BYTES_MAX {
        let message = format!("Idempotency-Key is 1 to {KEY_BYTES_MAX} visible ASCII characters, once");
        return Err(ApiError::bad_request("bad_idempotency_key", message));
    }
    Ok(Some(text.to_owned()))
}

/// A delivery, checked and named, ready to be decided about.
struct Checked {
    framed: Framed,
    reply: String,
    body_sha256: String,
}

async fn accept(state: Arc<AppState>, asked: Asked, packed: body::Buffered) -> Result<Arc<str>, ApiError> {
    let slot = state.ingest_slots.acquire().await.expect("never closed");
    let (bytes_max, record_max) = (state.options.ingest_bytes_max, state.options.record_bytes_max);
    let (encoding, dataset) = (asked.encoding, asked.dataset);
    let checked = off_thread(move || {
        let body::Buffered { bytes, share } = packed;
        let text = body::unpack(bytes, encoding, bytes_max)?;
        let checked = check(&text, dataset, record_max);
        drop(share);
        checked
    })
    .await?;
    let mark = match asked.key {
        Some(key) => format!("key:{key}"),
        None => format!("body:{}", checked.body_sha256),
    };
    let marks_key = (asked.tenant.clone(), mark);
    let first = state.marks.slot(&marks_key);
    let answer = decide(&state, &marks_key, &first, asked.dataset, checked).await;
    state.marks.released(&marks_key, first);
    drop(slot);
    answer
}

fn check(text: &[u8], dataset: Option<Dataset>, record_bytes_max: usize) -> Result<Checked, ApiError> {
    let framed = frame::frame(text, record_bytes_max, REFUSED_MAX);
    if framed.accepted == 0 && framed.refused.is_empty() {
        return Err(ApiError::bad_request("empty_body", "the body holds no records"));
    }
    if framed.refused.len() > REFUSED_MAX {
        let message = format!("more than {REFUSED_MAX} lines are not JSON objects; nothing was accepted");
        return Err(ApiError::bad_request("too_many_bad_lines", message));
    }
    let reply = Reply {
        accepted: framed.accepted,
        rejected: framed
            .refused
            .iter()
            .map(|r| Refused {
                line: r.ordinal + 1,
                code: r.reason.code(),
                reason: &r.detail,
            })
            .collect(),
    };
    let reply = serde_json::to_string(&reply).expect("numbers and text always serialise");
    // The same lines sent as another dataset are another delivery.
    let mut hash = Sha256::new();
    hash.update(dataset.map_or("", Dataset::as_str));
    hash.update([0]);
    hash.update(text);
    let body_sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Checked {
        framed,
        reply,
        body_sha256,
    })
}

/// Under the slot's lock, so that of several equal deliveries at once one is appended and the
/// others see its answer.
async fn decide(
    state: &Arc<AppState>,
    key: &(TenantId, String),
    slot: &marks::Slot,
    dataset: Option<Dataset>,
    checked: Checked,
) -> Result<Arc<str>, ApiError> {
    let mut decided = slot.lock().await;
    let now = state.parts.clock.now();
    if let Some(first) = decided.as_ref().filter(|first| first.holds(now)) {
        if first.body_sha256 != checked.body_sha256 {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "idempotency_conflict",
                "this Idempotency-Key came with another body before",
            ));
        }
        let records = checked.framed.records;
        let again = Push {
            duplicates: records,
            ..push(&key.0, dataset, now)
        };
        append(state, again).await?;
        return Ok(first.reply.clone());
    }
    let mark = DeliveryMark {
        tenant_id: key.0.clone(),
        mark: key.1.clone(),
        body_sha256: checked.body_sha256,
        reply: checked.reply,
        accepted_at: now,
    };
    let first = state.marks.first(&mark);
    let Framed { body, refused, .. } = checked.framed;
    append(
        state,
        Push {
            body,
            refused,
            mark: Some(mark),
            ..push(&key.0, dataset, now)
        },
    )
    .await?;
    state.marks.settled(key, &first, now);
    let reply = first.reply.clone();
    *decided = Some(first);
    Ok(reply)
}

fn push(tenant: &TenantId, dataset: Option<Dataset>, received_at: Micros) -> Push {
    Push {
        tenant: tenant.clone(),
        dataset,
        body: Vec::new(),
        refused: Vec::new(),
        duplicates: 0,
        mark: None,
        received_at,
    }
}

async fn append(state: &Arc<AppState>, push: Push) -> Result<(), ApiError> {
    let door = state.parts.door.clone();
    let wait = state.options.retry_after;
    let appended = off_thread(move || Ok(door.append(push))).await?;
    appended.map_err(|error| {
        let mut refusal = match error {
            DoorError::Closed(_) => ApiError::unavailable("not_accepting", "not accepting input now", wait),
            DoorError::Failed(_) => ApiError::unavailable(
                "journal_failed",
                "the records could not be kept; send them again",
                wait,
            ),
        };
        refusal.internal = Some(error.to_string());
        refusal
    })
}

async fn off_thread<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result,
        Err(join) => Err(ApiError::internal(join.to_string())),
    }
}
