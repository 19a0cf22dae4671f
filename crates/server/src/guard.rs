//! Who may ask: Host allow-list, Origin check, tokens.
//!
//! Loopback is not authentication. A page in the operator's browser can send requests here,
//! and by DNS rebinding read the answers under its own name: so the name must be one of ours,
//! and an Origin must be the same one.

use crate::error::ApiError;
use crate::options::{IngestAuth, ServerOptions};
use crate::state::AppState;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use haetae_event::TenantId;
use http_body_util::BodyExt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Both ends of the connection a request came over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Names this server answers to.
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(options: &ServerOptions) -> Self {
        let mut names: Vec<String> = options.hosts.iter().map(|name| normal(name).to_owned()).collect();
        names.push("localhost".to_owned());
        if !options.listen.ip().is_unspecified() {
            names.push(options.listen.ip().to_string());
        }
        Hosts(names)
    }

    /// `host` without port. An address is fine when it is the one connected to: rebinding
    /// needs a name.
    fn allow(&self, host: &str, local: IpAddr) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            let loopback = address.is_loopback() && local.to_canonical().is_loopback();
            if loopback || address == local.to_canonical() {
                return true;
            }
        }
        let name = normal(bare);
        self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// A trailing dot names the same host.
fn normal(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Outermost check of every request.
pub(crate) async fn address(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    match check_address(&state, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(error, request.into_body()).await,
    }
}

fn check_address(state: &AppState, request: &Request) -> Result<(), ApiError> {
    let ends = ends(request)?;
    let (authority, host) = host_of(request.headers(), request.uri())?;
    if !state.hosts.allow(host, ends.local.ip()) {
        return Err(forbidden(
            "host_not_allowed",
            "this server does not answer to that host name; add it to the configuration if it should",
        ));
    }
    for origin in request.headers().get_all(header::ORIGIN) {
        let same = origin
            .to_str()
            .ok()
            .and_then(|o| o.split_once("://"))
            .is_some_and(|(scheme, rest)| {
                matches!(scheme, "http" | "https") && rest.eq_ignore_ascii_case(authority)
            });
        if !same {
            return Err(forbidden(
                "cross_origin",
                "requests from other origins are not answered",
            ));
        }
    }
    Ok(())
}

/// (authority as sent, its host part). An absolute-form target must agree with `Host`.
fn host_of<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Result<(&'a str, &'a str), ApiError> {
    let bad = || forbidden("host_not_allowed", "exactly one valid Host header is required");
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(bad());
    };
    let text = host.to_str().map_err(|_| bad())?;
    let parsed: axum::http::uri::Authority = text.parse().map_err(|_| bad())?;
    let target_differs = uri
        .authority()
        .is_some_and(|a| !a.as_str().eq_ignore_ascii_case(text));
    if target_differs || text.contains('@') {
        return Err(bad());
    }
    // The host part is a prefix of what was sent (no user information).
    text.get(..parsed.host().len())
        .map(|host| (text, host))
        .ok_or_else(bad)
}

fn ends(request: &Request) -> Result<Ends, ApiError> {
    let found = request.extensions().get::<Ends>().copied();
    found.ok_or_else(|| ApiError::internal("request without connection"))
}

/// Lets a request through when it carries the local token.
pub(crate) async fn local_token(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let refusal = match bearer(request.headers()) {
        Some(token) if state.options.local_token.matches(token) => return next.run(request).await,
        Some(token) if ingest_tenant(&state.options.ingest, token).is_some() => {
            forbidden("wrong_role", "an ingest key opens nothing but /v1/ingest")
        }
        _ => {
            unauthorized("the local token is required: Authorization: Bearer <token from the data directory>")
        }
    };
    refuse(refusal, request.into_body()).await
}

/// The tenant an ingest request writes to.
pub(crate) fn ingest_role(state: &AppState, headers: &HeaderMap, ends: Ends) -> Result<TenantId, ApiError> {
    let presented = bearer(headers);
    match &state.options.ingest {
        IngestAuth::OpenOnLoopback => {
            let local = presented.is_some_and(|token| state.options.local_token.matches(token));
            // A reverse proxy on this machine would make everyone a neighbour.
            if local || (ends.peer.ip().to_canonical().is_loopback() && !proxied(headers)) {
                Ok(TenantId::default())
            } else {
                Err(unauthorized("requests through a proxy need a token"))
            }
        }
        keys @ IngestAuth::Keys(_) => {
            let Some(token) = presented else {
                return Err(unauthorized(
                    "an ingest key is required: Authorization: Bearer <key>",
                ));
            };
            match ingest_tenant(keys, token) {
                Some(tenant) => Ok(tenant),
                None if state.options.local_token.matches(token) => Err(forbidden(
                    "wrong_role",
                    "the local token does not ingest here; use an ingest key",
                )),
                None => Err(unauthorized("this ingest key is not known")),
            }
        }
    }
}

/// Compares with every key, so that time does not tell which one nearly matched.
fn ingest_tenant(auth: &IngestAuth, token: &str) -> Option<TenantId> {
    let IngestAuth::Keys(keys) = auth else { return None };
    keys.iter()
        .fold(None, |found, key| match key.token.matches(token) {
            true => Some(key.tenant.clone()),
            false => found,
        })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn proxied(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

pub(crate) fn forbidden(code: &str, message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

/// What is read of a refused body before the answer.
const DRAIN_BYTES_MAX: usize = 16 << 20;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// Answers with a refusal after taking in (some of) the body: a client that is still writing
/// when the connection closes would see a reset, not the answer.
pub(crate) async fn refuse(error: ApiError, body: Body) -> Response {
    let mut body = body;
    let drain = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, bytes::Bytes::len);
            if read > DRAIN_BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, drain).await;
    error.into_response()
}
