//! `POST /detect`: one request, or an array of them, judged while it is served.
//!
//! Fails open: whatever goes wrong here, the caller is to serve its visitor. An answer other than
//! 200 is no verdict, and an element of a batch that cannot be read is answered as no anomaly with
//! an `error` beside it.

use crate::error::ApiError;
use crate::guard::{Ends, ingest_role, refuse};
use crate::ingest::body::{content_type, read_body};
use crate::seams::{DetectAnswer, DetectRequest};
use crate::state::AppState;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use haetae_event::net::parse_address;
use haetae_event::{Micros, TenantId};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Of a body, single or batch.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Requests of one batch: a batch is judged on the thread that read it, and must not hold it long.
const BATCH_MAX: usize = 1_000;
/// Headers of one request that are looked at.
const HEADERS_MAX: usize = 100;
/// A time further in the future than this is a mistake; the time of arrival is taken.
const SKEW_US_MAX: i64 = 10 * 60 * 1_000_000;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    ip: Cow<'a, str>,
    #[serde(borrow, default)]
    ts: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Cow<'a, str>,
    #[serde(borrow, default)]
    ua: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    headers: Option<Headers<'a>>,
    #[serde(borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    account: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
}

/// Name and value, in the order sent; of a list of values the first.
struct Headers<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// A text that borrows from the body where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Headers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of header names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut headers = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            let HeaderText(value) = map.next_value()?;
            if headers.len() < HEADERS_MAX {
                headers.push((name, value));
            }
        }
        Ok(Headers(headers))
    }
}

/// A header's value: text, or a list of texts.
struct HeaderText<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for HeaderText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeaderTextVisitor)
    }
}

struct HeaderTextVisitor;

impl<'de> Visitor<'de> for HeaderTextVisitor {
    type Value = HeaderText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header value or a list of them")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(HeaderText(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(HeaderText(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut first = None;
        while let Some(Text(value)) = list.next_element()? {
            first.get_or_insert(value);
        }
        Ok(HeaderText(first.unwrap_or(Cow::Borrowed(""))))
    }
}

/// What became of one element of a batch.
#[derive(Serialize)]
struct Item {
    #[serde(flatten)]
    answer: DetectAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
    message: String,
}

pub(crate) async fn detect(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let role = match head.extensions.get::<Ends>() {
        Some(ends) => ingest_role(&state, &head.headers, *ends),
        None => Err(ApiError::internal("request without connection")),
    };
    let tenant = match role {
        Ok(tenant) => tenant,
        Err(error) => return refuse(error, body).await,
    };
    if content_type(&head.headers).as_deref() != Some("application/json") {
        let error = ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the request to be judged as content-type: application/json",
        );
        return refuse(error, body).await;
    }
    let read = read_body(&state, &head.headers, body, BODY_BYTES_MAX).await;
    match read.and_then(|body| answer(&state, &tenant, &body.bytes)) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => error.into_response(),
    }
}

fn answer(state: &AppState, tenant: &TenantId, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let bad = |error: serde_json::Error| ApiError::bad_request("bad_json", error.to_string());
    let batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let json = if batch {
        let elements: Vec<serde_json::Value> = serde_json::from_slice(body).map_err(bad)?;
        if elements.len() > BATCH_MAX {
            let message = format!("a batch has at most {BATCH_MAX} requests");
            return Err(ApiError::too_large("batch_too_large", message));
        }
        let items: Vec<Item> = elements
            .iter()
            .map(|element| item(state, tenant, element))
            .collect();
        serde_json::to_vec(&items)
    } else {
        let asked: Asked<'_> = serde_json::from_slice(body).map_err(bad)?;
        let answer = judged(state, tenant, &asked)
            .map_err(|refusal| ApiError::bad_request(refusal.code, refusal.message))?;
        serde_json::to_vec(&answer)
    };
    json.map_err(|error| ApiError::internal(error.to_string()))
}

fn item(state: &AppState, tenant: &TenantId, element: &serde_json::Value) -> Item {
    let read = Asked::deserialize(element).map_err(|error| Refusal {
        code: "bad_json",
        message: error.to_string(),
    });
    match read.and_then(|asked| judged(state, tenant, &asked)) {
        Ok(answer) => Item { answer, error: None },
        Err(refusal) => Item {
            answer: DetectAnswer::default(),
            error: Some(refusal),
        },
    }
}

fn judged(state: &AppState, tenant: &TenantId, asked: &Asked<'_>) -> Result<DetectAnswer, Refusal> {
    let Some(ip) = parse_address(&asked.ip) else {
        return Err(Refusal {
            code: "bad_ip",
            message: "`ip` is not an IPv4 or IPv6 address".into(),
        });
    };
    let ip = ip.to_string();
    let now = state.parts.clock.now();
    let ts = match asked.ts.as_deref().map(Micros::parse_rfc3339) {
        None => now,
        Some(Some(ts)) if ts <= now.saturating_add(SKEW_US_MAX) => ts,
        Some(Some(_)) => now,
        Some(None) => {
            return Err(Refusal {
                code: "bad_ts",
                message: "`ts` is not a time like 2026-03-01T09:00:00Z".into(),
            });
        }
    };
    let headers: Option<Vec<(&str, &str)>> = asked
        .headers
        .as_ref()
        .map(|Headers(list)| list.iter().map(|(name, value)| (&**name, &**value)).collect());
    Ok(state.parts.judge.judge(&DetectRequest {
        tenant,
        ip: &ip,
        ts,
        method: asked.method.as_deref().unwrap_or("GET"),
        uri: &asked.uri,
        ua: asked.ua.as_deref(),
        headers: headers.as_deref(),
        session: asked.session.as_deref(),
        account: asked.account.as_deref(),
        request_id: asked.request_id.as_deref(),
    }))
}
