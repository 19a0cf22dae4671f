//! What the server needs from the rest of the house.

use crate::metrics::MetricsSnapshot;
use futures::future::BoxFuture;
use haetae_event::commit::DeliveryMark;
use haetae_event::{Dataset, Level, Micros, Reject, TenantId};
use serde_json::Value;

/// Why an entry was not taken. The text is for the log, never for the client.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Nothing is accepted now (disk full, shutting down): the client should come back.
    #[error("not accepting: {0}")]
    Closed(String),
    /// The journal failed; whether the entry is kept is unknown.
    #[error("journal: {0}")]
    Failed(String),
}

/// What one request adds to the journal, accepted and refused records together.
///
/// Law: the entry's `lines_in` is the records of `body` (accepted and blank lines), plus
/// `refused`, plus `duplicates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub tenant: TenantId,
    /// What the client said it is; `None`: detect it.
    pub dataset: Option<Dataset>,
    /// Accepted and blank lines, each ended by `\n`, in the order received: NDJSON, UTF-8,
    /// each accepted line a syntactically valid JSON object.
    pub body: Vec<u8>,
    /// Refused lines; `ordinal` counts all lines of the request from 0.
    pub refused: Vec<Reject>,
    /// Records of a repeated delivery. Then `body` and `refused` are empty and `mark` is `None`.
    pub duplicates: u64,
    /// How a repetition of this delivery will be known: to be committed with it, and given back
    /// at the next start in [`crate::Parts::marks`].
    pub mark: Option<DeliveryMark>,
    pub received_at: Micros,
}

/// The journal, as the door sees it. Calls block; the server makes them off its async threads.
pub trait IngestDoor: Send + Sync {
    /// Encodes and appends one push. Durable when it returns.
    ///
    /// # Errors
    /// See [`DoorError`]. After an error the client is told to try again, with the same key.
    fn append(&self, push: Push) -> Result<(), DoorError>;

    /// Bytes accepted but not yet committed. Cheap: asked once per request.
    fn backlog_bytes(&self) -> u64;

    /// Whether [`IngestDoor::append`] would take an entry now. Cheap.
    fn accepting(&self) -> bool {
        true
    }
}

/// The language of a query's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueryLanguage {
    #[default]
    Insights,
    Sql,
}

/// A query as it came over HTTP; its limits are the runner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRequest {
    pub query: String,
    pub language: QueryLanguage,
    /// Inclusive, event time.
    pub start: Option<Micros>,
    /// Exclusive, event time.
    pub end: Option<Micros>,
}

/// What a query gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRows {
    /// A JSON array of row objects, UTF-8.
    pub json: Vec<u8>,
    /// Whether a limit cut rows off.
    pub truncated: bool,
}

/// Why a query gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is wrong. `code` and `message` are shown to the client.
    #[error("{code}: {message}")]
    Rejected { code: String, message: String },
    /// It is right but asks for more than the limits allow. Shown to the client.
    #[error("{0}")]
    TooLarge(String),
    /// Too many queries at once, or the engine is starting.
    #[error("busy")]
    Busy,
    /// Ours. Logged, not shown.
    #[error("{0}")]
    Internal(String),
}

/// Runs queries over committed and fresh rows.
pub trait QueryRunner: Send + Sync {
    /// A dropped future stops the work.
    ///
    /// # Errors
    /// See [`QueryError`].
    fn run(&self, request: QueryRequest) -> BoxFuture<'_, Result<QueryRows, QueryError>>;
}

/// The numbers behind `/metrics`. Called on a thread that may block.
pub trait Metrics: Send + Sync {
    fn snapshot(&self) -> MetricsSnapshot;
}

/// Which rows a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFilter {
    pub tenant: Option<TenantId>,
    /// Incident state, exact.
    pub state: Option<String>,
    /// This level and above.
    pub level_min: Option<Level>,
    pub start: Option<Micros>,
    pub end: Option<Micros>,
    /// 1 ..= 10,000.
    pub limit: usize,
}

/// A list could not be read. The text is for the log, never for the client.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// Reads what the house remembers, as the JSON the command line prints too. Calls block; the
/// server makes them off its async threads.
#[expect(
    clippy::missing_errors_doc,
    reason = "all alike: when the catalog cannot be read"
)]
pub trait Reader: Send + Sync {
    /// An array, newest first.
    fn incidents(&self, filter: &ListFilter) -> Result<Value, ReadError>;
    /// `None`: no such incident.
    fn incident(&self, id: &str) -> Result<Option<Value>, ReadError>;
    /// An array, newest first.
    fn findings(&self, filter: &ListFilter) -> Result<Value, ReadError>;
    /// An array, newest first, without the records' bytes.
    fn dlq(&self, filter: &ListFilter) -> Result<Value, ReadError>;
    /// One entry with its bytes (as text where they are UTF-8); `None`: no such entry.
    fn dlq_entry(&self, id: &str) -> Result<Option<Value>, ReadError>;
    /// The terms of the conservation law by source, tenant and dataset.
    fn counts(&self) -> Result<Value, ReadError>;
}

/// A parser version that is to be added.
#[derive(Clone, Debug)]
pub struct ParserUpload {
    /// YAML.
    pub definition: String,
    /// WebAssembly of kind `custom`, else empty.
    pub module: Vec<u8>,
    /// The text of its signature file.
    pub signature: String,
}

/// What may be asked of users' parsers. An id is `name` or `name@vN`; a name alone means its
/// newest version.
#[derive(Clone, Debug)]
pub enum ParserRequest {
    List,
    Show {
        id: String,
    },
    Upload(ParserUpload),
    Promote {
        id: String,
    },
    RollBack {
        name: String,
    },
    /// Run a version beside the stable one on live data.
    Shadow {
        id: String,
    },
    Unshadow {
        id: String,
    },
    /// Ends a suspension.
    Resume {
        id: String,
    },
}

/// Why a request about parsers was not done.
#[derive(Debug, thiserror::Error)]
pub enum ParserError {
    #[error("there is no parser {0}")]
    NotFound(String),
    /// Wrong, unsigned or not allowed; shown to the client.
    #[error("{message}")]
    Refused { code: &'static str, message: String },
    /// The version exists with other content; shown to the client.
    #[error("{0}")]
    Conflict(String),
    /// Ours. Logged, not shown.
    #[error("{0}")]
    Internal(String),
}

/// Keeps users' parsers. Calls block; the server makes them off its async threads.
pub trait ParserAdmin: Send + Sync {
    /// The answer as the JSON that the command line prints too.
    ///
    /// # Errors
    /// See [`ParserError`].
    fn handle(&self, request: ParserRequest) -> Result<Value, ParserError>;
}

/// A request that is being served, as the site describes it.
#[derive(Clone, Copy, Debug)]
pub struct DetectRequest<'a> {
    pub tenant: &'a TenantId,
    /// Canonical text.
    pub ip: &'a str,
    pub ts: Micros,
    pub method: &'a str,
    pub uri: &'a str,
    pub ua: Option<&'a str>,
    /// Name and value, as sent; `None` when the site does not pass them on.
    pub headers: Option<&'a [(&'a str, &'a str)]>,
    pub session: Option<&'a str>,
    pub account: Option<&'a str>,
    pub request_id: Option<&'a str>,
}

/// What is said of it: the contract's answer. The default is no anomaly.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct DetectAnswer {
    pub anomaly: bool,
    /// `rule` or `ml`.
    pub method: Option<&'static str>,
    pub rule_id: Option<String>,
    /// 0..1.
    pub score: f64,
    pub reasons: Vec<String>,
}

/// Judges requests while they are served. Quick and without waiting: it is asked on the thread
/// that reads the connection.
pub trait RequestJudge: Send + Sync {
    fn judge(&self, request: &DetectRequest<'_>) -> DetectAnswer;
}
