//! Bodies: read under a limit, unpacked under a limit.

use crate::error::ApiError;
use crate::guard::refuse;
use crate::state::AppState;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use std::io::Read;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body in memory, and its share of the memory all bodies may take.
pub(crate) struct Buffered {
    pub(crate) bytes: Vec<u8>,
    pub(crate) share: Option<OwnedSemaphorePermit>,
}

/// The media type, lower case, without parameters; `None` unless there is exactly one.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let essence = value.to_str().ok()?.split(';').next()?;
    Some(essence.trim().to_ascii_lowercase())
}

/// Reads a body of at most `bytes_max`.
///
/// # Errors
/// 413 too long, 408 too slow, 400 broken off, 503 when too much is being read at once.
pub(crate) async fn read_body(
    state: &AppState,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Buffered, ApiError> {
    let too_large = || {
        ApiError::too_large(
            "body_too_large",
            format!("a request body has at most {bytes_max} bytes"),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let mut reader = Reading {
        body,
        buffered: Buffered {
            bytes: Vec::new(),
            share: None,
        },
    };
    if announced.is_some_and(|length| length > bytes_max as u64) {
        refuse(too_large(), reader.body).await;
        return Err(too_large());
    }
    let read = reader.all(&state.body_budget, bytes_max);
    match tokio::time::timeout(state.options.body_timeout, read).await {
        Ok(Ok(())) => Ok(reader.buffered),
        Ok(Err(Trouble::TooLarge)) => {
            refuse(too_large(), reader.body).await;
            Err(too_large())
        }
        Ok(Err(Trouble::Budget)) => Err(ApiError::unavailable(
            "busy",
            "too much is being sent at once",
            state.options.retry_after,
        )),
        Ok(Err(Trouble::Broken)) => Err(ApiError::bad_request("body_broken", "the request body broke off")),
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "the request body came too slowly",
        )),
    }
}

enum Trouble {
    TooLarge,
    Budget,
    Broken,
}

struct Reading {
    body: Body,
    buffered: Buffered,
}

impl Reading {
    async fn all(&mut self, budget: &std::sync::Arc<Semaphore>, bytes_max: usize) -> Result<(), Trouble> {
        while let Some(frame) = self.body.frame().await {
            let Ok(data) = frame.map_err(|_| Trouble::Broken)?.into_data() else {
                continue;
            };
            if data.len() > bytes_max - self.buffered.bytes.len() {
                return Err(Trouble::TooLarge);
            }
            // At most `bytes_max`, far below 2^32.
            let share = u32::try_from(data.len()).map_err(|_| Trouble::TooLarge)?;
            let share = budget
                .clone()
                .try_acquire_many_owned(share)
                .map_err(|_| Trouble::Budget)?;
            match &mut self.buffered.share {
                Some(whole) => whole.merge(share),
                whole => *whole = Some(share),
            }
            self.buffered.bytes.extend_from_slice(&data);
        }
        Ok(())
    }
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// # Errors
/// 415 for anything but one of identity, gzip, zstd.
pub(crate) fn encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let first = values
        .next()
        .map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    match (first.as_deref(), values.next()) {
        (None | Some("identity" | ""), None) => Ok(Encoding::Identity),
        (Some("gzip" | "x-gzip"), None) => Ok(Encoding::Gzip),
        (Some("zstd"), None) => Ok(Encoding::Zstd),
        _ => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "content-encoding is one of gzip, zstd, identity",
        )),
    }
}

/// Largest zstd window taken, 2^23 = 8 MiB: the most a decoder must support (RFC 8878 §3.1.1.1.2).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Unpacks to at most `bytes_max`, never further. Blocks on the processor.
///
/// # Errors
/// 413 when there is more, 400 when the data is damaged or cut.
#[expect(clippy::disallowed_methods, reason = "every reader is capped with Read::take")]
pub(crate) fn unpack(packed: Vec<u8>, encoding: Encoding, bytes_max: usize) -> Result<Vec<u8>, ApiError> {
    let damaged = || ApiError::bad_request("bad_encoding", "the body cannot be unpacked");
    let mut out = Vec::new();
    let limit = bytes_max as u64 + 1;
    match encoding {
        Encoding::Identity => return Ok(packed),
        Encoding::Gzip => {
            let reader = flate2::read::MultiGzDecoder::new(packed.as_slice());
            reader.take(limit).read_to_end(&mut out).map_err(|_| damaged())?;
        }
        Encoding::Zstd => {
            let mut reader =
                zstd::stream::read::Decoder::with_buffer(packed.as_slice()).map_err(|_| damaged())?;
            reader
                .window_log_max(ZSTD_WINDOW_LOG_MAX)
                .map_err(|_| damaged())?;
            reader.take(limit).read_to_end(&mut out).map_err(|_| damaged())?;
        }
    }
    if out.len() > bytes_max {
        let message = format!("a request body unpacks to at most {bytes_max} bytes");
        return Err(ApiError::too_large("body_too_large", message));
    }
    Ok(out)
}
