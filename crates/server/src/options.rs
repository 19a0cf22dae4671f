//! How the door is set up.

use crate::error::ServerError;
use crate::token::Token;
use haetae_event::TenantId;
use haetae_event::time::MINUTE_US;
use std::net::SocketAddr;
use std::time::Duration;

/// A key that may ingest, for one tenant.
#[derive(Clone, Debug)]
pub struct IngestKey {
    pub tenant: TenantId,
    pub token: Token,
}

/// Who may ingest.
#[derive(Clone, Debug)]
pub enum IngestAuth {
    /// Anyone on this machine, as tenant `default`. Only on a loopback listener.
    OpenOnLoopback,
    /// Whoever holds one of the keys.
    Keys(Vec<IngestKey>),
}

/// Limits and addresses; see [`ServerOptions::new`] for the defaults.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub listen: SocketAddr,
    /// Names (without port) that clients may use for this server, beside `localhost`, the
    /// loopback addresses and the address they connected to.
    pub hosts: Vec<String>,
    /// Opens everything but ingest and health.
    pub local_token: Token,
    pub ingest: IngestAuth,
    /// Of an ingest request, as sent and as unpacked. The contract's 5 MB.
    pub ingest_bytes_max: usize,
    /// Of one record, without its line end. The contract's 256 KB.
    pub record_bytes_max: usize,
    /// For how long a byte-identical body without a key counts as a retry.
    pub dedup_window_us: i64,
    /// Accepted but uncommitted bytes above which clients are told to wait.
    pub backlog_bytes_max: u64,
    /// `Retry-After` of a 429 or 503.
    pub retry_after: Duration,
    pub connections_max: usize,
    /// Ingest bodies being unpacked and checked at once: bounds memory to about four times
    /// `ingest_bytes_max` each.
    pub ingest_concurrency_max: usize,
    /// For the head of a request, and for an idle connection.
    pub header_timeout: Duration,
    /// For the whole body of a request.
    pub body_timeout: Duration,
    /// A query that takes longer is stopped.
    pub query_timeout: Duration,
    /// A connection is closed, between requests, when it is this old.
    pub connection_age_max: Duration,
    /// What requests under way get when the server stops.
    pub stop_grace: Duration,
}

impl ServerOptions {
    pub fn new(listen: SocketAddr, local_token: Token, ingest: IngestAuth) -> Self {
        ServerOptions {
            listen,
            hosts: Vec::new(),
            local_token,
            ingest,
            ingest_bytes_max: 5_000_000,
            record_bytes_max: 256 * 1024,
            dedup_window_us: 10 * MINUTE_US,
            backlog_bytes_max: 512 << 20,
            retry_after: Duration::from_secs(2),
            connections_max: 256,
            ingest_concurrency_max: 16,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            query_timeout: Duration::from_secs(60),
            connection_age_max: Duration::from_secs(600),
            stop_grace: Duration::from_secs(5),
        }
    }

    /// # Errors
    /// When others than this machine could ingest without a key.
    pub fn check(&self) -> Result<(), ServerError> {
        let no_keys = match &self.ingest {
            IngestAuth::OpenOnLoopback => true,
            IngestAuth::Keys(keys) => keys.is_empty(),
        };
        if no_keys && !self.listen.ip().is_loopback() {
            return Err(ServerError::NeedsKeys { listen: self.listen });
        }
        Ok(())
    }
}
