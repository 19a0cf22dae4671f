//! What goes wrong, for the operator and for the client.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "listening on {listen}, others could send logs without a key: set `ingest_token_file`, or listen on 127.0.0.1"
    )]
    NeedsKeys { listen: SocketAddr },
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        listen: SocketAddr,
        source: std::io::Error,
    },
}

/// A refusal, as the client sees it: `{"code","message"}`.
///
/// `message` is for the client; `internal`, where there is one, goes to the log only.
#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    /// Stable, snake case.
    pub code: String,
    pub message: String,
    pub retry_after: Option<Duration>,
    pub internal: Option<String>,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        ApiError {
            status,
            code: code.to_owned(),
            message: message.into(),
            retry_after: None,
            internal: None,
        }
    }

    pub fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn too_large(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, message)
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    /// 500, with what happened in the log only.
    pub fn internal(what: impl Into<String>) -> Self {
        let mut error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; the service's log says what",
        );
        error.internal = Some(what.into());
        error
    }

    /// 503.
    pub fn unavailable(code: &str, message: &str, retry_after: Duration) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        error.retry_after = Some(retry_after);
        error
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            // `?` escapes control characters.
            tracing::error!(status = self.status.as_u16(), code = self.code, internal = ?internal, "request failed");
        }
        let body = axum::Json(json!({"code": self.code, "message": self.message}));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs().max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
